//! Owns what a part of the screen is: it takes inputs and draws itself into an area.
//! Uses the state that all of them look at.
//! Never draws outside of its area, and never waits for anything.

use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::host::{Effect, Request};
use crate::input::Input;
use crate::state::State;
use crate::theme::Theme;

/// A part of the screen.
pub trait Component {
    /// Take an input, or leave it to what is below. [`Input::Event`], [`Input::Reply`], [`Input::Resize`] and
    /// [`Input::Tick`] reach every layer, whatever is answered.
    fn take(&mut self, input: &Input, context: &mut Context<'_>) -> Taken;

    /// Draw into `area` of `buffer`, which is clear there.
    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>);

    /// Where the cursor stands, after drawing; nothing where there is none.
    fn cursor(&self) -> Option<Position> {
        None
    }

    /// Which part of the screen it takes when it is a layer over the conversation; all of it by default.
    fn area(&self, screen: Rect, _look: &Look<'_>) -> Rect {
        screen
    }

    /// Whether it shows something that moves while nothing happens: a time that counts up.
    fn moves(&self, _state: &State) -> bool {
        false
    }
}

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was for this component; nothing below sees it.
    Yes,
    /// Whatever is below may take it.
    No,
    /// It was for this component, which is to be closed.
    Close,
}

/// What a component may look at and ask for while it takes an input.
pub struct Context<'a> {
    /// What is known of the session.
    pub state: &'a mut State,
    /// What is to be done outside, in order.
    pub effects: &'a mut Vec<Effect>,
    /// Layers to be put on top.
    pub opened: &'a mut Vec<Box<dyn Component>>,
    /// The time.
    pub now: Instant,
}

impl Context<'_> {
    /// Ask something of the session.
    pub fn op(&mut self, op: loci_protocol::Op) {
        self.effects.push(Effect::Op(op));
    }

    /// Ask something of the host.
    pub fn ask(&mut self, request: Request) {
        self.effects.push(Effect::Ask(request));
    }

    /// Put a layer on top.
    pub fn open(&mut self, component: impl Component + 'static) {
        self.opened.push(Box::new(component));
    }
}

/// What a component looks at while it draws.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// Colours.
    pub theme: &'a Theme,
    /// What is known of the session.
    pub state: &'a State,
    /// The time.
    pub now: Instant,
}
