//! Owns what holds the commands of a session in: the level, and what each command may touch beyond the usual.
//! Uses `exec` for the means, the settings for the user's choice, the rules for what must stay unread.
//! Never runs a command with less than the user chose: where that is not to be had, it asks.

pub mod trial;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use loci_exec::proxy::{Proxy, USUAL_PORTS};
use loci_exec::sandbox::{Overlay, Profile, Sandbox};
use loci_policy::{Context, Verdict};
use loci_protocol::SandboxBadge;

use crate::config::{Places, Settings};
use crate::permission::readable::Readable;

pub use loci_exec::sandbox::{Level, Network, enter_if_asked};

/// What the user wants to hold commands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// The best that this machine gives; without any, every command asks.
    #[default]
    Auto,
    /// Nothing, by the user's own word: commands go by the rules alone.
    Off,
    /// At least this; without it no command runs.
    AtLeast(Level),
}

impl Choice {
    /// The choice of that name in the configuration.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(Self::Auto),
            "off" => Some(Self::Off),
            "restricted" => Some(Self::AtLeast(Level::Restricted)),
            "full" => Some(Self::AtLeast(Level::Full)),
            _ => None,
        }
    }
}

/// What a decision opens for one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Hosts that the command may reach.
    pub network: Vec<String>,
    /// Whether it may write to the repository's own folder; hooks and configuration stay as they are.
    pub repository: bool,
}

/// What one command is started in; the proxy lives as long as this.
pub(crate) struct Held {
    pub(crate) sandbox: Option<Sandbox>,
    pub(crate) proxy: Option<Proxy>,
}

/// The sandboxes of a session.
#[derive(Debug, Clone)]
pub struct Sandboxing {
    helper: PathBuf,
    level: Level,
    overlay: bool,
    why: String,
    choice: Choice,
    root: PathBuf,
    writable: Vec<PathBuf>,
    /// What decides what is run or allowed later.
    protected: Vec<PathBuf>,
    hidden: Vec<PathBuf>,
    hosts: Vec<String>,
    keep_env: Vec<String>,
    /// For sockets of proxies.
    folder: PathBuf,
    readable: Readable,
    offline: bool,
}

impl Sandboxing {
    /// The same with other files unread.
    #[must_use]
    pub fn reading(&self, readable: Readable) -> Self {
        Self { readable, ..self.clone() }
    }

    /// Find out what this machine gives. `helper` is the program whose `main` begins with [`enter_if_asked`]; without
    /// one commands go by the rules alone.
    #[must_use]
    pub fn open(helper: Option<&Path>, settings: &Settings, places: &Places, context: &Context) -> Self {
        let choice = match (helper, settings.sandbox, settings.managed.sandbox_required) {
            // Whoever runs the machine wants one: then a program that brings none along runs no command.
            (_, Choice::AtLeast(level), Some(required)) => Choice::AtLeast(level.max(required)),
            (_, Choice::Auto | Choice::Off, Some(required)) => Choice::AtLeast(required),
            (None, _, None) => Choice::Off,
            (Some(_), choice, None) => choice,
        };
        let probe = match (helper, choice) {
            (Some(helper), Choice::Auto | Choice::AtLeast(_)) => Some(loci_exec::sandbox::probe(helper)),
            _ => None,
        };
        let (level, overlay, why) = match probe {
            Some(probe) => (probe.level, probe.overlay, probe.why.join("; ")),
            None if helper.is_none() => (Level::None, false, "this program brings no sandbox along".into()),
            None => (Level::None, false, "switched off in the configuration".into()),
        };
        let root = context.root.clone();
        let mut hidden = loci_exec::sandbox::secret_places(&places.home);
        // Sessions, the journal and saved rules are not for commands to read or to write.
        hidden.extend([places.data.clone(), places.state.clone()]);
        let mut protected = vec![root.join(".loci"), places.config.clone()];
        protected.extend(context.config_dirs.iter().filter(|folder| !hidden.contains(folder)).cloned());
        Self {
            helper: helper.map(Path::to_path_buf).unwrap_or_default(),
            level,
            overlay,
            why,
            choice,
            writable: context.additional.iter().chain(&settings.sandbox_writable).cloned().collect(),
            root,
            protected,
            hidden,
            hosts: settings.managed.narrow_hosts(settings.sandbox_network.clone()),
            keep_env: settings.sandbox_keep_env.clone(),
            folder: places.state.join("proxy"),
            readable: Readable::new(&settings.rules, context),
            offline: settings.offline,
        }
    }

