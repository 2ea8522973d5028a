//! Owns the choice of a wire format, and what they share: schemas as services take them, pictures, conversations.
//! Uses one room for each format: bodies out, pieces in.
//! Never sends a key of ours that only local grammars read.

mod anthropic;
mod chat;
mod gemini;
mod responses;
mod schema;

use serde_json::{Value, json};

use super::RemoteOptions;
use super::answer::Answer;
use super::fault::Fault;
use super::keep::Kept;
use crate::catalog::Protocol;
use crate::provider::{Image, Message, Request};

/// A request on its way to a body.
pub(super) struct Asked<'a> {
    /// Those of the request, and those that make a broken answer go on.
    pub(super) messages: &'a [Message],
    pub(super) request: &'a Request,
    pub(super) options: &'a RemoteOptions,
    pub(super) kept: &'a Kept,
}

/// What a piece of an answer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// The answer goes on.
    More,
    /// A sign of life.
    Quiet,
    /// The last piece.
    Over,
}

/// A wire format while an answer comes in.
pub(super) trait Reader: Send {
    /// Take an event of the stream, by its name and its data.
    fn event(&mut self, name: &str, data: &Value, answer: &mut Answer) -> Result<Taken, Fault>;

    /// Take an answer that came in one piece.
    fn whole(&mut self, body: &Value, answer: &mut Answer) -> Result<(), Fault>;
}

/// The body of a request.
pub(super) fn body(asked: &Asked<'_>) -> Value {
    match asked.options.protocol {
        Protocol::Chat => chat::body(asked),
        Protocol::Responses => responses::body(asked),
        Protocol::Anthropic => anthropic::body(asked),
        Protocol::Gemini => gemini::body(asked),
    }
}

/// The reader of an answer.
pub(super) fn reader(protocol: Protocol) -> Box<dyn Reader> {
    match protocol {
        Protocol::Chat => Box::new(chat::Stream),
        Protocol::Responses => Box::<responses::Stream>::default(),
        Protocol::Anthropic => Box::<anthropic::Stream>::default(),
        Protocol::Gemini => Box::new(gemini::Stream),
    }
}

/// What follows the base address.
pub(super) fn path(protocol: Protocol, model: &str) -> String {
    match protocol {
        Protocol::Chat => "/chat/completions".to_owned(),
        Protocol::Responses => "/responses".to_owned(),
        Protocol::Anthropic => "/messages".to_owned(),
        Protocol::Gemini => {
            let model = model.strip_prefix("models/").unwrap_or(model);
            let model: String = model.chars().filter(|letter| !"?#\\ ".contains(*letter)).collect();
            format!("/models/{model}:streamGenerateContent?alt=sse")
        }
    }
}

/// How the key is sent when nothing else is said.
pub(super) fn auth(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Chat | Protocol::Responses => "bearer",
        Protocol::Anthropic => "x-api-key",
        Protocol::Gemini => "x-goog-api-key",
    }
}

/// The headers that the protocol itself demands.
pub(super) fn headers(protocol: Protocol) -> &'static [(&'static str, &'static str)] {
    match protocol {
        // The version of the API, not of a model; there has been no other since.
        Protocol::Anthropic => &[("anthropic-version", "2023-06-01")],
        _ => &[],
    }
}

/// As people write it: 0.7 as a single float is 0.699999988 as a double.
fn decimal(number: f32) -> Value {
    json!((f64::from(number) * 10_000.0).round() / 10_000.0)
}

/// The text of a message with its pictures, where the model takes them, else with a note of those that were left out.
fn pictures<'a>(text: &str, images: &'a [Image], options: &RemoteOptions) -> (String, &'a [Image]) {
    if images.is_empty() || options.images {
        return (text.to_owned(), images);
    }
    let left_out = match images.len() {
        1 => "[A picture is left out: this model takes none.]".to_owned(),
        many => format!("[{many} pictures are left out: this model takes none.]"),
    };
    (format!("{text}\n\n{left_out}"), &[])
}

fn base64(image: &Image) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(&image.data)
}

fn data_url(image: &Image) -> String {
    format!("data:{};base64,{}", image.media_type, base64(image))
}

/// The head of a conversation: the system texts before anything else. Those that come later stand where they stand.
fn head(messages: &[Message]) -> (Vec<&str>, &[Message]) {
    let count = messages.iter().take_while(|message| matches!(message, Message::System { .. })).count();
    let (head, rest) = messages.split_at(count);
    let texts = head.iter().filter_map(|message| match message {
        Message::System { text } if !text.trim().is_empty() => Some(text.as_str()),
        _ => None,
    });
    (texts.collect(), rest)
}

/// A name under which the service finds what it stored for this conversation: its first words stay as they are.
fn cache_key(messages: &[Message]) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for message in messages.iter().take(2) {
        if let Message::System { text } | Message::User { text, .. } = message {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
    }
    hash.finalize().iter().take(12).fold(String::from("loci-"), |key, byte| format!("{key}{byte:02x}"))
}
