//! Owns products of float matrices with float activations.
//! Uses blocks of rows that become floats once and then meet all activations; vectors as wide as the level has them.
//! Never rounds an activation.

use super::activations::Activations;
use super::{Matrix, Output};
use crate::format::Format;
use crate::level::Level;
use std::cell::RefCell;
use std::ops::Range;

/// Rows that are read at once: with 1536 columns they take 48 KiB, which stay in the second-level cache.
const ROWS: usize = 8;

/// Rows and lines of activations that are multiplied together: sixteen sums, each a vector.
const SIDE: usize = 4;

thread_local! {
    static VALUES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Multiply `rows` of `matrix` with all activations.
///
/// # Safety
/// The machine has `level`, and no other thread writes these rows of the output.
pub(super) unsafe fn multiply(
    level: Level,
    matrix: &Matrix<'_>,
    rows: Range<usize>,
    activations: &Activations,
    output: &Output<'_>,
) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn avx2(
            matrix: &Matrix<'_>,
            rows: Range<usize>,
            activations: &Activations,
            output: &Output<'_>,
        ) {
            // SAFETY: the caller's promise.
            unsafe { body::<Avx2>(matrix, rows, activations, output) };
        }

        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]
        unsafe fn avx512(
            matrix: &Matrix<'_>,
            rows: Range<usize>,
            activations: &Activations,
            output: &Output<'_>,
        ) {
            // SAFETY: the caller's promise.
            unsafe { body::<Avx512>(matrix, rows, activations, output) };
        }

        match level {
            // SAFETY: the caller's promise.
            Level::Avx512 => return unsafe { avx512(matrix, rows, activations, output) },
            // SAFETY: the caller's promise.
            Level::Avx2 | Level::AvxVnni => return unsafe { avx2(matrix, rows, activations, output) },
            Level::Scalar => {}
        }
    }
    let _ = level;
    // SAFETY: the caller's promise.
    unsafe { body::<Plain>(matrix, rows, activations, output) };
}

#[inline(always)]
unsafe fn body<D: Dots>(
    matrix: &Matrix<'_>,
    rows: Range<usize>,
    activations: &Activations,
    output: &Output<'_>,
) {
    let columns = matrix.columns;
    let mut values = VALUES.take();
    values.resize(ROWS * columns, 0.0);
    for first in rows.clone().step_by(ROWS) {
        let count = ROWS.min(rows.end - first);
        for (index, values) in values.chunks_exact_mut(columns).take(count).enumerate() {
            // SAFETY: the caller's promise.
            unsafe { D::read(matrix.format, matrix.row_at(first + index), values) };
        }
        for line in (0..activations.rows()).step_by(SIDE) {
            let lines = SIDE.min(activations.rows() - line);
            for row in (0..count).step_by(SIDE) {
                // Beyond the last one, the last is taken again, and what comes of it is dropped.
                let mut left: [&[f32]; SIDE] = [&[]; SIDE];
                let mut right: [&[f32]; SIDE] = [&[]; SIDE];
                for index in 0..SIDE {
                    left[index] = &values[(row + index).min(count - 1) * columns..][..columns];
                    right[index] = activations.line((line + index).min(line + lines - 1));
                }
                // SAFETY: the caller's promise.
                let sums = unsafe {
                    match lines {
                        1 => D::dots::<1>(&left, &right),
                        2 => D::dots::<2>(&left, &right),
                        _ => D::dots::<SIDE>(&left, &right),
                    }
                };
                for (index, sums) in sums.iter().enumerate().take(lines) {
                    let target = (line + index) * matrix.rows + first + row;
                    // SAFETY: the caller writes these rows alone.
                    unsafe { output.set(target, &sums[..SIDE.min(count - row)]) };
                }
            }
        }
    }
    VALUES.set(values);
}

