//! Owns the tests of the built-in model through the binary: the first run of a newcomer.
//! Uses the embedded weights in a small crate.
//! Never asks for more than the model claims, except to see it decline.

use serde_json::{Value, json};

use super::world::{LIB, PRICE, World};

/// The result of a request that is not carried out: it ends with 1 and changes nothing.
#[track_caller]
fn declined(world: &World, request: &str, more: &[&str]) -> Value {
    let mut arguments = vec!["-p", request, "--output-format", "json"];
    arguments.extend(more);
    let value = world.loci(&arguments).ended(1).json();
    assert_eq!((&value["status"], &value["changed"]), (&json!("declined"), &json!([])), "{value}");
    unchanged(world);
    value
}

/// The result, once every place it cites is seen to exist.
#[track_caller]
fn ask(world: &World, request: &str, more: &[&str]) -> Value {
    let mut arguments = vec!["-p", request, "--output-format", "json"];
    arguments.extend(more);
    let value = world.loci(&arguments).ended(0).json();
    assert_eq!(value["status"], "completed", "{value}");
    for place in value["citations"].as_array().expect("a list") {
        let lines = world.read(place["path"].as_str().expect("a path")).lines().count() as u64;
        let line = place["line"].as_u64().expect("a line");
        assert!((1..=lines).contains(&line), "{place} of {lines} lines");
        // A place is cited as `path:line`, or by its line below a heading that names the file.
        let answer = value["answer"].as_str().expect("a text");
        assert!(answer.contains(place["path"].as_str().expect("a path")), "{value}");
        assert!(answer.contains(&line.to_string()), "{value}");
    }
    value
}

#[track_caller]
fn unchanged(world: &World) {
    assert_eq!((world.read("src/lib.rs").as_str(), world.read("src/price.rs").as_str()), (LIB, PRICE));
}

#[test]
fn where_is_it_defined() {
    let world = World::with_crate();
    let value = ask(&world, "where is discount_for defined?", &[]);
    assert_eq!(value["citations"][0], json!({ "path": "src/price.rs", "line": 14 }), "{value}");
    unchanged(&world);
}

#[test]
fn who_calls_it() {
    let world = World::with_crate();
    let value = ask(&world, "who calls discount_for?", &[]);
    let cited = value["citations"].as_array().expect("a list");
    assert!(cited.contains(&json!({ "path": "src/lib.rs", "line": 22 })), "{value}");
    unchanged(&world);
}

#[test]
fn how_is_it_computed() {
    let world = World::with_crate();
    let value = ask(&world, "how is the discount computed?", &[]);
    let cited = value["citations"].as_array().expect("a list");
    assert!(cited.iter().any(|place| place["path"] == "src/price.rs"), "{value}");
    unchanged(&world);
}

#[test]
fn rename_in_a_file() {
    let world = World::with_crate();
    let request = "rename discount_for to rebate_for in src/price.rs";
    // Nobody is there to approve it.
    let value = declined(&world, request, &[]);
    assert_eq!(value["tool_calls"], 1, "denied, it tries nothing else: {value}");
    let answer = value["answer"].as_str().expect("a text");
    assert!(answer.contains("needs the user's approval") && !answer.contains("Do not"), "{value}");
    let value = ask(&world, request, &["--permission-mode", "acceptEdits"]);
    assert_eq!(value["changed"], json!(["src/price.rs"]), "{value}");
    assert_eq!(world.read("src/price.rs"), PRICE.replace("discount_for", "rebate_for"));
    assert_eq!(world.read("src/lib.rs"), LIB);
    world.loci(&["undo"]).ended(0);
    unchanged(&world);
}

#[test]
fn run_the_tests() {
    let world = World::with_crate();
    let value = ask(&world, "run the tests", &["--allow", "Bash(cargo test*)"]);
    assert!(value["tool_calls"].as_u64().is_some_and(|calls| calls >= 1), "{value}");
    assert!(value["answer"].as_str().is_some_and(|answer| answer.contains("pass")), "{value}");
    unchanged(&world);
}

#[test]
fn what_is_too_much_is_declined() {
    let world = World::with_crate();
    let more = ["--permission-mode", "bypassPermissions"];
    let value = declined(&world, "design a plugin system and write it in Go", &more);
    assert!(value["answer"].as_str().is_some_and(|answer| answer.contains("larger model")), "{value}");
}

#[test]
fn it_says_what_it_is_and_how_to_get_more() {
    let world = World::with_crate();
    let run = world.loci(&["-p", "where is Basket defined?"]).ended(0);
    let said: Vec<&str> = run.err.lines().filter(|line| line.contains("built-in model")).collect();
    assert!(said.len() == 1 && said[0].contains("loci models"), "{}", run.err);
    assert!(run.out.contains("src/lib.rs:9"), "{}", run.out);
    // Named, it needs no explanation.
    let run = world.loci(&["-p", "where is Basket defined?", "-m", "builtin"]).ended(0);
    assert!(!run.err.contains("built-in model"), "{}", run.err);
}
