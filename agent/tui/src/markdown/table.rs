//! Owns tables that fit: columns where there is room for them, records where there is not.
//! Uses the columns of texts and `wrap` for what is wider than its column.
//! Never cuts a cell.

use pulldown_cmark::Alignment;

use crate::style::{Line, Span, Style};
use crate::text::columns;
use crate::wrap::wrap;

/// A column is at least so wide, or as its widest cell: most words of English fit, and longer ones break once.
const NARROWEST: usize = 8;

/// Between two columns.
const BETWEEN: &str = " │ ";

type Cell = Vec<Line>;

/// A table that is read cell by cell, its header first.
pub(super) struct Table {
    alignments: Vec<Alignment>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn new(alignments: Vec<Alignment>) -> Self {
        Self { alignments, rows: vec![Vec::new()] }
    }

    pub(super) fn row(&mut self) {
        self.rows.push(Vec::new());
    }

    pub(super) fn cell(&mut self, cell: Cell) {
        if let Some(row) = self.rows.last_mut() {
            row.push(cell);
        }
    }

    /// The rows in that many columns of the terminal.
    pub(super) fn rows(&self, room: usize) -> Vec<Line> {
        match self.widths(room) {
            Some(widths) => self.grid(&widths),
            None => self.records(room),
        }
    }

    /// How wide each column is; nothing where they do not stand beside each other.
    fn widths(&self, room: usize) -> Option<Vec<usize>> {
        let count = self.alignments.len();
        let room = room.checked_sub(columns(BETWEEN) * count.saturating_sub(1))?;
        let mut wanted = vec![1_usize; count];
        for (index, cell) in self.rows.iter().flat_map(|row| row.iter().enumerate()) {
            let widest = cell.iter().map(|line| columns(&line.plain())).max().unwrap_or(0);
            if let Some(wanted) = wanted.get_mut(index) {
                *wanted = widest.max(*wanted);
            }
        }
        let least: usize = wanted.iter().map(|wanted| NARROWEST.min(*wanted)).sum();
        if least > room {
            return None;
        }
        // The widest ones give, down to the width at which all fit: found from the narrowest on.
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|index| wanted[*index]);
        let mut left = room;
        for (place, index) in order.iter().enumerate() {
            let share = left / (count - place);
            wanted[*index] = wanted[*index].min(share.max(NARROWEST.min(wanted[*index])));
            left -= wanted[*index].min(left);
        }
        Some(wanted)
    }

    fn grid(&self, widths: &[usize]) -> Vec<Line> {
        let mut out = Vec::new();
        for (number, row) in self.rows.iter().enumerate() {
            let cells: Vec<Vec<Line>> = widths
                .iter()
                .enumerate()
                .map(|(index, width)| row.get(index).map(|cell| wrapped(cell, *width)).unwrap_or_default())
                .collect();
            let high = cells.iter().map(Vec::len).max().unwrap_or(0).max(1);
            // Where a row takes several, a line tells it from the next.
            if number > 1 && (high > 1 || self.is_high(number - 1, widths)) {
                out.push(rule(widths, "┈", "┼"));
            }
            for at in 0..high {
                let mut line = Line::default();
                for (index, width) in widths.iter().enumerate() {
                    if index > 0 {
                        line = line.with(BETWEEN, Style::Border);
                    }
                    let empty = Line::default();
                    let part = cells[index].get(at).unwrap_or(&empty);
                    let space = width.saturating_sub(columns(&part.plain()));
                    let (before, behind) = match self.alignments.get(index) {
                        Some(Alignment::Right) => (space, 0),
                        Some(Alignment::Center) => (space / 2, space - space / 2),
                        _ => (0, space),
                    };
                    line = blanks(line, before);
                    line.spans.extend(part.spans.iter().cloned());
                    if index + 1 < widths.len() {
                        line = blanks(line, behind);
                    }
                }
                out.push(line);
            }
            if number == 0 {
                out.push(rule(widths, "─", "┼"));
            }
        }
        out
    }

    fn is_high(&self, number: usize, widths: &[usize]) -> bool {
        let row = self.rows.get(number).into_iter().flatten();
        row.zip(widths).any(|(cell, width)| cell.len() > 1 || wrapped(cell, *width).len() > 1)
    }

    /// Each row as `header: cell`, one below the other.
    fn records(&self, room: usize) -> Vec<Line> {
        let mut out = Vec::new();
        let header = self.rows.first();
        for (number, row) in self.rows.iter().enumerate().skip(usize::from(self.rows.len() > 1)) {
            if number > 1 {
                out.push(Line::new("─".repeat(room.min(NARROWEST)), Style::Border));
            }
            for (index, cell) in row.iter().enumerate() {
                if cell.is_empty() {
                    continue;
                }
                let mut line = Line::default();
                let title = header.filter(|_| number > 0).and_then(|header| header.get(index));
                if let Some(title) = title.filter(|title| !title.is_empty()) {
                    line.spans.extend(flat(title));
                    line = line.with(": ", Style::Plain);
                }
                line.spans.extend(flat(cell));
                out.extend(wrap(&line, room, 2));
            }
        }
        out
    }
}

fn flat(cell: &Cell) -> Vec<Span> {
    let mut spans = Vec::new();
    for line in cell {
        if !spans.is_empty() {
            spans.push(Span { text: " ".into(), style: Style::Plain });
        }
        spans.extend(line.spans.iter().cloned());
    }
    spans
}

fn wrapped(cell: &Cell, width: usize) -> Vec<Line> {
    cell.iter().flat_map(|line| wrap(line, width, 0)).collect()
}

fn blanks(line: Line, count: usize) -> Line {
    if count == 0 { line } else { line.with(" ".repeat(count), Style::Plain) }
}

fn rule(widths: &[usize], sign: &str, cross: &str) -> Line {
    let parts: Vec<String> = widths.iter().map(|width| sign.repeat(*width)).collect();
    Line::new(parts.join(&format!("{sign}{cross}{sign}")), Style::Border)
}
