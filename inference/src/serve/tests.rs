//! Owns the tests of the service over a real socket: what is asked, what comes back, and what ends when nobody listens.
//! Uses scripted models, the built-in model as some small one, and HTTP written by hand.
//! Never leaves loopback, and waits for nothing without a bound.

use std::sync::atomic::{AtomicBool, AtomicUsize};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::embed::Table;
use crate::local::{LocalOptions, LocalProvider};
use crate::provider::{EventStream, Provider, ProviderInfo, Request as Asked, StreamEvent};
use crate::scripted::Scripted;

const TOKEN: &str = "the-token";
const TEMPLATE: &str = "{% for m in messages %}[{{ m.role }}]\n{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]\n{% endif %}";

/// Scripted models by name: a new one for each time that it is opened.
fn script(name: &str) -> Option<&'static str> {
    Some(match name {
        "talk" => {
            r#"{"repeat": true, "bytes_per_token": 1, "steps": [{"events":
            [{"reasoning": "hm"}, {"text": "Hello "}, {"text": "there, wor"}, {"text": "ld."}]}]}"#
        }
        "call" => {
            r#"{"repeat": true, "steps": [{"expect": {"tools": ["look"]}, "events":
            [{"text": "I look."}, {"call": {"name": "look", "arguments": {"at": "a"}}},
             {"call": {"name": "look", "arguments": {"at": "b"}}}]}]}"#
        }
        "result" => {
            r#"{"repeat": true, "steps": [{"expect": {"contains": ["nothing there"]}, "events": [{"text": "ok"}]}]}"#
        }
        "long" => r#"{"repeat": true, "steps": [{"events": [{"text": "and so on"}, {"finish": "length"}]}]}"#,
        "full" => {
            r#"{"repeat": true, "steps": [{"events": [{"error": {"context_overflow": {"limit": 10, "needed": 20}}}]}]}"#
        }
        "busy" => {
            r#"{"repeat": true, "steps": [{"events": [{"error": {"rate_limited": {"retry_after_ms": 7000}}}]}]}"#
        }
        "away" => r#"{"repeat": true, "steps": [{"events": [{"error": {"unavailable": "gone"}}]}]}"#,
        "breaks" => {
            r#"{"repeat": true, "steps": [{"events": [{"text": "a"}, {"error": {"malformed": "no more"}}]}]}"#
        }
        "vanishes" => r#"{"repeat": true, "steps": [{"events": [{"text": "a"}, {"finish": "vanish"}]}]}"#,
        _ => return None,
    })
}

/// A model that never ends, and knows how many of its answers are alive.
struct Endless {
    info: ProviderInfo,
    alive: Arc<AtomicUsize>,
}

struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Provider for Endless {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    fn stream(&self, _request: Asked, _cancel: CancellationToken) -> EventStream {
        self.alive.fetch_add(1, Ordering::SeqCst);
        let alive = Alive(Arc::clone(&self.alive));
        Box::pin(futures::stream::unfold(alive, |alive| async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((Ok(StreamEvent::Text("on ".to_owned())), alive))
        }))
    }

    fn count_tokens(&self, _request: &Asked) -> Option<usize> {
        None
    }
}

#[derive(Default)]
struct Offered {
    alive: Arc<AtomicUsize>,
    opened: AtomicUsize,
    broken: AtomicBool,
}

const NAMES: [&str; 11] =
    ["talk", "call", "result", "long", "full", "busy", "away", "breaks", "vanishes", "endless", "tiny"];

impl Models for Offered {
    fn list(&self) -> Vec<Listed> {
        let answers = NAMES.iter().map(|name| Listed { name: (*name).to_owned(), embeds: false });
        let more = [("damaged", false), ("loci/table", true)];
        let more = more.map(|(name, embeds)| Listed { name: name.to_owned(), embeds });
        answers.chain(more).collect()
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Provider>, OpenError> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        if let Some(script) = script(name) {
            return Ok(Arc::new(Scripted::from_json(script).expect("a script")));
        }
        match name {
            "endless" => {
                let info = Scripted::from_json("[]").expect("a script").info().clone();
                Ok(Arc::new(Endless { info, alive: Arc::clone(&self.alive) }))
            }
            "tiny" => {
                let options = LocalOptions {
                    dialect: Some("generic".to_owned()),
                    chat_template: Some(TEMPLATE.to_owned()),
                    ..Default::default()
                };
                Ok(Arc::new(LocalProvider::open(crate::builtin::source(), options).expect("opens")))
            }
            _ => {
                self.broken.store(true, Ordering::SeqCst);
                Err(OpenError::Failed { message: "its file is damaged".to_owned() })
            }
        }
    }

