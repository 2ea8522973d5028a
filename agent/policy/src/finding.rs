//! Owns what one look at a call found, and how findings become one.
//! Uses nothing.
//! Never lets a later finding soften an earlier one.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How far a call may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Allow,
    /// Nothing allows it.
    Ask,
    /// Ask whatever the mode: a rule, or something that is never allowed by itself.
    Firm,
    Deny,
}

/// A rule as it was written, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) text: String,
    pub(crate) origin: String,
    pub(crate) network: Vec<String>,
}

/// What a finding says about the network of a command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Nothing: it is no program, or one that cannot use a network.
    #[default]
    Silent,
    /// It is a program, and may reach what the rule says.
    AsRuled,
}

/// A level with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    pub(crate) rule: Option<Arc<Source>>,
    /// Most reasons are fixed, and long commands have many.
    pub(crate) why: Cow<'static, str>,
    /// It is not known to leave everything as it is.
    pub(crate) changes: bool,
    /// The literal rule under which just this would be allowed, for a question that a rule may answer.
    pub(crate) literal: Option<String>,
    pub(crate) reach: Reach,
}

impl Finding {
    pub(crate) fn new(level: Level, why: impl Into<Cow<'static, str>>) -> Self {
        Self { level, rule: None, why: why.into(), changes: false, literal: None, reach: Reach::Silent }
    }

    pub(crate) fn allow(why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Level::Allow, why)
    }

    pub(crate) fn ask(why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Level::Ask, why)
    }

    pub(crate) fn firm(why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Level::Firm, why)
    }

    pub(crate) fn by(mut self, rule: &Arc<Source>) -> Self {
        self.rule = Some(Arc::clone(rule));
        self
    }

    pub(crate) fn changing(mut self) -> Self {
        self.changes = true;
        self
    }

    /// A program that runs under the rule, and reaches what the rule opens.
    pub(crate) fn running(mut self) -> Self {
        self.reach = Reach::AsRuled;
        self
    }

    /// A question that this rule would answer.
    pub(crate) fn lifted_by(mut self, literal: Option<String>) -> Self {
        self.literal = literal;
        self
    }
}

/// More questions than this are not answered by saved rules: nobody reads such a list.
const MOST_LITERALS: usize = 32;

/// The strictest of all findings; the first of its level gives the reason.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    worst: Option<Finding>,
    changes: bool,
    literals: Vec<String>,
    /// Something asks that no saved rule may answer.
    unliftable: bool,
    network: BTreeSet<String>,
    /// Some part may not reach anything.
    closed: bool,
    /// A part is a program that writes to the repository's own folder.
    pub(crate) repository: bool,
}

/// What all findings come to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) finding: Finding,
    pub(crate) literals: Vec<String>,
    pub(crate) network: Vec<String>,
    pub(crate) repository: bool,
}

impl Verdicts {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        self.changes |= finding.changes;
        match (finding.level, finding.reach, &finding.rule) {
            (Level::Allow, Reach::Silent, _) => {}
            (Level::Allow, Reach::AsRuled, Some(rule)) if !rule.network.is_empty() => {
                self.network.extend(rule.network.iter().cloned());
            }
            _ => self.closed = true,
        }
        if finding.level == Level::Ask
            && let Some(literal) = &finding.literal
            && self.literals.len() < MOST_LITERALS
        {
            if !self.literals.contains(literal) {
                self.literals.push(literal.clone());
            }
        } else if finding.level > Level::Allow {
            self.unliftable = true;
        }
        if self.worst.as_ref().is_none_or(|worst| finding.level > worst.level) {
            self.worst = Some(finding);
        } else if let Some(worst) = &mut self.worst
            && worst.rule.is_none()
            && worst.level == finding.level
            && finding.rule.is_some()
        {
            // Among equals the one that names a rule explains more.
            *worst = finding;
        }
    }

    /// Whether literal rules would answer the question.
    pub(crate) fn has_literals(&self) -> bool {
        !self.unliftable && !self.literals.is_empty()
    }

    /// Whether a literal rule is still worth building.
    pub(crate) fn takes_literals(&self) -> bool {
        !self.unliftable && self.literals.len() < MOST_LITERALS
    }

    /// The strictest level so far.
    pub(crate) fn level(&self) -> Level {
        self.worst.as_ref().map_or(Level::Allow, |worst| worst.level)
    }

    pub(crate) fn finish(self, otherwise: &'static str) -> Outcome {
        let mut finding = self.worst.unwrap_or_else(|| Finding::allow(otherwise));
        finding.changes = self.changes;
        let literals = if self.unliftable { Vec::new() } else { self.literals };
        let network = if self.closed { Vec::new() } else { self.network.into_iter().collect() };
        Outcome { finding, literals, network, repository: self.repository }
    }
}
