//! Owns what a symbol's body uses, each name resolved to the definition that is likeliest meant.
//! Uses the file as it is on disk, parsed anew, and the definitions that the index knows.
//! Never presents a guess among several as the only one: it says how many there are.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::callers::{CallQuery, qualified};
use super::certainty::{Qualifier, family, package_of, package_roots, qualifier, takes_receiver, type_names};
use super::definitions::{files_with, narrowed, read_definitions};
use super::source::{parse, read, record_at};
use super::uses::{is_callable, is_value};
use crate::Definition;
use crate::engine::{Engine, Snapshot};
use crate::manifest::Record;
use crate::parse::{LineIndex, Tags, USE_KINDS};
use crate::store::{Ask, Failure};
use crate::tokenize::words;

/// What a caller gets who names no limit.
const USUAL_LIMIT: usize = 100;
/// Bodies of one name that are read: `new` has hundreds.
const BODIES: usize = 5;
/// Files whose definitions of one name are compared, the nearest first.
const COMPARED: usize = 12;
/// Methods of a value whose type is not written are told one by one up to here.
const FEW: usize = 3;
/// So many symbols are followed in one answer.
const FOLLOWED: usize = 60;

/// A name that a symbol's body uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Callee {
    /// The name as it is written.
    pub name: String,
    /// `call`, `value` (a function handed on) or `type`.
    pub kind: String,
    /// The symbol that uses it.
    pub of: String,
    /// The file of the uses.
    pub path: String,
    /// Lines of the uses.
    pub lines: Vec<u32>,
    /// 1 is used by the symbol itself, 2 by one that it uses, …
    pub depth: u32,
    /// The definition that is likeliest meant; none where too many are as likely.
    pub definition: Option<Definition>,
    /// How many definitions have the name.
    pub candidates: usize,
    /// False where another definition may be meant as well.
    pub certain: bool,
}

/// What a symbol uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Callees {
    /// The definitions whose bodies were read.
    pub of: Vec<Definition>,
    /// In order of depth and place; calls and types.
    pub callees: Vec<Callee>,
    /// Names it calls that the project does not define, in order.
    pub outside: Vec<String>,
    /// Bodies or callees were left out for their number.
    pub cut: bool,
}

/// See [`crate::Index::callees`].
pub(crate) fn callees(engine: &Engine, snapshot: &Snapshot, query: &CallQuery) -> Result<Callees, Failure> {
    let limit = if query.limit == 0 { USUAL_LIMIT } else { query.limit };
    let roots = package_roots(&snapshot.manifest);
    let mut definitions = narrowed(engine, snapshot, &query.symbol)?.0;
    definitions.retain(|one| query.tests.admit(one.is_test));
    // Declarations have no body; where a body exists it is what is asked for.
    if definitions.iter().any(|one| one.end_line > one.line) {
        definitions.retain(|one| one.end_line > one.line || one.kind != "declaration");
    }
    let mut answer = Callees { cut: definitions.len() > BODIES, ..Callees::default() };
    definitions.truncate(BODIES);
    answer.of.clone_from(&definitions);
    let mut outside = HashSet::new();
    let mut followed: HashSet<(String, u32)> =
        definitions.iter().map(|one| (one.path.clone(), one.line)).collect();
    let mut level = definitions;
    for depth in 1..=query.depth.max(1) {
        let mut next: Vec<Definition> = Vec::new();
        for definition in &level {
            for callee in of_body(engine, snapshot, &roots, definition, depth)? {
                if callee.candidates == 0 {
                    if callee.kind == "call" && depth == 1 && outside.insert(callee.name.clone()) {
                        answer.outside.push(callee.name);
                    }
                    continue;
                }
                if let Some(found) = callee.definition.clone().filter(|_| callee.certain) {
                    let key = (found.path.clone(), found.line);
                    if is_callable(&found.kind) && followed.len() < FOLLOWED && followed.insert(key) {
                        next.push(found);
                    }
                }
                answer.callees.push(callee);
            }
        }
        answer.cut |= followed.len() >= FOLLOWED;
        level = next;
        if level.is_empty() || answer.callees.len() > limit {
            break;
        }
    }
    answer.cut |= answer.callees.len() > limit;
    answer.callees.truncate(limit);
    Ok(answer)
}

