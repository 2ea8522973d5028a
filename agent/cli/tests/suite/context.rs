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
    let run = world.loci(&["recall", "banker", "second", "line", "-n", "1"]).ended(0);
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

/// A session whose window fills: eight looks at a large file in a window of 8,192 tokens, then a second prompt.
fn filled() -> (World, String) {
    let world = World::new();
    let line = |number: usize| {
        format!("    let value_{number} = compute(input, {number}); // step {number} of the way\n")
    };
    world.write("src/long.rs", format!("fn long() {{\n{}}}\n", (2..1_300).map(line).collect::<String>()));
    let reads = (0..8).map(|at| {
        call("read", json!({ "path": "src/long.rs", "start": at * 150 + 1, "end": at * 150 + 150 }))
    });
    let steps: Vec<Value> = reads.chain([text("It computes in steps.")]).collect();
    let model = world.script(&json!(steps));
    let arguments = [
        "-p",
        "what does long do? keep value_7 in mind",
        "-m",
        &model,
        "--context",
        "8192",
        "--output-format",
        "json",
    ];
    let value = world.loci(&arguments).ended(0).json();
    let id = value["session_id"].as_str().expect("an id").to_owned();
    let model = world.script(&json!([text("value_7 is computed from the input and 7.")]));
    world.loci(&["-p", "and what is value_7?", "-m", &model, "--context", "8192", "--resume", &id]).ended(0);
    (world, id)
}

#[test]
fn a_window_is_shown_as_it_was() {
    let (world, id) = filled();
    let value = world.loci(&["context", "show", "--json"]).ended(0).json();
    assert_eq!(
        (&value["session"], &value["request"], &value["requests"]),
        (&json!(id), &json!(10), &json!(10))
    );
    let window = &value["window"];
    assert_eq!(window["window"], 8192);
    let sources: Vec<&str> = window["parts"]
        .as_array()
        .expect("parts")
        .iter()
        .filter_map(|part| part["source"].as_str())
        .collect();
    for source in ["system", "tools", "ledger", "prompts", "answers", "results of read"] {
        assert!(sources.contains(&source), "{source}: {sources:?}");
    }
    assert!(window["compactions"].as_array().is_some_and(|list| !list.is_empty()), "{window}");
    assert_eq!(window["left"][0]["handle"], "r0");
    assert_eq!(window["left"][2]["title"], "read src/long.rs:1-150");
    let run = world.loci(&["context", "show", "--session", &id[..12]]).ended(0);
    for text in [", request 10 of 10", "results of read", "Left the window", "Compactions"] {
        assert!(run.out.contains(text), "{text}:\n{}", run.out);
    }
    // The first request held the prompt and nothing more.
    let first = world.loci(&["context", "show", "--at", "1", "--json"]).ended(0).json();
    assert_eq!((&first["window"]["left"], &first["window"]["compactions"]), (&json!([]), &json!([])));
    let run = world.loci(&["context", "show", "--at", "1", "--messages"]).ended(0);
    assert!(run.out.contains("You are Loci") && run.out.contains("keep value_7 in mind"), "{}", run.out);
    assert!(!run.out.contains("step 9 of the way"), "{}", run.out);
    let second = world.loci(&["context", "show", "--at", "2", "--messages", "--json"]).ended(0).json();
    let messages = second["messages"].as_array().expect("messages");
    assert_eq!(messages.len(), 4, "{second}");
    assert!(messages[3].to_string().contains("step 9 of the way"));
    world.loci(&["context", "show", "--at", "11"]).ended(2).explains("no request 11; the session has 10");
}

