//! Owns how the result of each tool is told.
//! Uses the evidence of the result.
//! Never reads a file: what is told was in the result.

use loci_inference::provider::ToolCall;
use loci_protocol::Location;

use super::Page;
use crate::tools::{Evidence, Outcome};

/// Entries of a list before the rest is counted.
const MAX_LISTED: usize = 12;
/// Lines of a file that are shown.
const MAX_READ: usize = 80;
/// Lines around a line that a file was opened for, and how many of them before it.
const AROUND: usize = 40;
const ABOVE: usize = 6;
/// Lines of a diff that are shown.
const MAX_DIFF: usize = 40;

/// Tell one call.
///
/// `focus` is the line a whole file was opened for.
pub(crate) fn tell(page: &mut Page, request: &str, call: &ToolCall, outcome: &Outcome, focus: Option<u32>) {
    if outcome.denied {
        return page.line(format!("`{}` was not run: {}.", call.name, outcome.summary.trim_end_matches('.')));
    }
    let known = [
        "where", "callers", "search", "read", "outline", "glob", "grep", "edit", "insert", "write", "delete",
        "rename", "undo", "run", "bash", "git", "todo", "ask_user",
    ];
    // A command that failed has more to say than that it did.
    let tells_failure = ["run", "bash"].contains(&call.name.as_str()) && outcome.brief.starts_with("exit ");
    if !outcome.ok && !tells_failure || !known.contains(&call.name.as_str()) {
        return failure(page, call, outcome);
    }
    match call.name.as_str() {
        "where" => definitions(page, request, call, outcome),
        "callers" => uses(page, call, outcome),
        "search" => hits(page, request, call, outcome),
        "read" => excerpt(page, outcome, focus),
        "outline" => outline(page, outcome),
        "glob" => files(page, call, outcome),
        "grep" => matches(page, call, outcome),
        "run" | "bash" => command(page, call, outcome),
        "git" => git(page, call, outcome),
        "todo" => todo(page, outcome),
        "ask_user" => page.line(sentence(&outcome.summary)),
        _ => change(page, outcome),
    }
}

fn argument<'a>(call: &'a ToolCall, name: &str) -> &'a str {
    call.arguments.get(name).and_then(|value| value.as_str()).unwrap_or_default()
}

/// The text with a capital and a full stop.
fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut characters = text.chars();
    let Some(first) = characters.next() else { return String::new() };
    let stop = if text.ends_with(['.', '!', '?', ':']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), characters.as_str())
}

fn failure(page: &mut Page, call: &ToolCall, outcome: &Outcome) {
    let what = if outcome.text.is_empty() { &outcome.summary } else { &outcome.text };
    let line = what.lines().next().unwrap_or_default();
    page.line(format!(
        "{} failed: {}",
        call.name,
        if line.is_empty() { "no reason was given" } else { line }
    ));
}

fn is_comment_on(evidence: &Evidence) -> bool {
    ["doc", "body"].contains(&evidence.label.as_str())
}

fn definitions(page: &mut Page, request: &str, call: &ToolCall, outcome: &Outcome) {
    let symbol = argument(call, "symbol");
    let found: Vec<&Evidence> = outcome
        .evidence
        .iter()
        .filter(|evidence| !is_comment_on(evidence) && evidence.label != "similar")
        .collect();
    if found.is_empty() {
        page.line(format!("No definition of `{symbol}` was found."));
        return similar(page, outcome);
    }
    let doc_of = |location: &Location| {
        outcome.evidence.iter().find(|evidence| evidence.label == "doc" && evidence.location == *location)
    };
    if let [only] = found.as_slice() {
        let place = page.cite(&only.location);
        let article = if only.label.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
        page.line(format!("`{symbol}` is {article} {} defined at {place}:", only.label));
        page.line("");
        page.line(format!("    {}", only.text.trim()));
        let doc = doc_of(&only.location);
        if let Some(doc) = doc {
            page.line("");
            page.line(sentence(&doc.text));
        }
        let body: Vec<&Evidence> =
            outcome.evidence.iter().filter(|evidence| evidence.label == "body").collect();
        if !body.is_empty() && !page.shown_later && (doc.is_none() || wants_body(request)) {
            page.line("");
            page.line("It begins:");
            page.line("");
            numbered(page, &body);
        }
        return;
    }
    page.line(format!("`{symbol}` has {} definitions:", found.len()));
    for evidence in found.iter().take(MAX_LISTED) {
        let place = page.cite(&evidence.location);
        page.line(format!("- {place}  `{}`", evidence.text.trim()));
        if let Some(doc) = doc_of(&evidence.location) {
            page.line(format!("  {}", sentence(&doc.text)));
        }
    }
    rest(page, found.len());
}

