//! Owns what was said and done, as rows that can be scrolled, searched, opened and copied.
//! Uses events for what to show, keys and the mouse for where to look.
//! Never changes a row that is finished, and never lays out what is not looked at.

mod build;
mod call;
mod cell;
mod find;
mod kept;
mod list;
mod mouse;
mod reading;
mod rows;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;

use std::time::{Duration, Instant};

use loci_protocol::Event;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use crate::component::{Component, Context, Look, Taken};
use crate::context::number;
use crate::host::{Reply, Request};
use crate::input::Input;
use crate::markdown;
use crate::state::State;
use crate::style::{Line, Style};
use crate::text::columns;
use build::Told;
use cell::Cell;
use find::Search;
use list::Place;
use mouse::Pointing;
use rows::{Row, Sheet};

/// How long a remark stays in the corner: long enough to be read.
const REMARK: Duration = Duration::from_secs(2);

/// What was said and done.
#[derive(Default)]
pub(crate) struct Pane {
    told: Told,
    session: String,
    /// Where the first row of the screen is; nothing while the end is shown and followed.
    top: Option<Place>,
    /// The text that stood in the first row before the width changed, and the row that it has led to: widths that come one
    /// after the other do not add up.
    anchor: Option<(Place, (usize, usize))>,
    /// What the end was when it was left: blocks, and rows of the last one.
    left: Place,
    /// Letters are keys of ours.
    reading: bool,
    /// The block that keys act on, where one was chosen.
    chosen: Option<usize>,
    search: Option<Search>,
    pointing: Pointing,
    /// Something to read in the corner, until then.
    remark: Option<(String, Instant)>,
    /// What was drawn last.
    area: Rect,
    width: usize,
    plain: bool,
    /// The place of each row of the screen.
    shown: Vec<Place>,
}

impl Pane {
    /// Something to read that is not the session's.
    pub(crate) fn note(&mut self, text: &str, style: Style) {
        self.told.note(text, style);
    }

    /// The answer that was given last, for the normal screen: at most a screenful.
    pub(crate) fn farewell(&self, state: &State, width: usize) -> Vec<Line> {
        // Of a session that was resumed and not spoken to it is in its past.
        let answer =
            if state.last_answer.is_empty() { self.newest_answer() } else { state.last_answer.clone() };
        let answer = answer.trim();
        if answer.is_empty() {
            return Vec::new();
        }
        let most = usize::from(self.area.height).max(10);
        let mut lines = markdown::coloured(answer, width.max(1));
        let left = lines.len().saturating_sub(most);
        if left > 1 {
            lines.truncate(most);
            lines.push(Line::new(format!("… {} more lines", number(left)), Style::Dim));
        }
        lines.push(Line::default());
        lines
    }

    /// Whether it shows something that goes away by itself, or a time.
    pub(crate) fn moves(&self) -> bool {
        self.remark.is_some() || self.shown.iter().any(|place| self.told.cells.waits_for_colours(place.cell))
    }

    fn sheet(&self, now: Instant) -> Sheet {
        Sheet { width: self.width.max(1), plain: self.plain, now }
    }

    fn event(&mut self, event: &Event, context: &mut Context<'_>) {
        if let Event::SessionStarted { session_id, resumed, .. } = event
            && *session_id != self.session
        {
            if !self.session.is_empty() {
                self.told.clear();
                self.show_the_end();
            }
            self.session.clone_from(session_id);
            if *resumed {
                context.ask(Request::Past(session_id.clone()));
            }
        }
        // Who sends a prompt wants to see what becomes of it.
        if matches!(event, Event::TurnStarted { .. }) && !self.reading {
            self.show_the_end();
        }
        let before = self.told.cells.len();
        self.told.event(event, context.now);
        if self.told.cells.len() < before {
            // Blocks were taken out: what pointed at them points nowhere.
            self.show_the_end();
        }
    }

    /// What was told before this session was opened again.
    fn past(&mut self, events: &[Event], now: Instant) {
        let (mut cells, turns) = Told::past(events, now);
        if cells.is_empty() {
            return;
        }
        let words = if turns == 1 { "1 turn".to_owned() } else { format!("{} turns", number(turns)) };
        cells.push(Cell::Rule(format!("{words} before · resumed")));
        let count = cells.len();
        self.told.insert(0, cells);
        for place in [self.top.as_mut(), Some(&mut self.left)].into_iter().flatten() {
            place.cell += count;
        }
        self.chosen = self.chosen.map(|at| at + count);
        self.pointing.forget();
        self.search = None;
    }

