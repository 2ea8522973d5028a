//! Owns what speaks for a file and for a span, as raw numbers that compare between queries.
//! Uses the postings of `store`, the manifest and `place`.
//! Never weighs one signal against another.

use std::collections::{HashMap, HashSet};

use super::meaning;
use super::place::{self, Aside, Matter};
use super::query::{Kind, Name, Reading, Term};
use crate::Query;
use crate::engine::{Engine, Snapshot};
use crate::manifest::Record;
use crate::store::tally::{Found, Holder, length_of_code};
use crate::store::{Ask, Facts, Failure, Spot};
use crate::tokenize::{identifier_parts, terms};

/// BM25's own constants; 0.4 for the second made no difference on five repositories.
const K1: f32 = 1.2;
const B: f32 = 0.75;
/// So many terms of a query count, the most telling: one bit each.
const MOST_TERMS: usize = 64;
/// So many spans and files are looked at closely.
const SPANS: usize = 1_500;
const FILES: usize = 1_500;
const CANDIDATES: usize = 300;
/// A name that more documents define says nothing about where to look.
const COMMON: u32 = 400;

macro_rules! signals {
    ($type:ident, $count:ident, $names:ident: $($variant:ident $name:literal),* $(,)?) => {
        /// The signals, by their place in a row.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(usize)]
        pub(crate) enum $type { $($variant),* }
        /// Their names, as answers show them.
        pub(crate) const $names: &[&str] = &[$($name),*];
        pub(crate) const $count: usize = $names.len();
    };
}

signals! { OfFile, FILE_SIGNALS, FILE_NAMES:
    File "file", FileTitle "file, first line", FileShare "file share", FileTop "file, of the best",
    Chunk "span", ChunkTitle "span, first line", ChunkShare "span share", ChunkTop "span, of the best",
    Second "second span", Rest "further spans",
    Symbols "symbols", SymbolShare "symbol share", SymbolsTop "symbols, of the best", Doc "doc comment",
    Code "code words", Pairs "word pairs",
    Path "path", StemFit "file name", StemMass "file name share", FolderFit "folder", FolderMass "folder share",
    Whole "definition", WholePlain "definition, other case", Named "defines a name", Run "defines a phrase",
    RunWide "defines a long phrase", Word "defines a word",
    NamedPath "named path",
    Test "test", WantedTest "test, asked for", Example "example", Vendored "vendored", Generated "generated",
    Document "document", Setting "setting", Interface "declarations only", Entry "entry of a folder",
    Depth "depth", Size "size", Language "language", Working "working set", Meaning "meaning",
}

signals! { OfSpan, SPAN_SIGNALS, SPAN_NAMES:
    Body "text", BodyTitle "text, first line", BodyShare "share", BodyTop "text, of the best",
    SymbolsHere "symbols here", DocHere "doc comment here",
    WholeHere "definition here", WholePlainHere "definition here, other case", NamedHere "name here",
    RunHere "phrase here", WordHere "word here",
    LineHere "named line", TestHere "test here", First "first span", Long "length", MeaningHere "meaning here",
}

/// A file that may be shown, with what speaks for it and for its spans.
#[derive(Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) record: &'a Record,
    pub(crate) signals: [f32; FILE_SIGNALS],
    pub(crate) spans: Vec<Span>,
}

/// A span of a candidate.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) spot: Spot,
    pub(crate) facts: Facts,
    pub(crate) signals: [f32; SPAN_SIGNALS],
}

/// What was found for a query.
#[derive(Debug, Default)]
pub(crate) struct Gathered<'a> {
    pub(crate) candidates: Vec<Candidate<'a>>,
    /// Something of exactly the query's name is defined.
    pub(crate) is_named: bool,
    /// Vectors spoke too.
    pub(crate) has_meaning: bool,
}

/// What one document gathered so far. On file documents `symbols` is the path's score, `doc` that of pairs, `other` the path's terms.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Slot {
    all: f32,
    title: f32,
    symbols: f32,
    doc: f32,
    body: u64,
    other: u64,
    is_listed: bool,
}

/// One field's part of BM25.
struct Scorer {
    /// By code of length.
    norms: Vec<f32>,
    documents: f32,
    average: f32,
}

