//! Owns the tests of `loci serve`: what it says, whom it lets in, and real clients against it.
//! Uses the built binary, HTTP written by hand, OpenAI's Python client and aider where they are installed.
//! Never leaves loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::world::{World, skipped};

/// A service that runs; it is ended with the test.
struct Service {
    child: Child,
    /// What it said first.
    first: String,
    rest: BufReader<std::process::ChildStdout>,
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    fn start(world: &World, arguments: &[&str]) -> Self {
        let mut child = world.command().args(arguments).spawn().expect("starts");
        let mut rest = BufReader::new(child.stdout.take().expect("piped"));
        let mut first = String::new();
        rest.read_line(&mut first).expect("readable");
        if first.is_empty() {
            let mut said = String::new();
            child.stderr.take().expect("piped").read_to_string(&mut said).expect("UTF-8");
            panic!("it ended: {said}");
        }
        Self { child, first, rest }
    }

    /// Where a client asks.
    fn url(&self) -> String {
        let (_, rest) = self.first.split_once("OPENAI_BASE_URL=").expect("the first line says how");
        rest.split_whitespace().next().expect("a URL").to_owned()
    }

    fn address(&self) -> String {
        let url = self.url();
        url.trim_start_matches("http://").trim_end_matches("/v1").to_owned()
    }

    /// Tell it to end, and wait until it has.
    #[cfg(unix)]
    fn end(&mut self, signal: &str) -> Option<i32> {
        let told = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(told.expect("kill runs").success());
        self.child.wait().expect("ends").code()
    }
}

fn token_file(world: &World) -> PathBuf {
    world.home().join(".local/state/loci/serve-token")
}

fn token(world: &World) -> String {
    std::fs::read_to_string(token_file(world)).expect("the token").trim().to_owned()
}

/// Status and body of an answer that ends with its connection.
fn ask(mut socket: impl Read + Write, host: &str, key: &str, path: &str, body: &str) -> (u16, String) {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).expect("sent");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

fn get(address: &str, key: &str, path: &str) -> (u16, String) {
    ask(TcpStream::connect(address).expect("connects"), address, key, path, "")
}

/// A script that always says the same.
fn always(world: &World, name: &str, events: &Value) -> String {
    let script = json!({ "repeat": true, "bytes_per_token": 1, "steps": [{ "events": events }] });
    world.script_named(&format!("{name}.json"), &script)
}

#[cfg(unix)]
#[test]
fn the_first_line_says_all_and_a_signal_ends_it() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    // What stands in a repository has no say.
    world.write(".loci/config.toml", "model = \"nobody\"\n");
    let talk = always(&world, "talk", &json!([{ "text": "Hello." }]));
    let mut service = Service::start(&world, &["serve", "-m", &talk, "--port", "0"]);
    assert!(service.first.starts_with("talk at http://127.0.0.1:"), "{}", service.first);
    assert!(service.first.contains("OPENAI_API_KEY=\"$(cat "), "{}", service.first);
    let key = token(&world);
    let mode = std::fs::metadata(token_file(&world)).expect("there").permissions().mode();
    assert_eq!((key.len(), mode & 0o777), (64, 0o600));
    let mut shown = String::new();
    service.rest.read_line(&mut shown).expect("readable");
    assert!(shown.trim_end().ends_with(&key), "{shown}");
    let address = service.address();
    assert_eq!(get(&address, "", "/health").0, 200);
    assert_eq!(get(&address, "other", "/v1/models").0, 401);
    let (status, models) = get(&address, &key, "/v1/models");
    let models: Value = serde_json::from_str(&models).expect("JSON");
    let names: Vec<&str> =
        models["data"].as_array().expect("a list").iter().filter_map(|one| one["id"].as_str()).collect();
    assert_eq!((status, &names[..]), (200, &["talk", "loci-builtin", "loci-static"][..]));
    let body = json!({ "messages": [{ "role": "user", "content": "hi" }] }).to_string();
    let socket = || TcpStream::connect(&address).expect("connects");
    let (status, body) = ask(socket(), &address, &key, "/v1/chat/completions", &body);
    assert!(status == 200 && body.contains("Hello."), "{body}");
    // The built-in model is read when it is asked for, and says what it cannot.
    let body =
        json!({ "model": "loci-builtin", "messages": [{ "role": "user", "content": "hi" }] }).to_string();
    let (status, body) = ask(socket(), &address, &key, "/v1/chat/completions", &body);
    assert!(status == 200 && body.contains("\"finish_reason\":\"stop\""), "{body}");
    assert_eq!(service.end("-TERM"), Some(0));
    assert!(TcpStream::connect(&address).is_err());
    // The token stays, and is not shown again.
    let mut service = Service::start(&world, &["serve", "-m", &talk, "--only", "--port", "0"]);
    assert_eq!(token(&world), key);
    let (_, models) = get(&service.address(), &key, "/v1/models");
    assert!(!models.contains("loci-builtin"), "{models}");
    assert_eq!(service.end("-INT"), Some(0));
    let mut said = String::new();
    service.rest.read_to_string(&mut said).expect("UTF-8");
    assert_eq!(said, "");
}

