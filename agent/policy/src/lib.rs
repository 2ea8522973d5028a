//! Owns the permission contract as a pure function: [`decide`].
//! Uses a shell reader of our own for commands, and rules as users write them.
//! Never does I/O: what it must know of the file system comes through [`Files`].

mod bash;
mod context;
mod finding;
mod fold;
mod glob;
mod hidden;
mod host;
mod literal;
mod own_tests;
mod path_check;
mod place;
mod rule;
mod scopes;
mod second;
mod shell;
mod tools;

pub mod batch;
pub mod explain;

pub use context::{Context, FileSystem, Fingerprint, Hook, Managed};

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Rules in the grammar `Tool` or `Tool(spec)`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// Never.
    pub deny: Vec<Rule>,
    /// Ask each time.
    pub ask: Vec<Rule>,
    /// Go ahead.
    pub allow: Vec<Rule>,
}

/// One rule and where it comes from. In files it is a text, or a table with the text under `rule`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Rule {
    /// As written: `Bash(git log:*)`.
    #[serde(rename = "rule")]
    pub text: String,
    /// Who says so.
    #[serde(default)]
    pub layer: Layer,
    /// The file, variable or flag, for people; empty when unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// Calls that it must match, checked when it is loaded: `git log -3`.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<String>,
    /// Calls that it must not match.
    #[serde(default, rename = "not_match", skip_serializing_if = "Vec::is_empty")]
    pub not_matches: Vec<String>,
    /// Hosts that a command may reach which only this rule allows: `crates.io`, `*.crates.io`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<String>,
}

/// A rule in either form.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Table(Table),
}

/// The long form of a rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    rule: String,
    #[serde(default)]
    layer: Layer,
    #[serde(default)]
    origin: String,
    #[serde(default, rename = "match")]
    matches: Vec<String>,
    #[serde(default, rename = "not_match")]
    not_matches: Vec<String>,
    #[serde(default)]
    network: Vec<String>,
}

impl From<Written> for Rule {
    fn from(written: Written) -> Self {
        match written {
            Written::Text(text) => Self::from(text),
            Written::Table(Table { rule, layer, origin, matches, not_matches, network }) => {
                Self { text: rule, layer, origin, matches, not_matches, network }
            }
        }
    }
}

impl From<String> for Rule {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl From<&str> for Rule {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

/// Who wrote a rule (S14), weakest first. Rules of all layers are merged, and the strictest list wins whatever its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The user, for all projects.
    #[default]
    User,
    /// The project, for everybody who works on it.
    Project,
    /// The user, for this project.
    Local,
    /// The user, for this run.
    CommandLine,
    /// Whoever runs the machine.
    Managed,
}

impl Rules {
    /// Every rule that does not do what it seems to say. A deny or ask rule that cannot be read asks.
    #[must_use]
    pub fn check(&self) -> Vec<RuleProblem> {
        rule::RuleSet::new(self).problems()
    }
}

/// A rule that does not do what it seems to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleProblem {
    /// `deny`, `ask` or `allow`.
    pub list: String,
    /// As written.
    pub rule: String,
    /// One sentence for the user.
    pub why: String,
}

/// How calls are approved (S13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Reading is free; edits and commands ask.
    #[default]
    Default,
    /// Edits inside the workspace are free too.
    AcceptEdits,
    /// Nothing is changed and nothing that changes is run.
    Plan,
    /// Whatever would ask is denied.
    DontAsk,
    /// Nothing asks, except explicit rules and the removal of `/` or the home directory.
    BypassPermissions,
}

/// What the engine may ask of the file system.
pub trait Files {
    /// The path with every symbolic link followed, as far as it exists; the rest appended.
    fn resolve(&self, path: &Path) -> PathBuf;

    /// What is there, links not followed.
    fn kind(&self, path: &Path) -> Kind;
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Missing,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A socket, device or pipe.
    Other,
}

/// Whether a call may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Run it.
    Allow,
    /// Ask the user.
    Ask,
    /// Do not run it.
    Deny,
}

/// A verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The verdict.
    pub decision: Verdict,
    /// The rule that decided, as written, if one did.
    pub rule: Option<String>,
    /// Where that rule stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// One sentence for the user.
    pub why: String,
    /// Every sub-command or resolved path that was looked at, hidden characters escaped.
    pub parts: Vec<String>,
    /// For a question: the literal rules, one for each sub-command or path that asks, under which just this would be
    /// allowed from now on; empty when no rule may allow it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Hosts that the command may reach once it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<String>,
    /// Whether a part of the command is a program that has to write to the repository's own folder, such as `git commit`.
    #[serde(default)]
    pub repository: bool,
}

/// Decide one call. `tool` and `input` use the names users know: `Bash{command}`, `Read{file_path}`, `Edit{file_path}`,
/// `Write{file_path}`, `Grep{pattern, path}`, `Glob{pattern, path}`, `WebFetch{url}`, `mcp__server__tool{…}`.
///
/// Never panics, whatever the input; what cannot be understood is never allowed.
#[must_use]
pub fn decide(
    rules: &Rules,
    mode: Mode,
    context: &Context,
    tool: &str,
    input: &Value,
    files: &dyn Files,
) -> Decision {
    tools::decide(rules, mode, context, tool, input, files)
}

/// Whether a host is the one that a pattern names (S11): `x` exactly, `*.x` at any depth below but not `x` itself.
#[must_use]
pub fn host_matches(pattern: &str, host: &str) -> bool {
    let plain = |text: &str| text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let host = plain(host);
    let letters = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    letters && !host.is_empty() && host::matches(&plain(pattern), &host)
}

/// Whether a tool that reads many files may show this one: false when a deny rule for reading holds for it.
#[must_use]
pub fn may_show(rules: &Rules, context: &Context, path: &Path, files: &dyn Files) -> bool {
    tools::may_show(rules, context, path, files)
}
