//! Owns the table of configuration keys: what each takes, and whether it can only restrict.
//! Uses `similar` for "did you mean".
//! Never reads a file.

use loci_protocol::PermissionMode;
use toml::Value;

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number in a range.
    Integer(i64, i64),
    /// A number in a range.
    Number(f64, f64),
    /// True or false.
    Flag,
    /// Texts; the layers' lists are joined.
    List,
    /// Rules, each a text or a table; the layers' lists are joined.
    Rules,
    /// The name of a permission mode.
    Mode,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// A key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// The dotted name; `*` stands for a name of the user's choice.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its value when nobody sets it, as text.
    pub default: Option<&'static str>,
    /// For help.
    pub help: &'static str,
}

const MANY: i64 = 1 << 40;

/// Every key, in the order in which help lists them.
pub const KEYS: &[Key] = &[
    key(
        "model",
        Kind::Text,
        None,
        "the model: a name of the catalogue, a .gguf file, PROVIDER or PROVIDER/MODEL",
    ),
    key("permission_mode", Kind::Mode, Some("default"), "how calls are approved"),
    key("allow", Kind::Rules, None, "rules for calls that go ahead"),
    key("ask", Kind::Rules, None, "rules for calls that ask each time"),
    key("deny", Kind::Rules, None, "rules for calls that are never made"),
    key("additional_directories", Kind::List, None, "further folders to work in"),
    key(
        "sandbox",
        Kind::OneOf(&["auto", "full", "restricted", "off"]),
        Some("auto"),
        "what holds commands in: auto, full, restricted (at least these), or off (the rules alone)",
    ),
    key("sandbox_writable", Kind::List, None, "folders outside the project that commands may write to"),
    key(
        "sandbox_network",
        Kind::List,
        None,
        "hosts that every command may reach: crates.io, *.crates.io, git.example:22",
    ),
    key("sandbox_keep_env", Kind::List, None, "variables that commands keep although they look like secrets"),
    key("offline", Kind::Flag, Some("false"), "use no network at all"),
    key(
        "redact",
        Kind::Flag,
        Some("true"),
        "secrets are taken out of what is sent to a model that runs elsewhere",
    ),
    key("max_turns", Kind::Integer(1, 100_000), Some("50"), "steps of the model for one prompt"),
    key("max_tokens", Kind::Integer(1, MANY), None, "new tokens in one step"),
    key("context_length", Kind::Integer(64, MANY), None, "tokens of context, if less than the model holds"),
    key(
        "confine_edits",
        Kind::Flag,
        Some("false"),
        "a local model can edit only files it read, and only text that stands there",
    ),
    key("temperature", Kind::Number(0.0, 10.0), None, "0 always takes the most probable token"),
    key("top_k", Kind::Integer(0, MANY), None, "sample from the k most probable tokens; 0 from all"),
    key("top_p", Kind::Number(0.0, 1.0), None, "sample from the tokens that make up this probability"),
    key("min_p", Kind::Number(0.0, 1.0), None, "drop tokens less probable than this times the best"),
    key("repeat_penalty", Kind::Number(0.1, 10.0), None, "1 is off"),
    key("repeat_last_n", Kind::Integer(0, MANY), None, "tokens that count as recent"),
    key("seed", Kind::Integer(0, i64::MAX), None, "the same seed and prompt give the same answer"),
    key(
        "embeddings",
        Kind::Text,
        Some("static"),
        "meaning in searches: static (a table that is part of the program), off, or the folder or wheel of a BERT model",
    ),
    key("max_file_bytes", Kind::Integer(0, MANY), Some("1048576"), "larger files are not indexed"),
    key(
        "snapshot_mib",
        Kind::Integer(0, MANY),
        Some("4096"),
        "space on the disk for the state of long prompts, so that a later start need not read them again; 0 is off",
    ),
    key(
        "undo_mib",
        Kind::Integer(0, MANY),
        Some("4096"),
        "space on the disk for what files were before the agent changed them; the oldest gives way",
    ),
    key(
        "undo_days",
        Kind::Integer(0, 100_000),
        Some("0"),
        "days after which it is dropped; 0 keeps it as long as there is space",
    ),
    key(
        "never_leaves",
        Kind::List,
        None,
        "paths, as in Read(…), whose content never leaves this machine: \"secrets/**\"",
    ),
    key(
        "labelled",
        Kind::OneOf(&["stub", "stay"]),
        Some("stub"),
        "a session that holds such content goes on elsewhere with stubs in its place, or stays with local models",
    ),
    key(
        "prefer",
        Kind::OneOf(&["order", "local", "remote", "cheap", "fast"]),
        Some("order"),
        "what counts among models that would all do: order (as a role names them), local, remote, cheap or fast",
    ),
    key("local_only", Kind::Flag, Some("false"), "ask nothing of a model that runs elsewhere"),
    key(
        "budget_usd",
        Kind::Number(0.0, 1e9),
        None,
        "what a session may cost in US dollars; then only models without a price answer",
    ),
    key("tasks.*", Kind::Text, None, "the project's command for test, build, lint, format or run"),
    key(
        "providers.*.base_url",
        Kind::Text,
        None,
        "a service, up to and including the version: https://host/v1",
    ),
    key(
        "providers.*.protocol",
        Kind::OneOf(&["chat", "responses", "anthropic", "gemini"]),
        None,
        "what it speaks: chat (OpenAI-compatible), responses, anthropic, gemini",
    ),
    key("providers.*.api_key_env", Kind::Text, None, "the variable that holds its key"),
    key("providers.*.model", Kind::Text, None, "the model to ask it for"),
    key("providers.*.context_length", Kind::Integer(64, MANY), None, "tokens that the model holds"),
    key("providers.*.images", Kind::Flag, None, "the model takes pictures"),
    key(
        "providers.*.reasoning",
        Kind::OneOf(&loci_inference::service::Effort::NAMES),
        None,
        "how much it reasons: off, low, medium, high",
    ),
    key("providers.*.sampling", Kind::Flag, None, "temperature and the like are sent"),
    key(
        "providers.*.auth",
        Kind::Text,
        None,
        "how the key is sent: bearer, or the name of a header such as api-key",
    ),
    key("providers.*.headers", Kind::List, None, "further headers, each \"Name: value\""),
    key("providers.*.query", Kind::List, None, "further parts of the query, each \"name=value\""),
    key("providers.*.ca_file", Kind::Text, None, "certificates (PEM) to trust beside those of the system"),
    key("providers.*.proxy", Kind::Text, None, "http://, https:// or socks5:// address of a proxy, or none"),
    key("providers.*.plain_http", Kind::Flag, None, "send the key over plain HTTP to another machine"),
    key("providers.*.connect_timeout", Kind::Integer(1, 3_600), None, "seconds to wait for a connection"),
    key("providers.*.first_byte_timeout", Kind::Integer(1, 86_400), None, "seconds to wait for the answer"),
    key("providers.*.idle_timeout", Kind::Integer(1, 86_400), None, "seconds between two pieces of it"),
    key("providers.*.retries", Kind::Integer(0, 100), None, "further tries after the first"),
    key("providers.*.price.input", Kind::Number(0.0, 1e6), None, "US dollars for a million tokens of prompt"),
    key("providers.*.price.cached", Kind::Number(0.0, 1e6), None, "the same, where they are re-used"),
    key("providers.*.price.cache_written", Kind::Number(0.0, 1e6), None, "the same, where they are stored"),
    key("providers.*.price.output", Kind::Number(0.0, 1e6), None, "US dollars for a million tokens written"),
    key(
        "providers.*.on_this_machine",
        Kind::Flag,
        None,
        "the service runs on this machine and passes nothing on: it counts as local",
    ),
    key(
        "screen.full",
        Kind::Flag,
        Some("true"),
        "the conversation takes the whole terminal; line by line otherwise",
    ),
    key("screen.theme", Kind::Text, Some("ansi"), "the colours; `/theme` lists the themes"),
    key("screen.vim", Kind::Flag, Some("false"), "keys of vi where a prompt is written"),
    key("screen.mouse", Kind::Flag, Some("true"), "the wheel and the buttons of the mouse are used"),
    key(
        "screen.plain",
        Kind::Flag,
        Some("false"),
        "for screen readers: line by line, nothing moves, words instead of signs",
    ),
    key(
        "screen.notify",
        Kind::OneOf(&["auto", "osc9", "osc777", "bell", "off"]),
        Some("auto"),
        "how you are told that a turn is over or waits while you look elsewhere",
    ),
    key(
        "screen.status_line",
        Kind::Text,
        None,
        "a command of yours whose output stands in the status line; it gets the session as JSON (user's files only)",
    ),
];

