//! Owns the keys of the transcript: scrolling, and what letters do while it is read.
//! Uses places and searches.
//! Never takes a letter that was meant for a prompt: only keys that scroll begin to read, and what is no key of ours ends it.

use std::time::Instant;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::Pane;
use super::call::Fold;
use super::cell::Cell;
use super::find::{self, Search};
use super::list::Place;
use crate::component::{Context, Taken};
use crate::host::Effect;

impl Pane {
    pub(super) fn key(&mut self, key: KeyEvent, context: &mut Context<'_>) -> Taken {
        let now = context.now;
        if self.search.as_ref().is_some_and(|search| search.typing) && self.searching(key, now) == Taken::Yes
        {
            return Taken::Yes;
        }
        // A remark was seen.
        self.remark = None;
        let page = isize::try_from(self.area.height.saturating_sub(2).max(1)).unwrap_or(1);
        match (key.code, key.modifiers) {
            (KeyCode::PageUp, _) => self.read_by(-page, now),
            (KeyCode::PageDown, _) => self.scroll(page, now),
            (KeyCode::Up, KeyModifiers::SHIFT) => self.read_by(-1, now),
            (KeyCode::Down, KeyModifiers::SHIFT) => self.scroll(1, now),
            (KeyCode::Home, KeyModifiers::CONTROL) => {
                self.reading = true;
                self.look_at(Place::default(), now);
            }
            (KeyCode::End, KeyModifiers::CONTROL) => self.show_the_end(),
            (KeyCode::Char('o'), KeyModifiers::CONTROL) => self.open_one(now),
            (KeyCode::Char('o'), KeyModifiers::ALT) => self.open_all(now),
            (KeyCode::Esc, _) if self.pointing.is_selected() => self.pointing.forget(),
            (KeyCode::Esc, _) if self.search.is_some() => self.search = None,
            // While a turn runs Esc is for the turn, but for those who read.
            (KeyCode::Esc, _) if self.reading || (self.top.is_some() && context.state.turn.is_none()) => {
                self.show_the_end();
            }
            _ if self.reading && self.top.is_some() => return self.letter(key, context),
            _ => {
                self.reading = false;
                return Taken::No;
            }
        }
        Taken::Yes
    }

    /// Scroll by a key: from then on letters are keys of ours.
    fn read_by(&mut self, rows: isize, now: Instant) {
        self.reading = true;
        self.scroll(rows, now);
    }

    /// A key while the transcript is read.
    fn letter(&mut self, key: KeyEvent, context: &mut Context<'_>) -> Taken {
        let now = context.now;
        if !matches!(key.modifiers, KeyModifiers::NONE | KeyModifiers::SHIFT) {
            return Taken::No;
        }
        match key.code {
            KeyCode::Char('/') => self.search = Some(Search::begun((self.top, self.shown.clone()))),
            KeyCode::Char('n') if self.search.is_some() => self.step(true, now),
            KeyCode::Char('N') if self.search.is_some() => self.step(false, now),
            KeyCode::Char('g') | KeyCode::Home => self.look_at(Place::default(), now),
            KeyCode::Char('G') | KeyCode::End => self.show_the_end(),
            KeyCode::Char('j') | KeyCode::Down => self.scroll(1, now),
            KeyCode::Char('k') | KeyCode::Up => self.scroll(-1, now),
            KeyCode::Char('[') => self.prompt(false, now),
            KeyCode::Char(']') => self.prompt(true, now),
            KeyCode::Char('J') => self.choose(true, now),
            KeyCode::Char('K') => self.choose(false, now),
            KeyCode::Char('y') => self.copy(context),
            KeyCode::Char('O') => self.open_all(now),
            KeyCode::Char('q') => self.show_the_end(),
            KeyCode::Enter if self.chosen.is_some() => self.open_one(now),
            _ => {
                // It is for the prompt, which is written at the end.
                self.show_the_end();
                return Taken::No;
            }
        }
        Taken::Yes
    }

