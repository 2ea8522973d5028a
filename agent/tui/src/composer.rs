//! Owns where a prompt is written.
//! Uses the keys that are typed and pasted text.
//! Never sends anything: what was submitted is taken from it.

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::Widget;

use crate::component::{Component, Context, Look, Taken};
use crate::input::Input;

/// Where a prompt is written.
#[derive(Default)]
pub(crate) struct Composer {
    text: String,
    submitted: Option<String>,
    cursor: Option<Position>,
}

impl Composer {
    /// Whether nothing is written.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Forget what is written.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
    }

    /// What was sent off since this was asked last.
    pub(crate) fn submitted(&mut self) -> Option<String> {
        self.submitted.take()
    }

    /// The rows that it takes in that many columns, `most` of them at most.
    pub(crate) fn height(&self, _width: u16, _most: u16, _look: &Look<'_>) -> u16 {
        1
    }
}

impl Component for Composer {
    fn take(&mut self, input: &Input, _context: &mut Context<'_>) -> Taken {
        let Input::Key(key) = input else { return Taken::No };
        match (key.code, key.modifiers) {
            (KeyCode::Enter, _) => self.submitted = Some(std::mem::take(&mut self.text)),
            (KeyCode::Char(character), KeyModifiers::NONE | KeyModifiers::SHIFT) => self.text.push(character),
            (KeyCode::Backspace, _) => drop(self.text.pop()),
            _ => return Taken::No,
        }
        Taken::Yes
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, _look: &Look<'_>) {
        let shown = format!("› {}", self.text);
        let columns = u16::try_from(crate::text::columns(&shown)).unwrap_or(u16::MAX);
        ratatui::text::Line::raw(shown).render(area, buffer);
        self.cursor = Some(Position::new(area.x.saturating_add(columns), area.y));
    }

    fn cursor(&self) -> Option<Position> {
        self.cursor
    }
}
