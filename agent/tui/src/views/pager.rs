//! Owns a text that is scrolled and searched.
//! Uses lines in styles; long ones are broken at the width.
//! Never breaks a text again while its width is the same.

use crossterm::event::{KeyCode, KeyModifiers, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use super::field::{Field, Typed};
use crate::component::{Look, Taken};
use crate::input::Input;
use crate::style::Line;
use crate::wrap::wrap;

/// A text that is scrolled.
#[derive(Debug, Default)]
pub(crate) struct Pager {
    lines: Vec<Line>,
    /// The rows of `lines` in so many columns.
    broken: Option<(u16, Vec<Line>)>,
    top: usize,
    rows: usize,
    sought: String,
    field: Option<Field>,
}

impl Pager {
    /// A text from its beginning.
    pub(crate) fn new(lines: Vec<Line>) -> Self {
        Self { lines, ..Self::default() }
    }

    /// Another text in the same place: where one is stays, as far as there is as much.
    pub(crate) fn set(&mut self, lines: Vec<Line>) {
        self.lines = lines;
        self.broken = None;
    }

    /// The row that is typed into just now, for the row of keys.
    pub(crate) fn field(&self) -> Option<&Field> {
        self.field.as_ref()
    }

    /// Where one is: `40 %`; nothing where everything is on the screen.
    pub(crate) fn place(&self) -> Option<String> {
        let all = self.length();
        (all > self.rows).then(|| format!("{} %", (self.top + self.rows).min(all) * 100 / all.max(1)))
    }

    fn length(&self) -> usize {
        self.broken.as_ref().map_or(self.lines.len(), |(_, rows)| rows.len())
    }

    fn go(&mut self, by: isize) -> Taken {
        self.top = self.top.saturating_add_signed(by).min(self.length().saturating_sub(self.rows));
        Taken::Yes
    }

    /// Go to the next row with what is sought; `forth` or back, round the end.
    fn find(&mut self, from: usize, forth: bool) -> Taken {
        let Some((_, rows)) = self.broken.as_ref().filter(|_| !self.sought.is_empty()) else {
            return Taken::Yes;
        };
        let sought = self.sought.to_lowercase();
        let length = rows.len();
        let place = |step: usize| if forth { from + step } else { from + length - (step % length.max(1)) };
        let found = (0..length)
            .map(|step| place(step) % length)
            .find(|at| rows[*at].plain().to_lowercase().contains(&sought));
        if let Some(found) = found {
            self.top = found;
        }
        Taken::Yes
    }

    /// Take keys that scroll, and those of the search.
    pub(crate) fn take(&mut self, input: &Input) -> Taken {
        if let Some(field) = &mut self.field {
            match field.take(input) {
                Typed::More => {
                    self.sought = field.text().to_owned();
                    return self.find(self.top, true);
                }
                Typed::Done(_) => {
                    self.field = None;
                    return Taken::Yes;
                }
                Typed::Left => {
                    self.field = None;
                    self.sought.clear();
                    return Taken::Yes;
                }
                Typed::No => {}
            }
        }
        let page = isize::try_from(self.rows.saturating_sub(1).max(1)).unwrap_or(isize::MAX);
        match input {
            Input::Key(key) => match (key.code, key.modifiers) {
                (KeyCode::Up | KeyCode::Char('k'), _) => self.go(-1),
                (KeyCode::Down | KeyCode::Char('j'), KeyModifiers::NONE) => self.go(1),
                (KeyCode::PageUp, _) => self.go(-page),
                (KeyCode::PageDown | KeyCode::Char(' '), _) => self.go(page),
                (KeyCode::Home | KeyCode::Char('g'), _) => self.go(isize::MIN),
                (KeyCode::End | KeyCode::Char('G'), _) => self.go(isize::MAX),
                (KeyCode::Char('/'), _) => {
                    self.field = Some(Field::new("/", ""));
                    Taken::Yes
                }
                (KeyCode::Char('n'), _) if !self.sought.is_empty() => self.find(self.top + 1, true),
                (KeyCode::Char('N'), _) if !self.sought.is_empty() => {
                    self.find(self.top + self.length() - 1, false)
                }
                _ => Taken::No,
            },
            Input::Mouse(mouse) => match mouse.kind {
                MouseEventKind::ScrollUp => self.go(-3),
                MouseEventKind::ScrollDown => self.go(3),
                _ => Taken::No,
            },
            _ => Taken::No,
        }
    }

    /// Break the lines for so many columns and rows.
    pub(crate) fn fit(&mut self, width: u16, rows: u16) {
        self.rows = usize::from(rows);
        let width = width.max(1);
        if self.broken.as_ref().is_none_or(|(known, _)| *known != width) {
            let broken = |line: &Line| wrap(line, usize::from(width), indent(line, width));
            self.broken = Some((width, self.lines.iter().flat_map(broken).collect()));
        }
        self.top = self.top.min(self.length().saturating_sub(self.rows));
    }

    /// Draw as much as there is room for.
    pub(crate) fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        self.fit(area.width, area.height);
        let Some((_, rows)) = &self.broken else { return };
        let sought = self.sought.to_lowercase();
        for (line, row) in rows[self.top..].iter().zip(area.rows()) {
            look.theme.line(line).render(row, buffer);
            if !sought.is_empty() && line.plain().to_lowercase().contains(&sought) {
                buffer.set_style(row, look.theme.chosen());
            }
        }
    }
}

/// The blanks that a line begins with, where they leave room for its words.
fn indent(line: &Line, width: u16) -> usize {
    let first = line.spans.iter().find(|span| !span.text.is_empty()).map_or("", |span| span.text.as_str());
    let blanks = first.len() - first.trim_start_matches(' ').len();
    if blanks * 2 > usize::from(width) { 0 } else { blanks }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::Style;

    #[test]
    fn rows_keep_the_indent_of_their_line() {
        let check = |text: &str, width: u16, expect: &[&str]| {
            let mut pager = Pager::new(vec![Line::new(text, Style::Plain)]);
            pager.fit(width, 3);
            let rows: Vec<String> = pager.broken.iter().flat_map(|(_, rows)| rows).map(Line::plain).collect();
            let rows: Vec<&str> = rows.iter().map(|row| row.trim_end()).collect();
            assert_eq!(rows, expect, "{text} in {width}");
        };
        check("one two three", 20, &["one two three"]);
        check("one two three", 8, &["one two", "three"]);
        check("  one two three", 9, &["  one two", "  three"]);
        // An indent that leaves no room is none.
        check("       one two", 8, &["       o", "ne two"]);
    }

    #[test]
    fn a_megabyte_on_one_line_is_rows() {
        let mut pager = Pager::new(vec![Line::new("x".repeat(1_000_000), Style::Plain)]);
        pager.fit(80, 24);
        assert_eq!((pager.length(), pager.place()), (12_500, Some("0 %".into())));
        pager.go(isize::MAX);
        assert_eq!(pager.place(), Some("100 %".into()));
    }
}
