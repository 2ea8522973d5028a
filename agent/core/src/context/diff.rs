//! Owns the comparison of two requests of a session: from where on they differ, and what made them differ.
//! Uses the window at each of them, as the log tells it.
//! Never blames what did not happen between the two.

use loci_inference::provider::{Message, ToolSpec};
use serde::Serialize;
use serde_json::Value;

use super::handle::Handle;
use super::report::{self, NoStep, Past};
use super::{Head, Meter};
use crate::session::log::Record;

/// Two requests compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The first of them, from 1.
    pub from: usize,
    /// The second.
    pub to: usize,
    /// Tokens that they begin with in common, four bytes each.
    pub shared: usize,
    /// Tokens of the first.
    pub of: usize,
    /// Tokens of the second.
    pub tokens: usize,
    /// The first change; nothing where the second goes on where the first ended.
    pub change: Option<Change>,
}

/// The first place at which two requests differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Where.
    pub place: Place,
    /// The entry of the conversation, where it is in one.
    pub handle: Option<String>,
    /// The first token that differs, from 0.
    pub token: usize,
    /// What stands before it in both.
    pub before: String,
    /// What followed.
    pub was: String,
    /// What follows.
    pub now: String,
    /// What happened between the two that explains it.
    pub causes: Vec<String>,
}

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The system message.
    Head,
    /// The tools.
    Tools,
    /// What stays known of entries that left.
    Ledger,
    /// The entries themselves.
    Epoch,
    /// What was shown again at the end of an entry.
    Recalled,
}

impl Place {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Tools => "tools",
            Self::Ledger => "ledger",
            Self::Epoch => "epoch",
            Self::Recalled => "recalled passages",
        }
    }
}

/// Characters shown around a change.
const AROUND: usize = 240;

/// A piece of a request in one place.
struct Piece {
    place: Place,
    entry: Option<usize>,
    text: String,
}

/// Compare two requests of a session; the last two where none are named.
///
/// # Errors
/// [`NoStep`] when there is no such request.
pub fn diff(records: &[Record], steps: Option<(usize, usize)>) -> Result<Difference, NoStep> {
    let newest = report::steps(records);
    let (from, to) = steps.unwrap_or((newest.saturating_sub(1).max(1), newest));
    let (first, second) = (report::at(records, Some(from))?, report::at(records, Some(to))?);
    let (was, now) = (pieces(&first), pieces(&second));
    let meter = Meter::bytes();
    let tokens = |bytes: usize| bytes.div_ceil(BYTES_PER_TOKEN);
    let length = |pieces: &[Piece]| tokens(pieces.iter().map(|piece| piece.text.len()).sum());
    let mut shared = 0;
    let mut change = None;
    for (at, one) in was.iter().enumerate() {
        let same = match now.get(at) {
            Some(two) if two.text == one.text && two.place == one.place => one.text.len(),
            Some(two) => common(&one.text, &two.text),
            None => 0,
        };
        shared += same;
        if same == one.text.len()
            && now.get(at).is_some_and(|two| two.place == one.place && two.text == one.text)
        {
            continue;
        }
        let other = now.get(at);
        let place = where_it_is(&first, &second, one, other, same);
        let mut causes = causes(&first, &second, records);
        if causes.is_empty() {
            causes.push("nothing in the log between the two explains it".into());
        }
        change = Some(Change {
            place,
            handle: other
                .and_then(|two| two.entry)
                .or(one.entry)
                .map(|entry| Handle { entry, lines: None }.to_string()),
            token: shared / BYTES_PER_TOKEN,
            before: tail(&one.text[..same]),
            was: begin(&one.text[same..]),
            now: other.map(|two| begin(&two.text[same..])).unwrap_or_default(),
            causes,
        });
        break;
    }
    debug_assert!(!meter.exact());
    Ok(Difference { from, to, shared: tokens(shared), of: length(&was), tokens: length(&now), change })
}

/// As [`Meter::bytes`] counts.
const BYTES_PER_TOKEN: usize = 4;

/// The request in pieces, in the order in which a template writes them.
fn pieces(past: &Past) -> Vec<Piece> {
    let mut pieces = Vec::new();
    if let Some(Head { text, tools, .. }) = past.context.head() {
        if let Some(text) = text {
            pieces.push(Piece { place: Place::Head, entry: None, text: text.clone() });
        }
        pieces.extend(tools.iter().map(|tool| Piece { place: Place::Tools, entry: None, text: spec(tool) }));
    }
    for (entry, message) in past.context.conversation().messages(!past.context.is_brief()) {
        let text = match message {
            Message::System { text } | Message::User { text, .. } => text,
            Message::Assistant { text, calls, .. } => calls.iter().fold(text, |text, call| {
                format!("{text}\n{} {}", call.name, Value::Object(call.arguments.clone()))
            }),
            Message::Tool { name, text, .. } => format!("{name}\n{text}"),
        };
        pieces.push(Piece { place: Place::Epoch, entry, text });
    }
    pieces
}

