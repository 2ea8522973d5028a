//! Owns the shape of a model: the numbers that its decoder is built from, layer by layer.
//! Uses the validated GGUF header; what differs between families is in `families`.
//! Never lets a missing or contradictory number reach a forward pass.

use loci_kernels::vector::Gate;

use super::families;
use super::keys::Keys;
use super::weights::Weights;
use crate::gguf::{GgufError, Header};

/// The numbers of one model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    /// `general.architecture`.
    pub(crate) architecture: &'static str,
    pub(crate) context: usize,
    pub(crate) hidden: usize,
    pub(crate) vocab: usize,
    pub(crate) epsilon: f32,
    /// Rows of the embedding are multiplied by this.
    pub(crate) embedding_scale: f32,
    /// What a block adds to the stream is multiplied by this.
    pub(crate) residual_scale: f32,
    /// Logits are multiplied by this.
    pub(crate) logit_scale: f32,
    /// Then squashed: `cap * tanh(logit / cap)`.
    pub(crate) logit_cap: Option<f32>,
    /// The rotations that layers choose from.
    pub(crate) ropes: Vec<Rope>,
    pub(crate) parts: Parts,
    pub(crate) layers: Vec<LayerConfig>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LayerConfig {
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    /// Components of a query or key of one head.
    pub(crate) key_dim: usize,
    /// Components of a value of one head.
    pub(crate) value_dim: usize,
    /// Products of queries and keys are multiplied by this.
    pub(crate) attention_scale: f32,
    /// Then squashed: `cap * tanh(score / cap)`.
    pub(crate) score_cap: Option<f32>,
    /// A token sees so many tokens, itself included; all of them without.
    pub(crate) window: Option<usize>,
    /// Index into [`Config::ropes`]; positions do not count without.
    pub(crate) rope: Option<usize>,
    /// Keys and values of all heads come from one short vector (DeepSeek's multi-head latent attention).
    pub(crate) latent: Option<Latent>,
    pub(crate) feed_forward: FeedForward,
}

/// The sizes of latent attention. The cache holds one head: as key the turned components and then the latent vector, as
/// value the latent vector. What would make keys and values of it is applied to queries and results instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Latent {
    /// Components of the latent vector.
    pub(crate) rank: usize,
    /// Components of a query that positions turn.
    pub(crate) turned: usize,
    /// Components of a query that they do not turn.
    pub(crate) plain: usize,
    /// Components of the value of one head.
    pub(crate) value: usize,
    /// Components of the vector that queries are made of, if there is one in between.
    pub(crate) query_rank: Option<usize>,
}

/// What stands behind the attention.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FeedForward {
    /// One gated network of this width.
    Dense { width: usize, gate: Gate },
    /// A few of many.
    Experts(Experts),
}

/// A mixture of experts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Experts {
    pub(crate) count: usize,
    /// How many each token uses.
    pub(crate) used: usize,
    /// Width of one.
    pub(crate) width: usize,
    pub(crate) gate: Gate,
    pub(crate) router: Router,
    /// The weights of the chosen ones are divided by their sum.
    pub(crate) normalised: bool,
    /// Then multiplied by this.
    pub(crate) scale: f32,
    /// Router and experts have biases.
    pub(crate) biases: Presence,
    /// `exp_probs_b`: added to the scores for the choice only.
    pub(crate) selection_bias: Presence,
    /// Width of the network that every token uses beside.
    pub(crate) shared: Option<usize>,
    /// `ffn_gate_inp_shexp`: that network is weighted by the sigmoid of one product.
    pub(crate) shared_gate: Presence,
}

/// How scores of experts become weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Router {
    /// Softmax over all, then the best.
    Softmax,
    /// The best, then softmax over them.
    SoftmaxOfChosen,
    /// Each for itself.
    Sigmoid,
}

/// Whether a tensor belongs to a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Absent,
    Optional,
    Required,
}

/// Which tensors a layer has beside those that all have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parts {
    /// Biases of queries, keys and values.
    pub(crate) input_biases: Presence,
    /// The bias of the attention's output.
    pub(crate) output_bias: Presence,
    /// Queries and keys are normalised per head.
    pub(crate) head_norms: Presence,
    /// What attention and feed-forward add is normalised first.
    pub(crate) post_norms: Presence,
    /// The name of the norm in front of the feed-forward.
    pub(crate) feed_forward_norm: &'static str,
    /// A score of each head that takes weight and carries no value.
    pub(crate) sinks: Presence,
    /// `ffn_up` holds the gate and then the upward projection.
    pub(crate) joined_gate: Presence,
}

impl Parts {
    /// Those of Llama.
    pub(crate) const PLAIN: Self = Self {
        input_biases: Presence::Optional,
        output_bias: Presence::Optional,
        head_norms: Presence::Absent,
        post_norms: Presence::Absent,
        feed_forward_norm: "ffn_norm",
        sinks: Presence::Absent,
        joined_gate: Presence::Absent,
    };
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
    /// Sines and cosines are multiplied by this.
    pub(crate) magnitude: f64,
}

/// How positions beyond the trained context are mapped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scaling {
    None,
    /// Positions are divided by the factor.
    Linear(f64),
    /// YaRN (arXiv 2309.00071): low frequencies are divided by the factor, high ones are not. `fast` and `slow` are the
    /// turns over the original context that bound the ramp.
    Yarn {
        factor: f64,
        original_context: f64,
        fast: f64,
        slow: f64,
    },
    /// Factors of the file for each frequency, one list for contexts up to the original one and one for longer ones.
    Long {
        original_context: f64,
    },
}

