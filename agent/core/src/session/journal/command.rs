//! Owns what the journal does around a shell command: what was there before it, and what it changed.
//! Uses an overlay where the sandbox has one, and a look at the whole tree before and after where not.
//! Never holds up a command for what cannot be kept; that is said instead.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use loci_exec::sandbox::Overlay;

use super::coverage::{Coverage, LIGHT_WHY};
use super::snapshot::{Difference, Look, Snapshot};
use super::state::FileState;
use super::{CallJournal, Journal};

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
    pub(super) journal: Arc<Journal>,
    pub(super) turn: u32,
    pub(super) call_id: String,
    pub(super) change: Arc<Mutex<Option<u64>>>,
    pub(super) coverage: Arc<Coverage>,
}

impl CallJournal {
    /// Look at the tree before a command runs in it; what it may change is kept.
    ///
    /// # Errors
    /// When contents cannot be kept, as with a full disk: the command should then not run.
    pub fn command(&self, root: &Path, overlay: OverlaySupport) -> io::Result<CommandCapture> {
        let _ = overlay;
        self.journal.tidy();
        let coverage = self.journal.coverage(root);
        let mut known = self.journal.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = Snapshot::take(&coverage, &self.journal.store, known.as_ref(), Look::Before)?;
        *known = Some(snapshot);
        Ok(CommandCapture {
            journal: self.journal.clone(),
            turn: self.turn,
            call_id: self.call_id.clone(),
            change: self.change.clone(),
            coverage,
        })
    }
}

impl CommandCapture {
    /// The folders of the overlay that the command must run over, where it shall have one.
    #[must_use]
    pub fn overlay(&self) -> Option<Overlay> {
        None
    }

    /// The command and everything it started has ended: record what it changed, and take it into the tree where it
    /// went to an overlay.
    ///
    /// # Errors
    /// When it cannot be recorded or taken in; a sentence for the user.
    pub fn finish(self) -> io::Result<CommandChanges> {
        self.finish_scan()
    }

    fn finish_scan(&self) -> io::Result<CommandChanges> {
        let mut known = self.journal.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.take().unwrap_or_default();
        let after = Snapshot::take(&self.coverage, &self.journal.store, Some(&before), Look::After)?;
        let (differences, light) = before.compare(&after);
        *known = Some(after);
        drop(known);
        let mut changes = CommandChanges::default();
        for path in light {
            changes.omitted.push((path, LIGHT_WHY.into()));
        }
        if differences.is_empty() {
            return Ok(changes);
        }
        for difference in &differences {
            if let Some(why) = difference.before.not_kept() {
                changes.omitted.push((difference.path.clone(), why.into()));
            }
        }
        changes.changed = named(&differences);
        changes.diff = super::diff::of(self.coverage.root(), &differences, |difference, side| {
            match if side == super::diff::Side::Before { &difference.before } else { &difference.after } {
                FileState::File { hash, .. } => self.journal.store.read(hash).ok(),
                _ => None,
            }
        });
        let mut inner = self.journal.lock();
        let mut current = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let change = match *current {
            Some(change) => change,
            None => *current.insert(inner.ledger.begin(self.turn, &self.call_id, &[], false)?),
        };
        let new = differences.iter().filter(|difference| !inner.ledger.has(change, &difference.path));
        let new: Vec<&Difference> = new.collect();
        inner.ledger.changed(
            change,
            new.iter().map(|difference| (difference.path.as_path(), &difference.before, &difference.after)),
        )?;
        inner.ledger.commit()?;
        Ok(changes)
    }
}

/// The paths to tell: a directory is told only where nothing below it is.
pub(super) fn named(differences: &[Difference]) -> Vec<PathBuf> {
    let mut paths: Vec<&Path> = differences.iter().map(|difference| difference.path.as_path()).collect();
    paths.sort();
    let next = |at: usize| paths.get(at + 1).copied();
    paths
        .iter()
        .enumerate()
        .filter(|(at, path)| next(*at).is_none_or(|next| !next.starts_with(path)))
        .map(|(_, path)| path.to_path_buf())
        .collect()
}
