//! Owns the content-addressed store of file contents and the description of what is at a path.
//! Uses blake3 for names.
//! Never deletes a blob.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A larger file, in bytes, is not kept, and that is said.
    pub file_bytes: u64,
    /// When the whole store is larger, in bytes, nothing more is kept, and that is said.
    pub total_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes: 256 << 20, total_bytes: 8 << 30 }
    }
}

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
        target: PathBuf,
    },
    /// A regular file whose content was not kept.
    Omitted {
        /// Of its content; empty when it was too large to read.
        hash: String,
        /// Why.
        why: String,
    },
    /// A directory, socket or device.
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
        if metadata.file_type().is_symlink() {
            return Ok(Self::Link { target: fs::read_link(path)? });
        }
        if !metadata.is_file() {
            return Ok(Self::Other);
        }
        let mut hasher = blake3::Hasher::new();
        io::copy(&mut File::open(path)?, &mut hasher)?;
        Ok(Self::File {
            hash: hasher.finalize().to_hex().to_string(),
            mode: mode_of(&metadata),
            bytes: metadata.len(),
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
            _ => self == other,
        }
    }

    /// Whether both have the same permission bits, where both are files.
    #[must_use]
    pub fn same_mode(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File { mode: one, .. }, Self::File { mode: two, .. }) => one == two,
            _ => true,
        }
    }
}

#[cfg(unix)]
fn mode_of(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o7777
}

#[cfg(not(unix))]
fn mode_of(_metadata: &fs::Metadata) -> u32 {
    0
}

/// Give a file its permission bits back.
#[cfg(unix)]
pub(super) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
pub(super) fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Make a symbolic link.
#[cfg(unix)]
pub(super) fn make_link(target: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
pub(super) fn make_link(_target: &Path, _path: &Path) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "symbolic links cannot be restored on this system"))
}

/// Contents by hash.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    limits: Limits,
    /// Bytes in the store, counted once.
    total: Mutex<Option<u64>>,
}

impl Store {
    pub(super) fn new(folder: PathBuf, limits: Limits) -> Self {
        Self { folder, limits, total: Mutex::new(None) }
    }

    /// Keep what is at a path, durably, and describe it.
    pub(super) fn keep(&self, path: &Path) -> io::Result<FileState> {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() => metadata,
            _ => return FileState::of(path),
        };
        if metadata.len() > self.limits.file_bytes {
            let why = format!(
                "it has {} bytes, and the journal keeps files up to {}",
                metadata.len(),
                self.limits.file_bytes
            );
            return Ok(match FileState::of(path)? {
                FileState::File { hash, .. } => FileState::Omitted { hash, why },
                other => other,
            });
        }
        let content = fs::read(path)?;
        let hash = blake3::hash(&content).to_hex().to_string();
        let blob = self.path_of(&hash);
        if !blob.is_file() {
            let mut total = self.total.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let before = match *total {
                Some(total) => total,
                None => size_of_tree(&self.folder),
            };
            if before + content.len() as u64 > self.limits.total_bytes {
                *total = Some(before);
                let why = format!("the journal is full ({} bytes)", self.limits.total_bytes);
                return Ok(FileState::Omitted { hash, why });
            }
            self.write(&blob, &content)?;
            *total = Some(before + content.len() as u64);
        }
        Ok(FileState::File { hash, mode: mode_of(&metadata), bytes: content.len() as u64 })
    }

    fn write(&self, blob: &Path, content: &[u8]) -> io::Result<()> {
        let folder = blob.parent().unwrap_or(&self.folder);
        crate::session::log::create_folder(folder)?;
        let temporary = blob.with_extension(format!("{}.part", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(&temporary)?;
        file.write_all(content)?;
        file.sync_data()?;
        fs::rename(&temporary, blob)?;
        if cfg!(unix) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// The content of that hash, verified.
    pub(super) fn read(&self, hash: &str) -> io::Result<Vec<u8>> {
        let content = fs::read(self.path_of(hash))?;
        if blake3::hash(&content).to_hex().as_str() != hash {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its kept content is damaged"));
        }
        Ok(content)
    }

    /// Where kept content is, in words.
    pub(super) fn describe(&self, state: &FileState) -> String {
        match state {
            FileState::Missing => "nothing: the file did not exist".into(),
            FileState::File { hash, .. } => format!("kept in {}", self.path_of(hash).display()),
            FileState::Link { target } => format!("a link to {}", target.display()),
            FileState::Omitted { why, .. } => format!("not kept: {why}"),
            FileState::Other => "not a regular file".into(),
        }
    }

    fn path_of(&self, hash: &str) -> PathBuf {
        let folder = hash.get(..2).unwrap_or("xx");
        self.folder.join(folder).join(hash)
    }
}

fn size_of_tree(folder: &Path) -> u64 {
    let mut total = 0;
    let Ok(folders) = fs::read_dir(folder) else { return 0 };
    for sub in folders.flatten() {
        let Ok(files) = fs::read_dir(sub.path()) else { continue };
        for file in files.flatten() {
            total += file.metadata().map_or(0, |metadata| metadata.len());
        }
    }
    total
}
