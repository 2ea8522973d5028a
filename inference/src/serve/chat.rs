//! Owns `/v1/chat/completions`: what a request asks for, in the words of the common seam.
//! Uses `answer` for what is sent back.
//! Never ignores a field that would change the answer: what cannot be honoured is refused by name.

use std::collections::{HashMap, HashSet};

use axum::extract::{Request as HttpRequest, State};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::error::Fault;
use super::fields::{Fields, objects};
use super::{Served, answer};
use crate::provider::{AnswerForm, Message, Request, Sampling, ToolCall, ToolChoice, ToolSpec};

/// Texts that may end an answer; OpenAI takes four.
const MOST_STOPS: usize = 16;
/// Letters of a tool's name; OpenAI takes as many.
const LONGEST_NAME: usize = 64;

/// What was asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: Request,
    /// Texts that end the answer, and are not part of it.
    pub(super) stops: Vec<String>,
    /// The answer ends with its first call.
    pub(super) one_call: bool,
    pub(super) stream: bool,
    /// A stream ends with the tokens that were spent.
    pub(super) usage: bool,
}

pub(super) async fn complete(State(shared): State<Served>, request: HttpRequest) -> Result<Response, Fault> {
    let body = super::body(request).await?;
    let number = shared.number();
    let fields = Fields::new(&body, "");
    let model = fields.text("model")?.unwrap_or(&shared.options.default_model).to_owned();
    let mut sampling = shared.options.sampling.clone();
    if fields.get("seed").is_none() {
        // Whoever wants the same answer again says so with a seed.
        sampling.seed = shared.began.wrapping_mul(1_000_003).wrapping_add(number);
    }
    let asked = read(&fields, sampling)?;
    let slot = shared.slots.take().await?;
    let lease = shared.registry.provider(&model).await?;
    answer::give(&shared, answer::Begun { asked, model, number, lease, slot }).await
}

/// What a request asks for.
pub(super) fn read(fields: &Fields<'_>, sampling: Sampling) -> Result<Asked, Fault> {
    refuse_what_cannot_be(fields)?;
    let mut messages = Vec::new();
    let mut names = HashMap::new();
    let list = fields.list("messages")?.unwrap_or_default();
    if list.is_empty() {
        return Err(Fault::field("messages", "at least one is needed"));
    }
    for object in objects(list, "messages") {
        let (object, at) = object?;
        messages.push(message(&Fields::new(object, &at), &mut names)?);
    }
    let mut tools = Vec::new();
    for object in objects(fields.list("tools")?.unwrap_or_default(), "tools") {
        let (object, at) = object?;
        let tool = tool(&Fields::new(object, &at))?;
        if tools.iter().any(|known: &ToolSpec| known.name == tool.name) {
            return Err(Fault::field(at, format!("`{}` is there twice", tool.name)));
        }
        tools.push(tool);
    }
    let tool_choice = tool_choice(fields, &mut tools)?;
    let most = fields.count("max_completion_tokens", 1)?;
    let request = Request {
        messages,
        tools,
        tool_choice,
        answer: answer_form(fields)?,
        sampling: self::sampling(fields, sampling)?,
        max_tokens: most.or(fields.count("max_tokens", 1)?),
        ..Request::default()
    };
    let stream = fields.flag("stream")?.unwrap_or(false);
    let usage = match fields.object("stream_options")? {
        Some(_) if !stream => return Err(Fault::field("stream_options", "needs `stream`")),
        Some(options) => Fields::new(options, "stream_options").flag("include_usage")?.unwrap_or(false),
        None => false,
    };
    let one_call = fields.flag("parallel_tool_calls")? == Some(false);
    Ok(Asked { request, stops: stops(fields)?, one_call, stream, usage })
}

/// Fields whose effect is not to be had here. Those that change no answer (`user`, `store`, `metadata`, …) are let be.
fn refuse_what_cannot_be(fields: &Fields<'_>) -> Result<(), Fault> {
    if fields.count("n", 1)?.is_some_and(|count| count > 1) {
        return Err(Fault::field("n", "one answer is given to a request: ask again for another one"));
    }
    if fields.flag("logprobs")? == Some(true)
        || fields.count("top_logprobs", 0)?.is_some_and(|count| count > 0)
    {
        return Err(Fault::field("logprobs", "probabilities are not given"));
    }
    for name in ["frequency_penalty", "presence_penalty"] {
        if fields.number(name, -2.0, 2.0)?.is_some_and(|penalty| penalty != 0.0) {
            return Err(Fault::field(name, "only 0 is possible; `repeat_penalty` is known here"));
        }
    }
    if fields.object("logit_bias")?.is_some_and(|bias| !bias.is_empty()) {
        return Err(Fault::field("logit_bias", "logits are not biased"));
    }
    for name in ["functions", "function_call"] {
        if fields.get(name).is_some() {
            return Err(Fault::field(name, "was replaced by `tools` and `tool_choice`"));
        }
    }
    for name in ["audio", "prediction", "web_search_options"] {
        if fields.get(name).is_some() {
            return Err(Fault::field(name, "is not to be had here"));
        }
    }
    let modalities = fields.list("modalities")?.unwrap_or_default();
    if modalities.iter().any(|kind| kind != "text") {
        return Err(Fault::field("modalities", "answers are text"));
    }
    Ok(())
}

