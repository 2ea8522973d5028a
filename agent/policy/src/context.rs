//! Owns what a decision must know beyond the call: where it would run, who asks, and what holds there (S9, S12, S14).
//! Uses nothing.
//! Never has a default that is wider than what was said: nothing is trusted that nobody trusted.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Rule;

/// Where the call would run, and for whom.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The project root, absolute.
    pub root: PathBuf,
    /// The directory that relative paths start from, absolute.
    pub cwd: PathBuf,
    /// The user's home, absolute.
    pub home: PathBuf,
    /// Further working directories, absolute.
    pub additional: Vec<PathBuf>,
    /// Folders that hold our own configuration, absolute; never auto-allowed for writing.
    pub config_dirs: Vec<PathBuf>,
    /// Whether the user trusts the workspace. Otherwise allow rules that lie in the project have no effect.
    pub trusted: bool,
    /// What whoever runs the machine decided beyond rules.
    pub managed: Managed,
    /// Deny rules of the agent that this one works for: it never may do more.
    pub parent_deny: Vec<Rule>,
    /// No tool may reach the network.
    pub offline: bool,
    /// What a hook said about this call, if one was asked.
    pub hook: Option<Hook>,
    /// How names are told apart on the disk.
    pub file_system: FileSystem,
    /// What earlier approvals of this tool were bound to.
    pub fingerprints: Vec<Fingerprint>,
}

/// What managed policy says beyond its rules. It only tightens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Managed {
    /// Of the allow rules only managed ones count.
    pub only_managed_allow: bool,
    /// Nobody may switch questions off.
    pub no_bypass: bool,
    /// It is there and cannot be read, for this reason: then everything asks.
    pub broken: Option<String>,
}

/// What a hook said. It can only tighten: its `Allow` overrides neither a deny nor a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hook {
    /// It has nothing against the call.
    Allow,
    /// Ask the user.
    Ask,
    /// Do not run it.
    Deny,
    /// It crashed, timed out or said something else: as good as a no.
    Error,
}

/// Which names the disk takes for the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileSystem {
    /// `A` and `a` are the same file.
    pub ignores_case: bool,
    /// Composed and decomposed letters are the same.
    pub normalizes: bool,
}

/// Something that an approval was bound to, such as the hash of a server's command or of a tool's schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// In words: `the server's command`.
    pub what: String,
    /// When it was approved; `None` when it never was.
    pub approved: Option<String>,
    /// Now; `None` when it is not known.
    pub current: Option<String>,
}
