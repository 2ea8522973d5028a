//! Owns products with AVX-512 and its dot products of bytes (VNNI).
//! Uses tiles of 16 rows, one row a lane, for several lines of activations, and rows as they are for one line.
//! Never runs on a machine without these instructions: the caller has asked.

mod unpack;
mod vector;
mod wide;

use super::activations::{Activations, FEW_ROWS, Quantised, Tile};
use super::scratch::{Lanes, Scratch, TILE, chunks, with_scratch};
use super::{Matrix, Output};
use crate::format::{Layout, with_layout};
use crate::level::Level;
use std::arch::x86_64::*;
use std::ops::Range;
use wide::Wide;

/// Multiply `rows` of `matrix` with all activations.
///
/// # Safety
/// The machine has AVX-512 F, BW, DQ, VL and VNNI, and no other thread writes these rows of the output.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(super) unsafe fn multiply(
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
                if activations.rows() <= FEW_ROWS {
                    vector::multiply::<L>(matrix, rows, quantised, output);
                } else {
                    with_scratch(|scratch| tiles::<L>(matrix, rows, quantised, output, scratch));
                }
            },
            float => super::float::multiply(Level::Avx512, matrix, rows, activations, output)
        );
    }
}

/// # Safety
/// As for [`multiply`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn tiles<L: Wide>(
    matrix: &Matrix<'_>,
    rows: Range<usize>,
    activations: &Quantised,
    output: &Output<'_>,
    scratch: &mut Scratch,
) {
    let lines = activations.rows();
    scratch.sums.resize(scratch.sums.len().max(lines), Lanes::default());
    for first in rows.clone().step_by(TILE) {
        scratch.sums[..lines].fill(Lanes::default());
        for columns in chunks(matrix.columns) {
            // SAFETY: the machine has the instructions.
            unsafe { unpack::unpack::<L>(matrix, first, columns.clone(), scratch) };
            for tile in (0..activations.tiles()).map(|index| activations.tile(index)) {
                // SAFETY: as above; the scratch holds these columns.
                unsafe { kernel::<L>(&tile, columns.clone(), scratch) };
            }
        }
        let valid = TILE.min(rows.end - first);
        for (line, sums) in scratch.sums[..lines].iter().enumerate() {
            // SAFETY: the caller writes these rows alone.
            unsafe { output.set(line * matrix.rows + first, &sums.0[..valid]) };
        }
    }
}

/// Add the products of what is unpacked with a tile of activations to the sums of its lines.
///
/// # Safety
/// The machine has the instructions; `columns` are unpacked in `scratch`, and `sums` has the lines of the tile.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn kernel<L: Layout>(tile: &Tile<'_>, columns: Range<usize>, scratch: &mut Scratch) {
    macro_rules! with_rows {
        ($($rows:literal)*) => {
            match tile.rows {
                // SAFETY: as for this function.
                $($rows => unsafe {
                    if L::LEN == 256 {
                        kernel_256::<L, $rows>(tile, columns, scratch)
                    } else {
                        kernel_32::<L, $rows>(tile, columns, scratch)
                    }
                },)*
                _ => unreachable!("more than six lines are cut into tiles of four to eight"),
            }
        };
    }
    with_rows!(4 5 6 7 8);
}

