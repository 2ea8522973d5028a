//! Owns the question which vector units a machine has.
//! Uses the processor's own answer, asked once.
//! Never names a unit that a kernel here does not use.

use std::sync::OnceLock;

/// Which vector instructions a kernel may use. A later one includes the earlier ones of its machine, except that some
/// machines with AVX-512 lack AVX-VNNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Plain code, as the compiler makes it for any machine of the target.
    Scalar,
    /// AVX2, FMA and F16C: x86-64 since 2013.
    Avx2,
    /// AVX-VNNI, dot products of bytes in the registers of AVX2: Intel laptops since 2021, AMD since Zen 5.
    AvxVnni,
    /// AVX-512 F, BW, DQ, VL and VNNI: Intel servers since 2019, AMD since Zen 4.
    Avx512,
    /// NEON: every 64-bit ARM.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// NEON with dot products of bytes: ARM servers since 2019, Apple since the M1, phones since 2018.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
}

impl Level {
    /// The best that this machine has.
    pub fn best() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(detect)
    }

    /// All that this machine has, the plain one first: what tests compare with each other.
    pub fn supported() -> impl Iterator<Item = Self> {
        #[cfg(not(target_arch = "aarch64"))]
        let levels = [Self::Scalar, Self::Avx2, Self::AvxVnni, Self::Avx512];
        #[cfg(target_arch = "aarch64")]
        let levels = [Self::Scalar, Self::Neon, Self::NeonDot];
        levels.into_iter().filter(|level| level.clamped() == *level)
    }

    /// This level, or the best of the machine where that is less: what a kernel may run.
    pub fn clamped(self) -> Self {
        #[cfg(target_arch = "x86_64")]
        if self == Self::AvxVnni && !is_x86_feature_detected!("avxvnni") {
            return Self::Avx2.min(Self::best());
        }
        self.min(Self::best())
    }
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    let avx2 = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni");
    match (avx2, avx512, is_x86_feature_detected!("avxvnni")) {
        (true, true, _) => Level::Avx512,
        (true, false, true) => Level::AvxVnni,
        (true, false, false) => Level::Avx2,
        _ => Level::Scalar,
    }
}

#[cfg(target_arch = "aarch64")]
fn detect() -> Level {
    if std::arch::is_aarch64_feature_detected!("dotprod") { Level::NeonDot } else { Level::Neon }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detect() -> Level {
    Level::Scalar
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn plain_code_runs_everywhere_and_the_best_is_the_last() {
        let levels: Vec<Level> = Level::supported().collect();
        assert_eq!(levels.first(), Some(&Level::Scalar));
        assert_eq!(levels.last(), Some(&Level::best()));
        assert!(levels.is_sorted());
        assert!(levels.iter().all(|level| level.clamped() == *level));
        #[cfg(target_arch = "x86_64")]
        assert_eq!(Level::Avx512.clamped(), Level::best());
    }
}
