//! Owns the bytes of a model: a file or a constant of the program, read at any position or mapped as a whole.
//! Uses ordinary reads for the header: a file that shrinks under us is an error and not a signal.
//! Never reads past the length known at the start, and never allocates what a length field asks for.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use loci_kernels::mapping::Mapping;

use super::GgufError;

/// Bytes fetched at a time while the header is read.
const BUFFER: usize = 64 << 10;

/// A model's bytes.
#[derive(Debug)]
pub struct Source {
    bytes: Bytes,
    length: u64,
}

#[derive(Debug)]
enum Bytes {
    File(File),
    Static(&'static [u8]),
    #[cfg(test)]
    Owned(Vec<u8>),
}

impl Source {
    /// Open a file.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let failed = |error: std::io::Error| GgufError::Io {
            field: path.display().to_string(),
            message: error.to_string(),
        };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(GgufError::invalid(path.display().to_string(), "is not a regular file"));
        }
        Ok(Self { length: metadata.len(), bytes: Bytes::File(file) })
    }

    /// Bytes that are part of the program.
    pub fn constant(bytes: &'static [u8]) -> Self {
        Self { length: bytes.len() as u64, bytes: Bytes::Static(bytes) }
    }

    #[cfg(test)]
    pub(crate) fn owned(bytes: Vec<u8>) -> Self {
        Self { length: bytes.len() as u64, bytes: Bytes::Owned(bytes) }
    }

    /// Bytes in all.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Fill `buffer` from `position` on; `field` is named when that fails.
    pub fn read_at(&self, position: u64, buffer: &mut [u8], field: &str) -> Result<(), GgufError> {
        let needed = buffer.len() as u64;
        let truncated =
            |length: u64| GgufError::Truncated { field: field.to_owned(), position, needed, length };
        if position.checked_add(needed).is_none_or(|end| end > self.length) {
            return Err(truncated(self.length));
        }
        match &self.bytes {
            Bytes::File(file) => {
                let mut file: &File = file;
                let read = file.seek(SeekFrom::Start(position)).and_then(|_| file.read_exact(buffer));
                read.map_err(|error| match error.kind() {
                    std::io::ErrorKind::UnexpectedEof => {
                        truncated(file.metadata().map_or(0, |metadata| metadata.len()))
                    }
                    _ => GgufError::Io { field: field.to_owned(), message: error.to_string() },
                })
            }
            Bytes::Static(bytes) => {
                copy(bytes, position, buffer).ok_or_else(|| truncated(bytes.len() as u64))
            }
            #[cfg(test)]
            Bytes::Owned(bytes) => copy(bytes, position, buffer).ok_or_else(|| truncated(bytes.len() as u64)),
        }
    }
}

impl Source {
    /// Map all bytes: what a file holds now, which must be at least as long as it was when it was opened.
    pub(crate) fn map(&self) -> Result<Mapping, GgufError> {
        let mapping = match &self.bytes {
            Bytes::File(file) => Mapping::of_file(file).map_err(|error| GgufError::Io {
                field: "tensors' data".to_owned(),
                message: error.to_string(),
            })?,
            Bytes::Static(bytes) => Mapping::of_static(bytes),
            #[cfg(test)]
            Bytes::Owned(bytes) => Mapping::of_vec(bytes.clone()),
        };
        let length = mapping.bytes().len() as u64;
        if length < self.length {
            let field = "tensors' data".to_owned();
            return Err(GgufError::Truncated { field, position: 0, needed: self.length, length });
        }
        Ok(mapping)
    }
}

fn copy(bytes: &[u8], position: u64, buffer: &mut [u8]) -> Option<()> {
    let start = usize::try_from(position).ok()?;
    let end = start.checked_add(buffer.len())?;
    buffer.copy_from_slice(bytes.get(start..end)?);
    Some(())
}

/// Reads the header from front to back through a buffer of fixed size.
pub(super) struct Reader<'a> {
    source: &'a Source,
    buffer: Vec<u8>,
    /// Position in the file of the buffer's first byte.
    start: u64,
    position: u64,
    /// No field may end behind this.
    limit: u64,
    /// Bytes of values kept in memory so far.
    kept: u64,
    /// Elements of lists so far.
    elements: u64,
}

