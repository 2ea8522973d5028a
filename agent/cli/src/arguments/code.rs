//! Owns the arguments of the commands that ask the index.
//! Uses clap.
//! Never asks anything.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Which uses, by where they stand.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct TestChoice {
    /// Only what stands in test code
    #[arg(long, conflicts_with = "no_tests")]
    pub(crate) tests: bool,
    /// Nothing that stands in test code
    #[arg(long)]
    pub(crate) no_tests: bool,
}

impl TestChoice {
    /// As the index takes it.
    #[must_use]
    pub(crate) fn choice(self) -> loci_index::Tests {
        match (self.tests, self.no_tests) {
            (true, _) => loci_index::Tests::Only,
            (_, true) => loci_index::Tests::Without,
            _ => loci_index::Tests::Any,
        }
    }
}

/// `loci search`.
#[derive(Debug, Args)]
#[command(
    after_help = "With --batch each line of FILE is {\"query_id\": …, \"query\": \"…\"}, and each line of the answer
{\"query_id\", \"files\", \"spans\": [{\"file\", \"start\", \"end\", \"score\"}], \"ms\"}, in the same order."
)]
pub(crate) struct SearchArguments {
    /// Words, an identifier, a path, a stack trace, or a mixture
    #[arg(required_unless_present = "batch", value_name = "WORDS")]
    pub(crate) words: Vec<String>,
    /// Answer every query of this file, one JSON object a line; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["words", "explain"])]
    pub(crate) batch: Option<PathBuf>,
    /// At most this many hits
    #[arg(short = 'n', long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: Option<u16>,
    /// Say why each hit ranks where it does, and what the query was read as
    #[arg(long)]
    pub(crate) explain: bool,
    /// A file that is being worked on; what it belongs to ranks higher
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    pub(crate) working_set: Vec<PathBuf>,
    /// Only hits of this kind, such as function, struct, text
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Only files of this language, such as rust, python
    #[arg(long, value_name = "LANGUAGE")]
    pub(crate) lang: Option<String>,
    /// Only paths that match, such as "src/**/*.rs"
    #[arg(long, value_name = "GLOB")]
    pub(crate) path: Option<String>,
    /// Which hits, by where they stand
    #[command(flatten)]
    pub(crate) tests: TestChoice,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci where`.
#[derive(Debug, Args)]
pub(crate) struct WhereArguments {
    /// The symbol; `Type::method` or `Type.method` narrows by parent
    pub(crate) symbol: String,
    /// At most this many definitions
    #[arg(short = 'n', long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Every definition
    #[arg(long)]
    pub(crate) all: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci callers`.
#[derive(Debug, Args)]
pub(crate) struct CallersArguments {
    /// The symbol; `Type::method` or `Type.method` narrows by parent
    pub(crate) symbol: String,
    /// How many levels: 2 also shows who calls the callers
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub(crate) depth: u32,
    /// Which callers, by where they stand
    #[command(flatten)]
    pub(crate) tests: TestChoice,
    /// At most this many callers
    #[arg(short = 'n', long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Every caller
    #[arg(long)]
    pub(crate) all: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci callees`.
#[derive(Debug, Args)]
pub(crate) struct CalleesArguments {
    /// The symbol; `Type::method` or `Type.method` narrows by parent
    pub(crate) symbol: String,
    /// How many levels: 2 also shows what the callees call
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub(crate) depth: u32,
    /// At most this many callees
    #[arg(short = 'n', long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Every callee
    #[arg(long)]
    pub(crate) all: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A kind of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UseKind {
    /// It is called
    Call,
    /// It is handed on without being called
    Value,
    /// It is named as a type
    Type,
    /// It is imported
    Import,
    /// Any other place that holds the name
    Mention,
}

impl UseKind {
    /// As the index names it.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Value => "value",
            Self::Type => "type",
            Self::Import => "import",
            Self::Mention => "mention",
        }
    }
}

/// `loci refs`.
#[derive(Debug, Args)]
pub(crate) struct RefsArguments {
    /// The symbol; `Type::method` or `Type.method` narrows by parent
    pub(crate) symbol: String,
    /// Only uses of this kind; may be given several times
    #[arg(short, long, value_enum, value_delimiter = ',')]
    pub(crate) kind: Vec<UseKind>,
    /// Which uses, by where they stand
    #[command(flatten)]
    pub(crate) tests: TestChoice,
    /// At most this many uses
    #[arg(short = 'n', long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Every use
    #[arg(long)]
    pub(crate) all: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci outline`.
#[derive(Debug, Args)]
pub(crate) struct OutlineArguments {
    /// Files or folders
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Only definitions nested less than this: 1 shows the outermost
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) depth: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci map`.
#[derive(Debug, Args)]
pub(crate) struct MapArguments {
    /// At most this many tokens, four bytes each
    #[arg(short, long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    pub(crate) tokens: u32,
    /// Words that matter now
    #[arg(short, long, value_name = "WORDS")]
    pub(crate) focus: Option<String>,
    /// A file that is being worked on; what it uses comes first
    #[arg(short, long, value_name = "PATH", value_delimiter = ',')]
    pub(crate) working_set: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci tests-for`.
#[derive(Debug, Args)]
pub(crate) struct TestsForArguments {
    /// The symbol; `Type::method` or `Type.method` narrows by parent
    pub(crate) symbol: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci impact`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  loci impact src/price.rs             what uses anything in the file
  loci impact Basket::total            what uses the method
  git diff | loci impact --diff        what uses the changed symbols")]
pub(crate) struct ImpactArguments {
    /// Files or symbols
    #[arg(required_unless_present = "diff", value_name = "PATH|SYMBOL")]
    pub(crate) what: Vec<String>,
    /// Read a unified diff from standard input
    #[arg(long, conflicts_with = "what")]
    pub(crate) diff: bool,
    /// How many levels of users
    #[arg(short, long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub(crate) depth: u32,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci index`.
#[derive(Debug, Args)]
pub(crate) struct IndexArguments {
    /// Say what the index holds, without bringing it up to date
    #[arg(long, conflicts_with = "rebuild")]
    pub(crate) status: bool,
    /// Remove the index and build it again
    #[arg(long)]
    pub(crate) rebuild: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
