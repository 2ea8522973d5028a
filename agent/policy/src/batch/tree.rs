//! Owns a file system that exists only in words.
//! Uses `fold` where names are told apart as the described disk does.
//! Never follows more than 40 links: a loop ends where the kernel ends it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::{FileSystem, Files, Kind, fold};

/// As many links as Linux follows in one path.
const MOST_LINKS: usize = 40;

/// A described tree: what is not named does not exist, and is nothing special.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    entries: HashMap<OsString, Entry>,
    system: FileSystem,
}

#[derive(Debug, Clone)]
enum Entry {
    File,
    Directory,
    Link(PathBuf),
}

impl Tree {
    /// An empty tree on a disk of this kind.
    #[must_use]
    pub fn new(system: FileSystem) -> Self {
        Self { entries: HashMap::new(), system }
    }

    /// There is a file. The path is absolute; the folders above it are there too.
    pub fn file(&mut self, path: impl AsRef<Path>) {
        self.add(path.as_ref(), Entry::File);
    }

    /// There is a folder.
    pub fn folder(&mut self, path: impl AsRef<Path>) {
        self.add(path.as_ref(), Entry::Directory);
    }

    /// There is a link to another path, absolute or relative to the folder of the link.
    pub fn link(&mut self, path: impl AsRef<Path>, target: impl Into<PathBuf>) {
        self.add(path.as_ref(), Entry::Link(target.into()));
    }

    fn add(&mut self, path: &Path, entry: Entry) {
        for folder in path.ancestors().skip(1) {
            self.entries.entry(self.key(folder)).or_insert(Entry::Directory);
        }
        self.entries.insert(self.key(path), entry);
    }

    fn key(&self, path: &Path) -> OsString {
        let plain: PathBuf = path.components().collect();
        if self.system.folds() { fold::path(&plain, self.system).into() } else { plain.into() }
    }

    fn entry(&self, path: &Path) -> Option<&Entry> {
        // Almost every path that is asked for is written as the key would be.
        match self.entries.get(path.as_os_str()) {
            Some(entry) if !self.system.folds() => Some(entry),
            _ => self.entries.get(&self.key(path)),
        }
    }
}

impl Files for Tree {
    fn resolve(&self, path: &Path) -> PathBuf {
        let reversed = |path: &Path| -> Vec<PathBuf> {
            path.components().rev().map(|part| PathBuf::from(part.as_os_str())).collect()
        };
        let mut left = reversed(path);
        let mut here = PathBuf::new();
        let mut followed = 0;
        while let Some(part) = left.pop() {
            match part.components().next() {
                Some(Component::ParentDir) => {
                    here.pop();
                    continue;
                }
                Some(Component::CurDir) | None => continue,
                Some(_) => here.push(&part),
            }
            if let Some(Entry::Link(target)) = self.entry(&here)
                && followed < MOST_LINKS
            {
                followed += 1;
                here.pop();
                left.extend(reversed(target));
            }
        }
        here
    }

    fn kind(&self, path: &Path) -> Kind {
        match self.entry(path) {
            None => Kind::Missing,
            Some(Entry::File) => Kind::File,
            Some(Entry::Directory) => Kind::Directory,
            Some(Entry::Link(_)) => Kind::Symlink,
        }
    }
}
