//! Owns bringing the index up to date: what to read, in parallel, and one commit at the end.
//! Uses `sweep`, `walk`, `manifest`, `parse`, `chunk` and the writer of `store`.
//! Never answers queries.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};

use crate::collect::collect;
use crate::engine::{Engine, Snapshot};
use crate::manifest::{Manifest, Record, TOO_LARGE, is_racy, key_of};
use crate::parse::{LineIndex, Tags, languages};
use crate::store::{ChunkText, Documents, Failure, FileText, Sink, Store, Writer};
use crate::sweep::{self, now};
use crate::walk::{self, Found, Scope, Stat};
use crate::{IndexError, Progress, RefreshReport};

/// So many files, or so many bytes, a commit: what a killed first build has done is kept.
const BATCH: usize = 4_000;
const BATCH_BYTES: u64 = 48_000_000;
/// How long to wait for another process that writes, when there is an index to answer from meanwhile, and when not.
const PATIENCE: Duration = Duration::from_secs(3);
const PATIENCE_AT_FIRST: Duration = Duration::from_secs(60);
/// A NUL this early means binary; git looks as far.
const BINARY_PREFIX: usize = 8_000;
/// More threads than this wait for the disk and for memory rather than work.
const MOST_THREADS: usize = 16;

/// Bring the index up to date, for the whole tree or only some paths.
pub(crate) fn refresh(
    engine: &Engine,
    only: Option<&BTreeSet<PathBuf>>,
    progress: &mut dyn FnMut(Progress),
) -> Result<RefreshReport, IndexError> {
    progress(Progress { done: 0, total: 0 });
    let snapshot = engine.latest()?;
    let (root, cache) = (&engine.root, &engine.options.cache_dir);
    let walked = match only {
        Some(only) => walk::walk(root, &engine.deny, cache, &Scope::Paths(only.clone())),
        None => sweep::sweep(root, &engine.deny, cache, &snapshot.manifest),
    };
    let within = |path: &Path| only.is_none_or(|only| is_within(path, only));
    let compare =
        |manifest: &Manifest| manifest.compare(&walked.files, engine.options.max_file_bytes, Some(&within));
    // What a whole sweep says of the tree beside its files.
    let settle = |manifest: &mut Manifest| {
        if only.is_none() {
            manifest.rules = engine.deny.fingerprint();
            manifest.layout = walked.layout.clone();
        } else if manifest.rules != engine.deny.fingerprint() {
            manifest.rules = [0; 32];
        }
    };
    let difference = compare(&snapshot.manifest);
    let complete = snapshot.manifest.generation > 0;
    if difference.read.is_empty() && difference.removed.is_empty() && complete {
        let known = &snapshot.manifest;
        if only.is_none() && (known.rules != engine.deny.fingerprint() || known.layout != walked.layout) {
            let mut manifest = (**known).clone();
            settle(&mut manifest);
            remember(engine, &snapshot, manifest)?;
        }
        return Ok(report(known, &Done::default(), 0, engine.tell_damage()));
    }
    let patience = if complete { PATIENCE } else { PATIENCE_AT_FIRST };
    let Some(_lock) = engine.lock(patience)? else {
        // Somebody else is writing: answer from what is there, and look again next time.
        if let Some(watch) = engine.watch() {
            watch.doubt();
        }
        let snapshot = engine.latest()?;
        return Ok(report(&snapshot.manifest, &Done::default(), 0, false));
    };
    // Another process may have done the work while we waited.
    let snapshot = engine.latest_locked()?;
    let difference = compare(&snapshot.manifest);
    let mut manifest = (*snapshot.manifest).clone();
    settle(&mut manifest);
    let mut retired: Vec<u64> =
        difference.removed.iter().map(|record| record.key).filter(|&key| key != 0).collect();
    manifest.apply(&difference.removed, Vec::new());
    // A live set of some of the files must not pass for the whole tree: it is swept by a walk.
    let layout = std::mem::take(&mut manifest.layout);
    let store = engine.store();
    let writer = OnceLock::new();
    let taker = Taker { engine, store: &store, view: &*snapshot.view, writer: &writer };
    let total = difference.read.len() as u64;
    let (mut so_far, mut done) = (0, Done::default());
    for batch in batches(&difference.read) {
        let records = taker.take_in(&manifest, batch, &mut done, &mut |one| {
            so_far += one;
            progress(Progress { done: so_far, total });
        })?;
        for record in &records {
            let before = manifest.record_of(&record.path, &record.raw).map_or(0, |before| before.key);
            if before != 0 && before != record.key {
                retired.push(before);
            }
        }
        manifest.apply(&[], records);
        // Documents first, then the live set that names them. The last batch is written below.
        if so_far < total {
            taker.commit()?;
            manifest.generation += 1;
            engine.write_manifest(&manifest)?;
        }
    }
    taker.commit()?;
    manifest.layout = layout;
    // A doubt about fresh files may have been cleared up without anything else being new.
    if manifest.records != snapshot.manifest.records
        || manifest.rules != snapshot.manifest.rules
        || manifest.layout != snapshot.manifest.layout
        || manifest.generation == 0
    {
        manifest.generation += 1;
        let written = engine.write_manifest(&manifest)?;
        engine.install(manifest, written)?;
    }
    if writer.get().is_some() {
        store.tidy(&[]).map_err(|error| engine.failed(&error))?;
    }
    collect(engine, &engine.snapshot(), &retired)?;
    let removed = difference.removed.len() as u64;
    Ok(report(&engine.snapshot().manifest, &done, removed, engine.tell_damage()))
}

