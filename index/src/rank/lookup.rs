//! Owns looking terms up: what each document and each file gathers from the postings, by BM25 and by which terms it holds.
//! Uses the postings of `store`.
//! Never knows paths, definitions or what a score is for.

use super::query::{Reading, Term};
use crate::engine::Snapshot;
use crate::store::tally::{Holder, length_of_code};
use crate::store::{Ask, Facts, Failure, Found, Spot};

/// BM25's own constants; 0.4 for the second made no difference on five repositories.
const K1: f32 = 1.2;
const B: f32 = 0.75;
/// So many terms of a query count, the most telling: one bit each.
const MOST_TERMS: usize = 64;

/// What one document gathered so far. On file documents `symbols` is the path's score, `doc` that of pairs, `other` the path's terms.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Slot {
    pub(super) all: f32,
    pub(super) title: f32,
    pub(super) symbols: f32,
    pub(super) doc: f32,
    pub(super) body: u64,
    pub(super) other: u64,
    pub(super) is_listed: bool,
}

/// One field's part of BM25.
pub(super) struct Scorer {
    /// By code of length.
    pub(super) norms: Vec<f32>,
    pub(super) documents: f32,
    pub(super) average: f32,
}

impl Scorer {
    pub(super) fn new(documents: f32, tokens: f32) -> Self {
        let documents = documents.max(1.0);
        let average = (tokens / documents).max(1.0);
        let mut scorer = Self { norms: Vec::with_capacity(256), documents, average };
        for code in 0..=u8::MAX {
            let norm = scorer.norm(length_of_code(code) as f32);
            scorer.norms.push(norm);
        }
        scorer
    }

    pub(super) fn of_files(snapshot: &Snapshot, ask: Ask) -> Self {
        let (files, _, tokens) = snapshot.view.extent(ask);
        Self::new(files, tokens)
    }

    pub(super) fn of_chunks(snapshot: &Snapshot, ask: Ask) -> Self {
        let (_, chunks, tokens) = snapshot.view.extent(ask);
        Self::new(chunks, tokens)
    }

    pub(super) fn norm(&self, length: f32) -> f32 {
        K1 * (1.0 - B + B * length / self.average)
    }

    pub(super) fn idf(&self, frequency: f32) -> f32 {
        let frequency = frequency.min(self.documents);
        (1.0 + (self.documents - frequency + 0.5) / (frequency + 0.5)).ln()
    }

    pub(super) fn score(&self, times: u32, code: u8) -> f32 {
        saturate(times, self.norms[usize::from(code)])
    }
}

pub(super) fn saturate(times: u32, norm: f32) -> f32 {
    times as f32 * (K1 + 1.0) / (times as f32 + norm)
}

/// A term with what it is worth.
pub(super) struct Weighed<'a> {
    pub(super) term: &'a Term,
    /// Its weight times its rarity among files.
    pub(super) mass: f32,
    pub(super) in_body: Found<'a>,
    pub(super) in_paths: Found<'a>,
}

/// Everything that was found, by number of document.
pub(super) struct Tally {
    pub(super) slots: Vec<Slot>,
    pub(super) chunks: Vec<u32>,
    pub(super) files: Vec<u32>,
    /// The most that each score could be.
    pub(super) ideal: Ideal,
}

#[derive(Debug, Default)]
pub(super) struct Ideal {
    pub(super) all: f32,
    pub(super) title: f32,
    pub(super) chunk: f32,
    pub(super) chunk_title: f32,
    pub(super) symbols: f32,
    pub(super) doc: f32,
    pub(super) path: f32,
}

pub(super) fn share(part: f32, whole: f32) -> f32 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// The best of some documents, with what is known of them.
pub(super) fn known(
    snapshot: &Snapshot,
    tally: &Tally,
    numbers: &[u32],
    most: usize,
    score: impl Fn(&Slot) -> f32,
) -> Result<Vec<(Spot, Facts, Slot)>, Failure> {
    let numbers = best(&tally.slots, numbers, most, score);
    let spots =
        numbers.iter().map(|&number| snapshot.view.numbered(number)).collect::<Result<Vec<_>, _>>()?;
    let facts = snapshot.view.facts(&spots)?;
    let slots = numbers.iter().map(|&number| tally.slots[number as usize]);
    Ok(spots.into_iter().zip(facts).zip(slots).map(|((spot, facts), slot)| (spot, facts, slot)).collect())
}

/// The most telling terms that the tree has at all.
pub(super) fn weigh<'a>(snapshot: &'a Snapshot, reading: &'a Reading) -> Result<Vec<Weighed<'a>>, Failure> {
    let scorer = Scorer::of_chunks(snapshot, Ask::Body);
    let mut weighed = Vec::with_capacity(reading.terms.len());
    for term in &reading.terms {
        let in_body = snapshot.view.term(Ask::Body, &term.text)?;
        let in_paths = snapshot.view.term(Ask::Path, &term.text)?;
        if in_body.documents + in_paths.documents > 0 {
            let mass = term.weight * scorer.idf(in_body.documents.max(1) as f32);
            weighed.push(Weighed { term, mass, in_body, in_paths });
        }
    }
    weighed.sort_by(|one, other| {
        other.mass.total_cmp(&one.mass).then_with(|| one.term.text.cmp(&other.term.text))
    });
    weighed.truncate(MOST_TERMS);
    Ok(weighed)
}

