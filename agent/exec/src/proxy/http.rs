//! Owns the side of the proxy that speaks HTTP/1.1 (RFC 9112): tunnels by `CONNECT`, and plain requests.
//! Uses one connection for each plain request, so that each is checked, and none can hide behind another.
//! Never passes on a byte after the request that was checked.

use std::io::{ErrorKind, Result};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::{Host, PATIENCE, Refusal, Way};

/// Larger than what servers take.
const MOST_HEAD: usize = 32 * 1024;

/// # Errors
/// When the connection failed.
pub(super) async fn serve(stream: &mut BufReader<UnixStream>, way: &Way) -> Result<()> {
    let head = match tokio::time::timeout(PATIENCE, read_head(stream)).await {
        Ok(Ok(Some(head))) => head,
        Ok(Ok(None)) => return refuse(stream, 431, "the head of the request is too large").await,
        Ok(Err(error)) => return Err(error),
        Err(_) => return refuse(stream, 408, "the request did not come in time").await,
    };
    let request = match Request::parse(&head) {
        Ok(request) => request,
        Err((status, why)) => {
            way.log.note("?", 0, Some(why));
            return refuse(stream, status, why).await;
        }
    };
    let (mut upstream, host) = match way.connect(request.host, request.port).await {
        Ok(connected) => connected,
        Err(refusal) => {
            let status = match &refusal {
                Refusal::Forbidden(_) => 403,
                Refusal::Unreachable(_) => 502,
            };
            return refuse(stream, status, refusal.why()).await;
        }
    };
    let Some(plain) = request.plain else {
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
        return tokio::io::copy_bidirectional(stream, &mut upstream).await.map(drop);
    };
    upstream.write_all(&plain.written(&host, request.port)).await?;
    let (mut answers, mut asks) = upstream.split();
    let (from, to) = tokio::io::split(stream);
    let mut body = from.take(plain.length);
    let (mut to, sending) = (to, async {
        let sent = tokio::io::copy(&mut body, &mut asks).await;
        // The answer ends the connection, not the request: some servers take a half-closed one for a broken one.
        match sent {
            Ok(sent) if sent == plain.length => std::future::pending().await,
            _ => {}
        }
    });
    tokio::select! {
        answered = tokio::io::copy(&mut answers, &mut to) => answered.map(drop)?,
        () = sending => {}
    }
    to.shutdown().await
}

/// Everything up to the empty line; `None` when that is too much.
async fn read_head(stream: &mut BufReader<UnixStream>) -> Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    loop {
        let room = (MOST_HEAD - head.len()) as u64 + 1;
        let read = (&mut *stream).take(room).read_until(b'\n', &mut head).await?;
        if head.len() > MOST_HEAD {
            return Ok(None);
        }
        if read == 0 || !head.ends_with(b"\n") {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if head.ends_with(b"\r\n\r\n") || head.ends_with(b"\n\n") || head == b"\r\n" {
            return Ok(Some(head));
        }
    }
}

