//! Owns when a frame is drawn.
//! Uses the clock that it is given.
//! Never lets more than sixty frames a second through, and none without a change.

use std::time::{Duration, Instant};

/// Between two frames at sixty a second.
const FRAME: Duration = Duration::from_micros(16_667);
/// Between two looks at what shows a time.
const TICK: Duration = Duration::from_millis(100);

/// When a frame is drawn.
#[derive(Debug, Default)]
pub(super) struct Frames {
    changed: bool,
    pressed: bool,
    drawn: Option<Instant>,
    /// Frames that a key may have ahead of time, so that it does not wait behind a frame of the model's words.
    ahead: bool,
}

impl Frames {
    /// Something is to be seen.
    pub(super) fn changed(&mut self) {
        self.changed = true;
    }

    /// A key was pressed: its echo is waited for.
    pub(super) fn pressed(&mut self) {
        self.pressed = true;
    }

    /// A frame was drawn.
    pub(super) fn drawn(&mut self, now: Instant) {
        let early = self.drawn.is_some_and(|before| now.saturating_duration_since(before) < FRAME);
        self.ahead = early && self.pressed;
        (self.changed, self.pressed, self.drawn) = (false, false, Some(now));
    }

    /// Whether a frame is to be drawn now.
    pub(super) fn due(&self, now: Instant) -> bool {
        self.changed && self.left(now).is_zero()
    }

    fn left(&self, now: Instant) -> Duration {
        let Some(drawn) = self.drawn else { return Duration::ZERO };
        if self.pressed && !self.ahead {
            return Duration::ZERO;
        }
        // A frame that came early is paid back by the next one.
        let pause = if self.ahead { FRAME * 2 } else { FRAME };
        pause.saturating_sub(now.saturating_duration_since(drawn))
    }

    /// How long to wait for anything before looking again.
    pub(super) fn wait(&self, moves: bool, now: Instant) -> Duration {
        match (self.changed, moves) {
            (true, _) => self.left(now),
            (false, true) => TICK,
            (false, false) => Duration::from_secs(3600),
        }
    }
}
