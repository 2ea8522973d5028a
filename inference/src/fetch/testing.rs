//! Owns a model hub for tests: it speaks the hub's protocol on loopback, its store is another host, and it fails on demand.
//! Uses threads and sockets of the standard library, so that tests of the binary can include it too.
//! Never used outside tests.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};

/// The repository that the hub has.
pub(crate) const REPOSITORY: &str = "house/tiny-GGUF";
/// Its newest commit.
pub(crate) const COMMIT: &str = "1111111111111111111111111111111111111111";

/// What a file holds.
#[derive(Clone)]
pub(crate) struct Content {
    head: Vec<u8>,
    length: u64,
    salt: u64,
}

impl Content {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { head: bytes.to_vec(), length: bytes.len() as u64, salt: 0 }
    }

    /// A sound GGUF file of about this size, whose bytes are computed and not kept.
    pub(crate) fn model(length: u64) -> Self {
        let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
        let elements = length / 128 * 32;
        let head = [
            b"GGUF".to_vec(),
            3_u32.to_le_bytes().to_vec(),
            1_u64.to_le_bytes().to_vec(),
            1_u64.to_le_bytes().to_vec(),
            text("general.architecture"),
            8_u32.to_le_bytes().to_vec(),
            text("llama"),
            text("output.weight"),
            1_u32.to_le_bytes().to_vec(),
            elements.to_le_bytes().to_vec(),
            0_u32.to_le_bytes().to_vec(),
            0_u64.to_le_bytes().to_vec(),
        ];
        let mut head = head.concat();
        head.resize(head.len().next_multiple_of(32), 0);
        let length = head.len() as u64 + elements * 4;
        Self { head, length, salt: 0 }
    }

    /// The same beginning, and then other bytes.
    pub(crate) fn changed(&self) -> Self {
        Self { salt: self.salt + 1, ..self.clone() }
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    fn fill(&self, from: u64, buffer: &mut [u8]) {
        let (mut at, mut left) = (from, buffer);
        while !left.is_empty() {
            let start = usize::try_from(at).expect("fits");
            let now = match self.head.get(start..) {
                Some(head) if !head.is_empty() => {
                    let now = head.len().min(left.len());
                    left[..now].copy_from_slice(&head[..now]);
                    now
                }
                // Words at a time: gigabytes of this are made.
                _ => {
                    let word = (at / 8 + self.salt).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
                    let word = &word[usize::try_from(at % 8).expect("fits")..];
                    let now = word.len().min(left.len());
                    left[..now].copy_from_slice(&word[..now]);
                    now
                }
            };
            at += now as u64;
            left = &mut left[now..];
        }
    }

    pub(crate) fn sha256(&self) -> String {
        let (mut hash, mut at, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
        while at < self.length {
            let now = usize::try_from((self.length - at).min(1 << 16)).expect("fits");
            self.fill(at, &mut buffer[..now]);
            hash.update(&buffer[..now]);
            at += now as u64;
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What goes wrong with one answer.
#[derive(Clone)]
pub(crate) enum Fault {
    /// The connection is cut after so many bytes of content.
    Cut(u64),
    /// This status, with so many seconds to wait.
    Status(u16, Option<u64>),
    /// A login page.
    Html,
    /// One bit of the content is another one.
    Flip(u64),
    /// From now on the file is another one.
    Changed,
    /// The whole file, whatever part was asked for.
    NoRange,
    /// A length that is not the file's.
    Length(u64),
    /// Bytes come one hundred at a time, with a pause of so many milliseconds.
    Slow(u64),
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, (Content, String)>,
    /// For answers with content, in order.
    faults: VecDeque<Fault>,
    /// For answers of the hub itself, in order.
    said: VecDeque<Fault>,
    requests: Vec<String>,
    token: Option<String>,
    gated: bool,
    licence: String,
    package: Option<String>,
}

/// The hub and its store, gone when dropped.
pub(crate) struct Hub {
    /// `http://127.0.0.1:PORT`.
    pub(crate) address: String,
    /// The store's.
    pub(crate) store: String,
    state: Arc<Mutex<State>>,
    ends: Vec<std::net::SocketAddr>,
    over: Arc<std::sync::atomic::AtomicBool>,
}

impl Hub {
    /// A hub that has these files in [`REPOSITORY`].
    pub(crate) fn with(files: &[(&str, Content)]) -> Self {
        let state = State {
            files: files
                .iter()
                .map(|(name, content)| ((*name).to_owned(), (content.clone(), content.sha256())))
                .collect(),
            licence: "apache-2.0".to_owned(),
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let bind = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let (hub, store) = (bind(), bind());
        let address = |listener: &TcpListener| listener.local_addr().expect("an address");
        let ends = vec![address(&hub), address(&store)];
        let store_address = format!("http://{}", ends[1]);
        for (listener, is_store) in [(hub, false), (store, true)] {
            let (state, store, over) = (Arc::clone(&state), store_address.clone(), Arc::clone(&over));
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    if over.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                    let (state, store) = (Arc::clone(&state), store.clone());
                    std::thread::spawn(move || drop(serve(stream, &state, &store, is_store)));
                }
            });
        }
        Self { address: format!("http://{}", ends[0]), store: store_address, state, ends, over }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes wrong with the next answers that have content.
    pub(crate) fn fails(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    /// What goes wrong with the next answers of the hub itself.
    pub(crate) fn misbehaves(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().said.extend(faults);
    }

    /// Whether every fault has had its turn.
    pub(crate) fn is_calm(&self) -> bool {
        let state = self.state();
        state.faults.is_empty() && state.said.is_empty()
    }

    /// Only who brings this token is let in.
    pub(crate) fn wants(&self, token: &str, gated: bool) {
        let mut state = self.state();
        (state.token, state.gated) = (Some(token.to_owned()), gated);
    }

    /// The licence on the card.
    pub(crate) fn is_licensed(&self, licence: &str) {
        licence.clone_into(&mut self.state().licence);
    }

    /// The Python index has this package, whose wheel is one of the files.
    pub(crate) fn offers(&self, package: &str) {
        self.state().package = Some(package.to_owned());
    }

    /// Every request: who was asked, the request line, and whether a token came along.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    pub(crate) fn sha256(&self, name: &str) -> String {
        self.state().files[name].1.clone()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.over.store(true, std::sync::atomic::Ordering::Relaxed);
        for end in &self.ends {
            // Wakes the thread that waits for connections.
            drop(TcpStream::connect_timeout(end, Duration::from_secs(1)));
        }
    }
}

struct Asked {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length: usize = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    reader.take(length as u64).read_to_end(&mut Vec::new()).ok()?;
    Some(Asked { method, path, headers })
}

fn serve(mut stream: TcpStream, state: &Mutex<State>, store: &str, is_store: bool) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let Some(asked) = read(&stream) else { return Ok(()) };
    let token = asked.headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let locked = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let who = if is_store { "store" } else { "hub" };
    let seen = format!("{who} {} {} token={}", asked.method, asked.path, token.unwrap_or("none"));
    locked().requests.push(seen);
    if is_store {
        return content(&mut stream, &asked, state);
    }
    let fault = locked().said.pop_front();
    match fault {
        Some(Fault::Status(status, wait)) => return refuse(&mut stream, status, wait, ""),
        Some(Fault::Html) => return page(&mut stream),
        Some(_) => return stream.shutdown(Shutdown::Both),
        None => {}
    }
    {
        let state = locked();
        if state.token.is_some() && state.token.as_deref() != token {
            let code = if state.gated { "X-Error-Code: GatedRepo\r\n" } else { "" };
            drop(state);
            return refuse(&mut stream, if token.is_some() { 403 } else { 401 }, None, code);
        }
    }
    let path = asked.path.split('?').next().unwrap_or_default().to_owned();
    let revision = |rest: &str| matches!(rest, "main" | "v1" | COMMIT);
    if let Some(rest) = path.strip_prefix(&format!("/api/models/{REPOSITORY}/revision/")) {
        if !revision(rest) {
            return refuse(&mut stream, 404, None, "X-Error-Code: RevisionNotFound\r\n");
        }
        let state = locked();
        let files: Vec<_> = state.files.keys().map(|name| serde_json::json!({ "rfilename": name })).collect();
        let body = serde_json::json!({
            "id": REPOSITORY, "sha": COMMIT, "siblings": files, "gated": if state.gated { "auto".into() } else { serde_json::json!(false) },
            "cardData": { "license": state.licence }, "tags": [format!("license:{}", state.licence)],
        });
        drop(state);
        return json(&mut stream, &body.to_string(), "application/json");
    }
    if let Some(rest) = path.strip_prefix(&format!("/{REPOSITORY}/resolve/"))
        && let Some((at, name)) = rest.split_once('/')
        && revision(at)
    {
        let found = locked().files.get(name).map(|(content, sha256)| (content.length, sha256.clone()));
        let Some((length, sha256)) = found else {
            return refuse(&mut stream, 404, None, "X-Error-Code: EntryNotFound\r\n");
        };
        return write!(
            stream,
            "HTTP/1.1 302 Found\r\nLocation: {store}/blob/{name}?signature=secret\r\nX-Linked-Etag: \"{sha256}\"\r\n\
             X-Linked-Size: {length}\r\nX-Repo-Commit: {COMMIT}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    let package = locked().package.clone();
    if let Some(package) = package
        && path == format!("/simple/{package}/")
    {
        let state = locked();
        let wheels = state.files.iter().filter(|(name, _)| name.ends_with(".whl"));
        let files: Vec<_> = wheels
            .map(|(name, (content, sha256))| {
                serde_json::json!({ "filename": name, "url": format!("{store}/blob/{name}"),
                    "hashes": { "sha256": sha256 }, "size": content.length, "yanked": false })
            })
            .collect();
        let body = serde_json::json!({ "name": package, "files": files }).to_string();
        drop(state);
        return json(&mut stream, &body, "application/vnd.pypi.simple.v1+json");
    }
    refuse(&mut stream, 404, None, "X-Error-Code: RepoNotFound\r\n")
}

fn json(stream: &mut TcpStream, body: &str, kind: &str) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn page(stream: &mut TcpStream) -> std::io::Result<()> {
    json(stream, "<!doctype html><title>Sign in</title><p>Sign in to go on", "text/html; charset=utf-8")
}

fn refuse(stream: &mut TcpStream, status: u16, wait: Option<u64>, more: &str) -> std::io::Result<()> {
    let wait = wait.map(|wait| format!("Retry-After: {wait}\r\n")).unwrap_or_default();
    write!(stream, "HTTP/1.1 {status} No\r\n{wait}{more}Content-Length: 0\r\nConnection: close\r\n\r\n")
}

/// The store: ranges, names for content, and whatever goes wrong.
fn content(stream: &mut TcpStream, asked: &Asked, state: &Mutex<State>) -> std::io::Result<()> {
    let name = asked.path.trim_start_matches("/blob/").split('?').next().unwrap_or_default().to_owned();
    let (fault, found) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = state.faults.pop_front();
        if matches!(fault, Some(Fault::Changed))
            && let Some((content, sha256)) = state.files.get_mut(&name)
        {
            *content = content.changed();
            *sha256 = content.sha256();
        }
        (fault, state.files.get(&name).cloned())
    };
    match fault {
        Some(Fault::Status(status, wait)) => return refuse(stream, status, wait, ""),
        Some(Fault::Html) => return page(stream),
        _ => {}
    }
    let Some((file, sha256)) = found else { return refuse(stream, 404, None, "") };
    let etag = format!("\"{}\"", &sha256[..32]);
    let range = asked.headers.get("range").and_then(|text| text.strip_prefix("bytes="));
    let mut start: u64 = range.and_then(|range| range.trim_end_matches('-').parse().ok()).unwrap_or(0);
    let stale = asked.headers.get("if-range").is_some_and(|named| *named != etag);
    if stale || matches!(fault, Some(Fault::NoRange)) {
        start = 0;
    }
    if start > 0 && start >= file.length {
        return refuse(stream, 416, None, "");
    }
    let length = match fault {
        Some(Fault::Length(length)) => length,
        _ => file.length - start,
    };
    let status = if start > 0 { "206 Partial Content" } else { "200 OK" };
    let range = format!("Content-Range: bytes {start}-{}/{}\r\n", file.length - 1, file.length);
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nETag: {etag}\r\n{}\
         Content-Length: {length}\r\nConnection: close\r\n\r\n",
        if start > 0 { range.as_str() } else { "" }
    )?;
    let end = match fault {
        Some(Fault::Cut(after)) => (start + after).min(file.length),
        _ => file.length.min(start + length),
    };
    let step = if matches!(fault, Some(Fault::Slow(_))) { 100 } else { 1 << 16 };
    let (mut at, mut buffer) = (start, vec![0; step as usize]);
    while at < end {
        let now = usize::try_from((end - at).min(step)).expect("fits");
        file.fill(at, &mut buffer[..now]);
        if let Some(Fault::Flip(place)) = fault
            && (at..at + now as u64).contains(&place)
        {
            buffer[usize::try_from(place - at).expect("fits")] ^= 1;
        }
        stream.write_all(&buffer[..now])?;
        at += now as u64;
        if let Some(Fault::Slow(pause)) = fault {
            std::thread::sleep(Duration::from_millis(pause));
        }
    }
    stream.flush()?;
    // A cut is a cut: the length that was announced does not come.
    stream.shutdown(Shutdown::Both)
}
