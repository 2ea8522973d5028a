//! Owns which passages answer a query best: shares of a score that are added up.
//! Uses the postings of `store::texts`, and how `rank::query` reads a query.
//! Never reads a text, and never depends on the order of a hash map.

use std::collections::HashMap;
use std::sync::Arc;

use super::groups::Groups;
use super::{About, PassageQuery};
use crate::rank::{Reading, read};
use crate::store::Failure;
use crate::store::texts::{PassageFacts, SCORED, TextField, TextHolder, TextView};
use crate::tokenize::{normalise, terms};

/// What a term counts by the field it is in: text, title, path, names.
const FIELD: [f32; 4] = [1.0, 0.8, 0.8, 1.2];
/// How much longer fields are held against their terms.
const LENGTH: [f32; 4] = [0.4, 0.2, 0.2, 0.3];
/// From here on more of the same term adds little.
const SATURATION: f32 = 1.2;
/// A term of one of the query's own names, as against a word.
const OF_A_NAME: f32 = 1.6;
/// A passage that defines what is named; that is of, or names, the file that is named.
const DEFINES: f32 = 4.0;
const DEFINES_RUN: f32 = 2.0;
const IS_PLACE: f32 = 5.0;
/// Neighbouring words that stand there as one identifier.
const PAIR: f32 = 0.8;
/// Test code, unless tests were asked for.
const TEST: f32 = -2.0;
/// Of two equals the newer one.
const NEWER: f32 = 0.05;
/// What other passages of the same file add.
const FILE: f32 = 0.15;

/// The names of the shares.
pub(super) const SHARES: [&str; 9] =
    ["text", "title", "path", "names", "defines", "place", "pair", "context", "newer"];
const DEFINES_SHARE: usize = 4;
const PLACE_SHARE: usize = 5;
const PAIR_SHARE: usize = 6;
const CONTEXT_SHARE: usize = 7;
const NEWER_SHARE: usize = 8;

/// A passage that was found.
#[derive(Debug, Clone)]
pub(super) struct Scored {
    pub(super) facts: PassageFacts,
    pub(super) score: f32,
    pub(super) shares: [f32; SHARES.len()],
}

/// Passages that hold anything of the query, by document.
struct Candidates<'a> {
    view: &'a TextView,
    /// By document: 1 + the place in `found`; 0 when it is not there; `OTHER` when it does not belong.
    slots: Vec<u32>,
    found: Vec<(u32, [f32; SHARES.len()])>,
    /// How many documents belong.
    belonging: f32,
    /// What of the term at hand is where.
    at_hand: Vec<[f32; SCORED.len()]>,
    touched: Vec<u32>,
    holders: Vec<TextHolder>,
}

const OTHER: u32 = u32::MAX;

impl<'a> Candidates<'a> {
    fn new(view: &'a TextView, groups: &Groups, only: Option<u64>) -> Self {
        let mut belonging = 0;
        let mut last = (u64::MAX, false);
        let slots = view
            .facts()
            .iter()
            .map(|facts| {
                if last.0 != facts.group {
                    last = (
                        facts.group,
                        only.map_or_else(|| groups.is_live(facts.group), |group| facts.group == group),
                    );
                }
                belonging += u32::from(last.1);
                if last.1 { 0 } else { OTHER }
            })
            .collect();
        Self {
            view,
            slots,
            found: Vec::new(),
            belonging: belonging as f32,
            at_hand: Vec::new(),
            touched: Vec::new(),
            holders: Vec::new(),
        }
    }

    /// The place of a document, if it belongs.
    fn slot(&mut self, document: u32) -> Option<usize> {
        let slot = self.slots.get_mut(document as usize)?;
        if *slot == OTHER {
            return None;
        }
        if *slot == 0 {
            self.found.push((document, [0.0; SHARES.len()]));
            self.at_hand.push([0.0; SCORED.len()]);
            *slot = u32::try_from(self.found.len()).unwrap_or(OTHER - 1);
        }
        Some(*slot as usize - 1)
    }

