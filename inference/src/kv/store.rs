//! Owns the folder of snapshots: pages that were computed once and are found again by a later process.
//! Uses files of one page each, named by their content's key, written by a thread of its own.
//! Never fails a job: what cannot be read is computed, what cannot be written is left out, and both are counted.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::snapshot::{self, Key};
use super::{Geometry, PAGE, Page, Sequence};

/// Pages that may wait to be written: 64 are 4,096 tokens. They are held in memory until then.
const QUEUE: usize = 1024;
/// When the folder is over its limit, it is brought down to this share of it, so that not every page pays for a look
/// at all files.
const LOWER_SHARE: f64 = 0.9;
/// After so many failures in a row nothing more is written by this process.
const PATIENCE: u32 = 3;
/// A file that was being written and is this old belongs to a process that is gone.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// Files that this process has begun to write: several models may write the same page at the same time.
static FILES: AtomicU64 = AtomicU64::new(0);

/// Where snapshots are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// The folder; it is made when the first one is written. Snapshots hold the state of prompts, from which their
    /// text can be guessed: only the user may read them.
    pub folder: PathBuf,
    /// Bytes that all files there may take together.
    pub limit: u64,
}

/// What became of snapshots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotStats {
    /// Pages that were read back.
    pub read: u64,
    /// Pages that were written.
    pub written: u64,
    /// Files that were not what they should be. They were deleted.
    pub damaged: u64,
    /// Pages that could not be written: a full disk, a folder that may not be written.
    pub failed: u64,
    /// Files that were deleted to stay below the limit.
    pub evicted: u64,
}

#[derive(Debug, Default)]
struct Counters {
    read: AtomicU64,
    written: AtomicU64,
    damaged: AtomicU64,
    failed: AtomicU64,
    evicted: AtomicU64,
    /// Pages on their way to the disk.
    waiting: Mutex<u64>,
    settled: Condvar,
}

/// What is known of snapshots while they are being written, for whoever holds the engine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report(Arc<Counters>);

impl Report {
    pub(crate) fn stats(&self) -> SnapshotStats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { read, written, damaged, failed, evicted, .. } = &*self.0;
        SnapshotStats {
            read: of(read),
            written: of(written),
            damaged: of(damaged),
            failed: of(failed),
            evicted: of(evicted),
        }
    }

    /// Wait until everything is on the disk, or `limit` has passed.
    pub(crate) fn settle(&self, limit: Duration) {
        let waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.0.settled.wait_timeout_while(waiting, limit, |waiting| *waiting > 0);
    }

    fn count(&self, counter: impl Fn(&Counters) -> &AtomicU64) {
        counter(&self.0).fetch_add(1, Ordering::Relaxed);
    }

    fn wait_for(&self, pages: i64) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = waiting.saturating_add_signed(pages);
        if *waiting == 0 {
            self.0.settled.notify_all();
        }
    }
}

/// A page on its way to the disk.
struct Write {
    name: String,
    key: Key,
    tokens: Vec<u32>,
    page: Arc<Page>,
}

/// The snapshots of one model.
pub(crate) struct Store {
    folder: PathBuf,
    first: Key,
    geometry: Arc<Geometry>,
    report: Report,
    /// Names and lengths that are on the disk or on their way there, as far as this process knows.
    known: HashSet<(String, usize)>,
    queue: SyncSender<Write>,
}

/// The name of a full page.
fn page_name(key: Key) -> String {
    format!("{}.page", key.name())
}

/// The name of a page that is filled in part, behind the full ones that `key` stands for.
fn tail_name(key: Key) -> String {
    format!("{}.tail", key.name())
}

