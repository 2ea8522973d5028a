//! Owns the record of changes of one session: which call changed which file, from what to what.
//! Uses append-only JSON lines; a torn last line is ignored and cut off before the next append.
//! Never holds contents; those are in the store.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Which;
use super::state::{FileState, WrittenPath};
use crate::atomic::disk;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    /// A call is about to change files; or changes are about to be taken back or brought back (`undoes`, `takes`).
    Begin {
        change: u64,
        turn: u32,
        call_id: String,
        at: String,
        /// The one change taken back, in the first format.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undoes: Option<u64>,
        /// The changes taken back, at the paths that this one names.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        takes: Vec<u64>,
        #[serde(default)]
        redo: bool,
    },
    /// What was at a path before the change.
    Kept { change: u64, path: WrittenPath, before: FileState },
    /// What shall be there after it.
    Planned { change: u64, path: WrittenPath, after: FileState },
    /// Everything planned is recorded, and from here on the files change; `upper` holds new contents that are not in
    /// the store.
    Apply {
        change: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        upper: Option<WrittenPath>,
    },
    /// What is there after it.
    Left { change: u64, path: WrittenPath, after: FileState },
    /// The change is complete.
    End { change: u64 },
    /// It failed, and everything is as it was before it.
    Dropped { change: u64 },
}

/// One file of a change.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) before: FileState,
    /// What shall be there, where that was known beforehand.
    pub(super) planned: Option<FileState>,
    /// `None` when the change was cut off before it was known.
    pub(super) after: Option<FileState>,
    /// It was taken back.
    pub(super) undone: bool,
}

impl Entry {
    /// Whether the change made a difference here.
    pub(super) fn changed(&self) -> bool {
        self.after.as_ref().is_none_or(|after| !after.same(&self.before))
    }
}

/// What one call changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) id: u64,
    pub(super) turn: u32,
    pub(super) call_id: String,
    pub(super) at: String,
    pub(super) entries: Vec<Entry>,
    /// The changes that this one takes back, or the taking back that it takes back.
    pub(super) takes: Vec<u64>,
    pub(super) redo: bool,
    /// A taking back that was taken back.
    undone: bool,
    /// Files began to change as planned, and where new contents are.
    pub(super) applying: Option<Option<PathBuf>>,
    pub(super) ended: bool,
}

impl Change {
    /// Whether it is a call's own change.
    pub(super) fn is_own(&self) -> bool {
        self.takes.is_empty()
    }

    /// Whether something of it can still be taken back.
    fn is_done(&self) -> bool {
        self.is_own() && self.entries.iter().any(|entry| !entry.undone && entry.changed())
    }
}

/// The changes of one session.
#[derive(Debug)]
pub(super) struct Ledger {
    session_id: String,
    path: PathBuf,
    file: Option<File>,
    changes: Vec<Change>,
    /// Bytes of whole lines.
    length: u64,
    /// Something was written and not yet synced.
    dirty: bool,
}

fn path_of(folder: &Path, session_id: &str) -> PathBuf {
    // Ids are our own; anything else must not lead out of the folder.
    let name: String =
        session_id.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
    folder.join(format!("{name}.jsonl"))
}

impl Ledger {
    pub(super) fn open(folder: &Path, session_id: &str) -> io::Result<Self> {
        let path = path_of(folder, session_id);
        let mut ledger = Self {
            session_id: session_id.into(),
            path,
            file: None,
            changes: Vec::new(),
            length: 0,
            dirty: false,
        };
        ledger.reload()?;
        Ok(ledger)
    }

