//! Owns the bytes of a model: a file, the files of a split one behind each other, or a constant of the program, read at any
//! position or mapped as a whole.
//! Uses ordinary reads for the header: a file that shrinks under us is an error and not a signal.
//! Never reads past the length known at the start, and never allocates what a length field asks for.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use loci_kernels::mapping::{Advice, Mapping, Torn};

use super::{GgufError, split};

/// Bytes fetched at a time while the header is read.
const BUFFER: usize = 64 << 10;

/// A model's bytes.
#[derive(Debug)]
pub struct Source {
    bytes: Bytes,
    length: u64,
}

/// One file of a model, and where it begins among all bytes.
#[derive(Debug)]
struct Piece {
    path: PathBuf,
    file: File,
    start: u64,
    length: u64,
}

#[derive(Debug)]
enum Bytes {
    /// In order; at least one.
    Files(Vec<Piece>),
    Static(&'static [u8]),
    #[cfg(test)]
    Owned(Vec<u8>),
}

impl Source {
    /// Open a file. The first part of a split model (`x-00001-of-00003.gguf`) opens all of them.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        Self::of_files(&split::parts(path)?)
    }

    /// Open this file alone, whatever its name says.
    pub(crate) fn open_part(path: &Path) -> Result<Self, GgufError> {
        Self::of_files(&[path.to_owned()])
    }

    fn of_files(paths: &[PathBuf]) -> Result<Self, GgufError> {
        let (mut pieces, mut start) = (Vec::new(), 0);
        for path in paths {
            let failed = |error: std::io::Error| GgufError::Io {
                field: path.display().to_string(),
                message: error.to_string(),
            };
            let file = File::open(path).map_err(failed)?;
            let metadata = file.metadata().map_err(failed)?;
            if !metadata.is_file() {
                return Err(GgufError::invalid(path.display().to_string(), "is not a regular file"));
            }
            let length = metadata.len();
            pieces.push(Piece { path: path.clone(), file, start, length });
            start += length;
        }
        Ok(Self { bytes: Bytes::Files(pieces), length: start })
    }

    /// Where each file lies among all bytes.
    pub(super) fn pieces(&self) -> Vec<Range<u64>> {
        match &self.bytes {
            Bytes::Files(pieces) => {
                pieces.iter().map(|piece| piece.start..piece.start + piece.length).collect()
            }
            _ => std::iter::once(0..self.length).collect(),
        }
    }

    /// How many files it is.
    pub fn files(&self) -> usize {
        self.pieces().len()
    }

    /// The name of a file, for messages.
    pub(super) fn name(&self, piece: usize) -> String {
        let Bytes::Files(pieces) = &self.bytes else { return String::new() };
        let name = pieces.get(piece).and_then(|piece| piece.path.file_name());
        name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
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
            Bytes::Files(pieces) => {
                let (mut position, mut buffer) = (position, buffer);
                while !buffer.is_empty() {
                    let next = pieces.partition_point(|piece| piece.start + piece.length <= position);
                    let Some(piece) = pieces.get(next) else { return Err(truncated(self.length)) };
                    let within = position - piece.start;
                    let here = usize::try_from(piece.length - within).unwrap_or(usize::MAX);
                    let (now, later) = buffer.split_at_mut(here.min(buffer.len()));
                    let mut file: &File = &piece.file;
                    let read = file.seek(SeekFrom::Start(within)).and_then(|_| file.read_exact(now));
                    read.map_err(|error| match error.kind() {
                        std::io::ErrorKind::UnexpectedEof => {
                            truncated(piece.start + file.metadata().map_or(0, |metadata| metadata.len()))
                        }
                        _ => GgufError::Io { field: field.to_owned(), message: error.to_string() },
                    })?;
                    position += now.len() as u64;
                    buffer = later;
                }
                Ok(())
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
    pub(crate) fn map(&self) -> Result<Mapped, GgufError> {
        let field = || "tensors' data".to_owned();
        let checked = |mapping: Mapping, needed: u64| {
            let length = mapping.bytes().len() as u64;
            if length < needed {
                return Err(GgufError::Truncated { field: field(), position: 0, needed, length });
            }
            Ok(mapping)
        };
        let pieces = match &self.bytes {
            Bytes::Files(pieces) => pieces
                .iter()
                .map(|piece| {
                    let mapping = Mapping::of_file(&piece.file)
                        .map_err(|error| GgufError::Io { field: field(), message: error.to_string() })?;
                    // A file is never mapped beyond the address space.
                    let start = usize::try_from(piece.start).unwrap_or(usize::MAX);
                    Ok((start, checked(mapping, piece.length)?))
                })
                .collect::<Result<_, GgufError>>()?,
            Bytes::Static(bytes) => vec![(0, Mapping::of_static(bytes))],
            #[cfg(test)]
            Bytes::Owned(bytes) => vec![(0, Mapping::of_vec(bytes.clone()))],
        };
        Ok(Mapped { pieces })
    }
}

/// All bytes of a model, mapped: one range for each file.
#[derive(Debug)]
pub(crate) struct Mapped {
    /// The first position of each, among all bytes.
    pieces: Vec<(usize, Mapping)>,
}

impl Mapped {
    /// The bytes.
    pub(crate) fn bytes(&self) -> Pieces<'_> {
        Pieces { pieces: &self.pieces }
    }

    /// Tell the system how they will be read.
    pub(crate) fn advise(&self, advice: Advice) {
        self.pieces.iter().for_each(|(_, mapping)| mapping.advise(advice));
    }

    /// Whether all that was read so far was really the files'.
    ///
    /// # Errors
    /// When one of them was cut short.
    pub(crate) fn check(&self) -> Result<(), Torn> {
        self.pieces.iter().try_for_each(|(_, mapping)| mapping.check())
    }
}

/// The bytes of all files of a model, where they are mapped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pieces<'a> {
    pieces: &'a [(usize, Mapping)],
}

impl<'a> Pieces<'a> {
    /// A range that lies within one file, as every tensor does.
    pub(crate) fn get(self, range: Range<usize>) -> Option<&'a [u8]> {
        let next = self.pieces.partition_point(|(start, _)| *start <= range.start);
        let (start, mapping) = self.pieces.get(next.checked_sub(1)?)?;
        mapping.bytes().get(range.start - start..range.end.checked_sub(*start)?)
    }
}

fn copy(bytes: &[u8], position: u64, buffer: &mut [u8]) -> Option<()> {
    let start = usize::try_from(position).ok()?;
    let end = start.checked_add(buffer.len())?;
    buffer.copy_from_slice(bytes.get(start..end)?);
    Some(())
}

/// Reads the header of one file from front to back through a buffer of fixed size. Positions count from its first byte.
pub(super) struct Reader<'a> {
    source: &'a Source,
    /// The file among all bytes.
    piece: Range<u64>,
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
    pub(super) fn new(source: &'a Source, piece: Range<u64>) -> Self {
        let limit = u64::MAX;
        Self { source, piece, buffer: Vec::new(), start: 0, position: 0, limit, kept: 0, elements: 0 }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn length(&self) -> u64 {
        self.piece.end - self.piece.start
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
            self.source.read_at(self.piece.start + self.position, &mut self.buffer, field)?;
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
