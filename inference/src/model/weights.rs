//! Owns where the tensors of a model lie, checked against its shape, and the small ones as floats.
//! Uses the validated header and the file's bytes where they are mapped.
//! Never copies a matrix.

use loci_kernels::format::Format;
use loci_kernels::matmul::Matrix;

use super::config::{Config, Experts, FeedForward, Latent, LayerConfig, Parts, Presence};
use super::pass::Error;
use crate::gguf::{GgufError, Header, Pieces, TensorInfo};

/// A matrix `[rows, columns]` of the file, or a run of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weight {
    format: Format,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    start: usize,
}

impl Weight {
    /// The matrix over the file's bytes, which must be those that it was located in.
    pub(crate) fn over<'a>(&self, bytes: Pieces<'a>) -> Result<Matrix<'a>, Error> {
        let length = self.row_bytes() * self.rows;
        let bytes = bytes.get(self.start..self.start + length).unwrap_or_default();
        Ok(Matrix::new(self.format, self.rows, self.columns, bytes)?)
    }

    /// `count` rows from `first` on.
    fn part(&self, first: usize, count: usize) -> Self {
        Self { rows: count, start: self.start + first * self.row_bytes(), ..*self }
    }

    fn row_bytes(&self) -> usize {
        // Validation has divided the columns by the length of a block.
        self.format.row_bytes(self.columns).unwrap_or(0)
    }
}

/// A matrix and perhaps a bias, `[rows]`.
#[derive(Debug, Clone)]
pub(crate) struct Projection {
    pub(crate) weight: Weight,
    pub(crate) bias: Option<Vec<f32>>,
}

/// Matrices of one shape behind each other, and perhaps a bias of each.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    weight: Weight,
    rows: usize,
    biases: Option<Vec<f32>>,
}

impl Stack {
    /// The matrix of one expert.
    pub(crate) fn weight(&self, expert: usize) -> Weight {
        self.weight.part(expert * self.rows, self.rows)
    }

    /// The bias of one expert, `[rows]`.
    pub(crate) fn bias(&self, expert: usize) -> Option<&[f32]> {
        self.biases.as_ref().map(|biases| &biases[expert * self.rows..(expert + 1) * self.rows])
    }
}

/// A gated network.
#[derive(Debug, Clone)]
pub(crate) struct Gated {
    pub(crate) gate: Projection,
    pub(crate) up: Projection,
    pub(crate) down: Projection,
}

/// The weights of a mixture.
#[derive(Debug, Clone)]
pub(crate) struct ExpertWeights {
    pub(crate) router: Projection,
    /// `[experts]`
    pub(crate) selection_bias: Option<Vec<f32>>,
    pub(crate) gate: Stack,
    pub(crate) up: Stack,
    pub(crate) down: Stack,
    pub(crate) shared: Option<Gated>,
    /// `[1, hidden]`
    pub(crate) shared_gate: Option<Vec<f32>>,
}

/// What queries, keys and values come from.
#[derive(Debug, Clone)]
pub(crate) enum Inputs {
    Heads { query: Projection, key: Projection, value: Projection },
    Latent(Box<LatentWeights>),
}

/// The weights of latent attention.
#[derive(Debug, Clone)]
pub(crate) struct LatentWeights {
    /// `[query_rank, hidden]` with its norm, where queries take two steps.
    pub(crate) step: Option<(Weight, Vec<f32>)>,
    /// `[heads * (plain + turned), query_rank or hidden]`
    pub(crate) query: Weight,
    /// `[rank + turned, hidden]`
    pub(crate) down: Weight,
    /// Over the latent vector.
    pub(crate) norm: Vec<f32>,
    /// `[rank, plain]` of each head.
    pub(crate) keys: Stack,
    /// `[value, rank]` of each head.
    pub(crate) values: Stack,
}

/// What stands behind the attention.
#[derive(Debug, Clone)]
pub(crate) enum FeedForwardWeights {
    Dense(Gated),
    Experts(Box<ExpertWeights>),
}

