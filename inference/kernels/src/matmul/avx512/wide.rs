//! Owns the readers of blocks into 512-bit registers.
//! Uses the plain readers where a format has none of its own here.
//! Never reads beyond a block.

use crate::format::{self as f, LARGEST_BLOCK, Layout};
use std::arch::x86_64::*;

/// Sixteen scales and minima of a block of 256, one per group, and the factors of both.
pub(super) struct Groups {
    pub(super) scale: f32,
    pub(super) scales: __m512i,
    pub(super) minimum: f32,
    pub(super) minima: __m512i,
}

/// An array of four vectors. A closure given to `from_fn` would be called without the vector instructions, and not be
/// inlined.
macro_rules! four_parts {
    ($part:ident => $value:expr) => {{
        let mut parts = [_mm512_setzero_si512(); 4];
        for $part in 0..4 {
            parts[$part] = $value;
        }
        parts
    }};
}

/// How blocks of a format are read with AVX-512.
///
/// # Safety
/// All functions need AVX-512 F, BW, DQ, VL and F16C, and whole blocks at their addresses.
pub(super) trait Wide: Layout {
    /// The levels of a block of 256, 64 in each.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn block(block: *const u8) -> [__m512i; 4] {
        let mut levels = [0_u8; LARGEST_BLOCK];
        // SAFETY: a whole block is there; 256 bytes are four times 64.
        unsafe {
            Self::levels(std::slice::from_raw_parts(block, Self::BYTES), &mut levels);
            four_parts!(part => _mm512_loadu_si512(levels.as_ptr().add(part * 64).cast()))
        }
    }

    /// The scales and minima of a block of 256.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn groups(block: *const u8) -> Groups {
        // SAFETY: a whole block is there; sixteen i16 are 32 bytes.
        unsafe {
            let factors = Self::factors(std::slice::from_raw_parts(block, Self::BYTES));
            let widen =
                |values: &[i16; 16]| _mm512_cvtepi16_epi32(_mm256_loadu_si256(values.as_ptr().cast()));
            Groups {
                scale: factors.scale,
                scales: widen(&factors.scales),
                minimum: factors.minimum,
                minima: widen(&factors.minima),
            }
        }
    }

    /// The levels of two blocks of 32.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn pair(first: *const u8, second: *const u8) -> __m512i {
        let mut levels = [0_u8; 64];
        // SAFETY: whole blocks are there.
        unsafe {
            Self::levels(std::slice::from_raw_parts(first, Self::BYTES), &mut levels[..32]);
            Self::levels(std::slice::from_raw_parts(second, Self::BYTES), &mut levels[32..]);
            _mm512_loadu_si512(levels.as_ptr().cast())
        }
    }

    /// The scales of two blocks of 32 and their minima, in the first two lanes each.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn pair_factors(first: *const u8, second: *const u8) -> (__m128, __m128) {
        // SAFETY: whole blocks are there.
        let (first, second) = unsafe {
            (
                Self::factors(std::slice::from_raw_parts(first, Self::BYTES)),
                Self::factors(std::slice::from_raw_parts(second, Self::BYTES)),
            )
        };
        (
            _mm_setr_ps(first.scale, second.scale, 0.0, 0.0),
            _mm_setr_ps(first.minimum, second.minimum, 0.0, 0.0),
        )
    }
}

/// The half-precision numbers at the same place of two blocks.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,f16c")]
unsafe fn halves(first: *const u8, second: *const u8) -> __m128 {
    // SAFETY: two bytes are there, says the caller.
    let (first, second) =
        unsafe { (first.cast::<u16>().read_unaligned(), second.cast::<u16>().read_unaligned()) };
    _mm_cvtph_ps(_mm_cvtsi32_si128((u32::from(first) | u32::from(second) << 16).cast_signed()))
}

/// The half-precision number at an address.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,f16c")]
unsafe fn half(at: *const u8) -> f32 {
    // SAFETY: two bytes are there, says the caller.
    let bits = unsafe { at.cast::<u16>().read_unaligned() };
    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(bits))))
}

/// 32 bytes twice.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn twice(at: *const u8) -> __m512i {
    // SAFETY: 32 bytes are there, says the caller.
    _mm512_broadcast_i64x4(unsafe { _mm256_loadu_si256(at.cast()) })
}

/// Words of 16 bits shifted right, by different numbers in the two halves.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn shift_halves(value: __m512i, low: i16, high: i16) -> __m512i {
    let shifts = _mm512_inserti64x4::<1>(_mm512_set1_epi16(low), _mm256_set1_epi16(high));
    _mm512_srlv_epi16(value, shifts)
}

/// Levels of 32 bytes: the low halves, then the high ones.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn nibbles(at: *const u8) -> __m512i {
    // SAFETY: 32 bytes are there, says the caller.
    _mm512_and_si512(shift_halves(unsafe { twice(at) }, 0, 4), _mm512_set1_epi8(15))
}

