//! Owns the archive: what was said in all sessions of a project, to be found again.
//! Uses the sessions' logs, which are the truth, and passages of them in the cache, which can be deleted.
//! Never writes to a log, and never fails because the cache is damaged or in use.

mod marks;
mod older;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use loci_index::passages::{Passage, PassageQuery, Passages, TextSource};
use loci_index::{Embed, IndexError};

use crate::config::Places;
use crate::context::handle::Handle;
use crate::context::recall::names_in;
use crate::context::texts::{Speaker, Texts};
use crate::session::log::{self, Loaded, LogError, Record};
use crate::tools::{Remembered, one_line};
use marks::{Marks, Session};
pub use older::Older;

/// Another process that brings the archive up to date is waited for so long: a session of a day takes a second.
const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 2_000 });
/// Where nothing can be kept, so many bytes of logs are read, the newest first: some seconds.
const READ_WITHOUT_CACHE: u64 = 64 << 20;
/// Characters of a first prompt that are kept for lists.
const ABOUT: usize = 200;

/// Why the archive cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The folder of the sessions cannot be listed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// See [`LogError`].
    #[error(transparent)]
    Log(#[from] LogError),
    /// See [`IndexError`].
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Name another entry.
    #[error("there is no r{entry} in session {session}; {}", newest(*entries))]
    NoEntry {
        /// The session.
        session: String,
        /// The entry that was asked for.
        entry: usize,
        /// How many entries the session has.
        entries: usize,
    },
}

fn newest(entries: usize) -> String {
    match entries {
        0 => "nothing was said in it".into(),
        entries => format!("the newest is r{}", entries - 1),
    }
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct Ask<'a> {
    /// Words.
    pub words: &'a str,
    /// At most so many; 0 means 20.
    pub limit: usize,
    /// Only in this session.
    pub session: Option<&'a str>,
    /// Not in this session.
    pub except: Option<&'a str>,
}

/// A passage of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct ArchiveHit {
    /// The session.
    pub session: String,
    /// The day it was last written to: `2026-01-31`.
    pub date: String,
    /// Its first prompt, in a line.
    pub about: String,
    /// The turn.
    pub turn: u32,
    /// Who said it.
    pub speaker: Speaker,
    /// Tool, path or command; `prompt`, `answer`.
    pub title: String,
    /// The entry and the lines.
    pub handle: Handle,
    /// The lines.
    pub text: String,
    /// Larger is better; comparable within one answer only.
    pub score: f32,
    /// What it was found by.
    pub why: Vec<(&'static str, f32)>,
}

/// The sessions of a project, open for questions.
#[derive(Debug)]
pub struct Archive {
    logs: PathBuf,
    passages: Passages,
    marks: Marks,
    /// What went otherwise than usual, in sentences.
    notes: Vec<String>,
}

/// A log on disk.
struct LogFile {
    session: String,
    path: PathBuf,
    length: u64,
    modified: SystemTime,
}

impl Archive {
    /// Open the archive of a project and bring it up to date.
    ///
    /// # Errors
    /// `Io` when the sessions cannot be listed, `Index` when not even a search in memory is possible.
    pub fn open(places: &Places, root: &Path, embed: Option<Arc<dyn Embed>>) -> Result<Self, ArchiveError> {
        let logs = places.sessions(root);
        let files = list(&logs).map_err(|source| ArchiveError::Io { path: logs.clone(), source })?;
        let folder = places.archive(root);
        let why = match lock(&folder) {
            Ok(Some(lock)) => {
                let opened = Self::on_disk(&logs, &folder, &files, embed.clone());
                drop(lock);
                match opened {
                    Ok(archive) => return Ok(archive),
                    Err(error) => format!("the index of earlier sessions cannot be kept: {error}"),
                }
            }
            Ok(None) => {
                // What is there is searched as it is.
                if let Ok(passages) = Passages::open(&folder.join(STORE), embed.clone())
                    && let Some(marks) = Marks::read(&folder)
                {
                    let notes = vec![
                        "another process is reading the sessions; the newest may be missing from the answer"
                            .into(),
                    ];
                    return Ok(Self { logs, passages, marks, notes });
                }
                "another process is reading the sessions for the first time".to_owned()
            }
            Err(error) => {
                format!("the index of earlier sessions cannot be kept: {}: {error}", folder.display())
            }
        };
        let mut archive =
            Self { logs, passages: Passages::in_memory(embed)?, marks: Marks::default(), notes: vec![why] };
        let mut read = 0;
        let within = |file: &&LogFile| {
            read += file.length;
            read <= READ_WITHOUT_CACHE
        };
        let newest: Vec<&LogFile> = files.iter().take_while(within).collect();
        if newest.len() < files.len() {
            archive.notes.push(format!(
                "only the newest {} of {} sessions were read",
                newest.len(),
                files.len()
            ));
        }
        archive.take_in(&newest)?;
        Ok(archive)
    }

