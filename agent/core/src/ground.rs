//! Owns the grounding of calls: each tool's schema narrowed to what exists and to what the user said.
//! Uses the index through [`World`], the user's words and the results of the turn.
//! Never adds a tool, and never lets one that changes things through to a request that only asks.
//!
//! For a provider that is `grounded`, the grammar enforces what is written here, so that an argument that does not
//! exist cannot be produced. A tool whose required arguments have no candidate is left out.

mod globs;
mod intent;
mod paths;
mod symbols;
mod words;

use std::collections::BTreeSet;

use loci_inference::provider::{SUBSTRING_OF, ToolSpec};
use serde_json::{Map, Value, json};

pub use self::intent::{Intent, intent};
use self::paths::Places;
use self::words::{Shape, Words, unique};
use crate::tools::{Outcome, ToolContext};

/// Candidates of one argument; a longer list is more than a small model can tell apart.
const MAX_CANDIDATES: usize = 24;

/// What grounding must know of a project. An evaluation can describe one without an index on disk.
pub trait World {
    /// Whether a symbol of exactly this name is defined.
    fn defines(&self, symbol: &str) -> bool;

    /// Defined names that equal `words` when case and separators are ignored.
    fn symbols_like(&self, words: &str) -> Vec<String>;

    /// Every file, relative, `/` between components.
    fn paths(&self) -> Vec<String>;

    /// The tasks the project has a command for.
    fn tasks(&self) -> Vec<String>;
}

impl World for ToolContext {
    fn defines(&self, symbol: &str) -> bool {
        self.index.defines(symbol)
    }

    fn symbols_like(&self, words: &str) -> Vec<String> {
        self.index.symbols_like(words)
    }

    fn paths(&self) -> Vec<String> {
        self.index.files().unwrap_or_default().into_iter().map(|file| file.path).collect()
    }

    fn tasks(&self) -> Vec<String> {
        self.tasks.iter().map(|task| task.name.clone()).collect()
    }
}

/// The tools of this step with their schemas narrowed; see [`narrow_in`].
#[must_use]
pub fn narrow(
    specs: Vec<ToolSpec>,
    request: &str,
    earlier: &[Outcome],
    context: &ToolContext,
) -> Vec<ToolSpec> {
    narrow_in(specs, request, earlier, context)
}

/// The tools of this step with their schemas narrowed to what the request and the results name.
///
/// `earlier` are the results of this turn; where [`refers_back`] says that the request leans on what was before, put
/// the results of the turn before in front of them.
#[must_use]
pub fn narrow_in(
    specs: Vec<ToolSpec>,
    request: &str,
    earlier: &[Outcome],
    world: &dyn World,
) -> Vec<ToolSpec> {
    let words = Words::new(request);
    let paths = world.paths();
    let places = Places::find(&words, earlier, &paths);
    let symbols = symbols::find(&words, earlier, world);
    let ground = Ground { intent: intent(request), words: &words, places, symbols, paths: &paths, world };
    specs.into_iter().filter_map(|spec| ground.narrow(spec)).collect()
}

/// Whether the request leans on what was before it: `and who calls it?`, `now run them again`, `open that`.
#[must_use]
pub fn refers_back(request: &str) -> bool {
    const BACK: &[&str] = &[
        "it", "its", "that", "this", "them", "they", "those", "these", "there", "one", "first", "second",
        "same", "again", "result", "hit",
    ];
    let words = Words::new(request);
    let lower = words.lower();
    // A name or a path of its own is what `it` means.
    BACK.iter().any(|word| lower.contains(*word))
        && words.paths.is_empty()
        && !words.names.iter().any(|name| name.shape == Shape::Code)
}

/// Whether the request asks how something works, in words that need not be in the code: what the index ranks, and a
/// search for one of the words does not.
fn asks_for_meaning(words: &Words<'_>) -> bool {
    const MEANING: &str =
        "how why explain computed calculated implemented handled works decides determined happens logic";
    const TEXT: &str = "grep regex regexp mention mentions mentioned contain contains containing occurrence occurrences text \
                        string strings message lines line match matches matching todo todos fixme comment comments \
                        appear appears occur occurs say says";
    let lower = words.lower();
    let any = |list: &str| lower.iter().any(|word| words::among(word, list));
    words.quoted.is_empty() && any(MEANING) && !any(TEXT)
}

