//! Owns the dialects of DeepSeek: V3.1 writes `NAME<｜tool▁sep｜>{…}`, V3 and R1 a block fenced as JSON.
//! Uses the model's own template, and describes the tools itself where the template does not.
//! Never mixes words and calls in one message: some templates would drop the calls.

use super::conversation::{spaced_json, template};
use super::reader::{
    Allowed, CallReader, Flow, ObjectScanner, Openings, Reader, TextScanner, arguments_of, take_any,
    take_word,
};
use super::rules::{self, MAX_CALLS, Opening};
use super::{
    Dialect, DialectContext, Prompt, ReplyEvent, ReplyParser, ReplyStart, SyntaxError, conversation,
};
use crate::grammar::{Grammar, LarkBuilder, lark_literal};
use crate::provider::{Message, Request};
use crate::template::ChatTemplate;

const OPEN: &str = "<｜tool▁calls▁begin｜>";
const CLOSE: &str = "<｜tool▁calls▁end｜>";
const CALL: &str = "<｜tool▁call▁begin｜>";
const END_CALL: &str = "<｜tool▁call▁end｜>";
const SEPARATOR: &str = "<｜tool▁sep｜>";
const FENCE: &str = "```json";
const END_FENCE: &str = "```";

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeepSeek {
    /// Name, separator, JSON (V3.1).
    Bare,
    /// `function`, separator, name, JSON in a fence (V3, R1).
    Fenced,
}

impl DeepSeek {
    /// Whether the template writes calls, the second round as well as the first: some forget how a round begins.
    pub(super) fn is_written_by(template: &ChatTemplate) -> bool {
        let request = Request { messages: two_rounds(), ..Request::default() };
        let messages = messages(&request, String::new()).into_iter();
        let messages = messages.map(|message| shaped(&message)).collect();
        let input =
            crate::template::TemplateInput { messages, add_generation_prompt: true, ..Default::default() };
        template.render(&input).is_ok_and(|rendered| rendered.text.matches(OPEN).count() >= 2)
    }
}

fn two_rounds() -> Vec<Message> {
    let call = |id: &str| crate::provider::ToolCall {
        id: id.to_owned(),
        name: "loci_probe".to_owned(),
        arguments: serde_json::Map::new(),
    };
    let round = |id: &str| {
        [
            Message::Assistant { text: String::new(), reasoning: None, calls: vec![call(id)] },
            Message::Tool { call_id: id.to_owned(), name: "loci_probe".to_owned(), text: "ok".to_owned() },
        ]
    };
    let user = Message::user("loci_user".to_owned());
    [user].into_iter().chain(round("call00001")).chain(round("call00002")).collect()
}

/// The messages, the tools described in the system message, words and calls apart.
fn messages(request: &Request, description: String) -> Vec<Message> {
    let mut messages = Vec::with_capacity(request.messages.len() + 1);
    let mut described = description.is_empty();
    for message in &request.messages {
        match message {
            Message::System { text } if !described => {
                described = true;
                messages.push(Message::System { text: format!("{text}\n\n{description}") });
            }
            Message::Assistant { text, reasoning, calls } if !text.is_empty() && !calls.is_empty() => {
                messages.push(Message::Assistant {
                    text: text.clone(),
                    reasoning: reasoning.clone(),
                    calls: Vec::new(),
                });
                messages.push(Message::Assistant {
                    text: String::new(),
                    reasoning: None,
                    calls: calls.clone(),
                });
            }
            other => {
                if !described {
                    described = true;
                    messages.push(Message::System { text: description.clone() });
                }
                messages.push(other.clone());
            }
        }
    }
    messages
}

/// Templates ask whether there is any content beside calls.
fn shaped(message: &Message) -> serde_json::Value {
    let mut shaped = conversation::message(message, &str::to_owned);
    if matches!(message, Message::Assistant { text, calls, .. } if text.is_empty() && !calls.is_empty()) {
        shaped["content"] = serde_json::Value::Null;
    }
    shaped
}

