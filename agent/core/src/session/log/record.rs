//! Owns the words of the log: what each record says, and which records count after the way back to a prompt.
//! Uses serde only.
//! Never changes the meaning of a field that a released version wrote.

use std::collections::HashMap;
use std::path::PathBuf;

use loci_inference::provider::{ToolCall, ToolSpec};
use loci_protocol::{Location, TurnReport};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tools::{Evidence, Todo};

/// One thing that happened in a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// The first record.
    Header {
        /// [`FORMAT`].
        format: u32,
        /// The program that wrote it.
        program: String,
        /// The session.
        session_id: String,
        /// The project root.
        cwd: String,
        /// The model at work when the session began.
        model: String,
        /// The session that this one goes on from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        forked_from: Option<Forked>,
        /// The branch that was checked out then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        branch: Option<String>,
    },
    /// The user gave the session a title.
    Renamed {
        /// One line.
        title: String,
    },
    /// The user's words. A turn begins.
    Prompt {
        /// The turn's number, from 1.
        turn: u32,
        /// The words, with whatever notes were put before them.
        text: String,
    },
    /// What the model said and called in one step.
    Assistant {
        /// The turn's number.
        turn: u32,
        /// Its text.
        text: String,
        /// Its reasoning.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reasoning: Option<String>,
        /// Its calls.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<ToolCall>,
    },
    /// Which weights answer from now on.
    Model(Box<UsedModel>),
    /// What became of a call before it could run.
    Decision(Box<LoggedDecision>),
    /// The session went back to before a prompt.
    Rewound {
        /// The turn that the prompt began; it and what came after it no longer count.
        turn: u32,
    },
    /// A call was decided and is about to run.
    Intent {
        /// The call.
        call_id: String,
        /// The tool.
        tool: String,
        /// Its arguments.
        input: Value,
        /// How it came to be allowed.
        why: String,
    },
    /// A call ended, was denied, or failed.
    Outcome(Box<LoggedOutcome>),
    /// What every request begins with, once when the session opens and again when it changes.
    Head {
        /// The system message; `None` for models that take none.
        text: Option<String>,
        /// The tools as the model sees them.
        tools: Vec<ToolSpec>,
        /// The model that reads it.
        model: String,
        /// Tokens that it holds.
        window: usize,
    },
    /// Turns left the window.
    Compacted(Box<Compaction>),
    /// Passages that had left the window were shown again.
    Recalled(Box<Recalled>),
    /// The task list after a change.
    Todos {
        /// All of it.
        items: Vec<Todo>,
    },
    /// File changes were taken back outside a turn.
    Undone {
        /// The paths, relative to the root.
        paths: Vec<String>,
    },
    /// The turn is over.
    TurnEnded(Box<TurnReport>),
}

/// Where a session was forked from another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forked {
    /// The other session.
    pub session_id: String,
    /// Its last turn that was taken over; 0 where nothing was said before.
    pub turn: u32,
}

/// A model, as evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedModel {
    /// Its name.
    pub name: String,
    /// `local`, `openai`, `scripted`.
    pub provider: String,
    /// True when the weights run inside this process.
    pub local: bool,
    /// blake3 of its file, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// A decision, as evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedDecision {
    /// The call.
    pub call_id: String,
    /// The tool.
    pub tool: String,
    /// `allow`, `ask` or `deny`: what the rules say.
    pub verdict: String,
    /// For `ask`, what the user said: `once`, `session`, `rule`, `no`, `nobody` when nobody was there, or `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The rule that decided, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Where that rule stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Why.
    pub why: String,
    /// The permission mode.
    pub mode: String,
    /// blake3 of all rules and switches in force.
    pub policy: String,
    /// What holds commands in: `full`, `restricted` or `none`.
    pub sandbox: String,
    /// Hosts that the command may reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<String>,
}

/// A file that a call changed, as evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFile {
    /// Relative to the root.
    pub path: String,
    /// blake3 of what it was; `None` when nothing was there or it was not a regular file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// blake3 of what it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// An outcome as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoggedOutcome {
    /// The call.
    pub call_id: String,
    /// The tool.
    pub tool: String,
    /// Whether it did what was asked.
    pub ok: bool,
    /// What the model read.
    pub text: String,
    /// The same for very small windows.
    pub brief: String,
    /// One line for people.
    pub summary: String,
    /// Places that the result names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Location>,
    /// Citable lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// What changed, as a unified diff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Paths that changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// The same with their hashes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ChangedFile>,
    /// Wall-clock time.
    pub duration_ms: u64,
    /// The file that holds the whole output, where the text does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<PathBuf>,
    /// How the text is folded in the window from the beginning, where it is too long for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
}

/// How much of a long text is shown, in bytes; what is between is left out with a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fold {
    /// Of its beginning.
    pub head: usize,
    /// Of its end.
    pub tail: usize,
}

