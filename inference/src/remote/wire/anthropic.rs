//! Owns Anthropic's messages: bodies out, events in.
//! Uses the API reference ("Messages", "Streaming messages", "Prompt caching", "Extended thinking").
//! Never sends two messages of one role in a row, an empty text, or a thought without its signature.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::{Asked, Reader, Taken, schema};
use crate::provider::{AnswerForm, Message, ProviderError, ToolChoice};
use crate::remote::answer::{Answer, End, count, malformed, text};
use crate::remote::fault::{self, Fault};
use crate::service::Effort;

/// The API demands a limit on new tokens; every model since Claude 3.5 writes this many.
const MAX_TOKENS: usize = 8_192;
/// Tokens of thought for models that want a number: the least that the API takes, and what its guide uses.
const BUDGETS: [(Effort, usize); 3] = [(Effort::Low, 1_024), (Effort::Medium, 4_096), (Effort::High, 16_384)];

/// The body of a request.
pub(super) fn body(asked: &Asked<'_>) -> Value {
    let (request, options) = (asked.request, asked.options);
    let (head, rest) = super::head(asked.messages);
    let mut messages = messages(asked, rest);
    mark_stable(&mut messages);
    let limit = request.max_tokens.unwrap_or(MAX_TOKENS).max(1);
    let mut body = json!({"model": options.model, "max_tokens": limit, "stream": true});
    let effort = options.service.reasoning.filter(|_| thinks(asked, rest));
    if let Some(effort) = effort {
        think(&mut body, effort, limit, &options.model);
    }
    // Models from Claude 4.5 on take one of them, and those from Opus 4.7 on none.
    if options.service.sampling == Some(true) && effort.is_none() {
        body["temperature"] = super::decimal(request.sampling.temperature.min(1.0));
    }
    if let AnswerForm::Json(schema) = &request.answer {
        body["output_config"]["format"] = json!({"type": "json_schema", "schema": schema});
    }
    if !head.is_empty() {
        let last = head.len() - 1;
        let blocks = head.iter().enumerate().map(|(at, text)| {
            let mut block = json!({"type": "text", "text": text});
            // What is up to here, tools included, is the same in every request of a session.
            if at == last {
                block["cache_control"] = json!({"type": "ephemeral"});
            }
            block
        });
        body["system"] = blocks.collect();
    }
    if !request.tools.is_empty() {
        let mut tools: Vec<Value> = request
            .tools
            .iter()
            .map(|tool| {
                json!({"name": tool.name, "description": tool.description, "input_schema": schema::plain(tool)})
            })
            .collect();
        if let Some(tool) = tools.last_mut().filter(|_| head.is_empty()) {
            tool["cache_control"] = json!({"type": "ephemeral"});
        }
        body["tools"] = Value::Array(tools);
        body["tool_choice"] = match request.tool_choice {
            ToolChoice::Auto => json!({"type": "auto"}),
            ToolChoice::None => json!({"type": "none"}),
            ToolChoice::Required => json!({"type": "any"}),
        };
    }
    body["messages"] = Value::Array(messages);
    body
}

/// Claude 3.7 to 4.5 take a number of tokens to think; models from 4.6 on decide themselves, and from 4.7 on refuse numbers.
fn counts(model: &str) -> bool {
    ["claude-3", "-4-0", "-4-1", "-4-5", "-4-2025"].iter().any(|part| model.contains(part))
}

/// Whether this request may think: not with a forced call, and, where thoughts are counted, not when those of the turn's
/// earlier steps are gone (after a restart, say), without which the API refuses to go on.
fn thinks(asked: &Asked<'_>, messages: &[Message]) -> bool {
    if asked.request.tool_choice == ToolChoice::Required {
        return false;
    }
    if !counts(&asked.options.model) {
        return true;
    }
    let last_calls =
        messages.iter().rev().take_while(|message| !matches!(message, Message::User { .. })).find_map(
            |message| match message {
                Message::Assistant { calls, .. } if !calls.is_empty() => Some(calls),
                _ => None,
            },
        );
    last_calls.is_none_or(|calls| calls.iter().any(|call| asked.kept.get(&call.id).is_some()))
}

fn think(body: &mut Value, effort: Effort, limit: usize, model: &str) {
    match BUDGETS.iter().find(|(of, _)| *of == effort) {
        None => body["thinking"] = json!({"type": "disabled"}),
        Some((_, budget)) if counts(model) => {
            // Thoughts count as new tokens.
            body["max_tokens"] = json!(limit + budget);
            body["thinking"] = json!({"type": "enabled", "budget_tokens": budget});
        }
        Some(_) => {
            body["thinking"] = json!({"type": "adaptive", "display": "summarized"});
            body["output_config"] = json!({"effort": effort.name()});
        }
    }
}

