//! Owns the name of the branch that is checked out.
//! Uses git's own file `HEAD` (gitrepository-layout(5)), through the file `.git` of a worktree where it is one.
//! Never starts a process, and never fails: what cannot be read is no branch.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// git's names of branches end long before; whatever is longer is none of its files.
const LONGEST: u64 = 4096;

/// The branch that is checked out around a folder; the beginning of the commit where it is none; nothing outside of git.
#[must_use]
pub fn of(root: &Path) -> Option<String> {
    let folder = root.ancestors().find_map(git_folder)?;
    let head = read(&folder.join("HEAD"))?;
    let head = head.lines().next()?.trim();
    let name = match head.strip_prefix("ref:") {
        Some(name) => name.trim().trim_start_matches("refs/heads/"),
        None => head.get(..7)?,
    };
    (!name.is_empty()).then(|| name.to_owned())
}

/// Where git keeps what is about this folder, if it is the top of a checkout.
fn git_folder(folder: &Path) -> Option<PathBuf> {
    let entry = folder.join(".git");
    if entry.is_dir() {
        return Some(entry);
    }
    let text = read(&entry)?;
    let target = text.lines().next()?.strip_prefix("gitdir:")?.trim();
    Some(folder.join(target))
}

fn read(path: &Path) -> Option<String> {
    // A pipe or a device of that name would be waited for.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_branch_is_read_without_git() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let check = |files: &[(&str, &str)], at: &str, expect: Option<&str>| {
            let place = root.join(files.len().to_string()).join(at.replace('/', "-"));
            for (path, text) in files {
                let path = place.join(path);
                std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
                std::fs::write(path, text).expect("written");
            }
            std::fs::create_dir_all(place.join(at)).expect("a folder");
            assert_eq!(of(&place.join(at)).as_deref(), expect, "{files:?} {at}");
            std::fs::remove_dir_all(place).expect("removed");
        };
        check(&[], "plain", None);
        check(&[(".git/HEAD", "ref: refs/heads/feature/one\n")], "a", Some("feature/one"));
        check(&[(".git/HEAD", "ref: refs/heads/main\n")], "deep/er", Some("main"));
        check(&[(".git/HEAD", "0123456789abcdef0123456789abcdef01234567\n")], "b", Some("0123456"));
        check(&[(".git/HEAD", "")], "c", None);
        check(&[(".git/HEAD", "ref:")], "d", None);
        check(&[(".git/HEAD", "é")], "e", None);
        let tree = [
            ("tree/.git", "gitdir: ../main/.git/worktrees/tree\n"),
            ("main/.git/HEAD", "ref: refs/heads/main\n"),
        ];
        let own = ("main/.git/worktrees/tree/HEAD", "ref: refs/heads/side\n");
        check(&[tree[0], tree[1], own], "tree", Some("side"));
        check(&[(".git", "gitdir: /nowhere\n")], "f", None);
    }
}
