//! Owns what ranks above what: how a query is read, which signals count, and how much.
//! Uses the per-field scores of `store`.
//! Never reads files and never names tantivy.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::Query;
use crate::engine::{Engine, Snapshot};
use crate::store::{Ask, Facts, Failure, Spot};
use crate::tokenize::{identifier_parts, normalise, terms, words};

/// So many documents of each kind are looked at for each field.
const CANDIDATES: usize = 200;
/// A name with more definitions than this tells nothing about where to look.
const COMMON: usize = 40;

/// Weights of the signals, each being at most 1 before. On commits of five repositories chunk and file at 1, symbols and
/// path at one half were enough; anything finer was inside the noise.
const CHUNK: f32 = 1.0;
const FILE: f32 = 1.0;
const SYMBOLS: f32 = 0.5;
const PATH: f32 = 0.5;
const DOC: f32 = 0.1;
/// What the next best spans of a file add to its best one. On 80 commits of two repositories it was worth 0.05 hit@1.
const COHERENCE: f32 = 0.2;
const COHERENT_SPANS: usize = 3;
/// A definition of the very thing that was asked for, alone or inside a longer question.
const DEFINED: f32 = 2.0;
const DEFINED_INSIDE: f32 = 0.7;
/// The path itself was asked for.
const NAMED_PATH: f32 = 2.0;
/// Tests, examples and vendored code are seldom what is looked for.
const ASIDE: f32 = 0.3;
/// The session works on it.
const WORKING_SET: f32 = 1.3;
/// Each further span of one file.
const REPEATED: f32 = 0.5;

/// Words that questions are made of.
const STOP_WORDS: &[&str] = &[
    "a", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do",
    "does", "for", "from", "had", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its", "me",
    "my", "no", "not", "of", "on", "or", "our", "should", "show", "so", "some", "that", "the", "their",
    "then", "there", "these", "they", "this", "to", "us", "was", "we", "were", "what", "when", "where",
    "which", "who", "why", "will", "with", "would", "you", "your",
];

/// A query, read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// Terms with weights.
    pub(crate) terms: Vec<(String, f32)>,
    /// Names that may be defined, and what a definition of each is worth.
    pub(crate) names: Vec<(String, f32)>,
    /// Names without case and separators, likewise.
    pub(crate) plain: Vec<(String, f32)>,
    /// Pieces that look like paths.
    pub(crate) paths: Vec<String>,
    /// Tests were asked for.
    pub(crate) wants_tests: bool,
}

/// Read a query.
pub(crate) fn read(text: &str) -> Reading {
    let all: Vec<&str> = words(text).collect();
    let mut kept: Vec<&str> =
        all.iter().copied().filter(|word| !STOP_WORDS.contains(&word.to_lowercase().as_str())).collect();
    if kept.is_empty() {
        kept.clone_from(&all);
    }
    let mut reading = Reading::default();
    let mut seen = HashSet::new();
    for word in &kept {
        for (number, term) in terms(word).into_iter().enumerate() {
            if seen.insert(term.clone()) {
                reading.terms.push((term, if number == 0 { 1.0 } else { 0.7 }));
            }
        }
    }
    let alone = kept.len() == 1;
    let mut names = BTreeMap::<String, f32>::new();
    for word in &kept {
        let worth = if alone {
            DEFINED
        } else if is_identifier(word) {
            DEFINED_INSIDE
        } else {
            continue;
        };
        names.insert((*word).to_owned(), worth);
    }
    reading.names = names.into_iter().collect();
    let mut plain = BTreeMap::<String, f32>::new();
    let mut offer = |piece: &[&str], worth: f32| {
        let joined = normalise(&piece.concat());
        if joined.len() > 2 {
            let entry = plain.entry(joined).or_insert(worth);
            *entry = entry.max(worth);
        }
    };
    // Stop words can be part of a name (`is_empty`, `to_string`), so runs are of all words.
    offer(&all, DEFINED);
    offer(&kept, DEFINED);
    for width in 2..=4usize {
        for run in all.windows(width) {
            offer(run, DEFINED_INSIDE * (1.0 + 0.1 * width as f32));
        }
    }
    for word in kept.iter().filter(|word| word.len() > 3) {
        offer(&[word], if is_identifier(word) { DEFINED_INSIDE } else { DEFINED_INSIDE * 0.3 });
    }
    reading.plain = plain.into_iter().collect();
    reading.paths = text
        .split_whitespace()
        .map(|piece| {
            piece.trim_matches(|character: char| "`'\"(),:;?!".contains(character)).trim_start_matches("./")
        })
        .filter(|piece| looks_like_path(piece))
        .map(str::to_owned)
        .collect();
    reading.wants_tests = all.iter().any(|word| {
        identifier_parts(word).iter().any(|part| {
            matches!(part.as_str(), "test" | "tests" | "testing" | "example" | "examples" | "bench" | "spec")
        })
    });
    reading
}

