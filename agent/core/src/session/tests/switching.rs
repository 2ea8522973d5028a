//! Owns the tests of models that change within a session: at the user's wish, for a prompt, for a mode, and when one is lost.
//! Uses real sessions with scripted models, some of which say of themselves that they run elsewhere.
//! Never reaches a network.

use loci_inference::provider::{EventStream, Price, Provider, ProviderInfo, Request};

use super::*;
use crate::labels::{Labelled, NeverLeaves};
use crate::route::{Candidate, Chosen, Models, NotOpened, Role};

/// A scripted model with a name, here or elsewhere.
struct Actor {
    inner: Arc<Scripted>,
    info: ProviderInfo,
}

impl Provider for Actor {
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

/// Three models: `far` for the work, `near` for it too and for quick questions, `small` for plans.
struct Cast(Vec<Arc<Actor>>);

impl Cast {
    fn new(far: Value, near: Value, small: Value) -> Arc<Self> {
        let actor = |name: &str, script: Value, window: usize| {
            let inner = Arc::new(Scripted::new(Script::from_json(&script.to_string()).unwrap()));
            let info = ProviderInfo {
                model: name.into(),
                local: name != "far",
                endpoint: (name == "far").then(|| "https://far.example".into()),
                context_length: window,
                price: (name == "far").then(|| Price { input: 10.0, output: 50.0, ..Price::default() }),
                ..inner.info().clone()
            };
            Arc::new(Actor { inner, info })
        };
        Arc::new(Self(vec![
            actor("far", far, 64_000),
            actor("near", near, 32_000),
            actor("small", small, 8_000),
        ]))
    }

    fn of(&self, name: &str) -> Option<Arc<Actor>> {
        self.0.iter().find(|actor| actor.info.model == name).cloned()
    }

