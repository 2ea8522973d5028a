//! Owns the reading of GGUF files: a validator that trusts nothing, and access to tensor bytes.
//! Uses a bounded reader over a file or over bytes of the program.
//! Never hands a byte to a kernel before the whole header is known to be sound.

mod reader;
mod split;
#[cfg(test)]
pub(crate) mod testing;
mod value;

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use loci_kernels::format::Format;

use reader::Reader;
pub use reader::Source;
pub(crate) use reader::{Mapped, Pieces};
pub use split::{part_names, parts};
pub use value::{Array, Strings, Value};

/// Tensor descriptions that a file may hold. The largest known models have fewer than 3,000.
const MAX_TENSORS: u64 = 1 << 16;
/// Metadata entries that a file may hold. Known files have fewer than 200.
const MAX_ENTRIES: u64 = 1 << 14;
/// Bytes of metadata that a file may hold. A vocabulary of 262,144 tokens takes about 10 MiB.
const MAX_METADATA: u64 = 256 << 20;
/// Bytes of a chat template. The longest known is below 32 KiB.
const MAX_TEMPLATE: usize = 256 << 10;
/// Bytes of a tensor's name (ggml itself allows 64).
const MAX_NAME: u64 = 256;
/// Bytes of a metadata key.
const MAX_KEY: u64 = 1024;

/// Why a file is refused. Every variant names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GgufError {
    /// The file could not be read.
    #[error("{field}: {message}")]
    Io {
        /// What was being read.
        field: String,
        /// The system's words.
        message: String,
    },
    /// The file ends too early.
    #[error("{field}: the file ends at byte {length}, {needed} bytes are needed at byte {position}")]
    Truncated {
        /// What was being read.
        field: String,
        /// Where it begins.
        position: u64,
        /// How long it claims to be.
        needed: u64,
        /// How long the file is.
        length: u64,
    },
    /// A number is larger than a sound file can have.
    #[error("{field}: {value} is more than {limit}")]
    TooLarge {
        /// The field.
        field: String,
        /// What the file says.
        value: u64,
        /// What is accepted.
        limit: u64,
    },
    /// A value is not one of those allowed.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something appears twice.
    #[error("{field}: appears twice")]
    Duplicate {
        /// The field.
        field: String,
    },
    /// Something is not there.
    #[error("{field}: is missing")]
    Missing {
        /// The field.
        field: String,
    },
    /// A value has another type than it must have.
    #[error("{field}: must be {expected} and is {found}")]
    WrongType {
        /// The field.
        field: String,
        /// The type it must have.
        expected: &'static str,
        /// The type it has.
        found: &'static str,
    },
    /// The file is sound and this program cannot use it.
    #[error("{field}: {reason}")]
    Unsupported {
        /// The field.
        field: String,
        /// What is not supported.
        reason: String,
    },
}

impl GgufError {
    /// The field at fault, such as `general.alignment` or ``tensor `output.weight` offset``.
    pub fn field(&self) -> &str {
        match self {
            Self::Io { field, .. }
            | Self::Truncated { field, .. }
            | Self::TooLarge { field, .. }
            | Self::Invalid { field, .. }
            | Self::Duplicate { field }
            | Self::Missing { field }
            | Self::WrongType { field, .. }
            | Self::Unsupported { field, .. } => field,
        }
    }

    /// The same, with the file that it is about in front.
    fn within(mut self, file: &str) -> Self {
        let (Self::Io { field, .. }
        | Self::Truncated { field, .. }
        | Self::TooLarge { field, .. }
        | Self::Invalid { field, .. }
        | Self::Duplicate { field }
        | Self::Missing { field }
        | Self::WrongType { field, .. }
        | Self::Unsupported { field, .. }) = &mut self;
        *field = format!("{file}: {field}");
        self
    }

    pub(crate) fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), reason: reason.into() }
    }

    pub(crate) fn unsupported(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unsupported { field: field.into(), reason: reason.into() }
    }
}

