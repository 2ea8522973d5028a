//! Owns what a failed HTTP exchange means to the caller.
//! Uses status, headers and the body's own words.
//! Never retries by itself, and never repeats a whole page of HTML.

use std::error::Error;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use serde_json::Value;

use crate::provider::ProviderError;

/// A server's own words are cut after this many characters.
const MAX_WORDS: usize = 500;

/// A failure, and whether asking again may help.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) error: ProviderError,
    pub(super) again: bool,
    /// How long the server asks to wait.
    pub(super) wait: Option<Duration>,
    /// A stream ended before it began, with a status that says all is well.
    pub(super) silent: bool,
}

impl Fault {
    pub(super) fn last(error: ProviderError) -> Self {
        Self { error, again: false, wait: None, silent: false }
    }

    /// The connection ended, or fell silent, before the answer did.
    pub(super) fn cut(message: String) -> Self {
        Self { error: ProviderError::Unavailable { message }, again: true, wait: None, silent: false }
    }
}

/// What a status other than 200 means.
pub(super) fn of_status(status: StatusCode, headers: &HeaderMap, body: &str, limit: usize) -> Fault {
    let said = words(body);
    let wait = retry_after(headers).or(said.wait);
    let message =
        if said.message.is_empty() { status.to_string() } else { format!("{status}: {}", said.message) };
    let number = status.as_u16();
    if (300..400).contains(&number) {
        let to = headers.get(LOCATION).and_then(|to| to.to_str().ok()).map(cut).unwrap_or_default();
        return Fault::last(ProviderError::Rejected {
            message: format!("{status}: it leads to {to}, and redirects are not followed with a key"),
        });
    }
    of_words(number, message, &said.code, wait, limit)
}

/// What an error inside an answer means; the status said that all was well.
pub(super) fn of_body(error: &Value, limit: usize) -> Fault {
    let said = words(&error.to_string());
    let number = ["code", "status", "status_code"].iter().find_map(|key| {
        let value = error.get(key)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    });
    let code = said.code.as_str();
    let has = |part: &str| code.contains(part);
    let number = number.and_then(|number| u16::try_from(number).ok()).unwrap_or(match () {
        () if has("rate_limit") || has("resource_exhausted") => 429,
        () if has("authentication")
            || has("invalid_api_key")
            || has("permission")
            || has("unauthenticated") =>
        {
            401
        }
        () if has("overloaded")
            || has("server_error")
            || has("api_error")
            || has("unavailable")
            || has("internal")
            || has("timeout") =>
        {
            503
        }
        () => 400,
    });
    of_words(number, said.message, code, said.wait, limit)
}

fn of_words(number: u16, message: String, code: &str, wait: Option<Duration>, limit: usize) -> Fault {
    let again = |error| Fault { error, again: true, wait, silent: false };
    let lower = message.to_lowercase();
    let error = match number {
        400 | 413 | 422 | 429 | 500 if is_overflow(&lower, code) => overflow(&lower, limit),
        // Gemini answers a wrong key with 400.
        400 if code.contains("api_key_invalid") || lower.contains("api key not valid") => {
            ProviderError::Unauthorized { message }
        }
        401 | 403 => ProviderError::Unauthorized { message },
        // No wait helps here, only money.
        429 if code.contains("insufficient_quota") || code.contains("billing") => {
            ProviderError::Rejected { message }
        }
        429 => return again(ProviderError::RateLimited { retry_after: wait }),
        408 | 409 | 425 | 500..=599 => return again(ProviderError::Unavailable { message }),
        _ => ProviderError::Rejected { message },
    };
    Fault::last(error)
}

/// What an error of the connection means, before any answer.
pub(super) fn of_connection(error: &reqwest::Error) -> Fault {
    let message = chain(error);
    if error.is_builder() {
        return Fault::last(ProviderError::Rejected { message });
    }
    Fault { error: ProviderError::Unavailable { message }, again: true, wait: None, silent: false }
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = inner.source();
    }
    line
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    if let Some(wait) =
        headers.get("retry-after-ms").and_then(|value| value.to_str().ok()?.trim().parse().ok())
    {
        return Some(Duration::from_millis(wait));
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        // Otherwise it is a date.
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(text).ok()?;
            Duration::try_from(date.timestamp().duration_since(jiff::Timestamp::now())).ok()
        }
    }
}

/// What an error body says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Words {
    message: String,
    /// Every code and type that it names, in lower case.
    code: String,
    /// How long to wait, where the body says it.
    wait: Option<Duration>,
}

