//! Owns the life of one command: start, drain, stop, report.
//! Uses `tree` to find and end what it started, `capture` for the output.
//! Never returns while anything that the command started is still running.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use crate::capture::{Capture, Reader, create_spool};
use crate::sandbox::{Level, Refusal};
use crate::tree::{Input, Tree, spawn};
use crate::{Command, Ended, ExecError, Output, Program, Size, environment, sandbox};

/// Between TERM and KILL: long enough for a test runner or a server to clean up.
const GRACE: Duration = Duration::from_secs(2);
/// For a background child that keeps the pipe open after the main process ended.
const LINGER: Duration = Duration::from_millis(200);
/// For the pipe to close once everything that could hold it is dead.
const CLOSE: Duration = Duration::from_secs(1);

pub(crate) async fn run(command: Command, cancel: CancellationToken) -> Result<Output, ExecError> {
    if cancel.is_cancelled() {
        let begun = Instant::now();
        check_folder(&command.cwd)?;
        return Ok(report(Ended::Cancelled, open_capture(&command)?, begun));
    }
    let mut running = Running::start(&command)?;
    let ended = running.wait(&cancel).await;
    Ok(report(ended, running.reader.finish(), running.begun))
}

/// A command that was started. Dropping it kills its tree.
pub(crate) struct Running {
    // Before the child, which would be killed alone.
    tree: Tree,
    child: Child,
    reader: Reader,
    /// After the tree, as it is the ground on which that stands.
    _sandbox: Option<sandbox::Held>,
    timeout: Duration,
    begun: Instant,
}

impl Running {
    /// # Errors
    /// See [`crate::run`].
    pub(crate) fn start(command: &Command) -> Result<Self, ExecError> {
        let begun = Instant::now();
        check_folder(&command.cwd)?;
        let capture = open_capture(command)?;
        let (child, tree, reader, held) = start(command, capture)?;
        Ok(Self { tree, child, reader, _sandbox: held, timeout: command.timeout, begun })
    }

    /// What it writes, while it writes.
    pub(crate) fn capture(&self) -> Arc<Mutex<Capture>> {
        self.reader.shared()
    }

    /// Wait for its end, or bring it about. Nothing of it runs, and nothing more is taken in, when this returns.
    pub(crate) async fn wait(&mut self, cancel: &CancellationToken) -> Ended {
        let waited = tokio::select! {
            biased;
            status = self.child.wait() => Some(status),
            () = cancel.cancelled() => None,
            () = tokio::time::sleep(self.timeout) => None,
        };
        let ended = match waited {
            Some(status) => {
                let _ = tokio::time::timeout(LINGER, self.reader.drained()).await;
                self.tree.stop(LINGER).await;
                status.map_or(Ended::Code(-1), describe)
            }
            None => {
                // Both may hold by now; what the user did is the better answer.
                let ended = if cancel.is_cancelled() { Ended::Cancelled } else { Ended::TimedOut };
                self.tree.stop(GRACE).await;
                ended
            }
        };
        let _ = tokio::time::timeout(CLOSE, self.reader.drained()).await;
        let _ = tokio::time::timeout(CLOSE, self.child.wait()).await;
        self.reader.close();
        ended
    }
}

fn open_capture(command: &Command) -> Result<Capture, ExecError> {
    let spool = match &command.spool {
        Some(path) => {
            Some(create_spool(path).map_err(|source| ExecError::Spool { path: path.clone(), source })?)
        }
        None => None,
    };
    Ok(Capture::new(command.keep_bytes, spool, command.spool_bytes))
}

fn report(ended: Ended, mut capture: Capture, begun: Instant) -> Output {
    let (tail, omitted) = capture.tail();
    Output {
        ended,
        head: std::mem::take(&mut capture.head),
        tail,
        omitted,
        total: capture.total,
        spooled: capture.spooled,
        duration: begun.elapsed(),
    }
}

/// A folder that is missing looks like a missing program to `exec`, so it is told apart first.
fn check_folder(path: &Path) -> Result<(), ExecError> {
    let source = match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => return Ok(()),
        Ok(_) => ErrorKind::NotADirectory.into(),
        Err(source) => source,
    };
    Err(ExecError::Folder { path: path.to_owned(), source })
}

type Started = (Child, Tree, Reader, Option<sandbox::Held>);

