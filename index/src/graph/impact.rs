//! Owns what a change touches: who uses the changed symbols, through how many others, and which tests reach them.
//! Uses `callers` level by level, and the files on disk for what a path or a diff holds.
//! Never goes on without bounds: what was left out is said.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::callers::{CallQuery, Caller, callers, qualified};
use super::certainty::package_roots;
use super::places::Effort;
use super::source::{parse, read, record_at};
use super::tests_for::{TestFor, of_caller};
use super::uses::{Tests, UseQuery, is_callable, seen};
use crate::Definition;
use crate::engine::{Engine, Snapshot};
use crate::outline::definition;
use crate::parse::Tag;
use crate::store::Failure;

/// Levels when none are named.
const USUAL_DEPTH: u32 = 3;
/// Changed symbols that are followed.
const SYMBOLS: usize = 60;
/// Users of one changed symbol that are told.
const USERS: usize = 120;

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A symbol; `Type::method` and `Type.method` narrow by parent.
    Symbol(String),
    /// Everything in a file, by its relative path.
    File(String),
    /// Some lines of a file, from 1, inclusive.
    Lines {
        /// Relative path.
        path: String,
        /// First and last line of each piece.
        ranges: Vec<(u32, u32)>,
    },
}

/// A file that uses something changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AffectedFile {
    /// Relative path.
    pub path: String,
    /// 1 uses what changes, 2 uses what uses it, …
    pub distance: u32,
    /// Symbols in it that do.
    pub symbols: Vec<String>,
    /// True in test code.
    pub is_test: bool,
    /// True where every use may mean something else of the same name.
    pub uncertain: bool,
}

/// What a change touches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Impact {
    /// The definitions that change.
    pub changed: Vec<Definition>,
    /// Files that use them, by distance and path.
    pub files: Vec<AffectedFile>,
    /// Symbols that use them, by distance.
    pub users: Vec<Caller>,
    /// Tests among them.
    pub tests: Vec<TestFor>,
    /// Something was left out for its number.
    pub cut: bool,
}

/// See [`crate::Index::impact`].
pub(crate) fn impact(
    engine: &Engine,
    snapshot: &Snapshot,
    changes: &[Change],
    depth: u32,
) -> Result<Impact, Failure> {
    let mut answer = Impact::default();
    for change in changes {
        match change {
            Change::Symbol(symbol) => {
                answer.changed.extend(super::definitions(engine, snapshot, symbol)?);
            }
            Change::File(path) => answer.changed.extend(of_file(engine, snapshot, path, None)),
            Change::Lines { path, ranges } => {
                answer.changed.extend(of_file(engine, snapshot, path, Some(ranges)));
            }
        }
    }
    let own: HashSet<(String, u32)> = answer.changed.iter().map(|one| (one.path.clone(), one.line)).collect();
    let mut symbols: Vec<(String, bool)> = Vec::new();
    for one in &answer.changed {
        let name = match changes {
            [Change::Symbol(asked)] => asked.clone(),
            _ => qualified(&one.name, one.parent.as_deref()),
        };
        if !symbols.iter().any(|(known, _)| *known == name) {
            symbols.push((name, is_callable(&one.kind)));
        }
    }
    answer.cut = symbols.len() > SYMBOLS;
    symbols.truncate(SYMBOLS);
    let depth = if depth == 0 { USUAL_DEPTH } else { depth };
    let mut users: BTreeMap<(String, u32), Caller> = BTreeMap::new();
    for (symbol, callable) in &symbols {
        let query = CallQuery { symbol: symbol.clone(), depth, tests: Tests::Any, limit: USERS };
        let found = callers(engine, snapshot, &query)?;
        answer.cut |= found.cut;
        let mut found = found.callers;
        if !callable {
            found.extend(namers(engine, snapshot, symbol)?);
        }
        for caller in found {
            let key = (caller.path.clone(), if caller.symbol.is_some() { caller.line } else { 0 });
            if own.contains(&key) {
                continue;
            }
            match users.get(&key) {
                Some(known) if known.depth <= caller.depth => {}
                _ => drop(users.insert(key, caller)),
            }
        }
    }
    let roots = package_roots(&snapshot.manifest);
    answer.users = users.into_values().collect();
    answer.users.sort_by(|one, other| {
        (one.depth, one.uncertain.is_some(), one.is_test, &one.path, one.line).cmp(&(
            other.depth,
            other.uncertain.is_some(),
            other.is_test,
            &other.path,
            other.line,
        ))
    });
    for user in answer.users.iter().filter(|one| one.is_test && one.uncertain.is_none()) {
        let callable = user.kind.as_deref().is_some_and(|kind| is_callable(kind) || kind == "test");
        if let Some(record) = record_at(snapshot, &user.path).filter(|_| callable) {
            answer.tests.push(of_caller(user, record, &roots));
        }
    }
    answer.files = by_file(&answer.users);
    Ok(answer)
}