    /// What a model was asked: the texts of its requests.
    fn asked(&self, name: &str) -> Vec<String> {
        let requests = self.of(name).unwrap().inner.requests();
        requests.iter().map(|request| serde_json::to_string(&request.messages).unwrap()).collect()
    }
}

impl Models for Cast {
    fn candidates(&self) -> Vec<Candidate> {
        let roles = |name: &str| match name {
            "far" => vec![(Role::Main, 0)],
            "near" => vec![(Role::Main, 1), (Role::Fast, 0)],
            _ => vec![(Role::Plan, 0)],
        };
        let one = |actor: &Arc<Actor>| Candidate {
            name: actor.info.model.clone(),
            roles: roles(&actor.info.model),
            local: actor.info.local,
            endpoint: actor.info.endpoint.clone(),
            context: actor.info.context_length,
            general: true,
            price: actor.info.price,
            ..Candidate::default()
        };
        self.0.iter().map(one).collect()
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Provider>, NotOpened> {
        match self.of(name) {
            Some(actor) => Ok(actor),
            None => Err(NotOpened {
                message: format!("unknown model `{name}`"),
                hint: Some("`loci models`".into()),
            }),
        }
    }
}

/// A session that begins with `far`; events of all ops, each prompt awaited.
async fn play(stage: &Stage, cast: &Arc<Cast>, begin: &str, ops: Vec<Op>) -> Vec<Event> {
    let options = SessionOptions {
        provider: cast.of(begin).unwrap(),
        tools: crate::tools::all(),
        models: Some(cast.clone()),
        chosen: Chosen { name: begin.into(), why: "the test named it".into() },
        ..stage.options(Arc::new(Scripted::new(Script::default())))
    };
    let mut handle = Session::open(options).await.unwrap();
    let mut events = Vec::new();
    for op in ops {
        let prompted = matches!(op, Op::Prompt { .. });
        handle.ops.send(op).await.unwrap();
        if !prompted {
            continue;
        }
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
    handle.ops.send(Op::Shutdown).await.unwrap();
    while let Some(event) = handle.events.recv().await {
        events.push(event);
    }
    events
}

fn prompt(text: &str) -> Op {
    Op::Prompt { text: text.into() }
}

fn model(name: &str) -> Op {
    Op::SetModel { name: name.into() }
}

fn says(words: &str) -> Value {
    json!({ "events": [{ "text": words }] })
}

/// Answers, changes of the model and failures, in their order.
fn told(events: &[Event]) -> Vec<String> {
    let lines = events.iter().filter_map(|event| match event {
        Event::TurnFinished(report) => Some(match &report.failure {
            Some(failure) => format!("failed: {}", failure.message),
            None => report.answer.clone(),
        }),
        Event::ModelChanged { model, .. } => Some(format!("→ {}", model.name)),
        _ => None,
    });
    lines.collect()
}

#[tokio::test]
async fn a_model_changes_at_a_wish_and_for_one_prompt() {
    let stage = Stage::new();
    let cast = Cast::new(
        json!([says("one"), says("four")]),
        json!([says("two"), says("three")]),
        json!([says("a plan")]),
    );
    let ops = vec![
        prompt("first"),
        model("near"),
        prompt("second"),
        model("far"),
        prompt("@fast third"),
        prompt("fourth"),
        Op::SetMode { mode: loci_protocol::PermissionMode::Plan },
        prompt("fifth"),
        model("nowhere"),
        prompt("@review sixth"),
    ];
    let events = play(&stage, &cast, "far", ops).await;
    let expect = [
        "one",
        "→ near",
        "two",
        "→ far",
        "→ near",
        "three",
        "→ far",
        "four",
        "→ small",
        "a plan",
        "→ far",
        "failed: there is no model for review",
    ];
    assert_eq!(told(&events), expect);
    assert!(cast.asked("near")[1].contains("first") && cast.asked("near")[1].contains("third"));
    assert!(!cast.asked("near")[1].contains("@fast"), "the address is no part of the words");
    let notices = Run { events: events.clone(), requests: Vec::new() }.notices();
    assert!(notices.contains("unknown model `nowhere`"), "{notices}");
    // Who answered what is on record, and what it used is told at the end.
    let records = log::read(&stage.log_path()).unwrap().records;
    let models: Vec<String> = records
        .iter()
        .filter_map(|record| match record {
            Record::Model(used) => Some(used.name.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(models, ["far", "near", "far", "near", "far", "small", "far"]);
    let Some(Event::SessionEnded { models, .. }) = events.last() else { panic!("{:?}", events.last()) };
    let used: Vec<(&str, u32, bool)> =
        models.iter().map(|used| (used.model.as_str(), used.requests, used.cost_usd.is_some())).collect();
    assert_eq!(used, [("far", 2, true), ("near", 2, false), ("small", 1, false)]);
}

#[tokio::test]
async fn a_task_goes_on_here_when_the_link_drops() {
    let stage = Stage::new();
    let lost = json!({ "events": [{ "text": "I be" }, { "error": { "unavailable": "no route to host" } }] });
    let look = json!({ "events": [{ "call": { "name": "read", "arguments": { "path": "a.txt" } } }] });
    let cast = Cast::new(json!([look, lost]), json!([says("It says alpha."), says("still here")]), json!([]));
    let events = play(&stage, &cast, "far", vec![prompt("what does a.txt say?"), prompt("and now?")]).await;
    assert_eq!(told(&events), ["→ near", "It says alpha.", "still here"]);
    let notices = Run { events: events.clone(), requests: Vec::new() }.notices();
    assert!(notices.contains("no route to host") && notices.contains("/model far"), "{notices}");
    // It goes on from what was read, and not from the beginning.
    assert!(cast.asked("near")[0].contains("alpha"), "{:?}", cast.asked("near"));
    let report = events.iter().find_map(|event| match event {
        Event::TurnFinished(report) => Some(report),
        _ => None,
    });
    let used: Vec<&str> = report.unwrap().models.iter().map(|used| used.model.as_str()).collect();
    assert_eq!(used, ["far", "near"]);
    // Without another one the turn ends with what happened.
    let alone = json!([{ "events": [{ "error": { "unavailable": "no route to host" } }] }]);
    let cast = Cast::new(alone.clone(), alone.clone(), alone);
    let mut stage = Stage::new();
    stage.settings.local_only = false;
    let events = play(&stage, &cast, "far", vec![prompt("hello")]).await;
    let told = told(&events);
    assert!(
        told.last().is_some_and(|line| line.starts_with("failed: ") && line.contains("no route")),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_budget_is_kept() {
    let mut stage = Stage::new();
    stage.settings.budget_usd = Some(0.000_001);
    let cast = Cast::new(json!([says("dear"), says("dearer")]), json!([says("free")]), json!([]));
    let events = play(&stage, &cast, "far", vec![prompt("one"), prompt("two")]).await;
    assert_eq!(told(&events), ["dear", "→ near", "free"]);
    // The control, and the end where nobody answers for nothing.
    stage.settings.budget_usd = Some(1_000.0);
    let cast = Cast::new(json!([says("dear"), says("dearer")]), json!([]), json!([]));
    assert_eq!(
        told(&play(&stage, &cast, "far", vec![prompt("one"), prompt("two")]).await),
        ["dear", "dearer"]
    );
}

#[tokio::test]
async fn labelled_content_is_a_stub_elsewhere_and_whole_here() {
    let mut stage = Stage::new();
    std::fs::create_dir(stage.root().join("secrets")).unwrap();
    std::fs::write(stage.root().join("secrets/word"), "the word is stone-corner-77\n").unwrap();
    stage.settings.never_leaves = vec![NeverLeaves { pattern: "secrets/**".into(), origin: "test".into() }];
    let read =
        || json!({ "events": [{ "call": { "name": "read", "arguments": { "path": "secrets/word" } } }] });
    let near = || json!([read(), says("It is about a stone."), says("stone-corner-77 again")]);
    let far = || json!([read(), says("I may not.")]);
    let ops =
        || vec![prompt("what is it?"), model("far"), prompt("and you?"), model("near"), prompt("once more")];
    let cast = Cast::new(far(), near(), json!([]));
    let events = play(&stage, &cast, "near", ops()).await;
    assert_eq!(
        told(&events),
        ["It is about a stone.", "→ far", "I may not.", "→ near", "stone-corner-77 again"]
    );
    let elsewhere = cast.asked("far").join("\n");
    assert!(!elsewhere.contains("stone"), "{elsewhere}");
    assert!(elsewhere.contains("[kept on this machine: secrets/word, 1 line]"), "{elsewhere}");
    assert!(elsewhere.contains("denied by the permission rules"), "{elsewhere}");
    // Back on this machine nothing is missing.
    assert!(
        cast.asked("near")[2].contains("stone-corner-77") && cast.asked("near")[2].contains("about a stone")
    );
    // Whoever wants it to stay has it stay.
    stage.settings.labelled = Labelled::Stay;
    let cast = Cast::new(far(), json!([read(), says("a stone"), says("b"), says("c")]), json!([]));
    let events = play(&stage, &cast, "near", ops()).await;
    assert_eq!(told(&events), ["a stone", "b", "→ near", "c"]);
    assert!(cast.asked("far").is_empty());
    let notices = Run { events, requests: Vec::new() }.notices();
    assert!(notices.contains("must not leave this machine"), "{notices}");
    // The control.
    stage.settings.never_leaves.clear();
    let cast = Cast::new(json!([says("I see.")]), near(), json!([]));
    play(&stage, &cast, "near", vec![prompt("what is it?"), model("far"), prompt("and you?")]).await;
    assert!(cast.asked("far").join("\n").contains("stone-corner-77"));
}

#[tokio::test]
async fn a_session_can_be_asked_why() {
    let stage = Stage::new();
    let cast = Cast::new(json!([]), json!([]), json!([]));
    let ops = vec![Op::Why { task: String::new() }, Op::Why { task: "@fast x".into() }];
    let events = play(&stage, &cast, "far", ops).await;
    let shown: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            Event::RouteShown(report) => Some(format!("{} {:?} {}", report.role, report.chosen, report.why)),
            _ => None,
        })
        .collect();
    assert_eq!(
        shown,
        ["main Some(\"far\") the test named it", "fast Some(\"near\") it is the model for fast"]
    );
}
