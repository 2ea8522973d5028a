//! Owns where names are used: what a file says when it is indexed, and which files say it when a name is asked for.
//! Uses the postings of names in `store`, and the texts of files for mentions that no grammar sees.
//! Never reads a stored document, and never shows anything.

use std::collections::{BTreeMap, BTreeSet};

use super::definitions::files_with;
use super::source::{Source, fresh, read};
use super::uses::Tests;
use crate::engine::{Engine, Snapshot};
use crate::manifest::Record;
use crate::parse::{LineIndex, Tag, Tags};
use crate::refresh::is_current;
use crate::store::{Ask, Failure, Place, Spot};
use crate::tokenize::{is_word_character, words};
use crate::walk;

/// So many files, and bytes of them, are read for mentions of one name: 20 ms for a name that is everywhere, and more than
/// most names have files.
const MENTION_FILES: usize = 600;
/// The same for each of up to eighty names of a chain.
const NEAR_FILES: usize = 12;
const MENTION_BYTES: u64 = 24_000_000;

/// Fewer files are read before a thread has started.
const FILES_A_THREAD: usize = 24;
/// More threads than this wait for the disk.
const MOST_THREADS: usize = 8;

/// A file with uses of a name.
pub(crate) struct Using<'a> {
    pub(crate) record: &'a Record,
    pub(crate) spot: Spot,
    /// By line.
    pub(crate) places: Vec<Place>,
    /// What it says, where that was read for mentions.
    pub(crate) text: Option<String>,
}

/// The files that use a name, by path.
#[derive(Default)]
pub(crate) struct Usage<'a> {
    pub(crate) files: BTreeMap<&'a str, Using<'a>>,
    /// Files that may mention the name and were not read.
    pub(crate) unread: usize,
}

/// The lines of a file that are test code.
struct TestLines(Vec<(u32, u32)>);

impl TestLines {
    /// Definitions are in order of their places; inside a test everything is one.
    fn of(definitions: &[Tag]) -> Self {
        let mut tests: Vec<(u32, u32)> = Vec::new();
        for tag in definitions.iter().filter(|tag| tag.is_test) {
            match tests.last_mut() {
                Some((_, end)) if tag.start_line <= *end => *end = tag.end_line.max(*end),
                _ => tests.push((tag.start_line, tag.end_line)),
            }
        }
        Self(tests)
    }

    fn hold(&self, line: u32) -> bool {
        let at = self.0.partition_point(|(start, _)| *start <= line);
        at > 0 && self.0[at - 1].1 >= line
    }
}

/// The uses of each name in a file as the store keeps them, and whether they stand in test code.
pub(crate) fn places(tags: &Tags, path_is_test: bool) -> Vec<(&str, Vec<Place>)> {
    let tests = TestLines::of(&tags.definitions);
    tags.uses
        .chunk_by(|one, other| one.name == other.name)
        .map(|group| {
            let places = group.iter().map(|one| Place {
                line: one.line,
                kind: one.kind,
                is_test: path_is_test || tests.hold(one.line),
            });
            (group[0].name.as_str(), places.collect())
        })
        .collect()
}

/// The files whose grammar says that they use a name.
pub(crate) fn tagged<'a>(engine: &Engine, snapshot: &'a Snapshot, name: &str) -> Result<Usage<'a>, Failure> {
    let mut usage = Usage::default();
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
            usage.files.insert(record.path.as_str(), Using { record, spot: uses.spot, places, text: None });
        }
    }
    Ok(usage)
}

fn of_name(tags: &Tags, record: &Record, name: &str) -> Vec<Place> {
    let all = places(tags, crate::rank::is_test_path(&record.path));
    all.into_iter().find(|(one, _)| *one == name).map(|(_, places)| places).unwrap_or_default()
}

/// How much may be read for mentions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// A few of the nearest files: for one of many names.
    Near,
    /// What a person waits for: the nearest files first. Only paths tell tests.
    Bounded,
    /// The same, and definitions tell tests too.
    Exact,
    /// Every file.
    Full,
}

impl Effort {
    /// What a question about tests or not needs.
    pub(crate) fn of(tests: Tests) -> Self {
        if tests == Tests::Any { Self::Bounded } else { Self::Exact }
    }
}