    fn open_embedder(&self, _name: &str) -> Result<Embedder, OpenError> {
        Ok(Embedder::Table(Table::builtin().expect("the table")))
    }
}

/// A service on a port of its own, ended when dropped.
struct Service {
    address: SocketAddr,
    offered: Arc<Offered>,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<io::Result<()>>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn options() -> ServeOptions {
    ServeOptions {
        token: TOKEN.to_owned(),
        default_model: "talk".to_owned(),
        sampling: Sampling::default(),
        parallel: 4,
        queue: 16,
        most_models: 20,
        keep_alive: None,
        host_names: Vec::new(),
    }
}

async fn start(options: ServeOptions) -> Service {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (offered, stop) = (Arc::new(Offered::default()), CancellationToken::new());
    let models: Arc<dyn Models> = offered.clone();
    let ended = tokio::spawn(serve(Door::Tcp(listener), models, options, stop.clone().cancelled_owned()));
    Service { address, offered, stop, ended }
}

/// An answer: status, headers as one text, body.
struct Got {
    status: u16,
    head: String,
    body: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The objects of a stream, and whether it ended as it should.
    fn events(&self) -> (Vec<Value>, bool) {
        let data: Vec<&str> = self.body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        let objects = data.iter().filter(|data| **data != "[DONE]");
        let objects = objects.map(|data| serde_json::from_str(data).expect("JSON")).collect();
        (objects, data.last() == Some(&"[DONE]"))
    }
}

impl Service {
    async fn raw(&self, request: &str) -> Got {
        let answer = async {
            let mut socket = TcpStream::connect(self.address).await.expect("connects");
            socket.write_all(request.as_bytes()).await.expect("sent");
            let mut bytes = Vec::new();
            // A refused body may close the connection while it is still being sent.
            let _ = socket.read_to_end(&mut bytes).await;
            String::from_utf8(bytes).expect("UTF-8")
        };
        let text = tokio::time::timeout(Duration::from_secs(60), answer).await.expect("an answer in time");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let head = head.to_ascii_lowercase();
        let body = if head.contains("transfer-encoding: chunked") { unchunk(body) } else { body.to_owned() };
        Got { status, head, body }
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Got {
        let address = self.address;
        let length = body.len();
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
        .await
    }

    async fn chat(&self, body: &Value) -> Got {
        self.ask("POST", "/v1/chat/completions", &body.to_string()).await
    }
}

fn unchunk(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        out += &rest[..size];
        body = &rest[size + 2..];
    }
    out
}

/// A request to a model, with more fields.
fn to(model: &str, more: Value) -> Value {
    let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": "hello" }] });
    for (key, value) in more.as_object().expect("an object") {
        body[key] = value.clone();
    }
    body
}

fn tool() -> Value {
    json!({ "type": "function", "function": { "name": "look", "description": "looks", "parameters":
        { "type": "object", "properties": { "at": { "type": "string", "enum": ["a", "b"] } }, "required": ["at"] } } })
}

#[tokio::test]
async fn answers_are_in_the_shape_of_the_protocol() {
    let service = start(options()).await;
    let got = service.chat(&to("talk", json!({}))).await;
    assert_eq!(got.status, 200, "{}", got.body);
    let value = got.json();
    assert_eq!((&value["object"], &value["model"]), (&json!("chat.completion"), &json!("talk")));
    let choice = &value["choices"][0];
    assert_eq!(choice["message"]["content"], "Hello there, world.");
    assert_eq!(choice["message"]["reasoning_content"], "hm");
    assert_eq!(choice["finish_reason"], "stop");
    let usage = &value["usage"];
    let sum = usage["prompt_tokens"].as_u64().expect("a count")
        + usage["completion_tokens"].as_u64().expect("a count");
    assert_eq!(usage["total_tokens"], sum);
    assert!(sum > 5, "{usage}");
    // Without a name, the first model answers; without a token, /health does.
    let got =
        service.ask("POST", "/v1/chat/completions", r#"{"messages":[{"role":"user","content":"x"}]}"#).await;
    assert_eq!(got.json()["model"], "talk");
    let health = format!("GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", service.address);
    let got = service.raw(&health).await;
    assert_eq!((got.status, got.json()), (200, json!({ "status": "ok" })));
    assert!(!got.head.contains("access-control"), "{}", got.head);
    let got = service.ask("GET", "/v1/models", "").await.json();
    let names: Vec<&str> =
        got["data"].as_array().expect("a list").iter().filter_map(|model| model["id"].as_str()).collect();
    assert_eq!((names.len(), names[0]), (NAMES.len() + 2, "talk"));
    assert_eq!((&got["data"][0]["loaded"], &got["data"][1]["loaded"]), (&json!(true), &json!(false)));
    let got = service.ask("GET", "/v1/models/loci/table", "").await.json();
    assert_eq!((&got["id"], &got["embeddings"]), (&json!("loci/table"), &json!(true)));
}

#[tokio::test]
async fn streams_say_the_same_in_pieces() {
    let service = start(options()).await;
    let body = to("talk", json!({ "stream": true, "stream_options": { "include_usage": true } }));
    let got = service.chat(&body).await;
    assert!(got.head.contains("content-type: text/event-stream"), "{}", got.head);
    let (events, ended) = got.events();
    assert!(ended, "{}", got.body);
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    let text: String =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "Hello there, world.");
    let finished: Vec<&Value> =
        events.iter().filter(|event| event["choices"][0]["finish_reason"].is_string()).collect();
    assert_eq!((finished.len(), &finished[0]["choices"][0]["finish_reason"]), (1, &json!("stop")));
    let last = events.last().expect("events");
    assert_eq!(last["choices"], json!([]));
    assert!(last["usage"]["completion_tokens"].as_u64().is_some_and(|count| count > 0), "{last}");
    assert!(events.iter().all(|event| event["id"] == last["id"]));
    // Calls come whole, numbered.
    let got = service.chat(&to("call", json!({ "stream": true, "tools": [tool()] }))).await;
    let (events, _) = got.events();
    let calls: Vec<&Value> = events
        .iter()
        .map(|event| &event["choices"][0]["delta"]["tool_calls"][0])
        .filter(|call| call.is_object())
        .collect();
    assert_eq!(
        (calls.len(), &calls[0]["index"], &calls[1]["index"]),
        (2, &json!(0), &json!(1)),
        "{}",
        got.body
    );
    assert_eq!(calls[1]["function"], json!({ "name": "look", "arguments": "{\"at\":\"b\"}" }));
    assert!(got.body.contains("\"finish_reason\":\"tool_calls\""));
    assert!(!got.body.contains("\"usage\""), "nobody asked for it");
    // What breaks after it began is said in the stream, which then has no proper end.
    for name in ["breaks", "vanishes"] {
        let got = service.chat(&to(name, json!({ "stream": true }))).await;
        let (events, ended) = got.events();
        assert_eq!((got.status, ended), (200, false));
        assert_eq!(events.last().expect("events")["error"]["type"], "server_error", "{}", got.body);
    }
}

#[tokio::test]
async fn what_ends_an_answer_ends_it() {
    let service = start(options()).await;
    let check = async |model: &str, more: Value, content: Value, calls: usize, reason: &str| {
        for stream in [false, true] {
            let mut body = to(model, more.clone());
            body["stream"] = stream.into();
            let got = service.chat(&body).await;
            assert_eq!(got.status, 200, "{}", got.body);
            if stream {
                let text: String = got
                    .events()
                    .0
                    .iter()
                    .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
                    .collect();
                assert_eq!(text, content.as_str().unwrap_or_default(), "{body}");
                assert!(got.body.contains(&format!("\"finish_reason\":\"{reason}\"")), "{}", got.body);
            } else {
                let choice = &got.json()["choices"][0];
                assert_eq!(choice["message"]["content"], content, "{body}");
                assert_eq!(choice["message"]["tool_calls"].as_array().map_or(0, Vec::len), calls);
                assert_eq!(choice["finish_reason"], reason);
            }
        }
    };
    check("talk", json!({ "stop": "world" }), "Hello there, ".into(), 0, "stop").await;
    check("talk", json!({ "stop": ["xyz", " there"] }), "Hello".into(), 0, "stop").await;
    check("talk", json!({ "stop": "nowhere" }), "Hello there, world.".into(), 0, "stop").await;
    check("long", json!({}), "and so on".into(), 0, "length").await;
    check("call", json!({ "tools": [tool()] }), "I look.".into(), 2, "tool_calls").await;
    check(
        "call",
        json!({ "tools": [tool()], "parallel_tool_calls": false }),
        "I look.".into(),
        1,
        "tool_calls",
    )
    .await;
    let got = service.chat(&to("talk", json!({ "stop": "world" }))).await.json();
    assert!(got["usage"]["completion_tokens"].as_u64().is_some_and(|count| count > 5), "{got}");
}

#[tokio::test]
async fn wrong_requests_are_named() {
    let service = start(options()).await;
    let check = async |body: Value, status: u16, param: &str, expect: &str| {
        let got = service.chat(&body).await;
        let error = &got.json()["error"];
        assert_eq!(got.status, status, "{body}: {error}");
        assert_eq!(error["param"].as_str().unwrap_or_default(), param, "{body}: {error}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(expect)), "{body}: {error}");
        assert!(error["type"].is_string());
    };
    let with = |more: Value| to("talk", more);
    let said = |messages: Value| json!({ "model": "talk", "messages": messages });
    check(json!({ "model": "talk" }), 400, "messages", "at least one").await;
    check(said(json!([])), 400, "messages", "at least one").await;
    check(said(json!("hi")), 400, "messages", "must be a list").await;
    check(said(json!(["hi"])), 400, "messages[0]", "must be an object").await;
    check(said(json!([{ "content": "x" }])), 400, "messages[0].role", "is missing").await;
    check(said(json!([{ "role": "robot", "content": "x" }])), 400, "messages[0].role", "none of").await;
    check(said(json!([{ "role": "user" }])), 400, "messages[0].content", "is missing").await;
    check(said(json!([{ "role": "user", "content": 5 }])), 400, "messages[0].content", "must be a text")
        .await;
    let picture =
        json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "x" } }] }]);
    check(said(picture), 400, "messages[0].content[0].type", "no `image_url`").await;
    check(said(json!([{ "role": "assistant" }])), 400, "messages[0].content", "no tool_calls").await;
    let stray = json!([{ "role": "tool", "tool_call_id": "c", "content": "x" }]);
    check(said(stray), 400, "messages[0].tool_call_id", "no call before it").await;
    let broken = json!([{ "role": "assistant", "tool_calls": [{ "id": "c", "type": "function", "function": { "name": "look", "arguments": "{" } }] }]);
    check(said(broken), 400, "messages[0].tool_calls[0].function.arguments", "JSON object").await;
    check(with(json!({ "model": 5 })), 400, "model", "must be a string").await;
    check(with(json!({ "stream": "yes" })), 400, "stream", "true or false").await;
    check(with(json!({ "stream_options": { "include_usage": true } })), 400, "stream_options", "needs").await;
    check(with(json!({ "temperature": 3 })), 400, "temperature", "from 0 to 2").await;
    check(with(json!({ "top_p": -0.1 })), 400, "top_p", "from 0 to 1").await;
    check(with(json!({ "max_tokens": 0 })), 400, "max_tokens", "at least 1").await;
    check(with(json!({ "max_completion_tokens": 1.5 })), 400, "max_completion_tokens", "whole number").await;
    check(with(json!({ "seed": "x" })), 400, "seed", "whole number").await;
    check(with(json!({ "n": 2 })), 400, "n", "one answer").await;
    check(with(json!({ "logprobs": true })), 400, "logprobs", "not given").await;
    check(with(json!({ "logit_bias": { "5": 1 } })), 400, "logit_bias", "not biased").await;
    check(with(json!({ "presence_penalty": 1 })), 400, "presence_penalty", "only 0").await;
    check(with(json!({ "functions": [] })), 400, "functions", "`tools`").await;
    check(with(json!({ "modalities": ["text", "audio"] })), 400, "modalities", "are text").await;
    check(with(json!({ "stop": "" })), 400, "stop", "none of them empty").await;
    check(with(json!({ "stop": [1] })), 400, "stop", "a list").await;
    check(with(json!({ "tools": [{ "type": "retrieval" }] })), 400, "tools[0].type", "only `function`").await;
    check(with(json!({ "tools": [{ "type": "function" }] })), 400, "tools[0].function", "is missing").await;
    let odd = json!({ "tools": [{ "type": "function", "function": { "name": "a b" } }] });
    check(with(odd), 400, "tools[0].function.name", "letters").await;
    check(with(json!({ "tools": [tool(), tool()] })), 400, "tools[1]", "twice").await;
    check(with(json!({ "tool_choice": "required" })), 400, "tool_choice", "no tools").await;
    check(with(json!({ "tool_choice": "any" })), 400, "tool_choice", "must be").await;
    let named =
        json!({ "tools": [tool()], "tool_choice": { "type": "function", "function": { "name": "fly" } } });
    check(with(named), 400, "tool_choice", "none of the tools").await;
    check(with(json!({ "response_format": { "type": "xml" } })), 400, "response_format.type", "none of")
        .await;
    let bare = json!({ "response_format": { "type": "json_schema" } });
    check(with(bare), 400, "response_format.json_schema", "is missing").await;
    check(to("full", json!({})), 400, "messages", "20 tokens").await;
    check(to("nobody", json!({})), 404, "model", "there are: talk").await;
    check(to("damaged", json!({})), 500, "", "damaged").await;
    check(to("loci/table", json!({})), 400, "model", "vectors and no answers").await;
    check(to("away", json!({})), 503, "", "gone").await;
    check(to("breaks", json!({})), 500, "", "no more").await;
    check(to("busy", json!({})), 429, "", "rate").await;
    // The control: the same request without the fault.
    assert_eq!(
        service
            .chat(&with(json!({ "n": 1, "logprobs": false, "presence_penalty": 0, "user": "x" })))
            .await
            .status,
        200
    );
    let got = service.chat(&to("busy", json!({}))).await;
    assert!(got.head.contains("retry-after: 7"), "{}", got.head);
    let got = service.chat(&to("full", json!({}))).await;
    assert_eq!(got.json()["error"]["code"], "context_length_exceeded");
}

