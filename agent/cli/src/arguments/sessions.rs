//! Owns the arguments of `loci sessions`.
//! Uses clap.
//! Never looks at a session itself.

use clap::{Args, Subcommand, ValueEnum};

/// `loci sessions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  loci sessions                        what was said in this project, newest first
  loci sessions show 0198c0de          prompts, what was done, files, tokens
  loci sessions fork newest --turn 3   go on from the end of turn 3, in a session of its own
  loci sessions export newest          the whole session as a document, without secrets
  loci sessions rename newest The parser and its tests
  loci sessions rm 0198c0de            move it to the trash beside the other sessions

A session is named by the beginning of its id, or as `newest`. Nothing is removed unless you say so.")]
pub(crate) struct SessionsArguments {
    /// What to do; without it, list them
    #[command(subcommand)]
    pub(crate) action: Option<SessionsAction>,
    /// How they are listed
    #[command(flatten)]
    pub(crate) list: SessionsListArguments,
}

/// What `loci sessions` does.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionsAction {
    /// List the sessions, newest first
    List(SessionsListArguments),
    /// Show prompts, what was done, files, tokens, and what is wrong
    Show(SessionsShowArguments),
    /// Begin a session that knows what another one knew
    Fork(SessionsForkArguments),
    /// Print a session as a document or as records, without secrets
    Export(SessionsExportArguments),
    /// Give a session a title
    Rename(SessionsRenameArguments),
    /// Move sessions to the trash
    Rm(SessionsRmArguments),
}

/// `loci sessions list`.
#[derive(Debug, Args)]
pub(crate) struct SessionsListArguments {
    /// Those of every project
    #[arg(long)]
    pub(crate) all_projects: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci sessions show`.
#[derive(Debug, Args)]
pub(crate) struct SessionsShowArguments {
    /// The session: the beginning of its id, or newest
    #[arg(value_name = "ID", default_value = "newest")]
    pub(crate) session: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci sessions fork`.
#[derive(Debug, Args)]
pub(crate) struct SessionsForkArguments {
    /// The session: the beginning of its id, or newest
    #[arg(value_name = "ID", default_value = "newest")]
    pub(crate) session: String,
    /// Take over what was said up to the end of this turn; everything when absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) turn: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci sessions export`.
#[derive(Debug, Args)]
pub(crate) struct SessionsExportArguments {
    /// The session: the beginning of its id, or newest
    #[arg(value_name = "ID", default_value = "newest")]
    pub(crate) session: String,
    /// A document, one JSON value, or every record of the log on a line
    #[arg(long, value_enum, default_value_t = ExportFormat::Md)]
    pub(crate) format: ExportFormat,
}

/// `loci sessions rename`.
#[derive(Debug, Args)]
pub(crate) struct SessionsRenameArguments {
    /// The session: the beginning of its id, or newest
    #[arg(value_name = "ID")]
    pub(crate) session: String,
    /// Its title, one line
    #[arg(value_name = "TITLE", required = true)]
    pub(crate) title: Vec<String>,
}

/// In which form a session is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Markdown
    Md,
    /// One JSON value: what counts
    Json,
    /// Every record, what was gone back from too
    Jsonl,
}

/// `loci sessions rm`.
#[derive(Debug, Args)]
pub(crate) struct SessionsRmArguments {
    /// The sessions: the beginning of each id, or newest
    #[arg(value_name = "ID", required = true)]
    pub(crate) sessions: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