const fn key(name: &'static str, kind: Kind, default: Option<&'static str>, help: &'static str) -> Key {
    Key { name, kind, default, help }
}

impl Key {
    /// The value when nobody sets it.
    #[must_use]
    pub fn default_value(&self) -> Option<Value> {
        parse_kind(self.kind, self.default?).ok()
    }
}

/// The key of that dotted name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| {
        let (mut pattern, mut written) = (key.name.split('.'), name.split('.'));
        loop {
            match (pattern.next(), written.next()) {
                (None, None) => return true,
                (Some("*"), Some(part)) if !part.is_empty() => {}
                (Some(one), Some(two)) if one == two => {}
                _ => return false,
            }
        }
    })
}

/// Whether a value can only restrict, so that it counts even where the project is not trusted.
#[must_use]
pub fn restricts(name: &str, value: &Value) -> bool {
    match name {
        "deny" | "ask" | "never_leaves" => true,
        "labelled" => value.as_str() == Some("stay"),
        "offline" | "redact" | "local_only" => value.as_bool() == Some(true),
        "sandbox" => matches!(value.as_str(), Some("full" | "restricted")),
        _ => false,
    }
}

/// The known key that looks most like an unknown one.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    let alike = |key: &Key| similar::TextDiff::from_chars(name, key.name).ratio();
    KEYS.iter()
        .map(|key| (alike(key), key.name))
        .filter(|(ratio, _)| *ratio >= 0.7)
        .max_by(|one, two| one.0.total_cmp(&two.0))
        .map(|(_, name)| name)
}

