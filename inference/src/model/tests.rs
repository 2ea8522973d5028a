//! Owns the comparison of forward passes with two independent ones, and of one way through the cache with another.
//! Uses logits.json (numpy, float64, written by tests/reference/make.py) and candle-transformers.
//! Never compares the program with itself only.
#![expect(clippy::unwrap_used, reason = "a failure here is the test's result")]

mod families;
mod paths;
mod split;

use std::io::Cursor;

use candle_core::quantized::gguf_file;
use candle_core::{Device, Tensor};
use candle_transformers::models::{quantized_llama, quantized_qwen2, quantized_qwen3};
use loci_kernels::format::Format;
use serde_json::Value;

use super::accelerated::Accelerated;
use super::config::Config;
use super::decoder::Decoder;
use super::pass::{Error, Outputs, Step};
use super::runtime::{Load, Place};
use crate::gguf::testing::{Raw, Shape, model};
use crate::gguf::{Header, Source};
use crate::kv::Sequence;

const REFERENCE: &str = include_str!("../../tests/reference/logits.json");

/// Tokens that sequences of these tests have at most.
const CONTEXT: usize = 512;

struct Runner {
    decoder: Decoder,
    sequence: Sequence,
}

impl Runner {
    fn new(raw: &Raw) -> Self {
        let source = Source::owned(raw.bytes());
        let header = Header::read(&source).unwrap();
        let config = Config::read(&header).unwrap();
        let decoder = Decoder::load(&source, &header, config, CONTEXT, 2).unwrap();
        let sequence = Sequence::new(decoder.geometry());
        Self { decoder, sequence }
    }

    /// Forget every token.
    fn restart(&mut self) {
        self.sequence.truncate(0);
    }

    /// Run `tokens` behind the sequence in runs of at most `chunk`, and return the last logits.
    fn run(&mut self, tokens: &[u32], chunk: usize) -> Vec<f32> {
        let mut logits = Vec::new();
        for tokens in tokens.chunks(chunk) {
            logits = self.step(tokens, Outputs::Last);
        }
        logits
    }

