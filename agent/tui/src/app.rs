//! Owns the screen as a whole: the conversation, and the layers over it.
//! Uses components, the state, the theme.
//! Never touches the terminal: inputs come in, effects and frames go out.

use std::time::Instant;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use crate::component::{Component, Context, Look, Taken};
use crate::conversation::Conversation;
use crate::host::{Effect, Reply};
use crate::input::Input;
use crate::options::Options;
use crate::state::State;
use crate::theme::Theme;

/// The screen.
pub struct App {
    state: State,
    theme: Theme,
    conversation: Conversation,
    /// From the bottom to the top.
    layers: Vec<Box<dyn Component>>,
}

impl App {
    /// A screen before its session is open.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let theme = Theme::of(&options);
        let state = State { options, ..State::default() };
        Self { state, theme, conversation: Conversation::default(), layers: Vec::new() }
    }

    /// What is known of the session.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What stays on the normal screen when this one is left: the last answer, and how to go on.
    #[must_use]
    pub fn farewell(&self, width: usize) -> Vec<crate::style::Line> {
        self.conversation.farewell(&self.state, width)
    }

    /// Before any session is open, let the user choose one of the earlier ones.
    #[must_use]
    pub fn pick_session(&mut self, now: Instant) -> Vec<Effect> {
        let (mut effects, mut opened) = (Vec::new(), Vec::new());
        let mut context = Context { state: &mut self.state, effects: &mut effects, opened: &mut opened, now };
        crate::views::pick_session(&mut context);
        self.layers.extend(opened);
        effects
    }

    /// Something happened. What is returned is to be done, in this order.
    #[must_use]
    pub fn take(&mut self, input: &Input, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut opened: Vec<Box<dyn Component>> = Vec::new();
        let all = match input {
            Input::Event(event) => {
                self.state.absorb(event, now);
                true
            }
            Input::Reply(reply) => {
                match reply.as_ref() {
                    Reply::Branch(branch) => branch.clone_into(&mut self.state.branch),
                    Reply::StatusLine(lines) => lines.clone_into(&mut self.state.status_line),
                    _ => {}
                }
                true
            }
            Input::Focus(focused) => {
                self.state.focused = Some(*focused);
                true
            }
            Input::Resize(..) | Input::Tick => true,
            Input::Key(_) | Input::Mouse(_) | Input::Paste(_) => false,
        };
        let mut context = Context { state: &mut self.state, effects: &mut effects, opened: &mut opened, now };
        let mut taken = false;
        for at in (0..self.layers.len()).rev() {
            match self.layers[at].take(input, &mut context) {
                Taken::Close => {
                    self.layers.remove(at);
                    taken = true;
                }
                Taken::Yes => taken = true,
                Taken::No => {}
            }
            if taken && !all {
                break;
            }
        }
        if all || !taken {
            let _ = self.conversation.take(input, &mut context);
        }
        self.layers.extend(opened);
        if effects.iter().any(|effect| matches!(effect, Effect::Open(_))) {
            self.state.close();
        }
        if self.theme.name() != self.state.options.theme {
            self.theme = Theme::of(&self.state.options);
        }
        effects
    }

    /// Draw everything.
    pub fn draw(&mut self, frame: &mut Frame<'_>, now: Instant) {
        let screen = frame.area();
        let look = Look { theme: &self.theme, state: &self.state, now };
        let areas: Vec<Rect> =
            self.layers.iter().map(|layer| layer.area(screen, &look).intersection(screen)).collect();
        // What is covered as a whole need not be drawn.
        let covered = areas.iter().rposition(|area| *area == screen);
        let mut cursor = None;
        if covered.is_none() {
            self.conversation.draw(screen, frame.buffer_mut(), &look);
            cursor = self.conversation.cursor();
        }
        for (layer, area) in self.layers.iter_mut().zip(areas).skip(covered.unwrap_or(0)) {
            Clear.render(area, frame.buffer_mut());
            layer.draw(area, frame.buffer_mut(), &look);
            cursor = layer.cursor();
        }
        if let Some(position) = cursor.filter(|position| screen.contains(*position)) {
            frame.set_cursor_position(position);
        }
    }

    /// Whether the screen changes while nothing happens, so that [`Input::Tick`] is wanted.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.conversation.moves(&self.state) || self.layers.iter().any(|layer| layer.moves(&self.state))
    }
}
