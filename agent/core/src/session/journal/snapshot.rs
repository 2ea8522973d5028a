//! Owns what a tree looked like before a command: every path that is followed, with its content kept.
//! Uses sizes, times and inode numbers, so that only what changed is read again.
//! Never trusts a time that is as young as the look itself.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::coverage::{Cover, Coverage, LIGHT_WHY};
use super::state::FileState;
use super::store::Store;

/// What tells whether a file was changed, without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    mode: u32,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    #[cfg(unix)]
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mode: metadata.mode(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    #[cfg(not(unix))]
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        let modified = metadata.modified().ok();
        let since = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let time = since.map_or((0, 0), |since| (since.as_secs() as i64, i64::from(since.subsec_nanos())));
        Self { size: metadata.len(), modified: time, changed: time, ..Self::default() }
    }

    /// Whether a change right after the look could have left the same stamp: clocks of file systems tick slowly.
    fn is_young(&self, now: SystemTime) -> bool {
        // Four ticks of the slowest kernel clock (100 Hz).
        let limit = now.checked_sub(Duration::from_millis(40)).unwrap_or(SystemTime::UNIX_EPOCH);
        let since = limit.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let limit = (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), i64::from(since.subsec_nanos()));
        self.changed >= limit || self.modified >= limit
    }
}

/// One path as it was.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    stamp: Stamp,
    /// Its times were as young as the look.
    young: bool,
    pub(super) state: FileState,
}

/// A tree as it was. Paths are absolute.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub(super) paths: BTreeMap<PathBuf, Seen>,
    /// What could not be followed, and why; folders that are light are not in it.
    pub(super) left_out: Vec<(PathBuf, String)>,
}

/// What a look is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// A command is about to run: what cannot be kept must be known now.
    Before,
    /// It ran: what it left is kept where there is room, and known in any case.
    After,
}

/// One path that is not what it was.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    pub(super) path: PathBuf,
    pub(super) before: FileState,
    pub(super) after: FileState,
}

impl Snapshot {
    /// Look at the tree and keep the content of what is not kept yet. What has the stamp it had is not read again.
    pub(super) fn take(
        coverage: &Coverage,
        store: &Store,
        known: Option<&Self>,
        look: Look,
    ) -> io::Result<Self> {
        let mut snapshot = Self::default();
        let now = SystemTime::now();
        let (mut files, mut bytes) = (0_usize, 0_u64);
        let mut failed = None;
        coverage.walk(&mut |path, metadata, cover| {
            if failed.is_some() {
                return;
            }
            let metadata = match metadata {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return,
                Err(error) => {
                    snapshot.left_out.push((path.into(), format!("it cannot be read: {error}")));
                    return;
                }
            };
            let stamp = Stamp::of(&metadata);
            let young = stamp.is_young(now);
            let before = known.and_then(|known| known.paths.get(path));
            files += 1;
            let over = files > store.limits.scan_files;
            let state = match before {
                Some(before) if before.stamp == stamp && !before.young => before.state.clone(),
                _ if cover == Cover::Light => FileState::Uncovered { why: LIGHT_WHY.into() },
                _ if metadata.is_file() && over => {
                    let why = format!("the tree has more than {} files", store.limits.scan_files);
                    FileState::Omitted { hash: String::new(), why }
                }
                _ if metadata.is_file() && bytes + metadata.len() > store.limits.scan_bytes => {
                    let why = format!("the tree has more than {} bytes", store.limits.scan_bytes);
                    FileState::Omitted { hash: String::new(), why }
                }
                _ if metadata.is_file() && metadata.len() > store.limits.scan_file_bytes => {
                    let why = format!(
                        "it has {} bytes, and files up to {} are kept before a command runs",
                        metadata.len(),
                        store.limits.scan_file_bytes
                    );
                    FileState::Omitted { hash: String::new(), why }
                }
                _ => match store.keep_if_readable(path, store.limits.scan_file_bytes) {
                    Ok(FileState::Missing) => return,
                    Ok(state) => state,
                    Err(error) if look == Look::Before => {
                        failed = Some(error);
                        return;
                    }
                    Err(error) => FileState::of(path).unwrap_or_else(|_| FileState::Omitted {
                        hash: String::new(),
                        why: format!("it cannot be kept: {error}"),
                    }),
                },
            };
            if let FileState::File { bytes: size, .. } = &state {
                bytes += size;
            }
            if let FileState::Omitted { why, .. } = &state {
                snapshot.left_out.push((path.into(), why.clone()));
            }
            snapshot.paths.insert(path.into(), Seen { stamp, young, state });
        });
        if let Some(error) = failed {
            return Err(error);
        }
        match (store.commit(), look) {
            (Err(error), Look::Before) => Err(error),
            _ => Ok(snapshot),
        }
    }

    /// What is different in `after`, and the paths of light folders in which something happened.
    pub(super) fn compare(&self, after: &Self) -> (Vec<Difference>, Vec<PathBuf>) {
        let mut found = Vec::new();
        let mut light = Vec::new();
        let light_above = |snapshot: &Self, path: &Path| {
            path.ancestors().skip(1).any(|above| {
                snapshot
                    .paths
                    .get(above)
                    .is_some_and(|seen| matches!(seen.state, FileState::Uncovered { .. }))
            })
        };
        for (path, before) in &self.paths {
            let now = match after.paths.get(path) {
                Some(now) => now.state.clone(),
                // It may still be there, in a folder that has become too large to follow.
                None if light_above(after, path) => FileState::of(path).unwrap_or(FileState::Other),
                None => FileState::Missing,
            };
            let touched = || after.paths.get(path).is_some_and(|now| now.stamp != before.stamp);
            match (&before.state, &now) {
                (FileState::Uncovered { .. }, FileState::Directory { .. } | FileState::Uncovered { .. }) => {
                    if touched() {
                        light.push(path.clone());
                    }
                }
                // Nobody knows what was in it: its size and times say whether it is another file now.
                (FileState::Omitted { hash, .. }, FileState::Omitted { .. } | FileState::File { .. })
                    if hash.is_empty() =>
                {
                    if touched() {
                        found.push(Difference {
                            path: path.clone(),
                            before: before.state.clone(),
                            after: now,
                        });
                    }
                }
                (before_state, now_state) if before_state.same(now_state) => {}
                _ => found.push(Difference { path: path.clone(), before: before.state.clone(), after: now }),
            }
        }
        for (path, now) in &after.paths {
            if !self.paths.contains_key(path) && !light_above(self, path) {
                found.push(Difference {
                    path: path.clone(),
                    before: FileState::Missing,
                    after: now.state.clone(),
                });
            }
        }
        found.sort_by(|one, two| one.path.cmp(&two.path));
        (found, light)
    }

    /// The hashes that its paths have.
    pub(super) fn hashes(&self) -> impl Iterator<Item = &str> {
        self.paths.values().filter_map(|seen| seen.state.hash())
    }
}
