//! Owns BERT as sentence embedders use it: one text a pass, the mean of its tokens' states, unit length.
//! Uses candle for the products, `tokenizers` for word pieces, `embed::source` for the files.
//! Never pads: a text's vector does not depend on what is embedded beside it.

use std::collections::HashMap;

use candle_core::{D, DType, Device, IndexOp, Tensor};
use candle_nn::{LayerNorm, Linear, Module, ops::softmax_last_dim};
use serde::Deserialize;
use tokenizers::{Tokenizer, TruncationParams};

use super::source::Files;
use super::{EmbedError, Kind};

/// What `config.json` says.
#[derive(Debug, Clone, Deserialize)]
struct Config {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    layer_norm_eps: f64,
    hidden_act: String,
}

/// Tokens of a text that count where the files do not say it.
const USUAL_TOKENS: usize = 256;

/// A model in memory.
pub struct Bert {
    tokenizer: Tokenizer,
    fingerprint: [u8; 32],
    dimensions: usize,
    words: Tensor,     // [vocabulary, hidden]
    positions: Tensor, // [positions, hidden], the vector of the first segment added
    norm: LayerNorm,
    layers: Vec<Layer>,
}

struct Layer {
    heads: usize,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    attention_norm: LayerNorm,
    up: Linear,
    down: Linear,
    norm: LayerNorm,
}

impl std::fmt::Debug for Bert {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Bert").field("dimensions", &self.dimensions).finish_non_exhaustive()
    }
}

impl Bert {
    /// Build a model from its files: `config.json`, `tokenizer.json`, `model.safetensors`.
    ///
    /// # Errors
    /// `Damaged` for files that are not what they should be, `Unsupported` for another architecture.
    pub fn load(files: &Files) -> Result<Self, EmbedError> {
        let damaged = |what: &str, error: &dyn std::fmt::Display| EmbedError::Damaged {
            what: format!("{what}: {error}"),
        };
        let config: Config =
            serde_json::from_slice(&files.config).map_err(|error| damaged("config.json", &error))?;
        if config.model_type != "bert" || config.hidden_act != "gelu" {
            let what = format!("{} with {}", config.model_type, config.hidden_act);
            return Err(EmbedError::Unsupported { what });
        }
        if config.num_attention_heads == 0 || !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            return Err(damaged("config.json", &"heads do not divide the hidden size"));
        }
        let mut tokenizer =
            Tokenizer::from_bytes(&files.tokenizer).map_err(|error| damaged("tokenizer.json", &error))?;
        let most = files.most_tokens.unwrap_or(USUAL_TOKENS).clamp(8, config.max_position_embeddings.max(8));
        let truncation = TruncationParams { max_length: most, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|error| damaged("tokenizer.json", &error))?;
        tokenizer.with_padding(None);
        let tensors = candle_core::safetensors::load_buffer(&files.weights, &Device::Cpu)
            .map_err(|error| damaged("model.safetensors", &error))?;
        let weights = Weights { tensors };
        Self::build(&config, tokenizer, files.fingerprint(), &weights)
            .map_err(|error| damaged("model.safetensors", &error))
    }

    fn build(
        config: &Config,
        tokenizer: Tokenizer,
        fingerprint: [u8; 32],
        weights: &Weights,
    ) -> candle_core::Result<Self> {
        let (hidden, eps) = (config.hidden_size, config.layer_norm_eps);
        let words = weights.get("embeddings.word_embeddings.weight")?;
        let segment = weights.get("embeddings.token_type_embeddings.weight")?.i(0)?;
        let positions = weights.get("embeddings.position_embeddings.weight")?.broadcast_add(&segment)?;
        if words.dim(1)? != hidden || positions.dims() != [config.max_position_embeddings, hidden] {
            candle_core::bail!("shapes differ from config.json");
        }
        if tokenizer.get_vocab_size(true) > words.dim(0)? {
            candle_core::bail!("the tokenizer knows more words than the weights");
        }
        let layers = (0..config.num_hidden_layers).map(|number| {
            let linear = |name: &str| weights.linear(&format!("encoder.layer.{number}.{name}"));
            let norm = |name: &str| weights.norm(&format!("encoder.layer.{number}.{name}"), eps);
            Ok(Layer {
                heads: config.num_attention_heads,
                query: linear("attention.self.query")?,
                key: linear("attention.self.key")?,
                value: linear("attention.self.value")?,
                output: linear("attention.output.dense")?,
                attention_norm: norm("attention.output.LayerNorm")?,
                up: linear("intermediate.dense")?,
                down: linear("output.dense")?,
                norm: norm("output.LayerNorm")?,
            })
        });
        Ok(Self {
            tokenizer,
            fingerprint,
            dimensions: hidden,
            words,
            positions,
            norm: weights.norm("embeddings.LayerNorm", eps)?,
            layers: layers.collect::<candle_core::Result<_>>()?,
        })
    }

    /// Names the files.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// The length of every vector.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The vector of a text, of unit length. Identifiers of a passage are taken apart first: word pieces know words.
    ///
    /// # Errors
    /// `Failed` when a pass fails.
    pub fn embed(&self, text: &str, kind: Kind) -> Result<Vec<f32>, EmbedError> {
        match kind {
            Kind::Question => self.embed_as_is(text),
            Kind::Passage => self.embed_as_is(&super::spaced(text)),
        }
    }

    /// The vector of a text exactly as it is written.
    ///
    /// # Errors
    /// `Failed` when a pass fails.
    pub fn embed_as_is(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let failed = |error: &dyn std::fmt::Display| EmbedError::Failed { message: error.to_string() };
        let encoding = self.tokenizer.encode(text, true).map_err(|error| failed(&error))?;
        let mut vector = self.pass(encoding.get_ids()).map_err(|error| failed(&error))?;
        super::normalise(&mut vector);
        Ok(vector)
    }

    /// Tokens of a text that count; 0 where it has none.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        self.tokenizer.encode(text, true).map_or(0, |encoding| encoding.len())
    }

    fn pass(&self, tokens: &[u32]) -> candle_core::Result<Vec<f32>> {
        if tokens.is_empty() {
            return Ok(vec![0.0; self.dimensions]);
        }
        let tokens = Tensor::new(tokens, &Device::Cpu)?;
        let length = tokens.dim(0)?;
        let states = (self.words.index_select(&tokens, 0)? + self.positions.narrow(0, 0, length)?)?;
        let mut states = self.norm.forward(&states)?; // [tokens, hidden]
        for layer in &self.layers {
            states = layer.forward(&states)?;
        }
        states.mean(0)?.to_vec1()
    }
}

