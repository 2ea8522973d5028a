//! Owns the tests of the commands that need no model.
//! Uses the built binary in a small crate.
//! Never looks at scores, only at places.

use super::world::World;

#[test]
fn where_callers_search_and_outline_find_places() {
    let world = World::with_crate();
    let found = world.loci(&["where", "discount_for"]).ended(0);
    assert!(found.out.starts_with("src/price.rs:14  "), "{}", found.out);
    let found = world.loci(&["callers", "discount_for"]).ended(0);
    assert!(found.out.contains("src/lib.rs:22"), "{}", found.out);
    let found = world.loci(&["search", "discount", "for", "a", "sum"]).ended(0);
    assert!(found.out.lines().any(|line| line.starts_with("src/price.rs:")), "{}", found.out);
    let found = world.loci(&["outline", "src/lib.rs"]).ended(0);
    assert!(found.out.contains("Basket") && found.out.contains("total"), "{}", found.out);
    // Nothing is written into the repository.
    assert!(!world.repo().join(".loci").exists());
}

#[test]
fn json_is_one_object() {
    let world = World::with_crate();
    let value = world.loci(&["where", "Basket", "--json"]).ended(0).json();
    assert_eq!(value["definitions"][0]["path"], "src/lib.rs");
    assert_eq!(value["definitions"][0]["line"], 9);
    let value = world.loci(&["callers", "discount_for", "--json"]).ended(0).json();
    assert!(value["callers"].as_array().is_some_and(|list| !list.is_empty()), "{value}");
    let value = world.loci(&["search", "threshold", "--json", "-n", "3"]).ended(0).json();
    assert!(value["hits"].as_array().is_some_and(|list| (1..=3).contains(&list.len())), "{value}");
    let value = world.loci(&["outline", "src/price.rs", "--json"]).ended(0).json();
    assert_eq!(value["path"], "src/price.rs");
    let value = world.loci(&["index", "--json"]).ended(0).json();
    assert_eq!(value["files"], 4);
    assert_eq!(value["indexed"], 0, "the commands before have read everything: {value}");
}

#[test]
fn nothing_found_is_exit_code_one() {
    let world = World::with_crate();
    let run = world.loci(&["where", "discountFor"]).ended(1);
    assert!(run.out.is_empty() && run.err.contains("discount_for"), "{}", run.err);
    world.loci(&["callers", "nothing_like_it"]).ended(1);
    let value = world.loci(&["search", "zzyzx", "--json"]).ended(1).json();
    assert_eq!(value["hits"], serde_json::json!([]));
    world.loci(&["outline", "src/missing.rs"]).ended(2).explains("src/missing.rs");
}

#[test]
fn the_project_is_found_from_below_and_with_c() {
    let world = World::with_crate();
    let repo = world.repo();
    let elsewhere = world.home();
    let run = |directory: &std::path::Path, arguments: &[&str]| {
        let output = world.command().current_dir(directory).args(arguments).output().expect("runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
    };
    let (code, out) = run(&repo.join("src"), &["where", "Price"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with("src/price.rs:5"), "{out}");
    let (code, out) = run(&repo.join("src"), &["outline", "price.rs"]);
    assert!(code == Some(0) && out.contains("discount_for"), "{out}");
    let (code, out) = run(&elsewhere, &["-C", &repo.to_string_lossy(), "where", "Price"]);
    assert!(code == Some(0) && out.starts_with("src/price.rs:5"), "{out}");
}

#[test]
fn a_change_is_seen_by_the_next_command() {
    let world = World::with_crate();
    world.loci(&["where", "brand_new"]).ended(1);
    world.write("src/new.rs", "pub fn brand_new() {}\n");
    let found = world.loci(&["where", "brand_new"]).ended(0);
    assert!(found.out.starts_with("src/new.rs:1"), "{}", found.out);
    std::fs::remove_file(world.repo().join("src/new.rs")).expect("removed");
    world.loci(&["where", "brand_new"]).ended(1);
}

#[test]
fn odd_repositories_are_indexed() {
    let world = World::new();
    assert_eq!(world.loci(&["index", "--json"]).ended(0).json()["files"], 0);
    world.write("binary.bin", [0_u8, 159, 146, 150, 0, 1, 2]);
    world.write("latin1.py", b"def caf\xe9():\n    pass\n\ndef plain():\n    pass\n");
    world.write("empty.rs", "");
    world.write("naïve file.rs", "pub fn in_odd_name() {}\n");
    let found = world.loci(&["where", "in_odd_name"]).ended(0);
    assert!(found.out.starts_with("naïve file.rs:1"), "{}", found.out);
    let report = world.loci(&["index", "--json"]).ended(0).json();
    assert_eq!(report["files"], 4, "{report}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        world.write("secret.rs", "pub fn unreadable() {}\n");
        let path = world.repo().join("secret.rs");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).expect("set");
        world.loci(&["index"]).ended(0);
    }
}
