//! Owns the tool `delete`: removes a file, undoably.
//! Uses `change`.
//! Never removes folders or links.

use std::fs;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::change::Change;
use super::{Access, Outcome, Tool, ToolContext, arguments, fold, place};
use crate::files::{self, FileError};

pub(crate) struct Delete;

impl Tool for Delete {
    fn name(&self) -> &'static str {
        "delete"
    }

    fn description(&self) -> &'static str {
        "Removes a file. It can be undone."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": { "path": { "type": "string" } },
            "required": ["path"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        true
    }

    fn summary(&self, input: &Value) -> String {
        format!("delete {}", arguments::optional_word(input, "path").unwrap_or("?"))
    }

    fn access(&self, input: &Value, context: &ToolContext) -> Result<Vec<Access>, String> {
        Ok(place::access(context, "Edit", arguments::word(input, "path")?))
    }

    fn preview(&self, input: &Value, context: &ToolContext) -> Option<String> {
        let change = plan(input, context).ok()?;
        Some(diff(&change))
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let change = match plan(&input, context) {
                Ok(change) => change,
                Err(outcome) => return *outcome,
            };
            if let Err(message) = change.apply(context) {
                return Outcome::failed(message);
            }
            let brief = format!("deleted {}", change.shown);
            Outcome {
                ok: true,
                text: format!("{brief}; undo brings it back"),
                brief: fold::clip(&brief, fold::BRIEF),
                summary: brief,
                diff: Some(diff(&change)),
                changed: vec![change.shown],
                ..Outcome::default()
            }
        })
    }
}

/// The removed lines; of a binary file, only that it is one.
fn diff(change: &Change) -> String {
    match &change.before {
        Some(bytes) if bytes.contains(&0) => {
            format!("--- a/{}\n+++ /dev/null\n(binary, {} bytes)\n", change.shown, bytes.len())
        }
        _ => change.diff(),
    }
}

fn plan(input: &Value, context: &ToolContext) -> Result<Change, Box<Outcome>> {
    let failed = |message: String| Box::new(Outcome::failed(message));
    let path = place::locate(context, arguments::word(input, "path").map_err(failed)?);
    let shown = place::shown(context, &path);
    let metadata = fs::symlink_metadata(&path)
        .map_err(|error| Box::new(place::failure(context, &shown, &FileError::from(error))))?;
    if metadata.file_type().is_symlink() {
        return Err(failed(format!("{shown} is a symbolic link; its removal could not be undone")));
    }
    if metadata.is_dir() {
        return Err(failed(format!("{shown} is a folder; delete its files one by one")));
    }
    if !metadata.is_file() {
        return Err(failed(format!("{shown} is not a regular file")));
    }
    if metadata.len() > files::MAX_WHOLE_BYTES {
        let error = FileError::TooLarge { bytes: metadata.len(), limit: files::MAX_WHOLE_BYTES };
        return Err(failed(format!("{shown} is not deleted: {error}")));
    }
    let before = fs::read(&path).map_err(|error| failed(format!("{shown}: {error}")))?;
    Ok(Change { path, shown, before: Some(before), after: None })
}
