//! Owns the wiring of models: what the configuration names becomes a provider.
//! Uses `route` for the choice, the catalogue for names, `inference` for the providers.
//! Never talks to a model.

use std::path::Path;
use std::sync::Arc;

use loci_core::config::Settings;
use loci_core::route::{self, RouteError, Target};
use loci_inference::builtin;
use loci_inference::catalog::{CatalogError, Entry, Kind, nearest};
use loci_inference::engine::{EngineOptions, ModelSource, SnapshotOptions};
use loci_inference::hardware::Hardware;
use loci_inference::local::{LocalOptions, LocalProvider};
use loci_inference::provider::Provider;
use loci_inference::scripted::Scripted;

mod choice;
mod files;
mod services;

pub(crate) use files::{embedder, here, permitted, store};
use files::{file_of, named, no_file, resolve};
#[cfg(feature = "network")]
pub(crate) use services::certificates;
pub(crate) use services::with_services;

pub(crate) use choice::{Choice, Started, start};

use crate::errors::Usage;
use crate::project::Project;

/// The provider that the settings choose.
///
/// # Errors
/// When the name is unknown, the file cannot be used, or a service is not configured to its end.
pub(crate) fn open(project: &Project, settings: &Settings) -> anyhow::Result<Arc<dyn Provider>> {
    let catalog = project.catalog()?;
    let settings = with_services(settings, &catalog);
    let route = route::choose(&settings, &project.environment)?;
    match route.target {
        Target::BuiltIn => {
            if settings.model.is_none() {
                project.printer.note(
                    "the built-in model answers: it finds, explains and makes simple edits; for more, `loci models` \
                     lists larger ones and -m chooses one",
                );
            }
            built_in(&settings)
        }
        Target::File(path) => local(project, &path, None, &settings),
        Target::Catalogue(name) => match (catalog.get(&name), named(project, &name)) {
            // What was pulled beside the catalogue, or left here by another program.
            (Err(_), Some(path)) => local(project, &path, None, &settings),
            (Ok(entry), _) => catalogued(project, entry, &settings),
            (Err(error), None) => Err(with_services_in_mind(error, &settings).into()),
        },
        Target::Remote { ref name, ref base_url, .. } => {
            let vouched = settings.providers.get(name).is_some_and(|service| service.on_this_machine);
            let base_url = base_url.clone();
            let provider = services::open(project, &settings, route.target)?;
            if vouched { choice::here(provider, &base_url) } else { Ok(provider) }
        }
        Target::Script(path) => {
            let script = Scripted::open(&resolve(project, &path)).map_err(|error| {
                Usage::error(format!("{}: {error}", path.display()), "a script is a JSON list of steps")
            })?;
            Ok(Arc::new(script))
        }
    }
}

/// A name that the catalogue does not know may be that of a service of the configuration, misspelt.
fn with_services_in_mind(error: CatalogError, settings: &Settings) -> CatalogError {
    match error {
        CatalogError::UnknownModel { name, similar: None } => {
            let similar = nearest(&name, settings.providers.keys().map(String::as_str));
            CatalogError::UnknownModel { name, similar }
        }
        other => other,
    }
}

/// The bytes of a model that runs here, by a name of the catalogue or a path: for measurements, which need no provider.
///
/// # Errors
/// When nothing has that name, or it is no model of this machine.
pub(crate) fn source(project: &Project, name: &str) -> anyhow::Result<ModelSource> {
    let catalog = project.catalog()?;
    let managed = project.settings(&project.config(Vec::new())?).managed;
    let asked = Settings { model: Some(name.to_owned()), managed, ..Settings::default() };
    let path = match route::choose(&with_services(&asked, &catalog), &project.environment)?.target {
        Target::BuiltIn => return Ok(builtin::source()),
        Target::File(path) => path,
        Target::Catalogue(name) => match (catalog.get(&name), named(project, &name)) {
            (Err(_), Some(path)) => path,
            (Ok(entry), _) if entry.fields.kind == Kind::BuiltIn => {
                built_in(&asked)?;
                return Ok(builtin::source());
            }
            (entry, _) => file_of(project, entry?)?,
        },
        Target::Remote { .. } | Target::Script(_) => {
            return Err(Usage::error(
                format!("`{name}` does not run in this process"),
                "name a model of this machine; `loci models` lists them",
            ));
        }
    };
    let path = resolve(project, &path);
    if !path.is_file() {
        return Err(no_file(&path));
    }
    permitted(&path, &asked)?;
    Ok(ModelSource::Path(path))
}

fn built_in(settings: &Settings) -> anyhow::Result<Arc<dyn Provider>> {
    if !settings.managed.allows_model_named("builtin") {
        return Err(RouteError::NotAllowed { what: "the built-in model".into() }.into());
    }
    let engine = EngineOptions { context: settings.context_length, ..EngineOptions::default() };
    let options = LocalOptions { engine, ..LocalOptions::default() };
    Ok(Arc::new(LocalProvider::open(builtin::source(), options)?))
}

fn catalogued(project: &Project, entry: &Entry, settings: &Settings) -> anyhow::Result<Arc<dyn Provider>> {
    let fields = &entry.fields;
    match fields.kind {
        Kind::BuiltIn => return built_in(settings),
        // Every service has been taken for one by the route, unless its name was written in another case.
        Kind::Remote => {
            return Err(Usage::error(format!("`{}` is a service", entry.name), format!("-m {}", entry.name)));
        }
        Kind::Embedder => {
            return Err(Usage::error(
                format!("`{}` makes vectors of texts and answers nobody", entry.name),
                "name it below [role] in models.toml: embed = [\"NAME\"]",
            ));
        }
        Kind::Gguf => {}
    }
    local(project, &file_of(project, entry)?, Some(entry), settings)
}

fn local(
    project: &Project,
    path: &Path,
    entry: Option<&Entry>,
    settings: &Settings,
) -> anyhow::Result<Arc<dyn Provider>> {
    let path = resolve(project, path);
    if !path.is_file() {
        return Err(no_file(&path));
    }
    permitted(&path, settings)?;
    let machine = Hardware::detect();
    let context =
        settings.context_length.or(entry.map(|entry| entry.fields.context)).unwrap_or(DEFAULT_CONTEXT);
    let engine = EngineOptions {
        context: Some(context),
        memory_limit: (machine.available_bytes > 0).then_some(machine.available_bytes),
        snapshots: (settings.snapshot_bytes > 0)
            .then(|| SnapshotOptions { folder: project.places.snapshots(), limit: settings.snapshot_bytes }),
        ..EngineOptions::default()
    };
    let dialect = entry.map(|entry| entry.fields.dialect.clone()).filter(|dialect| dialect != "auto");
    let name = entry.map(|entry| entry.name.clone());
    let options = LocalOptions { engine, name, dialect, ..LocalOptions::default() };
    Ok(Arc::new(LocalProvider::open_path(&path, options)?))
}

/// The window for a file that the catalogue does not know: enough for the agent, small enough for a laptop.
const DEFAULT_CONTEXT: usize = 16_384;