/// Where one tensor lies, checked against the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Outermost first, as in `[rows, columns]`; the file has them the other way round.
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub format: Format,
    /// Of the first byte, from the beginning of the file; of a split model, from the beginning of its first one.
    pub position: u64,
    /// Bytes.
    pub bytes: u64,
}

impl TensorInfo {
    /// Elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A validated header.
#[derive(Debug, Clone)]
pub struct Header {
    metadata: BTreeMap<String, Value>,
    tensors: BTreeMap<String, TensorInfo>,
    /// Size of the file in bytes.
    pub file_bytes: u64,
}

impl Header {
    /// Read and check everything in front of the tensors' bytes, in all files of a split model. Takes memory in proportion
    /// to what a sound vocabulary needs, whatever the file claims.
    pub fn read(source: &Source) -> Result<Self, GgufError> {
        let pieces = source.pieces();
        let mut whole = Self::read_piece(source, pieces.first().cloned().unwrap_or_default())
            .map_err(|error| if pieces.len() > 1 { error.within(&source.name(0)) } else { error })?;
        let count = whole.integer("split.count")?.unwrap_or(1);
        if pieces.len() == 1 && count > 1 {
            return Err(GgufError::unsupported(
                "split.count",
                format!(
                    "the model is split into {count} files; name the first, which ends in -00001-of-{count:05}.gguf, \
                     with the others beside it"
                ),
            ));
        }
        if pieces.len() == 1 {
            return Ok(whole);
        }
        let tensors = whole.integer("split.tensors.count")?;
        split::check(&whole, 0, pieces.len(), tensors).map_err(|error| error.within(&source.name(0)))?;
        for (index, piece) in pieces.iter().enumerate().skip(1) {
            let read = Self::read_piece(source, piece.clone()).and_then(|part| {
                split::check(&part, index, pieces.len(), tensors)?;
                for (name, info) in part.tensors {
                    if whole.tensors.insert(name.clone(), info).is_some() {
                        return Err(GgufError::Duplicate { field: format!("tensor `{name}`") });
                    }
                }
                Ok(())
            });
            read.map_err(|error| error.within(&source.name(index)))?;
        }
        if tensors.is_some_and(|tensors| tensors != whole.tensors.len() as u64) {
            let reason = format!("is {} and all parts hold {}", tensors.unwrap_or(0), whole.tensors.len());
            return Err(GgufError::invalid("split.tensors.count", reason));
        }
        whole.file_bytes = source.length();
        Ok(whole)
    }

    /// As [`Header::read`], of one file that may be a part of a model.
    pub(crate) fn read_part(path: &std::path::Path) -> Result<Self, GgufError> {
        let source = Source::open_part(path)?;
        Self::read_piece(&source, 0..source.length())
    }

    /// One file, wherever it lies among all bytes.
    fn read_piece(source: &Source, piece: Range<u64>) -> Result<Self, GgufError> {
        let start = piece.start;
        let mut reader = Reader::new(source, piece);
        let magic = reader.u32("magic")?;
        if magic != u32::from_le_bytes(*b"GGUF") {
            return Err(GgufError::invalid("magic", "this is not a GGUF file"));
        }
        match reader.u32("version")? {
            2 | 3 => {}
            version if matches!(version.swap_bytes(), 1..=3) => {
                return Err(GgufError::unsupported("version", "the file is big-endian"));
            }
            version => {
                return Err(GgufError::unsupported(
                    "version",
                    format!("version {version} is not known, 2 and 3 are"),
                ));
            }
        }
        let tensor_count = reader.u64("tensor_count")?;
        let entry_count = reader.u64("metadata_count")?;
        // An entry is at least a key of one byte, a type and a value of one byte; a tensor at
        // least a name of one byte, one dimension, a type and an offset.
        reader.check_count("tensor_count", tensor_count, 33, MAX_TENSORS)?;
        reader.check_count("metadata_count", entry_count, 14, MAX_ENTRIES)?;

        reader.limit_metadata(MAX_METADATA);
        let metadata = read_metadata(&mut reader, entry_count)?;
        reader.lift_limit();
        let alignment = alignment(&metadata)?;
        let mut tensors = read_tensors(&mut reader, tensor_count, alignment)?;
        tensors.values_mut().for_each(|info| info.position += start);
        let file_bytes = reader.length();
        Ok(Self { metadata, tensors, file_bytes })
    }

