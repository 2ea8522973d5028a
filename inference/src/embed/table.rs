//! Owns the static embedder: a vector for each term, a text being the weighted sum of those of its terms.
//! Uses the table that `inference/embed/train.py` writes; one is part of the library.
//! Never believes a table before its hash and every length in it are checked.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::terms::terms;
use super::{EmbedError, Kind};

/// Trained on pairs of documentation and code; `inference/embed/README.md` says on which, and what it is worth.
static BUILTIN: &[u8] = include_bytes!("../../embed/table.bin");

const MAGIC: &[u8; 8] = b"locitab1";
/// Larger ones are none of ours.
const MOST_TERMS: usize = 1 << 20;
const MOST_DIMENSIONS: usize = 4096;
/// Terms of the code of a passage that count: as many as were trained on.
const CODE_TERMS: usize = 400;

/// A table, checked.
#[derive(Debug)]
pub struct Table {
    fingerprint: [u8; 32],
    dimensions: usize,
    /// What a term counts in the name, in the place and in the code of a passage.
    fields: [f32; 3],
    numbers: HashMap<Box<str>, u32>,
    /// What a step of each row is worth, in passages and in questions.
    passage_scales: Vec<f32>,
    question_scales: Vec<f32>,
    /// `dimensions` bytes a term.
    rows: Vec<i8>,
}

impl Table {
    /// The one that is part of the library, read on first use.
    ///
    /// # Errors
    /// Never, unless the library was built from damaged sources.
    pub fn builtin() -> Result<Arc<Self>, EmbedError> {
        static TABLE: OnceLock<Result<Arc<Table>, EmbedError>> = OnceLock::new();
        TABLE.get_or_init(|| Self::read(BUILTIN).map(Arc::new)).clone()
    }

    /// What [`Table::fingerprint`] is for the built-in one, which need not be read for it.
    #[must_use]
    pub fn builtin_fingerprint() -> [u8; 32] {
        BUILTIN.last_chunk::<32>().copied().unwrap_or_default()
    }

    /// What [`Table::dimensions`] is for the built-in one, likewise.
    #[must_use]
    pub fn builtin_dimensions() -> usize {
        let number = BUILTIN.get(12..16).and_then(|bytes| bytes.try_into().ok());
        number.map_or(0, |bytes| u32::from_le_bytes(bytes) as usize)
    }

    /// Read a table: magic, counts, weights of fields, terms, scales, rows, and the hash of all that.
    ///
    /// # Errors
    /// `Damaged` for anything that is not exactly a table.
    pub fn read(bytes: &[u8]) -> Result<Self, EmbedError> {
        let damaged = |what: &str| EmbedError::Damaged { what: format!("the table of terms: {what}") };
        let (body, hash) = bytes.split_last_chunk::<32>().ok_or_else(|| damaged("too short"))?;
        if blake3::hash(body).as_bytes() != hash {
            return Err(damaged("its hash is another"));
        }
        let mut reader = Reader { bytes: body };
        (|| {
            if reader.take(8)? != MAGIC {
                return None;
            }
            let (count, dimensions) = (reader.number()?, reader.number()?);
            if count == 0 || count > MOST_TERMS || dimensions == 0 || dimensions > MOST_DIMENSIONS {
                return None;
            }
            let fields = [reader.float()?, reader.float()?, reader.float()?];
            let mut numbers = HashMap::with_capacity(count);
            for number in 0..count {
                let length = usize::from(*reader.take(1)?.first()?);
                let term = std::str::from_utf8(reader.take(length)?).ok()?;
                if numbers.insert(Box::from(term), u32::try_from(number).ok()?).is_some() {
                    return None;
                }
            }
            let mut scales = || (0..count).map(|_| reader.float()).collect::<Option<Vec<f32>>>();
            let (passage_scales, question_scales) = (scales()?, scales()?);
            let rows: Vec<i8> =
                reader.take(count.checked_mul(dimensions)?)?.iter().map(|byte| byte.cast_signed()).collect();
            reader.bytes.is_empty().then_some(Self {
                fingerprint: *hash,
                dimensions,
                fields,
                numbers,
                passage_scales,
                question_scales,
                rows,
            })
        })()
        .ok_or_else(|| damaged("its parts do not fit"))
    }

    /// Names the table.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// The length of every vector.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The vector of a text, of unit length; zeros when no term of it is known. A passage has its name on the first line
    /// and its place on the second.
    #[must_use]
    pub fn embed(&self, text: &str, kind: Kind) -> Vec<f32> {
        let mut vector = vec![0.0; self.dimensions];
        match kind {
            Kind::Question => self.add(text, usize::MAX, 1.0, &self.question_scales, &mut vector),
            Kind::Passage => {
                let (name, rest) = text.split_once('\n').unwrap_or((text, ""));
                let (place, code) = rest.split_once('\n').unwrap_or((rest, ""));
                self.add(name, CODE_TERMS, self.fields[0], &self.passage_scales, &mut vector);
                self.add(place, CODE_TERMS, self.fields[1], &self.passage_scales, &mut vector);
                self.add(code, CODE_TERMS, self.fields[2], &self.passage_scales, &mut vector);
            }
        }
        super::normalise(&mut vector);
        vector
    }

