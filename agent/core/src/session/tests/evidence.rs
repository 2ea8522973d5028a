//! Owns the tests of what a session leaves as evidence, and of what a model elsewhere gets to read.
//! Uses real sessions with a scripted model, which says of itself that it runs elsewhere where that matters.
//! Never reaches a network.

use loci_inference::provider::{EventStream, Message, Provider, ProviderInfo, Request};

use super::*;
use crate::audit;
use crate::session::log::LoggedDecision;

/// The scripted model, as a service.
struct Elsewhere {
    inner: Arc<Scripted>,
    info: ProviderInfo,
}

impl Provider for Elsewhere {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    fn stream(&self, request: Request, cancel: CancellationToken) -> EventStream {
        self.inner.stream(request, cancel)
    }

    fn count_tokens(&self, request: &Request) -> Option<usize> {
        self.inner.count_tokens(request)
    }
}

/// A session with the real tools, whose model runs here or elsewhere.
async fn play(stage: &Stage, script: Value, prompts: &[&str], local: bool) -> Run {
    let scripted = Arc::new(Scripted::new(Script::from_json(&script.to_string()).unwrap()));
    let info = ProviderInfo { local, ..scripted.info().clone() };
    let provider = Arc::new(Elsewhere { inner: scripted.clone(), info });
    let options = SessionOptions {
        provider,
        tools: crate::tools::all(),
        environment: Environment::of([("DEPLOY_TOKEN", "stone-corner-77-lamp")]),
        ..stage.options(scripted.clone())
    };
    let mut handle = Session::open(options).await.unwrap();
    let mut events = Vec::new();
    for prompt in prompts {
        handle.ops.send(Op::Prompt { text: (*prompt).into() }).await.unwrap();
        loop {
            let event = tokio::time::timeout(Duration::from_secs(60), handle.events.recv());
            let event = event.await.unwrap().unwrap();
            let ended = matches!(event, Event::TurnFinished(_));
            events.push(event);
            if ended {
                break;
            }
        }
    }
    handle.close().await;
    Run { events, requests: scripted.requests() }
}

fn token() -> String {
    format!("ghp_{}", "Zk3vQ8mR1xT7bN5cW2yH9pL4sD6fG0jKqUaE")
}