    /// All entries, by key.
    pub fn metadata(&self) -> &BTreeMap<String, Value> {
        &self.metadata
    }

    /// All tensors, by name.
    pub fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.tensors
    }

    /// Give the memory of the metadata back; tensors stay.
    pub(crate) fn discard_metadata(&mut self) {
        self.metadata = BTreeMap::new();
    }

    /// A tensor that must be there.
    pub fn tensor(&self, name: &str) -> Result<&TensorInfo, GgufError> {
        self.tensors.get(name).ok_or_else(|| GgufError::Missing { field: format!("tensor `{name}`") })
    }

    /// A value that must be there.
    pub fn require(&self, key: &str) -> Result<&Value, GgufError> {
        self.metadata.get(key).ok_or_else(|| GgufError::Missing { field: key.to_owned() })
    }

    /// A string, if the key is there.
    pub fn string(&self, key: &str) -> Result<Option<&str>, GgufError> {
        self.typed(key, "a string", Value::as_str)
    }

    /// A whole number that is not negative, if the key is there.
    pub fn integer(&self, key: &str) -> Result<Option<u64>, GgufError> {
        self.typed(key, "a whole number, not negative", Value::as_u64)
    }

    /// A number, if the key is there.
    pub fn float(&self, key: &str) -> Result<Option<f64>, GgufError> {
        self.typed(key, "a number", Value::as_f64)
    }

    /// A truth value, if the key is there.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, GgufError> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// A list, if the key is there.
    pub fn array(&self, key: &str) -> Result<Option<&Array>, GgufError> {
        self.typed(key, "a list", Value::as_array)
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, GgufError> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| GgufError::WrongType {
                field: key.to_owned(),
                expected,
                found: value.type_name(),
            }),
        }
    }
}

fn read_metadata(reader: &mut Reader<'_>, count: u64) -> Result<BTreeMap<String, Value>, GgufError> {
    let mut metadata = BTreeMap::new();
    for index in 0..count {
        let field = format!("metadata[{index}] key");
        let key = reader.text(&field, MAX_KEY)?;
        if key.is_empty() {
            return Err(GgufError::invalid(field, "is empty"));
        }
        let value = value::read(reader, &key)?;
        let is_template = key.starts_with("tokenizer.chat_template");
        if is_template && let Some(length) = value.text_len().filter(|&length| length > MAX_TEMPLATE) {
            return Err(GgufError::TooLarge { field: key, value: length as u64, limit: MAX_TEMPLATE as u64 });
        }
        if metadata.contains_key(&key) {
            return Err(GgufError::Duplicate { field: key });
        }
        metadata.insert(key, value);
    }
    Ok(metadata)
}

fn alignment(metadata: &BTreeMap<String, Value>) -> Result<u64, GgufError> {
    let field = "general.alignment";
    let Some(value) = metadata.get(field) else { return Ok(32) };
    let alignment = value.as_u64().ok_or(GgufError::WrongType {
        field: field.to_owned(),
        expected: "a whole number",
        found: value.type_name(),
    })?;
    if !alignment.is_power_of_two() || !(8..=4096).contains(&alignment) {
        return Err(GgufError::invalid(
            field,
            format!("{alignment} is not a power of two between 8 and 4096"),
        ));
    }
    Ok(alignment)
}

