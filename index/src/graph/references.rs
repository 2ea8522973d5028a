//! Owns who uses a name.
//! Uses the postings of names in `store`, and the texts of files for mentions that no grammar sees.
//! Never reads a stored document for a use that is not shown.

use std::collections::{BTreeMap, BTreeSet};

use super::definitions::files_with;
use super::source::{Source, fresh, read, shown};
use super::symbol::wanted;
use crate::Reference;
use crate::engine::{Engine, Snapshot};
use crate::manifest::Record;
use crate::parse::{LineIndex, Tags, USE_KINDS};
use crate::refresh::is_current;
use crate::store::{Ask, Failure, Place, Spot};
use crate::tokenize::{is_word_character, words};

/// The uses of each name in a file as the store keeps them, and whether they stand in test code.
pub(crate) fn places(tags: &Tags, path_is_test: bool) -> Vec<(&str, Vec<Place>)> {
    // Definitions are in order of their places; inside a test everything is one.
    let mut tests: Vec<(u32, u32)> = Vec::new();
    for tag in tags.definitions.iter().filter(|tag| tag.is_test) {
        match tests.last_mut() {
            Some((_, end)) if tag.start_line <= *end => *end = tag.end_line.max(*end),
            _ => tests.push((tag.start_line, tag.end_line)),
        }
    }
    let in_test = |line: u32| {
        let at = tests.partition_point(|(start, _)| *start <= line);
        at > 0 && tests[at - 1].1 >= line
    };
    tags.uses
        .chunk_by(|one, other| one.name == other.name)
        .map(|group| {
            let places = group.iter().map(|one| Place {
                line: one.line,
                kind: one.kind,
                is_test: path_is_test || in_test(one.line),
            });
            (group[0].name.as_str(), places.collect())
        })
        .collect()
}

/// A file with uses of a name.
struct Using<'a> {
    record: &'a Record,
    spot: Spot,
    /// By line.
    places: BTreeMap<u32, Place>,
}

/// See [`crate::Index::references`].
pub(crate) fn references(
    engine: &Engine,
    snapshot: &Snapshot,
    symbol: &str,
) -> Result<Vec<Reference>, Failure> {
    let name = wanted(symbol).name;
    let mut using = tagged(engine, snapshot, name)?;
    mentions(engine, snapshot, name, &mut using)?;
    let mut found = Vec::new();
    for (_, file) in using {
        show(engine, snapshot, name, &file, &mut found)?;
    }
    Ok(found)
}

/// The files whose grammar says that they use a name, by path.
fn tagged<'a>(
    engine: &Engine,
    snapshot: &'a Snapshot,
    name: &str,
) -> Result<BTreeMap<&'a str, Using<'a>>, Failure> {
    let mut using = BTreeMap::new();
    for uses in snapshot.view.uses(name)? {
        let Some(record) = snapshot.manifest.by_key(uses.key) else { continue };
        if !engine.may_show(&snapshot.manifest, record) {
            continue;
        }
        let places = match is_current(&engine.root, record) {
            Some(true) => uses.places,
            Some(false) => fresh(engine, record).map(|tags| of_name(&tags, record, name)).unwrap_or_default(),
            None => continue,
        };
        if !places.is_empty() {
            let places = places.into_iter().map(|place| (place.line, place)).collect();
            using.insert(record.path.as_str(), Using { record, spot: uses.spot, places });
        }
    }
    Ok(using)
}

fn of_name(tags: &Tags, record: &Record, name: &str) -> Vec<Place> {
    let all = places(tags, crate::rank::is_test_path(&record.path));
    all.into_iter().find(|(one, _)| *one == name).map(|(_, places)| places).unwrap_or_default()
}

