//! Owns who defines a name and who uses it.
//! Uses the stored tags, and the files themselves: a file that changed since is read again.
//! Never ranks by words.

use std::collections::BTreeSet;
use std::fs;

use crate::engine::{Engine, Snapshot};
use crate::manifest::Record;
use crate::outline::definition;
use crate::parse::{LineIndex, Tag, Tags, USE_KINDS, languages};
use crate::refresh::{is_current, text_of};
use crate::store::{Ask, Failure, Spot};
use crate::tokenize::{is_word_character, normalise, words};
use crate::{Definition, Reference};

/// A symbol as it was asked for: the name, and the parents it is narrowed by, innermost last.
#[derive(Debug, PartialEq, Eq)]
struct Wanted<'a> {
    name: &'a str,
    parents: Vec<&'a str>,
}

/// `a::Type::method()`, `Type.method`, `Type#method`, `name!`.
fn wanted(symbol: &str) -> Wanted<'_> {
    let symbol = symbol.trim().trim_matches('`');
    let symbol = symbol.strip_suffix("()").or_else(|| symbol.strip_suffix('!')).unwrap_or(symbol);
    let mut pieces: Vec<&str> = symbol
        .split("::")
        .flat_map(|piece| piece.split("->"))
        .flat_map(|piece| piece.split(['.', '#', '/']))
        .map(str::trim)
        .filter(|piece| !piece.is_empty())
        .collect();
    let name = pieces.pop().unwrap_or(symbol);
    Wanted { name, parents: pieces }
}

/// See [`crate::Index::definitions`].
pub(crate) fn definitions(
    engine: &Engine,
    snapshot: &Snapshot,
    symbol: &str,
) -> Result<Vec<Definition>, Failure> {
    let Wanted { name, parents } = wanted(symbol);
    if name.is_empty() {
        return Ok(Vec::new());
    }
    let exact = collect(engine, snapshot, Ask::Definition, name, &|tag| tag.name == name)?;
    let mut found = if exact.is_empty() {
        let lower = name.to_lowercase();
        collect(engine, snapshot, Ask::Normalised, &normalise(name), &|tag| tag.name.to_lowercase() == lower)?
    } else {
        exact
    };
    if let Some(&parent) = parents.last() {
        found.retain(|definition| is_within(definition, parent));
    }
    found.sort_by(|one, other| order(one).cmp(&order(other)));
    Ok(found)
}

/// Code before tests, definitions before declarations, then by place.
fn order(definition: &Definition) -> (bool, bool, &str, u32) {
    (definition.is_test, definition.kind == "declaration", &definition.path, definition.line)
}

/// Whether a definition stands inside something of that name: its parent, or its file (`config::load` in `config.rs`).
fn is_within(definition: &Definition, parent: &str) -> bool {
    let in_parent = definition.parent.as_deref().is_some_and(|text| words(text).any(|word| word == parent));
    let file = definition.path.rsplit('/').next().unwrap_or_default().split('.').next().unwrap_or_default();
    let folder = || definition.path.rsplit('/').nth(1);
    in_parent || definition.parent.is_none() && (file == parent || folder() == Some(parent))
}

fn collect(
    engine: &Engine,
    snapshot: &Snapshot,
    ask: Ask,
    term: &str,
    fits: &dyn Fn(&Tag) -> bool,
) -> Result<Vec<Definition>, Failure> {
    let mut found = Vec::new();
    for (spot, record) in files_with(engine, snapshot, ask, term)? {
        let tags = match is_current(&engine.root, record) {
            Some(true) => Tags::decode_definitions(&snapshot.view.stored(spot)?).unwrap_or_default(),
            Some(false) => fresh(engine, record).map(|(_, tags)| tags.definitions).unwrap_or_default(),
            None => continue,
        };
        let fitting = tags.into_iter().filter(|tag| tag.is_symbol() && fits(tag));
        found.extend(fitting.map(|tag| definition(&record.path, tag)));
    }
    Ok(found)
}

/// The file documents that hold a term and that may be shown, with their records.
fn files_with<'a>(
    engine: &Engine,
    snapshot: &'a Snapshot,
    ask: Ask,
    term: &str,
) -> Result<Vec<(Spot, &'a Record)>, Failure> {
    let spots = snapshot.view.all(ask, term)?;
    let facts = snapshot.view.facts(&spots)?;
    Ok(spots
        .into_iter()
        .zip(facts)
        .filter(|(_, facts)| facts.is_file())
        .filter_map(|(spot, facts)| Some((spot, snapshot.manifest.by_key(facts.key)?)))
        .filter(|(_, record)| engine.may_show(&snapshot.manifest, record))
        .collect())
}

/// The text and tags of a file as it is on disk.
fn fresh(engine: &Engine, record: &Record) -> Option<(String, Tags)> {
    let text = read(engine, record)?;
    let language = languages::of(&record.path, &text);
    let tags = crate::parse::tags(&text, language, crate::rank::is_test_path(&record.path));
    Some((text, tags))
}

