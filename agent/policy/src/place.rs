//! Owns paths: where a written path leads, whether that is inside the workspace, whether it is protected (S9, S10).
//! Uses [`Files`] for links.
//! Never compares paths as strings: containment is by component.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::{Context, FileSystem, Files, Kind, fold as spelling};

/// Where a written path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Every name of it: as written (absolute, folded), and with links followed.
    pub(crate) names: Vec<PathBuf>,
    /// The same as the file system tells them apart; empty when it tells all apart.
    pub(crate) folded: Vec<PathBuf>,
}

impl Place {
    /// The name to show.
    pub(crate) fn shown(&self) -> String {
        let name = |at: usize| self.names.get(at).map(|path| path.to_string_lossy().into_owned());
        match (name(0), name(1)) {
            (Some(written), Some(target)) => format!("{written} -> {target}"),
            (Some(written), None) => written,
            _ => String::new(),
        }
    }
}

/// The surroundings of a call.
pub(crate) struct World<'call> {
    pub(crate) context: &'call Context,
    pub(crate) files: &'call dyn Files,
    /// Working directories, as given and resolved.
    inside: Vec<PathBuf>,
    /// Folders of our own configuration, as given and resolved.
    guarded: Vec<PathBuf>,
    /// Folders whose links were followed: the files of a command stand in few of them.
    resolved: RefCell<HashMap<OsString, Option<PathBuf>>>,
}

/// Longer paths are not followed folder by folder: that would nest as deep as they do.
const MOST_FOLDERS: usize = 32;

impl<'call> World<'call> {
    pub(crate) fn new(context: &'call Context, files: &'call dyn Files) -> Self {
        let both = |path: &PathBuf| {
            let folded = fold(path);
            [files.resolve(&folded), folded]
        };
        let inside = std::iter::once(&context.root).chain(&context.additional).flat_map(both).collect();
        let mut guarded: Vec<PathBuf> = context.config_dirs.iter().flat_map(both).collect();
        if context.file_system.folds() {
            let folded: Vec<PathBuf> =
                guarded.iter().map(|path| spelling::path(path, context.file_system)).collect();
            guarded.extend(folded);
        }
        Self { context, files, inside, guarded, resolved: RefCell::default() }
    }

    /// Where a path leads that was written with `base` as the current directory.
    pub(crate) fn locate(&self, base: &Path, written: &str) -> Place {
        let joined = base.join(written);
        let (folded, target) = if is_straight(written) {
            let target = self.resolve(&joined);
            (joined, target)
        } else if joined.components().any(|component| component == Component::ParentDir) {
            (fold(&joined), Some(self.walk(&joined)))
        } else {
            let folded = fold(&joined);
            let target = self.resolve(&folded);
            (folded, target)
        };
        let mut names = vec![folded];
        for name in [target, self.through_proc(&names[0])].into_iter().flatten() {
            if !names.iter().any(|known| known.as_os_str() == name.as_os_str()) {
                names.push(name);
            }
        }
        self.place(names)
    }

