//! Owns the OpenAI-compatible chat completions: one request, one stream of events.
//! Uses the wire format's own room for bodies and chunks.
//! Never reports a call before the stream has ended well.

mod wire;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use eventsource_stream::Eventsource;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, Response, Url};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::wire::{Answer, Chunk};
use super::fault::{self, Fault};
use super::{ApiKey, Patience};
use crate::provider::{
    Capabilities, EventStream, Provider, ProviderError, ProviderInfo, Request, StreamEvent,
};

/// A line of the stream, and the body of an answer that is no stream, end here.
const MAX_LINE_BYTES: usize = 4 << 20;
/// The body of an error is read this far.
const MAX_ERROR_BYTES: usize = 64 << 10;
/// A whole answer ends here.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Where a remote model is and how it is asked.
#[derive(Debug, Clone)]
pub struct OpenAiOptions {
    /// Up to and including the version: `https://host/v1`.
    pub base_url: String,
    /// The model's name on the wire.
    pub model: String,
    /// The key, if the server wants one.
    pub key: Option<ApiKey>,
    /// Send the key over plain HTTP to a host that is not this machine.
    pub plain_http: bool,
    /// Tokens the model holds.
    pub context_length: usize,
    /// Say `max_completion_tokens` instead of `max_tokens`, and nothing about sampling: the newer models of
    /// OpenAI insist on both.
    pub reasoning_model: bool,
    /// How long to wait.
    pub patience: Patience,
}

/// A model behind an OpenAI-compatible server.
#[derive(Debug, Clone)]
pub struct OpenAiProvider {
    client: Client,
    url: Url,
    options: OpenAiOptions,
    info: ProviderInfo,
}

impl OpenAiProvider {
    /// Check the address and get ready; nothing is sent yet.
    pub fn new(options: OpenAiOptions) -> Result<Self, ProviderError> {
        let rejected = |message: String| ProviderError::Rejected { message };
        let address = format!("{}/chat/completions", options.base_url.trim_end_matches('/'));
        let url = Url::parse(&address)
            .map_err(|error| rejected(format!("`{}` is no address: {error}", options.base_url)))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(rejected(format!("`{}` is no address of a web server", options.base_url)));
        }
        if url.scheme() == "http" && options.key.is_some() && !options.plain_http && !super::is_loopback(&url)
        {
            let host = url.host_str().unwrap_or_default();
            return Err(rejected(format!("the key would travel to {host} unencrypted")));
        }
        let client = super::client(&url, &options.patience)?;
        let info = ProviderInfo {
            model: options.model.clone(),
            provider: "openai".to_owned(),
            endpoint: Some(url.origin().ascii_serialization()),
            local: false,
            context_length: options.context_length,
            capabilities: Capabilities { composes: true, ..Capabilities::default() },
            price: None,
        };
        Ok(Self { client, url, options, info })
    }

    async fn run(self, request: Request, sender: mpsc::UnboundedSender<Event>) -> Result<(), ProviderError> {
        let body = wire::body(&request, &self.options);
        let response = self.connect(&body).await?;
        let mut answer = Answer::new(&request, self.options.context_length);
        let is_stream = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_none_or(|kind| !kind.to_ascii_lowercase().contains("json"));
        if is_stream {
            self.read_stream(response, &mut answer, &sender).await?;
        } else {
            let body = read_body(response, MAX_LINE_BYTES, self.options.patience.idle).await?;
            emit(&sender, answer.take_whole(&body)?);
        }
        emit(&sender, answer.finish()?);
        Ok(())
    }

    /// Send the request until a server answers it, as often as patience allows.
    async fn connect(&self, body: &Value) -> Result<Response, ProviderError> {
        let patience = &self.options.patience;
        let mut attempt = 0;
        loop {
            let fault = match self.send(body).await {
                Ok(response) => return Ok(response),
                Err(fault) => fault,
            };
            attempt += 1;
            let too_long = fault.wait.is_some_and(|wait| wait > patience.longest_wait);
            if !fault.again || attempt > patience.retries || too_long {
                return Err(fault.error);
            }
            tokio::time::sleep(patience.wait(attempt, fault.wait)).await;
        }
    }

    async fn send(&self, body: &Value) -> Result<Response, Fault> {
        let mut request = self.client.post(self.url.clone()).header(ACCEPT, "text/event-stream").json(body);
        if let Some(key) = &self.options.key {
            request = request.header(AUTHORIZATION, key.bearer().map_err(Fault::last)?);
        }
        let first_byte = self.options.patience.first_byte;
        let response = match tokio::time::timeout(first_byte, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(fault::of_connection(&error.without_url())),
            Err(_) => {
                // The server may be at work on the first request still: a second one would not be faster.
                let message = format!("no answer within {} s", first_byte.as_secs_f64());
                return Err(Fault::last(ProviderError::Unavailable { message }));
            }
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let headers = response.headers().clone();
        let body =
            read_body(response, MAX_ERROR_BYTES, self.options.patience.idle.min(Duration::from_secs(10)))
                .await
                .unwrap_or_default();
        Err(fault::of_status(status, &headers, &body, self.options.context_length))
    }

    async fn read_stream(
        &self,
        response: Response,
        answer: &mut Answer,
        sender: &mpsc::UnboundedSender<Event>,
    ) -> Result<(), ProviderError> {
        let idle = self.options.patience.idle;
        let bytes = response.bytes_stream().map_err(|error| ProviderError::Unavailable {
            message: format!("the connection broke in mid-answer: {}", fault::chain(&error.without_url())),
        });
        let capped = capped(bytes);
        let mut events = Box::pin(capped.eventsource());
        // Comments keep a connection alive, but an answer that never goes on is none: the clock runs from event to event.
        loop {
            let event = match tokio::time::timeout(idle, events.next()).await {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(()),
                Err(_) => {
                    let message = format!("the answer stopped for {} s", idle.as_secs_f64());
                    return Err(ProviderError::Unavailable { message });
                }
            };
            let event = event.map_err(|error| match error {
                eventsource_stream::EventStreamError::Transport(error) => error,
                other => ProviderError::Malformed { message: other.to_string() },
            })?;
            let data = event.data.trim();
            if data == "[DONE]" {
                answer.done = true;
                return Ok(());
            }
            if data.is_empty() {
                continue;
            }
            let chunk: Chunk = serde_json::from_str(data).map_err(|error| ProviderError::Malformed {
                message: format!("a piece of the answer is not what it should be: {error}"),
            })?;
            emit(sender, answer.take(chunk)?);
        }
    }

    fn redacted(&self, error: ProviderError) -> ProviderError {
        let Some(key) = &self.options.key else { return error };
        match error {
            ProviderError::Unauthorized { message } => {
                ProviderError::Unauthorized { message: key.redact(&message) }
            }
            ProviderError::Rejected { message } => ProviderError::Rejected { message: key.redact(&message) },
            ProviderError::Unavailable { message } => {
                ProviderError::Unavailable { message: key.redact(&message) }
            }
            ProviderError::Malformed { message } => {
                ProviderError::Malformed { message: key.redact(&message) }
            }
            other => other,
        }
    }
}

