//! Several trees on one store, one tree that changes back and forth, and builds that are cut off.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use loci_index::{Index, Options};

use crate::{Stage, places, project, refresh, search};

#[test]
fn worktrees_share_what_they_have_in_common() {
    let stage = project();
    let (index, report) = stage.built();
    assert_eq!((report.indexed, report.reused), (4, 0));
    let side = stage.folder.path().join("side");
    for path in ["src/config.rs", "src/main.rs", "README.md"] {
        fs::create_dir_all(side.join(path).parent().expect("a parent")).expect("folders");
        fs::copy(stage.root().join(path), side.join(path)).expect("a copy");
    }
    fs::write(side.join("src/only.rs"), "fn only_at_the_side() {}\n").expect("a file");
    let other = Index::open(&side, stage.options()).expect("an index");
    let report = refresh(&other);
    assert_eq!((report.files, report.indexed, report.reused, report.rebuilt), (4, 1, 3, false));
    assert!(other.defines("only_at_the_side") && !index.defines("only_at_the_side"));
    refresh(&index);
    assert!(!index.defines("only_at_the_side"), "and not after a refresh either");
    assert_eq!(places(&other, "load_config"), ["src/config.rs:4 function"]);
    assert_eq!(places(&other, "parse"), ["src/config.rs:15 method"], "the test file is in the other tree");
    // What one tree drops, the other keeps.
    fs::remove_file(stage.root().join("src/config.rs")).expect("a removal");
    refresh(&index);
    assert_eq!(places(&index, "load_config"), [""; 0]);
    assert_eq!(places(&other, "load_config"), ["src/config.rs:4 function"]);
    assert!(!search(&other, "load_config").is_empty());
}

#[test]
fn a_switch_to_another_branch_and_back_reads_only_what_is_new() {
    let stage = Stage::new(&[]);
    let branch = |name: &str| {
        for number in 0..20 {
            let text = if number < 5 {
                format!("fn on_{name}_{number}() {{}}\n")
            } else {
                format!("fn both_{number}() {{}}\n")
            };
            stage.write(&format!("src/file{number}.rs"), text);
        }
    };
    branch("main");
    let (index, report) = stage.built();
    assert_eq!(report.indexed, 20);
    branch("topic");
    let report = refresh(&index);
    assert_eq!((report.indexed, report.reused), (5, 0));
    assert!(index.defines("on_topic_3") && !index.defines("on_main_3"));
    assert_eq!(
        search(&index, "on_main_3").iter().filter(|hit| hit.contains("file3.rs")).count(),
        1,
        "by its other words"
    );
    branch("main");
    let report = refresh(&stage.open());
    assert_eq!((report.indexed, report.reused), (0, 5), "another process switches back");
    refresh(&index);
    assert!(index.defines("on_main_3") && !index.defines("on_topic_3"));
}

#[test]
fn rules_that_change_are_followed_without_a_change_of_files() {
    let stage = Stage::new(&[
        ("src/a.rs", "fn a_thing() {}"),
        ("src/deep/b.rs", "fn b_thing() {}"),
        ("c.rs", "fn c_thing() {}"),
    ]);
    fs::create_dir_all(stage.root().join(".git/info")).expect("a folder");
    fs::write(stage.root().join(".git/HEAD"), "ref: refs/heads/main\n").expect("a file");
    let (index, _) = stage.built();
    let known = || {
        std::thread::sleep(Duration::from_millis(60));
        refresh(&index);
        assert_eq!(refresh(&index).indexed, 0);
        ["a_thing", "b_thing", "c_thing"].map(|name| index.defines(name))
    };
    assert_eq!(known(), [true, true, true]);
    stage.write("src/.gitignore", "deep/\n");
    assert_eq!(known(), [true, false, true]);
    stage.write("src/.gitignore", "a.rs\n");
    assert_eq!(known(), [false, true, true]);
    fs::remove_file(stage.root().join("src/.gitignore")).expect("a removal");
    assert_eq!(known(), [true, true, true]);
    fs::write(stage.root().join(".git/info/exclude"), "c.rs\n").expect("a file");
    assert_eq!(known(), [true, true, false]);
    stage.write(".ignore", "!c.rs\nb.rs\n");
    assert_eq!(known(), [true, false, true]);
    stage.write("src/deep/CACHEDIR.TAG", "");
    stage.write(".ignore", "");
    assert_eq!(known(), [true, false, false]);
    fs::remove_file(stage.root().join("src/deep/CACHEDIR.TAG")).expect("a removal");
    fs::rename(stage.root().join("src/deep"), stage.root().join("moved")).expect("a move");
    assert_eq!(known(), [true, true, false]);
    assert_eq!(places(&index, "b_thing"), ["moved/b.rs:1 function"]);
}

