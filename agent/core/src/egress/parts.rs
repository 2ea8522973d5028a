//! Owns where the words of a request come from: the head, the user, files by their path, results of tools.
//! Uses the request as it is sent.
//! Never keeps the words.

use std::collections::HashMap;

use loci_inference::provider::{Message, Request, ToolCall};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Parts of one request that are told apart; further ones are added up as `other`.
pub const MOST: usize = 200;
/// Letters of a name that are kept.
const LONGEST_NAME: usize = 400;

/// Words of one origin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// `system`, `tools`, `user`, `model` (what it said and called before), `file`, `result`, `reference`, `picture`, `other`.
    pub origin: String,
    /// Of a file its path, of a result its tool with what it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Bytes.
    pub bytes: u64,
}

/// The origins of a request, in the order in which each is first met.
#[must_use]
pub fn of(request: &Request) -> Vec<Part> {
    let mut parts = Parts::default();
    let mut calls: HashMap<&str, &ToolCall> = HashMap::new();
    for message in &request.messages {
        match message {
            Message::System { text } => parts.add("system", None, text.len()),
            Message::User { text, images } => {
                parts.add("user", None, text.len());
                for image in images {
                    parts.add("picture", Some(image.media_type.clone()), image.data.len());
                }
            }
            Message::Assistant { text, reasoning, calls: made } => {
                let arguments: usize = made.iter().map(|call| length(&call.arguments)).sum();
                parts.add("model", None, text.len() + reasoning.as_ref().map_or(0, String::len) + arguments);
                calls.extend(made.iter().map(|call| (call.id.as_str(), call)));
            }
            Message::Tool { call_id, name, text } => {
                let argument = |key: &str| {
                    calls
                        .get(call_id.as_str())
                        .and_then(|call| call.arguments.get(key))
                        .and_then(Value::as_str)
                };
                match (name.as_str(), argument("path")) {
                    ("read" | "outline", Some(path)) => parts.add("file", Some(path.to_owned()), text.len()),
                    (tool, path) => {
                        let about = path
                            .or_else(|| argument("command"))
                            .or_else(|| argument("pattern"))
                            .or_else(|| argument("query"));
                        let name = about.map_or_else(|| tool.to_owned(), |about| format!("{tool} {about}"));
                        parts.add("result", Some(name), text.len());
                    }
                }
            }
        }
    }
    let tools: usize = request
        .tools
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + tool.parameters.to_string().len())
        .sum();
    if tools > 0 {
        parts.add("tools", None, tools);
    }
    parts.0
}

fn length(arguments: &serde_json::Map<String, Value>) -> usize {
    serde_json::to_string(arguments).map_or(0, |text| text.len())
}

#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn add(&mut self, origin: &str, name: Option<String>, bytes: usize) {
        let name = name.map(|mut name| {
            name.truncate(name.floor_char_boundary(LONGEST_NAME));
            name
        });
        let bytes = bytes as u64;
        if let Some(known) = self.0.iter_mut().find(|part| part.origin == origin && part.name == name) {
            known.bytes += bytes;
            return;
        }
        if self.0.len() >= MOST {
            return match self.0.iter_mut().find(|part| part.origin == "other") {
                Some(other) => other.bytes += bytes,
                None => self.0.push(Part { origin: "other".into(), name: None, bytes }),
            };
        }
        self.0.push(Part { origin: origin.into(), name, bytes });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_told_apart_by_where_they_come_from() {
        let call = |id: &str, name: &str, arguments: Value| ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.as_object().cloned().unwrap_or_default(),
        };
        let result = |id: &str, name: &str, text: &str| Message::Tool {
            call_id: id.into(),
            name: name.into(),
            text: text.into(),
        };
        let request = Request {
            messages: vec![
                Message::System { text: "head".into() },
                Message::user("hello"),
                Message::Assistant {
                    text: "ok".into(),
                    reasoning: None,
                    calls: vec![
                        call("a", "read", json!({ "path": "src/a.rs" })),
                        call("b", "bash", json!({ "command": "ls" })),
                        call("c", "read", json!({ "path": "src/a.rs" })),
                    ],
                },
                result("a", "read", "12345"),
                result("b", "bash", "123"),
                result("c", "read", "12345"),
                Message::user("more"),
            ],
            ..Request::default()
        };
        let told: Vec<String> = of(&request)
            .into_iter()
            .map(|part| format!("{} {} {}", part.origin, part.name.unwrap_or_default(), part.bytes))
            .collect();
        assert_eq!(told, ["system  4", "user  9", "model  56", "file src/a.rs 10", "result bash ls 3"]);
    }

    #[test]
    fn many_parts_are_added_up() {
        let message = |number: usize| Message::Tool {
            call_id: String::new(),
            name: format!("tool{number}"),
            text: "x".into(),
        };
        let request = Request { messages: (0..MOST + 9).map(message).collect(), ..Request::default() };
        let parts = of(&request);
        assert_eq!(parts.len(), MOST + 1);
        assert_eq!(parts.last().map(|part| (part.origin.as_str(), part.bytes)), Some(("other", 9)));
    }
}