/// The weights of one layer.
#[derive(Debug, Clone)]
pub(crate) struct LayerWeights {
    pub(crate) attention_norm: Vec<f32>,
    pub(crate) inputs: Inputs,
    /// Over the components of a head.
    pub(crate) query_norm: Option<Vec<f32>>,
    pub(crate) key_norm: Option<Vec<f32>>,
    /// `[heads]`
    pub(crate) sinks: Option<Vec<f32>>,
    pub(crate) output: Projection,
    pub(crate) attention_post_norm: Option<Vec<f32>>,
    pub(crate) feed_forward_norm: Vec<f32>,
    pub(crate) feed_forward: FeedForwardWeights,
    pub(crate) feed_forward_post_norm: Option<Vec<f32>>,
}

/// Factors that divide frequencies of the rotation, `[dimensions / 2]` each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Factors {
    /// `rope_freqs` (Llama 3).
    pub(crate) plain: Option<Vec<f32>>,
    /// `rope_factors_short` and `rope_factors_long` (Phi-3).
    pub(crate) short: Option<Vec<f32>>,
    pub(crate) long: Option<Vec<f32>>,
}

/// All weights of a model.
#[derive(Debug, Clone)]
pub(crate) struct Weights {
    pub(crate) embedding: Weight,
    /// The embedding where the file has no other.
    pub(crate) output: Weight,
    pub(crate) output_norm: Vec<f32>,
    pub(crate) factors: Factors,
    pub(crate) layers: Vec<LayerWeights>,
}

impl Weights {
    /// Check that every tensor is there in the right shape. Floats stay empty.
    pub(crate) fn locate(header: &Header, config: &Config) -> Result<(), GgufError> {
        Locate { header, bytes: None }.model(config).map(drop)
    }

    /// Find every tensor in the file's bytes and read the small ones.
    pub(crate) fn read(header: &Header, config: &Config, bytes: Pieces<'_>) -> Result<Self, GgufError> {
        Locate { header, bytes: Some(bytes) }.model(config)
    }
}

struct Locate<'a> {
    header: &'a Header,
    /// None while only names and shapes are checked.
    bytes: Option<Pieces<'a>>,
}

