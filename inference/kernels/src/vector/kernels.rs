//! Owns the kernels of the elementwise work, each written once for all levels.
//! Uses chunks of sixteen, and for what is left over a chunk filled up with zeros.
//! Never decides who works on which rows.

use half::f16;

use super::Pairs;
use crate::simd::{LANES, Simd, by_level, exp, sigmoid, tanh};

/// What is done with two rows, elementwise; the result replaces the first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Binary {
    Add,
    AddScaled(f32),
    Mul,
    Silu,
    GeluTanh,
    SwigluOai,
}

/// What is done with one row, elementwise.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unary {
    Scale(f32),
    Softcap(f32),
}

by_level! {
    pub(super) fn binary(op: Binary, target: &mut [f32], other: &[f32]) = binary_kernel;
    pub(super) fn gated_row(op: Binary, gate: &[f32], up: &[f32], output: &mut [f32]) = gated_row_kernel;
    pub(super) fn unary(op: Unary, values: &mut [f32]) = unary_kernel;
    pub(super) fn rms_norm(input: &[f32], weight: &[f32], eps: f32, output: &mut [f32]) = rms_norm_kernel;
    pub(super) fn rms_norm_in_place(values: &mut [f32], weight: &[f32], eps: f32) = rms_norm_in_place_kernel;
    pub(super) fn layer_norm(input: &[f32], weight: &[f32], bias: Option<&[f32]>, eps: f32, output: &mut [f32]) = layer_norm_kernel;
    pub(super) fn rope(pairs: Pairs, head_dim: usize, line: &mut [f32], cos: &[f32], sin: &[f32]) = rope_kernel;
    pub(super) fn softmax(row: &mut [f32]) = softmax_kernel;
    pub(super) fn largest(row: &[f32]) -> f32 = largest_kernel;
    pub(super) fn dot(left: &[f32], right: &[f32]) -> f32 = dot_kernel;
    pub(super) fn to_f16(input: &[f32], output: &mut [f16]) = to_f16_kernel;
    pub(super) fn to_f32(input: &[f16], output: &mut [f32]) = to_f32_kernel;
}

/// A chunk with `rest` at its start and `fill` behind it.
#[inline(always)]
fn padded(rest: &[f32], fill: f32) -> [f32; LANES] {
    let mut chunk = [fill; LANES];
    chunk[..rest.len()].copy_from_slice(rest);
    chunk
}

/// An elementwise function of two numbers. A trait and not a closure, because only a function can be asked to be
/// inlined, and without that no instruction of the level is used.
trait Function: Copy {
    fn of<S: Simd>(self, s: S, a: S::V, b: S::V) -> S::V;
}

macro_rules! functions {
    ($($name:ident($($field:ty)?) = |$this:pat_param, $s:ident, $a:ident, $b:ident| $body:expr;)+) => {$(
        #[derive(Clone, Copy)]
        struct $name($($field)?);
        impl Function for $name {
            #[inline(always)]
            fn of<S: Simd>(self, $s: S, $a: S::V, $b: S::V) -> S::V {
                let $this = self;
                $body
            }
        }
    )+};
}

functions! {
    Add() = |_, s, a, b| s.add(a, b);
    AddScaled(f32) = |Self(factor), s, a, b| s.fma(b, s.splat(factor), a);
    Mul() = |_, s, a, b| s.mul(a, b);
    Silu() = |_, s, gate, up| s.mul(s.mul(gate, sigmoid(s, gate)), up);
    GeluTanh() = |_, s, gate, up| {
        // 0.5 x (1 + tanh(z)) = x sigmoid(2 z), with z = sqrt(2 / pi) (x + 0.044715 x^3).
        let cube = s.mul(s.mul(gate, gate), gate);
        let z = s.mul(s.splat(1.595_769), s.fma(cube, s.splat(0.044_715), gate));
        s.mul(s.mul(gate, sigmoid(s, z)), up)
    };
    SwigluOai() = |_, s, gate, up| {
        let gate = s.min(s.splat(7.0), gate);
        let up = s.max(s.splat(-7.0), s.min(s.splat(7.0), up));
        let silu = s.mul(gate, sigmoid(s, s.mul(s.splat(1.702), gate)));
        s.mul(silu, s.add(up, s.splat(1.0)))
    };
    Scale(f32) = |Self(factor), s, a, _b| s.mul(a, s.splat(factor));
    Softcap(f32) = |Self(cap), s, a, _b| s.mul(s.splat(cap), tanh(s, s.div(a, s.splat(cap))));
}

