//! Owns the conversation and the window on it: which entries the next request shows, and how.
//! Uses records of what was decided: folds, compactions, recalled passages.
//! Never parts a call from its result, and never decides anything: the same records give the same bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use loci_inference::provider::{Message, Request, Sampling, ToolCall, ToolChoice, ToolSpec};
use serde_json::Value;

use super::budget::Meter;
use super::fold::{fold, folds, left_out};
use super::handle::Handle;
use crate::session::log::{Compaction, Fold};

/// One message of the conversation.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The turn's number.
    pub turn: u32,
    /// The message, whole.
    pub message: Message,
    /// How it is folded from the beginning.
    pub(crate) fold: Option<Fold>,
    /// What was recalled at its end, and after which compaction; with the next one it leaves.
    recalled: Option<(usize, String)>,
}

/// An entry, how it is folded, and after which compaction the passages were recalled that are shown with it.
type Way = (usize, Option<Fold>, Option<usize>);

/// Everything said in a session, and from where on it is shown.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    entries: Vec<Entry>,
    /// The newest compaction.
    compaction: Option<Box<Compaction>>,
    compactions: usize,
    /// Tokens of entries: a tokenizer is asked once for each way of showing one, not once a step.
    counted: Arc<Mutex<HashMap<Way, usize>>>,
}

/// What goes with the conversation into every request.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// The head; `None` for models that take none.
    pub system: Option<&'a str>,
    /// The tools.
    pub tools: &'a [ToolSpec],
    /// How tokens are drawn.
    pub sampling: &'a Sampling,
    /// At most so many new tokens.
    pub max_tokens: Option<usize>,
}

/// How an entry of the conversation is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Not at all.
    Left,
    /// Head and tail.
    Folded,
    /// As it is.
    Whole,
}

impl Conversation {
    /// Add a message, folded this way from the beginning.
    pub fn push(&mut self, turn: u32, message: Message, fold: Option<Fold>) {
        self.entries.push(Entry { turn, message, fold, recalled: None });
    }

    /// The same conversation, that may go on otherwise: its counts are its own.
    #[must_use]
    pub(crate) fn detached(&self) -> Self {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { counted: Arc::new(Mutex::new(counted)), ..self.clone() }
    }

    /// Make the newest turn whole after it was cut off: every call gets a result and the turn an end, since templates
    /// and providers refuse a call without a result and two prompts in a row. `said` is what the model had said.
    pub fn settle(&mut self, turn: u32, said: &str, missing: impl Fn(&str) -> String) {
        let is_assistant = |entry: &Entry| matches!(entry.message, Message::Assistant { .. });
        let newest = self.entries.iter().rposition(is_assistant).unwrap_or(0);
        let mut told = String::new();
        if let Some(Entry { message: Message::Assistant { text, calls, .. }, .. }) = self.entries.get(newest)
        {
            told.clone_from(text);
            let open: Vec<(String, String)> = calls
                .iter()
                .filter(|call| {
                    !self.entries[newest..].iter().any(
                        |entry| matches!(&entry.message, Message::Tool { call_id, .. } if *call_id == call.id),
                    )
                })
                .map(|call| (call.id.clone(), call.name.clone()))
                .collect();
            for (call_id, name) in open {
                let text = missing(&call_id);
                self.push(turn, Message::Tool { call_id, name, text }, None);
            }
        }
        let whole = match self.entries.last().map(|entry| &entry.message) {
            None | Some(Message::System { .. }) => true,
            Some(Message::Assistant { calls, .. }) => calls.is_empty(),
            Some(Message::User { .. } | Message::Tool { .. }) => false,
        };
        if !whole {
            let note = "[The turn was cut off here.]";
            let text = if said.is_empty() || said == told { note.into() } else { format!("{said}\n{note}") };
            self.push(turn, Message::Assistant { text, reasoning: None, calls: Vec::new() }, None);
        }
    }

    /// All entries, those that left included.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The newest compaction.
    #[must_use]
    pub fn compaction(&self) -> Option<&Compaction> {
        self.compaction.as_deref()
    }

    /// How many compactions there were.
    #[must_use]
    pub fn compactions(&self) -> usize {
        self.compactions
    }

    /// The first entry that is shown.
    #[must_use]
    pub fn epoch(&self) -> usize {
        self.compaction.as_ref().map_or(0, |compaction| compaction.epoch.min(self.entries.len()))
    }

    /// Apply a compaction.
    pub fn compacted(&mut self, compaction: Compaction) {
        self.compactions += 1;
        self.compaction = Some(Box::new(compaction));
    }

    /// Put recalled passages at the end of an entry, until the next compaction.
    pub fn recalled(&mut self, entry: usize, text: &str) {
        if let Some(entry) = self.entries.get_mut(entry) {
            entry.recalled = Some((self.compactions, text.to_owned()));
        }
    }

