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

fn jobs(event: &Event) -> Option<&[loci_protocol::Job]> {
    if let Event::JobsChanged { jobs } = event { Some(jobs) } else { None }
}

#[tokio::test]
async fn front_ends_are_told_what_runs_and_may_end_it() {
    let stage = Stage::new();
    let steps = json!([
        calls(&[bash("echo begun; sleep 600")]),
        answers("It runs."),
        calls(&[call("jobs", json!({ "action": "list" }))]),
        answers("Gone."),
    ]);
    let mut handle = open(&stage, steps).await;
    let run = say(&mut handle, "start it").await;
    let told: Vec<_> = run.events.iter().filter_map(jobs).collect();
    let [[job]] = told.as_slice() else { panic!("told of once: {told:?}") };
    assert_eq!((job.id.as_str(), job.command.as_str(), job.running), ("b1", "echo begun; sleep 600", true));
    // Its output comes when it is asked for.
    loop {
        handle.ops.send(Op::Jobs).await.unwrap();
        let events = until(&mut handle, |event| jobs(event).is_some()).await;
        if jobs(events.last().unwrap()).unwrap()[0].tail == "begun\n" {
            break;
        }
    }
    handle.ops.send(Op::StopJob { id: "b9".into() }).await.unwrap();
    until(&mut handle, notice("there is no background command b9")).await;
    handle.ops.send(Op::StopJob { id: "b1".into() }).await.unwrap();
    let events = until(&mut handle, |event| jobs(event).is_some_and(|jobs| !jobs[0].running)).await;
    assert_eq!(jobs(events.last().unwrap()).unwrap()[0].end, "killed");
    // The model did not end it, so it is told.
    let run = say(&mut handle, "look").await;
    let output = run.events.iter().find_map(|event| match event {
        Event::ToolFinished(report) => Some(report.output.clone()),
        _ => None,
    });
    assert!(output.is_some_and(|output| output.contains("killed")));
    handle.close().await;
}

#[tokio::test]
async fn one_that_ends_by_itself_and_one_that_is_ended_in_a_turn_are_told_of() {
    let stage = Stage::new();
    let steps = json!([
        calls(&[bash("sleep 600"), bash("exit 3")]),
        calls(&[call("bash", json!({ "command": "sleep 600" }))]),
        answers("Never."),
    ]);
    let mut handle = open(&stage, steps).await;
    handle.ops.send(Op::Prompt { text: "start".into() }).await.unwrap();
    let ended = |event: &Event| {
        jobs(event).is_some_and(|jobs| jobs.len() == 2 && !jobs[1].running && jobs[1].end == "exit code 3")
    };
    until(&mut handle, ended).await;
    // The turn still runs; what is in the background can be ended all the same.
    handle.ops.send(Op::StopJob { id: "b1".into() }).await.unwrap();
    until(&mut handle, |event| jobs(event).is_some_and(|jobs| jobs.iter().all(|job| !job.running))).await;
    handle.ops.send(Op::Interrupt).await.unwrap();
    until(&mut handle, |event| matches!(event, Event::TurnFinished(_))).await;
    handle.close().await;
}

#[tokio::test]
async fn the_task_list_is_told_when_it_changes_and_when_it_is_taken_up() {
    let stage = Stage::new();
    let todo = |action: &str, text: &str| calls(&[call("todo", json!({ "action": action, "text": text }))]);
    let steps =
        json!([todo("add", "write tests"), todo("list", ""), todo("done", "write tests"), answers("Done."),]);
    let tasks = |events: &[Event]| -> Vec<Vec<(String, bool)>> {
        let list = |event: &Event| match event {
            Event::TasksChanged { tasks } => {
                Some(tasks.iter().map(|task| (task.text.clone(), task.done)).collect())
            }
            _ => None,
        };
        events.iter().filter_map(list).collect()
    };
    let entry = |done| vec![("write tests".to_owned(), done)];
    let mut handle = open(&stage, steps).await;
    let run = say(&mut handle, "plan").await;
    assert_eq!(tasks(&run.events), [entry(false), entry(true)]);
    let id = handle.session_id.clone();
    handle.close().await;
    let provider = Arc::new(Scripted::new(Script::from_json(&json!([answers("Hm.")]).to_string()).unwrap()));
    let options = SessionOptions { tools: crate::tools::all(), ..stage.options(provider) };
    let mut handle = Session::open(SessionOptions { resume: Some(Resume::Id(id)), ..options }).await.unwrap();
    let run = say(&mut handle, "and now?").await;
    assert_eq!(tasks(&run.events), [entry(true)]);
    handle.close().await;
}
