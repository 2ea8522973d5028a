//! Owns the dialect for models whose template knows no tools: they are described in the system message.
//! Uses the tags of the Hermes dialect, and plain messages for calls and results.
//! Never relies on more than the roles user and assistant.

use super::conversation::{fold_system, join_users, spaced_json, template};
use super::{
    Dialect, DialectContext, Prompt, ReplyParser, ReplyStart, SyntaxError, conversation, hermes, rules,
};
use crate::grammar::Grammar;
use crate::provider::{Message, Request, ToolCall};

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub struct Generic;

impl Dialect for Generic {
    fn name(&self) -> &'static str {
        "generic"
    }

    fn markers(&self) -> &'static [&'static str] {
        &[hermes::OPEN, hermes::CLOSE, rules::THINK, rules::END_THINK]
    }

    fn prompt(&self, request: &Request, context: DialectContext<'_>) -> Result<Prompt, SyntaxError> {
        let mut messages = Vec::with_capacity(request.messages.len() + 1);
        let mut described = request.tools.is_empty();
        for message in &request.messages {
            match message {
                Message::System { text } if !described => {
                    described = true;
                    messages.push(Message::System { text: format!("{text}\n\n{}", describe(request)) });
                }
                other => {
                    if !described {
                        described = true;
                        messages.push(Message::System { text: describe(request) });
                    }
                    messages.push(plain(other));
                }
            }
        }
        if !template(context)?.abilities().system {
            messages = fold_system(messages);
        }
        let messages = join_users(messages)
            .iter()
            .map(|message| conversation::message(message, &str::to_owned))
            .collect();
        conversation::render(messages, Vec::new(), context)
    }

    fn grammar(
        &self,
        request: &Request,
        start: ReplyStart,
        context: DialectContext<'_>,
    ) -> Result<Option<Grammar>, SyntaxError> {
        hermes::grammar(request, start, context)
    }

    fn parser(&self, request: &Request, start: ReplyStart) -> Box<dyn ReplyParser> {
        hermes::parser(request, start)
    }
}

fn describe(request: &Request) -> String {
    let tools: Vec<String> =
        conversation::tools(request).iter().map(|tool| spaced_json(&tool["function"])).collect();
    format!(
        "You can use these tools, one JSON object a line:\n{}\n\nTo use one, write a block like this and stop:\n\
         {}\n{{\"name\": \"the tool\", \"arguments\": {{\"argument\": \"value\"}}}}\n{}\n\
         Several blocks may follow each other. Each result comes back between <tool_response> and </tool_response>.",
        tools.join("\n"),
        hermes::OPEN,
        hermes::CLOSE
    )
}

/// Calls and results as text of the assistant and the user.
fn plain(message: &Message) -> Message {
    match message {
        Message::Assistant { text, calls, .. } => {
            let blocks = calls.iter().map(block);
            let parts: Vec<String> =
                (!text.is_empty()).then(|| text.clone()).into_iter().chain(blocks).collect();
            Message::Assistant { text: parts.join("\n"), reasoning: None, calls: Vec::new() }
        }
        Message::Tool { text, .. } => Message::user(format!("<tool_response>\n{text}\n</tool_response>")),
        other => other.clone(),
    }
}

fn block(call: &ToolCall) -> String {
    let name = serde_json::Value::from(call.name.as_str());
    format!(
        "{}\n{{\"name\": {name}, \"arguments\": {}}}\n{}",
        hermes::OPEN,
        spaced_json(&call.arguments),
        hermes::CLOSE
    )
}
