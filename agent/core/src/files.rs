//! Owns how files of the user are read for tools: what is refused and why, lines, line endings.
//! Uses the standard library only.
//! Never writes; that is `atomic`.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Larger files are not taken whole; their lines can still be read by range.
pub const MAX_WHOLE_BYTES: u64 = 10 * 1024 * 1024;
/// Above this, not even ranges are read: counting the lines would take seconds.
pub const MAX_RANGE_BYTES: u64 = 1024 * 1024 * 1024;
/// A file is binary when there is a NUL in its first bytes, the rule of git and ripgrep.
const SNIFF_BYTES: usize = 8 * 1024;

/// Why a file cannot be used. Paths are shown as the caller wrote them.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Look for another name.
    #[error("no such file")]
    NotFound,
    /// List it instead.
    #[error("it is a folder")]
    Directory,
    /// A socket, device or pipe.
    #[error("it is not a regular file")]
    NotRegular,
    /// Do not edit it as text.
    #[error("it is binary")]
    Binary,
    /// Do not edit it as text.
    #[error("it is {0}, and only UTF-8 and ASCII-compatible text is supported")]
    Encoding(&'static str),
    /// Read a range.
    #[error("it is too large ({bytes} bytes; the limit is {limit})")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit that applies.
        limit: u64,
    },
    /// Anything else.
    #[error("{0}")]
    Io(#[source] io::Error),
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound,
            io::ErrorKind::IsADirectory => Self::Directory,
            _ => Self::Io(error),
        }
    }
}

/// A text file, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its bytes as they are on disk, a BOM included.
    pub bytes: Vec<u8>,
    /// False when it is text in an encoding we do not know.
    pub utf8: bool,
    /// Where a symbolic link led, when the path was one.
    pub link_target: Option<PathBuf>,
}

/// The size of a regular file that is text as far as its first bytes tell.
///
/// # Errors
/// See [`FileError`].
pub fn inspect(path: &Path) -> Result<u64, FileError> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(FileError::Directory);
    }
    // Opening a pipe would block until somebody writes to it.
    if !metadata.is_file() {
        return Err(FileError::NotRegular);
    }
    let mut first = Vec::new();
    File::open(path)?.take(SNIFF_BYTES as u64).read_to_end(&mut first)?;
    refuse_binary(&first)?;
    Ok(metadata.len())
}

fn refuse_binary(bytes: &[u8]) -> Result<(), FileError> {
    let first = &bytes[..bytes.len().min(SNIFF_BYTES)];
    // UTF-32 (little endian) starts as UTF-16 does, so it is tested first.
    if first.starts_with(&[0xff, 0xfe, 0, 0]) || first.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(FileError::Encoding("UTF-32"));
    }
    if first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]) {
        return Err(FileError::Encoding("UTF-16"));
    }
    if first.contains(&0) { Err(FileError::Binary) } else { Ok(()) }
}

/// Read a text file whole.
///
/// # Errors
/// See [`FileError`].
pub fn read(path: &Path) -> Result<Content, FileError> {
    let size = inspect(path)?;
    if size > MAX_WHOLE_BYTES {
        return Err(FileError::TooLarge { bytes: size, limit: MAX_WHOLE_BYTES });
    }
    // The file may have grown since: one byte past the limit tells.
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    File::open(path)?.take(MAX_WHOLE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_WHOLE_BYTES {
        return Err(FileError::TooLarge { bytes: bytes.len() as u64, limit: MAX_WHOLE_BYTES });
    }
    refuse_binary(&bytes)?;
    let utf8 = std::str::from_utf8(&bytes).is_ok();
    let is_link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_symlink());
    let link_target = if is_link { crate::atomic::follow(path).ok() } else { None };
    Ok(Content { bytes, utf8, link_target })
}

