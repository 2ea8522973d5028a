//! Owns the shape of a model: what its header must say, and in which ranges.
//! Uses the validated GGUF header.
//! Never lets a missing or contradictory number reach a forward pass.

use crate::gguf::{GgufError, Header, TensorInfo};

/// The families that the shared decoder runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Llama, Mistral, SmolLM: rotates neighbouring pairs, as the conversion to GGUF permutes.
    Llama,
    /// Qwen2: biases on queries, keys and values.
    Qwen2,
    /// Qwen3: queries and keys are normalised per head.
    Qwen3,
}

/// How positions turn queries and keys.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rope {
    /// The leading components of a head that are turned.
    pub(crate) dimensions: usize,
    pub(crate) base: f64,
    /// Pairs are neighbours (2i, 2i+1); otherwise (i, i + dimensions/2).
    pub(crate) interleaved: bool,
    pub(crate) scaling: Scaling,
}

/// How positions beyond the trained context are mapped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scaling {
    None,
    /// Positions are divided by the factor.
    Linear(f64),
    /// YaRN (arXiv 2309.00071): low frequencies are divided by the factor, high ones are not.
    Yarn {
        factor: f64,
        original_context: f64,
    },
}

/// The numbers of one model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) family: Family,
    pub(crate) context: usize,
    pub(crate) hidden: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) feed_forward: usize,
    pub(crate) vocab: usize,
    pub(crate) epsilon: f32,
    pub(crate) rope: Rope,
}

impl Config {
    /// Read and check the numbers, and that every tensor is there in the right shape.
    pub(crate) fn read(header: &Header) -> Result<Self, GgufError> {
        let architecture = header
            .string("general.architecture")?
            .ok_or_else(|| GgufError::Missing { field: "general.architecture".into() })?;
        let family = match architecture {
            "llama" => Family::Llama,
            "qwen2" => Family::Qwen2,
            "qwen3" => Family::Qwen3,
            other => {
                return Err(GgufError::unsupported(
                    "general.architecture",
                    format!("`{other}` is not supported, `llama`, `qwen2` and `qwen3` are"),
                ));
            }
        };
        let keys = Keys { header, architecture };
        if keys.optional("expert_count", 0, 1 << 16)?.unwrap_or(0) > 0 {
            let reason = "mixtures of experts are not supported";
            return Err(GgufError::unsupported(keys.name("expert_count"), reason));
        }
        let context = keys.number("context_length", 1, 1 << 24)?;
        let hidden = keys.number("embedding_length", 1, 1 << 16)?;
        let layers = keys.number("block_count", 1, 512)?;
        let feed_forward = keys.number("feed_forward_length", 1, 1 << 20)?;
        let heads = keys.number("attention.head_count", 1, 1024)?;
        let kv_heads = keys.optional("attention.head_count_kv", 1, 1024)?.unwrap_or(heads);
        if !heads.is_multiple_of(kv_heads) {
            return Err(GgufError::invalid(
                keys.name("attention.head_count_kv"),
                format!("{kv_heads} does not divide the {heads} heads"),
            ));
        }
        let head_dim = match keys.optional("attention.key_length", 2, 1024)? {
            Some(head_dim) => head_dim,
            None if hidden.is_multiple_of(heads) => hidden / heads,
            None => {
                return Err(GgufError::invalid(
                    keys.name("attention.head_count"),
                    format!("{heads} does not divide the embedding length {hidden}"),
                ));
            }
        };
        let value_length = keys.optional("attention.value_length", 2, 1024)?.unwrap_or(head_dim);
        if value_length != head_dim {
            let reason = format!("{value_length} differs from the key length {head_dim}");
            return Err(GgufError::unsupported(keys.name("attention.value_length"), reason));
        }
        let dimensions = keys.optional("rope.dimension_count", 2, 1024)?.unwrap_or(head_dim);
        if dimensions > head_dim || !dimensions.is_multiple_of(2) {
            let reason = format!("{dimensions} is odd or more than the {head_dim} components of a head");
            return Err(GgufError::invalid(keys.name("rope.dimension_count"), reason));
        }
        let epsilon = keys.float("attention.layer_norm_rms_epsilon", 0.0, 1.0)?;
        let epsilon = epsilon.ok_or_else(|| keys.missing("attention.layer_norm_rms_epsilon"))?;
        let base = keys.float("rope.freq_base", 1.0, 1e12)?.unwrap_or(10_000.0);
        let rope = Rope {
            dimensions,
            base,
            interleaved: family == Family::Llama,
            scaling: scaling(&keys, context)?,
        };
        let embedding = header.tensor("token_embd.weight")?;
        let vocab = match embedding.shape[..] {
            [rows, _] if (1..=1 << 20).contains(&rows) => rows,
            _ => {
                let reason = format!("{:?} is not a table of tokens", embedding.shape);
                return Err(GgufError::invalid("tensor `token_embd.weight` shape", reason));
            }
        };
        let config = Self {
            family,
            context,
            hidden,
            layers,
            heads,
            kv_heads,
            head_dim,
            feed_forward,
            vocab,
            epsilon: epsilon as f32,
            rope,
        };
        config.check_tensors(header)?;
        Ok(config)
    }

