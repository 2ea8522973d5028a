//! Owns the forward pass on the CPU: one decoder for all families, over buffers that live as long as the model.
//! Uses the kernels, the weights where the file is mapped, and the pages of sequences.
//! Never computes rows that nobody reads, and never changes what a sequence has committed.

use std::sync::Arc;

use loci_kernels::attention::{self, Options, Run};
use loci_kernels::mapping::Advice;
use loci_kernels::matmul::{Activations, Product, multiply};
use loci_kernels::pool::Pool;
use loci_kernels::vector::{self, Pairs};

use super::CHUNK;
use super::config::{Config, FeedForward, LayerConfig};
use super::feed_forward::{Mixture, dense};
use super::latent;
use super::pass::{Error, Outputs, Step};
use super::rope::{Angles, Rotation};
use super::weights::{FeedForwardWeights, Inputs, LayerWeights, Projection, Weights};
use crate::gguf::{Header, Mapped, Pieces, Source};
use crate::kv::{Geometry, LayerShape, PAGE};

/// A model with its weights.
pub(crate) struct Decoder {
    config: Config,
    bytes: Mapped,
    weights: Weights,
    rotations: Vec<Rotation>,
    geometry: Arc<Geometry>,
    pool: Pool,
    buffers: Buffers,
}

/// What a pass works on. Every list has room for [`CHUNK`] rows.
struct Buffers {
    spans: Vec<Span>,
    /// The residual stream, `[rows, hidden]`.
    stream: Vec<f32>,
    /// Its normalised rows.
    normal: Vec<f32>,
    /// What a block adds to it.
    added: Vec<f32>,
    /// `[rows, heads * key_dim]`
    queries: Vec<f32>,
    /// `[rows, kv_heads * key_dim]`
    keys: Vec<f32>,
    /// `[rows, kv_heads * value_dim]`
    values: Vec<f32>,
    /// `[rows, heads * value_dim]`
    attended: Vec<f32>,
    /// `[rows, width]`
    gate: Vec<f32>,
    up: Vec<f32>,
    activations: Activations,
    /// One for each rotation.
    angles: Vec<Angles>,
    mixture: Mixture,
    latent: latent::Buffers,
    pages: Lists,
}

/// Consecutive rows of the pass that belong to one step.
#[derive(Debug, Clone, Copy)]
struct Span {
    step: usize,
    /// The first row.
    row: usize,
    count: usize,
    /// The position of the first row in its sequence.
    position: usize,
    /// How many rows at the end are wanted.
    wanted: usize,
}

/// The widest rows of a model, which buffers are made for.
#[derive(Debug, Clone, Copy, Default)]
struct Widths {
    queries: usize,
    keys: usize,
    values: usize,
    attended: usize,
    feed_forward: usize,
    /// Scores of experts.
    experts: usize,
}

impl Widths {
    fn new(config: &Config) -> Self {
        let mut widths = Self::default();
        for layer in &config.layers {
            let (feed_forward, experts) = match &layer.feed_forward {
                FeedForward::Dense { width, .. } => (*width, 0),
                FeedForward::Experts(experts) => {
                    (experts.width.max(experts.shared.unwrap_or(0)), experts.count)
                }
            };
            widths.queries = widths.queries.max(layer.heads * layer.key_dim);
            widths.keys = widths.keys.max(layer.kv_heads * layer.key_dim);
            widths.values = widths.values.max(layer.kv_heads * layer.value_dim);
            widths.attended = widths.attended.max(layer.heads * layer.value_dim);
            widths.feed_forward = widths.feed_forward.max(feed_forward);
            widths.experts = widths.experts.max(experts);
        }
        widths
    }
}

