//! Owns `loci outline`: the definitions of one file.
//! Uses the index alone.
//! Never loads a model.

use loci_tui::{Line, Style, visible};

use crate::arguments::OutlineArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// Print the definitions in order, indented by nesting.
///
/// # Errors
/// When there is no such file, or it cannot be read.
pub(crate) fn run(project: &Project, arguments: &OutlineArguments) -> anyhow::Result<Outcome> {
    // The outline is read from the file as it is now, so the index need not be brought up to date.
    let index = project.index()?;
    let path = project.relative(&arguments.path);
    let items = index.outline(&path)?;
    if arguments.json {
        project.printer.json(&serde_json::json!({ "path": path, "items": items }))?;
    } else {
        for item in &items {
            let definition = &item.definition;
            let indent = "  ".repeat(item.depth as usize);
            let line = Line::new(format!("{:>5}", definition.line), Style::Tip)
                .with(format!("  {indent}{}", visible(&definition.signature)), Style::Plain)
                .with(format!("  ({})", definition.kind), Style::Dim);
            project.printer.line(&line)?;
        }
    }
    if items.is_empty() {
        project.printer.note(&format!("no definitions in {path}"));
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Done)
}
