//! Owns how the store's files reach the disk: written, renamed into place, never waited for.
//! Uses tantivy's mapped directory for everything else.
//! Never syncs where `seal` can tell what a crash of the machine may have left unfinished.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, MmapDirectory, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
};

/// A folder of files that are mapped to be read, and written without a sync. On a disk that needs half a millisecond
/// for one, tantivy's own 55 syncs were most of what taking in one changed file cost.
#[derive(Debug, Clone)]
pub(super) struct Unsynced {
    mapped: MmapDirectory,
    folder: PathBuf,
    /// What tantivy would write before each file of a segment, and needs only when it looks for files to remove.
    listing: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Unsynced {
    /// The folder has to exist.
    pub(super) fn open(folder: &Path) -> tantivy::Result<Self> {
        Ok(Self { mapped: MmapDirectory::open(folder)?, folder: folder.to_owned(), listing: Arc::default() })
    }
}

impl Directory for Unsynced {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.mapped.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.mapped.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.mapped.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let file = File::options().write(true).create_new(true).open(self.folder.join(path));
        let file = file.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => OpenWriteError::FileAlreadyExists(path.to_owned()),
            _ => OpenWriteError::wrap_io_error(error, path.to_owned()),
        })?;
        Ok(BufWriter::new(Box::new(Written(file))))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.mapped.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> std::io::Result<()> {
        let mut listing = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        if path == Path::new(LISTING) {
            *listing = Some(data.to_owned());
            return Ok(());
        }
        // What a killed process wrote without listing it is removed by `remove_orphans`.
        if let Some(listed) = listing.take() {
            replace(&self.folder.join(LISTING), &listed)?;
        }
        replace(&self.folder.join(path), data)
    }

    fn sync_directory(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.mapped.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.mapped.watch(callback)
    }
}

/// A directory in which segments are made without a list of them: whoever merges puts what comes of it into its own list.
#[derive(Debug, Clone)]
pub(super) struct Aside {
    inner: Box<dyn Directory>,
    /// The lists that were written, which stay here.
    lists: Arc<Mutex<HashMap<PathBuf, Vec<u8>>>>,
}

impl Aside {
    pub(super) fn new(inner: Box<dyn Directory>) -> Self {
        Self { inner, lists: Arc::default() }
    }

    fn list(&self, path: &Path) -> Option<Vec<u8>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }
}

impl Directory for Aside {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.inner.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.inner.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        Ok(self.list(path).is_some())
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.inner.open_write(path)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.list(path).ok_or_else(|| OpenReadError::FileDoesNotExist(path.to_owned()))
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> std::io::Result<()> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.insert(path.to_owned(), data.to_owned());
        Ok(())
    }

    fn sync_directory(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.inner.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.inner.watch(callback)
    }
}

/// Where tantivy lists the files it has made.
const LISTING: &str = ".managed.json";

/// Linux says when the machine was started, and then every file is checked once; elsewhere files are synced instead.
const SYNCS: bool = !cfg!(target_os = "linux");

/// Put a new file in the place of an old one; readers see the one or the other.
pub(crate) fn replace(path: &Path, data: &[u8]) -> std::io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    let written = File::create(&part)
        .and_then(|mut file| {
            file.write_all(data)?;
            if SYNCS { file.sync_data() } else { Ok(()) }
        })
        .and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        drop(std::fs::remove_file(&part));
    }
    written
}

/// Remove what belongs to no segment: a killed process may have left it. The caller holds the lock.
pub(super) fn remove_orphans(folder: &Path, known: &HashSet<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)?.flatten() {
        let name = PathBuf::from(entry.file_name());
        let of_a_segment = name.file_stem().is_some_and(|stem| stem.len() >= 32);
        let is_part = name.extension().is_some_and(|ending| ending == "part");
        if is_part || of_a_segment && !known.contains(&name) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A file that is complete when its last byte was handed to the system.
struct Written(File);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl TerminatingWrite for Written {
    fn terminate_ref(&mut self, _: AntiCallToken) -> std::io::Result<()> {
        if SYNCS { self.0.sync_data() } else { Ok(()) }
    }
}
