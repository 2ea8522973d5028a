//! What the index answers.

use std::fs;

use loci_index::{Index, IndexError, Options, Progress, Query, RefreshReport};

use crate::{CONFIG, Stage, places, project, refresh, search, uses};

#[test]
fn it_answers_where_and_who() {
    let stage = project();
    let (index, report) = stage.built();
    assert_eq!(
        report,
        RefreshReport { files: 4, indexed: 4, reused: 0, removed: 0, skipped: 0, rebuilt: false }
    );
    let definition = &index.definitions("load_config").expect("definitions")[0];
    assert_eq!((definition.path.as_str(), definition.line, definition.end_line), ("src/config.rs", 4, 6));
    assert_eq!(definition.signature, "pub fn load_config(path: &str) -> Config");
    assert_eq!(definition.doc.as_deref(), Some("Read the configuration from a file."));
    assert_eq!(
        (definition.kind.as_str(), definition.parent.as_deref(), definition.is_test),
        ("function", None, false)
    );
    assert_eq!(places(&index, "parse"), ["src/config.rs:15 method", "tests/all.rs:2 function"]);
    assert_eq!(places(&index, "Config::parse"), ["src/config.rs:15 method"]);
    assert_eq!(places(&index, "config::load_config"), ["src/config.rs:4 function"]);
    assert_eq!(places(&index, "Other::parse"), [""; 0]);
    assert_eq!(
        places(&index, "config"),
        ["src/config.rs:9 struct"],
        "another case, when there is no exact one"
    );
    assert_eq!(places(&index, "nothing_like_it"), [""; 0]);
    assert_eq!(
        uses(&index, "load_config"),
        [
            "README.md:3 mention",
            "src/config.rs:24 call",
            "src/main.rs:1 import",
            "src/main.rs:4 mention",
            "src/main.rs:5 call"
        ]
    );
    let test = &index.references("load_config").expect("references")[1];
    assert_eq!((test.enclosing.as_deref(), test.is_test), (Some("loads"), true));
    assert_eq!(
        uses(&index, "Config"),
        ["src/config.rs:4 type", "src/config.rs:5 type", "src/config.rs:13 type"]
    );
    assert!(index.defines("load_config") && index.defines("Config::parse") && !index.defines("load"));
    assert_eq!(index.symbols_like("load config"), ["load_config"]);
    assert_eq!(index.symbols_like("LoadConfig"), ["load_config"]);
    assert_eq!(index.symbols_like("?"), [""; 0]);
}

#[test]
fn it_finds_by_words() {
    let stage = project();
    let (index, _) = stage.built();
    assert_eq!(search(&index, "load_config")[0], "src/config.rs:4");
    assert_eq!(search(&index, "where is the configuration read from a file?")[0], "src/config.rs:3");
    assert_eq!(search(&index, "src/main.rs")[0].split(':').next(), Some("src/main.rs"));
    assert_eq!(search(&index, ""), [""; 0]);
    assert_eq!(search(&index, "zzzzqqq"), [""; 0]);
    let query = Query { text: "load config".into(), limit: 1, ..Query::default() };
    let hits = index.search(&query).expect("hits");
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0].symbol.as_deref(), Some("load_config"));
    assert_eq!(hits[0].preview, "pub fn load_config(path: &str) -> Config {");
    assert!(
        hits[0].why.iter().any(|(signal, points)| signal.starts_with("definition") && *points > 1.0),
        "{:?}",
        hits[0].why
    );
    for text in ["load config", "where is the configuration read from a file?", "src/main.rs:2"] {
        for hit in index.search(&Query { text: text.into(), ..Query::default() }).expect("hits") {
            let sum: f32 = hit.why.iter().map(|(_, points)| points).sum();
            assert!((hit.score - sum).abs() < 1e-3, "{text}: {hit:?}");
        }
    }
    let working =
        Query { text: "verbose".into(), working_set: vec!["src/main.rs".into()], ..Query::default() };
    let hits = index.search(&working).expect("hits");
    assert!(hits.iter().any(|hit| hit.path == "src/main.rs" && hit.why.iter().any(|(signal, _)| signal == "working set")));
}