/// Say why nothing came of it, in words that a person or a model finds in the program's output.
async fn refuse(stream: &mut BufReader<UnixStream>, status: u16, why: &str) -> Result<()> {
    let phrase = match status {
        400 => "Bad Request",
        403 => "Forbidden by Loci",
        408 => "Request Timeout",
        411 => "Length Required",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        _ => "Bad Gateway",
    };
    let body = format!("loci: {}\n", why.escape_default());
    let answer = format!(
        "HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// A request whose head was read.
#[derive(Debug, PartialEq, Eq)]
struct Request<'a> {
    host: &'a [u8],
    port: u16,
    /// `None` for a tunnel.
    plain: Option<Plain<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Plain<'a> {
    method: &'a str,
    /// From the first slash.
    path: &'a str,
    /// Those that go on to the server.
    headers: Vec<(&'a str, &'a str)>,
    /// Bytes of the body.
    length: u64,
}

impl<'a> Request<'a> {
    /// # Errors
    /// A status and a reason. What two programs may read in two ways is refused.
    fn parse(head: &'a [u8]) -> std::result::Result<Self, (u16, &'static str)> {
        const BAD: (u16, &str) = (400, "this is no request that a proxy understands");
        let head = std::str::from_utf8(head).map_err(|_| BAD)?;
        let head = head.strip_suffix("\r\n\r\n").ok_or(BAD)?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next().ok_or(BAD)?.split(' ');
        let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(BAD);
        };
        let is_token = |word: &str| {
            let symbol = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            !word.is_empty() && word.bytes().all(symbol)
        };
        if !is_token(method) || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BAD);
        }
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(BAD)?;
            let value = value.trim_matches([' ', '\t']);
            if !is_token(name) || value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
                return Err(BAD);
            }
            headers.push((name, value));
        }
        if method == "CONNECT" {
            let (host, port) = host_and_port(target).ok_or(BAD)?;
            return Ok(Self { host, port: port.ok_or(BAD)?, plain: None });
        }
        let scheme = target.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
        if !scheme {
            return Err((400, "the whole address is needed, and it begins with http://"));
        }
        let rest = &target[7..];
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if !(path.is_empty() || path.starts_with(['/', '?'])) {
            return Err(BAD);
        }
        let (host, port) = host_and_port(authority).ok_or(BAD)?;
        let length = length_of(&headers)?;
        let dropped: Vec<&str> = headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("connection"))
            .flat_map(|(_, value)| value.split(',').map(str::trim))
            .collect();
        // What concerns this connection only, and what is written anew.
        let ours = |name: &str| {
            let names = ["connection", "keep-alive", "te", "trailer", "upgrade", "host", "content-length"];
            names.iter().any(|ours| name.eq_ignore_ascii_case(ours))
                || name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("proxy-"))
                || dropped.iter().any(|dropped| name.eq_ignore_ascii_case(dropped))
        };
        let has_length = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        headers.retain(|(name, _)| !ours(name));
        let length_header = if has_length { Some(length) } else { None };
        Ok(Self {
            host,
            port: port.unwrap_or(80),
            plain: Some(Plain { method, path, headers, length: length_header.unwrap_or(0) }),
        })
    }
}

impl Plain<'_> {
    /// The head for the server. The host is the one that was checked, whatever the headers said.
    fn written(&self, host: &Host, port: u16) -> Vec<u8> {
        let slash = if self.path.starts_with('/') { "" } else { "/" };
        let shown = if port == 80 { host.in_url() } else { format!("{}:{port}", host.in_url()) };
        let mut head = format!("{} {slash}{} HTTP/1.1\r\nHost: {shown}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.length > 0 || matches!(self.method, "POST" | "PUT" | "PATCH") {
            head.push_str(&format!("Content-Length: {}\r\n", self.length));
        }
        head.push_str("Connection: close\r\n\r\n");
        head.into_bytes()
    }
}

/// `host`, `host:port`, `[address]:port`. No user, no second colon.
fn host_and_port(authority: &str) -> Option<(&[u8], Option<u16>)> {
    let after_bracket = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority[after_bracket..].find(':') {
        Some(at) => {
            let digits = &authority[after_bracket + at + 1..];
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            (&authority[..after_bracket + at], Some(digits.parse().ok()?))
        }
        None => (authority, None),
    };
    Some((host.as_bytes(), port))
}

