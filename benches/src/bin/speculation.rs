//! Owns the figure of speculation: rewriting a file of 300 lines with three changes, with and without drafts.
//! Uses the engine with a constraint that lets only the rewritten file through, so that random weights will do: what is
//! accepted of a draft is what a model would accept that writes exactly this file.
//! Never helps the drafts: the constraint calls every draft possible, so wrong ones cost what they cost.
//!
//! `speculation MODEL.gguf [ROUNDS [TOKENS]]`; the file is part of this repository.
#![expect(clippy::print_stdout, reason = "its whole purpose is to print figures")]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use loci_inference::engine::{Constraint, Engine, EngineEvent, EngineOptions, Job, ModelSource, Speculation};
use tokio_util::sync::CancellationToken;

/// A file of ordinary program text.
const FILE: &str = include_str!("../../../index/src/walk.rs");
const LINES: usize = 300;

/// The file and the file with its changes: one line is altered, one replaced by two, one taken away.
fn texts() -> (String, String) {
    let lines: Vec<&str> = FILE.lines().cycle().take(LINES).collect();
    let altered = format!("{} // checked twice", lines[LINES / 4]);
    let mut changed = lines.clone();
    changed[LINES / 4] = &altered;
    changed.splice(LINES / 2..=LINES / 2, ["    let seen = count_of_everything();", "    report(seen)?;"]);
    changed.remove(3 * LINES / 4);
    let joined = |lines: Vec<&str>| lines.join("\n") + "\n";
    (joined(lines), joined(changed))
}

/// Lets one text through.
struct Script {
    tokens: Vec<u32>,
    next: usize,
}

impl Constraint for Script {
    fn mask(&mut self, logits: &mut [f32]) -> Result<(), String> {
        let wanted = *self.tokens.get(self.next).ok_or("the text has ended")? as usize;
        for (token, logit) in logits.iter_mut().enumerate() {
            *logit = if token == wanted { 0.0 } else { f32::NEG_INFINITY };
        }
        Ok(())
    }

    fn accept(&mut self, token: u32) -> Result<bool, String> {
        if self.tokens.get(self.next) != Some(&token) {
            return Err(format!("token {} is not the one of the script", self.next));
        }
        self.next += 1;
        Ok(self.next == self.tokens.len())
    }

    fn forced(&mut self) -> Vec<u32> {
        Vec::new()
    }

    fn accepts(&mut self, tokens: &[u32]) -> usize {
        tokens.len()
    }
}

/// Tokens a second after the first.
fn rate(engine: &Engine, prompt: &[u32], answer: &[u32]) -> Result<f64, Box<dyn Error>> {
    let job = Job {
        prompt: prompt.to_vec(),
        max_tokens: answer.len(),
        constraint: Some(Box::new(Script { tokens: answer.to_vec(), next: 0 })),
        ..Job::default()
    };
    let mut events = engine.generate(job, CancellationToken::new());
    let (mut first, mut count) = (None, 0_usize);
    while let Some(event) = events.blocking_recv() {
        match event? {
            EngineEvent::Token(_) => {
                count += 1;
                first.get_or_insert_with(Instant::now);
            }
            EngineEvent::Finished { .. } => break,
            _ => {}
        }
    }
    if count < answer.len() {
        return Err(format!("{count} of {} tokens were written", answer.len()).into());
    }
    let seconds = first.ok_or("nothing was written")?.elapsed().as_secs_f64();
    Ok((count - 1) as f64 / seconds)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let model = PathBuf::from(arguments.first().ok_or("usage: speculation MODEL.gguf [ROUNDS [TOKENS]]")?);
    let rounds = arguments.get(1).map_or(Ok(3), |rounds| rounds.parse::<usize>())?.max(1);
    let most = arguments.get(2).map_or(Ok(usize::MAX), |tokens| tokens.parse::<usize>())?;
    let open = |speculation| {
        let options =
            EngineOptions { context: Some(16_384), cpu_only: true, speculation, ..EngineOptions::default() };
        Engine::open(ModelSource::Path(model.clone()), options)
    };
    let (without, with) = (open(Speculation::Off)?, open(Speculation::Auto)?);
    let (file, changed) = texts();
    let prompt = without.tokenizer().encode(&format!("Rewrite this file with the changes.\n\n{file}\n"))?;
    let mut answer = without.tokenizer().encode(&changed)?;
    answer.truncate(most);
    println!("{LINES} lines, a prompt of {} tokens, an answer of {}", prompt.len(), answer.len());
    let (mut slow, mut fast) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        slow.push(rate(&without, &prompt, &answer)?);
        fast.push(rate(&with, &prompt, &answer)?);
        println!("round {}: {:.1} tokens/s without drafts, {:.1} with", round + 1, slow[round], fast[round]);
    }
    let (slow, fast) = (median(slow), median(fast));
    println!("medians: {slow:.1} without, {fast:.1} with: {:.2} times", fast / slow);
    Ok(())
}
