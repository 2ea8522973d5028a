//! Owns the run of the tasks: a folder, a session and a turn for each, with a limit of time.
//! Uses the real session with the real tools, and answers what it asks.
//! Never runs a command of the model, and never touches a folder of the user's.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use loci_inference::provider::{Provider, Sampling};
use loci_protocol::{Approval, Event, Op};

use super::card::{Kind, TaskResult};
use super::fixture::FILES;
use super::needles;
use super::seen::{Call, Seen};
use super::tasks::{self, Task};
use super::timed::Timed;
use crate::atomic;
use crate::config::{Embeddings, Environment, Places, Settings};
use crate::route::Chosen;
use crate::sandboxing::Choice;
use crate::session::{Session, SessionError, SessionOptions};
use crate::tools::{self, Tool};

/// Steps of a task: the longest takes six.
const STEPS: u32 = 12;
/// How long a turn that is told to end may take for it.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// What the model hears when it asks the user.
const USERS_WORDS: &str = "I cannot say more. If it is safe and possible, do it; otherwise stop.";
/// Tools that change files of the project, and are let.
const CHANGES: [&str; 5] = ["edit", "write", "insert", "delete", "rename"];

/// How the tasks are run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The short form.
    pub quick: bool,
    /// A task that takes longer is not passed.
    pub per_task: Duration,
    /// Tasks that have not begun by then are left out.
    pub in_all: Duration,
    /// A folder that is made, used, and removed.
    pub folder: PathBuf,
    /// Tokens of the window, if less than the model holds.
    pub context_length: Option<usize>,
}

/// What is known of a run while it goes on.
#[derive(Debug)]
pub enum Step<'a> {
    /// A task begins.
    Begins {
        /// Its number, from 1.
        number: usize,
        /// Tasks in all.
        of: usize,
        /// Its name.
        name: &'a str,
    },
    /// A task has ended.
    Ended(&'a TaskResult),
}

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The tasks that were run.
    pub tasks: Vec<TaskResult>,
    /// Whether all were.
    pub complete: bool,
    /// See [`super::Card::first_token_ms`].
    pub first_token_ms: Option<u64>,
}

/// Run the tasks with a model, until `until` is done: what was run by then is kept.
///
/// # Errors
/// When the folder cannot be made, or no session can be opened in it.
pub async fn run(
    provider: Arc<dyn Provider>,
    options: &Options,
    until: impl Future<Output = ()>,
    told: &mut dyn FnMut(Step<'_>),
) -> Result<Outcome, SessionError> {
    let timed = Arc::new(Timed::new(provider));
    let window = timed.info().context_length;
    let window = options.context_length.map_or(window, |wanted| wanted.min(window));
    let mut all = tasks::fixed();
    all.extend(needles::tasks(window, options.quick, &|text| timed.count_text(text)));
    all.retain(|task| task.quick || !options.quick);
    all.sort_by_key(|task| task.kind);
    let _removed = Removed(options.folder.clone());
    let begun = Instant::now();
    let mut done = Vec::new();
    tokio::pin!(until);
    for (number, task) in all.iter().enumerate() {
        if begun.elapsed() >= options.in_all {
            break;
        }
        told(Step::Begins { number: number + 1, of: all.len(), name: &task.name });
        let folder = options.folder.join(number.to_string());
        let one = one(timed.clone(), task, options, &folder);
        let result = tokio::select! {
            biased;
            () = &mut until => break,
            result = one => result?,
        };
        told(Step::Ended(&result));
        done.push(result);
    }
    Ok(Outcome { complete: done.len() == all.len(), tasks: done, first_token_ms: timed.median_ms() })
}

/// The folder of a run, gone with it.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // What cannot be removed is in a folder of caches.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> SessionError + '_ {
    move |source| crate::session::log::LogError::Io { path: path.into(), source }.into()
}

