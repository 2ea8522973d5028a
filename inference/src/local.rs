//! Owns the local provider: engine, template, dialect and grammar behind the common seam.
//! Uses a thread for each request, so that rendering never blocks the caller.
//! Never keeps a conversation: what it remembers of earlier requests only saves work.

mod spoken;

use std::collections::HashSet;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use futures::Stream;
use jiff::civil::Date;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::spoken::{Spoken, Utterance};
use crate::engine::{Constraint, Engine, EngineEvent, EngineOptions, Job, ModelSource, StopReason};
use crate::grammar::GrammarCompiler;
use crate::model::ModelDescription;
use crate::provider::{
    AnswerForm, Capabilities, EventStream, FinishReason, Message, Provider, ProviderError, ProviderInfo,
    Request, Sampling, StreamEvent, ToolCall, ToolChoice,
};
use crate::template::{ChatTemplate, FALLBACK_DATE, SpecialNames, TemplateError, TemplateOptions};
use crate::tokenizer::{TokenKind, Tokenizer, TokenizerError};
use crate::tool_syntax::{self, Dialect, DialectContext, Ids, Prompt, ReplyEvent, ReplyParser, SyntaxError};

/// Room that a prompt must leave for the answer.
const LEAST_ROOM: usize = 64;
/// Events on their way to the caller; the engine waits when the caller does.
const CHANNEL_SIZE: usize = 64;
/// For models that bring no template: every family reads this much.
const PLAIN_TEMPLATE: &str = "{% for message in messages %}{{ '### ' + message.role | capitalize + ':\\n' + message.content + '\\n\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '### Assistant:\\n' }}{% endif %}";
const CHATML_TEMPLATE: &str = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// How a local model is used.
#[derive(Debug, Clone, Default)]
pub struct LocalOptions {
    /// How the engine runs it.
    pub engine: EngineOptions,
    /// The name to show; the file's own name when `None`.
    pub name: Option<String>,
    /// A dialect by name, in place of the one found in the file.
    pub dialect: Option<String>,
    /// A chat template in place of the one in the file.
    pub chat_template: Option<String>,
    /// Whether to ask for reasoning, where the template knows the choice.
    pub reasoning: bool,
    /// The day that templates see. Keep it for a whole session: it stands in the prompt.
    pub date: Option<Date>,
}

/// A model that runs inside this process.
#[derive(Debug)]
pub struct LocalProvider {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    template: ChatTemplate,
    dialect: Box<dyn Dialect>,
    markers: HashSet<u32>,
    grammar: OnceLock<Result<GrammarCompiler, String>>,
    info: ProviderInfo,
    source: Option<ModelSource>,
    reasoning: bool,
    /// Whether the engine keeps states beyond this process.
    keeps: bool,
    spoken: Mutex<Spoken>,
}

impl LocalProvider {
    /// Validate a model's file and get ready to run it. Weights are read by the first request.
    pub fn open(source: ModelSource, options: LocalOptions) -> Result<Self, ProviderError> {
        let engine = Engine::open(source.clone(), options.engine.clone())?;
        Self::build(engine, options, Some(source))
    }

    /// As [`LocalProvider::open`], for a file.
    pub fn open_path(path: &Path, options: LocalOptions) -> Result<Self, ProviderError> {
        Self::open(ModelSource::Path(path.to_owned()), options)
    }

    /// A provider over an engine that is open already.
    pub fn over(engine: Engine, options: LocalOptions) -> Result<Self, ProviderError> {
        Self::build(engine, options, None)
    }