    /// A key while what is looked for is typed.
    fn searching(&mut self, key: KeyEvent, now: Instant) -> Taken {
        let Some(search) = &mut self.search else { return Taken::No };
        match (key.code, key.modifiers) {
            (KeyCode::Char(character), KeyModifiers::NONE | KeyModifiers::SHIFT) => search.push(character),
            (KeyCode::Backspace, _) if search.query().is_empty() => self.search = None,
            (KeyCode::Backspace, _) => search.pop(),
            (KeyCode::Enter, _) => {
                search.typing = false;
                if search.query().is_empty() {
                    self.search = None;
                }
                return Taken::Yes;
            }
            (KeyCode::Esc, _) => self.search = None,
            _ => return Taken::No,
        }
        if let Some(search) = &mut self.search {
            search.find(&self.told.cells);
            (self.top, self.shown) = search.origin.clone();
            let from = self.shown.last().map_or(0, |place| place.cell);
            if let Some(found) = search.nearest(from) {
                self.show_found(found, now);
            }
        }
        Taken::Yes
    }

    fn step(&mut self, forward: bool, now: Instant) {
        // Upwards is older: the search began at the end.
        if let Some(found) = self.search.as_mut().and_then(|search| search.step(forward)) {
            self.show_found(found, now);
        }
    }

    /// Scroll to what was found, and open what it is folded in.
    fn show_found(&mut self, (cell, _): (usize, usize), now: Instant) {
        let sheet = self.sheet(now);
        let Some(query) = self.search.as_ref().map(|search| search.query().to_owned()) else { return };
        let mut rows = find::rows_of(self.told.cells.rows(cell, &sheet), &query);
        let folds = self.told.cells.get(cell).is_some_and(Cell::is_folded);
        if folds && let Some(folded) = self.told.cells.change(cell) {
            folded.fold(Fold::All);
            rows = find::rows_of(self.told.cells.rows(cell, &sheet), &query);
        }
        let Some(search) = &mut self.search else { return };
        search.shown(rows.len());
        let nth = search.current().map_or(0, |(_, nth)| nth);
        let row = rows.get(nth).copied().unwrap_or(0) + self.told.cells.gap(cell);
        let place = Place { cell, row };
        if !self.shown.contains(&place) || self.top.is_none() {
            let above = usize::from(self.area.height / 3);
            let top = self.told.cells.up(place, above, &sheet);
            if self.top.is_none() {
                self.leave_the_end(now);
            }
            self.top = Some(top);
        }
    }

    /// To the prompt before or after the first row.
    fn prompt(&mut self, forward: bool, now: Instant) {
        let sheet = self.sheet(now);
        let last = self.told.cells.last_screen(self.area.height.into(), &sheet);
        let top = self.top.unwrap_or(last);
        let is_prompt = |(_, cell): &(usize, &Cell)| matches!(cell, Cell::Prompt { .. });
        let found = if forward {
            self.told.cells.iter().skip(top.cell + 1).find(is_prompt)
        } else {
            let before = top.cell + usize::from(top.row > self.told.cells.gap(top.cell));
            self.told.cells.iter().take(before).rev().find(is_prompt)
        };
        if let Some(cell) = found.map(|(at, _)| at) {
            let row = self.told.cells.gap(cell);
            self.look_at(Place { cell, row }, now);
        } else if forward {
            self.show_the_end();
        }
    }

    /// Choose the next block, or the one before.
    fn choose(&mut self, forward: bool, now: Instant) {
        let cells = self.told.cells.len();
        let seen = self.shown.iter().map(|place| place.cell);
        let next = match (self.chosen, forward) {
            (Some(at), true) => Some(at + 1).filter(|at| *at < cells),
            (Some(at), false) => at.checked_sub(1),
            (None, true) => self.top.map(|top| top.cell).or(seen.min()),
            (None, false) => seen.max(),
        };
        let Some(cell) = next else { return };
        self.chosen = Some(cell);
        let place = Place { cell, row: self.told.cells.gap(cell) };
        if !self.shown.contains(&place) {
            if self.top.is_none() {
                self.leave_the_end(now);
            }
            let sheet = self.sheet(now);
            self.top = Some(self.told.cells.up(place, usize::from(self.area.height / 3), &sheet));
        }
    }

