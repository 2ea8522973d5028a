//! Owns configuration: layers of TOML, variables and flags, each value with its origin.
//! Uses `toml`; every environment variable is named in `env`.
//! Never lets an untrusted project widen anything: of its files only what restricts counts.

pub mod env;
pub mod keys;
pub mod settings;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

pub use env::{Environment, Places};
pub use settings::{Embeddings, RemoteProvider, Settings};

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
    /// The project's file that is not shared.
    Local(PathBuf),
    /// A variable.
    Environment(String),
    /// A flag.
    Flag(String),
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
            Self::Environment(_) => "environment",
            Self::Flag(_) => "flag",
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
        match self {
            Self::Default => write!(f, "default"),
            Self::System(path) | Self::User(path) | Self::Project(path) | Self::Local(path) => {
                write!(f, "{} ({})", path.display(), self.layer())
            }
            Self::Environment(name) => write!(f, "{name} (environment)"),
            Self::Flag(name) => write!(f, "{name} (flag)"),
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
    /// Unknown keys and the like, in words.
    pub warnings: Vec<String>,
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
        ];
        for origin in files {
            config.add_file(origin, sources.trusted)?;
        }
        for variable in env::SETTINGS {
            if let Some(text) = sources.environment.get(variable.name) {
                let origin = Origin::Environment(variable.name.into());
                let value = keys::parse_text(variable.key, text)
                    .map_err(|message| value_error(&origin, variable.key, message))?;
                config.add(variable.key, value, origin)?;
            }
        }
        for (key, value, flag) in sources.flags {
            config.add(&key, value, Origin::Flag(flag))?;
        }
        Ok(config)
    }

    fn add_file(&mut self, origin: Origin, trusted: bool) -> Result<(), ConfigError> {
        let (Origin::System(path) | Origin::User(path) | Origin::Project(path) | Origin::Local(path)) =
            &origin
        else {
            return Ok(());
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(());
            }
            Err(source) => return Err(ConfigError::Io { path: path.clone(), source }),
        };
        let table: Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
            path: path.clone(),
            message: error.to_string().trim_end().to_owned(),
        })?;
        for (key, value) in flatten(&table) {
            let restricts = keys::restricts(&key, &value);
            if origin.is_of_project() && !trusted && !restricts && keys::find(&key).is_some() {
                self.inert.push(key);
                continue;
            }
            self.add(&key, value, origin.clone())?;
        }
        Ok(())
    }

    fn add(&mut self, key: &str, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let Some(known) = keys::find(key) else {
            let hint = match keys::nearest(key) {
                Some(near) => format!("; did you mean `{near}`?"),
                None => String::new(),
            };
            self.warnings.push(format!("{origin}: unknown key `{key}`{hint}"));
            return Ok(());
        };
        let value = keys::check(known, value).map_err(|message| value_error(&origin, key, message))?;
        self.entries.push(Entry { key: key.into(), value, origin });
        Ok(())
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
            if keys::find(name).is_some_and(|key| key.kind == Kind::List) {
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
