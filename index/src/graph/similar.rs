//! Owns what to suggest where nothing has the name that was asked for.
//! Uses the dictionary of defined names.
//! Never suggests what may not be shown.

use super::definitions::{collect, files_with};
use crate::engine::{Engine, Snapshot};
use crate::store::{Ask, Failure};
use crate::tokenize::{identifier_parts, normalise, words};

/// Names shorter than this are near everything.
const SHORTEST: usize = 3;

/// Defined names like one that is not defined, the likest first.
pub(crate) fn similar(
    engine: &Engine,
    snapshot: &Snapshot,
    symbol: &str,
    limit: usize,
) -> Result<Vec<String>, Failure> {
    let name = super::symbol::wanted(symbol).name;
    let plain = normalise(name);
    if plain.chars().count() < SHORTEST || limit == 0 {
        return Ok(Vec::new());
    }
    let parts = parts_of(name);
    let mut near: Vec<(u32, String)> = Vec::new();
    snapshot.view.each_defined(&mut |defined| {
        if let Some(distance) = distance(&plain, &parts, defined) {
            near.push((distance, defined.to_owned()));
        }
    })?;
    near.sort();
    near.dedup();
    let mut found = Vec::new();
    for (_, name) in near {
        // Of names that are spelt alike otherwise, each is told; what is only defined where nobody may look is not.
        if !files_with(engine, snapshot, Ask::Definition, &name)?.is_empty()
            && !collect(engine, snapshot, Ask::Definition, &name, &|tag| tag.name == name)?.is_empty()
        {
            found.push(name);
        }
        if found.len() == limit {
            break;
        }
    }
    Ok(found)
}

fn parts_of(name: &str) -> Vec<String> {
    words(name).flat_map(identifier_parts).filter(|part| part.len() > 2).collect()
}

/// How far a defined name is; `None` when it is too far. Spelling first, then one in the other, then common parts.
fn distance(plain: &str, parts: &[String], defined: &str) -> Option<u32> {
    let other = normalise(defined);
    if other.len() < SHORTEST {
        return None;
    }
    let most = (plain.chars().count() / 4).clamp(1, 3);
    if let Some(edits) = edits_within(plain, &other, most) {
        return Some(u32::try_from(edits).unwrap_or(u32::MAX) * 10);
    }
    let (short, long) = if plain.len() < other.len() { (plain, &*other) } else { (&*other, plain) };
    if short.len() >= 4 && long.contains(short) {
        return Some(30 + u32::try_from(long.len() - short.len()).unwrap_or(u32::MAX).min(60));
    }
    let theirs = parts_of(defined);
    let common = parts.iter().filter(|part| theirs.contains(part)).count();
    let all = parts.len().max(theirs.len());
    (parts.len() > 1 && common * 3 >= all * 2)
        .then(|| 100 + u32::try_from(all - common).unwrap_or(u32::MAX).min(100))
}

/// Damerau's distance (insertions, deletions, replacements, neighbours swapped), if it is at most `most`.
fn edits_within(one: &str, other: &str, most: usize) -> Option<usize> {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if one.len().abs_diff(other.len()) > most {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, &left) in one.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, &right) in other.iter().enumerate() {
            let mut cost =
                (last[column] + usize::from(left != right)).min(last[column + 1] + 1).min(next[column] + 1);
            if row > 0 && column > 0 && left == other[column - 1] && one[row - 1] == right {
                cost = cost.min(before[column - 1] + 1);
            }
            next.push(cost);
        }
        if next.iter().all(|cost| *cost > most) {
            return None;
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().filter(|edits| *edits <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        let check = |one: &str, other: &str, expect: Option<usize>| {
            assert_eq!(edits_within(one, other, 2), expect, "{one} {other}");
            assert_eq!(edits_within(other, one, 2), expect, "{other} {one}");
        };
        check("config", "config", Some(0));
        check("config", "confg", Some(1));
        check("config", "cofnig", Some(1));
        check("config", "cofnigs", Some(2));
        check("config", "parser", None);
        check("", "ab", Some(2));
    }

    #[test]
    fn near_names_are_ordered_by_how_near() {
        let check = |asked: &str, defined: &str, expect: Option<u32>| {
            assert_eq!(distance(&normalise(asked), &parts_of(asked), defined), expect, "{asked} {defined}");
        };
        check("load_confg", "load_config", Some(10));
        check("loadConfig", "load_config", Some(0));
        check("config", "load_config", Some(34));
        check("config_load", "load_config", Some(100));
        check("load", "parse", None);
    }
}
