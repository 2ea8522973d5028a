//! Owns what the kernel's Landlock lets a command do with files, ports, signals and sockets without a name.
//! Uses the version that the kernel has, down to a floor for each level.
//! Never enters with less than the floor: that is a failure, not a best effort.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{Failure, sys};
use crate::sandbox::{Network, Profile};

const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const REMOVE_DIR: u64 = 1 << 4;
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_DIR: u64 = 1 << 7;
const MAKE_REG: u64 = 1 << 8;
const MAKE_SOCK: u64 = 1 << 9;
const MAKE_FIFO: u64 = 1 << 10;
const MAKE_BLOCK: u64 = 1 << 11;
const MAKE_SYM: u64 = 1 << 12;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;

const READ: u64 = EXECUTE | READ_FILE | READ_DIR;
/// Everything but devices: nothing needs to make one, and a disk that lies below a project is not its own.
const WRITE: u64 = READ
    | WRITE_FILE
    | REMOVE_DIR
    | REMOVE_FILE
    | MAKE_DIR
    | MAKE_REG
    | MAKE_SOCK
    | MAKE_FIFO
    | MAKE_SYM
    | REFER
    | TRUNCATE;
/// What can be allowed for something that is not a folder.
const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;
const DEVICE: u64 = READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV;

const BIND_TCP: u64 = 1;
const CONNECT_TCP: u64 = 1 << 1;
const SCOPE_ABSTRACT_SOCKETS: u64 = 1;
const SCOPE_SIGNALS: u64 = 1 << 1;

/// Before, nothing could be moved between folders.
const FLOOR_WITH_MOUNTS: u32 = 2;
/// Before, what lies outside could be cut to nothing.
const FLOOR_ALONE: u32 = 3;

/// Devices without which little runs, and that hold nothing of the user's.
pub(super) const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// The version that the kernel has; 0: none.
pub(super) fn abi() -> u32 {
    sys::landlock_abi()
}

/// Whether it keeps a command from signalling others, and from sockets without a name.
pub(super) fn scopes() -> bool {
    abi() >= 6
}

