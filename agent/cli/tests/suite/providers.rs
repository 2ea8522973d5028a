//! Owns the tests of services against real servers: the LiteLLM proxy in all four protocols, and llama.cpp's server.
//! Uses `LOCI_LITELLM` (the proxy's program) and `LOCI_LLAMA_SERVER` (a Python that has `llama_cpp.server`); `.ci/run` sets
//! both. Behind the proxy stands a model that follows a script in OpenAI's protocol, so that calls can be asked for.
//! Never leaves loopback, and never leaves a server behind.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::world::{Run, World, skipped};

/// So long a server may take to listen; LiteLLM imports for some ten seconds on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server of somebody else, ended when dropped.
struct Foreign {
    child: Child,
    address: String,
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Foreign {
    /// Start a program that will listen at this port, and wait until it does.
    fn start(mut command: Command, port: u16, folder: &Path) -> Self {
        let log = folder.join(format!("{port}.log"));
        let out = std::fs::File::create(&log).expect("created");
        let child = command
            .env("HOME", folder)
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .stderr(out.try_clone().expect("a file"))
            .stdout(out)
            .spawn()
            .expect("starts");
        let mut server = Self { child, address: format!("http://127.0.0.1:{port}") };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.child.try_wait().expect("known");
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", said());
            assert!(begun.elapsed() < PATIENCE, "it does not listen\n{}", said());
            std::thread::sleep(Duration::from_millis(100));
        }
        server
    }
}

/// Talk to a server of somebody else. One that dies of itself in mid-talk proves nothing about Loci: that is said, and the talk
/// begins anew. LiteLLM's Python was seen to end with SIGSEGV at about one wrong key in ten.
fn talk(start: impl Fn() -> Foreign, act: impl Fn(&Foreign)) {
    for again in [true, true, true, true, false] {
        let mut server = start();
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| act(&server))) else { return };
        match server.child.try_wait().expect("known") {
            Some(status) if again => {
                skipped("a talk to the end", &format!("the server died ({status}); once more"))
            }
            _ => resume_unwind(panic),
        }
    }
}

/// A model in OpenAI's protocol: it reads a file, and says what it saw. One request a connection.
struct Upstream {
    port: u16,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Upstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        // The thread ends with the process: it only waits for connections.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                std::thread::spawn(move || serve(stream, &noted));
            }
        });
        Self { port, seen }
    }

    /// The bodies of the requests since the last look.
    fn taken(&self) -> Vec<Value> {
        std::mem::take(&mut self.seen.lock().expect("no panic"))
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<Value>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body: Value = serde_json::from_slice(&body).ok()?;
    let result = body["messages"].as_array()?.iter().rev().find(|message| message["role"] == "tool");
    let tools = body["tools"].as_array().is_some_and(|tools| !tools.is_empty());
    let delta = |delta: Value, reason: Value| json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]});
    let call = |at: usize, arguments: &str| json!({"role": "assistant", "tool_calls": [{"index": at, "id": format!("call_{at}"), "type": "function", "function": {"name": "read", "arguments": arguments}}]});
    let more = |at: usize, arguments: &str| json!({"tool_calls": [{"index": at, "function": {"arguments": arguments}}]});
    let chunks = match result {
        None if tools => vec![
            delta(call(0, ""), Value::Null),
            delta(more(0, "{\"path\":"), Value::Null),
            delta(more(0, " \"README.md\"}"), Value::Null),
            delta(call(1, "{\"path\": \"src/price.rs\"}"), Value::Null),
            delta(json!({}), json!("tool_calls")),
        ],
        _ => vec![
            delta(json!({"role": "assistant", "content": "It is a basket "}), Value::Null),
            delta(json!({"content": "größer als eins."}), Value::Null),
            delta(json!({}), json!("stop")),
        ],
    };
    let usage = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted", "choices": [], "usage": {"prompt_tokens": 120, "completion_tokens": 7, "total_tokens": 127}});
    let mut text =
        String::from("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n");
    for chunk in chunks.iter().chain([&usage]) {
        text += &format!("data: {chunk}\n\n");
    }
    text += "data: [DONE]\n\n";
    seen.lock().expect("no panic").push(body);
    reader.get_mut().write_all(text.as_bytes()).ok()
}

