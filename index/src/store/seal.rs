//! Owns the knowledge which of the store's files are whole: their stats, as they were when each was checked.
//! Uses the checksum that ends each file of tantivy's.
//! Never trusts a stat from before the machine started: what was not synced may have been lost with it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use tantivy::index::SegmentComponent;

use super::{Failure, replace};
use crate::codec::{Decoder, Encoder};
use crate::walk::Stat;

/// The files of a segment. The last is there when documents were deleted.
const COMPONENTS: &[SegmentComponent] = &[
    SegmentComponent::Postings,
    SegmentComponent::Positions,
    SegmentComponent::Terms,
    SegmentComponent::Store,
    SegmentComponent::FastFields,
    SegmentComponent::FieldNorms,
    SegmentComponent::Delete,
];

/// Files by name, whole when their stat is still this one.
type Seal = HashMap<PathBuf, Stat>;

/// Check the files that are new, changed, or from before the machine started.
pub(super) fn check(index: &tantivy::Index, folder: &Path) -> Result<(), Failure> {
    let known = read(folder).unwrap_or_default();
    let now = stats(index, folder)?;
    let doubtful: Vec<&PathBuf> =
        now.iter().filter(|(name, stat)| known.get(*name) != Some(stat)).map(|(name, _)| name).collect();
    for name in &doubtful {
        if !index.directory().validate_checksum(name).map_err(tantivy::TantivyError::from)? {
            return Err(Failure(format!("{} is damaged", name.display())));
        }
    }
    // A folder that cannot be written is read all the same.
    if !doubtful.is_empty() {
        drop(write(folder, &now));
    }
    Ok(())
}

/// Every file a segment of the last commit has or may have.
pub(super) fn files(index: &tantivy::Index) -> Result<HashSet<PathBuf>, Failure> {
    let segments = index.load_metas()?.segments;
    let names = |segment: &tantivy::SegmentMeta| {
        COMPONENTS.iter().map(|component| segment.relative_path(component.clone())).collect::<Vec<_>>()
    };
    Ok(segments.iter().flat_map(names).collect())
}

fn stats(index: &tantivy::Index, folder: &Path) -> Result<Seal, Failure> {
    let mut seal = Seal::new();
    for name in files(index)? {
        match fs::metadata(folder.join(&name)) {
            Ok(metadata) => {
                seal.insert(name, Stat::of(&metadata));
            }
            Err(_) if name.extension().is_some_and(|ending| ending == "del") => {}
            Err(error) => return Err(Failure(format!("{}: {error}", name.display()))),
        }
    }
    Ok(seal)
}

/// What names this run of the machine; `None` where it has no such name, and files are synced.
fn boot() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()
}

fn path(folder: &Path) -> PathBuf {
    folder.join("seal")
}

fn read(folder: &Path) -> Option<Seal> {
    let bytes = fs::read(path(folder)).ok()?;
    let (body, hash) = bytes.split_last_chunk::<32>()?;
    if blake3::hash(body).as_bytes() != hash {
        return None;
    }
    let mut from = Decoder::new(body);
    if from.optional()?.map(str::to_owned) != boot() {
        return None;
    }
    let mut seal = Seal::new();
    for _ in 0..from.count()? {
        let name = from.text()?.into();
        seal.insert(name, Stat::decode(&mut from)?);
    }
    Some(seal)
}

fn write(folder: &Path, seal: &Seal) -> std::io::Result<()> {
    let mut out = Encoder::default();
    out.optional(boot().as_deref());
    out.number(seal.len() as u64);
    for (name, stat) in seal {
        out.text(&name.to_string_lossy());
        stat.encode(&mut out);
    }
    let mut bytes = out.finish();
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    replace(&path(folder), &bytes)
}
