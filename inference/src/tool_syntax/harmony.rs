//! Owns the dialect of gpt-oss, harmony: messages on the channels `analysis`, `commentary` and `final`, calls addressed to
//! `functions.NAME`.
//! Uses the model's own template, which takes one call a message and either words or thoughts beside it.
//! Never takes what stands on the channel `analysis` for an answer.

use serde_json::json;

use super::llama3::one_call_a_message;
use super::reader::{Allowed, ObjectScanner, TextScanner, arguments_of, take_text};
use super::rules;
use super::{
    Dialect, DialectContext, Prompt, ReplyEvent, ReplyParser, ReplyStart, SyntaxError, conversation,
};
use crate::grammar::{Grammar, LarkBuilder, lark_literal};
use crate::provider::{AnswerForm, Message, Request, ToolChoice};

const START: &str = "<|start|>";
const END: &str = "<|end|>";
const CHANNEL: &str = "<|channel|>";
const MESSAGE: &str = "<|message|>";
const CONSTRAIN: &str = "<|constrain|>";
const CALL: &str = "<|call|>";
const RETURN: &str = "<|return|>";
/// What may end the body of a message.
const ENDS: [&str; 4] = [END, CALL, RETURN, START];
const FUNCTIONS: &str = "functions.";
/// Thoughts and remarks before an answer or a call.
const MAX_MESSAGES: usize = 16;

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub struct Harmony;

impl Dialect for Harmony {
    fn name(&self) -> &'static str {
        "harmony"
    }

    fn markers(&self) -> &'static [&'static str] {
        &[START, END, CHANNEL, MESSAGE, CONSTRAIN, CALL, RETURN]
    }

    fn prompt(&self, request: &Request, context: DialectContext<'_>) -> Result<Prompt, SyntaxError> {
        let messages = one_call_a_message(&request.messages).iter().map(shaped).collect();
        conversation::render(messages, conversation::tools(request), context)
    }

    fn grammar(
        &self,
        request: &Request,
        _start: ReplyStart,
        context: DialectContext<'_>,
    ) -> Result<Option<Grammar>, SyntaxError> {
        if rules::is_free(request) {
            return Ok(None);
        }
        let mut lark = LarkBuilder::new();
        let mark = |name: &str| rules::marker(context.tokenizer, name);
        let (channel, message, start, constrain) =
            (mark(CHANNEL), mark(MESSAGE), mark(START), mark(CONSTRAIN));
        let call = rules::any_call(&mut lark, request, |lark, tool| {
            let address = lark_literal(&format!("commentary to={FUNCTIONS}{} ", rules::bare_name(tool)?));
            Ok(format!("{address} {constrain} \"json\" {message} {}", lark.arguments(tool)?))
        })?;
        // Marks that are spelled out are marks to the reader too.
        let spelled: Vec<String> = self
            .markers()
            .iter()
            .map(|name| format!(" & ~/(?s:.*){}(?s:.*)/", crate::grammar::lark_pattern(name)))
            .collect();
        lark.define("TEXT", &format!("/(?s:.*)\\S(?s:.*)/{}", spelled.concat()));
        match rules::control(context.tokenizer, END) {
            Some(id) => lark.define("ended", &format!("TEXT <[{id}]>")),
            None => {
                let others: Vec<String> = self
                    .markers()
                    .iter()
                    .filter(|name| **name != END)
                    .map(|name| format!(" & ~/(?s:.*){}(?s:.*)/", crate::grammar::lark_pattern(name)))
                    .collect();
                lark.define("BODY", &format!("/(?s:.*)\\S(?s:.*)/{}", others.concat()));
                lark.define(&format!("ended[suffix={}]", lark_literal(END)), "BODY");
            }
        }
        lark.define(
            "part",
            &format!("(\"analysis\" | \"commentary\") {message} ended {start} \"assistant\" {channel}"),
        );
        let words = match &request.answer {
            AnswerForm::Text => format!("\"final\" {message} TEXT"),
            AnswerForm::Json(schema) => format!("\"final\" {message} {}", lark.answer(schema)?),
        };
        let rest = match (request.tool_choice, call) {
            (ToolChoice::Required, None) => return Err(rules::nothing_to_call()),
            (ToolChoice::Required, Some(call)) => call,
            (ToolChoice::Auto, Some(call)) => format!("{words} | {call}"),
            (ToolChoice::None, _) | (_, None) => words,
        };
        lark.define("start", &format!("{channel} part~0..{MAX_MESSAGES} ({rest})"));
        Ok(Some(lark.finish()))
    }

    fn parser(&self, request: &Request, _start: ReplyStart) -> Box<dyn ReplyParser> {
        Box::new(HarmonyReader {
            allowed: Allowed::of(request),
            callable: !request.tools.is_empty() && request.tool_choice != ToolChoice::None,
            buffer: String::new(),
            at: At::Lead,
            scanner: TextScanner::default(),
            object: ObjectScanner::default(),
        })
    }
}

