//! Owns the loop that kills sessions at random instants and looks at what is left: log, journal, index, tree.
//! Uses the built binary with a scripted model, and the core to read what it left.
//! Never asserts a time, and never takes a partial line for something that was shown.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use loci_core::config::{Environment, Places, Settings};
use loci_core::session::journal::{self, Limits, UndoError, Which};
use loci_core::session::log::{self, Record};
use loci_core::session::{index_options, resume};
use loci_protocol::Event;
use serde_json::{Value, json};

use super::world::{LIB, PRICE, World};

/// After so many instants in one repository another one is taken: lists of sessions grow with each.
const INSTANTS_PER_WORLD: usize = 20;
/// Of what a whole run takes, an instant lies within so much: the end and what comes after it are met too.
const SPAN: f64 = 1.1;

/// A small generator: the same instants on every machine for a seed, as far as a scheduler lets them be the same.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below.max(1)
    }
}

/// What was seen over all instants.
#[derive(Debug, Default)]
struct Seen {
    instants: AtomicUsize,
    /// The process had ended before it could be killed.
    ended: AtomicUsize,
    /// Nothing had been shown yet.
    early: AtomicUsize,
    /// Events that had been shown, each of which was found in the log.
    shown: AtomicUsize,
    /// Logs whose last line was torn.
    torn: AtomicUsize,
    /// Calls whose outcome was not known.
    unknown: AtomicUsize,
    /// Changes that were taken back.
    undone: AtomicUsize,
    /// Changes that a call had begun, and that undo refused since it cannot know what the call left.
    refused: AtomicUsize,
    /// What was not as promised.
    failures: Mutex<Vec<String>>,
}

fn count(what: &AtomicUsize, number: usize) {
    what.fetch_add(number, Ordering::Relaxed);
}

fn call(name: &str, arguments: Value) -> Value {
    json!({ "call": { "name": name, "arguments": arguments } })
}

fn bash(command: &str) -> Value {
    call("bash", json!({ "command": command }))
}

fn step(events: Value) -> Value {
    json!({ "events": events })
}

/// A session with every kind of change: edits, new files, deletions, commands, several calls in one step.
fn script() -> Value {
    json!([
        step(json!([call("where", json!({ "symbol": "Price" }))])),
        step(json!([call("edit", json!({ "path": "src/price.rs", "old": "sum / 10", "new": "sum / 20" }))])),
        step(json!([call("write", json!({ "path": "src/new.rs", "content": NEW }))])),
        step(json!([bash("mkdir -p shell && echo one > shell/a && cp shell/a shell/b && rm shell/a")])),
        step(json!([
            call(
                "edit",
                json!({ "path": "src/lib.rs", "old": "/// Puts an item in.", "new": "/// Adds an item." })
            ),
            call("write", json!({ "path": "two.txt", "content": TWO })),
        ])),
        step(json!([bash("echo two >> shell/b; echo three > three.txt; sleep 0.01")])),
        step(json!([call("delete", json!({ "path": "src/new.rs" }))])),
        step(json!([call("todo", json!({ "action": "list" }))])),
        step(json!([{ "text": "Done." }])),
    ])
}

const NEW: &str = "pub fn newest() -> u32 {\n    7\n}\n";
const TWO: &str = "two\n";

/// What a file may hold at any instant; `None` where it may be missing. Files that commands write may hold anything.
fn states() -> HashMap<&'static str, Vec<Option<String>>> {
    HashMap::from([
        ("src/price.rs", vec![Some(PRICE.into()), Some(PRICE.replace("sum / 10", "sum / 20"))]),
        (
            "src/lib.rs",
            vec![Some(LIB.into()), Some(LIB.replace("/// Puts an item in.", "/// Adds an item."))],
        ),
        ("src/new.rs", vec![None, Some(NEW.into())]),
        ("two.txt", vec![None, Some(TWO.into())]),
        ("after.txt", vec![None, Some("after\n".into())]),
    ])
}

