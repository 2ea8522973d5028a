//! Owns products of tiles of a matrix with tiles of activations, without AVX-512.
//! Uses dot products of bytes where the machine has AVX-VNNI, or else sums of byte products in 16 bits.
//! Never lets such a sum leave its 16 bits: how many fit is computed from the largest level of a format.

use super::super::activations::{Quantised, Tile};
use super::super::scratch::{Lanes, Scratch, TILE, chunks, with_scratch};
use super::super::{Matrix, Output};
use super::narrow::Narrow;
use super::{signed, unpack};
use crate::level::Level;
use std::arch::x86_64::*;
use std::ops::Range;

/// Multiply `rows` of `matrix` with tiles of activations.
///
/// # Safety
/// The machine has `level`, which is AVX2 with or without AVX-VNNI, and no other thread writes these rows of the output.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn multiply<L: Narrow>(
    level: Level,
    matrix: &Matrix<'_>,
    rows: Range<usize>,
    activations: &Quantised,
    output: &Output<'_>,
) {
    let lines = activations.rows();
    with_scratch(|scratch| {
        scratch.sums.resize(scratch.sums.len().max(lines), Lanes::default());
        for first in rows.clone().step_by(TILE) {
            scratch.sums[..lines].fill(Lanes::default());
            for columns in chunks(matrix.columns) {
                // SAFETY: the machine has the instructions.
                unsafe { unpack::unpack::<L>(matrix, first, columns.clone(), scratch) };
                for tile in (0..activations.tiles()).map(|index| activations.tile(index)) {
                    // SAFETY: as above; the scratch holds these columns.
                    unsafe {
                        if level == Level::AvxVnni {
                            with_dots::<L>(&tile, columns.clone(), scratch);
                        } else {
                            with_pairs::<L>(&tile, columns.clone(), scratch);
                        }
                    }
                }
            }
            let valid = TILE.min(rows.end - first);
            for (line, sums) in scratch.sums[..lines].iter().enumerate() {
                // SAFETY: the caller writes these rows alone.
                unsafe { output.set(line * matrix.rows + first, &sums.0[..valid]) };
            }
        }
    });
}

/// # Safety
/// As for [`kernel`], and the machine has AVX-VNNI.
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
unsafe fn with_dots<L: Narrow>(tile: &Tile<'_>, columns: Range<usize>, scratch: &mut Scratch) {
    // SAFETY: the caller's promise.
    unsafe { kernel::<Dots, L>(tile, columns, scratch) };
}

/// # Safety
/// As for [`kernel`].
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn with_pairs<L: Narrow>(tile: &Tile<'_>, columns: Range<usize>, scratch: &mut Scratch) {
    // SAFETY: the caller's promise.
    unsafe { kernel::<Pairs, L>(tile, columns, scratch) };
}

/// Add the products of what is unpacked with a tile of activations to the sums of its lines.
///
/// # Safety
/// The machine has AVX2, FMA and what `I` needs; `columns` are unpacked in `scratch`, and `sums` has the lines of the
/// tile.
#[inline(always)]
unsafe fn kernel<I: Integers, L: Narrow>(tile: &Tile<'_>, columns: Range<usize>, scratch: &mut Scratch) {
    macro_rules! with_rows {
        ($($rows:literal)*) => {
            match tile.rows {
                // SAFETY: as for this function.
                $($rows => unsafe {
                    if L::LEN == 256 {
                        kernel_256::<I, L, $rows>(tile, columns, scratch)
                    } else {
                        kernel_32::<I, L, $rows>(tile, columns, scratch)
                    }
                },)*
                _ => unreachable!("more than four lines are cut into tiles of two to four"),
            }
        };
    }
    with_rows!(2 3 4);
}

/// Sums for two times eight rows and `T` lines.
type Sums<const T: usize> = [[__m256i; 2]; T];

/// Products of integers.
trait Integers {
    /// Whether levels that reach above 127 are multiplied as signed numbers, so that no offset needs to be taken off.
    const SIGNED: bool;

    /// Add the products of a group: `[group / 4]` pairs of `weights`, and as many words of each line.
    ///
    /// # Safety
    /// The machine has the instructions of the type, and a group is there.
    unsafe fn add_group<L: Narrow, const T: usize>(
        dots: &mut Sums<T>,
        weights: *const __m256i,
        levels: *const i32,
    );

