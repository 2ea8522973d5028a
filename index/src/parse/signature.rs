//! Owns how a definition reads: its header on one line, its documentation, what stands above it.
//! Uses lines of text only, so that it is the same for every language.
//! Never looks at syntax trees.

use std::borrow::Cow;

use super::LineIndex;
use super::languages::{Comments, Language};

/// A signature longer than this says no more.
const LONGEST_HEADER: usize = 240;
/// A first sentence longer than this is not one.
const LONGEST_SENTENCE: usize = 200;
/// Comments and attributes above a definition are looked at this far up.
const LINES_ABOVE: u32 = 60;
/// Attributes inside a node, before the name, are looked at this far down.
const LINES_OF_ATTRIBUTES: u32 = 12;

/// What stands directly above a definition.
#[derive(Debug, Default)]
pub(super) struct Above {
    /// The first line of it all, from 1.
    pub(super) start_line: u32,
    pub(super) doc: Option<String>,
    pub(super) is_test: bool,
}

/// Read the attributes, decorators and comments above a definition, and the attributes that stand inside its node before
/// its name. Lines are from 1.
pub(super) fn above(text: &str, lines: &LineIndex, first: u32, name: u32, comments: &Comments) -> Above {
    let mut result = Above { start_line: first, ..Above::default() };
    let mut comment: Vec<&str> = Vec::new();
    for line in first..=name.min(first.saturating_add(LINES_OF_ATTRIBUTES)) {
        result.is_test |= is_test_mark(lines.text(text, line).trim());
    }
    let mut at = first;
    while at > 1 && first - at < LINES_ABOVE {
        let candidate = lines.text(text, at - 1).trim();
        if let Some(opened) = block_above(text, lines, at - 1, comments) {
            let inside = (opened..at).rev().map(|line| lines.text(text, line).trim());
            comment.extend(inside);
            at = opened;
            continue;
        }
        let is_comment = comments.lines.iter().any(|mark| candidate.starts_with(mark))
            && !candidate.starts_with("#[")
            && !candidate.starts_with("#!");
        // A line that ends a statement or opens a block is a definition of its own, with its attribute before it.
        let is_attribute = ["#[", "@", "template", "["].iter().any(|mark| candidate.starts_with(mark))
            && !candidate.ends_with(['{', '}', ';', ','])
            && (!candidate.starts_with('[') || candidate.ends_with(']') && comments.block.is_some());
        if is_attribute {
            result.is_test |= is_test_mark(candidate);
        } else if !is_comment || candidate.starts_with("//!") {
            break;
        } else {
            comment.push(candidate);
        }
        at -= 1;
    }
    result.start_line = at;
    comment.reverse();
    result.is_test |= comment.iter().any(|line| line.trim_start_matches(['*', ' ']) == "@test");
    result.doc = first_sentence(comment.iter().map(|line| strip_comment(line, comments)));
    result
}

/// Where the block comment starts that ends on this line, if one does and nothing but it stands there.
fn block_above(text: &str, lines: &LineIndex, last: u32, comments: &Comments) -> Option<u32> {
    let (open, close) = comments.block?;
    let candidate = lines.text(text, last).trim();
    if !candidate.ends_with(close) {
        return None;
    }
    let lowest = last.saturating_sub(LINES_ABOVE).max(1);
    let opened = (lowest..=last).rev().find(|&line| lines.text(text, line).contains(open))?;
    let first = lines.text(text, opened).trim_start();
    // `{-# … #-}` speaks to the compiler.
    (first.starts_with(open) && !first.starts_with("{-#")).then_some(opened)
}

/// `#[test]`, `@Test`, `[Fact]`.
fn is_test_mark(line: &str) -> bool {
    let Some(mark) = ["#[", "@", "["].iter().find_map(|open| line.strip_prefix(open)) else { return false };
    let mark = mark.split(']').next().unwrap_or(mark);
    let word = mark.split(['(', ' ', '=', ',']).next().unwrap_or(mark);
    if word == "cfg" {
        return mark.contains("test") && !mark.contains("not(test");
    }
    let last = word.rsplit("::").next().unwrap_or(word);
    matches!(
        last,
        "test"
            | "Test"
            | "ParameterizedTest"
            | "RepeatedTest"
            | "TestFactory"
            | "TestMethod"
            | "TestClass"
            | "TestFixture"
            | "TestCase"
            | "Fact"
            | "Theory"
            | "Suite"
            | "bench"
            | "rstest"
            | "test_case"
            | "pytest.fixture"
    ) || word.starts_with("pytest.mark")
}