impl Layer {
    fn forward(&self, states: &Tensor) -> candle_core::Result<Tensor> {
        let (length, hidden) = states.dims2()?;
        let width = hidden / self.heads;
        // [heads, tokens, width]
        let split = |linear: &Linear| {
            linear.forward(states)?.reshape((length, self.heads, width))?.transpose(0, 1)?.contiguous()
        };
        let (query, key, value) = (split(&self.query)?, split(&self.key)?, split(&self.value)?);
        let scores = (query.matmul(&key.t()?)? / (width as f64).sqrt())?; // [heads, tokens, tokens]
        let mixed = softmax_last_dim(&scores)?.matmul(&value)?;
        let mixed = mixed.transpose(0, 1)?.contiguous()?.reshape((length, hidden))?;
        let states = self.attention_norm.forward(&(self.output.forward(&mixed)? + states)?)?;
        let inner = self.up.forward(&states)?.gelu_erf()?;
        self.norm.forward(&(self.down.forward(&inner)? + states)?)
    }
}

/// Tensors by name, with or without the prefix that some files give them.
struct Weights {
    tensors: HashMap<String, Tensor>,
}

impl Weights {
    fn get(&self, name: &str) -> candle_core::Result<Tensor> {
        match self.tensors.get(name).or_else(|| self.tensors.get(&format!("bert.{name}"))) {
            Some(tensor) => tensor.to_dtype(DType::F32),
            None => candle_core::bail!("there is no {name}"),
        }
    }

    fn linear(&self, name: &str) -> candle_core::Result<Linear> {
        let (weight, bias) = (self.get(&format!("{name}.weight"))?, self.get(&format!("{name}.bias"))?);
        if weight.rank() != 2 || bias.dims() != [weight.dim(0)?] {
            candle_core::bail!("{name} has another shape");
        }
        Ok(Linear::new(weight, Some(bias)))
    }

