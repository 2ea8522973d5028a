//! The sandbox from inside a process of ours: what ends how, and that nothing outlives anything. A test binary with a `main`
//! of its own, as it is its own helper. What gets out of a sandbox is tried through the real binary, in the suite of `cli`.
#![cfg_attr(not(target_os = "linux"), expect(unused, reason = "there is a helper on Linux only"))]
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests prepare files directly")]
#![expect(clippy::print_stdout, reason = "it is its own test runner")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use loci_exec::sandbox::{Level, Network, Profile, Sandbox};
use loci_exec::{Command, Ended, ExecError, Output, Program, run};
use tokio_util::sync::CancellationToken;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: there is a helper on Linux only");
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    loci_exec::sandbox::enter_if_asked();
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let tests: &[Test] = &[
        ("the_ways_to_end_are_told_apart", the_ways_to_end_are_told_apart),
        ("what_cannot_start_is_a_typed_error", what_cannot_start_is_a_typed_error),
        ("only_what_is_allowed_is_written", only_what_is_allowed_is_written),
    ];
    let mut failed = 0;
    for (name, test) in tests {
        for level in [Level::Full, Level::Restricted] {
            let name = format!("{name}::{}", level.name());
            if !wanted.is_empty() && !wanted.iter().any(|word| name.contains(word.as_str())) {
                continue;
            }
            let ok = std::panic::catch_unwind(|| test(level)).is_ok();
            println!("test {name} ... {}", if ok { "ok" } else { "FAILED" });
            failed += usize::from(!ok);
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

type Test = (&'static str, fn(Level));

const LONG: Duration = Duration::from_secs(60);

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["repo/.git", "repo/src", "outside"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn profile(&self) -> Profile {
        Profile {
            root: self.path("repo"),
            writable: Vec::new(),
            read_only: vec![self.path("repo/.git"), self.path("repo/.loci")],
            hidden: vec![self.path("secret")],
            overlay: None,
            network: Network::Off,
        }
    }

    fn shell(&self, level: Level, line: &str) -> Command {
        self.with(self.profile(), level, line)
    }

    fn with(&self, profile: Profile, level: Level, line: &str) -> Command {
        Command {
            program: Program::Shell(line.into()),
            cwd: self.path("repo"),
            timeout: LONG,
            keep_bytes: 65536,
            spool: None,
            spool_bytes: 0,
            env: Vec::new(),
            terminal: None,
            sandbox: Some(Sandbox { helper: "/proc/self/exe".into(), level, profile }),
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn start(command: Command) -> Result<Output, ExecError> {
    block_on(async {
        tokio::time::timeout(LONG, run(command, CancellationToken::new())).await.expect("it ends")
    })
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.head), String::from_utf8_lossy(&output.tail))
}

fn the_ways_to_end_are_told_apart(level: Level) {
    let world = World::new();
    let check = |line: &str, ended: Ended, expect: &str| {
        let output = start(world.shell(level, line)).unwrap();
        assert_eq!((output.ended, text(&output).as_str()), (ended, expect), "{line}");
    };
    check("true", Ended::Code(0), "");
    check("exit 7", Ended::Code(7), "");
    check("kill -9 $$", Ended::Signal(9), "");
    check("kill -SEGV $$", Ended::Signal(11), "");
    check("kill $$", Ended::Signal(15), "");
    check("echo hello; echo there >&2", Ended::Code(0), "hello\nthere\n");
    check("cat; read -r line; echo \"$? [$line]\"", Ended::Code(0), "1 []\n");
    check("yes | head -n 1", Ended::Code(0), "y\n");
    check("pwd", Ended::Code(0), &format!("{}\n", world.path("repo").display()));
    check("echo x > \"$TMPDIR/x\" && cat \"$TMPDIR/x\"", Ended::Code(0), "x\n");
}

fn what_cannot_start_is_a_typed_error(level: Level) {
    let world = World::new();
    let argv = |words: &[&str]| Program::Argv(words.iter().map(Into::into).collect());
    std::fs::write(world.path("repo/plain"), "x").unwrap();
    for words in [&["loci-no-such-program"][..], &["./plain"], &[]] {
        let error =
            start(Command { program: argv(words), ..world.shell(level, "") }).expect_err("it cannot start");
        assert!(matches!(&error, ExecError::Start { .. }), "{words:?}: {error}");
    }
    let mut command = world.shell(level, "echo ran");
    command.sandbox.as_mut().unwrap().profile.root = world.path("missing");
    let error = start(command).expect_err("there is no root");
    assert!(matches!(&error, ExecError::Sandbox { .. }), "{error}");
    // A helper that is none: what it does is not taken for a command that ran.
    let mut command = world.shell(level, "echo ran");
    command.sandbox.as_mut().unwrap().helper = "/bin/true".into();
    let error = start(command).expect_err("it is no helper");
    assert!(matches!(&error, ExecError::Sandbox { .. }), "{error}");
}

fn only_what_is_allowed_is_written(level: Level) {
    let world = World::new();
    std::fs::write(world.path("secret"), "hunter2").unwrap();
    std::fs::write(world.path("repo/src/a"), "old").unwrap();
    let attempts: &[(&str, &str, bool)] = &[
        ("src/a", "echo new > src/a", true),
        ("src/b", "echo new > src/b", true),
        ("src/d/e", "mkdir src/d; echo new > src/d/e", true),
        ("../outside/x", "echo new > ../outside/x", false),
        (".git/x", "echo new > .git/x", false),
        (".loci/x", "mkdir .loci; echo new > .loci/x", false),
    ];
    for (path, line, allowed) in attempts {
        let output = start(world.shell(level, line)).unwrap();
        let written = std::fs::read_to_string(world.path("repo").join(path)).ok();
        assert_eq!(written.as_deref() == Some("new\n"), *allowed, "{line}: {}", text(&output));
    }
    assert!(!world.path("repo/.loci").exists(), "nothing is left of what covered it");
    let output = start(world.shell(level, "cat ../secret; echo \"[$(ls ..)]\"")).unwrap();
    assert!(!text(&output).contains("hunter2"), "{}", text(&output));
}
