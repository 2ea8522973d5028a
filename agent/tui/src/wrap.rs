//! Owns how a line that is wider than its place becomes several: at words, or wherever the row ends.
//! Uses graphemes, what a person takes for one character, and the columns that they take.
//! Never loses a character but the blanks at which a row ends, and never splits a grapheme.

use unicode_segmentation::UnicodeSegmentation;

use crate::style::{Line, Span, Style};
use crate::text::{columns, grapheme_columns};

/// A tab leads to the next multiple of this, as in most editors' defaults for languages without a habit of their own.
const TAB: usize = 4;

/// Before what goes on from the row above.
const GOES_ON: &str = "↪ ";

/// The line in rows of at most `width` columns, broken at words; every row but the first is indented by `hang`.
/// A word that is wider than a row is cut. A grapheme that is wider than `width` gets a row of its own.
///
/// Tabs become blanks. The time is linear in the length.
#[must_use]
pub fn wrap(line: &Line, width: usize, hang: usize) -> Vec<Line> {
    let mut rows = Rows::new(width, hang);
    let mut word = Word::default();
    for (grapheme, style, columns) in graphemes(line) {
        let gap = gap(grapheme, rows.used + word.blank + word.columns);
        if gap > 0 {
            word.close(&mut rows);
            word.blanks.push((style, gap));
            word.blank += gap;
            continue;
        }
        // Wide characters may be parted from each other: their scripts write no blanks.
        if columns > 1 || word.wide {
            word.close(&mut rows);
            word.wide = columns > 1;
        }
        if word.too_long {
            rows.put_or_break(grapheme, style, columns);
            continue;
        }
        word.graphemes.push((grapheme, style, columns));
        word.columns += columns;
        // What is wider than a row need not be kept together, nor in memory.
        if word.columns > width {
            word.lay(&mut rows);
            word.too_long = true;
        }
    }
    word.close(&mut rows);
    rows.finish()
}

/// As [`wrap`], but broken wherever a row is full: for code, where blanks mean something.
#[must_use]
pub fn cut(line: &Line, width: usize, hang: usize) -> Vec<Line> {
    let mut rows = Rows::new(width, hang);
    for (grapheme, style, columns) in graphemes(line) {
        match gap(grapheme, rows.used) {
            0 => rows.put_or_break(grapheme, style, columns),
            gap => (0..gap).for_each(|_| rows.put_or_break(" ", style, 1)),
        }
    }
    rows.finish()
}

/// As [`cut`], with a sign where a row goes on that is not a row of the code: what breaks there was not written so.
#[must_use]
pub fn cut_marked(line: &Line, width: usize) -> Vec<Line> {
    let mut rows = cut(line, width, columns(GOES_ON));
    // Where there is no room for an indentation there is none for the sign.
    if width > columns(GOES_ON) + 1 {
        for row in rows.iter_mut().skip(1) {
            if let Some(first) = row.spans.first_mut() {
                first.text.drain(..columns(GOES_ON));
            }
            row.spans.insert(0, Span { text: GOES_ON.into(), style: Style::Border });
        }
    }
    rows
}

fn graphemes(line: &Line) -> impl Iterator<Item = (&str, Style, usize)> {
    line.spans.iter().flat_map(|Span { text, style }| {
        text.graphemes(true).map(|grapheme| (grapheme, *style, grapheme_columns(grapheme)))
    })
}

/// The columns of a blank that begins in that column; none where it is no blank.
fn gap(grapheme: &str, column: usize) -> usize {
    match grapheme {
        "\t" => TAB - column % TAB,
        " " => 1,
        _ => 0,
    }
}

/// The row that is being filled, and the rows before it.
struct Rows {
    width: usize,
    hang: usize,
    done: Vec<Line>,
    row: Line,
    used: usize,
    /// Nothing but the indentation stands in the row.
    empty: bool,
}

impl Rows {
    fn new(width: usize, hang: usize) -> Self {
        let width = width.max(1);
        // A row must have room for something.
        let hang = if hang + 1 < width { hang } else { 0 };
        Self { width, hang, done: Vec::new(), row: Line::default(), used: 0, empty: true }
    }

    fn put(&mut self, text: &str, style: Style, columns: usize) {
        self.used += columns;
        self.empty = false;
        match self.row.spans.last_mut() {
            Some(last) if last.style == style => last.text.push_str(text),
            _ => self.row.spans.push(Span { text: text.to_owned(), style }),
        }
    }

    /// In the next row where this one is full.
    fn put_or_break(&mut self, text: &str, style: Style, columns: usize) {
        if self.used + columns > self.width && !self.empty {
            self.end();
        }
        self.put(text, style, columns);
    }

    fn end(&mut self) {
        self.done.push(std::mem::take(&mut self.row));
        self.used = 0;
        if self.hang > 0 {
            self.put(&" ".repeat(self.hang), Style::Plain, self.hang);
        }
        self.empty = true;
    }

    fn finish(mut self) -> Vec<Line> {
        if self.done.is_empty() || !self.empty {
            self.done.push(self.row);
        }
        self.done
    }
}

/// What may not be parted yet, and the blanks before it.
#[derive(Default)]
struct Word<'a> {
    blanks: Vec<(Style, usize)>,
    blank: usize,
    graphemes: Vec<(&'a str, Style, usize)>,
    columns: usize,
    wide: bool,
    /// Its beginning is laid already: it is cut.
    too_long: bool,
}

