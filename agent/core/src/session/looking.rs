//! Owns what a front end asks about the session itself: what it changed, which prompts there are, its title.
//! Uses the journal and the log.
//! Never changes anything but the title, and that by a record.

use std::sync::Arc;

use loci_protocol::{Event, Level, PastChange, PastTurn};

use super::Session;
use super::journal::{ChangeSummary, Journal};
use super::log::{Loaded, LogError, Record, effective_by};
use super::resume::typed;
use crate::control::Control;

/// Characters of a title; what is longer is cut.
const TITLE: usize = 200;

/// A title as it is kept: one line without control characters, and not long. Nothing where nothing is left.
#[must_use]
pub fn title(words: &str) -> Option<String> {
    let flat = words.chars().map(|character| if character.is_control() { ' ' } else { character });
    let flat: String = flat.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ");
    let title: String = flat.chars().take(TITLE).collect();
    (!title.is_empty()).then_some(title)
}

/// Tell what the session changed, beside whatever it does just now.
pub(super) fn show_changes(journal: &Arc<Journal>, control: &Arc<Control>) {
    let (journal, control) = (journal.clone(), control.clone());
    tokio::task::spawn_blocking(move || control.emit(Event::ChangesShown { files: journal.made() }));
}

impl Session {
    /// Tell which prompts can be gone back to, and what each changed.
    pub(super) fn show_timeline(&self) {
        match self.log.loaded() {
            Ok(loaded) => {
                let changes = self.journal.changes();
                let turns = timeline(&loaded, &changes, |path| self.workspace.relative(path));
                self.control.emit(Event::TimelineShown { turns });
            }
            Err(error) => self.control.notice(Level::Error, error.to_string(), None),
        }
    }

    /// Give the session a title.
    pub(super) fn rename(&mut self, words: &str) {
        let Some(title) = title(words) else {
            return self.control.notice(Level::Warning, "a title has at least one word", None);
        };
        let written: Result<(), LogError> =
            self.note(&Record::Renamed { title: title.clone() }).and_then(|()| self.log.commit());
        if let Err(error) = written {
            let message = format!("the session cannot be written: {error}");
            self.control.notice(Level::Error, message, None);
        }
        self.control.emit(Event::Renamed { title });
    }

    /// Say which title the session has, where it has one.
    pub(super) fn tell_title(&self) {
        if let Some(title) = &self.title {
            self.control.emit(Event::Renamed { title: title.clone() });
        }
    }
}

/// The prompts that count, oldest first, with what each changed.
fn timeline(
    loaded: &Loaded,
    changes: &[ChangeSummary],
    relative: impl Fn(&std::path::Path) -> String,
) -> Vec<PastTurn> {
    let timed = loaded.records.iter().zip(&loaded.times);
    let mut turns = Vec::new();
    for (record, at) in effective_by(timed, |(record, _)| record) {
        let Record::Prompt { turn, text } = record else { continue };
        let own = changes.iter().filter(|change| change.turn == *turn);
        let changes = own.map(|change| PastChange {
            call_id: change.call_id.clone(),
            paths: change.paths.iter().map(|path| relative(path)).collect(),
            undone: change.undone,
        });
        turns.push(PastTurn {
            turn: *turn,
            at: at.clone(),
            prompt: typed(text).to_owned(),
            changes: changes.collect(),
        });
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line() {
        let check =
            |words: &str, expect: Option<&str>| assert_eq!(title(words).as_deref(), expect, "{words:?}");
        check("Fix the parser", Some("Fix the parser"));
        check("  two\n lines\u{1b}[2J ", Some("two lines [2J"));
        check(" \n", None);
        let long = "x".repeat(1_000_000);
        assert_eq!(title(&long).map(|title| title.len()), Some(TITLE));
    }
}