type Event = Result<StreamEvent, ProviderError>;

fn emit(sender: &mpsc::UnboundedSender<Event>, events: Vec<StreamEvent>) {
    for event in events {
        // The receiver is polled together with the sender: while one runs, the other is there.
        let _ = sender.send(Ok(event));
    }
}

/// The bytes of an answer, ended with an error where a line or the whole grows too long.
fn capped<B: AsRef<[u8]>>(
    bytes: impl Stream<Item = Result<B, ProviderError>>,
) -> impl Stream<Item = Result<B, ProviderError>> {
    let mut line = 0_usize;
    let mut total = 0_usize;
    bytes.map(move |piece| {
        let piece = piece?;
        let data = piece.as_ref();
        total += data.len();
        line = match data.iter().rposition(|&byte| byte == b'\n' || byte == b'\r') {
            Some(at) => data.len() - at - 1,
            None => line + data.len(),
        };
        if line > MAX_LINE_BYTES || total > MAX_ANSWER_BYTES {
            return Err(ProviderError::Malformed { message: "the answer does not end".to_owned() });
        }
        Ok(piece)
    })
}

/// The body as text, up to `limit` bytes.
async fn read_body(response: Response, limit: usize, patience: Duration) -> Result<String, ProviderError> {
    let mut bytes = Vec::new();
    let mut pieces = response.bytes_stream();
    loop {
        match tokio::time::timeout(patience, pieces.next()).await {
            Ok(None) => break,
            Ok(Some(Ok(piece))) => bytes.extend_from_slice(&piece),
            Ok(Some(Err(error))) => {
                return Err(ProviderError::Unavailable { message: fault::chain(&error.without_url()) });
            }
            Err(_) => {
                return Err(ProviderError::Unavailable { message: "the answer stopped".to_owned() });
            }
        }
        if bytes.len() > limit {
            bytes.truncate(limit);
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Provider for OpenAiProvider {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    fn stream(&self, request: Request, cancel: CancellationToken) -> EventStream {
        let (sender, receiver) = mpsc::unbounded_channel();
        let this = self.clone();
        let driver = async move {
            let result = cancel.run_until_cancelled(this.clone().run(request, sender.clone())).await;
            if let Err(error) = result.unwrap_or(Err(ProviderError::Cancelled)) {
                let _ = sender.send(Err(this.redacted(error)));
            }
        };
        let driver: Driver = Box::pin(driver);
        Box::pin(stream::unfold((Some(driver), receiver), next))
    }

    fn count_tokens(&self, _request: &Request) -> Option<usize> {
        None
    }
}

type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The next event. The exchange itself runs while somebody asks for events, and ends when nobody does.
async fn next(
    (mut driver, mut receiver): (Option<Driver>, mpsc::UnboundedReceiver<Event>),
) -> Option<(Event, (Option<Driver>, mpsc::UnboundedReceiver<Event>))> {
    let event = std::future::poll_fn(|context: &mut Context<'_>| {
        if let Poll::Ready(event) = receiver.poll_recv(context) {
            return Poll::Ready(event);
        }
        if let Some(running) = driver.as_mut()
            && running.as_mut().poll(context).is_ready()
        {
            driver = None;
        }
        receiver.poll_recv(context)
    })
    .await?;
    Some((event, (driver, receiver)))
}

#[cfg(test)]
mod tests;