/// Whether the words ask for more than the place.
fn wants_body(request: &str) -> bool {
    let lower = request.to_lowercase();
    [
        "explain",
        "what does",
        "how does",
        "how is",
        "walk me",
        "show",
        "body",
        "implement",
        "source",
        "code",
        "what is",
        "what's",
        "describe",
        "understand",
        "works",
        "doing",
        "purpose",
        "print",
    ]
    .iter()
    .any(|words| lower.contains(words))
}

fn similar(page: &mut Page, outcome: &Outcome) {
    let found: Vec<&Evidence> =
        outcome.evidence.iter().filter(|evidence| evidence.label == "similar").collect();
    if found.is_empty() {
        return;
    }
    page.line("Similar names:");
    for evidence in found {
        let place = page.cite(&evidence.location);
        page.line(format!("- {place}  `{}`", evidence.text.trim()));
    }
}

fn uses(page: &mut Page, call: &ToolCall, outcome: &Outcome) {
    let symbol = argument(call, "symbol");
    let tests = call.arguments.get("tests").and_then(serde_json::Value::as_bool).unwrap_or_default();
    let where_ = if tests { " in tests" } else { "" };
    let found: Vec<&Evidence> = outcome
        .evidence
        .iter()
        .filter(|evidence| !["similar", "defined"].contains(&evidence.label.as_str()))
        .collect();
    if found.is_empty() {
        page.line(format!("No uses of `{symbol}`{where_} were found."));
        let defined: Vec<&Evidence> =
            outcome.evidence.iter().filter(|evidence| evidence.label == "defined").collect();
        if let Some(first) = defined.first() {
            let place = page.cite(&first.location);
            page.line(format!("It is defined at {place}."));
        }
        return similar(page, outcome);
    }
    // Whoever asks for uses wants code that uses it; comments and strings that mention it are counted.
    let (found, mentions): (Vec<&Evidence>, Vec<&Evidence>) =
        found.into_iter().partition(|evidence| !evidence.label.starts_with("mention"));
    let (found, mentions) = if found.is_empty() {
        page.line(format!("`{symbol}` has {}{where_}, all in text:", outcome.summary));
        (mentions, found)
    } else {
        let times = match found.len() {
            1 => "1 place".to_owned(),
            // The result itself left some out.
            count if outcome.text.contains("\n… and ") => format!("more than {count} places"),
            count => format!("{count} places"),
        };
        page.line(format!("`{symbol}` is used in {times}{where_}:"));
        (found, mentions)
    };
    // The index tells calls first, and tests last: files stand in the order of their first use.
    let count = found.len();
    let mut files: Vec<Vec<&Evidence>> = Vec::new();
    for evidence in found.into_iter().take(MAX_LISTED * 2) {
        match files.iter_mut().find(|uses| uses[0].location.path == evidence.location.path) {
            Some(uses) => uses.push(evidence),
            None => files.push(vec![evidence]),
        }
    }
    for uses in &files {
        page.line("");
        page.line(format!("{}:", uses[0].location.path));
        for evidence in uses {
            let place = page.cite(&evidence.location);
            let label = match evidence.label.split_once(" in ") {
                Some((_, enclosing)) => format!("  (in {enclosing})"),
                None if evidence.label == "call" => String::new(),
                None => format!("  ({})", evidence.label),
            };
            page.line(format!("- {place}  `{}`{label}", evidence.text.trim()));
        }
    }
    if count > MAX_LISTED * 2 {
        page.line(format!("… and {} more", count - MAX_LISTED * 2));
    }
    if !mentions.is_empty() {
        page.line("");
        page.line(format!("It is also mentioned in {} of text.", lines_of(mentions.len())));
    }
}

