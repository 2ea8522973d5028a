//! Owns OpenAI's responses: bodies out, events in.
//! Uses the API reference ("Create a model response", "Streaming events").
//! Never lets the service keep a conversation (`store` is false): what it needs again, it gets again.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Asked, Reader, Taken, schema};
use crate::provider::{AnswerForm, Message, ProviderError};
use crate::remote::answer::{Answer, End, count, malformed, text};
use crate::remote::fault::{self, Fault};
use crate::service::Effort;

/// The body of a request.
pub(super) fn body(asked: &Asked<'_>) -> Value {
    let (request, options) = (asked.request, asked.options);
    let (head, rest) = super::head(asked.messages);
    let mut body = json!({
        "model": options.model,
        "input": rest.iter().flat_map(|message| items(message, asked)).collect::<Vec<_>>(),
        "stream": true,
        "store": false,
        "prompt_cache_key": super::cache_key(asked.messages),
    });
    if !head.is_empty() {
        body["instructions"] = json!(head.join("\n\n"));
    }
    if let Some(limit) = request.max_tokens {
        body["max_output_tokens"] = json!(limit);
    }
    if options.service.sampling == Some(true) {
        body["temperature"] = super::decimal(request.sampling.temperature);
        body["top_p"] = super::decimal(request.sampling.top_p);
    }
    match options.service.reasoning {
        None => {}
        Some(Effort::Off) => body["reasoning"] = json!({"effort": "none"}),
        Some(effort) => {
            body["reasoning"] = json!({"effort": effort.name(), "summary": "auto"});
            // What is not stored there has to come back with the calls that it led to.
            body["include"] = json!(["reasoning.encrypted_content"]);
        }
    }
    if let AnswerForm::Json(schema) = &request.answer {
        body["text"] =
            json!({"format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": false}});
    }
    if !request.tools.is_empty() {
        let tool = |tool: &crate::provider::ToolSpec| {
            json!({
                "type": "function", "name": tool.name, "description": tool.description,
                "parameters": schema::plain(tool), "strict": false,
            })
        };
        body["tools"] = request.tools.iter().map(tool).collect();
        body["tool_choice"] = json!(super::chat::choice(request.tool_choice));
    }
    body
}

