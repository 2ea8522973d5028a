//! Owns the way from a request to the messages and tools that chat templates expect.
//! Uses the request's own types.
//! Never decides what markup looks like: that is the template's.

use std::collections::HashSet;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;
use serde_json::{Serializer, Value, json};

use super::{DialectContext, Prompt, ReplyStart, SyntaxError};
use crate::provider::{Message, Request, ToolCall, ToolSpec};
use crate::template::{ChatTemplate, TemplateError, TemplateInput};

/// A message as templates expect it. `id_of` writes the id of a call.
pub(super) fn message(message: &Message, id_of: &dyn Fn(&str) -> String) -> Value {
    match message {
        Message::System { text } => json!({"role": "system", "content": text}),
        Message::User { text, .. } => json!({"role": "user", "content": text}),
        Message::Assistant { text, reasoning, calls } => {
            let mut object = json!({"role": "assistant", "content": text});
            if let Some(reasoning) = reasoning {
                object["reasoning_content"] = json!(reasoning);
            }
            if !calls.is_empty() {
                let calls: Vec<Value> = calls.iter().map(|call| self::call(call, id_of)).collect();
                object["tool_calls"] = json!(calls);
            }
            object
        }
        Message::Tool { call_id, name, text } => {
            json!({"role": "tool", "tool_call_id": id_of(call_id), "name": name, "content": text})
        }
    }
}

fn call(call: &ToolCall, id_of: &dyn Fn(&str) -> String) -> Value {
    json!({
        "id": id_of(&call.id),
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    })
}

/// A tool as templates expect it. Keys of ours that only the grammar reads are left out.
pub(super) fn tool(tool: &ToolSpec) -> Value {
    json!({
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": shown(&tool.parameters)},
    })
}

/// A schema without extensions: they can be long, they change from step to step, and models do not know them.
fn shown(schema: &Value) -> Value {
    match schema {
        Value::Object(entries) => entries
            .iter()
            .filter(|(key, _)| !key.starts_with("x-"))
            .map(|(key, value)| (key.clone(), shown(value)))
            .collect(),
        Value::Array(items) => items.iter().map(shown).collect(),
        other => other.clone(),
    }
}

/// The context's template, or an error that says that there is none.
pub(super) fn template<'a>(context: DialectContext<'a>) -> Result<&'a ChatTemplate, SyntaxError> {
    context
        .template
        .ok_or_else(|| SyntaxError::Template { message: "the model has no chat template".to_owned() })
}

/// Render messages and tools with the model's template.
pub(super) fn render(
    messages: Vec<Value>,
    tools: Vec<Value>,
    context: DialectContext<'_>,
) -> Result<Prompt, SyntaxError> {
    let variables = [("enable_thinking".to_owned(), json!(context.reasoning))].into();
    let mut input = TemplateInput { messages, tools, add_generation_prompt: true, variables };
    let template = template(context)?;
    let failed = |error: TemplateError| SyntaxError::Template { message: error.to_string() };
    let mut rendered = template.render(&input).map_err(failed)?;
    if rendered.text.trim_end().ends_with("</think>")
        && let Some(first) = first_unthought(&input.messages)
    {
        // The first step of this turn was asked with an empty pair of marks; some templates leave it out again once
        // the step is past, and all that follows would be read anew.
        let mut asked = input.clone();
        asked.messages.truncate(first);
        let asked = template.render(&asked).map_err(failed)?.text;
        if !rendered.text.starts_with(&asked) {
            for message in input.messages.iter_mut().skip(first).filter(|message| is_unthought(message)) {
                message["reasoning_content"] = json!("\n");
            }
            if let Ok(marked) = template.render(&input)
                && marked.text.starts_with(&asked)
            {
                rendered = marked;
            }
        }
    }
    let open = rendered.text.trim_end().ends_with("<think>");
    let start = if open { ReplyStart::Reasoning } else { ReplyStart::Answer };
    Ok(Prompt { text: rendered.text, untrusted: rendered.untrusted, start })
}

