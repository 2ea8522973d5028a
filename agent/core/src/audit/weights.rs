//! Owns the hashes of model files: blake3, kept in the cache so that five gigabytes are read once and not at each start.
//! Uses size, time and inode to tell whether a file is the one that was hashed.
//! Never takes a file's name for its content: whatever differs is hashed again.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::session::log::create_folder;

/// A file that was hashed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Hashed {
    path: PathBuf,
    size: u64,
    /// Nanoseconds since 1970.
    modified: u128,
    inode: u64,
    hash: String,
}

/// blake3 of bytes at hand, in hexadecimal digits.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// The hash of a file, if it was hashed as it is now.
pub(crate) fn known(folder: &Path, path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let kept: Hashed = serde_json::from_slice(&fs::read(place(folder, &path)).ok()?).ok()?;
    let now = described(&path, &fs::metadata(&path).ok()?, kept.hash.clone());
    (now == kept).then_some(kept.hash)
}

/// Hash a file and remember it.
pub(crate) fn learn(folder: &Path, path: &Path) -> io::Result<String> {
    let path = path.canonicalize()?;
    let file = File::open(&path)?;
    let before = file.metadata()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(&file)?;
    let hash = hasher.finalize().to_hex().to_string();
    let hashed = described(&path, &before, hash.clone());
    // A file that was written to meanwhile is hashed, but not remembered.
    if described(&path, &file.metadata()?, hash.clone()) == hashed {
        create_folder(folder)?;
        atomic::write(&place(folder, &path), &serde_json::to_vec(&hashed)?)?;
    }
    Ok(hash)
}

fn place(folder: &Path, path: &Path) -> PathBuf {
    let name = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex();
    folder.join(format!("{}.json", &name[..32]))
}

fn described(path: &Path, metadata: &Metadata, hash: String) -> Hashed {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let inode = 0;
    Hashed {
        path: path.into(),
        size: metadata.len(),
        modified: modified.map_or(0, |time| time.as_nanos()),
        inode,
        hash,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_hashed_once_and_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, file) = (folder.path().join("cache"), folder.path().join("model.gguf"));
        fs::write(&file, b"weights").unwrap();
        assert_eq!(known(&cache, &file), None);
        assert_eq!(learn(&cache, &file).unwrap(), hash_of(b"weights"));
        assert_eq!(known(&cache, &file), Some(hash_of(b"weights")));
        // The same length, and another inode.
        fs::write(folder.path().join("other"), b"WEIGHTS").unwrap();
        fs::rename(folder.path().join("other"), &file).unwrap();
        assert_eq!(known(&cache, &file), None);
        assert_eq!(learn(&cache, &file).unwrap(), hash_of(b"WEIGHTS"));
        assert_eq!(known(&cache, &file), Some(hash_of(b"WEIGHTS")));
        fs::write(place(&cache, &file.canonicalize().unwrap()), b"{").unwrap();
        assert_eq!(known(&cache, &file), None);
    }
}
