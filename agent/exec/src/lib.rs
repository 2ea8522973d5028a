//! Owns processes: the only place that starts them, and that makes sure they end.
//! Uses tokio's process support, sessions and `/proc`.
//! Never decides whether a command may run; that is `policy`.

pub mod background;
#[cfg(target_os = "linux")]
mod bpf;
mod capture;
mod environment;
pub mod foreground;
pub mod job_control;
mod launch;
pub mod memory;
pub mod offline;
#[cfg(unix)]
pub mod proxy;
pub mod sandbox;
#[cfg(unix)]
mod terminal;
mod tree;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// A command to run.
#[derive(Debug, Clone)]
pub struct Command {
    /// What to start.
    pub program: Program,
    /// The folder to start it in.
    pub cwd: PathBuf,
    /// TERM after this long, KILL shortly after.
    pub timeout: Duration,
    /// Keep at most this many bytes from the head and as many from the tail.
    pub keep_bytes: usize,
    /// Write the whole output here as well, up to `spool_bytes`. The file is replaced, its folder created.
    pub spool: Option<PathBuf>,
    /// Stop spooling after this many bytes; what follows is counted and dropped.
    pub spool_bytes: u64,
    /// Variables to set; they win over the ones that every command gets.
    pub env: Vec<(OsString, OsString)>,
    /// Variables of ours that it gets although their names or values look like secrets.
    pub keep_env: Vec<String>,
    /// A terminal of this size as its input and output, on which nobody types: every read ends. Without, its output is a
    /// pipe and its input is empty.
    pub terminal: Option<Size>,
    /// What holds it in; `None` lets it do whatever the user can.
    pub sandbox: Option<sandbox::Sandbox>,
}

/// What to start.
#[derive(Debug, Clone)]
pub enum Program {
    /// A line for `bash -c` (or `sh -c` where there is no bash).
    Shell(String),
    /// A program and its arguments, without a shell.
    Argv(Vec<OsString>),
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Its width.
    pub columns: u16,
    /// Its height.
    pub rows: u16,
}

impl Default for Size {
    /// What programs expect that were never told.
    fn default() -> Self {
        Self { columns: 80, rows: 24 }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It ran past its time and was killed with its whole tree.
    TimedOut,
    /// It was cancelled and killed with its whole tree.
    Cancelled,
}

/// What it wrote, standard output and error in the order in which they came.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub ended: Ended,
    /// The first bytes.
    pub head: Vec<u8>,
    /// The last bytes, where they are not in `head`.
    pub tail: Vec<u8>,
    /// Bytes between head and tail that were not kept.
    pub omitted: u64,
    /// Bytes in all.
    pub total: u64,
    /// Bytes that are in the spool file; less than `total` when it was full, or could not take more.
    pub spooled: u64,
    /// Wall-clock time.
    pub duration: Duration,
}

/// Why nothing ran.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// Install it, or correct the name.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Choose another folder.
    #[error("cannot run in {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Close some files: there are too many.
    #[error("no pipe can be made for its output: {source}")]
    Output {
        /// What the system said.
        source: std::io::Error,
    },
    /// Run it without a terminal.
    #[error("no terminal can be made for it: {source}")]
    Terminal {
        /// What the system said.
        source: std::io::Error,
    },
    /// What was to hold the command in could not be set up; run it without, if the user agrees.
    #[error("the sandbox could not be set up: {why}")]
    Sandbox {
        /// What failed.
        why: String,
    },
    /// The spool file failed.
    #[error("{}: {source}", path.display())]
    Spool {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Run a command to its end. Its standard input is `/dev/null`; its whole process tree is gone when this returns.
///
/// The command leads a session of its own, without a terminal or with one on which nobody types, so nothing in it can
/// wait for a key. On Linux, children
/// that leave the session and are orphaned (a daemon's double fork) are adopted by this process and end with the
/// command too; on other Unix systems what leaves the process group survives. Dropping the future kills the tree.
///
/// # Errors
/// When it cannot be started, or the spool file cannot be created.
pub async fn run(command: Command, cancel: CancellationToken) -> Result<Output, ExecError> {
    launch::run(command, cancel).await
}
