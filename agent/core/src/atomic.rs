//! Owns the one way in which files of the user are replaced: all of the new content, or all of the old.
//! Uses the calls in `disk`.
//! Never decides what to write, and never keeps the old content; that is the journal's.

pub(crate) mod disk;
pub mod staged;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Links are followed this often before a loop is assumed; the kernel's own limit.
const MAX_LINKS: usize = 40;

/// Replace or create the file at `path` and return where the content went: a symbolic link is followed and stays a link.
///
/// The content goes to a temporary file beside the target, is synced, takes over the mode bits, is renamed over the
/// target, and the directory is synced. A crash leaves the old file or the new one.
///
/// # Errors
/// What the system says; the target is then as it was.
pub fn write(path: &Path, content: &[u8]) -> io::Result<PathBuf> {
    let target = follow(path)?;
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let permissions = match fs::metadata(&target) {
        Ok(metadata) if metadata.is_file() => Some(metadata.permissions()),
        Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let (temporary, file) = create_beside(parent)?;
    let result = fill(file, content, permissions).and_then(|()| disk::rename(&temporary, &target));
    if let Err(error) = result {
        // The first error is the one to report; a leftover temporary file is harmless.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    disk::sync_directory(parent)?;
    Ok(target)
}

/// Write a file that is not there yet, durably.
///
/// # Errors
/// `AlreadyExists` when something is at `path`, or what the system says; what was begun is then removed.
pub fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let file = disk::create_new(path)?;
    if let Err(error) = fill(file, content, None) {
        // The first error is the one to report.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    disk::sync_directory(
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
    )
}

/// As [`write`], for what nobody else may read, from its first byte on. A link at `path` is replaced, not followed.
///
/// # Errors
/// What the system says; the target is then as it was.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = temporary_name(parent);
    // A leftover of an earlier process with our id may be readable for others.
    match disk::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let filled = disk::create_private(&temporary)
        .and_then(|file| fill(file, content, None))
        .and_then(|()| disk::rename(&temporary, path));
    if let Err(error) = filled {
        // The first error is the one to report; a leftover temporary file is harmless.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    disk::sync_directory(parent)
}

/// Remove a file (or the link itself) durably.
///
/// # Errors
/// What the system says.
pub fn remove(path: &Path) -> io::Result<()> {
    disk::remove_file(path)?;
    disk::sync_directory(
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
    )
}

/// Where a write to `path` would go: links followed to their end, which need not exist.
///
/// # Errors
/// When a link cannot be read, or links form a loop.
pub fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut current = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match fs::symlink_metadata(&current) {
            Ok(metadata) if metadata.file_type().is_symlink() => {
                let target = fs::read_link(&current)?;
                current = match current.parent() {
                    Some(parent) => parent.join(target),
                    None => target,
                };
            }
            Ok(_) => return Ok(current),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(current),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "too many levels of symbolic links"))
}

/// A name for a temporary file that nobody else uses.
pub(crate) fn temporary_name(parent: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    parent.join(format!(".loci-{}-{number}.tmp", std::process::id()))
}

/// Whether this is a name that [`temporary_name`] gives.
pub(crate) fn is_temporary(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(".loci-") && name.ends_with(".tmp"))
}

/// Whether it is one whose process is gone.
pub(crate) fn is_left_over(name: &std::ffi::OsStr) -> bool {
    let process = name.to_str().filter(|_| is_temporary(name)).and_then(|name| name.split('-').nth(1));
    process.and_then(|process| process.parse().ok()).is_some_and(|process: u32| !is_running(process))
}

#[cfg(unix)]
fn is_running(process: u32) -> bool {
    let id = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
    // A process that may not be asked is one.
    id.is_some_and(|id| rustix::process::test_kill_process(id) != Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
fn is_running(_process: u32) -> bool {
    true
}

fn create_beside(parent: &Path) -> io::Result<(PathBuf, File)> {
    loop {
        let temporary = temporary_name(parent);
        match disk::create_new(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            // A leftover of an earlier process with our id: take the next name.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

fn fill(mut file: File, content: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    disk::write_all(&mut file, content)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    disk::sync(&file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creates_replaces_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        for content in [&b"one"[..], b"", b"\xff\x00two"] {
            assert_eq!(write(&path, content).expect("writes"), path);
            assert_eq!(fs::read(&path).expect("reads"), content);
        }
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn keeps_mode_bits_and_links() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("target");
        let link = folder.path().join("link");
        let second = folder.path().join("second");
        write(&target, b"old").expect("writes");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o751)).expect("changes the mode");
        symlink("target", &link).expect("links");
        symlink("link", &second).expect("links");
        assert_eq!(write(&second, b"new").expect("writes"), target);
        assert_eq!(fs::read(&target).expect("reads"), b"new");
        assert!(fs::symlink_metadata(&link).expect("is there").file_type().is_symlink());
        assert_eq!(fs::metadata(&target).expect("is there").permissions().mode() & 0o7777, 0o751);

        symlink("missing", folder.path().join("dangling")).expect("links");
        write(&folder.path().join("dangling"), b"x").expect("writes");
        assert_eq!(fs::read(folder.path().join("missing")).expect("reads"), b"x");

        symlink("loop-b", folder.path().join("loop-a")).expect("links");
        symlink("loop-a", folder.path().join("loop-b")).expect("links");
        assert!(write(&folder.path().join("loop-a"), b"x").is_err());
    }

    #[test]
    fn refuses_folders_and_missing_parents() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(write(folder.path(), b"x").is_err());
        assert!(write(&folder.path().join("no/such/file"), b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 0);
    }
}
