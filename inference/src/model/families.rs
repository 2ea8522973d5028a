//! Owns the list of families that have a forward pass, by the architecture's name in a file.
//! Uses one file for each: its keys, its tensors, the order of its norms.
//! Never runs anything: a family is numbers, and one decoder runs them all.

use super::config::Config;
use super::keys::Keys;
use crate::gguf::GgufError;

mod deepseek;
mod gemma;
mod glm;
mod gpt_oss;
mod granite;
mod llama;
mod phi;
mod qwen;

/// Reads the numbers of one family.
type Read = fn(&Keys<'_>) -> Result<Config, GgufError>;

/// Every architecture that has a forward pass here.
pub(super) const FAMILIES: [(&str, Read); 16] = [
    ("llama", llama::llama),
    ("smollm3", llama::smollm3),
    ("granite", granite::granite),
    ("granitemoe", granite::granite),
    ("qwen2", qwen::qwen2),
    ("qwen2moe", qwen::qwen2moe),
    ("qwen3", qwen::qwen3),
    ("qwen3moe", qwen::qwen3moe),
    ("gemma", gemma::gemma),
    ("gemma2", gemma::gemma2),
    ("gemma3", gemma::gemma3),
    ("phi3", phi::phi3),
    ("deepseek2", deepseek::deepseek2),
    ("gpt-oss", gpt_oss::gpt_oss),
    ("glm4", glm::glm4),
    ("glm4moe", glm::glm4moe),
];