    fn build(
        engine: Engine,
        options: LocalOptions,
        source: Option<ModelSource>,
    ) -> Result<Self, ProviderError> {
        let model = Arc::clone(engine.model());
        let tokenizer = Arc::clone(engine.tokenizer());
        let template = template(&model, &tokenizer, &options)?;
        let asked = options.dialect.as_deref().or_else(|| model.text("loci.dialect"));
        let dialect = match asked {
            Some(name) => tool_syntax::by_name(name)
                .ok_or_else(|| ProviderError::Model { message: format!("`{name}` is no tool dialect") })?,
            None => tool_syntax::detect(Some(&template)),
        };
        let markers = dialect.markers().iter().filter_map(|name| tokenizer.special(name)).collect();
        let grounded = model.flag("loci.grounded").unwrap_or(false);
        let info = ProviderInfo {
            model: options.name.clone().unwrap_or_else(|| model.name.clone()),
            provider: "local".to_owned(),
            endpoint: None,
            local: true,
            context_length: model.context_length,
            capabilities: Capabilities {
                composes: model.flag("loci.composes").unwrap_or(!grounded),
                grounded,
                images: false,
            },
            price: None,
        };
        let inner = Inner {
            engine,
            template,
            dialect,
            markers,
            grammar: OnceLock::new(),
            info,
            source,
            reasoning: options.reasoning,
            keeps: options.engine.snapshots.is_some(),
            spoken: Mutex::default(),
        };
        let inner = Arc::new(inner);
        // The trie of a large vocabulary takes as long as everything else before the first pass: it is built beside that.
        let warming = Arc::clone(&inner);
        let thread = std::thread::Builder::new().name("loci-grammar".to_owned());
        // Without a thread the first request builds it.
        let _ = thread.spawn(move || warming.compiler().is_ok());
        Ok(Self { inner })
    }

    /// What the model's file says.
    pub fn description(&self) -> &ModelDescription {
        self.inner.engine.model()
    }

    /// The dialect in use.
    pub fn dialect(&self) -> &dyn Dialect {
        self.inner.dialect.as_ref()
    }

    /// The prompt as the model will read it.
    pub fn render(&self, request: &Request) -> Result<Prompt, ProviderError> {
        self.inner.prompt(request)
    }

    /// The tokens of the prompt.
    pub fn encode(&self, prompt: &Prompt) -> Result<Vec<u32>, ProviderError> {
        self.inner.encode(prompt)
    }
}

impl Provider for LocalProvider {
    fn info(&self) -> &ProviderInfo {
        &self.inner.info
    }

    fn stream(&self, request: Request, cancel: CancellationToken) -> EventStream {
        let (sender, receiver) = mpsc::channel(CHANNEL_SIZE);
        let cancel = cancel.child_token();
        let guard = cancel.clone().drop_guard();
        let inner = Arc::clone(&self.inner);
        let last_words = sender.clone();
        let thread = std::thread::Builder::new().name("loci-request".to_owned()).spawn(move || {
            if let Err(error) = inner.run(&request, &cancel, &sender) {
                // Nobody listens any more: then nobody needs to know.
                let _ = sender.blocking_send(Err(error));
            }
        });
        if let Err(error) = thread {
            let message = format!("no thread for the request: {error}");
            let _ = last_words.try_send(Err(ProviderError::Unavailable { message }));
        }
        Box::pin(Events { receiver, _guard: guard })
    }

    fn count_tokens(&self, request: &Request) -> Option<usize> {
        let prompt = self.inner.prompt(request).ok()?;
        self.inner.encode(&prompt).ok().map(|tokens| tokens.len())
    }

    fn weights(&self) -> Option<ModelSource> {
        self.inner.source.clone()
    }

    fn count_text(&self, text: &str) -> Option<usize> {
        self.inner.engine.tokenizer().encode(text).ok().map(|tokens| tokens.len())
    }
}

/// The events of a request; dropping them cancels it.
struct Events {
    receiver: mpsc::Receiver<Result<StreamEvent, ProviderError>>,
    _guard: DropGuard,
}

impl Stream for Events {
    type Item = Result<StreamEvent, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(context)
    }
}

type EngineEvents = mpsc::Receiver<Result<EngineEvent, ProviderError>>;
type Sender = mpsc::Sender<Result<StreamEvent, ProviderError>>;

