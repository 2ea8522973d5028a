//! Owns the forward pass shared by Llama, Qwen2 and Qwen3: norm, attention, norm, gated feed-forward.
//! Uses matrices in the file's own types, and buffers that live as long as the model.
//! Never allocates per token what it can keep, and never computes rows nobody reads.

use super::attention::{Queries, attend};
use super::config::Config;
use super::matrix::{Matrix, MatrixError, Progress, load_floats};
use super::rope::{Angles, Rotation};
use crate::gguf::{Header, Source};
use crate::kv::Cache;

/// Why a pass failed.
pub(crate) type Error = MatrixError;

/// A model with its weights.
pub(crate) struct Decoder {
    config: Config,
    embedding: Matrix,
    layers: Vec<Layer>,
    output_norm: Vec<f32>,
    /// `None` where the embedding is the output matrix as well.
    output: Option<Matrix>,
    rotation: Rotation,
    buffers: Buffers,
}

struct Layer {
    attention_norm: Vec<f32>,
    query: Projection,
    key: Projection,
    value: Projection,
    output: Projection,
    feed_forward_norm: Vec<f32>,
    gate: Matrix,
    up: Matrix,
    down: Matrix,
}

/// A matrix, perhaps a bias, perhaps a norm over each head.
struct Projection {
    matrix: Matrix,
    bias: Option<Vec<f32>>,
    norm: Option<Vec<f32>>,
}

#[derive(Default)]
struct Buffers {
    /// The residual stream, `[count, hidden]`.
    stream: Vec<f32>,
    /// Its normalised rows, or what a projection adds to it.
    normal: Vec<f32>,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    attended: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    angles: Angles,
}

impl Decoder {
    /// Read all weights.
    pub(crate) fn load(
        source: &mut Source,
        header: &Header,
        config: Config,
        progress: &mut Progress<'_>,
    ) -> Result<Self, Error> {
        let mut load = Load { source, header, progress };
        let embedding = load.matrix("token_embd.weight")?;
        let layers = (0..config.layers).map(|layer| load.layer(layer)).collect::<Result<_, _>>()?;
        let output_norm = load.floats("output_norm.weight")?;
        let output = match header.tensors().contains_key("output.weight") {
            true => Some(load.matrix("output.weight")?),
            false => None,
        };
        let factors = load.optional_floats("rope_freqs.weight")?;
        let rotation = Rotation::new(&config.rope, factors.as_deref());
        Ok(Self { config, embedding, layers, output_norm, output, rotation, buffers: Buffers::default() })
    }

    /// An empty cache for this model.
    pub(crate) fn cache(&self) -> Cache {
        Cache::new(self.config.layers, self.config.kv_heads, self.config.head_dim)
    }

    /// Run `tokens` (at least one) behind what is in `cache`, which must have room. With `logits`, the scores of
    /// the token after the last one are written there, `[vocab]`. A pass that is cancelled between
    /// two layers leaves the cache as it was.
    pub(crate) fn forward(
        &mut self,
        tokens: &[u32],
        cache: &mut Cache,
        logits: Option<&mut Vec<f32>>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        let Self { config, embedding, layers, output_norm, output, rotation, buffers } = self;
        let Config { hidden, heads, kv_heads, head_dim, epsilon, .. } = *config;
        let count = tokens.len();
        let start = cache.len();
        buffers.stream.clear();
        for &token in tokens {
            embedding.push_row(token as usize, &mut buffers.stream)?;
        }
        rotation.angles(start, count, &mut buffers.angles);
        let last_layer = layers.len() - 1;
        let mut rows = count;
        for (index, layer) in layers.iter().enumerate() {
            if cancelled() {
                return Err(Error::Cancelled);
            }
            let Buffers { stream, normal, queries, keys, values, attended, gate, up, angles } = buffers;
            norm_rows(stream, &layer.attention_norm, epsilon, normal);
            layer.key.apply(count, normal, keys, head_dim, epsilon)?;
            layer.value.apply(count, normal, values, head_dim, epsilon)?;
            rotation.apply(angles, keys, kv_heads, head_dim);
            let width = kv_heads * head_dim;
            for (row, (key, value)) in keys.chunks_exact(width).zip(values.chunks_exact(width)).enumerate() {
                cache.write(index, start + row, key, value);
            }
            if index == last_layer {
                if logits.is_none() {
                    break;
                }
                // Only the last row is read from here on.
                stream.drain(..(count - 1) * hidden);
                normal.drain(..(count - 1) * hidden);
                rotation.angles(start + count - 1, 1, angles);
                rows = 1;
            }
            let start = start + count - rows;
            layer.query.apply(rows, normal, queries, head_dim, epsilon)?;
            rotation.apply(angles, queries, heads, head_dim);
            resize(attended, rows * heads * head_dim);
            let rows_of = Queries { rows: queries, heads, kv_heads, head_dim, start };
            attend(cache, index, &rows_of, attended);
            layer.output.apply(rows, attended, normal, hidden, epsilon)?;
            add(stream, normal);

            norm_rows(stream, &layer.feed_forward_norm, epsilon, normal);
            resize(gate, rows * config.feed_forward);
            resize(up, rows * config.feed_forward);
            layer.gate.multiply(rows, normal, gate)?;
            layer.up.multiply(rows, normal, up)?;
            for (gate, up) in gate.iter_mut().zip(up.iter()) {
                *gate = *gate / (1.0 + (-*gate).exp()) * up;
            }
            layer.down.multiply(rows, gate, normal)?;
            add(stream, normal);
        }
        cache.commit(tokens);
        if let Some(logits) = logits {
            let Buffers { stream, normal, .. } = buffers;
            norm_rows(stream, output_norm, epsilon, normal);
            resize(logits, config.vocab);
            output.as_ref().unwrap_or(embedding).multiply(1, normal, logits)?;
        }
        Ok(())
    }
}

