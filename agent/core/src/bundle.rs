//! Owns bundles: one file with all that a machine without a network needs, and the checks before anything of it is used.
//! Uses the rooms below for the manifest, for reading, writing, putting in place and signatures.
//! Never puts a byte in place that was not checked, and never lets anything in a bundle choose where it goes.
//!
//! A bundle is a tar archive (POSIX.1-1988 ustar, sizes of 8 GiB and more in GNU's binary form), so that `tar` opens it where
//! there is no Loci yet. Its first entry is the manifest, named by its own SHA-256; the rest is a function of the manifest and
//! the contents, byte for byte: headers, padding and end are compared with what they must be, not interpreted.

pub mod create;
pub mod install;
pub mod manifest;
pub mod read;
pub mod signature;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

pub use create::{Item, Origin, Written, create};
pub use install::{Destination, Fate, Plan, install, plan};
pub use manifest::{FileEntry, Id, Manifest, Role};
pub use read::{Reading, verify};
pub use signature::SignatureError;

/// What is told while bytes move: how many of how many.
pub type Tell<'a> = &'a mut dyn FnMut(u64, u64);

/// Blocks of a tar archive.
const BLOCK: usize = 512;

/// Why a bundle cannot be made, or is refused. What is wrong in it is named by its path in the bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Name another file.
    #[error("it is no bundle: {why}")]
    NotABundle {
        /// What it begins with instead.
        why: String,
    },
    /// Use a newer Loci.
    #[error("its format is version {version}, and this Loci reads up to {}", manifest::VERSION)]
    TooNew {
        /// The version that it names.
        version: u32,
    },
    /// Get it again: it was damaged on the way, or somebody changed it.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// Which file of the bundle; `the manifest`, `the end`.
        path: String,
        /// What is wrong, and where.
        why: String,
    },
    /// Get it again: a part is missing.
    #[error("it ends at byte {offset}, in the middle of {path}")]
    Truncated {
        /// Which file of the bundle.
        path: String,
        /// Its length.
        offset: u64,
    },
    /// Install what it builds on first.
    #[error("it builds on the bundle {base}, and {path} of that one is not here: {why}")]
    WrongBase {
        /// The id of what it builds on.
        base: String,
        /// The first file that is missing.
        path: String,
        /// Missing, or other than it was.
        why: String,
    },
    /// Get the bundle for this machine.
    #[error("it holds a program for {bundle}, and this machine is {machine}")]
    OtherMachine {
        /// What it is for.
        bundle: String,
        /// What this is.
        machine: String,
    },
    /// Make room.
    #[error("{needed} bytes are needed at {}, and {free} are free", path.display())]
    NoSpace {
        /// Where.
        path: PathBuf,
        /// For all that goes there.
        needed: u64,
        /// What there is.
        free: u64,
    },
    /// Choose another name, or leave it out.
    #[error("`{path}` cannot be in a bundle: {why}")]
    Path {
        /// The path in the bundle.
        path: String,
        /// Why not.
        why: &'static str,
    },
    /// Wait until nothing changes it.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Check that it exists and that you may use it.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl BundleError {
    fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.into(), source }
    }

    fn damaged(path: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), why: why.into() }
    }
}

/// The triple of the machine that this program is for, as compilers name it.
#[must_use]
pub fn target() -> String {
    let abi = if cfg!(target_env = "musl") {
        "-musl"
    } else if cfg!(target_env = "gnu") {
        "-gnu"
    } else if cfg!(target_env = "msvc") {
        "-msvc"
    } else {
        ""
    };
    let system = match std::env::consts::OS {
        "macos" => "apple-darwin",
        "windows" => "pc-windows",
        "linux" => "unknown-linux",
        other => other,
    };
    format!("{}-{system}{abi}", std::env::consts::ARCH)
}

/// The header of a file in a bundle: everything in it follows from these.
fn header(path: &str, size: u64, mode: u32) -> Result<[u8; BLOCK], BundleError> {
    let mut header = tar::Header::new_ustar();
    header.set_path(path).map_err(|_| BundleError::Path { path: path.to_owned(), why: "it is too long" })?;
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    Ok(*header.as_bytes())
}

/// Zeroes after a file of this size, up to a whole block.
fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
    (BLOCK - over) % BLOCK
}

/// Digits of a hash.
fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