#[inline(always)]
fn zip<S: Simd>(s: S, f: impl Function, target: &mut [f32], other: &[f32]) {
    let (chunks, rest) = target.as_chunks_mut::<LANES>();
    let (others, other_rest) = other.as_chunks::<LANES>();
    for (chunk, other) in chunks.iter_mut().zip(others) {
        s.store(f.of(s, s.load(chunk), s.load(other)), chunk);
    }
    if !rest.is_empty() {
        let mut chunk = padded(rest, 0.0);
        s.store(f.of(s, s.load(&chunk), s.load(&padded(other_rest, 0.0))), &mut chunk);
        rest.copy_from_slice(&chunk[..rest.len()]);
    }
}

#[inline(always)]
fn zip_into<S: Simd>(s: S, f: impl Function, left: &[f32], right: &[f32], output: &mut [f32]) {
    let (chunks, rest) = output.as_chunks_mut::<LANES>();
    let (lefts, left_rest) = left.as_chunks::<LANES>();
    let (rights, right_rest) = right.as_chunks::<LANES>();
    for (chunk, (left, right)) in chunks.iter_mut().zip(lefts.iter().zip(rights)) {
        s.store(f.of(s, s.load(left), s.load(right)), chunk);
    }
    if !rest.is_empty() {
        let mut chunk = [0.0; LANES];
        s.store(f.of(s, s.load(&padded(left_rest, 0.0)), s.load(&padded(right_rest, 0.0))), &mut chunk);
        rest.copy_from_slice(&chunk[..rest.len()]);
    }
}

#[inline(always)]
fn map<S: Simd>(s: S, f: impl Function, values: &mut [f32]) {
    let (chunks, rest) = values.as_chunks_mut::<LANES>();
    for chunk in chunks {
        let v = s.load(chunk);
        s.store(f.of(s, v, v), chunk);
    }
    if !rest.is_empty() {
        let mut chunk = padded(rest, 0.0);
        let v = s.load(&chunk);
        s.store(f.of(s, v, v), &mut chunk);
        rest.copy_from_slice(&chunk[..rest.len()]);
    }
}

#[inline(always)]
fn binary_kernel<S: Simd>(s: S, op: Binary, target: &mut [f32], other: &[f32]) {
    match op {
        Binary::Add => zip(s, Add(), target, other),
        Binary::AddScaled(factor) => zip(s, AddScaled(factor), target, other),
        Binary::Mul => zip(s, Mul(), target, other),
        Binary::Silu => zip(s, Silu(), target, other),
        Binary::GeluTanh => zip(s, GeluTanh(), target, other),
        Binary::SwigluOai => zip(s, SwigluOai(), target, other),
    }
}

#[inline(always)]
fn gated_row_kernel<S: Simd>(s: S, op: Binary, gate: &[f32], up: &[f32], output: &mut [f32]) {
    match op {
        Binary::Silu => zip_into(s, Silu(), gate, up, output),
        Binary::GeluTanh => zip_into(s, GeluTanh(), gate, up, output),
        Binary::SwigluOai => zip_into(s, SwigluOai(), gate, up, output),
        other => {
            output.copy_from_slice(gate);
            binary_kernel(s, other, output, up);
        }
    }
}