/// Everything in the repository but git's own folder: path to content.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut tree = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() && !path.is_symlink() {
                if path.file_name().is_some_and(|name| name != ".git") {
                    folders.push(path);
                }
            } else {
                tree.insert(
                    path.strip_prefix(root).expect("below").into(),
                    std::fs::read(&path).unwrap_or_default(),
                );
            }
        }
    }
    tree
}

/// A repository in which sessions are killed.
struct Ground {
    world: World,
    places: Places,
    before: BTreeMap<PathBuf, Vec<u8>>,
    model: String,
    after: String,
}

impl Ground {
    fn new() -> Self {
        let world = World::with_crate();
        let home = world.home().canonicalize().expect("resolves");
        let places = Places::from_environment(&Environment::of([("HOME", home.display().to_string())]));
        let after = json!([
            step(json!([call("write", json!({ "path": "after.txt", "content": "after\n" }))])),
            step(json!([{ "text": "Here I am again." }])),
        ]);
        let after = world.script_named("after.json", &after);
        let model = world.script(&script());
        let before = tree(&world.repo());
        Self { world, places, before, model, after }
    }

    fn start(&self, goes_on: bool) -> Child {
        let mut command = self.world.command();
        command.args(["-p", "change everything", "-m", &self.model, "--output-format", "stream-json"]);
        command.args(["--permission-mode", "bypassPermissions"]);
        if goes_on {
            command.arg("--continue");
        }
        command.spawn().expect("starts")
    }

    /// How long a run takes when nobody kills it.
    fn duration(&self) -> Duration {
        let mut durations = Vec::new();
        for _ in 0..3 {
            let begun = Instant::now();
            let output = self.start(false).wait_with_output().expect("ends");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            durations.push(begun.elapsed());
            let shown = lines(&output.stdout);
            // Otherwise there would be little to lose.
            let failed =
                shown.iter().find(|event| matches!(event, Event::ToolFinished(report) if !report.ok));
            assert!(failed.is_none(), "{failed:?}");
            self.take_all_back(&session_of(&shown).expect("an id"), &[], &Seen::default());
        }
        durations.sort();
        durations[1]
    }

    /// Kill one session after `wait`, look at everything it left, go on with it, and take all back.
    fn kill(&self, wait: Duration, goes_on: bool, seen: &Seen) {
        let mut child = self.start(goes_on);
        let mut out = child.stdout.take().expect("piped");
        let reader = std::thread::spawn(move || {
            let mut shown = Vec::new();
            let _ = out.read_to_end(&mut shown);
            shown
        });
        std::thread::sleep(wait);
        child.kill().expect("killed");
        let ended = child.wait().expect("ends").code().is_some();
        let events = lines(&reader.join().expect("read"));
        count(&seen.instants, 1);
        count(&seen.ended, usize::from(ended));
        let Some(id) = session_of(&events) else {
            // It was killed before it said anything; what it left must still hide nobody else.
            count(&seen.early, 1);
            resume::list(&self.places.sessions(&self.world.repo())).expect("listed");
            return;
        };
        let path = self.places.sessions(&self.world.repo()).join(format!("{id}.jsonl"));
        let loaded = log::read(&path).expect("the log can be read");
        count(&seen.torn, usize::from(loaded.damage.is_some()));
        self.assert_logged(&events, &loaded.records, seen);
        let unknown: Vec<Value> =
            resume::cut_off(&loaded.records).into_iter().map(|(_, input)| input.clone()).collect();
        count(&seen.unknown, unknown.len());
        self.assert_files(&unknown);
        self.assert_listed(&id);
        self.assert_index();
        self.goes_on(&id, &loaded.records, !unknown.is_empty());
        self.take_all_back(&id, &unknown, seen);
    }

