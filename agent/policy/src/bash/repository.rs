//! Owns which commands of git write to the repository's own folder: a sandbox has to let these.
//! Uses `harmless` for the forms that only read.
//! Never says anything about whether they may run.

use super::harmless::{Harmless, Here};
use super::wrappers::basename;
use crate::shell::Word;

/// Options before the command of git that take a value of their own.
const VALUED: &[&str] =
    &["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env", "--exec-path"];

/// Commands of git that write under `.git`; those that may also read are told apart by `harmless`.
const WRITERS: &[&str] = &[
    "add",
    "am",
    "apply",
    "bisect",
    "branch",
    "checkout",
    "checkout-index",
    "cherry-pick",
    "clean",
    "clone",
    "commit",
    "commit-tree",
    "config",
    "fetch",
    "filter-branch",
    "gc",
    "hash-object",
    "init",
    "lfs",
    "maintenance",
    "merge",
    "mv",
    "notes",
    "pack-refs",
    "prune",
    "pull",
    "push",
    "range-diff",
    "read-tree",
    "rebase",
    "reflog",
    "remote",
    "repack",
    "replace",
    "rerere",
    "reset",
    "restore",
    "revert",
    "rm",
    "sparse-checkout",
    "stage",
    "stash",
    "submodule",
    "subtree",
    "switch",
    "symbolic-ref",
    "tag",
    "update-index",
    "update-ref",
    "worktree",
    "write-tree",
];

/// Whether the command is git, writing to its repository.
pub(super) fn writes(here: &Here, words: &[Word]) -> bool {
    let Some((first, arguments)) = words.split_first() else { return false };
    if basename(&first.text) != "git" {
        return false;
    }
    let mut texts = arguments.iter().map(|word| word.text.as_str());
    let command = loop {
        match texts.next() {
            Some(option) if VALUED.contains(&option) => {
                texts.next();
            }
            Some(option) if option.starts_with('-') => {}
            Some(command) => break command,
            None => return false,
        }
    };
    WRITERS.contains(&command) && matches!(here.judge(words), Harmless::No(_))
}
