//! Owns what becomes of an event: a new block, or more of the newest one.
//! Uses blocks, and the line-based transcript for what is told in lines anyway.
//! Never keeps the text of a model, a tool or a file as it came where it is not made visible when it is laid out.

use std::time::{Duration, Instant};

use loci_protocol::{Event, Task, ToolReport};

use super::call::{Call, Calls};
use super::cell::{Answer, Cell, Kind};
use super::kept::Kept;
use super::list::Cells;
use crate::lines::{Piece, Transcript};
use crate::style::{Line, Style};
use crate::text::{one_line, visible};

/// So much of what calls returned is kept in all, in bytes; of older ones less. A long day has 2,000 calls.
const KEPT: usize = 16 << 20;
/// What is kept of a call's output then: its first and last lines.
const SHRUNK: usize = 1 << 10;
/// What a model thinks is kept up to this many bytes: 3,000 lines.
const THOUGHT: usize = 256 << 10;

/// Blocks that are being made of events.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) cells: Cells,
    /// Bytes that are kept of what calls returned.
    kept: usize,
    /// The first block whose calls may not have been shrunk.
    whole: usize,
    /// The block with the task list of this turn.
    tasks: Option<usize>,
}

impl Told {
    /// What an event tells.
    pub(super) fn event(&mut self, event: &Event, now: Instant) {
        match event {
            Event::TurnStarted { turn, prompt } => {
                self.finish(now);
                self.tasks = None;
                self.cells.push(Cell::Prompt { turn: *turn, text: Kept::of(prompt), opened: false });
            }
            Event::TextDelta { text } => self.said(text, now),
            Event::ReasoningDelta { text } => self.thought(text, now),
            Event::ToolStarted { call_id, tool, summary, .. } => {
                self.finish(now);
                self.called(Call::begun(call_id, tool, summary, now));
            }
            Event::ToolFinished(report) => self.returned(report, now),
            Event::TasksChanged { tasks } => self.task_list(tasks, now),
            Event::Rewound { turn, message, .. } => {
                self.finish(now);
                if let Some(turn) = turn {
                    self.go_back(*turn);
                }
                self.line(Line::new(format!("• {}", one_line(message, 2_000)), Style::Dim));
            }
            Event::Renamed { title } => {
                self.line(Line::new(
                    format!("• this session is called {}", one_line(title, 200)),
                    Style::Dim,
                ));
            }
            Event::TurnFinished(report) => {
                self.finish(now);
                self.cut_off();
                self.tasks = None;
                // The line of a command of the user's own says it all.
                let shell = matches!(self.cells.last(), Some(Cell::Calls(calls)) if calls.calls.iter().all(Call::is_shell));
                if !shell || report.failure.is_some() {
                    self.lines(event);
                }
            }
            // Views of their own show these; the status line, the rest.
            Event::ContextShown(_)
            | Event::ChangesShown { .. }
            | Event::TimelineShown { .. }
            | Event::ApprovalRequested { .. }
            | Event::QuestionAsked(_)
            | Event::StepFinished(_)
            | Event::JobsChanged { .. }
            | Event::Progress { .. }
            | Event::SessionEnded { .. } => {}
            Event::SessionStarted { .. }
            | Event::ModelChanged { .. }
            | Event::ModeChanged { .. }
            | Event::RouteShown(_)
            | Event::Notice { .. }
            | Event::Compacted { .. } => self.lines(event),
        }
    }

    /// Lines of the host, one block for those that come one after the other.
    pub(super) fn host(&mut self, new: &[Line]) {
        if let Some(Cell::Lines { kind: Kind::Host, .. }) = self.cells.last()
            && let Some(Cell::Lines { lines, .. }) = self.cells.change_last()
        {
            lines.extend_from_slice(new);
        } else {
            self.cells.push(Cell::Lines { lines: new.to_vec(), kind: Kind::Host });
        }
    }

    /// A block of one line.
    pub(super) fn line(&mut self, line: Line) {
        self.cells.push(Cell::Lines { lines: vec![line], kind: Kind::Event });
    }

