//! Owns the forward pass on an accelerator: the same computation as `decoder`, as tensor operations.
//! Uses candle's quantised products and kernels on whatever device it is given.
//! Never used for the CPU, where `decoder` needs no tensor per operation; tests compare the two there.

use std::borrow::Cow;

use candle_core::quantized::{QMatMul, QStorage, QTensor};
use candle_core::{D, DType, Device, Module, Tensor};

use super::config::Config;
use super::matrix::{MatrixError, Progress, load_floats};
use super::rope::{Angles, Rotation};
use crate::gguf::{Header, Source, TensorInfo};

/// Tokens that the cache has room for at first; it doubles when it is full.
const CAPACITY: usize = 1024;
/// Bytes read between two reports of progress.
const STEP: usize = 8 << 20;
/// Alignment that every block type is content with.
const ALIGNMENT: usize = 16;

/// A model on a device, with the state of one sequence.
pub(crate) struct Accelerated {
    config: Config,
    device: Device,
    embedding: std::sync::Arc<QTensor>,
    layers: Vec<Layer>,
    output_norm: Tensor,
    output: QMatMul,
    rotation: Rotation,
    tokens: Vec<u32>,
    capacity: usize,
}

struct Layer {
    attention_norm: Tensor,
    query: Projection,
    key: Projection,
    value: Projection,
    output: Projection,
    feed_forward_norm: Tensor,
    gate: QMatMul,
    up: QMatMul,
    down: QMatMul,
    /// `[kv_heads, capacity, head_dim]`
    keys: Tensor,
    values: Tensor,
}

struct Projection {
    matrix: QMatMul,
    bias: Option<Tensor>,
    norm: Option<Tensor>,
}

impl Accelerated {
    pub(crate) fn load(
        source: &mut Source,
        header: &Header,
        config: Config,
        device: &Device,
        progress: &mut Progress<'_>,
    ) -> Result<Self, MatrixError> {
        let mut load = Load { source, header, device, progress };
        let embedding = std::sync::Arc::new(load.quantised("token_embd.weight")?);
        let layers = (0..config.layers).map(|layer| load.layer(layer, &config)).collect::<Result<_, _>>()?;
        let output_norm = load.floats("output_norm.weight")?;
        let output = match header.tensors().contains_key("output.weight") {
            true => load.matrix("output.weight")?,
            false => QMatMul::from_arc(std::sync::Arc::clone(&embedding))?,
        };
        let factors = match header.tensors().get("rope_freqs.weight") {
            Some(info) => Some(load_floats(load.source, "rope_freqs.weight", info, load.progress)?),
            None => None,
        };
        let rotation = Rotation::new(&config.rope, factors.as_deref());
        let device = device.clone();
        Ok(Self {
            config,
            device,
            embedding,
            layers,
            output_norm,
            output,
            rotation,
            tokens: Vec::new(),
            capacity: CAPACITY,
        })
    }

