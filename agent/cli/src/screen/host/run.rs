//! Owns commands of the binary that the screen shows: run in this process, their lines kept.
//! Uses the same parser and the same functions as the command line.
//! Never lets one write to the terminal.

use clap::Parser as _;
use loci_tui::Reply;

use crate::arguments::Cli;
use crate::printer::Printer;
use crate::project::Project;
use crate::{commands, errors};

/// Run a command and keep what it prints.
pub(super) fn printed(project: &Project, command: Vec<String>) -> Reply {
    let (printer, mut out) = Printer::captured(project.printer.width());
    let project = project.printing_to(printer);
    let words = std::iter::once("loci").chain(command.iter().map(String::as_str));
    let result = match Cli::try_parse_from(words) {
        Ok(cli) => match &cli.command {
            Some(inner) => commands::run(&project, &cli, inner).map(drop),
            None => Ok(()),
        },
        Err(error) => Err(error.into()),
    };
    if let Err(error) = result {
        errors::show(&project.printer, &error);
    }
    drop(project);
    let mut lines = Vec::new();
    while let Ok(line) = out.try_recv() {
        lines.push(line);
    }
    Reply::Printed { command, lines }
}
