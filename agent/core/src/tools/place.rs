//! Owns the way from a path as a model writes it to a file, and the suggestions when there is none.
//! Uses the workspace and the index's list of files.
//! Never opens a file.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::json;

use super::{Access, Outcome, ToolContext, fold};
use crate::files::FileError;

/// Where the written path is. A name that is not UTF-8 on disk is found by its shown form.
pub(crate) fn locate(context: &ToolContext, written: &str) -> PathBuf {
    let written = written.trim();
    let path = context.workspace.absolute(written);
    if !written.contains(char::REPLACEMENT_CHARACTER) || fs::symlink_metadata(&path).is_ok() {
        return path;
    }
    let mut found = PathBuf::new();
    for component in path.components() {
        let Component::Normal(name) = component else {
            found.push(component);
            continue;
        };
        let twin = fs::read_dir(&found).ok().and_then(|entries| {
            entries
                .filter_map(Result::ok)
                .map(|entry| entry.file_name())
                .find(|entry| entry == name || entry.to_string_lossy() == name.to_string_lossy())
        });
        found.push(twin.as_deref().unwrap_or(name));
    }
    found
}

/// The path as results show it.
pub(crate) fn shown(context: &ToolContext, path: &Path) -> String {
    context.workspace.relative(path)
}

/// Where a symbol is defined, in files that may be shown.
///
/// # Errors
/// A sentence for the model: the index cannot be asked.
pub(crate) fn definitions(
    context: &ToolContext,
    symbol: &str,
) -> Result<Vec<loci_index::Definition>, String> {
    let mut found = context.index.definitions(symbol).map_err(|error| error.to_string())?;
    found.retain(|definition| context.workspace.may_show(&definition.path));
    Ok(found)
}

/// What a call that touches this file asks of policy.
pub(crate) fn access(context: &ToolContext, tool: &'static str, written: &str) -> Vec<Access> {
    access_to(tool, &locate(context, written))
}

/// As [`access`], for a path that is known.
pub(crate) fn access_to(tool: &'static str, path: &Path) -> Vec<Access> {
    let mut accesses = vec![Access { tool, input: json!({ "file_path": path.to_string_lossy() }) }];
    // Policy resolves what it is shown; a name that is not UTF-8 would resolve to nothing, so its target is named too.
    if path.to_str().is_none()
        && let Ok(resolved) = fs::canonicalize(path)
    {
        accesses.push(Access { tool, input: json!({ "file_path": resolved.to_string_lossy() }) });
    }
    accesses
}

/// The failure for a path that cannot be used, with similar names where there is no such file.
pub(crate) fn failure(context: &ToolContext, shown: &str, error: &FileError) -> Outcome {
    match error {
        FileError::NotFound => {
            let similar = similar_paths(context, shown);
            let mut message = format!("no such file: {shown}");
            if !similar.is_empty() {
                message.push_str("; did you mean ");
                message.push_str(&similar.join(" or "));
                message.push('?');
            }
            Outcome::failed(message)
        }
        FileError::Directory => Outcome::failed(format!(
            "{shown} is a folder; list it with glob `{}/**`",
            shown.trim_end_matches('/')
        )),
        other => Outcome::failed(format!("{shown} cannot be used: {other}")),
    }
}

