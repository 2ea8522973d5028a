//! Owns the tests of the OpenAI-compatible provider against a server that follows a script.
//! Uses the loopback interface only.
//! Never waits longer than a test needs to see that something is bounded.

use std::sync::{Arc, Mutex};

use serde_json::{Map, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::provider::{FinishReason, Message, TokenUsage, ToolCall, ToolSpec};

/// What the server does with one connection.
#[derive(Clone)]
enum Act {
    Send(Vec<u8>),
    Wait(u64),
    /// Send until the other side goes away.
    Forever(String),
    /// Keep the connection open and say nothing.
    Hang,
}

fn send(text: impl AsRef<[u8]>) -> Act {
    Act::Send(text.as_ref().to_vec())
}

struct Server {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// One script a connection, in the order in which they come.
    async fn start(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        tokio::spawn(async move {
            for script in scripts {
                let Ok((stream, _)) = listener.accept().await else { return };
                tokio::spawn(serve(stream, script, Arc::clone(&noted)));
            }
        });
        Self { address, seen }
    }

    fn requests(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }
}

async fn serve(mut stream: TcpStream, script: Vec<Act>, seen: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    let mut buffer = [0_u8; 4096];
    loop {
        let size = stream.read(&mut buffer).await.unwrap_or(0);
        request.extend_from_slice(&buffer[..size]);
        let text = String::from_utf8_lossy(&request);
        let length = text
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ")?.trim().parse::<usize>().ok()
            })
            .unwrap_or(0);
        let whole = text.find("\r\n\r\n").is_some_and(|head| request.len() >= head + 4 + length);
        if size == 0 || whole {
            break;
        }
    }
    seen.lock().expect("no panic").push(String::from_utf8_lossy(&request).into_owned());
    for act in script {
        match act {
            Act::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
                let _ = stream.flush().await;
            }
            Act::Wait(milliseconds) => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
            Act::Forever(text) => while stream.write_all(text.as_bytes()).await.is_ok() {},
            Act::Hang => std::future::pending().await,
        }
    }
    let _ = stream.shutdown().await;
}

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

