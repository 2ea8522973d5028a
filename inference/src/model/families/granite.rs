//! Owns Granite: Llama with four multipliers, dense or with experts.
//! Uses the shared keys.
//! Never leaves a multiplier at 0: that means it is not there.

use super::super::config::{Config, FeedForward};
use super::super::keys::Keys;
use crate::gguf::GgufError;

pub(super) fn granite(keys: &Keys<'_>) -> Result<Config, GgufError> {
    let mut config = Config::shared(keys)?.interleaved();
    config.embedding_scale = keys.factor("embedding_scale")?.unwrap_or(1.0);
    config.residual_scale = keys.factor("residual_scale")?.unwrap_or(1.0);
    let logits = keys.factor("logit_scale")?.ok_or_else(|| keys.missing("logit_scale"))?;
    config.logit_scale = 1.0 / logits;
    if let Some(scale) = keys.factor("attention.scale")? {
        for layer in &mut config.layers {
            layer.attention_scale = scale;
        }
    }
    // Granite 4 turns positions off with this flag.
    if keys.header.flag(&keys.name("rope.scaling.finetuned"))? == Some(false) {
        for layer in &mut config.layers {
            layer.rope = None;
        }
    }
    if keys.optional("expert_count", 0, 1 << 12)?.unwrap_or(0) == 0 {
        return Ok(config);
    }
    let mut experts = keys.experts(keys.feed_forward()?)?;
    experts.shared =
        keys.optional("expert_shared_feed_forward_length", 0, 1 << 20)?.filter(|&width| width > 0);
    Ok(config.feed_forward(&FeedForward::Experts(experts)))
}