/// The proxy in front of the scripted model and of models that only fail.
fn litellm(program: &OsStr, folder: &Path, upstream: u16) -> Foreign {
    let failing = |name: &str, error: &str| json!({"model_name": name, "litellm_params": {"model": format!("openai/{name}"), "api_key": "none", "mock_response": format!("litellm.{error}")}});
    // `lm_studio` has no responses of its own: the proxy makes them, as it makes the other two protocols.
    let config = json!({
        "model_list": [
            {"model_name": "scripted", "litellm_params": {"model": "lm_studio/scripted", "api_base": format!("http://127.0.0.1:{upstream}/v1"), "api_key": "none"}},
            {"model_name": "mock", "litellm_params": {"model": "openai/mock", "api_key": "none", "mock_response": "The mock answers."}},
            failing("full", "ContextWindowExceededError"),
            failing("broken", "InternalServerError"),
        ],
        "router_settings": {"disable_cooldowns": true},
        "litellm_settings": {"num_retries": 0},
        "general_settings": {"master_key": "sk-house"},
    });
    let path = folder.join("litellm.json");
    std::fs::write(&path, config.to_string()).expect("written");
    let port = free_port();
    let mut command = Command::new(program);
    // Without this it asks the network for prices.
    command.env("LITELLM_LOCAL_MODEL_COST_MAP", "True").arg("--config").arg(path);
    command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    Foreign::start(command, port, folder)
}

