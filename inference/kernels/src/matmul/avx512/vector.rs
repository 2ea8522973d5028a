//! Owns products of a matrix with one line of activations.
//! Uses the bytes of a row from front to back, once: such a product is bound by memory.
//! Never unpacks more than a block.

use super::super::activations::Tile;
use super::super::{Matrix, Output};
use crate::format::{LARGEST_BLOCK, Layout};
use std::arch::x86_64::*;
use std::ops::Range;

/// Multiply `rows` of `matrix` with one line.
///
/// # Safety
/// The machine has AVX-512 F, BW, DQ, VL and VNNI, and no other thread writes these rows of the output.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(super) unsafe fn multiply<L: Layout>(
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

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn dot_256<L: Layout>(row: &[u8], line: &Tile<'_>) -> f32 {
    let mut levels = [0_u8; LARGEST_BLOCK];
    let activations = line.levels().as_chunks::<64>().0;
    let sums = line.negative_sums().as_chunks::<16>().0;
    let mut total = _mm512_setzero_ps();
    let blocks = row.chunks_exact(L::BYTES).zip(activations).zip(sums).zip(line.scales());
    for (((block, activations), sums), scale) in blocks {
        L::levels(block, &mut levels);
        let factors = L::factors(block);
        // SAFETY: sixteen i16 are 32 bytes; a block has 256 levels and activations, and 16 sums.
        unsafe {
            let scales = _mm512_cvtepi16_epi32(_mm256_loadu_si256(factors.scales.as_ptr().cast()));
            let scales = _mm512_cvtepi32_ps(scales);
            let sums = _mm512_cvtepi32_ps(_mm512_loadu_si512(sums.as_ptr().cast()));
            let each = if L::GROUP == 16 { 4 } else { 8 };
            // Lane i of the sums belongs to 16 numbers.
            let spread = if L::GROUP == 16 {
                _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
            } else {
                _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7)
            };
            let mut value = _mm512_setzero_ps();
            for strip in 0..4 {
                let levels = _mm512_loadu_si512(levels.as_ptr().add(strip * 64).cast());
                let activations = _mm512_loadu_si512(activations.as_ptr().add(strip * 16).cast());
                let dots = _mm512_dpbusd_epi32(_mm512_setzero_si512(), levels, activations);
                let first = (strip * (64 / L::GROUP)) as i32;
                let index = if each == 4 {
                    _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3)
                } else {
                    _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1)
                };
                let index = _mm512_add_epi32(index, _mm512_set1_epi32(first));
                value =
                    _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), _mm512_permutexvar_ps(index, scales), value);
            }
            if L::OFFSET > 0 {
                let offset = _mm512_mul_ps(sums, _mm512_set1_ps(f32::from(L::OFFSET)));
                value = _mm512_fmadd_ps(offset, _mm512_permutexvar_ps(spread, scales), value);
            }
            value = _mm512_mul_ps(value, _mm512_set1_ps(factors.scale));
            if L::MINIMA {
                let minima = _mm512_cvtepi16_epi32(_mm256_loadu_si256(factors.minima.as_ptr().cast()));
                let minima = _mm512_permutexvar_ps(spread, _mm512_cvtepi32_ps(minima));
                let minima = _mm512_mul_ps(minima, _mm512_set1_ps(factors.minimum));
                value = _mm512_fmadd_ps(sums, minima, value);
            }
            total = _mm512_fmadd_ps(value, _mm512_set1_ps(f32::from_bits(*scale)), total);
        }
    }
    _mm512_reduce_add_ps(total)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn dot_32<L: Layout>(row: &[u8], line: &Tile<'_>) -> f32 {
    let mut levels = [0_u8; 32];
    let activations = line.levels().as_chunks::<8>().0;
    let mut total = _mm256_setzero_ps();
    let mut rest = 0.0;
    let blocks = row.chunks_exact(L::BYTES).zip(activations).zip(line.scales()).zip(line.products());
    for (((block, activations), scale), product) in blocks {
        L::levels(block, &mut levels);
        let factors = L::factors(block);
        // SAFETY: 32 levels and activations are 32 bytes each.
        unsafe {
            let levels = _mm256_loadu_si256(levels.as_ptr().cast());
            let activations = _mm256_loadu_si256(activations.as_ptr().cast());
            let dots = _mm256_dpbusd_epi32(_mm256_setzero_si256(), levels, activations);
            let scale = _mm256_set1_ps(f32::from_bits(*scale) * factors.scale);
            total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), scale, total);
        }
        rest += f32::from_bits(*product) * (factors.scale * f32::from(L::OFFSET) + factors.minimum);
    }
    let total = _mm512_zextps256_ps512(total);
    _mm512_reduce_add_ps(total) - rest
}