    /// One pass.
    fn step(&mut self, tokens: &[u32], outputs: Outputs) -> Vec<f32> {
        let mut logits = Vec::new();
        let step = Step { sequence: &mut self.sequence, tokens, outputs };
        self.decoder.forward(&mut [step], &mut logits, &|| false).unwrap();
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
fn described(case: &Value, format: Format) -> Raw {
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
        format,
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
        let mut runner = Runner::new(&described(case, Format::F32));
        for (position, expect) in case["logits"].as_object().unwrap() {
            let position: usize = position.parse().unwrap();
            let expect: Vec<f32> = serde_json::from_value(expect.clone()).unwrap();
            runner.restart();
            let found = runner.run(&tokens[..=position], usize::MAX);
            let difference = largest_difference(&found, &expect) / deviation(&expect);
            // Keys and values are rounded to f16, 11 bits.
            assert!(difference < 5e-3, "{name} at {position}: {difference}");
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

const TYPES: [Format; 12] = [
    Format::F32,
    Format::F16,
    Format::BF16,
    Format::Q8_0,
    Format::Q4_0,
    Format::Q4_1,
    Format::Q5_0,
    Format::Q5_1,
    Format::Q4K,
    Format::Q5K,
    Format::Q6K,
    Format::Q3K,
];

/// Root of the mean square of the differences.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    (a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / a.len() as f32).sqrt()
}

/// The same quantised file in both implementations, measured by the distance from the same rounded
/// weights in float arithmetic. What remains is the rounding of activations, which the two do
/// in blocks of different size, and that of keys and values to f16, which candle does not do.
fn check_type(shape: &Shape, tokens: &[u32]) {
    let Shape { family, format, .. } = *shape;
    let exact = Shape { format: Format::F32, rounded: Some(format), ..shape.clone() };
    let exact = Runner::new(&model(&exact)).run(tokens, usize::MAX);
    let raw = model(shape);
    let ours = distance(&Runner::new(&raw).run(tokens, usize::MAX), &exact);
    let other = distance(&other_implementation(family, raw.bytes(), tokens), &exact);
    // Candle widens half floats, and quantises activations of the older types with more bits.
    let rounding = if format.block_len() == 1 { 0.005 } else { 0.05 } * deviation(&exact);
    assert!(ours <= (1.3 * other).max(rounding), "{family} {format:?}: {ours}, the other {other}");
    assert!(other <= 0.2 * deviation(&exact), "{family} {format:?}: the comparison means nothing at {other}");
}

fn check_types(family: &'static str) {
    let tokens: Vec<u32> = (0..33).map(|index| (index * index * 5 + 11) % 300).collect();
    for format in TYPES {
        // Head sizes that both implementations derive the same way.
        let shape =
            Shape { family, hidden: 256, head_dim: 64, feed_forward: 512, format, ..Shape::default() };
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
    for format in [Format::Q8_0, Format::Q4K, Format::Q6K] {
        let shape = Shape {
            family: "qwen2",
            hidden: 512,
            layers: 1,
            heads: 8,
            head_dim: 64,
            feed_forward: 2048,
            format,
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
        assert!(difference < limit, "{} {:?} {name}: {difference}", shape.family, shape.format);
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
    rewound.sequence.truncate(140);
    check("truncated and gone on", &rewound.run(&tokens[140..], 64));

    let mut again = runner;
    again.sequence.truncate(tokens.len() - 1);
    check("all but the last token re-used", &again.run(&tokens[tokens.len() - 1..], 64));
}

#[test]
fn all_ways_through_the_cache_agree() {
    for family in ["llama", "qwen2", "qwen3"] {
        check_paths(&Shape { family, format: Format::F32, ..Shape::default() }, 2e-4);
        check_paths(&Shape { family, ..Shape::default() }, 2e-4);
    }
    let large = Shape { hidden: 256, heads: 16, feed_forward: 256, format: Format::Q4K, ..Shape::default() };
    check_paths(&large, 0.1);
}

/// Wherever a pass is cancelled, nothing of it is left.
#[test]
fn a_cancelled_pass_leaves_every_sequence_as_it_was() {
    let raw = model(&Shape::default());
    let mut runner = Runner::new(&raw);
    let expect = runner.run(&[1, 2, 3, 4], 8);
    runner.sequence.truncate(2);
    let mut other = runner.sequence.fork(1);
    // More than a chunk, so that some of it is through all layers.
    let long: Vec<u32> = (0..600).map(|index| index % 290).collect();
    let mut asked = 0;
    for after in 0.. {
        let count = std::cell::Cell::new(0);
        let cancelled = || {
            count.set(count.get() + 1);
            count.get() > after
        };
        let mut batch = [
            Step { sequence: &mut runner.sequence, tokens: &[9, 9], outputs: Outputs::All },
            Step { sequence: &mut other, tokens: &long, outputs: Outputs::Last },
        ];
        match runner.decoder.forward(&mut batch, &mut Vec::new(), &cancelled) {
            Err(Error::Cancelled) => asked += 1,
            Ok(()) => break,
            Err(error) => panic!("{error}"),
        }
        assert_eq!((runner.sequence.tokens(), other.tokens()), (&[1, 2][..], &[1][..]));
    }
    // Two chunks of two layers.
    assert!(asked > 2 * 2 * 4, "asked {asked} times");
    runner.sequence.truncate(2);
    assert_eq!(runner.run(&[3, 4], 8), expect);
    assert_eq!((other.len(), other.tokens()[600]), (601, long[599]));
}

#[test]
fn a_file_cut_short_while_it_is_used_ends_the_pass() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes = model(&Shape { layers: 8, vocab: 3000, ..Shape::default() }).bytes();
    std::fs::write(file.path(), &bytes).unwrap();
    let source = Source::open(file.path()).unwrap();
    let header = Header::read(&source).unwrap();
    let config = Config::read(&header).unwrap();
    let mut decoder = Decoder::load(&source, &header, config, CONTEXT, 1).unwrap();
    let mut sequence = Sequence::new(decoder.geometry());
    let mut run = |sequence: &mut Sequence| {
        let step = Step { sequence, tokens: &[1, 2, 3], outputs: Outputs::Last };
        decoder.forward(&mut [step], &mut Vec::new(), &|| false)
    };
    run(&mut sequence).unwrap();
    file.as_file().set_len(4096).unwrap();
    let error = run(&mut sequence).unwrap_err();
    assert!(matches!(error, Error::Torn(_)), "{error}");
    assert_eq!(sequence.tokens(), [1, 2, 3]);
}

/// The tensor operations for accelerators, on the one device that every machine has.
#[test]
fn accelerated_passes_agree_with_those_of_the_cpu() {
    let tokens: Vec<u32> = (0..60).map(|index| (index * 13 + 5) % 290).collect();
    for family in ["llama", "qwen2", "qwen3"] {
        for (format, limit) in [(Format::F32, 3e-3), (Format::Q8_0, 0.03), (Format::Q4_0, 0.03)] {
            let mut raw = model(&Shape { family, format, ..Shape::default() });
            // Part of a head stays as it is.
            raw.set_u32(&format!("{family}.rope.dimension_count"), 8);
            let expect = Runner::new(&raw).run(&tokens, usize::MAX);
            let source = Source::owned(raw.bytes());
            let header = Header::read(&source).unwrap();
            let config = Config::read(&header).unwrap();
            let place = Place::choose(true, &config);
            let load =
                Load { source: &source, header: &header, config, place: &place, context: 1024, threads: 1 };
            let mut other = Accelerated::load(load, &Device::Cpu, &mut |_| true).unwrap();
            let mut sequence = Sequence::new(other.geometry());
            let mut logits = Vec::new();
            let mut run = |sequence: &mut Sequence, tokens: &[u32], outputs| {
                other.forward(&mut [Step { sequence, tokens, outputs }], &mut logits, &|| false).unwrap();
                logits.clone()
            };
            for tokens in [&tokens[..30], &tokens[30..31], &[7, 7, 7]] {
                run(&mut sequence, tokens, Outputs::Last);
            }
            let mut fork = sequence.fork(31);
            sequence.truncate(31);
            let found = run(&mut sequence, &tokens[31..], Outputs::Last);
            assert_eq!(sequence.tokens(), tokens);
            let check = |name: &str, found: &[f32]| {
                let difference = largest_difference(found, &expect) / deviation(&expect);
                assert!(difference < limit, "{family} {format:?} {name}: {difference}");
            };
            check("truncated", &found);
            // Another sequence in between, one row of logits for each token.
            let all = run(&mut fork, &tokens[31..], Outputs::All);
            assert_eq!(all.len(), 29 * 300);
            check("forked", &all[28 * 300..]);
            sequence.truncate(59);
            check("resumed", &run(&mut sequence, &tokens[59..], Outputs::Last));
        }
    }
}
