//! Owns the arguments of `loci audit`.
//! Uses clap.
//! Never does anything.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `loci audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    /// What to do
    #[command(subcommand)]
    pub(crate) action: AuditAction,
}

/// What `loci audit` does.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditAction {
    /// Check that a session's log is as it was written
    ///
    /// Each record carries the hash of the one before it, so that a changed, missing, added or moved record is found and
    /// named. Whoever may write the log can also write all of it anew, or cut off its end, and no chain alone tells that:
    /// keep checkpoints where they cannot be written, and compare with --against.
    Verify {
        /// The session; the newest of this project when absent
        #[arg(value_name = "SESSION", conflicts_with = "all")]
        session: Option<String>,
        /// Every session of this project
        #[arg(long)]
        all: bool,
        /// A file of checkpoints: the log must hold everything that they saw
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print what a session's log is now, to compare with later
    ///
    /// One line of JSON: session, number of records, hash of the last. Keep it where this user cannot write.
    Checkpoint {
        /// The session; the newest of this project when absent
        #[arg(value_name = "SESSION", conflicts_with = "all")]
        session: Option<String>,
        /// Every session of this project
        #[arg(long)]
        all: bool,
    },
    /// Print every decision and effect, one a line, with secrets taken out
    Export {
        /// The session; the newest of this project when absent
        #[arg(value_name = "SESSION", conflicts_with = "all")]
        session: Option<String>,
        /// Every session of this project
        #[arg(long)]
        all: bool,
        /// Only what happened since: 2026-01-31, 2026-01-31T12:00:00Z, 36h or 7d
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// How it is printed
        #[arg(long, value_enum, default_value_t = AuditFormat::Jsonl)]
        format: AuditFormat,
    },
}

/// How `loci audit export` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditFormat {
    /// One object a line
    Jsonl,
    /// Comma-separated values with a line of names
    Csv,
}
