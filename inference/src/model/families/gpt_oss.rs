//! Owns gpt-oss: experts in MXFP4 with biases, sinks in the attention, every second layer with a window.
//! Uses the shared keys.
//! Never normalises what a block adds: the norm called `post_attention_norm` stands in front of the experts.

use loci_kernels::vector::Gate;

use super::super::config::{Config, FeedForward, Presence, Router};
use super::super::keys::Keys;
use crate::gguf::GgufError;

pub(super) fn gpt_oss(keys: &Keys<'_>) -> Result<Config, GgufError> {
    let width = keys.number("expert_feed_forward_length", 1, 1 << 20)?;
    let mut config = Config::shared(keys)?;
    config.parts.input_biases = Presence::Required;
    config.parts.output_bias = Presence::Required;
    config.parts.sinks = Presence::Required;
    config.parts.feed_forward_norm = "post_attention_norm";
    let mut experts = keys.experts(width)?;
    experts.gate = Gate::SwigluOai;
    experts.router = Router::SoftmaxOfChosen;
    experts.normalised = false;
    experts.biases = Presence::Required;
    let window = keys.number("attention.sliding_window", 1, 1 << 24)?;
    let windowed = keys.windowed(config.layers.len(), 2)?;
    for (layer, windowed) in config.layers.iter_mut().zip(windowed) {
        layer.window = windowed.then_some(window);
    }
    Ok(config.feed_forward(&FeedForward::Experts(experts)))
}
