//! The tools that start programs, and those that ask people.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::json;

use super::{Ask, Outcome, Project, ProjectTask};

#[test]
fn commands() {
    let project = Project::new(&[("src/a.rs", b"one\ntwo\n")]);
    project.brief("bash", json!({ "command": "echo one; echo two" }), "exit 0: two");
    project.brief("bash", json!({ "command": "echo bad >&2; exit 3" }), "exit 3: bad");
    project.brief("bash", json!({ "command": "true" }), "exit 0");
    project.brief("bash", json!({ "command": "sleep 30", "timeout": 1 }), "timed out");
    project.brief("bash", json!({ "command": " " }), "failed: `command` is empty");
    let outcome = project.call(
        "bash",
        json!({ "command": "echo 'thread panicked at src/a.rs:2:5'; echo 'other src/none.rs:3'; exit 1" }),
    );
    assert_eq!(outcome.locations, [loci_protocol::Location { path: "src/a.rs".into(), line: 2 }]);
    let outcome = project.call("bash", json!({ "command": "seq 1 5000" }));
    assert_eq!(outcome.brief, "exit 0: 5000");
    assert!(outcome.text.contains("left out") && outcome.text.contains("whole output: "), "{}", outcome.text);
    assert!(outcome.text.len() < 20_000);
    project.brief(
        "bash",
        json!({ "command": "pwd" }),
        &format!("exit 0: {}", project.context.workspace.root().display()),
    );
}

#[test]
fn a_command_may_have_a_terminal() {
    let project = Project::new(&[]);
    let command = "test -t 0 && test -t 1 && echo terminal || echo none";
    project.brief("bash", json!({ "command": command }), "exit 0: none");
    project.brief("bash", json!({ "command": command, "tty": true }), "exit 0: terminal");
    project.brief("bash", json!({ "command": "cat; echo over", "tty": true }), "exit 0: over");
}

#[test]
fn commands_in_the_background() {
    let project = Project::new(&[]);
    project.brief("jobs", json!({ "action": "list" }), "nothing runs in the background");
    project.brief("jobs", json!({ "action": "output" }), "failed: `id` is missing");
    project.brief(
        "jobs",
        json!({ "action": "look" }),
        "failed: `action` must be list, output or kill, not look",
    );
    for action in ["output", "kill"] {
        let none = "failed: there is no background command b1; there are none";
        project.brief("jobs", json!({ "action": action, "id": "b1" }), none);
    }
    // They live on the runtime of the session, so one serves for all calls here.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let call = |name: &str, input: serde_json::Value| {
        let tool = super::all().into_iter().find(|tool| tool.name() == name).expect("exists");
        runtime.block_on(tool.run(input, &project.context))
    };
    let line = "echo up; while [ ! -e go ]; do sleep 0.01; done; seq 1 5000; exit 3";
    let outcome = call("bash", json!({ "command": line, "run_in_background": true }));
    assert_eq!(outcome.brief, "started in the background as b1");
    assert!(outcome.text.contains("Undo does not cover"), "{}", outcome.text);
    let running = call("jobs", json!({ "action": "list" }));
    assert_eq!(running.brief, "1 of 1 command running");
    assert!(
        running.text.contains("b1 runs since ") && running.text.contains("$ echo up; "),
        "{}",
        running.text
    );
    super::put(&project.path("go"), b"");
    let ended = call("jobs", json!({ "action": "output", "id": "b1", "timeout": 60 }));
    assert!(ended.brief.starts_with("b1 has ended: exit code 3 after "), "{}", ended.brief);
    assert!(ended.brief.ends_with(": 5000") && ended.text.starts_with("up\n"), "{}", ended.text);
    assert!(ended.text.contains("left out") && ended.text.contains("whole output: "), "{}", ended.text);
    assert_eq!(std::fs::read_to_string(ended.whole.expect("kept")).expect("readable").lines().count(), 5001);
    let again = call("jobs", json!({ "action": "output", "id": "b1" }));
    assert!(again.text.starts_with("(no new output)\nb1 has ended: exit code 3"), "{}", again.text);

    let line =
        json!({ "command": "tty -s && echo tty; sleep 1000", "run_in_background": "true", "tty": true });
    assert_eq!(call("bash", line).brief, "started in the background as b2");
    let killed = call("jobs", json!({ "action": "kill", "id": "b2" }));
    assert!(killed.text.contains("b2 has ended: killed after "), "{}", killed.text);
    let over = call("bash", json!({ "command": "sleep 1000", "run_in_background": true, "timeout": 1 }));
    assert_eq!(over.brief, "started in the background as b3");
    let over = call("jobs", json!({ "action": "output", "id": "b3", "timeout": 60 }));
    assert!(over.text.contains("b3 has ended: timed out after "), "{}", over.text);
    assert_eq!(call("jobs", json!({ "action": "list" })).brief, "0 of 3 commands running");
}