/// Behind mounts: a second wall along the same lines.
pub(super) fn enter_with_mounts(profile: &Profile) -> Result<(), Failure> {
    let ruleset = Ruleset::new(profile, FLOOR_WITH_MOUNTS)?;
    ruleset.allow(Path::new("/"), READ)?;
    let fixed = ["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from);
    for place in std::iter::once(&profile.root).chain(&profile.writable).chain(&fixed) {
        ruleset.allow(place, WRITE)?;
    }
    ruleset.allow_devices()?;
    ruleset.enter()
}

/// Without mounts: the only wall around files, so what is protected or hidden must be left out of what is allowed.
pub(super) fn enter_alone(profile: &Profile, temporary: &Path) -> Result<(), Failure> {
    let ruleset = Ruleset::new(profile, FLOOR_ALONE)?;
    let mut hidden: BTreeSet<PathBuf> =
        profile.hidden.iter().filter(|path| path.symlink_metadata().is_ok()).cloned().collect();
    // Other programs keep their sockets and scratch files there, and devices are not files.
    hidden.extend(["/dev", "/tmp", "/var/tmp", "/run/user"].map(PathBuf::from));
    ruleset.allow_around(Path::new("/"), &hidden, READ)?;
    let protected: BTreeSet<PathBuf> = profile.read_only.iter().chain(&profile.hidden).cloned().collect();
    for place in std::iter::once(&profile.root).chain(&profile.writable) {
        ruleset.allow_around(place, &hidden_below(place, &hidden), READ)?;
        ruleset.allow_around(place, &protected, WRITE)?;
    }
    ruleset.allow(temporary, WRITE)?;
    ruleset.allow_devices()?;
    ruleset.enter()
}

/// Hidden places at or below this one: a project that lies below something hidden is not hidden itself.
fn hidden_below(place: &Path, hidden: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    hidden.iter().filter(|path| path.starts_with(place)).cloned().collect()
}

struct Ruleset {
    fd: OwnedFd,
    /// Rights that this kernel knows.
    known: u64,
}

impl Ruleset {
    fn new(profile: &Profile, floor: u32) -> Result<Self, Failure> {
        let abi = abi();
        if abi < floor {
            return Err(Failure(match abi {
                0 => "the kernel has no Landlock, or it is switched off".to_owned(),
                _ => format!("the kernel's Landlock has version {abi}; {floor} is needed"),
            }));
        }
        let mut known = (IOCTL_DEV << 1) - 1;
        if abi < 5 {
            known &= !IOCTL_DEV;
        }
        if abi < 3 {
            known &= !TRUNCATE;
        }
        // A namespace guards the ports of a proxy; elsewhere nothing is to be reached.
        let network = if profile.network == Network::Off && abi >= 4 { BIND_TCP | CONNECT_TCP } else { 0 };
        let scopes = if abi >= 6 { SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS } else { 0 };
        let size = match abi {
            ..4 => 8,
            4 | 5 => 16,
            6.. => 24,
        };
        let handled = sys::Handled { files: known, network, scopes };
        let fd = sys::landlock_ruleset(&handled, size).map_err(Failure::at("making a Landlock ruleset"))?;
        Ok(Self { fd, known })
    }

    /// What is not there needs no rule: it cannot be made either, unless its folder allows it.
    fn allow(&self, path: &Path, access: u64) -> Result<(), Failure> {
        match rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(place) => self.allow_open(place, path, access),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => Ok(()),
            Err(error) => Err(Failure::at(path.display())(error)),
        }
    }

    fn allow_open(&self, place: impl AsFd, path: &Path, access: u64) -> Result<(), Failure> {
        let failed = |error| Failure::at(format!("allowing {}", path.display()))(error);
        let stat = rustix::fs::fstat(&place).map_err(failed)?;
        let access = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => access,
            // A link is nothing by itself: what it leads to has rules of its own.
            FileType::Symlink => return Ok(()),
            _ => access & OF_FILES,
        };
        let access = access & self.known;
        if access == 0 {
            return Ok(());
        }
        sys::landlock_allow(&self.fd, place, access).map_err(failed)
    }

    /// Allow `access` below `place`, but for what is in `without`. A rule holds for all that is below, so the folders on the
    /// way to an exception get none themselves: only what stands in them now is allowed, one by one.
    fn allow_around(&self, place: &Path, without: &BTreeSet<PathBuf>, access: u64) -> Result<(), Failure> {
        if without.contains(place) {
            return Ok(());
        }
        // Paths are ordered by component, so the first one that is not smaller tells.
        let exception_below =
            without.range(place.to_owned()..).next().is_some_and(|path| path.starts_with(place));
        if !exception_below {
            return self.allow(place, access);
        }
        let Ok(entries) = std::fs::read_dir(place) else { return Ok(()) };
        for entry in entries.flatten() {
            self.allow_around(&entry.path(), without, access)?;
        }
        Ok(())
    }

    fn allow_devices(&self) -> Result<(), Failure> {
        for name in DEVICES {
            self.allow(&Path::new("/dev").join(name), DEVICE)?;
        }
        for path in ["/dev/ptmx", "/dev/pts"] {
            self.allow(Path::new(path), DEVICE)?;
        }
        // The terminal that the command was given, wherever it lies.
        for stream in ["/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"] {
            let Ok(place) = rustix::fs::open(stream, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else {
                continue;
            };
            let is_terminal = rustix::fs::fstat(&place)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice);
            if is_terminal {
                self.allow_open(place, Path::new(stream), DEVICE)?;
            }
        }
        Ok(())
    }

    fn enter(self) -> Result<(), Failure> {
        sys::landlock_restrict(&self.fd).map_err(Failure::at("entering Landlock"))
    }
}

const _: () = assert!(MAKE_CHAR | MAKE_BLOCK | WRITE | IOCTL_DEV == (IOCTL_DEV << 1) - 1);
