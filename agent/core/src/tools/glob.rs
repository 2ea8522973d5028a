//! Owns the tool `glob`: files by pattern.
//! Uses the index's list of files, `globset` for patterns.
//! Never opens a file.

use futures::future::BoxFuture;
use globset::GlobBuilder;
use serde_json::{Value, json};

use super::{Access, Outcome, Tool, ToolContext, arguments, fold};

/// Files in one result.
const MAX_FILES: usize = 200;

pub(crate) struct Glob;

impl Tool for Glob {
    fn name(&self) -> &'static str {
        "glob"
    }

    fn description(&self) -> &'static str {
        "Lists files by pattern, such as `src/**/*.rs`, `*.md` or a folder."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": { "pattern": { "type": "string" } },
            "required": ["pattern"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        false
    }

    fn summary(&self, input: &Value) -> String {
        format!("glob {}", arguments::optional_word(input, "pattern").unwrap_or("?"))
    }

    fn access(&self, input: &Value, context: &ToolContext) -> Result<Vec<Access>, String> {
        let pattern = arguments::word(input, "pattern")?;
        let path = context.workspace.root().to_string_lossy().into_owned();
        Ok(vec![Access { tool: "Glob", input: json!({ "pattern": pattern, "path": path }) }])
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { list(&input, context).unwrap_or_else(Outcome::failed) })
    }
}

fn list(input: &Value, context: &ToolContext) -> Result<Outcome, String> {
    let written = arguments::word(input, "pattern")?;
    let pattern = relative(context, written)?;
    let files = context.index.files().map_err(|error| error.to_string())?;
    let mut paths: Vec<&str> =
        files.iter().map(|file| file.path.as_str()).filter(|path| context.workspace.may_show(path)).collect();
    paths.sort_unstable();
    let mut found = matching(&paths, &pattern)?;
    let mut note = "";
    if found.is_empty() && !pattern.contains(['*', '?', '[', '{']) && !pattern.contains('/') {
        let lower = pattern.to_lowercase();
        found = paths.into_iter().filter(|path| path.to_lowercase().contains(&lower)).collect();
        note = "\n(no file of exactly this name; these have it in their path)";
    }
    if found.is_empty() {
        return Ok(Outcome {
            ok: true,
            text: format!("no files match {written}"),
            brief: "no files".into(),
            summary: "no files".into(),
            ..Outcome::default()
        });
    }
    let head = fold::count(found.len(), "file");
    let shown = &found[..found.len().min(MAX_FILES)];
    let mut text = shown.join("\n");
    if found.len() > shown.len() {
        text.push_str(&format!("\n… and {} more; narrow the pattern", found.len() - shown.len()));
    }
    text.push_str(note);
    let evidence = shown
        .iter()
        .map(|path| super::Evidence {
            location: loci_protocol::Location { path: (*path).to_owned(), line: 1 },
            text: (*path).to_owned(),
            label: "file".into(),
        })
        .collect::<Vec<_>>();
    Ok(Outcome {
        ok: true,
        text,
        brief: fold::brief_list(&head, shown.iter().map(ToString::to_string)),
        summary: head,
        locations: evidence.iter().map(|evidence| evidence.location.clone()).collect(),
        evidence,
        ..Outcome::default()
    })
}

/// The pattern relative to the root, `.` and leading `./` taken off.
fn relative(context: &ToolContext, written: &str) -> Result<String, String> {
    let root = context.workspace.root().to_string_lossy().replace('\\', "/");
    let outside = || format!("{written} is outside the project; patterns start at its root");
    let mut pattern = written.replace('\\', "/");
    if let Some(rest) = pattern.strip_prefix(&root) {
        pattern = rest.trim_start_matches('/').to_owned();
    }
    while let Some(rest) = pattern.strip_prefix("./") {
        pattern = rest.to_owned();
    }
    if pattern == "." || pattern.is_empty() {
        return Ok("**".into());
    }
    if pattern.split('/').any(|component| component == "..") || pattern.starts_with('~') {
        return Err(outside());
    }
    match pattern.strip_prefix('/') {
        Some(rest) if context.workspace.root().join(rest).exists() => Ok(rest.to_owned()),
        Some(_) => Err(outside()),
        None => Ok(pattern),
    }
}

/// The paths that a pattern means: a file, everything below a folder, a name anywhere, or a whole path.
pub(crate) fn matching<'a>(paths: &[&'a str], pattern: &str) -> Result<Vec<&'a str>, String> {
    let folder = format!("{}/", pattern.trim_end_matches('/'));
    let below: Vec<&str> = paths.iter().copied().filter(|path| path.starts_with(&folder)).collect();
    if !below.is_empty() {
        return Ok(below);
    }
    let anchored = if pattern.contains('/') { pattern.to_owned() } else { format!("**/{pattern}") };
    let glob = GlobBuilder::new(&anchored)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| format!("{pattern} is not a pattern: {}", error.kind()))?
        .compile_matcher();
    Ok(paths.iter().copied().filter(|path| glob.is_match(path)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let paths = [
            "Cargo.toml",
            "docs/a.md",
            "docs/sub/b.md",
            "src/lib.rs",
            "src/tools/read.rs",
            "web/app.tsx",
            "x y/[z].txt",
        ];
        let check = |pattern: &str, expect: &[&str]| {
            assert_eq!(matching(&paths, pattern).expect("is a pattern"), expect, "{pattern}");
        };
        check("**/*.rs", &["src/lib.rs", "src/tools/read.rs"]);
        check("*.rs", &["src/lib.rs", "src/tools/read.rs"]);
        check("src/*.rs", &["src/lib.rs"]);
        check("src", &["src/lib.rs", "src/tools/read.rs"]);
        check("src/", &["src/lib.rs", "src/tools/read.rs"]);
        check("docs/**", &["docs/a.md", "docs/sub/b.md"]);
        check("lib.rs", &["src/lib.rs"]);
        check("Cargo.toml", &["Cargo.toml"]);
        check("*.{ts,tsx}", &["web/app.tsx"]);
        check("x y", &["x y/[z].txt"]);
        check("none", &[]);
        check("**", &paths);
        assert!(matching(&paths, "a[").is_err());
    }
}
