//! Owns the helper on Linux: this program, started again, puts itself behind walls and then starts the command.
//! Uses one room per wall: `namespaces`, `mounts`, `landlock`, `privileges`, `seccomp`.
//! Never starts the command when a wall could not be put up.

mod landlock;
mod mounts;
mod namespaces;
mod privileges;
mod seccomp;
mod sys;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::Errno;

use super::request::Request;
use super::{Level, Network};

/// The name under which the helper is started: no user types it.
pub(super) const NAME: &str = "loci-sandbox";

/// What the helper says through its socket. After [`WALLED`] comes the end of the stream, or [`NOT_STARTED`]; after
/// [`STARTED`] nothing.
pub(super) const WALLED: u8 = b'W';
pub(super) const STARTED: u8 = b'S';
/// Followed by an error number, as a decimal.
pub(super) const NOT_STARTED: u8 = b'X';
/// Followed by a sentence.
pub(super) const FAILED: u8 = b'F';

/// What the helper exits with when the command was not started. The socket says why.
const BROKEN: i32 = 125;

/// A wall that could not be put up.
#[derive(Debug)]
pub(super) struct Failure(pub(super) String);

impl Failure {
    /// Says what failed in doing this.
    fn at<E: std::fmt::Display>(what: impl std::fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self(format!("{what}: {error}"))
    }
}

/// The version of Landlock that the kernel has; 0: none.
pub(super) fn landlock_version() -> u32 {
    landlock::abi()
}

/// Become the helper if that is what this process was started for; come back otherwise.
pub(super) fn enter_if_asked() {
    let mut arguments = std::env::args_os();
    if arguments.next().as_deref() != Some(OsStr::new(NAME)) {
        return;
    }
    sys::exit(enter(arguments));
}

/// `REQUEST REPORT PROGRAM ARGUMENTS…`, the first two being numbers of open descriptors.
fn enter(mut arguments: std::env::ArgsOs) -> i32 {
    let mut descriptor = || {
        let number = arguments.next()?.to_str()?.parse::<i32>().ok().filter(|&number| number > 2)?;
        // Told by the parent and open; a number of nothing fails at the first use.
        // SAFETY: descriptors above 2 came with the start, for this function alone.
        #[expect(unsafe_code, reason = "descriptors arrive as numbers")]
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC).ok()?;
        Some(descriptor)
    };
    let (Some(request), Some(report)) = (descriptor(), descriptor()) else { return BROKEN };
    let mut report = UnixStream::from(report);
    let command: Vec<OsString> = arguments.collect();
    match read(File::from(request)).and_then(|request| run(&request, &command, &mut report)) {
        Ok(code) => code,
        Err(Failure(why)) => {
            let _ = report.write_all(&[&[FAILED], why.as_bytes()].concat());
            BROKEN
        }
    }
}

fn read(mut file: File) -> Result<Request, Failure> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(Failure::at("reading the request"))?;
    Request::decode(&bytes).map_err(Failure)
}

fn run(request: &Request, command: &[OsString], report: &mut UnixStream) -> Result<i32, Failure> {
    close_others(report)?;
    match request.level {
        Level::Full => namespaces::run(request, command, report),
        Level::Restricted => restricted(request, command, report),
        Level::None => Err(Failure("no level was asked for".to_owned())),
    }
}

/// Nothing that was open in the parent stays open, but the standard streams and the report.
fn close_others(report: &UnixStream) -> Result<(), Failure> {
    let report = u32::try_from(report.as_raw_fd()).unwrap_or_default();
    sys::close_range(3, report.saturating_sub(1))
        .and_then(|()| sys::close_range(report + 1, u32::MAX))
        .map_err(Failure::at("closing what was open"))
}

/// Landlock and seccomp alone; the command takes the place of the helper.
fn restricted(request: &Request, command: &[OsString], report: &mut UnixStream) -> Result<i32, Failure> {
    privileges::limit()?;
    privileges::forbid_new()?;
    landlock::enter_alone(&request.profile, &request.temporary)?;
    privileges::drop_all()?;
    // Without a network namespace a proxy cannot be told from the rest, so it is as good as none.
    let internet = match request.profile.network {
        Network::Open => seccomp::Internet::Open,
        Network::Off | Network::Proxy(_) => seccomp::Internet::Off,
    };
    // Landlock does not guard sockets in the file system, and behind one of them may be a container service.
    seccomp::enter(seccomp::Behind::LandlockAlone, seccomp::Sockets { unix: false, internet })?;
    let tell =
        |report: &mut UnixStream, bytes: &[u8]| report.write_all(bytes).map_err(Failure::at("reporting"));
    tell(report, &[WALLED])?;
    if request.only_try {
        return Ok(0);
    }
    let error = prepare(request, command)?.exec();
    tell(report, not_started(&error).as_bytes())?;
    Ok(BROKEN)
}

fn prepare(request: &Request, command: &[OsString]) -> Result<Command, Failure> {
    let (program, arguments) = command.split_first().ok_or_else(|| Failure("no command".to_owned()))?;
    #[expect(clippy::disallowed_methods, reason = "this is what the helper is for")]
    let mut process = Command::new(program);
    process.args(arguments).current_dir(&request.cwd).env("TMPDIR", &request.temporary);
    Ok(process)
}

fn not_started(error: &std::io::Error) -> String {
    let number = Errno::from_io_error(error).unwrap_or(Errno::IO).raw_os_error();
    format!("{}{number}", char::from(NOT_STARTED))
}
