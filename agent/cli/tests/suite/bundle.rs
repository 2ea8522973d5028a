//! Owns the tests of `loci bundle`: made with this program, checked, installed into an empty home where there is no network.
//! Uses the built binary, `tar`, and network namespaces on Linux.
//! Never takes a refusal for one without the same thing having worked before.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::world::{Run, World, skipped, without_network};

/// Keys that `minisign -G -W` made for these tests.
const SECRET: &str = "untrusted comment: minisign encrypted secret key
RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAGc+Zq8M/hPUoSDcfAbJonPQMeOGABU9mZVYDBcQY853dwvFL\
gsmf7F3I5gG7Qo5oGGfZfFRCe3+i7Q/+XH/g8DIs9S3Zb8nkAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
";
const PUBLIC: &str = "RWQZz5mrwz+E9V3I5gG7Qo5oGGfZfFRCe3+i7Q/+XH/g8DIs9S3Zb8nk";
/// The public key of another pair.
const OTHER: &str = "RWQRMwjoE8gXEfOBpz8hpPrb2MdBi0+6EyOMcbPEMV9inHi+VLlVk2gB";

/// A world with a model file and a configuration of its user's.
fn world() -> World {
    let world = World::with_crate();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../inference/builtin/loci-builtin.gguf");
    std::fs::copy(model, world.repo().join("small.gguf")).expect("copied");
    configure(&world, "max_turns = 7\n");
    std::fs::write(world.repo().join("minisign.key"), SECRET).expect("written");
    world
}

fn configure(world: &World, text: &str) {
    let folder = world.home().join(".config/loci");
    std::fs::create_dir_all(&folder).expect("created");
    std::fs::write(folder.join("config.toml"), text).expect("written");
}

/// Without the program: it is large, and only its installation needs it.
fn small(world: &World, name: &str, more: &[&str]) -> PathBuf {
    let common = ["bundle", "create", name, "--no-binary", "--model", "small.gguf"];
    world.loci(&[&common, more].concat()).ended(0);
    world.repo().join(name)
}

/// How many files a bundle has brought, also half of them.
fn files(world: &World) -> usize {
    fn walk(folder: &Path) -> usize {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { 1 }).sum()
    }
    [".local/share/loci", ".local/bin", ".config"].map(|folder| walk(&world.home().join(folder))).iter().sum()
}

#[test]
fn a_machine_without_network_gets_everything_from_one_file() {
    let there = world();
    let made = there.loci(&["bundle", "create", "all.bundle", "--model", "small.gguf", "--config", "--json"]);
    let made = made.ended(0).json();
    assert_eq!(made["base"], json!(null));
    let bundle = there.repo().join("all.bundle");
    let bundle = bundle.to_str().expect("UTF-8");

    // As on a machine that has no Loci yet.
    let here = World::with_crate();
    let unpacked = Command::new("tar").args(["-xf", bundle, "bin/loci"]).current_dir(here.home()).status();
    assert!(unpacked.expect("runs").success());
    let first = here.home().join("bin/loci");
    let Some(shell) = without_network("the installation where there is no network") else { return };
    let script = format!(
        "if (exec 3<>/dev/tcp/127.0.0.1/9) 2>/dev/null; then echo connected; fi; set -e
         {first} bundle verify {bundle} --json >verified.json
         {first} --offline bundle install {bundle}
         \"$HOME/.local/bin/loci\" --offline -p 'where is Basket defined?'
         \"$HOME/.local/bin/loci\" config show | grep max_turns",
        first = first.display()
    );
    let run = Run::of(shell(&here, &script)).ended(0);
    assert!(!run.out.contains("connected"), "{}", run.out);
    assert!(run.out.contains("src/lib.rs:9"), "{}\n{}", run.out, run.err);
    assert!(run.out.contains('7'), "the configuration came along: {}", run.out);
    let model = here.home().join(".local/share/loci/models/small.gguf");
    assert_eq!(
        std::fs::read(model).expect("there"),
        std::fs::read(there.repo().join("small.gguf")).expect("there")
    );
    assert!(here.home().join(".local/share/loci/licences/loci/LICENSE-MIT").is_file());
    let verified: serde_json::Value = serde_json::from_str(&here.read("verified.json")).expect("JSON");
    assert_eq!(verified["id"], made["id"]);
    assert_eq!(verified["files"], made["files"]);
}

