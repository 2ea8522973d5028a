//! Owns how a query is read: its kind, its terms, the names, runs, paths and frames in it.
//! Uses `tokenize`.
//! Never looks anything up: the same text is always read the same.

use std::collections::{HashMap, HashSet};

use super::relatives::relatives;
use crate::tokenize::{identifier_parts, normalise, terms, words};

/// Of a longer query, a log for example, the beginning and the end are read: messages stand at either.
const LONGEST_END: usize = 6_000;
/// So many different words of a query are looked at.
const MOST_WORDS: usize = 300;
/// So many runs of words are tried as names.
const MOST_RUNS: usize = 160;
/// So many pairs of words are tried as one identifier.
const MOST_PAIRS: usize = 48;
/// What a term of the explanation below the first line counts.
const BELOW: f32 = 0.4;
/// What a part or a stem counts beside its whole word.
const PART: f32 = 0.7;

/// What a derivation or an abbreviation of a word counts, and for how many words they are tried.
const RELATED: f32 = 0.35;
const MOST_WITH_RELATIVES: usize = 16;

/// Words that questions are made of.
const STOP_WORDS: &[&str] = &[
    "a", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do",
    "does", "for", "from", "had", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its", "me",
    "my", "no", "not", "of", "on", "or", "our", "should", "show", "so", "some", "that", "the", "their",
    "then", "there", "these", "they", "this", "to", "us", "was", "we", "were", "what", "when", "where",
    "which", "who", "why", "will", "with", "would", "you", "your",
];

/// What a query looks like.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Words, with or without names in them.
    #[default]
    Words,
    /// One name, perhaps with its parents: `Foo::bar`, `a.b()`.
    Symbol,
    /// A path, perhaps with a line.
    Path,
    /// The frames of a stack, with the message above or below them.
    Trace,
}

impl Kind {
    /// As answers name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Symbol => "symbol",
            Self::Path => "path",
            Self::Trace => "trace",
        }
    }
}

/// One term.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    pub(crate) text: String,
    pub(crate) weight: f32,
    /// It stands in the first line.
    pub(crate) in_title: bool,
    /// It is part of something written as code.
    pub(crate) is_code: bool,
}

/// A name that may be defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) text: String,
    /// Words it was written with.
    pub(crate) width: usize,
    /// It is all of the query.
    pub(crate) is_whole: bool,
    pub(crate) is_code: bool,
}

/// A path that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedPath {
    pub(crate) path: String,
    /// From 1.
    pub(crate) line: Option<u32>,
}

/// A query, read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Reading {
    pub(crate) kind: Kind,
    pub(crate) terms: Vec<Term>,
    /// Names as they are written.
    pub(crate) names: Vec<Name>,
    /// Names without case and separators, of one word or of several in a row.
    pub(crate) runs: Vec<Name>,
    /// Neighbouring words as one identifier would write them, as terms: `poll_read`, `pollread`.
    pub(crate) pairs: Vec<[String; 2]>,
    /// All of a short query as one name, in the customs of writing.
    pub(crate) forms: Vec<String>,
    /// Most telling first.
    pub(crate) paths: Vec<NamedPath>,
    /// Tests were asked for.
    pub(crate) wants_tests: bool,
}

/// One word of a query.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    in_title: bool,
    is_code: bool,
}

/// Read a query.
pub(crate) fn read(text: &str) -> Reading {
    let text = &shorten(text);
    let mut reading = Reading { paths: paths(text), ..Reading::default() };
    let all = query_words(text);
    let mut kept: Vec<Word<'_>> = all
        .iter()
        .copied()
        .filter(|word| word.is_code || !STOP_WORDS.contains(&word.text.to_lowercase().as_str()))
        .collect();
    if kept.is_empty() {
        kept.clone_from(&all);
    }
    reading.kind = kind(text, &reading.paths);
    read_terms(&kept, &mut reading);
    if reading.kind == Kind::Words {
        add_relatives(&kept, &mut reading);
    }
    read_names(&all, &kept, &mut reading);
    // A long explanation mentions tests that came along; who looks for tests says so first.
    reading.wants_tests = all.iter().take_while(|word| word.in_title).take(12).any(|word| {
        identifier_parts(word.text).iter().any(|part| {
            matches!(part.as_str(), "test" | "tests" | "testing" | "example" | "examples" | "bench" | "spec")
        })
    });
    reading
}

fn shorten(text: &str) -> String {
    if text.len() <= 2 * LONGEST_END {
        return text.to_owned();
    }
    let (mut head, mut tail) = (LONGEST_END, text.len() - LONGEST_END);
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    format!("{}\n{}", &text[..head], &text[tail..])
}

