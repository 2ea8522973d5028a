//! Owns when documents that no tree names any more are dropped: by age, and by how many there are.
//! Uses the live sets of all trees that share the store.
//! Never drops what a live set names, and never works without the lock.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::IndexError;
use crate::codec::{Decoder, Encoder};
use crate::engine::{Engine, Snapshot, live_sets};
use crate::store::replace;
use crate::sweep::now;

/// A branch that nobody went back to for so long is read again if somebody does.
const OLDEST: u64 = 14 * 24 * 3600;
/// So many documents beyond as many as are alive may be dead: a switch to another branch and back reads nothing.
const SPARE: u64 = 20_000;

/// Keys that a tree stopped naming, with the second since 1970 when it did. A key may be named again meanwhile.
type Retired = Vec<(u64, u64)>;

/// Note that a tree does not name some keys any more, and drop what has been dead for long enough. The caller holds the
/// lock, and `snapshot` is of now.
pub(crate) fn collect(engine: &Engine, snapshot: &Snapshot, retired_now: &[u64]) -> Result<(), IndexError> {
    let cache = &engine.options.cache_dir;
    let seconds = u64::try_from(now() / 1_000_000_000).unwrap_or(0);
    let mut retired = read(cache);
    retired.extend(retired_now.iter().map(|&key| (key, seconds)));
    let (mut all, mut live) = (0, 0);
    for (key, documents) in snapshot.view.keys() {
        all += u64::from(documents);
        live += u64::from(documents) * u64::from(snapshot.manifest.holds(key));
    }
    let expired = retired.first().is_some_and(|(_, since)| since + OLDEST < seconds);
    if !expired && all <= 2 * live + SPARE {
        return if retired_now.is_empty() { Ok(()) } else { write(cache, &retired) };
    }
    let named: HashSet<u64> = live_sets(cache).iter().flat_map(|live| live.keys()).collect();
    let since = |key: u64| retired.iter().find(|(one, _)| *one == key).map_or(seconds, |(_, since)| *since);
    let mut dead: Vec<(u64, u64, u64)> = Vec::new();
    for (key, documents) in snapshot.view.keys().filter(|(key, _)| !named.contains(key)) {
        dead.push((since(key), key, u64::from(documents)));
    }
    dead.sort_unstable();
    let mut left: u64 = dead.iter().map(|(_, _, documents)| documents).sum();
    let most = all - left + SPARE;
    // Once it is too much, half of it goes, so that this is not done at every change.
    let aim = if left > most { most / 2 } else { most };
    let mut doomed = Vec::new();
    let mut kept = Retired::new();
    for (since, key, documents) in dead {
        if since + OLDEST < seconds || left > aim {
            left -= documents;
            doomed.push(key);
        } else {
            kept.push((key, since));
        }
    }
    if !doomed.is_empty() {
        engine.store().tidy(&doomed).map_err(|error| engine.failed(&error))?;
        engine.reload()?;
    }
    write(cache, &kept)
}

fn path(cache: &Path) -> PathBuf {
    cache.join("retired")
}

/// What cannot be read is forgotten: those keys count as retired when they are next looked at.
fn read(cache: &Path) -> Retired {
    let Ok(bytes) = fs::read(path(cache)) else { return Retired::new() };
    let mut from = Decoder::new(&bytes);
    let mut retired = Retired::new();
    while let (Some(key), Some(since)) = (from.number(), from.number()) {
        retired.push((key, since));
    }
    retired
}

fn write(cache: &Path, retired: &Retired) -> Result<(), IndexError> {
    let mut out = Encoder::default();
    for &(key, since) in retired {
        out.number(key);
        out.number(since);
    }
    let path = path(cache);
    replace(&path, &out.finish()).map_err(|source| IndexError::Io { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Index, Options};

    #[test]
    fn what_has_been_dead_for_long_is_dropped_and_read_again_when_it_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("project");
        fs::create_dir_all(&root).expect("a root");
        let options =
            Options { cache_dir: folder.path().join("cache"), max_file_bytes: 1_000, deny: Vec::new() };
        let index = Index::open(&root, options).expect("an index");
        let refresh = || index.refresh(&mut |_| {}).expect("a refresh");
        let write = |path: &str, text: &str| fs::write(root.join(path), text).expect("a file");
        let keys = || index.engine.snapshot().view.keys().map(|(key, _)| key).collect::<Vec<_>>();
        write("steady.rs", "fn steady() {}");
        write("a.rs", "fn old_one() {}");
        refresh();
        write("a.rs", "fn new_one() {}\n");
        refresh();
        let cache = &index.engine.options.cache_dir;
        let retired = read(cache);
        assert_eq!((retired.len(), keys().len()), (1, 3), "the old content is dead and kept");
        // As if that had been long ago.
        write_retired(cache, retired[0].0);
        write("steady.rs", "fn steady() {}\n");
        refresh();
        assert!(!keys().contains(&retired[0].0), "it is dropped");
        assert!(index.defines("new_one") && index.defines("steady"));
        assert_eq!(keys().len(), 3, "what died today is kept");
        write("a.rs", "fn old_one() {}");
        let report = refresh();
        assert_eq!((report.indexed, report.reused), (1, 0));
        assert!(index.defines("old_one"));
    }

    fn write_retired(cache: &Path, key: u64) {
        write(cache, &vec![(key, 1)]).expect("a list");
    }
}
