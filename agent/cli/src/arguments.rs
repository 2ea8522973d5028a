//! Owns the command line: every subcommand, flag and its help.
//! Uses clap.
//! Never does anything; `main` matches on what is parsed here.

mod audit;
mod bench;
mod bundle;
mod code;
mod context;
mod models;
mod route;
mod serve;
mod sessions;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use audit::{AuditAction, AuditArguments, AuditFormat};
pub(crate) use bench::{BenchArguments, QualifyArguments};
pub(crate) use bundle::{
    BundleAction, BundleArguments, BundleCreateArguments, BundleInstallArguments, BundleVerifyArguments,
};
pub(crate) use code::{
    CalleesArguments, CallersArguments, ImpactArguments, IndexArguments, MapArguments, OutlineArguments,
    RefsArguments, SearchArguments, TestsForArguments, WhereArguments,
};
pub(crate) use context::{
    ContextAction, ContextArguments, ContextDiffArguments, ContextReplayArguments, ContextShowArguments,
    RecallArguments,
};
pub(crate) use models::{ModelsAction, ModelsArguments, ModelsShown, PullArguments};
pub(crate) use route::{EgressAction, EgressArguments, WhyArguments};
pub(crate) use serve::ServeArguments;
pub(crate) use sessions::{
    ExportFormat, SessionsAction, SessionsArguments, SessionsExportArguments, SessionsForkArguments,
    SessionsListArguments, SessionsRenameArguments, SessionsRmArguments, SessionsShowArguments,
};

/// A local-first coding agent: finds, explains, edits and runs, with a model inside the process.
///
/// Without a subcommand and without -p it opens a conversation in the current project.
#[derive(Debug, Parser)]
#[command(name = "loci", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Examples:
  loci -p \"where is Config defined?\"        one request, then exit
  loci -p \"who calls parse?\" -C ../other     in another project
  git diff | loci -p \"review this\"           with piped input
  loci search \"retry backoff\"                the index alone, no model
  loci models                                what runs on this machine

Exit codes: 0 done, 1 task failed or nothing found, 2 usage, 130 interrupted.")]
pub(crate) struct Cli {
    /// What to do; a conversation when absent.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Flags of a conversation or a single request.
    #[command(flatten)]
    pub(crate) ask: AskArguments,

    /// Flags that every command takes.
    #[command(flatten)]
    pub(crate) shared: SharedArguments,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct SharedArguments {
    /// Work in this directory instead of the current one
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true)]
    pub(crate) directory: Option<PathBuf>,

    /// Show tool calls and progress even when standard error is not a terminal
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,

    /// Show nothing but the answer and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,

    /// Use no network at all: the system refuses every socket but those of this machine, to what is started as well
    #[arg(long, global = true)]
    pub(crate) offline: bool,
}

/// Flags of a conversation or a single request.
#[derive(Debug, Clone, Args)]
pub(crate) struct AskArguments {
    /// Answer this one request and exit; piped input is appended
    #[arg(short, long, value_name = "REQUEST", num_args = 0..=1, default_missing_value = "")]
    pub(crate) print: Option<String>,

    /// A picture that goes with the request; may be given several times
    #[arg(long, value_name = "FILE", requires = "print")]
    pub(crate) image: Vec<PathBuf>,

    /// How -p answers
    #[arg(long, value_enum, default_value_t = OutputFormat::Text, requires = "print")]
    pub(crate) output_format: OutputFormat,

    /// A name of `loci models`, a path to a GGUF file, SERVICE/MODEL, or scripted:FILE
    #[arg(short, long, value_name = "MODEL")]
    pub(crate) model: Option<String>,

    /// Ask nothing of a model that runs elsewhere, whatever is configured
    #[arg(long, conflicts_with = "remote")]
    pub(crate) local: bool,

    /// Prefer a service among the models that would do
    #[arg(long)]
    pub(crate) remote: bool,

    /// Stop after this many steps of the model in one turn
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_turns: Option<u32>,

    /// How calls are approved: default, acceptEdits, plan, dontAsk, bypassPermissions
    #[arg(long, value_name = "MODE", value_parser = permission_mode)]
    pub(crate) permission_mode: Option<loci_protocol::PermissionMode>,

    /// Let calls that match this rule run without asking, such as "Bash(cargo test*)"
    #[arg(long, value_name = "RULE")]
    pub(crate) allow: Vec<String>,

