//! Owns the ledger: what stays known of a session when its turns have left the window.
//! Uses the session's records, and no model.
//! Never lists without a bound: what does not fit is counted and can be found by recall.

pub mod state;
mod words;

use crate::session::log::Record;

/// What a line of the ledger is about, in the order in which sections are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// What the user wants: the first request and the current one.
    Goal,
    /// The user's own directives and corrections, verbatim.
    Directives,
    /// What the assistant decided, measured or found out, verbatim.
    Decisions,
    /// Files created, changed, removed and read.
    Files,
    /// Commands with their exit codes, newest last.
    Commands,
    /// Tests that fail as far as is known, with their messages.
    Failures,
    /// Open and finished tasks.
    Tasks,
    /// What was tried and failed.
    Tried,
}

impl Section {
    const ALL: [Self; 8] = [
        Self::Goal,
        Self::Directives,
        Self::Decisions,
        Self::Files,
        Self::Commands,
        Self::Failures,
        Self::Tasks,
        Self::Tried,
    ];

    /// Whether it holds words, and not what was done.
    fn is_said(self) -> bool {
        matches!(self, Self::Goal | Self::Directives | Self::Decisions)
    }

    fn title(self) -> &'static str {
        match self {
            Self::Goal => "Goal",
            Self::Directives => "What the user said (newest last; it holds until superseded)",
            Self::Decisions => "Decided and found out so far",
            Self::Files => "Files",
            Self::Commands => "Commands",
            Self::Failures => "Failing tests, as last seen",
            Self::Tasks => "Tasks",
            Self::Tried => "Tried, and failed",
        }
    }
}

/// One line that the ledger could show. It may hold line breaks.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Where it belongs.
    pub section: Section,
    /// The text, without a bullet.
    pub text: String,
    /// How much it is worth to keep: 1 and more must not be lost, 0 is worth nothing.
    pub weight: f32,
    /// The entry of the conversation that it comes from.
    pub at: usize,
}

/// The ledger of a session: a fold over its records.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    words: words::Words,
    state: state::State,
}

/// A ledger as the model reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The text; empty when there is nothing to say.
    pub text: String,
    /// Lines that did not fit.
    pub dropped: usize,
}

impl Ledger {
    /// Take in a record. `at` is the number of the conversation's entry that it makes, or that the next one will have.
    pub fn absorb(&mut self, at: usize, record: &Record) {
        self.words.absorb(at, record);
        self.state.absorb(at, record);
    }

    /// Every line there could be, by section and age. Words of entries from `before` on are left out, since they are
    /// in the window verbatim; the state of files, commands and tasks is the newest.
    #[must_use]
    pub fn lines(&self, before: usize) -> Vec<Line> {
        let mut lines = self.words.lines(before);
        lines.extend(self.state.lines(before));
        lines.sort_by(|one, two| one.section.cmp(&two.section).then(one.at.cmp(&two.at)));
        lines
    }

    /// Statements that no longer hold, each with the entry it was said in.
    #[must_use]
    pub fn superseded(&self) -> Vec<(usize, String)> {
        self.words.superseded().map(|(at, text)| (at, text.to_owned())).collect()
    }

    /// The ledger in at most `cap` tokens as `count` counts them: the weightiest lines, by section and age.
    #[must_use]
    pub fn render(&self, before: usize, cap: usize, count: &dyn Fn(&str) -> usize) -> Rendered {
        let lines = self.lines(before);
        let mut order: Vec<usize> = (0..lines.len()).collect();
        // Of equal weight the newer stays.
        order.sort_by(|one, two| {
            lines[*two].weight.total_cmp(&lines[*one].weight).then(lines[*two].at.cmp(&lines[*one].at))
        });
        let titles: usize = Section::ALL.iter().map(|section| count(section.title()) + TITLE).sum();
        let mut left = cap.saturating_sub(titles.min(cap / 4));
        let mut chosen = vec![false; lines.len()];
        let costs: Vec<usize> = lines.iter().map(|line| count(&line.text) + BULLET).collect();
        // What was done is many lines that all count as certain; it must not crowd out what was said. What one of the
        // two leaves is the other's.
        let mut done = (left as f64 * DONE) as usize;
        for bounded in [true, false] {
            for &at in &order {
                let is_done = !lines[at].section.is_said();
                if chosen[at] || costs[at] > left || (bounded && is_done && costs[at] > done) {
                    continue;
                }
                if bounded && is_done {
                    done -= costs[at];
                }
                left -= costs[at];
                chosen[at] = true;
            }
        }
        let mut rendered = Rendered { dropped: self.words.forgotten(), ..Rendered::default() };
        for section in Section::ALL {
            let all = || lines.iter().zip(&chosen).filter(move |(line, _)| line.section == section);
            let dropped = all().filter(|(_, chosen)| !**chosen).count();
            rendered.dropped += dropped;
            if all().all(|(_, chosen)| !chosen) {
                continue;
            }
            rendered.text.push_str(&format!("## {}\n", section.title()));
            for (line, _) in all().filter(|(_, chosen)| **chosen) {
                rendered.text.push_str(&format!("- {}\n", line.text.trim_end().replace('\n', "\n  ")));
            }
            if dropped > 0 {
                rendered.text.push_str(&format!("- ({dropped} more; `recall` finds them)\n"));
            }
        }
        rendered
    }
}

/// Of the tokens, the most for what was done, while there is more that was said.
const DONE: f64 = 0.45;
/// Tokens of a bullet and its line break.
const BULLET: usize = 2;
/// Tokens of a title's marks and of the note of what was left out.
const TITLE: usize = 12;
