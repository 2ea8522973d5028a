//! Owns the question how much of a disk is free.
//! Uses `statvfs`.
//! Never decides whether it is enough.

use std::path::Path;

/// Bytes that this user may still write below a folder, which need not exist yet; `None` where the system does not tell.
#[cfg(unix)]
#[must_use]
pub fn free(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|folder| folder.is_dir())?;
    let status = rustix::fs::statvfs(there).ok()?;
    Some(status.f_bavail.saturating_mul(status.f_frsize))
}

/// Nothing here tells.
#[cfg(not(unix))]
#[must_use]
pub fn free(_folder: &Path) -> Option<u64> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_has_the_room_of_the_one_above() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(free(folder.path()).is_some());
        assert!(free(&folder.path().join("not/yet")).is_some());
    }
}
