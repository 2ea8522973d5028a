//! Owns what can be seen in the user's words without a project: quotations, names, paths, numbers.
//! Uses nothing.
//! Never decides what the words mean.

use std::collections::BTreeSet;

/// A request, taken apart once.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    /// The request.
    pub(crate) text: &'a str,
    /// What stands in quotation marks or backticks, in order.
    pub(crate) quoted: Vec<&'a str>,
    /// Every name, quoted or not, in order, each once.
    pub(crate) names: Vec<Name<'a>>,
    /// Words that look like paths, in order, each once, line suffixes taken off.
    pub(crate) paths: Vec<&'a str>,
    /// Whole numbers, in order, each once.
    pub(crate) numbers: Vec<u64>,
}

/// A word that could be the name of something in code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name<'a> {
    /// As written, qualified names whole: `Type::method`.
    pub(crate) text: &'a str,
    /// How sure its form is.
    pub(crate) shape: Shape,
    /// The word before it, to tell `of foo` and `to foo`.
    pub(crate) before: &'a str,
}

/// How much a word looks like code, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    /// An ordinary word.
    Plain,
    /// A capital in mid-sentence, or a word beside `function`, `class`, `called`, …
    Named,
    /// `snake_case`, `camelCase`, `call()`, `a::b`, or quoted.
    Code,
}

/// What words like `function` say about the word beside them.
const KINDS: &str = "function functions func fn method class struct enum trait interface type macro constant const \
    variable var module symbol identifier field component helper object named called name routine def";

/// Words that are never names, however they stand.
const COMMON: &str = "a about after afterwards again all also always am an and any anybody anyone anything anywhere are as \
    at back be been before being better but by call called caller callers calling calls can cant change \
    class code codebase come comes could declared declares defined defines definition did do does doing \
    done dont each else ever every everybody everyone everything everywhere exactly explain few file \
    files find first fixme fixmes folder for from function functions get gets give go good great hack \
    hacks had has have he hello help here hey hi how i id if ill im implementation implemented in inside \
    instead into is it its ive just know last let like line lines list live lives locate look made make \
    makes many may me mean means method methods might module more most much must my name named need \
    needs new next no not note notes now of off ok okay old on once one only open or other our out over \
    place places please pls plz print project put read real really rename renamed repo repository right \
    run said same say says see she should show so some somebody someone something somewhere still struct \
    such sure symbol take tell test tested tests than thanks that thats the their them then there theres \
    these they thing things this those through thx to todo todos too trait try type u under until up us \
    usage usages use used user users uses using variable very want was way we well were what whats when \
    where wheres which while who whom whos whose why will with without work works would write written \
    xxx yes yet you your";

/// Whether a word is in a list of words with blanks between them.
pub(crate) fn among(word: &str, list: &str) -> bool {
    list.split(' ').any(|known| known == word)
}

/// Whether a word is never a name.
pub(crate) fn is_common(word: &str) -> bool {
    among(&word.to_lowercase(), COMMON)
}

impl<'a> Words<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let quotations = quotations(text);
        let quoted = quotations.iter().map(|(start, end)| &text[*start..*end]).collect();
        let paths = unique(chunks(text).filter_map(|chunk| as_path(chunk, text)));
        let names = names(text, &quotations);
        Self { text, quoted, names, paths, numbers: numbers(text) }
    }

    /// The words in lower case, punctuation apart.
    pub(crate) fn lower(&self) -> BTreeSet<String> {
        self.text
            .split(|character: char| !character.is_alphanumeric() && character != '\'' && character != '_')
            .map(|word| word.to_lowercase().replace('\'', ""))
            .filter(|word| !word.is_empty())
            .collect()
    }

    /// Quoted texts that are not paths of files.
    pub(crate) fn quoted_texts(&self, is_path: impl Fn(&str) -> bool) -> Vec<String> {
        unique(self.quoted.iter().copied().filter(|text| !is_path(text)))
            .into_iter()
            .map(str::to_owned)
            .collect()
    }
}

