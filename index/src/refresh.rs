//! Owns bringing the index up to date: what to read, in parallel, and one commit at the end.
//! Uses `walk`, `manifest`, `parse`, `chunk` and the writer of `store`.
//! Never answers queries.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::engine::Engine;
use crate::manifest::{Manifest, Record, TOO_LARGE, is_racy};
use crate::parse::{LineIndex, languages};
use crate::store::{ChunkText, FileText, Writer};
use crate::walk::{self, Found, Stat};
use crate::{IndexError, Progress, RefreshReport};

/// So many files a commit: what a killed first build has done is kept.
const BATCH: usize = 4_000;
/// How long to wait for another process that writes, when there is an index to answer from meanwhile, and when not.
const PATIENCE: Duration = Duration::from_secs(3);
const PATIENCE_AT_FIRST: Duration = Duration::from_secs(60);
/// A NUL this early means binary; git looks as far.
const BINARY_PREFIX: usize = 8_000;

/// Bring the index up to date, for the whole tree or only some paths.
pub(crate) fn refresh(
    engine: &Engine,
    only: Option<&BTreeSet<PathBuf>>,
    progress: &mut dyn FnMut(Progress),
) -> Result<RefreshReport, IndexError> {
    progress(Progress { done: 0, total: 0 });
    let found = walk::walk(&engine.root, &engine.deny, &engine.options.cache_dir, only);
    let within = |path: &Path| only.is_none_or(|only| path.ancestors().any(|part| only.contains(part)));
    let snapshot = engine.latest()?;
    let difference = snapshot.manifest.compare(&found, engine.options.max_file_bytes, Some(&within));
    let complete = snapshot.manifest.generation > 0;
    let rules = if only.is_none() { engine.deny.fingerprint() } else { snapshot.manifest.rules };
    if difference.read.is_empty() && difference.removed.is_empty() && complete {
        if snapshot.manifest.rules != rules {
            let mut manifest = (*snapshot.manifest).clone();
            manifest.rules = rules;
            engine.publish(&snapshot, manifest);
        }
        return Ok(report(&snapshot.manifest, 0, 0, engine.tell_damage()));
    }
    let patience = if complete { PATIENCE } else { PATIENCE_AT_FIRST };
    let Some(_lock) = engine.lock(patience)? else {
        // Somebody else is writing: answer from what is there.
        let snapshot = engine.latest()?;
        return Ok(report(&snapshot.manifest, 0, 0, false));
    };
    // Another process may have done the work while we waited.
    let snapshot = engine.latest()?;
    let complete = snapshot.manifest.generation > 0;
    let difference = snapshot.manifest.compare(&found, engine.options.max_file_bytes, Some(&within));
    let mut manifest = (*snapshot.manifest).clone();
    manifest.rules = if only.is_none() || manifest.rules == engine.deny.fingerprint() {
        engine.deny.fingerprint()
    } else {
        [0; 32]
    };
    let (touched, changed) = sort_out(engine, &manifest, difference.read);
    let only_settled = touched.iter().all(|record| {
        manifest.record_of(&record.path, &record.raw).is_some_and(|old| old.stat == record.stat)
    });
    manifest.apply(&difference.removed, touched);
    if changed.is_empty() && difference.removed.is_empty() && only_settled && complete {
        // Nothing but a doubt about fresh files was cleared up; that is not worth a commit.
        engine.publish(&snapshot, manifest);
        return Ok(report(&engine.snapshot().manifest, 0, 0, false));
    }
    let store = engine.store();
    let mut writer = store.writer(writer_threads(changed.len())).map_err(|error| engine.failed(&error))?;
    for record in difference.removed.iter().filter(|record| record.key != 0) {
        writer.remove(record.key);
    }
    let total = changed.len() as u64;
    let (mut done, mut indexed) = (0, 0);
    let mut batches = changed.chunks(BATCH).peekable();
    loop {
        indexed += take_in(engine, &writer, &mut manifest, batches.next().unwrap_or_default(), &mut |one| {
            done += one;
            progress(Progress { done, total });
        })?;
        manifest.generation += 1;
        let payload = engine.write_manifest(&manifest)?;
        writer.commit(&payload).map_err(|error| engine.failed(&error))?;
        if batches.peek().is_none() {
            break;
        }
    }
    writer.finish().map_err(|error| engine.failed(&error))?;
    engine.reload()?;
    Ok(report(&engine.snapshot().manifest, indexed, difference.removed.len() as u64, engine.tell_damage()))
}

/// Tell files that were only touched from files with new content. The former get a new record at once.
fn sort_out(engine: &Engine, manifest: &Manifest, files: Vec<Found>) -> (Vec<Record>, Vec<Found>) {
    let (mut touched, mut changed) = (Vec::new(), Vec::new());
    for file in files {
        let same = manifest
            .record_of(&file.path, &file.raw)
            .filter(|record| record.hash != [0; 32] && file.skipped.is_none())
            .and_then(|record| {
                let now = now();
                let (stat, bytes) = read(&engine.root.join(&file.raw), engine.options.max_file_bytes).ok()?;
                let same = blake3::hash(&bytes).as_bytes() == &record.hash;
                same.then(|| Record { stat, racy: is_racy(&stat, now), ..record.clone() })
            });
        match same {
            Some(record) => touched.push(record),
            None => changed.push(file),
        }
    }
    (touched, changed)
}

