//! Owns the tests of what whole answers give, and of what is asked around them: witness, cancelling, going on.
//! Uses a scripted server.
//! Never repeats what the table of faults says.

use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::server::{STREAM, response};
use super::speech::{Ending, answer, call, end, reasoning, start, words};
use super::*;
use crate::provider::TokenUsage;
use crate::witness::{Sending, Witness};

/// An answer with everything in it.
fn everything(protocol: Protocol) -> String {
    start(protocol)
        + &reasoning(protocol, 0, "hm")
        + &words(protocol, 1, "Hé")
        + &call(protocol, (2, 0), "a", "read", "{\"path\":\"x\"}", true)
        + &call(protocol, (3, 1), "b", "read", "{\"path\":\"y\"}", true)
        + &end(protocol, Ending::Calls, Some([11, 5, 7, 3]))
}

#[tokio::test]
async fn text_reasoning_calls_and_usage_arrive() {
    for protocol in Protocol::ALL {
        // One byte at a time cuts lines, events and characters in two.
        let bytes: Vec<Act> =
            [send(STREAM)].into_iter().chain(everything(protocol).bytes().map(|byte| send([byte]))).collect();
        let server = Server::start(vec![bytes]).await;
        let events = ask(options(protocol, &server.address), request()).await;
        assert_eq!(
            told(&events),
            "(hm)Hé[read {\"path\":\"x\"}][read {\"path\":\"y\"}] | calls",
            "{protocol:?}: {events:?}"
        );
        let ids: Vec<String> = calls(&events).into_iter().map(|call| call.id).collect();
        assert_eq!(ids, ["a", "b"]);
        let Some(Ok(StreamEvent::Finished { usage, .. })) = events.last() else { panic!("{events:?}") };
        // Anthropic does not say how much of what it wrote was reasoning.
        let reasoning = if protocol == Protocol::Anthropic { 0 } else { 3 };
        assert_eq!(
            *usage,
            TokenUsage { prompt: 11, cached: 5, completion: 7, reasoning, ..TokenUsage::default() },
            "{protocol:?}"
        );
    }
}

#[tokio::test]
async fn figures_of_an_answer_that_went_on_are_added_up() {
    let first = start(Protocol::Anthropic) + &words(Protocol::Anthropic, 0, "one, two, ");
    let second = start(Protocol::Anthropic)
        + &words(Protocol::Anthropic, 0, "three")
        + &end(Protocol::Anthropic, Ending::Stop, None);
    let server = Server::start(vec![vec![send(STREAM), send(first)], vec![send(STREAM), send(second)]]).await;
    let events = ask(options(Protocol::Anthropic, &server.address), request()).await;
    assert_eq!(told(&events), "one, two, ~three |");
    let Some(Ok(StreamEvent::Finished { usage, .. })) = events.last() else { panic!("{events:?}") };
    assert_eq!((usage.prompt, usage.cached, usage.cache_written, usage.completion), (22, 10, 8, 2));
    let seen = server.requests();
    let messages = &body_of(&seen[1])["messages"];
    assert_eq!(messages[1]["role"], "assistant");
    assert_eq!(messages[1]["content"][0]["text"], "one, two, ");
    assert_eq!(messages[2]["role"], "user");
}

#[tokio::test]
async fn what_came_with_calls_goes_back_with_them() {
    for protocol in Protocol::ALL {
        let server = Server::start(vec![
            vec![send(STREAM), send(everything(protocol))],
            vec![send(STREAM), send(answer(protocol, "done"))],
        ])
        .await;
        let mut options = options(protocol, &server.address);
        options.service.reasoning = Some(crate::service::Effort::High);
        options.model = "gemini-3-pro".to_owned();
        let provider = RemoteProvider::new(options).expect("the address is good");
        let mut request = request();
        let calls = calls(&collect(&provider, request.clone()).await);
        assert_eq!(calls.len(), 2);
        request.messages.push(Message::Assistant {
            text: "Hé".to_owned(),
            reasoning: Some("hm".to_owned()),
            calls: calls.clone(),
        });
        for call in &calls {
            let (call_id, name) = (call.id.clone(), call.name.clone());
            request.messages.push(Message::Tool { call_id, name, text: "contents".to_owned() });
        }
        assert_eq!(told(&collect(&provider, request).await), "done |");
        let body = body_of(&server.requests()[1]);
        let sealed = match protocol {
            // Chat completions give nothing that wants to come back.
            Protocol::Chat => {
                body["messages"][2]["tool_calls"][0]["function"]["arguments"] == "{\"path\":\"x\"}"
            }
            Protocol::Responses => {
                body["input"][1]["encrypted_content"] == "sealed" && body["input"][1].get("id").is_none()
            }
            Protocol::Anthropic => {
                let thought = &body["messages"][1]["content"][0];
                thought["signature"] == "sealed" && thought["thinking"] == "hm"
            }
            Protocol::Gemini => {
                let parts = &body["contents"][1]["parts"];
                parts[1]["thoughtSignature"] == "sealed" && parts[2]["thoughtSignature"] == "sealed"
            }
        };
        assert!(sealed, "{protocol:?}: {body}");
    }
}

