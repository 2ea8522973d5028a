//! Owns the folder at hand: its root, its configuration, its trust, its index and its catalogue.
//! Uses `core` for configuration and trust, `index` and `inference` for what their names say.
//! Never opens a model.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use loci_core::config::{Config, Embeddings, Environment, Origin, Places, Settings, Sources, enables};
use loci_core::managed::{Managed, Owner};
use loci_core::trust::{Standing, Trust};
use loci_index::{Index, RefreshReport};
use loci_inference::catalog::{Catalog, Layer, Role, Source};

use crate::arguments::AskArguments;
use crate::errors::Usage;
use crate::offline::Offline;
use crate::printer::Printer;
use crate::progress::Bars;

/// What marks the root of a project. The nearest folder upwards that has one of them is taken.
const MARKS: [&str; 2] = [".git", ".loci"];

/// Between two steps of the bar.
const EMBED_STEP: Duration = Duration::from_millis(200);

/// A flag as a configuration key: key, value, the flag's name.
type Flags = Vec<(String, toml::Value, String)>;

/// The project that a command works on.
#[derive(Debug)]
pub(crate) struct Project {
    /// The root, absolute, links resolved.
    pub(crate) root: PathBuf,
    /// Where the user stands, absolute, links resolved.
    pub(crate) directory: PathBuf,
    /// The variables.
    pub(crate) environment: Environment,
    /// The folders of configuration, data and caches.
    pub(crate) places: Places,
    /// Whatever is said.
    pub(crate) printer: Printer,
    /// How this process stands to the network.
    pub(crate) offline: Offline,
    /// The catalogue as it was read last.
    read: Arc<Mutex<Option<ReadCatalog>>>,
}

/// A catalogue, and the files that it was read from.
#[derive(Debug)]
struct ReadCatalog {
    files: Vec<CatalogFile>,
    catalog: Catalog,
}

/// Layer, path and text of a file of the catalogue.
type CatalogFile = (Layer, String, String);

impl Project {
    /// The project around `directory`, or around the current one.
    ///
    /// # Errors
    /// When it is not a directory that can be read.
    pub(crate) fn open(
        directory: Option<&Path>,
        environment: Environment,
        printer: Printer,
    ) -> anyhow::Result<Self> {
        let given = directory.unwrap_or(Path::new("."));
        let shown = given.display();
        let directory = given.canonicalize().map_err(|error| {
            Usage::error(format!("{shown}: {error}"), "name a directory that exists with -C DIR")
        })?;
        if !directory.is_dir() {
            return Err(Usage::error(format!("{shown} is not a directory"), "name a directory with -C DIR"));
        }
        let places = Places::from_environment(&environment);
        let home = places.home.canonicalize().unwrap_or_else(|_| places.home.clone());
        let root = find_root(&directory, &home);
        if let Some((variable, path)) = Places::redirected(&environment, &root) {
            return Err(Usage::error(
                format!(
                    "{variable} is {}, which is inside the project {}: what decides about a repository must not come \
                     from it",
                    path.display(),
                    root.display()
                ),
                format!("unset {variable}, or let it name a folder outside of the project"),
            ));
        }
        Ok(Self {
            root,
            directory,
            environment,
            places,
            printer,
            offline: Offline::default(),
            read: Arc::default(),
        })
    }

    /// The same folder once more, for whoever outlives a command. Whether it is offline is in the settings.
    #[must_use]
    pub(crate) fn again(&self) -> Self {
        Self {
            root: self.root.clone(),
            directory: self.directory.clone(),
            environment: self.environment.clone(),
            places: self.places.clone(),
            printer: self.printer.clone(),
            offline: Offline::default(),
            read: Arc::clone(&self.read),
        }
    }

    /// The same folder once more, for a printer of its own.
    #[must_use]
    pub(crate) fn printing_to(&self, printer: Printer) -> Self {
        Self { printer, offline: self.offline.clone(), ..self.again() }
    }

    /// A path as the index knows it: relative to the root, whatever the user stands in.
    #[must_use]
    pub(crate) fn relative(&self, written: &Path) -> String {
        let from_here = self.directory.join(written);
        let absolute = if from_here.exists() { from_here } else { self.root.join(written) };
        let resolved = absolute.canonicalize().unwrap_or(absolute);
        let relative = resolved.strip_prefix(&self.root).unwrap_or(&resolved);
        relative.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/")
    }

    /// How the project stands with the user.
    ///
    /// # Errors
    /// When the list of trusted folders is damaged.
    pub(crate) fn standing(&self) -> anyhow::Result<Standing> {
        Ok(Trust::load(&self.places.data)?.standing(&self.root, &enables(&self.root)))
    }

    /// Whether the user trusts what the project's own files enable.
    ///
    /// # Errors
    /// As [`Project::standing`].
    pub(crate) fn trusted(&self) -> anyhow::Result<bool> {
        Ok(self.standing()? == Standing::Trusted)
    }

