//! Owns the tool `outline`: the definitions of a file.
//! Uses the index, which reads the file as it is now.
//! Never shows bodies.

use futures::future::BoxFuture;
use loci_index::IndexError;
use loci_protocol::Location;
use serde_json::{Value, json};

use super::{Access, Evidence, Outcome, Tool, ToolContext, arguments, fold, place};
use crate::files::FileError;

/// Definitions in one result.
const MAX_ITEMS: usize = 200;

pub(crate) struct Outline;

impl Tool for Outline {
    fn name(&self) -> &'static str {
        "outline"
    }

    fn description(&self) -> &'static str {
        "Lists the definitions of a file with their lines."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": { "path": { "type": "string" } },
            "required": ["path"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        false
    }

    fn summary(&self, input: &Value) -> String {
        format!("outline {}", arguments::optional_word(input, "path").unwrap_or("?"))
    }

    fn access(&self, input: &Value, context: &ToolContext) -> Result<Vec<Access>, String> {
        Ok(place::access(context, "Read", arguments::word(input, "path")?))
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { outline(&input, context).unwrap_or_else(Outcome::failed) })
    }
}

fn outline(input: &Value, context: &ToolContext) -> Result<Outcome, String> {
    let path = place::locate(context, arguments::word(input, "path")?);
    let shown = place::shown(context, &path);
    if let Err(error) = crate::files::inspect(&path) {
        return Ok(place::failure(context, &shown, &error));
    }
    let items = match context.index.outline(&shown) {
        Ok(items) => items,
        Err(IndexError::UnknownFile { .. }) => {
            return Ok(place::failure(context, &shown, &FileError::NotFound));
        }
        Err(error) => return Err(error.to_string()),
    };
    let head = format!("{} in {shown}", fold::count(items.len(), "definition"));
    let mut outcome = Outcome {
        ok: true,
        text: format!("{head}\n"),
        brief: fold::clip(&head, fold::BRIEF),
        summary: head,
        ..Outcome::default()
    };
    for item in items.iter().take(MAX_ITEMS) {
        let definition = &item.definition;
        let indent = "  ".repeat(item.depth.min(8) as usize);
        let signature = place::signature(definition);
        outcome.text.push_str(&format!("{:>6}\t{indent}{signature}\n", definition.line));
        let location = Location { path: shown.clone(), line: definition.line };
        outcome.locations.push(location.clone());
        let text = format!("{indent}{signature}");
        outcome.evidence.push(Evidence { location, text, label: definition.kind.clone() });
    }
    if items.len() > MAX_ITEMS {
        outcome.text.push_str(&format!("… and {} more\n", items.len() - MAX_ITEMS));
    }
    if items.is_empty() {
        outcome.text.push_str("(nothing is defined in it; read it instead)\n");
    }
    Ok(outcome)
}