    /// The ids behind the state.
    pub(crate) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Forget everything from position `length` on.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.tokens.truncate(length);
    }

    /// Make room for `length` tokens in all.
    pub(crate) fn reserve(&mut self, length: usize) -> Result<(), MatrixError> {
        if length <= self.capacity {
            return Ok(());
        }
        let capacity = length.next_power_of_two();
        let used = self.tokens.len();
        let shape = (self.config.kv_heads, capacity, self.config.head_dim);
        for layer in &mut self.layers {
            for side in [&mut layer.keys, &mut layer.values] {
                let larger = Tensor::zeros(shape, DType::F32, &self.device)?;
                if used > 0 {
                    larger.slice_set(&side.narrow(1, 0, used)?.contiguous()?, 1, 0)?;
                }
                *side = larger;
            }
        }
        self.capacity = capacity;
        Ok(())
    }

    /// As [`super::decoder::Decoder::forward`].
    pub(crate) fn forward(
        &mut self,
        tokens: &[u32],
        logits: Option<&mut Vec<f32>>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), MatrixError> {
        let Config { heads, kv_heads, head_dim, epsilon, .. } = self.config;
        let (count, start) = (tokens.len(), self.tokens.len());
        let total = start + count;
        let group = heads / kv_heads;
        let scale = 1.0 / (head_dim as f64).sqrt();
        let (sine, cosine) = self.angles(start, count)?;
        let mask = self.mask(start, count)?;
        let ids = Tensor::new(tokens, &self.device)?;
        // [1, count, hidden]
        let mut stream = self.embedding.embedding(&ids)?.unsqueeze(0)?;
        for layer in &self.layers {
            if cancelled() {
                return Err(MatrixError::Cancelled);
            }
            let normal = candle_nn::ops::rms_norm(&stream, &layer.attention_norm, epsilon)?;
            let by_head = |projection: &Projection, heads: usize| {
                let rows = projection.apply(&normal)?.reshape((1, count, heads, head_dim))?;
                let rows = match &projection.norm {
                    Some(norm) => candle_nn::ops::rms_norm(&rows.contiguous()?, norm, epsilon)?,
                    None => rows,
                };
                rows.transpose(1, 2)?.contiguous()
            };
            let queries = self.rotate(&by_head(&layer.query, heads)?, &sine, &cosine)?;
            let keys = self.rotate(&by_head(&layer.key, kv_heads)?, &sine, &cosine)?;
            let values = by_head(&layer.value, kv_heads)?;
            layer.keys.slice_set(&keys.squeeze(0)?.contiguous()?, 1, start)?;
            layer.values.slice_set(&values.squeeze(0)?, 1, start)?;
            let keys = layer.keys.narrow(1, 0, total)?;
            let values = layer.values.narrow(1, 0, total)?;

            // The heads of a group are rows of one product with their shared keys.
            let queries = queries.reshape((kv_heads, group * count, head_dim))?;
            let scores = (queries.matmul(&keys.t()?)? * scale)?.reshape((kv_heads, group, count, total))?;
            let scores = match &mask {
                Some(mask) => scores.broadcast_add(mask)?,
                None => scores,
            };
            let weights = candle_nn::ops::softmax_last_dim(&scores)?;
            let attended =
                weights.reshape((kv_heads, group * count, total))?.matmul(&values.contiguous()?)?;
            let attended = attended.reshape((heads, count, head_dim))?.transpose(0, 1)?.contiguous()?;
            let attended = attended.reshape((1, count, heads * head_dim))?;
            stream = (stream + layer.output.apply(&attended)?)?;

            let normal = candle_nn::ops::rms_norm(&stream, &layer.feed_forward_norm, epsilon)?;
            let gate = candle_nn::ops::silu(&layer.gate.forward(&normal)?)?;
            let hidden = (gate * layer.up.forward(&normal)?)?;
            stream = (stream + layer.down.forward(&hidden)?)?;
        }
        if let Some(logits) = logits {
            let last = stream.narrow(1, count - 1, 1)?.contiguous()?;
            let last = candle_nn::ops::rms_norm(&last, &self.output_norm, epsilon)?;
            *logits = self.output.forward(&last)?.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
        }
        self.tokens.extend_from_slice(tokens);
        Ok(())
    }

    /// Sines and cosines, `[count, dimensions / 2]` each.
    fn angles(&self, start: usize, count: usize) -> Result<(Tensor, Tensor), MatrixError> {
        let mut angles = Angles::default();
        self.rotation.angles(start, count, &mut angles);
        let (sine, cosine): (Vec<f32>, Vec<f32>) = angles.pairs().iter().copied().unzip();
        let shape = (count, self.config.rope.dimensions / 2);
        Ok((Tensor::from_vec(sine, shape, &self.device)?, Tensor::from_vec(cosine, shape, &self.device)?))
    }

    /// Turn `[1, heads, count, head_dim]`.
    fn rotate(&self, rows: &Tensor, sine: &Tensor, cosine: &Tensor) -> Result<Tensor, MatrixError> {
        let turn = |rows: &Tensor| match self.config.rope.interleaved {
            true => candle_nn::rotary_emb::rope_i(rows, cosine, sine),
            false => candle_nn::rotary_emb::rope(rows, cosine, sine),
        };
        let dimensions = self.config.rope.dimensions;
        let rest = self.config.head_dim - dimensions;
        if rest == 0 {
            return Ok(turn(rows)?);
        }
        let turned = turn(&rows.narrow(D::Minus1, 0, dimensions)?.contiguous()?)?;
        Ok(Tensor::cat(&[&turned, &rows.narrow(D::Minus1, dimensions, rest)?], D::Minus1)?)
    }

    /// `[count, start + count]` with negative infinity where a row may not look; none for a single row.
    fn mask(&self, start: usize, count: usize) -> Result<Option<Tensor>, MatrixError> {
        if count == 1 {
            return Ok(None);
        }
        let total = start + count;
        let value = |at: usize| if at % total > start + at / total { f32::NEG_INFINITY } else { 0.0 };
        let values: Vec<f32> = (0..count * total).map(value).collect();
        Ok(Some(Tensor::from_vec(values, (count, total), &self.device)?))
    }
}

