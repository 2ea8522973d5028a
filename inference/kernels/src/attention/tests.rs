//! Owns the comparison of attention with its definition in f64, over shapes, windows, sinks, splits and levels.
//! Uses pages that hold infinities wherever no row may look.
//! Never uses a kernel to check another.

use half::f16;
use proptest::prelude::*;

use super::*;

/// Numbers between -1 and 1, the same in every run.
fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// A sequence in pages, with its keys and values as floats.
struct Cache {
    keys: Vec<Vec<f16>>,
    values: Vec<Vec<f16>>,
    /// The same after rounding, `[positions, kv_heads, head_dim]`.
    plain_keys: Vec<f64>,
    /// `[positions, kv_heads, value_dim]`.
    plain_values: Vec<f64>,
}

impl Cache {
    /// `len` positions, stored in pieces of `piece`; the rest of the last page is infinite.
    fn new(options: &Options<'_>, len: usize, piece: usize, seed: u64) -> Self {
        let (key, value) = (options.kv_heads * options.head_dim, options.kv_heads * options.value_dim);
        let plain_keys = numbers(seed, len * key).iter().map(|x| x * 3.0).collect::<Vec<_>>();
        let plain_values = numbers(seed + 1, len * value);
        let pages = len.div_ceil(PAGE);
        let rounded =
            |numbers: &[f32]| numbers.iter().map(|x| f64::from(f16::from_f32(*x).to_f32())).collect();
        let mut cache = Self {
            keys: vec![vec![f16::INFINITY; options.keys_len()]; pages],
            values: vec![vec![f16::INFINITY; options.values_len()]; pages],
            plain_keys: rounded(&plain_keys),
            plain_values: rounded(&plain_values),
        };
        let mut at = 0;
        while at < len {
            let count = piece.min(PAGE - at % PAGE).min(len - at);
            store(
                options,
                &mut cache.keys[at / PAGE],
                &mut cache.values[at / PAGE],
                at % PAGE,
                &plain_keys[at * key..(at + count) * key],
                &plain_values[at * value..(at + count) * value],
            );
            at += count;
        }
        cache
    }
}

/// The definition, in f64, from the floats as they are after rounding to halves.
fn expected(options: &Options<'_>, cache: &Cache, queries: &[f32], start: usize) -> Vec<f64> {
    let Options { heads, kv_heads, head_dim, value_dim, .. } = *options;
    let mut output = Vec::new();
    for (index, query) in queries.chunks_exact(head_dim).enumerate() {
        let (row, head) = (index / heads, index % heads);
        let kv_head = head / (heads / kv_heads);
        let end = start + row + 1;
        let begin = options.window.map_or(0, |window| end.saturating_sub(window));
        let scores: Vec<f64> = (begin..end)
            .map(|position| {
                let key = &cache.plain_keys[(position * kv_heads + kv_head) * head_dim..][..head_dim];
                let product: f64 = query.iter().zip(key).map(|(q, k)| f64::from(*q) * k).sum();
                let score = product * f64::from(options.scale);
                options.softcap.map_or(score, |cap| f64::from(cap) * (score / f64::from(cap)).tanh())
            })
            .collect();
        let weights: Vec<f64> = scores.iter().map(|score| score.exp()).collect();
        let sink = options.sinks.map_or(0.0, |sinks| f64::from(sinks[head]).exp());
        let sum: f64 = weights.iter().sum::<f64>() + sink;
        for d in 0..value_dim {
            let weighed: f64 = (begin..end)
                .zip(&weights)
                .map(|(position, weight)| {
                    weight * cache.plain_values[(position * kv_heads + kv_head) * value_dim + d]
                })
                .sum();
            output.push(if sum > 0.0 { weighed / sum } else { 0.0 });
        }
    }
    output
}

fn check(threads: usize, options: &Options<'_>, sequences: &[(usize, usize)]) {
    let caches: Vec<Cache> = sequences
        .iter()
        .enumerate()
        .map(|(index, (start, rows))| {
            Cache::new(options, start + rows, 1 + 37 * index, 10 * index as u64 + 1)
        })
        .collect();
    let queries: Vec<Vec<f32>> = sequences
        .iter()
        .enumerate()
        .map(|(index, (_, rows))| numbers(77 + index as u64, rows * options.heads * options.head_dim))
        .collect();
    let keys: Vec<Vec<&[f16]>> =
        caches.iter().map(|cache| cache.keys.iter().map(Vec::as_slice).collect()).collect();
    let values: Vec<Vec<&[f16]>> =
        caches.iter().map(|cache| cache.values.iter().map(Vec::as_slice).collect()).collect();
    let pool = Pool::new(threads);
    for level in Level::supported() {
        let mut outputs: Vec<Vec<f32>> = sequences
            .iter()
            .map(|(_, rows)| vec![f32::NAN; rows * options.heads * options.value_dim])
            .collect();
        let mut runs: Vec<Run<'_>> = outputs
            .iter_mut()
            .enumerate()
            .map(|(index, output)| Run {
                queries: &queries[index],
                keys: &keys[index],
                values: &values[index],
                start: sequences[index].0,
                output,
            })
            .collect();
        attend_at(level, &pool, options, &mut runs);
        for (index, output) in outputs.iter().enumerate() {
            let expect = expected(options, &caches[index], &queries[index], sequences[index].0);
            assert_eq!(output.len(), expect.len());
            for (place, (got, expect)) in output.iter().zip(&expect).enumerate() {
                assert!(
                    (f64::from(*got) - expect).abs() < 3e-6,
                    "{level:?} {threads} threads {options:?} {sequences:?}: {got} for {expect} at {place} of {index}"
                );
            }
        }
    }
}

