//! Owns what was said and done, as rows that can be scrolled.
//! Uses events.
//! Never changes a row that is finished, and never keeps what is not shown longer than needed.

use loci_protocol::Event;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use crate::component::{Component, Context, Look, Taken};
use crate::input::Input;
use crate::lines::{Piece, Transcript};
use crate::state::State;
use crate::style::{Line, Style};

/// What was said and done.
#[derive(Default)]
pub(crate) struct Pane {
    lines: Vec<Line>,
    open: bool,
}

impl Pane {
    /// Something to read that is not the session's.
    pub(crate) fn note(&mut self, text: &str, style: Style) {
        self.lines.push(Line::new(crate::text::visible(text), style));
        self.open = false;
    }

    /// The answer that was given last, for the normal screen.
    pub(crate) fn farewell(&self, state: &State, _width: usize) -> Vec<Line> {
        crate::text::visible(&state.last_answer).lines().map(|row| Line::new(row, Style::Plain)).collect()
    }

    fn event(&mut self, event: &Event) {
        if let Event::TurnStarted { prompt, .. } = event {
            self.note(&format!("› {prompt}"), Style::Bold);
        }
        for piece in Transcript::new(100).render(event) {
            match piece {
                Piece::Line { line, .. } => {
                    self.lines.push(line);
                    self.open = false;
                }
                Piece::Text { text, .. } => {
                    for part in text.split_inclusive('\n') {
                        if !self.open {
                            self.lines.push(Line::default());
                        }
                        if let Some(line) = self.lines.last_mut() {
                            *line = Line::new(line.plain() + part.trim_end_matches('\n'), Style::Plain);
                        }
                        self.open = !part.ends_with('\n');
                    }
                }
            }
        }
    }
}

impl Component for Pane {
    fn take(&mut self, input: &Input, _context: &mut Context<'_>) -> Taken {
        if let Input::Event(event) = input {
            self.event(event);
        }
        Taken::No
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let first = self.lines.len().saturating_sub(area.height.into());
        for (line, row) in self.lines[first..].iter().zip(area.rows()) {
            look.theme.line(line).render(row, buffer);
        }
    }
}
