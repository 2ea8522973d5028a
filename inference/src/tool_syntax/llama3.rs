//! Owns the dialect of Llama 3.1 to 3.3: the reply is `{"name": …, "parameters": …}` and nothing else.
//! Uses the model's own template, which takes one call a message.
//! Never begins a text with a brace.

use super::reader::{Allowed, CallReader, Flow, ObjectScanner, Openings, Reader};
use super::rules::{self, Opening};
use super::{
    Dialect, DialectContext, Prompt, ReplyEvent, ReplyParser, ReplyStart, SyntaxError, conversation,
};
use crate::grammar::{Grammar, LarkBuilder, lark_literal};
use crate::provider::{Message, Request};

const PYTHON_TAG: &str = "<|python_tag|>";

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub struct Llama3;

impl Dialect for Llama3 {
    fn name(&self) -> &'static str {
        "llama3"
    }

    fn markers(&self) -> &'static [&'static str] {
        &[PYTHON_TAG, rules::THINK, rules::END_THINK]
    }

    fn prompt(&self, request: &Request, context: DialectContext<'_>) -> Result<Prompt, SyntaxError> {
        let messages = one_call_a_message(&request.messages)
            .iter()
            .map(|message| conversation::message(message, &str::to_owned))
            .collect();
        conversation::render(messages, conversation::tools(request), context)
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
        let calls = rules::any_call(&mut lark, request, |lark, tool| {
            let name = serde_json::Value::from(tool.name.as_str());
            let before = lark_literal(&format!("{{\"name\": {name}, \"parameters\": "));
            Ok(format!("{before} {} \"}}\"", lark.arguments(tool)?))
        })?;
        rules::reply(lark, request, start, context, &Opening::Brace(PYTHON_TAG), calls.as_deref()).map(Some)
    }

    fn parser(&self, request: &Request, start: ReplyStart) -> Box<dyn ReplyParser> {
        let calls =
            BareCalls { allowed: Allowed::of(request), object: ObjectScanner::default(), inside: false };
        Box::new(Reader::new(request, start, Openings { markers: &[PYTHON_TAG], brace: true }, calls))
    }
}

/// Split messages with several calls, each followed by its own result.
pub(super) fn one_call_a_message(messages: &[Message]) -> Vec<Message> {
    let mut split = Vec::with_capacity(messages.len());
    let mut at = 0;
    while let Some(message) = messages.get(at) {
        at += 1;
        let Message::Assistant { text, reasoning, calls } = message else {
            split.push(message.clone());
            continue;
        };
        if calls.len() < 2 {
            split.push(message.clone());
            continue;
        }
        let results =
            messages[at..].iter().take_while(|message| matches!(message, Message::Tool { .. })).count();
        let results = &messages[at..at + results];
        at += results.len();
        let answers =
            |message: &&Message, id: &str| matches!(message, Message::Tool { call_id, .. } if call_id == id);
        for (index, call) in calls.iter().enumerate() {
            split.push(Message::Assistant {
                text: if index == 0 { text.clone() } else { String::new() },
                reasoning: if index == 0 { reasoning.clone() } else { None },
                calls: vec![call.clone()],
            });
            split.extend(results.iter().filter(|message| answers(message, &call.id)).cloned());
        }
        let known = |message: &&Message| calls.iter().any(|call| answers(message, &call.id));
        split.extend(results.iter().filter(|message| !known(message)).cloned());
    }
    split
}

struct BareCalls {
    allowed: Allowed,
    object: ObjectScanner,
    /// False between calls, where the reply may end.
    inside: bool,
}

impl CallReader for BareCalls {
    fn read(&mut self, buffer: &mut String, events: &mut Vec<ReplyEvent>) -> Result<Flow, SyntaxError> {
        loop {
            if !self.inside {
                let skip = buffer.len() - buffer.trim_start_matches([' ', '\t', '\r', '\n', ';']).len();
                buffer.drain(..skip);
                if buffer.is_empty() {
                    return Ok(Flow::More);
                }
                self.inside = true;
            }
            match self.object.take(buffer)? {
                None => return Ok(Flow::More),
                Some(object) => {
                    events.push(self.allowed.call_object(&object)?);
                    self.inside = false;
                }
            }
        }
    }

    fn may_end(&self, _buffer: &str) -> bool {
        !self.inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::ToolCall;

    #[test]
    fn calls_are_split_with_their_results() {
        let call = |id: &str| ToolCall {
            id: id.to_owned(),
            name: "f".to_owned(),
            arguments: serde_json::Map::new(),
        };
        let result =
            |id: &str| Message::Tool { call_id: id.to_owned(), name: "f".to_owned(), text: id.to_owned() };
        let assistant = |text: &str, calls: Vec<ToolCall>| Message::Assistant {
            text: text.to_owned(),
            reasoning: None,
            calls,
        };
        let messages = [assistant("t", vec![call("a"), call("b")]), result("b"), result("a"), result("x")];
        assert_eq!(
            one_call_a_message(&messages),
            vec![
                assistant("t", vec![call("a")]),
                result("a"),
                assistant("", vec![call("b")]),
                result("b"),
                result("x"),
            ]
        );
    }
}
