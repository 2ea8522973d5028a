//! Owns the tool `where`: definitions of a symbol.
//! Uses the index.
//! Never names a place that is not in the index's answer.

use futures::future::BoxFuture;
use loci_index::Definition;
use loci_protocol::Location;
use serde_json::{Value, json};

use super::{Access, Evidence, Outcome, Tool, ToolContext, arguments, excerpt, fold, place};

/// Definitions in one result.
const MAX_DEFINITIONS: usize = 20;
/// Lines of its body shown of a definition that stands alone.
const BODY_LINES: usize = 12;

pub(crate) struct Where;

impl Tool for Where {
    fn name(&self) -> &'static str {
        "where"
    }

    fn description(&self) -> &'static str {
        "Finds the definitions of a symbol, with signature and doc comment."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": { "symbol": { "type": "string" } },
            "required": ["symbol"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        false
    }

    fn summary(&self, input: &Value) -> String {
        format!("where {}", arguments::optional_word(input, "symbol").unwrap_or("?"))
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
    let definitions = place::definitions(context, symbol)?;
    if definitions.is_empty() {
        return Ok(nothing(context, symbol));
    }
    let head = fold::count(definitions.len(), "definition");
    let shown = &definitions[..definitions.len().min(MAX_DEFINITIONS)];
    let mut outcome = Outcome {
        ok: true,
        text: format!("{head} of {symbol}\n"),
        brief: fold::brief_list(&head, shown.iter().map(brief_of)),
        summary: head,
        ..Outcome::default()
    };
    for definition in shown {
        tell(&mut outcome, definition, definition.kind.clone());
    }
    if let [only] = shown {
        let to = only.end_line.min(only.line.saturating_add(BODY_LINES as u32));
        excerpt::add(&mut outcome, context, &only.path, only.line.saturating_add(1), to, "body");
    }
    if definitions.len() > shown.len() {
        outcome.text.push_str(&format!("… and {} more\n", definitions.len() - shown.len()));
    }
    Ok(outcome)
}

fn brief_of(definition: &Definition) -> String {
    format!(
        "{}:{} {} {}",
        definition.path,
        definition.line,
        place::short_kind(&definition.kind),
        definition.name
    )
}

/// One definition into text, locations and evidence: its signature, then its doc sentence.
fn tell(outcome: &mut Outcome, definition: &Definition, label: String) {
    let location = Location { path: definition.path.clone(), line: definition.line };
    outcome.text.push_str(&format!("{location}: {}\n", place::definition_line(definition)));
    outcome.locations.push(location.clone());
    outcome.evidence.push(Evidence { location: location.clone(), text: place::signature(definition), label });
    if let Some(doc) = definition.doc.as_deref().map(fold::one_line).filter(|doc| !doc.is_empty()) {
        outcome.text.push_str(&format!("    {doc}\n"));
        outcome.evidence.push(Evidence { location, text: doc, label: "doc".into() });
    }
}

fn nothing(context: &ToolContext, symbol: &str) -> Outcome {
    let head = format!("no definition of {symbol}");
    let mut outcome = Outcome {
        ok: true,
        text: format!("{head}\n"),
        brief: fold::clip(&head, fold::BRIEF),
        summary: head,
        ..Outcome::default()
    };
    let similar = place::similar_symbols(context, symbol);
    if !similar.is_empty() {
        outcome.text.push_str("similar names:\n");
        for definition in &similar {
            tell(&mut outcome, definition, "similar".into());
        }
    }
    outcome
}
