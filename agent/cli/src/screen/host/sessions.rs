//! Owns what is done with older sessions from the screen: they are listed, named, written to a file, removed.
//! Uses the same functions as `loci sessions`.
//! Never removes a session but to the trash.

use loci_core::session::shelf;
use loci_tui::{Line, Reply, Style, visible};

use crate::commands::sessions;
use crate::errors;
use crate::printer::Printer;
use crate::project::Project;

/// The sessions of the project.
pub(super) fn listed(project: &Project) -> Reply {
    match sessions::rows(project) {
        Ok(rows) => Reply::Sessions(rows),
        Err(error) => Reply::Said(said_of(&error.into())),
    }
}

/// Give an older session a title, and list them again.
pub(super) fn renamed(project: &Project, id: &str, title: &str) -> Vec<Reply> {
    let folder = project.places.sessions(&project.root);
    let mut replies = match shelf::rename(&folder, id, title) {
        Ok(_) => Vec::new(),
        Err(error) => vec![Reply::Said(said_of(&error.into()))],
    };
    replies.push(listed(project));
    replies
}

/// Move a session to the trash, and list the others.
pub(super) fn removed(project: &Project, id: &str) -> Vec<Reply> {
    let said = match shelf::remove(&project.places, &project.root, id) {
        Ok(moved) => {
            let place = moved.first().map(|path| visible(&path.to_string_lossy())).unwrap_or_default();
            vec![Line::new("moved to ", Style::Dim).with(place, Style::Plain)]
        }
        Err(error) => said_of(&error.into()),
    };
    vec![Reply::Said(said), listed(project)]
}

/// Write a session to a new file in the current folder, as Markdown.
pub(super) fn exported(project: &Project, id: &str) -> Reply {
    Reply::Said(sessions::to_file(project, id).unwrap_or_else(|error| said_of(&error)))
}

/// An error as the command line would show it.
pub(super) fn said_of(error: &anyhow::Error) -> Vec<Line> {
    let (printer, mut out) = Printer::captured(usize::MAX);
    errors::show(&printer, error);
    drop(printer);
    std::iter::from_fn(|| out.try_recv().ok()).collect()
}
