//! Owns texts into vectors of meaning: a static table that is part of the library, and BERT models from files.
//! Uses candle for BERT, and nothing for the table.
//! Never sees an index; who searches with the vectors wires the two.

mod bert;
mod source;
mod table;
mod terms;
mod zip;

use std::path::PathBuf;

pub use bert::Bert;
pub use source::Files;
pub use table::Table;

/// What a text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// What somebody asks.
    Question,
    /// What may answer: a name on the first line, its place on the second, then source text.
    Passage,
}

/// Why there is no embedder, or no vector.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EmbedError {
    /// Get the file again.
    #[error("damaged: {what}")]
    Damaged {
        /// What, and how.
        what: String,
    },
    /// Name another path, or complete the folder.
    #[error("there is no {}", path.display())]
    Missing {
        /// What was looked for.
        path: PathBuf,
    },
    /// Take another model: BERT with GELU runs.
    #[error("not an embedder that runs here: {what}")]
    Unsupported {
        /// What it is.
        what: String,
    },
    /// Check permissions.
    #[error("{}: {message}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
    /// Try again later.
    #[error("the embedder failed: {message}")]
    Failed {
        /// What it said.
        message: String,
    },
}

/// Bring a vector to unit length; one of zeros stays.
fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        for value in vector {
            *value /= length;
        }
    }
}

/// Identifiers taken apart into words: `loadConfig` and `load_config` are `load Config` and `load config`.
fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    let mut before = ' ';
    for character in text.chars() {
        if before.is_lowercase() && character.is_uppercase() {
            out.push(' ');
        }
        out.push(if character == '_' { ' ' } else { character });
        before = character;
    }
    out
}
