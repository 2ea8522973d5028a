//! Owns which files go into a bundle, by what the flags name.
//! Uses the catalogue, the folder of models and the user's configuration.
//! Never takes anything along that was not named.

use std::path::{Path, PathBuf};

use loci_core::bundle::{Item, Origin, Role};
use loci_core::sandboxing::trial::helper;
use loci_inference::catalog::{Catalog, Kind};
use loci_inference::engine::ModelSource;

use crate::arguments::BundleCreateArguments;
use crate::errors::Usage;
use crate::model;
use crate::project::Project;

/// What Loci itself may be used under.
const LICENCE: &str = env!("CARGO_PKG_LICENSE");
/// The texts of it.
const TEXTS: [(&str, &str); 2] = [
    ("loci/LICENSE-MIT", include_str!("../../../../../LICENSE-MIT")),
    ("loci/LICENSE-APACHE", include_str!("../../../../../LICENSE-APACHE")),
];
/// What is written beside a model by whoever fetched it.
const PROVENANCE: &str = ".manifest.json";

/// Everything that the flags name.
///
/// # Errors
/// When a model is not here, or a file cannot be in a bundle.
pub(super) fn items(project: &Project, arguments: &BundleCreateArguments) -> anyhow::Result<Vec<Item>> {
    let mut items = Vec::new();
    if !arguments.no_binary {
        let name = if cfg!(windows) { "loci.exe" } else { "loci" };
        // On Linux the running program, even when its file was replaced since it started.
        let path = if cfg!(target_os = "linux") { helper().to_owned() } else { std::env::current_exe()? };
        let source = format!("loci {}", env!("CARGO_PKG_VERSION"));
        items.push(file(Role::Binary, name, path, LICENCE, &source));
    }
    for (name, text) in TEXTS {
        items.push(Item {
            below: name.to_owned(),
            role: Role::Licence,
            origin: Origin::Bytes(text.as_bytes().to_vec()),
            licence: LICENCE.to_owned(),
            source: "loci".to_owned(),
        });
    }
    let catalog = project.catalog()?;
    for name in names(project, &catalog, arguments) {
        models(project, &catalog, &name, &mut items)?;
    }
    if arguments.config {
        configuration(project, &mut items)?;
    }
    for path in &arguments.policy {
        let path = plain_file(&project.directory.join(path))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        items.push(file(Role::Policy, &name, path, "", "whoever runs the machine"));
    }
    items.sort_by(|one, other| (one.role, &one.below).cmp(&(other.role, &other.below)));
    // A model that was named twice, or is two entries of the catalogue.
    items.dedup_by(|one, other| {
        one.role == other.role && one.below == other.below && one.origin == other.origin
    });
    Ok(items)
}

fn file(role: Role, below: &str, path: PathBuf, licence: &str, source: &str) -> Item {
    Item {
        below: below.to_owned(),
        role,
        origin: Origin::File(path),
        licence: if licence.is_empty() { "unknown" } else { licence }.to_owned(),
        source: source.to_owned(),
    }
}

fn plain_file(path: &Path) -> anyhow::Result<PathBuf> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    Err(Usage::error(format!("{} is not a file", path.display()), "name a file that is there"))
}

fn configuration(project: &Project, items: &mut Vec<Item>) -> anyhow::Result<()> {
    let before = items.len();
    for name in ["config.toml", "models.toml"] {
        let path = project.places.config.join(name);
        if path.is_file() {
            items.push(file(Role::Configuration, name, path, "", "the user's own"));
        }
    }
    if items.len() == before {
        return Err(Usage::error(
            format!("there is no configuration in {}", project.places.config.display()),
            "leave out --config, or write config.toml there first",
        ));
    }
    Ok(())
}

/// The models that were named, and with `--all` those that are here.
fn names(project: &Project, catalog: &Catalog, arguments: &BundleCreateArguments) -> Vec<String> {
    let mut names = arguments.model.clone();
    if arguments.all {
        let here = catalog
            .entries()
            .iter()
            .filter(|entry| !matches!(entry.fields.kind, Kind::BuiltIn | Kind::Remote))
            .filter(|entry| matches!(model::source(project, &entry.name), Ok(ModelSource::Path(_))));
        names.extend(here.map(|entry| entry.name.clone()));
        // What was fetched under a name that the catalogue does not know.
        let folder = project.places.data.join("models");
        for kept in Kept::all(&folder).into_iter().filter(|kept| catalog.get(&kept.name).is_err()) {
            names.extend(
                kept.files.first().map(|first| folder.join(&first.file).to_string_lossy().into_owned()),
            );
        }
    }
    names
}