/// Levels of twice 16 bytes: low halves, high halves, low halves, high halves.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
unsafe fn pair_of_nibbles(first: *const u8, second: *const u8) -> __m512i {
    // SAFETY: 16 bytes are there, says the caller.
    let (first, second) = unsafe { (_mm_loadu_si128(first.cast()), _mm_loadu_si128(second.cast())) };
    let both = _mm512_mask_broadcast_i32x4(_mm512_broadcast_i32x4(first), 0xff00, second);
    let shifts = _mm512_setr_epi64(
        0,
        0,
        0x0004_0004_0004_0004,
        0x0004_0004_0004_0004,
        0,
        0,
        0x0004_0004_0004_0004,
        0x0004_0004_0004_0004,
    );
    _mm512_and_si512(_mm512_srlv_epi16(both, shifts), _mm512_set1_epi8(15))
}

/// A fifth bit where a bit of two words is set.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn pair_of_fifth_bits(levels: __m512i, first: *const u8, second: *const u8) -> __m512i {
    // SAFETY: four bytes are there, says the caller.
    let (first, second) =
        unsafe { (first.cast::<u32>().read_unaligned(), second.cast::<u32>().read_unaligned()) };
    let bits = u64::from(first) | u64::from(second) << 32;
    _mm512_mask_add_epi8(levels, bits, levels, _mm512_set1_epi8(16))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
unsafe fn six_bit_groups(block: *const u8) -> Groups {
    // SAFETY: the first 16 bytes of a block are there, says the caller.
    let (packed, scale, minimum) =
        unsafe { (std::slice::from_raw_parts(block.add(4), 12), half(block), half(block.add(2))) };
    let (scales, minima) = f::six_bit_scales(packed);
    let widen = |bytes: u64| _mm512_cvtepu8_epi32(_mm_cvtsi64_si128(bytes.cast_signed()));
    Groups { scale, scales: widen(scales), minimum, minima: widen(minima) }
}

macro_rules! halves_first {
    ($minimum:literal) => {
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
        unsafe fn pair_factors(first: *const u8, second: *const u8) -> (__m128, __m128) {
            // SAFETY: whole blocks are there, says the caller.
            unsafe {
                let minimum = if $minimum {
                    _mm_sub_ps(_mm_setzero_ps(), halves(first.add(2), second.add(2)))
                } else {
                    _mm_setzero_ps()
                };
                (halves(first, second), minimum)
            }
        }
    };
}

impl Wide for f::Q4_0 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn pair(first: *const u8, second: *const u8) -> __m512i {
        // SAFETY: whole blocks are there, says the caller.
        unsafe { pair_of_nibbles(first.add(2), second.add(2)) }
    }

    halves_first!(false);
}

impl Wide for f::Q4_1 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn pair(first: *const u8, second: *const u8) -> __m512i {
        // SAFETY: whole blocks are there, says the caller.
        unsafe { pair_of_nibbles(first.add(4), second.add(4)) }
    }

    halves_first!(true);
}

impl Wide for f::Q5_0 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn pair(first: *const u8, second: *const u8) -> __m512i {
        // SAFETY: whole blocks are there, says the caller.
        unsafe {
            let levels = pair_of_nibbles(first.add(6), second.add(6));
            pair_of_fifth_bits(levels, first.add(2), second.add(2))
        }
    }

    halves_first!(false);
}

impl Wide for f::Q5_1 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn pair(first: *const u8, second: *const u8) -> __m512i {
        // SAFETY: whole blocks are there, says the caller.
        unsafe {
            let levels = pair_of_nibbles(first.add(8), second.add(8));
            pair_of_fifth_bits(levels, first.add(4), second.add(4))
        }
    }

    halves_first!(true);
}

impl Wide for f::Q8_0 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn pair(first: *const u8, second: *const u8) -> __m512i {
        // SAFETY: whole blocks are there, says the caller.
        let (first, second) =
            unsafe { (_mm256_loadu_si256(first.add(2).cast()), _mm256_loadu_si256(second.add(2).cast())) };
        let both = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first), second);
        _mm512_xor_si512(both, _mm512_set1_epi8(-128))
    }

    halves_first!(false);
}

/// The sixteen levels of a table in each quarter of a register.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn look_up(table: &[u8; 16], nibbles: __m512i) -> __m512i {
    // SAFETY: the table has 16 bytes.
    let table = _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(table.as_ptr().cast()) });
    _mm512_shuffle_epi8(table, nibbles)
}

impl Wide for f::Mxfp4 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn pair(first: *const u8, second: *const u8) -> __m512i {
        // SAFETY: whole blocks are there, says the caller.
        look_up(&f::MXFP4_LEVELS, unsafe { pair_of_nibbles(first.add(1), second.add(1)) })
    }
}

