//! Owns a file on its way into the folder of models: its `.part`, what is known of it, its lock and its hash.
//! Uses plain files with sync and rename.
//! Never lets a file appear under its own name before all of it is there and has the right hash.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::store::{BLOCK, KeptFile};
use super::{FetchError, Room, Tell, Told};

/// What is on the disk for sure is written down each time so many bytes came: a sync takes about as long as they did.
const CHECKPOINT: u64 = 256 << 20;

/// Room that is left to everybody else.
const MARGIN: u64 = 16 << 20;

/// What is known of a file that is not all there. Kept beside it, so that a later process can go on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// Where it comes from.
    address: String,
    /// The server's name for just this content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// Bytes in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// The hash it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// Bytes that were synced: a power cut takes at most what came after them.
    #[serde(default)]
    synced: u64,
}

/// The hash of the whole, and of each block of it.
pub(super) struct Digests {
    whole: Sha256,
    block: blake3::Hasher,
    filled: u64,
    blocks: Vec<String>,
}

impl Digests {
    pub(super) fn new() -> Self {
        Self { whole: Sha256::new(), block: blake3::Hasher::new(), filled: 0, blocks: Vec::new() }
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        self.whole.update(bytes);
        while !bytes.is_empty() {
            let room = usize::try_from(BLOCK - self.filled).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.block.update(now);
            self.filled += now.len() as u64;
            bytes = later;
            if self.filled == BLOCK {
                self.close();
            }
        }
    }

    fn close(&mut self) {
        self.blocks.push(self.block.finalize().to_hex().to_string());
        self.block.reset();
        self.filled = 0;
    }

