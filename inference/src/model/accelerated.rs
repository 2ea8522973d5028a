//! Owns the forward pass on an accelerator: the same computation as `decoder`, as tensor operations.
//! Uses candle's quantised products and kernels on whatever device it is given.
//! Never used for the CPU, where `decoder` needs no tensor per operation; tests compare the two there.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{D, DType, Device, Module, Tensor};
use loci_kernels::format::Format;

use super::config::{Config, LayerConfig};
use super::pass::{Error, Progress, Step};
use super::rope::{Angles, Rotation};
use super::runtime;
use super::weights::Factors;
use crate::gguf::{GgufError, Header, Source, TensorInfo};
use crate::kv::Geometry;

/// Tokens that a cache has room for at first; it doubles when it is full.
const CAPACITY: usize = 1024;
/// Sequences whose keys and values stay on the device.
const SLOTS: usize = 4;
/// Tokens that are run at once.
const CHUNK: usize = 512;
/// Bytes read between two reports of progress.
const STEP: usize = 8 << 20;
/// Alignment that every block type is content with.
const ALIGNMENT: usize = 16;

/// A model on a device. Its sequences hold token ids only; the keys and values behind them lie on the device, found
/// again by their ids and computed again where they are gone.
pub(crate) struct Accelerated {
    config: Config,
    layer: LayerConfig,
    device: Device,
    embedding: Arc<QTensor>,
    layers: Vec<Layer>,
    output_norm: Tensor,
    output: QMatMul,
    rotation: Rotation,
    geometry: Arc<Geometry>,
    /// The one used last is the last.
    slots: Vec<Slot>,
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
}

struct Projection {
    matrix: QMatMul,
    bias: Option<Tensor>,
    norm: Option<Tensor>,
}

/// The state of one sequence.
struct Slot {
    tokens: Vec<u32>,
    capacity: usize,
    /// Keys and values of each layer, `[kv_heads, capacity, head_dim]`.
    layers: Vec<(Tensor, Tensor)>,
}

impl Slot {
    fn new(layers: usize, layer: &LayerConfig, device: &Device) -> Result<Self, Error> {
        let room = || Tensor::zeros((layer.kv_heads, CAPACITY, layer.key_dim), DType::F32, device);
        let layers = (0..layers).map(|_| Ok((room()?, room()?))).collect::<Result<_, Error>>()?;
        Ok(Self { tokens: Vec::new(), capacity: CAPACITY, layers })
    }

    /// Tokens that it shares with `tokens` at their start.
    fn shared(&self, tokens: &[u32]) -> usize {
        self.tokens.iter().zip(tokens).take_while(|(known, wanted)| known == wanted).count()
    }

    /// Make room for `length` tokens in all.
    fn reserve(&mut self, length: usize) -> Result<(), Error> {
        if length <= self.capacity {
            return Ok(());
        }
        let capacity = length.next_power_of_two();
        for (keys, values) in &mut self.layers {
            *keys = resized(keys, self.tokens.len(), capacity)?;
            *values = resized(values, self.tokens.len(), capacity)?;
        }
        self.capacity = capacity;
        Ok(())
    }

    /// Another slot with the first `length` tokens of this one.
    fn fork(&self, length: usize) -> Result<Self, Error> {
        let copy = |side: &Tensor| resized(side, length, self.capacity);
        let pair = |(keys, values): &(Tensor, Tensor)| Ok((copy(keys)?, copy(values)?));
        let layers = self.layers.iter().map(pair).collect::<Result<_, Error>>()?;
        Ok(Self { tokens: self.tokens[..length].to_vec(), capacity: self.capacity, layers })
    }
}

/// A tensor `[kv_heads, capacity, head_dim]` that begins with `used` rows of another.
fn resized(side: &Tensor, used: usize, capacity: usize) -> Result<Tensor, Error> {
    let (heads, _, head_dim) = side.dims3()?;
    let larger = Tensor::zeros((heads, capacity, head_dim), DType::F32, side.device())?;
    if used > 0 {
        larger.slice_set(&side.narrow(1, 0, used)?.contiguous()?, 1, 0)?;
    }
    Ok(larger)
}

