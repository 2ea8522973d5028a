//! Owns the choice between the CPU and an accelerator, and one face for both.
//! Uses `decoder` with its paged cache on the CPU, `accelerated` elsewhere.
//! Never fails because an accelerator is absent: it says why and stays on the CPU.

use candle_core::Device;

#[cfg(any(test, feature = "cuda", feature = "metal"))]
use super::accelerated::Accelerated;
use super::config::Config;
use super::decoder::Decoder;
use super::matrix::{MatrixError, Progress};
use crate::gguf::{Header, Source};
use crate::kv::Cache;

/// Where a model runs.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    device: Device,
    /// For the user: `CPU`, `CUDA`, or `CPU` and why not the other.
    pub(crate) name: String,
}

impl Place {
    /// The best device of this build and machine.
    pub(crate) fn choose(cpu_only: bool) -> Self {
        let cpu = |name: String| Self { device: Device::Cpu, name };
        if cpu_only {
            return cpu("CPU".to_owned());
        }
        match accelerator() {
            None => cpu("CPU".to_owned()),
            Some((name, Ok(device))) => Self { device, name: name.to_owned() },
            Some((name, Err(error))) => cpu(format!("CPU ({name} is not available: {error})")),
        }
    }
}

/// The accelerator this build knows.
fn accelerator() -> Option<(&'static str, candle_core::Result<Device>)> {
    if cfg!(feature = "cuda") {
        Some(("CUDA", Device::new_cuda(0)))
    } else if cfg!(feature = "metal") {
        Some(("Metal", Device::new_metal(0)))
    } else {
        None
    }
}

/// A loaded model with the state of one sequence.
pub(crate) enum Runtime {
    Host(Box<Decoder>, Cache),
    #[cfg(any(test, feature = "cuda", feature = "metal"))]
    Accelerator(Box<Accelerated>),
}

impl Runtime {
    pub(crate) fn load(
        source: &mut Source,
        header: &Header,
        config: Config,
        place: &Place,
        progress: &mut Progress<'_>,
    ) -> Result<Self, MatrixError> {
        #[cfg(any(test, feature = "cuda", feature = "metal"))]
        if !place.device.is_cpu() {
            let model = Accelerated::load(source, header, config, &place.device, progress)?;
            return Ok(Self::Accelerator(Box::new(model)));
        }
        debug_assert!(place.device.is_cpu(), "no other device exists in this build");
        let decoder = Decoder::load(source, header, config, progress)?;
        let cache = decoder.cache();
        Ok(Self::Host(Box::new(decoder), cache))
    }

    /// The ids behind the state.
    pub(crate) fn tokens(&self) -> &[u32] {
        match self {
            Self::Host(_, cache) => cache.tokens(),
            #[cfg(any(test, feature = "cuda", feature = "metal"))]
            Self::Accelerator(model) => model.tokens(),
        }
    }

    /// Forget everything from position `length` on.
    pub(crate) fn truncate(&mut self, length: usize) {
        match self {
            Self::Host(_, cache) => cache.truncate(length),
            #[cfg(any(test, feature = "cuda", feature = "metal"))]
            Self::Accelerator(model) => model.truncate(length),
        }
    }

    /// Make room for `length` tokens in all.
    pub(crate) fn reserve(&mut self, length: usize) -> Result<(), MatrixError> {
        match self {
            Self::Host(_, cache) => cache
                .reserve(length)
                .map_err(|_| MatrixError::Memory(format!("the state of {length} tokens"))),
            #[cfg(any(test, feature = "cuda", feature = "metal"))]
            Self::Accelerator(model) => model.reserve(length),
        }
    }

    /// Run `tokens` (at least one) behind the state; see [`Decoder::forward`].
    pub(crate) fn forward(
        &mut self,
        tokens: &[u32],
        logits: Option<&mut Vec<f32>>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), MatrixError> {
        match self {
            Self::Host(decoder, cache) => decoder.forward(tokens, cache, logits, cancelled),
            #[cfg(any(test, feature = "cuda", feature = "metal"))]
            Self::Accelerator(model) => model.forward(tokens, logits, cancelled),
        }
    }
}
