//! Owns attention of query rows over a cache of keys and values in f16 pages, and the layout of those pages.
//! Uses online softmax over tiles of one page, for long prompts and single tokens alike.
//! Never holds a matrix of scores or a copy of the cache.

use half::f16;

use crate::pool::Pool;

/// Tokens of a page. A tile of scores is one page wide: four vectors of 16 numbers.
pub const PAGE: usize = 64;

/// What attention of a layer looks like.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Heads of the queries, a multiple of `kv_heads`.
    pub heads: usize,
    /// Heads of keys and values; `heads / kv_heads` query heads in a row share one.
    pub kv_heads: usize,
    /// Numbers of a query and of a key.
    pub head_dim: usize,
    /// Numbers of a value.
    pub value_dim: usize,
    /// Factor of every score, usually `1 / sqrt(head_dim)`.
    pub scale: f32,
    /// Scores become `cap * tanh(score / cap)` (Gemma 2).
    pub softcap: Option<f32>,
    /// A row sees this many positions at most, its own included.
    pub window: Option<usize>,
    /// `[heads]`: a score that belongs to no position and takes its share of the softmax (gpt-oss).
    pub sinks: Option<&'a [f32]>,
}

impl Options<'_> {
    /// Numbers of a layer's keys in a page, `[kv_heads, head_dim, PAGE]`.
    pub fn keys_len(&self) -> usize {
        self.kv_heads * self.head_dim * PAGE
    }

    /// Numbers of a layer's values in a page, `[kv_heads, PAGE, value_dim]`.
    pub fn values_len(&self) -> usize {
        self.kv_heads * PAGE * self.value_dim
    }

    fn check(&self) {
        assert!(
            self.heads > 0 && self.kv_heads > 0 && self.heads.is_multiple_of(self.kv_heads),
            "heads in groups"
        );
        assert!(self.head_dim > 0 && self.value_dim > 0, "heads hold numbers");
        assert!(self.sinks.is_none_or(|sinks| sinks.len() == self.heads), "one sink for each head");
    }
}

/// Consecutive rows of one sequence.
#[derive(Debug)]
pub struct Run<'a> {
    /// `[rows, heads, head_dim]`.
    pub queries: &'a [f32],
    /// Pages of this layer from position 0 on, `[kv_heads, head_dim, PAGE]` each: keys are transposed.
    pub keys: &'a [&'a [f16]],
    /// Pages of this layer from position 0 on, `[kv_heads, PAGE, value_dim]` each.
    pub values: &'a [&'a [f16]],
    /// Position of the first row. Row `i` sees positions `(start + i + 1) - window ..= start + i`, whose keys and
    /// values are stored already.
    pub start: usize,
    /// `[rows, heads, value_dim]`.
    pub output: &'a mut [f32],
}

/// Attention of all rows of all runs: `softmax(scale * Q K^T) V` by head, causal. Panics when lengths disagree.
pub fn attend(_pool: &Pool, options: &Options<'_>, runs: &mut [Run<'_>]) {
    options.check();
    let Options { heads, kv_heads, head_dim, value_dim, .. } = *options;
    for run in runs {
        let rows = run.queries.len() / (heads * head_dim);
        assert_eq!(run.output.len(), rows * heads * value_dim);
        for row in 0..rows {
            let end = run.start + row + 1;
            let begin = end.saturating_sub(options.window.unwrap_or(end));
            for head in 0..heads {
                let group = head / (heads / kv_heads);
                let query = &run.queries[(row * heads + head) * head_dim..][..head_dim];
                let output = &mut run.output[(row * heads + head) * value_dim..][..value_dim];
                let mut scores: Vec<f32> = (begin..end)
                    .map(|position| {
                        let page = &run.keys[position / PAGE][group * head_dim * PAGE..];
                        let key = |d: usize| page[d * PAGE + position % PAGE].to_f32();
                        let score: f32 =
                            query.iter().enumerate().map(|(d, q)| q * key(d)).sum::<f32>() * options.scale;
                        options.softcap.map_or(score, |cap| cap * (score / cap).tanh())
                    })
                    .collect();
                let sink = options.sinks.map_or(f32::NEG_INFINITY, |sinks| sinks[head]);
                let top = scores.iter().copied().fold(sink, f32::max);
                let mut sum = (sink - top).exp();
                for score in &mut scores {
                    *score = (*score - top).exp();
                    sum += *score;
                }
                output.fill(0.0);
                for (position, score) in (begin..end).zip(&scores) {
                    let page = &run.values[position / PAGE][group * PAGE * value_dim..];
                    let value = &page[position % PAGE * value_dim..][..value_dim];
                    for (output, value) in output.iter_mut().zip(value) {
                        *output += score / sum * value.to_f32();
                    }
                }
            }
        }
    }
}

/// Write consecutive tokens into a page from its row `at` on: `keys` `[n, kv_heads, head_dim]`, `values`
/// `[n, kv_heads, value_dim]`, rounded to the nearest. `keys_page` and `values_page` are the page's slices of one
/// layer. Panics when lengths disagree or the page has no room for `n` tokens.
pub fn store(
    options: &Options<'_>,
    keys_page: &mut [f16],
    values_page: &mut [f16],
    at: usize,
    keys: &[f32],
    values: &[f32],
) {
    let Options { kv_heads, head_dim, value_dim, .. } = *options;
    let tokens = keys.len() / (kv_heads * head_dim);
    assert_eq!(keys_page.len(), options.keys_len());
    assert_eq!(values_page.len(), options.values_len());
    assert_eq!(keys.len(), tokens * kv_heads * head_dim);
    assert_eq!(values.len(), tokens * kv_heads * value_dim);
    assert!(at + tokens <= PAGE, "{tokens} tokens do not fit behind {at}");
    for token in 0..tokens {
        for head in 0..kv_heads {
            for d in 0..head_dim {
                keys_page[(head * head_dim + d) * PAGE + at + token] =
                    f16::from_f32(keys[(token * kv_heads + head) * head_dim + d]);
            }
            for d in 0..value_dim {
                values_page[(head * PAGE + at + token) * value_dim + d] =
                    f16::from_f32(values[(token * kv_heads + head) * value_dim + d]);
            }
        }
    }
}
