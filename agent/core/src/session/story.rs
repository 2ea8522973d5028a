//! Owns what a session was, told turn by turn for people: prompts, what was done, files, tokens, how each turn ended.
//! Uses the records that count.
//! Never tells a call whose outcome is not known as done.

use std::collections::HashMap;

use loci_protocol::{TurnStatus, Usage};
use serde::Serialize;

use super::log::{Forked, Loaded, Record, effective_by, title};
use super::resume::typed;

/// A session, told.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Story {
    /// Its id.
    pub session_id: String,
    /// The project root.
    pub cwd: String,
    /// The model that it began with.
    pub model: String,
    /// The program that began it.
    pub program: String,
    /// The version of the log's format.
    pub format: u32,
    /// When it began.
    pub begun: String,
    /// Its title, where it was given one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The branch that was checked out when it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The session that it goes on from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<Forked>,
    /// Its turns, oldest first.
    pub turns: Vec<Told>,
    /// Prompts that were gone back from; they are in the log.
    pub gone_back_from: usize,
    /// Why the end of the log is not valid, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// A turn, told.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Told {
    /// Its number.
    pub turn: u32,
    /// When it began.
    pub at: String,
    /// The prompt, as typed.
    pub prompt: String,
    /// Everything that was called.
    pub calls: Vec<ToldCall>,
    /// The answer.
    pub answer: String,
    /// Paths that were changed.
    pub changed: Vec<String>,
    /// How it ended; `None` where it was cut off, or still runs.
    pub status: Option<TurnStatus>,
    /// Tokens spent.
    pub usage: Usage,
}

/// A call, told.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ToldCall {
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub input: serde_json::Value,
    /// Whether it did what was asked; `None` where that is unknown, since it was cut off.
    pub ok: Option<bool>,
    /// One line for people.
    pub summary: String,
    /// What changed, as a unified diff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

impl Story {
    /// Tell a session.
    #[must_use]
    pub fn of(loaded: &Loaded) -> Self {
        let mut story =
            Self { damage: loaded.damage.as_ref().map(|damage| damage.why.clone()), ..Self::default() };
        let prompt = |record: &&Record| matches!(record, Record::Prompt { .. });
        let all = loaded.records.iter().filter(prompt).count();
        let kept = effective_by(loaded.records.iter().zip(&loaded.times), |(record, _)| record);
        let mut calls: HashMap<&str, usize> = HashMap::new();
        for (record, at) in kept {
            if let Record::Header { format, program, session_id, cwd, model, forked_from, branch } = record {
                story.format = *format;
                (story.program, story.session_id) = (program.clone(), session_id.clone());
                (story.cwd, story.model, story.begun) = (cwd.clone(), model.clone(), at.clone());
                story.forked_from.clone_from(forked_from);
                story.branch.clone_from(branch);
                continue;
            }
            if let Record::Prompt { turn, text } = record {
                calls.clear();
                let told =
                    Told { turn: *turn, at: at.clone(), prompt: typed(text).into(), ..Told::default() };
                story.turns.push(told);
                continue;
            }
            let Some(told) = story.turns.last_mut() else { continue };
            match record {
                Record::Assistant { text, .. } if !text.trim().is_empty() => told.answer.clone_from(text),
                Record::Intent { call_id, tool, input, .. } => {
                    calls.insert(call_id, told.calls.len());
                    told.calls.push(ToldCall {
                        tool: tool.clone(),
                        input: input.clone(),
                        ..ToldCall::default()
                    });
                }
                Record::Outcome(outcome) => {
                    let place = calls.get(outcome.call_id.as_str()).copied().unwrap_or_else(|| {
                        // It was not begun: it was denied, or there is no such tool.
                        told.calls.push(ToldCall { tool: outcome.tool.clone(), ..ToldCall::default() });
                        told.calls.len() - 1
                    });
                    let call = &mut told.calls[place];
                    call.ok = Some(outcome.ok);
                    call.summary.clone_from(&outcome.summary);
                    call.diff.clone_from(&outcome.diff);
                    for path in &outcome.changed {
                        if !told.changed.contains(path) {
                            told.changed.push(path.clone());
                        }
                    }
                }
                Record::TurnEnded(report) => {
                    told.status = Some(report.status);
                    told.usage = report.usage;
                    if !report.answer.is_empty() {
                        told.answer.clone_from(&report.answer);
                    }
                }
                _ => {}
            }
        }
        story.title = title(&loaded.records).map(ToOwned::to_owned);
        story.gone_back_from = all - story.turns.len();
        story
    }

    /// Tokens of all turns.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let mut all = Usage::default();
        for told in &self.turns {
            all += told.usage;
        }
        all
    }

    /// Every path that was changed, in the order in which it first was.
    #[must_use]
    pub fn changed(&self) -> Vec<&str> {
        let mut paths: Vec<&str> = Vec::new();
        for path in self.turns.iter().flat_map(|told| &told.changed) {
            if !paths.contains(&path.as_str()) {
                paths.push(path);
            }
        }
        paths
    }
}