/// Whether a path, or a folder above it, is one of some.
fn is_within(path: &Path, only: &BTreeSet<PathBuf>) -> bool {
    // Every record of the tree is asked; taking a path apart costs more than comparing the beginnings of a few.
    let bytes = path.as_os_str().as_encoded_bytes();
    let may = only.len() > 16 || only.iter().any(|one| bytes.starts_with(one.as_os_str().as_encoded_bytes()));
    may && path.ancestors().any(|part| only.contains(part))
}

/// The report of a refresh that had nothing to do.
pub(crate) fn nothing_new(engine: &Engine, manifest: &Manifest) -> RefreshReport {
    report(manifest, &Done::default(), 0, engine.tell_damage())
}

/// Keep what saves the next sweep some work. Where somebody else writes just now, this process alone profits.
fn remember(engine: &Engine, snapshot: &Arc<Snapshot>, manifest: Manifest) -> Result<(), IndexError> {
    let lock = engine.lock(Duration::ZERO)?;
    if lock.is_some() && Arc::ptr_eq(&engine.latest()?, snapshot) {
        let mut manifest = manifest;
        manifest.generation += 1;
        let written = engine.write_manifest(&manifest)?;
        engine.publish(snapshot, manifest, written);
    } else {
        let stamp = snapshot.stamp;
        engine.publish(snapshot, manifest, stamp);
    }
    Ok(())
}

/// Cut the files into commits.
fn batches(files: &[Found]) -> Vec<&[Found]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, file) in files.iter().enumerate() {
        bytes += file.stat.bytes;
        if at + 1 - start >= BATCH || bytes >= BATCH_BYTES {
            batches.push(&files[start..=at]);
            (start, bytes) = (at + 1, 0);
        }
    }
    if start < files.len() {
        batches.push(&files[start..]);
    }
    batches
}

/// What became of the files that were read.
#[derive(Debug, Default, Clone, Copy)]
struct Done {
    indexed: u64,
    reused: u64,
}

fn report(manifest: &Manifest, done: &Done, removed: u64, rebuilt: bool) -> RefreshReport {
    RefreshReport {
        files: manifest.records.len() as u64,
        indexed: done.indexed,
        reused: done.reused,
        removed,
        skipped: manifest.records.iter().filter(|record| record.skipped.is_some()).count() as u64,
        rebuilt,
    }
}

/// What became of one file.
enum Taken {
    /// Its content is what it was.
    Touched(Record),
    /// Its content is new here, and its documents are there already.
    Known(Record),
    /// It was read and, unless the record says why not, its documents were added.
    Read(Record),
    /// It could not be read.
    Skipped(Record),
}

/// Reads, parses and adds files on all cores.
struct Taker<'a> {
    engine: &'a Engine,
    store: &'a Store,
    view: &'a dyn Documents,
    /// Made when the first file has documents to be written.
    writer: &'a OnceLock<Writer>,
}