    /// What commands get.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Whether nothing goes over a network: then no host is opened to any command.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// For front ends.
    #[must_use]
    pub fn badge(&self) -> SandboxBadge {
        SandboxBadge { level: self.level.name().into(), why: self.why.clone() }
    }

    /// Whether changes of a command can be kept beside the tree until they are known.
    #[must_use]
    pub fn keeps_changes_apart(&self) -> bool {
        self.level == Level::Full && self.overlay
    }

    /// What the lack of a sandbox makes of a command that the rules allow: `None` when nothing.
    #[must_use]
    pub fn objection(&self) -> Option<(Verdict, String)> {
        match self.choice {
            Choice::AtLeast(level) if self.level < level => Some((
                Verdict::Deny,
                format!(
                    "the configuration wants the sandbox `{}`, and this machine gives `{}`: {}",
                    level.name(),
                    self.level.name(),
                    self.why
                ),
            )),
            Choice::Auto if self.level == Level::None => {
                Some((Verdict::Ask, format!("nothing holds commands in on this machine ({})", self.why)))
            }
            _ => None,
        }
    }

    /// The names of variables that commands keep although they look like secrets.
    #[must_use]
    pub fn keep_env(&self) -> &[String] {
        &self.keep_env
    }

    /// The hosts that a command may reach.
    #[must_use]
    pub fn hosts(&self, grants: &Grants) -> Vec<String> {
        if self.offline {
            return Vec::new();
        }
        let mut hosts = self.hosts.clone();
        hosts.extend(grants.network.iter().filter(|host| !self.hosts.contains(host)).cloned());
        hosts
    }

    /// The sandbox for one command; `None` where there is none. `proxy` is the socket of what lets hosts through.
    #[must_use]
    pub fn of(&self, grants: &Grants, overlay: Option<Overlay>, proxy: Option<PathBuf>) -> Option<Sandbox> {
        if self.level == Level::None {
            return None;
        }
        let mut writable = self.writable.clone();
        let mut read_only = self.protected.clone();
        let repository = Repository::of(&self.root);
        if grants.repository {
            read_only.extend(repository.executing());
            writable.extend(repository.folders);
        } else {
            read_only.push(self.root.join(".git"));
            read_only.extend(repository.folders);
        }
        let mut hidden = self.hidden.clone();
        hidden.extend(self.unreadable());
        Some(Sandbox {
            helper: self.helper.clone(),
            level: self.level,
            profile: Profile {
                root: self.root.clone(),
                writable,
                read_only,
                hidden,
                overlay,
                network: proxy.map_or(Network::Off, Network::Proxy),
            },
        })
    }

    /// What one command is started in.
    ///
    /// # Errors
    /// A sentence for the model: the way to the hosts that were granted cannot be opened.
    pub(crate) fn hold(&self, grants: &Grants, overlay: Option<Overlay>) -> Result<Held, String> {
        let hosts = self.hosts(grants);
        // Single hosts can be let through only where the command has a network of its own.
        if hosts.is_empty() || self.level != Level::Full {
            return Ok(Held { sandbox: self.of(grants, overlay, None), proxy: None });
        }
        let socket = self.socket();
        let may_reach = move |host: &str, port: u16| {
            if hosts.iter().any(|pattern| opens(pattern, host, port)) {
                Ok(())
            } else {
                Err(format!("no rule opens {host} at port {port} for this command"))
            }
        };
        let proxy = crate::session::log::create_folder(&self.folder)
            .map_err(|error| error.to_string())
            .and_then(|()| Proxy::start(&socket, Arc::new(may_reach)).map_err(|error| error.to_string()))
            .map_err(|error| format!("the way to the network cannot be opened: {error}"))?;
        Ok(Held { sandbox: self.of(grants, overlay, Some(socket)), proxy: Some(proxy) })
    }