    /// Whether passages were recalled at this entry and still stand there.
    #[must_use]
    pub fn has_recalled(&self, entry: usize) -> bool {
        self.entries.get(entry).is_some_and(|entry| self.recalled_at(entry).is_some())
    }

    fn recalled_at<'a>(&self, entry: &'a Entry) -> Option<&'a str> {
        entry.recalled.as_ref().filter(|(after, _)| *after == self.compactions).map(|(_, text)| text.as_str())
    }

    /// How an entry is shown now.
    #[must_use]
    pub fn shown(&self, at: usize) -> Shown {
        if at < self.epoch() {
            return Shown::Left;
        }
        let Some(entry) = self.entries.get(at) else { return Shown::Left };
        let text = match &entry.message {
            Message::User { text, .. } | Message::Tool { text, .. } | Message::Assistant { text, .. } => text,
            Message::System { .. } => return Shown::Whole,
        };
        match self.fold_of(at, entry) {
            Some(fold) if fold_text(&entry.message, fold) && folds(text, fold) => Shown::Folded,
            _ => Shown::Whole,
        }
    }

    /// Whether no compaction folded an entry that is shown.
    #[must_use]
    pub fn shown_as_new(&self, at: usize) -> bool {
        at >= self.epoch() && self.entries.get(at).is_some_and(|entry| self.fold_of(at, entry) == entry.fold)
    }

    /// The lines, from 1, that a folded entry leaves out.
    #[must_use]
    pub fn lines_left_out(&self, at: usize) -> Option<std::ops::Range<usize>> {
        let entry = self.entries.get(at)?;
        let (Message::User { text, .. } | Message::Tool { text, .. } | Message::Assistant { text, .. }) =
            &entry.message
        else {
            return None;
        };
        let how = self.fold_of(at, entry).filter(|how| fold_text(&entry.message, *how))?;
        left_out(text, how)
    }

    /// Whether a line of a folded entry, from 1, is in its head or tail.
    #[must_use]
    pub fn shows_line(&self, at: usize, line: usize) -> bool {
        at < self.entries.len() && self.lines_left_out(at).is_none_or(|lines| !lines.contains(&line))
    }

    fn fold_of(&self, at: usize, entry: &Entry) -> Option<Fold> {
        match (&self.compaction, &entry.message) {
            (Some(compaction), Message::Tool { .. }) if at < compaction.folded_before => {
                Some(compaction.fold)
            }
            (Some(compaction), Message::Assistant { .. }) if at < compaction.folded_before => Some(ARGUMENTS),
            (Some(compaction), _) if at < compaction.entries && compaction.newest.is_some() => {
                compaction.newest
            }
            _ => entry.fold,
        }
    }

    /// An entry as the model reads it.
    pub(crate) fn message(&self, at: usize, notes: bool) -> Option<Message> {
        let entry = self.entries.get(at)?;
        Some(self.worded(at, entry, self.fold_of(at, entry), true, notes))
    }

    fn worded(&self, at: usize, entry: &Entry, how: Option<Fold>, recalled: bool, notes: bool) -> Message {
        let handle = notes.then(|| handle(at));
        let shown = |text: &str| {
            let mut text = match how {
                Some(how) => fold(text, how, handle.as_deref()),
                None => text.to_owned(),
            };
            if let Some(recalled) = self.recalled_at(entry).filter(|_| recalled) {
                text.push_str("\n\n");
                text.push_str(recalled);
            }
            text
        };
        match &entry.message {
            Message::User { text, .. } => Message::user(shown(text)),
            Message::Tool { call_id, name, text } => {
                Message::Tool { call_id: call_id.clone(), name: name.clone(), text: shown(text) }
            }
            // Reasoning is for the moment; models are told to expect none of it back.
            Message::Assistant { text, calls, .. } => {
                let calls = calls.iter().map(|call| match how {
                    Some(how) => shortened(call, how),
                    None => call.clone(),
                });
                let calls = calls.collect();
                let text = match how {
                    Some(how) if fold_text(&entry.message, how) => fold(text, how, handle.as_deref()),
                    _ => text.clone(),
                };
                Message::Assistant { text, reasoning: None, calls }
            }
            system @ Message::System { .. } => system.clone(),
        }
    }

    /// Tokens of an entry as it is shown.
    pub(crate) fn tokens(&self, at: usize, notes: bool, meter: &Meter) -> usize {
        let Some(entry) = self.entries.get(at) else { return 0 };
        self.count(at, self.fold_of(at, entry), self.has_recalled(at), notes, meter)
    }

    /// Tokens of an entry if it were folded this way, without what was recalled at it.
    pub(crate) fn tokens_if(&self, at: usize, fold: Option<Fold>, notes: bool, meter: &Meter) -> usize {
        let Some(entry) = self.entries.get(at) else { return 0 };
        self.count(at, fold.or(entry.fold), false, notes, meter)
    }

    fn count(&self, at: usize, how: Option<Fold>, recalled: bool, notes: bool, meter: &Meter) -> usize {
        let Some(entry) = self.entries.get(at) else { return 0 };
        // What cannot fold is counted once.
        let how = match &entry.message {
            Message::User { text, .. } | Message::Tool { text, .. } => how.filter(|how| folds(text, *how)),
            Message::Assistant { text, calls, .. } => how.filter(|how| {
                let mut arguments = calls.iter().flat_map(|call| call.arguments.values());
                fold_text(&entry.message, *how) && folds(text, *how)
                    || arguments.any(|value| value.as_str().is_some_and(|text| folds(text, *how)))
            }),
            Message::System { .. } => None,
        };
        let with = entry.recalled.as_ref().map(|(after, _)| *after).filter(|_| recalled);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        *counted
            .entry((at, how, with))
            .or_insert_with(|| meter.message(&self.worded(at, entry, how, recalled, notes)))
    }

    /// The messages of the window behind the head, each with the entry it shows; the first may show the ledger.
    /// `notes` is false for models that know no notes: they are shown none, and no ledger.
    #[must_use]
    pub fn messages(&self, notes: bool) -> Vec<(Option<usize>, Message)> {
        let mut messages = Vec::with_capacity(self.entries.len() + 1);
        let mut first = self.epoch();
        if let Some(compaction) = self.compaction.as_deref().filter(|_| first > 0) {
            let preface = if notes { compaction.ledger.as_str() } else { "" };
            let begins_with_prompt =
                matches!(self.entries.get(first), Some(Entry { message: Message::User { .. }, .. }));
            // The words that the turn began with are shown, whatever of it has left.
            let prompt = if begins_with_prompt {
                first += 1;
                self.message(first - 1, notes)
            } else {
                self.prompt_before(first).map(|(text, handle)| {
                    Message::user(fold(text, compaction.prompt, notes.then_some(handle.as_str())))
                })
            };
            let text = match prompt {
                Some(Message::User { text, .. }) if preface.is_empty() => text,
                Some(Message::User { text, .. }) => format!("{preface}\n\n{text}"),
                _ => preface.to_owned(),
            };
            messages.push((begins_with_prompt.then(|| first - 1), Message::user(text)));
        }
        messages
            .extend((first..self.entries.len()).filter_map(|at| Some((Some(at), self.message(at, notes)?))));
        messages
    }

    /// The newest prompt before an entry, and its handle.
    fn prompt_before(&self, at: usize) -> Option<(&str, String)> {
        self.entries[..at.min(self.entries.len())].iter().enumerate().rev().find_map(|(at, entry)| {
            match &entry.message {
                Message::User { text, .. } => Some((text.as_str(), handle(at))),
                _ => None,
            }
        })
    }

    /// The whole request.
    #[must_use]
    pub fn request(&self, frame: &Frame<'_>, notes: bool) -> Request {
        let mut messages = Vec::new();
        if let Some(system) = frame.system {
            messages.push(Message::System { text: system.into() });
        }
        messages.extend(self.messages(notes).into_iter().map(|(_, message)| message));
        Request {
            messages,
            tools: frame.tools.to_vec(),
            tool_choice: ToolChoice::Auto,
            sampling: frame.sampling.clone(),
            max_tokens: frame.max_tokens,
            references: self.references(),
            ..Request::default()
        }
    }

    /// The files that were read last, as they are without the numbers of their lines: an edit repeats much of them.
    fn references(&self) -> Vec<String> {
        let read = self.entries.iter().rev().filter_map(|entry| match &entry.message {
            Message::Tool { name, text, .. } if name == "read" => Some(without_numbers(text)),
            _ => None,
        });
        read.filter(|text| !text.is_empty()).take(REFERENCES).collect()
    }
}

