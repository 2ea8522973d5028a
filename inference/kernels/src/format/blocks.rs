//! Owns the formats of 32 numbers with one scale: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, MXFP4, IQ4_NL.
//! Uses the layouts of ggml (`ggml-common.h`) and, for MXFP4, of the OCP Microscaling specification 1.0.
//! Never copies more than one block.

use super::layout::{Factors, Layout, half_at};

/// Levels of 16 bytes whose low halves come first and whose high halves follow.
#[inline(always)]
fn nibbles(packed: &[u8], levels: &mut [u8]) {
    let (low, high) = levels[..32].split_at_mut(16);
    for ((packed, low), high) in packed[..16].iter().zip(low).zip(high) {
        *low = packed & 15;
        *high = packed >> 4;
    }
}

/// Add a fifth bit: bit `i` of `bits` belongs to level `i`.
#[inline(always)]
fn fifth_bit(bits: &[u8], levels: &mut [u8]) {
    let bits = u32::from_le_bytes([bits[0], bits[1], bits[2], bits[3]]);
    for (index, level) in levels[..32].iter_mut().enumerate() {
        *level |= ((bits >> index & 1) as u8) << 4;
    }
}

#[inline(always)]
fn look_up(table: &[u8; 16], packed: &[u8], levels: &mut [u8]) {
    nibbles(packed, levels);
    for level in &mut levels[..32] {
        *level = table[usize::from(*level)];
    }
}

/// f16 scale; 4 bits each.
pub(crate) enum Q4_0 {}
/// f16 scale, f16 minimum; 4 bits each.
pub(crate) enum Q4_1 {}
/// f16 scale; 32 fifth bits; 4 bits each.
pub(crate) enum Q5_0 {}
/// f16 scale, f16 minimum; 32 fifth bits; 4 bits each.
pub(crate) enum Q5_1 {}
/// f16 scale; 32 signed bytes.
pub(crate) enum Q8_0 {}
/// Scale as a power of two; 4 bits each: a sign, two bits of exponent, one of fraction.
pub(crate) enum Mxfp4 {}
/// f16 scale; 4 bits each, into a table.
pub(crate) enum Iq4Nl {}

impl Layout for Q4_0 {
    const LEN: usize = 32;
    const BYTES: usize = 18;
    const GROUP: usize = 32;
    const SHIFT: u32 = 3;
    const MINIMA: bool = false;

    #[inline(always)]
    fn levels(block: &[u8], levels: &mut [u8]) {
        nibbles(&block[2..18], levels);
    }

    #[inline(always)]
    fn factors(block: &[u8]) -> Factors {
        Factors::plain(half_at(block, 0))
    }
}

impl Layout for Q4_1 {
    const LEN: usize = 32;
    const BYTES: usize = 20;
    const GROUP: usize = 32;
    const SHIFT: u32 = 0;
    const MINIMA: bool = true;

    #[inline(always)]
    fn levels(block: &[u8], levels: &mut [u8]) {
        nibbles(&block[4..20], levels);
    }

    #[inline(always)]
    fn factors(block: &[u8]) -> Factors {
        Factors::with_minimum(half_at(block, 0), -half_at(block, 2))
    }
}

impl Layout for Q5_0 {
    const LEN: usize = 32;
    const BYTES: usize = 22;
    const GROUP: usize = 32;
    const SHIFT: u32 = 4;
    const MINIMA: bool = false;

    #[inline(always)]
    fn levels(block: &[u8], levels: &mut [u8]) {
        nibbles(&block[6..22], levels);
        fifth_bit(&block[2..6], levels);
    }

    #[inline(always)]
    fn factors(block: &[u8]) -> Factors {
        Factors::plain(half_at(block, 0))
    }
}

impl Layout for Q5_1 {
    const LEN: usize = 32;
    const BYTES: usize = 24;
    const GROUP: usize = 32;
    const SHIFT: u32 = 0;
    const MINIMA: bool = true;

    #[inline(always)]
    fn levels(block: &[u8], levels: &mut [u8]) {
        nibbles(&block[8..24], levels);
        fifth_bit(&block[4..8], levels);
    }

    #[inline(always)]
    fn factors(block: &[u8]) -> Factors {
        Factors::with_minimum(half_at(block, 0), -half_at(block, 2))
    }
}

impl Layout for Q8_0 {
    const LEN: usize = 32;
    const BYTES: usize = 34;
    const GROUP: usize = 32;
    const SHIFT: u32 = 7;
    const MINIMA: bool = false;

    #[inline(always)]
    fn levels(block: &[u8], levels: &mut [u8]) {
        for (level, byte) in levels[..32].iter_mut().zip(&block[2..34]) {
            // Flipping the sign bit adds 128.
            *level = byte ^ 128;
        }
    }

    #[inline(always)]
    fn factors(block: &[u8]) -> Factors {
        Factors::plain(half_at(block, 0))
    }
}

/// Twice the numbers 0, ½, 1, 1½, 2, 3, 4, 6 and their negatives, and 16 on top.
pub(crate) const MXFP4_LEVELS: [u8; 16] = [16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4];

impl Layout for Mxfp4 {
    const LEN: usize = 32;
    const BYTES: usize = 17;
    const GROUP: usize = 32;
    const SHIFT: u32 = 4;
    const MINIMA: bool = false;

    #[inline(always)]
    fn levels(block: &[u8], levels: &mut [u8]) {
        look_up(&MXFP4_LEVELS, &block[1..17], levels);
    }

    #[inline(always)]
    fn factors(block: &[u8]) -> Factors {
        // Half of 2^(e - 127), as the levels are doubled: an ordinary number from e = 2, a subnormal below.
        let exponent = u32::from(block[0]);
        Factors::plain(f32::from_bits(if exponent < 2 {
            0x0020_0000 << exponent
        } else {
            (exponent - 1) << 23
        }))
    }
}

/// The sixteen numbers of ggml's "non-linear" four bits (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53,
/// 69, 89, 113), and 128 on top.
pub(crate) const IQ4_LEVELS: [u8; 16] =
    [1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241];

impl Layout for Iq4Nl {
    const LEN: usize = 32;
    const BYTES: usize = 18;
    const GROUP: usize = 32;
    const SHIFT: u32 = 7;
    const MINIMA: bool = false;

    #[inline(always)]
    fn levels(block: &[u8], levels: &mut [u8]) {
        look_up(&IQ4_LEVELS, &block[2..18], levels);
    }

    #[inline(always)]
    fn factors(block: &[u8]) -> Factors {
        Factors::plain(half_at(block, 0))
    }
}
