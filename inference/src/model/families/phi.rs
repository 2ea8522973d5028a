//! Owns Phi-3 and Phi-4: joined projections, factors of frequencies for long contexts.
//! Uses the shared keys.
//! Never applies the sliding window that some files name: converters fill it in wrongly, and llama.cpp leaves it out too.

use super::super::config::{Config, Presence};
use super::super::keys::Keys;
use crate::gguf::GgufError;

pub(super) fn phi3(keys: &Keys<'_>) -> Result<Config, GgufError> {
    keys.no_experts()?;
    let mut config = Config::shared(keys)?;
    config.parts.joined_gate = Presence::Required;
    Ok(config)
}
