//! Owns what a model is: its shape, its limits, the facts of its file.
//! Uses the validated header of the file.
//! Never reads weights before a job needs them.

#[cfg(any(test, feature = "cuda", feature = "metal"))]
pub(crate) mod accelerated;
pub(crate) mod config;
pub(crate) mod decoder;
mod families;
mod feed_forward;
mod keys;
mod latent;
pub(crate) mod pass;
mod rope;
pub(crate) mod runtime;
mod weights;

use std::collections::BTreeMap;

use crate::gguf::{Array, GgufError, Header, Value};
use crate::tokenizer::{TokenKind, Tokenizer};
use config::Config;

/// A value of the file's metadata, as far as callers may ask for it.
#[derive(Debug, Clone, PartialEq)]
pub enum Metadata {
    /// A string.
    Text(String),
    /// Any integer.
    Integer(i64),
    /// Any float.
    Float(f64),
    /// A truth value.
    Flag(bool),
    /// A list of strings.
    Texts(Vec<String>),
}

/// What is known about a model before its weights are read.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelDescription {
    /// `general.name`, or the file's name.
    pub name: String,
    /// `general.architecture`: `llama`, `qwen3moe`.
    pub architecture: String,
    /// Tokens that fit at once: the model's own limit, lowered by [`crate::engine::EngineOptions`].
    pub context_length: usize,
    /// Why `context_length` is below what the model or the caller wanted, in words for the user.
    pub context_note: Option<String>,
    /// Where it runs: `CPU`, `CUDA`, `Metal`, or `CPU` and why not the other.
    pub device: String,
    /// Bytes of memory that weights, cache and buffers will take at the full context.
    pub memory_bytes: u64,
    /// Rows of the logits.
    pub vocab_size: usize,
    /// The Jinja template in the file.
    pub chat_template: Option<String>,
    /// The token a sequence begins with, if the model has one.
    pub bos: Option<u32>,
    /// Whether a prompt must begin with `bos` (a template may have written it already).
    pub add_bos: bool,
    /// All tokens that end a generation: end of text, of turn, of message.
    pub eos: Vec<u32>,
    /// Weights.
    pub parameters: u64,
    /// Size of the file.
    pub file_bytes: u64,
    /// Text, numbers and flags of the file (`general.*`, `loci.*`, `tokenizer.*` scalars).
    pub metadata: BTreeMap<String, Metadata>,
}

impl ModelDescription {
    /// A string of the metadata.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key)? {
            Metadata::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A flag of the metadata; an integer counts as true when it is not 0.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.metadata.get(key)? {
            Metadata::Flag(flag) => Some(*flag),
            Metadata::Integer(number) => Some(*number != 0),
            _ => None,
        }
    }

    /// An integer of the metadata.
    pub fn integer(&self, key: &str) -> Option<i64> {
        match self.metadata.get(key)? {
            Metadata::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

/// The architectures that have a forward pass.
#[cfg(test)]
pub(crate) fn families() -> Vec<&'static str> {
    families::FAMILIES.iter().map(|(name, _)| *name).collect()
}

/// Names of tokens that end a turn or a text, whatever the file says about them.
const END_NAMES: [&str; 18] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<|end_of_turn|>",
    "<end_of_turn>",
    "<|return|>",
    "<|call|>",
    "<|EOT|>",
    "<EOT>",
    "<｜end▁of▁sentence｜>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<|user|>",
    "<|observation|>",
];

/// Tokens that a prompt is read in at a time.
pub(crate) const CHUNK: usize = 512;

/// A context shorter than this is not worth starting with.
const LEAST_CONTEXT: usize = 2048;

/// Limits that the caller sets.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) context: Option<usize>,
    pub(crate) memory: Option<u64>,
}

