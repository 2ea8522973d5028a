//! Owns how the composer looks: what waits above it, the rule, the text with its cursor.
//! Uses the rows of the text.
//! Never takes more rows than it is given: what matters least gives way first.

use ratatui::buffer::Buffer as Cells;
use ratatui::layout::{Position, Rect};
use unicode_segmentation::UnicodeSegmentation;

use loci_protocol::PermissionMode;

use super::Composer;
use super::rows::{Rows, shown};
use crate::component::Look;
use crate::style::Style;
use crate::text::{columns, one_line};

/// What stands before the text.
const PROMPT: &str = "› ";
/// Prompts that wait and are shown; the others are counted.
const WAITING: usize = 3;

/// The columns of a text in an area of that width. One is left for a cursor behind the last letter.
fn text_width(width: u16) -> usize {
    usize::from(width).saturating_sub(columns(PROMPT) + 1).max(1)
}

fn rows_of(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

impl Composer {
    /// The rows that it takes in that many columns, `most` of them at most.
    pub(crate) fn height(&self, width: u16, most: u16, look: &Look<'_>) -> u16 {
        let text = self.visible_text();
        let rows = Rows::of(&text, &self.chips, text_width(width)).len();
        let waiting = self.waiting(usize::from(width), look).len();
        rows_of(rows + 1 + waiting + usize::from(self.said.is_some())).min(most)
    }

    /// Draw the list that stands above the composer, at the lower end of an area.
    pub(crate) fn draw_above(&self, above: Rect, cells: &mut Cells, look: &Look<'_>) {
        if let Some(popup) = &self.popup {
            popup.draw(above, cells, look);
        }
    }

    /// What is shown: what was found while earlier prompts are searched, and what is written otherwise.
    fn visible_text(&self) -> std::borrow::Cow<'_, str> {
        match &self.search {
            Some(search) => {
                let found = self.history.entry(search).unwrap_or_default();
                // A prompt may be a whole file; only its beginning is looked at here.
                let end = found.char_indices().nth(2_000).map_or(found.len(), |(at, _)| at);
                super::chips::clean(&found[..end]).into()
            }
            None => self.buffer.text().into(),
        }
    }

    fn waiting(&self, width: usize, look: &Look<'_>) -> Vec<String> {
        let queue = &look.state.queue;
        let hidden = queue.len().saturating_sub(WAITING);
        let mut lines = Vec::new();
        if hidden > 0 {
            lines.push(format!("{hidden} more wait"));
        }
        let shown = queue.iter().skip(hidden);
        // A paste that waits is not gone through for its one line.
        let beginning = |text: &str| text.chars().take(width).collect::<String>();
        lines.extend(shown.map(|text| one_line(&format!("waits: {}", beginning(text)), width)));
        lines
    }

    /// What the rule says: the search, or the modes that are not the usual ones.
    fn rule(&self, look: &Look<'_>) -> String {
        if let Some(search) = &self.search {
            let none = if search.found.is_none() && !search.query.is_empty() { " (none)" } else { "" };
            return format!("history: {}{none}", search.query);
        }
        let mut parts = Vec::new();
        match look.state.mode {
            PermissionMode::Default => {}
            PermissionMode::AcceptEdits => parts.push("edit"),
            PermissionMode::BypassPermissions => parts.push("bypass"),
            other => parts.push(other.name()),
        }
        if self.buffer.text().starts_with('!') {
            parts.push("shell");
        }
        if look.state.options.vim {
            parts.push(self.vim.name());
        }
        parts.join(" · ")
    }

    pub(super) fn draw_in(&mut self, area: Rect, cells: &mut Cells, look: &Look<'_>) {
        self.cursor = None;
        if area.is_empty() {
            return;
        }
        let width = usize::from(area.width);
        let text = self.visible_text().into_owned();
        self.width = text_width(area.width);
        let rows = Rows::of(&text, &self.chips, self.width);
        let mut left = usize::from(area.height).saturating_sub(1);
        let mut take = |wanted: usize| {
            let taken = wanted.min(left);
            left -= taken;
            taken
        };
        // The text first, then the rule, then what was said, then what waits.
        let text_rows = 1 + take(rows.len() - 1);
        let with_rule = take(1) > 0;
        let with_said = take(usize::from(self.said.is_some())) > 0;
        let mut above = self.waiting(width, look);
        above.drain(..above.len() - take(above.len()));

        let mut y = area.y;
        let mut put = |text: &str, style: Style| {
            cells.set_stringn(area.x, y, text, width, look.theme.look(style));
            y += 1;
        };
        for line in &above {
            put(line, Style::Dim);
        }
        if let Some((said, style)) = self.said.as_ref().filter(|_| with_said) {
            put(&one_line(said, width), *style);
        }
        if with_rule {
            put(&ruled(&self.rule(look), width, look.state.options.plain), Style::Dim);
        }
        self.draw_text(&text, &rows, Rect { y, height: rows_of(text_rows), ..area }, cells, look);
    }

    fn draw_text(&mut self, text: &str, rows: &Rows, area: Rect, cells: &mut Cells, look: &Look<'_>) {
        let at = if self.search.is_some() { text.len() } else { self.buffer.cursor() };
        let (row, column) = rows.place(text, &self.chips, at);
        let height = usize::from(area.height);
        self.top =
            self.top.min(row).max((row + 1).saturating_sub(height)).min(rows.len().saturating_sub(height));
        let indent = columns(PROMPT);
        let chosen = if look.state.options.vim { self.vim.selection(&self.buffer) } else { None };
        let selected = chosen.or_else(|| self.buffer.selected()).filter(|_| self.search.is_none());
        for (number, place) in (self.top..rows.len()).zip(area.rows()) {
            let mut x = place.x;
            let mut put = |text: &str, style: ratatui::style::Style| {
                let room = usize::from(place.right().saturating_sub(x));
                x = cells.set_stringn(x, place.y, text, room, style).0;
            };
            put(if number == 0 { PROMPT } else { "  " }, look.theme.look(Style::Dim));
            let range = rows.row(number);
            for (start, grapheme) in text[range.clone()].grapheme_indices(true) {
                let chip = self.chips.label(grapheme).is_some();
                let mut style = look.theme.look(if chip { Style::Tip } else { Style::Plain });
                if selected.as_ref().is_some_and(|selected| selected.contains(&(range.start + start))) {
                    style = style.patch(look.theme.chosen());
                }
                put(shown(grapheme, &self.chips), style);
            }
        }
        if text.is_empty() && self.search.is_none() {
            let hint = if look.state.turn.is_some() {
                "type ahead: it is sent when the turn is over"
            } else {
                "Ask, or / for commands"
            };
            let room = usize::from(area.width).saturating_sub(indent);
            let style = look.theme.look(Style::Dim);
            let x = area.x.saturating_add(rows_of(indent));
            if room > 0 {
                cells.set_stringn(x, area.y, one_line(hint, room), room, style);
            }
        }
        let x = area.x.saturating_add(rows_of(indent + column)).min(area.right().saturating_sub(1));
        let y = area.y.saturating_add(rows_of(row - self.top)).min(area.bottom().saturating_sub(1));
        self.cursor = Some(Position::new(x, y));
    }
}

/// A rule that carries a word at its left; the word alone where nothing is to be drawn.
fn ruled(word: &str, width: usize, plain: bool) -> String {
    match (word.is_empty(), plain) {
        (_, true) => one_line(word, width),
        (true, false) => "─".repeat(width),
        (false, false) => {
            let head = format!("── {} ", one_line(word, width.saturating_sub(6)));
            format!("{head}{}", "─".repeat(width.saturating_sub(columns(&head))))
        }
    }
}
