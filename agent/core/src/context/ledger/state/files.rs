//! Owns which files were created, changed, removed, taken back and read.
//! Uses the paths of outcomes, and their diffs for what became of them.
//! Never lists a path twice, and never shortens one: a path is found by its exact text.

use std::collections::HashMap;

use super::super::{Line, Section};

/// Paths that are known by name; of more the oldest are only counted.
const MOST: usize = 1_000;
/// Changed paths that must not be lost.
const CERTAIN: usize = 48;
/// Changed paths with a line of their own; more of them share lines.
const SINGLE: usize = 16;
/// Paths on a shared line.
const SHARED: usize = 8;
/// Ranges that are kept of a file that was read in pieces.
const RANGES: usize = 8;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    Created,
    Changed,
    Removed,
}

impl Effect {
    fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

#[derive(Debug, Clone)]
struct Changed {
    /// The changes that hold, oldest first; bounded, the newest count.
    effects: Vec<Effect>,
    at: usize,
    taken_back: Option<usize>,
    times: usize,
}

#[derive(Debug, Clone, Default)]
struct Seen {
    ranges: Vec<(usize, usize)>,
    whole: bool,
    at: usize,
}

/// Files of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    changed: HashMap<String, Changed>,
    seen: HashMap<String, Seen>,
    dropped: usize,
}

impl Files {
    pub(super) fn change(&mut self, path: &str, effect: Effect, at: usize) {
        let known = self.changed.entry(path.to_owned()).or_insert(Changed {
            effects: Vec::new(),
            at,
            taken_back: None,
            times: 0,
        });
        if known.effects.len() >= 64 {
            // The first one tells whether the file was there before.
            known.effects.remove(1);
        }
        known.effects.push(effect);
        known.at = at;
        known.taken_back = None;
        known.times += 1;
        if self.changed.len() > MOST + MOST / 4 {
            self.dropped += self.changed.len() - MOST;
            keep_newest(&mut self.changed, |changed| changed.at);
        }
    }

    /// The newest change of a path was taken back. Says when that change was made, where it is known.
    pub(super) fn take_back(&mut self, path: &str, at: usize) -> Option<usize> {
        let known = self.changed.get_mut(path)?;
        known.effects.pop();
        known.taken_back = Some(at);
        Some(std::mem::replace(&mut known.at, at))
    }

    /// Everything that was done to a path was taken back.
    pub(super) fn restore(&mut self, path: &str, at: usize) {
        if let Some(known) = self.changed.get_mut(path) {
            known.effects.clear();
            (known.at, known.taken_back) = (at, Some(at));
        }
    }

    pub(super) fn has_changed(&self, path: &str) -> bool {
        self.changed.get(path).is_some_and(|changed| !changed.effects.is_empty())
    }

    pub(super) fn read(&mut self, path: &str, range: Option<(usize, usize)>, at: usize) {
        let seen = self.seen.entry(path.to_owned()).or_default();
        let changed_between = self.changed.get(path).is_some_and(|changed| changed.at > seen.at);
        if changed_between {
            // What was read before a change says nothing of the file as it is.
            seen.ranges.clear();
            seen.whole = false;
        }
        seen.at = at;
        match range {
            None => seen.whole = true,
            Some(range) => merge(&mut seen.ranges, range),
        }
        if self.seen.len() > MOST + MOST / 4 {
            self.dropped += self.seen.len() - MOST;
            keep_newest(&mut self.seen, |seen| seen.at);
        }
    }

    /// Paths changed after entry `after`, newest first, some of them.
    pub(super) fn changed_since(&self, after: usize, most: usize) -> Vec<String> {
        let mut paths: Vec<(usize, &String)> = self
            .changed
            .iter()
            .filter(|(_, changed)| changed.at > after && changed.taken_back.is_none())
            .map(|(path, changed)| (changed.at, path))
            .collect();
        paths.sort_by(|one, two| two.0.cmp(&one.0).then(one.1.cmp(two.1)));
        paths.into_iter().take(most).map(|(_, path)| path.clone()).collect()
    }

