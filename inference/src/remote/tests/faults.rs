//! Owns the faults of services as a table: each ends as a typed error or as a bounded number of tries, for every protocol.
//! Uses a scripted server; what it sends is what each protocol would have sent.
//! Never lets a case pass unnoticed: the whole outcome and the number of requests are compared.

use serde_json::json;

use super::server::{STREAM, response};
use super::speech::{
    Ending, answer, call, end, error, error_event, lost, overflow, reasoning, start, whole, words,
};
use super::*;

/// A fault: its name, what the server does with each connection, what is told, and how many requests it saw.
struct Fault {
    name: &'static str,
    scripts: Vec<Vec<Act>>,
    told: String,
    requests: usize,
}

/// At least this many for each protocol.
const LEAST: usize = 40;

/// Another try follows each of these, and the second answer is good.
fn tried_again(protocol: Protocol) -> Vec<(&'static str, Vec<Act>)> {
    let limited = |headers: &'static str| {
        let body = error(protocol, 429, "rate_limit_error", "slow down").to_string();
        vec![response("429 Too Many Requests", headers, &body)]
    };
    let failed = |status: &str, code: &str| {
        let number = status[..3].parse().expect("a status");
        vec![response(status, "", &error(protocol, number, code, "not now").to_string())]
    };
    let html = |status: &str| {
        vec![send(format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<html>{status}</html>"
        ))]
    };
    let stream = |text: String| vec![send(STREAM), send(text)];
    let late = "Wed, 21 Oct 2015 07:28:00 GMT";
    vec![
        ("429", limited("")),
        ("429 with Retry-After", limited("retry-after: 0\r\n")),
        ("429 with a part of a second", limited("retry-after: 0.01\r\n")),
        ("429 with milliseconds", limited("retry-after-ms: 5\r\n")),
        ("429 with a date that is past", limited("retry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\n")),
        ("429 with nonsense", limited("retry-after: soon\r\n")),
        ("429 with a body of HTML", html("429 Too Many Requests")),
        ("500", failed("500 Internal Server Error", "api_error")),
        ("502 of a gateway", html("502 Bad Gateway")),
        ("503", failed("503 Service Unavailable", "unavailable")),
        ("504 of a gateway", html("504 Gateway Timeout")),
        ("529", failed("529 Overloaded", "overloaded_error")),
        ("408", failed("408 Request Timeout", "timeout")),
        ("409", failed("409 Conflict", "conflict")),
        ("gone before the head", vec![]),
        ("reset before the head", vec![Act::Reset]),
        ("gone within the head", vec![send(&STREAM[..40])]),
        ("gone after the head", vec![send(STREAM)]),
        ("gone after the start", stream(start(protocol))),
        (
            "half a body of JSON",
            vec![send(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"choices\": [",
            )],
        ),
        (
            "half a stream of known length",
            vec![send(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 500\r\n\r\ndata: {",
            )],
        ),
        ("gone in the first event", stream("data: {\"choices\": [".to_owned())),
        (
            "gone in mid-call",
            stream(start(protocol) + &call(protocol, (0, 0), "a", "read", "{\"path\": \"x", false)),
        ),
        ("silence after the start", vec![send(STREAM), send(start(protocol)), Act::Hang]),
        (
            "silence in mid-call",
            vec![
                send(STREAM),
                send(start(protocol) + &call(protocol, (0, 0), "a", "read", "{\"path\": \"x", false)),
                Act::Hang,
            ],
        ),
        (
            "overloaded within the stream",
            stream(start(protocol) + &error_event(protocol, 529, "overloaded_error", "x")),
        ),
        ("limited within the stream", stream(error_event(protocol, 429, "rate_limit_error", "x"))),
        ("broken within the stream", stream(error_event(protocol, 500, "server_error", "x"))),
        (
            "overloaded with status 200",
            vec![response("200 OK", "", &error(protocol, 503, "overloaded_error", "x").to_string())],
        ),
        (
            "a date in the future",
            vec![response("503 Service Unavailable", &format!("retry-after: {late}\r\n"), "")],
        ),
    ]
}

