//! Owns what this machine has, and whether a model fits it.
//! Uses `sysinfo` for memory and the limit of the control group.
//! Never decides what is run: it gives a verdict and the figures behind it.

use serde::Serialize;

/// The part of the machine that decides which models run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hardware {
    /// Memory in all, in bytes, or the control group's limit where that is less; 0 where the system does not tell.
    pub total_bytes: u64,
    /// Memory that can be taken now without swapping, in bytes.
    pub available_bytes: u64,
    /// Whether the control group limits memory.
    pub limited: bool,
    /// Threads that run at once.
    pub cores: usize,
    /// The accelerator this build can use, if it can use one.
    pub accelerator: Option<String>,
}

/// Whether a model fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// There is room for it now.
    Well,
    /// The machine holds it, once other programs let go of memory.
    Tight,
    /// The machine does not hold it.
    No,
}

impl Hardware {
    /// Look at this machine.
    #[must_use]
    pub fn detect() -> Self {
        let (mut total, mut available, mut limited) = (0, 0, false);
        if let Ok(mut system) = sysinfo::System::new() {
            system.refresh_memory();
            (total, available) = (system.total_memory(), system.available_memory());
            if let Some(limits) = system.cgroup_limits()
                && limits.total_memory < total
            {
                total = limits.total_memory;
                available = available.min(limits.free_memory);
                limited = true;
            }
        }
        Self {
            total_bytes: total,
            available_bytes: available,
            limited,
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            // No accelerator is built in yet; the processor does everything.
            accelerator: None,
        }
    }

    /// Whether something that needs this many bytes fits. `Tight` where the system does not tell.
    #[must_use]
    pub fn fit(&self, needed: u64) -> Fit {
        if needed <= self.available_bytes {
            Fit::Well
        } else if needed <= self.total_bytes || self.total_bytes == 0 {
            Fit::Tight
        } else {
            Fit::No
        }
    }
}

impl Fit {
    /// The verdict in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Well => "runs well",
            Self::Tight => "tight",
            Self::No => "no",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_follow_free_and_total_memory() {
        let machine =
            Hardware { total_bytes: 16, available_bytes: 10, limited: false, cores: 2, accelerator: None };
        assert_eq!(machine.fit(10), Fit::Well);
        assert_eq!(machine.fit(11), Fit::Tight);
        assert_eq!(machine.fit(16), Fit::Tight);
        assert_eq!(machine.fit(17), Fit::No);
    }

    #[test]
    fn this_machine_has_memory_and_a_core() {
        let machine = Hardware::detect();
        assert!(machine.cores >= 1);
        assert!(machine.total_bytes > 0 && machine.available_bytes <= machine.total_bytes, "{machine:?}");
    }
}
