//! Owns what ranks above what: signals through curves, added up.
//! Uses the signals that `rank::signals` gathers and the curves of `rank::weights`.
//! Never reads files and never names tantivy.

mod lookup;
mod meaning;
pub(crate) mod place;
pub(crate) mod query;
mod relatives;
pub(crate) mod signals;
mod surroundings;
mod weights;

use std::collections::HashMap;

use crate::engine::{Engine, Snapshot};
use crate::store::{Facts, Failure, Spot};
use crate::{FileSignals, Query, SpanSignals};

pub(crate) use place::is_test_path;
pub(crate) use query::{Reading, read};
use signals::{Candidate, FILE_NAMES, Gathered, SPAN_NAMES};
use weights::Curves;

/// A ranked span.
#[derive(Debug, Clone)]
pub(crate) struct Ranked {
    pub(crate) spot: Spot,
    pub(crate) facts: Facts,
    pub(crate) score: f32,
    pub(crate) why: Vec<(String, f32)>,
}

/// The answer to a query.
#[derive(Debug)]
pub(crate) struct Ranking {
    /// Best first.
    pub(crate) spans: Vec<Ranked>,
    /// Something of exactly the query's name is defined.
    pub(crate) is_named: bool,
}

/// Knots of a curve: between two it is straight, beyond the ends it is level.
pub(crate) type Curve = &'static [(f32, f32)];

/// What a curve makes of a value.
fn through(curve: Curve, value: f32) -> f32 {
    let after = curve.partition_point(|(x, _)| *x <= value);
    match (after.checked_sub(1).and_then(|before| curve.get(before)), curve.get(after)) {
        (Some(&(x0, y0)), Some(&(x1, y1))) => y0 + (y1 - y0) * (value - x0) / (x1 - x0),
        (Some(&(_, y)), None) | (None, Some(&(_, y))) => y,
        (None, None) => 0.0,
    }
}

fn explain<'a>(
    names: &'a [&'a str],
    curves: &'a [Curve],
    values: &'a [f32],
) -> impl Iterator<Item = (&'a str, f32)> {
    names
        .iter()
        .zip(curves)
        .zip(values)
        .map(|((name, curve), value)| (*name, through(curve, *value)))
        .filter(|(_, points)| *points != 0.0)
}

fn score(curves: &[Curve], values: &[f32]) -> f32 {
    curves.iter().zip(values).map(|(curve, value)| through(curve, *value)).sum()
}

/// The table for what was found.
fn table(gathered: &Gathered<'_>) -> &'static Curves {
    if gathered.is_named { &weights::NAMED } else { &weights::WORDS }
}

/// See [`crate::Index::signals`].
pub(crate) fn raw(engine: &Engine, snapshot: &Snapshot, query: &Query) -> Result<Vec<FileSignals>, Failure> {
    let named = |names: &[&'static str], values: &[f32]| {
        names.iter().copied().zip(values.iter().copied()).collect::<Vec<_>>()
    };
    let gathered = signals::gather(engine, snapshot, query, &read(&query.text))?;
    let is_named = f32::from(u8::from(gathered.is_named));
    Ok(gathered
        .candidates
        .iter()
        .map(|candidate| FileSignals {
            path: candidate.record.path.clone(),
            signals: {
                let mut all = named(FILE_NAMES, &candidate.signals);
                all.push(("is named", is_named));
                all
            },
            spans: candidate
                .spans
                .iter()
                .map(|span| SpanSignals {
                    start_line: span.facts.start,
                    end_line: span.facts.end,
                    signals: named(SPAN_NAMES, &span.signals),
                })
                .collect(),
        })
        .collect())
}

/// Rank the spans for a query, best first, at least `enough` files if there are as many.
pub(crate) fn rank(
    engine: &Engine,
    snapshot: &Snapshot,
    query: &Query,
    reading: &Reading,
    enough: usize,
) -> Result<Ranking, Failure> {
    let gathered = signals::gather(engine, snapshot, query, reading)?;
    let curves = table(&gathered);
    let mut files: Vec<(f32, &Candidate<'_>)> = gathered
        .candidates
        .iter()
        .map(|candidate| (score(curves.file, &candidate.signals), candidate))
        .collect();
    files.sort_by(|one, other| {
        other.0.total_cmp(&one.0).then_with(|| one.1.record.path.cmp(&other.1.record.path))
    });
    files.truncate(enough);
    let (behind, repeated) = match gathered.has_meaning {
        true => (weights::BEHIND_IN_MEANING, weights::REPEATED_IN_MEANING),
        false => (weights::BEHIND, weights::REPEATED),
    };
    let mut ranked = Vec::new();
    let mut order: HashMap<Spot, (&str, u32)> = HashMap::new();
    for (file_score, candidate) in &files {
        let mut spans: Vec<(f32, Spot, Facts, &[f32])> = candidate
            .spans
            .iter()
            .map(|span| (score(curves.span, &span.signals), span.spot, span.facts, &span.signals[..]))
            .collect();
        if spans.is_empty() {
            // A file that only its name or its whole text speaks for is shown by its first span.
            let spots = snapshot.view.of_key(candidate.record.key)?;
            let facts = snapshot.view.facts(&spots)?;
            let first = spots.into_iter().zip(facts).filter(|(_, facts)| !facts.is_file());
            spans.extend(
                first.min_by_key(|(_, facts)| facts.start).map(|(spot, facts)| (0.0, spot, facts, &[][..])),
            );
        }
        spans.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.2.start.cmp(&other.2.start)));
        let best = spans.first().map_or(0.0, |span| span.0);
        for (place, (span_score, spot, facts, _)) in spans.into_iter().enumerate() {
            // The best span of a file stands for the file; the others fall behind by what they are worse.
            let behind = behind * (span_score - best) - repeated * (place as f32).min(4.0);
            let mut why: Vec<(String, f32)> = explain(FILE_NAMES, curves.file, &candidate.signals)
                .map(|(name, points)| (name.to_owned(), points))
                .collect();
            if behind != 0.0 {
                why.push(("behind the file's best span".to_owned(), behind));
            }
            order.insert(spot, (candidate.record.path.as_str(), facts.start));
            ranked.push(Ranked { spot, facts, score: file_score + behind, why });
        }
    }
    ranked.sort_by(|one, other| {
        other.score.total_cmp(&one.score).then_with(|| order.get(&one.spot).cmp(&order.get(&other.spot)))
    });
    Ok(Ranking { spans: ranked, is_named: gathered.is_named })
}