/// What a line of a comment says, without its marks and the tags of its markup.
fn strip_comment<'a>(line: &'a str, comments: &Comments) -> Cow<'a, str> {
    let mut rest = line;
    let blocks = comments.block.iter().map(|(open, _)| *open);
    for mark in comments.lines.iter().copied().chain(blocks) {
        if let Some(after) = rest.strip_prefix(mark) {
            rest = after;
            break;
        }
    }
    if let Some((_, close)) = comments.block {
        rest = rest.strip_suffix(close).unwrap_or(rest);
    }
    let rest = rest.trim_start_matches(['*', '|', '/']).trim_end_matches("*/").trim();
    if rest.contains('<') && rest.contains('>') && line.starts_with("///") {
        return Cow::Owned(without_markup(rest));
    }
    Cow::Borrowed(rest)
}

/// The text of a documentation comment in XML: `<summary>Adds <see cref="One"/>.</summary>` says `Adds One.`.
fn without_markup(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let Some(length) = rest[at..].find('>') else { break };
        let tag = &rest[at..at + length];
        let is_tag = tag[1..].starts_with(|one: char| one.is_ascii_lowercase() || one == '/');
        plain.push_str(&rest[..at]);
        if !is_tag || tag.contains("::") {
            plain.push_str(&rest[at..=at + length]);
        } else if let Some(named) = ["cref=\"", "name=\"", "langword=\""].iter().find_map(|key| {
            let value = tag.split_once(key)?.1;
            value.split('"').next()
        }) {
            plain.push_str(named);
        }
        rest = &rest[at + length + 1..];
    }
    plain.push_str(rest);
    plain.trim().to_owned()
}

/// Orders to tools that stand in comments.
const DIRECTIVES: &[&str] = &[
    "rubocop:",
    "eslint",
    "go:",
    "nolint",
    "noqa",
    "pylint:",
    "type: ignore",
    "prettier-ignore",
    "clang-format",
    "NOLINT",
    "swiftlint:",
    "phpcs:",
    "phpstan",
    "psalm",
    "frozen_string_literal:",
    "shellcheck ",
    "biome-ignore",
    "istanbul ignore",
    "MARK:",
    "pragma ",
];

/// The first sentence of some lines, if they say anything.
fn first_sentence<'a>(lines: impl Iterator<Item = impl Into<Cow<'a, str>>>) -> Option<String> {
    let mut sentence = String::new();
    for line in lines {
        let line: Cow<'a, str> = line.into();
        let line = line.trim();
        let is_rule = !line.contains(char::is_alphanumeric)
            || DIRECTIVES.iter().any(|directive| line.starts_with(directive));
        if line.is_empty() || is_rule || line.starts_with('@') {
            if sentence.is_empty() {
                continue;
            }
            break;
        }
        if !sentence.is_empty() {
            sentence.push(' ');
        }
        sentence.push_str(line);
        if let Some(end) = sentence_end(&sentence) {
            sentence.truncate(end);
            break;
        }
        if sentence.len() > LONGEST_SENTENCE {
            break;
        }
    }
    (!sentence.is_empty()).then(|| shorten(sentence, LONGEST_SENTENCE))
}

fn sentence_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (1..bytes.len())
        .find(|&at| {
            matches!(bytes[at], b'.' | b'!' | b'?')
                && bytes.get(at + 1).is_none_or(|next| *next == b' ')
                && !text[..at].ends_with("e.g")
                && !text[..at].ends_with("i.e")
                && !text[..at].ends_with("etc")
        })
        .map(|at| at + 1)
}

/// The documentation inside of a definition: a docstring of Python, the `@moduledoc` of Elixir.
pub(super) fn docstring(text: &str, body: usize, end: usize, language: &Language) -> Option<String> {
    let inside = text.get(body..end)?.trim_start();
    let inside = match language.name {
        "python" => inside,
        "elixir" => inside.strip_prefix("do")?.trim_start().strip_prefix("@moduledoc")?.trim_start(),
        _ => return None,
    };
    quoted(inside)
}

/// The first sentence of the string that a text starts with.
fn quoted(text: &str) -> Option<String> {
    let inside = text.trim_start_matches(['~', 'r', 'R', 'u', 'U', 'b', 'f', 's', 'S']);
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| inside.starts_with(quote))?;
    let inside = &inside[quote.len()..];
    let inside = &inside[..inside.find(quote)?];
    first_sentence(inside.lines())
}