/// Address, bytes, SHA-256 and attempt of one transmission.
type Heard = (String, u64, [u8; 32], u32);

/// Hears of every transmission, and agrees to some.
#[derive(Debug, Default)]
struct Ledger {
    agrees: bool,
    heard: Mutex<Vec<Heard>>,
}

impl Witness for Ledger {
    fn sending(&self, sending: &Sending<'_>) -> Result<(), String> {
        assert_eq!(sending.method, "POST");
        let entry = (sending.address.to_owned(), sending.bytes, sending.sha256, sending.attempt);
        self.heard.lock().expect("no panic").push(entry);
        if self.agrees { Ok(()) } else { Err("secrets/key stays here".to_owned()) }
    }
}

#[tokio::test]
async fn the_witness_hears_of_every_try_and_can_stop_it() {
    for protocol in Protocol::ALL {
        let half = start(protocol) + &words(protocol, 0, "one, two, ");
        let server = Server::start(vec![
            vec![response("503 Service Unavailable", "", "{}")],
            vec![send(STREAM), send(half)],
            vec![send(STREAM), send(answer(protocol, "three"))],
        ])
        .await;
        let ledger = Arc::new(Ledger { agrees: true, ..Ledger::default() });
        let witness: Arc<dyn Witness> = Arc::clone(&ledger) as Arc<dyn Witness>;
        let mut options = options(protocol, &server.address);
        options.service.query = vec!["token=hidden".to_owned()];
        let asked = Request { witness: Some(witness), ..request() };
        let events = ask(options.clone(), asked).await;
        assert_eq!(told(&events), "~one, two, ~three |", "{protocol:?}");
        let heard = ledger.heard.lock().expect("no panic").clone();
        let attempts: Vec<u32> = heard.iter().map(|(.., attempt)| *attempt).collect();
        assert_eq!(attempts, [1, 2, 1], "{protocol:?}");
        for ((address, bytes, sha256, _), seen) in heard.iter().zip(server.requests()) {
            let body = seen.split("\r\n\r\n").nth(1).expect("a body");
            assert_eq!((*bytes, *sha256), (body.len() as u64, Sha256::digest(body).into()));
            assert!(address.starts_with(&server.address) && !address.contains('?'), "{address}");
            assert!(seen.lines().next().is_some_and(|line| line.contains("token=hidden")), "{seen}");
        }
        // A witness that does not agree: nothing arrives.
        let server = Server::start(vec![vec![send(STREAM), send(answer(protocol, "ok"))]]).await;
        options.base_url.clone_from(&server.address);
        let asked = Request { witness: Some(Arc::new(Ledger::default())), ..request() };
        assert_eq!(told(&ask(options, asked).await), " ! not sent");
        assert!(server.requests().is_empty());
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_asked_for_all_at_once() {
    let (status, why) = super::speech::overflow(Protocol::Chat);
    let server = Server::start(vec![vec![send(STREAM)], vec![response(status, "", &why.to_string())]]).await;
    let events = ask(options(Protocol::Chat, &server.address), request()).await;
    assert_eq!(told(&events), "~ ! overflow 9000/8192");
    let streamed: Vec<Value> = server.requests().iter().map(|seen| body_of(seen)["stream"].clone()).collect();
    assert_eq!(streamed, [true, false]);
    assert!(body_of(&server.requests()[1]).get("stream_options").is_none());
}

#[tokio::test]
async fn a_cancelled_or_dropped_request_ends() {
    let protocol = Protocol::Anthropic;
    let server = Server::start(vec![
        vec![send(STREAM), send(start(protocol) + &words(protocol, 0, "a")), Act::Hang],
        vec![send(STREAM), Act::Hang],
    ])
    .await;
    let mut patient = options(protocol, &server.address);
    patient.patience.idle = Duration::from_secs(3600);
    patient.patience.first_byte = Duration::from_secs(3600);
    let provider = RemoteProvider::new(patient).expect("the address is good");
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
