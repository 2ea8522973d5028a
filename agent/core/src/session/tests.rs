//! Owns the tests of the loop through the real session interface.
//! Uses the scripted provider, temporary folders and a few small tools.
//! Never reaches a network, and never asserts a time.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod background;
mod evidence;
mod formats;
mod labelled;
mod looking;
mod rewind;
mod storage;
mod switching;
mod typed;
mod window;

use std::time::Duration;

use futures::future::BoxFuture;
use loci_inference::scripted::{Script, Scripted};
use loci_protocol::{Approval, FailureKind, TurnReport, TurnStatus};
use serde_json::{Value, json};

use super::*;
use crate::tools::{Access, Evidence, Outcome, ToolContext};

/// A small tool set: enough to see everything the loop does with one.
enum Probe {
    Look,
    Put,
    Panic,
    Sleep,
}

impl Tool for Probe {
    fn name(&self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Put => "put",
            Self::Panic => "burst",
            Self::Sleep => "sleep",
        }
    }

    fn description(&self) -> &'static str {
        "A probe."
    }

    fn parameters(&self) -> Value {
        let properties = match self {
            Self::Put => json!({"path": {"type": "string"}, "text": {"type": "string"}}),
            _ => json!({"path": {"type": "string"}}),
        };
        json!({"type": "object", "properties": properties, "required": ["path"]})
    }

    fn changes(&self, _input: &Value) -> bool {
        matches!(self, Self::Put | Self::Sleep)
    }

    fn summary(&self, input: &Value) -> String {
        format!("{} {}", self.name(), input["path"].as_str().unwrap_or("?"))
    }

    fn access(&self, input: &Value, context: &ToolContext) -> Result<Vec<Access>, String> {
        let path = input["path"].as_str().unwrap_or_default();
        if path.is_empty() {
            return Err("`path` is empty".into());
        }
        let path = context.workspace.absolute(path);
        Ok(match self {
            Self::Put => vec![Access { tool: "Edit", input: json!({"file_path": path}) }],
            // Nothing that the policy would have to read.
            _ => vec![],
        })
    }

    fn preview(&self, input: &Value, _context: &ToolContext) -> Option<String> {
        matches!(self, Self::Put).then(|| format!("+{}", input["text"].as_str().unwrap_or_default()))
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let written = input["path"].as_str().unwrap_or_default();
            let path = context.workspace.absolute(written);
            match self {
                Self::Look => match std::fs::read_to_string(&path) {
                    Ok(text) => {
                        let location = loci_protocol::Location { path: written.into(), line: 1 };
                        Outcome {
                            ok: true,
                            brief: format!("{} bytes", text.len()),
                            summary: format!("{} bytes", text.len()),
                            evidence: vec![Evidence {
                                location: location.clone(),
                                text: text.lines().next().unwrap_or_default().into(),
                                label: "line".into(),
                            }],
                            locations: vec![location],
                            text,
                            ..Outcome::default()
                        }
                    }
                    Err(error) => Outcome::failed(error.to_string()),
                },
                Self::Put => {
                    if let Err(error) = context.journal.keep(&path) {
                        return Outcome::failed(error.to_string());
                    }
                    crate::atomic::write(&path, input["text"].as_str().unwrap_or_default().as_bytes())
                        .unwrap();
                    Outcome {
                        ok: true,
                        text: format!("wrote {written}"),
                        summary: format!("wrote {written}"),
                        changed: vec![written.into()],
                        ..Outcome::default()
                    }
                }
                Self::Panic => panic!("on purpose"),
                Self::Sleep => {
                    tokio::select! {
                        () = context.cancel.cancelled() => Outcome::failed("cancelled"),
                        () = tokio::time::sleep(Duration::from_secs(3_600)) => Outcome::default(),
                    }
                }
            }
        })
    }
}

/// A project, its places, and a way to run scripts in it.
struct Stage {
    folder: tempfile::TempDir,
    settings: Settings,
    interactive: bool,
    trusted: bool,
    resume: Option<Resume>,
}

