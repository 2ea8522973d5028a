//! Owns the reading of catalogue files: strict keys, layers merged key by key.
//! Uses `toml`.
//! Never fills a gap with a guess: what is missing is an error that names it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::roles::Named;
use super::{CatalogError, Entry, Fields, Kind, Layer, Role, Source, nearest};

/// Every key an entry may have.
pub(super) const KEYS: [&str; 39] = [
    "kind",
    "title",
    "context",
    "context_max",
    "licence",
    "dialect",
    "repository",
    "revision",
    "file",
    "url",
    "wheel",
    "path",
    "bytes",
    "approximate",
    "sha256",
    "parameters",
    "quantisation",
    "architecture",
    "layers",
    "kv_heads",
    "head_dim",
    "base_url",
    "model",
    "api_key_env",
    "protocol",
    "images",
    "price",
    "reasoning",
    "sampling",
    "auth",
    "headers",
    "query",
    "ca_file",
    "proxy",
    "plain_http",
    "connect_timeout",
    "first_byte_timeout",
    "idle_timeout",
    "retries",
];

/// The last key, kept apart so that hints list what matters first.
const NOTE: &str = "note";

/// What a file may hold.
const SECTIONS: [&str; 2] = ["model", "role"];

/// The keys that say where weights are, and what is known of just those. A file that says where they are anew says all of it.
const WHERE: [&str; 5] = ["repository", "file", "url", "wheel", "path"];
const OF_THE_FILE: [&str; 4] = ["revision", "bytes", "approximate", "sha256"];

/// An entry while layers are still coming.
struct Draft {
    name: String,
    layer: Layer,
    table: Table,
    /// The file and line of each key.
    places: BTreeMap<String, String>,
    /// Those of the entry itself, where it was spoken of last.
    place: String,
}

/// Lay the sources over each other, lowest first.
pub(super) fn merge(sources: &[Source<'_>]) -> Result<(Vec<Entry>, Vec<Named>), CatalogError> {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut roles = Vec::new();
    for source in sources {
        let file = read(source)?;
        roles.extend(file.roles);
        for new in file.models {
            let Some(draft) = drafts.iter_mut().find(|draft| draft.name == new.name) else {
                drafts.push(new);
                continue;
            };
            draft.layer = new.layer;
            draft.place = new.place;
            // A file of the user's own takes the place of what the lower layer said about the file.
            if WHERE.iter().any(|key| new.table.contains_key(*key)) {
                for stale in WHERE.iter().chain(&OF_THE_FILE) {
                    draft.table.remove(*stale);
                }
            }
            draft.table.extend(new.table);
            draft.places.extend(new.places);
        }
    }
    Ok((drafts.into_iter().map(finish).collect::<Result<_, _>>()?, roles))
}

/// A key with its place.
type Key<'a> = Spanned<Cow<'a, str>>;

/// What one file says.
struct File {
    models: Vec<Draft>,
    roles: Vec<Named>,
}

/// The text of a file and the way to say where in it something stands.
struct Places<'a> {
    source: &'a Source<'a>,
}

impl Places<'_> {
    /// `models.toml:7`.
    fn of(&self, at: usize) -> String {
        let before = self.source.text.as_bytes().get(..at).unwrap_or_default();
        format!("{}:{}", self.source.origin, 1 + before.iter().filter(|&&byte| byte == b'\n').count())
    }
}

/// The entries and roles of one file, its keys checked.
fn read(source: &Source<'_>) -> Result<File, CatalogError> {
    let places = Places { source };
    let unsound = |error: toml::de::Error| CatalogError::Syntax {
        origin: source.origin.to_owned(),
        // The parser's own rendering holds the line and a caret; the first line is the place.
        message: error.to_string().trim_end().to_owned(),
    };
    let values: Table = source.text.parse().map_err(unsound)?;
    let spans = DeTable::parse(source.text).map_err(unsound)?;
    let mut file = File { models: Vec::new(), roles: Vec::new() };
    for (key, value) in spans.get_ref() {
        let (section, place) = (key.get_ref().as_ref(), places.of(key.span().start));
        match (section, value.get_ref().as_table()) {
            ("model", Some(models)) => {
                let values = values.get(section).and_then(Value::as_table);
                for (name, entry) in models {
                    let value = values.and_then(|models| models.get(name.get_ref().as_ref()));
                    file.models.push(read_model(&places, name, entry.get_ref(), value)?);
                }
            }
            ("role", Some(roles)) => {
                for (name, list) in roles {
                    file.roles.push(read_role(&places, name, list)?);
                }
            }
            ("model", None) => {
                let message = "`model` must hold one table for each name: [model.NAME]".into();
                return Err(CatalogError::Syntax { origin: place, message });
            }
            ("role", None) => {
                let message = "`role` must hold a list of models for each role: main = [\"qwen3-8b\"]".into();
                return Err(CatalogError::Syntax { origin: place, message });
            }
            _ => {
                let similar = nearest(section, SECTIONS.into_iter());
                return Err(CatalogError::UnknownKey { origin: place, key: section.to_owned(), similar });
            }
        }
    }
    Ok(file)
}

