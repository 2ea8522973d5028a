//! Owns the manifest of a bundle: what is in it, and what of that may be said at all.
//! Uses JSON.
//! Never lets a path through that could lead out of the folder it is for.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{BundleError, hexadecimal};

/// What every manifest calls itself.
pub const FORMAT: &str = "loci-bundle";
/// The version of the format that is written, and the newest that is read.
pub const VERSION: u32 = 1;
/// A manifest of some thousand files has a megabyte; this is the most that is read before it is known what it is.
pub(super) const LARGEST: u64 = 16 << 20;
/// What tar has room for without an entry of its own, less some for the split at a slash.
const LONGEST_PATH: usize = 200;

/// The SHA-256 of a manifest, by which a bundle is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(pub String);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a file is for, which says where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A file of a model, below `models/`.
    Model,
    /// The text of a licence, below `licences/`.
    Licence,
    /// A policy of the machine, below `policy/`.
    Policy,
    /// Configuration of the user, below `config/`.
    Configuration,
    /// The program, below `bin/`.
    Binary,
}

impl Role {
    /// The folder of the bundle in which its files are.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Licence => "licences",
            Self::Policy => "policy",
            Self::Configuration => "config",
            Self::Binary => "bin",
        }
    }

    /// Mode bits of its files.
    pub(super) fn mode(self) -> u32 {
        if self == Self::Binary { 0o755 } else { 0o644 }
    }
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its path in the bundle; the first part is the folder of its role.
    pub path: String,
    /// What it is for.
    pub role: Role,
    /// Its bytes.
    pub size: u64,
    /// Its SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
    /// Under what it may be used, in the words of whoever made it; `unknown` where nobody said.
    pub licence: String,
    /// Where it came from.
    pub source: String,
    /// Whether its bytes are not in this bundle but in the one that this one builds on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_base: bool,
}

impl FileEntry {
    /// Its path below the folder of its role.
    #[must_use]
    pub fn below(&self) -> &str {
        self.path.split_once('/').map_or(self.path.as_str(), |(_, below)| below)
    }
}

/// What is in a bundle, in the order in which it stands there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The version of Loci that made it.
    pub loci: String,
    /// The machine that its program is for, as compilers name it; nothing where it holds none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What it builds on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Id>,
    /// The whole state that it stands for, also what is in the base.
    pub files: Vec<FileEntry>,
}

/// What can be said of a manifest of any version.
#[derive(Deserialize)]
struct Heading {
    format: String,
    version: u32,
}

impl Manifest {
    /// The bytes that are hashed and signed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Strings, numbers and lists have a form in JSON.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// # Errors
    /// When it is none, of a later version, or says what may not be said.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        let heading: Heading = serde_json::from_slice(bytes).map_err(|error| BundleError::NotABundle {
            why: format!("its manifest cannot be read: {error}"),
        })?;
        if heading.format != FORMAT {
            return Err(BundleError::NotABundle { why: "its manifest is for something else".to_owned() });
        }
        if heading.version > VERSION {
            return Err(BundleError::TooNew { version: heading.version });
        }
        let manifest: Self = serde_json::from_slice(bytes)
            .map_err(|error| BundleError::damaged("the manifest", error.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The id of a manifest with these bytes.
    #[must_use]
    pub fn id(bytes: &[u8]) -> Id {
        Id(hexadecimal(&Sha256::digest(bytes)))
    }

    /// The files whose bytes are in this bundle.
    pub fn held(&self) -> impl Iterator<Item = &FileEntry> {
        self.files.iter().filter(|file| !file.in_base)
    }

    /// The bytes of the files that are in this bundle.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.held().fold(0, |sum, file| sum.saturating_add(file.size))
    }

    /// Whether everything in it may be said.
    ///
    /// # Errors
    /// The first that may not.
    pub fn check(&self) -> Result<(), BundleError> {
        let mut seen = BTreeSet::new();
        for file in &self.files {
            let wrong = |why: &str| Err(BundleError::damaged(&file.path, why));
            check_path(&file.path, file.role)?;
            // File systems that do not tell cases apart would write one over the other.
            if !seen.insert(file.path.to_ascii_lowercase()) {
                return wrong("it is named twice");
            }
            if !is_hash(&file.sha256) {
                return wrong("its hash is no SHA-256");
            }
            // More than any disk, and less than what sums could not hold.
            if file.size > 1 << 50 {
                return wrong("its size cannot be");
            }
            if file.in_base && self.base.is_none() {
                return wrong("it is said to be in a base, and none is named");
            }
        }
        match (&self.base, &self.target) {
            (Some(base), _) if !is_hash(&base.0) => {
                Err(BundleError::damaged("the manifest", "its base is no SHA-256"))
            }
            (_, None) if self.files.iter().any(|file| file.role == Role::Binary) => {
                Err(BundleError::damaged("the manifest", "it holds a program, and does not say for what"))
            }
            _ => Ok(()),
        }
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a path may be in a bundle: below the folder of its role, made of names that mean the same everywhere.
///
/// # Errors
/// Why not.
pub fn check_path(path: &str, role: Role) -> Result<(), BundleError> {
    let wrong = |why| Err(BundleError::Path { path: path.to_owned(), why });
    if path.len() > LONGEST_PATH {
        return wrong("it is too long");
    }
    if path.starts_with('/') {
        return wrong("it is absolute");
    }
    let mut parts = path.split('/');
    if parts.next() != Some(role.folder()) || !path.contains('/') {
        return wrong("it is not in the folder of what it is for");
    }
    for part in parts {
        if part.is_empty() || part.starts_with('.') {
            return wrong("a part of it is empty, hidden or leads upwards");
        }
        if part.ends_with(['.', ' ']) || !part.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return wrong("a part of it has letters that not every system has");
        }
        if part.contains(['\\', ':', '*', '?', '"', '<', '>', '|']) {
            return wrong("a part of it has letters that not every system has");
        }
    }
    Ok(())
}
