//! Owns what a failed HTTP exchange means to the caller.
//! Uses status, headers and the body's own words.
//! Never retries by itself, and never repeats a whole page of HTML.

use std::error::Error;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
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
}

impl Fault {
    pub(super) fn last(error: ProviderError) -> Self {
        Self { error, again: false, wait: None }
    }
}

/// What a status other than 200 means.
pub(super) fn of_status(status: StatusCode, headers: &HeaderMap, body: &str, limit: usize) -> Fault {
    let wait = retry_after(headers);
    let (message, code) = words(body);
    let message = if message.is_empty() { status.to_string() } else { format!("{status}: {message}") };
    let error = match status.as_u16() {
        401 | 403 => ProviderError::Unauthorized { message },
        429 if code.contains("quota") || code.contains("billing") => ProviderError::Rejected { message },
        429 => {
            return Fault { error: ProviderError::RateLimited { retry_after: wait }, again: true, wait };
        }
        400 | 413 | 422 if is_overflow(&message, &code) => overflow(&message, limit),
        408 | 409 | 425 | 500..=599 => {
            return Fault { error: ProviderError::Unavailable { message }, again: true, wait };
        }
        _ => ProviderError::Rejected { message },
    };
    Fault::last(error)
}

/// What an error inside an answer means; the status said that all was well.
pub(super) fn of_body(error: &Value, limit: usize) -> ProviderError {
    let (message, code) = words(&error.to_string());
    let number = error.get("code").or_else(|| error.get("status")).and_then(Value::as_u64);
    match (number, code.as_str()) {
        _ if is_overflow(&message, &code) => overflow(&message, limit),
        (Some(401 | 403), _) => ProviderError::Unauthorized { message },
        (Some(429), _) => ProviderError::RateLimited { retry_after: None },
        (_, code) if code.contains("rate_limit") => ProviderError::RateLimited { retry_after: None },
        (_, code) if code.contains("authentication") || code.contains("invalid_api_key") => {
            ProviderError::Unauthorized { message }
        }
        (Some(500..=599), _) => ProviderError::Unavailable { message },
        (_, code) if code.contains("overloaded") || code.contains("server_error") => {
            ProviderError::Unavailable { message }
        }
        _ => ProviderError::Rejected { message },
    }
}

/// What an error of the connection means, before any answer.
pub(super) fn of_connection(error: &reqwest::Error) -> Fault {
    let message = chain(error);
    if error.is_builder() {
        return Fault::last(ProviderError::Rejected { message });
    }
    Fault { error: ProviderError::Unavailable { message }, again: true, wait: None }
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

/// Message and code of an error body, in any of the shapes that servers use.
fn words(body: &str) -> (String, String) {
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        // HTML pages of gateways say nothing worth a screen.
        let text = if body.trim_start().starts_with('<') { "" } else { body };
        return (cut(text), String::new());
    };
    let error = value.get("error").unwrap_or(&value);
    let message = ["message", "detail", "error", "msg"]
        .iter()
        .find_map(|key| error.get(key).and_then(Value::as_str))
        .or_else(|| error.as_str())
        .map_or_else(|| error.to_string(), str::to_owned);
    let code = ["code", "type"].iter().filter_map(|key| error.get(key).and_then(Value::as_str));
    (cut(&message), code.collect::<Vec<_>>().join(" "))
}

fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_WORDS) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

fn is_overflow(message: &str, code: &str) -> bool {
    const SIGNS: [&str; 8] = [
        "maximum context length",
        "context length",
        "context window",
        "context size",
        "prompt is too long",
        "too many tokens",
        "max_model_len",
        "exceeds the available context",
    ];
    let message = message.to_lowercase();
    code.contains("context_length")
        || code.contains("exceed_context")
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
            r#"{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9000}}"#,
            (4096, 4097),
        );
    }

    #[test]
    fn words_are_found_and_cut() {
        let check = |body: &str, expect: &str| assert_eq!(words(body).0, expect, "{body}");
        check(r#"{"error":{"message":"no"}}"#, "no");
        check(r#"{"error":"no"}"#, "no");
        check(r#"{"message":"no"}"#, "no");
        check("plain\n words", "plain words");
        check("<html>502</html>", "");
        assert_eq!(words(&"x".repeat(10_000)).0.chars().count(), MAX_WORDS + 1);
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
