//! Owns the proof that labelled content reaches no model elsewhere: generated sessions over random files with random secrets.
//! Uses real sessions with the real tools, and models that act by dice and repeat what they read.
//! Never trusts a label: what is looked at is the request as the model elsewhere receives it.

use std::collections::HashSet;

use futures::stream;
use loci_inference::provider::{
    Capabilities, EventStream, FinishReason, Message, Provider, ProviderInfo, Request, StreamEvent,
    TokenUsage, ToolCall,
};

use super::*;
use crate::labels::NeverLeaves;
use crate::route::{Candidate, Models, NotOpened, Role};

/// The same numbers everywhere (xorshift64*).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.roll(list.len())]
    }

    fn token(&mut self, length: usize) -> String {
        const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        (0..length).map(|_| char::from(LETTERS[self.roll(LETTERS.len())])).collect()
    }
}

const LABELLED: [&str; 4] = ["secrets/a.env", "secrets/deep/b.txt", "keys/c.pem", "d.secret"];
const FREE: [&str; 4] = ["src/lib.rs", "notes/free.txt", "README.md", "notes/copy.txt"];

/// What the models share.
struct Stagehand {
    dice: Mutex<Dice>,
    /// Requests as the model elsewhere received them.
    received: Mutex<Vec<String>>,
}

/// A model that calls what the dice say, and repeats what it reads.
struct Player {
    info: ProviderInfo,
    shared: Arc<Stagehand>,
}

fn last_text(request: &Request) -> String {
    match request.messages.last() {
        Some(Message::Tool { text, .. } | Message::User { text, .. }) => text.clone(),
        _ => String::new(),
    }
}

impl Player {
    fn step(&self, request: &Request) -> Vec<StreamEvent> {
        let mut dice = self.shared.dice.lock().unwrap();
        let read = last_text(request);
        let lines: Vec<&str> = read.lines().filter(|line| !line.trim().is_empty()).collect();
        let quoted =
            if lines.is_empty() { "nothing".into() } else { lines[dice.roll(lines.len())].to_owned() };
        let any = |dice: &mut Dice| if dice.roll(2) == 0 { dice.of(&LABELLED) } else { dice.of(&FREE) };
        if dice.roll(5) < 2 {
            return vec![StreamEvent::Text(format!("I read: {quoted}"))];
        }
        let path = any(&mut dice).to_owned();
        let number = dice.roll(1 << 30);
        let (name, arguments) = match dice.roll(16) {
            0..=3 => ("read", json!({ "path": path })),
            4 => ("grep", json!({ "pattern": dice.of(&["KEY", "pin", "fn", "[a-z]{5}"]) })),
            5 => ("search", json!({ "query": dice.of(&["key of the service", "pin", "basket"]) })),
            6 => ("grep", json!({ "pattern": "." , "path": path })),
            7 => ("bash", json!({ "command": format!("cat {path}") })),
            8 => ("bash", json!({ "command": format!("sed -n 1,3p {path}; head -c 60 {path}") })),
            9 => (
                "bash",
                json!({ "command": dice.of(&[
                "grep -rn KEY .",
                "cat secrets/*.env | tail -n 2",
                "cp secrets/a.env notes/copy.txt",
                "tr a-z A-Z < keys/c.pem",
                "base64 -w 0 d.secret",
                "for f in $(ls); do test -f $f && cat $f; done",
            ]) }),
            ),
            10 => (
                "write",
                json!({ "path": dice.of(&["notes/free.txt", "src/new.rs"]), "content": format!("{quoted}\n") }),
            ),
            11 => ("edit", json!({ "path": path, "old": quoted, "new": format!("{quoted} {number}") })),
            12 => ("recall", json!({ "query": dice.of(&["KEY", "pin", "what was read", "service"]) })),
            13 => ("glob", json!({ "pattern": "**/*" })),
            14 => ("undo", json!({})),
            _ => ("todo", json!({ "action": "add", "text": quoted })),
        };
        let arguments = arguments.as_object().cloned().unwrap();
        vec![
            StreamEvent::Reasoning(format!("it says {quoted}")),
            StreamEvent::ToolCall(ToolCall { id: format!("c{number}"), name: name.into(), arguments }),
        ]
    }
}

