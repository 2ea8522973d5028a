//! Owns the tests of the local provider: what a request becomes, on a real engine.
//! Uses the built-in model as some small model: its weights speak no other dialect, and the grammar makes them.
//! Never judges what the model says, only the form.

use futures::StreamExt;
use serde_json::json;

use super::*;
use crate::provider::{Sampling, ToolChoice};
use crate::tool_syntax::testing::{spec, tools};

const TEMPLATE: &str = "{% for m in messages %}[{{ m.role }}]\n{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]\n{% endif %}";

fn open(options: LocalOptions) -> Result<LocalProvider, ProviderError> {
    LocalProvider::open(crate::builtin::source(), options)
}

fn provider() -> LocalProvider {
    let options = LocalOptions {
        dialect: Some("generic".to_owned()),
        chat_template: Some(TEMPLATE.to_owned()),
        name: Some("tiny".to_owned()),
        ..Default::default()
    };
    open(options).expect("the model opens")
}

fn request(seed: u64) -> Request {
    Request {
        messages: vec![Message::user("read it".to_owned())],
        tools: vec![spec(
            "read",
            json!({"path": {"type": "string", "enum": ["src/a.rs", "src/b.rs"]}}),
            &["path"],
        )],
        tool_choice: ToolChoice::Required,
        sampling: Sampling { temperature: 1.0, seed, ..Default::default() },
        max_tokens: Some(200),
        ..Request::default()
    }
}

type Event = Result<StreamEvent, ProviderError>;

async fn run(provider: &LocalProvider, request: Request) -> Vec<Event> {
    provider.stream(request, CancellationToken::new()).collect().await
}

fn calls(events: &[Event]) -> Vec<ToolCall> {
    let call = |event: &Event| match event {
        Ok(StreamEvent::ToolCall(call)) => Some(call.clone()),
        _ => None,
    };
    events.iter().filter_map(call).collect()
}

fn end(events: &[Event]) -> (FinishReason, crate::provider::TokenUsage) {
    match events.last() {
        Some(Ok(StreamEvent::Finished { reason, usage })) => (*reason, *usage),
        other => panic!("{other:?} is no end"),
    }
}

#[tokio::test]
async fn calls_are_whole_and_the_next_step_goes_on() {
    let provider = provider();
    assert_eq!(provider.info().model, "tiny");
    assert_eq!(provider.dialect().name(), "generic");
    let mut request = self::request(1);
    let mut events = run(&provider, request.clone()).await;
    assert!(matches!(events.first(), Some(Ok(StreamEvent::Loading { done: 0, .. }))), "{:?}", events.first());
    assert!(events.iter().any(|event| matches!(event, Ok(StreamEvent::Prefill { .. }))));
    // These weights do not know this dialect: left to themselves they call on and on until they are cut off. Heat
    // makes every token that the grammar allows about as likely as another, the end among them.
    for seed in 2..30 {
        if end(&events).0 == FinishReason::ToolCalls {
            break;
        }
        request = self::request(seed);
        request.sampling = Sampling { temperature: 20.0, top_k: 0, top_p: 1.0, seed, ..Default::default() };
        events = run(&provider, request.clone()).await;
    }
    let (reason, usage) = end(&events);
    assert_eq!(reason, FinishReason::ToolCalls, "{events:?}");
    assert_eq!(Some(usage.prompt), provider.count_tokens(&request).map(|count| count as u64));
    let calls = calls(&events);
    assert!(!calls.is_empty());
    for call in &calls {
        assert_eq!((call.name.as_str(), call.id.len()), ("read", 9));
        let path = call.arguments["path"].as_str().expect("a string");
        assert!(["src/a.rs", "src/b.rs"].contains(&path), "{path}");
    }

    let results = calls.iter().map(|call| Message::Tool {
        call_id: call.id.clone(),
        name: call.name.clone(),
        text: "1: fn main() {}".to_owned(),
    });
    let results: Vec<Message> = results.collect();
    request.messages.push(Message::Assistant { text: String::new(), reasoning: None, calls: calls.clone() });
    request.messages.extend(results);
    let events = run(&provider, request).await;
    let (_, next) = end(&events);
    assert!(next.cached >= usage.prompt, "{next:?} goes on from {usage:?}");
    let again = self::calls(&events);
    assert!(again.iter().all(|call| calls.iter().all(|known| known.id != call.id)), "{again:?}");
}

