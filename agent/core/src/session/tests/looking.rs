//! Owns the tests of what a front end asks about a session: its changes, its prompts, its title, its window.
//! Uses real sessions with a scripted model.
//! Never reaches a network, and never asserts a time.

use std::fs;

use super::*;
use crate::session::log::Record;

/// Whether this event is the one that is waited for.
type Enough = fn(&Event) -> bool;

/// Open a session, do one thing after the other, and take what comes until `enough`.
async fn play(stage: &Stage, steps: Value, ops: Vec<(Op, Enough)>) -> Vec<Event> {
    let provider = Arc::new(Scripted::new(Script::from_json(&steps.to_string()).unwrap()));
    let tools = [stage.options(provider.clone()).tools, crate::tools::all()].concat();
    let mut handle = Session::open(SessionOptions { tools, ..stage.options(provider) }).await.unwrap();
    let mut events = Vec::new();
    for (op, enough) in ops {
        handle.ops.send(op).await.unwrap();
        loop {
            let event = tokio::time::timeout(Duration::from_secs(60), handle.events.recv());
            let event = event.await.unwrap().unwrap();
            let ended = enough(&event);
            events.push(event);
            if ended {
                break;
            }
        }
    }
    handle.close().await;
    events
}

const ENDED: Enough = |event| matches!(event, Event::TurnFinished(_));
const CHANGES: Enough = |event| matches!(event, Event::ChangesShown { .. });
const TIMELINE: Enough = |event| matches!(event, Event::TimelineShown { .. });
const REWOUND: Enough = |event| matches!(event, Event::Rewound { .. });
const RENAMED: Enough = |event| matches!(event, Event::Renamed { .. });

fn says(text: &str) -> Op {
    Op::Prompt { text: text.into() }
}

fn puts(path: &str, text: &str) -> Value {
    json!({"events": [call("put", json!({"path": path, "text": text}))]})
}

fn answers() -> Value {
    json!({"events": [{ "text": "Done." }]})
}

#[tokio::test]
async fn what_was_changed_is_told_against_the_files_as_they_are() {
    let stage = Stage::new();
    let root = stage.root();
    fs::write(root.join("a.txt"), "one\ntwo\n").unwrap();
    fs::write(root.join("b.bin"), b"\0binary").unwrap();
    fs::write(root.join("c.txt"), "same\n").unwrap();
    fs::write(root.join("huge.txt"), "x\n".repeat(1 << 20)).unwrap();
    let steps = json!([
        puts("a.txt", "one\n2\n"),
        puts("a.txt", "one\n2\nthree\n"),
        answers(),
        puts("b.bin", "text"),
        puts("価格 neu.txt", "new\n"),
        puts("huge.txt", "small\n"),
        answers(),
        puts("c.txt", "other\n"),
        puts("c.txt", "same\n"),
        puts("d.txt", "gone\n"),
        answers(),
    ]);
    let look = || (Op::Changes, CHANGES);
    let events = play(
        &stage,
        steps,
        vec![
            look(),
            (says("one"), ENDED),
            (says("two"), ENDED),
            (says("three"), ENDED),
            look(),
            (Op::Undo { which: loci_protocol::Undo::File("d.txt".into()) }, REWOUND),
            look(),
        ],
    )
    .await;
    let shown: Vec<Vec<loci_protocol::ChangedFile>> = events
        .into_iter()
        .filter_map(|event| match event {
            Event::ChangesShown { files } => Some(files),
            _ => None,
        })
        .collect();
    let names = |files: &[loci_protocol::ChangedFile]| -> Vec<(String, usize, usize)> {
        files.iter().map(|file| (file.path.clone(), file.added, file.removed)).collect()
    };
    assert!(shown[0].is_empty());
    let wide = "価格 neu.txt".to_owned();
    // The second content of c.txt is what it was: nothing to tell.
    let four = [("a.txt".into(), 2, 1), ("b.bin".into(), 0, 0), (wide, 1, 0), ("huge.txt".into(), 0, 0)];
    assert_eq!(names(&shown[1]), [&four[..], &[("d.txt".into(), 1, 0)]].concat());
    assert_eq!(names(&shown[2]), four);
    let a = &shown[1][0];
    assert!(
        a.diff.starts_with("--- a/a.txt\n+++ b/a.txt\n") && a.diff.contains("-two\n+2\n+three\n"),
        "{}",
        a.diff
    );
    assert!(shown[1][2].diff.starts_with("--- /dev/null\n"), "{}", shown[1][2].diff);
    assert!(shown[1].iter().all(|file| !file.changed_since));
}

#[tokio::test]
async fn what_somebody_else_changed_since_is_marked() {
    let stage = Stage::new();
    let root = stage.root();
    fs::write(root.join("a.txt"), "one\n").unwrap();
    fs::write(root.join("b.txt"), "one\n").unwrap();
    let steps = json!([puts("a.txt", "two\n"), puts("b.txt", "two\n"), answers()]);
    let look = (says("go"), ENDED);
    play(&stage, steps, vec![look]).await;
    fs::write(root.join("b.txt"), "three\n").unwrap();
    let stage = Stage { resume: Some(Resume::Latest), ..stage };
    let events = play(&stage, json!([]), vec![(Op::Changes, CHANGES)]).await;
    let Some(Event::ChangesShown { files }) = events.last() else { panic!("no changes") };
    let since: Vec<(&str, bool)> =
        files.iter().map(|file| (file.path.as_str(), file.changed_since)).collect();
    assert_eq!(since, [("a.txt", false), ("b.txt", true)]);
    assert!(files[1].diff.contains("-one\n+three\n"), "{}", files[1].diff);
}

