//! Owns what a model's file says of itself, for lists and for the question whether it fits.
//! Uses the validated header and the families' configurations.
//! Never reads weights.

use std::collections::BTreeMap;
use std::path::Path;

use loci_kernels::format::Format;
use serde::Serialize;

use crate::gguf::{GgufError, Header, Source};
use crate::model::config::Config;

/// A model's own words and figures; those of all files of a split one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    /// `general.name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `general.architecture`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// As files of this kind are called: `Q4_K_M`; the layout of most bytes where the file does not say it.
    pub quantisation: String,
    /// `general.license`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Weights in all.
    pub parameters: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Files.
    pub files: usize,
    /// The tokens it was trained for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_max: Option<usize>,
    /// Bytes that a token takes in the cache of keys and values, where this build knows the family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_bytes_per_token: Option<u64>,
}

impl About {
    /// Read a file, or the first file of a split model.
    ///
    /// # Errors
    /// When the header is not sound.
    pub fn read(path: &Path) -> Result<Self, GgufError> {
        let source = Source::open(path)?;
        Ok(Self::of(&Header::read(&source)?, source.files()))
    }

    fn of(header: &Header, files: usize) -> Self {
        let text = |key: &str| header.string(key).ok().flatten().map(str::to_owned);
        let config = Config::read(header).ok();
        Self {
            title: text("general.name").filter(|name| !name.trim().is_empty()),
            architecture: text("general.architecture"),
            quantisation: quantisation(header),
            licence: text("general.license"),
            parameters: header.tensors().values().map(|info| info.elements() as u64).sum(),
            bytes: header.file_bytes,
            files,
            context_max: config.as_ref().map(|config| config.context),
            cache_bytes_per_token: config.as_ref().map(Config::cache_bytes_per_token),
        }
    }

    /// Bytes needed to run it with a window of `context` tokens, reckoned as for an entry of the catalogue.
    #[must_use]
    pub fn memory_needed(&self, context: usize) -> u64 {
        let cache = self.cache_bytes_per_token.unwrap_or(0).saturating_mul(context as u64);
        let sum = self.bytes.saturating_add(cache);
        sum.saturating_add(sum / 10)
    }
}

/// `general.file_type` in llama.cpp's `llama_ftype`, for those that people use.
const FILE_TYPES: [(u64, &str); 19] = [
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (25, "IQ4_NL"),
    (30, "IQ4_XS"),
    (32, "BF16"),
];

fn quantisation(header: &Header) -> String {
    let said = header.integer("general.file_type").ok().flatten();
    if let Some((_, name)) = FILE_TYPES.iter().find(|(number, _)| Some(*number) == said) {
        return (*name).to_owned();
    }
    let mut bytes: BTreeMap<u32, (u64, Format)> = BTreeMap::new();
    for info in header.tensors().values() {
        bytes.entry(info.format.ggml()).or_insert((0, info.format)).0 += info.bytes;
    }
    let most = bytes.into_values().max_by_key(|(bytes, _)| *bytes);
    match most.map(|(_, format)| format!("{format:?}")) {
        // Q4K is written Q4_K, IQ4NL IQ4_NL.
        Some(name) if name.ends_with('K') => format!("{}_K", name.trim_end_matches('K')),
        Some(name) if name.starts_with("IQ4") => name.replace("IQ4", "IQ4_"),
        Some(name) => name,
        None => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;
    use crate::gguf::testing::{Shape, model};

    #[test]
    fn a_file_says_what_it_is() {
        let header = Header::read(&Source::constant(builtin::GGUF)).expect("sound");
        let about = About::of(&header, 1);
        assert_eq!(about.architecture.as_deref(), Some("qwen3"));
        assert_eq!(about.quantisation, "Q8_0");
        assert_eq!(about.bytes, builtin::GGUF.len() as u64);
        // 5 layers, 2 heads of 48, keys and values in two bytes each.
        assert_eq!(about.cache_bytes_per_token, Some(5 * 2 * 48 * 2 * 2));
        assert_eq!(about.memory_needed(100), (about.bytes + 192_000) * 11 / 10);
        let mut raw = model(&Shape::default());
        raw.set_u32("general.file_type", 15);
        let header = Header::read(&Source::owned(raw.bytes())).expect("sound");
        assert_eq!(About::of(&header, 1).quantisation, "Q4_K_M");
    }
}
