//! Owns the tool `callers`: uses of a symbol.
//! Uses the index.
//! Never counts a definition as a use.

use futures::future::BoxFuture;
use loci_index::{Tests, UseQuery};
use loci_protocol::Location;
use serde_json::{Value, json};

use super::{Access, Evidence, Outcome, Tool, ToolContext, arguments, fold, place};

/// Uses in one result.
const MAX_USES: usize = 60;

pub(crate) struct Callers;

impl Tool for Callers {
    fn name(&self) -> &'static str {
        "callers"
    }

    fn description(&self) -> &'static str {
        "Finds the uses of a symbol; with `tests`, only those in tests."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "symbol": { "type": "string" },
                "tests": { "type": "boolean" }
            },
            "required": ["symbol"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        false
    }

    fn summary(&self, input: &Value) -> String {
        let tests = if arguments::flag(input, "tests") { " in tests" } else { "" };
        format!("callers of {}{tests}", arguments::optional_word(input, "symbol").unwrap_or("?"))
    }

    fn access(&self, input: &Value, context: &ToolContext) -> Result<Vec<Access>, String> {
        place::access_to_index(context, arguments::word(input, "symbol")?)
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { find(&input, context).unwrap_or_else(Outcome::failed) })
    }
}

fn find(input: &Value, context: &ToolContext) -> Result<Outcome, String> {
    let symbol = arguments::word(input, "symbol")?.trim_end_matches("()");
    let tests = arguments::flag(input, "tests");
    // Calls come first, then what hands the symbol on, types, imports and text that only mentions the name; of each, code
    // before tests, and uses that may mean another symbol of that name last.
    let query = UseQuery {
        symbol: symbol.to_owned(),
        tests: if tests { Tests::Only } else { Tests::Any },
        limit: MAX_USES,
        ..UseQuery::default()
    };
    let mut uses = context.index.uses(&query).map_err(|error| error.to_string())?;
    let before = uses.references.len();
    uses.references.retain(|used| context.workspace.may_show(&used.path));
    uses.total -= (before - uses.references.len()).min(uses.total);
    if uses.total == 0 {
        return Ok(nothing(context, symbol, tests));
    }
    let head = format!("{} in {}", fold::count(uses.total, "use"), fold::count(uses.files, "file"));
    let shown = &uses.references;
    let mut text = format!("{head}\n");
    let mut evidence = Vec::new();
    for used in shown {
        let location = Location { path: used.path.clone(), line: used.line };
        let mut label = match &used.enclosing {
            Some(enclosing) => format!("{} in {enclosing}", used.kind),
            None => used.kind.clone(),
        };
        if used.is_test {
            label.push_str(", test");
        }
        if used.uncertain.is_some() {
            label.push_str(", uncertain");
        }
        let line = fold::clip(used.text.trim(), 200);
        text.push_str(&format!("{location}: {line}  ({label})\n"));
        evidence.push(Evidence { location, text: line, label });
    }
    if uses.total > shown.len() {
        text.push_str(&format!("… and {} more\n", uses.total - shown.len()));
    }
    Ok(Outcome {
        ok: true,
        text,
        brief: fold::brief_list(&head, shown.iter().map(|used| format!("{}:{}", used.path, used.line))),
        summary: head,
        locations: evidence.iter().map(|evidence| evidence.location.clone()).collect(),
        evidence,
        ..Outcome::default()
    })
}

fn nothing(context: &ToolContext, symbol: &str, tests: bool) -> Outcome {
    let head = format!("no uses of {symbol}");
    let mut outcome = Outcome {
        ok: true,
        text: if tests { format!("{head} in tests\n") } else { format!("{head}\n") },
        brief: fold::clip(&head, fold::BRIEF),
        summary: head,
        ..Outcome::default()
    };
    let defined = place::definitions(context, symbol).unwrap_or_default();
    let (found, label, note) = if defined.is_empty() {
        (place::similar_symbols(context, symbol), "similar", "it is not defined either; similar names:")
    } else {
        (defined, "defined", "it is defined here:")
    };
    if !found.is_empty() {
        outcome.text.push_str(&format!("{note}\n"));
    }
    for definition in found.iter().take(3) {
        let location = Location { path: definition.path.clone(), line: definition.line };
        outcome.text.push_str(&format!("{location}: {}\n", place::definition_line(definition)));
        outcome.locations.push(location.clone());
        let text = place::signature(definition);
        outcome.evidence.push(Evidence { location, text, label: label.into() });
    }
    outcome
}
