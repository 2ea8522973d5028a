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

/// A folder that the user decided about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Its real path.
    pub path: PathBuf,
    /// Since when, in UTC.
    pub since: String,
    /// The user was asked and did not trust it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub declined: bool,
    /// What its own files enabled when the user decided, see [`crate::config::enables`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enables: Vec<String>,
}

/// How a folder stands with the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// What its files enable is what the user trusted.
    Trusted,
    /// It was trusted, and what its files enable is something else now: that has no effect until the user looks at it.
    Changed(Vec<Change>),
    /// The user was asked about just this, and did not trust it.
    Declined,
    /// The user was never asked.
    Unknown,
}

/// A line that is new or gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Enabled now.
    Added(String),
    /// Enabled no longer.
    Removed(String),
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

    /// How just this folder stands, whose own files enable this now.
    #[must_use]
    pub fn standing(&self, root: &Path, enables: &[String]) -> Standing {
        let Ok(real) = root.canonicalize() else { return Standing::Unknown };
        let Some(folder) = self.written.folder.iter().find(|folder| folder.path == real) else {
            return Standing::Unknown;
        };
        let same = folder.enables == enables;
        match (folder.declined, same) {
            (false, true) => Standing::Trusted,
            (true, true) => Standing::Declined,
            (true, false) => Standing::Unknown,
            (false, false) => Standing::Changed(changes(&folder.enables, enables)),
        }
    }

    /// The folders, oldest first.
    #[must_use]
    pub fn folders(&self) -> &[Folder] {
        &self.written.folder
    }

    /// Trust a folder from now on, with what its own files enable.
    ///
    /// # Errors
    /// When the folder does not exist or the file cannot be written.
    pub fn add(&mut self, root: &Path, enables: Vec<String>) -> Result<PathBuf, TrustError> {
        self.decide(root, enables, false)
    }

    /// Remember that the user was asked about a folder and does not trust it.
    ///
    /// # Errors
    /// As [`Trust::add`].
    pub fn decline(&mut self, root: &Path, enables: Vec<String>) -> Result<PathBuf, TrustError> {
        self.decide(root, enables, true)
    }

    fn decide(&mut self, root: &Path, enables: Vec<String>, declined: bool) -> Result<PathBuf, TrustError> {
        let real = root.canonicalize().map_err(|source| TrustError::Io { path: root.into(), source })?;
        let since = jiff::Timestamp::now().to_string();
        let decided = Folder { path: real.clone(), since, declined, enables };
        match self.written.folder.iter_mut().find(|folder| folder.path == real) {
            Some(folder) if folder.declined == declined && folder.enables == decided.enables => {
                return Ok(real);
            }
            Some(folder) => *folder = decided,
            None => self.written.folder.push(decided),
        }
        self.save()?;
        Ok(real)
    }

    /// Trust a folder no longer. True when it was trusted.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remove(&mut self, root: &Path) -> Result<bool, TrustError> {
        let real = root.canonicalize().unwrap_or_else(|_| root.into());
        let Some(at) = self.written.folder.iter().position(|folder| folder.path == real) else {
            return Ok(false);
        };
        let folder = self.written.folder.remove(at);
        self.save()?;
        Ok(!folder.declined)
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

