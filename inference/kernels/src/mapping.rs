//! Owns bytes that are read in place: a mapped file, a part of one, or memory that is there anyway.
//! Uses a handler of SIGBUS, so that a file cut short under its map reads as zeros and is reported.
//! Never writes, and never hands out bytes beyond what was mapped.

use std::fs::File;
use std::io;

use half::f16;

#[cfg(unix)]
mod fault;

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
///
/// The bytes of a file belong to whoever may write it. A file that is cut short reads as zeros from there on, and
/// [`Mapping::check`] says so; a file that is overwritten reads as what is written. Readers must therefore take any
/// bytes for possible, and must not read the same place twice and expect the same.
#[derive(Debug)]
pub struct Mapping {
    source: Source,
}

#[derive(Debug)]
enum Source {
    File(Mapped),
    Static(&'static [u8]),
    Owned(Vec<u8>),
}

/// A map of a part of a file. Fields are dropped in this order: nothing is watched that is no longer mapped.
#[derive(Debug)]
struct Mapped {
    #[cfg(unix)]
    watched: fault::Watched,
    map: memmap2::Mmap,
    file: File,
    end: u64,
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
    /// When the file is shorter, when a thousand others are mapped already, or what the system says.
    #[expect(unsafe_code, reason = "a mapped file can change")]
    pub fn of_range(file: &File, offset: u64, len: usize) -> io::Result<Self> {
        let size = file.metadata()?.len();
        let end =
            offset.checked_add(len as u64).filter(|end| *end <= size).ok_or(io::ErrorKind::UnexpectedEof)?;
        if len == 0 {
            return Ok(Self::of_static(&[]));
        }
        let file = file.try_clone()?;
        // SAFETY: the map is read as bytes only, of which every value is valid. Others may write the file meanwhile,
        // as they may for every program that maps one; then a kernel computes with other numbers, because none
        // derives an address or a length from them. That the file becomes shorter is seen to by `fault`.
        let map = unsafe { memmap2::MmapOptions::new().offset(offset).len(len).map(&file)? };
        #[cfg(unix)]
        let watched = fault::Watched::new(map.as_ptr() as usize, map.len())?;
        let mapped = Mapped {
            #[cfg(unix)]
            watched,
            map,
            file,
            end,
        };
        Ok(Self { source: Source::File(mapped) })
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
            Source::File(mapped) => &mapped.map,
            Source::Static(bytes) => bytes,
            Source::Owned(bytes) => bytes,
        }
    }

    /// Tell the system how the bytes will be read. It may do nothing: this never fails.
    pub fn advise(&self, advice: Advice) {
        #[cfg(unix)]
        if let Source::File(mapped) = &self.source {
            let advice = match advice {
                Advice::Sequential => memmap2::Advice::Sequential,
                Advice::WillNeed => memmap2::Advice::WillNeed,
                Advice::Random => memmap2::Advice::Random,
                #[cfg(target_os = "linux")]
                Advice::Huge => memmap2::Advice::HugePage,
                #[cfg(not(target_os = "linux"))]
                Advice::Huge => return,
            };
            // Advice that the system does not take, such as large pages of a file, changes nothing for a reader.
            let _ = mapped.map.advise(advice);
        }
        #[cfg(not(unix))]
        let _ = advice;
    }

    /// Whether all that was read so far was really the file's. One question to the system: ask once for each pass.
    ///
    /// # Errors
    /// When the file was cut short.
    pub fn check(&self) -> Result<(), Torn> {
        let Source::File(mapped) = &self.source else { return Ok(()) };
        #[cfg(unix)]
        if mapped.watched.torn() {
            return Err(Torn);
        }
        // What lies behind the new end in its page reads as zeros without any signal, so the length is asked for too.
        match mapped.file.metadata() {
            Ok(metadata) if metadata.len() < mapped.end => Err(Torn),
            _ => Ok(()),
        }
    }
}

/// `bytes` as numbers in halves, if their address and length allow it and the machine stores them as files do.
#[expect(unsafe_code, reason = "bytes are read as numbers of two bytes")]
pub fn as_halves(bytes: &[u8]) -> Option<&[f16]> {
    // SAFETY: an f16 is two bytes of which every value is valid, and `align_to` sees to the alignment.
    let (before, halves, after) = unsafe { bytes.align_to::<f16>() };
    (cfg!(target_endian = "little") && before.is_empty() && after.is_empty()).then_some(halves)
}

#[cfg(test)]
mod tests;