/// The names that one definition's body uses, in order.
fn of_body(
    engine: &Engine,
    snapshot: &Snapshot,
    roots: &[String],
    definition: &Definition,
    depth: u32,
) -> Result<Vec<Callee>, Failure> {
    let Some(record) = record_at(snapshot, &definition.path) else { return Ok(Vec::new()) };
    let Some(text) = read(engine, record) else { return Ok(Vec::new()) };
    let tags = parse(&record.path, &text);
    let lines = LineIndex::new(&text);
    // The file may have moved on since the definition was looked up.
    let Some(body) = tags
        .definitions
        .iter()
        .filter(|tag| tag.name == definition.name && tag.kind == definition.kind)
        .min_by_key(|tag| tag.line.abs_diff(definition.line))
    else {
        return Ok(Vec::new());
    };
    let owner = type_names(body.parent.as_deref()).last().copied();
    let from = Place { record, tags: &tags, text: &text, lines: &lines, owner, roots };
    let mut used: BTreeMap<(&str, u8), Vec<u32>> = BTreeMap::new();
    for one in &tags.uses {
        let inside = (body.line..=body.end_line).contains(&one.line);
        if inside && matches!(one.kind, 1 | 2) {
            used.entry((&one.name, one.kind)).or_default().push(one.line);
        }
    }
    for (name, line) in handed_on(&from, body.line, body.end_line) {
        if !used.contains_key(&(name, 1)) {
            used.entry((name, 0)).or_default().push(line);
        }
    }
    let of = qualified(&definition.name, definition.parent.as_deref());
    let mut found = Vec::new();
    for ((name, kind), lines) in used {
        let (found_at, candidates, certain) = resolve(engine, snapshot, &from, name, kind, lines[0])?;
        // A recursion is no news, and a value that is no function is none of ours.
        let itself = |one: &Definition| one.path == definition.path && one.line == body.line;
        if found_at.as_ref().is_some_and(itself) || kind == 0 && candidates == 0 {
            continue;
        }
        found.push(Callee {
            name: name.to_owned(),
            kind: if kind == 0 { "value" } else { USE_KINDS[usize::from(kind)] }.to_owned(),
            of: of.clone(),
            path: record.path.clone(),
            lines,
            depth,
            definition: found_at,
            candidates,
            certain,
        });
    }
    found.sort_by(|one, other| {
        (one.kind == "type", one.lines[0], &one.name).cmp(&(
            other.kind == "type",
            other.lines[0],
            &other.name,
        ))
    });
    Ok(found)
}

/// Functions of the file, or imported by it, that the body hands on without calling them.
fn handed_on<'a>(from: &Place<'a>, first: u32, last: u32) -> Vec<(&'a str, u32)> {
    let defined =
        from.tags.definitions.iter().filter(|tag| is_callable(tag.kind)).map(|tag| tag.name.as_str());
    let imported = from.tags.uses.iter().filter(|one| one.kind == 3).map(|one| one.name.as_str());
    let names: HashSet<&str> = defined.chain(imported).collect();
    let mut found = Vec::new();
    for line in first + 1..=last {
        let text = from.lines.text(from.text, line);
        let mut on_line: Vec<&str> = words(text).filter(|word| names.contains(word)).collect();
        on_line.sort_unstable();
        on_line.dedup();
        found.extend(
            on_line
                .into_iter()
                .filter_map(|word| names.get(word).copied())
                .filter(|name| is_value(text, name, from.record.language))
                .map(|name| (name, line)),
        );
    }
    found
}

/// Where a name is used.
struct Place<'a> {
    record: &'a Record,
    tags: &'a Tags,
    text: &'a str,
    lines: &'a LineIndex,
    /// The type around the body.
    owner: Option<&'a str>,
    roots: &'a [String],
}

