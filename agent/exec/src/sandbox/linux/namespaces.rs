//! Owns the namespaces of one command, and the two processes that stand between it and ours: one outside of its
//! process namespace, which passes its end on, and the first one inside, which takes in orphans.
//! Uses `mounts` for what it sees, the other rooms for what it may do.
//! Never lets anything inside live on when either of the two is gone.

use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};
use rustix::thread::UnshareFlags;

use super::{Failure, NOT_STARTED, Request, STARTED, not_started, sys};
use super::{landlock, mounts, prepare, privileges, seccomp};
use crate::proxy;
use crate::sandbox::Network;

/// For processes that outlive the command: to end by themselves, and again to end after TERM. As without a sandbox.
const LINGER: Duration = Duration::from_millis(200);

/// What the inner process sends when all is over: the wait status of the command.
type Status = [u8; 4];

pub(super) fn run(request: &Request, command: &[OsString], report: &mut UnixStream) -> Result<i32, Failure> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let mut wanted = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS;
    if request.profile.network != Network::Open {
        wanted |= UnshareFlags::NEWNET;
    }
    #[expect(unsafe_code, reason = "namespaces of this process")]
    // SAFETY: this process has one thread, and no descriptor table is shared.
    unsafe { rustix::thread::unshare_unsafe(wanted) }.map_err(Failure::at("making namespaces"))?;
    // The same ids inside as outside, and no others: what belongs to somebody else stays somebody else's.
    map("setgroups", "deny")?;
    map("uid_map", &format!("{0} {0} 1", user.as_raw()))?;
    map("gid_map", &format!("{0} {0} 1", group.as_raw()))?;

    let (mut ended, ending) = std::io::pipe().map_err(Failure::at("a pipe"))?;
    match sys::fork().map_err(Failure::at("starting the first process inside"))? {
        sys::Fork::Child => {
            drop(ended);
            let code = inside(request, command, report, ending);
            sys::exit(code)
        }
        sys::Fork::Parent(inner) => {
            drop(ending);
            for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
                // These are for the command, which gets them as well; this process only tells how it ended.
                sys::ignore(signal);
            }
            Ok(outside(inner, report, &mut ended))
        }
    }
}

fn map(file: &str, text: &str) -> Result<(), Failure> {
    let path = format!("/proc/self/{file}");
    std::fs::File::options()
        .write(true)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(Failure::at(path))
}

/// Wait for the end, and pass it on. Does not come back when a signal ended the command.
fn outside(inner: Pid, report: &UnixStream, ended: &mut std::io::PipeReader) -> i32 {
    loop {
        let mut watched =
            [PollFd::new(ended, PollFlags::IN), PollFd::new(report, PollFlags::from_bits_retain(0))];
        match poll(&mut watched, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => break,
        }
        // Whoever started us is gone, or wants no more of us.
        let left = watched[1].revents().intersects(PollFlags::HUP | PollFlags::ERR);
        if left && watched[0].revents().is_empty() {
            let _ = rustix::process::kill_process(inner, Signal::KILL);
            break;
        }
        if !watched[0].revents().is_empty() {
            break;
        }
    }
    let mut status = Status::default();
    let told = ended.read_exact(&mut status).is_ok();
    // Once it is waited for, everything inside is gone.
    while let Err(Errno::INTR) = rustix::process::waitpid(Some(inner), WaitOptions::empty()) {}
    let status = told.then(|| ExitStatus::from_raw(i32::from_ne_bytes(status)));
    if let Some(code) = status.and_then(|status| status.code()) {
        return code;
    }
    let signal = status.and_then(|status| status.signal()).unwrap_or(Signal::KILL.as_raw());
    sys::reset(signal);
    sys::raise(signal);
    128 + signal
}

/// The first process inside: builds the walls, starts the command, and waits for everything.
fn inside(
    request: &Request,
    command: &[OsString],
    report: &mut UnixStream,
    mut ending: std::io::PipeWriter,
) -> i32 {
    let mut bridge = None;
    match start(request, command, report, ending.as_fd(), &mut bridge) {
        Ok(None) => {}
        Ok(Some(child)) => {
            let status = wait_for_all(child, bridge);
            // Nobody hears it when the outer process is gone, and then nothing is left to be said.
            let _ = ending.write_all(&status.to_ne_bytes());
            return 0;
        }
        Err(Failure(why)) => {
            let _ = report.write_all(&[&[super::FAILED], why.as_bytes()].concat());
            let _ = ending.write_all(&(super::BROKEN << 8).to_ne_bytes());
            return super::BROKEN;
        }
    }
    let _ = ending.write_all(&0i32.to_ne_bytes());
    0
}

