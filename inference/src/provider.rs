//! Owns the seam every model stands behind: [`Request`] in, a stream of [`StreamEvent`]s out.
//! Uses `futures` for the stream and a cancellation token for the way back.
//! Never knows which provider is behind it, and never runs a tool.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::engine::ModelSource;
use crate::witness::Witness;

/// Everything a model needs for one step.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Oldest first. A tool's result follows the assistant message that called it.
    pub messages: Vec<Message>,
    /// The tools that may be called in this step; names outside this list cannot be produced locally.
    pub tools: Vec<ToolSpec>,
    /// Whether a call may, must or must not be made.
    pub tool_choice: ToolChoice,
    /// What an answer that is no call looks like.
    pub answer: AnswerForm,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// At most this many new tokens; the provider's default when `None`.
    pub max_tokens: Option<usize>,
    /// Texts that the answer may repeat in parts, such as a file under edit. The model does not read them: where it
    /// runs in this process, it writes what it repeats faster.
    pub references: Vec<String>,
    /// Who hears of every transmission to somewhere else before it begins. Models of this machine send nothing.
    pub witness: Option<Arc<dyn Witness>>,
}

/// One entry of the conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// The head: who the model is, instructions of the project.
    System {
        /// The text.
        text: String,
    },
    /// The user's words.
    User {
        /// The text.
        text: String,
        /// Pictures that go with it, for models that take them ([`Capabilities::images`]).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        images: Vec<Image>,
    },
    /// What the model said and called.
    Assistant {
        /// The text; empty when it only called tools.
        text: String,
        /// Reasoning, where the model shows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reasoning: Option<String>,
        /// The calls, in the order made.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<ToolCall>,
    },
    /// A tool's result.
    Tool {
        /// The id of the call.
        call_id: String,
        /// The tool's name.
        name: String,
        /// What the model reads.
        text: String,
    },
}

impl Message {
    /// The user's words alone.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User { text: text.into(), images: Vec::new() }
    }
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// `image/png`, `image/jpeg`, `image/gif` or `image/webp`.
    pub media_type: String,
    /// The file's bytes.
    #[serde(skip)]
    pub data: Arc<[u8]>,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Unique within the conversation.
    pub id: String,
    /// A name from [`Request::tools`].
    pub name: String,
    /// The arguments, by name.
    pub arguments: Map<String, Value>,
}

/// A tool as the model sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Letters, digits and `_`.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// A JSON schema of type `object`. Local grammars enforce it, and these keys of ours, which are not shown to
    /// the model: a string property may carry [`ONE_OF`], [`SUBSTRING_OF`] or [`QUOTE_OF`], an array of strings each.
    pub parameters: Value,
}

/// The schema key that confines a string to a list, as `enum` does, but a list too long to be shown.
pub const ONE_OF: &str = "x-one-of";

/// The schema key that confines a string argument to quotations: a non-empty substring of one of the texts, cut at
/// word boundaries, without white space at its ends. See [`ToolSpec::parameters`].
pub const SUBSTRING_OF: &str = "x-substring-of";

/// As [`SUBSTRING_OF`], with white space at the ends where the text has it: for code.
pub const QUOTE_OF: &str = "x-quote-of";

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ToolChoice {
    /// Text or calls.
    #[default]
    Auto,
    /// Text only.
    None,
    /// At least one call.
    Required,
}

/// What an answer looks like. Models of this machine cannot write another one; services are not told.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum AnswerForm {
    /// Any text.
    #[default]
    Text,
    /// One JSON value that this JSON schema allows, and nothing else.
    Json(Value),
}

/// How tokens are drawn. Zero temperature is greedy.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 picks the largest.
    pub temperature: f32,
    /// Keep the k largest; 0 keeps all.
    pub top_k: usize,
    /// Keep the smallest set whose probability reaches p; 1 keeps all.
    pub top_p: f32,
    /// Drop tokens less probable than `min_p` times the most probable; 0 keeps all.
    pub min_p: f32,
    /// Divides (positive) or multiplies (negative) logits of recent tokens; 1 is off.
    pub repeat_penalty: f32,
    /// How many recent tokens count as recent.
    pub repeat_last_n: usize,
    /// The same seed, prompt and model give the same tokens.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.7,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.0,
            repeat_penalty: 1.05,
            repeat_last_n: 64,
            seed: 0,
        }
    }
}

/// One thing a provider reports. A well-formed stream ends with [`StreamEvent::Finished`] or an error.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamEvent {
    /// The model is being loaded, in bytes.
    Loading {
        /// Bytes read.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The prompt is being read, in tokens.
    Prefill {
        /// Tokens processed, re-used ones included.
        done: usize,
        /// Tokens in all.
        total: usize,
    },
    /// A piece of the answer.
    Text(String),
    /// A piece of reasoning.
    Reasoning(String),
    /// A whole call: complete, parsed, schema-true where the provider is local.
    ToolCall(ToolCall),
    /// The connection failed or broke, and the provider asks once more after a wait. What was reported so far holds;
    /// what follows goes on from there.
    Retrying {
        /// What failed.
        reason: String,
        /// How long it waits first.
        wait: Duration,
    },
    /// The model leaves the wording to the program (see [`Capabilities::composes`]).
    Compose(Compose),
    /// The end.
    Finished {
        /// Why.
        reason: FinishReason,
        /// Tokens spent.
        usage: TokenUsage,
    },
}

