//! Owns the tests of a process that is killed at any instant while it changes files.
//! Uses this test binary again as the process that is killed.
//! Never takes a half-applied state for fine: after the journal opened, all of it goes back to the beginning.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::commands::Numbers;
use super::*;

const FOLDER: &str = "LOCI_TEST_JOURNAL_FOLDER";
const SEED: &str = "LOCI_TEST_JOURNAL_SEED";

fn journal_in(folder: &Path) -> Arc<Journal> {
    let root = folder.join("repo").canonicalize().unwrap();
    Arc::new(Journal::open(&folder.join("journal"), &root, "p", "s1", Limits::default()).unwrap())
}

/// Something in the upper layer as the kernel leaves it there.
fn put_in_upper(numbers: &mut Numbers, root: &Path, upper: &Path) {
    for _ in 0..1 + numbers.below(5) {
        let name = ["a", "b", "d/a", "d/b", "new/deep/c", "big"][numbers.below(6)];
        let (path, real) = (upper.join(name), root.join(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        if numbers.below(3) == 0 && real.exists() {
            // A whiteout; anybody may make one.
            use rustix::fs::{CWD, FileType, Mode, mknodat};
            mknodat(CWD, &path, FileType::CharacterDevice, Mode::empty(), 0).unwrap();
        } else {
            fs::write(&path, format!("by a command {}\n", numbers.below(100_000)).repeat(40)).unwrap();
        }
    }
}

#[test]
#[ignore = "the process that the others kill"]
fn victim() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let mut numbers = Numbers(std::env::var(SEED).unwrap().parse().unwrap());
    let journal = journal_in(&folder);
    let root = journal.root.clone();
    say_ready();
    for turn in 1.. {
        match numbers.below(6) {
            0..=1 => {
                let call = journal.begin(turn, &format!("edit-{turn}"));
                for _ in 0..1 + numbers.below(3) {
                    let path = root.join(["a", "b", "d/a", "tool/x"][numbers.below(4)]);
                    call.keep(&path).unwrap();
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    atomic::write(&path, format!("by a tool {}", numbers.below(100_000)).as_bytes()).unwrap();
                }
                call.finish().unwrap();
            }
            2..=3 => {
                let call = journal.begin(turn, &format!("command-{turn}"));
                let capture = call.command(&root, OverlaySupport::Available).unwrap();
                put_in_upper(&mut numbers, &root, &capture.overlay().unwrap().upper);
                capture.finish().unwrap();
                call.finish().unwrap();
            }
            4 => drop(journal.undo(Which::Since(turn.saturating_sub(3)))),
            _ => drop(journal.undo(Which::Redo)),
        }
    }
}

#[expect(clippy::print_stdout, reason = "the other process waits for it")]
fn say_ready() {
    println!("ready");
}

fn start(folder: &Path, seed: u64) -> Child {
    let name = "session::journal::tests::kill::victim";
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(SEED, seed.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Give the paths of a change that was cut off what they had before it, as its message says they can be.
fn mend(journal: &Journal, case: &str) {
    let cut: Vec<record::Change> = {
        let inner = journal.lock();
        let open = |change: &&record::Change| {
            change.is_own() && change.entries.iter().any(|one| one.after.is_none())
        };
        inner.ledger.changes().iter().filter(open).cloned().collect()
    };
    assert_eq!(cut.len(), 1, "{case}: only the newest can be cut off");
    for entry in cut[0].entries.iter().rev().filter(|entry| entry.after.is_none() && !entry.undone) {
        match &entry.before {
            FileState::Missing if entry.path.is_dir() => drop(fs::remove_dir(&entry.path)),
            FileState::Missing => drop(fs::remove_file(&entry.path)),
            FileState::File { hash, .. } => {
                fs::write(&entry.path, journal.store.read(hash).unwrap()).unwrap()
            }
            _ => {}
        }
    }
}

fn killed_once(seed: u64) -> (bool, bool) {
    let case = format!("seed {seed}");
    let mut numbers = Numbers(seed);
    let desk = Desk::quick();
    for name in ["a", "d/a", "big"] {
        let path = desk.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("the user's {name}\n").repeat(500)).unwrap();
    }
    let before = desk.tree();
    let mut child = start(desk.folder.path(), seed);
    let mut ready = String::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    while !ready.contains("ready") {
        ready.clear();
        assert!(lines.read_line(&mut ready).unwrap() > 0, "{case}: it never began");
    }
    std::thread::sleep(Duration::from_micros(numbers.below(30_000) as u64));
    child.kill().unwrap();
    child.wait().unwrap();

    let journal = journal_in(desk.folder.path());
    let notices = journal.take_notices();
    let recovered = !notices.is_empty();
    let mut mended = false;
    loop {
        match journal.undo(Which::Newest) {
            Ok(undone) => assert_eq!(undone.left, [], "{case}"),
            Err(UndoError::Nothing) => break,
            Err(UndoError::Changed { path, kept }) if !mended => {
                assert!(
                    kept.contains("kept in") || kept.contains("did not exist"),
                    "{case}: {}: {kept}",
                    path.display()
                );
                mend(&journal, &case);
                mended = true;
            }
            Err(error) => panic!("{case}: {error}"),
        }
    }
    super::commands::compare(&desk.tree(), &before, &case);
    let overlays = fs::read_dir(desk.folder.path().join("journal/overlay/p"));
    let left: Vec<PathBuf> = overlays.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    assert_eq!(left, <[PathBuf; 0]>::default(), "{case}: overlays that nobody finishes; {notices:?}");
    (recovered, mended)
}

fn killed(seeds: std::ops::Range<u64>) {
    let (mut recovered, mut mended) = (0, 0);
    for seed in seeds.clone() {
        let (one, two) = killed_once(seed);
        recovered += usize::from(one);
        mended += usize::from(two);
    }
    super::commands::say(&format!(
        "killed {} times: {recovered} changes finished or dropped when opened, {mended} calls cut off",
        seeds.end - seeds.start
    ));
}

#[test]
fn a_killed_process_leaves_nothing_half_done() {
    killed(0..25);
}

#[test]
#[ignore = "the whole loop: cargo test --release --workspace --lib -- --ignored killed_a_thousand --nocapture"]
fn killed_a_thousand_times() {
    killed(10_000..11_000);
}
