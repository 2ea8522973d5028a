//! Owns the catalogue: which models there are, where their files come from, what they need.
//! Uses `toml`; the layers' texts are handed in, so that nothing here knows where a user keeps them.
//! Never opens a model, never reads a file and never asks the network.

use serde::{Deserialize, Serialize};

use crate::provider::Price;

mod layers;

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
}

/// How a model is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Its weights are in the binary.
    BuiltIn,
    /// A GGUF file, run inside the process.
    Gguf,
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

/// What a model is for. Each role names models in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The work itself.
    Main,
    /// Short questions, where speed matters more than depth.
    Fast,
    /// Plans, before anything is changed.
    Plan,
    /// Texts into vectors.
    Embed,
    /// The order of what a search found.
    Rerank,
    /// A look at what was changed.
    Review,
}

impl Role {
    /// Every role, in the order of the documentation.
    pub const ALL: [Self; 6] = [Self::Main, Self::Fast, Self::Plan, Self::Embed, Self::Rerank, Self::Review];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Fast => "fast",
            Self::Plan => "plan",
            Self::Embed => "embed",
            Self::Rerank => "rerank",
            Self::Review => "review",
        }
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
    /// The file's name there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A file on this machine, in place of `repository` and `file`.
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
        /// The file.
        origin: String,
        /// What the parser said, with its line.
        message: String,
    },
    /// Correct the key.
    #[error("{origin}: unknown key `{key}`")]
    UnknownKey {
        /// The file.
        origin: String,
        /// The whole key, dotted.
        key: String,
        /// The nearest key that exists.
        similar: Option<String>,
    },
    /// Add or correct the value.
    #[error("{origin}: model `{name}`: {message}")]
    Invalid {
        /// The last file that spoke of it.
        origin: String,
        /// The entry.
        name: String,
        /// What is missing or wrong.
        message: String,
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
            Self::UnknownKey { similar: Some(similar), .. } => Some(format!("did you mean `{similar}`?")),
            Self::UnknownModel { similar: Some(similar), .. } => {
                Some(format!("did you mean `{similar}`? `loci models` lists them all"))
            }
            Self::UnknownModel { .. } => Some(
                "`loci models` lists the names; a GGUF file is given by its path: -m ./model.gguf".into(),
            ),
            Self::UnknownKey { .. } => Some(format!("the keys of a model are {}", layers::KEYS.join(", "))),
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
        let built_in = Source { layer: Layer::BuiltIn, origin: "models.toml (built in)", text: BUILT_IN };
        let mut all = vec![built_in];
        all.extend_from_slice(sources);
        Ok(Self { entries: layers::merge(&all)? })
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
            Kind::BuiltIn | Kind::Remote => true,
            Kind::Gguf => {
                // A user's entry need not name the architecture; the file's header will.
                let known = |name: &String| SUPPORTED_ARCHITECTURES.contains(&name.as_str());
                self.fields.architecture.as_ref().is_none_or(known)
            }
        }
    }
}

/// The candidate closest to `word`, if one is close enough to be meant.
fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
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
mod tests {
    use super::*;

    fn load(user: &str) -> Result<Catalog, CatalogError> {
        Catalog::load(&[Source { layer: Layer::User, origin: "user.toml", text: user }])
    }