fn items(message: &Message, asked: &Asked<'_>) -> Vec<Value> {
    let said = |role: &str, kind: &str, text: &str| json!({"type": "message", "role": role, "content": [{"type": kind, "text": text}]});
    match message {
        Message::System { text } => vec![said("system", "input_text", text)],
        Message::User { text, images } => {
            let (text, images) = super::pictures(text, images, asked.options);
            let mut item = said("user", "input_text", &text);
            if let Some(parts) = item["content"].as_array_mut() {
                parts.extend(images.iter().map(
                    |image| json!({"type": "input_image", "image_url": super::data_url(image), "detail": "auto"}),
                ));
            }
            vec![item]
        }
        Message::Assistant { text, calls, .. } => {
            let mut items = Vec::new();
            if let Some(Value::Array(reasoning)) = calls.first().and_then(|call| asked.kept.get(&call.id)) {
                items.extend(reasoning.iter().cloned());
            }
            if !text.is_empty() {
                items.push(said("assistant", "output_text", text));
            }
            items.extend(calls.iter().map(|call| {
                let arguments = Value::Object(call.arguments.clone()).to_string();
                json!({"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments})
            }));
            items
        }
        Message::Tool { call_id, text, .. } => {
            vec![json!({"type": "function_call_output", "call_id": call_id, "output": text})]
        }
    }
}

/// Events as they come.
#[derive(Default)]
pub(super) struct Stream {
    /// The place of each call among the calls, by its place among the items of the answer.
    calls: HashMap<u64, usize>,
    /// Items whose text has come in pieces, so that the whole that follows is not said again.
    said: bool,
    reasoned: bool,
}

impl Reader for Stream {
    fn event(&mut self, name: &str, data: &Value, answer: &mut Answer) -> Result<Taken, Fault> {
        let kind = data.get("type").and_then(Value::as_str).unwrap_or(name);
        match kind {
            "error" => return Err(fault::of_body(data.get("error").unwrap_or(data), answer.limit)),
            "response.failed" => return Err(failed(data.get("response").unwrap_or(data), answer)),
            "" => {
                // Errors of gateways come without a type.
                if let Some(error) = data.get("error").filter(|error| !error.is_null()) {
                    return Err(fault::of_body(error, answer.limit));
                }
                return Err(Fault::last(malformed("an event has no type".to_owned())));
            }
            _ => {}
        }
        self.take(kind, data, answer).map_err(Fault::last)
    }

    fn whole(&mut self, body: &Value, answer: &mut Answer) -> Result<(), Fault> {
        if body.get("status").and_then(Value::as_str) == Some("failed")
            || body.get("error").is_some_and(|error| !error.is_null())
        {
            return Err(failed(body, answer));
        }
        if !body.get("output").is_some_and(Value::is_array) {
            return Err(Fault::last(malformed("it has no output".to_owned())));
        }
        self.complete(body, answer).map_err(Fault::last)
    }
}

fn failed(response: &Value, answer: &Answer) -> Fault {
    match response.get("error").filter(|error| !error.is_null()) {
        Some(error) => fault::of_body(error, answer.limit),
        None => Fault::cut("the service says that the answer failed".to_owned()),
    }
}

impl Stream {
    fn take(&mut self, kind: &str, data: &Value, answer: &mut Answer) -> Result<Taken, ProviderError> {
        let null = Value::Null;
        let part = |key: &str| text(data.get(key).unwrap_or(&null), key).map(Option::unwrap_or_default);
        let at = || {
            let at = data.get("output_index").and_then(Value::as_u64);
            at.ok_or_else(|| malformed("an event has no output_index".to_owned()))
        };
        match kind {
            "response.output_text.delta" | "response.refusal.delta" => {
                self.said = true;
                answer.text(part("delta")?);
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.reasoned = true;
                answer.reasoning(part("delta")?);
            }
            "response.reasoning_summary_part.done" => answer.reasoning("\n\n"),
            "response.output_item.added" => {
                let item = data.get("item").unwrap_or(&null);
                if item.get("type").and_then(Value::as_str) == Some("function_call") {
                    self.call(at()?, item, answer)?;
                }
            }
            "response.function_call_arguments.delta" => {
                let Some(&call) = self.calls.get(&at()?) else {
                    return Err(malformed("a call goes on and never began".to_owned()));
                };
                answer.call(call)?.arguments.push_str(part("delta")?);
            }
            "response.output_item.done" => self.item(at()?, data.get("item").unwrap_or(&null), answer)?,
            "response.completed" | "response.incomplete" => {
                let response = data
                    .get("response")
                    .ok_or_else(|| malformed("the end of the answer has no response".to_owned()))?;
                self.complete(response, answer)?;
                answer.done = true;
                return Ok(Taken::Over);
            }
            "response.created" | "response.in_progress" | "response.queued" | "keepalive" => {
                return Ok(Taken::Quiet);
            }
            _ => {}
        }
        Ok(Taken::More)
    }

    /// The call at this place among the items, as far as `item` knows it.
    fn call(&mut self, at: u64, item: &Value, answer: &mut Answer) -> Result<(), ProviderError> {
        let null = Value::Null;
        let part = |key: &str| text(item.get(key).unwrap_or(&null), key).map(Option::unwrap_or_default);
        let slot = *self.calls.entry(at).or_insert_with(|| answer.calls().len());
        let call = answer.call(slot)?;
        let id = part("call_id")?;
        if !id.is_empty() {
            id.clone_into(&mut call.id);
        }
        let name = part("name")?;
        if !name.is_empty() {
            name.clone_into(&mut call.name);
        }
        let arguments = part("arguments")?;
        // The whole takes the place of its pieces.
        if !arguments.is_empty() {
            arguments.clone_into(&mut call.arguments);
        }
        Ok(())
    }

    /// A whole item.
    fn item(&mut self, at: u64, item: &Value, answer: &mut Answer) -> Result<(), ProviderError> {
        match item.get("type").and_then(Value::as_str) {
            Some("function_call") => self.call(at, item, answer)?,
            Some("reasoning") => {
                if item.get("encrypted_content").is_some_and(Value::is_string) {
                    let mut item = item.clone();
                    // Ids name what is stored there, and nothing is.
                    if let Some(fields) = item.as_object_mut() {
                        fields.remove("id");
                        fields.remove("status");
                    }
                    answer.keep(item);
                }
                if !self.reasoned {
                    for piece in texts(item, "summary").chain(texts(item, "content")) {
                        answer.reasoning(piece);
                    }
                }
            }
            Some("message") if !self.said => {
                for piece in texts(item, "content") {
                    answer.text(piece);
                }
                self.said |= texts(item, "content").next().is_some();
            }
            _ => {}
        }
        Ok(())
    }

    /// The end, and all that did not come in pieces before it.
    fn complete(&mut self, response: &Value, answer: &mut Answer) -> Result<(), ProviderError> {
        let output = response.get("output").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if !self.said && !self.reasoned && self.calls.is_empty() {
            for (at, item) in (0..).zip(output) {
                self.said = false;
                self.item(at, item, answer)?;
            }
        }
        if let Some(usage) = response.get("usage").filter(|usage| usage.is_object()) {
            let of = |pointer: &str| usage.pointer(pointer).map_or(0, count);
            let spent = answer.usage();
            spent.prompt = of("/input_tokens");
            spent.cached = of("/input_tokens_details/cached_tokens");
            spent.cache_written = of("/input_tokens_details/cache_write_tokens");
            spent.completion = of("/output_tokens");
            spent.reasoning = of("/output_tokens_details/reasoning_tokens");
        }
        let why = response.pointer("/incomplete_details/reason").and_then(Value::as_str);
        answer.end(match (response.get("status").and_then(Value::as_str), why) {
            (Some("incomplete"), Some("content_filter")) => {
                End::Refused("the service's filter stopped the answer (content_filter)".to_owned())
            }
            (Some("incomplete"), _) => End::Length,
            (Some("cancelled"), _) => {
                End::Broken("the service says that the answer was cancelled".to_owned())
            }
            _ => End::Stop,
        });
        Ok(())
    }
}

fn texts<'a>(item: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    let parts = item.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    parts.iter().filter_map(|part| part.get("text").or_else(|| part.get("refusal")).and_then(Value::as_str))
}
