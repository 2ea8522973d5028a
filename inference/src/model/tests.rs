//! Owns the comparison of forward passes with two independent ones, and of one way through the cache with another.
//! Uses logits.json (numpy, float64, written by tests/reference/make.py) and candle-transformers.
//! Never compares the program with itself only.
#![expect(clippy::unwrap_used, reason = "a failure here is the test's result")]

mod families;

use std::io::Cursor;

use candle_core::quantized::{GgmlDType, gguf_file};
use candle_core::{Device, Tensor};
use candle_transformers::models::{quantized_llama, quantized_qwen2, quantized_qwen3};
use serde_json::Value;

use super::accelerated::Accelerated;
use super::config::Config;
use super::decoder::Decoder;
use crate::gguf::testing::{Raw, Shape, model};
use crate::gguf::{Header, Source};
use crate::kv::Cache;

const REFERENCE: &str = include_str!("../../tests/reference/logits.json");

struct Runner {
    decoder: Decoder,
    cache: Cache,
}

impl Runner {
    fn new(raw: &Raw) -> Self {
        let mut source = Source::owned(raw.bytes());
        let header = Header::read(&mut source).unwrap();
        let config = Config::read(&header).unwrap();
        let decoder = Decoder::load(&mut source, &header, config, &mut |_| true).unwrap();
        let cache = decoder.cache();
        Self { decoder, cache }
    }

    /// Forget every token.
    fn restart(&mut self) {
        self.cache.truncate(0);
    }

    /// Run `tokens` behind the cache in runs of at most `chunk`, and return the last logits.
    fn run(&mut self, tokens: &[u32], chunk: usize) -> Vec<f32> {
        self.cache.reserve(self.cache.len() + tokens.len()).unwrap();
        let mut logits = Vec::new();
        for tokens in tokens.chunks(chunk) {
            self.decoder.forward(tokens, &mut self.cache, Some(&mut logits), &|| false).unwrap();
        }
        logits
    }
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn deviation(values: &[f32]) -> f32 {
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / values.len() as f32).sqrt()
}

/// The model that a case of logits.json describes.
fn described(case: &Value, dtype: GgmlDType) -> Raw {
    let size = |key: &str| case[key].as_u64().unwrap() as usize;
    let family = match case["family"].as_str().unwrap() {
        "llama" => "llama",
        "qwen2" => "qwen2",
        _ => "qwen3",
    };
    let shape = Shape {
        family,
        hidden: 256,
        layers: 2,
        heads: 4,
        kv_heads: size("kv_heads"),
        head_dim: size("head_dim"),
        feed_forward: 512,
        vocab: 300,
        tied: case["tied"].as_bool().unwrap(),
        factors: case["factors"].as_bool().unwrap_or(false),
        dtype,
        rounded: None,
    };
    let mut raw = model(&shape);
    let key = |name: &str| format!("{family}.{name}");
    raw.set_f32(&key("rope.freq_base"), case["base"].as_f64().unwrap() as f32);
    if let Some(factor) = case["linear"].as_f64() {
        raw.set_text(&key("rope.scaling.type"), "linear");
        raw.set_f32(&key("rope.scaling.factor"), factor as f32);
    }
    if let Some(yarn) = case["yarn"].as_array() {
        raw.set_text(&key("rope.scaling.type"), "yarn");
        raw.set_f32(&key("rope.scaling.factor"), yarn[0].as_f64().unwrap() as f32);
        raw.set_u32(&key("rope.scaling.original_context_length"), yarn[1].as_f64().unwrap() as u32);
    }
    raw
}

#[test]
fn every_family_computes_what_its_definition_says() {
    let reference: Value = serde_json::from_str(REFERENCE).unwrap();
    let tokens: Vec<u32> = serde_json::from_value(reference["tokens"].clone()).unwrap();
    for (name, case) in reference["cases"].as_object().unwrap() {
        let mut runner = Runner::new(&described(case, GgmlDType::F32));
        for (position, expect) in case["logits"].as_object().unwrap() {
            let position: usize = position.parse().unwrap();
            let expect: Vec<f32> = serde_json::from_value(expect.clone()).unwrap();
            runner.restart();
            let found = runner.run(&tokens[..=position], usize::MAX);
            let difference = largest_difference(&found, &expect);
            assert!(difference < 1e-3, "{name} at {position}: {difference}");
        }
    }
}

