//! Owns the map of a repository: the definitions that matter most, as many as fit a number of tokens.
//! Uses `pagerank` for what matters and the stored definitions for how it looks.
//! Never exceeds its budget, and gives the same map for the same tree and question.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::certainty::{family, package_of, package_roots};
use super::pagerank::{Edge, ranks};
use super::source::Source;
use crate::engine::{Engine, Snapshot};
use crate::manifest::Record;
use crate::parse::Tag;
use crate::store::{Failure, Links};
use crate::tokenize::{identifier_parts, terms, words};

/// What a caller gets who names no budget.
const USUAL_TOKENS: usize = 1_000;
/// A name that more files define says little about any of them.
const MOST_DEFINERS: usize = 12;
/// So many files are looked into, one for each five tokens: a path and a signature take more.
const MOST_FILES: usize = 400;
const TOKENS_A_FILE: usize = 5;
/// Where the walk begins more often: files that are worked on, and files whose names or definitions were asked for.
const WORKING_SET: f64 = 50.0;
const FOCUSED: f64 = 30.0;
/// Tests, examples and vendored code use what matters, but are seldom what matters.
const ASIDE: f64 = 0.1;
/// A use in another package may mean something else of the same name.
const OTHER_PACKAGE: f64 = 0.25;
/// What it is worth of all attention that a definition's name was asked for.
const ASKED_FOR: f64 = 0.1;
/// What a definition that no other file uses is worth of its file's rank.
const UNUSED: f64 = 0.02;

/// What the map is to show.
#[derive(Debug, Clone, Default)]
pub struct MapQuery {
    /// At most so many tokens; 0 means 1,000.
    pub tokens: usize,
    /// Files (relative paths) that are being worked on: what they use comes first.
    pub working_set: Vec<String>,
    /// Words that matter now; may be empty.
    pub focus: String,
}

/// The map of a repository.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RepoMap {
    /// As it is shown.
    pub text: String,
    /// How many tokens that is.
    pub tokens: usize,
    /// The same as data: files best first, definitions in order.
    pub files: Vec<MapFile>,
    /// Files of the tree that define something, shown or not.
    pub files_total: usize,
}

/// One file of the map.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MapFile {
    /// Relative path.
    pub path: String,
    /// Its share of all attention; those of a tree sum to one.
    pub rank: f64,
    /// In order.
    pub entries: Vec<MapEntry>,
    /// Definitions that are left out.
    pub left_out: usize,
}

/// One definition of the map.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MapEntry {
    /// The name.
    pub name: String,
    /// `function`, `struct`, …
    pub kind: String,
    /// From 1.
    pub line: u32,
    /// Nesting, from 0.
    pub depth: u32,
    /// Its signature.
    pub signature: String,
}

/// A file that may be shown.
struct Candidate<'a> {
    record: &'a Record,
    rank: f64,
    tags: Vec<Tag>,
}

