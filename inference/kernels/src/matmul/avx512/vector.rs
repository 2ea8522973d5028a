//! Owns products of a matrix with a few lines of activations.
//! Uses the bytes of a row from front to back, once: such a product is bound by memory.
//! Never unpacks more than a block.

use super::super::activations::{Quantised, Tile};
use super::super::{Matrix, Output};
use super::wide::Wide;
use std::arch::x86_64::*;
use std::ops::Range;

/// How far ahead of the reading memory is asked for. The hardware does it too, but stops at the end of a page.
const AHEAD: usize = 2048;

/// Multiply `rows` of `matrix` with up to [`FEW_ROWS`](super::super::activations::FEW_ROWS) lines, each a tile.
///
/// # Safety
/// The machine has AVX-512 F, BW, DQ, VL and VNNI, and no other thread writes these rows of the output.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(super) unsafe fn multiply<L: Wide>(
    matrix: &Matrix<'_>,
    rows: Range<usize>,
    activations: &Quantised,
    output: &Output<'_>,
) {
    macro_rules! with_lines {
        ($($lines:literal)*) => {
            match activations.rows() {
                // SAFETY: the caller's promise is that of this.
                $($lines => unsafe {
                    let lines: [Tile<'_>; $lines] = std::array::from_fn(|index| activations.tile(index));
                    few::<L, $lines>(matrix, rows, &lines, output);
                })*
                _ => unreachable!("more lines are multiplied in tiles"),
            }
        };
    }
    with_lines!(1 2 3 4 5 6);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn few<L: Wide, const T: usize>(
    matrix: &Matrix<'_>,
    rows: Range<usize>,
    lines: &[Tile<'_>; T],
    output: &Output<'_>,
) {
    for row in rows {
        // SAFETY: the machine has the instructions, and the caller writes this row alone.
        unsafe {
            let bytes = matrix.row_at(row);
            let sums =
                if L::LEN == 256 { dot_256::<L, T>(bytes, lines) } else { dot_32::<L, T>(bytes, lines) };
            for t in 0..T {
                output.set(t * matrix.rows + row, &[sums[t]]);
            }
        }
    }
}

/// Ask for the memory that the block at `at` will be followed by.
#[inline]
#[target_feature(enable = "avx512f")]
fn prefetch<L: Wide>(at: *const u8, len: usize) {
    for line in (0..len * L::BYTES).step_by(64) {
        // An address is only a hint and may lie outside of the matrix.
        _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(AHEAD + line).cast());
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn dot_256<L: Wide, const T: usize>(row: &[u8], lines: &[Tile<'_>; T]) -> [f32; T] {
    let blocks = row.len() / L::BYTES;
    let mut totals = [_mm512_setzero_ps(); T];
    // Which group a lane of a quarter belongs to, and a sum of 16 activations.
    let (index, spread) = if L::GROUP == 16 {
        (
            _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3),
            _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
        )
    } else {
        (
            _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1),
            _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7),
        )
    };
    let mut levels = [std::ptr::null(); T];
    let mut sums = [std::ptr::null(); T];
    let mut scales = [std::ptr::null::<f32>(); T];
    for t in 0..T {
        levels[t] = lines[t].levels()[..blocks * 64].as_ptr();
        sums[t] = lines[t].negative_sums()[..blocks * 16].as_ptr();
        scales[t] = lines[t].scales()[..blocks].as_ptr().cast();
    }
    for number in 0..blocks {
        // SAFETY: the row has this many blocks, and each line 256 levels, 16 sums and a scale for each.
        unsafe {
            let block = row.as_ptr().add(number * L::BYTES);
            prefetch::<L>(block, 1);
            let weights = L::block(block);
            let groups = L::groups(block);
            let factors = _mm512_cvtepi32_ps(groups.scales);
            let mut values = [_mm512_setzero_ps(); T];
            for part in 0..4 {
                let index = _mm512_add_epi32(index, _mm512_set1_epi32((part * (64 / L::GROUP)) as i32));
                let factors = _mm512_permutexvar_ps(index, factors);
                for t in 0..T {
                    let activations = _mm512_loadu_si512(levels[t].add(number * 64 + part * 16).cast());
                    let dots = _mm512_dpbusd_epi32(_mm512_setzero_si512(), weights[part], activations);
                    values[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), factors, values[t]);
                }
            }
            // What is added for each activation: the level that stands for zero, or a minimum.
            let offsets = if L::OFFSET > 0 {
                let factors = _mm512_permutexvar_ps(spread, factors);
                _mm512_mul_ps(factors, _mm512_set1_ps(groups.scale * f32::from(L::OFFSET)))
            } else {
                let minima = _mm512_permutexvar_ps(spread, _mm512_cvtepi32_ps(groups.minima));
                _mm512_mul_ps(minima, _mm512_set1_ps(groups.minimum))
            };
            let scale = _mm512_set1_ps(groups.scale);
            for t in 0..T {
                let sums = _mm512_cvtepi32_ps(_mm512_loadu_si512(sums[t].add(number * 16).cast()));
                let value = _mm512_fmadd_ps(values[t], scale, _mm512_mul_ps(sums, offsets));
                totals[t] = _mm512_fmadd_ps(value, _mm512_set1_ps(*scales[t].add(number)), totals[t]);
            }
        }
    }
    let mut results = [0.0; T];
    for t in 0..T {
        results[t] = _mm512_reduce_add_ps(totals[t]);
    }
    results
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn dot_32<L: Wide, const T: usize>(row: &[u8], lines: &[Tile<'_>; T]) -> [f32; T] {
    let blocks = row.len() / L::BYTES;
    let index = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    let offset = _mm_set1_ps(f32::from(L::OFFSET));
    let mut totals = [_mm512_setzero_ps(); T];
    let mut rests = [_mm_setzero_ps(); T];
    let mut levels = [std::ptr::null(); T];
    let mut scales = [std::ptr::null(); T];
    let mut products = [std::ptr::null(); T];
    for t in 0..T {
        levels[t] = lines[t].levels()[..blocks * 8].as_ptr();
        scales[t] = lines[t].scales()[..blocks].as_ptr();
        products[t] = lines[t].products()[..blocks].as_ptr();
    }
    for number in (0..blocks).step_by(2) {
        // SAFETY: the row has this many blocks, and each line 32 levels, a scale and a product for each. Where the
        // second block of a pair is missing, its activations are read as zero.
        unsafe {
            let first = row.as_ptr().add(number * L::BYTES);
            let (second, mask) = if number + 1 < blocks { (first.add(L::BYTES), 3) } else { (first, 1) };
            prefetch::<L>(first, 2);
            let weights = L::pair(first, second);
            let (factors, minima) = L::pair_factors(first, second);
            let lanes = if mask == 3 { 0xffff } else { 0x00ff };
            let offsets = _mm_fmadd_ps(factors, offset, minima);
            for t in 0..T {
                let activations = _mm512_maskz_loadu_epi32(lanes, levels[t].add(number * 8).cast());
                let scales = _mm_maskz_loadu_ps(mask, scales[t].add(number).cast());
                let products = _mm_maskz_loadu_ps(mask, products[t].add(number).cast());
                let dots = _mm512_dpbusd_epi32(_mm512_setzero_si512(), weights, activations);
                let both = _mm512_castps128_ps512(_mm_mul_ps(factors, scales));
                let both = _mm512_permutexvar_ps(index, both);
                totals[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), both, totals[t]);
                rests[t] = _mm_fmadd_ps(offsets, products, rests[t]);
            }
        }
    }
    let mut results = [0.0; T];
    for t in 0..T {
        let rest = _mm512_maskz_mov_ps(3, _mm512_castps128_ps512(rests[t]));
        results[t] = _mm512_reduce_add_ps(_mm512_sub_ps(totals[t], rest));
    }
    results
}
