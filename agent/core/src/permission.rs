//! Owns what becomes of a call: the policy's decision over all it would touch, and what the user decided before.
//! Uses `policy` as a pure function, and the disk through [`DiskFiles`].
//! Never widens a decision: of several the strictest counts, and a remembered approval answers only an ask.

#[cfg(test)]
mod everyday;
pub mod readable;

use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use loci_policy::{Context, Decision, Files, Kind, Layer, Mode, Rule, Rules, Verdict};
use loci_protocol::PermissionMode;
use serde::Serialize;
use serde_json::Value;

use crate::config::{ConfigError, Places, SavedRules, Settings};
use crate::managed::Managed;
use crate::sandboxing::Sandboxing;
use crate::tools::Access;

/// The rules of a session and what its user approved.
#[derive(Debug)]
pub struct Permissions {
    rules: Rules,
    context: Context,
    managed: Arc<Managed>,
    /// Where approved rules are saved; without, they last as long as the session.
    saved: Option<SavedRules>,
    approved: HashSet<String>,
    sandboxing: Option<Arc<Sandboxing>>,
}

/// The switches that decide beside the rules, for [`Permissions::policy_hash`].
#[derive(Serialize)]
struct InForce<'a> {
    mode: &'a str,
    rules: &'a Rules,
    managed_rules_only: bool,
    disable_bypass: bool,
    offline: bool,
    network: &'a Option<Vec<String>>,
    never_leaves: &'a [String],
}

impl Permissions {
    /// No approvals yet.
    #[must_use]
    pub fn new(rules: Rules, context: Context) -> Self {
        Self {
            rules,
            context,
            managed: Arc::default(),
            saved: None,
            approved: HashSet::new(),
            sandboxing: None,
        }
    }

    /// Under what whoever runs the machine says.
    #[must_use]
    pub fn under(mut self, managed: Arc<Managed>) -> Self {
        self.managed = managed;
        self
    }

