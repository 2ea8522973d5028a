//! Owns the tests of shell commands: random sequences of them, in both modes, and the way back from each.
//! Uses real shells, over a real overlay where one can be mounted; where not, that is said.
//! Never compares less than names, kinds, contents, modes and links.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use super::*;

/// How a command is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Scan,
    Overlay,
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// What is skipped says so.
#[expect(clippy::print_stderr, reason = "a test's own output")]
pub(super) fn say(text: &str) {
    eprintln!("{text}");
}

/// Whether an overlay can be mounted over a folder in memory here.
pub(super) static OVERLAY: LazyLock<bool> = LazyLock::new(|| {
    let desk = Desk::quick();
    fs::write(desk.path("old"), "x").unwrap();
    for name in ["upper", "work"] {
        fs::create_dir(desk.folder.path().join(name)).unwrap();
    }
    let overlay = loci_exec::sandbox::Overlay {
        upper: desk.folder.path().join("upper"),
        work: desk.folder.path().join("work"),
    };
    let works = run_over(&overlay, &desk.path(""), "echo new > new && rm old")
        && desk.folder.path().join("upper/new").is_file()
        && desk.path("old").is_file();
    if !works {
        say("SKIPPED: no overlay can be mounted here, so commands are only tested with scans");
    }
    works
});

pub(super) fn modes() -> Vec<Mode> {
    if *OVERLAY { vec![Mode::Scan, Mode::Overlay] } else { vec![Mode::Scan] }
}

/// Run a script with the project under an overlay, as the sandbox does.
pub(super) fn run_over(overlay: &loci_exec::sandbox::Overlay, root: &Path, script: &str) -> bool {
    let mount = r#"mount -t overlay overlay -o "lowerdir=$R,upperdir=$U,workdir=$W,userxattr" "$R" && cd "$R" && eval "$S""#;
    let mut command = shell(&format!("unshare -Urm sh -c '{}'", mount.replace('\'', r"'\''")));
    command.env("R", root).env("U", &overlay.upper).env("W", &overlay.work).env("S", script);
    command.status().is_ok_and(|status| status.success())
}

impl Desk {
    /// One call that runs a script.
    pub(super) fn shell(
        &self,
        journal: &Arc<Journal>,
        turn: u32,
        mode: Mode,
        script: &str,
    ) -> CommandChanges {
        self.shell_with(journal, turn, mode, script, || {})
    }

    /// The same, while somebody else does something.
    fn shell_with(
        &self,
        journal: &Arc<Journal>,
        turn: u32,
        mode: Mode,
        script: &str,
        meanwhile: impl FnOnce(),
    ) -> CommandChanges {
        let call = journal.begin(turn, &format!("call-{turn}"));
        let root = self.path("");
        let support = match mode {
            Mode::Scan => OverlaySupport::Unavailable,
            Mode::Overlay => OverlaySupport::Available,
        };
        let capture = call.command(&root, support).unwrap();
        match capture.overlay() {
            Some(overlay) => {
                assert!(run_over(&overlay, &root, &format!("{script}\ntrue")), "{script}");
            }
            None => {
                assert_eq!(mode, Mode::Scan);
                assert!(shell(&format!("{script}\ntrue")).current_dir(&root).status().unwrap().success());
            }
        }
        meanwhile();
        let changes = capture.finish().unwrap();
        call.finish().unwrap();
        changes
    }
}