#[tokio::test]
async fn an_answer_in_json_is_of_its_schema() {
    let schema = json!({"$defs": {"Step": {"type": "object", "properties": {
            "what": {"enum": ["read", "say \"hi\"", "</tool_call>"]},
            "times": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 9}, {"type": "null"}]}},
            "required": ["what", "times"]}},
        "type": "object", "title": "Plan",
        "properties": {"steps": {"type": "array", "items": {"$ref": "#/$defs/Step"}, "minItems": 1, "maxItems": 2},
            "done": {"type": "boolean"}}, "required": ["steps", "done"], "additionalProperties": false});
    let mut whole = 0;
    for dialect in ["generic", "harmony", "llama3", "glm"] {
        let options = LocalOptions {
            dialect: Some(dialect.to_owned()),
            chat_template: Some(TEMPLATE.to_owned()),
            ..Default::default()
        };
        let provider = open(options).expect("the model opens");
        for seed in 0..6 {
            let request = Request {
                tools: Vec::new(),
                tool_choice: ToolChoice::Auto,
                answer: AnswerForm::Json(schema.clone()),
                max_tokens: Some(600),
                sampling: Sampling { temperature: 20.0, top_k: 0, top_p: 1.0, seed, ..Default::default() },
                ..self::request(seed)
            };
            let events = run(&provider, request).await;
            let text: String = events
                .iter()
                .filter_map(|event| match event {
                    Ok(StreamEvent::Text(text)) => Some(text.as_str()),
                    _ => None,
                })
                .collect();
            if end(&events).0 == FinishReason::Length {
                continue;
            }
            let value: serde_json::Value = serde_json::from_str(&text).expect(&text);
            assert!(crate::grammar::Schema::new(&schema, &schema).fits(&value), "{dialect}: {text}");
            whole += 1;
        }
    }
    assert!(whole >= 8, "only {whole} answers came to their end");
}

#[tokio::test]
async fn answers_that_cannot_be_are_refused() {
    let check = async |dialect: &str, tools: bool, schema: serde_json::Value, expect: &str| {
        let options = LocalOptions {
            dialect: Some(dialect.to_owned()),
            chat_template: Some(TEMPLATE.to_owned()),
            ..Default::default()
        };
        let provider = open(options).expect("the model opens");
        let mut request = Request {
            tool_choice: ToolChoice::Auto,
            answer: AnswerForm::Json(schema),
            max_tokens: Some(1),
            ..self::request(1)
        };
        if !tools {
            request.tools.clear();
        }
        match run(&provider, request).await.last() {
            Some(Err(ProviderError::Rejected { message })) => assert!(message.contains(expect), "{message}"),
            Some(Ok(StreamEvent::Finished { .. })) => assert_eq!(expect, "", "{dialect}"),
            other => panic!("{other:?}"),
        }
    };
    check("generic", false, json!({"type": "object"}), "").await;
    check("generic", true, json!({"type": "object"}), "").await;
    check("generic", false, json!({"enum": []}), "no value is valid").await;
    check("generic", false, json!(["no schema"]), "must be an object").await;
    check("llama3", true, json!({"type": "object"}), "not for both").await;
    check("builtin", false, json!({"type": "object"}), "choose a larger one").await;
}

#[tokio::test]
async fn a_prompt_is_read_once_whether_or_not_the_grammar_is_there() {
    // The first request of a provider usually begins before the trie is made, the second never.
    let provider = provider();
    for (request, known) in [(request(1), false), (request(2), true)] {
        let events = run(&provider, request).await;
        let read: Vec<(usize, usize)> = events
            .iter()
            .filter_map(|event| match event {
                Ok(StreamEvent::Prefill { done, total }) => Some((*done, *total)),
                _ => None,
            })
            .collect();
        assert!(read.is_sorted(), "{read:?}");
        assert!(read.last().is_some_and(|(done, total)| done == total), "{read:?}");
        let (_, usage) = end(&events);
        assert_eq!(usage.cached > 0, known, "{usage:?}");
    }
}