#[inline(always)]
fn unary_kernel<S: Simd>(s: S, op: Unary, values: &mut [f32]) {
    match op {
        Unary::Scale(factor) => map(s, Scale(factor), values),
        Unary::Softcap(cap) => map(s, Softcap(cap), values),
    }
}

#[inline(always)]
fn dot_kernel<S: Simd>(s: S, left: &[f32], right: &[f32]) -> f32 {
    // Four sums side by side hide the time that one addition takes, and keep the error of long rows small.
    let mut sums = [s.splat(0.0); 4];
    let (lefts, left_rest) = left.as_chunks::<LANES>();
    let (rights, right_rest) = right.as_chunks::<LANES>();
    let (left_fours, left_last) = lefts.as_chunks::<4>();
    let (right_fours, right_last) = rights.as_chunks::<4>();
    for (left, right) in left_fours.iter().zip(right_fours) {
        for i in 0..4 {
            sums[i] = s.fma(s.load(&left[i]), s.load(&right[i]), sums[i]);
        }
    }
    for (left, right) in left_last.iter().zip(right_last) {
        sums[0] = s.fma(s.load(left), s.load(right), sums[0]);
    }
    if !left_rest.is_empty() {
        sums[1] = s.fma(s.load(&padded(left_rest, 0.0)), s.load(&padded(right_rest, 0.0)), sums[1]);
    }
    s.sum(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])))
}

/// `output = input * factor * weight`.
#[inline(always)]
fn weigh<S: Simd>(s: S, input: &[f32], weight: &[f32], factor: f32, output: &mut [f32]) {
    let (inputs, input_rest) = input.as_chunks::<LANES>();
    let (weights, weight_rest) = weight.as_chunks::<LANES>();
    let (outputs, output_rest) = output.as_chunks_mut::<LANES>();
    let factors = s.splat(factor);
    for ((input, weight), output) in inputs.iter().zip(weights).zip(outputs) {
        s.store(s.mul(s.mul(s.load(input), factors), s.load(weight)), output);
    }
    for ((input, weight), output) in input_rest.iter().zip(weight_rest).zip(output_rest) {
        *output = input * factor * weight;
    }
}

#[inline(always)]
fn rms_norm_kernel<S: Simd>(s: S, input: &[f32], weight: &[f32], eps: f32, output: &mut [f32]) {
    let width = weight.len();
    for (input, output) in input.chunks_exact(width).zip(output.chunks_exact_mut(width)) {
        let factor = 1.0 / (dot_kernel(s, input, input) / width as f32 + eps).sqrt();
        weigh(s, input, weight, factor, output);
    }
}

#[inline(always)]
fn rms_norm_in_place_kernel<S: Simd>(s: S, values: &mut [f32], weight: &[f32], eps: f32) {
    let width = weight.len();
    for row in values.chunks_exact_mut(width) {
        let factor = 1.0 / (dot_kernel(s, row, row) / width as f32 + eps).sqrt();
        map(s, Scale(factor), row);
        zip(s, Mul(), row, weight);
    }
}

#[inline(always)]
fn layer_norm_kernel<S: Simd>(
    s: S,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
    output: &mut [f32],
) {
    let width = weight.len();
    for (input, output) in input.chunks_exact(width).zip(output.chunks_exact_mut(width)) {
        let mean = sum(s, input) / width as f32;
        for (output, input) in output.iter_mut().zip(input) {
            *output = input - mean;
        }
        let factor = 1.0 / (dot_kernel(s, output, output) / width as f32 + eps).sqrt();
        map(s, Scale(factor), output);
        zip(s, Mul(), output, weight);
        if let Some(bias) = bias {
            zip(s, Add(), output, bias);
        }
    }
}

#[inline(always)]
fn sum<S: Simd>(s: S, row: &[f32]) -> f32 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut sum = s.load(&padded(rest, 0.0));
    for chunk in chunks {
        sum = s.add(sum, s.load(chunk));
    }
    s.sum(sum)
}

