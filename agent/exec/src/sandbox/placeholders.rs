//! Owns empty folders that stand, while a command runs, where something protected is not there yet: a mount needs a place.
//! Uses a shared lock on each of them, so that of several commands the last one removes it.
//! Never removes a folder that none of them made, or that something was put into.

use std::fs::{File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::Profile;

/// How such a folder is told from one of the user's, also after a crash: nobody else makes one that is read-only for all and
/// sticky.
const MODE: u32 = 0o1555;

/// The folders of one command.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    made: Vec<(PathBuf, File)>,
}

impl Placeholders {
    /// Make, for each protected path that is missing and that the command could make, the first folder that is missing on the
    /// way to it; the profile then protects that one.
    pub(super) fn put(profile: &mut Profile) -> std::io::Result<Self> {
        let mut placeholders = Self::default();
        let tops: Vec<PathBuf> = std::iter::once(&profile.root).chain(&profile.writable).cloned().collect();
        for path in &mut profile.read_only {
            let Some(missing) = first_not_there(path) else { continue };
            if !tops.iter().any(|top| missing.starts_with(top)) {
                continue;
            }
            placeholders.hold(&missing)?;
            *path = missing;
        }
        profile.read_only.sort();
        profile.read_only.dedup();
        Ok(placeholders)
    }

    fn hold(&mut self, path: &Path) -> std::io::Result<()> {
        // Somebody who removes it between our two calls is done with it: then it is made again.
        for _ in 0..100 {
            match std::fs::create_dir(path) {
                Ok(()) => std::fs::set_permissions(path, Permissions::from_mode(MODE))?,
                // Of a command that runs beside this one.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            let Ok(folder) = File::open(path) else { continue };
            rustix::fs::flock(&folder, FlockOperation::LockShared)?;
            if still_there(path, &folder) {
                self.made.push((path.to_owned(), folder));
                return Ok(());
            }
        }
        Err(ErrorKind::ResourceBusy.into())
    }
}

/// The first component that is not there, or only as a placeholder. A link that leads nowhere is there.
fn first_not_there(path: &Path) -> Option<PathBuf> {
    let mut found = None;
    for ancestor in path.ancestors() {
        match ancestor.symlink_metadata() {
            Ok(meta) if meta.is_dir() && meta.permissions().mode() & 0o7777 == MODE => {}
            Ok(_) => break,
            Err(_) => {}
        }
        found = Some(ancestor.to_owned());
    }
    found
}

fn still_there(path: &Path, folder: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(now), Ok(held)) = (path.symlink_metadata(), folder.metadata()) else { return false };
    (now.dev(), now.ino()) == (held.dev(), held.ino())
}

impl Drop for Placeholders {
    fn drop(&mut self) {
        for (path, folder) in &self.made {
            // Another command that needs it has a shared lock, and then it is that one's to remove.
            if rustix::fs::flock(folder, FlockOperation::NonBlockingLockExclusive).is_ok()
                && still_there(path, folder)
            {
                let _ = std::fs::remove_dir(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Network;

    fn profile(root: &Path, read_only: &[&str]) -> Profile {
        Profile {
            root: root.to_owned(),
            writable: Vec::new(),
            read_only: read_only.iter().map(|path| root.join(path)).collect(),
            hidden: Vec::new(),
            overlay: None,
            network: Network::Off,
        }
    }

    #[test]
    fn they_stand_as_long_as_somebody_needs_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        std::fs::create_dir(root.join("there")).expect("created");
        let mut first = profile(root, &["there", "gone/deep", "gone/other"]);
        let mut second = profile(root, &["gone/else"]);
        let one = Placeholders::put(&mut first).expect("put");
        assert_eq!(first.read_only, [root.join("gone"), root.join("there")]);
        let two = Placeholders::put(&mut second).expect("put");
        assert!(root.join("gone").is_dir());
        drop(one);
        assert!(root.join("gone").is_dir(), "the second command still needs it");
        drop(two);
        assert!(!root.join("gone").exists());
        assert!(root.join("there").is_dir(), "it was there before");
    }

    #[test]
    fn what_was_put_into_one_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let held = Placeholders::put(&mut profile(root, &["new"])).expect("put");
        std::fs::set_permissions(root.join("new"), Permissions::from_mode(0o755)).expect("set");
        std::fs::create_dir(root.join("new/of-somebody-else")).expect("created");
        drop(held);
        assert!(root.join("new/of-somebody-else").is_dir());
    }
}
