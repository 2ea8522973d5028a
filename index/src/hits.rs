//! Owns turning ranked documents into hits: checked on disk, with the line that tells most.
//! Uses `rank`, the stored tags and the files.
//! Never shows what is not there any more.

mod local;

use std::collections::{HashMap, HashSet};

use crate::engine::{Engine, Snapshot};
use crate::graph::{read, shown};
use crate::parse::{LineIndex, Tag, Tags};
use crate::rank::query::Name;
use crate::rank::{self, Ranked, Reading};
use crate::refresh::{is_current, is_known};
use crate::store::Failure;
use crate::tokenize::{Terms, normalise};
use crate::{Hit, Query};

/// What a caller gets who names no limit.
const USUAL_LIMIT: usize = 10;

/// So many files are read for a name that the index does not define.
const READ_FOR_LOCALS: usize = 15;
/// What declaring a name that nothing defines is worth: more than any words, as a definition is.
const DECLARED: f32 = 6.0;

/// Which spans of a file are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spans {
    All,
    OneOfEachFile,
}

/// See [`crate::Index::search`] and [`crate::Index::search_files`].
pub(crate) fn search(
    engine: &Engine,
    snapshot: &Snapshot,
    query: &Query,
    wanted: Spans,
) -> Result<Vec<Hit>, Failure> {
    let limit = if query.limit == 0 { USUAL_LIMIT } else { query.limit };
    let reading = rank::read(&query.text);
    let mut ranked = rank::rank(engine, snapshot, query, &reading, limit.max(READ_FOR_LOCALS))?;
    if !reading.forms.is_empty() && !ranked.is_named {
        prefer_locals(engine, snapshot, &reading, &mut ranked.spans);
    }
    let mut files: HashMap<u64, Option<FileNow>> = HashMap::new();
    let mut hits = Vec::new();
    for ranked in ranked.spans {
        if hits.len() >= limit {
            break;
        }
        if wanted == Spans::OneOfEachFile && files.contains_key(&ranked.facts.key) {
            continue;
        }
        let Some(record) = snapshot.manifest.by_key(ranked.facts.key) else { continue };
        let known = match files.get(&ranked.facts.key) {
            Some(known) => known,
            None => {
                let now = FileNow::read(engine, snapshot, record)?;
                files.entry(ranked.facts.key).or_insert(now)
            }
        };
        let Some(now) = known else { continue };
        let (start, end) = (ranked.facts.start, ranked.facts.end.min(now.lines.count()));
        if start > end {
            continue;
        }
        let named = now.definitions.iter().filter(|tag| (start..=end).contains(&tag.line));
        // The first of those that are worth most.
        let asked = named
            .map(|tag| (asked_for(tag, &reading), tag))
            .filter(|(worth, _)| *worth > 0.0)
            .max_by(|one, other| one.0.total_cmp(&other.0).then_with(|| other.1.line.cmp(&one.1.line)))
            .map(|(_, tag)| tag);
        let label = snapshot.view.label(ranked.spot)?;
        let (symbol, kind) = match (asked, label) {
            (Some(tag), _) => (Some(tag.name.clone()), tag.kind.to_owned()),
            (None, Some((symbol, kind))) => (Some(symbol), kind),
            (None, None) => (None, "text".to_owned()),
        };
        let line = asked.map_or_else(|| telling_line(now, start, end, &reading), |tag| tag.line);
        hits.push(Hit {
            path: record.path.clone(),
            start_line: start,
            end_line: end,
            score: ranked.score,
            symbol,
            kind,
            line,
            preview: shown(now.lines.text(&now.text, line)),
            why: ranked.why,
            is_test: ranked.facts.is_test || rank::is_test_path(&record.path),
        });
    }
    Ok(hits)
}

/// A name that nothing defines may be a variable: the spans that declare it come first.
fn prefer_locals(engine: &Engine, snapshot: &Snapshot, reading: &Reading, spans: &mut [Ranked]) {
    let mut seen = HashSet::new();
    let mut keys = Vec::new();
    for span in spans.iter() {
        if keys.len() < READ_FOR_LOCALS && !span.facts.is_test && seen.insert(span.facts.key) {
            keys.push(span.facts.key);
        }
    }
    for key in keys {
        let Some(text) = snapshot.manifest.by_key(key).and_then(|record| read(engine, record)) else {
            continue;
        };
        let Some(at) = reading.forms.iter().find_map(|form| local::declares(&text, form)) else { continue };
        let line = LineIndex::new(&text).line(at);
        let around =
            |span: &&mut Ranked| span.facts.key == key && (span.facts.start..=span.facts.end).contains(&line);
        if let Some(span) = spans.iter_mut().find(around) {
            span.score += DECLARED;
            span.why.push(("declares it locally".to_owned(), DECLARED));
        }
    }
    spans.sort_by(|one, other| other.score.total_cmp(&one.score));
}

/// A file as it is on disk.
struct FileNow {
    text: String,
    lines: LineIndex,
    definitions: Vec<Tag>,
}

impl FileNow {
    /// `None` when it is gone or cannot be read any more.
    fn read(
        engine: &Engine,
        snapshot: &Snapshot,
        record: &crate::manifest::Record,
    ) -> Result<Option<Self>, Failure> {
        let Some(text) = read(engine, record) else { return Ok(None) };
        let lines = LineIndex::new(&text);
        let mut definitions = Vec::new();
        if is_current(&engine.root, record) == Some(true) || is_known(record, text.as_bytes()) {
            let spots = snapshot.view.of_key(record.key)?;
            let facts = snapshot.view.facts(&spots)?;
            if let Some((spot, _)) = spots.into_iter().zip(facts).find(|(_, facts)| facts.is_file()) {
                definitions = Tags::decode_definitions(&snapshot.view.stored(spot)?).unwrap_or_default();
            }
        } else {
            let language = crate::parse::languages::of(&record.path, &text);
            definitions = crate::parse::tags(&text, language, rank::is_test_path(&record.path)).definitions;
        }
        Ok(Some(Self { text, lines, definitions }))
    }
}

/// What it is worth that a definition has a name of the query; 0 when it has none.
fn asked_for(tag: &Tag, reading: &Reading) -> f32 {
    let plain = normalise(&tag.name);
    let worth = |name: &Name| match name {
        Name { is_whole: true, .. } => 4.0,
        Name { is_code: true, .. } => 2.0,
        Name { width, .. } => 0.5 * *width as f32,
    };
    let names = reading.names.iter().filter(|name| name.text == tag.name).map(|name| worth(name) + 1.0);
    let likes = reading.runs.iter().filter(|name| name.text == plain).map(worth);
    names.chain(likes).fold(0.0, f32::max)
}

/// The line that holds most of the query; the first of them, or the first that is not blank.
fn telling_line(now: &FileNow, start: u32, end: u32, reading: &Reading) -> u32 {
    let mut best = (0.0f32, start);
    let mut first = None;
    let mut term = String::new();
    for line in start..=end {
        let text = now.lines.text(&now.text, line);
        if !text.trim().is_empty() {
            first.get_or_insert(line);
        }
        let mut found: Vec<&str> = Vec::new();
        let mut score = 0.0;
        let mut cutter = Terms::new(text.get(..2000).unwrap_or(text));
        while cutter.next_into(&mut term) {
            if let Some(known) = reading.terms.iter().find(|known| known.text == term)
                && !found.contains(&known.text.as_str())
            {
                found.push(&known.text);
                score += known.weight;
            }
        }
        if score > best.0 {
            best = (score, line);
        }
    }
    if best.0 > 0.0 { best.1 } else { first.unwrap_or(start) }
}
