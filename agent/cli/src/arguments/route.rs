//! Owns the arguments of `loci why` and `loci egress`.
//! Uses clap.
//! Never does anything.

use clap::{Args, Subcommand};

/// `loci why`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  loci why
  loci why -m openai/gpt-5 fix the parser
  loci why @fast what does this do
  loci --local why

Reasons are looked at in this order: labels (never_leaves), offline, abilities, context, budget, preference.")]
pub(crate) struct WhyArguments {
    /// The request; `@fast`, `@plan` and `@review` at its beginning name roles
    #[arg(value_name = "REQUEST")]
    pub(crate) task: Vec<String>,
    /// As if this model had been named
    #[arg(short, long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci egress`.
#[derive(Debug, Args)]
pub(crate) struct EgressArguments {
    /// What to do
    #[command(subcommand)]
    pub(crate) action: EgressAction,
}

/// What `loci egress` does.
#[derive(Debug, Subcommand)]
pub(crate) enum EgressAction {
    /// List every transmission: when, where to, how much, of what, and what allowed it
    ///
    /// Each try of each request to a model elsewhere and each request of a download is a line of the ledger, written before a
    /// byte of it is sent. The ledger holds sizes, hashes and names, and no content.
    Show {
        /// Of one session; the beginning of its id will do
        #[arg(long, value_name = "ID")]
        session: Option<String>,
        /// Only what happened since: 2026-01-31, 2026-01-31T12:00:00Z, 36h or 7d
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// To hosts whose name ends so
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
        /// Print one object a line
        #[arg(long)]
        json: bool,
    },
    /// Check that every line is as it was written, and follows the one before it
    Verify {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what a request would send where, and send nothing
    DryRun {
        /// The request
        #[arg(value_name = "REQUEST", required = true)]
        request: Vec<String>,
        /// With this model
        #[arg(short, long, value_name = "MODEL")]
        model: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}