    /// Open the store in its folder and bring it up to date; one that is damaged is built again.
    fn on_disk(
        logs: &Path,
        folder: &Path,
        files: &[LogFile],
        embed: Option<Arc<dyn Embed>>,
    ) -> Result<Self, IndexError> {
        let store = folder.join(STORE);
        let open = || {
            let passages = Passages::open(&store, embed.clone())?;
            let marks = Marks::read(folder).unwrap_or_default();
            let mut archive = Self { logs: logs.into(), passages, marks, notes: Vec::new() };
            archive.synchronise(folder, files)?;
            Ok(archive)
        };
        match open() {
            Err(error @ (IndexError::Damaged { .. } | IndexError::Store { .. })) => {
                Passages::discard(&store)?;
                let mut archive = open()?;
                let note = format!("the index of earlier sessions was damaged and is built again ({error})");
                archive.notes.push(note);
                Ok(archive)
            }
            other => other,
        }
    }

    /// Forget what is gone and take in what is new.
    fn synchronise(&mut self, folder: &Path, files: &[LogFile]) -> Result<(), IndexError> {
        let groups = self.passages.groups()?;
        // What the store holds of a session is known only where both say the same: a crash may have come between them.
        let passages = &self.passages;
        let agrees = |name: &String, session: &Session| {
            passages.mark(name).is_ok_and(|mark| mark == Some(session.mark.bytes))
        };
        self.marks.sessions.retain(|name, session| agrees(name, session));
        let exists = |session: &str| files.iter().any(|file| file.session == session);
        self.marks.sessions.retain(|name, _| exists(name));
        let gone: Vec<&String> =
            groups.iter().filter(|group| !self.marks.sessions.contains_key(*group)).collect();
        let changed: Vec<&LogFile> =
            files.iter().filter(|file| self.marks.length(&file.session) != Some(file.length)).collect();
        if gone.is_empty() && changed.is_empty() {
            return Ok(());
        }
        for group in gone {
            self.passages.forget(group)?;
        }
        self.take_in(&changed)?;
        self.marks.write(folder)
    }

    /// Read what was added to these logs.
    fn take_in(&mut self, files: &[&LogFile]) -> Result<(), IndexError> {
        for file in files {
            let mark = self.marks.sessions.remove(&file.session).unwrap_or_default();
            let (mut session, loaded) = match read_on(file, mark) {
                Ok((session, loaded)) => (session, loaded),
                // One log that cannot be read must not hide the others; it is tried again when it has changed.
                Err(error) => {
                    self.notes.push(error.to_string());
                    self.passages.forget(&file.session)?;
                    self.passages.set_mark(&file.session, 0)?;
                    let unread = Session { length: file.length, ..Session::default() };
                    self.marks.sessions.insert(file.session.clone(), unread);
                    continue;
                }
            };
            if session.texts.is_empty() {
                // Also when the log was another one before.
                self.passages.forget(&file.session)?;
            }
            for record in log::effective(&loaded.records) {
                if let Record::Prompt { text, .. } = record
                    && session.about.is_empty()
                {
                    session.about = one_line(text).chars().take(ABOUT).collect();
                }
                for entry in session.texts.absorb(record) {
                    if !entry.is_new() {
                        continue;
                    }
                    let text = entry.full();
                    self.passages.add(&TextSource {
                        group: &file.session,
                        number: entry.entry as u64,
                        kind: entry.kind,
                        title: &entry.title,
                        path: entry.path.as_deref(),
                        text: &text,
                    })?;
                }
            }
            session.mark = loaded.mark();
            session.length = file.length;
            self.passages.set_mark(&file.session, session.mark.bytes)?;
            self.marks.sessions.insert(file.session.clone(), session);
        }
        self.passages.commit()
    }

