//! Owns what a command left in an overlay: reading the upper layer, and taking it into the tree.
//! Uses the marks of the kernel's overlay file system (docs.kernel.org, "Overlay Filesystem"), unprivileged form.
//! Never takes in a change before what it replaces is kept and recorded.

use std::fs;
use std::path::{Path, PathBuf};

use super::state::mode_of;
use crate::atomic::disk;

/// Where a path of the tree is in an upper layer.
pub(super) fn in_upper(upper: &Path, root: &Path, path: &Path) -> PathBuf {
    upper.join(path.strip_prefix(root).unwrap_or(path))
}

/// Remove an overlay's folders; what cannot be removed is looked for again when a session opens.
pub(super) fn discard(upper: &Path) {
    let Some(folder) = upper.parent() else { return };
    // The kernel leaves folders without any permission in `work`.
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(metadata) = fs::symlink_metadata(&folder) else { continue };
        if !metadata.is_dir() {
            continue;
        }
        if mode_of(&metadata) & 0o700 != 0o700 && cfg!(unix) {
            let _ = disk::set_mode(&folder, 0o700);
        }
        folders.extend(fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()));
    }
    let _ = fs::remove_dir_all(folder);
}
