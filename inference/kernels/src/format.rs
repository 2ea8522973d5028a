//! Owns the layouts of quantised rows, as ggml defines them.
//! Uses plain byte slices, little-endian, without alignment.
//! Never trusts a length.

mod blocks;
mod encode;
mod layout;
mod super_blocks;
#[cfg(test)]
mod tests;

#[cfg(target_arch = "x86_64")]
pub(crate) use blocks::{IQ4_LEVELS, MXFP4_LEVELS};
pub(crate) use blocks::{Iq4Nl, Mxfp4, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
pub use encode::quantise;
pub(crate) use layout::{Factors, LARGEST_BLOCK, Layout};
#[cfg(target_arch = "x86_64")]
pub(crate) use super_blocks::six_bit_scales;
pub(crate) use super_blocks::{Iq4Xs, Q2K, Q3K, Q4K, Q5K, Q6K};

/// One of two expressions: with the layout of a quantised format, or for a float format.
macro_rules! with_layout {
    ($format:expr, $layout:ident => $body:expr, float => $float:expr) => {{
        use $crate::format as f;
        match $format {
            f::Format::F32 | f::Format::F16 | f::Format::BF16 => $float,
            f::Format::Q4_0 => {
                type $layout = f::Q4_0;
                $body
            }
            f::Format::Q4_1 => {
                type $layout = f::Q4_1;
                $body
            }
            f::Format::Q5_0 => {
                type $layout = f::Q5_0;
                $body
            }
            f::Format::Q5_1 => {
                type $layout = f::Q5_1;
                $body
            }
            f::Format::Q8_0 => {
                type $layout = f::Q8_0;
                $body
            }
            f::Format::Q2K => {
                type $layout = f::Q2K;
                $body
            }
            f::Format::Q3K => {
                type $layout = f::Q3K;
                $body
            }
            f::Format::Q4K => {
                type $layout = f::Q4K;
                $body
            }
            f::Format::Q5K => {
                type $layout = f::Q5K;
                $body
            }
            f::Format::Q6K => {
                type $layout = f::Q6K;
                $body
            }
            f::Format::MXFP4 => {
                type $layout = f::Mxfp4;
                $body
            }
            f::Format::IQ4NL => {
                type $layout = f::Iq4Nl;
                $body
            }
            f::Format::IQ4XS => {
                type $layout = f::Iq4Xs;
                $body
            }
        }
    }};
}
pub(crate) use with_layout;

/// How the numbers of a row are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the format's own")]
pub enum Format {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
    MXFP4,
    IQ4NL,
    IQ4XS,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::MXFP4,
        Self::IQ4NL,
        Self::IQ4XS,
    ];

    /// The format with this number in a GGUF file (`ggml_type`), if it is one of ours.
    pub fn from_ggml(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.ggml() == id)
    }

    /// Its number in a GGUF file.
    pub fn ggml(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q5_0 => 6,
            Self::Q5_1 => 7,
            Self::Q8_0 => 8,
            Self::Q2K => 10,
            Self::Q3K => 11,
            Self::Q4K => 12,
            Self::Q5K => 13,
            Self::Q6K => 14,
            Self::IQ4NL => 20,
            Self::IQ4XS => 23,
            Self::BF16 => 30,
            Self::MXFP4 => 39,
        }
    }

    /// Numbers in a block.
    pub fn block_len(self) -> usize {
        with_layout!(self, L => L::LEN, float => 1)
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        with_layout!(self, L => L::BYTES, float => if self == Self::F32 { 4 } else { 2 })
    }

    /// Bytes of a row of `columns` numbers; `None` when they are not whole blocks.
    pub fn row_bytes(self, columns: usize) -> Option<usize> {
        let blocks = columns.is_multiple_of(self.block_len()).then(|| columns / self.block_len())?;
        blocks.checked_mul(self.block_bytes())
    }

    /// Write the numbers that `bytes` hold. Panics when `output` takes another number of bytes.
    pub fn dequantise(self, bytes: &[u8], output: &mut [f32]) {
        assert_eq!(self.row_bytes(output.len()), Some(bytes.len()), "{self:?}: {} numbers", output.len());
        with_layout!(self, L => layout::dequantise::<L>(bytes, output), float => self.read_floats(bytes, output));
    }

    /// As [`Format::dequantise`], for a float format.
    #[inline(always)]
    pub(crate) fn read_floats(self, bytes: &[u8], output: &mut [f32]) {
        match self {
            Self::F32 => {
                for (value, bytes) in output.iter_mut().zip(bytes.as_chunks().0) {
                    *value = f32::from_le_bytes(*bytes);
                }
            }
            Self::F16 => {
                for (value, bytes) in output.iter_mut().zip(bytes.as_chunks().0) {
                    *value = layout::single(u16::from_le_bytes(*bytes));
                }
            }
            // BF16 is the upper half of a single.
            _ => {
                for (value, bytes) in output.iter_mut().zip(bytes.as_chunks().0) {
                    *value = f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16);
                }
            }
        }
    }
}
