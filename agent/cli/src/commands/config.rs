//! Owns `loci config show`: every setting that counts, and where it was set.
//! Uses the layers of the core.
//! Never prints a key of a service: only the name of the variable that holds it.

use loci_tui::{Line, Style, visible};
use serde_json::json;

use crate::arguments::{ConfigAction, ConfigArguments};
use crate::errors::Outcome;
use crate::project::Project;

/// Show it.
///
/// # Errors
/// When a file is not TOML or a value is of the wrong kind.
pub(crate) fn run(project: &Project, arguments: &ConfigArguments) -> anyhow::Result<Outcome> {
    let ConfigAction::Show { origin, json } = arguments.action;
    let config = project.config(Vec::new())?;
    let entries = config.effective();
    if json {
        let list: Vec<serde_json::Value> = entries
            .iter()
            .map(|entry| {
                json!({ "key": entry.key, "value": entry.value, "layer": entry.origin.layer(), "origin": entry.origin.to_string() })
            })
            .collect();
        project.printer.json(&list)?;
        return Ok(Outcome::Done);
    }
    for entry in &entries {
        let mut line = Line::new(format!("{} = ", visible(&entry.key)), Style::Plain)
            .with(visible(&entry.value.to_string()), Style::Bold);
        if origin {
            line = line.with(format!("  # {}", visible(&entry.origin.to_string())), Style::Dim);
        }
        project.printer.line(&line)?;
    }
    if !config.inert.is_empty() {
        let keys = config.inert.join(", ");
        project.printer.note(&format!("set by this project, and waiting for `loci trust`: {keys}"));
    }
    Ok(Outcome::Done)
}
