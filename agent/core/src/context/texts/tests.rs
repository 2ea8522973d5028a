//! Numbers, titles and shapes of entries.

use loci_protocol::{TurnReport, TurnStatus, Usage};
use serde_json::json;

use super::*;
use crate::session::log::LoggedOutcome;
use crate::session::resume::restore;

fn arguments(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

fn call(id: &str, name: &str, value: Value) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), arguments: arguments(value) }
}

fn outcome(id: &str, tool: &str, text: &str) -> Record {
    Record::Outcome(Box::new(LoggedOutcome {
        call_id: id.into(),
        tool: tool.into(),
        text: text.into(),
        ..Default::default()
    }))
}

fn ended(turn: u32, answer: &str) -> Record {
    Record::TurnEnded(Box::new(TurnReport {
        turn,
        status: TurnStatus::Completed,
        answer: answer.into(),
        citations: Vec::new(),
        changed: Vec::new(),
        tool_calls: 0,
        usage: Usage::default(),
        models: Vec::new(),
        duration_ms: 0,
        failure: None,
    }))
}

fn said(turn: u32, text: &str, calls: Vec<ToolCall>) -> Record {
    Record::Assistant { turn, text: text.into(), reasoning: None, calls }
}

/// Any order of records, even one that no session writes, is numbered as the conversation numbers it.
#[test]
fn entries_are_numbered_as_the_conversation_numbers_them() {
    let mut seed = 7_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for round in 0..300 {
        let mut records = Vec::new();
        let (mut turn, mut ids) = (0, 0);
        for _ in 0..random(30) {
            records.push(match random(6) {
                0 => {
                    turn += 1;
                    Record::Prompt { turn, text: format!("prompt {turn}") }
                }
                1 => ended(turn, ["", "so far", "words"][random(3) as usize]),
                2 | 3 => {
                    let calls = (0..random(3))
                        .map(|_| {
                            ids += 1;
                            call(&format!("c{ids}"), "read", json!({"path": "a.rs"}))
                        })
                        .collect();
                    said(turn, "words", calls)
                }
                4 => Record::Undone { paths: Vec::new() },
                _ => outcome(&format!("c{}", random(ids + 1)), "read", "text"),
            });
        }
        // What is completed at the end of a log is completed by the next prompt, too.
        records.push(Record::Prompt { turn: turn + 1, text: "last".into() });
        let mut texts = Texts::default();
        let numbered: Vec<EntryText<'_>> = records.iter().flat_map(|record| texts.absorb(record)).collect();
        let restored = restore(&records, crate::context::Context::new(false, None, None));
        let entries = restored.context.conversation().entries();
        // The last prompt has no answer yet, which the conversation completes.
        assert_eq!(numbered.len() + 1, entries.len(), "round {round}: {records:?}");
        for (at, (one, entry)) in numbered.iter().zip(entries).enumerate() {
            use loci_inference::provider::Message;
            assert_eq!((one.entry, one.turn), (at, entry.turn), "round {round}: {records:?}");
            match (&entry.message, one.speaker) {
                (Message::User { text, .. }, Speaker::User)
                | (Message::Assistant { text, .. }, Speaker::Assistant) => assert_eq!(*text, one.text),
                (Message::Tool { .. }, Speaker::Tool) => {}
                other => panic!("round {round}, entry {at}: {other:?}"),
            }
        }
    }
}

#[test]
fn titles_say_what_was_asked() {
    let check = |tool: &str, value: Value, expect: &str| {
        assert_eq!(title_of(tool, &arguments(value)), expect);
    };
    check("read", json!({"path": "src/a.rs"}), "read src/a.rs");
    check("read", json!({"path": "src/a.rs", "start": 10, "end": 80}), "read src/a.rs:10-80");
    check("Read", json!({"file_path": "a.py", "offset": 5, "limit": 10}), "Read a.py:5-14");
    check("read", json!({"path": "a", "start": "7"}), "read a:7-");
    check("bash", json!({"command": "cargo test \\\n  --lib"}), "bash cargo test \\ --lib");
    check("shell", json!({"cmd": "make"}), "shell make");
    check("grep", json!({"pattern": "foo", "path": "src"}), "grep foo in src");
    check("search", json!({"query": "retry backoff"}), "search retry backoff");
    check("todo", json!({"action": "add", "text": "write tests"}), "todo add write tests");
    check("undo", json!({}), "undo");
    check("odd", json!({"path": 7, "flag": true}), "odd");
    let long = title_of("bash", &arguments(json!({"command": "é".repeat(500)})));
    assert_eq!(long.chars().count(), "bash ".len() + ARGUMENT + 1);
}

#[test]
fn shapes_of_results_are_told_apart() {
    let check = |value: Value, text: &str, expect: TextKind| {
        assert_eq!(kind_of(&arguments(value), text), expect, "{text}");
    };
    check(json!({"path": "a.rs"}), " 9\tfn main() {\n10\t}\n(2 of 9 lines shown)\n", TextKind::Code);
    check(json!({"file": "a.rs"}), "fn main() {\n    one();\n    two();\n}\n", TextKind::Code);
    check(json!({"path": "a.rs"}), "no such file\n", TextKind::Log);
    check(
        json!({"pattern": "x"}),
        "src/a.rs:3: let x = 1;\nsrc/b.rs:9-12: x\n2 matches\n",
        TextKind::Matches,
    );
    check(json!({"cmd": "rg -n x"}), "a.py:1:x\na.py:2:y\n", TextKind::Matches);
    check(json!({"command": "git diff"}), "diff --git a/x b/x\n@@ -1 +1 @@\n-a\n+b\n", TextKind::Diff);
    check(json!({"path": "x"}), "edited\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", TextKind::Diff);
    check(json!({"command": "cargo test"}), "running 2 tests\ntest a ... ok\n\nexit code 0", TextKind::Log);
    check(json!({}), "", TextKind::Log);
}

#[test]
fn whole_outputs_are_read_bounded_and_lossy() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("output.log");
    let mut bytes = b"\x1b[31mfirst\x1b[0m line\n".to_vec();
    bytes.extend(std::iter::repeat_n(b"\xff middle\n".as_slice(), 1000).flatten());
    bytes.extend(b"last line");
    std::fs::write(&path, &bytes).expect("written");
    let whole = read_whole(&path, 1 << 20).expect("readable");
    assert!(whole.starts_with("first line\n\u{fffd} middle\n") && whole.ends_with("last line"));
    assert_eq!(whole.lines().count(), 1002);
    let cut = read_whole(&path, 100).expect("readable");
    assert!(cut.len() < 600 && cut.contains(&format!("… {} bytes left out …", bytes.len() - 200)), "{cut}");
    let record = Record::Outcome(Box::new(LoggedOutcome {
        text: "first line\n(whole output: …)\nexit code 3".into(),
        whole: Some(path.clone()),
        ..Default::default()
    }));
    let mut texts = Texts::default();
    let entries = texts.absorb(&record);
    assert!(entries[0].full().ends_with("last line\nexit code 3\n"));
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(entries[0].full(), entries[0].text);
}
