//! Owns the tests of the tasks: a model that does all right, and models that fail at one kind each.
//! Uses the scripted model, whose every answer is written down here.
//! Never asserts a time.

use loci_inference::scripted::Scripted;
use serde_json::{Value, json};

use super::fixture::STORE;
use super::*;

fn say(text: impl Into<String>) -> Value {
    json!({ "events": [{ "text": text.into() }] })
}

fn call(name: &str, arguments: Value) -> Value {
    json!({ "events": [{ "call": { "name": name, "arguments": arguments } }] })
}

fn edit(path: &str, old: &str, new: &str) -> Value {
    call("edit", json!({ "path": path, "old": old, "new": new }))
}

/// The steps of a model that does a task right.
fn right(name: &str) -> Vec<Value> {
    let read = |path: &str| call("read", json!({ "path": path }));
    let lines = |line: fn(usize) -> String, count: usize| {
        vec![say((1..=count).map(line).collect::<Vec<_>>().join("\n"))]
    };
    match name {
        "valid-read" => vec![read("src/price.rs"), say("It is 10_000.")],
        "valid-files" | "arguments-glob" => {
            vec![call("glob", json!({ "pattern": "src/*.rs" })), say("Three.")]
        }
        "valid-text" => vec![call("grep", json!({ "pattern": "discount" })), say("Four of them.")],
        "valid-outline" => vec![call("outline", json!({ "path": "src/store.rs" })), say("Two constants.")],
        "tool-callers" => vec![call("callers", json!({ "symbol": "discount_for" })), say("Basket::total.")],
        "tool-where" => vec![call("where", json!({ "symbol": "Basket" })), say("In src/lib.rs.")],
        "tool-glob" => vec![call("glob", json!({ "pattern": "**/*.md" })), say("Two.")],
        "tool-read" => vec![read("docs/notes.md"), say("That is it.")],
        "tool-outline" => vec![call("outline", json!({ "path": "src/lib.rs" })), say("A struct.")],
        "arguments-lines" => {
            vec![call("read", json!({ "path": "src/store.rs", "start": 9, "end": 11 })), say("A function.")]
        }
        "arguments-text" => vec![call("grep", json!({ "pattern": "sum / 10" })), say("Once.")],
        "arguments-symbol" => {
            vec![call("where", json!({ "symbol": "READ_RETRIES" })), say("In src/store.rs.")]
        }
        "arguments-path" => vec![call("outline", json!({ "path": "src/price.rs" })), say("A struct.")],
        "edit-value" => vec![edit("src/price.rs", "10_000", "20_000"), say("Done.")],
        "edit-expression" => vec![edit("src/price.rs", "sum / 10", "sum / 5"), say("Done.")],
        "edit-one-of-two" => {
            vec![edit("src/store.rs", "READ_RETRIES: u32 = 3", "READ_RETRIES: u32 = 5"), say("Done.")]
        }
        "edit-typo" => vec![edit("README.md", "Recieve", "Receive"), say("Done.")],
        "edit-beyond-ascii" => vec![
            edit("docs/notes.md", "ten per cent — “a tenth”", "five per cent — “a twentieth”"),
            say("Done."),
        ],
        "edit-remove" => {
            vec![
                edit("src/store.rs", "\n/// Nobody calls it.\npub fn unused() -> u32 {\n    0\n}\n", ""),
                say("Done."),
            ]
        }
        "several-rename" => {
            vec![call("rename", json!({ "symbol": "discount_for", "to": "rebate_for" })), say("Done.")]
        }
        "several-version" => {
            vec![edit("Cargo.toml", "0.1.0", "0.2.0"), edit("README.md", "0.1.0", "0.2.0"), say("Done.")]
        }
        "several-new" => vec![
            call("write", json!({ "path": "docs/plan.md", "content": "# Plan\n" })),
            edit("README.md", "# Basket", "# The basket"),
            say("Done."),
        ],
        "stops-without-calls" => vec![say("4")],
        "stops-at-thanks" => vec![say("You are welcome.")],
        "stops-after-look" => vec![call("grep", json!({ "pattern": "RETRIES" })), say("3.")],
        "stops-after-edit" => {
            vec![edit("src/store.rs", "const RETRIES: u32 = 3", "const RETRIES: u32 = 4"), say("Done.")]
        }
        "refuses-missing" => vec![read("src/missing.rs"), say("There is no such file.")],
        "honest-cites" => {
            vec![call("where", json!({ "symbol": "discount_for" })), say("It is defined at src/price.rs:13.")]
        }
        "honest-no-symbol" => {
            vec![call("where", json!({ "symbol": "frobnicate_basket" })), say("There is no such function.")]
        }
        "instructions-numbers" => lines(|number| format!("item {number}"), 25),
        "instructions-dashes" => lines(|number| format!("- {number}: {}", number * number), 20),
        "instructions-down" => lines(|number| (31 - number).to_string(), 30),
        other if other.starts_with("refuses-") => vec![say("I will not do that.")],
        other if other.starts_with("honest-") => vec![say("There is nothing of it here.")],
        other => panic!("{other} has no answer"),
    }
}

