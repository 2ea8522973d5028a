//! Owns every environment variable that Loci reads.
//! Uses a snapshot of the process environment, so that tests bring their own.
//! Never interprets a value beyond "set and not empty".

mod models;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use models::Hub;

/// A variable that stands for a configuration key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The configuration key it sets.
    pub key: &'static str,
}

/// The variables that set configuration keys; they win over files and lose to flags.
pub const SETTINGS: &[Variable] = &[
    Variable { name: "LOCI_MODEL", key: "model" },
    Variable { name: "LOCI_PERMISSION_MODE", key: "permission_mode" },
    Variable { name: "LOCI_MAX_TURNS", key: "max_turns" },
    Variable { name: "LOCI_MAX_TOKENS", key: "max_tokens" },
    Variable { name: "LOCI_CONTEXT_LENGTH", key: "context_length" },
    Variable { name: "LOCI_TEMPERATURE", key: "temperature" },
    Variable { name: "LOCI_TOP_P", key: "top_p" },
    Variable { name: "LOCI_TOP_K", key: "top_k" },
    Variable { name: "LOCI_MIN_P", key: "min_p" },
    Variable { name: "LOCI_SEED", key: "seed" },
    Variable { name: "LOCI_OFFLINE", key: "offline" },
];

/// The variables that say where things live. `LOCI_SYSTEM_CONFIG_DIR` replaces `/etc/loci`.
pub const PLACES: &[&str] = &[
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "XDG_STATE_HOME",
    "LOCI_SYSTEM_CONFIG_DIR",
];

/// A file of certificates (PEM) that are trusted beside those of the system, as OpenSSL's and Python's programs take it.
pub const CERTIFICATES: &str = "SSL_CERT_FILE";

/// The variables that reqwest reads itself, for services and downloads; loopback never goes through a proxy. Where a
/// service has a `proxy` of its own, only `NO_PROXY` counts.
pub const PROXIES: &[&str] = &["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"];

/// The folder of managed policy. No variable names it: what binds a user must not be theirs to move.
pub const MANAGED: &str = "/etc/loci/policy.d";

/// A snapshot of the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The environment of this process. Variables that are not UTF-8 are left out.
    #[must_use]
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { variables }
    }

    /// An environment of just these variables.
    pub fn of<N: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables }
    }

    /// Every variable and its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a variable; an empty one counts as not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// The folders that Loci uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The user's home.
    pub home: PathBuf,
    /// Configuration for every user of the machine: `/etc/loci`.
    pub system: PathBuf,
    /// What whoever runs the machine says: [`MANAGED`], whatever the variables say.
    pub managed: PathBuf,
    /// `$XDG_CONFIG_HOME/loci`.
    pub config: PathBuf,
    /// `$XDG_DATA_HOME/loci`.
    pub data: PathBuf,
    /// `$XDG_CACHE_HOME/loci`.
    pub cache: PathBuf,
    /// `$XDG_STATE_HOME/loci`.
    pub state: PathBuf,
}

impl Places {
    /// The folders by the XDG rules: a variable that is not an absolute path is ignored.
    #[must_use]
    pub fn from_environment(environment: &Environment) -> Self {
        let absolute =
            |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = absolute("HOME")
            .or_else(|| etcetera::home_dir().ok())
            .unwrap_or_else(|| std::env::temp_dir().join("loci-home"));
        let folder =
            |name: &str, below: &str| absolute(name).unwrap_or_else(|| home.join(below)).join("loci");
        Self {
            system: absolute("LOCI_SYSTEM_CONFIG_DIR").unwrap_or_else(|| PathBuf::from("/etc/loci")),
            managed: MANAGED.into(),
            config: folder("XDG_CONFIG_HOME", ".config"),
            data: folder("XDG_DATA_HOME", ".local/share"),
            cache: folder("XDG_CACHE_HOME", ".cache"),
            state: folder("XDG_STATE_HOME", ".local/state"),
            home,
        }
    }

