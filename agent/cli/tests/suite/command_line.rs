//! Owns the tests of what stands around the answers: usage errors, exit codes, pipes, catalogue, configuration.
//! Uses the built binary.
//! Never needs a model.

use std::io::Read;
use std::process::Stdio;

use super::world::World;

#[test]
fn version_help_and_completions() {
    let world = World::new();
    let run = world.loci(&["--version"]).ended(0);
    assert_eq!(run.out.trim(), concat!("loci ", env!("CARGO_PKG_VERSION")));
    let help = world.loci(&["--help"]).ended(0).out;
    for word in ["search", "models", "--permission-mode", "Exit codes"] {
        assert!(help.contains(word), "{word}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(world.loci(&["completions", shell]).ended(0).out.contains("loci"), "{shell}");
    }
}

#[test]
fn usage_errors_have_a_hint_and_code_two() {
    let world = World::new();
    let check = |arguments: &[&str], error: &str| {
        let run = world.loci(arguments).ended(2).explains(error);
        assert!(run.out.is_empty(), "{}", run.out);
    };
    check(&["fix the bug in parse"], "fix the bug in parse");
    check(&["serach", "x"], "serach");
    check(&["--permission-mode", "yolo"], "yolo");
    check(&["-C", "/no/such/folder", "search", "x"], "/no/such/folder");
    check(&["-p", "x", "-m", "quen3-4b"], "unknown model `quen3-4b`");
    check(&["-p", "x", "-m", "no/such.gguf"], "no/such.gguf");
    check(&["-p", "x", "-m", "scripted:none.json"], "none.json");
    world.loci(&["-p", "x", "-m", "gpt-oss-20b"]).ended(1).explains("`gpt-oss-20b` is not on this machine");
    check(&["-p"], "nothing to answer");
    check(&["models", "qwen9"], "qwen9");
    check(&["-p", "x", "--resume", "0000"], "0000");
    check(&["-p", "x", "--continue"], "no earlier session");
    world.write("file.txt", "x");
    check(&["-C", "file.txt", "search", "x"], "not a directory");
    let run = world.loci(&["-p", "x", "-m", "quen3-4b"]);
    assert!(run.err.contains("did you mean `qwen3-4b`"), "{}", run.err);
    let run = world.loci(&["where is it?"]);
    assert!(run.err.contains("loci -p \"where is it?\""), "{}", run.err);
}

#[test]
fn models_are_listed_with_a_verdict() {
    let world = World::new();
    let run = world.loci(&["models"]).ended(0);
    for word in ["builtin", "qwen2.5-coder-7b", "ollama", "This machine:"] {
        assert!(run.out.contains(word), "{word}: {}", run.out);
    }
    let value = world.loci(&["models", "--json"]).ended(0).json();
    assert!(value["machine"]["total_bytes"].as_u64().is_some_and(|bytes| bytes > 0));
    let models = value["models"].as_array().expect("a list");
    assert!(models.iter().all(|model| model["licence"].is_string() && model["context"].is_u64()), "{value}");
    assert!(world.loci(&["models", "qwen3-4b"]).ended(0).out.contains("Qwen/Qwen3-4B-GGUF"));
}

#[test]
fn the_users_catalogue_is_laid_over_and_checked() {
    let world = World::new();
    let path = world.home().join(".config/loci/models.toml");
    std::fs::create_dir_all(path.parent().expect("has one")).expect("created");
    std::fs::write(&path, "[model.mine]\nkind = \"gguf\"\npath = \"/nowhere/mine.gguf\"\n").expect("written");
    assert!(world.loci(&["models"]).ended(0).out.contains("\nmine "));
    world.loci(&["-p", "x", "-m", "mine"]).ended(2).explains("/nowhere/mine.gguf");
    let mamba =
        "[model.mine]\nkind = \"gguf\"\nrepository = \"a/b\"\nfile = \"m.gguf\"\narchitecture = \"mamba\"\n";
    std::fs::write(&path, mamba).expect("written");
    assert!(world.loci(&["models"]).ended(0).out.contains("not yet supported"));
    world.loci(&["-p", "x", "-m", "mine"]).ended(2).explains("no forward pass for the mamba family");
    std::fs::write(&path, "[model.mine]\nkind = \"gguf\"\npaht = \"x\"\n").expect("written");
    let run = world.loci(&["models"]).ended(2).explains("model.mine.paht");
    assert!(run.err.contains("did you mean `path`"), "{}", run.err);
}

#[test]
fn configuration_shows_where_it_comes_from() {
    let world = World::new();
    world.write(".loci/config.toml", "max_turns = 7\ndeny = [\"Bash(rm *)\"]\n");
    let run = world.loci(&["config", "show", "--origin"]).ended(0);
    // An untrusted project may restrict, and nothing else.
    assert!(run.out.contains("max_turns = 50") && run.out.contains("Bash(rm *)"), "{}", run.out);
    assert!(run.err.contains("max_turns"), "{}", run.err);
    world.loci(&["trust"]).ended(0);
    let run = world.loci(&["config", "show", "--origin"]).ended(0);
    assert!(
        run.out.lines().any(|line| line.contains("max_turns = 7") && line.contains("(project)")),
        "{}",
        run.out
    );
    world.loci(&["trust", "--revoke"]).ended(0);
    assert!(world.loci(&["config", "show"]).ended(0).out.contains("max_turns = 50"));
    world.write(".loci/config.toml", "max_turns = [[[\n");
    world.loci(&["config", "show"]).ended(2).explains("config.toml");
}

#[test]
fn a_damaged_model_file_is_an_error_with_a_hint() {
    let world = World::new();
    for (name, bytes) in [
        ("empty.gguf", &b""[..]),
        ("text.gguf", b"this is no model at all, but long enough to look like one"),
        ("cut.gguf", b"GGUF\x03\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x7f"),
    ] {
        world.write(name, bytes);
        let run = world.loci(&["-p", "x", "-m", name]).ended(1).explains("model");
        assert!(run.out.is_empty(), "{}", run.out);
    }
}

#[test]
fn a_model_is_measured() {
    let world = World::new();
    let run = world
        .loci(&["bench", "-m", "builtin", "-p", "8,16", "-n", "2", "-d", "0,70", "--batch", "1,2", "-r", "2"])
        .ended(0);
    for word in ["loci-builtin", "pp8", "pp16", "tg2", "tg2 x2", "tg2 x2 @ d70", "TOKENS/S"] {
        assert!(run.out.contains(word), "{word}: {}", run.out);
    }
    let value = world
        .loci(&[
            "bench",
            "-m",
            "builtin",
            "-p",
            "8",
            "-n",
            "0",
            "-r",
            "3",
            "-t",
            "1",
            "--no-warm-up",
            "--json",
        ])
        .ended(0)
        .json();
    assert_eq!(value["model"]["threads"], 1);
    assert!(value["machine"]["total_bytes"].as_u64().is_some_and(|bytes| bytes > 0));
    let results = value["results"].as_array().expect("a list");
    assert_eq!((results.len(), &results[0]["name"]), (1, &"pp8".into()), "{value}");
    let rates = results[0]["rates"].as_array().expect("a list");
    assert!(
        rates.len() == 3 && rates.iter().all(|rate| rate.as_f64().is_some_and(|rate| rate > 0.0)),
        "{value}"
    );
}

#[test]
fn what_cannot_be_measured_is_an_error() {
    let world = World::new();
    let check = |arguments: &[&str], code: i32, error: &str| {
        let run = world.loci(&[&["bench"], arguments].concat()).ended(code).explains(error);
        assert!(run.out.is_empty(), "{}", run.out);
    };
    world.loci(&["bench"]).ended(2).explains("required arguments");
    check(&["-m", "builtin", "-p", "0", "-n", "0"], 2, "nothing to measure");
    check(&["-m", "builtin", "-d", "9999999"], 1, "the model holds");
    check(&["-m", "nowhere.gguf"], 2, "nowhere.gguf");
    check(&["-m", "quen3-4b"], 2, "unknown model `quen3-4b`");
    check(&["-m", "scripted:x"], 2, "`scripted:x` does not run in this process");
    check(&["-m", "builtin", "--batch", "0"], 2, "from 1 to 256");
    world.write("text.gguf", "this is no model at all, but long enough to look like one");
    check(&["-m", "text.gguf"], 1, "not a GGUF file");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let world = World::with_crate();
    for arguments in
        [&["models", "--json"][..], &["completions", "bash"], &["search", "discount"], &["--help"]]
    {
        let mut child = world.command().args(arguments).stdout(Stdio::piped()).spawn().expect("starts");
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("readable");
        let status = child.wait().expect("ends");
        assert!(said.is_empty() && status.code() == Some(0), "{arguments:?}: {status:?}: {said}");
    }
}

#[test]
fn colours_are_for_terminals() {
    let world = World::with_crate();
    for arguments in [&["models"][..], &["where", "Basket"], &["--help"], &["frobnicate"]] {
        let run = world.loci(arguments);
        assert!(!run.out.contains('\x1b') && !run.err.contains('\x1b'), "{arguments:?}");
    }
}
