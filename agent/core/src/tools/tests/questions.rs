//! The tools that ask the index.

use serde_json::json;

use super::Project;

fn project() -> Project {
    Project::new(&[
        (
            "src/config.rs",
            b"//! Configuration.\n\n/// Reads the layers in order.\npub fn load_config(path: &str) -> String {\n    let text = read_layer(path);\n    text.trim().to_owned()\n}\n\nfn read_layer(path: &str) -> String {\n    path.to_owned()\n}\n",
        ),
        ("src/main.rs", b"mod config;\n\nfn main() {\n    let text = config::load_config(\"x\");\n    println!(\"{text}\");\n}\n"),
        ("tests/api.py", b"def test_api():\n    assert True\n"),
        ("README.md", b"# Title\n\nTODO: write a[0] and unwrap()\n"),
        (".gitignore", b"target/\n"),
        ("target/out.txt", b"TODO in ignored\n"),
    ])
}

#[test]
fn definitions_and_uses() {
    let project = project();
    project.brief(
        "where",
        json!({ "symbol": "load_config" }),
        "1 definition: src/config.rs:4 fn load_config",
    );
    let outcome = project.call("where", json!({ "symbol": "load_config()" }));
    assert!(outcome.text.contains("Reads the layers in order"), "{}", outcome.text);
    assert!(
        outcome.evidence.iter().any(|evidence| evidence.label == "body" && evidence.location.line == 5),
        "{outcome:?}"
    );
    let outcome = project.call("where", json!({ "symbol": "lod_config" }));
    assert_eq!(outcome.brief, "no definition of lod_config");
    assert!(outcome.evidence.iter().any(|evidence| evidence.label == "similar"), "{outcome:?}");
    project.brief("callers", json!({ "symbol": "load_config" }), "1 use in 1 file: src/main.rs:4");
    project.brief("callers", json!({ "symbol": "load_config", "tests": true }), "no uses of load_config");
    project.brief("callers", json!({ "symbol": "nothing_at_all" }), "no uses of nothing_at_all");
    project.brief("outline", json!({ "path": "src/config.rs" }), "2 definitions in src/config.rs");
    assert!(!project.call("outline", json!({ "path": "src/none.rs" })).ok);
    assert!(!project.call("outline", json!({ "path": "src" })).ok);
}

#[test]
fn searching() {
    let project = project();
    let outcome = project.call("search", json!({ "query": "reads the configuration layers" }));
    assert!(
        outcome.ok && outcome.evidence.iter().any(|evidence| evidence.location.path == "src/config.rs"),
        "{outcome:?}"
    );
    assert!(!project.call("search", json!({ "query": "  " })).ok);
}

#[test]
fn globbing() {
    let project = project();
    project.brief("glob", json!({ "pattern": "**/*.rs" }), "2 files: src/config.rs; src/main.rs");
    project.brief("glob", json!({ "pattern": "src" }), "2 files: src/config.rs; src/main.rs");
    project.brief("glob", json!({ "pattern": "./src/" }), "2 files: src/config.rs; src/main.rs");
    project.brief("glob", json!({ "pattern": "*.zig" }), "no files");
    project.brief("glob", json!({ "pattern": "config" }), "1 file: src/config.rs");
    project.brief(
        "glob",
        json!({ "pattern": "../**" }),
        "failed: ../** is outside the project; patterns start at its root",
    );
    project.brief(
        "glob",
        json!({ "pattern": "/etc/*" }),
        "failed: /etc/* is outside the project; patterns start at its root",
    );
    assert!(project.call("glob", json!({ "pattern": "a[" })).text.contains("is not a pattern"));
    let all = project.call("glob", json!({ "pattern": "." }));
    assert!(!all.text.contains("target/out.txt"), "{}", all.text);
}

#[test]
fn grepping() {
    let project = project();
    project.brief("grep", json!({ "pattern": "TODO" }), "1 match in 1 file: README.md:3");
    project.brief(
        "grep",
        json!({ "pattern": "todo", "ignore_case": true }),
        "1 match in 1 file: README.md:3",
    );
    project.brief("grep", json!({ "pattern": "todo" }), "no matches");
    super::put(&project.path("README.md"), b"# Title\r\n\r\nTODO: write a[0] and unwrap()\r\n");
    project.brief("grep", json!({ "pattern": "^# Title$" }), "1 match in 1 file: README.md:1");
    project.brief(
        "grep",
        json!({ "pattern": "fn \\w+_config", "path": "src" }),
        "1 match in 1 file: src/config.rs:4",
    );
    project.brief(
        "grep",
        json!({ "pattern": "load_config", "glob": "*.rs" }),
        "2 matches in 2 files: src/config.rs:4; src/main.rs:4",
    );
    project.brief("grep", json!({ "pattern": "load_config", "glob": "*.md" }), "no matches");
    // Not a regular expression, or not one that was meant.
    let outcome = project.call("grep", json!({ "pattern": "a[0" }));
    assert!(outcome.ok && outcome.text.contains("plain text"), "{}", outcome.text);
    project.brief("grep", json!({ "pattern": "unwrap()" }), "1 match in 1 file: README.md:3");
    project.brief("grep", json!({ "pattern": "a[0]" }), "1 match in 1 file: README.md:3");
    project.brief("grep", json!({ "pattern": "" }), "failed: `pattern` is empty");
    project.brief("grep", json!({ "pattern": "x", "path": "none" }), "failed: no such file: none");
    // An ignored folder is read when it is named, and policy is asked for each file.
    project.brief(
        "grep",
        json!({ "pattern": "ignored", "path": "target" }),
        "1 match in 1 file: target/out.txt:1",
    );
    let tool = super::all().into_iter().find(|tool| tool.name() == "grep").expect("exists");
    let accesses =
        tool.access(&json!({ "pattern": "x", "path": "target" }), &project.context).expect("is usable");
    assert!(accesses.iter().any(|access| access.tool == "Read"), "{accesses:?}");
    project.context.cancel.cancel();
    project.brief("grep", json!({ "pattern": "TODO" }), "no matches");
}

#[test]
fn renaming_everywhere() {
    let project = project();
    let outcome = project.call("rename", json!({ "symbol": "load_config", "to": "read_config" }));
    assert_eq!(outcome.brief, "renamed load_config to read_config in 2 files");
    assert_eq!(outcome.changed, ["src/config.rs", "src/main.rs"]);
    assert!(outcome.text.contains("1 place in src/config.rs, 1 place in src/main.rs"), "{}", outcome.text);
    assert!(String::from_utf8_lossy(&project.read("src/main.rs")).contains("config::read_config(\"x\")"));
    let outcome = project.call("rename", json!({ "symbol": "nothing_here", "to": "x" }));
    assert!(!outcome.ok && outcome.text.starts_with("nothing_here does not occur"), "{}", outcome.text);
}
