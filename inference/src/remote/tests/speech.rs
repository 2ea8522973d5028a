//! Owns what each protocol sounds like on the wire: the same answer, four ways.
//! Uses the APIs' own references for the shapes.
//! Never builds what the client sends: that is under test.

use serde_json::{Value, json};

use crate::catalog::Protocol;
use Protocol::{Anthropic, Chat, Gemini, Responses};

/// How an answer ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Stop,
    Calls,
    Length,
    Filter,
}

/// One event of a stream.
pub(super) fn event(protocol: Protocol, value: &Value) -> String {
    match (protocol, value.get("type").and_then(Value::as_str)) {
        (Anthropic | Responses, Some(name)) => format!("event: {name}\ndata: {value}\n\n"),
        _ => format!("data: {value}\n\n"),
    }
}

/// What comes before anything else.
pub(super) fn start(protocol: Protocol) -> String {
    let value = match protocol {
        Chat => json!({"choices": [{"index": 0, "delta": {"role": "assistant"}}]}),
        Responses => json!({"type": "response.created", "response": {"id": "r", "status": "in_progress"}}),
        Anthropic => {
            json!({"type": "message_start", "message": {"id": "m", "content": [], "usage": {"input_tokens": 2, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 4, "output_tokens": 1}}})
        }
        Gemini => return String::new(),
    };
    event(protocol, &value)
}

fn block(at: usize, block: &Value, deltas: &[Value], closed: bool) -> String {
    let mut text =
        event(Anthropic, &json!({"type": "content_block_start", "index": at, "content_block": block}));
    for delta in deltas {
        text += &event(Anthropic, &json!({"type": "content_block_delta", "index": at, "delta": delta}));
    }
    if closed {
        text += &event(Anthropic, &json!({"type": "content_block_stop", "index": at}));
    }
    text
}

