//! Owns `loci policy`: which rules are in force, what they decide and why, and whether they do what they seem to.
//! Uses the same rules, context and disk as a session.
//! Never runs anything, and changes nothing but the rules that approvals saved.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use loci_core::config::{Config, SavedRules, Settings, rules::examine};
use loci_core::permission::{DiskFiles, Permissions, context, policy_mode};
use loci_core::policy::explain::{Explanation, InMode, Part, explain};
use loci_core::policy::{Decision, Rule, Verdict};
use loci_protocol::PermissionMode;
use loci_tui::{Line, Style, visible};
use serde_json::{Value, json};

use crate::arguments::{PolicyAction, PolicyExplainArguments};
use crate::errors::{Outcome, Usage};
use crate::printer::Printer;
use crate::project::Project;

/// Decide described calls: one a line in, one decision a line out, each as soon as it is read.
///
/// # Errors
/// When the calls cannot be read or the decisions cannot be written. A line that is no call is answered with a question.
pub(crate) fn check(printer: &Printer, cases: &Path) -> anyhow::Result<Outcome> {
    let mut input: Box<dyn BufRead> = if cases == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(cases).map_err(|error| {
            Usage::error(
                format!("{}: {error}", cases.display()),
                "name a file with one JSON object a line, or -",
            )
        })?;
        Box::new(BufReader::new(file))
    };
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        if !text.trim().is_empty() {
            printer.text(&(loci_core::policy::batch::answer(text.trim()) + "\n"))?;
        }
        line.clear();
    }
    Ok(Outcome::Done)
}

/// Everything that needs the project at hand.
///
/// # Errors
/// When the configuration cannot be used, or a rule cannot be forgotten.
pub(crate) fn run(project: &Project, action: &PolicyAction) -> anyhow::Result<Outcome> {
    match action {
        PolicyAction::Check { cases } => check(&project.printer, cases),
        PolicyAction::Explain(arguments) => explain_call(project, arguments),
        PolicyAction::List { json } => list(project, *json),
        PolicyAction::Show { json } => show(project, *json),
        PolicyAction::Forget { rule } => forget(project, rule),
        PolicyAction::Test => test(project),
    }
}

