//! Owns what was said: the user's directives and the assistant's decisions, and which of them still hold.
//! Uses prompts, answers, and what the user said to tools.
//! Never words anything anew: what is kept is verbatim.

mod cues;
mod findings;
mod novelty;
mod statements;
mod supersession;
mod vocabulary;
mod voice;

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::{Line, Section};
use crate::session::log::{LoggedOutcome, Record};
use novelty::Recent;
use supersession::{Profile, Relation, relation};

/// Statements that are kept in memory; a session has some dozens of directives and decisions, and the weightiest stay.
const KEPT: usize = 400;
/// Statements of one message that are kept.
const PER_MESSAGE: usize = 48;
/// What weighs less is not kept at all.
const LEAST: f32 = 0.08;
/// A statement of so much weight may set an older one aside.
const SETS_ASIDE: f32 = 0.35;
/// What was superseded is shown when there is room for everything.
const SUPERSEDED: f32 = 0.04;
/// Bytes of the beginning of a request that stand for it.
const GOAL: usize = 240;
/// Bytes of sentences that are kept together.
const JOINED: usize = 320;
/// Bytes of the newest status that are kept.
const STATUS: usize = 600;
/// Prompts whose beginning is remembered.
const GOALS: usize = 64;

/// Statements of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    kept: Vec<Kept>,
    /// How requests began, the first and the newest of them: entry and text.
    goals: Vec<(usize, String)>,
    status: Option<(usize, String)>,
    recent: Recent,
    /// The assistant's newest answer, which the end of a turn repeats.
    answered: String,
    /// Calls of the newest step: what they ask or want.
    calls: HashMap<String, String>,
    /// Calls that were allowed.
    allowed: HashSet<String>,
    /// The user's messages and answers so far.
    spoken: usize,
    /// Statements that were kept once and are no longer.
    forgotten: usize,
}

#[derive(Debug, Clone)]
struct Kept {
    section: Section,
    text: String,
    weight: f32,
    at: usize,
    /// The message it is from, to know what stands beside it.
    message: usize,
    profile: Profile,
    superseded: Option<Relation>,
}

impl Words {
    pub(super) fn absorb(&mut self, at: usize, record: &Record) {
        match record {
            Record::Prompt { text, .. } => self.prompt(at, without_notes(text)),
            Record::Assistant { text, calls, .. } => {
                self.calls.clear();
                self.allowed.clear();
                for call in calls {
                    let about = ["question", "command", "path", "pattern", "query"]
                        .iter()
                        .find_map(|key| call.arguments.get(*key).and_then(serde_json::Value::as_str))
                        .unwrap_or_default();
                    let about = clip(about.trim(), 200);
                    let about =
                        if call.name == "ask_user" { about.into() } else { format!("{} {about}", call.name) };
                    self.calls.insert(call.id.clone(), about);
                }
                // Words that only say what is called decide nothing.
                if !calls.is_empty() {
                    let arguments = calls
                        .iter()
                        .flat_map(|call| call.arguments.values())
                        .filter_map(serde_json::Value::as_str);
                    self.recent.said(&arguments.collect::<Vec<_>>().join("\n"));
                }
                self.answer(at, text);
            }
            Record::Intent { call_id, .. } => {
                self.allowed.insert(call_id.clone());
            }
            Record::Outcome(outcome) => self.outcome(at, outcome),
            Record::TurnEnded(report) if report.answer.trim() != self.answered.trim() => {
                self.answer(at, &report.answer);
            }
            _ => {}
        }
    }

    fn prompt(&mut self, at: usize, text: &str) {
        self.spoken += 1;
        let found = statements::statements(text);
        let worth = voice::weigh(text, &found);
        let goal = beginning(text, &found);
        if !goal.is_empty() {
            if self.goals.len() == GOALS {
                self.goals.remove(1);
            }
            self.goals.push((at, goal));
        }
        let mut said: Vec<(Range<usize>, f32, usize)> = Vec::new();
        for (statement, worth) in found.iter().zip(&worth) {
            let range = statement.range.clone();
            // What begins with a pronoun is nothing without the sentence before it.
            if let Some((before, weight, paragraph)) = said.last_mut()
                && *paragraph == statement.paragraph
                && statement.form == statements::Form::Sentence
                && points_back(&text[range.clone()])
                && range.end - before.start <= JOINED
                && text[before.end..range.start].trim().is_empty()
            {
                before.end = range.end;
                *weight = 0.5 * (*weight + worth.weight);
            } else if worth.weight >= LEAST {
                said.push((range, worth.weight, statement.paragraph));
            }
        }
        let mut said: Vec<(String, f32)> =
            said.into_iter().map(|(range, weight, _)| (text[range].to_owned(), weight)).collect();
        weightiest(&mut said);
        for (piece, weight) in said {
            self.keep(Section::Directives, piece, weight, at);
        }
        self.bound();
    }

