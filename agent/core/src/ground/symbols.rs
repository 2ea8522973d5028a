//! Owns the names that words and results can mean.
//! Uses the index through `World`.
//! Never offers a common word, unless the index defines it and it stands as a name.

use super::World;
use super::words::{Name, Shape, Words, is_common, unique};
use crate::tools::Outcome;

/// Words in a run that may together be one name: `load config file`.
const MAX_RUN: usize = 4;
/// Names from results.
const MAX_FROM_RESULTS: usize = 6;

/// What can stand for a symbol.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    /// Names of the words that the index defines, code-shaped ones first.
    defined: Vec<String>,
    /// Code-shaped words that it does not.
    unknown: Vec<String>,
    /// Names that only look like some, for when there is nothing better.
    weak: Vec<String>,
    /// Names that the results define.
    results: Vec<String>,
    /// Names that stand before `to`: what `rename X to Y` is about, defined or not.
    renamed: Vec<String>,
    /// Words that can be a new name.
    new_names: Vec<String>,
    /// Code-shaped words, known or not.
    code_like: Vec<String>,
}

impl Symbols {
    /// What a question can be about.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut found: Vec<String> =
            self.defined.iter().chain(&self.unknown).chain(&self.results).cloned().collect();
        if found.is_empty() {
            found.clone_from(&self.weak);
        }
        unique(found)
    }

    /// What can be renamed: what stands before `to`, else what is defined, else what looks like a name; a local
    /// variable is in no index.
    pub(crate) fn to_rename(&self) -> Vec<String> {
        if !self.renamed.is_empty() {
            return self.renamed.clone();
        }
        let found = unique(self.defined.iter().chain(&self.results).cloned());
        let rest = unique(self.unknown.iter().chain(&self.weak).cloned());
        if self.defined.is_empty() { unique(found.into_iter().chain(rest)) } else { found }
    }

    /// What it can be renamed to.
    pub(crate) fn new_names(&self) -> Vec<String> {
        let only = if self.to_rename().len() == 1 { self.to_rename().pop() } else { None };
        self.new_names.iter().filter(|name| Some(*name) != only.as_ref()).cloned().collect()
    }

    pub(crate) fn code_like(&self) -> Vec<String> {
        self.code_like.clone()
    }
}

pub(crate) fn find(words: &Words<'_>, earlier: &[Outcome], world: &dyn World) -> Symbols {
    let mut symbols = Symbols::default();
    let mut names: Vec<&Name<'_>> = words.names.iter().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.shape));
    for name in &names {
        let text = name.text;
        let last = text.rsplit(['.', '#']).next().unwrap_or(text).rsplit("::").next().unwrap_or(text);
        if world.defines(text) {
            symbols.defined.push(text.to_owned());
        } else if last != text && world.defines(last) {
            // The index narrows a qualified name by its parent; the bare one is there when that fails.
            symbols.defined.push(text.to_owned());
            symbols.defined.push(last.to_owned());
        } else if name.shape == Shape::Code {
            let alike = world.symbols_like(text);
            symbols.defined.extend(alike.into_iter().take(3));
            symbols.unknown.push(text.to_owned());
        } else if name.shape == Shape::Named && !is_common(text) {
            symbols.weak.push(text.to_owned());
        }
        if name.shape == Shape::Code {
            symbols.code_like.push(text.to_owned());
        }
    }
    if symbols.defined.is_empty() {
        symbols.defined = in_other_words(words, world);
    }
    symbols.weak.extend(asked_by_position(words));
    symbols.results = from_results(earlier, world);
    symbols.new_names = new_names(words);
    symbols.renamed = renamed(words, &symbols);
    symbols.defined = unique(std::mem::take(&mut symbols.defined));
    // A plain word that happens to be defined is no match for a name that is written as one, unless it stands as one.
    let has_code = names.iter().any(|name| name.shape == Shape::Code);
    if has_code {
        let plain = |text: &str| names.iter().any(|name| name.text == text && name.shape == Shape::Plain);
        let strong = symbols.defined.iter().filter(|text| !plain(text)).cloned();
        let strong: Vec<String> = strong.collect();
        if !strong.is_empty() {
            let (kept, _): (Vec<String>, Vec<String>) =
                symbols.defined.iter().cloned().partition(|text| !plain(text) || stands_as_name(words, text));
            symbols.defined = kept;
        }
    }
    symbols
}

/// Whether a plain word stands where names stand: behind `calls`, `of`, `rename`.
fn stands_as_name(words: &Words<'_>, text: &str) -> bool {
    const BEFORE: &[&str] = &[
        "calls", "call", "of", "rename", "uses", "use", "function", "called", "named", "is", "does",
        "invokes", "calling", "using", "symbol", "method",
    ];
    words.names.iter().any(|name| name.text == text && BEFORE.contains(&name.before.to_lowercase().as_str()))
}

/// The names of the request that stand right before `to`, `into`, `as` or an arrow.
fn renamed(words: &Words<'_>, symbols: &Symbols) -> Vec<String> {
    let pieces: Vec<&str> = words.text.split_whitespace().collect();
    let known = |name: &str| {
        [&symbols.defined, &symbols.unknown, &symbols.weak]
            .iter()
            .any(|names| names.iter().any(|known| known == name))
    };
    let names = pieces
        .windows(2)
        .filter(|pair| ["to", "into", "as", "->", "=>", "→"].contains(&pair[1]))
        .map(|pair| pair[0].trim_matches(|character: char| "\"'`“”,;:?!()".contains(character)).to_owned());
    unique(names.filter(|name| known(name)))
}