/// See [`crate::Index::map`].
pub(crate) fn map(
    engine: &Engine,
    snapshot: &Snapshot,
    query: &MapQuery,
    count: &dyn Fn(&str) -> usize,
) -> Result<RepoMap, Failure> {
    let links = snapshot.view.links(MOST_DEFINERS)?;
    let records: Vec<Option<&Record>> = links
        .keys
        .iter()
        .map(|&key| snapshot.manifest.by_key(key).filter(|one| engine.may_show(&snapshot.manifest, one)))
        .collect();
    let focus = Focus::of(&query.focus);
    let begin = beginnings(&links, &records, query, &focus);
    let standing: Vec<f64> = records.iter().map(|record| standing(*record)).collect();
    let edges = edges(snapshot, &links, &records, &standing, &focus);
    let found = ranks(&edges, &begin);
    let mut order: Vec<usize> = (0..records.len()).filter(|&at| records[at].is_some()).collect();
    let worth = |at: usize| found.files[at] * standing[at];
    order.sort_by(|&one, &other| {
        worth(other).total_cmp(&worth(one)).then_with(|| path_of(records[one]).cmp(path_of(records[other])))
    });
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    // A definition: how much it matters, its file among the candidates, its place there.
    let mut symbols: Vec<(f64, usize, usize)> = Vec::new();
    let budget = if query.tokens == 0 { USUAL_TOKENS } else { query.tokens };
    order.truncate((budget / TOKENS_A_FILE).clamp(60, MOST_FILES));
    let mut looked_at = vec![false; records.len()];
    order.iter().for_each(|&at| looked_at[at] = true);
    // What flows to each of these files through each name that others use.
    let mut flows: HashMap<(u32, &str), f64> = HashMap::new();
    for (edge, flow) in edges.iter().zip(&found.flows).filter(|(edge, _)| looked_at[edge.to as usize]) {
        let name = links.links[edge.name as usize].name.as_str();
        *flows.entry((edge.to, name)).or_default() += flow * standing[edge.to as usize];
    }
    for at in order {
        let Some(record) = records[at] else { continue };
        let spots = snapshot.view.of_key(record.key)?;
        let Some(&spot) = spots.first() else { continue };
        let Some(mut tags) = Source::definitions(engine, snapshot, spot, record)? else { continue };
        tags.retain(|tag| {
            tag.is_symbol() && !matches!(tag.kind, "field" | "variant" | "declaration" | "module")
        });
        if tags.is_empty() {
            continue;
        }
        let mut same_name: HashMap<&str, usize> = HashMap::new();
        tags.iter().for_each(|tag| *same_name.entry(&tag.name).or_default() += 1);
        for (place, tag) in tags.iter().enumerate() {
            let flow = flows.get(&(at as u32, tag.name.as_str())).copied().unwrap_or(0.0);
            let base = worth(at) * UNUSED * weight_of(&tag.name) * focus.boost(&tag.name) / tags.len() as f64;
            let asked = ASKED_FOR * focus.share_of(&tag.name);
            let kept = if tag.is_test { ASIDE } else { weight_of_kind(tag.kind) };
            symbols.push((
                (flow / same_name[tag.name.as_str()] as f64 + base + asked) * kept,
                candidates.len(),
                place,
            ));
        }
        candidates.push(Candidate { record, rank: found.files[at], tags });
    }
    symbols.sort_by(|one, other| {
        other.0.total_cmp(&one.0).then_with(|| (one.1, one.2).cmp(&(other.1, other.2)))
    });
    let shown = fitting(&candidates, &symbols, budget, count);
    let mut answer = layout(&candidates, &symbols[..shown]);
    answer.text = render(&answer.files);
    answer.tokens = count(&answer.text);
    answer.files_total = records.iter().flatten().count();
    Ok(answer)
}

fn path_of(record: Option<&Record>) -> &str {
    record.map_or("", |record| &record.path)
}

