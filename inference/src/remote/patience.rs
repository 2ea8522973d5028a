//! Owns how long a service is waited for, and how often it is asked again.
//! Uses chance, so that clients that failed together do not come back together.
//! Never sleeps itself.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::service::Service;

/// How long to wait, and how often to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// From the request to the first piece of the answer: large prompts take their time.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub idle: Duration,
    /// Further tries after the first, for all that goes wrong within one request.
    pub retries: u32,
    /// The longest wait before the first further try; doubled for each one after it.
    pub backoff: Duration,
    /// No wait of our own is longer, and a longer one that the server asks for is left to the caller.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(300),
            idle: Duration::from_secs(90),
            retries: 4,
            backoff: Duration::from_secs(1),
            longest_wait: Duration::from_secs(30),
        }
    }
}

impl Patience {
    /// What a service's settings make of the default.
    #[must_use]
    pub fn of(service: &Service) -> Self {
        let default = Self::default();
        let seconds = |value: Option<u64>, default: Duration| {
            value.map_or(default, |value| Duration::from_secs(value.max(1)))
        };
        Self {
            connect: seconds(service.connect_timeout, default.connect),
            first_byte: seconds(service.first_byte_timeout, default.first_byte),
            idle: seconds(service.idle_timeout, default.idle),
            retries: service.retries.unwrap_or(default.retries),
            ..default
        }
    }

    /// How long to wait before further try `attempt` (from 1): anything up to a bound that doubles each time ("full
    /// jitter": AWS Architecture Blog, "Exponential Backoff And Jitter", 2015), after what the server asked for.
    pub(super) fn wait(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        let bound =
            self.backoff.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(self.longest_wait);
        // The hasher's keys are drawn anew for each `RandomState`.
        let chance = (RandomState::new().hash_one(attempt) % 1024) as f64 / 1024.0;
        match asked {
            // The server knows best; the spread beyond it is small.
            Some(asked) => asked + self.backoff.mul_f64(chance),
            None => bound.mul_f64(chance),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_spread_and_have_a_bound() {
        let patience = Patience::default();
        for attempt in 1..40 {
            let bound = Duration::from_secs(1 << (attempt - 1_u32).min(5)).min(patience.longest_wait);
            assert!(patience.wait(attempt, None) <= bound, "{attempt}");
        }
        let waits: std::collections::HashSet<Duration> = (0..64).map(|_| patience.wait(3, None)).collect();
        assert!(waits.len() > 8, "{waits:?}");
        let asked = Duration::from_secs(7);
        assert!((asked..asked + patience.backoff).contains(&patience.wait(1, Some(asked))));
    }

    #[test]
    fn settings_change_it() {
        let service = Service { idle_timeout: Some(0), retries: Some(9), ..Service::default() };
        let patience = Patience::of(&service);
        assert_eq!((patience.idle, patience.retries), (Duration::from_secs(1), 9));
        assert_eq!(patience.connect, Patience::default().connect);
    }
}
