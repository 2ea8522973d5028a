//! Owns a search index over texts that are not files: what was said, what tools answered.
//! Uses the store's tantivy, the tokenizer, and `parse` where a text is code.
//! Never knows who said it or why: callers number their texts and keep them.

mod cut;
mod groups;
mod meaning;
mod rank;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::refresh::{CacheLock, lock};
use crate::store::Failure;
use crate::store::texts::{Live, PassageFacts, PassageText, TextView, Texts};
use crate::{Embed, IndexError};
use groups::Groups;

/// What is found when no limit is given.
const USUAL_LIMIT: usize = 20;
/// So many names of a query are looked at.
const MOST_NAMES: usize = 64;
/// A process that writes holds the lock for one text or one commit.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a text is, which decides how it is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// Sentences: about twelve lines a passage, cut at paragraphs.
    Talk,
    /// Output of a command: about twelve lines, cut at blank lines.
    Log,
    /// One place a line, as grep prints them: about twelve lines.
    Matches,
    /// Lines of a file, with or without their numbers before a tab: syntax nodes, about forty lines.
    Code,
    /// A unified diff: cut at files and hunks.
    Diff,
}

/// A text to be found again.
#[derive(Debug, Clone, Copy)]
pub struct TextSource<'a> {
    /// The group it belongs to; groups can be forgotten as a whole.
    pub group: &'a str,
    /// Its number in the group, as the caller counts.
    pub number: u64,
    /// How it is cut.
    pub kind: TextKind,
    /// What it is: tool, path, pattern, command. Searched with every passage of it.
    pub title: &'a str,
    /// The file it is about.
    pub path: Option<&'a str>,
    /// The text.
    pub text: &'a str,
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct PassageQuery<'a> {
    /// Words.
    pub text: &'a str,
    /// Identifiers and paths that count on their own, such as those of an error.
    pub names: &'a [String],
    /// Only this group.
    pub group: Option<&'a str>,
    /// Only these kinds; empty means all.
    pub kinds: &'a [TextKind],
    /// At most so many; 0 means 20.
    pub limit: usize,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// The group of its text.
    pub group: String,
    /// The number of its text.
    pub number: u64,
    /// Its first line in the text, from 1.
    pub first: u32,
    /// Its last line, inclusive.
    pub last: u32,
    /// Its bytes in the text: whole lines, or a part of a line that is longer than a passage.
    pub bytes: std::ops::Range<usize>,
    /// Larger is better; comparable within one answer only.
    pub score: f32,
    /// What it was found by, and the share of the score; they sum to it.
    pub why: Vec<(&'static str, f32)>,
}

/// What a passage is, in the bits that the store keeps.
#[derive(Debug, Clone, Copy)]
struct About {
    is_test: bool,
    kind: u64,
    /// Names the file in 58 bits; 0 for none.
    file: u64,
}

impl About {
    fn new(kind: TextKind, path: Option<&str>, is_test: bool) -> Self {
        let file = path.map_or(0, |path| hash_of(path) >> 6 | 1);
        Self { is_test, kind: kind as u64, file }
    }

    fn bits(self) -> u64 {
        self.file << 4 | self.kind << 1 | u64::from(self.is_test)
    }

    fn is(self, kind: TextKind) -> bool {
        self.kind == kind as u64
    }

    fn of(bits: u64) -> Self {
        Self { is_test: bits & 1 == 1, kind: bits >> 1 & 7, file: bits >> 4 }
    }
}

/// The index. In a folder, any number of processes read and one at a time writes: the first change takes a lock that the
/// commit gives back.
pub struct Passages {
    store: Texts,
    /// `None` in memory.
    folder: Option<PathBuf>,
    /// What the next commit will say.
    groups: Groups,
    /// What the last commit of this process said.
    committed: Arc<Groups>,
    /// What another process may have committed since: the payload it was read from, and what it says.
    seen: Mutex<Option<(Option<String>, Arc<Groups>)>>,
    changed: bool,
    forgot: bool,
    lock: Option<CacheLock>,
    embed: Option<Arc<dyn Embed>>,
}

impl std::fmt::Debug for Passages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passages").finish_non_exhaustive()
    }
}

impl Passages {
    /// An empty index in memory. With an embedder, what was said is also found by its meaning.
    ///
    /// # Errors
    /// When the store cannot be made.
    pub fn in_memory(embed: Option<Arc<dyn Embed>>) -> Result<Self, IndexError> {
        let store = Texts::in_memory().map_err(failed(None))?;
        Ok(Self {
            store,
            folder: None,
            groups: Groups::default(),
            committed: Arc::default(),
            seen: Mutex::default(),
            changed: false,
            forgot: false,
            lock: None,
            embed,
        })
    }