fn lines_of(count: usize) -> String {
    if count == 1 { "1 line".into() } else { format!("{count} lines") }
}

fn hits(page: &mut Page, request: &str, call: &ToolCall, outcome: &Outcome) {
    let query = argument(call, "query");
    let is_hit = |evidence: &&Evidence| !["doc", "telling"].contains(&evidence.label.as_str());
    let found: Vec<&Evidence> = outcome.evidence.iter().filter(is_hit).collect();
    let Some(best) = found.first() else {
        page.line(format!(
            "Nothing was found for \"{query}\". Other words may help, or grep for a text that must be there."
        ));
        return;
    };
    // The quotations of the best hit stand behind it, up to the next hit.
    let at = outcome.evidence.iter().position(|evidence| std::ptr::eq(evidence, *best)).unwrap_or_default();
    let quoted: Vec<&Evidence> = outcome.evidence[at + 1..]
        .iter()
        .take_while(|evidence| {
            evidence.location.path == best.location.path
                && (!is_hit(evidence) || is_definition_of(evidence, best))
        })
        .collect();
    let doc = quoted.iter().find(|evidence| evidence.label == "doc");
    let lines: Vec<&Evidence> =
        quoted.iter().copied().filter(|evidence| evidence.label == "telling").collect();
    let place = page.cite(&best.location);
    page.line(format!("The best match for \"{query}\" is {place}:"));
    page.line("");
    page.line(format!("    {}", best.text.trim()));
    if let Some(doc) = doc {
        page.cite(&doc.location);
        page.line("");
        page.line(sentence(&doc.text));
    }
    if !lines.is_empty() && !page.shown_later && (doc.is_none() || asks_how(request)) {
        page.line("");
        page.line("Its telling lines:");
        page.line("");
        numbered(page, &lines);
    }
    let others: Vec<&&Evidence> = found
        .iter()
        .skip(1)
        .filter(|evidence| !quoted.iter().any(|quoted| std::ptr::eq(**evidence, *quoted)))
        .collect();
    if others.is_empty() {
        return;
    }
    page.line("");
    page.line("Other places:");
    for evidence in others.iter().take(5) {
        let place = page.cite(&evidence.location);
        page.line(format!("- {place}  `{}`", evidence.text.trim()));
    }
}

/// A hit's own definition, told as evidence of its own because its telling line is another.
fn is_definition_of(evidence: &Evidence, hit: &Evidence) -> bool {
    let name = hit.label.rsplit(' ').next().unwrap_or_default();
    !evidence.label.contains(' ') && !name.is_empty() && evidence.text.contains(name)
}

fn asks_how(request: &str) -> bool {
    let lower = request.to_lowercase();
    [
        "how",
        "explain",
        "what computes",
        "logic",
        "work",
        "decide",
        "show me the code",
        "computed",
        "calculated",
    ]
    .iter()
    .any(|words| lower.contains(words))
}

