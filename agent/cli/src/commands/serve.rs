//! Owns `loci serve`: the models of this machine for other programs.
//! Uses `inference::serve` for the protocol, `model` for what names mean, `core` for the token.
//! Never serves what would send requests elsewhere, and never reads a project.

use crate::arguments::ServeArguments;
use crate::errors::Outcome;
#[cfg(not(feature = "network"))]
use crate::errors::Usage;
use crate::project::Project;

#[cfg(feature = "network")]
mod door;
#[cfg(feature = "network")]
mod offered;
#[cfg(feature = "network")]
mod service;

/// Serve until a signal says otherwise.
///
/// # Errors
/// When the address, the token or a model cannot be used.
#[cfg(not(feature = "network"))]
pub(crate) fn run(_project: &Project, _arguments: &ServeArguments) -> anyhow::Result<Outcome> {
    Err(Usage::error(
        "this program was built without anything that speaks HTTP",
        "take a build with the feature `network`",
    ))
}

/// Serve until a signal says otherwise.
///
/// # Errors
/// When the address, the token or a model cannot be used.
#[cfg(feature = "network")]
pub(crate) fn run(project: &Project, arguments: &ServeArguments) -> anyhow::Result<Outcome> {
    service::run(project, arguments)
}
