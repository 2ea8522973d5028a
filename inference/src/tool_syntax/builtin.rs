//! Owns the dialect of the built-in model: one control token for each tool, argument and way to end.
//! Uses the model's own chat template for the prompt and the request's schemas for the grammar.
//! Never lets the model write prose, nor an argument that its schema does not contain.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    Dialect, DialectContext, Prompt, ReplyEvent, ReplyParser, ReplyStart, SyntaxError, conversation,
};
use crate::grammar::{Encoding, Grammar, LarkBuilder};
use crate::provider::{AnswerForm, Compose, Message, Request, ToolChoice, ToolSpec};
use crate::tokenizer::Tokenizer;

const CLOSE: &str = "<|/arg|>";
const ENDS: [(&str, Compose); 3] = [
    ("<|answer|>", Compose::Answer),
    ("<|decline|>", Compose::Decline),
    ("<|smalltalk|>", Compose::Smalltalk),
];
/// Every control token of a reply. A tool or an argument that has none cannot be written.
const MARKERS: &[&str] = &[
    "<|answer|>",
    "<|decline|>",
    "<|smalltalk|>",
    "<|/arg|>",
    "<|call:read|>",
    "<|call:write|>",
    "<|call:edit|>",
    "<|call:insert|>",
    "<|call:delete|>",
    "<|call:rename|>",
    "<|call:glob|>",
    "<|call:grep|>",
    "<|call:search|>",
    "<|call:where|>",
    "<|call:callers|>",
    "<|call:outline|>",
    "<|call:run|>",
    "<|call:bash|>",
    "<|call:git|>",
    "<|call:todo|>",
    "<|call:undo|>",
    "<|call:ask_user|>",
    "<|arg:path|>",
    "<|arg:start|>",
    "<|arg:end|>",
    "<|arg:content|>",
    "<|arg:old|>",
    "<|arg:new|>",
    "<|arg:all|>",
    "<|arg:text|>",
    "<|arg:line|>",
    "<|arg:symbol|>",
    "<|arg:to|>",
    "<|arg:pattern|>",
    "<|arg:glob|>",
    "<|arg:ignore_case|>",
    "<|arg:query|>",
    "<|arg:tests|>",
    "<|arg:task|>",
    "<|arg:filter|>",
    "<|arg:command|>",
    "<|arg:timeout|>",
    "<|arg:action|>",
    "<|arg:revision|>",
    "<|arg:count|>",
    "<|arg:message|>",
    "<|arg:question|>",
    "<|arg:options|>",
];
/// The order in which the model was taught to write arguments.
const ARGUMENTS: [&str; 26] = [
    "action",
    "path",
    "symbol",
    "to",
    "start",
    "end",
    "content",
    "old",
    "new",
    "all",
    "text",
    "line",
    "revision",
    "count",
    "message",
    "pattern",
    "glob",
    "ignore_case",
    "query",
    "tests",
    "task",
    "filter",
    "command",
    "timeout",
    "question",
    "options",
];

/// The built-in model's way to be asked and to answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Builtin;

impl Dialect for Builtin {
    fn name(&self) -> &'static str {
        "builtin"
    }

    fn markers(&self) -> &'static [&'static str] {
        MARKERS
    }

    fn prompt(&self, request: &Request, context: DialectContext<'_>) -> Result<Prompt, SyntaxError> {
        // Only the messages: the template knows the tools, and the model has no head.
        let messages = request.messages.iter().map(|message| conversation::message(message, &str::to_owned));
        conversation::render(messages.collect(), Vec::new(), context)
    }

    fn grammar(
        &self,
        request: &Request,
        _start: ReplyStart,
        context: DialectContext<'_>,
    ) -> Result<Option<Grammar>, SyntaxError> {
        Rules { tokenizer: context.tokenizer, lark: LarkBuilder::new() }.grammar(request).map(Some)
    }

    fn parser(&self, request: &Request, _start: ReplyStart) -> Box<dyn ReplyParser> {
        let schemas = request
            .tools
            .iter()
            .map(|tool| {
                let properties = tool.parameters.get("properties").and_then(Value::as_object);
                (tool.name.clone(), properties.cloned().unwrap_or_default())
            })
            .collect();
        Box::new(Reader { text: String::new(), schemas })
    }
}

/// Builds the grammar of one step.
struct Rules<'a> {
    tokenizer: &'a Tokenizer,
    lark: LarkBuilder,
}

