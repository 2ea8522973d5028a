//! Owns the session log: append-only JSONL, hash-chained, locked, durable before anybody is told.
//! Uses `fdatasync`, `flock` (through the standard library) and blake3.
//! Never rewrites a line, and never deletes one: a damaged tail is moved beside the log.

mod record;
mod reserve;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use reserve::{Reserve, is_full};

pub(crate) use record::effective_by;
pub use record::{
    ChangedFile, Compaction, CompactionCause, Fold, Forked, LoggedDecision, LoggedOutcome, Recalled,
    RecalledPassage, Record, UsedModel, effective, title,
};

/// The version of the format that this program writes. It reads every version up to it.
/// 2 added heads, compactions, recalled passages and what is kept of whole outputs; 3 decisions, models, hashes of changed
/// files, the way back to a prompt, titles and branches.
pub const FORMAT: u32 = 3;

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
    /// When each of them was written, in the words of RFC 3339.
    pub times: Vec<String>,
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
    /// Space for the day on which there is none.
    reserve: Option<Reserve>,
    /// The reserve was spent, and nobody was told.
    warning: bool,
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
fn line(previous: &str, at: &str, record: &Record) -> (Vec<u8>, String) {
    #[derive(Serialize)]
    struct Body<'a> {
        prev: &'a str,
        at: &'a str,
        #[serde(flatten)]
        record: &'a Record,
    }
    let body = Body { prev: previous, at, record };
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

/// The record in a line (without its newline), its hash, and when it was written.
fn parse(line: &[u8], previous: &str) -> Result<(Record, String, String), String> {
    #[derive(Deserialize)]
    struct Previous {
        prev: String,
        #[serde(default)]
        at: String,
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
    Ok((record, expected, chained.at))
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
            Ok(((record, hash, at), length)) => {
                loaded.records.push(record);
                loaded.times.push(at);
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

pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
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

    /// Every record of the session: those in the file, and those that could not be written yet.
    ///
    /// # Errors
    /// `Io` when the file cannot be read, `Corrupt` when it is no longer what was written.
    pub fn records(&self) -> Result<Vec<Record>, LogError> {
        self.loaded().map(|loaded| loaded.records)
    }

    /// The same with their times.
    ///
    /// # Errors
    /// As [`Log::records`].
    pub fn loaded(&self) -> Result<Loaded, LogError> {
        let mut bytes =
            fs::read(&self.path).map_err(|source| LogError::Io { path: self.path.clone(), source })?;
        let written = self.durable + self.written.len() as u64;
        bytes.truncate(usize::try_from(written).unwrap_or(usize::MAX));
        bytes.extend_from_slice(&self.pending);
        let loaded = read_records(&bytes);
        match loaded.damage {
            None if loaded.last == self.last => Ok(loaded),
            damage => Err(LogError::Corrupt {
                path: self.path.clone(),
                message: damage.map_or_else(|| "its end is missing".into(), |damage| damage.why),
            }),
        }
    }

    /// Add a record. It is in the file when this returns, and durable after [`Log::commit`].
    ///
    /// # Errors
    /// `Io`: the record is kept in memory and written before the next one.
    pub fn append(&mut self, record: &Record) -> Result<(), LogError> {
        self.append_as_of(record, &jiff::Timestamp::now().to_string())
    }

    /// The same with the time at which it happened: what a fork takes over is older than the fork.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub(crate) fn append_as_of(&mut self, record: &Record, at: &str) -> Result<(), LogError> {
        let (line, hash) = line(&self.last, at, record);
        self.pending.extend_from_slice(&line);
        self.last = hash;
        self.flush()
    }

    /// Make everything that was added durable.
    ///
    /// # Errors
    /// `Io`: nothing is lost in memory, and the next commit tries again.
    pub fn commit(&mut self) -> Result<(), LogError> {
        loop {
            self.flush()?;
            if self.written.is_empty() {
                return Ok(());
            }
            match self.storage.sync() {
                Ok(()) => break,
                Err(source) => {
                    // After a failed sync the system may take the lost pages for clean, so that a second sync says
                    // nothing: only writing the lines again makes them durable.
                    self.take_back();
                    if !self.spend_reserve(&source) {
                        return Err(LogError::Io { path: self.path.clone(), source });
                    }
                }
            }
        }
        self.durable += self.written.len() as u64;
        self.written.clear();
        Ok(())
    }

    /// Keep space at this path, to be given back when the disk is full.
    pub fn keep_reserve(&mut self, path: &Path) {
        self.reserve = Some(Reserve::keep(path));
    }

    /// Whether something could not be written, or only with the reserve.
    #[must_use]
    pub fn is_strained(&self) -> bool {
        !self.pending.is_empty() || self.reserve.as_ref().is_some_and(|reserve| reserve.spent)
    }

    /// Write what could not be written, durably, and keep the reserve again.
    ///
    /// # Errors
    /// `Io`: it is as it was.
    pub fn catch_up(&mut self) -> Result<(), LogError> {
        self.commit()?;
        if let Some(reserve) = &mut self.reserve {
            reserve.restore().map_err(|source| LogError::Io { path: self.path.clone(), source })?;
        }
        self.warning = false;
        Ok(())
    }

    /// Whether the reserve was spent since this was last asked.
    pub fn take_warning(&mut self) -> bool {
        std::mem::take(&mut self.warning)
    }

    fn spend_reserve(&mut self, error: &io::Error) -> bool {
        let spent = is_full(error) && self.reserve.as_mut().is_some_and(Reserve::spend);
        self.warning |= spent;
        spent
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
            reserve: None,
            warning: false,
        }
    }

    fn flush(&mut self) -> Result<(), LogError> {
        let mut written = self.write();
        if let Err(source) = &written
            && self.spend_reserve(source)
        {
            written = self.write();
        }
        written.map_err(|source| LogError::Io { path: self.path.clone(), source })
    }

    fn write(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if self.torn {
            self.storage.cut(self.durable)?;
            self.torn = false;
        }
        if let Err(source) = self.storage.append(&self.pending) {
            self.take_back();
            return Err(source);
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

/// Who only looks whether a log is in use holds its lock for microseconds; a child of a killed process holds it until it has
/// become another program, which took longer than 100 ms on a machine with 15 processes to a core. Both are waited for.
const LOOKS: u32 = 50;
const LOOK: Duration = Duration::from_millis(20);

fn lock(file: &File, path: &Path) -> Result<(), LogError> {
    let mut looks = 0;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(fs::TryLockError::WouldBlock) if looks < LOOKS => {
                looks += 1;
                std::thread::sleep(LOOK);
            }
            Err(fs::TryLockError::WouldBlock) => return Err(LogError::InUse { path: path.into() }),
            Err(fs::TryLockError::Error(source)) => return Err(LogError::Io { path: path.into(), source }),
        }
    }
}

/// Hold a log without reading it, so that nobody opens it as long as the file lives.
///
/// # Errors
/// `InUse`, `Io`.
pub(crate) fn hold(path: &Path) -> Result<File, LogError> {
    let file = File::open(path).map_err(|source| LogError::Io { path: path.into(), source })?;
    lock(&file, path)?;
    Ok(file)
}

/// Whether a process has the log open. Nothing is known where it cannot be read.
#[must_use]
pub fn in_use(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
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
pub(crate) mod tests;
