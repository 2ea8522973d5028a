//! Owns the rules of the house that a machine can check: walls, room cards, who may print, who may ask the environment.
//! Uses the manifests and sources as text.
//! Never guesses: each finding names its file, its line and the rule.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// Which of our crates each of them may depend on. A new edge is a decision about the architecture: it belongs in
/// `docs/design/` before it belongs here.
const EDGES: &[(&str, &str, &[&str])] = &[
    ("inference/kernels", "loci-kernels", &[]),
    ("inference", "loci-inference", &["loci-kernels"]),
    ("index", "loci-index", &[]),
    ("agent/protocol", "loci-protocol", &[]),
    ("agent/policy", "loci-policy", &[]),
    ("agent/exec", "loci-exec", &[]),
    ("agent/tui", "loci-tui", &["loci-protocol"]),
    (
        "agent/core",
        "loci-core",
        &["loci-protocol", "loci-policy", "loci-exec", "loci-index", "loci-inference"],
    ),
    ("agent/cli", "loci", &["loci-core", "loci-tui", "loci-protocol", "loci-index", "loci-inference"]),
    (
        "benches",
        "loci-benches",
        &["loci-core", "loci-policy", "loci-protocol", "loci-tui", "loci-index", "loci-inference"],
    ),
];

/// A file longer than this wants another room.
const LONGEST_FILE: usize = 700;

/// Files that may be longer, and why.
const LONG_FILES: &[(&str, &str)] = &[];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two folders up").to_owned()
}

fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(folder: &str) -> Table {
    text(Path::new(folder).join("Cargo.toml")).parse().expect("manifests are TOML")
}

/// Every table of dependencies in a manifest: of the crate, its tests, its build, and of single platforms.
fn dependency_tables(manifest: &Table) -> Vec<&Table> {
    let platforms = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    std::iter::once(manifest)
        .chain(platforms.filter_map(Value::as_table))
        .flat_map(|table| {
            ["dependencies", "dev-dependencies", "build-dependencies"]
                .into_iter()
                .filter_map(|section| table.get(section).and_then(Value::as_table))
        })
        .collect()
}

/// Every Rust file of a crate, below these folders, relative to the root.
fn sources(folder: &str, below: &[&str]) -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for part in below {
        walk(&root().join(folder).join(part), &mut found);
    }
    found.sort();
    found
        .iter()
        .map(|path| path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/"))
        .collect()
}

/// Every source file that is built into a program or library.
fn all_sources() -> Vec<String> {
    EDGES.iter().flat_map(|(folder, ..)| sources(folder, &["src"])).collect()
}

/// Whether a file is compiled for tests only: the module above declares it right below `#[cfg(test)]`.
fn is_test_file(path: &str) -> bool {
    let path = Path::new(path);
    let (Some(folder), Some(stem)) = (path.parent(), path.file_stem().and_then(|stem| stem.to_str())) else {
        return false;
    };
    let above = [folder.with_extension("rs"), folder.join("lib.rs"), folder.join("main.rs")];
    let declares = above.iter().filter(|above| *above != path && root().join(above).is_file()).any(|above| {
        let source = text(above);
        let mut lines = source.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line == "#[cfg(test)]" {
                let next = lines.by_ref().find(|line| !line.starts_with("#[")).unwrap_or_default();
                if next.strip_suffix(';').and_then(|next| next.split_whitespace().last()) == Some(stem) {
                    return true;
                }
            }
        }
        false
    });
    // What stands below a test module is one, too.
    declares || folder.file_name().is_some_and(|name| name == "tests")
}

/// The lines of a file that are neither comments nor inside its test module, which stands last.
fn code(path: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text(path).lines()) {
        if line.trim_start().starts_with("#[cfg(test)]") {
            break;
        }
        if !line.trim_start().starts_with("//") {
            lines.push((number, line.to_owned()));
        }
    }
    lines
}

/// Fails with every place where one of the words stands outside the files where it may.
fn only_in(words: &[&str], allowed: &[&str], files: &[String], rule: &str) {
    let mut found = Vec::new();
    for path in files.iter().filter(|path| !is_test_file(path)) {
        if allowed.iter().any(|prefix| path.starts_with(prefix)) {
            continue;
        }
        for (number, line) in code(path) {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                found.push(format!("{path}:{number}: {word}"));
            }
        }
    }
    assert!(found.is_empty(), "{rule}\n{}", found.join("\n"));
}