/// The same numbers on every machine.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % below as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn folder(&mut self) -> &'static str {
        self.one(&[".", ".", "d", "d/e", "d/e/f", "other", "'two words'", "ignored", "näme"])
    }

    fn file(&mut self) -> String {
        let name = self.one(&[
            "a",
            "b.txt",
            "c",
            "x.rs",
            ".env",
            "'odd name'",
            "-dash",
            "ünï",
            "$(printf 'q\\377')",
        ]);
        format!("{}/{name}", self.folder())
    }

    /// One line of shell that changes something, often.
    pub(super) fn line(&mut self) -> String {
        let (f, g) = (self.file(), self.file());
        let (d, e) = (self.folder(), self.folder());
        let n = self.below(1000);
        match self.below(30) {
            0..=3 => format!("mkdir -p {d}; printf 'text {n}\\nline\\n' > {f}"),
            4 => format!("printf 'r {n}\\r\\nn\\r\\n' >> {f}"),
            5 => format!("mkdir -p {d}; head -c {n} /dev/urandom > {f}"),
            6 => format!("rm -f {f}"),
            7 => format!("rm -rf {d}"),
            8 => format!("mv {f} {g}"),
            9 => format!("mv -T {d} {e}"),
            10 => format!("cp {f} {g}"),
            11 => format!("cp -a {d} {e}"),
            12 => format!("chmod {} {f}", self.one(&["600", "755", "444", "640"])),
            13 => format!("chmod {} {d}", self.one(&["700", "755", "750"])),
            14 => format!("ln -s {} {f}", self.one(&["a", "../c", "nowhere", "/etc/hostname", "d"])),
            15 => format!("ln {f} {g}"),
            16 => format!("mkdir -p {d}/deep/{n}"),
            17 => format!("rmdir {d}"),
            18..=19 => format!("sed -i s/text/TEXT{n}/ {f}"),
            20 => format!("touch {f}"),
            21 => format!("truncate -s {n} {f}"),
            // A name of its own: whoever writes to a pipe that nobody reads waits for ever.
            22 => format!("mkdir -p {d}; mkfifo {d}/pipe"),
            23 => format!("rm -rf {d}; mkdir -p {d}; echo {n} > {f}"),
            24 => format!("rm -rf {f}; mkdir -p {f}; echo {n} > {f}/inner"),
            25 => format!("rm -rf {d}; echo {n} > {d}"),
            26 => format!("mv -T {d} t; mkdir -p {d}; mv t {d}/moved"),
            27 => format!("mkdir -p {d}; printf 'same' > {f}; printf 'same' > {g}"),
            28 => format!("rm -rf {d}; ln -s other {d}"),
            _ => format!("printf 'i{n}' > .gitignore; mkdir -p ignored; printf {n} > ignored/.env"),
        }
    }
}

/// A random project and random calls on it: edits by tools and lines of shell. Gives what it was before.
fn play(
    numbers: &mut Numbers,
    desk: &Desk,
    journal: &Arc<Journal>,
    mode: Mode,
) -> BTreeMap<PathBuf, FileState> {
    for _ in 0..numbers.below(12) {
        let line = numbers.line();
        shell(&line).current_dir(desk.path("")).status().unwrap();
    }
    let before = desk.tree();
    for turn in 1..=2 + numbers.below(6) as u32 {
        if numbers.below(4) == 0 {
            let call = journal.begin(turn, &format!("call-{turn}"));
            let path = desk.path(["edited", "d/a", "new/deep/file"][numbers.below(3)]);
            // Where a file stands in the place of a folder, nothing can be kept and nothing is written.
            let kept = call.keep(&path).is_ok();
            if kept && path.parent().is_some_and(|parent| fs::create_dir_all(parent).is_ok()) {
                let _ = atomic::write(&path, format!("by a tool {turn}\n").as_bytes());
            }
            call.finish().unwrap();
        } else {
            let lines: Vec<String> = (0..1 + numbers.below(4)).map(|_| numbers.line()).collect();
            desk.shell(journal, turn, mode, &lines.join("\n"));
        }
    }
    before
}