    pub(super) fn session_id(&self) -> &str {
        &self.session_id
    }

    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Read what is there; another process may have undone something since.
    fn reload(&mut self) -> io::Result<()> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        self.changes.clear();
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.length = whole as u64;
        for line in bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            // A line that cannot be read is one change that cannot be undone; the others still can.
            if let Ok(line) = serde_json::from_slice::<Line>(line) {
                self.take_in(line);
            }
        }
        Ok(())
    }

    /// Another process may have taken something back since.
    pub(super) fn catch_up(&mut self) -> io::Result<()> {
        let length = fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        if length == self.length { Ok(()) } else { self.reload() }
    }

    fn take_in(&mut self, line: Line) {
        match line {
            Line::Begin { change, turn, call_id, at, undoes, takes, redo } => self.changes.push(Change {
                id: change,
                turn,
                call_id,
                at,
                entries: Vec::new(),
                takes: undoes.into_iter().chain(takes).collect(),
                redo,
                undone: false,
                applying: None,
                ended: false,
            }),
            Line::Kept { change, path, before } => {
                if let Some(found) = self.find(change) {
                    let path = path.path();
                    found.entries.push(Entry { path, before, planned: None, after: None, undone: false });
                }
            }
            Line::Planned { change, path, after } => {
                if let Some(entry) = self.entry(change, &path.path()) {
                    entry.planned = Some(after);
                }
            }
            Line::Apply { change, upper } => {
                if let Some(found) = self.find(change) {
                    found.applying = Some(upper.map(|upper| upper.path()));
                }
            }
            Line::Left { change, path, after } => {
                if let Some(entry) = self.entry(change, &path.path()) {
                    entry.after = Some(after);
                }
            }
            Line::End { change } => self.end(change),
            Line::Dropped { change } => self.changes.retain(|found| found.id != change),
        }
    }

    fn end(&mut self, change: u64) {
        let Some(found) = self.find(change) else { return };
        found.ended = true;
        let (takes, redo) = (found.takes.clone(), found.redo);
        if takes.is_empty() {
            return;
        }
        let paths: HashSet<PathBuf> = found.entries.iter().map(|entry| entry.path.clone()).collect();
        let mut again = takes;
        if redo {
            // What is brought back is a taking back: what that took back counts again.
            for id in std::mem::take(&mut again) {
                if let Some(taking) = self.find(id) {
                    taking.undone = true;
                    again.extend(&taking.takes);
                }
            }
        }
        for id in again {
            for entry in self.find(id).into_iter().flat_map(|found| &mut found.entries) {
                if paths.contains(&entry.path) {
                    entry.undone = !redo;
                }
            }
        }
    }

    fn find(&mut self, change: u64) -> Option<&mut Change> {
        self.changes.iter_mut().rev().find(|found| found.id == change)
    }

    fn entry(&mut self, change: u64, path: &Path) -> Option<&mut Entry> {
        self.find(change)?.entries.iter_mut().rev().find(|entry| entry.path == path)
    }

    /// The changes to take back, newest first, with those entries that are to be taken back.
    pub(super) fn choose(&mut self, which: &Which) -> Vec<Change> {
        // What cannot be read again is answered from memory.
        let _ = self.catch_up();
        let only = |keep: &dyn Fn(&Entry) -> bool, change: &Change| {
            let mut change = change.clone();
            change.entries.retain(|entry| !entry.undone && keep(entry));
            change
        };
        let done = || self.changes.iter().rev().filter(|change| change.is_done());
        let all = |_: &Entry| true;
        let one = |change: Option<&Change>| change.map(|change| only(&all, change)).into_iter().collect();
        match which {
            Which::Newest => one(done().next()),
            Which::Call(call) => {
                done().filter(|change| change.call_id == *call).map(|change| only(&all, change)).collect()
            }
            Which::File(path) => {
                let at_path = |entry: &Entry| entry.path == *path;
                done()
                    .map(|change| only(&at_path, change))
                    .find(|change| change.entries.iter().any(Entry::changed))
                    .into_iter()
                    .collect()
            }
            Which::Turn(turn) => {
                done().filter(|change| change.turn == *turn).map(|change| only(&all, change)).collect()
            }
            Which::Since(turn) => {
                done().filter(|change| change.turn >= *turn).map(|change| only(&all, change)).collect()
            }
            Which::Redo => {
                // Only when the newest thing was a taking back: a new change in between ends the way forward.
                let newest = self.changes.iter().rev().find(|change| {
                    !change.redo
                        && !change.undone
                        && change.entries.iter().any(Entry::changed)
                        && (change.is_own() || change.ended)
                });
                one(newest.filter(|change| !change.is_own()))
            }
        }
    }

    pub(super) fn has(&self, change: u64, path: &Path) -> bool {
        self.changes
            .iter()
            .rev()
            .find(|found| found.id == change)
            .is_some_and(|found| found.entries.iter().any(|entry| entry.path == path))
    }

    /// Begin a change: of a call, or a taking back of other changes.
    pub(super) fn begin(&mut self, turn: u32, call_id: &str, takes: &[u64], redo: bool) -> io::Result<u64> {
        self.catch_up()?;
        let change = self.changes.iter().map(|change| change.id).max().unwrap_or(0) + 1;
        self.append(vec![Line::Begin {
            change,
            turn,
            call_id: call_id.into(),
            at: jiff::Timestamp::now().to_string(),
            undoes: None,
            takes: takes.to_vec(),
            redo,
        }])?;
        Ok(change)
    }

    /// Record what was there before; durable after [`Ledger::commit`].
    pub(super) fn kept(&mut self, change: u64, path: &Path, before: &FileState) -> io::Result<()> {
        self.append(vec![Line::Kept { change, path: WrittenPath::of(path), before: before.clone() }])
    }

    /// Record what was there and what shall be there, and that files change from now on; durable when this returns.
    pub(super) fn plan<'a>(
        &mut self,
        change: u64,
        entries: impl Iterator<Item = (&'a Path, &'a FileState, &'a FileState)>,
        upper: Option<&Path>,
    ) -> io::Result<()> {
        let mut lines = Vec::new();
        for (path, before, after) in entries {
            let path = WrittenPath::of(path);
            lines.push(Line::Kept { change, path: path.clone(), before: before.clone() });
            lines.push(Line::Planned { change, path, after: after.clone() });
        }
        lines.push(Line::Apply { change, upper: upper.map(WrittenPath::of) });
        self.append(lines)?;
        self.commit()
    }

    /// Record what was there and what is there, where both are known already.
    pub(super) fn changed<'a>(
        &mut self,
        change: u64,
        entries: impl Iterator<Item = (&'a Path, &'a FileState, &'a FileState)>,
    ) -> io::Result<()> {
        let mut lines = Vec::new();
        for (path, before, after) in entries {
            let path = WrittenPath::of(path);
            lines.push(Line::Kept { change, path: path.clone(), before: before.clone() });
            lines.push(Line::Left { change, path, after: after.clone() });
        }
        self.append(lines)
    }

    /// Record what is there now at some paths.
    pub(super) fn left<'a>(
        &mut self,
        change: u64,
        entries: impl Iterator<Item = (&'a Path, &'a FileState)>,
    ) -> io::Result<()> {
        let lines = entries.map(|(path, after)| Line::Left {
            change,
            path: WrittenPath::of(path),
            after: after.clone(),
        });
        self.append(lines.collect())
    }

    /// Close a change as it stands; durable when this returns.
    pub(super) fn close(&mut self, change: u64) -> io::Result<()> {
        self.append(vec![Line::End { change }])?;
        self.commit()
    }

    /// A change that came to nothing.
    pub(super) fn drop_change(&mut self, change: u64) -> io::Result<()> {
        self.append(vec![Line::Dropped { change }])?;
        self.commit()
    }

    /// Record what is there now and close the change; durable when this returns.
    pub(super) fn finish(&mut self, change: u64) -> io::Result<()> {
        let open: Vec<PathBuf> = self
            .find(change)
            .map(|found| {
                let open = found.entries.iter().filter(|entry| entry.after.is_none());
                open.map(|entry| entry.path.clone()).collect()
            })
            .unwrap_or_default();
        let mut lines = Vec::new();
        for path in open {
            let after = FileState::of(&path)?;
            lines.push(Line::Left { change, path: WrittenPath::of(&path), after });
        }
        lines.push(Line::End { change });
        self.append(lines)?;
        self.commit()
    }

    pub(super) fn commit(&mut self) -> io::Result<()> {
        if self.dirty
            && let Some(file) = &self.file
        {
            disk::sync(file)?;
            self.dirty = false;
        }
        Ok(())
    }

    fn append(&mut self, lines: Vec<Line>) -> io::Result<()> {
        let mut text = Vec::new();
        for line in &lines {
            serde_json::to_writer(&mut text, line).map_err(io::Error::other)?;
            text.push(b'\n');
        }
        if self.file.is_none() {
            let folder = self.path.parent().unwrap_or(Path::new(".")).to_path_buf();
            crate::session::log::create_folder(&folder)?;
            let file = OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
            if file.metadata()?.len() > self.length {
                // A torn last line: whole lines end at `length`, unless somebody appended since we read.
                self.reload()?;
                file.set_len(self.length)?;
            }
            disk::sync_directory(&folder)?;
            self.file = Some(file);
        }
        if let Some(file) = &mut self.file {
            let start = file.metadata()?.len();
            if let Err(error) = disk::write_all(file, &text) {
                // Half a line must not stay: the next one would be glued to it.
                file.set_len(start)?;
                return Err(error);
            }
            // Where another process appended in between, the length does not fit and the next look reads all of it.
            if start == self.length {
                self.length += text.len() as u64;
            }
            self.dirty = true;
        }
        for line in lines {
            self.take_in(line);
        }
        Ok(())
    }
}

/// The ids of all sessions with a record, newest change first.
pub(super) fn sessions(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut sessions: Vec<(std::time::SystemTime, String)> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let name = path.file_stem()?.to_str()?.to_owned();
            let modified = entry.metadata().ok()?.modified().ok()?;
            (path.extension()?.to_str()? == "jsonl").then_some((modified, name))
        })
        .collect();
    sessions.sort();
    Ok(sessions.into_iter().rev().map(|(_, session)| session).collect())
}

/// The session whose change was recorded last, if any change can be chosen.
pub(super) fn newest_session(folder: &Path, which: &Which) -> io::Result<Option<String>> {
    for session in sessions(folder)? {
        if let Ok(mut ledger) = Ledger::open(folder, &session)
            && !ledger.choose(which).is_empty()
        {
            return Ok(Some(session));
        }
    }
    Ok(None)
}
