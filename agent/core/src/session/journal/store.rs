//! Owns the content-addressed store of file contents.
//! Uses blake3 for names and lz4 where it helps.
//! Never gives back content that is not what its name says.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::state::{FileState, mode_of};
use crate::atomic::disk;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A larger file, in bytes, is not kept, and that is said.
    pub file_bytes: u64,
    /// When the whole store is larger, in bytes, the oldest is dropped; where all of it may still be needed, nothing
    /// more is kept, and that is said.
    pub total_bytes: u64,
    /// What is older, in days, is dropped; 0 keeps it.
    pub days: u64,
    /// Files of one tree that are kept before a shell command runs, so that what it does to them can be taken back.
    pub scan_files: usize,
    /// Bytes of one tree that are read for that.
    pub scan_bytes: u64,
    /// A larger file is not read for that.
    pub scan_file_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 256 << 20,
            total_bytes: 4 << 30,
            days: 0,
            // What a first scan reads within about ten seconds from a cold disk of 200 MB/s.
            scan_files: 100_000,
            scan_bytes: 2 << 30,
            scan_file_bytes: 64 << 20,
        }
    }
}

/// Up to so many files are synced one by one; beyond, one sync of the whole file system is cheaper.
const SYNCED_SINGLY: usize = 8;
/// Content is kept as it is where compression saves less than this share of it.
const WORTH_COMPRESSING: f64 = 0.9;
/// Files that no record names are dropped once they are so old: they are left over from a process that was killed.
const LEFT_OVER: Duration = Duration::from_secs(24 * 60 * 60);

/// Contents by hash.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    pub(super) limits: Limits,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Bytes in the store, counted once.
    total: Option<u64>,
    /// Written and not yet synced.
    unsynced: Vec<PathBuf>,
    /// Known to be there.
    known: HashSet<String>,
}

impl Store {
    pub(super) fn new(folder: PathBuf, limits: Limits) -> Self {
        Self { folder, limits, inner: Mutex::default() }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keep what is at a path and describe it; durable after [`Store::commit`].
    pub(super) fn keep(&self, path: &Path, file_bytes: u64) -> io::Result<FileState> {
        self.put_in(self.look(path, file_bytes)?)
    }

    /// The same, where a file that cannot be read is one more that is not kept: an error is one of the store's.
    pub(super) fn keep_if_readable(&self, path: &Path, file_bytes: u64) -> io::Result<FileState> {
        match self.look(path, file_bytes) {
            Ok(looked) => self.put_in(looked),
            Err(error) => {
                Ok(FileState::Omitted { hash: String::new(), why: format!("it cannot be read: {error}") })
            }
        }
    }

    /// What is at a path, and its content where it is to be kept.
    fn look(&self, path: &Path, file_bytes: u64) -> io::Result<(FileState, Option<Vec<u8>>)> {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() => metadata,
            _ => return Ok((FileState::of(path)?, None)),
        };
        let limit = file_bytes.min(self.limits.file_bytes);
        let too_large =
            |bytes: u64| format!("it has {bytes} bytes, and the journal keeps files up to {limit}");
        if metadata.len() > limit {
            let state = match FileState::of(path)? {
                FileState::File { hash, .. } => FileState::Omitted { hash, why: too_large(metadata.len()) },
                other => other,
            };
            return Ok((state, None));
        }
        // It may grow while it is read: one byte past the limit tells.
        let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
        File::open(path)?.take(limit + 1).read_to_end(&mut content)?;
        let bytes = content.len() as u64;
        if bytes > limit {
            return Ok((FileState::Omitted { hash: String::new(), why: too_large(bytes) }, None));
        }
        let hash = blake3::hash(&content).to_hex().to_string();
        Ok((FileState::File { hash, mode: mode_of(&metadata), bytes }, Some(content)))
    }

    fn put_in(&self, (state, content): (FileState, Option<Vec<u8>>)) -> io::Result<FileState> {
        let (FileState::File { hash, .. }, Some(content)) = (&state, content) else { return Ok(state) };
        Ok(match self.put(hash, &content)? {
            Some(why) => FileState::Omitted { hash: hash.clone(), why },
            None => state,
        })
    }

    /// Put content in; says why not where there is no room for it.
    fn put(&self, hash: &str, content: &[u8]) -> io::Result<Option<String>> {
        let mut inner = self.lock();
        if inner.known.contains(hash) {
            return Ok(None);
        }
        if !self.has(hash) {
            let before = *inner.total.get_or_insert_with(|| size_of_tree(&self.folder));
            let packed = lz4_flex::block::compress_prepend_size(content);
            let small = (packed.len() as f64) < content.len() as f64 * WORTH_COMPRESSING;
            let (blob, bytes) = match small {
                true => (self.packed_path(hash), packed.as_slice()),
                false => (self.path_of(hash), content),
            };
            if before + bytes.len() as u64 > self.limits.total_bytes {
                return Ok(Some(format!("the journal is full ({} bytes)", self.limits.total_bytes)));
            }
            self.write(&blob, bytes)?;
            inner.total = Some(before + bytes.len() as u64);
            inner.unsynced.push(blob);
        }
        inner.known.insert(hash.into());
        Ok(None)
    }