/// `load_config`, `LoadConfig`, `HTTP2`: not a word of prose.
fn is_identifier(word: &str) -> bool {
    let inner_capital = word.chars().skip(1).any(char::is_uppercase);
    word.trim_matches('_').contains('_')
        || inner_capital
        || word.chars().any(|character| character.is_ascii_digit())
}

fn looks_like_path(piece: &str) -> bool {
    let ending = piece.rsplit_once('.').map_or("", |(_, ending)| ending);
    let has_ending = (1..=5).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_lowercase());
    piece.len() > 2 && !piece.contains("::") && (piece.contains('/') && !piece.contains("//") || has_ending)
}

/// A ranked document.
#[derive(Debug, Clone)]
pub(crate) struct Ranked {
    pub(crate) spot: Spot,
    pub(crate) facts: Facts,
    pub(crate) score: f32,
    pub(crate) why: Vec<(String, f32)>,
}

/// What speaks for a span so far.
#[derive(Debug, Default, Clone)]
struct Signals {
    why: Vec<(&'static str, f32)>,
}

impl Signals {
    fn add(&mut self, name: &'static str, value: f32) {
        if value > 0.0 {
            self.why.push((name, value));
        }
    }
}

/// Rank the spans for a query, best first, more than the caller will show.
pub(crate) fn rank(
    engine: &Engine,
    snapshot: &Snapshot,
    query: &Query,
    reading: &Reading,
) -> Result<Vec<Ranked>, Failure> {
    let view = &snapshot.view;
    let shown = |facts: &Facts| {
        snapshot.manifest.by_key(facts.key).is_some_and(|record| engine.may_show(&snapshot.manifest, record))
    };
    let mut files: HashMap<u64, Signals> = HashMap::new();
    for (ask, name, weight) in [(Ask::FileBody, "file", FILE), (Ask::Path, "path", PATH)] {
        for (_, facts, score) in scored(snapshot, ask, &reading.terms)? {
            files.entry(facts.key).or_default().add(name, score * weight);
        }
    }
    let mut chunks: HashMap<Spot, (Facts, Signals)> = HashMap::new();
    for (ask, name, weight) in
        [(Ask::Body, "chunk", CHUNK), (Ask::Symbols, "symbols", SYMBOLS), (Ask::Doc, "doc", DOC)]
    {
        for (spot, facts, score) in scored(snapshot, ask, &reading.terms)? {
            chunks.entry(spot).or_insert_with(|| (facts, Signals::default())).1.add(name, score * weight);
        }
    }
    let defined = defined(snapshot, reading)?;
    let found_it = defined.values().any(|(_, worth)| *worth > DEFINED / 2.0);
    for (spot, (facts, worth)) in defined {
        chunks.entry(spot).or_insert_with(|| (facts, Signals::default())).1.add("definition", worth);
    }
    let records = if reading.paths.is_empty() { &[][..] } else { &snapshot.manifest.records };
    for record in records {
        if reading.paths.iter().any(|path| names_path(&record.path, path)) && record.key != 0 {
            files.entry(record.key).or_default().add("named path", NAMED_PATH);
        }
    }
    // A file that only its name or its whole text speaks for is shown by its first span.
    let with_chunks: HashSet<u64> = chunks.values().map(|(facts, _)| facts.key).collect();
    let total = |signals: &Signals| signals.why.iter().map(|(_, value)| value).sum::<f32>();
    let mut bare: Vec<(u64, f32)> = files
        .iter()
        .filter(|(key, _)| !with_chunks.contains(key))
        .map(|(key, signals)| (*key, total(signals)))
        .collect();
    bare.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
    for (key, _) in bare.into_iter().take(20) {
        let spots = view.of_key(key)?;
        let facts = view.facts(&spots)?;
        let first = spots
            .into_iter()
            .zip(facts)
            .filter(|(_, facts)| !facts.is_file())
            .min_by_key(|(_, facts)| facts.start);
        if let Some((spot, facts)) = first {
            chunks.insert(spot, (facts, Signals::default()));
        }
    }
    let working: HashSet<&str> = query.working_set.iter().map(|path| path.trim_start_matches("./")).collect();
    let mut ranked = Vec::with_capacity(chunks.len());
    for (spot, (facts, mut signals)) in chunks {
        if !shown(&facts) {
            continue;
        }
        let Some(record) = snapshot.manifest.by_key(facts.key) else { continue };
        if let Some(file) = files.get(&facts.key) {
            signals.why.extend(file.why.iter().copied());
        }
        let mut why: Vec<(String, f32)> =
            signals.why.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let mut score = total(&signals);
        let mut times = |name: &str, factor: f32| {
            score *= factor;
            why.push((name.to_owned(), factor));
        };
        if let Some(reason) = aside(&record.path, facts.is_test).filter(|_| !reading.wants_tests) {
            times(reason, ASIDE);
        }
        if working.contains(record.path.as_str()) {
            times("working set", WORKING_SET);
        }
        ranked.push(Ranked { spot, facts, score, why });
    }
    let order = |ranked: &mut Vec<Ranked>| {
        ranked.sort_by(|one, other| {
            let place = |ranked: &Ranked| {
                (snapshot.manifest.by_key(ranked.facts.key).map(|record| &record.path), ranked.facts.start)
            };
            other.score.total_cmp(&one.score).then_with(|| place(one).cmp(&place(other)))
        });
    };
    order(&mut ranked);
    let mut spans_of: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, one) in ranked.iter().enumerate() {
        spans_of.entry(one.facts.key).or_default().push(at);
    }
    for spans in spans_of.values() {
        let sum: f32 = spans.iter().skip(1).take(COHERENT_SPANS).map(|&at| ranked[at].score).sum();
        // Where the very thing is defined, the rest of the file adds nothing.
        if sum > 0.0 && !found_it {
            let best = &mut ranked[spans[0]];
            best.score += COHERENCE * sum;
            best.why.push(("coherence".to_owned(), COHERENCE * sum));
        }
        for (times, &at) in spans.iter().enumerate().skip(1) {
            let factor = REPEATED.powi(i32::try_from(times.min(8)).unwrap_or(8));
            ranked[at].score *= factor;
            ranked[at].why.push(("same file".to_owned(), factor));
        }
    }
    order(&mut ranked);
    Ok(ranked)
}

