//! Owns the process faults: nothing may hang, nothing may survive, nothing may be lost of what was promised.
//! Uses real processes that misbehave.
//! Never asserts a time.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use loci_exec::{Command, Ended, ExecError, Program, run};
use tokio_util::sync::CancellationToken;

use super::world::{LONG, assert_gone, finish, pids, shell, text, wait_for_pids};

#[tokio::test]
async fn the_ways_to_end_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let check = async |line: &str, ended: Ended, expect: &str| {
        let output = finish(shell(folder.path(), line)).await;
        assert_eq!((output.ended, text(&output).as_str()), (ended, expect), "{line}");
        assert_eq!(output.total, expect.len() as u64);
    };
    check("true", Ended::Code(0), "").await;
    check("exit 7", Ended::Code(7), "").await;
    check("kill -9 $$", Ended::Signal(9), "").await;
    check("kill -SEGV $$", Ended::Signal(11), "").await;
    check("no-such-program-here 2>/dev/null", Ended::Code(127), "").await;
    check("echo hello", Ended::Code(0), "hello\n").await;
    check("-x", Ended::Code(127), "bash: line 1: -x: command not found\n").await;
    check("exec 1>&- 2>&-; sleep 0.3; exit 3", Ended::Code(3), "").await;
}

#[tokio::test]
async fn what_cannot_start_is_a_typed_error() {
    let folder = tempfile::tempdir().unwrap();
    let start = async |program, cwd: &Path| {
        let command = Command { program, ..shell(cwd, "") };
        run(command, CancellationToken::new()).await.expect_err("it cannot start")
    };
    let argv = |words: &[&str]| Program::Argv(words.iter().map(OsString::from).collect());
    std::fs::write(folder.path().join("plain"), "x").unwrap();

    let error = start(argv(&["loci-no-such-program"]), folder.path()).await;
    assert!(
        matches!(&error, ExecError::Start { program, .. } if program == "loci-no-such-program"),
        "{error}"
    );
    let error = start(argv(&[]), folder.path()).await;
    assert!(matches!(error, ExecError::Start { .. }), "{error}");
    let error = start(argv(&["./plain"]), folder.path()).await;
    assert!(matches!(error, ExecError::Start { .. }), "{error}");
    let error = start(Program::Shell("echo a\0b".into()), folder.path()).await;
    assert!(matches!(error, ExecError::Start { .. }), "{error}");
    let error = start(Program::Shell("true".into()), &folder.path().join("missing")).await;
    assert!(matches!(error, ExecError::Folder { .. }), "{error}");
    let error = start(Program::Shell("true".into()), &folder.path().join("plain")).await;
    assert!(matches!(error, ExecError::Folder { .. }), "{error}");

    let spool = Some(folder.path().join("plain/spool"));
    let command = Command { spool, spool_bytes: 9, ..shell(folder.path(), "true") };
    let error = run(command, CancellationToken::new()).await.expect_err("the spool's folder is a file");
    assert!(matches!(error, ExecError::Spool { .. }), "{error}");
}

#[tokio::test]
async fn the_environment_asks_nothing_and_paints_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let line = "echo $GIT_TERMINAL_PROMPT $PAGER $TERM $NO_COLOR ${FORCE_COLOR-unset} $OWN";
    let env = vec![("OWN".into(), "mine".into()), ("PAGER".into(), "less".into())];
    let output = finish(Command { env, ..shell(folder.path(), line) }).await;
    assert_eq!(text(&output), "0 less dumb 1 unset mine\n");
}

#[tokio::test]
async fn standard_input_is_empty_and_there_is_no_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let output = finish(shell(folder.path(), "cat; read -r line; echo \"$? [$line]\"")).await;
    assert_eq!(text(&output), "1 []\n");
    let output = finish(shell(folder.path(), "(read -r line </dev/tty) 2>/dev/null || echo none")).await;
    assert_eq!(text(&output), "none\n");
}

#[tokio::test]
async fn both_streams_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let line = "for i in 1 2 3 4 5; do echo out$i; echo err$i >&2; done";
    let output = finish(shell(folder.path(), line)).await;
    assert_eq!(text(&output), "out1\nerr1\nout2\nerr2\nout3\nerr3\nout4\nerr4\nout5\nerr5\n");
}

#[tokio::test]
async fn bytes_that_are_no_text_come_through() {
    let folder = tempfile::tempdir().unwrap();
    let output = finish(shell(folder.path(), r"printf '\377\376\000\001\200'")).await;
    assert_eq!(output.head, [0xff, 0xfe, 0, 1, 0x80]);
}