/// The first step of the present turn, where the model's steps have no thoughts.
fn first_unthought(messages: &[Value]) -> Option<usize> {
    let turn = messages.iter().rposition(|message| message["role"] == "user")?;
    messages.iter().skip(turn).position(is_unthought).map(|at| turn + at)
}

fn is_unthought(message: &Value) -> bool {
    message["role"] == "assistant" && message.get("reasoning_content").is_none()
}

/// Ids for calls: nine letters and digits, as the strictest template wants them, new in the conversation.
pub(crate) struct Ids {
    taken: HashSet<String>,
    next: usize,
}

impl Ids {
    /// Ids that no call in these messages has.
    pub(crate) fn after(messages: &[Message]) -> Self {
        let calls = messages.iter().flat_map(|message| match message {
            Message::Assistant { calls, .. } => calls.as_slice(),
            _ => &[],
        });
        let taken: HashSet<String> = calls.map(|call| call.id.clone()).collect();
        Self { next: taken.len() + 1, taken }
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> String {
        loop {
            let id = format!("call{:05}", self.next);
            self.next += 1;
            if self.taken.insert(id.clone()) {
                return id;
            }
        }
    }
}

/// Put the system message in front of the first user's message, for templates that know no system role.
pub(super) fn fold_system(messages: Vec<Message>) -> Vec<Message> {
    let mut system: Vec<String> = Vec::new();
    let mut folded = Vec::with_capacity(messages.len());
    for message in messages {
        match message {
            Message::System { text } => system.push(text),
            Message::User { text, .. } if !system.is_empty() => {
                system.push(text);
                folded.push(Message::user(system.join("\n\n")));
                system.clear();
            }
            other => folded.push(other),
        }
    }
    if !system.is_empty() {
        folded.push(Message::user(system.join("\n\n")));
    }
    folded
}

/// Join user messages that follow each other, for templates that insist on taking turns.
pub(super) fn join_users(messages: Vec<Message>) -> Vec<Message> {
    let mut joined: Vec<Message> = Vec::with_capacity(messages.len());
    for message in messages {
        match (joined.last_mut(), message) {
            (Some(Message::User { text, .. }), Message::User { text: more, .. }) => {
                text.push_str("\n\n");
                text.push_str(&more);
            }
            (_, message) => joined.push(message),
        }
    }
    joined
}

/// JSON as `json.dumps` writes it: a space after each comma and colon.
pub(crate) fn spaced_json(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, Spaced);
    if value.serialize(&mut serializer).is_err() {
        return String::new();
    }
    String::from_utf8(bytes).unwrap_or_default()
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

/// The request's tools as templates expect them.
pub(super) fn tools(request: &Request) -> Vec<Value> {
    request.tools.iter().map(tool).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_spaced() {
        let value = json!({"a": [1, {"b": "x, y: z"}], "c": {}});
        assert_eq!(spaced_json(&value), r#"{"a": [1, {"b": "x, y: z"}], "c": {}}"#);
    }

    #[test]
    fn extensions_of_schemas_are_not_shown() {
        let schema =
            json!({"type": "object", "properties": {"q": {"type": "string", "x-substring-of": ["a"]}}});
        assert_eq!(shown(&schema), json!({"type": "object", "properties": {"q": {"type": "string"}}}));
    }

    #[test]
    fn roles_are_folded_and_joined() {
        let system = |text: &str| Message::System { text: text.to_owned() };
        let user = |text: &str| Message::user(text.to_owned());
        assert_eq!(fold_system(vec![system("s"), user("u"), user("v")]), vec![user("s\n\nu"), user("v")]);
        assert_eq!(fold_system(vec![system("s")]), vec![user("s")]);
        assert_eq!(
            join_users(vec![user("u"), user("v"), system("s"), user("w")]),
            vec![user("u\n\nv"), system("s"), user("w")]
        );
    }
}
