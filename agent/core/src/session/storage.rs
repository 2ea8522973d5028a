//! Owns what happens when a session cannot be written: no tool runs, everything stays in memory, and it is tried again.
//! Uses the log, which keeps what could not be written, and its reserve.
//! Never lets a tool run whose outcome could not be written down.

use std::time::Duration;

use loci_protocol::{FailureKind, Level};

use super::Session;
use crate::turn::Stop;

/// Between two tries while nothing else happens.
pub(super) const RETRY: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 5_000 });

/// What to do about a disk that is full.
const FREE_SPACE: &str =
    "free some space or check the permissions; what was said is kept, and it is tried again";

impl Session {
    /// Tools run only where what they do can be written down.
    ///
    /// # Errors
    /// The end of the turn.
    pub(crate) fn check_storage(&mut self) -> Result<(), Stop> {
        if !self.log.is_strained() {
            return Ok(());
        }
        match self.log.catch_up() {
            Ok(()) => {
                self.say_that_it_is_written();
                Ok(())
            }
            Err(error) => {
                let message = format!("no tool is run, since the session can hardly be written: {error}");
                Err(Stop::failed(FailureKind::Storage, message, Some(FREE_SPACE)))
            }
        }
    }

    /// Try to write what could not be written before.
    pub(super) fn try_again(&mut self) {
        if self.log.catch_up().is_ok() {
            self.say_that_it_is_written();
        }
    }

    /// Say once that the reserve was needed.
    pub(super) fn tell_of_storage(&mut self) {
        if self.log.take_warning() {
            let message = "the disk is full; the session was written with the space that was kept for this, and no tool is run until there is more";
            self.control.notice(Level::Warning, message, Some(FREE_SPACE.into()));
        }
    }

    fn say_that_it_is_written(&self) {
        self.control.notice(Level::Info, "the session is written again; tools may run", None);
    }
}