/// The value as its key wants it, or what is wrong with it.
pub(super) fn check(key: &Key, value: Value) -> Result<Value, String> {
    match (key.kind, &value) {
        (Kind::Text, Value::String(_)) | (Kind::Flag, Value::Boolean(_)) => Ok(value),
        (Kind::Text, _) => Err("must be a text".into()),
        (Kind::Flag, _) => Err("must be true or false".into()),
        (Kind::Integer(low, high), Value::Integer(number)) if (low..=high).contains(number) => Ok(value),
        (Kind::Integer(low, high), _) if high >= MANY => Err(format!("must be a whole number from {low}")),
        (Kind::Integer(low, high), _) => Err(format!("must be a whole number from {low} to {high}")),
        (Kind::Number(low, high), _) => {
            let number = match &value {
                Value::Float(number) => Some(*number),
                Value::Integer(number) => Some(*number as f64),
                _ => None,
            };
            match number.filter(|number| (low..=high).contains(number)) {
                Some(number) => Ok(Value::Float(number)),
                None => Err(format!("must be a number from {low} to {high}")),
            }
        }
        (Kind::List, Value::Array(items)) if items.iter().all(Value::is_str) => Ok(value),
        // A flag gives one item at a time.
        (Kind::List | Kind::Rules, Value::String(_)) => Ok(Value::Array(vec![value])),
        (Kind::List, _) => Err("must be a list of texts".into()),
        (Kind::Rules, _) => super::rules::check(&value).map(|()| value),
        (Kind::OneOf(words), Value::String(word)) if words.contains(&word.as_str()) => Ok(value),
        (Kind::OneOf(words), _) => Err(format!("must be one of {}", words.join(", "))),
        (Kind::Mode, Value::String(name)) if PermissionMode::from_name(name).is_some() => Ok(value),
        (Kind::Mode, _) => {
            let names: Vec<&str> = PermissionMode::ALL.iter().map(|mode| mode.name()).collect();
            Err(format!("must be one of {}", names.join(", ")))
        }
    }
}

/// A value from the text of a variable.
pub(super) fn parse_text(name: &str, text: &str) -> Result<Value, String> {
    match find(name) {
        Some(key) => parse_kind(key.kind, text).and_then(|value| check(key, value)),
        None => Err("is not a key".into()),
    }
}

fn parse_kind(kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Text | Kind::Mode | Kind::OneOf(_) => Ok(Value::String(text.into())),
        Kind::List | Kind::Rules => Ok(Value::Array(vec![Value::String(text.into())])),
        Kind::Flag => match text {
            "1" | "true" | "yes" | "on" => Ok(Value::Boolean(true)),
            "0" | "false" | "no" | "off" => Ok(Value::Boolean(false)),
            _ => Err(format!("must be true or false, not {text:?}")),
        },
        Kind::Integer(..) => {
            text.parse().map(Value::Integer).map_err(|_| format!("must be a whole number, not {text:?}"))
        }
        Kind::Number(..) => {
            text.parse().map(Value::Float).map_err(|_| format!("must be a number, not {text:?}"))
        }
    }
}
