//! Owns whether a path may be read or written: by a tool, a redirect or an argument of a known command.
//! Uses the rules, the mode and the place.
//! Never allows writing to a protected place (S10).

use std::path::PathBuf;

use crate::Mode;
use crate::finding::{Finding, Level};
use crate::hidden::contains_hidden;
use crate::literal;
use crate::place::{Place, World};
use crate::rule::{List, Rule, RuleSet, Spec};

/// What happens to the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touch {
    Read,
    Write,
}

/// Judge one path for a tool (`Read`, `Edit`, `Write`, …).
pub(crate) fn judge(
    world: &World,
    rules: &RuleSet,
    mode: Mode,
    tool: &str,
    touch: Touch,
    place: &Place,
) -> Finding {
    let write = touch == Touch::Write;
    if let Some(finding) = restricted(rules, tool, touch, place) {
        return if write { finding.changing() } else { finding };
    }
    let finding = if place.names.iter().any(|name| contains_hidden(&name.to_string_lossy())) {
        Finding::firm("the path has hidden characters")
    } else if write && world.is_protected(place) {
        Finding::firm("the path is protected: what stands there decides what is run or allowed later")
    } else if let Some(rule) = allowing(rules, tool, place) {
        Finding::allow("a rule allows it").by(&rule.source)
    } else {
        match (touch, world.is_inside(place)) {
            (Touch::Read, true) => Finding::allow("it only reads, inside the working directories"),
            (Touch::Read, false) => Finding::ask("the path is outside the working directories")
                .lifted_by(literal::of_path("Read", place)),
            (Touch::Write, true) if mode == Mode::AcceptEdits => {
                Finding::allow("edits inside the working directories are accepted")
            }
            (Touch::Write, true) => {
                Finding::ask("it changes a file").lifted_by(literal::of_path("Edit", place))
            }
            (Touch::Write, false) => Finding::ask("it changes a file outside the working directories")
                .lifted_by(literal::of_path("Edit", place)),
        }
    };
    if write { finding.changing() } else { finding }
}

/// The deny or ask rule that holds for the path.
pub(crate) fn restricted(rules: &RuleSet, tool: &str, touch: Touch, place: &Place) -> Option<Finding> {
    let found = rules.about(tool, touch).filter_map(|(list, rule)| match &rule.spec {
        Spec::Path(pattern) if pattern.matches(list, place) => Some(by_list(list, rule)),
        Spec::All => Some(by_list(list, rule)),
        Spec::Broken(why) => Some(Finding::firm(format!("a rule cannot be read: {why}")).by(&rule.source)),
        _ => rule.fails.as_ref().map(|why| Finding::firm(why.clone()).by(&rule.source)),
    });
    // A rule that cannot be read must not hide one that denies.
    found.reduce(|first, second| if second.level > first.level { second } else { first })
}

/// The finding of a deny or ask rule.
pub(crate) fn by_list(list: List, rule: &Rule) -> Finding {
    match list {
        List::Deny => Finding::new(Level::Deny, "a rule denies it").by(&rule.source),
        _ => Finding::firm("a rule asks for it").by(&rule.source),
    }
}

/// The rule that allows the path; a link and where it leads may have one each.
fn allowing<'rules>(rules: &'rules RuleSet, tool: &str, place: &Place) -> Option<&'rules Rule> {
    let covering = |name: &PathBuf| {
        rules.allow.iter().find(|rule| {
            rule.names(tool, List::Allow)
                && match &rule.spec {
                    Spec::All => true,
                    Spec::Path(pattern) => pattern.matches_name(name),
                    _ => false,
                }
        })
    };
    let rules: Option<Vec<&Rule>> = place.names.iter().map(covering).collect();
    rules?.first().copied()
}
