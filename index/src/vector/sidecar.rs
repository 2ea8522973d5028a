//! Owns the file that keeps vectors: `vectors-<embedder>`, a head and records with checksums, only ever appended to.
//! Uses `codec` and a lock of its own against other processes.
//! Never trusts what it reads: an unfinished end is cut off, anything else that does not fit is set aside.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::IndexError;
use crate::codec::{Decoder, Encoder};

use super::passages::LAYOUT;
use super::{FileVectors, Place};

const MAGIC: &[u8; 8] = b"locivec1";
/// Magic, layout, dimensions, fingerprint, the hash of all that, and the epoch.
const HEAD: usize = 8 + 1 + 4 + 32 + 16 + 8;
/// Length and hash of a record's body.
const RECORD_HEAD: usize = 4 + 8;
/// No record is larger: 5,000 passages of 1,024 dimensions are 5 MB.
const LARGEST_RECORD: usize = 64 << 20;
/// From here on nothing is added: 1,000,000 passages of 256 dimensions are about 290 MB.
const LARGEST_FILE: u64 = 1 << 30;
/// What may lie about for trees and states that are not in use, beyond twice what is.
const SPARE: u64 = 16 << 20;

/// The file of one embedder, and how much of it was read.
#[derive(Debug)]
pub(crate) struct Sidecar {
    path: PathBuf,
    lock: PathBuf,
    head: Vec<u8>,
    dimensions: usize,
    /// Which writing of the file was read, and where its next record begins.
    epoch: u64,
    read: u64,
    set_aside: bool,
}

impl Sidecar {
    /// Name the file; nothing is opened yet.
    pub(crate) fn new(cache: &Path, fingerprint: [u8; 32], dimensions: usize) -> Self {
        let mut head = MAGIC.to_vec();
        head.push(LAYOUT);
        head.extend_from_slice(&u32::try_from(dimensions).unwrap_or(u32::MAX).to_le_bytes());
        head.extend_from_slice(&fingerprint);
        let hash = blake3::hash(&head);
        head.extend_from_slice(&hash.as_bytes()[..16]);
        let name = format!("vectors-{}", &hash.to_hex()[..12]);
        Self {
            path: cache.join(&name),
            lock: cache.join(format!("{name}.lock")),
            head,
            dimensions,
            epoch: 0,
            read: 0,
            set_aside: false,
        }
    }

    /// Read what was added since, by this process or another. Damage is set aside.
    pub(crate) fn catch_up(&mut self, files: &mut HashMap<u64, Arc<FileVectors>>) -> Result<(), IndexError> {
        let failed = |source| IndexError::Io { path: self.path.clone(), source };
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.read = 0;
                return Ok(());
            }
            Err(error) => return Err(failed(error)),
        };
        let mut head = vec![0; HEAD];
        let epoch = match file.read_exact(&mut head) {
            Ok(()) => u64::from_le_bytes(head.split_off(self.head.len()).try_into().unwrap_or_default()),
            // A process that was killed while it wrote the very first bytes.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                self.read = 0;
                return Ok(());
            }
            Err(error) => return Err(failed(error)),
        };
        if head != self.head {
            return self.put_aside();
        }
        let length = file.metadata().map_err(failed)?.len();
        if self.read == 0 || epoch != self.epoch || length < self.read {
            (self.epoch, self.read) = (epoch, HEAD as u64);
        }
        file.seek(SeekFrom::Start(self.read)).map_err(failed)?;
        let mut bytes = Vec::with_capacity(usize::try_from(length - self.read).unwrap_or(0));
        file.take(2 * LARGEST_FILE).read_to_end(&mut bytes).map_err(failed)?;
        let mut rest = &bytes[..];
        while let Some((key, vectors, size)) = record(rest, self.dimensions) {
            match vectors {
                Some(vectors) => files.insert(key, Arc::new(vectors)),
                None => return self.put_aside(),
            };
            rest = &rest[size..];
            self.read += size as u64;
        }
        Ok(())
    }

    fn put_aside(&mut self) -> Result<(), IndexError> {
        (self.read, self.set_aside) = (0, true);
        match fs::rename(&self.path, self.path.with_extension("damaged")) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(IndexError::Io { path: self.path.clone(), source })
            }
            _ => Ok(()),
        }
    }

    /// Whether damage was set aside since this was last asked.
    pub(crate) fn tell_damage(&mut self) -> bool {
        std::mem::take(&mut self.set_aside)
    }

    /// The right to write, against other processes.
    fn lock(&self) -> std::io::Result<File> {
        let file = File::options().create(true).truncate(false).write(true).open(&self.lock)?;
        match file.lock() {
            // A file system without locks: two writers at once then cost vectors, not answers.
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => Ok(file),
            locked => locked.map(|()| file),
        }
    }

    /// Add the vectors of some files, after what other processes added meanwhile. False when there is no room.
    pub(crate) fn append(
        &mut self,
        new: &[(u64, Arc<FileVectors>)],
        files: &mut HashMap<u64, Arc<FileVectors>>,
    ) -> Result<bool, IndexError> {
        let path = self.path.clone();
        let failed = |source| IndexError::Io { path: path.clone(), source };
        let _lock = self.lock().map_err(failed)?;
        self.catch_up(files)?;
        if self.read > LARGEST_FILE {
            return Ok(false);
        }
        let mut bytes = Vec::new();
        if self.read == 0 {
            self.epoch = epoch();
            bytes.extend_from_slice(&self.head);
            bytes.extend_from_slice(&self.epoch.to_le_bytes());
        }
        for (key, vectors) in new {
            encode(*key, vectors, &mut bytes);
        }
        let mut file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        // What is left is the beginning of a record that a killed process did not finish.
        file.set_len(self.read).map_err(failed)?;
        file.seek(SeekFrom::Start(self.read)).map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        self.read += bytes.len() as u64;
        files.extend(new.iter().map(|(key, vectors)| (*key, Arc::clone(vectors))));
        Ok(true)
    }

    /// Write the file anew without what the tree at hand does not use, when that is most of it.
    pub(crate) fn compact(
        &mut self,
        used: &HashSet<u64>,
        files: &mut HashMap<u64, Arc<FileVectors>>,
    ) -> Result<(), IndexError> {
        let path = self.path.clone();
        let failed = |source| IndexError::Io { path: path.clone(), source };
        let size = |vectors: &FileVectors| {
            (RECORD_HEAD + 12 + vectors.values.len() + 32 * vectors.places.len()) as u64
        };
        let kept: u64 =
            files.iter().filter(|(key, _)| used.contains(key)).map(|(_, vectors)| size(vectors)).sum();
        if self.read < 3 * kept + SPARE {
            return Ok(());
        }
        let _lock = self.lock().map_err(failed)?;
        files.retain(|key, _| used.contains(key));
        let epoch = epoch();
        let mut bytes = self.head.clone();
        bytes.extend_from_slice(&epoch.to_le_bytes());
        let mut keys: Vec<&u64> = files.keys().collect();
        keys.sort_unstable();
        for key in keys {
            encode(*key, &files[key], &mut bytes);
        }
        let part = self.path.with_extension("part");
        File::create(&part).and_then(|mut file| file.write_all(&bytes)).map_err(failed)?;
        fs::rename(&part, &path).map_err(failed)?;
        (self.epoch, self.read) = (epoch, bytes.len() as u64);
        Ok(())
    }
}