/// The text of a file on disk, within the limits of the index.
pub(crate) fn read(engine: &Engine, record: &Record) -> Option<String> {
    let path = engine.root.join(&record.raw);
    let metadata = fs::symlink_metadata(&path).ok()?;
    if !metadata.is_file() || metadata.len() > engine.options.max_file_bytes {
        return None;
    }
    text_of(fs::read(path).ok()?).ok()
}

/// See [`crate::Index::references`].
pub(crate) fn references(
    engine: &Engine,
    snapshot: &Snapshot,
    symbol: &str,
) -> Result<Vec<Reference>, Failure> {
    let name = wanted(symbol).name;
    // The text of a file is kept in terms; its words in lower case are among them.
    let mut terms = words(name);
    let (Some(term), None) = (terms.next(), terms.next()) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let single = term.chars().nth(1).is_none();
    let files = if single {
        // Names of one letter are no terms; the files that define it are the best guess.
        files_with(engine, snapshot, Ask::Definition, name)?
    } else {
        files_with(engine, snapshot, Ask::FileBody, &term.to_lowercase())?
    };
    for (spot, record) in files {
        let Some(text) = read(engine, record) else { continue };
        if !text.contains(name) {
            continue;
        }
        let tags = match is_current(&engine.root, record) {
            Some(true) => Tags::decode(&snapshot.view.stored(spot)?).unwrap_or_default(),
            _ => crate::parse::tags(
                &text,
                languages::of(&record.path, &text),
                crate::rank::is_test_path(&record.path),
            ),
        };
        uses_in(&record.path, &text, &tags, name, &mut found);
    }
    found.sort_by(|one: &Reference, other| (&one.path, one.line).cmp(&(&other.path, other.line)));
    Ok(found)
}

/// Every line of a text that uses a name, other than to define it.
fn uses_in(path: &str, text: &str, tags: &Tags, name: &str, found: &mut Vec<Reference>) {
    let first = tags.uses.partition_point(|one| one.name.as_str() < name);
    let uses: Vec<_> = tags.uses[first..].iter().take_while(|one| one.name == name).collect();
    let defined: BTreeSet<u32> = tags
        .definitions
        .iter()
        .filter(|tag| tag.name == name && tag.is_symbol())
        .map(|tag| tag.line)
        .collect();
    let path_is_test = crate::rank::is_test_path(path);
    let lines = LineIndex::new(text);
    let mut before = 0;
    for (at, _) in text.match_indices(name) {
        let line = lines.line(at);
        let apart = |character: Option<char>| !character.is_some_and(is_word_character);
        let whole = apart(text[..at].chars().next_back()) && apart(text[at + name.len()..].chars().next());
        if line == before || !whole {
            continue;
        }
        let known = uses.iter().find(|one| one.line == line);
        if known.is_none() && defined.contains(&line) {
            continue;
        }
        before = line;
        let around = enclosing(&tags.definitions, line);
        found.push(Reference {
            name: name.to_owned(),
            kind: USE_KINDS[known.map_or(0, |one| usize::from(one.kind))].to_owned(),
            path: path.to_owned(),
            line,
            text: shown(lines.text(text, line)),
            enclosing: around.map(|tag| tag.name.clone()),
            is_test: path_is_test || around.is_some_and(|tag| tag.is_test),
        });
    }
}

/// The innermost definition with a body around a line.
fn enclosing(definitions: &[Tag], line: u32) -> Option<&Tag> {
    definitions
        .iter()
        .take_while(|tag| tag.start_line <= line)
        .filter(|tag| tag.end_line >= line && tag.is_symbol() && !matches!(tag.kind, "field" | "variant"))
        .last()
}

/// A line as answers show it: trimmed, and not longer than anyone would read.
pub(crate) fn shown(line: &str) -> String {
    let line = line.trim();
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// See [`crate::Index::defines`].
pub(crate) fn defines(engine: &Engine, snapshot: &Snapshot, symbol: &str) -> Result<bool, Failure> {
    let Wanted { name, parents } = wanted(symbol);
    if !parents.is_empty() {
        return Ok(definitions(engine, snapshot, symbol)?.iter().any(|definition| definition.name == name));
    }
    Ok(!name.is_empty() && !files_with(engine, snapshot, Ask::Definition, name)?.is_empty())
}

/// See [`crate::Index::symbols_like`].
pub(crate) fn symbols_like(engine: &Engine, snapshot: &Snapshot, name: &str) -> Result<Vec<String>, Failure> {
    let plain = normalise(name);
    if plain.is_empty() {
        return Ok(Vec::new());
    }
    let found = collect(engine, snapshot, Ask::Normalised, &plain, &|tag| normalise(&tag.name) == plain)?;
    let names: BTreeSet<String> = found.into_iter().map(|definition| definition.name).collect();
    Ok(names.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(symbol: &str, name: &str, parents: &[&str]) {
        assert_eq!(wanted(symbol), Wanted { name, parents: parents.to_vec() }, "{symbol}");
    }

    #[test]
    fn symbols_are_read_as_people_write_them() {
        check("load", "load", &[]);
        check("Type::method", "method", &["Type"]);
        check("a::b::Type::method()", "method", &["a", "b", "Type"]);
        check("Type.method", "method", &["Type"]);
        check("Type#method", "method", &["Type"]);
        check("`vec!`", "vec", &[]);
        check("", "", &[]);
    }
}