impl Projection {
    /// `output[i] = norm(matrix * input[i] + bias)`; the norm is over runs of `head_dim`.
    fn apply(
        &self,
        count: usize,
        input: &[f32],
        output: &mut Vec<f32>,
        head_dim: usize,
        epsilon: f32,
    ) -> Result<(), Error> {
        resize(output, count * self.matrix.rows);
        self.matrix.multiply(count, input, output)?;
        if let Some(bias) = &self.bias {
            for row in output.chunks_exact_mut(bias.len()) {
                add(row, bias);
            }
        }
        if let Some(norm) = &self.norm {
            for head in output.chunks_exact_mut(head_dim) {
                let scale = inverse_root_mean_square(head, epsilon);
                for (value, weight) in head.iter_mut().zip(norm) {
                    *value = *value * scale * weight;
                }
            }
        }
        Ok(())
    }
}

/// Set the length; the content is overwritten by the caller.
fn resize(buffer: &mut Vec<f32>, length: usize) {
    buffer.resize(length, 0.0);
}

fn add(target: &mut [f32], other: &[f32]) {
    for (target, other) in target.iter_mut().zip(other) {
        *target += other;
    }
}

fn inverse_root_mean_square(row: &[f32], epsilon: f32) -> f32 {
    let mut lanes = [0.0f32; 8];
    let chunks = row.chunks_exact(8);
    let mut sum: f32 = chunks.remainder().iter().map(|value| value * value).sum();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value * value;
        }
    }
    sum += lanes.iter().sum::<f32>();
    1.0 / (sum / row.len() as f32 + epsilon).sqrt()
}

/// `output[i] = input[i] / rms(input[i]) * weight` for each row.
fn norm_rows(input: &[f32], weight: &[f32], epsilon: f32, output: &mut Vec<f32>) {
    resize(output, input.len());
    for (input, output) in input.chunks_exact(weight.len()).zip(output.chunks_exact_mut(weight.len())) {
        let scale = inverse_root_mean_square(input, epsilon);
        for ((output, input), weight) in output.iter_mut().zip(input).zip(weight) {
            *output = input * scale * weight;
        }
    }
}

struct Load<'a, 'b> {
    source: &'a mut Source,
    header: &'a Header,
    progress: &'a mut Progress<'b>,
}

impl Load<'_, '_> {
    fn matrix(&mut self, name: &str) -> Result<Matrix, Error> {
        Matrix::load(self.source, name, self.header.tensor(name)?, self.progress)
    }

    fn floats(&mut self, name: &str) -> Result<Vec<f32>, Error> {
        load_floats(self.source, name, self.header.tensor(name)?, self.progress)
    }

    fn optional_floats(&mut self, name: &str) -> Result<Option<Vec<f32>>, Error> {
        match self.header.tensors().contains_key(name) {
            true => self.floats(name).map(Some),
            false => Ok(None),
        }
    }

    fn layer(&mut self, layer: usize) -> Result<Layer, Error> {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let mut projection = |part: &str| {
            Ok::<_, Error>(Projection {
                matrix: self.matrix(&name(&format!("{part}.weight")))?,
                bias: self.optional_floats(&name(&format!("{part}.bias")))?,
                norm: self.optional_floats(&name(&format!("{part}_norm.weight")))?,
            })
        };
        let (query, key) = (projection("attn_q")?, projection("attn_k")?);
        let (value, output) = (projection("attn_v")?, projection("attn_output")?);
        Ok(Layer {
            attention_norm: self.floats(&name("attn_norm.weight"))?,
            query,
            key,
            value,
            output,
            feed_forward_norm: self.floats(&name("ffn_norm.weight"))?,
            gate: self.matrix(&name("ffn_gate.weight"))?,
            up: self.matrix(&name("ffn_up.weight"))?,
            down: self.matrix(&name("ffn_down.weight"))?,
        })
    }
}
