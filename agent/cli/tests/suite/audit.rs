//! Owns the tests of `loci audit` through the binary.
//! Uses the log of a real session, and damages copies of it in place.
//! Never asserts a time.

use serde_json::{Value, json};

use super::world::World;

/// A session that read and edited, and the path of its log.
fn session() -> (World, std::path::PathBuf) {
    let world = World::with_crate();
    let model = world.script(&json!([
        { "events": [{ "call": { "name": "read", "arguments": { "path": "README.md" } } }] },
        { "events": [{ "call": { "name": "edit", "arguments": { "path": "README.md", "old": "A basket", "new": "One basket" } } }] },
        { "events": [{ "text": "Done." }] },
    ]));
    world.loci(&["-p", "say one basket", "-m", &model, "--permission-mode", "acceptEdits"]).ended(0);
    let folder = world.home().join(".local/share/loci/sessions");
    let project = std::fs::read_dir(folder).expect("sessions").next().expect("one").expect("readable").path();
    let mut logs = std::fs::read_dir(project).expect("listed").map(|entry| entry.expect("readable").path());
    let log =
        logs.find(|path| path.extension().is_some_and(|extension| extension == "jsonl")).expect("a log");
    (world, log)
}

#[test]
fn a_log_is_verified_and_every_kind_of_damage_is_named() {
    let (world, log) = session();
    let told = world.loci(&["audit", "verify"]).ended(0);
    assert!(told.out.contains("intact"), "{}", told.out);
    let checkpoint = world.loci(&["audit", "checkpoint"]).ended(0).out;
    let kept = world.home().join("checkpoints");
    std::fs::write(&kept, &checkpoint).expect("written");
    let kept = kept.to_string_lossy().into_owned();
    world.loci(&["audit", "verify", "--against", &kept]).ended(0);

    let whole = std::fs::read(&log).expect("readable");
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let check = |bytes: &[u8], record: usize| {
        std::fs::write(&log, bytes).expect("written");
        let told = world.loci(&["audit", "verify", "--all", "--json"]).ended(1).json();
        assert_eq!(told[0]["intact"], false);
        assert_eq!(told[0]["broken"]["record"], record, "{told}");
    };
    let mut flipped = whole.clone();
    flipped[lines[0].len() + 100] ^= 1;
    check(&flipped, 2);
    let mut less = lines.clone();
    less.remove(2);
    check(&less.concat(), 3);
    let mut moved = lines.clone();
    moved.swap(1, 2);
    check(&moved.concat(), 2);
    let mut more = lines.clone();
    more.insert(2, lines[1]);
    check(&more.concat(), 3);
    check(&whole[..whole.len() - 5], lines.len());

    // A whole end that is missing: only the checkpoint tells.
    std::fs::write(&log, lines[..lines.len() - 1].concat()).expect("written");
    world.loci(&["audit", "verify"]).ended(0);
    let told = world.loci(&["audit", "verify", "--against", &kept]).ended(1);
    assert!(told.out.contains("the end is missing"), "{}", told.out);
    world.loci(&["audit", "verify", "--against", "no-such-file"]).ended(1);
    world.loci(&["audit", "verify", "no-such-session"]).ended(2);
}

#[test]
fn decisions_and_effects_are_exported() {
    let (world, _) = session();
    let lines = world.loci(&["audit", "export"]).ended(0).json_lines();
    let of = |event: &str, tool: &str| -> Vec<Value> {
        lines.iter().filter(|line| line["event"] == event && line["tool"] == tool).cloned().collect()
    };
    let decided = of("decision", "edit");
    assert_eq!(decided.len(), 1, "{lines:?}");
    assert_eq!((&decided[0]["verdict"], &decided[0]["mode"]), (&json!("allow"), &json!("acceptEdits")));
    assert_eq!(decided[0]["paths"], json!(["README.md"]));
    assert_eq!(decided[0]["policy"].as_str().map(str::len), Some(64));
    let effect = of("effect", "edit");
    assert_eq!((&effect[0]["ok"], &effect[0]["paths"]), (&json!(true), &json!(["README.md"])));
    assert!(lines.windows(2).all(|pair| pair[0]["seq"].as_u64() < pair[1]["seq"].as_u64()));
    let table = world.loci(&["audit", "export", "--format", "csv"]).ended(0).out;
    assert_eq!(table.lines().count(), lines.len() + 1);
    assert!(table.starts_with("seq,ts,session,event,tool,"), "{table}");
    assert!(world.loci(&["audit", "export", "--since", "9999-01-01"]).ended(0).out.is_empty());
    world.loci(&["audit", "export", "--since", "soon"]).ended(2);
}