fn text_of(request: &Request) -> String {
    request
        .messages
        .iter()
        .map(|message| match message {
            Message::System { text } | Message::User { text, .. } | Message::Tool { text, .. } => {
                text.clone()
            }
            Message::Assistant { text, calls, .. } => {
                format!("{text} {}", serde_json::to_string(calls).unwrap())
            }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn decisions(stage: &Stage) -> Vec<LoggedDecision> {
    let records = log::read(&stage.log_path()).unwrap().records;
    let decided = records.into_iter().filter_map(|record| match record {
        Record::Decision(decision) => Some(*decision),
        _ => None,
    });
    decided.collect()
}

fn env_file(stage: &Stage) -> String {
    std::fs::read_to_string(stage.root().join(".env")).unwrap()
}

#[tokio::test]
async fn a_model_elsewhere_reads_no_secret_and_edits_beside_one() {
    let stage = Stage::new();
    std::fs::write(stage.root().join(".env"), format!("TOKEN={}\nLEVEL=1\n", token())).unwrap();
    // The first secret is the one in the prompt.
    let shown = "TOKEN=[redacted: github token #2]";
    let script = json!([
        {"events": [call("read", json!({"path": ".env"}))]},
        {"expect": {"last_contains": [shown]},
         "events": [call("edit", json!({"path": ".env", "old": format!("{shown}\nLEVEL=1"), "new": format!("{shown}\nLEVEL=2")}))]},
        {"events": [call("write", json!({"path": "copy.env", "content": format!("{shown}\n")}))]},
        {"expect": {"last_contains": ["kept from you"]},
         "events": [call("bash", json!({"command": "echo '[redacted: github token #2]'"}))]},
        {"expect": {"last_contains": ["commands never get it"]}, "events": [{"text": "Done."}]},
        {"events": [{"text": "Yes."}]},
    ]);
    let prompts = ["set the level to 2; the token is stone-corner-77-lamp", "again"];
    let run = play(&stage, script, &prompts, false).await;
    assert_eq!(env_file(&stage), format!("TOKEN={}\nLEVEL=2\n", token()), "{}", run.outputs().join("\n"));
    assert!(!stage.root().join("copy.env").exists());
    assert_eq!(run.requests.len(), 6);
    for request in &run.requests {
        let text = text_of(request);
        assert!(!text.contains(&token()) && !text.contains("stone-corner-77-lamp"), "{text}");
    }
    // What was sent once is sent in the same bytes again, so that caches of prompts hold.
    for pair in run.requests.windows(2) {
        let (one, two) = (&pair[0].messages, &pair[1].messages);
        assert!(one.len() < 2 || two[..one.len() - 1] == one[..one.len() - 1]);
    }
    let notices = run.notices();
    assert_eq!(notices.matches("before the request left this machine").count(), 1, "{notices}");
}

#[tokio::test]
async fn a_model_that_runs_here_reads_what_there_is() {
    let stage = Stage::new();
    std::fs::write(stage.root().join(".env"), format!("TOKEN={}\n", token())).unwrap();
    let script = || {
        json!([
            {"events": [call("read", json!({"path": ".env"}))]},
            {"expect": {"last_contains": [token()]}, "events": [{"text": "There it is."}]},
        ])
    };
    let run = play(&stage, script(), &["what is in .env?"], true).await;
    assert_eq!(run.report().answer, "There it is.");
    // And elsewhere, where the user says so.
    let mut stage = Stage::new();
    std::fs::write(stage.root().join(".env"), format!("TOKEN={}\n", token())).unwrap();
    stage.settings.redact = false;
    let run = play(&stage, script(), &["what is in .env?"], false).await;
    assert_eq!(run.report().answer, "There it is.");
}

#[tokio::test]
async fn every_decision_is_on_record_before_its_effect() {
    let mut stage = Stage::new();
    stage.settings.permission_mode = loci_protocol::PermissionMode::Default;
    stage.settings.rules = loci_policy::Rules {
        allow: vec!["Edit(/a.txt)".into()],
        deny: vec!["Edit(/b.txt)".into()],
        ask: Vec::new(),
    };
    let put = |path: &str| call("put", json!({"path": path, "text": "x"}));
    let script = || {
        json!([
            {"events": [call("look", json!({"path": "a.txt"})), put("a.txt"), put("b.txt"), put("c.txt")]},
            {"events": [{"text": "Done."}]},
        ])
    };
    stage.run(script(), &["change them"]).await;
    let told = |stage: &Stage| -> Vec<(String, String, Option<String>)> {
        decisions(stage).into_iter().map(|one| (one.tool, one.verdict, one.answer)).collect()
    };
    let row = |tool: &str, verdict: &str, answer: Option<&str>| {
        (tool.to_owned(), verdict.to_owned(), answer.map(ToOwned::to_owned))
    };
    let start = [row("look", "allow", None), row("put", "allow", None), row("put", "deny", None)];
    assert_eq!(told(&stage), [start.as_slice(), &[row("put", "ask", Some("nobody"))]].concat());
    let first = decisions(&stage);
    assert_eq!(first[1].rule.as_deref(), Some("Edit(/a.txt)"));
    assert_eq!(first[2].rule.as_deref(), Some("Edit(/b.txt)"));
    assert!(
        first
            .iter()
            .all(|one| one.policy == first[0].policy && one.policy.len() == 64 && one.mode == "default")
    );

    // The same with somebody there, who says yes and no; other rules have another hash.
    stage.settings.rules.deny.clear();
    stage.run_approving(script(), &["change them"]).await;
    let second = decisions(&stage);
    assert_eq!(second[3].answer.as_deref(), Some("once"));
    assert_ne!(second[0].policy, first[0].policy);
    let no = |event: &Event| match event {
        Event::ApprovalRequested { id, .. } => {
            Some(Op::Approve { id: id.clone(), approval: Approval::Deny { reason: "not now".into() } })
        }
        _ => None,
    };
    std::fs::write(stage.root().join("a.txt"), "alpha\n").unwrap();
    stage.run_with(script(), &["change them"], no).await;
    assert_eq!(decisions(&stage)[3].answer.as_deref(), Some("no"));

    let records = log::read(&stage.log_path()).unwrap().records;
    let files = records.iter().find_map(|record| match record {
        Record::Outcome(outcome) if outcome.changed == ["a.txt"] => Some(outcome.files.clone()),
        _ => None,
    });
    let hash = |text: &str| Some(blake3::hash(text.as_bytes()).to_hex().to_string());
    let files = files.unwrap();
    assert_eq!((files.len(), files[0].path.as_str(), &files[0].after), (1, "a.txt", &hash("x")));
    let place = |wanted: &dyn Fn(&Record) -> bool| records.iter().position(wanted).unwrap();
    for id in decisions(&stage).iter().map(|one| one.call_id.clone()) {
        let decided = place(&|record| matches!(record, Record::Decision(one) if one.call_id == id));
        let ended = place(&|record| matches!(record, Record::Outcome(one) if one.call_id == id));
        assert!(decided < ended);
        if let Some(begun) = records
            .iter()
            .position(|record| matches!(record, Record::Intent { call_id, .. } if *call_id == id))
        {
            assert!(decided < begun && begun < ended);
        }
    }
    assert!(records.iter().any(|record| matches!(record, Record::Model(used) if used.name == "scripted")));
    assert_eq!(audit::verify(&std::fs::read(stage.log_path()).unwrap()).broken, None);
}
