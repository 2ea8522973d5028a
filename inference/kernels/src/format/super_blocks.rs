//! Owns the formats of 256 numbers with scales for groups of 16 or 32: Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_XS.
//! Uses the layouts of ggml (`ggml-common.h`, `ggml-quants.c`).
//! Never copies more than one block.

use super::blocks::IQ4_LEVELS;
use super::layout::{Factors, Layout, MOST_GROUPS, half_at};

/// 16 bytes of 4-bit scales and minima; 64 bytes of 2 bits; f16 scale, f16 minimum.
pub(crate) enum Q2K {}
/// 32 bytes of third bits; 64 bytes of 2 bits; 12 bytes of 6-bit scales; f16 scale.
pub(crate) enum Q3K {}
/// f16 scale, f16 minimum; 12 bytes of 6-bit scales and minima; 128 bytes of 4 bits.
pub(crate) enum Q4K {}
/// As Q4_K, with 32 bytes of fifth bits before the 4 bits.
pub(crate) enum Q5K {}
/// 128 bytes of 4 bits; 64 bytes of 2 bits above them; 16 signed scales; f16 scale.
pub(crate) enum Q6K {}
/// f16 scale; 16 bits with the upper 2 bits of 8 scales, 4 bytes with the lower 4; 128 bytes of 4 bits into a table.
pub(crate) enum Iq4Xs {}

/// Four bytes of `bytes` at `at` as one word.
#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The eight 6-bit scales and the eight 6-bit minima of Q4_K and Q5_K, a byte each: the first four of both are the
/// lower 6 bits of the first 8 bytes, whose upper 2 bits belong to the last four; their lower 4 bits follow.
#[inline(always)]
pub(crate) fn six_bit_scales(packed: &[u8]) -> (u64, u64) {
    let (first, second, third) = (word(packed, 0), word(packed, 4), word(packed, 8));
    let scales = third & 0x0f0f_0f0f | (first >> 2) & 0x3030_3030;
    let minima = (third >> 4) & 0x0f0f_0f0f | (second >> 2) & 0x3030_3030;
    let join = |low: u32, high: u32| u64::from(low & 0x3f3f_3f3f) | u64::from(high) << 32;
    (join(first, scales), join(second, minima))
}

#[inline(always)]
fn with_six_bit_scales(block: &[u8]) -> Factors {
    let (scales, minima) = six_bit_scales(&block[4..16]);
    let mut factors = Factors::with_minimum(half_at(block, 0), half_at(block, 2));
    for (target, byte) in factors.scales.iter_mut().zip(scales.to_le_bytes()) {
        *target = i16::from(byte);
    }
    for (target, byte) in factors.minima.iter_mut().zip(minima.to_le_bytes()) {
        *target = i16::from(byte);
    }
    factors
}

/// Levels of 128 bytes: each 32 of them hold 32 numbers in their low halves and the next 32 in their high ones.
#[inline(always)]
fn nibbles(packed: &[u8], levels: &mut [u8]) {
    for (packed, levels) in packed[..128].as_chunks::<32>().0.iter().zip(levels.as_chunks_mut::<64>().0) {
        for index in 0..32 {
            levels[index] = packed[index] & 15;
            levels[32 + index] = packed[index] >> 4;
        }
    }
}

/// Levels of 64 bytes: each 32 of them hold four times 32 numbers, the lowest bits first.
#[inline(always)]
fn pairs_of_bits(packed: &[u8], levels: &mut [u8]) {
    for (packed, levels) in packed[..64].as_chunks::<32>().0.iter().zip(levels.as_chunks_mut::<128>().0) {
        for part in 0..4 {
            for index in 0..32 {
                levels[part * 32 + index] = packed[index] >> (2 * part) & 3;
            }
        }
    }
}

/// Add bit `i` of 32 bytes to the `i`-th run of 32 levels, at `position`.
#[inline(always)]
fn upper_bit(bits: &[u8], position: u32, levels: &mut [u8]) {
    for (run, levels) in levels.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        for index in 0..32 {
            levels[index] |= (bits[index] >> run & 1) << position;
        }
    }
}

impl Layout for Q2K {
    const LEN: usize = 256;
    const BYTES: usize = 84;
    const GROUP: usize = 16;
    const SHIFT: u32 = 0;
    const MINIMA: bool = true;

    #[inline(always)]
    fn levels(block: &[u8], levels: &mut [u8]) {
        pairs_of_bits(&block[16..80], levels);
    }

