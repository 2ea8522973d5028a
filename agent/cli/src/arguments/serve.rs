//! Owns the command line of `loci serve`.
//! Uses clap.
//! Never does anything; the command is in `commands::serve`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

/// `loci serve`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  loci serve -m ./model.gguf                 one file, on http://127.0.0.1:8113/v1
  loci serve                                 every model of this machine, loaded when it is asked for
  loci --offline serve --unix ~/loci.sock    without any network
  curl --unix-socket ~/loci.sock http://localhost/v1/models -H \"Authorization: Bearer $TOKEN\"

The token is made once and kept in the state folder. What a client wants to know stands in the first line.")]
pub(crate) struct ServeArguments {
    /// Serve this model: a name of `loci models` or a path to a GGUF file; the first one answers requests without a name
    #[arg(short, long = "model", value_name = "MODEL")]
    pub(crate) models: Vec<String>,
    /// Serve only the models that -m names, and none of the others on this machine
    #[arg(long, requires = "models")]
    pub(crate) only: bool,
    /// Listen on this address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", conflicts_with = "unix")]
    pub(crate) host: IpAddr,
    /// Listen on this port; 0 takes a free one
    #[arg(short, long, value_name = "PORT", default_value_t = 8113, conflicts_with = "unix")]
    pub(crate) port: u16,
    /// Allow an address that other machines reach; nothing is encrypted
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// Answer requests for this name, too; usual are addresses and localhost
    #[arg(long, value_name = "NAME")]
    pub(crate) allow_host: Vec<String>,
    /// Listen on a socket of the file system instead, which works offline
    #[arg(long, value_name = "PATH")]
    pub(crate) unix: Option<PathBuf>,
    /// Read the token from this file, or make it there
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Open windows of this many tokens
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(256..))]
    pub(crate) context: Option<u32>,
    /// Answer so many requests at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) parallel: u16,
    /// Let so many wait beside those; more are told to come back
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub(crate) queue: u16,
    /// Keep so many models in memory at once
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) most_models: u16,
    /// Drop a model that was not asked for so many seconds; 0 keeps it
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) keep_alive: u64,
}
