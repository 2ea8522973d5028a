//! Owns the dialects of GLM: `<tool_call>NAME` with `<arg_key>` and `<arg_value>` pairs (4.5 and later), and a name on a
//! line with JSON below it (4-0414).
//! Uses the model's own template; the line breaks between the pairs are those that the template writes.
//! Never lets a value contain the mark that ends it.

use serde_json::json;

use super::llama3::one_call_a_message;
use super::reader::{
    Allowed, CallReader, Flow, ObjectScanner, Openings, Reader, TextScanner, arguments_of, take_any,
    take_word,
};
use super::rules::{self, MAX_CALLS, Opening};
use super::{
    Dialect, DialectContext, Prompt, ReplyEvent, ReplyParser, ReplyStart, SyntaxError, conversation,
};
use crate::grammar::{Encoding, Grammar, LarkBuilder, lark_literal};
use crate::provider::{Message, Request, ToolChoice};

const OPEN: &str = "<tool_call>";
const CLOSE: &str = "</tool_call>";
const KEY: &str = "<arg_key>";
const END_KEY: &str = "</arg_key>";
const VALUE: &str = "<arg_value>";
const END_VALUE: &str = "</arg_value>";

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glm {
    /// Pairs of marks, a line each (4.5, 4.6).
    Lines,
    /// Pairs of marks without line breaks (4.7).
    Compact,
    /// A name, a line break and a JSON object; one call a message (4-0414).
    Named,
}

impl Dialect for Glm {
    fn name(&self) -> &'static str {
        match self {
            Self::Lines => "glm",
            Self::Compact => "glm-compact",
            Self::Named => "glm-named",
        }
    }

    fn markers(&self) -> &'static [&'static str] {
        &[OPEN, CLOSE, KEY, END_KEY, VALUE, END_VALUE, rules::THINK, rules::END_THINK]
    }

    fn prompt(&self, request: &Request, context: DialectContext<'_>) -> Result<Prompt, SyntaxError> {
        let messages = match self {
            Self::Lines | Self::Compact => request
                .messages
                .iter()
                .map(|message| conversation::message(message, &str::to_owned))
                .collect(),
            Self::Named => one_call_a_message(&request.messages).iter().flat_map(named_message).collect(),
        };
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
        if *self == Self::Named {
            return named_grammar(lark, request).map(Some);
        }
        let mark = |name: &str| rules::marker(context.tokenizer, name);
        let (open, close) = (mark(OPEN), mark(CLOSE));
        let line = match self {
            Self::Lines => "\"\\n\"",
            _ => "\"\"",
        };
        let call = rules::any_call(&mut lark, request, |lark, tool| {
            let name = lark_literal(rules::bare_name(tool)?);
            let arguments = lark.listed(tool, Encoding::Until(END_VALUE), |name, value| {
                let (key, between) = (lark_literal(name), mark(VALUE));
                format!("{} {key} {} {line} {between} {value} {line}", mark(KEY), mark(END_KEY))
            })?;
            Ok(format!("{name} {line} {arguments} {close}"))
        })?;
        let more = MAX_CALLS - 1;
        let calls = call.map(|call| lark.rule(&format!("{call} ({line} {open} {call})~0..{more}")));
        rules::reply(lark, request, start, context, &Opening::Marker(OPEN), calls.as_deref()).map(Some)
    }

    fn parser(&self, request: &Request, start: ReplyStart) -> Box<dyn ReplyParser> {
        if *self == Self::Named {
            return Box::new(NamedReader::new(request));
        }
        let calls = PairedCalls {
            allowed: Allowed::of(request),
            scanner: TextScanner::default(),
            at: At::Name,
            name: String::new(),
            key: String::new(),
            texts: Vec::new(),
        };
        Box::new(Reader::new(request, start, Openings { markers: &[OPEN], brace: false }, calls))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Name,
    Next,
    Key,
    Between,
    Value,
    After,
}

struct PairedCalls {
    allowed: Allowed,
    scanner: TextScanner,
    at: At,
    name: String,
    key: String,
    texts: Vec<(String, String)>,
}

impl CallReader for PairedCalls {
    fn read(&mut self, buffer: &mut String, events: &mut Vec<ReplyEvent>) -> Result<Flow, SyntaxError> {
        loop {
            match self.at {
                At::Name => match buffer.find('<') {
                    None => return Ok(Flow::More),
                    Some(end) => {
                        self.name = buffer.drain(..end).collect::<String>().trim().to_owned();
                        self.at = At::Next;
                    }
                },
                At::Next => match take_any(buffer, &[KEY, CLOSE])? {
                    None => return Ok(Flow::More),
                    Some(0) => self.at = At::Key,
                    Some(_) => {
                        events.push(self.allowed.call_texts(&self.name, std::mem::take(&mut self.texts))?);
                        self.at = At::After;
                    }
                },
                At::Key => match self.scanner.take(buffer, END_KEY) {
                    None => return Ok(Flow::More),
                    Some(key) => {
                        self.key = key;
                        self.at = At::Between;
                    }
                },
                At::Between => match take_any(buffer, &[VALUE])? {
                    None => return Ok(Flow::More),
                    Some(_) => self.at = At::Value,
                },
                At::Value => {
                    let whole = |text: &str| self.allowed.is_whole(&self.name, &self.key, text);
                    match self.scanner.take_where(buffer, END_VALUE, whole) {
                        None => return Ok(Flow::More),
                        Some(text) => {
                            self.texts.push((std::mem::take(&mut self.key), text));
                            self.at = At::Next;
                        }
                    }
                }
                At::After => match take_word(buffer, OPEN) {
                    None => return Ok(Flow::More),
                    Some(opened) => {
                        self.at = At::Name;
                        if !opened {
                            return Ok(Flow::Text);
                        }
                    }
                },
            }
        }
    }