impl Config {
    /// Read and check the numbers, and that every tensor is there in the right shape.
    pub(crate) fn read(header: &Header) -> Result<Self, GgufError> {
        let architecture = header
            .string("general.architecture")?
            .ok_or_else(|| GgufError::Missing { field: "general.architecture".into() })?;
        let Some((name, read)) = families::FAMILIES.iter().find(|(name, _)| *name == architecture) else {
            let names: Vec<_> = families::FAMILIES.iter().map(|(name, _)| format!("`{name}`")).collect();
            return Err(GgufError::unsupported(
                "general.architecture",
                format!("`{architecture}` is not supported, {} are", names.join(", ")),
            ));
        };
        let config = read(&Keys { header, architecture: name })?;
        Weights::locate(header, &config)?;
        Ok(config)
    }

    /// The keys that all families share, with the parts of Llama and one rotation for all layers.
    pub(super) fn shared(keys: &Keys<'_>) -> Result<Self, GgufError> {
        let hidden = keys.number("embedding_length", 1, 1 << 16)?;
        let heads = keys.number("attention.head_count", 1, 1024)?;
        let key_dim = match keys.optional("attention.key_length", 2, 1024)? {
            Some(key_dim) => key_dim,
            None if hidden.is_multiple_of(heads) => hidden / heads,
            None => {
                return Err(GgufError::invalid(
                    keys.name("attention.head_count"),
                    format!("{heads} does not divide the embedding length {hidden}"),
                ));
            }
        };
        let value_dim = keys.optional("attention.value_length", 2, 1024)?.unwrap_or(key_dim);
        if value_dim != key_dim {
            let reason = format!("{value_dim} differs from the key length {key_dim}");
            return Err(GgufError::unsupported(keys.name("attention.value_length"), reason));
        }
        Self::of_heads(keys, key_dim, value_dim)
    }

    /// As [`Config::shared`] with heads of these sizes.
    pub(super) fn of_heads(keys: &Keys<'_>, key_dim: usize, value_dim: usize) -> Result<Self, GgufError> {
        let context = keys.number("context_length", 1, 1 << 24)?;
        let hidden = keys.number("embedding_length", 1, 1 << 16)?;
        let layers = keys.number("block_count", 1, 512)?;
        let heads = keys.number("attention.head_count", 1, 1024)?;
        let kv_heads = keys.optional("attention.head_count_kv", 1, 1024)?.unwrap_or(heads);
        if !heads.is_multiple_of(kv_heads) {
            return Err(GgufError::invalid(
                keys.name("attention.head_count_kv"),
                format!("{kv_heads} does not divide the {heads} heads"),
            ));
        }
        let epsilon = keys.float("attention.layer_norm_rms_epsilon", 0.0, 1.0)?;
        let epsilon = epsilon.ok_or_else(|| keys.missing("attention.layer_norm_rms_epsilon"))?;
        let embedding = keys.header.tensor("token_embd.weight")?;
        let vocab = match embedding.shape[..] {
            [rows, _] if (1..=1 << 20).contains(&rows) => rows,
            _ => {
                let reason = format!("{:?} is not a table of tokens", embedding.shape);
                return Err(GgufError::invalid("tensor `token_embd.weight` shape", reason));
            }
        };
        let layer = LayerConfig {
            heads,
            kv_heads,
            key_dim,
            value_dim,
            attention_scale: 1.0 / (key_dim as f32).sqrt(),
            score_cap: None,
            window: None,
            rope: Some(0),
            latent: None,
            feed_forward: FeedForward::Dense { width: keys.feed_forward()?, gate: Gate::Silu },
        };
        Ok(Self {
            architecture: keys.architecture,
            context,
            hidden,
            vocab,
            epsilon: epsilon as f32,
            embedding_scale: 1.0,
            residual_scale: 1.0,
            logit_scale: 1.0,
            logit_cap: None,
            ropes: vec![keys.rope(key_dim, context)?],
            parts: Parts::PLAIN,
            layers: vec![layer; layers],
        })
    }

    /// Set how the first rotation pairs components.
    pub(super) fn interleaved(mut self) -> Self {
        for rope in &mut self.ropes {
            rope.interleaved = true;
        }
        self
    }

    /// Put the same feed-forward into all layers.
    pub(super) fn feed_forward(mut self, feed_forward: &FeedForward) -> Self {
        for layer in &mut self.layers {
            layer.feed_forward = feed_forward.clone();
        }
        self
    }

    /// Whether nothing goes beyond Llama, Qwen2 and Qwen3: what the pass for accelerators knows.
    pub(crate) fn is_plain(&self) -> bool {
        let parts = Parts {
            head_norms: self.parts.head_norms,
            input_biases: self.parts.input_biases,
            ..Parts::PLAIN
        };
        let plain = |layer: &LayerConfig| {
            let usual = 1.0 / (layer.key_dim as f32).sqrt();
            matches!(layer.feed_forward, FeedForward::Dense { gate: Gate::Silu, .. })
                && layer.rope == Some(0)
                && layer.latent.is_none()
                && (layer.score_cap, layer.window) == (None, None)
                && layer.attention_scale == usual
        };
        self.parts == parts
            && self.logit_cap.is_none()
            && [self.embedding_scale, self.residual_scale, self.logit_scale] == [1.0; 3]
            && self.layers.iter().all(plain)
    }

    /// Bytes that the cache of one token takes: keys and values of all layers in f16.
    pub(crate) fn cache_bytes_per_token(&self) -> u64 {
        let row = |layer: &LayerConfig| 2 * layer.kv_heads * (layer.key_dim + layer.value_dim);
        self.layers.iter().map(row).sum::<usize>() as u64
    }
}
