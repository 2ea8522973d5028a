//! Owns the tests of commands that a session runs: what holds them in, what a decision opens, and how they are taken back.
//! Uses the built binary with a scripted model, and scripts in the repository, which no rule can look into.
//! Never takes a refusal for a wall: each act that fails here works where nothing holds it in.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use serde_json::{Value, json};

use super::world::{PRICE, World, has_loopback, skipped};

/// Steps that run one command and end.
fn runs(world: &World, command: &str) -> String {
    world.script(&json!([
        { "events": [{ "call": { "name": "bash", "arguments": { "command": command } } }] },
        { "events": [{ "text": "done" }] },
    ]))
}

/// What the only command of a session wrote, and the session's first line.
fn told(world: &World, model: &str, flags: &[&str]) -> (String, Value) {
    let arguments = [&["-p", "do it", "-m", model, "--output-format", "stream-json"], flags].concat();
    let events = world.loci(&arguments).ended(0).json_lines();
    let of = |kind: &str| events.iter().find(|event| event["type"] == kind).expect("happened").clone();
    (of("tool_finished")["output"].as_str().expect("text").to_owned(), of("session_started"))
}

/// A world whose machine holds commands in fully; none, said aloud, where it does not.
fn held(what: &str) -> Option<World> {
    let world = World::with_crate();
    let answer = world.loci(&["doctor", "--json"]).json();
    if answer.to_string().contains("\"full\"") {
        return Some(world);
    }
    skipped(what, &answer.to_string());
    None
}

fn git(world: &World, arguments: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(arguments)
        .current_dir(world.repo())
        .env("HOME", world.home())
        .status();
    assert!(status.expect("git runs").success(), "{arguments:?}");
}

const BASH: &[&str] = &["--allow", "Bash(bash go.sh)"];

#[test]
fn a_command_stays_in_the_project_and_is_taken_back_whole() {
    let Some(world) = held("commands in a session") else { return };
    let outside = world.home().join("outside.txt");
    world.write(
        "go.sh",
        format!(
            "echo x > {}; sed -i 's/tenth/fifth/' src/price.rs; rm README.md; mkdir -p new/deep; echo y > new/deep/f; \
             chmod 755 Cargo.toml; ls .loci && echo z > .loci/config.toml; true\n",
            outside.display()
        ),
    );
    let before = world.read("README.md");
    let model = runs(&world, "bash go.sh");
    let (output, started) = told(&world, &model, BASH);
    assert_eq!(started["sandbox"]["level"], "full", "{started}");
    assert!(output.contains("changed: Cargo.toml, README.md, new/deep/f, src/price.rs"), "{output}");
    assert!(!outside.exists() && !world.repo().join(".loci").exists(), "{output}");
    assert_ne!(world.read("src/price.rs"), PRICE);

    let listed = world.loci(&["undo", "--list"]).ended(0).out;
    assert!(listed.contains("src/price.rs"), "{listed}");
    world.loci(&["undo", "--dry-run"]).ended(0);
    assert_ne!(world.read("src/price.rs"), PRICE, "a dry run changes nothing");
    world.loci(&["undo"]).ended(0);
    assert_eq!((world.read("src/price.rs"), world.read("README.md")), (PRICE.to_owned(), before));
    assert!(!world.repo().join("new").exists());
    world.loci(&["redo"]).ended(0);
    assert!(world.read("src/price.rs").contains("fifth") && !world.repo().join("README.md").exists());

    // The control: the same script where the user wants nothing to hold it in.
    world.loci(&["undo"]).ended(0);
    std::fs::create_dir_all(world.home().join(".config/loci")).expect("created");
    std::fs::write(world.home().join(".config/loci/config.toml"), "sandbox = \"off\"\n").expect("written");
    let (_, started) = told(&world, &model, BASH);
    assert_eq!(started["sandbox"]["level"], "none", "{started}");
    assert!(outside.exists(), "nothing held it in");
    world.loci(&["undo"]).ended(0);
    assert_eq!(
        world.read("src/price.rs"),
        PRICE,
        "what it did in the project is taken back without an overlay too"
    );
}

