//! Owns the reading of one case: rules, call, mode, disk and circumstances, in the spellings that settings have.
//! Uses the reference environment for what is not said.
//! Never drops a restriction that it cannot read: then the whole case is unreadable.

use std::path::PathBuf;

use serde_json::Value;

use super::Tree;
use crate::{Context, FileSystem, Fingerprint, Hook, Layer, Managed, Mode, Rule, Rules};

const ROOT: &str = "/srv/repo";
const HOME: &str = "/home/dev";

/// One case of a batch.
pub(super) struct Case {
    pub(super) rules: Rules,
    pub(super) mode: Mode,
    pub(super) context: Context,
    pub(super) tool: String,
    pub(super) input: Value,
    pub(super) tree: Tree,
    /// Where a fetch is sent on to, in order.
    pub(super) redirects: Vec<String>,
    /// Paths that the result must not hold.
    pub(super) must_exclude: Vec<String>,
}

/// Why a case cannot be read.
type Unreadable = String;

impl Case {
    pub(super) fn read(value: &Value) -> Result<Self, Unreadable> {
        if !value.is_object() {
            return Err("the line is no JSON object".into());
        }
        let tool = value.get("tool").and_then(Value::as_str).ok_or("the tool is missing")?.to_owned();
        let input = value.get("input").cloned().unwrap_or(Value::Null);
        let said = Fields(value.get("context"));
        let root = said.text("cwd_root").or(said.text("root")).unwrap_or(ROOT).to_owned();
        let home = said.text("home").unwrap_or(HOME).to_owned();
        let paths = Paths { root: PathBuf::from(&root), home: PathBuf::from(&home) };
        let trusted = said.truth("workspace_trusted").or(said.truth("trusted")).unwrap_or(true);

        let mut rules = Rules::default();
        let listed = Fields(value.get("rules"));
        let source = |name: &str| said.text(name).map_or(Ok(Layer::Project), layer);
        rules.add(listed, [source("deny_source")?, source("ask_source")?, source("allow_source")?])?;
        let settings = [
            (said.inner("managed"), Layer::Managed),
            (said.inner("project_settings"), Layer::Project),
            (said.inner("local_settings"), Layer::Local),
            (said.inner("user_settings"), Layer::User),
        ];
        for (fields, layer) in settings {
            rules.add(fields, [layer; 3])?;
            rules.add(fields.inner("permissions"), [layer; 3])?;
        }
        rules.ask.extend(read_rules(said.value("parent_ask"), Layer::User)?);

        let project = said.inner("project_settings");
        let managed = said.inner("managed");
        let mode = match value.get("mode").filter(|mode| !mode.is_null()) {
            Some(mode) => mode.as_str().and_then(read_mode).ok_or("the mode is not known")?,
            None => project_mode(project, trusted),
        };
        let mut additional = paths.all(said.value("additional_directories"))?;
        if trusted {
            additional.extend(paths.all(project.setting("additionalDirectories"))?);
        }
        let mut config_dirs = paths.all(said.value("agent_config_dirs"))?;
        config_dirs.extend([".loci", "~/.config/loci", "~/.loci"].map(|path| paths.absolute(path)));

        let disk = Fields(value.get("fs"));
        let file_system = FileSystem {
            ignores_case: disk.truth("case_insensitive").unwrap_or(false),
            normalizes: disk.truth("unicode_normalizing").unwrap_or(false),
        };
        let context = Context {
            cwd: said.text("cwd").map_or(paths.root.clone(), |cwd| paths.absolute(cwd)),
            root: paths.root.clone(),
            home: paths.home.clone(),
            additional,
            config_dirs,
            trusted,
            managed: Managed {
                only_managed_allow: managed.setting("allowManagedPermissionRulesOnly").is_some_and(is_on),
                no_bypass: managed.setting("disableBypassPermissionsMode").is_some_and(is_on),
                broken: broken(said.value("managed_parse_error")),
            },
            parent_deny: read_rules(said.value("parent_deny"), Layer::User)?,
            offline: said.truth("offline").unwrap_or(false),
            hook: hook(said),
            file_system,
            fingerprints: fingerprints(said, project, &tool, trusted),
        };
        let tree = described(disk, &paths, file_system)?;
        Ok(Self {
            rules,
            mode,
            context,
            tool,
            input,
            tree,
            redirects: texts(said.value("redirects_to"))?,
            must_exclude: texts(said.value("result_must_exclude"))?,
        })
    }
}

