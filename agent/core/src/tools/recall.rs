//! Owns the tool `recall`: what left the window, exactly as it was, by handle or by words.
//! Uses the session's memory and that of older sessions, through the context.
//! Never words anything anew, and never shows more than its caps.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Access, Found, Outcome, Remembered, Tool, ToolContext, arguments, fold};
use crate::context::handle::Handle;

/// Lines in one result.
const MAX_LINES: usize = 400;
/// Bytes in one result: some 4,000 tokens, half of the smallest window that a model with tools of its own has.
const MAX_BYTES: usize = 16 * 1024;
/// Characters of one line.
const MAX_LINE: usize = 2_000;
/// Passages in one result.
const PASSAGES: usize = 6;
/// With fewer passages of this session, older ones are asked.
const LITTLE: usize = 3;
/// Lines of one passage: the index cuts at about 40.
const PASSAGE_LINES: usize = 60;

pub(crate) struct Recall;

impl Tool for Recall {
    fn name(&self) -> &'static str {
        "recall"
    }

    fn description(&self) -> &'static str {
        "Shows exact text of this session that left the window: by `handle` (r41, r41:10-80), or by the words of a `query`."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "query": { "type": "string", "description": "words of what is looked for" },
                "handle": { "type": "string", "description": "such as r41 or r41:10-80" }
            },
            "required": []
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        false
    }

    fn summary(&self, input: &Value) -> String {
        let words = arguments::optional_word(input, "handle").or(arguments::optional_word(input, "query"));
        format!("recall {}", fold::clip(&fold::one_line(words.unwrap_or("?")), 100))
    }

    fn access(&self, _input: &Value, _context: &ToolContext) -> Result<Vec<Access>, String> {
        Ok(Vec::new())
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let context = context.clone();
            // Old sessions may have to be read.
            let recalled =
                tokio::task::spawn_blocking(move || recall(&input, &context).unwrap_or_else(Outcome::failed));
            recalled.await.unwrap_or_else(|_| Outcome::failed("the search ended unexpectedly"))
        })
    }
}

fn recall(input: &Value, context: &ToolContext) -> Result<Outcome, String> {
    match (arguments::optional_word(input, "handle"), arguments::optional_word(input, "query")) {
        (None, None) => Err("give `query` or `handle`".into()),
        (Some(handle), query) => match (by_handle(handle, context), query) {
            // Models put words where a handle belongs.
            (Err(_), None) if !handle.contains(['/', ':']) && handle.split_whitespace().count() > 1 => {
                by_words(handle, context)
            }
            (shown, _) => shown,
        },
        (None, Some(query)) => match query.parse::<Handle>() {
            Ok(_) => by_handle(query, context),
            Err(_) => by_words(query, context),
        },
    }
}

fn by_handle(text: &str, context: &ToolContext) -> Result<Outcome, String> {
    let (session, handle) = match text.trim_matches(['[', ']', '`']).rsplit_once('/') {
        Some((session, handle)) => (Some(session), handle),
        None => (None, text),
    };
    let handle: Handle = handle.parse().map_err(|error: crate::context::handle::NotAHandle| {
        format!("{error}; to search by words, give them as `query`")
    })?;
    let entry = match session {
        Some(session) => context
            .older
            .as_ref()
            .ok_or("older sessions cannot be read here")?
            .entry(session, handle.entry)?,
        None => context
            .recall
            .as_ref()
            .ok_or("nothing of this session can be recalled yet")?
            .entry(handle.entry)?,
    };
    let prefix = session.map(|session| format!("{session}/")).unwrap_or_default();
    let (shown, told) = excerpt(&entry, handle, &prefix)?;
    let brief = format!("{told} of {prefix}r{}: {}", handle.entry, fold::one_line(&entry.title));
    Ok(Outcome {
        ok: true,
        text: format!("{prefix}r{} · turn {} · {}\n{shown}", handle.entry, entry.turn, entry.title),
        brief: fold::clip(&brief, fold::BRIEF),
        summary: brief,
        ..Outcome::default()
    })
}

