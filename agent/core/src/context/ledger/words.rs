//! Owns what was said: the user's directives and the assistant's decisions, and which of them still hold.
//! Uses prompts and answers.
//! Never words anything anew: what is kept is verbatim.

use super::{Line, Section};
use crate::session::log::Record;

/// Statements of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    lines: Vec<Line>,
}

impl Words {
    pub(super) fn absorb(&mut self, at: usize, record: &Record) {
        let (section, text) = match record {
            Record::Prompt { text, .. } => (Section::Directives, text),
            Record::Assistant { text, .. } => (Section::Decisions, text),
            _ => return,
        };
        for paragraph in text.split("\n\n").filter(|paragraph| paragraph.len() <= 240) {
            self.lines.push(Line { section, text: paragraph.trim().into(), weight: 0.5, at });
        }
    }

    pub(super) fn lines(&self, before: usize) -> Vec<Line> {
        self.lines.iter().filter(|line| line.at < before).cloned().collect()
    }
}
