//! Owns what commands do on the screen: each opens a view, asks the session, or answers at once.
//! Uses the table of commands; one room below for each view.
//! Never does the work of a command itself.

pub(crate) mod changes;
pub(crate) mod field;
pub(crate) mod help;
pub(crate) mod list;
mod models;
pub(crate) mod page;
pub(crate) mod pager;
mod permissions;
pub(crate) mod printed;
mod sessions;
mod tasks;
mod theme;
pub(crate) mod timeline;
pub(crate) mod welcome;
mod window;

use crossterm::event::{KeyCode, KeyModifiers};
use loci_protocol::{Op, PermissionMode};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use crate::commands::{self, Command, Verb, When};
use crate::component::{Context, Look, Taken};
use crate::host::{Effect, Opening, Request};
use crate::input::Input;
use crate::lines::count;
use crate::style::{Line, Style};
use crate::transcript::Pane;
use printed::Printed;

/// Do what a command says.
pub(crate) fn run(command: &Command, rest: &str, transcript: &mut Pane, context: &mut Context<'_>) {
    let any_time = command.when == When::Always;
    let opens = matches!(command.verb, Verb::Sessions | Verb::Resume | Verb::New | Verb::Model);
    if !any_time && context.state.turn.is_some() {
        return transcript.note("wait for the end of the turn, or press Esc", Style::Warning);
    }
    let can = any_time || context.state.is_open() || (opens && context.state.is_idle());
    if !can {
        return transcript.note("no session is open yet", Style::Warning);
    }
    match command.verb {
        Verb::Help => open(Printed::made("Help", help::help_lines), context),
        Verb::Context => open(window::Window::new(context), context),
        Verb::Compact => context.op(Op::Compact { focus: rest.to_owned() }),
        Verb::Recall => recall(rest, transcript, context),
        Verb::Undo => context.op(Op::Undo { which: commands::undo(rest) }),
        Verb::Redo => context.op(Op::Redo),
        Verb::Rewind if rest.is_empty() => rewind(context),
        Verb::Rewind => match commands::rewind(rest) {
            Some(op) => context.op(op),
            None => transcript.note(commands::REWIND_IS, Style::Warning),
        },
        Verb::Diff => open(changes::Changes::new(context), context),
        Verb::Mode => mode(rest, transcript, context),
        Verb::Model if rest.is_empty() => open(models::Models::new(context), context),
        // Where there is no session, one is tried with it.
        Verb::Model if !context.state.is_open() => {
            context.effects.push(Effect::Open(Opening::With(rest.to_owned())));
        }
        Verb::Model => context.op(Op::SetModel { name: rest.to_owned() }),
        Verb::Why => context.op(Op::Why { task: rest.to_owned() }),
        Verb::Sessions => open(sessions::Sessions::new(context), context),
        Verb::Resume if rest.is_empty() => open(sessions::Sessions::new(context), context),
        Verb::Resume => context.effects.push(Effect::Open(Opening::Resume(rest.to_owned()))),
        Verb::New => context.effects.push(Effect::Open(Opening::New)),
        Verb::Fork => fork(rest, transcript, context),
        Verb::Rename if rest.is_empty() => transcript.note("say it as /rename TITLE", Style::Warning),
        Verb::Rename => context.op(Op::Rename { title: rest.to_owned() }),
        Verb::Export if context.state.session_id.is_empty() => {
            transcript.note("no session is open yet", Style::Warning);
        }
        Verb::Export => context.ask(Request::ExportSession(context.state.session_id.clone())),
        Verb::Copy => copy(transcript, context),
        Verb::Permissions => open(permissions::Permissions::new(context), context),
        Verb::Mcp => open(Printed::of("Servers of tools", &["mcp"], context), context),
        Verb::Doctor => open(Printed::of("Doctor", &["doctor"], context), context),
        Verb::Egress => open(Printed::of("What left this machine", &["egress", "show"], context), context),
        Verb::Tasks => open(tasks::Tasks::new(context), context),
        Verb::Theme if rest.is_empty() => open(theme::Themes::new(context), context),
        Verb::Theme => {
            if let Err(problem) = theme::choose(rest.trim(), context) {
                transcript.note(&problem, Style::Warning);
            }
        }
        Verb::Vim => vim(transcript, context),
        Verb::Quit => context.effects.push(Effect::Leave),
    }
}

/// Words are looked for; a handle is shown whole.
fn recall(rest: &str, transcript: &mut Pane, context: &mut Context<'_>) {
    if rest.is_empty() {
        return transcript.note("give words to look for, such as /recall flaky test", Style::Warning);
    }
    let session = context.state.session_id.clone();
    let digits = rest.strip_prefix('r').unwrap_or_default();
    let handle = digits.starts_with(|first: char| first.is_ascii_digit()) && !digits.contains(' ');
    let mut words = vec!["recall"];
    if handle {
        words.extend(["--session", &session]);
    }
    words.push("--");
    words.extend(rest.split_whitespace());
    let view = Printed::of(&format!("Recall: {rest}"), &words, context);
    context.open(view);
}

fn mode(name: &str, transcript: &mut Pane, context: &mut Context<'_>) {
    let names: Vec<&str> = PermissionMode::ALL.into_iter().map(PermissionMode::name).collect();
    match PermissionMode::from_name(name) {
        Some(mode) => context.op(Op::SetMode { mode }),
        None if name.is_empty() => {
            let now = context.state.mode.name();
            let text = format!(
                "the mode is {now}; the modes are {}. Shift-Tab goes on to the next",
                names.join(", ")
            );
            transcript.note(&text, Style::Plain);
        }
        None => {
            let text = format!("there is no mode {name}; the modes are {}", names.join(", "));
            transcript.note(&text, Style::Warning);
        }
    }
}

fn fork(rest: &str, transcript: &mut Pane, context: &mut Context<'_>) {
    let id = context.state.session_id.clone();
    match rest.parse() {
        Ok(turn) if turn > 0 => context.effects.push(Effect::Open(Opening::Fork(id, Some(turn)))),
        _ if rest.is_empty() => context.effects.push(Effect::Open(Opening::Fork(id, None))),
        _ => transcript
            .note("say it as /fork, or /fork TURN: the last turn that is taken over", Style::Warning),
    }
}

fn copy(transcript: &mut Pane, context: &mut Context<'_>) {
    let answer = context.state.last_answer.clone();
    if answer.is_empty() {
        return transcript.note("there is no answer to copy yet", Style::Warning);
    }
    transcript.note(
        &format!("copied the last answer, {}", count(answer.lines().count() as u64, "line")),
        Style::Dim,
    );
    context.effects.push(Effect::Copy(answer));
}

fn vim(transcript: &mut Pane, context: &mut Context<'_>) {
    let on = !context.state.options.vim;
    context.state.options.vim = on;
    context.ask(Request::Keep { key: "screen.vim".into(), value: on.to_string() });
    transcript.note(if on { "keys of vi are on" } else { "keys of vi are off" }, Style::Dim);
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
    let view = timeline::Timeline::new(context);
    context.open(view);
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

#[cfg(test)]
mod tests;