    /// Never run calls that match this rule, such as "Read(secrets/**)"
    #[arg(long, value_name = "RULE")]
    pub(crate) deny: Vec<String>,

    /// Go on with the newest session of this project
    #[arg(short, long = "continue", conflicts_with = "resume")]
    pub(crate) continue_last: bool,

    /// Go on with this session; without an ID, choose one on the full screen
    #[arg(short, long, value_name = "ID", num_args = 0..=1, default_missing_value = "")]
    pub(crate) resume: Option<String>,

    /// Hold the conversation line by line, in words, for screen readers: nothing moves and nothing is drawn
    #[arg(long, conflicts_with = "print")]
    pub(crate) plain: bool,

    /// Trust this project from now on: its configuration and AGENTS.md are read
    #[arg(long)]
    pub(crate) trust: bool,

    /// The same seed, prompt and model give the same answer
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u32>,

    /// How freely tokens are drawn; 0 always takes the likeliest
    #[arg(long, value_name = "T", value_parser = temperature)]
    pub(crate) temperature: Option<f32>,

    /// Open a window of this many tokens
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(256..))]
    pub(crate) context: Option<u32>,
}

/// How `-p` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// The answer alone on standard output
    Text,
    /// One object with answer, citations and figures
    Json,
    /// One event a line as it happens, then the object
    StreamJson,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find code by words, names or paths
    Search(SearchArguments),
    /// Show where a symbol is defined
    Where(WhereArguments),
    /// Show who calls a symbol, and who calls those
    Callers(CallersArguments),
    /// Show what a symbol calls, and where that is defined
    Callees(CalleesArguments),
    /// Show every use of a symbol: calls, types, imports, mentions
    Refs(RefsArguments),
    /// Show the definitions in files or folders
    Outline(OutlineArguments),
    /// Show the definitions that matter most, within a budget of tokens
    Map(MapArguments),
    /// Show the tests that reach a symbol, and how to run them
    TestsFor(TestsForArguments),
    /// Show what a change of a file, a symbol or a diff touches
    Impact(ImpactArguments),
    /// Build or refresh the index of this project
    Index(IndexArguments),
    /// List models and which of them fit this machine; download, check and remove them
    Models(ModelsArguments),
    /// Measure how fast a model runs on this machine
    Bench(BenchArguments),
    /// Make, check and install one file with all that a machine without a network needs
    Bundle(BundleArguments),
    /// Serve the models of this machine to other programs: OpenAI's protocol, on loopback, with a token
    Serve(ServeArguments),
    /// Take back file changes of a session: the newest, or those of a call, a file or a turn
    Undo(UndoArguments),
    /// Bring back what `loci undo` took back last
    Redo(RedoArguments),
    /// List, show, fork, export or remove the sessions of this project
    Sessions(SessionsArguments),
    /// Say which model would answer, and why no other one
    Why(WhyArguments),
    /// Show what left this machine, and what would
    Egress(EgressArguments),
    /// Check what was written down of decisions and effects, and print it
    Audit(AuditArguments),
    /// Show what was in a session's window, and why
    Context(ContextArguments),
    /// Find what was said in the sessions of this project
    Recall(RecallArguments),
    /// Show the configuration
    Config(ConfigArguments),
    /// List the servers of tools that this project names
    Mcp(McpArguments),
    /// Trust this project: let its configuration and AGENTS.md take effect
    Trust(TrustArguments),
    /// Run a command in the sandbox of this project
    Sandbox(SandboxArguments),
    /// Say how this machine stands: sandbox, programs, index, disk, trust
    Doctor(DoctorArguments),
    /// Show, explain and test what may run without asking
    Policy(PolicyArguments),
    /// Print the completion script of a shell
    Completions(CompletionsArguments),
    /// Print a page of the manual, or write all of them
    Man(ManArguments),
}

