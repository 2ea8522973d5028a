//! Owns the tests of the window over whole sessions: a model that is played, and what holds of each of its requests.
//! Uses generated code, logs and talk, and a provider that counts a token for every four bytes.
//! Never starts a session's task, and never asserts a time.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod bad_input;
mod ledger;
mod prefix;
mod resume;

use std::sync::Arc;

use loci_inference::provider::{Message, Provider, Request, Sampling, ToolCall, ToolSpec};
use loci_inference::scripted::{Script, Scripted};
use loci_protocol::{TurnReport, TurnStatus, Usage};
use serde_json::{Value, json};

use super::{Budget, Context, Frame, Meter, Overflow};
use crate::session::log::{LoggedOutcome, Record};

/// A request as it was sent.
struct Sent {
    /// As a template would write it: system message, tools, messages.
    text: String,
    request: Request,
    tokens: usize,
    /// Whether a compaction was decided for it.
    compacted: bool,
    /// Records that were there before it was laid out.
    before: usize,
}

/// A session that is played: what a live one does with its context, without a model and without tools.
struct Play {
    context: Context,
    meter: Meter,
    budget: Budget,
    system: String,
    tools: Vec<ToolSpec>,
    sampling: Sampling,
    records: Vec<Record>,
    sent: Vec<Sent>,
    turn: u32,
    calls: usize,
    /// The diff of the next change.
    diff: Option<String>,
    /// Whether requests are kept; a long session needs only the newest.
    keep: bool,
}

fn counting() -> Arc<dyn Provider> {
    Arc::new(Scripted::new(Script { bytes_per_token: 4, ..Script::default() }))
}

fn tools() -> Vec<ToolSpec> {
    let one = |name: &str| ToolSpec {
        name: name.into(),
        description: format!("Does what {name} does, with the path or the command that it is given."),
        parameters: json!({"type": "object", "properties": {"path": {"type": "string"}}, "required": []}),
    };
    ["read", "grep", "edit", "write", "shell", "recall"].map(one).to_vec()
}

impl Play {
    fn new(window: usize) -> Self {
        Self::of(Context::new(false, None, None), counting(), window)
    }

    fn of(context: Context, provider: Arc<dyn Provider>, window: usize) -> Self {
        let mut play = Self {
            context,
            meter: Meter::new(provider),
            budget: Budget::new(window, None),
            system: "You are at work in a repository. ".repeat(40),
            tools: tools(),
            sampling: Sampling::default(),
            records: Vec::new(),
            sent: Vec::new(),
            turn: 0,
            calls: 0,
            diff: None,
            keep: true,
        };
        play.take(Record::Header {
            format: crate::session::log::FORMAT,
            program: "loci".into(),
            session_id: "s".into(),
            cwd: "/project".into(),
            model: "scripted".into(),
            forked_from: None,
            branch: None,
        });
        play
    }

    fn take(&mut self, record: Record) {
        self.context.absorb(&record);
        self.records.push(record);
    }

    fn prompt(&mut self, text: impl Into<String>) {
        self.turn += 1;
        self.take(Record::Prompt { turn: self.turn, text: text.into() });
    }

    /// Lay out the next request, and see that all holds of it that must hold of every request.
    fn ask(&mut self) -> Result<&Sent, Overflow> {
        let before = self.records.len();
        let frame = Frame {
            system: Some(&self.system),
            tools: &self.tools,
            sampling: &self.sampling,
            max_tokens: None,
        };
        let laid_out = self.context.lay_out(&frame, &self.meter, self.budget)?;
        let compacted = laid_out.decisions.iter().any(|one| matches!(one, Record::Compacted(_)));
        assert!(laid_out.tokens <= self.budget.prompt(), "{} tokens", laid_out.tokens);
        let counted = self.meter.request(&laid_out.request);
        assert!(counted <= self.budget.prompt(), "{counted} tokens, said to be {}", laid_out.tokens);
        self.records.extend(laid_out.decisions);
        assert_paired(&laid_out.request);
        if !self.keep {
            self.sent.clear();
        }
        let sent = Sent {
            text: if self.keep { rendered(&laid_out.request) } else { String::new() },
            request: laid_out.request,
            tokens: laid_out.tokens,
            compacted,
            before,
        };
        self.sent.push(sent);
        Ok(self.sent.last().unwrap())
    }

    /// A step: a request, an answer with calls, and their results: tool, arguments, whether it went well, result.
    fn step(&mut self, text: &str, calls: &[(&str, Value, bool, String)]) {
        self.ask().unwrap();
        let made: Vec<ToolCall> = calls
            .iter()
            .map(|(tool, arguments, ..)| {
                self.calls += 1;
                let Value::Object(arguments) = arguments.clone() else { panic!("arguments are an object") };
                ToolCall { id: format!("c{}", self.calls), name: (*tool).into(), arguments }
            })
            .collect();
        let (turn, text) = (self.turn, text.to_owned());
        let diff = self.diff.take();
        self.take(Record::Assistant { turn, text, reasoning: None, calls: made.clone() });
        for (call, (tool, arguments, ok, result)) in made.iter().zip(calls) {
            self.take(Record::Intent {
                call_id: call.id.clone(),
                tool: (*tool).into(),
                input: arguments.clone(),
                why: "it reads".into(),
            });
            let path = arguments.get("path").and_then(Value::as_str).unwrap_or_default();
            let changed =
                if *ok && matches!(*tool, "edit" | "write") { vec![path.to_owned()] } else { vec![] };
            self.outcome(LoggedOutcome {
                call_id: call.id.clone(),
                tool: (*tool).into(),
                ok: *ok,
                text: result.clone(),
                brief: "done".into(),
                diff: if changed.is_empty() { None } else { diff.clone() },
                changed,
                ..LoggedOutcome::default()
            });
        }
    }

