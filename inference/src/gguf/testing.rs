//! Owns the making of small GGUF files for tests, sound ones and broken ones.
//! Uses the format's description only.
//! Never used outside tests.

pub(crate) mod families;

use candle_core::quantized::QTensor;
use candle_core::{Device, Tensor};
use loci_kernels::format::Format;

use crate::model::accelerated::dtype;
use crate::tokenizer::byte_characters;

/// A file before it is bytes: every field can be made wrong.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u32,
    pub(crate) tensor_count: Option<u64>,
    pub(crate) entry_count: Option<u64>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) tensors: Vec<RawTensor>,
    pub(crate) alignment: usize,
    /// Cut the file after so many bytes.
    pub(crate) length: Option<usize>,
}

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: Vec<u8>,
    pub(crate) code: u32,
    pub(crate) value: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct RawTensor {
    pub(crate) name: Vec<u8>,
    pub(crate) rank: Option<u32>,
    /// Innermost first, as in the file.
    pub(crate) dimensions: Vec<u64>,
    pub(crate) code: u32,
    pub(crate) offset: Option<u64>,
    pub(crate) data: Vec<u8>,
}

pub(crate) fn text(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

/// A list: element type, length, elements.
pub(crate) fn list(code: u32, elements: &[Vec<u8>]) -> Vec<u8> {
    [&code.to_le_bytes()[..], &(elements.len() as u64).to_le_bytes(), &elements.concat()].concat()
}

impl Raw {
    pub(crate) fn new() -> Self {
        Self {
            magic: *b"GGUF",
            version: 3,
            tensor_count: None,
            entry_count: None,
            entries: Vec::new(),
            tensors: Vec::new(),
            alignment: 32,
            length: None,
        }
    }

    /// Add an entry or replace it.
    pub(crate) fn set(&mut self, key: &str, code: u32, value: Vec<u8>) {
        self.entries.retain(|entry| entry.key != key.as_bytes());
        self.entries.push(Entry { key: key.as_bytes().to_vec(), code, value });
    }

    pub(crate) fn set_u32(&mut self, key: &str, value: u32) {
        self.set(key, 4, value.to_le_bytes().to_vec());
    }

    pub(crate) fn set_f32(&mut self, key: &str, value: f32) {
        self.set(key, 6, value.to_le_bytes().to_vec());
    }

    pub(crate) fn set_bool(&mut self, key: &str, value: bool) {
        self.set(key, 7, vec![value.into()]);
    }

    pub(crate) fn set_text(&mut self, key: &str, value: &str) {
        self.set(key, 8, text(value.as_bytes()));
    }

    pub(crate) fn set_texts(&mut self, key: &str, values: &[String]) {
        let values: Vec<_> = values.iter().map(|value| text(value.as_bytes())).collect();
        self.set(key, 9, list(8, &values));
    }

    pub(crate) fn set_integers(&mut self, key: &str, values: &[i32]) {
        let values: Vec<_> = values.iter().map(|value| value.to_le_bytes().to_vec()).collect();
        self.set(key, 9, list(5, &values));
    }

    pub(crate) fn set_floats(&mut self, key: &str, values: &[f32]) {
        let values: Vec<_> = values.iter().map(|value| value.to_le_bytes().to_vec()).collect();
        self.set(key, 9, list(6, &values));
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.entries.retain(|entry| entry.key != key.as_bytes());
    }

    /// Add a tensor of `shape` (outermost first), quantised from `values`.
    pub(crate) fn tensor(&mut self, name: &str, shape: &[usize], values: &[f32], format: Format) {
        let data = quantised(values, shape, format).data().expect("bytes").into_owned();
        self.tensors.push(RawTensor {
            name: name.as_bytes().to_vec(),
            rank: None,
            dimensions: shape.iter().rev().map(|&size| size as u64).collect(),
            code: format.ggml(),
            offset: None,
            data,
        });
    }

    pub(crate) fn find(&mut self, name: &str) -> &mut RawTensor {
        self.tensors.iter_mut().find(|tensor| tensor.name == name.as_bytes()).expect("the tensor")
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        bytes.extend(self.entry_count.unwrap_or(self.entries.len() as u64).to_le_bytes());
        for entry in &self.entries {
            bytes.extend(text(&entry.key));
            bytes.extend(entry.code.to_le_bytes());
            bytes.extend(&entry.value);
        }
        let mut data = Vec::new();
        for tensor in &self.tensors {
            data.resize(usize::next_multiple_of(data.len(), self.alignment), 0);
            bytes.extend(text(&tensor.name));
            bytes.extend(tensor.rank.unwrap_or(tensor.dimensions.len() as u32).to_le_bytes());
            for size in &tensor.dimensions {
                bytes.extend(size.to_le_bytes());
            }
            bytes.extend(tensor.code.to_le_bytes());
            bytes.extend(tensor.offset.unwrap_or(data.len() as u64).to_le_bytes());
            data.extend(&tensor.data);
        }
        bytes.resize(usize::next_multiple_of(bytes.len(), self.alignment), 0);
        bytes.extend(data);
        bytes.truncate(self.length.unwrap_or(bytes.len()));
        bytes
    }
}

/// Values rounded to a layout; candle is the independent side here.
fn quantised(values: &[f32], shape: &[usize], format: Format) -> QTensor {
    let tensor = Tensor::from_slice(values, shape, &Device::Cpu).expect("a tensor");
    QTensor::quantize(&tensor, dtype("test", format).expect("known to candle")).expect("quantised")
}

/// SplitMix64 seeded with FNV-1a of the name, as in tests/reference/make.py and families.py.
fn random_bits(name: &str) -> impl Iterator<Item = u64> {
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |seed, byte| {
        (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    })
}

/// The weights that make.py and families.py draw under the same name.
fn weights(name: &str, shape: &[usize]) -> Vec<f32> {
    let uniform = |bits: u64| ((bits >> 40) as f64 / f64::from(1 << 23) - 1.0) as f32;
    let shaped = |value: f32| match name {
        name if name.ends_with("norm.weight") => 1.0 + value / 4.0,
        name if name.starts_with("rope_") => 2.0 + value,
        name if name.ends_with("ssm_a") => -1.0 + value / 2.0,
        name if name.ends_with(".bias") => value / 2.0,
        name if name.ends_with("attn_sinks.weight") || name.ends_with("ssm_conv1d.weight") => value,
        "token_embd.weight" => value,
        _ => value / 8.0,
    };
    random_bits(name).take(shape.iter().product()).map(uniform).map(shaped).collect()
}

/// The shape of a random model.
#[derive(Clone)]
pub(crate) struct Shape {
    pub(crate) family: &'static str,
    pub(crate) hidden: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) feed_forward: usize,
    pub(crate) vocab: usize,
    pub(crate) tied: bool,
    pub(crate) factors: bool,
    /// Type of the matrices.
    pub(crate) format: Format,
    /// Round the matrices to this type first.
    pub(crate) rounded: Option<Format>,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            family: "qwen3",
            hidden: 32,
            layers: 2,
            heads: 4,
            kv_heads: 2,
            head_dim: 16,
            feed_forward: 64,
            vocab: 300,
            tied: true,
            factors: false,
            format: Format::Q8_0,
            rounded: None,
        }
    }
}

