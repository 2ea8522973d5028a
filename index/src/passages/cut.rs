//! Owns how a text is cut into passages, by what it is: paragraphs, blocks of a log, syntax nodes, hunks.
//! Uses `parse` and `chunk` for code.
//! Never leaves a line out of what it reads, and never reads more of a huge text than its head and its tail.

mod code;
mod lines;

use std::ops::Range;

use super::TextKind;

/// Of a longer text so many bytes from either end are searched: a log of 50 MB says what matters first or last.
const MOST_OF_AN_END: usize = 2 << 20;
/// Of a longer line only so much is searched.
pub(super) const LONGEST_LINE: usize = 4_000;

/// A piece of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Piece {
    /// Lines from 1, inclusive.
    pub(super) first: u32,
    pub(super) last: u32,
    /// The same in bytes. A line that is longer than a passage is in several.
    pub(super) bytes: Range<usize>,
    /// What is searched where that is not the text itself.
    pub(super) body: Option<String>,
    /// Names defined in it.
    pub(super) names: Vec<String>,
    /// The signature of what is around it.
    pub(super) header: String,
    pub(super) is_test: bool,
    /// Files that it names line by line.
    pub(super) paths: Vec<String>,
}

/// The lines of a text: where each starts, and the end of the text.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    pub(super) text: &'a str,
    starts: Vec<usize>,
    /// The number of the first of them, from 1.
    first: u32,
}

impl<'a> Lines<'a> {
    /// The lines of a part of a text.
    fn new(text: &'a str, part: Range<usize>, first: u32) -> Self {
        let ends = memchr::memchr_iter(b'\n', &text.as_bytes()[part.clone()]).map(|at| part.start + at + 1);
        let mut starts: Vec<usize> = std::iter::once(part.start).chain(ends).collect();
        if starts.last() != Some(&part.end) {
            starts.push(part.end);
        }
        Self { text, starts, first }
    }

    pub(super) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// A line from 0, without its end.
    pub(super) fn line(&self, at: usize) -> &'a str {
        self.text[self.bytes(at, at)].trim_end_matches(['\n', '\r'])
    }

    /// The bytes of some lines from 0, inclusive.
    pub(super) fn bytes(&self, from: usize, to: usize) -> Range<usize> {
        self.starts[from]..self.starts[to + 1]
    }

    /// The number of a line in the text.
    pub(super) fn number(&self, at: usize) -> u32 {
        self.first.saturating_add(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// A piece of some lines from 0, inclusive.
    pub(super) fn piece(&self, from: usize, to: usize) -> Piece {
        Piece {
            first: self.number(from),
            last: self.number(to),
            bytes: self.bytes(from, to),
            ..Piece::default()
        }
    }
}

/// Cut a text.
pub(super) fn cut(kind: TextKind, path: Option<&str>, text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (part, first) in parts(text) {
        let lines = Lines::new(text, part, first);
        match kind {
            TextKind::Talk => lines::talk(&lines, &mut pieces),
            TextKind::Log => lines::log(&lines, &mut pieces),
            TextKind::Matches => lines::matches(&lines, &mut pieces),
            TextKind::Code => code::code(&lines, path.unwrap_or_default(), &mut pieces),
            TextKind::Diff => lines::diff(&lines, &mut pieces),
        }
    }
    pieces.retain(|piece| text[piece.bytes.clone()].bytes().any(|byte| !byte.is_ascii_whitespace()));
    pieces
}

/// What of a text is read, at whole lines where there are any, and the number of the first line of each part.
fn parts(text: &str) -> Vec<(Range<usize>, u32)> {
    if text.is_empty() {
        return Vec::new();
    }
    if text.len() <= 2 * MOST_OF_AN_END {
        return vec![(0..text.len(), 1)];
    }
    let bytes = text.as_bytes();
    let head = text.floor_char_boundary(MOST_OF_AN_END);
    let head = memchr::memrchr(b'\n', &bytes[..head]).map_or(head, |at| at + 1);
    let tail = text.ceil_char_boundary(text.len() - MOST_OF_AN_END);
    let tail = memchr::memchr(b'\n', &bytes[tail..text.len() - 1]).map_or(tail, |at| tail + at + 1);
    let before = memchr::memchr_iter(b'\n', &bytes[..tail]).count();
    vec![(0..head, 1), (tail..text.len(), u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1))]
}

#[cfg(test)]
mod tests;