#[test]
fn two_requests_are_compared() {
    let (world, _) = filled();
    let run = world.loci(&["context", "diff", "1", "2"]).ended(0);
    assert!(run.out.contains("nothing changed: request 2 goes on where request 1 ended"), "{}", run.out);
    let compaction = (1..10)
        .map(|step: u32| {
            let (from, to) = (step.to_string(), (step + 1).to_string());
            (step, world.loci(&["context", "diff", &from, &to, "--json"]).ended(0).json())
        })
        .find(|(_, value)| !value["difference"]["change"].is_null());
    let (step, value) = compaction.expect("the window filled");
    let change = &value["difference"]["change"];
    let cause = change["causes"][0].as_str().expect("a cause");
    assert!(cause.starts_with("a compaction, since the prompt passed the high mark"), "{change}");
    assert!(value["difference"]["shared"].as_u64() < value["difference"]["of"].as_u64());
    let run = world.loci(&["context", "diff", &step.to_string(), &(step + 1).to_string()]).ended(0);
    for text in ["first change at token ", "  - ", "  + ", "because of a compaction"] {
        assert!(run.out.contains(text), "{text}:\n{}", run.out);
    }
    world.loci(&["context", "diff", "1", "99"]).ended(2).explains("no request 99");
}

#[test]
fn windows_of_sessions_that_are_not_there_are_explained() {
    let world = World::new();
    world.loci(&["context", "show"]).ended(1).explains("no sessions in this project");
    let (world, _) = filled();
    world.loci(&["context", "show", "--session", "nope"]).ended(2).explains("there is no session nope");
    world.loci(&["context", "diff", "--session", "nope"]).ended(2).explains("there is no session nope");
}

#[test]
fn written_sessions_are_replayed_for_questions() {
    let world = World::new();
    let turn =
        |turn: usize, role: &str, content: &str| json!({ "turn": turn, "role": role, "content": content });
    let mut lines = vec![
        turn(0, "user", "Work on the store. From now on name every test after the heron."),
        turn(1, "assistant", "I will."),
    ];
    for at in (2..120).step_by(2) {
        lines.push(json!({ "turn": at, "role": "assistant", "tool": "read", "args": { "path": format!("src/m{at}.rs") }, "content": "" }));
        let body: String =
            (1..60).map(|line| format!("{line}\tlet m{at}_{line} = load({line});\n")).collect();
        lines.push(json!({ "turn": at + 1, "role": "tool", "tool": "read", "path": format!("src/m{at}.rs"), "content": body }));
    }
    let session: String = lines.iter().map(|line| format!("{line}\n")).collect();
    world.write("talk.jsonl", session);
    let questions = [
        json!({ "question_id": "late", "session": "talk", "question": "how are tests named?", "asked_at": 120 }),
        json!({ "question_id": "early", "session": "talk", "question": "what is in m2?", "asked_at": 4 }),
        json!({ "question_id": "other", "session": "elsewhere", "question": "?", "asked_at": 4 }),
    ];
    world.write("questions.jsonl", questions.map(|question| format!("{question}\n")).concat());
    let base = ["context", "replay", "--session", "talk.jsonl", "--questions", "questions.jsonl"];
    let replay = |extra: &[&str]| world.loci(&[&base[..], extra].concat());
    let run = replay(&["--budget", "4000"]).ended(0);
    assert!(run.err.contains("1 question about other sessions left out"), "{}", run.err);
    let answers = run.json_lines();
    assert_eq!(answers.len(), 2);
    let context = |at: usize| answers[at]["context"].as_str().expect("a context");
    assert_eq!((&answers[0]["question_id"], &answers[1]["question_id"]), (&json!("late"), &json!("early")));
    assert!(
        context(0).contains("name every test after the heron") && context(0).len() <= 16_000,
        "{}",
        context(0).len()
    );
    assert!(context(1).contains("m2_59") && !context(1).contains("m4_"), "{}", context(1));
    assert!(answers[0]["ms"].is_f64());
    let again = replay(&["--budget", "4000", "-C", "."]).ended(0).json_lines();
    assert_eq!(again[0]["context"], answers[0]["context"], "the same log gives the same bytes");
    world.write("bad.jsonl", "{\"turn\": 0}\nnot json\n");
    world
        .loci(&["context", "replay", "--session", "bad.jsonl", "--questions", "questions.jsonl"])
        .ended(2)
        .explains("bad.jsonl, line 2");
    world
        .loci(&["context", "replay", "--session", "missing.jsonl", "--questions", "questions.jsonl"])
        .ended(2)
        .explains("missing.jsonl");
}
