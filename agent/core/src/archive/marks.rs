//! Owns how far each session was read into the archive.
//! Uses one JSON file beside the store.
//! Never guesses: what cannot be read is nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use loci_index::IndexError;
use serde::{Deserialize, Serialize};

use crate::context::texts::Texts;
use crate::session::log::Mark;

/// The version of how sessions are numbered and titled; another one is built again.
const FORMAT: u32 = 1;

/// How far each session was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Marks {
    format: u32,
    /// By id.
    pub(super) sessions: BTreeMap<String, Session>,
}

/// How far one was read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Session {
    /// Its first prompt, in a line.
    pub(super) about: String,
    /// The length of its log, a damaged end included.
    pub(super) length: u64,
    /// Where its valid records ended.
    pub(super) mark: Mark,
    /// The numbers of its entries.
    pub(super) texts: Texts,
}

impl Default for Marks {
    fn default() -> Self {
        Self { format: FORMAT, sessions: BTreeMap::new() }
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("marks.json")
}

impl Marks {
    /// The marks of a folder, if they are whole and of this version.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        let bytes = fs::read(path(folder)).ok()?;
        let (digits, body) = bytes.split_at_checked(DIGITS)?;
        let body = body.strip_prefix(b"\n")?;
        let marks: Self = (blake3::hash(body).to_hex().as_bytes() == digits)
            .then(|| serde_json::from_slice(body).ok())
            .flatten()?;
        (marks.format == FORMAT).then_some(marks)
    }

    /// Keep them.
    pub(super) fn write(&self, folder: &Path) -> Result<(), IndexError> {
        let path = path(folder);
        let write = || {
            let body = serde_json::to_vec(self).map_err(std::io::Error::other)?;
            let mut bytes = blake3::hash(&body).to_hex().as_bytes().to_vec();
            bytes.push(b'\n');
            bytes.extend_from_slice(&body);
            crate::atomic::write(&path, &bytes).map(drop)
        };
        write().map_err(|source| IndexError::Io { path: path.clone(), source })
    }

    /// The length of a session's log when it was read.
    pub(super) fn length(&self, session: &str) -> Option<u64> {
        self.sessions.get(session).map(|session| session.length)
    }
}

/// Hex digits of the hash before the marks: one flipped bit must not pass for another length.
const DIGITS: usize = 64;
