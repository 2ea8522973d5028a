//! Owns attention on the CPU: four query rows at a time against the cached keys and values of one head.
//! Uses plain loops over lanes of eight, which compile to vector instructions.
//! Never materialises a mask or repeats a head.

use std::cell::RefCell;
use std::sync::Mutex;

use crate::kv::Cache;

/// Query rows that share each load of a key or value.
const ROWS: usize = 4;
/// Floats that are summed side by side.
const LANES: usize = 8;
/// Products below this many multiplications stay on the calling thread.
const INLINE_WORK: usize = 1 << 20;

/// What one layer attends with.
pub(crate) struct Queries<'a> {
    /// `[count, heads, head_dim]`
    pub(crate) rows: &'a [f32],
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    /// Position of the first row; it sees the keys 0..=start.
    pub(crate) start: usize,
}

#[inline(always)]
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    // Without the instruction, `mul_add` is a slow call.
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) { a.mul_add(b, c) } else { a * b + c }
}

thread_local! {
    static SCORES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    static BLOCK: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Softmax(QK^T / sqrt(head_dim)) V, each row seeing the keys up to its own position.
/// The output has the shape of the queries.
pub(crate) fn attend(cache: &Cache, layer: usize, queries: &Queries<'_>, output: &mut [f32]) {
    let Queries { rows, heads, kv_heads, head_dim, start } = *queries;
    let count = rows.len() / (heads * head_dim);
    let group = heads / kv_heads;
    // Work items of one key head: a block is four (query, head) pairs of one group, queries outermost,
    // so that a single query of a group of heads fills a block as well.
    let pairs = count * group;
    let blocks = pairs.div_ceil(ROWS);
    let outputs: Vec<Mutex<&mut [f32]>> = output.chunks_mut(head_dim).map(Mutex::new).collect();
    let run = |range: std::ops::Range<usize>| {
        for item in range {
            let (kv_head, block) = (item / blocks, item % blocks);
            let pair = |row: usize| {
                let pair = block * ROWS + row;
                (pair < pairs).then(|| (pair / group, kv_head * group + pair % group))
            };
            attend_block(cache, layer, kv_head, queries, &pair, &outputs);
        }
    };
    let items = kv_heads * blocks;
    if count * heads * head_dim * (start + count) <= INLINE_WORK {
        run(0..items);
    } else {
        candle_core::utils::barrier_pool().execute_chunked(items, run);
    }
}

/// One block of rows; `pair` gives the query and the head of each.
fn attend_block(
    cache: &Cache,
    layer: usize,
    kv_head: usize,
    queries: &Queries<'_>,
    pair: &dyn Fn(usize) -> Option<(usize, usize)>,
    outputs: &[Mutex<&mut [f32]>],
) {
    let Queries { rows, heads, head_dim, start, .. } = *queries;
    let scale = 1.0 / (head_dim as f32).sqrt();
    let mut length = 0;
    SCORES.with_borrow_mut(|scores| {
        BLOCK.with_borrow_mut(|block| {
            block.clear();
            block.resize(ROWS * head_dim, 0.0);
            let mut visible = [0; ROWS];
            for row in 0..ROWS {
                if let Some((query, head)) = pair(row) {
                    let from = (query * heads + head) * head_dim;
                    let target = &mut block[row * head_dim..(row + 1) * head_dim];
                    for (target, value) in target.iter_mut().zip(&rows[from..from + head_dim]) {
                        *target = value * scale;
                    }
                    visible[row] = start + query + 1;
                    length = length.max(visible[row]);
                }
            }
            // [length, ROWS]: the four scores of a key lie side by side.
            scores.clear();
            scores.reserve(length * ROWS);
            for page in cache.keys(layer, kv_head, length) {
                for key in page.chunks_exact(head_dim) {
                    scores.extend_from_slice(&dot_rows(block, key));
                }
            }
            let sums = softmax(scores, &visible);
            block.fill(0.0);
            accumulate(cache.values(layer, kv_head, length), scores, head_dim, block);
            for (row, sum) in sums.iter().enumerate() {
                if let Some((query, head)) = pair(row)
                    && let Ok(mut output) = outputs[query * heads + head].lock()
                {
                    let values = &block[row * head_dim..(row + 1) * head_dim];
                    for (output, value) in output.iter_mut().zip(values) {
                        *output = value / sum;
                    }
                }
            }
        });
    });
}

/// The products of four rows with one key.
#[inline(always)]
fn dot_rows(block: &[f32], key: &[f32]) -> [f32; ROWS] {
    let dim = key.len();
    let whole = dim / LANES * LANES;
    let mut sums = [[0.0f32; LANES]; ROWS];
    for at in (0..whole).step_by(LANES) {
        let key = &key[at..at + LANES];
        for (row, sums) in sums.iter_mut().enumerate() {
            let query = &block[row * dim + at..row * dim + at + LANES];
            for lane in 0..LANES {
                sums[lane] = multiply_add(query[lane], key[lane], sums[lane]);
            }
        }
    }
    let mut products = [0.0; ROWS];
    for (row, product) in products.iter_mut().enumerate() {
        *product = sums[row].iter().sum();
        for at in whole..dim {
            *product = multiply_add(block[row * dim + at], key[at], *product);
        }
    }
    products
}

/// Turn scores `[length, ROWS]` into weights that are not yet divided by their sums; each row is
/// zero behind what it may see.
fn softmax(scores: &mut [f32], visible: &[usize; ROWS]) -> [f32; ROWS] {
    let mut sums = [1.0f32; ROWS];
    for row in 0..ROWS {
        let mut largest = f32::NEG_INFINITY;
        for scores in scores.chunks_exact(ROWS).take(visible[row]) {
            largest = largest.max(scores[row]);
        }
        let mut sum = 0.0;
        for (position, scores) in scores.chunks_exact_mut(ROWS).enumerate() {
            let weight = if position < visible[row] { (scores[row] - largest).exp() } else { 0.0 };
            scores[row] = weight;
            sum += weight;
        }
        if visible[row] > 0 {
            sums[row] = sum;
        }
    }
    sums
}

/// `block[row] += weights[row] * values`, a strip of components at a time so that sums stay in registers.
fn accumulate<'a>(pages: impl Iterator<Item = &'a [f32]>, weights: &[f32], dim: usize, block: &mut [f32]) {
    const STRIP: usize = 2 * LANES;
    let mut done = 0;
    for page in pages {
        let rows = page.len() / dim;
        let weights = &weights[done * ROWS..(done + rows) * ROWS];
        done += rows;
        let whole = dim / STRIP * STRIP;
        for at in (0..whole).step_by(STRIP) {
            let mut sums = [[0.0f32; STRIP]; ROWS];
            for (value, weights) in page.chunks_exact(dim).zip(weights.chunks_exact(ROWS)) {
                let value = &value[at..at + STRIP];
                for (row, sums) in sums.iter_mut().enumerate() {
                    for lane in 0..STRIP {
                        sums[lane] = multiply_add(weights[row], value[lane], sums[lane]);
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                for lane in 0..STRIP {
                    block[row * dim + at + lane] += sums[lane];
                }
            }
        }
        for at in whole..dim {
            for (value, weights) in page.chunks_exact(dim).zip(weights.chunks_exact(ROWS)) {
                for row in 0..ROWS {
                    block[row * dim + at] = multiply_add(weights[row], value[at], block[row * dim + at]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, one number at a time.
    fn reference(keys: &[Vec<f32>], values: &[Vec<f32>], query: &[f32]) -> Vec<f32> {
        let scale = 1.0 / (query.len() as f64).sqrt();
        let dot = |key: &Vec<f32>| -> f64 { key.iter().zip(query).map(|(a, b)| f64::from(a * b)).sum() };
        let weights: Vec<f64> = keys.iter().map(|key| (dot(key) * scale).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let component = |at: usize| -> f64 {
            values.iter().zip(&weights).map(|(value, weight)| f64::from(value[at]) * weight).sum()
        };
        (0..query.len()).map(|at| (component(at) / sum) as f32).collect()
    }

    fn check(heads: usize, kv_heads: usize, dim: usize, start: usize, count: usize) {
        let mut state = 1u32;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let mut cache = Cache::new(1, kv_heads, dim);
        let total = start + count;
        cache.reserve(total).expect("memory");
        let mut keys = vec![Vec::new(); kv_heads];
        let mut values = vec![Vec::new(); kv_heads];
        for position in 0..total {
            let row: Vec<f32> = (0..2 * kv_heads * dim).map(|_| random()).collect();
            let (key, value) = row.split_at(kv_heads * dim);
            cache.write(0, position, key, value);
            for head in 0..kv_heads {
                keys[head].push(key[head * dim..(head + 1) * dim].to_vec());
                values[head].push(value[head * dim..(head + 1) * dim].to_vec());
            }
        }
        let rows: Vec<f32> = (0..count * heads * dim).map(|_| 3.0 * random()).collect();
        let mut output = vec![0.0; rows.len()];
        attend(&cache, 0, &Queries { rows: &rows, heads, kv_heads, head_dim: dim, start }, &mut output);
        for query in 0..count {
            for head in 0..heads {
                let from = (query * heads + head) * dim;
                let kv = head / (heads / kv_heads);
                let seen = start + query + 1;
                let expect = reference(&keys[kv][..seen], &values[kv][..seen], &rows[from..from + dim]);
                for (found, expect) in output[from..from + dim].iter().zip(&expect) {
                    assert!(
                        (found - expect).abs() < 1e-4,
                        "{heads}/{kv_heads}x{dim} at {start}+{query}: {found} {expect}"
                    );
                }
            }
        }
    }

    #[test]
    fn attention_equals_its_definition() {
        for (heads, kv_heads, dim) in [(4, 2, 48), (8, 8, 16), (6, 1, 10), (12, 2, 64), (2, 2, 2)] {
            for (start, count) in [(0, 1), (0, 7), (5, 1), (254, 5), (300, 33)] {
                check(heads, kv_heads, dim, start, count);
            }
        }
    }
}
