//! Owns the account of a command line for people: each part with what it touches and the rules about it.
//! Uses the judge for the decision of each part.
//! Never shows a hidden character as it is.

use std::path::PathBuf;

use super::harmless::{Here, is_sink, is_stream};
use super::walk::Walk;
use super::wrappers::{basename, peel, starts};
use super::{Judge, files};
use crate::explain::{Matching, Part, listed};
use crate::finding::Verdicts;
use crate::hidden::escape;
use crate::path_check::Touch;
use crate::place::World;
use crate::rule::{List, RuleSet, Spec};
use crate::shell::{Direction, Event, Simple, line, line_as, read};
use crate::{Mode, host, tools};

/// The parts of a command line, and why some of it was not understood.
pub(crate) fn account(world: &World, rules: &RuleSet, command: &str) -> (Vec<Part>, Vec<String>) {
    let reading = read(command, 0);
    let mut walk = Walk::new(world.context.cwd.clone());
    let mut parts = Vec::new();
    for (position, event) in reading.events.iter().enumerate() {
        match event {
            Event::Command(simple) => {
                parts.push(part(world, rules, simple, walk.bases()));
                let chained =
                    matches!(reading.events.get(position + 1..), Some([Event::Leave, Event::And, ..]));
                walk.command(world, simple, chained);
            }
            other => walk.scope(other),
        }
    }
    (parts, reading.opaque)
}

fn part(world: &World, rules: &RuleSet, simple: &Simple, bases: &[PathBuf]) -> Part {
    let (mut verdicts, mut shown) = (Verdicts::new(), Vec::new());
    let mut judge = Judge::new(world, rules, Mode::Default, &mut verdicts, &mut shown);
    judge.judge_simple(simple, bases);
    let decision =
        tools::under(Mode::Default, "Bash", verdicts.finish("nothing in it needs a question"), shown);
    let here = Here { world, bases };
    let (reads, writes) = touched(&here, simple);
    let mut hosts: Vec<String> = simple.words.iter().filter_map(|word| host::of(&word.text)).collect();
    hosts.dedup();
    Part {
        text: escape(&simple.raw),
        words: simple.words.iter().map(|word| escape(&word.text)).collect(),
        reads,
        writes,
        hosts,
        rules: about(world, rules, &here, simple),
        decision,
    }
}

/// Files that the command is known to read and write; those of programs that are not known are left out.
fn touched(here: &Here, simple: &Simple) -> (Vec<String>, Vec<String>) {
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    let mut add = |text: &str, tilde: bool, touch: Touch| {
        let found = if touch == Touch::Write { &mut writes } else { &mut reads };
        for place in here.places(text, tilde) {
            let shown = escape(&place.shown());
            if !found.contains(&shown) {
                found.push(shown);
            }
        }
    };
    let mut words = simple.words.as_slice();
    while let Some(peeled) = peel(words) {
        words = peeled.inner;
    }
    for file in files::of(words).iter().filter(|file| file.certain && !file.dynamic && !is_stream(&file.text))
    {
        add(&file.text, file.tilde, file.touch);
    }
    for redirect in simple.redirects.iter().filter(|redirect| !redirect.target.dynamic) {
        let target = &redirect.target;
        if redirect.direction != Direction::Write && !is_stream(&target.text) {
            add(&target.text, target.tilde, Touch::Read);
        }
        if redirect.direction != Direction::Read && !is_sink(&target.text) {
            add(&target.text, target.tilde, Touch::Write);
        }
    }
    (reads, writes)
}

/// The rules about a command and about the files that it touches.
fn about(world: &World, rules: &RuleSet, here: &Here, simple: &Simple) -> Vec<Matching> {
    let starts = starts(&simple.words).unwrap_or_default();
    let mut texts = vec![simple.raw.clone()];
    for &start in &starts {
        let words = &simple.words[start..];
        texts.extend([line(words), line_as(basename(&words[0].text), words)]);
    }
    let places = |touch: Touch| {
        let words: Vec<_> = starts.iter().flat_map(|&start| files::of(&simple.words[start..])).collect();
        let known = words.into_iter().filter(|file| !file.dynamic && !file.glob && file.touch == touch);
        let mut places: Vec<_> = known.flat_map(|file| here.places(&file.text, file.tilde)).collect();
        for redirect in simple.redirects.iter().filter(|redirect| !redirect.target.dynamic) {
            if (redirect.direction == Direction::Read) == (touch == Touch::Read) {
                places.extend(here.places(&redirect.target.text, redirect.target.tilde));
            }
        }
        places
    };
    let (reads, writes) = (places(Touch::Read), places(Touch::Write));
    let permits = |rule: &crate::rule::Rule| {
        let alone = RuleSet::of(Vec::new(), Vec::new(), vec![rule.clone()]);
        let (mut verdicts, mut shown) = (Verdicts::new(), Vec::new());
        let judge = Judge::new(world, &alone, Mode::Default, &mut verdicts, &mut shown);
        let mut words = simple.words.as_slice();
        while !words.is_empty() {
            if judge.permit_by_rule(here, words).is_some() {
                return true;
            }
            words = peel(words).map_or(&[], |peeled| peeled.inner);
        }
        false
    };
    listed(rules, |list, rule| match &rule.spec {
        Spec::Command(pattern) if list != List::Allow => {
            rule.names("Bash", list) && texts.iter().any(|text| pattern.matches(text))
        }
        Spec::Command(_) => rule.names("Bash", list) && permits(rule),
        Spec::Path(pattern) => {
            (rule.names("Read", list) && reads.iter().any(|place| pattern.matches(list, place)))
                || (rule.names("Edit", list) && writes.iter().any(|place| pattern.matches(list, place)))
        }
        _ => false,
    })
}
