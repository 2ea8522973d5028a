//! Owns the tests of a session through the binary, with a scripted model.
//! Uses the built binary in a small crate.
//! Never asserts a time.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use super::world::{LIB, PRICE, World};

fn call(name: &str, arguments: Value) -> Value {
    json!({ "events": [{ "call": { "name": name, "arguments": arguments } }] })
}

fn text(words: &str) -> Value {
    json!({ "events": [{ "text": words }] })
}

fn edit() -> Value {
    call("edit", json!({ "path": "src/price.rs", "old": "sum / 10", "new": "sum / 20" }))
}

#[test]
fn the_answer_alone_goes_to_standard_output() {
    let world = World::with_crate();
    let model =
        world.script(&json!([call("where", json!({ "symbol": "Price" })), text("At src/price.rs:5.")]));
    let run = world.loci(&["-p", "where is Price?", "-m", &model]).ended(0);
    assert_eq!(run.out, "At src/price.rs:5.\n");
    assert!(!run.err.contains("where"), "tool lines are for terminals and --verbose: {}", run.err);
    let run = world.loci(&["-p", "where is Price?", "-m", &model, "--verbose"]).ended(0);
    assert_eq!(run.out, "At src/price.rs:5.\n");
    assert!(run.err.contains("• where Price"), "{}", run.err);
}

#[test]
fn json_carries_answer_figures_and_only_real_citations() {
    let world = World::with_crate();
    let model = world.script(&json!([
        call("where", json!({ "symbol": "discount_for" })),
        text("It is at src/price.rs:14 and, as I imagine, at src/fake.rs:99."),
    ]));
    let value = world.loci(&["-p", "where?", "-m", &model, "--output-format", "json"]).ended(0).json();
    assert_eq!(value["type"], "result");
    assert_eq!(value["status"], "completed");
    assert_eq!(value["citations"], json!([{ "path": "src/price.rs", "line": 14 }]));
    assert_eq!(value["tool_calls"], 1);
    assert_eq!(value["changed"], json!([]));
    assert!(value["session_id"].as_str().is_some_and(|id| id.len() > 8), "{value}");
    assert!(
        value["duration_ms"].is_u64()
            && value["usage"]["prompt_tokens"].is_u64()
            && value["failure"].is_null()
    );
}

#[test]
fn stream_json_is_one_event_a_line() {
    let world = World::with_crate();
    let model = world.script(&json!([call("outline", json!({ "path": "src/lib.rs" })), text("A basket.")]));
    let run = world.loci(&["-p", "what is there?", "-m", &model, "--output-format", "stream-json"]).ended(0);
    let kinds: Vec<String> = run
        .json_lines()
        .iter()
        .map(|line| line["type"].as_str().expect("every line has a type").to_owned())
        .filter(|kind| kind != "progress")
        .collect();
    for kind in ["turn_started", "tool_started", "tool_finished", "text_delta", "turn_finished"] {
        assert_eq!(kinds.iter().filter(|found| *found == kind).count(), 1, "{kind}: {kinds:?}");
    }
    assert_eq!(kinds.first().map(String::as_str), Some("session_started"));
    assert_eq!(kinds.last().map(String::as_str), Some("result"));
}

#[test]
fn an_edit_asks_and_without_a_terminal_is_denied_with_a_hint() {
    let world = World::with_crate();
    let model = world.script(&json!([edit(), text("I could not.")]));
    let run = world.loci(&["-p", "halve the discount", "-m", &model]).ended(0);
    assert_eq!(world.read("src/price.rs"), PRICE);
    assert!(run.err.contains("--permission-mode acceptEdits"), "{}", run.err);
}

#[test]
fn an_accepted_edit_changes_the_file_and_undo_restores_it() {
    let world = World::with_crate();
    let model = world.script(&json!([edit(), text("Halved.")]));
    let arguments =
        ["-p", "halve it", "-m", &model, "--permission-mode", "acceptEdits", "--output-format", "json"];
    let value = world.loci(&arguments).ended(0).json();
    assert_eq!(value["changed"], json!(["src/price.rs"]));
    assert_eq!(world.read("src/price.rs"), PRICE.replace("sum / 10", "sum / 20"));
    let run = world.loci(&["undo"]).ended(0);
    assert!(run.out.contains("src/price.rs"), "{}", run.out);
    assert_eq!(world.read("src/price.rs"), PRICE);
    world.loci(&["undo"]).ended(1).explains("no file change");
}

#[test]
fn undo_refuses_what_somebody_else_changed() {
    let world = World::with_crate();
    let model = world.script(&json!([edit(), text("Halved.")]));
    world.loci(&["-p", "halve it", "-m", &model, "--permission-mode", "acceptEdits"]).ended(0);
    world.write("src/price.rs", "// mine\n");
    world.loci(&["undo"]).ended(1).explains("src/price.rs");
    assert_eq!(world.read("src/price.rs"), "// mine\n");
}

