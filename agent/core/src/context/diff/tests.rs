//! Sessions as the loop writes them, looked at afterwards.

use loci_inference::provider::{Sampling, ToolCall};
use serde_json::json;

use super::*;
use crate::context::{Budget, Context, Frame, head};
use crate::session::log::LoggedOutcome;

fn tool(name: &str) -> ToolSpec {
    ToolSpec { name: name.into(), description: "Does it.".into(), parameters: json!({"type": "object"}) }
}

/// A session that is written as the loop writes it, and every request that it made.
struct Written {
    context: Context,
    records: Vec<Record>,
    requests: Vec<Vec<Message>>,
    window: usize,
    turn: u32,
}

impl Written {
    fn new(window: usize) -> Self {
        let context = Context::new(false, None, None);
        let mut written = Self { context, records: Vec::new(), requests: Vec::new(), window, turn: 0 };
        written.head("scripted", Some("Use tabs."), &["read", "bash"]);
        written
    }

    fn note(&mut self, record: Record) {
        self.context.absorb(&record);
        self.records.push(record);
    }

    fn head(&mut self, model: &str, instructions: Option<&str>, tools: &[&str]) {
        self.note(Record::Head {
            text: Some(head::text(std::path::Path::new("/srv/repo"), None, instructions)),
            tools: tools.iter().map(|name| tool(name)).collect(),
            model: model.into(),
            window: self.window,
        });
    }

    fn ask(&mut self, calls: Vec<ToolCall>) {
        let Head { text, tools, .. } = self.context.head().cloned().expect("a head");
        let sampling = Sampling::default();
        let frame = Frame { system: text.as_deref(), tools: &tools, sampling: &sampling, max_tokens: None };
        let laid_out =
            self.context.lay_out(&frame, &Meter::bytes(), Budget::new(self.window, None)).expect("fits");
        self.records.extend(laid_out.decisions);
        self.requests.push(laid_out.request.messages);
        let text = if calls.is_empty() { "Done." } else { "" };
        self.note(Record::Assistant { turn: self.turn, text: text.into(), reasoning: None, calls });
    }

    /// A prompt, a look at a file of so many lines, an answer.
    fn turn(&mut self, lines: usize) {
        self.turn += 1;
        let turn = self.turn;
        self.note(Record::Prompt { turn, text: format!("Look at part {turn} of the parser, please.") });
        let arguments = json!({"path": format!("src/part{turn}.rs")});
        let id = format!("c{turn}");
        let arguments = arguments.as_object().cloned().expect("an object");
        self.ask(vec![ToolCall { id: id.clone(), name: "read".into(), arguments }]);
        let line = |line: usize| format!("{line}\tlet parsed_{turn}_{line} = parse(input, {line});\n");
        self.note(Record::Outcome(Box::new(LoggedOutcome {
            call_id: id,
            tool: "read".into(),
            ok: true,
            text: (1..=lines).map(line).collect(),
            ..Default::default()
        })));
        self.ask(Vec::new());
    }
}

#[test]
fn every_request_can_be_told_from_the_log() {
    let mut written = Written::new(6_000);
    for _ in 0..25 {
        written.turn(60);
    }
    assert!(written.context.compacted().len() > 1, "the window never filled");
    assert!(!written.context.recalled().is_empty(), "nothing was recalled");
    assert_eq!(report::steps(&written.records), written.requests.len());
    for (at, request) in written.requests.iter().enumerate() {
        let past = report::at(&written.records, Some(at + 1)).expect("a step");
        assert_eq!(past.messages(), *request, "request {}", at + 1);
        let told = past.report();
        let counted: usize = told.parts.iter().map(|part| part.tokens).sum();
        let meter = Meter::bytes();
        let tools = past.context.head().map_or(0, |head| meter.tools(&head.tools));
        let summed: usize = request.iter().map(|message| meter.message(message)).sum();
        assert_eq!((told.used, counted), (tools + summed, tools + summed), "request {}", at + 1);
        // What is shown and what left make up everything that was said.
        let shown: usize = told
            .parts
            .iter()
            .filter(|part| {
                part.source == "prompts" || part.source == "answers" || part.source.starts_with("results")
            })
            .map(|part| part.items)
            .sum();
        let gone = told.left.iter().filter(|left| !left.folded).count();
        let entries = past.context.conversation().entries().len();
        assert!(shown + gone == entries || shown + gone == entries + 1, "{shown} {gone} {entries}");
    }
    let past = report::at(&written.records, None).expect("the newest");
    assert_eq!(past.step, written.requests.len());
    let told = past.report();
    assert!(told.left[0].title == "prompt" && told.left.iter().any(|left| left.title == "read src/part1.rs"));
    assert!(!told.exact && told.marks.0 > told.marks.1 && told.window == 6_000);
    assert_eq!(told.compactions.len(), written.context.compacted().len());
    assert!(told.parts.iter().any(|part| part.source == "instructions" && part.tokens > 10));
}

