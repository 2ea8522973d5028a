//! Owns which models there are to choose from, and the choice with which a session begins.
//! Uses the catalogue with its roles, the settings, the cards of what was measured, and `core::route` for the choice itself.
//! Never talks to a model.

use std::sync::Arc;

use loci_core::config::{Config, Origin, Settings};
use loci_core::qualify::Cards;
use loci_core::route::{
    self, Candidate, Chosen, Models, NotOpened, Role, RouteError, State, Target, Task, Vouched,
};
use loci_core::session::log::Record;
use loci_core::session::{Resume, resume};
use loci_inference::catalog::{Catalog, Kind};
use loci_inference::engine::ModelSource;
use loci_inference::provider::Provider;
use loci_protocol::PermissionMode;

use super::files::{file_of, named as named_file, resolve};
use super::services::with_services;
use crate::errors::{self, Usage};
use crate::project::Project;

/// The models of a project, for a session that may change between them.
#[derive(Debug)]
pub(crate) struct Choice {
    project: Project,
    settings: Settings,
}

/// What a session begins with.
pub(crate) struct Started {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) chosen: Chosen,
    pub(crate) models: Arc<Choice>,
}

/// The roles that a prompt can be for.
const ASKED: [Role; 4] = [Role::Main, Role::Fast, Role::Plan, Role::Review];

/// Tokens of the built-in model, which is laid out anew for each prompt.
const BUILT_IN_CONTEXT: usize = 4_096;

impl Choice {
    pub(crate) fn new(project: &Project, settings: &Settings) -> Self {
        Self { project: project.again(), settings: settings.clone() }
    }

    /// Every model of a role, the one that is configured, and the built-in one.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub(crate) fn list(&self) -> anyhow::Result<Vec<Candidate>> {
        let catalog = self.project.catalog()?;
        let settings = with_services(&self.settings, &catalog);
        let mut names: Vec<(String, Vec<(Role, usize)>)> = Vec::new();
        if let Some(model) = self.settings.model.as_deref().filter(|model| !model.is_empty()) {
            let main = catalog.role(Role::Main);
            // What is configured is what the work is for, unless the roles say it themselves.
            add(&mut names, model, (!main.iter().any(|name| name == model)).then_some((Role::Main, 0)));
        }
        for role in ASKED {
            for (place, name) in (1..).zip(catalog.role(role)) {
                add(&mut names, name, Some((role, place)));
            }
        }
        if self.settings.managed.allows_model_named("builtin")
            && !names.iter().any(|(name, _)| is_built_in(name))
        {
            add(&mut names, "builtin", None);
        }
        let cards = Cards::at(&self.project.places.data);
        Ok(names
            .into_iter()
            .map(|(name, roles)| Candidate { roles, ..self.candidate(&name, &settings, &catalog, &cards) })
            .collect())
    }

    /// What is known of a model before it is opened.
    fn candidate(&self, name: &str, settings: &Settings, catalog: &Catalog, cards: &Cards) -> Candidate {
        let named = Settings { model: Some(name.to_owned()), offline: false, ..settings.clone() };
        let entry = catalog.get(name.split('/').next().unwrap_or(name)).ok();
        let mut candidate = Candidate {
            name: name.to_owned(),
            local: true,
            general: true,
            context: self.settings.context_length.unwrap_or(super::DEFAULT_CONTEXT),
            ..Candidate::default()
        };
        let target = match route::choose(&named, &self.project.environment) {
            Ok(named) => named.target,
            Err(error) => {
                let service = settings.providers.get(name.split('/').next().unwrap_or(name));
                candidate.local = service.is_none_or(|service| service.on_this_machine);
                candidate.unusable = Some(error.to_string());
                return candidate;
            }
        };
        let mut card = None;
        match &target {
            Target::BuiltIn => {
                candidate.general = false;
                candidate.context = BUILT_IN_CONTEXT;
            }
            Target::File(path) => {
                let path = resolve(&self.project, path);
                if !path.is_file() {
                    candidate.unusable = Some(format!("{} is not a file", path.display()));
                }
                card = cards.of_source(&ModelSource::Path(path));
            }
            Target::Catalogue(_) => match entry {
                Some(entry) if entry.fields.kind == Kind::BuiltIn => candidate.general = false,
                Some(entry) => {
                    candidate.context = self.settings.context_length.unwrap_or(entry.fields.context);
                    match file_of(&self.project, entry) {
                        Ok(path) => card = cards.of_source(&ModelSource::Path(resolve(&self.project, &path))),
                        Err(error) => candidate.unusable = Some(error.to_string()),
                    }
                }
                None => match named_file(&self.project, name) {
                    Some(path) => card = cards.of_source(&ModelSource::Path(path)),
                    None => candidate.unusable = Some(format!("unknown model `{name}`")),
                },
            },
            Target::Remote { name, base_url, model, context_length, .. } => {
                let service = settings.providers.get(name).cloned().unwrap_or_default();
                candidate.local = service.on_this_machine;
                if self.settings.offline && candidate.local {
                    candidate.unusable =
                        Some("offline, services of this machine are not reached either".into());
                }
                candidate.images = service.images.unwrap_or(false);
                // A price is that of one model.
                candidate.price =
                    service.price.filter(|_| !candidate.local && service.model.as_ref() == Some(model));
                candidate.endpoint = Some(origin_of(base_url));
                candidate.context = context_length.unwrap_or(candidate.context);
                card = cards.of_service(name, model);
            }
            Target::Script(path) => {
                let path = resolve(&self.project, path);
                if !path.is_file() {
                    candidate.unusable = Some(format!("{} is not a file", path.display()));
                }
            }
        }
        if let Some(card) = card {
            candidate.tool_validity = card.tool_validity();
            candidate.edits = card.edits();
            candidate.decode_per_second = card.decode_per_second();
        }
        candidate
    }

    /// The name under which a model of the log can be opened again.
    fn again(&self, provider: &str, model: &str) -> Option<String> {
        let catalog = self.project.catalog().ok()?;
        let settings = with_services(&self.settings, &catalog);
        if is_built_in(model) {
            return Some("builtin".into());
        }
        if settings.providers.contains_key(provider) {
            return Some(format!("{provider}/{model}"));
        }
        catalog.get(model).ok().map(|entry| entry.name.clone())
    }

    /// The state in which a session begins.
    pub(crate) fn state(&self) -> State {
        State {
            offline: self.settings.offline,
            local_only: self.settings.local_only,
            budget_usd: self.settings.budget_usd,
            prefer: self.settings.prefer,
            ..State::default()
        }
    }
}

