//! Owns code between fences: where it ends, and its rows.
//! Uses the rules of CommonMark 0.31, section 4.5.
//! Never lets code flow: a line that is too long goes on in a row with a sign.

use std::ops::Range;

use crate::highlight::Colours;
use crate::style::{Line, Style};
use crate::text::{clip, visible};
use crate::wrap::cut_marked;

/// Code at the left edge, whose lines are read one by one: it may be long, and its lines never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fence {
    sign: char,
    length: usize,
    indent: usize,
    label: String,
    lines: Vec<Range<usize>>,
    closed: bool,
}

impl Fence {
    /// The fence that this line opens.
    pub(super) fn opened(line: &str) -> Option<Self> {
        let line = line.trim_end_matches(['\n', '\r']);
        let rest = line.trim_start_matches(' ');
        let indent = line.len() - rest.len();
        let sign = rest.chars().next().filter(|sign| ['`', '~'].contains(sign))?;
        let label = rest.trim_start_matches(sign);
        let length = rest.len() - label.len();
        let odd = sign == '`' && label.contains('`');
        (indent <= 3 && length >= 3 && !odd).then(|| Self {
            sign,
            length,
            indent,
            label: label.trim().to_owned(),
            lines: Vec::new(),
            closed: false,
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn lines(&self) -> usize {
        self.lines.len()
    }

    fn closes(&self, line: &str) -> bool {
        let line = line.trim_end_matches(['\n', '\r', ' ', '\t']);
        let rest = line.trim_start_matches(' ');
        line.len() - rest.len() <= 3
            && rest.len() >= self.length
            && rest.chars().all(|sign| sign == self.sign)
    }

    /// Read lines of the source that are complete, up to the one that closes; where the next one begins.
    pub(super) fn read(&mut self, source: &str, from: usize, ended: bool) -> usize {
        let mut at = from;
        while !self.closed && at < source.len() {
            let end = match source[at..].find('\n') {
                Some(bytes) => at + bytes + 1,
                None if ended => source.len(),
                None => return at,
            };
            if self.closes(&source[at..end]) {
                self.closed = true;
            } else {
                self.lines.push(at..end);
            }
            at = end;
        }
        self.closed |= ended && at >= source.len();
        at
    }

    /// The lines as they are shown.
    pub(super) fn shown<'a>(&'a self, source: &'a str) -> impl Iterator<Item = String> + 'a {
        self.lines.iter().map(|range| self.line(&source[range.clone()]))
    }

    fn line(&self, line: &str) -> String {
        let line = line.strip_suffix('\n').unwrap_or(line);
        // The indentation of the fence is none of the code.
        let blanks = line.bytes().take(self.indent).take_while(|byte| *byte == b' ').count();
        visible(&line[blanks..])
    }

    /// A line that is not complete; nothing while it may become the one that closes.
    pub(super) fn beginning(&self, tail: &str) -> Option<String> {
        let rest = tail.trim_start_matches(' ');
        (!rest.is_empty() && !rest.trim_end().chars().all(|sign| sign == self.sign)).then(|| self.line(tail))
    }

    pub(super) fn first_row(&self, width: usize) -> Line {
        border(&format!("{}{}", self.signs(), visible(&self.label)), width)
    }

    pub(super) fn last_row(&self, width: usize) -> Line {
        border(&self.signs(), width)
    }

    fn signs(&self) -> String {
        // As many as there are is what makes it right to copy; a row full of them says no more.
        self.sign.to_string().repeat(self.length.min(40))
    }

    /// The rows of a line.
    pub(super) fn row(&self, index: usize, line: &str, colours: Option<&Colours>, width: usize) -> Vec<Line> {
        code(index, line, colours, width)
    }
}

/// A row that begins or ends code.
pub(super) fn border(text: &str, width: usize) -> Line {
    Line::new(clip(&text.replace(['\n', '\t'], " "), width), Style::Border)
}

/// The rows of a line of code.
pub(super) fn code(index: usize, line: &str, colours: Option<&Colours>, width: usize) -> Vec<Line> {
    let line = colours.map_or_else(|| Line::new(line, Style::Plain), |colours| colours.paint(index, line));
    cut_marked(&line, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_open_and_close() {
        let check = |open: &str, line: &str, expect: Option<bool>| {
            let fence = Fence::opened(open);
            assert_eq!(fence.map(|fence| fence.closes(line)), expect, "{open:?} {line:?}");
        };
        check("```rust\n", "```\n", Some(true));
        check("```rust", "  `````  ", Some(true));
        check("```rust", "    ```", Some(false));
        check("```rust", "~~~", Some(false));
        check("````", "```", Some(false));
        check("~~~ a`b", "~~~", Some(true));
        check("``` a`b", "```", None);
        check("``", "``", None);
        check("    ```", "```", None);
    }
}