/// Add the lines that hold a name as a whole word without using it as a grammar knows: values, comments, other texts.
/// `far` orders the files: those it gives the least for are read first.
pub(crate) fn add_mentions<'a>(
    engine: &Engine,
    snapshot: &'a Snapshot,
    name: &str,
    usage: &mut Usage<'a>,
    effort: Effort,
    far: &dyn Fn(&Record) -> u8,
) -> Result<(), Failure> {
    // The text of a file is kept in terms; its words in lower case are among them.
    let mut terms = words(name);
    let (Some(term), None) = (terms.next(), terms.next()) else { return Ok(()) };
    let defining = files_with(engine, snapshot, Ask::Definition, name)?;
    // Names of one letter are no terms; the files that define it are the best guess.
    let mut files = if term.chars().nth(1).is_none() {
        defining.clone()
    } else {
        files_with(engine, snapshot, Ask::FileBody, &term.to_lowercase())?
    };
    let defining: BTreeSet<Spot> = defining.into_iter().map(|(spot, _)| spot).collect();
    if effort != Effort::Full {
        files.sort_by_cached_key(|(_, record)| (far(record), &record.path));
        let mut bytes = 0;
        let enough = files.iter().position(|(_, record)| {
            bytes += record.stat.bytes;
            bytes > MENTION_BYTES
        });
        let most = if effort == Effort::Near { NEAR_FILES } else { MENTION_FILES };
        let kept = enough.unwrap_or(files.len()).min(most);
        usage.unread = files.len() - kept;
        files.truncate(kept);
    }
    for ((spot, record), found) in files.iter().copied().zip(read_for(engine, &files, name)) {
        let Some((text, mut found)) = found else { continue };
        if let Some(known) = usage.files.get(record.path.as_str()) {
            found.retain(|line| known.places.binary_search_by_key(line, |place| place.line).is_err());
        }
        if found.is_empty() {
            continue;
        }
        let path_is_test = crate::rank::is_test_path(&record.path);
        let mut in_tests: Option<TestLines> = None;
        if defining.contains(&spot)
            || effort == Effort::Exact
            || is_current(&engine.root, record) != Some(true)
        {
            let tags = Source::definitions(engine, snapshot, spot, record)?.unwrap_or_default();
            found.retain(|line| {
                !tags.iter().any(|tag| tag.line == *line && tag.name == name && tag.is_symbol())
            });
            in_tests = Some(TestLines::of(&tags));
        }
        let known = |line| path_is_test || in_tests.as_ref().is_some_and(|tests| tests.hold(line));
        let places = found.into_iter().map(|line| Place { line, kind: 0, is_test: known(line) });
        let places: Vec<Place> = places.collect();
        let file = usage.files.entry(&record.path).or_insert_with(|| Using {
            record,
            spot,
            places: Vec::new(),
            text: None,
        });
        file.places.extend(places);
        file.places.sort_unstable();
        if effort != Effort::Full {
            file.text = Some(text);
        }
    }
    usage.files.retain(|_, file| !file.places.is_empty());
    Ok(())
}

/// The texts that hold a name, with its lines, read on all cores.
fn read_for(engine: &Engine, files: &[(Spot, &Record)], name: &str) -> Vec<Option<(String, Vec<u32>)>> {
    let look = |(_, record): &(Spot, &Record)| {
        let text = read(engine, record).filter(|text| text.contains(name))?;
        let lines = lines_with(&text, &LineIndex::new(&text), name);
        Some((text, lines))
    };
    let threads = walk::threads().min(MOST_THREADS);
    if threads < 2 || files.len() < FILES_A_THREAD {
        return files.iter().map(look).collect();
    }
    std::thread::scope(|scope| {
        let parts: Vec<_> = files
            .chunks(files.len().div_ceil(threads))
            .map(|part| (part.len(), scope.spawn(move || part.iter().map(look).collect::<Vec<_>>())))
            .collect();
        // A thread that gave up has found nothing.
        let read = |(count, part): (usize, std::thread::ScopedJoinHandle<'_, Vec<_>>)| {
            part.join().unwrap_or_else(|_| std::iter::repeat_with(|| None).take(count).collect())
        };
        parts.into_iter().flat_map(read).collect()
    })
}

/// The lines that hold a name as a whole word.
fn lines_with(text: &str, lines: &LineIndex, name: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for at in whole_words(text, name) {
        let line = lines.line(at);
        if found.last() != Some(&line) {
            found.push(line);
        }
    }
    found
}

/// Where a name stands as a whole word.
pub(crate) fn whole_words<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let apart = |character: Option<char>| !character.is_some_and(is_word_character);
    text.match_indices(name).map(|(at, _)| at).filter(move |&at| {
        apart(text[..at].chars().next_back()) && apart(text[at + name.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{USE_KINDS, languages};

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
