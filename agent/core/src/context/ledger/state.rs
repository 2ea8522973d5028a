//! Owns what was done: files, commands, failing tests, tasks, what was tried in vain.
//! Uses outcomes and intents.
//! Never takes a claim for an effect: what changed comes from outcomes.

use super::{Line, Section};
use crate::session::log::Record;

/// The state of things.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    changed: Vec<(String, usize)>,
}

impl State {
    pub(super) fn absorb(&mut self, at: usize, record: &Record) {
        if let Record::Outcome(outcome) = record {
            for path in &outcome.changed {
                self.changed.retain(|(known, _)| known != path);
                self.changed.push((path.clone(), at));
            }
        }
    }

    pub(super) fn lines(&self, _before: usize) -> Vec<Line> {
        self.changed
            .iter()
            .map(|(path, at)| Line {
                section: Section::Files,
                text: format!("changed {path}"),
                weight: 1.0,
                at: *at,
            })
            .collect()
    }
}