#[test]
fn requests_differ_only_where_something_was_decided() {
    let mut written = Written::new(6_000);
    for _ in 0..25 {
        written.turn(60);
    }
    let (mut grown, mut changed) = (0, 0);
    for step in 1..written.requests.len() {
        let difference = diff(&written.records, Some((step, step + 1))).expect("two steps");
        let Some(change) = &difference.change else {
            assert_eq!(difference.shared, difference.of);
            grown += 1;
            continue;
        };
        changed += 1;
        assert!(difference.shared < difference.of);
        assert!(change.causes.iter().all(|cause| cause.starts_with("a compaction, since ")), "{change:?}");
        assert!(matches!(change.place, Place::Epoch | Place::Ledger | Place::Recalled), "{change:?}");
        assert_ne!(change.was, change.now);
    }
    assert_eq!(changed, written.context.compacted().len());
    assert!(grown > 20, "{grown}");
    let newest = diff(&written.records, None).expect("two steps");
    assert_eq!((newest.from, newest.to), (written.requests.len() - 1, written.requests.len()));
}

#[test]
fn a_changed_head_is_named_by_its_part() {
    let check = |model: &str, instructions: Option<&str>, tools: &[&str], place: Place, causes: &[&str]| {
        let mut written = Written::new(20_000);
        written.turn(3);
        written.head(model, instructions, tools);
        written.turn(3);
        let difference = diff(&written.records, Some((2, 3))).expect("two steps");
        let change = difference.change.expect("a change");
        assert_eq!(change.place, place);
        assert_eq!(change.causes, causes);
        assert!(change.token > 0 && !change.before.is_empty() || place == Place::Tools, "{change:?}");
    };
    let tabs = Some("Use tabs.");
    check(
        "scripted",
        Some("Use spaces."),
        &["read", "bash"],
        Place::Head,
        &["the project's instructions changed"],
    );
    check("scripted", None, &["read", "bash"], Place::Head, &["the project's instructions were taken out"]);
    check(
        "scripted",
        tabs,
        &["read", "grep"],
        Place::Tools,
        &["tools were added: grep", "tools were taken out: bash"],
    );
    check(
        "scripted",
        tabs,
        &["bash", "read"],
        Place::Tools,
        &["the description or the order of tools changed"],
    );
    check(
        "another",
        Some("Use spaces."),
        &["read", "bash"],
        Place::Head,
        &["another model: scripted → another", "the project's instructions changed"],
    );
    let mut written = Written::new(20_000);
    written.turn(3);
    let difference = diff(&written.records, Some((1, 2))).expect("two steps");
    assert_eq!(difference.change, None);
    assert!(difference.shared == difference.of && difference.of < difference.tokens);
    // Backwards, the second request is a beginning of the first.
    let difference = diff(&written.records, Some((2, 1))).expect("two steps");
    let change = difference.change.expect("a change");
    assert_eq!((change.now.as_str(), change.place), ("", Place::Epoch));
}

#[test]
fn changes_begin_with_a_word() {
    let check = |one: &str, two: &str, expect: &str| {
        assert_eq!(&one[..common(one, two)], expect, "{one} / {two}");
    };
    check("use tabs here", "use tables here", "use ");
    check("same", "same", "same");
    check("same", "same and more", "same");
    check("größer", "größe", "größe");
    check("a→b", "a→c", "a→");
    check("", "x", "");
    check("ä", "ö", "");
}

#[test]
fn steps_that_are_not_there_are_refused() {
    assert_eq!(report::at(&[], None).map(|past| past.step), Err(NoStep::Nothing));
    assert_eq!(diff(&[], None), Err(NoStep::Nothing));
    let mut written = Written::new(20_000);
    written.turn(3);
    assert_eq!(
        report::at(&written.records, Some(3)).map(|past| past.step),
        Err(NoStep::Unknown { step: 3, steps: 2 })
    );
    assert!(report::at(&written.records, Some(0)).is_err());
    assert!(diff(&written.records, Some((1, 9))).is_err());
}
