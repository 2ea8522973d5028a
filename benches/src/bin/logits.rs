//! Owns the logits of a model for the beginning of a text, as a file that other programs can read.
//! Uses `inference::bench`, so the passes alone, and the model's own tokenizer.
//! Never samples.
//!
//! `logits MODEL.gguf TEXT TOKENS OUT` writes to OUT, little-endian: the number of tokens and of logits for each as u32,
//! the ids as u32, and the logits as f32. `distance.py` reads it.
#![expect(clippy::disallowed_methods, reason = "it writes the file that it is asked for")]

use std::error::Error;
use std::path::PathBuf;

use loci_inference::bench::{Bench, Plan, Settings};
use loci_inference::engine::{Engine, EngineOptions, ModelSource};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, text, count, out] = arguments.as_slice() else {
        return Err("usage: logits MODEL.gguf TEXT TOKENS OUT".into());
    };
    let (model, count) = (ModelSource::Path(PathBuf::from(model)), count.parse::<usize>()?);
    let text = std::fs::read_to_string(text)?;
    let engine = Engine::open(model.clone(), EngineOptions { cpu_only: true, ..EngineOptions::default() })?;
    let mut tokens = engine.tokenizer().encode(&text)?;
    drop(engine);
    if tokens.len() < count {
        return Err(format!("the text has {} tokens, {count} are asked for", tokens.len()).into());
    }
    tokens.truncate(count);
    let plan = Plan { prompts: vec![count], answers: vec![], depths: vec![0], sequences: vec![1] };
    let settings =
        Settings { threads: None, repetitions: 1, warm_up: false, cpu_only: true, memory_limit: None };
    let logits = Bench::open(&model, &plan, settings)?.logits(&tokens)?;
    let mut bytes = Vec::with_capacity(8 + 4 * (tokens.len() + logits.len()));
    bytes.extend((tokens.len() as u32).to_le_bytes());
    bytes.extend(((logits.len() / tokens.len().max(1)) as u32).to_le_bytes());
    bytes.extend(tokens.iter().flat_map(|token| token.to_le_bytes()));
    bytes.extend(logits.iter().flat_map(|value| value.to_le_bytes()));
    Ok(std::fs::write(out, bytes)?)
}
