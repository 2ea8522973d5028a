//! Owns where the files of models are, and whether they may be opened.
//! Uses the catalogue's entries and the policy of the machine.
//! Never opens a model.

use std::path::{Path, PathBuf};

use loci_core::config::Settings;
use loci_inference::catalog::Entry;

use crate::errors::{Failed, Usage};
use crate::project::Project;

pub(super) fn no_file(path: &Path) -> anyhow::Error {
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

/// Whether the policy of the machine lets this file be opened; it is read for its hash only where there is one.
pub(super) fn permitted(path: &Path, settings: &Settings) -> anyhow::Result<()> {
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

/// Where a written path leads: below home for `~/`, else from where the user stands, else from the directory of `-C`.
pub(super) fn resolve(project: &Project, written: &Path) -> PathBuf {
    match written.strip_prefix("~") {
        Ok(below) => project.places.home.join(below),
        Err(_) if written.exists() => written.to_owned(),
        Err(_) => project.directory.join(written),
    }
}