    /// Rules that the user approves go there.
    #[must_use]
    pub fn saving_to(mut self, saved: SavedRules) -> Self {
        self.saved = Some(saved);
        self
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// blake3, in hexadecimal digits, of every rule and switch that decides in this mode. What was approved in the session
    /// is part of it.
    #[must_use]
    pub fn policy_hash(&self, mode: PermissionMode) -> String {
        let mode = self.mode(mode);
        let in_force = InForce {
            mode: mode.name(),
            rules: &self.rules,
            managed_rules_only: self.managed.managed_rules_only,
            disable_bypass: self.managed.disable_bypass,
            offline: self.managed.offline,
            network: &self.managed.network,
            never_leaves: &self.managed.never_leaves,
        };
        // Texts, lists and truths always have a form in JSON.
        let text = serde_json::to_string(&in_force).unwrap_or_default();
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }

    /// The mode that counts where the machine's policy leaves one out.
    fn mode(&self, mode: PermissionMode) -> PermissionMode {
        if self.managed.disable_bypass && mode == PermissionMode::BypassPermissions {
            PermissionMode::Default
        } else {
            mode
        }
    }

    /// Commands run in these sandboxes: where they are less than the user wants, commands that the rules allow ask, or are
    /// denied.
    #[must_use]
    pub fn held_by(mut self, sandboxing: Arc<Sandboxing>) -> Self {
        self.sandboxing = Some(sandboxing);
        self
    }

    /// From now on deny what these rules deny, in the place of what was denied so before; `sandboxing` holds commands in.
    pub(crate) fn keep_here(&mut self, before: &[Rule], rules: &[Rule], sandboxing: Arc<Sandboxing>) {
        self.rules.deny.retain(|rule| !before.contains(rule));
        self.rules.deny.splice(0..0, rules.iter().cloned());
        self.sandboxing = Some(sandboxing);
    }

    /// A decision on a command, given what would hold it in.
    fn held(&self, mode: PermissionMode, access: &Access, mut decision: Decision) -> Decision {
        let Some((verdict, why)) = self.sandboxing.as_ref().and_then(|sandboxing| sandboxing.objection())
        else {
            return decision;
        };
        let waived = verdict == Verdict::Ask && mode == PermissionMode::BypassPermissions;
        if access.tool == "Bash" && verdict > decision.decision && !waived {
            let denied = verdict == Verdict::Ask && mode == PermissionMode::DontAsk;
            decision.decision = if denied { Verdict::Deny } else { verdict };
            decision.why = why;
            decision.rule = None;
            decision.origin = None;
            // No rule changes what the machine gives.
            decision.rules.clear();
        }
        decision
    }

    /// Decide a call by everything it would touch. A call that touches nothing is allowed.
    #[must_use]
    pub fn decide(&self, mode: PermissionMode, tool: &str, input: &Value, accesses: &[Access]) -> Decision {
        let mut strictest = Decision {
            decision: Verdict::Allow,
            rule: None,
            why: "it touches nothing".into(),
            origin: None,
            parts: Vec::new(),
            rules: Vec::new(),
            network: Vec::new(),
            repository: false,
        };
        let mode = self.mode(mode);
        let (mut parts, mut rules, mut network) = (Vec::new(), Vec::new(), Vec::new());
        let (mut repository, mut unsaveable) = (false, self.managed.managed_rules_only);
        for (number, access) in accesses.iter().filter(|access| !access.tool.is_empty()).enumerate() {
            let decided = loci_policy::decide(
                &self.rules,
                policy_mode(mode),
                &self.context,
                access.tool,
                &access.input,
                &DiskFiles,
            );
            let decision = self.held(mode, access, decided);
            add_new(&mut parts, &decision.parts);
            add_new(&mut rules, &decision.rules);
            add_new(&mut network, &decision.network);
            repository |= decision.repository;
            // What one part of the call can never be allowed by, no rule allows for the whole.
            unsaveable |= decision.decision == Verdict::Ask && decision.rules.is_empty();
            if number == 0 || decision.decision > strictest.decision {
                strictest = decision;
            }
        }
        strictest.parts = parts;
        strictest.rules = if unsaveable { Vec::new() } else { rules };
        strictest.network = self.managed.narrow_hosts(network);
        strictest.repository = repository;
        if strictest.decision == Verdict::Ask && self.approved.contains(&key(tool, input)) {
            strictest.decision = Verdict::Allow;
            strictest.why = "approved for this session".into();
        }
        strictest
    }

    /// Remember for the rest of the session that just this call may run, and what the rules that were shown with the
    /// question say: each sub-command literally, in whatever order and company.
    pub fn approve(&mut self, tool: &str, input: &Value, shown: &[String]) {
        self.approved.insert(key(tool, input));
        self.add(shown, "approved in this session");
    }

    /// Save the rules that were shown with a question, for this project. True when they are written.
    ///
    /// # Errors
    /// When the file cannot be written; they then hold for the session.
    pub fn save(&mut self, shown: &[String]) -> Result<bool, ConfigError> {
        if shown.is_empty() || self.managed.managed_rules_only {
            return Ok(false);
        }
        let Some(saved) = &self.saved else {
            self.add(shown, "approved in this session");
            return Ok(false);
        };
        let (written, place) = (saved.add(shown), saved.path().display().to_string());
        self.add(shown, &place);
        written.map(|_| true)
    }

    fn add(&mut self, shown: &[String], origin: &str) {
        if self.managed.managed_rules_only {
            return;
        }
        for text in shown {
            if !self.rules.allow.iter().any(|rule| rule.text == *text) {
                // The user's own word, with the project trusted or not.
                let rule = Rule { layer: Layer::CommandLine, origin: origin.into(), ..text.as_str().into() };
                self.rules.allow.push(rule);
            }
        }
    }
}

fn add_new(all: &mut Vec<String>, more: &[String]) {
    for one in more {
        if !all.contains(one) {
            all.push(one.clone());
        }
    }
}

/// Where the calls of a session run, as the policy sees it. Paths are absolute and resolved.
#[must_use]
pub fn context(root: &Path, places: &Places, settings: &Settings, trusted: bool) -> Context {
    Context {
        root: root.into(),
        cwd: root.into(),
        home: places.home.clone(),
        additional: settings.additional_directories.clone(),
        config_dirs: vec![
            root.join(".loci"),
            places.config.clone(),
            places.data.clone(),
            places.system.clone(),
        ],
        trusted,
        offline: settings.offline,
        managed: loci_policy::Managed {
            only_managed_allow: settings.managed.managed_rules_only,
            no_bypass: settings.managed.disable_bypass,
            broken: None,
        },
        ..Context::default()
    }
}

/// A call, literally.
fn key(tool: &str, input: &Value) -> String {
    format!("{tool} {}", canonical(input))
}

/// The same arguments in another order are the same call.
#[must_use]
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let fields: Vec<String> =
                keys.into_iter().map(|key| format!("{key:?}:{}", canonical(&map[key]))).collect();
            format!("{{{}}}", fields.join(","))
        }
        other => other.to_string(),
    }
}

