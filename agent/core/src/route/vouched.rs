//! Owns a service that answers from this machine by the user's own word: it counts as a model of this machine.
//! Uses the provider of the service.
//! Never hides that it is reached through a socket: what is sent to it is written down all the same.

use std::sync::Arc;

use loci_inference::engine::ModelSource;
use loci_inference::provider::{EventStream, Provider, ProviderInfo, Request};
use tokio_util::sync::CancellationToken;

/// A service that the user vouches for.
pub struct Vouched {
    inner: Arc<dyn Provider>,
    info: ProviderInfo,
}

impl Vouched {
    /// Take a service for a model of this machine. Nothing that it does has a price.
    #[must_use]
    pub fn new(inner: Arc<dyn Provider>) -> Self {
        let info = ProviderInfo { local: true, price: None, ..inner.info().clone() };
        Self { inner, info }
    }
}

impl Provider for Vouched {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    fn stream(&self, request: Request, cancel: CancellationToken) -> EventStream {
        self.inner.stream(request, cancel)
    }

    fn count_tokens(&self, request: &Request) -> Option<usize> {
        self.inner.count_tokens(request)
    }

    fn count_text(&self, text: &str) -> Option<usize> {
        self.inner.count_text(text)
    }

    fn weights(&self) -> Option<ModelSource> {
        self.inner.weights()
    }
}
