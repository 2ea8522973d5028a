//! Owns what is asked of the user in the middle of a turn: approvals and questions, in place.
//! Uses the event that asks.
//! Never shortens what would be done: what is not shown cannot be approved.

use crossterm::event::KeyCode;
use loci_protocol::{Approval, Event, Op};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Paragraph, Widget};

use crate::component::{Component, Context, Look, Taken};
use crate::input::Input;
use crate::lines::Transcript;
use crate::style::Line;

/// What is asked.
#[derive(Default)]
pub(crate) struct Ask {
    event: Option<Box<Event>>,
}

impl Ask {
    fn lines(&self, width: u16) -> Vec<Line> {
        let Some(event) = &self.event else { return Vec::new() };
        Transcript::new(width.into())
            .render(event)
            .into_iter()
            .filter_map(|piece| match piece {
                crate::lines::Piece::Line { line, .. } => Some(line),
                crate::lines::Piece::Text { .. } => None,
            })
            .collect()
    }

    /// The rows that it takes in that many columns, `most` of them at most.
    pub(crate) fn height(&self, width: u16, most: u16, _look: &Look<'_>) -> u16 {
        u16::try_from(self.lines(width).len()).unwrap_or(u16::MAX).min(most)
    }
}

impl Component for Ask {
    fn take(&mut self, input: &Input, context: &mut Context<'_>) -> Taken {
        match input {
            Input::Event(event) => {
                if matches!(**event, Event::ApprovalRequested { .. } | Event::QuestionAsked(_)) {
                    self.event = Some(event.clone());
                }
                Taken::No
            }
            Input::Key(key) => {
                let Some(id) = context.state.approval.clone() else { return Taken::No };
                let approval = match key.code {
                    KeyCode::Char('y') => Approval::Once,
                    KeyCode::Char('s') => Approval::Session,
                    KeyCode::Char('r') => Approval::Rule,
                    KeyCode::Char('n') => Approval::Deny { reason: String::new() },
                    _ => return Taken::No,
                };
                context.state.approval = None;
                context.op(Op::Approve { id, approval });
                Taken::Yes
            }
            _ => Taken::No,
        }
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let lines = self.lines(area.width);
        let lines: Vec<ratatui::text::Line<'_>> = lines.iter().map(|line| look.theme.line(line)).collect();
        Paragraph::new(lines).render(area, buffer);
    }
}