/// Bytes of the buffers of a model's passes.
pub(super) fn buffer_bytes(config: &Config) -> u64 {
    let widths = Widths::new(config);
    let attention = widths.queries + widths.keys + widths.values + widths.attended;
    // The widest input of a product is kept once more, as floats and as 8-bit numbers with scales.
    let input = config.hidden.max(widths.attended).max(widths.feed_forward);
    let row = 3 * config.hidden + attention + 2 * widths.feed_forward + widths.experts + input + input / 3;
    let mixture = if widths.experts > 0 { 2 * config.hidden } else { 0 };
    (size_of::<f32>() * (CHUNK * (row + mixture) + 2 * config.vocab)) as u64
}

impl Decoder {
    /// Map the weights and read the small ones. `context` is the number of tokens that sequences will have at most.
    pub(crate) fn load(
        source: &Source,
        header: &Header,
        config: Config,
        context: usize,
        threads: usize,
    ) -> Result<Self, Error> {
        let bytes = source.map()?;
        bytes.advise(Advice::WillNeed);
        let weights = Weights::read(header, &config, bytes.bytes())?;
        bytes.check()?;
        let rotation = |rope| Rotation::new(rope, &weights.factors, context);
        let rotations: Vec<_> = config.ropes.iter().map(rotation).collect();
        let shape = |layer: &LayerConfig| LayerShape {
            kv_heads: layer.kv_heads,
            key_dim: layer.key_dim,
            value_dim: layer.value_dim,
        };
        let geometry = Arc::new(Geometry::new(config.layers.iter().map(shape).collect()));
        let buffers = Buffers::new(&config, rotations.len());
        Ok(Self { config, bytes, weights, rotations, geometry, pool: Pool::new(threads), buffers })
    }

    /// What a sequence of this model keeps of each token.
    pub(crate) fn geometry(&self) -> &Arc<Geometry> {
        &self.geometry
    }

