//! Owns the one thread that runs a model: queue, loading, prefix re-use, cancellation.
//! Uses the tokenizer, the model and the samplers of this crate.
//! Never renders prompts or parses answers: token ids in, token ids out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::gguf::{Header, Source};
use crate::kv::Sequence;
use crate::model::config::Config;
use crate::model::pass::{Error, Outputs, Step};
use crate::model::runtime::{Load, Place, Runtime, default_threads};
use crate::model::{CHUNK, Limits, ModelDescription};
use crate::provider::{ProviderError, Sampling, TokenUsage};
use crate::sample::Sampler;
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
    queue: SyncSender<Queued>,
    /// Ends the job that runs when the engine is dropped.
    shutdown: CancellationToken,
}

/// Jobs that may wait for the one that runs.
const QUEUE: usize = 16;
/// Events that may wait for a slow receiver before the engine waits for it.
const EVENTS: usize = 64;

impl Engine {
    /// Validate the file's header and build the tokenizer. Weights are read by the first job.
    pub fn open(source: ModelSource, options: EngineOptions) -> Result<Self, ProviderError> {
        let refused = |error: &dyn std::fmt::Display| ProviderError::Model { message: error.to_string() };
        let (source, name) = match source {
            ModelSource::Path(path) => {
                let name =
                    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                (Source::open(&path).map_err(|error| refused(&error))?, name)
            }
            ModelSource::Static(bytes) => (Source::constant(bytes), "built-in".to_owned()),
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
        let (queue, jobs) = std::sync::mpsc::sync_channel(QUEUE);
        let worker = Worker {
            source,
            header,
            config,
            place,
            threads: options.threads.unwrap_or_else(default_threads).max(1),
            context: model.context_length,
            tokens: tokenizer.vocab_size(),
            eos: model.eos.clone(),
            state: State::Unloaded,
        };
        let spawned =
            std::thread::Builder::new().name("loci-engine".to_owned()).spawn(move || worker.run(&jobs));
        spawned.map_err(|error| refused(&error))?;
        Ok(Self { model, tokenizer, queue, shutdown: CancellationToken::new() })
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
    /// ends with [`ProviderError::Cancelled`]. A job with `max_tokens` of 0 only reads the prompt,
    /// so that a later one finds its state.
    pub fn generate(
        &self,
        job: Job,
        cancel: CancellationToken,
    ) -> mpsc::Receiver<Result<EngineEvent, ProviderError>> {
        let (sender, receiver) = mpsc::channel(EVENTS);
        let events = Events { sender, cancel, shutdown: self.shutdown.clone() };
        if let Err(refused) = self.queue.try_send(Queued { job, events }) {
            let (queued, message) = match refused {
                TrySendError::Full(queued) => (queued, format!("{QUEUE} requests are waiting already")),
                TrySendError::Disconnected(queued) => (queued, "the engine has stopped".to_owned()),
            };
            // The channel is new and has room.
            let _ = queued.events.sender.try_send(Err(ProviderError::Unavailable { message }));
        }
        receiver
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A job on its way to the thread.
struct Queued {
    job: Job,
    events: Events,
}

/// The way back to the caller.
struct Events {
    sender: mpsc::Sender<Result<EngineEvent, ProviderError>>,
    cancel: CancellationToken,
    shutdown: CancellationToken,
}

impl Events {
    fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled() || self.shutdown.is_cancelled() || self.sender.is_closed()
    }

    fn check(&self) -> Result<(), ProviderError> {
        if self.is_cancelled() { Err(ProviderError::Cancelled) } else { Ok(()) }
    }

    /// Send, waiting for a slow receiver as long as the job is wanted.
    fn send(&self, event: EngineEvent) -> Result<(), ProviderError> {
        let mut item = Ok(event);
        loop {
            self.check()?;
            match self.sender.try_send(item) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(ProviderError::Cancelled),
                Err(mpsc::error::TrySendError::Full(returned)) => {
                    item = returned;
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }

    /// Send the last word; the receiver may read it long after the job was cancelled.
    fn fail(self, error: ProviderError) {
        let mut item = Err(error);
        while let Err(mpsc::error::TrySendError::Full(returned)) = self.sender.try_send(item) {
            if self.shutdown.is_cancelled() {
                return;
            }
            item = returned;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What lives on the thread.
struct Worker {
    source: Source,
    header: Header,
    config: Config,
    place: Place,
    threads: usize,
    context: usize,
    /// Ids the tokenizer knows; rows of the logits behind them are padding.
    tokens: usize,
    eos: Vec<u32>,
    state: State,
}

enum State {
    Unloaded,
    Ready(Box<Ready>),
    /// A panic left the model in an unknown state.
    Broken(String),
}

struct Ready {
    runtime: Runtime,
    sequence: Sequence,
    logits: Vec<f32>,
}

impl Worker {
    fn run(mut self, jobs: &std::sync::mpsc::Receiver<Queued>) {
        while let Ok(Queued { job, events }) = jobs.recv() {
            let outcome = catch_unwind(AssertUnwindSafe(|| self.generate(job, &events)));
            let result = outcome.unwrap_or_else(|panic| {
                let message = panic_message(&*panic);
                self.state = State::Broken(message.clone());
                Err(ProviderError::Model { message: format!("the engine failed: {message}") })
            });
            if let Err(error) = result {
                events.fail(error);
            }
        }
    }

    fn generate(&mut self, job: Job, events: &Events) -> Result<(), ProviderError> {
        events.check()?;
        if job.prompt.is_empty() {
            return Err(ProviderError::Rejected { message: "the prompt is empty".to_owned() });
        }
        if let Some(id) = job.prompt.iter().find(|&&id| id as usize >= self.tokens) {
            let message = format!("token {id} is not one of the {} of this model", self.tokens);
            return Err(ProviderError::Rejected { message });
        }
        let needed = job.prompt.len() + usize::from(job.max_tokens > 0);
        if needed > self.context {
            return Err(ProviderError::ContextOverflow { limit: self.context, needed });
        }
        self.load(events)?;
        match &mut self.state {
            State::Ready(ready) => {
                let (tokens, context) = (self.tokens, self.context);
                Generation { ready, eos: &self.eos, tokens, context, events }.run(job)
            }
            State::Broken(message) => {
                Err(ProviderError::Model { message: format!("the engine failed earlier: {message}") })
            }
            State::Unloaded => Err(ProviderError::Model { message: "the weights are not loaded".to_owned() }),
        }
    }

    fn load(&mut self, events: &Events) -> Result<(), ProviderError> {
        if !matches!(self.state, State::Unloaded) {
            return Ok(());
        }
        let total: u64 = self.header.tensors().values().map(|info| info.bytes).sum();
        let mut done = 0;
        let mut reported = 0;
        events.send(EngineEvent::Loading { done, total })?;
        let mut progress = |bytes: u64| {
            done += bytes;
            // At most a hundred reports, however many tensors there are.
            if done - reported < total / 100 && done < total {
                return !events.is_cancelled();
            }
            reported = done;
            events.send(EngineEvent::Loading { done, total }).is_ok()
        };
        let load = Load {
            source: &self.source,
            header: &self.header,
            config: self.config.clone(),
            place: &self.place,
            context: self.context,
            threads: self.threads,
        };
        let runtime = Runtime::load(load, &mut progress).map_err(failed)?;
        let sequence = Sequence::new(runtime.geometry());
        self.state = State::Ready(Box::new(Ready { runtime, sequence, logits: Vec::new() }));
        Ok(())
    }
}

fn failed(error: Error) -> ProviderError {
    match error {
        Error::Cancelled => ProviderError::Cancelled,
        other => ProviderError::Model { message: other.to_string() },
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown reason".to_owned())
}

/// One job on a loaded model.
struct Generation<'a> {
    ready: &'a mut Ready,
    eos: &'a [u32],
    tokens: usize,
    context: usize,
    events: &'a Events,
}

impl Generation<'_> {
    fn run(&mut self, job: Job) -> Result<(), ProviderError> {
        let Job { prompt, sampling, max_tokens, stop, mut constraint } = job;
        // The scores of the last token are always needed, so at least it is run again.
        let known = self.ready.sequence.tokens();
        let equal = known.iter().zip(&prompt).take_while(|(known, wanted)| known == wanted).count();
        let cached = equal.min(prompt.len() - 1);
        self.ready.sequence.truncate(cached);
        let mut usage = TokenUsage { prompt: prompt.len() as u64, cached: cached as u64, completion: 0 };
        self.events.send(EngineEvent::Prefill { done: cached, total: prompt.len() })?;

        let mut sampler = Sampler::new(sampling);
        let mut sequence = prompt;
        let prompt_length = sequence.len();
        let reason = loop {
            if let Some(reason) = self.force(&mut sequence, &mut constraint, &mut usage, &stop, max_tokens)? {
                break reason;
            }
            if usage.completion > 0 && usage.completion as usize >= max_tokens
                || sequence.len() >= self.context
            {
                break StopReason::Length;
            }
            self.read(&sequence, prompt_length)?;
            if max_tokens == 0 {
                break StopReason::Length;
            }
            let token = self.draw(&mut sampler, &sequence, &mut constraint)?;
            if let Some(reason) = self.emit(token, &mut sequence, &mut constraint, &mut usage, &stop)? {
                break reason;
            }
        };
        self.events.send(EngineEvent::Finished { reason, usage })
    }

    /// Append the tokens that the constraint leaves no choice about.
    fn force(
        &mut self,
        sequence: &mut Vec<u32>,
        constraint: &mut Option<Box<dyn Constraint>>,
        usage: &mut TokenUsage,
        stop: &[u32],
        max_tokens: usize,
    ) -> Result<Option<StopReason>, ProviderError> {
        let forced = constraint.as_mut().map(|constraint| constraint.forced()).unwrap_or_default();
        for token in forced {
            if usage.completion as usize >= max_tokens || sequence.len() >= self.context {
                return Ok(Some(StopReason::Length));
            }
            if token as usize >= self.tokens {
                let message = format!("the grammar forces token {token}, which does not exist");
                return Err(ProviderError::Model { message });
            }
            if let Some(reason) = self.emit(token, sequence, constraint, usage, stop)? {
                return Ok(Some(reason));
            }
        }
        Ok(None)
    }

    /// Run what the cache does not hold yet, chunk by chunk; the last one yields the logits.
    fn read(&mut self, sequence: &[u32], prompt_length: usize) -> Result<(), ProviderError> {
        let Ready { runtime, sequence: state, logits } = &mut *self.ready;
        let events = self.events;
        while state.len() < sequence.len() {
            let done = state.len();
            let end = sequence.len().min(done + CHUNK);
            let outputs = if end == sequence.len() { Outputs::Last } else { Outputs::None };
            let step = Step { sequence: state, tokens: &sequence[done..end], outputs };
            runtime.forward(&mut [step], logits, &|| events.is_cancelled()).map_err(failed)?;
            if done < prompt_length {
                events.send(EngineEvent::Prefill { done: end.min(prompt_length), total: prompt_length })?;
            }
        }
        events.check()
    }

    fn draw(
        &mut self,
        sampler: &mut Sampler,
        sequence: &[u32],
        constraint: &mut Option<Box<dyn Constraint>>,
    ) -> Result<u32, ProviderError> {
        let logits = &mut self.ready.logits[..self.tokens];
        if let Some(constraint) = constraint {
            constraint.mask(logits).map_err(|message| ProviderError::Model { message })?;
        }
        sampler.sample(logits, sequence).ok_or_else(|| ProviderError::Model {
            message: match constraint {
                Some(_) => "the grammar allows no token that the model can score".to_owned(),
                None => "the model's scores are not numbers".to_owned(),
            },
        })
    }

    /// Report a token and append it, unless it ends the answer.
    fn emit(
        &self,
        token: u32,
        sequence: &mut Vec<u32>,
        constraint: &mut Option<Box<dyn Constraint>>,
        usage: &mut TokenUsage,
        stop: &[u32],
    ) -> Result<Option<StopReason>, ProviderError> {
        if self.eos.contains(&token) || stop.contains(&token) {
            return Ok(Some(StopReason::EndToken(token)));
        }
        let complete = match constraint {
            Some(constraint) => {
                constraint.accept(token).map_err(|message| ProviderError::Model { message })?
            }
            None => false,
        };
        sequence.push(token);
        usage.completion += 1;
        self.events.send(EngineEvent::Token(token))?;
        Ok(complete.then_some(StopReason::Complete))
    }
}

#[cfg(test)]
#[path = "engine/tests.rs"]
mod tests;
