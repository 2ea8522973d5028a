//! Owns the scripted provider: a model whose every answer is written down beforehand.
//! Uses serde to read scripts and the seam in `provider`.
//! Never samples anything, and never reaches a network.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::provider::{
    Capabilities, Compose, EventStream, FinishReason, Message, Provider, ProviderError, ProviderInfo,
    Request, StreamEvent, TokenUsage, ToolCall,
};

/// A whole script. In JSON it is either this object or just the array of its steps.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// The name that the model goes by.
    pub model: String,
    /// Tokens that the model pretends to hold.
    pub context_length: usize,
    /// See [`Capabilities::composes`].
    pub composes: bool,
    /// See [`Capabilities::grounded`].
    pub grounded: bool,
    /// Begin again after the last step, for benchmarks; requests are then not recorded.
    pub repeat: bool,
    /// Count a token for every so many bytes of the request; 0 leaves counting to the caller.
    pub bytes_per_token: usize,
    /// One for each request, in order.
    pub steps: Vec<Step>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            model: "scripted".into(),
            context_length: 32_768,
            composes: true,
            grounded: false,
            repeat: false,
            bytes_per_token: 0,
            steps: Vec::new(),
        }
    }
}

/// The answer to one request.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    /// What the request must look like; anything else is answered with an error that says what is missing.
    pub expect: Expectation,
    /// What is streamed. Without a `finish` or an `error` at the end, a fitting end is added.
    pub events: Vec<ScriptEvent>,
}

/// What a request must look like.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expectation {
    /// Texts that must stand somewhere in the messages.
    pub contains: Vec<String>,
    /// Texts that must not.
    pub lacks: Vec<String>,
    /// Texts that must stand in the newest message.
    pub last_contains: Vec<String>,
    /// Tools that must be offered.
    pub tools: Vec<String>,
}

/// One streamed event.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptEvent {
    /// A piece of the answer.
    Text(String),
    /// The same piece of text again and again.
    RepeatText {
        /// The piece.
        text: String,
        /// How often.
        times: usize,
    },
    /// A piece of reasoning.
    Reasoning(String),
    /// A whole call.
    Call {
        /// Made up from the step's number when missing.
        #[serde(default)]
        id: Option<String>,
        /// The tool.
        name: String,
        /// The arguments.
        #[serde(default)]
        arguments: Map<String, Value>,
    },
    /// The model leaves the wording to the program.
    Compose(Compose),
    /// Loading, in bytes.
    Loading {
        /// Bytes read.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// Reading the prompt, in tokens.
    Prefill {
        /// Tokens processed.
        done: usize,
        /// Tokens in all.
        total: usize,
    },
    /// Wait for so many milliseconds.
    DelayMs(u64),
    /// Wait until cancelled.
    Hang,
    /// Fail.
    Error(ScriptError),
    /// End.
    Finish(ScriptFinish),
}

/// The failures a script can name; the same as [`ProviderError`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptError {
    /// The prompt is too long.
    ContextOverflow {
        /// Tokens the model holds.
        limit: usize,
        /// Tokens needed.
        needed: usize,
    },
    /// Too many requests.
    RateLimited {
        /// How long to wait.
        #[serde(default)]
        retry_after_ms: Option<u64>,
    },
    /// Bad credentials.
    Unauthorized(String),
    /// Bad request.
    Rejected(String),
    /// Out of reach.
    Unavailable(String),
    /// A broken answer.
    Malformed(String),
    /// A bad model file.
    Model(String),
}

/// How a scripted step ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptFinish {
    /// The text ended.
    Stop,
    /// Tools were called.
    ToolCalls,
    /// The limit on new tokens was reached.
    Length,
    /// The stream breaks off without an end, as a lost connection does.
    Vanish,
}

/// Why a script cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptFileError {
    /// Name another file.
    #[error("cannot read the script {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Correct the script.
    #[error("the script is not valid: {message}")]
    Invalid {
        /// What is wrong, with line and column where known.
        message: String,
    },
}

/// Replays a [`Script`]; each request takes the next step.
#[derive(Debug)]
pub struct Scripted {
    info: ProviderInfo,
    script: Script,
    progress: Mutex<Played>,
}

