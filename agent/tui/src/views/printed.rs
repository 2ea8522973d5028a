//! Owns a view of a text: what a command of the binary printed, or lines that are already here.
//! Uses the pager.
//! Never runs the command itself: the host does, and answers.

use crossterm::event::{KeyCode, KeyModifiers};
use loci_protocol::Event;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::page::Page;
use super::pager::Pager;
use crate::component::{Component, Context, Look, Taken};
use crate::host::{Reply, Request};
use crate::input::Input;
use crate::style::{Line, Style};

/// A text to read.
pub(crate) struct Printed {
    title: String,
    /// The command whose output is waited for, to be run again with `r`.
    command: Vec<String>,
    waits: bool,
    /// What makes the lines anew for another width.
    /// It waits for the choice of a model.
    route: bool,
    made: Option<Box<dyn Fn(usize) -> Vec<Line>>>,
    width: u16,
    pager: Pager,
}

impl Printed {
    /// What a command of the binary prints.
    pub(crate) fn of(title: &str, command: &[&str], context: &mut Context<'_>) -> Self {
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        context.ask(Request::Run(command.clone()));
        let pager = Pager::new(vec![Line::new("…", Style::Dim)]);
        Self { command, waits: true, pager, ..Self::lines(title, Vec::new()) }
    }

    /// Lines that are already here.
    pub(crate) fn lines(title: &str, lines: Vec<Line>) -> Self {
        Self {
            title: crate::text::one_line(title, 200),
            command: Vec::new(),
            waits: false,
            route: false,
            made: None,
            width: 0,
            pager: Pager::new(lines),
        }
    }

    /// Which model answers, and why, once the session says it.
    pub(crate) fn route() -> Self {
        Self { route: true, waits: true, ..Self::lines("Why this model", vec![Line::new("…", Style::Dim)]) }
    }

    /// Lines that are made for so many columns.
    pub(crate) fn made(title: &str, made: impl Fn(usize) -> Vec<Line> + 'static) -> Self {
        Self { made: Some(Box::new(made)), ..Self::lines(title, Vec::new()) }
    }
}

impl Component for Printed {
    fn take(&mut self, input: &Input, context: &mut Context<'_>) -> Taken {
        if let Input::Reply(reply) = input
            && let Reply::Printed { command, lines } = reply.as_ref()
            && self.waits
            && *command == self.command
        {
            self.waits = false;
            self.pager.set(if lines.is_empty() {
                vec![Line::new("nothing", Style::Dim)]
            } else {
                lines.clone()
            });
        }
        if let Input::Event(event) = input
            && let Event::RouteShown(report) = event.as_ref()
            && self.route
        {
            self.waits = false;
            self.pager.set(crate::route::route_lines(report));
        }
        if self.pager.take(input) == Taken::Yes {
            return Taken::Yes;
        }
        match input {
            Input::Key(key) if key.code == KeyCode::Char('r') && key.modifiers == KeyModifiers::NONE => {
                if !self.waits && !self.command.is_empty() {
                    self.waits = true;
                    context.ask(Request::Run(self.command.clone()));
                }
                Taken::Yes
            }
            _ => super::rest(input),
        }
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let keys: &[(&str, &str)] = if self.command.is_empty() {
            &[("↑↓", "scrolls"), ("/", "searches")]
        } else {
            &[("↑↓", "scrolls"), ("/", "searches"), ("r", "again")]
        };
        if let Some(made) = self.made.as_ref().filter(|_| self.width != area.width) {
            self.width = area.width;
            self.pager.set(made(area.width.into()));
        }
        self.pager.fit(area.width, area.height.saturating_sub(2));
        let facts = match (self.waits, self.pager.place()) {
            (true, _) => "…".into(),
            (false, place) => place.unwrap_or_default(),
        };
        let page = Page { title: &self.title, facts, keys, field: self.pager.field() };
        let inner = page.draw(area, buffer, look);
        self.pager.draw(inner, buffer, look);
    }
}
