//! Owns the exchange with a service: sending, waiting, asking again, going on after a break.
//! Uses the wire formats for bodies and pieces, and patience for how long and how often.
//! Never sends before the witness agreed, and never asks again without an end.

mod events;
mod read;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use reqwest::Response;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::answer::Answer;
use super::fault::{self, Fault};
use super::{Event, RemoteProvider, wire};
use crate::catalog::Protocol;
use crate::provider::{Message, ProviderError, Request, StreamEvent, TokenUsage};
use crate::witness::Sending;

/// What a model is told whose answer broke off. Some services let the assistant's words be continued without it, and
/// some refuse a request that ends with them: all of them take this.
const GO_ON: &str = "[The connection broke while you were answering; your words so far stand above. Go on exactly where \
they end: repeat nothing, explain nothing.]";

/// The future that runs an exchange.
pub(super) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Ask until there is a whole answer, as often as patience allows.
pub(super) async fn run(
    provider: &RemoteProvider,
    request: Request,
    sender: &mpsc::UnboundedSender<Event>,
) -> Result<(), ProviderError> {
    let options = &provider.options;
    let mut said = String::new();
    let mut spent = TokenUsage::default();
    let (mut tries, mut attempt) = (0, 0);
    let mut streaming = true;
    let mut body = body(provider, &request, &said, streaming)?;
    loop {
        attempt += 1;
        let mut answer = Answer::new(&request, &said, options.context_length);
        let result = match send(provider, &request, &body, attempt).await {
            Ok(response) => read::answer(provider, response, &mut answer, sender).await,
            Err(fault) => Err(fault),
        };
        // What came after the end, and a connection that broke there, change nothing.
        let result = match result {
            Err(fault) if !(fault.again && answer.ended()) => Err(fault),
            _ => answer.finish(spent),
        };
        let fault = match result {
            Ok(whole) => {
                let mut kept = provider.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                whole.kept.into_iter().for_each(|(id, value)| kept.put(id, value));
                drop(kept);
                emit(sender, whole.events);
                return Ok(());
            }
            Err(fault) => fault,
        };
        // Words that were held back count as not said: the next try says them again.
        emit(sender, answer.drain());
        let patience = &options.patience;
        let too_long = fault.wait.is_some_and(|wait| wait > patience.longest_wait);
        if !fault.again || tries >= patience.retries || too_long {
            return Err(fault.error);
        }
        if !answer.said().is_empty() {
            said.push_str(answer.said());
            add(&mut spent, *answer.usage());
            body = self::body(provider, &request, &said, streaming)?;
            attempt = 0;
        }
        // Some servers (llama-cpp-python, for one) say what is wrong only where nothing is streamed.
        if fault.silent && streaming && options.protocol == Protocol::Chat {
            streaming = false;
            body = self::body(provider, &request, &said, streaming)?;
            attempt = 0;
        }
        tries += 1;
        let wait = patience.wait(tries, fault.wait);
        let reason = provider.redacted(fault.error).to_string();
        let _ = sender.send(Ok(StreamEvent::Retrying { reason, wait }));
        tokio::time::sleep(wait).await;
    }
}

fn add(spent: &mut TokenUsage, usage: TokenUsage) {
    spent.prompt += usage.prompt;
    spent.cached += usage.cached;
    spent.cache_written += usage.cache_written;
    spent.completion += usage.completion;
    spent.reasoning += usage.reasoning;
}

/// The body of a request that goes on after `said`.
fn body(
    provider: &RemoteProvider,
    request: &Request,
    said: &str,
    streaming: bool,
) -> Result<Vec<u8>, ProviderError> {
    let mut messages = request.messages.clone();
    if !said.is_empty() {
        messages.push(Message::Assistant { text: said.to_owned(), reasoning: None, calls: Vec::new() });
        messages.push(Message::user(GO_ON));
    }
    let kept = provider.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let asked = wire::Asked { messages: &messages, request, options: &provider.options, kept: &kept };
    let mut body = wire::body(&asked);
    if let Some(fields) = body.as_object_mut().filter(|_| !streaming) {
        fields.remove("stream_options");
        fields.insert("stream".to_owned(), false.into());
    }
    serde_json::to_vec(&body).map_err(|error| ProviderError::Rejected {
        message: format!("the request cannot be written: {error}"),
    })
}

/// Send once; the answer has begun when this returns well.
async fn send(
    provider: &RemoteProvider,
    request: &Request,
    body: &[u8],
    attempt: u32,
) -> Result<Response, Fault> {
    let patience = &provider.options.patience;
    if let Some(witness) = &request.witness {
        let mut address = provider.url.clone();
        address.set_query(None);
        let sending = Sending {
            method: "POST",
            address: address.as_str(),
            bytes: body.len() as u64,
            sha256: Sha256::digest(body).into(),
            attempt,
        };
        witness.sending(&sending).map_err(|message| Fault::last(ProviderError::NotSent { message }))?;
    }
    let posted = provider.client.post(provider.url.clone()).body(body.to_vec());
    let response = match tokio::time::timeout(patience.first_byte, posted.send()).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(fault::of_connection(&error.without_url())),
        Err(_) => {
            // The server may be at work on the first request still: a second one would not be faster.
            let message = format!("no answer within {} s", patience.first_byte.as_secs_f64());
            return Err(Fault::last(ProviderError::Unavailable { message }));
        }
    };
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let headers = response.headers().clone();
    let idle = patience.idle.min(Duration::from_secs(10));
    let body = read::error_body(response, idle).await;
    Err(fault::of_status(status, &headers, &body, provider.options.context_length))
}

fn emit(sender: &mpsc::UnboundedSender<Event>, events: Vec<StreamEvent>) {
    for event in events {
        // The receiver is polled together with the sender: while one runs, the other is there.
        let _ = sender.send(Ok(event));
    }
}

/// The next event. The exchange itself runs while somebody asks for events, and ends when nobody does.
pub(super) async fn next(
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
