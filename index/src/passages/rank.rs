//! Owns which passages answer a query best: shares of a score that are added up.
//! Uses `rank::candidates` for what the postings say, and how `crate::rank::query` reads a query.
//! Never reads a text, and never depends on the order of a hash map.

mod candidates;

use std::collections::{HashMap, HashSet};

use super::groups::Groups;
use super::meaning::Question;
use super::{About, MOST_NAMES, PassageQuery, TextKind};
use crate::rank::query::Term;
use crate::rank::{Reading, read};
use crate::store::Failure;
use crate::store::texts::{PassageFacts, TextField, TextView};
use crate::tokenize::{normalise, terms};
use candidates::Candidates;

// The weights were chosen on 700 questions over sessions of six repositories: a change's title, and lines of the file that it
// changed; a failing test; a place that was searched for. Most of them may be doubled or halved without a difference.

/// A term of one of the query's own names, as against a word; a word that is written as code.
const OF_A_NAME: f32 = 1.6;
const CODE_WORD: f32 = 1.5;
/// What the terms below the first line may say together, as against it or, where it says nothing, as so many words that
/// stand in one passage only; and how many of them are looked at. With 300 characters of other talk below it, .71 of the questions find what they found without; had
/// each term counted for itself, .46 of them would.
const BELOW: f32 = 0.5;
const BELOW_LEAST: f32 = 2.0;
const MOST_BELOW: usize = 64;
/// A passage that defines what is named, by a name or by words in a row; that is of, or names, the file that is named.
const DEFINES: f32 = 4.0;
const DEFINES_WORD: f32 = 2.0;
const IS_PLACE: f32 = 5.0;
/// Neighbouring words that stand there as one identifier.
const PAIR: f32 = 0.8;
/// Test code, unless tests were asked for, and at most this share of its points.
const TEST: f32 = -2.0;
const TEST_SHARE: f32 = -0.5;
/// Of two equals the newer one.
const NEWER: f32 = 0.05;
/// What the best other passage of the same file adds, and what all of the file adds beyond the passage itself.
const BEST_OF_FILE: f32 = 0.15;
const REST_OF_FILE: f32 = 0.1;
/// What the better neighbour adds to code: a change is often made beside the lines that have its words. With the three,
/// .76 of the changed lines are in the first 4,000 tokens; without them .65.
const BESIDE: f32 = 0.3;

/// So many passages that have the words of the query best are not displaced by what stands beside others. Of places that were
/// searched for, told of without a question mark, .99 are in the first 4,000 tokens; .97 without this.
const FIRM: usize = 4;
/// What a passage of the same meaning gets. With twice as much, what was said displaces code that is needed.
const MEANING: f32 = 5.0;

/// The names of the shares.
pub(super) const SHARES: [&str; 12] = [
    "text", "title", "path", "names", "defines", "place", "pair", "file", "beside", "test", "newer",
    "meaning",
];
/// Their places; the first four are those of the scored fields.
mod share {
    pub(super) const DEFINES: usize = 4;
    pub(super) const PLACE: usize = 5;
    pub(super) const PAIR: usize = 6;
    pub(super) const FILE: usize = 7;
    pub(super) const BESIDE: usize = 8;
    pub(super) const TEST: usize = 9;
    pub(super) const NEWER: usize = 10;
    pub(super) const MEANING: usize = 11;
}

/// Points by share.
pub(super) type Shares = [f32; SHARES.len()];

/// A passage that was found.
#[derive(Debug, Clone)]
pub(super) struct Scored {
    pub(super) facts: PassageFacts,
    pub(super) score: f32,
    pub(super) shares: Shares,
}

/// The best passages, best first.
pub(super) fn search(
    view: &TextView,
    groups: &Groups,
    query: &PassageQuery<'_>,
    question: Option<&Question>,
    limit: usize,
) -> Result<Vec<Scored>, Failure> {
    let only = match query.group {
        Some(name) => match groups.number(name) {
            Some(number) => Some(number),
            None => return Ok(Vec::new()),
        },
        None => None,
    };
    let belongs = |facts: &PassageFacts| {
        only.map_or_else(|| groups.is_live(facts.group), |group| facts.group == group)
            && (query.kinds.is_empty() || query.kinds.iter().any(|kind| About::of(facts.about).is(*kind)))
    };
    let mut candidates = Candidates::new(view, belongs);
    let reading = read(query.text);
    score_terms(&mut candidates, &reading, query.names)?;
    // Words in a row are names by chance in a longer text; identifiers are not.
    let title = read(first_line(query.text));
    for term in title.pairs.iter().flatten() {
        candidates.whole(TextField::Body, term, share::PAIR, PAIR)?;
    }
    for run in title.runs.iter().chain(reading.runs.iter().filter(|run| run.is_code)) {
        let points = if run.width > 1 || run.is_code { DEFINES } else { DEFINES_WORD };
        candidates.whole(TextField::Defined, &run.text, share::DEFINES, points)?;
    }
    for name in query.names.iter().take(MOST_NAMES) {
        let last = name.rsplit([':', '.', '/', '#']).find(|part| !part.is_empty()).unwrap_or(name);
        candidates.whole(TextField::Defined, &normalise(last), share::DEFINES, DEFINES)?;
    }
    let paths = reading.paths.iter().map(|named| &named.path);
    for path in paths.chain(query.names.iter().take(MOST_NAMES)) {
        for place in places(path) {
            // The longest end of the path that is known is the one that is meant.
            if candidates.whole(TextField::Place, &place, share::PLACE, IS_PLACE)? > 0 {
                break;
            }
        }
    }
    if let Some(question) = question {
        candidates.meaning(question, share::MEANING, MEANING);
    }
    let mut scored = with_surroundings(candidates, &reading, asks(query.text));
    drop_repeated(&mut scored);
    Ok(first(scored, limit))
}

