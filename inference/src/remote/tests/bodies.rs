//! Owns the tests of what is sent: bodies, headers, addresses, keys.
//! Uses the bodies as they are built, and a scripted server where headers matter.
//! Never compares whole bodies where a few values say it.

use serde_json::json;

use super::server::STREAM;
use super::speech::answer;
use super::*;
use crate::provider::{AnswerForm, Image, ToolChoice};
use crate::remote::keep::Kept;
use crate::remote::wire::{Asked, body};
use crate::service::Effort;

fn picture() -> Image {
    Image { media_type: "image/png".to_owned(), data: Arc::from(&b"png"[..]) }
}

/// A conversation with all that may stand in one.
fn conversation() -> Request {
    let call = |id: &str| ToolCall {
        id: id.to_owned(),
        name: "read".to_owned(),
        arguments: [("path".to_owned(), json!("x"))].into_iter().collect(),
    };
    let result = |id: &str, text: &str| Message::Tool {
        call_id: id.to_owned(),
        name: "read".to_owned(),
        text: text.to_owned(),
    };
    let mut request = request();
    request.messages.extend([
        Message::Assistant { text: String::new(), reasoning: None, calls: vec![call("a.1"), call("b")] },
        result("a.1", "one"),
        result("b", "two"),
        Message::User { text: "and this?".to_owned(), images: vec![picture()] },
        Message::Assistant { text: "that".to_owned(), reasoning: None, calls: Vec::new() },
        Message::user("go on"),
    ]);
    request
}

fn sent(protocol: Protocol, change: impl FnOnce(&mut Request, &mut RemoteOptions)) -> Value {
    let mut request = conversation();
    let mut options = options(protocol, "https://service.example/v1");
    change(&mut request, &mut options);
    let kept = Kept::default();
    body(&Asked { messages: &request.messages, request: &request, options: &options, kept: &kept })
}

#[test]
fn conversations_are_written_as_each_protocol_wants_them() {
    let nothing = |_: &mut Request, _: &mut RemoteOptions| {};
    let check = |protocol: Protocol, expect: &[(&str, Value)]| {
        let body = sent(protocol, nothing);
        for (pointer, value) in expect {
            assert_eq!(body.pointer(pointer), Some(value), "{protocol:?} {pointer}: {body:#}");
        }
        assert!(!body.to_string().contains("x-substring-of"), "{body}");
    };
    check(
        Protocol::Chat,
        &[
            ("/model", json!("tiny")),
            ("/stream", json!(true)),
            ("/max_tokens", json!(50)),
            ("/temperature", json!(0.7)),
            ("/top_p", json!(0.95)),
            ("/tool_choice", json!("auto")),
            ("/tools/0/function/name", json!("read")),
            ("/messages/0", json!({"role": "system", "content": "You help."})),
            ("/messages/2/tool_calls/1/function/arguments", json!("{\"path\":\"x\"}")),
            ("/messages/2/content", json!(null)),
            ("/messages/3", json!({"role": "tool", "tool_call_id": "a.1", "content": "one"})),
            ("/messages/5/content/1/image_url/url", json!("data:image/png;base64,cG5n")),
        ],
    );
    check(
        Protocol::Responses,
        &[
            ("/instructions", json!("You help.")),
            ("/store", json!(false)),
            ("/max_output_tokens", json!(50)),
            ("/tools/0/name", json!("read")),
            ("/input/0/content/0", json!({"type": "input_text", "text": "hello"})),
            ("/input/1/call_id", json!("a.1")),
            ("/input/1/arguments", json!("{\"path\":\"x\"}")),
            ("/input/3", json!({"type": "function_call_output", "call_id": "a.1", "output": "one"})),
            ("/input/5/content/1/image_url", json!("data:image/png;base64,cG5n")),
            ("/input/6/content/0", json!({"type": "output_text", "text": "that"})),
        ],
    );
    check(
        Protocol::Anthropic,
        &[
            ("/max_tokens", json!(50)),
            (
                "/system",
                json!([{"type": "text", "text": "You help.", "cache_control": {"type": "ephemeral"}}]),
            ),
            ("/tools/0/input_schema/required", json!(["path"])),
            ("/tool_choice", json!({"type": "auto"})),
            ("/messages/1/content/0/id", json!("a_1")),
            ("/messages/1/content/1/input", json!({"path": "x"})),
            // Results, and the words after them, are one message of the user's.
            ("/messages/2/content/0/tool_use_id", json!("a_1")),
            ("/messages/2/content/1/content", json!("two")),
            (
                "/messages/2/content/2/source",
                json!({"type": "base64", "media_type": "image/png", "data": "cG5n"}),
            ),
            ("/messages/2/content/3/text", json!("and this?")),
            ("/messages/2/content/3/cache_control", json!({"type": "ephemeral"})),
            ("/messages/4/content/0/cache_control", json!({"type": "ephemeral"})),
        ],
    );
    check(
        Protocol::Gemini,
        &[
            ("/systemInstruction/parts/0/text", json!("You help.")),
            ("/generationConfig/maxOutputTokens", json!(50)),
            ("/generationConfig/temperature", json!(0.7)),
            ("/toolConfig/functionCallingConfig/mode", json!("AUTO")),
            (
                "/tools/0/functionDeclarations/0/parameters",
                json!({"type": "object", "required": ["path"], "properties": {"path": {"type": "string"}}}),
            ),
            ("/contents/1/role", json!("model")),
            ("/contents/1/parts/1/functionCall", json!({"name": "read", "args": {"path": "x"}})),
            ("/contents/2/parts/0/functionResponse/response/result", json!("one")),
            ("/contents/2/parts/2/inline_data", json!({"mime_type": "image/png", "data": "cG5n"})),
        ],
    );
    let marks = sent(Protocol::Anthropic, nothing).to_string().matches("cache_control").count();
    assert!(marks <= 4, "the API takes four marks: {marks}");
}

