//! Owns what a command left in an overlay: reading the upper layer, and what of it is told, kept and moved.
//! Uses the marks of the kernel's overlay file system (docs.kernel.org, "Overlay Filesystem"), unprivileged form.
//! Never lets the command's version replace one that somebody else wrote while the command ran.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::coverage::{Cover, Coverage, Ignores, LIGHT_WHY, is_version_control};
use super::snapshot::Difference;
use super::state::{FileState, mode_of};
use super::store::Store;
use crate::atomic::disk;

/// What the marks begin with where the overlay was mounted with `userxattr`.
const MARKS: &str = "user.overlay.";
/// Said where a command removed a repository's own folder.
const REPOSITORY_WHY: &str = "it is version control's own, which the journal never touches";

/// One path that the command changed.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) difference: Difference,
    /// Where the new content waits.
    pub(super) source: Option<PathBuf>,
}

/// What is taken in without a record.
#[derive(Debug)]
pub(super) enum Raw {
    /// It goes, with everything in it.
    Gone(PathBuf),
    /// What the layer has is put over what the tree has.
    Merge { from: PathBuf, to: PathBuf },
    /// The same content under other times, or under one more name.
    Same { from: PathBuf, to: PathBuf },
}

/// What an upper layer says.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) items: Vec<Item>,
    /// Recorded, and taken in by a [`Raw`].
    pub(super) noted: Vec<Difference>,
    pub(super) raw: Vec<Raw>,
    /// What cannot be taken back, or stays out of the way, and why.
    pub(super) omitted: Vec<(PathBuf, String)>,
    /// Folders that are not followed and in which something changed.
    pub(super) light: Vec<PathBuf>,
}

/// A time of the file system's own clock.
pub(super) type Moment = (i64, i64);

