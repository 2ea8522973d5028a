//! Owns `loci trust`: whether what a project brings along is read.
//! Uses the list of trusted folders in the user's data.
//! Never reads anything of the project itself.

use loci_core::trust::Trust;
use loci_tui::{Line, Style, visible};

use crate::arguments::TrustArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// Trust it, or trust it no longer.
///
/// # Errors
/// When the list cannot be read or written.
pub(crate) fn run(project: &Project, arguments: &TrustArguments) -> anyhow::Result<Outcome> {
    let mut trust = Trust::load(&project.places.data)?;
    let root = visible(&project.root.to_string_lossy());
    let text = if !arguments.revoke {
        trust.add(&project.root)?;
        format!("{root} is trusted: its configuration and AGENTS.md are read")
    } else if trust.remove(&project.root)? {
        format!("{root} is trusted no longer")
    } else {
        format!("{root} was not trusted")
    };
    project.printer.line(&Line::new(text, Style::Plain))?;
    Ok(Outcome::Done)
}