/// What a run left behind.
struct Run {
    events: Vec<Event>,
    requests: Vec<loci_inference::provider::Request>,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("repo");
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(root.join("a.txt"), "alpha\nbeta\n").unwrap();
        let settings = Settings {
            // The probes are about the loop; the policy has tests of its own.
            rules: loci_policy::Rules { allow: vec!["Edit".into()], ..Default::default() },
            permission_mode: loci_protocol::PermissionMode::BypassPermissions,
            ..Settings::default()
        };
        Self { folder, settings, interactive: false, trusted: false, resume: None }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("repo").canonicalize().unwrap()
    }

    fn places(&self) -> Places {
        Places::below(self.folder.path())
    }

    fn options(&self, provider: Arc<Scripted>) -> SessionOptions {
        SessionOptions {
            cwd: self.root(),
            provider,
            tools: vec![
                Arc::new(Probe::Look),
                Arc::new(Probe::Put),
                Arc::new(Probe::Panic),
                Arc::new(Probe::Sleep),
            ],
            settings: self.settings.clone(),
            places: self.places(),
            environment: Environment::default(),
            trusted: self.trusted,
            resume: self.resume.clone(),
            interactive: self.interactive,
            helper: None,
            models: None,
            chosen: Default::default(),
        }
    }

    /// Run one prompt after the other; `react` answers events while they run.
    async fn run_with(&self, script: Value, prompts: &[&str], react: impl Fn(&Event) -> Option<Op>) -> Run {
        let provider = Arc::new(Scripted::new(Script::from_json(&script.to_string()).unwrap()));
        let mut handle = Session::open(self.options(provider.clone())).await.unwrap();
        let mut events = Vec::new();
        for prompt in prompts {
            handle.ops.send(Op::Prompt { text: (*prompt).into() }).await.unwrap();
            loop {
                let event = tokio::time::timeout(Duration::from_secs(60), handle.events.recv())
                    .await
                    .unwrap()
                    .unwrap();
                if let Some(op) = react(&event) {
                    handle.ops.send(op).await.unwrap();
                }
                let finished = matches!(event, Event::TurnFinished(_));
                events.push(event);
                if finished {
                    break;
                }
            }
        }
        handle.close().await;
        Run { events, requests: provider.requests() }
    }

    async fn run(&self, script: Value, prompts: &[&str]) -> Run {
        self.run_with(script, prompts, |_| None).await
    }

    /// The same with a user who approves everything.
    async fn run_approving(&mut self, script: Value, prompts: &[&str]) -> Run {
        self.interactive = true;
        let approve = |event: &Event| match event {
            Event::ApprovalRequested { id, .. } => {
                Some(Op::Approve { id: id.clone(), approval: Approval::Once })
            }
            _ => None,
        };
        self.run_with(script, prompts, approve).await
    }

    fn log_path(&self) -> PathBuf {
        let mut logs: Vec<PathBuf> = std::fs::read_dir(self.places().sessions(&self.root()))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        logs.sort();
        logs.pop().unwrap()
    }
}

impl Run {
    fn report(&self) -> &TurnReport {
        self.events
            .iter()
            .rev()
            .find_map(|event| match event {
                Event::TurnFinished(report) => Some(report),
                _ => None,
            })
            .unwrap()
    }

    fn notices(&self) -> String {
        let lines: Vec<String> = self
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Notice { message, hint, .. } => {
                    Some(format!("{message} [{}]", hint.as_deref().unwrap_or_default()))
                }
                _ => None,
            })
            .collect();
        lines.join("\n")
    }

    fn outputs(&self) -> Vec<String> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::ToolFinished(report) => Some(report.output.clone()),
                _ => None,
            })
            .collect()
    }

    /// The events without what differs from run to run.
    fn shown(&self) -> String {
        let lines: Vec<String> = self
            .events
            .iter()
            // How fast a step was is no two times the same.
            .filter(|event| !matches!(event, Event::StepFinished(_)))
            .map(|event| {
                let mut value = serde_json::to_value(event).unwrap();
                for key in ["session_id", "cwd", "sandbox", "duration_ms"] {
                    if let Some(field) = value.get_mut(key) {
                        *field = json!("…");
                    }
                }
                value.to_string()
            })
            .collect();
        lines.join("\n")
    }
}

fn call(name: &str, arguments: Value) -> Value {
    json!({"call": {"name": name, "arguments": arguments}})
}

#[tokio::test]
async fn a_turn_looks_answers_and_cites() {
    let stage = Stage::new();
    let script = json!([
        {"expect": {"contains": ["what is in a.txt?"], "tools": ["look"]},
         "events": [call("look", json!({"path": "a.txt"}))]},
        {"expect": {"last_contains": ["alpha"]},
         "events": [{"text": "It begins with alpha, "}, {"text": "see a.txt:1 and b.txt:9."}]},
    ]);
    let run = stage.run(script, &["what is in a.txt?"]).await;
    insta::assert_snapshot!(run.shown());
    assert_eq!(run.report().citations.len(), 1);
    assert!(run.notices().contains("b.txt:9"));
}

