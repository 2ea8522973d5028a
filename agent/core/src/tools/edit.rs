//! Owns the tool `edit`: replaces text in a file.
//! Uses `files`, `change` and, for the search itself, `edit/matching.rs`.
//! Never touches a byte outside the replaced span.

mod matching;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use self::matching::{Matched, NoMatch};
use super::change::{self, Change};
use super::{Access, Outcome, Tool, ToolContext, arguments, fold, place};
use crate::files;

pub(crate) struct Edit;

impl Tool for Edit {
    fn name(&self) -> &'static str {
        "edit"
    }

    fn description(&self) -> &'static str {
        "Replaces text in a file. `old` must occur exactly once, unless `all` is true."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "path": { "type": "string" },
                "old": { "type": "string", "description": "the text as it is, with enough of its surroundings to be unique" },
                "new": { "type": "string" },
                "all": { "type": "boolean", "description": "replace every occurrence" }
            },
            "required": ["path", "old", "new"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        true
    }

    fn summary(&self, input: &Value) -> String {
        format!("edit {}", arguments::optional_word(input, "path").unwrap_or("?"))
    }

    fn access(&self, input: &Value, context: &ToolContext) -> Result<Vec<Access>, String> {
        arguments::text(input, "old")?;
        arguments::text(input, "new")?;
        Ok(place::access(context, "Edit", arguments::word(input, "path")?))
    }

    fn preview(&self, input: &Value, context: &ToolContext) -> Option<String> {
        plan(input, context).ok().map(|(change, _)| change.diff())
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match plan(&input, context) {
                Ok((change, note)) => {
                    let brief = format!("edited {}", change.shown);
                    change::apply_one(context, change, &brief, &note)
                }
                Err(outcome) => *outcome,
            }
        })
    }
}

fn plan(input: &Value, context: &ToolContext) -> Result<(Change, String), Box<Outcome>> {
    let failed = |message: String| Box::new(Outcome::failed(message));
    let path = place::locate(context, arguments::word(input, "path").map_err(failed)?);
    let old = arguments::text(input, "old").map_err(failed)?;
    let new = arguments::text(input, "new").map_err(failed)?;
    let shown = place::shown(context, &path);
    if old.is_empty() {
        return Err(failed("`old` is empty; use insert to add text, or write for the whole file".into()));
    }
    let content = files::read(&path).map_err(|error| Box::new(place::failure(context, &shown, &error)))?;
    let ascii = old.is_ascii() && new.is_ascii();
    if !content.utf8 && !ascii {
        return Err(failed(format!("{shown} is not UTF-8, so only ASCII can be replaced by ASCII in it")));
    }
    let Matched { after, mut notes } =
        matching::replace(&content.bytes, old, new, arguments::flag(input, "all"))
            .map_err(|error| failed(explain(&shown, &error)))?;
    if after == content.bytes {
        return Err(failed(format!("{shown} would not change: old and new are the same")));
    }
    notes.extend(change::link_note(context, &content));
    Ok((Change { path, shown, before: Some(content.bytes), after: Some(after) }, notes.join("; ")))
}

fn explain(shown: &str, error: &NoMatch) -> String {
    match error {
        NoMatch::Nowhere { closest: Some((line, text)) } => format!(
            "`old` does not occur in {shown}; the closest line is {line}: {}",
            fold::clip(text.trim(), 120)
        ),
        NoMatch::Nowhere { closest: None } => format!("`old` does not occur in {shown}"),
        NoMatch::Several { lines } => {
            let shown_lines: Vec<String> = lines.iter().take(10).map(ToString::to_string).collect();
            let more = if lines.len() > 10 { ", …" } else { "" };
            format!(
                "`old` occurs {} times in {shown}, at lines {}{more}; add the lines around it, or set all",
                lines.len(),
                shown_lines.join(", ")
            )
        }
    }
}
