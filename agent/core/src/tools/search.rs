//! Owns the tool `search`: ranked spans from the index, with the telling lines of the best.
//! Uses the index.
//! Never ranks; that is the index's.

use std::collections::HashSet;

use futures::future::BoxFuture;
use loci_index::{Hit, Query};
use loci_protocol::Location;
use serde_json::{Value, json};

use super::{Access, Evidence, Outcome, Tool, ToolContext, arguments, excerpt, fold, place, words_of};

/// Hits in one result.
const MAX_HITS: usize = 8;
/// Lines quoted of the best hit, and of the second.
const QUOTED: [usize; 2] = [6, 3];
/// Lines of a span that are looked at for quoting.
const MAX_SPAN: u32 = 400;
/// Definitions of at most this many lines below their first are quoted whole, for the best hit.
const SHORT: u32 = 24;

pub(crate) struct Search;

impl Tool for Search {
    fn name(&self) -> &'static str {
        "search"
    }

    fn description(&self) -> &'static str {
        "Finds code by words: what it does, what it is about. Ranked."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": { "query": { "type": "string" } },
            "required": ["query"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        false
    }

    fn summary(&self, input: &Value) -> String {
        format!("search {}", fold::clip(arguments::optional_word(input, "query").unwrap_or("?"), 80))
    }

    fn access(&self, input: &Value, context: &ToolContext) -> Result<Vec<Access>, String> {
        place::access_to_index(context, arguments::word(input, "query")?)
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let context = context.clone();
            let searched =
                tokio::task::spawn_blocking(move || find(&input, &context).unwrap_or_else(Outcome::failed));
            searched.await.unwrap_or_else(|_| Outcome::failed("the search ended unexpectedly"))
        })
    }
}

fn find(input: &Value, context: &ToolContext) -> Result<Outcome, String> {
    let text = arguments::word(input, "query")?.to_owned();
    let query = Query { text: text.clone(), limit: MAX_HITS, working_set: Vec::new() };
    let mut hits = context.index.search(&query).map_err(|error| error.to_string())?;
    hits.retain(|hit| context.workspace.may_show(&hit.path));
    if hits.is_empty() {
        return Ok(Outcome {
            ok: true,
            text: format!("no hits for {text}"),
            brief: "no hits".into(),
            summary: "no hits".into(),
            ..Outcome::default()
        });
    }
    let head = fold::count(hits.len(), "hit");
    let mut outcome = Outcome {
        ok: true,
        text: format!("{head}\n"),
        brief: fold::brief_list(&head, hits.iter().map(brief_of)),
        summary: head,
        ..Outcome::default()
    };
    let words = telling_words(&text);
    for (rank, hit) in hits.iter().enumerate() {
        let location = Location { path: hit.path.clone(), line: hit.line };
        let label = match &hit.symbol {
            Some(symbol) => format!("{} {symbol}", place::short_kind(&hit.kind)),
            None => hit.kind.clone(),
        };
        let preview = fold::clip(&fold::one_line(&hit.preview), 160);
        outcome.text.push_str(&format!(
            "{location}: {preview}  ({label}, lines {}-{})\n",
            hit.start_line, hit.end_line
        ));
        outcome.locations.push(location.clone());
        outcome.evidence.push(Evidence { location, text: preview, label });
        if let Some(limit) = QUOTED.get(rank) {
            quote(&mut outcome, context, hit, &words, *limit);
        }
    }
    Ok(outcome)
}

fn brief_of(hit: &Hit) -> String {
    match &hit.symbol {
        Some(symbol) => format!("{}:{} {symbol}", hit.path, hit.line),
        None => format!("{}:{}", hit.path, hit.line),
    }
}

/// The lines of a hit that say most about the query, in their order: its doc comment first, then lines with its words.
fn quote(outcome: &mut Outcome, context: &ToolContext, hit: &Hit, words: &HashSet<String>, limit: usize) {
    let end = hit.end_line.min(hit.start_line.saturating_add(MAX_SPAN));
    // Doc comments may stand above the span.
    let definition = hit.symbol.as_deref().and_then(|symbol| {
        let definitions = context.index.definitions(symbol).ok()?;
        definitions.into_iter().find(|definition| {
            definition.path == hit.path && (hit.start_line..=hit.end_line).contains(&definition.line)
        })
    });
    if let Some(definition) = &definition {
        let location = Location { path: definition.path.clone(), line: definition.line };
        if let Some(doc) = definition.doc.as_deref().map(fold::one_line).filter(|doc| !doc.is_empty()) {
            outcome.text.push_str(&format!("        {doc}\n"));
            outcome.locations.push(location.clone());
            outcome.evidence.push(Evidence { location: location.clone(), text: doc, label: "doc".into() });
        }
        if definition.line != hit.line {
            outcome.locations.push(location.clone());
            let text = place::signature(definition);
            outcome.evidence.push(Evidence { location, text, label: definition.kind.clone() });
        }
    }
    // A short definition says best itself what it does.
    if let Some(definition) = definition.filter(|found| {
        limit == QUOTED[0] && (1..=SHORT).contains(&found.end_line.saturating_sub(found.line))
    }) {
        let body = excerpt::lines(context, &hit.path, definition.line + 1, definition.end_line);
        return excerpt::add_lines(outcome, &hit.path, body, "telling");
    }
    let mut scored: Vec<(usize, u32, String)> = excerpt::lines(context, &hit.path, hit.start_line, end)
        .into_iter()
        .filter(|(line, text)| *line != hit.line && is_telling(text))
        .map(|(line, text)| {
            let found: HashSet<String> = words_of(&text).iter().map(|word| stem(word)).collect();
            (found.intersection(words).count() * 2 + usize::from(text.contains("return")), line, text)
        })
        .collect();
    if scored.iter().any(|(score, _, _)| *score > 0) {
        scored.retain(|(score, _, _)| *score > 0);
    }
    scored.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    scored.truncate(limit);
    scored.sort_by_key(|(_, line, _)| *line);
    let lines = scored.into_iter().map(|(_, line, text)| (line, text)).collect();
    excerpt::add_lines(outcome, &hit.path, lines, "telling");
}

/// Lines of code with something in them; comments and lone brackets say little.
fn is_telling(line: &str) -> bool {
    let line = line.trim();
    line.chars().filter(|character| character.is_alphanumeric()).count() >= 3
        && !line.starts_with("//")
        && !line.starts_with("#[")
        && !line.starts_with("* ")
        && !line.starts_with("/*")
        && !line.starts_with("\"\"\"")
}

fn telling_words(query: &str) -> HashSet<String> {
    words_of(query).into_iter().filter(|word| word.len() > 2).map(|word| stem(&word)).collect()
}

/// The word without the commonest endings: enough to see that `computed` and `compute` are one.
fn stem(word: &str) -> String {
    let mut stem = word;
    for ending in ["ing", "ied", "ies", "ed", "es", "s", "e"] {
        if let Some(rest) = stem.strip_suffix(ending)
            && rest.len() >= 3
        {
            stem = rest;
            break;
        }
    }
    stem.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_meet_in_their_stems() {
        let check = |a: &str, b: &str| assert_eq!(stem(a), stem(b));
        check("computed", "compute");
        check("computes", "computing");
        check("retries", "retried");
        check("files", "file");
        assert_ne!(stem("red"), stem("re"));
    }
}
