//! Owns `loci tests-for`: the tests that reach a symbol.
//! Uses the index alone.
//! Never runs a test.

use loci_tui::{Line, Style, visible};

use super::shown;
use crate::arguments::TestsForArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// Find and print: tests that call it, then through others, then by name; and the commands that run them.
///
/// # Errors
/// When the index cannot be opened or read.
pub(crate) fn run(project: &Project, arguments: &TestsForArguments) -> anyhow::Result<Outcome> {
    let index = project.fresh_index()?;
    let symbol = &arguments.symbol;
    let tests = index.tests_for(symbol)?;
    if arguments.json {
        project.printer.json(&serde_json::json!({ "symbol": symbol, "tests": tests }))?;
    } else {
        for test in &tests {
            let name = test.name.as_deref().unwrap_or("(the whole file)");
            project.printer.line(&shown::place(&test.path, test.line, name, &test.why))?;
            if let Some(command) = &test.command {
                project.printer.line(&Line::new(format!("    {}", visible(command)), Style::Dim))?;
            }
        }
    }
    if !tests.is_empty() {
        return Ok(Outcome::Done);
    }
    if index.defines(symbol) {
        project.printer.note(&format!("no test reaches `{symbol}`; `loci callers {symbol}` shows what does"));
    } else {
        shown::undefined(&project.printer, &index, symbol)?;
    }
    Ok(Outcome::Failed)
}