impl Scorer {
    fn new(documents: f32, tokens: f32) -> Self {
        let documents = documents.max(1.0);
        let average = (tokens / documents).max(1.0);
        let mut scorer = Self { norms: Vec::with_capacity(256), documents, average };
        for code in 0..=u8::MAX {
            let norm = scorer.norm(length_of_code(code) as f32);
            scorer.norms.push(norm);
        }
        scorer
    }

    fn of_files(snapshot: &Snapshot, ask: Ask) -> Self {
        let (files, _, tokens) = snapshot.view.extent(ask);
        Self::new(files, tokens)
    }

    fn of_chunks(snapshot: &Snapshot, ask: Ask) -> Self {
        let (_, chunks, tokens) = snapshot.view.extent(ask);
        Self::new(chunks, tokens)
    }

    fn norm(&self, length: f32) -> f32 {
        K1 * (1.0 - B + B * length / self.average)
    }

    fn idf(&self, frequency: f32) -> f32 {
        let frequency = frequency.min(self.documents);
        (1.0 + (self.documents - frequency + 0.5) / (frequency + 0.5)).ln()
    }

    fn score(&self, times: u32, code: u8) -> f32 {
        saturate(times, self.norms[usize::from(code)])
    }
}

fn saturate(times: u32, norm: f32) -> f32 {
    times as f32 * (K1 + 1.0) / (times as f32 + norm)
}

/// A term with what it is worth.
struct Weighed<'a> {
    term: &'a Term,
    /// Its weight times its rarity among files.
    mass: f32,
    in_body: Found,
    in_paths: Found,
}

/// The kinds of definitions by how the query named them.
const NAMINGS: usize = 5;
type Namings = [f32; NAMINGS];

/// Everything that was found, by number of document.
struct Tally {
    slots: Vec<Slot>,
    chunks: Vec<u32>,
    files: Vec<u32>,
    /// The most that each score could be.
    ideal: Ideal,
}

#[derive(Debug, Default)]
struct Ideal {
    all: f32,
    title: f32,
    chunk: f32,
    chunk_title: f32,
    symbols: f32,
    doc: f32,
    path: f32,
}

fn share(part: f32, whole: f32) -> f32 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Look a query up.
pub(crate) fn gather<'a>(
    engine: &Engine,
    snapshot: &'a Snapshot,
    query: &Query,
    reading: &Reading,
) -> Result<Gathered<'a>, Failure> {
    let files = snapshot.manifest.records.iter().filter(|record| record.key != 0).count();
    let mut weighed = weigh(snapshot, reading)?;
    let tally = tally(snapshot, reading, &mut weighed)?;
    let mut by_key = ByKey::new();
    let of_file = |slot: &Slot| share(slot.all, tally.ideal.all) + share(slot.symbols, tally.ideal.path);
    for (_, facts, slot) in known(snapshot, &tally, &tally.files, FILES, of_file)? {
        by_key.entry(facts.key).or_default().0 = Some(slot);
    }
    let of_span = |slot: &Slot| {
        share(slot.all, tally.ideal.chunk)
            + 0.5 * share(slot.symbols, tally.ideal.symbols)
            + 0.2 * share(slot.doc, tally.ideal.doc)
    };
    for (spot, facts, slot) in known(snapshot, &tally, &tally.chunks, SPANS, of_span)? {
        by_key.entry(facts.key).or_default().1.push((spot, facts, slot));
    }
    let mut namings = HashMap::new();
    let is_named = name(snapshot, reading, &mut namings, &mut by_key)?;
    let paths = named_paths(snapshot, reading);
    for key in paths.keys() {
        by_key.entry(*key).or_default();
    }
    let near = meaning::near(engine, snapshot, query, reading, &mut by_key)?;
    let mut chosen: Vec<_> = by_key
        .into_iter()
        .filter_map(|(key, found)| {
            let record = snapshot.manifest.by_key(key)?;
            engine.may_show(&snapshot.manifest, record).then_some((record, found))
        })
        .map(|(record, found)| {
            let file = found
                .0
                .map_or(0.0, |slot| share(slot.all, tally.ideal.all) + share(slot.symbols, tally.ideal.path));
            let chunk = (found.1.iter())
                .map(|(_, _, slot)| {
                    share(slot.all, tally.ideal.chunk) + 0.5 * share(slot.symbols, tally.ideal.symbols)
                })
                .fold(0.0, f32::max);
            let named: f32 = (found.1.iter())
                .filter_map(|(spot, _, _)| namings.get(spot))
                .map(|namings: &Namings| namings.iter().sum::<f32>())
                .fold(0.0, f32::max);
            let path = paths.get(&record.key).map_or(0.0, |(fit, _)| 4.0 * fit);
            let meaning = near.as_ref().map_or(0.0, |near| meaning::of_file(near, record.key));
            (file + chunk + named + path + meaning, record, found)
        })
        .collect();
    chosen.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.path.cmp(&other.1.path)));
    chosen.truncate(CANDIDATES);
    let words = PathWords::new(snapshot, reading, &weighed)?;
    let languages = languages(snapshot);
    let working: HashSet<&str> = query.working_set.iter().map(|path| path.trim_start_matches("./")).collect();
    let mut candidates: Vec<Candidate<'a>> = chosen
        .into_iter()
        .map(|(_, record, (slot, spans))| {
            let named = paths.get(&record.key);
            let mut candidate = Candidate { record, signals: [0.0; FILE_SIGNALS], spans: Vec::new() };
            of_spans(
                &mut candidate,
                &tally.ideal,
                &weighed,
                &namings,
                spans,
                named.and_then(|(_, line)| *line),
            );
            of_text(&mut candidate, &tally.ideal, &weighed, slot.unwrap_or_default(), files);
            words.fit(&mut candidate);
            of_place(&mut candidate, reading, &languages);
            candidate.signals[OfFile::NamedPath as usize] = named.map_or(0.0, |(fit, _)| *fit);
            candidate.signals[OfFile::Working as usize] =
                f32::from(u8::from(working.contains(record.path.as_str())));
            candidate
        })
        .collect();
    if let Some(near) = &near {
        meaning::set(near, &mut candidates);
    }
    for (from, to) in [
        (OfFile::File, OfFile::FileTop),
        (OfFile::Chunk, OfFile::ChunkTop),
        (OfFile::Symbols, OfFile::SymbolsTop),
    ] {
        let most = candidates.iter().map(|one| one.signals[from as usize]).fold(0.0, f32::max);
        for candidate in &mut candidates {
            candidate.signals[to as usize] = share(candidate.signals[from as usize], most);
        }
    }
    let has_meaning = near.is_some();
    Ok(Gathered { candidates, is_named, has_meaning })
}