#[tokio::test]
async fn changes_are_reported_from_outcomes_and_can_be_undone() {
    let mut stage = Stage::new();
    let script = json!([
        {"events": [call("put", json!({"path": "a.txt", "text": "new"})), call("put", json!({"path": "b.txt", "text": "b"}))]},
        {"events": [{"text": "I also changed c.txt."}]},
    ]);
    let run = stage.run_approving(script, &["change it"]).await;
    assert_eq!(run.report().changed, ["a.txt", "b.txt"]);
    assert_eq!(std::fs::read_to_string(stage.root().join("a.txt")).unwrap(), "new");
    let project = Places::project_key(&stage.root());
    let undo = |which: journal::Which| {
        let folder = stage.places().journal();
        let earlier =
            journal::earlier(&folder, &stage.root(), &project, None, &which, journal::Limits::default())?;
        earlier.undo(which)
    };
    assert_eq!(undo(journal::Which::Newest).unwrap().paths, [stage.root().join("b.txt")]);
    assert!(!stage.root().join("b.txt").exists());
    undo(journal::Which::Newest).unwrap();
    assert_eq!(std::fs::read_to_string(stage.root().join("a.txt")).unwrap(), "alpha\nbeta\n");
    assert!(matches!(undo(journal::Which::Newest), Err(journal::UndoError::Nothing)));
    undo(journal::Which::Redo).unwrap();
    assert_eq!(std::fs::read_to_string(stage.root().join("a.txt")).unwrap(), "new");
}

#[tokio::test]
async fn bad_calls_become_outcomes() {
    let stage = Stage::new();
    let script = json!([
        {"events": [
            call("nothing", json!({})),
            call("look", json!({"pth": "a"})),
            call("look", json!({"path": ""})),
            call("burst", json!({"path": "x"})),
            call("look", json!({"path": "missing"})),
        ]},
        {"events": [{"text": "done"}]},
    ]);
    let run = stage.run(script, &["go"]).await;
    let outputs = run.outputs();
    for (output, expect) in outputs.iter().zip([
        "there is no tool `nothing`; there are look, put",
        "`path` is missing",
        "`path` is empty",
        "on purpose",
        "No such file",
    ]) {
        assert!(output.contains(expect), "{output} lacks {expect}");
    }
    assert_eq!(outputs.len(), 5);
    assert_eq!(run.report().status, TurnStatus::Completed);
}

#[tokio::test]
async fn without_a_user_an_ask_is_a_denial_with_a_hint() {
    let mut stage = Stage::new();
    stage.settings.rules = loci_policy::Rules { ask: vec!["Edit".into()], ..Default::default() };
    let script = json!([
        {"events": [call("put", json!({"path": "a.txt", "text": "new"}))]},
        {"expect": {"last_contains": ["nobody is there"]}, "events": [{"text": "I could not."}]},
    ]);
    let run = stage.run(script, &["change it"]).await;
    // A rule that asks wants somebody there: no other rule and no mode takes their place.
    assert!(run.notices().contains("(rule Edit"), "{}", run.notices());
    assert!(run.notices().contains("it needs somebody to say yes"), "{}", run.notices());
    assert_eq!(run.report().changed.len(), 0);
    assert_eq!(std::fs::read_to_string(stage.root().join("a.txt")).unwrap(), "alpha\nbeta\n");
}

#[tokio::test]
async fn approvals_are_asked_remembered_and_refused() {
    let mut stage = Stage::new();
    stage.settings.rules = loci_policy::Rules { ask: vec!["Edit".into()], ..Default::default() };
    stage.settings.permission_mode = loci_protocol::PermissionMode::Default;
    stage.interactive = true;
    let put = |text: &str| call("put", json!({"path": "a.txt", "text": text}));
    let script = json!([
        {"events": [put("one"), put("one"), put("two"), put("three")]},
        {"expect": {"last_contains": ["not that one"]}, "events": [{"text": "done"}]},
    ]);
    let run = stage
        .run_with(script, &["change it"], |event| match event {
            Event::ApprovalRequested { id, diff, .. } => {
                let approval = match diff.as_deref() {
                    Some("+one") => Approval::Session,
                    Some("+two") => Approval::Once,
                    _ => Approval::Deny { reason: "not that one".into() },
                };
                Some(Op::Approve { id: id.clone(), approval })
            }
            _ => None,
        })
        .await;
    let asked = run.events.iter().filter(|event| matches!(event, Event::ApprovalRequested { .. })).count();
    assert_eq!(asked, 3, "{}", run.shown());
    assert_eq!(std::fs::read_to_string(stage.root().join("a.txt")).unwrap(), "two");
}