    /// The configuration with these flags over it. What is odd about it is said on standard error.
    ///
    /// # Errors
    /// When a file is not TOML or a value is of the wrong kind.
    pub(crate) fn config(&self, flags: Flags) -> anyhow::Result<Config> {
        let config = self.read_config(flags)?;
        for warning in &config.warnings {
            self.printer.note(warning);
        }
        Ok(config)
    }

    fn read_config(&self, mut flags: Flags) -> anyhow::Result<Config> {
        if self.offline.asked {
            flags.push(("offline".into(), true.into(), "--offline".into()));
        }
        Ok(Config::load(Sources {
            root: &self.root,
            places: &self.places,
            environment: &self.environment,
            flags,
            trusted: self.trusted()?,
            managed: Managed::load(&self.places.managed, Owner::User(0))?,
        })?)
    }

    /// Go offline if the configuration says so. One that cannot be read could say so: then this process is offline, too,
    /// and the commands that need the configuration tell what is wrong with it.
    ///
    /// # Errors
    /// When a standard stream is a network connection.
    pub(crate) fn go_offline_if_wanted(&mut self) -> anyhow::Result<()> {
        let wanted = self.read_config(Vec::new()).map_or(true, |config| loci_core::offline::wanted(&config));
        if wanted { self.offline.enter(&self.printer) } else { Ok(()) }
    }

    /// How the conversation is shown. What is odd about the configuration is said when the session is opened.
    ///
    /// # Errors
    /// As [`Project::config`].
    pub(crate) fn screen(&self, arguments: &AskArguments) -> anyhow::Result<loci_core::config::Screen> {
        Ok(loci_core::config::Screen::of(&self.read_config(arguments.as_configuration())?))
    }

    /// The settings of a session.
    #[must_use]
    pub(crate) fn settings(&self, config: &Config) -> Settings {
        let mut settings = Settings::of(config, &self.root, &self.places.home);
        // The setting wins over the role; and where the policy names models, an embedder is none of them.
        let unset = config.get("embeddings").is_none_or(|entry| entry.origin == Origin::Default);
        if unset && settings.managed.models.is_none() {
            settings.embeddings = self.embedder().unwrap_or(settings.embeddings);
        }
        settings
    }

    /// The embedder that the catalogue's role names: the first that is on this machine. A catalogue that is wrong says so
    /// where it is needed.
    fn embedder(&self) -> Option<Embeddings> {
        static SAID: Once = Once::new();
        let catalog = self.catalog().ok()?;
        let names = catalog.role(Role::Embed);
        let here = names.iter().find_map(|name| crate::model::embedder(self, &catalog, name));
        if let (None, Some(first)) = (&here, names.first()) {
            let text = format!("`{first}` is not on this machine: loci models pull {first}");
            SAID.call_once(|| self.printer.note(&loci_tui::visible(&text)));
        }
        here.map(Embeddings::Model)
    }

