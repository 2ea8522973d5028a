//! Owns Google's `generateContent`: bodies out, pieces in.
//! Uses the API reference ("Generating content", "Function calling", "Thought signatures").
//! Never sends a schema key that the API refuses.

use serde_json::{Value, json};

use super::{Asked, Reader, Taken, schema};
use crate::provider::{AnswerForm, Message, ProviderError, ToolChoice};
use crate::remote::answer::{Answer, End, count, list, malformed, text};
use crate::remote::fault::{self, Fault};
use crate::service::Effort;

/// What the API takes for the signature of a call that has none, because another model made it or a restart lost it
/// (ai.google.dev/gemini-api/docs/thought-signatures).
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The body of a request.
pub(super) fn body(asked: &Asked<'_>) -> Value {
    let (request, options) = (asked.request, asked.options);
    let (head, rest) = super::head(asked.messages);
    let mut body = json!({"contents": contents(asked, rest)});
    if !head.is_empty() {
        let parts: Vec<Value> = head.iter().map(|text| json!({"text": text})).collect();
        body["systemInstruction"] = json!({"parts": parts});
    }
    let mut generation = serde_json::Map::new();
    if options.service.sampling.unwrap_or(true) {
        generation.insert("temperature".into(), super::decimal(request.sampling.temperature.min(2.0)));
        generation.insert("topP".into(), super::decimal(request.sampling.top_p));
    }
    if let Some(limit) = request.max_tokens {
        generation.insert("maxOutputTokens".into(), json!(limit));
    }
    if let Some(effort) = options.service.reasoning {
        generation.insert("thinkingConfig".into(), thinking(effort, &options.model));
    }
    if let AnswerForm::Json(schema) = &request.answer {
        generation.insert("responseMimeType".into(), json!("application/json"));
        generation.insert("responseSchema".into(), schema::reduced(schema));
    }
    if !generation.is_empty() {
        body["generationConfig"] = Value::Object(generation);
    }
    if !request.tools.is_empty() {
        let declarations: Vec<Value> = request
            .tools
            .iter()
            .map(|tool| {
                let mut function = json!({"name": tool.name, "description": tool.description});
                if let Some(parameters) = schema::gemini(tool) {
                    function["parameters"] = parameters;
                }
                function
            })
            .collect();
        body["tools"] = json!([{"functionDeclarations": declarations}]);
        let mode = match request.tool_choice {
            ToolChoice::Auto => "AUTO",
            ToolChoice::None => "NONE",
            ToolChoice::Required => "ANY",
        };
        body["toolConfig"] = json!({"functionCallingConfig": {"mode": mode}});
    }
    body
}

/// Gemini 2.5 takes a number of tokens, later ones a level.
fn thinking(effort: Effort, model: &str) -> Value {
    let counted = model.contains("gemini-2");
    match effort {
        Effort::Off if counted => json!({"thinkingBudget": 0}),
        Effort::Off => json!({"thinkingLevel": "low"}),
        // -1 leaves the number to the model.
        Effort::Medium if counted => json!({"includeThoughts": true, "thinkingBudget": -1}),
        Effort::Low if counted => json!({"includeThoughts": true, "thinkingBudget": 1_024}),
        Effort::High if counted => json!({"includeThoughts": true, "thinkingBudget": 16_384}),
        effort => json!({"includeThoughts": true, "thinkingLevel": effort.name()}),
    }
}

fn contents(asked: &Asked<'_>, messages: &[Message]) -> Vec<Value> {
    let signed = asked.options.model.contains("gemini-3");
    let mut out: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in messages {
        let (role, parts) = match message {
            Message::System { text } => ("user", words(text)),
            Message::User { text, images } => {
                let (text, images) = super::pictures(text, images, asked.options);
                // The API takes these names in both spellings, and LiteLLM only in this one.
                let pictures = images.iter().map(
                    |image| json!({"inline_data": {"mime_type": image.media_type, "data": super::base64(image)}}),
                );
                ("user", pictures.chain(words(&text)).collect())
            }
            Message::Assistant { text, calls, .. } => {
                let mut parts = words(text);
                for (number, call) in calls.iter().enumerate() {
                    let mut part = json!({"functionCall": {"name": call.name, "args": call.arguments}});
                    match asked.kept.get(&call.id) {
                        Some(signature) => part["thoughtSignature"] = signature.clone(),
                        // Only the first of calls made together has one.
                        None if signed && number == 0 => part["thoughtSignature"] = json!(NO_SIGNATURE),
                        None => {}
                    }
                    parts.push(part);
                }
                ("model", parts)
            }
            Message::Tool { name, text, .. } => {
                ("user", vec![json!({"functionResponse": {"name": name, "response": {"result": text}}})])
            }
        };
        if parts.is_empty() {
            continue;
        }
        match out.last_mut() {
            Some((last, so_far)) if *last == role => so_far.extend(parts),
            _ => out.push((role, parts)),
        }
    }
    out.into_iter().map(|(role, parts)| json!({"role": role, "parts": parts})).collect()
}

