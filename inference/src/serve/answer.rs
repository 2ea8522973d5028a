//! Owns what is sent back for a conversation: one object, or a stream of pieces as they are written.
//! Uses the events of the provider.
//! Never goes on writing for somebody who has left: the answer is dropped with its connection.

mod stops;

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use self::stops::Stops;
use super::Served;
use super::chat::Asked;
use super::error::Fault;
use super::registry::Lease;
use crate::provider::{
    Compose, EventStream, FinishReason, Provider, ProviderError, StreamEvent, TokenUsage, ToolCall,
};

/// A request that has its model and its turn.
pub(super) struct Begun {
    pub(super) asked: Asked,
    pub(super) model: String,
    pub(super) number: u64,
    pub(super) lease: Lease<Arc<dyn Provider>>,
    pub(super) slot: OwnedSemaphorePermit,
}

/// An answer on its way. Dropping it ends the generation within a token.
struct Answer {
    events: EventStream,
    stops: Stops,
    one_call: bool,
    usage_wanted: bool,
    calls: usize,
    /// Everything that was written, to count its tokens where it is cut off here.
    written: String,
    prompt_tokens: u64,
    /// The first event, which was waited for before the status was sent.
    first: Option<Result<StreamEvent, ProviderError>>,
    head: Head,
    /// The service ends.
    stop: CancellationToken,
    lease: Lease<Arc<dyn Provider>>,
    _slot: OwnedSemaphorePermit,
}

/// What every object of an answer says.
struct Head {
    id: String,
    created: u64,
    model: String,
}

/// One thing that happened, in the words of the protocol.
enum Piece {
    /// Nothing that is shown: the prompt is being read.
    Comment(String),
    Text(String),
    Reasoning(String),
    Call(ToolCall),
    Finished {
        reason: &'static str,
        usage: TokenUsage,
    },
}

/// The next event, or that the service ends.
async fn next_of(
    events: &mut EventStream,
    stop: &CancellationToken,
) -> Option<Result<StreamEvent, ProviderError>> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Some(Err(ProviderError::Cancelled)),
        event = events.next() => event,
    }
}

/// Answer a request.
pub(super) async fn give(shared: &Served, begun: Begun) -> Result<Response, Fault> {
    let Begun { asked, model, number, lease, slot } = begun;
    let created = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    let head = Head {
        id: format!("chatcmpl-{:x}-{number:x}", shared.began),
        created: created.unwrap_or_default().as_secs(),
        model,
    };
    let provider = &lease.model;
    let stop = shared.stop.clone();
    let mut events = provider.stream(asked.request, stop.child_token());
    // Whatever is wrong with the request is known before the first event: then it is a status and no broken stream.
    let first = next_of(&mut events, &stop).await;
    if let Some(Err(error)) = first {
        return Err(error.into());
    }
    let answer = Answer {
        events,
        stops: Stops::new(asked.stops),
        one_call: asked.one_call,
        usage_wanted: asked.usage,
        calls: 0,
        written: String::new(),
        prompt_tokens: 0,
        first,
        head,
        stop,
        lease,
        _slot: slot,
    };
    if asked.stream { Ok(answer.streamed()) } else { answer.whole().await }
}

impl Answer {
    /// What happens next; `None` behind the end.
    async fn next(&mut self) -> Result<Vec<Piece>, Fault> {
        let event = match self.first.take() {
            Some(event) => Some(event),
            None => next_of(&mut self.events, &self.stop).await,
        };
        let event = event.unwrap_or_else(|| {
            Err(ProviderError::Malformed { message: "the answer ended in the middle".to_owned() })
        })?;
        Ok(match event {
            StreamEvent::Loading { done, total } => {
                vec![Piece::Comment(format!("loading {done} of {total} bytes"))]
            }
            StreamEvent::Prefill { done, total } => {
                self.prompt_tokens = total as u64;
                vec![Piece::Comment(format!("reading {done} of {total} tokens"))]
            }
            StreamEvent::Retrying { reason, .. } => vec![Piece::Comment(reason.replace(['\r', '\n'], " "))],
            StreamEvent::Reasoning(text) => {
                self.written.push_str(&text);
                vec![Piece::Reasoning(text)]
            }
            StreamEvent::Text(text) => self.text(&text),
            StreamEvent::Compose(compose) => vec![Piece::Text(words(compose).to_owned())],
            StreamEvent::ToolCall(call) => {
                // What is held back might have become the beginning of a text that ends the answer: it did not.
                let mut pieces: Vec<Piece> = self.stops.rest().into_iter().map(Piece::Text).collect();
                self.calls += 1;
                if self.one_call {
                    self.written.push_str(&serde_json::to_string(&call).unwrap_or_default());
                    pieces.push(Piece::Call(call));
                    pieces.push(self.cut_off("tool_calls"));
                } else {
                    pieces.push(Piece::Call(call));
                }
                pieces
            }
            StreamEvent::Finished { reason, usage } => {
                let mut pieces: Vec<Piece> = self.stops.rest().into_iter().map(Piece::Text).collect();
                let reason = match reason {
                    FinishReason::Stop => "stop",
                    FinishReason::ToolCalls => "tool_calls",
                    FinishReason::Length => "length",
                };
                pieces.push(Piece::Finished { reason, usage });
                pieces
            }
        })
    }

