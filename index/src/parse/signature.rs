//! Owns how a definition reads: its header on one line, its documentation, what stands above it.
//! Uses lines of text only, so that it is the same for every language.
//! Never looks at syntax trees.

use super::LineIndex;
use super::languages::Language;

/// A signature longer than this says no more.
const LONGEST_HEADER: usize = 240;
/// A first sentence longer than this is not one.
const LONGEST_SENTENCE: usize = 200;
/// Comments and attributes above a definition are looked at this far up.
const LINES_ABOVE: u32 = 60;

/// What stands directly above a definition.
#[derive(Debug, Default)]
pub(super) struct Above {
    /// The first line of it all, from 1.
    pub(super) start_line: u32,
    pub(super) doc: Option<String>,
    pub(super) is_test: bool,
}

/// Read the attributes, decorators and comments above a line.
pub(super) fn above(text: &str, lines: &LineIndex, line: u32, language: &Language) -> Above {
    let mut result = Above { start_line: line, ..Above::default() };
    let mut comment: Vec<&str> = Vec::new();
    let mut at = line;
    let mut marks_tests = |candidate: &str| result.is_test |= is_test_mark(candidate);
    // The definition's own line may hold its attribute: `#[test] fn …`, `@Test void …`.
    marks_tests(lines.text(text, line).trim());
    while at > 1 && line - at < LINES_ABOVE {
        let candidate = lines.text(text, at - 1).trim();
        let is_comment = language.comments.iter().any(|mark| candidate.starts_with(mark))
            && !candidate.starts_with("#[")
            && !candidate.starts_with("#!");
        // A line that ends a statement or opens a block is a definition of its own, with its attribute before it.
        let is_attribute = ["#[", "@", "template"].iter().any(|mark| candidate.starts_with(mark))
            && !candidate.ends_with(['{', '}', ';']);
        if is_attribute {
            marks_tests(candidate);
        } else if !is_comment || ends_another(candidate) {
            break;
        } else {
            comment.push(candidate);
        }
        at -= 1;
    }
    result.start_line = at;
    comment.reverse();
    result.doc = first_sentence(comment.iter().map(|line| strip_comment(line, language)));
    result
}

/// A comment that belongs to something else: to the module, or to code on its own line.
fn ends_another(candidate: &str) -> bool {
    candidate.starts_with("//!")
        || candidate.ends_with("*/") && !candidate.starts_with("/*") && !candidate.starts_with('*')
}

fn is_test_mark(line: &str) -> bool {
    let Some(mark) = line.strip_prefix("#[").or_else(|| line.strip_prefix('@')) else { return false };
    let mark = mark.split(']').next().unwrap_or(mark);
    let word = mark.split(['(', ' ', '=']).next().unwrap_or(mark);
    if word == "cfg" {
        return mark.contains("test") && !mark.contains("not(test");
    }
    let last = word.rsplit("::").next().unwrap_or(word);
    matches!(
        last,
        "test"
            | "Test"
            | "ParameterizedTest"
            | "RepeatedTest"
            | "bench"
            | "rstest"
            | "test_case"
            | "pytest.fixture"
    ) || word.starts_with("pytest.mark")
}

fn strip_comment<'a>(line: &'a str, language: &Language) -> &'a str {
    let mut rest = line;
    for mark in language.comments {
        if let Some(after) = rest.strip_prefix(mark) {
            rest = after;
            break;
        }
    }
    rest.trim_end_matches("*/").trim()
}

/// The first sentence of some lines, if they say anything.
fn first_sentence<'a>(lines: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut sentence = String::new();
    for line in lines {
        let line = line.trim();
        let is_rule = !line.contains(char::is_alphanumeric);
        if line.is_empty() || is_rule || line.starts_with('@') {
            if sentence.is_empty() {
                continue;
            }
            break;
        }
        if !sentence.is_empty() {
            sentence.push(' ');
        }
        sentence.push_str(line);
        if let Some(end) = sentence_end(&sentence) {
            sentence.truncate(end);
            break;
        }
        if sentence.len() > LONGEST_SENTENCE {
            break;
        }
    }
    (!sentence.is_empty()).then(|| shorten(sentence, LONGEST_SENTENCE))
}

