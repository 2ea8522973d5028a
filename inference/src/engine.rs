//! Owns the thread that runs a model, and the face of it: jobs in, events out.
//! Uses a scheduler for several generations at once, kept prefixes, and guesses that the model checks.
//! Never renders prompts or parses answers: token ids in, token ids out.

mod generation;
mod outbox;
mod pass;
mod prefix;
mod scheduler;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::generation::Rules;
use self::outbox::Outbox;
use self::worker::{Load, Queued, Snapshots, Worker};
use crate::gguf::{Header, Source};
use crate::kv::Report;
pub use crate::kv::{SnapshotOptions, SnapshotStats};
use crate::model::config::Config;
use crate::model::runtime::{Place, default_threads};
use crate::model::{Limits, ModelDescription};
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
    /// Threads that compute, the engine's own included; one for each core of the machine when `None`.
    pub threads: Option<usize>,
    /// Generations that run at once; [`PARALLEL`] when `None`.
    pub parallel: Option<usize>,
    /// Jobs that may wait for their turn; [`QUEUE`] when `None`.
    pub queue: Option<usize>,
    /// Bytes that the states of all sequences may take, running and kept ones; what the memory limit leaves, or two
    /// whole contexts, when `None`. One whole context always fits.
    pub page_bytes: Option<u64>,
    /// Whether tokens are guessed from what was there before and checked together.
    pub speculation: Speculation,
    /// Where states are kept for later processes; nowhere when `None`.
    pub snapshots: Option<SnapshotOptions>,
}

/// Generations that run at once. On a CPU four together write more than twice as many tokens as one.
pub const PARALLEL: usize = 4;
/// Jobs that may wait for their turn.
pub const QUEUE: usize = 16;

/// Whether tokens are guessed from what was there before and checked together. What is written does not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Speculation {
    /// Where it pays, by what was measured.
    #[default]
    Auto,
    /// Never.
    Off,
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

    /// How many of `tokens`, in a row and from the present state, may be written. The state stays as
    /// it is: this judges a draft before the model does. A token that ends the text counts when it may
    /// stand where it is, and nothing behind it does.
    fn accepts(&mut self, tokens: &[u32]) -> usize {
        let _ = tokens;
        0
    }
}

/// One generation.
#[derive(Default)]
pub struct Job {
    /// Token ids of the whole prompt. What an earlier job has computed of it is not computed again.
    pub prompt: Vec<u32>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// At most this many new tokens.
    pub max_tokens: usize,
    /// Tokens that end the answer, beside those of [`ModelDescription::eos`].
    pub stop: Vec<u32>,
    /// A grammar, or nothing.
    pub constraint: Option<Box<dyn Constraint>>,
    /// Tokens at the start of the prompt that many prompts have in common: their state is worth keeping beyond this
    /// process.
    pub keep: usize,
    /// Texts, in tokens, that the answer may repeat: a file that is being rewritten, say. Only guesses come from them.
    pub references: Vec<Vec<u32>>,
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
    queue: SyncSender<Queued>,
    /// Ends the job that runs when the engine is dropped.
    shutdown: CancellationToken,
    report: Report,
}

/// Events that may wait for a slow receiver before its job waits for it.
const EVENTS: usize = 64;

impl Engine {
    /// Validate the file's header and build the tokenizer. Weights are read by the first job.
    pub fn open(source: ModelSource, options: EngineOptions) -> Result<Self, ProviderError> {
        let refused = |error: &dyn std::fmt::Display| ProviderError::Model { message: error.to_string() };
        let (source, name, changed) = match source {
            ModelSource::Path(path) => {
                let name =
                    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                let changed = path.metadata().and_then(|metadata| metadata.modified()).ok();
                (Source::open(&path).map_err(|error| refused(&error))?, name, changed)
            }
            ModelSource::Static(bytes) => (Source::constant(bytes), "built-in".to_owned(), None),
        };
        let mut header = Header::read(&source).map_err(|error| refused(&error))?;
        let config = Config::read(&header).map_err(|error| refused(&error))?;
        let tokenizer = Tokenizer::from_gguf(&header).map_err(|error| refused(&error))?;
        let limits = Limits { context: options.context, memory: options.memory_limit };
        let place = Place::choose(options.cpu_only, &config);
        let model = ModelDescription::new(&header, &config, &tokenizer, &name, &place, limits)
            .map_err(|error| refused(&error))?;
        header.discard_metadata();

        let model = Arc::new(model);
        let tokenizer = Arc::new(tokenizer);
        let (queue, jobs) = std::sync::mpsc::sync_channel(options.queue.unwrap_or(QUEUE));
        let rules = Rules {
            context: model.context_length,
            tokens: tokenizer.vocab_size(),
            vocab: model.vocab_size,
            eos: model.eos.clone(),
            speculate: options.speculation == Speculation::Auto,
        };
        let context_bytes = config.cache_bytes_per_token().saturating_mul(model.context_length as u64);
        let left = options.memory_limit.map(|limit| limit.saturating_sub(model.memory_bytes));
        let spare = left.unwrap_or(context_bytes).min(context_bytes.saturating_mul(3));
        let pages = options.page_bytes.unwrap_or(context_bytes.saturating_add(spare));
        let threads = options.threads.unwrap_or_else(default_threads).max(1);
        let report = Report::default();
        let snapshots =
            options.snapshots.map(|options| Snapshots { options, changed, report: report.clone() });
        let load = Load { source, header, config, place, threads, rules, pages, snapshots };
        let worker = Worker { load, parallel: options.parallel.unwrap_or(PARALLEL).max(1) };
        let spawned =
            std::thread::Builder::new().name("loci-engine".to_owned()).spawn(move || worker.run(&jobs));
        spawned.map_err(|error| refused(&error))?;
        Ok(Self { model, tokenizer, queue, shutdown: CancellationToken::new(), report })
    }

    /// Text to token ids and back.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// What the model is.
    pub fn model(&self) -> &Arc<ModelDescription> {
        &self.model
    }

    /// What became of snapshots so far.
    pub fn snapshots(&self) -> SnapshotStats {
        self.report.stats()
    }

    /// Wait until the snapshots of finished jobs are on the disk, or `limit` has passed.
    pub fn settle(&self, limit: Duration) {
        self.report.settle(limit);
    }

    /// Queue a job. Dropping the receiver or cancelling ends it within one token; a cancelled job
    /// ends with [`ProviderError::Cancelled`]. A job with `max_tokens` of 0 only reads the prompt,
    /// so that a later one finds its state.
    pub fn generate(
        &self,
        job: Job,
        cancel: CancellationToken,
    ) -> mpsc::Receiver<Result<EngineEvent, ProviderError>> {
        let (sender, receiver) = mpsc::channel(EVENTS);
        let outbox = Outbox::new(sender, cancel, self.shutdown.clone());
        if let Err(refused) = self.queue.try_send(Queued { job, outbox }) {
            let (queued, message) = match refused {
                TrySendError::Full(queued) => (queued, "too many requests are waiting already".to_owned()),
                TrySendError::Disconnected(queued) => (queued, "the engine has stopped".to_owned()),
            };
            let mut outbox = queued.outbox;
            outbox.fail(ProviderError::Unavailable { message });
        }
        receiver
    }
}

/// How long the end of a program waits for snapshots: a head of 4,000 tokens is written in a fraction of it.
const LAST_WRITES: Duration = Duration::from_secs(1);

impl Drop for Engine {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.report.settle(LAST_WRITES);
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown reason".to_owned())
}

#[cfg(test)]
mod tests;