impl Accelerated {
    /// Read all weights onto a device.
    ///
    /// # Errors
    /// When the file cannot be read, or its family is not one of Llama, Qwen2 and Qwen3.
    pub(crate) fn load(
        load: runtime::Load<'_>,
        device: &Device,
        progress: &mut Progress<'_>,
    ) -> Result<Self, Error> {
        let runtime::Load { source, header, config, context, .. } = load;
        let (true, Some(layer)) = (config.is_plain(), config.layers.first().cloned()) else {
            let reason = format!("`{}` runs on the CPU only", config.architecture);
            return Err(GgufError::unsupported("general.architecture", reason).into());
        };
        let mut load = Load { source, header, device, progress };
        let embedding = Arc::new(load.quantised("token_embd.weight")?);
        let layers = (0..config.layers.len()).map(|layer| load.layer(layer)).collect::<Result<_, _>>()?;
        let output_norm = load.floats("output_norm.weight")?;
        let output = match header.tensors().contains_key("output.weight") {
            true => load.matrix("output.weight")?,
            false => QMatMul::from_arc(Arc::clone(&embedding))?,
        };
        let mut factors = |name: &str| match header.tensors().contains_key(name) {
            true => load.list(name).map(Some),
            false => Ok(None),
        };
        let factors = Factors {
            plain: factors("rope_freqs.weight")?,
            short: factors("rope_factors_short.weight")?,
            long: factors("rope_factors_long.weight")?,
        };
        let rotation = Rotation::new(&config.ropes[0], &factors, context);
        let (device, geometry) = (device.clone(), Arc::new(Geometry::new(Vec::new())));
        let slots = Vec::new();
        Ok(Self { config, layer, device, embedding, layers, output_norm, output, rotation, geometry, slots })
    }

    /// What a sequence keeps of each token in the memory of the host: nothing.
    pub(crate) fn geometry(&self) -> &Arc<Geometry> {
        &self.geometry
    }

