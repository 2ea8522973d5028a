//! Owns the one thread that runs a model: queue, loading, prefix re-use, cancellation.
//! Uses the tokenizer, the model and the samplers of this crate.
//! Never renders prompts or parses answers: token ids in, token ids out.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::model::ModelDescription;
use crate::provider::{ProviderError, Sampling, TokenUsage};
use crate::tokenizer::Tokenizer;

/// Where the bytes of a model are.
#[derive(Debug, Clone)]
pub enum ModelSource {
    /// A GGUF file.
    Path(PathBuf),
    /// A GGUF file embedded in the program.
    Static(&'static [u8]),
}

/// How a model is run.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// Use at most this many tokens of context; the model's own limit when `None`.
    pub context: Option<usize>,
    /// Bytes that weights, cache and activations may take together; unlimited when `None`.
    pub memory_limit: Option<u64>,
    /// Stay on the CPU even where the build knows an accelerator.
    pub cpu_only: bool,
}

/// What decides which tokens may follow.
pub trait Constraint: Send {
    /// Set the logits of tokens that may not follow to negative infinity. An error ends the job.
    fn mask(&mut self, logits: &mut [f32]) -> Result<(), String>;

    /// Take note of the token that was chosen. True when the text is complete as it stands
    /// and nothing may follow: the job ends.
    fn accept(&mut self, token: u32) -> Result<bool, String>;

    /// Tokens that are the only possible continuation. They are not sampled; each is passed to
    /// [`Constraint::accept`] like any other.
    fn forced(&mut self) -> Vec<u32>;
}

/// One generation.
pub struct Job {
    /// Token ids of the whole prompt. What equals the previous job's tokens is not computed again.
    pub prompt: Vec<u32>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// At most this many new tokens.
    pub max_tokens: usize,
    /// Tokens that end the answer, beside those of [`ModelDescription::eos`].
    pub stop: Vec<u32>,
    /// A grammar, or nothing.
    pub constraint: Option<Box<dyn Constraint>>,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// An end token was drawn; it is not among the [`EngineEvent::Token`]s.
    EndToken(u32),
    /// The constraint says that the text is complete.
    Complete,
    /// `max_tokens` or the context is used up.
    Length,
}

/// What a generation reports.
#[derive(Debug, Clone, PartialEq)]
pub enum EngineEvent {
    /// Weights are being read, in bytes.
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
    /// The next token.
    Token(u32),
    /// The end; nothing follows.
    Finished {
        /// Why.
        reason: StopReason,
        /// Tokens spent.
        usage: TokenUsage,
    },
}

/// A model on its own thread. Cheap to share behind an `Arc`; dropping it ends the thread.
#[derive(Debug)]
pub struct Engine {
    model: Arc<ModelDescription>,
    tokenizer: Arc<Tokenizer>,
}

impl Engine {
    /// Validate the file's header and build the tokenizer. Weights are read by the first job.
    pub fn open(source: ModelSource, options: EngineOptions) -> Result<Self, ProviderError> {
        Err(ProviderError::Model { message: format!("{source:?} cannot be opened with {options:?}") })
    }

    /// Text to token ids and back.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// What the model is.
    pub fn model(&self) -> &Arc<ModelDescription> {
        &self.model
    }

    /// Queue a job. Dropping the receiver or cancelling ends it within one token; a cancelled job
    /// ends with [`ProviderError::Cancelled`].
    pub fn generate(
        &self,
        job: Job,
        cancel: CancellationToken,
    ) -> mpsc::Receiver<Result<EngineEvent, ProviderError>> {
        let (sender, receiver) = mpsc::channel(1);
        drop((job, cancel, sender));
        receiver
    }
}
