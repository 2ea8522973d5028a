//! Owns products with AVX2.
//! Uses tiles of 16 rows, one row a lane, for many lines of activations; for few, rows that meet four lines at a time.
//! Never saturates: bytes above 127 are multiplied as magnitudes, with their sign moved to the activations.

mod narrow;
mod tiles;
mod unpack;

use super::activations::{Activations, Quantised};
use super::{Matrix, Output};
use crate::format::{Layout, with_layout};
use crate::level::Level;
use narrow::Narrow;
use std::arch::x86_64::*;
use std::cell::RefCell;
use std::ops::Range;

/// Lines of activations that are multiplied together.
const SIDE: usize = 4;

/// A row as it is multiplied.
#[derive(Debug, Default)]
struct Row {
    /// `[column]`: unsigned levels, or signed ones where the format reaches above 127.
    levels: Vec<u8>,
    /// `[columns / 16]`, for blocks of 256.
    scales: Vec<i16>,
    /// `[columns / 16]`: what a negative sum of 16 activations is multiplied with, for blocks of 256.
    offsets: Vec<f32>,
    /// `[block]`: scales.
    scale: Vec<f32>,
    /// `[block]`: what a product of scale and sum is multiplied with, for blocks of 32.
    minimum: Vec<f32>,
}

thread_local! {
    static ROW: RefCell<Row> = RefCell::default();
}

/// Multiply `rows` of `matrix` with all activations.
///
/// # Safety
/// The machine has `level`, which is AVX2 with or without AVX-VNNI, and no other thread writes these rows of the output.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn multiply(
    level: Level,
    matrix: &Matrix<'_>,
    rows: Range<usize>,
    activations: &Activations,
    output: &Output<'_>,
) {
    // SAFETY: the caller's promise is that of each of these.
    unsafe {
        with_layout!(
            matrix.format,
            L => {
                let quantised = activations.quantised(L::LEN);
                if quantised.tiles() == quantised.rows() {
                    multiply_rows::<L>(matrix, rows, quantised, output);
                } else {
                    tiles::multiply::<L>(level, matrix, rows, quantised, output);
                }
            },
            float => super::float::multiply(Level::Avx2, matrix, rows, activations, output)
        );
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn multiply_rows<L: Narrow>(
    matrix: &Matrix<'_>,
    rows: Range<usize>,
    activations: &Quantised,
    output: &Output<'_>,
) {
    let mut row = ROW.take();
    row.levels.resize(matrix.columns, 0);
    row.scales.resize(matrix.columns / 16, 0);
    row.offsets.resize(matrix.columns / 16, 0.0);
    row.scale.resize(matrix.columns / L::LEN, 0.0);
    row.minimum.resize(matrix.columns / L::LEN, 0.0);
    for index in rows {
        // SAFETY: the machine has the instructions; the caller writes this row alone.
        unsafe {
            read::<L>(matrix.row_at(index), &mut row);
            let mut line = 0;
            while line < activations.rows() {
                let count = SIDE.min(activations.rows() - line);
                let mut sums = [0.0; SIDE];
                match count {
                    1 => sums[..1].copy_from_slice(&dots::<L, 1>(&row, activations, line)),
                    2 => sums[..2].copy_from_slice(&dots::<L, 2>(&row, activations, line)),
                    3 => sums[..3].copy_from_slice(&dots::<L, 3>(&row, activations, line)),
                    _ => sums = dots::<L, SIDE>(&row, activations, line),
                }
                for (offset, sum) in sums[..count].iter().enumerate() {
                    output.set((line + offset) * matrix.rows + index, &[*sum]);
                }
                line += count;
            }
        }
    }
    ROW.set(row);
}

/// Whether levels reach above 127, where two products of bytes no longer fit 16 bits.
fn signed<L: Layout>() -> bool {
    L::SHIFT == 7
}

/// Read a row.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn read<L: Narrow>(bytes: &[u8], row: &mut Row) {
    let blocks = bytes.chunks_exact(L::BYTES).zip(row.levels.chunks_exact_mut(L::LEN));
    for (index, (block, levels)) in blocks.enumerate() {
        // SAFETY: the machine has the instructions.
        unsafe { L::read_levels(block, levels) };
        if L::LEN == 32 {
            // SAFETY: the machine has the instructions.
            let (scale, minimum) = unsafe { L::scale_and_minimum(block) };
            let offset = if signed::<L>() { 0.0 } else { f32::from(L::OFFSET) };
            row.scale[index] = scale;
            row.minimum[index] = scale * offset + minimum;
            continue;
        }
        let factors = L::factors(block);
        row.scale[index] = factors.scale;
        let scales = &mut row.scales[index * 16..(index + 1) * 16];
        let offsets = &mut row.offsets[index * 16..(index + 1) * 16];
        let (values, factor) = if L::MINIMA {
            (&factors.minima, factors.minimum)
        } else {
            (&factors.scales, if signed::<L>() { 0.0 } else { factors.scale * f32::from(L::OFFSET) })
        };
        // SAFETY: sixteen i16 are one register, sixteen floats two.
        unsafe {
            _mm256_storeu_si256(scales.as_mut_ptr().cast(), spread::<L>(&factors.scales));
            let values = spread::<L>(values);
            let halves = [_mm256_castsi256_si128(values), _mm256_extracti128_si256::<1>(values)];
            for (half, target) in halves.into_iter().zip(offsets.as_chunks_mut::<8>().0) {
                let floats = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(half));
                _mm256_storeu_ps(target.as_mut_ptr(), _mm256_mul_ps(floats, _mm256_set1_ps(factor)));
            }
        }
    }
    if signed::<L>() {
        // 128 less: signed bytes.
        for level in row.levels.iter_mut() {
            *level ^= 128;
        }
    }
}