#[cfg(unix)]
pub(super) fn changed_at(metadata: &fs::Metadata) -> Moment {
    use std::os::unix::fs::MetadataExt;
    (metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
pub(super) fn changed_at(_metadata: &fs::Metadata) -> Moment {
    (0, 0)
}

#[cfg(unix)]
fn names_of(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

#[cfg(not(unix))]
fn names_of(_metadata: &fs::Metadata) -> u64 {
    1
}

/// Where a path of the tree is in an upper layer.
pub(super) fn in_upper(upper: &Path, root: &Path, path: &Path) -> PathBuf {
    upper.join(path.strip_prefix(root).unwrap_or(path))
}

/// Remove an overlay's folders; what cannot be removed is looked for again when a session opens.
pub(super) fn discard(upper: &Path) {
    let Some(folder) = upper.parent() else { return };
    remove_tree(folder);
}

/// Remove a folder, also where the kernel left folders without any permission in it.
fn remove_tree(folder: &Path) {
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

/// Whether an entry of the layer says that nothing is there.
fn is_whiteout(path: &Path, metadata: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        if metadata.file_type().is_char_device() && metadata.rdev() == 0 {
            return true;
        }
    }
    metadata.is_file() && metadata.len() == 0 && mark(path, "whiteout").is_some()
}

/// Whether a directory of the layer hides what is below it.
fn is_opaque(path: &Path) -> bool {
    mark(path, "opaque").is_some_and(|value| value == b"y")
}

#[cfg(target_os = "linux")]
fn mark(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0_u8; 16];
    let length = rustix::fs::lgetxattr(path, format!("{MARKS}{name}"), &mut value).ok()?;
    Some(value[..length].to_vec())
}

#[cfg(not(target_os = "linux"))]
fn mark(_path: &Path, _name: &str) -> Option<Vec<u8>> {
    None
}

/// Take the kernel's marks off what becomes a file of the user's.
fn unmark(path: &Path) {
    #[cfg(target_os = "linux")]
    {
        let mut names = [0_u8; 4096];
        // A file without extended attributes, or a file system without them, has no marks.
        let Ok(length) = rustix::fs::llistxattr(path, &mut names) else { return };
        for name in names[..length].split(|byte| *byte == 0) {
            if name.starts_with(MARKS.as_bytes()) {
                let _ = rustix::fs::lremovexattr(path, name);
            }
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = path;
}

/// Reads one upper layer.
struct Reader<'a> {
    coverage: &'a Coverage,
    store: &'a Store,
    /// When the command began; what has changed since was changed by somebody else, for the command did not reach it.
    since: Moment,
    files: usize,
    bytes: u64,
    layer: Layer,
}

/// What an upper layer says about the tree below it. What will be replaced or removed is kept.
///
/// # Errors
/// When the layer cannot be read, or contents cannot be kept.
pub(super) fn read(coverage: &Coverage, store: &Store, upper: &Path, since: Moment) -> io::Result<Layer> {
    let mut reader = Reader { coverage, store, since, files: 0, bytes: 0, layer: Layer::default() };
    reader.folder(upper, coverage.root(), true, &coverage.ignores())?;
    store.commit()?;
    let mut layer = reader.layer;
    layer.items.sort_by(|one, two| one.difference.path.cmp(&two.difference.path));
    Ok(layer)
}

impl Reader<'_> {
    /// A directory that both have, or only the layer.
    fn folder(&mut self, upper: &Path, real: &Path, below: bool, ignores: &Ignores) -> io::Result<()> {
        let mut names: HashSet<OsString> = HashSet::new();
        let mut entries = fs::read_dir(upper)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            self.entry(&entry.path(), &real.join(entry.file_name()), below, ignores)?;
            names.insert(entry.file_name());
        }
        if below && is_opaque(upper) {
            for entry in fs::read_dir(real)?.flatten() {
                if !names.contains(&entry.file_name()) {
                    self.removed(&entry.path(), ignores)?;
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, upper: &Path, real: &Path, below: bool, ignores: &Ignores) -> io::Result<()> {
        let new = fs::symlink_metadata(upper)?;
        let old = if below { fs::symlink_metadata(real).ok() } else { None };
        if is_whiteout(upper, &new) {
            return if old.is_some() { self.removed(real, ignores) } else { Ok(()) };
        }
        let was_dir = old.as_ref().is_some_and(fs::Metadata::is_dir);
        let raw = Raw::Merge { from: upper.into(), to: real.into() };
        match self.coverage.of(real, new.is_dir() || was_dir, ignores, Some(upper)) {
            Cover::Never => {
                self.layer.raw.push(raw);
                return Ok(());
            }
            Cover::Light => {
                if old.is_none() {
                    let after = FileState::Uncovered { why: LIGHT_WHY.into() };
                    self.note(real, FileState::Missing, after);
                }
                self.layer.light.push(real.into());
                self.layer.raw.push(raw);
                return Ok(());
            }
            Cover::Full => {}
        }
        if new.is_dir() {
            let after = FileState::Directory { mode: mode_of(&new) };
            if was_dir {
                let before =
                    old.map_or(FileState::Missing, |old| FileState::Directory { mode: mode_of(&old) });
                if !before.same(&after) {
                    self.change(real, before, after, None);
                }
            } else {
                let Some(before) = self.kept(real, old.as_ref(), None)? else {
                    // Somebody else's file stands where the command made a directory.
                    return self.beside(upper, real);
                };
                self.change(real, before, after, None);
            }
            let inner = ignores.enter(real, Some(upper), ignores.ignored(real, true));
            return self.folder(upper, real, was_dir, &inner);
        }
        if was_dir {
            self.children_removed(real, ignores)?;
        }
        let after = FileState::of(upper)?;
        let Some(before) = self.kept(real, old.as_ref(), Some(&after))? else {
            return self.beside(upper, real);
        };
        if before.same(&after) {
            self.layer.raw.push(Raw::Same { from: upper.into(), to: real.into() });
        } else {
            self.change(real, before, after, Some(upper.into()));
        }
        Ok(())
    }

    /// What was there, kept; `None` when somebody else changed it since the command began, unless to the same.
    fn kept(
        &mut self,
        real: &Path,
        old: Option<&fs::Metadata>,
        after: Option<&FileState>,
    ) -> io::Result<Option<FileState>> {
        let Some(old) = old else { return Ok(Some(FileState::Missing)) };
        if old.is_dir() {
            return Ok(Some(FileState::Directory { mode: mode_of(old) }));
        }
        self.files += 1;
        self.bytes += old.len();
        let limits = self.store.limits;
        let state = if self.files > limits.scan_files || self.bytes > limits.scan_bytes {
            let why = "one command changed or removed more than the journal keeps at once".to_owned();
            match FileState::of(real) {
                Ok(FileState::File { hash, .. }) => FileState::Omitted { hash, why },
                Ok(other) => other,
                Err(_) => FileState::Omitted { hash: String::new(), why },
            }
        } else {
            self.store.keep_if_readable(real, limits.file_bytes)?
        };
        if changed_at(old) > self.since && after.is_none_or(|after| !state.same_content(after)) {
            return Ok(None);
        }
        if let Some(why) = state.not_kept() {
            self.layer.omitted.push((real.into(), why.into()));
        }
        Ok(Some(state))
    }

    fn change(&mut self, path: &Path, before: FileState, after: FileState, source: Option<PathBuf>) {
        let difference = Difference { path: path.into(), before, after };
        self.layer.items.push(Item { difference, source });
    }

    fn note(&mut self, path: &Path, before: FileState, after: FileState) {
        self.layer.noted.push(Difference { path: path.into(), before, after });
    }

    /// Somebody else changed the file while the command ran: theirs stays, and the command's goes beside it.
    fn beside(&mut self, upper: &Path, real: &Path) -> io::Result<()> {
        let name = real.file_name().unwrap_or_default();
        let free = (1..1000).map(|number| {
            let mut name = name.to_os_string();
            name.push(match number {
                1 => ".from-command".to_owned(),
                _ => format!(".from-command-{number}"),
            });
            real.with_file_name(name)
        });
        let taken = |path: &PathBuf| fs::symlink_metadata(path).is_ok();
        let Some(beside) = free.into_iter().find(|path| !taken(path)) else {
            return Err(io::Error::other("too many versions beside the file"));
        };
        let shown = beside.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.layer.omitted.push((
            real.into(),
            format!("somebody else changed it while the command ran: theirs stays, and the command's is in {shown}"),
        ));
        if fs::symlink_metadata(upper)?.is_dir() {
            self.layer.raw.push(Raw::Merge { from: upper.into(), to: beside });
            return Ok(());
        }
        let after = FileState::of(upper)?;
        self.change(&beside, FileState::Missing, after, Some(upper.into()));
        Ok(())
    }

    /// The command removed this path and everything in it.
    fn removed(&mut self, real: &Path, ignores: &Ignores) -> io::Result<()> {
        let old = match fs::symlink_metadata(real) {
            Ok(old) => old,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        match self.coverage.of(real, old.is_dir(), ignores, None) {
            Cover::Never => {
                if old.is_dir() || real.file_name().is_some_and(is_version_control) {
                    self.layer.omitted.push((real.into(), REPOSITORY_WHY.into()));
                }
                self.layer.raw.push(Raw::Gone(real.into()));
                return Ok(());
            }
            Cover::Light => {
                self.note(real, FileState::Uncovered { why: LIGHT_WHY.into() }, FileState::Missing);
                self.layer.omitted.push((real.into(), format!("it was removed, and {LIGHT_WHY}")));
                self.layer.raw.push(Raw::Gone(real.into()));
                return Ok(());
            }
            Cover::Full => {}
        }
        if old.is_dir() {
            let inner = ignores.enter(real, None, ignores.ignored(real, true));
            self.children_removed(real, &inner)?;
        }
        match self.kept(real, Some(&old), None)? {
            Some(before) => self.change(real, before, FileState::Missing, None),
            None => self.layer.omitted.push((
                real.into(),
                "the command removed it, but somebody else changed it while the command ran: it stays".into(),
            )),
        }
        Ok(())
    }

    fn children_removed(&mut self, real: &Path, ignores: &Ignores) -> io::Result<()> {
        let entries = match fs::read_dir(real) {
            Ok(entries) => entries,
            // What nobody can list, the command could not remove either, unless it was empty.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries.flatten() {
            self.removed(&entry.path(), ignores)?;
        }
        Ok(())
    }
}

/// Take in what goes: before anything else, so that the directories above become empty.
pub(super) fn take_away(raw: &[Raw]) -> io::Result<()> {
    for raw in raw {
        if let Raw::Gone(path) = raw {
            gone(path)?;
        }
    }
    Ok(())
}

/// Take in what comes: after everything else, since it may lie in directories that are new.
pub(super) fn take_in(raw: &[Raw]) -> io::Result<()> {
    for raw in raw {
        match raw {
            Raw::Gone(_) => {}
            Raw::Merge { from, to } => merge(from, to)?,
            Raw::Same { from, to } => same(from, to)?,
        }
    }
    Ok(())
}

/// What a file becomes when it leaves the layer.
pub(super) fn clean(path: &Path) {
    unmark(path);
}

fn gone(path: &Path) -> io::Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => disk::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Can be done again after it was cut off: what was moved is no longer in the layer.
fn merge(from: &Path, to: &Path) -> io::Result<()> {
    let new = match fs::symlink_metadata(from) {
        Ok(new) => new,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if is_whiteout(from, &new) {
        return gone(to);
    }
    let old = fs::symlink_metadata(to).ok();
    let both = new.is_dir() && old.as_ref().is_some_and(fs::Metadata::is_dir);
    if both && !is_opaque(from) {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            merge(&entry.path(), &to.join(entry.file_name()))?;
        }
        return if old.is_some_and(|old| mode_of(&old) != mode_of(&new)) && cfg!(unix) {
            disk::set_mode(to, mode_of(&new))
        } else {
            Ok(())
        };
    }
    if old.is_some_and(|old| old.is_dir() || new.is_dir()) {
        gone(to)?;
    }
    clean_tree(from);
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    disk::rename(from, to)
}

/// Marks off, and whiteouts away, in a tree that is moved as a whole.
fn clean_tree(path: &Path) {
    let mut paths = vec![path.to_path_buf()];
    while let Some(path) = paths.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if is_whiteout(&path, &metadata) {
            let _ = fs::remove_file(&path);
            continue;
        }
        unmark(&path);
        if metadata.is_dir() {
            paths.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
    }
}

fn same(from: &Path, to: &Path) -> io::Result<()> {
    let (Ok(new), Ok(old)) = (fs::symlink_metadata(from), fs::symlink_metadata(to)) else { return Ok(()) };
    // A file with several names is not replaced, for the others would stay behind.
    if names_of(&old) == 1 && new.is_file() {
        unmark(from);
        return disk::rename(from, to);
    }
    match new.modified() {
        Ok(modified) if new.is_file() => match fs::File::options().append(true).open(to) {
            Ok(file) => file.set_modified(modified),
            // Times of what may not be written stay.
            Err(_) => Ok(()),
        },
        _ => Ok(()),
    }
}
