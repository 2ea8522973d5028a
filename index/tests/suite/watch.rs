//! An index that is told of changes.

use std::fs;
use std::time::{Duration, Instant};

use crate::{places, project, refresh};

#[test]
fn a_watched_tree_is_as_fresh_as_a_swept_one() {
    let stage = project();
    let (index, _) = stage.built();
    if let Err(reason) = index.watch() {
        eprintln!("skipped: {reason}");
        return;
    }
    refresh(&index);
    for round in 0..30 {
        stage.write("src/main.rs", format!("fn main_{round}() {{}}\n"));
        refresh(&index);
        assert_eq!(places(&index, &format!("main_{round}")), ["src/main.rs:1 function"]);
        stage.write(&format!("src/new{round}/deep/file.rs"), format!("fn deep_{round}() {{}}\n"));
        refresh(&index);
        assert!(index.defines(&format!("deep_{round}")), "in a new folder");
        stage.write(&format!("src/new{round}/deep/second.rs"), format!("fn second_{round}() {{}}\n"));
        refresh(&index);
        assert!(index.defines(&format!("second_{round}")), "in a folder that was new before");
        fs::rename(
            stage.root().join(format!("src/new{round}")),
            stage.root().join(format!("src/old{round}")),
        )
        .expect("a move");
        refresh(&index);
        assert_eq!(
            places(&index, &format!("deep_{round}")),
            [format!("src/old{round}/deep/file.rs:1 function")]
        );
        fs::remove_dir_all(stage.root().join(format!("src/old{round}"))).expect("a removal");
        refresh(&index);
        assert!(!index.defines(&format!("deep_{round}")));
    }
    stage.write(".gitignore", "src/config.rs\n");
    refresh(&index);
    assert!(!index.defines("load_config"));
    fs::remove_file(stage.root().join(".gitignore")).expect("a removal");
    refresh(&index);
    assert!(index.defines("load_config"));
    assert_eq!(index.watch_problem(), None);
}

#[test]
fn changes_are_taken_in_by_themselves() {
    let stage = project();
    let (index, _) = stage.built();
    if let Err(reason) = index.watch() {
        eprintln!("skipped: {reason}");
        return;
    }
    refresh(&index);
    stage.write("src/later.rs", "fn came_later() {}\n");
    let begun = Instant::now();
    while !index.defines("came_later") {
        assert!(begun.elapsed() < Duration::from_secs(60), "nobody took it in");
        std::thread::sleep(Duration::from_millis(5));
    }
}
