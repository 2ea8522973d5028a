//! Owns rows: a block of the transcript as it stands at a width, and what of it is text.
//! Uses `wrap` for the breaks.
//! Never holds a row that is wider than the screen, nor a control character.

use std::time::Instant;

use crate::style::{Line, Span, Style};
use crate::text::{columns, visible};
use crate::wrap::{cut, wrap};

/// What a block is laid out for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sheet {
    /// Columns, at least one.
    pub(super) width: usize,
    /// Words say what signs and colours say.
    pub(super) plain: bool,
    /// The time, for what still runs.
    pub(super) now: Instant,
}

/// One row of the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// What stands in it.
    pub(super) line: Line,
    /// Columns at its beginning that are no text: a sign, an indentation.
    pub(super) lead: usize,
    /// Whether it goes on with the line of the row above, and how many blanks stood between them.
    pub(super) joined: Option<usize>,
    /// Which part of its block it belongs to: the number of a call in a group.
    pub(super) part: usize,
    /// A click shows more of its part.
    pub(super) opens: bool,
}

impl Row {
    /// Its text without what is no text.
    pub(super) fn text(&self) -> String {
        let plain = self.line.plain();
        let (_, text) = split_at(&plain, self.lead);
        text.to_owned()
    }

    /// The columns that its text takes.
    pub(super) fn width(&self) -> usize {
        columns(&self.line.plain()).saturating_sub(self.lead)
    }
}

/// The text before a column and the text from it on. A character that stands in both is of the second.
pub(super) fn split_at(text: &str, column: usize) -> (&str, &str) {
    use unicode_segmentation::UnicodeSegmentation as _;
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        let wide = columns(grapheme);
        if used + wide > column && wide > 0 {
            return text.split_at(at);
        }
        used += wide;
    }
    (text, "")
}

/// How a line is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    /// Between words.
    Words,
    /// Where the row ends: blanks mean something.
    Columns,
    /// Not at all: what does not fit is cut off.
    Never,
}

/// Rows that are being made.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) width: usize,
    pub(super) rows: Vec<Row>,
    /// The part that the next ones belong to.
    pub(super) part: usize,
}

impl Rows {
    pub(super) fn new(width: usize) -> Self {
        Self { width: width.max(1), rows: Vec::new(), part: 0 }
    }

    /// A line behind a sign, under which its further rows are indented.
    pub(super) fn put(&mut self, sign: Span, line: &Line, at: Break) {
        let mut lead = columns(&sign.text);
        // Where there is no room for both, the text is what is shown.
        let sign = if lead * 2 > self.width {
            lead = 0;
            Span { text: String::new(), style: sign.style }
        } else {
            sign
        };
        let room = (self.width - lead).max(1);
        let broken = match at {
            Break::Words => wrap(line, room, 0),
            Break::Columns => cut(line, room, 0),
            Break::Never => vec![clipped(line, room)],
        };
        let gaps = if at == Break::Words { gaps(line, &broken) } else { vec![0; broken.len()] };
        for (number, (row, gap)) in broken.into_iter().zip(gaps).enumerate() {
            let before =
                if number == 0 { sign.clone() } else { Span { text: " ".repeat(lead), style: Style::Plain } };
            let mut whole = Line::default();
            if lead > 0 {
                whole.spans.push(before);
            }
            whole.spans.extend(row.spans);
            let joined = (number > 0).then_some(gap);
            self.rows.push(Row { line: whole, lead, joined, part: self.part, opens: false });
        }
    }

    /// A foreign text, line by line, behind an indentation.
    pub(super) fn text(&mut self, indent: usize, text: &str, style: Style, at: Break) {
        for line in visible(text).split('\n') {
            self.put(indentation(indent), &Line::new(line, style), at);
        }
    }

    /// The row made last shows more of its part when it is clicked on.
    pub(super) fn opens(&mut self) {
        if let Some(row) = self.rows.last_mut() {
            row.opens = true;
        }
    }
}

/// Blanks before a line.
pub(super) fn indentation(columns: usize) -> Span {
    Span { text: " ".repeat(columns), style: Style::Plain }
}

/// A line of at most `room` columns.
fn clipped(line: &Line, room: usize) -> Line {
    let plain = line.plain();
    if columns(&plain) <= room && !plain.contains('\t') {
        return line.clone();
    }
    let mut rows = cut(line, room.saturating_sub(1).max(1), 0);
    let more = rows.len() > 1;
    let first = std::mem::take(&mut rows[0]);
    if more && room > 1 { first.with("…", Style::Dim) } else { first }
}

/// How many blanks stood before each row in the line that it was made of.
fn gaps(line: &Line, rows: &[Line]) -> Vec<usize> {
    if rows.len() < 2 {
        return vec![0; rows.len()];
    }
    let plain = line.plain();
    let mut rest = plain.chars().peekable();
    rows.iter()
        .map(|row| {
            let mut gap = 0;
            while rest.next_if(|character| character.is_whitespace()).is_some() {
                gap += 1;
            }
            for character in row.plain().chars().filter(|character| !character.is_whitespace()) {
                // Blanks within the row.
                while rest.next_if(|other| other.is_whitespace()).is_some() {}
                let _ = rest.next_if_eq(&character);
            }
            gap
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that rows were made of.
    fn lines(rows: &[Row]) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for row in rows {
            match (row.joined, lines.last_mut()) {
                (Some(gap), Some(line)) => line.push_str(&(" ".repeat(gap) + &row.text())),
                _ => lines.push(row.text()),
            }
        }
        lines
    }

    #[test]
    fn a_line_is_put_together_again() {
        let check = |text: &str, width: usize, at: Break| {
            let mut rows = Rows::new(width);
            rows.put(Span { text: "• ".into(), style: Style::Dim }, &Line::new(text, Style::Plain), at);
            for row in &rows.rows {
                assert!(columns(&row.line.plain()) <= width.max(2), "{width}: {row:?}");
            }
            assert_eq!(lines(&rows.rows), [text], "{width}");
        };
        check("one", 20, Break::Words);
        check("the quick brown fox jumps", 12, Break::Words);
        check("two  blanks   and more of them", 10, Break::Words);
        check("averyveryverylongwordthatisbroken here", 9, Break::Words);
        check("漢字漢字漢字 漢字", 7, Break::Words);
        check("    fn main() { let x = 1; }", 11, Break::Columns);
        check("abc", 1, Break::Columns);
    }

    #[test]
    fn a_column_parts_a_text() {
        let check =
            |text: &str, column: usize, expect: (&str, &str)| assert_eq!(split_at(text, column), expect);
        check("abc", 0, ("", "abc"));
        check("abc", 2, ("ab", "c"));
        check("abc", 9, ("abc", ""));
        // The second column of a wide character is of the character.
        check("漢字", 1, ("", "漢字"));
        check("漢字", 2, ("漢", "字"));
    }
}
