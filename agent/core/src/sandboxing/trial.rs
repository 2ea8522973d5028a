//! Owns commands that the user runs in the sandbox by hand, and what of the machine decides about sandboxes.
//! Uses `loci_exec` as sessions do.
//! Never runs a command with less than was asked for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loci_exec::sandbox::{Level, Network, landlock_version, probe};
use loci_exec::{Command, Ended, ExecError, Output, Program};
use loci_policy::Context;
use tokio_util::sync::CancellationToken;

use super::{Grants, Sandboxing};
use crate::config::{Places, Settings};

pub use loci_exec::sandbox::Probe;

/// Output beyond this is left out in the middle.
const KEEP_BYTES: usize = 8 << 20;
/// Nobody waits for a command of a trial longer than this.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// A program that only says its version.
const SHORT: Duration = Duration::from_secs(5);

/// What a command is tried in.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The project.
    pub root: PathBuf,
    /// Where the command begins.
    pub cwd: PathBuf,
    /// Whether the user trusts the project.
    pub trusted: bool,
    /// How well it is held in; the best that there is when absent.
    pub level: Option<Level>,
    /// Further folders that it may write to.
    pub writable: Vec<PathBuf>,
    /// Whether it reaches the network.
    pub network: Network,
}

/// Why a trial did not run.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// Ask for less, or change the machine.
    #[error("this machine gives the sandbox `{}`, not `{}`: {why}", given.name(), wanted.name())]
    Level {
        /// What was asked for.
        wanted: Level,
        /// What there is.
        given: Level,
        /// Why it is not more.
        why: String,
    },
    /// It could not be started.
    #[error(transparent)]
    Exec(#[from] ExecError),
}

/// The program that is its own helper.
#[must_use]
pub fn helper() -> &'static Path {
    Path::new("/proc/self/exe")
}

/// What this machine gives.
#[must_use]
pub fn machine() -> Probe {
    probe(helper())
}

/// The version of the kernel's Landlock; 0: none.
#[must_use]
pub fn landlock() -> u32 {
    landlock_version()
}

/// Run a command as a session would.
///
/// # Errors
/// When the machine does not give the level, or the command cannot be started.
pub async fn run(
    trial: &Trial,
    settings: &Settings,
    places: &Places,
    command: Vec<OsString>,
) -> Result<Output, TrialError> {
    let context = Context {
        root: trial.root.clone(),
        cwd: trial.cwd.clone(),
        home: places.home.clone(),
        additional: settings.additional_directories.clone(),
        config_dirs: vec![trial.root.join(".loci"), places.config.clone(), places.data.clone()],
        trusted: trial.trusted,
        offline: settings.offline,
        ..Context::default()
    };
    let mut sandboxing = Sandboxing::open(Some(helper()), settings, places, &context);
    sandboxing.level = match trial.level {
        Some(Level::None) => Level::None,
        wanted => {
            let probe = machine();
            // Without a word about the level the best will do, but not nothing.
            let wanted = wanted.unwrap_or(probe.level.max(Level::Restricted));
            if probe.level < wanted {
                return Err(TrialError::Level { wanted, given: probe.level, why: probe.why.join("; ") });
            }
            wanted
        }
    };
    let mut sandbox = sandboxing.of(&Grants::default(), None, None);
    if let Some(sandbox) = &mut sandbox {
        sandbox.profile.writable.extend(trial.writable.iter().cloned());
        sandbox.profile.network = trial.network.clone();
    }
    let command = Command {
        program: Program::Argv(command),
        cwd: trial.cwd.clone(),
        timeout: PATIENCE,
        keep_bytes: KEEP_BYTES,
        spool: None,
        spool_bytes: 0,
        env: Vec::new(),
        keep_env: sandboxing.keep_env().to_vec(),
        terminal: None,
        sandbox,
    };
    Ok(loci_exec::run(command, CancellationToken::new()).await?)
}

/// How a command ended, as a shell would say it.
#[must_use]
pub fn exit_code(ended: Ended) -> u8 {
    match ended {
        Ended::Code(code) => u8::try_from(code).unwrap_or(1),
        Ended::Signal(signal) => u8::try_from(128 + signal).unwrap_or(1),
        Ended::TimedOut => 124,
        Ended::Cancelled => 130,
    }
}

/// What a program says of itself, on its first line; `None` where it does not run.
pub async fn first_line(root: &Path, words: &[&str]) -> Option<String> {
    let command = Command {
        program: Program::Argv(words.iter().map(OsString::from).collect()),
        cwd: root.to_owned(),
        timeout: SHORT,
        keep_bytes: 4096,
        spool: None,
        spool_bytes: 0,
        env: vec![("LC_ALL".into(), "C".into())],
        keep_env: Vec::new(),
        terminal: None,
        sandbox: None,
    };
    let output = loci_exec::run(command, CancellationToken::new()).await.ok()?;
    let text = String::from_utf8_lossy(&output.head).into_owned();
    let last = if words.first() == Some(&"df") { text.lines().last() } else { text.lines().next() };
    last.filter(|_| output.ended == Ended::Code(0)).map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_as_a_shell_tells_them() {
        for (ended, code) in [
            (Ended::Code(0), 0),
            (Ended::Code(7), 7),
            (Ended::Signal(9), 137),
            (Ended::TimedOut, 124),
            (Ended::Cancelled, 130),
        ] {
            assert_eq!(exit_code(ended), code, "{ended:?}");
        }
    }
}
