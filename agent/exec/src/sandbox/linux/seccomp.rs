//! Owns the filter of system calls: which are refused, and for which arguments.
//! Uses `bpf`: every refusal is one row of a table.
//! Never allows a foreign calling convention, through which the numbers would mean something else.

use libc::{c_long, sock_filter};

use super::sys;
use crate::bpf::{
    ANY_BIT, ARCHITECTURE, EQUAL, LOAD, MASK, NATIVE, NUMBER, RETURN, jump, load, refuse, step,
};
#[cfg(target_arch = "x86_64")]
use crate::bpf::{AT_LEAST, X32};
use crate::sandbox::linux::Failure;

/// What of sockets is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sockets {
    /// Sockets of this machine, in the file system and without a name.
    pub(super) unix: bool,
    /// What of the Internet.
    pub(super) internet: Internet,
}

/// What of the Internet is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Internet {
    /// Nothing.
    Off,
    /// Connections; no datagrams, no raw packets.
    Streams,
    /// Everything, and netlink, which resolvers ask for addresses.
    Open,
}

/// When a call is refused. Only the low half of an argument is looked at: the kernel drops the other one for these.
#[derive(Debug, Clone, Copy)]
enum When {
    Always(i32),
    /// Any of these bits is set.
    Bits {
        argument: u32,
        bits: u32,
    },
    /// It is one of these two.
    Either {
        argument: u32,
        values: [u32; 2],
    },
    /// It is none of these two.
    Neither {
        argument: u32,
        values: [u32; 2],
    },
    /// As `Sockets` says.
    Socket(Sockets),
}

/// Namespaces, in `clone` and `unshare`. `CLONE_NEWTIME` means something else in `clone`.
const NAMESPACES: u32 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u32;
const NEW_TIME_NAMESPACE: u32 = 0x80;

/// What nothing in a sandbox needs, and what would lead out of it or into parts of the kernel that few look after.
const REFUSED: &[c_long] = &[
    // Sockets and files behind the back of a filter: `IORING_OP_SOCKET` opens what `socket` may not.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_perf_event_open,
    // The kernel's own machinery.
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_syslog,
    // The file system as a whole.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    // `open_tree_attr`, of Linux 6.15.
    467,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_acct,
    // The machine as a whole.
    libc::SYS_reboot,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_vhangup,
    libc::SYS_setns,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ustat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS__sysctl,
];

/// What is refused as well where only Landlock guards the files: it watches neither owners nor extended attributes,
/// and shared memory and queues of other programs are in reach without an IPC namespace.
const REFUSED_WITHOUT_NAMESPACES: &[c_long] = &[
    libc::SYS_fchown,
    libc::SYS_fchownat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    // `setxattrat` and `removexattrat`, of Linux 6.13, and `file_setattr`, of Linux 6.17.
    463,
    466,
    469,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgctl,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_semget,
    libc::SYS_semctl,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
];

/// Whether the process has namespaces of its own besides the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    Namespaces,
    LandlockAlone,
}

/// Put this process, and what it starts, under the filter for good.
pub(super) fn enter(behind: Behind, sockets: Sockets) -> Result<(), Failure> {
    let program = assemble(&table(behind, sockets));
    sys::seccomp_filter(&program).map_err(Failure::at("installing the filter of system calls"))
}

