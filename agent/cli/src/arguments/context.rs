//! Owns the arguments of the commands that look into sessions: what is in a window, and what was said.
//! Uses clap.
//! Never looks itself.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `loci recall`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  loci recall how did we fix the flaky test      in every session of this project
  loci recall --session newest socket timeout    in one of them
  loci recall 0198c0de/r41                       an entry, whole
  loci recall r41:10-80 --session 0198c0de       lines of an entry

Nothing leaves the machine, and no model is asked. Exit code 1 when nothing is found.")]
pub(crate) struct RecallArguments {
    /// Words, or a handle such as r41, r41:10-80 or SESSION/r41
    #[arg(required = true, value_name = "WORDS")]
    pub(crate) words: Vec<String>,
    /// Only this session: the beginning of its id, or newest
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// At most this many passages
    #[arg(short = 'n', long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) limit: u16,
    /// Say what each passage was found by
    #[arg(long)]
    pub(crate) why: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci context`.
#[derive(Debug, Args)]
pub(crate) struct ContextArguments {
    /// What to do
    #[command(subcommand)]
    pub(crate) action: ContextAction,
}

/// What `loci context` does.
#[derive(Debug, Subcommand)]
pub(crate) enum ContextAction {
    /// Show what was in the model's window: by source, what was recalled, what left
    Show(ContextShowArguments),
    /// Show from where on two requests differ, and what made them differ
    Diff(ContextDiffArguments),
    /// Lay out a written session for questions, one JSON object a line
    Replay(ContextReplayArguments),
}

/// Which session is looked at.
#[derive(Debug, Clone, Args)]
pub(crate) struct SessionChoice {
    /// The session: the beginning of its id, or newest
    #[arg(long, value_name = "ID", default_value = "newest")]
    pub(crate) session: String,
}

/// `loci context show`.
#[derive(Debug, Args)]
pub(crate) struct ContextShowArguments {
    /// Which session
    #[command(flatten)]
    pub(crate) choice: SessionChoice,
    /// As it was at this request of the session, from 1; the newest when absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) at: Option<u32>,
    /// Print the very messages of the request instead
    #[arg(long)]
    pub(crate) messages: bool,
    /// Show all that was recalled and all that left
    #[arg(long)]
    pub(crate) all: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci context diff`.
#[derive(Debug, Args)]
#[command(
    after_help = "A request that only goes on where the one before ended is answered from what the model or its service has kept.
What changed in the middle has to be read, and paid for, again from there on."
)]
pub(crate) struct ContextDiffArguments {
    /// The two requests, from 1; the last two when absent
    #[arg(value_name = "N", num_args = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) requests: Vec<u32>,
    /// Which session
    #[command(flatten)]
    pub(crate) choice: SessionChoice,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci context replay`.
#[derive(Debug, Args)]
#[command(
    after_help = "Each line of a session is {\"turn\", \"role\": user|assistant|tool, \"tool\"?, \"args\"?, \"path\"?, \"pattern\"?, \"cmd\"?,
\"paths\"?, \"content\"}, each question {\"question_id\", \"session\"?, \"question\", \"asked_at\"?}, and each line of the
answer {\"question_id\", \"context\", \"ms\"}. A question sees the turns before `asked_at` alone."
)]
pub(crate) struct ContextReplayArguments {
    /// A session; questions name it by the file's name without its ending
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) session: Vec<PathBuf>,
    /// The questions
    #[arg(long, value_name = "FILE")]
    pub(crate) questions: PathBuf,
    /// Tokens of the window behind the head, four bytes each
    #[arg(long, value_name = "TOKENS", default_value_t = 8_000, value_parser = clap::value_parser!(u32).range(256..))]
    pub(crate) budget: u32,
}
