//! Owns `loci sessions`: what can be resumed in this project.
//! Uses the session logs, scanned anew each time.
//! Never lets an unreadable session hide another.

use std::time::SystemTime;

use loci_core::session::resume;
use loci_tui::{Line, Style, visible};
use serde_json::json;

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
