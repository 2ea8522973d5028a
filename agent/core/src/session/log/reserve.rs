//! Owns the space that is kept for the day on which the disk is full: a file whose removal lets a session be written.
//! Uses one file for all sessions, filled with bytes that no file system can store smaller.
//! Never counts on it: where it cannot be made, a session is kept in memory alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes of it: the records of one step are some kilobytes, and those of a step with the largest results some hundred.
pub(crate) const RESERVE_BYTES: usize = 2 << 20;

/// The file, and whether this session has spent it.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    pub(super) spent: bool,
    /// A disk that is full as long as a test says so.
    #[cfg(test)]
    pub(super) full: Option<std::sync::Arc<std::sync::atomic::AtomicBool>>,
}

/// Whether an error says that there is no space.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Reserve {
    /// Keep a reserve at this path.
    pub(super) fn keep(path: &Path) -> Self {
        let reserve = Self {
            path: path.into(),
            spent: false,
            #[cfg(test)]
            full: None,
        };
        // Without one, a full disk is said a little earlier.
        let _ = reserve.fill();
        reserve
    }

    /// Give the space back to the system; false when there is none to give.
    pub(super) fn spend(&mut self) -> bool {
        let freed = !self.spent && fs::remove_file(&self.path).is_ok();
        self.spent |= freed;
        freed
    }

    /// Keep it again.
    pub(super) fn restore(&mut self) -> io::Result<()> {
        if self.spent {
            self.fill()?;
            self.spent = false;
        }
        Ok(())
    }

    fn fill(&self) -> io::Result<()> {
        #[cfg(test)]
        if self.full.as_ref().is_some_and(|full| full.load(std::sync::atomic::Ordering::Relaxed)) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // One that another process is filling, or was killed filling, is filled with the same bytes.
        if fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() >= RESERVE_BYTES as u64) {
            return Ok(());
        }
        let mut bytes = vec![0; RESERVE_BYTES];
        blake3::Hasher::new().update(b"reserve").finalize_xof().fill(&mut bytes);
        let filled = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_data()));
        if filled.is_err() {
            // Half of it would take the space that is missing.
            let _ = fs::remove_file(&self.path);
        }
        filled
    }
}
