//! Owns `loci sessions show`: a session told turn by turn.
//! Uses the story that the core makes of its log.
//! Never prints what a model or a command said without making it visible.

use loci_core::session::log;
use loci_core::session::story::{Story, Told};
use loci_protocol::TurnStatus;
use loci_tui::{Line, Style, one_line, visible};

use super::super::shown::count;
use crate::arguments::SessionsShowArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// Show it.
///
/// # Errors
/// When there is no such session, or its log cannot be read.
pub(super) fn run(project: &Project, arguments: &SessionsShowArguments) -> anyhow::Result<Outcome> {
    let id = super::named(project, &arguments.session)?;
    let path = project.places.sessions(&project.root).join(format!("{id}.jsonl"));
    let story = Story::of(&log::read(&path)?);
    let used = log::in_use(&path);
    if arguments.json {
        project.printer.json(&serde_json::json!({ "in_use": used, "session": story }))?;
        return Ok(Outcome::Done);
    }
    head(project, &story, used)?;
    for told in &story.turns {
        turn(project, told, used)?;
    }
    if let Some(why) = &story.damage {
        let text = format!("the end of its log is damaged ({why}); it is set aside when the session goes on");
        project.printer.line(&Line::new(text, Style::Warning))?;
    }
    Ok(Outcome::Done)
}

fn head(project: &Project, story: &Story, used: bool) -> anyhow::Result<()> {
    let printer = &project.printer;
    let begun = story.begun.split('.').next().unwrap_or_default().replace('T', " ");
    let line = Line::new(&story.session_id, Style::Bold).with(format!("  {begun} UTC"), Style::Dim);
    printer.line(&line.with(if used { "  (in use)" } else { "" }, Style::Tip))?;
    if let Some(title) = &story.title {
        printer.line(&Line::new(visible(title), Style::Plain))?;
    }
    let usage = story.usage();
    let calls = story.turns.iter().map(|told| told.calls.len()).sum();
    let mut parts = vec![visible(&story.model)];
    parts.extend(story.branch.as_deref().map(visible));
    parts.extend([
        count(story.turns.len(), "prompt"),
        count(calls, "call"),
        format!("{} tokens in, {} out", usage.prompt_tokens, usage.completion_tokens),
        format!("{}, format {}", story.program, story.format),
    ]);
    if story.gone_back_from > 0 {
        parts.push(format!("{} gone back from", count(story.gone_back_from, "prompt")));
    }
    printer.line(&Line::new(parts.join(" · "), Style::Dim))?;
    if let Some(from) = &story.forked_from {
        let text = format!("forked from {} after turn {}", visible(&from.session_id), from.turn);
        printer.line(&Line::new(text, Style::Dim))?;
    }
    let changed = story.changed();
    if !changed.is_empty() {
        let paths: Vec<String> = changed.into_iter().map(visible).collect();
        printer.line(&Line::new("changed ", Style::Dim).with(paths.join(", "), Style::Plain))?;
    }
    Ok(())
}

fn turn(project: &Project, told: &Told, used: bool) -> anyhow::Result<()> {
    let printer = &project.printer;
    let width = printer.width();
    printer.line(&Line::default())?;
    let mark = format!("{:>3}  ", told.turn);
    let room = width.saturating_sub(mark.len());
    printer.line(&Line::new(mark, Style::Dim).with(one_line(&told.prompt, room), Style::Bold))?;
    for call in &told.calls {
        let (sign, style) = match call.ok {
            Some(true) => ("✓", Style::Added),
            Some(false) => ("✗", Style::Removed),
            None if used => ("…", Style::Dim),
            None => ("?", Style::Warning),
        };
        let what = ["path", "command", "symbol", "query", "pattern"]
            .iter()
            .find_map(|key| call.input.get(*key).and_then(serde_json::Value::as_str))
            .unwrap_or_default();
        let text = match call.ok {
            None if !used => format!("{} {what}: cut off, what it did is unknown", call.tool),
            _ => format!("{} {what}: {}", call.tool, call.summary),
        };
        let room = width.saturating_sub(7);
        printer.line(&Line::new(format!("     {sign} "), style).with(one_line(&text, room), Style::Plain))?;
    }
    if !told.answer.trim().is_empty() {
        let room = width.saturating_sub(5);
        printer.line(&Line::new(format!("     {}", one_line(&told.answer, room)), Style::Dim))?;
    }
    let end = match told.status {
        Some(TurnStatus::Completed) => return Ok(()),
        Some(TurnStatus::Declined) => "it was not done",
        Some(TurnStatus::Failed) => "it failed",
        Some(TurnStatus::Interrupted) => "interrupted",
        Some(TurnStatus::MaxTurns) => "stopped at the limit of steps",
        Some(TurnStatus::Looping) => "stopped, since it repeated itself",
        None if used => "still at it",
        None => "cut off",
    };
    Ok(printer.line(&Line::new(format!("     ({end})"), Style::Warning))?)
}
