//! Owns what surrounds a text: its path against the words of a query, its place, its language, its neighbours and its tests.
//! Uses `place` and the terms of paths.
//! Never reads what a file says.

use std::collections::HashMap;

use super::lookup::{Scorer, Weighed, share};
use super::place::{self, Aside, Matter};
use super::query::Reading;
use super::signals::{Candidate, OfFile, flag};
use crate::engine::Snapshot;
use crate::manifest::Record;
use crate::store::{Ask, Failure};
use crate::tokenize::{identifier_parts, terms};

/// What the tests of a file say for it: they tell in words what it should do. On commits of 24 repositories that was worth 0.01 hit@1;
/// what the other files of its folder say was worth nothing.
pub(super) fn tested(candidates: &mut [Candidate<'_>]) {
    let is_test = |candidate: &Candidate<'_>| place::aside(&candidate.record.path) == Some(Aside::Test);
    let tests: Vec<(String, f32)> = candidates
        .iter()
        .filter(|candidate| is_test(candidate))
        .map(|candidate| {
            let of = |signal: OfFile| candidate.signals[signal as usize];
            (place::subject(&candidate.record.path), (of(OfFile::FileTop) + of(OfFile::ChunkTop)) / 2.0)
        })
        .collect();
    for candidate in candidates.iter_mut().filter(|candidate| !is_test(candidate)) {
        let stem = crate::tokenize::normalise(place::stem(&candidate.record.path));
        let is_of = |subject: &str| subject == stem || stem.len() > 4 && subject.ends_with(stem.as_str());
        let worths = tests.iter().filter(|(subject, _)| is_of(subject)).map(|(_, worth)| *worth);
        candidate.signals[OfFile::TestedBy as usize] = worths.fold(0.0, f32::max);
    }
}

/// What each file's language is among all code.
pub(super) fn languages(snapshot: &Snapshot) -> HashMap<&'static str, f32> {
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

pub(super) fn of_place(
    candidate: &mut Candidate<'_>,
    reading: &Reading,
    languages: &HashMap<&'static str, f32>,
) {
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
pub(super) struct PathWords<'a> {
    /// What each is worth, by how few paths hold it, up to 1.
    pub(super) worth: HashMap<&'a str, f32>,
    pub(super) whole: f32,
}

impl<'a> PathWords<'a> {
    pub(super) fn new(
        snapshot: &Snapshot,
        reading: &'a Reading,
        weighed: &[Weighed<'a>],
    ) -> Result<Self, Failure> {
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
    pub(super) fn of(&self, name: &str) -> (f32, f32) {
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

    pub(super) fn fit(&self, candidate: &mut Candidate<'_>) {
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