#[test]
fn dependencies_point_one_way() {
    for (folder, name, allowed) in EDGES {
        let manifest = manifest(folder);
        assert_eq!(manifest["package"]["name"].as_str(), Some(*name), "{folder}");
        for dependency in dependency_tables(&manifest).into_iter().flat_map(Table::keys) {
            assert!(
                !dependency.starts_with("loci") || allowed.contains(&dependency.as_str()),
                "{folder}: {name} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn every_member_is_known_here() {
    let workspace = manifest(".");
    let members = workspace["workspace"]["members"].as_array().expect("a list");
    let mut members: Vec<&str> = members.iter().filter_map(Value::as_str).collect();
    let mut known: Vec<&str> = EDGES.iter().map(|(folder, ..)| *folder).collect();
    members.sort_unstable();
    known.sort_unstable();
    assert_eq!(members, known);
    assert_eq!(workspace["workspace"]["default-members"][0].as_str(), Some("agent/cli"));
    assert_eq!(workspace["workspace"]["package"]["rust-version"].as_str(), Some("1.95"));
}

#[test]
fn every_manifest_has_its_fields() {
    for (folder, ..) in EDGES {
        let manifest = manifest(folder);
        let package = manifest["package"].as_table().expect("a table");
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            let inherited =
                package.get(key).and_then(|value| value.get("workspace")).and_then(Value::as_bool);
            assert_eq!(inherited, Some(true), "{folder}: `{key}` comes from the workspace");
        }
        assert!(
            package.get("description").and_then(Value::as_str).is_some_and(|text| text.len() > 10),
            "{folder}"
        );
        assert_eq!(
            manifest["lints"]["workspace"].as_bool(),
            Some(true),
            "{folder}: lints come from the workspace"
        );
        for (name, value) in dependency_tables(&manifest).into_iter().flatten() {
            let inherited = value.get("workspace").and_then(Value::as_bool);
            assert_eq!(inherited, Some(true), "{folder}: the version of {name} belongs in the workspace");
        }
    }
}

#[test]
fn every_dependency_is_used() {
    let mut used_somewhere: BTreeMap<String, bool> = manifest(".")["workspace"]["dependencies"]
        .as_table()
        .expect("a table")
        .keys()
        .map(|name| (name.clone(), false))
        .collect();
    for (folder, ..) in EDGES {
        let manifest = manifest(folder);
        let all: String =
            sources(folder, &["src", "tests", "benches", "examples"]).iter().map(text).collect();
        for name in dependency_tables(&manifest).into_iter().flat_map(Table::keys) {
            assert!(all.contains(&name.replace('-', "_")), "{folder}: nothing uses {name}");
            used_somewhere.insert(name.clone(), true);
        }
    }
    let unused: Vec<_> = used_somewhere.iter().filter(|(_, used)| !**used).map(|(name, _)| name).collect();
    assert!(unused.is_empty(), "the workspace names dependencies that no crate takes: {unused:?}");
}

/// The names of all crates that a program is made of, platforms of others included.
fn crates_of(features: &[&str]) -> Vec<String> {
    let tree = |platforms: &[&str]| {
        std::process::Command::new(env!("CARGO"))
            .args(["tree", "-p", "loci", "-e", "normal", "--locked", "--offline"])
            .args(platforms)
            .args(["--prefix", "none", "--format", "{p}"])
            .args(features)
            // Features unified over the workspace would be the answer for all of it together.
            .env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION")
            .current_dir(root())
            .output()
            .expect("cargo runs")
    };
    let mut output = tree(&["--target", "all"]);
    // What only other platforms need is not on every machine; `.ci/run` fetches it.
    if !output.status.success() {
        output = tree(&[]);
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut names: Vec<String> =
        text.lines().filter_map(|line| line.split_whitespace().next()).map(Into::into).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn without_the_network_feature_no_crate_speaks_http() {
    const SPEAKING: &[&str] = &[
        "attohttpc",
        "aws-lc-rs",
        "axum",
        "curl",
        "h2",
        "h3",
        "hf-hub",
        "hf-xet",
        "http",
        "http-body",
        "httparse",
        "hyper",
        "hyper-rustls",
        "hyper-util",
        "isahc",
        "minreq",
        "native-tls",
        "openssl",
        "openssl-sys",
        "quinn",
        "quinn-proto",
        "reqwest",
        "reqwest-middleware",
        "ring",
        "rustls",
        "rustls-native-certs",
        "rustls-platform-verifier",
        "surf",
        "tiny_http",
        "tokio-rustls",
        "tokio-tungstenite",
        "tower-http",
        "tungstenite",
        "ureq",
        "warp",
    ];
    let speaking = |crates: &[String]| -> Vec<&str> {
        SPEAKING.iter().copied().filter(|name| crates.iter().any(|known| known == name)).collect()
    };
    let (with, without) = (crates_of(&[]), crates_of(&["--no-default-features"]));
    for expected in ["reqwest", "hyper", "rustls", "http", "hf-hub", "axum"] {
        assert!(speaking(&with).contains(&expected), "the control: {expected} is in the usual program");
    }
    assert!(without.iter().any(|name| name == "loci-core") && without.len() > 100, "{without:?}");
    assert_eq!(speaking(&without), Vec::<&str>::new());
}

#[test]
fn every_module_has_its_room_card() {
    let mut missing = Vec::new();
    let suites = sources("benches", &["benches"]);
    for path in all_sources().into_iter().chain(suites).filter(|path| !is_test_file(path)) {
        let source = text(&path);
        let header: Vec<&str> = source.lines().take_while(|line| line.starts_with("//!")).collect();
        for word in ["Owns", "Uses", "Never"] {
            let starts = |line: &&str| line.trim_start_matches("//!").trim_start().starts_with(word);
            if !header.iter().any(starts) {
                missing.push(format!("{path}: no line `//! {word} …`"));
            }
        }
    }
    assert!(missing.is_empty(), "a module says what it owns, uses and never does\n{}", missing.join("\n"));
}

#[test]
fn only_the_printer_prints() {
    let files: Vec<String> = all_sources().into_iter().filter(|path| !path.starts_with("benches/")).collect();
    only_in(
        &["println!", "print!(", "dbg!(", "io::stdout()", "io::stderr()", "stdout().lock", "stderr().lock"],
        // The second one draws on the screen, and gives the terminal back as it was.
        &["agent/cli/src/printer.rs", "agent/cli/src/screen/terminal"],
        &files,
        "whatever Loci says goes through the printer of the binary",
    );
}

#[test]
fn only_the_store_names_tantivy() {
    only_in(&["tantivy"], &["index/src/store"], &all_sources(), "the search engine stays behind one file");
}

#[test]
fn only_env_reads_the_environment() {
    only_in(
        &["env::var", "var_os(", "vars_os(", "env::vars"],
        // The second one takes secrets out of what children inherit, and keeps none of it.
        &["agent/core/src/config/env.rs", "agent/exec/src/environment.rs"],
        &all_sources(),
        "every environment variable is read in one file",
    );
}

#[test]
fn only_exec_starts_processes() {
    let files: Vec<String> = all_sources().into_iter().filter(|path| !path.starts_with("benches/")).collect();
    only_in(
        &["Command::new("],
        &["agent/exec/src"],
        &files,
        "processes are started, and ended, in one place",
    );
}

#[test]
fn the_pure_crates_do_no_io() {
    let files: Vec<String> = ["agent/protocol", "agent/policy", "agent/tui"]
        .iter()
        .flat_map(|folder| sources(folder, &["src"]))
        .collect();
    only_in(
        &["std::fs", "fs::", "std::net", "std::process", "std::env", "File::open", "tokio"],
        &[],
        &files,
        "protocol, policy and tui are pure",
    );
}

#[test]
fn inference_never_sees_the_project_and_the_index_never_a_model() {
    let inference = sources("inference", &["src"]);
    only_in(
        &["loci_index", "loci_core", "loci_exec", "ignore::"],
        &[],
        &inference,
        "inference is tokens in, tokens out",
    );
    let index = sources("index", &["src"]);
    only_in(
        &["candle", "tokenizers::", "loci_inference", "prompt"],
        &[],
        &index,
        "the index knows no models",
    );
}

#[test]
fn files_stay_readable() {
    let mut found = Vec::new();
    for path in all_sources() {
        let lines = text(&path).lines().count();
        if lines > LONGEST_FILE && !LONG_FILES.iter().any(|(allowed, _)| *allowed == path) {
            found.push(format!("{path}: {lines} lines"));
        }
        if path.ends_with("/mod.rs") {
            found.push(format!("{path}: modules are foo.rs and foo/"));
        }
    }
    assert!(found.is_empty(), "past {LONGEST_FILE} lines a file wants another room\n{}", found.join("\n"));
    for (path, reason) in LONG_FILES {
        assert!(text(path).lines().count() > LONGEST_FILE, "{path} needs no exception any more ({reason})");
    }
}

#[test]
fn names_say_what_a_thing_is() {
    let mut found = Vec::new();
    for path in all_sources() {
        let stem = Path::new(&path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if ["common", "util", "utils", "helper", "helpers", "misc"].contains(&stem) {
            found.push(path.clone());
        }
        for (number, line) in code(&path) {
            let declares = ["struct ", "enum ", "trait "].iter().any(|keyword| line.contains(keyword));
            if declares && ["Manager", "Helper", "Util"].iter().any(|word| line.contains(word)) {
                found.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "no Manager, Helper, Util\n{}", found.join("\n"));
}

#[test]
fn documents_are_there_and_short() {
    let lines = |path: &str| text(path).lines().count();
    assert!(lines("ARCHITECTURE.md") <= 250);
    assert!(lines("AGENTS.md") <= 120);
    for path in
        ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE", "models.toml", "benches/README.md"]
    {
        assert!(lines(path) > 5, "{path}");
    }
    // The command that CI runs is the one that the README shows.
    let readme = text("README.md");
    assert_eq!(readme.matches("<!-- test-command -->").count(), 1);
    assert!(text(".ci/run").contains("<!-- test-command -->"));
    // Every crate is on the map.
    let map = text("ARCHITECTURE.md");
    for (folder, ..) in EDGES {
        assert!(
            map.contains(&format!("`{folder}`")) || map.contains(&format!("`{folder}/")),
            "{folder} is not on the map"
        );
    }
    // What is on the map is where the map says.
    for path in map.split('`').filter(|word| word.ends_with(".rs") && word.contains("/src/")) {
        assert!(root().join(path).is_file(), "ARCHITECTURE.md names {path}, which is not there");
    }
}
