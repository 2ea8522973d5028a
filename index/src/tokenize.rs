//! Owns how text becomes search terms: whole words, identifier parts, light stems.
//! Uses nothing but the standard library.
//! Never sees files or the store; the same rules serve indexing and queries.

/// Longer runs are hashes, base64 or minified code: they cost memory and nobody searches for them.
const LONGEST_WORD: usize = 80;

/// A reusable cutter of text into terms. Terms are lower case.
#[derive(Debug)]
pub(crate) struct Terms<'a> {
    text: &'a str,
    at: usize,
    word: (usize, usize),
    parts: Vec<(usize, usize)>,
    stage: Stage,
}

/// Where the cutter stands within the current word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Next,
    Stem,
    Part(usize),
}

impl<'a> Terms<'a> {
    /// Start at the beginning of `text`.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, word: (0, 0), parts: Vec::new(), stage: Stage::Next }
    }

    /// Write the next term into `out`; false at the end.
    pub(crate) fn next_into(&mut self, out: &mut String) -> bool {
        loop {
            match self.stage {
                Stage::Next => {
                    let Some((start, end)) = next_word(self.text, self.at) else { return false };
                    self.at = end;
                    if end - start > LONGEST_WORD {
                        continue;
                    }
                    self.word = (start, end);
                    let word = &self.text[start..end];
                    split_identifier(word, &mut self.parts);
                    let simple = self.parts.len() == 1 && self.parts[0] == (0, word.len());
                    self.stage = if simple { Stage::Stem } else { Stage::Part(0) };
                    if is_term(word) {
                        lower_into(word, out);
                        return true;
                    }
                }
                Stage::Stem => {
                    self.stage = Stage::Next;
                    lower_into(&self.text[self.word.0..self.word.1], out);
                    let whole = out.len();
                    stem(out);
                    if out.len() != whole {
                        return true;
                    }
                }
                Stage::Part(number) => {
                    let Some(&(start, end)) = self.parts.get(number) else {
                        self.stage = Stage::Next;
                        continue;
                    };
                    self.stage = Stage::Part(number + 1);
                    let part = &self.text[self.word.0 + start..self.word.0 + end];
                    if is_term(part) {
                        lower_into(part, out);
                        stem(out);
                        return true;
                    }
                }
            }
        }
    }
}

/// All terms of a text, in order, repeated ones included.
pub(crate) fn terms(text: &str) -> Vec<String> {
    let mut cutter = Terms::new(text);
    let (mut all, mut term) = (Vec::new(), String::new());
    while cutter.next_into(&mut term) {
        all.push(term.clone());
    }
    all
}

/// The words of a text as they stand: runs of letters, digits and underscores.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (start, end) = next_word(text, at)?;
        at = end;
        Some(&text[start..end])
    })
}

/// The parts of an identifier, in lower case: `loadHTTPConfig2` → `load`, `http`, `config`, `2`.
pub(crate) fn identifier_parts(identifier: &str) -> Vec<String> {
    let mut ranges = Vec::new();
    split_identifier(identifier, &mut ranges);
    ranges.into_iter().map(|(start, end)| identifier[start..end].to_lowercase()).collect()
}

/// A name with case and separators ignored: `load_config`, `LoadConfig`, `load config` → `loadconfig`.
pub(crate) fn normalise(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a character belongs to an identifier.
pub(crate) fn is_word_character(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// One letter says nothing in Latin scripts and a lot in Chinese.
fn is_term(word: &str) -> bool {
    let mut characters = word.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) => is_ideograph(only),
        (Some(_), Some(_)) => word.bytes().any(|byte| byte != b'_'),
        (None, _) => false,
    }
}

/// Scripts written without spaces, where each character is its own term.
fn is_ideograph(character: char) -> bool {
    matches!(character, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

fn next_word(text: &str, from: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut start = from;
    // ASCII goes byte by byte, the rest by character.
    loop {
        let byte = *bytes.get(start)?;
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            break;
        }
        if byte.is_ascii() {
            start += 1;
            continue;
        }
        let character = text[start..].chars().next()?;
        if is_ideograph(character) {
            return Some((start, start + character.len_utf8()));
        }
        if character.is_alphanumeric() {
            break;
        }
        start += character.len_utf8();
    }
    let mut end = start;
    while let Some(&byte) = bytes.get(end) {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            end += 1;
        } else if byte.is_ascii() {
            break;
        } else {
            let Some(character) = text[end..].chars().next() else { break };
            if is_ideograph(character) || !character.is_alphanumeric() {
                break;
            }
            end += character.len_utf8();
        }
    }
    Some((start, end))
}