/// The conversation: roles alternate, results of tools come first in the message after the calls.
fn messages(asked: &Asked<'_>, messages: &[Message]) -> Vec<Value> {
    let mut out: Vec<(&str, Vec<Value>)> = Vec::new();
    let mut open: HashSet<&str> = HashSet::new();
    for message in messages {
        let (role, blocks) = match message {
            Message::System { text } => ("user", words(text)),
            Message::User { text, images } => {
                let (text, images) = super::pictures(text, images, asked.options);
                let pictures = images.iter().map(|image| {
                    let source = json!({"type": "base64", "media_type": image.media_type, "data": super::base64(image)});
                    json!({"type": "image", "source": source})
                });
                ("user", pictures.chain(words(&text)).collect())
            }
            Message::Assistant { text, calls, .. } => {
                let mut blocks = Vec::new();
                if let Some(Value::Array(thoughts)) = calls.first().and_then(|call| asked.kept.get(&call.id))
                {
                    blocks.extend(thoughts.iter().cloned());
                }
                blocks.extend(words(text));
                open = calls.iter().map(|call| call.id.as_str()).collect();
                blocks.extend(calls.iter().map(
                    |call| json!({"type": "tool_use", "id": id(&call.id), "name": call.name, "input": call.arguments}),
                ));
                ("assistant", blocks)
            }
            // A result without its call would make the service refuse the whole conversation.
            Message::Tool { call_id, text, .. } if open.remove(call_id.as_str()) => {
                ("user", vec![json!({"type": "tool_result", "tool_use_id": id(call_id), "content": text})])
            }
            Message::Tool { name, text, .. } => ("user", words(&format!("[{name}]\n{text}"))),
        };
        if blocks.is_empty() {
            continue;
        }
        match out.last_mut() {
            Some((last, so_far)) if *last == role => so_far.extend(blocks),
            _ => out.push((role, blocks)),
        }
    }
    out.into_iter().map(|(role, blocks)| json!({"role": role, "content": blocks})).collect()
}

fn words(text: &str) -> Vec<Value> {
    if text.trim().is_empty() { Vec::new() } else { vec![json!({"type": "text", "text": text})] }
}

/// An id as the API takes them; those that other services gave may have other letters.
fn id(id: &str) -> String {
    id.chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' })
        .collect()
}

/// Mark the end of the conversation, and that of the request before, as what a later request begins with too. With the
/// mark of the head these are three; the API takes four.
fn mark_stable(messages: &mut [Value]) {
    let ends: Vec<usize> =
        (0..messages.len()).rev().filter(|&at| messages[at]["role"] == "user").take(2).collect();
    for at in ends {
        let block = messages[at]["content"].as_array_mut().and_then(|blocks| blocks.last_mut());
        if let Some(Value::Object(block)) = block {
            block.insert("cache_control".into(), json!({"type": "ephemeral"}));
        }
    }
}

/// What stands at an index of the answer.
enum Block {
    Text,
    Thought { text: String, signature: String },
    Call { at: usize, given: Option<Value>, closed: bool },
    Other,
}

/// Events as they come.
#[derive(Default)]
pub(super) struct Stream {
    blocks: HashMap<u64, Block>,
}

impl Reader for Stream {
    fn event(&mut self, name: &str, data: &Value, answer: &mut Answer) -> Result<Taken, Fault> {
        let kind = data.get("type").and_then(Value::as_str).unwrap_or(name);
        if kind == "error" {
            return Err(fault::of_body(data.get("error").unwrap_or(data), answer.limit));
        }
        self.take(kind, data, answer).map_err(Fault::last)
    }

    fn whole(&mut self, body: &Value, answer: &mut Answer) -> Result<(), Fault> {
        if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
            return Err(fault::of_body(error, answer.limit));
        }
        let Some(blocks) = body.get("content").and_then(Value::as_array) else {
            return Err(Fault::last(malformed("it has no content".to_owned())));
        };
        let mut all = || -> Result<(), ProviderError> {
            self.usage(body, answer);
            for (at, block) in (0..).zip(blocks) {
                self.begin(at, block, answer)?;
                self.close(at, answer)?;
            }
            self.stop(body, answer)
        };
        all().map_err(Fault::last)
    }
}

impl Stream {
    fn take(&mut self, kind: &str, data: &Value, answer: &mut Answer) -> Result<Taken, ProviderError> {
        let at = || {
            let at = data.get("index").and_then(Value::as_u64);
            at.ok_or_else(|| malformed("an event has no index".to_owned()))
        };
        match kind {
            "ping" => return Ok(Taken::Quiet),
            "message_start" => self.usage(data.get("message").unwrap_or(&Value::Null), answer),
            "content_block_start" => {
                let block = data.get("content_block").unwrap_or(&Value::Null);
                self.begin(at()?, block, answer)?;
            }
            "content_block_delta" => self.delta(at()?, data.get("delta").unwrap_or(&Value::Null), answer)?,
            "content_block_stop" => self.close(at()?, answer)?,
            "message_delta" => {
                self.usage(data, answer);
                self.stop(data.get("delta").unwrap_or(&Value::Null), answer)?;
            }
            "message_stop" => {
                answer.done = true;
                return Ok(Taken::Over);
            }
            "" => return Err(malformed("an event has no type".to_owned())),
            // "New event types may be added": the versioning policy of the API.
            _ => return Ok(Taken::Quiet),
        }
        Ok(Taken::More)
    }

