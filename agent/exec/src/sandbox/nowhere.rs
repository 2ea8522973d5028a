//! Owns the answer of systems for which there is no helper: a sandbox cannot be entered there.
//! Uses nothing.
//! Never lets a command run that was to be held in.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::path::Path;

use super::{Refusal, Sandbox};

/// There is none to enter.
pub(crate) struct Entry(Infallible);

/// There is none to hold.
pub(crate) struct Held(());

impl Entry {
    /// # Errors
    /// Always.
    pub(crate) fn prepare(_sandbox: &Sandbox, _cwd: &Path, _only_try: bool) -> Result<Self, Refusal> {
        Err(Refusal::Walls("there is none for this system".to_owned()))
    }

    pub(crate) fn command(
        &self,
        _sandbox: &Sandbox,
        _program: &OsStr,
        _arguments: &[&OsStr],
    ) -> std::process::Command {
        match self.0 {}
    }

    pub(crate) fn confirm(self) -> Result<Held, Refusal> {
        match self.0 {}
    }
}
