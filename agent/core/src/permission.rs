//! Owns what becomes of a call: the policy's decision over all it would touch, and what the user decided before.
//! Uses `policy` as a pure function, and the disk through [`DiskFiles`].
//! Never widens a decision: of several the strictest counts, and a remembered approval answers only an ask.

use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use loci_policy::{Context, Decision, Files, Kind, Mode, Rules, Verdict};
use loci_protocol::PermissionMode;
use serde_json::Value;

use crate::tools::Access;

/// The rules of a session and what its user approved.
#[derive(Debug)]
pub struct Permissions {
    rules: Rules,
    context: Context,
    approved: HashSet<String>,
}

impl Permissions {
    /// No approvals yet.
    #[must_use]
    pub fn new(rules: Rules, context: Context) -> Self {
        Self { rules, context, approved: HashSet::new() }
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
        let mut parts = Vec::new();
        for (number, access) in accesses.iter().filter(|access| !access.tool.is_empty()).enumerate() {
            let decision = loci_policy::decide(
                &self.rules,
                policy_mode(mode),
                &self.context,
                access.tool,
                &access.input,
                &DiskFiles,
            );
            for part in &decision.parts {
                if !parts.contains(part) {
                    parts.push(part.clone());
                }
            }
            if number == 0 || decision.decision > strictest.decision {
                strictest = decision;
            }
        }
        strictest.parts = parts;
        if strictest.decision == Verdict::Ask && self.approved.contains(&key(tool, input)) {
            strictest.decision = Verdict::Allow;
            strictest.why = "approved for this session".into();
        }
        strictest
    }

    /// Remember that just this call may run for the rest of the session.
    pub fn approve(&mut self, tool: &str, input: &Value) {
        self.approved.insert(key(tool, input));
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
        permissions.approve("bash", &call);
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
