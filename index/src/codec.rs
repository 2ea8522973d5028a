//! Owns the compact byte form of what the index keeps: numbers, strings, lists.
//! Uses nothing but the standard library.
//! Never trusts what it reads: every read is bounded and can fail.

/// Bytes being written.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// A number, seven bits a byte, low bits first.
    pub(crate) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// A wide signed number in fixed form (times in nanoseconds).
    pub(crate) fn wide(&mut self, value: i128) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Bytes with their length.
    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    /// A string with its length.
    pub(crate) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    /// A string that may be missing; an empty one counts as missing.
    pub(crate) fn optional(&mut self, value: Option<&str>) {
        self.text(value.unwrap_or_default());
    }

    /// What was written.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Bytes being read. `None` from any method means: not what was written.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    bytes: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Start at the beginning.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// As [`Encoder::number`].
    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A number that fits 32 bits.
    pub(crate) fn small(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    /// A count of things that take at least one byte each, so that a damaged count cannot ask for the whole memory.
    pub(crate) fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.bytes.len()).then_some(count)
    }

    /// As [`Encoder::wide`].
    pub(crate) fn wide(&mut self) -> Option<i128> {
        let (value, rest) = self.bytes.split_first_chunk::<16>()?;
        self.bytes = rest;
        Some(i128::from_le_bytes(*value))
    }

    /// As [`Encoder::bytes`].
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.count()?;
        let (value, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(value)
    }

    /// As [`Encoder::text`].
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// As [`Encoder::optional`].
    pub(crate) fn optional(&mut self) -> Option<Option<&'a str>> {
        let text = self.text()?;
        Some((!text.is_empty()).then_some(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(numbers: Vec<u64>, text: String, wide: i128) {
            let mut encoder = Encoder::default();
            encoder.number(numbers.len() as u64);
            numbers.iter().for_each(|&number| encoder.number(number));
            encoder.text(&text);
            encoder.wide(wide);
            let bytes = encoder.finish();
            let mut decoder = Decoder::new(&bytes);
            proptest::prop_assert_eq!(decoder.count(), Some(numbers.len()));
            for number in numbers {
                proptest::prop_assert_eq!(decoder.number(), Some(number));
            }
            proptest::prop_assert_eq!(decoder.text(), Some(&*text));
            proptest::prop_assert_eq!(decoder.wide(), Some(wide));
            proptest::prop_assert_eq!(decoder.number(), None);
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let mut decoder = Decoder::new(&bytes);
            while decoder.text().is_some() && decoder.number().is_some() {}
            proptest::prop_assert!(decoder.count().is_none_or(|count| count <= bytes.len()));
        }
    }
}
