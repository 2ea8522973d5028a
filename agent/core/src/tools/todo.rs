//! Owns the tool `todo`: the session's task list.
//! Uses the list in the context.
//! Never writes a file.

use std::sync::PoisonError;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Access, Outcome, Todo as Item, Tool, ToolContext, arguments, fold};

pub(crate) struct Todo;

impl Tool for Todo {
    fn name(&self) -> &'static str {
        "todo"
    }

    fn description(&self) -> &'static str {
        "Keeps the session's task list: add, done (by text or number) or list."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "action": { "type": "string", "enum": ["add", "done", "list"] },
                "text": { "type": "string" }
            },
            "required": ["action"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        false
    }

    fn summary(&self, input: &Value) -> String {
        let action = arguments::optional_word(input, "action").unwrap_or("?");
        match arguments::optional_word(input, "text") {
            Some(text) if action != "list" => format!("todo {action}: {}", fold::clip(text, 100)),
            _ => format!("todo {action}"),
        }
    }

    fn access(&self, _input: &Value, _context: &ToolContext) -> Result<Vec<Access>, String> {
        Ok(Vec::new())
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            // A poisoned list is still a list: items are pushed and marked in one step each.
            let mut items = context.todos.lock().unwrap_or_else(PoisonError::into_inner);
            act(&input, &mut items).unwrap_or_else(Outcome::failed)
        })
    }
}

fn act(input: &Value, items: &mut Vec<Item>) -> Result<Outcome, String> {
    let brief = match arguments::word(input, "action")? {
        "add" => {
            let text = arguments::word(input, "text")?;
            if items.iter().any(|item| !item.done && item.text == text) {
                return Err(format!("it is on the list already: {text}"));
            }
            items.push(Item { text: text.to_owned(), done: false });
            "added".to_owned()
        }
        "done" => {
            let text = arguments::word(input, "text")?;
            let at = position(items, text)?;
            items[at].done = true;
            "done".to_owned()
        }
        "list" => fold::count(items.len(), "item"),
        other => return Err(format!("`action` must be add, done or list, not {other}")),
    };
    let mut text = format!("{brief}\n");
    for (number, item) in items.iter().enumerate() {
        text.push_str(&format!("{}. [{}] {}\n", number + 1, if item.done { "x" } else { " " }, item.text));
    }
    let open = items.iter().filter(|item| !item.done).count();
    Ok(Outcome { ok: true, text, summary: format!("{brief}, {open} open"), brief, ..Outcome::default() })
}

/// The open item that a number or some words name.
fn position(items: &[Item], text: &str) -> Result<usize, String> {
    if let Ok(number) = text.trim_start_matches('#').parse::<usize>()
        && (1..=items.len()).contains(&number)
    {
        return Ok(number - 1);
    }
    let wanted = text.to_lowercase();
    let open = || items.iter().enumerate().filter(|(_, item)| !item.done);
    if let Some((at, _)) = open().find(|(_, item)| item.text.to_lowercase() == wanted) {
        return Ok(at);
    }
    let found: Vec<usize> =
        open().filter(|(_, item)| item.text.to_lowercase().contains(&wanted)).map(|(at, _)| at).collect();
    match found.as_slice() {
        [at] => Ok(*at),
        [] => Err(format!("no open item says {text}")),
        several => Err(format!("{} open items say {text}; give a number", several.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_lives() {
        let mut items = Vec::new();
        let mut check = |input: Value, expect: &str| {
            let outcome = act(&input, &mut items).unwrap_or_else(Outcome::failed);
            assert_eq!(outcome.brief, expect, "{input}");
        };
        check(json!({ "action": "list" }), "0 items");
        check(json!({ "action": "add", "text": "write tests" }), "added");
        check(json!({ "action": "add", "text": "write docs" }), "added");
        check(
            json!({ "action": "add", "text": "write docs" }),
            "failed: it is on the list already: write docs",
        );
        check(json!({ "action": "done", "text": "write" }), "failed: 2 open items say write; give a number");
        check(json!({ "action": "done", "text": "Docs" }), "done");
        check(json!({ "action": "done", "text": "write" }), "done");
        check(json!({ "action": "done", "text": "9" }), "failed: no open item says 9");
        check(json!({ "action": "done", "text": "#1" }), "done");
        check(json!({ "action": "list" }), "2 items");
        check(json!({ "action": "add" }), "failed: `text` is missing");
        check(json!({ "action": "wipe" }), "failed: `action` must be add, done or list, not wipe");
        assert!(items.iter().all(|item| item.done));
    }
}
