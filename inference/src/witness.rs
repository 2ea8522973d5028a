//! Owns what is told of a transmission before it begins, to a model or for a download.
//! Uses nothing.
//! Never carries the content itself: its size and its hash stand for it.

use std::fmt;

/// One transmission that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending<'a> {
    /// `GET`, `POST`.
    pub method: &'a str,
    /// Where to, without user, password, query and fragment.
    pub address: &'a str,
    /// Bytes of the body.
    pub bytes: u64,
    /// SHA-256 of the body.
    pub sha256: [u8; 32],
    /// 1 for the first try of the same transmission.
    pub attempt: u32,
}

/// Who hears of transmissions: the ledger of what leaves the machine.
pub trait Witness: Send + Sync + fmt::Debug {
    /// A transmission is about to begin.
    ///
    /// # Errors
    /// Why it must not; then nothing is sent.
    fn sending(&self, sending: &Sending<'_>) -> Result<(), String>;
}
