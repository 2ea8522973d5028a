//! Owns the journal: what files were before the agent changed them, and the way back.
//! Uses a content-addressed store outside the project, and one append-only record of changes per session.
//! Never touches git, and never changes a file that is no longer what the agent left.

mod apply;
mod command;
mod coverage;
mod diff;
mod made;
mod overlay;
mod prune;
mod record;
mod snapshot;
mod state;
mod store;
mod undo;

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::session::log::ChangedFile;
use crate::tools::Preimages;

pub use command::{CommandCapture, CommandChanges, OverlaySupport};
use coverage::Coverage;
use record::{Entry, Ledger};
use snapshot::Snapshot;
pub use state::FileState;
pub use store::Limits;
use store::Store;

/// The journal of one session.
#[derive(Debug)]
pub struct Journal {
    /// Holds everything of the journal.
    folder: PathBuf,
    /// The records of the project's sessions.
    changes: PathBuf,
    root: PathBuf,
    store: Store,
    inner: Mutex<Inner>,
    /// The tree as it was when a command was last looked at.
    snapshot: Mutex<Option<Snapshot>>,
    coverage: Mutex<Option<Arc<Coverage>>>,
    /// Locked: what is in the store may be needed.
    in_use: File,
}

#[derive(Debug)]
struct Inner {
    ledger: Ledger,
    notices: Vec<String>,
    /// Folders whose content is not followed, and of which that was said.
    told: HashSet<PathBuf>,
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
    /// The system refused, and everything is as it was.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused, and then also refused to go back; it is tried again when the journal is next opened.
    #[error("it failed in the middle ({first}), and then {} could not be put back: {source}", path.display())]
    Half {
        /// The file.
        path: PathBuf,
        /// What the system said to going back.
        source: io::Error,
        /// What it said first.
        first: String,
    },
}

/// Which changes to take back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The newest change that is not taken back yet.
    #[default]
    Newest,
    /// Every change of one call.
    Call(String),
    /// The newest change to one file, and to nothing else; an absolute path.
    File(PathBuf),
    /// Every change of a turn.
    Turn(u32),
    /// Every change of a turn and of those after it.
    Since(u32),
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
    /// What stays as it is, and why.
    pub left: Vec<(PathBuf, String)>,
}

/// One change, for lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeSummary {
    /// The turn it belongs to.
    pub turn: u32,
    /// The call that made it.
    pub call_id: String,
    /// When, as RFC 3339.
    pub at: String,
    /// Absolute paths that changed.
    pub paths: Vec<PathBuf>,
    /// All of it was taken back.
    pub undone: bool,
    /// It was cut off, so that nobody knows what it left.
    pub cut_off: bool,
}

