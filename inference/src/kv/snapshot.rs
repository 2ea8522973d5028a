//! Owns the form of a snapshot: the state of at most one page of tokens in a file.
//! Uses a hash over everything in the file, which is checked before a number of it is used.
//! Never trusts a name, a length or a count in a file.
//!
//! All numbers are little-endian.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `LOCIKV`, 0, the version |
//! | 8 | 32 | the key: a hash of the weights, the shape of the state and all tokens up to here |
//! | 40 | 4 | how many tokens the page holds, 1 to 64 |
//! | 44 | 256 | their ids; 0 behind the last one |
//! | 300 | 8 | bytes of the page |
//! | 308 | 32 | BLAKE3 of all the above and of the page |
//! | 4096 | | the page |

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

#[cfg(test)]
use half::f16;
use half::slice::HalfFloatSliceExt;
use loci_kernels::mapping::Mapping;

use super::page::MappedPage;
use super::{Geometry, PAGE, Page};

/// Raised whenever what a page holds or how it lies there changes.
const VERSION: u8 = 1;
const MAGIC: [u8; 8] = [b'L', b'O', b'C', b'I', b'K', b'V', 0, VERSION];
const HASH_AT: usize = 308;
const HEADER: usize = HASH_AT + 32;
/// Where the page begins: at an edge of the system's own pages, so that it can be mapped.
const DATA: usize = 4096;

/// Names the state behind some tokens of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// The key of no tokens at all, for the weights that `identity` stands for.
    pub(crate) fn first(identity: &[u8], geometry: &Geometry) -> Self {
        let mut hash = blake3::Hasher::new();
        hash.update(&MAGIC);
        // Another release may compute the same state with another outcome, when a fault was mended.
        hash.update(env!("CARGO_PKG_VERSION").as_bytes());
        hash.update(&(identity.len() as u64).to_le_bytes());
        hash.update(identity);
        for shape in geometry.layers() {
            for number in [shape.kv_heads, shape.key_dim, shape.value_dim] {
                hash.update(&(number as u64).to_le_bytes());
            }
        }
        Self(*hash.finalize().as_bytes())
    }

    /// The key behind one more page of tokens.
    pub(crate) fn next(self, tokens: &[u32]) -> Self {
        let mut hash = blake3::Hasher::new();
        hash.update(&self.0);
        for token in tokens {
            hash.update(&token.to_le_bytes());
        }
        Self(*hash.finalize().as_bytes())
    }

    /// As part of a file's name.
    pub(crate) fn name(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().as_str().to_owned()
    }
}

/// A page as it was found in a file.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) tokens: Vec<u32>,
    pub(crate) page: Arc<Page>,
}

/// Bytes of a file for a page of this shape.
pub(crate) fn file_bytes(geometry: &Geometry) -> u64 {
    DATA as u64 + geometry.page_bytes()
}

fn header(key: Key, tokens: &[u32], page_bytes: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(key.0);
    bytes.extend((tokens.len() as u32).to_le_bytes());
    for index in 0..PAGE {
        bytes.extend(tokens.get(index).copied().unwrap_or(0).to_le_bytes());
    }
    bytes.extend(page_bytes.to_le_bytes());
    bytes
}

/// Write a page that holds `tokens`, at most [`PAGE`].
///
/// # Errors
/// What the system says.
pub(crate) fn write(out: &mut impl Write, key: Key, tokens: &[u32], page: &Page) -> io::Result<()> {
    let numbers = page.numbers();
    let mut data = Vec::with_capacity(size_of_val(numbers));
    for bits in numbers.reinterpret_cast() {
        data.extend(bits.to_le_bytes());
    }
    let mut bytes = header(key, tokens, data.len() as u64);
    let hash = blake3::Hasher::new().update(&bytes).update(&data).finalize();
    bytes.extend(hash.as_bytes());
    bytes.resize(DATA, 0);
    out.write_all(&bytes)?;
    out.write_all(&data)
}

/// Read a page and check it. The page lies in the file where the system can map it, and in memory otherwise.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] when the file is not what it should be; otherwise what the system says.
pub(crate) fn read(path: &Path, key: Key, geometry: &Geometry) -> io::Result<Found> {
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() != file_bytes(geometry) {
        return Err(damaged());
    }
    let mapping = match Mapping::of_file(&file) {
        Ok(mapping) => mapping,
        // No more files can be mapped, or none on this file system.
        Err(_) => {
            let mut bytes = Vec::new();
            let length = usize::try_from(metadata.len()).map_err(|_| damaged())?;
            bytes.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
            Read::by_ref(&mut file).take(metadata.len()).read_to_end(&mut bytes)?;
            Mapping::of_vec(bytes)
        }
    };
    let bytes = mapping.bytes();
    let start = bytes.get(..HEADER).ok_or_else(damaged)?;
    let data = bytes.get(DATA..).ok_or_else(damaged)?;
    let count = u32::from_le_bytes(start[40..44].try_into().map_err(|_| damaged())?) as usize;
    if !(1..=PAGE).contains(&count) {
        return Err(damaged());
    }
    let (ids, _) = start[44..44 + 4 * PAGE].as_chunks::<4>();
    let tokens: Vec<u32> = ids[..count].iter().map(|id| u32::from_le_bytes(*id)).collect();
    // What was hashed is what is looked at: the rest of the header follows from key, tokens and shape.
    let expected = header(key, &tokens, geometry.page_bytes());
    let hash = blake3::Hasher::new().update(&expected).update(data).finalize();
    if start[..HASH_AT] != expected[..] || start[HASH_AT..] != hash.as_bytes()[..] {
        return Err(damaged());
    }
    mapping.check().map_err(|_| damaged())?;
    let page = MappedPage::new(Arc::new(mapping), DATA, geometry.page_len()).ok_or_else(damaged)?;
    Ok(Found { tokens, page: Arc::new(Page::mapped(page)) })
}

/// Numbers as they are in a file; only for tests that damage them.
#[cfg(test)]
pub(crate) fn data_range(geometry: &Geometry) -> std::ops::Range<usize> {
    DATA..DATA + geometry.page_len() * size_of::<f16>()
}
