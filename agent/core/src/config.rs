//! Owns configuration: layers of TOML, variables and flags, each value with its origin.
//! Uses `toml`; every environment variable is named in `env`.
//! Never lets an untrusted project widen anything: of its files only what restricts counts.

pub mod env;
pub mod keys;
pub mod rules;
pub mod saved;
pub mod screen;
pub mod settings;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use loci_policy::Rules;
use toml::{Table, Value};

pub use env::{Environment, Places};
pub use saved::SavedRules;
pub use screen::Screen;
pub use settings::{Embeddings, RemoteProvider, Settings};

use crate::managed::Managed;
use keys::Kind;

/// Where a value comes from. Later ones win over earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Built in.
    Default,
    /// For every user of the machine.
    System(PathBuf),
    /// The user's own file.
    User(PathBuf),
    /// The project's file, shared with others.
    Project(PathBuf),
    /// The project's file that is not shared. It lies in the repository all the same, so it is of the project.
    Local(PathBuf),
    /// What approvals saved for the project, outside of it.
    Saved(PathBuf),
    /// A variable.
    Environment(String),
    /// A flag.
    Flag(String),
    /// Whoever runs the machine.
    Managed(PathBuf),
}

impl Origin {
    /// The layer in one word.
    #[must_use]
    pub fn layer(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::System(_) => "system",
            Self::User(_) => "user",
            Self::Project(_) => "project",
            Self::Local(_) => "local",
            Self::Saved(_) => "saved",
            Self::Environment(_) => "environment",
            Self::Flag(_) => "flag",
            Self::Managed(_) => "managed",
        }
    }

    /// The file, where it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::System(path)
            | Self::User(path)
            | Self::Project(path)
            | Self::Local(path)
            | Self::Saved(path)
            | Self::Managed(path) => Some(path),
            Self::Default | Self::Environment(_) | Self::Flag(_) => None,
        }
    }

    /// Whether the value came with the project rather than from the user.
    #[must_use]
    pub fn is_of_project(&self) -> bool {
        matches!(self, Self::Project(_) | Self::Local(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.path()) {
            (_, Some(path)) => write!(f, "{} ({})", path.display(), self.layer()),
            (Self::Environment(name) | Self::Flag(name), _) => write!(f, "{name} ({})", self.layer()),
            _ => write!(f, "{}", self.layer()),
        }
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Correct the file.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        message: String,
    },
    /// Correct the value.
    #[error("{origin}: `{key}` {message}")]
    Value {
        /// Where it stands.
        origin: Origin,
        /// The key.
        key: String,
        /// What is wrong with its value.
        message: String,
    },
    /// Correct the rule, or its tests.
    #[error("{place}: the {list} rule `{rule}` fails a test of its own: {message}")]
    Rule {
        /// Where it stands.
        place: String,
        /// `deny`, `ask` or `allow`.
        list: String,
        /// As written.
        rule: String,
        /// What fails.
        message: String,
    },
    /// Check the permissions.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// One value and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The dotted key.
    pub key: String,
    /// The value; of a list key, one layer's part.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
}

/// The whole configuration.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Every value of every layer that counts, weakest first.
    entries: Vec<Entry>,
    /// The rules of every layer that counts, the strongest layer first.
    rules: Rules,
    /// What whoever runs the machine says.
    managed: Managed,
    /// Unknown keys and the like, in words.
    pub warnings: Vec<String>,
    /// Rules of the project that fail a test of their own, in words; they are among the warnings.
    pub failing: Vec<String>,
    /// Keys of the project that wait for the user's trust.
    pub inert: Vec<String>,
}

/// What the configuration is read from.
#[derive(Debug, Clone)]
pub struct Sources<'a> {
    /// The project root.
    pub root: &'a Path,
    /// The folders.
    pub places: &'a Places,
    /// The variables.
    pub environment: &'a Environment,
    /// Values given as flags: key, value, the flag's name. A list key may come several times.
    pub flags: Vec<(String, Value, String)>,
    /// Whether the user trusts the project.
    pub trusted: bool,
    /// What whoever runs the machine says; see [`Managed::load`].
    pub managed: Managed,
}