/// The template wants thoughts under a name of its own, and takes words beside a call for thoughts.
fn shaped(message: &Message) -> serde_json::Value {
    let mut shaped = conversation::message(message, &str::to_owned);
    if let Message::Assistant { text, reasoning: Some(reasoning), calls } = message
        && let Some(entries) = shaped.as_object_mut()
    {
        entries.remove("reasoning_content");
        if text.is_empty() && !calls.is_empty() {
            entries.insert("thinking".to_owned(), json!(reasoning));
        }
    }
    shaped
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    /// Before anything: a header, or words without one.
    Lead,
    /// In a header.
    Header,
    Body(Kind),
    /// Behind the object of a call.
    Called,
    /// Between messages.
    Between,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Thought,
    Words,
    Call(String),
}

struct HarmonyReader {
    allowed: Allowed,
    callable: bool,
    buffer: String,
    at: At,
    scanner: TextScanner,
    object: ObjectScanner,
}

impl HarmonyReader {
    /// What a message is by its header: `<|channel|>commentary to=functions.NAME <|constrain|>json`.
    fn kind(&self, header: &str) -> Result<Kind, SyntaxError> {
        let after = |mark: &str| {
            let (_, rest) = header.split_once(mark)?;
            Some(
                rest.split(|letter: char| letter.is_whitespace() || letter == '<').next().unwrap_or_default(),
            )
        };
        match (after(CHANNEL), after("to=")) {
            (_, Some(recipient)) if self.callable && recipient != "assistant" => {
                let name = recipient.strip_prefix(FUNCTIONS).unwrap_or(recipient);
                Ok(Kind::Call(name.to_owned()))
            }
            (Some("analysis"), _) => Ok(Kind::Thought),
            (Some("commentary" | "final"), _) => Ok(Kind::Words),
            _ => Err(SyntaxError::Reply { message: "a message is on no channel".to_owned() }),
        }
    }

    fn advance(&mut self, events: &mut Vec<ReplyEvent>) -> Result<(), SyntaxError> {
        loop {
            match &self.at {
                At::Lead => {
                    let begins = |mark: &&str| mark.starts_with(self.buffer.trim_start());
                    let text = self.buffer.trim_start();
                    if text.starts_with(CHANNEL) || text.starts_with("to=") || text.starts_with(START) {
                        self.at = At::Header;
                    } else if [CHANNEL, "to=", START].iter().any(begins) {
                        return Ok(());
                    } else {
                        let blank = self.buffer.len() - text.len();
                        self.buffer.drain(..blank);
                        self.at = At::Body(Kind::Words);
                    }
                }
                At::Header => match self.scanner.take(&mut self.buffer, MESSAGE) {
                    None => return Ok(()),
                    Some(header) => {
                        self.at = At::Body(self.kind(&header)?);
                        let blank = self.buffer.len() - self.buffer.trim_start().len();
                        self.buffer.drain(..blank);
                    }
                },
                At::Body(Kind::Call(name)) => match self.object.take(&mut self.buffer)? {
                    None => return Ok(()),
                    Some(object) => {
                        events.push(self.allowed.call(name, arguments_of(&object)?)?);
                        self.at = At::Called;
                    }
                },
                At::Body(kind) => {
                    let (text, found) = take_text(&mut self.buffer, &ENDS);
                    let thought = *kind == Kind::Thought;
                    events.extend(text.map(|text| match thought {
                        true => ReplyEvent::Reasoning(text),
                        false => ReplyEvent::Text(text),
                    }));
                    match found {
                        Some(_) => self.at = At::Between,
                        None => return Ok(()),
                    }
                }
                At::Called => match super::reader::take_any(&mut self.buffer, &ENDS)? {
                    None => return Ok(()),
                    Some(_) => self.at = At::Between,
                },
                At::Between => {
                    if self.buffer.trim().is_empty() {
                        return Ok(());
                    }
                    self.at = At::Header;
                }
            }
        }
    }
}

impl ReplyParser for HarmonyReader {
    fn push(&mut self, text: &str, events: &mut Vec<ReplyEvent>) -> Result<(), SyntaxError> {
        self.buffer.push_str(text);
        self.advance(events)
    }

    fn finish(&mut self, complete: bool, events: &mut Vec<ReplyEvent>) -> Result<(), SyntaxError> {
        let rest = std::mem::take(&mut self.buffer);
        let text = rest.trim_end();
        match &self.at {
            At::Lead | At::Body(Kind::Words) if !text.trim().is_empty() => {
                events.push(ReplyEvent::Text(text.trim_start().to_owned()));
            }
            At::Body(Kind::Thought) if !text.is_empty() => {
                events.push(ReplyEvent::Reasoning(text.to_owned()));
            }
            At::Body(Kind::Call(_)) | At::Header if complete => {
                return Err(SyntaxError::Reply { message: "the reply ends inside a message".to_owned() });
            }
            _ => {}
        }
        Ok(())
    }
}
