//! Owns the session log: append-only JSONL, hash-chained, locked, durable before anybody is told.
//! Uses `fdatasync`, `flock` (through the standard library) and blake3.
//! Never rewrites a line, and never deletes one: a damaged tail is moved beside the log.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use loci_inference::provider::{ToolCall, ToolSpec};
use loci_protocol::{Location, TurnReport};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tools::{Evidence, Todo};

/// The version of the format that this program writes. It reads every version up to it.
/// 2 added heads, compactions, recalled passages and what is kept of whole outputs; 3 decisions, models, hashes of changed
/// files and the way back to a prompt.
pub const FORMAT: u32 = 3;

/// One thing that happened in a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// The first record.
    Header {
        /// [`FORMAT`].
        format: u32,
        /// The program that wrote it.
        program: String,
        /// The session.
        session_id: String,
        /// The project root.
        cwd: String,
        /// The model at work when the session began.
        model: String,
    },
    /// The user's words. A turn begins.
    Prompt {
        /// The turn's number, from 1.
        turn: u32,
        /// The words, with whatever notes were put before them.
        text: String,
    },
    /// What the model said and called in one step.
    Assistant {
        /// The turn's number.
        turn: u32,
        /// Its text.
        text: String,
        /// Its reasoning.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reasoning: Option<String>,
        /// Its calls.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<ToolCall>,
    },
    /// Which weights answer from now on.
    Model(Box<UsedModel>),
    /// What became of a call before it could run.
    Decision(Box<LoggedDecision>),
    /// The session went back to before a prompt.
    Rewound {
        /// The turn that the prompt began; it and what came after it no longer count.
        turn: u32,
    },
    /// A call was decided and is about to run.
    Intent {
        /// The call.
        call_id: String,
        /// The tool.
        tool: String,
        /// Its arguments.
        input: Value,
        /// How it came to be allowed.
        why: String,
    },
    /// A call ended, was denied, or failed.
    Outcome(Box<LoggedOutcome>),
    /// What every request begins with, once when the session opens and again when it changes.
    Head {
        /// The system message; `None` for models that take none.
        text: Option<String>,
        /// The tools as the model sees them.
        tools: Vec<ToolSpec>,
        /// The model that reads it.
        model: String,
        /// Tokens that it holds.
        window: usize,
    },
    /// Turns left the window.
    Compacted(Box<Compaction>),
    /// Passages that had left the window were shown again.
    Recalled(Box<Recalled>),
    /// The task list after a change.
    Todos {
        /// All of it.
        items: Vec<Todo>,
    },
    /// File changes were taken back outside a turn.
    Undone {
        /// The paths, relative to the root.
        paths: Vec<String>,
    },
    /// The turn is over.
    TurnEnded(Box<TurnReport>),
}

/// A model, as evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedModel {
    /// Its name.
    pub name: String,
    /// `local`, `openai`, `scripted`.
    pub provider: String,
    /// True when the weights run inside this process.
    pub local: bool,
    /// blake3 of its file, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// A decision, as evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedDecision {
    /// The call.
    pub call_id: String,
    /// The tool.
    pub tool: String,
    /// `allow`, `ask` or `deny`: what the rules say.
    pub verdict: String,
    /// For `ask`, what the user said: `once`, `session`, `rule`, `no`, or `nobody` when nobody was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The rule that decided, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Where that rule stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Why.
    pub why: String,
    /// The permission mode.
    pub mode: String,
    /// blake3 of all rules and switches in force.
    pub policy: String,
    /// What holds commands in: `full`, `restricted` or `none`.
    pub sandbox: String,
    /// Hosts that the command may reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<String>,
}

/// A file that a call changed, as evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFile {
    /// Relative to the root.
    pub path: String,
    /// blake3 of what it was; `None` when nothing was there or it was not a regular file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// blake3 of what it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// An outcome as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoggedOutcome {
    /// The call.
    pub call_id: String,
    /// The tool.
    pub tool: String,
    /// Whether it did what was asked.
    pub ok: bool,
    /// What the model read.
    pub text: String,
    /// The same for very small windows.
    pub brief: String,
    /// One line for people.
    pub summary: String,
    /// Places that the result names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Location>,
    /// Citable lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// What changed, as a unified diff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Paths that changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// The same with their hashes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ChangedFile>,
    /// Wall-clock time.
    pub duration_ms: u64,
    /// The file that holds the whole output, where the text does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<PathBuf>,
    /// How the text is folded in the window from the beginning, where it is too long for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
}

/// How much of a long text is shown, in bytes; what is between is left out with a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fold {
    /// Of its beginning.
    pub head: usize,
    /// Of its end.
    pub tail: usize,
}

