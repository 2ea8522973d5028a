//! Owns the decision for each tool, and what the mode makes of it (S13).
//! Uses `bash` for commands and `path_check` for paths.
//! Never lets a mode override a deny rule, an explicit ask rule, or what is never allowed by itself.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::finding::{Finding, Level, Outcome, Source, Verdicts};
use crate::hidden::{contains_hidden, escape};
use crate::path_check::{Touch, by_list, judge, restricted};
use crate::place::{Place, World};
use crate::rule::{List, RuleSet, Spec, is_editing, is_reading};
use crate::{Context, Decision, Files, Mode, Rules, Verdict, bash, host, literal, scopes};

pub(crate) fn decide(
    rules: &Rules,
    mode: Mode,
    context: &Context,
    tool: &str,
    input: &Value,
    files: &dyn Files,
) -> Decision {
    let world = World::new(context, files);
    let rules = RuleSet::bound(rules, &world);
    decide_bound(&world, &rules, mode, tool, input)
}

/// Decide with rules that are bound to the call.
pub(crate) fn decide_bound(
    world: &World,
    rules: &RuleSet,
    mode: Mode,
    tool: &str,
    input: &Value,
) -> Decision {
    let mode = scopes::mode(mode, world.context);
    let mut call = Call { world, rules, mode, tool, input, verdicts: Verdicts::new(), parts: Vec::new() };
    for finding in scopes::findings(world.context, tool) {
        call.verdicts.add(finding);
    }
    call.parameters();
    call.judge();
    let Call { verdicts, parts, .. } = call;
    under(mode, tool, verdicts.finish("nothing in it needs a question"), parts)
}

/// What the mode makes of what was found.
pub(crate) fn under(mode: Mode, tool: &str, outcome: Outcome, parts: Vec<String>) -> Decision {
    let Outcome { finding: Finding { level, rule, why, changes, .. }, literals, network, repository } =
        outcome;
    let why = why.into_owned();
    let decided = |decision, rule: Option<Arc<Source>>, why: String| Decision {
        decision,
        rule: rule.as_ref().map(|rule| rule.text.clone()),
        origin: rule.map(|rule| rule.origin.clone()),
        why,
        parts,
        rules: if decision == Verdict::Ask { literals } else { Vec::new() },
        network,
        repository,
    };
    if level == Level::Deny {
        return decided(Verdict::Deny, rule, why);
    }
    match mode {
        Mode::Plan if changes && is_editing(tool) => {
            decided(Verdict::Deny, None, "plan mode never edits: describe the change instead".into())
        }
        Mode::Plan if changes => decided(
            Verdict::Deny,
            None,
            format!("plan mode runs only what is known to read, and this is not: {why}"),
        ),
        Mode::DontAsk if level > Level::Allow => {
            decided(Verdict::Deny, rule, format!("{why}, and this mode does not ask"))
        }
        Mode::BypassPermissions if level == Level::Ask => {
            decided(Verdict::Allow, None, "questions are switched off in this mode".into())
        }
        _ if level == Level::Allow => decided(Verdict::Allow, rule, why),
        _ => decided(Verdict::Ask, rule, why),
    }
}

struct Call<'call> {
    world: &'call World<'call>,
    rules: &'call RuleSet,
    mode: Mode,
    tool: &'call str,
    input: &'call Value,
    verdicts: Verdicts,
    parts: Vec<String>,
}

impl<'call> Call<'call> {
    /// Rules about the parameters of a call.
    fn parameters(&mut self) {
        for (list, rule) in self.rules.restrictions() {
            if matches!(rule.spec, Spec::Parameter(..))
                && rule.names(self.tool, list)
                && rule.takes(self.input)
            {
                self.verdicts.add(by_list(list, rule));
            }
        }
    }

    fn judge(&mut self) {
        match self.tool {
            "Bash" => match self.text("command") {
                Some(command) => {
                    bash::judge(
                        self.world,
                        self.rules,
                        self.mode,
                        command,
                        &mut self.verdicts,
                        &mut self.parts,
                    );
                }
                None => self.unusable("no command"),
            },
            "WebFetch" => self.fetch(),
            "Glob" => self.search("pattern"),
            "Grep" => self.search("glob"),
            tool if is_editing(tool) => self.paths(Touch::Write),
            tool if is_reading(tool) => self.paths(Touch::Read),
            _ => self.other(),
        }
    }