/// The length of the body. One that tells its length as it goes is refused, since its end is where requests are smuggled.
fn length_of(headers: &[(&str, &str)]) -> std::result::Result<u64, (u16, &'static str)> {
    if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding")) {
        return Err((411, "a body needs its length in advance here"));
    }
    let mut lengths = headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map(|(_, value)| *value);
    let Some(length) = lengths.next() else { return Ok(0) };
    if lengths.next().is_some() || length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err((400, "the length of the body is not one number"));
    }
    length.parse().map_err(|_| (400, "the length of the body is not one number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &str) -> std::result::Result<(String, u16, Option<String>), u16> {
        let request = Request::parse(head.as_bytes()).map_err(|(status, _)| status)?;
        let host = String::from_utf8_lossy(request.host).into_owned();
        let plain = request.plain.and_then(|plain| {
            let checked = Host::parse(request.host).ok()?;
            Some(String::from_utf8(plain.written(&checked, request.port)).expect("text"))
        });
        Ok((host, request.port, plain))
    }

    #[test]
    fn requests_are_read_strictly() {
        let check = |head: &str, expect: std::result::Result<(&str, u16), u16>| {
            let found = parsed(head).map(|(host, port, _)| (host, port));
            assert_eq!(found, expect.map(|(host, port)| (host.to_owned(), port)), "{head:?}");
        };
        check("CONNECT crates.io:443 HTTP/1.1\r\n\r\n", Ok(("crates.io", 443)));
        check("CONNECT [::1]:443 HTTP/1.1\r\nHost: x\r\n\r\n", Ok(("[::1]", 443)));
        check("GET http://a.b/ HTTP/1.1\r\n\r\n", Ok(("a.b", 80)));
        check("GET HTTP://a.b:8080?q HTTP/1.0\r\n\r\n", Ok(("a.b", 8080)));
        check("CONNECT crates.io HTTP/1.1\r\n\r\n", Err(400));
        check("CONNECT crates.io:443 HTTP/2\r\n\r\n", Err(400));
        check("CONNECT crates.io:65536 HTTP/1.1\r\n\r\n", Err(400));
        check("CONNECT crates.io:+443 HTTP/1.1\r\n\r\n", Err(400));
        check("CONNECT crates.io: HTTP/1.1\r\n\r\n", Err(400));
        check("CONNECT  crates.io:443 HTTP/1.1\r\n\r\n", Err(400));
        check("CONNECT crates.io:443 HTTP/1.1 x\r\n\r\n", Err(400));
        check("GET /only/a/path HTTP/1.1\r\nHost: a.b\r\n\r\n", Err(400));
        check("GET https://a.b/ HTTP/1.1\r\n\r\n", Err(400));
        check("GET ftp://a.b/ HTTP/1.1\r\n\r\n", Err(400));
        check("GET http://a.b\\@evil.com/ HTTP/1.1\r\n\r\n", Err(400));
        check("GET http://a.b#@evil.com/ HTTP/1.1\r\n\r\n", Err(400));
        check("GET http://a.b/ HTTP/1.1\r\nX: 1\r\n folded\r\n\r\n", Err(400));
        check("GET http://a.b/ HTTP/1.1\r\nX : 1\r\n\r\n", Err(400));
        check("GET http://a.b/ HTTP/1.1\r\nX: a\nHost: evil\r\n\r\n", Err(400));
        check("GET http://a.b/ HTTP/1.1\r\nX: a\rb\r\n\r\n", Err(400));
        check("GET http://a.b/ HTTP/1.1\n\n", Err(400));
        check("POST http://a.b/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", Err(411));
        check("POST http://a.b/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", Err(400));
        check("POST http://a.b/ HTTP/1.1\r\nContent-Length: +1\r\n\r\n", Err(400));
        check("POST http://a.b/ HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", Err(400));
        check("\r\n\r\n", Err(400));
        // Left to the host's own check.
        check("GET http://user:1@a.b/ HTTP/1.1\r\n\r\n", Err(400));
        check("GET http://user@a.b/ HTTP/1.1\r\n\r\n", Ok(("user@a.b", 80)));
        assert!(Host::parse(b"user@a.b").is_err());
    }

    #[test]
    fn the_server_reads_the_host_that_was_checked() {
        let check = |head: &str, expect: &str| {
            let (_, _, written) = parsed(head).expect("a request");
            assert_eq!(written.as_deref(), Some(expect), "{head:?}");
        };
        check(
            "GET http://A.b/x?y HTTP/1.1\r\nHost: evil\r\nAccept: */*\r\nConnection: X-Own, keep-alive\r\n\
             X-Own: 1\r\nProxy-Authorization: secret\r\nUpgrade: h2c\r\n\r\n",
            "GET /x?y HTTP/1.1\r\nHost: a.b\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        );
        check(
            "POST http://a.b:81?q HTTP/1.1\r\ncontent-length: 2\r\n\r\n",
            "POST /?q HTTP/1.1\r\nHost: a.b:81\r\nContent-Length: 2\r\nConnection: close\r\n\r\n",
        );
    }
}