#[derive(Debug, Default)]
struct Played {
    next: usize,
    requests: Vec<Request>,
}

impl Script {
    /// Read a script from JSON text.
    ///
    /// # Errors
    /// `Invalid`, with the place.
    pub fn from_json(text: &str) -> Result<Self, ScriptFileError> {
        let invalid = |error: serde_json::Error| ScriptFileError::Invalid { message: error.to_string() };
        if text.trim_start().starts_with('[') {
            let steps = serde_json::from_str(text).map_err(invalid)?;
            return Ok(Self { steps, ..Self::default() });
        }
        serde_json::from_str(text).map_err(invalid)
    }
}

impl Scripted {
    /// A provider that replays `script`.
    #[must_use]
    pub fn new(script: Script) -> Self {
        let info = ProviderInfo {
            model: script.model.clone(),
            provider: "scripted".into(),
            endpoint: None,
            local: true,
            context_length: script.context_length,
            capabilities: Capabilities {
                composes: script.composes,
                grounded: script.grounded,
                images: false,
            },
            price: None,
        };
        Self { info, script, progress: Mutex::default() }
    }

    /// A provider that replays a script in JSON.
    ///
    /// # Errors
    /// `Invalid` when it is no script.
    pub fn from_json(text: &str) -> Result<Self, ScriptFileError> {
        Script::from_json(text).map(Self::new)
    }

    /// A provider that replays the script in a file.
    ///
    /// # Errors
    /// `Read` when there is no such file, `Invalid` when it is no script.
    pub fn open(path: &Path) -> Result<Self, ScriptFileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScriptFileError::Read { path: path.into(), source })?;
        let mut script = Script::from_json(&text)?;
        if script.model == Script::default().model
            && let Some(stem) = path.file_stem()
        {
            script.model = stem.to_string_lossy().into_owned();
        }
        Ok(Self::new(script))
    }

    /// The requests so far, oldest first; empty for a repeating script.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).requests.clone()
    }

    /// The number of the next step and the step, or why there is none.
    fn take(&self, request: &Request) -> Result<(usize, Step), ProviderError> {
        let mut played = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let number = played.next;
        played.next += 1;
        if !self.script.repeat {
            played.requests.push(request.clone());
        }
        let steps = self.script.steps.len();
        let index = if self.script.repeat && steps > 0 { number % steps } else { number };
        let Some(step) = self.script.steps.get(index) else {
            return Err(ProviderError::Rejected {
                message: format!(
                    "the script is exhausted: it has {steps} steps, and step {} was asked for",
                    number + 1
                ),
            });
        };
        step.expect.verify(request).map_err(|what| ProviderError::Rejected {
            message: format!("step {} of the script expected {what}", number + 1),
        })?;
        Ok((number, step.clone()))
    }
}

impl Expectation {
    fn verify(&self, request: &Request) -> Result<(), String> {
        let texts: Vec<String> = request.messages.iter().map(text_of).collect();
        let last = texts.last().map(String::as_str).unwrap_or_default();
        for wanted in &self.contains {
            if !texts.iter().any(|text| text.contains(wanted)) {
                return Err(format!("the request to contain {wanted:?}"));
            }
        }
        for wanted in &self.last_contains {
            if !last.contains(wanted) {
                return Err(format!("the newest message to contain {wanted:?}; it is {last:?}"));
            }
        }
        for unwanted in &self.lacks {
            if texts.iter().any(|text| text.contains(unwanted)) {
                return Err(format!("the request not to contain {unwanted:?}"));
            }
        }
        for name in &self.tools {
            if !request.tools.iter().any(|tool| tool.name == *name) {
                return Err(format!("the tool {name} to be offered"));
            }
        }
        Ok(())
    }
}

fn text_of(message: &Message) -> String {
    match message {
        Message::System { text } | Message::User { text, .. } | Message::Tool { text, .. } => text.clone(),
        Message::Assistant { text, calls, .. } => {
            let mut all = text.clone();
            for call in calls {
                all.push_str(&format!("\n{} {}", call.name, Value::Object(call.arguments.clone())));
            }
            all
        }
    }
}

