//! Owns the choice of the next token from its scores.
//! Uses a small generator of its own, so that a seed means the same on every machine and version.
//! Never returns a token whose score is negative infinity.

use crate::provider::Sampling;

/// Draws tokens for one generation.
#[derive(Debug)]
pub(crate) struct Sampler {
    settings: Sampling,
    random: Random,
    /// Reused between tokens: what may be drawn, with its score and later its probability.
    candidates: Vec<(u32, f32)>,
}

impl Sampler {
    pub(crate) fn new(settings: Sampling) -> Self {
        let random = Random(settings.seed);
        Self { settings, random, candidates: Vec::new() }
    }

    /// The next token, or `None` when no score is a number above negative infinity. `recent` holds
    /// the sequence so far, of which the last `repeat_last_n` are penalised.
    pub(crate) fn sample(&mut self, logits: &mut [f32], recent: &[u32]) -> Option<u32> {
        self.penalise(logits, recent);
        let best = largest(logits)?;
        if self.settings.temperature <= 0.0 || self.settings.top_k == 1 {
            return Some(best);
        }
        self.collect(logits, logits[best as usize]);
        let sum = self.keep_top_p();
        let candidates = &mut self.candidates;
        if self.settings.min_p > 0.0 {
            // The most probable one has the value 1 before division by the sum.
            let least = self.settings.min_p.min(1.0);
            candidates.retain(|(_, probability)| *probability >= least);
        }
        let sum = match self.settings.min_p > 0.0 {
            true => candidates.iter().map(|(_, probability)| probability).sum(),
            false => sum,
        };
        let mut left = self.random.unit() * sum;
        for (token, probability) in candidates.iter() {
            left -= probability;
            if left < 0.0 {
                return Some(*token);
            }
        }
        candidates.last().map(|(token, _)| *token)
    }

    /// Take what may be drawn: the `top_k` largest, or all, with `exp((score - largest) / temperature)`.
    fn collect(&mut self, logits: &[f32], largest: f32) {
        let candidates = &mut self.candidates;
        candidates.clear();
        let keep = if self.settings.top_k == 0 { logits.len() } else { self.settings.top_k };
        // Beyond this many the rest is thrown away; what is below the least of them then need not be looked at.
        let room = keep.saturating_mul(2).max(256);
        let mut least = f32::NEG_INFINITY;
        for (block, scores) in logits.chunks(BLOCK).enumerate() {
            // Most blocks of a large vocabulary hold nothing that could be kept.
            if !scores.iter().fold(false, |any, &score| any | (score > least)) {
                continue;
            }
            let ids = (block * BLOCK) as u32..;
            candidates.extend(ids.zip(scores.iter().copied()).filter(|&(_, score)| score > least));
            if candidates.len() >= room && candidates.len() > keep {
                candidates.select_nth_unstable_by(keep - 1, descending);
                candidates.truncate(keep);
                // An equal score with a larger id comes after it, so only larger ones matter from here on.
                least = candidates[keep - 1].1;
            }
        }
        if keep < candidates.len() {
            candidates.select_nth_unstable_by(keep - 1, descending);
            candidates.truncate(keep);
        }
        if keep < logits.len() {
            // In order, a small change of the scores changes little of what a random number stands for.
            candidates.sort_unstable_by(descending);
        }
        let temperature = self.settings.temperature;
        for (_, score) in candidates.iter_mut() {
            *score = ((*score - largest) / temperature).exp();
        }
    }

    /// Keep the smallest set whose probability reaches `top_p`, and return the sum of what is kept.
    fn keep_top_p(&mut self) -> f32 {
        let candidates = &mut self.candidates;
        let all: f32 = candidates.iter().map(|(_, probability)| probability).sum();
        if self.settings.top_p >= 1.0 {
            return all;
        }
        let enough = self.settings.top_p * all;
        // Few of many thousand reach it as a rule, so only the first are put in order.
        let mut sorted = FIRST.min(candidates.len());
        loop {
            if sorted < candidates.len() {
                candidates.select_nth_unstable_by(sorted - 1, descending);
            }
            candidates[..sorted].sort_unstable_by(descending);
            let mut reached = 0.0;
            let last = candidates[..sorted].iter().position(|(_, probability)| {
                reached += probability;
                reached >= enough
            });
            if let Some(last) = last {
                candidates.truncate(last + 1);
                return reached;
            }
            if sorted == candidates.len() {
                return reached;
            }
            sorted = (sorted * 8).min(candidates.len());
        }
    }

    fn penalise(&self, logits: &mut [f32], recent: &[u32]) {
        let penalty = self.settings.repeat_penalty;
        if penalty == 1.0 || penalty <= 0.0 {
            return;
        }
        let mut recent = recent[recent.len().saturating_sub(self.settings.repeat_last_n)..].to_vec();
        recent.sort_unstable();
        recent.dedup();
        for token in recent {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
            }
        }
    }
}