#[test]
fn one_changed_byte_is_refused_and_nothing_is_put_in_place() {
    let world = world();
    let bundle = small(&world, "b", &[]);
    let good = std::fs::read(&bundle).expect("there");
    world.loci(&["bundle", "verify", "b"]).ended(0);
    let home = World::new();
    let bad_path = world.repo().join("bad");
    let bad_name = bad_path.to_str().expect("UTF-8");
    // The manifest, the first header, the middle of the model, the last block.
    for (at, blamed) in
        [(3, "no bundle"), (600, "manifest"), (good.len() / 2, "small.gguf"), (good.len() - 1, "the end")]
    {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(&bad_path, &bad).expect("written");
        for command in [["bundle", "verify", bad_name], ["bundle", "install", bad_name]] {
            let run = home.loci(&command);
            assert!(matches!(run.code, Some(1 | 2)), "{run:?}");
            run.explains(blamed);
        }
        assert_eq!(files(&home), 0, "{blamed}");
    }
    std::fs::write(&bad_path, &good[..good.len() / 2]).expect("written");
    home.loci(&["bundle", "install", bad_name]).ended(1).explains("it ends at byte");
    std::fs::write(&bad_path, "<!DOCTYPE html><html>".repeat(100)).expect("written");
    home.loci(&["bundle", "install", bad_name]).ended(2).explains("no bundle");
    home.loci(&["bundle", "install", "nowhere"]).ended(2).explains("nowhere");

    std::fs::write(&bad_path, &good).expect("written");
    home.loci(&["bundle", "install", bad_name, "--dry-run"]).ended(0);
    assert_eq!(files(&home), 0, "a dry run changes nothing");
    home.loci(&["bundle", "install", bad_name]).ended(0);
    assert!(
        home.home().join(".local/share/loci/models/small.gguf").is_file() && files(&home) > 3,
        "the control"
    );
}

/// The bundle comes through a pipe, so that the installation is known to be in the middle of the model when it is killed.
#[test]
fn an_installation_that_is_killed_leaves_the_old_state() {
    use std::io::Write;
    let world = world();
    let bundle = small(&world, "b", &[]);
    let good = std::fs::read(&bundle).expect("there");
    let here = World::new();
    let folder = here.home().join(".local/share/loci/models");
    std::fs::create_dir_all(&folder).expect("created");
    std::fs::write(folder.join("small.gguf"), "old").expect("written");
    let names = || {
        let entries = std::fs::read_dir(&folder).expect("lists").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let pipe = here.repo().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("runs").success());
    let mut child = here.command().args(["bundle", "install", "pipe"]).spawn().expect("starts");
    let mut writer = std::fs::File::options().write(true).open(&pipe).expect("opens");
    writer.write_all(&good[..good.len() / 2]).expect("taken");
    // The pipe holds 64 KiB, so by now most of this half has been read.
    assert_eq!(names().len(), 2, "the new file grows beside the old one: {:?}", names());
    child.kill().expect("ends");
    child.wait().expect("ends");
    drop(writer);
    assert_eq!(std::fs::read(folder.join("small.gguf")).expect("there"), b"old");
    assert_eq!(names().len(), 2, "{:?}", names());

    here.loci(&["bundle", "install", bundle.to_str().expect("UTF-8")]).ended(0);
    assert_eq!(names(), ["small.gguf"], "what was left is gone");
    assert_ne!(std::fs::read(folder.join("small.gguf")).expect("there"), b"old");
}

