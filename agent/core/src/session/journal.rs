//! Owns the journal: what files were before the agent changed them, and the way back.
//! Uses a content-addressed store outside the project, and one append-only record of changes per session.
//! Never touches git, and never changes a file that is no longer what the agent left.

mod record;
mod store;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::tools::Preimages;

use record::{Change, Ledger};
use store::Store;
pub use store::{FileState, Limits};

/// The journal of one session.
#[derive(Debug)]
pub struct Journal {
    root: PathBuf,
    store: Store,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    ledger: Ledger,
    notices: Vec<String>,
}

/// Why a change was not taken back.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// There is nothing to do.
    #[error("there is no file change to take back")]
    Nothing,
    /// Somebody else changed the file since; nothing was touched.
    #[error("{} is no longer what the agent left, so nothing was taken back; its earlier content is {kept}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// Where the earlier content is, in words.
        kept: String,
    },
    /// The content was too large to keep.
    #[error("the earlier content of {} was not kept: {why}", path.display())]
    NotKept {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Which changes to take back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The newest change that is not taken back yet.
    #[default]
    Newest,
    /// Every change of a turn, newest first.
    Turn(u32),
    /// The newest taking back: bring the change back.
    Redo,
}

/// What was taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// The session whose change it was.
    pub session_id: String,
    /// Absolute paths that were restored or removed.
    pub paths: Vec<PathBuf>,
}

impl Journal {
    /// The journal of a session, created on its first change.
    ///
    /// # Errors
    /// When its folder cannot be used or its record cannot be read.
    pub fn open(
        folder: &Path,
        root: &Path,
        project: &str,
        session_id: &str,
        limits: Limits,
    ) -> io::Result<Self> {
        let ledger = Ledger::open(&folder.join("changes").join(project), session_id)?;
        Ok(Self {
            root: root.into(),
            store: Store::new(folder.join("blobs"), limits),
            inner: Mutex::new(Inner { ledger, notices: Vec::new() }),
        })
    }

    /// A view for one call: what it keeps belongs together and is taken back together.
    #[must_use]
    pub fn begin(self: &Arc<Self>, turn: u32, call_id: &str) -> Arc<CallJournal> {
        Arc::new(CallJournal {
            journal: self.clone(),
            turn,
            call_id: call_id.into(),
            change: Mutex::new(None),
        })
    }

    /// Things the user should know, since the last time this was asked.
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().notices)
    }

    /// Take changes back.
    ///
    /// # Errors
    /// See [`UndoError`]; a file that is not what the agent left stops everything before anything is touched.
    pub fn undo(&self, which: Which) -> Result<Undone, UndoError> {
        let mut inner = self.lock();
        let chosen: Vec<Change> = inner.ledger.choose(which);
        if chosen.is_empty() {
            return Err(UndoError::Nothing);
        }
        let mut paths = Vec::new();
        // Newest first, one at a time: a file that several changes touched goes back step by step, and a refusal in
        // the middle leaves the newer ones taken back and recorded.
        let mut expected: Vec<(PathBuf, FileState)> = Vec::new();
        for change in &chosen {
            self.check(change, &mut expected)?;
        }
        for change in &chosen {
            self.take_back(&mut inner, change, which == Which::Redo, &mut paths)?;
        }
        paths.dedup();
        Ok(Undone { session_id: inner.ledger.session_id().into(), paths })
    }

    /// Every file of a change must be as the agent left it, given what the changes checked before will have restored.
    fn check(&self, change: &Change, expected: &mut Vec<(PathBuf, FileState)>) -> Result<(), UndoError> {
        for entry in &change.entries {
            let now = match expected.iter().rev().find(|(path, _)| *path == entry.path) {
                Some((_, state)) => state.clone(),
                None => FileState::of(&entry.path).map_err(|source| io_error(&entry.path, source))?,
            };
            let untouched = now.same_content(&entry.before);
            let left = entry.after.as_ref().is_some_and(|after| now.same_content(after));
            if !untouched && !left {
                return Err(UndoError::Changed {
                    path: entry.path.clone(),
                    kept: self.store.describe(&entry.before),
                });
            }
            if let FileState::Omitted { why, .. } = &entry.before
                && !untouched
            {
                return Err(UndoError::NotKept { path: entry.path.clone(), why: why.clone() });
            }
            expected.push((entry.path.clone(), entry.before.clone()));
        }
        Ok(())
    }

    fn take_back(
        &self,
        inner: &mut Inner,
        change: &Change,
        redo: bool,
        paths: &mut Vec<PathBuf>,
    ) -> Result<(), UndoError> {
        let stored = |source| io_error(&self.root, source);
        let id = inner.ledger.begin(change.turn, &change.call_id, Some((change.id, redo))).map_err(stored)?;
        for entry in change.entries.iter().rev() {
            let now = self.store.keep(&entry.path).map_err(|source| io_error(&entry.path, source))?;
            inner.ledger.kept(id, &entry.path, &now).map_err(stored)?;
            if now.same_content(&entry.before) && now.same_mode(&entry.before) {
                continue;
            }
            self.restore(&entry.path, &entry.before).map_err(|source| io_error(&entry.path, source))?;
            paths.push(entry.path.clone());
        }
        inner.ledger.finish(id).map_err(stored)
    }

    fn restore(&self, path: &Path, state: &FileState) -> io::Result<()> {
        match state {
            FileState::Missing => match atomic::remove(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                other => other,
            },
            FileState::File { hash, mode, .. } => {
                let content = self.store.read(hash)?;
                if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_symlink()) {
                    atomic::remove(path)?;
                }
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent)?;
                }
                atomic::write(path, &content)?;
                store::set_mode(path, *mode)
            }
            FileState::Link { target } => {
                match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
                store::make_link(target, path)
            }
            FileState::Omitted { .. } | FileState::Other => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "its content was not kept"))
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn io_error(path: &Path, source: io::Error) -> UndoError {
    UndoError::Io { path: path.into(), source }
}

