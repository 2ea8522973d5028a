//! Owns the seam between the loop and its tools: [`Tool`], [`Outcome`], [`ToolContext`].
//! Uses `index`, `exec` and the journal through the context.
//! Never decides whether a call may run: a tool says what it would touch, `policy` decides, the loop runs it.

mod arguments;
mod ask_user;
pub(crate) mod bash;
mod callers;
mod change;
mod command;
mod definitions;
mod delete;
mod edit;
mod excerpt;
mod fold;
mod git;
mod glob;
mod grep;
mod insert;
pub(crate) mod jobs;
mod outline;
pub(crate) mod place;
mod read;
mod recall;
mod rename;
mod run;
mod search;
mod todo;
mod undo;
mod watch;
mod write;

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use loci_exec::background::Background;
use loci_inference::provider::ToolSpec;
use loci_protocol::Location;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::sandboxing::{Grants, Sandboxing};
use crate::session::journal::{CommandCapture, OverlaySupport};
use crate::workspace::Workspace;

pub(crate) use fold::{one_line, plain};

/// What the loop hands to a running tool.
#[derive(Clone)]
pub struct ToolContext {
    /// The project.
    pub workspace: Workspace,
    /// The code index of the project, refreshed before each turn.
    pub index: loci_index::Index,
    /// Keeps the content of a file as it was before the first change.
    pub journal: Arc<dyn Preimages>,
    /// Asks the user; `None` when nobody is there to answer.
    pub ask: Option<Arc<dyn Ask>>,
    /// What was said in this session, also where it left the window.
    pub recall: Option<Arc<dyn Recall>>,
    /// The same for the project's older sessions.
    pub older: Option<Arc<dyn OlderSessions>>,
    /// Where whole outputs go.
    pub spool_dir: PathBuf,
    /// The session's task list.
    pub todos: Arc<std::sync::Mutex<Vec<Todo>>>,
    /// What holds commands in.
    pub sandboxing: Arc<Sandboxing>,
    /// What the decision on this call opens for its commands.
    pub grants: Grants,
    /// The commands that run beside the conversation.
    pub background: Arc<Background>,
    /// The project's own commands, detected or configured.
    pub tasks: Arc<Vec<ProjectTask>>,
    /// Cancelled when the turn is.
    pub cancel: CancellationToken,
}

/// The journal as tools see it.
pub trait Preimages: Send + Sync {
    /// Keep the content of this file (absolute path) as it is now, or that it is missing. Called before every change.
    ///
    /// # Errors
    /// When the content cannot be kept; the tool must then not change the file.
    fn keep(&self, path: &std::path::Path) -> std::io::Result<()>;

    /// Take back the newest change of this session that is not yet taken back.
    ///
    /// # Errors
    /// A sentence for the user: nothing to undo, or the file is no longer what was left.
    fn undo_last(&self) -> Result<Vec<PathBuf>, String>;

    /// Watch over a shell command that may change anything below `root`, from before it starts; `None` where nothing is
    /// recorded.
    ///
    /// # Errors
    /// When what it may change cannot be kept, as with a full disk; the command must then not run.
    fn command(
        &self,
        _root: &std::path::Path,
        _overlay: OverlaySupport,
    ) -> std::io::Result<Option<CommandCapture>> {
        Ok(None)
    }
}

/// A way to the user.
pub trait Ask: Send + Sync {
    /// Ask, and wait for the words of the answer. `None` when the user declined or left.
    fn ask(&self, question: String, options: Vec<String>) -> BoxFuture<'_, Option<String>>;
}

/// The session's memory as tools see it.
pub trait Recall: Send + Sync {
    /// An entry of the conversation, whole.
    ///
    /// # Errors
    /// A sentence for the model: there is no such entry.
    fn entry(&self, entry: usize) -> Result<Remembered, String>;

    /// The passages that fit the words best, best first.
    ///
    /// # Errors
    /// A sentence for the model: the search failed.
    fn find(&self, query: &str, limit: usize) -> Result<Vec<Found>, String>;
}

/// The memory of the project's other sessions as tools see it.
pub trait OlderSessions: Send + Sync {
    /// An entry of the session with this id, or the only one whose id begins so.
    ///
    /// # Errors
    /// A sentence for the model: there is no such session or entry.
    fn entry(&self, session: &str, entry: usize) -> Result<Remembered, String>;

    /// The passages that fit the words best, best first.
    ///
    /// # Errors
    /// A sentence for the model: the search failed.
    fn find(&self, query: &str, limit: usize) -> Result<Vec<Found>, String>;
}

/// An entry of a conversation as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The turn it belongs to.
    pub turn: u32,
    /// What it is: tool, path or command.
    pub title: String,
    /// All of it.
    pub text: String,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its handle, with the session's id before it where that is another one: `r41:10-22`, `0198…/r41:10-22`.
    pub handle: String,
    /// The turn it belongs to.
    pub turn: u32,
    /// What it is: tool, path or command.
    pub title: String,
    /// The passage.
    pub text: String,
    /// The session, where it is another one.
    pub session: Option<OtherSession>,
}