    fn may_end(&self, buffer: &str) -> bool {
        self.at == At::After && buffer.trim().is_empty()
    }
}

/// A message of the conversation in the keys of the template of GLM-4-0414: a call has its name as `metadata`.
fn named_message(message: &Message) -> Vec<serde_json::Value> {
    match message {
        Message::Assistant { text, calls, .. } if !calls.is_empty() => {
            let said = (!text.is_empty()).then(|| json!({"role": "assistant", "content": text}));
            let called = calls.iter().map(|call| {
                let arguments = super::spaced_json(&serde_json::Value::Object(call.arguments.clone()));
                json!({"role": "assistant", "metadata": call.name, "content": arguments})
            });
            said.into_iter().chain(called).collect()
        }
        Message::Tool { text, .. } => vec![json!({"role": "observation", "content": text})],
        other => vec![conversation::message(other, &str::to_owned)],
    }
}

/// Text begins with the line break behind the role, a call with a name.
fn named_grammar(mut lark: LarkBuilder, request: &Request) -> Result<Grammar, SyntaxError> {
    let call = rules::any_call(&mut lark, request, |lark, tool| {
        let name = lark_literal(&format!("{}\n", rules::bare_name(tool)?));
        Ok(format!("{name} {}", lark.arguments(tool)?))
    })?;
    lark.define("TEXT", "/\\n(?s:.*)\\S(?s:.*)/");
    match (request.tool_choice, call) {
        (ToolChoice::Required, None) => return Err(rules::nothing_to_call()),
        (ToolChoice::Required, Some(call)) => lark.define("start", &call),
        (ToolChoice::Auto, Some(call)) => lark.define("start", &format!("TEXT | {call}")),
        (ToolChoice::None, _) | (_, None) => lark.define("start", "TEXT"),
    }
    Ok(lark.finish())
}

/// Reads a reply that is text behind a line break, or a call.
struct NamedReader {
    allowed: Allowed,
    callable: bool,
    buffer: String,
    state: Named,
    object: ObjectScanner,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    Start,
    Text,
    Arguments(String),
    Called,
}

impl NamedReader {
    fn new(request: &Request) -> Self {
        let callable = !request.tools.is_empty() && request.tool_choice != ToolChoice::None;
        Self {
            allowed: Allowed::of(request),
            callable,
            buffer: String::new(),
            state: Named::Start,
            object: ObjectScanner::default(),
        }
    }

    /// Report what is there, but for white space that nothing follows.
    fn text(&mut self, events: &mut Vec<ReplyEvent>) {
        let end = self.buffer.trim_end().len();
        if end > 0 {
            events.push(ReplyEvent::Text(self.buffer.drain(..end).collect()));
        }
    }
}

impl ReplyParser for NamedReader {
    fn push(&mut self, text: &str, events: &mut Vec<ReplyEvent>) -> Result<(), SyntaxError> {
        self.buffer.push_str(text);
        loop {
            match &self.state {
                Named::Start => {
                    let Some(first) = self.buffer.chars().next() else { return Ok(()) };
                    let line = self.buffer.split_once('\n').map(|(line, _)| line.trim().to_owned());
                    if first.is_whitespace() || !self.callable {
                        let blank = self.buffer.len() - self.buffer.trim_start().len();
                        self.buffer.drain(..blank);
                        if !self.buffer.is_empty() {
                            self.state = Named::Text;
                        } else if blank > 0 {
                            // Whatever follows is text now; it begins without the blank.
                            self.callable = false;
                        }
                    } else if let Some(line) = line {
                        if self.allowed.knows(&line) {
                            let end = self.buffer.find('\n').map_or(0, |end| end + 1);
                            self.buffer.drain(..end);
                            self.state = Named::Arguments(line);
                        } else {
                            self.state = Named::Text;
                        }
                    } else if !self.allowed.begins_a_name(&self.buffer) {
                        self.state = Named::Text;
                    } else {
                        return Ok(());
                    }
                }
                Named::Text => {
                    self.text(events);
                    return Ok(());
                }
                Named::Arguments(name) => match self.object.take(&mut self.buffer)? {
                    None => return Ok(()),
                    Some(object) => {
                        events.push(self.allowed.call(name, arguments_of(&object)?)?);
                        self.state = Named::Called;
                    }
                },
                Named::Called => {
                    if !self.buffer.trim().is_empty() {
                        let message = "text behind a call".to_owned();
                        return Err(SyntaxError::Reply { message });
                    }
                    return Ok(());
                }
            }
        }
    }

    fn finish(&mut self, complete: bool, events: &mut Vec<ReplyEvent>) -> Result<(), SyntaxError> {
        match self.state {
            // A name alone is text.
            Named::Start | Named::Text => self.text(events),
            Named::Arguments(_) if complete => {
                return Err(SyntaxError::Reply { message: "the reply ends inside a call".to_owned() });
            }
            _ => {}
        }
        Ok(())
    }
}
