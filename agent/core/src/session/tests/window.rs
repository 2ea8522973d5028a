//! Owns the tests of the window through real sessions: heads, prefixes, resumes, other windows, damaged logs.
//! Uses the tools as they are, and a scripted model that counts a token for every four bytes.
//! Never reaches a network, and never asserts a time.

use loci_inference::provider::{Message, Request};

use super::*;
use crate::session::log::CompactionCause;

/// A project with a few files that are longer than a small window can hold together.
fn project() -> Stage {
    let stage = Stage::new();
    let line = |file: usize, at: usize| {
        format!("pub fn shelf_{file}_{at}(held: usize) -> usize {{ held - {at} }}\n")
    };
    for file in 0..6 {
        let text: String = (0..80).map(|at| line(file, at)).collect();
        std::fs::write(stage.root().join(format!("part_{file}.rs")), text).unwrap();
    }
    stage
}

/// A turn of a script: a read and an answer.
fn reads(file: usize) -> [Value; 2] {
    let path = format!("part_{}.rs", file % 6);
    [
        json!({"events": [{"text": "Looking."}, call("read", json!({ "path": path }))]}),
        json!({"events": [{"text": format!("Shelf {file} is right.")}]}),
    ]
}

/// Run a session in a window of so many tokens: a prompt for each, and these steps of the model.
async fn run_in(stage: &Stage, window: usize, steps: Vec<Value>, prompts: &[String]) -> Run {
    let script = json!({"context_length": window, "bytes_per_token": 4, "steps": steps});
    let provider = Arc::new(Scripted::new(Script::from_json(&script.to_string()).unwrap()));
    let options = SessionOptions { tools: crate::tools::all(), ..stage.options(provider.clone()) };
    let mut handle = Session::open(options).await.unwrap();
    let mut events = Vec::new();
    for prompt in prompts {
        handle.ops.send(Op::Prompt { text: prompt.clone() }).await.unwrap();
        loop {
            let event =
                tokio::time::timeout(Duration::from_secs(60), handle.events.recv()).await.unwrap().unwrap();
            let finished = matches!(event, Event::TurnFinished(_));
            events.push(event);
            if finished {
                break;
            }
        }
    }
    handle.close().await;
    let run = Run { events, requests: provider.requests() };
    assert_eq!(run.report().status, TurnStatus::Completed, "{:?}", run.report());
    run
}

async fn looks(stage: &Stage, window: usize, turns: std::ops::Range<usize>) -> Run {
    let prompts: Vec<String> = turns.clone().map(|turn| format!("Is shelf {turn} right?")).collect();
    run_in(stage, window, turns.flat_map(reads).collect(), &prompts).await
}

fn records(stage: &Stage) -> Vec<Record> {
    log::read(&stage.log_path()).unwrap().records
}

fn compactions(records: &[Record]) -> Vec<CompactionCause> {
    let cause = |record: &Record| match record {
        Record::Compacted(compaction) => Some(compaction.cause),
        _ => None,
    };
    records.iter().filter_map(cause).collect()
}

fn head(request: &Request) -> String {
    let tools = serde_json::to_string(&request.tools).unwrap();
    format!("{}\n{tools}", serde_json::to_string(&request.messages[0]).unwrap())
}

fn assert_paired(request: &Request) {
    let mut open: Vec<&str> = Vec::new();
    for message in &request.messages {
        match message {
            Message::Assistant { calls, .. } => {
                assert!(open.is_empty(), "a call lost its result");
                open = calls.iter().map(|call| call.id.as_str()).collect();
            }
            Message::Tool { call_id, .. } => open.retain(|id| id != call_id),
            _ => assert!(open.is_empty(), "a call lost its result"),
        }
    }
}

#[tokio::test]
async fn the_head_is_the_same_in_the_whole_session_and_in_the_next_ones() {
    let mut stage = project();
    // The first session builds the index; what it knows must not change what later requests begin with.
    let first = looks(&stage, 8_192, 0..12).await;
    let mut steps: Vec<Value> = reads(1).into();
    steps.insert(
        1,
        json!({"events": [call("write", json!({"path": "new.rs", "text": "pub fn new_shelf() {}\n"}))]}),
    );
    stage.resume = Some(Resume::Latest);
    let resumed = run_in(&stage, 8_192, steps, &["Write new.rs.".into()]).await;
    assert!(compactions_of(&first) > 0);
    stage.resume = None;
    // The next ones are shown a map, which is kept although the tree changes.
    let second = looks(&stage, 8_192, 0..2).await;
    std::fs::write(stage.root().join("other.rs"), "pub fn other_shelf() {}\n").unwrap();
    let third = looks(&stage, 8_192, 0..2).await;
    for runs in [[&first, &resumed], [&second, &third]] {
        let all: Vec<&Request> = runs.iter().flat_map(|run| &run.requests).collect();
        assert!(all.len() >= 6);
        for (at, request) in all.iter().enumerate() {
            assert_eq!(head(request), head(all[0]), "request {at}");
        }
    }
}

