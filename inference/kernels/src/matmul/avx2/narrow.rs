//! Owns the readers of blocks with 256-bit registers.
//! Uses the plain readers where a format has none of its own here.
//! Never reads beyond a block.

use crate::format::{self as f, Layout};
use std::arch::x86_64::*;

/// How levels are read with AVX2.
pub(super) trait Narrow: Layout {
    /// The largest level.
    const LARGEST: i32;

    /// Write the levels of a whole block.
    ///
    /// # Safety
    /// The machine has AVX2.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn read_levels(block: &[u8], levels: &mut [u8]) {
        Self::levels(block, levels);
    }

    /// The scale and the minimum of a block of 32.
    ///
    /// # Safety
    /// The machine has F16C.
    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn scale_and_minimum(block: &[u8]) -> (f32, f32) {
        if Self::BYTES % 2 != 0 {
            // MXFP4: its scale is a byte.
            let factors = Self::factors(block);
            return (factors.scale, factors.minimum);
        }
        let minimum = if Self::MINIMA { -half(block, 2) } else { 0.0 };
        (half(block, 0), minimum)
    }
}

/// The half-precision number at `at`.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn half(block: &[u8], at: usize) -> f32 {
    let bits = i32::from(u16::from_le_bytes([block[at], block[at + 1]]));
    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)))
}

/// The 32 bytes at `at`.
#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8], at: usize) -> __m256i {
    let bytes = &bytes[at..at + 32];
    // SAFETY: 32 bytes are there.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// Write 32 levels at `at`.
#[inline]
#[target_feature(enable = "avx2")]
fn store(levels: &mut [u8], at: usize, values: __m256i) {
    let levels = &mut levels[at..at + 32];
    // SAFETY: there is room for 32 bytes.
    unsafe { _mm256_storeu_si256(levels.as_mut_ptr().cast(), values) };
}

/// Levels of 16 bytes: low halves, then high ones.
#[inline]
#[target_feature(enable = "avx2")]
fn nibbles(bytes: &[u8], at: usize) -> __m256i {
    let bytes = &bytes[at..at + 16];
    // SAFETY: 16 bytes are there.
    let packed = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
    let both = _mm256_set_m128i(_mm_srli_epi16::<4>(packed), packed);
    _mm256_and_si256(both, _mm256_set1_epi8(15))
}

/// 16 where a bit of a word is set.
#[inline]
#[target_feature(enable = "avx2")]
fn fifth_bits(bytes: &[u8], at: usize) -> __m256i {
    let word = i32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    // Byte i / 8 of the word to lane i, then its bit i % 8.
    let spread = _mm256_setr_epi64x(0, 0x0101_0101_0101_0101, 0x0202_0202_0202_0202, 0x0303_0303_0303_0303);
    let bits = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
    let lanes = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(word), spread), bits);
    _mm256_and_si256(_mm256_cmpeq_epi8(lanes, bits), _mm256_set1_epi8(16))
}

impl Narrow for f::Q4_0 {
    const LARGEST: i32 = 15;

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn read_levels(block: &[u8], levels: &mut [u8]) {
        store(levels, 0, nibbles(block, 2));
    }
}

impl Narrow for f::Q5_0 {
    const LARGEST: i32 = 31;

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn read_levels(block: &[u8], levels: &mut [u8]) {
        store(levels, 0, _mm256_or_si256(nibbles(block, 6), fifth_bits(block, 2)));
    }
}

impl Narrow for f::Q8_0 {
    const LARGEST: i32 = 255;

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn read_levels(block: &[u8], levels: &mut [u8]) {
        store(levels, 0, _mm256_xor_si256(load(block, 2), _mm256_set1_epi8(-128)));
    }
}

impl Narrow for f::Q4K {
    const LARGEST: i32 = 15;

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn read_levels(block: &[u8], levels: &mut [u8]) {
        let low = _mm256_set1_epi8(15);
        for part in 0..4 {
            let packed = load(block, 16 + 32 * part);
            store(levels, 64 * part, _mm256_and_si256(packed, low));
            store(levels, 64 * part + 32, _mm256_and_si256(_mm256_srli_epi16::<4>(packed), low));
        }
    }
}

impl Narrow for f::Q5K {
    const LARGEST: i32 = 31;

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn read_levels(block: &[u8], levels: &mut [u8]) {
        let (low, fifth) = (_mm256_set1_epi8(15), _mm256_set1_epi8(16));
        let bits = load(block, 16);
        for part in 0..4 {
            let packed = load(block, 48 + 32 * part);
            let first = _mm256_set1_epi8((1_u8 << (2 * part)).cast_signed());
            let second = _mm256_set1_epi8((2_u8 << (2 * part)).cast_signed());
            let upper = |bit| {
                let set = _mm256_cmpeq_epi8(_mm256_and_si256(bits, bit), bit);
                _mm256_and_si256(set, fifth)
            };
            store(levels, 64 * part, _mm256_or_si256(_mm256_and_si256(packed, low), upper(first)));
            let high = _mm256_and_si256(_mm256_srli_epi16::<4>(packed), low);
            store(levels, 64 * part + 32, _mm256_or_si256(high, upper(second)));
        }
    }
}

impl Narrow for f::Q6K {
    const LARGEST: i32 = 63;

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn read_levels(block: &[u8], levels: &mut [u8]) {
        let (low, two) = (_mm256_set1_epi8(15), _mm256_set1_epi8(0x30));
        for half in 0..2 {
            let (first, second) = (load(block, 64 * half), load(block, 64 * half + 32));
            let upper = load(block, 128 + 32 * half);
            let parts = [
                (first, _mm256_slli_epi16::<4>(upper)),
                (second, _mm256_slli_epi16::<2>(upper)),
                (_mm256_srli_epi16::<4>(first), upper),
                (_mm256_srli_epi16::<4>(second), _mm256_srli_epi16::<2>(upper)),
            ];
            for (part, (four, upper)) in parts.into_iter().enumerate() {
                let value = _mm256_or_si256(_mm256_and_si256(four, low), _mm256_and_si256(upper, two));
                store(levels, 128 * half + 32 * part, value);
            }
        }
    }
}

impl Narrow for f::Q4_1 {
    const LARGEST: i32 = 15;
}

impl Narrow for f::Q5_1 {
    const LARGEST: i32 = 31;
}

impl Narrow for f::Mxfp4 {
    const LARGEST: i32 = 28;
}

impl Narrow for f::Iq4Nl {
    const LARGEST: i32 = 241;
}

impl Narrow for f::Q2K {
    const LARGEST: i32 = 3;
}

impl Narrow for f::Q3K {
    const LARGEST: i32 = 7;
}

impl Narrow for f::Iq4Xs {
    const LARGEST: i32 = 241;
}
