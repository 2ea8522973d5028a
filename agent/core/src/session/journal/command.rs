//! Owns what the journal does around a shell command: what was there before it, and what it changed.
//! Uses an overlay where the sandbox has one, and a look at the whole tree before and after where not.
//! Never holds up a command for what cannot be kept; that is said instead.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use loci_exec::sandbox::Overlay;

use super::apply::{self, Step};
use super::coverage::{Coverage, LIGHT_WHY};
use super::diff::{self, Side};
use super::overlay::{self, Layer, Moment};
use super::snapshot::{Difference, Look, Snapshot};
use super::state::{FileState, mode_of};
use super::{CallJournal, Inner, Journal};
use crate::atomic::disk;

/// Whether the sandbox can put an overlay over the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverlaySupport {
    /// It can, for this command.
    Available,
    /// It cannot: the tree is looked at before and after.
    #[default]
    Unavailable,
}

/// What a command changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandChanges {
    /// What was created, changed or removed, absolute, in order. Directories are named only where nothing in them is.
    pub changed: Vec<PathBuf>,
    /// What changed and cannot be taken back, or was kept out of the way, and why.
    pub omitted: Vec<(PathBuf, String)>,
    /// A unified diff of text files, where it is small.
    pub diff: Option<String>,
}

/// The journal's watch over one command, from before it starts until after it ended.
#[derive(Debug)]
pub struct CommandCapture {
    journal: Arc<Journal>,
    turn: u32,
    call_id: String,
    change: Arc<Mutex<Option<u64>>>,
    coverage: Arc<Coverage>,
    over: Option<Over>,
}

/// An overlay that waits for its command. Its folders go with it, unless what is in them is still to be taken in.
#[derive(Debug)]
struct Over {
    folder: PathBuf,
    since: Moment,
    root_mode: u32,
    keep: bool,
    /// Held as long as the process lives, so that others know.
    _lock: File,
}

impl Over {
    fn upper(&self) -> PathBuf {
        self.folder.join("upper")
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        if !self.keep {
            overlay::discard(&self.upper());
        }
    }
}

/// Locked by the process whose overlay it is.
const LOCK: &str = "lock";

impl CallJournal {
    /// Watch over a command that may change anything below `root`; what it may change is kept.
    ///
    /// # Errors
    /// When contents cannot be kept, as with a full disk: the command should then not run.
    pub fn command(&self, root: &Path, overlay: OverlaySupport) -> io::Result<CommandCapture> {
        let journal = &self.journal;
        journal.tidy();
        let coverage = journal.coverage(root);
        let over = match overlay {
            OverlaySupport::Available => journal.over(root)?,
            OverlaySupport::Unavailable => None,
        };
        if over.is_none() {
            let mut known = journal.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
            let first = known.is_none();
            let snapshot = Snapshot::take(&coverage, &journal.store, known.as_ref(), Look::Before)?;
            if first {
                journal.tell_left_out(&snapshot);
            }
            *known = Some(snapshot);
        }
        Ok(CommandCapture {
            journal: journal.clone(),
            turn: self.turn,
            call_id: self.call_id.clone(),
            change: self.change.clone(),
            coverage,
            over,
        })
    }
}

impl Journal {
    fn overlays(&self) -> PathBuf {
        self.folder.join("overlay").join(self.changes.file_name().unwrap_or_default())
    }

    /// Folders for an overlay over the root; `None` where there is no place for them: what the command wrote is moved,
    /// so they must lie in the root's file system, and not in the root.
    fn over(&self, root: &Path) -> io::Result<Option<Over>> {
        let folder = self.overlays().join(uuid::Uuid::now_v7().to_string());
        fs::create_dir_all(&folder)?;
        let drop_it = || {
            // It is empty; one that stays is looked at when a session opens.
            let _ = fs::remove_dir(&folder);
            Ok(None)
        };
        let (there, here) = (fs::metadata(root)?, fs::metadata(&folder)?);
        if !same_device(&there, &here) || folder.canonicalize()?.starts_with(root) {
            return drop_it();
        }
        let create = || File::create(folder.join(LOCK));
        // Another process may have taken the empty folder for one that was left over.
        let lock = create().or_else(|_| fs::create_dir_all(&folder).and_then(|()| create()))?;
        lock.lock()?;
        disk::create_dir(&folder.join("work"))?;
        let upper = folder.join("upper");
        disk::create_dir(&upper)?;
        let root_mode = mode_of(&there);
        if cfg!(unix) {
            // The root looks to the command as its upper layer does.
            disk::set_mode(&upper, root_mode)?;
        }
        let since = overlay::changed_at(&fs::symlink_metadata(&upper)?);
        Ok(Some(Over { folder, since, root_mode, keep: false, _lock: lock }))
    }

