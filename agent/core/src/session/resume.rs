//! Owns the way back into a session: which sessions there are, and what one was about.
//! Uses logs, and nothing else: the list is made by scanning.
//! Never lets one unreadable session hide another.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::log::{self, LogError, Record};
use super::{Resume, SessionError};
use crate::context::Context;
use crate::tools::jobs::{self, LeftOver};
use crate::tools::{Outcome, Todo};
use crate::turn::calls::file_of;
use crate::turn::citations::Named;

/// A session as lists show it.
#[derive(Debug)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Its log.
    pub path: PathBuf,
    /// When it was last written to.
    pub modified: SystemTime,
    /// What it was about, or why that cannot be told.
    pub summary: Result<Summary, LogError>,
}

/// What a session was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The project root.
    pub cwd: String,
    /// The model it began with.
    pub model: String,
    /// Its title, where it was given one.
    pub title: Option<String>,
    /// The branch that was checked out when it began.
    pub branch: Option<String>,
    /// Its first prompt.
    pub first_prompt: String,
    /// Its newest one.
    pub last_prompt: String,
    /// Prompts in all.
    pub turns: u32,
    /// Whether the end of its log is damaged.
    pub damaged: bool,
    /// Its newest turn has no end, and nobody is at it: it was cut off.
    pub cut_off: bool,
    /// Calls that were begun then, and whose outcome is not known.
    pub unknown: usize,
    /// The session that it goes on from.
    pub forked_from: Option<log::Forked>,
}

/// The sessions of a project, newest first. A folder that does not exist has none.
///
/// # Errors
/// When the folder cannot be listed.
pub fn list(folder: &Path) -> io::Result<Vec<Listed>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut sessions: Vec<Listed> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let id = path.file_stem()?.to_str()?.to_owned();
            if path.extension()? != "jsonl" {
                return None;
            }
            let modified =
                entry.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            let mut summary = log::read(&path).map(|loaded| summarise(&loaded));
            if let Ok(summary) = &mut summary
                && summary.cut_off
                && log::in_use(&path)
            {
                (summary.cut_off, summary.unknown) = (false, 0);
            }
            Some(Listed { id, path, modified, summary })
        })
        .collect();
    sessions.sort_by(|one, two| two.modified.cmp(&one.modified).then_with(|| two.id.cmp(&one.id)));
    Ok(sessions)
}

fn summarise(loaded: &log::Loaded) -> Summary {
    let mut summary = Summary {
        cwd: String::new(),
        model: String::new(),
        title: log::title(&loaded.records).map(ToOwned::to_owned),
        branch: None,
        first_prompt: String::new(),
        last_prompt: String::new(),
        turns: 0,
        damaged: loaded.damage.is_some(),
        cut_off: false,
        unknown: cut_off(&loaded.records).len(),
        forked_from: None,
    };
    for record in log::effective(&loaded.records) {
        match record {
            Record::Header { cwd, model, forked_from, branch, .. } => {
                summary.branch.clone_from(branch);
                summary.cwd = cwd.clone();
                summary.model = model.clone();
                summary.forked_from.clone_from(forked_from);
            }
            Record::TurnEnded(_) => summary.cut_off = false,
            Record::Prompt { text, .. } => {
                if summary.turns == 0 {
                    summary.first_prompt = typed(text).to_owned();
                }
                summary.last_prompt = typed(text).to_owned();
                summary.turns += 1;
                summary.cut_off = true;
            }
            _ => {}
        }
    }
    summary
}

/// The id of the session that is meant.
///
/// # Errors
/// When there is none, or several.
pub fn find(folder: &Path, resume: &Resume) -> Result<String, SessionError> {
    let sessions = list(folder).map_err(|source| LogError::Io { path: folder.into(), source })?;
    match resume {
        // One that was opened and never spoken to is not what anybody wants to go on with.
        Resume::Latest => sessions
            .iter()
            .find(|listed| listed.summary.as_ref().is_ok_and(|summary| summary.turns > 0))
            .map(|listed| listed.id.clone())
            .ok_or(SessionError::NothingToResume),
        Resume::Id(id) => {
            if let Some(exact) = sessions.iter().find(|listed| listed.id == *id) {
                return Ok(exact.id.clone());
            }
            let candidates: Vec<String> = sessions
                .iter()
                .filter(|listed| !id.is_empty() && listed.id.starts_with(id.as_str()))
                .map(|listed| listed.id.clone())
                .collect();
            match candidates.as_slice() {
                [] => Err(SessionError::UnknownSession { id: id.clone() }),
                [only] => Ok(only.clone()),
                _ => Err(SessionError::AmbiguousSession { id: id.clone(), candidates }),
            }
        }
    }
}

