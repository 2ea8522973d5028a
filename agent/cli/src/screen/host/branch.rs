//! Owns which branch of git is checked out.
//! Uses the files of the repository: a look at one of them is a thousand times as fast as asking git.
//! Never changes anything, and reads the beginning of a file only.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What is read of a file: a name of a branch is shorter than a name of a file may be.
const LONGEST: u64 = 4096;
/// As many characters of a commit as git shows.
const SHORT: usize = 7;

/// The branch that is checked out in this folder, or the beginning of its commit; nothing outside of git.
pub(super) fn of(root: &Path) -> Option<String> {
    let folder = git_folder(root)?;
    let head = beginning(&folder.join("HEAD"))?;
    match head.strip_prefix("ref:") {
        Some(name) => {
            let name = name.trim();
            Some(name.strip_prefix("refs/heads/").unwrap_or(name).to_owned())
        }
        None => head.get(..SHORT).map(ToOwned::to_owned),
    }
}

/// `.git`, or what it points to in a further work tree.
fn git_folder(root: &Path) -> Option<PathBuf> {
    let git = root.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let pointer = beginning(&git)?;
    Some(root.join(pointer.strip_prefix("gitdir:")?.trim()))
}

fn beginning(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    // A pipe in the place of a file would be waited for.
    path.metadata().ok().filter(|metadata| metadata.is_file())?;
    File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    text.lines().next().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the tests prepare the files of git")]

    use super::*;

    #[test]
    fn branches_are_read_from_the_files_of_git() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        assert_eq!(of(root), None);
        std::fs::create_dir_all(root.join(".git")).expect("created");
        let check = |head: &[u8], expect: Option<&str>| {
            std::fs::write(root.join(".git/HEAD"), head).expect("written");
            assert_eq!(of(root).as_deref(), expect, "{head:?}");
        };
        check(b"ref: refs/heads/main\n", Some("main"));
        check(b"ref: refs/heads/feature/long name\n", Some("feature/long name"));
        check(b"0123456789abcdef0123456789abcdef01234567\n", Some("0123456"));
        check(b"ref: refs/remotes/x\n", Some("refs/remotes/x"));
        check(b"", None);
        check(b"\xff\xff", None);
        let tree = folder.path().join("tree");
        std::fs::create_dir_all(&tree).expect("created");
        std::fs::write(tree.join(".git"), "gitdir: ../.git\n").expect("written");
        check(b"ref: refs/heads/main\n", Some("main"));
        assert_eq!(of(&tree).as_deref(), Some("main"));
    }
}
