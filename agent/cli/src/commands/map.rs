//! Owns `loci map`: the definitions that matter most.
//! Uses the index alone.
//! Never loads a model: tokens are counted as four bytes each.

use loci_index::MapQuery;
use loci_tui::{Line, Style, visible};

use crate::arguments::MapArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// Bytes of a token, as tokenizers of code have them on average.
const BYTES_PER_TOKEN: usize = 4;

/// Rank and print, the most used files first.
///
/// # Errors
/// When the index cannot be opened or read.
pub(crate) fn run(project: &Project, arguments: &MapArguments) -> anyhow::Result<Outcome> {
    let index = project.fresh_index()?;
    let query = MapQuery {
        tokens: arguments.tokens as usize,
        working_set: arguments.working_set.iter().map(|path| project.relative(path)).collect(),
        focus: arguments.focus.clone().unwrap_or_default(),
    };
    let map = index.map(&query, &|text| text.len().div_ceil(BYTES_PER_TOKEN))?;
    if arguments.json {
        project.printer.json(&map)?;
    } else {
        for row in map.text.lines() {
            let line = match row.split_at_checked(5).filter(|(head, _)| head.starts_with(' ')) {
                Some((number, rest)) if number.trim().parse::<u32>().is_ok() => {
                    Line::new(number, Style::Tip).with(visible(rest), Style::Plain)
                }
                Some(_) => Line::new(row, Style::Dim),
                None => Line::new(visible(row), Style::Bold),
            };
            project.printer.line(&line)?;
        }
    }
    if map.files.is_empty() {
        project.printer.note(&match map.files_total {
            0 => "nothing is defined in this project".to_owned(),
            files => format!("no signature of {files} files fits {} tokens", arguments.tokens),
        });
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Done)
}
