//! Owns how the words of a model look: markdown that comes in pieces, as rows of a width.
//! Uses `wrap` for rows and `text` for what is safe.
//! Never changes a row that it called settled, and never hides an address.

use crate::style::{Line, Style};
use crate::text::visible;
use crate::wrap::wrap;

/// A text in markdown that may still grow.
#[derive(Debug, Clone, Default)]
pub struct Document {
    source: String,
    ended: bool,
    width: usize,
    rows: Vec<Line>,
    settled: usize,
    stale: bool,
}

impl Document {
    /// More of the text.
    pub fn push(&mut self, text: &str) {
        self.source.push_str(text);
        self.stale = true;
    }

    /// There will be no more of it.
    pub fn end(&mut self) {
        self.ended = true;
        self.stale = true;
    }

    /// The rows at this width, without line breaks.
    pub fn rows(&mut self, width: usize) -> &[Line] {
        if self.stale || self.width != width {
            (self.width, self.stale) = (width, false);
            self.rows.clear();
            for row in self.source.trim_end_matches('\n').split('\n').filter(|_| !self.source.is_empty()) {
                self.settled = self.rows.len();
                self.rows.extend(wrap(&Line::new(visible(row), Style::Plain), width, 0));
            }
            if self.ended {
                self.settled = self.rows.len();
            }
        }
        &self.rows
    }

    /// How many of the rows that were asked for last cannot change any more at their width.
    pub fn settled(&self) -> usize {
        self.settled
    }
}

/// All rows of a text that is complete.
#[must_use]
pub fn rows(text: &str, width: usize) -> Vec<Line> {
    let mut document = Document::default();
    document.push(text);
    document.end();
    document.rows(width).to_vec()
}
