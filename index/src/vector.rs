//! Owns vectors of meaning: what an embedder is, how vectors are kept in memory and compared.
//! Uses `vector::passages` for what is embedded, `vector::sidecar` for the disk, `vector::fill` for the work behind.
//! Never embeds inside a refresh, and a query never waits for a passage: what has a vector counts, the rest is lexical.

mod fill;
mod passages;
mod sidecar;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use crate::manifest::Manifest;
use crate::{Index, IndexError};
use sidecar::Sidecar;

/// What a text stands for: questions and passages may be embedded by different rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// What somebody asks.
    Question,
    /// A definition: its name on the first line, where it stands on the second, then its source text.
    Passage,
}

/// Turns texts into vectors whose dot product says how near their meanings are. Implemented above the index, which knows no
/// models.
pub trait Embed: Send + Sync {
    /// Names the weights and everything else that decides the vectors; vectors of different fingerprints are never compared.
    fn fingerprint(&self) -> [u8; 32];
    /// The length of every vector.
    fn dimensions(&self) -> usize;
    /// One vector a text, in order. They need not have unit length. The same text gives the same vector, whatever is beside it.
    ///
    /// # Errors
    /// When the model fails; the texts are then tried again at another time.
    fn embed(&self, texts: &[&str], role: Role) -> Result<Vec<Vec<f32>>, EmbedError>;
}

/// Why a text has no vector.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct EmbedError(pub String);

/// How far the vectors have come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EmbedReport {
    /// Passages that were embedded.
    pub embedded: u64,
    /// Passages whose text had a vector already, in another file or another state of it.
    pub reused: u64,
    /// Files whose passages have vectors now.
    pub done: u64,
    /// Files that still have none.
    pub pending: u64,
    /// True when damaged vectors were set aside.
    pub set_aside: bool,
}

/// A definition that is near in meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// Relative path.
    pub path: String,
    /// Line of the name, from 1.
    pub line: u32,
    /// First line, comments above included.
    pub start_line: u32,
    /// Last line.
    pub end_line: u32,
    /// The cosine, up to 1.
    pub similarity: f32,
}

/// A unit vector in bytes: `vector[i] ≈ values[i] * scale`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quantised {
    pub(crate) values: Vec<i8>,
    pub(crate) scale: f32,
}

/// Bring a vector to unit length and into bytes. One of nothing, or of what is not a number, is near to nothing.
pub(crate) fn quantise(vector: &[f32]) -> Quantised {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    let largest = vector.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    if !length.is_finite() || length <= f32::MIN_POSITIVE || largest <= f32::MIN_POSITIVE {
        return Quantised { values: vec![0; vector.len()], scale: 0.0 };
    }
    let values = vector.iter().map(|value| (value / largest * 127.0).round() as i8).collect();
    Quantised { values, scale: largest / length / 127.0 }
}

/// The sum of products. In pieces of sixteen the compiler makes vector instructions of it on every machine; a sum of 32
/// bits holds 130,000 products.
fn dot(one: &[i8], other: &[i8]) -> i32 {
    let (ones, others) = (one.chunks_exact(16), other.chunks_exact(16));
    let rest: i32 = ones.remainder().iter().zip(others.remainder()).map(|(a, b)| product(*a, *b)).sum();
    ones.zip(others)
        .map(|(ones, others)| ones.iter().zip(others).map(|(a, b)| product(*a, *b)).sum::<i32>())
        .sum::<i32>()
        + rest
}

fn product(one: i8, other: i8) -> i32 {
    i32::from(i16::from(one) * i16::from(other))
}

/// Where a passage stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// The vectors of one file, by line.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FileVectors {
    pub(crate) places: Vec<Place>,
    /// The hash of each passage's text.
    pub(crate) hashes: Vec<u128>,
    pub(crate) scales: Vec<f32>,
    /// `dimensions` bytes a passage.
    pub(crate) values: Vec<i8>,
}

/// All vectors that are known, by the key of their file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    files: HashMap<u64, Arc<FileVectors>>,
}

