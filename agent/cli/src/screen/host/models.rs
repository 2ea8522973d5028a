//! Owns the answer of the host on models.
//! Uses what `loci models` knows.
//! Never asks a network, and never loads a model.

use loci_tui::Reply;

use crate::commands::models;
use crate::project::Project;

/// The models of the catalogue, what was pulled beside it, and the services.
pub(super) fn listed(project: &Project) -> Vec<Reply> {
    match models::rows(project) {
        Ok(rows) => vec![Reply::Models(rows)],
        Err(error) => vec![Reply::Models(Vec::new()), Reply::Said(super::sessions::said_of(&error))],
    }
}
