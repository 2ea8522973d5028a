//! Owns what gives way when the window is full: from where on entries are shown, and which results are folded.
//! Uses the tokens of entries, counted once each.
//! Never cuts between a call and its result, and looks at no more entries than can be kept.

use loci_inference::provider::Message;

use super::budget::Meter;
use super::layout::Conversation;
use crate::session::log::Fold;

/// To what old results are folded.
pub(crate) const FOLD: Fold = Fold { head: 320, tail: 160 };
/// Of the room, what the newest entries may have whole; the rest is for older ones, folded.
const WHOLE: f64 = 0.75;
/// Nothing is folded below this.
const SMALLEST: Fold = Fold { head: 160, tail: 80 };

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The first entry shown.
    pub(crate) epoch: usize,
    /// Results before it are folded.
    pub(crate) folded_before: usize,
    /// How the newest step is folded, where it does not fit otherwise.
    pub(crate) newest: Option<Fold>,
}

/// The most that fits `room` tokens: the newest step, then whole entries before it, then folded ones.
pub(crate) fn choose(conversation: &Conversation, room: usize, notes: bool, meter: &Meter) -> Cut {
    let entries = conversation.entries();
    let newest = newest_step(conversation);
    let whole = |at: usize| conversation.tokens_if(at, None, notes, meter);
    let folded = |at: usize| match entries[at].message {
        Message::Tool { .. } => conversation.tokens_if(at, Some(FOLD), notes, meter),
        _ => whole(at),
    };
    let mut used: usize = (newest..entries.len()).map(whole).sum();
    if used > room {
        let newest_fold = shrink(conversation, newest, room, notes, meter);
        return Cut { epoch: newest, folded_before: newest, newest: Some(newest_fold) };
    }
    let mut at = newest;
    while at > 0 && used + whole(at - 1) <= (room as f64 * WHOLE) as usize {
        at -= 1;
        used += whole(at);
    }
    let folded_before = at;
    while at > 0 && used + folded(at - 1) <= room {
        at -= 1;
        used += folded(at);
    }
    let epoch = beginning(conversation, at, newest);
    Cut { epoch, folded_before: folded_before.max(epoch), newest: None }
}

/// The fold at which the newest step fits the room, or the smallest.
fn shrink(conversation: &Conversation, newest: usize, room: usize, notes: bool, meter: &Meter) -> Fold {
    let longest = |at: usize| match &conversation.entries()[at].message {
        Message::User { text, .. } | Message::Tool { text, .. } => text.len(),
        Message::Assistant { text, calls, .. } => {
            let arguments = calls.iter().flat_map(|call| call.arguments.values());
            arguments.filter_map(|value| value.as_str().map(str::len)).max().unwrap_or(0).max(text.len())
        }
        Message::System { .. } => 0,
    };
    let mut bytes = (newest..conversation.entries().len()).map(longest).max().unwrap_or(0).min(room * 8);
    loop {
        bytes = bytes * 3 / 4;
        let fold = Fold { head: bytes * 2 / 3, tail: bytes / 3 };
        if fold.head <= SMALLEST.head {
            return SMALLEST;
        }
        let step = newest..conversation.entries().len();
        let used: usize = step.map(|at| conversation.tokens_if(at, Some(fold), notes, meter)).sum();
        if used <= room {
            return fold;
        }
    }
}

/// The index of the newest step: the last assistant message that has results after it, or the newest prompt.
pub(crate) fn newest_step(conversation: &Conversation) -> usize {
    let begins = |message: &Message| matches!(message, Message::Assistant { .. } | Message::User { .. });
    conversation.entries().iter().rposition(|entry| begins(&entry.message)).unwrap_or(0)
}

/// Where a window may begin, from `at` on: with a prompt or with a step, before which its prompt is shown again.
fn beginning(conversation: &Conversation, at: usize, newest: usize) -> usize {
    let begins = |at: &usize| !matches!(conversation.entries()[*at].message, Message::Tool { .. });
    (at..=newest).find(begins).unwrap_or(newest)
}
