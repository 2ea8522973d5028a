//! Owns the tool `read`: numbered lines of a file.
//! Uses `files`.
//! Never shows more than its caps.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Access, Evidence, Outcome, Tool, ToolContext, arguments, fold, place};
use crate::files::{self, FileError};

/// Lines in one result.
const MAX_LINES: usize = 2_000;
/// Bytes in one result.
const MAX_BYTES: usize = 50 * 1024;
/// Characters of one line.
const MAX_LINE: usize = 2_000;

pub(crate) struct Read;

impl Tool for Read {
    fn name(&self) -> &'static str {
        "read"
    }

    fn description(&self) -> &'static str {
        "Reads a file, or lines start to end of it. Lines are numbered."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "description": "relative to the project" },
                "start": { "type": "integer", "description": "first line, from 1" },
                "end": { "type": "integer", "description": "last line, inclusive" }
            },
            "required": ["path"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        false
    }

    fn summary(&self, input: &Value) -> String {
        let path = arguments::optional_word(input, "path").unwrap_or("?");
        let start = arguments::number(input, "start").ok().flatten();
        let end = arguments::number(input, "end").ok().flatten();
        match (start, end) {
            (None, None) => format!("read {path}"),
            (start, None) => format!("read {path}:{}-", start.unwrap_or(1)),
            (start, Some(end)) => format!("read {path}:{}-{end}", start.unwrap_or(1)),
        }
    }

    fn access(&self, input: &Value, context: &ToolContext) -> Result<Vec<Access>, String> {
        Ok(place::access(context, "Read", arguments::word(input, "path")?))
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { read(&input, context).unwrap_or_else(Outcome::failed) })
    }
}

fn read(input: &Value, context: &ToolContext) -> Result<Outcome, String> {
    let path = place::locate(context, arguments::word(input, "path")?);
    let shown = place::shown(context, &path);
    let number = |name: &str| {
        arguments::number(input, name)
            .map(|number| number.map(|number| usize::try_from(number).unwrap_or(usize::MAX)))
    };
    let (start, end) = (number("start")?, number("end")?);
    let ranged = start.is_some() || end.is_some();
    let start = start.unwrap_or(1).max(1);
    if let Some(end) = end
        && end < start
    {
        return Err(format!("`end` ({end}) is before `start` ({start})"));
    }
    let last = end.unwrap_or(usize::MAX).min(start.saturating_add(MAX_LINES - 1));
    let size = match files::inspect(&path) {
        Ok(size) => size,
        Err(error) => return Ok(place::failure(context, &shown, &error)),
    };
    if size > files::MAX_WHOLE_BYTES && !ranged {
        let error = FileError::TooLarge { bytes: size, limit: files::MAX_WHOLE_BYTES };
        return Err(format!(
            "{shown} cannot be read whole: {error}; read a range with start and end, or grep it"
        ));
    }
    let lines = match files::read_lines(&path, start, last, MAX_BYTES, MAX_LINE) {
        Ok(lines) => lines,
        Err(error) => return Ok(place::failure(context, &shown, &error)),
    };
    if lines.total == 0 {
        let brief = format!("{shown} is empty");
        return Ok(Outcome {
            ok: true,
            text: brief.clone(),
            brief: fold::clip(&brief, fold::BRIEF),
            summary: brief,
            ..Outcome::default()
        });
    }
    if start > lines.total {
        return Err(format!("{shown} has {}; there is no line {start}", fold::count(lines.total, "line")));
    }
    let end_shown = start + lines.lines.len() - 1;
    let brief = format!("lines {start}-{end_shown} of {} in {shown}", lines.total);
    let width = end_shown.to_string().len();
    let mut text = String::new();
    for (offset, line) in lines.lines.iter().enumerate() {
        text.push_str(&format!("{:>width$}\t{line}\n", start + offset));
    }
    if lines.lossy {
        text.push_str("(the file is not UTF-8; bytes that could not be shown are marked �)\n");
    }
    let wanted_more = end.is_none_or(|end| end > end_shown);
    if end_shown < lines.total && (wanted_more || lines.cut) {
        text.push_str(&format!(
            "({} of {} lines shown; continue with start {})\n",
            lines.lines.len(),
            lines.total,
            end_shown + 1
        ));
    }
    let mut outcome = Outcome {
        ok: true,
        text,
        brief: fold::clip(&brief, fold::BRIEF),
        summary: brief,
        ..Outcome::default()
    };
    for (offset, line) in lines.lines.iter().enumerate() {
        let line_number = u32::try_from(start + offset).unwrap_or(u32::MAX);
        let location = loci_protocol::Location { path: shown.clone(), line: line_number };
        outcome.locations.push(location.clone());
        outcome.evidence.push(Evidence { location, text: line.clone(), label: "line".into() });
    }
    Ok(outcome)
}