impl Store {
    /// The snapshots in a folder that belong to the weights that `identity` stands for. The thread that writes ends
    /// with the store, after the page it is at.
    pub(crate) fn open(
        options: &SnapshotOptions,
        identity: &[u8],
        geometry: &Arc<Geometry>,
        report: &Report,
    ) -> io::Result<Self> {
        let (queue, writes) = sync_channel(QUEUE);
        let writer = Writer {
            folder: options.folder.clone(),
            limit: options.limit,
            report: report.clone(),
            used: None,
            failures: 0,
            create: write_file,
        };
        std::thread::Builder::new().name("loci-snapshots".to_owned()).spawn(move || writer.run(&writes))?;
        Ok(Self {
            folder: options.folder.clone(),
            first: Key::first(identity, geometry),
            geometry: Arc::clone(geometry),
            report: report.clone(),
            known: HashSet::new(),
            queue,
        })
    }

    /// Make `sequence`, which holds some of the first tokens of `prompt`, as long as the snapshots allow, up to `most`
    /// tokens.
    pub(crate) fn restore(&mut self, sequence: &mut Sequence, prompt: &[u32], most: usize) {
        let had = sequence.len();
        let mut key = self.first;
        let mut found = Vec::new();
        let (pages, _) = prompt.as_chunks::<PAGE>();
        let mut full = 0;
        for tokens in pages {
            let next = key.next(tokens);
            // What is in memory need not be read.
            if (full + 1) * PAGE > had {
                match self.read(page_name(next), next, |found| found == tokens) {
                    Some(page) => found.push(page.page),
                    None => break,
                }
            }
            key = next;
            full += 1;
        }
        let rest = &prompt[full * PAGE..];
        let better = had.saturating_sub(full * PAGE);
        let shared = |tokens: &[u32]| tokens.iter().zip(rest).take_while(|(one, other)| one == other).count();
        let tail = match rest.len() > better {
            true => self.read(tail_name(key), key, |tokens| shared(tokens) > better),
            false => None,
        };
        if !found.is_empty() {
            sequence.truncate((full - found.len()) * PAGE);
            let start = sequence.len();
            sequence.append(&prompt[start..full * PAGE], found);
        }
        if let Some(tail) = tail {
            sequence.truncate(full * PAGE);
            let length = full * PAGE + shared(&tail.tokens);
            let mut tokens = tail.tokens;
            tokens.resize(PAGE, 0);
            sequence.append(&tokens, [tail.page]);
            sequence.truncate(length);
        }
        sequence.truncate(most);
    }

    /// Keep the state of the first `length` tokens of a sequence, as far as it is not on the disk already. Pages that
    /// find no place in the queue are left out.
    pub(crate) fn save(&mut self, sequence: &Sequence, length: usize) {
        let length = length.min(sequence.len());
        let mut key = self.first;
        for (tokens, page) in sequence.tokens()[..length].chunks(PAGE).zip(sequence.pages()) {
            let name = if tokens.len() == PAGE {
                key = key.next(tokens);
                page_name(key)
            } else {
                tail_name(key)
            };
            if self.known.contains(&(name.clone(), tokens.len())) {
                continue;
            }
            let write = Write { name: name.clone(), key, tokens: tokens.to_vec(), page: Arc::clone(page) };
            self.report.wait_for(1);
            if self.queue.try_send(write).is_err() {
                // What follows would not be found without this one.
                self.report.wait_for(-1);
                return;
            }
            self.known.insert((name, tokens.len()));
        }
    }

    fn read(&mut self, name: String, key: Key, fits: impl Fn(&[u32]) -> bool) -> Option<snapshot::Found> {
        let path = self.folder.join(&name);
        match snapshot::read(&path, key, &self.geometry) {
            Ok(found) if fits(&found.tokens) => {
                touch(&path);
                self.report.count(|counters| &counters.read);
                self.known.insert((name, found.tokens.len()));
                Some(found)
            }
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.report.count(|counters| &counters.damaged);
                // Where it cannot be deleted, it is looked at again next time.
                let _ = fs::remove_file(&path);
                None
            }
            Err(_) => None,
        }
    }
}