pub(super) fn mass(weighed: &[Weighed<'_>], mask: u64, counts: impl Fn(&Term) -> bool) -> f32 {
    weighed
        .iter()
        .enumerate()
        .filter(|(bit, one)| mask >> bit & 1 == 1 && counts(one.term))
        .map(|(_, one)| one.mass)
        .sum()
}

pub(super) fn tally(
    snapshot: &Snapshot,
    reading: &Reading,
    weighed: &mut [Weighed<'_>],
) -> Result<Tally, Failure> {
    let view = &snapshot.view;
    let mut tally = Tally {
        slots: vec![Slot::default(); view.numbers()],
        chunks: Vec::new(),
        files: Vec::new(),
        ideal: Ideal::default(),
    };
    let of_files = Scorer::of_files(snapshot, Ask::FileBody);
    let of_chunks = Scorer::of_chunks(snapshot, Ask::Body);
    let symbols = Scorer::of_chunks(snapshot, Ask::Symbols);
    let docs = Scorer::of_chunks(snapshot, Ask::Doc);
    let paths = Scorer::of_files(snapshot, Ask::Path);
    let mut holders: Vec<Holder> = Vec::new();
    // Files that hold a term, and how often.
    let mut in_files: Vec<(u32, u32)> = Vec::new();
    for (bit, Weighed { term, mass, in_body, in_paths }) in weighed.iter_mut().enumerate() {
        let titled = if term.in_title { term.weight } else { 0.0 };
        in_body.holders(&mut holders)?;
        in_files.clear();
        for holder in &holders {
            match in_files.last_mut() {
                // The documents of a file stand together.
                Some(last) if last.0 == holder.file => last.1 += holder.times,
                _ => in_files.push((holder.file, holder.times)),
            }
        }
        let (file_idf, idf) = (of_files.idf(in_files.len() as f32), of_chunks.idf(holders.len() as f32));
        *mass = term.weight * of_files.idf(in_files.len().max(1) as f32);
        tally.ideal.all += file_idf * (K1 + 1.0) * term.weight;
        tally.ideal.title += file_idf * (K1 + 1.0) * titled;
        tally.ideal.chunk += idf * (K1 + 1.0) * term.weight;
        tally.ideal.chunk_title += idf * (K1 + 1.0) * titled;
        for holder in &holders {
            let score = idf * of_chunks.score(holder.times, holder.code);
            let slot = touch(&mut tally.slots, &mut tally.chunks, holder.number);
            slot.all += score * term.weight;
            slot.title += score * titled;
            slot.body |= 1 << bit;
        }
        for &(file, times) in &in_files {
            let norm = of_files.norm(view.file_length(Ask::FileBody, file)?);
            let score = file_idf * saturate(times, norm);
            let slot = touch(&mut tally.slots, &mut tally.files, file);
            slot.all += score * term.weight;
            slot.title += score * titled;
            slot.body |= 1 << bit;
        }
        view.term(Ask::Symbols, &term.text)?.holders(&mut holders)?;
        let idf = symbols.idf(holders.len() as f32) * term.weight;
        tally.ideal.symbols += if holders.is_empty() { 0.0 } else { idf * (K1 + 1.0) };
        for holder in &holders {
            let slot = touch(&mut tally.slots, &mut tally.chunks, holder.number);
            slot.symbols += idf * symbols.score(holder.times, holder.code);
            slot.other |= 1 << bit;
        }
        view.term(Ask::Doc, &term.text)?.holders(&mut holders)?;
        let idf = docs.idf(holders.len() as f32) * term.weight;
        tally.ideal.doc += if holders.is_empty() { 0.0 } else { idf * (K1 + 1.0) };
        for holder in &holders {
            let slot = touch(&mut tally.slots, &mut tally.chunks, holder.number);
            slot.doc += idf * docs.score(holder.times, holder.code);
        }
        in_paths.holders(&mut holders)?;
        let idf = paths.idf(holders.len() as f32) * term.weight;
        tally.ideal.path += if holders.is_empty() { 0.0 } else { idf * (K1 + 1.0) };
        for holder in &holders {
            let slot = touch(&mut tally.slots, &mut tally.files, holder.number);
            slot.symbols += idf * paths.score(holder.times, holder.code);
            slot.other |= 1 << bit;
        }
    }
    for form in reading.pairs.iter().flatten() {
        let found = view.term(Ask::Body, form)?;
        if found.documents > 0 {
            found.holders(&mut holders)?;
            in_files.clear();
            in_files.extend(holders.iter().map(|holder| (holder.file, 1)));
            in_files.dedup();
            let idf = of_files.idf(in_files.len() as f32);
            for &(file, _) in &in_files {
                touch(&mut tally.slots, &mut tally.files, file).doc += idf;
            }
        }
    }
    Ok(tally)
}

/// The slot of a document, which is listed when it is touched first.
pub(super) fn touch<'a>(slots: &'a mut [Slot], listed: &mut Vec<u32>, number: u32) -> &'a mut Slot {
    let slot = &mut slots[number as usize];
    if !slot.is_listed {
        slot.is_listed = true;
        listed.push(number);
    }
    slot
}

/// The best of some documents, in no order.
pub(super) fn best(slots: &[Slot], numbers: &[u32], most: usize, score: impl Fn(&Slot) -> f32) -> Vec<u32> {
    let mut scored: Vec<(f32, u32)> =
        numbers.iter().map(|&number| (score(&slots[number as usize]), number)).collect();
    if scored.len() > most {
        scored.select_nth_unstable_by(most, |one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        scored.truncate(most);
    }
    scored.into_iter().map(|(_, number)| number).collect()
}
