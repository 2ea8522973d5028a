//! Owns what a command wrote: the head, the tail, the counts and the spool file.
//! Uses one thread per command, so that a full pipe never waits for the rest of the program.
//! Never keeps more than twice `keep_bytes` in memory, or more than `spool_bytes` on disk.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// What has been read so far.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    keep: usize,
    pub(crate) head: Vec<u8>,
    tail: VecDeque<u8>,
    pub(crate) total: u64,
    pub(crate) spooled: u64,
    spool_bytes: u64,
    spool: Option<File>,
    /// The reader stops at the next chunk.
    closed: bool,
}

impl Capture {
    pub(crate) fn new(keep: usize, spool: Option<File>, spool_bytes: u64) -> Self {
        Self { keep, spool, spool_bytes, ..Self::default() }
    }

    fn push(&mut self, chunk: &[u8]) {
        self.total = self.total.saturating_add(chunk.len() as u64);
        self.write_spool(chunk);
        let room = self.keep.saturating_sub(self.head.len()).min(chunk.len());
        let (first, rest) = chunk.split_at(room);
        self.head.extend_from_slice(first);
        let rest = &rest[rest.len().saturating_sub(self.keep)..];
        let overflow = (self.tail.len() + rest.len()).saturating_sub(self.keep);
        self.tail.drain(..overflow);
        self.tail.extend(rest);
    }

    fn write_spool(&mut self, chunk: &[u8]) {
        let Some(file) = self.spool.as_mut() else { return };
        let room = self.spool_bytes.saturating_sub(self.spooled);
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(chunk.len());
        // A disk that is full ends the spool, not the command: `spooled` says how far it came.
        if room == 0 || file.write_all(&chunk[..room]).is_err() {
            self.spool = None;
        } else {
            self.spooled += room as u64;
        }
    }

    /// What came after the first `from` bytes: what of it is in the head, how much was not kept, what is in the tail.
    pub(crate) fn since(&self, from: u64) -> (Vec<u8>, u64, Vec<u8>) {
        let (head, tail) = (self.head.len() as u64, self.tail.len() as u64);
        let after = |length: u64, passed: u64| usize::try_from(passed.min(length)).unwrap_or(usize::MAX);
        let begin = self.total - tail;
        let omitted = begin.saturating_sub(from.max(head));
        let first = self.head[after(head, from)..].to_vec();
        let last = self.tail.iter().skip(after(tail, from.saturating_sub(begin))).copied().collect();
        (first, omitted, last)
    }

    /// The bytes after the gap, and how long the gap is.
    pub(crate) fn tail(&mut self) -> (Vec<u8>, u64) {
        let omitted = self.total - self.head.len() as u64 - self.tail.len() as u64;
        (std::mem::take(&mut self.tail).into(), omitted)
    }
}

/// Reads the pipe, or our end of a terminal, on its own thread until every writer has closed it.
pub(crate) struct Reader {
    shared: Arc<Mutex<Capture>>,
    done: oneshot::Receiver<()>,
}

impl Reader {
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(mut pipe: impl Read + Send + 'static, capture: Capture) -> std::io::Result<Self> {
        let shared = Arc::new(Mutex::new(capture));
        let (finished, done) = oneshot::channel();
        let writer = Arc::clone(&shared);
        std::thread::Builder::new().name("loci-exec-output".into()).stack_size(256 * 1024).spawn(
            move || {
                // A pipe holds 64 KiB, so a larger buffer would never fill.
                let mut buffer = vec![0; 64 * 1024];
                loop {
                    match pipe.read(&mut buffer) {
                        Ok(0) => break,
                        Ok(length) => {
                            let mut capture = lock(&writer);
                            if capture.closed {
                                break;
                            }
                            capture.push(&buffer[..length]);
                        }
                        Err(error) if error.kind() == ErrorKind::Interrupted => {}
                        Err(_) => break,
                    }
                }
                // The receiver may be gone: then nobody waits.
                let _ = finished.send(());
            },
        )?;
        Ok(Self { shared, done })
    }

    /// Completes when the pipe is closed.
    pub(crate) async fn drained(&mut self) {
        // An error means that the thread is gone, and with it whatever could still be read.
        if !self.done.is_terminated() {
            let _ = (&mut self.done).await;
        }
    }

    /// What is read, while it is being read.
    pub(crate) fn shared(&self) -> Arc<Mutex<Capture>> {
        Arc::clone(&self.shared)
    }

    /// From now on nothing is taken in, whether or not a writer is left.
    pub(crate) fn close(&self) {
        let mut capture = lock(&self.shared);
        capture.closed = true;
        capture.spool = None;
    }

    /// What was read.
    pub(crate) fn finish(self) -> Capture {
        let mut capture = lock(&self.shared);
        let taken = std::mem::take(&mut *capture);
        capture.closed = true;
        taken
    }
}

pub(crate) fn lock(shared: &Mutex<Capture>) -> MutexGuard<'_, Capture> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A new spool file that only the user can read.
///
/// # Errors
/// When the folder or the file cannot be created.
pub(crate) fn create_spool(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_tail_are_kept_under_every_chunking() {
        let check = |keep: usize, chunks: &[&str], head: &str, tail: &str, omitted: u64| {
            let mut capture = Capture::new(keep, None, 0);
            for chunk in chunks {
                capture.push(chunk.as_bytes());
            }
            let (end, gap) = capture.tail();
            assert_eq!(String::from_utf8_lossy(&capture.head), head, "{chunks:?}");
            assert_eq!(String::from_utf8_lossy(&end), tail, "{chunks:?}");
            assert_eq!(gap, omitted, "{chunks:?}");
        };
        check(3, &[], "", "", 0);
        check(3, &["ab"], "ab", "", 0);
        check(3, &["abc"], "abc", "", 0);
        check(3, &["abcd"], "abc", "d", 0);
        check(3, &["abcdefgh"], "abc", "fgh", 2);
        check(3, &["a", "b", "c", "d", "e", "f", "g", "h"], "abc", "fgh", 2);
        check(3, &["ab", "cdefg", "h"], "abc", "fgh", 2);
        check(0, &["abc"], "", "", 3);
    }

    #[test]
    fn what_is_new_is_told_from_any_point() {
        let mut capture = Capture::new(3, None, 0);
        capture.push(b"abcdefgh");
        let check = |from: u64, first: &str, omitted: u64, last: &str| {
            let (head, gap, tail) = capture.since(from);
            let read = (String::from_utf8(head).expect("text"), gap, String::from_utf8(tail).expect("text"));
            assert_eq!(read, (first.to_owned(), omitted, last.to_owned()), "since {from}");
        };
        check(0, "abc", 2, "fgh");
        check(2, "c", 2, "fgh");
        check(3, "", 2, "fgh");
        check(4, "", 1, "fgh");
        check(5, "", 0, "fgh");
        check(7, "", 0, "h");
        check(8, "", 0, "");
        check(u64::MAX, "", 0, "");
    }
}