/// What a note to the model about going back begins with; nothing that a user types is taken for one.
const NOTES: [&str; 4] =
    ["[The user took ", "[The user brought ", "[The user went back ", "[The user attached "];

/// The words of a prompt as they were typed, without the notes that stand before them.
#[must_use]
pub fn typed(text: &str) -> &str {
    if !NOTES.iter().any(|note| text.starts_with(note)) {
        return text;
    }
    text.split_once("]\n\n").map_or(text, |(_, typed)| typed)
}

/// A prompt that can be gone back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The turn that it began.
    pub turn: u32,
    /// Its words, as typed.
    pub text: String,
    /// Paths that were changed in that turn.
    pub changed: Vec<String>,
}

/// The prompts of a session that count, oldest first.
#[must_use]
pub fn prompts(records: &[Record]) -> Vec<Asked> {
    let mut prompts: Vec<Asked> = Vec::new();
    for record in log::effective(records) {
        match record {
            Record::Prompt { turn, text } => {
                prompts.push(Asked { turn: *turn, text: typed(text).to_owned(), changed: Vec::new() });
            }
            Record::Outcome(outcome) => {
                if let Some(prompt) = prompts.last_mut() {
                    let known: HashSet<&String> = prompt.changed.iter().collect();
                    let new: Vec<String> =
                        outcome.changed.iter().filter(|path| !known.contains(path)).cloned().collect();
                    prompt.changed.extend(new);
                }
            }
            _ => {}
        }
    }
    prompts
}

/// A session's state, as its records tell it.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) context: Context,
    pub(crate) turns: u32,
    pub(crate) named: Named,
    pub(crate) call_ids: HashSet<String>,
    pub(crate) todos: Vec<Todo>,
    pub(crate) background: LeftOver,
    /// Results of the newest turn that had any.
    pub(crate) last_outcomes: Vec<Outcome>,
}

impl Restored {
    /// The state of a session in which nothing was said yet.
    pub(crate) fn of(context: Context) -> Self {
        Self {
            context,
            turns: 0,
            named: Named::default(),
            call_ids: HashSet::new(),
            todos: Vec::new(),
            background: LeftOver::default(),
            last_outcomes: Vec::new(),
        }
    }
}

/// Calls that were begun and have no outcome when the log ends: the tool and its arguments. Those of earlier turns were
/// told when the session went on after them.
#[must_use]
pub fn cut_off(records: &[Record]) -> Vec<(&str, &serde_json::Value)> {
    let mut open: Vec<(&str, &str, &serde_json::Value)> = Vec::new();
    for record in log::effective(records) {
        match record {
            Record::Prompt { .. } => open.clear(),
            Record::Intent { call_id, tool, input, .. } => open.push((call_id, tool, input)),
            Record::Outcome(outcome) => open.retain(|(id, ..)| *id != outcome.call_id),
            _ => {}
        }
    }
    open.into_iter().map(|(_, tool, input)| (tool, input)).collect()
}

/// Build the state from records; `context` is one of a session that begins. What was gone back from does not count, but
/// its numbers are not given again.
pub(crate) fn restore(records: &[Record], context: Context) -> Restored {
    restore_shown(records, &log::effective(records), context)
}

