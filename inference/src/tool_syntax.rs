//! Owns how a model family is asked and answers: one dialect a file, each a renderer, a grammar and a streaming parser.
//! Uses chat templates for the prompt and the grammar room for what may be said.
//! Never runs a tool, never samples a token, never trusts text that others wrote.

mod builtin;
mod conversation;
mod generic;
mod hermes;
mod llama3;
mod mistral;
mod reader;
mod rules;

use std::fmt::Debug;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::grammar::Grammar;
use crate::provider::{Compose, Request};
use crate::template::ChatTemplate;
use crate::tokenizer::Tokenizer;

pub use self::builtin::Builtin;
pub use self::generic::Generic;
pub use self::hermes::Hermes;
pub use self::llama3::Llama3;
pub use self::mistral::Mistral;

/// A prompt as text, ready for [`Tokenizer::encode_prompt`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prompt {
    /// The rendered text.
    pub text: String,
    /// Byte ranges in which no name of a special token may be read as that token. Sorted, not overlapping.
    pub untrusted: Vec<Range<usize>>,
    /// How the answer begins.
    pub start: ReplyStart,
}

/// Where the model is when it writes its first token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplyStart {
    /// In its answer (it may open its reasoning itself).
    #[default]
    Answer,
    /// In its reasoning: the prompt opened it already.
    Reasoning,
}

/// What a dialect needs beside the request to render and to constrain.
#[derive(Debug, Clone, Copy)]
pub struct DialectContext<'a> {
    /// The model's chat template, if it has a usable one.
    pub template: Option<&'a ChatTemplate>,
    /// The model's tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// Whether reasoning is asked for, where the template knows the choice.
    pub reasoning: bool,
}

/// What a reply means, piece by piece. Pieces of text may be cut anywhere; calls are whole.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplyEvent {
    /// A piece of the answer.
    Text(String),
    /// A piece of reasoning.
    Reasoning(String),
    /// A whole call.
    Call {
        /// The tool's name.
        name: String,
        /// The arguments, by name.
        arguments: Map<String, Value>,
    },
    /// The program words the answer.
    Compose(Compose),
}

/// Why a dialect could not render or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SyntaxError {
    /// The chat template failed.
    #[error("the chat template failed: {message}")]
    Template {
        /// What it said.
        message: String,
    },
    /// The request asks for something the dialect or the grammar cannot express.
    #[error("the request cannot be expressed: {message}")]
    Request {
        /// What, naming the tool and the argument.
        message: String,
    },
    /// The reply broke the syntax; nothing of the broken part was reported.
    #[error("the reply is malformed: {message}")]
    Reply {
        /// What is wrong.
        message: String,
    },
}

/// Reads one reply as it arrives.
pub trait ReplyParser: Send {
    /// Take the next piece of text, cut anywhere, with the dialect's markers written out by name.
    fn push(&mut self, text: &str, events: &mut Vec<ReplyEvent>) -> Result<(), SyntaxError>;

    /// The reply has ended. `complete` is false when it was cut off (a limit, a cancel): then a call
    /// that is not whole is dropped, otherwise it is an error.
    fn finish(&mut self, complete: bool, events: &mut Vec<ReplyEvent>) -> Result<(), SyntaxError>;
}

/// How one family of models is asked and answers.
pub trait Dialect: Send + Sync + Debug {
    /// Its name in the catalogue.
    fn name(&self) -> &'static str;

    /// Names of control tokens that carry meaning in a reply. They are handed to the parser as text;
    /// other control tokens are left out.
    fn markers(&self) -> &'static [&'static str];

    /// Render the request, up to where the model begins to write.
    fn prompt(&self, request: &Request, context: DialectContext<'_>) -> Result<Prompt, SyntaxError>;

    /// What the model may write: text or calls of [`Request::tools`], as [`Request::tool_choice`] says.
    /// `None` when everything may be written.
    fn grammar(
        &self,
        request: &Request,
        start: ReplyStart,
        context: DialectContext<'_>,
    ) -> Result<Option<Grammar>, SyntaxError>;

    /// A parser for one reply.
    fn parser(&self, request: &Request, start: ReplyStart) -> Box<dyn ReplyParser>;
}

/// A tool in the shape that chat templates and most servers expect, without keys that only grammars read.
pub fn tool_schema(tool: &crate::provider::ToolSpec) -> Value {
    conversation::tool(tool)
}

/// A dialect by its name in the catalogue.
pub fn by_name(name: &str) -> Option<Box<dyn Dialect>> {
    Some(match name {
        "hermes" | "qwen" => Box::new(Hermes),
        "llama3" => Box::new(Llama3),
        "mistral" => Box::new(Mistral::Array),
        "mistral-named" => Box::new(Mistral::Named),
        "builtin" => Box::new(Builtin),
        "generic" => Box::new(Generic),
        _ => return None,
    })
}

/// The dialect that a chat template speaks, told by the marks it writes.
pub fn detect(template: Option<&ChatTemplate>) -> Box<dyn Dialect> {
    let Some(template) = template.filter(|template| template.abilities().tools && template.abilities().calls)
    else {
        return Box::new(Generic);
    };
    let source = template.source();
    if source.contains("[TOOL_CALLS]") {
        Box::new(if source.contains("[ARGS]") { Mistral::Named } else { Mistral::Array })
    } else if source.contains("<tool_call>")
        && source.contains("\"arguments\"")
        && !source.contains("<function=")
    {
        Box::new(Hermes)
    } else if source.contains("<|start_header_id|>") && source.contains("\"parameters\"") {
        Box::new(Llama3)
    } else {
        // The template writes calls in a way this crate does not read: describe tools in our own words.
        Box::new(Generic)
    }
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests;
