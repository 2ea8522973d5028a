//! Owns the values of GGUF metadata and the numbers that stand for types.
//! Uses the bounded reader.
//! Never keeps a list that nothing asks for.

use loci_kernels::format::Format;

use super::GgufError;
use super::reader::Reader;

/// Elements of all lists together. The largest known vocabularies have 262,208 tokens with scores
/// and types, and 514,906 merges.
const MAX_ELEMENTS: u64 = 1 << 22;
/// Lists longer than this are kept only when the tokenizer needs them.
const MAX_IDLE_ELEMENTS: u64 = 4096;
/// Bytes of one string in a list.
const MAX_ELEMENT: u64 = 64 << 10;
/// Bytes of a string that is kept; longer ones are passed over.
const MAX_TEXT: u64 = 512 << 10;
/// Lists inside lists.
const MAX_DEPTH: usize = 4;

/// A value of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Any unsigned integer.
    Unsigned(u64),
    /// Any signed integer.
    Signed(i64),
    /// Any float.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A string.
    String(String),
    /// A list.
    Array(Array),
    /// A long string or list that nothing here needs, checked and passed over.
    Omitted {
        /// Its length in bytes (string) or elements (list).
        length: u64,
        /// Whether it is a string.
        text: bool,
    },
}

/// A list of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub enum Array {
    /// Integers and truth values.
    Integers(Vec<i64>),
    /// Floats.
    Floats(Vec<f32>),
    /// Strings.
    Strings(Strings),
    /// Lists inside a list, checked and passed over.
    Nested(u64),
}