    /// Show more of the block that was chosen, or of the newest one that has more.
    fn open_one(&mut self, now: Instant) {
        let folds = |at: &usize| self.told.cells.get(*at).is_some_and(Cell::folds);
        let seen = self.shown.iter().rev().map(|place| place.cell).find(folds);
        let newest = || (0..self.told.cells.len()).rev().find(folds);
        let at = self.chosen.filter(folds).or(seen).or_else(newest);
        let Some(at) = at else { return self.say("nothing is folded here", now) };
        self.turn_over(at, None, now);
    }

    /// Show more or less of a block, whose first row stays where it is on the screen.
    pub(super) fn turn_over(&mut self, at: usize, part: Option<usize>, now: Instant) {
        let head = Place { cell: at, row: self.told.cells.gap(at) };
        let third = usize::from(self.area.height / 3);
        let above = self.shown.iter().position(|place| *place == head).unwrap_or(third);
        if self.top.is_none() {
            self.leave_the_end(now);
        }
        if let Some(cell) = self.told.cells.change(at) {
            cell.turn_over(part);
        }
        self.pointing.forget();
        let sheet = self.sheet(now);
        // What stands before it may have changed with it.
        let head = Place { cell: at, row: self.told.cells.gap(at) };
        // As much of it as there is room for is to be seen.
        let room = usize::from(self.area.height).saturating_sub(self.told.cells.rows(at, &sheet).len() + 1);
        let above = above.min(room.max(2));
        let top = self.told.cells.up(head, above, &sheet);
        let last = self.told.cells.last_screen(self.area.height.into(), &sheet);
        self.top = (top < last || self.reading).then_some(top.min(last));
    }

    /// Open everything, or fold everything.
    fn open_all(&mut self, now: Instant) {
        let open = self.told.cells.iter().any(|(_, cell)| cell.folds() && cell.is_folded());
        let fold = if open { Fold::All } else { Fold::Shut };
        for at in 0..self.told.cells.len() {
            if self.told.cells.get(at).is_some_and(Cell::folds)
                && let Some(cell) = self.told.cells.change(at)
            {
                cell.fold(fold);
            }
        }
        self.pointing.forget();
        self.say(if open { "everything is open" } else { "everything is folded" }, now);
    }

    /// Copy the block that was chosen, or the newest answer.
    fn copy(&mut self, context: &mut Context<'_>) {
        let text = self.chosen.map_or_else(|| self.newest_answer(), |at| self.whole(at));
        if text.trim().is_empty() {
            return self.say("nothing to copy", context.now);
        }
        self.copied(text, context);
    }

    /// The newest answer, as it was written.
    pub(super) fn newest_answer(&self) -> String {
        let is_answer = |(_, cell): &(usize, &Cell)| matches!(cell, Cell::Answer(_));
        self.told.cells.iter().rev().find(is_answer).map(|(at, _)| self.whole(at)).unwrap_or_default()
    }

    /// The text of a block; of an answer, with its other parts.
    fn whole(&self, at: usize) -> String {
        let is_answer = |at: &usize| matches!(self.told.cells.get(*at), Some(Cell::Answer(_)));
        if !is_answer(&at) {
            let mut texts = Vec::new();
            if let Some(cell) = self.told.cells.get(at) {
                cell.texts(&mut |text| texts.push(text.to_owned()));
            }
            return texts.join("\n");
        }
        let first = (0..=at).rev().take_while(is_answer).last().unwrap_or(at);
        let mut text = String::new();
        for at in (first..self.told.cells.len()).take_while(is_answer) {
            if let Some(Cell::Answer(answer)) = self.told.cells.get(at) {
                text.push_str(answer.words());
            }
        }
        text.trim_end().to_owned()
    }

    pub(super) fn copied(&mut self, text: String, context: &mut Context<'_>) {
        let lines = text.lines().count();
        let what = match lines {
            1 => format!("{} characters", crate::context::number(text.chars().count())),
            _ => format!("{} lines", crate::context::number(lines)),
        };
        self.say(format!("copied {what}"), context.now);
        context.effects.push(Effect::Copy(text));
    }
}