#[tokio::test]
async fn much_output_is_bounded_in_memory_and_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("deep/down/spool");
    let line = "printf BEGIN; head -c 209715200 /dev/zero | tr '\\0' x; printf END";
    let command = Command { spool: Some(spool.clone()), spool_bytes: 1000, ..shell(folder.path(), line) };
    let output = finish(command).await;
    assert_eq!(output.ended, Ended::Code(0));
    assert_eq!(output.total, 209_715_208);
    assert_eq!((output.head.len(), output.tail.len()), (4096, 4096));
    assert_eq!(output.omitted, output.total - 8192);
    assert!(output.head.starts_with(b"BEGINxxx") && output.tail.ends_with(b"xxxEND"));
    assert_eq!(output.spooled, 1000);
    let spooled = std::fs::read(&spool).unwrap();
    assert_eq!(spooled, output.head[..1000]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&spool).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn one_huge_line_is_like_many() {
    let folder = tempfile::tempdir().unwrap();
    let output = finish(shell(folder.path(), "head -c 5000000 /dev/zero | tr '\\0' y")).await;
    assert_eq!((output.total, output.omitted), (5_000_000, 5_000_000 - 8192));
}

#[tokio::test]
async fn a_full_spool_does_not_stop_the_command() {
    let folder = tempfile::tempdir().unwrap();
    // Writing to /dev/full fails with ENOSPC.
    let spool = Some("/dev/full".into());
    let command = Command { spool, spool_bytes: 1 << 20, ..shell(folder.path(), "echo a; echo b") };
    let output = finish(command).await;
    assert_eq!((text(&output).as_str(), output.spooled), ("a\nb\n", 0));
}

#[tokio::test]
async fn a_timeout_ends_the_whole_tree() {
    let folder = tempfile::tempdir().unwrap();
    let line =
        "echo begun; echo $$ >>pids; sleep 100 & echo $! >>pids; bash -c 'echo $$ >>pids; sleep 100; true'";
    let output = finish(Command { timeout: Duration::from_millis(700), ..shell(folder.path(), line) }).await;
    assert_eq!((output.ended, text(&output).as_str()), (Ended::TimedOut, "begun\n"));
    assert_gone(folder.path(), 3);
}

#[tokio::test]
async fn term_lets_a_program_clean_up() {
    let folder = tempfile::tempdir().unwrap();
    let line = "trap 'echo cleaned; exit 0' TERM; while :; do sleep 0.05; done";
    let output = finish(Command { timeout: Duration::from_millis(400), ..shell(folder.path(), line) }).await;
    assert_eq!(output.ended, Ended::TimedOut);
    assert!(text(&output).ends_with("cleaned\n"), "{}", text(&output));
}

#[tokio::test]
async fn ignoring_term_does_not_help() {
    let folder = tempfile::tempdir().unwrap();
    let line = "trap '' TERM INT HUP; echo $$ >>pids; (trap '' TERM; echo $BASHPID >>pids; while :; do sleep 9; done) & \
                while :; do sleep 9; done";
    let output = finish(Command { timeout: Duration::from_millis(400), ..shell(folder.path(), line) }).await;
    assert_eq!(output.ended, Ended::TimedOut);
    assert_gone(folder.path(), 2);
}

#[tokio::test]
async fn a_stopped_process_is_ended_too() {
    let folder = tempfile::tempdir().unwrap();
    let line = "echo $$ >>pids; kill -STOP $$";
    let output = finish(Command { timeout: Duration::from_millis(400), ..shell(folder.path(), line) }).await;
    assert_eq!(output.ended, Ended::TimedOut);
    assert_gone(folder.path(), 1);
}

#[tokio::test]
async fn cancelling_ends_the_whole_tree() {
    let folder = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    let command = shell(folder.path(), "echo $$ >>pids; (echo $BASHPID >>pids; sleep 100) & sleep 100");
    let running = tokio::spawn(run(command, cancel.clone()));
    wait_for_pids(folder.path(), 2).await;
    cancel.cancel();
    let output = tokio::time::timeout(LONG, running).await.expect("it ends").unwrap().unwrap();
    assert_eq!(output.ended, Ended::Cancelled);
    assert_gone(folder.path(), 2);
}

#[tokio::test]
async fn cancelled_before_the_start_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let output = run(shell(folder.path(), "touch ran"), cancel).await.unwrap();
    assert_eq!(output.ended, Ended::Cancelled);
    assert!(!folder.path().join("ran").exists());
}

#[tokio::test]
async fn dropping_the_future_kills_the_tree() {
    let folder = tempfile::tempdir().unwrap();
    let line = "trap '' TERM; echo $$ >>pids; setsid bash -c 'echo $$ >>pids; sleep 100; true' & \
                (trap '' TERM; echo $BASHPID >>pids; while :; do sleep 9; done)";
    let running = tokio::spawn(run(shell(folder.path(), line), CancellationToken::new()));
    wait_for_pids(folder.path(), 3).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    assert_gone(folder.path(), 3);
}

#[tokio::test]
async fn a_background_child_that_holds_the_pipe_does_not_hang_us() {
    let folder = tempfile::tempdir().unwrap();
    let output = finish(shell(folder.path(), "sleep 1000 & echo $! >>pids; echo done")).await;
    assert_eq!((output.ended, text(&output).as_str()), (Ended::Code(0), "done\n"));
    assert_gone(folder.path(), 1);
}

