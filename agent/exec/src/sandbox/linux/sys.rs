//! Owns the system calls that no crate of ours wraps: Landlock, seccomp, mount attributes, fork, closing ranges.
//! Uses libc's numbers and structures.
//! Never decides anything: each function is one call.
#![expect(unsafe_code, reason = "raw system calls; each is one line with its reason")]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, Signal};

fn checked(result: libc::c_long) -> Result<libc::c_long, Errno> {
    if result == -1 {
        let error = std::io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO));
    }
    Ok(result)
}

/// Which half of a fork this is.
pub(super) enum Fork {
    Parent(Pid),
    Child,
}

/// Split in two. Only for a process with one thread.
pub(super) fn fork() -> Result<Fork, Errno> {
    // SAFETY: the helper runs before anything starts a thread, so no lock can be held by a thread that is not copied.
    let pid = checked(libc::c_long::from(unsafe { libc::fork() }))?;
    Ok(i32::try_from(pid).ok().and_then(Pid::from_raw).map_or(Fork::Child, Fork::Parent))
}

/// End at once, without running what others registered for an exit.
pub(super) fn exit(code: i32) -> ! {
    // SAFETY: ends this process; takes a plain number.
    unsafe { libc::_exit(code) }
}

/// Ignore a signal from now on.
pub(super) fn ignore(signal: Signal) {
    // SAFETY: SIG_IGN runs no code of ours.
    unsafe { libc::signal(signal.as_raw(), libc::SIG_IGN) };
}

/// Let a signal do again what it does by itself.
pub(super) fn reset(signal: i32) {
    // SAFETY: SIG_DFL runs no code of ours; a number that is no signal is refused.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Send a signal to this very process.
pub(super) fn raise(signal: i32) {
    // SAFETY: takes a plain number.
    unsafe { libc::raise(signal) };
}

/// Close every descriptor from `first` to `last`; none where `last` is smaller.
pub(super) fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    if last < first {
        return Ok(());
    }
    // SAFETY: the helper has only just begun: nothing in it owns a descriptor in a range that it asks for.
    checked(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// How far a change of attributes goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The mount alone.
    Here,
    /// What is mounted below it as well.
    Below,
}

/// Set and clear attributes of a mount.
pub(super) fn mount_attributes(mount: impl AsFd, set: u64, clear: u64, reach: Reach) -> Result<(), Errno> {
    let attributes = libc::mount_attr { attr_set: set, attr_clr: clear, propagation: 0, userns_fd: 0 };
    let flags = match reach {
        Reach::Here => libc::AT_EMPTY_PATH,
        Reach::Below => libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
    };
    // SAFETY: the path is an empty C string, the structure is as long as is said, and both outlive the call.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// What a Landlock ruleset handles, as the kernel reads it since ABI 6.
#[repr(C)]
pub(super) struct Handled {
    pub(super) files: u64,
    pub(super) network: u64,
    pub(super) scopes: u64,
}

/// The version of Landlock that the kernel offers; 0 where it has none.
pub(super) fn landlock_abi() -> u32 {
    const VERSION: u32 = 1;
    // SAFETY: with this flag the call reads no memory.
    let version = checked(unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<Handled>(), 0usize, VERSION)
    });
    version.ok().and_then(|version| u32::try_from(version).ok()).unwrap_or(0)
}

/// An empty ruleset. `size`: as many bytes of `handled` as the kernel's version knows.
pub(super) fn landlock_ruleset(handled: &Handled, size: usize) -> Result<OwnedFd, Errno> {
    debug_assert!(size <= size_of::<Handled>());
    // SAFETY: the kernel reads `size` bytes, which are within the structure.
    let fd = checked(unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, &raw const *handled, size, 0u32)
    })?;
    let fd = i32::try_from(fd).map_err(|_| Errno::BADF)?;
    // SAFETY: the call has just returned this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Allow `access` at and below what `place` is open at.
pub(super) fn landlock_allow(ruleset: impl AsFd, place: impl AsFd, access: u64) -> Result<(), Errno> {
    const PATH_BENEATH: u32 = 1;
    #[repr(C, packed)]
    struct PathBeneath {
        access: u64,
        place: i32,
    }
    let rule = PathBeneath { access, place: place.as_fd().as_raw_fd() };
    // SAFETY: the structure has the layout of `landlock_path_beneath_attr` and outlives the call.
    checked(unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_fd().as_raw_fd(),
            PATH_BENEATH,
            &raw const rule,
            0u32,
        )
    })
    .map(drop)
}

/// Put this process, and what it starts, under the ruleset for good.
pub(super) fn landlock_restrict(ruleset: impl AsFd) -> Result<(), Errno> {
    // SAFETY: takes plain numbers.
    checked(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_fd().as_raw_fd(), 0u32) })
        .map(drop)
}

/// Put this process, and what it starts, under a filter of system calls for good.
pub(super) fn seccomp_filter(program: &[libc::sock_filter]) -> Result<(), Errno> {
    let length = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies `len` instructions and writes none; both structures outlive the call.
    checked(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0u32, &raw const filter)
    })
    .map(drop)
}

/// Take the terminal behind standard input as the one that controls this session; not a terminal: nothing.
pub(super) fn take_terminal() {
    // SAFETY: takes plain numbers; on anything but a terminal that is free it fails and changes nothing.
    unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
}

/// Switch the loopback device on, in a network namespace that was just made.
pub(super) fn loopback_up() -> Result<(), Errno> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    // SAFETY: all zeroes is a valid value of this plain structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::try_from(*from).unwrap_or_default();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP).unwrap_or_default();
    // SAFETY: the request outlives the call, and the kernel reads a name and flags from it.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    checked(libc::c_long::from(done)).map(drop)
}

/// Ask everything else in this process namespace to end, and let what was stopped hear it.
pub(super) fn terminate_all() {
    // SAFETY: takes plain numbers. The first process of a namespace reaches only what is in it.
    unsafe {
        libc::kill(-1, libc::SIGTERM);
        libc::kill(-1, libc::SIGCONT);
    }
}
