//! Owns the snapshots of the transcript at 80 columns.
//! Uses events as a session sends them.
//! Never asserts more than what a person would see.

use loci_protocol::{
    Event, Failure, FailureKind, Level, Location, ModelBadge, PermissionMode, Question, ToolReport,
    TurnReport, TurnStatus, Usage,
};

use super::*;

/// The pieces as a terminal would show them, the answer's lines marked with `A`, the rest with `|`.
fn show(events: &[Event], ansi: bool) -> String {
    let mut transcript = Transcript::new(80);
    let mut out = String::new();
    let mut at_start = true;
    for piece in events.iter().flat_map(|event| transcript.render(event)) {
        let (channel, text) = match piece {
            Piece::Text { channel, text } => (channel, text),
            Piece::Line { channel, line } => {
                assert!(at_start, "a line begins where a text had not ended: {:?}", line.plain());
                (channel, if ansi { line.ansi() } else { line.plain() } + "\n")
            }
        };
        for part in text.split_inclusive('\n') {
            if at_start {
                out.push_str(if channel == Channel::Answer { "A " } else { "| " });
            }
            out.push_str(part);
            at_start = part.ends_with('\n');
        }
    }
    out.replace('\x1b', "␛")
}

fn report(status: TurnStatus) -> TurnReport {
    TurnReport {
        turn: 1,
        status,
        answer: String::new(),
        citations: Vec::new(),
        changed: Vec::new(),
        tool_calls: 0,
        usage: Usage::default(),
        models: Vec::new(),
        duration_ms: 1234,
        failure: None,
    }
}

fn tool(ok: bool, summary: &str, diff: Option<&str>) -> Event {
    Event::ToolFinished(ToolReport {
        call_id: "1".into(),
        tool: "edit".into(),
        ok,
        summary: summary.into(),
        output: "not shown".into(),
        diff: diff.map(str::to_owned),
        locations: vec![Location { path: "src/lib.rs".into(), line: 3 }],
        changed: Vec::new(),
        duration_ms: 12,
    })
}

fn started(summary: &str) -> Event {
    Event::ToolStarted {
        call_id: "1".into(),
        tool: "edit".into(),
        input: serde_json::Value::Null,
        summary: summary.into(),
    }
}

const DIFF: &str =
    "--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1,2 +1,2 @@\n fn a() {}\n-fn b() {}\n+fn c() {}\n";

#[test]
fn a_turn_with_an_edit() {
    let badge = ModelBadge {
        name: "builtin".into(),
        provider: "local".into(),
        local: true,
        endpoint: None,
        context_length: 1024,
        images: false,
    };
    let mut end = report(TurnStatus::Completed);
    end.tool_calls = 2;
    end.changed = vec!["src/lib.rs".into()];
    end.usage = Usage { prompt_tokens: 1204, cached_tokens: 900, completion_tokens: 36 };
    let events = [
        Event::SessionStarted {
            session_id: "0198".into(),
            cwd: "/srv/repo".into(),
            model: badge,
            mode: PermissionMode::Default,
            resumed: false,
            sandbox: Default::default(),
            offline: true,
        },
        Event::TurnStarted { turn: 1, prompt: "rename b to c".into() },
        Event::ReasoningDelta { text: "First look".into() },
        Event::TextDelta { text: "I will ".into() },
        Event::TextDelta { text: "look.".into() },
        started("where b"),
        tool(true, "1 definition", None),
        started("edit src/lib.rs, with a summary that is far longer than the terminal is wide, so it is cut"),
        tool(true, "1 line changed", Some(DIFF)),
        tool(false, "`old` is not in the file\nsecond line", None),
        Event::TextDelta { text: "Done: `c` is at src/lib.rs:2.".into() },
        Event::TurnFinished(end),
    ];
    insta::assert_snapshot!(show(&events, false));
    insta::assert_snapshot!("a_turn_with_an_edit_ansi", show(&events, true));
}

#[test]
fn what_asks_the_user() {
    let events = [
        Event::ApprovalRequested {
            id: "a".into(),
            call_id: "1".into(),
            tool: "bash".into(),
            summary: "bash cargo test".into(),
            details: vec!["cargo test".into(), "rm -rf \x1b[8mtarget".into()],
            diff: Some(DIFF.into()),
            rule: Some("Bash(rm *)".into()),
            origin: None,
            rules: vec![],
            network: vec![],
            why: "a rule asks".into(),
        },
        Event::QuestionAsked(Question {
            id: "q".into(),
            question: "Which one?".into(),
            options: vec!["the first".into(), "the second".into()],
        }),
    ];
    insta::assert_snapshot!(show(&events, false));
}

#[test]
fn ends_that_are_not_an_answer() {
    let mut failed = report(TurnStatus::Failed);
    failed.failure = Some(Failure {
        kind: FailureKind::ContextOverflow,
        message: "the prompt needs 9000 tokens and the model holds 8192".into(),
        hint: Some("--context 16384 opens a larger window".into()),
    });
    let notice = |level, hint: Option<&str>| Event::Notice {
        level,
        message: "something is so".into(),
        hint: hint.map(str::to_owned),
    };
    let events = [
        notice(Level::Info, None),
        notice(Level::Warning, Some("do this")),
        notice(Level::Error, None),
        Event::TextDelta { text: "half an ans".into() },
        Event::TurnFinished(report(TurnStatus::Interrupted)),
        Event::TurnFinished(report(TurnStatus::MaxTurns)),
        Event::TurnFinished(report(TurnStatus::Looping)),
        Event::TurnFinished(failed),
    ];
    insta::assert_snapshot!(show(&events, false));
}

#[test]
fn long_diffs_are_counted_and_escapes_are_shown() {
    let diff: String = (0..50).map(|number| format!("+line {number} \x1b[31m\n")).collect();
    let shown = show(&[tool(true, "50 lines", Some(&diff))], false);
    assert_eq!(shown.lines().count(), 1 + DIFF_LINES + 1);
    assert!(shown.ends_with("… 10 more lines\n"), "{shown}");
    assert!(shown.contains("+line 0 ␛[31m"), "{shown}");
}

#[test]
fn durations_read_well() {
    let check = |milliseconds, expect: &str| assert_eq!(duration(milliseconds), expect);
    check(0, "0 ms");
    check(999, "999 ms");
    check(1500, "1.5 s");
    check(125_000, "2 min 5 s");
}

#[test]
fn a_compaction_is_one_line() {
    let compacted = |message: &str| Event::Compacted { before: 6_420, after: 2_390, message: message.into() };
    let shown = show(
        &[
            Event::TextDelta { text: "half".into() },
            compacted("the prompt passed 60 % of the window; 14 messages left it"),
            compacted(&"very long ".repeat(20)),
        ],
        false,
    );
    insta::assert_snapshot!(shown);
    assert!(shown.lines().all(|line| line.chars().count() <= 82));
}
