//! Owns the dialect of Hermes and Qwen: `<tool_call>{"name": …, "arguments": …}</tool_call>`.
//! Uses the model's own template for everything the model reads.
//! Never lets text stand behind a call.

use super::reader::{Allowed, CallReader, Flow, ObjectScanner, Openings, Reader, take_word};
use super::rules::{self, MAX_CALLS, Opening};
use super::{
    Dialect, DialectContext, Prompt, ReplyEvent, ReplyParser, ReplyStart, SyntaxError, conversation,
};
use crate::grammar::{Grammar, LarkBuilder, lark_literal};
use crate::provider::Request;

pub(super) const OPEN: &str = "<tool_call>";
pub(super) const CLOSE: &str = "</tool_call>";

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hermes;

impl Dialect for Hermes {
    fn name(&self) -> &'static str {
        "hermes"
    }

    fn markers(&self) -> &'static [&'static str] {
        &[OPEN, CLOSE, rules::THINK, rules::END_THINK]
    }

    fn prompt(&self, request: &Request, context: DialectContext<'_>) -> Result<Prompt, SyntaxError> {
        let messages =
            request.messages.iter().map(|message| conversation::message(message, &str::to_owned)).collect();
        conversation::render(messages, conversation::tools(request), context)
    }

    fn grammar(
        &self,
        request: &Request,
        start: ReplyStart,
        context: DialectContext<'_>,
    ) -> Result<Option<Grammar>, SyntaxError> {
        grammar(request, start, context)
    }

    fn parser(&self, request: &Request, start: ReplyStart) -> Box<dyn ReplyParser> {
        parser(request, start)
    }
}

/// The grammar of tagged calls.
pub(super) fn grammar(
    request: &Request,
    start: ReplyStart,
    context: DialectContext<'_>,
) -> Result<Option<Grammar>, SyntaxError> {
    if rules::is_free(request) {
        return Ok(None);
    }
    let mut lark = LarkBuilder::new();
    let open = rules::marker(context.tokenizer, OPEN);
    let close = rules::marker(context.tokenizer, CLOSE);
    let call = rules::any_call(&mut lark, request, |lark, tool| {
        let name = serde_json::Value::from(tool.name.as_str());
        let before = lark_literal(&format!("\n{{\"name\": {name}, \"arguments\": "));
        Ok(format!("{before} {} \"}}\\n\" {close}", lark.arguments(tool)?))
    })?;
    let more = MAX_CALLS - 1;
    let calls = call.map(|call| lark.rule(&format!("{call} (\"\\n\" {open} {call})~0..{more}")));
    rules::reply(lark, request, start, context, &Opening::Marker(OPEN), calls.as_deref()).map(Some)
}

/// A parser of tagged calls.
pub(super) fn parser(request: &Request, start: ReplyStart) -> Box<dyn ReplyParser> {
    let calls = TaggedCalls { allowed: Allowed::of(request), object: ObjectScanner::default(), at: At::Body };
    Box::new(Reader::new(request, start, Openings { markers: &[OPEN], brace: false }, calls))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Body,
    Close,
    Between,
}

struct TaggedCalls {
    allowed: Allowed,
    object: ObjectScanner,
    at: At,
}

impl CallReader for TaggedCalls {
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
                At::Close => match take_word(buffer, CLOSE) {
                    None => return Ok(Flow::More),
                    Some(true) => self.at = At::Between,
                    Some(false) => {
                        return Err(SyntaxError::Reply { message: format!("a call without {CLOSE}") });
                    }
                },
                At::Between => match take_word(buffer, OPEN) {
                    None => return Ok(Flow::More),
                    Some(true) => self.at = At::Body,
                    Some(false) => {
                        self.at = At::Body;
                        return Ok(Flow::Text);
                    }
                },
            }
        }
    }

    fn may_end(&self, buffer: &str) -> bool {
        match self.at {
            At::Body => false,
            // Some models leave the closing tag to the end token.
            At::Close | At::Between => buffer.trim().is_empty(),
        }
    }
}
