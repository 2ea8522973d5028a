//! Owns the tests of paths whose content never leaves the machine, through the binary.
//! Uses a service on loopback that keeps what arrives, and a scripted model as the one of this machine.
//! Never reaches another network.

use serde_json::json;

use super::service::{Reply, Service};
use super::world::World;

const WORD: &str = "stone-corner-77-lamp";

/// A session in which a model of this machine read the word and repeated it.
fn begun(world: &World) {
    world.write("secrets/word.txt", format!("first line\nthe word is {WORD}\n"));
    let model = world.script(&json!([
        { "events": [{ "call": { "name": "read", "arguments": { "path": "secrets/word.txt" } } }] },
        { "events": [{ "call": { "name": "bash", "arguments": { "command": "cat secrets/word.txt" } } }] },
        { "events": [{ "text": format!("It says {WORD}.") }] },
    ]));
    let run = world.with_key(&["-p", "what is the word?", "-m", &model, "--allow", "Bash(cat:*)"]).ended(0);
    assert_eq!(run.out, format!("It says {WORD}.\n"), "on this machine it is read");
}

/// The session goes on at the service, whose model tries to read it, too. What arrived.
fn goes_on(world: &World, first: &str) -> String {
    let service = Service::start(vec![
        Reply::Call("read", json!({ "path": "secrets/word.txt" })),
        Reply::Call("grep", json!({ "pattern": "stone" })),
        Reply::Call("bash", json!({ "command": "cat secrets/*.txt" })),
        Reply::Text("That is all."),
    ]);
    service.configure(world, first, "");
    let prompt = format!("is it {WORD}?");
    let arguments = ["-c", "-p", &prompt, "-m", "box", "--allow", "Bash(cat:*)"];
    assert_eq!(world.with_key(&arguments).ended(0).out, "That is all.\n");
    let arrived: Vec<String> = service.arrived().iter().map(super::service::Arrived::text).collect();
    assert_eq!(arrived.len(), 4);
    arrived.join("\n")
}

#[test]
fn labelled_content_never_arrives() {
    let world = World::with_crate();
    begun(&world);
    let arrived = goes_on(&world, "never_leaves = [\"secrets/**\"]");
    assert!(!arrived.contains("stone-corner"), "{arrived}");
    for part in
        ["[kept on this machine: secrets/word.txt, 2 lines]", "written after labelled files had been read"]
    {
        assert!(arrived.contains(part), "{part} is missing in {arrived}");
    }
    let entries = world.loci(&["egress", "show", "--json"]).ended(0).json_lines();
    assert!(
        entries.iter().all(|entry| entry["stubs"].as_u64() > Some(0)),
        "the prompt repeats it: {entries:?}"
    );
}

#[test]
fn without_the_label_it_arrives() {
    let world = World::with_crate();
    begun(&world);
    assert!(goes_on(&world, "").contains("stone-corner"), "the control");
}

#[test]
fn a_session_that_is_to_stay_is_not_taken_up_elsewhere() {
    let world = World::with_crate();
    begun(&world);
    let service = Service::start(vec![Reply::Text("never asked")]);
    service.configure(&world, "never_leaves = [\"secrets/**\"]\nlabelled = \"stay\"", "");
    let run = world.with_key(&["-c", "-p", "and now?", "-m", "box"]).ended(2);
    run.explains("must not leave this machine");
    assert!(service.arrived().is_empty());
}

#[test]
fn a_project_adds_labels_and_takes_none_away() {
    let world = World::with_crate();
    begun(&world);
    // Not trusted, and it counts; what it would take away stays.
    world.write(".loci/config.toml", "never_leaves = [\"other/**\"]\nlabelled = \"stub\"\n");
    let arrived = goes_on(&world, "never_leaves = [\"secrets/**\"]");
    assert!(!arrived.contains("stone-corner"), "{arrived}");
    let world = World::with_crate();
    begun(&world);
    world.write(".loci/config.toml", "never_leaves = [\"secrets/**\"]\n");
    assert!(!goes_on(&world, "").contains("stone-corner"));
}
