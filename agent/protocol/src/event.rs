//! Owns what the core tells its front ends.
//! Uses serde only.
//! Never carries rendering (colours, widths): that is the front end's.

use serde::{Deserialize, Serialize};

use crate::PermissionMode;

/// One thing that happened. Serialised with a `type` field, it is a line of `stream-json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The session is open and its log exists.
    SessionStarted {
        /// Sortable id, also the name of the log.
        session_id: String,
        /// The project root.
        cwd: String,
        /// The model that will answer.
        model: ModelBadge,
        /// The permission mode in force.
        mode: PermissionMode,
        /// True when an earlier session is being continued.
        resumed: bool,
        /// What holds commands in.
        #[serde(default)]
        sandbox: SandboxBadge,
        /// Whether nothing goes over a network.
        #[serde(default)]
        offline: bool,
    },
    /// Long work moved on: indexing, loading a model, reading a long prompt.
    Progress {
        /// Which work; one bar per task.
        task: String,
        /// Units finished.
        done: u64,
        /// Units in all, when known. `done == total` ends the bar.
        total: Option<u64>,
        /// What a unit is: `files`, `bytes`, `tokens`.
        unit: String,
    },
    /// Another model answers from here on.
    ModelChanged {
        /// Which.
        model: ModelBadge,
        /// One sentence: who wanted it, or what happened to the one before.
        why: String,
    },
    /// The answer to [`crate::Op::Why`].
    RouteShown(RouteReport),
    /// A prompt was committed to the log and the turn runs.
    TurnStarted {
        /// Counts from 1 in each session.
        turn: u32,
        /// The prompt.
        prompt: String,
    },
    /// A piece of the answer.
    TextDelta {
        /// UTF-8 text, never split inside a character.
        text: String,
    },
    /// A piece of the model's reasoning.
    ReasoningDelta {
        /// UTF-8 text, never split inside a character.
        text: String,
    },
    /// A call is about to be decided and run.
    ToolStarted {
        /// Unique within the session.
        call_id: String,
        /// The tool's name.
        tool: String,
        /// The arguments, as an object.
        input: serde_json::Value,
        /// One line for people, such as `read src/lib.rs:1-40`.
        summary: String,
    },
    /// The user must decide; the turn waits for [`crate::Op::Approve`].
    ApprovalRequested {
        /// To be repeated in the answer.
        id: String,
        /// The call that waits.
        call_id: String,
        /// The tool's name.
        tool: String,
        /// One line for people.
        summary: String,
        /// Every sub-command or resolved path, with hidden characters escaped.
        details: Vec<String>,
        /// A unified diff of what an edit would do.
        diff: Option<String>,
        /// The rule that matched, if one did.
        rule: Option<String>,
        /// Where that rule stands.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<String>,
        /// The literal rules that [`crate::Approval::Rule`] would save; empty when it may not be saved.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<String>,
        /// Hosts that the command may reach once it runs.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        network: Vec<String>,
        /// Why it asks.
        why: String,
    },
    /// The model asks the user; the turn waits for [`crate::Op::Answer`].
    QuestionAsked(Question),
    /// A call ended, was denied, or failed.
    ToolFinished(ToolReport),
    /// Something the user should know that is not part of the answer.
    Notice {
        /// How loud.
        level: Level,
        /// One sentence.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Turns left the window. What left can be found by `recall`.
    Compacted {
        /// Tokens of the prompt before.
        before: usize,
        /// Tokens of it after.
        after: usize,
        /// One sentence: why, and how much left.
        message: String,
    },
    /// File changes were taken back or brought back, or the conversation went back to an earlier prompt.
    Rewound {
        /// Paths that were restored or removed, relative to the root.
        paths: Vec<String>,
        /// The turn whose prompt is open again, where the conversation went back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<u32>,
        /// The words of that prompt, to be edited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prompt: Option<String>,
        /// One sentence.
        message: String,
    },
    /// The permission mode is another one from here on.
    ModeChanged {
        /// The mode.
        mode: PermissionMode,
    },
    /// A request to the model was answered: how full its window is, and how fast it was.
    StepFinished(StepReport),
    /// The task list is another one.
    TasksChanged {
        /// All of it, in its order.
        tasks: Vec<Task>,
    },
    /// A command in the background began or ended.
    JobsChanged {
        /// Those that run, and the newest that ended.
        jobs: Vec<Job>,
    },
    /// The answer to [`crate::Op::Changes`].
    ChangesShown {
        /// Each file that is other than it was when the session began.
        files: Vec<ChangedFile>,
    },
    /// The answer to [`crate::Op::Timeline`].
    TimelineShown {
        /// The prompts that count, oldest first.
        turns: Vec<PastTurn>,
    },
    /// The session has a title.
    Renamed {
        /// One line.
        title: String,
    },
    /// The answer to [`crate::Op::Context`].
    ContextShown(Box<ContextReport>),
    /// The turn is over and the session waits for the next [`crate::Op`].
    TurnFinished(TurnReport),
    /// The session is closed.
    SessionEnded {
        /// The id to resume with.
        session_id: String,
        /// What each model used in this session, in the order in which they first answered.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        models: Vec<ModelUsage>,
    },
}