pub(super) fn compare(now: &BTreeMap<PathBuf, FileState>, then: &BTreeMap<PathBuf, FileState>, case: &str) {
    let differs = |one: &BTreeMap<PathBuf, FileState>, two: &BTreeMap<PathBuf, FileState>| {
        one.iter()
            .filter(|(path, state)| two.get(*path) != Some(state))
            .map(|(path, state)| format!("{} {state:?}", path.display()))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(now == then, "{case}\nis:\n{}\nwas:\n{}", differs(now, then), differs(then, now));
}

/// Play a sequence, take all of it back in one of four ways, bring it back, and take it back again.
fn there_and_back(seed: u64, mode: Mode) {
    let case = format!("seed {seed}, {mode:?}");
    let mut numbers = Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let desk = Desk::quick();
    let journal = desk.journal(Limits::default());
    let before = play(&mut numbers, &desk, &journal, mode);
    let after = desk.tree();
    let mut undone = 0;
    let ways: Vec<Which> = match numbers.below(4) {
        0 => vec![Which::Newest; 20],
        1 => vec![Which::Since(1)],
        2 => (1..=9).rev().map(Which::Turn).collect(),
        _ => (1..=9).rev().map(|turn| Which::Call(format!("call-{turn}"))).collect(),
    };
    for which in ways {
        match journal.undo(which.clone()) {
            Ok(found) => {
                undone += 1;

                assert!(found.left.is_empty(), "{case}: {:?}", found.left);
            }
            Err(UndoError::Nothing) => {}
            Err(error) => panic!("{case}: {which:?}: {error}"),
        }
    }
    compare(&desk.tree(), &before, &case);
    for _ in 0..undone {
        journal.undo(Which::Redo).unwrap_or_else(|error| panic!("{case}: redo: {error}"));
    }
    compare(&desk.tree(), &after, &case);
    if undone > 0 {
        journal.undo(Which::Since(1)).unwrap_or_else(|error| panic!("{case}: again: {error}"));
    }
    compare(&desk.tree(), &before, &case);
}

/// Play a sequence, change one of its files by another hand, and try to take it all back.
fn foreign_hand(seed: u64, mode: Mode) -> bool {
    let case = format!("seed {seed}, {mode:?}");
    let mut numbers = Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 1);
    let desk = Desk::quick();
    let journal = desk.journal(Limits::default());
    play(&mut numbers, &desk, &journal, mode);
    let changed: Vec<PathBuf> = journal.changes().into_iter().flat_map(|change| change.paths).collect();
    let files: Vec<&PathBuf> = changed.iter().filter(|path| path.is_file() && !path.is_symlink()).collect();
    if files.is_empty() {
        return false;
    }
    let path = files[numbers.below(files.len())];
    // Whatever its mode is, the user may write it: a mode that the user changes stays the user's.
    fs::remove_file(path).unwrap();
    fs::write(path, "by the user").unwrap();
    let tree = desk.tree();
    match journal.undo(Which::Since(1)) {
        Err(UndoError::Changed { .. }) => {}
        other => panic!("{case}: {}: {other:?}", path.display()),
    }
    compare(&desk.tree(), &tree, &case);
    true
}

#[test]
fn random_sequences_go_there_and_back() {
    for mode in modes() {
        for seed in 0..30 {
            there_and_back(seed, mode);
        }
    }
}

#[test]
#[ignore = "the whole loop: cargo test --release --workspace --lib -- --ignored two_thousand_sequences"]
fn two_thousand_sequences_go_there_and_back() {
    let modes = modes();
    for seed in 1_000..3_000 {
        there_and_back(seed, modes[seed as usize % modes.len()]);
        if seed % 100 == 99 {
            say(&format!("{} sequences went there and back", seed - 999));
        }
    }
}

#[test]
fn a_foreign_hand_stops_everything() {
    let mut tried = 0;
    for mode in modes() {
        tried += (0..15).filter(|seed| foreign_hand(*seed, mode)).count();
    }
    assert!(tried > 10, "{tried}");
}

#[test]
#[ignore = "the whole loop: cargo test --release --workspace --lib -- --ignored five_hundred_foreign"]
fn five_hundred_foreign_hands_stop_everything() {
    let modes = modes();
    let tried =
        (5_000..5_500).filter(|seed| foreign_hand(*seed, modes[*seed as usize % modes.len()])).count();
    assert!(tried > 300, "{tried}");
}