fn json_response(status: &str, headers: &str, body: &str) -> Act {
    send(format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn text_event(text: &str) -> String {
    event(&json!({"choices": [{"index": 0, "delta": {"content": text}}]}))
}

fn end_event(reason: &str) -> String {
    event(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
}

fn call_event(call: &Value) -> String {
    event(&json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}))
}

fn options(address: &str) -> OpenAiOptions {
    OpenAiOptions {
        base_url: address.to_owned(),
        model: "tiny".to_owned(),
        key: Some(ApiKey::new(" sk-secret-key \n")),
        plain_http: false,
        context_length: 4096,
        reasoning_model: false,
        patience: Patience {
            connect: Duration::from_secs(2),
            first_byte: Duration::from_millis(1_500),
            idle: Duration::from_millis(400),
            retries: 2,
            backoff: Duration::from_millis(5),
            longest_wait: Duration::from_millis(1_000),
        },
    }
}

fn request() -> Request {
    Request {
        messages: vec![Message::user("hello".to_owned())],
        tools: vec![ToolSpec {
            name: "read".to_owned(),
            description: "reads".to_owned(),
            parameters: json!({"type": "object", "properties": {"path": {"type": "string", "x-substring-of": ["a"]}}}),
        }],
        max_tokens: Some(50),
        ..Default::default()
    }
}

async fn ask(options: OpenAiOptions) -> Vec<Event> {
    let provider = OpenAiProvider::new(options).expect("the address is good");
    let stream = provider.stream(request(), CancellationToken::new());
    tokio::time::timeout(Duration::from_secs(30), stream.collect()).await.expect("every answer ends")
}

async fn run(scripts: Vec<Vec<Act>>) -> (Vec<Event>, Server) {
    let server = Server::start(scripts).await;
    (ask(options(&server.address)).await, server)
}

fn texts(events: &[Event]) -> String {
    let text = |event: &Event| match event {
        Ok(StreamEvent::Text(text)) => Some(text.clone()),
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

fn calls(events: &[Event]) -> Vec<ToolCall> {
    let call = |event: &Event| match event {
        Ok(StreamEvent::ToolCall(call)) => Some(call.clone()),
        _ => None,
    };
    events.iter().filter_map(call).collect()
}

fn reason(events: &[Event]) -> Option<FinishReason> {
    match events.last() {
        Some(Ok(StreamEvent::Finished { reason, .. })) => Some(*reason),
        _ => None,
    }
}

fn error(events: &[Event]) -> &ProviderError {
    match events.last() {
        Some(Err(error)) => error,
        other => panic!("{other:?} is no error"),
    }
}

fn path(path: &str) -> Map<String, Value> {
    [("path".to_owned(), json!(path))].into_iter().collect()
}

#[tokio::test]
async fn text_calls_and_usage_arrive() {
    let answer = [
        STREAM.to_owned(),
        ": a comment\n\n".to_owned(),
        event(&json!({"choices": [{"delta": {"role": "assistant", "reasoning_content": "hm"}}]})),
        text_event("Hé"),
        text_event("llo"),
        call_event(&json!({"index": 0, "id": "a", "type": "function", "function": {"name": "read", "arguments": ""}})),
        call_event(&json!({"index": 0, "function": {"arguments": "{\"path\":"}})),
        call_event(&json!({"index": 1, "id": "b", "function": {"name": "read", "arguments": "{\"path\":\"y\"}"}})),
        call_event(&json!({"index": 0, "function": {"arguments": "\"x\"}"}})),
        end_event("tool_calls"),
        event(&json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 5}}})),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat();
    // One byte at a time cuts lines, events and characters in two.
    let bytes: Vec<Act> = answer.bytes().map(|byte| Act::Send(vec![byte])).collect();
    let (events, server) = run(vec![bytes]).await;
    assert_eq!(texts(&events), "Héllo");
    assert!(matches!(events.first(), Some(Ok(StreamEvent::Reasoning(text))) if text == "hm"), "{events:?}");
    let expect = |id: &str, value: &str| ToolCall {
        id: id.to_owned(),
        name: "read".to_owned(),
        arguments: path(value),
    };
    assert_eq!(calls(&events), [expect("a", "x"), expect("b", "y")]);
    match events.last() {
        Some(Ok(StreamEvent::Finished { reason: FinishReason::ToolCalls, usage })) => {
            assert_eq!(*usage, TokenUsage { prompt: 7, cached: 5, completion: 3, ..TokenUsage::default() });
        }
        other => panic!("{other:?}"),
    }
    let sent = server.requests().remove(0);
    assert!(sent.starts_with("POST /v1/chat/completions HTTP/1.1"), "{sent}");
    assert!(sent.to_lowercase().contains("authorization: bearer sk-secret-key\r\n"), "{sent}");
    assert!(!sent.contains("x-substring-of"), "{sent}");
    let body: Value = serde_json::from_str(sent.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    assert_eq!(body["max_tokens"], 50);
    assert_eq!((&body["temperature"], &body["top_p"]), (&json!(0.7), &json!(0.95)));
    assert_eq!(body["tools"][0]["function"]["name"], "read");
    assert_eq!(body["tool_choice"], "auto");
}

#[tokio::test]
async fn limits_and_bad_servers_are_tried_again_before_the_answer() {
    let busy = || vec![json_response("429 Too Many Requests", "retry-after: 0\r\n", "{}")];
    let broken = || vec![json_response("503 Service Unavailable", "", "<html>busy</html>")];
    let good = || vec![send(STREAM), send(text_event("ok")), send(end_event("stop"))];
    let gone = || vec![];
    for scripts in [vec![busy(), good()], vec![broken(), busy(), good()], vec![gone(), good()]] {
        let tries = scripts.len();
        let (events, server) = run(scripts).await;
        assert_eq!(
            (texts(&events).as_str(), reason(&events)),
            ("ok", Some(FinishReason::Stop)),
            "{events:?}"
        );
        assert_eq!(server.requests().len(), tries);
    }
    // Patience ends.
    let (events, server) = run(vec![broken(), broken(), broken(), good()]).await;
    assert!(matches!(error(&events), ProviderError::Unavailable { .. }), "{events:?}");
    assert_eq!(server.requests().len(), 3);
    // A long wait is the caller's to decide.
    let long = || vec![json_response("429 Too Many Requests", "retry-after: 3600\r\n", "{}")];
    let (events, server) = run(vec![long(), good()]).await;
    assert!(
        matches!(error(&events), ProviderError::RateLimited { retry_after: Some(wait) } if wait.as_secs() == 3600),
        "{events:?}"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn statuses_become_errors_at_once() {
    let check = async |status: &str, body: &str, fits: fn(&ProviderError) -> bool| {
        let (events, server) = run(vec![vec![json_response(status, "", body)]]).await;
        assert!(events.len() == 1 && fits(error(&events)), "{status}: {events:?}");
        assert_eq!(server.requests().len(), 1);
        assert!(!format!("{events:?}").contains("sk-secret-key"), "{events:?}");
    };
    let key = r#"{"error": {"message": "Incorrect API key provided: sk-secret-key"}}"#;
    check(
        "401 Unauthorized",
        key,
        |error| matches!(error, ProviderError::Unauthorized { message } if message.contains("[key]")),
    )
    .await;
    check("403 Forbidden", "no", |error| matches!(error, ProviderError::Unauthorized { .. })).await;
    check(
        "404 Not Found",
        r#"{"error": "model not found"}"#,
        |error| matches!(error, ProviderError::Rejected { message } if message.contains("model not found")),
    )
    .await;
    let long = r#"{"error": {"code": "context_length_exceeded", "message": "maximum context length is 8192 tokens, you sent 9000"}}"#;
    check("400 Bad Request", long, |error| {
        matches!(error, ProviderError::ContextOverflow { limit: 8192, needed: 9000 })
    })
    .await;
    check("400 Bad Request", r#"{"error": {"message": "bad schema"}}"#, |error| {
        matches!(error, ProviderError::Rejected { .. })
    })
    .await;
    check(
        "429 Too Many Requests",
        r#"{"error": {"code": "insufficient_quota", "message": "pay"}}"#,
        |error| matches!(error, ProviderError::Rejected { .. }),
    )
    .await;
    check("302 Found", "", |error| matches!(error, ProviderError::Rejected { .. })).await;
}

#[tokio::test]
async fn broken_answers_end_as_errors_and_report_no_call() {
    let half_call = || {
        call_event(
            &json!({"index": 0, "id": "a", "function": {"name": "read", "arguments": "{\"path\": \"x"}}),
        )
    };
    type Fits = fn(&ProviderError) -> bool;
    let malformed: Fits = |error| matches!(error, ProviderError::Malformed { .. });
    let unavailable: Fits = |error| matches!(error, ProviderError::Unavailable { .. });
    let rejected: Fits = |error| matches!(error, ProviderError::Rejected { .. });
    let ended: Fits =
        |error| matches!(error, ProviderError::Malformed { .. } | ProviderError::Unavailable { .. });
    let cases: Vec<(&str, Vec<Act>, Fits)> = vec![
        ("gone in mid-answer", vec![send(STREAM), send(text_event("a"))], unavailable),
        ("gone in mid-call", vec![send(STREAM), send(half_call())], unavailable),
        ("gone in mid-line", vec![send(STREAM), send("data: {\"choices\": [")], unavailable),
        (
            "done without an end of the call",
            vec![send(STREAM), send(half_call()), send("data: [DONE]\n\n")],
            unavailable,
        ),
        (
            "truncated arguments",
            vec![send(STREAM), send(half_call()), send(end_event("tool_calls"))],
            malformed,
        ),
        ("no JSON", vec![send(STREAM), send("data: {nonsense\n\n")], malformed),
        ("another shape", vec![send(STREAM), send("data: {\"choices\": 5}\n\n")], malformed),
        (
            "a call without a name",
            vec![
                send(STREAM),
                send(call_event(&json!({"index": 0, "id": "a", "function": {"arguments": "{}"}}))),
                send(end_event("tool_calls")),
            ],
            malformed,
        ),
        (
            "a call far away",
            vec![send(STREAM), send(call_event(&json!({"index": 4_000_000_000_u32, "id": "a"})))],
            malformed,
        ),
        ("not UTF-8", vec![send(STREAM), send(b"data: \xff\xfe\n\n")], malformed),
        (
            "an error in mid-answer",
            vec![
                send(STREAM),
                send(text_event("a")),
                send("data: {\"error\": {\"message\": \"overheated\"}}\n\n"),
            ],
            rejected,
        ),
        ("a filter", vec![send(STREAM), send(text_event("a")), send(end_event("content_filter"))], rejected),
        (
            "an error body with status 200",
            vec![json_response("200 OK", "", r#"{"error": {"message": "sorry"}}"#)],
            rejected,
        ),
        (
            "an overload with status 200",
            vec![json_response("200 OK", "", r#"{"error": {"code": 503, "message": "x"}}"#)],
            unavailable,
        ),
        ("JSON of another kind", vec![json_response("200 OK", "", r#"{"object": "list"}"#)], malformed),
        (
            "a page of HTML",
            vec![send(
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<html></html>",
            )],
            unavailable,
        ),
        // Whether size or time ends these first depends on the machine.
        ("an endless line", vec![send(STREAM), send("data: "), Act::Forever("x".repeat(1 << 16))], ended),
        (
            "an endless answer",
            vec![send(STREAM), Act::Forever(event(&json!({"choices": [], "padding": "x".repeat(1 << 20)})))],
            ended,
        ),
        ("silence in mid-answer", vec![send(STREAM), send(text_event("a")), Act::Hang], unavailable),
        ("nothing but comments", vec![send(STREAM), Act::Forever(": alive\n".repeat(1 << 12))], ended),
        ("no answer", vec![Act::Hang], unavailable),
    ];
    for (name, script, fits) in cases {
        let (events, server) = run(vec![script]).await;
        assert!(fits(error(&events)), "{name}: {:?}", events.last());
        assert!(calls(&events).is_empty(), "{name}");
        assert_eq!(server.requests().len(), 1, "{name}: asked again although the answer had begun");
    }
}

#[tokio::test]
async fn a_drip_slower_than_patience_ends() {
    let drip: Vec<Act> = [send(STREAM)]
        .into_iter()
        .chain((0..40).flat_map(|_| [send(": alive\n\n"), Act::Wait(100)]))
        .collect();
    let (events, _server) = run(vec![drip]).await;
    assert!(matches!(error(&events), ProviderError::Unavailable { .. }), "{events:?}");
}

#[tokio::test]
async fn odd_but_usable_answers_are_used() {
    let call = |id: &str| json!({"index": 0, "id": id, "function": {"name": "read", "arguments": "{\"path\": \"x\"}"}});
    let second = |id: &str| json!({"index": 1, "id": id, "function": {"name": "read", "arguments": ""}});
    // The same id twice, none at all, arguments as an object, calls with the reason `stop`.
    for ids in [("a", "a"), ("", "")] {
        let script = vec![
            send(STREAM),
            send(call_event(&call(ids.0))),
            send(call_event(&second(ids.1))),
            send(end_event("stop")),
        ];
        let (events, _server) = run(vec![script]).await;
        let calls = calls(&events);
        assert_eq!((calls.len(), reason(&events)), (2, Some(FinishReason::ToolCalls)), "{events:?}");
        assert!(calls[0].id != calls[1].id && calls.iter().all(|call| !call.id.is_empty()), "{calls:?}");
        assert_eq!(calls[1].arguments, Map::new());
    }
    // Cut off: the text counts, the calls do not.
    let script =
        vec![send(STREAM), send(text_event("long")), send(call_event(&call("a"))), send(end_event("length"))];
    let (events, _server) = run(vec![script]).await;
    assert_eq!((texts(&events).as_str(), reason(&events)), ("long", Some(FinishReason::Length)));
    assert!(calls(&events).is_empty());
    // No stream at all.
    let body = json!({"choices": [{"message": {"content": "whole", "tool_calls": [{"id": "a", "function": {"name": "read", "arguments": {"path": "x"}}}]}, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}});
    let (events, _server) = run(vec![vec![json_response("200 OK", "", &body.to_string())]]).await;
    assert_eq!((texts(&events).as_str(), reason(&events)), ("whole", Some(FinishReason::ToolCalls)));
    assert_eq!(calls(&events)[0].arguments, path("x"));
    // Lines that end in CR LF, and `[DONE]` without a reason.
    let script =
        vec![send(STREAM), send(text_event("crlf").replace('\n', "\r\n")), send("data: [DONE]\r\n\r\n")];
    let (events, _server) = run(vec![script]).await;
    assert_eq!((texts(&events).as_str(), reason(&events)), ("crlf", Some(FinishReason::Stop)));
}

#[tokio::test]
async fn nobody_there_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}/v1", listener.local_addr().expect("an address"));
    drop(listener);
    let events = ask(options(&address)).await;
    assert!(matches!(error(&events), ProviderError::Unavailable { .. }), "{events:?}");
}

#[tokio::test]
async fn a_cancelled_or_dropped_request_ends() {
    let server = Server::start(vec![
        vec![send(STREAM), send(text_event("a")), Act::Hang],
        vec![send(STREAM), Act::Hang],
    ])
    .await;
    let mut patient = options(&server.address);
    patient.patience.idle = Duration::from_secs(3600);
    let provider = OpenAiProvider::new(patient).expect("the address is good");
    let cancel = CancellationToken::new();
    let mut stream = provider.stream(request(), cancel.clone());
    assert!(matches!(stream.next().await, Some(Ok(StreamEvent::Text(_)))));
    cancel.cancel();
    assert!(matches!(stream.next().await, Some(Err(ProviderError::Cancelled))));
    assert!(stream.next().await.is_none());
    // A stream that is dropped takes its connection along: the server is gone, and nothing waits for it.
    let mut dropped = provider.stream(request(), CancellationToken::new());
    let waiting = tokio::time::timeout(Duration::from_millis(50), dropped.next()).await;
    assert!(waiting.is_err());
    drop(dropped);
}

#[test]
fn addresses_and_keys_are_checked() {
    let refused = |address: &str| OpenAiProvider::new(options(address)).err();
    for address in ["", "ftp://host/v1", "not an address", "http://example.com/v1"] {
        assert!(matches!(refused(address), Some(ProviderError::Rejected { .. })), "{address}");
    }
    for address in ["https://example.com/v1/", "http://localhost:8080/v1", "http://[::1]:1/v1"] {
        assert!(refused(address).is_none(), "{address}");
    }
    assert!(!format!("{:?}", options("https://example.com")).contains("secret"));
    let odd = OpenAiOptions { key: Some(ApiKey::new("a\nb")), ..options("https://example.com") };
    assert!(matches!(odd.key.map(|key| key.bearer()), Some(Err(ProviderError::Unauthorized { .. }))));
}
