//! Owns the equality of all ways through the cache, for every family: chunks, single tokens, truncation, forks, batches.
//! Uses the models of families.json.
//! Never compares with a looser bound than rounding needs.

use serde_json::Value;

use super::families::{is_supported, reference};
use super::*;
use crate::gguf::testing::families::described;

/// Float weights: sums in another order move a logit by some 1e-6 of their deviation, and a key or value that
/// lies between two numbers of f16 by 2^-11 of its own.
const FLOATS: f32 = 4e-3;
/// Quantised weights: an activation that lies between two of the 255 steps falls on another one.
const QUANTISED: f32 = 0.15;

struct Paths<'a> {
    runner: Runner,
    tokens: &'a [u32],
    vocab: usize,
    /// The logits of every token in one pass, `[tokens, vocab]`.
    whole: Vec<f32>,
    limit: f32,
    failures: Vec<String>,
}

impl Paths<'_> {
    /// Compare the last row of `found`, which belongs behind token `position`.
    fn check(&mut self, name: &str, position: usize, found: &[f32]) {
        let expect = &self.whole[position * self.vocab..(position + 1) * self.vocab];
        let difference = largest_difference(&found[found.len() - self.vocab..], expect) / deviation(expect);
        // What is not a number is no equality either.
        if difference.is_nan() || difference > self.limit {
            self.failures.push(format!("{name} at {position}: {difference}"));
        }
    }

    fn run(&mut self) {
        let tokens = self.tokens;
        let end = tokens.len() - 1;
        self.runner.restart();
        let found = self.runner.run(tokens, 37);
        self.check("chunks", end, &found);

        // A prompt, an answer token by token, then the next turn behind both.
        self.runner.restart();
        self.runner.run(&tokens[..50], usize::MAX);
        let found = self.runner.run(&tokens[50..70], 1);
        self.check("token by token", 69, &found);
        let found = self.runner.run(&tokens[70..], usize::MAX);
        self.check("appended after decoding", end, &found);

        // Another ending is taken back, across a page, and the right one follows.
        self.runner.sequence.truncate(60);
        self.runner.run(&tokens[..20], 7);
        self.runner.sequence.truncate(60);
        let found = self.runner.run(&tokens[60..], 64);
        self.check("truncated and gone on", end, &found);

        // A fork goes its own way; the one it came from goes on as if nothing had happened.
        self.runner.sequence.truncate(70);
        let mut fork = self.runner.sequence.fork(41);
        let mut logits = Vec::new();
        let mut step = |runner: &mut Runner, sequence: &mut Sequence, tokens: &[u32]| {
            let step = Step { sequence, tokens, outputs: Outputs::Last };
            runner.decoder.forward(&mut [step], &mut logits, &|| false).unwrap();
            logits.clone()
        };
        step(&mut self.runner, &mut fork, &tokens[..9]);
        let found = self.runner.run(&tokens[70..], 11);
        self.check("behind a fork", end, &found);
        fork.truncate(41);
        let found = step(&mut self.runner, &mut fork, &tokens[41..]);
        self.check("a fork", end, &found);
        self.batches();
    }

    /// Two sequences in one pass: a prompt and a single token, then two single tokens.
    fn batches(&mut self) {
        let (tokens, vocab) = (self.tokens, self.vocab);
        self.runner.sequence.truncate(80);
        let mut other = Sequence::new(self.runner.decoder.geometry());
        let mut logits = Vec::new();
        let Runner { decoder, sequence } = &mut self.runner;
        let mut batch = [
            Step { sequence: &mut other, tokens: &tokens[..33], outputs: Outputs::All },
            Step { sequence, tokens: &tokens[80..81], outputs: Outputs::Last },
        ];
        decoder.forward(&mut batch, &mut logits, &|| false).unwrap();
        let mut batch = [
            Step { sequence: &mut other, tokens: &tokens[33..34], outputs: Outputs::Last },
            Step { sequence, tokens: &tokens[81..82], outputs: Outputs::None },
        ];
        let mut second = Vec::new();
        decoder.forward(&mut batch, &mut second, &|| false).unwrap();
        let mut batch = [
            Step { sequence: &mut other, tokens: &tokens[34..60], outputs: Outputs::None },
            Step { sequence, tokens: &tokens[82..90], outputs: Outputs::Last },
        ];
        let mut third = Vec::new();
        decoder.forward(&mut batch, &mut third, &|| false).unwrap();
        assert_eq!([logits.len(), second.len(), third.len()], [34 * vocab, vocab, vocab]);
        assert_eq!((other.tokens(), sequence.len()), (&tokens[..60], 90));
        for position in [0, 17, 32] {
            self.check("a prompt in a batch", position, &logits[..(position + 1) * vocab]);
        }
        self.check("a token beside a prompt", 80, &logits);
        self.check("a token beside a token", 33, &second);
        self.check("a draft beside a prompt", 89, &third);
    }
}

fn check(name: &str, case: &Value, tokens: &[u32], vocab: usize, limit: f32) {
    let raw = described(case, vocab);
    if !is_supported(name, case, &raw) {
        return;
    }
    let mut runner = Runner::new(&raw);
    let whole = runner.step(tokens, Outputs::All);
    assert_eq!(whole.len(), tokens.len() * vocab, "{name}");
    let mut paths = Paths { runner, tokens, vocab, whole, limit, failures: Vec::new() };
    paths.run();
    assert!(paths.failures.is_empty(), "{name}: {}", paths.failures.join("; "));
}

#[test]
fn all_ways_through_the_cache_agree_in_every_family() {
    let reference = reference();
    for (name, case) in &reference.cases {
        if !name.contains(':') {
            check(name, case, &reference.tokens, reference.vocab, FLOATS);
        }
    }
}

/// Without mixtures: rounding may turn a choice of experts.
#[test]
fn all_ways_through_the_cache_agree_with_mixed_types() {
    let reference = reference();
    for (name, case) in &reference.cases {
        if name.ends_with(":mix") && case["metadata"].get("expert_count").is_none() {
            check(name, case, &reference.tokens, reference.vocab, QUANTISED);
        }
    }
}