fn sampling(fields: &Fields<'_>, mut sampling: Sampling) -> Result<Sampling, Fault> {
    if let Some(temperature) = fields.number("temperature", 0.0, 2.0)? {
        sampling.temperature = temperature as f32;
    }
    if let Some(top_p) = fields.number("top_p", 0.0, 1.0)? {
        sampling.top_p = top_p as f32;
    }
    if let Some(min_p) = fields.number("min_p", 0.0, 1.0)? {
        sampling.min_p = min_p as f32;
    }
    if let Some(top_k) = fields.count("top_k", 0)? {
        sampling.top_k = top_k;
    }
    if let Some(penalty) = fields.number("repeat_penalty", 0.5, 2.0)? {
        sampling.repeat_penalty = penalty as f32;
    }
    if let Some(seed) = fields.get("seed") {
        let negative = || seed.as_i64().map(i64::cast_unsigned);
        let seed = seed.as_u64().or_else(negative);
        sampling.seed = seed.ok_or_else(|| Fault::field("seed", "must be a whole number"))?;
    }
    Ok(sampling)
}

fn stops(fields: &Fields<'_>) -> Result<Vec<String>, Fault> {
    let must = || {
        Fault::field("stop", format!("must be a text or a list of at most {MOST_STOPS}, none of them empty"))
    };
    let stops: Vec<String> = match fields.get("stop") {
        None => Vec::new(),
        Some(Value::String(stop)) => vec![stop.clone()],
        Some(Value::Array(stops)) => {
            let texts = stops.iter().map(|stop| stop.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or_else(must)?
        }
        Some(_) => return Err(must()),
    };
    if stops.len() > MOST_STOPS || stops.iter().any(String::is_empty) { Err(must()) } else { Ok(stops) }
}

fn message(fields: &Fields<'_>, names: &mut HashMap<String, String>) -> Result<Message, Fault> {
    match fields.needed_text("role")? {
        // `developer` is what OpenAI calls `system` today.
        "system" | "developer" => Ok(Message::System { text: needed_content(fields)? }),
        "user" => Ok(Message::user(needed_content(fields)?)),
        "assistant" => {
            let mut calls = Vec::new();
            let place = fields.path("tool_calls");
            for object in objects(fields.list("tool_calls")?.unwrap_or_default(), &place) {
                let (object, at) = object?;
                let call = call(&Fields::new(object, &at))?;
                names.insert(call.id.clone(), call.name.clone());
                calls.push(call);
            }
            let text = content(fields)?.unwrap_or_default();
            if text.is_empty() && calls.is_empty() && fields.get("content").is_none() {
                return Err(Fault::field(fields.path("content"), "is missing, and there are no tool_calls"));
            }
            let reasoning = fields.text("reasoning_content")?.map(str::to_owned);
            Ok(Message::Assistant { text, reasoning, calls })
        }
        "tool" => {
            let call_id = fields.needed_text("tool_call_id")?;
            let name = names.get(call_id).ok_or_else(|| {
                Fault::field(fields.path("tool_call_id"), format!("no call before it has the id `{call_id}`"))
            })?;
            Ok(Message::Tool {
                call_id: call_id.to_owned(),
                name: name.clone(),
                text: needed_content(fields)?,
            })
        }
        other => Err(Fault::field(
            fields.path("role"),
            format!("`{other}` is none of system, developer, user, assistant, tool"),
        )),
    }
}

fn needed_content(fields: &Fields<'_>) -> Result<String, Fault> {
    content(fields)?.ok_or_else(|| Fault::field(fields.path("content"), "is missing"))
}

/// Text, in one piece or in parts.
fn content(fields: &Fields<'_>) -> Result<Option<String>, Fault> {
    let parts = match fields.get("content") {
        None => return Ok(None),
        Some(Value::String(text)) => return Ok(Some(text.clone())),
        Some(Value::Array(parts)) => parts,
        Some(_) => return Err(Fault::field(fields.path("content"), "must be a text or a list of parts")),
    };
    let mut text = String::new();
    for object in objects(parts, &fields.path("content")) {
        let (object, at) = object?;
        let part = Fields::new(object, &at);
        match part.needed_text("type")? {
            "text" => text.push_str(part.needed_text("text")?),
            "refusal" => text.push_str(part.needed_text("refusal")?),
            other => {
                return Err(Fault::field(
                    part.path("type"),
                    format!("models here read text, and no `{other}`"),
                ));
            }
        }
    }
    Ok(Some(text))
}

fn function<'a>(fields: &Fields<'a>) -> Result<&'a Map<String, Value>, Fault> {
    if fields.text("type")?.is_some_and(|kind| kind != "function") {
        return Err(Fault::field(fields.path("type"), "only `function` is known"));
    }
    fields.object("function")?.ok_or_else(|| Fault::field(fields.path("function"), "is missing"))
}

