//! Owns the record of changes of one session: which call changed which file, from what to what.
//! Uses append-only JSON lines; a torn last line is ignored and cut off before the next append.
//! Never holds contents; those are in the store.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Which;
use super::store::FileState;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    /// A call is about to change files; or a change is about to be taken back (`undoes`).
    Begin {
        change: u64,
        turn: u32,
        call_id: String,
        at: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undoes: Option<u64>,
        #[serde(default)]
        redo: bool,
    },
    /// What was at a path before the change.
    Kept { change: u64, path: WrittenPath, before: FileState },
    /// What is there after it.
    Left { change: u64, path: WrittenPath, after: FileState },
    /// The change is complete.
    End { change: u64 },
}

/// A path in JSON: as text where it is UTF-8, as bytes in hexadecimal where it is not.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenPath {
    Text(String),
    Bytes { hex: String },
}

impl WrittenPath {
    fn of(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.into()),
            None => Self::Bytes {
                hex: path.as_os_str().as_encoded_bytes().iter().map(|byte| format!("{byte:02x}")).collect(),
            },
        }
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::Text(text) => text.into(),
            Self::Bytes { hex } => {
                let bytes: Vec<u8> = (0..hex.len() / 2)
                    .filter_map(|at| u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok())
                    .collect();
                path_from_bytes(bytes)
            }
        }
    }
}

#[cfg(unix)]
fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// One file of a change.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) before: FileState,
    /// `None` when the change was cut off before it was known.
    pub(super) after: Option<FileState>,
}

/// What one call changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) id: u64,
    pub(super) turn: u32,
    pub(super) call_id: String,
    pub(super) entries: Vec<Entry>,
    /// The change that this one takes back, and whether it thereby brings a change back.
    undoes: Option<(u64, bool)>,
    undone: bool,
    ended: bool,
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
    fn catch_up(&mut self) -> io::Result<()> {
        let length = fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        if length == self.length { Ok(()) } else { self.reload() }
    }

    fn take_in(&mut self, line: Line) {
        match line {
            Line::Begin { change, turn, call_id, undoes, redo, .. } => self.changes.push(Change {
                id: change,
                turn,
                call_id,
                entries: Vec::new(),
                undoes: undoes.map(|undoes| (undoes, redo)),
                undone: false,
                ended: false,
            }),
            Line::Kept { change, path, before } => {
                if let Some(found) = self.find(change) {
                    found.entries.push(Entry { path: path.path(), before, after: None });
                }
            }
            Line::Left { change, path, after } => {
                let path = path.path();
                if let Some(entry) = self
                    .find(change)
                    .and_then(|found| found.entries.iter_mut().rev().find(|entry| entry.path == path))
                {
                    entry.after = Some(after);
                }
            }
            Line::End { change } => {
                let undoes = self.find(change).and_then(|found| {
                    found.ended = true;
                    found.undoes
                });
                if let Some((undone, _)) = undoes
                    && let Some(found) = self.find(undone)
                {
                    found.undone = true;
                }
            }
        }
    }

    fn find(&mut self, change: u64) -> Option<&mut Change> {
        self.changes.iter_mut().rev().find(|found| found.id == change)
    }

    /// The changes to take back, in the order in which to do it.
    pub(super) fn choose(&mut self, which: Which) -> Vec<Change> {
        // What cannot be read again is answered from memory.
        let _ = self.catch_up();
        let done = |change: &&Change| !change.undone && !change.entries.is_empty();
        let is_change = |change: &&Change| done(change) && change.undoes.is_none_or(|(_, redo)| redo);
        match which {
            Which::Newest => self.changes.iter().rev().find(is_change).cloned().into_iter().collect(),
            Which::Turn(turn) => self
                .changes
                .iter()
                .rev()
                .filter(is_change)
                .filter(|change| change.turn == turn)
                .cloned()
                .collect(),
            Which::Redo => {
                // Only when the newest thing was a taking back: a new change in between ends the way forward.
                let newest = self.changes.iter().rev().find(done);
                newest
                    .filter(|change| change.undoes.is_some_and(|(_, redo)| !redo))
                    .cloned()
                    .into_iter()
                    .collect()
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

    /// Begin a change: of a call, or of a taking back of another change.
    pub(super) fn begin(&mut self, turn: u32, call_id: &str, undoes: Option<(u64, bool)>) -> io::Result<u64> {
        self.catch_up()?;
        let change = self.changes.iter().map(|change| change.id).max().unwrap_or(0) + 1;
        self.append(Line::Begin {
            change,
            turn,
            call_id: call_id.into(),
            at: jiff::Timestamp::now().to_string(),
            undoes: undoes.map(|(change, _)| change),
            redo: undoes.is_some_and(|(_, redo)| redo),
        })?;
        Ok(change)
    }

    /// Record what was there before; durable after [`Ledger::commit`].
    pub(super) fn kept(&mut self, change: u64, path: &Path, before: &FileState) -> io::Result<()> {
        self.append(Line::Kept { change, path: WrittenPath::of(path), before: before.clone() })
    }

    /// Record what is there now and close the change.
    pub(super) fn finish(&mut self, change: u64) -> io::Result<()> {
        let paths: Vec<PathBuf> = self
            .find(change)
            .map(|found| found.entries.iter().map(|entry| entry.path.clone()).collect())
            .unwrap_or_default();
        for path in paths {
            let after = FileState::of(&path)?;
            self.append(Line::Left { change, path: WrittenPath::of(&path), after })?;
        }
        self.append(Line::End { change })?;
        self.commit()
    }

    pub(super) fn commit(&mut self) -> io::Result<()> {
        if self.dirty
            && let Some(file) = &self.file
        {
            file.sync_data()?;
            self.dirty = false;
        }
        Ok(())
    }

    fn append(&mut self, line: Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(&line).map_err(io::Error::other)?;
        text.push(b'\n');
        if self.file.is_none() {
            let folder = self.path.parent().unwrap_or(Path::new(".")).to_path_buf();
            crate::session::log::create_folder(&folder)?;
            let file = OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
            if file.metadata()?.len() > self.length {
                // A torn last line: whole lines end at `length`, unless somebody appended since we read.
                self.reload()?;
                file.set_len(self.length)?;
            }
            if cfg!(unix) {
                File::open(&folder)?.sync_all()?;
            }
            self.file = Some(file);
        }
        if let Some(file) = &mut self.file {
            if let Err(error) = file.write_all(&text) {
                let _ = file.set_len(self.length);
                return Err(error);
            }
            self.length += text.len() as u64;
            self.dirty = true;
        }
        self.take_in(line);
        Ok(())
    }
}

/// The session whose change was recorded last, if any change can be chosen.
pub(super) fn newest_session(folder: &Path, which: Which) -> io::Result<Option<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
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
    for (_, session) in sessions.into_iter().rev() {
        if let Ok(mut ledger) = Ledger::open(folder, &session)
            && !ledger.choose(which).is_empty()
        {
            return Ok(Some(session));
        }
    }
    Ok(None)
}
