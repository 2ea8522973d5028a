//! Owns the work behind: which files have no vectors yet, and giving them some within a budget.
//! Uses the files on disk, `vector::passages`, the embedder and the sidecar.
//! Never holds a lock that a query waits for while it reads, parses or embeds.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::IndexError;
use crate::engine::{Engine, Snapshot};
use crate::graph::read;
use crate::manifest::Record;
use crate::parse::languages::{self, Reader};
use crate::parse::{LineIndex, tags};
use crate::rank::is_test_path;
use crate::refresh::is_known;

use super::passages::{Passage, passages};
use super::{EmbedReport, FileVectors, Meaning, Role, quantise};

/// Texts that are embedded in one go: a model wants a batch, a stop wants to come soon.
const BATCH: usize = 64;
/// Files, or bytes of vectors, until what is done is written and counts.
const FLUSH_FILES: usize = 512;
const FLUSH_BYTES: usize = 4 << 20;

/// See [`crate::Index::embed_pending`].
pub(crate) fn embed_pending(
    engine: &Engine,
    snapshot: &Snapshot,
    meaning: &Meaning,
    budget: Duration,
    cancel: &AtomicBool,
) -> Result<EmbedReport, IndexError> {
    let begun = Instant::now();
    // One at a time; queries do not touch the file.
    let mut sidecar = meaning.sidecar.lock().unwrap_or_else(PoisonError::into_inner);
    let mut table = (*meaning.table()).clone();
    let known = table.files.len();
    sidecar.catch_up(&mut table.files)?;
    let mut report = EmbedReport { set_aside: sidecar.tell_damage(), ..EmbedReport::default() };
    if report.set_aside {
        table.files.clear();
    }
    if table.files.len() != known {
        meaning.publish(table.clone());
    }
    let manifest = &snapshot.manifest;
    let lacking: Vec<&Record> = (manifest.records.iter())
        .filter(|record| record.key != 0 && !table.files.contains_key(&record.key))
        .filter(|record| {
            !matches!(languages::named(record.language).reader, Reader::Plain)
                && engine.may_show(manifest, record)
        })
        .collect();
    let stop = || cancel.load(Ordering::Relaxed) || begun.elapsed() >= budget;
    let mut by_hash: HashMap<u128, (u64, usize)> = HashMap::new();
    if !lacking.is_empty() {
        for (key, vectors) in &table.files {
            by_hash.extend(vectors.hashes.iter().enumerate().map(|(at, hash)| (*hash, (*key, at))));
        }
    }
    let (mut new, mut bytes, mut done) = (Vec::new(), 0, 0);
    for record in &lacking {
        if stop() {
            break;
        }
        let Some(vectors) = embed_file(engine, meaning, record, &table.files, &by_hash, &stop, &mut report)
        else {
            continue;
        };
        done += 1;
        bytes += vectors.values.len();
        new.push((record.key, Arc::new(vectors)));
        if new.len() >= FLUSH_FILES || bytes >= FLUSH_BYTES {
            if !sidecar.append(&new, &mut table.files)? {
                break;
            }
            meaning.publish(table.clone());
            (new, bytes) = (Vec::new(), 0);
        }
    }
    if !new.is_empty() && sidecar.append(&new, &mut table.files)? {
        meaning.publish(table.clone());
    }
    report.done = done;
    report.pending = lacking.len() as u64 - done;
    if report.pending == 0 {
        let used: HashSet<u64> = manifest.records.iter().map(|record| record.key).collect();
        sidecar.compact(&used, &mut table.files)?;
    }
    Ok(report)
}

/// The vectors of one file. `None` when it changed meanwhile, the embedder failed, or there was a stop.
fn embed_file(
    engine: &Engine,
    meaning: &Meaning,
    record: &Record,
    files: &HashMap<u64, Arc<FileVectors>>,
    by_hash: &HashMap<u128, (u64, usize)>,
    stop: &dyn Fn() -> bool,
    report: &mut EmbedReport,
) -> Option<FileVectors> {
    let text = read(engine, record)?;
    // The next refresh gives changed content a key of its own.
    if !is_known(record, text.as_bytes()) {
        return None;
    }
    let language = languages::of(&record.path, &text);
    let tags = tags(&text, language, is_test_path(&record.path)).definitions;
    let all = passages(&record.path, &text, &LineIndex::new(&text), &tags);
    let dimensions = meaning.embedder.dimensions();
    let mut vectors = FileVectors::default();
    let mut missing: Vec<(usize, &Passage)> = Vec::new();
    for (at, passage) in all.iter().enumerate() {
        let hash = hash_of(&passage.text);
        let kept = by_hash.get(&hash).and_then(|(key, at)| {
            let from = files.get(key)?;
            Some((from.values.get(at * dimensions..(at + 1) * dimensions)?, *from.scales.get(*at)?))
        });
        vectors.places.push(passage.place);
        vectors.hashes.push(hash);
        match kept {
            Some((values, scale)) => {
                vectors.values.extend_from_slice(values);
                vectors.scales.push(scale);
                report.reused += 1;
            }
            None => {
                vectors.values.resize(vectors.values.len() + dimensions, 0);
                vectors.scales.push(0.0);
                missing.push((at, passage));
            }
        }
    }
    for batch in missing.chunks(BATCH) {
        if stop() {
            return None;
        }
        let texts: Vec<&str> = batch.iter().map(|(_, passage)| passage.text.as_str()).collect();
        let made = meaning.embedder.embed(&texts, Role::Passage).ok()?;
        if made.len() != batch.len() {
            return None;
        }
        for ((at, _), vector) in batch.iter().zip(&made) {
            let quantised = quantise(vector);
            if quantised.values.len() != dimensions {
                return None;
            }
            vectors.values[at * dimensions..(at + 1) * dimensions].copy_from_slice(&quantised.values);
            vectors.scales[*at] = quantised.scale;
            report.embedded += 1;
        }
    }
    Some(vectors)
}

/// What names a text among all that were embedded.
fn hash_of(text: &str) -> u128 {
    let mut first = [0; 16];
    first.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    u128::from_le_bytes(first)
}
