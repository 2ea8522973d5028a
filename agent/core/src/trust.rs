//! Owns which folders the user trusts.
//! Uses one file in the user's data folder, keyed by real path.
//! Never inherits trust from another folder, and never looks into the folder itself.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::session::log::create_folder;

/// The folders that are trusted.
#[derive(Debug, Clone)]
pub struct Trust {
    path: PathBuf,
    written: Written,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Written {
    #[serde(default)]
    folder: Vec<Folder>,
}

/// One trusted folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Its real path.
    pub path: PathBuf,
    /// Since when, in UTC.
    pub since: String,
}

/// Why trust cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Repair or remove the file; until then nothing is trusted.
    #[error("{} is damaged: {message}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Check the path and its permissions.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Trust {
    /// Read the file; without one nothing is trusted.
    ///
    /// # Errors
    /// A file that cannot be read or parsed.
    pub fn load(data: &Path) -> Result<Self, TrustError> {
        let path = data.join("trust.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(TrustError::Io { path, source }),
        };
        match toml::from_str(&text) {
            Ok(written) => Ok(Self { path, written }),
            Err(error) => Err(TrustError::Corrupt { path, message: error.to_string().trim_end().into() }),
        }
    }

    /// Whether just this folder is trusted.
    #[must_use]
    pub fn holds(&self, root: &Path) -> bool {
        root.canonicalize().is_ok_and(|real| self.written.folder.iter().any(|folder| folder.path == real))
    }

    /// The folders, oldest first.
    #[must_use]
    pub fn folders(&self) -> &[Folder] {
        &self.written.folder
    }

    /// Trust a folder from now on.
    ///
    /// # Errors
    /// When the folder does not exist or the file cannot be written.
    pub fn add(&mut self, root: &Path) -> Result<PathBuf, TrustError> {
        let real = root.canonicalize().map_err(|source| TrustError::Io { path: root.into(), source })?;
        if !self.written.folder.iter().any(|folder| folder.path == real) {
            self.written
                .folder
                .push(Folder { path: real.clone(), since: jiff::Timestamp::now().to_string() });
            self.save()?;
        }
        Ok(real)
    }

    /// Trust a folder no longer. True when it was trusted.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remove(&mut self, root: &Path) -> Result<bool, TrustError> {
        let real = root.canonicalize().unwrap_or_else(|_| root.into());
        let before = self.written.folder.len();
        self.written.folder.retain(|folder| folder.path != real);
        if self.written.folder.len() == before {
            return Ok(false);
        }
        self.save()?;
        Ok(true)
    }

    fn save(&self) -> Result<(), TrustError> {
        let io = |source| TrustError::Io { path: self.path.clone(), source };
        let text = toml::to_string_pretty(&self.written).map_err(|error| io(io::Error::other(error)))?;
        if let Some(folder) = self.path.parent() {
            create_folder(folder).map_err(io)?;
        }
        atomic::write(&self.path, text.as_bytes()).map(|_| ()).map_err(io)
    }
}

/// What in a folder waits for trust, in words; `None` when there is nothing.
#[must_use]
pub fn waiting(root: &Path, inert_keys: &[String]) -> Option<String> {
    let mut parts = Vec::new();
    if !inert_keys.is_empty() {
        parts.push(format!("settings ({})", inert_keys.join(", ")));
    }
    let instructions = crate::instructions::read(root);
    if instructions.text.is_some() {
        let names: Vec<String> = instructions
            .paths
            .iter()
            .map(|path| path.strip_prefix(root).unwrap_or(path).display().to_string())
            .collect();
        parts.push(format!("instructions ({})", names.join(", ")));
    }
    (!parts.is_empty())
        .then(|| format!("this folder is not trusted, so its {} are not used", parts.join(" and ")))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn trust_is_kept_by_real_path_and_not_inherited() {
        let folder = tempfile::tempdir().unwrap();
        let (data, root) = (folder.path().join("data"), folder.path().join("repo"));
        std::fs::create_dir_all(root.join("inner")).unwrap();
        let mut trust = Trust::load(&data).unwrap();
        assert!(!trust.holds(&root));
        trust.add(&root.join("inner/..")).unwrap();
        let mut trust = Trust::load(&data).unwrap();
        assert!(trust.holds(&root) && !trust.holds(&root.join("inner")) && !trust.holds(folder.path()));
        assert!(trust.remove(&root).unwrap() && !trust.remove(&root).unwrap());
        assert!(!Trust::load(&data).unwrap().holds(&root));
        assert!(trust.add(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn a_damaged_file_trusts_nothing_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("trust.toml"), "[[folder]\n").unwrap();
        assert!(matches!(Trust::load(folder.path()), Err(TrustError::Corrupt { .. })));
    }

    #[test]
    fn what_waits_is_said_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(waiting(folder.path(), &[]), None);
        std::fs::write(folder.path().join("AGENTS.md"), "x").unwrap();
        let line = waiting(folder.path(), &["model".into()]).unwrap();
        assert!(line.contains("settings (model) and instructions (AGENTS.md)"), "{line}");
    }
}
