//! Owns the tests that rules carry: calls that a rule must match, and calls that it must not.
//! Uses the engine on a tree in which nothing exists.
//! Never trusts a rule whose tests fail: it permits nothing, and what it restricts asks.

use std::path::{Path, PathBuf};

use crate::place::World;
use crate::rule::{List, Rule, RuleSet, Spec, is_editing, is_reading};
use crate::{Context, Files, Kind, bash, glob, host};

/// A tree in which nothing exists, and so no link.
struct Nothing;

impl Files for Nothing {
    fn resolve(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }

    fn kind(&self, _: &Path) -> Kind {
        Kind::Missing
    }
}

/// The first test of a rule that fails, in words.
pub(crate) fn failure(read: &Rule, written: &crate::Rule, list: List) -> Option<String> {
    if written.matches.is_empty() && written.not_matches.is_empty() {
        return None;
    }
    let project = PathBuf::from("/project");
    let context =
        Context { root: project.clone(), cwd: project, home: "/home/user".into(), ..Context::default() };
    let world = World::new(&context, &Nothing);
    let mut alone = RuleSet::of(Vec::new(), Vec::new(), Vec::new());
    match list {
        List::Deny => alone.deny.push(read.clone()),
        List::Ask => alone.ask.push(read.clone()),
        List::Allow => alone.allow.push(read.clone()),
    }
    alone.bind(&world);
    let rule = alone.deny.first().or(alone.ask.first()).or(alone.allow.first())?;
    let holds = |text: &str| matches(&world, &alone, rule, list, text);
    if let Some(text) = written.matches.iter().find(|text| !holds(text)) {
        return Some(format!(
            "it does not match `{}`, which its own test says it must",
            crate::hidden::escape(text)
        ));
    }
    let text = written.not_matches.iter().find(|text| holds(text))?;
    Some(format!("it matches `{}`, which its own test says it must not", crate::hidden::escape(text)))
}

fn matches(world: &World, alone: &RuleSet, rule: &Rule, list: List, text: &str) -> bool {
    match &rule.spec {
        Spec::Ignored(_) | Spec::Broken(_) => false,
        _ if rule.tool == "Bash" => bash::covered(world, alone, list, text),
        Spec::Command(_) => false,
        Spec::Path(pattern) => {
            let home = text.strip_prefix("~/").map(|rest| world.context.home.join(rest));
            let place = match &home {
                Some(path) => world.locate(Path::new("/"), &path.to_string_lossy()),
                None => world.locate(&world.context.cwd, text),
            };
            pattern.matches(list, &place)
        }
        Spec::Domain(pattern) => host::of(text).is_some_and(|host| host::matches(pattern, &host)),
        // The test gives the value of the parameter.
        Spec::Parameter(_, pattern) => glob::text_matches(pattern, text),
        // A rule for a whole tool: any path or address, or the name of a tool.
        Spec::All => {
            is_editing(&rule.tool)
                || is_reading(&rule.tool)
                || rule.tool == "WebFetch"
                || rule.names(text, list)
        }
    }
}
