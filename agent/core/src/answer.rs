//! Owns the wording of answers for models that leave it to the program.
//! Uses the results of the turn, and nothing else.
//! Never cites a place that no result named, and never says that something was done when it was not.

mod narrate;

use loci_inference::provider::{Compose, ToolCall};
use loci_protocol::Location;

use crate::tools::Outcome;

/// An answer in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Composed {
    /// Plain text that reads as Markdown.
    pub text: String,
    /// The places it cites, in the order in which it cites them; each is in a result of the turn.
    pub citations: Vec<Location>,
}

/// What the answer may say about the program itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The model's name.
    pub model: String,
    /// The tasks the project has a command for.
    pub tasks: Vec<String>,
}

/// Word an answer to `request` from the calls of its turn.
#[must_use]
pub fn compose(kind: Compose, request: &str, outcomes: &[(ToolCall, Outcome)], facts: &Facts) -> Composed {
    match kind {
        Compose::Answer if outcomes.is_empty() => plain(decline(facts)),
        Compose::Answer => answer(request, outcomes),
        // What was done before the model gave up is told all the same.
        Compose::Decline if outcomes.iter().any(|(_, outcome)| !outcome.changed.is_empty()) => {
            let mut told = answer(request, outcomes);
            told.text.push_str("\n\n");
            told.text.push_str(&decline(facts));
            told
        }
        Compose::Decline => plain(decline(facts)),
        Compose::Smalltalk => plain(smalltalk(request, facts)),
    }
}

fn plain(text: String) -> Composed {
    Composed { text, citations: Vec::new() }
}

fn answer(request: &str, outcomes: &[(ToolCall, Outcome)]) -> Composed {
    let mut page = Page::default();
    for (at, (call, outcome)) in outcomes.iter().enumerate() {
        if is_worth_telling(at, outcomes) {
            page.paragraph();
            // What a later call shows whole is not begun here.
            page.shown_later = (at + 1..outcomes.len()).any(|later| focus(later, outcomes).is_some());
            narrate::tell(&mut page, request, call, outcome, focus(at, outcomes));
        }
    }
    page.finish()
}

/// Whether a call adds to what the others tell.
fn is_worth_telling(at: usize, outcomes: &[(ToolCall, Outcome)]) -> bool {
    let (call, outcome) = &outcomes[at];
    let same = |other: &ToolCall| other.name == call.name && other.arguments == call.arguments;
    let (before, after) = (&outcomes[..at], &outcomes[at + 1..]);
    if call.name == "run" || call.name == "bash" {
        // Tests that ran again after a change: the last word counts.
        return !after.iter().any(|(later, outcome)| same(later) && !outcome.brief.starts_with("failed:"))
            && (!before.iter().any(|(earlier, _)| same(earlier)) || !outcome.brief.starts_with("failed:"));
    }
    if before.iter().any(|(earlier, _)| same(earlier)) && !(call.name == "undo" && outcome.ok) {
        return false;
    }
    // A search that found nothing is told only when nothing else was found or done.
    let empty = is_search(&call.name) && outcome.evidence.is_empty() && outcome.changed.is_empty();
    let told = |(other, result): &(ToolCall, Outcome)| !is_search(&other.name) || !result.evidence.is_empty();
    !(empty && (after.iter().any(told) || before.iter().any(told)))
}

/// The line that a file was opened for: where the result before has a place in it.
fn focus(at: usize, outcomes: &[(ToolCall, Outcome)]) -> Option<u32> {
    let (call, outcome) = &outcomes[at];
    if call.name != "read" || call.arguments.contains_key("start") || call.arguments.contains_key("end") {
        return None;
    }
    let path = &outcome.locations.first()?.path;
    let found = outcomes[..at].iter().rev().find(|(earlier, _)| is_search(&earlier.name))?;
    found.1.locations.iter().find(|location| location.path == *path).map(|location| location.line)
}

fn is_search(tool: &str) -> bool {
    ["where", "callers", "search", "grep", "glob"].contains(&tool)
}

/// An answer in the making.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    citations: Vec<Location>,
    /// A later part shows the code that this one is about.
    pub(crate) shown_later: bool,
}

impl Page {
    /// A line; empty for a blank one.
    pub(crate) fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// The place as people read it, noted as cited. A result without a place has none to cite.
    pub(crate) fn cite(&mut self, location: &Location) -> String {
        if location.line == 0 || location.path.is_empty() {
            return String::new();
        }
        if !self.citations.contains(location) {
            self.citations.push(location.clone());
        }
        location.to_string()
    }

    /// A blank line between two parts.
    fn paragraph(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    fn finish(self) -> Composed {
        Composed { text: self.text.trim_end().to_owned(), citations: self.citations }
    }
}

/// What the built-in model cannot do, what it can, and where to get more.
fn decline(facts: &Facts) -> String {
    let run = match facts.tasks.as_slice() {
        [] => String::new(),
        tasks => format!("- run the project's own commands ({})\n", tasks.join(", ")),
    };
    format!(
        "This needs a larger model.\n\n\
         The built-in model can:\n\
         - find definitions, uses, tests and code by words\n\
         - show and outline files, list and grep them\n\
         - make exact edits: rename, replace, insert, create, delete, undo\n\
         {run}\
         - read git status, diff, log and blame, and commit\n\n\
         `loci models` lists larger models and what fits this machine; `loci -m PATH.gguf` uses one."
    )
}

fn smalltalk(request: &str, facts: &Facts) -> String {
    let words: Vec<String> = request
        .split(|character: char| !character.is_alphanumeric() && character != '\'')
        .map(|word| word.to_lowercase().replace('\'', ""))
        .filter(|word| !word.is_empty())
        .collect();
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    let model = if facts.model.is_empty() { "the built-in model" } else { facts.model.as_str() };
    let abilities = "I find definitions, uses and tests, search code by what it does, show and outline files, make exact \
                     edits, run the project's own commands, and read and write git. Ask for instance: \
                     \"where is X defined?\", \"who calls X?\", \"rename X to Y\", \"run the tests\".";
    if has(&["model", "llm"]) && has(&["which", "what", "who", "whose", "your"]) {
        return format!(
            "You are using {model}, and it runs inside this process. `loci models` lists others; `loci -m PATH.gguf` uses one."
        );
    }
    if has(&[
        "thanks",
        "thank",
        "thx",
        "thankyou",
        "cheers",
        "ty",
        "danke",
        "merci",
        "gracias",
        "appreciated",
    ]) {
        return "You're welcome.".into();
    }
    let asks = has(&["who", "what", "which", "can", "able", "help", "capabilities", "abilities", "features"]);
    if asks && has(&["you", "your", "u", "this", "help", "loci", "assistant", "tool"]) {
        return format!("I am Loci, a coding agent that works on this folder. {abilities}");
    }
    if has(&["bye", "goodbye", "later", "night"]) && !has(&["hello", "hi"]) {
        return "Goodbye.".into();
    }
    if has(&[
        "hello",
        "hi",
        "hey",
        "hiya",
        "yo",
        "morning",
        "evening",
        "afternoon",
        "day",
        "hallo",
        "howdy",
        "greetings",
        "heyy",
    ]) {
        return format!("Hello. I am Loci. {abilities}");
    }
    if has(&[
        "great",
        "good",
        "nice",
        "cool",
        "perfect",
        "awesome",
        "wonderful",
        "ok",
        "okay",
        "super",
        "excellent",
        "helps",
        "got",
    ]) {
        return "Good.".into();
    }
    format!("I am Loci. {abilities}")
}

#[cfg(test)]
mod tests;