    /// The path with every link followed, if that is another one; each folder is looked at once.
    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let bytes = path.as_os_str().as_encoded_bytes();
        let few = bytes.iter().filter(|byte| **byte == b'/').count() < MOST_FOLDERS;
        let (Some(folder), Some(name), true) = (path.parent(), path.file_name(), few) else {
            return Some(self.files.resolve(path)).filter(|found| found.as_os_str() != path.as_os_str());
        };
        match self.folder(folder) {
            None if self.files.kind(path) == Kind::Symlink => Some(self.files.resolve(path)),
            None => None,
            Some(mut whole) => {
                whole.push(name);
                let link = self.files.kind(&whole) == Kind::Symlink;
                Some(if link { self.files.resolve(&whole) } else { whole })
            }
        }
    }

    fn folder(&self, path: &Path) -> Option<PathBuf> {
        if let Some(known) = self.resolved.borrow().get(path.as_os_str()) {
            return known.clone();
        }
        let found = self.resolve(path);
        self.resolved.borrow_mut().insert(path.as_os_str().to_owned(), found.clone());
        found
    }

    /// A place with these names.
    pub(crate) fn place(&self, names: Vec<PathBuf>) -> Place {
        let system = self.context.file_system;
        let folded = if system.folds() {
            names.iter().map(|name| spelling::path(name, system)).collect()
        } else {
            Vec::new()
        };
        Place { names, folded }
    }

    /// What the kernel makes of `link/..`: the parent of where the link leads.
    fn walk(&self, path: &Path) -> PathBuf {
        let mut here = PathBuf::new();
        for component in path.components() {
            match component {
                Component::CurDir => {}
                Component::ParentDir => {
                    here = self.files.resolve(&here);
                    here.pop();
                }
                other => here.push(other),
            }
        }
        fold(&self.files.resolve(&here))
    }

    /// `/proc/PID/root` and `/proc/PID/cwd` are other names of `/` and the current directory.
    fn through_proc(&self, path: &Path) -> Option<PathBuf> {
        if !path.as_os_str().as_encoded_bytes().starts_with(b"/proc/") {
            return None;
        }
        let rest = path.strip_prefix("/proc").ok()?;
        let mut components = rest.components().skip(1).skip_while(|part| {
            part.as_os_str() == "task"
                || part.as_os_str().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())
        });
        let start = match components.next()?.as_os_str().to_str()? {
            "root" => Path::new("/"),
            "cwd" => &self.context.cwd,
            _ => return None,
        };
        Some(self.files.resolve(&fold(&start.join(components.collect::<PathBuf>()))))
    }

    /// Whether every name is in a working directory.
    pub(crate) fn is_inside(&self, place: &Place) -> bool {
        place.names.iter().all(|name| self.inside.iter().any(|root| name.starts_with(root)))
    }

    /// Whether some name must not be written without a question.
    pub(crate) fn is_protected(&self, place: &Place) -> bool {
        place.names.iter().any(|name| self.is_protected_name(name))
            || self.respelled(place).iter().any(|name| self.is_protected_name(name))
    }

    /// Other spellings of the names: of those that the disk takes for one, and of letters that some disk folds to ASCII.
    fn respelled(&self, place: &Place) -> Vec<PathBuf> {
        let odd = place.names.iter().filter(|name| !name.as_os_str().as_encoded_bytes().is_ascii());
        let odd = odd.map(|name| spelling::path(name, FileSystem::ANY));
        place.folded.iter().cloned().chain(odd).collect()
    }

    fn is_protected_name(&self, name: &Path) -> bool {
        self.guarded.iter().any(|folder| name.starts_with(folder))
            || name.components().any(|part| matches_any(part, PROTECTED_FOLDERS))
            || name.file_name().is_some_and(|last| matches_any(Component::Normal(last), PROTECTED_FILES))
            || SYSTEM_START_UP.iter().any(|start| name.starts_with(start))
    }

    /// Whether something protected may lie below: then a command that goes down the tree could reach it.
    pub(crate) fn holds_protected(&self, place: &Place) -> bool {
        place.names.iter().any(|name| {
            self.guarded.iter().any(|folder| folder.starts_with(name))
                || PROTECTED_FOLDERS.iter().any(|folder| self.files.kind(&name.join(folder)) != Kind::Missing)
        })
    }

    /// Whether there is a folder.
    pub(crate) fn is_folder(&self, place: &Place) -> bool {
        place.names.iter().any(|name| self.files.kind(name) == Kind::Directory)
    }

    /// Whether a place is `/`, the home directory, or above it.
    pub(crate) fn is_home_or_root(&self, place: &Place) -> bool {
        let home = fold(&self.context.home);
        let resolved = self.files.resolve(&home);
        let folded = spelling::path(&home, self.context.file_system);
        place.names.iter().any(|name| home.starts_with(name) || resolved.starts_with(name))
            || place.folded.iter().any(|name| folded.starts_with(name))
    }

    /// The start of a relative pattern: the project root, as given and resolved.
    pub(crate) fn both(&self, path: &Path) -> Vec<PathBuf> {
        let folded = fold(path);
        let resolved = self.files.resolve(&folded);
        if resolved == folded { vec![folded] } else { vec![folded, resolved] }
    }
}

/// Folders whose content decides what later commands do.
const PROTECTED_FOLDERS: &[&str] = &[".git", ".loci", ".claude"];

/// Files that a shell, git or a connection runs commands from.
const PROTECTED_FILES: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".bash_aliases",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".zlogout",
    ".kshrc",
    ".mkshrc",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".logout",
    ".inputrc",
    ".xprofile",
    ".xinitrc",
    ".xsession",
    ".envrc",
    ".pam_environment",
    "config.fish",
    ".gitconfig",
    ".gitmodules",
    ".mcp.json",
];

const SYSTEM_START_UP: &[&str] = &[
    "/etc/profile",
    "/etc/profile.d",
    "/etc/bash.bashrc",
    "/etc/bashrc",
    "/etc/zsh",
    "/etc/environment",
    "/etc/loci",
];

/// Case does not count: there are file systems on which it does not.
fn matches_any(part: Component, names: &[&str]) -> bool {
    let Component::Normal(part) = part else { return false };
    names.iter().any(|name| part.eq_ignore_ascii_case(name))
}

/// Whether a written path has no `.`, `..`, or empty part, so that folding leaves it as it is.
fn is_straight(written: &str) -> bool {
    let mut parts = written.strip_prefix('/').unwrap_or(written).split('/');
    parts.all(|part| !matches!(part, "" | "." | ".."))
}

/// The path without `.` and `..`, links not followed.
pub(crate) fn fold(path: &Path) -> PathBuf {
    let mut folded = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                folded.pop();
            }
            other => folded.push(other),
        }
    }
    folded
}
