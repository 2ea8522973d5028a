//! Owns `loci sandbox`: one command in the sandbox of this project, as sessions run theirs.
//! Uses `core` for the sandbox.
//! Never runs it with less than was asked for.

use loci_core::sandboxing::trial::{self, Trial, TrialError};
use loci_core::sandboxing::{Level, Network};

use crate::arguments::{SandboxArguments, SandboxLevel};
use crate::conversation;
use crate::errors::{Failed, Outcome, Usage};
use crate::project::Project;

/// Run it, print what it wrote, and end as it ended.
///
/// # Errors
/// When the machine does not give the level, or the command cannot be started.
pub(crate) fn run(project: &Project, arguments: &SandboxArguments) -> anyhow::Result<Outcome> {
    if arguments.network && project.offline.is_on() {
        return Err(Usage::error(
            "--network opens the network to the command, and Loci is offline",
            "leave out --network, or --offline; `loci config show --origin` says where `offline` was set",
        ));
    }
    let level = arguments.level.map(|level| match level {
        SandboxLevel::Full => Level::Full,
        SandboxLevel::Restricted => Level::Restricted,
        SandboxLevel::None => Level::None,
    });
    let trial = Trial {
        root: project.root.clone(),
        cwd: project.directory.clone(),
        trusted: project.trusted()?,
        level,
        writable: arguments.writable.iter().map(|folder| project.directory.join(folder)).collect(),
        network: if arguments.network { Network::Open } else { Network::Off },
    };
    let settings = project.settings(&project.config(Vec::new())?);
    let ran = trial::run(&trial, &settings, &project.places, arguments.command.clone());
    let output = conversation::runtime()?.block_on(ran).map_err(|error| match error {
        TrialError::Level { .. } => Failed::error(
            error.to_string(),
            "`loci doctor` says what to do about it; `--level none` runs the command without a sandbox",
        ),
        TrialError::Exec(_) => anyhow::Error::from(error),
    })?;
    project.printer.bytes(&output.head)?;
    if output.omitted > 0 {
        project.printer.note(&format!("{} bytes of its output are left out here", output.omitted));
    }
    project.printer.bytes(&output.tail)?;
    Ok(Outcome::Code(trial::exit_code(output.ended)))
}
