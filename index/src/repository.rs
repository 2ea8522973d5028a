//! Owns which trees belong to one repository: git's own files say so.
//! Uses nothing but the file system.
//! Never starts git, and never trusts a name that leads to no folder.

use std::fs;
use std::path::{Path, PathBuf};

/// A longer file is no pointer.
const LONGEST: u64 = 4_096;

/// The folder that every worktree of a tree's repository has in common; trees with the same one share an index. A tree
/// outside of any repository is its own.
#[must_use]
pub fn shared_folder(root: &Path) -> PathBuf {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let common = root.ancestors().find_map(|folder| common_folder(&folder.join(".git")));
    common.unwrap_or(root)
}

/// Where the repository behind a `.git` is kept: the folder itself, or, for a worktree, the one it was made from.
pub(crate) fn common_folder(git: &Path) -> Option<PathBuf> {
    let git = if git.is_dir() {
        git.to_path_buf()
    } else {
        let text = short_text(git)?;
        git.parent()?.join(text.strip_prefix("gitdir:")?.trim())
    };
    let common = match short_text(&git.join("commondir")) {
        Some(text) => git.join(text.trim()),
        None => git,
    };
    // What has no HEAD is no repository.
    (common.join("HEAD").exists()).then(|| common.canonicalize().unwrap_or(common))
}

fn short_text(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return None;
    }
    fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worktrees_and_folders_of_one_repository_are_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("a path");
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, text).expect("a file");
        };
        write("main/.git/HEAD", "ref: refs/heads/main\n");
        write("main/src/a.rs", "");
        write("main/.git/worktrees/side/HEAD", "ref: refs/heads/side\n");
        write("main/.git/worktrees/side/commondir", "../..\n");
        write("side/.git", &format!("gitdir: {}\n", root.join("main/.git/worktrees/side").display()));
        write("main/.git/modules/sub/HEAD", "ref: refs/heads/main\n");
        write("main/sub/.git", "gitdir: ../.git/modules/sub\n");
        write("broken/.git", "gitdir: ../nowhere\n");
        write("none/.git/config", "");
        let check = |path: &str, expect: &str| {
            assert_eq!(shared_folder(&root.join(path)), root.join(expect), "{path}");
        };
        check("main", "main/.git");
        check("main/src", "main/.git");
        check("side", "main/.git");
        check("main/sub", "main/.git/modules/sub");
        check("broken", "broken");
        check("none", "none");
    }
}