/// A sound model with random weights and a byte-level vocabulary: 256 bytes, some merges, then
/// control tokens `<|c…|>` of which the first begins and the second ends a text.
pub(crate) fn model(shape: &Shape) -> Raw {
    let mut raw = Raw::new();
    let key = |name: &str| format!("{}.{name}", shape.family);
    raw.set_text("general.architecture", shape.family);
    raw.set_text("general.name", "random");
    raw.set_u32(&key("context_length"), 1024);
    raw.set_u32(&key("embedding_length"), shape.hidden as u32);
    raw.set_u32(&key("block_count"), shape.layers as u32);
    raw.set_u32(&key("feed_forward_length"), shape.feed_forward as u32);
    raw.set_u32(&key("attention.head_count"), shape.heads as u32);
    raw.set_u32(&key("attention.head_count_kv"), shape.kv_heads as u32);
    raw.set_u32(&key("attention.key_length"), shape.head_dim as u32);
    raw.set_u32(&key("attention.value_length"), shape.head_dim as u32);
    raw.set_u32(&key("rope.dimension_count"), shape.head_dim as u32);
    raw.set_f32(&key("attention.layer_norm_rms_epsilon"), 1e-5);
    raw.set_f32(&key("rope.freq_base"), 1_000_000.0);
    vocabulary(&mut raw, shape.vocab);

    let (queries, keys) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
    let mut add = |name: &str, size: &[usize], format: Format| {
        let mut values = weights(name, size);
        if let Some(rounded) = shape.rounded.filter(|_| size.len() > 1) {
            let tensor = quantised(&values, size, rounded)
                .dequantize(&Device::Cpu)
                .and_then(|tensor| tensor.flatten_all());
            values = tensor.and_then(|tensor| tensor.to_vec1()).expect("floats");
        }
        raw.tensor(name, size, &values, format);
    };
    add("token_embd.weight", &[shape.vocab, shape.hidden], shape.format);
    add("output_norm.weight", &[shape.hidden], Format::F32);
    if !shape.tied {
        add("output.weight", &[shape.vocab, shape.hidden], shape.format);
    }
    if shape.factors {
        add("rope_freqs.weight", &[shape.head_dim / 2], Format::F32);
    }
    for layer in 0..shape.layers {
        let mut add = |part: &str, size: &[usize]| {
            let format = if size.len() == 1 { Format::F32 } else { shape.format };
            add(&format!("blk.{layer}.{part}"), size, format);
        };
        add("attn_norm.weight", &[shape.hidden]);
        add("attn_q.weight", &[queries, shape.hidden]);
        add("attn_k.weight", &[keys, shape.hidden]);
        add("attn_v.weight", &[keys, shape.hidden]);
        add("attn_output.weight", &[shape.hidden, queries]);
        add("ffn_norm.weight", &[shape.hidden]);
        add("ffn_gate.weight", &[shape.feed_forward, shape.hidden]);
        add("ffn_up.weight", &[shape.feed_forward, shape.hidden]);
        add("ffn_down.weight", &[shape.hidden, shape.feed_forward]);
        if shape.family == "qwen2" {
            add("attn_q.bias", &[queries]);
            add("attn_k.bias", &[keys]);
            add("attn_v.bias", &[keys]);
        }
        if shape.family == "qwen3" {
            add("attn_q_norm.weight", &[shape.head_dim]);
            add("attn_k_norm.weight", &[shape.head_dim]);
        }
    }
    raw
}

fn vocabulary(raw: &mut Raw, size: usize) {
    let characters = byte_characters();
    let mut tokens: Vec<String> = characters.iter().map(char::to_string).collect();
    let merges = ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "l d"];
    tokens.extend(merges.iter().map(|merge| merge.replace(' ', "")));
    let mut kinds = vec![1; tokens.len()];
    for index in tokens.len()..size {
        tokens.push(format!("<|c{index}|>"));
        kinds.push(3);
    }
    let first = 256 + merges.len() as u32;
    raw.set_text("tokenizer.ggml.model", "gpt2");
    raw.set_text("tokenizer.ggml.pre", "loci");
    raw.set_texts("tokenizer.ggml.tokens", &tokens);
    raw.set_integers("tokenizer.ggml.token_type", &kinds);
    raw.set_texts("tokenizer.ggml.merges", &merges.map(str::to_owned));
    raw.set_u32("tokenizer.ggml.bos_token_id", first);
    raw.set_u32("tokenizer.ggml.eos_token_id", first + 1);
    raw.set_bool("tokenizer.ggml.add_bos_token", false);
}