/// Score the terms of a query: those of its first line and of its names as they are, those below, such as the text of an
/// error, so that together they stay behind.
fn score_terms(candidates: &mut Candidates<'_>, reading: &Reading, names: &[String]) -> Result<(), Failure> {
    let mut known: HashSet<String> = HashSet::new();
    let mut leading = 0.0;
    for term in names.iter().take(MOST_NAMES).flat_map(|name| terms(name)) {
        if known.insert(term.clone()) {
            leading += candidates.term(&term, OF_A_NAME)?;
        }
    }
    let (title, all_below): (Vec<_>, Vec<_>) =
        reading.terms.iter().filter(|term| !known.contains(&term.text)).partition(|term| term.in_title);
    let weight = |term: &Term| term.weight * if term.is_code { CODE_WORD } else { 1.0 };
    for term in title {
        leading += candidates.term(&term.text, weight(term))?;
    }
    let mut below: Vec<(&str, f32, f32)> = Vec::with_capacity(all_below.len());
    for term in all_below {
        let rarity = candidates.rarity(&term.text)?;
        below.push((&term.text, weight(term), weight(term) * rarity));
    }
    below.sort_by(|one, other| other.2.total_cmp(&one.2));
    below.truncate(MOST_BELOW);
    let sum: f32 = below.iter().map(|(.., points)| points).sum();
    let scale = ((BELOW * leading).max(BELOW_LEAST * candidates.rarity_of(1.0)) / sum.max(f32::MIN_POSITIVE))
        .min(1.0);
    for (term, weight, _) in below {
        candidates.term(term, weight * scale)?;
    }
    Ok(())
}

pub(super) fn first_line(text: &str) -> &str {
    text.trim_start().lines().next().unwrap_or_default()
}

/// The ends of a path, from whole components, longest first: `a/b/c.rs`, `b/c.rs`, `c.rs`. None when it is no path.
pub(super) fn places(path: &str) -> Vec<String> {
    if path.len() > 400 {
        return Vec::new();
    }
    let clean = path.trim().replace('\\', "/").to_lowercase();
    let clean = clean.split(':').next().unwrap_or_default().trim_matches('/');
    if clean.is_empty() || !clean.contains(['/', '.']) {
        return Vec::new();
    }
    let starts = clean.match_indices('/').map(|(at, _)| at + 1);
    let ends: Vec<&str> = std::iter::once(0).chain(starts).map(|at| &clean[at..]).collect();
    // Folders further out say nothing more.
    ends[ends.len().saturating_sub(6)..].iter().map(|end| (*end).to_owned()).collect()
}

/// Whether a query asks for something that was said or shown, whose line has the words of the question. Otherwise it says
/// what is to be done, and the lines that it is done to stand beside those that have its words.
fn asks(text: &str) -> bool {
    // What follows may be an error, in which such a mark means something else.
    let line = first_line(text).to_lowercase();
    let first = line.split(|letter: char| !letter.is_alphabetic()).next().unwrap_or_default();
    let opening = ["what", "which", "where", "who", "whose", "whom", "when", "why", "how"];
    line.trim_end().ends_with('?') || line.contains("? ") || opening.contains(&first)
}

