//! Owns writing of the simple formats, for caches, tests and measurements.
//! Uses the roundings of ggml's own writers, so that the bytes are the same.
//! Never searches for better scales: files come quantised.

use super::Format;

/// The bytes of `values` in `format`; `None` for a format that is only read, or when they are not whole blocks.
pub fn quantise(format: Format, values: &[f32]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(format.row_bytes(values.len())?);
    let half = |value: f32| half::f16::from_f32(value).to_le_bytes();
    match format {
        Format::F32 => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        Format::F16 => bytes.extend(values.iter().flat_map(|value| half(*value))),
        Format::BF16 => bytes.extend(values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes())),
        Format::Q8_0 => {
            for block in values.as_chunks::<32>().0 {
                let scale = block.iter().fold(0.0_f32, |most, value| most.max(value.abs())) / 127.0;
                let inverse = if scale == 0.0 { 0.0 } else { scale.recip() };
                bytes.extend(half(scale));
                bytes.extend(block.iter().map(|value| ((value * inverse).round() as i8).cast_unsigned()));
            }
        }
        Format::Q4_0 | Format::Q5_0 => {
            let offset = if format == Format::Q4_0 { 8_u8 } else { 16 };
            for block in values.as_chunks::<32>().0 {
                // The number that is farthest from zero becomes the lowest level, which has one more step.
                let farthest =
                    block.iter().fold(0.0_f32, |far, v| if v.abs() > far.abs() { *v } else { far });
                let scale = farthest / -f32::from(offset);
                let inverse = if scale == 0.0 { 0.0 } else { scale.recip() };
                let level =
                    |value: f32| ((value * inverse + f32::from(offset) + 0.5) as u8).min(2 * offset - 1);
                bytes.extend(half(scale));
                if format == Format::Q5_0 {
                    let bits = (0..32).fold(0_u32, |bits, i| bits | u32::from(level(block[i]) >> 4) << i);
                    bytes.extend(bits.to_le_bytes());
                }
                bytes.extend((0..16).map(|i| level(block[i]) & 15 | (level(block[i + 16]) & 15) << 4));
            }
        }
        _ => return None,
    }
    Some(bytes)
}
