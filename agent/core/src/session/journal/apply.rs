//! Owns how a tree goes from one state to another: what goes away first, then what comes, then the modes of directories.
//! Uses contents of the store, or files that wait to be moved into place.
//! Never overwrites anything but what a step names, and keeps every single file whole.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::state::{FileState, mode_of};
use super::store::Store;
use crate::atomic::{self, disk};

/// One path and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) path: PathBuf,
    pub(super) from: FileState,
    pub(super) to: FileState,
    /// A file with the new content, to be moved; otherwise the content is in the store.
    pub(super) source: Option<PathBuf>,
}

impl Step {
    fn goes_away(&self) -> bool {
        self.from != FileState::Missing
            && (self.to == FileState::Missing || self.from.is_directory() != self.to.is_directory())
    }

    /// The way back.
    pub(super) fn reversed(&self) -> Self {
        Self { path: self.path.clone(), from: self.to.clone(), to: self.from.clone(), source: None }
    }
}

/// What became of the steps.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// Directories that stay, because something that is not ours is in them.
    pub(super) stayed: Vec<PathBuf>,
}

/// A step that failed, and how many steps were touched before, in the order in which they are done.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

/// Whether every directory above a path is one, so that a path means what it says.
#[derive(Debug, Default)]
pub(super) struct Parents {
    real: HashMap<PathBuf, bool>,
}

impl Parents {
    /// Whether nothing above this path is a link or a file; what is missing does not matter.
    pub(super) fn are_real(&mut self, path: &Path) -> bool {
        let Some(parent) = path.parent() else { return true };
        if let Some(known) = self.real.get(parent) {
            return *known;
        }
        let real = match fs::symlink_metadata(parent) {
            Ok(metadata) => metadata.is_dir(),
            Err(_) => true,
        } && self.are_real(parent);
        self.real.insert(parent.into(), real);
        real
    }

    /// What is at a path, where a path that leads through a link leads to nothing.
    pub(super) fn look(&mut self, path: &Path) -> io::Result<FileState> {
        if self.are_real(path) { FileState::of(path) } else { Ok(FileState::Missing) }
    }
}

/// Take the steps. They may stand in any order.
///
/// # Errors
/// The first step that failed; steps before it are done, and the caller takes them back.
pub(super) fn transform(store: &Store, steps: &[Step]) -> Result<Applied, Failed> {
    let failed = |path: &Path, source| Failed { path: path.into(), source };
    let mut applied = Applied::default();
    let mut order: Vec<&Step> = steps.iter().collect();
    // Paths sort before what is below them.
    order.sort_by(|one, two| one.path.cmp(&two.path));
    let opened = open_directories(&order)?;
    let mut touched: BTreeSet<PathBuf> = BTreeSet::new();
    for step in order.iter().rev().filter(|step| step.goes_away()) {
        let gone = if step.from.is_directory() {
            disk::remove_dir(&step.path)
        } else {
            disk::remove_file(&step.path)
        };
        match gone {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error)
                if error.kind() == io::ErrorKind::DirectoryNotEmpty && step.to == FileState::Missing =>
            {
                applied.stayed.push(step.path.clone());
            }
            Err(error) => return Err(failed(&step.path, error)),
        }
        touched.extend(step.path.parent().map(Path::to_path_buf));
    }
    for step in order.iter().filter(|step| step.to != FileState::Missing) {
        come(store, step).map_err(|error| failed(&step.path, error))?;
        touched.extend(step.path.parent().map(Path::to_path_buf));
    }
    let planned: HashMap<&Path, &FileState> =
        steps.iter().map(|step| (step.path.as_path(), &step.to)).collect();
    for (path, mode) in opened.iter().rev() {
        let planned = planned.get(path.as_path());
        if planned.is_none_or(|to| !matches!(to, FileState::Missing | FileState::Directory { .. })) {
            // Opened for what is in it only.
            restore_mode(path, *mode).map_err(|error| failed(path, error))?;
        }
    }
    for step in order.iter().rev() {
        if let FileState::Directory { mode } = step.to {
            restore_mode(&step.path, mode).map_err(|error| failed(&step.path, error))?;
        }
    }
    sync(store, &touched)
        .map_err(|error| failed(steps.first().map_or(Path::new(""), |step| &step.path), error))?;
    applied.stayed.sort();
    Ok(applied)
}

