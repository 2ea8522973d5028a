//! Owns the tests of services: the options they are asked with, and how outcomes are told in one line.
//! Uses a server on loopback that follows a script, and one room for each kind of test.
//! Never waits longer than a test needs to see that something is bounded.

mod bodies;
mod faults;
mod server;
mod speech;
mod streams;

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::provider::{FinishReason, Message, ToolCall, ToolSpec};
use server::{Act, Server, send};

const KEY: &str = "sk-secret-key";

fn options(protocol: Protocol, address: &str) -> RemoteOptions {
    RemoteOptions {
        key: Some(ApiKey::new(format!(" {KEY} \n"))),
        context_length: 4096,
        images: true,
        patience: Patience {
            connect: Duration::from_secs(2),
            first_byte: Duration::from_millis(1_000),
            idle: Duration::from_millis(300),
            retries: 2,
            backoff: Duration::from_millis(4),
            longest_wait: Duration::from_millis(1_000),
        },
        ..RemoteOptions::new("house", protocol, address, "tiny")
    }
}

fn request() -> Request {
    Request {
        messages: vec![Message::System { text: "You help.".to_owned() }, Message::user("hello")],
        tools: vec![ToolSpec {
            name: "read".to_owned(),
            description: "reads".to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {"path": {"type": "string", "x-substring-of": ["a"]}},
                "required": ["path"],
                "additionalProperties": false,
            }),
        }],
        max_tokens: Some(50),
        ..Default::default()
    }
}

async fn ask(options: RemoteOptions, request: Request) -> Vec<Event> {
    let provider = RemoteProvider::new(options).expect("the address is good");
    collect(&provider, request).await
}

async fn collect(provider: &RemoteProvider, request: Request) -> Vec<Event> {
    let stream = provider.stream(request, CancellationToken::new());
    tokio::time::timeout(Duration::from_secs(30), stream.collect()).await.expect("every answer ends")
}

/// What happened, in one line: words, reasoning in parentheses, calls in brackets, a `~` for each further try, and the end.
fn told(events: &[Event]) -> String {
    let mut line = String::new();
    for event in events {
        match event {
            Ok(StreamEvent::Text(text)) => line.push_str(text),
            Ok(StreamEvent::Reasoning(text)) => line.push_str(&format!("({text})")),
            Ok(StreamEvent::ToolCall(call)) => {
                line.push_str(&format!("[{} {}]", call.name, Value::Object(call.arguments.clone())));
            }
            Ok(StreamEvent::Retrying { .. }) => line.push('~'),
            Ok(StreamEvent::Finished { reason, .. }) => line.push_str(match reason {
                FinishReason::Stop => " |",
                FinishReason::ToolCalls => " | calls",
                FinishReason::Length => " | length",
            }),
            Ok(other) => line.push_str(&format!("{other:?}")),
            Err(error) => line.push_str(&match error {
                ProviderError::ContextOverflow { limit, needed } => format!(" ! overflow {needed}/{limit}"),
                ProviderError::RateLimited { retry_after: Some(wait) } => {
                    format!(" ! limited {} s", wait.as_secs())
                }
                ProviderError::RateLimited { retry_after: None } => " ! limited".to_owned(),
                ProviderError::Unauthorized { .. } => " ! unauthorized".to_owned(),
                ProviderError::Rejected { .. } => " ! rejected".to_owned(),
                ProviderError::Unavailable { .. } => " ! unavailable".to_owned(),
                ProviderError::Malformed { .. } => " ! malformed".to_owned(),
                ProviderError::NotSent { .. } => " ! not sent".to_owned(),
                other => format!(" ! {other:?}"),
            }),
        }
    }
    line
}

fn calls(events: &[Event]) -> Vec<ToolCall> {
    let call = |event: &Event| match event {
        Ok(StreamEvent::ToolCall(call)) => Some(call.clone()),
        _ => None,
    };
    events.iter().filter_map(call).collect()
}

/// The body of a request that the server saw.
fn body_of(seen: &str) -> Value {
    serde_json::from_str(seen.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON")
}