    #[test]
    fn every_built_in_entry_is_complete() {
        let catalog = Catalog::load(&[]).expect("the built-in catalogue parses");
        assert!(catalog.entries().len() > 20);
        for entry in catalog.entries() {
            let (name, fields) = (&entry.name, &entry.fields);
            assert!(fields.title.len() > 3 && fields.context >= 512 && !fields.licence.is_empty(), "{name}");
            assert!(!fields.dialect.is_empty(), "{name}");
            if let Some(sha256) = &fields.sha256 {
                assert!(sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
                assert!(!fields.approximate, "{name}: a hashed file has an exact size");
            }
            match fields.kind {
                Kind::Gguf => {
                    assert!(fields.repository.as_ref().is_some_and(|text| text.contains('/')), "{name}");
                    assert!(fields.file.as_ref().is_some_and(|text| text.ends_with(".gguf")), "{name}");
                    assert!(fields.bytes.is_some_and(|bytes| bytes > 100_000_000), "{name}");
                    assert!(fields.quantisation.is_some() && fields.architecture.is_some(), "{name}");
                    assert!(fields.parameters.is_some(), "{name}");
                    assert!(fields.context_max.is_some_and(|max| max >= fields.context), "{name}");
                    assert!(entry.cache_bytes_per_token().is_some_and(|bytes| bytes > 0), "{name}");
                }
                Kind::Remote => {
                    assert!(fields.base_url.as_ref().is_some_and(|url| url.starts_with("http")), "{name}");
                    assert!(fields.model.is_some(), "{name}");
                }
                Kind::BuiltIn => {
                    assert!(fields.file.as_ref().is_some_and(|text| text.ends_with(".gguf")), "{name}");
                }
            }
        }
    }

    #[test]
    fn the_built_in_entry_describes_the_embedded_file() {
        let catalog = Catalog::load(&[]).expect("parses");
        let fields = &catalog.get(crate::builtin::NAME).expect("known").fields;
        assert_eq!(fields.bytes, Some(crate::builtin::GGUF.len() as u64));
        assert_eq!(fields.sha256.as_deref(), Some(crate::builtin::SHA256));
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(fields.file.as_ref().expect("given"));
        assert_eq!(std::fs::read(file).expect("readable"), crate::builtin::GGUF);
        let engine =
            crate::engine::Engine::open(crate::builtin::source(), Default::default()).expect("opens");
        let model = engine.model();
        assert_eq!(fields.architecture.as_deref(), Some(model.architecture.as_str()));
        assert_eq!(fields.context, model.context_length);
        assert_eq!(fields.dialect, model.text("loci.dialect").expect("in the file"));
    }

    #[test]
    fn memory_is_weights_cache_and_a_tenth() {
        let catalog = Catalog::load(&[]).expect("parses");
        let entry = catalog.get("qwen3-4b").expect("known");
        // 36 layers, 8 heads of 128, keys and values in two bytes each.
        assert_eq!(entry.cache_bytes_per_token(), Some(147_456));
        let weights = entry.fields.bytes.expect("given");
        assert_eq!(entry.memory_needed(1000), Some((weights + 147_456_000) * 11 / 10));
        assert_eq!(catalog.get("openai").expect("known").memory_needed(1000), None);
    }

    #[test]
    fn what_has_no_forward_pass_is_said() {
        let catalog = Catalog::load(&[]).expect("parses");
        let supported = |name: &str| catalog.get(name).expect("known").supported();
        assert!(supported("qwen2.5-coder-7b") && supported("devstral-small") && supported("loci-builtin"));
        assert!(supported("qwen3-coder-30b-a3b") && supported("gpt-oss-20b") && supported("smollm3-3b"));
        let text = "[model.house]\nkind = \"gguf\"\npath = \"/x.gguf\"\narchitecture = \"rwkv7\"\n";
        assert!(!load(text).expect("parses").get("house").expect("known").supported());
    }

    #[test]
    fn the_list_of_architectures_is_that_of_the_families() {
        assert_eq!(SUPPORTED_ARCHITECTURES.to_vec(), crate::model::families());
    }

    #[test]
    fn later_layers_win_key_by_key() {
        let project = Source {
            layer: Layer::Project,
            origin: "project.toml",
            text: "[model.qwen3-4b]\ncontext = 4096\n",
        };
        let user = "[model.qwen3-4b]\ncontext = 8192\nnote = \"mine\"\n\n\
                    [model.house]\nkind = \"gguf\"\npath = \"/models/house.gguf\"\n";
        let user = Source { layer: Layer::User, origin: "user.toml", text: user };
        let catalog = Catalog::load(&[user, project]).expect("parses");
        let entry = catalog.get("Qwen3-4B").expect("names do not mind case");
        assert_eq!(entry.fields.context, 4096);
        assert_eq!(entry.fields.note.as_deref(), Some("mine"));
        assert_eq!(entry.fields.licence, "Apache-2.0");
        assert_eq!(entry.layer, Layer::Project);
        let house = catalog.get("house").expect("added");
        assert_eq!((house.layer, house.fields.title.as_str()), (Layer::User, "house"));
        assert!(house.supported());
    }

    #[test]
    fn errors_name_the_file_and_what_was_meant() {
        let check = |text: &str, message: &str, hint: Option<&str>| {
            let error = load(text).expect_err("wrong");
            assert!(error.to_string().starts_with(message), "{error}");
            assert_eq!(error.hint().as_deref(), hint, "{error}");
        };
        check(
            "[model.x]\nkind = \"gguf\"\nfil = \"x\"\n",
            "user.toml: unknown key `model.x.fil`",
            Some("did you mean `file`?"),
        );
        check(
            "[modle.x]\nkind = \"gguf\"\n",
            "user.toml: unknown key `modle`",
            Some("did you mean `model`?"),
        );
        check(
            "[model.x]\nkind = \"gguf\"\n",
            "user.toml: model `x`: a gguf model needs `path`, or `repository` and `file`",
            None,
        );
        check(
            "[model.x]\nkind = \"remote\"\nmodel = \"m\"\n",
            "user.toml: model `x`: a remote model needs `base_url`",
            None,
        );
        check(
            "[model.x]\nkind = \"remote\"\nbase_url = \"ftp://x\"\nmodel = \"m\"\n",
            "user.toml: model `x`: `base_url` must start with http",
            None,
        );
        check("[model.x]\npath = \"x.gguf\"\n", "user.toml: model `x`: `kind` is missing", None);
        check("[model.x]\nkind = \"gufg\"\n", "user.toml: model `x`: ", None);
        check("[model.qwen3-4b]\ncontext = \"long\"\n", "user.toml: model `qwen3-4b`: ", None);
        check(
            "[model.qwen3-4b]\ncontext = 3\n",
            "user.toml: model `qwen3-4b`: `context` must be at least 256",
            None,
        );
        check(
            "[model.qwen3-4b]\nsha256 = \"abc\"\n",
            "user.toml: model `qwen3-4b`: `sha256` must be 64 hexadecimal digits",
            None,
        );
        check("model = 3\n", "user.toml: `model` must hold one table for each name", None);
        check("[model]\nx = 3\n", "user.toml: model `x`: must be a table", None);
        check("[model", "user.toml: ", None);
    }

    #[test]
    fn unknown_names_find_the_nearest() {
        let catalog = Catalog::load(&[]).expect("parses");
        let check = |name: &str, similar: Option<&str>| match catalog.get(name) {
            Err(CatalogError::UnknownModel { similar: found, .. }) => assert_eq!(found.as_deref(), similar),
            other => panic!("{other:?}"),
        };
        check("qwen3-4", Some("qwen3-4b"));
        check("quen2.5-coder-7b", Some("qwen2.5-coder-7b"));
        check("gpt-7-ultra", None);
        check("", None);
    }
}