    /// Run the tokens of all steps behind their sequences and add them there. `logits` becomes `[rows, vocab]`: the
    /// rows that the steps ask for, in order. Long steps are cut into chunks. `cancelled` is asked several times in
    /// each layer.
    ///
    /// # Errors
    /// When cancelled, without memory for the cache, or when the file was cut short. Then no sequence has changed.
    pub(crate) fn forward(
        &mut self,
        batch: &mut [Step<'_>],
        logits: &mut Vec<f32>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        self.bytes.check()?;
        for step in batch.iter_mut() {
            let length = step.sequence.len() + step.tokens.len();
            let memory = |_| Error::Memory(format!("the state of {length} tokens"));
            step.sequence.reserve(length).map_err(memory)?;
        }
        let vocab = self.config.vocab;
        let rows: usize = batch.iter().map(|step| step.outputs.rows(step.tokens.len())).sum();
        logits.resize(rows * vocab, 0.0);
        let mut left = logits.as_mut_slice();
        let mut start = (0, 0);
        loop {
            start = self.buffers.plan(batch, start);
            if self.buffers.spans.is_empty() {
                break;
            }
            let wanted: usize = self.buffers.spans.iter().map(|span| span.wanted).sum();
            let (chunk, rest) = left.split_at_mut(wanted * vocab);
            left = rest;
            self.chunk(batch, chunk, cancelled)?;
        }
        // What was read from a file that is shorter now is not to be trusted.
        self.bytes.check()?;
        for step in batch.iter_mut() {
            step.sequence.commit(step.tokens);
        }
        Ok(())
    }

    /// Run the planned rows through all layers.
    fn chunk(
        &mut self,
        batch: &mut [Step<'_>],
        logits: &mut [f32],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        let Self { config, bytes, weights, rotations, pool, buffers, .. } = self;
        let bytes = bytes.bytes();
        let hidden = config.hidden;
        let embedding = weights.embedding.over(bytes)?;
        for angles in &mut buffers.angles {
            angles.clear();
        }
        for span in &buffers.spans {
            let from = span.position - batch[span.step].sequence.len();
            let tokens = &batch[span.step].tokens[from..from + span.count];
            let rows = &mut buffers.stream[span.row * hidden..(span.row + span.count) * hidden];
            for (row, &token) in rows.chunks_exact_mut(hidden).zip(tokens) {
                embedding.row(token as usize, row);
            }
            for (rotation, angles) in rotations.iter().zip(&mut buffers.angles) {
                rotation.extend(span.position, span.count, angles);
            }
        }
        if config.embedding_scale != 1.0 {
            let rows = buffers.rows();
            vector::scale(pool, &mut buffers.stream[..rows * hidden], config.embedding_scale);
        }
        let last = config.layers.len() - 1;
        for (index, (layer, weights)) in config.layers.iter().zip(&weights.layers).enumerate() {
            let mut pass = Pass { config, bytes, rotations, pool, buffers, cancelled };
            pass.attention(batch, index, layer, weights, index == last)?;
            if pass.buffers.rows() == 0 {
                return Ok(());
            }
            pass.feed_forward(layer, weights)?;
        }
        if cancelled() {
            return Err(Error::Cancelled);
        }
        let rows = buffers.rows();
        let normal = &mut buffers.normal[..rows * hidden];
        vector::rms_norm(
            pool,
            &buffers.stream[..rows * hidden],
            &weights.output_norm,
            config.epsilon,
            normal,
        );
        buffers.activations.set(hidden, normal);
        let product = Product { matrix: weights.output.over(bytes)?, output: &mut *logits };
        multiply(pool, &mut buffers.activations, &mut [product]);
        if config.logit_scale != 1.0 {
            vector::scale(pool, logits, config.logit_scale);
        }
        if let Some(cap) = config.logit_cap {
            vector::softcap(pool, logits, cap);
        }
        Ok(())
    }
}

/// What the blocks of a layer work with.
struct Pass<'a> {
    config: &'a Config,
    bytes: Pieces<'a>,
    rotations: &'a [Rotation],
    pool: &'a Pool,
    buffers: &'a mut Buffers,
    cancelled: &'a dyn Fn() -> bool,
}

impl Pass<'_> {
    fn check(&self) -> Result<(), Error> {
        if (self.cancelled)() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Add the attention of all rows to the stream. In the last layer only wanted rows go on from here.
    fn attention(
        &mut self,
        batch: &mut [Step<'_>],
        index: usize,
        layer: &LayerConfig,
        weights: &LayerWeights,
        last: bool,
    ) -> Result<(), Error> {
        self.check()?;
        let (pool, epsilon, hidden) = (self.pool, self.config.epsilon, self.config.hidden);
        let LayerConfig { heads, kv_heads, key_dim, value_dim, .. } = *layer;
        let rows = self.buffers.rows();
        let drops = last && self.buffers.spans.iter().any(|span| span.wanted < span.count);
        let normal = &mut self.buffers.normal[..rows * hidden];
        vector::rms_norm(
            pool,
            &self.buffers.stream[..rows * hidden],
            &weights.attention_norm,
            epsilon,
            normal,
        );
        self.buffers.activations.set(hidden, normal);
        self.project(weights, layer, rows, !drops)?;
        self.turn(layer, weights.key_norm.as_deref(), Side::Keys);
        let Buffers { spans, keys, values, .. } = &mut *self.buffers;
        for span in spans.iter() {
            let (from, end) = (span.row, span.row + span.count);
            let keys = &keys[from * kv_heads * key_dim..end * kv_heads * key_dim];
            let values = &values[from * kv_heads * value_dim..end * kv_heads * value_dim];
            batch[span.step].sequence.write(index, span.position, keys, values);
        }
        if drops {
            self.buffers
                .keep_wanted(hidden, layer.rope.map(|rope| (rope, self.rotations[rope].dimensions / 2)));
            let rows = self.buffers.rows();
            if rows == 0 {
                return Ok(());
            }
            self.buffers.activations.set(hidden, &self.buffers.normal[..rows * hidden]);
            self.queries(weights, layer, rows)?;
        }
        self.turn(layer, weights.query_norm.as_deref(), Side::Queries);
        self.check()?;
        self.attend(batch, index, layer, weights);
        self.check()?;

        let rows = self.buffers.rows();
        let Buffers { activations, attended, added, latent: buffers, .. } = &mut *self.buffers;
        let attended = &attended[..rows * heads * value_dim];
        match (&weights.inputs, layer.latent) {
            (Inputs::Latent(weights), Some(latent)) => {
                let mut room = latent::Room {
                    bytes: self.bytes,
                    pool,
                    activations: &mut *activations,
                    epsilon,
                    heads,
                    latent,
                };
                buffers.results(&mut room, weights, attended)?;
            }
            _ => activations.set(heads * value_dim, attended),
        }
        let added = &mut added[..rows * hidden];
        let product = Product { matrix: weights.output.weight.over(self.bytes)?, output: &mut *added };
        multiply(pool, activations, &mut [product]);
        add_bias(pool, &weights.output, added);
        self.add(weights.attention_post_norm.as_deref());
        Ok(())
    }

    /// Queries (if wanted now), keys and values of all rows, with their biases.
    fn project(
        &mut self,
        weights: &LayerWeights,
        layer: &LayerConfig,
        rows: usize,
        with_queries: bool,
    ) -> Result<(), Error> {
        let LayerConfig { heads, kv_heads, key_dim, value_dim, .. } = *layer;
        let Buffers { activations, queries, keys, values, latent: buffers, .. } = &mut *self.buffers;
        let keys = &mut keys[..rows * kv_heads * key_dim];
        let values = &mut values[..rows * kv_heads * value_dim];
        match (&weights.inputs, layer.latent) {
            (Inputs::Heads { query, key, value }, _) => {
                let queries = &mut queries[..rows * heads * key_dim];
                let mut products = [
                    Product { matrix: key.weight.over(self.bytes)?, output: &mut *keys },
                    Product { matrix: value.weight.over(self.bytes)?, output: &mut *values },
                    Product { matrix: query.weight.over(self.bytes)?, output: &mut *queries },
                ];
                let count = if with_queries { 3 } else { 2 };
                multiply(self.pool, activations, &mut products[..count]);
                add_bias(self.pool, key, keys);
                add_bias(self.pool, value, values);
                if with_queries {
                    add_bias(self.pool, query, queries);
                }
            }
            (Inputs::Latent(weights), Some(latent)) => {
                let (bytes, pool, epsilon) = (self.bytes, self.pool, self.config.epsilon);
                let mut room = latent::Room { bytes, pool, activations, epsilon, heads, latent };
                buffers.keys(&mut room, weights, keys, values)?;
                if with_queries {
                    buffers.queries(&mut room, weights, &mut queries[..rows * heads * key_dim])?;
                }
            }
            // Weights are located by the same configuration.
            (Inputs::Latent(_), None) => {}
        }
        Ok(())
    }

    /// The queries of all rows, with their biases.
    fn queries(&mut self, weights: &LayerWeights, layer: &LayerConfig, rows: usize) -> Result<(), Error> {
        let LayerConfig { heads, key_dim, .. } = *layer;
        let (bytes, pool, epsilon) = (self.bytes, self.pool, self.config.epsilon);
        let Buffers { activations, queries, latent: buffers, .. } = &mut *self.buffers;
        let queries = &mut queries[..rows * heads * key_dim];
        match (&weights.inputs, layer.latent) {
            (Inputs::Heads { query, .. }, _) => {
                let product = Product { matrix: query.weight.over(bytes)?, output: &mut *queries };
                multiply(pool, activations, &mut [product]);
                add_bias(pool, query, queries);
            }
            (Inputs::Latent(weights), Some(latent)) => {
                let mut room = latent::Room { bytes, pool, activations, epsilon, heads, latent };
                buffers.queries(&mut room, weights, queries)?;
            }
            (Inputs::Latent(_), None) => {}
        }
        Ok(())
    }

    /// Normalise heads and turn them by their positions.
    fn turn(&mut self, layer: &LayerConfig, norm: Option<&[f32]>, side: Side) {
        let rows = self.buffers.rows();
        let (heads, list) = match side {
            Side::Queries => (layer.heads, &mut self.buffers.queries),
            Side::Keys => (layer.kv_heads, &mut self.buffers.keys),
        };
        let list = &mut list[..rows * heads * layer.key_dim];
        if let Some(norm) = norm {
            vector::rms_norm_in_place(self.pool, list, norm, self.config.epsilon);
        }
        if let Some(index) = layer.rope {
            let rotation = &self.rotations[index];
            let pairs = if rotation.interleaved { Pairs::Interleaved } else { Pairs::Halves };
            let length = rows * rotation.dimensions / 2;
            let Angles { sines, cosines } = &self.buffers.angles[index];
            let (cosines, sines) = (&cosines[..length], &sines[..length]);
            vector::rope(self.pool, pairs, heads, layer.key_dim, list, cosines, sines);
        }
    }

    /// Let every row look at the keys and values of its sequence.
    fn attend(&mut self, batch: &[Step<'_>], index: usize, layer: &LayerConfig, weights: &LayerWeights) {
        let options = Options {
            heads: layer.heads,
            kv_heads: layer.kv_heads,
            head_dim: layer.key_dim,
            value_dim: layer.value_dim,
            scale: layer.attention_scale,
            softcap: layer.score_cap,
            window: layer.window,
            sinks: weights.sinks.as_deref(),
        };
        let Buffers { spans, queries, attended, pages, .. } = &mut *self.buffers;
        let (mut keys, mut values) = (recycled(&mut pages.keys), recycled(&mut pages.values));
        for span in spans.iter().filter(|span| span.count > 0) {
            let length = span.position + span.count;
            keys.extend(batch[span.step].sequence.keys(index, length));
            values.extend(batch[span.step].sequence.values(index, length));
        }
        let mut runs = recycled(&mut pages.runs);
        let (query_width, value_width) = (layer.heads * layer.key_dim, layer.heads * layer.value_dim);
        let (mut first, mut rest) = (0, attended.as_mut_slice());
        for span in spans.iter().filter(|span| span.count > 0) {
            let last = first + (span.position + span.count).div_ceil(PAGE);
            let (output, others) = rest.split_at_mut(span.count * value_width);
            runs.push(Run {
                queries: &queries[span.row * query_width..(span.row + span.count) * query_width],
                keys: &keys[first..last],
                values: &values[first..last],
                start: span.position,
                output,
            });
            (first, rest) = (last, others);
        }
        attention::attend(self.pool, &options, &mut runs);
        pages.runs = recycled(&mut runs);
        pages.keys = recycled(&mut keys);
        pages.values = recycled(&mut values);
    }

    /// Add the feed-forward of all rows to the stream.
    fn feed_forward(&mut self, layer: &LayerConfig, weights: &LayerWeights) -> Result<(), Error> {
        self.check()?;
        let (pool, hidden) = (self.pool, self.config.hidden);
        let rows = self.buffers.rows();
        let Buffers { stream, normal, added, gate, up, activations, mixture, .. } = &mut *self.buffers;
        let (normal, added) = (&mut normal[..rows * hidden], &mut added[..rows * hidden]);
        vector::rms_norm(
            pool,
            &stream[..rows * hidden],
            &weights.feed_forward_norm,
            self.config.epsilon,
            normal,
        );
        let mut room = super::feed_forward::Room { bytes: self.bytes, pool, activations, gate, up };
        match (&layer.feed_forward, &weights.feed_forward) {
            (FeedForward::Dense { gate, .. }, FeedForwardWeights::Dense(weights)) => {
                room.activations.set(hidden, normal);
                dense(&mut room, weights, *gate, rows, added, self.cancelled)?;
            }
            (FeedForward::Experts(experts), FeedForwardWeights::Experts(weights)) => {
                mixture.run(&mut room, experts, weights, normal, added, self.cancelled)?;
            }
            // Weights are located by the same configuration.
            _ => added.fill(0.0),
        }
        self.add(weights.feed_forward_post_norm.as_deref());
        Ok(())
    }

    /// Add what a block computed to the stream.
    fn add(&mut self, post_norm: Option<&[f32]>) {
        let length = self.buffers.rows() * self.config.hidden;
        let Buffers { stream, added, .. } = &mut *self.buffers;
        let (stream, added) = (&mut stream[..length], &mut added[..length]);
        if let Some(norm) = post_norm {
            vector::rms_norm_in_place(self.pool, added, norm, self.config.epsilon);
        }
        match self.config.residual_scale {
            1.0 => vector::add(self.pool, stream, added),
            factor => vector::add_scaled(self.pool, stream, added, factor),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Queries,
    Keys,
}

pub(super) fn add_bias(pool: &Pool, projection: &Projection, rows: &mut [f32]) {
    if let Some(bias) = &projection.bias {
        vector::add_row(pool, rows, bias);
    }
}

/// Lists that are filled again in every layer; between passes they are empty and keep their memory.
#[derive(Default)]
struct Lists {
    keys: Vec<&'static [half::f16]>,
    values: Vec<&'static [half::f16]>,
    runs: Vec<Run<'static>>,
}

/// An empty list with the memory of another whose elements differ in their lifetime only.
fn recycled<T, U>(list: &mut Vec<T>) -> Vec<U> {
    let mut list = std::mem::take(list);
    list.clear();
    // The standard library collects in place where the sizes agree.
    list.into_iter().filter_map(|_| None).collect()
}

impl Buffers {
    fn new(config: &Config, rotations: usize) -> Self {
        let widths = Widths::new(config);
        let rows = |width: usize| vec![0.0; CHUNK * width];
        Self {
            spans: Vec::new(),
            stream: rows(config.hidden),
            normal: rows(config.hidden),
            added: rows(config.hidden),
            queries: rows(widths.queries),
            keys: rows(widths.keys),
            values: rows(widths.values),
            attended: rows(widths.attended),
            gate: rows(widths.feed_forward),
            up: rows(widths.feed_forward),
            activations: Activations::default(),
            angles: (0..rotations).map(|_| Angles::default()).collect(),
            mixture: Mixture::new(config.hidden, widths.experts),
            latent: latent::Buffers::new(config),
            pages: Lists::default(),
        }
    }

    /// Rows of the pass.
    fn rows(&self) -> usize {
        self.spans.iter().map(|span| span.count).sum()
    }

    /// Plan at most [`CHUNK`] rows from the token on that `(step, token)` names; returns where the next chunk begins.
    fn plan(&mut self, batch: &[Step<'_>], (mut step, mut token): (usize, usize)) -> (usize, usize) {
        self.spans.clear();
        let mut row = 0;
        while row < CHUNK
            && let Some(Step { sequence, tokens, outputs }) = batch.get(step)
        {
            let count = (tokens.len() - token).min(CHUNK - row);
            let ends = token + count == tokens.len();
            let wanted = match outputs {
                Outputs::None => 0,
                Outputs::Last => count.min(usize::from(ends)),
                Outputs::All => count,
            };
            if count > 0 {
                self.spans.push(Span { step, row, count, position: sequence.len() + token, wanted });
            }
            row += count;
            (step, token) = if ends { (step + 1, 0) } else { (step, token + count) };
        }
        (step, token)
    }

    /// Move the wanted rows of the stream, of its normalised form and of the angles of one rotation together.
    fn keep_wanted(&mut self, hidden: usize, rope: Option<(usize, usize)>) {
        let mut row = 0;
        for span in &mut self.spans {
            let from = span.row + span.count - span.wanted;
            let keep = |list: &mut [f32], width: usize| {
                list.copy_within(from * width..(from + span.wanted) * width, row * width);
            };
            keep(&mut self.stream, hidden);
            keep(&mut self.normal, hidden);
            if let Some((rope, width)) = rope {
                keep(&mut self.angles[rope].sines, width);
                keep(&mut self.angles[rope].cosines, width);
            }
            span.position += span.count - span.wanted;
            (span.row, span.count) = (row, span.wanted);
            row += span.wanted;
        }
    }
}
