//! Owns `loci undo` and `loci redo`: taking file changes of a session back, and bringing them back.
//! Uses the journal.
//! Never touches a file that is no longer what the session left.

use std::path::{Path, PathBuf};

use loci_core::config::Places;
use loci_core::session::journal::{self, ChangeSummary, Journal, Undone, Which};
use loci_tui::{Line, Style, visible};
use serde_json::json;

use crate::arguments::{RedoArguments, UndoArguments};
use crate::errors::Outcome;
use crate::project::Project;

/// Take changes back, and say which files.
///
/// # Errors
/// When there is nothing to undo, or a file changed since.
pub(crate) fn run(project: &Project, arguments: &UndoArguments) -> anyhow::Result<Outcome> {
    let which = match (&arguments.call, &arguments.file, arguments.turn, arguments.since) {
        (Some(call), ..) => Which::Call(call.clone()),
        (_, Some(file), ..) => Which::File(absolute(project, file)?),
        (_, _, Some(turn), _) => Which::Turn(turn),
        (_, _, _, Some(turn)) => Which::Since(turn),
        _ => Which::Newest,
    };
    let journal = open(project, arguments.session.as_deref(), &which)?;
    if arguments.list {
        return list(project, &journal, arguments.json);
    }
    let undone = if arguments.dry_run { journal.preview(which)? } else { journal.undo(which)? };
    let words = if arguments.dry_run { ("restored", "would restore ") } else { ("restored", "restored ") };
    tell(project, &undone, words, arguments.json)
}

/// Bring back what was taken back last, and say which files.
///
/// # Errors
/// When there is nothing to bring back, or a file changed since.
pub(crate) fn redo(project: &Project, arguments: &RedoArguments) -> anyhow::Result<Outcome> {
    let journal = open(project, arguments.session.as_deref(), &Which::Redo)?;
    let undone = if arguments.dry_run { journal.preview(Which::Redo)? } else { journal.undo(Which::Redo)? };
    let words = if arguments.dry_run {
        ("brought_back", "would bring back ")
    } else {
        ("brought_back", "brought back ")
    };
    tell(project, &undone, words, arguments.json)
}

fn open(project: &Project, session: Option<&str>, which: &Which) -> anyhow::Result<Journal> {
    let journal = journal::earlier(
        &project.places.journal(),
        &project.root,
        &Places::project_key(&project.root),
        session,
        which,
        project.settings(&project.config(Vec::new())?).undo_limits(),
    )?;
    for notice in journal.take_notices() {
        project.printer.note(&visible(&notice));
    }
    Ok(journal)
}

/// A path as typed: from the current directory, where something is or was there, else from the project's root.
fn absolute(project: &Project, file: &Path) -> anyhow::Result<PathBuf> {
    let here = std::path::absolute(file)?;
    Ok(if here.starts_with(&project.root) { here } else { project.root.join(file) })
}

fn shown(project: &Project, path: &Path) -> String {
    path.strip_prefix(&project.root).unwrap_or(path).to_string_lossy().into_owned()
}

fn tell(project: &Project, undone: &Undone, words: (&str, &str), as_json: bool) -> anyhow::Result<Outcome> {
    let paths: Vec<String> = undone.paths.iter().map(|path| shown(project, path)).collect();
    if as_json {
        let left: Vec<_> = undone
            .left
            .iter()
            .map(|(path, why)| json!({ "path": shown(project, path), "why": why }))
            .collect();
        project.printer.json(&json!({ "session_id": undone.session_id, words.0: paths, "left": left }))?;
        return Ok(Outcome::Done);
    }
    for path in &paths {
        project.printer.line(&Line::new(words.1, Style::Added).with(visible(path), Style::Plain))?;
    }
    for (path, why) in &undone.left {
        let line = Line::new("stays ", Style::Warning)
            .with(visible(&shown(project, path)), Style::Plain)
            .with(format!(" ({})", visible(why)), Style::Dim);
        project.printer.line(&line)?;
    }
    if paths.is_empty() && undone.left.is_empty() {
        project.printer.note("every file is already as it was");
    }
    Ok(Outcome::Done)
}

fn list(project: &Project, journal: &Journal, as_json: bool) -> anyhow::Result<Outcome> {
    let changes = journal.changes();
    if as_json {
        let list: Vec<_> = changes
            .iter()
            .map(|change| {
                let paths: Vec<String> = change.paths.iter().map(|path| shown(project, path)).collect();
                json!({
                    "turn": change.turn, "call": change.call_id, "at": change.at, "paths": paths,
                    "undone": change.undone, "cut_off": change.cut_off,
                })
            })
            .collect();
        project.printer.json(&list)?;
        return Ok(Outcome::Done);
    }
    for ChangeSummary { turn, call_id, at, paths, undone, cut_off } in &changes {
        let state = match (undone, cut_off) {
            (true, _) => "  taken back",
            (_, true) => "  cut off: nobody recorded what it left",
            _ => "",
        };
        let line = Line::new(format!("turn {turn}  "), Style::Bold)
            .with(format!("{}  {}", at.get(..19).unwrap_or(at), visible(call_id)), Style::Dim)
            .with(state, Style::Warning);
        project.printer.line(&line)?;
        for path in paths {
            project
                .printer
                .line(&Line::new(format!("  {}", visible(&shown(project, path))), Style::Plain))?;
        }
    }
    if changes.is_empty() {
        project.printer.note("this session changed no files");
    }
    Ok(Outcome::Done)
}