fn start(
    request: &Request,
    command: &[OsString],
    report: &mut UnixStream,
    outer: impl AsFd,
    bridge: &mut Option<Pid>,
) -> Result<Option<Pid>, Failure> {
    die_with(outer)?;
    let way_out = match &request.profile.network {
        // Before it is covered: it lies in a place that the command does not see.
        Network::Proxy(socket) => Some(take_hold(socket)?),
        Network::Off | Network::Open => None,
    };
    mounts::build(&request.profile)?;
    if let Some(socket) = way_out {
        *bridge = Some(start_bridge(&socket)?);
    }
    // Since Linux 6.14 each process namespace has a bound of its own; before, the limit of the user must do.
    let _ = std::fs::File::options()
        .write(true)
        .open("/proc/sys/kernel/pid_max")
        .and_then(|mut file| write!(file, "{}", privileges::MOST_PROCESSES));
    mounts::seal()?;
    privileges::limit()?;
    privileges::limit_processes()?;
    privileges::forbid_new()?;
    landlock::enter_with_mounts(&request.profile)?;
    privileges::drop_all()?;
    let internet = match request.profile.network {
        Network::Off => seccomp::Internet::Off,
        Network::Proxy(_) => seccomp::Internet::Streams,
        Network::Open => seccomp::Internet::Open,
    };
    // Sockets without a name are told apart by the network namespace; where that is the machine's, by Landlock.
    let unix = request.profile.network != Network::Open || landlock::scopes();
    seccomp::enter(seccomp::Behind::Namespaces, seccomp::Sockets { unix, internet })?;
    // What runs as the same user cannot look into this process.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(Failure::at("hiding the first process"))?;
    if request.only_try {
        report.write_all(&[STARTED]).map_err(Failure::at("reporting"))?;
        return Ok(None);
    }
    let mut process = prepare(request, command)?;
    #[expect(unsafe_code, reason = "a session of its own, with the terminal if there is one")]
    // SAFETY: the closure runs between fork and exec; both calls are async-signal-safe and allocate nothing.
    unsafe {
        process.pre_exec(|| {
            rustix::process::setsid()?;
            sys::take_terminal();
            Ok(())
        });
    }
    match process.spawn() {
        Ok(child) => {
            report.write_all(&[STARTED]).map_err(Failure::at("reporting"))?;
            Ok(i32::try_from(child.id()).ok().and_then(Pid::from_raw))
        }
        Err(error) => {
            debug_assert!(not_started(&error).as_bytes()[0] == NOT_STARTED);
            report.write_all(not_started(&error).as_bytes()).map_err(Failure::at("reporting"))?;
            Ok(None)
        }
    }
}

fn take_hold(socket: &std::path::Path) -> Result<OwnedFd, Failure> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::open(socket, flags, Mode::empty()).map_err(Failure::at("the socket of the proxy"))
}

/// A process that takes connections on loopback, where there is nothing else, to the proxy outside.
fn start_bridge(socket: &OwnedFd) -> Result<Pid, Failure> {
    sys::loopback_up().map_err(Failure::at("switching loopback on"))?;
    let listener = std::net::TcpListener::bind(("127.0.0.1", proxy::INNER_PORT))
        .map_err(Failure::at("the inner end of the proxy"))?;
    match sys::fork().map_err(Failure::at("starting the inner end of the proxy"))? {
        sys::Fork::Parent(bridge) => Ok(bridge),
        sys::Fork::Child => {
            // The descriptor has no name any more but this one.
            let path = format!("/proc/self/fd/{}", socket.as_raw_fd());
            let ready = privileges::forbid_new()
                .and_then(|()| privileges::drop_all())
                .map(|()| proxy::forward::forward(&listener, path.as_ref()));
            sys::exit(i32::from(ready.is_err()))
        }
    }
}

/// End when the outer process ends, however that comes about; with this process everything inside ends.
fn die_with(outer: impl AsFd) -> Result<(), Failure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(Failure::at("tying the inside to the outside"))?;
    // It may have ended before: then nobody reads the pipe.
    let mut watched = [PollFd::new(&outer, PollFlags::OUT)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut watched, Some(&now)).map_err(Failure::at("looking for the outer process"))?;
    if watched[0].revents().contains(PollFlags::ERR) {
        return Err(Failure("the outer process is gone".to_owned()));
    }
    Ok(())
}

/// Wait for the command, then a moment for what it left behind; its wait status.
fn wait_for_all(child: Pid, bridge: Option<Pid>) -> i32 {
    let status = loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == child => break status.as_raw(),
            Ok(_) | Err(Errno::INTR) => {}
            // The child is there until it is waited for, so this is not reached.
            Err(_) => break Signal::KILL.as_raw(),
        }
    };
    if let Some(bridge) = bridge {
        let _ = rustix::process::kill_process(bridge, Signal::KILL);
    }
    if !all_gone(LINGER) {
        sys::terminate_all();
        all_gone(LINGER);
    }
    status
}

/// Wait at most this long until no process is left but this one.
fn all_gone(patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) if Instant::now() >= deadline => return false,
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => {
                if std::io::Error::from(error).kind() != ErrorKind::Interrupted {
                    return true;
                }
            }
        }
    }
}
