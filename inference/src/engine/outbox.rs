//! Owns the way back to the caller of a job.
//! Uses a bounded channel, and a list of what the channel has no room for.
//! Never waits for a receiver.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::EngineEvent;
use crate::provider::ProviderError;

/// Events on their way to a receiver.
#[derive(Debug)]
pub(crate) struct Outbox {
    sender: mpsc::Sender<Result<EngineEvent, ProviderError>>,
    cancel: CancellationToken,
    /// The engine's own end.
    shutdown: CancellationToken,
    waiting: VecDeque<Result<EngineEvent, ProviderError>>,
}

impl Outbox {
    pub(crate) fn new(
        sender: mpsc::Sender<Result<EngineEvent, ProviderError>>,
        cancel: CancellationToken,
        shutdown: CancellationToken,
    ) -> Self {
        Self { sender, cancel, shutdown, waiting: VecDeque::new() }
    }

    /// Whether nobody wants the job any more.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled() || self.is_abandoned()
    }

    /// Whether nobody will read what is sent.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.shutdown.is_cancelled() || self.sender.is_closed()
    }

    /// Send an event, now or when there is room.
    pub(crate) fn send(&mut self, event: EngineEvent) {
        self.waiting.push_back(Ok(event));
        self.flush();
    }

    /// Send the last word. What waits is no longer of use to a caller that cancelled.
    pub(crate) fn fail(&mut self, error: ProviderError) {
        if matches!(error, ProviderError::Cancelled) {
            self.waiting.clear();
        }
        self.waiting.push_back(Err(error));
        self.flush();
    }

    /// Send what there is room for. True when nothing is left.
    pub(crate) fn flush(&mut self) -> bool {
        while let Some(item) = self.waiting.pop_front() {
            match self.sender.try_send(item) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Closed(_)) => self.waiting.clear(),
                Err(mpsc::error::TrySendError::Full(item)) => {
                    self.waiting.push_front(item);
                    return false;
                }
            }
        }
        true
    }
}
