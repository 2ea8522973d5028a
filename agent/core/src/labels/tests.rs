use loci_inference::provider::ToolCall;
use loci_protocol::Location;

use super::*;
use crate::session::log::UsedModel;

fn labels() -> Labels {
    let context = Context {
        root: "/srv/repo".into(),
        cwd: "/srv/repo".into(),
        home: "/home/dev".into(),
        ..Context::default()
    };
    let settings = Settings {
        never_leaves: vec![NeverLeaves { pattern: "secrets/**".into(), origin: "test".into() }],
        ..Settings::default()
    };
    Labels::of(&settings, &Places::below(Path::new("/home/dev")), &context)
}

fn intent(id: &str, tool: &str, input: Value) -> Record {
    Record::Intent { call_id: id.into(), tool: tool.into(), input, why: String::new() }
}

fn failed(id: &str, tool: &str, text: &str) -> Record {
    match outcome(id, tool, text, None) {
        Record::Outcome(outcome) => Record::Outcome(Box::new(LoggedOutcome { ok: false, ..*outcome })),
        other => other,
    }
}

fn outcome(id: &str, tool: &str, text: &str, path: Option<&str>) -> Record {
    let locations = path.map(|path| Location { path: path.into(), line: 1 }).into_iter().collect();
    Record::Outcome(Box::new(LoggedOutcome {
        call_id: id.into(),
        tool: tool.into(),
        ok: true,
        text: text.into(),
        brief: text.into(),
        locations,
        ..LoggedOutcome::default()
    }))
}

fn says(text: &str, calls: &[(&str, &str, Value)]) -> Record {
    let calls = calls.iter().map(|(id, name, arguments)| ToolCall {
        id: (*id).into(),
        name: (*name).into(),
        arguments: arguments.as_object().cloned().unwrap_or_default(),
    });
    Record::Assistant { turn: 1, text: text.into(), reasoning: Some(text.into()), calls: calls.collect() }
}

fn model(local: bool) -> Record {
    Record::Model(Box::new(UsedModel { local, ..UsedModel::default() }))
}

#[test]
fn what_came_from_such_a_path_is_found() {
    let labels = labels();
    let check = |record: Record, expect: Option<&str>| {
        assert_eq!(labels.first(&[record]).as_deref(), expect);
    };
    check(intent("1", "read", json!({ "path": "secrets/key" })), Some("secrets/key"));
    check(intent("1", "read", json!({ "path": "src/lib.rs" })), None);
    check(intent("1", "bash", json!({ "command": "head -c 9 secrets/key" })), Some("head -c 9 secrets/key"));
    check(intent("1", "bash", json!({ "command": "ls src" })), None);
    check(outcome("1", "grep", "x", Some("secrets/a")), Some("secrets/a"));
    check(outcome("1", "grep", "x", Some("src/a")), None);
    assert_eq!(Labels::default().first(&[outcome("1", "grep", "x", Some("secrets/a"))]), None);
}

#[test]
fn only_policy_and_choice_bind_a_session() {
    let records = [intent("1", "read", json!({ "path": "secrets/key" }))];
    assert_eq!(labels().bound(&records), None, "it goes on with stubs");
    let strict = Labels { strict: labels().rules.deny.clone(), ..labels() };
    assert_eq!(strict.bound(&records).as_deref(), Some("secrets/key"));
    assert_eq!(strict.bound(&[intent("1", "read", json!({ "path": "src/key" }))]), None);
}

