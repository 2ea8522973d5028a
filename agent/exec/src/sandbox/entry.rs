//! Owns the side of the sandbox that lies outside of it: what the helper is started with, and what it says.
//! Uses a file in memory for the request and a pair of sockets for the report, which also ties the two together.
//! Never takes silence for success.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::MemfdFlags;
use rustix::io::FdFlags;

use super::linux::{FAILED, NAME, NOT_STARTED, STARTED, WALLED};
use super::placeholders::Placeholders;
use super::request::Request;
use super::{Level, Refusal, Sandbox};

/// The helper needs milliseconds; under the heaviest load it got nowhere near this.
const PATIENCE: Duration = Duration::from_secs(30);

/// A sandbox that is about to be entered.
pub(crate) struct Entry {
    level: Level,
    request: Arc<OwnedFd>,
    theirs: Arc<OwnedFd>,
    held: Held,
}

/// What has to live as long as the command does: dropped, the helper ends, and with it everything inside.
pub(crate) struct Held {
    ours: UnixStream,
    _placeholders: Placeholders,
    _temporary: Option<Scratch>,
}

impl Entry {
    /// # Errors
    /// What cannot be set up, in words.
    pub(crate) fn prepare(sandbox: &Sandbox, cwd: &Path, only_try: bool) -> Result<Self, Refusal> {
        let failed = |what: &str, error: &dyn std::fmt::Display| Refusal::Walls(format!("{what}: {error}"));
        let mut profile = sandbox.profile.clone();
        profile.resolve().map_err(|error| failed(&sandbox.profile.root.display().to_string(), &error))?;
        let cwd = cwd.canonicalize().map_err(|error| failed(&cwd.display().to_string(), &error))?;
        let (temporary, scratch, placeholders) = match sandbox.level {
            Level::Full => {
                let placeholders = Placeholders::put(&mut profile)
                    .map_err(|error| failed("covering what is protected and not there yet", &error))?;
                (PathBuf::from("/tmp"), None, placeholders)
            }
            Level::Restricted if profile.overlay.is_some() => {
                return Err(Refusal::Walls("an overlay needs the full sandbox".to_owned()));
            }
            Level::Restricted => {
                let scratch = Scratch::new().map_err(|error| failed("a folder for scratch files", &error))?;
                (scratch.0.clone(), Some(scratch), Placeholders::default())
            }
            Level::None => return Err(Refusal::Walls("no level was asked for".to_owned())),
        };
        let request = Request { level: sandbox.level, profile, cwd, temporary, only_try };
        let memory = rustix::fs::memfd_create("loci-sandbox", MemfdFlags::CLOEXEC)
            .map_err(|error| failed("a request", &error))?;
        let mut file = File::from(memory);
        file.write_all(&request.encode()).map_err(|error| failed("a request", &error))?;
        let (ours, theirs) = UnixStream::pair().map_err(|error| failed("a report", &error))?;
        ours.set_read_timeout(Some(PATIENCE)).map_err(|error| failed("a report", &error))?;
        Ok(Self {
            level: sandbox.level,
            request: Arc::new(file.into()),
            theirs: Arc::new(theirs.into()),
            held: Held { ours, _placeholders: placeholders, _temporary: scratch },
        })
    }

    /// The helper with a program to start.
    pub(crate) fn command(
        &self,
        sandbox: &Sandbox,
        program: &OsStr,
        arguments: &[&OsStr],
    ) -> std::process::Command {
        #[expect(clippy::disallowed_methods, reason = "the command of a sandbox starts with its helper")]
        let mut process = std::process::Command::new(&sandbox.helper);
        std::os::unix::process::CommandExt::arg0(&mut process, NAME);
        process.arg(self.request.as_raw_fd().to_string()).arg(self.theirs.as_raw_fd().to_string());
        process.arg(program).args(arguments);
        let inherited = [Arc::clone(&self.request), Arc::clone(&self.theirs)];
        let inherit = move || {
            for descriptor in &inherited {
                rustix::io::fcntl_setfd(descriptor.as_fd(), FdFlags::empty())?;
            }
            Ok(())
        };
        #[expect(unsafe_code, reason = "two descriptors are for this child alone")]
        // SAFETY: the closure runs between fork and exec; fcntl is async-signal-safe, and nothing is allocated or locked.
        unsafe {
            std::os::unix::process::CommandExt::pre_exec(&mut process, inherit);
        }
        process
    }

    /// Wait until the command runs behind its walls, or until it is known why not. The command that was spawned must be
    /// dropped before: it holds their end of the report.
    pub(crate) fn confirm(self) -> Result<Held, Refusal> {
        let Self { level, request, theirs, mut held } = self;
        drop((request, theirs));
        let mut said = Vec::new();
        let mut chunk = [0; 512];
        loop {
            match held.ours.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => said.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Refusal::Walls(format!("its helper says nothing: {error}"))),
            }
            if said == [STARTED] {
                return Ok(held);
            }
        }
        match said.as_slice() {
            // The end of the stream is the start of the program: the descriptor is closed by it.
            [WALLED] if level == Level::Restricted => Ok(held),
            [WALLED, rest @ ..] | rest => Err(read_refusal(rest)),
        }
    }
}

fn read_refusal(said: &[u8]) -> Refusal {
    match said {
        [NOT_STARTED, number @ ..] => {
            let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
            Refusal::Program(std::io::Error::from_raw_os_error(number.unwrap_or_default()))
        }
        [FAILED, why @ ..] => Refusal::Walls(String::from_utf8_lossy(why).into_owned()),
        _ => Refusal::Walls("its helper ended without a word".to_owned()),
    }
}

/// A folder for scratch files that only the user can enter, removed when dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        Self::below(&std::env::temp_dir())
    }

    pub(super) fn below(folder: &Path) -> std::io::Result<Self> {
        let base = folder.canonicalize()?;
        for attempt in 0u32.. {
            let path = base.join(format!("loci-scratch-{}-{attempt}", std::process::id()));
            let mut builder = std::fs::DirBuilder::new();
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            match builder.create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in a folder for what may be removed any time.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
