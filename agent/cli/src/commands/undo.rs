//! Owns `loci undo`: takes back the newest file change of a session.
//! Uses the journal.
//! Never touches a file that is no longer what the session left.

use loci_core::config::Places;
use loci_core::session::journal::{self, Limits, Which};
use loci_tui::{Line, Style, visible};

use crate::arguments::UndoArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// Take it back, and say which files.
///
/// # Errors
/// When there is nothing to undo, or a file changed since.
pub(crate) fn run(project: &Project, arguments: &UndoArguments) -> anyhow::Result<Outcome> {
    let which = Which::Newest;
    let journal = journal::earlier(
        &project.places.journal(),
        &project.root,
        &Places::project_key(&project.root),
        arguments.session.as_deref(),
        &which,
        Limits::default(),
    )?;
    let undone = journal.undo(which)?;
    let paths: Vec<String> = undone
        .paths
        .iter()
        .map(|path| path.strip_prefix(&project.root).unwrap_or(path).to_string_lossy().into_owned())
        .collect();
    if arguments.json {
        project.printer.json(&serde_json::json!({ "restored": paths }))?;
    } else {
        for path in &paths {
            let line = Line::new("restored ", Style::Added).with(visible(path), Style::Plain);
            project.printer.line(&line)?;
        }
    }
    Ok(Outcome::Done)
}