/// The best documents of one field, with scores up to 1.
fn scored(
    snapshot: &Snapshot,
    ask: Ask,
    terms: &[(String, f32)],
) -> Result<Vec<(Spot, Facts, f32)>, Failure> {
    let found = snapshot.view.top(ask, terms, CANDIDATES)?;
    let most = found.first().map_or(1.0, |(_, score)| score.max(f32::EPSILON));
    let spots: Vec<Spot> = found.iter().map(|(spot, _)| *spot).collect();
    let facts = snapshot.view.facts(&spots)?;
    Ok(found.into_iter().zip(facts).map(|((spot, score), facts)| (spot, facts, score / most)).collect())
}

/// The spans that define a name of the query, each with the best that speaks for it.
fn defined(snapshot: &Snapshot, reading: &Reading) -> Result<HashMap<Spot, (Facts, f32)>, Failure> {
    let mut found: HashMap<Spot, (Facts, f32)> = HashMap::new();
    let mut exact: HashSet<String> = HashSet::new();
    let asked = (reading.names.iter().map(|name| (Ask::Definition, name)))
        .chain(reading.plain.iter().map(|name| (Ask::Normalised, name)));
    for (ask, (name, worth)) in asked {
        let spots = snapshot.view.all(ask, name)?;
        if spots.is_empty() || spots.len() > COMMON && *worth < DEFINED {
            continue;
        }
        // The written name is worth more than the same name in another case, and much more where it exists.
        let worth = match ask {
            Ask::Definition => *worth,
            _ if exact.contains(name) => worth * 0.6,
            _ => worth * 0.9,
        };
        if ask == Ask::Definition {
            exact.insert(normalise(name));
        }
        let facts = snapshot.view.facts(&spots)?;
        for (spot, facts) in spots.into_iter().zip(facts).filter(|(_, facts)| !facts.is_file()) {
            let entry = found.entry(spot).or_insert((facts, 0.0));
            entry.1 = entry.1.max(worth);
        }
    }
    Ok(found)
}