fn read_tensors(
    reader: &mut Reader<'_>,
    count: u64,
    alignment: u64,
) -> Result<BTreeMap<String, TensorInfo>, GgufError> {
    let mut tensors = Vec::new();
    let mut names = HashSet::new();
    for index in 0..count {
        let (name, info) = read_tensor(reader, index, alignment)?;
        if !names.insert(name.clone()) {
            return Err(GgufError::Duplicate { field: format!("tensor `{name}`") });
        }
        tensors.push((name, info));
    }
    // Offsets count from the first aligned byte after the header.
    let Some(base) = reader.position().checked_next_multiple_of(alignment) else {
        return Err(GgufError::invalid("tensor_count", "the header is as long as numbers go"));
    };
    let length = reader.length();
    for (name, info) in &mut tensors {
        let position = base.checked_add(info.position);
        let end = position.and_then(|position| position.checked_add(info.bytes));
        match (position, end) {
            (Some(position), Some(end)) if end <= length => info.position = position,
            _ => {
                return Err(GgufError::Truncated {
                    field: format!("tensor `{name}` data"),
                    position: base.saturating_add(info.position),
                    needed: info.bytes,
                    length,
                });
            }
        }
    }
    tensors.sort_by_key(|(_, info)| info.position);
    for pair in tensors.windows(2) {
        if let [(first, before), (second, after)] = pair
            && before.position + before.bytes > after.position
        {
            return Err(GgufError::invalid(
                format!("tensor `{second}` offset"),
                format!("its data overlaps that of `{first}`"),
            ));
        }
    }
    Ok(tensors.into_iter().collect())
}

fn read_tensor(
    reader: &mut Reader<'_>,
    index: u64,
    alignment: u64,
) -> Result<(String, TensorInfo), GgufError> {
    let field = format!("tensor[{index}] name");
    let name = reader.text(&field, MAX_NAME)?;
    if name.is_empty() {
        return Err(GgufError::invalid(field, "is empty"));
    }
    let field = |part: &str| format!("tensor `{name}` {part}");
    let rank = reader.u32(&field("rank"))?;
    if !(1..=4).contains(&rank) {
        return Err(GgufError::invalid(field("rank"), format!("{rank} is not between 1 and 4")));
    }
    let mut shape = Vec::with_capacity(4);
    let mut elements = 1u64;
    for axis in 0..rank {
        let part = format!("dimension {axis}");
        let size = reader.u64(&field(&part))?;
        if size == 0 {
            return Err(GgufError::invalid(field(&part), "is 0"));
        }
        // Signed 63 bits keep every later product and cast exact.
        elements = elements.checked_mul(size).filter(|&elements| elements <= i64::MAX as u64).ok_or(
            GgufError::TooLarge { field: field(&part), value: size, limit: i64::MAX as u64 / elements },
        )?;
        shape.push(usize::try_from(size).map_err(|_| GgufError::TooLarge {
            field: field(&part),
            value: size,
            limit: usize::MAX as u64,
        })?);
    }
    let code = reader.u32(&field("type"))?;
    let format = value::format(code).map_err(|reason| GgufError::unsupported(field("type"), reason))?;
    let block = format.block_len() as u64;
    if !(shape[0] as u64).is_multiple_of(block) {
        return Err(GgufError::invalid(
            field("dimension 0"),
            format!("{} is not a multiple of {block}, the block size of {format:?}", shape[0]),
        ));
    }
    let bytes = (elements / block).checked_mul(format.block_bytes() as u64).ok_or_else(|| {
        GgufError::TooLarge { field: field("size"), value: elements, limit: u64::MAX / block }
    })?;
    let offset = reader.u64(&field("offset"))?;
    if !offset.is_multiple_of(alignment) {
        return Err(GgufError::invalid(
            field("offset"),
            format!("{offset} is not a multiple of the alignment {alignment}"),
        ));
    }
    shape.reverse();
    Ok((name, TensorInfo { shape, format, position: offset, bytes }))
}

#[cfg(test)]
#[path = "gguf/tests.rs"]
mod tests;
