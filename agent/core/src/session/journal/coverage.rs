//! Owns which parts of a tree the journal follows when a command may change anything in it.
//! Uses ignore files to tell what can be made again from what cannot.
//! Never looks into git folders, nor into the journal itself.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// What of a directory entry is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cover {
    /// Its content.
    Full,
    /// That it is there, and nothing of what is in it: it can be made again, and it is large.
    Light,
    /// Nothing at all: it belongs to version control, or to the journal.
    Never,
}

/// Above so many files, a folder that can be made again is not followed.
const LIGHT_FILES: usize = 2_000;
/// Or above so many bytes.
const LIGHT_BYTES: u64 = 32 << 20;
/// Said where such a folder changed.
pub(super) const LIGHT_WHY: &str =
    "it is large and can be made again (ignored by git, or made by a tool), so its content is not kept";

/// Folders of package managers and virtual environments. They are known by name because not every project has an ignore
/// file; ignored folders and those with a CACHEDIR.TAG need none.
const MADE_AGAIN: &[&str] = &["node_modules", ".venv", "venv", "__pycache__", ".tox", ".gradle"];
/// Where version control keeps its own.
const VERSION_CONTROL: &[&str] = &[".git", ".hg", ".svn", ".jj", ".bzr"];

/// What is followed below one root.
#[derive(Debug)]
pub(super) struct Coverage {
    root: PathBuf,
    /// Folders that are never looked into, absolute.
    never: Vec<PathBuf>,
    /// Whether a folder that can be made again is large: asked once a session, so that it does not change sides.
    light: Mutex<HashMap<PathBuf, bool>>,
}

/// The ignore files that count in a folder, outermost first.
#[derive(Debug, Clone, Default)]
pub(super) struct Ignores {
    files: Vec<Arc<Gitignore>>,
    /// Everything below an ignored folder is ignored.
    all: bool,
}

impl Coverage {
    pub(super) fn new(root: &Path, journal: &Path) -> Self {
        let journal = journal.canonicalize().unwrap_or_else(|_| journal.to_path_buf());
        Self { root: root.into(), never: vec![journal], light: Mutex::default() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The ignore files above everything.
    pub(super) fn ignores(&self) -> Ignores {
        let mut ignores = Ignores::default();
        ignores.add(&self.root, &self.root.join(".git/info/exclude"));
        ignores.enter(&self.root, None, false)
    }

    /// How a directory entry is followed; `other` is where else content of it may lie, such as a layer above it.
    pub(super) fn of(&self, path: &Path, is_dir: bool, ignores: &Ignores, other: Option<&Path>) -> Cover {
        let name = path.file_name().unwrap_or_default();
        if is_version_control(name) || self.never.iter().any(|never| path.starts_with(never)) {
            return Cover::Never;
        }
        if !is_dir {
            return if crate::atomic::is_temporary(name) { Cover::Never } else { Cover::Full };
        }
        if is_git_folder(path) || other.is_some_and(is_git_folder) {
            return Cover::Never;
        }
        if ignores.ignored(path, true) && !ignores.all || is_made_again(path, name) {
            let mut light = self.light.lock().unwrap_or_else(PoisonError::into_inner);
            let known = light.get(path).copied();
            let is_light = known == Some(true) || is_large(path) || other.is_some_and(is_large);
            if known != Some(is_light) {
                light.insert(path.into(), is_light);
            }
            if is_light {
                return Cover::Light;
            }
        }
        Cover::Full
    }

    /// Visit everything below the root that is followed, directories before what is in them. What cannot be read is
    /// visited with the error.
    pub(super) fn walk(&self, visit: &mut dyn FnMut(&Path, io::Result<fs::Metadata>, Cover)) {
        self.walk_below(&self.root, &self.ignores(), visit);
    }

    /// The same for one folder of the tree.
    pub(super) fn walk_below(
        &self,
        folder: &Path,
        ignores: &Ignores,
        visit: &mut dyn FnMut(&Path, io::Result<fs::Metadata>, Cover),
    ) {
        // A stack of our own: a tree may be deeper than the stack of a thread.
        let mut folders = vec![(folder.to_path_buf(), ignores.clone())];
        while let Some((folder, ignores)) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    visit(&folder, Err(error), Cover::Light);
                    continue;
                }
            };
            for entry in entries.flatten() {
                let path = entry.path();
                let metadata = entry.metadata();
                let is_dir = metadata.as_ref().is_ok_and(fs::Metadata::is_dir);
                let cover = self.of(&path, is_dir, &ignores, None);
                if cover == Cover::Never {
                    continue;
                }
                visit(&path, metadata, cover);
                if is_dir && cover == Cover::Full {
                    let ignored = ignores.ignored(&path, true);
                    let inner = ignores.enter(&path, None, ignored);
                    folders.push((path, inner));
                }
            }
        }
    }
}

impl Ignores {
    fn add(&mut self, folder: &Path, file: &Path) {
        if !file.is_file() {
            return;
        }
        let mut builder = GitignoreBuilder::new(folder);
        // A pattern that is not one is left out, as git does.
        let _ = builder.add(file);
        if let Ok(built) = builder.build() {
            self.files.push(Arc::new(built));
        }
    }

    /// The same one folder further down; `above` is what lies over that folder, where something does.
    pub(super) fn enter(&self, folder: &Path, above: Option<&Path>, ignored: bool) -> Self {
        let mut inner = self.clone();
        inner.all |= ignored;
        if !inner.all {
            let newer = above.map(|above| above.join(".gitignore")).filter(|file| file.is_file());
            inner.add(folder, &newer.unwrap_or_else(|| folder.join(".gitignore")));
        }
        inner
    }

    pub(super) fn ignored(&self, path: &Path, is_dir: bool) -> bool {
        if self.all {
            return true;
        }
        for file in self.files.iter().rev() {
            let found = file.matched(path, is_dir);
            if !found.is_none() {
                return found.is_ignore();
            }
        }
        false
    }
}

/// Whether this name is version control's own.
pub(super) fn is_version_control(name: &OsStr) -> bool {
    VERSION_CONTROL.iter().any(|known| name == *known)
}

/// Whether a folder is a git folder under another name: a bare repository, or one that a worktree points to.
fn is_git_folder(folder: &Path) -> bool {
    folder.join("HEAD").is_file() && folder.join("objects").is_dir() && folder.join("refs").is_dir()
}

fn is_made_again(folder: &Path, name: &OsStr) -> bool {
    MADE_AGAIN.iter().any(|known| name == *known) || folder.join("CACHEDIR.TAG").is_file()
}

/// Counts no further than it must.
fn is_large(folder: &Path) -> bool {
    let (mut files, mut bytes) = (0, 0);
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            files += 1;
            bytes += metadata.len();
            if files > LIGHT_FILES || bytes > LIGHT_BYTES {
                return true;
            }
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    false
}
