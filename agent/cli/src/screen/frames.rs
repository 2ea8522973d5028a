//! Owns when a frame is drawn.
//! Uses the clock that it is given.
//! Never lets more than sixty frames a second through, and none without a change.

use std::time::{Duration, Instant};

/// Between two frames at sixty a second.
const FRAME: Duration = Duration::from_micros(16_667);
/// Between two looks at what shows a time: it shows tenths of a second at most.
const TICK: Duration = Duration::from_millis(100);
/// Nothing is waited for: events come by themselves.
const IDLE: Duration = Duration::from_secs(3600);

/// When a frame is drawn.
#[derive(Debug, Default)]
pub(super) struct Frames {
    changed: bool,
    pressed: bool,
    drawn: Option<Instant>,
    ticked: Option<Instant>,
    /// The frame before came early, for a key; the next one pays for it.
    ahead: bool,
}

impl Frames {
    /// Something is to be seen.
    pub(super) fn changed(&mut self) {
        self.changed = true;
    }

    /// A key was pressed: its echo is waited for, and must not wait behind a frame of the model's words.
    pub(super) fn pressed(&mut self) {
        self.changed = true;
        self.pressed = true;
    }

    /// A frame was drawn.
    pub(super) fn drawn(&mut self, now: Instant) {
        let early = self.drawn.is_some_and(|before| since(before, now) < FRAME);
        self.ahead = early && self.pressed;
        (self.changed, self.pressed, self.drawn) = (false, false, Some(now));
    }

    /// Whether a frame is to be drawn now.
    pub(super) fn due(&self, now: Instant) -> bool {
        self.changed && self.left(now).is_zero()
    }

    /// Whether what shows a time is to look at it again; asked only while there is such a thing.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        let due = self.ticked.is_none_or(|before| since(before, now) >= TICK);
        if due {
            self.ticked = Some(now);
        }
        due
    }

    fn left(&self, now: Instant) -> Duration {
        let Some(drawn) = self.drawn else { return Duration::ZERO };
        if self.pressed && !self.ahead {
            return Duration::ZERO;
        }
        let pause = if self.ahead { FRAME * 2 } else { FRAME };
        pause.saturating_sub(since(drawn, now))
    }

    /// How long to wait for anything before looking again.
    pub(super) fn wait(&self, moves: bool, now: Instant) -> Duration {
        let frame = if self.changed { self.left(now) } else { IDLE };
        let tick = match (moves, self.ticked) {
            (false, _) => IDLE,
            (true, None) => Duration::ZERO,
            (true, Some(before)) => TICK.saturating_sub(since(before, now)),
        };
        frame.min(tick)
    }
}

/// The time between two moments. A clock that went backwards has waited long enough: nothing may stand still until it has
/// caught up.
fn since(before: Instant, now: Instant) -> Duration {
    now.checked_duration_since(before).unwrap_or(IDLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Frames within a second of `events` a millisecond, with a key every `keys` milliseconds; and the longest time that a
    /// key waited for its echo.
    fn second(words: bool, keys: u32) -> (u32, Duration) {
        let (begun, mut frames) = (Instant::now(), Frames::default());
        let (mut drawn, mut waits, mut longest) = (0, None, Duration::ZERO);
        for step in 0..1000 {
            let now = begun + MS * step;
            if words {
                frames.changed();
            }
            if keys > 0 && step % keys == 0 {
                frames.pressed();
                waits.get_or_insert(now);
            }
            if frames.due(now) {
                frames.drawn(now);
                drawn += 1;
                if let Some(pressed) = waits.take() {
                    longest = longest.max(now.saturating_duration_since(pressed));
                }
            }
        }
        (drawn, longest)
    }

    #[test]
    fn at_most_sixty_frames_a_second() {
        let check = |words: bool, keys: u32, expect: std::ops::RangeInclusive<u32>, waits: Duration| {
            let (drawn, longest) = second(words, keys);
            assert!(expect.contains(&drawn), "{words} {keys}: {drawn}");
            assert!(longest <= waits, "{words} {keys}: {longest:?}");
        };
        check(false, 0, 0..=0, Duration::ZERO);
        check(true, 0, 55..=61, Duration::ZERO);
        // Somebody who types fast: each key is seen at once.
        check(true, 60, 48..=62, Duration::ZERO);
        check(false, 60, 16..=17, Duration::ZERO);
        // A key that is held, or text that is pasted as keys: still sixty.
        check(true, 1, 55..=62, FRAME * 2 + MS);
    }

    #[test]
    fn nothing_wakes_up_without_a_reason() {
        let (now, mut frames) = (Instant::now(), Frames::default());
        frames.drawn(now);
        assert_eq!(frames.wait(false, now), IDLE);
        assert!(frames.tick(now));
        assert!(!frames.tick(now + MS));
        assert_eq!(frames.wait(true, now + MS), TICK - MS);
        frames.changed();
        assert_eq!(frames.wait(true, now + MS), FRAME - MS);
        assert_eq!(frames.wait(false, now + FRAME), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_jumps_stops_nothing() {
        let (now, mut frames) = (Instant::now() + Duration::from_secs(7200), Frames::default());
        for then in [now + Duration::from_secs(86_400), now - Duration::from_secs(3600), now] {
            frames.drawn(now);
            frames.tick(now);
            frames.changed();
            let later = if then == now { now + FRAME } else { then };
            assert!(frames.due(later), "{then:?}");
            assert!(frames.wait(true, later).is_zero());
            frames.drawn(later);
            assert!(!frames.due(later));
        }
    }
}
