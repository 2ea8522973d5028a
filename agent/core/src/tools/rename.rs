//! Owns the tool `rename`: a whole identifier, in one file or in every file that uses it.
//! Uses the index to know the files, `change` to write them.
//! Never replaces a part of a longer identifier.

use std::collections::BTreeSet;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::change::{self, Change};
use super::{Access, Outcome, Tool, ToolContext, arguments, fold, place};
use crate::files;

pub(crate) struct Rename;

impl Tool for Rename {
    fn name(&self) -> &'static str {
        "rename"
    }

    fn description(&self) -> &'static str {
        "Renames an identifier in one file, or, without a path, in every file that uses it."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "symbol": { "type": "string", "description": "the name as it is" },
                "to": { "type": "string", "description": "the new name" },
                "path": { "type": "string", "description": "only in this file" }
            },
            "required": ["symbol", "to"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        true
    }

    fn summary(&self, input: &Value) -> String {
        let word = |name: &str| arguments::optional_word(input, name).unwrap_or("?").to_owned();
        match arguments::optional_word(input, "path") {
            Some(path) => format!("rename {} to {} in {path}", word("symbol"), word("to")),
            None => format!("rename {} to {}", word("symbol"), word("to")),
        }
    }

    fn access(&self, input: &Value, context: &ToolContext) -> Result<Vec<Access>, String> {
        let (symbol, _) = names(input)?;
        Ok(candidates(input, context, symbol)
            .into_iter()
            .flat_map(|path| place::access(context, "Edit", &path))
            .collect())
    }

    fn preview(&self, input: &Value, context: &ToolContext) -> Option<String> {
        plan(input, context).ok().map(|plan| plan.changes.iter().map(Change::diff).collect())
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match plan(&input, context) {
                Ok(plan) => apply(&plan, context),
                Err(outcome) => *outcome,
            }
        })
    }
}

struct Plan {
    symbol: String,
    to: String,
    changes: Vec<Change>,
    /// Replacements in each of `changes`.
    counts: Vec<usize>,
    notes: Vec<String>,
}

fn names(input: &Value) -> Result<(&str, &str), String> {
    let symbol = place::last_segment(arguments::word(input, "symbol")?);
    let to = place::last_segment(arguments::word(input, "to")?);
    for name in [symbol, to] {
        if !is_identifier(name) {
            return Err(format!("`{name}` is not an identifier"));
        }
    }
    if symbol == to { Err("the two names are the same".into()) } else { Ok((symbol, to)) }
}

fn is_identifier(name: &str) -> bool {
    name.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_' || first == '$')
        && name.chars().all(|character| character.is_alphanumeric() || character == '_' || character == '$')
}

/// The files to look into, as written.
fn candidates(input: &Value, context: &ToolContext, symbol: &str) -> Vec<String> {
    if let Some(path) = arguments::optional_word(input, "path") {
        return vec![path.to_owned()];
    }
    let definitions = context.index.definitions(symbol).unwrap_or_default();
    let references = context.index.references(symbol).unwrap_or_default();
    // The index forgives case where nothing else is defined; a rename must not.
    let paths: BTreeSet<String> = definitions
        .into_iter()
        .filter(|definition| definition.name == symbol)
        .map(|definition| definition.path)
        .chain(
            references
                .into_iter()
                .filter(|reference| reference.name == symbol)
                .map(|reference| reference.path),
        )
        .collect();
    paths.into_iter().collect()
}

fn plan(input: &Value, context: &ToolContext) -> Result<Plan, Box<Outcome>> {
    let failed = |message: String| Box::new(Outcome::failed(message));
    let (symbol, to) = names(input).map_err(failed)?;
    let one_file = arguments::optional_word(input, "path").is_some();
    let mut plan = Plan {
        symbol: symbol.to_owned(),
        to: to.to_owned(),
        changes: Vec::new(),
        counts: Vec::new(),
        notes: Vec::new(),
    };
    for written in candidates(input, context, symbol) {
        let path = place::locate(context, &written);
        let shown = place::shown(context, &path);
        let content = match files::read(&path) {
            Ok(content) => content,
            Err(error) if one_file => return Err(Box::new(place::failure(context, &shown, &error))),
            Err(error) => {
                plan.notes.push(format!("{shown} was left out: {error}"));
                continue;
            }
        };
        let ascii = symbol.is_ascii() && to.is_ascii();
        if !content.utf8 && !ascii {
            plan.notes.push(format!("{shown} was left out: it is not UTF-8"));
            continue;
        }
        let (after, count) = renamed(&content.bytes, symbol, to);
        if count == 0 {
            continue;
        }
        plan.notes.extend(change::link_note(context, &content).map(|note| format!("{shown}: {note}")));
        // Two links to one file are one change.
        let real = crate::atomic::follow(&path).unwrap_or_else(|_| path.clone());
        if plan.changes.iter().any(|change| change.path == real) {
            continue;
        }
        plan.changes.push(Change { path: real, shown, before: Some(content.bytes), after: Some(after) });
        plan.counts.push(count);
    }
    if plan.changes.is_empty() {
        let place =
            arguments::optional_word(input, "path").map(|path| format!(" in {path}")).unwrap_or_default();
        let similar: Vec<String> =
            place::similar_symbols(context, symbol).into_iter().map(|definition| definition.name).collect();
        let hint =
            if similar.is_empty() { String::new() } else { format!("; similar: {}", similar.join(", ")) };
        return Err(failed(format!("{symbol} does not occur{place}{hint}")));
    }
    let definitions = context.index.definitions(symbol).unwrap_or_default();
    let same_name = definitions.iter().filter(|definition| definition.name == symbol).count();
    if same_name > 1 && !one_file {
        plan.notes.push(format!("{same_name} definitions share the name {symbol}, and all were renamed"));
    }
    if one_file {
        let renamed: BTreeSet<&str> = plan.changes.iter().map(|change| change.shown.as_str()).collect();
        let references = context.index.references(symbol).unwrap_or_default();
        let others: BTreeSet<String> = definitions
            .iter()
            .filter(|definition| definition.name == symbol)
            .map(|definition| &definition.path)
            .chain(
                references
                    .iter()
                    .filter(|used| used.name == symbol && used.kind != "mention")
                    .map(|used| &used.path),
            )
            .filter(|path| !renamed.contains(path.as_str()))
            .cloned()
            .collect();
        if !others.is_empty() {
            let listed: Vec<String> = others.iter().take(5).cloned().collect();
            let more = if others.len() > 5 { ", …" } else { "" };
            plan.notes.push(format!("{symbol} still occurs in {}{more}", listed.join(", ")));
        }
    }
    if context.index.defines(to) {
        plan.notes.push(format!("{to} was defined before; check for clashes"));
    }
    Ok(plan)
}