#[tokio::test]
async fn an_interrupt_ends_a_tool_a_stream_and_a_wait() {
    let mut stage = Stage::new();
    stage.interactive = true;
    stage.settings.rules.ask = vec!["Edit".into()];
    let check = async |events: Value, stop_at: fn(&Event) -> bool| {
        let run = stage
            .run_with(json!([{"events": events}]), &["go"], |event| stop_at(event).then_some(Op::Interrupt))
            .await;
        assert_eq!(run.report().status, TurnStatus::Interrupted, "{}", run.shown());
        run
    };
    let run = check(
        json!([call("sleep", json!({"path": "x"})), call("put", json!({"path": "z", "text": ""}))]),
        |event| matches!(event, Event::ToolStarted { tool, .. } if tool == "sleep"),
    )
    .await;
    assert_eq!(run.outputs().len(), 2);
    assert!(!stage.root().join("z").exists());
    let run =
        check(json!([{"text": "half an answer"}, "hang"]), |event| matches!(event, Event::TextDelta { .. }))
            .await;
    assert_eq!(run.report().answer, "half an answer");
    check(json!([call("put", json!({"path": "z", "text": ""}))]), |event| {
        matches!(event, Event::ApprovalRequested { .. })
    })
    .await;
    assert!(!stage.root().join("z").exists());
}

#[tokio::test]
async fn a_turn_that_was_cut_off_leaves_a_whole_conversation() {
    let stage = Stage::new();
    let script = json!([
        {"events": [{"error": {"unavailable": "no route"}}]},
        {"expect": {"contains": ["[The turn was cut off here.]"], "last_contains": ["two"]},
         "events": [call("look", json!({"path": "a.txt"})), {"finish": "length"}]},
        {"expect": {"last_contains": ["three"]}, "events": [{"text": "fine"}]},
    ]);
    let run = stage.run(script, &["one", "two", "three"]).await;
    assert_eq!(run.report().status, TurnStatus::Completed, "{:?}", run.report());
    let roles: Vec<&str> = run.requests[2]
        .messages
        .iter()
        .map(|message| match message {
            loci_inference::provider::Message::System { .. } => "system",
            loci_inference::provider::Message::User { .. } => "user",
            loci_inference::provider::Message::Assistant { .. } => "assistant",
            loci_inference::provider::Message::Tool { .. } => "tool",
        })
        .collect();
    assert_eq!(roles, ["system", "user", "assistant", "user", "assistant", "user"]);
}

#[tokio::test]
async fn going_round_in_circles_is_stopped() {
    let stage = Stage::new();
    let step = json!({"events": [call("look", json!({"path": "a.txt"}))]});
    let run = stage.run(Value::Array(vec![step; 8]), &["go"]).await;
    assert_eq!(run.report().status, TurnStatus::Looping);
    assert_eq!(run.report().tool_calls, 5);
    assert!(run.outputs()[2].contains("three times") && run.outputs()[3].contains("refused"));

    let run = stage
        .run(json!([{"events": [{"repeat_text": {"text": "again and ", "times": 5000}}]}]), &["go"])
        .await;
    assert_eq!(run.report().status, TurnStatus::Looping);
    assert!(run.report().answer.len() < 2_000);
}

#[tokio::test]
async fn the_limit_on_steps_holds() {
    let mut stage = Stage::new();
    stage.settings.max_turns = 3;
    let steps: Vec<Value> = (0..5)
        .map(|number| json!({"events": [call("look", json!({"path": format!("{number}")}))]}))
        .collect();
    let run = stage.run(Value::Array(steps), &["go"]).await;
    assert_eq!((run.report().status, run.report().tool_calls), (TurnStatus::MaxTurns, 3));
}

