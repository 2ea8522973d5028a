//! Owns what the process tests share: commands, and looking for survivors in `/proc`.
//! Uses the crate as its callers do.
//! Never waits longer than a minute.

use std::path::Path;
use std::time::Duration;

use loci_exec::{Command, Output, Program, run};
use tokio_util::sync::CancellationToken;

pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn shell(cwd: &Path, line: &str) -> Command {
    Command {
        program: Program::Shell(line.into()),
        cwd: cwd.to_owned(),
        timeout: LONG,
        keep_bytes: 4096,
        spool: None,
        spool_bytes: 0,
        env: Vec::new(),
        keep_env: Vec::new(),
        terminal: None,
        sandbox: None,
    }
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.head), String::from_utf8_lossy(&output.tail))
}

pub(crate) async fn finish(command: Command) -> Output {
    // Far above what any of these takes; reached only when something hangs.
    tokio::time::timeout(LONG, run(command, CancellationToken::new())).await.expect("it ends").unwrap()
}

/// The process ids that the commands of a test wrote, one a line.
pub(crate) fn pids(folder: &Path) -> Vec<i32> {
    let written = std::fs::read_to_string(folder.join("pids")).unwrap_or_default();
    written.lines().map(|line| line.trim().parse().unwrap()).collect()
}

pub(crate) fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

#[track_caller]
pub(crate) fn assert_gone(folder: &Path, at_least: usize) {
    let pids = pids(folder);
    assert!(pids.len() >= at_least, "only {} processes came up", pids.len());
    let left: Vec<i32> = pids.into_iter().filter(|&pid| lives(pid)).collect();
    assert_eq!(left, Vec::<i32>::new(), "survivors");
}

pub(crate) async fn wait_for_pids(folder: &Path, count: usize) {
    for _ in 0..2000 {
        if pids(folder).len() >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the processes of the test did not come up");
}
