//! Owns the rules that an approval may save: the literal text of what was shown, and nothing else.
//! Uses the grammar of rules to read back what it writes.
//! Never writes a rule that could match anything but what it was made from; where it cannot, there is none.

use crate::hidden::contains_hidden;
use crate::place::Place;
use crate::rule::{List, Rule, Spec};
use crate::shell::{Word, line};

/// The rule for one command: every word must stand for itself.
pub(crate) fn of_command(words: &[Word]) -> Option<String> {
    if words.is_empty() || words.iter().any(|word| word.known().is_none() || word.pipe) {
        return None;
    }
    let text = line(words);
    let rule = format!("Bash({})", text.replace('*', r"\*"));
    match Rule::read(&rule, List::Allow).spec {
        Spec::Command(pattern) if !contains_hidden(&text) && pattern.is_only(&text) => Some(rule),
        _ => None,
    }
}

/// The rule for one path, which must have one name only: where a link leads may change.
pub(crate) fn of_path(tool: &str, place: &Place) -> Option<String> {
    let [name] = place.names.as_slice() else { return None };
    let text = name.to_str()?.strip_prefix('/')?;
    if text.is_empty() || contains_hidden(text) || text.trim() != text {
        return None;
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    let rule = format!("{tool}(//{escaped})");
    matches!(Rule::read(&rule, List::Allow).spec, Spec::Path(_)).then_some(rule)
}

/// The rule for the host of a request: rules know nothing narrower.
pub(crate) fn of_host(host: &str) -> Option<String> {
    let rule = format!("WebFetch(domain:{host})");
    matches!(Rule::read(&rule, List::Allow).spec, Spec::Domain(ref domain) if domain == host && !host.contains('*'))
        .then_some(rule)
}

/// The rule for a tool of a server, by its whole name.
pub(crate) fn of_tool(tool: &str) -> Option<String> {
    (tool.starts_with("mcp__") && !tool.contains('*') && Rule::read(tool, List::Allow).spec == Spec::All)
        .then(|| tool.to_owned())
}

#[cfg(test)]
mod tests;
