//! Owns the tests of `loci sessions`: list, show, fork, rename, export, rm; and of a session on a disk that is full.
//! Uses the built binary with a scripted model.
//! Never asserts a time.

use std::path::PathBuf;

use loci_core::config::Places;
use serde_json::{Value, json};

use super::world::{PRICE, World};

fn call(name: &str, arguments: Value) -> Value {
    json!({ "events": [{ "call": { "name": name, "arguments": arguments } }] })
}

fn text(words: &str) -> Value {
    json!({ "events": [{ "text": words }] })
}

const TOKEN: &str = "ghp_Zx81vQ0aLk3mNw7Tb5Yc2Rd9Ue4Sf6Hg1Jk0";

/// A session of three turns: a question, an edit, and something that is said of a token.
fn session(world: &World) -> String {
    let turns = [
        (json!([call("where", json!({ "symbol": "Price" })), text("At src/price.rs:5.")]), "where is Price?"),
        (
            json!([
                call("edit", json!({ "path": "src/price.rs", "old": "sum / 10", "new": "sum / 20" })),
                call("read", json!({ "path": "missing.rs" })),
                text("Halved."),
            ]),
            "halve the discount",
        ),
        (json!([text("Noted.")]), "the token is"),
    ];
    let mut id = String::new();
    for (at, (steps, prompt)) in turns.into_iter().enumerate() {
        let model = world.script(&steps);
        let prompt = if at == 2 { format!("{prompt} {TOKEN}") } else { prompt.to_owned() };
        let mut arguments =
            vec!["-p", &prompt, "-m", &model, "--permission-mode", "acceptEdits", "--output-format", "json"];
        if at > 0 {
            arguments.push("--continue");
        }
        let value = world.loci(&arguments).ended(0).json();
        id = value["session_id"].as_str().expect("an id").to_owned();
    }
    id
}

fn folder(world: &World) -> PathBuf {
    let sessions = world.home().join(".local/share/loci/sessions");
    sessions.join(Places::project_key(&world.repo()))
}

#[test]
fn a_session_is_listed_and_shown() {
    let world = World::with_crate();
    world.loci(&["sessions", "show"]).ended(1).explains("no sessions in this project");
    assert_eq!(world.loci(&["sessions", "list", "--json"]).ended(0).json(), json!([]));
    let id = session(&world);
    for arguments in [&["sessions"][..], &["sessions", "list"], &["sessions", "--all-projects"]] {
        let run = world.loci(arguments).ended(0);
        assert!(run.out.contains(&id) && run.out.contains("where is Price?"), "{}", run.out);
    }
    let elsewhere = world.home();
    let elsewhere = elsewhere.to_str().expect("UTF-8");
    let run = world.loci(&["-C", elsewhere, "sessions"]).ended(0);
    assert!(!run.out.contains(&id), "{}", run.out);
    let run = world.loci(&["-C", elsewhere, "sessions", "list", "--all-projects"]).ended(0);
    let repo = world.repo().display().to_string();
    assert!(run.out.contains(&id) && run.out.contains(&repo), "{}", run.out);

    let run = world.loci(&["sessions", "show", &id[..30]]).ended(0);
    for words in [
        &id,
        "3 prompts",
        "3 calls",
        "changed src/price.rs",
        "halve the discount",
        "✓ edit src/price.rs",
        "✗ read missing.rs",
        "Halved.",
    ] {
        assert!(run.out.contains(words), "{words} is missing:\n{}", run.out);
    }
    let value = world.loci(&["sessions", "show", "--json"]).ended(0).json();
    assert_eq!(value["in_use"], false);
    assert_eq!(value["session"]["turns"][1]["changed"], json!(["src/price.rs"]));
    assert_eq!(value["session"]["turns"][1]["calls"][1]["ok"], false);
    world.loci(&["sessions", "show", "0000"]).ended(2).explains("no session 0000");
}

#[test]
fn a_fork_knows_what_was_said_before_and_nothing_after() {
    let world = World::with_crate();
    let id = session(&world);
    let log = folder(&world).join(format!("{id}.jsonl"));
    let before = std::fs::read(&log).expect("readable");
    let value = world.loci(&["sessions", "fork", &id, "--turn", "2", "--json"]).ended(0).json();
    let fork = value["id"].as_str().expect("an id").to_owned();
    assert_eq!(value["forked_from"], json!({ "session_id": id, "turn": 2 }));
    assert_eq!(std::fs::read(&log).expect("readable"), before);
    let model = world.script(&json!([{
        "expect": { "contains": ["where is Price?", "Halved."], "lacks": ["the token is"] },
        "events": [{ "text": "I know." }],
    }]));
    let run = world.loci(&["-p", "what now?", "-m", &model, "--resume", &fork]).ended(0);
    assert_eq!(run.out, "I know.\n");
    let run = world.loci(&["sessions", "show", &fork]).ended(0);
    assert!(run.out.contains(&format!("forked from {id} after turn 2")), "{}", run.out);
    let whole = world.loci(&["sessions", "fork", &id]).ended(0);
    assert!(whole.out.contains("after turn 3") && whole.out.contains("loci --resume"), "{}", whole.out);
    world.loci(&["sessions", "fork", &id, "--turn", "9"]).ended(2).explains("there is no turn 9");
}

