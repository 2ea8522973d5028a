//! Owns the tool `grep`: lines by regular expression.
//! Uses ripgrep's searcher over the files that the index lists.
//! Never reads a file the index must not hold, unless policy has allowed that very file.

use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::sinks::Lossy;
use grep_searcher::{BinaryDetection, SearcherBuilder};
use serde_json::{Value, json};

use super::{Access, Evidence, Outcome, Tool, ToolContext, arguments, fold, glob, place};
use crate::files::FileError;

/// Matches in one result.
const MAX_SHOWN: usize = 100;
/// Matches after which counting stops.
const MAX_COUNTED: usize = 10_000;
/// Characters of one line.
const MAX_LINE: usize = 300;
/// Files below a folder that the index does not hold, such as an ignored one.
const MAX_UNLISTED: usize = 2_000;

pub(crate) struct Grep;

impl Tool for Grep {
    fn name(&self) -> &'static str {
        "grep"
    }

    fn description(&self) -> &'static str {
        "Finds lines by regular expression. `path` is a file or folder, `glob` a pattern for files."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "pattern": { "type": "string" },
                "path": { "type": "string" },
                "glob": { "type": "string" },
                "ignore_case": { "type": "boolean" }
            },
            "required": ["pattern"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        false
    }

    fn summary(&self, input: &Value) -> String {
        let pattern = fold::clip(arguments::optional_text(input, "pattern").unwrap_or("?"), 80);
        match arguments::optional_word(input, "path").or_else(|| arguments::optional_word(input, "glob")) {
            Some(place) => format!("grep {pattern} in {place}"),
            None => format!("grep {pattern}"),
        }
    }

    fn access(&self, input: &Value, context: &ToolContext) -> Result<Vec<Access>, String> {
        let pattern = arguments::text(input, "pattern")?;
        let folder = place::locate(context, arguments::optional_word(input, "path").unwrap_or("."));
        let mut accesses = vec![Access {
            tool: "Grep",
            input: json!({ "pattern": pattern, "path": folder.to_string_lossy() }),
        }];
        // What the index does not hold may be denied file by file.
        if let Ok(Targets { paths, listed: false }) = targets(input, context) {
            accesses.extend(paths.iter().flat_map(|path| place::access_to("Read", path)));
        }
        Ok(accesses)
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let context = context.clone();
            let searched = tokio::task::spawn_blocking(move || {
                search(&input, &context).unwrap_or_else(|failure| *failure)
            });
            searched.await.unwrap_or_else(|_| Outcome::failed("the search ended unexpectedly"))
        })
    }
}

struct Targets {
    paths: Vec<PathBuf>,
    /// Whether the paths are the index's.
    listed: bool,
}

fn targets(input: &Value, context: &ToolContext) -> Result<Targets, Box<Outcome>> {
    let failed = |message: String| Box::new(Outcome::failed(message));
    let start = place::locate(context, arguments::optional_word(input, "path").unwrap_or("."));
    let shown = place::shown(context, &start);
    let metadata = std::fs::metadata(&start)
        .map_err(|error| Box::new(place::failure(context, &shown, &FileError::from(error))))?;
    let files = context.index.files().map_err(|error| failed(error.to_string()))?;
    let prefix = format!("{shown}/");
    let all = shown == ".";
    let mut paths: Vec<&str> = files
        .iter()
        .map(|file| file.path.as_str())
        .filter(|path| all || *path == shown || path.starts_with(&prefix))
        .filter(|path| context.workspace.may_show(path))
        .collect();
    if let Some(pattern) = arguments::optional_word(input, "glob") {
        // A pattern with a folder in it counts from the root, or from `path`.
        let pattern = pattern.trim_start_matches("./");
        let mut matched = glob::matching(&paths, pattern).map_err(failed)?;
        if matched.is_empty() && !all && pattern.contains('/') {
            matched = glob::matching(&paths, &format!("{prefix}{pattern}")).map_err(failed)?;
        }
        if matched.is_empty() && !paths.is_empty() {
            return Ok(Targets { paths: Vec::new(), listed: true });
        }
        paths = matched;
    }
    if !paths.is_empty() || all {
        let paths = paths.into_iter().map(|path| place::locate(context, path)).collect();
        return Ok(Targets { paths, listed: true });
    }
    if metadata.is_file() {
        return Ok(Targets { paths: vec![start], listed: false });
    }
    let mut paths = walk(&start);
    paths.retain(|path| context.workspace.may_show(&place::shown(context, path)));
    Ok(Targets { paths, listed: false })
}

/// The files below a folder that the index does not list, hidden ones left out.
fn walk(start: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = ignore::WalkBuilder::new(start)
        .standard_filters(false)
        .hidden(true)
        .follow_links(false)
        .build()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .take(MAX_UNLISTED)
        .map(ignore::DirEntry::into_path)
        .collect();
    paths.sort();
    paths
}