impl Projection {
    fn apply(&self, input: &Tensor) -> candle_core::Result<Tensor> {
        let product = self.matrix.forward(input)?;
        match &self.bias {
            Some(bias) => product.broadcast_add(bias),
            None => Ok(product),
        }
    }
}

struct Load<'a, 'b> {
    source: &'a mut Source,
    header: &'a Header,
    device: &'a Device,
    progress: &'a mut Progress<'b>,
}

impl Load<'_, '_> {
    fn quantised(&mut self, name: &str) -> Result<QTensor, MatrixError> {
        let info = self.header.tensor(name)?.clone();
        let bytes = self.bytes(name, &info)?;
        let start = bytes.as_ptr().align_offset(ALIGNMENT);
        let data = Cow::Borrowed(&bytes[start..start + self.size(&info)]);
        let storage = QStorage::from_data(data, self.device, info.dtype)?;
        Ok(QTensor::new(storage, info.shape)?)
    }

    /// Validation has compared the size with the file, so it fits the address space of any machine
    /// that can hold the file.
    fn size(&self, info: &TensorInfo) -> usize {
        usize::try_from(info.bytes).unwrap_or(usize::MAX - ALIGNMENT)
    }

    /// The bytes of a tensor behind some padding, so that an aligned start exists.
    fn bytes(&mut self, name: &str, info: &TensorInfo) -> Result<Vec<u8>, MatrixError> {
        let size = self.size(info);
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(size + ALIGNMENT)
            .map_err(|_| MatrixError::Memory(format!("tensor `{name}`")))?;
        bytes.resize(size + ALIGNMENT, 0);
        let start = bytes.as_ptr().align_offset(ALIGNMENT);
        let mut position = info.position;
        let field = format!("tensor `{name}` data");
        for part in bytes[start..start + size].chunks_mut(STEP) {
            self.source.read_at(position, part, &field)?;
            position += part.len() as u64;
            if !(self.progress)(part.len() as u64) {
                return Err(MatrixError::Cancelled);
            }
        }
        Ok(bytes)
    }

    fn matrix(&mut self, name: &str) -> Result<QMatMul, MatrixError> {
        Ok(QMatMul::from_qtensor(self.quantised(name)?)?)
    }

    fn floats(&mut self, name: &str) -> Result<Tensor, MatrixError> {
        let floats = load_floats(self.source, name, self.header.tensor(name)?, self.progress)?;
        let length = floats.len();
        Ok(Tensor::from_vec(floats, length, self.device)?)
    }

    fn optional_floats(&mut self, name: &str) -> Result<Option<Tensor>, MatrixError> {
        match self.header.tensors().contains_key(name) {
            true => self.floats(name).map(Some),
            false => Ok(None),
        }
    }

    fn layer(&mut self, layer: usize, config: &Config) -> Result<Layer, MatrixError> {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let mut projection = |part: &str| {
            Ok::<_, MatrixError>(Projection {
                matrix: self.matrix(&name(&format!("{part}.weight")))?,
                bias: self.optional_floats(&name(&format!("{part}.bias")))?,
                norm: self.optional_floats(&name(&format!("{part}_norm.weight")))?,
            })
        };
        let (query, key) = (projection("attn_q")?, projection("attn_k")?);
        let (value, output) = (projection("attn_v")?, projection("attn_output")?);
        let room = (config.kv_heads, CAPACITY, config.head_dim);
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
            keys: Tensor::zeros(room, DType::F32, self.device)?,
            values: Tensor::zeros(room, DType::F32, self.device)?,
        })
    }
}
