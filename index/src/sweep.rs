//! Owns finding out what the tree holds now without walking it: known folders, known files, what decides over them.
//! Uses `walk` for the folders that changed, and for everything when a rule did.
//! Never opens a file, and never takes for unchanged what a stat cannot prove.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::codec::{Decoder, Encoder};
use crate::manifest::{Manifest, Record, is_racy, raw_path};
use crate::walk::{self, Deny, Found, Scope, Stat, Walked};

/// With more changed folders than one in so many, the whole walk is as fast.
const MANY: usize = 4;
/// So many stats are worth a thread.
const STATS_A_THREAD: usize = 500;

/// A folder that was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    /// Relative; empty for the root.
    pub(crate) raw: PathBuf,
    /// As it was before it was listed.
    pub(crate) stat: Stat,
    /// True when the stat cannot prove that nothing was added since.
    pub(crate) racy: bool,
}

/// A file, wherever it is, that decides what belongs to the tree: an ignore file, a mark of a generated folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guard {
    pub(crate) path: PathBuf,
    /// `None` while there is none.
    pub(crate) stat: Option<Stat>,
    pub(crate) racy: bool,
}

impl Guard {
    /// As it is now.
    pub(crate) fn of(path: PathBuf) -> Self {
        let now = now();
        let stat = std::fs::metadata(&path).ok().map(|metadata| Stat::of(&metadata));
        Self { racy: stat.is_some_and(|stat| is_racy(&stat, now)), path, stat }
    }

    /// Whether it is as it was.
    pub(crate) fn holds(&self) -> bool {
        let now = std::fs::metadata(&self.path).ok().map(|metadata| Stat::of(&metadata));
        // Of a repository, only whether it is there.
        let now = if self.path.ends_with(".git") { now.map(|_| Stat::default()) } else { now };
        !self.racy && now == self.stat
    }
}

/// What has to be unchanged for a tree to be swept without a walk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// By path. Empty before the first walk.
    pub(crate) folders: Vec<Folder>,
    /// Inside the tree.
    pub(crate) inner: Vec<Guard>,
    /// Above it, and the user's own.
    pub(crate) outer: Vec<Guard>,
}

impl Layout {
    /// The stored form.
    pub(crate) fn encode(&self, out: &mut Encoder) {
        out.number(self.folders.len() as u64);
        for folder in &self.folders {
            out.bytes(folder.raw.as_os_str().as_encoded_bytes());
            folder.stat.encode(out);
            out.number(u64::from(folder.racy));
        }
        for guards in [&self.inner, &self.outer] {
            out.number(guards.len() as u64);
            for guard in guards {
                out.bytes(guard.path.as_os_str().as_encoded_bytes());
                out.number(u64::from(guard.stat.is_some()) << 1 | u64::from(guard.racy));
                if let Some(stat) = guard.stat {
                    stat.encode(out);
                }
            }
        }
    }

    /// The stored form read back.
    pub(crate) fn decode(from: &mut Decoder<'_>) -> Option<Self> {
        let mut layout = Self::default();
        for _ in 0..from.count()? {
            let raw = raw_path(from.bytes()?);
            layout.folders.push(Folder { raw, stat: Stat::decode(from)?, racy: from.number()? == 1 });
        }
        for guards in [&mut layout.inner, &mut layout.outer] {
            for _ in 0..from.count()? {
                let path = raw_path(from.bytes()?);
                let flags = from.number()?;
                let stat = if flags & 2 == 2 { Some(Stat::decode(from)?) } else { None };
                guards.push(Guard { path, stat, racy: flags & 1 == 1 });
            }
        }
        Some(layout)
    }
}

/// What the tree holds now. Without a change of rules, only folders that changed are listed.
pub(crate) fn sweep(root: &Path, deny: &Deny, cache: &Path, manifest: &Manifest) -> Walked {
    let whole = || walk::walk(root, deny, cache, &Scope::All);
    let known = &manifest.layout;
    if known.folders.is_empty() || manifest.rules != deny.fingerprint() {
        return whole();
    }
    let outer = walk::outer_guards(root);
    if outer != known.outer || outer.iter().any(|guard| guard.racy) || !known.inner.iter().all(Guard::holds) {
        return whole();
    }
    let folders = in_parallel(&known.folders, &|folder: &Folder| {
        let metadata = std::fs::symlink_metadata(root.join(&folder.raw)).ok()?;
        Some(metadata.is_dir() && Stat::of(&metadata) == folder.stat && !folder.racy)
    });
    let mut changed = HashSet::new();
    let mut same = HashSet::new();
    for (folder, seen) in known.folders.iter().zip(&folders) {
        match seen {
            Some(true) => same.insert(folder.raw.as_path()),
            Some(false) => changed.insert(folder.raw.clone()),
            None => continue,
        };
    }
    if changed.len() * MANY > known.folders.len().max(MANY * 2) {
        return whole();
    }
    let mut walked = Walked::default();
    if !changed.is_empty() {
        let folders: HashSet<PathBuf> = known.folders.iter().map(|folder| folder.raw.clone()).collect();
        let is_new = |guard: &Guard| known.inner.binary_search_by(|one| one.path.cmp(&guard.path)).is_err();
        walked = walk::walk(root, deny, cache, &Scope::Folders { changed, known: folders.clone() });
        // A new rule in a folder that was there before decides over more than what is beside it.
        let decides = |guard: &Guard| {
            let folder = guard.path.parent().and_then(|folder| folder.strip_prefix(root).ok());
            is_new(guard) && folder.is_none_or(|folder| folders.contains(folder))
        };
        if walked.layout.inner.iter().any(decides) {
            return whole();
        }
    }
    let still = in_parallel(&manifest.records, &|record: &Record| {
        let found = |stat, skipped: Option<String>| {
            Some(Found { path: record.path.clone(), raw: record.raw.clone(), stat, skipped })
        };
        // A folder that cannot be listed is a record, too.
        if same.contains(record.raw.as_path()) {
            return found(record.stat, record.skipped.clone());
        }
        if !same.contains(record.raw.parent().unwrap_or(Path::new(""))) {
            return None;
        }
        let metadata = std::fs::symlink_metadata(root.join(&record.raw)).ok()?;
        if metadata.is_file() { found(Stat::of(&metadata), None) } else { None }
    });
    let listed: HashSet<PathBuf> = walked.layout.folders.iter().map(|folder| folder.raw.clone()).collect();
    walked.files.extend(still.into_iter().flatten());
    let kept = known.folders.iter().filter(|folder| same.contains(folder.raw.as_path()));
    walked.layout.folders.extend(kept.filter(|folder| !listed.contains(&folder.raw)).cloned());
    walked.layout.inner.extend(known.inner.iter().cloned());
    walked.layout.outer = outer;
    walked.settle();
    walked
}

/// Ask the same of many things, on as many threads as pay.
fn in_parallel<T: Sync, R: Send>(all: &[T], ask: &(dyn Fn(&T) -> Option<R> + Sync)) -> Vec<Option<R>> {
    let threads = (all.len() / STATS_A_THREAD).clamp(1, walk::threads().min(8));
    if threads == 1 {
        return all.iter().map(ask).collect();
    }
    let share = all.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let parts: Vec<_> = all
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(ask).collect::<Vec<_>>()))
            .collect();
        let mut answers = Vec::with_capacity(all.len());
        for (part, asked) in parts.into_iter().zip(all.chunks(share)) {
            // A thread that could not finish knows nothing.
            answers.extend(part.join().unwrap_or_else(|_| asked.iter().map(|_| None).collect()));
        }
        answers
    })
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> i128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128)
}