    /// What was shown is in the log.
    fn assert_logged(&self, events: &[Event], records: &[Record], seen: &Seen) {
        for event in events {
            let found = match event {
                Event::SessionStarted { session_id, .. } => records.iter().any(
                    |record| matches!(record, Record::Header { session_id: one, .. } if one == session_id),
                ),
                Event::TurnStarted { turn, prompt } => records.iter().any(|record| {
                    matches!(record, Record::Prompt { turn: one, text } if one == turn && text.ends_with(prompt.as_str()))
                }),
                Event::ToolFinished(report) => records.iter().any(|record| match record {
                    Record::Outcome(outcome) => {
                        outcome.call_id == report.call_id
                            && (outcome.ok, &outcome.text, &outcome.changed)
                                == (report.ok, &report.output, &report.changed)
                    }
                    _ => false,
                }),
                Event::TurnFinished(report) => records
                    .iter()
                    .any(|record| matches!(record, Record::TurnEnded(one) if one.as_ref() == report)),
                _ => continue,
            };
            assert!(found, "lost: {event:?}");
            count(&seen.shown, 1);
        }
    }

    /// Files are whole, whatever instant it was.
    fn assert_files(&self, unknown: &[Value]) {
        for (path, states) in states() {
            let now = std::fs::read_to_string(self.world.repo().join(path)).ok();
            assert!(states.contains(&now), "{path} is torn: {now:?}, unknown: {unknown:?}");
        }
    }

    fn assert_listed(&self, id: &str) {
        let listed = resume::list(&self.places.sessions(&self.world.repo())).expect("listed");
        let found = listed.iter().find(|listed| listed.id == id).expect("in the list");
        assert!(found.summary.is_ok(), "{:?}", found.summary);
    }

    fn assert_index(&self) {
        let options = index_options(&self.world.repo(), &self.places, &Settings::default());
        let index = loci_index::Index::open(&self.world.repo(), options).expect("opens");
        index.refresh(&mut |_| ()).expect("refreshes");
        assert_eq!(index.definitions("discount_for").expect("asked").len(), 1);
        let new = self.world.repo().join("src/new.rs").exists();
        assert_eq!(index.definitions("newest").expect("asked").len(), usize::from(new));
    }

    /// The session goes on, and nothing of what was there is lost or run again.
    fn goes_on(&self, id: &str, before: &[Record], unknown: bool) {
        let arguments = ["-p", "what now?", "-m", &self.after, "--resume", id, "--output-format", "json"];
        let mode = ["--permission-mode", "acceptEdits"];
        let run = self.world.loci(&[&arguments[..], &mode].concat()).ended(0);
        assert_eq!(run.json()["session_id"], id);
        assert_eq!(run.err.contains("result unknown, not run again"), unknown, "{}", run.err);
        let path = self.places.sessions(&self.world.repo()).join(format!("{id}.jsonl"));
        let loaded = log::read(&path).expect("the log can be read");
        assert!(loaded.damage.is_none(), "{:?}", loaded.damage);
        assert_eq!(loaded.records[..before.len()], *before);
        assert!(matches!(loaded.records.last(), Some(Record::TurnEnded(_))));
        assert_eq!(run.json()["changed"], json!(["after.txt"]), "{}", run.out);
    }