pub(crate) fn unique<T: Clone + Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    items.into_iter().filter(|item| seen.insert(item.clone())).collect()
}

/// The insides of quotations, as byte ranges. An apostrophe inside a word is none.
pub(crate) fn quotations(text: &str) -> Vec<(usize, usize)> {
    const PAIRS: [(char, char); 6] =
        [('`', '`'), ('"', '"'), ('“', '”'), ('‘', '’'), ('«', '»'), ('\'', '\'')];
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(character) = text[at..].chars().next() {
        let inside = at + character.len_utf8();
        let pair = PAIRS.iter().find(|(open, _)| *open == character);
        let opens = pair.is_some()
            && (character != '\''
                || text[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric()));
        if let (Some((_, close)), true) = (pair, opens)
            && let Some(end) = closing(&text[inside..], *close)
        {
            // A fence of three backticks quotes what is between the fences.
            let content = text[inside..inside + end].trim();
            if !content.is_empty() {
                let start = inside + (text[inside..].len() - text[inside..].trim_start().len());
                found.push((start, start + content.len()));
            }
            at = inside + end + close.len_utf8();
        } else {
            at = inside;
        }
    }
    found
}

fn closing(rest: &str, close: char) -> Option<usize> {
    rest.match_indices(close).map(|(at, _)| at).find(|at| {
        let after = rest[at + close.len_utf8()..].chars().next();
        close != '\'' || after.is_none_or(|after| !after.is_alphanumeric())
    })
}

/// Words between blanks, without the punctuation around them.
fn chunks(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| character.is_whitespace() || "\"`“”‘’«»,;()<>|".contains(character))
        .map(|chunk| chunk.trim_matches(['\'', ':', '?', '!']).trim_end_matches('.'))
        .filter(|chunk| !chunk.is_empty())
}

/// Endings that make a word without a slash a path. `console.log` and `foo.bar` are none.
const ENDINGS: &str = "adoc bak bash bat c cc cfg cjs clj cmake conf cpp cs css csv cxx dart dat diff dockerfile ejs env \
    erb erl ex example exs fish go gql gradle graphql h hbs hpp hs htm html ini ipynb java jinja jl js \
    json jsonl jsx kt kts less lock log lua m md mjs mk ml mm nix old orig out patch php pl png \
    properties proto ps1 py pyi r rb rs rst sass scala scss sh snap sol sql svelte svg swift tex tf tmp \
    toml ts tsv tsx txt vim vue xml yaml yml zig zsh";

/// Files without an ending that everybody knows.
const KNOWN: &str = "Makefile makefile GNUmakefile Dockerfile LICENSE LICENCE COPYING VERSION NOTES AUTHORS CODEOWNERS \
    justfile Justfile Rakefile Gemfile Procfile Vagrantfile Jenkinsfile README CHANGELOG CONTRIBUTING \
    BUILD WORKSPACE";