/// What a compaction did. Applied to the conversation, it gives the same window in every process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compaction {
    /// What set it off.
    pub cause: CompactionCause,
    /// Entries of the conversation that were there.
    pub entries: usize,
    /// The first entry that is still shown, counted as they stand in the conversation.
    pub epoch: usize,
    /// Results before this entry are folded.
    pub folded_before: usize,
    /// To what they are folded.
    pub fold: Fold,
    /// To what the newest prompt is folded where it stands before the first entry shown.
    pub prompt: Fold,
    /// How the newest step is folded, where it does not fit otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Fold>,
    /// What stands before the first entry shown.
    pub ledger: String,
    /// Tokens of the prompt before it.
    pub before: usize,
    /// Tokens after it.
    pub after: usize,
}

impl Compaction {
    /// What happened, in one sentence.
    #[must_use]
    pub fn message(&self) -> String {
        let why = match self.cause {
            CompactionCause::High => "the window was nearly full",
            CompactionCause::Refit => "the window became smaller",
            CompactionCause::Asked => "as asked",
        };
        format!("{why}: {} of {} entries left it and can be recalled", self.epoch, self.entries)
    }
}

/// What set a compaction off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompactionCause {
    /// The prompt passed the high mark.
    High,
    /// The window became smaller: another model, or a provider that counts otherwise.
    Refit,
    /// The user asked.
    Asked,
}

/// Passages that were shown again, for good reason, at the end of an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recalled {
    /// The entry of the conversation whose text they follow.
    pub entry: usize,
    /// What the model reads.
    pub text: String,
    /// Tokens of it.
    pub tokens: usize,
    /// Each of them.
    pub passages: Vec<RecalledPassage>,
}

/// One passage that was shown again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecalledPassage {
    /// Handle and lines, as `recall` takes them: `r41:10-22`.
    pub handle: String,
    /// What it is: tool, path or command.
    pub title: String,
    /// What it was found by, largest share first.
    pub why: Vec<(String, f32)>,
    /// Tokens of it.
    pub tokens: usize,
}

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another process has it open.
    #[error("the session is in use by another process: {}", path.display())]
    InUse {
        /// The log.
        path: PathBuf,
    },
    /// Not even its first record can be read.
    #[error("the session log {} is damaged: {message}", path.display())]
    Corrupt {
        /// The log.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A newer program wrote it.
    #[error("the session log {} has format {format}; this program reads up to {FORMAT}", path.display())]
    TooNew {
        /// The log.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A log's valid prefix.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The records, oldest first.
    pub records: Vec<Record>,
    /// Length of the valid prefix in bytes.
    pub valid_bytes: u64,
    /// Bytes after it, and why they are not valid.
    pub damage: Option<Damage>,
    /// The hash of the last valid record.
    last: String,
}

impl Loaded {
    /// Where the valid prefix ends, to read on from there.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.valid_bytes, last: self.last.clone() }
    }
}

/// A place between two records of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Bytes before it.
    pub bytes: u64,
    /// The hash of the record before it.
    last: String,
}

/// What follows a valid prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// How many bytes.
    pub bytes: u64,
    /// Why they are not valid.
    pub why: String,
    /// Where they were put, once they were.
    pub kept_at: Option<PathBuf>,
}

/// An open, locked log. The lock is the operating system's and ends with the process.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    storage: Box<dyn Storage>,
    /// Bytes that are known to be durable; whatever fails is cut back to here.
    durable: u64,
    /// Hash of the newest record, written or pending.
    last: String,
    /// Lines that were written and are not synced yet.
    written: Vec<u8>,
    /// Lines that could not be written yet, in order.
    pending: Vec<u8>,
    /// The file may end in half a line.
    torn: bool,
}

/// What a log needs of a file. Tests put one in its place that fails.
trait Storage: Send + Sync + std::fmt::Debug {
    /// Add bytes at the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Drop everything after so many bytes.
    fn cut(&mut self, length: u64) -> io::Result<()>;
    /// Make what was added durable.
    fn sync(&mut self) -> io::Result<()>;
}

impl Storage for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Hex digits of the hash in a line.
const HASH_DIGITS: usize = 64;
/// What a line begins with; the hash covers everything after `{"hash":"…",`.
const LINE_START: &[u8] = b"{\"hash\":\"";

fn hash(body: &[u8]) -> String {
    blake3::hash(body).to_hex().to_string()
}

