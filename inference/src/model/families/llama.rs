//! Owns Llama and what is built like it: Mistral, Mixtral, SmolLM, SmolLM3.
//! Uses the shared keys.
//! Never names a tensor: the parts are those that all families share.

use super::super::config::{Config, FeedForward};
use super::super::keys::Keys;
use crate::gguf::GgufError;

/// Layers of SmolLM3 of which the last knows no positions ("NoPE", config `no_rope_layer_interval`).
const SMOLLM3_PERIOD: usize = 4;

/// Llama rotates neighbouring pairs, for the conversion to GGUF permutes the rows of queries and keys. With experts it
/// is Mixtral.
pub(super) fn llama(keys: &Keys<'_>) -> Result<Config, GgufError> {
    let config = Config::shared(keys)?.interleaved();
    if keys.optional("expert_count", 0, 1 << 12)?.unwrap_or(0) == 0 {
        return Ok(config);
    }
    let experts = keys.experts(keys.feed_forward()?)?;
    Ok(config.feed_forward(&FeedForward::Experts(experts)))
}

/// SmolLM3 leaves positions out in every fourth layer.
pub(super) fn smollm3(keys: &Keys<'_>) -> Result<Config, GgufError> {
    let mut config = Config::shared(keys)?.interleaved();
    for layer in config.layers.iter_mut().skip(SMOLLM3_PERIOD - 1).step_by(SMOLLM3_PERIOD) {
        layer.rope = None;
    }
    Ok(config)
}