#[test]
fn rules_allow_and_deny() {
    let world = World::with_crate();
    let echo = |marker: &str| call("bash", json!({ "command": format!("echo marker > {marker}") }));
    let model = world.script(&json!([echo("allowed.txt"), text("done")]));
    world
        .loci(&["-p", "go", "-m", &model, "--allow", "Bash(echo *)", "--permission-mode", "acceptEdits"])
        .ended(0);
    let model = world.script(&json!([edit(), text("done")]));
    let arguments = ["-p", "go", "-m", &model, "--permission-mode", "acceptEdits", "--deny", "Edit(src/**)"];
    world.loci(&arguments).ended(0);
    assert_eq!(world.read("src/price.rs"), PRICE);
    let arguments = ["-p", "go", "-m", &model, "--permission-mode", "plan"];
    world.loci(&arguments).ended(0);
    assert_eq!(world.read("src/price.rs"), PRICE);
}

#[test]
fn a_session_goes_on_with_continue_and_resume() {
    let world = World::with_crate();
    let first = world.script(&json!([text("Noted.")]));
    let value =
        world.loci(&["-p", "the word is heron", "-m", &first, "--output-format", "json"]).ended(0).json();
    let id = value["session_id"].as_str().expect("an id").to_owned();
    let remembers = json!([{ "expect": { "contains": ["the word is heron", "Noted."] }, "events": [{ "text": "heron" }] }]);
    let model = world.script(&remembers);
    for arguments in [&["--continue"][..], &["--resume", &id], &["--resume", &id[..id.len() - 3]]] {
        let mut all = vec!["-p", "what is the word?", "-m", &model, "--output-format", "json"];
        all.extend(arguments);
        let value = world.loci(&all).ended(0).json();
        assert_eq!(
            (value["answer"].as_str(), value["session_id"].as_str()),
            (Some("heron"), Some(id.as_str()))
        );
    }
    let run = world.loci(&["sessions"]).ended(0);
    assert!(run.out.contains(&id) && run.out.contains("the word is heron"), "{}", run.out);
    let list = world.loci(&["sessions", "--json"]).ended(0).json();
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert_eq!(list[0]["turns"], 4);
}

#[test]
fn a_model_that_repeats_itself_is_stopped() {
    let world = World::with_crate();
    let model =
        world.script(&json!({ "repeat": true, "steps": [call("where", json!({ "symbol": "Price" }))] }));
    let arguments = ["-p", "go", "-m", &model, "--output-format", "json"];
    let run = world.loci(&arguments).ended(1);
    assert_eq!(run.json()["status"], "looping");
    assert!(run.err.contains("same call"), "{}", run.err);
}

#[test]
fn a_turn_ends_at_the_limit_on_steps() {
    let world = World::with_crate();
    let steps: Vec<Value> =
        (1..9).map(|line| call("read", json!({ "path": "src/lib.rs", "start": line }))).collect();
    let model = world.script(&json!(steps));
    let run = world.loci(&["-p", "go", "-m", &model, "--max-turns", "3", "--output-format", "json"]).ended(1);
    assert_eq!(run.json()["status"], "max_turns");
    assert!(run.err.contains("--max-turns"), "{}", run.err);
}

#[test]
fn a_tool_that_fails_or_hangs_does_not_end_the_turn() {
    let world = World::with_crate();
    let model = world.script(&json!([
        call("read", json!({ "path": "no/such/file.rs" })),
        call("bash", json!({ "command": "sleep 600", "timeout": 1 })),
        call("bash", json!({ "command": "exit 3" })),
        text("Three failures, and here I am."),
    ]));
    let run = world.loci(&["-p", "go", "-m", &model, "--permission-mode", "bypassPermissions"]).ended(0);
    assert_eq!(run.out, "Three failures, and here I am.\n");
}

#[test]
fn a_provider_that_fails_is_an_error_with_a_hint() {
    let world = World::with_crate();
    let model = world.script(&json!([{ "events": [{ "error": { "unauthorized": "bad key" } }] }]));
    let run = world.loci(&["-p", "go", "-m", &model]).ended(1);
    assert!(run.err.lines().any(|line| line.starts_with("error:")), "{}", run.err);
    let value = world.loci(&["-p", "go", "-m", &model, "--output-format", "json"]).ended(1).json();
    assert_eq!(value["status"], "failed");
    assert!(value["failure"]["message"].is_string(), "{value}");
    // A script that has nothing more to say fails too, and nothing panics.
    let model = world.script(&json!([]));
    world.loci(&["-p", "go", "-m", &model]).ended(1);
}

