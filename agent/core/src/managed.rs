//! Owns what whoever runs the machine says: `/etc/loci/policy.d/*.toml`.
//! Uses the folder and the owner that it is given.
//! Never widens anything, and never goes on without a policy that is there but cannot be relied on.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use loci_exec::sandbox::Level;
use loci_policy::{Rule, Rules};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::config::rules::{examine, lines, list_of, place, read as read_rule};
use crate::config::{Entry, Origin};

/// Larger files are no policy that somebody wrote.
const LARGEST: u64 = 1 << 20;

/// What whoever runs the machine says. The default says nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Managed {
    /// The files, in the order in which they were read.
    pub files: Vec<PathBuf>,
    /// Rules of the layer managed.
    pub rules: Rules,
    /// Allow rules of others have no effect, and approvals save none.
    pub managed_rules_only: bool,
    /// The mode bypassPermissions cannot be chosen.
    pub disable_bypass: bool,
    /// Nothing goes over the network.
    pub offline: bool,
    /// Commands run at least so well held in, or not at all.
    pub sandbox_required: Option<Level>,
    /// The hosts that commands may reach at most: `crates.io`, `*.crates.io`.
    pub network: Option<Vec<String>>,
    /// The base URLs of services that may be asked.
    pub providers: Option<Vec<String>>,
    /// The models that may be opened.
    pub models: Option<Vec<AllowedModel>>,
    /// The servers of tools that may be started.
    pub mcp: Option<Vec<AllowedServer>>,
    /// Paths, as in `Read(…)`, whose content never leaves the machine.
    pub never_leaves: Vec<String>,
    /// Secrets are taken out of whatever leaves the machine, whatever the user says.
    pub redact: bool,
    /// Nothing runs that is not on record.
    pub audit_required: bool,
    /// The same as entries of the configuration.
    pub(crate) entries: Vec<Entry>,
}

/// A model that may be opened: `builtin`, a name, or a file by its hash.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AllowedModel {
    /// `builtin`, or SERVICE/MODEL; of a file only for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of the file, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Of the file, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blake3: Option<String>,
}

/// A server of tools that may be started: all of it must fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedServer {
    /// Its name in the configuration.
    pub name: String,
    /// The program and its arguments, as they are started.
    pub command: String,
    /// Of the program's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Why nothing can be started on this machine until somebody repairs its policy.
#[derive(Debug, thiserror::Error)]
#[error("the policy of this machine cannot be relied on: {}: {message}", path.display())]
pub struct ManagedError {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub message: String,
}

/// Who may have written a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The user of this number and nobody else; 0 in a real run.
    User(u32),
}

/// What a file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    deny: Vec<Value>,
    ask: Vec<Value>,
    allow: Vec<Value>,
    managed_rules_only: bool,
    disable_bypass: bool,
    offline: bool,
    sandbox_required: Option<Level>,
    network: Option<AllowList<String>>,
    providers: Option<AllowList<String>>,
    models: Option<AllowList<AllowedModel>>,
    mcp: Option<AllowList<AllowedServer>>,
    never_leaves: Vec<String>,
    redact: bool,
    audit_required: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowList<T> {
    allow: Vec<T>,
}