fn template(
    model: &ModelDescription,
    tokenizer: &Tokenizer,
    options: &LocalOptions,
) -> Result<ChatTemplate, ProviderError> {
    let text_of = |id: Option<u32>| {
        let bytes = id.map(|id| tokenizer.token_bytes(id)).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    let eos = model.integer("tokenizer.ggml.eos_token_id").and_then(|id| u32::try_from(id).ok());
    let template_options = TemplateOptions {
        bos: text_of(model.bos),
        eos: text_of(eos.or_else(|| model.eos.first().copied())),
        date: options.date.unwrap_or(FALLBACK_DATE),
        names: SpecialNames::of(tokenizer),
    };
    let source = options.chat_template.as_deref().or(model.chat_template.as_deref());
    let source = source.filter(|source| !source.trim().is_empty()).unwrap_or_else(|| {
        if tokenizer.special("<|im_start|>").is_some() { CHATML_TEMPLATE } else { PLAIN_TEMPLATE }
    });
    ChatTemplate::parse(source, template_options)
        .map_err(|error| ProviderError::Model { message: format!("tokenizer.chat_template: {error}") })
}

impl Inner {
    fn context(&self) -> DialectContext<'_> {
        DialectContext {
            template: Some(&self.template),
            tokenizer: self.engine.tokenizer(),
            reasoning: self.reasoning,
        }
    }

    fn prompt(&self, request: &Request) -> Result<Prompt, ProviderError> {
        Ok(self.dialect.prompt(request, self.context())?)
    }

    fn encode(&self, prompt: &Prompt) -> Result<Vec<u32>, ProviderError> {
        if let Some(tokens) = self.continue_spoken(prompt)? {
            return Ok(tokens);
        }
        let mut tokens = self.engine.tokenizer().encode_prompt(&prompt.text, &prompt.untrusted)?;
        let model = self.engine.model();
        if let Some(bos) = model.bos.filter(|_| model.add_bos)
            && tokens.first() != Some(&bos)
        {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    }

    /// The tokens of a prompt that goes on from what was said before.
    fn continue_spoken(&self, prompt: &Prompt) -> Result<Option<Vec<u32>>, ProviderError> {
        let tokenizer = self.engine.tokenizer();
        let known = self.spoken.lock().unwrap_or_else(PoisonError::into_inner).find(prompt);
        let Some(utterance) = known else { return Ok(None) };
        let said = utterance.text.len();
        let after = prompt.untrusted.iter().filter(|range| range.start >= said);
        let after: Vec<_> = after.map(|range| range.start - said..range.end - said).collect();
        let rest = tokenizer.encode_prompt(&prompt.text[said..], &after)?;
        // Tokens merge across a cut, except where markup begins.
        if !rest.first().is_some_and(|&id| tokenizer.kind(id) == TokenKind::Control) {
            return Ok(None);
        }
        Ok(Some([&utterance.tokens[..], &rest].concat()))
    }

    /// How many of the first tokens of a prompt every request with this head begins with: system text and tools.
    fn head_tokens(&self, request: &Request, prompt: &Prompt, tokens: &[u32]) -> usize {
        if !self.keeps {
            return 0;
        }
        let system = |message: &&Message| matches!(message, Message::System { .. });
        let mut messages: Vec<Message> = request.messages.iter().take_while(system).cloned().collect();
        // Unlike any prompt from its first letter on.
        messages.push(Message::user("\u{1}".to_owned()));
        let head = Request { messages, references: Vec::new(), ..request.clone() };
        let Ok(head) = self.prompt(&head) else { return 0 };
        let same = prompt.text.bytes().zip(head.text.bytes()).take_while(|(one, other)| one == other).count();
        let tokenizer = self.engine.tokenizer();
        let mut length = 0;
        let within = |&&id: &&u32| {
            length += tokenizer.token_bytes(id).len();
            length <= same
        };
        tokens.iter().take_while(within).count()
    }

    /// The trie of the vocabulary; built once, by whoever comes first.
    fn compiler(&self) -> &Result<GrammarCompiler, String> {
        self.grammar.get_or_init(|| {
            let tokenizer = Arc::clone(self.engine.tokenizer());
            GrammarCompiler::new(tokenizer, &self.engine.model().eos).map_err(|error| error.to_string())
        })
    }

    /// Whether there is nothing to constrain: such a request need not wait for the trie.
    fn is_free(&self, request: &Request) -> bool {
        request.tools.is_empty()
            && request.tool_choice != ToolChoice::Required
            && request.answer == AnswerForm::Text
            && self.info.capabilities.composes
    }

    /// Have the engine read the prompt while the trie that the request needs is still being made; `None` otherwise.
    fn read_early(
        &self,
        request: &Request,
        tokens: &[u32],
        keep: usize,
        cancel: &CancellationToken,
    ) -> Option<EngineEvents> {
        if self.is_free(request) || self.grammar.get().is_some() {
            return None;
        }
        let job = Job {
            prompt: tokens.to_vec(),
            sampling: Sampling::default(),
            max_tokens: 0,
            stop: Vec::new(),
            constraint: None,
            keep,
            references: Vec::new(),
        };
        Some(self.engine.generate(job, cancel.clone()))
    }

    fn constraint(
        &self,
        request: &Request,
        prompt: &Prompt,
    ) -> Result<Option<Box<dyn Constraint>>, ProviderError> {
        if self.is_free(request) {
            return Ok(None);
        }
        let compiler =
            self.compiler().as_ref().map_err(|message| ProviderError::Model { message: message.clone() })?;
        let constraint =
            tool_syntax::constrain(self.dialect.as_ref(), compiler, request, prompt.start, self.context())?;
        Ok(constraint.map(|constraint| Box::new(constraint) as Box<dyn Constraint>))
    }

    /// The texts that the answer may repeat, in tokens. One that cannot be encoded is only a guess less.
    fn references(&self, request: &Request) -> Vec<Vec<u32>> {
        let tokenizer = self.engine.tokenizer();
        request.references.iter().filter_map(|text| tokenizer.encode(text).ok()).collect()
    }

    fn run(
        &self,
        request: &Request,
        cancel: &CancellationToken,
        sender: &Sender,
    ) -> Result<(), ProviderError> {
        let stop_if_cancelled = || if cancel.is_cancelled() { Err(ProviderError::Cancelled) } else { Ok(()) };
        stop_if_cancelled()?;
        let prompt = self.prompt(request)?;
        let tokens = self.encode(&prompt)?;
        let limit = self.info.context_length;
        let least = LEAST_ROOM.min(limit / 8).min(request.max_tokens.unwrap_or(LEAST_ROOM)).max(1);
        if tokens.len() + least > limit {
            return Err(ProviderError::ContextOverflow { limit, needed: tokens.len() + least });
        }
        let room = limit - tokens.len();
        stop_if_cancelled()?;
        let keep = self.head_tokens(request, &prompt, &tokens);
        let early = self.read_early(request, &tokens, keep, cancel);
        let job = Job {
            constraint: self.constraint(request, &prompt)?,
            sampling: request.sampling.clone(),
            max_tokens: request.max_tokens.unwrap_or(room).min(room),
            stop: Vec::new(),
            keep,
            references: self.references(request),
            prompt: tokens.clone(),
        };
        let early = early.map(|events| follow(events, sender)).transpose()?;
        stop_if_cancelled()?;
        let mut events = self.engine.generate(job, cancel.clone());
        let mut reply = Reply::new(self, request, &prompt);
        let mut spoken = Utterance { text: prompt.text, tokens, untrusted: prompt.untrusted };
        while let Some(event) = events.blocking_recv() {
            let mut out = Vec::new();
            match event? {
                // All of this was said while it was read early.
                EngineEvent::Loading { .. } | EngineEvent::Prefill { .. } if early.is_some() => {}
                EngineEvent::Loading { done, total } => out.push(StreamEvent::Loading { done, total }),
                EngineEvent::Prefill { done, total } => out.push(StreamEvent::Prefill { done, total }),
                EngineEvent::Token(id) => {
                    spoken.tokens.push(id);
                    reply.push(id, &mut out)?;
                }
                EngineEvent::Finished { reason, mut usage } => {
                    usage.cached = usage.cached.min(early.unwrap_or(u64::MAX));
                    let reason = reply.finish(reason, &mut out)?;
                    spoken.text.push_str(&reply.text);
                    self.spoken.lock().unwrap_or_else(PoisonError::into_inner).add(spoken);
                    out.push(StreamEvent::Finished { reason, usage });
                    for event in out {
                        let _ = sender.blocking_send(Ok(event));
                    }
                    return Ok(());
                }
            }
            for event in out {
                if sender.blocking_send(Ok(event)).is_err() {
                    return Err(ProviderError::Cancelled);
                }
            }
        }
        stop_if_cancelled()?;
        Err(ProviderError::Model { message: "the engine ended without an answer".to_owned() })
    }
}

/// Pass on how a prompt is read; how many of its tokens were known before.
fn follow(mut events: EngineEvents, sender: &Sender) -> Result<u64, ProviderError> {
    while let Some(event) = events.blocking_recv() {
        let event = match event? {
            EngineEvent::Loading { done, total } => StreamEvent::Loading { done, total },
            EngineEvent::Prefill { done, total } => StreamEvent::Prefill { done, total },
            EngineEvent::Token(_) => continue,
            EngineEvent::Finished { usage, .. } => return Ok(usage.cached),
        };
        if sender.blocking_send(Ok(event)).is_err() {
            return Err(ProviderError::Cancelled);
        }
    }
    Err(ProviderError::Model { message: "the engine ended without a word".to_owned() })
}

/// One reply on its way from tokens to events.
struct Reply<'a> {
    inner: &'a Inner,
    parser: Box<dyn ReplyParser>,
    decoder: crate::tokenizer::StreamDecoder,
    /// Everything written, markers by name.
    text: String,
    ids: Ids,
    called: bool,
}