fn compactions_of(run: &Run) -> usize {
    run.events.iter().filter(|event| matches!(event, Event::Compacted { .. })).count()
}

#[tokio::test]
async fn between_compactions_a_request_begins_with_the_one_before() {
    let stage = project();
    let run = looks(&stage, 8_192, 0..50).await;
    let mut grew = 0;
    for pair in run.requests.windows(2) {
        let (one, two) = (&pair[0].messages, &pair[1].messages);
        grew += usize::from(two.len() > one.len() && two[..one.len()] == one[..]);
        assert_paired(&pair[1]);
    }
    let compacted = compactions_of(&run);
    assert!(compacted >= 3, "{compacted}");
    assert_eq!(
        grew + compacted,
        run.requests.len() - 1,
        "every request that does not go on was a compaction"
    );
}

#[tokio::test]
async fn a_session_goes_on_with_a_quarter_of_its_window_and_back() {
    let mut stage = project();
    looks(&stage, 32_768, 0..14).await;
    assert_eq!(compactions(&records(&stage)), []);
    stage.resume = Some(Resume::Latest);
    let small = looks(&stage, 8_192, 14..16).await;
    assert_eq!(compactions(&records(&stage)).first(), Some(&CompactionCause::Refit));
    for request in &small.requests {
        let provider = Scripted::new(Script { bytes_per_token: 4, ..Script::default() });
        assert!(provider.count_tokens(request).unwrap() <= 8_192 - 8_192 / 6);
        assert_paired(request);
    }
    // Back in the large one; what left is found by its handle.
    let steps = vec![
        json!({"events": [call("recall", json!({"handle": "r0"})), call("recall", json!({"handle": "r2:1-3"}))]}),
        json!({"expect": {"contains": ["Is shelf 0 right?", "pub fn shelf_0_1("]}, "events": [{"text": "It was that."}]}),
    ];
    run_in(&stage, 32_768, steps, &["What did I ask first?".into()]).await;
}

#[tokio::test]
async fn a_provider_that_holds_less_than_it_said_is_believed() {
    let stage = project();
    let mut steps: Vec<Value> = (0..10).flat_map(reads).collect();
    steps.push(json!({"events": [{"error": {"context_overflow": {"limit": 8_192, "needed": 12_000}}}]}));
    steps.push(json!({"events": [{"text": "It fits now."}]}));
    steps.extend((11..13).flat_map(reads));
    let prompts: Vec<String> = (0..13).map(|turn| format!("Is shelf {turn} right?")).collect();
    let run = run_in(&stage, 32_768, steps, &prompts).await;
    assert_eq!(compactions(&records(&stage)).first(), Some(&CompactionCause::Refit));
    let provider = Scripted::new(Script { bytes_per_token: 4, ..Script::default() });
    for request in &run.requests[21..] {
        assert!(provider.count_tokens(request).unwrap() < 8_192);
        assert_paired(request);
    }
}

#[tokio::test]
async fn a_log_that_ends_within_a_compaction_is_compacted_again() {
    let mut stage = project();
    looks(&stage, 8_192, 0..12).await;
    let path = stage.log_path();
    let whole = std::fs::read_to_string(&path).unwrap();
    let at = whole.rfind("\"type\":\"compacted\"").unwrap();
    std::fs::write(&path, &whole[..at + 200]).unwrap();
    let before = compactions(&log::read(&path).unwrap().records).len();
    stage.resume = Some(Resume::Latest);
    let run = looks(&stage, 8_192, 20..24).await;
    assert!(run.notices().contains("were set aside"), "{}", run.notices());
    assert!(compactions(&records(&stage)).len() > before);
    run.requests.iter().for_each(assert_paired);
}

#[tokio::test]
async fn a_session_of_a_project_that_moved_still_knows_what_it_read() {
    let stage = project();
    looks(&stage, 8_192, 0..12).await;
    let log = std::fs::read(stage.log_path()).unwrap();
    let name = stage.log_path().file_name().unwrap().to_owned();
    // The project is elsewhere now, with nothing in it; its session was taken along.
    let mut moved = Stage::new();
    std::fs::create_dir_all(moved.places().sessions(&moved.root())).unwrap();
    std::fs::write(moved.places().sessions(&moved.root()).join(name), log).unwrap();
    moved.resume = Some(Resume::Latest);
    let steps = vec![
        json!({"events": [call("recall", json!({"handle": "r2:1-3"})), call("read", json!({"path": "part_0.rs"}))]}),
        json!({"expect": {"contains": ["pub fn shelf_0_1("]}, "events": [{"text": "The file is gone."}]}),
    ];
    let run = run_in(&moved, 8_192, steps, &["What is `shelf_0_1` in part_0.rs?".into()]).await;
    assert!(run.outputs()[0].contains("pub fn shelf_0_1("), "{:?}", run.outputs());
    assert!(run.outputs()[1].contains("part_0.rs"), "{:?}", run.outputs());
}