    fn check_tensors(&self, header: &Header) -> Result<(), GgufError> {
        let (hidden, queries) = (self.hidden, self.heads * self.head_dim);
        let keys = self.kv_heads * self.head_dim;
        let require = |name: &str, shape: &[usize]| check_shape(name, header.tensor(name)?, shape);
        let optional = |name: &str, shape: &[usize]| match header.tensors().get(name) {
            Some(info) => check_shape(name, info, shape),
            None => Ok(()),
        };
        require("token_embd.weight", &[self.vocab, hidden])?;
        require("output_norm.weight", &[hidden])?;
        optional("output.weight", &[self.vocab, hidden])?;
        optional("rope_freqs.weight", &[self.rope.dimensions / 2])?;
        for layer in 0..self.layers {
            let name = |part: &str| format!("blk.{layer}.{part}");
            require(&name("attn_norm.weight"), &[hidden])?;
            require(&name("attn_q.weight"), &[queries, hidden])?;
            require(&name("attn_k.weight"), &[keys, hidden])?;
            require(&name("attn_v.weight"), &[keys, hidden])?;
            require(&name("attn_output.weight"), &[hidden, queries])?;
            require(&name("ffn_norm.weight"), &[hidden])?;
            require(&name("ffn_gate.weight"), &[self.feed_forward, hidden])?;
            require(&name("ffn_up.weight"), &[self.feed_forward, hidden])?;
            require(&name("ffn_down.weight"), &[hidden, self.feed_forward])?;
            let biases = [
                ("attn_q.bias", queries),
                ("attn_k.bias", keys),
                ("attn_v.bias", keys),
                ("attn_output.bias", hidden),
            ];
            for (part, size) in biases {
                let must = self.family == Family::Qwen2 && part != "attn_output.bias";
                if must { require(&name(part), &[size])? } else { optional(&name(part), &[size])? }
            }
            for part in ["attn_q_norm.weight", "attn_k_norm.weight"] {
                let shape = &[self.head_dim];
                if self.family == Family::Qwen3 {
                    require(&name(part), shape)?;
                } else if header.tensors().contains_key(&name(part)) {
                    let reason = "is not part of this architecture";
                    return Err(GgufError::unsupported(format!("tensor `{}`", name(part)), reason));
                }
            }
        }
        Ok(())
    }

    /// Bytes that the cache of one token takes.
    pub(crate) fn cache_bytes_per_token(&self) -> u64 {
        (2 * self.layers * self.kv_heads * self.head_dim * size_of::<f32>()) as u64
    }
}

fn check_shape(name: &str, info: &TensorInfo, expected: &[usize]) -> Result<(), GgufError> {
    if info.shape == expected {
        return Ok(());
    }
    let reason = format!("{:?} must be {expected:?}", info.shape);
    Err(GgufError::invalid(format!("tensor `{name}` shape"), reason))
}

fn scaling(keys: &Keys<'_>, context: usize) -> Result<Scaling, GgufError> {
    let factor = keys.float("rope.scaling.factor", 0.0, 1e6)?;
    let old = keys.float("rope.scale_linear", 0.0, 1e6)?;
    let name = keys.name("rope.scaling.type");
    match keys.header.string(&name)? {
        None | Some("none") => Ok(match old.filter(|&factor| factor > 0.0 && factor != 1.0) {
            Some(factor) => Scaling::Linear(factor),
            None => Scaling::None,
        }),
        Some(kind) => {
            let factor = factor.filter(|&factor| factor > 0.0);
            let factor = factor.ok_or_else(|| keys.missing("rope.scaling.factor"))?;
            match kind {
                "linear" => Ok(Scaling::Linear(factor)),
                "yarn" => {
                    let key = "rope.scaling.original_context_length";
                    let original = keys.float(key, 1.0, 1e9)?;
                    let original_context = original.unwrap_or((context as f64 / factor).max(1.0));
                    Ok(Scaling::Yarn { factor, original_context })
                }
                other => Err(GgufError::unsupported(
                    name,
                    format!("`{other}` is not supported, `linear` and `yarn` are"),
                )),
            }
        }
    }
}

/// Reads keys that begin with the architecture's name.
struct Keys<'a> {
    header: &'a Header,
    architecture: &'a str,
}

impl Keys<'_> {
    fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    fn missing(&self, key: &str) -> GgufError {
        GgufError::Missing { field: self.name(key) }
    }

    fn optional(&self, key: &str, least: u64, most: u64) -> Result<Option<usize>, GgufError> {
        let name = self.name(key);
        let Some(number) = self.header.integer(&name)? else { return Ok(None) };
        if !(least..=most).contains(&number) {
            let reason = format!("{number} is not between {least} and {most}");
            return Err(GgufError::invalid(name, reason));
        }
        Ok(usize::try_from(number).ok())
    }

    fn number(&self, key: &str, least: u64, most: u64) -> Result<usize, GgufError> {
        self.optional(key, least, most)?.ok_or_else(|| self.missing(key))
    }

    /// A finite number from `least` to `most`.
    fn float(&self, key: &str, least: f64, most: f64) -> Result<Option<f64>, GgufError> {
        let name = self.name(key);
        let Some(number) = self.header.float(&name)? else { return Ok(None) };
        if !(least..=most).contains(&number) {
            let reason = format!("{number} is not between {least} and {most}");
            return Err(GgufError::invalid(name, reason));
        }
        Ok(Some(number))
    }
}