#[tokio::test]
async fn provider_failures_end_or_are_tried_again() {
    let stage = Stage::new();
    let check = async |steps: Value, status: TurnStatus, message: &str| {
        let run = stage.run(steps, &["go"]).await;
        let report = run.report();
        assert_eq!(report.status, status, "{}", run.shown());
        let all = format!("{} {:?}", run.notices(), report.failure);
        assert!(all.contains(message), "{all} lacks {message}");
    };
    let text = json!({"events": [{"text": "fine"}]});
    let malformed = json!({"events": [{"error": {"malformed": "not JSON"}}]});
    let vanish = json!({"events": [{"text": "half"}, {"finish": "vanish"}]});
    let empty = json!({"events": []});
    let limited = |wait: u64| json!({"events": [{"error": {"rate_limited": {"retry_after_ms": wait}}}]});
    check(json!([malformed, vanish, text]), TurnStatus::Completed, "asking again").await;
    check(json!([malformed, empty, malformed, text]), TurnStatus::Failed, "malformed").await;
    check(json!([limited(1), limited(1), text]), TurnStatus::Completed, "limits the rate").await;
    check(json!([limited(3_600_000), text]), TurnStatus::Failed, "3600 s").await;
    check(json!([{"events": [{"error": {"unauthorized": "no key"}}]}]), TurnStatus::Failed, "api_key_env")
        .await;
    check(json!([]), TurnStatus::Failed, "exhausted").await;
    let cut = json!({"events": [call("put", json!({"path": "never", "text": "x"})), {"finish": "length"}]});
    check(json!([cut]), TurnStatus::Failed, "in the middle of a call").await;
    assert!(!stage.root().join("never").exists());
    let overflow = json!({"events": [{"error": {"context_overflow": {"limit": 20_000, "needed": 40_000}}}]});
    check(json!([overflow, text]), TurnStatus::Completed, "").await;
    check(json!([overflow, overflow]), TurnStatus::Failed, "holds 20000").await;
}

#[tokio::test]
async fn a_prompt_that_cannot_fit_is_an_overflow() {
    let stage = Stage::new();
    // A long prompt is folded; here the head alone is too long.
    let script = json!({"context_length": 256, "steps": [{"events": [{"text": "no"}]}]});
    let run = stage.run(script, &[&"word ".repeat(2_000)]).await;
    let failure = run.report().failure.clone().unwrap();
    assert_eq!(failure.kind, FailureKind::ContextOverflow);
    assert!(failure.hint.unwrap().contains("larger window") && run.requests.is_empty());
}

#[tokio::test]
async fn the_prefix_of_every_request_is_the_request_before() {
    let stage = Stage::new();
    let look = |path: &str| json!({"events": [{"text": "Looking."}, call("look", json!({"path": path}))]});
    let text = json!({"events": [{"text": "done"}]});
    let run = stage.run(json!([look("a.txt"), look("b"), text, look("c"), text]), &["one", "two"]).await;
    for pair in run.requests.windows(2) {
        assert_eq!(pair[1].messages[..pair[0].messages.len()], pair[0].messages);
        assert_eq!(pair[1].tools, pair[0].tools);
    }
    assert_eq!(run.requests.len(), 5);
}

#[tokio::test]
async fn a_session_goes_on_where_it_was() {
    let mut stage = Stage::new();
    let first = stage
        .run(
            json!([{"events": [call("look", json!({"path": "a.txt"}))]}, {"events": [{"text": "It is alpha."}]}]),
            &["what is in a.txt?"],
        )
        .await;
    assert_eq!(first.report().turn, 1);
    stage.resume = Some(Resume::Latest);
    let second = stage
        .run(
            json!([{"expect": {"contains": ["what is in a.txt?", "beta", "It is alpha."], "last_contains": ["and now?"]},
                    "events": [{"text": "Still a.txt:1."}]}]),
            &["and now?"],
        )
        .await;
    assert_eq!(second.report().turn, 2);
    assert_eq!(second.report().citations.len(), 1);
    assert!(matches!(&second.events[0], Event::SessionStarted { resumed: true, .. }));

    let id = stage.log_path().file_stem().unwrap().to_str().unwrap().to_owned();
    let provider = || Arc::new(Scripted::new(Script::default()));
    let open = async |id: &str| {
        let mut options = stage.options(provider());
        options.resume = Some(Resume::Id(id.into()));
        Session::open(options).await
    };
    let held = open(&id[..30]).await.unwrap();
    assert_eq!(held.session_id, id);
    assert!(matches!(open(&id).await, Err(SessionError::Log(LogError::InUse { .. }))));
    held.close().await;
    assert!(matches!(open("0000").await, Err(SessionError::UnknownSession { .. })));
}

