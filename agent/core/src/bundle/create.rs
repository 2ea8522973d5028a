//! Owns making a bundle: every file is read twice, once for the manifest and once for its bytes.
//! Uses `atomic::staged`, so that a bundle is there whole or not at all.
//! Never writes what is not in the manifest, and never over a file that is there.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::manifest::{FORMAT, FileEntry, Id, Manifest, Role, VERSION, check_path};
use super::read::manifest_name;
use super::{BLOCK, BundleError, Tell, header, hexadecimal, padding};
use crate::atomic::staged::Staged;

/// As much is read at once.
const PIECE: usize = 256 << 10;

/// Where the bytes of a file come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file of this machine.
    File(PathBuf),
    /// These.
    Bytes(Vec<u8>),
}

/// A file for a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its path below the folder of its role.
    pub below: String,
    /// What it is for.
    pub role: Role,
    /// Its bytes.
    pub origin: Origin,
    /// Under what it may be used; `unknown` where nobody said.
    pub licence: String,
    /// Where it came from.
    pub source: String,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its manifest.
    pub manifest: Manifest,
    /// The manifest as it stands in the file, which is what signatures are over.
    pub bytes: Vec<u8>,
    /// Its hash.
    pub id: Id,
    /// The length of the file.
    pub length: u64,
}

/// Make a bundle at `path`. Of what is in `base`, byte for byte, only the hash is in it. The same files give the same bundle.
///
/// # Errors
/// When something cannot be read or written, changes meanwhile, or may not be in a bundle.
pub fn create(
    path: &Path,
    items: &[Item],
    base: Option<(&Manifest, &Id)>,
    tell: Tell<'_>,
) -> Result<Written, BundleError> {
    if path.exists() {
        let there = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(BundleError::Io { path: path.to_owned(), source: there });
    }
    let mut entries: Vec<(FileEntry, &Origin)> = Vec::new();
    for item in items {
        entries.push((entry(item, base)?, &item.origin));
    }
    entries.sort_by(|(one, _), (other, _)| (one.role, &one.path).cmp(&(other.role, &other.path)));
    let files: Vec<FileEntry> = entries.iter().map(|(entry, _)| entry.clone()).collect();
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        version: VERSION,
        loci: env!("CARGO_PKG_VERSION").to_owned(),
        target: files.iter().any(|file| file.role == Role::Binary).then(super::target),
        base: base.map(|(_, id)| id.clone()),
        files,
    };
    manifest.check()?;
    let bytes = manifest.encode();
    let id = Manifest::id(&bytes);

    let mut out = Out { staged: Staged::create(path).map_err(BundleError::io(path))?, path, length: 0 };
    let size = bytes.len() as u64;
    out.write(&header(&manifest_name(&id), size, 0o644)?)?;
    out.write(&bytes)?;
    out.zeroes(padding(size))?;
    let (total, mut done) = (manifest.held_bytes(), 0);
    for (entry, origin) in entries.iter().filter(|(entry, _)| !entry.in_base) {
        out.write(&header(&entry.path, entry.size, entry.role.mode())?)?;
        let (size, sha256) = each(origin, &mut |piece| {
            done += piece.len() as u64;
            tell(done, total);
            out.write(piece)
        })?;
        if (size, &sha256) != (entry.size, &entry.sha256) {
            let path = if let Origin::File(path) = origin { path.clone() } else { PathBuf::new() };
            return Err(BundleError::Changed { path });
        }
        out.zeroes(padding(size))?;
    }
    out.zeroes(2 * BLOCK)?;
    let length = out.length;
    out.staged.seal(0o644).and_then(|()| out.staged.place()).map_err(BundleError::io(path))?;
    Ok(Written { manifest, bytes, id, length })
}

fn entry(item: &Item, base: Option<(&Manifest, &Id)>) -> Result<FileEntry, BundleError> {
    let path = format!("{}/{}", item.role.folder(), item.below);
    check_path(&path, item.role)?;
    let (size, sha256) = each(&item.origin, &mut |_| Ok(()))?;
    let same = |file: &&FileEntry| file.path == path && file.sha256 == sha256 && file.size == size;
    Ok(FileEntry {
        in_base: base.is_some_and(|(manifest, _)| manifest.files.iter().any(|file| same(&file))),
        path,
        role: item.role,
        size,
        sha256,
        licence: item.licence.clone(),
        source: item.source.clone(),
    })
}

/// Give away the bytes piece by piece; their number and SHA-256.
fn each(
    origin: &Origin,
    take: &mut dyn FnMut(&[u8]) -> Result<(), BundleError>,
) -> Result<(u64, String), BundleError> {
    let path = match origin {
        Origin::Bytes(bytes) => {
            take(bytes)?;
            return Ok((bytes.len() as u64, hexadecimal(&Sha256::digest(bytes))));
        }
        Origin::File(path) => path,
    };
    hash(path, take)
}

/// The size and the SHA-256 of a file, its bytes given away as they come.
pub(super) fn hash(
    path: &Path,
    take: &mut dyn FnMut(&[u8]) -> Result<(), BundleError>,
) -> Result<(u64, String), BundleError> {
    let mut file = File::open(path).map_err(BundleError::io(path))?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok((size, hexadecimal(&hash.finalize()))),
            Ok(length) => {
                hash.update(&piece[..length]);
                size += length as u64;
                take(&piece[..length])?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(BundleError::Io { path: path.to_owned(), source: error }),
        }
    }
}

struct Out<'a> {
    staged: Staged,
    path: &'a Path,
    length: u64,
}

impl Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        self.length += bytes.len() as u64;
        self.staged.write(bytes).map_err(BundleError::io(self.path))
    }

    fn zeroes(&mut self, count: usize) -> Result<(), BundleError> {
        self.write(&vec![0; count])
    }
}
