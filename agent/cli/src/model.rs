//! Owns the wiring of models: what the configuration names becomes a provider.
//! Uses `route` for the choice, the catalogue for names, `inference` for the providers.
//! Never talks to a model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use loci_core::config::{RemoteProvider, Settings};
use loci_core::route::{self, RouteError, Target};
use loci_inference::builtin;
use loci_inference::catalog::{Catalog, Entry, Kind};
use loci_inference::engine::{EngineOptions, ModelSource, SnapshotOptions};
use loci_inference::hardware::Hardware;
use loci_inference::local::{LocalOptions, LocalProvider};
use loci_inference::provider::Provider;
use loci_inference::remote::openai::{OpenAiOptions, OpenAiProvider};
use loci_inference::remote::{ApiKey, Patience};
use loci_inference::scripted::Scripted;

use crate::errors::{Failed, Usage};
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
        Target::Catalogue(name) => catalogued(project, catalog.get(&name)?, &settings),
        Target::Remote { name, base_url, api_key, model, context_length } => {
            let reasoning_model = name == "openai" && !model.starts_with("gpt-4");
            let options = OpenAiOptions {
                base_url,
                model,
                key: api_key.map(ApiKey::new),
                plain_http: false,
                context_length: context_length.unwrap_or(DEFAULT_CONTEXT),
                reasoning_model,
                patience: Patience::default(),
            };
            Ok(Arc::new(OpenAiProvider::new(options)?))
        }
        Target::Script(path) => {
            let script = Scripted::open(&resolve(project, &path)).map_err(|error| {
                Usage::error(format!("{}: {error}", path.display()), "a script is a JSON list of steps")
            })?;
            Ok(Arc::new(script))
        }
    }
}

/// The bytes of a model that runs here, by a name of the catalogue or a path: for measurements, which need no provider.
///
/// # Errors
/// When nothing has that name, or it is no model of this machine.
pub(crate) fn source(project: &Project, name: &str) -> anyhow::Result<ModelSource> {
    let catalog = project.catalog()?;
    let managed = project.settings(&project.config(Vec::new())?).managed;
    let named = Settings { model: Some(name.to_owned()), managed, ..Settings::default() };
    let path = match route::choose(&with_services(&named, &catalog), &project.environment)?.target {
        Target::BuiltIn => return Ok(builtin::source()),
        Target::File(path) => path,
        Target::Catalogue(name) => match catalog.get(&name)? {
            entry if entry.fields.kind == Kind::BuiltIn => {
                built_in(&named)?;
                return Ok(builtin::source());
            }
            entry => file_of(project, entry)?,
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
    permitted(&path, &named)?;
    Ok(ModelSource::Path(path))
}

fn no_file(path: &Path) -> anyhow::Error {
    Usage::error(
        format!("{} is not a file", path.display()),
        "give the path of a GGUF file; `loci models` lists names",
    )
}

/// The services of the catalogue beside those of the configuration, which win.
fn with_services(settings: &Settings, catalog: &Catalog) -> Settings {
    let mut settings = settings.clone();
    for entry in catalog.entries().iter().filter(|entry| entry.fields.kind == Kind::Remote) {
        let fields = &entry.fields;
        let Some(base_url) = &fields.base_url else { continue };
        settings.providers.entry(entry.name.clone()).or_insert_with(|| RemoteProvider {
            base_url: base_url.clone(),
            api_key_env: fields.api_key_env.clone(),
            model: fields.model.clone(),
            context_length: Some(fields.context),
        });
    }
    settings
}

/// Whether the policy of the machine lets this file be opened; it is read for its hash only where there is one.
fn permitted(path: &Path, settings: &Settings) -> anyhow::Result<()> {
    if settings.managed.models.is_none() {
        return Ok(());
    }
    let hashes = loci_core::managed::hash_file(path).map_err(|error| {
        Failed::error(format!("{}: {error}", path.display()), "check that you may read it")
    })?;
    if settings.managed.allows_model_file(&hashes) {
        return Ok(());
    }
    Err(Usage::error(
        format!(
            "the policy of this machine does not allow the model {} (sha256 {})",
            path.display(),
            hashes.sha256
        ),
        "choose a model that it names; `loci policy show` lists them",
    ))
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
        Kind::Gguf => {}
    }
    local(project, &file_of(project, entry)?, Some(entry), settings)
}

/// Where the file of an entry is.
fn file_of(project: &Project, entry: &Entry) -> anyhow::Result<PathBuf> {
    let fields = &entry.fields;
    if let Some(path) = &fields.path {
        return Ok(PathBuf::from(path));
    }
    if !entry.supported() {
        let architecture = fields.architecture.as_deref().unwrap_or("its");
        return Err(Usage::error(
            format!(
                "`{}` cannot run yet: there is no forward pass for the {architecture} family",
                entry.name
            ),
            "`loci models` lists what runs here",
        ));
    }
    let (Some(repository), Some(file)) = (&fields.repository, &fields.file) else {
        return Err(Usage::error(
            format!("`{}` names no file", entry.name),
            "add `path` to its entry in models.toml",
        ));
    };
    let path = project.places.data.join("models").join(file);
    if !path.is_file() {
        return Err(Failed::error(
            format!("`{}` is not on this machine", entry.name),
            format!("download {file} from the hub's {repository} to {}", path.display()),
        ));
    }
    Ok(path)
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

/// Where a written path leads: below home for `~/`, else from where the user stands, else from the directory of `-C`.
fn resolve(project: &Project, written: &Path) -> PathBuf {
    match written.strip_prefix("~") {
        Ok(below) => project.places.home.join(below),
        Err(_) if written.exists() => written.to_owned(),
        Err(_) => project.directory.join(written),
    }
}

/// The window for a file that the catalogue does not know: enough for the agent, small enough for a laptop.
const DEFAULT_CONTEXT: usize = 16_384;
