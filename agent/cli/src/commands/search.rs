//! Owns `loci search`: ranked spans from the index.
//! Uses the index alone.
//! Never loads a model.

use std::collections::HashSet;
use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use loci_index::{Hit, Index, IndexError, Query, Tests, query_kind};
use loci_tui::{Line, Style, visible};

use super::{batch, shown};
use crate::arguments::SearchArguments;
use crate::errors::{Outcome, Usage};
use crate::project::Project;

/// What a search may spend on vectors that are not there yet; a tree of 800 files takes twice that, once.
const EMBED_BUDGET: Duration = Duration::from_millis(250);
/// The same before a batch, which asks often enough for all of them to pay.
const EMBED_FOR_BATCH: Duration = Duration::from_secs(600);
/// Hits when no limit is given.
const USUAL: usize = 10;
/// With a filter so many times more hits are looked at.
const WIDER: usize = 20;

/// Search and print, best first.
///
/// # Errors
/// When the index cannot be opened or read.
pub(crate) fn run(project: &Project, arguments: &SearchArguments) -> anyhow::Result<Outcome> {
    let budget = if arguments.batch.is_some() { EMBED_FOR_BATCH } else { EMBED_BUDGET };
    let index = project.searchable_index(budget)?;
    let working_set: Vec<String> = arguments.working_set.iter().map(|path| project.relative(path)).collect();
    let limit = arguments.limit.map(usize::from);
    let filter = Filter::of(&index, arguments)?;
    if let Some(from) = &arguments.batch {
        return batch::run(project, &index, from, limit, &working_set, &filter);
    }
    let text = arguments.words.join(" ");
    let query = Query { text, limit: limit.unwrap_or(USUAL), working_set };
    let hits = filter.search(&index, &query)?;
    let kind = query_kind(&query.text);
    if arguments.json {
        project.printer.json(&serde_json::json!({ "query": query.text, "kind": kind, "hits": hits }))?;
    } else {
        if arguments.explain {
            project.printer.line(&Line::new(format!("read as {kind}"), Style::Dim))?;
        }
        for hit in &hits {
            project.printer.line(&shown::place(&hit.path, hit.line, hit.preview.trim(), &named(hit)))?;
            if arguments.explain {
                let why: Vec<String> =
                    hit.why.iter().map(|(name, value)| format!("{name} {value:.2}")).collect();
                let text = format!(
                    "    lines {}-{}, score {:.2}: {}",
                    hit.start_line,
                    hit.end_line,
                    hit.score,
                    visible(&why.join(", "))
                );
                project.printer.line(&Line::new(text, Style::Dim))?;
            }
        }
    }
    if hits.is_empty() {
        let hint = if filter.is_open() { "try fewer or other words" } else { "try without the filters" };
        project.printer.note(&format!("nothing found for `{}`; {hint}", query.text));
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Done)
}

fn named(hit: &Hit) -> String {
    shown::remark([
        hit.symbol.as_ref().map(|symbol| format!("{} {symbol}", hit.kind)),
        hit.is_test.then(|| "test".to_owned()),
    ])
}

/// Which hits are shown.
#[derive(Debug)]
pub(super) struct Filter {
    kind: Option<String>,
    /// Files of the language and path that were asked for.
    paths: Option<HashSet<String>>,
    tests: Tests,
}

impl Filter {
    fn of(index: &Index, arguments: &SearchArguments) -> anyhow::Result<Self> {
        let paths = if arguments.lang.is_some() || arguments.path.is_some() {
            let glob = arguments.path.as_deref().map(matcher).transpose()?;
            let files = index.files()?.into_iter().filter(|file| {
                arguments.lang.as_ref().is_none_or(|language| file.language.eq_ignore_ascii_case(language))
                    && glob.as_ref().is_none_or(|glob| glob.is_match(&file.path))
            });
            Some(files.map(|file| file.path).collect())
        } else {
            None
        };
        Ok(Self { kind: arguments.kind.clone(), paths, tests: arguments.tests.choice() })
    }

    fn is_open(&self) -> bool {
        self.kind.is_none() && self.paths.is_none() && self.tests == Tests::Any
    }

    fn passes(&self, hit: &Hit) -> bool {
        self.kind.as_ref().is_none_or(|kind| hit.kind == *kind)
            && self.paths.as_ref().is_none_or(|paths| paths.contains(&hit.path))
            && match self.tests {
                Tests::Any => true,
                Tests::Only => hit.is_test,
                Tests::Without => !hit.is_test,
            }
    }

    /// The best files with a hit that passes.
    pub(super) fn search_files(&self, index: &Index, query: &Query) -> Result<Vec<Hit>, IndexError> {
        if self.is_open() {
            return index.search_files(query);
        }
        let mut files: Vec<Hit> = Vec::new();
        for hit in index.search(&Query { limit: query.limit * WIDER, ..query.clone() })? {
            if self.passes(&hit) && files.len() < query.limit && !files.iter().any(|one| one.path == hit.path)
            {
                files.push(hit);
            }
        }
        Ok(files)
    }

    /// The best hits that pass.
    pub(super) fn search(&self, index: &Index, query: &Query) -> Result<Vec<Hit>, IndexError> {
        if self.is_open() {
            return index.search(query);
        }
        let mut hits = index.search(&Query { limit: query.limit * WIDER, ..query.clone() })?;
        hits.retain(|hit| self.passes(hit));
        hits.truncate(query.limit);
        Ok(hits)
    }
}

/// A pattern of paths: `*` within a component, `**` across them, `?` one character. One without `/` is of the file's name.
fn matcher(glob: &str) -> anyhow::Result<GlobMatcher> {
    let glob = glob.trim_start_matches("./");
    let anchored = if glob.contains('/') { glob.to_owned() } else { format!("**/{glob}") };
    let built = GlobBuilder::new(&anchored).literal_separator(true).build();
    let built = built.map_err(|error| {
        Usage::error(format!("--path {glob}: {}", error.kind()), "such as 'src/**/*.rs' or '*.py'")
    })?;
    Ok(built.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_patterns() {
        let check = |glob: &str, path: &str, expect: bool| {
            assert_eq!(matcher(glob).expect("a pattern").is_match(path), expect, "{glob} {path}");
        };
        check("*.rs", "src/a/b.rs", true);
        check("src/*.rs", "src/a/b.rs", false);
        check("./src/**/*.rs", "src/a/b.rs", true);
        check("src/**/*.rs", "src/b.rs", true);
        check("src/**", "src/a/b.rs", true);
        check("**/b.?s", "src/a/b.rs", true);
        check("b.rs", "src/a/b.rs", true);
        check("a/b.rs", "src/a/b.rs", false);
        assert!(matcher("[").is_err());
    }
}