/// `loci undo`.
#[derive(Debug, Args)]
pub(crate) struct UndoArguments {
    /// The session whose changes are taken back; the newest of this project when absent
    #[arg(value_name = "SESSION")]
    pub(crate) session: Option<String>,
    /// Take back what one call changed; `--list` shows the ids
    #[arg(long, value_name = "ID", group = "which")]
    pub(crate) call: Option<String>,
    /// Take back the newest change to one file, and to nothing else
    #[arg(long, value_name = "PATH", group = "which")]
    pub(crate) file: Option<PathBuf>,
    /// Take back what one turn changed
    #[arg(long, value_name = "N", group = "which")]
    pub(crate) turn: Option<u32>,
    /// Take back what this turn and those after it changed
    #[arg(long, value_name = "N", group = "which")]
    pub(crate) since: Option<u32>,
    /// List the changes of the session, oldest first
    #[arg(long)]
    pub(crate) list: bool,
    /// Say what would be restored, and restore nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci redo`.
#[derive(Debug, Args)]
pub(crate) struct RedoArguments {
    /// The session whose changes are brought back; the newest of this project when absent
    #[arg(value_name = "SESSION")]
    pub(crate) session: Option<String>,
    /// Say what would be brought back, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    /// What to show
    #[command(subcommand)]
    pub(crate) action: ConfigAction,
}

/// What `loci config` does.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Print every key with its value
    Show {
        /// Say where each value was set
        #[arg(long)]
        origin: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// `loci trust`.
#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// Trust it no longer
    #[arg(long, conflicts_with_all = ["list", "show", "diff"])]
    pub(crate) revoke: bool,
    /// List the folders that you decided about
    #[arg(long, conflicts_with_all = ["show", "diff"])]
    pub(crate) list: bool,
    /// Show whether it is trusted, and what takes effect when it is
    #[arg(long, conflicts_with = "diff")]
    pub(crate) show: bool,
    /// Show what its files enable now and did not when you trusted it
    #[arg(long)]
    pub(crate) diff: bool,
}

/// `loci policy`.
#[derive(Debug, Args)]
pub(crate) struct PolicyArguments {
    /// What to do
    #[command(subcommand)]
    pub(crate) action: PolicyAction,
}

/// What `loci policy` does.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyAction {
    /// Decide described calls, one JSON object a line in, one decision a line out
    Check {
        /// The file of calls, or - for standard input
        #[arg(long, value_name = "FILE")]
        cases: PathBuf,
    },
    /// Say what would be decided about a command here, and why
    Explain(PolicyExplainArguments),
    /// List the rules in force, with where they stand
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show everything that decides here, with its hash as it stands in the log
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget a rule that an approval saved for this project
    Forget {
        /// The rule, as `loci policy list` shows it
        #[arg(value_name = "RULE")]
        rule: String,
    },
    /// Run the tests that rules carry, and name rules that do not do what they seem to say
    Test,
}

