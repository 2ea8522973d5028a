//! Owns the account of a decision for people: every part as it was read, what it touches, which rules are about it, and
//! what each mode would decide.
//! Uses the same rooms as the decision itself.
//! Never decides anything: what it shows of a decision is the decision.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::place::World;
use crate::rule::{List, Rule, RuleSet, Spec};
use crate::{Context, Decision, Files, Mode, Rules, bash, tools};

/// The account of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The tool.
    pub tool: String,
    /// Its parts, in the order in which they were read: commands, or the call itself.
    pub parts: Vec<Part>,
    /// What could not be read with certainty.
    pub doubts: Vec<String>,
    /// Rules that are about the call as a whole.
    pub rules: Vec<Matching>,
    /// The decision in each mode, the default first.
    pub modes: Vec<InMode>,
}

/// One sub-command, or the call of another tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// As it was written, hidden characters escaped.
    pub text: String,
    /// Its words after quote removal; empty for other tools.
    pub words: Vec<String>,
    /// Files that it reads, or may read, with links followed.
    pub reads: Vec<String>,
    /// Files that it writes, or may write.
    pub writes: Vec<String>,
    /// Hosts that its arguments name.
    pub hosts: Vec<String>,
    /// Rules that are about it.
    pub rules: Vec<Matching>,
    /// What would be decided if it stood alone, where the call stands, in the mode of the call.
    pub decision: Decision,
}

/// A rule that is about something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matching {
    /// `deny`, `ask` or `allow`.
    pub list: String,
    /// As written.
    pub rule: String,
    /// Where it stands.
    pub origin: String,
}

/// A decision under a mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InMode {
    /// The mode.
    pub mode: Mode,
    /// What it decides.
    pub decision: Decision,
}

const MODES: [Mode; 5] =
    [Mode::Default, Mode::AcceptEdits, Mode::Plan, Mode::DontAsk, Mode::BypassPermissions];

/// Explain one call. The arguments are those of [`crate::decide`], and so is every decision in it.
#[must_use]
pub fn explain(
    rules: &Rules,
    context: &Context,
    tool: &str,
    input: &Value,
    files: &dyn Files,
) -> Explanation {
    let world = World::new(context, files);
    let set = RuleSet::bound(rules, &world);
    let decided = |mode| tools::decide_bound(&world, &set, mode, tool, input);
    let modes: Vec<InMode> = MODES.map(|mode| InMode { mode, decision: decided(mode) }).into();
    let command = (tool == "Bash").then(|| input.get("command").and_then(Value::as_str)).flatten();
    let (parts, doubts) = match command {
        Some(command) => bash::account(&world, &set, command),
        None => (vec![whole(&modes[0].decision)], Vec::new()),
    };
    let general = |list: List, rule: &&Rule| {
        rule.names(tool, list)
            && match rule.spec {
                Spec::All => true,
                Spec::Parameter(..) => rule.takes(input),
                _ => false,
            }
    };
    let mut matching = listed(&set, |list, rule| general(list, &rule));
    let named =
        modes.iter().filter_map(|mode| mode.decision.rule.as_deref().zip(mode.decision.origin.as_deref()));
    for (rule, origin) in named {
        let known = matching.iter().any(|found| found.rule == rule)
            || parts.iter().flat_map(|part| &part.rules).any(|found| found.rule == rule);
        if !known {
            let list = set.list_of(rule).unwrap_or("deny").to_owned();
            matching.push(Matching { list, rule: rule.to_owned(), origin: origin.to_owned() });
        }
    }
    Explanation { tool: tool.to_owned(), parts, doubts, rules: matching, modes }
}

/// Every rule that holds, with its list.
pub(crate) fn listed(set: &RuleSet, holds: impl Fn(List, &Rule) -> bool) -> Vec<Matching> {
    let lists =
        [("deny", List::Deny, &set.deny), ("ask", List::Ask, &set.ask), ("allow", List::Allow, &set.allow)];
    let mut found = Vec::new();
    for (name, list, rules) in lists {
        for rule in rules.iter().filter(|rule| holds(list, rule)) {
            found.push(Matching {
                list: name.to_owned(),
                rule: rule.source.text.clone(),
                origin: rule.source.origin.clone(),
            });
        }
    }
    found
}

/// The one part of a call that is no command.
fn whole(decision: &Decision) -> Part {
    Part {
        text: decision.parts.join(", "),
        words: Vec::new(),
        reads: Vec::new(),
        writes: Vec::new(),
        hosts: Vec::new(),
        rules: Vec::new(),
        decision: decision.clone(),
    }
}

#[cfg(test)]
mod tests;