/// One `[model.NAME]`: the spans of its keys, and its values.
fn read_model(
    places: &Places<'_>,
    name: &Key<'_>,
    spans: &DeValue<'_>,
    value: Option<&Value>,
) -> Result<Draft, CatalogError> {
    let (place, name) = (places.of(name.span().start), name.get_ref().to_string());
    let (Some(spans), Some(Value::Table(table))) = (spans.as_table(), value) else {
        let message = "must be a table".into();
        return Err(CatalogError::Invalid { origin: place, name, message, similar: None });
    };
    let mut of_keys = BTreeMap::new();
    for key in spans.keys() {
        let (written, origin) = (key.get_ref().as_ref(), places.of(key.span().start));
        if !KEYS.contains(&written) && written != NOTE {
            return Err(CatalogError::UnknownKey {
                origin,
                key: format!("model.{name}.{written}"),
                similar: nearest(written, KEYS.into_iter().chain([NOTE])),
            });
        }
        of_keys.insert(written.to_owned(), origin);
    }
    Ok(Draft { name, layer: places.source.layer, table: table.clone(), places: of_keys, place })
}

/// One line of `[role]`: a list of names, or one name.
fn read_role(places: &Places<'_>, key: &Key<'_>, list: &Spanned<DeValue<'_>>) -> Result<Named, CatalogError> {
    let (written, origin) = (key.get_ref().as_ref(), places.of(key.span().start));
    let Some(role) = Role::ALL.into_iter().find(|role| role.name() == written) else {
        let similar = nearest(written, Role::ALL.map(Role::name).into_iter());
        return Err(CatalogError::UnknownKey { origin, key: format!("role.{written}"), similar });
    };
    let name = |value: &Spanned<DeValue<'_>>| {
        let text = value.get_ref().as_str()?.trim();
        (!text.is_empty()).then(|| (text.to_owned(), places.of(value.span().start)))
    };
    let names = match list.get_ref() {
        DeValue::Array(items) => items.iter().map(name).collect::<Option<Vec<_>>>(),
        DeValue::String(_) => name(list).map(|name| vec![name]),
        _ => None,
    };
    let names = names.ok_or_else(|| CatalogError::Syntax {
        origin,
        message: format!("`role.{written}` must be a list of models: {written} = [\"qwen3-8b\", \"openai\"]"),
    })?;
    Ok(Named { role, names })
}

/// What is wrong with an entry: the key at fault, the words, and what was perhaps meant.
struct Fault {
    key: &'static str,
    message: String,
    similar: Option<String>,
}

impl Fault {
    fn new(key: &'static str, message: impl Into<String>) -> Self {
        Self { key, message: message.into(), similar: None }
    }
}