/// What one request to the model took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// Tokens of this request.
    pub usage: Usage,
    /// Tokens in the window now: the prompt and what was written after it.
    pub used: usize,
    /// Tokens that the model holds.
    pub window: usize,
    /// Milliseconds from the request to the first piece of the answer.
    pub first_ms: u64,
    /// Milliseconds from the first piece to the last.
    pub decode_ms: u64,
}

/// One entry of the task list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What to do.
    pub text: String,
    /// Whether it is done.
    pub done: bool,
}

/// A command in the background.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// `b1`, `b2`, … in the order in which they were started.
    pub id: String,
    /// The command.
    pub command: String,
    /// Whether it still runs.
    pub running: bool,
    /// How it ended, in words; empty while it runs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub end: String,
    /// Milliseconds since it began, or that it took.
    pub duration_ms: u64,
    /// The end of its output, where [`crate::Op::Jobs`] asked for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
}

/// What a session made of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFile {
    /// Relative to the root.
    pub path: String,
    /// A unified diff from what it was before the session to what it is now; empty where it is no text.
    pub diff: String,
    /// Lines added.
    pub added: usize,
    /// Lines removed.
    pub removed: usize,
    /// True when it is now other than what the session left: somebody else changed it since.
    #[serde(default)]
    pub changed_since: bool,
}

/// A prompt that can be gone back to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastTurn {
    /// Its number.
    pub turn: u32,
    /// When it began, RFC 3339.
    pub at: String,
    /// Its words.
    pub prompt: String,
    /// What it changed, call by call, oldest first.
    pub changes: Vec<PastChange>,
}

/// What one call changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastChange {
    /// The call.
    pub call_id: String,
    /// Files, relative to the root.
    pub paths: Vec<String>,
    /// Whether it was taken back.
    pub undone: bool,
}

/// What one model used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelUsage {
    /// Its name.
    pub model: String,
    /// `local`, `scripted`, or the service.
    pub provider: String,
    /// True when it answered on this machine.
    pub local: bool,
    /// Requests that it answered.
    pub requests: u32,
    /// Tokens.
    pub usage: Usage,
    /// US dollars, where its price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

impl ModelUsage {
    /// Add another one to a list with one entry for each model.
    pub fn add_to(self, list: &mut Vec<Self>) {
        let same = |known: &&mut Self| {
            (&known.model, &known.provider, known.local) == (&self.model, &self.provider, self.local)
        };
        match list.iter_mut().find(same) {
            None => list.push(self),
            Some(known) => {
                known.requests += self.requests;
                known.usage += self.usage;
                known.cost_usd = match (known.cost_usd, self.cost_usd) {
                    (None, None) => None,
                    (one, two) => Some(one.unwrap_or_default() + two.unwrap_or_default()),
                };
            }
        }
    }
}

/// Which model answers, and why no other one does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteReport {
    /// What the model is for: `main`, `fast`, `plan`, `review`.
    pub role: String,
    /// The name of the one that answers; nothing where none can.
    pub chosen: Option<String>,
    /// Whether it answers on this machine.
    pub local: bool,
    /// Where requests go, where they leave the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// One sentence.
    pub why: String,
    /// The others, in the order in which they would have been tried.
    pub rejected: Vec<Rejected>,
}

/// A model that was not chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Its name.
    pub name: String,
    /// `labels`, `offline`, `abilities`, `context`, `budget` or `preference`.
    pub kind: String,
    /// One sentence.
    pub reason: String,
}

/// What holds commands in, and why it is not more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxBadge {
    /// `full`, `restricted` or `none`.
    pub level: String,
    /// What this machine does not give, or who switched it off; empty for `full`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Which model is at work, and whether anything leaves the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelBadge {
    /// The catalogue name or the file's name.
    pub name: String,
    /// `local`, `openai`, `scripted`.
    pub provider: String,
    /// True when the weights run inside this process, or in one of this machine that the user vouches for.
    pub local: bool,
    /// Where requests go: scheme, host and port, where they leave the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Tokens the model can hold.
    pub context_length: usize,
    /// Whether it looks at pictures.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub images: bool,
}

/// A place in a file, as `path:line`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Location {
    /// Relative to the project root, with `/` between components.
    pub path: String,
    /// Counts from 1.
    pub line: u32,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.path, self.line)
    }
}

