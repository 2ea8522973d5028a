//! Owns GLM-4 (dense) and GLM-4.5 (experts).
//! Uses the shared keys.
//! Never runs the layers behind the last one that predict a second token.

use super::super::config::{Config, FeedForward, Presence, Router};
use super::super::keys::Keys;
use crate::gguf::GgufError;

/// Half of a head is turned, in neighbouring pairs; norms stand behind each block too.
pub(super) fn glm4(keys: &Keys<'_>) -> Result<Config, GgufError> {
    keys.no_experts()?;
    let mut config = without_prediction(keys, Config::shared(keys)?.interleaved())?;
    config.parts.post_norms = Presence::Required;
    config.parts.joined_gate = Presence::Required;
    Ok(config)
}

/// The first layers are dense; experts are chosen by sigmoids and a bias.
pub(super) fn glm4moe(keys: &Keys<'_>) -> Result<Config, GgufError> {
    let mut config = without_prediction(keys, Config::shared(keys)?)?;
    config.parts.head_norms = Presence::Optional;
    config.parts.feed_forward_norm = "post_attention_norm";
    let width = keys.number("expert_feed_forward_length", 1, 1 << 20)?;
    let mut experts = keys.experts(width)?;
    experts.router = match keys.optional("expert_gating_func", 0, 2)?.unwrap_or(0) {
        // The numbers are llama.cpp's; files without the key mean sigmoids.
        1 => Router::Softmax,
        _ => Router::Sigmoid,
    };
    experts.normalised = keys.header.flag(&keys.name("expert_weights_norm"))?.unwrap_or(false);
    experts.selection_bias = Presence::Required;
    let shared = keys.optional("expert_shared_count", 0, 64)?.unwrap_or(0);
    experts.shared = Some(width * shared).filter(|&width| width > 0);
    let dense = keys.optional("leading_dense_block_count", 0, 512)?.unwrap_or(0);
    for layer in config.layers.iter_mut().skip(dense) {
        layer.feed_forward = FeedForward::Experts(experts.clone());
    }
    Ok(config)
}

/// Leave out the layers that predict a second token.
pub(super) fn without_prediction(keys: &Keys<'_>, mut config: Config) -> Result<Config, GgufError> {
    let extra = keys.optional("nextn_predict_layers", 0, 511)?.unwrap_or(0);
    if extra >= config.layers.len() {
        let reason = format!("{extra} of {} layers", config.layers.len());
        return Err(GgufError::invalid(keys.name("nextn_predict_layers"), reason));
    }
    config.layers.truncate(config.layers.len() - extra);
    Ok(config)
}
