//! Owns the blocks in their order, their rows as far as they are in sight, and places among them.
//! Uses blocks and the sheet that they are laid out for.
//! Never lays out what is not looked at: whatever is drawn or scrolled by starts at a place and walks from there.

use super::cell::Cell;
use super::rows::{Row, Sheet};
use crate::highlight;

/// Rows of so many blocks are kept; those farthest from what was drawn last go first. A screen shows ten or so.
const LAID_OUT: usize = 256;

/// A row of the transcript: of which block, and which one of it, the empty rows before the block counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) cell: usize,
    pub(super) row: usize,
}

#[derive(Debug)]
struct Entry {
    cell: Cell,
    /// The rows, and the width that they are for.
    rows: Option<(usize, Vec<Row>)>,
    /// How many there were when they were laid out last, at whatever width.
    height: Option<usize>,
    /// What was known of colours then.
    found: usize,
}

/// The blocks.
#[derive(Debug, Default)]
pub(super) struct Cells {
    entries: Vec<Entry>,
    /// Those that have rows.
    laid_out: Vec<usize>,
}

impl Cells {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn push(&mut self, cell: Cell) {
        self.entries.push(Entry { cell, rows: None, height: None, found: 0 });
    }

    /// Put blocks before the one at `at`.
    pub(super) fn insert(&mut self, at: usize, cells: Vec<Cell>) {
        self.forget();
        let entries = cells.into_iter().map(|cell| Entry { cell, rows: None, height: None, found: 0 });
        drop(self.entries.splice(at..at, entries));
    }

    /// Take out a range of blocks.
    pub(super) fn remove(&mut self, range: std::ops::Range<usize>) {
        self.forget();
        self.entries.drain(range);
    }

    pub(super) fn into_cells(self) -> Vec<Cell> {
        self.entries.into_iter().map(|entry| entry.cell).collect()
    }

    /// All rows are laid out anew.
    pub(super) fn forget(&mut self) {
        for at in self.laid_out.drain(..) {
            if let Some(entry) = self.entries.get_mut(at) {
                entry.rows = None;
            }
        }
    }

    pub(super) fn get(&self, at: usize) -> Option<&Cell> {
        self.entries.get(at).map(|entry| &entry.cell)
    }

    pub(super) fn last(&self) -> Option<&Cell> {
        self.entries.last().map(|entry| &entry.cell)
    }

    /// A block that is about to change.
    pub(super) fn change(&mut self, at: usize) -> Option<&mut Cell> {
        let entry = self.entries.get_mut(at)?;
        entry.rows = None;
        Some(&mut entry.cell)
    }

    pub(super) fn change_last(&mut self) -> Option<&mut Cell> {
        self.change(self.entries.len().checked_sub(1)?)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, &Cell)> + ExactSizeIterator {
        self.entries.iter().map(|entry| &entry.cell).enumerate()
    }

    /// Empty rows before a block.
    pub(super) fn gap(&self, at: usize) -> usize {
        match (at.checked_sub(1).and_then(|above| self.entries.get(above)), self.entries.get(at)) {
            (Some(above), Some(entry)) => entry.cell.gap(&above.cell),
            _ => 0,
        }
    }

    /// The rows of a block.
    pub(super) fn rows(&mut self, at: usize, sheet: &Sheet) -> &[Row] {
        let Some(entry) = self.entries.get_mut(at) else { return &[] };
        let found = highlight::found();
        let recoloured = entry.cell.waits_for_colours() && entry.found != found;
        let other_width = entry.rows.as_ref().is_none_or(|(width, _)| *width != sheet.width);
        if entry.cell.is_live() || recoloured || other_width {
            entry.found = found;
            if entry.rows.is_none() && !self.laid_out.contains(&at) {
                self.laid_out.push(at);
            }
            let rows = entry.cell.rows(sheet);
            entry.height = Some(rows.len());
            entry.rows = Some((sheet.width, rows));
        }
        entry.rows.as_ref().map_or(&[], |(_, rows)| rows)
    }

    /// Whether the rows of a block lack colours that are still being found, or were found since.
    pub(super) fn waits_for_colours(&self, at: usize) -> bool {
        let Some(entry) = self.entries.get(at) else { return false };
        entry.cell.waits_for_colours() && (highlight::is_busy() || entry.found != highlight::found())
    }

    /// The rows as they were laid out last, at whatever width.
    pub(super) fn old_rows(&self, at: usize) -> Option<&(usize, Vec<Row>)> {
        self.entries.get(at)?.rows.as_ref()
    }

    /// Rows of a block with the empty ones before it.
    pub(super) fn height(&mut self, at: usize, sheet: &Sheet) -> usize {
        self.gap(at) + self.rows(at, sheet).len()
    }

    /// The same as far as it is known, at whatever width it was known.
    pub(super) fn height_about(&mut self, at: usize, sheet: &Sheet) -> usize {
        match self.entries.get(at) {
            Some(Entry { height: Some(height), cell, .. }) if !cell.is_live() => self.gap(at) + height,
            _ => self.height(at, sheet),
        }
    }

    /// The place so many rows farther up, or the beginning.
    pub(super) fn up(&mut self, from: Place, mut rows: usize, sheet: &Sheet) -> Place {
        let mut place = from;
        loop {
            if place.row >= rows {
                place.row -= rows;
                return place;
            }
            rows -= place.row;
            if place.cell == 0 {
                return Place::default();
            }
            place.cell -= 1;
            place.row = self.height(place.cell, sheet);
        }
    }

    /// The place so many rows farther down, or the one behind the last row.
    pub(super) fn down(&mut self, from: Place, mut rows: usize, sheet: &Sheet) -> Place {
        let mut place = from;
        while place.cell < self.entries.len() {
            let left = self.height(place.cell, sheet).saturating_sub(place.row);
            if rows < left {
                place.row += rows;
                return place;
            }
            rows -= left;
            place = Place { cell: place.cell + 1, row: 0 };
        }
        place
    }

    /// Behind the last row.
    pub(super) fn end(&self) -> Place {
        Place { cell: self.entries.len(), row: 0 }
    }

    /// Where the first row of a full screen stands when the end is shown.
    pub(super) fn last_screen(&mut self, rows: usize, sheet: &Sheet) -> Place {
        let end = self.end();
        self.up(end, rows, sheet)
    }

    /// The row at a place; nothing for an empty one between blocks.
    pub(super) fn row(&mut self, place: Place, sheet: &Sheet) -> Option<&Row> {
        let at = place.row.checked_sub(self.gap(place.cell))?;
        self.rows(place.cell, sheet).get(at)
    }

    /// Blocks that have rows.
    #[cfg(test)]
    pub(super) fn laid_out(&self) -> usize {
        self.laid_out.len()
    }

    /// Forget rows that are far from here.
    pub(super) fn tidy(&mut self, near: usize) {
        if self.laid_out.len() <= LAID_OUT {
            return;
        }
        self.laid_out.sort_unstable_by_key(|at| at.abs_diff(near));
        for at in self.laid_out.split_off(LAID_OUT / 2) {
            if let Some(entry) = self.entries.get_mut(at) {
                entry.rows = None;
            }
        }
    }
}
