//! Owns the reading of a family's hyper-parameters, with their ranges.
//! Uses the validated header; every key begins with the architecture's name.
//! Never guesses a number that a file must give.

use loci_kernels::vector::Gate;

use super::config::{Experts, Presence, Rope, Router, Scaling};
use crate::gguf::{Array, GgufError, Header};

/// Reads keys that begin with the architecture's name.
pub(super) struct Keys<'a> {
    pub(super) header: &'a Header,
    pub(super) architecture: &'static str,
}

impl Keys<'_> {
    pub(super) fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    pub(super) fn missing(&self, key: &str) -> GgufError {
        GgufError::Missing { field: self.name(key) }
    }

    /// A whole number from `least` to `most`, if the key is there.
    pub(super) fn optional(&self, key: &str, least: u64, most: u64) -> Result<Option<usize>, GgufError> {
        let name = self.name(key);
        let Some(number) = self.header.integer(&name)? else { return Ok(None) };
        if !(least..=most).contains(&number) {
            let reason = format!("{number} is not between {least} and {most}");
            return Err(GgufError::invalid(name, reason));
        }
        Ok(usize::try_from(number).ok())
    }

    /// A whole number from `least` to `most`.
    pub(super) fn number(&self, key: &str, least: u64, most: u64) -> Result<usize, GgufError> {
        self.optional(key, least, most)?.ok_or_else(|| self.missing(key))
    }

    /// A finite number from `least` to `most`, if the key is there.
    pub(super) fn float(&self, key: &str, least: f64, most: f64) -> Result<Option<f64>, GgufError> {
        let name = self.name(key);
        let Some(number) = self.header.float(&name)? else { return Ok(None) };
        if !(least..=most).contains(&number) {
            let reason = format!("{number} is not between {least} and {most}");
            return Err(GgufError::invalid(name, reason));
        }
        Ok(Some(number))
    }

    /// A factor above 0, if the key is there; 0 counts as absent.
    pub(super) fn factor(&self, key: &str) -> Result<Option<f32>, GgufError> {
        Ok(self.float(key, 0.0, 1e6)?.filter(|&factor| factor > 0.0).map(|factor| factor as f32))
    }

    /// Width of the feed-forward.
    pub(super) fn feed_forward(&self) -> Result<usize, GgufError> {
        self.number("feed_forward_length", 1, 1 << 20)
    }

    /// Which layers see a window only: a list of the file, or every one but the last of each `period`.
    pub(super) fn windowed(&self, layers: usize, period: usize) -> Result<Vec<bool>, GgufError> {
        let key = "attention.sliding_window_pattern";
        let name = self.name(key);
        if let Some(Array::Integers(list)) =
            self.header.metadata().get(&name).and_then(|value| value.as_array())
        {
            if list.len() != layers {
                let reason = format!("{} entries for {layers} layers", list.len());
                return Err(GgufError::invalid(name, reason));
            }
            return Ok(list.iter().map(|&flag| flag != 0).collect());
        }
        let period = self.optional(key, 1, 512)?.unwrap_or(period);
        Ok((0..layers).map(|layer| layer % period < period - 1).collect())
    }

    /// The rotation that the file describes for heads of `head_dim` components.
    pub(super) fn rope(&self, head_dim: usize, context: usize) -> Result<Rope, GgufError> {
        let dimensions = self.optional("rope.dimension_count", 2, 1024)?.unwrap_or(head_dim);
        if dimensions > head_dim || !dimensions.is_multiple_of(2) {
            let reason = format!("{dimensions} is odd or more than the {head_dim} components of a head");
            return Err(GgufError::invalid(self.name("rope.dimension_count"), reason));
        }
        let base = self.float("rope.freq_base", 1.0, 1e12)?.unwrap_or(10_000.0);
        let scaling = self.scaling(context)?;
        let given = self.float("rope.scaling.attn_factor", 0.0, 1e3)?.unwrap_or(1.0);
        let magnitude = match scaling {
            Scaling::Yarn { factor, .. } if factor > 1.0 => given * self.yarn_magnitude(factor)?,
            _ => given,
        };
        Ok(Rope { dimensions, base, interleaved: false, scaling, magnitude })
    }

    /// What YaRN multiplies sines and cosines by. With a multiplier for all dimensions (DeepSeek, Mistral), the part that
    /// scores take instead is divided out.
    fn yarn_magnitude(&self, factor: f64) -> Result<f64, GgufError> {
        let of = |multiplier: f64| 1.0 + 0.1 * multiplier * factor.ln();
        Ok(match self.float("rope.scaling.yarn_log_multiplier", 0.0, 100.0)? {
            Some(multiplier) if multiplier > 0.0 => of(1.0) / of(multiplier),
            _ => of(1.0),
        })
    }

    fn scaling(&self, context: usize) -> Result<Scaling, GgufError> {
        let factor = self.float("rope.scaling.factor", 0.0, 1e6)?;
        let old = self.float("rope.scale_linear", 0.0, 1e6)?;
        let original = self.float("rope.scaling.original_context_length", 1.0, 1e9)?;
        let name = self.name("rope.scaling.type");
        let kind = self.header.string(&name)?;
        if kind == Some("longrope") || (kind.is_none() && self.has_long_factors()) {
            let original = original.ok_or_else(|| self.missing("rope.scaling.original_context_length"))?;
            return Ok(Scaling::Long { original_context: original });
        }
        let Some(kind) = kind.filter(|&kind| kind != "none") else {
            return Ok(match old.filter(|&factor| factor > 0.0 && factor != 1.0) {
                Some(factor) => Scaling::Linear(factor),
                None => Scaling::None,
            });
        };
        let factor = factor.filter(|&factor| factor > 0.0);
        let factor = factor.ok_or_else(|| self.missing("rope.scaling.factor"))?;
        match kind {
            "linear" => Ok(Scaling::Linear(factor)),
            "yarn" => Ok(Scaling::Yarn {
                factor,
                original_context: original.unwrap_or((context as f64 / factor).max(1.0)),
                fast: self.float("rope.scaling.yarn_beta_fast", 1e-3, 1e6)?.unwrap_or(32.0),
                slow: self.float("rope.scaling.yarn_beta_slow", 1e-3, 1e6)?.unwrap_or(1.0),
            }),
            other => Err(GgufError::unsupported(
                name,
                format!("`{other}` is not supported, `linear`, `yarn` and `longrope` are"),
            )),
        }
    }

    /// Whether the file has lists of factors for short and long contexts; such files name no kind of scaling.
    fn has_long_factors(&self) -> bool {
        self.header.tensors().contains_key("rope_factors_long.weight")
    }

    /// The mixture that the file describes, with the router of most families.
    pub(super) fn experts(&self, width: usize) -> Result<Experts, GgufError> {
        let count = self.number("expert_count", 1, 1 << 12)?;
        let used = self.number("expert_used_count", 1, 1 << 8)?;
        if used > count {
            let reason = format!("{used} of {count} experts");
            return Err(GgufError::invalid(self.name("expert_used_count"), reason));
        }
        Ok(Experts {
            count,
            used,
            width,
            gate: Gate::Silu,
            router: Router::Softmax,
            normalised: true,
            scale: self.factor("expert_weights_scale")?.unwrap_or(1.0),
            biases: Presence::Absent,
            selection_bias: Presence::Absent,
            shared: None,
            shared_gate: Presence::Absent,
        })
    }

    /// Refuse a file with experts where the family has none.
    pub(super) fn no_experts(&self) -> Result<(), GgufError> {
        if self.optional("expert_count", 0, 1 << 16)?.unwrap_or(0) > 0 {
            let reason = "this architecture has no mixtures of experts here";
            return Err(GgufError::unsupported(self.name("expert_count"), reason));
        }
        Ok(())
    }
}