impl Taker<'_> {
    /// Take in some files. Returns their new records.
    fn take_in(
        &self,
        known: &Manifest,
        files: &[Found],
        done: &mut Done,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<Record>, IndexError> {
        // Large files first: the last one to be taken should not be what all others wait for.
        let mut order: Vec<usize> = (0..files.len()).collect();
        order.sort_by_key(|&at| std::cmp::Reverse(files[at].stat.bytes));
        let next = AtomicUsize::new(0);
        let threads = walk::threads().min(files.len()).min(MOST_THREADS);
        let share = (threads, files.iter().map(|file| file.stat.bytes).sum::<u64>());
        let (sender, receiver) = mpsc::channel::<Result<Taken, Failure>>();
        let (mut records, mut failure) = (Vec::with_capacity(files.len()), None);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let (sender, next, order) = (sender.clone(), &next, &order);
                let work = move || {
                    let mut sink = None;
                    let mut failed = false;
                    while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let taken = self.take_one(known, &files[at], share, &mut sink);
                        failed = taken.is_err();
                        if sender.send(taken).is_err() || failed {
                            break;
                        }
                    }
                    if let Some(Err(error)) = sink.as_mut().filter(|_| !failed).map(Sink::close) {
                        drop(sender.send(Err(error)));
                    }
                };
                if threads == 1 {
                    // One file, as after each edit, needs no other thread.
                    work();
                } else {
                    scope.spawn(work);
                }
            }
            drop(sender);
            for taken in receiver {
                progress(u64::from(taken.is_ok()));
                match taken {
                    Ok(Taken::Touched(record) | Taken::Skipped(record)) => records.push(record),
                    Ok(Taken::Known(record)) => {
                        done.reused += 1;
                        records.push(record);
                    }
                    Ok(Taken::Read(record)) => {
                        done.indexed += 1;
                        records.push(record);
                    }
                    Err(error) => failure = Some(error),
                }
            }
        });
        match failure {
            Some(error) => Err(self.engine.failed(&error)),
            None => Ok(records),
        }
    }

    /// Show what was added.
    fn commit(&self) -> Result<(), IndexError> {
        self.writer.get().map_or(Ok(()), Writer::commit).map_err(|error| self.engine.failed(&error))
    }

    fn take_one<'b>(
        &'b self,
        known: &Manifest,
        file: &Found,
        (threads, bytes): (usize, u64),
        sink: &mut Option<Sink<'b>>,
    ) -> Result<Taken, Failure> {
        let mut record = Record {
            path: file.path.clone(),
            raw: file.raw.clone(),
            stat: file.stat,
            racy: false,
            hash: [0; 32],
            key: 0,
            language: languages::of(&file.path, "").name,
            skipped: file.skipped.clone(),
        };
        if record.skipped.is_some() {
            return Ok(Taken::Skipped(record));
        }
        let now = now();
        let (stat, content) =
            match read(&self.engine.root.join(&file.raw), self.engine.options.max_file_bytes) {
                Ok(read) => read,
                Err(reason) => {
                    record.skipped = Some(reason);
                    return Ok(Taken::Skipped(record));
                }
            };
        record.stat = stat;
        record.racy = is_racy(&stat, now);
        record.hash = *blake3::hash(&content).as_bytes();
        if let Some(before) = known.record_of(&file.path, &file.raw)
            && before.hash == record.hash
        {
            return Ok(Taken::Touched(Record { stat, racy: record.racy, ..before.clone() }));
        }
        let text = match text_of(content) {
            Ok(text) => text,
            Err(reason) => {
                record.skipped = Some(reason.to_owned());
                return Ok(Taken::Read(record));
            }
        };
        let language = languages::of(&file.path, &text);
        record.language = language.name;
        record.key = key_of(&record.raw, &record.hash);
        if self.view.holds(record.key) {
            return Ok(Taken::Known(record));
        }
        // A parser that gives up on one file must not take the others along.
        let path_is_test = crate::rank::is_test_path(&record.path);
        let tags = std::panic::catch_unwind(|| crate::parse::tags(&text, language, path_is_test));
        let Ok(tags) = tags else {
            record.key = 0;
            record.skipped = Some("could not be parsed".into());
            return Ok(Taken::Read(record));
        };
        let sink = match sink {
            Some(sink) => sink,
            empty => {
                let writer = self.writer.get_or_init(|| self.store.writer());
                empty.insert(writer.sink(threads, bytes))
            }
        };
        add_text(sink, &record, &text, &tags, path_is_test)?;
        Ok(Taken::Read(record))
    }
}