/// The attributes above a definition of Elixir, where `@doc` is one: its first line, and what `@doc` says.
pub(super) fn attributes_above(text: &str, lines: &LineIndex, line: u32) -> (u32, Option<String>) {
    let (mut first, mut doc) = (line, None);
    let lowest = line.saturating_sub(LINES_ABOVE).max(1);
    let mut at = line;
    // Blank lines and other definitions end it; a string in three quotes may hold anything.
    let mut in_text = false;
    while at > lowest {
        at -= 1;
        let candidate = lines.text(text, at).trim();
        let starts = candidate.starts_with('@');
        if in_text {
            in_text = !(starts && candidate.ends_with("\"\"\""));
        } else if candidate == "\"\"\"" {
            in_text = true;
            continue;
        } else if candidate.is_empty()
            || ["end", "def", "use ", "import "].iter().any(|word| candidate.starts_with(word))
        {
            break;
        }
        if starts && !in_text {
            first = at;
            let said = ["@doc ", "@typedoc "].iter().find_map(|word| candidate.strip_prefix(word));
            if let Some(said) = said {
                let from = lines.start(at) + lines.text(text, at).find(said).unwrap_or(0);
                doc = quoted(&text[from..]);
            }
        }
    }
    (first, doc)
}

/// The definition's text up to its body, on one line, with what stands before it on its own line (`export`, `static`).
pub(super) fn header(
    text: &str,
    lines: &LineIndex,
    start: usize,
    end: usize,
    body: Option<usize>,
    language: &Language,
) -> String {
    let line_start = lines.start(lines.line(start));
    let before = text[line_start..start].trim_start();
    let plain =
        before.chars().all(|character| character.is_alphanumeric() || matches!(character, ' ' | '\t' | '_'));
    let from = if plain { start - before.len() } else { start };
    let whole = &text[from..end];
    let piece = match body {
        Some(body) if body > from && body <= end => &text[from..body],
        // Without a body: the first line, or all of it when it opens something that it does not close there.
        _ => without_body(whole),
    };
    let mut header = String::with_capacity(piece.len().min(LONGEST_HEADER));
    for line in piece.lines() {
        let line = line.trim();
        // Attributes and comments inside the node are not the signature.
        if line.starts_with("#[")
            || line.starts_with('@')
                && !matches!(language.name, "python" | "elixir")
                && piece.lines().count() > 1
            || line.starts_with('[') && line.ends_with(']')
            || line.starts_with("//")
            || line.starts_with("# ") && language.comments.lines.contains(&"#")
        {
            continue;
        }
        for word in line.split_whitespace() {
            if !header.is_empty() {
                header.push(' ');
            }
            header.push_str(word);
        }
        if header.len() > LONGEST_HEADER {
            break;
        }
    }
    let trimmed = loop {
        let shorter = header
            .trim_end()
            .trim_end_matches(['{', ';', ',', ':'])
            .trim_end_matches("=>")
            .trim_end_matches('=')
            .trim_end();
        if shorter.len() == header.len() {
            break header;
        }
        header = shorter.to_owned();
    };
    shorten(trimmed, LONGEST_HEADER)
}

fn without_body(whole: &str) -> &str {
    let line = whole.lines().next().unwrap_or(whole);
    match line.find('{') {
        Some(at) if !line[at..].contains('}') => &line[..at],
        _ if line.matches('(').count() > line.matches(')').count() => {
            let end = whole.find('{').or_else(|| whole.find(')').map(|at| at + 1)).unwrap_or(line.len());
            &whole[..end]
        }
        _ => line,
    }
}

fn shorten(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// `unsafe impl<T: Copy> Display for Foo<T> where T: X` → `impl Display for Foo<T>`.
pub(super) fn impl_label(header: &str, name: &str) -> String {
    // `extension Foo: Bar`, `instance Show Foo where`, `defimpl Size, for: Foo`.
    let others = ["extension", "instance", "defimpl"];
    if let Some(at) = others.iter().find_map(|word| header.find(word)) {
        let whole = header[at..].trim_end_matches("where").trim_end_matches("do").trim_end();
        return shorten(whole.to_owned(), 100);
    }
    let Some(at) = header.find("impl") else { return format!("impl {name}") };
    let mut rest = header[at + 4..].trim_start();
    if rest.starts_with('<') {
        let mut depth = 0i32;
        let mut before = ' ';
        let end = rest.char_indices().find(|&(_, character)| {
            match character {
                '<' => depth += 1,
                '>' if before != '-' => depth -= 1,
                _ => {}
            }
            before = character;
            depth == 0
        });
        rest = end.map_or(rest, |(at, _)| rest[at + 1..].trim_start());
    }
    let rest = rest.split(" where ").next().unwrap_or(rest).trim();
    shorten(format!("impl {rest}"), 100)
}
