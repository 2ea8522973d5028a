//! The proxy on loopback: real servers, real clients, and `curl` through the inner end where there is one.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A server that answers every request with what it read, and closes.
fn server() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || echo(stream));
        }
    });
    (port, connections)
}

fn echo(mut stream: TcpStream) {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    let complete = |read: &[u8]| {
        let text = String::from_utf8_lossy(read);
        let Some(head) = text.find("\r\n\r\n") else { return false };
        let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        read.len() >= head + 4 + length.map_or(0, |length| length.trim().parse().expect("a number"))
    };
    while !complete(&read) {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(length) => read.extend_from_slice(&buffer[..length]),
        }
    }
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", read.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&read));
}

struct World {
    _runtime: tokio::runtime::Runtime,
    proxy: Option<Proxy>,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl World {
    /// A proxy that lets the listed hosts through, at every port.
    fn with(allowed: &'static [&'static str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("proxy");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let may_reach: MayReach = Arc::new(move |host, _| match allowed.contains(&host) {
            true => Ok(()),
            false => Err(format!("{host} is not on the list")),
        });
        let proxy = runtime.block_on(async { Proxy::start(&socket, may_reach) }).expect("a proxy");
        Self { _runtime: runtime, proxy: Some(proxy), socket, _folder: folder }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).expect("the proxy listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        stream
    }

    /// Everything that comes back.
    fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // Whoever is refused early may not take all of it.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn log(&self) -> Vec<(String, u16, bool)> {
        let log = self.proxy.as_ref().expect("it runs").take_log();
        log.into_iter().map(|entry| (entry.host, entry.port, entry.refused.is_none())).collect()
    }
}

