//! Owns the arguments of `loci bundle`.
//! Uses clap.
//! Never does anything.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `loci bundle`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  loci bundle create loci.bundle --model qwen2.5-coder-7b --config --sign minisign.key
  loci bundle verify loci.bundle --key minisign.pub
  loci bundle install loci.bundle --key minisign.pub
  loci bundle create newer.bundle --all --since loci.bundle    what changed since then

Where there is no Loci yet: tar -xf loci.bundle bin/loci && bin/loci bundle install loci.bundle")]
pub(crate) struct BundleArguments {
    /// What to do
    #[command(subcommand)]
    pub(crate) action: BundleAction,
}

/// What `loci bundle` does.
#[derive(Debug, Subcommand)]
pub(crate) enum BundleAction {
    /// Put this program, models and configuration into one file
    Create(BundleCreateArguments),
    /// Read a bundle once, and say whether every byte of it is what its manifest says
    Verify(BundleVerifyArguments),
    /// Check a bundle, and put what it holds in place
    Install(BundleInstallArguments),
}

/// `loci bundle create`.
#[derive(Debug, Args)]
pub(crate) struct BundleCreateArguments {
    /// The file to make; it must not be there yet
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Take this model along: a name of `loci models` that is on this machine, or the path of a file
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Vec<String>,
    /// Take every model of the catalogue along that is on this machine
    #[arg(long)]
    pub(crate) all: bool,
    /// Take your config.toml and models.toml along
    #[arg(long)]
    pub(crate) config: bool,
    /// Take this file along for /etc/loci/policy.d
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Vec<PathBuf>,
    /// Leave the program out: then it installs on machines of every kind
    #[arg(long)]
    pub(crate) no_binary: bool,
    /// Hold only what is not, byte for byte, in this older bundle, or in its manifest
    #[arg(long, value_name = "OLD")]
    pub(crate) since: Option<PathBuf>,
    /// Sign it with this secret key of minisign: FILE.minisig
    #[arg(long, value_name = "KEYFILE")]
    pub(crate) sign: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci bundle verify`.
#[derive(Debug, Args)]
pub(crate) struct BundleVerifyArguments {
    /// The bundle
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// It must be signed, in FILE.minisig, with this key of minisign: a file, or the key itself
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci bundle install`.
#[derive(Debug, Args)]
pub(crate) struct BundleInstallArguments {
    /// The bundle
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// It must be signed, in FILE.minisig, with this key of minisign: a file, or the key itself
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Put the program into this folder; ~/.local/bin when absent
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// Check everything, say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