impl Dialect for DeepSeek {
    fn name(&self) -> &'static str {
        match self {
            Self::Bare => "deepseek",
            Self::Fenced => "deepseek-r1",
        }
    }

    fn markers(&self) -> &'static [&'static str] {
        &[OPEN, CLOSE, CALL, END_CALL, SEPARATOR, rules::THINK, rules::END_THINK]
    }

    fn prompt(&self, request: &Request, context: DialectContext<'_>) -> Result<Prompt, SyntaxError> {
        let (description, tools) = if request.tools.is_empty() {
            (String::new(), Vec::new())
        } else if template(context)?.abilities().tools {
            (String::new(), conversation::tools(request))
        } else {
            (self.describe(request), Vec::new())
        };
        let messages = messages(request, description).iter().map(shaped).collect();
        conversation::render(messages, tools, context)
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
        let mark = |name: &str| rules::marker(context.tokenizer, name);
        let call = rules::any_call(&mut lark, request, |lark, tool| {
            let name = rules::bare_name(tool)?;
            let arguments = lark.arguments(tool)?;
            let (begin, separator, end) = (mark(CALL), mark(SEPARATOR), mark(END_CALL));
            Ok(match self {
                Self::Bare => format!("{begin} {} {separator} {arguments} {end}", lark_literal(name)),
                Self::Fenced => {
                    let before = lark_literal(&format!("{name}\n{FENCE}\n"));
                    let after = lark_literal(&format!("\n{END_FENCE}"));
                    format!("{begin} \"function\" {separator} {before} {arguments} {after} {end}")
                }
            })
        })?;
        let line = match self {
            Self::Bare => "\"\"",
            Self::Fenced => "\"\\n\"",
        };
        let (more, close) = (MAX_CALLS - 1, mark(CLOSE));
        let calls = call.map(|call| lark.rule(&format!("{call} ({line} {call})~0..{more} {close}")));
        rules::reply(lark, request, start, context, &Opening::Marker(OPEN), calls.as_deref()).map(Some)
    }

    fn parser(&self, request: &Request, start: ReplyStart) -> Box<dyn ReplyParser> {
        let calls = SeparatedCalls {
            allowed: Allowed::of(request),
            scanner: TextScanner::default(),
            object: ObjectScanner::default(),
            at: At::Begin,
            name: String::new(),
            fenced: false,
        };
        Box::new(Reader::new(request, start, Openings { markers: &[OPEN], brace: false }, calls))
    }
}

impl DeepSeek {
    fn describe(self, request: &Request) -> String {
        let tools: Vec<String> =
            conversation::tools(request).iter().map(|tool| spaced_json(&tool["function"])).collect();
        let form = match self {
            Self::Bare => format!("{OPEN}{CALL}name{SEPARATOR}{{\"argument\": \"value\"}}{END_CALL}{CLOSE}"),
            Self::Fenced => format!(
                "{OPEN}{CALL}function{SEPARATOR}name\n{FENCE}\n{{\"argument\": \"value\"}}\n{END_FENCE}{END_CALL}{CLOSE}"
            ),
        };
        format!(
            "## Tools\n\nYou can use these tools, one JSON object a line:\n{}\n\nTo use one, write this and stop:\n\n{form}\n\n\
             Several calls may stand between the first and the last mark.",
            tools.join("\n"),
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Behind the opening: a call follows.
    Begin,
    /// Before the separator.
    Head,
    /// Behind it: JSON, or a name and a fence.
    Rest,
    /// Behind the name, before the fence.
    Fence,
    Arguments,
    EndFence,
    EndCall,
    /// Behind a call: another one or the end.
    Next,
    After,
}

struct SeparatedCalls {
    allowed: Allowed,
    scanner: TextScanner,
    object: ObjectScanner,
    at: At,
    name: String,
    fenced: bool,
}

impl CallReader for SeparatedCalls {
    fn read(&mut self, buffer: &mut String, events: &mut Vec<ReplyEvent>) -> Result<Flow, SyntaxError> {
        loop {
            let next = match self.at {
                At::Begin => take_any(buffer, &[CALL])?.map(|_| At::Head),
                At::Head => self.scanner.take(buffer, SEPARATOR).map(|head| {
                    self.name = head.trim().to_owned();
                    At::Rest
                }),
                At::Rest => match buffer.trim_start().chars().next() {
                    None => None,
                    Some('{') => {
                        self.fenced = false;
                        Some(At::Arguments)
                    }
                    Some(_) => self.scanner.take(buffer, "\n").map(|name| {
                        self.name = name.trim().to_owned();
                        At::Fence
                    }),
                },
                At::Fence => take_any(buffer, &[FENCE])?.map(|_| {
                    self.fenced = true;
                    At::Arguments
                }),
                At::Arguments => match self.object.take(buffer)? {
                    None => None,
                    Some(object) => {
                        events.push(self.allowed.call(&self.name, arguments_of(&object)?)?);
                        Some(if self.fenced { At::EndFence } else { At::EndCall })
                    }
                },
                At::EndFence => take_any(buffer, &[END_FENCE])?.map(|_| At::EndCall),
                At::EndCall => take_any(buffer, &[END_CALL])?.map(|_| At::Next),
                At::Next => take_any(buffer, &[CALL, CLOSE])?.map(|at| [At::Head, At::After][at]),
                At::After => match take_word(buffer, OPEN) {
                    None => None,
                    Some(true) => Some(At::Begin),
                    Some(false) => {
                        self.at = At::Begin;
                        return Ok(Flow::Text);
                    }
                },
            };
            match next {
                Some(next) => self.at = next,
                None => return Ok(Flow::More),
            }
        }
    }

    fn may_end(&self, buffer: &str) -> bool {
        // Some models leave the last mark to the end token.
        matches!(self.at, At::Next | At::After) && buffer.trim().is_empty()
    }
}