#[test]
fn rules_see_whether_a_command_stays() {
    let project = Project::new(&[]);
    let tool = super::all().into_iter().find(|tool| tool.name() == "bash").expect("exists");
    let check = |input: serde_json::Value, expect: serde_json::Value| {
        let accesses = tool.access(&input, &project.context).expect("is usable");
        assert_eq!((accesses.len(), &accesses[0].input), (1, &expect), "{input}");
    };
    check(json!({ "command": "x" }), json!({ "command": "x" }));
    check(
        json!({ "command": "x", "run_in_background": true }),
        json!({ "command": "x", "run_in_background": true }),
    );
    check(
        json!({ "command": "x", "run_in_background": "TRUE" }),
        json!({ "command": "x", "run_in_background": true }),
    );
    check(
        json!({ "command": "x", "run_in_background": false }),
        json!({ "command": "x", "run_in_background": false }),
    );
}

#[test]
fn tasks() {
    let mut project = Project::new(&[]);
    project.brief(
        "run",
        json!({ "task": "test" }),
        "failed: this project has no known command for test; use bash, or name one in the configuration",
    );
    project.context.tasks = Arc::new(vec![ProjectTask { name: "test".into(), command: "echo ran".into() }]);
    project.brief("run", json!({ "task": "test" }), "exit 0: ran");
    project.brief("run", json!({ "task": "test", "filter": "a b; exit 9" }), "exit 0: ran a b; exit 9");
    project.brief(
        "run",
        json!({ "task": "lint" }),
        "failed: this project has no known command for lint, only for test",
    );
    let tool = super::all().into_iter().find(|tool| tool.name() == "run").expect("exists");
    let accesses =
        tool.access(&json!({ "task": "test", "filter": "$(x)" }), &project.context).expect("is usable");
    assert_eq!((accesses[0].tool, accesses[0].input["command"].as_str()), ("Bash", Some("echo ran '$(x)'")));
}

