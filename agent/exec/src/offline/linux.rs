//! Owns the filter of system calls that leaves a process no socket but those in the file system, and what it inherited.
//! Uses `bpf` for the filter, `/proc/self/fd` for what is open.
//! Never opens anything to a network, but to show that it is refused.
#![expect(unsafe_code, reason = "raw system calls; each is one line with its reason")]

use std::io;
use std::path::Path;

use libc::{c_int, c_long, sock_filter};

use super::{Attempt, Connected};
use crate::bpf::{ARCHITECTURE, EQUAL, LOAD, NATIVE, NUMBER, RETURN, jump, load, refuse, step};
#[cfg(target_arch = "x86_64")]
use crate::bpf::{AT_LEAST, X32};

/// What is refused whatever its arguments.
const REFUSED: [c_long; 4] = [
    // Sockets behind the back of a filter: `IORING_OP_SOCKET` opens what `socket` may not.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Takes over a connection that another process of the user has open.
    libc::SYS_pidfd_getfd,
];

/// What opens sockets, the family being the first argument.
const OPENING: [c_long; 2] = [libc::SYS_socket, libc::SYS_socketpair];

/// The 32-bit programs that the kernel runs beside ours: their architecture, and their numbers of the same calls. They get
/// no socket at all, since `socketcall` keeps the family in memory, where a filter cannot look.
/// Source: arch/x86/entry/syscalls/syscall_32.tbl and arch/arm/tools/syscall.tbl of Linux.
#[cfg(target_arch = "x86_64")]
const SMALLER: (u32, &[u32]) = (0x4000_0003, &[102, 359, 360, 425, 426, 427, 438]);
#[cfg(target_arch = "aarch64")]
const SMALLER: (u32, &[u32]) = (0x4000_0028, &[102, 281, 288, 425, 426, 427, 438]);

fn filter() -> Vec<sock_filter> {
    let allow = step(RETURN, libc::SECCOMP_RET_ALLOW);
    let refused = refuse(libc::EPERM);
    let (architecture, numbers) = SMALLER;
    let mut smaller = vec![step(LOAD, NUMBER)];
    for &number in numbers {
        smaller.extend([jump(EQUAL, number, 0, 1), refused]);
    }
    smaller.push(allow);

    let mut program = vec![
        step(LOAD, ARCHITECTURE),
        jump(EQUAL, NATIVE, smaller.len() as u8 + 2, 0),
        jump(EQUAL, architecture, 1, 0),
        // A convention that is not known here.
        refused,
    ];
    program.extend(smaller);
    program.push(step(LOAD, NUMBER));
    // x32: the same architecture and other numbers.
    #[cfg(target_arch = "x86_64")]
    program.extend([jump(AT_LEAST, X32, 0, 1), refused]);
    for call in REFUSED {
        program.extend([jump(EQUAL, call as u32, 0, 1), refused]);
    }
    for call in OPENING {
        program.extend([
            jump(EQUAL, call as u32, 0, 4),
            load(0),
            jump(EQUAL, libc::AF_UNIX as u32, 0, 1),
            allow,
            refused,
        ]);
    }
    program.push(allow);
    program
}

/// Put every thread of this process, and whatever it starts, under the filter.
pub(super) fn install() -> Result<(), String> {
    let program = filter();
    let length = u16::try_from(program.len()).map_err(|error| error.to_string())?;
    // The kernel wants it of whoever has no privileges: else a filter could mislead a program that gains some.
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| format!("new privileges cannot be given up: {error}"))?;
    let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies `len` instructions and writes none; both structures outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const filter,
        )
    };
    match result {
        0 => Ok(()),
        -1 => Err(format!("the kernel takes no filter of system calls: {}", io::Error::last_os_error())),
        thread => Err(format!("thread {thread} has a filter of its own")),
    }
}

/// Close what was inherited and leads to a network. The standard streams stay as they are, or nothing begins.
pub(super) fn close_connections() -> Result<(), Connected> {
    // Without a list of what is open there is nothing to be known about it; the filter does not depend on it.
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return Ok(()) };
    let open: Vec<c_int> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|&descriptor| leads_out(descriptor)) {
        let stream = match descriptor {
            0 => "standard input",
            1 => "standard output",
            2 => "standard error",
            other => {
                // SAFETY: a socket that came with the start: nothing here has opened one yet, so nothing here owns it.
                unsafe { libc::close(other) };
                continue;
            }
        };
        return Err(Connected { stream });
    }
    Ok(())
}

/// Whether a descriptor is a socket of a network, or a ring, through which one could be opened.
fn leads_out(descriptor: c_int) -> bool {
    let target = std::fs::read_link(format!("/proc/self/fd/{descriptor}")).unwrap_or_default();
    if target == Path::new("anon_inode:[io_uring]") {
        return true;
    }
    let mut family: c_int = 0;
    let mut length = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of the number; on anything but a socket it fails.
    let result = unsafe {
        libc::getsockopt(
            descriptor,
            libc::SOL_SOCKET,
            libc::SO_DOMAIN,
            (&raw mut family).cast(),
            &raw mut length,
        )
    };
    result == 0 && family != libc::AF_UNIX
}

pub(super) fn attempts() -> Vec<Attempt> {
    let socket = |what, family: c_int, kind: c_int| {
        // SAFETY: takes plain numbers.
        Attempt::of(what, opened(c_long::from(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) })))
    };
    // SAFETY: takes plain numbers; a ring needs a structure of 120 bytes that the kernel reads and writes.
    let ring = {
        let mut parameters = [0u64; 15];
        opened(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1u32, parameters.as_mut_ptr()) })
    };
    let mut attempts = vec![
        socket("socket(AF_INET, SOCK_STREAM)", libc::AF_INET, libc::SOCK_STREAM),
        socket("socket(AF_INET, SOCK_DGRAM)", libc::AF_INET, libc::SOCK_DGRAM),
        socket("socket(AF_INET6, SOCK_STREAM)", libc::AF_INET6, libc::SOCK_STREAM),
        socket("socket(AF_INET6, SOCK_DGRAM)", libc::AF_INET6, libc::SOCK_DGRAM),
        socket("socket(AF_PACKET, SOCK_RAW)", libc::AF_PACKET, libc::SOCK_RAW),
        socket("socket(AF_NETLINK, SOCK_RAW)", libc::AF_NETLINK, libc::SOCK_RAW),
        socket("socket(AF_VSOCK, SOCK_STREAM)", libc::AF_VSOCK, libc::SOCK_STREAM),
        Attempt::of("io_uring_setup", ring),
    ];
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: takes plain numbers. `socket` of the x32 convention is number 41 with its bit.
        let x32 = unsafe {
            libc::syscall(c_long::from(X32) | libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0)
        };
        attempts.push(Attempt::of("socket(AF_INET, SOCK_STREAM) of x32", opened(x32)));
    }
    attempts
}

/// The outcome of a call that gives a descriptor, which is closed again.
fn opened(result: c_long) -> io::Result<()> {
    match c_int::try_from(result) {
        Ok(descriptor) if descriptor >= 0 => {
            // SAFETY: the call has just given it, and nobody else has it.
            unsafe { libc::close(descriptor) };
            Ok(())
        }
        _ => Err(io::Error::last_os_error()),
    }
}