/// Scores that are looked at together.
const BLOCK: usize = 64;
/// Candidates that are put in order at first.
const FIRST: usize = 64;

/// The larger score first, then the smaller id. `total_cmp` keeps the order defined.
fn descending(a: &(u32, f32), b: &(u32, f32)) -> std::cmp::Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// The first of the largest scores; `None` when there is no number above negative infinity.
fn largest(logits: &[f32]) -> Option<u32> {
    let mut best: Option<(u32, f32)> = None;
    for (block, scores) in logits.chunks(BLOCK).enumerate() {
        let least = best.map_or(f32::NEG_INFINITY, |(_, score)| score);
        // Without a branch for each score this runs in vectors; a block that holds a new best one is rare.
        if !scores.iter().fold(false, |any, &score| any | (score > least)) {
            continue;
        }
        for (token, &score) in ((block * BLOCK) as u32..).zip(scores) {
            if score > best.map_or(f32::NEG_INFINITY, |(_, score)| score) {
                best = Some((token, score));
            }
        }
    }
    best.map(|(token, _)| token)
}

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// From 0 inclusive to 1 exclusive, in steps of 2^-24.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 24) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neutral() -> Sampling {
        Sampling {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repeat_penalty: 1.0,
            repeat_last_n: 64,
            seed: 7,
        }
    }

    /// How often each token is drawn out of 20,000.
    fn shares(settings: Sampling, logits: &[f32], recent: &[u32]) -> Vec<f64> {
        let mut sampler = Sampler::new(settings);
        let mut counts = vec![0.0; logits.len()];
        for _ in 0..20_000 {
            let token = sampler.sample(&mut logits.to_vec(), recent).expect("a token");
            counts[token as usize] += 1.0 / 20_000.0;
        }
        counts
    }

    fn check(settings: Sampling, logits: &[f32], recent: &[u32], expect: &[f64]) {
        let found = shares(settings.clone(), logits, recent);
        for (found, expect) in found.iter().zip(expect) {
            assert!((found - expect).abs() < 0.015, "{settings:?}: {found} is not {expect}");
            assert!(*expect > 0.0 || *found == 0.0, "{settings:?}: an excluded token was drawn");
        }
    }

    #[test]
    fn tokens_come_as_often_as_their_scores_say() {
        let logits = [0.5f32.ln(), 0.3f32.ln(), 0.15f32.ln(), 0.05f32.ln()];
        check(neutral(), &logits, &[], &[0.5, 0.3, 0.15, 0.05]);
        check(Sampling { top_k: 2, ..neutral() }, &logits, &[], &[0.625, 0.375, 0.0, 0.0]);
        check(Sampling { top_p: 0.75, ..neutral() }, &logits, &[], &[0.625, 0.375, 0.0, 0.0]);
        check(Sampling { min_p: 0.2, ..neutral() }, &logits, &[], &[0.526, 0.316, 0.158, 0.0]);
        check(Sampling { temperature: 0.0, ..neutral() }, &logits, &[], &[1.0, 0.0, 0.0, 0.0]);
        // Halving the temperature squares the odds: 25 : 9 : 2.25 : 0.25.
        check(Sampling { temperature: 0.5, ..neutral() }, &logits, &[], &[0.685, 0.247, 0.062, 0.007]);
        // A penalty of 2 on negative logits squares the probabilities of the recent tokens.
        let penalty = Sampling { repeat_penalty: 2.0, repeat_last_n: 1, ..neutral() };
        check(penalty, &logits, &[1, 0], &[0.333, 0.4, 0.2, 0.067]);
    }

    #[test]
    fn the_same_seed_draws_the_same_tokens() {
        let logits: Vec<f32> = (0..50).map(|token| (token % 7) as f32 / 3.0).collect();
        let draw = |seed| {
            let mut sampler = Sampler::new(Sampling { seed, ..neutral() });
            (0..40).map(|_| sampler.sample(&mut logits.clone(), &[])).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn excluded_tokens_and_broken_scores_are_never_drawn() {
        let none = f32::NEG_INFINITY;
        for settings in
            [neutral(), Sampling { temperature: 0.0, ..neutral() }, Sampling { top_k: 1, ..neutral() }]
        {
            let mut sampler = Sampler::new(settings);
            assert_eq!(sampler.sample(&mut [none, -3.0, none], &[]), Some(1));
            assert_eq!(sampler.sample(&mut [none, none], &[]), None);
            assert_eq!(sampler.sample(&mut [f32::NAN, f32::NAN], &[]), None);
            assert_eq!(sampler.sample(&mut [f32::NAN, 2.0], &[]), Some(1));
            assert_eq!(sampler.sample(&mut [], &[]), None);
        }
    }
}
