//! Owns rotary positions: frequencies, their scaling for long contexts, and the sines and cosines of a pass.
//! Uses the numbers of the configuration and the factors some files carry.
//! Never keeps a table as long as the context.

use super::config::{Rope, Scaling};
use super::weights::Factors;

/// Turns queries and keys by their positions.
#[derive(Debug)]
pub(crate) struct Rotation {
    /// Radians per position, one for each pair.
    frequencies: Vec<f64>,
    /// Both sine and cosine are multiplied by this.
    magnitude: f64,
    pub(crate) interleaved: bool,
    /// The leading components of a head that are turned.
    pub(crate) dimensions: usize,
}

/// Sines and cosines of some positions, `[count, dimensions / 2]` each.
#[derive(Debug, Default)]
pub(crate) struct Angles {
    pub(crate) sines: Vec<f32>,
    pub(crate) cosines: Vec<f32>,
}

impl Rotation {
    /// The rotation of a model that is run with a context of `context` tokens.
    pub(crate) fn new(rope: &Rope, factors: &Factors, context: usize) -> Self {
        let list = match rope.scaling {
            Scaling::Long { original_context } if context as f64 > original_context => &factors.long,
            Scaling::Long { .. } => &factors.short,
            _ => &factors.plain,
        };
        let dimensions = rope.dimensions as f64;
        let frequency = |pair: usize| {
            let plain = rope.base.powf(-2.0 * pair as f64 / dimensions);
            let factor = list.as_ref().and_then(|list| list.get(pair)).map_or(1.0, |&factor| factor.into());
            scale(rope, pair, plain) / factor
        };
        let frequencies = (0..rope.dimensions / 2).map(frequency).collect();
        Self {
            frequencies,
            magnitude: rope.magnitude,
            interleaved: rope.interleaved,
            dimensions: rope.dimensions,
        }
    }

    /// Append the angles of the positions `start..start + count`.
    pub(crate) fn extend(&self, start: usize, count: usize, angles: &mut Angles) {
        for position in start..start + count {
            for frequency in &self.frequencies {
                let (sine, cosine) = (position as f64 * frequency).sin_cos();
                angles.sines.push((sine * self.magnitude) as f32);
                angles.cosines.push((cosine * self.magnitude) as f32);
            }
        }
    }
}

impl Angles {
    /// Forget all positions; the memory stays.
    pub(crate) fn clear(&mut self) {
        self.sines.clear();
        self.cosines.clear();
    }
}

/// The frequency of a pair after scaling.
fn scale(rope: &Rope, pair: usize, plain: f64) -> f64 {
    match rope.scaling {
        Scaling::None | Scaling::Long { .. } => plain,
        Scaling::Linear(factor) => plain / factor,
        Scaling::Yarn { factor, original_context, fast, slow } => {
            // The pairs that make `fast` and `slow` turns over the original context bound the ramp (YaRN, 3.2).
            let dimensions = rope.dimensions as f64;
            let bound = |turns: f64| {
                dimensions * (original_context / (turns * std::f64::consts::TAU)).ln()
                    / (2.0 * rope.base.ln())
            };
            let low = bound(fast).floor().max(0.0);
            let high = bound(slow).ceil().min(dimensions - 1.0);
            let ramp = ((pair as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
            plain / factor * ramp + plain * (1.0 - ramp)
        }
    }
}
