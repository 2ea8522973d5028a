//! Owns what nearness in meaning adds to the signals: for questions made of words, where vectors are.
//! Uses `vector::Near`.
//! Never embeds, and never weighs.

use super::lookup::Slot;
use super::query::{Kind, Reading};
use super::signals::{ByKey, Candidate, OfFile, OfSpan};
use crate::Query;
use crate::engine::{Engine, Snapshot};
use crate::parse::languages::{self, Reader};
use crate::store::Failure;
use crate::vector::Near;

/// So many of the nearest definitions are looked at although they share no word with the question. Right answers stand
/// among the first 30 or not at all.
const NEAREST: usize = 40;
/// What nearness is worth when candidates are chosen, beside shares of at most 1 each.
const CHOICE: f32 = 3.0;

/// How near everything is to a question of words; the spans of the nearest definitions become candidates.
pub(super) fn near(
    engine: &Engine,
    snapshot: &Snapshot,
    query: &Query,
    reading: &Reading,
    by_key: &mut ByKey,
) -> Result<Option<Near>, Failure> {
    let near = match reading.kind {
        Kind::Words => engine.near(snapshot, &query.text),
        Kind::Symbol | Kind::Path | Kind::Trace => None,
    };
    if let Some(near) = &near {
        widen(snapshot, near, by_key)?;
    }
    Ok(near)
}

fn widen(snapshot: &Snapshot, near: &Near, by_key: &mut ByKey) -> Result<(), Failure> {
    for (key, place, _) in near.best(NEAREST) {
        let known = &mut by_key.entry(key).or_default().1;
        let holds = |start: u32, end: u32| (start..=end).contains(&place.line);
        if known.iter().any(|(_, facts, _)| holds(facts.start, facts.end)) {
            continue;
        }
        let spots = snapshot.view.of_key(key)?;
        let facts = snapshot.view.facts(&spots)?;
        let found =
            spots.into_iter().zip(facts).find(|(_, facts)| !facts.is_file() && holds(facts.start, facts.end));
        known.extend(found.map(|(spot, facts)| (spot, facts, Slot::default())));
    }
    Ok(())
}

/// What it adds to a file when candidates are chosen.
pub(super) fn of_file(near: &Near, key: u64) -> f32 {
    CHOICE * near.of(key, 0, u32::MAX).unwrap_or(0.0).max(0.0)
}

/// Set the signals of candidates and of their spans. A file that waits for its vectors is as near as the others are on
/// average: it neither gains nor loses by that it waits.
pub(super) fn set(near: &Near, candidates: &mut [Candidate<'_>]) {
    let similarity = |key, start, end| near.of(key, start, end).unwrap_or(0.0).max(0.0);
    let (mut files, mut spans) = (Mean::default(), Mean::default());
    for candidate in candidates.iter_mut().filter(|candidate| near.knows(candidate.record.key)) {
        let key = candidate.record.key;
        let of_file = similarity(key, 0, u32::MAX);
        candidate.signals[OfFile::Meaning as usize] = of_file;
        files.add(of_file);
        for span in &mut candidate.spans {
            let of_span = similarity(key, span.facts.start, span.facts.end);
            span.signals[OfSpan::MeaningHere as usize] = of_span;
            spans.add(of_span);
        }
    }
    for candidate in candidates.iter_mut().filter(|candidate| !near.knows(candidate.record.key)) {
        if matches!(languages::named(candidate.record.language).reader, Reader::Plain) {
            continue;
        }
        candidate.signals[OfFile::Meaning as usize] = files.value();
        for span in &mut candidate.spans {
            span.signals[OfSpan::MeaningHere as usize] = spans.value();
        }
    }
}

#[derive(Default)]
struct Mean {
    sum: f32,
    count: f32,
}

impl Mean {
    fn add(&mut self, value: f32) {
        self.sum += value;
        self.count += 1.0;
    }

    fn value(&self) -> f32 {
        self.sum / self.count.max(1.0)
    }
}