impl Models for Choice {
    fn candidates(&self) -> Vec<Candidate> {
        // A catalogue that cannot be read any more was said when the session began.
        self.list().unwrap_or_default()
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Provider>, NotOpened> {
        let settings = Settings { model: Some(name.to_owned()), ..self.settings.clone() };
        super::open(&self.project, &settings).map_err(|error| {
            let (message, hint) = errors::worded(&error);
            NotOpened { message, hint }
        })
    }
}

/// The model with which a session begins, by flags, configuration, the session that goes on, and roles.
///
/// # Errors
/// When the name is unknown, the file cannot be used, a service is not configured to its end, or nothing will do.
pub(crate) fn start(
    project: &Project,
    config: &Config,
    settings: &Settings,
    resumed: Option<&Resume>,
) -> anyhow::Result<Started> {
    let models = Arc::new(Choice::new(project, settings));
    let origin = config.get("model").map(|entry| entry.origin.clone());
    let by_flag = matches!(origin, Some(Origin::Flag(_)));
    let by_hand = by_flag || matches!(origin, Some(Origin::Environment(_)));
    let last = resumed.filter(|_| !by_hand).and_then(|resumed| last_model(project, &models, resumed));
    let configured = settings.model.clone().filter(|model| !model.is_empty());
    // One that is gone since is no reason not to go on with the session.
    let last = last.filter(|name| {
        let named = Settings { model: Some(name.clone()), ..settings.clone() };
        let opened = super::open(project, &named);
        if let Err(error) = &opened {
            let (message, _) = errors::worded(error);
            project
                .printer
                .note(&format!("the session was at work with {name}, which cannot be opened now: {message}"));
        }
        opened.is_ok()
    });
    let (wanted, why) = match (last, configured, origin) {
        (Some(name), ..) => (Some(name), "the session was at work with it".to_owned()),
        (None, Some(name), Some(origin)) => (Some(name), format!("model is set by {origin}")),
        (None, name, _) => (name, "it is configured".to_owned()),
    };
    let opened = |name: &str, why: String| -> anyhow::Result<Started> {
        let named = Settings { model: Some(name.to_owned()), ..settings.clone() };
        let provider = super::open(project, &named)?;
        Ok(Started { provider, chosen: Chosen { name: name.to_owned(), why }, models: models.clone() })
    };
    let candidates = models.list()?;
    let of_wanted = wanted.as_ref().and_then(|name| candidates.iter().find(|one| one.name == *name));
    match &wanted {
        // The user's word is taken as it is, and what stands against it is an error with a hint of its own.
        Some(name) if !settings.local_only || of_wanted.is_none_or(|one| one.local) => {
            return opened(name, why);
        }
        Some(name) if by_flag => {
            return Err(Usage::error(
                format!("`{name}` runs elsewhere, and --local leaves only models of this machine"),
                "`loci models` lists them; leave --local out for others",
            ));
        }
        None if candidates.iter().all(|candidate| candidate.roles.is_empty()) => {
            let provider = super::open(project, settings)?;
            let chosen = Chosen { name: "builtin".into(), why: "no other model is configured".into() };
            return Ok(Started { provider, chosen, models });
        }
        _ => {}
    }
    let plans = settings.permission_mode == PermissionMode::Plan
        && candidates.iter().any(|one| one.roles.iter().any(|(role, _)| *role == Role::Plan));
    // Plans are asked for by each prompt; the session itself begins with the model of the work.
    let task =
        Task { role: if plans { Role::Plan } else { Role::Main }, named: wanted.clone(), ..Task::default() };
    let route = route::route(&task, &candidates, &models.state());
    let Some(at) = route.chosen else { return Err(RouteError::Nothing { why: route.why }.into()) };
    let chosen = &candidates[at];
    if let Some(name) = &wanted {
        project.printer.note(&format!("{} answers in the place of {name}: {}", chosen.name, route.why));
    }
    opened(&chosen.name, route.why.clone())
}

/// The model with which a session was at work last.
fn last_model(project: &Project, models: &Choice, resumed: &Resume) -> Option<String> {
    let folder = project.places.sessions(&project.root);
    let id = resume::find(&folder, resumed).ok()?;
    let loaded = loci_core::session::log::read(&folder.join(format!("{id}.jsonl"))).ok()?;
    loaded.records.iter().rev().find_map(|record| match record {
        Record::Model(used) => models.again(&used.provider, &used.name),
        _ => None,
    })
}

/// One more name, or one more role of a known one.
fn add(names: &mut Vec<(String, Vec<(Role, usize)>)>, name: &str, role: Option<(Role, usize)>) {
    match names.iter_mut().find(|(known, _)| known == name) {
        Some((_, roles)) => roles.extend(role),
        None => names.push((name.to_owned(), role.into_iter().collect())),
    }
}

fn is_built_in(name: &str) -> bool {
    matches!(name, "builtin" | "built-in" | route::BUILT_IN)
}

/// Scheme, host and port.
fn origin_of(base_url: &str) -> String {
    let scheme = base_url.split_once("://").map_or("https", |(scheme, _)| scheme);
    format!("{scheme}://{}", loci_core::egress::host_of(base_url))
}

/// Take a service for a model of this machine.
///
/// # Errors
/// When its address is not one of this machine: then the user's word cannot be meant so.
pub(super) fn here(inner: Arc<dyn Provider>, base_url: &str) -> anyhow::Result<Arc<dyn Provider>> {
    let host = loci_core::egress::host_of(base_url);
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    let loopback =
        name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if !loopback {
        return Err(Usage::error(
            format!("{base_url} is set as on_this_machine, and its address is not one of this machine"),
            "take on_this_machine away, or give an address of loopback",
        ));
    }
    Ok(Arc::new(Vouched::new(inner)))
}