/// Who names a type, a constant or a field; calls alone would miss them.
fn namers(engine: &Engine, snapshot: &Snapshot, symbol: &str) -> Result<Vec<Caller>, Failure> {
    let query = UseQuery {
        symbol: symbol.to_owned(),
        kinds: vec!["type", "import", "value", "mention"],
        tests: Tests::Any,
        limit: USERS,
    };
    let (_, seen) = seen(engine, snapshot, &query, Effort::of(query.tests))?;
    Ok(super::callers::group(symbol, seen, 1))
}

fn by_file(users: &[Caller]) -> Vec<AffectedFile> {
    let mut files: BTreeMap<&str, AffectedFile> = BTreeMap::new();
    for user in users {
        let file = files.entry(&user.path).or_insert_with(|| AffectedFile {
            path: user.path.clone(),
            distance: user.depth,
            symbols: Vec::new(),
            is_test: user.is_test,
            uncertain: user.uncertain.is_some(),
        });
        file.distance = file.distance.min(user.depth);
        file.is_test &= user.is_test;
        file.uncertain &= user.uncertain.is_some();
        if let Some(symbol) = user.symbol.clone().filter(|symbol| !file.symbols.contains(symbol)) {
            file.symbols.push(symbol);
        }
    }
    let mut files: Vec<AffectedFile> = files.into_values().collect();
    files.sort_by(|one, other| {
        (one.distance, one.uncertain, one.is_test, &one.path).cmp(&(
            other.distance,
            other.uncertain,
            other.is_test,
            &other.path,
        ))
    });
    files
}

/// The definitions of a file, or those that some lines of it belong to.
fn of_file(
    engine: &Engine,
    snapshot: &Snapshot,
    path: &str,
    ranges: Option<&[(u32, u32)]>,
) -> Vec<Definition> {
    let Some(record) = record_at(snapshot, path).filter(|one| engine.may_show(&snapshot.manifest, one))
    else {
        return Vec::new();
    };
    let Some(text) = read(engine, record) else { return Vec::new() };
    let tags = parse(&record.path, &text).definitions;
    let touches = |tag: &Tag| match ranges {
        None => true,
        Some(ranges) => ranges.iter().any(|(first, last)| tag.start_line <= *last && tag.end_line >= *first),
    };
    let changed: Vec<&Tag> =
        tags.iter().filter(|tag| tag.is_symbol() && !tag.is_test && touches(tag)).collect();
    // Of definitions inside one another the inner one changes: a method, not its whole class.
    let inner = |tag: &Tag| {
        ranges.is_some()
            && changed.iter().any(|other| {
                (other.start_line, other.end_line) != (tag.start_line, tag.end_line)
                    && other.start_line >= tag.start_line
                    && other.end_line <= tag.end_line
                    && other.kind != "field"
            })
    };
    let kept =
        changed.iter().filter(|tag| !inner(tag) && !matches!(tag.kind, "field" | "variant" | "module"));
    kept.map(|tag| definition(path, (*tag).clone())).collect()
}

/// The changes that a unified diff tells, as lines of the new files.
#[must_use]
pub fn changes_of_diff(diff: &str) -> Vec<Change> {
    let mut files: Vec<(String, Vec<(u32, u32)>)> = Vec::new();
    // The line of the new file that comes next, while inside a piece; and what is left of it.
    let (mut line, mut old_left, mut new_left) = (0u32, 0u32, 0u32);
    for row in diff.lines() {
        if old_left > 0 || new_left > 0 {
            let touch = |files: &mut Vec<(String, Vec<(u32, u32)>)>, at: u32| {
                if let Some((_, ranges)) = files.last_mut() {
                    match ranges.last_mut() {
                        Some((_, last)) if at <= *last + 1 => *last = at.max(*last),
                        _ => ranges.push((at, at)),
                    }
                }
            };
            match row.bytes().next() {
                Some(b'+') => {
                    touch(&mut files, line);
                    line += 1;
                    new_left = new_left.saturating_sub(1);
                }
                // What stood here belonged to what is around it now.
                Some(b'-') => {
                    touch(&mut files, line.max(1));
                    old_left = old_left.saturating_sub(1);
                }
                Some(b'\\') => {}
                _ => {
                    line += 1;
                    (old_left, new_left) = (old_left.saturating_sub(1), new_left.saturating_sub(1));
                }
            }
        } else if let Some(path) = row.strip_prefix("+++ ") {
            let path = path.split('\t').next().unwrap_or(path).trim().trim_matches('"');
            if path != "/dev/null" {
                files.push((path.strip_prefix("b/").unwrap_or(path).to_owned(), Vec::new()));
            }
        } else if let Some((old, new)) = row.strip_prefix("@@ -").and_then(pieces) {
            (line, old_left, new_left) = (new.0, old.1, new.1);
        }
    }
    files
        .into_iter()
        .filter(|(_, ranges)| !ranges.is_empty())
        .map(|(path, ranges)| Change::Lines { path, ranges })
        .collect()
}

