//! What an edit must not touch: every byte outside the replaced span, modes, links, names.

use serde_json::json;

use super::{Project, put};

/// `edit` in a file with this content; the expected content, or the start of the failure.
#[track_caller]
fn check(before: &[u8], old: &str, new: &str, expect: Result<&[u8], &str>) {
    let project = Project::new(&[("file", before)]);
    let outcome = project.call("edit", json!({ "path": "file", "old": old, "new": new }));
    match expect {
        Ok(expect) => {
            assert!(outcome.ok, "{old:?}: {}", outcome.text);
            let after = project.read("file");
            assert_eq!(
                after,
                expect,
                "{:?} instead of {:?}",
                String::from_utf8_lossy(&after),
                String::from_utf8_lossy(expect)
            );
            assert_eq!(outcome.changed, ["file"]);
            assert!(outcome.diff.is_some_and(|diff| diff.starts_with("--- a/file\n+++ b/file\n")));
            // What was there is kept, and comes back.
            assert!(project.call("undo", json!({})).ok);
        }
        Err(start) => assert!(!outcome.ok && outcome.text.contains(start), "{old:?}: {}", outcome.text),
    }
    assert_eq!(project.read("file"), before, "{old:?}");
}

#[test]
fn endings_and_marks_stay() {
    check(b"a\nb\nc\n", "b", "x", Ok(b"a\nx\nc\n"));
    check(b"a\r\nb\r\nc\r\n", "b", "x", Ok(b"a\r\nx\r\nc\r\n"));
    check(b"a\r\nb\nc\r\n", "b", "x", Ok(b"a\r\nx\nc\r\n"));
    check(b"a\nb\r\nc\n", "b", "x\ny", Ok(b"a\nx\r\ny\r\nc\n"));
    check(b"a\nb\nc", "c", "x", Ok(b"a\nb\nx"));
    check(b"a\nb\nc", "c", "x\n", Ok(b"a\nb\nx\n"));
    check(b"a\n\n\n\n", "a", "x", Ok(b"x\n\n\n\n"));
    check(b"\n\na", "a", "x", Ok(b"\n\nx"));
    check(b"a  \nb\t\n", "a", "x", Ok(b"x  \nb\t\n"));
    check(b"\xef\xbb\xbfa\nb\n", "a", "x", Ok(b"\xef\xbb\xbfx\nb\n"));
    check(b"\xef\xbb\xbfa\r\nb\r\n", "a\nb", "x\ny", Ok(b"\xef\xbb\xbfx\r\ny\r\n"));
    check(b"a\rb\rc", "b", "x", Ok(b"a\rx\rc"));
    check(b"a\x0cb\x0bc", "b", "x", Ok(b"a\x0cx\x0bc"));
    check(b"\tif a {\n\t\tb\n\t}\n", "b", "c", Ok(b"\tif a {\n\t\tc\n\t}\n"));
    check(
        "ein Gr\u{fc}n \u{1f980} e\u{301}\n".as_bytes(),
        "\u{1f980}",
        "x",
        Ok("ein Gr\u{fc}n x e\u{301}\n".as_bytes()),
    );
    check("a\u{2028}b\u{85}c\n".as_bytes(), "b", "x", Ok("a\u{2028}x\u{85}c\n".as_bytes()));
}

#[test]
fn tolerant_matches_touch_only_their_lines() {
    check(
        b"x\r\n\tif a {\r\n\t\tb\r\n\t}\r\ny",
        "if a {\n    b\n}",
        "if a {\n    c\n}",
        Ok(b"x\r\n\tif a {\r\n\t\tc\r\n\t}\r\ny"),
    );
    check(b"x \n  a  \ny\t\n", "a", "b", Ok(b"x \n  b  \ny\t\n"));
    check(b"  one\n  two\nlast", "one\ntwo", "1\n2", Ok(b"  1\n  2\nlast"));
    check(b"first\n  one\n  two", "one\ntwo\n", "1\n", Ok(b"first\n  1"));
    check(b"\xef\xbb\xbf  a\r\nb", "a \n", "c\n", Ok(b"\xef\xbb\xbf  c\r\nb"));
}

#[test]
fn other_encodings() {
    check(b"caf\xe9 = 1\n", "= 1", "= 2", Ok(b"caf\xe9 = 2\n"));
    check(b"caf\xe9 = 1\n", "= 1", "= \u{fc}", Err("is not UTF-8"));
    check(b"caf\xe9 = 1\n", "caf\u{e9}", "x", Err("is not UTF-8"));
    check(b"\xc3\x28 a\n", "a", "b", Ok(b"\xc3\x28 b\n"));
    check(b"\xff\xfea\0b\0", "a", "b", Err("UTF-16"));
    check(b"\xfe\xff\0a\0b", "a", "b", Err("UTF-16"));
    check(b"\xff\xfe\0\0a\0\0\0", "a", "b", Err("UTF-32"));
    check(b"a\0b", "a", "b", Err("is binary"));
}

