//! Owns `loci search`: ranked spans from the index.
//! Uses the index alone.
//! Never loads a model.

use std::time::Duration;

use loci_index::Query;
use loci_tui::{Line, Style, visible};

use crate::arguments::SearchArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// What a search may spend on vectors that are not there yet; a tree of 800 files takes twice that, once.
const EMBED_BUDGET: Duration = Duration::from_millis(250);

/// Search and print, best first.
///
/// # Errors
/// When the index cannot be opened or read.
pub(crate) fn run(project: &Project, arguments: &SearchArguments) -> anyhow::Result<Outcome> {
    let index = project.searchable_index(EMBED_BUDGET)?;
    let text = arguments.words.join(" ");
    let query = Query { text, limit: usize::from(arguments.limit), working_set: Vec::new() };
    let hits = index.search(&query)?;
    if arguments.json {
        project.printer.json(&serde_json::json!({ "query": query.text, "hits": hits }))?;
    } else {
        for hit in &hits {
            let line = Line::new(visible(&hit.path), Style::Bold)
                .with(format!(":{}", hit.line), Style::Tip)
                .with(format!("  {}", visible(hit.preview.trim())), Style::Plain)
                .with(named(hit.symbol.as_deref(), &hit.kind), Style::Dim);
            project.printer.line(&line)?;
        }
    }
    if hits.is_empty() {
        project.printer.note(&format!("nothing found for `{}`", query.text));
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Done)
}

fn named(symbol: Option<&str>, kind: &str) -> String {
    symbol.map(|symbol| format!("  ({kind} {})", visible(symbol))).unwrap_or_default()
}
