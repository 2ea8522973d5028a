//! Owns products of a matrix with one line of activations.
//! Uses the bytes of a row from front to back, once: such a product is bound by memory.
//! Never unpacks more than a block.

use super::super::activations::Tile;
use super::super::{Matrix, Output};
use super::wide::Wide;
use std::arch::x86_64::*;
use std::ops::Range;

/// How far ahead of the reading memory is asked for. The hardware does it too, but stops at the end of a page.
const AHEAD: usize = 2048;

/// Multiply `rows` of `matrix` with one line.
///
/// # Safety
/// The machine has AVX-512 F, BW, DQ, VL and VNNI, and no other thread writes these rows of the output.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(super) unsafe fn multiply<L: Wide>(
    matrix: &Matrix<'_>,
    rows: Range<usize>,
    line: &Tile<'_>,
    output: &Output<'_>,
) {
    for row in rows {
        // SAFETY: the machine has the instructions, and the caller writes this row alone.
        unsafe {
            let bytes = matrix.row_at(row);
            let sum = if L::LEN == 256 { dot_256::<L>(bytes, line) } else { dot_32::<L>(bytes, line) };
            output.set(row, &[sum]);
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
unsafe fn dot_256<L: Wide>(row: &[u8], line: &Tile<'_>) -> f32 {
    let blocks = row.len() / L::BYTES;
    let levels = &line.levels()[..blocks * 64];
    let sums = &line.negative_sums()[..blocks * 16];
    let scales = &line.scales()[..blocks];
    let mut total = _mm512_setzero_ps();
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
    for number in 0..blocks {
        // SAFETY: the row has this many blocks, and the line 256 levels and 16 sums for each.
        unsafe {
            let block = row.as_ptr().add(number * L::BYTES);
            prefetch::<L>(block, 1);
            let weights = L::block(block);
            let groups = L::groups(block);
            let factors = _mm512_cvtepi32_ps(groups.scales);
            let mut value = _mm512_setzero_ps();
            for (part, weights) in weights.into_iter().enumerate() {
                let activations = _mm512_loadu_si512(levels.as_ptr().add(number * 64 + part * 16).cast());
                let dots = _mm512_dpbusd_epi32(_mm512_setzero_si512(), weights, activations);
                let index = _mm512_add_epi32(index, _mm512_set1_epi32((part * (64 / L::GROUP)) as i32));
                value =
                    _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), _mm512_permutexvar_ps(index, factors), value);
            }
            let sums = _mm512_cvtepi32_ps(_mm512_loadu_si512(sums.as_ptr().add(number * 16).cast()));
            if L::OFFSET > 0 {
                let factors = _mm512_permutexvar_ps(spread, factors);
                let offset = _mm512_mul_ps(factors, _mm512_set1_ps(f32::from(L::OFFSET)));
                value = _mm512_fmadd_ps(sums, offset, value);
            }
            let scale = f32::from_bits(scales[number]);
            total = _mm512_fmadd_ps(value, _mm512_set1_ps(scale * groups.scale), total);
            if L::MINIMA {
                let minima = _mm512_permutexvar_ps(spread, _mm512_cvtepi32_ps(groups.minima));
                let value = _mm512_mul_ps(sums, minima);
                total = _mm512_fmadd_ps(value, _mm512_set1_ps(scale * groups.minimum), total);
            }
        }
    }
    _mm512_reduce_add_ps(total)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn dot_32<L: Wide>(row: &[u8], line: &Tile<'_>) -> f32 {
    let blocks = row.len() / L::BYTES;
    let levels = &line.levels()[..blocks * 8];
    let scales = &line.scales()[..blocks];
    let products = &line.products()[..blocks];
    let index = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    let offset = _mm_set1_ps(f32::from(L::OFFSET));
    let (mut total, mut rest) = (_mm512_setzero_ps(), _mm_setzero_ps());
    for number in (0..blocks).step_by(2) {
        // SAFETY: the row has this many blocks, and the line 32 levels, a scale and a product for each. Where the
        // second block of a pair is missing, its activations are read as zero.
        unsafe {
            let first = row.as_ptr().add(number * L::BYTES);
            let (second, mask) = if number + 1 < blocks { (first.add(L::BYTES), 3) } else { (first, 1) };
            prefetch::<L>(first, 2);
            let weights = L::pair(first, second);
            let (factors, minima) = L::pair_factors(first, second);
            let lanes = if mask == 3 { 0xffff } else { 0x00ff };
            let activations = _mm512_maskz_loadu_epi32(lanes, levels.as_ptr().add(number * 8).cast());
            let scales = _mm_maskz_loadu_ps(mask, scales.as_ptr().add(number).cast());
            let products = _mm_maskz_loadu_ps(mask, products.as_ptr().add(number).cast());
            let dots = _mm512_dpbusd_epi32(_mm512_setzero_si512(), weights, activations);
            let both = _mm512_castps128_ps512(_mm_mul_ps(factors, scales));
            let both = _mm512_permutexvar_ps(index, both);
            total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), both, total);
            if L::OFFSET > 0 {
                rest = _mm_fmadd_ps(_mm_mul_ps(factors, offset), products, rest);
            }
            if L::MINIMA {
                rest = _mm_fmadd_ps(minima, products, rest);
            }
        }
    }
    let rest = _mm512_maskz_mov_ps(3, _mm512_castps128_ps512(rest));
    _mm512_reduce_add_ps(_mm512_sub_ps(total, rest))
}
