//! Owns the wire format: the body that is sent, and the chunks that come back.
//! Uses the request's own types.
//! Never trusts an index, an id or a length from the other side.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::OpenAiOptions;
use crate::provider::{
    FinishReason, Message, ProviderError, Request, StreamEvent, TokenUsage, ToolCall, ToolChoice,
};
use crate::remote::fault;
use crate::tool_syntax::tool_schema;

/// More calls in one answer are refused.
const MAX_CALLS: usize = 128;

/// The body of a request.
pub(super) fn body(request: &Request, options: &OpenAiOptions) -> Value {
    let mut body = json!({
        "model": options.model,
        "messages": request.messages.iter().map(message).collect::<Vec<_>>(),
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    if !options.reasoning_model {
        body["temperature"] = decimal(request.sampling.temperature);
        body["top_p"] = decimal(request.sampling.top_p);
    }
    if let Some(limit) = request.max_tokens {
        let name = if options.reasoning_model { "max_completion_tokens" } else { "max_tokens" };
        body[name] = json!(limit);
    }
    if !request.tools.is_empty() {
        body["tools"] = request.tools.iter().map(tool_schema).collect();
        body["tool_choice"] = json!(match request.tool_choice {
            ToolChoice::Auto => "auto",
            ToolChoice::None => "none",
            ToolChoice::Required => "required",
        });
    }
    body
}

/// As people write it: 0.7 as a single float is 0.699999988 as a double.
fn decimal(number: f32) -> Value {
    json!((f64::from(number) * 10_000.0).round() / 10_000.0)
}

fn message(message: &Message) -> Value {
    match message {
        Message::System { text } => json!({"role": "system", "content": text}),
        Message::User { text, .. } => json!({"role": "user", "content": text}),
        Message::Assistant { text, calls, .. } if calls.is_empty() => {
            json!({"role": "assistant", "content": text})
        }
        Message::Assistant { text, calls, .. } => {
            let calls: Vec<Value> = calls
                .iter()
                .map(|call| {
                    let arguments = Value::Object(call.arguments.clone()).to_string();
                    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
                })
                .collect();
            let content = if text.is_empty() { Value::Null } else { json!(text) };
            json!({"role": "assistant", "content": content, "tool_calls": calls})
        }
        Message::Tool { call_id, text, .. } => {
            json!({"role": "tool", "tool_call_id": call_id, "content": text})
        }
    }
}

/// A piece of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chunk {
    choices: Vec<Choice>,
    usage: Option<Usage>,
    error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice {
    delta: Option<Delta>,
    /// In answers that are no stream.
    message: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Delta {
    content: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CallDelta {
    index: Option<usize>,
    id: Option<String>,
    function: Option<FunctionDelta>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FunctionDelta {
    name: Option<String>,
    arguments: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

#[derive(Debug, Default)]
struct PartialCall {
    id: String,
    name: String,
    arguments: String,
}

/// An answer on its way.
#[derive(Debug)]
pub(super) struct Answer {
    calls: Vec<PartialCall>,
    taken: HashSet<String>,
    reason: Option<String>,
    usage: TokenUsage,
    limit: usize,
    /// The stream said that it is over.
    pub(super) done: bool,
}

impl Answer {
    pub(super) fn new(request: &Request, limit: usize) -> Self {
        let calls = request.messages.iter().flat_map(|message| match message {
            Message::Assistant { calls, .. } => calls.as_slice(),
            _ => &[],
        });
        let taken = calls.map(|call| call.id.clone()).collect();
        Self { calls: Vec::new(), taken, reason: None, usage: TokenUsage::default(), limit, done: false }
    }

    /// Take a chunk of the stream.
    pub(super) fn take(&mut self, chunk: Chunk) -> Result<Vec<StreamEvent>, ProviderError> {
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(fault::of_body(&error, self.limit));
        }
        if let Some(usage) = chunk.usage {
            let cached = usage.prompt_tokens_details.and_then(|details| details.cached_tokens);
            self.usage = TokenUsage {
                prompt: usage.prompt_tokens,
                cached: cached.unwrap_or(0),
                completion: usage.completion_tokens,
                ..TokenUsage::default()
            };
        }
        let mut events = Vec::new();
        // Only one choice was asked for.
        let Some(choice) = chunk.choices.into_iter().next() else { return Ok(events) };
        if let Some(delta) = choice.delta.or(choice.message) {
            let reasoning = delta.reasoning_content.or(delta.reasoning);
            events.extend(reasoning.filter(|text| !text.is_empty()).map(StreamEvent::Reasoning));
            let texts = [delta.content, delta.refusal].into_iter().flatten();
            events.extend(texts.filter(|text| !text.is_empty()).map(StreamEvent::Text));
            for call in delta.tool_calls.into_iter().flatten() {
                self.take_call(call)?;
            }
        }
        if choice.finish_reason.is_some() {
            self.reason = choice.finish_reason;
        }
        Ok(events)
    }

    fn take_call(&mut self, delta: CallDelta) -> Result<(), ProviderError> {
        let id = delta.id.unwrap_or_default();
        let at = match delta.index {
            Some(index) => index,
            // Without an index a new id begins a new call, and anything else goes on with the last one.
            None if !id.is_empty() && self.calls.iter().all(|call| call.id != id) => self.calls.len(),
            None => self.calls.len().saturating_sub(1),
        };
        if at >= MAX_CALLS {
            return Err(malformed(format!("call {at} of one answer")));
        }
        if self.calls.len() <= at {
            self.calls.resize_with(at + 1, PartialCall::default);
        }
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        if call.id.is_empty() {
            call.id = id;
        }
        let Some(function) = delta.function else { return Ok(()) };
        if let Some(name) = function.name
            && call.name != name
        {
            call.name.push_str(&name);
        }
        match function.arguments {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => call.arguments.push_str(&text),
            Some(object) => call.arguments.push_str(&object.to_string()),
        }
        Ok(())
    }

    /// Take an answer that came in one piece: some servers do not stream, and some errors come with status 200.
    pub(super) fn take_whole(&mut self, body: &str) -> Result<Vec<StreamEvent>, ProviderError> {
        let value: Value = serde_json::from_str(body)
            .map_err(|error| malformed(format!("it is neither a stream nor JSON: {error}")))?;
        if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
            return Err(fault::of_body(error, self.limit));
        }
        if value.get("choices").is_none() {
            return Err(malformed("it has no choices".to_owned()));
        }
        let chunk = serde_json::from_value(value).map_err(|error| malformed(error.to_string()))?;
        self.take(chunk)
    }

    /// The calls and the end, when the answer is whole.
    pub(super) fn finish(mut self) -> Result<Vec<StreamEvent>, ProviderError> {
        let Some(reason) = self.reason.take() else {
            // A server may end with `[DONE]` alone; without even that the connection broke.
            if self.done && self.calls.is_empty() {
                return Ok(vec![StreamEvent::Finished { reason: FinishReason::Stop, usage: self.usage }]);
            }
            return Err(ProviderError::Unavailable {
                message: "the connection ended in mid-answer".to_owned(),
            });
        };
        let usage = self.usage;
        match reason.as_str() {
            // Whatever was called may be cut off: none of it is reported.
            "length" => return Ok(vec![StreamEvent::Finished { reason: FinishReason::Length, usage }]),
            "content_filter" => {
                return Err(ProviderError::Rejected {
                    message: "the provider's filter stopped the answer".to_owned(),
                });
            }
            _ => {}
        }
        let mut events = Vec::with_capacity(self.calls.len() + 1);
        for call in std::mem::take(&mut self.calls) {
            events.push(StreamEvent::ToolCall(self.whole(call)?));
        }
        let reason = if events.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
        events.push(StreamEvent::Finished { reason, usage });
        Ok(events)
    }

    fn whole(&mut self, call: PartialCall) -> Result<ToolCall, ProviderError> {
        if call.name.is_empty() {
            return Err(malformed("a call has no name".to_owned()));
        }
        let text = call.arguments.trim();
        let arguments: Map<String, Value> = if text.is_empty() {
            Map::new()
        } else {
            serde_json::from_str(text)
                .map_err(|error| malformed(format!("the arguments of `{}` are broken: {error}", call.name)))?
        };
        let mut id = call.id;
        let mut number = self.taken.len() + 1;
        // Ids must tell calls apart, and some servers send the same one twice, or none.
        while id.is_empty() || !self.taken.insert(id.clone()) {
            id = format!("call{number:05}");
            number += 1;
        }
        Ok(ToolCall { id, name: call.name, arguments })
    }
}

fn malformed(message: String) -> ProviderError {
    ProviderError::Malformed { message }
}