    fn show_the_end(&mut self) {
        (self.top, self.reading, self.chosen, self.search) = (None, false, None, None);
        self.pointing.forget();
    }

    fn say(&mut self, text: impl Into<String>, now: Instant) {
        self.remark = Some((text.into(), now + REMARK));
    }

    /// Look at a place: it stands in the first row, or the end is shown where that is near.
    fn look_at(&mut self, place: Place, now: Instant) {
        let sheet = self.sheet(now);
        let last = self.told.cells.last_screen(self.area.height.into(), &sheet);
        if place >= last && !self.reading {
            self.top = None;
            return;
        }
        if self.top.is_none() {
            self.leave_the_end(now);
        }
        self.top = Some(place.min(last));
    }

    /// What is new from now on is counted.
    fn leave_the_end(&mut self, now: Instant) {
        let sheet = self.sheet(now);
        let cells = self.told.cells.len();
        let row = cells.checked_sub(1).map_or(0, |last| self.told.cells.height(last, &sheet));
        self.left = Place { cell: cells, row };
    }

    /// Scroll by rows; up where they are negative. Down to the end is back at the end.
    fn scroll(&mut self, rows: isize, now: Instant) {
        let sheet = self.sheet(now);
        let top = match self.top {
            Some(top) => top,
            None if rows < 0 => self.told.cells.last_screen(self.area.height.into(), &sheet),
            None => return,
        };
        if rows < 0 {
            let place = self.told.cells.up(top, rows.unsigned_abs(), &sheet);
            return self.look_at(place, now);
        }
        let place = self.told.cells.down(top, rows.unsigned_abs(), &sheet);
        if place >= self.told.cells.last_screen(self.area.height.into(), &sheet) {
            self.show_the_end();
        } else {
            self.look_at(place, now);
        }
    }

    /// Rows that came since the end was left.
    fn new_rows(&mut self, sheet: &Sheet) -> usize {
        let cells = self.told.cells.len();
        let Some(last) = self.left.cell.checked_sub(1).filter(|last| *last < cells) else { return 0 };
        let mut rows = self.told.cells.height_about(last, sheet).saturating_sub(self.left.row);
        for at in self.left.cell..cells {
            rows += self.told.cells.height_about(at, sheet);
        }
        rows
    }

    /// After a change of the width: the same text stays in the first row.
    fn keep_place(&mut self, width: usize, now: Instant) {
        let before = self.top.and_then(|top| {
            let row = top.row.checked_sub(self.told.cells.gap(top.cell))?;
            let (_, rows) = self.told.cells.old_rows(top.cell)?;
            let kept = self.anchor.filter(|(place, _)| *place == top).map(|(_, offset)| offset);
            Some((top.cell, kept.unwrap_or_else(|| offset(rows, row))))
        });
        self.width = width;
        self.pointing.forget();
        if let Some((cell, before)) = before {
            let sheet = self.sheet(now);
            let row = row_of(self.told.cells.rows(cell, &sheet), before);
            let top = Place { cell, row: row + self.told.cells.gap(cell) };
            (self.top, self.anchor) = (Some(top), Some((top, before)));
        }
        if self.top.is_some() {
            let sheet = self.sheet(now);
            let last = self.left.cell.checked_sub(1);
            if let Some(last) = last.filter(|last| *last + 1 == self.told.cells.len()) {
                self.left.row = self.told.cells.height(last, &sheet);
            }
        }
    }

    /// The lines that stand over the last row: what is new below, what keys do here, what was just done.
    fn corner(&mut self, look: &Look<'_>) -> Option<Line> {
        let sheet = self.sheet(look.now);
        if let Some((text, _)) = self.remark.as_ref().filter(|(_, until)| look.now < *until) {
            return Some(Line::new(text.clone(), Style::Tip));
        }
        if let Some(search) = self.search.as_ref() {
            return Some(search.line());
        }
        self.top?;
        let new = self.new_rows(&sheet);
        let noun = if new == 1 { "line" } else { "lines" };
        let sign = if sheet.plain { "below: " } else { "↓ " };
        let below = (new > 0).then(|| format!("{sign}{} new {noun}", number(new)));
        let keys = self.reading.then_some("/ finds · [ ] prompts · J K blocks · y copies · Esc end");
        let text = match (below, keys) {
            (None, None) => format!("{sign}Ctrl-End: the end"),
            (below, keys) => below.into_iter().chain(keys.map(str::to_owned)).collect::<Vec<_>>().join(" · "),
        };
        Some(Line::new(text, Style::Tip))
    }
}