#[test]
fn it_keeps_up_with_changes() {
    let stage = project();
    let (index, _) = stage.built();
    std::thread::sleep(std::time::Duration::from_millis(60));
    assert_eq!(refresh(&index).indexed, 0, "nothing changed");
    stage.write("src/main.rs", "fn renamed_main() {}\n");
    fs::rename(stage.root().join("src/config.rs"), stage.root().join("src/settings.rs")).expect("a rename");
    fs::remove_file(stage.root().join("tests/all.rs")).expect("a removal");
    // Same bytes, new date.
    stage.write("README.md", "# Demo\n\nCalls load_config.\n");
    let report = refresh(&index);
    assert_eq!((report.files, report.indexed, report.removed), (3, 2, 2));
    assert_eq!(places(&index, "load_config"), ["src/settings.rs:4 function"]);
    assert_eq!(places(&index, "main"), [""; 0]);
    assert_eq!(places(&index, "renamed_main"), ["src/main.rs:1 function"]);
    assert_eq!(uses(&index, "load_config"), ["README.md:3 mention", "src/settings.rs:24 call"]);
    let again = stage.open();
    assert_eq!(places(&again, "renamed_main"), ["src/main.rs:1 function"], "another process sees it");
    assert_eq!(refresh(&again).indexed, 0);
}

#[test]
fn it_takes_in_single_files() {
    let stage = project();
    let (index, _) = stage.built();
    stage.write("src/new.rs", "pub fn brand_new() {}\n");
    stage.write("src/other.rs", "pub fn not_yet() {}\n");
    index.update(&["src/new.rs".into()]).expect("an update");
    assert!(index.defines("brand_new") && !index.defines("not_yet"));
    fs::remove_file(stage.root().join("src/new.rs")).expect("a removal");
    index.update(&["./src/new.rs".into(), "../outside.rs".into(), String::new()]).expect("an update");
    assert!(!index.defines("brand_new"));
    assert!(index.defines("load_config"), "others stay");
    let absolute = stage.root().canonicalize().expect("a path").join("src/other.rs");
    index.update(&[absolute.to_string_lossy().into_owned()]).expect("an update");
    assert!(index.defines("not_yet"));
}

#[test]
fn answers_are_checked_on_disk() {
    let stage = project();
    let (index, _) = stage.built();
    stage.write("src/config.rs", format!("\n\n\n{CONFIG}"));
    assert_eq!(places(&index, "load_config"), ["src/config.rs:7 function"], "without a refresh");
    fs::remove_file(stage.root().join("src/config.rs")).expect("a removal");
    assert_eq!(places(&index, "load_config"), [""; 0]);
    assert!(search(&index, "load_config").iter().all(|hit| !hit.starts_with("src/config.rs")));
}

#[test]
fn outlines_are_of_the_file_as_it_is() {
    let stage = project();
    let (index, _) = stage.built();
    let outline = |path: &str| {
        let items = index.outline(path).expect("an outline");
        items
            .into_iter()
            .map(|item| format!("{} {} {}", item.depth, item.definition.kind, item.definition.name))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        outline("src/config.rs"),
        [
            "0 function load_config",
            "0 struct Config",
            "1 field verbose",
            "0 impl Config",
            "1 method parse",
            "0 module tests",
            "1 function loads"
        ]
    );
    assert_eq!(outline("README.md"), ["0 heading Demo"]);
    stage.write("fresh.py", "class A:\n    def b(self): pass\n");
    assert_eq!(outline("./fresh.py"), ["0 class A", "1 method b"]);
    for unknown in ["gone.rs", "../cache/lock", "src", "", "/etc/passwd"] {
        assert!(matches!(index.outline(unknown), Err(IndexError::UnknownFile { .. })), "{unknown}");
    }
    stage.write("blob.rs", b"\0\0");
    assert!(matches!(index.outline("blob.rs"), Err(IndexError::Io { .. })));
}