/// Files enough for a first commit and half of a second.
const COMMITTED: usize = 4_000;
const MORE: usize = 600;

/// Run one of the tests below that are ignored otherwise, as a process of its own.
pub(crate) fn child(stage: &Stage, test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command.env("LOCI_TEST_FOLDER", stage.folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The stage of the process that started this one.
pub(crate) fn of_parent() -> (std::path::PathBuf, Options) {
    let folder = std::path::PathBuf::from(std::env::var_os("LOCI_TEST_FOLDER").expect("a folder"));
    let options = Options { cache_dir: folder.join("cache"), max_file_bytes: 1_000_000, deny: Vec::new() };
    (folder.join("project"), options)
}

#[test]
#[ignore = "run by the test below, to be killed"]
fn builds_and_waits() {
    let (root, options) = of_parent();
    let index = Index::open(&root, options).expect("an index");
    let begun = Instant::now();
    let refreshed = index.refresh(&mut |progress| {
        // The first commit is behind us. Whoever started this kills it now; if not, it must not stay for ever.
        while progress.done > COMMITTED as u64 && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    drop(refreshed);
}

#[test]
fn a_killed_first_build_goes_on_where_it_was() {
    let stage = Stage::new(&[]);
    for number in 0..COMMITTED + MORE {
        stage.write(&format!("dir{}/file{number}.txt", number % 50), format!("word{number}\n"));
    }
    let mut builder = child(&stage, "trees::builds_and_waits").spawn().expect("a process");
    let begun = Instant::now();
    let committed = || {
        let names = fs::read_dir(stage.cache()).into_iter().flatten().flatten();
        names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .any(|name| name.starts_with("live-") && !name.ends_with(".part"))
    };
    while !committed() {
        assert!(begun.elapsed() < Duration::from_secs(120), "nothing was committed");
        std::thread::sleep(Duration::from_millis(5));
    }
    builder.kill().expect("a kill");
    builder.wait().expect("an end");
    let index = stage.open();
    assert_eq!(index.files().expect("files").len(), COMMITTED, "what was committed answers at once");
    let report = refresh(&index);
    assert_eq!((report.files, report.indexed), ((COMMITTED + MORE) as u64, MORE as u64));
    assert!(!report.rebuilt);
    for number in [0, COMMITTED - 1, COMMITTED + MORE - 1] {
        assert_eq!(
            search(&index, &format!("word{number}"))[0],
            format!("dir{}/file{number}.txt:1", number % 50)
        );
    }
}

#[test]
#[ignore = "run by the test below"]
fn updates_some_files() {
    let (root, options) = of_parent();
    let index = Index::open(&root, options).expect("an index");
    let me = std::process::id();
    for round in 0..10 {
        let path = format!("src/of_{me}_{round}.rs");
        fs::write(root.join(&path), format!("fn made_by_{me}_{round}() {{}}\n")).expect("a file");
        index.update(&[path]).expect("an update");
        assert!(index.defines(&format!("made_by_{me}_{round}")), "its own change is there");
    }
}

#[test]
fn several_processes_lose_nothing() {
    let stage = project();
    drop(stage.built());
    let children: Vec<_> =
        (0..3).map(|_| child(&stage, "trees::updates_some_files").spawn().expect("a process")).collect();
    for mut one in children {
        assert!(one.wait().expect("an end").success());
    }
    let index = stage.open();
    assert_eq!(refresh(&index).indexed, 0, "every process wrote what it did");
    assert_eq!(index.files().expect("files").len(), 34);
}
