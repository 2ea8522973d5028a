//! Owns the files and folders that words and results name.
//! Uses the list of files.
//! Never guesses a name that neither the words nor the results hold.

use std::collections::{BTreeSet, HashSet};

use super::words::{Words, is_common, unique};
use crate::tools::Outcome;

/// Files from results.
const MAX_FROM_RESULTS: usize = 8;

/// What can stand for a path.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Existing files that the words name, the surest first.
    existing: Vec<String>,
    /// Words that look like paths and do not exist.
    missing: Vec<String>,
    /// Files that the results name.
    results: Vec<String>,
    folders: Vec<String>,
}

impl Places {
    pub(crate) fn find(words: &Words<'_>, earlier: &[Outcome], paths: &[String]) -> Self {
        let mut places = Self::default();
        for written in &words.paths {
            let written = written.trim_start_matches("./");
            let found = named(written, paths);
            if !found.is_empty() {
                places.existing.extend(found);
            } else if !written.ends_with('/') {
                places.missing.push(written.to_owned());
            }
        }
        if let Some(name) = file_called(words) {
            let found = named(name, paths);
            if found.is_empty() {
                places.missing.push(name.to_owned())
            } else {
                places.existing.extend(found)
            }
        }
        if places.existing.is_empty() && places.missing.is_empty() {
            places.existing = by_stem(words, paths);
        }
        let mentioned = earlier.iter().rev().flat_map(|outcome| {
            let located = outcome.locations.iter().map(|location| location.path.clone());
            outcome.changed.iter().cloned().chain(located)
        });
        places.results =
            unique(mentioned.filter(|path| !path.is_empty())).into_iter().take(MAX_FROM_RESULTS).collect();
        places.folders = folders(words, paths);
        // A folder is not a missing file.
        places.missing.retain(|path| !places.folders.contains(path));
        places.existing = unique(places.existing);
        places
    }

    /// Files to read or change: existing ones, those of the results, and, so that an answer can say so, missing ones.
    pub(crate) fn files(&self) -> Vec<String> {
        unique(self.existing.iter().chain(&self.missing).chain(&self.results).cloned())
    }

    /// Files to write: those named, whether they exist or not.
    pub(crate) fn files_old_and_new(&self) -> Vec<String> {
        unique(self.missing.iter().chain(&self.existing).chain(&self.results).cloned())
    }

    /// Where to search.
    pub(crate) fn files_and_folders(&self) -> Vec<String> {
        unique(self.existing.iter().chain(&self.folders).chain(&self.missing).cloned())
    }

    pub(crate) fn folders(&self) -> &[String] {
        &self.folders
    }
}

/// The files a written path names: itself, else those that end in it, else those whose name it is in another case.
fn named(written: &str, paths: &[String]) -> Vec<String> {
    if paths.iter().any(|path| path == written) {
        return vec![written.to_owned()];
    }
    let ends = |path: &str, wanted: &str| {
        path.strip_suffix(wanted).is_some_and(|before| before.is_empty() || before.ends_with('/'))
    };
    let exact: Vec<String> = paths.iter().filter(|path| ends(path, written)).take(8).cloned().collect();
    if !exact.is_empty() {
        return exact;
    }
    let lower = written.to_lowercase();
    paths
        .iter()
        .filter(|path| path.len() >= lower.len() && ends(&path.to_lowercase(), &lower))
        .take(8)
        .cloned()
        .collect()
}

/// `a file called NAME`, `new file VERSION`: a name without an ending.
fn file_called<'a>(words: &Words<'a>) -> Option<&'a str> {
    let pieces: Vec<&str> = words
        .text
        .split_whitespace()
        .map(|piece| {
            piece.trim_matches(|character: char| "\"'`“”,;:?!()".contains(character)).trim_end_matches('.')
        })
        .collect();
    let at = pieces.iter().position(|piece| piece.eq_ignore_ascii_case("file"))?;
    let mut next = at + 1;
    while ["called", "named", "with", "the", "name", "at", "in", "as", "to"]
        .contains(&pieces.get(next)?.to_lowercase().as_str())
    {
        next += 1;
    }
    let name = *pieces.get(next)?;
    let named =
        next > at + 1 && ["called", "named", "name"].contains(&pieces[next - 1].to_lowercase().as_str());
    let capitals =
        name.len() > 2 && name.chars().all(|character| character.is_ascii_uppercase() || character == '_');
    let plain = name.chars().all(|character| character.is_alphanumeric() || "_-.".contains(character));
    (plain && !name.is_empty() && (named || capitals) && !is_common(name) && !words.paths.contains(&name))
        .then_some(name)
}

/// `the config module` → `src/config.rs`: files whose name without ending is a word of the request.
fn by_stem(words: &Words<'_>, paths: &[String]) -> Vec<String> {
    let wanted: HashSet<String> =
        words.lower().into_iter().filter(|word| word.len() >= 3 && !is_common(word)).collect();
    let mut found = Vec::new();
    for path in paths {
        let name = path.rsplit('/').next().unwrap_or(path);
        let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
        // Comparing without a copy first: most names hold no word of the request.
        if stem.len() >= 3 && wanted.contains(stem)
            || stem.chars().any(char::is_uppercase) && wanted.contains(&stem.to_lowercase())
        {
            found.push(path.clone());
        }
        if found.len() == 12 {
            break;
        }
    }
    found
}

/// Folders that the words name: a whole path, its end, or its last component.
fn folders(words: &Words<'_>, paths: &[String]) -> Vec<String> {
    let mut wanted: BTreeSet<&str> =
        words.paths.iter().map(|path| path.trim_start_matches("./").trim_end_matches('/')).collect();
    for piece in
        words.text.split(|character: char| character.is_whitespace() || "\"`“”‘’,;()?!:".contains(character))
    {
        let piece = piece.trim_end_matches('.').trim_end_matches('/').trim_start_matches("./");
        if piece.len() >= 2 && !["in", "is", "the", "a", "of", "to"].contains(&piece) {
            wanted.insert(piece);
        }
    }
    let mut found: BTreeSet<&str> = BTreeSet::new();
    // Many files share a folder, and many folders their parents: each is looked at once.
    let mut seen: HashSet<&str> = HashSet::new();
    for path in paths {
        let mut rest = path.as_str();
        while let Some((folder, _)) = rest.rsplit_once('/') {
            rest = folder;
            if !seen.insert(folder) {
                break;
            }
            let last = folder.rsplit('/').next().unwrap_or(folder);
            let named = wanted.contains(folder)
                || wanted.contains(last)
                || wanted.iter().any(|wanted| {
                    wanted.contains('/')
                        && folder.strip_suffix(wanted).is_some_and(|before| before.ends_with('/'))
                });
            if named {
                found.insert(folder);
            }
        }
    }
    let mut found: Vec<String> = found.into_iter().map(str::to_owned).collect();
    // `scripts` is the folder of that name before any below it.
    found.sort_by_key(|folder| (folder.matches('/').count(), folder.clone()));
    found.truncate(6);
    // A folder that is not there can be asked for: the answer says that nothing is in it.
    if found.is_empty() {
        found.extend(
            words
                .paths
                .iter()
                .filter(|path| path.ends_with('/') || !path.contains('.') && path.contains('/'))
                .map(|path| path.trim_end_matches('/').to_owned()),
        );
    }
    found
}
