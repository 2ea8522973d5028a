//! Owns the system calls by which files change, each in one place, so that tests can let each of them fail.
//! Uses the standard library, and rustix for what it lacks.
//! Never decides anything, and never retries.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

#[cfg(test)]
pub(crate) mod faults;

/// A point at which a test may let the disk fail.
#[cfg(test)]
fn point() -> io::Result<()> {
    faults::point()
}

#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "in tests it fails")]
#[inline]
fn point() -> io::Result<()> {
    Ok(())
}

/// Create a file that was not there.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    point()?;
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Create or empty a file that nobody else may read.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    point()?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// Write all of it; a failing disk may have taken the first part.
pub(crate) fn write_all(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    if let Some((error, short)) = faults::write_fault() {
        if short {
            file.write_all(&bytes[..bytes.len() / 2])?;
        }
        return Err(error);
    }
    file.write_all(bytes)
}

/// Make a file's content and metadata durable.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    point()?;
    file.sync_all()
}

/// Make what is in a directory durable. Other systems do not open directories as files; there a rename is as durable as
/// they make it.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    point()?;
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Make everything in the file system of this folder durable: one wait where syncing file by file would be thousands.
pub(crate) fn sync_around(folder: &Path) -> io::Result<()> {
    point()?;
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(File::open(folder)?)?;
    #[cfg(all(unix, not(target_os = "linux")))]
    rustix::fs::sync();
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    point()?;
    fs::rename(from, to)
}

pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    point()?;
    fs::remove_file(path)
}

pub(crate) fn remove_dir(path: &Path) -> io::Result<()> {
    point()?;
    fs::remove_dir(path)
}

pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    point()?;
    fs::create_dir(path)
}

#[cfg(unix)]
pub(crate) fn symlink(target: &Path, path: &Path) -> io::Result<()> {
    point()?;
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
pub(crate) fn symlink(_target: &Path, _path: &Path) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "symbolic links cannot be restored on this system"))
}

#[cfg(unix)]
pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    point()?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
pub(crate) fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Create a named pipe.
#[cfg(unix)]
pub(crate) fn make_fifo(path: &Path, mode: u32) -> io::Result<()> {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    point()?;
    mknodat(CWD, path, FileType::Fifo, Mode::from_bits_truncate(mode as _), 0)?;
    set_mode(path, mode)
}

#[cfg(not(unix))]
pub(crate) fn make_fifo(_path: &Path, _mode: u32) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "named pipes cannot be restored on this system"))
}
