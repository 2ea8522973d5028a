//! Owns the binary `loci`: parses the command line and hands over to one subcommand.
//! Uses `arguments`, `commands`, `errors`.
//! Never does work of its own, so that `loci --version` costs nothing.

mod arguments;
mod commands;
mod conversation;
mod errors;
mod input;
mod model;
mod offline;
mod printer;
mod progress;
mod project;
mod screen;

use std::process::ExitCode;

use arguments::{Cli, Command, PolicyAction, PolicyArguments, SharedArguments};
use clap::Parser;
use errors::Outcome;
use loci_core::config::Environment;
use offline::Offline;
use printer::{Detail, Printer};
use project::Project;

fn main() -> ExitCode {
    // Before a second thread exists.
    loci_core::sandboxing::enter_if_asked();
    let environment = Environment::of_process();
    let plain = environment.get("NO_COLOR").is_some() || environment.get("TERM") == Some("dumb");
    match Cli::try_parse() {
        Ok(cli) => {
            let printer = Printer::new(detail(&cli.shared), plain);
            let result = run(cli, environment, printer.clone());
            errors::finish(&printer, result)
        }
        Err(error) => errors::usage(&Printer::new(Detail::Usual, plain), &error),
    }
}

fn run(cli: Cli, environment: Environment, printer: Printer) -> anyhow::Result<Outcome> {
    // First of all: what comes before could already use the network.
    let controlled = matches!(cli.command, Some(Command::Doctor(_)));
    let offline = Offline::of_flag(&printer, cli.shared.offline, controlled)?;
    // These need no project, and must work where there is none.
    match &cli.command {
        Some(Command::Completions(arguments)) => return commands::completions::run(&printer, arguments),
        Some(Command::Man(arguments)) => return commands::man::run(&printer, arguments),
        Some(Command::Policy(PolicyArguments { action: PolicyAction::Check { cases } })) => {
            return commands::policy::check(&printer, cases);
        }
        _ => {}
    }
    let mut project = Project::open(cli.shared.directory.as_deref(), environment, printer)?;
    project.offline = offline;
    project.go_offline_if_wanted()?;
    match &cli.command {
        None => commands::ask::run(&project, &cli.ask),
        Some(command) => commands::run(&project, &cli, command),
    }
}

fn detail(shared: &SharedArguments) -> Detail {
    match (shared.verbose, shared.quiet) {
        (true, _) => Detail::Verbose,
        (_, true) => Detail::Quiet,
        _ => Detail::Usual,
    }
}