#[tokio::test]
async fn the_timeline_names_prompts_and_their_changes() {
    let stage = Stage::new();
    let steps = json!([
        puts("a.txt", "a\n"),
        answers(),
        answers(),
        puts("b.txt", "b\n"),
        puts("c.txt", "c\n"),
        answers(),
    ]);
    let events = play(
        &stage,
        steps,
        vec![
            (says("one"), ENDED),
            (says("two"), ENDED),
            (says("three"), ENDED),
            (Op::Undo { which: loci_protocol::Undo::Newest }, REWOUND),
            (Op::Timeline, TIMELINE),
            (Op::Rewind { turn: 3, files: false, conversation: true }, REWOUND),
            (Op::Timeline, TIMELINE),
        ],
    )
    .await;
    let told: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            Event::TimelineShown { turns } => Some(turns),
            _ => None,
        })
        .map(|turns| {
            let turn = |past: &loci_protocol::PastTurn| {
                assert!(past.at.parse::<jiff::Timestamp>().is_ok(), "{}", past.at);
                let change = |change: &loci_protocol::PastChange| {
                    format!(" {}{}", if change.undone { "-" } else { "+" }, change.paths.join(","))
                };
                let changes: String = past.changes.iter().map(change).collect();
                format!("{} {}{changes}", past.turn, past.prompt)
            };
            turns.iter().map(turn).collect::<Vec<_>>().join("; ")
        })
        .collect();
    assert_eq!(told, ["1 one +a.txt; 2 two; 3 three +b.txt -c.txt", "1 one +a.txt; 2 two"]);
}

#[tokio::test]
async fn a_title_is_kept_and_told() {
    let stage = Stage::new();
    fs::create_dir_all(stage.root().join(".git")).unwrap();
    fs::write(stage.root().join(".git/HEAD"), "ref: refs/heads/side\n").unwrap();
    let rename = |title: &str| Op::Rename { title: title.into() };
    let events = play(
        &stage,
        json!([answers()]),
        vec![
            (rename("first"), RENAMED),
            (says("hello"), ENDED),
            (rename("  The \u{1b}[2Jbetter\none "), RENAMED),
            (Op::Rewind { turn: 1, files: false, conversation: true }, REWOUND),
            (rename(" "), |event| matches!(event, Event::Notice { level: Level::Warning, .. })),
        ],
    )
    .await;
    let better = "The [2Jbetter one";
    assert!(events.contains(&Event::Renamed { title: better.into() }), "{events:?}");
    let path = stage.log_path();
    let loaded = log::read(&path).unwrap();
    assert!(loaded.damage.is_none());
    assert_eq!(log::title(&loaded.records), Some(better));
    let told = story::Story::of(&loaded);
    assert_eq!((told.title.as_deref(), told.branch.as_deref()), (Some(better), Some("side")));
    let folder = path.parent().unwrap();
    let id = path.file_stem().unwrap().to_str().unwrap();
    // From outside: the chain goes on, and the list keeps its order.
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(shelf::rename(folder, id, "third").unwrap(), "third");
    assert!(matches!(shelf::rename(folder, id, "\n"), Err(SessionError::NoTitle)));
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    let summary = resume::list(folder).unwrap().remove(0).summary.unwrap();
    assert_eq!((summary.title.as_deref(), summary.branch.as_deref()), (Some("third"), Some("side")));
    // A copy has the title and the branch, and whoever goes on is told.
    let fork = shelf::fork(folder, id, None).unwrap().session_id;
    let stage = Stage { resume: Some(Resume::Id(fork)), ..stage };
    let events =
        play(&stage, json!([]), vec![(Op::Context, |event| matches!(event, Event::ContextShown(_)))]).await;
    assert!(events.contains(&Event::Renamed { title: "third".into() }), "{events:?}");
    let records = log::read(&folder.join(format!(
        "{}.jsonl",
        match &events[0] {
            Event::SessionStarted { session_id, .. } => session_id.clone(),
            other => panic!("{other:?}"),
        }
    )));
    assert!(
        matches!(&records.unwrap().records[0], Record::Header { branch: Some(branch), .. } if branch == "side")
    );
}

#[tokio::test]
async fn the_window_is_shown_while_a_turn_runs() {
    let stage = Stage::new();
    let provider = Arc::new(Scripted::new(
        Script::from_json(&json!([{"events": [{"text": "a"}, "hang"]}]).to_string()).unwrap(),
    ));
    let mut handle = Session::open(stage.options(provider)).await.unwrap();
    handle.ops.send(says("hello")).await.unwrap();
    let mut next = async |enough: Enough| {
        loop {
            let event = tokio::time::timeout(Duration::from_secs(60), handle.events.recv());
            let event = event.await.unwrap().unwrap();
            if enough(&event) {
                return event;
            }
            assert!(!matches!(event, Event::TurnFinished(_)), "it waited for the end");
        }
    };
    next(|event| matches!(event, Event::TurnStarted { .. })).await;
    handle.ops.send(Op::Context).await.unwrap();
    handle.ops.send(Op::Changes).await.unwrap();
    let (mut window, mut changes) = (false, false);
    while !(window && changes) {
        match next(|event| matches!(event, Event::ContextShown(_) | Event::ChangesShown { .. })).await {
            Event::ContextShown(_) => window = true,
            _ => changes = true,
        }
    }
    handle.close().await;
}