    /// Add the vectors of a text's terms, those that stand there often a little more.
    fn add(&self, text: &str, most: usize, weight: f32, scales: &[f32], vector: &mut [f32]) {
        let (mut found, mut seen) = (Vec::<u32>::new(), 0);
        terms(text, &mut |term| {
            seen += 1;
            if seen <= most {
                found.extend(self.numbers.get(term));
            }
        });
        // In one order, so that sums of the same terms are the same to the last bit.
        found.sort_unstable();
        for same in found.chunk_by(|one, other| one == other) {
            let number = same[0] as usize;
            let factor = weight * scales[number] * (1.0 + (same.len() as f32).ln());
            let row = &self.rows[number * self.dimensions..(number + 1) * self.dimensions];
            for (sum, value) in vector.iter_mut().zip(row) {
                *sum += factor * f32::from(*value);
            }
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.take(4)?.try_into().ok()?)).ok()
    }

    fn float(&mut self) -> Option<f32> {
        let value = f32::from_le_bytes(self.take(4)?.try_into().ok()?);
        value.is_finite().then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table, made by hand: three terms of two dimensions.
    fn small() -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&3u32.to_le_bytes());
        bytes.extend_from_slice(&2u32.to_le_bytes());
        for value in [2.0f32, 0.5, 1.0] {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        for term in ["load", "file", "config"] {
            bytes.push(u8::try_from(term.len()).expect("short"));
            bytes.extend_from_slice(term.as_bytes());
        }
        for value in [0.1f32, 0.1, 0.1, 0.2, 0.1, 0.1] {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        bytes.extend([100, 0, 0, 100, 0x9c, 0].map(|value: u8| value));
        sealed(bytes)
    }

    fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        bytes
    }

    #[test]
    fn texts_are_sums_of_their_terms() {
        let table = Table::read(&small()).expect("sound");
        let check = |text: &str, kind: Kind, expect: [f32; 2]| {
            let vector = table.embed(text, kind);
            assert!(
                vector.iter().zip(expect).all(|(one, other)| (one - other).abs() < 1e-6),
                "{text:?} {vector:?}"
            );
        };
        check("loads", Kind::Question, [1.0, 0.0]);
        check("unknown words", Kind::Question, [0.0, 0.0]);
        check("load the file", Kind::Question, [0.894_427_2, 0.447_213_6]);
        check("load\n\nfile", Kind::Passage, [0.894_427_2, 0.447_213_6]);
        check("config", Kind::Passage, [-1.0, 0.0]);
        // The second time counts less than the first.
        check("load file file", Kind::Question, [0.763_228, 0.646_129]);
        assert_eq!(table.embed("", Kind::Passage), [0.0, 0.0]);
    }

    #[test]
    fn damaged_tables_are_refused() {
        let sound = small();
        for at in 0..sound.len() {
            let mut damaged = sound.clone();
            damaged[at] ^= 1;
            assert!(Table::read(&damaged).is_err(), "byte {at}");
            assert!(Table::read(&sound[..at]).is_err(), "cut at {at}");
        }
        // Sealed rightly, and wrong all the same.
        let body = &sound[..sound.len() - 32];
        let with = |at: usize, bytes: &[u8]| {
            let mut changed = body.to_vec();
            changed[at..at + bytes.len()].copy_from_slice(bytes);
            sealed(changed)
        };
        for (what, bytes) in [
            ("magic", with(0, b"other")),
            ("no terms", with(8, &0u32.to_le_bytes())),
            ("too many terms", with(8, &u32::MAX.to_le_bytes())),
            ("no dimensions", with(12, &0u32.to_le_bytes())),
            ("other dimensions", with(12, &3u32.to_le_bytes())),
            ("no number", with(16, &f32::NAN.to_le_bytes())),
            ("the same term twice", with(28, &[3])),
            ("no text", with(29, &[0xff])),
            ("more than all", sealed([body, &[0]].concat())),
        ] {
            assert!(Table::read(&bytes).is_err(), "{what}");
        }
    }

    #[test]
    fn the_table_of_the_library_is_sound_and_agrees_with_its_recipe() {
        let table = Table::builtin().expect("sound");
        assert_eq!(table.fingerprint(), Table::builtin_fingerprint());
        assert_eq!(table.dimensions(), Table::builtin_dimensions());
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../embed/golden.json")).expect("golden");
        for row in golden.as_array().expect("rows") {
            let text = row["text"].as_str().expect("text");
            let mut found = Vec::new();
            terms(text, &mut |term| found.push(term.to_owned()));
            assert_eq!(serde_json::json!(found), row["terms"], "{text:?}");
            for (kind, name) in [(Kind::Question, "question"), (Kind::Passage, "passage")] {
                let expect: Vec<f32> = serde_json::from_value(row[name].clone()).expect("vector");
                let vector = table.embed(text, kind);
                let worst =
                    vector.iter().zip(&expect).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
                assert!(vector.len() >= expect.len() && worst < 1e-4, "{text:?} {name} {worst}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_a_vector(text in "(\\PC|\n){0,200}") {
            let table = Table::read(&small()).expect("sound");
            for kind in [Kind::Question, Kind::Passage] {
                let length: f32 = table.embed(&text, kind).iter().map(|value| value * value).sum();
                proptest::prop_assert!(length == 0.0 || (length - 1.0).abs() < 1e-3);
            }
        }
    }
}