    /// Score one term by all fields together. How rare it is counts by documents, wherever in them it stands.
    fn term(&mut self, term: &str, weight: f32) -> Result<(), Failure> {
        self.touched.clear();
        for (scored, field) in SCORED.into_iter().enumerate() {
            let mut holders = std::mem::take(&mut self.holders);
            self.view.holders(field, term, &mut holders)?;
            let mean = self.view.mean_length(scored);
            for holder in &holders {
                let Some(slot) = self.slot(holder.document) else { continue };
                let length = 1.0 - LENGTH[scored] + LENGTH[scored] * holder.length as f32 / mean;
                if self.at_hand[slot] == [0.0; SCORED.len()] {
                    self.touched.push(u32::try_from(slot).unwrap_or_default());
                }
                self.at_hand[slot][scored] += FIELD[scored] * holder.times as f32 / length;
            }
            self.holders = holders;
        }
        let holding = self.touched.len() as f32;
        let rarity = (1.0 + (self.belonging - holding + 0.5) / (holding + 0.5)).ln();
        for slot in std::mem::take(&mut self.touched) {
            let fields = std::mem::take(&mut self.at_hand[slot as usize]);
            let sum: f32 = fields.iter().sum();
            let points = weight * rarity * sum / (SATURATION + sum);
            let shares = &mut self.found[slot as usize].1;
            for (share, field) in shares.iter_mut().zip(fields) {
                *share += points * field / sum;
            }
        }
        Ok(())
    }

    /// Points for every passage that has a whole name or path. The rarer it is, the more it says.
    fn whole(&mut self, field: TextField, term: &str, share: usize, points: f32) -> Result<usize, Failure> {
        let mut holders = std::mem::take(&mut self.holders);
        self.view.holders(field, term, &mut holders)?;
        let holding = holders
            .iter()
            .filter(|holder| self.slots.get(holder.document as usize).is_some_and(|slot| *slot != OTHER))
            .count();
        let points = points / (1.0 + holding as f32).log2().max(1.0);
        for holder in &holders {
            if let Some(slot) = self.slot(holder.document) {
                let shares = &mut self.found[slot].1;
                shares[share] = shares[share].max(points);
            }
        }
        self.holders = holders;
        Ok(holding)
    }
}

/// The best passages, best first.
pub(super) fn search(
    view: &Arc<TextView>,
    groups: &Groups,
    query: &PassageQuery<'_>,
    limit: usize,
) -> Result<Vec<Scored>, Failure> {
    let only = match query.group {
        Some(name) => match groups.number(name) {
            Some(number) => Some(number),
            None => return Ok(Vec::new()),
        },
        None => None,
    };
    let mut candidates = Candidates::new(view, groups, only);
    let reading = read(query.text);
    for (term, weight) in weighted(&reading, query.names) {
        candidates.term(&term, weight)?;
    }
    for pair in &reading.pairs {
        for term in pair {
            candidates.whole(TextField::Body, term, PAIR_SHARE, PAIR)?;
        }
    }
    for run in &reading.runs {
        let points = if run.width > 1 || run.is_code { DEFINES } else { DEFINES_RUN };
        candidates.whole(TextField::Defined, &run.text, DEFINES_SHARE, points)?;
    }
    for name in query.names {
        let last = name.rsplit([':', '.', '/', '#']).find(|part| !part.is_empty()).unwrap_or(name);
        candidates.whole(TextField::Defined, &normalise(last), DEFINES_SHARE, DEFINES)?;
    }
    let paths = reading.paths.iter().map(|named| named.path.as_str());
    for path in paths.chain(query.names.iter().map(String::as_str)) {
        for place in places(path) {
            // The longest end of the path that is known is the one that is meant.
            if candidates.whole(TextField::Place, &place, PLACE_SHARE, IS_PLACE)? > 0 {
                break;
            }
        }
    }
    Ok(best(candidates, &reading, limit))
}

