//! Owns the live set of a tree: its files as the index has taken them in, and what must be read again.
//! Uses `codec` and blake3.
//! Never writes in place, and names no document before it is committed.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::codec::{Decoder, Encoder};
use crate::store::ByKey;
use crate::sweep::Layout;
use crate::walk::{Found, Stat};

/// Changes with the stored form and with anything that changes what is stored; an older index is then built again.
pub(crate) const FORMAT: u64 = 9;

/// A file written this short a time before it was read may change again without a new date.
const RACY: i128 = 50_000_000;
/// The same where the file system keeps whole seconds only.
const RACY_COARSE: i128 = 2_000_000_000;

/// Fewer files than this are looked up one by one.
const FEW: usize = 64;

/// Why a file above the limit is not read.
pub(crate) const TOO_LARGE: &str = "too large";

/// What the index knows of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) path: String,
    pub(crate) raw: PathBuf,
    pub(crate) stat: Stat,
    /// True when the stat cannot prove that the file is unchanged.
    pub(crate) racy: bool,
    pub(crate) hash: [u8; 32],
    /// Names the file's documents in the store, see [`key_of`]; 0 when there are none.
    pub(crate) key: u64,
    pub(crate) language: &'static str,
    pub(crate) skipped: Option<String>,
}

/// All files, by path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manifest {
    pub(crate) root: PathBuf,
    pub(crate) generation: u64,
    /// The deny patterns that held when the whole tree was last walked: no record is denied by these.
    /// Zeros when files were taken in under others since.
    pub(crate) rules: [u8; 32],
    /// What the last walk saw beside files.
    pub(crate) layout: Layout,
    pub(crate) records: Vec<Record>,
    by_key: ByKey<usize>,
}

/// What differs between the tree and the manifest.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// New files, and files whose stat changed.
    pub(crate) read: Vec<Found>,
    /// Keys and paths of files that are gone.
    pub(crate) removed: Vec<Record>,
}

impl Manifest {
    /// An empty one.
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.into(), ..Self::default() }
    }

    /// The record of a key.
    pub(crate) fn by_key(&self, key: u64) -> Option<&Record> {
        self.records.get(*self.by_key.get(&key)?)
    }

    /// Whether documents of a key belong to the tree.
    pub(crate) fn holds(&self, key: u64) -> bool {
        self.by_key.contains_key(&key)
    }

    /// The keys of all documents of the tree.
    pub(crate) fn keys(&self) -> impl Iterator<Item = u64> {
        self.by_key.keys().copied()
    }

    /// Forget what the index knows of files whose documents are gone: they are read again.
    pub(crate) fn forget_missing(&mut self, is_there: &dyn Fn(u64) -> bool) {
        for record in &mut self.records {
            if record.key != 0 && !is_there(record.key) {
                self.by_key.remove(&record.key);
                (record.key, record.racy, record.hash) = (0, true, [0; 32]);
            }
        }
    }

    /// The record of a path as the system has it; two such paths can be shown as the same.
    pub(crate) fn record_of(&self, path: &str, raw: &Path) -> Option<&Record> {
        let at = self.records.partition_point(|record| record.path.as_str() < path);
        self.records[at..].iter().take_while(|record| record.path == path).find(|record| record.raw == raw)
    }

    /// Compare with what a walk found, files above `max_bytes` being too large. With `only`, files outside of these paths are left alone.
    pub(crate) fn compare(
        &self,
        found: &[Found],
        max_bytes: u64,
        only: Option<&dyn Fn(&Path) -> bool>,
    ) -> Difference {
        // For a few paths a look into the sorted list is cheaper than a table of all.
        let table: HashMap<&OsStr, &Record> = if found.len() < FEW {
            HashMap::new()
        } else {
            self.records.iter().map(|record| (record.raw.as_os_str(), record)).collect()
        };
        let known = |file: &Found| {
            if found.len() < FEW {
                self.record_of(&file.path, &file.raw)
            } else {
                table.get(file.raw.as_os_str()).copied()
            }
        };
        let mut difference = Difference::default();
        let mut seen = HashSet::with_capacity(found.len());
        for file in found {
            seen.insert(file.raw.as_os_str());
            let unchanged = known(file).is_some_and(|record| {
                let same_limit =
                    (record.stat.bytes > max_bytes) == (record.skipped.as_deref() == Some(TOO_LARGE));
                record.stat == file.stat
                    && !record.racy
                    && same_limit
                    && (file.skipped.is_none() || file.skipped == record.skipped)
            });
            if !unchanged {
                difference.read.push(file.clone());
            }
        }
        difference.removed = self
            .records
            .iter()
            .filter(|record| {
                only.is_none_or(|only| only(&record.raw)) && !seen.contains(record.raw.as_os_str())
            })
            .cloned()
            .collect();
        difference
    }

    /// Replace and remove records.
    pub(crate) fn apply(&mut self, removed: &[Record], new: Vec<Record>) {
        if removed.is_empty() && new.is_empty() {
            return;
        }
        let gone: HashSet<&OsStr> = removed.iter().chain(&new).map(|record| record.raw.as_os_str()).collect();
        self.records.retain(|record| !gone.contains(record.raw.as_os_str()));
        self.records.extend(new);
        self.settle();
    }

    fn settle(&mut self) {
        self.records.sort_by(|one, other| one.path.cmp(&other.path).then_with(|| one.raw.cmp(&other.raw)));
        self.by_key = self
            .records
            .iter()
            .enumerate()
            .filter(|(_, record)| record.key != 0)
            .map(|(at, record)| (record.key, at))
            .collect();
    }

    /// The stored form, its hash at the end.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.number(FORMAT);
        out.bytes(self.root.as_os_str().as_encoded_bytes());
        out.number(self.generation);
        out.bytes(&self.rules);
        self.layout.encode(&mut out);
        out.number(self.records.len() as u64);
        for record in &self.records {
            out.text(&record.path);
            let raw = record.raw.as_os_str().as_encoded_bytes();
            out.bytes(if raw == record.path.as_bytes() { &[] } else { raw });
            record.stat.encode(&mut out);
            out.number(u64::from(record.racy));
            out.bytes(&record.hash);
            out.number(record.key);
            out.text(record.language);
            out.optional(record.skipped.as_deref());
        }
        let mut bytes = out.finish();
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        bytes
    }

    /// The stored form read back.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unusable> {
        let (body, hash) = bytes.split_last_chunk::<32>().ok_or(Unusable::Damaged)?;
        if blake3::hash(body).as_bytes() != hash {
            return Err(Unusable::Damaged);
        }
        let mut from = Decoder::new(body);
        if from.number() != Some(FORMAT) {
            return Err(Unusable::OtherFormat);
        }
        Self::decode_body(&mut from).ok_or(Unusable::Damaged)
    }

    fn decode_body(from: &mut Decoder<'_>) -> Option<Self> {
        let mut manifest = Self {
            root: raw_path(from.bytes()?),
            generation: from.number()?,
            rules: from.bytes()?.try_into().ok()?,
            layout: Layout::decode(from)?,
            ..Self::default()
        };
        for _ in 0..from.count()? {
            let path = from.text()?.to_owned();
            let raw = from.bytes()?;
            manifest.records.push(Record {
                raw: if raw.is_empty() { PathBuf::from(&path) } else { raw_path(raw) },
                path,
                stat: Stat::decode(from)?,
                racy: from.number()? == 1,
                hash: from.bytes()?.try_into().ok()?,
                key: from.number()?,
                language: crate::parse::languages::named(from.text()?).name,
                skipped: from.optional()?.map(str::to_owned),
            });
        }
        manifest.settle();
        Some(manifest)
    }
}