/// What a command does, what it must be told as, and that it goes back.
#[test]
fn commands_are_told_and_go_back() {
    struct Case {
        setup: &'static str,
        script: &'static str,
        changed: &'static [&'static str],
        diff: &'static str,
    }
    let check = |case: &Case| {
        for mode in modes() {
            let desk = Desk::quick();
            assert!(
                shell(case.setup).current_dir(desk.path("")).status().unwrap().success(),
                "{}",
                case.setup
            );
            let before = desk.tree();
            let journal = desk.journal(Limits::default());
            let changes = desk.shell(&journal, 1, mode, case.script);
            let name = format!("{} ({mode:?})", case.script);
            let changed: Vec<PathBuf> = case.changed.iter().map(|name| desk.path(name)).collect();
            assert_eq!(changes.changed, changed, "{name}");
            assert_eq!(changes.omitted, [], "{name}");
            let diff = changes.diff.unwrap_or_default();
            assert!(diff.contains(case.diff), "{name}: {diff}");
            if changed.is_empty() {
                assert!(matches!(journal.undo(Which::Newest), Err(UndoError::Nothing)), "{name}");
            } else {
                let undone = journal.undo(Which::Newest).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(undone.left, [], "{name}");
            }
            compare(&desk.tree(), &before, &name);
        }
    };
    for (setup, script, changed, diff) in [
        ("echo one > a", "echo two >> a", &["a"][..], "+two\n"),
        ("echo one > a", "cat a", &[], ""),
        ("echo one > a", "touch a; echo one > a", &[], ""),
        ("echo one > a", "rm a", &["a"], "+++ /dev/null"),
        ("true", "echo new > b", &["b"], "--- /dev/null"),
        ("echo one > a", "mv a b", &["a", "b"], "+one"),
        ("mkdir d; echo one > d/a", "mv d e", &["d/a", "e/a"], "--- a/d/a"),
        ("mkdir d; echo one > d/a", "rm -rf d", &["d/a"], "-one"),
        ("mkdir d; echo one > d/a", "rm -rf d; mkdir d; echo two > d/b", &["d/a", "d/b"], "+two"),
        ("mkdir d", "rmdir d", &["d"], ""),
        ("mkdir d; echo x > d/x", "rm -rf d; echo file > d", &["d", "d/x"], "+++ b/d\n"),
        ("echo file > d", "rm d; mkdir d; echo x > d/x", &["d", "d/x"], "+x"),
        ("echo x > a", "chmod 750 a", &["a"], ""),
        ("mkdir d", "chmod 700 d", &["d"], ""),
        ("echo x > a", "rm a; ln -s elsewhere a", &["a"], ""),
        ("ln -s one l", "rm l; ln -s two l", &["l"], ""),
        ("ln -s one l", "rm l; echo file > l", &["l"], ""),
        ("mkfifo p", "rm p", &["p"], ""),
        ("true", "mkfifo p", &["p"], ""),
        ("echo x > a", "ln a b", &["b"], ""),
        ("printf '\\000bin' > a", "printf '\\001' >> a", &["a"], ""),
        ("printf 'a\\r\\nb\\r\\n' > a", "sed -i s/b/c/ a", &["a"], "-b\r\n"),
        ("echo SECRET=1 > .env; echo .env > .gitignore", "rm .env", &[".env"], "-SECRET=1"),
        ("mkdir build; echo build > .gitignore; echo o > build/o", "rm -rf build", &["build/o"], "-o"),
        ("mkdir -p ro; echo x > ro/a; chmod 555 ro", "chmod 755 ro; rm ro/a; chmod 555 ro", &["ro/a"], "-x"),
    ] {
        check(&Case { setup, script, changed, diff });
    }
}

#[test]
fn repositories_are_never_touched() {
    for mode in modes() {
        let desk = Desk::quick();
        let setup = "mkdir -p .git/refs sub/.git bare.git/objects bare.git/refs; echo a > bare.git/HEAD; \
                     echo ref > .git/HEAD; echo s > sub/.git/HEAD; echo x > sub/x";
        assert!(shell(setup).current_dir(desk.path("")).status().unwrap().success());
        let journal = desk.journal(Limits::default());
        let script = "echo new > .git/HEAD; echo new > sub/.git/HEAD; echo b > bare.git/HEAD; mkdir -p n/.git; \
                      echo n > n/.git/HEAD; echo y > n/y; echo z > sub/x";
        let changes = desk.shell(&journal, 1, mode, script);
        assert_eq!(changes.changed, [desk.path("n/y"), desk.path("sub/x")], "{mode:?}");
        let content = |name: &str| fs::read_to_string(desk.path(name)).unwrap();
        let undone = journal.undo(Which::Newest).unwrap();
        assert_eq!(undone.left.len(), 1, "{mode:?}: {undone:?}");
        assert_eq!(content("sub/x"), "x\n");
        for (name, expect) in [
            (".git/HEAD", "new\n"),
            ("sub/.git/HEAD", "new\n"),
            ("bare.git/HEAD", "b\n"),
            ("n/.git/HEAD", "n\n"),
        ] {
            assert_eq!(content(name), expect, "{mode:?}: {name}");
        }
        assert!(!desk.path("n/y").exists());
    }
}