    /// The catalogue: built in, the user's, the project's if it is trusted.
    ///
    /// # Errors
    /// When a file cannot be read or has an unknown key.
    pub(crate) fn catalog(&self) -> anyhow::Result<Catalog> {
        let mut files = vec![(Layer::User, self.places.config.join("models.toml"))];
        if self.trusted()? {
            files.push((Layer::Project, self.root.join(".loci").join("models.toml")));
        }
        let mut read = Vec::new();
        for (layer, path) in files {
            match std::fs::read_to_string(&path) {
                Ok(text) => read.push((layer, path.display().to_string(), text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            }
        }
        // Settings ask for roles each time; parsing takes most of a millisecond, and the files are mostly the same.
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| known.files == read) {
            return Ok(known.catalog.clone());
        }
        let sources: Vec<Source<'_>> =
            read.iter().map(|(layer, origin, text)| Source { layer: *layer, origin, text }).collect();
        let catalog = Catalog::load_beside(&sources, || self.names_beside())?;
        *known = Some(ReadCatalog { files: read, catalog: catalog.clone() });
        Ok(catalog)
    }

    /// Names of models that no catalogue has: services of the configuration, and what was pulled.
    fn names_beside(&self) -> Vec<String> {
        let pulled = crate::model::store(self).all().into_iter().map(|manifest| manifest.name);
        // A configuration that cannot be read is said where it is used. Not `settings`, which asks for the catalogue.
        let services = self
            .read_config(Vec::new())
            .map(|config| Settings::of(&config, &self.root, &self.places.home).providers);
        services.unwrap_or_default().into_keys().chain(pulled).collect()
    }

    /// The index as it is on disk.
    ///
    /// # Errors
    /// When its folder cannot be used.
    pub(crate) fn index(&self) -> anyhow::Result<Index> {
        if self.root.parent().is_none() || self.root == self.places.home {
            let path = self.root.display();
            self.printer
                .note(&format!("{path} is a whole system or home, not a project: reading it may take long"));
        }
        Ok(Index::open(&self.root, self.index_options()?)?)
    }

    fn index_options(&self) -> anyhow::Result<loci_index::Options> {
        let settings = self.settings(&self.config(Vec::new())?);
        Ok(loci_core::session::index_options(&self.root, &self.places, &settings))
    }

    /// Remove the index: it is a cache, and is built again when it is next needed.
    ///
    /// # Errors
    /// When its folder cannot be removed.
    pub(crate) fn remove_index(&self) -> anyhow::Result<()> {
        let folder = self.index_options()?.cache_dir;
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| folder.display().to_string())
            }
            _ => Ok(()),
        }
    }

    /// The index, brought up to date.
    ///
    /// # Errors
    /// When its folder cannot be used or the changes cannot be written.
    pub(crate) fn fresh_index(&self) -> anyhow::Result<Index> {
        let index = self.index()?;
        self.refresh(&index)?;
        Ok(index)
    }

    /// The index, brought up to date, with vectors for questions made of words: `budget` bounds the time for new ones.
    ///
    /// # Errors
    /// As [`Project::fresh_index`], or when the vectors cannot be read or written.
    pub(crate) fn searchable_index(&self, budget: Duration) -> anyhow::Result<Index> {
        let index = self.fresh_index()?;
        self.embed(&index, budget)?;
        Ok(index)
    }

    /// Embed what is pending, for as long as `budget` says, with a bar.
    ///
    /// # Errors
    /// When the vectors cannot be read or written.
    pub(crate) fn embed(&self, index: &Index, budget: Duration) -> anyhow::Result<()> {
        let settings = self.settings(&self.config(Vec::new())?);
        if !loci_core::meaning::attach(index, &settings.embeddings)? {
            return Ok(());
        }
        let (begun, mut bars, mut done, mut total) = (Instant::now(), Bars::new(&self.printer), 0, None);
        while let Some(left) = budget.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
            let report = index.embed_pending(left.min(EMBED_STEP), &AtomicBool::new(false))?;
            done += report.done;
            let all = *total.get_or_insert(report.done + report.pending);
            if report.pending == 0 || report.done == 0 {
                break;
            }
            bars.update("reading meanings", done, Some(all), "files");
        }
        Ok(())
    }

    /// Bring the index up to date, with a bar.
    ///
    /// # Errors
    /// When the changes cannot be written.
    pub(crate) fn refresh(&self, index: &Index) -> anyhow::Result<RefreshReport> {
        let mut bars = Bars::new(&self.printer);
        let report = index.refresh(&mut |progress| {
            let total = (progress.total > 0).then_some(progress.total);
            bars.update("indexing", progress.done, total, "files");
        })?;
        Ok(report)
    }
}

impl AskArguments {
    /// The flags as configuration keys.
    #[must_use]
    pub(crate) fn as_configuration(&self) -> Flags {
        let mut flags = Flags::new();
        let mut add = |key: &str, value: Option<toml::Value>, flag: &str| {
            if let Some(value) = value {
                flags.push((key.to_owned(), value, flag.to_owned()));
            }
        };
        let rules = |rules: &[String]| {
            (!rules.is_empty()).then(|| toml::Value::Array(rules.iter().cloned().map(Into::into).collect()))
        };
        add("model", self.model.clone().map(Into::into), "--model");
        add("permission_mode", self.permission_mode.map(|mode| mode.name().into()), "--permission-mode");
        add("allow", rules(&self.allow), "--allow");
        add("deny", rules(&self.deny), "--deny");
        add("max_turns", self.max_turns.map(|turns| i64::from(turns).into()), "--max-turns");
        add("context_length", self.context.map(|tokens| i64::from(tokens).into()), "--context");
        add("local_only", self.local.then_some(true.into()), "--local");
        add("prefer", self.remote.then_some("remote".into()), "--remote");
        add("seed", self.seed.map(|seed| i64::from(seed).into()), "--seed");
        add("temperature", self.temperature.map(|degrees| f64::from(degrees).into()), "--temperature");
        add("screen.plain", self.plain.then_some(true.into()), "--plain");
        flags
    }
}

/// The nearest folder upwards with a mark; the folder itself where there is none. The home directory is no project of
/// those below it, even when it is kept in git.
fn find_root(directory: &Path, home: &Path) -> PathBuf {
    directory
        .ancestors()
        .take_while(|folder| *folder == directory || *folder != home)
        .find(|folder| MARKS.iter().any(|mark| folder.join(mark).exists()))
        .unwrap_or(directory)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_nearest_marked_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().canonicalize().expect("resolves");
        for path in [".git", "repo/.git", "repo/src/deep", "plain/deep", "app/.loci", "app/src"] {
            std::fs::create_dir_all(home.join(path)).expect("created");
        }
        let check =
            |from: &str, expect: &str| assert_eq!(find_root(&home.join(from), &home), home.join(expect));
        check("repo/src/deep", "repo");
        check("repo", "repo");
        check("app/src", "app");
        check("plain/deep", "plain/deep");
        // Dotfiles kept in git do not make the whole home a project, unless one stands in it.
        assert_eq!(find_root(&home, &home), home);
    }
}
