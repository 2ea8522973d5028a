//! Owns what holds a command in: the level that this machine gives, and what one command may touch.
//! Uses the operating system's own means, through a helper that is this same program started again.
//! Never starts a command with less than it was asked for.

#[cfg(target_os = "linux")]
mod entry;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod placeholders;
mod places;
mod probe;
#[cfg(target_os = "linux")]
mod request;
#[cfg(unix)]
mod seatbelt;

#[cfg(not(target_os = "linux"))]
mod nowhere;
#[cfg(target_os = "linux")]
pub(crate) use entry::{Entry, Held};
#[cfg(not(target_os = "linux"))]
pub(crate) use nowhere::{Entry, Held};

pub use places::secret_places;
#[cfg(unix)]
pub use seatbelt::seatbelt;

pub use probe::{Probe, landlock_version, probe, probe_in};

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How well a command is held in. More is larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Not at all: it can do whatever the user can.
    #[default]
    None,
    /// Files by Landlock and system calls by seccomp, in the namespaces of this process.
    Restricted,
    /// Namespaces of its own as well: a file system that shows only what it may see, no other processes, no network.
    Full,
}

impl Level {
    /// The name for people and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Restricted => "restricted",
            Self::Full => "full",
        }
    }
}

/// A sandbox for one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// The program whose `main` begins with `enter_if_asked`; usually `/proc/self/exe`.
    pub helper: PathBuf,
    /// Not [`Level::None`]: a command without a sandbox has none.
    pub level: Level,
    /// What the command may touch.
    pub profile: Profile,
}

/// What one command may touch. Paths are absolute, and resolved where they exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The project, writable.
    pub root: PathBuf,
    /// Further folders that are writable.
    pub writable: Vec<PathBuf>,
    /// What stays read-only although it is below something writable, also where nothing is there yet.
    pub read_only: Vec<PathBuf>,
    /// What cannot even be read.
    pub hidden: Vec<PathBuf>,
    /// Whether what is written below the root goes there, or beside it to be taken in later.
    pub overlay: Option<Overlay>,
    /// What of the network it reaches.
    pub network: Network,
}

/// Where writes below the root go. Both folders exist, are empty and lie in the same file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// Holds what the command wrote, and whiteouts for what it removed.
    pub upper: PathBuf,
    /// Used by the kernel.
    pub work: PathBuf,
}

/// What of the network a command reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing, not even this machine's own services.
    #[default]
    Off,
    /// Only what a proxy behind this Unix socket lets through.
    Proxy(PathBuf),
    /// Everything.
    Open,
}

/// Why a command did not start in its sandbox.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The sandbox could not be set up; why.
    Walls(String),
    /// It stands, and the program could not be started.
    Program(std::io::Error),
}

/// Become the helper if that is what this process was started for, and never come back then. The first thing in `main`,
/// before a second thread exists.
pub fn enter_if_asked() {
    #[cfg(target_os = "linux")]
    linux::enter_if_asked();
}

/// Where other file systems are mounted below a folder: an overlay of it would not show them.
#[cfg(target_os = "linux")]
#[must_use]
pub fn mounts_below(folder: &Path) -> Vec<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mut found: Vec<PathBuf> = table
        .split(|&byte| byte == b'\n')
        .filter_map(|line| line.split(|&byte| byte == b' ').nth(4))
        .map(|field| PathBuf::from(std::ffi::OsString::from_vec(unescape(field))))
        .filter(|path| path != folder && path.starts_with(folder))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Blanks and the like stand in the table of mounts as three octal digits after a backslash.
#[cfg(target_os = "linux")]
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| first == b'\\').and_then(|digits| {
            digits
                .iter()
                .try_fold(0u32, |sum, digit| char::from(*digit).to_digit(8).map(|digit| sum * 8 + digit))
        });
        match code.and_then(|code| u8::try_from(code).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

impl Profile {
    /// Make every path one without links on the way. What is a link itself stays, and what it leads to is taken in as well.
    ///
    /// # Errors
    /// When the root or the overlay is not there.
    #[cfg(target_os = "linux")]
    fn resolve(&mut self) -> std::io::Result<()> {
        self.root = self.root.canonicalize()?;
        if let Some(overlay) = &mut self.overlay {
            overlay.upper = overlay.upper.canonicalize()?;
            overlay.work = overlay.work.canonicalize()?;
        }
        self.writable = self.writable.iter().filter_map(|path| path.canonicalize().ok()).collect();
        for paths in [&mut self.read_only, &mut self.hidden] {
            let mut resolved = Vec::new();
            for path in paths.iter() {
                resolved.push(resolve_way(path));
                if path.is_symlink() {
                    resolved.extend(path.canonicalize().ok());
                }
            }
            resolved.sort();
            resolved.dedup();
            *paths = resolved;
        }
        Ok(())
    }
}

/// The path with the part above its last component resolved as far as it is there.
#[cfg(target_os = "linux")]
fn resolve_way(path: &Path) -> PathBuf {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return path.to_owned() };
    match folder.canonicalize() {
        Ok(folder) => folder.join(name),
        Err(_) => resolve_way(folder).join(name),
    }
}
