//! Owns products with NEON and its dot products of bytes, for all quantised formats.
//! Uses levels of a block as signed bytes, dot products along a row for one line of activations, and with one line in
//! each lane for several.
//! Never ran on a real ARM machine yet: its tests pass under `qemu-aarch64`, and no figure was measured.

use super::activations::{Activations, Quantised, Tile};
use super::{Matrix, Output};
use crate::format::{Factors, LARGEST_BLOCK, Layout, with_layout};
use std::arch::aarch64::*;
use std::arch::asm;
use std::ops::Range;

/// Rows of the matrix that are multiplied together with a tile of activations: 4 rows of 8 lines take 8 of 32
/// registers for dot products and as many for sums, and read each word of the activations once for all of them.
const ROWS: usize = 4;

/// Multiply `rows` of `matrix` with all activations.
///
/// # Safety
/// The machine has the instructions, and no other thread writes these rows of the output.
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn multiply(
    matrix: &Matrix<'_>,
    rows: Range<usize>,
    activations: &Activations,
    output: &Output<'_>,
) {
    with_layout!(
        matrix.format,
        // SAFETY: the caller's promise.
        L => unsafe { multiply_quantised::<L>(matrix, rows, activations.quantised(L::LEN), output) },
        float => super::scalar::multiply(matrix, rows, activations, output)
    );
}

/// # Safety
/// As for [`multiply`].
#[target_feature(enable = "neon,dotprod")]
unsafe fn multiply_quantised<L: Layout>(
    matrix: &Matrix<'_>,
    rows: Range<usize>,
    activations: &Quantised,
    output: &Output<'_>,
) {
    if (0..activations.tiles()).all(|index| activations.tile(index).rows == 1) {
        let mut sums = vec![0.0; activations.tiles()];
        for row in rows {
            // SAFETY: the machine has the instructions.
            unsafe { few_lines::<L>(matrix.row_at(row), activations, &mut sums) };
            for (line, sum) in sums.iter().enumerate() {
                // SAFETY: the caller writes these rows alone.
                unsafe { output.set(line * matrix.rows + row, &[*sum]) };
            }
        }
        return;
    }
    // Unpacked once for all tiles. A task is a hundred microseconds of work, so that its allocations do not count.
    let mut unpacked: [Unpacked; ROWS] = Default::default();
    let mut first = rows.start;
    while first < rows.end {
        let count = ROWS.min(rows.end - first);
        for (index, row) in unpacked.iter_mut().take(count).enumerate() {
            row.set::<L>(matrix.row_at(first + index));
        }
        for tile in (0..activations.tiles()).map(|index| activations.tile(index)) {
            // Of a tile of several lines, the first four and the last four, which may be in part the same.
            let mut sums = [[0.0; 8]; ROWS];
            if count == ROWS {
                // SAFETY: the machine has the instructions.
                unsafe { lines::<L, ROWS>(&unpacked, &tile, &mut sums) };
            } else {
                for (row, sums) in unpacked.iter().zip(&mut sums).take(count) {
                    // SAFETY: as above.
                    unsafe { lines::<L, 1>(std::array::from_ref(row), &tile, std::array::from_mut(sums)) };
                }
            }
            for line in 0..tile.rows {
                let column: [f32; ROWS] = std::array::from_fn(|row| sums[row][line]);
                // SAFETY: the caller writes these rows alone.
                unsafe { output.set((tile.start + line) * matrix.rows + first, &column[..count]) };
            }
        }
        first += count;
    }
}

/// A row of the matrix.
#[derive(Default)]
struct Unpacked {
    /// `[columns]`, around zero.
    levels: Vec<i8>,
    /// `[blocks]`.
    factors: Vec<Factors>,
}

impl Unpacked {
    fn set<L: Layout>(&mut self, row: &[u8]) {
        self.levels.clear();
        self.factors.clear();
        let mut levels = [0; LARGEST_BLOCK];
        for block in row.chunks_exact(L::BYTES) {
            signed_levels::<L>(block, &mut levels);
            self.levels.extend_from_slice(&levels[..L::LEN]);
            self.factors.push(L::factors(block));
        }
    }
}

/// The levels of a block as signed bytes around zero.
#[inline(always)]
fn signed_levels<L: Layout>(block: &[u8], levels: &mut [i8; LARGEST_BLOCK]) {
    let mut unsigned = [0; LARGEST_BLOCK];
    L::levels(block, &mut unsigned[..L::LEN]);
    for (signed, level) in levels[..L::LEN].iter_mut().zip(&unsigned) {
        *signed = level.wrapping_sub(L::OFFSET).cast_signed();
    }
}

/// The sum of `minima` times the negative sums of the groups of a block, for line `line`.
#[inline(always)]
fn minima_of<L: Layout>(factors: &Factors, tile: &Tile<'_>, block: usize, line: usize) -> i32 {
    // Sums are of 16 levels where blocks have 256, of 32 else.
    let width = if L::LEN == 256 { 16 } else { 32 };
    let sums = &tile.negative_sums()[block * (L::LEN / width) * tile.rows..];
    let mut sum = 0;
    for part in 0..L::LEN / width {
        sum +=
            i32::from(factors.minima[part * width / L::GROUP]) * sums[part * tile.rows + line].cast_signed();
    }
    sum
}