fn as_path<'a>(chunk: &'a str, text: &str) -> Option<&'a str> {
    let path = without_line(chunk);
    let path = path.trim_end_matches([',', ';', '?', '!', ':']).trim_end_matches("'s");
    let harmless = |character: char| character.is_alphanumeric() || "_-./@+~#=$[]".contains(character);
    if path.is_empty() || path.contains("://") || path.contains("::") || !path.chars().all(harmless) {
        return None;
    }
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
    if path.contains('/') {
        // `and/or`, `w/o` and `1/2` are no paths; a name on each side of a slash, or a leading or trailing one, is.
        let components: Vec<&str> = path.trim_matches('/').split('/').collect();
        let prose = components.len() == 2
            && ["and/or", "w/o", "n/a", "yes/no", "he/she", "i/o", "true/false"]
                .contains(&path.to_lowercase().as_str());
        let numeric =
            components.iter().all(|component| component.chars().all(|character| character.is_ascii_digit()));
        let named = components.iter().any(|component| component.chars().any(char::is_alphanumeric));
        return (named && !prose && !numeric).then_some(path);
    }
    if let Some(hidden) = name.strip_prefix('.') {
        // `.rs files` names an ending; `.gitignore` a file.
        let is_ending = among(hidden, ENDINGS) && hidden != "env";
        return (hidden.len() > 1 && hidden.starts_with(char::is_alphabetic) && !is_ending).then_some(path);
    }
    if among(path, KNOWN) {
        // In a sentence of capitals these are words.
        return text.chars().any(char::is_lowercase).then_some(path);
    }
    let (stem, ending) = name.rsplit_once('.')?;
    if name == "console.log" || name == "Math.log" {
        return None;
    }
    (!stem.is_empty() && among(&ending.to_lowercase(), ENDINGS)).then_some(path)
}

/// `src/a.rs:12`, `src/a.rs:12:5`, `src/a.rs#L12` without the line.
fn without_line(chunk: &str) -> &str {
    let digits = |text: &str| {
        !text.is_empty() && text.chars().all(|character| character.is_ascii_digit() || character == '-')
    };
    let mut path = chunk;
    while let Some((rest, last)) = path.rsplit_once(':') {
        if !digits(last) {
            break;
        }
        path = rest;
    }
    match path.rsplit_once("#L") {
        Some((rest, line)) if digits(&line.replace('L', "")) => rest,
        _ => path,
    }
}

fn names<'a>(text: &'a str, quotations: &[(usize, usize)]) -> Vec<Name<'a>> {
    let mut found: Vec<Name<'a>> = Vec::new();
    let spans = identifiers(text);
    let word_at = |index: Option<usize>| {
        index.and_then(|index| spans.get(index)).map_or("", |(start, end)| &text[*start..*end])
    };
    for (index, &(start, end)) in spans.iter().enumerate() {
        let word = &text[start..end];
        if in_path(text, start, end) {
            continue;
        }
        let (before, after) = (word_at(index.checked_sub(1)), word_at(Some(index + 1)));
        let alone_in_quotes = quotations.iter().any(|(open, close)| {
            let quoted = text[*open..*close].trim_end_matches("()");
            quoted == word && *open == start
        });
        let shape = shape_of(text, start, end, word, before, after, alone_in_quotes);
        if shape == Shape::Plain && (is_common(word) || word.chars().count() < 2) {
            continue;
        }
        match found.iter_mut().find(|name| name.text == word) {
            Some(known) => known.shape = known.shape.max(shape),
            None => found.push(Name { text: word, shape, before }),
        }
    }
    found
}

/// Byte ranges of identifiers, qualified ones whole.
fn identifiers(text: &str) -> Vec<(usize, usize)> {
    let starts = |character: char| character.is_alphabetic() || character == '_' || character == '$';
    let goes_on = |character: char| starts(character) || character.is_numeric();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = text[at..].find(starts) {
        let start = at + offset;
        let mut end = start;
        loop {
            end += text[end..].find(|character| !goes_on(character)).unwrap_or(text.len() - end);
            // `a::b` and `a.b` go on when a letter follows at once; a full stop at the end of a sentence does not.
            let separator = ["::", ".", "#"].iter().find(|separator| text[end..].starts_with(**separator));
            match separator {
                Some(separator) if text[end + separator.len()..].starts_with(starts) => {
                    end += separator.len()
                }
                _ => break,
            }
        }
        // `3rd` and `don't` are words, not names.
        let before = text[..start].chars().next_back();
        let mut tail = text[end..].chars();
        let apostrophe = tail.next().is_some_and(|next| next == '\'' || next == '’');
        if apostrophe && tail.next().is_some_and(char::is_alphabetic) && !text[start..end].contains('_') {
            let tail = text[end..].char_indices().skip(1).find(|(_, character)| !character.is_alphanumeric());
            let possessive = text[end..].chars().nth(1) == Some('s');
            if possessive {
                found.push((start, end));
            }
            at = tail.map_or(text.len(), |(offset, _)| end + offset);
            continue;
        }
        if before.is_none_or(|before| !before.is_numeric()) {
            found.push((start, end));
        }
        at = end;
    }
    found
}

