//! Owns DeepSeek V2 and V3, and what is built like them (GLM-4.7 Flash): latent attention and many small experts.
//! Uses the shared keys; files hold the matrices of keys and values apart (`attn_k_b`, `attn_v_b`).
//! Never keeps keys and values of single heads.

use super::super::config::{Config, FeedForward, Latent, Presence, Router, Scaling};
use super::super::keys::Keys;
use super::glm::without_prediction;
use crate::gguf::GgufError;

/// Layers and tokens of GLM-4.7 Flash, whose first files do not name their router.
const GLM_FLASH: ([usize; 2], usize) = ([47, 48], 154_880);

pub(super) fn deepseek2(keys: &Keys<'_>) -> Result<Config, GgufError> {
    let rank = keys.number("attention.kv_lora_rank", 1, 1 << 14)?;
    let turned = keys.number("rope.dimension_count", 2, 1024)?;
    let key = keys.number("attention.key_length_mla", 2, 1024)?;
    let value = keys.number("attention.value_length_mla", 1, 1024)?;
    let query_rank = keys.optional("attention.q_lora_rank", 1, 1 << 14)?;
    if turned >= key {
        let reason = format!("{turned} is not less than the {key} components of a query");
        return Err(GgufError::invalid(keys.name("rope.dimension_count"), reason));
    }
    let has_step = keys.header.tensors().contains_key("blk.0.attn_q_a.weight");
    let query_rank = query_rank.filter(|_| has_step);
    let config = Config::of_heads(keys, rank + turned, rank)?;
    let mut config = without_prediction(keys, config.interleaved())?;
    let mut scale = 1.0 / (key as f32).sqrt();
    let multiplier = keys.factor("rope.scaling.yarn_log_multiplier")?;
    if let (Scaling::Yarn { factor, .. }, Some(multiplier)) = (config.ropes[0].scaling, multiplier) {
        // The multiplier stands in the file with the 0.1 of YaRN's formula. Scores take all of the stretching, twice:
        // once for the query and once for the key.
        let stretch = 1.0 + multiplier * (factor as f32).ln();
        config.ropes[0].magnitude = 1.0;
        scale *= stretch * stretch;
    }
    let latent = Latent { rank, turned, plain: key - turned, value, query_rank };
    for layer in &mut config.layers {
        layer.kv_heads = 1;
        layer.attention_scale = scale;
        layer.latent = Some(latent);
    }
    let width = keys.number("expert_feed_forward_length", 1, 1 << 20)?;
    let mut experts = keys.experts(width)?;
    let flash = GLM_FLASH.0.contains(&config.layers.len()) && config.vocab == GLM_FLASH.1;
    experts.router = match keys.optional("expert_gating_func", 0, 2)?.unwrap_or(0) {
        2 => Router::Sigmoid,
        0 if flash => Router::Sigmoid,
        _ => Router::Softmax,
    };
    experts.normalised = keys.header.flag(&keys.name("expert_weights_norm"))?.unwrap_or(false);
    experts.selection_bias = Presence::Optional;
    experts.shared = Some(width * keys.number("expert_shared_count", 1, 64)?);
    if keys.optional("expert_group_count", 0, 1 << 10)?.unwrap_or(0) > 1 {
        let reason = "experts in groups are not supported";
        return Err(GgufError::unsupported(keys.name("expert_group_count"), reason));
    }
    let dense = keys.optional("leading_dense_block_count", 0, 512)?.unwrap_or(0);
    for layer in config.layers.iter_mut().skip(dense) {
        layer.feed_forward = FeedForward::Experts(experts.clone());
    }
    Ok(config)
}
