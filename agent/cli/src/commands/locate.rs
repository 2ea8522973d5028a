//! Owns `loci where`: definitions of a symbol.
//! Uses the index alone.
//! Never loads a model.

use loci_tui::{Line, Style, visible};

use super::shown;
use crate::arguments::WhereArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// Find and print, code before tests.
///
/// # Errors
/// When the index cannot be opened or read.
pub(crate) fn run(project: &Project, arguments: &WhereArguments) -> anyhow::Result<Outcome> {
    let index = project.fresh_index()?;
    let symbol = &arguments.symbol;
    let mut definitions = index.definitions(symbol)?;
    let total = definitions.len();
    definitions.truncate(shown::limit(arguments.limit, arguments.all));
    if arguments.json {
        let similar = if total == 0 { shown::similar(&index, symbol)? } else { Vec::new() };
        project.printer.json(&serde_json::json!({
            "symbol": symbol, "total": total, "definitions": definitions, "similar": similar,
        }))?;
    } else {
        for definition in &definitions {
            let remark = shown::remark([
                Some(match &definition.parent {
                    Some(parent) => format!("{} in {parent}", definition.kind),
                    None => definition.kind.clone(),
                }),
                definition.is_test.then(|| "test".to_owned()),
            ]);
            let line = shown::place(&definition.path, definition.line, &definition.signature, &remark);
            project.printer.line(&line)?;
            if let Some(doc) = &definition.doc {
                project.printer.line(&Line::new(format!("    {}", visible(doc)), Style::Dim))?;
            }
        }
        shown::more(&project.printer, total - definitions.len())?;
    }
    if total == 0 {
        shown::undefined(&project.printer, &index, symbol)?;
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Done)
}