/// Add the lines that hold a name as a whole word without using it as a grammar knows: values, comments, other texts.
fn mentions<'a>(
    engine: &Engine,
    snapshot: &'a Snapshot,
    name: &str,
    using: &mut BTreeMap<&'a str, Using<'a>>,
) -> Result<(), Failure> {
    // The text of a file is kept in terms; its words in lower case are among them.
    let mut terms = words(name);
    let (Some(term), None) = (terms.next(), terms.next()) else { return Ok(()) };
    let defining = files_with(engine, snapshot, Ask::Definition, name)?;
    // Names of one letter are no terms; the files that define it are the best guess.
    let files = if term.chars().nth(1).is_none() {
        defining.clone()
    } else {
        files_with(engine, snapshot, Ask::FileBody, &term.to_lowercase())?
    };
    let defining: BTreeSet<Spot> = defining.into_iter().map(|(spot, _)| spot).collect();
    for (spot, record) in files {
        let Some(text) = read(engine, record) else { continue };
        if !text.contains(name) {
            continue;
        }
        let mut defined = BTreeSet::new();
        if defining.contains(&spot) || is_current(&engine.root, record) != Some(true) {
            let tags = Source::definitions(engine, snapshot, spot, record)?.unwrap_or_default();
            defined =
                tags.iter().filter(|tag| tag.name == name && tag.is_symbol()).map(|tag| tag.line).collect();
        }
        let lines = LineIndex::new(&text);
        for line in lines_with(&text, &lines, name) {
            if defined.contains(&line) {
                continue;
            }
            let file =
                using.entry(&record.path).or_insert_with(|| Using { record, spot, places: BTreeMap::new() });
            file.places.entry(line).or_insert(Place { line, kind: 0, is_test: false });
        }
    }
    Ok(())
}

/// The lines that hold a name as a whole word.
fn lines_with(text: &str, lines: &LineIndex, name: &str) -> Vec<u32> {
    let apart = |character: Option<char>| !character.is_some_and(is_word_character);
    let mut found = Vec::new();
    for (at, _) in text.match_indices(name) {
        let before = text[..at].chars().next_back();
        if apart(before) && apart(text[at + name.len()..].chars().next()) {
            let line = lines.line(at);
            if found.last() != Some(&line) {
                found.push(line);
            }
        }
    }
    found
}

/// The uses in one file as answers show them.
fn show(
    engine: &Engine,
    snapshot: &Snapshot,
    name: &str,
    file: &Using<'_>,
    found: &mut Vec<Reference>,
) -> Result<(), Failure> {
    let Some(source) = Source::read(engine, snapshot, Some(file.spot), file.record)? else { return Ok(()) };
    let path_is_test = crate::rank::is_test_path(&file.record.path);
    for (&line, place) in &file.places {
        let text = source.lines.text(&source.text, line);
        // It may have changed between the stat and the read.
        if !text.contains(name) {
            continue;
        }
        let around = source.enclosing(line);
        found.push(Reference {
            name: name.to_owned(),
            kind: USE_KINDS[usize::from(place.kind)].to_owned(),
            path: file.record.path.clone(),
            line,
            text: shown(text),
            enclosing: around.map(|tag| tag.name.clone()),
            is_test: path_is_test || around.is_some_and(|tag| tag.is_test),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::languages;

    #[test]
    fn uses_know_whether_they_stand_in_tests() {
        let text = "use x::one;\nfn f() { one(); }\n#[cfg(test)]\nmod tests {\n    fn helper() { one(); }\n    #[test]\n    fn t() { helper(); one(); }\n}\nfn g() { one(); }\n";
        let tags = crate::parse::tags(text, languages::of("a.rs", text), false);
        let seen: Vec<String> = places(&tags, false)
            .into_iter()
            .flat_map(|(name, places)| {
                places.into_iter().map(move |place| {
                    let test = if place.is_test { " test" } else { "" };
                    format!("{name} {} {}{test}", place.line, USE_KINDS[usize::from(place.kind)])
                })
            })
            .collect();
        assert_eq!(
            seen,
            [
                "helper 7 call test",
                "one 1 import",
                "one 2 call",
                "one 5 call test",
                "one 7 call test",
                "one 9 call"
            ]
        );
    }

    #[test]
    fn whole_words_are_found_once_a_line() {
        let text = "get get\nforget\n_get get_\nüget\nx.get()\n";
        assert_eq!(lines_with(text, &LineIndex::new(text), "get"), [1, 5]);
    }
}
