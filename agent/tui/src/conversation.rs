//! Owns the lowest layer: transcript, what is asked, composer, status line, and the keys that none of them takes.
//! Uses these four, `told` for what somebody who looks elsewhere is told, and `script` for the user's own status line.
//! Never blocks: what is typed while a turn runs, or before there is a session, waits in a queue.

mod script;
mod told;

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use loci_protocol::{Event, Level, Op, PermissionMode};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Position, Rect};

use crate::approval::{Ask, mode_after};
use crate::commands;
use crate::component::{Component, Context, Look, Taken};
use crate::composer::Composer;
use crate::host::{Effect, Reply, Request};
use crate::input::Input;
use crate::state::State;
use crate::status::Bar;
use crate::style::{Line, Style};
use crate::transcript::Pane;
use crate::views;
use script::Script;
use told::Told;

/// Two presses of the same key within this time are one gesture.
const TWICE: Duration = Duration::from_millis(800);

/// The lowest layer.
#[derive(Default)]
pub(crate) struct Conversation {
    transcript: Pane,
    ask: Ask,
    composer: Composer,
    status: Bar,
    told: Told,
    script: Script,
    escaped: Option<Instant>,
    left: Option<Instant>,
    /// Whether bypassPermissions was agreed to once.
    bypassed: bool,
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
        let command = text.starts_with('/') && !text.contains('\n');
        if command {
            match commands::parse(text) {
                Ok((command, rest)) => views::run(command, rest, &mut self.transcript, context),
                Err(name) => self
                    .transcript
                    .note(&format!("there is no command {name}; /help lists them"), Style::Warning),
            }
        } else if let Some(command) = text.strip_prefix('!').filter(|_| context.state.is_open()) {
            context.op(Op::Shell { command: command.trim().to_owned() });
        } else if context.state.is_open() && context.state.turn.is_none() && context.state.queue.is_empty() {
            self.prompt(text.to_owned(), context);
        } else {
            context.state.queue.push_back(text.to_owned());
            if context.state.failed || context.state.ended {
                self.transcript
                    .note("it waits until there is a session: /new, /resume or /model", Style::Warning);
            }
        }
    }

    fn prompt(&mut self, text: String, context: &mut Context<'_>) {
        if let Some(command) = text.strip_prefix('!') {
            context.op(Op::Shell { command: command.trim().to_owned() });
            return;
        }
        // The session's own event follows; until then nothing else may be sent.
        context.state.turn = Some(crate::state::Running { since: context.now, interrupted: false, calls: 0 });
        for path in self.composer.pictures_of(&text, context.state) {
            context.op(Op::Attach { path });
        }
        context.op(Op::Prompt { text });
    }

    /// Send what waits: lines for the shell one after the other, prompts one for each turn.
    fn send_waiting(&mut self, context: &mut Context<'_>) {
        while context.state.is_open()
            && context.state.turn.is_none()
            && let Some(next) = context.state.queue.pop_front()
        {
            self.prompt(next, context);
        }
    }

    /// Keys that nothing else took.
    fn key(&mut self, key: KeyEvent, context: &mut Context<'_>) -> Taken {
        let recently = |before: Option<Instant>| {
            before.is_some_and(|before| context.now.saturating_duration_since(before) < TWICE)
        };
        match (key.code, key.modifiers) {
            (KeyCode::Esc, _) if self.ask.withdraw_bypass() => {}
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

    /// Stop the turn. Prompts that waited for its end come back into the composer: what was to follow a finished turn may
    /// not be what is to follow a broken one.
    fn interrupt(&mut self, context: &mut Context<'_>) {
        if let Some(turn) = &mut context.state.turn {
            turn.interrupted = true;
        }
        let waiting: Vec<String> = context.state.queue.drain(..).collect();
        if !waiting.is_empty() {
            self.composer.bring_back(&waiting.join("\n\n"), context);
        }
        context.op(Op::Interrupt);
    }

    /// The next mode. The one in which nothing asks is asked about, once.
    fn next_mode(&mut self, context: &mut Context<'_>) {
        let next = if self.ask.withdraw_bypass() {
            PermissionMode::Plan
        } else {
            let now = context.state.wanted_mode.unwrap_or(context.state.mode);
            mode_after(now, context.state.without_bypass)
        };
        if next == PermissionMode::BypassPermissions && !self.bypassed {
            self.ask.offer_bypass();
            return;
        }
        context.state.wanted_mode = Some(next);
        if context.state.is_open() {
            context.op(Op::SetMode { mode: next });
        }
    }

    /// What the session says has more sides to it than what is shown.
    fn event(&mut self, event: &Event, context: &mut Context<'_>) {
        let news = self.ask.event(event, context);
        self.told.event(event, news, context);
        match event {
            Event::SessionStarted { resumed, .. } => {
                if !resumed {
                    context.ask(Request::Welcome);
                }
                // It was chosen while there was no session.
                if let Some(mode) = context.state.wanted_mode {
                    context.op(Op::SetMode { mode });
                }
                self.send_waiting(context);
            }
            Event::TurnFinished(_) => self.send_waiting(context),
            // The prompt that is open again may be said in other words.
            Event::Rewound { prompt: Some(prompt), .. } if self.composer.is_empty() => {
                self.composer.bring_back(prompt, context);
            }
            Event::ModeChanged { mode: PermissionMode::BypassPermissions } => self.bypassed = true,
            _ => {}
        }
    }

    fn reply(&mut self, reply: &Reply, context: &mut Context<'_>) {
        if let Reply::Welcome(welcome) = reply {
            let said = Reply::Said(views::welcome::lines(welcome, context.state));
            let _ = self.transcript.take(&Input::Reply(Box::new(said)), context);
        }
        if let Reply::TrustWanted { root, lines } = reply {
            self.ask.offer_trust(root, lines);
        }
        if let Reply::Failed { message, hint } = reply {
            context.state.failed = true;
            context.state.turn = None;
            let hint =
                hint.as_deref().unwrap_or("/model tries another model, /new tries again, /quit leaves");
            let notice =
                Event::Notice { level: Level::Error, message: message.clone(), hint: Some(hint.to_owned()) };
            let _ = self.transcript.take(&Input::Event(Box::new(notice)), context);
        }
    }
}

impl Component for Conversation {
    fn take(&mut self, input: &Input, context: &mut Context<'_>) -> Taken {
        match input {
            Input::Key(key) => {
                if self.ask.key(*key, !self.composer.is_empty(), context) {
                    return Taken::Yes;
                }
                if key.code == KeyCode::BackTab {
                    self.next_mode(context);
                    return Taken::Yes;
                }
                // Stopping comes before everything that Esc closes or leaves, but a list of completions.
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
            Input::Paste(text) => {
                if self.ask.paste(text, context) {
                    return Taken::Yes;
                }
                self.composer.take(input, context)
            }
            Input::Mouse(mouse) => {
                if self.ask.mouse(*mouse) {
                    return Taken::Yes;
                }
                self.transcript.take(input, context)
            }
            Input::Event(_) | Input::Reply(_) | Input::Resize(..) | Input::Focus(_) | Input::Tick => {
                let _ = self.transcript.take(input, context);
                let _ = self.composer.take(input, context);
                match input {
                    Input::Event(event) => self.event(event, context),
                    Input::Reply(reply) => self.reply(reply, context),
                    _ => {}
                }
                self.script.take(input, context);
                Taken::Yes
            }
        }
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let status = self.status.height(area.width, look).min(area.height);
        let below = area.height.saturating_sub(status);
        let asks = !self.ask.is_empty();
        let ask = if asks { self.ask.height(area.width, below.saturating_sub(2)) } else { 0 };
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
            self.ask.draw(asked, buffer, !self.composer.is_empty(), look);
        }
        self.composer.draw(composed, buffer, look);
        let above = Rect { height: composed.y.saturating_sub(area.y), ..area };
        self.composer.draw_above(above, buffer, look);
        self.status.draw(bar, buffer, look);
    }

    fn cursor(&self) -> Option<Position> {
        // The field of what is asked has a mark of its own.
        (!self.ask.is_writing(!self.composer.is_empty())).then(|| self.composer.cursor()).flatten()
    }

    fn moves(&self, state: &State) -> bool {
        state.turn.is_some()
            || !state.work.is_empty()
            || !self.ask.is_empty()
            || self.composer.moves()
            || self.script.moves()
            || self.transcript.moves()
    }
}

#[cfg(test)]
mod tests;