/// `load config` → `load_config`, `resolver` → `Resolver`: the same letters in another form.
fn in_other_words(words: &Words<'_>, world: &dyn World) -> Vec<String> {
    // `src/glob.rs` says where, and nothing about a symbol `glob`.
    let text = words.paths.iter().fold(words.text.to_owned(), |text, path| text.replace(path, " "));
    let pieces: Vec<&str> = text
        .split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|piece| !piece.is_empty())
        .collect();
    // Common words are part of names (`is_done`), but never the whole of a run, and never at both its ends.
    for length in (1..=MAX_RUN).rev() {
        let mut found = Vec::new();
        for run in pieces.windows(length) {
            let common = run.iter().filter(|piece| is_common(piece)).count();
            if common == length || length == 1 && run[0].len() < 3 || common * 2 > length {
                continue;
            }
            found.extend(world.symbols_like(&run.join(" ")).into_iter().take(3));
        }
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// Words that stand where a question has its name, for names nobody knows: `who calls foo`, `where is foo defined`.
fn asked_by_position(words: &Words<'_>) -> Vec<String> {
    const BEFORE: &[&str] = &[
        "calls",
        "of",
        "invokes",
        "called",
        "named",
        "rename",
        "imports",
        "symbol",
        "function",
        "class",
        "method",
        "struct",
        "explain",
        "implements",
    ];
    const AFTER: &[&str] = &[
        "defined",
        "declared",
        "implemented",
        "called",
        "used",
        "invoked",
        "do",
        "mean",
        "referenced",
        "live",
        "located",
    ];
    let pieces: Vec<&str> = words
        .text
        .split_whitespace()
        .map(|piece| {
            piece.trim_matches(|character: char| "\"'`“”,;:?!()".contains(character)).trim_end_matches('.')
        })
        .collect();
    let lower = |at: usize| pieces.get(at).map(|piece| piece.to_lowercase()).unwrap_or_default();
    let mut found = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let plain =
            piece.chars().all(|character| character.is_alphanumeric() || character == '_') && piece.len() > 1;
        if !plain || is_common(piece) || piece.chars().all(|character| character.is_numeric()) {
            continue;
        }
        let before = at.checked_sub(1).map(&lower).unwrap_or_default();
        let behind_is = ["is", "are", "was", "does", "wheres", "where's"].contains(&before.as_str());
        if BEFORE.contains(&before.as_str())
            || behind_is && (AFTER.contains(&lower(at + 1).as_str()) || at + 1 == pieces.len())
        {
            found.push((*piece).to_owned());
        }
    }
    found
}

/// The names that results define or enclose, best first.
fn from_results(earlier: &[Outcome], world: &dyn World) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for evidence in earlier.iter().rev().flat_map(|outcome| &outcome.evidence) {
        let label = evidence.label.as_str();
        if [
            "line", "doc", "body", "telling", "file", "result", "place", "status", "branch", "commit",
            "total", "similar",
        ]
        .contains(&label)
        {
            continue;
        }
        // `fn load` and `call in load` name it; a signature holds it.
        let labelled = label.rsplit(' ').next().filter(|name| *name != label && world.defines(name));
        let name = labelled.map(str::to_owned).or_else(|| {
            let words = Words::new(&evidence.text);
            words.names.iter().map(|name| name.text).find(|name| world.defines(name)).map(str::to_owned)
        });
        if let Some(name) = name
            && !found.contains(&name)
        {
            found.push(name);
        }
        if found.len() == MAX_FROM_RESULTS {
            break;
        }
    }
    found
}

/// Identifiers that can be a new name: code-shaped ones, quoted ones, capitals, and what stands behind `to`.
fn new_names(words: &Words<'_>) -> Vec<String> {
    // `Thing` in mid-sentence may be defined, but nobody renames to a common word in capitals.
    const BEHIND: &[&str] = &[
        "to", "into", "as", "be", "called", "named", "name", "it", "with", "by", "instead", "should", "call",
        "like", "becomes",
    ];
    let mut found: Vec<String> = words
        .names
        .iter()
        .filter(|name| name.shape > Shape::Plain && !name.text.contains(['.', ':']) && !is_common(name.text))
        .map(|name| name.text.to_owned())
        .collect();
    let pieces: Vec<&str> = words.text.split_whitespace().collect();
    for pair in pieces.windows(2) {
        let trim = |piece: &str| {
            piece.trim_matches(|character: char| "\"'`“”,;:?!().".contains(character)).to_owned()
        };
        let (before, name) = (trim(pair[0]).to_lowercase(), trim(pair[1]));
        let behind = BEHIND.contains(&before.as_str())
            || ["->", "=>", "→"].contains(&pair[0])
            || pair[0].ends_with(':');
        let identifier =
            name.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_' || first == '$')
                && name
                    .chars()
                    .all(|character| character.is_alphanumeric() || character == '_' || character == '$');
        if behind && identifier && !is_common(&name) {
            found.push(name);
        }
    }
    unique(found)
}
