//! Owns elementwise work over rows of floats: norms, activations, rotary positions, softmax, conversions.
//! Uses all threads where there is enough to do, and the caller's alone where there is not.
//! Never allocates.

use half::f16;

use crate::level::Level;
use crate::pool::Pool;
use kernels::{Binary, Unary};

mod kernels;

/// The function of a gated feed-forward block: `f(gate) * up`, elementwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// `gate * sigmoid(gate) * up` (Llama, Qwen, most).
    Silu,
    /// The tanh form of GELU (Gemma).
    GeluTanh,
    /// `g * sigmoid(1.702 g) * (u + 1)` with `g = min(gate, 7)` and `u` clamped to -7..7 (gpt-oss).
    SwigluOai,
}

/// Which two numbers of a head rotary positions turn together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// `2i` and `2i + 1` (Llama in GGUF files, GLM-4).
    Interleaved,
    /// `i` and `i + dims / 2` (NeoX: Qwen, Gemma, Phi, gpt-oss).
    Halves,
}

/// Below this many numbers one thread is done before another has woken up: about 4 microseconds.
const PARALLEL: usize = 1 << 15;

/// How many numbers a thread takes at once of `total` in rows of `row`: whole rows, four parts for each thread.
fn part_len(pool: &Pool, total: usize, row: usize) -> usize {
    if total < PARALLEL || pool.threads() == 1 {
        return total;
    }
    (total / row).div_ceil(4 * pool.threads()) * row
}

/// Call `work(offset, part)` for parts of `values` in whole rows.
fn by_rows(pool: &Pool, values: &mut [f32], row: usize, work: &(dyn Fn(usize, &mut [f32]) + Sync)) {
    if values.is_empty() {
        return;
    }
    assert!(row > 0 && values.len().is_multiple_of(row), "{} numbers are not rows of {row}", values.len());
    let len = part_len(pool, values.len(), row);
    if len >= values.len() {
        work(0, values);
    } else {
        pool.run_parts(values, len, &|index, part| work(index * len, part));
    }
}

/// Elementwise work is cut at whole chunks of the vector units and lines of the cache.
fn by_lines(pool: &Pool, values: &mut [f32], work: &(dyn Fn(usize, &mut [f32]) + Sync)) {
    let len = part_len(pool, values.len(), 1).next_multiple_of(64);
    if len >= values.len() {
        work(0, values);
    } else {
        pool.run_parts(values, len, &|index, part| work(index * len, part));
    }
}

fn binary(pool: &Pool, op: Binary, target: &mut [f32], other: &[f32]) {
    assert_eq!(target.len(), other.len());
    by_lines(pool, target, &|at, part| kernels::binary(Level::best(), op, part, &other[at..][..part.len()]));
}

/// `output = input / sqrt(mean(input^2) + eps) * weight` by row; `input` `[n, weight.len()]`.
pub fn rms_norm(pool: &Pool, input: &[f32], weight: &[f32], eps: f32, output: &mut [f32]) {
    assert_eq!(input.len(), output.len());
    by_rows(pool, output, weight.len(), &|at, part| {
        kernels::rms_norm(Level::best(), &input[at..][..part.len()], weight, eps, part);
    });
}

/// [`rms_norm`] of `values` `[n, weight.len()]` where they are, as for the heads of queries and keys.
pub fn rms_norm_in_place(pool: &Pool, values: &mut [f32], weight: &[f32], eps: f32) {
    by_rows(pool, values, weight.len(), &|_, part| {
        kernels::rms_norm_in_place(Level::best(), part, weight, eps)
    });
}

/// `output = (input - mean) / sqrt(variance + eps) * weight + bias` by row; `input` `[n, weight.len()]`.
pub fn layer_norm(
    pool: &Pool,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
    output: &mut [f32],
) {
    assert_eq!(input.len(), output.len());
    assert!(bias.is_none_or(|bias| bias.len() == weight.len()));
    by_rows(pool, output, weight.len(), &|at, part| {
        kernels::layer_norm(Level::best(), &input[at..][..part.len()], weight, bias, eps, part);
    });
}

/// `target += other`.
pub fn add(pool: &Pool, target: &mut [f32], other: &[f32]) {
    binary(pool, Binary::Add, target, other);
}

/// `target += row` for every row of `target` `[n, row.len()]`: a bias.
pub fn add_row(pool: &Pool, target: &mut [f32], row: &[f32]) {
    by_rows(pool, target, row.len(), &|_, part| {
        for line in part.chunks_exact_mut(row.len()) {
            kernels::binary(Level::best(), Binary::Add, line, row);
        }
    });
}

