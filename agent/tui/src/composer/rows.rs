//! Owns where the text of a prompt breaks into rows, and which row and column a place in it has.
//! Uses the columns of graphemes, and the labels of what stands for something else.
//! Never lays out more than it is given: what is large stands behind a label.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::chips::Chips;

/// What a tab is shown as.
const TAB: &str = "    ";

/// The rows of a text.
pub(super) struct Rows {
    /// In bytes, without the line breaks.
    rows: Vec<Range<usize>>,
    width: usize,
}

/// How a grapheme is shown.
pub(super) fn shown<'a>(grapheme: &'a str, chips: &'a Chips) -> &'a str {
    if grapheme == "\t" { TAB } else { chips.label(grapheme).unwrap_or(grapheme) }
}

/// The columns that a grapheme takes.
fn columns(grapheme: &str, chips: &Chips) -> usize {
    shown(grapheme, chips).width()
}

impl Rows {
    /// Break a text at blanks, and within words that are longer than a row.
    pub(super) fn of(text: &str, chips: &Chips, width: usize) -> Self {
        let width = width.max(1);
        let mut rows = Vec::new();
        let mut start = 0;
        for line in text.split('\n') {
            let (mut row, mut used, mut blank) = (start, 0, None);
            for (at, grapheme) in line.grapheme_indices(true) {
                let at = start + at;
                let takes = columns(grapheme, chips);
                let is_blank = grapheme == " " || grapheme == "\t";
                // A blank at the end of a row hangs over: nobody misses it.
                if used + takes > width && at > row && !is_blank {
                    let next = blank.filter(|blank| *blank > row).unwrap_or(at);
                    rows.push(row..next);
                    row = next;
                    used = text[row..at].graphemes(true).map(|one| columns(one, chips)).sum();
                    blank = None;
                }
                used += takes;
                if is_blank {
                    blank = Some(at + grapheme.len());
                }
            }
            let end = start + line.len();
            rows.push(row..end);
            start = end + 1;
        }
        Self { rows, width }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The bytes of a row.
    pub(super) fn row(&self, row: usize) -> Range<usize> {
        self.rows.get(row).cloned().unwrap_or_default()
    }

    /// The row and the column of a place.
    pub(super) fn place(&self, text: &str, chips: &Chips, at: usize) -> (usize, usize) {
        let row = self.rows.partition_point(|row| row.start <= at).saturating_sub(1);
        let start = self.row(row).start;
        let column: usize = text[start..at].graphemes(true).map(|one| columns(one, chips)).sum();
        (row, column.min(self.width))
    }

    /// The place in a row that is nearest to a column.
    pub(super) fn at(&self, text: &str, chips: &Chips, row: usize, column: usize) -> usize {
        let range = self.row(row);
        let mut used = 0;
        for (at, grapheme) in text[range.clone()].grapheme_indices(true) {
            used += columns(grapheme, chips);
            if used > column {
                return range.start + at;
            }
        }
        // The end of a row that is wrapped is the beginning of the next one.
        let wrapped = self.rows.get(row + 1).is_some_and(|next| next.start == range.end);
        match text[range.clone()].graphemes(true).next_back() {
            Some(last) if wrapped => range.end - last.len(),
            _ => range.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_break_at_blanks() {
        let check = |text: &str, width: usize, expect: &[&str]| {
            let rows = Rows::of(text, &Chips::default(), width);
            let found: Vec<&str> = (0..rows.len()).map(|row| &text[rows.row(row)]).collect();
            assert_eq!(found, expect, "{text:?} in {width}");
        };
        check("", 10, &[""]);
        check("one two three", 8, &["one two ", "three"]);
        check("one two", 7, &["one two"]);
        check("one two three", 7, &["one two ", "three"]);
        check("abcdefghij", 4, &["abcd", "efgh", "ij"]);
        check("ab\n\ncd\n", 4, &["ab", "", "cd", ""]);
        check("漢字漢", 4, &["漢字", "漢"]);
        check("漢字", 1, &["漢", "字"]);
        check("a long-enough-word", 6, &["a ", "long-e", "nough-", "word"]);
    }

    #[test]
    fn places_and_columns_are_found_both_ways() {
        let text = "one two three\n漢字x";
        let chips = Chips::default();
        let rows = Rows::of(text, &chips, 8);
        let check =
            |at: usize, expect: (usize, usize)| assert_eq!(rows.place(text, &chips, at), expect, "{at}");
        check(0, (0, 0));
        check(7, (0, 7));
        check(8, (1, 0));
        check(13, (1, 5));
        check(14, (2, 0));
        check(17, (2, 2));
        check(text.len(), (2, 5));
        let check = |row: usize, column: usize, expect: usize| {
            assert_eq!(rows.at(text, &chips, row, column), expect, "{row}:{column}");
        };
        check(0, 3, 3);
        check(0, 20, 7);
        check(1, 20, 13);
        check(2, 1, 14);
        check(2, 2, 17);
        check(9, 0, 0);
    }
}
