//! Owns a table of how fast products are: a line per format, shape and number of activations.
//! Uses random bytes and medians of interleaved rounds.
//! Never judges: it prints.
//!
//! `cargo run --release -p loci-kernels --example products [-- FORMAT ROWS COLUMNS THREADS LINES LEVEL]`
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use loci_kernels::format::Format;
use loci_kernels::level::Level;
use loci_kernels::matmul::{Activations, Matrix, Product, multiply_at};
use loci_kernels::pool::Pool;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |at: usize, default: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (rows, columns) = (number(1, 8960), number(2, 1536));
    let pool = Pool::new(number(3, 2));
    let formats = Format::ALL.into_iter().filter(|format| {
        arguments.first().is_none_or(|name| name == "all" || format!("{format:?}") == *name)
    });
    let wanted = |level: &Level| arguments.get(5).is_some_and(|name| format!("{level:?}") == *name);
    let level = Level::supported().find(wanted).unwrap_or(Level::best());
    println!("{rows} x {columns}, {} threads, {level:?}", pool.threads());
    println!("format   lines   GOPS     GB/s  median us  best us");
    for format in formats {
        let Some(size) = format.row_bytes(columns).map(|bytes| bytes * rows) else { continue };
        // Several copies, so that no cache holds the matrix from one product to the next.
        let copies = (96_usize << 20).div_ceil(size).max(2);
        let mut state = 1_u64;
        let mut bytes = vec![0; size * copies];
        for byte in &mut bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Small bytes keep half-precision factors finite.
            *byte = (state >> 58) as u8 & 0x3b;
        }
        let matrices: Vec<Matrix<'_>> = bytes
            .chunks_exact(size)
            .map(|bytes| Matrix::new(format, rows, columns, bytes).expect("the size"))
            .collect();
        let all = [1, 2, 4, 8, 16, 64, 512];
        let lines = if number(4, 0) > 0 { vec![number(4, 0)] } else { all.to_vec() };
        let mut times = vec![Vec::new(); lines.len()];
        let mut output = vec![0.0; rows * 512];
        let values: Vec<f32> =
            (0..512 * columns).map(|i| ((i * 7919 % 1009) as f32 - 504.0) / 300.0).collect();
        for round in 0..15 {
            for (lines, times) in lines.iter().zip(&mut times) {
                let mut activations = Activations::default();
                let repeats = (copies / 2).clamp(1, 64_usize.div_ceil(*lines));
                let started = Instant::now();
                for repeat in 0..repeats {
                    activations.set(columns, &values[..lines * columns]);
                    let matrix = matrices[(round * repeats + repeat) % copies];
                    let output = &mut output[..lines * rows];
                    multiply_at(level, &pool, &mut activations, &mut [Product { matrix, output }]);
                }
                times.push(started.elapsed().as_secs_f64() / repeats as f64);
            }
        }
        for (lines, times) in lines.iter().zip(&mut times) {
            times.sort_by(f64::total_cmp);
            let median = times[times.len() / 2];
            let operations = 2.0 * (rows * columns * lines) as f64;
            println!(
                "{:8} {lines:5} {:6.0} {:8.2} {:10.0} {:8.0}",
                format!("{format:?}"),
                operations / median / 1e9,
                size as f64 / median / 1e9,
                median * 1e6,
                times[0] * 1e6
            );
        }
    }
}
