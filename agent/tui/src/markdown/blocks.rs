//! Owns where blocks of markdown begin, and what of the grammar is not taken.
//! Uses pulldown-cmark.
//! Never lets a block depend on a later one: definitions of links are text.

use std::borrow::Cow;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag};

use super::fence::Fence;

/// How often definitions are made text; each time all that the grammar found. More than once only where labels repeat.
const ROUNDS: usize = 8;

/// Marks of emphasis and code in one line that are open at once, at most.
const OPEN_MARKS: usize = 4;

/// Tables, struck words, lists of tasks, footnotes: what models write beside the common ones.
pub(super) fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
}

/// A block that is in no other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The line that it begins with.
    pub(super) start: usize,
    /// Behind that line.
    pub(super) body: usize,
    /// What it opens.
    pub(super) fence: Option<Fence>,
}

/// The blocks of a text, whose last line is complete. The first one begins with the first line that is not blank.
pub(super) fn find(source: &str) -> Vec<Block> {
    let (text, added) = without_definitions(source);
    let mut blocks: Vec<Block> = Vec::new();
    let mut depth = 0_usize;
    for (event, range) in Parser::new_ext(&text, options()).into_offset_iter() {
        let alone = matches!(event, Event::Rule | Event::Html(_));
        if depth == 0 && (alone || matches!(event, Event::Start(_))) {
            let offset = range.start - added.iter().filter(|at| **at < range.start).count();
            let start = line_start(source, offset);
            let body = source[start..].find('\n').map_or(source.len(), |bytes| start + bytes + 1);
            let fenced = matches!(event, Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))));
            let fence = if fenced { Fence::opened(&source[start..body]) } else { None };
            if blocks.last().is_none_or(|last| last.start < start) {
                blocks.push(Block { start, body, fence });
            }
        }
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            _ => {}
        }
    }
    // What the grammar makes nothing of is still there.
    let first = blank_lines(source);
    if !source[first..].trim().is_empty() && blocks.first().is_none_or(|block| block.start > first) {
        blocks.insert(0, Block { start: first, body: first, fence: None });
    }
    blocks
}

/// The text with `\` before whatever would be the definition of a link, and where in the new text it was added.
pub(super) fn without_definitions(source: &str) -> (Cow<'_, str>, Vec<usize>) {
    let mut text = Cow::Borrowed(source);
    let mut added: Vec<usize> = Vec::new();
    for _ in 0..ROUNDS {
        let mut spots: Vec<usize> = {
            let parser = Parser::new_ext(&text, options());
            let starts = parser.reference_definitions().iter().map(|(_, definition)| definition.span.start);
            starts.filter_map(|start| Some(start + text.get(start..)?.find('[')?)).collect()
        };
        if spots.is_empty() {
            return (text, added);
        }
        spots.sort_unstable();
        let mut changed = String::with_capacity(text.len() + spots.len());
        let mut from = 0;
        let mut moved = Vec::with_capacity(added.len() + spots.len());
        let mut old = added.iter().peekable();
        for (count, spot) in spots.iter().enumerate() {
            while let Some(at) = old.next_if(|at| **at < *spot) {
                moved.push(at + count);
            }
            moved.push(spot + count);
            changed.push_str(&text[from..*spot]);
            changed.push('\\');
            from = *spot;
        }
        moved.extend(old.map(|at| at + spots.len()));
        changed.push_str(&text[from..]);
        (text, added) = (Cow::Owned(changed), moved);
    }
    (text, added)
}

/// Bytes of the lines at the beginning that hold nothing.
pub(super) fn blank_lines(source: &str) -> usize {
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        if !line.trim().is_empty() {
            return at;
        }
        at += line.len();
    }
    at
}

/// Where the line of this offset begins.
pub(super) fn line_start(source: &str, offset: usize) -> usize {
    source[..offset].rfind('\n').map_or(0, |at| at + 1)
}

