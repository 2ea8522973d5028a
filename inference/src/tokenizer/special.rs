//! Owns the recognition of special tokens in a prompt.
//! Uses one alternation of all their names, longest first.
//! Never finds markup in text that came from outside.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use regex::Regex;

/// A piece of a prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A special token.
    Token(u32),
    /// Text, never empty.
    Text(&'a str),
}

/// One special token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Special {
    pub(super) id: u32,
    /// It swallows white space in front of it.
    pub(super) strip_left: bool,
    /// It swallows white space behind it.
    pub(super) strip_right: bool,
    /// It is markup. Tokens that are not, such as a run of spaces with an id of its own, are
    /// recognised in any text.
    pub(super) markup: bool,
}

#[derive(Default)]
pub(super) struct Specials {
    by_name: HashMap<String, Special>,
    /// Compiled at the first use: a vocabulary may have a thousand of them.
    pattern: OnceLock<Option<Regex>>,
}

/// Whether a user-defined token is markup: `<tool_call>`, `[INST]`, `<|fim_prefix|>`.
pub(super) fn looks_like_markup(name: &str) -> bool {
    (name.len() > 2)
        && ((name.starts_with('<') && name.ends_with('>'))
            || (name.starts_with('[') && name.ends_with(']'))
            || (name.starts_with("<｜")))
}

impl Specials {
    pub(super) fn add(&mut self, name: &str, special: Special) {
        if !name.is_empty() {
            // The first of two equal names wins, as its id is the one that encoding gives elsewhere.
            self.by_name.entry(name.to_owned()).or_insert(special);
        }
    }

    pub(super) fn id(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).map(|special| special.id)
    }

    fn pattern(&self) -> Option<&Regex> {
        let build = || {
            let mut names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
            names.sort_by_key(|name| (std::cmp::Reverse(name.len()), *name));
            let escaped: Vec<String> = names.into_iter().map(regex::escape).collect();
            let mut builder = regex::RegexBuilder::new(&escaped.join("|"));
            if escaped.is_empty() { None } else { builder.size_limit(64 << 20).build().ok() }
        };
        self.pattern.get_or_init(build).as_ref()
    }

    /// Cut `text` at special tokens, but find no markup that touches `untrusted`.
    pub(super) fn split<'a>(&self, text: &'a str, untrusted: &[Range<usize>]) -> Vec<Step<'a>> {
        let mut steps = Vec::new();
        let mut start = 0;
        let mut search = 0;
        while let Some(found) = self.pattern().and_then(|pattern| pattern.find_at(text, search)) {
            let special = self.by_name.get(found.as_str()).copied();
            let Some(special) = special.filter(|special| {
                !special.markup || !untrusted.iter().any(|range| touches(range, &found.range()))
            }) else {
                let first = found.as_str().chars().next().map_or(1, char::len_utf8);
                search = found.start() + first;
                continue;
            };
            let mut before = &text[start..found.start()];
            if special.strip_left {
                before = before.trim_end();
            }
            push_text(&mut steps, before);
            steps.push(Step::Token(special.id));
            start = found.end();
            if special.strip_right {
                let rest = &text[start..];
                let blank = rest.len() - rest.trim_start().len();
                if !untrusted.iter().any(|range| touches(range, &(start..start + blank))) {
                    start += blank;
                }
            }
            search = start;
        }
        push_text(&mut steps, &text[start..]);
        steps
    }
}

fn push_text<'a>(steps: &mut Vec<Step<'a>>, text: &'a str) {
    if !text.is_empty() {
        steps.push(Step::Text(text));
    }
}

fn touches(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}