    /// Everything goes back to how it was before the session.
    fn take_all_back(&self, id: &str, unknown: &[Value], seen: &Seen) {
        let root = self.world.repo();
        let project = Places::project_key(&root);
        let states = states();
        let by_command = unknown.iter().any(|input| input["command"].is_string());
        let mut refused = 0;
        loop {
            let folder = self.places.journal();
            let journal =
                journal::earlier(&folder, &root, &project, Some(id), &Which::Newest, Limits::default());
            match journal.and_then(|journal| journal.undo(Which::Newest)) {
                Ok(undone) => count(&seen.undone, undone.paths.len()),
                Err(UndoError::Nothing) => break,
                // The one call that was cut off. A file of a tool is whole, and was asserted to be one of two.
                Err(UndoError::Changed { path, .. }) => {
                    count(&seen.refused, 1);
                    refused += 1;
                    assert!(refused < 20, "{} is refused again and again", path.display());
                    let name = path.strip_prefix(&root).expect("below").to_string_lossy().into_owned();
                    let Some(states) = states.get(name.as_str()) else {
                        assert!(by_command, "{name} was not in any command that was cut off");
                        let _ = std::fs::remove_file(&path);
                        continue;
                    };
                    let named = |input: &Value| input["path"] == json!(name);
                    assert!(unknown.iter().any(named), "{name} was not in any call that was cut off");
                    let now = std::fs::read_to_string(&path).ok();
                    match states.iter().find(|state| **state != now).expect("two states") {
                        Some(text) => std::fs::write(&path, text).expect("written"),
                        None => std::fs::remove_file(&path).expect("removed"),
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
        if by_command {
            self.sweep_what_a_command_left();
        }
        let now = tree(&root);
        let names: BTreeSet<&PathBuf> = self.before.keys().chain(now.keys()).collect();
        let differing: Vec<_> =
            names.into_iter().filter(|name| now.get(*name) != self.before.get(*name)).collect();
        assert!(differing.is_empty(), "not as it was: {differing:?}");
    }

    /// What a command wrote that was cut off is not taken back: nobody knows what it had left.
    fn sweep_what_a_command_left(&self) {
        let root = self.world.repo();
        let _ = std::fs::remove_dir_all(root.join("shell"));
        let _ = std::fs::remove_file(root.join("three.txt"));
    }
}

/// The whole lines of a stream, as events.
fn lines(bytes: &[u8]) -> Vec<Event> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    BufReader::new(&bytes[..whole])
        .lines()
        .map(|line| line.expect("UTF-8"))
        .filter(|line| !line.contains("\"type\":\"result\""))
        .map(|line| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn session_of(events: &[Event]) -> Option<String> {
    events.iter().find_map(|event| match event {
        Event::SessionStarted { session_id, .. } => Some(session_id.clone()),
        _ => None,
    })
}

/// After so many instants it is said how far it is.
const PROGRESS: usize = 500;

/// Kill sessions at so many instants, several at once.
#[expect(clippy::print_stderr, reason = "the long loop says how far it is")]
fn kill_at(instants: usize, workers: usize, seed: u64) -> Seen {
    let seen = Seen::default();
    let next = Mutex::new(0_usize);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (seen, next) = (&seen, &next);
            scope.spawn(move || {
                let mut random = Random(seed.wrapping_add(worker as u64 * 7_919));
                'worlds: loop {
                    let ground = Ground::new();
                    let span = ground.duration().mul_f64(SPAN).as_micros().try_into().unwrap_or(u64::MAX);
                    for round in 0..INSTANTS_PER_WORLD {
                        {
                            let mut next = next.lock().expect("no panic");
                            if *next == instants {
                                break 'worlds;
                            }
                            *next += 1;
                            if next.is_multiple_of(PROGRESS) {
                                eprintln!("{} of {instants}: {seen:?}", *next);
                            }
                        }
                        let goes_on = round > 0 && random.next(2) == 0;
                        let wait = Duration::from_micros(random.next(span));
                        let looked = catch_unwind(AssertUnwindSafe(|| ground.kill(wait, goes_on, seen)));
                        if let Err(panic) = looked {
                            let why = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                            seen.failures.lock().expect("no panic").push(format!("after {wait:?}: {why}"));
                            // What is left there is no ground for another.
                            continue 'worlds;
                        }
                    }
                }
            });
        }
    });
    seen
}

#[test]
fn sessions_that_are_killed_lose_nothing_that_was_shown() {
    let seen = kill_at(40, 2, 7);
    assert!(seen.failures.lock().expect("no panic").is_empty(), "{seen:#?}");
    assert_eq!(seen.instants.load(Ordering::Relaxed), 40);
    assert!(seen.shown.load(Ordering::Relaxed) > 40, "hardly anything was shown: {seen:?}");
}

/// The whole loop: `LOCI_KILLS=10000 cargo test --workspace --test suite -- --ignored --nocapture kill::`.
#[test]
#[ignore = "takes many minutes; benches/RELIABILITY.md says how it is run"]
#[expect(clippy::print_stdout, reason = "its figures are read by whoever runs it")]
fn ten_thousand_instants() {
    let given = |name: &str, usual: usize| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let begun = Instant::now();
    let seen = kill_at(given("LOCI_KILLS", 10_000), given("LOCI_KILL_WORKERS", 4), 1);
    println!("{seen:#?}\n{} s", begun.elapsed().as_secs());
    assert!(seen.failures.lock().expect("no panic").is_empty());
}
