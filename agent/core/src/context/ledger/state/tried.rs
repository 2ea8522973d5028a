//! Owns what was tried and did not work: changes taken back, calls denied, refused or failed.
//! Uses outcomes.
//! Never keeps the same attempt twice.

use super::super::{Line, Section};
use super::calls::clip;

/// Attempts that are kept; the oldest go.
const MOST: usize = 100;
/// Bytes of a reason.
const REASON: usize = 200;

#[derive(Debug, Clone)]
struct Attempt {
    what: String,
    text: String,
    weight: f32,
    at: usize,
    then: Option<usize>,
}

/// Attempts of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Tried {
    attempts: Vec<Attempt>,
    dropped: usize,
}

impl Tried {
    fn add(&mut self, what: String, text: String, weight: f32, at: usize) {
        self.attempts.retain(|known| known.what != what);
        self.attempts.push(Attempt { what, text, weight, at, then: None });
        if self.attempts.len() > MOST {
            self.attempts.remove(0);
            self.dropped += 1;
        }
    }

    pub(super) fn taken_back(&mut self, path: &str, changed: Option<usize>, at: usize) {
        let when = changed.map(|changed| format!(" of r{changed}")).unwrap_or_default();
        self.add(
            format!("undo {path}"),
            format!("the change{when} to {path} was taken back [r{at}]"),
            0.8,
            at,
        );
    }

    /// A call that did not do what was asked. `reason` is the outcome's own text.
    pub(super) fn failed(&mut self, call: &str, reason: &str, at: usize) {
        let reason = clip(&reason.split_whitespace().take(60).collect::<Vec<_>>().join(" "), REASON);
        let weight = match reason.as_str() {
            reason if reason.contains("denied") => 0.9,
            reason if reason.contains("refused: this call was made again and again") => 0.7,
            _ => 0.3,
        };
        let reason = reason.trim_start_matches("failed: ");
        self.add(call.to_owned(), format!("{call}: {reason} [r{at}]"), weight, at);
    }

    /// The same was done after all, one way or the other.
    pub(super) fn done(&mut self, call: &str, at: usize) {
        for known in self.attempts.iter_mut().filter(|known| known.what == call && known.then.is_none()) {
            known.then = Some(at);
        }
    }

    pub(super) fn lines(&self, lines: &mut Vec<Line>) {
        for known in &self.attempts {
            let (text, weight) = match known.then {
                Some(at) => (format!("{}, then done otherwise [r{at}]", known.text), known.weight * 0.5),
                None => (known.text.clone(), known.weight),
            };
            lines.push(Line { section: Section::Tried, text, weight, at: known.at });
        }
        if self.dropped > 0 {
            let text = format!("{} older attempts, not listed here", self.dropped);
            lines.push(Line { section: Section::Tried, text, weight: 0.1, at: 0 });
        }
    }
}
