//! Owns replay: a written session is taken in as a live one would be, and each question is laid out as its next prompt.
//! Uses the same context, compaction and recall as a live session; tokens are counted as four bytes each.
//! Never looks past the turn at which a question is asked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use loci_index::Embed;
use loci_inference::provider::{Message, Sampling, ToolCall};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Budget, Context, Frame, Meter, Overflow};
use crate::session::log::{LoggedOutcome, Record};

/// One turn of a written session: a line of its file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Turn {
    /// Its number, from 0.
    pub turn: usize,
    /// `user`, `assistant` or `tool`.
    pub role: String,
    /// The tool that is called, or that answered.
    pub tool: Option<String>,
    /// Arguments of a call.
    pub args: Map<String, Value>,
    /// What a result is about.
    pub path: Option<String>,
    /// The same for searches.
    pub pattern: Option<String>,
    /// And for commands.
    pub cmd: Option<String>,
    /// Files that a result changed.
    pub paths: Vec<String>,
    /// Whether a result is a success, where that is known.
    pub ok: Option<bool>,
    /// The text.
    pub content: String,
}

/// A question about a session.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Question {
    /// Its name.
    pub question_id: String,
    /// The session it is about; empty where there is only one.
    pub session: String,
    /// The words of the next prompt.
    pub question: String,
    /// It is asked before this turn; at the end where it is missing.
    pub asked_at: Option<usize>,
}

/// What the model would read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The question's name.
    pub question_id: String,
    /// Everything behind the head: ledger, epoch, recalled passages, the question.
    pub context: String,
    /// Milliseconds that the layout took: compaction, recall, counting.
    pub ms: f64,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Give a larger budget.
    #[error("{question}: {source}")]
    Overflow {
        /// The question.
        question: String,
        /// How much is missing.
        source: Overflow,
    },
}

/// A session that is being replayed.
#[derive(Debug)]
pub struct Replay {
    context: Context,
    meter: Meter,
    budget: Budget,
    sampling: Sampling,
    turns: u32,
    /// The call that waits for its result.
    call: Option<String>,
}

impl Replay {
    /// Begin a session in a window of `budget` tokens behind the head. `root` is the project, where there is one.
    #[must_use]
    pub fn new(budget: usize, root: Option<PathBuf>, embed: Option<Arc<dyn Embed>>) -> Self {
        Self {
            context: Context::new(false, root, embed),
            meter: Meter::bytes(),
            budget: Budget { window: budget, reserve: 0 },
            sampling: Sampling::default(),
            turns: 0,
            call: None,
        }
    }

    /// The context as it is.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Take in a turn as it would happen: before each answer the window is laid out.
    ///
    /// # Errors
    /// When not even the newest step fits.
    pub fn take(&mut self, turn: &Turn) -> Result<(), Overflow> {
        match turn.role.as_str() {
            "user" => {
                self.turns += 1;
                self.context.absorb(&Record::Prompt { turn: self.turns, text: turn.content.clone() });
            }
            "assistant" => self.answered(turn, turn.tool.as_deref(), turn.args.clone())?,
            _ => {
                let tool = turn.tool.clone().unwrap_or_else(|| "tool".into());
                if self.call.is_none() {
                    self.answered(
                        &Turn { content: String::new(), ..turn.clone() },
                        Some(&tool),
                        arguments_of(turn),
                    )?;
                }
                let mut outcome = LoggedOutcome {
                    call_id: self.call.take().unwrap_or_default(),
                    tool,
                    ok: turn.ok.unwrap_or(true),
                    text: turn.content.clone(),
                    changed: turn.paths.clone(),
                    ..LoggedOutcome::default()
                };
                let frame = frame(&self.sampling);
                let plan = self.context.plan(&frame, &self.meter, self.budget);
                outcome.fold = self.context.fold_for(&outcome.text, &plan, &self.meter);
                self.context.absorb(&Record::Outcome(Box::new(outcome)));
            }
        }
        Ok(())
    }

    fn answered(
        &mut self,
        turn: &Turn,
        tool: Option<&str>,
        arguments: Map<String, Value>,
    ) -> Result<(), Overflow> {
        if !self.context.conversation().entries().is_empty() {
            let frame = frame(&self.sampling);
            self.context.lay_out(&frame, &self.meter, self.budget)?;
        }
        let calls: Vec<ToolCall> = tool
            .map(|name| ToolCall { id: format!("c{}", turn.turn), name: name.into(), arguments })
            .into_iter()
            .collect();
        self.call = calls.first().map(|call| call.id.clone());
        let text = turn.content.clone();
        self.context.absorb(&Record::Assistant { turn: self.turns, text, reasoning: None, calls });
        Ok(())
    }

    /// What the model would read if this were the next prompt. The session stays as it is.
    ///
    /// # Errors
    /// When not even the question fits.
    pub fn ask(&self, question: &Question) -> Result<Answer, ReplayError> {
        let mut context = self.context.fork();
        let started = Instant::now();
        context.absorb(&Record::Prompt { turn: self.turns + 1, text: question.question.clone() });
        let laid_out = context
            .lay_out(&frame(&self.sampling), &self.meter, self.budget)
            .map_err(|source| ReplayError::Overflow { question: question.question_id.clone(), source })?;
        let ms = started.elapsed().as_secs_f64() * 1_000.0;
        Ok(Answer {
            question_id: question.question_id.clone(),
            context: written(&laid_out.request.messages),
            ms,
        })
    }
}

/// No head: the budget is for what stands behind it.
fn frame(sampling: &Sampling) -> Frame<'_> {
    Frame { system: None, tools: &[], sampling, max_tokens: None }
}

/// The arguments that a result tells of its call.
fn arguments_of(turn: &Turn) -> Map<String, Value> {
    let word = |name: &str, word: &Option<String>| Some((name.to_owned(), Value::String(word.clone()?)));
    [word("path", &turn.path), word("pattern", &turn.pattern), word("cmd", &turn.cmd)]
        .into_iter()
        .flatten()
        .collect()
}

/// Messages as one text. Marks are shorter than what [`Meter::message`] adds for them.
#[must_use]
pub fn written(messages: &[Message]) -> String {
    let mut text = String::new();
    for message in messages {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        match message {
            Message::System { text: said } => text.push_str(said),
            Message::User { text: said, .. } => text.push_str(&format!("# user\n{said}")),
            Message::Assistant { text: said, calls, .. } => {
                text.push_str(&format!("# assistant\n{said}"));
                for call in calls {
                    text.push_str(&format!("\n{} {}", call.name, Value::Object(call.arguments.clone())));
                }
            }
            Message::Tool { name, text: said, .. } => text.push_str(&format!("# {name}\n{said}")),
        }
    }
    text
}
