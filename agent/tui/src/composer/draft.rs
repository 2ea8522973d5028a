//! Owns what is kept of a prompt while it is written, so that it is there again after a crash.
//! Uses the host, which writes it to the disk.
//! Never keeps what was sent.

use std::time::{Duration, Instant};

/// What is written is kept this long after it was: nobody loses more than half a second, and the disk is left alone.
const AFTER: Duration = Duration::from_millis(500);
/// A draft of more bytes than this is kept without its pastes.
pub(super) const LARGEST: usize = 256 << 10;

/// Whether what is written is kept.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// Since when something is not kept.
    since: Option<Instant>,
    /// Something was kept that is to be forgotten when nothing is written any more.
    kept: bool,
}

impl Draft {
    /// Something else is written now.
    pub(super) fn changed(&mut self, now: Instant) {
        self.since = self.since.or(Some(now));
    }

    /// Whether something waits to be kept.
    pub(super) fn waits(&self) -> bool {
        self.since.is_some()
    }

    /// What is to be kept now, if anything.
    pub(super) fn due(&mut self, written: impl FnOnce() -> String, now: Instant) -> Option<String> {
        // A clock that jumps back waits as long again, and no longer.
        let since = self.since?;
        if now.saturating_duration_since(since) < AFTER && since <= now {
            return None;
        }
        self.since = None;
        let written = written();
        self.keep(written)
    }

    /// It was sent.
    pub(super) fn sent(&mut self) -> Option<String> {
        self.since = None;
        self.keep(String::new())
    }

    fn keep(&mut self, written: String) -> Option<String> {
        let before = std::mem::replace(&mut self.kept, !written.is_empty());
        (before || self.kept).then_some(written)
    }

    /// What was kept has come back.
    pub(super) fn restored(&mut self) {
        self.kept = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_kept_once_and_forgotten_when_sent() {
        let start = Instant::now();
        let mut draft = Draft::default();
        let due =
            |draft: &mut Draft, after: u64| draft.due(|| "text".into(), start + Duration::from_millis(after));
        assert_eq!(due(&mut draft, 0), None);
        draft.changed(start);
        draft.changed(start + Duration::from_millis(400));
        assert_eq!(due(&mut draft, 499), None);
        assert_eq!(due(&mut draft, 500).as_deref(), Some("text"));
        assert_eq!(due(&mut draft, 9_000), None);
        assert_eq!(draft.sent().as_deref(), Some(""));
        assert_eq!(draft.sent(), None, "nothing is kept any more");
        draft.changed(start);
        assert_eq!(draft.sent(), None, "it was sent before it was kept");
        assert_eq!(due(&mut draft, 9_000), None);
    }
}