async fn one(
    provider: Arc<Timed>,
    task: &Task,
    options: &Options,
    folder: &Path,
) -> Result<TaskResult, SessionError> {
    let root = folder.join("basket");
    for (path, text) in FILES {
        let path = root.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        atomic::write(&path, text.as_bytes()).map_err(failed(&path))?;
    }
    let known = tools::all();
    let opened = SessionOptions {
        cwd: root.clone(),
        provider,
        tools: known.clone(),
        settings: settings(options),
        places: Places::below(&folder.join("places")),
        environment: Environment::default(),
        trusted: false,
        resume: None,
        interactive: true,
        // No command runs, so none needs to be held in.
        helper: None,
        models: None,
        chosen: Chosen::default(),
    };
    let begun = Instant::now();
    let mut session = Session::open(opened).await?;
    let mut seen = Seen::default();
    let mut in_time = true;
    // A session that has ended says so by its events.
    let _ = session.ops.send(Op::Prompt { text: task.prompt.clone() }).await;
    let mut deadline = tokio::time::Instant::now() + options.per_task;
    loop {
        let event = match tokio::time::timeout_at(deadline, session.events.recv()).await {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(_) if in_time => {
                in_time = false;
                deadline = tokio::time::Instant::now() + LAST_WORDS;
                let _ = session.ops.send(Op::Interrupt).await;
                continue;
            }
            Err(_) => break,
        };
        match event {
            Event::ToolStarted { tool, input, .. } => {
                let valid = is_valid(&known, &tool, &input);
                let named = known.iter().find(|known| known.name() == tool);
                let changes = named.is_some_and(|tool| tool.changes(&input));
                seen.calls.push(Call { tool, input, valid, changes });
            }
            Event::ApprovalRequested { id, tool, .. } => {
                let approval = if CHANGES.contains(&tool.as_str()) {
                    Approval::Once
                } else {
                    Approval::Deny { reason: String::new() }
                };
                let _ = session.ops.send(Op::Approve { id, approval }).await;
            }
            Event::QuestionAsked(question) => {
                seen.questions += 1;
                let _ = session.ops.send(Op::Answer { id: question.id, text: USERS_WORDS.to_owned() }).await;
            }
            Event::TurnFinished(report) => {
                seen.report = Some(report);
                break;
            }
            _ => {}
        }
    }
    let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    session.close().await;
    seen.files = files(&root).map_err(failed(&root))?;
    let judged = if in_time {
        (task.judge)(&seen)
    } else {
        Err(format!("it took longer than {} s", options.per_task.as_secs()))
    };
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(TaskResult {
        name: task.name.clone(),
        kind: task.kind,
        passed: judged.is_ok(),
        why: judged.err(),
        calls: count(seen.calls.len()),
        invalid_calls: count(seen.calls.iter().filter(|call| !call.valid).count()),
        tokens: task.tokens.filter(|_| task.kind == Kind::Needle),
        duration_ms,
    })
}

/// The same for every model: nothing of the user's taste decides about a card.
fn settings(options: &Options) -> Settings {
    Settings {
        sampling: Sampling { temperature: 0.0, seed: 1, ..Sampling::default() },
        temperature_chosen: true,
        max_turns: STEPS,
        context_length: options.context_length,
        embeddings: Embeddings::Off,
        sandbox: Choice::Off,
        snapshot_bytes: 0,
        ..Settings::default()
    }
}

fn is_valid(known: &[Arc<dyn Tool>], name: &str, input: &serde_json::Value) -> bool {
    let tool = known.iter().find(|tool| tool.name() == name);
    let arguments = input.as_object().cloned().unwrap_or_default();
    tool.is_some_and(|tool| crate::turn::arguments::check(&tool.parameters(), arguments).is_ok())
}

/// Every file below a folder, by its path; those of the session itself are elsewhere.
fn files(root: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            found.insert(relative, text);
        }
    }
    Ok(found)
}
