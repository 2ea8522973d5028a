//! Owns the definition of a product in plain code.
//! Uses unpacked levels and 32-bit integers within a group, floats between groups.
//! Never is the fast path where a machine has vector units.

use super::activations::{Activations, Quantised, Tile};
use super::{Matrix, Output};
use crate::format::{Factors, LARGEST_BLOCK, Layout, with_layout};
use std::ops::Range;

/// Multiply `rows` of `matrix` with all activations.
#[expect(unsafe_code, reason = "tasks write disjoint parts of one buffer that interleave")]
pub(super) fn multiply(
    matrix: &Matrix<'_>,
    rows: Range<usize>,
    activations: &Activations,
    output: &Output<'_>,
) {
    let mut sums = vec![0.0; activations.rows()];
    let mut values = Vec::new();
    for row in rows {
        let bytes = matrix.row_at(row);
        sums.fill(0.0);
        with_layout!(
            matrix.format,
            L => dot_quantised::<L>(bytes, activations.quantised(L::LEN), &mut sums),
            float => {
                values.resize(matrix.columns, 0.0);
                matrix.format.dequantise(bytes, &mut values);
                for (sum, line) in sums.iter_mut().zip(activations.lines()) {
                    *sum = values.iter().zip(line).map(|(a, b)| a * b).sum();
                }
            }
        );
        for (line, sum) in sums.iter().enumerate() {
            // SAFETY: this task alone has this row of the matrix.
            unsafe { output.set(line * matrix.rows + row, &[*sum]) };
        }
    }
}

/// Add the products of one row with each line of activations.
fn dot_quantised<L: Layout>(row: &[u8], activations: &Quantised, sums: &mut [f32]) {
    let mut levels = [0; LARGEST_BLOCK];
    for (index, block) in row.chunks_exact(L::BYTES).enumerate() {
        L::levels(block, &mut levels[..L::LEN]);
        let factors = L::factors(block);
        for tile in (0..activations.tiles()).map(|index| activations.tile(index)) {
            for (line, sum) in sums[tile.start..tile.start + tile.rows].iter_mut().enumerate() {
                let scale = f32::from_bits(tile.scales()[index * tile.rows + line]);
                *sum += scale * dot_block::<L>(&levels, &factors, &tile, line, index);
            }
        }
    }
}

/// The product of a block without the scale of the activations.
fn dot_block<L: Layout>(
    levels: &[u8; LARGEST_BLOCK],
    factors: &Factors,
    tile: &Tile<'_>,
    line: usize,
    index: usize,
) -> f32 {
    let words = &tile.levels()[index * L::LEN / 4 * tile.rows..];
    let (mut sum, mut minimum) = (0.0, 0);
    for group in 0..L::LEN / L::GROUP {
        let (mut dot, mut total) = (0, 0);
        for offset in (group * L::GROUP..(group + 1) * L::GROUP).step_by(4) {
            let four = words[offset / 4 * tile.rows + line].to_le_bytes();
            for (activation, level) in four.into_iter().zip(&levels[offset..offset + 4]) {
                let activation = i32::from(activation.cast_signed());
                dot += activation * (i32::from(*level) - i32::from(L::OFFSET));
                total += activation;
            }
        }
        sum += factors.scale * f32::from(factors.scales[group]) * dot as f32;
        minimum += i32::from(factors.minima[group]) * total;
    }
    sum - factors.minimum * minimum as f32
}
