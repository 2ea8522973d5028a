//! Owns what commands do on the screen: each opens a view, asks the session, or answers at once.
//! Uses the table of commands; one room below for each view.
//! Never does the work of a command itself.

use loci_protocol::{Op, Undo};

use crate::commands::{Command, Verb, When};
use crate::component::Context;
use crate::host::Effect;
use crate::style::Style;
use crate::transcript::Pane;

/// Do what a command says.
pub(crate) fn run(command: &Command, rest: &str, transcript: &mut Pane, context: &mut Context<'_>) {
    if command.when == When::Idle && !context.state.is_idle() {
        transcript.note("wait for the end of the turn, or press Esc", Style::Warning);
        return;
    }
    match command.verb {
        Verb::Context => context.op(Op::Context),
        Verb::Compact => context.op(Op::Compact { focus: rest.to_owned() }),
        Verb::Undo => context.op(Op::Undo { which: Undo::Newest }),
        Verb::Redo => context.op(Op::Redo),
        Verb::Quit => context.effects.push(Effect::Leave),
        _ => transcript.note(&format!("{} is not there yet", command.name), Style::Warning),
    }
}

/// The timeline, from which one goes back.
pub(crate) fn rewind(context: &mut Context<'_>) {
    context.op(Op::Timeline);
}