impl ScriptError {
    fn into_error(self) -> ProviderError {
        match self {
            Self::ContextOverflow { limit, needed } => ProviderError::ContextOverflow { limit, needed },
            Self::RateLimited { retry_after_ms } => {
                ProviderError::RateLimited { retry_after: retry_after_ms.map(Duration::from_millis) }
            }
            Self::Unauthorized(message) => ProviderError::Unauthorized { message },
            Self::Rejected(message) => ProviderError::Rejected { message },
            Self::Unavailable(message) => ProviderError::Unavailable { message },
            Self::Malformed(message) => ProviderError::Malformed { message },
            Self::Model(message) => ProviderError::Model { message },
        }
    }
}

/// One thing the player does.
enum Act {
    Emit(StreamEvent),
    Fail(ProviderError),
    Wait(Duration),
    Hang,
}

fn acts(number: usize, step: Step, prompt_tokens: u64) -> Vec<Act> {
    let mut acts = Vec::new();
    let mut called = 0_usize;
    let mut written = 0_u64;
    let mut ended = false;
    let usage = |written: u64| TokenUsage {
        prompt: prompt_tokens,
        cached: 0,
        completion: written.div_ceil(4),
        ..TokenUsage::default()
    };
    for event in step.events {
        match event {
            ScriptEvent::Text(text) => {
                written += text.len() as u64;
                acts.push(Act::Emit(StreamEvent::Text(text)));
            }
            ScriptEvent::RepeatText { text, times } => {
                for _ in 0..times {
                    written += text.len() as u64;
                    acts.push(Act::Emit(StreamEvent::Text(text.clone())));
                }
            }
            ScriptEvent::Reasoning(text) => acts.push(Act::Emit(StreamEvent::Reasoning(text))),
            ScriptEvent::Call { id, name, arguments } => {
                called += 1;
                let id = id.unwrap_or_else(|| format!("call_{}_{called}", number + 1));
                acts.push(Act::Emit(StreamEvent::ToolCall(ToolCall { id, name, arguments })));
            }
            ScriptEvent::Compose(compose) => acts.push(Act::Emit(StreamEvent::Compose(compose))),
            ScriptEvent::Loading { done, total } => {
                acts.push(Act::Emit(StreamEvent::Loading { done, total }));
            }
            ScriptEvent::Prefill { done, total } => {
                acts.push(Act::Emit(StreamEvent::Prefill { done, total }));
            }
            ScriptEvent::DelayMs(delay) => acts.push(Act::Wait(Duration::from_millis(delay))),
            ScriptEvent::Hang => acts.push(Act::Hang),
            ScriptEvent::Error(error) => {
                acts.push(Act::Fail(error.into_error()));
                ended = true;
                break;
            }
            ScriptEvent::Finish(finish) => {
                let reason = match finish {
                    ScriptFinish::Stop => Some(FinishReason::Stop),
                    ScriptFinish::ToolCalls => Some(FinishReason::ToolCalls),
                    ScriptFinish::Length => Some(FinishReason::Length),
                    ScriptFinish::Vanish => None,
                };
                if let Some(reason) = reason {
                    acts.push(Act::Emit(StreamEvent::Finished { reason, usage: usage(written) }));
                }
                ended = true;
                break;
            }
        }
    }
    if !ended {
        let reason = if called > 0 { FinishReason::ToolCalls } else { FinishReason::Stop };
        acts.push(Act::Emit(StreamEvent::Finished { reason, usage: usage(written) }));
    }
    acts
}

/// Bytes of everything the request says.
fn bytes_of(request: &Request) -> usize {
    let messages: usize = request.messages.iter().map(|message| text_of(message).len() + 8).sum();
    let tools: usize = request
        .tools
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + tool.parameters.to_string().len())
        .sum();
    messages + tools
}