/// The words in order, with where they stand and how they are written.
fn query_words(text: &str) -> Vec<Word<'_>> {
    let mut found = Vec::new();
    let title = text.trim_start().lines().next().map_or(0, |line| {
        let before = text.len() - text.trim_start().len();
        before + line.len()
    });
    let mut in_code = false;
    let mut at = 0;
    for piece in text.split_inclusive('`') {
        let ticked = in_code && piece.ends_with('`') && piece.len() < 120;
        for word in words(piece) {
            let start = at + (word.as_ptr() as usize - piece.as_ptr() as usize);
            let is_code = ticked || is_identifier(word);
            found.push(Word { text: word, in_title: start < title, is_code });
        }
        at += piece.len();
        // A fence or a stray tick does not turn the rest into code.
        in_code = if ticked { false } else { piece.ends_with('`') };
    }
    found.truncate(MOST_WORDS * 4);
    found
}

fn read_terms(kept: &[Word<'_>], reading: &mut Reading) {
    let mut places: HashMap<String, (usize, u32)> = HashMap::new();
    let mut different = HashSet::new();
    for word in kept {
        if different.insert(word.text) && different.len() > MOST_WORDS {
            break;
        }
        for (number, term) in terms(word.text).into_iter().enumerate() {
            let weight = if number == 0 { 1.0 } else { PART } * if word.in_title { 1.0 } else { BELOW };
            let (place, times) = places.entry(term.clone()).or_insert_with(|| (reading.terms.len(), 0));
            *times += 1;
            match reading.terms.get_mut(*place) {
                Some(known) => {
                    known.weight = known.weight.max(weight);
                    known.in_title |= word.in_title;
                    known.is_code |= word.is_code;
                }
                None => reading.terms.push(Term {
                    text: term,
                    weight,
                    in_title: word.in_title,
                    is_code: word.is_code,
                }),
            }
        }
    }
    for (place, times) in places.into_values() {
        reading.terms[place].weight *= 1.0 + (times as f32).ln();
    }
}

/// Words of the first line bring theirs along, for texts that say it otherwise.
fn add_relatives(kept: &[Word<'_>], reading: &mut Reading) {
    let mut known: HashSet<String> = reading.terms.iter().map(|term| term.text.clone()).collect();
    for word in kept.iter().filter(|word| word.in_title).take(MOST_WITH_RELATIVES) {
        for other in relatives(&word.text.to_lowercase()) {
            // The stem says the same and finds more.
            if let Some(text) = terms(&other).pop()
                && known.insert(text.clone())
            {
                reading.terms.push(Term { text, weight: RELATED, in_title: true, is_code: false });
            }
        }
    }
}

fn read_names(all: &[Word<'_>], kept: &[Word<'_>], reading: &mut Reading) {
    let alone = all.len() == 1;
    let mut seen = HashSet::new();
    let last = kept.last().map(|word| word.text);
    for word in kept {
        let is_last_of_symbol = reading.kind == Kind::Symbol && Some(word.text) == last;
        let may_name = kept.len() == 1 || word.is_code || reading.kind == Kind::Symbol;
        if may_name && reading.names.len() < MOST_RUNS && seen.insert(word.text) {
            reading.names.push(Name {
                text: word.text.to_owned(),
                width: 1,
                is_whole: alone || is_last_of_symbol,
                is_code: word.is_code,
            });
        }
    }
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut offer = |run: &[Word<'_>], is_whole: bool| {
        let text = normalise(&run.iter().map(|word| word.text).collect::<String>());
        if text.len() < 3 || text.len() > 80 {
            return;
        }
        let name = Name {
            width: run.len(),
            is_whole,
            is_code: run.iter().all(|word| word.is_code),
            text: text.clone(),
        };
        match known.get(&text) {
            Some(&at) => {
                let before: &mut Name = &mut reading.runs[at];
                before.is_whole |= is_whole;
                before.is_code |= name.is_code;
                before.width = before.width.max(name.width);
            }
            None if reading.runs.len() < MOST_RUNS || is_whole => {
                known.insert(text, reading.runs.len());
                reading.runs.push(name);
            }
            None => {}
        }
    };
    if all.len() <= 8 {
        // Stop words can be part of a name (`is_empty`, `to_string`); only where nothing has that name, they count for nothing.
        offer(all, true);
        offer(kept, true);
    }
    reading.forms = forms(reading.kind, all);
    if let Some(last) = kept.last().filter(|_| reading.kind == Kind::Symbol) {
        offer(&[*last], true);
    }
    let title = all.iter().take_while(|word| word.in_title).count();
    let (title, below) = all.split_at(title);
    for (part, widest) in [(title, 4), (below, 3)] {
        for width in 2..=widest {
            for run in part.windows(width) {
                offer(run, false);
            }
        }
    }
    for word in kept.iter().filter(|word| word.text.len() > 3) {
        offer(&[*word], false);
    }
    let mut pairs = HashSet::new();
    for pair in title.windows(2).chain(below.windows(2)) {
        let [one, other] = [pair[0].text.to_lowercase(), pair[1].text.to_lowercase()];
        if pairs.len() < MOST_PAIRS && pairs.insert((one.clone(), other.clone())) {
            reading.pairs.push([format!("{one}_{other}"), format!("{one}{other}")]);
        }
    }
}

/// `load_config`, `loadConfig`, `LoadConfig`, `LOAD_CONFIG` for `load config`; a name alone as it is.
fn forms(kind: Kind, all: &[Word<'_>]) -> Vec<String> {
    match (kind, all) {
        (Kind::Symbol, [.., last]) => vec![last.text.to_owned()],
        (Kind::Words, [_, _] | [_, _, _] | [_, _, _, _]) => {
            let low: Vec<String> = all.iter().map(|word| word.text.to_lowercase()).collect();
            let high = |word: &String| {
                let mut letters = word.chars();
                letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
            };
            let pascal: String = low.iter().map(high).collect();
            let camel = low[0].clone() + &low[1..].iter().map(high).collect::<String>();
            let snake = low.join("_");
            let screaming = snake.to_uppercase();
            vec![snake, camel, pascal, screaming]
        }
        _ => Vec::new(),
    }
}

/// `load_config`, `LoadConfig`, `HTTP2`: not a word of prose.
fn is_identifier(word: &str) -> bool {
    let inner_capital = word.chars().skip(1).any(char::is_uppercase);
    let all_capitals = !word.chars().any(char::is_lowercase);
    word.trim_matches('_').contains('_')
        || inner_capital && !(all_capitals && word.len() < 4)
        || word.chars().any(|character| character.is_ascii_digit()) && word.chars().any(char::is_alphabetic)
}

fn kind(text: &str, paths: &[NamedPath]) -> Kind {
    let trimmed = text.trim().trim_matches('`');
    let lines = text.lines().count();
    if paths.iter().filter(|path| path.line.is_some()).count() > 1 && lines > 1 {
        return Kind::Trace;
    }
    if trimmed.split_whitespace().count() == 1 {
        if !paths.is_empty() {
            return Kind::Path;
        }
        if trimmed.chars().any(char::is_alphanumeric) {
            return Kind::Symbol;
        }
    }
    Kind::Words
}

/// The paths in a text: most telling first, each once.
fn paths(text: &str) -> Vec<NamedPath> {
    let mut found: Vec<NamedPath> = Vec::new();
    // Python shows the innermost frame last.
    let mut from_python = 0;
    for line in text.lines() {
        let quoted = line.trim_start().strip_prefix("File \"").and_then(|rest| {
            let (path, rest) = rest.split_once('"')?;
            let line = rest.split_once("line ").and_then(|(_, digits)| number(digits));
            Some(NamedPath { path: clean_path(path)?, line })
        });
        if let Some(path) = quoted {
            found.retain(|known| *known != path);
            found.insert(0, path);
            from_python += 1;
            continue;
        }
        for piece in
            line.split(|character: char| character.is_whitespace() || "()[]{}<>`'\",;|=".contains(character))
        {
            if let Some(path) = named_path(piece)
                && !found.contains(&path)
            {
                found.push(path);
            }
        }
        if found.len() > 60 + from_python {
            break;
        }
    }
    found.truncate(60);
    found
}

fn number(digits: &str) -> Option<u32> {
    let end = digits.find(|character: char| !character.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// `src/x.rs`, `src/x.rs:12:3`, `x.go:12`; a bare name needs an ending that files have.
fn named_path(piece: &str) -> Option<NamedPath> {
    let piece = piece.trim_start_matches(['?', '!', ':', '*']).trim_end_matches(['.', ':', '?', '!', '*']);
    // The letter of a drive says nothing about a tree.
    let piece = match piece.as_bytes() {
        [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic() => &piece[2..],
        _ => piece,
    };
    let (path, line) = match piece.find(':') {
        Some(at) if piece[at + 1..].starts_with(|character: char| character.is_ascii_digit()) => {
            (&piece[..at], number(&piece[at + 1..]))
        }
        Some(_) if piece.contains("://") => return None,
        Some(_) => return None,
        None => (piece, None),
    };
    Some(NamedPath { path: clean_path(path)?, line })
}

fn clean_path(path: &str) -> Option<String> {
    let path = path.replace('\\', "/");
    let path = path.trim_start_matches("./");
    let name = path.rsplit('/').next().unwrap_or(path);
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let has_ending = (1..=6).contains(&ending.len())
        && !stem.is_empty()
        && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && ending.bytes().any(|byte| byte.is_ascii_lowercase());
    // `a.b` may be a field; `a/b` may be a choice. A path has several parts or an ending that files have.
    let has_folder = path.trim_end_matches('/').contains('/');
    let is_path = path.len() > 2
        && path.len() < 400
        && !path.contains("::")
        && !path.contains("//")
        && (has_folder && path.chars().any(char::is_alphanumeric)
            || has_ending && KNOWN_ENDINGS.contains(&ending));
    is_path.then(|| path.trim_end_matches('/').to_owned())
}

/// Endings that make a bare `name.ending` a file rather than a field.
const KNOWN_ENDINGS: &[&str] = &[
    "bash", "c", "cc", "cfg", "cjs", "cpp", "cs", "css", "cts", "cxx", "ex", "exs", "go", "gradle", "h",
    "hpp", "hs", "html", "ini", "java", "jl", "js", "json", "jsx", "kt", "kts", "lock", "lua", "md", "mjs",
    "ml", "mod", "mts", "php", "proto", "py", "pyi", "rb", "rs", "rst", "sass", "scala", "scss", "sh", "sql",
    "sum", "svelte", "swift", "toml", "ts", "tsx", "txt", "vue", "xml", "yaml", "yml", "zig",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check_kind(text: &str, kind: Kind) {
        assert_eq!(read(text).kind, kind, "{text}");
    }

    #[test]
    fn kinds_are_told_apart() {
        check_kind("load_config", Kind::Symbol);
        check_kind("Foo::bar", Kind::Symbol);
        check_kind("a.b()", Kind::Symbol);
        check_kind("`Semaphore`", Kind::Symbol);
        check_kind("src/walk.rs", Kind::Path);
        check_kind("walk.rs:12", Kind::Path);
        check_kind("Makefile.toml", Kind::Path);
        check_kind("where is the configuration loaded", Kind::Words);
        check_kind("load config", Kind::Words);
        check_kind("", Kind::Words);
        check_kind("thread 'main' panicked at src/a.rs:1:2:\nboom\n   at ./src/b.rs:9", Kind::Trace);
        check_kind(
            "Traceback\n  File \"a/x.py\", line 3, in f\n  File \"a/y.py\", line 4, in g\nValueError: no",
            Kind::Trace,
        );
    }

    fn check_paths(text: &str, expect: &[(&str, Option<u32>)]) {
        let found: Vec<_> = read(text).paths.into_iter().map(|path| (path.path, path.line)).collect();
        let expect: Vec<_> = expect.iter().map(|(path, line)| ((*path).to_owned(), *line)).collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn paths_and_frames_are_found() {
        check_paths("look at src/walk.rs, please", &[("src/walk.rs", None)]);
        check_paths("./src/x.rs:12:3 fails", &[("src/x.rs", Some(12))]);
        check_paths("panicked at src/x.rs:1:2:", &[("src/x.rs", Some(1))]);
        check_paths("\tat a.b.C.m(C.java:5)", &[("C.java", Some(5))]);
        check_paths("/srv/x.go:12 +0x1d", &[("/srv/x.go", Some(12))]);
        check_paths("    at f (/a/b/file.js:10:5)", &[("/a/b/file.js", Some(10))]);
        check_paths(
            "  File \"x.py\", line 3, in f\n  File \"y.py\", line 4",
            &[("y.py", Some(4)), ("x.py", Some(3))],
        );
        check_paths("C:\\a\\b.cs:7", &[("/a/b.cs", Some(7))]);
        check_paths("use https://a.b/c.rs and self.value or std::io", &[]);
    }

    fn names(text: &str) -> Vec<String> {
        read(text).names.into_iter().map(|name| name.text).collect()
    }

    #[test]
    fn queries_are_read() {
        assert_eq!(names("where is load_config defined?"), ["load_config"]);
        assert_eq!(names("Semaphore"), ["Semaphore"]);
        assert_eq!(names("how are retries computed"), [""; 0]);
        assert_eq!(names("the `retry` of a request"), ["retry"]);
        assert!(read("is empty").runs.iter().any(|name| name.text == "isempty" && name.is_whole));
        assert!(read("Foo::bar").names.iter().any(|name| name.text == "bar" && name.is_whole));
        assert_eq!(read("load config").forms, ["load_config", "loadConfig", "LoadConfig", "LOAD_CONFIG"]);
        assert_eq!(read("Foo::bar").forms, ["bar"]);
        assert!(read("tests of the parser").wants_tests);
        assert!(!read("latest version").wants_tests);
        assert_eq!(read("the").terms.len(), 1);
        assert_eq!(read("?!"), Reading::default());
        assert!(read("a b\nmore words").terms.iter().any(|term| term.text == "words" && !term.in_title));
    }

    #[test]
    fn any_query_is_read() {
        read(&"word ".repeat(30_000));
        read(&"\u{0}\u{fffd}é".repeat(20_000));
        assert!(!read("配置文件").terms.is_empty());
        assert!(!read("где настройки").terms.is_empty());
    }
}
