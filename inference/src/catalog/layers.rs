//! Owns the reading of catalogue files: strict keys, layers merged key by key.
//! Uses `toml`.
//! Never fills a gap with a guess: what is missing is an error that names it.

use toml::{Table, Value};

use super::{CatalogError, Entry, Fields, Kind, Layer, Source, nearest};

/// Every key an entry may have.
pub(super) const KEYS: [&str; 24] = [
    "kind",
    "title",
    "context",
    "context_max",
    "licence",
    "dialect",
    "repository",
    "file",
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
];

/// The last key, kept apart so that hints list what matters first.
const NOTE: &str = "note";

/// An entry while layers are still coming.
struct Draft {
    name: String,
    layer: Layer,
    origin: String,
    table: Table,
}

/// Lay the sources over each other, lowest first.
pub(super) fn merge(sources: &[Source<'_>]) -> Result<Vec<Entry>, CatalogError> {
    let mut drafts: Vec<Draft> = Vec::new();
    for source in sources {
        for (name, table) in read(source)? {
            match drafts.iter_mut().find(|draft| draft.name == name) {
                Some(draft) => {
                    draft.layer = source.layer;
                    source.origin.clone_into(&mut draft.origin);
                    // A file of the user's own takes the place of what the lower layer said about the file.
                    if table.contains_key("path") || table.contains_key("file") {
                        for stale in ["repository", "file", "path", "bytes", "approximate", "sha256"] {
                            draft.table.remove(stale);
                        }
                    }
                    draft.table.extend(table);
                }
                None => {
                    drafts.push(Draft { name, layer: source.layer, origin: source.origin.to_owned(), table });
                }
            }
        }
    }
    drafts.into_iter().map(finish).collect()
}

/// The entries of one file, its keys checked.
fn read(source: &Source<'_>) -> Result<Vec<(String, Table)>, CatalogError> {
    let syntax = |message: String| CatalogError::Syntax { origin: source.origin.to_owned(), message };
    let file: Table = source.text.parse().map_err(|error: toml::de::Error| {
        // The parser's own rendering holds the line and a caret; the first line is the place.
        syntax(error.to_string().trim_end().to_owned())
    })?;
    let mut entries = Vec::new();
    for (key, value) in file {
        if key != "model" {
            let similar = nearest(&key, ["model"].into_iter());
            return Err(CatalogError::UnknownKey { origin: source.origin.to_owned(), key, similar });
        }
        let Value::Table(models) = value else {
            return Err(syntax("`model` must hold one table for each name: [model.NAME]".into()));
        };
        for (name, entry) in models {
            let Value::Table(table) = entry else {
                return Err(CatalogError::Invalid {
                    origin: source.origin.to_owned(),
                    name,
                    message: "must be a table".into(),
                });
            };
            for key in table.keys() {
                if !KEYS.contains(&key.as_str()) && key != NOTE {
                    return Err(CatalogError::UnknownKey {
                        origin: source.origin.to_owned(),
                        key: format!("model.{name}.{key}"),
                        similar: nearest(key, KEYS.into_iter().chain([NOTE])),
                    });
                }
            }
            entries.push((name, table));
        }
    }
    Ok(entries)
}

/// Defaults, types, and what each kind needs.
fn finish(draft: Draft) -> Result<Entry, CatalogError> {
    let Draft { name, layer, origin, mut table } = draft;
    let wrong =
        |message: String| CatalogError::Invalid { origin: origin.clone(), name: name.clone(), message };
    if !table.contains_key("kind") {
        return Err(wrong("`kind` is missing: \"gguf\" or \"remote\"".into()));
    }
    let remote = table.get("kind").and_then(Value::as_str) == Some("remote");
    let mut default = |key: &str, value: Value| {
        table.entry(key).or_insert(value);
    };
    default("title", name.clone().into());
    default("licence", "unknown".into());
    default("context", Value::Integer(if remote { 32_768 } else { 8192 }));
    default("dialect", if remote { "openai" } else { "auto" }.into());
    let fields: Fields = Value::Table(table)
        .try_into()
        .map_err(|error: toml::de::Error| wrong(error.message().trim_end().to_owned()))?;
    check(&fields).map_err(wrong)?;
    Ok(Entry { name, layer, fields })
}

/// What types alone cannot say.
fn check(fields: &Fields) -> Result<(), String> {
    match fields.kind {
        Kind::Gguf if fields.path.is_none() && (fields.repository.is_none() || fields.file.is_none()) => {
            return Err("a gguf model needs `path`, or `repository` and `file`".into());
        }
        Kind::Remote => {
            let url = fields.base_url.as_deref().ok_or("a remote model needs `base_url`")?;
            if !url.starts_with("http://") && !url.starts_with("https://") {
                return Err("`base_url` must start with http:// or https://".into());
            }
            if fields.model.is_none() {
                return Err("a remote model needs `model`, the name the service knows it by".into());
            }
        }
        Kind::Gguf | Kind::BuiltIn => {}
    }
    if fields.context < 256 {
        return Err("`context` must be at least 256".into());
    }
    if fields.context_max.is_some_and(|max| max < fields.context) {
        return Err("`context` must not exceed `context_max`".into());
    }
    if let Some(sha256) = &fields.sha256
        && !(sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        return Err("`sha256` must be 64 hexadecimal digits".into());
    }
    Ok(())
}
