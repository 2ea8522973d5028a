//! Owns Qwen2 and Qwen3, dense and with experts.
//! Uses the shared keys.
//! Never takes a Qwen2 without its biases or a Qwen3 without its norms.

use super::super::config::{Config, FeedForward, Presence};
use super::super::keys::Keys;
use crate::gguf::GgufError;

/// Biases on queries, keys and values.
pub(super) fn qwen2(keys: &Keys<'_>) -> Result<Config, GgufError> {
    keys.no_experts()?;
    let mut config = Config::shared(keys)?;
    config.parts.input_biases = Presence::Required;
    Ok(config)
}

/// With a shared network beside the experts that one product weighs; the weights of the chosen ones are not normalised.
pub(super) fn qwen2moe(keys: &Keys<'_>) -> Result<Config, GgufError> {
    let mut config = Config::shared(keys)?;
    config.parts.input_biases = Presence::Required;
    let width = keys.number("expert_feed_forward_length", 1, 1 << 20)?;
    let mut experts = keys.experts(width)?;
    experts.normalised = false;
    experts.shared = Some(keys.number("expert_shared_feed_forward_length", 1, 1 << 20)?);
    experts.shared_gate = Presence::Required;
    Ok(config.feed_forward(&FeedForward::Experts(experts)))
}

/// Queries and keys are normalised per head.
pub(super) fn qwen3(keys: &Keys<'_>) -> Result<Config, GgufError> {
    keys.no_experts()?;
    let mut config = Config::shared(keys)?;
    config.parts.head_norms = Presence::Required;
    Ok(config)
}

/// Qwen3 with experts in every layer.
pub(super) fn qwen3moe(keys: &Keys<'_>) -> Result<Config, GgufError> {
    let mut config = Config::shared(keys)?;
    config.parts.head_norms = Presence::Required;
    let width = keys.number("expert_feed_forward_length", 1, 1 << 20)?;
    let experts = keys.experts(width)?;
    Ok(config.feed_forward(&FeedForward::Experts(experts)))
}
