//! Owns rotary positions: frequencies, their scaling for long contexts, and the rotation itself.
//! Uses the numbers of the configuration and the factors some files carry.
//! Never keeps a table as long as the context.

use super::config::{Rope, Scaling};

/// Turns queries and keys by their positions.
pub(crate) struct Rotation {
    /// Radians per position, one for each pair.
    frequencies: Vec<f64>,
    /// Both sine and cosine are multiplied by this (YaRN).
    magnitude: f64,
    interleaved: bool,
    dimensions: usize,
}

/// Sines and cosines of a run of positions, `[count, dimensions / 2]` pairs of (sine, cosine).
#[derive(Default)]
pub(crate) struct Angles {
    pairs: Vec<(f32, f32)>,
}

#[cfg(any(test, feature = "cuda", feature = "metal"))]
impl Angles {
    pub(crate) fn pairs(&self) -> &[(f32, f32)] {
        &self.pairs
    }
}

impl Rotation {
    /// `factors` are those of `rope_freqs.weight` (Llama 3): each divides one frequency.
    pub(crate) fn new(rope: &Rope, factors: Option<&[f32]>) -> Self {
        let dimensions = rope.dimensions as f64;
        let frequency = |pair: usize| {
            let plain = rope.base.powf(-2.0 * pair as f64 / dimensions);
            let factor = factors.and_then(|factors| factors.get(pair)).map_or(1.0, |&factor| factor.into());
            scale(rope, pair, plain) / factor
        };
        let frequencies = (0..rope.dimensions / 2).map(frequency).collect();
        let magnitude = match rope.scaling {
            Scaling::Yarn { factor, .. } if factor > 1.0 => 1.0 + 0.1 * factor.ln(),
            _ => 1.0,
        };
        Self { frequencies, magnitude, interleaved: rope.interleaved, dimensions: rope.dimensions }
    }

    /// Prepare the positions `start..start + count`.
    pub(crate) fn angles(&self, start: usize, count: usize, angles: &mut Angles) {
        angles.pairs.clear();
        for position in start..start + count {
            angles.pairs.extend(self.frequencies.iter().map(|frequency| {
                let (sine, cosine) = (position as f64 * frequency).sin_cos();
                ((sine * self.magnitude) as f32, (cosine * self.magnitude) as f32)
            }));
        }
    }

    /// Turn rows `[count, heads, head_dim]` in place, row i by the i-th position of `angles`.
    pub(crate) fn apply(&self, angles: &Angles, rows: &mut [f32], heads: usize, head_dim: usize) {
        let half = self.dimensions / 2;
        for (row, angles) in rows.chunks_exact_mut(heads * head_dim).zip(angles.pairs.chunks_exact(half)) {
            for head in row.chunks_exact_mut(head_dim) {
                let turned = &mut head[..self.dimensions];
                if self.interleaved {
                    for (pair, &(sine, cosine)) in turned.chunks_exact_mut(2).zip(angles) {
                        let (a, b) = (pair[0], pair[1]);
                        pair[0] = a * cosine - b * sine;
                        pair[1] = a * sine + b * cosine;
                    }
                } else {
                    let (first, second) = turned.split_at_mut(half);
                    for ((a, b), &(sine, cosine)) in first.iter_mut().zip(second).zip(angles) {
                        (*a, *b) = (*a * cosine - *b * sine, *a * sine + *b * cosine);
                    }
                }
            }
        }
    }
}

/// The frequency of a pair after scaling.
fn scale(rope: &Rope, pair: usize, plain: f64) -> f64 {
    match rope.scaling {
        Scaling::None => plain,
        Scaling::Linear(factor) => plain / factor,
        Scaling::Yarn { factor, original_context } => {
            // The pairs that make 32 and 1 turns over the original context bound the ramp (YaRN, 3.2).
            let dimensions = rope.dimensions as f64;
            let bound = |turns: f64| {
                dimensions * (original_context / (turns * std::f64::consts::TAU)).ln()
                    / (2.0 * rope.base.ln())
            };
            let low = bound(32.0).floor().max(0.0);
            let high = bound(1.0).ceil().min(dimensions - 1.0);
            let ramp = ((pair as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
            plain / factor * ramp + plain * (1.0 - ramp)
        }
    }
}