struct Ground<'a> {
    intent: Intent,
    words: &'a Words<'a>,
    places: Places,
    symbols: symbols::Symbols,
    paths: &'a [String],
    world: &'a dyn World,
}

/// What an argument may be.
enum Allowed {
    /// Anything its schema says already.
    Anything,
    /// One of these.
    OneOf(Vec<Value>),
    /// A quotation from these texts.
    Quoting(Vec<String>),
    /// Nothing fits: the argument goes, and with it the tool when it is required.
    Nothing,
}

impl Allowed {
    fn texts(texts: impl IntoIterator<Item = String>) -> Self {
        let values: Vec<Value> = unique(texts).into_iter().take(MAX_CANDIDATES).map(Value::from).collect();
        if values.is_empty() { Self::Nothing } else { Self::OneOf(values) }
    }

    fn or(self, otherwise: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Nothing => otherwise(),
            found => found,
        }
    }
}

impl Ground<'_> {
    fn narrow(&self, mut spec: ToolSpec) -> Option<ToolSpec> {
        if !self.is_wanted(&spec.name) {
            return None;
        }
        let required: BTreeSet<String> = spec
            .parameters
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        let Some(properties) = spec.parameters.get_mut("properties").and_then(Value::as_object_mut) else {
            return Some(spec);
        };
        let mut narrowed = Map::new();
        for (name, schema) in std::mem::take(properties) {
            match self.confine(&spec.name, &name, schema) {
                Some(schema) => {
                    narrowed.insert(name, schema);
                }
                None if required.contains(&name) => return None,
                None => {}
            }
        }
        *properties = narrowed;
        Some(spec)
    }

    /// Whether the request can want this tool at all.
    fn is_wanted(&self, tool: &str) -> bool {
        match tool {
            "write" | "edit" | "insert" | "delete" | "rename" => self.intent.edits,
            "run" | "bash" => self.intent.runs,
            "undo" => self.intent.undoes,
            "grep" => !asks_for_meaning(self.words),
            // A question is not a quotation of the user's words; no grounded model knows what left its window, or starts
            // anything that outlasts its turn.
            "ask_user" | "recall" | "jobs" => false,
            _ => true,
        }
    }

    fn confine(&self, tool: &str, name: &str, mut schema: Value) -> Option<Value> {
        let object = schema.as_object_mut()?;
        match self.allowed(tool, name) {
            Allowed::Anything => {}
            Allowed::OneOf(values) => {
                object.insert("enum".into(), Value::Array(values));
            }
            Allowed::Quoting(texts) => {
                object.remove("enum");
                object.insert(SUBSTRING_OF.into(), json!(texts));
            }
            Allowed::Nothing => return None,
        }
        Some(schema)
    }

    fn allowed(&self, tool: &str, argument: &str) -> Allowed {
        match (tool, argument) {
            ("rename", "symbol") => Allowed::texts(self.symbols.to_rename()),
            ("rename", "to") => Allowed::texts(self.symbols.new_names()),
            (_, "symbol") => Allowed::texts(self.symbols.asked()),
            ("write", "path") => Allowed::texts(self.places.files_old_and_new()),
            ("rename" | "git", "path") => Allowed::texts(self.places.files()),
            ("grep", "path") => Allowed::texts(self.places.files_and_folders()),
            (_, "path") => Allowed::texts(self.places.files()),
            ("glob", "pattern") => {
                Allowed::texts(globs::patterns(self.words, self.places.folders(), self.paths))
            }
            ("grep", "glob") => {
                // Everything is what grep looks at without a pattern.
                let patterns = globs::patterns(self.words, &[], self.paths);
                Allowed::texts(
                    patterns.into_iter().filter(|pattern| pattern.starts_with('*') && pattern.contains("*.")),
                )
            }
            ("grep", "pattern") => self.grep_pattern(),
            ("edit", "old" | "new") => self.edit_text(argument),
            ("git", "message") if !self.intent.commits => Allowed::Nothing,
            ("insert", "text") | ("git", "message") => Allowed::texts(self.quoted()).or(|| self.own_words()),
            ("write", "content") => self.content(),
            ("search", "query") => self.own_words(),
            ("todo", "text") => {
                Allowed::texts(self.words.quoted.iter().map(ToString::to_string)).or(|| self.own_words())
            }
            ("todo", "action") => Allowed::Anything,
            ("bash", "command") => self.command(),
            ("bash", "run_in_background" | "tty") => Allowed::Nothing,
            ("run", "task") => self.task(),
            ("run", "filter") => Allowed::texts(self.symbols.code_like()),
            ("git", "action") => self.git_action(),
            ("git", "revision") => Allowed::texts(self.revisions()),
            (_, "start" | "end" | "line" | "count" | "timeout") => {
                let numbers: Vec<Value> = self.words.numbers.iter().copied().map(Value::from).collect();
                if numbers.is_empty() { Allowed::Nothing } else { Allowed::OneOf(numbers) }
            }
            _ => Allowed::Anything,
        }
    }

    /// What is in quotation marks and is no path.
    fn quoted(&self) -> Vec<String> {
        self.words.quoted_texts(|text| self.words.paths.contains(&text))
    }

    fn own_words(&self) -> Allowed {
        let text = self.words.text.trim();
        if text.is_empty() { Allowed::Nothing } else { Allowed::Quoting(vec![text.to_owned()]) }
    }

    fn grep_pattern(&self) -> Allowed {
        let quoted = self.quoted();
        if !quoted.is_empty() {
            return Allowed::texts(quoted);
        }
        let mut texts = vec![self.words.text.trim().to_owned()];
        // `any TODOs left` is about `TODO`, which is no whole word of it.
        let lower = self.words.text;
        for marker in ["TODO", "FIXME", "HACK", "XXX"] {
            if lower.contains(&format!("{marker}s")) || lower.contains(&format!("{marker}'s")) {
                texts.push(marker.to_owned());
            }
        }
        if texts[0].is_empty() { Allowed::Nothing } else { Allowed::Quoting(texts) }
    }

    fn edit_text(&self, argument: &str) -> Allowed {
        let quoted = self.quoted();
        let lower = self.words.lower();
        let removing =
            ["remove", "delete", "drop", "erase", "nothing"].iter().any(|word| lower.contains(*word));
        match (quoted.len(), argument) {
            (1, "old") if removing => Allowed::texts(quoted),
            (1, _) if removing => Allowed::OneOf(vec![json!("")]),
            (0 | 1, _) => {
                let mut texts = vec![self.words.text.trim().to_owned()];
                texts.extend(quoted);
                Allowed::Quoting(texts)
            }
            (_, _) => Allowed::texts(quoted),
        }
    }

    fn content(&self) -> Allowed {
        let quoted = self.quoted();
        let lower = self.words.lower();
        if !quoted.is_empty() {
            return Allowed::texts(quoted);
        }
        let says = [
            "containing",
            "contains",
            "content",
            "contents",
            "with",
            "text",
            "says",
            "saying",
            "write",
            "holding",
            "reads",
            "put",
            "as",
        ];
        if lower.contains("empty") || !says.iter().any(|word| lower.contains(*word)) {
            return Allowed::OneOf(vec![json!("")]);
        }
        self.own_words()
    }

    fn command(&self) -> Allowed {
        let quoted = self.quoted();
        let commands: Vec<String> = quoted.iter().filter(|text| intent::is_command(text)).cloned().collect();
        if !commands.is_empty() {
            return Allowed::texts(commands);
        }
        if let Some(at) = intent::command_start(self.words.text) {
            return Allowed::Quoting(vec![self.words.text[at..].trim().to_owned()]);
        }
        if !quoted.is_empty() {
            return Allowed::texts(quoted);
        }
        // `run the tests` is a task; a command made of these words would be none.
        if self.hinted_tasks().is_empty() { self.own_words() } else { Allowed::Nothing }
    }

    fn task(&self) -> Allowed {
        let hinted = self.hinted_tasks();
        if !hinted.is_empty() {
            return Allowed::texts(hinted.into_iter().map(str::to_owned));
        }
        let known = self.world.tasks();
        if known.is_empty() { Allowed::Anything } else { Allowed::texts(known) }
    }

    /// The tasks that the words name. A task the project has no command for is named too, so that the answer says so
    /// instead of running another.
    fn hinted_tasks(&self) -> Vec<&'static str> {
        let lower = self.words.lower();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(*word));
        let mut found = Vec::new();
        if has(&[
            "test",
            "tests",
            "suite",
            "testsuite",
            "green",
            "retest",
            "testing",
            "specs",
            "unittests",
            "tets",
            "pass",
            "failing",
        ]) {
            found.push("test");
        }
        if has(&[
            "build",
            "builds",
            "compile",
            "compiles",
            "rebuild",
            "recompile",
            "compiling",
            "building",
            "compilation",
            "biuld",
            "complie",
        ]) {
            found.push("build");
        }
        if has(&["lint", "linter", "lints", "clippy", "eslint", "linting", "ruff", "flake8"])
            || has(&["style"]) && has(&["check", "code"])
        {
            found.push("lint");
        }
        if has(&[
            "format",
            "formatter",
            "reformat",
            "fmt",
            "formatting",
            "rustfmt",
            "prettier",
            "fromat",
            "pretty",
        ]) {
            found.push("format");
        }
        if has(&["server", "app", "application", "program", "start", "launch", "boot", "serve"])
            && found.is_empty()
        {
            found.push("run");
        }
        found
    }

    fn git_action(&self) -> Allowed {
        let actions = ["status", "diff", "log", "blame", "commit"];
        let allowed = actions.into_iter().filter(|action| self.intent.commits || *action != "commit");
        // Blame needs a file.
        let blamable = !self.places.files().is_empty();
        Allowed::OneOf(allowed.filter(|action| blamable || *action != "blame").map(Value::from).collect())
    }

    /// Words that can be a revision: `HEAD~2`, `v1.2.0`, a hash, what stands behind `since`, `against`, `from`.
    fn revisions(&self) -> Vec<String> {
        const BEHIND: &[&str] = &[
            "since", "against", "from", "to", "with", "branch", "on", "between", "tag", "commit", "revision",
            "and", "than", "vs",
        ];
        const DATES: &[&str] = &[
            "monday",
            "tuesday",
            "wednesday",
            "thursday",
            "friday",
            "saturday",
            "sunday",
            "week",
            "month",
            "year",
        ];
        let pieces: Vec<&str> = self
            .words
            .text
            .split_whitespace()
            .map(|piece| {
                piece.trim_matches(|character: char| "\"'`,;?!()".contains(character)).trim_end_matches('.')
            })
            .collect();
        let mut found = Vec::new();
        for (at, piece) in pieces.iter().enumerate() {
            let lower = piece.to_lowercase();
            let before = at.checked_sub(1).map(|at| pieces[at].to_lowercase()).unwrap_or_default();
            let hash = piece.len() >= 7
                && piece.len() <= 40
                && piece.chars().all(|character| character.is_ascii_hexdigit())
                && piece.chars().any(|character| character.is_ascii_digit());
            let version = lower.trim_start_matches('v').contains('.')
                && lower
                    .trim_start_matches('v')
                    .chars()
                    .all(|character| character.is_ascii_digit() || character == '.');
            let known =
                ["main", "master", "develop", "trunk", "dev", "staging", "release", "yesterday", "today"]
                    .contains(&lower.as_str())
                    || piece.starts_with("HEAD")
                    || piece.starts_with("origin/")
                    || piece.starts_with("feature/");
            let path = self.words.paths.contains(piece)
                && !piece.starts_with("origin/")
                && !piece.starts_with("feature/");
            if (hash || version || known) && !path {
                found.push((*piece).to_owned());
            } else if before == "last" && DATES.contains(&lower.as_str()) {
                found.push(format!("{} {piece}", pieces[at - 1]));
            } else if DATES.contains(&lower.as_str()) && BEHIND.contains(&before.as_str()) {
                found.push((*piece).to_owned());
            } else if lower == "ago" && at >= 2 {
                found.push(pieces[at - 2..=at].join(" "));
            } else if BEHIND.contains(&before.as_str())
                && !path
                && !words::is_common(piece)
                && before != "and"
                && before != "with"
                && piece.chars().all(|character| character.is_alphanumeric() || "_-./~^".contains(character))
                && !piece.is_empty()
            {
                found.push((*piece).to_owned());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests;
