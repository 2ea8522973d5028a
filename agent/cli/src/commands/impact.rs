//! Owns `loci impact`: what a change touches.
//! Uses the index alone.
//! Never changes anything, and runs no test.

use std::collections::BTreeSet;

use loci_index::{Change, Impact, Index, changes_of_diff};
use loci_tui::{Line, Style, visible};

use super::shown;
use crate::arguments::ImpactArguments;
use crate::errors::{Outcome, Usage};
use crate::input;
use crate::project::Project;

/// Files and tests that are shown.
const SHOWN: usize = 80;
/// Commands that are shown.
const COMMANDS: usize = 12;

/// Find and print: what changes, the files that use it by distance, the tests to run.
///
/// # Errors
/// When the index cannot be opened or read, or a diff holds no change.
pub(crate) fn run(project: &Project, arguments: &ImpactArguments) -> anyhow::Result<Outcome> {
    let index = project.fresh_index()?;
    let changes = changes(project, arguments)?;
    let found = index.impact(&changes, arguments.depth)?;
    if arguments.json {
        project.printer.json(&found)?;
    } else {
        print(project, &found)?;
    }
    if found.changed.is_empty() {
        return nothing(project, &index, &changes);
    }
    if found.files.is_empty() {
        project.printer.note("nothing else uses what changes");
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Done)
}

fn changes(project: &Project, arguments: &ImpactArguments) -> anyhow::Result<Vec<Change>> {
    if arguments.diff {
        let changes = changes_of_diff(&input::piped()?);
        if changes.is_empty() {
            return Err(Usage::error(
                "standard input holds no unified diff",
                "pipe one in: git diff | loci impact --diff",
            ));
        }
        return Ok(changes);
    }
    let of = |written: &String| {
        let path = project.relative(std::path::Path::new(written));
        if project.root.join(&path).is_file() { Change::File(path) } else { Change::Symbol(written.clone()) }
    };
    Ok(arguments.what.iter().map(of).collect())
}

fn nothing(project: &Project, index: &Index, changes: &[Change]) -> anyhow::Result<Outcome> {
    match changes {
        [Change::Symbol(symbol)] => shown::undefined(&project.printer, index, symbol)?,
        _ => project.printer.note("nothing that changes is defined by name"),
    }
    Ok(Outcome::Failed)
}

fn print(project: &Project, found: &Impact) -> anyhow::Result<()> {
    let printer = &project.printer;
    let heading = |text: String| printer.line(&Line::new(text, Style::Dim));
    if !found.changed.is_empty() {
        let names: BTreeSet<&str> = found.changed.iter().map(|one| one.name.as_str()).collect();
        let shown: Vec<&str> = names.iter().copied().take(12).collect();
        let rest = if names.len() > 12 { ", …" } else { "" };
        heading(format!("changes: {}{rest}", visible(&shown.join(", "))))?;
    }
    for file in found.files.iter().take(SHOWN) {
        let symbols: Vec<&str> = file.symbols.iter().map(String::as_str).take(6).collect();
        let more = if file.symbols.len() > 6 { ", …" } else { "" };
        let remark = shown::remark([
            Some(format!("distance {}", file.distance)),
            file.is_test.then(|| "test".to_owned()),
            file.uncertain.then(|| "uncertain".to_owned()),
        ]);
        let line = Line::new(visible(&file.path), Style::Bold)
            .with(format!("  {}{more}", visible(&symbols.join(", "))), Style::Plain)
            .with(format!("  ({remark})"), Style::Dim);
        printer.line(&line)?;
    }
    if found.files.len() > SHOWN {
        heading(format!("… and {} (--json)", shown::count(found.files.len() - SHOWN, "more file")))?;
    }
    if !found.tests.is_empty() {
        heading("tests to run:".to_owned())?;
        let commands: Vec<&str> = found.tests.iter().filter_map(|test| test.command.as_deref()).collect();
        let mut told = BTreeSet::new();
        let distinct: Vec<&str> = commands.into_iter().filter(|command| told.insert(*command)).collect();
        for command in distinct.iter().take(COMMANDS) {
            printer.line(&Line::new(format!("  {}", visible(command)), Style::Plain))?;
        }
        if distinct.len() > COMMANDS {
            heading(format!("  … and {} more (--json)", distinct.len() - COMMANDS))?;
        }
    }
    if found.cut {
        printer.note("there is more than was followed: ask for less at once, or with a smaller --depth");
    }
    Ok(())
}