    /// The variable that leads one of the folders into the project, where its content would be the repository's and not
    /// the user's. A project that holds the user's home, as the system knows it, is that home and brings nothing along.
    #[must_use]
    pub fn redirected(environment: &Environment, root: &std::path::Path) -> Option<(&'static str, PathBuf)> {
        let holds_home = || system_home().is_some_and(|home| home.starts_with(root));
        let leads_in = PLACES.iter().find_map(|name| {
            let path = environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute())?;
            let real = loci_policy::Files::resolve(&crate::permission::DiskFiles, &path);
            // Who stands in a home that is no repository brings nothing along, whatever the system knows of it.
            let at_home = *name == "HOME" && real == root && !root.join(".git").exists();
            (real.starts_with(root) && !at_home).then_some((*name, path))
        });
        leads_in.filter(|_| root.parent().is_some() && !holds_home())
    }

    /// Every folder below one, for tests and for portable installations.
    #[must_use]
    pub fn below(folder: &std::path::Path) -> Self {
        Self {
            home: folder.join("home"),
            system: folder.join("etc"),
            managed: folder.join("policy.d"),
            config: folder.join("config"),
            data: folder.join("data"),
            cache: folder.join("cache"),
            state: folder.join("state"),
        }
    }

    /// A name for a project's own folders: its last component, for people, and a hash of the whole path.
    #[must_use]
    pub fn project_key(root: &std::path::Path) -> String {
        let name: String = root
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_else(|| "root".into())
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '_' })
            .take(40)
            .collect();
        let hash = blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex();
        format!("{}-{}", name.trim_start_matches('.'), &hash[..12])
    }

    /// Where the sessions of a project are kept.
    #[must_use]
    pub fn sessions(&self, root: &std::path::Path) -> PathBuf {
        self.data.join("sessions").join(Self::project_key(root))
    }

    /// Where what the user decided about a project is kept.
    #[must_use]
    pub fn project(&self, root: &std::path::Path) -> PathBuf {
        self.data.join("projects").join(Self::project_key(root))
    }

    /// Where the index of a project is kept.
    #[must_use]
    pub fn index(&self, root: &std::path::Path) -> PathBuf {
        self.cache.join("index").join(Self::project_key(root))
    }

    /// Where the index of what was said in a project's sessions is kept.
    #[must_use]
    pub fn archive(&self, root: &std::path::Path) -> PathBuf {
        self.cache.join("archive").join(Self::project_key(root))
    }

    /// Where the map of a project is kept that the head of its prompts shows.
    #[must_use]
    pub fn map(&self, root: &std::path::Path, tokens: usize) -> PathBuf {
        // One map for windows that differ little.
        let size = tokens.next_power_of_two() / 2;
        self.cache.join("maps").join(format!("{}-{size}.txt", Self::project_key(root)))
    }

    /// Where the state of prompts is kept for models that run here.
    #[must_use]
    pub fn snapshots(&self) -> PathBuf {
        self.cache.join("kv")
    }

    /// Where pre-images are kept.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.data.join("journal")
    }
}

/// The home directory that the system's list of users gives this one; no variable can move it.
#[cfg(target_os = "linux")]
fn system_home() -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    let user = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let home = users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(2) == Some(&user.as_str())).then(|| fields.get(5).map(PathBuf::from)).flatten()
    })?;
    home.canonicalize().ok()
}

#[cfg(not(target_os = "linux"))]
fn system_home() -> Option<PathBuf> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[cfg(unix)]
    #[test]
    fn no_variable_leads_into_the_project() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = folder.path().canonicalize().expect("resolves");
        let root = top.join("repo");
        std::fs::create_dir_all(root.join("x")).expect("created");
        let home = Environment::of([("HOME", root.to_string_lossy().into_owned())]);
        assert_eq!(Places::redirected(&home, &root), None, "a home that is no repository");
        std::fs::create_dir(root.join(".git")).expect("created");
        std::os::unix::fs::symlink(root.join("x"), top.join("link")).expect("linked");
        let check = |name: &'static str, path: &str, expect: bool| {
            let environment = Environment::of([(name, top.join(path).to_string_lossy().into_owned())]);
            let found = Places::redirected(&environment, &root);
            assert_eq!(found.map(|(name, _)| name), expect.then_some(name), "{name} {path}");
        };
        for name in PLACES {
            check(name, "repo", true);
            check(name, "repo/.config", true);
            check(name, "repo/not/there/yet", true);
            check(name, "other/../repo/x", true);
            check(name, "link", true);
            check(name, "link/deep", true);
            check(name, "home", false);
            check(name, "repo-evil", false);
        }
        let relative = Environment::of([("XDG_CONFIG_HOME", "repo/.config")]);
        assert_eq!(Places::redirected(&relative, &root), None);
    }

    #[test]
    fn places_follow_the_xdg_rules() {
        let check = |variables: &[(&str, &str)], config: &str, data: &str| {
            let places = Places::from_environment(&Environment::of(variables.iter().copied()));
            assert_eq!(places.config, Path::new(config));
            assert_eq!(places.data, Path::new(data));
        };
        check(&[("HOME", "/home/dev")], "/home/dev/.config/loci", "/home/dev/.local/share/loci");
        check(
            &[("HOME", "/home/dev"), ("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "relative")],
            "/c/loci",
            "/home/dev/.local/share/loci",
        );
        check(
            &[("HOME", "/home/dev"), ("XDG_DATA_HOME", "")],
            "/home/dev/.config/loci",
            "/home/dev/.local/share/loci",
        );
    }

    #[test]
    fn projects_of_one_name_do_not_share_folders() {
        let one = Places::project_key(Path::new("/a/repo"));
        let two = Places::project_key(Path::new("/b/repo"));
        assert!(one.starts_with("repo-") && two.starts_with("repo-") && one != two);
        assert!(Places::project_key(Path::new("/")).starts_with("root-"));
    }
}