/// What an error body says, in any of the shapes that servers use.
fn words(body: &str) -> Words {
    // Some write even a failure as the event of a stream.
    let event = body.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or(body);
    let Ok(value) = serde_json::from_str::<Value>(event) else {
        // HTML pages of gateways say nothing worth a screen.
        let text = if body.trim_start().starts_with('<') { "" } else { body };
        return Words { message: cut(text), ..Words::default() };
    };
    let value = value.as_array().and_then(|items| items.first()).unwrap_or(&value);
    let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
    let message = ["message", "detail", "error", "msg"]
        .iter()
        .find_map(|key| error.get(key).and_then(Value::as_str))
        .or_else(|| error.as_str())
        .map_or_else(|| error.to_string(), str::to_owned);
    let details = error.get("details").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let codes = ["code", "type", "status"].iter().filter_map(|key| error.get(key).and_then(Value::as_str));
    let reasons = details.iter().filter_map(|detail| detail.get("reason").and_then(Value::as_str));
    // google.rpc.RetryInfo: `"retryDelay": "39s"`.
    let wait = details.iter().find_map(|detail| {
        let delay = detail.get("retryDelay").and_then(Value::as_str)?.strip_suffix('s')?;
        Duration::try_from_secs_f64(delay.parse().ok()?).ok()
    });
    // llama.cpp says the numbers beside its words.
    let counts = ["n_prompt_tokens", "n_ctx"].iter().filter_map(|key| error.get(key).and_then(Value::as_u64));
    let message = counts.fold(message, |message, count| format!("{message} {count}"));
    let code = codes.chain(reasons).collect::<Vec<_>>().join(" ").to_lowercase();
    Words { message: cut(&message), code, wait }
}

fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_WORDS) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// Whether words in lower case say that the prompt is too long.
fn is_overflow(message: &str, code: &str) -> bool {
    const SIGNS: [&str; 13] = [
        "maximum context length",
        "context length",
        "context window",
        "context size",
        "context limit",
        "prompt is too long",
        "input is too long",
        "too many tokens",
        "too many input tokens",
        "max_model_len",
        "exceeds the available context",
        // Gemini: "The input token count (N) exceeds the maximum number of tokens allowed (M)."
        "exceeds the maximum number of tokens",
        "request_too_large",
    ];
    code.contains("context_length")
        || code.contains("exceed_context")
        || code.contains("request_too_large")
        || SIGNS.iter().any(|sign| message.contains(sign))
}

fn overflow(message: &str, limit: usize) -> ProviderError {
    // "maximum context length is 8192 tokens, however you requested 9000 tokens": the order varies, and so do
    // other numbers, so only pairs that make sense are believed.
    let numbers: Vec<usize> = message
        .split(|character: char| !character.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .filter(|&number| number >= 512)
        .collect();
    let (limit, needed) = match numbers.as_slice() {
        [a, b, ..] if a != b => (*a.min(b), *a.max(b)),
        _ => (limit, limit.saturating_add(1)),
    };
    ProviderError::ContextOverflow { limit, needed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overflow_is_recognised() {
        let check = |body: &str, expect: (usize, usize)| {
            let fault = of_status(StatusCode::BAD_REQUEST, &HeaderMap::new(), body, 4096);
            match fault.error {
                ProviderError::ContextOverflow { limit, needed } => {
                    assert_eq!((limit, needed), expect, "{body}")
                }
                other => panic!("{body}: {other:?}"),
            }
        };
        check(
            r#"{"error":{"message":"This model's maximum context length is 8192 tokens. However, you requested 9000 tokens","code":"context_length_exceeded"}}"#,
            (8192, 9000),
        );
        check(r#"{"error":{"code":"context_length_exceeded","message":"too long"}}"#, (4096, 4097));
        check(r#"{"detail":"prompt is too long"}"#, (4096, 4097));
        check(
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 208310 tokens > 200000 maximum"}}"#,
            (200_000, 208_310),
        );
        check(
            r#"[{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}]"#,
            (1_048_576, 1_200_000),
        );
        check(
            r#"{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":8192}}"#,
            (8192, 9000),
        );
    }

    #[test]
    fn words_are_found_and_cut() {
        let check = |body: &str, expect: &str| assert_eq!(words(body).message, expect, "{body}");
        check(r#"{"error":{"message":"no"}}"#, "no");
        check(r#"{"error":"no"}"#, "no");
        check(r#"{"message":"no"}"#, "no");
        check("plain\n words", "plain words");
        check("<html>502</html>", "");
        check("data: {\"error\": {\"message\": \"no\"}}\n\ndata: [DONE]\n\n", "no");
        assert_eq!(words(&"x".repeat(10_000)).message.chars().count(), MAX_WORDS + 1);
    }

    #[test]
    fn waits_are_read() {
        let check = |name: &'static str, value: &'static str, expect: Option<u64>| {
            let headers: HeaderMap =
                [(name.parse().expect("a name"), value.parse().expect("a value"))].into_iter().collect();
            assert_eq!(retry_after(&headers), expect.map(Duration::from_millis), "{name}: {value}");
        };
        check("retry-after", "2", Some(2_000));
        check("retry-after", "0.5", Some(500));
        check("retry-after-ms", "250", Some(250));
        check("retry-after", "-1", None);
        check("retry-after", "soon", None);
        check("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT", None);
    }
}
