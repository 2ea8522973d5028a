//! Owns `loci where`: definitions of a symbol.
//! Uses the index alone.
//! Never loads a model.

use loci_tui::{Line, Style, visible};

use crate::arguments::SymbolArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// Find and print, code before tests.
///
/// # Errors
/// When the index cannot be opened or read.
pub(crate) fn run(project: &Project, arguments: &SymbolArguments) -> anyhow::Result<Outcome> {
    let index = project.fresh_index()?;
    let definitions = index.definitions(&arguments.symbol)?;
    if arguments.json {
        let value = serde_json::json!({ "symbol": arguments.symbol, "definitions": definitions });
        project.printer.json(&value)?;
    } else {
        for definition in &definitions {
            let parent = definition.parent.as_ref().map(|parent| format!(" in {}", visible(parent)));
            let line = Line::new(visible(&definition.path), Style::Bold)
                .with(format!(":{}", definition.line), Style::Tip)
                .with(format!("  {}", visible(&definition.signature)), Style::Plain)
                .with(format!("  ({}{})", definition.kind, parent.unwrap_or_default()), Style::Dim);
            project.printer.line(&line)?;
            if let Some(doc) = &definition.doc {
                project.printer.line(&Line::new(format!("    {}", visible(doc)), Style::Dim))?;
            }
        }
    }
    if definitions.is_empty() {
        let near = index.symbols_like(&arguments.symbol);
        let near = if near.is_empty() {
            format!("`loci search {}` looks for the word itself", arguments.symbol)
        } else {
            format!("did you mean {}?", near.join(", "))
        };
        project.printer.note(&format!("no definition of `{}`; {near}", arguments.symbol));
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Done)
}