/// `loci policy explain`.
#[derive(Debug, Args)]
pub(crate) struct PolicyExplainArguments {
    /// The command
    #[arg(value_name = "COMMAND", required_unless_present = "input", conflicts_with = "input")]
    pub(crate) command: Option<String>,
    /// Explain a call of this tool instead of a command
    #[arg(long, value_name = "TOOL", requires = "input", default_value = "Bash")]
    pub(crate) tool: String,
    /// The arguments of the call, as JSON
    #[arg(long, value_name = "JSON")]
    pub(crate) input: Option<String>,
    /// Under this mode: default, acceptEdits, plan, dontAsk, bypassPermissions
    #[arg(long, value_name = "MODE", value_parser = permission_mode)]
    pub(crate) mode: Option<loci_protocol::PermissionMode>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci mcp`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  loci mcp           the servers in .mcp.json, and whether the policy of this machine permits them

This version starts none of them.")]
pub(crate) struct McpArguments {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci sandbox`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  loci sandbox -- cargo test
  loci sandbox --level restricted -- bash -c 'echo x > /etc/x'
  loci sandbox --writable ~/.cache --network -- npm install

It ends with the exit code of the command, 128 and the number of a signal that ended it.")]
pub(crate) struct SandboxArguments {
    /// How well the command is held in; the best that this machine gives when absent
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(crate) level: Option<SandboxLevel>,
    /// Let it write to this folder as well
    #[arg(long, value_name = "DIR")]
    pub(crate) writable: Vec<PathBuf>,
    /// Let it reach the network
    #[arg(long)]
    pub(crate) network: bool,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

/// How well a command is held in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SandboxLevel {
    /// A file system, processes and a network of its own
    Full,
    /// Landlock and a filter of system calls
    Restricted,
    /// Not at all
    None,
}

/// `loci doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "With --offline it goes offline, tries every way to a network, and fails if one is open."
)]
pub(crate) struct DoctorArguments {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `loci man`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  loci man | man -l -
  loci man models pull | man -l -
  loci man --to ~/.local/share/man/man1        then: man loci")]
pub(crate) struct ManArguments {
    /// The page of this command
    #[arg(value_name = "COMMAND", conflicts_with = "to")]
    pub(crate) command: Vec<String>,
    /// Write every page to this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
}

/// `loci completions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  loci completions bash > ~/.local/share/bash-completion/completions/loci
  loci completions zsh > \"${fpath[1]}/_loci\"
  loci completions fish > ~/.config/fish/completions/loci.fish
  loci completions powershell >> $PROFILE")]
pub(crate) struct CompletionsArguments {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

fn permission_mode(name: &str) -> Result<loci_protocol::PermissionMode, String> {
    loci_protocol::PermissionMode::from_name(name).ok_or_else(|| {
        let names: Vec<&str> =
            loci_protocol::PermissionMode::ALL.into_iter().map(|mode| mode.name()).collect();
        format!("the modes are {}", names.join(", "))
    })
}

fn temperature(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if (0.0..=5.0).contains(&value) => Ok(value),
        _ => Err("a number from 0 to 5".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_subcommand_and_flag_has_help() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} has no help", command.get_name());
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                assert!(
                    argument.get_help().is_some(),
                    "{} {} has no help",
                    command.get_name(),
                    argument.get_id()
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn flags_are_as_documented() {
        let check = |line: &str| Cli::try_parse_from(line.split(' ')).map_err(|error| error.kind());
        let cli =
            check("loci -p hello --output-format stream-json -m m.gguf --max-turns 3 -c").expect("parses");
        assert_eq!(cli.ask.print.as_deref(), Some("hello"));
        assert_eq!(cli.ask.output_format, OutputFormat::StreamJson);
        assert!(cli.ask.continue_last);
        assert_eq!(check("loci -p").expect("parses").ask.print.as_deref(), Some(""));
        let cli = check("loci search a b --json -C /tmp").expect("parses");
        assert_eq!(cli.shared.directory.as_deref(), Some(std::path::Path::new("/tmp")));
        check("loci --permission-mode acceptEdits --allow Read --deny Bash(rm*)").expect("parses");
        let cli = check("loci bench -m builtin -p 16,32 -n 0 -d 0,64 --batch 1,4").expect("parses");
        let Some(Command::Bench(bench)) = cli.command else { panic!("another command") };
        assert_eq!((bench.prompt, bench.generate, bench.batch), (vec![16, 32], vec![0], vec![1, 4]));
        check("loci search --batch - --json -C /tmp").expect("parses");
        let named = |line: &str| match check(line).expect("parses").command {
            Some(Command::Models(ModelsArguments { action: None, name, shown })) => (name, shown.json),
            other => panic!("{other:?}"),
        };
        assert_eq!(named("loci models"), (None, false));
        assert_eq!(named("loci models qwen3-4b --json"), (Some("qwen3-4b".into()), true));
        check("loci models list --json").expect("parses");
        check("loci models pull hf:a/b/x.gguf --yes").expect("parses");
        check("loci models verify").expect("parses");
        check("loci impact --diff").expect("parses");
        check("loci policy check --cases -").expect("parses");
        check("loci policy explain ls --mode plan --json").expect("parses");
        check("loci policy explain --tool Read --input {}").expect("parses");
        check("loci trust --diff").expect("parses");
        check("loci context diff 3 9 --session 0198").expect("parses");
        check("loci context replay --session a.jsonl --session b.jsonl --questions q.jsonl -C /tmp")
            .expect("parses");
        for wrong in [
            "loci --permission-mode yolo",
            "loci --temperature hot",
            "loci --max-turns 0",
            "loci --context 1",
            "loci search",
            "loci where",
            "loci search --batch x y",
            "loci callers x --tests --no-tests",
            "loci callers x --depth 0",
            "loci refs x --kind frobnication",
            "loci impact",
            "loci policy",
            "loci policy check",
            "loci policy explain",
            "loci policy explain --tool Read",
            "loci trust --revoke --list",
            "loci recall",
            "loci context",
            "loci context show --at 0",
            "loci context diff 3",
            "loci context diff 1 2 3",
            "loci context replay --session a.jsonl",
            "loci context replay --session a --questions q --budget 7",
            "loci recall x -n 0",
            "loci outline",
            "loci map --tokens 0",
            "loci --continue --resume x",
            "loci frobnicate",
            "loci models pull",
            "loci models rm",
            "loci models a b",
            "loci bench",
            "loci bundle",
            "loci bundle create",
            "loci bundle verify --key k",
            "loci bench -m x -b 0",
            "loci bench -m x -r 0",
            "loci bench -m x -p many",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