impl Managed {
    /// Read every `*.toml` of the folder, in the order of their names. Without a folder, or with an empty one, nothing is
    /// said. Several files add up: lists of what is forbidden join, of what may be used only what all of them name is left.
    ///
    /// # Errors
    /// The folder or a file that is there and cannot be relied on: not the owner's, writable by others, a link, not
    /// readable, or not understood to its last key. Nothing must be started then.
    pub fn load(folder: &Path, owner: Owner) -> Result<Self, ManagedError> {
        let wrong = |message: String| ManagedError { path: folder.into(), message };
        match fs::symlink_metadata(folder) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Self::default());
            }
            Err(error) => return Err(wrong(error.to_string())),
            Ok(metadata) if !metadata.is_dir() => return Err(wrong("it is not a folder".into())),
            Ok(metadata) => owned(&metadata, owner).map_err(wrong)?,
        }
        for above in folder.ancestors().skip(1).filter(|above| above.parent().is_some()) {
            reached(above, owner).map_err(|message| ManagedError { path: above.into(), message })?;
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| wrong(error.to_string()))? {
            let name = entry.map_err(|error| wrong(error.to_string()))?.file_name();
            let text = name.to_string_lossy();
            if text.ends_with(".toml") && !text.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        let mut managed = Self::default();
        for name in names {
            let path = folder.join(name);
            let text = read_owned(&path, owner).and_then(|text| managed.add(&path, &text));
            text.map_err(|message| ManagedError { path, message })?;
        }
        Ok(managed)
    }

    fn add(&mut self, path: &Path, text: &str) -> Result<(), String> {
        let written: Written =
            toml::from_str(text).map_err(|error: toml::de::Error| error.to_string().trim_end().to_owned())?;
        let table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let origin = Origin::Managed(path.into());
        let lines = lines(text);
        for (list, items) in [("deny", &written.deny), ("ask", &written.ask), ("allow", &written.allow)] {
            for (number, item) in items.iter().enumerate() {
                let mut rule = read_rule(item).map_err(|message| format!("`{list}` {message}"))?;
                rule.layer = loci_policy::Layer::Managed;
                rule.origin = place(&origin, lines.get(list).and_then(|lines| lines.get(number)).copied());
                let checked = examine(list, &rule);
                // Whoever wrote it counts on it.
                if let Some(why) = checked.odd.iter().chain(&checked.failed).next() {
                    return Err(format!(
                        "the {list} rule `{}` does not do what it seems to say: {why}",
                        rule.text
                    ));
                }
                list_of(&mut self.rules, list).push(rule);
            }
        }
        for pattern in &written.never_leaves {
            if let Some(why) = examine("deny", &format!("Read({pattern})").as_str().into()).odd.first() {
                return Err(format!("`never_leaves` has `{pattern}`, which is no pattern for paths: {why}"));
            }
        }
        for host in written.network.iter().flat_map(|list| &list.allow) {
            if let Some(why) =
                examine("allow", &format!("WebFetch(domain:{host})").as_str().into()).odd.first()
            {
                return Err(format!("`network.allow` has `{host}`: {why}"));
            }
        }
        for model in written.models.iter().flat_map(|list| &list.allow) {
            let hex = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            if [&model.sha256, &model.blake3].into_iter().flatten().any(|hash| !hex(hash)) {
                return Err("`models.allow` has a hash that is not 64 hexadecimal digits".into());
            }
            if *model == AllowedModel::default() {
                return Err("`models.allow` has an entry with neither name nor hash".into());
            }
        }
        self.managed_rules_only |= written.managed_rules_only;
        self.disable_bypass |= written.disable_bypass;
        self.offline |= written.offline;
        self.redact |= written.redact;
        self.audit_required |= written.audit_required;
        self.sandbox_required = self.sandbox_required.max(written.sandbox_required);
        self.never_leaves.extend(written.never_leaves);
        narrow(&mut self.network, written.network);
        narrow(&mut self.providers, written.providers);
        narrow(&mut self.models, written.models);
        narrow(&mut self.mcp, written.mcp);
        self.entries.extend(entries(&table, "", &origin));
        self.files.push(path.into());
        Ok(())
    }

    /// The paths that never leave the machine, as rules for whatever is not on it.
    #[must_use]
    pub fn stays_here(&self) -> Vec<Rule> {
        let origin = self.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        let rule = |pattern: &String| Rule {
            layer: loci_policy::Layer::Managed,
            origin: format!("never_leaves in {origin}"),
            ..Rule::from(format!("Read({pattern})"))
        };
        self.never_leaves.iter().map(rule).collect()
    }

    /// What it says beside its rules, by key.
    #[must_use]
    pub fn said(&self) -> Vec<(String, String)> {
        let rules = |key: &str| matches!(key, "deny" | "ask" | "allow");
        self.entries
            .iter()
            .filter(|entry| !rules(&entry.key))
            .map(|entry| (entry.key.clone(), entry.value.to_string()))
            .collect()
    }

    /// Whether it says anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether a service at this address may be asked.
    #[must_use]
    pub fn allows_provider(&self, base_url: &str) -> bool {
        let same = |url: &str| url.trim_end_matches('/').to_owned();
        self.providers.as_ref().is_none_or(|list| list.iter().any(|url| same(url) == same(base_url)))
    }

    /// Whether a model without a file of its own may be used: `builtin`, or SERVICE/MODEL.
    #[must_use]
    pub fn allows_model_named(&self, name: &str) -> bool {
        self.models.as_ref().is_none_or(|list| {
            let plain = |model: &&AllowedModel| model.sha256.is_none() && model.blake3.is_none();
            list.iter().filter(plain).any(|model| model.name.as_deref() == Some(name))
        })
    }

    /// Whether a model file with these hashes may be opened. A name alone allows no file.
    #[must_use]
    pub fn allows_model_file(&self, hashes: &FileHashes) -> bool {
        self.models.as_ref().is_none_or(|list| {
            list.iter().any(|model| {
                let fits = |wanted: &Option<String>, hash: &str| {
                    wanted.as_ref().map(|wanted| wanted.eq_ignore_ascii_case(hash))
                };
                let both = [fits(&model.sha256, &hashes.sha256), fits(&model.blake3, &hashes.blake3)];
                both.contains(&Some(true)) && !both.contains(&Some(false))
            })
        })
    }

    /// Of these hosts those that commands may reach: `*.x` only where all of it may be reached.
    #[must_use]
    pub fn narrow_hosts(&self, hosts: Vec<String>) -> Vec<String> {
        match &self.network {
            None => hosts,
            Some(list) => {
                hosts.into_iter().filter(|host| list.iter().any(|wide| covers(wide, host))).collect()
            }
        }
    }
}

/// What a model file is known by, in hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileHashes {
    /// SHA-256.
    pub sha256: String,
    /// BLAKE3.
    pub blake3: String,
}

