//! Owns who defines a name.
//! Uses the stored definitions, and the files themselves where they changed since.
//! Never ranks by words.

use std::collections::{BTreeSet, HashSet};

use super::source::Source;
use super::symbol::{Wanted, wanted};
use crate::Definition;
use crate::engine::{Engine, Snapshot};
use crate::manifest::Record;
use crate::outline::definition;
use crate::parse::Tag;
use crate::store::{Ask, Failure, Spot};
use crate::tokenize::{normalise, words};

/// So many files are read whatever they say.
const FEW: usize = 24;

/// See [`crate::Index::definitions`].
pub(crate) fn definitions(
    engine: &Engine,
    snapshot: &Snapshot,
    symbol: &str,
) -> Result<Vec<Definition>, Failure> {
    Ok(narrowed(engine, snapshot, symbol)?.0)
}

/// The definitions that are meant, and whether others share their name.
pub(crate) fn narrowed(
    engine: &Engine,
    snapshot: &Snapshot,
    symbol: &str,
) -> Result<(Vec<Definition>, bool), Failure> {
    let Wanted { name, parents } = wanted(symbol);
    if name.is_empty() {
        return Ok((Vec::new(), false));
    }
    let mut files = files_with(engine, snapshot, Ask::Definition, name)?;
    let all_files = files.len();
    if let Some(&parent) = parents.last().filter(|_| all_files > FEW) {
        // Of many files only those are read that also know the parent: 1 ms instead of 20 for `Config::new` in a million lines.
        let defining = snapshot.view.all(Ask::Definition, parent)?.into_iter();
        let using = snapshot.view.uses(parent)?.into_iter().map(|uses| uses.spot);
        let naming: HashSet<Spot> = defining.chain(using).collect();
        files
            .retain(|(spot, record)| naming.contains(spot) || words(&record.path).any(|word| word == parent));
    }
    let ruled_out = files.len() < all_files;
    let exact = read_definitions(engine, snapshot, files, &|tag| tag.name == name)?;
    let mut found = if exact.is_empty() && !ruled_out {
        let lower = name.to_lowercase();
        collect(engine, snapshot, Ask::Normalised, &normalise(name), &|tag| tag.name.to_lowercase() == lower)?
    } else {
        exact
    };
    let all = found.len();
    if let Some(&parent) = parents.last() {
        found.retain(|definition| is_within(definition, parent));
    }
    found.sort_by(|one, other| order(one).cmp(&order(other)));
    let rivals = found.len() < all || ruled_out;
    Ok((found, rivals))
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

pub(crate) fn collect(
    engine: &Engine,
    snapshot: &Snapshot,
    ask: Ask,
    term: &str,
    fits: &dyn Fn(&Tag) -> bool,
) -> Result<Vec<Definition>, Failure> {
    read_definitions(engine, snapshot, files_with(engine, snapshot, ask, term)?, fits)
}

/// The definitions of some files that fit.
pub(crate) fn read_definitions(
    engine: &Engine,
    snapshot: &Snapshot,
    files: Vec<(Spot, &Record)>,
    fits: &dyn Fn(&Tag) -> bool,
) -> Result<Vec<Definition>, Failure> {
    let mut found = Vec::new();
    for (spot, record) in files {
        let Some(source) = Source::definitions(engine, snapshot, spot, record)? else { continue };
        let fitting = source.into_iter().filter(|tag| tag.is_symbol() && fits(tag));
        found.extend(fitting.map(|tag| definition(&record.path, tag)));
    }
    Ok(found)
}

/// The file documents that hold a term and that may be shown, with their records.
pub(crate) fn files_with<'a>(
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
