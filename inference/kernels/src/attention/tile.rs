//! Owns the arithmetic of attention: some query rows of one head of keys against some pages, with online softmax.
//! Uses one kernel for both products: lanes run over keys in the first and over the numbers of a value in the second.
//! Never reads keys or values that no row of the block may see.

use half::f16;

use super::{Options, PAGE};
use crate::simd::{LANES, Simd, by_level, exp, tanh};

/// Rows of a tile of products at most: 6 rows of 4 values of 16 floats leave 8 of 32 registers for operands.
const TILE_ROWS: usize = 6;

/// Query rows that share the pages of one head of keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) keys: &'a [&'a [f16]],
    pub(super) values: &'a [&'a [f16]],
    pub(super) kv_head: usize,
    /// Position of the first row.
    pub(super) start: usize,
    /// Positions of the block; each has `heads / kv_heads` rows, one after the other.
    pub(super) positions: usize,
    /// Pages from here on...
    pub(super) from: usize,
    /// ...and before here.
    pub(super) to: usize,
}

/// What a thread works in. Kept from call to call.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// `[rows, head_dim]`, times the scale.
    pub(super) queries: Vec<f32>,
    /// `[rows, PAGE]`: scores of one page, then what they weigh.
    scores: Vec<f32>,
    /// `[rows]`: the largest score so far.
    pub(super) top: Vec<f32>,
    /// `[rows]`: the sum of `e^(score - top)`.
    pub(super) sum: Vec<f32>,
    /// `[rows]`: what the sums of the pages before must be multiplied with because of a larger score.
    factor: Vec<f32>,
    /// `[rows, stride]`: values times weights, not yet divided by the sum.
    pub(super) output: Vec<f32>,
    /// `[PAGE, stride]`: the values of a page where their length is not a multiple of the lanes.
    values: Vec<f16>,
}

/// Floats from one row of an output to the next.
pub(super) fn stride(options: &Options<'_>) -> usize {
    options.value_dim.next_multiple_of(LANES)
}

impl Scratch {
    /// Make room for a block of `rows`, with nothing seen so far.
    pub(super) fn reset(&mut self, options: &Options<'_>, rows: usize) {
        self.queries.clear();
        self.scores.resize(rows * PAGE, 0.0);
        self.factor.resize(rows, 1.0);
        for (values, len, value) in [
            (&mut self.top, rows, f32::NEG_INFINITY),
            (&mut self.sum, rows, 0.0),
            (&mut self.output, rows * stride(options), 0.0),
        ] {
            values.clear();
            values.resize(len, value);
        }
    }
}

by_level! {
    /// Take the pages of the block into `scratch`, whose queries are set.
    pub(super) fn take_pages(options: &Options<'_>, block: &Block<'_>, scratch: &mut Scratch) = take_pages_kernel;
}