/// Blocks of 256 numbers: scales per group as floats, minima in integers, the scale of the activations per block.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn kernel_256<L: Layout, const T: usize>(
    tile: &Tile<'_>,
    columns: Range<usize>,
    scratch: &mut Scratch,
) {
    let first = columns.start / 256;
    let levels = tile.levels()[first * 64 * T..].as_ptr().cast::<i32>();
    let scales = tile.scales()[first * T..].as_ptr().cast::<f32>();
    let sums = tile.negative_sums()[first * 16 * T..].as_ptr().cast::<i32>();
    let pairs = if L::GROUP == 16 {
        &tile.narrow_pairs()[first * 8 * T..]
    } else {
        &tile.wide_pairs()[first * 4 * T..]
    };
    let pairs = pairs.as_ptr().cast::<i32>();
    let groups = 256 / L::GROUP;
    let target: &mut [Lanes<f32>; T] =
        (&mut scratch.sums[tile.start..tile.start + T]).try_into().expect("its lines");
    // SAFETY: the parts of the tile and of the scratch hold every block of `columns`, by their shapes.
    unsafe {
        let weights = scratch.levels.as_ptr().cast::<__m512i>();
        let factors = scratch.scales.as_ptr().cast::<__m512>();
        let minima = scratch.minima.as_ptr().cast::<__m512i>();
        let minimum = scratch.minimum.as_ptr().cast::<__m512>();
        let mut totals = [_mm512_setzero_ps(); T];
        for t in 0..T {
            totals[t] = _mm512_load_ps(target[t].0.as_ptr());
        }
        for block in 0..columns.len() / 256 {
            let mut values = [_mm512_setzero_ps(); T];
            for group in 0..groups {
                let mut dots = [_mm512_setzero_si512(); T];
                if L::SHIFT > 0 {
                    for t in 0..T {
                        // Groups of 32 have no offset in any of these formats but one, whose sums are two of 16.
                        let sum = if L::GROUP == 16 {
                            *sums.add((block * 16 + group) * T + t)
                        } else {
                            let at = sums.add((block * 16 + 2 * group) * T + t);
                            *at + *at.add(T)
                        };
                        dots[t] = shift_left::<L>(_mm512_set1_epi32(sum));
                    }
                }
                let from = block * 64 + group * (L::GROUP / 4);
                for four in from..from + L::GROUP / 4 {
                    let weight = _mm512_load_si512(weights.add(four));
                    for t in 0..T {
                        let activation = _mm512_set1_epi32(*levels.add(four * T + t));
                        dots[t] = _mm512_dpbusd_epi32(dots[t], weight, activation);
                    }
                }
                let factor = _mm512_load_ps(factors.add(block * groups + group).cast());
                for t in 0..T {
                    values[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t]), factor, values[t]);
                }
            }
            if L::MINIMA {
                let mut dots = [_mm512_setzero_si512(); T];
                for pair in block * groups / 2..(block + 1) * groups / 2 {
                    let minima = _mm512_load_si512(minima.add(pair));
                    for t in 0..T {
                        dots[t] =
                            _mm512_dpwssd_epi32(dots[t], minima, _mm512_set1_epi32(*pairs.add(pair * T + t)));
                    }
                }
                let factor = _mm512_load_ps(minimum.add(block).cast());
                for t in 0..T {
                    values[t] = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(dots[t]), factor, values[t]);
                }
            }
            for t in 0..T {
                totals[t] = _mm512_fmadd_ps(values[t], _mm512_set1_ps(*scales.add(block * T + t)), totals[t]);
            }
        }
        for t in 0..T {
            _mm512_store_ps(target[t].0.as_mut_ptr(), totals[t]);
        }
    }
}

/// Blocks of 32 numbers: both scales per block.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn kernel_32<L: Layout, const T: usize>(
    tile: &Tile<'_>,
    columns: Range<usize>,
    scratch: &mut Scratch,
) {
    let first = columns.start / 32;
    let levels = tile.levels()[first * 8 * T..].as_ptr().cast::<i32>();
    let scales = tile.scales()[first * T..].as_ptr().cast::<f32>();
    let sums = tile.negative_sums()[first * T..].as_ptr().cast::<i32>();
    let products = tile.products()[first * T..].as_ptr().cast::<f32>();
    let target: &mut [Lanes<f32>; T] =
        (&mut scratch.sums[tile.start..tile.start + T]).try_into().expect("its lines");
    // SAFETY: the parts of the tile and of the scratch hold every block of `columns`, by their shapes.
    unsafe {
        let weights = scratch.levels.as_ptr().cast::<__m512i>();
        let factors = scratch.scales.as_ptr().cast::<__m512>();
        let minimum = scratch.minimum.as_ptr().cast::<__m512>();
        let mut totals = [_mm512_setzero_ps(); T];
        for t in 0..T {
            totals[t] = _mm512_load_ps(target[t].0.as_ptr());
        }
        for block in 0..columns.len() / 32 {
            let mut dots = [_mm512_setzero_si512(); T];
            if L::SHIFT > 0 {
                for t in 0..T {
                    dots[t] = shift_left::<L>(_mm512_set1_epi32(*sums.add(block * T + t)));
                }
            }
            for four in block * 8..block * 8 + 8 {
                let weight = _mm512_load_si512(weights.add(four));
                for t in 0..T {
                    let activation = _mm512_set1_epi32(*levels.add(four * T + t));
                    dots[t] = _mm512_dpbusd_epi32(dots[t], weight, activation);
                }
            }
            let factor = _mm512_load_ps(factors.add(block).cast());
            for t in 0..T {
                let value = _mm512_mul_ps(_mm512_cvtepi32_ps(dots[t]), factor);
                totals[t] = _mm512_fmadd_ps(value, _mm512_set1_ps(*scales.add(block * T + t)), totals[t]);
            }
            if L::MINIMA {
                let factor = _mm512_load_ps(minimum.add(block).cast());
                for t in 0..T {
                    let product = _mm512_set1_ps(*products.add(block * T + t));
                    totals[t] = _mm512_fnmadd_ps(factor, product, totals[t]);
                }
            }
        }
        for t in 0..T {
            _mm512_store_ps(target[t].0.as_mut_ptr(), totals[t]);
        }
    }
}

/// Times the level that stands for zero.
#[inline]
#[target_feature(enable = "avx512f")]
fn shift_left<L: Layout>(sums: __m512i) -> __m512i {
    match L::SHIFT {
        2 => _mm512_slli_epi32::<2>(sums),
        3 => _mm512_slli_epi32::<3>(sums),
        4 => _mm512_slli_epi32::<4>(sums),
        5 => _mm512_slli_epi32::<5>(sums),
        7 => _mm512_slli_epi32::<7>(sums),
        _ => unreachable!("no format has this offset"),
    }
}
