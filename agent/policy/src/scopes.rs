//! Owns what scopes and circumstances make of rules, modes and findings (S12, S14).
//! Uses the context.
//! Never widens: whatever is added here can only turn an allow into a question and a question into a refusal.

use crate::finding::{Finding, Level};
use crate::{Context, Hook, Layer, Mode, Rule};

/// Whether an allow rule has an effect here. A repository can carry the files of its project and local layers.
pub(crate) fn counts(rule: &Rule, context: &Context) -> bool {
    let trusted = match rule.layer {
        Layer::Project | Layer::Local => context.trusted,
        Layer::User | Layer::CommandLine | Layer::Managed => true,
    };
    trusted && (rule.layer == Layer::Managed || !context.managed.only_managed_allow)
}

/// The mode that holds.
pub(crate) fn mode(mode: Mode, context: &Context) -> Mode {
    if mode == Mode::BypassPermissions && context.managed.no_bypass { Mode::Default } else { mode }
}

/// What the circumstances say about a call, whatever it is.
pub(crate) fn findings(context: &Context, tool: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(why) = &context.managed.broken {
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        found.push(Finding::firm(format!("the managed policy cannot be read, so everything asks{why}")));
    }
    match context.hook {
        None | Some(Hook::Allow) => {}
        Some(Hook::Ask) => found.push(Finding::firm("a hook asks for it")),
        Some(Hook::Deny) => found.push(Finding::new(Level::Deny, "a hook denies it")),
        Some(Hook::Error) => {
            found.push(Finding::new(Level::Deny, "a hook failed, and a hook that fails lets nothing pass"));
        }
    }
    for print in &context.fingerprints {
        if print.approved.is_none() || print.approved != print.current {
            found.push(Finding::firm(format!("{} is not the one that was approved", print.what)));
        }
    }
    if context.offline && matches!(tool, "WebFetch" | "WebSearch" | "FetchUrl" | "Fetch") {
        found.push(Finding::new(Level::Deny, OFFLINE));
    }
    found
}

pub(crate) const OFFLINE: &str = "it needs the network, and this is offline mode";
