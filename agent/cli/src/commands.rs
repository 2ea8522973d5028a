//! Owns the subcommands, one file each.
//! Uses `project` for the folder at hand and `printer` for every word.
//! Never formats an error: they go up to `errors`.

pub(crate) mod ask;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod bundle;
pub(crate) mod callees;
pub(crate) mod callers;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod context;
pub(crate) mod doctor;
pub(crate) mod egress;
pub(crate) mod impact;
pub(crate) mod index;
pub(crate) mod locate;
pub(crate) mod man;
pub(crate) mod map;
pub(crate) mod mcp;
pub(crate) mod models;
pub(crate) mod outline;
pub(crate) mod policy;
pub(crate) mod qualify;
pub(crate) mod recall;
pub(crate) mod refs;
pub(crate) mod sandbox;
pub(crate) mod search;
pub(crate) mod serve;
pub(crate) mod sessions;
pub(crate) mod tests_for;
pub(crate) mod trust;
pub(crate) mod undo;
pub(crate) mod why;

mod batch;
mod shown;

use crate::arguments::{Cli, Command};
use crate::errors::Outcome;
use crate::project::Project;

/// Run a subcommand.
///
/// # Errors
/// Whatever it cannot do.
pub(crate) fn run(project: &Project, cli: &Cli, command: &Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Search(arguments) => search::run(project, arguments),
        Command::Where(arguments) => locate::run(project, arguments),
        Command::Callers(arguments) => callers::run(project, arguments),
        Command::Callees(arguments) => callees::run(project, arguments),
        Command::Refs(arguments) => refs::run(project, arguments),
        Command::Map(arguments) => map::run(project, arguments),
        Command::TestsFor(arguments) => tests_for::run(project, arguments),
        Command::Impact(arguments) => impact::run(project, arguments),
        Command::Outline(arguments) => outline::run(project, arguments),
        Command::Index(arguments) => index::run(project, arguments),
        Command::Models(arguments) => models::run(project, arguments),
        Command::Bench(arguments) => bench::run(project, arguments),
        Command::Bundle(arguments) => bundle::run(project, arguments),
        Command::Serve(arguments) => serve::run(project, arguments),
        Command::Undo(arguments) => undo::run(project, arguments),
        Command::Redo(arguments) => undo::redo(project, arguments),
        Command::Sessions(arguments) => sessions::run(project, arguments),
        Command::Why(arguments) => why::run(project, &cli.ask, arguments),
        Command::Egress(arguments) => egress::run(project, &cli.ask, &arguments.action),
        Command::Audit(arguments) => audit::run(project, arguments),
        Command::Context(arguments) => context::run(project, &cli.shared, arguments),
        Command::Recall(arguments) => recall::run(project, arguments),
        Command::Config(arguments) => config::run(project, arguments),
        Command::Sandbox(arguments) => sandbox::run(project, arguments),
        Command::Doctor(arguments) => doctor::run(project, arguments),
        Command::Mcp(arguments) => mcp::run(project, arguments),
        Command::Trust(arguments) => trust::run(project, arguments),
        Command::Policy(arguments) => policy::run(project, &arguments.action),
        Command::Completions(_) | Command::Man(_) => Ok(Outcome::Done),
    }
}
