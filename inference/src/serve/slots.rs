//! Owns how many requests run and how many wait.
//! Uses a semaphore of tokio.
//! Never lets more wait than was said: the next one is told to come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Fault;

/// Room for requests.
#[derive(Debug)]
pub(super) struct Slots {
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// A request that waits; it does not any more when this is dropped, whether or not it got its turn.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Slots {
    pub(super) fn new(running: usize, most_waiting: usize) -> Self {
        let running = running.clamp(1, Semaphore::MAX_PERMITS);
        Self { running: Arc::new(Semaphore::new(running)), waiting: AtomicUsize::new(0), most_waiting }
    }

    /// Wait for room; the request runs while what is returned is held.
    pub(super) async fn take(&self) -> Result<OwnedSemaphorePermit, Fault> {
        if let Ok(permit) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(permit);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.most_waiting {
            let message = format!("{before} requests are waiting already");
            return Err(Fault::busy(StatusCode::TOO_MANY_REQUESTS, message));
        }
        let closed = |_| Fault::busy(StatusCode::SERVICE_UNAVAILABLE, "the service ends");
        Arc::clone(&self.running).acquire_owned().await.map_err(closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_runs_one_waits_one_is_refused() {
        let slots = Arc::new(Slots::new(1, 1));
        let first = slots.take().await.expect("room");
        let waits = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.take().await.map(drop) }
        });
        while slots.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        let refused = slots.take().await.expect_err("no room");
        assert_eq!((refused.status, refused.retry_after), (StatusCode::TOO_MANY_REQUESTS, Some(1)));
        drop(first);
        waits.await.expect("ends").expect("its turn");
        // Who gave up waiting makes room for others.
        let held = slots.take().await.expect("room");
        let gave_up = tokio::time::timeout(std::time::Duration::from_millis(1), slots.take()).await;
        assert!(gave_up.is_err());
        assert_eq!(slots.waiting.load(Ordering::Relaxed), 0);
        drop(held);
    }
}