    /// Make everything that was kept durable.
    pub(super) fn commit(&self) -> io::Result<()> {
        let mut inner = self.lock();
        if inner.unsynced.is_empty() {
            return Ok(());
        }
        if inner.unsynced.len() > SYNCED_SINGLY {
            disk::sync_around(&self.folder)?;
        } else {
            for blob in &inner.unsynced {
                disk::sync(&File::open(blob)?)?;
                disk::sync_directory(blob.parent().unwrap_or(&self.folder))?;
            }
        }
        inner.unsynced.clear();
        Ok(())
    }

    fn write(&self, blob: &Path, content: &[u8]) -> io::Result<()> {
        let folder = blob.parent().unwrap_or(&self.folder);
        crate::session::log::create_folder(folder)?;
        let temporary = blob.with_extension(format!("{}.part", std::process::id()));
        let mut file = disk::create_private(&temporary)?;
        let written = disk::write_all(&mut file, content).and_then(|()| disk::rename(&temporary, blob));
        if written.is_err() {
            // The first error is the one to report.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// Whether that content is there.
    pub(super) fn has(&self, hash: &str) -> bool {
        self.packed_path(hash).is_file() || self.path_of(hash).is_file()
    }

    /// The content of that hash, verified.
    pub(super) fn read(&self, hash: &str) -> io::Result<Vec<u8>> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "its kept content is damaged");
        let content = match fs::read(self.packed_path(hash)) {
            Ok(packed) => {
                let size = packed.first_chunk().map(|size| u64::from(u32::from_le_bytes(*size)));
                // lz4 makes at most 255 bytes out of one: more is damage, and must not be allocated.
                if size.is_none_or(|size| size > packed.len() as u64 * 255) {
                    return Err(damaged());
                }
                lz4_flex::block::decompress_size_prepended(&packed).map_err(|_| damaged())?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::read(self.path_of(hash))?,
            Err(error) => return Err(error),
        };
        if blake3::hash(&content).to_hex().as_str() != hash {
            return Err(damaged());
        }
        Ok(content)
    }

    /// Where kept content is, in words.
    pub(super) fn describe(&self, state: &FileState) -> String {
        match state {
            FileState::Missing => "nothing: it did not exist".into(),
            FileState::File { hash, .. } => {
                let packed = self.packed_path(hash);
                let path = if packed.is_file() { packed } else { self.path_of(hash) };
                format!("kept in {}", path.display())
            }
            FileState::Link { target } => format!("a link to {}", target.display()),
            FileState::Directory { .. } => "a directory".into(),
            FileState::Fifo { .. } => "a named pipe".into(),
            FileState::Omitted { why, .. } | FileState::Uncovered { why } => format!("not kept: {why}"),
            FileState::Other => "not a regular file".into(),
        }
    }

    /// Drop what is not needed, oldest first: what is older than the limit, and as much as makes the store smaller than
    /// `target`. Gives the bytes that became free.
    ///
    /// `needed` is kept whatever its age. `used` says when content was last part of a change; content that is not in it
    /// is left over from a process that was killed.
    pub(super) fn prune(
        &self,
        target: u64,
        needed: &HashSet<String>,
        used: &std::collections::HashMap<String, SystemTime>,
    ) -> io::Result<u64> {
        let mut inner = self.lock();
        let mut blobs: Vec<(SystemTime, u64, PathBuf, String)> = Vec::new();
        let mut total = 0;
        each_file(&self.folder, &mut |path, metadata| {
            total += metadata.len();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let hash = name.split('.').next().unwrap_or_default().to_owned();
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            blobs.push((used.get(&hash).copied().unwrap_or(modified), metadata.len(), path, hash));
        });
        blobs.sort();
        let now = SystemTime::now();
        let age = |time: SystemTime| now.duration_since(time).unwrap_or_default();
        let longest = Duration::from_secs(self.limits.days.saturating_mul(24 * 60 * 60));
        let mut freed = 0;
        for (time, bytes, path, hash) in blobs {
            let left_over = !used.contains_key(&hash) && age(time) > LEFT_OVER;
            let too_old = self.limits.days > 0 && age(time) > longest;
            if needed.contains(&hash) || !(left_over || too_old || total - freed > target) {
                continue;
            }
            disk::remove_file(&path)?;
            inner.known.remove(&hash);
            freed += bytes;
        }
        inner.total = Some(total - freed);
        Ok(freed)
    }

    /// Bytes in the store.
    pub(super) fn size(&self) -> u64 {
        *self.lock().total.get_or_insert_with(|| size_of_tree(&self.folder))
    }

    fn path_of(&self, hash: &str) -> PathBuf {
        // Hashes are read from records; anything else must not lead out of the folder.
        let hash = if hash.bytes().all(|byte| byte.is_ascii_hexdigit()) { hash } else { "no-hash" };
        let folder = hash.get(..2).unwrap_or("xx");
        self.folder.join(folder).join(hash)
    }

    fn packed_path(&self, hash: &str) -> PathBuf {
        self.path_of(hash).with_extension("lz4")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn each_file(folder: &Path, visit: &mut dyn FnMut(PathBuf, fs::Metadata)) {
    let Ok(folders) = fs::read_dir(folder) else { return };
    for sub in folders.flatten() {
        let Ok(files) = fs::read_dir(sub.path()) else { continue };
        for file in files.flatten() {
            if let Ok(metadata) = file.metadata() {
                visit(file.path(), metadata);
            }
        }
    }
}

fn size_of_tree(folder: &Path) -> u64 {
    let mut total = 0;
    each_file(folder, &mut |_, metadata| total += metadata.len());
    total
}
