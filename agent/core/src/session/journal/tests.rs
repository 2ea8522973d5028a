//! Owns the tests of the way back.
//! Uses temporary folders and a small generator of random edits.
//! Never depends on an order that the file system chooses.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod commands;
mod faults;
#[cfg(target_os = "linux")]
mod kill;

use std::collections::BTreeMap;

use super::*;

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap())
    }

    /// In memory where that can be: what waits for a disk hundreds of times needs none to be tested.
    fn quick() -> Self {
        Self::in_folder(tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap()))
    }

    fn in_folder(folder: tempfile::TempDir) -> Self {
        fs::create_dir(folder.path().join("repo")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("repo").join(name)
    }

    fn journal(&self, limits: Limits) -> Arc<Journal> {
        let store = self.folder.path().join("journal");
        Arc::new(Journal::open(&store, &self.path(""), "p", "s1", limits).unwrap())
    }

    /// One call that does this to one file.
    fn change(&self, journal: &Arc<Journal>, turn: u32, name: &str, act: impl FnOnce(&Path)) {
        let call = journal.begin(turn, "c");
        call.keep(&self.path(name)).unwrap();
        act(&self.path(name));
        call.finish().unwrap();
    }

    /// One call that runs this as a shell command would run.
    fn command(&self, journal: &Arc<Journal>, turn: u32, act: impl FnOnce()) -> CommandChanges {
        let call = journal.begin(turn, "c");
        let capture = call.command(&self.path(""), OverlaySupport::Unavailable).unwrap();
        act();
        let changes = capture.finish().unwrap();
        call.finish().unwrap();
        changes
    }

    /// Everything below the project: names, kinds, contents, modes, links.
    fn tree(&self) -> BTreeMap<PathBuf, FileState> {
        let mut tree = BTreeMap::new();
        let mut folders = vec![self.path("")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let state = FileState::of(&path).unwrap();
                if state.is_directory() {
                    folders.push(path.clone());
                }
                tree.insert(path, state);
            }
        }
        tree
    }
}

fn write(text: &str) -> impl FnOnce(&Path) + '_ {
    move |path| {
        atomic::write(path, text.as_bytes()).unwrap();
    }
}

#[test]
fn created_changed_and_deleted_files_come_back() {
    let desk = Desk::new();
    fs::write(desk.path("kept"), "before").unwrap();
    fs::write(desk.path("gone"), "was here").unwrap();
    let before = desk.tree();
    let journal = desk.journal(Limits::default());
    desk.change(&journal, 1, "kept", write("after"));
    desk.change(&journal, 1, "new", write("new"));
    desk.change(&journal, 2, "gone", |path| fs::remove_file(path).unwrap());
    let after = desk.tree();
    // Across processes: each undo opens the journal anew.
    for expect in ["gone", "new", "kept"] {
        let undone = desk.journal(Limits::default()).undo(Which::Newest).unwrap();
        assert_eq!(undone.paths, [desk.path(expect)]);
    }
    assert_eq!(desk.tree(), before);
    assert!(matches!(journal.undo(Which::Newest), Err(UndoError::Nothing)));
    journal.undo(Which::Redo).unwrap();
    assert_eq!(fs::read_to_string(desk.path("kept")).unwrap(), "after");
    journal.undo(Which::Redo).unwrap();
    journal.undo(Which::Redo).unwrap();
    assert_eq!(desk.tree(), after);
    assert!(matches!(journal.undo(Which::Redo), Err(UndoError::Nothing)));
    for _ in 0..3 {
        journal.undo(Which::Newest).unwrap();
    }
    assert_eq!(desk.tree(), before);
    assert_ne!(before, after);
}

#[test]
fn a_turn_goes_back_as_a_whole() {
    let desk = Desk::new();
    fs::write(desk.path("a"), "0").unwrap();
    let journal = desk.journal(Limits::default());
    desk.change(&journal, 1, "a", write("1"));
    desk.change(&journal, 2, "a", write("2"));
    desk.change(&journal, 2, "a", write("3"));
    desk.change(&journal, 2, "b", write("b"));
    journal.undo(Which::Turn(2)).unwrap();
    assert_eq!(fs::read_to_string(desk.path("a")).unwrap(), "1");
    assert!(!desk.path("b").exists());
    assert!(matches!(journal.undo(Which::Turn(2)), Err(UndoError::Nothing)));
    assert!(matches!(journal.undo(Which::Turn(7)), Err(UndoError::Nothing)));
}

