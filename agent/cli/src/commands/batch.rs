//! Owns `loci search --batch`: many queries in, one line of JSON out for each.
//! Uses the index alone.
//! Never stops at a bad line, and never answers out of order.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use loci_index::{Index, Query};
use loci_tui::{Line, Style, visible};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::search::Filter;
use crate::errors::{Outcome, Usage};
use crate::project::Project;

/// Spans of one answer, and files, at most.
const SPANS: usize = 20;
const FILES: usize = 100;
/// Files when no limit is given.
const HITS: usize = 50;

/// One line in.
#[derive(Debug, Deserialize)]
struct Asked {
    query_id: Value,
    query: String,
}

/// One line out.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    query_id: &'a Value,
    files: Vec<&'a str>,
    spans: Vec<Span<'a>>,
    ms: f64,
}

#[derive(Debug, Serialize)]
struct Span<'a> {
    file: &'a str,
    start: u32,
    end: u32,
    score: f32,
}

/// Answer every line as it comes.
pub(super) fn run(
    project: &Project,
    index: &Index,
    from: &Path,
    limit: Option<usize>,
    working_set: &[String],
    filter: &Filter,
) -> anyhow::Result<Outcome> {
    let shown = if from == Path::new("-") { "standard input".to_owned() } else { from.display().to_string() };
    let mut lines: Box<dyn BufRead> = if from == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        // As the shell completes it, from where the user stands; else from the folder named with -C.
        let path = if from.exists() { from.to_owned() } else { project.directory.join(from) };
        let file = File::open(path).map_err(|error| {
            Usage::error(format!("{shown}: {error}"), "name a file of queries, or - for standard input")
        })?;
        Box::new(BufReader::new(file))
    };
    let mut outcome = Outcome::Done;
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        if lines.read_until(b'\n', &mut line).with_context(|| shown.clone())? == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let asked: Asked = match serde_json::from_slice(&line) {
            Ok(asked) => asked,
            Err(error) => {
                let text = format!(" {shown}, line {number}: {error}");
                project
                    .printer
                    .to_error(&Line::new("error:", Style::Removed).with(visible(&text), Style::Plain));
                outcome = Outcome::Failed;
                continue;
            }
        };
        let begun = Instant::now();
        let query = Query {
            text: asked.query,
            limit: limit.map_or(SPANS, |limit| limit.min(SPANS)),
            working_set: working_set.to_vec(),
        };
        let hits = filter.search(index, &query)?;
        let wider = Query { limit: limit.unwrap_or(HITS).min(FILES), ..query };
        let by_file = filter.search_files(index, &wider)?;
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        let files = by_file.iter().map(|hit| hit.path.as_str()).collect();
        let spans = hits.iter().take(SPANS).map(|hit| Span {
            file: &hit.path,
            start: hit.start_line,
            end: hit.end_line,
            score: hit.score,
        });
        let ms = (ms * 1e3).round() / 1e3;
        project.printer.json_line(&Answer {
            query_id: &asked.query_id,
            files,
            spans: spans.collect(),
            ms,
        })?;
    }
    Ok(outcome)
}
