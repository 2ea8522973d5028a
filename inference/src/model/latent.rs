//! Owns latent attention: queries and results are moved into the space of the latent vectors that the cache holds.
//! Uses the kernels, one product for each head.
//! Never expands keys or values of single heads.

use loci_kernels::matmul::{Activations, Product, multiply};
use loci_kernels::pool::Pool;
use loci_kernels::vector;

use super::CHUNK;
use super::config::{Config, Latent};
use super::pass::Error;
use super::weights::{LatentWeights, Stack, Weight};
use crate::gguf::Pieces;

/// The buffers of latent attention, with room for [`CHUNK`] rows; empty for models without.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// `[rows, query_rank]`
    step: Vec<f32>,
    /// `[rows, rank + turned]`, `[rows, heads * (plain + turned)]` and `[rows, heads * value]` in turn.
    wide: Vec<f32>,
    /// Rows of one head, and what a product makes of them.
    gathered: Vec<f32>,
    result: Vec<f32>,
}

/// What latent attention works with.
pub(super) struct Room<'a> {
    pub(super) bytes: Pieces<'a>,
    pub(super) pool: &'a Pool,
    pub(super) activations: &'a mut Activations,
    pub(super) epsilon: f32,
    pub(super) heads: usize,
    pub(super) latent: Latent,
}

impl Buffers {
    pub(super) fn new(config: &Config) -> Self {
        let mut buffers = Self::default();
        let grow = |list: &mut Vec<f32>, width: usize| list.resize(list.len().max(CHUNK * width), 0.0);
        for (layer, latent) in config.layers.iter().filter_map(|layer| Some((layer, layer.latent?))) {
            let Latent { rank, turned, plain, value, query_rank } = latent;
            grow(&mut buffers.step, query_rank.unwrap_or(0));
            grow(&mut buffers.wide, (layer.heads * (plain + turned).max(value)).max(rank + turned));
            grow(&mut buffers.gathered, plain.max(rank));
            grow(&mut buffers.result, rank.max(value));
        }
        buffers
    }

    /// Keys `[rows, turned + rank]`, not yet turned, and values `[rows, rank]` of the rows in the activations.
    pub(super) fn keys(
        &mut self,
        room: &mut Room<'_>,
        weights: &LatentWeights,
        keys: &mut [f32],
        values: &mut [f32],
    ) -> Result<(), Error> {
        let Latent { rank, turned, .. } = room.latent;
        let wide = &mut self.wide[..keys.len()];
        product(room, weights.down, wide)?;
        let width = rank + turned;
        for (value, row) in values.chunks_exact_mut(rank).zip(wide.chunks_exact(width)) {
            value.copy_from_slice(&row[..rank]);
        }
        vector::rms_norm_in_place(room.pool, values, &weights.norm, room.epsilon);
        let rows = keys.chunks_exact_mut(width).zip(values.chunks_exact(rank).zip(wide.chunks_exact(width)));
        for (key, (value, row)) in rows {
            key[..turned].copy_from_slice(&row[rank..]);
            key[turned..].copy_from_slice(value);
        }
        Ok(())
    }

    /// Queries `[rows, heads, turned + rank]`, not yet turned, of the rows in the activations.
    pub(super) fn queries(
        &mut self,
        room: &mut Room<'_>,
        weights: &LatentWeights,
        queries: &mut [f32],
    ) -> Result<(), Error> {
        let Latent { rank, turned, plain, .. } = room.latent;
        let (heads, width) = (room.heads, plain + turned);
        let rows = queries.len() / (heads * (turned + rank));
        if let Some((first, norm)) = &weights.step {
            let step = &mut self.step[..rows * norm.len()];
            product(room, *first, step)?;
            vector::rms_norm_in_place(room.pool, step, norm, room.epsilon);
            room.activations.set(norm.len(), step);
        }
        product(room, weights.query, &mut self.wide[..rows * heads * width])?;
        let wide = &self.wide[..rows * heads * width];
        for (query, row) in queries.chunks_exact_mut(turned + rank).zip(wide.chunks_exact(width)) {
            query[..turned].copy_from_slice(&row[plain..]);
        }
        let shape = Heads { count: heads, input: width, from: 0, output: turned + rank, to: turned };
        by_head(room, &weights.keys, &shape, wide, queries, &mut self.gathered, &mut self.result)
    }

    /// The attention's results `[rows, heads, rank]` as values of the heads, `[rows, heads * value]`, which become the
    /// activations.
    pub(super) fn results(
        &mut self,
        room: &mut Room<'_>,
        weights: &LatentWeights,
        attended: &[f32],
    ) -> Result<(), Error> {
        let Latent { rank, value, .. } = room.latent;
        let heads = room.heads;
        let length = attended.len() / rank * value;
        let wide = &mut self.wide[..length];
        let shape = Heads { count: heads, input: rank, from: 0, output: value, to: 0 };
        by_head(room, &weights.values, &shape, attended, wide, &mut self.gathered, &mut self.result)?;
        room.activations.set(heads * value, wide);
        Ok(())
    }
}

/// Where rows of heads lie: `[rows, count, input]` from component `from` on, `[rows, count, output]` from `to` on.
struct Heads {
    count: usize,
    input: usize,
    from: usize,
    output: usize,
    to: usize,
}

/// Multiply every head with its own matrix.
fn by_head(
    room: &mut Room<'_>,
    stack: &Stack,
    shape: &Heads,
    input: &[f32],
    output: &mut [f32],
    gathered: &mut [f32],
    result: &mut [f32],
) -> Result<(), Error> {
    let rows = input.len() / (shape.count * shape.input);
    for head in 0..shape.count {
        let weight = stack.weight(head);
        let (columns, width) = (weight.columns, weight.rows);
        let gathered = &mut gathered[..rows * columns];
        let lines = input.chunks_exact(shape.count * shape.input);
        for (line, gathered) in lines.zip(gathered.chunks_exact_mut(columns)) {
            gathered.copy_from_slice(&line[head * shape.input + shape.from..][..columns]);
        }
        room.activations.set(columns, gathered);
        let result = &mut result[..rows * width];
        product(room, weight, result)?;
        let lines = output.chunks_exact_mut(shape.count * shape.output);
        for (line, result) in lines.zip(result.chunks_exact(width)) {
            line[head * shape.output + shape.to..][..width].copy_from_slice(result);
        }
    }
    Ok(())
}

fn product(room: &mut Room<'_>, weight: Weight, output: &mut [f32]) -> Result<(), Error> {
    let product = Product { matrix: weight.over(room.bytes)?, output };
    multiply(room.pool, room.activations, &mut [product]);
    Ok(())
}
