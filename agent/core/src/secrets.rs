//! Owns what counts as a secret in a text, and the words that stand in its place: [`Redactor`].
//! Uses `tokens` for what has a form of its own, `blocks` for keys of many lines, `placed` and `named` for what a place or a name
//! gives away, `exact` for the values of variables; `guard` stands before models that run elsewhere.
//! Never changes a file: what it makes is for exports and for models that run elsewhere.

mod blocks;
mod exact;
pub mod guard;
mod named;
mod placed;
mod shape;
mod tokens;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::config::Environment;
use exact::Exact;

/// Finds secrets and puts `[redacted: github token #1]` in their place. The same secret has the same number as long as the
/// redactor lives, so that two places with it remain recognisable, and texts that were sent before stay the same bytes.
#[derive(Debug, Default)]
pub struct Redactor {
    exact: Option<Exact>,
    known: Mutex<Known>,
}

/// A text without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted<'a> {
    /// Borrowed when there was nothing to take out.
    pub text: Cow<'a, str>,
    /// What was taken out, in the order of the text.
    pub found: Vec<Found>,
}

/// A secret that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is, in words: `github token`, `password`, `value of DEPLOY_KEY`.
    pub kind: String,
    /// Which one, from 1.
    pub number: usize,
    /// Where it stood, in bytes of the text as it was.
    pub range: Range<usize>,
}

/// The secrets seen so far.
#[derive(Default)]
struct Known {
    /// By value: the place in `all`.
    numbers: HashMap<String, usize>,
    /// In the order of their numbers: kind and value.
    all: Vec<(String, String)>,
}

// The values must not reach a log by way of `{:?}`.
impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.all.len())
    }
}

/// A part of a text that is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    range: Range<usize>,
    kind: Cow<'static, str>,
}

impl Span {
    fn new(range: Range<usize>, kind: impl Into<Cow<'static, str>>) -> Self {
        Self { range, kind: kind.into() }
    }
}

/// What a placeholder begins with.
const OPENING: &str = "[redacted: ";

impl Redactor {
    /// A redactor that knows the forms of secrets, and the values of variables whose names promise one.
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        Self { exact: Exact::of(environment), known: Mutex::default() }
    }

    /// Take out what is secret. Linear in the length of the text.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Redacted<'a> {
        let spans = self.spans(text);
        if spans.is_empty() {
            return Redacted { text: Cow::Borrowed(text), found: Vec::new() };
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut redacted = String::with_capacity(text.len());
        let mut found = Vec::with_capacity(spans.len());
        let mut end = 0;
        for Span { range, kind } in spans {
            let (number, kind) = known.number(&text[range.clone()], kind);
            redacted.push_str(&text[end..range.start]);
            redacted.push_str(&placeholder(&kind, number));
            end = range.end;
            found.push(Found { kind, number, range });
        }
        redacted.push_str(&text[end..]);
        Redacted { text: Cow::Owned(redacted), found }
    }

    /// The same for bytes; what is no UTF-8 is replaced by U+FFFD.
    #[must_use]
    pub fn redact_bytes<'a>(&self, bytes: &'a [u8]) -> Redacted<'a> {
        match String::from_utf8_lossy(bytes) {
            Cow::Borrowed(text) => self.redact(text),
            Cow::Owned(text) => {
                let Redacted { text, found } = self.redact(&text);
                Redacted { text: Cow::Owned(text.into_owned()), found }
            }
        }
    }

    /// Put back the values of those placeholders whose value `allowed` accepts.
    ///
    /// # Errors
    /// The first placeholder that was made here and may not be put back.
    pub fn restore(&self, text: &str, mut allowed: impl FnMut(&str) -> bool) -> Result<String, String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut restored = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(OPENING) {
            restored.push_str(&rest[..start]);
            let (whole, after) = match rest[start..].find(']') {
                Some(end) => rest[start..].split_at(end + 1),
                None => {
                    rest = &rest[start..];
                    break;
                }
            };
            let number =
                whole.rsplit_once('#').and_then(|(_, digits)| digits.strip_suffix(']')?.parse().ok());
            let entry = number.and_then(|number: usize| known.all.get(number.checked_sub(1)?));
            match entry {
                Some((_, value)) if allowed(value) => restored.push_str(value),
                Some(_) => return Err(whole.to_owned()),
                // Words that only look like ours.
                None => restored.push_str(whole),
            }
            rest = after;
        }
        restored.push_str(rest);
        Ok(restored)
    }

    /// Every secret seen so far: how many, and of which kinds.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.all.iter().map(|(kind, _)| kind.clone()).collect()
    }

    /// What is secret, in order and without overlaps.
    fn spans(&self, text: &str) -> Vec<Span> {
        let mut spans = Vec::new();
        // What is found first gives its name to what overlaps.
        if let Some(exact) = &self.exact {
            exact.find(text, &mut spans);
        }
        blocks::find(text, &mut spans);
        tokens::find(text, &mut spans);
        placed::find(text, &mut spans);
        named::find(text, &mut spans);
        if spans.is_empty() {
            return spans;
        }
        let mut order: Vec<(usize, Span)> = spans.into_iter().enumerate().collect();
        order.sort_by_key(|(rank, span)| (span.range.start, *rank));
        let mut joined: Vec<(usize, Span)> = Vec::with_capacity(order.len());
        for (rank, span) in order {
            match joined.last_mut() {
                Some((first, last)) if span.range.start < last.range.end => {
                    last.range.end = last.range.end.max(span.range.end);
                    if rank < *first {
                        *first = rank;
                        last.kind = span.kind;
                    }
                }
                _ => joined.push((rank, span)),
            }
        }
        joined.into_iter().map(|(_, span)| span).collect()
    }
}

impl Known {
    /// The number of a secret and the words for it, which stay those under which it was first seen.
    fn number(&mut self, value: &str, kind: Cow<'static, str>) -> (usize, String) {
        if let Some(place) = self.numbers.get(value) {
            return (place + 1, self.all[*place].0.clone());
        }
        self.numbers.insert(value.to_owned(), self.all.len());
        self.all.push((kind.clone().into_owned(), value.to_owned()));
        (self.all.len(), kind.into_owned())
    }
}

fn placeholder(kind: &str, number: usize) -> String {
    format!("{OPENING}{kind} #{number}]")
}

#[cfg(test)]
mod tests;