impl Config {
    /// Read every layer.
    ///
    /// # Errors
    /// A file that is not TOML, or a value of the wrong kind. Unknown keys are only warnings.
    pub fn load(sources: Sources<'_>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for key in keys::KEYS {
            if let Some(value) = key.default_value() {
                config.entries.push(Entry { key: key.name.into(), value, origin: Origin::Default });
            }
        }
        let project = sources.root.join(".loci");
        let files = [
            Origin::System(sources.places.system.join("config.toml")),
            Origin::User(sources.places.config.join("config.toml")),
            Origin::Project(project.join("config.toml")),
            Origin::Local(project.join("config.local.toml")),
            Origin::Saved(SavedRules::of(sources.places, sources.root).path().into()),
        ];
        for origin in files {
            config.add_file(origin, sources.trusted)?;
        }
        for variable in env::SETTINGS {
            if let Some(text) = sources.environment.get(variable.name) {
                let origin = Origin::Environment(variable.name.into());
                let value = keys::parse_text(variable.key, text)
                    .map_err(|message| value_error(&origin, variable.key, message))?;
                config.add(variable.key, value, origin, &[])?;
            }
        }
        for (key, value, flag) in sources.flags {
            config.add(&key, value, Origin::Flag(flag), &[])?;
        }
        config.tighten(sources.managed);
        for list in [&mut config.rules.deny, &mut config.rules.ask, &mut config.rules.allow] {
            rules::arrange(list);
        }
        Ok(config)
    }

    /// Lay over it what whoever runs the machine says, which can only take away.
    fn tighten(&mut self, managed: Managed) {
        if managed.managed_rules_only {
            // Denies and questions of others stay: dropping them would widen what may run.
            self.rules.allow.clear();
            self.entries.retain(|entry| entry.key != "allow");
        }
        if managed.disable_bypass {
            let bypass = |entry: &Entry| {
                entry.key == "permission_mode" && entry.value.as_str() == Some("bypassPermissions")
            };
            let places: Vec<&Origin> =
                self.entries.iter().filter(|entry| bypass(entry)).map(|entry| &entry.origin).collect();
            for place in places {
                self.warnings.push(format!(
                    "{place}: bypassPermissions is switched off by the policy of this machine"
                ));
            }
            self.entries.retain(|entry| !bypass(entry));
        }
        self.rules.deny.extend(managed.rules.deny.iter().cloned());
        self.rules.ask.extend(managed.rules.ask.iter().cloned());
        self.rules.allow.extend(managed.rules.allow.iter().cloned());
        self.entries.extend(managed.entries.iter().cloned());
        self.managed = managed;
    }

    fn add_file(&mut self, origin: Origin, trusted: bool) -> Result<(), ConfigError> {
        let Some(path) = origin.path() else { return Ok(()) };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(());
            }
            Err(source) => return Err(ConfigError::Io { path: path.into(), source }),
        };
        let table: Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
            path: path.into(),
            message: error.to_string().trim_end().to_owned(),
        })?;
        let lines = rules::lines(&text);
        for (key, value) in flatten(&table) {
            let restricts = keys::restricts(&key, &value);
            if origin.is_of_project() && !trusted && !restricts && keys::find(&key).is_some() {
                self.inert.push(key);
                continue;
            }
            let lines = lines.get(&key).map_or(&[][..], Vec::as_slice);
            self.add(&key, value, origin.clone(), lines)?;
        }
        Ok(())
    }

    /// Add a value. `lines` are those of its items, where they are rules and the file is known.
    fn add(&mut self, key: &str, value: Value, origin: Origin, lines: &[usize]) -> Result<(), ConfigError> {
        let Some(known) = keys::find(key) else {
            let hint = match keys::nearest(key) {
                Some(near) => format!("; did you mean `{near}`?"),
                None => String::new(),
            };
            self.warnings.push(format!("{origin}: unknown key `{key}`{hint}"));
            return Ok(());
        };
        let mut value = keys::check(known, value).map_err(|message| value_error(&origin, key, message))?;
        if known.kind == Kind::Rules {
            value = self.add_rules(key, value, &origin, lines)?;
        }
        self.entries.push(Entry { key: key.into(), value, origin });
        Ok(())
    }

    /// Take in the rules of one list, and give back those that count.
    fn add_rules(
        &mut self,
        list: &str,
        value: Value,
        origin: &Origin,
        lines: &[usize],
    ) -> Result<Value, ConfigError> {
        let mut kept = Vec::new();
        let Value::Array(items) = value else { return Ok(Value::Array(kept)) };
        for (number, item) in items.into_iter().enumerate() {
            let mut rule = rules::read(&item).map_err(|message| value_error(origin, list, message))?;
            rule.layer = rules::layer(origin);
            rule.origin = rules::place(origin, lines.get(number).copied());
            let checked = rules::examine(list, &rule);
            for why in &checked.odd {
                self.warnings.push(format!("{}: the {list} rule `{}`: {why}", rule.origin, rule.text));
            }
            if let Some(message) = checked.failed.into_iter().next() {
                if !origin.is_of_project() {
                    return Err(ConfigError::Rule {
                        place: rule.origin,
                        list: list.into(),
                        rule: rule.text,
                        message,
                    });
                }
                // Whoever wrote it meant something else than it says: what it takes away stays, what it gives does not.
                let effect = if list == "allow" { ", so it allows nothing" } else { "" };
                let warning = format!(
                    "{}: the {list} rule `{}` fails a test of its own{effect}: {message}",
                    rule.origin, rule.text
                );
                self.failing.push(warning.clone());
                self.warnings.push(warning);
                if list == "allow" {
                    continue;
                }
            }
            rules::list_of(&mut self.rules, list).push(rule);
            kept.push(item);
        }
        Ok(Value::Array(kept))
    }

    /// The rules of every layer that counts, each with its origin, the strongest layer first.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What whoever runs the machine says.
    #[must_use]
    pub fn managed(&self) -> &Managed {
        &self.managed
    }

    /// The value that counts, and where it comes from. For list keys see [`Config::all`].
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.key == key)
    }

    /// Every layer's part of a key, weakest first.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.key == key)
    }

    /// What counts, by key: one entry for each key, one for each item of a list key.
    #[must_use]
    pub fn effective(&self) -> Vec<Entry> {
        let mut names: Vec<&str> = self.entries.iter().map(|entry| entry.key.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let mut effective = Vec::new();
        for name in names {
            let lists = keys::find(name).is_none_or(|key| matches!(key.kind, Kind::List | Kind::Rules));
            if lists && self.get(name).is_some_and(|entry| entry.value.is_array()) {
                for entry in self.all(name) {
                    for item in entry.value.as_array().into_iter().flatten() {
                        effective.push(Entry { value: item.clone(), ..entry.clone() });
                    }
                }
            } else {
                effective.extend(self.get(name).cloned());
            }
        }
        effective
    }
}

