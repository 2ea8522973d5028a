//! Owns the question whether a guess pays: how often guesses came true, and what checking them costs here.
//! Uses the times of passes as they were measured on this machine with this model.
//! Never changes what is written, only how many tokens one pass looks at.

use std::time::Duration;

/// The longest guess that is checked in one pass.
pub(crate) const LONGEST: usize = 24;
/// A guess must promise to be this much faster than going without: what is measured is never exact.
const MARGIN: f64 = 1.05;
/// The weight of the newest time.
const NEWEST: f64 = 0.1;
/// The weight of the newest guess.
const NEWEST_GUESS: f64 = 0.2;
/// After so many tokens without a guess, one is checked to see whether they come true by now.
const RETRY: usize = 48;
/// What a further row costs as a share of a pass with one, before anything was measured: measured on two cores with
/// 1.5B weights of 4 bits, where a pass of one reads all weights and a further row only computes.
const ASSUMED_SHARE: f64 = 0.12;

/// What passes take, by their rows.
#[derive(Debug, Default)]
pub(crate) struct Costs {
    /// Seconds of a pass that looks at one token of each sequence.
    one: Option<f64>,
    /// Seconds that each further row adds.
    further: Option<f64>,
}

impl Costs {
    /// Note what a pass over `sequences` sequences with `rows` tokens took.
    pub(crate) fn note(&mut self, sequences: usize, rows: usize, took: Duration) {
        let took = took.as_secs_f64();
        let blend = |known: Option<f64>, new: f64| known.map_or(new, |known| known + NEWEST * (new - known));
        if sequences == 1 && rows == 1 {
            self.one = Some(blend(self.one, took));
        } else if sequences == 1
            && rows > 1
            && let Some(one) = self.one
        {
            let further = (took - one).max(0.0) / (rows - 1) as f64;
            self.further = Some(blend(self.further, further));
        }
    }

    /// What a further row costs, as a share of a pass with one.
    fn share(&self) -> f64 {
        match (self.one, self.further) {
            (Some(one), Some(further)) if one > 0.0 => further / one,
            _ => ASSUMED_SHARE,
        }
    }

    /// How many tokens to guess where each comes true with probability `likely`, and by which factor all sequences
    /// together, `others` beside this one, are then faster than with one token each.
    fn best_length(&self, likely: f64, most: usize, others: usize) -> (usize, f64) {
        let (share, others) = (self.share(), others as f64);
        let (mut best, mut reach, mut tokens) = ((0, 1.0), 1.0, 1.0);
        for length in 1..=most.min(LONGEST) {
            reach *= likely;
            tokens += reach;
            let dearer = (1.0 + share * (others + length as f64)) / (1.0 + share * others);
            let gain = (others + tokens) / (others + 1.0) / dearer;
            if gain > best.1 {
                best = (length, gain);
            }
        }
        best
    }
}

/// How far the guesses of one generation are trusted: by how long the agreement before them was.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    /// How likely the next guessed token comes true, for short, middling and long agreement.
    likely: [f64; 3],
    /// Tokens since the last guess.
    idle: usize,
}

impl Default for Trust {
    fn default() -> Self {
        Self { likely: [0.5, 0.7, 0.85], idle: 0 }
    }
}

fn class(agreed: usize) -> usize {
    match agreed {
        0..=4 => 0,
        5..=9 => 1,
        _ => 2,
    }
}

impl Trust {
    /// How many tokens to guess after `agreed` tokens agreed, while `others` sequences write as well; 0 where it would
    /// not pay.
    pub(crate) fn length(&mut self, agreed: usize, most: usize, others: usize, costs: &Costs) -> usize {
        let (length, gain) = costs.best_length(self.likely[class(agreed)], most, others);
        if gain >= MARGIN {
            return length;
        }
        self.idle += 1;
        if self.idle >= RETRY {
            self.idle = 0;
            return most.min(2);
        }
        0
    }

    /// Note that `accepted` of `drafted` guessed tokens came true.
    pub(crate) fn note(&mut self, agreed: usize, drafted: usize, accepted: usize) {
        self.idle = 0;
        let likely = &mut self.likely[class(agreed)];
        // Each token that came true is a success, the one after them a failure; those behind it say nothing.
        for _ in 0..accepted {
            *likely += NEWEST_GUESS * (1.0 - *likely);
        }
        if accepted < drafted {
            *likely -= NEWEST_GUESS * *likely;
        }
        *likely = likely.clamp(0.01, 0.99);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(one: u64, eight: u64) -> Costs {
        let mut costs = Costs::default();
        costs.note(1, 1, Duration::from_micros(one));
        costs.note(1, 8, Duration::from_micros(eight));
        costs
    }

    #[test]
    fn guesses_are_long_where_rows_are_cheap_and_guesses_come_true() {
        let (cheap, dear) = (costs(40_000, 60_000), costs(1_000, 8_000));
        let lengths: Vec<usize> =
            [0.1, 0.5, 0.8, 0.95].iter().map(|&likely| cheap.best_length(likely, 16, 0).0).collect();
        assert!(lengths.is_sorted() && lengths[0] <= 1 && lengths[3] >= 8, "{lengths:?}");
        assert_eq!(dear.best_length(0.99, 16, 0).0, 0, "a pass of eight that takes as long as eight passes");
        assert_eq!(cheap.best_length(0.99, 3, 0).0, 3);
        assert!(
            cheap.best_length(0.8, 16, 7).0 < cheap.best_length(0.8, 16, 0).0,
            "rows of others fill a pass"
        );
    }

    #[test]
    fn guesses_that_fail_are_given_up_and_tried_again_later() {
        let costs = costs(40_000, 80_000);
        let mut trust = Trust::default();
        assert!(trust.length(3, 16, 0, &costs) > 0);
        for _ in 0..20 {
            trust.note(3, 4, 0);
        }
        let tries: Vec<usize> = (0..2 * RETRY).map(|_| trust.length(3, 16, 0, &costs)).collect();
        assert_eq!(tries.iter().filter(|&&length| length > 0).count(), 2);
        assert!(trust.length(20, 16, 0, &costs) > 4, "longer agreement is judged by itself");
        for _ in 0..20 {
            trust.note(3, 4, 4);
        }
        assert!(trust.length(3, 16, 0, &costs) > 4);
    }
}