#[test]
fn a_signature_is_one_of_minisign() {
    let world = world();
    let bundle = small(&world, "b", &["--sign", "minisign.key"]);
    let signature = world.repo().join("b.minisig");
    let verify = |key: &str| world.loci(&["bundle", "verify", "b", "--key", key, "--json"]);
    let said = verify(PUBLIC).ended(0).json();
    assert!(said["signature"].as_str().is_some_and(|comment| comment.contains("file:b")), "{said}");
    world.write("b.pub", format!("untrusted comment: a key\n{PUBLIC}\n"));
    verify("b.pub").ended(0);
    verify(OTHER).ended(1).explains("does not hold");
    verify("nonsense").ended(2).explains("no public key");
    for command in ["verify", "install"] {
        world.loci(&["bundle", command, "b", "--key", OTHER]).ended(1).explains("does not hold");
    }
    assert!(!world.home().join(".local/share/loci/models").exists());

    if Command::new("minisign").arg("-v").output().is_ok_and(|output| output.status.success()) {
        let check = |key: &str| {
            let script =
                format!("tar -xOf b --wildcards 'manifest-*' >m && minisign -Vm m -x b.minisig -P {key}");
            let status = Command::new("bash").args(["-c", &script]).current_dir(world.repo()).output();
            status.expect("runs").status.success()
        };
        assert!(check(PUBLIC), "the tool agrees");
        assert!(!check(OTHER), "the control");
    } else {
        skipped("signatures as minisign itself sees them", "there is no minisign here");
    }

    // One of another bundle does not hold for this one.
    small(&world, "c", &["--config", "--sign", "minisign.key"]);
    std::fs::copy(world.repo().join("c.minisig"), &signature).expect("copied");
    verify(PUBLIC).ended(1).explains("does not hold");
    std::fs::remove_file(&signature).expect("removed");
    verify(PUBLIC).ended(2).explains("b.minisig");
    assert!(bundle.is_file());
    let run = world.loci(&["bundle", "create", "d", "--no-binary", "--sign", "b.pub"]);
    run.ended(2).explains("no secret key");
    assert!(!Path::new("d").exists());
}

#[test]
fn a_delta_holds_what_changed_and_wants_what_it_builds_on() {
    let world = world();
    let old = small(&world, "old", &["--config"]);
    configure(&world, "max_turns = 9\n");
    let new = small(&world, "new", &["--config", "--since", "old"]);
    let length = |path: &Path| std::fs::metadata(path).expect("there").len();
    assert!(length(&new) * 10 < length(&old), "{} of {}", length(&new), length(&old));
    let said = world.loci(&["bundle", "verify", "new", "--json"]).ended(0).json();
    assert_eq!(said["base"], world.loci(&["bundle", "verify", "old", "--json"]).json()["id"]);

    let here = World::new();
    let install = |path: &Path| here.loci(&["bundle", "install", path.to_str().expect("UTF-8")]);
    install(&new).ended(1).explains("builds on");
    install(&old).ended(0);
    install(&new).ended(0);
    // The configuration is the user's own by now.
    let config = std::fs::read_to_string(here.home().join(".config/loci/config.toml")).expect("there");
    assert_eq!(config, "max_turns = 7\n");
    assert!(install(&new).ended(0).out.contains("yours stays"));

    // Its own manifest, which the installation kept, is as good as the bundle.
    let kept = here.home().join(".local/share/loci/bundle.json");
    let again = ["bundle", "create", "again", "--no-binary", "--model", "small.gguf", "--config", "--since"];
    world.loci(&[&again[..], &[kept.to_str().expect("UTF-8")]].concat()).ended(0);
    let said = world.loci(&["bundle", "verify", "again", "--json"]).ended(0).json();
    assert!(said["files"].as_array().expect("a list").iter().all(|file| file["in_base"] == json!(true)));

    let model = here.home().join(".local/share/loci/models/small.gguf");
    std::fs::write(&model, "something else").expect("written");
    install(&new).ended(1).explains("small.gguf");
}

