//! Owns the dialect of Gemma 2 and 3, whose templates know neither tools nor a system message.
//! Uses fenced blocks, `tool_code` for calls and `tool_output` for results, in the words that the family was taught.
//! Never relies on more than the roles user and assistant.

use super::conversation::{fold_system, join_users, spaced_json, template};
use super::reader::{Allowed, CallReader, Flow, ObjectScanner, Openings, Reader, take_any, take_word};
use super::rules::{self, MAX_CALLS, Opening};
use super::{
    Dialect, DialectContext, Prompt, ReplyEvent, ReplyParser, ReplyStart, SyntaxError, conversation,
};
use crate::grammar::{Grammar, LarkBuilder, lark_literal};
use crate::provider::{Message, Request, ToolCall};

const OPEN: &str = "```tool_code";
const CLOSE: &str = "```";

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gemma;

impl Dialect for Gemma {
    fn name(&self) -> &'static str {
        "gemma"
    }

    fn markers(&self) -> &'static [&'static str] {
        &[]
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
        let messages = join_users(messages);
        let messages =
            messages.iter().map(|message| conversation::message(message, &str::to_owned)).collect();
        conversation::render(messages, Vec::new(), context)
    }

    fn grammar(
        &self,
        request: &Request,
        start: ReplyStart,
        context: DialectContext<'_>,
    ) -> Result<Option<Grammar>, SyntaxError> {
        if rules::is_free(request) {
            return Ok(None);
        }
        let mut lark = LarkBuilder::new();
        let call = rules::any_call(&mut lark, request, |lark, tool| {
            let name = serde_json::Value::from(tool.name.as_str());
            let before = lark_literal(&format!("\n{{\"name\": {name}, \"parameters\": "));
            Ok(format!("{before} {} \"}}\\n\" {}", lark.arguments(tool)?, lark_literal(CLOSE)))
        })?;
        let (more, open) = (MAX_CALLS - 1, lark_literal(&format!("\n{OPEN}")));
        let calls = call.map(|call| lark.rule(&format!("{call} ({open} {call})~0..{more}")));
        rules::reply(lark, request, start, context, &Opening::Marker(OPEN), calls.as_deref()).map(Some)
    }

    fn parser(&self, request: &Request, start: ReplyStart) -> Box<dyn ReplyParser> {
        let calls =
            FencedCalls { allowed: Allowed::of(request), object: ObjectScanner::default(), at: At::Body };
        Box::new(Reader::new(request, start, Openings { markers: &[OPEN], brace: false }, calls))
    }
}

fn describe(request: &Request) -> String {
    let tools: Vec<String> =
        conversation::tools(request).iter().map(|tool| spaced_json(&tool["function"])).collect();
    format!(
        "You have access to functions, one JSON object a line:\n{}\n\nTo call one, write a block like this and stop:\n\
         {OPEN}\n{{\"name\": \"the function\", \"parameters\": {{\"argument\": \"value\"}}}}\n{CLOSE}\n\
         Several blocks may follow each other. Each result comes back in a ```tool_output block.",
        tools.join("\n"),
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
        Message::Tool { text, .. } => Message::user(format!("```tool_output\n{text}\n{CLOSE}")),
        other => other.clone(),
    }
}

fn block(call: &ToolCall) -> String {
    let name = serde_json::Value::from(call.name.as_str());
    format!("{OPEN}\n{{\"name\": {name}, \"parameters\": {}}}\n{CLOSE}", spaced_json(&call.arguments))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Body,
    Close,
    Between,
}

struct FencedCalls {
    allowed: Allowed,
    object: ObjectScanner,
    at: At,
}

impl CallReader for FencedCalls {
    fn read(&mut self, buffer: &mut String, events: &mut Vec<ReplyEvent>) -> Result<Flow, SyntaxError> {
        loop {
            match self.at {
                At::Body => match self.object.take(buffer)? {
                    None => return Ok(Flow::More),
                    Some(object) => {
                        events.push(self.allowed.call_object(&object)?);
                        self.at = At::Close;
                    }
                },
                At::Close => match take_any(buffer, &[CLOSE])? {
                    None => return Ok(Flow::More),
                    Some(_) => self.at = At::Between,
                },
                At::Between => match take_word(buffer, OPEN) {
                    None => return Ok(Flow::More),
                    Some(opened) => {
                        self.at = At::Body;
                        if !opened {
                            return Ok(Flow::Text);
                        }
                    }
                },
            }
        }
    }

    fn may_end(&self, buffer: &str) -> bool {
        self.at == At::Between && buffer.trim().is_empty()
    }
}
