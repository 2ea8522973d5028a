//! Owns what tools returned lately, as hashed words and pairs of words.
//! Uses a bounded memory of the newest results.
//! Never keeps their texts.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::vocabulary::{Kind, Word, is_function_word, stem, words};

/// Results that count as recent: an answer speaks of what the steps before it returned.
const RESULTS: usize = 8;
/// Bytes of one result that are read, half of them from its end.
const READ: usize = 1 << 18;

/// Answers and calls that count as recent.
const ANSWERS: usize = 6;

/// What was returned and said lately.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    results: VecDeque<HashSet<u32>>,
    answers: VecDeque<HashSet<u32>>,
}

/// How much of a statement is said for the first time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Novelty {
    /// The share of its words that no recent result has.
    pub(super) words: f32,
    /// The share of its pairs of words.
    pub(super) pairs: f32,
    /// Numbers, names and identifiers that are new.
    pub(super) specifics: usize,
    /// And how many there are.
    pub(super) all_specifics: usize,
    /// Words that count.
    pub(super) content: usize,
}

impl Recent {
    /// A tool returned it.
    pub(super) fn returned(&mut self, text: &str) {
        if self.results.len() == RESULTS {
            self.results.pop_front();
        }
        self.results.push_back(hashes(text));
    }

    /// The assistant said it, in words or as an argument of a call.
    pub(super) fn said(&mut self, text: &str) {
        if self.answers.len() == ANSWERS {
            self.answers.pop_front();
        }
        self.answers.push_back(hashes(text));
    }

    fn has(&self, hash: u32) -> bool {
        self.results.iter().chain(&self.answers).any(|known| known.contains(&hash))
    }

    pub(super) fn of(&self, statement: &[Word<'_>]) -> Novelty {
        let mut novelty = Novelty::default();
        let (mut new_words, mut pairs, mut new_pairs) = (0usize, 0usize, 0usize);
        let mut before = None;
        for word in statement {
            let lower = word.text.to_lowercase();
            let parts = pieces(word.text);
            let known = parts.iter().all(|part| self.has(hash(part)));
            let function = is_function_word(&lower);
            if !function {
                novelty.content += 1;
                new_words += usize::from(!known);
            }
            if word.kind != Kind::Word {
                novelty.all_specifics += 1;
                novelty.specifics += usize::from(!known);
            }
            for part in parts {
                let hash = hash(&part);
                if let Some(before) = before.replace(hash) {
                    pairs += 1;
                    new_pairs += usize::from(!self.has(pair(before, hash)));
                }
            }
        }
        let share = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f32 / whole as f32 };
        novelty.words = share(new_words, novelty.content);
        novelty.pairs = share(new_pairs, pairs);
        novelty
    }
}

fn hashes(text: &str) -> HashSet<u32> {
    let head = text.floor_char_boundary(READ / 2);
    let tail = text.ceil_char_boundary(text.len().saturating_sub(READ / 2)).max(head);
    let mut set = HashSet::new();
    for part in [&text[..head], &text[tail..]] {
        // Cut at lines, so that memory for the words is that of a line.
        for line in part.lines() {
            let mut before = None;
            for word in pieces(line) {
                let hash = hash(&word);
                set.insert(hash);
                if let Some(before) = before.replace(hash) {
                    set.insert(pair(before, hash));
                }
            }
        }
    }
    set
}

/// Words without joints, so that `io::read` in a result and `read` in a statement meet.
fn pieces(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for word in words(text) {
        for part in
            word.text.split(|one: char| !one.is_alphanumeric() && one != '_').filter(|part| !part.is_empty())
        {
            found.push(stem(part));
        }
    }
    found
}

fn hash(word: &str) -> u32 {
    let full = BuildHasherDefault::<DefaultHasher>::default().hash_one(word);
    (full >> 32) as u32
}

fn pair(one: u32, two: u32) -> u32 {
    one.rotate_left(7).wrapping_mul(0x9E37_79B1) ^ two
}

#[cfg(test)]
mod tests {
    use super::super::vocabulary::words;
    use super::Recent;

    #[test]
    fn what_results_say_is_not_new() {
        let mut recent = Recent::default();
        recent.returned("/// Flushes the buffer and parks the worker until the driver wakes it.\nfn flush_all(&self) {}\n");
        let of = |text: &str| recent.of(&words(text));
        assert!(of("flush_all flushes the buffer and parks the worker").words < 0.1);
        assert!(of("Flushes the buffer and parks the worker until the driver wakes it.").pairs < 0.1);
        let new = of("The stall costs 38 ms on cold starts, so I moved it behind lazy_pool.");
        assert!(new.words > 0.9 && new.pairs > 0.9 && new.specifics == 2, "{new:?}");
        assert_eq!(of("").content, 0);
    }

    #[test]
    fn only_the_newest_results_count() {
        let mut recent = Recent::default();
        recent.returned("zebra crossing");
        for _ in 0..super::RESULTS {
            recent.returned(&"filler ".repeat(100_000));
        }
        assert!(recent.of(&words("zebra crossing")).words > 0.9);
        assert_eq!(recent.results.len(), super::RESULTS);
    }
}