    /// What went otherwise than usual, in sentences for the user.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How many sessions it holds.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.marks.sessions.len()
    }

    /// Their ids.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.marks.sessions.keys().cloned().collect()
    }

    /// The passages that fit best, best first.
    ///
    /// # Errors
    /// `Index` when the store fails.
    pub fn search(&self, ask: &Ask<'_>) -> Result<Vec<ArchiveHit>, ArchiveError> {
        let limit = if ask.limit == 0 { 20 } else { ask.limit };
        // Passages of the session that is left out may be the best ones.
        let wanted = if ask.except.is_some() { limit * 4 + 20 } else { limit };
        let names = names_in(ask.words);
        let found = self.passages.search(&PassageQuery {
            text: ask.words,
            names: &names,
            group: ask.session,
            limit: wanted,
            ..PassageQuery::default()
        })?;
        let wanted: Vec<Passage> =
            found.into_iter().filter(|one| Some(one.group.as_str()) != ask.except).take(limit).collect();
        // Each log is read once, whatever was found in it.
        let mut texts: HashMap<&str, HashMap<u64, Entry>> = HashMap::new();
        for passage in &wanted {
            if !texts.contains_key(passage.group.as_str()) {
                let numbers: Vec<u64> = wanted
                    .iter()
                    .filter(|other| other.group == passage.group)
                    .map(|other| other.number)
                    .collect();
                texts.insert(&passage.group, self.entries(&passage.group, &numbers));
            }
        }
        let mut hits = Vec::new();
        for passage in &wanted {
            // A log that has gone meanwhile answers nothing.
            let Some(entry) = texts.get(passage.group.as_str()).and_then(|known| known.get(&passage.number))
            else {
                continue;
            };
            let (first, last) = (passage.first.max(1) as usize, passage.last.max(1) as usize);
            hits.push(ArchiveHit {
                session: passage.group.clone(),
                date: date(&self.path(&passage.group)),
                about: self
                    .marks
                    .sessions
                    .get(&passage.group)
                    .map(|one| one.about.clone())
                    .unwrap_or_default(),
                turn: entry.remembered.turn,
                speaker: entry.speaker,
                title: entry.remembered.title.clone(),
                handle: Handle {
                    entry: usize::try_from(passage.number).unwrap_or(usize::MAX),
                    lines: Some((first, last.max(first))),
                },
                text: passage_text(&entry.remembered.text, passage),
                score: passage.score,
                why: passage.why.clone(),
            });
        }
        Ok(hits)
    }

    fn path(&self, session: &str) -> PathBuf {
        self.logs.join(format!("{session}.jsonl"))
    }

    /// These entries of a session. One whose log cannot be read has none.
    fn entries(&self, session: &str, numbers: &[u64]) -> HashMap<u64, Entry> {
        let mut entries = HashMap::new();
        let Ok(loaded) = log::read(&self.path(session)) else { return entries };
        let mut texts = Texts::default();
        for record in log::effective(&loaded.records) {
            for entry in texts.absorb(record) {
                if numbers.contains(&(entry.entry as u64)) {
                    let remembered = Remembered {
                        turn: entry.turn,
                        title: entry.title.clone(),
                        text: entry.full().into_owned(),
                    };
                    entries.insert(entry.entry as u64, Entry { speaker: entry.speaker, remembered });
                }
            }
        }
        entries
    }
}

/// An entry that was read.
struct Entry {
    speaker: Speaker,
    remembered: Remembered,
}

/// The folder of the store, below the archive's own.
const STORE: &str = "passages";

/// An entry of a session, as its log tells it.
///
/// # Errors
/// `Log` when the log cannot be read, `NoEntry` when it has no such entry.
pub fn entry(logs: &Path, session: &str, number: usize) -> Result<Remembered, ArchiveError> {
    let loaded = log::read(&logs.join(format!("{session}.jsonl")))?;
    let mut texts = Texts::default();
    for record in log::effective(&loaded.records) {
        for entry in texts.absorb(record) {
            if entry.entry == number {
                let text = entry.full().into_owned();
                return Ok(Remembered { turn: entry.turn, title: entry.title, text });
            }
        }
    }
    Err(ArchiveError::NoEntry { session: session.into(), entry: number, entries: texts.len() })
}

/// A passage, also where it is a part of one very long line.
fn passage_text(text: &str, passage: &Passage) -> String {
    let lines = || lines(text, passage.first.max(1) as usize, passage.last.max(1) as usize);
    text.get(passage.bytes.clone()).map_or_else(lines, str::to_owned)
}

/// Lines of a text, from 1 and inclusive.
fn lines(text: &str, first: usize, last: usize) -> String {
    let lines = text.lines().skip(first.saturating_sub(1)).take((last + 1).saturating_sub(first.max(1)));
    lines.fold(String::new(), |mut all, line| {
        all.push_str(line);
        all.push('\n');
        all
    })
}

/// The logs of a project, the newest first.
fn list(folder: &Path) -> io::Result<Vec<LogFile>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files: Vec<LogFile> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            if path.extension()? != "jsonl" {
                return None;
            }
            let session = path.file_stem()?.to_str()?.to_owned();
            let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            Some(LogFile { session, path, length: metadata.len(), modified })
        })
        .collect();
    files.sort_by(|one, two| two.modified.cmp(&one.modified).then_with(|| two.session.cmp(&one.session)));
    Ok(files)
}

/// What was added to a log since its mark. A log that does not follow its mark is read from its beginning.
fn read_on(file: &LogFile, known: Session) -> Result<(Session, Loaded), LogError> {
    if known.mark.bytes > 0 && known.mark.bytes <= file.length {
        let loaded = log::read_on(&file.path, &known.mark)?;
        // What was taken in may have been gone back from.
        if loaded.records.iter().any(|record| matches!(record, Record::Rewound { .. })) {
            return Ok((Session::default(), log::read(&file.path)?));
        }
        if !loaded.records.is_empty() || loaded.damage.is_none() {
            return Ok((known, loaded));
        }
        // Half a line, or another log.
        let whole = log::read(&file.path)?;
        if whole.mark() == known.mark {
            return Ok((known, loaded));
        }
        return Ok((Session::default(), whole));
    }
    Ok((Session::default(), log::read(&file.path)?))
}

/// The right to write to the archive; nothing when another process has it for long.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    log::create_folder(folder)?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// The day a file was last written to.
fn date(path: &Path) -> String {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let time = modified.and_then(|time| jiff::Timestamp::try_from(time).ok()).unwrap_or_default();
    time.to_zoned(jiff::tz::TimeZone::system()).date().to_string()
}

#[cfg(test)]
mod tests;
