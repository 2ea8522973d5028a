//! Owns the tests of the window on a conversation.
//! Uses conversations made up of numbered lines.
//! Never needs a model.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use std::sync::Arc;

use loci_inference::provider::ToolCall;
use loci_inference::scripted::{Script, Scripted};

use super::*;
use crate::context::compact;
use crate::session::log::CompactionCause;

fn meter() -> Meter {
    Meter::new(Arc::new(Scripted::new(Script { bytes_per_token: 4, ..Script::default() })))
}

fn conversation(turns: u32, steps: u32, result_bytes: usize) -> Conversation {
    let mut conversation = Conversation::default();
    for turn in 1..=turns {
        conversation.push(turn, Message::user(format!("question {turn}")), None);
        for step in 1..=steps {
            let id = format!("c{turn}.{step}");
            let call = ToolCall { id: id.clone(), name: "read".into(), arguments: Default::default() };
            let message = Message::Assistant { text: String::new(), reasoning: None, calls: vec![call] };
            conversation.push(turn, message, None);
            let line = format!("line of {id}\n");
            let text = line.repeat(result_bytes / line.len());
            conversation.push(turn, Message::Tool { call_id: id, name: "read".into(), text }, None);
        }
    }
    conversation
}

fn compaction(conversation: &Conversation, room: usize) -> Compaction {
    let cut = compact::choose(conversation, room, true, &meter());
    Compaction {
        cause: CompactionCause::High,
        entries: conversation.entries().len(),
        epoch: cut.epoch,
        folded_before: cut.folded_before,
        fold: compact::FOLD,
        prompt: compact::FOLD,
        newest: cut.newest,
        ledger: "[state]".into(),
        before: 0,
        after: 0,
    }
}

/// Every result follows its call, every call has its result.
fn assert_paired(messages: &[(Option<usize>, Message)]) {
    let mut open: Vec<&str> = Vec::new();
    for (_, message) in messages {
        match message {
            Message::Assistant { calls, .. } => {
                assert!(open.is_empty(), "a call lost its result");
                open = calls.iter().map(|call| call.id.as_str()).collect();
            }
            Message::Tool { call_id, .. } => {
                let at = open.iter().position(|id| id == call_id).expect("a result lost its call");
                open.remove(at);
            }
            _ => assert!(open.is_empty()),
        }
    }
}

#[test]
fn files_that_were_read_are_references_without_their_line_numbers() {
    let check = |text: &str, expect: &str| assert_eq!(without_numbers(text), expect, "{text:?}");
    check("  9\tfn main() {\n 10\t\tlet x = 1;\n", "fn main() {\n\tlet x = 1;\n");
    check("lines 1-2 of 9 in a.rs\n1\ta\n2\t\n[7 more lines]\n", "a\n\n");
    check("a\tb\n\tc\n-1\td\n", "");
    check("", "");
    let mut conversation = Conversation::default();
    conversation.push(1, Message::user("look"), None);
    for (name, text) in
        [("read", "1\told"), ("grep", "1\tfound"), ("read", "1\tnew"), ("read", "no such file")]
    {
        let (call_id, name, text) = (name.to_owned(), name.to_owned(), text.to_owned());
        conversation.push(1, Message::Tool { call_id, name, text }, None);
    }
    assert_eq!(conversation.references(), ["new\n", "old\n"]);
}

#[test]
fn every_cut_is_paired_and_shows_what_was_asked() {
    let (mut whole, mut folded, mut shrunk) = (0, 0, 0);
    for room in (40..4_000).step_by(37) {
        for (turns, steps) in [(1, 1), (1, 6), (5, 0), (5, 3)] {
            let mut conversation = conversation(turns, steps, 1_500);
            let compaction = compaction(&conversation, room);
            whole += usize::from(compaction.epoch == 0);
            folded += usize::from(compaction.folded_before > compaction.epoch);
            shrunk += usize::from(compaction.newest.is_some());
            let epoch = compaction.epoch;
            conversation.compacted(compaction);
            let messages = conversation.messages(true);
            assert_paired(&messages);
            assert!(matches!(messages[0].1, Message::User { .. }), "a window begins with the user");
            let asked = format!("question {turns}");
            let shows = |text: &str| text.ends_with(&asked);
            assert!(
                messages
                    .iter()
                    .any(|(_, message)| matches!(message, Message::User { text, .. } if shows(text))),
                "{room} {turns} {steps}"
            );
            let first = conversation.message(epoch, true).unwrap();
            let begins = matches!(first, Message::User { .. } | Message::Assistant { .. });
            assert!(begins, "{room} {turns} {steps}");
        }
    }
    assert!(whole > 20 && folded > 20 && shrunk > 20, "{whole} {folded} {shrunk}");
}

#[test]
fn what_is_kept_fits_the_room_where_it_can() {
    for room in (200..4_000).step_by(111) {
        let mut conversation = conversation(6, 3, 1_500);
        let compaction = compaction(&conversation, room);
        let epoch = compaction.epoch;
        conversation.compacted(compaction);
        let used: usize =
            (epoch..conversation.entries().len()).map(|at| conversation.tokens(at, true, &meter())).sum();
        assert!(used <= room, "{used} of {room}");
    }
}

#[test]
fn what_was_recalled_stays_until_the_next_compaction() {
    let mut conversation = conversation(2, 1, 300);
    let newest = conversation.entries().len() - 1;
    let before = conversation.tokens(newest, true, &meter());
    conversation.recalled(newest, "[r1] old words");
    assert!(conversation.has_recalled(newest));
    let text = |conversation: &Conversation| match conversation.message(newest, true) {
        Some(Message::Tool { text, .. }) => text,
        other => panic!("{other:?}"),
    };
    assert!(text(&conversation).ends_with("\n\n[r1] old words"));
    assert!(conversation.tokens(newest, true, &meter()) > before);
    let compaction = compaction(&conversation, 10_000);
    conversation.compacted(compaction);
    assert!(!conversation.has_recalled(newest) && !text(&conversation).contains("old words"));
    assert_eq!(conversation.tokens(newest, true, &meter()), before);
    // Out of range is nothing to fail about: a log may be cut short.
    conversation.recalled(99, "x");
}

#[test]
fn a_folded_entry_knows_which_lines_it_shows() {
    let mut conversation = Conversation::default();
    let text: String = (1..=200).map(|line| format!("line {line}\n")).collect();
    let message = Message::Tool { call_id: "c".into(), name: "read".into(), text };
    conversation.push(1, message, Some(Fold { head: 300, tail: 200 }));
    assert_eq!(conversation.shown(0), Shown::Folded);
    let Some(Message::Tool { text, .. }) = conversation.message(0, true) else { panic!("a result") };
    for line in 1..=200 {
        let stands = text.lines().any(|shown| shown == format!("line {line}"));
        assert_eq!(conversation.shows_line(0, line), stands, "{line}");
    }
    assert_eq!(conversation.shown(7), Shown::Left);
}