impl Wide for f::Iq4Nl {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn pair(first: *const u8, second: *const u8) -> __m512i {
        // SAFETY: whole blocks are there, says the caller.
        look_up(&f::IQ4_LEVELS, unsafe { pair_of_nibbles(first.add(2), second.add(2)) })
    }

    halves_first!(false);
}

impl Wide for f::Iq4Xs {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn block(block: *const u8) -> [__m512i; 4] {
        // SAFETY: a whole block is there, says the caller.
        unsafe {
            four_parts!(part => {
                let at = block.add(8 + 32 * part);
                look_up(&f::IQ4_LEVELS, pair_of_nibbles(at, at.add(16)))
            })
        }
    }
}

impl Wide for f::Q2K {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn block(block: *const u8) -> [__m512i; 4] {
        // SAFETY: a whole block is there, says the caller.
        unsafe { pairs_of_bits(block.add(16)) }
    }
}

impl Wide for f::Q3K {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn block(block: *const u8) -> [__m512i; 4] {
        // SAFETY: a whole block is there, says the caller.
        unsafe { upper_bits(pairs_of_bits(block.add(32)), block, 4) }
    }
}

/// Levels of 64 bytes: each 32 of them hold four times 32 numbers of two bits.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn pairs_of_bits(at: *const u8) -> [__m512i; 4] {
    // SAFETY: 64 bytes are there, says the caller.
    let (first, second) = unsafe { (twice(at), twice(at.add(32))) };
    let three = _mm512_set1_epi8(3);
    [
        _mm512_and_si512(shift_halves(first, 0, 2), three),
        _mm512_and_si512(shift_halves(first, 4, 6), three),
        _mm512_and_si512(shift_halves(second, 0, 2), three),
        _mm512_and_si512(shift_halves(second, 4, 6), three),
    ]
}

/// Add `value` to the levels of the `i`-th 32 where bit `i` of 32 bytes is set.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn upper_bits(levels: [__m512i; 4], bits: *const u8, value: i8) -> [__m512i; 4] {
    // SAFETY: 32 bytes are there, says the caller.
    let bits = unsafe { twice(bits) };
    four_parts!(part => {
        let (low, high) = (1_u8 << (2 * part), 2_u8 << (2 * part));
        let wanted = _mm512_inserti64x4::<1>(
            _mm512_set1_epi8(low.cast_signed()),
            _mm256_set1_epi8(high.cast_signed()),
        );
        let mask = _mm512_test_epi8_mask(bits, wanted);
        _mm512_mask_add_epi8(levels[part], mask, levels[part], _mm512_set1_epi8(value))
    })
}

impl Wide for f::Q4K {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn block(block: *const u8) -> [__m512i; 4] {
        // SAFETY: a whole block is there, says the caller.
        unsafe { four_parts!(part => nibbles(block.add(16 + 32 * part))) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn groups(block: *const u8) -> Groups {
        // SAFETY: a whole block is there, says the caller.
        unsafe { six_bit_groups(block) }
    }
}

impl Wide for f::Q5K {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn block(block: *const u8) -> [__m512i; 4] {
        // SAFETY: a whole block is there, says the caller.
        unsafe {
            let levels = four_parts!(part => nibbles(block.add(48 + 32 * part)));
            upper_bits(levels, block.add(16), 16)
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn groups(block: *const u8) -> Groups {
        // SAFETY: a whole block is there, says the caller.
        unsafe { six_bit_groups(block) }
    }
}

impl Wide for f::Q6K {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn block(block: *const u8) -> [__m512i; 4] {
        let (low, high) = (_mm512_set1_epi8(15), _mm512_set1_epi8(0x30));
        let mut levels = [_mm512_setzero_si512(); 4];
        for half in 0..2 {
            // SAFETY: a whole block is there, says the caller.
            let (four, two) = unsafe {
                (_mm512_loadu_si512(block.add(64 * half).cast()), twice(block.add(128 + 32 * half)))
            };
            let shifts = _mm512_inserti64x4::<1>(_mm512_set1_epi16(4), _mm256_set1_epi16(2));
            let upper = _mm512_and_si512(_mm512_sllv_epi16(two, shifts), high);
            levels[2 * half] = _mm512_or_si512(_mm512_and_si512(four, low), upper);
            let upper = _mm512_and_si512(shift_halves(two, 0, 2), high);
            let four = _mm512_and_si512(_mm512_srli_epi16::<4>(four), low);
            levels[2 * half + 1] = _mm512_or_si512(four, upper);
        }
        levels
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
    unsafe fn groups(block: *const u8) -> Groups {
        // SAFETY: a whole block is there, says the caller.
        unsafe {
            let scales = _mm512_cvtepi8_epi32(_mm_loadu_si128(block.add(192).cast()));
            Groups { scale: half(block.add(208)), scales, minimum: 0.0, minima: _mm512_setzero_si512() }
        }
    }
}