#[test]
fn git_commits_and_its_hooks_stay_as_they_are() {
    let Some(world) = held("git in a session") else { return };
    git(&world, &["init", "-q"]);
    git(&world, &["config", "user.name", "t"]);
    git(&world, &["config", "user.email", "t@example.org"]);
    world.write("go.sh", "echo evil > .git/hooks/pre-commit; echo evil >> .git/config; true\n");
    let config = world.read(".git/config");
    let (output, _) = told(
        &world,
        &runs(&world, "git add -A && git commit -q -m first && bash go.sh"),
        &["--allow", "Bash(git:*)", "--allow", "Bash(bash go.sh)"],
    );
    assert!(output.contains("Read-only file system"), "{output}");
    assert_eq!(world.read(".git/config"), config);
    assert!(!world.repo().join(".git/hooks/pre-commit").exists());
    git(&world, &["rev-parse", "--verify", "HEAD"]);
    // Without a program of git among its parts a command cannot even make an object.
    world.write("go.sh", "git commit -q --allow-empty -m hidden; true\n");
    let (output, _) = told(&world, &runs(&world, "bash go.sh"), BASH);
    assert!(output.contains("Read-only file system"), "{output}");
}

#[test]
fn what_rules_deny_reading_is_not_there_for_a_command() {
    let Some(world) = held("denied files in a session") else { return };
    world.write(".env", "PASSWORD=heron-and-egret\n");
    world.write("go.sh", "cat .env\n");
    let model = runs(&world, "bash go.sh");
    let (output, _) = told(&world, &model, BASH);
    assert!(output.contains("heron-and-egret"), "the control reads it: {output}");
    let (output, _) = told(&world, &model, &[BASH, &["--deny", "Read(.env)"]].concat());
    assert!(!output.contains("heron-and-egret"), "{output}");
    assert_eq!(world.read(".env"), "PASSWORD=heron-and-egret\n");
}

#[test]
fn a_rule_opens_one_host_and_nothing_else() {
    let Some(world) = held("the network of a session") else { return };
    if Command::new("curl").arg("--version").output().is_err() {
        return skipped("the network of a session", "there is no curl");
    }
    if !has_loopback() {
        return skipped("the network of a session", "there is no loopback device here");
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    // Answers what comes, for as long as the test runs.
    std::thread::spawn(move || {
        for stream in listener.incoming().take(4).flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]);
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nheron");
        }
    });
    // What a command has to itself is not asked through the proxy; here the host's own service is meant.
    world.write("go.sh", format!("NO_PROXY= no_proxy= curl -sS -m 5 http://localhost:{port}/ || true\n"));
    let model = runs(&world, "bash go.sh");
    let config = |network: &str| {
        let folder = world.home().join(".config/loci");
        std::fs::create_dir_all(&folder).expect("created");
        let rule = format!("allow = [{{ rule = \"Bash(bash go.sh)\", network = [{network}] }}]\n");
        std::fs::write(folder.join("config.toml"), rule).expect("written");
    };
    config("");
    assert!(!told(&world, &model, &[]).0.contains("heron"));
    config("\"example.org\", \"*\"");
    assert!(!told(&world, &model, &[]).0.contains("heron"), "no pattern opens this machine");
    config(&format!("\"localhost:{port}\""));
    let (output, _) = told(&world, &model, &[]);
    assert!(output.contains("heron"), "{output}");
}

#[test]
fn a_sandbox_that_is_wanted_and_not_there_runs_nothing() {
    let world = World::with_crate();
    world.write("go.sh", "echo ran\n");
    let model = runs(&world, "bash go.sh");
    let folder = world.home().join(".config/loci");
    std::fs::create_dir_all(&folder).expect("created");
    std::fs::write(folder.join("config.toml"), "sandbox = \"full\"\n").expect("written");
    let full = world.loci(&["doctor", "--json"]).json().to_string().contains("\"full\"");
    let (output, _) = told(&world, &model, BASH);
    assert_eq!(output.contains("ran"), full, "{output}");
    // A project can ask for more than the user chose, and not for less.
    std::fs::write(folder.join("config.toml"), "").expect("written");
    world.write(".loci/config.toml", "sandbox = \"off\"\n");
    world.loci(&["trust"]).ended(0);
    let level = told(&world, &model, BASH).1["sandbox"]["level"].clone();
    assert_eq!(level == "none", !full && level == "none", "{level}");
}
