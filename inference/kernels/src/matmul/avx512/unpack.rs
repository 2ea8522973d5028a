//! Owns the way from a file's blocks to a tile: sixteen rows, one a lane.
//! Uses the layouts' own readers, compiled for this level, and transpositions in registers.
//! Never multiplies.

use super::super::Matrix;
use super::super::scratch::{Row, Scratch, TILE};
use super::wide::Wide;
use std::arch::x86_64::*;
use std::ops::Range;

/// How far ahead of the reading memory is asked for: in short rows this is in one of the next, in long ones in one of
/// the next chunks of columns.
const AHEAD: usize = 4096;

/// Unpack `columns` of the rows from `first` on. Lanes beyond the last row repeat it.
///
/// # Safety
/// The machine has AVX-512 F, BW, DQ, VL and F16C.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(super) unsafe fn unpack<L: Wide>(
    matrix: &Matrix<'_>,
    first: usize,
    columns: Range<usize>,
    scratch: &mut Scratch,
) {
    // Row after row, as they lie in memory. Sixteen rows side by side would be too many streams for the hardware to
    // foresee: that was measured three times slower with four lines of activations.
    for (lane, target) in scratch.rows.iter_mut().enumerate() {
        let row = matrix.row_at((first + lane).min(matrix.rows - 1));
        let bytes = &row[columns.start / L::LEN * L::BYTES..columns.end / L::LEN * L::BYTES];
        for line in (0..bytes.len()).step_by(64) {
            // An address is only a hint and may lie outside of the matrix.
            _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(AHEAD + line).cast());
        }
        // SAFETY: the machine has the instructions.
        unsafe {
            if L::LEN == 256 {
                read_256::<L>(bytes, target);
            } else {
                read_32::<L>(bytes, target);
            }
        }
    }
    let rows = scratch.rows.as_ptr();
    let (blocks, groups) = (columns.len() / L::LEN, columns.len() / L::GROUP);
    // SAFETY: every part of a row and of the scratch has room for whole sixteens: a chunk is a multiple of 512.
    unsafe {
        turn(&raw const (*rows).levels, scratch.levels.as_mut_ptr().cast(), columns.len() / 4);
        turn(&raw const (*rows).scales, scratch.scales.as_mut_ptr().cast(), groups);
        if L::MINIMA {
            turn(&raw const (*rows).minimum, scratch.minimum.as_mut_ptr().cast(), blocks);
            if L::LEN == 256 {
                turn(&raw const (*rows).minima, scratch.minima.as_mut_ptr().cast(), groups / 2);
            }
        }
    }
}

/// # Safety
/// As for [`unpack`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn read_256<L: Wide>(bytes: &[u8], row: &mut Row) {
    let count = 256 / L::GROUP;
    let levels = row.levels.as_chunks_mut::<64>().0.as_chunks_mut::<4>().0;
    for (index, (block, levels)) in bytes.chunks_exact(L::BYTES).zip(levels).enumerate() {
        // SAFETY: a whole block is there; 64 levels are one register, 16 scales are one.
        unsafe {
            for (target, levels) in levels.iter_mut().zip(L::block(block.as_ptr())) {
                _mm512_storeu_si512(target.as_mut_ptr().cast(), levels);
            }
            let groups = L::groups(block.as_ptr());
            let scales = _mm512_mul_ps(_mm512_cvtepi32_ps(groups.scales), _mm512_set1_ps(groups.scale));
            let mask = if count == 16 { 0xffff } else { 0x00ff };
            let target = &mut row.scales[index * count..(index + 1) * count];
            _mm512_mask_storeu_ps(target.as_mut_ptr(), mask, scales);
            if L::MINIMA {
                row.minimum[index] = groups.minimum;
                let minima = _mm512_cvtepi32_epi16(groups.minima);
                let target = &mut row.minima[index * count / 2..(index + 1) * count / 2];
                _mm256_mask_storeu_epi16(target.as_mut_ptr().cast(), mask, minima);
            }
        }
    }
}

