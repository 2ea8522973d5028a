//! Owns `loci callers`: uses of a symbol.
//! Uses the index alone.
//! Never loads a model.

use loci_tui::{Line, Style, visible};

use crate::arguments::CallersArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// Find and print, by path and line.
///
/// # Errors
/// When the index cannot be opened or read.
pub(crate) fn run(project: &Project, arguments: &CallersArguments) -> anyhow::Result<Outcome> {
    let index = project.fresh_index()?;
    let mut references = index.references(&arguments.symbol)?;
    references.retain(|reference| reference.is_test || !arguments.tests);
    if arguments.json {
        let value = serde_json::json!({ "symbol": arguments.symbol, "references": references });
        project.printer.json(&value)?;
    } else {
        for reference in &references {
            let within = reference.enclosing.as_ref().map(|name| format!(" in {}", visible(name)));
            let line = Line::new(visible(&reference.path), Style::Bold)
                .with(format!(":{}", reference.line), Style::Tip)
                .with(format!("  {}", visible(&reference.text)), Style::Plain)
                .with(format!("  ({}{})", reference.kind, within.unwrap_or_default()), Style::Dim);
            project.printer.line(&line)?;
        }
    }
    if references.is_empty() {
        let known = if index.defines(&arguments.symbol) {
            "it is defined, and nothing uses it"
        } else {
            "nothing of that name is defined"
        };
        project.printer.note(&format!("no use of `{}` found: {known}", arguments.symbol));
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Done)
}