impl Rules<'_> {
    fn grammar(mut self, request: &Request) -> Result<Grammar, SyntaxError> {
        if request.answer != AnswerForm::Text {
            let message = "the built-in model calls tools and writes no JSON of its own: choose a larger one";
            return Err(SyntaxError::Request { message: message.to_owned() });
        }
        let after_result = request
            .messages
            .iter()
            .rev()
            .take_while(|message| !matches!(message, Message::User { .. }))
            .any(|message| matches!(message, Message::Tool { .. }));
        let mut options = Vec::new();
        if request.tool_choice != ToolChoice::None {
            for tool in &request.tools {
                options.extend(self.call(tool)?);
            }
        }
        if request.tool_choice != ToolChoice::Required || options.is_empty() {
            // Before the first result there is nothing to answer from; after it, nothing is declined any more.
            for (name, compose) in ENDS {
                if after_result == (compose == Compose::Answer) {
                    options.extend(self.token(name));
                }
            }
        }
        if options.is_empty() {
            return Err(SyntaxError::Request {
                message: "the model has no token for any way to go on".to_owned(),
            });
        }
        self.lark.define("start", &options.join(" | "));
        Ok(self.lark.finish())
    }

    /// A control token by its id.
    fn token(&self, name: &str) -> Option<String> {
        self.tokenizer.special(name).map(|id| format!("<[{id}]>"))
    }

    /// The rule for one tool, or nothing when the model cannot call it with valid arguments.
    fn call(&mut self, tool: &ToolSpec) -> Result<Option<String>, SyntaxError> {
        let Some(mut rule) = self.token(&format!("<|call:{}|>", tool.name)) else { return Ok(None) };
        let empty = Map::new();
        let properties = tool.parameters.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required: Vec<&str> = tool
            .parameters
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let mut keys: Vec<(usize, &str, &Value)> = properties
            .iter()
            .filter_map(|(key, property)| Some((order(&tool.name, key)?, key.as_str(), property)))
            .collect();
        keys.sort_by_key(|&(at, ..)| at);
        if required.iter().any(|key| !keys.iter().any(|&(_, known, _)| known == *key)) {
            return Ok(None);
        }
        for (_, key, property) in keys {
            let needed = required.contains(&key);
            match self.argument(tool, key, property)? {
                Some(argument) if needed => rule.push_str(&format!(" {argument}")),
                Some(argument) => rule.push_str(&format!(" ({argument})?")),
                None if needed => return Ok(None),
                None => {}
            }
        }
        Ok(Some(rule))
    }

    /// One argument between its marks, or nothing when the model cannot write it.
    fn argument(
        &mut self,
        tool: &ToolSpec,
        key: &str,
        property: &Value,
    ) -> Result<Option<String>, SyntaxError> {
        let (Some(open), Some(close)) = (self.token(&format!("<|arg:{key}|>")), self.token(CLOSE)) else {
            return Ok(None);
        };
        // A new file may be empty, and text is replaced by nothing when the schema says so; every other text says something.
        let choices = property.get("enum").and_then(Value::as_array);
        let may_be_empty = match choices {
            Some(values) => values.iter().any(|value| value == ""),
            None => tool.name == "write" && key == "content",
        };
        let kind = property.get("type").and_then(Value::as_str);
        let value = match kind {
            // What is false is not written at all.
            Some("boolean") => Some(self.lark.terminal("\"true\"")),
            Some("integer") if choices.is_none() => Some(self.lark.terminal("/[1-9][0-9]{0,6}/")),
            _ => self.lark.value(tool, key, property, Encoding::Raw)?,
        };
        Ok(match value {
            Some(value) if may_be_empty => Some(format!("{open} ({value})? {close}")),
            Some(value) => Some(format!("{open} {value} {close}")),
            None => may_be_empty.then(|| format!("{open} {close}")),
        })
    }
}

/// Where an argument stands in a call: as taught, which for `insert`, `rename` and `git` follows the tool's own table.
fn order(tool: &str, key: &str) -> Option<usize> {
    let own: &[&str] = match tool {
        "rename" => &["symbol", "to", "path"],
        "grep" => &["pattern", "path", "glob", "ignore_case"],
        "git" => &["action", "path", "revision", "line", "count", "message"],
        _ => &ARGUMENTS,
    };
    own.iter().position(|&known| known == key)
}

/// Reads a reply. It is short, so it is read when it is whole.
struct Reader {
    text: String,
    schemas: HashMap<String, Map<String, Value>>,
}

impl ReplyParser for Reader {
    fn push(&mut self, text: &str, _events: &mut Vec<ReplyEvent>) -> Result<(), SyntaxError> {
        self.text.push_str(text);
        Ok(())
    }

    fn finish(&mut self, complete: bool, events: &mut Vec<ReplyEvent>) -> Result<(), SyntaxError> {
        let text = std::mem::take(&mut self.text);
        match self.read(&text) {
            Some(event) => events.push(event),
            None if complete => {
                let shown: String = text.chars().take(80).collect();
                return Err(SyntaxError::Reply { message: format!("{shown:?} is no call and no end") });
            }
            None => {}
        }
        Ok(())
    }
}

impl Reader {
    fn read(&self, text: &str) -> Option<ReplyEvent> {
        if let Some((_, compose)) = ENDS.iter().find(|(name, _)| *name == text) {
            return Some(ReplyEvent::Compose(*compose));
        }
        let (name, mut rest) = text.strip_prefix("<|call:")?.split_once("|>")?;
        let properties = self.schemas.get(name)?;
        let mut arguments = Map::new();
        while !rest.is_empty() {
            let (key, tail) = rest.strip_prefix("<|arg:")?.split_once("|>")?;
            let end = value_end(tail)?;
            let (value, tail) = tail.split_at(end);
            arguments.insert(key.to_owned(), typed(properties.get(key)?, value)?);
            rest = &tail[CLOSE.len()..];
        }
        Some(ReplyEvent::Call { name: name.to_owned(), arguments })
    }
}

