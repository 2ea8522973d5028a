//! Owns the way from a file's blocks to a tile: sixteen rows, one a lane.
//! Uses the layouts' own readers, compiled for this level, and transpositions in registers.
//! Never multiplies.

use super::super::Matrix;
use super::super::scratch::{Lanes, Scratch, TILE};
use crate::format::Layout;
use std::arch::x86_64::*;
use std::ops::Range;

/// Unpack `columns` of the rows from `first` on. Lanes beyond the last row repeat it.
///
/// # Safety
/// The machine has AVX-512 F, BW, DQ and VL.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(super) unsafe fn unpack<L: Layout>(
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
    // Blocks of 32 are taken two at a time.
    let step = if L::LEN == 256 { 1 } else { 2 };
    for block in (0..blocks.len()).step_by(step) {
        for (lane, row) in rows.iter().enumerate() {
            for part in 0..step.min(blocks.len() - block) {
                let bytes = &row[(block + part) * L::BYTES..(block + part + 1) * L::BYTES];
                L::levels(bytes, &mut scratch.rows[lane][part * L::LEN..(part + 1) * L::LEN]);
                let factors = L::factors(bytes);
                let groups = L::LEN / L::GROUP;
                for group in 0..groups {
                    scratch.scales[(block + part) * groups + group].0[lane] =
                        factors.scale * f32::from(factors.scales[group]);
                }
                if L::MINIMA {
                    scratch.minimum[block + part].0[lane] = factors.minimum;
                    for pair in 0..groups / 2 {
                        let (low, high) = (factors.minima[2 * pair], factors.minima[2 * pair + 1]);
                        scratch.minima[(block + part) * (groups / 2) + pair].0[lane] =
                            u32::from(low.cast_unsigned()) | u32::from(high.cast_unsigned()) << 16;
                    }
                }
            }
        }
        for strip in 0..L::LEN * step / 64 {
            let at = (block * L::LEN + strip * 64) / 4;
            let target = (&mut scratch.levels[at..at + 16]).try_into().expect("sixteen");
            transpose(&scratch.rows, strip * 64, target);
        }
    }
}

/// Write 64 bytes of 16 rows, four bytes of all rows after the other.
#[inline]
#[expect(unsafe_code, reason = "vectors are loaded and stored through pointers")]
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