    fn usage(&self, message: &Value, answer: &mut Answer) {
        let Some(usage) = message.get("usage").filter(|usage| usage.is_object()) else { return };
        let of = |key: &str| usage.get(key).map(count);
        let spent = answer.usage();
        // `input_tokens` are those that no cache was asked about.
        if let Some(plain) = of("input_tokens") {
            let cached = of("cache_read_input_tokens").unwrap_or(spent.cached);
            let written = of("cache_creation_input_tokens").unwrap_or(spent.cache_written);
            // The last event repeats the counts, and with some gateways only zeros.
            if plain + cached + written > 0 {
                (spent.cached, spent.cache_written) = (cached, written);
                spent.prompt = plain + cached + written;
            }
        }
        if let Some(written) = of("output_tokens") {
            spent.completion = spent.completion.max(written);
        }
    }

    fn begin(&mut self, at: u64, block: &Value, answer: &mut Answer) -> Result<(), ProviderError> {
        let part = |key: &str| text(block.get(key).unwrap_or(&Value::Null), key);
        let block = match block.get("type").and_then(Value::as_str) {
            Some("text") => {
                answer.text(part("text")?.unwrap_or_default());
                Block::Text
            }
            Some("thinking") => {
                let text = part("thinking")?.unwrap_or_default().to_owned();
                answer.reasoning(&text);
                Block::Thought { text, signature: part("signature")?.unwrap_or_default().to_owned() }
            }
            // Encrypted: it goes back as it came.
            Some("redacted_thinking") => {
                answer.keep(block.clone());
                Block::Other
            }
            Some("tool_use") => {
                let slot = answer.calls().len();
                let call = answer.call(slot)?;
                part("id")?.unwrap_or_default().clone_into(&mut call.id);
                part("name")?.unwrap_or_default().clone_into(&mut call.name);
                Block::Call { at: slot, given: block.get("input").cloned(), closed: false }
            }
            Some(_) => Block::Other,
            None => return Err(malformed("a block has no type".to_owned())),
        };
        if self.blocks.insert(at, block).is_some() {
            return Err(malformed(format!("block {at} begins twice")));
        }
        Ok(())
    }

    fn delta(&mut self, at: u64, delta: &Value, answer: &mut Answer) -> Result<(), ProviderError> {
        let block = self
            .blocks
            .get_mut(&at)
            .ok_or_else(|| malformed(format!("block {at} goes on and never began")))?;
        let part =
            |key: &str| text(delta.get(key).unwrap_or(&Value::Null), key).map(Option::unwrap_or_default);
        match (delta.get("type").and_then(Value::as_str), block) {
            (Some("text_delta"), _) => answer.text(part("text")?),
            (Some("thinking_delta"), Block::Thought { text, .. }) => {
                text.push_str(part("thinking")?);
                answer.reasoning(part("thinking")?);
            }
            (Some("signature_delta"), Block::Thought { signature, .. }) => {
                signature.push_str(part("signature")?);
            }
            (Some("input_json_delta"), Block::Call { at, .. }) => {
                answer.call(*at)?.arguments.push_str(part("partial_json")?);
            }
            (Some("input_json_delta" | "thinking_delta" | "signature_delta"), _) => {
                return Err(malformed(format!("block {at} goes on as something else")));
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, at: u64, answer: &mut Answer) -> Result<(), ProviderError> {
        match self.blocks.get_mut(&at) {
            Some(Block::Thought { text, signature }) if !signature.is_empty() => {
                answer.keep(json!({"type": "thinking", "thinking": text, "signature": signature}));
            }
            Some(Block::Call { at, given, closed }) => {
                *closed = true;
                let call = answer.call(*at)?;
                // Arguments come in pieces, or at once where nothing is streamed.
                if call.arguments.is_empty()
                    && let Some(given) = given.take()
                {
                    call.arguments = given.to_string();
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn stop(&mut self, delta: &Value, answer: &mut Answer) -> Result<(), ProviderError> {
        let Some(reason) = text(delta.get("stop_reason").unwrap_or(&Value::Null), "stop_reason")? else {
            return Ok(());
        };
        let open = self.blocks.values().any(|block| matches!(block, Block::Call { closed: false, .. }));
        answer.end(match reason {
            "max_tokens" | "model_context_window_exceeded" => End::Length,
            "refusal" => End::Refused("the model refused to answer (stop_reason: refusal)".to_owned()),
            _ if open => End::Broken("the answer ended inside a call".to_owned()),
            _ => End::Stop,
        });
        Ok(())
    }
}
