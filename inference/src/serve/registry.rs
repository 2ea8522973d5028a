//! Owns which models are in memory: opened when they are asked for, dropped when nobody did for long.
//! Uses whoever knows names and files, behind a trait.
//! Never drops a model that answers, and never opens the same one twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as AsyncMutex;

use super::error::Fault;
use crate::embed::{Bert, EmbedError, Kind, Table};
use crate::provider::Provider;

/// A model that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name in requests.
    pub name: String,
    /// Whether it gives vectors; otherwise it answers.
    pub embeds: bool,
}

/// Why a model cannot be asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// Ask for another one.
    #[error("{message}")]
    Failed {
        /// What is wrong.
        message: String,
    },
    /// Ask again.
    #[error("{message}")]
    Busy {
        /// What stands against it now.
        message: String,
    },
}

/// Who knows what can be served. Each call may read files: none is made on a thread that others wait for.
pub trait Models: Send + Sync + 'static {
    /// What is offered, now. Nothing else is opened.
    fn list(&self) -> Vec<Listed>;

    /// A model that answers, by a name of [`Models::list`].
    ///
    /// # Errors
    /// When it cannot be used.
    fn open(&self, name: &str) -> Result<Arc<dyn Provider>, OpenError>;

    /// A model that gives vectors, by a name of [`Models::list`].
    ///
    /// # Errors
    /// When it cannot be used.
    fn open_embedder(&self, name: &str) -> Result<Embedder, OpenError>;
}

/// A model that gives vectors.
#[derive(Clone)]
pub enum Embedder {
    /// The table that is part of the program.
    Table(Arc<Table>),
    /// A BERT from files.
    Bert(Arc<Bert>),
}

impl Embedder {
    /// The length of every vector.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        match self {
            Self::Table(table) => table.dimensions(),
            Self::Bert(bert) => bert.dimensions(),
        }
    }

    /// The vector of a text, of unit length.
    ///
    /// # Errors
    /// When the pass fails.
    pub fn embed(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        match self {
            Self::Table(table) => Ok(table.embed(text, Kind::Question)),
            Self::Bert(bert) => bert.embed_as_is(text),
        }
    }

    /// What the model counts of a text: tokens, or words where it knows only those.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        match self {
            Self::Table(_) => text.split_whitespace().count(),
            Self::Bert(bert) => bert.count(text),
        }
    }
}

/// A model in memory.
#[derive(Clone)]
enum Loaded {
    Answers(Arc<dyn Provider>),
    Embeds(Embedder),
}

struct Entry {
    model: Loaded,
    used: Instant,
    in_use: usize,
}

/// The models in memory.
pub(super) struct Registry {
    models: Arc<dyn Models>,
    most: usize,
    entries: Mutex<BTreeMap<String, Entry>>,
    /// One model is opened at a time: two would count the same memory as free.
    opening: AsyncMutex<()>,
}

/// A model that is being asked: it stays in memory while this is held.
pub(super) struct Lease<T> {
    pub(super) model: T,
    name: String,
    registry: Arc<Registry>,
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        let mut entries = self.registry.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get_mut(&self.name) {
            entry.in_use = entry.in_use.saturating_sub(1);
            entry.used = Instant::now();
        }
    }
}

impl Registry {
    pub(super) fn new(models: Arc<dyn Models>, most: usize) -> Self {
        Self { models, most: most.max(1), entries: Mutex::default(), opening: AsyncMutex::default() }
    }

    /// What is offered, and whether it is in memory.
    pub(super) async fn list(self: &Arc<Self>) -> Result<Vec<(Listed, bool)>, Fault> {
        let models = Arc::clone(&self.models);
        let listed =
            tokio::task::spawn_blocking(move || models.list()).await.map_err(|error| broken(&error))?;
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(listed
            .into_iter()
            .map(|listed| {
                let loaded = entries.contains_key(&listed.name);
                (listed, loaded)
            })
            .collect())
    }

    /// A model that answers, opened where it is not in memory.
    pub(super) async fn provider(self: &Arc<Self>, name: &str) -> Result<Lease<Arc<dyn Provider>>, Fault> {
        let lease = self.lease(name, false).await?;
        match lease.model.clone() {
            Loaded::Answers(provider) => Ok(lease.with(provider)),
            Loaded::Embeds(_) => Err(Fault::field("model", format!("`{name}` gives vectors and no answers"))),
        }
    }

