//! Owns the choice between the CPU and an accelerator, and one face for both.
//! Uses `decoder` on the CPU, `accelerated` elsewhere.
//! Never fails because an accelerator is absent or does not know a family: it says why and stays on the CPU.

use std::sync::Arc;

use candle_core::Device;

#[cfg(any(test, feature = "cuda", feature = "metal"))]
use super::accelerated::Accelerated;
use super::config::Config;
use super::decoder::Decoder;
use super::pass::{Error, Progress, Step};
use crate::gguf::{Header, Source};
use crate::kv::Geometry;

/// Where a model runs.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    device: Device,
    /// For the user: `CPU`, `CUDA`, or `CPU` and why not the other.
    pub(crate) name: String,
}

impl Place {
    /// The best device of this build and machine for a model.
    pub(crate) fn choose(cpu_only: bool, config: &Config) -> Self {
        let cpu = |name: String| Self { device: Device::Cpu, name };
        if cpu_only {
            return cpu("CPU".to_owned());
        }
        match accelerator() {
            None => cpu("CPU".to_owned()),
            Some((name, _)) if !config.is_plain() => {
                cpu(format!("CPU ({} does not run on {name} here)", config.architecture))
            }
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

/// The threads that a model gets where nobody says otherwise: one for each core, for threads of one core share the
/// units that products keep busy.
pub(crate) fn default_threads() -> usize {
    let available = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = sysinfo::System::physical_core_count().unwrap_or(available);
    available.min(cores).clamp(1, MOST_THREADS)
}

/// Beyond this, memory and not the cores bounds a pass, and every wait for all threads gets longer.
const MOST_THREADS: usize = 32;

/// A loaded model.
pub(crate) enum Runtime {
    Host(Box<Decoder>),
    #[cfg(any(test, feature = "cuda", feature = "metal"))]
    Accelerator(Box<Accelerated>),
}

/// How a model is loaded.
pub(crate) struct Load<'a> {
    pub(crate) source: &'a Source,
    pub(crate) header: &'a Header,
    pub(crate) config: Config,
    pub(crate) place: &'a Place,
    /// Tokens that a sequence will have at most.
    pub(crate) context: usize,
    pub(crate) threads: usize,
}

impl Runtime {
    /// Make the weights ready. On the CPU they are mapped, and nothing is read before a pass asks for it.
    pub(crate) fn load(load: Load<'_>, progress: &mut Progress<'_>) -> Result<Self, Error> {
        #[cfg(any(test, feature = "cuda", feature = "metal"))]
        if !load.place.device.is_cpu() {
            let device = load.place.device.clone();
            return Ok(Self::Accelerator(Box::new(Accelerated::load(load, &device, progress)?)));
        }
        debug_assert!(load.place.device.is_cpu(), "no other device exists in this build");
        let total = load.header.tensors().values().map(|info| info.bytes).sum();
        let Load { source, header, config, context, threads, .. } = load;
        let decoder = Decoder::load(source, header, config, context, threads)?;
        if progress(total) { Ok(Self::Host(Box::new(decoder))) } else { Err(Error::Cancelled) }
    }

    /// What a sequence of this model keeps of each token.
    pub(crate) fn geometry(&self) -> &Arc<Geometry> {
        match self {
            Self::Host(decoder) => decoder.geometry(),
            #[cfg(any(test, feature = "cuda", feature = "metal"))]
            Self::Accelerator(model) => model.geometry(),
        }
    }

    /// Run the tokens of all steps; see [`Decoder::forward`].
    pub(crate) fn forward(
        &mut self,
        batch: &mut [Step<'_>],
        logits: &mut Vec<f32>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        match self {
            Self::Host(decoder) => decoder.forward(batch, logits, cancelled),
            #[cfg(any(test, feature = "cuda", feature = "metal"))]
            Self::Accelerator(model) => model.forward(batch, logits, cancelled),
        }
    }
}