fn names_path(path: &str, asked: &str) -> bool {
    path.strip_suffix(asked).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

/// Why a path or a span stands aside, if it does.
fn aside(path: &str, is_test: bool) -> Option<&'static str> {
    if is_test || is_test_path(path) {
        return Some("test");
    }
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    for folder in folders.split('/') {
        match folder.to_ascii_lowercase().as_str() {
            "vendor" | "vendored" | "third_party" | "third-party" | "thirdparty" | "external" | "deps"
            | "bower_components" => {
                return Some("vendored");
            }
            "examples" | "example" | "samples" | "sample" | "demo" | "demos" | "benches" | "bench"
            | "benchmark" | "benchmarks" => {
                return Some("example");
            }
            "dist" | "generated" | "fixtures" | "testdata" | "snapshots" | "__snapshots__" => {
                return Some("generated");
            }
            _ => {}
        }
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let generated =
        [".min.js", ".min.css", ".lock", "-lock.json", "-lock.yaml", ".snap", ".pb.go", "_pb2.py", "go.sum"];
    if generated.iter().any(|ending| name.ends_with(ending)) {
        return Some("generated");
    }
    None
}

/// Whether a path is test code by the customs of its language.
pub(crate) fn is_test_path(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let in_tests = folders.split('/').any(|folder| {
        matches!(
            folder,
            "test"
                | "tests"
                | "__tests__"
                | "testing"
                | "spec"
                | "specs"
                | "e2e"
                | "integration-tests"
                | "tests-integration"
                | "__mocks__"
        )
    });
    let stem = name.split('.').next().unwrap_or(name);
    in_tests
        || stem.starts_with("test_")
        || stem.ends_with("_test")
        || stem.ends_with("_tests")
        || name == "conftest.py"
        || name == "tests.rs"
        || name.contains(".test.")
        || name.contains(".spec.")
        || name.contains(".test-d.")
        || name.ends_with(".java")
            && (stem.ends_with("Test") || stem.ends_with("Tests") || stem.ends_with("IT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_path(path: &str, expect: Option<&str>) {
        assert_eq!(aside(path, false), expect, "{path}");
    }

    #[test]
    fn paths_stand_aside() {
        check_path("src/lib.rs", None);
        check_path("src/latest/contest.rs", None);
        check_path("tests/a.rs", Some("test"));
        check_path("pkg/a_test.go", Some("test"));
        check_path("src/a.spec.ts", Some("test"));
        check_path("src/test/java/A.java", Some("test"));
        check_path("vendor/x/a.c", Some("vendored"));
        check_path("examples/a.rs", Some("example"));
        check_path("Cargo.lock", Some("generated"));
    }

    fn names(text: &str) -> Vec<String> {
        read(text).names.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn queries_are_read() {
        assert_eq!(names("where is load_config defined?"), ["load_config"]);
        assert_eq!(names("Semaphore"), ["Semaphore"]);
        assert_eq!(names("how are retries computed"), [""; 0]);
        assert_eq!(read("look at src/walk.rs, please").paths, ["src/walk.rs"]);
        assert!(read("is empty").plain.iter().any(|(name, worth)| name == "isempty" && *worth == DEFINED));
        assert!(read("tests of the parser").wants_tests);
        assert!(!read("latest version").wants_tests);
        assert_eq!(read("the").terms.len(), 1);
        assert_eq!(read("?!"), Reading::default());
    }
}
