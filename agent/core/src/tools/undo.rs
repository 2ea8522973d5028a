//! Owns the tool `undo`: takes back the newest file change.
//! Uses the journal.
//! Never restores anything itself.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Access, Outcome, Tool, ToolContext, fold, place};

pub(crate) struct Undo;

impl Tool for Undo {
    fn name(&self) -> &'static str {
        "undo"
    }

    fn description(&self) -> &'static str {
        "Takes back the newest file change of this session."
    }

    fn parameters(&self) -> Value {
        json!({ "type": "object", "properties": {} })
    }

    fn changes(&self, _input: &Value) -> bool {
        true
    }

    fn summary(&self, _input: &Value) -> String {
        "undo the newest change".into()
    }

    fn access(&self, _input: &Value, context: &ToolContext) -> Result<Vec<Access>, String> {
        // Which file it will be is the journal's to know; it restores only what this session changed.
        Ok(place::access_to("Edit", context.workspace.root()))
    }

    fn run<'a>(&'a self, _input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match context.journal.undo_last() {
                Ok(paths) => {
                    let changed: Vec<String> = paths.iter().map(|path| place::shown(context, path)).collect();
                    let brief = format!("undone: {}", changed.join("; "));
                    Outcome {
                        ok: true,
                        text: brief.clone(),
                        brief: fold::clip(&brief, fold::BRIEF),
                        summary: brief,
                        changed,
                        ..Outcome::default()
                    }
                }
                Err(message) => Outcome::failed(message),
            }
        })
    }
}
