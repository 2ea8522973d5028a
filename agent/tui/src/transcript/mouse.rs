//! Owns the mouse over the transcript: the wheel, clicks, and what a drag selects.
//! Uses the places of the rows that were drawn last.
//! Never selects half a character, and never copies a sign that stands before a text.

use std::time::{Duration, Instant};

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use unicode_segmentation::UnicodeSegmentation as _;

use super::Pane;
use super::list::Place;
use super::rows::split_at;
use crate::component::{Context, Taken};
use crate::text::columns;

/// Rows that the wheel moves by at once, as most terminals have it.
const WHEEL: isize = 3;
/// Two clicks within this time are one gesture, as most desktops have it.
const TWICE: Duration = Duration::from_millis(400);

/// A column of a row.
type Spot = (Place, usize);

/// What the mouse is at.
#[derive(Debug, Default)]
pub(super) struct Pointing {
    /// Where the button was pressed, while it is.
    pressed: Option<Spot>,
    /// Whether it was moved since.
    dragged: bool,
    /// The first column that is selected, and the one behind the last.
    selected: Option<(Spot, Spot)>,
    /// Where and when it was clicked last, and how many times in a row.
    clicked: Option<(Spot, Instant, u8)>,
}

impl Pointing {
    pub(super) fn forget(&mut self) {
        (self.pressed, self.dragged, self.selected) = (None, false, None);
    }

    pub(super) fn is_selected(&self) -> bool {
        self.selected.is_some()
    }

    /// The columns of a row that are selected.
    pub(super) fn columns(&self, place: Place, width: usize) -> Option<(usize, usize)> {
        let ((first, from), (last, to)) = self.selected?;
        if place < first || place > last {
            return None;
        }
        let from = if place == first { from } else { 0 };
        let to = if place == last { to } else { width };
        Some((from, to))
    }
}

impl Pane {
    pub(super) fn mouse(&mut self, mouse: MouseEvent, context: &mut Context<'_>) -> Taken {
        let now = context.now;
        match mouse.kind {
            MouseEventKind::ScrollUp => self.scroll(-WHEEL, now),
            MouseEventKind::ScrollDown => self.scroll(WHEEL, now),
            // With Shift the terminal selects.
            _ if mouse.modifiers.contains(KeyModifiers::SHIFT) => return Taken::No,
            MouseEventKind::Down(MouseButton::Left) => {
                self.pointing.forget();
                let Some(spot) = self.spot(mouse) else { return Taken::No };
                self.pointing.pressed = Some(spot);
            }
            MouseEventKind::Drag(MouseButton::Left) => {
                let Some(pressed) = self.pointing.pressed else { return Taken::No };
                self.scroll_along(mouse, now);
                if let Some(spot) = self.spot(mouse) {
                    self.pointing.dragged |= spot != pressed;
                    if self.pointing.dragged {
                        let (from, to) = (pressed.min(spot), pressed.max(spot));
                        self.pointing.selected = Some((from, (to.0, to.1 + 1)));
                    }
                }
            }
            MouseEventKind::Up(MouseButton::Left) => {
                let Some(pressed) = self.pointing.pressed.take() else { return Taken::No };
                if self.pointing.dragged {
                    self.pointing.dragged = false;
                    self.copy_selected(context);
                } else {
                    self.click(pressed, context);
                }
            }
            _ => return Taken::No,
        }
        Taken::Yes
    }

    /// What is under the mouse.
    fn spot(&self, mouse: MouseEvent) -> Option<Spot> {
        let inside = (self.area.x..self.area.right()).contains(&mouse.column);
        let first = self.area.y;
        let dragging = self.pointing.pressed.is_some();
        if (!inside || mouse.row < first || mouse.row >= self.area.bottom()) && !dragging {
            return None;
        }
        let row = usize::from(mouse.row.saturating_sub(first)).min(self.shown.len().checked_sub(1)?);
        if !dragging && usize::from(mouse.row - first) > row {
            return None;
        }
        Some((self.shown[row], usize::from(mouse.column.saturating_sub(self.area.x))))
    }

    /// A drag to an edge moves what is shown.
    fn scroll_along(&mut self, mouse: MouseEvent, now: Instant) {
        if mouse.row <= self.area.y {
            self.scroll(-1, now);
        } else if mouse.row >= self.area.bottom() {
            self.scroll(1, now);
        }
    }