/// What stays of a long argument of an old call, such as the whole text of a file that was written. It is long enough
/// not to be taken for the way to write one.
const ARGUMENTS: Fold = Fold { head: 1_200, tail: 600 };

/// Whether the text of a message folds with it: of an older answer only the arguments of its calls do.
fn fold_text(message: &Message, how: Fold) -> bool {
    !matches!(message, Message::Assistant { .. }) || how != ARGUMENTS
}

/// A call whose long arguments are folded.
fn shortened(call: &ToolCall, how: Fold) -> ToolCall {
    let mut call = call.clone();
    for (_, value) in &mut call.arguments {
        if let Value::String(text) = value
            && folds(text, how)
        {
            *text = fold(text, how, None);
        }
    }
    call
}

/// The handle of an entry.
fn handle(entry: usize) -> String {
    Handle { entry, lines: None }.to_string()
}

/// Results of `read` that may be repeated in an edit.
const REFERENCES: usize = 3;

/// The numbered lines of a result, without their numbers.
fn without_numbers(text: &str) -> String {
    let line = |line: &str| {
        let (number, rest) = line.split_once('\t')?;
        let numbered = !number.is_empty() && number.trim_start().bytes().all(|byte| byte.is_ascii_digit());
        numbered.then(|| format!("{rest}\n"))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests;
