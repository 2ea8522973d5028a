//! Owns the command lines of what is measured: `loci bench` and `loci models test`.
//! Uses clap.
//! Never does anything; the commands are in `commands::bench` and `commands::qualify`.

use clap::Args;

/// `loci bench`.
#[derive(Debug, Args)]
#[command(
    after_help = "Each test is one of each list: -p 512,2048 -n 64 -d 0,2048 gives pp512, pp2048, tg64, and the same behind
2048 tokens. The tokens are random, the rates those of passes without sampling."
)]
pub(crate) struct BenchArguments {
    /// A name of `loci models` or a path to a GGUF file
    #[arg(short, long, value_name = "MODEL")]
    pub(crate) model: String,
    /// Lengths of prompts to measure; 0 for none
    #[arg(short, long, value_name = "TOKENS", value_delimiter = ',', default_values_t = [512])]
    pub(crate) prompt: Vec<usize>,
    /// Lengths of answers to measure; 0 for none
    #[arg(short = 'n', long, value_name = "TOKENS", value_delimiter = ',', default_values_t = [64])]
    pub(crate) generate: Vec<usize>,
    /// Tokens before each prompt and answer; none, 2048 and 8192 when absent, as far as the model holds them
    #[arg(short, long, value_name = "TOKENS", value_delimiter = ',')]
    pub(crate) depth: Vec<usize>,
    /// Answers that are generated together; they share what stands before them
    #[arg(short, long, value_name = "N", value_delimiter = ',', default_values_t = [1], value_parser = sequences)]
    pub(crate) batch: Vec<usize>,
    /// Run each test so many times
    #[arg(short, long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) repetitions: u16,
    /// Compute with so many threads; one for each core when absent
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Time the first run too, which reads the file
    #[arg(long)]
    pub(crate) no_warm_up: bool,
    /// Stay on the CPU
    #[arg(long)]
    pub(crate) cpu: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci models test`.
#[derive(Debug, Args)]
#[command(
    after_help = "Some forty fixed tasks are done in a folder of their own, with Loci's tools and at temperature 0; no command of
the model is run. What comes out is kept on a card, which `loci models` shows and routing reads. A service is asked about
a hundred times."
)]
pub(crate) struct QualifyArguments {
    /// A name of `loci models`, a path to a GGUF file, or SERVICE/MODEL
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Only some twenty of the tasks
    #[arg(long)]
    pub(crate) quick: bool,
    /// Give each task so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) task_time: u32,
    /// Begin no task after so many minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) time: u32,
    /// Open a window of this many tokens
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(256..))]
    pub(crate) context: Option<u32>,
    /// Print the card as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn sequences(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=256) => Ok(count),
        _ => Err("a number from 1 to 256".into()),
    }
}