#[cfg(unix)]
#[test]
fn a_socket_of_the_file_system_works_offline() {
    use std::os::unix::net::UnixStream;
    let world = World::new();
    let talk = always(&world, "talk", &json!([{ "text": "Hello." }]));
    let path = world.home().join("loci.sock");
    let named = path.display().to_string();
    let arguments = ["--offline", "serve", "-m", &talk, "--unix", &named];
    let mut service = Service::start(&world, &arguments);
    assert!(service.first.starts_with(&format!("talk at {named}: ")), "{}", service.first);
    let body = json!({ "messages": [{ "role": "user", "content": "hi" }] }).to_string();
    let socket = || UnixStream::connect(&path).expect("connects");
    let key = token(&world);
    let (status, body) = ask(socket(), "localhost", &key, "/v1/chat/completions", &body);
    assert!(status == 200 && body.contains("Hello."), "{body}");
    assert_eq!(ask(socket(), "localhost", "other", "/v1/models", "").0, 401);
    // Somebody listens there.
    world.loci(&arguments).ended(2).explains("another program listens there");
    assert_eq!(service.end("-TERM"), Some(0));
    assert!(!path.exists());
    // One that was killed leaves its socket behind, which is no obstacle.
    let mut service = Service::start(&world, &arguments);
    service.child.kill().expect("killed");
    service.child.wait().expect("ends");
    assert!(path.exists());
    let mut service = Service::start(&world, &arguments);
    assert_eq!(service.end("-TERM"), Some(0));
    world.write("file", "mine");
    let file = world.repo().join("file").display().to_string();
    world.loci(&["serve", "-m", &talk, "--unix", &file]).ended(2).explains("a file of that name");
    assert_eq!(world.read("file"), "mine");
}

#[test]
fn what_cannot_be_served_is_said_at_once() {
    let world = World::new();
    let talk = always(&world, "talk", &json!([{ "text": "Hello." }]));
    let check = |arguments: &[&str], code: i32, expect: &str| {
        world.loci(&[&["serve"], arguments].concat()).ended(code).explains(expect);
    };
    world.loci(&["--offline", "serve", "-m", &talk]).ended(2).explains("no TCP socket");
    check(&["-m", &talk, "--host", "0.0.0.0"], 2, "other machines reach 0.0.0.0");
    check(&["-m", "nobody"], 2, "unknown model `nobody`");
    check(&["-m", "openai/gpt-4.1", "--port", "0"], 2, "openai");
    world.write("short", "abc\n");
    check(&["-m", &talk, "--port", "0", "--token-file", "short/token"], 1, "short/token");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    check(&["-m", &talk, "--port", &port], 1, &format!("127.0.0.1:{port}"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let short = world.repo().join("short");
        std::fs::set_permissions(&short, std::fs::Permissions::from_mode(0o600)).expect("set");
        check(&["-m", &talk, "--port", "0", "--token-file", "short"], 1, "16 letters");
        std::fs::set_permissions(&short, std::fs::Permissions::from_mode(0o644)).expect("set");
        check(&["-m", &talk, "--port", "0", "--token-file", "short"], 1, "chmod 600");
    }
    // A service of the user's own is a service all the same, key or no key.
    let folder = world.home().join(".config/loci");
    std::fs::create_dir_all(&folder).expect("created");
    let config = "[providers.away]\nbase_url = \"http://127.0.0.1:9/v1\"\nmodel = \"m\"\n";
    std::fs::write(folder.join("config.toml"), config).expect("written");
    check(&["-m", "away", "--port", "0"], 2, "`away` is a service");
}

/// A program that a variable names, or a word about what is not tested without it.
fn installed(variable: &str, what: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file());
    if found.is_none() {
        skipped(what, &format!("{variable} names no program"));
    }
    found
}