/// Read a file and its stat, or say why not.
fn read(path: &Path, max_bytes: u64) -> Result<(Stat, Vec<u8>), String> {
    let reason = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "gone".to_owned(),
        std::io::ErrorKind::PermissionDenied => "unreadable: permission denied".to_owned(),
        _ => format!("unreadable: {error}"),
    };
    let file = File::open(path).map_err(reason)?;
    let metadata = file.metadata().map_err(reason)?;
    if metadata.len() > max_bytes {
        return Err(TOO_LARGE.to_owned());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(reason)?;
    if bytes.len() as u64 > max_bytes {
        return Err(TOO_LARGE.to_owned());
    }
    Ok((Stat::of(&metadata), bytes))
}

/// Bytes as text, without a byte order mark.
pub(crate) fn text_of(bytes: Vec<u8>) -> Result<String, &'static str> {
    if memchr::memchr(0, &bytes[..bytes.len().min(BINARY_PREFIX)]).is_some() {
        return Err("binary");
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "not UTF-8")?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}

/// Cut a text into chunks and add its documents.
fn add_text(
    sink: &mut Sink<'_>,
    record: &Record,
    text: &str,
    tags: &Tags,
    path_is_test: bool,
) -> Result<(), Failure> {
    let lines = LineIndex::new(text);
    let definitions = &tags.definitions;
    let mut next = 0;
    let chunks = crate::chunk::chunks(text, &lines, definitions)
        .into_iter()
        .map(|chunk| {
            // Tags are in order of their places, so each is named in one chunk only.
            while definitions.get(next).is_some_and(|tag| tag.line < chunk.start) {
                next += 1;
            }
            let inside = definitions[next..].iter().take_while(|tag| tag.start_line <= chunk.end);
            let named: Vec<_> = inside.filter(|tag| (chunk.start..=chunk.end).contains(&tag.line)).collect();
            let symbol = chunk.symbol.and_then(|at| definitions.get(at));
            ChunkText {
                start: chunk.start,
                end: chunk.end,
                header: symbol.and_then(|tag| {
                    // A piece of a longer definition says what it is a piece of; others, what they stand in.
                    if tag.line < chunk.start { Some(tag.signature.as_str()) } else { tag.parent.as_deref() }
                }),
                text: lines.range(text, chunk.start, chunk.end),
                names: named
                    .iter()
                    .filter(|tag| tag.names_its_place())
                    .map(|tag| tag.name.as_str())
                    .collect(),
                docs: named.iter().filter_map(|tag| tag.doc.as_deref()).collect(),
                symbol: symbol.map(|tag| (tag.name.as_str(), tag.kind)),
                is_test: path_is_test || symbol.is_some_and(|tag| tag.is_test),
            }
        })
        .collect();
    sink.add(&FileText {
        key: record.key,
        path: &record.path,
        is_test: path_is_test,
        names: definitions.iter().filter(|tag| tag.is_symbol()).map(|tag| tag.name.as_str()).collect(),
        uses: crate::graph::places(tags, path_is_test),
        tags: tags.encode(),
        chunks,
    })
}

/// A lock on the cache folder that goes with the process that holds it.
#[derive(Debug)]
pub(crate) struct CacheLock {
    _file: File,
}

/// Wait for the lock; `None` when another process keeps it.
pub(crate) fn lock(cache: &Path, patience: Duration) -> std::io::Result<Option<CacheLock>> {
    let file = File::options().create(true).truncate(false).write(true).open(cache.join("lock"))?;
    let deadline = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(CacheLock { _file: file })),
            Err(std::fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
            // A file system without locks: tantivy's own lock file still keeps two writers apart.
            Err(std::fs::TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
                return Ok(Some(CacheLock { _file: file }));
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Whether bytes just read are what the index knows, which a stat alone cannot tell soon after a change.
pub(crate) fn is_known(record: &Record, content: &[u8]) -> bool {
    record.key != 0 && blake3::hash(content).as_bytes() == &record.hash
}

/// Whether a file is as the index knows it; `None` when it is gone.
pub(crate) fn is_current(root: &Path, record: &Record) -> Option<bool> {
    let metadata = std::fs::symlink_metadata(root.join(&record.raw)).ok()?;
    metadata.is_file().then(|| Stat::of(&metadata) == record.stat && !record.racy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expect: Result<&str, &str>) {
        assert_eq!(text_of(bytes.to_vec()).as_deref().map_err(|reason| *reason), expect);
    }

    #[test]
    fn bytes_become_text_or_a_reason() {
        check(b"plain", Ok("plain"));
        check(b"\xef\xbb\xbfmarked", Ok("marked"));
        check(b"a\0b", Err("binary"));
        check(b"latin \xe9", Err("not UTF-8"));
        check(b"", Ok(""));
    }
}