    /// What the line-based transcript says, unbroken: it is broken here.
    fn lines(&mut self, event: &Event) {
        let pieces = Transcript::new(usize::from(u16::MAX)).render(event);
        let lines: Vec<Line> = pieces
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Line { line, .. } => Some(line),
                Piece::Text { .. } => None,
            })
            .collect();
        let kind = if matches!(event, Event::ModeChanged { .. }) { Kind::Mode } else { Kind::Event };
        if kind == Kind::Mode && matches!(self.cells.last(), Some(Cell::Lines { kind: Kind::Mode, .. })) {
            let last = self.cells.len() - 1;
            self.cells.remove(last..last + 1);
        }
        if !lines.is_empty() {
            self.cells.push(Cell::Lines { lines, kind });
        }
    }

    fn said(&mut self, text: &str, now: Instant) {
        if !matches!(self.cells.last(), Some(Cell::Answer(_))) {
            // Models begin with line breaks.
            if text.trim().is_empty() {
                return;
            }
            self.finish(now);
            self.cells.push(Cell::Answer(Answer::begun()));
        }
        let mut rest = text.to_owned();
        while let Some(Cell::Answer(answer)) = self.cells.change_last()
            && let Some((next, more)) = answer.push(&rest)
        {
            self.cells.push(Cell::Answer(next));
            rest = more;
        }
    }

    fn thought(&mut self, text: &str, now: Instant) {
        if !matches!(self.cells.last(), Some(Cell::Thinking { live: true, .. })) {
            if text.trim().is_empty() {
                return;
            }
            self.finish(now);
            let text = String::new();
            self.cells.push(Cell::Thinking { text, since: now, took: None, live: true, opened: false });
        }
        if let Some(Cell::Thinking { text: all, .. }) = self.cells.change_last() {
            let room = THOUGHT.saturating_sub(all.len());
            let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
            all.push_str(&text[..end.unwrap_or(0)]);
        }
    }

    /// The newest block is done.
    fn finish(&mut self, now: Instant) {
        match self.cells.last() {
            Some(Cell::Answer(_)) => {
                if let Some(Cell::Answer(answer)) = self.cells.change_last() {
                    answer.end();
                }
            }
            Some(Cell::Thinking { live: true, .. }) => {
                if let Some(Cell::Thinking { since, took, live, .. }) = self.cells.change_last() {
                    *took = Some(now.saturating_duration_since(*since));
                    *live = false;
                }
            }
            _ => {}
        }
    }

    fn called(&mut self, call: Call) {
        if let Some(Cell::Calls(calls)) = self.cells.last()
            && calls.takes(&call)
            && let Some(Cell::Calls(calls)) = self.cells.change_last()
        {
            calls.calls.push(call);
        } else {
            self.cells.push(Cell::Calls(Calls::new(call)));
        }
    }

    fn returned(&mut self, report: &ToolReport, now: Instant) {
        let place =
            self.cells.iter().rev().take_while(|(_, cell)| !matches!(cell, Cell::Prompt { .. })).find_map(
                |(at, cell)| match cell {
                    Cell::Calls(calls) => {
                        let found =
                            calls.calls.iter().rposition(|call| call.id == report.call_id && call.runs());
                        found.map(|part| (at, part))
                    }
                    _ => None,
                },
            );
        let (at, part) = place.unwrap_or_else(|| {
            // It was not begun: it was denied, or there is no such tool.
            self.finish(now);
            self.called(Call::begun(&report.call_id, &report.tool, &report.tool, now));
            let part = match self.cells.last() {
                Some(Cell::Calls(calls)) => calls.calls.len() - 1,
                _ => 0,
            };
            (self.cells.len() - 1, part)
        });
        if let Some(Cell::Calls(calls)) = self.cells.change(at)
            && let Some(call) = calls.calls.get_mut(part)
        {
            call.end(report);
            self.kept += call.bytes();
        }
        self.shrink();
    }

    /// Keep less of old calls.
    fn shrink(&mut self) {
        while self.kept > KEPT && self.whole < self.cells.len() {
            let at = self.whole;
            self.whole += 1;
            if !matches!(self.cells.get(at), Some(Cell::Calls(_))) {
                continue;
            }
            if let Some(Cell::Calls(calls)) = self.cells.change(at) {
                for call in &mut calls.calls {
                    let before = call.bytes();
                    call.shrink(SHRUNK);
                    self.kept = self.kept.saturating_sub(before.saturating_sub(call.bytes()));
                }
            }
        }
    }

    /// The turn is over: whatever has not ended will not.
    fn cut_off(&mut self) {
        let running: Vec<usize> = self
            .cells
            .iter()
            .rev()
            .take_while(|(_, cell)| !matches!(cell, Cell::Prompt { .. }))
            .filter(|(_, cell)| matches!(cell, Cell::Calls(calls) if calls.runs()))
            .map(|(at, _)| at)
            .collect();
        for at in running {
            if let Some(Cell::Calls(calls)) = self.cells.change(at) {
                calls.calls.iter_mut().for_each(Call::cut_off);
            }
        }
    }

    fn task_list(&mut self, new: &[Task], now: Instant) {
        if let Some(at) = self.tasks
            && let Some(Cell::Tasks(tasks)) = self.cells.change(at)
        {
            new.clone_into(tasks);
        } else if !new.is_empty() {
            self.finish(now);
            self.tasks = Some(self.cells.len());
            self.cells.push(Cell::Tasks(new.to_vec()));
        }
    }

    /// The turns from this one on do not count any more.
    fn go_back(&mut self, turn: u32) {
        let first = self
            .cells
            .iter()
            .find(|(_, cell)| matches!(cell, Cell::Prompt { turn: one, .. } if *one >= turn))
            .map(|(at, _)| at);
        if let Some(first) = first {
            self.cells.remove(first..self.cells.len());
            self.whole = self.whole.min(first);
        }
        self.tasks = None;
    }

    /// Blocks of what was told before, to stand above what is told now.
    pub(super) fn past(events: &[Event], now: Instant) -> (Vec<Cell>, usize) {
        let mut told = Self::default();
        let mut turns = 0;
        for event in events {
            turns += usize::from(matches!(event, Event::TurnStarted { .. }));
            told.event(event, now);
        }
        told.finish(now);
        told.cut_off();
        let mut cells = told.cells.into_cells();
        for cell in &mut cells {
            // How long it was thought about is not known any more.
            if let Cell::Thinking { took, .. } = cell {
                *took = None::<Duration>;
            }
        }
        (cells, turns)
    }

    /// Put blocks at a place; what is counted from the end on stays right.
    pub(super) fn insert(&mut self, at: usize, cells: Vec<Cell>) {
        let count = cells.len();
        self.cells.insert(at, cells);
        if let Some(tasks) = &mut self.tasks
            && *tasks >= at
        {
            *tasks += count;
        }
        self.whole = 0;
    }

    /// Forget everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// A remark of the screen's own.
    pub(super) fn note(&mut self, text: &str, style: Style) {
        let lines = visible(text).lines().map(|line| Line::new(line, style)).collect();
        self.cells.push(Cell::Lines { lines, kind: Kind::Event });
    }
}
