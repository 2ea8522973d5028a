//! Owns the tests of a disk that fails at any one call.
//! Uses the failing disk of `atomic`.
//! Never counts a half-applied state as fine: the tree is as before or as after, and nothing kept is lost.

use std::collections::BTreeMap;

use super::*;
use crate::atomic::disk::faults;

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

/// A project with most kinds of things in it, and a command's worth of changes to it.
fn scene() -> Desk {
    let desk = Desk::quick();
    fs::write(desk.path("a"), "one\n").unwrap();
    fs::create_dir_all(desk.path("dir/deep")).unwrap();
    fs::write(desk.path("dir/deep/b"), "two\n").unwrap();
    fs::write(desk.path("c"), vec![7; 5000]).unwrap();
    desk
}

fn rearrange(desk: &Desk) {
    fs::write(desk.path("a"), "one\nmore\n").unwrap();
    fs::remove_dir_all(desk.path("dir")).unwrap();
    fs::write(desk.path("dir"), "a file now").unwrap();
    fs::rename(desk.path("c"), desk.path("d")).unwrap();
    fs::create_dir(desk.path("new")).unwrap();
    fs::write(desk.path("new/e"), "five").unwrap();
}

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// Each call fails once, in one of the ways.
    Once,
    /// Each call fails in each of the ways.
    Every,
}

/// Run `act` with every one of its calls to the disk failing in turn.
fn at_every_point(effort: Effort, mut act: impl FnMut(Option<&str>)) -> usize {
    faults::calls();
    act(None);
    let calls = faults::calls();
    let kinds = [(ENOSPC, false, "full"), (EIO, false, "broken"), (ENOSPC, true, "short write")];
    let ways: Vec<_> = kinds.iter().flat_map(|kind| [1, 2, usize::MAX].map(|fails| (*kind, fails))).collect();
    for point in 1..=calls {
        for (at, ((errno, short, name), fails)) in ways.iter().enumerate() {
            if effort == Effort::Once && at != point * 5 % ways.len() {
                continue;
            }
            faults::arm(point, *fails, *errno, *short);
            act(Some(&format!("{name} at call {point} of {calls}, {fails} times")));
            faults::disarm();
        }
    }
    calls
}

fn changed(desk: &Desk) -> (BTreeMap<PathBuf, FileState>, BTreeMap<PathBuf, FileState>) {
    let before = desk.tree();
    let journal = desk.journal(Limits::default());
    desk.command(&journal, 1, || rearrange(desk));
    (before, desk.tree())
}

fn an_undo_on_a_failing_disk_is_whole_or_nothing(effort: Effort) {
    let points = at_every_point(effort, |fault| {
        let (armed, case) = (faults::pause(), fault.unwrap_or("no fault"));
        let desk = scene();
        let (before, after) = changed(&desk);
        let journal = desk.journal(Limits::default());
        faults::resume(armed);
        let result = journal.undo(Which::Newest);
        let failed = faults::disarm();
        assert!(failed || result.is_ok(), "{case}: {result:?}");
        match &result {
            Ok(_) => assert_eq!(desk.tree(), before, "{case}"),
            Err(UndoError::Half { .. }) => {}
            Err(UndoError::Io { .. }) if desk.tree() != before => assert_eq!(desk.tree(), after, "{case}"),
            Err(UndoError::Io { .. }) => {}
            Err(other) => panic!("{case}: {other}"),
        }
        // The next one to open the journal finds it whole, one way or the other, and can go both ways.
        drop(journal);
        let journal = desk.journal(Limits::default());
        let tree = desk.tree();
        assert!(tree == before || tree == after, "{case}: {tree:#?}");
        if tree == after {
            journal.undo(Which::Newest).unwrap_or_else(|error| panic!("{case}: {error}"));
        }
        assert_eq!(desk.tree(), before, "{case}");
        journal.undo(Which::Redo).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(desk.tree(), after, "{case}");
    });
    assert!(points > 20, "{points}");
}