#[test]
fn files_that_cannot_be_read_are_listed() {
    let stage = Stage::new(&[("ok.rs", "fn fine() {}"), ("empty.rs", "")]);
    stage.write("blob.bin", b"\x7fELF\0\0");
    stage.write("latin.txt", b"caf\xe9");
    stage.write("large.txt", "x".repeat(1_000_001));
    let (index, report) = stage.built();
    assert_eq!((report.files, report.skipped), (5, 3));
    let files: Vec<_> =
        index.files().expect("files").into_iter().map(|file| (file.path, file.skipped)).collect();
    let skipped = |why: &str| Some(why.to_owned());
    assert_eq!(
        files,
        [
            ("blob.bin".into(), skipped("binary")),
            ("empty.rs".into(), None),
            ("large.txt".into(), skipped("too large")),
            ("latin.txt".into(), skipped("not UTF-8")),
            ("ok.rs".into(), None)
        ]
    );
    std::thread::sleep(std::time::Duration::from_millis(60));
    assert_eq!(refresh(&index).indexed, 0);
    let larger = Index::open(&stage.root(), Options { max_file_bytes: 2_000_000, ..stage.options() })
        .expect("an index");
    assert_eq!(refresh(&larger).skipped, 2, "a raised limit counts");
}

#[cfg(unix)]
#[test]
fn odd_names_work() {
    use std::os::unix::ffi::OsStrExt;
    let stage = Stage::new(&[("sp ace/ü.rs", "fn umlaut() {}")]);
    let odd = stage.root().join(std::ffi::OsStr::from_bytes(b"od\xffd.rs"));
    fs::write(&odd, "fn in_odd_file() {}").expect("a file");
    let (index, report) = stage.built();
    assert_eq!((report.files, report.skipped), (2, 0));
    assert_eq!(places(&index, "umlaut"), ["sp ace/ü.rs:1 function"]);
    assert_eq!(places(&index, "in_odd_file"), ["od\u{fffd}d.rs:1 function"]);
    let again = stage.open();
    assert_eq!(refresh(&again).removed, 0);
    fs::remove_file(odd).expect("a removal");
    assert_eq!(refresh(&again).removed, 1);
}

#[test]
fn roots_that_are_none_are_named() {
    let stage = Stage::new(&[("file", "x")]);
    for root in [stage.root().join("file"), stage.root().join("gone")] {
        let opened = Index::open(&root, stage.options());
        assert!(matches!(opened, Err(IndexError::NotADirectory { path }) if path == root));
    }
    let empty = Stage::new(&[]);
    let (index, report) = empty.built();
    assert_eq!(report, RefreshReport::default());
    assert_eq!(search(&index, "anything"), [""; 0]);
    assert_eq!(index.files().expect("files"), []);
    assert_eq!(places(&index, ""), [""; 0]);
}

#[test]
fn denied_files_are_never_known() {
    let stage =
        Stage::new(&[("src/a.rs", "fn open_to_all() {}"), ("private/keys.rs", "fn very_secret() {}")]);
    // First indexed without the rule, then asked with it.
    let (index, _) = stage.built();
    assert!(index.defines("very_secret"));
    let strict = Options { deny: vec!["private/".into()], ..stage.options() };
    let index = Index::open(&stage.root(), strict).expect("an index");
    for round in ["before the refresh", "after it"] {
        assert!(!index.defines("very_secret"), "{round}");
        assert_eq!(index.symbols_like("very secret"), [""; 0], "{round}");
        assert_eq!(places(&index, "very_secret"), [""; 0], "{round}");
        assert_eq!(uses(&index, "very_secret"), [""; 0], "{round}");
        assert_eq!(search(&index, "very_secret"), [""; 0], "{round}");
        assert!(
            index.files().expect("files").iter().all(|file| !file.path.starts_with("private")),
            "{round}"
        );
        assert!(index.outline("private/keys.rs").is_err(), "{round}");
        refresh(&index);
    }
    index.update(&["private/keys.rs".into()]).expect("an update");
    assert!(!index.defines("very_secret"));
}