/// The likeliest definition of a name used on a line, how many there are, and whether it is beyond doubt.
fn resolve(
    engine: &Engine,
    snapshot: &Snapshot,
    from: &Place<'_>,
    name: &str,
    kind: u8,
    line: u32,
) -> Result<(Option<Definition>, usize, bool), Failure> {
    let own = family(from.record.language);
    let mut files = files_with(engine, snapshot, Ask::Definition, name)?;
    files.retain(|(_, record)| family(record.language) == own);
    // What the file imports under that name: the words of the import say where from.
    let imported: HashSet<&str> = from
        .tags
        .uses
        .iter()
        .filter(|one| one.kind == 3 && one.name == name)
        .flat_map(|one| words(from.lines.text(from.text, one.line)))
        .collect();
    files.sort_by_cached_key(|(_, record)| (nearness(from, &imported, &record.path), record.path.clone()));
    let total = files.len();
    files.truncate(COMPARED);
    let fits = |kind_of: &str| match kind {
        0 => matches!(kind_of, "function" | "method"),
        1 => is_callable(kind_of) || matches!(kind_of, "variant" | "type" | "enum" | "union"),
        _ => !matches!(kind_of, "function" | "method" | "field" | "variable" | "variant" | "module"),
    };
    let mut found = read_definitions(engine, snapshot, files, &|tag| tag.name == name)?;
    found.retain(|one| fits(&one.kind) && (!one.is_test || one.path == from.record.path));
    let candidates = if total > COMPARED { total } else { found.len() };
    let before = qualifier(from.lines.text(from.text, line), name);
    let mut ranked: Vec<(u8, u8, Definition)> = found
        .into_iter()
        .map(|one| (fit(before, &one, from), nearness(from, &imported, &one.path), one))
        .filter(|(fit, _, _)| *fit < 3)
        .collect();
    ranked.sort_by(|one, other| {
        (one.0, one.1, one.2.kind == "declaration", &one.2.path, one.2.line).cmp(&(
            other.0,
            other.1,
            other.2.kind == "declaration",
            &other.2.path,
            other.2.line,
        ))
    });
    let Some((best_fit, best_near, best)) = ranked.first().cloned() else { return Ok((None, 0, false)) };
    let equals = ranked
        .iter()
        .filter(|(fit, near, one)| (*fit, *near) == (best_fit, best_near) && one.kind != "declaration")
        .count();
    let certain =
        equals <= 1 && (best_fit == 0 || best_fit == 1 && best_near <= 2) || candidates == 1 && best_fit < 2;
    if best_fit == 2 && candidates > FEW {
        // A method of a value of unknown type, among many: any choice would be a guess.
        return Ok((None, candidates, false));
    }
    Ok((Some(best), candidates, certain))
}

/// How well a definition fits what stands before the name: 0 says so, 1 may, 2 is one of several methods, 3 cannot.
fn fit(before: Option<Qualifier<'_>>, one: &Definition, from: &Place<'_>) -> u8 {
    let types = type_names(one.parent.as_deref());
    let in_type = !types.is_empty();
    if matches!(before, Some(Qualifier::Value)) && !takes_receiver(one) {
        return 3;
    }
    match before {
        Some(Qualifier::Own) => match from.owner {
            Some(owner) if types.contains(&owner) => 0,
            _ if in_type => 2,
            _ => 3,
        },
        Some(Qualifier::Path(named) | Qualifier::Dotted(named)) if named != "crate" && named != "super" => {
            let stands_in = types.contains(&named)
                || one.parent.as_deref().is_some_and(|parent| parent.split(' ').any(|word| word == named))
                || !in_type
                    && one
                        .path
                        .split(['/', '.'])
                        .any(|part| part == named || part.replace('-', "_") == named);
            match (stands_in, named.starts_with(char::is_uppercase)) {
                (true, _) => 0,
                (false, true) => 3,
                (false, false) if in_type && !takes_receiver(one) => 3,
                (false, false) if in_type => 2,
                // `crate_name::function`, re-exported from somewhere inside.
                (false, false) => 1,
            }
        }
        Some(Qualifier::Value) => {
            if in_type {
                2
            } else {
                3
            }
        }
        _ if in_type && !from.owner.is_some_and(|owner| types.contains(&owner)) => 2,
        _ => 1,
    }
}

/// How near a file is: 0 the same, 1 imported from, 2 the same folder, 3 the same package, 4 elsewhere.
fn nearness(from: &Place<'_>, imported: &HashSet<&str>, path: &str) -> u8 {
    let folder = |path: &str| path.rsplit_once('/').map_or(0, |(folder, _)| folder.len());
    let here = from.record.path.as_str();
    if path == here {
        0
    } else if !imported.is_empty()
        && path
            .split(['/', '.'])
            .any(|part| imported.contains(part) || imported.contains(&*part.replace('-', "_")))
    {
        1
    } else if here[..folder(here)] == path[..folder(path)] {
        2
    } else if package_of(from.roots, here) == package_of(from.roots, path) {
        3
    } else {
        4
    }
}