/// The built-in weights as a model that writes text, as any small model does.
fn with_tiny(world: &World) {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../inference/builtin/loci-builtin.gguf");
    let weights = weights.canonicalize().expect("there");
    let folder = world.home().join(".config/loci");
    std::fs::create_dir_all(&folder).expect("created");
    let entry = format!(
        "[model.tiny]\nkind = \"gguf\"\ntitle = \"Tiny\"\npath = {:?}\nbytes = 2885856\ncontext = 1024\n\
         licence = \"MIT\"\ndialect = \"generic\"\narchitecture = \"qwen3\"\nlayers = 5\nkv_heads = 2\nhead_dim = 48\n",
        weights.display().to_string()
    );
    std::fs::write(folder.join("models.toml"), entry).expect("written");
}

#[test]
fn openais_own_client_is_served() {
    let Some(python) = installed("LOCI_OPENAI_PYTHON", "OpenAI's client against loci serve") else { return };
    let world = World::new();
    with_tiny(&world);
    let script = |name: &str, events: Value| always(&world, name, &events);
    let talk = script("talk", json!([{ "text": "Hello " }, { "text": "there, wor" }, { "text": "ld." }]));
    let calls = json!([{ "call": { "name": "look", "arguments": { "at": "a" } } }, { "call": { "name": "look", "arguments": { "at": "b" } } }]);
    let call = script("call", calls);
    let hang = script("hang", json!([{ "text": "a" }, "hang"]));
    let result = json!({ "repeat": true, "steps": [{ "expect": { "last_contains": ["nothing there"] }, "events": [{ "text": "ok" }] }] });
    let result = world.script_named("result.json", &result);
    let named = ["-m", &talk, "-m", &call, "-m", &hang, "-m", &result];
    let limits = ["--port", "0", "--parallel", "1", "--queue", "0", "--most-models", "9"];
    let service = Service::start(&world, &[&["serve"], &named[..], &limits[..]].concat());
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/serve/openai_client.py");
    let output = Command::new(python)
        .arg(program)
        .args([service.url(), token(&world)])
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.ends_with("all well\n"), "{out}\n{err}");
}

#[test]
fn another_agent_edits_and_commits_with_it() {
    let Some(aider) = installed("LOCI_AIDER", "aider against loci serve") else { return };
    let world = World::with_crate();
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"])
            .args(arguments)
            .current_dir(world.repo())
            .env("HOME", world.home())
            .output()
            .expect("git runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    std::fs::remove_dir(world.repo().join(".git")).expect("empty");
    git(&["init"]);
    git(&["config", "user.name", "t"]);
    git(&["config", "user.email", "t@example.org"]);
    git(&["add", "-A"]);
    git(&["commit", "-m", "begin"]);
    // In aider's own form of edits: what stands there, and what shall stand there.
    let edit = "The discount becomes a fifth.\n\nsrc/price.rs\n```rust\n<<<<<<< SEARCH\n        sum / 10\n=======\n        sum / 5\n>>>>>>> REPLACE\n```\n";
    let (first, last) = edit.split_at(40);
    let steps = json!({ "steps": [
        { "expect": { "contains": ["SEARCH/REPLACE", "make the discount a fifth", "sum / 10"] }, "events": [{ "text": first }, { "text": last }] },
        // It asks for the message of its commit.
        { "events": [{ "text": "feat: a fifth off" }] },
        { "events": [{ "text": "Nothing more." }] }
    ] });
    let script = world.script(&steps);
    let service = Service::start(&world, &["serve", "-m", &script, "--only", "--port", "0"]);
    let output = Command::new(aider)
        .args(["--model", "openai/script", "--edit-format", "diff", "--yes-always", "--no-check-update"])
        .args([
            "--no-show-model-warnings",
            "--no-analytics",
            "--no-gitignore",
            "--no-pretty",
            "--map-tokens",
            "0",
        ])
        .args(["--no-detect-urls", "--no-suggest-shell-commands", "--no-auto-lint"])
        .args(["--message", "make the discount a fifth", "src/price.rs"])
        .current_dir(world.repo())
        .env("HOME", world.home())
        .env("OPENAI_API_BASE", service.url())
        .env("OPENAI_API_KEY", token(&world))
        // Its prices come with it: nothing is fetched.
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .output()
        .expect("runs");
    let said =
        format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(world.read("src/price.rs").contains("sum / 5"), "{said}");
    let log = git(&["log", "--format=%s"]);
    assert_eq!(log.lines().count(), 2, "{log}\n{said}");
    assert_eq!(git(&["diff", "--stat", "HEAD~1", "HEAD", "--", "src"]).lines().count(), 2);
}