/// One line, newline included, and its hash.
fn line(previous: &str, record: &Record) -> (Vec<u8>, String) {
    #[derive(Serialize)]
    struct Body<'a> {
        prev: &'a str,
        at: String,
        #[serde(flatten)]
        record: &'a Record,
    }
    let body = Body { prev: previous, at: jiff::Timestamp::now().to_string(), record };
    // Records are plain data with string keys; serialising them cannot fail, and an empty object would be caught on reading.
    let text = serde_json::to_string(&body).unwrap_or_else(|_| "{}".into());
    let body = &text.as_bytes()[1..];
    let hash = hash(body);
    let mut line = Vec::with_capacity(LINE_START.len() + HASH_DIGITS + 3 + body.len());
    line.extend_from_slice(LINE_START);
    line.extend_from_slice(hash.as_bytes());
    line.extend_from_slice(b"\",");
    line.extend_from_slice(body);
    line.push(b'\n');
    (line, hash)
}

/// The record in a line (without its newline) and its hash.
fn parse(line: &[u8], previous: &str) -> Result<(Record, String), String> {
    #[derive(Deserialize)]
    struct Previous {
        prev: String,
    }
    let rest = line.strip_prefix(LINE_START).ok_or("it does not begin as a record does")?;
    let (digits, rest) = rest.split_at_checked(HASH_DIGITS).ok_or("it is cut short")?;
    let body = rest.strip_prefix(b"\",").ok_or("it does not begin as a record does")?;
    let expected = hash(body);
    if digits != expected.as_bytes() {
        return Err("its hash does not fit its content".into());
    }
    let mut whole = Vec::with_capacity(body.len() + 1);
    whole.push(b'{');
    whole.extend_from_slice(body);
    let chained: Previous = serde_json::from_slice(&whole).map_err(|error| error.to_string())?;
    if chained.prev != previous {
        return Err("it does not follow the record before it".into());
    }
    let record = serde_json::from_slice(&whole).map_err(|error| error.to_string())?;
    Ok((record, expected))
}

/// Read as many records as are valid. Never fails: an unreadable log has an empty prefix.
#[must_use]
pub fn read_records(bytes: &[u8]) -> Loaded {
    read_records_after(bytes, &Mark::default())
}

fn read_records_after(bytes: &[u8], mark: &Mark) -> Loaded {
    let mut loaded = Loaded { last: mark.last.clone(), ..Loaded::default() };
    let mut offset = 0;
    while offset < bytes.len() {
        let rest = &bytes[offset..];
        let parsed = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => parse(&rest[..end], &loaded.last).map(|parsed| (parsed, end + 1)),
            None => Err("its last line was not finished".into()),
        };
        match parsed {
            Ok(((record, hash), length)) => {
                loaded.records.push(record);
                loaded.last = hash;
                offset += length;
            }
            Err(why) => {
                loaded.damage = Some(Damage { bytes: rest.len() as u64, why, kept_at: None });
                break;
            }
        }
    }
    loaded.valid_bytes = mark.bytes + offset as u64;
    loaded
}

fn check_header(path: &Path, loaded: &Loaded) -> Result<(), LogError> {
    match loaded.records.first() {
        Some(Record::Header { format, .. }) if *format > FORMAT => {
            Err(LogError::TooNew { path: path.into(), format: *format })
        }
        Some(Record::Header { .. }) => Ok(()),
        Some(_) => Err(LogError::Corrupt { path: path.into(), message: "it has no header".into() }),
        None => Err(LogError::Corrupt {
            path: path.into(),
            message: loaded.damage.as_ref().map_or_else(|| "it is empty".into(), |damage| damage.why.clone()),
        }),
    }
}

/// Read a log without locking it, for lists.
///
/// # Errors
/// `Io`, `TooNew`, or `Corrupt` when not even its header can be read.
pub fn read(path: &Path) -> Result<Loaded, LogError> {
    let bytes = fs::read(path).map_err(|source| LogError::Io { path: path.into(), source })?;
    let loaded = read_records(&bytes);
    check_header(path, &loaded)?;
    Ok(loaded)
}

/// Read what was added to a log since a mark, without locking it. What was before the mark is vouched for by its hash: a
/// log that is another one now has no record that follows it.
///
/// # Errors
/// `Io`.
pub fn read_on(path: &Path, mark: &Mark) -> Result<Loaded, LogError> {
    let io = |source| LogError::Io { path: path.into(), source };
    let mut file = File::open(path).map_err(io)?;
    file.seek(SeekFrom::Start(mark.bytes)).map_err(io)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io)?;
    Ok(read_records_after(&bytes, mark))
}