/// Whether the identifier is a part of a path.
fn in_path(text: &str, start: usize, end: usize) -> bool {
    let separates = |character: char| character.is_whitespace() || "\"`“”‘’«»,;()<>|".contains(character);
    let from = text[..start]
        .rfind(separates)
        .map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    let to = end + text[end..].find(separates).unwrap_or(text.len() - end);
    let chunk = text[from..to].trim_matches(['\'', ':', '?', '!']).trim_end_matches('.');
    as_path(chunk, text).is_some() && !among(chunk, KNOWN)
}

fn shape_of(
    text: &str,
    start: usize,
    end: usize,
    word: &str,
    before: &str,
    after: &str,
    quoted: bool,
) -> Shape {
    let called = text[end..].starts_with('(') || text[end..].starts_with("!(");
    if quoted || called || is_code_shaped(word) {
        return Shape::Code;
    }
    let is_kind = |neighbour: &str| among(&neighbour.to_lowercase(), KINDS);
    let capital = word.starts_with(char::is_uppercase) && word.len() > 2 && !starts_sentence(text, start);
    if is_common(word) && !capital {
        return Shape::Plain;
    }
    if capital || is_kind(before) || is_kind(after) && before.eq_ignore_ascii_case("the") {
        Shape::Named
    } else {
        Shape::Plain
    }
}

/// `snake_case`, `camelCase`, `HTTPServer2`, `a::b`, `a.b`.
pub(crate) fn is_code_shaped(word: &str) -> bool {
    if word.contains("::")
        || word.contains(['.', '#', '$']) && word.chars().filter(char::is_ascii_alphabetic).count() > 2
    {
        return true;
    }
    if word.trim_matches('_').contains('_') || word.starts_with('_') && word.len() > 1 {
        return true;
    }
    // `TODOs` is a plural, not a name.
    let plural =
        word.strip_suffix('s').is_some_and(|stem| stem.len() > 1 && stem.chars().all(char::is_uppercase));
    if plural {
        return false;
    }
    let characters: Vec<char> = word.chars().collect();
    characters.windows(2).any(|pair| pair[0].is_lowercase() && pair[1].is_uppercase())
        || characters
            .windows(3)
            .any(|three| three[0].is_uppercase() && three[1].is_uppercase() && three[2].is_lowercase())
            && characters[0].is_uppercase()
        || word.chars().any(|character| character.is_numeric()) && word.chars().any(char::is_alphabetic)
}

fn starts_sentence(text: &str, start: usize) -> bool {
    let before = text[..start].trim_end_matches([' ', '\t', '"', '`', '\'', '“', '(']);
    before.is_empty() || before.ends_with(['.', '!', '?', '\n', ':', ';'])
}

