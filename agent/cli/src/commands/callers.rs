//! Owns `loci callers`: who calls a symbol.
//! Uses the index alone.
//! Never loads a model.

use loci_index::{CallQuery, Caller, Callers};
use loci_tui::{Line, Style, visible};

use super::shown;
use crate::arguments::CallersArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// Lines of one caller that are shown.
const SITES: usize = 4;

/// Find and print, by level; of each, likely callers and code before tests.
///
/// # Errors
/// When the index cannot be opened or read.
pub(crate) fn run(project: &Project, arguments: &CallersArguments) -> anyhow::Result<Outcome> {
    let index = project.fresh_index()?;
    let symbol = &arguments.symbol;
    let found = index.callers(&CallQuery {
        symbol: symbol.clone(),
        depth: arguments.depth,
        tests: arguments.tests.choice(),
        limit: shown::limit(arguments.limit, arguments.all),
    })?;
    if arguments.json {
        let mut value = serde_json::to_value(&found)?;
        value["symbol"] = symbol.as_str().into();
        project.printer.json(&value)?;
    } else {
        print(project, &found)?;
    }
    if !found.callers.is_empty() {
        return Ok(Outcome::Done);
    }
    if index.defines(symbol) {
        project.printer.note(&format!(
            "`{symbol}` is defined, and nothing calls it; `loci refs {symbol}` shows other uses"
        ));
    } else {
        shown::undefined(&project.printer, &index, symbol)?;
    }
    Ok(Outcome::Failed)
}

fn print(project: &Project, found: &Callers) -> anyhow::Result<()> {
    for caller in &found.callers {
        let indent = "  ".repeat(caller.depth as usize - 1);
        for site in caller.sites.iter().take(SITES) {
            let remark = shown::remark([
                Some(title(caller)),
                (caller.depth > 1).then(|| format!("calls {}", caller.calls)),
                (site.kind == "value").then(|| "handed on".to_owned()),
                caller.is_test.then(|| "test".to_owned()),
                caller.uncertain.as_ref().map(|why| format!("uncertain: {why}")),
            ]);
            let line = Line::new(format!("{indent}{}", visible(&caller.path)), Style::Bold)
                .with(format!(":{}", site.line), Style::Tip)
                .with(format!("  {}", visible(&site.text)), Style::Plain)
                .with(format!("  ({})", visible(&remark)), Style::Dim);
            project.printer.line(&line)?;
        }
        if caller.sites.len() > SITES {
            let rest = format!("{indent}… and {} more lines there", caller.sites.len() - SITES);
            project.printer.line(&Line::new(rest, Style::Dim))?;
        }
    }
    let direct: usize = found.callers.iter().filter(|one| one.depth == 1).map(|one| one.sites.len()).sum();
    if found.cut {
        let rest = match found.total.saturating_sub(direct) {
            0 => "… and more further away (--all)".to_owned(),
            rest => format!("… and {rest} more (--all)"),
        };
        project.printer.line(&Line::new(rest, Style::Dim))?;
    }
    Ok(())
}

fn title(caller: &Caller) -> String {
    match (&caller.symbol, &caller.parent) {
        (None, _) => "outside of any symbol".to_owned(),
        (Some(symbol), None) => format!("in {symbol}"),
        (Some(symbol), Some(parent)) => format!("in {symbol} of {parent}"),
    }
}
