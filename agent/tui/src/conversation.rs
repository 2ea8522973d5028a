//! Owns the lowest layer: transcript, what is asked, composer, status line, and the keys that none of them takes.
//! Uses these four.
//! Never blocks: what is typed while a turn runs waits in a queue.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use loci_protocol::{Event, Op};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Position, Rect};

use crate::approval::Ask;
use crate::commands;
use crate::component::{Component, Context, Look, Taken};
use crate::composer::Composer;
use crate::host::{Effect, Request};
use crate::input::Input;
use crate::state::State;
use crate::status::Bar;
use crate::style::{Line, Style};
use crate::transcript::Pane;
use crate::views;

/// Two presses of the same key within this time are one gesture.
const TWICE: Duration = Duration::from_millis(800);

/// The lowest layer.
#[derive(Default)]
pub(crate) struct Conversation {
    transcript: Pane,
    ask: Ask,
    composer: Composer,
    status: Bar,
    escaped: Option<Instant>,
    left: Option<Instant>,
}

impl Conversation {
    pub(crate) fn farewell(&self, state: &State, width: usize) -> Vec<Line> {
        let mut lines = self.transcript.farewell(state, width);
        if !state.session_id.is_empty() {
            let command = format!("loci --resume {}", state.session_id);
            lines.push(Line::new("Go on later with: ", Style::Dim).with(command, Style::Plain));
        }
        lines
    }

    /// A prompt, a command or a line for the shell was sent off by the composer.
    fn submit(&mut self, text: &str, context: &mut Context<'_>) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        context.ask(Request::Remember(text.to_owned()));
        if let Some(command) = text.strip_prefix('!') {
            context.op(Op::Shell { command: command.trim().to_owned() });
        } else if text.starts_with('/') && !text.contains('\n') {
            match commands::parse(text) {
                Ok((command, rest)) => views::run(command, rest, &mut self.transcript, context),
                Err(name) => self
                    .transcript
                    .note(&format!("there is no command {name}; /help lists them"), Style::Warning),
            }
        } else if context.state.is_idle() && context.state.queue.is_empty() {
            self.prompt(text.to_owned(), context);
        } else {
            context.state.queue.push_back(text.to_owned());
        }
    }

    fn prompt(&mut self, text: String, context: &mut Context<'_>) {
        // The session's own event follows; until then nothing else may be sent.
        context.state.turn = Some(crate::state::Running { since: context.now, interrupted: false, calls: 0 });
        for path in self.composer.pictures_of(&text, context.state) {
            context.op(Op::Attach { path });
        }
        context.op(Op::Prompt { text });
    }

    /// Keys that nothing else took.
    fn key(&mut self, key: KeyEvent, context: &mut Context<'_>) -> Taken {
        let recently = |before: Option<Instant>| {
            before.is_some_and(|before| context.now.saturating_duration_since(before) < TWICE)
        };
        match (key.code, key.modifiers) {
            (KeyCode::Esc, _) if context.state.turn.is_some() => {
                self.interrupt(context);
            }
            (KeyCode::Esc, _) if recently(self.escaped) => {
                self.escaped = None;
                views::rewind(context);
            }
            (KeyCode::Esc, _) => self.escaped = Some(context.now),
            (KeyCode::Char('c'), KeyModifiers::CONTROL) => {
                if recently(self.left) {
                    context.effects.push(Effect::Leave);
                } else if context.state.turn.is_some() {
                    self.interrupt(context);
                } else if !self.composer.is_empty() {
                    self.composer.clear(context);
                } else {
                    self.transcript.note("Ctrl-C again, or Ctrl-D, leaves", Style::Dim);
                }
                self.left = Some(context.now);
            }
            (KeyCode::Char('d'), KeyModifiers::CONTROL) if self.composer.is_empty() => {
                context.effects.push(Effect::Leave);
            }
            (KeyCode::Char('l'), KeyModifiers::CONTROL) => context.effects.push(Effect::Redraw),
            (KeyCode::Char('z'), KeyModifiers::CONTROL) => context.effects.push(Effect::Suspend),
            _ => return Taken::No,
        }
        Taken::Yes
    }

    fn interrupt(&mut self, context: &mut Context<'_>) {
        if let Some(turn) = &mut context.state.turn {
            turn.interrupted = true;
        }
        context.op(Op::Interrupt);
    }
}

impl Component for Conversation {
    fn take(&mut self, input: &Input, context: &mut Context<'_>) -> Taken {
        match input {
            Input::Key(key) => {
                let waits = context.state.approval.is_some() || context.state.question.is_some();
                if waits && self.ask.take(input, context) != Taken::No {
                    return Taken::Yes;
                }
                if self.transcript.take(input, context) != Taken::No {
                    return Taken::Yes;
                }
                if self.composer.take(input, context) != Taken::No {
                    if let Some(text) = self.composer.submitted() {
                        self.submit(&text, context);
                    }
                    return Taken::Yes;
                }
                self.key(*key, context)
            }
            Input::Paste(_) => self.composer.take(input, context),
            Input::Mouse(_) => self.transcript.take(input, context),
            Input::Event(_) | Input::Reply(_) | Input::Resize(..) | Input::Focus(_) | Input::Tick => {
                let _ = self.transcript.take(input, context);
                let _ = self.ask.take(input, context);
                let _ = self.composer.take(input, context);
                if let Input::Event(event) = input
                    && matches!(**event, Event::TurnFinished(_) | Event::SessionStarted { .. })
                    && context.state.is_idle()
                    && let Some(next) = context.state.queue.pop_front()
                {
                    self.prompt(next, context);
                }
                Taken::Yes
            }
        }
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let status = self.status.height(area.width, look).min(area.height);
        let below = area.height.saturating_sub(status);
        let asks = look.state.approval.is_some() || look.state.question.is_some();
        let ask = if asks { self.ask.height(area.width, below.saturating_sub(2), look) } else { 0 };
        let composer = self.composer.height(area.width, (below.saturating_sub(ask) / 2).max(1), look);
        let [transcript, asked, composed, bar] = Layout::vertical([
            Constraint::Fill(1),
            Constraint::Length(ask.min(below)),
            Constraint::Length(composer.min(below.saturating_sub(ask))),
            Constraint::Length(status),
        ])
        .areas(area);
        self.transcript.draw(transcript, buffer, look);
        if asks {
            self.ask.draw(asked, buffer, look);
        }
        self.composer.draw(composed, buffer, look);
        let above = Rect { height: composed.y.saturating_sub(area.y), ..area };
        self.composer.draw_above(above, buffer, look);
        self.status.draw(bar, buffer, look);
    }

    fn cursor(&self) -> Option<Position> {
        self.composer.cursor()
    }

    fn moves(&self, state: &State) -> bool {
        state.turn.is_some() || !state.work.is_empty() || self.composer.moves()
    }
}