#[tokio::test]
async fn whoever_may_not_ask_is_refused_before_anything_is_read() {
    let service = start(options()).await;
    let address = service.address;
    let body = to("talk", json!({})).to_string();
    let check = async |head: &str, body: &str, status: u16, expect: &str| {
        let length = body.len();
        let got = service
            .raw(&format!("{head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"))
            .await;
        assert_eq!(got.status, status, "{head}: {}", got.body);
        assert!(got.body.contains(expect), "{head}: {}", got.body);
        got
    };
    let post = "POST /v1/chat/completions HTTP/1.1";
    let right = format!("{post}\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}");
    check(&right, &body, 200, "Hello").await;
    let got = check(&format!("{post}\r\nHost: {address}"), &body, 401, "a token is needed").await;
    assert!(got.head.contains("www-authenticate: bearer"), "{}", got.head);
    check(
        &format!("{post}\r\nHost: {address}\r\nAuthorization: Bearer other"),
        &body,
        401,
        "invalid_api_key",
    )
    .await;
    // A name of somebody else that leads here is not ours, with the token or without.
    check(
        &format!("{post}\r\nHost: evil.example:{}\r\nAuthorization: Bearer {TOKEN}", address.port()),
        &body,
        403,
        "not a name",
    )
    .await;
    check("GET /health HTTP/1.1\r\nHost: evil.example", "", 403, "not a name").await;
    check(&right, "{", 400, "not JSON").await;
    check(&right, "[]", 400, "JSON object").await;
    check(&format!("{right}\r\nContent-Type: text/plain"), &body, 415, "application/json").await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}");
    check(&get("/v1/chat/completions"), "", 405, "does not take GET").await;
    check(&get("/v1/models/none"), "", 404, "model_not_found").await;
    check(&get("/v2"), "", 404, "there is no /v2").await;
    check(&format!("OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nOrigin: http://evil.example\r\nAuthorization: Bearer {TOKEN}"), "", 405, "").await;
    // A body that says how large it is is not even read; one that does not is read up to the limit.
    let large = format!("{right}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", BODY_LIMIT + 1);
    assert_eq!(service.raw(&large).await.status, 413);
    assert_eq!(service.offered.opened.load(Ordering::SeqCst), 1);
}