/// The matcher, and whether the pattern was taken literally.
fn matcher(pattern: &str, ignore_case: bool) -> Result<(RegexMatcher, bool), String> {
    let mut builder = RegexMatcherBuilder::new();
    builder.case_insensitive(ignore_case).line_terminator(Some(b'\n'));
    // The end of a line is before its CR too.
    let ended = match pattern.strip_suffix('$') {
        Some(start) if !start.ends_with('\\') => format!(r"{start}\r?$"),
        _ => pattern.to_owned(),
    };
    if let Ok(matcher) = builder.build(&ended) {
        return Ok((matcher, false));
    }
    builder
        .build(&regex::escape(pattern))
        .map(|matcher| (matcher, true))
        .map_err(|_| "a pattern must stay within one line".to_owned())
}

fn search(input: &Value, context: &ToolContext) -> Result<Outcome, Box<Outcome>> {
    let failed = |message: String| Box::new(Outcome::failed(message));
    let pattern = arguments::text(input, "pattern").map_err(failed)?;
    if pattern.is_empty() {
        return Err(failed("`pattern` is empty".into()));
    }
    let ignore_case = arguments::flag(input, "ignore_case");
    let (mut matcher, mut literal) = self::matcher(pattern, ignore_case).map_err(failed)?;
    let targets = targets(input, context)?;
    let mut found = search_files(context, &targets.paths, &matcher);
    // `unwrap()` and `a[0]` are expressions too, but never match the text that was meant.
    if found.total == 0 && !literal && regex::escape(pattern) != pattern {
        matcher = self::matcher(&regex::escape(pattern), ignore_case).map_err(failed)?.0;
        found = search_files(context, &targets.paths, &matcher);
        literal = found.total > 0;
    }
    Ok(tell(pattern, literal, &found))
}

#[derive(Default)]
struct Found {
    shown: Vec<Evidence>,
    total: usize,
    files: Vec<(String, u32)>,
    unreadable: usize,
}

fn search_files(context: &ToolContext, paths: &[PathBuf], matcher: &RegexMatcher) -> Found {
    let mut searcher = SearcherBuilder::new()
        .binary_detection(BinaryDetection::quit(0))
        .line_number(true)
        // A minified file of one line must not be held whole.
        .heap_limit(Some(64 * 1024 * 1024))
        .build();
    let mut found = Found::default();
    for path in paths {
        if context.cancel.is_cancelled() || found.total >= MAX_COUNTED {
            break;
        }
        let shown = place::shown(context, path);
        let mut first = None;
        let sink = Lossy(|number, line| {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            first.get_or_insert(number);
            found.total += 1;
            if found.shown.len() < MAX_SHOWN {
                let location = loci_protocol::Location { path: shown.clone(), line: number };
                let text = fold::clip(line.trim(), MAX_LINE);
                found.shown.push(Evidence { location, text, label: "line".into() });
            }
            Ok(found.total < MAX_COUNTED)
        });
        if searcher.search_path(matcher, path, sink).is_err() {
            found.unreadable += 1;
        }
        if let Some(line) = first {
            found.files.push((shown, line));
        }
    }
    found
}

fn tell(pattern: &str, literal: bool, found: &Found) -> Outcome {
    let mut notes = String::new();
    if literal {
        notes.push_str("(searched as plain text, not as a regular expression)\n");
    }
    if found.unreadable > 0 {
        notes.push_str(&format!("({} could not be read)\n", fold::count(found.unreadable, "file")));
    }
    if found.total == 0 {
        return Outcome {
            ok: true,
            text: format!("no matches for {pattern}\n{notes}").trim_end().to_owned(),
            brief: "no matches".into(),
            summary: "no matches".into(),
            ..Outcome::default()
        };
    }
    let head = format!("{} in {}", fold::count(found.total, "match"), fold::count(found.files.len(), "file"));
    let mut text = format!("{head}\n{notes}");
    for evidence in &found.shown {
        text.push_str(&format!("{}: {}\n", evidence.location, evidence.text));
    }
    if found.total > found.shown.len() {
        let more = found.total - found.shown.len();
        let at_least = if found.total >= MAX_COUNTED { "at least " } else { "" };
        text.push_str(&format!("… and {at_least}{more} more; narrow the pattern or give a path\n"));
    }
    let places = found.files.iter().map(|(path, line)| format!("{path}:{line}"));
    Outcome {
        ok: true,
        brief: fold::brief_list(&head, places),
        summary: head,
        locations: found.shown.iter().map(|evidence| evidence.location.clone()).collect(),
        evidence: found.shown.clone(),
        text,
        ..Outcome::default()
    }
}
