//! Owns the tests of what is said about sessions: what was in a window, and what can be recalled.
//! Uses the built binary with scripted models.
//! Never asserts a time, a date or an id.

use serde_json::{Value, json};

use super::world::{Run, World};

fn call(name: &str, arguments: Value) -> Value {
    json!({ "events": [{ "call": { "name": name, "arguments": arguments } }] })
}

fn text(words: &str) -> Value {
    json!({ "events": [{ "text": words }] })
}

/// One session of a prompt and these steps; its id.
fn session(world: &World, prompt: &str, steps: Value) -> String {
    let model = world.script(&steps);
    let value = world
        .loci(&[
            "-p",
            prompt,
            "-m",
            &model,
            "--output-format",
            "json",
            "--permission-mode",
            "bypassPermissions",
        ])
        .ended(0)
        .json();
    value["session_id"].as_str().expect("an id").to_owned()
}

/// What was said, with days and ids replaced and without durations.
fn stable(run: &Run, ids: &[&str]) -> String {
    let mut said = format!("{}{}", run.out, run.err);
    for (number, id) in (1..).zip(ids) {
        // As much of the id as is shown depends on the other ids.
        for length in (8..=id.len()).rev() {
            said = said.replace(&id[..length], &format!("SESSION{number}"));
        }
    }
    let mut out = String::new();
    let mut rest = said.as_str();
    while let Some(at) = rest.find("20") {
        let is_day = rest[at..].get(..10).is_some_and(|day| {
            day.bytes()
                .enumerate()
                .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
        });
        let length = if is_day { 10 } else { 2 };
        out.push_str(&rest[..at]);
        out.push_str(if is_day { "DAY" } else { "20" });
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    let timeless = |line: &str| match line.split_once(" after ") {
        Some((ended, seconds)) if seconds.ends_with(" s") => format!("{ended}\n"),
        _ => format!("{line}\n"),
    };
    out.lines().map(timeless).collect()
}

/// Two sessions: a fix of rounding, and a question about the basket.
fn two_sessions() -> (World, String, String) {
    let world = World::with_crate();
    let first = session(
        &world,
        "the discount is rounded wrongly for odd sums, please fix it",
        json!([
            call("read", json!({ "path": "src/price.rs" })),
            call("bash", json!({ "command": "printf 'rounding: banker\\nsecond line\\nthird line\\n'" })),
            text("Sums are now rounded half up; the cause was integer division in discount_for."),
        ]),
    );
    let second =
        session(&world, "what does the basket hold?", json!([text("Prices, in the order of adding.")]));
    (world, first, second)
}

#[test]
fn what_was_said_is_found_with_its_handle() {
    let (world, first, second) = two_sessions();
    let ids = [first.as_str(), second.as_str()];
    let run = world.loci(&["recall", "how", "did", "we", "fix", "rounding?", "-n", "2"]).ended(0);
    insta::assert_snapshot!(stable(&run, &ids));
    let value = world.loci(&["recall", "rounding banker", "--json"]).ended(0).json();
    let hit = &value["hits"][0];
    assert_eq!((&hit["session"], &hit["turn"]), (&json!(first), &json!(1)));
    assert_eq!(hit["about"], "the discount is rounded wrongly for odd sums, please fix it");
    assert!(hit["title"].as_str().is_some_and(|title| title.starts_with("bash printf")), "{hit}");
    assert!(hit["text"].as_str().is_some_and(|text| text.contains("rounding: banker")), "{hit}");
    let handle = hit["handle"].as_str().expect("a handle").to_owned();
    let run = world.loci(&["recall", &format!("{first}/{handle}")]).ended(0);
    assert!(run.out.contains("rounding: banker"), "{}", run.out);
    let why = world.loci(&["recall", "rounding banker", "--why", "-n", "1"]).ended(0);
    assert!(why.out.contains("score "), "{}", why.out);
    // What was said in another session is not in this one.
    let run = world.loci(&["recall", "banker", "--session", &second]).ended(1);
    assert!(run.out.is_empty() && run.err.contains("nothing found for `banker`"), "{}", run.err);
    let run = world.loci(&["recall", "order of adding", "--session", "newest", "--json"]).ended(0);
    assert_eq!(run.json()["hits"][0]["session"], json!(second));
}

#[test]
fn entries_are_shown_by_their_handle() {
    let (world, first, second) = two_sessions();
    let ids = [first.as_str(), second.as_str()];
    let run = world.loci(&["recall", &format!("{first}/r4")]).ended(0);
    insta::assert_snapshot!("recall_entry", stable(&run, &ids));
    let run = world.loci(&["recall", "r2:12-14", "--session", &first]).ended(0);
    insta::assert_snapshot!("recall_lines", stable(&run, &ids));
    let value = world.loci(&["recall", "r4:2-9", "--session", &first, "--json"]).ended(0).json();
    assert_eq!(
        (&value["handle"], &value["first"], &value["last"]),
        (&json!("r4"), &json!(2), &value["lines"])
    );
    assert!(value["text"].as_str().is_some_and(|text| text.starts_with("second line\n")), "{value}");
}

#[test]
fn what_cannot_be_recalled_is_explained() {
    let world = World::with_crate();
    world.loci(&["recall", "anything"]).ended(1).explains("no sessions in this project");
    world.loci(&["recall", "r1", "--session", "newest"]).ended(1).explains("no sessions in this project");
    let (world, first, _) = two_sessions();
    world.loci(&["recall", "r1"]).ended(2).explains("no session is named");
    world.loci(&["recall", "r99", "--session", &first]).ended(2).explains("there is no r99 in session");
    world.loci(&["recall", "r0:7", "--session", &first]).ended(2).explains("no line 7");
    world.loci(&["recall", "nope/r1"]).ended(2).explains("there is no session nope");
    world.loci(&["recall", "x", "--session", "nope"]).ended(2).explains("there is no session nope");
    world.loci(&["recall", "r1", "--session", &first[..2]]).ended(2).explains("several sessions");
    let run = world.loci(&["recall", "zzyzx"]).ended(1);
    assert!(run.err.contains("try fewer or other words"), "{}", run.err);
}

#[test]
fn a_damaged_archive_is_built_again_and_said() {
    let (world, ..) = two_sessions();
    let before = world.loci(&["recall", "rounding", "--json"]).ended(0);
    assert_eq!(before.err, "");
    let archives = world.home().join(".cache/loci/archive");
    let mut damaged = 0;
    for project in std::fs::read_dir(&archives).expect("an archive") {
        for file in std::fs::read_dir(project.expect("readable").path().join("passages")).expect("a store") {
            let path = file.expect("readable").path();
            if path.is_file() && path.extension().is_some() {
                std::fs::write(&path, b"junk").expect("written");
                damaged += 1;
            }
        }
    }
    assert!(damaged > 0);
    let after = world.loci(&["recall", "rounding", "--json"]).ended(0);
    assert!(after.err.contains("was damaged and is built again"), "{}", after.err);
    assert_eq!(before.json(), after.json());
    assert_eq!(world.loci(&["recall", "rounding", "--json"]).ended(0).err, "");
}