#[tokio::test]
async fn what_is_cut_off_calls_nothing() {
    let provider = provider();
    for limit in [1, 5, 12] {
        let mut request = request(2);
        request.max_tokens = Some(limit);
        let events = run(&provider, request).await;
        let (reason, usage) = end(&events);
        assert_eq!((reason, calls(&events).len()), (FinishReason::Length, 0), "{events:?}");
        assert!(usage.completion <= limit as u64);
    }
}

#[tokio::test]
async fn text_without_tools_is_free_and_forbidden_calls_do_not_happen() {
    let provider = provider();
    for tools in [vec![], tools()[..2].to_vec()] {
        let mut request = request(3);
        request.tools = tools;
        request.tool_choice = ToolChoice::None;
        request.max_tokens = Some(40);
        let events = run(&provider, request).await;
        end(&events);
        assert!(calls(&events).is_empty());
    }
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_is_an_error() {
    let provider = provider();
    let mut request = request(4);
    request.messages.push(Message::user("word ".repeat(provider.info().context_length)));
    let events = run(&provider, request).await;
    let limit = provider.info().context_length;
    assert!(
        matches!(events.as_slice(), [Err(ProviderError::ContextOverflow { limit: known, needed })] if *known == limit && *needed > limit),
        "{events:?}"
    );
}

#[tokio::test]
async fn requests_that_cannot_be_met_are_rejected() {
    let provider = provider();
    let mut none = request(5);
    none.tools.clear();
    let mut broken = request(5);
    broken.tools = vec![spec("t", json!({"a": {"type": "string", "enum": "x"}}), &[])];
    for request in [none, broken] {
        let events = run(&provider, request).await;
        assert!(matches!(events.as_slice(), [Err(ProviderError::Rejected { .. })]), "{events:?}");
    }
}

#[tokio::test]
async fn a_cancelled_or_dropped_request_ends_and_the_next_one_runs() {
    let provider = provider();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let events: Vec<Event> = provider.stream(request(6), cancel).collect().await;
    assert!(matches!(events.as_slice(), [Err(ProviderError::Cancelled)]), "{events:?}");

    let mut endless = request(6);
    endless.tools.clear();
    endless.tool_choice = ToolChoice::Auto;
    endless.max_tokens = None;
    let cancel = CancellationToken::new();
    let mut stream = provider.stream(endless.clone(), cancel.clone());
    assert!(stream.next().await.is_some_and(|event| event.is_ok()));
    cancel.cancel();
    let rest: Vec<Event> = stream.collect().await;
    let ended = matches!(rest.last(), Some(Err(ProviderError::Cancelled)))
        || matches!(rest.last(), Some(Ok(StreamEvent::Finished { .. })));
    assert!(ended, "{rest:?}");

    let mut stream = provider.stream(endless, CancellationToken::new());
    assert!(stream.next().await.is_some());
    drop(stream);
    let events = run(&provider, request(7)).await;
    end(&events);
}

#[test]
fn options_that_cannot_be_met_are_named() {
    let refused = |options: LocalOptions| match open(options) {
        Err(ProviderError::Model { message }) => message,
        other => panic!("{other:?}"),
    };
    let dialect = LocalOptions { dialect: Some("klingon".to_owned()), ..Default::default() };
    assert!(refused(dialect).contains("klingon"));
    let template = LocalOptions { chat_template: Some("{% if %}".to_owned()), ..Default::default() };
    assert!(refused(template).contains("tokenizer.chat_template"));
}

#[test]
fn ids_are_new_in_the_conversation() {
    let call =
        |id: &str| ToolCall { id: id.to_owned(), name: "f".to_owned(), arguments: serde_json::Map::new() };
    let messages = [Message::Assistant {
        text: String::new(),
        reasoning: None,
        calls: vec![call("call00002"), call("other")],
    }];
    let mut ids = Ids::after(&messages);
    assert_eq!([ids.next(), ids.next()], ["call00003".to_owned(), "call00004".to_owned()]);
}