/// The content with every whole identifier `symbol` as `to`, and how many there were.
fn renamed(bytes: &[u8], symbol: &str, to: &str) -> (Vec<u8>, usize) {
    let needle = symbol.as_bytes();
    let mut after = Vec::with_capacity(bytes.len());
    let (mut at, mut copied, mut count) = (0, 0, 0);
    while let Some(offset) = bytes[at..].iter().position(|byte| Some(byte) == needle.first()) {
        let start = at + offset;
        let end = start + needle.len();
        if bytes[start..].starts_with(needle)
            && !continues_before(&bytes[..start])
            && !continues_after(&bytes[end..])
        {
            after.extend_from_slice(&bytes[copied..start]);
            after.extend_from_slice(to.as_bytes());
            (copied, at, count) = (end, end, count + 1);
        } else {
            at = start + 1;
        }
    }
    after.extend_from_slice(&bytes[copied..]);
    (after, count)
}

/// Whether the identifier goes on to the left. A byte that is no UTF-8 counts as a letter of its encoding.
fn continues_before(bytes: &[u8]) -> bool {
    let from = bytes.len().saturating_sub(4);
    match (from..bytes.len()).find_map(|start| std::str::from_utf8(&bytes[start..]).ok()) {
        Some(text) => text.chars().next_back().is_some_and(is_identifier_character),
        None => !bytes.is_empty(),
    }
}

fn continues_after(bytes: &[u8]) -> bool {
    let window = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(window) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&window[..error.valid_up_to()]).unwrap_or_default(),
    };
    match valid.chars().next() {
        Some(character) => is_identifier_character(character),
        None => !window.is_empty(),
    }
}

fn is_identifier_character(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

fn apply(plan: &Plan, context: &ToolContext) -> Outcome {
    for (done, change) in plan.changes.iter().enumerate() {
        if let Err(message) = change.apply(context) {
            let mut outcome = change::outcome(&plan.changes[..done], "", "");
            let what =
                format!("{message}; {} changed before that, undo takes it back", fold::count(done, "file"));
            let failure = Outcome::failed(what);
            (outcome.ok, outcome.text, outcome.brief) = (false, failure.text, failure.brief);
            outcome.summary = failure.summary;
            return outcome;
        }
    }
    let brief =
        format!("renamed {} to {} in {}", plan.symbol, plan.to, fold::count(plan.changes.len(), "file"));
    let per_file: Vec<String> = plan
        .changes
        .iter()
        .zip(&plan.counts)
        .map(|(change, count)| format!("{} in {}", fold::count(*count, "place"), change.shown))
        .collect();
    let mut notes = vec![per_file.join(", ")];
    notes.extend(plan.notes.iter().cloned());
    change::outcome(&plan.changes, &brief, &notes.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_identifiers() {
        let check = |before: &[u8], expect: &[u8], count: usize| {
            let (after, found) = renamed(before, "foo", "bar");
            assert_eq!((String::from_utf8_lossy(&after), found), (String::from_utf8_lossy(expect), count));
            assert_eq!(after, expect);
        };
        check(b"foo", b"bar", 1);
        check(b"foo(foo, foo.foo)", b"bar(bar, bar.bar)", 4);
        check(b"foobar xfoo foo_ _foo foo1 $foo foo$", b"foobar xfoo foo_ _foo foo1 $foo foo$", 0);
        check(b"'foo' \"foo\" -foo- foo\r\n", b"'bar' \"bar\" -bar- bar\r\n", 4);
        check("fooé éfoo “foo” foo→".as_bytes(), "fooé éfoo “bar” bar→".as_bytes(), 2);
        check(b"foo\xe9 \xe9foo foo", b"foo\xe9 \xe9foo bar", 1);
        check(b"fofoo ffoo foofoo", b"fofoo ffoo foofoo", 0);
        check(b"", b"", 0);
    }

    #[test]
    fn names_must_be_identifiers() {
        let check = |symbol: &str, to: &str, ok: bool| {
            assert_eq!(names(&json!({ "symbol": symbol, "to": to })).is_ok(), ok, "{symbol} {to}");
        };
        check("a", "b", true);
        check("Type::a", "b", true);
        check("a()", "b()", true);
        check("größe", "size", true);
        check("$el", "element", true);
        check("a", "a", false);
        check("a", "b c", false);
        check("a", "1b", false);
        check("", "b", false);
        check("a-b", "c", false);
    }
}