impl Word<'_> {
    /// It ends here.
    fn close(&mut self, rows: &mut Rows) {
        self.lay(rows);
        (self.too_long, self.wide) = (false, false);
    }

    /// Into the row, or into the next one without the blanks before it.
    fn lay(&mut self, rows: &mut Rows) {
        if self.graphemes.is_empty() {
            return;
        }
        let first = rows.done.is_empty() && rows.empty;
        if rows.used + self.blank + self.columns <= rows.width || (first && self.blank < rows.width) {
            for (style, count) in self.blanks.drain(..) {
                rows.put(&" ".repeat(count), style, count);
            }
        } else if !rows.empty {
            rows.end();
        }
        for (text, style, columns) in self.graphemes.drain(..) {
            rows.put_or_break(text, style, columns);
        }
        self.blanks.clear();
        (self.blank, self.columns) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(rows: &[Line]) -> Vec<String> {
        rows.iter().map(Line::plain).collect()
    }

    #[test]
    fn rows_end_at_words() {
        let check = |text: &str, width: usize, hang: usize, expect: &[&str]| {
            assert_eq!(
                texts(&wrap(&Line::new(text, Style::Plain), width, hang)),
                expect,
                "{text:?} at {width}"
            );
        };
        check("", 10, 0, &[""]);
        check("   ", 10, 0, &[""]);
        check("one two three", 20, 0, &["one two three"]);
        check("one two three", 7, 0, &["one two", "three"]);
        check("one two three", 8, 2, &["one two", "  three"]);
        check("one  two", 5, 0, &["one", "two"]);
        check("  indented words", 12, 2, &["  indented", "  words"]);
        // A word that is too long is cut, and begins where there is room.
        check("abcdefghij", 4, 0, &["abcd", "efgh", "ij"]);
        check("a abcdefghij b", 4, 0, &["a", "abcd", "efgh", "ij b"]);
        check("ab", 1, 5, &["a", "b"]);
        // Two columns each; they need no blank between them.
        check("漢字漢字漢", 5, 0, &["漢字", "漢字", "漢"]);
        check("漢字", 1, 0, &["漢", "字"]);
        check("say 漢字漢字", 8, 0, &["say 漢字", "漢字"]);
        // A tab leads to the next multiple of four, and a combining mark stays where it belongs.
        check("a\tb", 10, 0, &["a   b"]);
        check("e\u{301}e\u{301}e\u{301}", 2, 0, &["e\u{301}e\u{301}", "e\u{301}"]);
        check(
            "👩\u{200d}👩\u{200d}👧👩\u{200d}👩\u{200d}👧",
            2,
            0,
            &["👩\u{200d}👩\u{200d}👧", "👩\u{200d}👩\u{200d}👧"],
        );
    }

    #[test]
    fn code_is_cut_where_the_row_is_full() {
        let check = |text: &str, width: usize, hang: usize, expect: &[&str]| {
            assert_eq!(
                texts(&cut(&Line::new(text, Style::Plain), width, hang)),
                expect,
                "{text:?} at {width}"
            );
        };
        check("a  b   c", 4, 0, &["a  b", "   c"]);
        check("abcdef", 4, 2, &["abcd", "  ef"]);
        check("\tif x", 5, 0, &["    i", "f x"]);
        check("漢字", 3, 0, &["漢", "字"]);
        let marked = cut_marked(&Line::new("ab", Style::Code).with("cdefg", Style::Plain), 4);
        assert_eq!(texts(&marked), ["abcd", "↪ ef", "↪ g"]);
        assert_eq!(texts(&cut_marked(&Line::new("abc", Style::Plain), 2)), ["ab", "c"]);
    }

    #[test]
    fn styles_go_along() {
        let line = Line::new("one ", Style::Plain).with("two three", Style::Code).with("four", Style::Plain);
        let rows = wrap(&line, 8, 0);
        assert_eq!(texts(&rows), ["one two", "threefou", "r"]);
        assert_eq!(
            rows[1].spans,
            [
                Span { text: "three".into(), style: Style::Code },
                Span { text: "fou".into(), style: Style::Plain }
            ]
        );
    }

    #[test]
    fn a_megabyte_on_one_line_takes_its_rows_and_no_more() {
        for text in ["x".repeat(1 << 20), "x ".repeat(1 << 19), "\u{301}".repeat(1 << 19)] {
            let rows = wrap(&Line::new(text.as_str(), Style::Plain), 80, 2);
            assert!(rows.len() <= (1 << 20) / 60, "{}", rows.len());
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_sticks_out(text in "[ a-z\u{301}漢👩\t]{0,60}", width in 1usize..12, hang in 0usize..6) {
            let line = Line::new(text.as_str(), Style::Plain);
            let bare = |text: &str| text.chars().filter(|character| !" \t".contains(*character)).collect::<String>();
            for rows in [wrap(&line, width, hang), cut(&line, width, hang)] {
                let all: String = rows.iter().map(Line::plain).collect();
                prop_assert_eq!(bare(&all), bare(&text));
                for row in &rows {
                    prop_assert!(columns(&row.plain()) <= width.max(2), "{:?} in {}", row.plain(), width);
                }
            }
        }
    }
}
