//! Owns figures of attention by shape: operations a second of long prompts, bytes a second of single tokens.
//! Uses contents that cost the same as real ones; `cargo run -p loci-kernels --release --example attention [THREADS [LEVEL]]`.
//! Never a test: what a machine reaches is not right or wrong.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::time::Instant;

use half::f16;
use loci_kernels::attention::{Options, PAGE, Run, attend_at};
use loci_kernels::level::Level;
use loci_kernels::pool::Pool;

/// Pages of keys and pages of values.
type Layer<'a> = (Vec<&'a [f16]>, Vec<&'a [f16]>);

fn main() {
    let threads = std::env::args().nth(1).and_then(|threads| threads.parse().ok()).unwrap_or(2);
    let pool = Pool::new(threads);
    // The n-th level of this machine, the plain one being 0; else the best.
    let level = std::env::args().nth(2).and_then(|index| Level::supported().nth(index.parse().ok()?));
    let level = level.unwrap_or(Level::best());
    println!("{threads} threads, {level:?}");
    println!(
        "{:>26} {:>7} {:>5} {:>10} {:>10} {:>10}",
        "heads/kv/dim", "context", "rows", "time", "GFLOP/s", "GB/s"
    );
    for (heads, kv_heads, dim) in [(12, 2, 128), (14, 2, 64), (16, 8, 128), (32, 32, 80), (8, 4, 256)] {
        for (context, rows) in [(512, 512), (2048, 512), (2048, 1), (8192, 1), (2048, 8), (100, 1)] {
            measure(level, &pool, heads, kv_heads, dim, context, rows);
        }
    }
}

/// The last `rows` of `context` positions. The layers of a model do not stay in a cache, so every repetition reads
/// another layer's pages.
fn measure(
    level: Level,
    pool: &Pool,
    heads: usize,
    kv_heads: usize,
    dim: usize,
    context: usize,
    rows: usize,
) {
    let scale = 1.0 / (dim as f32).sqrt();
    let options = Options {
        heads,
        kv_heads,
        head_dim: dim,
        value_dim: dim,
        scale,
        softcap: None,
        window: None,
        sinks: None,
    };
    let pages = context.div_ceil(PAGE);
    let page_len = options.keys_len() + options.values_len();
    let layers = if rows < 64 { ((256 << 20) / (pages * page_len * 2)).clamp(1, 64) } else { 2 };
    let cache: Vec<f16> = (0..layers * pages * page_len)
        .map(|i| f16::from_f32(((i * 7919) % 1000) as f32 / 500.0 - 1.0))
        .collect();
    let layers: Vec<Layer<'_>> = cache
        .chunks_exact(pages * page_len)
        .map(|layer| layer.chunks_exact(page_len).map(|page| page.split_at(options.keys_len())).unzip())
        .collect();
    let queries: Vec<f32> = (0..rows * heads * dim).map(|i| ((i * 31) % 200) as f32 / 100.0 - 1.0).collect();
    let mut output = vec![0.0; rows * heads * dim];
    let mut times = Vec::new();
    for _ in 0..5 {
        for (keys, values) in &layers {
            let start = Instant::now();
            let run = Run { queries: &queries, keys, values, start: context - rows, output: &mut output };
            attend_at(level, pool, &options, &mut [run]);
            times.push(start.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    let time = times[times.len() / 2];
    // Every row sees what comes before it: two products of `dim` numbers for each pair.
    let pairs: usize = (context - rows + 1..=context).sum();
    let operations = (pairs * heads * dim * 4) as f64;
    let bytes = (context * kv_heads * dim * 4) as f64;
    println!(
        "{:>26} {context:>7} {rows:>5} {:>7.3} ms {:>10.1} {:>10.2}",
        format!("{heads}/{kv_heads}/{dim}"),
        time * 1e3,
        operations / time / 1e9,
        bytes / time / 1e9
    );
}