/// The terms of a query, each once.
fn weighted(reading: &Reading, names: &[String]) -> Vec<(String, f32)> {
    let mut all: Vec<(String, f32)> =
        reading.terms.iter().map(|term| (term.text.clone(), term.weight)).collect();
    let mut places: HashMap<String, usize> =
        all.iter().enumerate().map(|(at, (term, _))| (term.clone(), at)).collect();
    for term in names.iter().take(super::MOST_NAMES).flat_map(|name| terms(name)) {
        match places.get(&term) {
            Some(&at) => all[at].1 = all[at].1.max(OF_A_NAME),
            None => {
                places.insert(term.clone(), all.len());
                all.push((term, OF_A_NAME));
            }
        }
    }
    all
}

/// The ends of a path, from whole components, longest first: `a/b/c.rs`, `b/c.rs`, `c.rs`. None when it is no path.
pub(super) fn places(path: &str) -> Vec<String> {
    let clean = path.trim().replace('\\', "/").to_lowercase();
    let clean = clean.split(':').next().unwrap_or_default().trim_matches('/');
    if clean.is_empty() || clean.len() > 400 || !clean.contains(['/', '.']) {
        return Vec::new();
    }
    let mut ends = Vec::new();
    let mut rest = clean;
    loop {
        ends.push(rest.to_owned());
        match rest.split_once('/') {
            Some((_, after)) if !after.is_empty() => rest = after,
            _ => break,
        }
    }
    // Deeper ones say nothing more.
    let from = ends.len().saturating_sub(6);
    ends.split_off(from)
}

fn best(candidates: Candidates<'_>, reading: &Reading, limit: usize) -> Vec<Scored> {
    let facts = candidates.view.facts();
    let newest = candidates.found.iter().map(|(document, _)| facts[*document as usize].number).max();
    let newest = newest.unwrap_or_default().max(1) as f32;
    let mut scored: Vec<Scored> = candidates
        .found
        .into_iter()
        .map(|(document, mut shares)| {
            let facts = facts[document as usize];
            let words: f32 = shares.iter().sum();
            shares[NEWER_SHARE] = NEWER * facts.number as f32 / newest;
            if About::of(facts.about).is_test && !reading.wants_tests {
                shares[CONTEXT_SHARE] += TEST.max(-0.5 * words);
            }
            Scored { facts, score: 0.0, shares }
        })
        .collect();
    let mut files: HashMap<u64, (f32, f32)> = HashMap::new();
    let sum = |one: &Scored| one.shares.iter().sum::<f32>();
    for one in &scored {
        let file = About::of(one.facts.about).file;
        if file != 0 {
            let (first, second) = files.entry(file).or_default();
            let points = sum(one);
            if points > *first {
                (*first, *second) = (points, *first);
            } else if points > *second {
                *second = points;
            }
        }
    }
    for one in &mut scored {
        if let Some((first, second)) = files.get(&About::of(one.facts.about).file) {
            let other = if sum(one) < *first { *first } else { *second };
            one.shares[CONTEXT_SHARE] += FILE * other;
        }
        one.score = sum(one);
    }
    let order = |one: &Scored, other: &Scored| {
        let place = |one: &Scored| (one.facts.group, one.facts.number, one.facts.first, one.facts.bytes.0);
        // Newer ones first, but the lines of a text in their order.
        other
            .score
            .total_cmp(&one.score)
            .then_with(|| (other.facts.group, other.facts.number).cmp(&(one.facts.group, one.facts.number)))
            .then_with(|| place(one).cmp(&place(other)))
    };
    if scored.len() > limit {
        scored.select_nth_unstable_by(limit, order);
        scored.truncate(limit);
    }
    scored.sort_unstable_by(order);
    scored
}
