//! Owns which models `loci serve` offers: those that were named, and those on this machine.
//! Uses the catalogue and the user's configuration, none of a project's.
//! Never offers a service: a request must not go elsewhere because somebody asked a local address.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use loci_core::config::{Embeddings, Settings};
use loci_core::route::BUILT_IN;
use loci_inference::catalog::Kind;
use loci_inference::embed::{Bert, Files, Table};
use loci_inference::provider::{Provider, Sampling};
use loci_inference::serve::{Embedder, Listed, Models, OpenError};

use crate::arguments::ServeArguments;
use crate::errors::Usage;
use crate::model;
use crate::project::Project;

/// The table of vectors that is part of the program.
const TABLE: &str = "loci-static";

/// What is offered.
pub(super) struct Offered {
    /// At the user's home: what stands there is the user's own.
    project: Project,
    settings: Settings,
    /// Names in requests, and what was written after `-m` for them, in that order.
    named: Vec<(String, String)>,
    only: bool,
}

impl Offered {
    /// What the flags say.
    ///
    /// # Errors
    /// When a model that was named cannot be found, or is a service.
    pub(super) fn new(project: &Project, arguments: &ServeArguments) -> anyhow::Result<Self> {
        let home = project.places.home.clone();
        let mut at_home = Project::open(Some(&home), project.environment.clone(), project.printer.clone())?;
        // Paths are written from where the user stands.
        at_home.directory.clone_from(&project.directory);
        let mut settings = at_home.settings(&at_home.config(Vec::new())?);
        settings.context_length = arguments.context.map(|tokens| tokens as usize).or(settings.context_length);
        let mut named: Vec<(String, String)> = Vec::new();
        for written in &arguments.models {
            let short = short_name(written);
            let taken = named.iter().any(|(name, _)| *name == short);
            named.push((if taken { written.clone() } else { short }, written.clone()));
        }
        let mut offered = Self { project: at_home, settings, named, only: arguments.only };
        for (_, written) in &offered.named {
            // Opened here, a wrong name is an error of whoever starts the service, and not of those who ask.
            offered.provider(written)?;
        }
        if offered.named.is_empty() {
            let configured = offered.settings.model.clone();
            let first = configured.filter(|written| offered.provider(written).is_ok());
            let written = first.unwrap_or_else(|| "builtin".to_owned());
            offered.named.push((short_name(&written), written));
        }
        Ok(offered)
    }

    /// The model of requests that name none.
    pub(super) fn first(&self) -> &str {
        self.named.first().map_or("builtin", |(name, _)| name)
    }

    /// How tokens are drawn where a request does not say.
    pub(super) fn sampling(&self) -> Sampling {
        self.settings.sampling.clone()
    }

    fn provider(&self, written: &str) -> anyhow::Result<Arc<dyn Provider>> {
        let settings = Settings { model: Some(written.to_owned()), ..self.settings.clone() };
        let provider = model::open(&self.project, &settings)?;
        if provider.info().endpoint.is_some() || !provider.info().local {
            return Err(Usage::error(
                format!("`{written}` is a service: asked here, it would be asked elsewhere"),
                "serve models of this machine; `loci models` lists them",
            ));
        }
        Ok(provider)
    }

    /// The models that answer and are here: of the catalogue, what was pulled beside it, what other programs left.
    fn on_this_machine(&self) -> Vec<String> {
        let search = self.project.environment.caches(&self.project.places).search();
        let store = model::store(&self.project);
        let catalog = self.project.catalog().ok();
        let entries = catalog.iter().flat_map(|catalog| catalog.entries());
        let known = entries.filter(|entry| match entry.fields.kind {
            Kind::BuiltIn => true,
            Kind::Gguf => {
                let own = entry.fields.path.as_ref().is_some_and(|path| Path::new(path).is_file());
                entry.supported()
                    && (own || store.file_of(entry).is_some() || search.copy_of(entry).is_some())
            }
            Kind::Embedder | Kind::Remote => false,
        });
        // Weights that have no architecture in the sense of GGUF only embed.
        let pulled = store.all().into_iter().filter(|manifest| manifest.architecture.is_some());
        known
            .map(|entry| entry.name.clone())
            .chain(pulled.map(|manifest| manifest.name))
            .chain(search.found.iter().map(|found| found.name.clone()))
            .collect()
    }

    /// Embedders by name, with where their files are.
    fn embedders(&self) -> BTreeMap<String, Option<std::path::PathBuf>> {
        let mut found = BTreeMap::from([(TABLE.to_owned(), None)]);
        let catalog = self.project.catalog().ok();
        for entry in catalog.iter().flat_map(|catalog| catalog.entries()) {
            if entry.fields.kind == Kind::Embedder
                && let Some(path) = model::here(&self.project, entry)
            {
                found.insert(entry.name.clone(), Some(path));
            }
        }
        if let Embeddings::Model(path) = &self.settings.embeddings {
            found.insert(short_name(&path.display().to_string()), Some(path.clone()));
        }
        found
    }
}

/// The last part of a path without its ending; a name of the catalogue as it is.
fn short_name(written: &str) -> String {
    let path = Path::new(written.strip_prefix("scripted:").unwrap_or(written));
    let file = path.extension().is_some_and(|ending| {
        ["gguf", "json", "whl", "zip"].iter().any(|known| ending.eq_ignore_ascii_case(known))
    });
    let part = if file { path.file_stem() } else { path.file_name() };
    let is_path = file || path.is_absolute();
    part.filter(|_| is_path).map_or_else(|| written.to_owned(), |part| part.to_string_lossy().into_owned())
}

impl Models for Offered {
    fn list(&self) -> Vec<Listed> {
        let mut names: Vec<String> = self.named.iter().map(|(name, _)| name.clone()).collect();
        if !self.only {
            for name in self.on_this_machine() {
                // The built-in one has two names.
                let known =
                    names.contains(&name) || name == BUILT_IN && names.iter().any(|known| known == "builtin");
                if !known {
                    names.push(name);
                }
            }
        }
        let answers = names.into_iter().map(|name| Listed { name, embeds: false });
        let vectors = self.embedders().into_keys().map(|name| Listed { name, embeds: true });
        answers.chain(vectors).collect()
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Provider>, OpenError> {
        let written = self.named.iter().find(|(known, _)| known == name).map_or(name, |(_, written)| written);
        self.provider(written).map_err(|error| OpenError::Failed { message: format!("{error:#}") })
    }

    fn open_embedder(&self, name: &str) -> Result<Embedder, OpenError> {
        let failed =
            |error: loci_inference::embed::EmbedError| OpenError::Failed { message: error.to_string() };
        match self.embedders().remove(name).flatten() {
            None => Ok(Embedder::Table(Table::builtin().map_err(failed)?)),
            Some(path) => {
                let bert = Files::open(&path).and_then(|files| Bert::load(&files)).map_err(failed)?;
                Ok(Embedder::Bert(Arc::new(bert)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_short_names() {
        let check = |written: &str, expect: &str| assert_eq!(short_name(written), expect);
        check("builtin", "builtin");
        check("qwen3:4b", "qwen3:4b");
        check("Qwen2.5-7B", "Qwen2.5-7B");
        check("./models/tiny-q4.gguf", "tiny-q4");
        check("scripted:/tmp/a.json", "a");
        check("/models/folder", "folder");
        check("service/model", "service/model");
    }
}
