//! Owns `loci sessions`: what can be resumed in this project.
//! Uses the session logs, scanned anew each time.
//! Never lets an unreadable session hide another.

use std::time::SystemTime;

use loci_core::session::{log, resume};
use loci_tui::{Line, Style, one_line, visible};
use serde_json::json;

use super::shown::count;
use crate::arguments::SessionsArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// List them, newest first.
///
/// # Errors
/// When the folder cannot be listed.
pub(crate) fn run(project: &Project, arguments: &SessionsArguments) -> anyhow::Result<Outcome> {
    let sessions = resume::list(&project.places.sessions(&project.root))?;
    if arguments.json {
        let list: Vec<serde_json::Value> = sessions
            .iter()
            .map(|session| {
                let age = seconds_since(session.modified);
                match &session.summary {
                    Ok(summary) => json!({
                        "id": session.id, "age_seconds": age, "model": summary.model,
                        "first_prompt": summary.first_prompt, "turns": summary.turns, "damaged": summary.damaged,
                    }),
                    Err(error) => json!({ "id": session.id, "age_seconds": age, "error": error.to_string() }),
                }
            })
            .collect();
        project.printer.json(&list)?;
        return Ok(Outcome::Done);
    }
    for session in &sessions {
        let id =
            Line::new(&session.id, Style::Bold).with(format!("  {:>8}", age(session.modified)), Style::Dim);
        let line = match &session.summary {
            Ok(summary) => {
                let prompt: String =
                    visible(&summary.first_prompt).replace('\n', " ").chars().take(60).collect();
                let damaged = if summary.damaged { "  (damaged at its end)" } else { "" };
                id.with(format!("  {:3} turns  ", summary.turns), Style::Dim)
                    .with(prompt, Style::Plain)
                    .with(damaged, Style::Warning)
            }
            Err(error) => id.with(format!("  cannot be read: {error}"), Style::Removed),
        };
        project.printer.line(&line)?;
    }
    if sessions.is_empty() {
        project.printer.note("no sessions in this project yet");
    }
    Ok(Outcome::Done)
}

/// The prompts of a session that can be gone back to.
///
/// # Errors
/// When its log cannot be read.
pub(crate) fn prompts(project: &Project, session: &str) -> anyhow::Result<()> {
    let loaded = log::read(&project.places.sessions(&project.root).join(format!("{session}.jsonl")))?;
    let prompts = resume::prompts(&loaded.records);
    let width = project.printer.width();
    for asked in &prompts {
        let number = format!("{:>4}  ", asked.turn);
        let changed = match asked.changed.as_slice() {
            [] => String::new(),
            changed => format!("  ({})", count(changed.len(), "file")),
        };
        let room = width.saturating_sub(number.len() + changed.len());
        let line = Line::new(number, Style::Bold)
            .with(one_line(&asked.text, room), Style::Plain)
            .with(changed, Style::Dim);
        project.printer.line(&line)?;
    }
    if prompts.is_empty() {
        project.printer.note("nothing was said yet");
    } else {
        let tip = "/rewind TURN [files|conversation|both] goes back to before one of them";
        project.printer.line(&Line::new(tip, Style::Tip))?;
    }
    Ok(())
}

fn seconds_since(time: SystemTime) -> u64 {
    SystemTime::now().duration_since(time).map_or(0, |age| age.as_secs())
}

fn age(time: SystemTime) -> String {
    match seconds_since(time) {
        0..60 => "just now".into(),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