/// Defaults, types, and what each kind needs.
fn finish(draft: Draft) -> Result<Entry, CatalogError> {
    let Draft { name, layer, mut table, places, place } = draft;
    let wrong = |fault: Fault| CatalogError::Invalid {
        origin: places.get(fault.key).unwrap_or(&place).clone(),
        name: name.clone(),
        message: fault.message,
        similar: fault.similar,
    };
    if !table.contains_key("kind") {
        return Err(wrong(Fault::new("kind", "`kind` is missing: \"gguf\", \"remote\" or \"embedder\"")));
    }
    for (key, known) in [("kind", &KINDS[..]), ("protocol", &PROTOCOLS[..])] {
        let Some(written) = table.get(key).and_then(Value::as_str) else { continue };
        if !known.contains(&written) {
            let message = format!("`{key}` is \"{written}\" and must be one of {}", known.join(", "));
            let similar = nearest(written, known.iter().copied());
            return Err(wrong(Fault { key, message, similar }));
        }
    }
    let kind = table.get("kind").and_then(Value::as_str).map(ToOwned::to_owned);
    let remote = kind.as_deref() == Some("remote");
    let mut default = |key: &str, value: Value| {
        table.entry(key).or_insert(value);
    };
    default("title", name.clone().into());
    default("licence", "unknown".into());
    default("context", Value::Integer(if remote { 32_768 } else { 8192 }));
    default("dialect", if remote { "openai" } else { "auto" }.into());
    // One key at a time says which of them has the wrong type.
    let fields: Fields = Value::Table(table.clone()).try_into().map_err(|error: toml::de::Error| {
        let key = KEYS.into_iter().find(|key| {
            table.get(*key).is_some_and(|value| {
                let mut probe = sound();
                probe.insert((*key).to_owned(), value.clone());
                Value::Table(probe).try_into::<Fields>().is_err()
            })
        });
        let said = error.message().trim_end().to_owned();
        wrong(match key {
            Some(key) => Fault::new(key, format!("`{key}`: {said}")),
            None => Fault::new("kind", said),
        })
    })?;
    check(&fields).map_err(wrong)?;
    Ok(Entry { name, layer, fields })
}

/// As they are written.
const KINDS: [&str; 4] = ["gguf", "remote", "embedder", "builtin"];
const PROTOCOLS: [&str; 4] = ["chat", "responses", "anthropic", "gemini"];

/// The least that is an entry.
fn sound() -> Table {
    let mut table = Table::new();
    for (key, value) in [("kind", "gguf"), ("title", ""), ("licence", ""), ("dialect", "")] {
        table.insert(key.into(), value.into());
    }
    table.insert("context".into(), Value::Integer(256));
    table
}

/// What types alone cannot say.
fn check(fields: &Fields) -> Result<(), Fault> {
    let web = |url: &str| url.starts_with("http://") || url.starts_with("https://");
    match fields.kind {
        Kind::Gguf => {
            let of_hub = fields.repository.is_some() && fields.file.is_some();
            if fields.path.is_none() && fields.url.is_none() && !of_hub {
                return Err(Fault::new(
                    "kind",
                    "a gguf model needs `path`, `url`, or `repository` and `file`",
                ));
            }
        }
        Kind::Embedder => {
            if fields.path.is_none() && fields.wheel.is_none() && fields.repository.is_none() {
                return Err(Fault::new("kind", "an embedder needs `path`, `wheel` or `repository`"));
            }
        }
        Kind::Remote => {
            let missing = || Fault::new("kind", "a remote model needs `base_url`");
            let url = fields.base_url.as_deref().ok_or_else(missing)?;
            if !web(url) {
                return Err(Fault::new("base_url", "`base_url` must start with http:// or https://"));
            }
            if fields.model.is_none() {
                let message = "a remote model needs `model`, the name the service knows it by";
                return Err(Fault::new("kind", message));
            }
        }
        Kind::BuiltIn => {}
    }
    if fields.url.as_deref().is_some_and(|url| !web(url)) {
        return Err(Fault::new("url", "`url` must start with http:// or https://"));
    }
    if fields.repository.as_deref().is_some_and(|name| !is_repository(name)) {
        return Err(Fault::new("repository", "`repository` must be OWNER/NAME"));
    }
    if fields.file.as_deref().is_some_and(|name| !stays_below(name)) {
        return Err(Fault::new("file", "`file` must be a plain path inside the repository"));
    }
    if fields.context < 256 {
        return Err(Fault::new("context", "`context` must be at least 256"));
    }
    if fields.context_max.is_some_and(|max| max < fields.context) {
        return Err(Fault::new("context", "`context` must not exceed `context_max`"));
    }
    if let Some(sha256) = &fields.sha256
        && !(sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        return Err(Fault::new("sha256", "`sha256` must be 64 hexadecimal digits"));
    }
    Ok(())
}

/// OWNER/NAME in the letters that the hub allows.
pub(crate) fn is_repository(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    name.split_once('/').is_some_and(|(owner, name)| plain(owner) && plain(name))
}

/// A relative path without steps upwards: what is joined to a folder stays below it.
pub(crate) fn stays_below(path: &str) -> bool {
    !path.is_empty()
        && !path.contains(['\\', '\0'])
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