#[inline(always)]
fn take_pages_kernel<S: Simd>(s: S, options: &Options<'_>, block: &Block<'_>, scratch: &mut Scratch) {
    let Options { heads, kv_heads, head_dim, value_dim, .. } = *options;
    let group = heads / kv_heads;
    let rows = block.positions * group;
    let stride = stride(options);
    for page in block.from..block.to {
        let keys = &block.keys[page][block.kv_head * head_dim * PAGE..][..head_dim * PAGE];
        let own_values = &block.values[page][block.kv_head * PAGE * value_dim..][..PAGE * value_dim];
        let next_keys =
            if page + 1 < block.to { &block.keys[page + 1][block.kv_head * head_dim * PAGE..] } else { &[] };
        let mut values = own_values;
        if stride != value_dim {
            scratch.values.resize(PAGE * stride, f16::ZERO);
            for (row, padded) in values.chunks_exact(value_dim).zip(scratch.values.chunks_exact_mut(stride)) {
                padded[..value_dim].copy_from_slice(row);
            }
            values = &scratch.values;
        }
        // First all scores, then all sums: one half of the page stays in the first cache meanwhile.
        let mut row = 0;
        while row < rows {
            let count = tile_rows(rows - row);
            let (_, end) = seen(options, block, group, page, row..row + count);
            let scores = &mut scratch.scores[row * PAGE..][..count * PAGE];
            let product = Product {
                left: &scratch.queries[row * head_dim..][..count * head_dim],
                left_stride: head_dim,
                depth: 0..head_dim,
                right: keys,
                right_stride: PAGE,
                ahead: if row == 0 { own_values } else { &[] },
                factors: None,
                output: scores,
                output_stride: PAGE,
            };
            product.tiles(s, end.div_ceil(LANES));
            let scores = &mut scratch.scores[row * PAGE..][..count * PAGE];
            for index in 0..count {
                let (first, last) = seen(options, block, group, page, row + index..row + index + 1);
                let scores = &mut scores[index * PAGE..][..end.next_multiple_of(LANES)];
                if let Some(cap) = options.softcap {
                    soften(s, scores, cap);
                }
                scores[..first.min(end)].fill(f32::NEG_INFINITY);
                scores[last..].fill(f32::NEG_INFINITY);
                let state = (&mut scratch.top[row + index], &mut scratch.sum[row + index]);
                scratch.factor[row + index] = weigh(s, scores, state.0, state.1);
            }
            row += count;
        }
        let mut row = 0;
        while row < rows {
            let count = tile_rows(rows - row);
            let (begin, end) = seen(options, block, group, page, row..row + count);
            if begin < end {
                let product = Product {
                    left: &scratch.scores[row * PAGE..][..count * PAGE],
                    left_stride: PAGE,
                    depth: begin..end,
                    right: values,
                    right_stride: stride,
                    ahead: if row == 0 { next_keys } else { &[] },
                    factors: Some(&scratch.factor[row..row + count]),
                    output: &mut scratch.output[row * stride..][..count * stride],
                    output_stride: stride,
                };
                product.tiles(s, stride / LANES);
            }
            row += count;
        }
    }
}

/// How many of `left` rows the next tile takes, so that no tile of one row stays over.
#[inline(always)]
fn tile_rows(left: usize) -> usize {
    match left {
        0..=4 => left,
        5 => 3,
        7 | 8 => 4,
        _ => TILE_ROWS,
    }
}

/// The places of a page that at least one of the rows sees, from the first to the one behind the last.
#[inline(always)]
fn seen(
    options: &Options<'_>,
    block: &Block<'_>,
    group: usize,
    page: usize,
    rows: std::ops::Range<usize>,
) -> (usize, usize) {
    let base = page * PAGE;
    let first = block.start + rows.start / group + 1;
    let last = block.start + (rows.end - 1) / group + 1;
    let begin = options.window.map_or(0, |window| first.saturating_sub(window));
    (begin.saturating_sub(base).min(PAGE), last.saturating_sub(base).min(PAGE))
}

#[inline(always)]
fn soften<S: Simd>(s: S, scores: &mut [f32], cap: f32) {
    let (cap, inverse) = (s.splat(cap), s.splat(1.0 / cap));
    for chunk in scores.as_chunks_mut::<LANES>().0 {
        s.store(s.mul(cap, tanh(s, s.mul(s.load(chunk), inverse))), chunk);
    }
}

/// Scores of a row become `e^(score - top)`, counted into `sum`; gives what earlier sums are to be multiplied with.
#[inline(always)]
fn weigh<S: Simd>(s: S, scores: &mut [f32], top: &mut f32, sum: &mut f32) -> f32 {
    let chunks = scores.as_chunks_mut::<LANES>().0;
    let mut tops = s.splat(*top);
    for chunk in &*chunks {
        tops = s.max(tops, s.load(chunk));
    }
    let largest = s.largest(tops);
    if largest == f32::NEG_INFINITY {
        // The row has seen nothing yet: minus infinity less minus infinity is no number.
        chunks.as_flattened_mut().fill(0.0);
        return 1.0;
    }
    let factor = if largest == *top { 1.0 } else { (*top - largest).exp() };
    let largests = s.splat(largest);
    let mut sums = s.splat(0.0);
    for chunk in chunks {
        let weight = exp(s, s.sub(s.load(chunk), largests));
        sums = s.add(sums, weight);
        s.store(weight, chunk);
    }
    *top = largest;
    *sum = *sum * factor + s.sum(sums);
    factor
}

