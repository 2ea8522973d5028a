//! Owns what a model is: its shape, its limits, the facts of its file.
//! Uses the validated header of the file.
//! Never reads weights before a job needs them.

use std::collections::BTreeMap;

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
    /// `general.architecture`: `llama`, `qwen2`, `qwen3`.
    pub architecture: String,
    /// Tokens that fit at once: the model's own limit, lowered by [`crate::engine::EngineOptions`].
    pub context_length: usize,
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