/// The lines that a handle asks for, as far as they fit, and how many they are.
fn excerpt(entry: &Remembered, handle: Handle, prefix: &str) -> Result<(String, String), String> {
    let total = entry.text.lines().count();
    let (first, last) = handle.lines.unwrap_or((1, total.max(1)));
    if first > total.max(1) {
        return Err(format!(
            "r{} has {}; there is no line {first}",
            handle.entry,
            fold::count(total, "line")
        ));
    }
    let last = last.min(total);
    let width = last.to_string().len();
    let mut shown = String::new();
    let mut end = first.saturating_sub(1);
    for (number, line) in (1..).zip(entry.text.lines()).skip(first - 1) {
        let line = fold::clip(line, MAX_LINE);
        if number > last
            || number >= first + MAX_LINES
            || (number > first && shown.len() + line.len() > MAX_BYTES)
        {
            break;
        }
        if handle.lines.is_some() {
            shown.push_str(&format!("{number:>width$}\t{line}\n"));
        } else {
            shown.push_str(&format!("{line}\n"));
        }
        end = number;
    }
    if end < last {
        let next = Handle { entry: handle.entry, lines: Some((end + 1, last.min(end + MAX_LINES))) };
        shown.push_str(&format!("(lines {first}-{end} of {total} shown; go on with {prefix}{next})\n"));
    }
    let told = if (first, end) == (1, total) {
        fold::count(total, "line")
    } else {
        format!("lines {first}-{end} of {total}")
    };
    Ok((shown, told))
}

fn by_words(query: &str, context: &ToolContext) -> Result<Outcome, String> {
    let mut found: Vec<Found> = match &context.recall {
        Some(recall) => recall.find(query, PASSAGES)?,
        None => Vec::new(),
    };
    if found.len() < LITTLE
        && let Some(older) = &context.older
    {
        match older.find(query, PASSAGES - found.len()) {
            Ok(more) => found.extend(more),
            // What this session knows is an answer, too.
            Err(message) if found.is_empty() => return Err(message),
            Err(_) => {}
        }
    }
    let mut text = String::new();
    let mut handles = Vec::new();
    for one in &found {
        let passage = passage(one);
        if !text.is_empty() && text.len() + passage.len() > MAX_BYTES {
            text.push_str("(more was found; ask in more words)\n");
            break;
        }
        text.push_str(&passage);
        handles.push(format!("{} {}", one.handle, fold::one_line(&one.title)));
    }
    let told = fold::count(handles.len(), "passage");
    let brief =
        if handles.is_empty() { "nothing found".to_owned() } else { fold::brief_list(&told, handles) };
    if text.is_empty() {
        text = "nothing found; try other words, or look at the files themselves\n".into();
    }
    Ok(Outcome {
        ok: true,
        text,
        summary: if found.is_empty() { brief.clone() } else { told },
        brief,
        ..Outcome::default()
    })
}