/// One row with a few lines of activations, each of which is a tile.
///
/// # Safety
/// The machine has the instructions.
#[target_feature(enable = "neon,dotprod")]
unsafe fn few_lines<L: Layout>(row: &[u8], activations: &Quantised, output: &mut [f32]) {
    let mut levels = [0; LARGEST_BLOCK];
    output.fill(0.0);
    for (index, block) in row.chunks_exact(L::BYTES).enumerate() {
        signed_levels::<L>(block, &mut levels);
        let factors = L::factors(block);
        for (line, output) in output.iter_mut().enumerate() {
            let tile = activations.tile(line);
            let words = &tile.levels()[index * L::LEN / 4..][..L::LEN / 4];
            let mut sums = vdupq_n_s32(0);
            for group in 0..L::LEN / L::GROUP {
                let mut dots = vdupq_n_s32(0);
                for at in (group * L::GROUP..(group + 1) * L::GROUP).step_by(16) {
                    // SAFETY: 16 levels from a multiple of 16 below `LEN`, of which both buffers have as many.
                    unsafe {
                        let weight = vld1q_s8(levels.as_ptr().add(at));
                        let activation = vld1q_s8(words.as_ptr().cast::<i8>().add(at));
                        dots = dot_of_bytes(dots, weight, activation);
                    }
                }
                sums = vmlaq_n_s32(sums, dots, i32::from(factors.scales[group]));
            }
            // Integers until here: 256 products of 127 and at most 128 with scales of 7 bits are below 2^30.
            let mut sum = factors.scale * vaddvq_s32(sums) as f32;
            if L::MINIMA {
                sum += factors.minimum * minima_of::<L>(&factors, &tile, index, 0) as f32;
            }
            *output += f32::from_bits(tile.scales()[index]) * sum;
        }
    }
}

/// `R` rows with a tile of two to eight lines of activations.
///
/// # Safety
/// The machine has the instructions.
#[target_feature(enable = "neon,dotprod")]
unsafe fn lines<L: Layout, const R: usize>(
    rows: &[Unpacked; R],
    tile: &Tile<'_>,
    output: &mut [[f32; 8]; R],
) {
    let count = tile.rows;
    // The lines of the two registers: where there are less than four, lanes behind the last belong to the next word
    // and are not looked at.
    let starts = [0, count.saturating_sub(4)];
    let registers = if count > 4 { 2 } else { 1 };
    let mut totals = [[vdupq_n_f32(0.0); 2]; R];
    for block in 0..rows[0].factors.len() {
        let factors: [&Factors; R] = std::array::from_fn(|r| &rows[r].factors[block]);
        let levels: [&[i8]; R] = std::array::from_fn(|r| &rows[r].levels[block * L::LEN..][..L::LEN]);
        for (part, start) in starts.into_iter().enumerate().take(registers) {
            let mut sums = [vdupq_n_s32(0); R];
            for group in 0..L::LEN / L::GROUP {
                let mut dots = [vdupq_n_s32(0); R];
                for at in (group * L::GROUP..(group + 1) * L::GROUP).step_by(16) {
                    let weights: [int8x16_t; R] =
                        // SAFETY: 16 levels from a multiple of 16 below `LEN`.
                        std::array::from_fn(|r| unsafe { vld1q_s8(levels[r].as_ptr().add(at)) });
                    macro_rules! word {
                        ($lane:literal) => {{
                            let word = (block * L::LEN + at) / 4 + $lane;
                            let four = four_words(tile.words_from_levels(), word * count + start);
                            for r in 0..R {
                                // SAFETY: the machine has the instruction.
                                dots[r] = unsafe { dot_with_word::<$lane>(dots[r], four, weights[r]) };
                            }
                        }};
                    }
                    word!(0);
                    word!(1);
                    word!(2);
                    word!(3);
                }
                for r in 0..R {
                    sums[r] = vmlaq_n_s32(sums[r], dots[r], i32::from(factors[r].scales[group]));
                }
            }
            let scales = vreinterpretq_f32_s8(four_words(tile.words_from_scales(), block * count + start));
            for r in 0..R {
                let values = vmulq_n_f32(vcvtq_f32_s32(sums[r]), factors[r].scale);
                totals[r][part] = vfmaq_f32(totals[r][part], values, scales);
            }
        }
        if L::MINIMA {
            for line in 0..count {
                let scale = f32::from_bits(tile.scales()[block * count + line]);
                for r in 0..R {
                    let sum = minima_of::<L>(factors[r], tile, block, line);
                    output[r][line] += factors[r].minimum * scale * sum as f32;
                }
            }
        }
    }
    for r in 0..R {
        for line in 0..count {
            // Lane of the first register for the first four, of the second for the others.
            let (part, lane) = if line < 4 { (0, line) } else { (1, line - starts[1]) };
            let mut lanes = [0.0; 4];
            // SAFETY: four floats.
            unsafe { vst1q_f32(lanes.as_mut_ptr(), totals[r][part]) };
            output[r][line] += lanes[lane];
        }
    }
}

/// Four words from `at` on, as bytes.
#[inline]
#[target_feature(enable = "neon")]
fn four_words(words: &[u32], at: usize) -> int8x16_t {
    let words = &words[at..at + 4];
    // SAFETY: 16 bytes.
    unsafe { vld1q_s8(words.as_ptr().cast()) }
}

/// To each lane, the product of its four bytes in both.
///
/// # Safety
/// The machine has the instruction.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn dot_of_bytes(sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let mut sums = sums;
    // SAFETY: registers only. The intrinsic is not stable yet.
    unsafe {
        asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inlateout(vreg) sums, in(vreg) a, in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    sums
}

/// To each lane, the product of its four bytes in `a` with the four bytes of lane `LANE` of `b`.
///
/// # Safety
/// The machine has the instruction.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn dot_with_word<const LANE: i32>(sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let mut sums = sums;
    // SAFETY: registers only. The intrinsic is not stable yet.
    unsafe {
        asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.4b[{3}]", inlateout(vreg) sums, in(vreg) a, in(vreg) b, const LANE,
            options(pure, nomem, nostack, preserves_flags));
    }
    sums
}