/// The best of some documents, with what is known of them.
fn known(
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
fn weigh<'a>(snapshot: &Snapshot, reading: &'a Reading) -> Result<Vec<Weighed<'a>>, Failure> {
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

fn mass(weighed: &[Weighed<'_>], mask: u64, counts: impl Fn(&Term) -> bool) -> f32 {
    weighed
        .iter()
        .enumerate()
        .filter(|(bit, one)| mask >> bit & 1 == 1 && counts(one.term))
        .map(|(_, one)| one.mass)
        .sum()
}

fn tally(snapshot: &Snapshot, reading: &Reading, weighed: &mut [Weighed<'_>]) -> Result<Tally, Failure> {
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
        view.holders(in_body, &mut holders)?;
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
        view.holders(&view.term(Ask::Symbols, &term.text)?, &mut holders)?;
        let idf = symbols.idf(holders.len() as f32) * term.weight;
        tally.ideal.symbols += if holders.is_empty() { 0.0 } else { idf * (K1 + 1.0) };
        for holder in &holders {
            let slot = touch(&mut tally.slots, &mut tally.chunks, holder.number);
            slot.symbols += idf * symbols.score(holder.times, holder.code);
            slot.other |= 1 << bit;
        }
        view.holders(&view.term(Ask::Doc, &term.text)?, &mut holders)?;
        let idf = docs.idf(holders.len() as f32) * term.weight;
        tally.ideal.doc += if holders.is_empty() { 0.0 } else { idf * (K1 + 1.0) };
        for holder in &holders {
            let slot = touch(&mut tally.slots, &mut tally.chunks, holder.number);
            slot.doc += idf * docs.score(holder.times, holder.code);
        }
        view.holders(in_paths, &mut holders)?;
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
            view.holders(&found, &mut holders)?;
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
fn touch<'a>(slots: &'a mut [Slot], listed: &mut Vec<u32>, number: u32) -> &'a mut Slot {
    let slot = &mut slots[number as usize];
    if !slot.is_listed {
        slot.is_listed = true;
        listed.push(number);
    }
    slot
}

/// The best of some documents, in no order.
fn best(slots: &[Slot], numbers: &[u32], most: usize, score: impl Fn(&Slot) -> f32) -> Vec<u32> {
    let mut scored: Vec<(f32, u32)> =
        numbers.iter().map(|&number| (score(&slots[number as usize]), number)).collect();
    if scored.len() > most {
        scored.select_nth_unstable_by(most, |one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        scored.truncate(most);
    }
    scored.into_iter().map(|(_, number)| number).collect()
}

pub(super) type ByKey = HashMap<u64, (Option<Slot>, Vec<(Spot, Facts, Slot)>)>;

/// Find the spans that define a name of the query. Returns whether one is all of the query.
fn name(
    snapshot: &Snapshot,
    reading: &Reading,
    namings: &mut HashMap<Spot, Namings>,
    found: &mut ByKey,
) -> Result<bool, Failure> {
    let mut is_named = false;
    let mut exact = None;
    let asked = (reading.names.iter().map(|name| (Ask::Definition, name)))
        .chain(reading.runs.iter().map(|name| (Ask::Normalised, name)));
    for (ask, name) in asked {
        let frequency = snapshot.view.term(ask, &name.text)?.documents;
        if frequency == 0 || frequency > COMMON && !name.is_whole {
            continue;
        }
        let is_exact = ask == Ask::Definition && name.is_whole;
        if exact.is_some() && ask == Ask::Normalised && name.is_whole {
            // Where the name stands as it was written, other spellings are other things.
            continue;
        }
        let spots = snapshot.view.all(ask, &name.text)?;
        let facts = snapshot.view.facts(&spots)?;
        if is_exact && name.is_code {
            exact = Some(&name.text);
        }
        let files = facts.iter().filter(|facts| facts.is_file()).count().max(1) as f32;
        let rarity = files.sqrt().recip();
        let (at, value) = naming(ask, name, rarity);
        for (spot, facts) in spots.into_iter().zip(facts).filter(|(_, facts)| !facts.is_file()) {
            is_named |= name.is_whole;
            let entry = &mut namings.entry(spot).or_default()[at];
            *entry = entry.max(value);
            let spans = &mut found.entry(facts.key).or_default().1;
            if !spans.iter().any(|(known, _, _)| *known == spot) {
                spans.push((spot, facts, Slot::default()));
            }
        }
    }
    Ok(is_named)
}

/// Which naming it is, and what it is worth.
fn naming(ask: Ask, name: &Name, rarity: f32) -> (usize, f32) {
    match (ask, name.is_whole) {
        (Ask::Definition, true) => (0, rarity),
        (_, true) => (1, rarity),
        (Ask::Definition, false) => (2, rarity),
        (_, false) if name.width > 1 || name.is_code => {
            (3, rarity * (0.5 + 0.25 * name.width as f32).min(1.5))
        }
        (_, false) => (4, rarity),
    }
}

/// The files whose path was named, with how well, and the line.
fn named_paths(snapshot: &Snapshot, reading: &Reading) -> HashMap<u64, (f32, Option<u32>)> {
    let mut found: HashMap<u64, (f32, Option<u32>)> = HashMap::new();
    for (place, asked) in reading.paths.iter().enumerate() {
        // The frame where it happened comes first, and what called it still counts.
        let worth = if reading.kind == Kind::Trace { 0.9f32.powi(place as i32) } else { 1.0 };
        let fits: Vec<(u64, f32)> = (snapshot.manifest.records.iter())
            .filter(|record| record.key != 0)
            .map(|record| (record.key, place::names_path(&record.path, &asked.path)))
            .filter(|(_, fit)| *fit > 0.0)
            .collect();
        let most = fits.iter().map(|(_, fit)| *fit).fold(0.0, f32::max);
        let several = fits.iter().filter(|(_, fit)| *fit == most).count() as f32;
        for (key, fit) in fits.into_iter().filter(|(_, fit)| *fit == most) {
            let fit = fit * worth / several.sqrt();
            let known = found.entry(key).or_insert((0.0, None));
            if fit > known.0 {
                *known = (fit, asked.line);
            }
        }
    }
    found
}

fn of_spans(
    candidate: &mut Candidate<'_>,
    ideal: &Ideal,
    weighed: &[Weighed<'_>],
    namings: &HashMap<Spot, Namings>,
    spans: Vec<(Spot, Facts, Slot)>,
    line: Option<u32>,
) {
    let everything = mass(weighed, u64::MAX, |_| true);
    let most = spans.iter().map(|(_, _, slot)| slot.all).fold(0.0, f32::max);
    let signals = &mut candidate.signals;
    let mut tops: Vec<f32> = Vec::with_capacity(spans.len());
    let mut in_symbols = 0;
    for (spot, facts, slot) in spans {
        let mut here = [0.0; SPAN_SIGNALS];
        let mut set = |signal: OfSpan, value: f32| here[signal as usize] = value;
        let body = share(slot.all, ideal.chunk);
        set(OfSpan::Body, body);
        set(OfSpan::BodyTitle, share(slot.title, ideal.chunk_title));
        set(OfSpan::BodyShare, share(mass(weighed, slot.body, |_| true), everything));
        set(OfSpan::BodyTop, share(slot.all, most));
        set(OfSpan::SymbolsHere, share(slot.symbols, ideal.symbols));
        set(OfSpan::DocHere, share(slot.doc, ideal.doc));
        let named = namings.get(&spot).copied().unwrap_or_default();
        set(OfSpan::WholeHere, named[0]);
        set(OfSpan::WholePlainHere, named[1]);
        set(OfSpan::NamedHere, named[2]);
        set(OfSpan::RunHere, named[3]);
        set(OfSpan::WordHere, named[4]);
        set(OfSpan::LineHere, flag(line.is_some_and(|line| (facts.start..=facts.end).contains(&line))));
        set(OfSpan::TestHere, flag(facts.is_test));
        set(OfSpan::First, flag(facts.start == 1));
        set(OfSpan::Long, (facts.end.saturating_sub(facts.start) as f32 / 60.0).min(1.0));
        in_symbols |= slot.other;
        tops.push(body);
        let mut raise = |signal: OfFile, value: f32| {
            let known = &mut signals[signal as usize];
            *known = known.max(value);
        };
        raise(OfFile::Chunk, body);
        raise(OfFile::ChunkTitle, here[OfSpan::BodyTitle as usize]);
        raise(OfFile::ChunkShare, here[OfSpan::BodyShare as usize]);
        raise(OfFile::Symbols, here[OfSpan::SymbolsHere as usize]);
        raise(OfFile::Doc, here[OfSpan::DocHere as usize]);
        raise(OfFile::Whole, named[0]);
        raise(OfFile::WholePlain, named[1]);
        raise(OfFile::Named, named[2]);
        raise(OfFile::Run, named[3].min(1.0));
        raise(OfFile::RunWide, (named[3] - 1.0).max(0.0));
        raise(OfFile::Word, named[4]);
        candidate.spans.push(Span { spot, facts, signals: here });
    }
    tops.sort_by(|one, other| other.total_cmp(one));
    signals[OfFile::Second as usize] = tops.get(1).copied().unwrap_or_default();
    signals[OfFile::Rest as usize] = tops.iter().skip(2).take(4).sum();
    signals[OfFile::SymbolShare as usize] = share(mass(weighed, in_symbols, |_| true), everything);
}

fn flag(is_so: bool) -> f32 {
    f32::from(u8::from(is_so))
}

fn of_text(candidate: &mut Candidate<'_>, ideal: &Ideal, weighed: &[Weighed<'_>], slot: Slot, files: usize) {
    let mut set = |signal: OfFile, value: f32| candidate.signals[signal as usize] = value;
    set(OfFile::File, share(slot.all, ideal.all));
    set(OfFile::FileTitle, share(slot.title, ideal.title));
    set(OfFile::FileShare, share(mass(weighed, slot.body, |_| true), mass(weighed, u64::MAX, |_| true)));
    let is_code = |term: &Term| term.is_code;
    set(OfFile::Code, share(mass(weighed, slot.body, is_code), mass(weighed, u64::MAX, is_code)));
    set(OfFile::Pairs, slot.doc / (2.0 + files as f32).ln());
    set(OfFile::Path, share(slot.symbols, ideal.path));
}

/// What each file's language is among all code.
fn languages(snapshot: &Snapshot) -> HashMap<&'static str, f32> {
    let mut counts: HashMap<&'static str, f32> = HashMap::new();
    let mut all = 0.0;
    for record in &snapshot.manifest.records {
        if place::matter(&record.path, record.language) == Matter::Code {
            *counts.entry(record.language).or_default() += 1.0;
            all += 1.0;
        }
    }
    for count in counts.values_mut() {
        *count /= all;
    }
    counts
}

fn of_place(candidate: &mut Candidate<'_>, reading: &Reading, languages: &HashMap<&'static str, f32>) {
    let Record { path, language, stat, .. } = candidate.record;
    let in_tests = candidate.spans.iter().all(|span| span.facts.is_test) && !candidate.spans.is_empty();
    let mut set = |signal: OfFile, value: f32| candidate.signals[signal as usize] = value;
    match place::aside(path).or(in_tests.then_some(Aside::Test)) {
        Some(Aside::Test) if reading.wants_tests => set(OfFile::WantedTest, 1.0),
        Some(Aside::Test) => set(OfFile::Test, 1.0),
        Some(Aside::Example) => set(OfFile::Example, 1.0),
        Some(Aside::Vendored) => set(OfFile::Vendored, 1.0),
        Some(Aside::Generated) => set(OfFile::Generated, 1.0),
        None => {}
    }
    match place::matter(path, language) {
        Matter::Code => {}
        Matter::Document => set(OfFile::Document, 1.0),
        Matter::Setting => set(OfFile::Setting, 1.0),
    }
    let only_declares = [".h", ".hpp", ".hh", ".d.ts", ".d.mts", ".pyi"];
    set(OfFile::Interface, flag(only_declares.iter().any(|ending| path.ends_with(ending))));
    set(OfFile::Entry, flag(place::is_entry(path)));
    set(OfFile::Depth, (path.matches('/').count() as f32 / 8.0).min(1.0));
    set(OfFile::Size, ((stat.bytes as f32 + 1.0).ln() / 14.0).min(1.0));
    set(OfFile::Language, languages.get(language).copied().unwrap_or_default());
}

/// The words of a query as paths would hold them.
struct PathWords<'a> {
    /// What each is worth, by how few paths hold it, up to 1.
    worth: HashMap<&'a str, f32>,
    whole: f32,
}