fn words(text: &str) -> Vec<Value> {
    if text.is_empty() { Vec::new() } else { vec![json!({"text": text})] }
}

/// Pieces as they come.
pub(super) struct Stream;

impl Reader for Stream {
    fn event(&mut self, name: &str, data: &Value, answer: &mut Answer) -> Result<Taken, Fault> {
        // Some errors come as a list of one.
        let data = data.as_array().and_then(|items| items.first()).unwrap_or(data);
        if let Some(error) = data.get("error").filter(|error| !error.is_null()) {
            return Err(fault::of_body(error, answer.limit));
        }
        if name == "error" {
            return Err(fault::of_body(data, answer.limit));
        }
        if !data.is_object() {
            return Err(Fault::last(malformed("a piece of the answer is no object".to_owned())));
        }
        take(data, answer).map_err(Fault::last)?;
        Ok(Taken::More)
    }

    fn whole(&mut self, body: &Value, answer: &mut Answer) -> Result<(), Fault> {
        // Without `alt=sse` the stream is a list.
        let pieces = body.as_array().map_or(std::slice::from_ref(body), Vec::as_slice);
        for piece in pieces {
            self.event("", piece, answer)?;
        }
        if pieces
            .iter()
            .all(|piece| piece.get("candidates").is_none() && piece.get("promptFeedback").is_none())
        {
            return Err(Fault::last(malformed("it has no candidates".to_owned())));
        }
        Ok(())
    }
}

fn take(piece: &Value, answer: &mut Answer) -> Result<(), ProviderError> {
    if let Some(usage) = piece.get("usageMetadata").filter(|usage| usage.is_object()) {
        let of = |key: &str| usage.get(key).map_or(0, count);
        let spent = answer.usage();
        spent.prompt = of("promptTokenCount") + of("toolUsePromptTokenCount");
        spent.cached = of("cachedContentTokenCount");
        spent.reasoning = of("thoughtsTokenCount");
        spent.completion = of("candidatesTokenCount") + spent.reasoning;
    }
    if let Some(reason) = piece.pointer("/promptFeedback/blockReason").and_then(Value::as_str) {
        answer.end(End::Refused(format!("the service's filter stopped the request ({reason})")));
    }
    let candidates = list(piece.get("candidates").unwrap_or(&Value::Null), "candidates")?;
    // Only one was asked for.
    let Some(candidate) = candidates.first() else { return Ok(()) };
    let parts = list(candidate.pointer("/content/parts").unwrap_or(&Value::Null), "parts")?;
    for part in parts {
        take_part(part, answer)?;
    }
    let words = candidate.get("finishMessage").and_then(Value::as_str).unwrap_or_default();
    let said = |what: &str| if words.is_empty() { what.to_owned() } else { format!("{what}: {words}") };
    match candidate.get("finishReason").and_then(Value::as_str) {
        None | Some("FINISH_REASON_UNSPECIFIED") => {}
        Some("STOP") => answer.end(End::Stop),
        Some("MAX_TOKENS") => answer.end(End::Length),
        Some(
            reason @ ("MALFORMED_FUNCTION_CALL"
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "MALFORMED_RESPONSE"),
        ) => {
            answer.end(End::Broken(said(&format!("the model wrote a call that is none ({reason})"))));
        }
        Some(reason @ "OTHER") => {
            answer.end(End::Broken(said(&format!("the answer ended without a cause ({reason})"))))
        }
        // SAFETY, RECITATION, LANGUAGE, BLOCKLIST, PROHIBITED_CONTENT, SPII and those to come: "the model stopped because".
        Some(reason) => {
            answer.end(End::Refused(said(&format!("the service's filter stopped the answer ({reason})"))));
        }
    }
    Ok(())
}

fn take_part(part: &Value, answer: &mut Answer) -> Result<(), ProviderError> {
    let piece = text(part.get("text").unwrap_or(&Value::Null), "text")?;
    let thought = part.get("thought").and_then(Value::as_bool).unwrap_or(false);
    match piece {
        Some(piece) if thought => answer.reasoning(piece),
        Some(piece) => answer.text(piece),
        None => {}
    }
    let Some(function) = part.get("functionCall") else { return Ok(()) };
    let slot = answer.calls().len();
    let call = answer.call(slot)?;
    text(function.get("id").unwrap_or(&Value::Null), "id")?.unwrap_or_default().clone_into(&mut call.id);
    text(function.get("name").unwrap_or(&Value::Null), "name")?
        .unwrap_or_default()
        .clone_into(&mut call.name);
    match function.get("args") {
        None | Some(Value::Null) => {}
        Some(args @ Value::Object(_)) => call.arguments = args.to_string(),
        Some(_) => return Err(malformed(format!("the arguments of `{}` are no object", call.name))),
    }
    call.signature = part.get("thoughtSignature").filter(|signature| signature.is_string()).cloned();
    Ok(())
}