    fn answer(&mut self, at: usize, text: &str) {
        self.answered = clip(text, 1 << 16).to_owned();
        let found = statements::statements(text);
        let mut status: Option<Range<usize>> = None;
        let mut paragraph: Option<&statements::Statement> = None;
        let mut said: Vec<(String, f32)> = Vec::new();
        for statement in &found {
            let piece = &text[statement.range.clone()];
            let words = vocabulary::words(piece);
            let finding = findings::weigh(piece, statement.form, &words, self.recent.of(&words));
            if paragraph.is_none_or(|first| first.paragraph != statement.paragraph) {
                paragraph = Some(statement);
            }
            if finding.status {
                // What is done stands before what is next, often in the same breath.
                let start = paragraph.map_or(statement.range.start, |first| first.range.start);
                let start =
                    if statement.range.end - start <= STATUS / 2 { start } else { statement.range.start };
                status = Some(match status {
                    Some(open) if statement.range.end - open.start <= STATUS => {
                        open.start..statement.range.end
                    }
                    _ => start..statement.range.end,
                });
            }
            if finding.weight >= LEAST {
                said.push((piece.to_owned(), finding.weight));
            }
        }
        self.recent.said(text);
        if let Some(status) = status {
            let status = clip(&text[status], STATUS).to_owned();
            // It is shown as a whole for as long as it is the newest; its findings stay.
            said.retain(|(piece, weight)| *weight >= SETS_ASIDE || !status.contains(piece.as_str()));
            self.status = Some((at, status));
        }
        weightiest(&mut said);
        for (piece, weight) in said {
            self.keep(Section::Decisions, piece, weight, at);
        }
        self.bound();
    }

    fn outcome(&mut self, at: usize, outcome: &LoggedOutcome) {
        let about = self.calls.get(&outcome.call_id).cloned().unwrap_or_default();
        if outcome.tool == "ask_user" && outcome.ok {
            let answer = outcome.text.strip_prefix("the user answered: ").unwrap_or(&outcome.text).trim();
            if !answer.is_empty() {
                self.spoken += 1;
                let question = if about.is_empty() { String::new() } else { format!(" (asked: {about})") };
                self.keep(Section::Directives, format!("{}{question}", clip(answer, 600)), 0.95, at);
                self.bound();
            }
            return;
        }
        // A tool that ran could print the same words, so only calls that never ran can have been denied.
        if !outcome.ok
            && !self.allowed.contains(&outcome.call_id)
            && let Some(reason) = outcome.text.strip_prefix("denied by the user, who says: ")
        {
            self.spoken += 1;
            let reason = reason.trim().trim_end_matches("..").trim();
            self.keep(
                Section::Directives,
                format!("{} (denied: {})", clip(reason, 600), about.trim()),
                0.95,
                at,
            );
            self.bound();
            return;
        }
        self.recent.returned(&outcome.text);
    }

    fn keep(&mut self, section: Section, text: String, weight: f32, at: usize) {
        let profile = Profile::of(&text);
        if profile.plain.is_empty() {
            return;
        }
        let message = self.spoken;
        let mut weight = weight;
        let mut set_aside = false;
        // Measurements of two tasks may well be worded alike: an answer corrects another only where it says so.
        // A question about something does not change it.
        let asks = text.trim_end().ends_with(['?', '？']);
        let strong = weight >= SETS_ASIDE && !asks && (section == Section::Directives || profile.change);
        for old in &mut self.kept {
            // The user may change what the assistant decided; not the other way round.
            if old.section != section && !(section == Section::Directives && profile.quotes(&old.profile)) {
                continue;
            }
            match relation(&profile, &old.profile) {
                Relation::Apart => {}
                Relation::Same if old.section == section => {
                    weight = weight.max(old.weight);
                    old.superseded = Some(Relation::Same);
                }
                Relation::Same => {}
                found if strong && old.superseded.is_none() => {
                    // Within one message only a correction corrects.
                    if old.message == message && old.at == at && !profile.retracts {
                        continue;
                    }
                    weight = weight.max(old.weight);
                    old.superseded = Some(found);
                    set_aside = true;
                }
                _ => {}
            }
        }
        self.kept.retain(|old| old.superseded != Some(Relation::Same));
        if profile.retracts && strong && !set_aside && section == Section::Directives {
            // Nothing shares its words, so it takes back what was said last.
            let last = self.kept.iter_mut().rev().find(|old| {
                old.section == section
                    && old.superseded.is_none()
                    && old.weight >= SETS_ASIDE
                    && old.message + 1 >= message
            });
            if let Some(last) = last {
                last.superseded = Some(Relation::InPart);
            }
        }
        self.kept.push(Kept { section, text, weight, at, message, profile, superseded: None });
    }

