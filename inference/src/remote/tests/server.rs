//! Owns a server on loopback that follows a script, one for each connection.
//! Uses tokio's sockets: what it sends is not always HTTP.
//! Never answers more connections than it has scripts for: what is asked beyond them finds nobody.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with a connection.
#[derive(Clone)]
pub(super) enum Act {
    Send(Vec<u8>),
    Wait(u64),
    /// Send until the other side goes away, or a gibibyte is sent.
    Forever(String),
    /// Keep the connection open and say nothing.
    Hang,
    /// End the connection so that the other side sees an error and no end.
    Reset,
}

pub(super) fn send(text: impl AsRef<[u8]>) -> Act {
    Act::Send(text.as_ref().to_vec())
}

/// The head of a stream.
pub(super) const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// A whole response with a body of JSON.
pub(super) fn response(status: &str, headers: &str, body: &str) -> Act {
    send(format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

pub(super) struct Server {
    /// `http://127.0.0.1:PORT/v1`
    pub(super) address: String,
    seen: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicUsize>,
}

impl Server {
    /// One script a connection, in the order in which they come.
    pub(super) async fn start(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sent = Arc::new(AtomicUsize::new(0));
        let (noted, counted) = (Arc::clone(&seen), Arc::clone(&sent));
        tokio::spawn(async move {
            for script in scripts {
                let Ok((stream, _)) = listener.accept().await else { return };
                tokio::spawn(serve(stream, script, Arc::clone(&noted), Arc::clone(&counted)));
            }
        });
        Self { address, seen, sent }
    }

    /// The requests as they came.
    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }

    /// Bytes that the other side, or the system for it, has taken.
    pub(super) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }
}

async fn serve(
    mut stream: TcpStream,
    script: Vec<Act>,
    seen: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicUsize>,
) {
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
                sent.fetch_add(bytes.len(), Ordering::Relaxed);
            }
            Act::Wait(milliseconds) => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
            Act::Forever(text) => {
                let mut all = 0_usize;
                while all < 1 << 30 && stream.write_all(text.as_bytes()).await.is_ok() {
                    all += text.len();
                    sent.fetch_add(text.len(), Ordering::Relaxed);
                }
            }
            Act::Hang => std::future::pending().await,
            Act::Reset => {
                let _ = stream.set_zero_linger();
                return;
            }
        }
    }
    let _ = stream.shutdown().await;
}
