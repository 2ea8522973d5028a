//! Owns elementwise work over rows of floats: norms, activations, rotary positions, softmax, conversions.
//! Uses all threads where there is enough to do, and the caller's alone where there is not.
//! Never allocates.

use half::f16;

use crate::pool::Pool;

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

/// `output = input / sqrt(mean(input^2) + eps) * weight` by row; `input` `[n, weight.len()]`.
pub fn rms_norm(pool: &Pool, input: &[f32], weight: &[f32], eps: f32, output: &mut [f32]) {
    assert_eq!(input.len(), output.len());
    output.copy_from_slice(input);
    rms_norm_in_place(pool, output, weight, eps);
}

/// [`rms_norm`] of `values` `[n, weight.len()]` where they are, as for the heads of queries and keys.
pub fn rms_norm_in_place(_pool: &Pool, values: &mut [f32], weight: &[f32], eps: f32) {
    for row in values.chunks_exact_mut(weight.len()) {
        let square: f32 = row.iter().map(|x| x * x).sum();
        let factor = 1.0 / (square / weight.len() as f32 + eps).sqrt();
        row.iter_mut().zip(weight).for_each(|(x, w)| *x *= factor * w);
    }
}

/// `output = (input - mean) / sqrt(variance + eps) * weight + bias` by row; `input` `[n, weight.len()]`.
pub fn layer_norm(
    _pool: &Pool,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
    output: &mut [f32],
) {
    let width = weight.len();
    for (input, output) in input.chunks_exact(width).zip(output.chunks_exact_mut(width)) {
        let mean = input.iter().sum::<f32>() / width as f32;
        let variance = input.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / width as f32;
        let factor = 1.0 / (variance + eps).sqrt();
        for index in 0..width {
            output[index] =
                (input[index] - mean) * factor * weight[index] + bias.map_or(0.0, |bias| bias[index]);
        }
    }
}

/// `target += other`.
pub fn add(_pool: &Pool, target: &mut [f32], other: &[f32]) {
    assert_eq!(target.len(), other.len());
    target.iter_mut().zip(other).for_each(|(a, b)| *a += b);
}

/// `target += row` for every row of `target` `[n, row.len()]`: a bias.
pub fn add_row(_pool: &Pool, target: &mut [f32], row: &[f32]) {
    for line in target.chunks_exact_mut(row.len()) {
        line.iter_mut().zip(row).for_each(|(a, b)| *a += b);
    }
}

/// `target += other * factor`.
pub fn add_scaled(_pool: &Pool, target: &mut [f32], other: &[f32], factor: f32) {
    assert_eq!(target.len(), other.len());
    target.iter_mut().zip(other).for_each(|(a, b)| *a += b * factor);
}

/// `target *= other`.
pub fn mul(_pool: &Pool, target: &mut [f32], other: &[f32]) {
    assert_eq!(target.len(), other.len());
    target.iter_mut().zip(other).for_each(|(a, b)| *a *= b);
}

/// `values *= factor`.
pub fn scale(_pool: &Pool, values: &mut [f32], factor: f32) {
    values.iter_mut().for_each(|x| *x *= factor);
}

/// `values = cap * tanh(values / cap)`.
pub fn softcap(_pool: &Pool, values: &mut [f32], cap: f32) {
    values.iter_mut().for_each(|x| *x = cap * (*x / cap).tanh());
}

/// `gate = f(gate) * up`.
pub fn gated(_pool: &Pool, function: Gate, gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len());
    gate.iter_mut().zip(up).for_each(|(gate, up)| *gate = function.apply(*gate, *up));
}

/// `output = f(gate) * up` where one matrix made both: `both` `[n, 2 * width]` holds a row's gates and then its ups,
/// `output` is `[n, width]` (Phi-3, GLM-4).
pub fn gated_rows(_pool: &Pool, function: Gate, width: usize, both: &[f32], output: &mut [f32]) {
    assert_eq!(both.len(), 2 * output.len());
    for (both, output) in both.chunks_exact(2 * width).zip(output.chunks_exact_mut(width)) {
        let (gate, up) = both.split_at(width);
        for (output, (gate, up)) in output.iter_mut().zip(gate.iter().zip(up)) {
            *output = function.apply(*gate, *up);
        }
    }
}

impl Gate {
    fn apply(self, gate: f32, up: f32) -> f32 {
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        match self {
            Self::Silu => gate * sigmoid(gate) * up,
            Self::GeluTanh => gate * sigmoid(1.595_769 * (gate + 0.044_715 * gate * gate * gate)) * up,
            Self::SwigluOai => {
                let gate = gate.min(7.0);
                gate * sigmoid(1.702 * gate) * (up.clamp(-7.0, 7.0) + 1.0)
            }
        }
    }
}

/// Turn the first `dims` numbers of every head of `values` `[n, heads, head_dim]` by the angles of its row, whose
/// cosines and sines are in `cos` and `sin`, `[n, dims / 2]`.
pub fn rope(
    _pool: &Pool,
    pairs: Pairs,
    heads: usize,
    head_dim: usize,
    values: &mut [f32],
    cos: &[f32],
    sin: &[f32],
) {
    let rows = values.len() / (heads * head_dim);
    if rows == 0 {
        return;
    }
    let half = cos.len() / rows;
    for (row, line) in values.chunks_exact_mut(heads * head_dim).enumerate() {
        for head in line.chunks_exact_mut(head_dim) {
            for i in 0..half {
                let (first, second) = match pairs {
                    Pairs::Interleaved => (2 * i, 2 * i + 1),
                    Pairs::Halves => (i, i + half),
                };
                let (cos, sin) = (cos[row * half + i], sin[row * half + i]);
                let (a, b) = (head[first], head[second]);
                head[first] = a * cos - b * sin;
                head[second] = a * sin + b * cos;
            }
        }
    }
}

/// Softmax of one row.
pub fn softmax(row: &mut [f32]) {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|x| *x = (*x - top).exp());
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= sum);
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
    let mut best = (0, f32::NEG_INFINITY);
    for (index, value) in row.iter().copied().enumerate() {
        if value > best.1 {
            best = (index, value);
        }
    }
    best.0
}

/// The scalar product.
pub fn dot(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

/// Convert, rounding to the nearest even.
pub fn to_f16(input: &[f32], output: &mut [f16]) {
    assert_eq!(input.len(), output.len());
    output.iter_mut().zip(input).for_each(|(half, value)| *half = f16::from_f32(*value));
}

/// Convert, exactly.
pub fn to_f32(input: &[f16], output: &mut [f32]) {
    assert_eq!(input.len(), output.len());
    output.iter_mut().zip(input).for_each(|(value, half)| *value = half.to_f32());
}