    /// To each lane, the products of its two 16-bit numbers in both.
    ///
    /// # Safety
    /// The machine has the instructions of the type.
    unsafe fn add_words(sum: __m256i, a: __m256i, b: __m256i) -> __m256i;
}

/// With the instructions of AVX-VNNI.
struct Dots;

impl Integers for Dots {
    const SIGNED: bool = false;

    #[inline(always)]
    unsafe fn add_group<L: Narrow, const T: usize>(
        dots: &mut Sums<T>,
        weights: *const __m256i,
        levels: *const i32,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            for four in 0..L::GROUP / 4 {
                let halves =
                    [_mm256_load_si256(weights.add(2 * four)), _mm256_load_si256(weights.add(2 * four + 1))];
                for t in 0..T {
                    let activation = _mm256_set1_epi32(*levels.add(four * T + t));
                    for half in 0..2 {
                        dots[t][half] = _mm256_dpbusd_avx_epi32(dots[t][half], halves[half], activation);
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn add_words(sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { _mm256_dpwssd_avx_epi32(sum, a, b) }
    }
}

/// With the instructions of AVX2: pairs of products in 16 bits.
struct Pairs;

/// How many words of four levels are summed in 16 bits, where each adds two products. Activations are within 127.
const fn steps<L: Narrow>() -> usize {
    // Signed levels are within 128.
    let largest = if L::SHIFT == 7 { 128 } else { L::LARGEST };
    let fit = (i16::MAX as i32 / (2 * 127 * largest)) as usize;
    let all = L::GROUP / 4;
    if fit >= all {
        all
    } else if fit >= 4 {
        4
    } else if fit >= 2 {
        2
    } else {
        1
    }
}

impl Integers for Pairs {
    const SIGNED: bool = true;

    #[inline(always)]
    unsafe fn add_group<L: Narrow, const T: usize>(
        dots: &mut Sums<T>,
        weights: *const __m256i,
        levels: *const i32,
    ) {
        let steps = const { steps::<L>() };
        // SAFETY: the caller's promise.
        unsafe {
            for part in 0..L::GROUP / 4 / steps {
                let mut pairs = [[_mm256_setzero_si256(); 2]; T];
                for four in part * steps..(part + 1) * steps {
                    let mut halves = [
                        _mm256_load_si256(weights.add(2 * four)),
                        _mm256_load_si256(weights.add(2 * four + 1)),
                    ];
                    let mut signs = halves;
                    if signed::<L>() {
                        for half in 0..2 {
                            // 128 less, and its magnitude.
                            signs[half] = _mm256_xor_si256(halves[half], _mm256_set1_epi8(-128));
                            halves[half] = _mm256_abs_epi8(signs[half]);
                        }
                    }
                    for t in 0..T {
                        let activation = _mm256_set1_epi32(*levels.add(four * T + t));
                        for half in 0..2 {
                            let activation = if signed::<L>() {
                                _mm256_sign_epi8(activation, signs[half])
                            } else {
                                activation
                            };
                            let products = _mm256_maddubs_epi16(halves[half], activation);
                            pairs[t][half] = _mm256_add_epi16(pairs[t][half], products);
                        }
                    }
                }
                for t in 0..T {
                    for half in 0..2 {
                        dots[t][half] = Self::add_words(dots[t][half], pairs[t][half], _mm256_set1_epi16(1));
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn add_words(sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)) }
    }
}

/// Where the sums of a group begin: with minus the sum of its activations, times the level that stands for zero.
#[inline(always)]
unsafe fn offset<I: Integers, L: Narrow>(sum: impl FnOnce() -> i32) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        if L::SHIFT == 0 || I::SIGNED && signed::<L>() {
            return _mm256_setzero_si256();
        }
        let sum = _mm256_set1_epi32(sum());
        match L::SHIFT {
            2 => _mm256_slli_epi32::<2>(sum),
            3 => _mm256_slli_epi32::<3>(sum),
            4 => _mm256_slli_epi32::<4>(sum),
            5 => _mm256_slli_epi32::<5>(sum),
            7 => _mm256_slli_epi32::<7>(sum),
            _ => unreachable!("no format has this offset"),
        }
    }
}

/// Blocks of 256 numbers: scales per group as floats, minima in integers, the scale of the activations per block.
#[inline(always)]
unsafe fn kernel_256<I: Integers, L: Narrow, const T: usize>(
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
        let weights = scratch.levels.as_ptr().cast::<__m256i>();
        let factors = scratch.scales.as_ptr().cast::<__m256>();
        let minima = scratch.minima.as_ptr().cast::<__m256i>();
        let minimum = scratch.minimum.as_ptr().cast::<__m256>();
        for block in 0..columns.len() / 256 {
            let mut values = [[_mm256_setzero_ps(); 2]; T];
            for group in block * groups..(block + 1) * groups {
                let mut dots = [[_mm256_setzero_si256(); 2]; T];
                for t in 0..T {
                    // Groups of 32 have sums that are two of 16.
                    dots[t] = [offset::<I, L>(|| {
                        if L::GROUP == 16 {
                            *sums.add(group * T + t)
                        } else {
                            let at = sums.add(2 * group * T + t);
                            *at + *at.add(T)
                        }
                    }); 2];
                }
                let four = group * (L::GROUP / 4);
                I::add_group::<L, T>(&mut dots, weights.add(2 * four), levels.add(four * T));
                for half in 0..2 {
                    let factor = _mm256_load_ps(factors.add(2 * group + half).cast());
                    for t in 0..T {
                        let dots = _mm256_cvtepi32_ps(dots[t][half]);
                        values[t][half] = _mm256_fmadd_ps(dots, factor, values[t][half]);
                    }
                }
            }
            if L::MINIMA {
                let mut dots = [[_mm256_setzero_si256(); 2]; T];
                for pair in block * groups / 2..(block + 1) * groups / 2 {
                    for t in 0..T {
                        let sums = _mm256_set1_epi32(*pairs.add(pair * T + t));
                        for half in 0..2 {
                            let minima = _mm256_load_si256(minima.add(2 * pair + half));
                            dots[t][half] = I::add_words(dots[t][half], minima, sums);
                        }
                    }
                }
                for half in 0..2 {
                    let factor = _mm256_load_ps(minimum.add(2 * block + half).cast());
                    for t in 0..T {
                        let dots = _mm256_cvtepi32_ps(dots[t][half]);
                        values[t][half] = _mm256_fnmadd_ps(dots, factor, values[t][half]);
                    }
                }
            }
            for t in 0..T {
                let scale = _mm256_set1_ps(*scales.add(block * T + t));
                for half in 0..2 {
                    let total = target[t].0.as_mut_ptr().add(8 * half);
                    _mm256_store_ps(total, _mm256_fmadd_ps(values[t][half], scale, _mm256_load_ps(total)));
                }
            }
        }
    }
}

/// Blocks of 32 numbers: both scales per block.
#[inline(always)]
unsafe fn kernel_32<I: Integers, L: Narrow, const T: usize>(
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
        let weights = scratch.levels.as_ptr().cast::<__m256i>();
        let factors = scratch.scales.as_ptr().cast::<__m256>();
        let minimum = scratch.minimum.as_ptr().cast::<__m256>();
        let mut totals = [[_mm256_setzero_ps(); 2]; T];
        for t in 0..T {
            for half in 0..2 {
                totals[t][half] = _mm256_load_ps(target[t].0.as_ptr().add(8 * half));
            }
        }
        for block in 0..columns.len() / 32 {
            let mut dots = [[_mm256_setzero_si256(); 2]; T];
            for t in 0..T {
                dots[t] = [offset::<I, L>(|| *sums.add(block * T + t)); 2];
            }
            let four = block * 8;
            I::add_group::<L, T>(&mut dots, weights.add(2 * four), levels.add(four * T));
            for half in 0..2 {
                let factor = _mm256_load_ps(factors.add(2 * block + half).cast());
                for t in 0..T {
                    let value = _mm256_mul_ps(_mm256_cvtepi32_ps(dots[t][half]), factor);
                    let scale = _mm256_set1_ps(*scales.add(block * T + t));
                    totals[t][half] = _mm256_fmadd_ps(value, scale, totals[t][half]);
                }
                if L::MINIMA {
                    let factor = _mm256_load_ps(minimum.add(2 * block + half).cast());
                    for t in 0..T {
                        let product = _mm256_set1_ps(*products.add(block * T + t));
                        totals[t][half] = _mm256_fnmadd_ps(factor, product, totals[t][half]);
                    }
                }
            }
        }
        for t in 0..T {
            for half in 0..2 {
                _mm256_store_ps(target[t].0.as_mut_ptr().add(8 * half), totals[t][half]);
            }
        }
    }
}