impl Provider for Player {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    fn stream(&self, request: Request, _cancel: CancellationToken) -> EventStream {
        if !self.info.local {
            let tools: Vec<String> = request.tools.iter().map(|tool| format!("{tool:?}")).collect();
            let text = format!(
                "{}\n{}\n{}",
                serde_json::to_string(&request.messages).unwrap(),
                tools.join("\n"),
                request.references.join("\n")
            );
            self.shared.received.lock().unwrap().push(text);
        }
        let mut events = self.step(&request);
        let called = events.iter().any(|event| matches!(event, StreamEvent::ToolCall(_)));
        let reason = if called { FinishReason::ToolCalls } else { FinishReason::Stop };
        events.push(StreamEvent::Finished { reason, usage: TokenUsage::default() });
        Box::pin(stream::iter(events.into_iter().map(Ok)))
    }

    fn count_tokens(&self, _request: &Request) -> Option<usize> {
        None
    }
}

/// The two of them.
struct Both(Arc<Stagehand>);

impl Both {
    fn player(&self, name: &str) -> Arc<dyn Provider> {
        let info = ProviderInfo {
            model: name.into(),
            provider: "play".into(),
            endpoint: None,
            local: name == "near",
            context_length: 6_000,
            capabilities: Capabilities { composes: true, grounded: false, images: false },
            price: None,
        };
        Arc::new(Player { info, shared: self.0.clone() })
    }
}

