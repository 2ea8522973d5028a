//! Owns the reading of an answer: as a stream of server-sent events, or as one body.
//! Uses a reader of such events with limits.
//! Never holds more of an answer than one line of it, and never waits longer than patience says.

use std::time::Duration;

use futures::StreamExt;
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::Value;
use tokio::sync::mpsc;

use super::emit;
use super::events::{Event, Events};
use crate::remote::answer::{Answer, malformed};
use crate::remote::fault::{self, Fault};
use crate::remote::wire::{self, Reader, Taken};
use crate::remote::{self, RemoteProvider};

/// A line of the stream, and the body of an answer that is no stream, end here: the longest line that a service sends is
/// a whole answer in one event, and answers are at most some hundred thousand tokens.
const MAX_LINE_BYTES: usize = 4 << 20;
/// The body of an error is read this far.
const MAX_ERROR_BYTES: usize = 64 << 10;
/// A whole answer ends here.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Read an answer to its end, and report what can be reported on the way.
pub(super) async fn answer(
    provider: &RemoteProvider,
    response: Response,
    answer: &mut Answer,
    sender: &mpsc::UnboundedSender<remote::Event>,
) -> Result<(), Fault> {
    let header = |name| {
        let value = response.headers().get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase()
    };
    let (kind, encoding) = (header(CONTENT_TYPE), header(CONTENT_ENCODING));
    let wrong = |message: String| Fault::last(malformed(message));
    if !matches!(encoding.as_str(), "" | "identity") {
        return Err(wrong(format!("it is compressed ({encoding}), which was not asked for")));
    }
    if kind.contains("html") {
        return Err(wrong(
            "it is a page of HTML: `base_url` leads to a website, not to a service".to_owned(),
        ));
    }
    let mut reader = wire::reader(provider.options.protocol);
    let result = if kind.contains("json") {
        whole(provider, response, reader.as_mut(), answer).await
    } else {
        stream(provider, response, reader.as_mut(), answer, sender).await
    };
    emit(sender, answer.drain());
    result
}

/// An answer in one piece: some servers do not stream, and some errors come with status 200.
async fn whole(
    provider: &RemoteProvider,
    response: Response,
    reader: &mut dyn Reader,
    answer: &mut Answer,
) -> Result<(), Fault> {
    let body = body(response, MAX_LINE_BYTES, provider.options.patience.first_byte).await?;
    let value: Value = serde_json::from_slice(&body)
        .map_err(|error| Fault::last(malformed(format!("it is neither a stream nor JSON: {error}"))))?;
    reader.whole(&value, answer)
}

async fn stream(
    provider: &RemoteProvider,
    response: Response,
    reader: &mut dyn Reader,
    answer: &mut Answer,
    sender: &mpsc::UnboundedSender<remote::Event>,
) -> Result<(), Fault> {
    let patience = &provider.options.patience;
    let mut pieces = response.bytes_stream();
    let mut events = Events::new(MAX_LINE_BYTES);
    let (mut total, mut any) = (0_usize, false);
    let mut deadline = tokio::time::Instant::now() + patience.first_byte;
    loop {
        let piece = match tokio::time::timeout_at(deadline, pieces.next()).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(error))) => {
                let why = fault::chain(&error.without_url());
                return Err(Fault::cut(format!("the connection broke in mid-answer: {why}")));
            }
            Ok(None) if total > 0 && !events.plausible() => {
                return Err(Fault::last(malformed("it is no stream of events".to_owned())));
            }
            Ok(None) if total == 0 => {
                let fault = Fault::cut("the service closed the stream without a word".to_owned());
                return Err(Fault { silent: true, ..fault });
            }
            Ok(None) => return Ok(()),
            Err(_) => {
                let patience = if any { patience.idle } else { patience.first_byte };
                return Err(Fault::cut(format!("the answer stopped for {} s", patience.as_secs_f64())));
            }
        };
        total += piece.len();
        if total > MAX_ANSWER_BYTES {
            return Err(Fault::last(malformed("the answer does not end".to_owned())));
        }
        for event in events.take(&piece).map_err(Fault::last)? {
            let taken = take(&event, reader, answer);
            emit(sender, answer.drain());
            match taken? {
                Taken::Over => return Ok(()),
                // Signs of life keep a connection, but an answer that never goes on is none: the clock runs from
                // piece to piece.
                Taken::Quiet => any = true,
                Taken::More => {
                    any = true;
                    deadline = tokio::time::Instant::now() + patience.idle;
                }
            }
        }
    }
}

fn take(event: &Event, reader: &mut dyn Reader, answer: &mut Answer) -> Result<Taken, Fault> {
    let data = event.data.trim();
    if data == "[DONE]" {
        answer.done = true;
        return Ok(Taken::Over);
    }
    if data.is_empty() {
        return Ok(Taken::Quiet);
    }
    let value: Value = serde_json::from_str(data).map_err(|error| {
        Fault::last(malformed(format!("a piece of the answer is not what it should be: {error}")))
    })?;
    reader.event(&event.name, &value, answer)
}

/// The body, up to `limit` bytes.
async fn body(response: Response, limit: usize, idle: Duration) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let mut pieces = response.bytes_stream();
    loop {
        match tokio::time::timeout(idle, pieces.next()).await {
            Ok(None) => return Ok(bytes),
            Ok(Some(Ok(piece))) => bytes.extend_from_slice(&piece),
            Ok(Some(Err(error))) => {
                let why = fault::chain(&error.without_url());
                return Err(Fault::cut(format!("the connection broke in mid-answer: {why}")));
            }
            Err(_) => return Err(Fault::cut("the answer stopped".to_owned())),
        }
        if bytes.len() > limit {
            return Err(Fault::last(malformed("the answer does not end".to_owned())));
        }
    }
}

/// What a server says of an error, as far as it goes.
pub(super) async fn error_body(response: Response, idle: Duration) -> String {
    let mut bytes = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Ok(Some(Ok(piece))) = tokio::time::timeout(idle, pieces.next()).await {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MAX_ERROR_BYTES {
            bytes.truncate(MAX_ERROR_BYTES);
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