/// Lines with their numbers, each cited.
fn numbered(page: &mut Page, lines: &[&Evidence]) {
    let width = lines.iter().map(|evidence| evidence.location.line.to_string().len()).max().unwrap_or(1);
    let shared = lines
        .iter()
        .filter(|evidence| !evidence.text.trim().is_empty())
        .map(|evidence| evidence.text.len() - evidence.text.trim_start().len())
        .min()
        .unwrap_or_default();
    for evidence in lines {
        page.cite(&evidence.location);
        let text = evidence.text.get(shared..).unwrap_or(evidence.text.trim());
        page.line(format!("    {:>width$}  {}", evidence.location.line, text.trim_end()).trim_end());
    }
}

fn excerpt(page: &mut Page, outcome: &Outcome, focus: Option<u32>) {
    if outcome.evidence.is_empty() {
        page.line(sentence(&outcome.summary));
        return;
    }
    // Around the line that was wanted: its comment above, its body below.
    let first = focus.map_or(0, |line| comment_above(&outcome.evidence, line));
    let all: Vec<&Evidence> =
        outcome.evidence.iter().filter(|evidence| evidence.location.line >= first).collect();
    let all = match focus {
        Some(line) => &all[..block_end(&all, line)],
        None => all.as_slice(),
    };
    let limit = if focus.is_some() { AROUND } else { MAX_READ };
    let lines = &all[..all.len().min(limit)];
    match (focus, lines.first(), lines.last()) {
        (Some(_), Some(first), Some(last)) => {
            page.line(format!(
                "{}, lines {}-{}:",
                first.location.path, first.location.line, last.location.line
            ));
        }
        _ => page.line(format!("{}:", outcome.summary.trim_end_matches(':'))),
    }
    page.line("");
    let width = lines.iter().map(|evidence| evidence.location.line.to_string().len()).max().unwrap_or(1);
    for evidence in lines {
        page.line(format!("    {:>width$}  {}", evidence.location.line, evidence.text.trim_end()).trim_end());
    }
    // The line that was wanted is the place, or the first: those the results name. Each line as a citation would drown it.
    let wanted = lines.iter().find(|evidence| Some(evidence.location.line) == focus);
    if let Some(place) = wanted.or(lines.first()) {
        page.cite(&place.location);
    }
    if all.len() > lines.len() {
        page.line(format!("… {} more lines; ask for a range of lines", all.len() - lines.len()));
    }
}

/// The first line of the comment and the attributes right above a line.
fn comment_above(lines: &[Evidence], line: u32) -> u32 {
    let is_above = |text: &str| {
        ["//", "#", "@", "*", "/*", "--", ";;", "\"\"\""]
            .iter()
            .any(|start| text.trim_start().starts_with(start))
    };
    let above = lines.iter().rev().filter(|evidence| evidence.location.line < line);
    let comment = above.take(ABOVE).take_while(|evidence| is_above(&evidence.text)).last();
    comment.map_or(line, |evidence| evidence.location.line)
}

/// How many of `lines` there are up to the end of the block that begins at `line`: what is deeper than that line, and
/// what closes it.
fn block_end(lines: &[&Evidence], line: u32) -> usize {
    let depth = |text: &str| text.len() - text.trim_start().len();
    let Some(at) = lines.iter().position(|evidence| evidence.location.line == line) else {
        return lines.len();
    };
    let start = depth(&lines[at].text);
    let mut has_body = false;
    for (offset, evidence) in lines[at + 1..].iter().enumerate() {
        let text = evidence.text.trim();
        if text.is_empty() {
            continue;
        }
        if depth(&evidence.text) > start {
            has_body = true;
            continue;
        }
        let end = at + 1 + offset;
        match text.starts_with(['}', ')', ']']) || text == "end" {
            // `) -> Result {` goes on.
            true if text.ends_with(['{', ':']) => {}
            true => return end + 1,
            false if !has_body && text.starts_with(['{', 'w']) => {}
            false => return end,
        }
    }
    lines.len()
}