    pub(super) fn lines(&self, lines: &mut Vec<Line>) {
        let mut changed: Vec<(&String, &Changed)> = self.changed.iter().collect();
        // Newest first; of one outcome in the order of their names.
        changed.sort_by(|one, two| two.1.at.cmp(&one.1.at).then(one.0.cmp(two.0)));
        let (standing, gone): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|(_, changed)| net(changed).is_some());
        for (rank, (path, changed)) in standing.iter().take(SINGLE).enumerate() {
            let times = if changed.times > 1 { format!(" ({}×)", changed.times) } else { String::new() };
            let back = if changed.taken_back.is_some() { "; its newest change was taken back" } else { "" };
            let text = format!("{} {path}{times}{back} [r{}]", word(changed), changed.at);
            lines.push(line(text, weight(rank), changed.at));
        }
        let mut rest: Vec<(usize, &(&String, &Changed))> = standing.iter().enumerate().skip(SINGLE).collect();
        // Grouped by how much they weigh, what became of them and where they are.
        let rank = |rank: usize| (weight(rank) * -100.0) as i32;
        rest.sort_by(|one, two| {
            let folder = |path: &str| path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
            rank(one.0)
                .cmp(&rank(two.0))
                .then_with(|| net(one.1.1).cmp(&net(two.1.1)))
                .then_with(|| folder(one.1.0).cmp(&folder(two.1.0)))
                .then_with(|| one.1.0.cmp(two.1.0))
        });
        for group in rest.chunk_by(|one, two| rank(one.0) == rank(two.0) && net(one.1.1) == net(two.1.1)) {
            for some in group.chunks(SHARED) {
                let paths: Vec<&str> = some.iter().map(|(_, (path, _))| path.as_str()).collect();
                let at = some.iter().map(|(_, (_, changed))| changed.at).max().unwrap_or(0);
                let text = format!("{} {}", word(some[0].1.1), paths.join(", "));
                lines.push(line(text, weight(some[0].0), at));
            }
        }
        for some in gone.chunks(SHARED) {
            let paths: Vec<&str> = some.iter().map(|(path, _)| path.as_str()).collect();
            let at = some.iter().map(|(_, changed)| changed.at).max().unwrap_or(0);
            lines.push(line(format!("as before, changes taken back: {}", paths.join(", ")), 0.45, at));
        }
        if self.dropped > 0 {
            lines.push(line(format!("{} more paths, not listed here", self.dropped), 0.3, 0));
        }
        self.read_lines(lines);
    }

    fn read_lines(&self, lines: &mut Vec<Line>) {
        let mut seen: Vec<(&String, &Seen)> = self.seen.iter().collect();
        seen.sort_by(|one, two| two.1.at.cmp(&one.1.at).then(one.0.cmp(two.0)));
        let shown = |path: &str, seen: &Seen| {
            let ranges: Vec<String> = seen.ranges.iter().map(|(from, to)| format!("{from}-{to}")).collect();
            let ranges = if seen.whole || ranges.is_empty() {
                String::new()
            } else {
                format!(":{}", ranges.join(","))
            };
            let since = self.changed.get(path).is_some_and(|changed| changed.at > seen.at);
            format!("{path}{ranges}{}", if since { " (changed since)" } else { "" })
        };
        for (path, seen) in seen.iter().take(8) {
            lines.push(line(format!("read {} [r{}]", shown(path, seen), seen.at), 0.25, seen.at));
        }
        for some in seen.get(8..).unwrap_or_default().chunks(SHARED) {
            let paths: Vec<String> = some.iter().map(|(path, seen)| shown(path, seen)).collect();
            let at = some.iter().map(|(_, seen)| seen.at).max().unwrap_or(0);
            lines.push(line(format!("read {}", paths.join(", ")), 0.1, at));
        }
    }
}

fn line(text: String, weight: f32, at: usize) -> Line {
    Line { section: Section::Files, text, weight, at }
}

fn weight(rank: usize) -> f32 {
    match rank {
        rank if rank < CERTAIN => 1.0,
        rank if rank < 200 => 0.7,
        _ => 0.4,
    }
}

/// What all standing changes of a file amount to; nothing when all were taken back, or it came and went.
fn net(changed: &Changed) -> Option<Effect> {
    let (first, last) = (changed.effects.first()?, changed.effects.last()?);
    match (first, last) {
        (Effect::Created, Effect::Removed) => None,
        (_, Effect::Removed) => Some(Effect::Removed),
        (Effect::Created, _) => Some(Effect::Created),
        _ => Some(Effect::Changed),
    }
}

fn word(changed: &Changed) -> &'static str {
    net(changed).unwrap_or(Effect::Changed).word()
}

fn merge(ranges: &mut Vec<(usize, usize)>, range: (usize, usize)) {
    ranges.push(range);
    ranges.sort_unstable();
    let mut merged: Vec<(usize, usize)> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges.drain(..) {
        match merged.last_mut() {
            Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged.truncate(RANGES);
    *ranges = merged;
}

fn keep_newest<T>(map: &mut HashMap<String, T>, at: impl Fn(&T) -> usize) {
    let mut ages: Vec<(usize, String)> = map.iter().map(|(path, one)| (at(one), path.clone())).collect();
    ages.sort_by(|one, two| two.0.cmp(&one.0).then(one.1.cmp(&two.1)));
    for (_, path) in ages.drain(MOST.min(ages.len())..) {
        map.remove(&path);
    }
}