#[test]
fn the_view_holds_nothing_of_it() {
    let read = |id: &str, path: &str| intent(id, "read", json!({ "path": path }));
    let records = vec![
        model(true),
        Record::Prompt { turn: 1, text: "look".into() },
        says("I look", &[("a", "read", json!({ "path": "secrets/key" }))]),
        read("a", "secrets/key"),
        outcome("a", "read", "stone-corner", None),
        says("the word is stone and then corner", &[("b", "bash", json!({ "command": "echo stone" }))]),
        intent("b", "bash", json!({ "command": "echo stone" })),
        outcome("b", "bash", "stone", None),
        says("", &[("c", "read", json!({ "path": "src/a" }))]),
        read("c", "src/a"),
        outcome("c", "read", "free words", Some("src/a")),
        says(
            "",
            &[("d", "grep", json!({ "pattern": "granite" })), ("e", "read", json!({ "path": "granite" }))],
        ),
        intent("d", "grep", json!({ "pattern": "granite" })),
        outcome("d", "grep", "no matches for granite", None),
        intent("e", "read", json!({ "path": "granite" })),
        failed("e", "read", "granite: there is no such file"),
        says("stone", &[]),
        model(false),
        Record::Prompt { turn: 2, text: "and now".into() },
        says("elsewhere it says this", &[]),
        model(true),
        says("stone again", &[]),
    ];
    let view = labels().view(&records, &Prints::default());
    assert_eq!(view.len(), records.len(), "one record stands for one");
    let shown = serde_json::to_string(&view).expect("plain data");
    assert!(!shown.contains("stone") && !shown.contains("granite"), "{shown}");
    for kept in ["I look", "secrets/key", "free words", "and now", "elsewhere it says this", "1 line]"] {
        assert!(shown.contains(kept), "{kept} is gone: {shown}");
    }
    let raw =
        serde_json::to_string(&Labels::default().view(&records, &Prints::default())).expect("plain data");
    assert!(raw.contains("stone-corner"), "the control");
    // Back to before it was read, nothing is held.
    let mut back = records;
    back.push(Record::Rewound { turn: 1 });
    back.push(says("a stone", &[]));
    let shown = serde_json::to_string(&labels().view(&back, &Prints::default())).expect("plain data");
    assert!(shown.contains("a stone"));
}

#[test]
fn what_a_command_printed_is_known_again() {
    let labels = labels();
    let records = [
        intent("a", "bash", json!({ "command": "tr a-z A-Z < secrets/key" })),
        outcome("a", "bash", "secrets/key:3: SECRET-WORDS-42-LONG\nexit code 0 after 0.1 s", None),
        intent("b", "bash", json!({ "command": "ls" })),
        outcome("b", "bash", "free-words-that-are-long", None),
    ];
    let prints = Prints::default();
    for text in labels.printed(&records) {
        prints.take_shown(&labels, text);
    }
    let check = |text: &str, expect: usize| assert_eq!(prints.clean(text).1, expect, "{text}");
    check("it is SECRET-WORDS-42-LONG", 1);
    check("free-words-that-are-long", 0);
    check("secrets/key", 0);
    check("exit code 0 after 0.1 s", 0);
}

#[test]
fn files_are_known_by_their_pieces_as_they_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("resolves");
    std::fs::create_dir_all(root.join("secrets/deep")).expect("created");
    std::fs::create_dir_all(root.join(".git")).expect("created");
    std::fs::write(root.join(".gitignore"), "secrets/\n").expect("written");
    std::fs::write(root.join("secrets/deep/key"), "first-value-0123456789").expect("written");
    std::fs::write(root.join("free"), "free-value-0123456789").expect("written");
    let context = Context { root: root.clone(), cwd: root.clone(), home: root.clone(), ..Context::default() };
    let settings = Settings {
        never_leaves: vec![NeverLeaves { pattern: "secrets/**".into(), origin: "test".into() }],
        ..Settings::default()
    };
    let labels = Labels::of(&settings, &Places::below(&root), &context);
    let prints = Prints::default();
    assert_eq!(prints.look(&labels), 0);
    let check = |text: &str, expect: usize| assert_eq!(prints.clean(text).1, expect, "{text}");
    check("is it first-value-01?", 1);
    check("free-value-01", 0);
    let before = prints.generation();
    prints.look(&labels);
    assert_eq!(prints.generation(), before, "nothing was read again");
    std::fs::write(root.join("secrets/deep/key"), "second-worth-9876543210 and more").expect("written");
    prints.look(&labels);
    // What it was is not forgotten.
    check("first-value-0123", 1);
    check("second-worth-98", 1);
    assert!(prints.knows(b"first-value-0123456789") && !prints.knows(b"free-value-0123456789"));
}