    /// The index in a folder of its own, which is made when missing.
    ///
    /// # Errors
    /// `Damaged` when it has to be discarded and built again, `Io` when it cannot be read, `InUse` when another process is just
    /// making it.
    pub fn open(folder: &Path, embed: Option<Arc<dyn Embed>>) -> Result<Self, IndexError> {
        let io = |source| IndexError::Io { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(io)?;
        // Two processes must not create it at once.
        let creating = lock(folder, PATIENCE).map_err(io)?;
        if creating.is_none() && !folder.join("meta.json").exists() {
            return Err(IndexError::InUse { path: folder.to_owned() });
        }
        let store = Texts::open(folder).map_err(damaged(folder))?;
        drop(creating);
        let mut index = Self {
            store,
            folder: Some(folder.to_owned()),
            groups: Groups::default(),
            committed: Arc::default(),
            seen: Mutex::default(),
            changed: false,
            forgot: false,
            lock: None,
            embed,
        };
        index.groups = index.read_groups()?;
        index.committed = Arc::new(index.groups.clone());
        Ok(index)
    }

    /// Remove what is in a folder, so that it can be built again.
    ///
    /// # Errors
    /// `InUse` when another process writes there, `Io` when it cannot be removed.
    pub fn discard(folder: &Path) -> Result<(), IndexError> {
        let io = |source| IndexError::Io { path: folder.to_owned(), source };
        if !folder.exists() {
            return Ok(());
        }
        let Some(held) = lock(folder, PATIENCE).map_err(io)? else {
            return Err(IndexError::InUse { path: folder.to_owned() });
        };
        for entry in std::fs::read_dir(folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if path.is_file() && path.file_name().is_some_and(|name| name != "lock") {
                std::fs::remove_file(path).map_err(io)?;
            }
        }
        drop(held);
        Ok(())
    }

    /// Add a text. It can be found after [`Passages::commit`].
    ///
    /// # Errors
    /// `InUse` when another process is writing, `Store` when the store fails.
    pub fn add(&mut self, source: &TextSource<'_>) -> Result<(), IndexError> {
        self.begin()?;
        let group = self.groups.enter(source.group);
        let path = source.path.unwrap_or_default();
        for piece in cut::cut(source.kind, source.path, source.text) {
            let mut places: Vec<String> = std::iter::once(path)
                .chain(piece.paths.iter().map(String::as_str))
                .flat_map(rank::places)
                .collect();
            places.sort_unstable();
            places.dedup();
            let file = source.path.or_else(|| match piece.paths.as_slice() {
                [only] => Some(only),
                _ => None,
            });
            let body = piece.body.as_deref().unwrap_or(&source.text[piece.bytes.clone()]);
            let small = |at| u32::try_from(at).unwrap_or(u32::MAX);
            let passage = PassageText {
                facts: PassageFacts {
                    group,
                    number: source.number,
                    first: piece.first,
                    last: piece.last,
                    bytes: (small(piece.bytes.start), small(piece.bytes.end)),
                    hash: hash_of(body),
                    about: About::new(source.kind, file, piece.is_test).bits(),
                },
                title: source.title,
                path,
                names: piece.names.iter().map(String::as_str).collect(),
                header: &piece.header,
                body,
                vector: self.vector(source.kind, body),
                places,
            };
            self.store.add(&passage).map_err(failed(self.folder.as_deref()))?;
        }
        Ok(())
    }

    /// Make what was added findable, and in a folder lasting. It takes about a millisecond, however much was added: many
    /// texts may share one.
    ///
    /// # Errors
    /// When the store fails.
    pub fn commit(&mut self) -> Result<(), IndexError> {
        if !self.changed {
            return Ok(());
        }
        let groups = &self.groups;
        let is_live = |number| groups.is_live(number);
        let live = Live { group: &is_live, forgot: self.forgot };
        self.store.commit(&live, |segments| groups.seal(segments)).map_err(failed(self.folder.as_deref()))?;
        self.committed = Arc::new(self.groups.clone());
        (self.changed, self.forgot) = (false, false);
        self.lock = None;
        Ok(())
    }

    /// The best passages, best first. In a folder, what other processes committed is found, too.
    ///
    /// # Errors
    /// When the store fails.
    pub fn search(&self, query: &PassageQuery<'_>) -> Result<Vec<Passage>, IndexError> {
        let (view, groups) = self.state()?;
        let limit = if query.limit == 0 { USUAL_LIMIT } else { query.limit };
        let embed = self.embed.as_deref().filter(|_| view.has_vectors());
        let question = embed.and_then(|embed| meaning::Question::new(embed, rank::first_line(query.text)));
        let found = rank::search(&view, &groups, query, question.as_ref(), limit)
            .map_err(failed(self.folder.as_deref()))?;
        let names = groups.by_number();
        let passage = |scored: rank::Scored| Passage {
            group: names.get(&scored.facts.group).copied().unwrap_or_default().to_owned(),
            number: scored.facts.number,
            first: scored.facts.first,
            last: scored.facts.last,
            bytes: scored.facts.bytes.0 as usize..scored.facts.bytes.1 as usize,
            score: scored.score,
            why: rank::SHARES.into_iter().zip(scored.shares).filter(|(_, points)| *points != 0.0).collect(),
        };
        Ok(found.into_iter().map(passage).collect())
    }

    /// Forget a group, from the next commit on.
    ///
    /// # Errors
    /// `InUse` when another process is writing, `Store` when the store fails.
    pub fn forget(&mut self, group: &str) -> Result<(), IndexError> {
        self.begin()?;
        self.forgot |= self.groups.forget(group);
        Ok(())
    }

    /// The groups that are in it, by name, as of the last commit.
    ///
    /// # Errors
    /// When the store fails.
    pub fn groups(&self) -> Result<Vec<String>, IndexError> {
        Ok(self.state()?.1.names())
    }

    /// Keep a number with a group, such as up to where a log was added. It lasts with the next commit.
    ///
    /// # Errors
    /// `InUse` when another process is writing, `Store` when the store fails.
    pub fn set_mark(&mut self, group: &str, mark: u64) -> Result<(), IndexError> {
        self.begin()?;
        self.groups.set_mark(group, mark);
        Ok(())
    }

    /// The number that was last kept with a group and committed.
    ///
    /// # Errors
    /// When the store fails.
    pub fn mark(&self, group: &str) -> Result<Option<u64>, IndexError> {
        Ok(self.state()?.1.mark(group))
    }

    fn vector(&self, kind: TextKind, body: &str) -> Option<Vec<u8>> {
        let embed = self.embed.as_deref().filter(|_| kind == TextKind::Talk)?;
        meaning::of_passage(embed, body)
    }

    /// Take the lock, and see what was committed until then.
    fn begin(&mut self) -> Result<(), IndexError> {
        if let (Some(folder), None) = (&self.folder, &self.lock) {
            let held = lock(folder, PATIENCE)
                .map_err(|source| IndexError::Io { path: folder.clone(), source })?
                .ok_or_else(|| IndexError::InUse { path: folder.clone() })?;
            self.store.look();
            self.groups = self.read_groups()?;
            self.lock = Some(held);
        }
        self.changed = true;
        Ok(())
    }

    fn state(&self) -> Result<(Arc<TextView>, Arc<Groups>), IndexError> {
        let failed = failed(self.folder.as_deref());
        let mut groups = Arc::clone(&self.committed);
        // While this process writes, no other does.
        if self.folder.is_some() && self.lock.is_none() {
            let (payload, _) = self.store.payload().map_err(&failed)?;
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            groups = match &*seen {
                Some((known, groups)) if *known == payload => Arc::clone(groups),
                _ => {
                    self.store.look();
                    let groups = Arc::new(self.read_groups()?);
                    *seen = Some((payload, Arc::clone(&groups)));
                    groups
                }
            };
        }
        Ok((self.store.view().map_err(failed)?, groups))
    }

    fn read_groups(&self) -> Result<Groups, IndexError> {
        let Some(folder) = &self.folder else { return Ok(Groups::default()) };
        let (payload, segments) = self.store.payload().map_err(damaged(folder))?;
        match payload {
            None if segments.is_empty() => Ok(Groups::default()),
            payload => {
                payload.and_then(|text| Groups::unseal(&text, &segments)).ok_or_else(|| IndexError::Damaged {
                    path: folder.clone(),
                    message: "its list of groups is not whole".into(),
                })
            }
        }
    }
}

fn hash_of(text: &str) -> u64 {
    blake3::hash(text.trim().as_bytes())
        .as_bytes()
        .first_chunk()
        .map_or(0, |first| u64::from_le_bytes(*first))
}

fn failed(folder: Option<&Path>) -> impl Fn(Failure) -> IndexError {
    let path = folder.map_or_else(PathBuf::new, Path::to_owned);
    move |failure| IndexError::Store { path: path.clone(), message: failure.to_string() }
}

fn damaged(folder: &Path) -> impl Fn(Failure) -> IndexError {
    let path = folder.to_owned();
    move |failure| IndexError::Damaged { path: path.clone(), message: failure.to_string() }
}

#[cfg(test)]
mod tests;