impl<'a> Reply<'a> {
    fn new(inner: &'a Inner, request: &Request, prompt: &Prompt) -> Self {
        Self {
            inner,
            parser: inner.dialect.parser(request, prompt.start),
            decoder: inner.engine.tokenizer().stream().with_control(),
            text: String::new(),
            ids: Ids::after(&request.messages),
            called: false,
        }
    }

    fn push(&mut self, id: u32, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError> {
        let tokenizer = self.inner.engine.tokenizer();
        if tokenizer.kind(id) == TokenKind::Control && !self.inner.markers.contains(&id) {
            // Counts as written, means nothing to the reader.
            self.text.push_str(&String::from_utf8_lossy(tokenizer.token_bytes(id)));
            return Ok(());
        }
        let piece = self.decoder.push(id);
        self.read(&piece, out)
    }

    fn read(&mut self, piece: &str, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError> {
        if piece.is_empty() {
            return Ok(());
        }
        self.text.push_str(piece);
        let mut events = Vec::new();
        self.parser.push(piece, &mut events)?;
        self.translate(events, out);
        Ok(())
    }

    fn finish(
        &mut self,
        reason: StopReason,
        out: &mut Vec<StreamEvent>,
    ) -> Result<FinishReason, ProviderError> {
        let rest = self.decoder.finish();
        self.read(&rest, out)?;
        let mut events = Vec::new();
        self.parser.finish(reason != StopReason::Length, &mut events)?;
        self.translate(events, out);
        Ok(match reason {
            StopReason::Length => FinishReason::Length,
            _ if self.called => FinishReason::ToolCalls,
            _ => FinishReason::Stop,
        })
    }

    fn translate(&mut self, events: Vec<ReplyEvent>, out: &mut Vec<StreamEvent>) {
        for event in events {
            out.push(match event {
                ReplyEvent::Text(text) => StreamEvent::Text(text),
                ReplyEvent::Reasoning(text) => StreamEvent::Reasoning(text),
                ReplyEvent::Compose(compose) => StreamEvent::Compose(compose),
                ReplyEvent::Call { name, arguments } => {
                    self.called = true;
                    StreamEvent::ToolCall(ToolCall { id: self.ids.next(), name, arguments })
                }
            });
        }
    }
}

impl From<SyntaxError> for ProviderError {
    fn from(error: SyntaxError) -> Self {
        let message = error.to_string();
        match error {
            SyntaxError::Template { .. } | SyntaxError::Request { .. } => Self::Rejected { message },
            SyntaxError::Reply { .. } => Self::Malformed { message },
        }
    }
}

impl From<TemplateError> for ProviderError {
    fn from(error: TemplateError) -> Self {
        match error {
            TemplateError::Refused { message } | TemplateError::Failed { message } => {
                Self::Rejected { message }
            }
            TemplateError::Unusable { message } => Self::Model { message },
        }
    }
}

impl From<TokenizerError> for ProviderError {
    fn from(error: TokenizerError) -> Self {
        Self::Model { message: error.to_string() }
    }
}

#[cfg(test)]
mod tests;