/// Whether a pattern of hosts covers another: itself, and for `*.x` whatever ends in `.x`.
fn covers(wide: &str, narrow: &str) -> bool {
    let clean = |host: &str| host.trim().trim_end_matches('.').to_ascii_lowercase();
    let (wide, narrow) = (clean(wide), clean(narrow));
    match wide.strip_prefix('*') {
        Some(end) if end.starts_with('.') => {
            let rest = narrow.strip_prefix('*').unwrap_or(&narrow);
            // `*.x` covers `*.x` and `a.x`, and not `x`.
            rest.ends_with(end) && (rest.len() > end.len() || narrow.starts_with('*'))
        }
        _ => wide == narrow,
    }
}

/// Of what was left, only what is named again.
fn narrow<T: PartialEq>(left: &mut Option<Vec<T>>, written: Option<AllowList<T>>) {
    let Some(AllowList { allow }) = written else { return };
    match left {
        None => *left = Some(allow),
        Some(left) => left.retain(|one| allow.contains(one)),
    }
}

/// The keys of a file as entries of the configuration.
fn entries(table: &Table, before: &str, origin: &Origin) -> Vec<Entry> {
    let mut found = Vec::new();
    for (key, value) in table {
        let key = format!("{before}{key}");
        match value {
            Value::Table(inner) => found.extend(entries(inner, &format!("{key}."), origin)),
            // A switch that is left off says nothing, and must not take away what somebody else switched on.
            Value::Boolean(false) => {}
            _ => found.push(Entry { key, value: value.clone(), origin: origin.clone() }),
        }
    }
    found
}

/// The text of a file that is the owner's alone to write.
fn read_owned(path: &Path, owner: Owner) -> Result<String, String> {
    let said = |error: io::Error| error.to_string();
    let named = fs::symlink_metadata(path).map_err(said)?;
    if !named.is_file() {
        return Err("it is not a regular file; a link is not followed".into());
    }
    let file = fs::File::open(path).map_err(said)?;
    let opened = file.metadata().map_err(said)?;
    if !same_file(&named, &opened) {
        return Err("it was replaced while it was read".into());
    }
    owned(&opened, owner)?;
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(said)?;
    if text.len() as u64 > LARGEST {
        return Err("it is larger than 1 MiB".into());
    }
    Ok(text)
}

/// The hashes of a file, for [`Managed::allows_model_file`].
///
/// # Errors
/// When it cannot be read.
pub fn hash_file(path: &Path) -> io::Result<FileHashes> {
    use sha2::Digest;
    let mut file = fs::File::open(path)?;
    let (mut sha256, mut blake3) = (sha2::Sha256::new(), blake3::Hasher::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
        sha256.update(read);
        blake3.update(read);
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok(FileHashes { sha256: hex(&sha256.finalize()), blake3: blake3.finalize().to_hex().to_string() })
}

/// Whoever runs the tests, and what they create in temporary folders.
#[cfg(all(test, unix))]
pub(crate) fn this_user() -> Owner {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().expect("a folder");
    Owner::User(fs::metadata(folder.path()).expect("is there").uid())
}

#[cfg(all(test, not(unix)))]
pub(crate) fn this_user() -> Owner {
    Owner::User(0)
}

#[cfg(unix)]
fn same_file(one: &fs::Metadata, two: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (two.dev(), two.ino())
}

#[cfg(not(unix))]
fn same_file(_one: &fs::Metadata, _two: &fs::Metadata) -> bool {
    true
}

/// What is wrong with whoever owns or may write it.
#[cfg(unix)]
fn owned(metadata: &fs::Metadata, owner: Owner) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let Owner::User(wanted) = owner;
    let name = if wanted == 0 { "root".to_owned() } else { format!("user {wanted}") };
    if metadata.uid() != wanted {
        return Err(format!("it belongs to user {}, not to {name}", metadata.uid()));
    }
    if metadata.mode() & 0o022 != 0 {
        let mode = metadata.mode() & 0o7777;
        return Err(format!("others than {name} may write it (mode {mode:o}); take that away: chmod go-w"));
    }
    Ok(())
}

/// Elsewhere than on Unix there is no such folder, and nobody to compare with.
#[cfg(not(unix))]
fn owned(_metadata: &fs::Metadata, _owner: Owner) -> Result<(), String> {
    Ok(())
}

/// What is wrong with a folder on the way: whoever may write it may put another one in its place.
#[cfg(unix)]
fn reached(above: &Path, owner: Owner) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(above).map_err(|error| error.to_string())?;
    let Owner::User(wanted) = owner;
    let trusted = metadata.uid() == wanted || metadata.uid() == 0;
    // In a sticky folder others cannot replace what is not theirs.
    if trusted && (metadata.mode() & 0o022 == 0 || metadata.mode() & 0o1000 != 0) {
        return Ok(());
    }
    Err("others may put another folder in the place of the one with the policy".into())
}

#[cfg(not(unix))]
fn reached(_above: &Path, _owner: Owner) -> Result<(), String> {
    Ok(())
}

#[cfg(test)]
mod tests;