fn sentence_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (1..bytes.len())
        .find(|&at| {
            matches!(bytes[at], b'.' | b'!' | b'?')
                && bytes.get(at + 1).is_none_or(|next| *next == b' ')
                && !text[..at].ends_with("e.g")
                && !text[..at].ends_with("i.e")
                && !text[..at].ends_with("etc")
        })
        .map(|at| at + 1)
}

/// The docstring at the start of a Python body.
pub(super) fn docstring(text: &str, body: usize, end: usize, language: &Language) -> Option<String> {
    if language.name != "python" {
        return None;
    }
    let inside = text.get(body..end)?.trim_start();
    let inside = inside.trim_start_matches(['r', 'R', 'u', 'U', 'b', 'f']);
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| inside.starts_with(quote))?;
    let inside = &inside[quote.len()..];
    let inside = &inside[..inside.find(quote)?];
    first_sentence(inside.lines())
}

/// The definition's text up to its body, on one line, with what stands before it on its own line (`export`, `static`).
pub(super) fn header(
    text: &str,
    lines: &LineIndex,
    start: usize,
    end: usize,
    body: Option<usize>,
    language: &Language,
) -> String {
    let line_start = lines.start(lines.line(start));
    let before = text[line_start..start].trim_start();
    let plain =
        before.chars().all(|character| character.is_alphanumeric() || matches!(character, ' ' | '\t' | '_'));
    let from = if plain { start - before.len() } else { start };
    let whole = &text[from..end];
    let piece = match body {
        Some(body) if body > from && body <= end => &text[from..body],
        // Without a body: the first line, or all of it when it opens something that it does not close there.
        _ => without_body(whole),
    };
    let mut header = String::with_capacity(piece.len().min(LONGEST_HEADER));
    for line in piece.lines() {
        let line = line.trim();
        // Attributes and comments inside the node are not the signature.
        if line.starts_with("#[")
            || line.starts_with('@') && language.name != "python" && piece.lines().count() > 1
            || line.starts_with("//")
        {
            continue;
        }
        for word in line.split_whitespace() {
            if !header.is_empty() {
                header.push(' ');
            }
            header.push_str(word);
        }
        if header.len() > LONGEST_HEADER {
            break;
        }
    }
    let trimmed = loop {
        let shorter = header
            .trim_end()
            .trim_end_matches(['{', ';', ',', ':'])
            .trim_end_matches("=>")
            .trim_end_matches('=')
            .trim_end();
        if shorter.len() == header.len() {
            break header;
        }
        header = shorter.to_owned();
    };
    shorten(trimmed, LONGEST_HEADER)
}

fn without_body(whole: &str) -> &str {
    let line = whole.lines().next().unwrap_or(whole);
    match line.find('{') {
        Some(at) if !line[at..].contains('}') => &line[..at],
        _ if line.matches('(').count() > line.matches(')').count() => {
            let end = whole.find('{').or_else(|| whole.find(')').map(|at| at + 1)).unwrap_or(line.len());
            &whole[..end]
        }
        _ => line,
    }
}

fn shorten(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// `unsafe impl<T: Copy> Display for Foo<T> where T: X` → `impl Display for Foo<T>`.
pub(super) fn impl_label(header: &str, name: &str) -> String {
    let Some(at) = header.find("impl") else { return format!("impl {name}") };
    let mut rest = header[at + 4..].trim_start();
    if rest.starts_with('<') {
        let mut depth = 0i32;
        let mut before = ' ';
        let end = rest.char_indices().find(|&(_, character)| {
            match character {
                '<' => depth += 1,
                '>' if before != '-' => depth -= 1,
                _ => {}
            }
            before = character;
            depth == 0
        });
        rest = end.map_or(rest, |(at, _)| rest[at + 1..].trim_start());
    }
    let rest = rest.split(" where ").next().unwrap_or(rest).trim();
    shorten(format!("impl {rest}"), 100)
}