#[test]
fn git() {
    let project = Project::new(&[("a.txt", b"one\n")]);
    project.brief("git", json!({ "action": "status" }), "failed: this is not a git repository");
    for command in ["git init -q -b main .", "git config user.email a@b.c && git config user.name Ann"] {
        assert!(project.call("bash", json!({ "command": command })).ok);
    }
    project.brief("git", json!({ "action": "log" }), "failed: this repository has no commits yet");
    project.brief("git", json!({ "action": "status" }), "status: 1 changed");
    let outcome = project.call("git", json!({ "action": "commit", "message": "First 'one'" }));
    assert!(
        outcome.ok
            && outcome.brief.starts_with("committed ")
            && outcome.brief.len() == "committed 1234567".len(),
        "{}",
        outcome.text
    );
    project.brief(
        "git",
        json!({ "action": "commit", "message": "again" }),
        "failed: there is nothing to commit",
    );
    project.brief("git", json!({ "action": "log" }), "log: 1 commit");
    project.brief("git", json!({ "action": "diff" }), "diff: 0 files");
    super::put(&project.path("a.txt"), b"one\ntwo\n");
    project.brief("git", json!({ "action": "diff" }), "diff: 1 file");
    project.brief("git", json!({ "action": "diff", "path": "a.txt", "revision": "HEAD" }), "diff: 1 file");
    project.brief(
        "git",
        json!({ "action": "diff", "revision": "nonsense" }),
        "failed: ambiguous argument 'nonsense': unknown revision or path not in the working tree.",
    );
    project.brief(
        "git",
        json!({ "action": "diff", "revision": "--output=x" }),
        "failed: --output=x is not a revision",
    );
    let outcome = project.call("git", json!({ "action": "blame", "path": "a.txt", "line": 1 }));
    assert!(
        outcome.brief.starts_with("blame: a.txt:1 ") && outcome.brief.ends_with(" Ann"),
        "{}",
        outcome.brief
    );
    project.brief("git", json!({ "action": "blame" }), "failed: `path` is missing: blame needs a file");
    project.brief("git", json!({ "action": "log", "revision": "yesterday" }), "log: 1 commit");
    // What is staged is what is committed.
    super::put(&project.path("b.txt"), b"b\n");
    assert!(project.call("bash", json!({ "command": "git add b.txt" })).ok);
    assert!(project.call("git", json!({ "action": "commit", "message": "Add b" })).ok);
    project.brief("git", json!({ "action": "status" }), "status: 1 changed");
    let tool = super::all().into_iter().find(|tool| tool.name() == "git").expect("exists");
    let command =
        |input| tool.access(&input, &project.context).expect("is usable")[0].input["command"].clone();
    assert_eq!(
        command(json!({ "action": "commit", "message": "it's" })),
        r"git add -A && git commit -m 'it'\''s'"
    );
    assert_eq!(command(json!({ "action": "diff", "path": "a b" })), "git diff -- 'a b'");
    assert!(tool.changes(&json!({ "action": "commit" })) && !tool.changes(&json!({ "action": "log" })));
}

#[test]
fn a_repository_cannot_run_programs_by_being_read() {
    let project = Project::new(&[("a.txt", b"one\n"), (".gitattributes", b"*.txt diff=evil filter=evil\n")]);
    let setup = "git init -q -b main . && git config user.email a@b.c && git config user.name Ann && git add -A && git commit -q -m x \
                 && git config core.fsmonitor 'touch pwned' && git config diff.external 'touch pwned' && git config diff.evil.textconv 'touch pwned' \
                 && git config core.pager 'touch pwned' && echo two >> a.txt";
    assert!(project.call("bash", json!({ "command": setup })).ok);
    for action in ["status", "diff", "log"] {
        assert!(project.call("git", json!({ "action": action })).ok, "{action}");
        assert!(!project.path("pwned").exists(), "{action}");
    }
}

struct Answers(Option<&'static str>);

impl Ask for Answers {
    fn ask(&self, question: String, options: Vec<String>) -> BoxFuture<'_, Option<String>> {
        assert_eq!((question.as_str(), options.len()), ("Which?", 2));
        Box::pin(async move { self.0.map(str::to_owned) })
    }
}

#[test]
fn questions_to_people() {
    let mut project = Project::new(&[]);
    let ask = |project: &Project| -> Outcome {
        project.call("ask_user", json!({ "question": "Which?", "options": "a | b |" }))
    };
    assert!(ask(&project).text.contains("decide yourself"));
    project.context.ask = Some(Arc::new(Answers(Some("the\nsecond"))));
    assert_eq!(ask(&project).brief, "answer: the second");
    project.context.ask = Some(Arc::new(Answers(None)));
    assert!(!ask(&project).ok);
}

#[test]
fn the_list() {
    let project = Project::new(&[]);
    project.brief("todo", json!({ "action": "list" }), "0 items");
    project.brief("todo", json!({ "action": "add", "text": "write docs" }), "added");
    project.brief("todo", json!({ "action": "done", "text": "docs" }), "done");
    project.brief("todo", json!({ "action": "list" }), "1 item");
}