fn outline(page: &mut Page, outcome: &Outcome) {
    page.line(format!("{}:", outcome.summary));
    if outcome.evidence.is_empty() {
        return;
    }
    page.line("");
    let width =
        outcome.evidence.iter().map(|evidence| evidence.location.line.to_string().len()).max().unwrap_or(1);
    for evidence in outcome.evidence.iter().take(60) {
        page.cite(&evidence.location);
        page.line(format!("    {:>width$}  {}", evidence.location.line, evidence.text.trim_end()));
    }
    if outcome.evidence.len() > 60 {
        page.line(format!("… and {} more", outcome.evidence.len() - 60));
    }
}

fn files(page: &mut Page, call: &ToolCall, outcome: &Outcome) {
    let pattern = argument(call, "pattern");
    if outcome.evidence.is_empty() {
        page.line(format!("No files match `{pattern}`."));
        return;
    }
    page.line(format!("{} for `{pattern}`:", sentence(&outcome.summary).trim_end_matches('.')));
    for evidence in outcome.evidence.iter().take(40) {
        page.line(format!("- {}", evidence.text));
    }
    if outcome.evidence.len() > 40 {
        page.line(format!("… and {} more", outcome.evidence.len() - 40));
    }
}

fn matches(page: &mut Page, call: &ToolCall, outcome: &Outcome) {
    let pattern = argument(call, "pattern");
    let place = match (argument(call, "path"), argument(call, "glob")) {
        ("", "") => String::new(),
        ("", glob) => format!(" in `{glob}`"),
        (path, _) => format!(" in {path}"),
    };
    if outcome.evidence.is_empty() {
        page.line(format!("`{pattern}` does not occur{place}."));
        return;
    }
    page.line(format!("`{pattern}`{place}: {}.", outcome.summary));
    let shown = MAX_LISTED * 2;
    for evidence in outcome.evidence.iter().take(shown) {
        let place = page.cite(&evidence.location);
        page.line(format!("- {place}  `{}`", evidence.text.trim()));
    }
    rest_of(page, outcome.evidence.len(), shown);
}

fn change(page: &mut Page, outcome: &Outcome) {
    page.line(sentence(&outcome.summary));
    for evidence in outcome.evidence.iter().filter(|evidence| evidence.label == "changed") {
        let place = page.cite(&evidence.location);
        page.line(format!("- {place}  `{}`", evidence.text.trim()));
    }
    diff(page, outcome);
}

fn diff(page: &mut Page, outcome: &Outcome) {
    let Some(diff) = outcome.diff.as_deref().filter(|diff| !diff.trim().is_empty()) else { return };
    let lines: Vec<&str> = diff.lines().collect();
    page.line("");
    page.line("```diff");
    for line in lines.iter().take(MAX_DIFF) {
        page.line(line);
    }
    if lines.len() > MAX_DIFF {
        page.line(format!("… {} more lines", lines.len() - MAX_DIFF));
    }
    page.line("```");
}

fn command(page: &mut Page, call: &ToolCall, outcome: &Outcome) {
    // The summary is `COMMAND: exit code 0 after 1.2 s`.
    let (command, ended) = outcome.summary.rsplit_once(": ").unwrap_or((&outcome.summary, ""));
    let verdict = match (call.name.as_str(), argument(call, "task"), outcome.ok) {
        ("run", "test", true) => "The tests pass",
        ("run", "test", false) => "The tests do not pass",
        ("run", "build", true) => "It builds",
        ("run", "build", false) => "It does not build",
        ("run", "lint", true) => "The linter found nothing to fail on",
        ("run", "lint", false) => "The linter complains",
        ("run", "format", true) => "The formatter ran",
        (_, _, true) => "It ran",
        (_, _, false) => "It failed",
    };
    page.line(format!("{verdict}: `{command}`, {ended}."));
    let telling: Vec<&Evidence> = outcome.evidence.iter().collect();
    let wanted: Vec<&Evidence> = if outcome.ok {
        // Warnings name places too; when all is well, the last results are enough.
        let results: Vec<&Evidence> =
            telling.into_iter().filter(|evidence| evidence.label == "result").collect();
        results[results.len().saturating_sub(3)..].to_vec()
    } else {
        telling.into_iter().take(MAX_LISTED).collect()
    };
    if wanted.is_empty() {
        let tail: Vec<&str> = outcome.text.lines().filter(|line| !line.trim().is_empty()).collect();
        // The last line of the text is how it ended, which is told already.
        let tail = &tail[..tail.len().saturating_sub(1)];
        if !tail.is_empty() {
            page.line("");
            for line in &tail[tail.len().saturating_sub(12)..] {
                page.line(format!("    {line}"));
            }
        }
        return;
    }
    page.line("");
    for evidence in wanted {
        // A line that holds its place needs no second one before it.
        let place = page.cite(&evidence.location);
        let shown = evidence.text.trim();
        if place.is_empty() || shown.contains(&place) {
            page.line(format!("- {shown}"));
        } else {
            page.line(format!("- {place}  {shown}"));
        }
    }
}

