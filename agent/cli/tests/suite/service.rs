//! Owns a service on loopback that answers by a script, and keeps every byte that arrives.
//! Uses threads and sockets of the standard library.
//! Never serves more connections than its script has answers: after that nobody listens.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::world::World;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Arrived {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One answer of the service.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Text(&'static str),
    Call(&'static str, Value),
    /// Say that it is busy.
    Busy,
}

pub(crate) struct Service {
    pub(crate) port: u16,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Service {
    pub(crate) fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&arrived);
        std::thread::spawn(move || {
            for (number, reply) in (1..).zip(replies) {
                let Ok((stream, _)) = listener.accept() else { return };
                answer(stream, number, &reply, &kept);
            }
        });
        Self { port, arrived }
    }

    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().expect("no panic").clone()
    }

    /// Make it the service `box` of the user's configuration, with its key and further lines before it.
    pub(crate) fn configure(&self, world: &World, first: &str, more: &str) {
        let folder = world.home().join(".config/loci");
        std::fs::create_dir_all(&folder).expect("created");
        let text = format!(
            "{first}\n[providers.box]\nbase_url = \"http://127.0.0.1:{}/v1\"\napi_key_env = \"BOX_KEY\"\nmodel = \"m\"\n\
             context_length = 32000\nretries = 0\n{more}\n",
            self.port
        );
        std::fs::write(folder.join("config.toml"), text).expect("written");
    }
}

/// The key of the service.
pub(crate) const KEY: &str = "box-key-4f9Tq27Lw";

impl World {
    /// Run the binary with the key of the service in its environment.
    pub(crate) fn with_key(&self, arguments: &[&str]) -> super::world::Run {
        super::world::Run::of(self.command().env("BOX_KEY", KEY).args(arguments).output().expect("runs"))
    }
}

fn answer(mut stream: TcpStream, number: usize, reply: &Reply, kept: &Mutex<Vec<Arrived>>) {
    // Whoever connects and says nothing must not hold the test up.
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    let (head, body) = loop {
        let Ok(count @ 1..) = stream.read(&mut buffer) else { return };
        bytes.extend_from_slice(&buffer[..count]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok()
        });
        if bytes.len() >= end + 4 + length.unwrap_or_default() {
            break (head, bytes[end + 4..].to_vec());
        }
    };
    kept.lock().expect("no panic").push(Arrived { head, body });
    let delta = match reply {
        Reply::Text(words) => json!({ "content": words }),
        Reply::Call(name, arguments) => json!({ "tool_calls": [{
            "index": 0, "id": format!("c{number}"), "type": "function",
            "function": { "name": name, "arguments": arguments.to_string() },
        }] }),
        Reply::Busy => {
            let busy = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            // The other side may have gone; then nobody reads it.
            let _ = stream.write_all(busy.as_bytes());
            return;
        }
    };
    let reason = if matches!(reply, Reply::Call(..)) { "tool_calls" } else { "stop" };
    let chunk = |delta: Value, reason: Value, usage: Value| {
        let chunk = json!({ "id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }], "usage": usage });
        format!("data: {chunk}\n\n")
    };
    let usage = json!({ "prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110 });
    let text = [
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".to_owned(),
        chunk(delta, Value::Null, Value::Null),
        chunk(json!({}), json!(reason), usage),
        "data: [DONE]\n\n".to_owned(),
    ];
    // The other side may have gone; then nobody reads it.
    let _ = stream.write_all(text.concat().as_bytes());
    let _ = stream.flush();
}