impl Locate<'_> {
    fn model(&self, config: &Config) -> Result<Weights, GgufError> {
        let (hidden, vocab) = (config.hidden, config.vocab);
        let embedding = self.matrix("token_embd.weight", &[vocab, hidden])?;
        let output_norm = self.floats("output_norm.weight", hidden)?;
        let output = match self.has("output.weight") {
            true => self.matrix("output.weight", &[vocab, hidden])?,
            false => embedding,
        };
        let factors = Factors {
            plain: self.factors("rope_freqs.weight", config)?,
            short: self.factors("rope_factors_short.weight", config)?,
            long: self.factors("rope_factors_long.weight", config)?,
        };
        let layers = config.layers.iter().enumerate();
        let layers =
            layers.map(|(index, layer)| self.layer(config, index, layer)).collect::<Result<_, _>>()?;
        Ok(Weights { embedding, output, output_norm, factors, layers })
    }

    fn layer(&self, config: &Config, index: usize, layer: &LayerConfig) -> Result<LayerWeights, GgufError> {
        let Config { hidden, ref parts, .. } = *config;
        let name = |part: &str| format!("blk.{index}.{part}");
        let (queries, keys) = (layer.heads * layer.key_dim, layer.kv_heads * layer.key_dim);
        let values = layer.kv_heads * layer.value_dim;
        let attention_norm = self.floats(&name("attn_norm.weight"), hidden)?;
        let inputs = match &layer.latent {
            Some(latent) => Inputs::Latent(Box::new(self.latent(&name, layer.heads, hidden, latent)?)),
            None => {
                let rows = [queries, keys, values];
                let [query, key, value] = self.inputs(&name, parts.input_biases, hidden, rows)?;
                Inputs::Heads { query, key, value }
            }
        };
        let attended = layer.heads * layer.latent.map_or(layer.value_dim, |latent| latent.value);
        Ok(LayerWeights {
            attention_norm,
            inputs,
            query_norm: self.optional(&name("attn_q_norm.weight"), layer.key_dim, parts.head_norms)?,
            key_norm: self.optional(&name("attn_k_norm.weight"), layer.key_dim, parts.head_norms)?,
            sinks: self.optional(&name("attn_sinks.weight"), layer.heads, parts.sinks)?,
            output: self.projection(&name("attn_output"), hidden, attended, parts.output_bias)?,
            attention_post_norm: self.post_norm(&name("post_attention_norm.weight"), config)?,
            feed_forward_norm: self.floats(&name(&format!("{}.weight", parts.feed_forward_norm)), hidden)?,
            feed_forward: match &layer.feed_forward {
                FeedForward::Dense { width, .. } => {
                    FeedForwardWeights::Dense(self.dense(&name, parts, hidden, *width)?)
                }
                FeedForward::Experts(experts) => {
                    FeedForwardWeights::Experts(Box::new(self.experts(&name, hidden, experts)?))
                }
            },
            feed_forward_post_norm: self.post_norm(&name("post_ffw_norm.weight"), config)?,
        })
    }

    /// Queries, keys and values: three matrices, or one with the rows of all three.
    fn inputs(
        &self,
        name: &dyn Fn(&str) -> String,
        biases: Presence,
        hidden: usize,
        rows: [usize; 3],
    ) -> Result<[Projection; 3], GgufError> {
        let joined = name("attn_qkv");
        if !self.has(&format!("{joined}.weight")) {
            let one = |part: &str, rows| self.projection(&name(part), rows, hidden, biases);
            return Ok([one("attn_q", rows[0])?, one("attn_k", rows[1])?, one("attn_v", rows[2])?]);
        }
        let all = self.projection(&joined, rows.iter().sum(), hidden, biases)?;
        let mut first = 0;
        Ok(rows.map(|count| {
            let range = first..first + count;
            first += count;
            Projection {
                weight: all.weight.part(range.start, count),
                bias: all.bias.as_ref().map(|bias| bias.get(range).unwrap_or_default().to_vec()),
            }
        }))
    }

    fn latent(
        &self,
        name: &dyn Fn(&str) -> String,
        heads: usize,
        hidden: usize,
        latent: &Latent,
    ) -> Result<LatentWeights, GgufError> {
        let Latent { rank, turned, plain, value, query_rank } = *latent;
        let stack = |part: &str, rows: usize, columns: usize| {
            let weight = self.matrix(&name(part), &[heads, rows, columns])?;
            Ok::<_, GgufError>(Stack { weight, rows, biases: None })
        };
        let rows = heads * (plain + turned);
        let (step, query) = match query_rank {
            Some(query_rank) => {
                let first = self.matrix(&name("attn_q_a.weight"), &[query_rank, hidden])?;
                let norm = self.floats(&name("attn_q_a_norm.weight"), query_rank)?;
                (Some((first, norm)), self.matrix(&name("attn_q_b.weight"), &[rows, query_rank])?)
            }
            None => (None, self.matrix(&name("attn_q.weight"), &[rows, hidden])?),
        };
        Ok(LatentWeights {
            step,
            query,
            down: self.matrix(&name("attn_kv_a_mqa.weight"), &[rank + turned, hidden])?,
            norm: self.floats(&name("attn_kv_a_norm.weight"), rank)?,
            keys: stack("attn_k_b.weight", rank, plain)?,
            values: stack("attn_v_b.weight", value, rank)?,
        })
    }

    fn dense(
        &self,
        name: &dyn Fn(&str) -> String,
        parts: &Parts,
        hidden: usize,
        width: usize,
    ) -> Result<Gated, GgufError> {
        let down = self.projection(&name("ffn_down"), hidden, width, Presence::Optional)?;
        if parts.joined_gate == Presence::Absent || self.has(&name("ffn_gate.weight")) {
            let gate = self.projection(&name("ffn_gate"), width, hidden, Presence::Optional)?;
            let up = self.projection(&name("ffn_up"), width, hidden, Presence::Optional)?;
            return Ok(Gated { gate, up, down });
        }
        let both = self.matrix(&name("ffn_up.weight"), &[2 * width, hidden])?;
        let half = |first| Projection { weight: both.part(first, width), bias: None };
        Ok(Gated { gate: half(0), up: half(width), down })
    }

    fn experts(
        &self,
        name: &dyn Fn(&str) -> String,
        hidden: usize,
        experts: &Experts,
    ) -> Result<ExpertWeights, GgufError> {
        let Experts { count, width, biases, .. } = *experts;
        let stack = |part: &str, rows: usize, columns: usize| {
            let weight = self.matrix(&name(&format!("{part}.weight")), &[count, rows, columns])?;
            let biases = match biases {
                Presence::Required => Some(self.values(&name(&format!("{part}.bias")), &[count, rows])?),
                _ => None,
            };
            Ok::<_, GgufError>(Stack { weight, rows, biases })
        };
        let shared = |width: usize| {
            let part =
                |part: &str, rows, columns| self.projection(&name(part), rows, columns, Presence::Absent);
            Ok::<_, GgufError>(Gated {
                gate: part("ffn_gate_shexp", width, hidden)?,
                up: part("ffn_up_shexp", width, hidden)?,
                down: part("ffn_down_shexp", hidden, width)?,
            })
        };
        Ok(ExpertWeights {
            router: self.projection(&name("ffn_gate_inp"), count, hidden, biases)?,
            selection_bias: self.optional(&name("exp_probs_b.bias"), count, experts.selection_bias)?,
            gate: stack("ffn_gate_exps", width, hidden)?,
            up: stack("ffn_up_exps", width, hidden)?,
            down: stack("ffn_down_exps", hidden, width)?,
            shared: experts.shared.map(shared).transpose()?,
            shared_gate: self.optional(&name("ffn_gate_inp_shexp.weight"), hidden, experts.shared_gate)?,
        })
    }

    fn post_norm(&self, name: &str, config: &Config) -> Result<Option<Vec<f32>>, GgufError> {
        // The same name stands for the norm in front of the feed-forward in some families.
        match name.ends_with(&format!("{}.weight", config.parts.feed_forward_norm)) {
            true => Ok(None),
            false => self.optional(name, config.hidden, config.parts.post_norms),
        }
    }

    fn projection(
        &self,
        name: &str,
        rows: usize,
        columns: usize,
        bias: Presence,
    ) -> Result<Projection, GgufError> {
        let weight = self.matrix(&format!("{name}.weight"), &[rows, columns])?;
        Ok(Projection { weight, bias: self.optional(&format!("{name}.bias"), rows, bias)? })
    }

    fn factors(&self, name: &str, config: &Config) -> Result<Option<Vec<f32>>, GgufError> {
        let dimensions = config.ropes.first().map_or(0, |rope| rope.dimensions);
        self.optional(name, dimensions / 2, Presence::Optional)
    }

    fn has(&self, name: &str) -> bool {
        self.header.tensors().contains_key(name)
    }

    fn shaped(&self, name: &str, shape: &[usize]) -> Result<&TensorInfo, GgufError> {
        let info = self.header.tensor(name)?;
        if info.shape == shape {
            return Ok(info);
        }
        let reason = format!("{:?} must be {shape:?}", info.shape);
        Err(GgufError::invalid(format!("tensor `{name}` shape"), reason))
    }

    /// A tensor whose rows, counted over all axes but the last, are those of one matrix.
    fn matrix(&self, name: &str, shape: &[usize]) -> Result<Weight, GgufError> {
        let info = self.shaped(name, shape)?;
        let columns = shape[shape.len() - 1];
        // The file fits the address space of a machine that maps it.
        let start = usize::try_from(info.position).unwrap_or(usize::MAX);
        Ok(Weight { format: info.format, rows: info.elements() / columns, columns, start })
    }

    fn optional(&self, name: &str, length: usize, presence: Presence) -> Result<Option<Vec<f32>>, GgufError> {
        match (presence, self.has(name)) {
            (Presence::Absent, true) => {
                let reason = "is not part of this architecture";
                Err(GgufError::unsupported(format!("tensor `{name}`"), reason))
            }
            (Presence::Absent | Presence::Optional, false) => Ok(None),
            (Presence::Required, _) | (Presence::Optional, true) => self.floats(name, length).map(Some),
        }
    }

    fn floats(&self, name: &str, length: usize) -> Result<Vec<f32>, GgufError> {
        self.values(name, &[length])
    }

    /// All numbers of a tensor, as floats.
    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, GgufError> {
        let weight = self.matrix(name, shape)?;
        let Some(bytes) = self.bytes else { return Ok(Vec::new()) };
        let failed = |error: Error| GgufError::invalid(format!("tensor `{name}` data"), error.to_string());
        let matrix = weight.over(bytes).map_err(failed)?;
        let mut floats = vec![0.0; weight.rows * weight.columns];
        for (row, floats) in floats.chunks_exact_mut(weight.columns).enumerate() {
            matrix.row(row, floats);
        }
        Ok(floats)
    }
}