/// The vectors of a tree's files.
#[derive(Debug)]
struct Live {
    manifest: Arc<Manifest>,
    table: Arc<Table>,
    /// Keys, vectors, and the number of passages before them.
    files: Vec<(u64, Arc<FileVectors>, usize)>,
    by_key: HashMap<u64, usize>,
    passages: usize,
}

impl Live {
    fn new(manifest: &Arc<Manifest>, table: &Arc<Table>) -> Self {
        let (mut files, mut passages) = (Vec::new(), 0);
        for record in &manifest.records {
            if let Some(vectors) = table.files.get(&record.key).filter(|vectors| !vectors.places.is_empty()) {
                files.push((record.key, Arc::clone(vectors), passages));
                passages += vectors.places.len();
            }
        }
        let by_key = files.iter().enumerate().map(|(at, (key, ..))| (*key, at)).collect();
        Self { manifest: Arc::clone(manifest), table: Arc::clone(table), files, by_key, passages }
    }
}

/// How near each passage of a tree is to a question.
#[derive(Debug)]
pub(crate) struct Near {
    live: Arc<Live>,
    similarities: Vec<f32>,
}

impl Near {
    /// The best similarity of a definition that is named within some lines of a file.
    pub(crate) fn of(&self, key: u64, start: u32, end: u32) -> Option<f32> {
        let (_, vectors, before) = &self.live.files[*self.live.by_key.get(&key)?];
        let first = vectors.places.partition_point(|place| place.line < start);
        let last = vectors.places.partition_point(|place| place.line <= end);
        self.similarities.get(before + first..before + last)?.iter().copied().max_by(f32::total_cmp)
    }

    /// Whether a file was embedded, which may have shown that there is nothing in it to embed.
    pub(crate) fn knows(&self, key: u64) -> bool {
        self.live.table.files.contains_key(&key)
    }

    /// The nearest passages, nearest first: key of the file, place, similarity.
    pub(crate) fn best(&self, most: usize) -> Vec<(u64, Place, f32)> {
        let mut order: Vec<usize> = (0..self.similarities.len()).collect();
        let nearer = |one: &usize, other: &usize| {
            self.similarities[*other].total_cmp(&self.similarities[*one]).then(one.cmp(other))
        };
        if order.len() > most {
            order.select_nth_unstable_by(most, nearer);
            order.truncate(most);
        }
        order.sort_unstable_by(nearer);
        order
            .into_iter()
            .filter_map(|at| {
                let file = self.live.files.partition_point(|(_, _, before)| *before <= at).checked_sub(1)?;
                let (key, vectors, before) = &self.live.files[file];
                Some((*key, *vectors.places.get(at - before)?, self.similarities[at]))
            })
            .collect()
    }
}

impl Index {
    /// Let an embedder speak in searches: what it embedded before counts at once.
    ///
    /// # Errors
    /// `Io` when the vectors in the cache folder cannot be read. Damaged ones are set aside.
    pub fn attach(&self, embedder: Arc<dyn Embed>) -> Result<(), IndexError> {
        let meaning = Meaning::open(&self.engine.options.cache_dir, embedder)?;
        *self.engine.meaning.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(meaning));
        Ok(())
    }

    /// Embed definitions that have no vector yet, for as long as the budget lasts and `cancel` is false; what is done is
    /// kept. For a thread of its own: no query waits for it. Without an embedder there is nothing to do.
    ///
    /// # Errors
    /// `Io` when the vectors cannot be written.
    pub fn embed_pending(&self, budget: Duration, cancel: &AtomicBool) -> Result<EmbedReport, IndexError> {
        let meaning = self.engine.meaning.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(meaning) = meaning else { return Ok(EmbedReport::default()) };
        fill::embed_pending(&self.engine, &self.engine.snapshot(), &meaning, budget, cancel)
    }

    /// The definitions that are nearest in meaning to a text, nearest first. Empty without vectors.
    #[must_use]
    pub fn nearest(&self, text: &str, most: usize) -> Vec<Nearest> {
        let snapshot = self.engine.snapshot();
        let Some(near) = self.engine.near(&snapshot, text) else { return Vec::new() };
        let best = near.best(most).into_iter();
        best.filter_map(|(key, place, similarity)| {
            let record = snapshot.manifest.by_key(key)?;
            self.engine.may_show(&snapshot.manifest, record).then(|| Nearest {
                path: record.path.clone(),
                line: place.line,
                start_line: place.start,
                end_line: place.end,
                similarity,
            })
        })
        .collect()
    }
}