    /// Once a session: what commands may change without a way back, although nobody would expect it.
    fn tell_left_out(&self, snapshot: &Snapshot) {
        const NAMED: usize = 5;
        let left_out = &snapshot.left_out;
        let Some((_, why)) = left_out.first() else { return };
        let names: Vec<String> = left_out
            .iter()
            .take(NAMED)
            .map(|(path, _)| path.strip_prefix(&self.root).unwrap_or(path).display().to_string())
            .collect();
        let more = match left_out.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        self.lock().notices.push(format!(
            "what commands do to these files cannot be undone: {}{more} ({why})",
            names.join(", ")
        ));
    }

    /// What the journal says of light folders, once for each and session.
    fn tell_light(&self, light: Vec<PathBuf>, changes: &mut CommandChanges) {
        let mut inner = self.lock();
        for path in light {
            if inner.told.insert(path.clone()) {
                changes.omitted.push((path, LIGHT_WHY.into()));
            }
        }
    }

    /// Overlays of processes that were killed before what their command wrote was on its way into the tree. Those in
    /// `pending` are still to be finished.
    pub(super) fn drop_left_over(&self, inner: &mut Inner, pending: &[PathBuf]) {
        for folder in fs::read_dir(self.overlays()).into_iter().flatten().flatten().map(|entry| entry.path())
        {
            let upper = folder.join("upper");
            let alive = File::open(folder.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err());
            if alive || pending.contains(&upper) {
                continue;
            }
            if fs::read_dir(&upper).is_ok_and(|mut entries| entries.next().is_some()) {
                inner.notices.push(
                    "a command was cut off when Loci was ended; nothing of what it wrote is in the project"
                        .into(),
                );
            }
            overlay::discard(&upper);
        }
    }

    /// What a command left in its upper layer and is not recorded: taken in again after it was cut off.
    pub(super) fn finish_raw(&self, upper: &Path) -> io::Result<()> {
        let coverage = self.coverage(&self.root);
        let layer = overlay::read(&coverage, &self.store, upper, (i64::MAX, 0))?;
        overlay::take_away(&layer.raw)?;
        overlay::take_in(&layer.raw)
    }
}

#[cfg(unix)]
fn same_device(one: &fs::Metadata, two: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    one.dev() == two.dev()
}

#[cfg(not(unix))]
fn same_device(_one: &fs::Metadata, _two: &fs::Metadata) -> bool {
    false
}

impl CommandCapture {
    /// The folders of the overlay that the command must run over, where it shall have one.
    #[must_use]
    pub fn overlay(&self) -> Option<Overlay> {
        self.over.as_ref().map(|over| Overlay { upper: over.upper(), work: over.folder.join("work") })
    }

    /// The command and everything it started has ended: record what it changed, and take it into the tree where it
    /// went to an overlay.
    ///
    /// # Errors
    /// When it cannot be recorded or taken in; a sentence for the user.
    pub fn finish(mut self) -> io::Result<CommandChanges> {
        match self.over.take() {
            Some(over) => self.finish_over(over),
            None => self.finish_scan(),
        }
    }

    fn finish_scan(&self) -> io::Result<CommandChanges> {
        let mut known = self.journal.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.take().unwrap_or_default();
        let after = Snapshot::take(&self.coverage, &self.journal.store, Some(&before), Look::After)?;
        let (differences, light) = before.compare(&after);
        *known = Some(after);
        drop(known);
        let mut changes = CommandChanges::default();
        self.journal.tell_light(light, &mut changes);
        if differences.is_empty() {
            return Ok(changes);
        }
        for Difference { path, before, after } in &differences {
            if let Some(why) = before.not_kept() {
                let gone = if *after == FileState::Missing { "it was removed, and " } else { "" };
                changes.omitted.push((path.clone(), format!("{gone}{why}")));
            }
        }
        changes.changed = named(&differences);
        changes.diff = diff::of(self.coverage.root(), &differences, |difference, side| match side {
            Side::Before => self.kept(&difference.before),
            Side::After => self.kept(&difference.after),
        });
        let mut inner = self.journal.lock();
        let change = self.begin(&mut inner)?;
        let ledger = &mut inner.ledger;
        let new: Vec<&Difference> =
            differences.iter().filter(|difference| !ledger.has(change, &difference.path)).collect();
        let entries = new.iter().map(|one| (one.path.as_path(), &one.before, &one.after));
        ledger.changed(change, entries)?;
        ledger.commit()?;
        Ok(changes)
    }

    fn kept(&self, state: &FileState) -> Option<Vec<u8>> {
        match state {
            FileState::File { hash, .. } => self.journal.store.read(hash).ok(),
            _ => None,
        }
    }