    fn outcome(&mut self, mut outcome: LoggedOutcome) {
        let frame = Frame {
            system: Some(&self.system),
            tools: &self.tools,
            sampling: &self.sampling,
            max_tokens: None,
        };
        let plan = self.context.plan(&frame, &self.meter, self.budget);
        outcome.fold = self.context.fold_for(&outcome.text, &plan, &self.meter);
        self.take(Record::Outcome(Box::new(outcome)));
    }

    /// The last step of a turn: words without a call.
    fn answer(&mut self, text: &str) {
        self.step(text, &[]);
        self.take(Record::TurnEnded(Box::new(TurnReport {
            turn: self.turn,
            status: TurnStatus::Completed,
            answer: text.into(),
            citations: Vec::new(),
            changed: Vec::new(),
            tool_calls: 0,
            usage: Usage::default(),
            models: Vec::new(),
            duration_ms: 7,
            failure: None,
        })));
    }

    fn compactions(&self) -> usize {
        self.context.compacted().len()
    }

    /// What an entry was, as `recall` gives it by its handle.
    fn recalled(&self, entry: usize) -> String {
        self.context.memory_now().text(entry).unwrap().text.to_string()
    }

    /// See that no compaction follows another without a word between, nor stands between a call and its result.
    fn assert_compactions_in_place(&self) {
        let mut open = 0;
        let mut just = false;
        for record in &self.records {
            match record {
                Record::Compacted(compaction) => {
                    assert!(
                        !just,
                        "two compactions in a row, the second with {} entries",
                        compaction.entries
                    );
                    assert_eq!(open, 0, "a compaction between a call and its result");
                    assert!(compaction.epoch < compaction.entries);
                    just = true;
                }
                Record::Assistant { calls, .. } => (open, just) = (calls.len(), false),
                Record::Outcome(_) => (open, just) = (open - 1, false),
                Record::Prompt { .. } => (open, just) = (0, false),
                _ => {}
            }
        }
    }
}

/// Every result follows its call, every call has its result, and what follows the head is the user.
fn assert_paired(request: &Request) {
    let mut open: Vec<&str> = Vec::new();
    for message in &request.messages {
        match message {
            Message::Assistant { calls, .. } => {
                assert!(open.is_empty(), "a call lost its result");
                open = calls.iter().map(|call| call.id.as_str()).collect();
            }
            Message::Tool { call_id, .. } => {
                let at = open.iter().position(|id| id == call_id).expect("a result lost its call");
                open.remove(at);
            }
            _ => assert!(open.is_empty(), "a call lost its result"),
        }
    }
    assert!(open.is_empty(), "a call lost its result");
    assert!(matches!(request.messages[0], Message::System { .. }));
    assert!(matches!(request.messages[1], Message::User { .. }));
}

/// A request as a template writes it, so that two of them share a prefix where a model's cache would.
fn rendered(request: &Request) -> String {
    let mut parts = Vec::new();
    let (head, rest) = request.messages.split_at(1);
    parts.push(serde_json::to_string(head).unwrap());
    parts.extend(request.tools.iter().map(|tool| serde_json::to_string(tool).unwrap()));
    parts.extend(rest.iter().map(|message| serde_json::to_string(message).unwrap()));
    parts.join("\n")
}

/// Bytes that two texts begin with in common.
fn common(one: &str, two: &str) -> usize {
    one.bytes().zip(two.bytes()).take_while(|(one, two)| one == two).count()
}

/// A generator of numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

/// Numbered lines of a module, as `read` shows them.
fn code(number: usize, lines: usize) -> String {
    let line = |at: usize| match at % 6 {
        0 => format!("/// Counts what shelf {number} holds after delivery {at}."),
        1 => format!("pub fn shelf_{number}_{at}(stock: &Stock, order: Order) -> Result<usize, Shortage> {{"),
        2 => format!("    let held = stock.held({number}, {at});"),
        3 => "    let wanted = order.items.iter().filter(|item| item.open()).count();".into(),
        4 => format!("    held.checked_sub(wanted).ok_or(Shortage {{ shelf: {number} }})"),
        _ => "}".into(),
    };
    (1..=lines).map(|at| format!("{at:>6}\t{}\n", line(at - 1))).collect()
}

/// Matches of a search.
fn matches(number: usize, lines: usize) -> String {
    let line = |at: usize| {
        format!("src/part_{}.rs:{}: let held = stock.held({number}, {at});\n", at % 9, at * 3 + 1)
    };
    (0..lines).map(line).collect()
}

/// The output of a test run of which one test fails, or none.
fn test_run(passed: usize, failing: Option<(&str, &str)>) -> String {
    let mut text = format!("\nrunning {} tests\n", passed + usize::from(failing.is_some()));
    for at in 0..passed.min(40) {
        text.push_str(&format!("test shelves::holds_{at} ... ok\n"));
    }
    match failing {
        None => text.push_str(&format!("\ntest result: ok. {passed} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n")),
        Some((name, message)) => text.push_str(&format!(
            "test {name} ... FAILED\n\nfailures:\n\n---- {name} stdout ----\nthread '{name}' panicked at src/stock.rs:41:9:\n{message}\n\n\
             failures:\n    {name}\n\ntest result: FAILED. {passed} passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n"
        )),
    }
    text
}
