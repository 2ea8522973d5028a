//! Owns what speaks for a file and for a span, as raw numbers that compare between queries.
//! Uses the postings of `store`, the manifest and `place`.
//! Never weighs one signal against another.

use std::collections::{HashMap, HashSet};

use super::lookup::{Ideal, Slot, Weighed, known, mass, share, tally, weigh};
use super::meaning;
use super::place;
use super::query::{Kind, Name, Reading, Term};
use super::surroundings::{PathWords, languages, of_place, tested};
use crate::Query;
use crate::engine::{Engine, Snapshot};
use crate::manifest::Record;
use crate::store::{Ask, Facts, Failure, Spot};
use crate::tokenize::normalise;

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
    TestedBy "its tests",
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

/// The kinds of definitions by how the query named them.
const NAMINGS: usize = 5;
type Namings = [f32; NAMINGS];

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
    let near = if is_named { None } else { meaning::near(engine, snapshot, query, reading, &mut by_key)? };
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
    tested(&mut candidates);
    Ok(Gathered { candidates, is_named, has_meaning: near.is_some() })
}

pub(super) type ByKey = HashMap<u64, (Option<Slot>, Vec<(Spot, Facts, Slot)>)>;

/// Find the spans that define a name of the query. Returns whether one is all of the query.
fn name(
    snapshot: &Snapshot,
    reading: &Reading,
    namings: &mut HashMap<Spot, Namings>,
    found: &mut ByKey,
) -> Result<bool, Failure> {
    let mut whole: Option<String> = None;
    let mut exact = false;
    let asked = (reading.names.iter().map(|name| (Ask::Definition, name)))
        .chain(reading.runs.iter().map(|name| (Ask::Normalised, name)));
    for (ask, name) in asked {
        let frequency = snapshot.view.term(ask, &name.text)?.documents;
        let is_other = whole.as_ref().is_some_and(|whole| *whole != normalise(&name.text));
        let demoted = Name { is_whole: false, ..name.clone() };
        let name = if is_other { &demoted } else { name };
        if frequency == 0 || frequency > COMMON && !name.is_whole {
            continue;
        }
        let is_exact = ask == Ask::Definition && name.is_whole;
        if exact && ask == Ask::Normalised && name.is_whole {
            // Where the name stands as it was written, other spellings are other things.
            continue;
        }
        let spots = snapshot.view.all(ask, &name.text)?;
        let facts = snapshot.view.facts(&spots)?;
        if is_exact && name.is_code {
            exact = true;
        }
        let files = facts.iter().filter(|facts| facts.is_file()).count().max(1) as f32;
        let rarity = files.sqrt().recip();
        let (at, value) = naming(ask, name, rarity);
        for (spot, facts) in spots.into_iter().zip(facts).filter(|(_, facts)| !facts.is_file()) {
            if name.is_whole {
                whole.get_or_insert_with(|| normalise(&name.text));
            }
            let entry = &mut namings.entry(spot).or_default()[at];
            *entry = entry.max(value);
            let spans = &mut found.entry(facts.key).or_default().1;
            if !spans.iter().any(|(known, _, _)| *known == spot) {
                spans.push((spot, facts, Slot::default()));
            }
        }
    }
    Ok(whole.is_some())
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

/// A yes or no as a value.
pub(super) fn flag(is_so: bool) -> f32 {
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