#[tokio::test]
async fn a_background_child_that_let_go_of_the_pipe_ends_too() {
    let folder = tempfile::tempdir().unwrap();
    let line = "nohup sleep 1000 >/dev/null 2>&1 </dev/null & echo $! >>pids; disown; echo done";
    assert_eq!(text(&finish(shell(folder.path(), line)).await), "done\n");
    assert_gone(folder.path(), 1);
}

/// A double fork into a new session, as daemons do it.
const DAEMON: &str = "setsid bash -c '(setsid bash -c \"trap : TERM HUP; echo \\$\\$ >>pids; while :; do sleep 9; done\" \
                      >/dev/null 2>&1 </dev/null &) ; exit 0'; \
                      while [ ! -s pids ]; do sleep 0.01; done; echo up";

#[tokio::test]
async fn a_daemon_ends_with_its_command() {
    let folder = tempfile::tempdir().unwrap();
    let output = finish(shell(folder.path(), DAEMON)).await;
    assert_eq!((output.ended, text(&output).as_str()), (Ended::Code(0), "up\n"));
    assert_gone(folder.path(), 1);
}

#[tokio::test]
async fn a_daemon_spares_the_commands_beside_it() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let line = format!(
        "{} ; touch ready; while [ ! -e go ]; do sleep 0.01; done; cat pids | while read p; do kill -0 $p && echo alive; done",
        DAEMON
    );
    let beside = tokio::spawn(run(shell(other.path(), &line), CancellationToken::new()));
    while !other.path().join("ready").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    finish(shell(folder.path(), DAEMON)).await;
    assert_gone(folder.path(), 1);
    std::fs::write(other.path().join("go"), "").unwrap();
    assert_eq!(text(&beside.await.unwrap().unwrap()), "up\nalive\n");
    assert_gone(other.path(), 1);
}

#[tokio::test]
async fn a_small_fork_bomb_is_put_out() {
    let folder = tempfile::tempdir().unwrap();
    // Doubles six times, each process ignoring TERM and waiting: 127 processes.
    let line = "trap '' TERM; bomb() { echo $BASHPID >>pids; if [ $1 -gt 0 ]; then bomb $(($1-1)) & bomb $(($1-1)) & fi; \
                while :; do sleep 5; done; }; bomb 6";
    let running = run(
        Command { timeout: Duration::from_secs(4), ..shell(folder.path(), line) },
        CancellationToken::new(),
    );
    let output = tokio::time::timeout(LONG, running).await.expect("it ends").unwrap();
    assert_eq!(output.ended, Ended::TimedOut);
    assert_gone(folder.path(), 100);
}

#[tokio::test]
async fn many_commands_at_once_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    let runs = (0..24).map(|number| {
        tokio::spawn(finish(shell(folder.path(), &format!("sleep 0.1; echo {number}; exit {number}"))))
    });
    for (number, running) in runs.collect::<Vec<_>>().into_iter().enumerate() {
        let output = running.await.unwrap();
        assert_eq!(output.ended, Ended::Code(i32::try_from(number).unwrap()));
        assert_eq!(text(&output), format!("{number}\n"));
    }
}

#[tokio::test]
async fn no_zombies_pile_up() {
    let folder = tempfile::tempdir().unwrap();
    finish(shell(
        folder.path(),
        "for i in 1 2 3 4; do (setsid sleep 0.01 &) ; (sleep 0.01 & echo $! >>pids); done; sleep 0.3",
    ))
    .await;
    for pid in pids(folder.path()) {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} was never waited for");
    }
}

/// As in a container that was entered from outside: the session of this process began where we cannot see, and has the id 0.
#[tokio::test]
async fn a_session_that_began_outside_the_container_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |program: OsString, arguments: Vec<OsString>| {
        let flags = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"];
        let mut all: Vec<OsString> = vec!["unshare".into()];
        all.extend(flags.iter().map(OsString::from));
        all.push(program);
        all.extend(arguments);
        Command {
            program: Program::Argv(all),
            cwd: folder.path().to_owned(),
            timeout: LONG,
            keep_bytes: 1 << 16,
            spool: None,
            spool_bytes: 0,
            env: Vec::new(),
            keep_env: Vec::new(),
            terminal: None,
            sandbox: None,
        }
    };
    let possible = run(inside("true".into(), Vec::new()), CancellationToken::new()).await;
    if !possible.is_ok_and(|output| output.ended == Ended::Code(0)) {
        eprintln!("SKIPPED: this system lets nobody make a namespace");
        return;
    }
    let this = std::env::current_exe().unwrap().into_os_string();
    let test = ["--exact", "process_faults::faults::a_daemon_ends_with_its_command"]
        .iter()
        .map(Into::into)
        .collect();
    let output = finish(inside(this, test)).await;
    assert!(text(&output).contains("1 passed"), "{}", text(&output));
}
