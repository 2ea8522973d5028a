//! Owns the way from tokens to tokens: models, tokenizers, chat templates, grammars and providers.
//! Uses `loci-kernels` on a CPU and candle on accelerators, `tokenizers`, `minijinja` and `llguidance`.
//! Never sees project files, tools' behaviour, sessions or the terminal.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests prepare and damage files directly"))]

pub mod about;
pub mod bench;
pub mod builtin;
pub mod catalog;
mod draft;
pub mod embed;
pub mod engine;
pub mod fetch;
pub mod gguf;
pub mod grammar;
pub mod hardware;
mod kv;
pub mod local;
pub mod model;
pub mod on_disk;
pub mod provider;
#[cfg(feature = "remote")]
pub mod remote;
mod sample;
pub mod scripted;
#[cfg(feature = "serve")]
pub mod serve;
pub mod service;
pub mod template;
pub mod tokenizer;
pub mod tool_syntax;
pub mod witness;