/// Another session of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherSession {
    /// Its id.
    pub id: String,
    /// The day it was last written to, `2026-01-31`.
    pub date: String,
    /// Its first prompt.
    pub about: String,
}

/// One entry of the task list.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Todo {
    /// What to do.
    pub text: String,
    /// Whether it is done.
    pub done: bool,
}

/// A command of the project's own.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ProjectTask {
    /// `test`, `build`, `lint`, `format` or `run`.
    pub name: String,
    /// The shell command, such as `cargo test`.
    pub command: String,
}

/// What a call would touch, in the words of the permission contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// `Read`, `Edit`, `Write`, `Glob`, `Grep`, `Bash`; empty for tools that touch nothing (`todo`, `ask_user`).
    pub tool: &'static str,
    /// The input under the names policy knows: `file_path`, `command`, `pattern`, `path`.
    pub input: Value,
}

/// How a call ended. A tool never fails the loop: failures are outcomes with `ok: false`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Whether it did what was asked.
    pub ok: bool,
    /// True when it was not allowed to run, and so never did.
    pub denied: bool,
    /// What the model reads: head, tail and a note of what was left out.
    pub text: String,
    /// The same in at most 200 characters, for models with a very small window.
    pub brief: String,
    /// One line for people.
    pub summary: String,
    /// Places this result names.
    pub locations: Vec<Location>,
    /// Definitions, hits, lines: what an answer can be composed from, best first, `path:line` with its text.
    pub evidence: Vec<Evidence>,
    /// A unified diff of what changed.
    pub diff: Option<String>,
    /// Relative paths that were created, changed or removed.
    pub changed: Vec<String>,
    /// The file that holds the whole output, where `text` does not.
    pub whole: Option<PathBuf>,
}

/// One citable line of a result.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Evidence {
    /// Where.
    pub location: Location,
    /// The line or signature there, trimmed.
    pub text: String,
    /// What it is: `function`, `call in parse`, `line`, …
    pub label: String,
}

impl Outcome {
    /// A failure the model can act on.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        let text = message.into();
        let brief = fold::clip(&format!("failed: {}", fold::one_line(&text)), fold::BRIEF);
        Self {
            ok: false,
            summary: text.lines().next().unwrap_or_default().to_owned(),
            brief,
            text,
            ..Self::default()
        }
    }
}

/// One tool: its schema, what it would touch, what it does.
pub trait Tool: Send + Sync {
    /// Letters, digits and `_`.
    fn name(&self) -> &'static str;

    /// For the model, one or two sentences.
    fn description(&self) -> &'static str;

    /// A flat JSON schema; see [`loci_inference::provider::ToolSpec::parameters`].
    fn parameters(&self) -> Value;

    /// True when it can change files or start programs.
    fn changes(&self, input: &Value) -> bool;

    /// One line for people: `edit src/lib.rs`.
    fn summary(&self, input: &Value) -> String;

    /// What the call would touch: every entry must be allowed.
    ///
    /// # Errors
    /// A sentence for the model when the arguments are unusable.
    fn access(&self, input: &Value, context: &ToolContext) -> Result<Vec<Access>, String>;

    /// A unified diff of what the call would change, for the approval.
    fn preview(&self, _input: &Value, _context: &ToolContext) -> Option<String> {
        None
    }

    /// Do it.
    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome>;
}

/// Every tool, in the order in which models see them.
#[must_use]
pub fn all() -> Vec<Arc<dyn Tool>> {
    vec![
        Arc::new(read::Read),
        Arc::new(edit::Edit),
        Arc::new(write::Write),
        Arc::new(insert::Insert),
        Arc::new(delete::Delete),
        Arc::new(rename::Rename),
        Arc::new(search::Search),
        Arc::new(definitions::Where),
        Arc::new(callers::Callers),
        Arc::new(outline::Outline),
        Arc::new(glob::Glob),
        Arc::new(grep::Grep),
        Arc::new(run::Run),
        Arc::new(bash::Bash),
        Arc::new(jobs::Jobs),
        Arc::new(git::Git),
        Arc::new(todo::Todo),
        Arc::new(recall::Recall),
        Arc::new(undo::Undo),
        Arc::new(ask_user::AskUser),
    ]
}

/// A tool as models see it.
#[must_use]
pub fn spec(tool: &dyn Tool) -> ToolSpec {
    ToolSpec {
        name: tool.name().to_owned(),
        description: tool.description().to_owned(),
        parameters: tool.parameters(),
    }
}

/// The words of an identifier or a text, in lower case: `loadConfig_v2` → `load`, `config`, `v2`.
pub(crate) fn words_of(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    let mut previous = ' ';
    while let Some(character) = characters.next() {
        let hump = character.is_uppercase()
            && (previous.is_lowercase()
                || previous.is_numeric()
                || (previous.is_uppercase() && characters.peek().is_some_and(|next| next.is_lowercase())));
        if (hump || !character.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if character.is_alphanumeric() {
            word.extend(character.to_lowercase());
        }
        previous = character;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests;