/// Words, as item `at` of the answer.
pub(super) fn words(protocol: Protocol, at: usize, text: &str) -> String {
    match protocol {
        Chat => event(protocol, &json!({"choices": [{"index": 0, "delta": {"content": text}}]})),
        Responses => event(
            protocol,
            &json!({"type": "response.output_text.delta", "output_index": at, "content_index": 0, "delta": text}),
        ),
        Anthropic => block(
            at,
            &json!({"type": "text", "text": ""}),
            &[json!({"type": "text_delta", "text": text})],
            true,
        ),
        Gemini => event(
            protocol,
            &json!({"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}]}),
        ),
    }
}

/// Reasoning, as item `at` of the answer.
pub(super) fn reasoning(protocol: Protocol, at: usize, text: &str) -> String {
    match protocol {
        Chat => event(protocol, &json!({"choices": [{"index": 0, "delta": {"reasoning_content": text}}]})),
        Responses => {
            event(
                protocol,
                &json!({"type": "response.reasoning_summary_text.delta", "output_index": at, "delta": text}),
            ) + &event(
                protocol,
                &json!({"type": "response.output_item.done", "output_index": at, "item": {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": text}], "encrypted_content": "sealed"}}),
            )
        }
        Anthropic => block(
            at,
            &json!({"type": "thinking", "thinking": ""}),
            &[
                json!({"type": "thinking_delta", "thinking": text}),
                json!({"type": "signature_delta", "signature": "sealed"}),
            ],
            true,
        ),
        Gemini => event(
            protocol,
            &json!({"candidates": [{"content": {"parts": [{"text": text, "thought": true}]}, "index": 0}]}),
        ),
    }
}

/// A call as item `at`, the `number`th of the calls. Without `closed` it breaks off where its arguments do.
pub(super) fn call(
    protocol: Protocol,
    (at, number): (usize, usize),
    id: &str,
    name: &str,
    arguments: &str,
    closed: bool,
) -> String {
    match protocol {
        Chat => event(
            protocol,
            &json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": number, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}]}}]}),
        ),
        Responses => {
            let item = |arguments: &str| json!({"type": "function_call", "id": format!("fc_{number}"), "call_id": id, "name": name, "arguments": arguments});
            let mut text = event(
                protocol,
                &json!({"type": "response.output_item.added", "output_index": at, "item": item("")}),
            ) + &event(
                protocol,
                &json!({"type": "response.function_call_arguments.delta", "output_index": at, "delta": arguments}),
            );
            if closed {
                text += &event(
                    protocol,
                    &json!({"type": "response.output_item.done", "output_index": at, "item": item(arguments)}),
                );
            }
            text
        }
        Anthropic => block(
            at,
            &json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
            &[json!({"type": "input_json_delta", "partial_json": arguments})],
            closed,
        ),
        Gemini => {
            let arguments: Value = serde_json::from_str(arguments).unwrap_or_else(|_| json!(arguments));
            let part = json!({"functionCall": {"id": id, "name": name, "args": arguments}, "thoughtSignature": "sealed"});
            let text = event(protocol, &json!({"candidates": [{"content": {"parts": [part]}, "index": 0}]}));
            if closed { text } else { text[..text.len() / 2].to_owned() }
        }
    }
}

/// The end with these figures: prompt, of that re-used, written, of that reasoned.
pub(super) fn end(protocol: Protocol, ending: Ending, figures: Option<[i64; 4]>) -> String {
    let [prompt, cached, written, reasoned] = figures.unwrap_or_default();
    match protocol {
        Chat => {
            let reason = match ending {
                Ending::Stop => "stop",
                Ending::Calls => "tool_calls",
                Ending::Length => "length",
                Ending::Filter => "content_filter",
            };
            let mut text =
                event(protocol, &json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}));
            if figures.is_some() {
                text += &event(
                    protocol,
                    &json!({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": written, "prompt_tokens_details": {"cached_tokens": cached}, "completion_tokens_details": {"reasoning_tokens": reasoned}}}),
                );
            }
            text + "data: [DONE]\n\n"
        }
        Responses => {
            let (name, status, details) = match ending {
                Ending::Stop | Ending::Calls => ("response.completed", "completed", Value::Null),
                Ending::Length => {
                    ("response.incomplete", "incomplete", json!({"reason": "max_output_tokens"}))
                }
                Ending::Filter => ("response.incomplete", "incomplete", json!({"reason": "content_filter"})),
            };
            let mut response = json!({"status": status, "incomplete_details": details, "output": []});
            if figures.is_some() {
                response["usage"] = json!({"input_tokens": prompt, "input_tokens_details": {"cached_tokens": cached}, "output_tokens": written, "output_tokens_details": {"reasoning_tokens": reasoned}});
            }
            event(protocol, &json!({"type": name, "response": response}))
        }
        Anthropic => {
            let reason = match ending {
                Ending::Stop => "end_turn",
                Ending::Calls => "tool_use",
                Ending::Length => "max_tokens",
                Ending::Filter => "refusal",
            };
            let mut value = json!({"type": "message_delta", "delta": {"stop_reason": reason}});
            if figures.is_some() {
                value["usage"] = json!({"input_tokens": prompt - cached, "cache_read_input_tokens": cached, "cache_creation_input_tokens": 0, "output_tokens": written});
            }
            event(protocol, &value) + &event(protocol, &json!({"type": "message_stop"}))
        }
        Gemini => {
            let reason = match ending {
                Ending::Stop | Ending::Calls => "STOP",
                Ending::Length => "MAX_TOKENS",
                Ending::Filter => "SAFETY",
            };
            let mut value =
                json!({"candidates": [{"content": {"parts": []}, "finishReason": reason, "index": 0}]});
            if figures.is_some() {
                value["usageMetadata"] = json!({"promptTokenCount": prompt, "cachedContentTokenCount": cached, "candidatesTokenCount": written - reasoned, "thoughtsTokenCount": reasoned});
            }
            event(protocol, &value)
        }
    }
}

/// A whole answer that says these words.
pub(super) fn answer(protocol: Protocol, text: &str) -> String {
    start(protocol) + &words(protocol, 0, text) + &end(protocol, Ending::Stop, None)
}

/// The body of an error: HTTP status, code, words.
pub(super) fn error(protocol: Protocol, status: u16, code: &str, message: &str) -> Value {
    match protocol {
        Chat | Responses => json!({"error": {"message": message, "type": code, "param": null, "code": code}}),
        Anthropic => json!({"type": "error", "error": {"type": code, "message": message}}),
        Gemini => json!({"error": {"code": status, "message": message, "status": code.to_uppercase()}}),
    }
}

/// An error inside a stream.
pub(super) fn error_event(protocol: Protocol, status: u16, code: &str, message: &str) -> String {
    match protocol {
        Responses => event(
            protocol,
            &json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": code, "message": message}}}),
        ),
        _ => event(protocol, &error(protocol, status, code, message)),
    }
}

/// The same answer in one piece.
pub(super) fn whole(protocol: Protocol, text: &str) -> Value {
    match protocol {
        Chat => {
            json!({"choices": [{"message": {"content": text, "tool_calls": null}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
        }
        Responses => {
            json!({"status": "completed", "error": null, "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}], "usage": {"input_tokens": 1, "output_tokens": 2}})
        }
        Anthropic => {
            json!({"type": "message", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 2}})
        }
        Gemini => {
            json!([{"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2}}])
        }
    }
}

/// What each service says when the prompt is too long, with the status that it says it with.
pub(super) fn overflow(protocol: Protocol) -> (&'static str, Value) {
    let (code, message) = match protocol {
        Chat | Responses => (
            "context_length_exceeded",
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        ),
        Anthropic => ("invalid_request_error", "prompt is too long: 9000 tokens > 8192 maximum"),
        Gemini => (
            "INVALID_ARGUMENT",
            "The input token count (9000) exceeds the maximum number of tokens allowed (8192).",
        ),
    };
    ("400 Bad Request", error(protocol, 400, code, message))
}

/// A piece that belongs to nothing that has begun.
pub(super) fn lost(protocol: Protocol) -> String {
    let value = match protocol {
        Chat => json!({"choices": [{"delta": {"tool_calls": [{"index": 4_000_000_000_u32, "id": "a"}]}}]}),
        Responses => {
            json!({"type": "response.function_call_arguments.delta", "output_index": 7, "delta": "{}"})
        }
        Anthropic => {
            json!({"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "x"}})
        }
        Gemini => json!({"candidates": [{"content": {"parts": {"text": "x"}}}]}),
    };
    event(protocol, &value)
}
