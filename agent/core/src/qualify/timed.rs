//! Owns the watch on a model's first tokens.
//! Uses the common seam, which it passes through.
//! Never changes an event.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use loci_inference::engine::ModelSource;
use loci_inference::provider::{EventStream, Provider, ProviderInfo, Request, StreamEvent};
use tokio_util::sync::CancellationToken;

/// A model whose first tokens are timed.
pub(super) struct Timed {
    inner: Arc<dyn Provider>,
    firsts: Arc<Mutex<Vec<Duration>>>,
}

impl Timed {
    pub(super) fn new(inner: Arc<dyn Provider>) -> Self {
        Self { inner, firsts: Arc::default() }
    }

    /// The median of the times from a request to its first token, in milliseconds.
    pub(super) fn median_ms(&self) -> Option<u64> {
        let mut firsts = self.firsts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        firsts.sort_unstable();
        firsts.get(firsts.len() / 2).map(|first| u64::try_from(first.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Provider for Timed {
    fn info(&self) -> &ProviderInfo {
        self.inner.info()
    }

    fn stream(&self, request: Request, cancel: CancellationToken) -> EventStream {
        let begun = Instant::now();
        let firsts = Arc::clone(&self.firsts);
        let mut waiting = true;
        Box::pin(self.inner.stream(request, cancel).inspect(move |event| {
            let written = matches!(
                event,
                Ok(StreamEvent::Text(_)
                    | StreamEvent::Reasoning(_)
                    | StreamEvent::ToolCall(_)
                    | StreamEvent::Compose(_))
            );
            if waiting && written {
                waiting = false;
                firsts.lock().unwrap_or_else(PoisonError::into_inner).push(begun.elapsed());
            }
        }))
    }

    fn count_tokens(&self, request: &Request) -> Option<usize> {
        self.inner.count_tokens(request)
    }

    fn weights(&self) -> Option<ModelSource> {
        self.inner.weights()
    }

    fn count_text(&self, text: &str) -> Option<usize> {
        self.inner.count_text(text)
    }
}
