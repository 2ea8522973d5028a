//! Owns the tests of the way back to a prompt: files, conversation, and everything that is told of a session after it.
//! Uses real sessions with a scripted model.
//! Never reaches a network, and never asserts a time.

use loci_inference::provider::Message;
use loci_inference::provider::Request;

use super::*;
use crate::archive::{Archive, Ask};
use crate::context::report;
use crate::session::log::effective;

/// Do one thing after the other, each to its end.
async fn play(stage: &Stage, steps: Value, ops: Vec<Op>) -> Run {
    let provider = Arc::new(Scripted::new(Script::from_json(&steps.to_string()).unwrap()));
    let tools = [stage.options(provider.clone()).tools, crate::tools::all()].concat();
    let options = SessionOptions { tools, ..stage.options(provider.clone()) };
    let mut handle = Session::open(options).await.unwrap();
    let mut events = Vec::new();
    for op in ops {
        let prompt = matches!(op, Op::Prompt { .. });
        handle.ops.send(op).await.unwrap();
        loop {
            let event = tokio::time::timeout(Duration::from_secs(60), handle.events.recv());
            let event = event.await.unwrap().unwrap();
            let ended = match &event {
                Event::TurnFinished(_) => true,
                Event::Rewound { .. } | Event::Notice { level: Level::Warning, .. } => !prompt,
                _ => false,
            };
            events.push(event);
            if ended {
                break;
            }
        }
    }
    handle.close().await;
    Run { events, requests: provider.requests() }
}

fn says(text: &str) -> Op {
    Op::Prompt { text: text.into() }
}

fn back(turn: u32, files: bool, conversation: bool) -> Op {
    Op::Rewind { turn, files, conversation }
}

fn puts(path: &str, text: &str) -> Value {
    json!({"events": [call("put", json!({"path": path, "text": text}))]})
}

fn answers(text: &str) -> Value {
    json!({"events": [{ "text": text }]})
}

fn records(stage: &Stage) -> Vec<Record> {
    log::read(&stage.log_path()).unwrap().records
}

fn prompts(records: &[Record]) -> Vec<u32> {
    effective(records)
        .into_iter()
        .filter_map(|record| match record {
            Record::Prompt { turn, .. } => Some(*turn),
            _ => None,
        })
        .collect()
}

fn written(request: &Request) -> String {
    serde_json::to_string(&request.messages).unwrap()
}

fn read(stage: &Stage, path: &str) -> Option<String> {
    std::fs::read_to_string(stage.root().join(path)).ok()
}

fn rewound(run: &Run) -> Vec<(Vec<String>, Option<u32>, Option<String>)> {
    run.events
        .iter()
        .filter_map(|event| match event {
            Event::Rewound { paths, turn, prompt, .. } => Some((paths.clone(), *turn, prompt.clone())),
            _ => None,
        })
        .collect()
}

/// Three turns, two of which change files.
fn three() -> Vec<Value> {
    vec![
        puts("a.txt", "one"),
        answers("heron done"),
        puts("a.txt", "two"),
        puts("b.txt", "b"),
        answers("pelican done"),
        answers("ibis done"),
    ]
}

fn asked() -> Vec<Op> {
    vec![says("about the heron"), says("about the pelican"), says("about the ibis")]
}

#[tokio::test]
async fn files_and_conversation_go_back_together() {
    let mut stage = Stage::new();
    let mut steps = three();
    steps.push(answers("stork done"));
    let mut ops = asked();
    ops.extend([back(2, true, true), says("about the stork")]);
    let run = play(&stage, json!(steps), ops).await;
    assert_eq!(
        rewound(&run),
        [(vec!["a.txt".into(), "b.txt".into()], Some(2), Some("about the pelican".into()))]
    );
    assert_eq!((read(&stage, "a.txt").as_deref(), read(&stage, "b.txt")), (Some("one"), None));
    let last = run.requests.last().unwrap();
    for (word, there) in [("heron", true), ("pelican", false), ("ibis", false), ("stork", true)] {
        assert_eq!(written(last).contains(word), there, "{word} in {}", written(last));
    }
    // Numbers are not given again, and nothing was taken out of the log.
    let all = records(&stage);
    assert_eq!(prompts(&all), [1, 4]);
    assert_eq!(all.iter().filter(|record| matches!(record, Record::Prompt { .. })).count(), 4);
    assert!(serde_json::to_string(&all).unwrap().contains("pelican done"));

    // Whoever tells the session later tells the same.
    let counting: Vec<Record> = effective(&all).into_iter().cloned().collect();
    let past = report::at(&counting, None).unwrap();
    assert_eq!((past.steps, past.messages()), (3, last.messages.clone()));
    let listed = resume::list(&stage.places().sessions(&stage.root())).unwrap();
    assert_eq!(listed[0].summary.as_ref().unwrap().turns, 2);
    let archive = Archive::open(&stage.places(), &stage.root(), None).unwrap();
    let found = |words| archive.search(&Ask { words, ..Ask::default() }).unwrap().len();
    assert_eq!((found("pelican"), found("ibis")), (0, 0));
    assert!(found("heron") > 0 && found("stork") > 0);

    // And so does the session when it goes on.
    stage.resume = Some(Resume::Latest);
    let run = play(&stage, json!([answers("crane done")]), vec![says("about the crane")]).await;
    let last = written(run.requests.last().unwrap());
    assert!(last.contains("stork done") && !last.contains("pelican"), "{last}");
    assert_eq!(prompts(&records(&stage)), [1, 4, 5]);
}