impl Provider for Scripted {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    fn stream(&self, request: Request, cancel: CancellationToken) -> EventStream {
        let bytes_per_token = if self.script.bytes_per_token == 0 { 4 } else { self.script.bytes_per_token };
        let prompt_tokens = (bytes_of(&request) / bytes_per_token) as u64;
        let acts = match self.take(&request) {
            Ok((number, step)) => acts(number, step, prompt_tokens),
            Err(error) => vec![Act::Fail(error)],
        };
        let played = futures::stream::iter(acts).then(move |act| {
            let cancel = cancel.clone();
            async move {
                let wait = match &act {
                    Act::Wait(delay) => Some(*delay),
                    Act::Hang => Some(Duration::MAX),
                    Act::Emit(_) | Act::Fail(_) => None,
                };
                if let Some(delay) = wait {
                    tokio::select! {
                        () = cancel.cancelled() => return Some(Err(ProviderError::Cancelled)),
                        () = tokio::time::sleep(delay.min(Duration::from_secs(86_400))) => return None,
                    }
                }
                if cancel.is_cancelled() {
                    return Some(Err(ProviderError::Cancelled));
                }
                match act {
                    Act::Emit(event) => Some(Ok(event)),
                    Act::Fail(error) => Some(Err(error)),
                    Act::Wait(_) | Act::Hang => None,
                }
            }
        });
        Box::pin(played.filter_map(|event| async move { event }))
    }

    fn count_tokens(&self, request: &Request) -> Option<usize> {
        (self.script.bytes_per_token > 0).then(|| bytes_of(request) / self.script.bytes_per_token)
    }

    fn count_text(&self, text: &str) -> Option<usize> {
        (self.script.bytes_per_token > 0).then(|| text.len().div_ceil(self.script.bytes_per_token))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use crate::provider::ToolSpec;

    fn request(text: &str) -> Request {
        Request {
            messages: vec![Message::user(text)],
            tools: vec![ToolSpec {
                name: "read".into(),
                description: String::new(),
                parameters: serde_json::json!({}),
            }],
            ..Request::default()
        }
    }

    async fn play(provider: &Scripted, text: &str) -> Vec<String> {
        provider
            .stream(request(text), CancellationToken::new())
            .map(|event| match event {
                Ok(event) => format!("{event:?}"),
                Err(error) => format!("error: {error}"),
            })
            .collect()
            .await
    }

    #[tokio::test]
    async fn steps_replay_in_order_and_then_say_that_they_are_exhausted() {
        let script = Script::from_json(
            r#"[{"expect": {"contains": ["hello"], "tools": ["read"]},
                 "events": [{"text": "Hi"}, {"call": {"name": "read", "arguments": {"path": "a"}}}]},
                {"expect": {"lacks": ["again"]}, "events": [{"compose": "answer"}]}]"#,
        )
        .unwrap();
        let provider = Scripted::new(script);
        let first = play(&provider, "hello").await;
        assert_eq!(first.len(), 3);
        assert!(first[1].contains("call_1_1") && first[2].contains("ToolCalls"), "{first:?}");
        let second = play(&provider, "again").await;
        assert_eq!(
            second,
            [
                "error: the provider rejected the request: step 2 of the script expected the request not to contain \"again\""
            ]
        );
        let third = play(&provider, "more").await;
        assert_eq!(
            third,
            [
                "error: the provider rejected the request: the script is exhausted: it has 2 steps, and step 3 was asked for"
            ]
        );
        assert_eq!(provider.requests().len(), 3);
    }

    #[tokio::test]
    async fn a_hanging_step_ends_when_cancelled() {
        let provider = Scripted::new(
            Script::from_json(r#"[{"events": [{"text": "a"}, "hang", {"text": "b"}]}]"#).unwrap(),
        );
        let cancel = CancellationToken::new();
        let mut stream = provider.stream(request("x"), cancel.clone());
        assert!(matches!(stream.next().await, Some(Ok(StreamEvent::Text(_)))));
        cancel.cancel();
        assert!(matches!(stream.next().await, Some(Err(ProviderError::Cancelled))));
    }

    #[test]
    fn bad_scripts_are_named() {
        let check = |text: &str, expect: &str| {
            let error = Script::from_json(text).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check("", "EOF");
        check("[{\"events\": [{\"txt\": \"\"}]}]", "txt");
        check("{\"stepz\": []}", "stepz");
    }
}