/// What one call keeps.
#[derive(Debug)]
pub struct CallJournal {
    journal: Arc<Journal>,
    turn: u32,
    call_id: String,
    change: Mutex<Option<u64>>,
}

impl CallJournal {
    /// Record what the call left, so that undo can tell it from later changes of others.
    ///
    /// # Errors
    /// When the record cannot be written; undo will then refuse these files.
    pub fn finish(&self) -> io::Result<()> {
        let change = self.change.lock().unwrap_or_else(PoisonError::into_inner).take();
        match change {
            Some(change) => self.journal.lock().ledger.finish(change),
            None => Ok(()),
        }
    }

    fn keep_one(&self, inner: &mut Inner, change: u64, path: &Path) -> io::Result<()> {
        if inner.ledger.has(change, path) {
            return Ok(());
        }
        let state = self.journal.store.keep(path)?;
        if let FileState::Omitted { why, .. } = &state {
            inner.notices.push(format!("the change to {} cannot be undone: {why}", path.display()));
        }
        inner.ledger.kept(change, path, &state)
    }
}

impl Preimages for CallJournal {
    fn keep(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.journal.lock();
        let mut current = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let change = match *current {
            Some(change) => change,
            None => {
                let change = inner.ledger.begin(self.turn, &self.call_id, None)?;
                *current = Some(change);
                change
            }
        };
        // Tools write through links or remove them, so both the link and what it leads to are kept.
        let target = atomic::follow(path)?;
        if target != path {
            self.keep_one(&mut inner, change, path)?;
        }
        self.keep_one(&mut inner, change, &target)?;
        inner.ledger.commit()
    }

    fn undo_last(&self) -> Result<Vec<PathBuf>, String> {
        self.journal.undo_last()
    }
}

impl Preimages for Journal {
    fn keep(&self, _path: &Path) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a change belongs to a call"))
    }

    fn undo_last(&self) -> Result<Vec<PathBuf>, String> {
        self.undo(Which::Newest).map(|undone| undone.paths).map_err(|error| match error {
            UndoError::Nothing => {
                "this session has no file change to take back; `loci undo` takes back those of earlier ones"
                    .into()
            }
            other => other.to_string(),
        })
    }
}

/// Take back changes of a project from outside a session: of `session`, or of the session with the newest change.
///
/// # Errors
/// See [`UndoError`].
pub fn undo(
    folder: &Path,
    root: &Path,
    project: &str,
    session: Option<&str>,
    which: Which,
) -> Result<Undone, UndoError> {
    let changes = folder.join("changes").join(project);
    let session = match session {
        Some(session) => session.to_owned(),
        None => record::newest_session(&changes, which)
            .map_err(|source| io_error(&changes, source))?
            .ok_or(UndoError::Nothing)?,
    };
    let journal = Journal::open(folder, root, project, &session, Limits::default())
        .map_err(|source| io_error(&changes, source))?;
    journal.undo(which)
}

#[cfg(test)]
mod tests;