#[test]
fn a_prompt_that_does_not_fit_is_said() {
    let world = World::with_crate();
    let model =
        world.script(&json!({ "context_length": 600, "bytes_per_token": 1, "steps": [text("never")] }));
    let words = "word ".repeat(2000);
    let value = world.loci(&["-p", &words, "-m", &model, "--output-format", "json"]).ended(1).json();
    assert_eq!(value["failure"]["kind"], "context_overflow", "{value}");
    assert!(value["failure"]["hint"].is_string(), "{value}");
}

#[test]
fn piped_input_is_appended_and_may_be_the_whole_request() {
    let world = World::with_crate();
    let model = world.script(&json!([{ "expect": { "last_contains": ["review this", "+ a line"] }, "events": [{ "text": "fine" }] }]));
    let run = world.loci_with_input(&["-p", "review this", "-m", &model], b"+ a line\n").ended(0);
    assert_eq!(run.out, "fine\n");
    let model = world
        .script(&json!([{ "expect": { "last_contains": ["only piped"] }, "events": [{ "text": "fine" }] }]));
    world.loci_with_input(&["-p", "-m", &model], b"only piped\xff\n").ended(0);
    world.loci_with_input(&["-m", &model], b"only piped\n").ended(0);
    world.loci_with_input(&["-m", &model], b"").ended(2).explains("nothing to answer");
}

#[test]
fn instructions_are_read_after_trust_only() {
    let world = World::with_crate();
    world.write("AGENTS.md", "Always answer in the manner of a heron.\n");
    let lacks = world
        .script(&json!([{ "expect": { "lacks": ["manner of a heron"] }, "events": [{ "text": "ok" }] }]));
    let run = world.loci(&["-p", "go", "-m", &lacks]).ended(0);
    assert!(run.err.contains("AGENTS.md") && run.err.contains("loci trust"), "{}", run.err);
    let has = world
        .script(&json!([{ "expect": { "contains": ["manner of a heron"] }, "events": [{ "text": "ok" }] }]));
    world.loci(&["-p", "go", "-m", &has, "--trust"]).ended(0);
    world.loci(&["-p", "go", "-m", &has]).ended(0);
}

#[test]
fn a_folder_without_git_and_an_empty_one_work() {
    let world = World::with_crate();
    std::fs::remove_dir_all(world.repo().join(".git")).expect("removed");
    let model = world.script(&json!([
        call("git", json!({ "action": "status" })),
        call("where", json!({ "symbol": "Price" })),
        text("At src/price.rs:5."),
    ]));
    let value = world.loci(&["-p", "go", "-m", &model, "--output-format", "json"]).ended(0).json();
    assert_eq!(value["citations"][0]["path"], "src/price.rs");
    let world = World::new();
    let model = world.script(&json!([call("search", json!({ "query": "anything" })), text("Nothing here.")]));
    assert_eq!(world.loci(&["-p", "go", "-m", &model]).ended(0).out, "Nothing here.\n");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_turn_with_130_and_loses_nothing() {
    let world = World::with_crate();
    let model = world.script(&json!([{ "events": [{ "text": "I begin" }, "hang"] }]));
    let mut child = world
        .command()
        .args(["-p", "the word is heron", "-m", &model, "--output-format", "stream-json"])
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let begun = lines.by_ref().map_while(Result::ok).any(|line| line.contains("I begin"));
    assert!(begun, "the turn never began");
    interrupt(child.id());
    let last = lines.map_while(Result::ok).last().expect("a result");
    assert_eq!(child.wait().expect("ends").code(), Some(130));
    let value: Value = serde_json::from_str(&last).expect("JSON");
    assert_eq!(value["status"], "interrupted");
    let model = world.script(
        &json!([{ "expect": { "contains": ["the word is heron"] }, "events": [{ "text": "heron" }] }]),
    );
    assert_eq!(world.loci(&["-p", "what is it?", "-m", &model, "--continue"]).ended(0).out, "heron\n");
}

#[cfg(unix)]
fn interrupt(process: u32) {
    let status =
        std::process::Command::new("kill").args(["-INT", &process.to_string()]).status().expect("kill runs");
    assert!(status.success());
}

#[cfg(unix)]
#[test]
fn a_killed_session_can_be_continued() {
    let world = World::with_crate();
    let model = world.script(&json!([
        call("where", json!({ "symbol": "Price" })),
        { "events": [{ "text": "half" }, "hang"] },
    ]));
    let mut child = world
        .command()
        .args(["-p", "the word is heron", "-m", &model, "--output-format", "stream-json"])
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line.contains("half")));
    child.kill().expect("killed");
    child.wait().expect("ends");
    let model = world.script(
        &json!([{ "expect": { "contains": ["the word is heron"] }, "events": [{ "text": "heron" }] }]),
    );
    assert_eq!(world.loci(&["-p", "what is it?", "-m", &model, "--continue"]).ended(0).out, "heron\n");
    assert_eq!(world.read("src/lib.rs"), LIB);
}
