//! Owns the commands that try to outlive their end: bombs, loops, closed descriptors, full disks, instants chosen badly.
//! Uses a mark in the environment to look for survivors among all processes.
//! Never asserts a time.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use loci_exec::{Command, Ended, ExecError, Output, Program, run};
use tokio_util::sync::CancellationToken;

use super::world::{LONG, finish, shell, text};

/// A command that can be told apart, and its mark.
fn marked(cwd: &Path, line: &str) -> (Command, String) {
    let mark = format!("FAULT={}", cwd.display());
    let env = vec![("FAULT".into(), cwd.as_os_str().to_owned())];
    (Command { env, ..shell(cwd, line) }, mark)
}

/// How many processes that live have this in their environment.
fn alive(mark: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ours = processes.filter(|entry| {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes())
    });
    ours.count()
}

/// It runs into its time, and nothing of it is left; `line` says `up` once it does what it is for.
async fn ends_by_force(line: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let (command, mark) = marked(folder.path(), line);
    let output = finish(Command { timeout: Duration::from_millis(1500), ..command }).await;
    assert_eq!(output.ended, Ended::TimedOut, "{line}: {}", text(&output));
    assert!(text(&output).starts_with("up\n"), "{line}: {}", text(&output));
    assert_eq!(alive(&mark), 0, "{line}");
    output
}

#[tokio::test]
async fn the_search_for_survivors_finds_some() {
    let folder = tempfile::tempdir().unwrap();
    let (command, mark) = marked(folder.path(), "sleep 1000 & sleep 1000 & wait");
    let cancel = CancellationToken::new();
    let running = tokio::spawn(run(command, cancel.clone()));
    while alive(&mark) < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cancel.cancel();
    assert_eq!(running.await.unwrap().unwrap().ended, Ended::Cancelled);
    assert_eq!(alive(&mark), 0);
}

#[tokio::test]
async fn what_tries_to_stay_goes() {
    // It closes everything that it has, our pipe included.
    ends_by_force(
        "echo up; for fd in /proc/$$/fd/*; do eval \"exec ${fd##*/}>&-\"; done; while :; do sleep 9; done",
    )
    .await;
    // The whole group stops itself.
    ends_by_force("echo up; sleep 1000 & kill -STOP 0; sleep 1000").await;
    // Each process of an endless row lives for an instant.
    ends_by_force("echo up; trap '' TERM; loop() { (loop) & exit; }; while :; do (:) & wait; done").await;
    ends_by_force("echo 'trap \"\" TERM; exec bash ./again' >again; echo up; exec bash ./again").await;
    // Children that are dead and never waited for.
    ends_by_force("echo up; exec 3>&1; for i in $(seq 40); do sleep 0.01 & done; exec sleep 1000").await;
    // Daemons that make daemons, deaf to everything that can be ignored.
    ends_by_force(
        "trap '' TERM HUP INT QUIT USR1; for i in 1 2 3 4 5; do \
         setsid bash -c 'setsid bash -c \"while :; do sleep 9; done\" & exit' & done; echo up; while :; do sleep 9; done",
    )
    .await;
    let flood = ends_by_force("echo up; yes &  yes & yes").await;
    assert!(flood.total > 1_000_000 && flood.head.len() + flood.tail.len() <= 8192, "{}", flood.total);
}

/// Limits on processes do not hold for root, so it runs as somebody else.
#[tokio::test]
async fn a_fork_bomb_is_put_out() {
    const NOBODY: &str = "setpriv --reuid=64999 --regid=64999 --clear-groups";
    let folder = tempfile::tempdir().unwrap();
    let possible = finish(shell(folder.path(), &format!("{NOBODY} true"))).await;
    if possible.ended != Ended::Code(0) {
        eprintln!("SKIPPED: only root can run a bomb as somebody else: {}", text(&possible));
        return;
    }
    let bomb = "echo up; b() { b | b & }; b 2>/dev/null; while :; do sleep 1; done";
    ends_by_force(&format!("ulimit -u 150; exec {NOBODY} bash -c '{bomb}' 2>/dev/null")).await;
}

