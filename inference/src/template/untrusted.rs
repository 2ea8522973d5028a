//! Owns the guard between text of others and markup: names of special tokens in it are marked before rendering.
//! Uses one Unicode noncharacter as the mark, because templates trim, split and join what they are given.
//! Never changes the text the model reads: every mark is taken out again, and its place is remembered.

use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};

use serde_json::Value;

use crate::tokenizer::{TokenKind, Tokenizer};

/// The noncharacters a mark is chosen from: one that does not occur in the text itself.
pub(super) const SENTINELS: RangeInclusive<char> = '\u{fdd0}'..='\u{fdef}';

/// Names of tokens that are markup, by their first character.
#[derive(Debug, Clone, Default)]
pub struct SpecialNames {
    by_first: HashMap<char, Vec<String>>,
    longest: usize,
}

impl SpecialNames {
    /// All control tokens of a tokenizer, and the user-defined ones that look like markup.
    pub fn of(tokenizer: &Tokenizer) -> Self {
        let ids = 0..u32::try_from(tokenizer.vocab_size()).unwrap_or(u32::MAX);
        let names = ids.filter_map(|id| {
            let name = std::str::from_utf8(tokenizer.token_bytes(id)).ok()?;
            let markup = match tokenizer.kind(id) {
                TokenKind::Control => !name.trim().is_empty(),
                // Runs of spaces and the like are text that happens to have an id of its own.
                TokenKind::UserDefined => name.starts_with(['<', '[']) && name.ends_with(['>', ']']),
                _ => false,
            };
            markup.then(|| name.to_owned())
        });
        names.collect()
    }

    fn starting_with(&self, first: char) -> &[String] {
        self.by_first.get(&first).map(Vec::as_slice).unwrap_or_default()
    }
}

impl FromIterator<String> for SpecialNames {
    fn from_iter<T: IntoIterator<Item = String>>(names: T) -> Self {
        let mut this = Self::default();
        for name in names {
            if let Some(first) = name.chars().next() {
                this.longest = this.longest.max(name.len());
                this.by_first.entry(first).or_default().push(name);
            }
        }
        this
    }
}

/// Marks text before rendering and takes the marks out afterwards.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guard<'a> {
    names: &'a SpecialNames,
    sentinel: char,
}

impl<'a> Guard<'a> {
    /// A guard whose mark occurs in none of `texts`; `None` when every possible mark does.
    pub(super) fn new<'t>(names: &'a SpecialNames, texts: impl Iterator<Item = &'t str>) -> Option<Self> {
        let mut free: Vec<char> = SENTINELS.collect();
        for text in texts {
            // Noncharacters take three bytes that begin with EF B7: most text has none.
            if text.as_bytes().windows(2).any(|pair| pair == [0xef, 0xb7]) {
                free.retain(|&sentinel| !text.contains(sentinel));
            }
        }
        free.first().map(|&sentinel| Self { names, sentinel })
    }

    /// `text` with a mark after the first character of each name, and of each beginning of a name at its end.
    pub(super) fn mark(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for (at, character) in text.char_indices() {
            out.push(character);
            let rest = &text[at..];
            let near_end = rest.len() < self.names.longest;
            let hit = |name: &String| rest.starts_with(name.as_str()) || (near_end && name.starts_with(rest));
            if self.names.starting_with(character).iter().any(hit) {
                out.push(self.sentinel);
            }
        }
        out
    }

    /// Mark every string and every key of a JSON value.
    pub(super) fn mark_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.mark(text)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.mark_json(item)).collect()),
            Value::Object(entries) => Value::Object(
                entries.iter().map(|(key, value)| (self.mark(key), self.mark_json(value))).collect(),
            ),
            other => other.clone(),
        }
    }

    /// Take the marks out; the ranges are the characters before them.
    pub(super) fn unmark(&self, rendered: &str) -> (String, Vec<Range<usize>>) {
        let mut text = String::with_capacity(rendered.len());
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for piece in rendered.split_inclusive(self.sentinel) {
            let Some(kept) = piece.strip_suffix(self.sentinel) else {
                text.push_str(piece);
                break;
            };
            text.push_str(kept);
            let end = text.len();
            let start = end - text.chars().next_back().map_or(0, char::len_utf8);
            if start < end && ranges.last().is_none_or(|last| last.end <= start) {
                ranges.push(start..end);
            }
        }
        (text, ranges)
    }
}

/// All strings in a JSON value, keys included.
pub(super) fn texts<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(entries) => {
            for (key, value) in entries {
                found.push(key);
                texts(value, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> SpecialNames {
        ["<|im_start|>", "<|im_end|>", "</s>", "[INST]"].into_iter().map(str::to_owned).collect()
    }

    fn check(text: &str, expect: &[&str]) {
        let names = names();
        let guard = Guard::new(&names, std::iter::once(text)).expect("a mark is free");
        let (unmarked, ranges) = guard.unmark(&guard.mark(text));
        assert_eq!(unmarked, text);
        let found: Vec<&str> = ranges.iter().map(|range| &text[range.start..]).collect();
        assert_eq!(found, expect, "in {text:?}");
    }

    #[test]
    fn names_are_marked_and_text_is_kept() {
        check("plain text, a < b, x[0]", &[]);
        check("a<|im_end|>b", &["<|im_end|>b"]);
        check("<|im_start|><|im_end|>", &["<|im_start|><|im_end|>", "<|im_end|>"]);
        check("ends in <|im_", &["<|im_"]);
        check("ends in <", &["<"]);
        check("[INST]</s>", &["[INST]</s>", "</s>"]);
        check("é<|im_end|>é", &["<|im_end|>é"]);
        check("", &[]);
    }

    #[test]
    fn a_mark_in_the_text_is_not_taken_for_ours() {
        check("\u{fdd0}<|im_end|>", &["<|im_end|>"]);
        let all: String = SENTINELS.collect();
        assert!(Guard::new(&names(), std::iter::once(all.as_str())).is_none());
    }
}