/// # Safety
/// As for [`unpack`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn read_32<L: Wide>(bytes: &[u8], row: &mut Row) {
    let levels = row.levels.as_chunks_mut::<64>().0;
    let scales = row.scales.as_chunks_mut::<2>().0;
    let minima = row.minimum.as_chunks_mut::<2>().0;
    let targets = levels.iter_mut().zip(scales).zip(minima);
    for (pair, ((levels, scales), minima)) in bytes.chunks(2 * L::BYTES).zip(targets) {
        let first = pair.as_ptr();
        // A missing second block repeats the first: nobody uses what becomes of it.
        let second = if pair.len() > L::BYTES { first.wrapping_add(L::BYTES) } else { first };
        // SAFETY: the blocks are there; 64 levels are one register; two floats are half of one.
        unsafe {
            _mm512_storeu_si512(levels.as_mut_ptr().cast(), L::pair(first, second));
            let (factors, minimum) = L::pair_factors(first, second);
            _mm_storel_epi64(scales.as_mut_ptr().cast(), _mm_castps_si128(factors));
            if L::MINIMA {
                _mm_storel_epi64(minima.as_mut_ptr().cast(), _mm_castps_si128(minimum));
            }
        }
    }
}

/// Turn `len` words of each of sixteen [`Row`]s into lanes. Whole sixteens are read and written.
///
/// # Safety
/// `source` points into the first of sixteen rows, and both sides have room.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn turn<T>(source: *const T, target: *mut __m512i, len: usize) {
    for from in (0..len).step_by(16) {
        let mut values = [_mm512_setzero_si512(); TILE];
        for lane in 0..TILE {
            // SAFETY: the same place in the next row is a row further.
            values[lane] =
                unsafe { _mm512_loadu_si512(source.byte_add(lane * size_of::<Row>() + from * 4).cast()) };
        }
        let values = transposed(values);
        for word in 0..16 {
            // SAFETY: lanes are aligned to 64 bytes, and there is room.
            unsafe { _mm512_store_si512(target.add(from + word), values[word]) };
        }
    }
}

/// Sixteen words of sixteen rows, turned: row `i` of the result has word `i` of every row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn transposed(rows: [__m512i; 16]) -> [__m512i; 16] {
    let zero = _mm512_setzero_si512();
    // quads[j][i], in its 128-bit part l: word 4 l + j of the rows 4 i to 4 i + 3.
    let mut quads = [[zero; 4]; 4];
    for i in 0..4 {
        let low = _mm512_unpacklo_epi32(rows[4 * i], rows[4 * i + 1]);
        let high = _mm512_unpackhi_epi32(rows[4 * i], rows[4 * i + 1]);
        let next_low = _mm512_unpacklo_epi32(rows[4 * i + 2], rows[4 * i + 3]);
        let next_high = _mm512_unpackhi_epi32(rows[4 * i + 2], rows[4 * i + 3]);
        quads[0][i] = _mm512_unpacklo_epi64(low, next_low);
        quads[1][i] = _mm512_unpackhi_epi64(low, next_low);
        quads[2][i] = _mm512_unpacklo_epi64(high, next_high);
        quads[3][i] = _mm512_unpackhi_epi64(high, next_high);
    }
    let mut result = [zero; 16];
    for j in 0..4 {
        let [a, b, c, d] = quads[j];
        let front = _mm512_shuffle_i32x4::<0x44>(a, b);
        let front_next = _mm512_shuffle_i32x4::<0x44>(c, d);
        let back = _mm512_shuffle_i32x4::<0xee>(a, b);
        let back_next = _mm512_shuffle_i32x4::<0xee>(c, d);
        result[j] = _mm512_shuffle_i32x4::<0x88>(front, front_next);
        result[4 + j] = _mm512_shuffle_i32x4::<0xdd>(front, front_next);
        result[8 + j] = _mm512_shuffle_i32x4::<0x88>(back, back_next);
        result[12 + j] = _mm512_shuffle_i32x4::<0xdd>(back, back_next);
    }
    result
}
