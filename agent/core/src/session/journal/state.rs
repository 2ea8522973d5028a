//! Owns the description of what is at a path, and how paths stand in records.
//! Uses blake3 for contents.
//! Never changes anything.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum FileState {
    /// Nothing.
    Missing,
    /// A regular file.
    File {
        /// Of its content.
        hash: String,
        /// Its permission bits; 0 where the system has none.
        mode: u32,
        /// Its size in bytes.
        bytes: u64,
    },
    /// A symbolic link.
    Link {
        /// As written in the link.
        #[serde(with = "written")]
        target: PathBuf,
    },
    /// A directory; what is in it has entries of its own.
    Directory {
        /// Its permission bits.
        mode: u32,
    },
    /// A named pipe.
    Fifo {
        /// Its permission bits.
        mode: u32,
    },
    /// A regular file whose content was not kept.
    Omitted {
        /// Of its content; empty when it was not read.
        hash: String,
        /// Why.
        why: String,
    },
    /// A directory whose content is not followed.
    Uncovered {
        /// Why.
        why: String,
    },
    /// A socket or device; in journals of the first format, a directory too.
    Other,
}

impl FileState {
    /// What is there now. Files of any size are read to hash them, piece by piece.
    ///
    /// # Errors
    /// What the system says, except that nothing is there.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Self::Missing);
            }
            Err(error) => return Err(error),
        };
        if let Some(state) = Self::without_content(path, &metadata)? {
            return Ok(state);
        }
        let mut hasher = blake3::Hasher::new();
        io::copy(&mut File::open(path)?, &mut hasher)?;
        Ok(Self::File {
            hash: hasher.finalize().to_hex().to_string(),
            mode: mode_of(&metadata),
            bytes: metadata.len(),
        })
    }

    /// The state of anything but a regular file.
    ///
    /// # Errors
    /// When a link cannot be read.
    pub(super) fn without_content(path: &Path, metadata: &fs::Metadata) -> io::Result<Option<Self>> {
        let kind = metadata.file_type();
        Ok(if kind.is_file() {
            None
        } else if kind.is_symlink() {
            Some(Self::Link { target: fs::read_link(path)? })
        } else if kind.is_dir() {
            Some(Self::Directory { mode: mode_of(metadata) })
        } else if is_fifo(kind) {
            Some(Self::Fifo { mode: mode_of(metadata) })
        } else {
            Some(Self::Other)
        })
    }

    /// Whether both are the same thing with the same content; modes do not count.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::File { hash: one, .. },
                Self::File { hash: two, .. } | Self::Omitted { hash: two, .. },
            )
            | (Self::Omitted { hash: one, .. }, Self::File { hash: two, .. }) => one == two,
            (
                Self::Directory { .. } | Self::Uncovered { .. } | Self::Other,
                Self::Directory { .. } | Self::Uncovered { .. },
            )
            | (Self::Directory { .. } | Self::Uncovered { .. }, Self::Other)
            | (Self::Fifo { .. }, Self::Fifo { .. }) => true,
            _ => self == other,
        }
    }

    /// Its permission bits, where they are known.
    #[must_use]
    pub fn mode(&self) -> Option<u32> {
        match self {
            Self::File { mode, .. } | Self::Directory { mode } | Self::Fifo { mode } => Some(*mode),
            _ => None,
        }
    }

    /// Whether both have the same permission bits, where both are known.
    #[must_use]
    pub fn same_mode(&self, other: &Self) -> bool {
        match (self.mode(), other.mode()) {
            (Some(one), Some(two)) => one == two,
            _ => true,
        }
    }

    /// The same content and the same permission bits.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.same_content(other) && self.same_mode(other)
    }

    /// The same thing with other permission bits.
    #[must_use]
    pub(super) fn with_mode(mut self, new: Option<u32>) -> Self {
        if let (Some(new), Self::File { mode, .. } | Self::Directory { mode } | Self::Fifo { mode }) =
            (new, &mut self)
        {
            *mode = new;
        }
        self
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(self, Self::Directory { .. } | Self::Uncovered { .. })
    }

    /// The hash of its content, where it is a regular file whose content was read.
    #[must_use]
    pub fn hash(&self) -> Option<&str> {
        match self {
            Self::File { hash, .. } | Self::Omitted { hash, .. } if !hash.is_empty() => Some(hash),
            _ => None,
        }
    }

    /// Why it cannot be brought back, where it cannot.
    pub(super) fn not_kept(&self) -> Option<&str> {
        match self {
            Self::Omitted { why, .. } | Self::Uncovered { why } => Some(why),
            Self::Other => Some("it is a socket or a device"),
            _ => None,
        }
    }
}

#[cfg(unix)]
fn is_fifo(kind: fs::FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

#[cfg(not(unix))]
fn is_fifo(_kind: fs::FileType) -> bool {
    false
}

#[cfg(unix)]
pub(super) fn mode_of(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o7777
}

#[cfg(not(unix))]
pub(super) fn mode_of(_metadata: &fs::Metadata) -> u32 {
    0
}

/// A path in JSON: as text where it is UTF-8, as bytes in hexadecimal where it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum WrittenPath {
    Text(String),
    Bytes { hex: String },
}

impl WrittenPath {
    pub(super) fn of(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.into()),
            None => Self::Bytes {
                hex: path.as_os_str().as_encoded_bytes().iter().map(|byte| format!("{byte:02x}")).collect(),
            },
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::Text(text) => text.into(),
            Self::Bytes { hex } => {
                let bytes: Vec<u8> = (0..hex.len() / 2)
                    .filter_map(|at| u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok())
                    .collect();
                path_from_bytes(bytes)
            }
        }
    }
}

#[cfg(unix)]
fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// For paths in derived types.
mod written {
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::WrittenPath;

    pub(super) fn serialize<S: Serializer>(path: &PathBuf, serializer: S) -> Result<S::Ok, S::Error> {
        WrittenPath::of(Path::new(path)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        Ok(WrittenPath::deserialize(deserializer)?.path())
    }
}