/// The same file in candle-transformers.
fn other_implementation(family: &str, bytes: Vec<u8>, tokens: &[u32]) -> Vec<f32> {
    let mut file = Cursor::new(bytes);
    let content = gguf_file::Content::read(&mut file).unwrap();
    let input = Tensor::new(tokens, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let logits = match family {
        "llama" => quantized_llama::ModelWeights::from_gguf(content, &mut file, &Device::Cpu)
            .unwrap()
            .forward(&input, 0),
        "qwen2" => quantized_qwen2::ModelWeights::from_gguf(content, &mut file, &Device::Cpu)
            .unwrap()
            .forward(&input, 0),
        _ => quantized_qwen3::ModelWeights::from_gguf(content, &mut file, &Device::Cpu)
            .unwrap()
            .forward(&input, 0),
    };
    logits.unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

const TYPES: [GgmlDType; 12] = [
    GgmlDType::F32,
    GgmlDType::F16,
    GgmlDType::BF16,
    GgmlDType::Q8_0,
    GgmlDType::Q4_0,
    GgmlDType::Q4_1,
    GgmlDType::Q5_0,
    GgmlDType::Q5_1,
    GgmlDType::Q4K,
    GgmlDType::Q5K,
    GgmlDType::Q6K,
    GgmlDType::Q3K,
];

/// The same quantised file in both implementations, measured by the distance from the same rounded
/// weights in float arithmetic. What remains is the rounding of activations, which the two do
/// in blocks of different size.
fn check_type(shape: &Shape, tokens: &[u32]) {
    let Shape { family, dtype, .. } = *shape;
    let exact = Shape { dtype: GgmlDType::F32, rounded: Some(dtype), ..shape.clone() };
    let exact = Runner::new(&model(&exact)).run(tokens, usize::MAX);
    let raw = model(shape);
    let ours = largest_difference(&Runner::new(&raw).run(tokens, usize::MAX), &exact);
    let other = largest_difference(&other_implementation(family, raw.bytes(), tokens), &exact);
    // Candle widens half floats; rounding activations to bfloat16 costs 2^-9 each.
    let rounding = if dtype == GgmlDType::BF16 { 0.06 } else { 0.01 } * deviation(&exact);
    assert!(ours <= (1.3 * other).max(rounding), "{family} {dtype:?}: {ours}, the other {other}");
    assert!(other <= 0.5 * deviation(&exact), "{family} {dtype:?}: the comparison means nothing at {other}");
}

fn check_types(family: &'static str) {
    let tokens: Vec<u32> = (0..33).map(|index| (index * index * 5 + 11) % 300).collect();
    for dtype in TYPES {
        // Head sizes that both implementations derive the same way.
        let shape = Shape { family, hidden: 256, head_dim: 64, feed_forward: 512, dtype, ..Shape::default() };
        check_type(&shape, &tokens);
    }
}

#[test]
fn quantised_llama_agrees_with_another_implementation() {
    check_types("llama");
}

#[test]
fn quantised_qwen2_agrees_with_another_implementation() {
    check_types("qwen2");
}

#[test]
fn quantised_qwen3_agrees_with_another_implementation() {
    check_types("qwen3");
}

/// Matrices so large that the packed kernels run.
#[test]
fn packed_matrices_agree_with_another_implementation() {
    for dtype in [GgmlDType::Q8_0, GgmlDType::Q4K, GgmlDType::Q6K] {
        let shape = Shape {
            family: "qwen2",
            hidden: 512,
            layers: 1,
            heads: 8,
            head_dim: 64,
            feed_forward: 2048,
            dtype,
            ..Shape::default()
        };
        check_type(&shape, &[0, 7, 14, 21, 28, 35, 42, 49, 56]);
    }
}

/// One sequence through the cache in different steps.
fn check_paths(shape: &Shape, limit: f32) {
    let raw = model(shape);
    let tokens: Vec<u32> = (0..300).map(|index| (index * index * 3 + index) % 290).collect();
    let mut runner = Runner::new(&raw);
    let whole = runner.run(&tokens, usize::MAX);
    let scale = deviation(&whole);
    let check = |name: &str, found: &[f32]| {
        let difference = largest_difference(&whole, found) / scale;
        assert!(difference < limit, "{} {:?} {name}: {difference}", shape.family, shape.dtype);
    };
    check("chunks", &Runner::new(&raw).run(&tokens, 64));
    check("odd chunks", &Runner::new(&raw).run(&tokens, 37));
    check("token by token", &Runner::new(&raw).run(&tokens, 1));

    // A prompt, an answer token by token, then the next turn behind both.
    let mut turns = Runner::new(&raw);
    turns.run(&tokens[..150], 64);
    turns.run(&tokens[150..190], 1);
    check("appended after decoding", &turns.run(&tokens[190..], 64));

    // Another ending is taken back, across a page, and the right one follows.
    let mut rewound = Runner::new(&raw);
    rewound.run(&tokens[..140], 64);
    rewound.run(&tokens[..150], 64);
    rewound.cache.truncate(140);
    check("truncated and gone on", &rewound.run(&tokens[140..], 64));

    let mut again = runner;
    again.cache.truncate(tokens.len() - 1);
    check("all but the last token re-used", &again.run(&tokens[tokens.len() - 1..], 64));
}

#[test]
fn all_ways_through_the_cache_agree() {
    for family in ["llama", "qwen2", "qwen3"] {
        check_paths(&Shape { family, dtype: GgmlDType::F32, ..Shape::default() }, 2e-4);
        check_paths(&Shape { family, ..Shape::default() }, 2e-4);
    }
    let large =
        Shape { hidden: 256, heads: 16, feed_forward: 256, dtype: GgmlDType::Q4K, ..Shape::default() };
    check_paths(&large, 2e-4);
}

#[test]
fn a_cancelled_pass_leaves_the_cache_as_it_was() {
    let raw = model(&Shape::default());
    let mut runner = Runner::new(&raw);
    let expect = runner.run(&[1, 2, 3, 4], 8);
    runner.cache.truncate(2);
    let result = runner.decoder.forward(&[9, 9], &mut runner.cache, None, &|| true);
    assert!(matches!(result, Err(super::matrix::MatrixError::Cancelled)));
    assert_eq!(runner.cache.len(), 2);
    assert_eq!(runner.run(&[3, 4], 8), expect);
}

/// The tensor operations for accelerators, on the one device that every machine has.
#[test]
fn accelerated_passes_agree_with_those_of_the_cpu() {
    let tokens: Vec<u32> = (0..60).map(|index| (index * 13 + 5) % 290).collect();
    for family in ["llama", "qwen2", "qwen3"] {
        for (dtype, limit) in [(GgmlDType::F32, 1e-3), (GgmlDType::Q8_0, 1e-3), (GgmlDType::Q4_0, 1e-3)] {
            let mut raw = model(&Shape { family, dtype, ..Shape::default() });
            // Part of a head stays as it is.
            raw.set_u32(&format!("{family}.rope.dimension_count"), 8);
            let expect = Runner::new(&raw).run(&tokens, usize::MAX);
            let mut source = Source::owned(raw.bytes());
            let header = Header::read(&mut source).unwrap();
            let config = Config::read(&header).unwrap();
            let mut other =
                Accelerated::load(&mut source, &header, config, &Device::Cpu, &mut |_| true).unwrap();
            let mut logits = Vec::new();
            for run in [&tokens[..30], &tokens[30..31], &[7, 7, 7]] {
                other.forward(run, Some(&mut logits), &|| false).unwrap();
            }
            other.truncate(31);
            other.reserve(5000).unwrap();
            other.forward(&tokens[31..], Some(&mut logits), &|| false).unwrap();
            assert_eq!(other.tokens(), tokens);
            let difference = largest_difference(&logits, &expect) / deviation(&expect);
            assert!(difference < limit, "{family} {dtype:?}: {difference}");
        }
    }
}