/// These end at once, without another try.
fn ends(protocol: Protocol) -> Vec<(&'static str, Vec<Act>, String)> {
    let status = |status: &str, code: &str, words: &str| {
        let number = status[..3].parse().expect("a status");
        vec![response(status, "", &error(protocol, number, code, words).to_string())]
    };
    let stream = |text: String| vec![send(STREAM), send(text)];
    let called = |id: &str, name: &str, arguments: &str| {
        stream(
            start(protocol)
                + &call(protocol, (0, 0), id, name, arguments, true)
                + &end(protocol, Ending::Calls, None),
        )
    };
    let (too_long, body) = overflow(protocol);
    let long_wait = error(protocol, 429, "rate_limit_error", "slow down").to_string();
    // The id is said twice, or not at all: both calls count, and are told apart.
    let twice = |id: &str| {
        stream(
            start(protocol)
                + &call(protocol, (0, 0), id, "read", "{\"path\":\"x\"}", true)
                + &call(protocol, (1, 1), id, "read", "{\"path\":\"y\"}", true)
                + &end(protocol, Ending::Calls, None),
        )
    };
    let both = "[read {\"path\":\"x\"}][read {\"path\":\"y\"}] | calls";
    let many: String =
        (0..2_000).map(|at| call(protocol, (at, at), &format!("c{at}"), "read", "{}", true)).collect();
    let all = answer(protocol, "Grüße");
    let bytes: Vec<Act> = [send(STREAM)].into_iter().chain(all.bytes().map(|byte| send([byte]))).collect();
    let comment = ": alive\n\n";
    let typed = |kind: &str| {
        vec![
            send(format!("HTTP/1.1 200 OK\r\n{kind}connection: close\r\n\r\n")),
            send(answer(protocol, "ok")),
        ]
    };
    let no_mark = answer(protocol, "ok").replace("data: [DONE]\n\n", "");
    let no_mark = match no_mark.rfind("event: message_stop") {
        Some(at) => no_mark[..at].to_owned(),
        None => no_mark,
    };
    let rest = vec![
        (
            "401",
            status("401 Unauthorized", "authentication_error", "wrong key sk-secret-key"),
            "! unauthorized",
        ),
        (
            "401, expired",
            status("401 Unauthorized", "token_expired", "the token has expired"),
            "! unauthorized",
        ),
        ("403", status("403 Forbidden", "permission_error", "no"), "! unauthorized"),
        (
            "403 of a gateway",
            vec![send("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")],
            "! unauthorized",
        ),
        ("402", status("402 Payment Required", "insufficient_credits", "pay"), "! rejected"),
        ("404", status("404 Not Found", "not_found_error", "model: tiny"), "! rejected"),
        ("422", status("422 Unprocessable Entity", "invalid_request_error", "bad schema"), "! rejected"),
        ("400", status("400 Bad Request", "invalid_request_error", "bad schema"), "! rejected"),
        ("405", status("405 Method Not Allowed", "x", "no"), "! rejected"),
        ("429, no money", status("429 Too Many Requests", "insufficient_quota", "pay"), "! rejected"),
        (
            "a prompt that is too long",
            vec![response(too_long, "", &body.to_string())],
            "! overflow 9000/8192",
        ),
        (
            "413",
            status("413 Payload Too Large", "request_too_large", "Request exceeds the maximum size"),
            "! overflow 4097/4096",
        ),
        (
            "a long wait",
            vec![response("429 Too Many Requests", "retry-after: 3600\r\n", &long_wait)],
            "! limited 3600 s",
        ),
        (
            "a redirect",
            vec![send(
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n",
            )],
            "! rejected",
        ),
        ("no answer", vec![Act::Hang], "! unavailable"),
        ("not JSON", stream("data: {nonsense\n\n".to_owned()), "! malformed"),
        ("a piece that is a number", stream("data: 5\n\n".to_owned()), "! malformed"),
        ("another shape", stream(lost(protocol)), "! malformed"),
        ("not UTF-8", vec![send(STREAM), send(b"data: \xff\xfe\n\n")], "! malformed"),
        ("no events", stream("it works!\n\n".to_owned()), "! malformed"),
        ("arguments that break off", called("a", "read", "{\"path\": \"x"), "! malformed"),
        ("arguments that are no JSON", called("a", "read", "path = x"), "! malformed"),
        ("arguments that are a list", called("a", "read", "[1]"), "! malformed"),
        ("arguments that are a text", called("a", "read", "\"x\""), "! malformed"),
        ("a call without a name", called("a", "", "{}"), "! malformed"),
        ("a tool that nobody offered", called("a", "launch", "{}"), "[launch {}] | calls"),
        ("arguments that are empty", called("a", "read", "{}"), "[read {}] | calls"),
        ("the same id twice", twice("a"), both),
        ("no ids", twice(""), both),
        (
            "thousands of calls",
            stream(start(protocol) + &many + &end(protocol, Ending::Calls, None)),
            "! malformed",
        ),
        (
            "the limit on tokens, with a call",
            stream(
                start(protocol)
                    + &words(protocol, 0, "long")
                    + &call(protocol, (1, 0), "a", "read", "{\"path\":\"x\"}", true)
                    + &end(protocol, Ending::Length, None),
            ),
            "long | length",
        ),
        (
            "the limit on tokens, in mid-call",
            stream(
                start(protocol)
                    + &words(protocol, 0, "long")
                    // Here a call is whole or not there at all.
                    + &call(protocol, (1, 0), "a", "read", "{\"path\":", protocol == Protocol::Gemini)
                        .replace("\"args\":\"{\\\"path\\\":\"", "\"args\":{}")
                    + &end(protocol, Ending::Length, None),
            ),
            "long | length",
        ),
        (
            "a filter",
            stream(start(protocol) + &words(protocol, 0, "a") + &end(protocol, Ending::Filter, None)),
            "a ! rejected",
        ),
        (
            "a wrong key within the stream",
            stream(error_event(protocol, 401, "authentication_error", "wrong key sk-secret-key")),
            "! unauthorized",
        ),
        (
            "a refusal within the stream",
            stream(start(protocol) + &error_event(protocol, 400, "invalid_request_error", "no")),
            "! rejected",
        ),
        (
            "an error with status 200",
            vec![response("200 OK", "", &error(protocol, 400, "invalid_request_error", "no").to_string())],
            "! rejected",
        ),
        ("JSON of another kind", vec![response("200 OK", "", r#"{"object": "list"}"#)], "! malformed"),
        (
            "half a JSON that claims to be whole",
            vec![response("200 OK", "", r#"{"choices": ["#)],
            "! malformed",
        ),
        (
            "a page of HTML",
            vec![send("HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n\r\n<html></html>")],
            "! malformed",
        ),
        (
            "compressed though not asked for",
            vec![
                send(STREAM.replace("\r\n\r\n", "\r\ncontent-encoding: gzip\r\n\r\n")),
                send(b"\x1f\x8b\x08garbage"),
            ],
            "! malformed",
        ),
        ("compressed and not said", vec![send(STREAM), send(b"\x1f\x8b\x08\x00\n\n\xff\n\n")], "! malformed"),
        ("an answer in one piece", vec![response("200 OK", "", &whole(protocol, "ok").to_string())], "ok |"),
        ("one byte at a time", bytes, "Grüße |"),
        ("lines that end in CR LF", stream(answer(protocol, "ok").replace('\n', "\r\n")), "ok |"),
        ("lines that end in CR", stream(answer(protocol, "ok").replace('\n', "\r")), "ok |"),
        ("a byte order mark", stream(format!("\u{feff}{}", answer(protocol, "ok"))), "ok |"),
        (
            "signs of life",
            vec![
                send(STREAM),
                send(comment),
                Act::Wait(50),
                send(comment.repeat(3)),
                send(answer(protocol, "ok")),
            ],
            "ok |",
        ),
        ("no content type", typed(""), "ok |"),
        ("a content type of text", typed("content-type: text/plain\r\n"), "ok |"),
        ("no mark of the end", stream(no_mark.clone()), "ok |"),
        ("silence after the end", vec![send(STREAM), send(no_mark), Act::Hang], "ok |"),
        ("gone after the end", vec![send(STREAM), send(answer(protocol, "ok")), Act::Reset], "ok |"),
        (
            "figures that cannot be",
            stream(
                start(protocol)
                    + &words(protocol, 0, "ok")
                    + &end(protocol, Ending::Stop, Some([-1, i64::MIN + 9, 1 << 60, -5])),
            ),
            "ok |",
        ),
    ];
    rest.into_iter().map(|(name, script, told)| (name, script, told.to_owned())).collect()
}

fn faults(protocol: Protocol) -> Vec<Fault> {
    let good = || vec![send(STREAM), send(answer(protocol, "ok"))];
    let stream = |text: String| vec![send(STREAM), send(text)];
    let mut all: Vec<Fault> = tried_again(protocol)
        .into_iter()
        .map(|(name, script)| Fault {
            name,
            scripts: vec![script, good()],
            told: "~ok |".to_owned(),
            requests: 2,
        })
        .collect();
    all.extend(ends(protocol).into_iter().map(|(name, script, told)| Fault {
        name,
        scripts: vec![script, good()],
        told: if told.starts_with('!') { format!(" {told}") } else { told },
        requests: 1,
    }));
    let mut more = |name, scripts: Vec<Vec<Act>>, told: &str, requests| {
        all.push(Fault { name, scripts, told: told.to_owned(), requests });
    };
    let storm = |status: &str| vec![vec![response(status, "retry-after: 0\r\n", "{}")]; 10];
    more("a storm of 429", storm("429 Too Many Requests"), "~~ ! limited 0 s", 3);
    more("a storm of 503", storm("503 Service Unavailable"), "~~ ! unavailable", 3);
    more("nobody is there any more", vec![vec![], vec![]], "~~ ! unavailable", 2);
    more("gone each time", vec![stream(start(protocol)); 10], "~~ ! unavailable", 3);
    // What only comes to nothing is asked anew; what was said stays said, and goes on.
    let thought = start(protocol) + &reasoning(protocol, 0, "hm");
    more("gone after reasoning", vec![stream(thought), good()], "(hm)~ok |", 2);
    let half = start(protocol) + &words(protocol, 0, "The answer is ");
    more(
        "gone in mid-answer",
        vec![stream(half.clone()), stream(answer(protocol, "42."))],
        "The answer is ~42. |",
        2,
    );
    more(
        "gone in mid-answer, and repeated",
        vec![stream(half.clone()), stream(answer(protocol, "The answer is 42."))],
        "The answer is ~42. |",
        2,
    );
    more(
        "silence in mid-answer",
        vec![vec![send(STREAM), send(half.clone()), Act::Hang], stream(answer(protocol, "42."))],
        "The answer is ~42. |",
        2,
    );
    more("gone in mid-answer each time", vec![stream(half.clone()); 10], "The answer is ~~ ! unavailable", 3);
    let half_call = half.clone() + &call(protocol, (1, 0), "a", "read", "{\"path\": \"x", false);
    let again = start(protocol)
        + &call(protocol, (0, 0), "b", "read", "{\"path\":\"z\"}", true)
        + &end(protocol, Ending::Calls, None);
    more(
        "gone in mid-call after words",
        vec![stream(half_call), stream(again.clone())],
        "The answer is ~[read {\"path\":\"z\"}] | calls",
        2,
    );
    let whole_call = start(protocol) + &call(protocol, (0, 0), "a", "read", "{\"path\":\"x\"}", true);
    more("gone after a call", vec![stream(whole_call), stream(again)], "~[read {\"path\":\"z\"}] | calls", 2);
    let comments: Vec<Act> = [send(STREAM)]
        .into_iter()
        .chain((0..30).flat_map(|_| [send(": alive\n\n"), Act::Wait(100)]))
        .collect();
    more("nothing but signs of life", vec![comments; 10], "~~ ! unavailable", 3);
    all
}

async fn check(protocol: Protocol) {
    let faults = faults(protocol);
    assert!(faults.len() >= LEAST, "{} faults", faults.len());
    let count = faults.len();
    let names: std::collections::HashSet<&str> = faults.iter().map(|fault| fault.name).collect();
    assert_eq!(names.len(), count, "names tell faults apart");
    let runs = faults.into_iter().map(async |fault| {
        let server = Server::start(fault.scripts).await;
        let events = ask(options(protocol, &server.address), request()).await;
        let told = told(&events);
        let seen = server.requests();
        let mut wrong = Vec::new();
        if (told.as_str(), seen.len()) != (fault.told.as_str(), fault.requests) {
            wrong.push(format!(
                "{told:?} after {} requests, not {:?} after {}",
                seen.len(),
                fault.told,
                fault.requests
            ));
        }
        if format!("{events:?}").contains(KEY) {
            wrong.push("the key is told".to_owned());
        }
        let ids: Vec<String> = calls(&events).into_iter().map(|call| call.id).collect();
        if ids.iter().any(String::is_empty)
            || ids.iter().collect::<std::collections::HashSet<_>>().len() != ids.len()
        {
            wrong.push(format!("ids {ids:?}"));
        }
        wrong.into_iter().map(|wrong| format!("{}: {wrong}\n  {events:?}", fault.name)).collect::<Vec<_>>()
    });
    // Not all at once: a busy machine would be slower than patience.
    let wrong: Vec<Vec<String>> = futures::stream::iter(runs).buffer_unordered(12).collect().await;
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "{protocol:?}, {} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn faults_of_chat_end_as_the_table_says() {
    check(Protocol::Chat).await;
}

#[tokio::test]
async fn faults_of_responses_end_as_the_table_says() {
    check(Protocol::Responses).await;
}

#[tokio::test]
async fn faults_of_anthropic_end_as_the_table_says() {
    check(Protocol::Anthropic).await;
}

#[tokio::test]
async fn faults_of_gemini_end_as_the_table_says() {
    check(Protocol::Gemini).await;
}

#[tokio::test]
async fn what_does_not_end_is_ended() {
    for protocol in Protocol::ALL {
        let padding =
            json!({"type": "ping", "choices": [], "candidates": [], "padding": "x".repeat(1 << 20)});
        let cases = [
            ("a line of a gibibyte", vec![send(STREAM), send("data: "), Act::Forever("x".repeat(1 << 16))]),
            (
                "an endless body",
                vec![
                    send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n["),
                    Act::Forever("1,".repeat(1 << 15)),
                ],
            ),
            ("an endless answer", vec![send(STREAM), Act::Forever(format!("data: {padding}\n\n"))]),
        ];
        for (name, script) in cases {
            let server = Server::start(vec![script]).await;
            let events = ask(options(protocol, &server.address), request()).await;
            let told = told(&events);
            // Whether size or time ends these first depends on the machine.
            assert!(
                told.ends_with("malformed") || told.ends_with("unavailable"),
                "{protocol:?}, {name}: {told}"
            );
            // The limit on answers, and what the system's buffers took meanwhile.
            assert!(server.sent() < 96 << 20, "{protocol:?}, {name}: {} bytes", server.sent());
        }
    }
}

#[tokio::test]
async fn nobody_there_is_said() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}/v1", listener.local_addr().expect("an address"));
    drop(listener);
    for protocol in Protocol::ALL {
        let events = ask(options(protocol, &address), request()).await;
        assert_eq!(told(&events), "~~ ! unavailable", "{events:?}");
    }
}