/// The same for a model that is shown these in the place of the records that count.
pub(crate) fn restore_shown(records: &[Record], shown: &[&Record], context: Context) -> Restored {
    let mut restored = Restored::of(context);
    for record in records {
        match record {
            Record::Prompt { turn, .. } => restored.turns = restored.turns.max(*turn),
            Record::Assistant { calls, .. } => {
                restored.call_ids.extend(calls.iter().map(|call| call.id.clone()));
            }
            _ => {}
        }
    }
    let mut inputs: std::collections::HashMap<String, serde_json::Value> = std::collections::HashMap::new();
    let mut turn = 0;
    let mut results_of = 0;
    for record in shown.iter().copied() {
        restored.context.absorb(record);
        match record {
            Record::Prompt { turn: number, .. } => turn = *number,
            Record::Assistant { turn: number, calls, .. } => {
                turn = *number;
                for call in calls {
                    inputs.insert(call.id.clone(), serde_json::Value::Object(call.arguments.clone()));
                }
            }
            Record::Outcome(outcome) => {
                if results_of != turn {
                    restored.last_outcomes.clear();
                    results_of = turn;
                }
                restored.last_outcomes.push(Outcome {
                    ok: outcome.ok,
                    text: outcome.text.clone(),
                    brief: outcome.brief.clone(),
                    summary: outcome.summary.clone(),
                    locations: outcome.locations.clone(),
                    evidence: outcome.evidence.clone(),
                    diff: outcome.diff.clone(),
                    changed: outcome.changed.clone(),
                    ..Outcome::default()
                });
                restored.named.add(&outcome.locations);
                restored.named.add(outcome.evidence.iter().map(|evidence| &evidence.location));
                let file = inputs.get(&outcome.call_id).and_then(|input| file_of(&outcome.tool, input));
                restored.named.add_text(&outcome.text, file);
            }
            Record::Todos { items } => restored.todos.clone_from(items),
            _ => {}
        }
    }
    restored.context.end();
    restored.background = jobs::left_over(records);
    restored
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::log::LoggedOutcome;
    use loci_inference::provider::{Message, ToolCall};
    use serde_json::json;

    #[test]
    fn every_prefix_of_a_log_restores_to_calls_with_results() {
        let call = |id: &str| ToolCall { id: id.into(), name: "read".into(), arguments: Default::default() };
        let intent = |id: &str| Record::Intent {
            call_id: id.into(),
            tool: "read".into(),
            input: json!({}),
            why: "it reads".into(),
        };
        let outcome = |id: &str| {
            Record::Outcome(Box::new(LoggedOutcome {
                call_id: id.into(),
                tool: "read".into(),
                ..Default::default()
            }))
        };
        let says = |turn: u32, calls: Vec<ToolCall>| Record::Assistant {
            turn,
            text: "…".into(),
            reasoning: None,
            calls,
        };
        let records = vec![
            Record::Prompt { turn: 1, text: "one".into() },
            says(1, vec![call("a"), call("b")]),
            intent("a"),
            intent("b"),
            outcome("a"),
            outcome("b"),
            says(1, vec![call("c")]),
            intent("c"),
            outcome("c"),
            says(1, vec![]),
            Record::Prompt { turn: 2, text: "two".into() },
            says(2, vec![call("d")]),
        ];
        for length in 0..=records.len() {
            let mut prefix = records[..length].to_vec();
            // The session goes on after the crash.
            prefix.push(Record::Prompt { turn: 9, text: "what now?".into() });
            let mut restored = restore(&prefix, Context::new(false, None, None));
            let mut open: Vec<String> = Vec::new();
            for entry in restored.context.conversation().entries() {
                match &entry.message {
                    Message::Assistant { calls, .. } => {
                        assert!(open.is_empty(), "cut at {length}");
                        open = calls.iter().map(|call| call.id.clone()).collect();
                    }
                    Message::Tool { call_id, .. } => {
                        assert!(open.iter().any(|id| id == call_id), "cut at {length}");
                        open.retain(|id| id != call_id);
                    }
                    _ => assert!(open.is_empty(), "cut at {length}"),
                }
            }
            let alternates = restored.context.conversation().entries().windows(2).all(|pair| {
                !matches!((&pair[0].message, &pair[1].message), (Message::User { .. }, Message::User { .. }))
            });
            assert!(alternates, "cut at {length}");
            let begun = match length {
                3 => 1,
                4 => 2,
                5 => 1,
                8 => 1,
                _ => 0,
            };
            assert_eq!(restored.context.take_unknown().len(), begun, "cut at {length}");
        }
    }
}