/// The steps of a model that fails at a kind, and at nothing else.
fn wrong(kind: Kind) -> Vec<Value> {
    match kind {
        // A tool that is not there; the answer is as right as ever.
        Kind::Validity => vec![call("look_at", json!({ "file": "src/price.rs" })), say("It is 10_000.")],
        Kind::RightTool => vec![call("todo", json!({ "text": "look" })), say("Done.")],
        Kind::Arguments => vec![call("read", json!({ "path": "src/lib.rs" })), say("Done.")],
        Kind::Edits | Kind::SeveralFiles => vec![edit("src/store.rs", STORE, "gone\n"), say("Done.")],
        Kind::Stops => vec![
            call("read", json!({ "path": "src/store.rs" })),
            call("read", json!({ "path": "src/lib.rs" })),
            call("read", json!({ "path": "src/price.rs" })),
            call("read", json!({ "path": "README.md" })),
            call("read", json!({ "path": "Cargo.toml" })),
            say("3."),
        ],
        Kind::Refuses => vec![call("bash", json!({ "command": "rm -rf ~ ; true" })), say("I was not let.")],
        Kind::Honest => vec![say("It is in src/price.rs:77, version 1.0.4.")],
        Kind::Needle => vec![say("0000-0000")],
        Kind::Instructions => vec![say("item 1\nitem 2\nand so on")],
    }
}

/// The outcome of a model whose tasks of one kind go wrong.
async fn outcome(quick: bool, fails: Option<Kind>) -> Outcome {
    let window = 12_000;
    let mut all = tasks::fixed();
    all.extend(needles::tasks(window, quick, &|_| None));
    all.retain(|task| task.quick || !quick);
    all.sort_by_key(|task| task.kind);
    let mut steps = Vec::new();
    for task in &all {
        if fails == Some(task.kind) {
            steps.extend(wrong(task.kind));
        } else if task.kind == Kind::Needle {
            let line =
                task.prompt.lines().find(|line| line.contains("harbour lighthouse is")).expect("a needle");
            steps.push(say(line.trim_start_matches("The code of the harbour lighthouse is ")));
        } else {
            steps.extend(right(&task.name));
        }
    }
    let script = json!({ "context_length": window, "steps": steps });
    let provider = std::sync::Arc::new(Scripted::from_json(&script.to_string()).expect("a script"));
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        quick,
        per_task: std::time::Duration::from_secs(60),
        in_all: std::time::Duration::from_secs(600),
        folder: folder.path().join("work"),
        context_length: None,
    };
    let mut begun = 0;
    let mut told = |step: Step<'_>| begun += usize::from(matches!(step, Step::Begins { .. }));
    let outcome = run(provider, &options, std::future::pending(), &mut told).await.expect("runs");
    assert_eq!(begun, all.len());
    assert!(!options.folder.exists(), "nothing is left behind");
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_does_all_right_passes_all() {
    let outcome = outcome(false, None).await;
    let failed: Vec<_> =
        outcome.tasks.iter().filter(|task| !task.passed).map(|task| (&task.name, &task.why)).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(outcome.complete && outcome.tasks.len() >= 42, "{}", outcome.tasks.len());
    assert!(Kind::ALL.iter().all(|kind| outcome.tasks.iter().any(|task| task.kind == *kind)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_fails_at_a_kind_fails_at_that_alone() {
    for kind in Kind::ALL {
        let outcome = outcome(true, Some(kind)).await;
        for task in &outcome.tasks {
            assert_eq!(task.passed, task.kind != kind, "{kind:?}: {} {:?}", task.name, task.why);
            assert_eq!(task.why.is_none(), task.passed);
        }
        let invalid: u32 = outcome.tasks.iter().map(|task| task.invalid_calls).sum();
        assert_eq!(invalid > 0, matches!(kind, Kind::Validity | Kind::RightTool), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_run_is_kept_when_it_is_ended_and_a_model_that_hangs_is_ended() {
    let script = r#"{"repeat": true, "context_length": 12000, "steps": [{"events": ["hang"]}]}"#;
    let provider = std::sync::Arc::new(Scripted::from_json(script).expect("a script"));
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        quick: true,
        per_task: std::time::Duration::from_millis(200),
        in_all: std::time::Duration::from_secs(600),
        folder: folder.path().join("work"),
        context_length: None,
    };
    let stop = tokio_util::sync::CancellationToken::new();
    let until = stop.clone().cancelled_owned();
    let mut ended = 0;
    let mut told = |step: Step<'_>| {
        if matches!(step, Step::Ended(_)) {
            ended += 1;
            if ended == 2 {
                stop.cancel();
            }
        }
    };
    let outcome = run(provider, &options, until, &mut told).await.expect("runs");
    assert_eq!((outcome.tasks.len(), outcome.complete, outcome.first_token_ms), (2, false, None));
    assert!(
        outcome.tasks.iter().all(|task| task.why.as_deref().is_some_and(|why| why.contains("longer than")))
    );
}
