//! Owns `loci callees`: what a symbol calls and which types it names.
//! Uses the index alone.
//! Never loads a model.

use loci_index::CallQuery;
use loci_tui::{Line, Style, visible};

use super::shown;
use crate::arguments::CalleesArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// Find and print: where each callee is defined, then what the project does not define.
///
/// # Errors
/// When the index cannot be opened or read.
pub(crate) fn run(project: &Project, arguments: &CalleesArguments) -> anyhow::Result<Outcome> {
    let index = project.fresh_index()?;
    let symbol = &arguments.symbol;
    let found = index.callees(&CallQuery {
        symbol: symbol.clone(),
        depth: arguments.depth,
        limit: shown::limit(arguments.limit, arguments.all),
        ..CallQuery::default()
    })?;
    if arguments.json {
        let mut value = serde_json::to_value(&found)?;
        value["symbol"] = symbol.as_str().into();
        project.printer.json(&value)?;
    } else {
        for callee in &found.callees {
            let by = (callee.depth > 1).then(|| format!("used by {}", callee.of));
            let lines: Vec<String> = callee.lines.iter().take(4).map(u32::to_string).collect();
            let used = format!("{} at {}:{}", callee.kind, callee.path, lines.join(","));
            let line = match &callee.definition {
                Some(found) => {
                    let doubt = (!callee.certain).then(|| match callee.candidates {
                        0 | 1 => "uncertain".to_owned(),
                        others => format!("uncertain: one of {others}"),
                    });
                    let remark = shown::remark([Some(used), by, doubt]);
                    shown::place(&found.path, found.line, &found.signature, &remark)
                }
                None => {
                    let remark = shown::remark([Some(used), by]);
                    Line::new(visible(&callee.name), Style::Bold)
                        .with(format!("  one of {} definitions", callee.candidates), Style::Plain)
                        .with(format!("  ({})", visible(&remark)), Style::Dim)
                }
            };
            project.printer.line(&line)?;
        }
        if found.cut {
            project.printer.line(&Line::new("… and more (--all)", Style::Dim))?;
        }
        if !found.outside.is_empty() {
            let names: Vec<&str> = found.outside.iter().map(String::as_str).take(20).collect();
            let text = format!("not defined here: {}", visible(&names.join(", ")));
            project.printer.line(&Line::new(text, Style::Dim))?;
        }
    }
    if found.of.is_empty() {
        shown::undefined(&project.printer, &index, symbol)?;
        return Ok(Outcome::Failed);
    }
    if found.callees.is_empty() && found.outside.is_empty() {
        project.printer.note(&format!("`{symbol}` calls nothing"));
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Done)
}