impl Models for Both {
    fn candidates(&self) -> Vec<Candidate> {
        let one = |name: &str, role: Role| Candidate {
            name: name.into(),
            roles: vec![(role, 0)],
            local: name == "near",
            general: true,
            context: 6_000,
            ..Candidate::default()
        };
        vec![one("near", Role::Main), one("far", Role::Fast)]
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Provider>, NotOpened> {
        Ok(self.player(name))
    }
}

/// What one generated session came to.
struct Played {
    received: Vec<String>,
    secrets: Vec<String>,
}

/// Random files, a random session over them, with labels or without.
async fn play(seed: u64, labels: bool) -> Played {
    let mut dice = Dice::new(seed);
    let mut stage = Stage::new();
    let root = stage.root();
    let mut secrets = Vec::new();
    for path in LABELLED {
        let mut text = String::new();
        for number in 0..2 + dice.roll(4) {
            let length = 16 + dice.roll(10);
            let key = dice.token(length);
            let pin = (10_000_000 + dice.roll(89_999_999)).to_string();
            text.push_str(&format!("KEY_{number}={key}\npin: {pin}\n"));
            secrets.extend([key, pin]);
        }
        std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        std::fs::write(root.join(path), text).unwrap();
    }
    for path in FREE {
        std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        std::fs::write(root.join(path), format!("fn basket_{}() {{}}\n", dice.roll(9))).unwrap();
    }
    stage.settings.never_leaves = if labels { &["secrets/**", "keys", "*.secret"][..] } else { &[] }
        .iter()
        .map(|pattern| NeverLeaves { pattern: (*pattern).into(), origin: "test".into() })
        .collect();
    stage.settings.max_turns = 6;
    // Redaction would hide what the labels let through.
    stage.settings.redact = false;
    stage.settings.embeddings = crate::config::Embeddings::Off;
    let shared = Arc::new(Stagehand { dice: Mutex::new(Dice::new(seed ^ 77)), received: Mutex::default() });
    let both = Arc::new(Both(shared.clone()));
    let options = |resume: Option<Resume>, name: &str| SessionOptions {
        provider: both.player(name),
        tools: crate::tools::all(),
        models: Some(both.clone()),
        resume,
        ..stage.options(Arc::new(Scripted::new(Script::default())))
    };
    let begin = if dice.roll(3) == 0 { "far" } else { "near" };
    let mut handle = Session::open(options(None, begin)).await.unwrap();
    let mut turns = 0;
    for _ in 0..5 + dice.roll(6) {
        let op = match dice.roll(10) {
            0 | 1 => Op::SetModel { name: "far".into() },
            2 => Op::SetModel { name: "near".into() },
            3 => Op::Compact { focus: String::new() },
            4 if turns > 0 => Op::Rewind {
                turn: 1 + dice.roll(turns) as u32,
                files: dice.roll(2) == 0,
                conversation: dice.roll(2) == 0,
            },
            5 => {
                let id = handle.session_id.clone();
                handle.close().await;
                let name = dice.of(&["near", "far"]);
                handle = Session::open(options(Some(Resume::Id(id)), name)).await.unwrap();
                continue;
            }
            6 => Op::Prompt { text: "@fast what was it?".into() },
            7 => Op::Prompt { text: format!("it is {}, is it not?", secrets[dice.roll(secrets.len())]) },
            _ => Op::Prompt { text: format!("look at {}", dice.of(&LABELLED)) },
        };
        let prompted = matches!(op, Op::Prompt { .. });
        turns += usize::from(prompted);
        handle.ops.send(op).await.unwrap();
        if !prompted {
            continue;
        }
        loop {
            let event = tokio::time::timeout(Duration::from_secs(60), handle.events.recv()).await.unwrap();
            if matches!(event.unwrap(), Event::TurnFinished(_)) {
                break;
            }
        }
    }
    handle.close().await;
    let received = std::mem::take(&mut *shared.received.lock().unwrap());
    // The same in the shape that `tr` gives them.
    let shouted: Vec<String> = secrets.iter().map(|secret| secret.to_uppercase()).collect();
    secrets.extend(shouted);
    Played { received, secrets }
}

/// Bytes of a secret that are taken for the secret.
const PIECE: usize = 8;

/// The first piece of a secret in a text.
fn leaked(played: &Played) -> Option<(String, String)> {
    let pieces: HashSet<&[u8]> =
        played.secrets.iter().flat_map(|secret| secret.as_bytes().windows(PIECE)).collect();
    played.received.iter().find_map(|text| {
        let at = text.as_bytes().windows(PIECE).position(|window| pieces.contains(window))?;
        let around = text.floor_char_boundary(at.saturating_sub(200))
            ..text.ceil_char_boundary((at + 60).min(text.len()));
        Some((text[at..at + PIECE].to_owned(), text[around].to_owned()))
    })
}

/// Sessions with these seeds; how many requests were looked at.
async fn hold(seeds: std::ops::Range<u64>) -> (usize, usize) {
    let (mut requests, mut stubs) = (0, 0);
    for seed in seeds {
        let played = play(seed, true).await;
        if let Some((piece, around)) = leaked(&played) {
            panic!("seed {seed}: {piece} left this machine in …{around}…");
        }
        requests += played.received.len();
        stubs += played.received.iter().filter(|text| text.contains("[kept on this machine")).count();
    }
    (requests, stubs)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_sessions_keep_labelled_content_here() {
    let (requests, stubs) = hold(0..SAMPLE).await;
    assert!(
        requests > 2 * SAMPLE as usize && stubs > SAMPLE as usize / 2,
        "{requests} requests, {stubs} with stubs"
    );
    // The control: without labels the same sessions tell.
    let mut told = 0;
    for seed in 0..SAMPLE / 3 {
        told += usize::from(leaked(&play(seed, false).await).is_some());
    }
    assert!(told >= SAMPLE as usize / 6, "{told}");
}

/// Sessions in an ordinary run of the tests; a session takes some 0.2 s.
const SAMPLE: u64 = 24;

/// `cargo test -p loci-core --lib -- --ignored a_thousand_generated_sessions --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes some minutes"]
#[expect(clippy::print_stderr, reason = "its figures are what it is run for")]
async fn a_thousand_generated_sessions_keep_labelled_content_here() {
    let (requests, stubs) = hold(0..1_000).await;
    let mut told = 0;
    for seed in 0..100 {
        told += usize::from(leaked(&play(seed, false).await).is_some());
    }
    let figures =
        format!("{requests} requests, {stubs} with stubs; without labels {told} of 100 sessions tell");
    eprintln!("1,000 sessions keep it: {figures}");
    assert!(told > 50 && requests > 2_000, "{figures}");
}