    /// A model that gives vectors, opened where it is not in memory.
    pub(super) async fn embedder(self: &Arc<Self>, name: &str) -> Result<Lease<Embedder>, Fault> {
        let lease = self.lease(name, true).await?;
        match lease.model.clone() {
            Loaded::Embeds(embedder) => Ok(lease.with(embedder)),
            Loaded::Answers(_) => {
                Err(Fault::field("model", format!("`{name}` gives answers and no vectors")))
            }
        }
    }

    /// Drop what nobody asked for so long.
    pub(super) fn drop_idle(&self, idle: Duration) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<Entry> = entries
            .extract_if(.., |_, entry| entry.in_use == 0 && entry.used.elapsed() >= idle)
            .map(|(_, entry)| entry)
            .collect();
        drop(entries);
        // The end of an engine may wait for its snapshots: not while others wait for the list.
        if !gone.is_empty() {
            tokio::task::spawn_blocking(move || drop(gone));
        }
    }

    fn known(self: &Arc<Self>, name: &str) -> Option<Lease<Loaded>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get_mut(name)?;
        entry.in_use += 1;
        Some(Lease { model: entry.model.clone(), name: name.to_owned(), registry: Arc::clone(self) })
    }

    async fn lease(self: &Arc<Self>, name: &str, embeds: bool) -> Result<Lease<Loaded>, Fault> {
        if let Some(lease) = self.known(name) {
            return Ok(lease);
        }
        let _opening = self.opening.lock().await;
        // Somebody else may have opened it meanwhile.
        if let Some(lease) = self.known(name) {
            return Ok(lease);
        }
        let listed = self.list().await?;
        let Some((found, _)) = listed.iter().find(|(listed, _)| listed.name == name) else {
            return Err(Fault::no_model(name, &listed));
        };
        if found.embeds != embeds {
            let gives = if found.embeds { "vectors and no answers" } else { "answers and no vectors" };
            return Err(Fault::field("model", format!("`{name}` gives {gives}")));
        }
        let gone = self.make_room()?;
        // The end of an engine may wait for its snapshots; its memory is free before the next one is opened.
        tokio::task::spawn_blocking(move || drop(gone)).await.map_err(|error| broken(&error))?;
        let (models, asked) = (Arc::clone(&self.models), name.to_owned());
        let opened = tokio::task::spawn_blocking(move || {
            if embeds {
                models.open_embedder(&asked).map(Loaded::Embeds)
            } else {
                models.open(&asked).map(Loaded::Answers)
            }
        });
        let model = opened.await.map_err(|error| broken(&error))??;
        let entry = Entry { model, used: Instant::now(), in_use: 0 };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), entry);
        self.known(name)
            .ok_or_else(|| Fault::from(OpenError::Busy { message: "it was dropped at once".into() }))
    }

    /// Take out the models that were idle longest until there is room for one more.
    fn make_room(&self) -> Result<Vec<Entry>, Fault> {
        let mut gone = Vec::new();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        while entries.len() >= self.most {
            let idle = entries.iter().filter(|(_, entry)| entry.in_use == 0);
            let Some(oldest) = idle.min_by_key(|(_, entry)| entry.used).map(|(name, _)| name.clone()) else {
                let names: Vec<&str> = entries.keys().map(String::as_str).collect();
                let message =
                    format!("no other model can be loaded while these answer: {}", names.join(", "));
                return Err(OpenError::Busy { message }.into());
            };
            gone.extend(entries.remove(&oldest));
        }
        Ok(gone)
    }
}

impl Lease<Loaded> {
    /// The same hold on a model, with what it is.
    fn with<T>(self, model: T) -> Lease<T> {
        let mut entries = self.registry.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get_mut(&self.name) {
            // This hold is dropped below, and takes its count along.
            entry.in_use += 1;
        }
        drop(entries);
        Lease { model, name: self.name.clone(), registry: Arc::clone(&self.registry) }
    }
}

fn broken(error: &tokio::task::JoinError) -> Fault {
    OpenError::Failed { message: format!("the model could not be opened: {error}") }.into()
}
