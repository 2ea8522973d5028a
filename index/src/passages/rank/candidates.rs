//! Owns the passages that hold anything of a query, and the points that their words give them.
//! Uses the postings of `store::texts`.
//! Never decides what a word of the query is worth.

use std::collections::HashMap;

use super::Shares;
use crate::passages::About;
use crate::passages::meaning::Question;
use crate::store::Failure;
use crate::store::texts::{PassageFacts, SCORED, TextField, TextHolder, TextView};

/// What a term counts by the field it is in: text, title, path, names. A term that is in several is counted once, with
/// their sum, as in BM25F.
const FIELD: [f32; SCORED.len()] = [1.0, 0.8, 0.8, 1.2];
/// How much the length of a field is held against its terms.
const LENGTH: [f32; SCORED.len()] = [0.6, 0.2, 0.2, 0.3];
/// From here on more of the same term adds little.
const SATURATION: f32 = 1.2;
/// A document that does not belong.
const OTHER: u32 = u32::MAX;

/// What the passages of a file have together: of each term the best.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FileWords {
    term: u32,
    best: f32,
    sum: f32,
}

impl FileWords {
    pub(super) fn points(&self) -> f32 {
        self.sum + self.best
    }

    fn add(&mut self, term: u32, points: f32) {
        if self.term != term {
            self.sum += self.best;
            (self.term, self.best) = (term, 0.0);
        }
        self.best = self.best.max(points);
    }
}

/// Passages that hold anything of the query.
pub(super) struct Candidates<'a> {
    pub(super) view: &'a TextView,
    /// Document and points, in the order they were met.
    pub(super) found: Vec<(u32, Shares)>,
    pub(super) files: HashMap<u64, FileWords>,
    /// By document: 1 + its place in `found`, 0, or [`OTHER`].
    slots: Vec<u32>,
    /// How many documents belong.
    belonging: f32,
    /// By place in `found`: what of the term at hand is in each field.
    at_hand: Vec<[f32; SCORED.len()]>,
    touched: Vec<usize>,
    holders: Vec<TextHolder>,
    terms: u32,
}

impl<'a> Candidates<'a> {
    /// Only those that belong.
    pub(super) fn new(view: &'a TextView, belongs: impl Fn(&PassageFacts) -> bool) -> Self {
        let slots: Vec<u32> =
            view.facts().iter().map(|facts| if belongs(facts) { 0 } else { OTHER }).collect();
        let belonging = slots.iter().filter(|slot| **slot == 0).count() as f32;
        Self {
            view,
            found: Vec::new(),
            files: HashMap::new(),
            slots,
            belonging,
            at_hand: Vec::new(),
            touched: Vec::new(),
            holders: Vec::new(),
            terms: 0,
        }
    }

    /// The place of a document, if it belongs.
    fn slot(&mut self, document: u32) -> Option<usize> {
        let slot = self.slots.get_mut(document as usize)?;
        if *slot == OTHER {
            return None;
        }
        if *slot == 0 {
            self.found.push((document, Shares::default()));
            self.at_hand.push([0.0; SCORED.len()]);
            *slot = u32::try_from(self.found.len()).ok()?;
        }
        Some(*slot as usize - 1)
    }

    /// How much a term says at most, by the number of passages that hold it.
    pub(super) fn rarity_of(&self, holding: f32) -> f32 {
        (1.0 + (self.belonging - holding + 0.5).max(0.0) / (holding + 0.5)).ln()
    }

    /// The same before the term is scored, those that do not belong included; 0 where no text holds it.
    pub(super) fn rarity(&self, term: &str) -> Result<f32, Failure> {
        let holding = self.view.holding(TextField::Body, term)?;
        Ok(if holding == 0 { 0.0 } else { self.rarity_of(holding as f32) })
    }

