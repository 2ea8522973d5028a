//! Owns the tests of the way to a service: certificates of one's own, and proxies.
//! Uses a server of Python's standard library behind a certificate that `openssl` signs here, and the scripted service.
//! Never leaves loopback: the host behind the proxy does not exist.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::service::{Reply, Service};
use super::world::{Run, World, skipped};

/// Answers chat completions over TLS, and says on standard output at which port.
const SERVER: &str = r#"
import http.server, json, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        chunk = {"choices": [{"index": 0, "delta": {"content": "Over TLS."}, "finish_reason": "stop"}]}
        body = ("data: " + json.dumps(chunk) + "\n\ndata: [DONE]\n\n").encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

/// A server with a certificate that only the house knows; ended when dropped.
struct Secured {
    child: Child,
    port: String,
}

impl Drop for Secured {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Secured {
    /// Nothing where a program that it needs is not there.
    fn start(folder: &Path) -> Option<Self> {
        let openssl = |arguments: &str| {
            let output =
                Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().ok()?;
            assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
            Some(())
        };
        let made = openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=House").and_then(|()| {
            openssl("req -newkey rsa:2048 -nodes -keyout own.key -out own.csr -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1")?;
            openssl("x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -copy_extensions copy -out own.pem")
        });
        let started = made.and_then(|()| {
            let mut command = Command::new("python3");
            command.args(["-c", SERVER, "own.pem", "own.key"]).current_dir(folder);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()
        });
        let Some(mut child) = started else {
            skipped("a certificate of one's own", "there is no openssl, or no python3");
            return None;
        };
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a port");
        Some(Self { child, port: line.trim().to_owned() })
    }
}

fn configure(world: &World, house: &str) {
    let folder = world.home().join(".config/loci");
    std::fs::create_dir_all(&folder).expect("created");
    let text = format!("[providers.house]\nmodel = \"m\"\nretries = 0\n{house}\n");
    std::fs::write(folder.join("config.toml"), text).expect("written");
}

fn ask(world: &World, variables: &[(&str, &str)]) -> Run {
    let mut command = world.command();
    command.envs(variables.iter().copied()).args(["-p", "Say where you are.", "-m", "house"]);
    Run::of(command.output().expect("runs")).ended(0)
}

#[test]
fn a_certificate_of_ones_own_is_trusted_where_it_is_named() {
    let world = World::with_crate();
    let folder = tempfile::tempdir().expect("a folder");
    let Some(server) = Secured::start(folder.path()) else { return };
    let address = format!("base_url = \"https://127.0.0.1:{}/v1\"", server.port);
    let authority = folder.path().join("ca.pem").display().to_string();
    // Unknown to the system: nothing is sent, and a model of this machine goes on.
    configure(&world, &address);
    let run = ask(&world, &[]);
    assert!(run.err.contains("certificate"), "{}", run.err);
    assert!(!run.out.contains("Over TLS."), "{}", run.out);
    let run = ask(&world, &[("SSL_CERT_FILE", authority.as_str())]);
    assert_eq!(run.out.trim(), "Over TLS.", "{}", run.err);
    configure(&world, &format!("{address}\nca_file = \"{authority}\""));
    assert_eq!(ask(&world, &[]).out.trim(), "Over TLS.");
    // For another name the certificate counts for nothing.
    configure(&world, &format!("{}\nca_file = \"{authority}\"", address.replace("127.0.0.1", "localhost")));
    let run = ask(&world, &[]);
    assert!(run.err.contains("certificate") && !run.out.contains("Over TLS."), "{}", run.err);
}

#[test]
fn a_proxy_is_used_where_it_is_named_and_never_for_this_machine() {
    let world = World::with_crate();
    let check = |house: &str, variables: &[(&str, &str)], arrives: bool| {
        let proxy = Service::start(vec![Reply::Text("Through the proxy.")]);
        let address = format!("http://127.0.0.1:{}", proxy.port);
        let house = house.replace("PROXY", &address);
        configure(&world, &format!("base_url = \"http://house.invalid/v1\"\n{house}"));
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (*name, if *value == "PROXY" { address.as_str() } else { *value }))
            .collect();
        let run = ask(&world, &variables);
        let heads: Vec<String> = proxy.arrived().into_iter().map(|arrived| arrived.head).collect();
        assert_eq!(run.out.contains("Through the proxy."), arrives, "{house}: {}", run.err);
        assert_eq!(heads.len(), usize::from(arrives), "{house}: {heads:?}");
        // A proxy is asked with the whole address.
        let whole = "POST http://house.invalid/v1/chat/completions ";
        assert!(heads.iter().all(|head| head.starts_with(whole)), "{heads:?}");
    };
    check("proxy = \"PROXY\"", &[], true);
    check("", &[("http_proxy", "PROXY")], true);
    check("", &[], false);
    check("proxy = \"none\"", &[("http_proxy", "PROXY")], false);
    check("", &[("http_proxy", "PROXY"), ("NO_PROXY", "house.invalid")], false);

    let service = Service::start(vec![Reply::Text("Here.")]);
    configure(&world, &format!("base_url = \"http://127.0.0.1:{}/v1\"", service.port));
    let run = ask(&world, &[("http_proxy", "http://127.0.0.1:9")]);
    assert_eq!(run.out.trim(), "Here.", "{}", run.err);
    assert!(service.arrived()[0].head.starts_with("POST /v1/chat/completions "));
}