/// The rules of a list, with the word for what they do.
fn lists(settings: &Settings) -> [(&'static str, &[Rule]); 3] {
    let rules = &settings.rules;
    [("deny", &rules.deny), ("ask", &rules.ask), ("allow", &rules.allow)]
}

fn load(project: &Project) -> anyhow::Result<(Config, Settings)> {
    let config = project.config(Vec::new())?;
    let settings = project.settings(&config);
    Ok((config, settings))
}

fn list(project: &Project, json: bool) -> anyhow::Result<Outcome> {
    let (config, settings) = load(project)?;
    if json {
        let list: Vec<Value> = lists(&settings)
            .iter()
            .flat_map(|(name, rules)| rules.iter().map(move |rule| (name, rule)))
            .map(|(name, rule)| json!({ "list": name, "rule": rule.text, "layer": rule.layer, "origin": rule.origin, "network": rule.network }))
            .collect();
        project.printer.json(&list)?;
        return Ok(Outcome::Done);
    }
    let mut none = true;
    for (name, rules) in lists(&settings) {
        for rule in rules {
            none = false;
            let style = if name == "deny" { Style::Removed } else { Style::Plain };
            let mut line = Line::new(format!("{name:6}"), style).with(visible(&rule.text), Style::Bold);
            if !rule.network.is_empty() {
                line = line.with(format!("  reaches {}", visible(&rule.network.join(", "))), Style::Plain);
            }
            project.printer.line(&line.with(format!("  # {}", visible(&rule.origin)), Style::Dim))?;
        }
    }
    if none {
        project.printer.note(
            "no rule is in force: reading inside the project is free, and whatever changes something asks",
        );
    }
    waiting(project, &config);
    Ok(Outcome::Done)
}

/// What the project sets that has no effect yet.
fn waiting(project: &Project, config: &Config) {
    if config.inert.iter().any(|key| key == "allow") {
        project
            .printer
            .note("the project has allow rules that wait for `loci trust`; `loci trust --show` lists them");
    }
}

fn show(project: &Project, json: bool) -> anyhow::Result<Outcome> {
    let (_, settings) = load(project)?;
    let (mode, managed) = (settings.permission_mode, settings.managed.clone());
    let permissions = permissions(project, &settings)?;
    let hash = permissions.policy_hash(mode);
    if json {
        project.printer.json(&json!({
            "hash": hash,
            "mode": mode.name(),
            "rules": permissions.rules(),
            "managed_files": managed.files,
            "managed_rules_only": managed.managed_rules_only,
            "disable_bypass": managed.disable_bypass,
            "offline": settings.offline,
            "sandbox_required": managed.sandbox_required,
            "network": managed.network,
            "providers": managed.providers,
            "models": managed.models,
            "mcp": managed.mcp,
            "never_leaves": managed.never_leaves.iter().chain(settings.never_leaves.iter().map(|label| &label.pattern)).collect::<Vec<_>>(),
            "redact": managed.redact,
            "audit_required": managed.audit_required,
        }))?;
        return Ok(Outcome::Done);
    }
    let say = |name: &str, value: String| {
        project.printer.line(&Line::new(format!("{name:20}"), Style::Dim).with(visible(&value), Style::Plain))
    };
    say("hash", hash)?;
    say("mode", mode.name().into())?;
    for (name, rules) in lists(&settings) {
        for rule in rules {
            say(name, format!("{}  ({})", rule.text, rule.origin))?;
        }
    }
    if settings.offline {
        say("offline", "nothing goes over the network".into())?;
    }
    for label in &settings.never_leaves {
        say("never_leaves", format!("{}  ({})", label.pattern, label.origin))?;
    }
    for file in &managed.files {
        say("policy of the machine", file.display().to_string())?;
    }
    for (name, value) in managed.said() {
        say(&name, value)?;
    }
    Ok(Outcome::Done)
}

fn permissions(project: &Project, settings: &Settings) -> anyhow::Result<Permissions> {
    let context = context(&project.root, &project.places, settings, project.trusted()?);
    Ok(Permissions::new(settings.rules.clone(), context).under(settings.managed.clone()))
}

fn forget(project: &Project, rule: &str) -> anyhow::Result<Outcome> {
    if SavedRules::of(&project.places, &project.root).remove(rule)? {
        project.printer.line(&Line::new(format!("forgotten: {}", visible(rule)), Style::Plain))?;
        return Ok(Outcome::Done);
    }
    let (_, settings) = load(project)?;
    let elsewhere =
        lists(&settings).into_iter().flat_map(|(_, rules)| rules).find(|known| known.text == rule);
    Err(match elsewhere {
        Some(known) => Usage::error(
            format!("`{rule}` was not saved by an approval: it stands in {}", known.origin),
            "take it out there",
        ),
        None => Usage::error(
            format!("no rule `{rule}` was saved for this project"),
            "`loci policy list` shows them",
        ),
    })
}

fn test(project: &Project) -> anyhow::Result<Outcome> {
    // Reading the configuration fails where a rule of the user's fails a test of its own.
    let (config, settings) = load(project)?;
    let (mut rules, mut tests, mut odd) = (0, 0, 0);
    for (name, list) in lists(&settings) {
        for rule in list {
            let carried = rule.matches.len() + rule.not_matches.len();
            let checked = examine(name, rule);
            odd += checked.odd.len() + checked.failed.len();
            rules += 1;
            tests += carried;
            if carried > 0 && checked.failed.is_empty() {
                let line = Line::new("ok    ", Style::Added)
                    .with(format!("{name} {}", visible(&rule.text)), Style::Plain)
                    .with(format!("  {carried} tests  # {}", visible(&rule.origin)), Style::Dim);
                project.printer.line(&line)?;
            }
        }
    }
    for failed in &config.failing {
        project.printer.line(&Line::new("failed ", Style::Removed).with(visible(failed), Style::Plain))?;
    }
    let text = format!("{rules} rules, {tests} tests, {} failed, {odd} odd", config.failing.len());
    project.printer.line(&Line::new(text, Style::Dim))?;
    Ok(if config.failing.is_empty() && odd == 0 { Outcome::Done } else { Outcome::Failed })
}

fn explain_call(project: &Project, arguments: &PolicyExplainArguments) -> anyhow::Result<Outcome> {
    let (_, settings) = load(project)?;
    let input = match (&arguments.command, &arguments.input) {
        (Some(command), _) => json!({ "command": command }),
        (None, Some(text)) => serde_json::from_str(text).map_err(|error| {
            Usage::error(
                format!("--input is no JSON: {error}"),
                r#"such as --tool Read --input '{"file_path": "x"}'"#,
            )
        })?,
        (None, None) => return Err(Usage::error("there is no call to explain", "name a command")),
    };
    let mode = arguments.mode.unwrap_or(settings.permission_mode);
    let context = context(&project.root, &project.places, &settings, project.trusted()?);
    let explained = explain(&settings.rules, &context, &arguments.tool, &input, &DiskFiles);
    if arguments.json {
        project.printer.json(&explained)?;
        return Ok(Outcome::Done);
    }
    for line in account(&explained, mode) {
        project.printer.line(&line)?;
    }
    Ok(Outcome::Done)
}

/// The words for a verdict, and how they look.
fn verdict(verdict: Verdict) -> (&'static str, Style) {
    match verdict {
        Verdict::Allow => ("allow", Style::Added),
        Verdict::Ask => ("ask", Style::Warning),
        Verdict::Deny => ("deny", Style::Removed),
    }
}

fn reason(decision: &Decision) -> String {
    match (&decision.rule, &decision.origin) {
        (Some(rule), Some(origin)) => visible(&format!("{} (rule {rule}, {origin})", decision.why)),
        (Some(rule), None) => visible(&format!("{} (rule {rule})", decision.why)),
        (None, _) => visible(&decision.why),
    }
}

fn account(explained: &Explanation, mode: PermissionMode) -> Vec<Line> {
    let wanted = policy_mode(mode);
    let Some(chosen) = explained.modes.iter().find(|in_mode| in_mode.mode == wanted) else {
        return Vec::new();
    };
    let (word, style) = verdict(chosen.decision.decision);
    let mut lines =
        vec![Line::new(word, style).with(format!(": {}", reason(&chosen.decision)), Style::Plain)];
    for doubt in &explained.doubts {
        lines.push(Line::new(format!("  cannot be read with certainty: {}", visible(doubt)), Style::Warning));
    }
    for rule in &explained.rules {
        let text = format!("  {} {}", rule.list, visible(&rule.rule));
        lines.push(Line::new(text, Style::Plain).with(format!("  # {}", visible(&rule.origin)), Style::Dim));
    }
    if explained.parts.len() > 1 || explained.tool == "Bash" {
        for part in &explained.parts {
            lines.extend(part_lines(part));
        }
    }
    if !chosen.decision.rules.is_empty() {
        lines.push(Line::new("an approval can save:", Style::Dim));
        for rule in &chosen.decision.rules {
            lines.push(Line::new(format!("  {}", visible(rule)), Style::Plain));
        }
    }
    if !chosen.decision.network.is_empty() {
        let hosts = visible(&chosen.decision.network.join(", "));
        lines.push(Line::new(format!("it may reach {hosts}"), Style::Dim));
    }
    let others: Vec<String> = explained
        .modes
        .iter()
        .filter(|in_mode| in_mode.mode != wanted)
        .map(|InMode { mode, decision }| format!("{} {}", name_of(*mode), verdict(decision.decision).0))
        .collect();
    lines.push(Line::new(format!("in other modes: {}", others.join(", ")), Style::Dim));
    lines
}

fn name_of(mode: loci_core::policy::Mode) -> &'static str {
    PermissionMode::ALL
        .into_iter()
        .find(|known| policy_mode(*known) == mode)
        .map_or("?", PermissionMode::name)
}

fn part_lines(part: &Part) -> Vec<Line> {
    let (word, style) = verdict(part.decision.decision);
    let text = visible(&part.text).replace('\n', " ⏎ ");
    let mut lines = vec![
        Line::new(format!("  {word:5} "), style)
            .with(text, Style::Bold)
            .with(format!("  {}", reason(&part.decision)), Style::Dim),
    ];
    for (name, items) in [("reads", &part.reads), ("writes", &part.writes), ("names", &part.hosts)] {
        if !items.is_empty() {
            lines.push(Line::new(format!("        {name} {}", visible(&items.join(", "))), Style::Dim));
        }
    }
    for rule in &part.rules {
        let text = format!("        {} {}  # {}", rule.list, visible(&rule.rule), visible(&rule.origin));
        lines.push(Line::new(text, Style::Dim));
    }
    lines
}