    /// Score one term by all fields together. How rare it is counts by documents, wherever in them it stands. Gives what it
    /// is worth where it stands.
    pub(super) fn term(&mut self, term: &str, weight: f32) -> Result<f32, Failure> {
        let mut touched = std::mem::take(&mut self.touched);
        let mut holders = std::mem::take(&mut self.holders);
        touched.clear();
        for (scored, field) in SCORED.into_iter().enumerate() {
            self.view.holders(field, term, &mut holders)?;
            let mean = self.view.mean_length(scored);
            for holder in &holders {
                let Some(slot) = self.slot(holder.document) else { continue };
                let length = 1.0 - LENGTH[scored] + LENGTH[scored] * holder.length as f32 / mean;
                let fields = &mut self.at_hand[slot];
                if *fields == [0.0; SCORED.len()] {
                    touched.push(slot);
                }
                fields[scored] += FIELD[scored] * holder.times as f32 / length;
            }
        }
        self.terms += 1;
        let holding = touched.len() as f32;
        let rarity = self.rarity_of(holding);
        for &slot in &touched {
            let fields = std::mem::take(&mut self.at_hand[slot]);
            let sum: f32 = fields.iter().sum();
            let points = weight * rarity * sum / (SATURATION + sum);
            let (document, shares) = &mut self.found[slot];
            for (share, field) in shares.iter_mut().zip(fields) {
                *share += points * field / sum;
            }
            let file = About::of(self.view.facts()[*document as usize].about).file;
            if file != 0 {
                self.files.entry(file).or_default().add(self.terms, points);
            }
        }
        let worth = if touched.is_empty() { 0.0 } else { weight * rarity };
        (self.touched, self.holders) = (touched, holders);
        Ok(worth)
    }

    /// Points for every passage that has a whole name or path: the fewer have it, the more. Gives how many have it.
    pub(super) fn whole(
        &mut self,
        field: TextField,
        term: &str,
        share: usize,
        points: f32,
    ) -> Result<usize, Failure> {
        let mut holders = std::mem::take(&mut self.holders);
        self.view.holders(field, term, &mut holders)?;
        holders.retain(|holder| self.slots.get(holder.document as usize).is_some_and(|slot| *slot != OTHER));
        let points = points / (1.0 + holders.len() as f32).log2().max(1.0);
        for holder in &holders {
            if let Some(slot) = self.slot(holder.document) {
                let shares = &mut self.found[slot].1;
                shares[share] = shares[share].max(points);
            }
        }
        let count = holders.len();
        self.holders = holders;
        Ok(count)
    }

    /// Points for every passage by how near its meaning is.
    pub(super) fn meaning(&mut self, question: &Question, share: usize, points: f32) {
        let view = self.view;
        view.each_vector(|document, vector| {
            if let Some(near) = question.similarity(vector).filter(|near| *near > 0.0)
                && let Some(slot) = self.slot(document)
            {
                self.found[slot].1[share] = points * near;
            }
        });
    }

    /// By place in `found`: the points of the better neighbour in the same text, of passages that `may` have such. Neighbours
    /// that hold nothing of the query are found by this.
    pub(super) fn beside(&mut self, may: impl Fn(&PassageFacts) -> bool) -> Vec<f32> {
        let facts = self.view.facts();
        let known: Vec<(u32, f32)> =
            self.found.iter().map(|(document, shares)| (*document, shares.iter().sum())).collect();
        let mut beside = vec![0.0f32; known.len()];
        for (document, points) in known {
            let here = facts[document as usize];
            if !may(&here) {
                continue;
            }
            for other in [document.checked_sub(1), document.checked_add(1)].into_iter().flatten() {
                let is_same = |facts: &PassageFacts| (facts.group, facts.number) == (here.group, here.number);
                if facts.get(other as usize).is_some_and(is_same)
                    && let Some(slot) = self.slot(other)
                {
                    beside.resize(beside.len().max(slot + 1), 0.0);
                    beside[slot] = beside[slot].max(points);
                }
            }
        }
        beside
    }
}