    /// The SHA-256 of the whole and the BLAKE3 of each block, in hexadecimal digits.
    pub(super) fn finish(mut self) -> (String, Vec<String>) {
        if self.filled > 0 {
            self.close();
        }
        (hex(&self.whole.finalize()), self.blocks)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file on its way.
pub(super) struct Part {
    /// Its name, for people.
    pub(super) name: String,
    target: PathBuf,
    part: PathBuf,
    file: File,
    state: State,
    done: u64,
    digests: Digests,
    lock: Lock,
}

/// Held while somebody works on a file; the system lets go of it when the process ends, however it ends.
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    fn take(target: &Path) -> Result<Self, FetchError> {
        let path = beside(target, ".lock");
        loop {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .map_err(|error| FetchError::io(&path, &error))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(FetchError::Busy { path: target.to_owned() }),
                Err(TryLockError::Error(error)) => return Err(FetchError::io(&path, &error)),
            }
            // Whoever held it before may have removed the name: then this is a lock on nothing.
            if is_still(&path, &file) {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

/// Whether a path still names the file that was opened by it.
#[cfg(unix)]
fn is_still(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let mark = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (fs::metadata(path), file.metadata()) {
        (Ok(named), Ok(open)) => mark(named) == mark(open),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_still(path: &Path, _file: &File) -> bool {
    path.exists()
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A lock file that stays is no lock.
        let _ = fs::remove_file(&self.path);
    }
}

/// `x.gguf.part` for `x.gguf`.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// A small file, all of it or none.
pub(super) fn write_small(path: &Path, text: &str) -> Result<(), FetchError> {
    let new = beside(path, ".new");
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&new, path)).map_err(|error| FetchError::io(path, &error))
}

/// Make a rename last.
pub(super) fn sync_folder(folder: &Path) {
    // Not every system can; the content itself is synced.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

impl Part {
    /// Begin, or go on with what an earlier try left. What is there is read again for its hash.
    pub(super) fn open(
        target: &Path,
        name: &str,
        address: &str,
        tell: &mut Tell<'_>,
    ) -> Result<Self, FetchError> {
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(|error| FetchError::io(folder, &error))?;
        }
        let lock = Lock::take(target)?;
        let part = beside(target, ".part");
        let known = fs::read_to_string(beside(&part, ".json")).ok();
        let known: Option<State> = known.and_then(|text| serde_json::from_str(&text).ok());
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&part);
        let file = file.map_err(|error| FetchError::io(&part, &error))?;
        let mut this = Self {
            name: name.to_owned(),
            target: target.to_owned(),
            part,
            file,
            state: State { address: address.to_owned(), ..State::default() },
            done: 0,
            digests: Digests::new(),
            lock,
        };
        match known.filter(|known| known.address == address) {
            Some(known) => this.take_over(known, tell)?,
            None => this.reset()?,
        }
        Ok(this)
    }

    fn take_over(&mut self, known: State, tell: &mut Tell<'_>) -> Result<(), FetchError> {
        let there = self.file.metadata().map_err(|error| FetchError::io(&self.part, &error))?.len();
        // Where no hash tells in the end, only what was synced is believed.
        let keep = if known.sha256.is_some() { there } else { there.min(known.synced) };
        let keep = keep.min(known.bytes.unwrap_or(u64::MAX));
        if keep == 0 {
            return self.reset();
        }
        self.file.set_len(keep).map_err(|error| FetchError::io(&self.part, &error))?;
        self.state = known;
        tell(Told::Resuming { file: &self.name, done: keep });
        let mut buffer = vec![0; 1 << 20];
        while self.done < keep {
            let read = match self.file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(FetchError::io(&self.part, &error)),
            };
            self.digests.update(&buffer[..read]);
            self.done += read as u64;
        }
        Ok(())
    }

    /// Bytes that are here.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// Bytes in all, where that is known.
    #[cfg(any(feature = "hub", test))]
    pub(super) fn total(&self) -> Option<u64> {
        self.state.bytes
    }

    /// The server's name for the content that is here.
    #[cfg(feature = "hub")]
    pub(super) fn etag(&self) -> Option<&str> {
        self.state.etag.as_deref()
    }

    /// Forget what is here.
    pub(super) fn reset(&mut self) -> Result<(), FetchError> {
        use std::io::Seek;
        let failed = |error: io::Error| FetchError::io(&self.part, &error);
        self.file.set_len(0).map_err(failed)?;
        self.file.rewind().map_err(failed)?;
        (self.done, self.digests, self.state.synced) = (0, Digests::new(), 0);
        Ok(())
    }

    /// What is now known of the content. What is here must be a part of it, which the caller has made sure of.
    pub(super) fn expect(
        &mut self,
        etag: Option<&str>,
        bytes: Option<u64>,
        sha256: Option<&str>,
    ) -> Result<(), FetchError> {
        let new = State {
            etag: etag.map(ToOwned::to_owned),
            bytes,
            sha256: sha256.map(str::to_ascii_lowercase),
            ..self.state.clone()
        };
        if new != self.state || self.done == 0 {
            self.state = new;
            self.save()?;
        }
        Ok(())
    }

    fn save(&self) -> Result<(), FetchError> {
        let text = serde_json::to_string(&self.state).unwrap_or_default();
        write_small(&beside(&self.part, ".json"), &text)
    }

    /// Fails when what is still to come does not fit.
    pub(super) fn check_room(&self, room: &Room) -> Result<(), FetchError> {
        let Some(total) = self.state.bytes else { return Ok(()) };
        let folder = self.target.parent().unwrap_or(Path::new("."));
        let needed = total.saturating_sub(self.done).saturating_add(MARGIN);
        match room(folder) {
            Some(free) if free < needed => {
                Err(FetchError::NoRoom { file: self.name.clone(), folder: folder.to_owned(), needed, free })
            }
            _ => Ok(()),
        }
    }

    /// The next bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        if let Some(total) = self.state.bytes
            && self.done + bytes.len() as u64 > total
        {
            let found = self.done + bytes.len() as u64;
            return Err(FetchError::WrongLength { file: self.name.clone(), expected: total, found });
        }
        self.file.write_all(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FetchError::NoRoom {
                file: self.name.clone(),
                folder: self.target.parent().unwrap_or(Path::new(".")).to_owned(),
                needed: self.state.bytes.unwrap_or(self.done).saturating_sub(self.done),
                free: 0,
            },
            _ => FetchError::io(&self.part, &error),
        })?;
        self.digests.update(bytes);
        self.done += bytes.len() as u64;
        if self.done - self.state.synced >= CHECKPOINT {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Write down that all of what is here is on the disk.
    pub(super) fn checkpoint(&mut self) -> Result<(), FetchError> {
        self.file.sync_data().map_err(|error| FetchError::io(&self.part, &error))?;
        self.state.synced = self.done;
        self.save()
    }

    /// All of it is here: compare, sync, and give it its name. What has the wrong length or hash is deleted.
    pub(super) fn finish(
        mut self,
        accept: impl FnOnce(&Path) -> Result<(), FetchError>,
    ) -> Result<KeptFile, FetchError> {
        let wanted = self.state.bytes.unwrap_or(self.done);
        if self.done != wanted {
            let error =
                FetchError::WrongLength { file: self.name.clone(), expected: wanted, found: self.done };
            self.discard();
            return Err(error);
        }
        let (sha256, blocks) = std::mem::replace(&mut self.digests, Digests::new()).finish();
        if let Some(expected) = self.state.sha256.clone().filter(|expected| *expected != sha256) {
            let file = self.name.clone();
            self.discard();
            return Err(FetchError::WrongHash { file, expected, found: sha256 });
        }
        self.file.sync_all().map_err(|error| FetchError::io(&self.part, &error))?;
        if let Err(error) = accept(&self.part) {
            self.discard();
            return Err(error);
        }
        fs::rename(&self.part, &self.target).map_err(|error| FetchError::io(&self.target, &error))?;
        let _ = fs::remove_file(beside(&self.part, ".json"));
        sync_folder(self.target.parent().unwrap_or(Path::new(".")));
        Ok(KeptFile { file: self.name, bytes: self.done, sha256, blocks })
    }

    /// Remove what is here.
    pub(super) fn discard(self) {
        let Self { part, lock, .. } = self;
        let _ = fs::remove_file(beside(&part, ".json"));
        let _ = fs::remove_file(&part);
        drop(lock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(target: &Path) -> Result<Part, FetchError> {
        Part::open(target, "x.gguf", "http://hub/x.gguf", &mut |_| {})
    }

    fn sha(bytes: &[u8]) -> String {
        hex(&Sha256::digest(bytes))
    }

    #[test]
    fn a_part_goes_on_where_it_stopped() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("deep/x.gguf");
        let content = b"one two three";
        let mut part = open(&target).expect("opens");
        part.expect(Some("\"e\""), Some(13), Some(&sha(content))).expect("saved");
        part.write(b"one ").expect("written");
        drop(part);
        let mut resumed = 0;
        let mut part = Part::open(&target, "x.gguf", "http://hub/x.gguf", &mut |told| {
            if let Told::Resuming { done, .. } = told {
                resumed = done;
            }
        })
        .expect("opens");
        assert_eq!((part.done(), part.total(), resumed), (4, Some(13), 4));
        part.write(b"two three").expect("written");
        let kept = part.finish(|_| Ok(())).expect("whole");
        assert_eq!((kept.bytes, kept.sha256.as_str()), (13, sha(content).as_str()));
        assert_eq!(fs::read(&target).expect("there"), content);
        assert_eq!(
            fs::read_dir(folder.path().join("deep")).expect("listed").count(),
            1,
            "nothing else is left"
        );
    }

    #[test]
    fn without_a_hash_only_what_was_synced_is_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("x.gguf");
        let mut part = open(&target).expect("opens");
        part.expect(Some("\"e\""), Some(13), None).expect("saved");
        part.write(b"one ").expect("written");
        part.checkpoint().expect("synced");
        part.write(b"two ").expect("written");
        drop(part);
        assert_eq!(open(&target).expect("opens").done(), 4);
        // Another source is another file.
        let part = Part::open(&target, "x.gguf", "http://other/x.gguf", &mut |_| {}).expect("opens");
        assert_eq!(part.done(), 0);
    }

    #[test]
    fn what_is_wrong_is_deleted_and_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("x.gguf");
        let left = || fs::read_dir(folder.path()).expect("listed").count();
        let mut part = open(&target).expect("opens");
        part.expect(None, Some(3), Some(&sha(b"abc"))).expect("saved");
        part.write(b"abd").expect("written");
        let error = part.finish(|_| Ok(())).expect_err("another hash");
        assert!(matches!(&error, FetchError::WrongHash { file, .. } if file == "x.gguf"), "{error}");
        assert_eq!(left(), 0);
        let mut part = open(&target).expect("opens");
        part.expect(None, Some(3), None).expect("saved");
        assert!(matches!(part.write(b"abcd"), Err(FetchError::WrongLength { expected: 3, found: 4, .. })));
        part.write(b"ab").expect("written");
        let error = part.finish(|_| Ok(())).expect_err("too short");
        assert!(matches!(error, FetchError::WrongLength { expected: 3, found: 2, .. }), "{error}");
        assert_eq!(left(), 0);
        let mut part = open(&target).expect("opens");
        part.write(b"abc").expect("written");
        let refuse = |_: &Path| Err(FetchError::Unsound { file: "x".into(), message: "no".into() });
        assert!(matches!(part.finish(refuse), Err(FetchError::Unsound { .. })));
        assert_eq!(left(), 0);
    }

    #[test]
    fn two_cannot_get_the_same_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("x.gguf");
        let part = open(&target).expect("opens");
        assert!(matches!(open(&target), Err(FetchError::Busy { .. })));
        drop(part);
        assert!(open(&target).is_ok(), "free again");
    }

    #[test]
    fn room_is_looked_at_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut part = open(&folder.path().join("x.gguf")).expect("opens");
        part.expect(None, Some(1 << 30), None).expect("saved");
        assert!(matches!(part.check_room(&|_| Some(1 << 30)), Err(FetchError::NoRoom { .. })));
        assert!(part.check_room(&|_| Some(2 << 30)).is_ok());
        assert!(part.check_room(&|_| None).is_ok());
    }
}
