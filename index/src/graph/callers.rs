//! Owns who calls a symbol, and who calls them: uses grouped by the symbol around them, level by level.
//! Uses `uses`.
//! Never follows the same symbol twice, so that every walk ends.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::certainty::type_names;
use super::definitions::{files_with, narrowed};
use super::places::Effort;
use super::symbol::wanted;
use super::uses::{Seen, Tests, UseQuery, is_callable, seen};
use crate::engine::{Engine, Snapshot};
use crate::store::{Ask, Failure};

/// What a caller gets who names no limit.
const USUAL_LIMIT: usize = 60;
/// So many symbols are followed in one answer.
const FOLLOWED: usize = 80;
/// A name that so many files define is followed only where its parent is known, and then no further than this.
const COMMON: usize = 8;
/// Uses that are read for one symbol beyond the first.
const USES_OF_ONE: usize = 200;

/// A question for callers or callees.
#[derive(Debug, Clone, Default)]
pub struct CallQuery {
    /// The name; `Type::method` and `Type.method` narrow by parent.
    pub symbol: String,
    /// How many levels; 0 means 1.
    pub depth: u32,
    /// Which callers, by where they stand.
    pub tests: Tests,
    /// At most so many callers; 0 means 60.
    pub limit: usize,
}

/// One line that calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Site {
    /// From 1.
    pub line: u32,
    /// `call` or `value`.
    pub kind: String,
    /// The line, trimmed.
    pub text: String,
}

/// A symbol that calls another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// The symbol whose body calls; `None` for code outside of any.
    pub symbol: Option<String>,
    /// `function`, `method`, …
    pub kind: Option<String>,
    /// What is around that symbol: `impl Foo`, `class Bar`.
    pub parent: Option<String>,
    /// Relative path.
    pub path: String,
    /// Where that symbol is defined; the first call where there is none.
    pub line: u32,
    /// True in test code.
    pub is_test: bool,
    /// 1 calls the symbol itself, 2 calls one that does, …
    pub depth: u32,
    /// What it calls.
    pub calls: String,
    /// Where.
    pub sites: Vec<Site>,
    /// Why it may call another symbol of the same name, where no call of it is beyond doubt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncertain: Option<String>,
}

/// Who calls a symbol.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Callers {
    /// Calls of the symbol itself, shown or not.
    pub total: usize,
    /// Files that hold them.
    pub files: usize,
    /// By depth; of each, likely ones first, code before tests.
    pub callers: Vec<Caller>,
    /// Callers that were left out, or not followed, for their number or for names that are too common.
    pub cut: bool,
}

/// See [`crate::Index::callers`].
pub(crate) fn callers(engine: &Engine, snapshot: &Snapshot, query: &CallQuery) -> Result<Callers, Failure> {
    let limit = if query.limit == 0 { USUAL_LIMIT } else { query.limit };
    let depth = query.depth.max(1);
    let mut answer = Callers::default();
    let mut followed: HashSet<(String, u32)> =
        narrowed(engine, snapshot, &query.symbol)?.0.into_iter().map(|one| (one.path, one.line)).collect();
    let mut level = vec![query.symbol.clone()];
    let mut asked: HashSet<String> = level.iter().cloned().collect();
    for number in 1..=depth {
        let mut next = Vec::new();
        for symbol in level {
            let asked_for = UseQuery {
                symbol: symbol.clone(),
                kinds: vec!["call", "value"],
                tests: query.tests,
                limit: if number == 1 { limit.saturating_mul(4).max(USES_OF_ONE) } else { USES_OF_ONE },
            };
            // Values are found by reading files: many for the symbol that was asked for, a few for each that leads to it.
            let effort = if number == 1 { Effort::of(query.tests) } else { Effort::Near };
            let (figures, uses) = seen(engine, snapshot, &asked_for, effort)?;
            if number == 1 {
                (answer.total, answer.files) = (figures.total, figures.files);
            }
            answer.cut |= figures.total > uses.len();
            for caller in group(&symbol, uses, number) {
                if caller.symbol.is_some() && !followed.insert((caller.path.clone(), caller.line)) {
                    continue;
                }
                next.extend(to_follow(engine, snapshot, &caller)?.filter(|name| asked.insert(name.clone())));
                answer.callers.push(caller);
            }
        }
        answer.cut |= number < depth && asked.len() > FOLLOWED;
        next.truncate(FOLLOWED.saturating_sub(asked.len().saturating_sub(next.len())));
        level = next;
        // What is further away than the last that is shown need not be found.
        if level.is_empty() || answer.callers.len() >= limit {
            answer.cut |= !level.is_empty() && number < depth;
            break;
        }
    }
    answer.callers.sort_by(|one, other| order(one).cmp(&order(other)));
    answer.cut |= answer.callers.len() > limit;
    answer.callers.truncate(limit);
    Ok(answer)
}

fn order(one: &Caller) -> (u32, bool, bool, &str, u32) {
    (one.depth, one.uncertain.is_some(), one.is_test, &one.path, one.line)
}

/// Uses by the symbol around them.
pub(crate) fn group(symbol: &str, uses: Vec<Seen>, depth: u32) -> Vec<Caller> {
    let mut groups: BTreeMap<(String, u32), Caller> = BTreeMap::new();
    for Seen { reference, around } in uses {
        // All code of a file outside of any symbol is one caller.
        let key = (reference.path.clone(), around.as_ref().map_or(0, |tag| tag.line));
        let caller = groups.entry(key).or_insert_with(|| Caller {
            symbol: around.as_ref().map(|tag| tag.name.clone()),
            kind: around.as_ref().map(|tag| tag.kind.to_owned()),
            parent: around.as_ref().and_then(|tag| tag.parent.clone()),
            path: reference.path.clone(),
            line: around.as_ref().map_or(reference.line, |tag| tag.line),
            is_test: reference.is_test,
            depth,
            calls: symbol.to_owned(),
            sites: Vec::new(),
            uncertain: reference.uncertain.clone(),
        });
        if reference.uncertain.is_none() {
            caller.uncertain = None;
        }
        caller.sites.push(Site { line: reference.line, kind: reference.kind, text: reference.text });
    }
    let mut callers: Vec<Caller> = groups.into_values().collect();
    for caller in &mut callers {
        caller.sites.sort_by_key(|site| site.line);
    }
    callers
}

/// How to ask for the callers of a caller; nothing for what cannot be called, is doubtful, or is called like too many.
fn to_follow(
    engine: &Engine,
    snapshot: &Snapshot,
    caller: &Caller,
) -> Result<std::option::IntoIter<String>, Failure> {
    let (Some(name), Some(kind)) = (&caller.symbol, &caller.kind) else { return Ok(None.into_iter()) };
    if caller.uncertain.is_some() || !is_callable(kind) {
        return Ok(None.into_iter());
    }
    let owner = type_names(caller.parent.as_deref()).last().map(|owner| format!("{owner}::{name}"));
    let common = files_with(engine, snapshot, Ask::Definition, name)?.len() > COMMON;
    Ok(match owner {
        Some(narrow) => Some(narrow),
        None if common => None,
        None => Some(name.clone()),
    }
    .into_iter())
}

/// The symbol as callers of it are asked for.
pub(crate) fn qualified(name: &str, parent: Option<&str>) -> String {
    match type_names(parent).last() {
        Some(owner) => format!("{owner}::{name}"),
        None => wanted(name).name.to_owned(),
    }
}