#[test]
fn what_was_fetched_goes_along_with_where_it_came_from() {
    let world = world();
    let folder = world.home().join(".local/share/loci/models");
    std::fs::create_dir_all(folder.join("team")).expect("created");
    std::fs::rename(world.repo().join("small.gguf"), folder.join("team/small.gguf")).expect("moved");
    std::fs::write(folder.join("team/notes.json"), "{}").expect("written");
    let kept = json!({
        "name": "small", "source": "hf:team/small/small.gguf", "licence": "apache-2.0", "date": "2026-01-01",
        "importer": "loci", "files": [
            { "file": "team/small.gguf", "bytes": 1, "sha256": "" }, { "file": "team/notes.json", "bytes": 2, "sha256": "" },
        ],
    });
    std::fs::write(folder.join("team/small.gguf.manifest.json"), kept.to_string()).expect("written");
    std::fs::write(folder.join("somebody-elses.txt"), "x").expect("written");
    let made = world.loci(&["bundle", "create", "b", "--no-binary", "--all", "--json"]).ended(0).json();
    let models: Vec<_> =
        made["files"].as_array().expect("a list").iter().filter(|file| file["role"] == "model").collect();
    let paths: Vec<_> = models.iter().map(|file| file["path"].as_str().expect("text")).collect();
    let expect = ["models/team/notes.json", "models/team/small.gguf", "models/team/small.gguf.manifest.json"];
    assert_eq!(paths, expect);
    assert!(models.iter().all(|file| file["licence"] == "apache-2.0"), "{models:?}");
    assert!(models.iter().all(|file| file["source"] == "hf:team/small/small.gguf"), "{models:?}");
    let here = World::new();
    here.loci(&["bundle", "install", world.repo().join("b").to_str().expect("UTF-8")]).ended(0);
    for path in expect {
        assert!(here.home().join(".local/share/loci").join(path).is_file(), "{path}");
    }
}

#[test]
fn what_cannot_be_taken_along_is_named() {
    let world = world();
    let check = |arguments: &[&str], code: i32, says: &str| {
        world.loci(&[&["bundle", "create"], arguments].concat()).ended(code).explains(says);
        assert!(!world.repo().join("x").exists(), "{arguments:?}");
    };
    check(&["x", "--no-binary", "--model", "nonsense"], 2, "nonsense");
    check(&["x", "--no-binary", "--model", "qwen2.5-coder-7b"], 1, "not on this machine");
    check(&["x", "--no-binary", "--policy", "none.toml"], 2, "none.toml");
    check(&["x", "--no-binary", "--since", "none"], 2, "none");
    check(&["x", "--no-binary", "--since", "README.md"], 1, "README.md");
    check(&["x", "--no-binary", "--sign", "none"], 2, "none");
    check(&["small.gguf"], 2, "there already");
    std::fs::copy(world.repo().join("small.gguf"), world.repo().join(".hidden.gguf")).expect("copied");
    check(&["x", "--no-binary", "--model", ".hidden.gguf"], 2, "cannot be in a bundle");
    std::fs::remove_file(world.home().join(".config/loci/config.toml")).expect("removed");
    check(&["x", "--no-binary", "--config"], 2, "no configuration");
    small(&world, "y", &[]);
}

#[test]
fn policies_are_brought_along_and_not_put_in_force() {
    let world = world();
    world.write("10-site.toml", "offline = true\n");
    let bundle = small(&world, "b", &["--policy", "10-site.toml"]);
    let here = World::new();
    let run = here.loci(&["-v", "bundle", "install", bundle.to_str().expect("UTF-8")]).ended(0);
    assert!(run.err.contains("/etc/loci/policy.d"), "{}", run.err);
    let policy = here.home().join(".local/share/loci/policy/10-site.toml");
    assert_eq!(std::fs::read_to_string(policy).expect("there"), "offline = true\n");
    assert!(!here.loci(&["policy", "show"]).out.contains("nothing goes over the network"));
}