impl<'a> PathWords<'a> {
    fn new(snapshot: &Snapshot, reading: &'a Reading, weighed: &[Weighed<'a>]) -> Result<Self, Failure> {
        let scorer = Scorer::of_files(snapshot, Ask::Path);
        let rarest = scorer.idf(1.0);
        let mut worth = HashMap::new();
        let mut whole = 0.0;
        for Weighed { term, in_paths, .. } in weighed {
            let frequency = in_paths.documents;
            if frequency > 0 {
                let one = term.weight.min(1.0) * scorer.idf(frequency as f32) / rarest;
                whole += one;
                worth.insert(term.text.as_str(), one);
            }
        }
        for form in reading.pairs.iter().flatten() {
            let frequency = snapshot.view.term(Ask::Path, form)?.documents;
            if frequency > 0 {
                worth.insert(form, scorer.idf(frequency as f32) / rarest);
            }
        }
        Ok(Self { worth, whole })
    }

    /// How much of a name the query holds, and what the words in common are worth.
    fn of(&self, name: &str) -> (f32, f32) {
        let all = terms(name);
        let Some(whole) = all.first() else { return (0.0, 0.0) };
        let worth = |term: &String| self.worth.get(term.as_str()).copied();
        let parts = identifier_parts(name).len();
        if let Some(worth) = worth(whole) {
            return (1.0, worth);
        }
        if parts < 2 {
            return all.iter().skip(1).find_map(worth).map_or((0.0, 0.0), |worth| (1.0, worth));
        }
        let rest = &all[1..];
        let in_common: Vec<f32> = rest.iter().filter_map(worth).collect();
        (share(in_common.len() as f32, rest.len() as f32), in_common.iter().sum())
    }

    fn fit(&self, candidate: &mut Candidate<'_>) {
        let path = &candidate.record.path;
        let stem = place::stem(path);
        let (fit, worth) = self.of(stem);
        let mut set = |signal: OfFile, value: f32| candidate.signals[signal as usize] = value;
        set(OfFile::StemFit, fit * worth.min(1.0));
        set(OfFile::StemMass, share(worth, self.whole.max(1.0)));
        let folders = path.rsplit('/').skip(1).filter(|folder| *folder != stem).map(|folder| self.of(folder));
        let (mut most, mut sum) = (0.0f32, 0.0);
        for (fit, worth) in folders {
            most = most.max(fit * worth.min(1.0));
            sum += worth;
        }
        set(OfFile::FolderFit, most);
        set(OfFile::FolderMass, share(sum, self.whole.max(1.0)));
    }
}
