//! Owns what one look at a call found, and how findings become one.
//! Uses nothing.
//! Never lets a later finding soften an earlier one.

use std::borrow::Cow;

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

/// A level with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    pub(crate) rule: Option<String>,
    /// Most reasons are fixed, and long commands have many.
    pub(crate) why: Cow<'static, str>,
    /// It is not known to leave everything as it is.
    pub(crate) changes: bool,
}

impl Finding {
    pub(crate) fn new(level: Level, why: impl Into<Cow<'static, str>>) -> Self {
        Self { level, rule: None, why: why.into(), changes: false }
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

    pub(crate) fn by(mut self, rule: &str) -> Self {
        self.rule = Some(rule.to_owned());
        self
    }

    pub(crate) fn changing(mut self) -> Self {
        self.changes = true;
        self
    }
}

/// The strictest of all findings; the first of its level gives the reason.
#[derive(Debug)]
pub(crate) struct Verdicts {
    worst: Option<Finding>,
    changes: bool,
}

impl Verdicts {
    pub(crate) fn new() -> Self {
        Self { worst: None, changes: false }
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        self.changes |= finding.changes;
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

    pub(crate) fn finish(self, otherwise: &'static str) -> Finding {
        let mut finding = self.worst.unwrap_or_else(|| Finding::allow(otherwise));
        finding.changes = self.changes;
        finding
    }
}
