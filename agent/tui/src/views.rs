//! Owns what commands do on the screen: each opens a view, asks the session, or answers at once.
//! Uses the table of commands; one room below for each view.
//! Never does the work of a command itself.

pub(crate) mod field;
pub(crate) mod help;
pub(crate) mod list;
pub(crate) mod page;
pub(crate) mod pager;
pub(crate) mod printed;
mod sessions;
mod tasks;
mod theme;
mod window;

use crossterm::event::{KeyCode, KeyModifiers};
use loci_protocol::{Op, Undo};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use crate::commands::{Command, Verb, When};
use crate::component::{Context, Look, Taken};
use crate::host::{Effect, Opening};
use crate::input::Input;
use crate::style::{Line, Style};
use crate::transcript::Pane;
use printed::Printed;

/// Do what a command says.
pub(crate) fn run(command: &Command, rest: &str, transcript: &mut Pane, context: &mut Context<'_>) {
    if command.when == When::Idle && !context.state.is_idle() {
        transcript.note("wait for the end of the turn, or press Esc", Style::Warning);
        return;
    }
    match command.verb {
        Verb::Context => open(window::Window::new(context), context),
        Verb::Compact => context.op(Op::Compact { focus: rest.to_owned() }),
        Verb::Undo => context.op(Op::Undo { which: Undo::Newest }),
        Verb::Redo => context.op(Op::Redo),
        Verb::New => context.effects.push(Effect::Open(Opening::New)),
        Verb::Help => open(Printed::made("Help", help::help_lines), context),
        Verb::Sessions => open(sessions::Sessions::new(context), context),
        Verb::Resume if rest.is_empty() => open(sessions::Sessions::new(context), context),
        Verb::Resume => context.effects.push(Effect::Open(Opening::Resume(rest.to_owned()))),
        Verb::Doctor => open(Printed::of("Doctor", &["doctor"], context), context),
        Verb::Egress => open(Printed::of("What left this machine", &["egress", "show"], context), context),
        Verb::Tasks => open(tasks::Tasks::new(context), context),
        Verb::Theme if rest.is_empty() => open(theme::Themes::new(context), context),
        Verb::Theme => {
            if let Err(problem) = theme::choose(rest.trim(), context) {
                transcript.note(&problem, Style::Warning);
            }
        }
        Verb::Quit => context.effects.push(Effect::Leave),
        _ => transcript.note(&format!("{} is not there yet", command.name), Style::Warning),
    }
}

fn open(view: impl crate::component::Component + 'static, context: &mut Context<'_>) {
    context.open(view);
}

/// The picker of sessions, before any is open.
pub(crate) fn pick_session(context: &mut Context<'_>) {
    let picker = sessions::Sessions::new(context);
    context.open(picker);
}

/// Draw lines from the top; what does not fit is left out.
pub(crate) fn lines(lines: &[Line], area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
    for (line, row) in lines.iter().zip(area.rows()) {
        look.theme.line(line).render(row, buffer);
    }
}

/// The timeline, from which one goes back.
pub(crate) fn rewind(context: &mut Context<'_>) {
    context.op(Op::Timeline);
}

/// What a view that covers the screen makes of what it has no use for: Esc, q and Ctrl-C close it, what is the screen's own
/// (to redraw it, to stop the program for a while) goes on down, and nothing else does.
pub(crate) fn rest(input: &Input) -> Taken {
    match input {
        Input::Key(key) => match (key.code, key.modifiers) {
            (KeyCode::Esc, _)
            | (KeyCode::Char('q'), KeyModifiers::NONE)
            | (KeyCode::Char('c'), KeyModifiers::CONTROL) => Taken::Close,
            (KeyCode::Char('l' | 'z'), KeyModifiers::CONTROL) => Taken::No,
            _ => Taken::Yes,
        },
        Input::Mouse(_) | Input::Paste(_) => Taken::Yes,
        Input::Event(_) | Input::Reply(_) | Input::Resize(..) | Input::Focus(_) | Input::Tick => Taken::No,
    }
}