#[test]
fn what_can_be_made_again_is_said_and_not_kept() {
    for mode in modes() {
        let desk = Desk::quick();
        let setup = "mkdir -p node_modules/p; cd node_modules/p; for i in $(seq 2100); do : > $i; done";
        assert!(shell(setup).current_dir(desk.path("")).status().unwrap().success());
        fs::write(desk.path("a"), "one").unwrap();
        let journal = desk.journal(Limits::default());
        let changes = desk.shell(&journal, 1, mode, "rm -rf node_modules; printf two > a");
        assert!(!desk.path("node_modules").exists());
        assert!(
            changes
                .omitted
                .iter()
                .any(|(path, why)| *path == desk.path("node_modules") && why.contains("removed")),
            "{mode:?}: {changes:?}"
        );
        assert_eq!(changes.changed, [desk.path("a"), desk.path("node_modules")], "{mode:?}");
        let undone = journal.undo(Which::Newest).unwrap();
        assert_eq!(undone.paths, [desk.path("a")]);
        assert_eq!(undone.left[0].0, desk.path("node_modules"));
        assert_eq!(fs::read_to_string(desk.path("a")).unwrap(), "one");
    }
}

#[test]
fn what_the_user_writes_during_a_command_is_never_lost() {
    if !*OVERLAY {
        return;
    }
    let desk = Desk::quick();
    for name in ["both", "gone", "alone"] {
        fs::write(desk.path(name), "old").unwrap();
    }
    // The clock of the file system must have moved on.
    let journal = desk.journal(Limits::default());
    let script = "printf command > both; rm gone; printf command > new; sleep 0.05";
    let changes = desk.shell_with(&journal, 1, Mode::Overlay, script, || {
        for name in ["both", "gone", "alone", "new"] {
            fs::write(desk.path(name), "user").unwrap();
        }
    });
    let content = |name: &str| fs::read_to_string(desk.path(name)).unwrap();
    for name in ["both", "gone", "alone", "new"] {
        assert_eq!(content(name), "user", "{name}");
    }
    assert_eq!(content("both.from-command"), "command");
    assert_eq!(content("new.from-command"), "command");
    assert_eq!(changes.omitted.len(), 3, "{changes:?}");
    journal.undo(Which::Newest).unwrap();
    assert!(!desk.path("both.from-command").exists() && !desk.path("new.from-command").exists());
    assert_eq!(content("both"), "user");
}

#[test]
fn what_is_in_a_new_folder_of_the_agents_stays() {
    for mode in modes() {
        let desk = Desk::quick();
        let journal = desk.journal(Limits::default());
        desk.shell(&journal, 1, mode, "mkdir -p new/deep; echo x > new/deep/a");
        fs::write(desk.path("new/mine"), "user").unwrap();
        let undone = journal.undo(Which::Newest).unwrap();
        assert_eq!(undone.left.len(), 1);
        assert!(!desk.path("new/deep").exists());
        assert_eq!(fs::read_to_string(desk.path("new/mine")).unwrap(), "user");
        journal.undo(Which::Redo).unwrap();
        assert!(desk.path("new/deep/a").exists());
    }
}

#[test]
fn one_file_of_many_goes_back_alone() {
    for mode in modes() {
        let desk = Desk::quick();
        for name in ["a", "b"] {
            fs::write(desk.path(name), "0").unwrap();
        }
        let journal = desk.journal(Limits::default());
        desk.shell(&journal, 1, mode, "printf 1 > a; printf 1 > b");
        desk.shell(&journal, 2, mode, "printf 2 > a");
        let content = |name: &str| fs::read_to_string(desk.path(name)).unwrap();
        journal.undo(Which::File(desk.path("b"))).unwrap();
        assert_eq!((content("a"), content("b")), ("2".into(), "0".into()));
        journal.undo(Which::File(desk.path("a"))).unwrap();
        assert_eq!((content("a"), content("b")), ("1".into(), "0".into()));
        assert!(matches!(journal.undo(Which::File(desk.path("b"))), Err(UndoError::Nothing)));
        journal.undo(Which::Redo).unwrap();
        journal.undo(Which::Redo).unwrap();
        assert_eq!((content("a"), content("b")), ("2".into(), "1".into()));
        // A turn that a later one went over cannot go back alone.
        assert!(matches!(journal.undo(Which::Turn(1)), Err(UndoError::Changed { .. })));
        let would = journal.preview(Which::Since(1)).unwrap();
        assert_eq!((would.paths.len(), content("a")), (2, "2".into()));
        journal.undo(Which::Since(1)).unwrap();
        assert_eq!((content("a"), content("b")), ("0".into(), "0".into()));
    }
}