impl Component for Pane {
    fn take(&mut self, input: &Input, context: &mut Context<'_>) -> Taken {
        match input {
            Input::Event(event) => self.event(event, context),
            Input::Reply(reply) => match reply.as_ref() {
                Reply::Said(lines) => self.told.host(lines),
                Reply::Past { session_id, events } if *session_id == self.session => {
                    self.past(events, context.now);
                }
                _ => {}
            },
            Input::Tick if self.remark.as_ref().is_some_and(|(_, until)| context.now >= *until) => {
                self.remark = None;
            }
            Input::Key(key) => return self.key(*key, context),
            Input::Mouse(mouse) => return self.mouse(*mouse, context),
            _ => {}
        }
        Taken::No
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        self.area = area;
        self.shown.clear();
        if area.is_empty() {
            return;
        }
        if self.plain != look.state.options.plain {
            self.plain = look.state.options.plain;
            self.told.cells.forget();
        }
        if self.width != usize::from(area.width) {
            self.keep_place(area.width.into(), look.now);
        }
        let sheet = self.sheet(look.now);
        let last = self.told.cells.last_screen(area.height.into(), &sheet);
        let top = match self.top {
            Some(top) if top < last => top,
            Some(top) => {
                // It has become shorter, or the screen larger.
                if let Some((place, _)) = self.anchor.as_mut().filter(|(place, _)| *place == top) {
                    *place = last;
                }
                self.top = (self.reading || self.search.is_some()).then_some(last);
                last
            }
            None => last,
        };
        let mut place = top;
        for row in area.rows() {
            if place.cell >= self.told.cells.len() {
                break;
            }
            self.shown.push(place);
            let query = self.search.as_ref().map(Search::query);
            if let Some(shown) = self.told.cells.row(place, &sheet) {
                look.theme.line(&shown.line).render(row, buffer);
            }
            if let Some(query) = query.filter(|query| !query.is_empty()) {
                let gap = self.told.cells.gap(place.cell);
                if let Some(at) = place.row.checked_sub(gap) {
                    let rows = self.told.cells.rows(place.cell, &sheet);
                    for (from, to) in find::columns_of(rows, at, query) {
                        mark(buffer, row, from, to, look);
                    }
                }
            }
            let first = place.row == self.told.cells.gap(place.cell);
            if first && self.chosen == Some(place.cell) {
                mark(buffer, row, 0, sheet.width, look);
            }
            if let Some((from, to)) = self.pointing.columns(place, sheet.width) {
                mark(buffer, row, from, to, look);
            }
            place = self.told.cells.down(place, 1, &sheet);
        }
        self.told.cells.tidy(top.cell);
        if let Some(corner) = self.corner(look) {
            let row = Rect { y: area.bottom() - 1, height: 1, ..area };
            let wide = u16::try_from(columns(&corner.plain()) + 1).unwrap_or(u16::MAX).min(area.width);
            let place = Rect { x: area.right() - wide, width: wide, ..row };
            ratatui::widgets::Clear.render(place, buffer);
            let place = Rect { x: place.x + u16::from(wide > 1), width: wide - u16::from(wide > 1), ..place };
            look.theme.line(&corner).render(place, buffer);
        }
    }
}

/// Show columns of a row as chosen.
fn mark(buffer: &mut Buffer, row: Rect, from: usize, to: usize, look: &Look<'_>) {
    let column = |column: usize| u16::try_from(column).unwrap_or(u16::MAX).min(row.width);
    let (from, to) = (column(from), column(to));
    buffer.set_style(Rect { x: row.x + from, width: to.saturating_sub(from), ..row }, look.theme.chosen());
}

/// Where a row is in the text of its block: which line, and how many columns of it stand above.
fn offset(rows: &[Row], row: usize) -> (usize, usize) {
    let mut line = 0;
    let mut column = 0;
    for (at, one) in rows.iter().enumerate().take(row + 1) {
        match one.joined {
            None => {
                line += usize::from(at > 0);
                column = 0;
            }
            Some(gap) => column += rows[at - 1].width() + gap,
        }
    }
    (line, column)
}

/// The row in which that text stands.
fn row_of(rows: &[Row], (line, column): (usize, usize)) -> usize {
    let mut found = 0;
    let mut at_line = 0;
    let mut at_column = 0;
    for (at, one) in rows.iter().enumerate() {
        match one.joined {
            None => {
                at_line += usize::from(at > 0);
                at_column = 0;
            }
            Some(gap) => at_column += rows[at - 1].width() + gap,
        }
        if at_line > line || (at_line == line && at_column > column) {
            break;
        }
        found = at;
    }
    found
}