fn git(page: &mut Page, call: &ToolCall, outcome: &Outcome) {
    let labelled =
        |label: &str| outcome.evidence.iter().filter(|evidence| evidence.label == label).collect::<Vec<_>>();
    match argument(call, "action") {
        "status" => {
            let branch = labelled("branch").first().map(|evidence| evidence.text.clone()).unwrap_or_default();
            let changed = labelled("status");
            if changed.is_empty() {
                page.line(format!("On branch {branch}; the working tree is clean."));
                return;
            }
            page.line(format!("On branch {branch}, {} changed:", changed.len()));
            for evidence in changed.iter().take(40) {
                page.line(format!("- {}", evidence.text));
            }
            rest_of(page, changed.len(), 40);
        }
        "diff" => {
            let total = labelled("total").first().map(|evidence| evidence.text.clone()).unwrap_or_default();
            page.line(sentence(total.trim_start_matches("diff: ")));
            for evidence in labelled("file").iter().take(MAX_LISTED) {
                let place = page.cite(&evidence.location);
                page.line(format!("- {}", if place.is_empty() { evidence.text.clone() } else { place }));
            }
            diff(page, outcome);
        }
        "log" => {
            let commits = labelled("commit");
            if commits.is_empty() {
                page.line("There are no commits.");
                return;
            }
            let path = argument(call, "path");
            let of = if path.is_empty() { String::new() } else { format!(" of {path}") };
            page.line(format!("The newest commits{of}:"));
            for evidence in commits {
                page.line(format!("- {}", evidence.text));
            }
        }
        "blame" => {
            for evidence in outcome.evidence.iter().take(MAX_LISTED * 2) {
                let place = page.cite(&evidence.location);
                page.line(format!("- {place}  {}  `{}`", evidence.label, evidence.text));
            }
            rest_of(page, outcome.evidence.len(), MAX_LISTED * 2);
        }
        _ => {
            let subject =
                labelled("commit").first().map(|evidence| evidence.text.clone()).unwrap_or_default();
            page.line(format!("{} {subject}", sentence(&outcome.summary).trim_end_matches('.')).trim_end());
        }
    }
}

fn todo(page: &mut Page, outcome: &Outcome) {
    let mut lines = outcome.text.lines();
    let head = lines.next().unwrap_or_default();
    let items: Vec<&str> = lines.collect();
    if items.is_empty() {
        page.line("The list is empty.");
        return;
    }
    page.line(if head.ends_with("items") || head.ends_with("item") {
        "The list:".to_owned()
    } else {
        sentence(head)
    });
    for item in items {
        page.line(item);
    }
}

fn rest(page: &mut Page, all: usize) {
    rest_of(page, all, MAX_LISTED);
}

fn rest_of(page: &mut Page, all: usize, shown: usize) {
    if all > shown {
        page.line(format!("… and {} more", all - shown));
    }
}