impl Journal {
    /// The journal of a session, created on its first change. What an earlier process could not finish is finished.
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
        let changes = folder.join("changes").join(project);
        let ledger = Ledger::open(&changes, session_id)?;
        let journal = Self {
            folder: folder.into(),
            changes,
            root: root.into(),
            store: Store::new(folder.join("blobs"), limits),
            inner: Mutex::new(Inner { ledger, notices: Vec::new(), told: HashSet::new() }),
            snapshot: Mutex::default(),
            coverage: Mutex::default(),
            in_use: prune::in_use(folder)?,
        };
        Self::sweep(&journal.lock().ledger);
        journal.recover_all()?;
        journal.tidy();
        Ok(journal)
    }

    /// A view for one call: what it keeps belongs together and is taken back together.
    #[must_use]
    pub fn begin(self: &Arc<Self>, turn: u32, call_id: &str) -> Arc<CallJournal> {
        Arc::new(CallJournal {
            journal: self.clone(),
            turn,
            call_id: call_id.into(),
            change: Arc::default(),
            ended: Mutex::default(),
        })
    }

    /// Things the user should know, since the last time this was asked.
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().notices)
    }

    /// Every change of the session, oldest first; takings back are not among them.
    pub fn changes(&self) -> Vec<ChangeSummary> {
        let mut inner = self.lock();
        // What cannot be read again is answered from memory.
        let _ = inner.ledger.catch_up();
        let own = inner.ledger.changes().iter().filter(|change| change.is_own());
        own.filter_map(|change| {
            let changed: Vec<&Entry> = change.entries.iter().filter(|entry| entry.changed()).collect();
            (!changed.is_empty()).then(|| ChangeSummary {
                turn: change.turn,
                call_id: change.call_id.clone(),
                at: change.at.clone(),
                paths: changed.iter().map(|entry| entry.path.clone()).collect(),
                undone: changed.iter().all(|entry| entry.undone),
                cut_off: changed.iter().any(|entry| entry.after.is_none()),
            })
        })
        .collect()
    }

    /// Finish what was cut off, in this session and in those of the project that ended in the middle.
    fn recover_all(&self) -> io::Result<()> {
        let marked: Vec<PathBuf> = match fs::read_dir(&self.changes) {
            Ok(entries) => entries
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|extension| extension == MARK))
                .collect(),
            Err(_) => Vec::new(),
        };
        if marked.is_empty() {
            self.drop_left_over(&mut self.lock(), &[]);
            return Ok(());
        }
        let Ok(_alone) = self.alone() else { return Ok(()) };
        let mut inner = self.lock();
        let mut pending = Vec::new();
        for mark in marked {
            let session = mark.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
            let mut other = match session == inner.ledger.session_id() {
                true => None,
                false => Some(Ledger::open(&self.changes, &session)?),
            };
            let ledger = other.as_mut().unwrap_or(&mut inner.ledger);
            let result = self.recover(ledger);
            let open = ledger.changes().iter().filter(|change| !change.ended);
            pending.extend(open.filter_map(|change| change.applying.clone().flatten()));
            match result {
                Ok(notices) => {
                    inner.notices.extend(notices);
                    self.unmark(&session);
                }
                Err(error) => inner.notices.push(format!(
                    "a change that was cut off in session {session} cannot be finished: {error}"
                )),
            }
        }
        self.drop_left_over(&mut inner, &pending);
        Ok(())
    }

    /// Half-written files of a process that was killed, beside the files that it was changing.
    fn sweep(ledger: &Ledger) {
        let cut_off = ledger.changes().iter().filter(|change| !change.ended);
        let folders: HashSet<&Path> =
            cut_off.flat_map(|change| &change.entries).filter_map(|entry| entry.path.parent()).collect();
        for entry in folders.into_iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
            if atomic::is_left_over(&entry.file_name()) {
                // It is in nobody's way.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Say that files of this session's change as planned, so that whoever opens the journal next looks.
    fn mark(&self, session_id: &str) -> io::Result<()> {
        crate::session::log::create_folder(&self.changes)?;
        let file = atomic::disk::create_private(&self.changes.join(session_id).with_extension(MARK))?;
        atomic::disk::sync(&file)?;
        atomic::disk::sync_directory(&self.changes)
    }

    fn unmark(&self, session_id: &str) {
        // A mark that stays is looked at in vain.
        let _ = fs::remove_file(self.changes.join(session_id).with_extension(MARK));
    }

    /// Be the only process that moves files of this project about. The lock ends with the process.
    fn alone(&self) -> io::Result<File> {
        crate::session::log::create_folder(&self.changes)?;
        let path = self.changes.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        file.lock()?;
        Ok(file)
    }

    fn coverage(&self, root: &Path) -> Arc<Coverage> {
        let mut coverage = self.coverage.lock().unwrap_or_else(PoisonError::into_inner);
        match &*coverage {
            Some(coverage) if coverage.root() == root => coverage.clone(),
            _ => coverage.insert(Arc::new(Coverage::new(root, &self.folder))).clone(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The extension of the marks of sessions whose files are changing.
const MARK: &str = "applying";

fn io_error(path: &Path, source: io::Error) -> UndoError {
    UndoError::Io { path: path.into(), source }
}

/// What one call keeps.
#[derive(Debug)]
pub struct CallJournal {
    journal: Arc<Journal>,
    turn: u32,
    call_id: String,
    change: Arc<Mutex<Option<u64>>>,
    /// What it changed, once it is finished.
    ended: Mutex<Vec<ChangedFile>>,
}

impl CallJournal {
    /// Record what the call left, so that undo can tell it from later changes of others.
    ///
    /// # Errors
    /// When the record cannot be written; undo will then refuse these files.
    pub fn finish(&self) -> io::Result<()> {
        let Some(change) = self.change.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Ok(());
        };
        let mut inner = self.journal.lock();
        inner.ledger.finish(change)?;
        let found = inner.ledger.changes().iter().find(|found| found.id == change);
        let files = found.into_iter().flat_map(|found| &found.entries).filter(|entry| entry.changed());
        let root = &self.journal.root;
        let files = files.map(|entry| ChangedFile {
            path: entry.path.strip_prefix(root).unwrap_or(&entry.path).to_string_lossy().replace('\\', "/"),
            before: entry.before.hash().map(ToOwned::to_owned),
            after: entry.after.as_ref().and_then(FileState::hash).map(ToOwned::to_owned),
        });
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = files.collect();
        Ok(())
    }

    /// What the call changed, with hashes, once it is finished.
    pub fn files(&self) -> Vec<ChangedFile> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep_one(&self, inner: &mut Inner, change: u64, path: &Path) -> io::Result<()> {
        if inner.ledger.has(change, path) {
            return Ok(());
        }
        let state = self.journal.store.keep(path, u64::MAX)?;
        if let FileState::Omitted { why, .. } = &state {
            inner.notices.push(format!("the change to {} cannot be undone: {why}", path.display()));
        }
        inner.ledger.kept(change, path, &state)
    }
}

/// The same path with the directories above it resolved, so that it means the same file for ever.
fn settled(path: &Path) -> PathBuf {
    for above in path.ancestors().skip(1) {
        if let (Ok(real), Ok(rest)) = (above.canonicalize(), path.strip_prefix(above)) {
            return real.join(rest);
        }
    }
    path.into()
}

impl Preimages for CallJournal {
    fn keep(&self, path: &Path) -> io::Result<()> {
        self.journal.tidy();
        let mut inner = self.journal.lock();
        let mut current = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let change = match *current {
            Some(change) => change,
            None => *current.insert(inner.ledger.begin(self.turn, &self.call_id, &[], false)?),
        };
        // Tools write through links or remove them, so both the link and what it leads to are kept.
        let path = settled(path);
        let target = settled(&atomic::follow(&path)?);
        // The folders that the tool makes for it are changes, too.
        let missing: Vec<&Path> = target.ancestors().skip(1).take_while(|above| !above.exists()).collect();
        for above in missing.into_iter().rev() {
            self.keep_one(&mut inner, change, above)?;
        }
        if target != path {
            self.keep_one(&mut inner, change, &path)?;
        }
        self.keep_one(&mut inner, change, &target)?;
        self.journal.store.commit()?;
        inner.ledger.commit()
    }

    fn undo_last(&self) -> Result<Vec<PathBuf>, String> {
        self.journal.undo_last()
    }

    fn command(&self, root: &Path, overlay: OverlaySupport) -> io::Result<Option<CommandCapture>> {
        Self::command(self, root, overlay).map(Some)
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

/// The journal of an earlier session of a project, from outside it: of `session`, or of the one with the newest change
/// that `which` can mean.
///
/// # Errors
/// [`UndoError::Nothing`] when there is none, or `Io`.
pub fn earlier(
    folder: &Path,
    root: &Path,
    project: &str,
    session: Option<&str>,
    which: &Which,
    limits: Limits,
) -> Result<Journal, UndoError> {
    let changes = folder.join("changes").join(project);
    let io = |source| io_error(&changes, source);
    let session = match session {
        Some(session) => {
            let known = record::sessions(&changes).map_err(io)?;
            let mut fits = known.iter().filter(|known| known.starts_with(session));
            match (fits.next(), fits.next()) {
                (Some(only), None) => only.clone(),
                _ => session.to_owned(),
            }
        }
        None => record::newest_session(&changes, which).map_err(io)?.ok_or(UndoError::Nothing)?,
    };
    Journal::open(folder, root, project, &session, limits).map_err(io)
}

#[cfg(test)]
mod tests;
