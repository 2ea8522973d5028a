//! Owns the weights of the built-in model, which are part of the program.
//! Uses the file that `inference/builtin/` trains and exports.
//! Never reads a disk or a network: the first run needs no download.

use crate::engine::ModelSource;

/// Its name in the catalogue and in `general.name`.
pub const NAME: &str = "loci-builtin";

/// The GGUF file.
pub static GGUF: &[u8] = include_bytes!("../builtin/loci-builtin.gguf");

/// The SHA-256 of [`GGUF`], in hexadecimal.
pub const SHA256: &str = "537b0f45c5f968ddb08903edbcb676d1890aa2628ea55a88d9eda5293cffe16a";

/// The model, ready to be opened.
#[must_use]
pub fn source() -> ModelSource {
    ModelSource::Static(GGUF)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_sum_is_that_of_the_file() {
        let sum: String = Sha256::digest(GGUF).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(sum, SHA256);
    }

    #[test]
    fn the_file_is_small() {
        assert!(GGUF.len() < 4 << 20, "{} bytes", GGUF.len());
    }
}