#[test]
fn a_session_is_given_a_title() {
    let world = World::with_crate();
    let first = session(&world);
    let model = world.script(&json!([text("Hello.")]));
    let newest = world.loci(&["-p", "hello", "-m", &model, "--output-format", "json"]).ended(0).json();
    let run = world.loci(&["sessions", "rename", &first, "The \u{1b}[31mdiscount", "and its tests"]).ended(0);
    assert!(run.out.contains("The [31mdiscount and its tests"), "{}", run.out);
    let list = world.loci(&["sessions", "list", "--json"]).ended(0).json();
    // The one that was spoken to last is still the newest.
    assert_eq!((&list[0]["id"], &list[1]["id"]), (&newest["session_id"], &json!(first)));
    assert_eq!(list[1]["title"], "The [31mdiscount and its tests");
    assert_eq!(list[0]["title"], Value::Null);
    for arguments in [&["sessions"][..], &["sessions", "show", &first], &["sessions", "export", &first]] {
        let run = world.loci(arguments).ended(0);
        assert!(run.out.contains("discount and its tests"), "{arguments:?}: {}", run.out);
    }
    world.loci(&["sessions", "rename", &first, " "]).ended(2).explains("at least one word");
    world.loci(&["sessions", "rename", "nonsense", "x"]).ended(2).explains("no session nonsense");
    world.loci(&["--resume"]).ended(2).explains("no session is named");
    world.loci(&["--resume", &first, "-p", "again", "-m", &model]).ended(0);
}

#[test]
fn an_export_has_everything_but_secrets() {
    let world = World::with_crate();
    session(&world);
    for format in ["md", "json", "jsonl"] {
        let run = world.loci(&["sessions", "export", "--format", format]).ended(0);
        assert!(!run.out.contains(TOKEN) && run.out.contains("[redacted: "), "{format}: {}", run.out);
        assert!(run.err.contains("left out"), "{format}: {}", run.err);
        assert!(
            run.out.contains("halve the discount") && run.out.contains("Halved."),
            "{format}: {}",
            run.out
        );
    }
    let run = world.loci(&["sessions", "export"]).ended(0);
    assert!(run.out.starts_with("# Session ") && run.out.contains("\n```diff\n"), "{}", run.out);
    let value = world.loci(&["sessions", "export", "--format", "json"]).ended(0).json();
    assert_eq!(value["turns"].as_array().map(Vec::len), Some(3));
    let lines = world.loci(&["sessions", "export", "--format", "jsonl"]).ended(0).json_lines();
    assert!(lines.iter().all(|line| line["type"].is_string() && line["at"].is_string()));
    assert_eq!(lines.iter().filter(|line| line["type"] == "prompt").count(), 3);
    // Positive control: the log itself has it.
    let id = world.loci(&["sessions", "--json"]).ended(0).json()[0]["id"].as_str().expect("an id").to_owned();
    let log = std::fs::read_to_string(folder(&world).join(format!("{id}.jsonl"))).expect("readable");
    assert!(log.contains(TOKEN));
}

#[test]
fn removed_sessions_lie_in_the_trash() {
    let world = World::with_crate();
    let id = session(&world);
    let other = session(&world);
    world.loci(&["recall", "discount"]).ended(0);
    // A damaged tail belongs to its session.
    let tail = folder(&world).join(format!("{id}.damaged-1"));
    std::fs::write(&tail, "torn").expect("written");
    world.loci(&["sessions", "rm", &id]).ended(2).explains("nobody is there to say");
    world.loci(&["sessions", "rm", "--yes", "0000"]).ended(2).explains("no session 0000");
    assert!(folder(&world).join(format!("{id}.jsonl")).exists());
    let run = world.loci(&["sessions", "rm", "--yes", &id]).ended(0);
    assert!(run.out.contains("trash"), "{}", run.out);
    let trash = folder(&world).join("trash");
    assert!(trash.join(format!("{id}.jsonl")).is_file() && !tail.exists());
    assert_eq!(std::fs::read_to_string(trash.join(format!("{id}.damaged-1"))).expect("there"), "torn");
    let run = world.loci(&["sessions"]).ended(0);
    assert!(!run.out.contains(&id) && run.out.contains(&other), "{}", run.out);
    let run = world.loci(&["recall", "discount", "--json"]).ended(0);
    assert!(!run.out.contains(&id) && run.out.contains(&other), "{}", run.out);
    world.loci(&["-p", "x", "--resume", &id]).ended(2).explains("no session");
}

