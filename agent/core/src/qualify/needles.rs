//! Owns the tasks about depth: one line among many like it, at several places of windows of several sizes.
//! Uses a generator of its own, so that the lines are the same everywhere.
//! Never asks for more than the window holds with the head before it.

use super::card::Kind;
use super::tasks::Task;

/// Sizes that are tried, in tokens; those that fit.
const SIZES: [usize; 5] = [1_000, 4_000, 16_000, 32_000, 64_000];
/// Where in the lines the needle stands.
const DEPTHS: [f64; 3] = [0.1, 0.5, 0.9];
/// The part of the window that head, tools and answer may need.
const HEAD: usize = 3_000;
/// Bytes of a token in lines such as these, about.
const TOKEN_BYTES: usize = 3;
const WORDS: [&str; 16] = [
    "amber", "birch", "cedar", "delta", "ember", "flint", "grove", "heron", "inlet", "jade", "knoll",
    "larch", "maple", "north", "olive", "pearl",
];

/// The tasks that fit a window. `count` counts the tokens of a text, where the tokenizer is at hand.
pub(super) fn tasks(window: usize, quick: bool, count: &dyn Fn(&str) -> Option<usize>) -> Vec<Task> {
    // A window that holds no head of ours is that of a model which reads none.
    let room = if window > 2 * HEAD { window - HEAD } else { window / 2 };
    let mut sizes: Vec<usize> = SIZES.into_iter().filter(|size| *size <= room).collect();
    if sizes.is_empty() {
        sizes.push(room / 2);
    }
    if quick {
        sizes.truncate(1);
    }
    let mut tasks = Vec::new();
    for size in sizes {
        for depth in DEPTHS {
            let (text, code) = lines(size, depth, count);
            let percent = (depth * 100.0) as u32;
            let judge = {
                let code = code.clone();
                Box::new(move |seen: &super::seen::Seen| seen.ended().and_then(|()| seen.says(&[&code])))
            };
            tasks.push(Task {
                name: format!("needle-{size}-at-{percent}"),
                kind: Kind::Needle,
                quick: true,
                prompt: format!(
                    "Here is a list of codes.\n\n{text}\nFrom this list alone, without any tool: what is the code of \
                     the harbour lighthouse? Answer with the code."
                ),
                tokens: Some(count(&text).unwrap_or(text.len() / TOKEN_BYTES)),
                judge,
            });
        }
    }
    tasks
}

/// Lines of about so many tokens with one of the lighthouse among them, and its code.
fn lines(size: usize, depth: f64, count: &dyn Fn(&str) -> Option<usize>) -> (String, String) {
    let mut random = 0x10c1_u64 ^ size as u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let sample = "The code of the amber cedar lighthouse is 1234-5678.\n";
    let each = count(sample).unwrap_or(sample.len() / TOKEN_BYTES).max(1);
    let all = (size / each).max(3);
    let at = ((all as f64 * depth) as usize).min(all - 1);
    let code = format!("{:04}-{:04}", 1_000 + next(9_000), 1_000 + next(9_000));
    let mut text = String::new();
    for line in 0..all {
        if line == at {
            text.push_str(&format!("The code of the harbour lighthouse is {code}.\n"));
            continue;
        }
        let (one, two) = (WORDS[next(WORDS.len())], WORDS[next(WORDS.len())]);
        let other = format!("{:04}-{:04}", 1_000 + next(9_000), 1_000 + next(9_000));
        text.push_str(&format!("The code of the {one} {two} lighthouse is {other}.\n"));
    }
    (text, code)
}