/// Many short strings in one block of memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Strings {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Strings {
    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of one; files exist whose strings are not UTF-8.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)? as usize;
        let start = match index {
            0 => 0,
            _ => *self.ends.get(index - 1)? as usize,
        };
        self.bytes.get(start..end)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl Value {
    /// The value as a whole number that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Unsigned(number) => Some(*number),
            Self::Signed(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The value as a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Unsigned(number) => Some(*number as f64),
            Self::Signed(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// The value as a truth value.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The value as a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value as a list.
    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// Bytes of a string, kept or not.
    pub(super) fn text_len(&self) -> Option<usize> {
        match self {
            Self::String(text) => Some(text.len()),
            Self::Omitted { length, text: true } => usize::try_from(*length).ok(),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Unsigned(_) | Self::Signed(_) => "a whole number",
            Self::Float(_) => "a float",
            Self::Bool(_) => "true or false",
            Self::String(_) => "a string",
            Self::Array(_) => "a list",
            Self::Omitted { text: true, .. } => "a very long string",
            Self::Omitted { text: false, .. } => "a very long list",
        }
    }
}

/// The types of metadata, with the numbers of the format.
mod code {
    pub(super) const U8: u32 = 0;
    pub(super) const I8: u32 = 1;
    pub(super) const U16: u32 = 2;
    pub(super) const I16: u32 = 3;
    pub(super) const U32: u32 = 4;
    pub(super) const I32: u32 = 5;
    pub(super) const F32: u32 = 6;
    pub(super) const BOOL: u32 = 7;
    pub(super) const STRING: u32 = 8;
    pub(super) const ARRAY: u32 = 9;
    pub(super) const U64: u32 = 10;
    pub(super) const I64: u32 = 11;
    pub(super) const F64: u32 = 12;
}

/// The lists that the tokenizer reads.
fn is_wanted(key: &str) -> bool {
    matches!(
        key,
        "tokenizer.ggml.tokens"
            | "tokenizer.ggml.scores"
            | "tokenizer.ggml.token_type"
            | "tokenizer.ggml.merges"
    )
}

/// Read the type and the value of `key`.
pub(super) fn read(reader: &mut Reader<'_>, key: &str) -> Result<Value, GgufError> {
    let code = reader.u32(&format!("{key} type"))?;
    if code == code::ARRAY {
        return read_array(reader, key, 1);
    }
    if code == code::STRING {
        let length = reader.string_length(key, u64::MAX)?;
        if length > MAX_TEXT {
            reader.skip(key, length)?;
            return Ok(Value::Omitted { length, text: true });
        }
        reader.keep(key, length + 64)?;
        return reader.utf8(key, length).map(Value::String);
    }
    Ok(match read_scalar(reader, key, code)? {
        Scalar::Unsigned(number) => Value::Unsigned(number),
        Scalar::Signed(number) => Value::Signed(number),
        Scalar::Float(number) => Value::Float(number),
        Scalar::Bool(flag) => Value::Bool(flag),
    })
}

enum Scalar {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
}

fn read_scalar(reader: &mut Reader<'_>, field: &str, code: u32) -> Result<Scalar, GgufError> {
    Ok(match code {
        code::U8 => Scalar::Unsigned(reader.u8(field)?.into()),
        code::I8 => Scalar::Signed(reader.u8(field)?.cast_signed().into()),
        code::U16 => Scalar::Unsigned(reader.u16(field)?.into()),
        code::I16 => Scalar::Signed(reader.u16(field)?.cast_signed().into()),
        code::U32 => Scalar::Unsigned(reader.u32(field)?.into()),
        code::I32 => Scalar::Signed(reader.u32(field)?.cast_signed().into()),
        code::U64 => Scalar::Unsigned(reader.u64(field)?),
        code::I64 => Scalar::Signed(reader.u64(field)?.cast_signed()),
        code::F32 => Scalar::Float(f32::from_bits(reader.u32(field)?).into()),
        code::F64 => Scalar::Float(f64::from_bits(reader.u64(field)?)),
        code::BOOL => match reader.u8(field)? {
            0 => Scalar::Bool(false),
            1 => Scalar::Bool(true),
            other => return Err(GgufError::invalid(field, format!("{other} is neither true nor false"))),
        },
        other => {
            return Err(GgufError::invalid(format!("{field} type"), format!("{other} is not a type")));
        }
    })
}

fn scalar_size(code: u32) -> Option<u64> {
    Some(match code {
        code::U8 | code::I8 | code::BOOL => 1,
        code::U16 | code::I16 => 2,
        code::U32 | code::I32 | code::F32 => 4,
        code::U64 | code::I64 | code::F64 => 8,
        _ => return None,
    })
}

fn read_array(reader: &mut Reader<'_>, key: &str, depth: usize) -> Result<Value, GgufError> {
    if depth > MAX_DEPTH {
        return Err(GgufError::invalid(key, format!("lists are nested deeper than {MAX_DEPTH}")));
    }
    let code = reader.u32(&format!("{key} element type"))?;
    let count = reader.u64(&format!("{key} length"))?;
    // An element takes at least its own size; a string its length, a list its type and length.
    let least = match code {
        code::STRING => 8,
        code::ARRAY => 12,
        _ => scalar_size(code).ok_or_else(|| {
            GgufError::invalid(format!("{key} element type"), format!("{code} is not a type"))
        })?,
    };
    reader.check_count(&format!("{key} length"), count, least, MAX_ELEMENTS)?;
    reader.count_elements(&format!("{key} length"), count, MAX_ELEMENTS)?;
    let keep = is_wanted(key) || (depth == 1 && count <= MAX_IDLE_ELEMENTS);
    match code {
        code::ARRAY => {
            for _ in 0..count {
                read_array(reader, key, depth + 1)?;
            }
            Ok(Value::Array(Array::Nested(count)))
        }
        code::STRING if keep => read_strings(reader, key, count),
        code::STRING => {
            for _ in 0..count {
                let length = reader.string_length(key, MAX_ELEMENT)?;
                reader.skip(key, length)?;
            }
            Ok(Value::Omitted { length: count, text: false })
        }
        _ if !keep => {
            reader.skip(key, count * least)?;
            Ok(Value::Omitted { length: count, text: false })
        }
        code::F32 | code::F64 => {
            reader.keep(key, count * 4)?;
            let mut numbers = Vec::with_capacity(count as usize);
            for _ in 0..count {
                if let Scalar::Float(number) = read_scalar(reader, key, code)? {
                    numbers.push(number as f32);
                }
            }
            Ok(Value::Array(Array::Floats(numbers)))
        }
        _ => {
            reader.keep(key, count * 8)?;
            let mut numbers = Vec::with_capacity(count as usize);
            for _ in 0..count {
                numbers.push(match read_scalar(reader, key, code)? {
                    Scalar::Signed(number) => number,
                    Scalar::Bool(flag) => flag.into(),
                    Scalar::Unsigned(number) => i64::try_from(number).unwrap_or(i64::MAX),
                    Scalar::Float(_) => continue,
                });
            }
            Ok(Value::Array(Array::Integers(numbers)))
        }
    }
}

fn read_strings(reader: &mut Reader<'_>, key: &str, count: u64) -> Result<Value, GgufError> {
    let mut strings = Strings::default();
    for _ in 0..count {
        let before = strings.bytes.len();
        reader.bytes(key, MAX_ELEMENT, &mut strings.bytes)?;
        reader.keep(key, (strings.bytes.len() - before) as u64 + 4)?;
        // What is kept is far below four gigabytes.
        strings.ends.push(u32::try_from(strings.bytes.len()).unwrap_or(u32::MAX));
    }
    Ok(Value::Array(Array::Strings(strings)))
}

/// The layout behind a number of the format, or the name of one that has no kernels here.
pub(super) fn format(code: u32) -> Result<Format, String> {
    if let Some(format) = Format::from_ggml(code) {
        return Ok(format);
    }
    match FOREIGN.iter().find(|(foreign, _)| *foreign == code) {
        Some((_, name)) => Err(format!("type {code} ({name}) is not supported")),
        None => Err(format!("{code} is not a known type")),
    }
}

/// The numbers of `ggml_type` that stand for no weights of ours.
const FOREIGN: [(u32, &str); 20] = [
    (9, "Q8_1"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (36, "IQ4_NL_4_4"),
    (40, "NVFP4"),
    (41, "Q1_0"),
    (42, "Q2_0"),
];