/// Note the use of a file: the least recently used go first.
fn touch(path: &Path) {
    // A folder that may only be read is used without being cleaned up.
    if let Ok(file) = File::open(path) {
        let _ = file.set_modified(SystemTime::now());
    }
}

/// What lives on the thread that writes.
struct Writer {
    folder: PathBuf,
    limit: u64,
    report: Report,
    /// Bytes in the folder, as of the last look and what was written since.
    used: Option<u64>,
    failures: u32,
    /// Writes a new file and returns its length; a disk without room in tests.
    create: fn(&Path, &Write) -> io::Result<u64>,
}

/// Takes a page off the count when it is dealt with, however that ended.
struct Waiting<'a>(&'a Report);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.wait_for(-1);
    }
}

impl Writer {
    fn run(mut self, writes: &Receiver<Write>) {
        while let Ok(write) = writes.recv() {
            let report = self.report.clone();
            let _waiting = Waiting(&report);
            if self.failures < PATIENCE {
                self.take(&write);
            }
        }
    }

    /// Write a page, and see what to do when that fails.
    fn take(&mut self, write: &Write) {
        match self.write(write) {
            Ok(()) => self.failures = 0,
            Err(error) => {
                self.failures += 1;
                self.report.count(|counters| &counters.failed);
                // A full disk has room again when the least recently used are gone.
                if error.kind() == io::ErrorKind::StorageFull {
                    let used = self.look().iter().map(|file| file.bytes).sum::<u64>();
                    self.evict(used / 2);
                }
            }
        }
    }

    fn write(&mut self, write: &Write) -> io::Result<()> {
        let path = self.folder.join(&write.name);
        let full = write.tokens.len() == PAGE;
        // Another process has written the same; of a page in part, the newest is kept.
        if full && path.exists() {
            return Ok(());
        }
        make_folder(&self.folder)?;
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let temporary = self.folder.join(format!("{}.{}.{number}.new", write.name, std::process::id()));
        let outcome = (self.create)(&temporary, write).and_then(|bytes| {
            fs::rename(&temporary, &path)?;
            Ok(bytes)
        });
        match outcome {
            Ok(bytes) => {
                self.report.count(|counters| &counters.written);
                let used = match self.used {
                    Some(used) => used + bytes,
                    None => self.look().iter().map(|file| file.bytes).sum(),
                };
                self.used = Some(used);
                if used > self.limit {
                    self.evict((self.limit as f64 * LOWER_SHARE) as u64);
                }
                Ok(())
            }
            Err(error) => {
                let _ = fs::remove_file(&temporary);
                Err(error)
            }
        }
    }

    /// All snapshots in the folder. What others left unfinished long ago is deleted.
    fn look(&self) -> Vec<Kept> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut files = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(metadata) = entry.metadata() else { continue };
            let Ok(used) = metadata.modified() else { continue };
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("page" | "tail") if metadata.is_file() => {
                    files.push(Kept { path, bytes: metadata.len(), used });
                }
                Some("new") if used.elapsed().is_ok_and(|age| age > ABANDONED) => {
                    let _ = fs::remove_file(&path);
                }
                _ => {}
            }
        }
        files
    }

    /// Delete the least recently used files until the others take at most `target` bytes.
    fn evict(&mut self, target: u64) {
        let mut files = self.look();
        let mut used: u64 = files.iter().map(|file| file.bytes).sum();
        files.sort_by_key(|file| file.used);
        for file in files {
            if used <= target {
                break;
            }
            if fs::remove_file(&file.path).is_ok() {
                used -= file.bytes;
                self.report.count(|counters| &counters.evicted);
            }
        }
        self.used = Some(used);
    }
}

/// A file in the folder.
struct Kept {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}

fn write_file(path: &Path, write: &Write) -> io::Result<u64> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    snapshot::write(&mut file, write.key, &write.tokens, &write.page)?;
    file.sync_data()?;
    Ok(file.metadata()?.len())
}

#[cfg(test)]
mod tests;