/// An object, or nothing.
#[derive(Clone, Copy)]
struct Fields<'value>(Option<&'value Value>);

impl<'value> Fields<'value> {
    /// Also as settings spell it: `additionalDirectories` for `additional_directories`.
    fn value(self, name: &str) -> Option<&'value Value> {
        let fields = self.0?;
        let found = fields.get(name).or_else(|| fields.get(camel(name)));
        found.filter(|value| !value.is_null())
    }

    fn text(self, name: &str) -> Option<&'value str> {
        self.value(name)?.as_str()
    }

    fn truth(self, name: &str) -> Option<bool> {
        self.value(name).map(is_on)
    }

    fn inner(self, name: &str) -> Self {
        Self(self.value(name))
    }

    /// A setting that may stand under `permissions`.
    fn setting(self, name: &str) -> Option<&'value Value> {
        self.value(name).or_else(|| self.inner("permissions").value(name))
    }
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

fn is_on(value: &Value) -> bool {
    match value {
        Value::Bool(on) => *on,
        Value::String(text) => !matches!(text.as_str(), "" | "false" | "no" | "off" | "allow"),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Null => false,
        Value::Array(_) | Value::Object(_) => true,
    }
}

fn broken(value: Option<&Value>) -> Option<String> {
    let value = value.filter(|value| is_on(value))?;
    Some(value.as_str().unwrap_or_default().to_owned())
}

fn layer(name: &str) -> Result<Layer, Unreadable> {
    Ok(match name {
        "user" => Layer::User,
        "project" => Layer::Project,
        "local" => Layer::Local,
        "managed" => Layer::Managed,
        "command_line" | "commandLine" | "cli" | "flag" | "session" => Layer::CommandLine,
        _ => return Err(format!("`{}` is no source of rules", crate::hidden::escape(name))),
    })
}

fn read_mode(name: &str) -> Option<Mode> {
    Some(match name {
        "default" | "" => Mode::Default,
        "acceptEdits" | "accept_edits" | "accept-edits" => Mode::AcceptEdits,
        "plan" => Mode::Plan,
        "dontAsk" | "dont_ask" | "dont-ask" => Mode::DontAsk,
        "bypassPermissions" | "bypass_permissions" | "bypass-permissions" | "bypass" => {
            Mode::BypassPermissions
        }
        _ => return None,
    })
}

/// A trusted project may choose a mode, but not that nobody is asked: that is the user's to say.
fn project_mode(project: Fields, trusted: bool) -> Mode {
    let named = project.setting("defaultMode").or_else(|| project.setting("permission_mode"));
    let mode = named.and_then(Value::as_str).and_then(read_mode).unwrap_or_default();
    if !trusted || mode == Mode::BypassPermissions { Mode::Default } else { mode }
}

impl Rules {
    /// Add the lists of an object, deny, ask and allow.
    fn add(&mut self, fields: Fields, layers: [Layer; 3]) -> Result<(), Unreadable> {
        let [deny, ask, allow] = layers;
        self.deny.extend(read_rules(fields.value("deny"), deny)?);
        self.ask.extend(read_rules(fields.value("ask"), ask)?);
        self.allow.extend(read_rules(fields.value("allow"), allow)?);
        Ok(())
    }
}

