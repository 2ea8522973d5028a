//! Reading and changing files: what is told, and what is refused.

use serde_json::json;

use super::Project;

#[test]
fn reading() {
    let long = (1..=2_500).map(|number| format!("line {number}\n")).collect::<String>();
    let project = Project::new(&[
        ("a.txt", b"one\ntwo\nthree\n"),
        ("empty", b""),
        ("long.txt", long.as_bytes()),
        ("bin", b"\x7fELF\0"),
        ("src/lib.rs", b"fn x() {}\n"),
    ]);
    project.brief("read", json!({ "path": "a.txt" }), "lines 1-3 of 3 in a.txt");
    project.brief("read", json!({ "path": "./a.txt", "start": 2 }), "lines 2-3 of 3 in a.txt");
    project.brief("read", json!({ "path": "a.txt", "start": "2", "end": "2" }), "lines 2-2 of 3 in a.txt");
    project.brief("read", json!({ "path": "a.txt", "end": 99 }), "lines 1-3 of 3 in a.txt");
    project.brief(
        "read",
        json!({ "path": "a.txt", "start": 4 }),
        "failed: a.txt has 3 lines; there is no line 4",
    );
    project.brief(
        "read",
        json!({ "path": "a.txt", "start": 3, "end": 2 }),
        "failed: `end` (2) is before `start` (3)",
    );
    project.brief(
        "read",
        json!({ "path": "a.txt", "start": -1 }),
        "failed: `start` must be a whole number, not -1",
    );
    project.brief("read", json!({ "path": "empty" }), "empty is empty");
    project.brief("read", json!({ "path": "bin" }), "failed: bin cannot be used: it is binary");
    project.brief("read", json!({ "path": "src" }), "failed: src is a folder; list it with glob `src/**`");
    project.brief("read", json!({ "path": "" }), "failed: `path` is empty");
    project.brief("read", json!({ "path": "a.txt/x" }), "failed: no such file: a.txt/x");
    let outcome = project.call("read", json!({ "path": "long.txt" }));
    assert_eq!(outcome.brief, "lines 1-2000 of 2500 in long.txt");
    assert!(outcome.text.ends_with("(2000 of 2500 lines shown; continue with start 2001)\n"));
    assert_eq!(
        project.call("read", json!({ "path": "a.txt", "start": 2, "end": 2 })).text,
        "2\ttwo\n(1 of 3 lines shown; continue with start 3)\n"
            .replace("(1 of 3 lines shown; continue with start 3)\n", "")
    );
    let outcome = project.call("read", json!({ "path": "src/lib.rz" }));
    assert_eq!(outcome.text, "no such file: src/lib.rz; did you mean src/lib.rs?");
    // Wide files stop at their bytes.
    super::put(
        &project.path("wide.txt"),
        "x".repeat(1_000).as_bytes().iter().chain(b"\n").copied().collect::<Vec<u8>>().repeat(100).as_slice(),
    );
    let outcome = project.call("read", json!({ "path": "wide.txt" }));
    assert!(outcome.text.len() < 60_000 && outcome.text.contains("continue with start"), "{}", outcome.brief);
}