impl ModelDescription {
    /// What the header says, with the context that fits `limits`.
    pub(crate) fn new(
        header: &Header,
        config: &Config,
        tokenizer: &Tokenizer,
        file_name: &str,
        place: &runtime::Place,
        limits: Limits,
    ) -> Result<Self, GgufError> {
        if tokenizer.vocab_size() > config.vocab {
            let reason = format!("{} tokens for {} rows of weights", tokenizer.vocab_size(), config.vocab);
            return Err(GgufError::invalid("tokenizer.ggml.tokens", reason));
        }
        let token = |key: &str| -> Result<Option<u32>, GgufError> {
            let Some(id) = header.integer(key)? else { return Ok(None) };
            let id = u32::try_from(id).ok().filter(|&id| (id as usize) < tokenizer.vocab_size());
            id.map(Some).ok_or_else(|| GgufError::invalid(key, "is not the id of a token"))
        };
        let bos = token("tokenizer.ggml.bos_token_id")?;
        let mut eos = Vec::new();
        for key in ["eos_token_id", "eot_token_id", "eom_token_id"] {
            eos.extend(token(&format!("tokenizer.ggml.{key}"))?);
        }
        let ends = END_NAMES.iter().filter_map(|name| tokenizer.special(name));
        eos.extend(ends.filter(|&id| tokenizer.kind(id) == TokenKind::Control));
        // Where messages stand on channels, this ends a message and the reply goes on.
        let goes_on = tokenizer.special("<|channel|>").and_then(|_| tokenizer.special("<|end|>"));
        eos.retain(|&id| Some(id) != goes_on);
        eos.sort_unstable();
        eos.dedup();
        let sentencepiece = header.string("tokenizer.ggml.model")? == Some("llama");
        let llama3 =
            matches!(header.string("tokenizer.ggml.pre")?, Some("llama-bpe" | "llama3" | "llama-v3"));
        let add_bos =
            header.flag("tokenizer.ggml.add_bos_token")?.unwrap_or(sentencepiece || llama3) && bos.is_some();
        let (context_length, context_note, memory_bytes) = fit_context(header, config, limits)?;
        let parameters = header.tensors().values().map(|info| info.elements() as u64).sum();
        let name = header.string("general.name")?.filter(|name| !name.trim().is_empty());
        Ok(Self {
            name: name.unwrap_or(file_name).to_owned(),
            architecture: config.architecture.to_owned(),
            context_length,
            context_note,
            device: place.name.clone(),
            memory_bytes,
            vocab_size: config.vocab,
            chat_template: header.string("tokenizer.chat_template")?.map(str::to_owned),
            bos,
            add_bos,
            eos,
            parameters,
            file_bytes: header.file_bytes,
            metadata: header
                .metadata()
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), kept(value)?)))
                .collect(),
        })
    }
}

/// The part of the metadata that callers may ask for.
fn kept(value: &Value) -> Option<Metadata> {
    Some(match value {
        Value::String(text) => Metadata::Text(text.clone()),
        Value::Unsigned(number) => Metadata::Integer(i64::try_from(*number).ok()?),
        Value::Signed(number) => Metadata::Integer(*number),
        Value::Float(number) => Metadata::Float(*number),
        Value::Bool(flag) => Metadata::Flag(*flag),
        Value::Array(Array::Strings(strings)) if strings.len() <= 4096 => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Metadata::Texts(strings.iter().map(text).collect())
        }
        Value::Array(_) | Value::Omitted { .. } => return None,
    })
}

/// Bytes that a token of the vocabulary takes in tables of the tokenizer and in the trie of grammars: measured with
/// 151,936 tokens (`benches/src/bin/memory.rs`), 44 MiB and 49 MiB.
const BYTES_PER_WORD: u64 = 640;

/// Bytes that the process takes in addition for a model whose sequences have `tokens` tokens together. Measured on
/// three models of 0.4 to 1.3 GiB, 5 % above what was used; the margin is for allocators and stacks.
pub(crate) fn memory_bytes(header: &Header, config: &Config, tokens: usize) -> u64 {
    // The weights stay where the file is mapped: they take their own size and no more.
    let weights: u64 = header.tensors().values().map(|info| info.bytes).sum();
    let tokens = tokens.next_multiple_of(crate::kv::PAGE) as u64;
    let parts = [
        weights,
        decoder::buffer_bytes(config),
        config.cache_bytes_per_token().saturating_mul(tokens),
        BYTES_PER_WORD * config.vocab as u64,
    ];
    let sum = parts.into_iter().fold(0_u64, u64::saturating_add);
    sum.saturating_add(sum / 20)
}

/// The context that fits, why it is lower than wished, and the memory it takes.
fn fit_context(
    header: &Header,
    config: &Config,
    limits: Limits,
) -> Result<(usize, Option<String>, u64), GgufError> {
    let wished = limits.context.unwrap_or(config.context).clamp(1, config.context);
    let asked_too_much = limits.context.filter(|&context| context > config.context);
    let mut note =
        asked_too_much.map(|context| format!("the model holds {wished} tokens, {context} were asked for"));
    let memory = |context: usize| memory_bytes(header, config, context);
    let Some(limit) = limits.memory.filter(|&limit| memory(wished) > limit) else {
        return Ok((wished, note, memory(wished)));
    };
    let least = LEAST_CONTEXT.min(wished);
    if memory(least) > limit {
        return Err(GgufError::Unsupported {
            field: "memory".to_owned(),
            reason: format!(
                "the model needs {} MiB for a context of {least} tokens and {} MiB are free",
                memory(least) >> 20,
                limit >> 20
            ),
        });
    }
    let (mut fits, mut fails) = (least, wished);
    while fails - fits > crate::kv::PAGE {
        let middle = fits.midpoint(fails);
        if memory(middle) <= limit { fits = middle } else { fails = middle }
    }
    note = Some(format!(
        "the context is {fits} tokens instead of {wished}, for {} MiB of memory are free",
        limit >> 20
    ));
    Ok((fits, note, memory(fits)))
}

#[cfg(test)]
mod tests;