/// A question from the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// To be repeated in the answer.
    pub id: String,
    /// The question.
    pub question: String,
    /// Offered answers; empty for free text.
    pub options: Vec<String>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolReport {
    /// The call.
    pub call_id: String,
    /// The tool's name.
    pub tool: String,
    /// False when it failed, was denied or was cancelled.
    pub ok: bool,
    /// One line for people, such as `3 definitions`.
    pub summary: String,
    /// The text the model got.
    pub output: String,
    /// A unified diff of what changed.
    pub diff: Option<String>,
    /// Places this result names; the only ones an answer may cite.
    pub locations: Vec<Location>,
    /// Paths that were created, changed or removed.
    pub changed: Vec<String>,
    /// Wall-clock time.
    pub duration_ms: u64,
}

/// How loud a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Something is not as asked.
    Warning,
    /// Something failed, and the session goes on.
    Error,
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnReport {
    /// The turn's number.
    pub turn: u32,
    /// Why it ended.
    pub status: TurnStatus,
    /// The whole answer.
    pub answer: String,
    /// Places the answer cites; each was named by a tool's result in this session.
    pub citations: Vec<Location>,
    /// Paths that this turn created, changed or removed.
    pub changed: Vec<String>,
    /// Tool calls made.
    pub tool_calls: u32,
    /// Tokens spent.
    pub usage: Usage,
    /// The same for each model that answered, with what it cost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelUsage>,
    /// Wall-clock time.
    pub duration_ms: u64,
    /// What went wrong, when `status` is `Failed`.
    pub failure: Option<Failure>,
}

/// Why a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnStatus {
    /// The model answered.
    Completed,
    /// It was not done: it needs a larger model, or an approval that was not given. The answer says which.
    Declined,
    /// A provider or the store failed.
    Failed,
    /// The user cancelled.
    Interrupted,
    /// The limit on steps was reached.
    MaxTurns,
    /// The model repeated itself, and the loop breaker stopped it.
    Looping,
}

/// An error as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind, for programs.
    pub kind: FailureKind,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The kinds of failure a program may want to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The prompt does not fit the model.
    ContextOverflow,
    /// The provider cannot be reached or refused.
    Provider,
    /// The session log or the journal cannot be written.
    Storage,
    /// A defect of ours.
    Internal,
}

/// Tokens spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens in the prompt, re-used ones included.
    pub prompt_tokens: u64,
    /// Of these, tokens whose state was re-used.
    pub cached_tokens: u64,
    /// Tokens the model wrote.
    pub completion_tokens: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt_tokens += other.prompt_tokens;
        self.cached_tokens += other.cached_tokens;
        self.completion_tokens += other.completion_tokens;
    }
}

/// What is in the window, why, and what left it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContextReport {
    /// The model that reads it.
    pub model: String,
    /// Tokens that the model holds.
    pub window: usize,
    /// Of these, tokens kept free for the answer.
    pub reserve: usize,
    /// Tokens of the prompt as it would be now.
    pub used: usize,
    /// Whether tokens were counted by the model's own tokenizer; otherwise they are an estimate.
    pub exact: bool,
    /// Where a compaction begins and what it cuts back to, in tokens of the prompt.
    pub marks: (usize, usize),
    /// What the prompt is made of, in its order.
    pub parts: Vec<ContextPart>,
    /// What recall put in, newest last.
    pub recalled: Vec<ContextRecalled>,
    /// What left the window, newest last.
    pub left: Vec<ContextLeft>,
    /// When something left.
    pub compactions: Vec<ContextCompaction>,
}

/// One source of what is in the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextPart {
    /// `system`, `tools`, `instructions`, `map`, `ledger`, `prompts`, `answers`, `results of read`, `recalled`, …
    pub source: String,
    /// Tokens.
    pub tokens: usize,
    /// Messages, tools or lines: how many.
    pub items: usize,
}

/// One passage that recall put into the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContextRecalled {
    /// Handle and lines: `r41:10-22`.
    pub handle: String,
    /// Tool, path or command.
    pub title: String,
    /// What it was found by, largest share first.
    pub why: Vec<(String, f32)>,
    /// Tokens.
    pub tokens: usize,
    /// The turn in which it was put in.
    pub turn: u32,
}

/// One entry of the conversation that is no longer in the window, or only its ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextLeft {
    /// The handle that `recall` takes.
    pub handle: String,
    /// What it is.
    pub title: String,
    /// Tokens that it had.
    pub tokens: usize,
    /// The turn it belongs to.
    pub turn: u32,
    /// True when its head and tail are still shown.
    pub folded: bool,
}

/// One compaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextCompaction {
    /// The turn in which it happened.
    pub turn: u32,
    /// What set it off.
    pub cause: String,
    /// Tokens before.
    pub before: usize,
    /// Tokens after.
    pub after: usize,
}