    /// A name for the socket of a proxy. Short, since a socket's address holds 107 bytes.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join(&uuid::Uuid::new_v4().simple().to_string()[..12])
    }

    /// The files of the project that rules keep from being read: a subprocess must not read them either.
    fn unreadable(&self) -> Vec<PathBuf> {
        if self.readable.shows_all() {
            return Vec::new();
        }
        let walk = ignore::WalkBuilder::new(&self.root)
            .standard_filters(false)
            .filter_entry(|entry| entry.file_name() != ".git")
            .build();
        walk.flatten()
            .take(MAX_ENTRIES)
            .filter(|entry| !self.readable.may_show(entry.path()))
            .map(ignore::DirEntry::into_path)
            .collect()
    }
}

/// Whether a host that was opened covers this one: `x` and `*.x` at the ports of the web, `x:22` at that port. An address,
/// or this machine, is opened by its own name only, since that opens the private network behind it.
fn opens(pattern: &str, host: &str, port: u16) -> bool {
    let with_port = pattern.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse::<u16>().ok()?)));
    let (name, at_this_port) = match with_port {
        Some((name, only)) => (name, only == port),
        None => (pattern, USUAL_PORTS.contains(&port)),
    };
    let itself = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok();
    at_this_port && if itself { name == host } else { loci_policy::host_matches(name, host) }
}

/// Entries of a project that are compared with rules about reading before a command; more would delay each command.
const MAX_ENTRIES: usize = 50_000;

/// Where a project's repository keeps itself.
struct Repository {
    /// `.git`, and for a worktree the folder it leads to and the one shared with others.
    folders: Vec<PathBuf>,
}

impl Repository {
    fn of(root: &Path) -> Self {
        let git = root.join(".git");
        let mut folders = vec![git.clone()];
        if let Ok(text) = std::fs::read_to_string(&git)
            && let Some(target) = text.strip_prefix("gitdir:")
            && let Ok(own) = root.join(target.trim()).canonicalize()
            // A repository can say what it likes here: only a folder that looks like git's own is taken for one.
            && own.join("HEAD").is_file()
        {
            if let Ok(text) = std::fs::read_to_string(own.join("commondir"))
                && let Ok(common) = own.join(text.trim()).canonicalize()
                && common.join("objects").is_dir()
                && own.starts_with(common.join("worktrees"))
            {
                folders.push(common);
            }
            folders.push(own);
        }
        Self { folders }
    }

    /// What in it decides what git runs: that stays as it is even while git writes.
    fn executing(&self) -> Vec<PathBuf> {
        let names = ["hooks", "config", "config.worktree", "info/attributes", "modules"];
        self.folders.iter().flat_map(|folder| names.map(|name| folder.join(name))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_opened_at_the_ports_of_the_web_and_never_by_accident() {
        let check = |pattern: &str, host: &str, port: u16, expect: bool| {
            assert_eq!(opens(pattern, host, port), expect, "{pattern} {host} {port}");
        };
        check("crates.io", "crates.io", 443, true);
        check("crates.io", "crates.io", 80, true);
        check("crates.io", "crates.io", 22, false);
        check("crates.io", "static.crates.io", 443, false);
        check("*.crates.io", "static.crates.io", 443, true);
        check("*.crates.io", "crates.io", 443, false);
        check("github.com:22", "github.com", 22, true);
        check("github.com:22", "github.com", 443, false);
        check("localhost", "localhost", 80, true);
        check("localhost", "localhost", 5432, false);
        check("localhost:5432", "localhost", 5432, true);
        check("10.0.0.7:8080", "10.0.0.7", 8080, true);
        for pattern in ["*", "*.0.0.1", "*.1", "*:443", "127.0.0.2", "localhost"] {
            check(pattern, "127.0.0.1", 443, false);
            check(pattern, "::1", 443, false);
        }
        check("*", "localhost", 443, false);
    }
}
