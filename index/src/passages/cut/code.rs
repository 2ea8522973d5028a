//! Owns cutting source code: numbers before the lines are taken off, syntax nodes become passages.
//! Uses `parse` and `chunk`; a language without a grammar is cut at blank lines by the latter.
//! Never gives a line another number than it has in the text.

use super::{LONGEST_LINE, Lines, Piece};
use crate::chunk::chunks;
use crate::parse::{LineIndex, Tag, languages, tags};
use crate::rank::is_test_path;
use std::ops::Range;

/// A span of more lines is cut. With 60, .56 of the lines that a change touches were among the first 2,000 tokens, with 30
/// and 20 .60 and .62; at 4,000 tokens there is no difference.
const MOST: u32 = 24;
/// A longer text is cut at blank lines alone: a megabyte takes a third of a second to parse.
const MOST_TO_PARSE: usize = 512 << 10;
/// So many bytes of signatures around a passage are searched with it.
const MOST_OF_A_HEADER: usize = 400;

/// Cut code. `path` says the language.
pub(super) fn code(lines: &Lines<'_>, path: &str, pieces: &mut Vec<Piece>) {
    let count = lines.count();
    let numbered = is_numbered(lines);
    let mut source = String::new();
    for at in 0..count {
        let line = lines.line(at);
        let line = if numbered { without_number(line) } else { line };
        // A longer line would leave the whole text without symbols.
        source.push_str(&line[..line.floor_char_boundary(LONGEST_LINE)]);
        source.push('\n');
    }
    let index = LineIndex::new(&source);
    let tags = if source.len() > MOST_TO_PARSE {
        Vec::new()
    } else {
        tags(&source, languages::of(path, &source), is_test_path(path)).definitions
    };
    for chunk in chunks(&source, &index, &tags) {
        let symbol = chunk.symbol.and_then(|symbol| tags.get(symbol));
        let is_test = is_test_path(path) || symbol.is_some_and(|tag| tag.is_test);
        let mut start = chunk.start;
        while start <= chunk.end {
            let end = cut_before(&index, &source, start, chunk.end);
            pieces.push(piece(lines, &index, &source, &tags, start..end, is_test));
            start = end;
        }
    }
}

/// Where the passage that begins at a line ends, exclusive: at the end of the span when that is near, else before the line
/// that stands furthest left, a blank one above it if possible.
fn cut_before(index: &LineIndex, source: &str, start: u32, last: u32) -> u32 {
    let length = last + 1 - start;
    if length <= MOST {
        return last + 1;
    }
    let parts = length.div_ceil(MOST);
    let aim = start + length.div_ceil(parts);
    let slack = MOST / 4;
    let worth = |line: u32| {
        let text = index.text(source, line);
        let indent = text.len() - text.trim_start().len();
        let after_blank = index.text(source, line - 1).trim().is_empty();
        let is_open = text.trim().is_empty();
        (!is_open, after_blank, std::cmp::Reverse(indent), std::cmp::Reverse(line.abs_diff(aim)))
    };
    (aim.saturating_sub(slack).max(start + 1)..=(aim + slack).min(last))
        .max_by_key(|&line| worth(line))
        .unwrap_or(aim)
}

/// The passage of some lines of the source, the end excluded.
fn piece(
    lines: &Lines<'_>,
    index: &LineIndex,
    source: &str,
    tags: &[Tag],
    span: Range<u32>,
    is_test: bool,
) -> Piece {
    let (first, last) = (span.start, span.end - 1);
    let mut piece = lines.piece(first as usize - 1, last as usize - 1);
    piece.body = Some(index.range(source, first, last).to_owned());
    piece.is_test = is_test;
    piece.names = tags
        .iter()
        .filter(|tag| span.contains(&tag.line) && tag.is_symbol() && tag.names_its_place())
        .map(|tag| tag.name.clone())
        .collect();
    // What the passage stands in: every definition that begins before it and goes on in it.
    for around in tags.iter().filter(|tag| tag.line < first && tag.end_line >= first) {
        if piece.header.len() < MOST_OF_A_HEADER {
            piece.header.push_str(&around.signature);
            piece.header.push('\n');
        }
    }
    piece
}

/// Whether most lines begin with a number and a tab.
fn is_numbered(lines: &Lines<'_>) -> bool {
    let seen = lines.count().min(400);
    let numbered = (0..seen).filter(|&at| number_before(lines.line(at)).is_some()).count();
    numbered > 0 && numbered * 10 >= seen * 8
}

fn number_before(line: &str) -> Option<&str> {
    let (number, rest) = line.split_once(['\t', '→', '|'])?;
    let number = number.trim();
    (!number.is_empty() && number.len() <= 9 && number.bytes().all(|byte| byte.is_ascii_digit()))
        .then_some(rest)
}

fn without_number(line: &str) -> &str {
    number_before(line).unwrap_or(line)
}