/// Dot products of four rows with the first `T` of four lines, all of the same length, at some level.
trait Dots {
    /// Read a row of the matrix.
    ///
    /// # Safety
    /// The machine has the level.
    #[inline(always)]
    unsafe fn read(format: Format, bytes: &[u8], values: &mut [f32]) {
        format.read_floats(bytes, values);
    }

    /// `[line][row]`.
    ///
    /// # Safety
    /// The machine has the level.
    unsafe fn dots<const T: usize>(rows: &[&[f32]; SIDE], lines: &[&[f32]; SIDE]) -> [[f32; SIDE]; SIDE];
}

struct Plain;
impl Dots for Plain {
    unsafe fn dots<const T: usize>(rows: &[&[f32]; SIDE], lines: &[&[f32]; SIDE]) -> [[f32; SIDE]; SIDE] {
        let mut results = [[0.0; SIDE]; SIDE];
        for (result, line) in results.iter_mut().zip(lines).take(T) {
            for (result, row) in result.iter_mut().zip(rows) {
                *result = row.iter().zip(*line).map(|(a, b)| a * b).sum();
            }
        }
        results
    }
}

macro_rules! vector_dots {
    ($name:ident, $features:literal, $lanes:literal, $zero:ident, $load:ident, $fused:ident, $store:ident) => {
        #[cfg(target_arch = "x86_64")]
        struct $name;

        #[cfg(target_arch = "x86_64")]
        impl Dots for $name {
            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn read(format: Format, bytes: &[u8], values: &mut [f32]) {
                use std::arch::x86_64::*;
                if format != Format::F16 {
                    return format.read_floats(bytes, values);
                }
                let (values, rest) = values.as_chunks_mut::<8>();
                let (halves, rest_bytes) = bytes.split_at(values.len() * 16);
                for (values, halves) in values.iter_mut().zip(halves.as_chunks::<16>().0) {
                    // SAFETY: eight halves are 16 bytes, eight singles 32.
                    unsafe {
                        let halves = _mm_loadu_si128(halves.as_ptr().cast());
                        _mm256_storeu_ps(values.as_mut_ptr(), _mm256_cvtph_ps(halves));
                    }
                }
                format.read_floats(rest_bytes, rest);
            }

            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn dots<const T: usize>(
                rows: &[&[f32]; SIDE],
                lines: &[&[f32]; SIDE],
            ) -> [[f32; SIDE]; SIDE] {
                use std::arch::x86_64::*;
                let columns = rows[0].len();
                for index in 0..SIDE {
                    assert!(rows[index].len() == columns && lines[index].len() == columns);
                }
                let whole = columns / $lanes * $lanes;
                let mut sums = [[$zero(); SIDE]; T];
                for from in (0..whole).step_by($lanes) {
                    // SAFETY: all have at least `whole` numbers.
                    unsafe {
                        let mut left = [$zero(); SIDE];
                        for row in 0..SIDE {
                            left[row] = $load(rows[row].as_ptr().add(from));
                        }
                        for line in 0..T {
                            let right = $load(lines[line].as_ptr().add(from));
                            for row in 0..SIDE {
                                sums[line][row] = $fused(left[row], right, sums[line][row]);
                            }
                        }
                    }
                }
                let mut results = [[0.0; SIDE]; SIDE];
                for line in 0..T {
                    for row in 0..SIDE {
                        let mut lanes = [0.0; $lanes];
                        // SAFETY: there is room for a vector.
                        unsafe { $store(lanes.as_mut_ptr(), sums[line][row]) };
                        let rest: f32 = (whole..columns).map(|at| rows[row][at] * lines[line][at]).sum();
                        results[line][row] = lanes.iter().sum::<f32>() + rest;
                    }
                }
                results
            }
        }
    };
}

vector_dots!(Avx2, "avx2,fma,f16c", 8, _mm256_setzero_ps, _mm256_loadu_ps, _mm256_fmadd_ps, _mm256_storeu_ps);
vector_dots!(
    Avx512,
    "avx512f,fma",
    16,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm512_fmadd_ps,
    _mm512_storeu_ps
);