    fn click(&mut self, spot: Spot, context: &mut Context<'_>) {
        let now = context.now;
        let times = match self.pointing.clicked {
            Some((before, at, times)) if before == spot && now.saturating_duration_since(at) < TWICE => {
                times % 3 + 1
            }
            _ => 1,
        };
        self.pointing.clicked = Some((spot, now, times));
        let (place, column) = spot;
        let sheet = self.sheet(now);
        match times {
            1 => {
                let gap = self.told.cells.gap(place.cell);
                let Some((opens, part)) = place
                    .row
                    .checked_sub(gap)
                    .and_then(|at| self.told.cells.rows(place.cell, &sheet).get(at))
                    .map(|row| (row.opens, row.part))
                else {
                    return;
                };
                if opens {
                    self.turn_over(place.cell, Some(part), now);
                }
            }
            2 => {
                let Some(row) = self.told.cells.row(place, &sheet) else { return };
                if let Some((from, to)) = word(&row.line.plain(), column) {
                    self.pointing.selected = Some(((place, from), (place, to)));
                    self.copy_selected(context);
                }
            }
            _ => {
                let gap = self.told.cells.gap(place.cell);
                let Some(at) = place.row.checked_sub(gap) else { return };
                let rows = self.told.cells.rows(place.cell, &sheet);
                let goes_on = |at: usize| rows.get(at).is_some_and(|row| row.joined.is_some());
                let (mut first, mut last) = (at, at);
                while goes_on(first) {
                    first -= 1;
                }
                while goes_on(last + 1) {
                    last += 1;
                }
                let cell = place.cell;
                let spot = |row: usize, column: usize| (Place { cell, row: row + gap }, column);
                self.pointing.selected = Some((spot(first, 0), spot(last, sheet.width)));
                self.copy_selected(context);
            }
        }
    }

    fn copy_selected(&mut self, context: &mut Context<'_>) {
        let text = self.selected_text(context.now);
        if !text.trim().is_empty() {
            self.copied(text, context);
        }
    }

    /// What is selected, in the lines that it was written in.
    pub(super) fn selected_text(&mut self, now: Instant) -> String {
        let Some(((first, from), (last, to))) = self.pointing.selected else { return String::new() };
        let sheet = self.sheet(now);
        let mut out = String::new();
        let mut place = first;
        while place <= last && place.cell < self.told.cells.len() {
            let (text, joined) = match self.told.cells.row(place, &sheet) {
                None => (String::new(), None),
                Some(row) => {
                    let plain = row.line.plain();
                    let from = if place == first { from } else { 0 }.max(row.lead);
                    let to = if place == last { to } else { usize::MAX };
                    let (before, _) = cut_behind(&plain, to);
                    let (_, text) = split_at(before, from);
                    (text.trim_end().to_owned(), row.joined)
                }
            };
            if place > first {
                match joined {
                    Some(gap) => out.push_str(&" ".repeat(gap)),
                    None => out.push('\n'),
                }
            }
            out.push_str(&text);
            place = self.told.cells.down(place, 1, &sheet);
        }
        out
    }
}

/// The text up to a column; a character that stands in it is of the first part.
fn cut_behind(text: &str, column: usize) -> (&str, &str) {
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        if used >= column {
            return text.split_at(at);
        }
        used += columns(grapheme);
    }
    (text, "")
}

/// The columns of the word that stands at a column: what is joined in names and paths is one.
fn word(text: &str, column: usize) -> Option<(usize, usize)> {
    let within = |grapheme: &str| {
        grapheme.chars().next().is_some_and(|first| first.is_alphanumeric() || "_-./:~@".contains(first))
    };
    let mut from = 0;
    let mut used = 0;
    let mut found = false;
    for grapheme in text.graphemes(true) {
        let wide = columns(grapheme);
        if within(grapheme) {
            found |= (used..used + wide).contains(&column);
        } else {
            if found {
                break;
            }
            from = used + wide;
        }
        used += wide;
        if !within(grapheme) && used > column {
            return None;
        }
    }
    found.then(|| {
        let (before, _) = cut_behind(text, used);
        // The end of a sentence is no part of a word.
        let trimmed =
            before.trim_end_matches(|last: char| !last.is_alphanumeric() && last != '/' && last != '_');
        (from, columns(trimmed).max(from + 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_what_is_joined() {
        let check = |text: &str, column: usize, expect: Option<(usize, usize)>| {
            assert_eq!(word(text, column), expect, "{column} of {text}");
        };
        check("see src/lib.rs:40 there", 6, Some((4, 17)));
        check("see src/lib.rs.", 5, Some((4, 14)));
        check("one two", 0, Some((0, 3)));
        check("one two", 3, None);
        check("one two", 6, Some((4, 7)));
        check("漢字 x", 1, Some((0, 4)));
        check("", 0, None);
    }
}
