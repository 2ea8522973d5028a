//! Owns the states of what was read and written before, so that nothing is computed twice.
//! Uses forks: a kept state and the sequences that go on from it share pages.
//! Never keeps more than a number of states, and gives the least recently used ones up when memory is wanted.

use crate::kv::Sequence;

/// States that are kept at most. Looking one up compares tokens: a few microseconds for each.
const MOST: usize = 64;

/// The kept states, the most recently used last.
#[derive(Debug, Default)]
pub(crate) struct Prefixes {
    kept: Vec<Sequence>,
}

/// Tokens at the start that two texts have in common.
pub(crate) fn common(one: &[u32], other: &[u32]) -> usize {
    // By blocks first: equal heads are thousands of tokens long and compare as memory does.
    const BLOCK: usize = 64;
    let blocks = one.chunks_exact(BLOCK).zip(other.chunks_exact(BLOCK));
    let equal = blocks.take_while(|(one, other)| one == other).count() * BLOCK;
    let rest = one[equal..].iter().zip(&other[equal..]);
    equal + rest.take_while(|(one, other)| one == other).count()
}

impl Prefixes {
    /// How many of the first tokens of `prompt` are behind some kept state.
    pub(crate) fn longest(&self, prompt: &[u32]) -> usize {
        self.kept.iter().map(|known| common(known.tokens(), prompt)).max().unwrap_or(0)
    }

    /// A sequence with as many of the first `most` tokens of `prompt` as there are.
    pub(crate) fn take(&mut self, prompt: &[u32], most: usize) -> Option<Sequence> {
        let lengths = self.kept.iter().map(|known| common(known.tokens(), prompt).min(most));
        // The newest of equals.
        let (index, length) = lengths.enumerate().max_by_key(|&(index, length)| (length, index))?;
        if length == 0 {
            return None;
        }
        let known = self.kept.remove(index);
        if known.len() == length {
            // Nothing of it would be left that the new sequence does not have.
            return Some(known);
        }
        let fork = known.fork(length);
        self.kept.push(known);
        Some(fork)
    }

    /// Keep a state.
    pub(crate) fn keep(&mut self, sequence: Sequence) {
        if sequence.len() == 0 {
            return;
        }
        // What the new one holds as well need not be kept beside it.
        self.kept.retain(|known| common(known.tokens(), sequence.tokens()) < known.len());
        let covered = |known: &Sequence| common(known.tokens(), sequence.tokens()) == sequence.len();
        if let Some(index) = self.kept.iter().position(covered) {
            let known = self.kept.remove(index);
            self.kept.push(known);
            return;
        }
        if self.kept.len() >= MOST {
            self.kept.remove(0);
        }
        self.kept.push(sequence);
    }

    /// Give up the state that was not used for the longest time; false when there is none.
    pub(crate) fn evict(&mut self) -> bool {
        if self.kept.is_empty() {
            return false;
        }
        self.kept.remove(0);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::kv::Geometry;

    fn sequence(tokens: &[u32]) -> Sequence {
        let mut sequence = Sequence::new(&Arc::new(Geometry::new(Vec::new())));
        sequence.reserve(tokens.len()).expect("no memory is needed");
        sequence.commit(tokens);
        sequence
    }

    #[test]
    fn what_texts_have_in_common_is_counted_across_blocks() {
        let long: Vec<u32> = (0..200).collect();
        for length in [0, 1, 63, 64, 65, 127, 128, 199, 200] {
            let mut other = long.clone();
            if length < 200 {
                other[length] = 999;
            }
            assert_eq!(common(&long, &other), length);
            assert_eq!(common(&long[..length], &long), length);
        }
    }

    #[test]
    fn branches_stay_and_parts_of_others_do_not() {
        let mut prefixes = Prefixes::default();
        prefixes.keep(sequence(&[1, 2, 3, 4]));
        prefixes.keep(sequence(&[1, 2, 9]));
        prefixes.keep(sequence(&[1, 2]));
        assert_eq!(prefixes.kept.len(), 2);
        assert_eq!(prefixes.longest(&[1, 2, 9, 9]), 3);
        assert_eq!(prefixes.take(&[1, 2, 3, 7], 3).map(|found| found.len()), Some(3));
        assert_eq!(prefixes.kept.len(), 2, "a branch goes off, both stay");
        assert_eq!(prefixes.take(&[1, 2, 3, 4, 5], 4).map(|found| found.len()), Some(4));
        assert_eq!(prefixes.kept.len(), 1, "the whole state was handed out");
        assert_eq!(prefixes.take(&[7], 1).map(|found| found.len()), None);
        assert_eq!(prefixes.take(&[1, 2, 9], 2).map(|found| found.len()), Some(2));
        assert!(prefixes.evict());
        assert!(!prefixes.evict());
    }

    #[test]
    fn the_least_recently_used_state_goes_first() {
        let mut prefixes = Prefixes::default();
        for first in 0..MOST as u32 {
            prefixes.keep(sequence(&[first, 1, 2]));
        }
        assert!(prefixes.take(&[0, 1, 7], 2).is_some());
        prefixes.keep(sequence(&[1000]));
        assert_eq!(prefixes.longest(&[0, 1, 2]), 3);
        assert_eq!(prefixes.longest(&[1, 1, 2]), 0);
    }
}
