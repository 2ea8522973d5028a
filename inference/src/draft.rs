//! Owns guesses at the next tokens: what followed the same words before, in the context or in a reference text.
//! Uses an index of short runs of tokens, as prompt-lookup decoding does (Saxena 2023; Yang et al. 2023, arXiv
//! 2304.04487), and measured times for the choice of a length.
//! Never decides what is written: every guess is checked against the model's own choice.

mod pays;

use std::collections::HashMap;

pub(crate) use pays::{Costs, LONGEST, Trust};

/// Tokens that must agree before what followed them is a guess. With two, most guesses in program text are noise:
/// brackets and indents repeat everywhere.
const LEAST: usize = 3;
/// Agreement is measured up to this length; a longer one says no more.
const MOST: usize = 32;
/// Places looked at for one guess, newest first.
const PLACES: usize = 24;
/// Stands between texts: no token has this id.
const BORDER: u32 = u32::MAX;
/// End of a chain of places.
const NOWHERE: u32 = u32::MAX;

/// A guess.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Draft {
    /// What may follow.
    pub(crate) tokens: Vec<u32>,
    /// How many tokens before it agreed.
    pub(crate) agreed: usize,
}

/// Reference texts and a sequence, searchable for what it ends with.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    /// The references, then the sequence, with borders between.
    text: Vec<u32>,
    /// Where the sequence begins.
    start: usize,
    /// For a run of `LEAST` tokens, the place behind its newest occurrence.
    newest: HashMap<[u32; LEAST], u32>,
    /// For each place, the one before it behind the same run.
    before: Vec<u32>,
}

impl Lookup {
    /// An index of `references`, each a text in tokens.
    pub(crate) fn new(references: &[Vec<u32>]) -> Self {
        let mut lookup = Self::default();
        for reference in references {
            lookup.extend(reference);
            lookup.text.push(BORDER);
            lookup.before.push(NOWHERE);
        }
        lookup.start = lookup.text.len();
        lookup
    }

    /// Tokens of the sequence that are in the index.
    pub(crate) fn len(&self) -> usize {
        self.text.len() - self.start
    }

    /// Note how the sequence goes on.
    pub(crate) fn extend(&mut self, tokens: &[u32]) {
        for &token in tokens {
            self.text.push(token);
            // The place behind the newest token is known as a continuation once there is one, which is when it is
            // looked up: by then the text goes on there.
            let place = self.text.len();
            let mut earlier = NOWHERE;
            if place >= LEAST
                && let Ok(run) = <[u32; LEAST]>::try_from(&self.text[place - LEAST..])
                && !run.contains(&BORDER)
                && let Ok(place) = u32::try_from(place)
            {
                earlier = self.newest.insert(run, place).unwrap_or(NOWHERE);
            }
            self.before.push(earlier);
        }
    }

    /// Up to `most` tokens that followed the longest of the newest runs that the sequence ends with.
    pub(crate) fn draft(&self, most: usize) -> Draft {
        let end = self.text.len();
        if most == 0 || self.len() < LEAST {
            return Draft::default();
        }
        let mut best = Draft::default();
        let mut best_place = 0;
        // The newest place is the end itself.
        let mut place = self.before[end - 1];
        for _ in 0..PLACES {
            if place == NOWHERE {
                break;
            }
            let at = place as usize;
            let pairs = self.text[..at].iter().rev().zip(self.text[self.start..].iter().rev());
            let agreed = pairs.take(MOST).take_while(|(one, other)| one == other).count();
            if agreed > best.agreed {
                (best.agreed, best_place) = (agreed, at);
            }
            if agreed == MOST {
                break;
            }
            place = self.before[at - 1];
        }
        if best.agreed >= LEAST {
            for at in best_place..best_place + most {
                // Behind the end the guess repeats itself, as in text that goes in circles.
                let token = self.text.get(at).copied().unwrap_or_else(|| best.tokens[at - end]);
                if token == BORDER {
                    break;
                }
                best.tokens.push(token);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(references: &[&[u32]], sequence: &[u32], most: usize, expect: &[u32]) {
        let references: Vec<_> = references.iter().map(|text| text.to_vec()).collect();
        let mut lookup = Lookup::new(&references);
        lookup.extend(sequence);
        assert_eq!(lookup.draft(most).tokens, expect, "{references:?} {sequence:?}");
    }

    #[test]
    fn what_followed_the_same_run_is_the_guess() {
        let known: &[u32] = &[1, 2, 3, 4, 5, 6, 7, 8];
        check(&[known], &[2, 3, 4], 3, &[5, 6, 7]);
        check(&[known], &[2, 3, 4], 9, &[5, 6, 7, 8]);
        check(&[known], &[3, 4], 9, &[]);
        check(&[known], &[9, 9, 4], 9, &[]);
        check(&[known], &[6, 7, 8], 9, &[]);
        check(&[known], &[2, 3, 4], 0, &[]);
        check(&[], &[1, 2, 3, 4, 9, 1, 2, 3], 2, &[4, 9]);
        check(&[], &[], 2, &[]);
        // A run goes on into itself.
        check(&[], &[5, 5, 5, 5, 5], 4, &[5, 5, 5, 5]);
        check(&[], &[8, 9, 8, 9, 8, 9], 5, &[8, 9, 8, 9, 8]);
    }

    #[test]
    fn the_longest_agreement_wins_and_then_the_newest() {
        check(&[&[7, 1, 2, 3, 10], &[8, 1, 2, 3, 20]], &[7, 1, 2, 3], 1, &[10]);
        check(&[&[7, 1, 2, 3, 10], &[8, 1, 2, 3, 20]], &[8, 1, 2, 3], 1, &[20]);
        check(&[&[7, 1, 2, 3, 10], &[8, 1, 2, 3, 20]], &[9, 1, 2, 3], 1, &[20]);
        check(&[&[7, 1, 2, 3, 10]], &[9, 1, 2, 3, 30, 9, 1, 2, 3], 1, &[30]);
    }

    #[test]
    fn texts_do_not_run_into_each_other() {
        check(&[&[1, 2], &[3, 4, 5]], &[1, 2, 3], 4, &[]);
        check(&[&[0, 1, 2], &[3, 4]], &[0, 1, 2], 4, &[]);
        check(&[&[1, 2, 3]], &[4, 1, 2, 3], 4, &[]);
    }
}