#[test]
fn writing() {
    let project = Project::new(&[
        ("a.txt", b"old\n"),
        ("bin", b"\0\x01"),
        ("bom.txt", b"\xef\xbb\xbfold\n"),
        ("folder/x", b""),
    ]);
    project.brief(
        "write",
        json!({ "path": "new/deep/file.txt", "content": "hi\n" }),
        "wrote new/deep/file.txt",
    );
    assert_eq!(project.read("new/deep/file.txt"), b"hi\n");
    project.brief("write", json!({ "path": "a.txt", "content": "" }), "wrote a.txt");
    assert_eq!(project.read("a.txt"), b"");
    project.brief("write", json!({ "path": "bom.txt", "content": "new\n" }), "wrote bom.txt");
    assert_eq!(project.read("bom.txt"), b"\xef\xbb\xbfnew\n");
    project.brief(
        "write",
        json!({ "path": "bin", "content": "x" }),
        "failed: bin is not replaced: it is binary",
    );
    project.brief(
        "write",
        json!({ "path": "folder", "content": "x" }),
        "failed: folder is a folder; a file name is needed",
    );
    project.brief(
        "write",
        json!({ "path": "fresh/", "content": "x" }),
        "failed: fresh/ names a folder; a file name is needed",
    );
    project.brief(
        "write",
        json!({ "path": "a.txt", "content": "" }),
        "failed: a.txt has this content already",
    );
    project.brief("write", json!({ "path": "a.txt" }), "failed: `content` is missing");
    assert!(!project.call("write", json!({ "path": "a.txt/b", "content": "x" })).ok);
    let tool = super::all().into_iter().find(|tool| tool.name() == "write").expect("exists");
    let preview = tool.preview(&json!({ "path": "n.txt", "content": "x\n" }), &project.context);
    assert_eq!(preview.as_deref(), Some("--- /dev/null\n+++ b/n.txt\n@@ -0,0 +1 @@\n+x\n"));
    assert!(!project.path("n.txt").exists());
}

#[test]
fn inserting_and_deleting() {
    let project = Project::new(&[("a.txt", b"one\ntwo\n"), ("bin", b"\0"), ("folder/x", b"")]);
    project.brief("insert", json!({ "path": "a.txt", "text": "half", "line": 2 }), "inserted in a.txt");
    project.brief("insert", json!({ "path": "a.txt", "text": "end" }), "inserted in a.txt");
    assert_eq!(project.read("a.txt"), b"one\nhalf\ntwo\nend\n");
    project.brief(
        "insert",
        json!({ "path": "a.txt", "text": "x", "line": 9 }),
        "failed: a.txt has 4 lines; `line` must be 1 to 5",
    );
    project.brief("insert", json!({ "path": "a.txt", "text": "" }), "failed: `text` is empty");
    project.brief("insert", json!({ "path": "none.txt", "text": "x" }), "failed: no such file: none.txt");
    project.brief("delete", json!({ "path": "bin" }), "deleted bin");
    assert!(!project.path("bin").exists());
    project.brief("undo", json!({}), "undone: bin");
    assert_eq!(project.read("bin"), b"\0");
    project.brief(
        "delete",
        json!({ "path": "folder" }),
        "failed: folder is a folder; delete its files one by one",
    );
    project.brief("delete", json!({ "path": "none" }), "failed: no such file: none");
    project.brief("undo", json!({}), "undone: a.txt");
    project.brief("undo", json!({}), "undone: a.txt");
    project.brief("undo", json!({}), "failed: there is nothing to undo");
    assert_eq!(project.read("a.txt"), b"one\ntwo\n");
}

#[test]
fn edits_tell_what_they_did() {
    let project = Project::new(&[("a.rs", b"fn a() {\n    b();\n    b();\n}\n")]);
    let outcome = project.call("edit", json!({ "path": "a.rs", "old": "b();", "new": "c();", "all": true }));
    assert_eq!((outcome.brief.as_str(), outcome.summary.as_str()), ("edited a.rs", "edited a.rs (2 places)"));
    assert_eq!(outcome.locations[0].line, 2);
    let outcome =
        project.call("edit", json!({ "path": "a.rs", "old": "fn a() {\n  c();", "new": "fn a() {\n  d();" }));
    assert!(outcome.text.contains("matched apart from indentation"), "{}", outcome.text);
    assert_eq!(project.read("a.rs"), b"fn a() {\n    d();\n    c();\n}\n");
    project.brief("rename", json!({ "path": "a.rs", "symbol": "c", "to": "e" }), "renamed c to e in 1 file");
    project.brief(
        "rename",
        json!({ "path": "a.rs", "symbol": "zz", "to": "e" }),
        "failed: zz does not occur in a.rs",
    );
    project.brief(
        "rename",
        json!({ "path": "a.rs", "symbol": "d", "to": "not a name" }),
        "failed: `not a name` is not an identifier",
    );
    // What somebody else writes in between is not lost.
    assert_eq!(project.read("a.rs"), b"fn a() {\n    d();\n    e();\n}\n");
}
