//! Owns the sessions of a project as the picker shows them.
//! Uses the session logs, scanned anew each time.
//! Never lets a session that cannot be read hide another.

use loci_core::session::resume::{self, Summary};
use loci_tui::{SessionRow, one_line};

use super::{age, remarks};
use crate::project::Project;

/// Characters of a title or a prompt that are shown at most.
const SHOWN: usize = 400;

/// The sessions of this project, newest first; those in which nothing was said are left out.
///
/// # Errors
/// When their folder cannot be listed.
pub(crate) fn rows(project: &Project) -> std::io::Result<Vec<SessionRow>> {
    let sessions = resume::list(&project.places.sessions(&project.root))?;
    Ok(sessions
        .into_iter()
        .filter_map(|listed| {
            let age = age(listed.modified);
            let row = match &listed.summary {
                Ok(summary) if summary.turns == 0 && summary.title.is_none() => return None,
                Ok(summary) => of(summary),
                Err(error) => {
                    SessionRow { remark: Some(format!("cannot be read: {error}")), ..SessionRow::default() }
                }
            };
            Some(SessionRow { id: listed.id, age, ..row })
        })
        .collect())
}

fn of(summary: &Summary) -> SessionRow {
    let remarks = remarks(summary);
    let last = if summary.turns > 1 { one_line(&summary.last_prompt, SHOWN) } else { String::new() };
    SessionRow {
        title: one_line(summary.title.as_ref().unwrap_or(&summary.first_prompt), SHOWN),
        branch: summary.branch.as_ref().map(|branch| one_line(branch, SHOWN)),
        turns: summary.turns,
        model: one_line(&summary.model, SHOWN),
        remark: (!remarks.is_empty()).then(|| remarks.join("; ")),
        first: one_line(&summary.first_prompt, SHOWN),
        last,
        ..SessionRow::default()
    }
}