    fn norm(&self, name: &str, eps: f64) -> candle_core::Result<LayerNorm> {
        let (weight, bias) = (self.get(&format!("{name}.weight"))?, self.get(&format!("{name}.bias"))?);
        if weight.dim(D::Minus1)? != bias.dim(D::Minus1)? {
            candle_core::bail!("{name} has another shape");
        }
        Ok(LayerNorm::new(weight, bias, eps))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::source::Files;
    use super::*;

    fn floats(count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u32 << 24) as f32 - 0.5
        };
        (0..count).map(|_| next()).collect()
    }

    /// A model of two layers that knows a few words.
    fn small(change: &dyn Fn(&mut HashMap<String, Tensor>)) -> Files {
        let mut tensors = HashMap::new();
        let mut add = |name: String, shape: &[usize]| {
            let values = floats(shape.iter().product(), tensors.len() as u64);
            tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu).expect("tensor"));
        };
        for (name, rows) in [("word", 8), ("position", 16), ("token_type", 2)] {
            add(format!("embeddings.{name}_embeddings.weight"), &[rows, 4]);
        }
        let mut norm = |name: String| {
            add(format!("{name}.weight"), &[4]);
            add(format!("{name}.bias"), &[4]);
        };
        norm("embeddings.LayerNorm".into());
        for layer in 0..2 {
            norm(format!("encoder.layer.{layer}.attention.output.LayerNorm"));
            norm(format!("encoder.layer.{layer}.output.LayerNorm"));
        }
        for layer in 0..2 {
            let shapes = [
                ("attention.self.query", 4, 4),
                ("attention.self.key", 4, 4),
                ("attention.self.value", 4, 4),
                ("attention.output.dense", 4, 4),
                ("intermediate.dense", 8, 4),
                ("output.dense", 4, 8),
            ];
            for (name, rows, columns) in shapes {
                add(format!("encoder.layer.{layer}.{name}.weight"), &[rows, columns]);
                add(format!("encoder.layer.{layer}.{name}.bias"), &[rows]);
            }
        }
        change(&mut tensors);
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("w");
        candle_core::safetensors::save(&tensors, &path).expect("saved");
        let vocabulary = serde_json::json!({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "load": 3, "config": 4, "##s": 5, "file": 6, "a": 7});
        let tokenizer = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
            "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
            "decoder": null,
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocabulary},
        });
        let config = serde_json::json!({"model_type": "bert", "hidden_size": 4, "num_hidden_layers": 2, "num_attention_heads": 2,
            "max_position_embeddings": 16, "layer_norm_eps": 1e-12, "hidden_act": "gelu"});
        Files {
            config: config.to_string().into_bytes(),
            tokenizer: tokenizer.to_string().into_bytes(),
            weights: std::fs::read(path).expect("read"),
            most_tokens: Some(16),
        }
    }

    #[test]
    fn vectors_have_unit_length_and_tell_texts_apart() {
        let bert = Bert::load(&small(&|_| {})).expect("model");
        let embed = |text: &str| bert.embed_as_is(text).expect("vector");
        for text in ["load configs", "file", "", &"a ".repeat(100)] {
            let vector = embed(text);
            assert!((vector.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5, "{text:?}");
            assert_eq!(vector, embed(text));
        }
        assert_ne!(embed("load config"), embed("config load"), "places count");
        assert_eq!(bert.embed("loadConfig", Kind::Passage).expect("vector"), embed("load Config"));
    }

    #[test]
    fn wrong_files_are_refused() {
        let sound = small(&|_| {});
        let check = |files: Files, expect: &str| {
            let error = Bert::load(&files).expect_err(expect).to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(Files { config: b"{}".to_vec(), ..sound.clone() }, "config.json");
        check(Files { tokenizer: b"[]".to_vec(), ..sound.clone() }, "tokenizer.json");
        check(Files { weights: sound.weights[..100].to_vec(), ..sound.clone() }, "model.safetensors");
        let other = String::from_utf8_lossy(&sound.config).replace("\"bert\"", "\"roberta\"");
        check(Files { config: other.into_bytes(), ..sound.clone() }, "roberta");
        let more = String::from_utf8_lossy(&sound.config)
            .replace("\"num_hidden_layers\":2", "\"num_hidden_layers\":3");
        check(Files { config: more.into_bytes(), ..sound }, "there is no encoder.layer.2");
        let cut = |tensors: &mut HashMap<String, Tensor>| {
            let words = tensors["embeddings.word_embeddings.weight"].narrow(0, 0, 5).expect("part");
            tensors.insert("embeddings.word_embeddings.weight".into(), words.contiguous().expect("part"));
        };
        check(small(&cut), "more words");
    }

    /// `LOCI_MINILM` is a wheel or a folder of all-MiniLM-L6-v2; `inference/embed/reference.py` wrote what it should say.
    #[test]
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn vectors_are_those_of_the_reference() {
        let Some(model) = std::env::var_os("LOCI_MINILM") else {
            eprintln!("SKIPPED: LOCI_MINILM names no weights to compare with");
            return;
        };
        let bert = Bert::load(&Files::open(Path::new(&model)).expect("files")).expect("model");
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../embed/reference.json")).expect("golden");
        for row in golden.as_array().expect("rows") {
            let text = row["text"].as_str().expect("text");
            let expect: Vec<f32> = serde_json::from_value(row["vector"].clone()).expect("vector");
            let vector = bert.embed_as_is(text).expect("vector");
            assert_eq!(vector.len(), expect.len());
            let cosine: f32 = vector.iter().zip(&expect).map(|(one, other)| one * other).sum();
            assert!(cosine > 0.9999, "{text:?} {cosine}");
        }
    }
}