    fn text(&self, name: &str) -> Option<&'call str> {
        self.input.get(name).and_then(Value::as_str)
    }

    fn unusable(&mut self, what: &str) {
        self.general();
        let finding = Finding::firm(format!("the call has {what}"));
        self.verdicts.add(if is_editing(self.tool) || self.tool == "Bash" {
            finding.changing()
        } else {
            finding
        });
    }

    /// Tools with one path.
    fn paths(&mut self, touch: Touch) {
        let names = ["file_path", "notebook_path", "path"];
        let written: Vec<&str> =
            names.into_iter().filter_map(|name| self.input.get(name).and_then(Value::as_str)).collect();
        if written.is_empty() || written.iter().any(|path| path.is_empty()) {
            return self.unusable("no path");
        }
        for path in written {
            self.path(path, touch);
        }
    }

    fn path(&mut self, written: &str, touch: Touch) {
        if contains_hidden(written) {
            let finding = Finding::firm("the path has hidden characters");
            self.verdicts.add(if touch == Touch::Write { finding.changing() } else { finding });
        }
        let mut place = self.world.locate(&self.world.context.cwd, written);
        if let Some(rest) = written.strip_prefix('~') {
            // Our tools take `~` as a name; somebody else's may take it as home. Both must be fine.
            let home = format!("{}{rest}", self.world.context.home.display());
            let mut names = place.names;
            names.extend(self.world.locate(Path::new("/"), &home).names);
            place = self.world.place(names);
        }
        self.parts.push(escape(&place.shown()));
        self.verdicts.add(judge(self.world, self.rules, self.mode, self.tool, touch, &place));
    }

    /// Tools that look for files below a folder, with a pattern that may lead elsewhere.
    fn search(&mut self, pattern: &str) {
        let folder = self.text("path").filter(|path| !path.is_empty()).unwrap_or(".");
        self.path(folder, Touch::Read);
        let Some(pattern) = self.text(pattern) else { return };
        if self.tool == "Glob" && contains_hidden(pattern) {
            self.verdicts.add(Finding::firm("the pattern has hidden characters"));
        }
        let wild = pattern.find(['*', '?', '[', '{']).unwrap_or(pattern.len());
        let (known, rest) = pattern.split_at(wild);
        if rest.split(['/', ',', '{', '}']).any(|part| part == "..") {
            self.verdicts.add(Finding::ask("where the pattern leads is not known"));
        }
        let start =
            if rest.is_empty() { known } else { known.rsplit_once('/').map_or("", |(start, _)| start) };
        if pattern.starts_with('/') || !start.is_empty() {
            let start = if start.is_empty() { "/" } else { start };
            let base = self.world.locate(&self.world.context.cwd, folder);
            let base = base.names.first().cloned().unwrap_or_default();
            let place: Place = self.world.locate(&base, start);
            self.parts.push(escape(&place.shown()));
            self.verdicts.add(judge(self.world, self.rules, self.mode, self.tool, Touch::Read, &place));
        }
    }

    fn fetch(&mut self) {
        let Some(address) = self.text("url") else { return self.unusable("no address") };
        self.parts.push(escape(address));
        if contains_hidden(address) {
            self.verdicts.add(Finding::firm("the address has hidden characters"));
        }
        let host = host::of(address);
        let perhaps = if host.is_none() { host::perhaps(address) } else { None };
        for (list, rule) in self.rules.restrictions() {
            let Spec::Domain(pattern) = &rule.spec else { continue };
            match &host {
                Some(host) if host::matches(pattern, host) => self.verdicts.add(by_list(list, rule)),
                None if perhaps.as_ref().is_some_and(|host| host::matches(pattern, host)) => {
                    self.verdicts.add(by_list(list, rule));
                }
                // It may be the host of the rule, written in a way that we do not read.
                None => self
                    .verdicts
                    .add(Finding::firm("the host of the address cannot be read").by(&rule.source)),
                Some(_) => {}
            }
        }
        self.general();
        let allowing = self.rules.allow.iter().find(|rule| match (&rule.spec, &host) {
            (Spec::All, Some(_)) => rule.names("WebFetch", List::Allow),
            (Spec::Domain(pattern), Some(host)) => host::matches(pattern, host),
            _ => false,
        });
        self.verdicts.add(match (allowing, host) {
            (Some(rule), _) => Finding::allow("a rule allows it").by(&rule.source),
            (None, Some(host)) => {
                Finding::ask(format!("it sends a request to {host}")).lifted_by(literal::of_host(&host))
            }
            (None, None) => Finding::ask("the host of the address cannot be read"),
        });
    }

    /// Rules about the tool as a whole.
    fn general(&mut self) {
        for (list, rule) in self.rules.restrictions().filter(|(list, rule)| rule.names(self.tool, *list)) {
            match rule.spec {
                Spec::All => self.verdicts.add(by_list(list, rule)),
                Spec::Broken(why) => {
                    self.verdicts
                        .add(Finding::firm(format!("a rule cannot be read: {why}")).by(&rule.source));
                }
                _ => {}
            }
            if let Some(why) = &rule.fails {
                self.verdicts.add(Finding::firm(why.clone()).by(&rule.source));
            }
        }
    }

    /// MCP tools and whatever is not known here.
    fn other(&mut self) {
        self.general();
        self.parts.push(escape(self.tool));
        let known = self.tool.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        if !known {
            self.verdicts.add(Finding::firm("the name of the tool has odd characters"));
        }
        let allowing =
            self.rules.allow.iter().find(|rule| rule.spec == Spec::All && rule.names(self.tool, List::Allow));
        self.verdicts.add(match allowing {
            // What it does is not known, so a plan leaves it to the user.
            Some(rule) if self.mode == Mode::Plan => {
                Finding::ask("plan mode asks before tools that may change something").by(&rule.source)
            }
            Some(rule) => Finding::allow("a rule allows it").by(&rule.source),
            None => Finding::ask("no rule allows it").lifted_by(literal::of_tool(self.tool)),
        });
    }
}

pub(crate) fn may_show(rules: &Rules, context: &Context, path: &Path, files: &dyn Files) -> bool {
    let world = World::new(context, files);
    let rules = RuleSet::bound(rules, &world);
    let place = world.locate(&context.cwd, &path.to_string_lossy());
    let found = restricted(&rules, "Read", Touch::Read, &place);
    found.is_none_or(|finding| finding.level != Level::Deny)
}