/// Wait until it is so.
async fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}: not within ten seconds");
}

#[tokio::test]
async fn whoever_leaves_ends_the_answer() {
    let service = start(options()).await;
    let alive = || service.offered.alive.load(Ordering::SeqCst);
    for stream in [false, true] {
        let mut body = to("endless", json!({}));
        body["stream"] = stream.into();
        let body = body.to_string();
        let mut socket = TcpStream::connect(service.address).await.expect("connects");
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n{body}",
            service.address,
            body.len()
        );
        socket.write_all(head.as_bytes()).await.expect("sent");
        until("it begins", || alive() == 1).await;
        drop(socket);
        until("it ends", || alive() == 0).await;
    }
}

#[tokio::test]
async fn too_many_are_told_to_come_back_and_the_end_ends_all() {
    let service = start(ServeOptions { parallel: 1, queue: 0, ..options() }).await;
    let address = service.address;
    let body = to("endless", json!({ "stream": true })).to_string();
    let mut socket = TcpStream::connect(address).await.expect("connects");
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.expect("sent");
    until("it begins", || service.offered.alive.load(Ordering::SeqCst) == 1).await;
    let got = service.chat(&to("talk", json!({}))).await;
    assert_eq!(got.status, 429, "{}", got.body);
    assert!(got.head.contains("retry-after: 1"), "{}", got.head);
    service.stop.cancel();
    until("all ends", || service.ended.is_finished()).await;
    until("the answer too", || service.offered.alive.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn models_come_and_go() {
    let options = ServeOptions { most_models: 1, keep_alive: Some(Duration::from_millis(50)), ..options() };
    let service = start(options).await;
    let opened = || service.offered.opened.load(Ordering::SeqCst);
    // Two at once for one model open it once; another one takes its place.
    let (one, two) = (to("talk", json!({})), to("talk", json!({})));
    let (one, two) = tokio::join!(service.chat(&one), service.chat(&two));
    assert_eq!((one.status, two.status, opened()), (200, 200, 1));
    assert_eq!((service.chat(&to("long", json!({}))).await.status, opened()), (200, 2));
    let mut loaded = Vec::new();
    for _ in 0..2_000 {
        let listed = service.ask("GET", "/v1/models", "").await.json();
        let models = listed["data"].as_array().expect("a list").clone();
        loaded =
            models.iter().filter(|model| model["loaded"] == true).map(|model| model["id"].clone()).collect();
        assert!(loaded.len() <= 1, "{loaded:?}");
        if loaded.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(loaded.is_empty(), "{loaded:?} is idle");
    assert_eq!((service.chat(&to("long", json!({}))).await.status, opened()), (200, 3));
    // While one answers, no other can take its place.
    let mut socket = TcpStream::connect(service.address).await.expect("connects");
    let body = to("endless", json!({})).to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n{body}",
        service.address,
        body.len()
    );
    socket.write_all(head.as_bytes()).await.expect("sent");
    until("it begins", || service.offered.alive.load(Ordering::SeqCst) == 1).await;
    let got = service.chat(&to("talk", json!({}))).await;
    assert_eq!(got.status, 503, "{}", got.body);
    assert!(got.head.contains("retry-after"), "{}", got.head);
}

#[tokio::test]
async fn vectors_come_as_numbers_and_as_bytes() {
    let service = start(options()).await;
    let ask = async |body: Value| service.ask("POST", "/v1/embeddings", &body.to_string()).await;
    let plain = ask(json!({ "model": "loci/table", "input": ["open a file", "sort a list"] })).await;
    assert_eq!(plain.status, 200, "{}", plain.body);
    let plain = plain.json();
    assert_eq!(plain["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(plain["usage"]["total_tokens"], 6);
    let numbers: Vec<f32> = plain["data"][0]["embedding"]
        .as_array()
        .expect("numbers")
        .iter()
        .map(|number| number.as_f64().expect("a number") as f32)
        .collect();
    assert!((numbers.iter().map(|number| number * number).sum::<f32>() - 1.0).abs() < 1e-3);
    let length = numbers.len();
    let coded = ask(json!({ "model": "loci/table", "input": "open a file", "encoding_format": "base64", "dimensions": length })).await.json();
    let bytes = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        coded["data"][0]["embedding"].as_str().expect("a text"),
    )
    .expect("base64");
    let decoded: Vec<f32> =
        bytes.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four"))).collect();
    assert_eq!(decoded, numbers);
    let check = async |body: Value, status: u16, param: &str| {
        let got = ask(body.clone()).await;
        assert_eq!(
            (got.status, got.json()["error"]["param"].as_str().unwrap_or_default()),
            (status, param),
            "{body}: {}",
            got.body
        );
    };
    check(json!({ "input": "x" }), 400, "model").await;
    check(json!({ "model": "loci/table" }), 400, "input").await;
    check(json!({ "model": "loci/table", "input": [] }), 400, "input").await;
    check(json!({ "model": "loci/table", "input": [1, 2] }), 400, "input").await;
    check(json!({ "model": "loci/table", "input": "" }), 400, "input").await;
    check(json!({ "model": "loci/table", "input": "x", "encoding_format": "hex" }), 400, "encoding_format")
        .await;
    check(json!({ "model": "loci/table", "input": "x", "dimensions": length + 1 }), 400, "dimensions").await;
    check(json!({ "model": "talk", "input": "x" }), 400, "model").await;
    check(json!({ "model": "none", "input": "x" }), 404, "model").await;
}

#[tokio::test]
async fn a_real_model_keeps_to_tools_and_schemas_and_answers_several_at_once() {
    let service = start(options()).await;
    let schema = json!({ "type": "object", "properties": { "ok": { "type": "boolean" }, "what": { "enum": ["a", "b"] } },
        "required": ["ok", "what"], "additionalProperties": false });
    let form =
        json!({ "type": "json_schema", "json_schema": { "name": "it", "strict": true, "schema": schema } });
    let in_json = to("tiny", json!({ "response_format": form, "max_tokens": 100, "seed": 1 }));
    let chosen = json!({ "type": "function", "function": { "name": "look" } });
    let called = to(
        "tiny",
        json!({ "tools": [tool()], "tool_choice": chosen, "parallel_tool_calls": false, "max_tokens": 300 }),
    );
    let forbidden = to("tiny", json!({ "tools": [tool()], "tool_choice": "none", "max_tokens": 20 }));
    let (one, two, three) =
        tokio::join!(service.chat(&in_json), service.chat(&called), service.chat(&forbidden));
    for got in [&one, &two, &three] {
        assert_eq!(got.status, 200, "{}", got.body);
    }
    assert_eq!(service.offered.opened.load(Ordering::SeqCst), 1);
    let text = one.json()["choices"][0]["message"]["content"].as_str().expect("a text").to_owned();
    let value: Value = serde_json::from_str(&text).expect(&text);
    assert!(value["ok"].is_boolean() && (value["what"] == "a" || value["what"] == "b"), "{text}");
    let two = two.json();
    let choice = &two["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], choice["message"]["tool_calls"].as_array().map(Vec::len)),
        (&json!("tool_calls"), Some(1)),
        "{two}"
    );
    let call = &choice["message"]["tool_calls"][0];
    let arguments: Value =
        serde_json::from_str(call["function"]["arguments"].as_str().expect("a text")).expect("JSON");
    assert!(arguments["at"] == "a" || arguments["at"] == "b", "{call}");
    assert!(two["usage"]["prompt_tokens"].as_u64().is_some_and(|count| count > 10), "{two}");
    assert!(three.json()["choices"][0]["message"]["tool_calls"].is_null());
    // The next step: the call and its result go back.
    let messages = json!([
        { "role": "system", "content": "Be short." },
        { "role": "user", "content": [{ "type": "text", "text": "look" }] },
        { "role": "assistant", "content": null, "tool_calls": [call] },
        { "role": "tool", "tool_call_id": call["id"], "content": "nothing there" }
    ]);
    for model in ["tiny", "result"] {
        let got = service.chat(&json!({ "model": model, "messages": messages, "tools": [tool()], "tool_choice": "none", "max_tokens": 5 })).await;
        assert_eq!(got.status, 200, "{}", got.body);
    }
    // What no value fits, and what no grammar can say, is a wrong request.
    for schema in [json!({ "enum": [] }), json!({ "type": "string", "pattern": "(" })] {
        let form = json!({ "type": "json_schema", "json_schema": { "name": "it", "schema": schema } });
        let got = service.chat(&to("tiny", json!({ "response_format": form, "max_tokens": 5 }))).await;
        assert_eq!(got.status, 400, "{}", got.body);
    }
}