/// Points that passages have by what stands around them.
fn with_surroundings(mut candidates: Candidates<'_>, reading: &Reading, asks: bool) -> Vec<Scored> {
    let speaks = |about: About| !asks && about.is(TextKind::Code);
    let beside = candidates.beside(|facts| speaks(About::of(facts.about)));
    let facts = candidates.view.facts();
    let newest = candidates.found.iter().map(|(document, _)| facts[*document as usize].number).max();
    let newest = newest.unwrap_or_default().max(1) as f32;
    let sum = |shares: &Shares| shares.iter().sum::<f32>();
    // The two best passages of each file, since a passage does not speak for itself.
    let mut best: HashMap<u64, (f32, f32)> = HashMap::new();
    for (document, shares) in &candidates.found {
        let points = sum(shares);
        let (first, second) = best.entry(About::of(facts[*document as usize].about).file).or_default();
        if points > *first {
            (*first, *second) = (points, *first);
        } else if points > *second {
            *second = points;
        }
    }
    let mut words: Vec<f32> = candidates.found.iter().map(|(_, shares)| sum(shares)).collect();
    words.sort_unstable_by(|one, other| other.total_cmp(one));
    let firm = words.get(FIRM).copied().unwrap_or_default();
    let mut scored = Vec::with_capacity(candidates.found.len());
    for ((document, mut shares), beside) in candidates.found.into_iter().zip(beside) {
        let facts = facts[document as usize];
        let about = About::of(facts.about);
        let words = sum(&shares);
        if about.file != 0 && speaks(about) {
            let (first, second) = best.get(&about.file).copied().unwrap_or_default();
            let other = if words < first { first } else { second };
            let all = candidates.files.get(&about.file).map_or(0.0, candidates::FileWords::points);
            let of_file = BEST_OF_FILE * other + REST_OF_FILE * (all - words).max(0.0);
            let beside = BESIDE * beside;
            // What has the words of the query best keeps its place.
            let most = if words < firm { firm - words } else { f32::MAX };
            let share = (most / (of_file + beside).max(f32::MIN_POSITIVE)).min(1.0);
            shares[share::FILE] = of_file * share;
            shares[share::BESIDE] = beside * share;
        }
        if about.is_test && !reading.wants_tests {
            shares[share::TEST] = TEST.max(TEST_SHARE * words);
        }
        shares[share::NEWER] = NEWER * facts.number as f32 / newest;
        scored.push(Scored { facts, score: sum(&shares), shares });
    }
    scored
}

/// Of passages with the same text about the same file only the newest counts.
fn drop_repeated(scored: &mut Vec<Scored>) {
    let key = |one: &Scored| (About::of(one.facts.about).file, one.facts.hash);
    let age = |one: &Scored| (one.facts.group, one.facts.number, one.facts.bytes);
    let mut newest = HashMap::with_capacity(scored.len());
    for one in scored.iter() {
        let known = newest.entry(key(one)).or_insert_with(|| age(one));
        *known = age(one).max(*known);
    }
    scored.retain(|one| newest.get(&key(one)) == Some(&age(one)));
}

/// The best of them in order: by score, then the newer text, then the lines of a text as they stand.
fn first(mut scored: Vec<Scored>, limit: usize) -> Vec<Scored> {
    let order = |one: &Scored, other: &Scored| {
        let text = |one: &Scored| (one.facts.group, one.facts.number);
        other
            .score
            .total_cmp(&one.score)
            .then_with(|| text(other).cmp(&text(one)))
            .then_with(|| one.facts.bytes.cmp(&other.facts.bytes))
    };
    if scored.len() > limit {
        scored.select_nth_unstable_by(limit, order);
        scored.truncate(limit);
    }
    scored.sort_unstable_by(order);
    scored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_told_from_tasks() {
        let check = |text: &str, expect: bool| assert_eq!(asks(text), expect, "{text:?}");
        check("Where should it go?", true);
        check("\n  what's the limit", true);
        check("Who reviews it? And the other one.", true);
        check("Make `open` faster\nerror: the `?` operator: why?", false);
        check("use `read()?` in both", false);
        check("", false);
    }

    #[test]
    fn what_stands_below_does_not_drown_the_first_line() {
        use crate::passages::{Passages, TextSource};
        let mut index = Passages::in_memory(None).expect("made");
        let pasted = "The codec reads frames, the watcher joins threads, the renderer draws borders, the parser drops nodes.";
        let texts = ["Scratch output goes below /srv/tundra.", pasted, "Nothing of either."];
        for (number, text) in (0..).zip(texts) {
            let kind = TextKind::Talk;
            let source = TextSource { group: "one", number, kind, title: "user", path: None, text };
            index.add(&source).expect("added");
        }
        index.commit().expect("committed");
        let check = |text: &str, expect: u64| {
            let query = PassageQuery { text, ..PassageQuery::default() };
            let found = index.search(&query).expect("searched");
            assert_eq!(found.first().map(|passage| passage.number), Some(expect), "{text:?}");
        };
        check("Where does scratch output go?", 0);
        check(&format!("Where does scratch output go?\n{pasted}"), 0);
        check(&format!("go on\n{pasted}"), 1);
    }

    #[test]
    fn a_path_has_the_ends_of_its_components() {
        let check = |path: &str, expect: &[&str]| assert_eq!(places(path), expect, "{path:?}");
        check("src/Store/a.rs", &["src/store/a.rs", "store/a.rs", "a.rs"]);
        check("/a.rs:12:4", &["a.rs"]);
        check("C\\b.cs", &["c/b.cs", "b.cs"]);
        check("1/2/3/4/5/6/7/8", &["3/4/5/6/7/8", "4/5/6/7/8", "5/6/7/8", "6/7/8", "7/8", "8"]);
        check("word", &[]);
        check(&"a/".repeat(300), &[]);
        check("/", &[]);
        check("é/ü.rs", &["é/ü.rs", "ü.rs"]);
    }
}
