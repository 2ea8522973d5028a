//! Owns the way from a file's blocks to a tile: sixteen rows, one a lane.
//! Uses the layouts' own readers, compiled for this level, and transpositions in registers.
//! Never multiplies.

use super::super::Matrix;
use super::super::scratch::{Lanes, Scratch, TILE};
use super::wide::Wide;
use std::arch::x86_64::*;
use std::ops::Range;

/// Unpack `columns` of the rows from `first` on. Lanes beyond the last row repeat it.
///
/// # Safety
/// The machine has AVX-512 F, BW, DQ and VL.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(super) unsafe fn unpack<L: Wide>(
    matrix: &Matrix<'_>,
    first: usize,
    columns: Range<usize>,
    scratch: &mut Scratch,
) {
    let blocks = columns.start / L::LEN..columns.end / L::LEN;
    let rows: [&[u8]; TILE] = std::array::from_fn(|lane| {
        let row = matrix.row_at((first + lane).min(matrix.rows - 1));
        &row[blocks.start * L::BYTES..blocks.end * L::BYTES]
    });
    // The next tile is as far away as this one is long, and its rows are too short to be foreseen by the hardware.
    let ahead = TILE * matrix.row_bytes();
    if L::LEN == 256 {
        for block in 0..blocks.len() {
            for row in rows {
                prefetch(row.as_ptr().wrapping_add(ahead + block * L::BYTES), L::BYTES);
            }
            // SAFETY: the rows have this many blocks.
            unsafe { unpack_256::<L>(rows.map(|row| row[block * L::BYTES..].as_ptr()), block, scratch) };
        }
    } else {
        for block in (0..blocks.len()).step_by(2) {
            for row in rows {
                prefetch(row.as_ptr().wrapping_add(ahead + block * L::BYTES), 2 * L::BYTES);
            }
            let firsts = rows.map(|row| row[block * L::BYTES..].as_ptr());
            // A missing second block repeats the first: nobody reads what becomes of it.
            let distance = if block + 1 < blocks.len() { L::BYTES } else { 0 };
            // SAFETY: the rows have this many blocks.
            unsafe { unpack_pair::<L>(firsts, distance, block, scratch) };
        }
    }
}

/// Ask for memory that will be read soon, into the second-level cache.
#[inline]
#[target_feature(enable = "avx512f")]
fn prefetch(at: *const u8, len: usize) {
    for line in (0..len).step_by(64) {
        // An address is only a hint and may lie outside of the matrix.
        _mm_prefetch::<_MM_HINT_T1>(at.wrapping_add(line).cast());
    }
}

/// # Safety
/// As for [`unpack`]; a whole block is at each of the addresses.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn unpack_256<L: Wide>(rows: [*const u8; TILE], block: usize, scratch: &mut Scratch) {
    let mut scales = [_mm512_setzero_ps(); TILE];
    let mut minima = [_mm512_setzero_si512(); TILE];
    for lane in 0..TILE {
        // SAFETY: a block is there; 256 levels are four times 64.
        unsafe {
            let levels = L::block(rows[lane]);
            for (part, levels) in levels.into_iter().enumerate() {
                _mm512_storeu_si512(scratch.rows[lane].as_mut_ptr().add(part * 64).cast(), levels);
            }
            let groups = L::groups(rows[lane]);
            scales[lane] = _mm512_mul_ps(_mm512_cvtepi32_ps(groups.scales), _mm512_set1_ps(groups.scale));
            if L::MINIMA {
                minima[lane] = groups.minima;
                scratch.minimum[block].0[lane] = groups.minimum;
            }
        }
    }
    for strip in 0..4 {
        let at = (block * 256 + strip * 64) / 4;
        let target = (&mut scratch.levels[at..at + 16]).try_into().expect("sixteen");
        transpose(&scratch.rows, strip * 64, target);
    }
    let groups = 256 / L::GROUP;
    let scales = transposed(scales.map(|scales| _mm512_castps_si512(scales)));
    for (target, scales) in scratch.scales[block * groups..(block + 1) * groups].iter_mut().zip(scales) {
        // SAFETY: sixteen floats are 64 bytes, aligned to 64.
        unsafe { _mm512_store_si512(target.0.as_mut_ptr().cast(), scales) };
    }
    if L::MINIMA {
        let minima = transposed(minima);
        for pair in 0..groups / 2 {
            let (low, high) = (minima[2 * pair], minima[2 * pair + 1]);
            let both = _mm512_or_si512(low, _mm512_slli_epi32::<16>(high));
            let target = &mut scratch.minima[block * groups / 2 + pair];
            // SAFETY: as above.
            unsafe { _mm512_store_si512(target.0.as_mut_ptr().cast(), both) };
        }
    }
}

/// # Safety
/// As for [`unpack`]; a whole block is at each of the addresses, and another one `distance` behind it.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn unpack_pair<L: Wide>(
    rows: [*const u8; TILE],
    distance: usize,
    block: usize,
    scratch: &mut Scratch,
) {
    let mut levels = [_mm512_setzero_si512(); TILE];
    for lane in 0..TILE {
        // SAFETY: the blocks are there.
        unsafe {
            let (first, second) = (rows[lane], rows[lane].add(distance));
            levels[lane] = L::pair(first, second);
            let (scales, minima) = L::pair_factors(first, second);
            scratch.scales[block].0[lane] = _mm_cvtss_f32(scales);
            scratch.scales[block + 1].0[lane] = _mm_cvtss_f32(_mm_movehdup_ps(scales));
            if L::MINIMA {
                scratch.minimum[block].0[lane] = _mm_cvtss_f32(minima);
                scratch.minimum[block + 1].0[lane] = _mm_cvtss_f32(_mm_movehdup_ps(minima));
            }
        }
    }
    for (target, levels) in scratch.levels[block * 8..block * 8 + 16].iter_mut().zip(transposed(levels)) {
        // SAFETY: sixteen lanes of 32 bits are 64 bytes, aligned to 64.
        unsafe { _mm512_store_si512(target.0.as_mut_ptr().cast(), levels) };
    }
}

/// Write 64 bytes of 16 rows, four bytes of all rows after the other.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn transpose(rows: &[[u8; 256]; TILE], from: usize, target: &mut [Lanes<u32>; TILE]) {
    assert!(from + 64 <= 256);
    let mut values = [_mm512_setzero_si512(); TILE];
    for (value, row) in values.iter_mut().zip(rows) {
        // SAFETY: 64 bytes from `from` on are in the row.
        *value = unsafe { _mm512_loadu_si512(row.as_ptr().add(from).cast()) };
    }
    let values = transposed(values);
    for (target, value) in target.iter_mut().zip(values) {
        // SAFETY: sixteen lanes of 32 bits are 64 bytes, aligned to 64.
        unsafe { _mm512_store_si512(target.0.as_mut_ptr().cast(), value) };
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
