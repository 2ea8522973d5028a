//! Owns the dialects of Mistral: `[TOOL_CALLS][{…}, {…}]`, and `[TOOL_CALLS]name[ARGS]{…}` of the newer models.
//! Uses the model's own template, which insists on ids of nine letters and on taking turns.
//! Never lets the system message move: where the template would put it last, it stands in the first message.

use sha2::{Digest, Sha256};

use super::conversation::{fold_system, join_users};
use super::reader::{Allowed, CallReader, Flow, ObjectScanner, Openings, Reader, arguments_of, take_word};
use super::rules::{self, MAX_CALLS, Opening};
use super::{
    Dialect, DialectContext, Ids, Prompt, ReplyEvent, ReplyParser, ReplyStart, SyntaxError, conversation,
};
use crate::grammar::{Grammar, LarkBuilder, lark_literal};
use crate::provider::Request;

const OPEN: &str = "[TOOL_CALLS]";
const ARGUMENTS: &str = "[ARGS]";
const CALL_ID: &str = "[CALL_ID]";

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistral {
    /// A JSON array of calls.
    Array,
    /// Name and arguments behind a marker for each call.
    Named,
}

impl Dialect for Mistral {
    fn name(&self) -> &'static str {
        match self {
            Self::Array => "mistral",
            Self::Named => "mistral-named",
        }
    }

    fn markers(&self) -> &'static [&'static str] {
        &[OPEN, ARGUMENTS, CALL_ID, rules::THINK, rules::END_THINK]
    }

    fn prompt(&self, request: &Request, context: DialectContext<'_>) -> Result<Prompt, SyntaxError> {
        let mut messages = request.messages.clone();
        let template = conversation::template(context)?;
        // Templates without a marker of its own write the system message into the newest message of the user,
        // so that it moves with every step.
        if !template.source().contains("[SYSTEM_PROMPT]") || !template.abilities().system {
            messages = fold_system(messages);
        }
        let messages = join_users(messages)
            .iter()
            .map(|message| conversation::message(message, &nine_letters))
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
        let call = rules::any_call(&mut lark, request, |lark, tool| {
            let arguments = lark.arguments(tool)?;
            Ok(match self {
                Self::Array => {
                    let name = serde_json::Value::from(tool.name.as_str());
                    let before = lark_literal(&format!("{{\"name\": {name}, \"arguments\": "));
                    format!("{before} {arguments}")
                }
                Self::Named => {
                    let between = rules::marker(context.tokenizer, ARGUMENTS);
                    format!("{} {between} {arguments}", lark_literal(rules::bare_name(tool)?))
                }
            })
        })?;
        let calls = call.map(|call| match self {
            Self::Array => {
                // The template writes the ids that the calls get; the model writes them first.
                let named =
                    context.template.is_some_and(|template| template.source().contains(", \"id\": \""));
                let mut ids = Ids::after(&request.messages);
                let ends: Vec<String> = (0..MAX_CALLS)
                    .map(|_| match named {
                        true => lark_literal(&format!(", \"id\": \"{}\"}}", ids.next())),
                        false => lark_literal("}"),
                    })
                    .collect();
                let mut rest = "\"]\"".to_owned();
                for (at, end) in ends.iter().enumerate().rev() {
                    let one = format!("{call} {end} {rest}");
                    let body = if at > 0 { format!("\"]\" | \", \" {one}") } else { format!("\"[\" {one}") };
                    rest = lark.rule(&body);
                }
                rest
            }
            Self::Named => {
                let open = rules::marker(context.tokenizer, OPEN);
                lark.rule(&format!("{call} ({open} {call})~0..{}", MAX_CALLS - 1))
            }
        });
        rules::reply(lark, request, start, context, &Opening::Marker(OPEN), calls.as_deref()).map(Some)
    }

    fn parser(&self, request: &Request, start: ReplyStart) -> Box<dyn ReplyParser> {
        let calls = MistralCalls {
            allowed: Allowed::of(request),
            object: ObjectScanner::default(),
            at: At::Opened,
            name: String::new(),
        };
        Box::new(Reader::new(request, start, Openings { markers: &[OPEN], brace: false }, calls))
    }
}

/// Nine letters or digits, the same for the same id.
fn nine_letters(id: &str) -> String {
    if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let hash = Sha256::digest(id.as_bytes());
    hash.iter().take(9).map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Behind the marker: an array or a name follows.
    Opened,
    /// In the array, where a call stands.
    Item,
    /// In the array, behind a call.
    AfterItem,
    /// In a name.
    Name,
    /// In the arguments of a named call.
    Arguments,
    /// Behind the array or a named call.
    After,
}

struct MistralCalls {
    allowed: Allowed,
    object: ObjectScanner,
    at: At,
    name: String,
}

impl CallReader for MistralCalls {
    fn read(&mut self, buffer: &mut String, events: &mut Vec<ReplyEvent>) -> Result<Flow, SyntaxError> {
        let broken = |message: &str| SyntaxError::Reply { message: message.to_owned() };
        loop {
            match self.at {
                At::Opened => {
                    self.at = match take_word(buffer, "[") {
                        None => return Ok(Flow::More),
                        Some(true) => At::Item,
                        Some(false) => At::Name,
                    };
                }
                At::Item => match self.object.take(buffer)? {
                    None => return Ok(Flow::More),
                    Some(object) => {
                        events.push(self.allowed.call_object(&object)?);
                        self.at = At::AfterItem;
                    }
                },
                At::AfterItem => match take_word(buffer, ",") {
                    None => return Ok(Flow::More),
                    Some(true) => self.at = At::Item,
                    Some(false) if take_word(buffer, "]") == Some(true) => self.at = At::After,
                    Some(false) => return Err(broken("a list of calls is broken")),
                },
                At::Name => {
                    let Some(end) = buffer.find(ARGUMENTS) else { return Ok(Flow::More) };
                    let head: String = buffer.drain(..end + ARGUMENTS.len()).collect();
                    let head = &head[..end];
                    let name = head.split_once(CALL_ID).map_or(head, |(name, _)| name);
                    self.name = name.trim().to_owned();
                    self.at = At::Arguments;
                }
                At::Arguments => match self.object.take(buffer)? {
                    None => return Ok(Flow::More),
                    Some(object) => {
                        events.push(self.allowed.call(&self.name, arguments_of(&object)?)?);
                        self.at = At::After;
                    }
                },
                At::After => match take_word(buffer, OPEN) {
                    None => return Ok(Flow::More),
                    Some(opened) => {
                        self.at = At::Opened;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_nine_letters() {
        assert_eq!(nine_letters("call00001"), "call00001");
        for id in ["", "call_abc-1", "toolu_01ABCDEFGHIJ"] {
            let short = nine_letters(id);
            assert!(short.len() == 9 && short.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{short}");
            assert_eq!(short, nine_letters(id));
        }
    }
}
