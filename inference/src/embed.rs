//! Owns texts into vectors of meaning: a static table that is part of the library, and BERT models from files.
//! Uses candle for BERT, and nothing for the table.
//! Never sees an index; who searches with the vectors wires the two.

mod table;
mod terms;

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