/// Bytes of metadata kept in memory. The largest known vocabularies need about 12 MiB.
const MAX_KEPT: u64 = 40 << 20;

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        let limit = u64::MAX;
        Self { source, buffer: Vec::new(), start: 0, position: 0, limit, kept: 0, elements: 0 }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn length(&self) -> u64 {
        self.source.length
    }

    /// From here on, nothing may lie more than `bytes` further on.
    pub(super) fn limit_metadata(&mut self, bytes: u64) {
        self.limit = self.position.saturating_add(bytes);
    }

    pub(super) fn lift_limit(&mut self) {
        self.limit = u64::MAX;
    }

    /// Check that `count` things of at least `least` bytes can follow, and that `limit` holds.
    pub(super) fn check_count(
        &self,
        field: &str,
        count: u64,
        least: u64,
        limit: u64,
    ) -> Result<(), GgufError> {
        let room = (self.length().saturating_sub(self.position)) / least.max(1);
        let limit = limit.min(room);
        if count > limit {
            return Err(GgufError::TooLarge { field: field.to_owned(), value: count, limit });
        }
        Ok(())
    }

    /// Account for `count` elements of a list: their number bounds the time that reading takes.
    pub(super) fn count_elements(&mut self, field: &str, count: u64, limit: u64) -> Result<(), GgufError> {
        self.elements = self.elements.saturating_add(count);
        if self.elements > limit {
            return Err(GgufError::TooLarge { field: field.to_owned(), value: self.elements, limit });
        }
        Ok(())
    }

    /// Account for `bytes` that stay in memory.
    pub(super) fn keep(&mut self, field: &str, bytes: u64) -> Result<(), GgufError> {
        self.kept = self.kept.saturating_add(bytes);
        if self.kept > MAX_KEPT {
            return Err(GgufError::TooLarge { field: field.to_owned(), value: self.kept, limit: MAX_KEPT });
        }
        Ok(())
    }

    /// Check that `bytes` more can be read.
    fn check(&self, field: &str, bytes: u64) -> Result<(), GgufError> {
        let end = self.position.checked_add(bytes);
        if end.is_none_or(|end| end > self.length()) {
            return Err(GgufError::Truncated {
                field: field.to_owned(),
                position: self.position,
                needed: bytes,
                length: self.length(),
            });
        }
        if end.is_none_or(|end| end > self.limit) {
            let limit = super::MAX_METADATA;
            return Err(GgufError::TooLarge { field: field.to_owned(), value: bytes, limit });
        }
        Ok(())
    }

    /// Pass over `bytes`.
    pub(super) fn skip(&mut self, field: &str, bytes: u64) -> Result<(), GgufError> {
        self.check(field, bytes)?;
        self.position += bytes;
        Ok(())
    }

    /// The next `count` bytes, which must fit the buffer.
    fn window(&mut self, field: &str, count: usize) -> Result<&[u8], GgufError> {
        self.check(field, count as u64)?;
        let inside = self.position >= self.start
            && self.position + count as u64 <= self.start + self.buffer.len() as u64;
        if !inside {
            let left = self.length() - self.position;
            // The smaller of a constant and what is left always fits.
            let size = usize::try_from(left.min(BUFFER.max(count) as u64)).unwrap_or(count);
            self.buffer.resize(size, 0);
            self.source.read_at(self.position, &mut self.buffer, field)?;
            self.start = self.position;
        }
        let from = usize::try_from(self.position - self.start).unwrap_or_default();
        self.position += count as u64;
        Ok(&self.buffer[from..from + count])
    }

    fn fixed<const N: usize>(&mut self, field: &str) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.window(field, N)?);
        Ok(bytes)
    }

    pub(super) fn u8(&mut self, field: &str) -> Result<u8, GgufError> {
        Ok(self.fixed::<1>(field)?[0])
    }

    pub(super) fn u16(&mut self, field: &str) -> Result<u16, GgufError> {
        self.fixed(field).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, field: &str) -> Result<u32, GgufError> {
        self.fixed(field).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, field: &str) -> Result<u64, GgufError> {
        self.fixed(field).map(u64::from_le_bytes)
    }

    /// The length of a string and then its bytes, appended to `into`.
    pub(super) fn bytes(&mut self, field: &str, limit: u64, into: &mut Vec<u8>) -> Result<(), GgufError> {
        let length = self.string_length(field, limit)?;
        self.raw(field, length, into)
    }

    fn raw(&mut self, field: &str, mut left: u64, into: &mut Vec<u8>) -> Result<(), GgufError> {
        while left > 0 {
            let step = left.min(BUFFER as u64);
            into.extend_from_slice(self.window(field, step as usize)?);
            left -= step;
        }
        Ok(())
    }

    /// The length of a string, checked.
    pub(super) fn string_length(&mut self, field: &str, limit: u64) -> Result<u64, GgufError> {
        let length = self.u64(field)?;
        if length > limit {
            return Err(GgufError::TooLarge { field: format!("{field} length"), value: length, limit });
        }
        self.check(field, length)?;
        Ok(length)
    }

    /// A string of at most `limit` bytes.
    pub(super) fn text(&mut self, field: &str, limit: u64) -> Result<String, GgufError> {
        let length = self.string_length(field, limit)?;
        self.utf8(field, length)
    }

    /// `length` bytes that are a string.
    pub(super) fn utf8(&mut self, field: &str, length: u64) -> Result<String, GgufError> {
        let mut bytes = Vec::new();
        self.raw(field, length, &mut bytes)?;
        String::from_utf8(bytes).map_err(|_| GgufError::invalid(field, "is not UTF-8"))
    }
}