/// Up to three files with a similar path: same name elsewhere first, then similar names.
pub(crate) fn similar_paths(context: &ToolContext, written: &str) -> Vec<String> {
    let Ok(files) = context.index.files() else { return Vec::new() };
    let wanted_name = base_name(written).to_lowercase();
    let wanted = written.to_lowercase();
    let mut scored: Vec<(f32, String)> = files
        .into_iter()
        .filter(|file| context.workspace.may_show(&file.path))
        .filter_map(|file| {
            let name = base_name(&file.path).to_lowercase();
            // Endings are alike everywhere: it is the stems that tell.
            let mut score = similarity(stem(&name), stem(&wanted_name));
            if score < 0.6 {
                return None;
            }
            score += similarity(&file.path.to_lowercase(), &wanted) / 4.0;
            Some((score, file.path))
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    scored.into_iter().take(3).map(|(_, path)| path).collect()
}

/// The name without its ending; of `.env`, the whole.
fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// The last component.
pub(crate) fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

/// How alike two names are, from 0 to 1.
pub(crate) fn similarity(a: &str, b: &str) -> f32 {
    if a == b {
        return 1.0;
    }
    let (longer, shorter) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    // Most pairs are far apart in length; they need no comparison by character.
    if shorter.is_empty() || longer.len() > shorter.len() * 3 {
        return 0.0;
    }
    similar::TextDiff::from_chars(a, b).ratio()
}

/// Definitions whose name is similar to one that is not defined.
pub(crate) fn similar_symbols(context: &ToolContext, symbol: &str) -> Vec<loci_index::Definition> {
    let name = last_segment(symbol);
    let mut names = context.index.symbols_like(name);
    let query =
        loci_index::Query { text: super::words_of(name).join(" "), limit: 30, working_set: Vec::new() };
    let hits = context.index.search(&query).unwrap_or_default();
    let lower = name.to_lowercase();
    let mut near: Vec<(f32, String)> = hits
        .into_iter()
        .filter_map(|hit| hit.symbol)
        .map(|found| {
            (similarity(&last_segment(&found).to_lowercase(), &lower), last_segment(&found).to_owned())
        })
        .filter(|(score, _)| *score >= 0.6)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    names.extend(near.into_iter().map(|(_, name)| name));
    let mut found: Vec<loci_index::Definition> = Vec::new();
    for name in names {
        if name != symbol && !found.iter().any(|definition| definition.name == name) {
            found.extend(definitions(context, &name).unwrap_or_default().into_iter().take(1));
        }
        if found.len() == 3 {
            break;
        }
    }
    found
}

/// `method` of `Type::method` or `Type.method`.
pub(crate) fn last_segment(symbol: &str) -> &str {
    let symbol = symbol.trim().trim_end_matches("()");
    let after_colons = symbol.rsplit("::").next().unwrap_or(symbol);
    after_colons.rsplit(['.', '#']).next().filter(|name| !name.is_empty()).unwrap_or(after_colons)
}

/// The short word for a kind of definition; see `docs/design/001-tools.md`.
pub(crate) fn short_kind(kind: &str) -> &str {
    match kind {
        "function" | "method" => "fn",
        "constant" => "const",
        "module" => "mod",
        other => other,
    }
}

/// The signature on one line; kind and name where the index has none.
pub(crate) fn signature(definition: &loci_index::Definition) -> String {
    let signature = fold::one_line(&definition.signature);
    if signature.is_empty() {
        format!("{} {}", short_kind(&definition.kind), definition.name)
    } else {
        fold::clip(&signature, 160)
    }
}

/// A definition as one line for people and models.
pub(crate) fn definition_line(definition: &loci_index::Definition) -> String {
    let signature = signature(definition);
    match &definition.parent {
        Some(parent) => format!("{signature}  ({}, in {parent})", definition.kind),
        None => format!("{signature}  ({})", definition.kind),
    }
}

/// What a question to the index asks of policy: the index holds only what may be read.
#[expect(clippy::unnecessary_wraps, reason = "the form of `Tool::access`")]
pub(crate) fn access_to_index(context: &ToolContext, words: &str) -> Result<Vec<Access>, String> {
    let path = context.workspace.root().to_string_lossy().into_owned();
    Ok(vec![Access { tool: "Grep", input: json!({ "pattern": words, "path": path }) }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_and_names() {
        for (symbol, expect) in
            [("a", "a"), ("A::b", "b"), ("a::B::c()", "c"), ("Foo.bar", "bar"), ("::", "::"), ("", "")]
        {
            let expect = if symbol == "::" { "" } else { expect };
            assert_eq!(last_segment(symbol), expect, "{symbol}");
        }
        assert_eq!(base_name("a/b.rs"), "b.rs");
        assert_eq!(base_name("a/b/"), "b");
    }

    #[test]
    fn similarity_is_cheap_for_the_unlike() {
        assert!(similarity("config.rs", "confg.rs") > 0.8);
        assert!(similarity("a", "configuration.rs") < 0.1);
        assert!((similarity("x", "x") - 1.0).abs() < f32::EPSILON);
    }
}
