//! Owns the rules that approvals saved for a project.
//! Uses one file in the user's data folder, keyed by the project's real path.
//! Never looks into the project: a repository cannot bring such a file along.

use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{ConfigError, Places};
use crate::atomic;
use crate::session::log::create_folder;

/// The file of a project's saved rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedRules {
    path: PathBuf,
    root: PathBuf,
}

impl SavedRules {
    /// Those of the project at this real path.
    #[must_use]
    pub fn of(places: &Places, root: &Path) -> Self {
        Self { path: places.project(root).join("rules.toml"), root: root.into() }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Save rules for calls that go ahead. True when one of them is new.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or cannot be written.
    pub fn add(&self, rules: &[String]) -> Result<bool, ConfigError> {
        let mut table = self.read()?;
        let mut saved = texts(&table, "allow");
        let before = saved.len();
        for rule in rules {
            if !saved.contains(rule) {
                saved.push(rule.clone());
            }
        }
        if saved.len() == before {
            return Ok(false);
        }
        table.insert("allow".into(), Value::Array(saved.into_iter().map(Value::String).collect()));
        self.write(&table)?;
        Ok(true)
    }

    /// Forget a rule. True when it was saved.
    ///
    /// # Errors
    /// As [`SavedRules::add`].
    pub fn remove(&self, rule: &str) -> Result<bool, ConfigError> {
        let mut table = self.read()?;
        let mut found = false;
        for (_, list) in table.iter_mut() {
            if let Value::Array(items) = list {
                let before = items.len();
                items.retain(|item| {
                    let text = item.as_str().or_else(|| item.get("rule").and_then(Value::as_str));
                    text != Some(rule)
                });
                found |= items.len() < before;
            }
        }
        if found {
            self.write(&table)?;
        }
        Ok(found)
    }

    fn read(&self) -> Result<Table, ConfigError> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Table::new()),
            Err(source) => return Err(ConfigError::Io { path: self.path.clone(), source }),
        };
        text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
            path: self.path.clone(),
            message: error.to_string().trim_end().to_owned(),
        })
    }

    fn write(&self, table: &Table) -> Result<(), ConfigError> {
        let io = |source| ConfigError::Io { path: self.path.clone(), source };
        let text = toml::to_string_pretty(table).map_err(|error| io(io::Error::other(error)))?;
        if let Some(folder) = self.path.parent() {
            create_folder(folder).map_err(io)?;
        }
        // Debug quotes what would break out of the comment.
        let text = format!(
            "# Approved for {:?}.\n# `loci policy list` shows these rules, `loci policy forget RULE` removes one.\n{text}",
            self.root
        );
        atomic::write(&self.path, text.as_bytes()).map(drop).map_err(io)
    }
}

fn texts(table: &Table, key: &str) -> Vec<String> {
    let items = table.get(key).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| item.as_str().map(ToOwned::to_owned)).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn rules_are_saved_once_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::below(folder.path());
        let saved = SavedRules::of(&places, Path::new("/srv/a\nb"));
        let hard = "Bash(printf '%s\n' \"a ⟂ \\\")".to_owned();
        assert!(saved.add(&["Bash(make)".into(), hard.clone()]).unwrap());
        assert!(!saved.add(std::slice::from_ref(&hard)).unwrap());
        assert_eq!(texts(&saved.read().unwrap(), "allow"), ["Bash(make)".to_owned(), hard.clone()]);
        assert!(saved.remove(&hard).unwrap() && !saved.remove(&hard).unwrap());
        assert_eq!(texts(&saved.read().unwrap(), "allow"), ["Bash(make)"]);
        let other = SavedRules::of(&places, Path::new("/srv/b"));
        assert!(other.read().unwrap().is_empty());
    }

    #[test]
    fn a_damaged_file_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let saved = SavedRules::of(&Places::below(folder.path()), Path::new("/srv/a"));
        std::fs::create_dir_all(saved.path().parent().unwrap()).unwrap();
        std::fs::write(saved.path(), "allow = [").unwrap();
        assert!(saved.add(&["Edit".into()]).is_err_and(|error| error.to_string().contains("rules.toml")));
        assert_eq!(std::fs::read_to_string(saved.path()).unwrap(), "allow = [");
    }
}