/// The lines that are in one list alone.
fn changes(before: &[String], now: &[String]) -> Vec<Change> {
    let gone = before.iter().filter(|line| !now.contains(line)).cloned().map(Change::Removed);
    let new = now.iter().filter(|line| !before.contains(line)).cloned().map(Change::Added);
    gone.chain(new).collect()
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

    fn holds(trust: &Trust, root: &Path) -> bool {
        trust.standing(root, &[]) == Standing::Trusted
    }

    #[test]
    fn trust_is_kept_by_real_path_and_not_inherited() {
        let folder = tempfile::tempdir().unwrap();
        let (data, root) = (folder.path().join("data"), folder.path().join("repo"));
        std::fs::create_dir_all(root.join("inner")).unwrap();
        let mut trust = Trust::load(&data).unwrap();
        assert!(!holds(&trust, &root));
        trust.add(&root.join("inner/.."), Vec::new()).unwrap();
        let mut trust = Trust::load(&data).unwrap();
        assert!(holds(&trust, &root) && !holds(&trust, &root.join("inner")) && !holds(&trust, folder.path()));
        assert!(trust.remove(&root).unwrap() && !trust.remove(&root).unwrap());
        assert!(!holds(&Trust::load(&data).unwrap(), &root));
        assert!(trust.add(&folder.path().join("missing"), Vec::new()).is_err());
    }

    /// A `.git` that points into a trusted repository makes nobody trusted: not as a worktree's file, not by `commondir`
    /// (GHSA-q5hj-mxqh-vv77), not by a link.
    #[cfg(unix)]
    #[test]
    fn git_files_and_links_carry_no_trust() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        let (data, good, evil) = (top.join("data"), top.join("good"), top.join("evil"));
        std::fs::create_dir_all(good.join(".git/worktrees/evil")).unwrap();
        std::fs::create_dir_all(&evil).unwrap();
        let mut trust = Trust::load(&data).unwrap();
        trust.add(&good, Vec::new()).unwrap();
        let check = |name: &str| assert!(holds(&trust, &good) && !holds(&trust, &evil), "{name}");
        std::fs::write(
            evil.join(".git"),
            format!("gitdir: {}\n", good.join(".git/worktrees/evil").display()),
        )
        .unwrap();
        check("a worktree's file");
        std::fs::remove_file(evil.join(".git")).unwrap();
        std::fs::create_dir(evil.join(".git")).unwrap();
        std::fs::write(evil.join(".git/commondir"), good.join(".git").to_string_lossy().as_bytes()).unwrap();
        std::fs::write(evil.join(".git/gitdir"), good.join(".git").to_string_lossy().as_bytes()).unwrap();
        check("commondir");
        std::fs::remove_dir_all(evil.join(".git")).unwrap();
        std::os::unix::fs::symlink(good.join(".git"), evil.join(".git")).unwrap();
        check("a link");
        // By whatever name it is reached, the folder itself is trusted.
        std::os::unix::fs::symlink(&good, top.join("name")).unwrap();
        assert!(holds(&trust, &top.join("name")));
    }

    #[test]
    fn trust_is_given_to_what_was_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (data, root) = (folder.path().join("data"), folder.path().join("repo"));
        std::fs::create_dir_all(root.join(".loci")).unwrap();
        let write = |text: &str| std::fs::write(root.join(".loci/config.toml"), text).unwrap();
        let enables = || crate::config::enables(&root);
        write("model = \"x\"\ndeny = [\"Read(.env)\"]\n");
        let mut trust = Trust::load(&data).unwrap();
        trust.decline(&root, enables()).unwrap();
        assert_eq!(trust.standing(&root, &enables()), Standing::Declined);
        trust.add(&root, enables()).unwrap();
        let trust = Trust::load(&data).unwrap();
        assert_eq!(trust.standing(&root, &enables()), Standing::Trusted);
        // What only takes away, and how it is written, asks nobody anew.
        write("# new\ndeny = [\"Read(.env)\", \"Bash(rm:*)\"]\nask = [\"Edit\"]\nmodel = 'x'\n");
        assert_eq!(trust.standing(&root, &enables()), Standing::Trusted);
        write("model = \"x\"\nallow = [\"Bash(make)\"]\n");
        let added = Change::Added(".loci/config.toml: allow has \"Bash(make)\"".into());
        assert_eq!(trust.standing(&root, &enables()), Standing::Changed(vec![added]));
        write("");
        let gone = Change::Removed(".loci/config.toml: model = \"x\"".into());
        assert_eq!(trust.standing(&root, &enables()), Standing::Changed(vec![gone]));
        // The local file lies in the repository as well, and so does a catalogue.
        write("model = \"x\"\n");
        assert_eq!(trust.standing(&root, &enables()), Standing::Trusted);
        for name in ["config.local.toml", "models.toml"] {
            std::fs::write(root.join(".loci").join(name), "max_turns = 9\n").unwrap();
            assert!(matches!(trust.standing(&root, &enables()), Standing::Changed(_)), "{name}");
            std::fs::remove_file(root.join(".loci").join(name)).unwrap();
        }
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