/// The end of a value: the first closing mark after which the reply goes on as a reply does, so that a
/// quotation may itself contain the mark's name.
fn value_end(text: &str) -> Option<usize> {
    let closes = |at: usize| {
        let after = &text[at + CLOSE.len()..];
        after.is_empty() || after.starts_with("<|arg:")
    };
    text.match_indices(CLOSE).map(|(at, _)| at).find(|&at| closes(at))
}

fn typed(property: &Value, value: &str) -> Option<Value> {
    match property.get("type").and_then(Value::as_str) {
        Some("integer") => value.parse::<i64>().ok().map(Value::from),
        Some("boolean") => value.parse::<bool>().ok().map(Value::from),
        _ => Some(Value::from(value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request() -> Request {
        let tool = |name: &str, parameters: Value| ToolSpec {
            name: name.to_owned(),
            description: String::new(),
            parameters,
        };
        Request {
            tools: vec![
                tool("undo", json!({"type": "object", "properties": {}})),
                tool(
                    "read",
                    json!({"type": "object", "required": ["path"], "properties": {
                        "path": {"type": "string", "enum": ["src/a.rs"]},
                        "start": {"type": "integer"}, "end": {"type": "integer"}}}),
                ),
                tool(
                    "callers",
                    json!({"type": "object", "required": ["symbol"], "properties": {
                        "symbol": {"type": "string"}, "tests": {"type": "boolean"}}}),
                ),
            ],
            ..Request::default()
        }
    }

    fn read(text: &str, complete: bool) -> Result<Vec<ReplyEvent>, SyntaxError> {
        let mut parser = Builtin.parser(&request(), ReplyStart::Answer);
        let mut events = Vec::new();
        for (at, letter) in text.char_indices() {
            parser.push(&text[at..at + letter.len_utf8()], &mut events)?;
        }
        parser.finish(complete, &mut events)?;
        Ok(events)
    }

    #[test]
    fn replies_are_read() {
        let check = |text: &str, expect: &str| {
            let found = match read(text, true) {
                Ok(events) => match events.as_slice() {
                    [ReplyEvent::Call { name, arguments }] => {
                        format!("{name} {}", Value::from(arguments.clone()))
                    }
                    [ReplyEvent::Compose(compose)] => format!("{compose:?}"),
                    other => format!("{other:?}"),
                },
                Err(error) => format!("error: {error}"),
            };
            assert_eq!(found, expect, "{text}");
        };
        check("<|answer|>", "Answer");
        check("<|decline|>", "Decline");
        check("<|smalltalk|>", "Smalltalk");
        check("<|call:undo|>", "undo {}");
        check(
            "<|call:read|><|arg:path|>src/a.rs<|/arg|><|arg:start|>12<|/arg|>",
            r#"read {"path":"src/a.rs","start":12}"#,
        );
        check(
            "<|call:callers|><|arg:symbol|>Foo<|/arg|><|arg:tests|>true<|/arg|>",
            r#"callers {"symbol":"Foo","tests":true}"#,
        );
        check("<|call:callers|><|arg:symbol|>a <|/arg|> b<|/arg|>", r#"callers {"symbol":"a <|/arg|> b"}"#);
        check("", "error: the reply is malformed: \"\" is no call and no end");
        check("<|call:undo|>x", "error: the reply is malformed: \"<|call:undo|>x\" is no call and no end");
        check(
            "<|call:write|><|arg:path|>a<|/arg|>",
            "error: the reply is malformed: \"<|call:write|><|arg:path|>a<|/arg|>\" is no call and no end",
        );
    }

    #[test]
    fn a_reply_that_was_cut_off_says_nothing() {
        let events = read("<|call:read|><|arg:path|>src/", false).expect("no error");
        assert_eq!(events, []);
    }

    #[test]
    fn arguments_stand_as_they_were_taught() {
        let check = |tool: &str, keys: &[&str]| {
            let places: Vec<_> = keys.iter().map(|key| order(tool, key).expect(key)).collect();
            assert!(places.is_sorted(), "{tool}: {places:?}");
        };
        check("read", &["path", "start", "end"]);
        check("write", &["path", "content"]);
        check("edit", &["path", "old", "new", "all"]);
        check("insert", &["path", "text", "line"]);
        check("rename", &["symbol", "to", "path"]);
        check("grep", &["pattern", "path", "glob", "ignore_case"]);
        check("callers", &["symbol", "tests"]);
        check("run", &["task", "filter"]);
        check("git", &["action", "path", "revision", "line", "count", "message"]);
        check("todo", &["action", "text"]);
    }
}
