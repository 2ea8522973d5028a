//! Owns the evaluation of the built-in model: natural requests, the real grounding, grammar and weights, one step each.
//! Uses the embedded model, or a GGUF file named after `--model`.
//! Never part of the program; it prints, for it is a measurement.
//!
//! `cargo run --release -p loci-benches --bin builtin_eval -- inference/builtin/eval/natural.jsonl [--split test] [--show]`
//!
//! The project is a described one: every name and path of every request exists in it, so that what else a request
//! mentions is a real candidate. A search counts when its telling words agree (F1 of their stems at least 0.66).

#![expect(clippy::print_stdout, reason = "a measurement reports to the terminal")]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use loci_core::ground::{self, World};
use loci_core::tools;
use loci_inference::builtin;
use loci_inference::engine::ModelSource;
use loci_inference::local::{LocalOptions, LocalProvider};
use loci_inference::provider::{Compose, Message, Provider as _, Request, Sampling, StreamEvent, ToolSpec};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

type Call = (String, Map<String, Value>);

/// One line of the file.
struct Natural {
    family: String,
    style: String,
    split: String,
    user: String,
    wanted: Vec<Call>,
}

impl Natural {
    fn read(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let mut wanted = vec![(text("tool")?, value.get("args")?.as_object()?.clone())];
        for other in value.get("alt")?.as_array()? {
            wanted.push((other.get(0)?.as_str()?.to_owned(), other.get(1)?.as_object()?.clone()));
        }
        Some(Self {
            family: text("family")?,
            style: text("style")?,
            split: text("split")?,
            user: text("user")?,
            wanted,
        })
    }
}

/// What exists: every name and path that any request mentions.
#[derive(Default)]
struct Described {
    symbols: BTreeSet<String>,
    paths: BTreeSet<String>,
}

impl Described {
    fn of(requests: &[Natural]) -> Self {
        let mut this = Self::default();
        for request in requests {
            for (tool, arguments) in &request.wanted {
                for (key, value) in arguments {
                    let Some(text) = value.as_str() else { continue };
                    match key.as_str() {
                        "symbol" => _ = this.symbols.insert(text.to_owned()),
                        "path" if tool == "write" => {}
                        "path" if text.ends_with('/') || !path_shaped(text) => {
                            this.paths.insert(format!("{}/part.rs", text.trim_end_matches('/')));
                        }
                        "path" => _ = this.paths.insert(text.to_owned()),
                        "pattern" if tool == "glob" => {
                            if let Some((folder, _)) = text.split_once("/**") {
                                this.paths.insert(format!("{folder}/part.txt"));
                            }
                        }
                        _ => {}
                    }
                }
            }
            let creates = request.wanted.iter().any(|(tool, _)| tool == "write");
            for word in request.user.split(|c: char| c.is_whitespace() || "\"'`,;()?!".contains(c)) {
                let word = word.trim_end_matches(['.', ':', '-']);
                let word = word.split(':').next().unwrap_or(word);
                if path_shaped(word) && !word.contains('*') && !creates {
                    this.paths.insert(word.to_owned());
                } else if code_shaped(word) {
                    this.symbols.insert(word.to_owned());
                }
            }
        }
        for ending in ["py", "rs", "md", "sql", "proto", "ts", "yaml", "toml", "json"] {
            this.paths.insert(format!("misc/part.{ending}"));
        }
        this
    }
}

fn path_shaped(word: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "_-./@".contains(c);
    let ending = word.rsplit_once('.').is_some_and(|(_, ending)| {
        (1..=5).contains(&ending.len())
            && ending.chars().all(|c| c.is_ascii_alphanumeric())
            && !ending.chars().all(|c| c.is_ascii_digit())
    });
    let named = ["Makefile", "Dockerfile", "LICENSE", "VERSION"].contains(&word);
    word.chars().all(plain) && (ending || named)
}

fn code_shaped(word: &str) -> bool {
    let letters: Vec<char> = word.chars().collect();
    word.chars().all(|c| c.is_alphanumeric() || c == '_')
        && (word.trim_matches('_').contains('_')
            || letters.windows(2).any(|two| two[0].is_lowercase() && two[1].is_uppercase()))
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl World for Described {
    fn defines(&self, symbol: &str) -> bool {
        self.symbols.contains(symbol)
    }

    fn symbols_like(&self, words: &str) -> Vec<String> {
        let wanted = squeezed(words);
        self.symbols.iter().filter(|symbol| squeezed(symbol) == wanted).cloned().collect()
    }

    fn paths(&self) -> Vec<String> {
        self.paths.iter().cloned().collect()
    }

    fn tasks(&self) -> Vec<String> {
        ["test", "build", "lint", "format", "run"].map(str::to_owned).to_vec()
    }
}

/// Words that tell nothing about what is searched for.
const IDLE: &str = " a an the of for to in on with from this that its it is are be do does did we our i you my how where what which code get gets use used place part function some any when if ";

fn stems(text: &str) -> BTreeSet<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty() && !IDLE.contains(&format!(" {word} ")))
        .map(|word| {
            let short = ["ing", "ed", "es", "s"]
                .iter()
                .find_map(|end| word.strip_suffix(end).filter(|rest| rest.len() > 2));
            short.unwrap_or(word).to_owned()
        })
        .collect()
}