/// Tells two writings of the file apart.
fn epoch() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64)
}

fn encode(key: u64, vectors: &FileVectors, out: &mut Vec<u8>) {
    let mut body = Encoder::default();
    body.number(key);
    body.number(vectors.places.len() as u64);
    for ((place, hash), scale) in vectors.places.iter().zip(&vectors.hashes).zip(&vectors.scales) {
        body.number(u64::from(place.line));
        body.number(u64::from(place.start));
        body.number(u64::from(place.end));
        body.wide(*hash as i128);
        body.number(u64::from(scale.to_bits()));
    }
    body.bytes(&vectors.values.iter().map(|value| value.cast_unsigned()).collect::<Vec<u8>>());
    let body = body.finish();
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&blake3::hash(&body).as_bytes()[..8]);
    out.extend_from_slice(&body);
}

/// The record at the start of some bytes, and its size. `None` when they end before it does; a record without vectors is damaged.
fn record(bytes: &[u8], dimensions: usize) -> Option<(u64, Option<FileVectors>, usize)> {
    let (head, rest) = bytes.split_at_checked(RECORD_HEAD)?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    if length > LARGEST_RECORD {
        return Some((0, None, 0));
    }
    let body = rest.get(..length)?;
    let sound = blake3::hash(body).as_bytes()[..8] == head[4..];
    let decoded = if sound { decode(body, dimensions) } else { None };
    let (key, vectors) = decoded.map_or((0, None), |(key, vectors)| (key, Some(vectors)));
    Some((key, vectors, RECORD_HEAD + length))
}

fn decode(body: &[u8], dimensions: usize) -> Option<(u64, FileVectors)> {
    let mut from = Decoder::new(body);
    let key = from.number()?;
    let mut vectors = FileVectors::default();
    for _ in 0..from.count()? {
        let mut line = || u32::try_from(from.number()?).ok();
        vectors.places.push(Place { line: line()?, start: line()?, end: line()? });
        vectors.hashes.push(from.wide()?.cast_unsigned());
        vectors.scales.push(f32::from_bits(u32::try_from(from.number()?).ok()?));
    }
    vectors.values = from.bytes()?.iter().map(|byte| byte.cast_signed()).collect();
    let fits = Some(vectors.values.len()) == vectors.places.len().checked_mul(dimensions)
        && vectors.scales.iter().all(|scale| scale.is_finite());
    fits.then_some((key, vectors))
}
