//! Owns what the engine asks of a model, so that its rules are tested with one whose arithmetic is exact.
//! Uses the face of the forward pass.
//! Never knows how a model computes.

use std::sync::Arc;

use crate::kv::Geometry;
pub(crate) use crate::model::pass::{Error, Outputs, Step};
use crate::model::runtime::Runtime;
use crate::provider::ProviderError;

/// A model.
pub(crate) trait Forward {
    /// What it keeps of each token.
    fn geometry(&self) -> &Arc<Geometry>;

    /// Run all steps. `logits` becomes `[wanted rows, vocab]`, in the order of the steps. After an error, a
    /// cancelled pass included, every sequence is as it was.
    fn forward(
        &mut self,
        batch: &mut [Step<'_>],
        logits: &mut Vec<f32>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), Error>;
}

impl Forward for Runtime {
    fn geometry(&self) -> &Arc<Geometry> {
        Self::geometry(self)
    }

    fn forward(
        &mut self,
        batch: &mut [Step<'_>],
        logits: &mut Vec<f32>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        Self::forward(self, batch, logits, cancelled)
    }
}

/// Why a pass failed, for the caller of a job.
pub(crate) fn failed(error: Error) -> ProviderError {
    match error {
        Error::Cancelled => ProviderError::Cancelled,
        other => ProviderError::Model { message: other.to_string() },
    }
}
