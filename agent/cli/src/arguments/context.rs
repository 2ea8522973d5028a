//! Owns the arguments of the commands that look into sessions: what is in a window, and what was said.
//! Uses clap.
//! Never looks itself.

use clap::Args;

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
