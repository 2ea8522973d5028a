//! Owns the tests of commands that the user typed behind `!`.
//! Uses the stage, and real commands in its folder.
//! Never needs a sandbox: these stages have none.

use loci_protocol::{PermissionMode, TurnStatus, Undo};

use super::*;

/// Send these one after the other, each when what the one before set off is over.
async fn run(stage: &Stage, script: Value, ops: Vec<Op>) -> Run {
    let provider = Arc::new(Scripted::new(Script::from_json(&script.to_string()).unwrap()));
    let mut handle = Session::open(stage.options(provider.clone())).await.unwrap();
    let mut events = Vec::new();
    for op in ops {
        handle.ops.send(op).await.unwrap();
        loop {
            let event =
                tokio::time::timeout(Duration::from_secs(60), handle.events.recv()).await.unwrap().unwrap();
            let over = matches!(event, Event::TurnFinished(_) | Event::Rewound { .. });
            events.push(event);
            if over {
                break;
            }
        }
    }
    handle.close().await;
    Run { events, requests: provider.requests() }
}

fn typed(command: &str) -> Op {
    Op::Shell { command: command.into() }
}

fn asked(text: &str) -> Op {
    Op::Prompt { text: text.into() }
}

#[tokio::test]
async fn a_typed_command_runs_without_a_model_and_without_a_question() {
    let mut stage = Stage::new();
    stage.interactive = true;
    // What a small model reads of it is less than what the user sees.
    let small = run(&stage, json!({"grounded": true}), vec![typed("printf 'one\\ntwo'")]).await;
    assert!(small.outputs()[0].starts_with("one\ntwo\nexit code 0"), "{:?}", small.outputs());
    // The mode is about the model's calls.
    for mode in [PermissionMode::Default, PermissionMode::Plan, PermissionMode::DontAsk] {
        stage.settings.permission_mode = mode;
        let run = run(&stage, json!([]), vec![typed(" printf 'one\\ntwo'; exit 3 ")]).await;
        assert!(run.outputs()[0].starts_with("one\ntwo\nexit code 3"), "{mode:?}: {:?}", run.outputs());
        assert!(run.requests.is_empty());
        assert_eq!(run.report().status, TurnStatus::Completed);
        let started = run.events.iter().find_map(|event| match event {
            Event::ToolStarted { tool, summary, .. } => Some((tool.as_str(), summary.as_str())),
            Event::ApprovalRequested { .. } => panic!("asked in {mode:?}"),
            _ => None,
        });
        assert_eq!(started, Some(("bash", "! printf 'one\\ntwo'; exit 3")));
    }
}

#[tokio::test]
async fn the_model_reads_it_with_the_next_prompt_and_after_a_resume() {
    let mut stage = Stage::new();
    let answer = json!([
        {"expect": {"contains": ["!echo from-the-user", "from-the-user\nexit code 0", "what did I do?"]},
         "events": [{"text": "You ran echo."}]},
    ]);
    run(&stage, answer.clone(), vec![typed("echo from-the-user"), asked("what did I do?")]).await;
    let first = run(&stage, json!([]), vec![typed("echo from-the-user")]).await;
    assert_eq!(first.report().turn, 1);
    stage.resume = Some(Resume::Latest);
    let later = run(&stage, answer, vec![asked("what did I do?")]).await;
    assert_eq!((later.report().turn, later.report().status), (2, TurnStatus::Completed));
    assert_eq!(later.requests.len(), 1);
}

#[tokio::test]
async fn what_it_changed_can_be_taken_back() {
    let stage = Stage::new();
    let ops = vec![typed("echo more >> a.txt"), Op::Undo { which: Undo::Newest }];
    let run = run(&stage, json!([]), ops).await;
    assert_eq!(run.report().changed, ["a.txt"]);
    assert!(
        run.events.iter().any(|event| matches!(event, Event::Rewound { paths, .. } if paths == &["a.txt"]))
    );
    assert_eq!(std::fs::read_to_string(stage.root().join("a.txt")).unwrap(), "alpha\nbeta\n");
}

#[tokio::test]
async fn what_a_rule_denies_does_not_run() {
    let mut stage = Stage::new();
    stage.settings.rules.deny = vec!["Bash(touch *)".into()];
    let ops = vec![typed("touch denied.txt"), typed("mkdir allowed")];
    let run = run(&stage, json!([]), ops).await;
    assert!(run.outputs()[0].contains("denied by the permission rules"), "{:?}", run.outputs());
    assert!(!stage.root().join("denied.txt").exists());
    assert!(stage.root().join("allowed").is_dir(), "{:?}", run.outputs());
}

#[tokio::test]
async fn it_is_interrupted_and_an_empty_one_is_refused() {
    let stage = Stage::new();
    let provider = Arc::new(Scripted::new(Script::from_json("[]").unwrap()));
    let mut handle = Session::open(stage.options(provider)).await.unwrap();
    handle.ops.send(typed("  ")).await.unwrap();
    handle.ops.send(typed("sleep 3600")).await.unwrap();
    let (mut refused, mut status) = (false, None);
    while status.is_none() {
        let event =
            tokio::time::timeout(Duration::from_secs(60), handle.events.recv()).await.unwrap().unwrap();
        match event {
            Event::Notice { message, .. } => refused |= message.contains("no command behind the `!`"),
            Event::ToolStarted { .. } => handle.ops.send(Op::Interrupt).await.unwrap(),
            Event::TurnFinished(report) => status = Some(report.status),
            _ => {}
        }
    }
    assert_eq!((refused, status), (true, Some(TurnStatus::Interrupted)));
    handle.close().await;
}