/// Cut at underscores, at lower → upper, at the last capital of a run, and between letters and digits.
fn split_identifier(word: &str, parts: &mut Vec<(usize, usize)>) {
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Class {
        Upper,
        Lower,
        Digit,
    }
    parts.clear();
    let mut start = None::<usize>;
    let mut before = None::<(usize, Class)>;
    for (at, character) in word.char_indices() {
        if !character.is_alphanumeric() {
            if let Some(begin) = start.take() {
                parts.push((begin, at));
            }
            before = None;
            continue;
        }
        let class = if character.is_numeric() {
            Class::Digit
        } else if character.is_uppercase() {
            Class::Upper
        } else {
            Class::Lower
        };
        if let (Some(begin), Some((previous_at, previous))) = (start, before) {
            match (previous, class) {
                (Class::Upper, Class::Lower) if previous_at > begin => {
                    parts.push((begin, previous_at));
                    start = Some(previous_at);
                }
                (Class::Upper, Class::Lower) => {}
                (one, other) if one != other => {
                    parts.push((begin, at));
                    start = Some(at);
                }
                _ => {}
            }
        }
        start.get_or_insert(at);
        before = Some((at, class));
    }
    if let Some(begin) = start {
        parts.push((begin, word.len()));
    }
}

fn lower_into(word: &str, out: &mut String) {
    out.clear();
    if word.is_ascii() {
        out.push_str(word);
        out.make_ascii_lowercase();
    } else {
        out.extend(word.chars().flat_map(char::to_lowercase));
    }
}

/// A light stem for English: plural, `-ing`, `-ed` and a final `e`, so that `caching`, `cached`, `caches` meet.
fn stem(word: &mut String) {
    if word.len() < 4 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return;
    }
    if word.ends_with("ies") && word.len() > 4 {
        word.truncate(word.len() - 3);
        word.push('y');
        return;
    }
    if word.ends_with("sses") {
        word.truncate(word.len() - 2);
        return;
    }
    if word.ends_with('s') && !["ss", "us", "is"].iter().any(|ending| word.ends_with(ending)) {
        word.truncate(word.len() - 1);
    }
    for ending in ["ing", "ed"] {
        if word.len() >= ending.len() + 3 && word.ends_with(ending) {
            let rest = &word[..word.len() - ending.len()];
            if rest.bytes().any(|byte| matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')) {
                word.truncate(word.len() - ending.len());
                undouble(word);
                break;
            }
        }
    }
    if word.len() >= 5 && word.ends_with('e') {
        word.truncate(word.len() - 1);
    }
}

/// `runn` → `run`, but `add`, `call` and `pass` stay.
fn undouble(word: &mut String) {
    let bytes = word.as_bytes();
    if let [.., before, last] = bytes
        && before == last
        && !matches!(last, b'l' | b's' | b'd' | b'e' | b'o')
        && bytes.len() > 3
    {
        word.truncate(word.len() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[&str]) {
        assert_eq!(terms(text), expect, "terms of {text:?}");
    }

    #[test]
    fn words_are_kept_whole_and_split() {
        check("loadConfig", &["loadconfig", "load", "config"]);
        check("load_config", &["load_config", "load", "config"]);
        check("HTTPServer", &["httpserver", "http", "server"]);
        check("sha256sum", &["sha256sum", "sha", "256", "sum"]);
        check("__init__", &["__init__", "init"]);
        check("a + b", &[]);
        check("_", &[]);
        check("x1", &["x1"]);
    }

    #[test]
    fn stems_stand_beside_words() {
        check("caching", &["caching", "cach"]);
        check("caches cached", &["caches", "cach", "cached", "cach"]);
        check("running", &["running", "run"]);
        check("adding", &["adding", "add"]);
        check("queries", &["queries", "query"]);
        check("class bus this", &["class", "bus", "this"]);
        check("string", &["string"]);
    }

    #[test]
    fn other_scripts_are_terms_too() {
        check("größe", &["größe"]);
        check("配置文件", &["配", "置", "文", "件"]);
        check("Имя", &["имя"]);
    }

    #[test]
    fn blobs_are_left_out() {
        check(&"a".repeat(81), &[]);
        assert_eq!(terms(&"a".repeat(80)).len(), 1);
    }

    #[test]
    fn names_compare_without_case_and_separators() {
        for name in ["load_config", "LoadConfig", "load config", "LOAD-CONFIG", "load::config"] {
            assert_eq!(normalise(name), "loadconfig", "{name}");
        }
        assert_eq!(identifier_parts("loadHTTPConfig2"), ["load", "http", "config", "2"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_terms(text in ".{0,200}") {
            for term in terms(&text) {
                proptest::prop_assert!(!term.is_empty());
            }
        }
    }
}