/// The mode in the words of the policy.
#[must_use]
pub fn policy_mode(mode: PermissionMode) -> Mode {
    match mode {
        PermissionMode::Default => Mode::Default,
        PermissionMode::AcceptEdits => Mode::AcceptEdits,
        PermissionMode::Plan => Mode::Plan,
        PermissionMode::DontAsk => Mode::DontAsk,
        PermissionMode::BypassPermissions => Mode::BypassPermissions,
    }
}

/// The real file system, as the policy may ask about it.
#[derive(Debug, Clone, Copy)]
pub struct DiskFiles;

/// Links are followed this often before a loop is assumed; the kernel's own limit.
const MAX_LINKS: usize = 40;

impl Files for DiskFiles {
    fn resolve(&self, path: &Path) -> PathBuf {
        let mut links = 0;
        let mut resolved = PathBuf::new();
        let mut rest: Vec<std::ffi::OsString> = parts_reversed(path);
        while let Some(part) = rest.pop() {
            if part == ".." {
                resolved.pop();
                continue;
            }
            let candidate = resolved.join(&part);
            match fs::read_link(&candidate) {
                Ok(target) if links < MAX_LINKS => {
                    links += 1;
                    rest.extend(parts_reversed(&target));
                    if target.is_absolute() {
                        resolved = PathBuf::new();
                    }
                }
                _ => resolved = candidate,
            }
        }
        resolved
    }

    fn kind(&self, path: &Path) -> Kind {
        match fs::symlink_metadata(path) {
            Err(_) => Kind::Missing,
            Ok(metadata) if metadata.is_file() => Kind::File,
            Ok(metadata) if metadata.is_dir() => Kind::Directory,
            Ok(metadata) if metadata.file_type().is_symlink() => Kind::Symlink,
            Ok(_) => Kind::Other,
        }
    }
}

/// The components of a path, last first, `.` left out.
fn parts_reversed(path: &Path) -> Vec<std::ffi::OsString> {
    let mut parts: Vec<std::ffi::OsString> = path
        .components()
        .filter(|component| !matches!(component, Component::CurDir))
        .map(|component| component.as_os_str().to_owned())
        .collect();
    parts.reverse();
    parts
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_remembered_approval_is_literal() {
        let context = Context {
            root: "/srv/repo".into(),
            cwd: "/srv/repo".into(),
            home: "/home/dev".into(),
            ..Context::default()
        };
        let rules = Rules { ask: vec!["Bash".into()], ..Rules::default() };
        let mut permissions = Permissions::new(rules, context);
        let access = |command: &str| vec![Access { tool: "Bash", input: json!({"command": command}) }];
        let decide = |permissions: &Permissions, input: Value| {
            let accesses = access(input["command"].as_str().unwrap());
            permissions.decide(PermissionMode::Default, "bash", &input, &accesses).decision
        };
        let call = json!({"command": "make x", "timeout": 5});
        assert_eq!(decide(&permissions, call.clone()), Verdict::Ask);
        permissions.approve("bash", &call, &[]);
        assert_eq!(decide(&permissions, json!({"timeout": 5, "command": "make x"})), Verdict::Allow);
        assert_eq!(decide(&permissions, json!({"command": "make x"})), Verdict::Ask);
        assert_eq!(decide(&permissions, json!({"command": "make x y", "timeout": 5})), Verdict::Ask);
    }

    #[cfg(unix)]
    #[test]
    fn links_resolve_as_far_as_they_exist() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        std::os::unix::fs::symlink("/etc", root.join("out")).unwrap();
        std::os::unix::fs::symlink("loop", root.join("loop")).unwrap();
        let check = |path: &str, expect: PathBuf| assert_eq!(DiskFiles.resolve(&root.join(path)), expect);
        check("link/new/file", root.join("real/new/file"));
        check("link/../x", root.join("x"));
        check("out/passwd", "/etc/passwd".into());
        check("loop/x", root.join("loop/x"));
    }
}
