//! Owns the face of a forward pass: what goes in, which logits come out, and why one fails.
//! Uses sequences of the cache.
//! Never knows how a pass is computed.

use loci_kernels::mapping::Torn;
use loci_kernels::matmul::ShapeError;

use crate::gguf::GgufError;
use crate::kv::Sequence;

/// The part of one sequence in a pass.
pub(crate) struct Step<'a> {
    pub(crate) sequence: &'a mut Sequence,
    /// What follows behind the sequence; added to it when the pass succeeds.
    pub(crate) tokens: &'a [u32],
    pub(crate) outputs: Outputs,
}

/// The tokens of a step whose logits are wanted: the scores of what follows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outputs {
    None,
    Last,
    All,
}

impl Outputs {
    /// Rows of logits for a step of `tokens` tokens.
    pub(crate) fn rows(self, tokens: usize) -> usize {
        match self {
            Self::None => 0,
            Self::Last => tokens.min(1),
            Self::All => tokens,
        }
    }
}

/// Why a model could not be loaded or a pass failed. Every sequence is as it was before.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    File(#[from] GgufError),
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The file was cut short while its weights were in use.
    #[error("the model's weights: {0}")]
    Torn(#[from] Torn),
    #[error("there is no memory for {0}")]
    Memory(String),
    #[error("cancelled")]
    Cancelled,
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Called with the bytes that became ready since the last call; false stops the loading.
pub(crate) type Progress<'a> = dyn FnMut(u64) -> bool + 'a;