/// Names the documents of a file with some content. Trees that share a store agree on it without asking each other; of a
/// million files, two get the same name once in forty million stores.
pub(crate) fn key_of(raw: &Path, hash: &[u8; 32]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(hash);
    hasher.update(raw.as_os_str().as_encoded_bytes());
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    u64::from_le_bytes(first).max(1)
}

/// Why a stored manifest is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Not what was written.
    Damaged,
    /// Written by another version.
    OtherFormat,
}

#[cfg(unix)]
pub(crate) fn raw_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
pub(crate) fn raw_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// Whether a file read at `now` might change again without its stat showing it.
pub(crate) fn is_racy(stat: &Stat, now: i128) -> bool {
    let margin = if stat.modified % 1_000_000_000 == 0 { RACY_COARSE } else { RACY };
    stat.modified.max(stat.changed) + margin > now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(path: &str, modified: i128, key: u64) -> Record {
        Record {
            path: path.into(),
            raw: path.into(),
            stat: Stat { bytes: 1, modified, changed: 0, inode: 0 },
            racy: false,
            hash: [7; 32],
            key,
            language: "rust",
            skipped: None,
        }
    }

    fn found(path: &str, modified: i128) -> Found {
        let Record { path, raw, stat, .. } = record(path, modified, 0);
        Found { path, raw, stat, skipped: None }
    }

    #[test]
    fn it_reads_what_it_wrote() {
        let mut manifest = Manifest::new(Path::new("/r"));
        manifest.apply(&[], vec![record("b.rs", 5, 1), record("a.rs", -5, 2)]);
        let bytes = manifest.encode();
        let back = Manifest::decode(&bytes).expect("readable");
        assert_eq!(back.records, manifest.records);
        assert_eq!(back.by_key(1).map(|record| record.path.as_str()), Some("b.rs"));
        assert_eq!(back.record_of("a.rs", Path::new("a.rs")).map(|record| record.key), Some(2));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Manifest::decode(&damaged).is_err(), "byte {at}");
            assert!(Manifest::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn it_tells_what_changed() {
        let mut manifest = Manifest::new(Path::new("/r"));
        let racy = Record { racy: true, ..record("racy.rs", 1, 4) };
        manifest.apply(
            &[],
            vec![record("same.rs", 1, 1), record("touched.rs", 1, 2), record("gone.rs", 1, 3), racy],
        );
        let tree = [found("same.rs", 1), found("touched.rs", 2), found("new.rs", 1), found("racy.rs", 1)];
        let difference = manifest.compare(&tree, 100, None);
        let read: Vec<_> = difference.read.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(read, ["touched.rs", "new.rs", "racy.rs"]);
        assert_eq!(difference.removed.iter().map(|record| record.key).collect::<Vec<_>>(), [3]);
        let only = manifest.compare(&[], 100, Some(&|path| path == Path::new("same.rs")));
        assert_eq!(only.removed.len(), 1);
    }

    #[test]
    fn fresh_files_are_not_trusted() {
        let second = 1_000_000_000;
        let stat = |modified| Stat { modified, ..Stat::default() };
        assert!(is_racy(&stat(5 * second + 1), 5 * second + 1000));
        assert!(!is_racy(&stat(5 * second + 1), 6 * second));
        assert!(is_racy(&stat(5 * second), 6 * second));
    }
}