/// `output[r, ..] = factors[r] * output[r, ..] + sum over d in depth of left[r, d] * right[d, ..]`; without `factors`
/// what was in `output` does not count.
struct Product<'a> {
    left: &'a [f32],
    left_stride: usize,
    depth: std::ops::Range<usize>,
    right: &'a [f16],
    right_stride: usize,
    /// Asked for, place by place as `right` is read: the next thing in memory that this thread needs.
    ahead: &'a [f16],
    factors: Option<&'a [f32]>,
    output: &'a mut [f32],
    output_stride: usize,
}

impl Product<'_> {
    /// As many rows as `left` has, at most [`TILE_ROWS`], and `width` chunks of lanes.
    #[inline(always)]
    fn tiles<S: Simd>(mut self, s: S, width: usize) {
        match self.left.len() / self.left_stride {
            1 => self.strips::<S, 1>(s, width),
            2 => self.strips::<S, 2>(s, width),
            3 => self.strips::<S, 3>(s, width),
            4 => self.strips::<S, 4>(s, width),
            TILE_ROWS => self.strips::<S, TILE_ROWS>(s, width),
            rows => unreachable!("no tile has {rows} rows"),
        }
    }

    #[inline(always)]
    fn strips<S: Simd, const R: usize>(&mut self, s: S, width: usize) {
        let mut chunk = 0;
        while chunk < width {
            if S::WIDTH == 4 && width - chunk >= 4 {
                self.tile::<S, R, 4>(s, chunk);
                chunk += 4;
            } else if S::WIDTH == 4 && width - chunk >= 2 {
                self.tile::<S, R, 2>(s, chunk);
                chunk += 2;
            } else {
                self.tile::<S, R, 1>(s, chunk);
                chunk += 1;
            }
        }
    }

    /// `R` rows and `N` chunks from `chunk` on, all of which stay in registers.
    #[inline(always)]
    #[expect(unsafe_code, reason = "a check of bounds for each operand takes as long as the product")]
    #[expect(clippy::needless_range_loop, reason = "the indices are those of three matrices")]
    fn tile<S: Simd, const R: usize, const N: usize>(&mut self, s: S, chunk: usize) {
        let Self { left, left_stride, right_stride, factors, output_stride, .. } = *self;
        let depth = self.depth.clone();
        let right = &self.right[chunk * LANES..];
        let ahead = self.ahead.get(chunk * LANES..).unwrap_or_default();
        let output = &mut self.output[chunk * LANES..];
        assert!(left.len() >= (R - 1) * left_stride + depth.end && !depth.is_empty());
        assert!(right.len() >= (depth.end - 1) * right_stride + N * LANES);
        assert!(output.len() >= (R - 1) * output_stride + N * LANES);
        let mut sums = [[s.splat(0.0); N]; R];
        if let Some(factors) = factors {
            assert!(factors.len() >= R);
            for r in 0..R {
                let factor = s.splat(factors[r]);
                for n in 0..N {
                    sums[r][n] = s.mul(factor, load(s, output, r * output_stride + n * LANES));
                }
            }
        }
        for d in depth {
            if !ahead.is_empty() {
                for line in 0..N.div_ceil(2) {
                    s.prefetch(ahead.as_ptr().wrapping_add(d * right_stride + line * 2 * LANES));
                }
            }
            let mut operands = [s.splat(0.0); N];
            for (n, operand) in operands.iter_mut().enumerate() {
                // SAFETY: `right` reaches `N` chunks from the start of row `depth.end - 1`, and `d` is before that end.
                *operand = s.load_half(unsafe { &*right.as_ptr().add(d * right_stride + n * LANES).cast() });
            }
            for r in 0..R {
                // SAFETY: `left` reaches to `depth.end` of row `R - 1`.
                let factor = s.splat(unsafe { *left.get_unchecked(r * left_stride + d) });
                for n in 0..N {
                    sums[r][n] = s.fma(factor, operands[n], sums[r][n]);
                }
            }
        }
        for r in 0..R {
            for n in 0..N {
                if let Some(chunk) = output[r * output_stride + n * LANES..].first_chunk_mut() {
                    s.store(sums[r][n], chunk);
                }
            }
        }
    }
}

#[inline(always)]
fn load<S: Simd>(s: S, from: &[f32], at: usize) -> S::V {
    from[at..].first_chunk().map_or(s.splat(0.0), |chunk| s.load(chunk))
}