#[test]
fn choices_are_written_as_each_protocol_wants_them() {
    let check =
        |protocol: Protocol, change: fn(&mut Request, &mut RemoteOptions), pointer: &str, expect: Value| {
            let body = sent(protocol, change);
            assert_eq!(
                body.pointer(pointer).unwrap_or(&Value::Null),
                &expect,
                "{protocol:?} {pointer}: {body:#}"
            );
        };
    let required: fn(&mut Request, &mut RemoteOptions) =
        |request, _| request.tool_choice = ToolChoice::Required;
    check(Protocol::Chat, required, "/tool_choice", json!("required"));
    check(Protocol::Responses, required, "/tool_choice", json!("required"));
    check(Protocol::Anthropic, required, "/tool_choice", json!({"type": "any"}));
    check(Protocol::Gemini, required, "/toolConfig/functionCallingConfig/mode", json!("ANY"));
    let blind: fn(&mut Request, &mut RemoteOptions) = |_, options| options.images = false;
    let note = "and this?\n\n[A picture is left out: this model takes none.]";
    check(Protocol::Chat, blind, "/messages/5/content", json!(note));
    check(Protocol::Anthropic, blind, "/messages/2/content/2/text", json!(note));
    let bare: fn(&mut Request, &mut RemoteOptions) = |request, _| request.tools.clear();
    for protocol in Protocol::ALL {
        check(protocol, bare, "/tools", Value::Null);
    }
    let formed: fn(&mut Request, &mut RemoteOptions) =
        |request, _| request.answer = AnswerForm::Json(json!({"type": "string"}));
    check(Protocol::Chat, formed, "/response_format/json_schema/schema", json!({"type": "string"}));
    check(Protocol::Responses, formed, "/text/format/schema", json!({"type": "string"}));
    check(Protocol::Anthropic, formed, "/output_config/format/schema", json!({"type": "string"}));
    check(Protocol::Gemini, formed, "/generationConfig/responseSchema", json!({"type": "string"}));
    // OpenAI's own servers know newer keys and refuse older ones.
    let openai: fn(&mut Request, &mut RemoteOptions) = |_, options| {
        options.base_url = "https://api.openai.com/v1".to_owned();
        options.service.reasoning = Some(Effort::Low);
    };
    check(Protocol::Chat, openai, "/max_completion_tokens", json!(50));
    check(Protocol::Chat, openai, "/max_tokens", Value::Null);
    check(Protocol::Chat, openai, "/temperature", Value::Null);
    check(Protocol::Chat, openai, "/reasoning_effort", json!("low"));
    assert!(sent(Protocol::Chat, openai)["prompt_cache_key"].is_string());
    check(Protocol::Responses, openai, "/include", json!(["reasoning.encrypted_content"]));
    let high: fn(&mut Request, &mut RemoteOptions) =
        |_, options| options.service.reasoning = Some(Effort::High);
    check(Protocol::Anthropic, high, "/thinking/type", json!("adaptive"));
    check(Protocol::Anthropic, high, "/output_config/effort", json!("high"));
    let counted: fn(&mut Request, &mut RemoteOptions) = |_, options| {
        options.service.reasoning = Some(Effort::High);
        options.model = "claude-sonnet-4-5".to_owned();
    };
    check(Protocol::Anthropic, counted, "/thinking", json!({"type": "enabled", "budget_tokens": 16_384}));
    check(Protocol::Anthropic, counted, "/max_tokens", json!(16_434));
    // In mid-turn, with the thoughts gone, it cannot think on.
    let amnesia: fn(&mut Request, &mut RemoteOptions) = |request, options| {
        options.service.reasoning = Some(Effort::High);
        options.model = "claude-sonnet-4-5".to_owned();
        request.messages.truncate(5);
    };
    check(Protocol::Anthropic, amnesia, "/thinking", Value::Null);
    let level: fn(&mut Request, &mut RemoteOptions) = |_, options| {
        options.service.reasoning = Some(Effort::Low);
        options.model = "gemini-3-pro".to_owned();
    };
    check(Protocol::Gemini, level, "/generationConfig/thinkingConfig/thinkingLevel", json!("low"));
    check(
        Protocol::Gemini,
        level,
        "/contents/1/parts/0/thoughtSignature",
        json!("skip_thought_signature_validator"),
    );
}