fn call(fields: &Fields<'_>) -> Result<ToolCall, Fault> {
    let at = fields.path("function");
    let function = Fields::new(function(fields)?, &at);
    let written = function.text("arguments")?.unwrap_or_default();
    let arguments = match written.trim() {
        "" => Map::new(),
        written => serde_json::from_str(written).map_err(|error| {
            Fault::field(function.path("arguments"), format!("must be a JSON object as a text: {error}"))
        })?,
    };
    let name = function.needed_text("name")?.to_owned();
    Ok(ToolCall { id: fields.needed_text("id")?.to_owned(), name, arguments })
}

fn tool(fields: &Fields<'_>) -> Result<ToolSpec, Fault> {
    let at = fields.path("function");
    let function = Fields::new(function(fields)?, &at);
    let name = function.needed_text("name")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(plain) {
        let must = format!("must be 1 to {LONGEST_NAME} letters, digits, `_` and `-`");
        return Err(Fault::field(function.path("name"), must));
    }
    let parameters = match function.object("parameters")? {
        Some(parameters) if !parameters.is_empty() => Value::Object(parameters.clone()),
        _ => json!({ "type": "object", "properties": {} }),
    };
    let description = function.text("description")?.unwrap_or_default();
    Ok(ToolSpec { name: name.to_owned(), description: description.to_owned(), parameters })
}

/// What may be called. A tool that is chosen by name becomes the only one.
fn tool_choice(fields: &Fields<'_>, tools: &mut Vec<ToolSpec>) -> Result<ToolChoice, Fault> {
    let wrong = |message: &str| Err(Fault::field("tool_choice", message));
    let chosen = match fields.get("tool_choice") {
        None => return Ok(ToolChoice::Auto),
        Some(Value::String(word)) => match word.as_str() {
            "none" => return Ok(ToolChoice::None),
            "auto" => return Ok(ToolChoice::Auto),
            "required" if tools.is_empty() => return wrong("there are no tools to call"),
            "required" => return Ok(ToolChoice::Required),
            _ => return wrong("must be `none`, `auto`, `required`, or name a function"),
        },
        Some(Value::Object(chosen)) => Fields::new(chosen, "tool_choice"),
        Some(_) => return wrong("must be a word or an object"),
    };
    let function = function(&chosen)?;
    let name = Fields::new(function, "tool_choice.function").needed_text("name")?;
    let known: HashSet<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    if !known.contains(name) {
        return Err(Fault::field("tool_choice", format!("`{name}` is none of the tools")));
    }
    let name = name.to_owned();
    tools.retain(|tool| tool.name == name);
    Ok(ToolChoice::Required)
}

fn answer_form(fields: &Fields<'_>) -> Result<AnswerForm, Fault> {
    let Some(form) = fields.object("response_format")? else { return Ok(AnswerForm::Text) };
    let form = Fields::new(form, "response_format");
    match form.needed_text("type")? {
        "text" => Ok(AnswerForm::Text),
        "json_object" => Ok(AnswerForm::Json(json!({ "type": "object" }))),
        "json_schema" => {
            let missing = |name: &str| Fault::field(name, "is missing");
            let schema = form.object("json_schema")?.ok_or_else(|| missing("response_format.json_schema"))?;
            let schema = Fields::new(schema, "response_format.json_schema").object("schema")?;
            let schema = schema.ok_or_else(|| missing("response_format.json_schema.schema"))?;
            Ok(AnswerForm::Json(Value::Object(schema.clone())))
        }
        other => Err(Fault::field(
            "response_format.type",
            format!("`{other}` is none of text, json_object, json_schema"),
        )),
    }
}