/// The files of one model: all parts of a split one, and what was written down about it.
fn models(project: &Project, catalog: &Catalog, name: &str, items: &mut Vec<Item>) -> anyhow::Result<()> {
    let ModelSource::Path(first) = model::source(project, name)? else {
        project.printer.note(&format!("`{name}` is part of the program; there is nothing to take along"));
        return Ok(());
    };
    let entry = catalog.get(name).ok();
    let licence = entry.map_or("", |entry| entry.fields.licence.as_str());
    let source = match entry.map(|entry| &entry.fields) {
        Some(fields) if fields.repository.is_some() => {
            format!("hf:{}", fields.repository.as_deref().unwrap_or_default())
        }
        _ => first.display().to_string(),
    };
    let folder = project.places.data.join("models");
    let mut beside = first.as_os_str().to_owned();
    beside.push(PROVENANCE);
    let beside = PathBuf::from(beside);
    if let Some(kept) = Kept::read(&beside) {
        let said = |text: &str, otherwise: &str| if text.is_empty() { otherwise } else { text }.to_owned();
        let (licence, source) = (said(&kept.licence, licence), said(&kept.source, &source));
        for KeptFile { file: below } in &kept.files {
            items.push(file(Role::Model, below, plain_file(&folder.join(below))?, &licence, &source));
        }
        items.push(file(Role::Model, &below(&folder, &beside), beside, &licence, &source));
        return Ok(());
    }
    // Where another program keeps it, a file may have any name; in the folder of models it is found by that of the catalogue.
    let known = entry.and_then(|entry| entry.fields.file.as_deref());
    let parts = parts(&first);
    for path in &parts {
        let below = match known.filter(|_| parts.len() == 1 && !path.starts_with(&folder)) {
            Some(known) => known.to_owned(),
            None => below(&folder, path),
        };
        items.push(file(Role::Model, &below, plain_file(path)?, licence, &source));
    }
    if !first.starts_with(&folder) && known.is_none() {
        let name = first.file_name().unwrap_or_default().to_string_lossy();
        project.printer.note(&format!(
            "{name} comes from outside of the folder of models: on the other machine it is \
             ~/.local/share/loci/models/{name}, for -m or for `path` in models.toml"
        ));
    }
    Ok(())
}

/// What is written down beside a model that Loci fetched.
#[derive(serde::Deserialize)]
struct Kept {
    name: String,
    source: String,
    #[serde(default)]
    licence: String,
    files: Vec<KeptFile>,
}

#[derive(serde::Deserialize)]
struct KeptFile {
    /// From the folder of models.
    file: String,
}

impl Kept {
    /// Nothing where it is not there, or is something else.
    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Those of all models in a folder and the folders in it.
    fn all(folder: &Path) -> Vec<Self> {
        let mut found = Vec::new();
        for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                found.extend(Self::all(&path));
            } else if path.to_string_lossy().ends_with(PROVENANCE) {
                found.extend(Self::read(&path));
            }
        }
        found
    }
}

/// Where a file goes below the folder of models.
fn below(folder: &Path, path: &Path) -> String {
    match path.strip_prefix(folder) {
        Ok(below) => below.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/"),
        Err(_) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

/// All files of a model that is split as `NAME-00001-of-00003.gguf`; the file itself where it is not.
fn parts(first: &Path) -> Vec<PathBuf> {
    let split = || {
        let name = first.file_name()?.to_str()?;
        let (stem, ending) = name.rsplit_once('.')?;
        let (stem, count) = stem.rsplit_once("-of-")?;
        let (stem, number) = stem.rsplit_once('-')?;
        let five = |digits: &str| digits.len() == 5 && digits.bytes().all(|digit| digit.is_ascii_digit());
        if !five(count) || !five(number) {
            return None;
        }
        let total: usize = count.parse().ok()?;
        let part = |number| first.with_file_name(format!("{stem}-{number:05}-of-{count}.{ending}"));
        Some((1..=total).map(part).collect())
    };
    split().unwrap_or_else(|| vec![first.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_model_has_all_its_parts() {
        let check = |name: &str, expect: &[&str]| {
            let parts = parts(&Path::new("/m").join(name));
            let names: Vec<_> = parts.iter().map(|path| path.strip_prefix("/m").expect("below")).collect();
            assert_eq!(names, expect.iter().map(Path::new).collect::<Vec<_>>());
        };
        check("a.gguf", &["a.gguf"]);
        check(
            "a-00002-of-00003.gguf",
            &["a-00001-of-00003.gguf", "a-00002-of-00003.gguf", "a-00003-of-00003.gguf"],
        );
        check("a-of-b.gguf", &["a-of-b.gguf"]);
        check("a-1-of-2.gguf", &["a-1-of-2.gguf"]);
        check("-00001-of-00001.gguf", &["-00001-of-00001.gguf"]);
    }
}