fn spec(tool: &ToolSpec) -> String {
    format!("{}: {} {}", tool.name, tool.description, tool.parameters)
}

/// The bytes that two texts begin with in common, up to the end of a word.
fn common(one: &str, two: &str) -> usize {
    let same = one.bytes().zip(two.bytes()).take_while(|(one, two)| one == two).count();
    let same = one.floor_char_boundary(same);
    if same == one.len() || same == two.len() {
        return same;
    }
    // A word that differs in its middle differs.
    one[..same]
        .rfind(|letter: char| !letter.is_alphanumeric())
        .map_or(0, |at| at + one[at..].chars().next().map_or(1, char::len_utf8))
}

/// Where a difference is: messages of the window hold the ledger before, and recalled passages behind, what was said.
fn where_it_is(first: &Past, second: &Past, was: &Piece, now: Option<&Piece>, same: usize) -> Place {
    if was.place != Place::Epoch {
        return was.place;
    }
    let ledger = |past: &Past, piece: &Piece| {
        let compaction = past.context.conversation().compaction()?;
        let begins = !compaction.ledger.is_empty() && piece.text.starts_with(&compaction.ledger);
        begins.then_some(compaction.ledger.len())
    };
    let in_ledger = ledger(first, was).is_some_and(|length| same < length)
        || now.and_then(|now| ledger(second, now)).is_some_and(|length| same < length);
    if in_ledger {
        return Place::Ledger;
    }
    let recalled = |past: &Past, piece: &Piece| {
        let entry = piece.entry.filter(|entry| past.context.conversation().has_recalled(*entry))?;
        let (_, recalled) = past.context.recalled().iter().rev().find(|(_, one)| one.entry == entry)?;
        Some(piece.text.len().saturating_sub(recalled.text.len() + 2))
    };
    let in_recalled = recalled(first, was).is_some_and(|begins| same >= begins)
        || now.and_then(|now| recalled(second, now)).is_some_and(|begins| same >= begins);
    if in_recalled { Place::Recalled } else { Place::Epoch }
}

/// What was decided between two requests.
fn causes(first: &Past, second: &Past, records: &[Record]) -> Vec<String> {
    let mut causes = Vec::new();
    let (low, high) = (first.records.min(second.records), first.records.max(second.records));
    let (was, now) = (first.context.head(), second.context.head());
    if let (Some(was), Some(now)) = (was, now) {
        causes.extend(head_causes(was, now));
    }
    for record in &records[low..high] {
        if let Record::Compacted(compaction) = record {
            let mut text = format!(
                "a compaction, since {}: {} → {} tokens, entries before r{} left",
                report::cause(compaction.cause),
                compaction.before,
                compaction.after,
                compaction.epoch
            );
            if compaction.folded_before > compaction.epoch {
                text.push_str(&format!(", results before r{} were folded", compaction.folded_before));
            }
            causes.push(text);
        }
    }
    causes
}

/// What of a head is another one.
fn head_causes(was: &Head, now: &Head) -> Vec<String> {
    let mut causes = Vec::new();
    if was.model != now.model {
        causes.push(format!("another model: {} → {}", was.model, now.model));
    }
    if was.window != now.window {
        causes.push(format!("another window: {} → {} tokens", was.window, now.window));
    }
    if was.text != now.text {
        let parts = |head: &Head| {
            let (own, instructions) = super::head::parts(head.text.as_deref().unwrap_or_default());
            (own.to_owned(), instructions.map(str::to_owned))
        };
        let ((one, told), (two, tells)) = (parts(was), parts(now));
        if one != two {
            causes.push("the system message changed".into());
        }
        if told != tells {
            causes.push(match (told, tells) {
                (None, _) => "the project's instructions were added".into(),
                (_, None) => "the project's instructions were taken out".into(),
                _ => "the project's instructions changed".into(),
            });
        }
    }
    if was.tools != now.tools {
        let named = |head: &Head| head.tools.iter().map(|tool| tool.name.clone()).collect::<Vec<_>>();
        let (one, two) = (named(was), named(now));
        let missing = |from: &[String], of: &[String]| {
            of.iter().filter(|name| !from.contains(name)).cloned().collect::<Vec<_>>().join(", ")
        };
        let (added, removed) = (missing(&one, &two), missing(&two, &one));
        if !added.is_empty() {
            causes.push(format!("tools were added: {added}"));
        }
        if !removed.is_empty() {
            causes.push(format!("tools were taken out: {removed}"));
        }
        if added.is_empty() && removed.is_empty() {
            causes.push("the description or the order of tools changed".into());
        }
    }
    causes
}

fn begin(text: &str) -> String {
    text.chars().take(AROUND).collect()
}

fn tail(text: &str) -> String {
    let from = text.char_indices().rev().nth(AROUND - 1).map_or(0, |(at, _)| at);
    text[from..].to_owned()
}

#[cfg(test)]
mod tests;
