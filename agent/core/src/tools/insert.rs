//! Owns the tool `insert`: lines before a line, or at the end.
//! Uses `files` and `change`.
//! Never touches a byte of the lines that are there.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::change::{self, Change};
use super::{Access, Outcome, Tool, ToolContext, arguments, fold, place};
use crate::files;

pub(crate) struct Insert;

impl Tool for Insert {
    fn name(&self) -> &'static str {
        "insert"
    }

    fn description(&self) -> &'static str {
        "Inserts text before a line of a file; at the end without one."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "path": { "type": "string" },
                "text": { "type": "string", "description": "whole lines" },
                "line": { "type": "integer", "description": "insert before this line, from 1" }
            },
            "required": ["path", "text"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        true
    }

    fn summary(&self, input: &Value) -> String {
        let path = arguments::optional_word(input, "path").unwrap_or("?");
        match arguments::number(input, "line") {
            Ok(Some(line)) => format!("insert into {path}:{line}"),
            _ => format!("append to {path}"),
        }
    }

    fn access(&self, input: &Value, context: &ToolContext) -> Result<Vec<Access>, String> {
        arguments::text(input, "text")?;
        Ok(place::access(context, "Edit", arguments::word(input, "path")?))
    }

    fn preview(&self, input: &Value, context: &ToolContext) -> Option<String> {
        plan(input, context).ok().map(|(change, _)| change.diff())
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match plan(&input, context) {
                Ok((change, note)) => {
                    let brief = format!("inserted in {}", change.shown);
                    change::apply_one(context, change, &brief, &note)
                }
                Err(outcome) => *outcome,
            }
        })
    }
}

fn plan(input: &Value, context: &ToolContext) -> Result<(Change, String), Box<Outcome>> {
    let failed = |message: String| Box::new(Outcome::failed(message));
    let path = place::locate(context, arguments::word(input, "path").map_err(failed)?);
    let text = arguments::text(input, "text").map_err(failed)?;
    let line = arguments::number(input, "line").map_err(failed)?;
    let shown = place::shown(context, &path);
    if text.is_empty() {
        return Err(failed("`text` is empty".into()));
    }
    let content = files::read(&path).map_err(|error| Box::new(place::failure(context, &shown, &error)))?;
    if !content.utf8 && !text.is_ascii() {
        return Err(failed(format!("{shown} is not UTF-8, so only ASCII can be inserted")));
    }
    let after = inserted(&content.bytes, text, line).map_err(|total| {
        failed(format!("{shown} has {}; `line` must be 1 to {}", fold::count(total, "line"), total + 1))
    })?;
    let note = change::link_note(context, &content).unwrap_or_default();
    Ok((Change { path, shown, before: Some(content.bytes), after: Some(after) }, note))
}

/// The new content, or the number of lines when there is no such line.
fn inserted(bytes: &[u8], text: &str, line: Option<u64>) -> Result<Vec<u8>, usize> {
    let body = bytes.strip_prefix(files::BOM).unwrap_or(bytes);
    let mark = &bytes[..bytes.len() - body.len()];
    let lines: Vec<&[u8]> = files::split_lines(body).collect();
    let total = lines.len();
    let before = match line {
        None => total,
        Some(line) => match usize::try_from(line) {
            Ok(line) if (1..=total + 1).contains(&line) => line - 1,
            _ => return Err(total),
        },
    };
    let at: usize = lines[..before].iter().map(|line| line.len()).sum();
    let ending = files::ending_at(body, at);
    let mut text = files::with_endings(text, ending);
    let unfinished = at == body.len() && at > 0 && !body.ends_with(b"\n");
    if unfinished {
        // The last line has no ending: it gets one, and the new last line has none unless the text brings it.
        text.insert_str(0, ending);
    } else if !text.ends_with('\n') {
        text.push_str(ending);
    }
    Ok([mark, &body[..at], text.as_bytes(), &body[at..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_where_they_should() {
        let check = |before: &[u8], text: &str, line: Option<u64>, expect: Result<&[u8], usize>| {
            let after = inserted(before, text, line);
            assert_eq!(
                after.as_deref().map(String::from_utf8_lossy).map_err(|total| *total),
                expect.map(String::from_utf8_lossy),
                "{text:?} into {:?} at {line:?}",
                String::from_utf8_lossy(before)
            );
        };
        check(b"", "x", None, Ok(b"x\n"));
        check(b"", "x", Some(1), Ok(b"x\n"));
        check(b"", "x", Some(2), Err(0));
        check(b"a\n", "x", None, Ok(b"a\nx\n"));
        check(b"a\n", "x\n", None, Ok(b"a\nx\n"));
        check(b"a\nb\n", "x", Some(2), Ok(b"a\nx\nb\n"));
        check(b"a\nb\n", "x", Some(1), Ok(b"x\na\nb\n"));
        check(b"a\nb\n", "x", Some(3), Ok(b"a\nb\nx\n"));
        check(b"a\nb\n", "x", Some(4), Err(2));
        check(b"a\nb\n", "x", Some(0), Err(2));
        check(b"a", "x", None, Ok(b"a\nx"));
        check(b"a", "x\n", None, Ok(b"a\nx\n"));
        check(b"a", "x", Some(1), Ok(b"x\na"));
        check(b"a\r\nb\r\n", "x\ny", Some(2), Ok(b"a\r\nx\r\ny\r\nb\r\n"));
        check(b"a\r\nb", "x", None, Ok(b"a\r\nb\r\nx"));
        check(b"a\nb\r\n", "x", Some(1), Ok(b"x\na\nb\r\n"));
        check(b"\xef\xbb\xbfa\n", "x", Some(1), Ok(b"\xef\xbb\xbfx\na\n"));
        check(b"\xef\xbb\xbf", "x", None, Ok(b"\xef\xbb\xbfx\n"));
        check(b"\xe9\n", "x", None, Ok(b"\xe9\nx\n"));
        check(b"a\n", "x", Some(u64::MAX), Err(1));
    }
}
