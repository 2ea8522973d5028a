//! Owns how a model family is asked and answers: one dialect a file, each a renderer, a grammar and a streaming parser.
//! Uses chat templates for the prompt and the grammar room for what may be said.
//! Never runs a tool, never samples a token, never trusts text that others wrote.

mod builtin;
mod conversation;
mod deepseek;
mod gemma;
mod generic;
mod glm;
mod harmony;
mod hermes;
mod llama3;
mod mistral;
mod qwen_coder;
mod reader;
mod rules;

use std::fmt::Debug;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::grammar::{Grammar, GrammarCompiler, GrammarConstraint};
use crate::provider::{Compose, Request, ToolChoice};
use crate::template::ChatTemplate;
use crate::tokenizer::Tokenizer;

pub use self::builtin::Builtin;
pub(crate) use self::conversation::{Ids, spaced_json};
pub use self::deepseek::DeepSeek;
pub use self::gemma::Gemma;
pub use self::generic::Generic;
pub use self::glm::Glm;
pub use self::harmony::Harmony;
pub use self::hermes::Hermes;
pub use self::llama3::Llama3;
pub use self::mistral::Mistral;
pub use self::qwen_coder::QwenCoder;

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

/// A constraint for one reply; `None` when everything may be written. Where a schema cannot be met, the error names its
/// tool.
pub fn constrain(
    dialect: &dyn Dialect,
    compiler: &GrammarCompiler,
    request: &Request,
    start: ReplyStart,
    context: DialectContext<'_>,
) -> Result<Option<GrammarConstraint>, SyntaxError> {
    let Some(grammar) = dialect.grammar(request, start, context)? else { return Ok(None) };
    let error = match compiler.compile(&grammar) {
        Ok(constraint) => return Ok(Some(constraint)),
        Err(error) => error,
    };
    // The grammar as a whole does not know whose rule is wrong: ask for each tool alone.
    for tool in &request.tools {
        let alone = Request {
            messages: request.messages.clone(),
            tools: vec![tool.clone()],
            tool_choice: ToolChoice::Required,
            ..Request::default()
        };
        if let Some(grammar) = dialect.grammar(&alone, start, context)?
            && let Err(error) = compiler.compile(&grammar)
        {
            return Err(SyntaxError::Request { message: format!("{}: {error}", tool.name) });
        }
    }
    Err(SyntaxError::Request { message: error.to_string() })
}

/// A tool in the shape that chat templates and most servers expect, without keys that only grammars read.
pub fn tool_schema(tool: &crate::provider::ToolSpec) -> Value {
    conversation::tool(tool)
}

/// A dialect by its name in the catalogue.
pub fn by_name(name: &str) -> Option<Box<dyn Dialect>> {
    Some(match name {
        "hermes" | "qwen" => Box::new(Hermes),
        "qwen-coder" => Box::new(QwenCoder),
        "llama3" => Box::new(Llama3),
        "mistral" => Box::new(Mistral::Array),
        "mistral-named" => Box::new(Mistral::Named),
        "deepseek" => Box::new(DeepSeek::Bare),
        "deepseek-r1" => Box::new(DeepSeek::Fenced),
        "glm" => Box::new(Glm::Lines),
        "glm-compact" => Box::new(Glm::Compact),
        "glm-named" => Box::new(Glm::Named),
        "harmony" => Box::new(Harmony),
        "gemma" => Box::new(Gemma),
        "builtin" => Box::new(Builtin),
        "generic" => Box::new(Generic),
        _ => return None,
    })
}

/// The dialect that a chat template speaks, told by the marks it writes.
pub fn detect(template: Option<&ChatTemplate>) -> Box<dyn Dialect> {
    let Some(template) = template else { return Box::new(Generic) };
    let source = template.source();
    let has = |mark: &str| source.contains(mark);
    let abilities = template.abilities();
    // These families bring templates that do not describe tools, or that know calls under other names.
    if has("<｜tool▁calls▁begin｜>") && DeepSeek::is_written_by(template) {
        return Box::new(if has("```json") { DeepSeek::Fenced } else { DeepSeek::Bare });
    }
    if has("<start_of_turn>") && !abilities.tools {
        return Box::new(Gemma);
    }
    if has("<|observation|>") && has("metadata") && abilities.tools && !has("<tool_call>") {
        return Box::new(Glm::Named);
    }
    if !abilities.tools || !abilities.calls {
        return Box::new(Generic);
    }
    if has("[TOOL_CALLS]") {
        Box::new(if has("[ARGS]") { Mistral::Named } else { Mistral::Array })
    } else if has("<|channel|>") && has("<|constrain|>") || has("<|channel|>analysis") {
        Box::new(Harmony)
    } else if has("<tool_call>") && has("<arg_key>") {
        Box::new(if has("</arg_key><arg_value>") { Glm::Compact } else { Glm::Lines })
    } else if has("<tool_call>") && has("<function=") && has("<parameter=") {
        Box::new(QwenCoder)
    } else if has("<tool_call>") && has("\"arguments\"") {
        Box::new(Hermes)
    } else if has("<|start_header_id|>") && has("\"parameters\"") {
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