fn alike(a: &str, b: &str) -> bool {
    let (a, b) = (stems(a), stems(b));
    let common = a.intersection(&b).count();
    common * 2 * 100 >= 66 * (a.len() + b.len()) && common > 0
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether a call is the wanted one. `all` of an edit is left open: both readings are sound.
fn right(call: &Call, wanted: &Call) -> bool {
    if call.0 != wanted.0 {
        return false;
    }
    let get = |arguments: &Map<String, Value>, key: &str| arguments.get(key).map(plain).unwrap_or_default();
    if call.0 == "search" {
        return alike(&get(&call.1, "query"), &get(&wanted.1, "query"));
    }
    let loose = |arguments: &Map<String, Value>| -> BTreeMap<String, String> {
        arguments
            .iter()
            .filter(|(key, _)| *key != "all")
            .map(|(key, value)| {
                (
                    key.clone(),
                    if key == "path" { plain(value).trim_end_matches('/').to_owned() } else { plain(value) },
                )
            })
            .collect()
    };
    loose(&call.1) == loose(&wanted.1)
}

fn changes(call: &Call) -> bool {
    let action = call.1.get("action").and_then(Value::as_str);
    matches!(call.0.as_str(), "write" | "edit" | "insert" | "delete" | "rename" | "undo" | "run" | "bash")
        || call.0 == "git" && action == Some("commit")
}

#[derive(Default)]
struct Score {
    count: usize,
    tool: usize,
    whole: usize,
}

async fn first_step(
    provider: &LocalProvider,
    specs: &[ToolSpec],
    world: &Described,
    user: &str,
) -> Result<Call, Box<dyn Error>> {
    let request = Request {
        messages: vec![Message::user(user.to_owned())],
        tools: ground::narrow_in(specs.to_vec(), user, &[], world),
        sampling: Sampling { temperature: 0.0, repeat_penalty: 1.0, ..Sampling::default() },
        ..Request::default()
    };
    let mut stream = provider.stream(request, CancellationToken::new());
    let mut found = None;
    while let Some(event) = stream.next().await {
        match event? {
            StreamEvent::ToolCall(call) => found = Some((call.name, call.arguments)),
            StreamEvent::Compose(compose) => {
                let name = match compose {
                    Compose::Answer => "answer",
                    Compose::Decline => "decline",
                    Compose::Smalltalk => "smalltalk",
                };
                found = Some((name.to_owned(), Map::new()));
            }
            _ => {}
        }
    }
    found.ok_or_else(|| "the stream ended without a call".into())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option =
        |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).cloned();
    let show = arguments.iter().any(|a| a == "--show");
    let split = option("--split").unwrap_or_else(|| "test".to_owned());
    let file = arguments.first().filter(|a| !a.starts_with("--")).ok_or("name a file of requests")?;
    let source = option("--model").map_or_else(builtin::source, |path| ModelSource::Path(path.into()));
    let requests: Vec<Natural> = std::fs::read_to_string(file)?.lines().filter_map(Natural::read).collect();
    let world = Described::of(&requests);
    let specs: Vec<ToolSpec> = tools::all().iter().map(|tool| tools::spec(tool.as_ref())).collect();
    let provider = LocalProvider::open(source, LocalOptions::default())?;

    let (mut styles, mut families): (BTreeMap<&str, Score>, BTreeMap<&str, Score>) = Default::default();
    let (mut unasked, mut overreached, mut withheld) = (0, 0, 0);
    let mut times: Vec<Duration> = Vec::new();
    for request in requests.iter().filter(|request| split == "all" || request.split == split) {
        let begin = Instant::now();
        let call = match first_step(&provider, &specs, &world, &request.user).await {
            Ok(call) => call,
            Err(error) => (format!("error: {error}"), Map::new()),
        };
        times.push(begin.elapsed());
        let offered: BTreeSet<String> = ground::narrow_in(specs.clone(), &request.user, &[], &world)
            .into_iter()
            .map(|tool| tool.name)
            .collect();
        let callable = |name: &str| matches!(name, "decline" | "smalltalk") || offered.contains(name);
        withheld += usize::from(!request.wanted.iter().any(|wanted| callable(&wanted.0)));
        let tool = request.wanted.iter().any(|wanted| wanted.0 == call.0);
        let whole = request.wanted.iter().any(|wanted| right(&call, wanted));
        let only_asks = !request.wanted.iter().any(changes);
        // What asks for a change that is too large may be answered with a small one: wrong, but not unasked.
        let too_large = request.wanted[0].0 == "decline" && request.family != "asks";
        unasked += usize::from(only_asks && !too_large && changes(&call));
        overreached += usize::from(too_large && changes(&call));
        for score in [styles.entry(&request.style).or_default(), families.entry(&request.family).or_default()]
        {
            score.count += 1;
            score.tool += usize::from(tool);
            score.whole += usize::from(whole);
        }
        if show && !whole {
            println!(
                "  {} {} | {} -> {} {}",
                request.style,
                request.family,
                request.user,
                call.0,
                Value::from(call.1)
            );
        }
    }
    for (style, score) in &styles {
        let percent = |n: usize| 100.0 * n as f64 / score.count.max(1) as f64;
        println!(
            "{split} {style}: {} requests, tool {:.1} %, tool and arguments {:.1} %",
            score.count,
            percent(score.tool),
            percent(score.whole)
        );
    }
    println!("changed or ran something on a request that only asks: {unasked}");
    println!("changed or ran something where it should have declined: {overreached}");
    println!("the right tool was withheld by the grounding: {withheld}");
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    println!("time of a step: median {:?}, 95th percentile {:?}", at(50), at(95));
    let families: Vec<String> =
        families.iter().map(|(family, s)| format!("{family} {}/{}/{}", s.whole, s.tool, s.count)).collect();
    println!("right/tool/all: {}", families.join("; "));
    Ok(())
}
