//! Owns what the journal drops, by size and age only: the oldest first.
//! Uses a lock that every open journal shares, so that nothing is dropped that an open session may need.
//! Never drops what this session changed, nor what it keeps for the next command.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::Journal;
use super::record::{self, Change, Ledger};
use super::state::FileState;

/// The store is made so much smaller than its limit, in per cent, that this need not be done at every command.
const TARGET: u64 = 80;
/// And begins so close to it.
const BEGIN: u64 = 95;
/// How often age is looked at.
const PERIOD: Duration = Duration::from_secs(24 * 60 * 60);

/// Say that the store is in use, for as long as the file is open.
pub(super) fn in_use(folder: &Path) -> io::Result<File> {
    crate::session::log::create_folder(folder)?;
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(folder.join("in-use"))?;
    file.lock_shared()?;
    Ok(file)
}

impl Journal {
    /// Make room where it is needed, and drop what is too old. Says nothing where there is nothing to do.
    pub(super) fn tidy(&self) {
        let limits = self.store.limits;
        let full = self.store.size() > limits.total_bytes / 100 * BEGIN;
        let stamp = self.folder.join("pruned");
        let modified = fs::metadata(&stamp).and_then(|metadata| metadata.modified());
        let due = limits.days > 0
            && modified.ok().and_then(|then| then.elapsed().ok()).is_none_or(|elapsed| elapsed > PERIOD);
        if !full && !due {
            return;
        }
        match self.prune() {
            Ok(Some(_)) => {
                // A stamp that cannot be written means that it is done again.
                let _ = File::create(&stamp).and_then(|file| file.set_modified(SystemTime::now()));
            }
            Ok(None) => {}
            Err(error) => self.lock().notices.push(format!("the journal cannot be made smaller: {error}")),
        }
    }

    /// Drop the oldest contents until the store is well below its limit, and whatever is older than the limit of age.
    /// Gives the bytes that became free; `None` when other sessions are open, which may need any of it.
    ///
    /// # Errors
    /// What the system says.
    pub fn prune(&self) -> io::Result<Option<u64>> {
        self.in_use.unlock()?;
        let freed = match self.in_use.try_lock() {
            Ok(()) => self.drop_oldest().map(Some),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        };
        self.in_use.unlock()?;
        self.in_use.lock_shared()?;
        freed
    }

    fn drop_oldest(&self) -> io::Result<u64> {
        let mut used: HashMap<String, SystemTime> = HashMap::new();
        let projects = fs::read_dir(self.folder.join("changes")).into_iter().flatten().flatten();
        for project in projects.map(|entry| entry.path()) {
            for session in record::sessions(&project)? {
                for change in Ledger::open(&project, &session)?.changes() {
                    let at =
                        change.at.parse().map_or(SystemTime::UNIX_EPOCH, |at: jiff::Timestamp| at.into());
                    for hash in hashes(change) {
                        let newest = used.entry(hash.to_owned()).or_insert(at);
                        *newest = (*newest).max(at);
                    }
                }
            }
        }
        let inner = self.lock();
        let mut needed: HashSet<String> =
            inner.ledger.changes().iter().flat_map(hashes).map(ToOwned::to_owned).collect();
        drop(inner);
        let snapshot = self.snapshot.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        needed.extend(snapshot.iter().flat_map(|snapshot| snapshot.hashes()).map(ToOwned::to_owned));
        self.store.prune(self.store.limits.total_bytes / 100 * TARGET, &needed, &used)
    }
}

fn hashes(change: &Change) -> impl Iterator<Item = &str> {
    change.entries.iter().flat_map(|entry| {
        let states = [Some(&entry.before), entry.planned.as_ref(), entry.after.as_ref()];
        states.into_iter().flatten().filter_map(FileState::hash)
    })
}