/// Whole numbers: digits that stand alone, behind `L`, a colon or a dash, and small number words.
fn numbers(text: &str) -> Vec<u64> {
    const SMALL: [&str; 12] =
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
    let mut found = Vec::new();
    for chunk in text.split(|character: char| character.is_whitespace() || "\"`“”,;()".contains(character))
    {
        let lower = chunk.to_lowercase();
        let bare = lower.trim_matches(|character: char| !character.is_alphanumeric());
        if let Some(at) = SMALL.iter().position(|word| *word == bare) {
            found.push(at as u64 + 1);
            continue;
        }
        for piece in chunk.split([':', '-', '–', '#', '=']) {
            let piece = piece.trim_end_matches(['.', '?', '!']).trim_start_matches(['L', 'l']);
            if let Ok(number) = piece.parse() {
                found.push(number);
            }
        }
    }
    unique(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_found() {
        let check = |text: &str, expect: &[&str]| assert_eq!(Words::new(text).quoted, expect, "{text}");
        check("replace \"a b\" with `c`", &["a b", "c"]);
        check("don't print 'no such user' there", &["no such user"]);
        check("it's the user's file", &[]);
        check("“typographic” and ‘single’", &["typographic", "single"]);
        check("open \" and never close", &[]);
        check("```\nlet x = 1;\n```", &["let x = 1;"]);
        check("\"\" and \" \"", &[]);
        check("save `print(\"hi\")` as x.py", &["print(\"hi\")"]);
        check("'a' 'b'", &["a", "b"]);
        check("", &[]);
    }

    #[test]
    fn paths_are_found() {
        let check = |text: &str, expect: &[&str]| assert_eq!(Words::new(text).paths, expect, "{text}");
        check("open src/main.rs and README.md.", &["src/main.rs", "README.md"]);
        check("what's at src/db/pool.rs:118?", &["src/db/pool.rs"]);
        check("see src/a.rs:12:5 and b.rs#L7", &["src/a.rs", "b.rs"]);
        check("FIXME in src/", &["src/"]);
        check("put it in .gitignore or .env.example", &[".gitignore", ".env.example"]);
        check("every file ending in .proto, all .rs files", &[]);
        check("where is console.log used, e.g. Foo.bar", &[]);
        check("update 1.2.0 to v1.3.0 and/or 1/2", &[]);
        check("the Makefile, the Dockerfile", &["Makefile", "Dockerfile"]);
        check("see https://example.com/a.rs", &[]);
        check("`lib/http.js`?", &["lib/http.js"]);
        check("a::b/c", &[]);
        check("src/lib.rs's tests", &["src/lib.rs"]);
    }

    #[test]
    fn names_have_shapes() {
        let check = |text: &str, expect: &[(&str, Shape)]| {
            let words = Words::new(text);
            let found: Vec<(&str, Shape)> = words
                .names
                .iter()
                .filter(|name| name.shape > Shape::Plain)
                .map(|name| (name.text, name.shape))
                .collect();
            assert_eq!(found, expect, "{text}");
        };
        use Shape::{Code, Named};
        check("where is parse_duration?", &[("parse_duration", Code)]);
        check("where's validateToken() now", &[("validateToken", Code)]);
        check("the `Arena` struct", &[("Arena", Code)]);
        check("what is Visitor for", &[("Visitor", Named)]);
        check("Pipeline defined where?", &[]);
        check("the function canonicalize", &[("canonicalize", Named)]);
        check("what does Type::method do", &[("Type::method", Code)]);
        check("Look at Foo.bar. Then stop.", &[("Foo.bar", Code)]);
        check("open src/parse_it.rs", &[]);
        check("MAX_DEPTH is defined where?", &[("MAX_DEPTH", Code)]);
        check("the user's locale isn't set_up", &[("set_up", Code)]);
        check("parseCookie: file and line", &[("parseCookie", Code)]);
        check("HTTPServer and utf8", &[("HTTPServer", Code), ("utf8", Code)]);
        check("rename \"cnt\" to \"item count\"", &[("cnt", Code)]);
    }

    #[test]
    fn numbers_are_found() {
        let check = |text: &str, expect: &[u64]| assert_eq!(Words::new(text).numbers, expect, "{text}");
        check("lines 20 through 60", &[20, 60]);
        check("lines 40-60 of a.rs", &[40, 60]);
        check("src/a.rs:118", &[118]);
        check("version 1.2.0", &[]);
        check("the last five commits", &[5]);
        check("L12, line 7.", &[12, 7]);
        check("a 99999999999999999999999 b", &[]);
        check("none", &[]);
    }
}