    #[inline(always)]
    fn factors(block: &[u8]) -> Factors {
        let mut factors = Factors::with_minimum(half_at(block, 80), half_at(block, 82));
        for (group, byte) in block[..MOST_GROUPS].iter().enumerate() {
            factors.scales[group] = i16::from(byte & 15);
            factors.minima[group] = i16::from(byte >> 4);
        }
        factors
    }
}

impl Layout for Q3K {
    const LEN: usize = 256;
    const BYTES: usize = 110;
    const GROUP: usize = 16;
    const SHIFT: u32 = 2;
    const MINIMA: bool = false;

    #[inline(always)]
    fn levels(block: &[u8], levels: &mut [u8]) {
        pairs_of_bits(&block[32..96], levels);
        upper_bit(&block[..32], 2, levels);
    }

    #[inline(always)]
    fn factors(block: &[u8]) -> Factors {
        let mut factors = Factors::plain(half_at(block, 108));
        let packed = &block[96..108];
        for group in 0..MOST_GROUPS {
            // Eight bytes hold the lower 4 bits, low halves first; byte `group % 4` of the last four the upper 2.
            let low = packed[group % 8] >> (4 * (group / 8)) & 15;
            let high = packed[8 + group % 4] >> (2 * (group / 4)) & 3;
            factors.scales[group] = i16::from(low | high << 4) - 32;
        }
        factors
    }
}

impl Layout for Q4K {
    const LEN: usize = 256;
    const BYTES: usize = 144;
    const GROUP: usize = 32;
    const SHIFT: u32 = 0;
    const MINIMA: bool = true;

    #[inline(always)]
    fn levels(block: &[u8], levels: &mut [u8]) {
        nibbles(&block[16..144], levels);
    }

    #[inline(always)]
    fn factors(block: &[u8]) -> Factors {
        with_six_bit_scales(block)
    }
}

impl Layout for Q5K {
    const LEN: usize = 256;
    const BYTES: usize = 176;
    const GROUP: usize = 32;
    const SHIFT: u32 = 0;
    const MINIMA: bool = true;

    #[inline(always)]
    fn levels(block: &[u8], levels: &mut [u8]) {
        nibbles(&block[48..176], levels);
        upper_bit(&block[16..48], 4, levels);
    }

    #[inline(always)]
    fn factors(block: &[u8]) -> Factors {
        with_six_bit_scales(block)
    }
}

impl Layout for Q6K {
    const LEN: usize = 256;
    const BYTES: usize = 210;
    const GROUP: usize = 16;
    const SHIFT: u32 = 5;
    const MINIMA: bool = false;

    #[inline(always)]
    fn levels(block: &[u8], levels: &mut [u8]) {
        let (low, high) = (block[..128].as_chunks::<64>().0, block[128..192].as_chunks::<32>().0);
        for ((low, high), levels) in low.iter().zip(high).zip(levels.as_chunks_mut::<128>().0) {
            for index in 0..32 {
                levels[index] = low[index] & 15 | (high[index] & 3) << 4;
                levels[32 + index] = low[32 + index] & 15 | (high[index] >> 2 & 3) << 4;
                levels[64 + index] = low[index] >> 4 | (high[index] >> 4 & 3) << 4;
                levels[96 + index] = low[32 + index] >> 4 | (high[index] >> 6) << 4;
            }
        }
    }

    #[inline(always)]
    fn factors(block: &[u8]) -> Factors {
        let mut factors = Factors::plain(half_at(block, 208));
        for (target, byte) in factors.scales.iter_mut().zip(&block[192..208]) {
            *target = i16::from(byte.cast_signed());
        }
        factors
    }
}

impl Layout for Iq4Xs {
    const LEN: usize = 256;
    const BYTES: usize = 136;
    const GROUP: usize = 32;
    const SHIFT: u32 = 7;
    const MINIMA: bool = false;

    #[inline(always)]
    fn levels(block: &[u8], levels: &mut [u8]) {
        for (packed, levels) in block[8..136].as_chunks::<16>().0.iter().zip(levels.as_chunks_mut::<32>().0) {
            for index in 0..16 {
                levels[index] = IQ4_LEVELS[usize::from(packed[index] & 15)];
                levels[16 + index] = IQ4_LEVELS[usize::from(packed[index] >> 4)];
            }
        }
    }

    #[inline(always)]
    fn factors(block: &[u8]) -> Factors {
        let mut factors = Factors::plain(half_at(block, 0));
        let high = u16::from_le_bytes([block[2], block[3]]);
        for group in 0..8 {
            let low = block[4 + group / 2] >> (4 * (group % 2)) & 15;
            factors.scales[group] = i16::from(low) + (((high >> (2 * group)) & 3) << 4).cast_signed() - 32;
        }
        factors
    }
}