/// Some lines of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// The number of the first line in `lines`, from 1.
    pub first: usize,
    /// Without line endings and BOM; bytes that are not UTF-8 are replaced.
    pub lines: Vec<String>,
    /// Lines of the whole file.
    pub total: usize,
    /// True when bytes were replaced.
    pub lossy: bool,
    /// True when the byte limit ended the reading before `end`.
    pub cut: bool,
}

/// Read the lines `start..=end` (from 1), at most about `max_bytes` of them, each at most `max_line` characters.
///
/// # Errors
/// See [`FileError`].
pub fn read_lines(
    path: &Path,
    start: usize,
    end: usize,
    max_bytes: usize,
    max_line: usize,
) -> Result<Lines, FileError> {
    let size = inspect(path)?;
    if size > MAX_RANGE_BYTES {
        return Err(FileError::TooLarge { bytes: size, limit: MAX_RANGE_BYTES });
    }
    let mut reader = BufReader::with_capacity(64 * 1024, File::open(path)?);
    let mut result = Lines { first: start, lines: Vec::new(), total: 0, lossy: false, cut: false };
    let mut line = Vec::new();
    let mut kept = 0;
    // A line may be the whole file: only this much of each is ever held.
    let hold = max_line.saturating_mul(4).saturating_add(8);
    loop {
        line.clear();
        let (read, dropped) = next_line(&mut reader, &mut line, hold)?;
        if read == 0 {
            return Ok(result);
        }
        result.total += 1;
        let number = result.total;
        if number < start || number > end || result.cut {
            continue;
        }
        let bytes = trim_ending(&line);
        let bytes = if number == 1 { bytes.strip_prefix(BOM).unwrap_or(bytes) } else { bytes };
        let text = String::from_utf8_lossy(bytes);
        // A held line may end inside a character; that is our cut, not the file's fault.
        result.lossy |= matches!(text, std::borrow::Cow::Owned(_)) && !dropped;
        let mut text: String = text.into_owned();
        if let Some((at, _)) = text.char_indices().nth(max_line) {
            text.truncate(at);
            text.push('…');
        }
        kept += text.len() + 1;
        if kept > max_bytes && !result.lines.is_empty() {
            result.cut = true;
            continue;
        }
        result.lines.push(text);
    }
}

/// Appends up to `hold` bytes of the next line; how many bytes it has, and whether some were dropped.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>, hold: usize) -> io::Result<(usize, bool)> {
    let (mut read, mut dropped) = (0, false);
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok((read, dropped));
        }
        let (used, done) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), false),
        };
        let room = hold.saturating_sub(line.len());
        line.extend_from_slice(&buffer[..used.min(room)]);
        dropped |= used > room;
        read += used;
        reader.consume(used);
        if done {
            return Ok((read, dropped));
        }
    }
}

/// The UTF-8 byte order mark.
pub const BOM: &[u8] = b"\xef\xbb\xbf";

/// A line without its ending.
#[must_use]
pub fn trim_ending(line: &[u8]) -> &[u8] {
    match line.strip_suffix(b"\n") {
        Some(rest) => rest.strip_suffix(b"\r").unwrap_or(rest),
        None => line,
    }
}

/// The lines of a file, endings included; an empty file has none.
pub fn split_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n')
}

/// The ending of new lines near the line that holds `at`: that line's own, else the one before, else the file's first,
/// else `\n`.
#[must_use]
pub fn ending_at(bytes: &[u8], at: usize) -> &'static str {
    let crlf = |newline: usize| newline > 0 && bytes[newline - 1] == b'\r';
    let at = at.min(bytes.len());
    let after = bytes[at..].iter().position(|byte| *byte == b'\n').map(|found| at + found);
    let newline = after.or_else(|| bytes[..at].iter().rposition(|byte| *byte == b'\n'));
    if newline.is_some_and(crlf) { "\r\n" } else { "\n" }
}

