//! Owns the tests of commands that run beside the conversation.
//! Uses real sessions with a scripted model, and real commands.
//! Never reaches a network, and never asserts a time.

use super::*;

/// A session with all tools in which every command may run.
async fn open(stage: &Stage, steps: Value) -> SessionHandle {
    let provider = Arc::new(Scripted::new(Script::from_json(&steps.to_string()).unwrap()));
    Session::open(SessionOptions { tools: crate::tools::all(), ..stage.options(provider) }).await.unwrap()
}

/// The first event for which this holds, and those before it.
async fn until(handle: &mut SessionHandle, holds: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let event = tokio::time::timeout(Duration::from_secs(60), handle.events.recv());
        let event = event.await.unwrap().unwrap();
        let found = holds(&event);
        events.push(event);
        if found {
            return events;
        }
    }
}

async fn say(handle: &mut SessionHandle, text: &str) -> Run {
    handle.ops.send(Op::Prompt { text: text.into() }).await.unwrap();
    let events = until(handle, |event| matches!(event, Event::TurnFinished(_))).await;
    Run { events, requests: Vec::new() }
}

fn notice(words: &'static str) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Notice { message, .. } if message.contains(words))
}

fn bash(command: &str) -> Value {
    call("bash", json!({ "command": command, "run_in_background": true }))
}

fn calls(calls: &[Value]) -> Value {
    json!({ "events": calls })
}

fn answers(text: &str) -> Value {
    calls(&[json!({ "text": text })])
}

/// The process whose number the command wrote, once it has.
async fn process(stage: &Stage, name: &str) -> PathBuf {
    for _ in 0..6_000 {
        let written = std::fs::read_to_string(stage.root().join(name)).unwrap_or_default();
        if let Some(number) = written.strip_suffix('\n') {
            return PathBuf::from("/proc").join(number);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not start");
}

#[tokio::test]
async fn it_outlives_its_turn_and_its_end_is_told_once() {
    let stage = Stage::new();
    let line = "echo up; while [ ! -e go ]; do sleep 0.01; done; echo down; exit 3";
    let steps = json!([
        calls(&[bash(line)]), answers("It runs."),
        { "expect": { "last_contains": ["[b1 has ended: exit code 3 after ", "]\n\nand now?"] },
          "events": [call("jobs", json!({ "action": "output", "id": "b1" }))] },
        { "expect": { "last_contains": ["up\ndown\nb1 has ended: exit code 3"] }, "events": [{ "text": "It went down." }] },
        { "expect": { "last_contains": ["again?"], "lacks": ["]\n\nagain?"] }, "events": [{ "text": "No." }] },
    ]);
    let mut handle = open(&stage, steps).await;
    let run = say(&mut handle, "start it").await;
    assert!(run.outputs()[0].starts_with("started in the background as b1"), "{:?}", run.outputs());
    std::fs::write(stage.root().join("go"), "").unwrap();
    // People hear of it at once, the model with the next prompt.
    until(&mut handle, notice("b1 has ended: exit code 3")).await;
    assert_eq!(say(&mut handle, "and now?").await.report().answer, "It went down.");
    assert_eq!(say(&mut handle, "again?").await.report().answer, "No.");
    handle.close().await;
}

#[tokio::test]
async fn its_end_within_a_turn_is_told_with_the_next_command() {
    let stage = Stage::new();
    let steps = json!([
        calls(&[bash("exit 4")]),
        calls(&[call("bash", json!({ "command": "while [ ! -e go ]; do sleep 0.01; done; echo went" }))]),
        { "expect": { "last_contains": ["went", "[b1 has ended: exit code 4 after "] }, "events": [{ "text": "I see." }] },
    ]);
    let mut handle = open(&stage, steps).await;
    handle.ops.send(Op::Prompt { text: "go".into() }).await.unwrap();
    until(&mut handle, notice("b1 has ended")).await;
    std::fs::write(stage.root().join("go"), "").unwrap();
    let events = until(&mut handle, |event| matches!(event, Event::TurnFinished(_))).await;
    assert_eq!(Run { events, requests: Vec::new() }.report().answer, "I see.");
    handle.close().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_cancel_spares_it_and_the_end_of_the_session_does_not() {
    let mut stage = Stage::new();
    let line = "trap '' TERM; echo $$ >number; while :; do sleep 1; done";
    let steps = json!([
        calls(&[bash(line)]),
        { "events": [{ "text": "I wait" }, "hang"] },
        answers("Still there."),
    ]);
    let mut handle = open(&stage, steps).await;
    handle.ops.send(Op::Prompt { text: "start it".into() }).await.unwrap();
    until(&mut handle, |event| matches!(event, Event::TextDelta { .. })).await;
    let process = process(&stage, "number").await;
    handle.ops.send(Op::Interrupt).await.unwrap();
    until(&mut handle, |event| matches!(event, Event::TurnFinished(_))).await;
    assert!(process.exists());
    assert_eq!(say(&mut handle, "is it there?").await.report().answer, "Still there.");
    assert!(process.exists());
    handle.ops.send(Op::Shutdown).await.unwrap();
    until(&mut handle, notice("ended in the background: b1")).await;
    handle.close().await;
    assert!(!process.exists());

    // Whoever goes on with the session is told, once, and no id is given twice.
    stage.resume = Some(Resume::Latest);
    let steps = json!([
        { "expect": { "last_contains": ["[b1 has ended: the session was left: $ trap"] }, "events": [bash("sleep 1000")] },
        { "expect": { "last_contains": ["started in the background as b2"] },
          "events": [call("jobs", json!({ "action": "kill", "id": "b2" }))] },
        { "expect": { "last_contains": ["b2 has ended: killed after "] }, "events": [{ "text": "Yes." }] },
    ]);
    let mut handle = open(&stage, steps).await;
    until(&mut handle, notice("b1 has ended: the session was left")).await;
    assert_eq!(say(&mut handle, "does it run?").await.report().answer, "Yes.");
    handle.close().await;
    let steps = json!([{ "expect": { "last_contains": ["and now?"], "lacks": ["]\n\nand now?"] }, "events": [{ "text": "No." }] }]);
    let mut handle = open(&stage, steps).await;
    assert_eq!(say(&mut handle, "and now?").await.report().answer, "No.");
    handle.close().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn dropping_the_session_ends_it() {
    let stage = Stage::new();
    let line = "echo $$ >number; sleep 1000; true";
    let mut handle = open(&stage, json!([calls(&[bash(line)]), answers("It runs.")])).await;
    say(&mut handle, "start it").await;
    let process = process(&stage, "number").await;
    assert!(process.exists());
    drop(handle);
    for _ in 0..6_000 {
        if !process.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it survived");
}