/// Ask a model of the service `house`.
fn ask(world: &World, model: &str, key: &str, more: &[&str]) -> Run {
    let mut arguments = vec!["-p", "What is in README.md?", "-m", model, "--output-format", "json"];
    arguments.extend(more);
    let output = world.command().env("HOUSE_KEY", key).args(&arguments).output().expect("runs");
    Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

fn configure(world: &World, protocol: &str, base_url: &str) {
    let path = world.home().join(".config/loci/config.toml");
    std::fs::create_dir_all(path.parent().expect("has a parent")).expect("created");
    let text = format!(
        "[providers.house]\nprotocol = \"{protocol}\"\nbase_url = \"{base_url}\"\napi_key_env = \"HOUSE_KEY\"\n\
         model = \"scripted\"\ncontext_length = 200000\nretries = 1\nimages = true\n"
    );
    std::fs::write(path, text).expect("written");
}

#[test]
fn litellm_is_spoken_to_in_every_protocol() {
    let Some(program) = std::env::var_os("LOCI_LITELLM") else {
        skipped("four protocols against the LiteLLM proxy", "LOCI_LITELLM names no program of it");
        return;
    };
    let servers = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::start();
    for (protocol, version) in
        [("chat", "v1"), ("responses", "v1"), ("anthropic", "v1"), ("gemini", "v1beta")]
    {
        talk(
            || litellm(&program, servers.path(), upstream.port),
            |proxy| {
                upstream.taken();
                in_protocol(protocol, version, proxy, &upstream);
            },
        );
    }
}

fn in_protocol(protocol: &str, version: &str, proxy: &Foreign, upstream: &Upstream) {
    let world = World::with_crate();
    let picture = world.home().join("shot.png");
    std::fs::write(&picture, b"\x89PNG\r\n\x1a\nsmall").expect("written");
    let picture = picture.to_string_lossy().into_owned();
    configure(&world, protocol, &format!("{}/{version}", proxy.address));
    // Two calls in one answer, their results back, words at the end.
    let said = ask(&world, "house", "sk-house", &["--image", &picture]).ended(0).json();
    assert_eq!(said["answer"], "It is a basket größer als eins.", "{protocol}: {said}");
    assert_eq!(said["tool_calls"], 2, "{protocol}: {said}");
    let seen = upstream.taken();
    assert_eq!(seen.len(), 2, "{protocol}: one request for the calls, one for the words");
    let results: Vec<&str> = seen[1]["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .filter(|message| message["role"] == "tool")
        .map(|message| {
            message["content"].as_str().or(message["content"][0]["text"].as_str()).unwrap_or_default()
        })
        .collect();
    assert_eq!(results.len(), 2, "{protocol}: {}", seen[1]["messages"]);
    assert!(results.iter().any(|text| text.contains("A basket of items")), "{protocol}: {results:?}");
    assert!(results.iter().any(|text| text.contains("THRESHOLD")), "{protocol}: {results:?}");
    let sent = seen[0].to_string();
    assert!(sent.contains("data:image/png;base64,iVBORw0KGgpzbWFsbA=="), "{protocol}: the picture arrives");
    assert!(!sent.contains("x-one-of") && !sent.contains("x-substring-of"), "{protocol}");
    // Figures, where the proxy hands them on: it says nothing of them in Gemini's streams.
    if protocol != "gemini" {
        assert!(said["usage"]["prompt_tokens"].as_u64().is_some_and(|count| count > 0), "{protocol}: {said}");
    }
    // The proxy's mock knows no streamed responses.
    if protocol != "responses" {
        let said = ask(&world, "house/mock", "sk-house", &[]).ended(0);
        assert_eq!(said.json()["answer"], "The mock answers.", "{protocol}");
    }
    for (model, key, expect) in [
        ("house/nobody", "sk-house", "Invalid model name"),
        ("house/scripted", "wrong", ""),
        ("house/full", "sk-house", "tokens"),
    ] {
        // The proxy hides what is wrong with a streamed response: that one is the row below.
        if (protocol, model) == ("responses", "house/full") {
            continue;
        }
        let failed = ask(&world, model, key, &[]);
        assert_eq!(failed.code, Some(1), "{protocol} {model}: {}{}", failed.out, failed.err);
        assert!(failed.out.contains(expect), "{protocol} {model}: {}", failed.out);
        assert!(
            !failed.out.contains("sk-house") && !failed.err.contains("sk-house"),
            "{protocol}: {}",
            failed.err
        );
        failed.explains_in_json(protocol);
    }
    // What cannot be reached is asked once more, and then a model of this machine goes on.
    let said = ask(&world, "house/broken", "sk-house", &[]).ended(0);
    // For responses the proxy has words of its own.
    assert!(said.err.contains("500 Internal Server Error"), "{protocol}: {}", said.err);
    assert!(said.err.contains("goes on in its place"), "{protocol}: {}", said.err);
}

#[test]
fn llama_cpp_is_spoken_to() {
    let Some(python) = std::env::var_os("LOCI_LLAMA_SERVER").map(PathBuf::from) else {
        skipped(
            "chat completions against llama.cpp's server",
            "LOCI_LLAMA_SERVER names no Python that has it",
        );
        return;
    };
    let world = World::with_crate();
    let servers = tempfile::tempdir().expect("a folder");
    // The built-in model under the name of a tokenizer that llama.cpp knows: what it says makes no sense, as that of
    // random weights would not.
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../inference/builtin/loci-builtin.gguf");
    let mut bytes = std::fs::read(built_in).expect("readable");
    let find =
        |bytes: &[u8], word: &[u8]| bytes.windows(word.len()).position(|at| at == word).expect("is there");
    let key = find(&bytes, b"tokenizer.ggml.pre");
    let value = key + find(&bytes[key..], b"loci");
    bytes[value..value + 4].copy_from_slice(b"olmo");
    let model = servers.path().join("tiny.gguf");
    std::fs::write(&model, bytes).expect("written");
    let port = free_port();
    let mut command = Command::new(python);
    command.args(["-m", "llama_cpp.server", "--host", "127.0.0.1", "--n_ctx", "32768", "--n_threads", "1"]);
    command.args(["--model_alias", "scripted", "--chat_format", "chatml", "--api_key", "sk-house"]);
    command.args(["--port", &port.to_string(), "--model"]).arg(&model);
    let server = Foreign::start(command, port, servers.path());
    configure(&world, "chat", &format!("{}/v1", server.address));
    let set = |line: &str| {
        let path = world.home().join(".config/loci/config.toml");
        let text = std::fs::read_to_string(&path).expect("readable");
        std::fs::write(path, format!("max_tokens = 12\n{line}\n{text}")).expect("written");
    };
    set("");
    // Random words, and the limit on them.
    let said = ask(&world, "house", "sk-house", &["--temperature", "0"]).ended(0);
    assert!(said.json()["answer"].as_str().is_some_and(|answer| !answer.is_empty()), "{}", said.out);
    let failed = ask(&world, "house", "wrong", &[]).ended(1);
    assert!(failed.out.contains("refused the credentials"), "{}", failed.out);
    failed.explains_in_json("a wrong key");
    // More than it holds: what it says of that is understood, and the request is cut to what fits.
    let long = "Words about baskets and discounts. ".repeat(12_000);
    let mut arguments = vec!["-p", "Say something.", "-m", "house", "--output-format", "json"];
    arguments.push("--verbose");
    let mut child = world.command();
    child.env("HOUSE_KEY", "sk-house").args(&arguments).stdin(Stdio::piped());
    child.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().expect("starts");
    let mut pipe = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || {
        // The program may end before it has read everything.
        let _ = pipe.write_all(long.as_bytes());
    });
    let output = child.wait_with_output().expect("ends");
    writer.join().expect("wrote");
    let out = String::from_utf8(output.stdout).expect("UTF-8") + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(out.contains("the window became smaller"), "{out}");
}

impl Run {
    /// Fails unless the answer is a failure that says what to do.
    #[track_caller]
    fn explains_in_json(&self, what: &str) {
        let failure = &self.json()["failure"];
        assert!(
            failure["message"].is_string() && failure["hint"].is_string(),
            "{what}: {failure}\n{}",
            self.err
        );
    }
}

#[test]
fn what_is_wrong_with_a_service_is_said_before_anything_is_sent() {
    let world = World::new();
    let path = world.home().join(".config/loci/config.toml");
    std::fs::create_dir_all(path.parent().expect("has a parent")).expect("created");
    let check = |config: &str, model: &str, error: &str, hint: &str| {
        std::fs::write(&path, config).expect("written");
        let run = world.loci(&["-p", "hello", "-m", model]);
        assert_ne!(run.code, Some(0), "{}", run.out);
        let run = run.explains(error);
        assert!(run.err.contains(hint), "{}", run.err);
    };
    let house = "[providers.house]\nbase_url = \"https://127.0.0.1:9/v1\"\nmodel = \"m\"\n";
    check(
        &format!("{house}protocol = \"soap\"\n"),
        "house",
        "must be one of chat, responses, anthropic, gemini",
        "",
    );
    check(&format!("{house}api_key_env = \"NO_SUCH_KEY\"\n"), "house", "NO_SUCH_KEY is not set", "");
    check(&format!("{house}ca_file = \"/no/such/file.pem\"\n"), "house", "/no/such/file.pem", "PEM");
    check(&format!("{house}headers = [\"nonsense\"]\n"), "house", "`nonsense` is no header", "");
    check("", "anthropic", "ANTHROPIC_API_KEY is not set", "");
    check("", "azure", "AZURE_OPENAI_API_KEY is not set", "");
    check(
        "[providers.azure]\napi_key_env = \"HOME\"\n",
        "azure",
        "lacks your resource",
        "providers.azure.base_url",
    );
    check(
        "[providers.anthropic]\napi_key_env = \"HOME\"\nbase_url = \"http://example.com/v1\"\n",
        "anthropic",
        "unencrypted",
        "",
    );
    let run = world.loci(&["-p", "hello", "-m", "builtin", "--image", "Cargo.toml"]);
    assert_eq!(run.code, Some(2), "{}", run.err);
    run.explains("Cargo.toml");
}