#[test]
fn plain_requests_reach_what_is_allowed_and_nothing_else() {
    let (port, connections) = server();
    let world = World::with(&["127.0.0.1", "localhost"]);
    let answer =
        world.say(format!("GET http://127.0.0.1:{port}/a?b HTTP/1.1\r\nHost: evil\r\n\r\n").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains(&format!("GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n")), "{answer}");
    let body = "x".repeat(100_000);
    let post = format!("POST http://LOCALHOST.:{port}/ HTTP/1.1\r\nContent-Length: 100000\r\n\r\n{body}");
    assert!(world.say(post.as_bytes()).ends_with(&body));
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    assert_eq!(world.log(), [("127.0.0.1".into(), port, true), ("localhost".into(), port, true)]);

    // The same server by other names, each of which is one that nobody allowed.
    for host in ["127.0.0.2", "0.0.0.0", "[::1]", "other.example", "127.1", "2130706433", "a@127.0.0.1"] {
        let answer = world.say(format!("GET http://{host}:{port}/ HTTP/1.1\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 403 "), "{host}: {answer}");
        assert!(answer.contains("loci: "), "{host}: {answer}");
        let answer = world.say(format!("CONNECT {host}:{port} HTTP/1.1\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 403 "), "{host}: {answer}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    assert_eq!(world.log().iter().filter(|(_, _, reached)| *reached).count(), 0);
}

#[test]
fn a_second_request_does_not_ride_on_the_first() {
    let (port, connections) = server();
    let world = World::with(&["127.0.0.1"]);
    let one = format!("GET http://127.0.0.1:{port}/one HTTP/1.1\r\n\r\n");
    for second in [
        format!("GET http://other.example:{port}/two HTTP/1.1\r\n\r\n"),
        "GET /two HTTP/1.1\r\nHost: other.example\r\n\r\n".to_owned(),
    ] {
        let answer = world.say(format!("{one}{second}").as_bytes());
        assert!(answer.contains("GET /one") && !answer.contains("two"), "{answer}");
    }
    // Neither in the body of the first.
    let smuggled = format!(
        "POST http://127.0.0.1:{port}/one HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /two HTTP/1.1\r\n\r\n"
    );
    let answer = world.say(smuggled.as_bytes());
    assert!(answer.ends_with("abc"), "{answer}");
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[test]
fn a_tunnel_carries_both_directions() {
    let (port, _) = server();
    let world = World::with(&["127.0.0.1"]);
    let mut stream = world.connect();
    // The client need not wait for the answer before it speaks.
    write!(stream, "CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\nGET /inside HTTP/1.1\r\nContent-Length: 4\r\n\r\nab").expect("sent");
    std::thread::sleep(Duration::from_millis(50));
    stream.write_all(b"cd").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("GET /inside") && answer.ends_with("abcd"), "{answer}");
}

fn socks(stream: &mut UnixStream, kind: u8, address: &[u8], port: u16) -> u8 {
    stream.write_all(&[5, 2, 2, 0]).expect("sent");
    let mut chosen = [0; 2];
    stream.read_exact(&mut chosen).expect("a method");
    assert_eq!(chosen, [5, 0]);
    let request = [&[5, 1, 0, kind], address, &port.to_be_bytes()].concat();
    stream.write_all(&request).expect("sent");
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).expect("an answer");
    answer[1]
}

#[test]
fn socks_is_checked_in_the_same_way() {
    let (port, connections) = server();
    let world = World::with(&["localhost", "127.0.0.9"]);
    let name = |name: &[u8]| [&[u8::try_from(name.len()).expect("short")], name].concat();
    let mut stream = world.connect();
    assert_eq!(socks(&mut stream, 3, &name(b"localhost"), port), 0);
    stream.write_all(b"GET /socks HTTP/1.1\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains("GET /socks"), "{answer}");

    let check = |kind: u8, address: &[u8], expect: u8| {
        let found = socks(&mut world.connect(), kind, address, port);
        assert_eq!(found, expect, "{}", address.escape_ascii());
    };
    // Nothing listens on this one, but it is allowed.
    check(1, &[127, 0, 0, 9], 4);
    check(1, &[127, 0, 0, 1], 2);
    check(4, &Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets(), 2);
    check(3, &name(b"127.0.0.1"), 2);
    check(3, &name(b"evil.example\0.localhost"), 2);
    check(3, &name(b"localhost\0"), 2);
    check(3, &name(b""), 2);
    check(9, &[], 8);
    assert_eq!(connections.load(Ordering::SeqCst), 1);

    // Listening for others, and passwords.
    assert_eq!(world.say(&[5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, 0, 80]).as_bytes()[3], 7);
    assert_eq!(world.say(&[5, 1, 2]).as_bytes().first(), Some(&5));
    assert!(!world.say(&[5, 1, 2]).contains('\0'));
}

#[test]
fn a_name_that_stands_for_a_private_address_is_refused() {
    let (port, connections) = server();
    // Names that most systems resolve to an address of their own, among them that of this machine.
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let private = |address: SocketAddr| host::check_address(address.ip(), false).is_err();
    let name = [own.trim(), "ip6-localhost", "localhost.localdomain"].into_iter().find(|name| {
        let found = std::net::ToSocketAddrs::to_socket_addrs(&(*name, port));
        *name != "localhost"
            && matches!(Host::parse(name.as_bytes()), Ok(Host::Name(_)))
            && found.is_ok_and(|mut found| found.all(private))
    });
    let Some(name) = name.map(str::to_ascii_lowercase) else {
        return skipped("no name here but localhost stands for a private address");
    };
    let leaked: &'static str = Box::leak(name.clone().into_boxed_str());
    let world = World::with(Box::leak(Box::new([leaked])));
    let answer = world.say(format!("GET http://{name}:{port}/ HTTP/1.1\r\n\r\n").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("private network"), "{answer}");
    assert_eq!(connections.load(Ordering::SeqCst), 0);
    assert_eq!(world.log(), [(name, port, false)]);
}

#[test]
fn the_metadata_of_a_cloud_is_out_of_reach_even_by_mistake() {
    let world = World::with(&["169.254.169.254", "0.0.0.0", "::ffff:169.254.169.254"]);
    for host in ["169.254.169.254", "[::ffff:169.254.169.254]", "0.0.0.0"] {
        let answer = world.say(format!("GET http://{host}/latest/meta-data HTTP/1.1\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("no service"), "{host}: {answer}");
    }
}

#[test]
fn nonsense_is_answered_and_forgotten() {
    let world = World::with(&["127.0.0.1"]);
    let check = |bytes: &[u8], expect: &str| {
        let answer = world.say(bytes);
        assert!(answer.starts_with(expect), "{}: {answer}", bytes[..bytes.len().min(40)].escape_ascii());
    };
    check(b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ");
    check(b"\x16\x03\x01\x02\x00\n\n", "HTTP/1.1 400 ");
    check(&[&b"GET http://127.0.0.1/ HTTP/1.1\r\nX: "[..], &[b'a'; 40_000]].concat(), "HTTP/1.1 431 ");
    check(&b"A: b\r\n".repeat(10_000), "HTTP/1.1 431 ");
    // A port where nobody listens, with nothing else wrong.
    let closed =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    check(format!("CONNECT 127.0.0.1:{closed} HTTP/1.1\r\n\r\n").as_bytes(), "HTTP/1.1 502 ");
    check(b"CONNECT 127.0.0.1:0 HTTP/1.1\r\n\r\n", "HTTP/1.1 403 ");
    // Those that leave in the middle leave nothing behind.
    for _ in 0..300 {
        drop(world.connect());
        world.connect().write_all(b"GET http://127.0.").expect("sent");
    }
    check(b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ");
}

#[test]
fn the_end_of_the_proxy_ends_its_connections() {
    let (port, _) = server();
    let mut world = World::with(&["127.0.0.1"]);
    let mut stream = world.connect();
    write!(stream, "CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n").expect("sent");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
    drop(world.proxy.take());
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(!world.socket.exists());
    assert!(UnixStream::connect(&world.socket).is_err());
}

#[test]
fn it_says_where_it_cannot_listen() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let start = |path: &Path| runtime.block_on(async { Proxy::start(path, Arc::new(|_, _| Ok(()))) });
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "").expect("written");
    let too_long = folder.path().join("x".repeat(200));
    for path in [taken, too_long, folder.path().join("missing/proxy")] {
        let error = start(&path).expect_err("it cannot").to_string();
        assert!(error.starts_with("no proxy can listen at "), "{error}");
    }
    start(&folder.path().join("proxy")).expect("it can");
}

#[test]
fn the_inner_end_brings_programs_to_it() {
    let (port, connections) = server();
    let world = World::with(&["127.0.0.1", "localhost"]);
    let listener = TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).expect("a port");
    let inner = listener.local_addr().expect("bound").port();
    let socket = world.socket.clone();
    std::thread::spawn(move || forward::forward(&listener, &socket));

    let mut stream = TcpStream::connect(("127.0.0.1", inner)).expect("it listens");
    write!(stream, "GET http://127.0.0.1:{port}/through HTTP/1.1\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains("GET /through"), "{answer}");
    assert_eq!(connections.load(Ordering::SeqCst), 1);

    let curl = |arguments: &[&str]| {
        let mut command = std::process::Command::new("curl");
        command.args(["-sS", "--max-time", "50", "--noproxy", ""]).args(arguments).env_clear();
        for (name, value) in environment() {
            let value = value.to_string_lossy().replace(&INNER_PORT.to_string(), &inner.to_string());
            command.env(name, value);
        }
        command.output()
    };
    let url = format!("http://localhost:{port}/curl");
    match curl(&[&url]) {
        Ok(output) => assert!(String::from_utf8_lossy(&output.stdout).contains("GET /curl"), "{output:?}"),
        Err(error) => return skipped(&format!("there is no curl: {error}")),
    }
    // A tunnel, SOCKS with the name and with the address, and a large body.
    let large = world._folder.path().join("large");
    std::fs::write(&large, vec![b'z'; 3_000_000]).expect("written");
    let upload = format!("@{}", large.display());
    let by_name = format!("socks5h://127.0.0.1:{inner}");
    let plain = format!("http://127.0.0.1:{inner}");
    for arguments in [
        &["--proxytunnel", "--proxy", &plain, &url][..],
        &["--proxy", &by_name, &url],
        &["--data-binary", &upload, "--proxy", &plain, &url],
        &["--proxytunnel", "--data-binary", &upload, "--proxy", &plain, &url],
    ] {
        let output = curl(arguments).expect("curl was there");
        assert!(
            String::from_utf8_lossy(&output.stdout).contains(" /curl HTTP/1.1"),
            "{arguments:?}: {output:?}"
        );
        assert!(!arguments.contains(&"--data-binary") || output.stdout.len() > 3_000_000, "{arguments:?}");
    }
    let refused = curl(&["http://crates.io/"]).expect("curl was there");
    assert!(String::from_utf8_lossy(&refused.stdout).contains("crates.io is not on the list"), "{refused:?}");
    let refused = curl(&["https://crates.io/"]).expect("curl was there");
    assert!(!refused.status.success(), "{refused:?}");
    assert!(world.log().contains(&("crates.io".to_owned(), 443, false)));
}

#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}