/// `text` with every line ending as `ending`; text that already has `\r\n` is taken as meant.
#[must_use]
pub fn with_endings(text: &str, ending: &str) -> String {
    if ending == "\n" || text.contains("\r\n") { text.to_owned() } else { text.replace('\n', ending) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        crate::atomic::write(&path, content).expect("writes");
        (folder, path)
    }

    #[test]
    fn text_is_told_from_the_rest() {
        let check = |content: &[u8], expect: &str| {
            let (_folder, path) = file(content);
            let shown = match read(&path) {
                Ok(content) => if content.utf8 { "utf-8" } else { "other" }.to_owned(),
                Err(error) => error.to_string(),
            };
            assert!(shown.starts_with(expect), "{content:?}: {shown}");
        };
        check(b"", "utf-8");
        check(b"plain", "utf-8");
        check("grüße".as_bytes(), "utf-8");
        check(b"\xef\xbb\xbfbom", "utf-8");
        check(b"caf\xe9", "other");
        check(b"a\0b", "it is binary");
        check(b"\xff\xfea\0b\0", "it is UTF-16");
        check(b"\xfe\xff\0a\0b", "it is UTF-16");
        check(b"\xff\xfe\0\0a\0\0\0", "it is UTF-32");
        check(b"\x7fELF\x02\x01\x01\0\0", "it is binary");
    }

    #[test]
    fn other_things_are_refused_without_blocking() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(matches!(read(folder.path()), Err(FileError::Directory)));
        assert!(matches!(read(&folder.path().join("none")), Err(FileError::NotFound)));
        #[cfg(unix)]
        assert!(matches!(read(Path::new("/dev/null")), Err(FileError::NotRegular)));
        let huge = folder.path().join("huge");
        File::create(&huge).and_then(|file| file.set_len(MAX_WHOLE_BYTES + 1)).expect("creates");
        // Sparse zeros look binary first; text of that size is too large.
        assert!(matches!(read(&huge), Err(FileError::Binary)));
        crate::atomic::write(&huge, &vec![b'x'; 10 * 1024 * 1024 + 1]).expect("writes");
        assert!(matches!(read(&huge), Err(FileError::TooLarge { .. })));
    }

    #[test]
    fn ranges() {
        let check = |content: &[u8], start: usize, end: usize, expect: &[&str], total: usize| {
            let (_folder, path) = file(content);
            let lines = read_lines(&path, start, end, 50, 10).expect("reads");
            assert_eq!((lines.lines, lines.total), (expect.iter().map(ToString::to_string).collect(), total));
        };
        check(b"", 1, 9, &[], 0);
        check(b"a", 1, 9, &["a"], 1);
        check(b"a\nb\n", 1, 9, &["a", "b"], 2);
        check(b"a\r\nb\r\nc", 2, 3, &["b", "c"], 3);
        check(b"\xef\xbb\xbfa\n", 1, 1, &["a"], 1);
        check(b"a\nb\nc\n", 3, 3, &["c"], 3);
        check(b"a\n", 5, 9, &[], 1);
        check(b"0123456789abc\nx\n", 1, 2, &["0123456789…", "x"], 2);
        check("ääääääääääää\n".as_bytes(), 1, 2, &["ääääääääää…"], 1);
        check(&b"0123456789\n".repeat(9), 1, 9, &["0123456789"; 4], 9);
    }

    #[test]
    fn endings() {
        let check = |bytes: &[u8], at: usize, expect: &str| assert_eq!(ending_at(bytes, at), expect);
        check(b"", 0, "\n");
        check(b"a\r\nb\n", 0, "\r\n");
        check(b"a\r\nb\n", 3, "\n");
        check(b"a\r\nb", 3, "\r\n");
        check(b"\n", 9, "\n");
        assert_eq!(with_endings("a\nb\n", "\r\n"), "a\r\nb\r\n");
        assert_eq!(with_endings("a\r\nb\n", "\r\n"), "a\r\nb\n");
    }
}