/// One row of heads, turned by `cos` and `sin` `[dims / 2]`. Plain loops: the compiler vectorises both.
#[inline(always)]
fn rope_kernel<S: Simd>(_s: S, pairs: Pairs, head_dim: usize, line: &mut [f32], cos: &[f32], sin: &[f32]) {
    let half = cos.len();
    for head in line.chunks_exact_mut(head_dim) {
        match pairs {
            Pairs::Interleaved => {
                for (pair, (cos, sin)) in head.as_chunks_mut::<2>().0.iter_mut().zip(cos.iter().zip(sin)) {
                    let [a, b] = *pair;
                    *pair = [a * cos - b * sin, a * sin + b * cos];
                }
            }
            Pairs::Halves => {
                let (first, second) = head.split_at_mut(half);
                for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(cos.iter().zip(sin)) {
                    (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
                }
            }
        }
    }
}

#[inline(always)]
fn largest_kernel<S: Simd>(s: S, row: &[f32]) -> f32 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    // NaN in the first place gives the second: it never becomes the largest.
    let mut tops = [s.splat(f32::NEG_INFINITY); 4];
    tops[0] = s.max(s.load(&padded(rest, f32::NEG_INFINITY)), tops[0]);
    let (fours, last) = chunks.as_chunks::<4>();
    for four in fours {
        for i in 0..4 {
            tops[i] = s.max(s.load(&four[i]), tops[i]);
        }
    }
    for chunk in last {
        tops[1] = s.max(s.load(chunk), tops[1]);
    }
    s.largest(s.max(s.max(tops[0], tops[1]), s.max(tops[2], tops[3])))
}

#[inline(always)]
fn softmax_kernel<S: Simd>(s: S, row: &mut [f32]) {
    let top = largest_kernel(s, row);
    if top == f32::NEG_INFINITY {
        // Nothing is possible: as if all were equally so.
        row.fill(1.0 / row.len().max(1) as f32);
        return;
    }
    let tops = s.splat(top);
    let mut sums = s.splat(0.0);
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    for chunk in chunks {
        let e = exp(s, s.sub(s.load(chunk), tops));
        s.store(e, chunk);
        sums = s.add(sums, e);
    }
    if !rest.is_empty() {
        let mut chunk = padded(rest, f32::NEG_INFINITY);
        let e = exp(s, s.sub(s.load(&chunk), tops));
        s.store(e, &mut chunk);
        sums = s.add(sums, e);
        rest.copy_from_slice(&chunk[..rest.len()]);
    }
    map(s, Scale(1.0 / s.sum(sums)), row);
}

#[inline(always)]
fn to_f16_kernel<S: Simd>(s: S, input: &[f32], output: &mut [f16]) {
    let (inputs, input_rest) = input.as_chunks::<LANES>();
    let (outputs, output_rest) = output.as_chunks_mut::<LANES>();
    for (input, output) in inputs.iter().zip(outputs) {
        s.store_half(s.load(input), output);
    }
    if !input_rest.is_empty() {
        let mut chunk = [f16::ZERO; LANES];
        s.store_half(s.load(&padded(input_rest, 0.0)), &mut chunk);
        output_rest.copy_from_slice(&chunk[..input_rest.len()]);
    }
}

#[inline(always)]
fn to_f32_kernel<S: Simd>(s: S, input: &[f16], output: &mut [f32]) {
    let (inputs, input_rest) = input.as_chunks::<LANES>();
    let (outputs, output_rest) = output.as_chunks_mut::<LANES>();
    for (input, output) in inputs.iter().zip(outputs) {
        s.store(s.load_half(input), output);
    }
    if !input_rest.is_empty() {
        let mut chunk = [f16::ZERO; LANES];
        chunk[..input_rest.len()].copy_from_slice(input_rest);
        let mut values = [0.0; LANES];
        s.store(s.load_half(&chunk), &mut values);
        output_rest.copy_from_slice(&values[..input_rest.len()]);
    }
}
