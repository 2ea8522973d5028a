//! Owns what holds a command in: the level that this machine gives, and what one command may touch.
//! Uses the operating system's own means, through a helper that is this same program started again.
//! Never starts a command with less than it was asked for.

use std::path::PathBuf;

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