fn start(command: &Command, capture: Capture) -> Result<Started, ExecError> {
    let shells = ["bash", "sh"].map(OsStr::new);
    let attempts: Vec<(&OsStr, Vec<&OsStr>)> = match &command.program {
        // `--` so that a line which begins with a dash is still a line.
        Program::Shell(line) => {
            shells.map(|shell| (shell, vec![OsStr::new("-c"), OsStr::new("--"), OsStr::new(line)])).into()
        }
        Program::Argv(argv) => match argv.split_first() {
            Some((program, rest)) => vec![(program, rest.iter().map(OsString::as_os_str).collect())],
            None => Vec::new(),
        },
    };
    let failed = |program: &OsStr, source| ExecError::Start {
        program: program.to_string_lossy().into_owned(),
        source,
    };
    let refused = |refusal: Refusal| match refusal {
        Refusal::Walls(why) => ExecError::Sandbox { why },
        Refusal::Program(source) => failed(OsStr::new("the sandbox"), source),
    };
    let mut last = failed(OsStr::new("nothing"), ErrorKind::InvalidInput.into());
    for (program, arguments) in attempts {
        let entry = match &command.sandbox {
            Some(sandbox) => Some(sandbox::Entry::prepare(sandbox, &command.cwd, false).map_err(refused)?),
            None => None,
        };
        let mut process = prepare(program, &arguments, command, entry.as_ref());
        let (source, input) = connect(&mut process, command.terminal)?;
        let input = match &command.sandbox {
            // The command takes the terminal, in a session of its own; a terminal can be taken only once.
            Some(sandbox) if sandbox.level == Level::Full => Input::Nothing,
            _ => input,
        };
        let spawned = spawn(process, input);
        let started = match spawned {
            Ok((child, tree)) => match entry.map(sandbox::Entry::confirm).transpose() {
                Ok(held) => Ok((child, tree, held)),
                Err(Refusal::Program(source)) => Err(source),
                Err(refusal) => return Err(refused(refusal)),
            },
            Err(source) => Err(source),
        };
        match started {
            Ok((child, tree, held)) => {
                let reader = Reader::start(source, capture).map_err(|source| failed(program, source))?;
                return Ok((child, tree, reader, held));
            }
            Err(source) => {
                let missing = source.kind() == ErrorKind::NotFound;
                last = failed(program, source);
                if !missing {
                    break;
                }
            }
        }
    }
    Err(last)
}

/// Give the process its input and output; where what it writes can be read.
fn connect(
    process: &mut tokio::process::Command,
    terminal: Option<Size>,
) -> Result<(Box<dyn Read + Send>, Input), ExecError> {
    match terminal {
        None => {
            let pair = std::io::pipe().and_then(|(read, write)| Ok((read, write.try_clone()?, write)));
            let (pipe, output, errors) = pair.map_err(|source| ExecError::Output { source })?;
            process.stdin(Stdio::null()).stdout(output).stderr(errors);
            Ok((Box::new(pipe), Input::Nothing))
        }
        Some(size) => {
            let (ours, theirs) = open_terminal(size).map_err(|source| ExecError::Terminal { source })?;
            let [input, output, errors] = theirs;
            process.stdin(input).stdout(output).stderr(errors);
            Ok((ours, Input::Terminal))
        }
    }
}

#[cfg(unix)]
fn open_terminal(size: Size) -> std::io::Result<(Box<dyn Read + Send>, [Stdio; 3])> {
    let (ours, theirs) = crate::terminal::open(size)?;
    let again = [theirs.try_clone()?.into(), theirs.try_clone()?.into(), theirs.into()];
    Ok((Box::new(ours), again))
}

#[cfg(not(unix))]
fn open_terminal(_size: Size) -> std::io::Result<(Box<dyn Read + Send>, [Stdio; 3])> {
    Err(ErrorKind::Unsupported.into())
}

fn prepare(
    program: &OsStr,
    arguments: &[&OsStr],
    command: &Command,
    entry: Option<&sandbox::Entry>,
) -> tokio::process::Command {
    let mut process = match (entry, &command.sandbox) {
        (Some(entry), Some(sandbox)) => entry.command(sandbox, program, arguments).into(),
        _ => {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
            let mut process = tokio::process::Command::new(program);
            process.args(arguments);
            process
        }
    };
    process.current_dir(&command.cwd).kill_on_drop(true);
    environment::give(&mut process, command);
    process
}

fn describe(status: ExitStatus) -> Ended {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Ended::Signal(signal);
    }
    Ended::Code(status.code().unwrap_or(-1))
}