/// A passage with its header.
fn passage(found: &Found) -> String {
    let older = match &found.session {
        Some(session) => format!("of another session, {} · ", session.date),
        None => String::new(),
    };
    let mut text = format!("## {older}{} · turn {} · {}\n", found.handle, found.turn, found.title);
    for (at, line) in found.text.lines().enumerate() {
        if at == PASSAGE_LINES {
            text.push_str("…\n");
            break;
        }
        text.push_str(&fold::clip(line, MAX_LINE));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::Project;
    use super::super::{OlderSessions, OtherSession, Recall as Memory};
    use super::*;

    struct Told;

    impl Memory for Told {
        fn entry(&self, entry: usize) -> Result<Remembered, String> {
            let text = match entry {
                0 => "where is it?".to_owned(),
                1 => (1..=1_000).map(|number| format!("line {number}\n")).collect(),
                2 => "x".repeat(100_000),
                3 => String::new(),
                4 => format!("{}\n", "é".repeat(1_000)).repeat(100),
                _ => return Err(format!("there is no r{entry}; the newest is r4")),
            };
            Ok(Remembered { turn: 1, title: "bash make".into(), text })
        }

        fn find(&self, query: &str, limit: usize) -> Result<Vec<Found>, String> {
            let hits = query.split_whitespace().filter(|word| *word == "line").count();
            let found = |at: usize| Found {
                handle: format!("r1:{at}"),
                turn: 1,
                title: "bash make".into(),
                text: format!("line {at}"),
                session: None,
            };
            Ok((1..=hits.min(limit)).map(found).collect())
        }
    }

    struct Old;

    impl OlderSessions for Old {
        fn entry(&self, session: &str, entry: usize) -> Result<Remembered, String> {
            if session != "0198" {
                return Err(format!("there is no session {session} in this project"));
            }
            Ok(Remembered { turn: 3, title: "answer".into(), text: format!("old {entry}") })
        }

        fn find(&self, query: &str, _limit: usize) -> Result<Vec<Found>, String> {
            if query.contains("broken") {
                return Err("the archive is broken".into());
            }
            let session =
                Some(OtherSession { id: "0198".into(), date: "2026-01-02".into(), about: "x".into() });
            let found = Found {
                handle: "0198/r7:1".into(),
                turn: 3,
                title: "answer".into(),
                text: "old".into(),
                session,
            };
            Ok(if query.contains("old") { vec![found] } else { Vec::new() })
        }
    }

    fn project() -> Project {
        let mut project = Project::new(&[]);
        project.context.recall = Some(Arc::new(Told));
        project.context.older = Some(Arc::new(Old));
        project
    }

    #[test]
    fn handles_give_exact_text_in_pieces_that_go_on() {
        let project = project();
        let check = |handle: &str, brief: &str, holds: &str| {
            let outcome = project.call("recall", json!({ "handle": handle }));
            assert_eq!(outcome.brief, brief, "{handle}");
            assert!(outcome.text.contains(holds), "{handle}: {}", outcome.text);
            assert!(outcome.text.len() < MAX_BYTES + 2 * MAX_LINE + 400, "{handle}: {}", outcome.text.len());
        };
        check("r0", "1 line of r0: bash make", "r0 · turn 1 · bash make\nwhere is it?\n");
        check(
            "r1",
            "lines 1-400 of 1000 of r1: bash make",
            "(lines 1-400 of 1000 shown; go on with r1:401-800)",
        );
        check("r1:401-800", "lines 401-800 of 1000 of r1: bash make", "401\tline 401\n");
        check("[r1:998-4000]", "lines 998-1000 of 1000 of r1: bash make", "1000\tline 1000\n");
        check("r2", "1 line of r2: bash make", "x…\n");
        check("r3", "0 lines of r3: bash make", "r3 · turn 1");
        check("r4", "lines 1-8 of 100 of r4: bash make", "go on with r4:9-100)");
        check("r1:1001", "failed: r1 has 1000 lines; there is no line 1001", "");
        check("r9", "failed: there is no r9; the newest is r4", "");
        check("0198/r7", "1 line of 0198/r7: answer", "old 7\n");
        check("nope/r7", "failed: there is no session nope in this project", "");
        check(
            "41",
            "failed: `41` is not a handle such as r41 or r41:10-80; to search by words, give them as `query`",
            "",
        );
        let whole = project.call("recall", json!({ "query": "r0" }));
        assert!(whole.text.contains("where is it?"));
    }

    #[test]
    fn words_ask_this_session_first_and_older_ones_when_it_has_little() {
        let project = project();
        let check = |input: Value, brief: &str, holds: &str| {
            let outcome = project.call("recall", input);
            assert_eq!(outcome.brief, brief);
            assert!(outcome.text.contains(holds), "{}", outcome.text);
        };
        check(
            json!({"query": "line line line old"}),
            "3 passages: r1:1 bash make; r1:2 bash make; r1:3 bash make",
            "## r1:2 · turn 1 · bash make\nline 2\n",
        );
        check(
            json!({"query": "line old"}),
            "2 passages: r1:1 bash make; 0198/r7:1 answer",
            "## of another session, 2026-01-02 · 0198/r7:1 · turn 3 · answer\nold\n",
        );
        check(json!({"query": "line broken"}), "1 passage: r1:1 bash make", "line 1");
        check(json!({"query": "broken"}), "failed: the archive is broken", "");
        check(json!({"query": "nothing"}), "nothing found", "try other words");
        check(json!({"handle": "the old words"}), "1 passage: 0198/r7:1 answer", "old");
        check(json!({}), "failed: give `query` or `handle`", "");
        check(json!({"query": " "}), "failed: give `query` or `handle`", "");
    }
}
