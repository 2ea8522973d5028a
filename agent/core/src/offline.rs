//! Owns when Loci is offline, and what of that the system enforces.
//! Uses the configuration for the wish and `exec` for the filter.
//! Never lets a lower layer undo the wish of the project or of whoever runs the machine.

use crate::config::Config;

pub use loci_exec::offline::{
    Attempt, Connected, Control, Enforcement, Standing, enter, enter_with_control, standing,
};

/// Whether the configuration wants it. A project can ask for it, trusted or not, and cannot switch it off; what whoever runs
/// the machine wants nothing else undoes.
#[must_use]
pub fn wanted(config: &Config) -> bool {
    config.managed().offline
        || config
            .all("offline")
            .any(|entry| entry.value.as_bool() == Some(true) && entry.origin.is_of_project())
        || config.get("offline").and_then(|entry| entry.value.as_bool()).unwrap_or(false)
}
