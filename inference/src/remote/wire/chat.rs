//! Owns the chat completions of OpenAI, which most servers speak: bodies out, chunks in.
//! Uses the API reference ("Create chat completion", "The chat completion chunk object") and what servers do beside it:
//! `reasoning_content`, calls without an index, answers that are no stream.
//! Never says what only OpenAI understands to another server.

use serde_json::{Value, json};

use super::{Asked, Reader, Taken, schema};
use crate::provider::{AnswerForm, Message, ProviderError, ToolChoice};
use crate::remote::RemoteOptions;
use crate::remote::answer::{Answer, End, count, list, malformed, text};
use crate::remote::fault::{self, Fault};
use crate::service::Effort;

/// Whether the server is OpenAI's own, which knows newer keys and refuses older ones.
fn is_openai(options: &RemoteOptions) -> bool {
    let host = options.base_url.split("://").nth(1).and_then(|rest| rest.split(['/', ':']).next());
    host.is_some_and(|host| host.ends_with("openai.com") || host.ends_with(".openai.azure.com"))
}

/// The body of a request.
pub(super) fn body(asked: &Asked<'_>) -> Value {
    let (request, options) = (asked.request, asked.options);
    let openai = is_openai(options);
    let mut body = json!({
        "model": options.model,
        "messages": asked.messages.iter().map(|message| self::message(message, options)).collect::<Vec<_>>(),
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    // The reasoning models of OpenAI refuse sampling, and those from gpt-5 on all reason.
    let sampling = options.service.sampling.unwrap_or(!openai || options.model.starts_with("gpt-4"));
    if sampling {
        body["temperature"] = super::decimal(request.sampling.temperature);
        body["top_p"] = super::decimal(request.sampling.top_p);
    }
    if let Some(limit) = request.max_tokens {
        body[if openai { "max_completion_tokens" } else { "max_tokens" }] = json!(limit);
    }
    if let Some(effort) = options.service.reasoning {
        body["reasoning_effort"] = json!(if effort == Effort::Off { "none" } else { effort.name() });
    }
    if let AnswerForm::Json(schema) = &request.answer {
        body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": false}});
    }
    if openai {
        body["prompt_cache_key"] = json!(super::cache_key(asked.messages));
    }
    if !request.tools.is_empty() {
        let tool = |tool: &crate::provider::ToolSpec| {
            json!({"type": "function", "function": {
                "name": tool.name, "description": tool.description, "parameters": schema::plain(tool),
            }})
        };
        body["tools"] = request.tools.iter().map(tool).collect();
        body["tool_choice"] = json!(choice(request.tool_choice));
    }
    body
}

pub(super) fn choice(choice: ToolChoice) -> &'static str {
    match choice {
        ToolChoice::Auto => "auto",
        ToolChoice::None => "none",
        ToolChoice::Required => "required",
    }
}

fn message(message: &Message, options: &RemoteOptions) -> Value {
    match message {
        Message::System { text } => json!({"role": "system", "content": text}),
        Message::User { text, images } => {
            let (text, images) = super::pictures(text, images, options);
            if images.is_empty() {
                return json!({"role": "user", "content": text});
            }
            let mut parts = vec![json!({"type": "text", "text": text})];
            parts.extend(
                images
                    .iter()
                    .map(|image| json!({"type": "image_url", "image_url": {"url": super::data_url(image)}})),
            );
            json!({"role": "user", "content": parts})
        }
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

/// Chunks as they come.
pub(super) struct Stream;

impl Reader for Stream {
    fn event(&mut self, name: &str, data: &Value, answer: &mut Answer) -> Result<Taken, Fault> {
        if let Some(error) = data.get("error").filter(|error| !error.is_null()) {
            return Err(fault::of_body(error, answer.limit));
        }
        if name == "error" {
            return Err(fault::of_body(data, answer.limit));
        }
        if !data.is_object() {
            return Err(Fault::last(malformed("a chunk is no object".to_owned())));
        }
        let quiet = data.get("choices").is_none() && data.get("usage").is_none();
        take(data, answer).map_err(Fault::last)?;
        Ok(if quiet { Taken::Quiet } else { Taken::More })
    }

    fn whole(&mut self, body: &Value, answer: &mut Answer) -> Result<(), Fault> {
        self.event("", body, answer)?;
        if body.get("choices").is_none() {
            return Err(Fault::last(malformed("it has no choices".to_owned())));
        }
        Ok(())
    }
}

fn take(chunk: &Value, answer: &mut Answer) -> Result<(), ProviderError> {
    if let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) {
        let of = |pointer: &str| usage.pointer(pointer).map_or(0, count);
        let spent = answer.usage();
        spent.prompt = of("/prompt_tokens");
        // DeepSeek and older servers count hits of their cache beside the details.
        spent.cached = of("/prompt_tokens_details/cached_tokens").max(of("/prompt_cache_hit_tokens"));
        spent.cache_written =
            of("/prompt_tokens_details/cache_write_tokens").max(of("/cache_creation_input_tokens"));
        spent.completion = of("/completion_tokens");
        spent.reasoning = of("/completion_tokens_details/reasoning_tokens");
    }
    // Only one choice was asked for.
    let choices = list(chunk.get("choices").unwrap_or(&Value::Null), "choices")?;
    let Some(choice) = choices.first() else { return Ok(()) };
    let delta = choice.get("delta").or_else(|| choice.get("message")).unwrap_or(&Value::Null);
    let part = |key: &str| text(delta.get(key).unwrap_or(&Value::Null), key);
    // `reasoning_content` is DeepSeek's and most others', `reasoning` OpenRouter's and Ollama's; both at once say the same.
    if let Some(piece) = part("reasoning_content")?.or(delta.get("reasoning").and_then(Value::as_str)) {
        answer.reasoning(piece);
    }
    match delta.get("content") {
        // Some servers send the parts of a message where others send its text.
        Some(Value::Array(parts)) => {
            for piece in parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)) {
                answer.text(piece);
            }
        }
        _ => {
            if let Some(piece) = part("content")? {
                answer.text(piece);
            }
        }
    }
    if let Some(piece) = part("refusal")? {
        answer.text(piece);
    }
    for call in list(delta.get("tool_calls").unwrap_or(&Value::Null), "tool_calls")? {
        take_call(call, answer)?;
    }
    match choice.get("finish_reason").and_then(Value::as_str) {
        None => {}
        Some("length") => answer.end(End::Length),
        Some("content_filter") => {
            answer.end(End::Refused("the service's filter stopped the answer (content_filter)".to_owned()));
        }
        // What a router says when the model behind it failed in mid-answer.
        Some("error") => answer.end(End::Broken("the service says that it failed in mid-answer".to_owned())),
        Some(_) => answer.end(End::Stop),
    }
    Ok(())
}

fn take_call(delta: &Value, answer: &mut Answer) -> Result<(), ProviderError> {
    let id = text(delta.get("id").unwrap_or(&Value::Null), "id")?.unwrap_or_default();
    let at = match delta.get("index") {
        Some(index) if !index.is_null() => index
            .as_u64()
            .and_then(|index| usize::try_from(index).ok())
            .ok_or_else(|| malformed("the index of a call is none".to_owned()))?,
        // Without an index a new id begins a new call, and anything else goes on with the last one.
        _ if !id.is_empty() && answer.calls().iter().all(|call| call.id != id) => answer.calls().len(),
        _ => answer.calls().len().saturating_sub(1),
    };
    let call = answer.call(at)?;
    if call.id.is_empty() {
        id.clone_into(&mut call.id);
    }
    let Some(function) = delta.get("function") else { return Ok(()) };
    if let Some(name) = text(function.get("name").unwrap_or(&Value::Null), "name")?
        && call.name != name
    {
        call.name.push_str(name);
    }
    match function.get("arguments") {
        None | Some(Value::Null) => {}
        Some(Value::String(piece)) => call.arguments.push_str(piece),
        Some(object) => call.arguments.push_str(&object.to_string()),
    }
    Ok(())
}