    fn begin(&self, inner: &mut Inner) -> io::Result<u64> {
        let mut current = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match *current {
            Some(change) => change,
            None => *current.insert(inner.ledger.begin(self.turn, &self.call_id, &[], false)?),
        })
    }

    fn finish_over(&self, mut over: Over) -> io::Result<CommandChanges> {
        let (root, upper) = (self.coverage.root(), over.upper());
        let mut layer = overlay::read(&self.coverage, &self.journal.store, &upper, over.since)?;
        let mode = mode_of(&fs::symlink_metadata(&upper)?);
        if mode != over.root_mode {
            let (before, after) =
                (FileState::Directory { mode: over.root_mode }, FileState::Directory { mode });
            let difference = Difference { path: root.into(), before, after };
            layer.items.push(overlay::Item { difference, source: None });
        }
        let mut changes =
            CommandChanges { omitted: std::mem::take(&mut layer.omitted), ..Default::default() };
        self.journal.tell_light(std::mem::take(&mut layer.light), &mut changes);
        if layer.items.is_empty() && layer.noted.is_empty() && layer.raw.is_empty() {
            return Ok(changes);
        }
        let mut differences: Vec<Difference> =
            layer.items.iter().map(|item| item.difference.clone()).chain(layer.noted.clone()).collect();
        differences.sort_by(|one, two| one.path.cmp(&two.path));
        let source =
            |path: &Path| layer.items.iter().find(|item| item.difference.path == path)?.source.clone();
        changes.changed = named(&differences);
        changes.diff = diff::of(root, &differences, |difference, side| match side {
            Side::Before => self.kept(&difference.before),
            Side::After => fs::read(source(&difference.path)?).ok(),
        });
        let _alone = self.journal.alone()?;
        let mut inner = self.journal.lock();
        let change = self.begin(&mut inner)?;
        self.journal.mark(inner.ledger.session_id())?;
        // From here on it is finished, if not now then when the journal is next opened; the call must not close it.
        over.keep = true;
        self.change.lock().unwrap_or_else(PoisonError::into_inner).take();
        let entries = differences.iter().map(|one| (one.path.as_path(), &one.before, &one.after));
        if let Err(error) = inner.ledger.plan(change, entries, Some(&upper)) {
            if inner.ledger.drop_change(change).is_ok() {
                over.keep = false;
                self.journal.unmark(inner.ledger.session_id());
            }
            return Err(io::Error::new(
                error.kind(),
                format!(
                    "what the command did could not be recorded, so it was not taken into the project: {error}"
                ),
            ));
        }
        let stayed = take_in(&self.journal, &layer).map_err(|(path, error)| {
            io::Error::new(
                error.kind(),
                format!(
                    "what the command did could not be taken into the project at {}: {error}. It waits in {}, and it \
                     is tried again when this project is next opened",
                    path.display(),
                    upper.display()
                ),
            )
        })?;
        let left = differences.iter().map(|one| {
            (one.path.as_path(), if stayed.contains(&one.path) { &one.before } else { &one.after })
        });
        inner.ledger.left(change, left)?;
        inner.ledger.commit()?;
        self.journal.unmark(inner.ledger.session_id());
        over.keep = false;
        *self.change.lock().unwrap_or_else(PoisonError::into_inner) = Some(change);
        Ok(changes)
    }
}

/// Everything of a layer into the tree. Gives the directories that stay, since something else is in them.
fn take_in(journal: &Journal, layer: &Layer) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let whole = |error| (journal.root.clone(), error);
    overlay::take_away(&layer.raw).map_err(whole)?;
    let steps: Vec<Step> = layer
        .items
        .iter()
        .map(|item| {
            let Difference { path, before, after } = item.difference.clone();
            Step { path, from: before, to: after, source: item.source.clone() }
        })
        .collect();
    for source in steps.iter().filter_map(|step| step.source.as_deref()) {
        overlay::clean(source);
    }
    let applied = apply::transform(&journal.store, &steps).map_err(|failed| (failed.path, failed.source))?;
    overlay::take_in(&layer.raw).map_err(whole)?;
    Ok(applied.stayed)
}

/// The paths to tell: a directory that came or went is told only where nothing below it is.
fn named(differences: &[Difference]) -> Vec<PathBuf> {
    let folder = |state: &FileState| state.is_directory() || *state == FileState::Missing;
    let next = |at: usize| differences.get(at + 1).map(|next| next.path.as_path());
    differences
        .iter()
        .enumerate()
        .filter(|(at, one)| {
            let below = next(*at).is_some_and(|next| next.starts_with(&one.path));
            !(below && folder(&one.before) && folder(&one.after))
        })
        .map(|(_, one)| one.path.clone())
        .collect()
}