fn read_rules(value: Option<&Value>, layer: Layer) -> Result<Vec<Rule>, Unreadable> {
    let one = |value: &Value| -> Result<Rule, Unreadable> {
        let mut rule: Rule =
            serde_json::from_value(value.clone()).map_err(|_| "a rule is neither a text nor a table")?;
        rule.layer = layer;
        Ok(rule)
    };
    match value {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(one).collect(),
        Some(value) => Ok(vec![one(value)?]),
    }
}

fn texts(value: Option<&Value>) -> Result<Vec<String>, Unreadable> {
    let one = |value: &Value| value.as_str().map(str::to_owned).ok_or("a text is missing".to_owned());
    match value {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(one).collect(),
        Some(value) => Ok(vec![one(value)?]),
    }
}

fn hook(said: Fields) -> Option<Hook> {
    let Some(decision) = said.value("hook_decision") else {
        // That it fails closed is only said of one that failed.
        return said.value("hook_fail").is_some_and(is_on).then_some(Hook::Error);
    };
    Some(match decision.as_str() {
        Some("allow" | "approve") => Hook::Allow,
        Some("ask") => Hook::Ask,
        Some("deny" | "block") => Hook::Deny,
        _ => Hook::Error,
    })
}

fn fingerprints(said: Fields, project: Fields, tool: &str, trusted: bool) -> Vec<Fingerprint> {
    let as_text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut prints = Vec::new();
    for (what, approved, current) in [
        ("the schema of the tool", "approved_schema_sha256", "current_schema_sha256"),
        ("the command of the server", "approved_command", "current_command"),
    ] {
        let (approved, current) = (said.value(approved).map(as_text), said.value(current).map(as_text));
        if approved.is_some() || current.is_some() {
            prints.push(Fingerprint { what: what.into(), approved, current });
        }
    }
    let server = tool.strip_prefix("mcp__").and_then(|rest| rest.split("__").next());
    let of_project = server.is_some_and(|server| project.inner("mcpServers").value(server).is_some());
    if of_project && !trusted {
        let what = "a server of a project that is not trusted".into();
        prints.push(Fingerprint { what, approved: None, current: None });
    }
    prints
}

struct Paths {
    root: PathBuf,
    home: PathBuf,
}

impl Paths {
    /// A path that is absolute, below the home, or relative to the project.
    fn absolute(&self, path: &str) -> PathBuf {
        match path.strip_prefix('~') {
            Some("") => self.home.clone(),
            Some(rest) if rest.starts_with('/') => self.home.join(rest.trim_start_matches('/')),
            _ => self.root.join(path),
        }
    }

    fn all(&self, value: Option<&Value>) -> Result<Vec<PathBuf>, Unreadable> {
        Ok(texts(value)?.iter().map(|path| crate::place::fold(&self.absolute(path))).collect())
    }
}

/// The reference tree with what the case adds to it.
fn described(disk: Fields, paths: &Paths, system: FileSystem) -> Result<Tree, Unreadable> {
    let mut tree = Tree::new(system);
    for folder in [".git", "src", "tests", "docs"] {
        tree.folder(paths.root.join(folder));
    }
    for folder in ["/bin", "/etc", "/tmp", "/usr/bin", "/var/log"] {
        tree.folder(folder);
    }
    tree.folder(&paths.home);
    let folders = paths.all(disk.value("dirs").or(disk.value("directories")))?;
    let files = paths.all(disk.value("files"))?;
    for folder in &folders {
        tree.folder(folder);
    }
    for file in &files {
        tree.file(file);
    }
    let links = disk.value("symlinks").or(disk.value("links"));
    for (link, target) in links.and_then(Value::as_object).into_iter().flatten() {
        let target = target.as_str().ok_or("the target of a link is no text")?;
        let link = paths.absolute(link);
        // A target is relative to its link, as on a disk; some descriptions mean the project.
        let below_root = paths.absolute(target);
        let known = files.iter().chain(&folders).any(|path| path.starts_with(&below_root));
        let target = if target.starts_with('~') || (known && !target.starts_with('.')) {
            below_root
        } else {
            PathBuf::from(target)
        };
        tree.link(link, target);
    }
    Ok(tree)
}
