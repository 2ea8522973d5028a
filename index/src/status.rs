//! Owns what can be said of an index as a whole: how much it holds, how large and how old it is.
//! Uses the list of files and the folder on disk.
//! Never reads the tree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use crate::engine::Engine;

/// What an index holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Files of the tree that it knows.
    pub files: usize,
    /// Those it can search.
    pub searchable: usize,
    /// Spans of them.
    pub spans: u64,
    /// Bytes of the files it can search.
    pub source_bytes: u64,
    /// Bytes of the index on disk; several worktrees of a repository share them.
    pub disk_bytes: u64,
    /// Seconds since it last took something in; `None` when it never did.
    pub age_seconds: Option<u64>,
    /// Searchable files by language.
    pub languages: BTreeMap<String, usize>,
    /// Where it lies.
    pub folder: PathBuf,
}

pub(crate) fn status(engine: &Engine) -> Status {
    let snapshot = engine.snapshot();
    let mut languages = BTreeMap::new();
    let (mut searchable, mut source_bytes, mut files) = (0, 0, 0);
    for record in &snapshot.manifest.records {
        if !engine.may_show(&snapshot.manifest, record) {
            continue;
        }
        files += 1;
        if record.key != 0 {
            searchable += 1;
            source_bytes += record.stat.bytes;
            *languages.entry(record.language.to_owned()).or_default() += 1;
        }
    }
    let folder = engine.options.cache_dir.clone();
    let (mut disk_bytes, mut newest) = (0, None);
    measure(&folder, &mut disk_bytes, &mut newest);
    let age = newest.filter(|_| files > 0).and_then(|time| SystemTime::now().duration_since(time).ok());
    Status {
        files,
        searchable,
        spans: snapshot.view.spans(),
        source_bytes,
        disk_bytes,
        age_seconds: age.map(|age| age.as_secs()),
        languages,
        folder,
    }
}

/// Add up a folder of the index: it is two levels deep.
fn measure(folder: &Path, bytes: &mut u64, newest: &mut Option<SystemTime>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            measure(&entry.path(), bytes, newest);
        } else {
            *bytes += metadata.len();
            // Locks are touched by readers too.
            if entry.file_name() != "lock"
                && let Ok(time) = metadata.modified()
            {
                *newest = Some(newest.map_or(time, |before| before.max(time)));
            }
        }
    }
}
