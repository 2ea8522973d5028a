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
        Some(Command::Policy(PolicyArguments { action: PolicyAction::Check { cases } })) => {
            return commands::policy::check(&printer, cases);
        }
        _ => {}
    }
    let mut project = Project::open(cli.shared.directory.as_deref(), environment, printer)?;
    project.offline = offline;
    project.go_offline_if_wanted()?;
    match cli.command {
        None => commands::ask::run(&project, &cli.ask),
        Some(Command::Search(arguments)) => commands::search::run(&project, &arguments),
        Some(Command::Where(arguments)) => commands::locate::run(&project, &arguments),
        Some(Command::Callers(arguments)) => commands::callers::run(&project, &arguments),
        Some(Command::Callees(arguments)) => commands::callees::run(&project, &arguments),
        Some(Command::Refs(arguments)) => commands::refs::run(&project, &arguments),
        Some(Command::Map(arguments)) => commands::map::run(&project, &arguments),
        Some(Command::TestsFor(arguments)) => commands::tests_for::run(&project, &arguments),
        Some(Command::Impact(arguments)) => commands::impact::run(&project, &arguments),
        Some(Command::Outline(arguments)) => commands::outline::run(&project, &arguments),
        Some(Command::Index(arguments)) => commands::index::run(&project, &arguments),
        Some(Command::Models(arguments)) => commands::models::run(&project, &arguments),
        Some(Command::Bench(arguments)) => commands::bench::run(&project, &arguments),
        Some(Command::Bundle(arguments)) => commands::bundle::run(&project, &arguments),
        Some(Command::Serve(arguments)) => commands::serve::run(&project, &arguments),
        Some(Command::Undo(arguments)) => commands::undo::run(&project, &arguments),
        Some(Command::Redo(arguments)) => commands::undo::redo(&project, &arguments),
        Some(Command::Sessions(arguments)) => commands::sessions::run(&project, &arguments),
        Some(Command::Why(arguments)) => commands::why::run(&project, &cli.ask, &arguments),
        Some(Command::Egress(arguments)) => commands::egress::run(&project, &cli.ask, &arguments.action),
        Some(Command::Audit(arguments)) => commands::audit::run(&project, &arguments),
        Some(Command::Context(arguments)) => commands::context::run(&project, &cli.shared, &arguments),
        Some(Command::Recall(arguments)) => commands::recall::run(&project, &arguments),
        Some(Command::Config(arguments)) => commands::config::run(&project, &arguments),
        Some(Command::Sandbox(arguments)) => commands::sandbox::run(&project, &arguments),
        Some(Command::Doctor(arguments)) => commands::doctor::run(&project, &arguments),
        Some(Command::Trust(arguments)) => commands::trust::run(&project, &arguments),
        Some(Command::Policy(arguments)) => commands::policy::run(&project, &arguments.action),
        Some(Command::Completions(_)) => Ok(Outcome::Done),
    }
}

fn detail(shared: &SharedArguments) -> Detail {
    match (shared.verbose, shared.quiet) {
        (true, _) => Detail::Verbose,
        (_, true) => Detail::Quiet,
        _ => Detail::Usual,
    }
}