/// So many questions are remembered: an agent asks the same in variations, and a model takes milliseconds for each.
const REMEMBERED: usize = 64;

/// An embedder, and the vectors it made.
pub(crate) struct Meaning {
    embedder: Arc<dyn Embed>,
    table: RwLock<Arc<Table>>,
    live: Mutex<Option<Arc<Live>>>,
    questions: Mutex<Vec<(String, Arc<Quantised>)>>,
    /// The file, held by whoever reads or extends it; queries never do.
    sidecar: Mutex<Sidecar>,
}

impl std::fmt::Debug for Meaning {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Meaning")
            .field("dimensions", &self.embedder.dimensions())
            .finish_non_exhaustive()
    }
}

impl Meaning {
    /// Read the vectors that an embedder made before.
    pub(crate) fn open(cache: &Path, embedder: Arc<dyn Embed>) -> Result<Self, IndexError> {
        let mut sidecar = Sidecar::new(cache, embedder.fingerprint(), embedder.dimensions());
        let mut table = Table::default();
        sidecar.catch_up(&mut table.files)?;
        Ok(Self {
            embedder,
            table: RwLock::new(Arc::new(table)),
            live: Mutex::new(None),
            questions: Mutex::new(Vec::new()),
            sidecar: Mutex::new(sidecar),
        })
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, table: Table) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    /// The vectors of a tree, remembered until the tree or the vectors change.
    fn live(&self, manifest: &Arc<Manifest>) -> Arc<Live> {
        let table = self.table();
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        match &*live {
            Some(known) if Arc::ptr_eq(&known.manifest, manifest) && Arc::ptr_eq(&known.table, &table) => {
                Arc::clone(known)
            }
            _ => Arc::clone(live.insert(Arc::new(Live::new(manifest, &table)))),
        }
    }

    /// How near everything is to a question. `None` when nothing has a vector, or the question has none.
    pub(crate) fn near(&self, manifest: &Arc<Manifest>, question: &str) -> Option<Near> {
        let live = self.live(manifest);
        if live.passages == 0 {
            return None;
        }
        let question = self.question(question)?;
        let dimensions = question.values.len();
        let mut similarities = Vec::with_capacity(live.passages);
        for (_, vectors, _) in &live.files {
            let rows = vectors.values.chunks_exact(dimensions).zip(&vectors.scales);
            similarities
                .extend(rows.map(|(row, scale)| dot(row, &question.values) as f32 * scale * question.scale));
        }
        Some(Near { live, similarities })
    }

    fn question(&self, text: &str) -> Option<Arc<Quantised>> {
        let remembered = |questions: &Vec<(String, Arc<Quantised>)>| {
            questions.iter().find(|(known, _)| known == text).map(|(_, vector)| Arc::clone(vector))
        };
        if let Some(known) = remembered(&self.questions.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Some(known);
        }
        // Not under the lock: another question need not wait for this one.
        let vector = self.embedder.embed(&[text], Role::Question).ok()?.pop()?;
        if vector.len() != self.embedder.dimensions() {
            return None;
        }
        let vector = Arc::new(quantise(&vector));
        if vector.scale == 0.0 {
            return None;
        }
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        if questions.len() >= REMEMBERED {
            questions.remove(0);
        }
        questions.push((text.to_owned(), Arc::clone(&vector)));
        Some(vector)
    }
}

#[cfg(test)]
mod tests;
