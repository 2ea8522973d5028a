//! Owns the loop breaker: what notices that a model goes round in circles, in its calls or in its text.
//! Uses blake3 to compare results.
//! Never looks at what a call means.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::permission::canonical;

/// The same call with the same result this often is a circle.
const SAME_RESULTS: u32 = 3;
/// So many attempts at banned calls end the turn.
const BANNED_ATTEMPTS: u32 = 2;

/// Watches the calls of one turn.
#[derive(Debug, Default)]
pub(crate) struct CallBreaker {
    seen: HashMap<String, (blake3::Hash, u32)>,
    banned: HashSet<String>,
    attempts: u32,
}

/// What the breaker says of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Fine,
    /// The call is banned from here on; tell the model.
    Banned,
}

impl CallBreaker {
    /// Whether this call is banned. Counts the attempt.
    pub(crate) fn refuses(&mut self, tool: &str, input: &Value) -> bool {
        let refused = self.banned.contains(&key(tool, input));
        self.attempts += u32::from(refused);
        refused
    }

    /// Whether the model keeps trying what is banned.
    pub(crate) fn tripped(&self) -> bool {
        self.attempts >= BANNED_ATTEMPTS
    }

    /// Take in a result. A change of files makes earlier results a thing of the past: the same test run again is then no circle.
    pub(crate) fn note(&mut self, tool: &str, input: &Value, result: &str, changed_files: bool) -> Verdict {
        if changed_files {
            self.seen.clear();
        }
        let hash = blake3::hash(without_chance(result).as_bytes());
        let entry = self.seen.entry(key(tool, input)).or_insert((hash, 0));
        if entry.0 == hash {
            entry.1 += 1;
        } else {
            *entry = (hash, 1);
        }
        if entry.1 >= SAME_RESULTS {
            self.banned.insert(key(tool, input));
            Verdict::Banned
        } else {
            Verdict::Fine
        }
    }
}

/// How long a command took and where its output went: different each time, and no news.
static CHANCE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"after \d+(\.\d+)? s|\(whole output: [^)]*\)").ok());

fn without_chance(result: &str) -> std::borrow::Cow<'_, str> {
    match CHANCE.as_ref() {
        Some(pattern) => pattern.replace_all(result, ""),
        None => result.into(),
    }
}

fn key(tool: &str, input: &Value) -> String {
    format!("{tool} {}", canonical(input))
}

/// The longest repeated piece that is looked for, in bytes.
const LONGEST_PERIOD: usize = 400;
/// A piece must stand so often in a row.
const REPEATS: usize = 8;
/// And the row must be so long, in bytes: rules and table lines are shorter.
const SHORTEST_ROW: usize = 800;
/// Looking costs little, but not nothing: only after so many new bytes.
const STRIDE: usize = 128;

/// Watches streamed text for a piece that repeats without end.
#[derive(Debug, Default)]
pub(crate) struct TextBreaker {
    tail: Vec<u8>,
    since: usize,
}

impl TextBreaker {
    /// Take in a piece. True when the text ends in one piece repeated over and over.
    pub(crate) fn note(&mut self, piece: &str) -> bool {
        self.tail.extend_from_slice(piece.as_bytes());
        self.since += piece.len();
        if self.since < STRIDE {
            return false;
        }
        self.since = 0;
        let keep = LONGEST_PERIOD * REPEATS;
        if self.tail.len() > 2 * keep {
            self.tail.drain(..self.tail.len() - keep);
        }
        let text = &self.tail;
        (1..=LONGEST_PERIOD).any(|period| {
            let row = (period * REPEATS).max(SHORTEST_ROW);
            row <= text.len() && {
                let start = text.len() - row;
                // From the end: texts that do not repeat differ at once.
                (start + period..text.len()).rev().all(|at| text[at] == text[at - period])
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_same_result_three_times_bans_a_call() {
        let mut breaker = CallBreaker::default();
        let input = json!({"path": "a"});
        assert_eq!(breaker.note("read", &input, "x", false), Verdict::Fine);
        assert_eq!(breaker.note("read", &input, "y", false), Verdict::Fine);
        assert_eq!(breaker.note("read", &input, "y", false), Verdict::Fine);
        assert_eq!(breaker.note("edit", &json!({}), "done", true), Verdict::Fine);
        assert_eq!(breaker.note("read", &input, "y", false), Verdict::Fine);
        assert_eq!(breaker.note("read", &input, "y", false), Verdict::Fine);
        assert!(!breaker.refuses("read", &input));
        assert_eq!(breaker.note("read", &input, "y", false), Verdict::Banned);
        assert!(breaker.refuses("read", &input) && !breaker.tripped());
        assert!(!breaker.refuses("read", &json!({"path": "b"})));
        assert!(breaker.refuses("read", &input) && breaker.tripped());
    }

    #[test]
    fn how_long_a_command_took_is_no_news() {
        let mut breaker = CallBreaker::default();
        let input = json!({"task": "test"});
        let result = |seconds: &str| {
            format!("1 failed\n(whole output: /x/{seconds}.log)\nexit code 1 after {seconds} s")
        };
        for (seconds, expect) in [("0.1", Verdict::Fine), ("22.0", Verdict::Fine), ("3.4", Verdict::Banned)] {
            assert_eq!(breaker.note("run", &input, &result(seconds), false), expect);
        }
    }

    #[test]
    fn endless_text_is_noticed_and_ordinary_text_is_not() {
        let check = |text: &str, expect: bool| {
            let mut breaker = TextBreaker::default();
            let found = text.as_bytes().chunks(7).any(|chunk| breaker.note(&String::from_utf8_lossy(chunk)));
            assert_eq!(found, expect, "{}", text.chars().take(60).collect::<String>());
        };
        check(&"I will now read the file. ".repeat(60), true);
        check(&"a".repeat(2_000), true);
        check(&format!("{}\n\n{}", "x y ".repeat(20), "-".repeat(200)), false);
        check(&(0..300).map(|number| format!("- item {number} is done\n")).collect::<String>(), false);
        check(&"fn one() {}\n".repeat(12), false);
    }
}
