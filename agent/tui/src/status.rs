//! Owns the status line: model, mode, sandbox, window, speed, time, cost, branch, what runs in the background.
//! Uses the state.
//! Never takes a key.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use crate::component::Look;
use crate::style::{Line, Style};

/// The status line.
#[derive(Default)]
pub(crate) struct Bar;

impl Bar {
    /// The rows that it takes in that many columns.
    pub(crate) fn height(&self, _width: u16, _look: &Look<'_>) -> u16 {
        1
    }

    pub(crate) fn draw(&self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let state = look.state;
        let model = state.model.as_ref().map_or("opening", |model| model.name.as_str());
        let line = Line::new(crate::text::one_line(model, 30), Style::Bold)
            .with(format!(" · {}", state.mode.name()), Style::Dim);
        look.theme.line(&line).render(area, buffer);
    }
}