fn what_cannot_be_kept_on_a_failing_disk_is_not_changed(effort: Effort) {
    let points = at_every_point(effort, |fault| {
        let (armed, case) = (faults::pause(), fault.unwrap_or("no fault"));
        let desk = scene();
        let before = desk.tree();
        let journal = desk.journal(Limits::default());
        faults::resume(armed);
        let call = journal.begin(1, "c");
        let path = desk.path("a");
        let kept = call.keep(&path);
        let written = kept.is_ok() && atomic::write(&path, b"changed").is_ok();
        let finished = call.finish();
        let failed = faults::disarm();
        assert!(failed || (written && finished.is_ok()), "{case}: only a fault is an excuse");
        drop(journal);
        let journal = desk.journal(Limits::default());
        match journal.undo(Which::Newest) {
            Ok(_) | Err(UndoError::Nothing) => assert_eq!(desk.tree(), before, "{case}"),
            // What it left was not recorded, so that nobody can say that it is still that; the old content is named.
            Err(UndoError::Changed { kept, .. }) => {
                assert!(failed && kept.contains("kept in "), "{case}: {kept}");
            }
            Err(other) => panic!("{case}: {other}"),
        }
    });
    assert!(points > 8, "{points}");
}

fn a_command_over_a_failing_disk_is_taken_in_whole_or_later(effort: Effort) {
    if !*commands::OVERLAY {
        return;
    }
    let points = at_every_point(effort, |fault| {
        let (armed, case) = (faults::pause(), fault.unwrap_or("no fault"));
        let desk = scene();
        let before = desk.tree();
        let journal = desk.journal(Limits::default());
        let call = journal.begin(1, "c");
        let capture = call.command(&desk.path(""), OverlaySupport::Available).unwrap();
        let script =
            "echo more >> a; rm -rf dir; echo file > dir; mv c d; mkdir new; echo five > new/e; chmod 600 a";
        assert!(commands::run_over(&capture.overlay().unwrap(), &desk.path(""), script));
        faults::resume(armed);
        let finished = capture.finish();
        let closed = call.finish();
        let failed = faults::disarm();
        assert!(failed || (finished.is_ok() && closed.is_ok()), "{case}: {finished:?} {closed:?}");
        let at_once = desk.tree();
        drop((call, journal));
        let journal = desk.journal(Limits::default());
        let notices = journal.take_notices();
        let tree = desk.tree();
        let whole = desk.path("new/e").exists();
        if whole {
            assert!(!desk.path("dir/deep").exists() && desk.path("d").exists(), "{case}: {notices:?}");
        } else {
            // Nothing of it: the command failed as a whole, and that was said.
            assert!(finished.is_err(), "{case}");
            assert_eq!(tree, before, "{case}: {notices:?}");
            return;
        }
        assert!(tree == at_once || !notices.is_empty(), "{case}: what changes later is said");
        assert!(
            fs::read_dir(desk.folder.path().join("journal/overlay/p")).unwrap().next().is_none(),
            "{case}"
        );
        journal.undo(Which::Newest).unwrap_or_else(|error| panic!("{case}: {error} {notices:?}"));
        assert_eq!(desk.tree(), before, "{case}");
    });
    assert!(points > 30, "{points}");
}

#[test]
fn every_call_to_the_disk_may_fail() {
    an_undo_on_a_failing_disk_is_whole_or_nothing(Effort::Once);
    what_cannot_be_kept_on_a_failing_disk_is_not_changed(Effort::Every);
    a_command_over_a_failing_disk_is_taken_in_whole_or_later(Effort::Once);
}

#[test]
#[ignore = "the whole loop: cargo test --release --workspace --lib -- --ignored every_call_to_the_disk_may_fail_in"]
fn every_call_to_the_disk_may_fail_in_every_way() {
    an_undo_on_a_failing_disk_is_whole_or_nothing(Effort::Every);
    a_command_over_a_failing_disk_is_taken_in_whole_or_later(Effort::Every);
}