#[test]
fn what_somebody_else_changed_is_left_alone() {
    let desk = Desk::new();
    fs::write(desk.path("a"), "0").unwrap();
    let journal = desk.journal(Limits::default());
    let call = journal.begin(1, "c");
    for name in ["a", "b"] {
        call.keep(&desk.path(name)).unwrap();
        atomic::write(&desk.path(name), b"agent").unwrap();
    }
    call.finish().unwrap();
    fs::write(desk.path("a"), "user").unwrap();
    let before = desk.tree();
    let error = journal.undo(Which::Newest).unwrap_err();
    assert!(matches!(error, UndoError::Changed { .. }));
    assert!(error.to_string().contains("kept in "), "{error}");
    assert_eq!(desk.tree(), before);
    // Back to what the agent left: now it may be taken back.
    fs::write(desk.path("a"), "agent").unwrap();
    journal.undo(Which::Newest).unwrap();
    assert_eq!(fs::read_to_string(desk.path("a")).unwrap(), "0");
}

#[cfg(unix)]
#[test]
fn modes_and_links_come_back() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let desk = Desk::new();
    fs::write(desk.path("script"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(desk.path("script"), fs::Permissions::from_mode(0o750)).unwrap();
    symlink("script", desk.path("link")).unwrap();
    symlink("nowhere", desk.path("dangling")).unwrap();
    let before = desk.tree();
    let journal = desk.journal(Limits::default());
    desk.change(&journal, 1, "script", |path| fs::remove_file(path).unwrap());
    journal.undo(Which::Newest).unwrap();
    assert_eq!(desk.tree(), before);
    desk.change(&journal, 1, "link", write("through the link"));
    assert_eq!(fs::read_to_string(desk.path("script")).unwrap(), "through the link");
    journal.undo(Which::Newest).unwrap();
    desk.change(&journal, 1, "link", |path| fs::remove_file(path).unwrap());
    journal.undo(Which::Newest).unwrap();
    desk.change(&journal, 1, "dangling", write("created"));
    assert!(desk.path("nowhere").exists());
    journal.undo(Which::Newest).unwrap();
    assert_eq!(desk.tree(), before);
}

#[test]
fn what_the_limits_leave_out_is_said_and_refused() {
    let desk = Desk::new();
    fs::write(desk.path("large"), "x".repeat(100)).unwrap();
    fs::write(desk.path("small"), "s").unwrap();
    let check = |limits: Limits, name: &str| {
        let journal = desk.journal(limits);
        desk.change(&journal, 1, name, write("y"));
        let notices = journal.take_notices();
        assert!(notices.len() == 1 && notices[0].contains("cannot be undone"), "{notices:?}");
        assert!(matches!(journal.undo(Which::Newest), Err(UndoError::NotKept { .. })));
        assert_eq!(fs::read_to_string(desk.path(name)).unwrap(), "y");
    };
    check(Limits { file_bytes: 10, ..Limits::default() }, "large");
    check(Limits { total_bytes: 0, ..Limits::default() }, "small");
}

#[test]
fn a_change_that_was_cut_off_is_refused_unless_nothing_happened() {
    let desk = Desk::new();
    fs::write(desk.path("a"), "0").unwrap();
    let journal = desk.journal(Limits::default());
    let call = journal.begin(1, "c");
    call.keep(&desk.path("a")).unwrap();
    fs::write(desk.path("a"), "half").unwrap();
    drop(call);
    assert!(matches!(desk.journal(Limits::default()).undo(Which::Newest), Err(UndoError::Changed { .. })));
    fs::write(desk.path("a"), "0").unwrap();
    assert_eq!(desk.journal(Limits::default()).undo(Which::Newest).unwrap().paths.len(), 0);
}

#[test]
fn a_torn_or_damaged_record_loses_only_itself() {
    let desk = Desk::new();
    let journal = desk.journal(Limits::default());
    desk.change(&journal, 1, "a", write("a"));
    desk.change(&journal, 1, "b", write("b"));
    let record = desk.folder.path().join("journal/changes/p/s1.jsonl");
    let bytes = fs::read(&record).unwrap();
    for length in 0..bytes.len() {
        fs::write(&record, &bytes[..length]).unwrap();
        // It opens and chooses without a panic, whatever is left.
        let mut ledger = Ledger::open(record.parent().unwrap(), "s1").unwrap();
        assert!(ledger.choose(&Which::Turn(1)).len() <= 2);
    }
    let mut torn = bytes.clone();
    torn.extend_from_slice(b"{\"type\":\"begin\",\"chan");
    fs::write(&record, &torn).unwrap();
    let journal = desk.journal(Limits::default());
    desk.change(&journal, 2, "c", write("c"));
    for name in ["c", "b", "a"] {
        assert_eq!(journal.undo(Which::Newest).unwrap().paths, [desk.path(name)]);
    }
}

#[test]
fn random_edits_all_go_back() {
    // A small linear generator: the same sequence on every machine.
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for round in 0..40 {
        let desk = Desk::new();
        for name in 0..next(4) {
            fs::write(desk.path(&name.to_string()), format!("start {name}")).unwrap();
        }
        let before = desk.tree();
        let journal = desk.journal(Limits::default());
        for step in 0..next(12) {
            let name = next(5).to_string();
            let delete = next(3) == 0;
            desk.change(&journal, 1, &name, |path| {
                if delete {
                    let _ = fs::remove_file(path);
                } else {
                    atomic::write(path, format!("{round} {step}").as_bytes()).unwrap();
                }
            });
            if next(5) == 0 {
                let _ = journal.undo(Which::Newest);
            }
        }
        while journal.undo(Which::Newest).is_ok() {}
        assert_eq!(desk.tree(), before, "round {round}");
    }
}

#[test]
fn the_oldest_gives_way_and_nothing_that_is_needed() {
    let desk = Desk::quick();
    // Content that cannot be compressed, a different one each time.
    let content = |seed: u64| -> Vec<u8> {
        let mut reader = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
        let mut bytes = vec![0; 10_000];
        reader.fill(&mut bytes);
        bytes
    };
    let store = desk.folder.path().join("journal");
    let open = |session: &str, limits: Limits| {
        Arc::new(Journal::open(&store, &desk.path(""), "p", session, limits).unwrap())
    };
    let session = |name: &str, from: u64, limits: Limits| {
        let journal = open(name, limits);
        fs::write(desk.path(name), content(from)).unwrap();
        for round in 1..4 {
            let call = journal.begin(1, "c");
            call.keep(&desk.path(name)).unwrap();
            fs::write(desk.path(name), content(from + round)).unwrap();
            call.finish().unwrap();
        }
        journal
    };
    let small = Limits { total_bytes: 70_000, ..Limits::default() };
    drop(session("old", 10, small));
    let open_one = session("open", 20, small);
    // Six contents are kept, 60,000 bytes; one more session would go over it, and another one is open.
    let mut new = session("new", 30, small);
    assert!(new.take_notices().iter().any(|notice| notice.contains("cannot be undone")), "it is full");
    assert_eq!(new.prune().unwrap(), None, "another session is open, which may need any of it");
    drop(open_one);
    assert!(new.prune().unwrap().unwrap() >= 10_000);
    drop(new);
    new = session("newer", 40, small);
    assert!(new.take_notices().is_empty());
    drop(new);
    // The oldest cannot go back any more, and says so; the newest can.
    let old = open("old", small).undo(Which::Newest);
    assert!(matches!(&old, Err(UndoError::NotKept { why, .. }) if why.contains("limit")), "{old:?}");
    open("newer", small).undo(Which::Since(1)).unwrap();
    assert_eq!(fs::read(desk.path("newer")).unwrap(), content(40));
    // By age: nothing is old enough, then everything that no record of this session names.
    let aged = |days| Limits { days, ..Limits::default() };
    assert_eq!(open("other", aged(1)).prune().unwrap(), Some(0));
    for blob in store_files(&store.join("changes/p")) {
        let text = fs::read_to_string(&blob).unwrap().replace("\"at\":\"20", "\"at\":\"19");
        fs::write(&blob, text).unwrap();
    }
    assert!(open("other", aged(1)).prune().unwrap().unwrap() > 0);
    assert!(store_files(&store.join("blobs")).is_empty());
}

fn store_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(store_files(&path));
        } else if path.file_name().is_some_and(|name| name != "lock") {
            found.push(path);
        }
    }
    found
}

#[test]
fn damaged_and_hostile_contents_are_refused() {
    let desk = Desk::quick();
    fs::write(desk.path("a"), "compressible ".repeat(100)).unwrap();
    let journal = desk.journal(Limits::default());
    desk.change(&journal, 1, "a", write("new"));
    let blobs = store_files(&desk.folder.path().join("journal/blobs"));
    assert_eq!(blobs.len(), 1);
    let good = fs::read(&blobs[0]).unwrap();
    assert!(good.len() < 200, "{} bytes are not compressed", good.len());
    let mut huge = good.clone();
    huge[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bad in [&huge[..], &flipped, &good[..3], &good[..10], b""] {
        fs::write(&blobs[0], bad).unwrap();
        assert!(matches!(journal.undo(Which::Newest), Err(UndoError::Io { .. })));
        assert_eq!(fs::read_to_string(desk.path("a")).unwrap(), "new");
    }
    fs::write(&blobs[0], good).unwrap();
    journal.undo(Which::Newest).unwrap();
}
