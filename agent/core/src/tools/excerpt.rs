//! Owns how results quote lines of a file: read now, so that every quotation is what is there.
//! Uses `files`.
//! Never quotes long lines whole.

use loci_protocol::Location;

use super::{Evidence, Outcome, ToolContext, fold, place};
use crate::files;

/// Characters of one quoted line.
const MAX_LINE: usize = 160;

/// The lines `start..=end` with their numbers; empty when the file cannot be read.
pub(crate) fn lines(context: &ToolContext, path: &str, start: u32, end: u32) -> Vec<(u32, String)> {
    if end < start {
        return Vec::new();
    }
    let file = place::locate(context, path);
    match files::read_lines(&file, start as usize, end as usize, 64 * 1024, MAX_LINE) {
        Ok(lines) => (start..).zip(lines.lines).collect(),
        Err(_) => Vec::new(),
    }
}

/// Quote these lines in a result, as text and as evidence.
pub(crate) fn add(
    outcome: &mut Outcome,
    context: &ToolContext,
    path: &str,
    start: u32,
    end: u32,
    label: &str,
) {
    add_lines(outcome, path, lines(context, path, start, end), label);
}

/// As [`add`], for lines that were read already.
pub(crate) fn add_lines(outcome: &mut Outcome, path: &str, lines: Vec<(u32, String)>, label: &str) {
    for (line, text) in lines {
        let text = fold::clip(text.trim_end(), MAX_LINE);
        outcome.text.push_str(&format!("{line:>6}\t{text}\n"));
        if text.trim().is_empty() {
            continue;
        }
        let location = Location { path: path.to_owned(), line };
        outcome.locations.push(location.clone());
        outcome.evidence.push(Evidence { location, text, label: label.to_owned() });
    }
}