fn table(behind: Behind, sockets: Sockets) -> Vec<(c_long, When)> {
    let always = |calls: &'static [c_long]| calls.iter().map(|&call| (call, When::Always(libc::EPERM)));
    let mut table: Vec<(c_long, When)> = always(REFUSED).collect();
    if behind == Behind::LandlockAlone {
        table.extend(always(REFUSED_WITHOUT_NAMESPACES));
        // Limits and priorities of other processes of the user: only one's own, which is 0.
        let own = |argument| When::Neither { argument, values: [0, 0] };
        table.extend([
            (libc::SYS_prlimit64, own(0)),
            (libc::SYS_setpriority, own(1)),
            (libc::SYS_ioprio_set, own(1)),
            (libc::SYS_sched_setaffinity, own(0)),
            (libc::SYS_sched_setscheduler, own(0)),
            (libc::SYS_sched_setparam, own(0)),
            (libc::SYS_sched_setattr, own(0)),
        ]);
    }
    table.extend([
        (libc::SYS_socket, When::Socket(sockets)),
        (libc::SYS_socketpair, When::Neither { argument: 0, values: [libc::AF_UNIX as u32; 2] }),
        (libc::SYS_clone, When::Bits { argument: 0, bits: NAMESPACES }),
        (libc::SYS_unshare, When::Bits { argument: 0, bits: NAMESPACES | NEW_TIME_NAMESPACE }),
        // Its flags lie in memory, where a filter cannot look; the C library falls back to `clone`.
        (libc::SYS_clone3, When::Always(libc::ENOSYS)),
        // Typing into a terminal that is shared with the user.
        (
            libc::SYS_ioctl,
            When::Either { argument: 1, values: [libc::TIOCSTI as u32, libc::TIOCLINUX as u32] },
        ),
        // Only the plain personality, and asking for it: others switch off address randomisation.
        (libc::SYS_personality, When::Neither { argument: 0, values: [0, u32::MAX] }),
    ]);
    table
}

fn assemble(table: &[(c_long, When)]) -> Vec<sock_filter> {
    let allow = step(RETURN, libc::SECCOMP_RET_ALLOW);
    let refused = refuse(libc::EPERM);
    let mut program = vec![
        step(LOAD, ARCHITECTURE),
        jump(EQUAL, NATIVE, 1, 0),
        refused,
        step(LOAD, NUMBER),
        // The x32 convention has the same architecture and other numbers.
        #[cfg(target_arch = "x86_64")]
        jump(AT_LEAST, X32, 0, 1),
        #[cfg(target_arch = "x86_64")]
        refused,
    ];
    for &(call, when) in table {
        let block = match when {
            When::Always(errno) => vec![refuse(errno)],
            When::Bits { argument, bits } => {
                vec![load(argument), jump(ANY_BIT, bits, 0, 1), refused, allow]
            }
            When::Either { argument, values: [first, second] } => {
                vec![load(argument), jump(EQUAL, first, 1, 0), jump(EQUAL, second, 0, 1), refused, allow]
            }
            When::Neither { argument, values: [first, second] } => {
                vec![load(argument), jump(EQUAL, first, 1, 0), jump(EQUAL, second, 0, 1), allow, refused]
            }
            When::Socket(sockets) => socket_block(sockets, allow, refused),
        };
        // Each block ends with a verdict, so the number is still loaded wherever it was not entered.
        program.push(jump(EQUAL, call as u32, 0, block.len() as u8));
        program.extend(block);
    }
    program.push(allow);
    program
}

fn socket_block(sockets: Sockets, allow: sock_filter, refused: sock_filter) -> Vec<sock_filter> {
    let mut block = vec![load(0)];
    let mut whole = Vec::new();
    if sockets.unix {
        whole.push(libc::AF_UNIX);
    }
    if sockets.internet == Internet::Open {
        whole.extend([libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK]);
    }
    for family in whole {
        block.extend([jump(EQUAL, family as u32, 0, 1), allow]);
    }
    if sockets.internet == Internet::Streams {
        // The kind of socket shares its argument with flags.
        const KIND: u32 = 0xf;
        block.extend([
            jump(EQUAL, libc::AF_INET as u32, 1, 0),
            jump(EQUAL, libc::AF_INET6 as u32, 0, 4),
            load(1),
            step(MASK, KIND),
            jump(EQUAL, libc::SOCK_STREAM as u32, 0, 1),
            allow,
        ]);
    }
    block.push(refused);
    block
}
