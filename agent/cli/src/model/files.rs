//! Owns where the files of models are, and whether they may be opened.
//! Uses the catalogue's entries and the policy of the machine.
//! Never opens a model.

use std::path::{Path, PathBuf};

use loci_core::config::Settings;
use loci_inference::catalog::{Catalog, Entry, Kind};
use loci_inference::fetch::store::Store;
use loci_inference::on_disk::Caches;

use crate::errors::{Failed, Usage};
use crate::project::Project;

pub(super) fn no_file(path: &Path) -> anyhow::Error {
    // `hf:OWNER/NAME` looks like a path, and was looked for below the folder at hand.
    let shown = path.to_string_lossy();
    let outside = shown.match_indices(':').find_map(|(at, _)| {
        let start = shown[..at].rfind(std::path::MAIN_SEPARATOR).map_or(0, |slash| slash + 1);
        Some(&shown[start..]).filter(|name| Caches::is_name(name))
    });
    if let Some(name) = outside {
        let hint = match name.strip_prefix("hf:") {
            Some(_) => format!("loci models pull {name}"),
            None => "`loci models --found` lists what other programs left here".to_owned(),
        };
        return Failed::error(format!("`{name}` is not on this machine"), hint);
    }
    Usage::error(
        format!("{} is not a file", path.display()),
        "give the path of a GGUF file; `loci models` lists names",
    )
}

/// Where the file of an entry is.
pub(super) fn file_of(project: &Project, entry: &Entry) -> anyhow::Result<PathBuf> {
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
    if let Some(path) = here(project, entry) {
        return Ok(path);
    }
    Err(Failed::error(
        format!("`{}` is not on this machine", entry.name),
        format!("loci models pull {}", entry.name),
    ))
}

/// The folder of models.
pub(crate) fn store(project: &Project) -> Store {
    Store::new(project.places.data.join("models"))
}

/// The file of an entry, where it was pulled or another program left a copy of it.
pub(crate) fn here(project: &Project, entry: &Entry) -> Option<PathBuf> {
    if let Some(path) = &entry.fields.path {
        return Some(resolve(project, Path::new(path))).filter(|path| path.exists());
    }
    store(project).file_of(entry).or_else(|| {
        let search = project.environment.caches(&project.places).search();
        search.copy_of(entry).map(|found| found.path.clone())
    })
}

/// Where an embedder is that a role names: an entry of that kind, something that was pulled, or a path.
pub(crate) fn embedder(project: &Project, catalog: &Catalog, name: &str) -> Option<PathBuf> {
    match catalog.get(name) {
        Ok(entry) if entry.fields.kind == Kind::Embedder => here(project, entry),
        Ok(_) => None,
        Err(_) => named(project, name)
            .or_else(|| Some(resolve(project, Path::new(name))).filter(|path| path.exists())),
    }
}

/// The file behind a name that the catalogue does not know: something that was pulled, or what another program left here.
pub(super) fn named(project: &Project, name: &str) -> Option<PathBuf> {
    let store = store(project);
    if let Some(manifest) = store.find(name) {
        return Some(store.path(&manifest));
    }
    let search = Caches::is_name(name).then(|| project.environment.caches(&project.places).search())?;
    search.get(name).map(|found| found.path.clone())
}

/// Whether the policy of the machine lets this file be opened; it is read for its hash only where there is one.
pub(crate) fn permitted(path: &Path, settings: &Settings) -> anyhow::Result<()> {
    if settings.managed.models.is_none() {
        return Ok(());
    }
    // Of a split model every part counts.
    for part in loci_inference::gguf::parts(path).unwrap_or_else(|_| vec![path.to_owned()]) {
        permitted_file(&part, settings)?;
    }
    Ok(())
}

fn permitted_file(path: &Path, settings: &Settings) -> anyhow::Result<()> {
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

/// Where a written path leads: below home for `~/`, else from where the user stands, else from the directory of `-C`.
pub(super) fn resolve(project: &Project, written: &Path) -> PathBuf {
    match written.strip_prefix("~") {
        Ok(below) => project.places.home.join(below),
        Err(_) if written.exists() => written.to_owned(),
        Err(_)
            if let Some(found) = written
                .to_str()
                .filter(|name| Caches::is_name(name))
                .and_then(|name| named(project, name)) =>
        {
            found
        }
        Err(_) => project.directory.join(written),
    }
}