#[test]
fn another_root_does_not_answer_from_the_same_cache() {
    let one = Stage::new(&[("a.rs", "fn only_in_one() {}")]);
    drop(one.built());
    let other = Stage::new(&[("a.rs", "fn only_in_other() {}")]);
    let index = Index::open(&other.root(), one.options()).expect("an index");
    let report = refresh(&index);
    assert!(index.defines("only_in_other") && !index.defines("only_in_one"));
    assert!(!report.rebuilt, "that is no damage");
}

#[test]
fn what_another_version_left_is_no_damage() {
    let stage = project();
    fs::create_dir_all(stage.cache().join("store-1")).expect("a folder");
    fs::write(stage.cache().join("store-1/meta.json"), "{}").expect("a file");
    let (index, report) = stage.built();
    assert_eq!((report.indexed, report.rebuilt), (4, false));
    assert!(index.defines("load_config") && !stage.cache().join("store-1").exists());
}

#[test]
fn two_at_once_agree() {
    let stage = project();
    for number in 0..40 {
        stage
            .write(&format!("src/part{number}.rs"), format!("pub fn part_{number}() {{ load_config(); }}\n"));
    }
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (index, report) = stage.built();
                assert_eq!(report.files, 44);
                assert!(index.defines("part_39") && index.defines("load_config"));
                assert_eq!(index.references("load_config").expect("references").len(), 45);
            });
        }
    });
    // One handle, several threads that change and ask.
    let (index, _) = stage.built();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (index, stage) = (index.clone(), &stage);
            scope.spawn(move || {
                let path = format!("src/more{number}.rs");
                stage.write(&path, format!("fn more_{number}() {{}}\n"));
                index.update(&[path]).expect("an update");
                assert!(index.defines(&format!("more_{number}")));
                search(&index, "load config");
            });
        }
    });
    assert_eq!(index.files().expect("files").len(), 48);
}

#[test]
fn progress_counts_up_to_the_total() {
    let stage = project();
    let mut seen: Vec<Progress> = Vec::new();
    stage.open().refresh(&mut |progress| seen.push(progress)).expect("a refresh");
    assert_eq!(seen.first(), Some(&Progress { done: 0, total: 0 }));
    assert_eq!(seen.last(), Some(&Progress { done: 4, total: 4 }));
    assert!(seen.windows(2).all(|pair| pair[0].done <= pair[1].done));
}

#[test]
fn extreme_files_are_survived() {
    let stage = Stage::new(&[]);
    let deep = 10_000;
    stage.write("deep.rs", format!("fn deep() {{ {}{} }}", "(\n".repeat(deep), ")\n".repeat(deep)));
    stage.write("deep.json", "[".repeat(deep));
    stage.write("deep.py", format!("x = {}{}", "[\n".repeat(deep), "]\n".repeat(deep)));
    stage.write("nested.js", format!("{}{}", "function f() {\n".repeat(deep), "}".repeat(deep)));
    stage.write("nested.ts", format!("{}1{}", "{ a:\n".repeat(deep), "}\n".repeat(deep)));
    stage.write("long.c", "int a(void) { return 1; }\n".repeat(20_000));
    stage.write("lines.txt", "word\n".repeat(100_000));
    stage.write("one_line.js", "a();".repeat(100_000));
    stage.write("broken.rs", "fn broken( { struct } impl < fn after_break() {}");
    stage.write("crlf.rs", "/// Doc.\r\nfn crlf() {}\r\n");
    let (index, report) = stage.built();
    assert_eq!((report.files, report.skipped), (10, 0));
    assert_eq!(places(&index, "deep"), ["deep.rs:1 function"]);
    assert_eq!(places(&index, "crlf"), ["crlf.rs:2 function"]);
    assert_eq!(index.definitions("crlf").expect("definitions")[0].doc.as_deref(), Some("Doc."));
    assert!(!search(&index, "word").is_empty());
    assert_eq!(index.definitions("a").expect("definitions").len(), 20_000);
}