    fn bound(&mut self) {
        if self.kept.len() <= KEPT {
            return;
        }
        let mut order: Vec<usize> = (0..self.kept.len()).collect();
        order.sort_by(|one, two| {
            self.kept[*two].shown().total_cmp(&self.kept[*one].shown()).then(two.cmp(one))
        });
        let stays: HashSet<usize> = order.into_iter().take(KEPT * 3 / 4).collect();
        self.forgotten += self.kept.len() - stays.len();
        let mut at = 0;
        self.kept.retain(|_| {
            at += 1;
            stays.contains(&(at - 1))
        });
    }

    /// Statements that no longer hold, each with the entry it was said in.
    pub(super) fn superseded(&self) -> impl Iterator<Item = (usize, &str)> {
        let gone = self.kept.iter().filter(|kept| matches!(kept.superseded, Some(Relation::Supersedes)));
        gone.map(|kept| (kept.at, kept.text.as_str()))
    }

    /// Statements that left for weightier ones.
    pub(super) fn forgotten(&self) -> usize {
        self.forgotten
    }

    pub(super) fn lines(&self, before: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        let first = self.goals.first().filter(|(at, _)| *at < before);
        let current = self.goals.iter().rev().find(|(at, _)| *at < before);
        let mut goal = |(at, text): &(usize, String), weight| {
            lines.push(Line { section: Section::Goal, text: text.clone(), weight, at: *at });
        };
        if let Some(first) = first {
            goal(first, 2.0);
        }
        if let Some(current) = current.filter(|current| first.is_none_or(|first| first.0 != current.0)) {
            goal(current, 2.0);
        }
        let shown: Vec<(usize, String)> = [first, current].into_iter().flatten().cloned().collect();
        let status = self.status.as_ref().filter(|(at, _)| *at < before);
        for kept in self.kept.iter().filter(|kept| kept.at < before) {
            if status.is_some_and(|(at, status)| *at == kept.at && status.contains(&kept.text)) {
                continue;
            }
            if shown.iter().any(|(at, goal)| *at == kept.at && goal.contains(&kept.text))
                && kept.superseded.is_none()
            {
                continue;
            }
            let text = match kept.superseded {
                None => kept.text.clone(),
                Some(Relation::InPart) => format!("{} [superseded in part: see the newer]", kept.text),
                Some(_) => format!("{} [superseded: see the newer]", kept.text),
            };
            lines.push(Line { section: kept.section, text, weight: kept.shown(), at: kept.at });
        }
        if let Some((at, status)) = status {
            lines.push(Line { section: Section::Decisions, text: status.clone(), weight: 1.2, at: *at });
        }
        lines
    }
}

impl Kept {
    fn shown(&self) -> f32 {
        match self.superseded {
            None => self.weight,
            Some(Relation::InPart) => self.weight * 0.8,
            Some(_) => SUPERSEDED,
        }
    }
}

/// The prompt without the notes that the core put before it.
fn without_notes(text: &str) -> &str {
    match text.strip_prefix("[The ").and_then(|rest| rest.split_once("]\n\n")) {
        Some((note, rest)) if !note.contains('\n') => rest,
        _ => text,
    }
}

/// How a request begins: its first statements, up to a bound, within its first paragraph.
fn beginning(text: &str, found: &[statements::Statement]) -> String {
    let Some(first) = found.iter().find(|one| one.form != statements::Form::Matter).or(found.first()) else {
        return String::new();
    };
    let end = found
        .iter()
        .take_while(|one| one.range.start < first.range.start + GOAL)
        .filter(|one| one.paragraph == first.paragraph && one.range.end <= first.range.start + GOAL)
        .map(|one| one.range.end)
        .max()
        .unwrap_or(first.range.end)
        .max(first.range.end.min(first.range.start + GOAL));
    clip(&text[first.range.start..text.floor_char_boundary(end)], GOAL).to_owned()
}

/// Whether a sentence begins with a word that stands for something said before.
fn points_back(sentence: &str) -> bool {
    let first = sentence.split(|one: char| !one.is_alphabetic()).next().unwrap_or_default().to_lowercase();
    [
        "it",
        "its",
        "that",
        "this",
        "they",
        "these",
        "those",
        "he",
        "she",
        "otherwise",
        "er",
        "sie",
        "es",
        "dies",
        "il",
        "elle",
        "cela",
    ]
    .contains(&first.as_str())
}

fn clip(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// The weightiest statements of a message, in their order.
fn weightiest(said: &mut Vec<(String, f32)>) {
    if said.len() <= PER_MESSAGE {
        return;
    }
    let mut order: Vec<usize> = (0..said.len()).collect();
    order.sort_by(|one, two| said[*two].1.total_cmp(&said[*one].1).then(two.cmp(one)));
    let stays: HashSet<usize> = order.into_iter().take(PER_MESSAGE).collect();
    let mut at = 0;
    said.retain(|_| {
        at += 1;
        stays.contains(&(at - 1))
    });
}

#[cfg(test)]
mod tests;
