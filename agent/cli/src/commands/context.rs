//! Owns `loci context`: what was in the window of a session, and from where on two requests differ.
//! Uses the session's log alone; no model.
//! Never shows a window otherwise than the model read it.

mod replay;

use loci_core::context::diff::{self, Change, Difference};
use loci_core::context::replay::written;
use loci_core::context::report::{self, NoStep};
use loci_core::session::log::{self, Record};
use loci_tui::{Line, Style, clip, context_lines, one_line, visible};
use serde_json::json;

use super::recall;
use crate::arguments::{
    ContextAction, ContextArguments, ContextDiffArguments, ContextShowArguments, SharedArguments,
};
use crate::errors::{Failed, Outcome, Usage};
use crate::project::Project;

/// Entries of each list, unless all of them are wanted.
const LISTED: usize = 12;
/// Rows of text around a change.
const ROWS: usize = 6;

/// Show, compare or replay.
///
/// # Errors
/// When there is no such session or request, or a file cannot be read.
pub(crate) fn run(
    project: &Project,
    shared: &SharedArguments,
    arguments: &ContextArguments,
) -> anyhow::Result<Outcome> {
    match &arguments.action {
        ContextAction::Show(arguments) => show(project, arguments),
        ContextAction::Diff(arguments) => compare(project, arguments),
        ContextAction::Replay(arguments) => {
            let root = shared.directory.is_some().then(|| project.root.clone());
            replay::run(project, root, arguments)
        }
    }
}

/// The session that is meant, and the records of it that count.
fn records(project: &Project, named: &str) -> anyhow::Result<(String, Vec<Record>)> {
    let id = recall::session(project, named)?;
    let loaded = log::read(&project.places.sessions(&project.root).join(format!("{id}.jsonl")))?;
    if let Some(damage) = &loaded.damage {
        project.printer.note(&format!("the end of the session's log is damaged: {}", visible(&damage.why)));
    }
    Ok((id, log::effective(&loaded.records).into_iter().cloned().collect()))
}

fn explain(error: NoStep) -> anyhow::Error {
    match error {
        NoStep::Unknown { steps, .. } => {
            Usage::error(error.to_string(), format!("name one from 1 to {steps}"))
        }
        NoStep::Nothing => {
            Failed::error(error.to_string(), "name another session; `loci sessions` lists them")
        }
    }
}

fn show(project: &Project, arguments: &ContextShowArguments) -> anyhow::Result<Outcome> {
    let (id, records) = records(project, &arguments.choice.session)?;
    let step = arguments.at.map(|step| step as usize);
    let past = report::at(&records, step).map_err(explain)?;
    let printer = &project.printer;
    if arguments.messages {
        let messages = past.messages();
        if arguments.json {
            printer.json(
                &json!({ "session": id, "request": past.step, "requests": past.steps, "messages": messages }),
            )?;
        } else {
            printer.text(&format!("{}\n", visible(&written(&messages))))?;
        }
        return Ok(Outcome::Done);
    }
    let told = past.report();
    if arguments.json {
        printer
            .json(&json!({ "session": id, "request": past.step, "requests": past.steps, "window": told }))?;
        return Ok(Outcome::Done);
    }
    let head = format!("session {id}, request {} of {}", past.step, past.steps);
    printer.line(&Line::new(head, Style::Dim))?;
    let most = if arguments.all { usize::MAX } else { LISTED };
    for line in context_lines(&told, printer.width(), most) {
        printer.line(&line)?;
    }
    Ok(Outcome::Done)
}

fn compare(project: &Project, arguments: &ContextDiffArguments) -> anyhow::Result<Outcome> {
    let (id, records) = records(project, &arguments.choice.session)?;
    let steps = match arguments.requests.as_slice() {
        [from, to] => Some((*from as usize, *to as usize)),
        _ => None,
    };
    let difference = diff::diff(&records, steps).map_err(explain)?;
    let printer = &project.printer;
    if arguments.json {
        printer.json(&json!({ "session": id, "difference": difference }))?;
        return Ok(Outcome::Done);
    }
    let Difference { from, to, shared, of, tokens, change } = &difference;
    let title = format!("requests {from} and {to} of session {id}: about {of} and {tokens} tokens");
    printer.line(&Line::new(title, Style::Dim))?;
    match change {
        None => {
            let text = format!("nothing changed: request {to} goes on where request {from} ended");
            printer.line(&Line::new(text, Style::Added))?;
        }
        Some(change) => show_change(project, change, *shared, *of)?,
    }
    Ok(Outcome::Done)
}

fn show_change(project: &Project, change: &Change, shared: usize, of: usize) -> anyhow::Result<()> {
    let printer = &project.printer;
    let width = printer.width();
    let place = match &change.handle {
        Some(handle) => format!("the {} at {handle}", change.place.name()),
        None => format!("the {}", change.place.name()),
    };
    let percent = shared * 100 / of.max(1);
    printer.line(
        &Line::new(format!("first change at token {}, in {place}", change.token), Style::Bold)
            .with(format!("  ({percent} % is the same)"), Style::Dim),
    )?;
    let rows = |text: &str| -> Vec<String> {
        visible(text).replace('\t', "    ").lines().map(str::to_owned).collect()
    };
    let before = rows(&change.before);
    for row in before.iter().skip(before.len().saturating_sub(ROWS)) {
        printer.line(&Line::new(clip(&format!("    {row}"), width), Style::Dim))?;
    }
    for (mark, text, style) in [("-", &change.was, Style::Removed), ("+", &change.now, Style::Added)] {
        let rows = rows(text);
        for row in rows.iter().take(ROWS) {
            printer.line(&Line::new(clip(&format!("  {mark} {row}"), width), style))?;
        }
        if rows.is_empty() {
            printer.line(&Line::new(format!("  {mark} (nothing)"), style))?;
        }
    }
    for cause in &change.causes {
        printer.line(&Line::new("because of ", Style::Dim).with(one_line(cause, 2_000), Style::Plain))?;
    }
    Ok(())
}