fn options(heads: usize, kv_heads: usize, head_dim: usize, value_dim: usize) -> Options<'static> {
    let scale = 1.0 / (head_dim as f32).sqrt();
    Options { heads, kv_heads, head_dim, value_dim, scale, softcap: None, window: None, sinks: None }
}

#[test]
fn shapes_of_real_models() {
    for (heads, kv_heads, head_dim, value_dim) in [
        (12, 2, 128, 128),
        (14, 2, 64, 64),
        (16, 8, 128, 128),
        (9, 3, 64, 64),
        (8, 1, 256, 256),
        (32, 32, 80, 80),
        (4, 4, 96, 96),
        (6, 6, 192, 128),
        (5, 1, 32, 32),
        (7, 1, 40, 24),
        (48, 1, 16, 7),
        (50, 1, 8, 16),
    ] {
        let options = options(heads, kv_heads, head_dim, value_dim);
        for sequences in [&[(0, 1)][..], &[(0, 70)], &[(130, 1)], &[(61, 9), (700, 1), (0, 3)]] {
            check(2, &options, sequences);
        }
    }
}

#[test]
fn long_contexts_are_split_and_taken_together() {
    let sinks: Vec<f32> = numbers(5, 12).iter().map(|x| x * 4.0).collect();
    for sinks in [None, Some(&sinks[..])] {
        for window in [None, Some(1000)] {
            let options = Options { sinks, window, ..options(12, 2, 32, 32) };
            for threads in [1, 2, 7] {
                check(threads, &options, &[(4000, 1)]);
                check(threads, &options, &[(2000, 5), (100, 1), (3333, 1)]);
            }
        }
    }
}

#[test]
fn windows_end_where_they_say() {
    for window in [0, 1, 2, 63, 64, 65, 128, 1000] {
        let options = Options { window: Some(window), ..options(4, 2, 16, 16) };
        for sequences in [&[(0, 200)][..], &[(63, 3)], &[(64, 66)], &[(300, 1)], &[(127, 2)]] {
            check(3, &options, sequences);
        }
    }
}

#[test]
fn pages_before_the_window_are_not_read() {
    let options = Options { window: Some(70), ..options(2, 1, 16, 16) };
    let cache = Cache::new(&options, 640, 64, 3);
    let (mut keys, mut values): (Vec<&[f16]>, Vec<&[f16]>) =
        (cache.keys.iter().map(Vec::as_slice).collect(), cache.values.iter().map(Vec::as_slice).collect());
    // A page that was given back has no numbers at all.
    keys[..8].fill(&[]);
    values[..8].fill(&[]);
    let queries = numbers(4, 2 * 16);
    let mut output = vec![0.0; 2 * 16];
    let run = Run { queries: &queries, keys: &keys, values: &values, start: 639, output: &mut output };
    attend(&Pool::new(2), &options, &mut [run]);
    for (got, expect) in output.iter().zip(expected(&options, &cache, &queries, 639)) {
        assert!((f64::from(*got) - expect).abs() < 3e-6);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn any_shape(
        (group, kv_heads) in (1..10_usize, 1..4_usize),
        (head_dim, value_dim) in (1..70_usize, 1..70_usize),
        sequences in prop::collection::vec((0..400_usize, 0..90_usize), 0..4),
        softcap in prop::option::of(0.5..60.0_f32),
        window in prop::option::of(0..500_usize),
        with_sinks in any::<bool>(),
        threads in 1..4_usize,
    ) {
        let sinks: Vec<f32> = numbers(8, group * kv_heads).iter().map(|x| x * 5.0).collect();
        let sinks = with_sinks.then_some(&sinks[..]);
        let options = options(group * kv_heads, kv_heads, head_dim, value_dim);
        check(threads, &Options { softcap, window, sinks, ..options }, &sequences);
    }
}
