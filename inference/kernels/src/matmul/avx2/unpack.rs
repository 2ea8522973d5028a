//! Owns the way from a file's blocks to a tile: sixteen rows, one a lane of two registers.
//! Uses the readers of blocks, and transpositions in registers.
//! Never multiplies.

use super::super::Matrix;
use super::super::scratch::{Row, Scratch, TILE};
use super::narrow::Narrow;
use std::arch::x86_64::*;
use std::ops::Range;

/// How far ahead of the reading memory is asked for: in short rows this is in one of the next, in long ones in one of
/// the next chunks of columns.
const AHEAD: usize = 4096;

/// Unpack `columns` of the rows from `first` on. Lanes beyond the last row repeat it.
///
/// # Safety
/// The machine has AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn unpack<L: Narrow>(
    matrix: &Matrix<'_>,
    first: usize,
    columns: Range<usize>,
    scratch: &mut Scratch,
) {
    for (lane, target) in scratch.rows.iter_mut().enumerate() {
        let row = matrix.row_at((first + lane).min(matrix.rows - 1));
        let bytes = &row[columns.start / L::LEN * L::BYTES..columns.end / L::LEN * L::BYTES];
        for line in (0..bytes.len()).step_by(64) {
            // An address is only a hint and may lie outside of the matrix.
            _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(AHEAD + line).cast());
        }
        // SAFETY: the machine has the instructions.
        unsafe { read::<L>(bytes, target) };
    }
    let rows = scratch.rows.as_ptr();
    let (blocks, groups) = (columns.len() / L::LEN, columns.len() / L::GROUP);
    // SAFETY: every part of a row and of the scratch has room for whole eights: a chunk is a multiple of 256.
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
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn read<L: Narrow>(bytes: &[u8], row: &mut Row) {
    let groups = L::LEN / L::GROUP;
    let blocks = bytes.chunks_exact(L::BYTES).zip(row.levels.chunks_exact_mut(L::LEN));
    for (index, (block, levels)) in blocks.enumerate() {
        // SAFETY: the machine has the instructions.
        unsafe { L::read_levels(block, levels) };
        if L::LEN == 32 {
            // SAFETY: as above.
            let (scale, minimum) = unsafe { L::scale_and_minimum(block) };
            row.scales[index] = scale;
            if L::MINIMA {
                row.minimum[index] = minimum;
            }
            continue;
        }
        let factors = L::factors(block);
        let target = &mut row.scales[index * groups..(index + 1) * groups];
        for (target, scale) in target.iter_mut().zip(factors.scales) {
            *target = factors.scale * f32::from(scale);
        }
        if L::MINIMA {
            row.minimum[index] = factors.minimum;
            let target = &mut row.minima[index * groups / 2..(index + 1) * groups / 2];
            for (target, pair) in target.iter_mut().zip(factors.minima.as_chunks::<2>().0) {
                let [first, second] = pair.map(|minimum| u32::from(minimum.cast_unsigned()));
                *target = first | second << 16;
            }
        }
    }
}

/// Turn `len` words of each of sixteen [`Row`]s into lanes. Whole eights are read and written.
///
/// # Safety
/// `source` points into the first of sixteen rows, and both sides have room.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn turn<T>(source: *const T, target: *mut __m256i, len: usize) {
    for from in (0..len).step_by(8) {
        for half in 0..TILE / 8 {
            let mut values = [_mm256_setzero_si256(); 8];
            for lane in 0..8 {
                let row = (half * 8 + lane) * size_of::<Row>();
                // SAFETY: the same place in the next row is a row further.
                values[lane] = unsafe { _mm256_load_si256(source.byte_add(row + from * 4).cast()) };
            }
            let values = transposed(values);
            for word in 0..8 {
                // SAFETY: lanes are aligned to 64 bytes, and there is room.
                unsafe { _mm256_store_si256(target.add((from + word) * 2 + half), values[word]) };
            }
        }
    }
}

/// Eight words of eight rows, turned: row `i` of the result has word `i` of every row.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(rows: [__m256i; 8]) -> [__m256i; 8] {
    let zero = _mm256_setzero_si256();
    // quads[j][i], in its 128-bit part l: word 4 l + j of the rows 4 i to 4 i + 3.
    let mut quads = [[zero; 2]; 4];
    for i in 0..2 {
        let low = _mm256_unpacklo_epi32(rows[4 * i], rows[4 * i + 1]);
        let high = _mm256_unpackhi_epi32(rows[4 * i], rows[4 * i + 1]);
        let next_low = _mm256_unpacklo_epi32(rows[4 * i + 2], rows[4 * i + 3]);
        let next_high = _mm256_unpackhi_epi32(rows[4 * i + 2], rows[4 * i + 3]);
        quads[0][i] = _mm256_unpacklo_epi64(low, next_low);
        quads[1][i] = _mm256_unpackhi_epi64(low, next_low);
        quads[2][i] = _mm256_unpacklo_epi64(high, next_high);
        quads[3][i] = _mm256_unpackhi_epi64(high, next_high);
    }
    let mut result = [zero; 8];
    for j in 0..4 {
        let [first, second] = quads[j];
        result[j] = _mm256_permute2x128_si256::<0x20>(first, second);
        result[4 + j] = _mm256_permute2x128_si256::<0x31>(first, second);
    }
    result
}