#[tokio::test]
async fn keys_and_headers_go_where_each_service_wants_them() {
    let check = async |protocol: Protocol, auth: Option<&str>, line: &str, expect: &str| {
        let server = Server::start(vec![vec![send(STREAM), send(answer(protocol, "ok"))]]).await;
        let mut options = options(protocol, &server.address);
        options.service.auth = auth.map(ToOwned::to_owned);
        options.service.headers = vec!["X-Title: Loci".to_owned()];
        options.service.query = vec!["api-version=2024-10-21".to_owned()];
        assert_eq!(told(&ask(options, request()).await), "ok |");
        let seen = server.requests().remove(0);
        assert!(seen.starts_with(line), "{seen}");
        let head = seen.to_lowercase();
        assert!(head.contains(&format!("\r\n{expect}\r\n")), "{seen}");
        assert!(head.contains("\r\nx-title: loci\r\n"), "{seen}");
        assert_eq!(seen.matches(KEY).count(), 1, "the key is sent once: {seen}");
    };
    let query = "?api-version=2024-10-21 HTTP/1.1";
    check(
        Protocol::Chat,
        None,
        &format!("POST /v1/chat/completions{query}"),
        "authorization: bearer sk-secret-key",
    )
    .await;
    check(
        Protocol::Responses,
        None,
        &format!("POST /v1/responses{query}"),
        "authorization: bearer sk-secret-key",
    )
    .await;
    check(Protocol::Anthropic, None, &format!("POST /v1/messages{query}"), "x-api-key: sk-secret-key").await;
    check(
        Protocol::Gemini,
        None,
        "POST /v1/models/tiny:streamGenerateContent?alt=sse&api-version=2024-10-21 HTTP/1.1",
        "x-goog-api-key: sk-secret-key",
    )
    .await;
    check(
        Protocol::Chat,
        Some("api-key"),
        &format!("POST /v1/chat/completions{query}"),
        "api-key: sk-secret-key",
    )
    .await;
    check(
        Protocol::Anthropic,
        Some("bearer"),
        &format!("POST /v1/messages{query}"),
        "authorization: bearer sk-secret-key",
    )
    .await;
}

#[test]
fn addresses_keys_and_settings_are_checked() {
    let refused = |change: &dyn Fn(&mut RemoteOptions)| {
        let mut options = options(Protocol::Chat, "https://example.com/v1");
        change(&mut options);
        RemoteProvider::new(options).err().map(|error| error.to_string())
    };
    let address = |address: &str| refused(&|options| options.base_url = address.to_owned());
    for wrong in
        ["", "ftp://host/v1", "not an address", "http://example.com/v1", "https://me:key@example.com/v1"]
    {
        assert!(address(wrong).is_some_and(|error| error.contains("rejected")), "{wrong}");
    }
    for good in
        ["https://example.com/v1/", "http://localhost:8080/v1", "http://[::1]:1/v1", "http://127.8.0.1/v1"]
    {
        assert_eq!(address(good), None, "{good}");
    }
    let check = |change: &dyn Fn(&mut RemoteOptions), expect: Option<&str>| {
        let said = refused(change);
        match expect {
            None => assert_eq!(said, None),
            Some(part) => {
                assert!(said.as_ref().is_some_and(|said| said.contains(part)), "{said:?}, not {part}")
            }
        }
    };
    let plain = |options: &mut RemoteOptions| options.base_url = "http://example.com/v1".to_owned();
    check(
        &|options| {
            plain(options);
            options.service.plain_http = Some(true);
        },
        None,
    );
    check(
        &|options| {
            plain(options);
            options.key = None;
        },
        None,
    );
    check(&|options| options.service.headers = vec!["nonsense".to_owned()], Some("`nonsense` is no header"));
    check(&|options| options.service.headers = vec!["a b: c".to_owned()], Some("is no header"));
    check(&|options| options.service.query = vec!["nonsense".to_owned()], Some("no part of a query"));
    check(&|options| options.service.auth = Some("a b".to_owned()), Some("neither `bearer` nor"));
    check(&|options| options.service.proxy = Some("::".to_owned()), Some("is no proxy"));
    for proxy in ["none", "http://127.0.0.1:9", "socks5h://127.0.0.1:9"] {
        check(&|options| options.service.proxy = Some(proxy.to_owned()), None);
    }
    check(&|options| options.certificates = vec![b"nothing".to_vec()], Some("there is none in it"));
    check(
        &|options| {
            let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
            options.certificates = vec![broken.as_bytes().to_vec()];
        },
        Some(""),
    );
    check(&|options| options.key = Some(ApiKey::new("a\nb")), Some("characters that no header may have"));
    assert!(!format!("{:?}", options(Protocol::Chat, "https://example.com")).contains("secret"));
}
