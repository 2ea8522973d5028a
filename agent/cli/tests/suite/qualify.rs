//! Owns the tests of `loci models test` and of the speeds that `loci bench` keeps, through the binary.
//! Uses the built-in model and a scripted one.
//! Never asserts a time, nor how well a model does: `core` tests the tasks themselves.

use serde_json::{Value, json};

use super::world::World;

fn cards(world: &World) -> Vec<Value> {
    let folder = world.home().join(".local/share/loci/cards");
    let files = std::fs::read_dir(folder).into_iter().flatten();
    files
        .map(|file| {
            let text = std::fs::read_to_string(file.expect("readable").path()).expect("readable");
            serde_json::from_str(&text).expect("JSON")
        })
        .collect()
}

#[test]
fn a_tested_model_has_a_card() {
    let world = World::with_crate();
    let before = world.read("src/lib.rs");
    // It always says the same, so it passes some tasks and not others.
    let script = json!({ "repeat": true, "context_length": 8000, "steps": [{ "events": [{ "text": "I will not do that." }] }] });
    let model = world.script(&script);
    let run = world.loci(&["models", "test", &model, "--quick"]).ended(0);
    assert!(run.out.contains("pass  refuses-everything"), "{}", run.out);
    assert!(run.out.contains("fail  edit-value"), "{}", run.out);
    assert!(run.out.lines().any(|line| line.starts_with("script: ")), "{}", run.out);
    let kept = cards(&world);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["subject"], json!({ "service": { "service": "scripted", "model": "script" } }));
    assert_eq!((&kept[0]["quick"], &kept[0]["complete"]), (&json!(true), &json!(true)));
    let refused = |card: &Value| {
        let tasks = card["tasks"].as_array().expect("a list").clone();
        tasks.iter().filter(|task| task["kind"] == "refuses" && task["passed"] == true).count()
    };
    assert_eq!(refused(&kept[0]), 2, "{}", kept[0]);
    let again = world.loci(&["models", "test", &model, "--quick", "--json"]).ended(0).json();
    assert_eq!(refused(&again), 2);
    assert_eq!(
        (cards(&world).len(), world.read("src/lib.rs")),
        (1, before),
        "the project at hand is none of its business"
    );
    let left = std::fs::read_dir(world.home().join(".cache/loci")).into_iter().flatten().flatten();
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with("qualify")));
    world.loci(&["models", "test", "nobody"]).ended(2).explains("unknown model");
}

#[test]
fn measured_speeds_are_kept_on_the_card() {
    let world = World::new();
    // The window of the built-in model ends the list of depths, which is said.
    let run = world.loci(&["bench", "-m", "builtin", "-p", "8", "-n", "2", "-r", "1"]).ended(0);
    assert!(run.err.contains("not measured from 2048 tokens on"), "{}", run.err);
    let kept = cards(&world);
    let speeds = kept[0]["speeds"].as_array().expect("a list");
    assert_eq!((kept.len(), speeds.len(), &speeds[0]["depth"]), (1, 1, &json!(0)));
    assert!(speeds[0]["prefill_per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{}", kept[0]);
    assert!(speeds[0]["decode_per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{}", kept[0]);
    // Several depths, as they are asked for; a machine that is held back is not measured.
    let asked = ["bench", "-m", "builtin", "-p", "8", "-n", "2", "-r", "1", "-d", "0,64", "--json"];
    let value = world.loci(&asked).ended(0).json();
    assert_eq!(value["results"].as_array().map(Vec::len), Some(4));
    assert_eq!(cards(&world)[0]["speeds"].as_array().map(Vec::len), Some(2));
    let before = cards(&world);
    world.loci(&[&asked[..], &["-t", "1"]].concat()).ended(0);
    assert_eq!(cards(&world), before);
}