#[tokio::test]
async fn the_folder_may_go_while_it_works() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let output = finish(shell(&inner, "rmdir \"$PWD\"; sleep 0.1; echo done")).await;
    assert_eq!((output.ended, text(&output).as_str()), (Ended::Code(0), "done\n"));
    let error = run(shell(&inner, "true"), CancellationToken::new()).await.expect_err("it is gone");
    assert!(matches!(error, ExecError::Folder { .. }), "{error}");
}

#[tokio::test]
async fn what_is_too_large_to_start_is_a_typed_error() {
    let folder = tempfile::tempdir().unwrap();
    let large = "x".repeat(4 << 20);
    let argv = Program::Argv(vec!["true".into(), OsString::from(&large)]);
    let line = Program::Shell(format!("true {large}"));
    let shell = || shell(folder.path(), "true");
    let environment = Command { env: vec![("LARGE".into(), large.into())], ..shell() };
    for command in [Command { program: argv, ..shell() }, Command { program: line, ..shell() }, environment] {
        let error = run(command, CancellationToken::new()).await.expect_err("it cannot start");
        assert!(matches!(error, ExecError::Start { .. }), "{error}");
    }
    assert_eq!(finish(shell()).await.ended, Ended::Code(0));
}

#[tokio::test]
async fn no_time_at_all_is_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (command, mark) = marked(folder.path(), "setsid sleep 1000 & sleep 1000");
    let output = finish(Command { timeout: Duration::ZERO, ..command }).await;
    assert_eq!(output.ended, Ended::TimedOut);
    assert_eq!(alive(&mark), 0);
    let forever = Command { timeout: Duration::MAX, ..shell(folder.path(), "echo done") };
    assert_eq!(text(&finish(forever).await), "done\n");
}

#[tokio::test]
async fn cancelled_at_any_instant_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let line = "trap '' TERM; sleep 1000 & setsid bash -c 'sleep 1000 & exit' & sleep 1000";
    let (command, mark) = marked(folder.path(), line);
    let runs = (0..40).map(|number: u64| {
        let (command, cancel) = (command.clone(), CancellationToken::new());
        tokio::spawn(async move {
            let running = run(command, cancel.clone());
            let cancelling = async {
                tokio::time::sleep(Duration::from_micros(number * number * 20)).await;
                cancel.cancel();
            };
            tokio::join!(running, cancelling).0.unwrap().ended
        })
    });
    for running in runs.collect::<Vec<_>>() {
        let ended = tokio::time::timeout(LONG, running).await.expect("it ends").unwrap();
        assert_eq!(ended, Ended::Cancelled);
    }
    assert_eq!(alive(&mark), 0);
}

/// In a mount namespace of its own, on a disk of 64 KiB.
#[tokio::test]
async fn a_disk_that_fills_up_does_not_hold_up_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let line = format!(
        "mkdir disk && unshare --user --map-root-user --mount bash -c 'mount -t tmpfs -o size=64k none disk || exit 77; \
         FULL_DISK=$PWD/disk exec {} --exact --ignored process_faults::hostile::spooling_to_a_full_disk' || echo $?",
        this.display()
    );
    let output = finish(Command { keep_bytes: 1 << 16, ..shell(folder.path(), &line) }).await;
    if text(&output).ends_with("77\n") || text(&output).contains("unshare: ") {
        eprintln!("SKIPPED: this system lets nobody make a namespace with a disk: {}", text(&output));
        return;
    }
    assert!(text(&output).contains("1 passed"), "{}", text(&output));
}

