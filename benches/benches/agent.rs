//! Owns the figures of the agent inside the process: the loop's overhead, the built-in model's first token.
//! Uses a scripted provider for the first, and the embedded weights for the second.
//! Never counts the opening of a session as part of a turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use futures::StreamExt;
use loci_benches::source_tree;
use loci_core::config::{Places, Settings};
use loci_core::route::{Candidate, Role, State, Task, route};
use loci_core::session::{Session, SessionHandle, SessionOptions};
use loci_inference::builtin;
use loci_inference::local::{LocalOptions, LocalProvider};
use loci_inference::provider::{Message, Provider, Request, Sampling, StreamEvent};
use loci_inference::scripted::{Script, Scripted};
use loci_protocol::{Event, Op, PermissionMode};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const SCRIPT: &str = r#"{"repeat": true, "steps": [
    {"events": [{"call": {"name": "outline", "arguments": {"path": "part_0/module_0.rs"}}}]},
    {"events": [{"text": "Done."}]}
]}"#;

async fn open(root: &std::path::Path, folder: &std::path::Path) -> SessionHandle {
    Session::open(SessionOptions {
        cwd: root.to_owned(),
        provider: Arc::new(Scripted::new(Script::from_json(SCRIPT).expect("a script"))),
        tools: loci_core::tools::all(),
        settings: Settings { permission_mode: PermissionMode::Default, ..Settings::default() },
        places: Places::below(folder),
        environment: loci_core::config::Environment::default(),
        trusted: false,
        resume: None,
        interactive: false,
        helper: None,
        models: None,
        chosen: Default::default(),
    })
    .await
    .expect("opens")
}

async fn turn(session: &mut SessionHandle) {
    session.ops.send(Op::Prompt { text: "go".into() }).await.expect("open");
    while let Some(event) = session.events.recv().await {
        if matches!(event, Event::TurnFinished(_)) {
            return;
        }
    }
}

/// A turn with one call and an answer: two steps of the model, six records in the log, a stat sweep of 1,000 files.
fn turns(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("turn");
    group.sample_size(30);
    for (what, files) in [("one call, 10 files", 10), ("one call, 1,000 files", 1000)] {
        let tree = source_tree(files).expect("written");
        let folder = tempfile::tempdir().expect("a folder");
        group.bench_function(what, |bench| {
            bench.iter_custom(|rounds| {
                runtime.block_on(async {
                    // A new session for each sample, so that a long conversation does not weigh on the later ones.
                    let mut session = open(tree.path(), folder.path()).await;
                    turn(&mut session).await;
                    let mut sum = Duration::ZERO;
                    for _ in 0..rounds {
                        let started = Instant::now();
                        turn(&mut session).await;
                        sum += started.elapsed();
                    }
                    session.close().await;
                    sum
                })
            });
        });
    }
    group.finish();
}

fn request() -> Request {
    Request {
        messages: vec![Message::user("where is the header parsed?")],
        tools: loci_core::tools::all().iter().map(|tool| loci_core::tools::spec(tool.as_ref())).collect(),
        sampling: Sampling { temperature: 0.0, ..Sampling::default() },
        ..Request::default()
    }
}

/// From the request to the first thing the model says, with and without the loading of its weights.
fn first_token(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let open = || LocalProvider::open(builtin::source(), LocalOptions::default()).expect("opens");
    let first = |provider: &LocalProvider| {
        runtime.block_on(async {
            let mut events = provider.stream(request(), CancellationToken::new());
            while let Some(event) = events.next().await {
                match event.expect("no failure") {
                    StreamEvent::Loading { .. } | StreamEvent::Prefill { .. } => {}
                    event => return event,
                }
            }
            panic!("the model said nothing")
        })
    };
    let mut group = criterion.benchmark_group("built-in model");
    group.sample_size(20);
    group.bench_function("open, load, first event", |bench| bench.iter(|| first(&open())));
    let provider = open();
    first(&provider);
    group.bench_function("first event, loaded", |bench| bench.iter(|| first(&provider)));
    group.finish();
}

/// The choice among fifty models, as it is made before a request.
fn routing(criterion: &mut Criterion) {
    let candidates: Vec<Candidate> = (0..50)
        .map(|number| Candidate {
            name: format!("model-{number}"),
            roles: vec![(Role::Main, number)],
            local: number % 3 == 0,
            general: true,
            context: 8_000 << (number % 4),
            ..Candidate::default()
        })
        .collect();
    let task = Task { named: Some("model-49".into()), tokens: 20_000, ..Task::default() };
    let state = State { labelled: Some("secrets/a".into()), local_only: true, ..State::default() };
    criterion
        .bench_function("route among 50 models", |bench| bench.iter(|| route(&task, &candidates, &state)));
}

criterion_group!(suite, turns, first_token, routing);
criterion_main!(suite);