/// Make a folder and everything above it, durably.
///
/// # Errors
/// What the system says.
pub fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    if let Some(parent) = path.parent() {
        sync_folder(parent)?;
    }
    sync_folder(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

impl Log {
    /// Begin a new log, with its first record committed and its folder synced.
    ///
    /// # Errors
    /// `Io`.
    pub fn create(path: &Path, header: &Record) -> Result<Self, LogError> {
        let io = |source| LogError::Io { path: path.into(), source };
        if let Some(folder) = path.parent() {
            create_folder(folder).map_err(|source| LogError::Io { path: folder.into(), source })?;
        }
        let file = OpenOptions::new().read(true).append(true).create_new(true).open(path).map_err(io)?;
        lock(&file, path)?;
        let mut log = Self::over(path, Box::new(file), 0, String::new());
        log.append(header)?;
        log.commit()?;
        if let Some(folder) = path.parent() {
            sync_folder(folder).map_err(io)?;
        }
        Ok(log)
    }

    /// Open a log to go on with it. A damaged tail is moved beside the log; [`Loaded::damage`] says where.
    ///
    /// # Errors
    /// `InUse`, `Corrupt`, `TooNew`, `Io`.
    pub fn open(path: &Path) -> Result<(Self, Loaded), LogError> {
        let io = |source| LogError::Io { path: path.into(), source };
        let mut file = OpenOptions::new().read(true).append(true).open(path).map_err(io)?;
        lock(&file, path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let mut loaded = read_records(&bytes);
        check_header(path, &loaded)?;
        if let Some(damage) = &mut loaded.damage {
            let valid = usize::try_from(loaded.valid_bytes).unwrap_or(bytes.len());
            damage.kept_at = Some(quarantine(path, &bytes[valid..]).map_err(io)?);
            file.set_len(loaded.valid_bytes).map_err(io)?;
            file.sync_all().map_err(io)?;
        }
        file.seek(SeekFrom::End(0)).map_err(io)?;
        let log = Self::over(path, Box::new(file), loaded.valid_bytes, loaded.last.clone());
        Ok((log, loaded))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Add a record. It is in the file when this returns, and durable after [`Log::commit`].
    ///
    /// # Errors
    /// `Io`: the record is kept in memory and written before the next one.
    pub fn append(&mut self, record: &Record) -> Result<(), LogError> {
        let (line, hash) = line(&self.last, record);
        self.pending.extend_from_slice(&line);
        self.last = hash;
        self.flush()
    }

    /// Make everything that was added durable.
    ///
    /// # Errors
    /// `Io`: nothing is lost in memory, and the next commit tries again.
    pub fn commit(&mut self) -> Result<(), LogError> {
        self.flush()?;
        if self.written.is_empty() {
            return Ok(());
        }
        if let Err(source) = self.storage.sync() {
            // After a failed sync the system may take the lost pages for clean, so that a second sync says nothing:
            // only writing the lines again makes them durable.
            self.take_back();
            return Err(LogError::Io { path: self.path.clone(), source });
        }
        self.durable += self.written.len() as u64;
        self.written.clear();
        Ok(())
    }

    fn over(path: &Path, storage: Box<dyn Storage>, durable: u64, last: String) -> Self {
        Self {
            path: path.into(),
            storage,
            durable,
            last,
            written: Vec::new(),
            pending: Vec::new(),
            torn: false,
        }
    }

    fn flush(&mut self) -> Result<(), LogError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let io = |source| LogError::Io { path: self.path.clone(), source };
        if self.torn {
            self.storage.cut(self.durable).map_err(io)?;
            self.torn = false;
        }
        if let Err(source) = self.storage.append(&self.pending) {
            self.take_back();
            return Err(LogError::Io { path: self.path.clone(), source });
        }
        self.written.append(&mut self.pending);
        Ok(())
    }

    /// Half a line must not stay, the next one would be glued to it: cut back to what is durable and write again later.
    fn take_back(&mut self) {
        let mut again = std::mem::take(&mut self.written);
        again.append(&mut self.pending);
        self.pending = again;
        self.torn = self.storage.cut(self.durable).is_err();
    }
}

fn lock(file: &File, path: &Path) -> Result<(), LogError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(fs::TryLockError::WouldBlock) => Err(LogError::InUse { path: path.into() }),
        Err(fs::TryLockError::Error(source)) => Err(LogError::Io { path: path.into(), source }),
    }
}

/// Keep the damaged bytes beside the log, under a name that is free.
fn quarantine(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    for number in 1..10_000_u32 {
        let kept = path.with_extension(format!("damaged-{number}"));
        match OpenOptions::new().write(true).create_new(true).open(&kept) {
            Ok(mut file) => {
                file.write_all(bytes)?;
                file.sync_all()?;
                if let Some(folder) = path.parent() {
                    sync_folder(folder)?;
                }
                return Ok(kept);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many damaged tails beside the log"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