#[tokio::test]
#[ignore = "run by a_disk_that_fills_up_does_not_hold_up_the_end"]
async fn spooling_to_a_full_disk() {
    let Some(disk) = std::env::var_os("FULL_DISK") else {
        eprintln!("SKIPPED: there is no full disk");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (command, mark) = marked(folder.path(), "trap '' TERM; yes & (setsid yes) & yes");
    let spool = Some(Path::new(&disk).join("spool"));
    let command = Command { spool, spool_bytes: 1 << 30, timeout: Duration::from_millis(1500), ..command };
    let output = finish(command).await;
    assert_eq!(output.ended, Ended::TimedOut);
    assert!(output.spooled <= 65_536 && output.total > output.spooled, "{} {}", output.spooled, output.total);
    assert_eq!(alive(&mark), 0);
}

#[tokio::test]
async fn what_runs_ends_with_us_even_when_we_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    // Not HUP: whoever runs the tests may have it ignored, as `nohup` does, and that is inherited.
    for signal in ["KILL", "TERM"] {
        // This process does what the conversation would; the shell around it only passes on who it is.
        let line = format!(
            "FOLDER=$PWD exec {} --exact --ignored process_faults::hostile::waiting_to_be_killed",
            this.display()
        );
        let mark = format!("FAULT={}", folder.path().display());
        let beside = tokio::spawn(run(shell(folder.path(), &line), CancellationToken::new()));
        while alive(&mark) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let victim = std::fs::read_to_string(folder.path().join("victim")).unwrap();
        let kill = finish(shell(folder.path(), &format!("kill -{signal} {victim}"))).await;
        assert_eq!(kill.ended, Ended::Code(0));
        for _ in 0..6_000 {
            if alive(&mark) == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(alive(&mark), 0, "{signal}");
        assert!(matches!(beside.await.unwrap().unwrap().ended, Ended::Signal(_)), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by what_runs_ends_with_us_even_when_we_are_killed"]
async fn waiting_to_be_killed() {
    let Some(folder) = std::env::var_os("FOLDER") else {
        eprintln!("SKIPPED: nobody kills this");
        return;
    };
    let folder = Path::new(&folder);
    std::fs::write(folder.join("victim"), std::process::id().to_string()).unwrap();
    let commands = (0..2).map(|_| {
        let (command, _) = marked(folder, "trap '' TERM HUP; exec sleep 1000");
        // From threads that end long before their commands do.
        tokio::task::spawn_blocking(|| tokio::runtime::Handle::current().block_on(finish(command)))
    });
    for command in commands.collect::<Vec<_>>() {
        command.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_thread_ends_no_command() {
    let folder = tempfile::tempdir().unwrap();
    let registry = std::sync::Arc::new(loci_exec::background::Background::default());
    let command = shell(folder.path(), "while [ ! -e go ]; do sleep 0.01; done; echo done");
    let (starter, runtime) = (registry.clone(), tokio::runtime::Handle::current());
    let thread = std::thread::spawn(move || {
        let _entered = runtime.enter();
        starter.start(&command, "", Box::new(())).unwrap()
    });
    let id = tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    std::fs::write(folder.path().join("go"), "").unwrap();
    registry.wait(&id).await.unwrap();
    assert_eq!(registry.list()[0].ended, Some(Ended::Code(0)));
}

/// `cargo test -p loci-exec --test process_faults -- --ignored ten_gigabytes`
#[tokio::test]
#[ignore = "takes as long as writing 10 GB does"]
async fn ten_gigabytes_of_output_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let command = Command {
        spool: Some(spool.clone()),
        spool_bytes: 64 << 20,
        timeout: Duration::from_secs(600),
        ..shell(folder.path(), "head -c 10000000000 /dev/zero")
    };
    let output = run(command, CancellationToken::new()).await.unwrap();
    assert_eq!((output.ended, output.total), (Ended::Code(0), 10_000_000_000));
    assert_eq!(output.spooled, 64 << 20);
    assert_eq!(std::fs::metadata(spool).unwrap().len(), 64 << 20);
}