fn now() -> i128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128)
}

fn report(manifest: &Manifest, indexed: u64, removed: u64, rebuilt: bool) -> RefreshReport {
    RefreshReport {
        files: manifest.records.len() as u64,
        indexed,
        removed,
        skipped: manifest.records.iter().filter(|record| record.skipped.is_some()).count() as u64,
        rebuilt,
    }
}

/// One writer thread keeps up with two cores that parse, and each costs 15 MB.
fn writer_threads(files: usize) -> usize {
    if files < 64 { 1 } else { (walk::threads() / 3).clamp(1, 4) }
}

/// What became of one file.
struct Taken {
    record: Record,
    /// The key whose documents it replaces.
    replaces: u64,
    was_read: bool,
}

/// Read, parse and add some files on all cores. Returns how many had new content.
fn take_in(
    engine: &Engine,
    writer: &Writer,
    manifest: &mut Manifest,
    files: &[Found],
    progress: &mut dyn FnMut(u64),
) -> Result<u64, IndexError> {
    let next = AtomicUsize::new(0);
    let first_key = manifest.next_key;
    manifest.next_key += files.len() as u64;
    let (sender, receiver) = mpsc::channel::<Result<Taken, crate::store::Failure>>();
    let known = &*manifest;
    let threads = walk::threads().min(files.len()).min(16);
    let (mut records, mut indexed, mut failure) = (Vec::with_capacity(files.len()), 0, None);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(file) = files.get(at) else { break };
                    let taken = take_one(engine, writer, known, file, first_key + at as u64);
                    let failed = taken.is_err();
                    if sender.send(taken).is_err() || failed {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for taken in receiver {
            match taken {
                Ok(taken) => {
                    if taken.replaces != 0 {
                        writer.remove(taken.replaces);
                    }
                    indexed += u64::from(taken.was_read);
                    records.push(taken.record);
                    progress(1);
                }
                Err(error) => failure = Some(error),
            }
        }
    });
    if let Some(error) = failure {
        return Err(engine.failed(&error));
    }
    manifest.apply(&[], records);
    Ok(indexed)
}

fn take_one(
    engine: &Engine,
    writer: &Writer,
    known: &Manifest,
    file: &Found,
    key: u64,
) -> Result<Taken, crate::store::Failure> {
    let replaces = known.record_of(&file.path, &file.raw).map_or(0, |record| record.key);
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
        return Ok(Taken { record, replaces, was_read: false });
    }
    let now = now();
    let (stat, bytes) = match read(&engine.root.join(&file.raw), engine.options.max_file_bytes) {
        Ok(read) => read,
        Err(reason) => {
            record.skipped = Some(reason);
            return Ok(Taken { record, replaces, was_read: false });
        }
    };
    record.stat = stat;
    record.racy = is_racy(&stat, now);
    record.hash = *blake3::hash(&bytes).as_bytes();
    let text = match text_of(bytes) {
        Ok(text) => text,
        Err(reason) => {
            record.skipped = Some(reason.to_owned());
            return Ok(Taken { record, replaces, was_read: true });
        }
    };
    let language = languages::of(&file.path, &text);
    record.language = language.name;
    record.key = key;
    // A parser that gives up on one file must not take the others along.
    let taken = std::panic::catch_unwind(AssertUnwindSafe(|| index_text(writer, &record, &text)));
    match taken {
        Ok(added) => added?,
        Err(_) => {
            record.key = 0;
            record.skipped = Some("could not be parsed".into());
        }
    }
    Ok(Taken { record, replaces, was_read: true })
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
    if bytes.iter().take(BINARY_PREFIX).any(|&byte| byte == 0) {
        return Err("binary");
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "not UTF-8")?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}

fn index_text(writer: &Writer, record: &Record, text: &str) -> Result<(), crate::store::Failure> {
    let path_is_test = crate::rank::is_test_path(&record.path);
    let language = languages::named(record.language);
    let tags = crate::parse::tags(text, language, path_is_test);
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
                names: named.iter().map(|tag| tag.name.as_str()).collect(),
                docs: named.iter().filter_map(|tag| tag.doc.as_deref()).collect(),
                symbol: symbol.map(|tag| (tag.name.as_str(), tag.kind)),
                is_test: path_is_test || symbol.is_some_and(|tag| tag.is_test),
            }
        })
        .collect();
    writer.add(&FileText {
        key: record.key,
        path: &record.path,
        text,
        is_test: path_is_test,
        names: definitions.iter().filter(|tag| tag.is_symbol()).map(|tag| tag.name.as_str()).collect(),
        uses: crate::graph::places(&tags, path_is_test),
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
