//! Owns `loci sessions`: the list of them, and what is done with one.
//! Uses the session logs, scanned anew each time.
//! Never lets an unreadable session hide another, and never removes one without being told to.

mod export;
mod rows;
mod show;

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use loci_core::session::resume::{Listed, Summary};
use loci_core::session::{SessionError, resume, shelf};
use loci_tui::{Line, Style, one_line, visible};
use serde_json::{Value, json};

use super::shown::count;
use crate::arguments::{
    SessionsAction, SessionsArguments, SessionsForkArguments, SessionsListArguments, SessionsRenameArguments,
    SessionsRmArguments,
};
use crate::errors::{Failed, Outcome, Usage};
use crate::input;
use crate::project::Project;

pub(crate) use export::to_file;
pub(crate) use rows::rows;

/// List, show, fork, export or remove.
///
/// # Errors
/// When there is no such session, or a folder cannot be used.
pub(crate) fn run(project: &Project, arguments: &SessionsArguments) -> anyhow::Result<Outcome> {
    match &arguments.action {
        None => list(project, &arguments.list),
        Some(SessionsAction::List(arguments)) => list(project, arguments),
        Some(SessionsAction::Show(arguments)) => show::run(project, arguments),
        Some(SessionsAction::Fork(arguments)) => fork(project, arguments),
        Some(SessionsAction::Export(arguments)) => export::run(project, arguments),
        Some(SessionsAction::Rename(arguments)) => rename(project, arguments),
        Some(SessionsAction::Rm(arguments)) => remove(project, arguments),
    }
}

/// The id of the session that is meant.
fn named(project: &Project, named: &str) -> anyhow::Result<String> {
    match shelf::named(&project.places.sessions(&project.root), named) {
        Err(SessionError::NothingToResume) => Err(Failed::error(
            "there are no sessions in this project yet",
            "begin one with `loci`, or name another project with -C DIR",
        )),
        found => Ok(found?),
    }
}

fn list(project: &Project, arguments: &SessionsListArguments) -> anyhow::Result<Outcome> {
    let own = project.places.sessions(&project.root);
    let folders = if arguments.all_projects { projects(own.parent().unwrap_or(&own))? } else { vec![own] };
    let mut sessions: Vec<Listed> = Vec::new();
    for folder in folders {
        sessions.extend(resume::list(&folder).with_context(|| folder.display().to_string())?);
    }
    sessions.sort_by(|one, two| two.modified.cmp(&one.modified).then_with(|| two.id.cmp(&one.id)));
    if arguments.json {
        let list: Vec<Value> = sessions.iter().map(as_json).collect();
        project.printer.json(&list)?;
        return Ok(Outcome::Done);
    }
    for session in &sessions {
        let id =
            Line::new(&session.id, Style::Bold).with(format!("  {:>8}", age(session.modified)), Style::Dim);
        let line = match &session.summary {
            Ok(summary) => {
                let remarks = remarks(summary);
                let remarks =
                    if remarks.is_empty() { String::new() } else { format!("  ({})", remarks.join("; ")) };
                let place = if arguments.all_projects {
                    format!("{}  ", visible(&summary.cwd))
                } else {
                    String::new()
                };
                id.with(format!("  {:3} turns  {place}", summary.turns), Style::Dim)
                    .with(one_line(summary.title.as_ref().unwrap_or(&summary.first_prompt), 60), Style::Plain)
                    .with(remarks, Style::Warning)
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

/// What is odd about a session.
fn remarks(summary: &Summary) -> Vec<String> {
    let mut remarks = Vec::new();
    if summary.cut_off {
        remarks.push(match summary.unknown {
            0 => "cut off".to_owned(),
            unknown => format!("cut off, the outcome of {} is unknown", count(unknown, "call")),
        });
    }
    if summary.damaged {
        remarks.push("damaged at its end".into());
    }
    remarks
}

/// The folder of each project's sessions.
fn projects(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| folder.display().to_string()),
    }
}

fn as_json(session: &Listed) -> Value {
    let age = seconds_since(session.modified);
    match &session.summary {
        Ok(summary) => json!({
            "id": session.id, "age_seconds": age, "model": summary.model, "project": summary.cwd,
            "title": summary.title, "branch": summary.branch, "first_prompt": summary.first_prompt, "turns": summary.turns, "damaged": summary.damaged,
            "cut_off": summary.cut_off, "unknown_calls": summary.unknown, "forked_from": summary.forked_from,
        }),
        Err(error) => json!({ "id": session.id, "age_seconds": age, "error": error.to_string() }),
    }
}

fn fork(project: &Project, arguments: &SessionsForkArguments) -> anyhow::Result<Outcome> {
    let id = named(project, &arguments.session)?;
    let fork = shelf::fork(&project.places.sessions(&project.root), &id, arguments.turn)?;
    if arguments.json {
        project.printer.json(&json!({ "id": fork.session_id, "forked_from": fork.from }))?;
        return Ok(Outcome::Done);
    }
    let line = Line::new(&fork.session_id, Style::Bold)
        .with(format!("  from {id} after turn {}", fork.from.turn), Style::Dim);
    project.printer.line(&line)?;
    let tip = format!("go on with: loci --resume {}", fork.session_id);
    project.printer.line(&Line::new(tip, Style::Tip))?;
    Ok(Outcome::Done)
}

fn rename(project: &Project, arguments: &SessionsRenameArguments) -> anyhow::Result<Outcome> {
    let id = named(project, &arguments.session)?;
    let title = shelf::rename(&project.places.sessions(&project.root), &id, &arguments.title.join(" "))?;
    let line = Line::new(&id, Style::Bold).with(format!("  {}", visible(&title)), Style::Plain);
    project.printer.line(&line)?;
    Ok(Outcome::Done)
}

fn remove(project: &Project, arguments: &SessionsRmArguments) -> anyhow::Result<Outcome> {
    let folder = project.places.sessions(&project.root);
    let mut ids = Vec::new();
    for session in &arguments.sessions {
        let id = named(project, session)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if !arguments.yes && !agreed(project, &folder, &ids)? {
        project.printer.note("nothing was removed");
        return Ok(Outcome::Failed);
    }
    let mut removed = Vec::new();
    for id in &ids {
        let moved = shelf::remove(&project.places, &project.root, id)?;
        let log = moved.first().cloned().unwrap_or_default();
        if !arguments.json {
            let line = Line::new("moved to ", Style::Dim).with(visible(&log.to_string_lossy()), Style::Plain);
            project.printer.line(&line)?;
        }
        removed.push(json!({ "id": id, "moved": moved }));
    }
    if arguments.json {
        project.printer.json(&removed)?;
    }
    Ok(Outcome::Done)
}

/// Ask whether these shall go.
fn agreed(project: &Project, folder: &Path, ids: &[String]) -> anyhow::Result<bool> {
    if !input::is_terminal() {
        return Err(Usage::error(
            "nobody is there to say whether the sessions shall be removed",
            "say it with --yes",
        ));
    }
    let sessions = resume::list(folder)?;
    for id in ids {
        let summary = sessions.iter().find(|one| one.id == *id).and_then(|one| one.summary.as_ref().ok());
        let about = summary.map_or_else(String::new, |summary| one_line(&summary.first_prompt, 60));
        project.printer.line(&Line::new(id, Style::Bold).with(format!("  {about}"), Style::Plain))?;
    }
    let what = count(ids.len(), "session");
    project.printer.text(&format!("move {what} to the trash in {}? [y/N] ", folder.display()))?;
    Ok(matches!(input::line()?.trim().to_lowercase().as_str(), "y" | "yes"))
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
