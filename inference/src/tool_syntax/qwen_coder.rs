//! Owns the dialect of Qwen3-Coder and Qwen3.5: `<function=NAME>` with a `<parameter=KEY>` for each argument.
//! Uses the model's own template; arguments stand without quotes and are read as their schema says.
//! Never lets a value contain the line that ends it.

use super::reader::{Allowed, CallReader, Flow, Openings, Reader, TextScanner, take_any, take_word};
use super::rules::{self, MAX_CALLS, Opening};
use super::{
    Dialect, DialectContext, Prompt, ReplyEvent, ReplyParser, ReplyStart, SyntaxError, conversation,
};
use crate::grammar::{Encoding, Grammar, LarkBuilder, lark_literal};
use crate::provider::Request;

const OPEN: &str = "<tool_call>";
const CLOSE: &str = "</tool_call>";
const FUNCTION: &str = "<function=";
const END_FUNCTION: &str = "</function>";
const PARAMETER: &str = "<parameter=";
/// What ends a value: a line of its own.
const END_PARAMETER: &str = "\n</parameter>\n";

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub struct QwenCoder;

impl Dialect for QwenCoder {
    fn name(&self) -> &'static str {
        "qwen-coder"
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
        if rules::is_free(request) {
            return Ok(None);
        }
        let mut lark = LarkBuilder::new();
        let open = rules::marker(context.tokenizer, OPEN);
        let close = rules::marker(context.tokenizer, CLOSE);
        let call = rules::any_call(&mut lark, request, |lark, tool| {
            let before = lark_literal(&format!("\n{FUNCTION}{}>\n", rules::bare_name(tool)?));
            let arguments = lark.listed(tool, Encoding::Until(END_PARAMETER), |name, value| {
                format!("{} {value}", lark_literal(&format!("{PARAMETER}{name}>\n")))
            })?;
            Ok(format!("{before} {arguments} {} {close}", lark_literal(&format!("{END_FUNCTION}\n"))))
        })?;
        let more = MAX_CALLS - 1;
        let calls = call.map(|call| lark.rule(&format!("{call} (\"\\n\" {open} {call})~0..{more}")));
        rules::reply(lark, request, start, context, &Opening::Marker(OPEN), calls.as_deref()).map(Some)
    }

    fn parser(&self, request: &Request, start: ReplyStart) -> Box<dyn ReplyParser> {
        let calls = MarkedCalls {
            allowed: Allowed::of(request),
            scanner: TextScanner::default(),
            at: At::Function,
            name: String::new(),
            key: String::new(),
            texts: Vec::new(),
        };
        Box::new(Reader::new(request, start, Openings { markers: &[OPEN], brace: false }, calls))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Function,
    Name,
    Next,
    Key,
    Value,
    Close,
    Between,
}

struct MarkedCalls {
    allowed: Allowed,
    scanner: TextScanner,
    at: At,
    name: String,
    key: String,
    texts: Vec<(String, String)>,
}

impl CallReader for MarkedCalls {
    fn read(&mut self, buffer: &mut String, events: &mut Vec<ReplyEvent>) -> Result<Flow, SyntaxError> {
        loop {
            match self.at {
                At::Function => match take_any(buffer, &[FUNCTION])? {
                    None => return Ok(Flow::More),
                    Some(_) => self.at = At::Name,
                },
                At::Name => match self.scanner.take(buffer, ">") {
                    None => return Ok(Flow::More),
                    Some(name) => {
                        self.name = name;
                        self.at = At::Next;
                    }
                },
                At::Next => match take_any(buffer, &[PARAMETER, END_FUNCTION])? {
                    None => return Ok(Flow::More),
                    Some(0) => self.at = At::Key,
                    Some(_) => {
                        events.push(self.allowed.call_texts(&self.name, std::mem::take(&mut self.texts))?);
                        self.at = At::Close;
                    }
                },
                At::Key => match self.scanner.take(buffer, ">") {
                    None => return Ok(Flow::More),
                    Some(key) => {
                        self.key = key;
                        self.at = At::Value;
                    }
                },
                At::Value => match self.scanner.take(buffer, END_PARAMETER) {
                    None => return Ok(Flow::More),
                    Some(text) => {
                        // The line break behind the key belongs to the markup.
                        let text = text.strip_prefix('\n').map(str::to_owned).unwrap_or(text);
                        self.texts.push((std::mem::take(&mut self.key), text));
                        self.at = At::Next;
                    }
                },
                At::Close => match take_any(buffer, &[CLOSE])? {
                    None => return Ok(Flow::More),
                    Some(_) => self.at = At::Between,
                },
                At::Between => match take_word(buffer, OPEN) {
                    None => return Ok(Flow::More),
                    Some(opened) => {
                        self.at = At::Function;
                        if !opened {
                            return Ok(Flow::Text);
                        }
                    }
                },
            }
        }
    }

    fn may_end(&self, buffer: &str) -> bool {
        matches!(self.at, At::Close | At::Between) && buffer.trim().is_empty()
    }
}