#[tokio::test]
async fn what_was_read_into_the_archive_before_leaves_it() {
    let mut stage = Stage::new();
    play(&stage, json!(three()), asked()).await;
    let found = |words: &str| {
        let archive = Archive::open(&stage.places(), &stage.root(), None).unwrap();
        archive.search(&Ask { words, ..Ask::default() }).unwrap().len()
    };
    assert!(found("pelican") > 0);
    let resumed = Stage { resume: Some(Resume::Latest), ..Stage::new() };
    stage.resume = resumed.resume;
    play(&stage, json!([]), vec![back(2, false, true)]).await;
    let archive = Archive::open(&stage.places(), &stage.root(), None).unwrap();
    let found = |words| archive.search(&Ask { words, ..Ask::default() }).unwrap().len();
    assert_eq!(found("pelican"), 0);
    assert!(found("heron") > 0);
}

#[tokio::test]
async fn only_the_files_or_only_the_conversation() {
    let stage = Stage::new();
    let mut steps = three();
    steps.push(json!({
        "expect": {"last_contains": ["The user took back the file changes since prompt 2, to a.txt, b.txt."],
                   "contains": ["pelican done"]},
        "events": [{"text": "stork done"}],
    }));
    let mut ops = asked();
    ops.extend([back(2, true, false), says("about the stork")]);
    let run = play(&stage, json!(steps), ops).await;
    assert_eq!(run.report().status, TurnStatus::Completed, "{:?}", run.report());
    assert_eq!(rewound(&run), [(vec!["a.txt".into(), "b.txt".into()], None, None)]);
    assert_eq!((read(&stage, "a.txt").as_deref(), read(&stage, "b.txt")), (Some("one"), None));
    assert_eq!(prompts(&records(&stage)), [1, 2, 3, 4]);

    let stage = Stage::new();
    let mut steps = three();
    steps.push(json!({
        "expect": {"last_contains": ["still stands: a.txt, b.txt."], "lacks": ["pelican"]},
        "events": [{"text": "stork done"}],
    }));
    let mut ops = asked();
    ops.extend([back(2, false, true), says("about the stork")]);
    let run = play(&stage, json!(steps), ops).await;
    assert_eq!(run.report().status, TurnStatus::Completed, "{:?}", run.report());
    assert_eq!(
        (read(&stage, "a.txt").as_deref(), read(&stage, "b.txt").as_deref()),
        (Some("two"), Some("b"))
    );
    // The note is not a part of the words that were typed.
    let asked = resume::prompts(&records(&stage));
    let told: Vec<(u32, &str)> = asked.iter().map(|asked| (asked.turn, asked.text.as_str())).collect();
    assert_eq!(told, [(1, "about the heron"), (4, "about the stork")]);
    assert_eq!(asked[0].changed, ["a.txt"]);
}

#[tokio::test]
async fn what_somebody_else_changed_stops_the_files_and_the_conversation() {
    let mut stage = Stage::new();
    play(&stage, json!(three()), asked()).await;
    std::fs::write(stage.root().join("a.txt"), "mine").unwrap();
    stage.resume = Some(Resume::Latest);
    let run =
        play(&stage, json!([]), vec![back(2, true, true), back(9, true, true), back(0, true, true)]).await;
    assert!(rewound(&run).is_empty(), "{}", run.shown());
    assert!(run.notices().contains("/rewind 2 conversation"), "{}", run.notices());
    assert!(run.notices().contains("there is no prompt 9"), "{}", run.notices());
    assert_eq!(read(&stage, "a.txt").as_deref(), Some("mine"));
    assert_eq!(prompts(&records(&stage)), [1, 2, 3]);
    assert!(!records(&stage).iter().any(|record| matches!(record, Record::Rewound { .. })));
}

#[tokio::test]
async fn the_way_back_can_be_gone_again_and_again() {
    let stage = Stage::new();
    let steps: Vec<Value> = (0..9).map(|at| answers(&format!("answer {at}"))).collect();
    let ops = vec![
        says("one"),
        says("two"),
        back(2, true, true),
        says("three"),
        says("four"),
        // Prompt 2 counts no longer, and is not gone back to.
        back(2, false, true),
        back(3, false, true),
        back(1, true, true),
        says("five"),
    ];
    let run = play(&stage, json!(steps), ops).await;
    let turns: Vec<Option<u32>> = rewound(&run).into_iter().map(|(_, turn, _)| turn).collect();
    assert_eq!(turns, [Some(2), Some(3), Some(1)]);
    assert!(run.notices().contains("there is no prompt 2"));
    assert_eq!(prompts(&records(&stage)), [5]);
    let last = run.requests.last().unwrap();
    let said: Vec<&str> = last
        .messages
        .iter()
        .filter_map(|message| match message {
            Message::User { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(said, ["five"]);
}

#[tokio::test]
async fn what_was_gone_back_from_is_not_recalled() {
    let recalls = json!({"events": [call("recall", json!({"query": "pelican nests"}))]});
    let check = async |ops: Vec<Op>, there: bool| {
        let stage = Stage::new();
        let steps = json!([answers("noted"), answers("noted too"), recalls, answers("so it is")]);
        let run = play(&stage, steps, ops).await;
        let output = run.outputs().pop().unwrap();
        assert_eq!(output.contains("on the eastern cliff"), there, "{output}");
    };
    let pelican = "pelicans nest on the eastern cliff, and pelican nests are large";
    check(vec![says("hello"), says(pelican), says("where?")], true).await;
    check(vec![says("hello"), says(pelican), back(2, false, true), says("where?")], false).await;
}