    fn text(&mut self, text: &str) -> Vec<Piece> {
        self.written.push_str(text);
        let (sure, stopped) = self.stops.push(text);
        let mut pieces: Vec<Piece> = (!sure.is_empty()).then_some(Piece::Text(sure)).into_iter().collect();
        if stopped {
            pieces.push(self.cut_off("stop"));
        }
        pieces
    }

    /// The end, before the model came to it. What it wrote until then is counted, for it does not say so any more.
    fn cut_off(&self, reason: &'static str) -> Piece {
        let count = self.lease.model.count_text(&self.written);
        let completion = count.unwrap_or_else(|| self.written.len().div_ceil(4)) as u64;
        let usage = TokenUsage { prompt: self.prompt_tokens, completion, ..TokenUsage::default() };
        Piece::Finished { reason, usage }
    }

    /// The whole answer, once it is there.
    async fn whole(mut self) -> Result<Response, Fault> {
        let (mut text, mut reasoning) = (String::new(), String::new());
        let mut calls = Vec::new();
        let (reason, usage) = loop {
            let mut end = None;
            for piece in self.next().await? {
                match piece {
                    Piece::Comment(_) => {}
                    Piece::Text(piece) => text.push_str(&piece),
                    Piece::Reasoning(piece) => reasoning.push_str(&piece),
                    Piece::Call(call) => calls.push(as_json(&call)),
                    Piece::Finished { reason, usage } => end = Some((reason, usage)),
                }
            }
            if let Some(end) = end {
                break end;
            }
        };
        let content = if text.is_empty() && !calls.is_empty() { Value::Null } else { text.into() };
        let mut message = json!({ "role": "assistant", "content": content, "refusal": null });
        if !reasoning.is_empty() {
            message["reasoning_content"] = reasoning.into();
        }
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        let choice = json!({ "index": 0, "message": message, "logprobs": null, "finish_reason": reason });
        let mut object = self.head.object("chat.completion", json!([choice]));
        object["usage"] = spent(&usage);
        Ok(super::answer(StatusCode::OK, &object))
    }

    /// The answer piece by piece, as server-sent events.
    fn streamed(self) -> Response {
        let mut response = Response::new(Body::from_stream(self.lines()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn lines(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        let begin = self.chunk(json!({ "role": "assistant", "content": "" }), None);
        let begin = futures::stream::once(async move { Ok(Bytes::from(begin)) });
        let rest = futures::stream::unfold(Some(self), |answer| async move {
            let mut answer = answer?;
            let mut out = String::new();
            let mut over = false;
            match answer.next().await {
                Ok(pieces) => {
                    for piece in pieces {
                        over |= matches!(piece, Piece::Finished { .. });
                        answer.write(piece, &mut out);
                    }
                }
                Err(fault) => {
                    over = true;
                    // Writing to a string cannot fail.
                    let _ = write!(out, "data: {}\n\n", fault.as_json());
                }
            }
            Some((Ok(Bytes::from(out)), (!over).then_some(answer)))
        });
        // An empty piece would end the body.
        begin.chain(rest).filter(|bytes| {
            let some = bytes.as_ref().is_ok_and(|bytes| !bytes.is_empty());
            async move { some }
        })
    }

    fn write(&self, piece: Piece, out: &mut String) {
        match piece {
            Piece::Comment(text) => {
                let _ = write!(out, ": {text}\n\n");
            }
            Piece::Text(text) => out.push_str(&self.chunk(json!({ "content": text }), None)),
            Piece::Reasoning(text) => out.push_str(&self.chunk(json!({ "reasoning_content": text }), None)),
            Piece::Call(call) => {
                let mut call = as_json(&call);
                call["index"] = (self.calls.saturating_sub(1)).into();
                out.push_str(&self.chunk(json!({ "tool_calls": [call] }), None));
            }
            Piece::Finished { reason, usage } => {
                out.push_str(&self.chunk(json!({}), Some(reason)));
                if self.usage_wanted {
                    let mut object = self.head.object("chat.completion.chunk", json!([]));
                    object["usage"] = spent(&usage);
                    let _ = write!(out, "data: {object}\n\n");
                }
                out.push_str("data: [DONE]\n\n");
            }
        }
    }

    fn chunk(&self, delta: Value, reason: Option<&str>) -> String {
        let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason });
        let mut object = self.head.object("chat.completion.chunk", json!([choice]));
        if self.usage_wanted {
            object["usage"] = Value::Null;
        }
        format!("data: {object}\n\n")
    }
}

impl Head {
    fn object(&self, kind: &str, choices: Value) -> Value {
        json!({
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": concat!("loci-", env!("CARGO_PKG_VERSION")),
            "choices": choices,
        })
    }
}

fn as_json(call: &ToolCall) -> Value {
    let arguments = Value::Object(call.arguments.clone()).to_string();
    json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": arguments } })
}

fn spent(usage: &TokenUsage) -> Value {
    json!({
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": { "cached_tokens": usage.cached },
        "completion_tokens_details": { "reasoning_tokens": usage.reasoning },
    })
}

/// What a model that leaves the wording to the program says where there is none to word it.
fn words(compose: Compose) -> &'static str {
    match compose {
        Compose::Answer => {
            "The results above are the answer: this model calls tools and words nothing itself."
        }
        Compose::Decline => "This needs a larger model.",
        Compose::Smalltalk => "This is the built-in model of Loci: it calls tools and words nothing itself.",
    }
}