fn restore_mode(path: &Path, mode: u32) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() && mode_of(&metadata) != mode && cfg!(unix) => {
            disk::set_mode(path, mode)
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Directories in which something changes must let us change it. Those that do not are opened, and closed again after.
fn open_directories(steps: &[&Step]) -> Result<Vec<(PathBuf, u32)>, Failed> {
    const OWNER: u32 = 0o700;
    let mut opened = Vec::new();
    if !cfg!(unix) {
        return Ok(opened);
    }
    let mut seen = BTreeSet::new();
    let ours: HashSet<&Path> = steps.iter().map(|step| step.path.as_path()).collect();
    for step in steps {
        // From the top: a closed directory hides those below it.
        let above: Vec<&Path> = step.path.ancestors().skip(1).collect();
        for directory in above.into_iter().rev() {
            if !seen.insert(directory.to_path_buf()) {
                continue;
            }
            let known = ours.contains(directory);
            let parent = step.path.parent() == Some(directory);
            let Ok(metadata) = fs::symlink_metadata(directory) else { continue };
            let mode = mode_of(&metadata);
            if metadata.is_dir() && (known || parent) && mode & OWNER != OWNER {
                match disk::set_mode(directory, mode | OWNER) {
                    Ok(()) => opened.push((directory.to_path_buf(), mode)),
                    // Somebody else's directory: what cannot be done in it will say so.
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                    Err(source) => return Err(Failed { path: directory.into(), source }),
                }
            }
        }
    }
    Ok(opened)
}

/// Put the new state in place.
fn come(store: &Store, step: &Step) -> io::Result<()> {
    let path = &step.path;
    if let Some(parent) = path.parent()
        && !parent.is_dir()
    {
        fs::create_dir_all(parent)?;
    }
    match &step.to {
        FileState::Missing => Ok(()),
        FileState::Directory { .. } => match disk::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        },
        FileState::File { mode, .. } | FileState::Fifo { mode }
            if step.from.same_content(&step.to) && !step.goes_away() =>
        {
            disk::set_mode(path, *mode)
        }
        FileState::File { hash, mode, .. } => match &step.source {
            Some(source) => move_into(source, path),
            None => {
                let content = store.read(hash)?;
                place(path, |temporary| {
                    let mut file = disk::create_private(temporary)?;
                    disk::write_all(&mut file, &content)?;
                    disk::set_mode(temporary, *mode)?;
                    disk::sync(&file)
                })
            }
        },
        FileState::Link { target } => place(path, |temporary| disk::symlink(target, temporary)),
        FileState::Fifo { mode } => place(path, |temporary| disk::make_fifo(temporary, *mode)),
        FileState::Omitted { .. } | FileState::Uncovered { .. } | FileState::Other => match &step.source {
            Some(source) => move_into(source, path),
            None => Err(io::Error::new(io::ErrorKind::Unsupported, "its content was not kept")),
        },
    }
}

/// Make something under a temporary name and move it over what is there.
fn place(path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let temporary = atomic::temporary_name(path.parent().unwrap_or(Path::new(".")));
    let made = make(&temporary).and_then(|()| disk::rename(&temporary, path));
    if made.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    made
}

/// Move a file that waits beside the tree into it.
fn move_into(source: &Path, path: &Path) -> io::Result<()> {
    match disk::rename(source, path) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => place(path, |temporary| {
            fs::copy(source, temporary)?;
            disk::sync(&fs::File::open(temporary)?)
        }),
        other => other,
    }
}

fn sync(store: &Store, touched: &BTreeSet<PathBuf>) -> io::Result<()> {
    /// Up to so many directories are synced one by one.
    const SINGLY: usize = 8;
    let mut present = touched.iter().filter(|folder| folder.is_dir());
    if touched.len() > SINGLY {
        let folder = present.next().map_or(store.folder(), |folder| folder.as_path());
        return disk::sync_around(folder);
    }
    present.try_for_each(|folder| match disk::sync_directory(folder) {
        // A directory that may be written but not read.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    })
}