/// What a compaction did. Applied to the conversation, it gives the same window in every process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compaction {
    /// What set it off.
    pub cause: CompactionCause,
    /// Entries of the conversation that were there.
    pub entries: usize,
    /// The first entry that is still shown, counted as they stand in the conversation.
    pub epoch: usize,
    /// Results before this entry are folded.
    pub folded_before: usize,
    /// To what they are folded.
    pub fold: Fold,
    /// To what the newest prompt is folded where it stands before the first entry shown.
    pub prompt: Fold,
    /// How the newest step is folded, where it does not fit otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Fold>,
    /// What stands before the first entry shown.
    pub ledger: String,
    /// Tokens of the prompt before it.
    pub before: usize,
    /// Tokens after it.
    pub after: usize,
}

impl Compaction {
    /// What happened, in one sentence.
    #[must_use]
    pub fn message(&self) -> String {
        let why = match self.cause {
            CompactionCause::High => "the window was nearly full",
            CompactionCause::Refit => "the window became smaller",
            CompactionCause::Asked => "as asked",
        };
        format!("{why}: {} of {} entries left it and can be recalled", self.epoch, self.entries)
    }
}

/// What set a compaction off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompactionCause {
    /// The prompt passed the high mark.
    High,
    /// The window became smaller: another model, or a provider that counts otherwise.
    Refit,
    /// The user asked.
    Asked,
}

/// Passages that were shown again, for good reason, at the end of an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recalled {
    /// The entry of the conversation whose text they follow.
    pub entry: usize,
    /// What the model reads.
    pub text: String,
    /// Tokens of it.
    pub tokens: usize,
    /// Each of them.
    pub passages: Vec<RecalledPassage>,
}

/// One passage that was shown again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecalledPassage {
    /// Handle and lines, as `recall` takes them: `r41:10-22`.
    pub handle: String,
    /// What it is: tool, path or command.
    pub title: String,
    /// What it was found by, largest share first.
    pub why: Vec<(String, f32)>,
    /// Tokens of it.
    pub tokens: usize,
}

/// The title that was given last, of all records, those that were gone back from included.
#[must_use]
pub fn title(records: &[Record]) -> Option<&str> {
    records.iter().rev().find_map(|record| match record {
        Record::Renamed { title } => Some(title.as_str()),
        _ => None,
    })
}

/// What counts of a session: everything but what was gone back from, and the notes of going back themselves. Everything
/// else is still evidence.
#[must_use]
pub fn effective(records: &[Record]) -> Vec<&Record> {
    effective_by(records, |record| record)
}

/// The same of anything that has a record.
pub(crate) fn effective_by<T>(
    records: impl IntoIterator<Item = T>,
    record_of: impl Fn(&T) -> &Record,
) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    // The prompts that count, in their order, and where each of them stands.
    let mut prompts: Vec<(u32, usize)> = Vec::new();
    let mut places: HashMap<u32, usize> = HashMap::new();
    for item in records {
        match record_of(&item) {
            Record::Rewound { turn } => {
                if let Some(at) = places.get(turn).copied() {
                    let gone = kept.split_off(at);
                    // A title is the session's, whatever was gone back from.
                    let titles =
                        gone.into_iter().filter(|item| matches!(record_of(item), Record::Renamed { .. }));
                    kept.extend(titles);
                    while let Some((gone, _)) = prompts.pop_if(|(_, place)| *place >= at) {
                        places.remove(&gone);
                    }
                }
                continue;
            }
            Record::Prompt { turn, .. } => {
                prompts.push((*turn, kept.len()));
                places.insert(*turn, kept.len());
            }
            _ => {}
        }
        kept.push(item);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_gone_back_from_does_not_count() {
        // `3` is a prompt, `.` something that follows it, `<3` the way back to before it.
        let check = |told: &str, expect: &str| {
            let records: Vec<Record> = told
                .split_whitespace()
                .map(|word| match word.strip_prefix('<') {
                    Some(turn) => Record::Rewound { turn: turn.parse().expect("a number") },
                    None if word == "t" => Record::Renamed { title: String::new() },
                    None if word == "." => Record::Undone { paths: vec![] },
                    None => Record::Prompt { turn: word.parse().expect("a number"), text: String::new() },
                })
                .collect();
            let kept: Vec<String> = effective(&records)
                .into_iter()
                .map(|record| match record {
                    Record::Prompt { turn, .. } => turn.to_string(),
                    Record::Renamed { .. } => "t".into(),
                    _ => ".".into(),
                })
                .collect();
            assert_eq!(kept.join(" "), expect, "{told}");
        };
        check("", "");
        check("1 . 2 .", "1 . 2 .");
        check("1 . 2 . <2", "1 .");
        check("1 . 2 . <1", "");
        check(". 1 . <1 2 .", ". 2 .");
        check("1 . 2 . <2 3 . 4 . <3 5", "1 . 5");
        check("1 2 3 <3 <2 4", "1 4");
        check("1 2 3 <1 4 <4 5", "5");
        // A title stays.
        check("1 t 2 t . <2", "1 t t");
        check("1 2 t . <2 <1 3", "t 3");
        // What is not there any more, or never was, is not gone back to.
        check("1 2 3 <2 <3 4", "1 4");
        check("<7 1 <0", "1");
        // A number that was used twice means its newest prompt.
        check("1 2 . 2 . <2", "1 2 .");
    }
}
