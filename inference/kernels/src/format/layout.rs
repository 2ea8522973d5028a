//! Owns the one view of quantised blocks that everything else is made of: unsigned levels, scales and minima.
//! Uses a marker type per format.
//! Never multiplies.

/// Most numbers in a block.
pub(crate) const LARGEST_BLOCK: usize = 256;

/// Most groups, numbers that share a scale, in a block.
pub(crate) const MOST_GROUPS: usize = 16;

/// The factors of one block. Number `i` of group `g` is
/// `scale * scales[g] * (level[i] - offset) - minimum * minima[g]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Factors {
    pub(crate) scale: f32,
    pub(crate) scales: [i16; MOST_GROUPS],
    pub(crate) minimum: f32,
    pub(crate) minima: [i16; MOST_GROUPS],
}

impl Factors {
    /// One group with a scale.
    pub(super) fn plain(scale: f32) -> Self {
        Self { scale, scales: [1; MOST_GROUPS], minimum: 0.0, minima: [0; MOST_GROUPS] }
    }

    /// One group with a scale and a minimum.
    pub(super) fn with_minimum(scale: f32, minimum: f32) -> Self {
        Self { scale, scales: [1; MOST_GROUPS], minimum, minima: [1; MOST_GROUPS] }
    }
}

/// How a block of a format is read.
pub(crate) trait Layout {
    /// Numbers in a block, 32 or 256.
    const LEN: usize;
    /// Bytes of a block.
    const BYTES: usize;
    /// Numbers that share a scale, 16 or 32.
    const GROUP: usize;
    /// The level that stands for zero is `1 << SHIFT`, or 0 where `SHIFT` is 0.
    const SHIFT: u32;
    /// Whether the format has minima.
    const MINIMA: bool;

    /// The level that stands for zero.
    const OFFSET: u8 = if Self::SHIFT == 0 { 0 } else { 1 << Self::SHIFT };

    /// Write the `LEN` levels of a block of `BYTES` bytes.
    fn levels(block: &[u8], levels: &mut [u8]);

    /// The factors of a block of `BYTES` bytes.
    fn factors(block: &[u8]) -> Factors;
}

/// Write the numbers of `blocks`.
pub(super) fn dequantise<L: Layout>(blocks: &[u8], output: &mut [f32]) {
    let mut levels = [0; LARGEST_BLOCK];
    for (block, values) in blocks.chunks_exact(L::BYTES).zip(output.chunks_exact_mut(L::LEN)) {
        L::levels(block, &mut levels[..L::LEN]);
        let factors = L::factors(block);
        for (group, values) in values.chunks_exact_mut(L::GROUP).enumerate() {
            let scale = factors.scale * f32::from(factors.scales[group]);
            let minimum = factors.minimum * f32::from(factors.minima[group]);
            for (value, level) in values.iter_mut().zip(&levels[group * L::GROUP..]) {
                *value = scale * f32::from(i16::from(*level) - i16::from(L::OFFSET)) - minimum;
            }
        }
    }
}

/// The half-precision number at `at`.
#[inline(always)]
pub(super) fn half_at(block: &[u8], at: usize) -> f32 {
    single(u16::from_le_bytes([block[at], block[at + 1]]))
}

/// The number that these bits are in half precision.
#[inline(always)]
pub(crate) fn single(bits: u16) -> f32 {
    let bits = u32::from(bits);
    // Without branches: the exponent is moved by a multiplication, which also makes subnormals what they are.
    let magnitude = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
    let special = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(magnitude.to_bits() | special | (bits & 0x8000) << 16)
}