/// The largest number of definitions whose map fits, found by halving; each costs about the same.
fn fitting(
    candidates: &[Candidate<'_>],
    symbols: &[(f64, usize, usize)],
    budget: usize,
    count: &dyn Fn(&str) -> usize,
) -> usize {
    // A signature has at least four bytes, so that more can never fit a tokenizer that is any good.
    let (mut fits, mut too_many) = (0, symbols.len().min(budget) + 1);
    while too_many - fits > 1 {
        let middle = usize::midpoint(fits, too_many);
        if count(&render(&layout(candidates, &symbols[..middle]).files)) <= budget {
            fits = middle;
        } else {
            too_many = middle;
        }
    }
    fits
}

/// The chosen definitions by file, files in the order of their best definition.
fn layout(candidates: &[Candidate<'_>], chosen: &[(f64, usize, usize)]) -> RepoMap {
    let mut places: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut order = Vec::new();
    for &(_, file, place) in chosen {
        let of_file = places.entry(file).or_default();
        if of_file.is_empty() {
            order.push(file);
        }
        of_file.push(place);
    }
    let mut map = RepoMap::default();
    for file in order {
        let candidate = &candidates[file];
        let mut places = places.remove(&file).unwrap_or_default();
        places.sort_unstable();
        let entries = places.iter().map(|&place| {
            let tag = &candidate.tags[place];
            MapEntry {
                name: tag.name.clone(),
                kind: tag.kind.to_owned(),
                line: tag.line,
                depth: tag.depth,
                signature: tag.signature.clone(),
            }
        });
        map.files.push(MapFile {
            path: candidate.record.path.clone(),
            rank: candidate.rank,
            entries: entries.collect(),
            left_out: candidate.tags.len() - places.len(),
        });
    }
    map
}

/// Signatures longer than this are cut: a map shows what there is, not how it is called.
const LONGEST_SIGNATURE: usize = 110;

fn render(files: &[MapFile]) -> String {
    let mut text = String::new();
    for file in files {
        text.push_str(&file.path);
        text.push('\n');
        for entry in &file.entries {
            let indent = "  ".repeat(entry.depth.min(6) as usize);
            let signature = match entry.signature.char_indices().nth(LONGEST_SIGNATURE) {
                Some((end, _)) => format!("{}…", &entry.signature[..end]),
                None => entry.signature.clone(),
            };
            text.push_str(&format!("{:>5}  {indent}{signature}\n", entry.line));
        }
        if file.left_out > 0 {
            text.push_str("    ⋮\n");
        }
    }
    text
}

/// Who uses what, file by file. A use counts by the root of how often it is there: ten uses are not ten times as telling.
fn edges(
    snapshot: &Snapshot,
    links: &Links,
    records: &[Option<&Record>],
    standing: &[f64],
    focus: &Focus,
) -> Vec<Edge> {
    let roots = package_roots(&snapshot.manifest);
    // Languages and packages by number: they are compared for each pair of files.
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut number = |name| {
        let next = numbers.len() as u32;
        *numbers.entry(name).or_insert(next)
    };
    let homes: Vec<(u32, u32)> = records
        .iter()
        .map(|record| match record {
            Some(one) => (number(family(one.language)), number(package_of(&roots, &one.path))),
            None => (u32::MAX, u32::MAX),
        })
        .collect();
    let mut edges = Vec::new();
    for (name, link) in (0u32..).zip(&links.links) {
        let of_name = weight_of(&link.name) * focus.boost(&link.name) / link.definers.len() as f64;
        for &(from, times) in &link.users {
            let user = homes[from as usize];
            for &to in &link.definers {
                let definer = homes[to as usize];
                if user.0 != definer.0 || records[to as usize].is_none() {
                    continue;
                }
                let near = if user.1 == definer.1 { 1.0 } else { OTHER_PACKAGE };
                let weight = of_name * near * f64::from(times).sqrt() * standing[from as usize];
                edges.push(Edge { from, to, name, weight });
            }
        }
    }
    edges
}

/// Where the walk begins.
fn beginnings(links: &Links, records: &[Option<&Record>], query: &MapQuery, focus: &Focus) -> Vec<f64> {
    let working: HashSet<&str> = query.working_set.iter().map(|path| path.trim_start_matches("./")).collect();
    let mut begin: Vec<f64> = records
        .iter()
        .map(|record| {
            let Some(record) = record else { return 0.0 };
            let mut weight = standing(Some(record));
            if working.contains(record.path.as_str()) {
                weight += WORKING_SET;
            }
            weight + FOCUSED * focus.share_of(&record.path)
        })
        .collect();
    for link in links.links.iter().filter(|_| !focus.is_empty()) {
        let share = focus.share_of(&link.name);
        for &definer in link.definers.iter().filter(|_| share > 0.0) {
            begin[definer as usize] += FOCUSED * share / link.definers.len() as f64;
        }
    }
    begin
}

/// What a file counts for by where it stands.
fn standing(record: Option<&Record>) -> f64 {
    match record {
        None => 0.0,
        Some(record) if crate::rank::place::aside(&record.path).is_some() => ASIDE,
        Some(_) => 1.0,
    }
}

/// Names that every language has of its own: a definition of that name is seldom what a use of it means.
const EVERYWHERE: &[&str] = &[
    "Array", "Box", "Context", "Date", "Err", "Error", "Item", "Iterator", "List", "Map", "None", "Object",
    "Option", "Output", "Promise", "Result", "Set", "Some", "String", "Target", "Type", "Vec",
];

/// Composed names say what they are; short and private ones say little outside of their file, and single words in lower
/// case (`get`, `push`, `all`) are methods of anything.
fn weight_of(name: &str) -> f64 {
    let composed = identifier_parts(name).len() > 1;
    let length = if EVERYWHERE.contains(&name) {
        0.05
    } else if composed {
        if name.len() > 7 { 2.0 } else { 1.0 }
    } else if name.starts_with(char::is_uppercase) {
        if name.len() > 4 { 1.5 } else { 0.7 }
    } else if name.len() < 7 {
        0.1
    } else {
        0.4
    };
    let private = if name.starts_with('_') { 0.1 } else { 1.0 };
    length * private
}

/// Types and functions tell what a file is for; methods and macros come with them.
fn weight_of_kind(kind: &str) -> f64 {
    match kind {
        "method" | "constructor" => 0.5,
        "macro" | "variable" | "constant" | "static" => 0.3,
        _ => 1.0,
    }
}

/// The words of a question.
struct Focus {
    terms: HashSet<String>,
}

impl Focus {
    fn of(text: &str) -> Self {
        Self { terms: terms(text).into_iter().filter(|term| term.len() > 2).collect() }
    }

    fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// How much of a name or path the question names.
    fn share_of(&self, text: &str) -> f64 {
        if self.terms.is_empty() {
            return 0.0;
        }
        let parts: Vec<String> = words(text).flat_map(identifier_parts).collect();
        let hits = parts.iter().filter(|part| self.terms.contains(*part)).count();
        let whole = if self.terms.contains(&text.to_lowercase()) { 1.0 } else { 0.0 };
        whole + hits as f64 / parts.len().max(1) as f64
    }

    fn boost(&self, name: &str) -> f64 {
        1.0 + 9.0 * self.share_of(name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stage;
    use super::*;

    fn tokens(text: &str) -> usize {
        text.len().div_ceil(4)
    }

    #[test]
    fn what_others_use_comes_first_and_the_budget_holds() {
        let stage = stage(&[
            (
                "src/core.rs",
                "pub struct Engine;\n\nimpl Engine {\n    pub fn start_engine(&self) {}\n    fn helper(&self) {}\n}\n\npub fn unused_here() {}\n",
            ),
            (
                "src/a.rs",
                "use crate::core::Engine;\npub fn first(engine: &Engine) { engine.start_engine(); }\n",
            ),
            (
                "src/b.rs",
                "use crate::core::Engine;\npub fn second(engine: &Engine) { engine.start_engine(); }\n",
            ),
            ("tests/all.rs", "fn check_everything() { first(); }\n"),
        ]);
        let ask = |query: &MapQuery| stage.index.map(query, &tokens).expect("a map");
        let whole = ask(&MapQuery::default());
        assert_eq!(whole.files[0].path, "src/core.rs");
        assert_eq!(whole.files.last().expect("files").path, "tests/all.rs");
        assert!(whole.text.contains("    4    pub fn start_engine(&self)\n"), "{}", whole.text);
        let small = ask(&MapQuery { tokens: 16, ..MapQuery::default() });
        assert_eq!(small.text, "src/core.rs\n    1  pub struct Engine\n    ⋮\n");
        for budget in 1..120 {
            let query = MapQuery { tokens: budget, ..MapQuery::default() };
            let map = ask(&query);
            assert!(map.tokens <= budget && map.tokens == tokens(&map.text));
            assert_eq!(map, ask(&query));
        }
        let focused = ask(&MapQuery { tokens: 16, focus: "second".into(), ..MapQuery::default() });
        assert!(focused.text.starts_with("src/b.rs\n    2  pub fn second("), "{}", focused.text);
    }

    #[test]
    fn an_empty_tree_has_an_empty_map() {
        let map = stage(&[]).index.map(&MapQuery::default(), &tokens).expect("a map");
        assert_eq!(map, RepoMap::default());
    }
}
