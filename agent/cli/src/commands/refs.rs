//! Owns `loci refs`: every use of a symbol.
//! Uses the index alone.
//! Never loads a model.

use loci_index::{UseQuery, Uses};
use loci_tui::{Line, Style};

use super::shown;
use crate::arguments::RefsArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// Find and print: calls, values, types, imports, mentions; of each, likely ones and code before tests.
///
/// # Errors
/// When the index cannot be opened or read.
pub(crate) fn run(project: &Project, arguments: &RefsArguments) -> anyhow::Result<Outcome> {
    let index = project.fresh_index()?;
    let symbol = &arguments.symbol;
    let found = index.uses(&UseQuery {
        symbol: symbol.clone(),
        kinds: arguments.kind.iter().map(|kind| kind.name()).collect(),
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
    if found.total > 0 {
        return Ok(Outcome::Done);
    }
    if index.defines(symbol) {
        project.printer.note(&format!("`{symbol}` is defined, and nothing uses it so"));
    } else {
        shown::undefined(&project.printer, &index, symbol)?;
    }
    Ok(Outcome::Failed)
}

fn print(project: &Project, found: &Uses) -> anyhow::Result<()> {
    if found.total > 0 {
        let kinds: Vec<String> = ["call", "value", "type", "import", "mention"]
            .into_iter()
            .filter_map(|kind| found.kinds.get(kind).map(|number| shown::count(*number, kind)))
            .collect();
        let head = format!(
            "{} in {}: {}",
            shown::count(found.total, "use"),
            shown::count(found.files, "file"),
            kinds.join(", ")
        );
        project.printer.line(&Line::new(head, Style::Dim))?;
    }
    for one in &found.references {
        let remark = shown::remark([
            Some(match &one.enclosing {
                Some(enclosing) => format!("{} in {enclosing}", one.kind),
                None => one.kind.clone(),
            }),
            one.is_test.then(|| "test".to_owned()),
            one.uncertain.as_ref().map(|why| format!("uncertain: {why}")),
        ]);
        project.printer.line(&shown::place(&one.path, one.line, &one.text, &remark))?;
    }
    shown::more(&project.printer, found.total.saturating_sub(found.references.len()))?;
    if found.unread_files > 0 {
        let files = shown::count(found.unread_files, "file");
        project.printer.note(&format!("{files} further away may mention the name; they were not read"));
    }
    Ok(())
}