/// What the program should say in the place of a model that cannot word answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compose {
    /// Answer from the results of this turn's calls, and cite only them.
    Answer,
    /// Say that the request needs a larger model.
    Decline,
    /// Greet, thank, or say who the model is and what it can do.
    Smalltalk,
}

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended its text.
    Stop,
    /// It called tools and waits for their results.
    ToolCalls,
    /// The limit on new tokens was reached. Calls from such a stream are never run.
    Length,
}

/// Tokens spent on one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// Tokens of the prompt.
    pub prompt: u64,
    /// Of these, tokens whose state was re-used.
    pub cached: u64,
    /// Of the prompt, tokens that the service stored for later requests, where it charges for that.
    pub cache_written: u64,
    /// Tokens written, reasoning included.
    pub completion: u64,
    /// Of these, tokens of reasoning, where the service says so.
    pub reasoning: u64,
    /// Tokens that were guessed while writing, where the model runs in this process.
    pub drafted: u64,
    /// Of these, tokens that the model then chose.
    pub accepted: u64,
}

/// Why a request failed: a variant for each thing the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProviderError {
    /// Shorten the prompt.
    #[error("the prompt needs {needed} tokens and the model holds {limit}")]
    ContextOverflow {
        /// Tokens the model holds.
        limit: usize,
        /// Tokens the prompt needs, with room for an answer.
        needed: usize,
    },
    /// Wait, then ask again.
    #[error("the provider limits the rate of requests")]
    RateLimited {
        /// How long to wait, if it said so.
        retry_after: Option<Duration>,
    },
    /// Fix the key.
    #[error("the provider refused the credentials: {message}")]
    Unauthorized {
        /// Its words.
        message: String,
    },
    /// Change the request.
    #[error("the provider rejected the request: {message}")]
    Rejected {
        /// Its words.
        message: String,
    },
    /// Try again later, or elsewhere.
    #[error("the provider cannot be reached: {message}")]
    Unavailable {
        /// What failed.
        message: String,
    },
    /// Take out what must not leave the machine, or choose a model that runs on it. Nothing was sent.
    #[error("nothing was sent: {message}")]
    NotSent {
        /// What stood against it.
        message: String,
    },
    /// The answer broke the protocol; nothing of it was used.
    #[error("the provider's answer is malformed: {message}")]
    Malformed {
        /// What is wrong.
        message: String,
    },
    /// The model's file cannot be used.
    #[error("the model cannot be used: {message}")]
    Model {
        /// What is wrong, naming the field.
        message: String,
    },
    /// The request was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl ProviderError {
    /// Whether a service says that it has no such model: its words alone tell that from other refusals.
    #[must_use]
    pub fn names_no_model(&self) -> bool {
        let Self::Rejected { message } = self else { return false };
        let message = message.to_lowercase();
        let signs = ["404", "not found", "not_found", "does not exist", "invalid model", "unknown model"];
        message.contains("model") && signs.iter().any(|sign| message.contains(sign))
    }
}

/// What a provider is.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderInfo {
    /// The model's name, as in the catalogue or the file.
    pub model: String,
    /// `local`, `scripted`, or the name of the service.
    pub provider: String,
    /// Where requests go: scheme, host and port, where they leave the process.
    pub endpoint: Option<String>,
    /// True when the weights run inside this process.
    pub local: bool,
    /// Tokens the model can hold.
    pub context_length: usize,
    /// What the model can do.
    pub capabilities: Capabilities,
    /// What a service charges, where that is known.
    pub price: Option<Price>,
}

/// What a service charges, in US dollars for a million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// Of the prompt.
    pub input: f64,
    /// Of the prompt, where it is re-used; as `input` when `None`.
    pub cached: Option<f64>,
    /// Of the prompt, where it is stored for later; as `input` when `None`.
    pub cache_written: Option<f64>,
    /// Written.
    pub output: f64,
}

impl Price {
    /// What a request cost, in US dollars.
    #[must_use]
    pub fn of(&self, usage: &TokenUsage) -> f64 {
        let plain = usage.prompt.saturating_sub(usage.cached).saturating_sub(usage.cache_written);
        let sum = plain as f64 * self.input
            + usage.cached as f64 * self.cached.unwrap_or(self.input)
            + usage.cache_written as f64 * self.cache_written.unwrap_or(self.input)
            + usage.completion as f64 * self.output;
        sum / 1e6
    }
}

/// What a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// It words its own answers. When false it sends [`StreamEvent::Compose`] instead of text.
    pub composes: bool,
    /// Its arguments must be drawn from what exists: the caller narrows each schema for each step.
    pub grounded: bool,
    /// It takes pictures.
    pub images: bool,
}

/// The events of one request. Dropping it cancels the request.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<StreamEvent, ProviderError>> + Send>>;

/// A model, wherever it runs.
pub trait Provider: Send + Sync {
    /// What it is.
    fn info(&self) -> &ProviderInfo;

    /// Start a request. Never blocks; cancelling `cancel` or dropping the stream ends it within one token.
    fn stream(&self, request: Request, cancel: CancellationToken) -> EventStream;

    /// Exact tokens of the rendered prompt, where the tokenizer is at hand.
    fn count_tokens(&self, request: &Request) -> Option<usize>;

    /// The file that the weights are in, where they are on this machine.
    fn weights(&self) -> Option<ModelSource> {
        None
    }

    /// Tokens of a text on its own, where the tokenizer is at hand. What a template adds around it is not counted.
    fn count_text(&self, _text: &str) -> Option<usize> {
        None
    }
}