/// `1,4 +2,6 @@ …` → start and number of lines, old and new.
fn pieces(text: &str) -> Option<((u32, u32), (u32, u32))> {
    let (old, rest) = text.split_once(" +")?;
    let new = rest.split(' ').next()?;
    let piece = |text: &str| -> Option<(u32, u32)> {
        match text.split_once(',') {
            Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
            None => Some((text.parse().ok()?, 1)),
        }
    };
    Some((piece(old)?, piece(new)?))
}

#[cfg(test)]
mod tests {
    use super::super::tests::stage;
    use super::*;

    #[test]
    fn diffs_tell_lines_of_new_files() {
        let diff = "diff --git a/x.rs b/x.rs\n--- a/x.rs\n+++ b/x.rs\n@@ -1,4 +1,5 @@ fn a\n one\n+two\n three\n-four\n five\n+++ six\n@@ -20 +21,0 @@\n-gone\n--- a/old.rs\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n--- /dev/null\n+++ b/new.rs\t2026\n@@ -0,0 +1,2 @@\n+a\n+b\n";
        assert_eq!(
            changes_of_diff(diff),
            [
                Change::Lines { path: "x.rs".into(), ranges: vec![(2, 2), (4, 5), (21, 21)] },
                Change::Lines { path: "new.rs".into(), ranges: vec![(1, 2)] },
            ]
        );
        for odd in ["", "@@ -1 +1 @@\n+x\n", "+++ b/x\n@@ what @@\n", "@@ -1,9999999999 +1 @@\n"] {
            assert_eq!(changes_of_diff(odd), []);
        }
    }

    #[test]
    fn what_a_change_touches_is_told_by_distance() {
        let stage = stage(&[
            ("Cargo.toml", "[package]\nname = \"x\"\n"),
            ("src/low.rs", "pub fn low_level() {}\n\npub fn untouched() {}\n\npub const LIMIT: u8 = 3;\n"),
            ("src/mid.rs", "pub fn middle() { low_level(); }\n"),
            (
                "src/top.rs",
                "pub fn top_level() { middle(); }\npub fn other() { untouched(); let _ = LIMIT; }\n",
            ),
            ("tests/all.rs", "#[test]\nfn whole() { top_level(); }\n"),
        ]);
        let check = |change: Change, expect: &[&str], tests: &[&str]| {
            let found = stage.index.impact(std::slice::from_ref(&change), 3).expect("impact");
            let shown: Vec<String> = found
                .files
                .iter()
                .map(|file| format!("{} {} {}", file.distance, file.path, file.symbols.join(" ")))
                .collect();
            assert_eq!(shown, expect, "{change:?}");
            let names: Vec<&str> = found.tests.iter().filter_map(|one| one.name.as_deref()).collect();
            assert_eq!(names, tests, "{change:?}");
        };
        let chain = ["1 src/mid.rs middle", "2 src/top.rs top_level", "3 tests/all.rs whole"];
        check(Change::Symbol("low_level".into()), &chain, &["whole"]);
        check(Change::Lines { path: "src/low.rs".into(), ranges: vec![(1, 1)] }, &chain, &["whole"]);
        check(
            Change::File("src/low.rs".into()),
            &["1 src/mid.rs middle", "1 src/top.rs other top_level", "3 tests/all.rs whole"],
            &["whole"],
        );
        check(Change::Symbol("LIMIT".into()), &["1 src/top.rs other"], &[]);
        check(Change::File("missing.rs".into()), &[], &[]);
    }
}