/// Whether the line before the one of this offset is blank, but for the signs of quotes.
pub(super) fn is_apart(source: &str, offset: usize) -> bool {
    let start = line_start(source, offset);
    start > 0 && {
        let before = &source[line_start(source, start - 1)..start];
        before.trim_matches([' ', '\t', '>', '\n', '\r']).is_empty()
    }
}

/// A text that is still written, with what its last words lack: `**bold` is bold before its end is there. What may
/// become a sign is left away until it is one.
pub(super) fn mended(tail: &str) -> Cow<'_, str> {
    let start = line_start(tail, tail.trim_end().len());
    let line = tail[start..].trim_end();
    let fences = tail.lines().filter(|line| line.trim_start_matches([' ', '>']).starts_with("```")).count();
    if fences % 2 == 1 {
        return Cow::Borrowed(tail);
    }
    // Signs alone say nothing yet.
    let open = line.trim_start_matches([' ', '>', '-', '+', '*', '#', '_', '`', '~', '.']);
    if open.is_empty() {
        return Cow::Borrowed(tail);
    }
    let mut marks: Vec<&str> = Vec::new();
    let mut rest = line;
    while let Some(character) = rest.chars().next() {
        let code = marks.last().is_some_and(|mark| mark.starts_with('`'));
        let mut step = character.len_utf8();
        match character {
            '\\' if !code => step += rest[step..].chars().next().map_or(0, char::len_utf8),
            '`' | '*' if !code || character == '`' => {
                let run = rest.len() - rest.trim_start_matches(character).len();
                let mark = &rest[..run];
                // Two of them, or one; a list's sign is neither.
                let sign = character == '*' && run == 1 && rest[1..].starts_with(' ');
                match marks.iter().rposition(|open| *open == mark) {
                    Some(at) => marks.truncate(at),
                    None if code || sign => {}
                    None => marks.push(mark),
                }
                step = run;
            }
            _ => {}
        }
        // No author leaves so many open.
        if marks.len() > OPEN_MARKS {
            return Cow::Borrowed(tail);
        }
        rest = &rest[step..];
    }
    if marks.is_empty() {
        return Cow::Borrowed(tail);
    }
    let body = tail.trim_end();
    let mut text = marks.last().filter(|mark| body.ends_with(**mark)).map_or(body, |mark| {
        // It opens what is not there yet.
        body[..body.len() - mark.len()].trim_end()
    });
    if text.len() < body.len() {
        marks.pop();
    }
    text = text.trim_end();
    let ends: String = marks.iter().rev().copied().collect();
    Cow::Owned(format!("{text}{ends}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_begin_with_their_lines() {
        let check = |source: &str, expect: &[usize]| {
            let found: Vec<usize> = find(source).iter().map(|block| block.start).collect();
            assert_eq!(found, expect, "{source:?}");
        };
        check("", &[]);
        check("\n \n", &[]);
        check("a\nb\n", &[0]);
        check("a\n\nb\n", &[0, 3]);
        check("\n\na\n", &[2]);
        check("a\n  - b\n  - c\n# d\n", &[0, 2, 14]);
        check("a\n```\nb\n\nc\n```\nd\n", &[0, 2, 15]);
        check("a\n***\nb\n", &[0, 2, 6]);
        check("a\n\n<b>\nc\n\nd\n", &[0, 3, 10]);
        // A definition is a paragraph, wherever it stands.
        check("[a]: http://x\n\nb\n", &[0, 15]);
        check("b\n\n[a]: http://x\n", &[0, 3]);
        check("[a]: /x\n\n[a]: /y\n\n[A]: /z\n\nb\n", &[0, 9, 18, 27]);
    }

    #[test]
    fn what_is_still_written_is_mended() {
        let check = |tail: &str, expect: &str| assert_eq!(mended(tail), expect, "{tail:?}");
        check("plain", "plain");
        check("some **bo", "some **bo**");
        check("some **", "some");
        check("some **bold** and `co", "some **bold** and `co`");
        check("`a ** b", "`a ** b`");
        check("a * b", "a * b");
        check("- *a", "- *a*");
        check("\\*a", "\\*a");
        check("**a *b", "**a *b***");
        check("```", "```");
    }
}
