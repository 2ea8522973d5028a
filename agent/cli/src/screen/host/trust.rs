//! Owns the question whether the project is trusted: whether it is to be asked, and what comes of the answer.
//! Uses the list of folders in the user's data.
//! Never lets anything of the project take effect before the answer.

use loci_core::config::enables;
use loci_core::trust::{Standing, Trust};
use loci_tui::Reply;

use crate::arguments::AskArguments;
use crate::conversation::shown_trust;
use crate::project::Project;

/// What is to be asked before a session opens: nothing where the user has answered, or where nothing waits for an answer.
///
/// # Errors
/// When the list of trusted folders is damaged.
pub(in crate::screen) fn wanted(
    project: &Project,
    arguments: &AskArguments,
) -> anyhow::Result<Option<Reply>> {
    if arguments.trust {
        return Ok(None);
    }
    let enabled = enables(&project.root);
    let standing = Trust::load(&project.places.data)?.standing(&project.root, &enabled);
    if matches!(standing, Standing::Trusted | Standing::Declined) {
        return Ok(None);
    }
    let lines = shown_trust(&standing, &enabled, &project.root);
    let root = project.root.display().to_string();
    Ok((!lines.is_empty()).then_some(Reply::TrustWanted { root, lines }))
}

/// Keep the answer.
///
/// # Errors
/// When the list cannot be read or written.
pub(in crate::screen) fn decide(project: &Project, trusted: bool) -> anyhow::Result<()> {
    let enabled = enables(&project.root);
    let mut trust = Trust::load(&project.places.data)?;
    if trusted {
        trust.add(&project.root, enabled)?;
    } else {
        trust.decline(&project.root, enabled)?;
    }
    Ok(())
}
