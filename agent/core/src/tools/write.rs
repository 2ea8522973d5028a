//! Owns the tool `write`: creates or replaces a file.
//! Uses `files` and `change`.
//! Never replaces what is not text.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::change::{self, Change};
use super::{Access, Outcome, Tool, ToolContext, arguments, place};
use crate::files::{self, FileError};

pub(crate) struct Write;

impl Tool for Write {
    fn name(&self) -> &'static str {
        "write"
    }

    fn description(&self) -> &'static str {
        "Creates a file, or replaces its whole content."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "path": { "type": "string" },
                "content": { "type": "string", "description": "the whole content" }
            },
            "required": ["path", "content"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        true
    }

    fn summary(&self, input: &Value) -> String {
        format!("write {}", arguments::optional_word(input, "path").unwrap_or("?"))
    }

    fn access(&self, input: &Value, context: &ToolContext) -> Result<Vec<Access>, String> {
        arguments::text(input, "content")?;
        Ok(place::access(context, "Write", arguments::word(input, "path")?))
    }

    fn preview(&self, input: &Value, context: &ToolContext) -> Option<String> {
        plan(input, context).ok().map(|(change, _)| change.diff())
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let (change, note) = match plan(&input, context) {
                Ok(plan) => plan,
                Err(outcome) => return *outcome,
            };
            if change.before == change.after {
                return Outcome::failed(format!("{} has this content already", change.shown));
            }
            if let Err(error) = change::create_parents(&change.path) {
                return Outcome::failed(format!("{}: its folder cannot be created: {error}", change.shown));
            }
            let brief = format!("wrote {}", change.shown);
            change::apply_one(context, change, &brief, &note)
        })
    }
}

fn plan(input: &Value, context: &ToolContext) -> Result<(Change, String), Box<Outcome>> {
    let failed = |message: String| Box::new(Outcome::failed(message));
    let written = arguments::word(input, "path").map_err(failed)?;
    let mut content = arguments::text(input, "content").map_err(failed)?.to_owned();
    let path = place::locate(context, written);
    let shown = place::shown(context, &path);
    if written.ends_with('/') {
        return Err(failed(format!("{written} names a folder; a file name is needed")));
    }
    let (before, note) = match files::read(&path) {
        Ok(before) => {
            let mut note = change::link_note(context, &before).unwrap_or_default();
            // The order mark is not something a model sees or means to remove.
            if before.bytes.starts_with(files::BOM) && !content.starts_with('\u{feff}') {
                content.insert(0, '\u{feff}');
                note.push_str(if note.is_empty() {
                    "byte order mark kept"
                } else {
                    "; byte order mark kept"
                });
            }
            (Some(before.bytes), note)
        }
        Err(FileError::NotFound) => (None, String::new()),
        Err(FileError::Directory) => {
            return Err(failed(format!("{shown} is a folder; a file name is needed")));
        }
        Err(error) => return Err(failed(format!("{shown} is not replaced: {error}"))),
    };
    Ok((Change { path, shown, before, after: Some(content.into_bytes()) }, note))
}