/// One value for each 16 numbers of a block.
#[inline]
#[target_feature(enable = "avx2")]
fn spread<L: Layout>(values: &[i16; 16]) -> __m256i {
    // SAFETY: sixteen i16 are one register.
    let values = unsafe { _mm256_loadu_si256(values.as_ptr().cast()) };
    if L::GROUP == 16 {
        return values;
    }
    // Of eight values each one twice.
    let eight = _mm256_castsi256_si128(values);
    _mm256_set_m128i(_mm_unpackhi_epi16(eight, eight), _mm_unpacklo_epi16(eight, eight))
}

/// Dot products of a row with `T` lines.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn dots<L: Layout, const T: usize>(row: &Row, activations: &Quantised, first: usize) -> [f32; T] {
    let columns = row.levels.len();
    let blocks = columns / L::LEN;
    let (group, rest) = if L::LEN == 256 { (16, 0) } else { (32, blocks) };
    let mut levels = [std::ptr::null::<u8>(); T];
    let mut scales = [std::ptr::null::<f32>(); T];
    let mut sums = [std::ptr::null::<i32>(); T];
    let mut products = [std::ptr::null::<f32>(); T];
    for t in 0..T {
        let tile = activations.tile(first + t);
        assert!(tile.rows == 1, "a line is a tile of its own at this level");
        levels[t] = tile.levels()[..columns / 4].as_ptr().cast();
        scales[t] = tile.scales()[..blocks].as_ptr().cast();
        sums[t] = tile.negative_sums()[..columns / group].as_ptr().cast();
        products[t] = tile.products()[..rest].as_ptr().cast();
    }
    let ones = _mm256_set1_epi16(1);
    let mut totals = [_mm256_setzero_ps(); T];
    let mut rests = [0.0; T];
    for block in 0..blocks {
        // SAFETY: the row and the lines have this many blocks; their parts have the lengths that were just checked.
        unsafe {
            let mut dots = [_mm256_setzero_si256(); T];
            for part in 0..L::LEN / 32 {
                let at = block * L::LEN + part * 32;
                let weights = _mm256_loadu_si256(row.levels.as_ptr().add(at).cast());
                let magnitudes = if signed::<L>() { _mm256_abs_epi8(weights) } else { weights };
                let factors = if L::LEN == 256 {
                    let scales = row.scales.as_ptr().add(at / 16);
                    _mm256_set_m128i(_mm_set1_epi16(*scales.add(1)), _mm_set1_epi16(*scales))
                } else {
                    ones
                };
                for t in 0..T {
                    let mut values = _mm256_loadu_si256(levels[t].add(at).cast());
                    if signed::<L>() {
                        values = _mm256_sign_epi8(values, weights);
                    }
                    let pairs = _mm256_maddubs_epi16(magnitudes, values);
                    dots[t] = _mm256_add_epi32(dots[t], _mm256_madd_epi16(pairs, factors));
                }
            }
            let scale = _mm256_set1_ps(row.scale[block]);
            for t in 0..T {
                let mut value = _mm256_mul_ps(_mm256_cvtepi32_ps(dots[t]), scale);
                if L::LEN == 256 {
                    for half in 0..2 {
                        let at = block * 16 + half * 8;
                        let sums = _mm256_cvtepi32_ps(_mm256_loadu_si256(sums[t].add(at).cast()));
                        let offsets = _mm256_loadu_ps(row.offsets.as_ptr().add(at));
                        value = _mm256_fmadd_ps(sums, offsets, value);
                    }
                } else {
                    rests[t] += row.minimum[block] * *products[t].add(block);
                }
                totals[t] = _mm256_fmadd_ps(value, _mm256_set1_ps(*scales[t].add(block)), totals[t]);
            }
        }
    }
    let mut results = [0.0; T];
    for t in 0..T {
        let mut lanes = [0.0; 8];
        // SAFETY: there is room for a vector.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), totals[t]) };
        results[t] = lanes.iter().sum::<f32>() - rests[t];
    }
    results
}
