//! Owns `loci completions`: the completion script of a shell.
//! Uses the definition of the command line.
//! Never writes to a shell's folders; the user decides where the script goes.

use clap::CommandFactory;

use crate::arguments::{Cli, CompletionsArguments};
use crate::errors::Outcome;
use crate::printer::Printer;

/// Print the script.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn run(printer: &Printer, arguments: &CompletionsArguments) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "loci", &mut script);
    printer.text(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