#[test]
fn what_cannot_be_done_changes_nothing() {
    check(b"", "a", "b", Err("does not occur"));
    check(b"a\n", "", "b", Err("`old` is empty"));
    check(b"a\n", "a", "a", Err("would not change"));
    check(b"a\na\n", "a", "b", Err("occurs 2 times in file, at lines 1, 2"));
    check(
        b"let x = compute(1);\n",
        "let y = compute(2);",
        "z",
        Err("the closest line is 1: let x = compute(1);"),
    );
    check(&[b'x'; 11 * 1024 * 1024], "y", "z", Err("is too large"));
    let project = Project::new(&[("file", b"a\n")]);
    project.journal.full.store(true, std::sync::atomic::Ordering::Relaxed);
    for (tool, input) in [
        ("edit", json!({ "path": "file", "old": "a", "new": "b" })),
        ("write", json!({ "path": "file", "content": "b" })),
        ("insert", json!({ "path": "file", "text": "b" })),
        ("delete", json!({ "path": "file" })),
        ("rename", json!({ "path": "file", "symbol": "a", "to": "b" })),
    ] {
        let outcome = project.call(tool, input);
        assert!(!outcome.ok && outcome.text.contains("could not be kept"), "{tool}: {}", outcome.text);
        assert_eq!(project.read("file"), b"a\n", "{tool}");
    }
}

#[cfg(unix)]
#[test]
fn modes_and_links() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    for mode in [0o600, 0o644, 0o755, 0o4755, 0o444] {
        let project = Project::new(&[("file", b"a\n")]);
        std::fs::set_permissions(project.path("file"), std::fs::Permissions::from_mode(mode))
            .expect("changes the mode");
        assert!(project.call("edit", json!({ "path": "file", "old": "a", "new": "b" })).ok, "{mode:o}");
        let kept = std::fs::metadata(project.path("file")).expect("is there").permissions().mode();
        assert_eq!(kept & 0o7777, mode, "{mode:o}");
    }
    let project = Project::new(&[("real/file.txt", b"a\n")]);
    symlink("real/file.txt", project.path("link")).expect("links");
    symlink("link", project.path("second")).expect("links");
    symlink("real", project.path("folder")).expect("links");
    for (tool, path, input) in [
        ("edit", "link", json!({ "path": "link", "old": "a", "new": "b" })),
        ("insert", "second", json!({ "path": "second", "text": "c" })),
        ("write", "link", json!({ "path": "link", "content": "d\n" })),
    ] {
        let outcome = project.call(tool, input);
        assert!(
            outcome.ok && outcome.text.contains("its target real/file.txt was changed"),
            "{tool}: {}",
            outcome.text
        );
        assert!(std::fs::symlink_metadata(project.path(path)).expect("is there").file_type().is_symlink());
    }
    assert_eq!(project.read("real/file.txt"), b"d\n");
    assert!(project.call("edit", json!({ "path": "folder/file.txt", "old": "d", "new": "e" })).ok);
    let outcome = project.call("delete", json!({ "path": "link" }));
    assert!(!outcome.ok && outcome.text.contains("symbolic link"), "{}", outcome.text);
    symlink("missing", project.path("dangling")).expect("links");
    assert!(!project.call("read", json!({ "path": "dangling" })).ok);
    assert!(!project.call("edit", json!({ "path": "dangling", "old": "a", "new": "b" })).ok);
    symlink("loop", project.path("loop")).expect("links");
    assert!(!project.call("write", json!({ "path": "loop", "content": "x" })).ok);
    // Special files are refused at once.
    assert!(!project.call("read", json!({ "path": "/dev/zero" })).ok);
}

#[test]
fn odd_names() {
    let names = [
        "with blank.txt",
        "-dash",
        "quote\"'`.txt",
        "tab\there",
        "ümläut.rs",
        "🦀.md",
        "a:b",
        "$HOME",
        "~",
        "new\nline",
        "(x)",
        "[y]",
        "{z}",
        "#",
        "%41",
        "..hidden",
        "a;b&c",
    ];
    for name in names {
        let project = Project::new(&[]);
        put(&project.path(name), b"a\n");
        let outcome = project.call("edit", json!({ "path": name, "old": "a", "new": "b" }));
        assert!(outcome.ok, "{name:?}: {}", outcome.text);
        assert_eq!(project.read(name), b"b\n", "{name:?}");
        assert_eq!(project.call("read", json!({ "path": name })).evidence[0].text, "b", "{name:?}");
        assert!(project.call("delete", json!({ "path": name })).ok, "{name:?}");
        assert!(!project.path(name).exists(), "{name:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_utf8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let project = Project::new(&[]);
    let path = project.path("src").join(OsStr::from_bytes(b"caf\xe9.txt"));
    put(&path, b"a\n");
    let shown = "src/caf\u{fffd}.txt";
    assert!(project.call("read", json!({ "path": shown })).ok);
    assert!(project.call("edit", json!({ "path": shown, "old": "a", "new": "b" })).ok);
    assert_eq!(std::fs::read(&path).expect("is there"), b"b\n");
    // A link of such a name is shown to policy with its target.
    std::os::unix::fs::symlink("/etc/hostname", project.path("src").join(OsStr::from_bytes(b"\xff")))
        .expect("links");
    let tool = super::all().into_iter().find(|tool| tool.name() == "read").expect("exists");
    let accesses = tool.access(&json!({ "path": "src/\u{fffd}" }), &project.context).expect("is usable");
    assert!(accesses.iter().any(|access| access.input["file_path"] == "/etc/hostname"), "{accesses:?}");
}
