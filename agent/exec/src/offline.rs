//! Owns keeping this process, and all that it starts, off every network: no socket but those of this machine's file
//! system.
//! Uses a filter of system calls where the system has one.
//! Never claims more than was done: what the system cannot enforce is told as such.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod nowhere;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use nowhere as system;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// What of being offline the system enforces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enforcement {
    /// A filter of system calls refuses every other socket, in every thread and in every process that is started.
    Filter,
    /// Nothing: only the program's own rules keep it offline.
    Nothing {
        /// Why not.
        why: String,
    },
}

/// Why a process cannot be taken offline: a connection is what it was given to read or write.
#[derive(Debug, thiserror::Error)]
#[error("{stream} is a network connection")]
pub struct Connected {
    /// Which of the three.
    pub stream: &'static str,
}

/// How the kernel holds this process, as `/proc/self/status` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Whether a filter of system calls is in force.
    pub filtered: bool,
    /// How many are stacked.
    pub filters: u32,
    /// Whether nothing that is started gains privileges, such as by `sudo`.
    pub no_new_privileges: bool,
}

/// What came of trying to reach a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What was tried.
    pub what: &'static str,
    /// The number and the words of the refusal; `None` when it was let through.
    pub refused: Option<(i32, String)>,
}

/// Something to connect to, and the proof that this worked before the process went offline.
#[derive(Debug)]
pub struct Control {
    address: Option<SocketAddr>,
    _listener: Option<TcpListener>,
    failed: Option<String>,
}

/// An answer of this same machine takes microseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// Take this process and all that it will start offline, for good. Network connections that it inherited are closed, and
/// programs that it starts gain no privileges any more. To be called before anything could have opened a socket of its own.
///
/// # Errors
/// When one of the three standard streams is a connection: closing it would take away the answer, and leaving it open would
/// be less than offline.
pub fn enter() -> Result<Enforcement, Connected> {
    system::close_connections()?;
    Ok(install())
}

/// The same, with something to compare with: what was inherited is closed first, so that the control is not.
///
/// # Errors
/// As [`enter`].
pub fn enter_with_control() -> Result<(Enforcement, Control), Connected> {
    system::close_connections()?;
    let control = Control::open();
    Ok((install(), control))
}

fn install() -> Enforcement {
    match system::install() {
        Ok(()) => Enforcement::Filter,
        Err(why) => Enforcement::Nothing { why },
    }
}

/// How the kernel holds this process; `None` where it does not tell.
#[must_use]
pub fn standing() -> Option<Standing> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().parse::<u32>().ok()
    };
    Some(Standing {
        // 2 is a filter; 1 is the strict mode, under which nothing of this would run.
        filtered: value("Seccomp")? == 2,
        filters: value("Seccomp_filters").unwrap_or_default(),
        no_new_privileges: value("NoNewPrivs")? == 1,
    })
}

impl Control {
    /// Listen on this machine's own address and connect to it once.
    fn open() -> Self {
        let opened = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| {
            let address = listener.local_addr()?;
            TcpStream::connect_timeout(&address, PATIENCE)?;
            Ok((listener, address))
        });
        match opened {
            Ok((listener, address)) => {
                Self { address: Some(address), _listener: Some(listener), failed: None }
            }
            Err(error) => Self { address: None, _listener: None, failed: Some(error.to_string()) },
        }
    }

    /// Why the connection did not even work before; `None`: it did.
    #[must_use]
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Try every way to a network that there is. What is opened is closed again at once.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        let mut attempts = system::attempts();
        if let Some(address) = self.address {
            attempts.push(Attempt::of(
                "connect to 127.0.0.1, where a listener waits",
                TcpStream::connect_timeout(&address, PATIENCE).map(drop),
            ));
        }
        attempts
    }
}

impl Attempt {
    fn of(what: &'static str, result: io::Result<()>) -> Self {
        let refused = result.err().map(|error| (error.raw_os_error().unwrap_or_default(), error.to_string()));
        Self { what, refused }
    }
}
