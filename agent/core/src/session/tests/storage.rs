//! Owns the tests of a session that cannot be written.
//! Uses a log whose disk is full as long as the test says so.
//! Never reaches a network, and never asserts a time.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// A session on such a disk; with a reserve where one is named.
struct Strained {
    handle: SessionHandle,
    full: Arc<AtomicBool>,
}

impl Strained {
    fn open(stage: &Stage, script: Value, with_reserve: bool) -> Self {
        let provider = Arc::new(Scripted::new(Script::from_json(&script.to_string()).unwrap()));
        let (events_in, events) = mpsc::unbounded_channel();
        let control = Arc::new(Control::new(events_in.clone(), true, stage.settings.permission_mode));
        let options = stage.options(provider);
        let (mut session, ..) = Session::build(options, control).unwrap();
        let full = Arc::new(AtomicBool::new(false));
        let reserve = with_reserve.then(|| stage.places().data.join("reserve"));
        log::tests::full_while(&mut session.log, full.clone(), reserve);
        let (ops, ops_out) = mpsc::channel(OPS);
        let cancel = CancellationToken::new();
        let session_id = session.id.clone();
        let owner = tokio::spawn(session.own(ops_out, events_in, cancel.clone()));
        let guard = SessionGuard { _cancel: cancel.drop_guard(), owner };
        Self { handle: SessionHandle { ops, events, session_id, guard }, full }
    }

    async fn until(&mut self, ends: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = tokio::time::timeout(Duration::from_secs(60), self.handle.events.recv());
            let event = event.await.unwrap().unwrap();
            let ended = ends(&event);
            events.push(event);
            if ended {
                return events;
            }
        }
    }

    async fn ask(&mut self, text: &str) -> Run {
        self.handle.ops.send(Op::Prompt { text: text.into() }).await.unwrap();
        let events = self.until(|event| matches!(event, Event::TurnFinished(_))).await;
        Run { events, requests: Vec::new() }
    }
}

fn put(text: &str) -> Value {
    json!({"events": [call("put", json!({"path": "b.txt", "text": text}))]})
}

fn says(text: &str) -> Value {
    json!({"events": [{ "text": text }]})
}

fn is_notice(event: &Event, words: &str) -> bool {
    matches!(event, Event::Notice { message, .. } if message.contains(words))
}

#[tokio::test]
async fn without_space_no_tool_runs_and_everything_is_written_later() {
    let stage = Stage::new();
    let mut session = Strained::open(&stage, json!([says("hello"), put("one"), says("ibis")]), false);
    session.ask("first").await;
    session.full.store(true, Ordering::Relaxed);
    let run = session.ask("a heron").await;
    assert_eq!(run.report().failure.as_ref().unwrap().kind, FailureKind::Storage, "{}", run.shown());
    assert!(!stage.root().join("b.txt").exists());
    // Nothing half-written is on the disk, and nothing of it is lost.
    let on_disk = log::read(&stage.log_path()).unwrap();
    assert!(on_disk.damage.is_none());
    assert!(!format!("{:?}", on_disk.records).contains("heron"));
    session.full.store(false, Ordering::Relaxed);
    session.until(|event| is_notice(event, "is written again")).await;
    let on_disk = format!("{:?}", log::read(&stage.log_path()).unwrap().records);
    assert!(on_disk.contains("a heron"), "{on_disk}");
    let run = session.ask("go on").await;
    assert_eq!(run.report().status, TurnStatus::Completed, "{}", run.shown());
    assert_eq!(std::fs::read_to_string(stage.root().join("b.txt")).unwrap(), "one");
    session.handle.close().await;
}

#[tokio::test]
async fn the_reserve_writes_the_session_and_stops_the_tools() {
    let stage = Stage::new();
    let script = json!([says("hello"), put("one"), put("two"), says("ibis")]);
    let mut session = Strained::open(&stage, script, true);
    session.ask("first").await;
    session.full.store(true, Ordering::Relaxed);
    let run = session.ask("a heron").await;
    let failure = run.report().failure.clone().unwrap();
    assert_eq!(failure.kind, FailureKind::Storage, "{}", run.shown());
    assert!(!stage.root().join("b.txt").exists() && !stage.places().data.join("reserve").exists());
    // What was said was written all the same, and the call that did not run is known not to have run.
    let records = log::read(&stage.log_path()).unwrap().records;
    assert!(format!("{records:?}").contains("a heron"));
    assert!(resume::cut_off(&records).is_empty());
    assert!(
        records
            .iter()
            .any(|record| matches!(record, Record::Outcome(outcome) if outcome.text.contains("not run")))
    );
    session.until(|event| is_notice(event, "kept for this")).await;
    session.full.store(false, Ordering::Relaxed);
    session.until(|event| is_notice(event, "is written again")).await;
    assert!(stage.places().data.join("reserve").exists());
    let run = session.ask("go on").await;
    assert_eq!(run.report().status, TurnStatus::Completed, "{}", run.shown());
    assert_eq!(std::fs::read_to_string(stage.root().join("b.txt")).unwrap(), "two");
    session.handle.close().await;
}