/// `target += other * factor`.
pub fn add_scaled(pool: &Pool, target: &mut [f32], other: &[f32], factor: f32) {
    binary(pool, Binary::AddScaled(factor), target, other);
}

/// `target *= other`.
pub fn mul(pool: &Pool, target: &mut [f32], other: &[f32]) {
    binary(pool, Binary::Mul, target, other);
}

/// `values *= factor`.
pub fn scale(pool: &Pool, values: &mut [f32], factor: f32) {
    by_lines(pool, values, &|_, part| kernels::unary(Level::best(), Unary::Scale(factor), part));
}

/// `values = cap * tanh(values / cap)`.
pub fn softcap(pool: &Pool, values: &mut [f32], cap: f32) {
    by_lines(pool, values, &|_, part| kernels::unary(Level::best(), Unary::Softcap(cap), part));
}

/// `gate = f(gate) * up`.
pub fn gated(pool: &Pool, function: Gate, gate: &mut [f32], up: &[f32]) {
    binary(pool, function.binary(), gate, up);
}

/// `output = f(gate) * up` where one matrix made both: `both` `[n, 2 * width]` holds a row's gates and then its ups,
/// `output` is `[n, width]` (Phi-3, GLM-4).
pub fn gated_rows(pool: &Pool, function: Gate, width: usize, both: &[f32], output: &mut [f32]) {
    assert_eq!(both.len(), 2 * output.len());
    by_rows(pool, output, width, &|at, part| {
        let both = &both[2 * at..][..2 * part.len()];
        for (both, output) in both.chunks_exact(2 * width).zip(part.chunks_exact_mut(width)) {
            let (gate, up) = both.split_at(width);
            kernels::gated_row(Level::best(), function.binary(), gate, up, output);
        }
    });
}

impl Gate {
    fn binary(self) -> Binary {
        match self {
            Self::Silu => Binary::Silu,
            Self::GeluTanh => Binary::GeluTanh,
            Self::SwigluOai => Binary::SwigluOai,
        }
    }
}

/// Turn the first `dims` numbers of every head of `values` `[n, heads, head_dim]` by the angles of its row, whose
/// cosines and sines are in `cos` and `sin`, `[n, dims / 2]`.
pub fn rope(
    pool: &Pool,
    pairs: Pairs,
    heads: usize,
    head_dim: usize,
    values: &mut [f32],
    cos: &[f32],
    sin: &[f32],
) {
    let width = heads * head_dim;
    if values.is_empty() {
        return;
    }
    let rows = values.len() / width;
    let half = cos.len() / rows;
    assert!(
        cos.len() == rows * half && sin.len() == cos.len() && 2 * half <= head_dim,
        "one angle for each pair"
    );
    by_rows(pool, values, width, &|at, part| {
        for (index, line) in part.chunks_exact_mut(width).enumerate() {
            let angles = (at / width + index) * half..(at / width + index + 1) * half;
            kernels::rope(Level::best(), pairs, head_dim, line, &cos[angles.clone()], &sin[angles]);
        }
    });
}

/// Softmax of one row. Of a row without any possibility (all minus infinity) it makes equal ones.
pub fn softmax(row: &mut [f32]) {
    kernels::softmax(Level::best(), row);
}

/// The `k` largest of `row` with their places, largest first; of equal ones the earlier first. NaN is never chosen.
pub fn top_k(row: &[f32], k: usize, best: &mut Vec<(usize, f32)>) {
    best.clear();
    for (index, value) in row.iter().copied().enumerate().filter(|(_, value)| !value.is_nan()) {
        if best.len() < k || best.last().is_some_and(|last| value > last.1) {
            best.truncate(k.saturating_sub(1));
            let place = best.partition_point(|other| other.1 >= value);
            best.insert(place, (index, value));
        }
    }
}

/// The place of the largest of `row`, the first of equal ones; 0 of an empty row. NaN is never chosen over a number.
pub fn argmax(row: &[f32]) -> usize {
    let top = kernels::largest(Level::best(), row);
    row.iter().position(|value| *value == top).unwrap_or(0)
}

/// The scalar product.
pub fn dot(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    kernels::dot(Level::best(), left, right)
}

/// Convert, rounding to the nearest, ties to even.
pub fn to_f16(input: &[f32], output: &mut [f16]) {
    assert_eq!(input.len(), output.len());
    kernels::to_f16(Level::best(), input, output);
}

/// Convert, exactly.
pub fn to_f32(input: &[f16], output: &mut [f32]) {
    assert_eq!(input.len(), output.len());
    kernels::to_f32(Level::best(), input, output);
}

#[cfg(test)]
mod tests;
