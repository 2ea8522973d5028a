//! Owns reading a bundle, once and from the front: each byte is compared with what the manifest makes of it.
//! Uses SHA-256.
//! Never interprets a header but the first, and of that one only a size.

use std::io::{ErrorKind, Read};

use sha2::{Digest, Sha256};

use super::manifest::{FileEntry, Id, LARGEST, Manifest};
use super::{BLOCK, BundleError, Tell, header, hexadecimal, padding};

/// As much is read at once.
const PIECE: usize = 256 << 10;
/// What the manifest is called where something is wrong with it.
const MANIFEST: &str = "the manifest";
/// What comes after the last file.
const END: &str = "the end";

/// A bundle that is being read. Its files come in the order of the manifest.
#[derive(Debug)]
pub struct Reading<R> {
    reader: R,
    offset: u64,
    /// What it holds; its own hash is right.
    pub manifest: Manifest,
    /// The manifest as it stands there, which is what signatures are over.
    pub bytes: Vec<u8>,
    /// The hash of it.
    pub id: Id,
}

/// The name of the first entry.
pub(super) fn manifest_name(id: &Id) -> String {
    format!("manifest-{id}.json")
}

impl<R: Read> Reading<R> {
    /// Read the manifest.
    ///
    /// # Errors
    /// When it is no bundle, is damaged, or of a later version.
    pub fn open(mut reader: R) -> Result<Self, BundleError> {
        let no_bundle = |why: &str| BundleError::NotABundle { why: why.to_owned() };
        let mut offset = 0;
        let mut first = [0; BLOCK];
        fill(&mut reader, &mut first, &mut offset, MANIFEST)?;
        let name_end = first.iter().position(|&byte| byte == 0).unwrap_or_default();
        let name = std::str::from_utf8(&first[..name_end.min(100)]).unwrap_or_default();
        let written = name.strip_prefix("manifest-").and_then(|rest| rest.strip_suffix(".json"));
        let written = Id(written.ok_or_else(|| no_bundle("it does not begin with a manifest"))?.to_owned());
        let size = tar::Header::from_byte_slice(&first)
            .entry_size()
            .map_err(|_| BundleError::damaged(MANIFEST, "its size cannot be read"))?;
        if size > LARGEST {
            return Err(BundleError::damaged(MANIFEST, format!("it is said to have {size} bytes")));
        }
        if first != header(&manifest_name(&written), size, 0o644)? {
            return Err(BundleError::damaged(MANIFEST, "its header is not what it must be"));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        fill(&mut reader, &mut bytes, &mut offset, MANIFEST)?;
        let id = Manifest::id(&bytes);
        if id != written {
            return Err(BundleError::damaged(MANIFEST, "its bytes are not those that its name says"));
        }
        let manifest = Manifest::decode(&bytes)?;
        let mut reading = Self { reader, offset, manifest, bytes, id };
        reading.zeroes(padding(size), MANIFEST)?;
        Ok(reading)
    }

    /// Read the next file, which must be `file`, and give its bytes away as they come. They are checked at the end: until
    /// this returns they may be anything.
    ///
    /// # Errors
    /// When it is not that file, or not these bytes; what `take` says.
    pub fn file(
        &mut self,
        file: &FileEntry,
        take: &mut dyn FnMut(&[u8]) -> Result<(), BundleError>,
    ) -> Result<(), BundleError> {
        let mut found = [0; BLOCK];
        let begin = self.offset;
        fill(&mut self.reader, &mut found, &mut self.offset, &file.path)?;
        if found != header(&file.path, file.size, file.role.mode())? {
            let why = format!("at byte {begin} there is {}, and not its header", told(&found));
            return Err(BundleError::damaged(&file.path, why));
        }
        let begin = self.offset;
        let mut hash = Sha256::new();
        let mut left = file.size;
        let mut piece = vec![0; PIECE];
        while left > 0 {
            let length = PIECE.min(usize::try_from(left).unwrap_or(PIECE));
            fill(&mut self.reader, &mut piece[..length], &mut self.offset, &file.path)?;
            hash.update(&piece[..length]);
            take(&piece[..length])?;
            left -= length as u64;
        }
        if hexadecimal(&hash.finalize()) != file.sha256 {
            let why = format!("bytes {begin} to {} of the bundle are not those of the manifest", self.offset);
            return Err(BundleError::damaged(&file.path, why));
        }
        self.zeroes(padding(file.size), &file.path)
    }

    /// All files were read: here it must end.
    ///
    /// # Errors
    /// When anything but the end of an archive follows.
    pub fn finish(mut self) -> Result<(), BundleError> {
        self.zeroes(2 * BLOCK, END)?;
        let mut more = [0];
        match retry(|| self.reader.read(&mut more)) {
            Ok(0) => Ok(()),
            Ok(_) => {
                Err(BundleError::damaged(END, format!("there is more after its last byte, {}", self.offset)))
            }
            Err(error) => Err(BundleError::Io { path: END.into(), source: error }),
        }
    }

    fn zeroes(&mut self, count: usize, path: &str) -> Result<(), BundleError> {
        let mut bytes = vec![0; count];
        let begin = self.offset;
        fill(&mut self.reader, &mut bytes, &mut self.offset, path)?;
        match bytes.iter().position(|&byte| byte != 0) {
            None => Ok(()),
            Some(at) => {
                let why = format!("byte {} of the bundle must be zero", begin + at as u64);
                Err(BundleError::damaged(path, why))
            }
        }
    }
}

/// Read a whole bundle once, and give what it holds.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify<R: Read>(reader: R, tell: Tell<'_>) -> Result<(Manifest, Id), BundleError> {
    let mut reading = Reading::open(reader)?;
    rest(&mut reading, tell)?;
    let (manifest, id) = (reading.manifest.clone(), reading.id.clone());
    reading.finish()?;
    Ok((manifest, id))
}

/// Read all files and keep nothing of them.
///
/// # Errors
/// The first thing that is wrong.
pub fn rest<R: Read>(reading: &mut Reading<R>, tell: Tell<'_>) -> Result<(), BundleError> {
    let (total, mut done) = (reading.manifest.held_bytes(), 0);
    for file in reading.manifest.clone().held() {
        reading.file(file, &mut |bytes| {
            done += bytes.len() as u64;
            tell(done, total);
            Ok(())
        })?;
    }
    Ok(())
}

/// What a wrong header would be of, for people.
fn told(block: &[u8; BLOCK]) -> String {
    if block.iter().all(|&byte| byte == 0) {
        return "the end".to_owned();
    }
    let header = tar::Header::from_byte_slice(block);
    let name = String::from_utf8_lossy(&header.path_bytes()).into_owned();
    let kind = match header.entry_type() {
        tar::EntryType::Regular => "a file",
        tar::EntryType::Symlink | tar::EntryType::Link => "a link",
        tar::EntryType::Directory => "a folder",
        tar::EntryType::Char | tar::EntryType::Block | tar::EntryType::Fifo => "a device",
        _ => "an entry",
    };
    format!("{kind} `{name}`")
}

fn fill(reader: &mut impl Read, bytes: &mut [u8], offset: &mut u64, path: &str) -> Result<(), BundleError> {
    let mut filled = 0;
    while filled < bytes.len() {
        match retry(|| reader.read(&mut bytes[filled..])) {
            Ok(0) => {
                return Err(BundleError::Truncated { path: path.to_owned(), offset: *offset });
            }
            Ok(length) => {
                filled += length;
                *offset += length as u64;
            }
            Err(error) => return Err(BundleError::Io { path: path.into(), source: error }),
        }
    }
    Ok(())
}

fn retry<T>(mut call: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