#[cfg(unix)]
#[test]
fn a_session_in_use_is_not_removed() {
    use std::io::{BufRead, BufReader};
    let world = World::with_crate();
    let model = world.script(&json!([{ "events": [{ "text": "I begin" }, "hang"] }]));
    let mut child = world
        .command()
        .args(["-p", "wait", "-m", &model, "--output-format", "stream-json"])
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line.contains("I begin")));
    world.loci(&["sessions", "rm", "--yes", "newest"]).ended(1).explains("in use by another process");
    let show = world.loci(&["sessions", "show"]).ended(0);
    assert!(show.out.contains("in use") && show.out.contains("still at it"), "{}", show.out);
    let list = world.loci(&["sessions"]).ended(0);
    assert!(!list.out.contains("cut off"), "{}", list.out);
    child.kill().expect("killed");
    child.wait().expect("ends");
    let list = world.loci(&["sessions"]).ended(0);
    assert!(list.out.contains("(cut off)"), "{}", list.out);
    world.loci(&["sessions", "rm", "--yes", "newest"]).ended(0);
}

#[test]
fn logs_of_every_released_version_are_listed_shown_and_exported() {
    let fixtures =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../core/src/session/log/fixtures").canonicalize();
    let mut formats = 0;
    for entry in std::fs::read_dir(fixtures.expect("there")).expect("readable") {
        let world = World::with_crate();
        let log = std::fs::read_to_string(entry.expect("an entry").path()).expect("readable");
        let header: Value = serde_json::from_str(log.lines().next().expect("a line")).expect("JSON");
        let id = header["session_id"].as_str().expect("an id");
        std::fs::create_dir_all(folder(&world)).expect("created");
        std::fs::write(folder(&world).join(format!("{id}.jsonl")), &log).expect("written");
        let run = world.loci(&["sessions"]).ended(0);
        assert!(run.out.contains("cut off, the outcome of 1 call is unknown"), "{}", run.out);
        let run = world.loci(&["sessions", "show", id]).ended(0);
        let format = format!("format {}", header["format"]);
        assert!(run.out.contains(&format) && run.out.contains("what it did is unknown"), "{}", run.out);
        for format in ["md", "json", "jsonl"] {
            let run = world.loci(&["sessions", "export", "--format", format]).ended(0);
            assert!(run.out.contains("halve the discount") && run.out.contains("café"), "{format}");
        }
        formats += 1;
    }
    assert_eq!(formats, 3);
}

/// A disk of three mebibytes in a mount namespace of its own. Skips where the system gives none.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_the_tools_and_loses_nothing() {
    let world = World::with_crate();
    let edit = call("edit", json!({ "path": "src/price.rs", "old": "sum / 10", "new": "sum / 20" }));
    let first = world.script_named("1.json", &json!([text("Noted.")]));
    let second = world.script_named("2.json", &json!([edit, text("Halved.")]));
    let third = world.script_named(
        "3.json",
        &json!([{ "expect": { "contains": ["the word is heron", "halve the discount"] }, "events": [{ "text": "heron" }] }]),
    );
    let loci = env!("CARGO_BIN_EXE_loci");
    let script = format!(
        "set -u
        mkdir -p \"$HOME/.local\" && mount -t tmpfs -o size=3m tmpfs \"$HOME/.local\" || exit 77
        {loci} -p 'the word is heron' -m {first} || exit 1
        test -f \"$HOME/.local/share/loci/reserve\" || exit 2
        # Everything but what is kept for this.
        cat /dev/zero > \"$HOME/.local/filler\" 2>/dev/null
        {loci} -p 'halve the discount' -m {second} --continue --permission-mode acceptEdits --output-format json
        echo \"ended with $?\"
        cp src/price.rs \"$HOME/price.rs\"
        {loci} sessions --json
        rm \"$HOME/.local/filler\"
        {loci} -p 'what is the word?' -m {third} --continue || exit 3
        test -f \"$HOME/.local/share/loci/reserve\" || exit 4"
    );
    let mut command = std::process::Command::new("unshare");
    let like = world.command();
    command.args(["--map-root-user", "--mount", "sh", "-c", &script]);
    command
        .current_dir(world.repo())
        .env_clear()
        .envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = match command.output() {
        Ok(output) if output.status.code() != Some(77) => output,
        other => {
            let other = other.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
            return super::world::skipped("a full disk", &format!("{other:?}"));
        }
    };
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if err.contains("unshare:") {
        return super::world::skipped("a full disk", &err);
    }
    assert_eq!(output.status.code(), Some(0), "{out}\n{err}");
    assert!(out.contains("ended with 1") && out.contains("\"kind\":\"storage\""), "{out}\n{err}");
    assert!(out.ends_with("heron\n"), "{out}\n{err}");
    let there = std::fs::read_to_string(world.home().join("price.rs")).expect("copied");
    assert_eq!(there, PRICE, "no tool ran");
}
