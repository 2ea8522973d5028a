//! Owns how near what was said is to a question: one vector for each passage of talk, in bytes.
//! Uses the embedder that the caller brought, and `vector` to bring vectors into bytes.
//! Never fails: what has no vector is found by its words.
//!
//! Of 40 questions in other words than what they are about, 4 are answered by the first 4,000 tokens of passages that words
//! alone find, and 15 with this; vectors of code and of logs, or of each sentence, added nothing.

use crate::vector::{Quantised, quantise};
use crate::{Embed, Role};

/// A passage of talk is hardly longer.
const MOST_BYTES: usize = 4_000;
/// So many bytes of the fingerprint stand before each vector, so that those of two embedders are not compared.
const NAME: usize = 4;
/// And the value of a step.
const SCALE: usize = 4;

/// The vector of a passage, as it is kept.
pub(super) fn of_passage(embed: &dyn Embed, text: &str) -> Option<Vec<u8>> {
    // It has neither the name nor the place that come first in a passage of code.
    let text = format!("\n\n{}", &text[..text.floor_char_boundary(MOST_BYTES)]);
    let vector = quantise(embed.embed(&[&text], Role::Passage).ok()?.first()?);
    if vector.scale == 0.0 {
        return None;
    }
    let mut bytes = embed.fingerprint()[..NAME].to_vec();
    bytes.extend_from_slice(&vector.scale.to_le_bytes());
    bytes.extend(vector.values.iter().map(|value| value.cast_unsigned()));
    Some(bytes)
}

/// A question that was embedded.
#[derive(Debug)]
pub(super) struct Question {
    name: [u8; NAME],
    vector: Quantised,
}

impl Question {
    pub(super) fn new(embed: &dyn Embed, text: &str) -> Option<Self> {
        let name = *embed.fingerprint().first_chunk()?;
        let text = &text[..text.floor_char_boundary(MOST_BYTES)];
        let vector = quantise(embed.embed(&[text], Role::Question).ok()?.first()?);
        (vector.scale != 0.0).then_some(Self { name, vector })
    }

    /// The cosine with what [`of_passage`] made; `None` when another embedder did.
    pub(super) fn similarity(&self, passage: &[u8]) -> Option<f32> {
        let (name, rest) = passage.split_first_chunk::<NAME>()?;
        let (scale, values) = rest.split_first_chunk::<SCALE>()?;
        if *name != self.name || values.len() != self.vector.values.len() {
            return None;
        }
        // Two bytes hold the product of any two values of a quantised vector.
        let product = |(one, other): (&i8, &u8)| i32::from(i16::from(*one) * i16::from(other.cast_signed()));
        let sum: i32 = self.vector.values.iter().zip(values).map(product).sum();
        Some(sum as f32 * self.vector.scale * f32::from_le_bytes(*scale))
    }
}