    /// As [`super::decoder::Decoder::forward`], one step after the other.
    pub(crate) fn forward(
        &mut self,
        batch: &mut [Step<'_>],
        logits: &mut Vec<f32>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        logits.clear();
        for step in batch.iter_mut() {
            let tokens = [step.sequence.tokens(), step.tokens].concat();
            let memory = |_| Error::Memory(format!("the state of {} tokens", tokens.len()));
            step.sequence.reserve(tokens.len()).map_err(memory)?;
            let known = self.slot(&tokens, step.sequence.len())?;
            let first = tokens.len() - step.outputs.rows(step.tokens.len());
            let mut at = known;
            while at < tokens.len() {
                let end = tokens.len().min(at + CHUNK);
                let rows = end - end.min(first.max(at));
                self.run(&tokens[at..end], rows, logits, cancelled)?;
                at = end;
            }
        }
        for step in batch.iter_mut() {
            step.sequence.commit(step.tokens);
        }
        Ok(())
    }

    /// Make the slot that shares the most with `tokens`, of which at most `length` are known, the last one; returns
    /// how many of them it holds.
    fn slot(&mut self, tokens: &[u32], length: usize) -> Result<usize, Error> {
        let best = (0..self.slots.len()).max_by_key(|&slot| self.slots[slot].shared(tokens));
        let shared = best.map_or(0, |best| self.slots[best].shared(tokens)).min(length);
        let mut slot = match best {
            // What would be cut off belongs to another sequence: while there is room, it stays.
            Some(best) if shared < self.slots[best].tokens.len() && self.slots.len() < SLOTS => {
                self.slots[best].fork(shared)?
            }
            Some(best) => self.slots.remove(best),
            None => Slot::new(self.layers.len(), &self.layer, &self.device)?,
        };
        slot.tokens.truncate(shared);
        slot.reserve(tokens.len())?;
        self.slots.push(slot);
        Ok(shared)
    }

    /// Run `tokens` behind the last slot, and append the logits of the last `wanted` ones.
    fn run(
        &mut self,
        tokens: &[u32],
        wanted: usize,
        logits: &mut Vec<f32>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        let LayerConfig { heads, kv_heads, key_dim: head_dim, .. } = self.layer;
        let epsilon = self.config.epsilon;
        let Some(slot) = self.slots.last() else { return Ok(()) };
        let (count, start) = (tokens.len(), slot.tokens.len());
        let total = start + count;
        let group = heads / kv_heads;
        let scale = f64::from(self.layer.attention_scale);
        let (sine, cosine) = self.angles(start, count)?;
        let mask = self.mask(start, count)?;
        let ids = Tensor::new(tokens, &self.device)?;
        // [1, count, hidden]
        let mut stream = self.embedding.embedding(&ids)?.unsqueeze(0)?;
        for (layer, (all_keys, all_values)) in self.layers.iter().zip(&slot.layers) {
            if cancelled() {
                return Err(Error::Cancelled);
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
            all_keys.slice_set(&keys.squeeze(0)?.contiguous()?, 1, start)?;
            all_values.slice_set(&values.squeeze(0)?, 1, start)?;
            let keys = all_keys.narrow(1, 0, total)?;
            let values = all_values.narrow(1, 0, total)?;

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
        if wanted > 0 {
            let last = stream.narrow(1, count - wanted, wanted)?.contiguous()?;
            let last = candle_nn::ops::rms_norm(&last, &self.output_norm, epsilon)?;
            let rows = self.output.forward(&last)?.flatten_all()?.to_dtype(DType::F32)?;
            logits.extend(rows.to_vec1::<f32>()?);
        }
        if let Some(slot) = self.slots.last_mut() {
            slot.tokens.extend_from_slice(tokens);
        }
        Ok(())
    }

    /// Sines and cosines, `[count, dimensions / 2]` each.
    fn angles(&self, start: usize, count: usize) -> Result<(Tensor, Tensor), Error> {
        let mut angles = Angles::default();
        self.rotation.extend(start, count, &mut angles);
        let Angles { sines, cosines } = angles;
        let shape = (count, self.rotation.dimensions / 2);
        Ok((Tensor::from_vec(sines, shape, &self.device)?, Tensor::from_vec(cosines, shape, &self.device)?))
    }

    /// Turn `[1, heads, count, head_dim]`.
    fn rotate(&self, rows: &Tensor, sine: &Tensor, cosine: &Tensor) -> Result<Tensor, Error> {
        let turn = |rows: &Tensor| match self.rotation.interleaved {
            true => candle_nn::rotary_emb::rope_i(rows, cosine, sine),
            false => candle_nn::rotary_emb::rope(rows, cosine, sine),
        };
        let dimensions = self.rotation.dimensions;
        let rest = self.layer.key_dim - dimensions;
        if rest == 0 {
            return Ok(turn(rows)?);
        }
        let turned = turn(&rows.narrow(D::Minus1, 0, dimensions)?.contiguous()?)?;
        Ok(Tensor::cat(&[&turned, &rows.narrow(D::Minus1, dimensions, rest)?], D::Minus1)?)
    }

    /// `[count, start + count]` with negative infinity where a row may not look; none for a single row.
    fn mask(&self, start: usize, count: usize) -> Result<Option<Tensor>, Error> {
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
    source: &'a Source,
    header: &'a Header,
    device: &'a Device,
    progress: &'a mut Progress<'b>,
}

impl Load<'_, '_> {
    fn quantised(&mut self, name: &str) -> Result<QTensor, Error> {
        let info = self.header.tensor(name)?.clone();
        let bytes = self.bytes(name, &info)?;
        let start = bytes.as_ptr().align_offset(ALIGNMENT);
        let data = Cow::Borrowed(&bytes[start..start + self.size(&info)]);
        let storage = QStorage::from_data(data, self.device, dtype(name, info.format)?)?;
        Ok(QTensor::new(storage, info.shape)?)
    }

    /// Validation has compared the size with the file, so it fits the address space of any machine
    /// that can hold the file.
    fn size(&self, info: &TensorInfo) -> usize {
        usize::try_from(info.bytes).unwrap_or(usize::MAX - ALIGNMENT)
    }

    /// The bytes of a tensor behind some padding, so that an aligned start exists.
    fn bytes(&mut self, name: &str, info: &TensorInfo) -> Result<Vec<u8>, Error> {
        let size = self.size(info);
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size + ALIGNMENT).map_err(|_| Error::Memory(format!("tensor `{name}`")))?;
        bytes.resize(size + ALIGNMENT, 0);
        let start = bytes.as_ptr().align_offset(ALIGNMENT);
        let mut position = info.position;
        let field = format!("tensor `{name}` data");
        for part in bytes[start..start + size].chunks_mut(STEP) {
            self.source.read_at(position, part, &field)?;
            position += part.len() as u64;
            if !(self.progress)(part.len() as u64) {
                return Err(Error::Cancelled);
            }
        }
        Ok(bytes)
    }

    fn matrix(&mut self, name: &str) -> Result<QMatMul, Error> {
        Ok(QMatMul::from_qtensor(self.quantised(name)?)?)
    }

    /// All numbers of a tensor.
    fn list(&mut self, name: &str) -> Result<Vec<f32>, Error> {
        Ok(self.quantised(name)?.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1()?)
    }

    fn floats(&mut self, name: &str) -> Result<Tensor, Error> {
        let floats = self.list(name)?;
        let length = floats.len();
        Ok(Tensor::from_vec(floats, length, self.device)?)
    }

    fn optional_floats(&mut self, name: &str) -> Result<Option<Tensor>, Error> {
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

/// Candle's name of a layout.
pub(crate) fn dtype(name: &str, format: Format) -> Result<GgmlDType, GgufError> {
    Ok(match format {
        Format::F32 => GgmlDType::F32,
        Format::F16 => GgmlDType::F16,
        Format::BF16 => GgmlDType::BF16,
        Format::Q4_0 => GgmlDType::Q4_0,
        Format::Q4_1 => GgmlDType::Q4_1,
        Format::Q5_0 => GgmlDType::Q5_0,
        Format::Q5_1 => GgmlDType::Q5_1,
        Format::Q8_0 => GgmlDType::Q8_0,
        Format::Q2K => GgmlDType::Q2K,
        Format::Q3K => GgmlDType::Q3K,
        Format::Q4K => GgmlDType::Q4K,
        Format::Q5K => GgmlDType::Q5K,
        Format::Q6K => GgmlDType::Q6K,
        Format::IQ4NL | Format::IQ4XS | Format::MXFP4 => {
            let reason = format!("{format:?} runs on the CPU only");
            return Err(GgufError::unsupported(format!("tensor `{name}` type"), reason));
        }
    })
}