#[tokio::test]
async fn after_a_crash_a_begun_call_is_unknown_and_not_run_again() {
    let mut stage = Stage::new();
    stage
        .run_approving(
            json!([{"events": [call("put", json!({"path": "b.txt", "text": "b"})), call("look", json!({"path": "a.txt"}))]},
                   {"events": [{"text": "done"}]}]),
            &["go"],
        )
        .await;
    let path = stage.log_path();
    let whole = std::fs::read_to_string(&path).unwrap();
    let at = whole.find("\"type\":\"outcome\"").unwrap();
    let line = whole[..at].rfind('\n').unwrap() + 1;
    // The process died while it wrote the outcome.
    std::fs::write(&path, &whole[..line + 20]).unwrap();
    std::fs::remove_file(stage.root().join("b.txt")).unwrap();
    stage.resume = Some(Resume::Latest);
    let run = stage
        .run(
            json!([{"expect": {"contains": ["It was not run again", "cut off before this call"]}, "events": [{"text": "I see."}]}]),
            &["what happened?"],
        )
        .await;
    assert_eq!(run.report().status, TurnStatus::Completed, "{:?}", run.report());
    assert!(
        run.notices().contains("20 bytes were set aside") && run.notices().contains("put {"),
        "{}",
        run.notices()
    );
    assert!(!stage.root().join("b.txt").exists());
    assert!(path.with_extension("damaged-1").exists());
}

#[tokio::test]
async fn one_unreadable_session_hides_no_other() {
    let stage = Stage::new();
    stage.run(json!([{"events": [{"text": "hello"}]}]), &["hi"]).await;
    let folder = stage.places().sessions(&stage.root());
    std::fs::write(folder.join("ffffffff.jsonl"), b"\x00\xff garbage").unwrap();
    std::fs::create_dir(folder.join("fffffffe.jsonl")).unwrap();
    let sessions = resume::list(&folder).unwrap();
    assert_eq!(sessions.len(), 3);
    assert_eq!(sessions.iter().filter(|listed| listed.summary.is_ok()).count(), 1);
    let good = sessions.iter().find_map(|listed| listed.summary.as_ref().ok()).unwrap();
    assert_eq!((good.first_prompt.as_str(), good.turns), ("hi", 1));
    assert_eq!(
        resume::find(&folder, &Resume::Latest).unwrap(),
        stage.log_path().file_stem().map_or_else(String::new, |_| {
            sessions.iter().find(|listed| listed.summary.is_ok()).unwrap().id.clone()
        })
    );
}

#[tokio::test]
async fn instructions_reach_the_head_only_when_trusted() {
    let mut stage = Stage::new();
    std::fs::write(stage.root().join("AGENTS.md"), "Always say please.").unwrap();
    let script = json!([{"events": [{"text": "ok"}]}]);
    let head = |run: &Run| format!("{:?}", run.requests[0].messages[0]);
    assert!(!head(&stage.run(script.clone(), &["hi"]).await).contains("please"));
    stage.trusted = true;
    assert!(head(&stage.run(script, &["hi"]).await).contains("Always say please."));
}

#[tokio::test]
async fn dropping_the_handle_cancels_what_runs() {
    let stage = Stage::new();
    let provider =
        Arc::new(Scripted::new(Script::from_json(r#"[{"events": [{"text": "a"}, "hang"]}]"#).unwrap()));
    let mut handle = Session::open(stage.options(provider)).await.unwrap();
    handle.ops.send(Op::Prompt { text: "go".into() }).await.unwrap();
    while !matches!(handle.events.recv().await, Some(Event::TextDelta { .. })) {}
    drop(handle);
    let path = stage.log_path();
    let ended = async {
        // The log is unlocked once the owner has let go of it.
        while Log::open(&path).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap();
    let records = log::read(&path).unwrap().records;
    assert!(
        matches!(records.last(), Some(Record::TurnEnded(report)) if report.status == TurnStatus::Interrupted)
    );
}

#[tokio::test]
async fn an_open_that_cannot_work_is_a_typed_error() {
    let stage = Stage::new();
    let mut options = stage.options(Arc::new(Scripted::new(Script::default())));
    options.cwd = stage.root().join("a.txt");
    assert!(matches!(Session::open(options).await, Err(SessionError::NotADirectory { .. })));
    let mut options = stage.options(Arc::new(Scripted::new(Script::default())));
    options.resume = Some(Resume::Latest);
    assert!(matches!(Session::open(options).await, Err(SessionError::NothingToResume)));
}
