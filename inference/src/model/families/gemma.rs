//! Owns Gemma 1 to 3: scaled embeddings, GELU, norms behind each block, windows.
//! Uses the shared keys; the conversion to GGUF has added the 1 to the norms' weights.
//! Never reads the vision part of a Gemma 3 file.

use loci_kernels::vector::Gate;

use super::super::config::{Config, FeedForward, Presence, Scaling};
use super::super::keys::Keys;
use crate::gguf::GgufError;

/// Layers of the 27B models, whose attention is scaled by the width that the embedding gives each head.
const LAYERS_27B: [usize; 2] = [46, 62];

/// The window of Gemma 2 where a file gives none.
const GEMMA2_WINDOW: usize = 4096;

/// The base of rotations in windowed layers of Gemma 3 where a file gives none.
const GEMMA3_LOCAL_BASE: f64 = 10_000.0;

pub(super) fn gemma(keys: &Keys<'_>) -> Result<Config, GgufError> {
    let mut config = Config::shared(keys)?;
    config.embedding_scale = (config.hidden as f32).sqrt();
    let dense = FeedForward::Dense { width: keys.feed_forward()?, gate: Gate::GeluTanh };
    Ok(config.feed_forward(&dense))
}

/// Every second layer sees a window; scores and logits are squashed.
pub(super) fn gemma2(keys: &Keys<'_>) -> Result<Config, GgufError> {
    let mut config = normalised(keys)?;
    config.logit_cap = Some(keys.factor("final_logit_softcapping")?.unwrap_or(30.0));
    let cap = keys.factor("attn_logit_softcapping")?.unwrap_or(50.0);
    let window = keys.optional("attention.sliding_window", 1, 1 << 24)?.unwrap_or(GEMMA2_WINDOW);
    let windowed = keys.windowed(config.layers.len(), 2)?;
    for (layer, windowed) in config.layers.iter_mut().zip(windowed) {
        layer.score_cap = Some(cap);
        layer.window = windowed.then_some(window);
    }
    Ok(config)
}

/// Five of six layers see a window and have a rotation of their own; queries and keys are normalised.
pub(super) fn gemma3(keys: &Keys<'_>) -> Result<Config, GgufError> {
    let mut config = normalised(keys)?;
    config.parts.head_norms = Presence::Required;
    config.logit_cap = keys.factor("final_logit_softcapping")?;
    let Some(window) = keys.optional("attention.sliding_window", 0, 1 << 24)?.filter(|&window| window > 0)
    else {
        return Ok(config);
    };
    let mut local = config.ropes[0].clone();
    local.base = keys.float("rope.freq_base_swa", 1.0, 1e12)?.unwrap_or(GEMMA3_LOCAL_BASE);
    // Only the layers that see everything are stretched.
    local.scaling = Scaling::None;
    config.ropes.push(local);
    let windowed = keys.windowed(config.layers.len(), 6)?;
    for layer in
        config.layers.iter_mut().zip(windowed).filter_map(|(layer, windowed)| windowed.then_some(layer))
    {
        layer.window = Some(window);
        layer.rope = Some(1);
    }
    Ok(config)
}

/// What Gemma 2 and 3 share.
fn normalised(keys: &Keys<'_>) -> Result<Config, GgufError> {
    let mut config = gemma(keys)?;
    config.parts.post_norms = Presence::Required;
    if LAYERS_27B.contains(&config.layers.len()) {
        let scale = 1.0 / ((config.hidden / config.layers[0].heads) as f32).sqrt();
        for layer in &mut config.layers {
            layer.attention_scale = scale;
        }
    }
    Ok(config)
}
