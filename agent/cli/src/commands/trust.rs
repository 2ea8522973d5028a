//! Owns `loci trust`: whether what a project brings along takes effect, and what that is.
//! Uses the list of folders in the user's data.
//! Never lets anything of the project take effect itself.

use loci_core::config::enables;
use loci_core::trust::{Standing, Trust};
use loci_tui::{Line, Style, visible};

use crate::arguments::TrustArguments;
use crate::conversation::shown_trust;
use crate::errors::Outcome;
use crate::project::Project;

/// Trust it, trust it no longer, or say how things stand.
///
/// # Errors
/// When the list cannot be read or written.
pub(crate) fn run(project: &Project, arguments: &TrustArguments) -> anyhow::Result<Outcome> {
    let mut trust = Trust::load(&project.places.data)?;
    let root = visible(&project.root.to_string_lossy());
    let say = |text: String| project.printer.line(&Line::new(text, Style::Plain));
    if arguments.list {
        return list(project, &trust);
    }
    let enabled = enables(&project.root);
    let standing = trust.standing(&project.root, &enabled);
    if arguments.show || arguments.diff {
        say(match &standing {
            Standing::Trusted => format!("{root} is trusted"),
            Standing::Changed(_) => {
                format!(
                    "{root} changed since you trusted it, so its own files have no effect until you trust it again"
                )
            }
            Standing::Declined => format!("{root} is not trusted: you were asked about it and said no"),
            Standing::Unknown => format!("{root} is not trusted"),
        })?;
        let unchanged = arguments.diff && !matches!(standing, Standing::Changed(_));
        let shown = if unchanged { Vec::new() } else { shown_trust(&standing, &enabled, &project.root) };
        if shown.is_empty() {
            say(if arguments.diff { "nothing changed".into() } else { "it brings nothing along".into() })?;
        }
        for line in shown {
            project.printer.line(&line)?;
        }
        return Ok(Outcome::Done);
    }
    if arguments.revoke {
        let was = trust.remove(&project.root)?;
        say(format!("{root} {}", if was { "is trusted no longer" } else { "was not trusted" }))?;
        return Ok(Outcome::Done);
    }
    let shown = shown_trust(&standing, &enabled, &project.root);
    trust.add(&project.root, enabled)?;
    say(format!("{root} is trusted: its configuration and AGENTS.md are read"))?;
    for line in shown {
        project.printer.line(&line)?;
    }
    Ok(Outcome::Done)
}

fn list(project: &Project, trust: &Trust) -> anyhow::Result<Outcome> {
    for folder in trust.folders() {
        let word = match trust.standing(&folder.path, &enables(&folder.path)) {
            Standing::Trusted => "trusted",
            Standing::Changed(_) => "changed",
            Standing::Declined | Standing::Unknown if folder.declined => "declined",
            Standing::Declined | Standing::Unknown => "missing",
        };
        let line = Line::new(format!("{word:9}"), Style::Dim)
            .with(visible(&folder.path.to_string_lossy()), Style::Plain)
            .with(format!("  since {}", visible(&folder.since)), Style::Dim);
        project.printer.line(&line)?;
    }
    if trust.folders().is_empty() {
        project.printer.note("no folder is trusted");
    }
    Ok(Outcome::Done)
}