/// What the project's own files would do that is not only taking away, one line each: what trust is given to.
///
/// Comments, order and restrictions are left out, so that changing those asks nobody anew.
#[must_use]
pub fn enables(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, settings) in [("config.toml", true), ("config.local.toml", true), ("models.toml", false)] {
        let Ok(bytes) = std::fs::read(root.join(".loci").join(name)) else { continue };
        let table = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse::<Table>().ok());
        let Some(table) = table else {
            // It may be readable tomorrow; then it is something else.
            lines.push(format!(".loci/{name}: cannot be read (blake3 {})", blake3::hash(&bytes).to_hex()));
            continue;
        };
        for (key, value) in flatten(&table) {
            if settings && (keys::restricts(&key, &value) || keys::find(&key).is_none()) {
                continue;
            }
            match value {
                Value::Array(items) => {
                    lines.extend(items.iter().map(|item| format!(".loci/{name}: {key} has {item}")));
                }
                other => lines.push(format!(".loci/{name}: {key} = {other}")),
            }
        }
    }
    lines.sort();
    lines
}

fn value_error(origin: &Origin, key: &str, message: String) -> ConfigError {
    ConfigError::Value { origin: origin.clone(), key: key.into(), message }
}

/// Tables become dotted keys; everything else is a value.
fn flatten(table: &Table) -> Vec<(String, Value)> {
    let mut flat = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                flat.extend(
                    flatten(inner).into_iter().map(|(below, value)| (format!("{key}.{below}"), value)),
                );
            }
            other => flat.push((key.clone(), other.clone())),
        }
    }
    flat
}

#[cfg(test)]
mod tests;
