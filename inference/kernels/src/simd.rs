//! Owns sixteen floats as one value, so that a kernel is written once and compiled for every level.
//! Uses the registers of the level: one of 512 bits, two of 256, or an array that the compiler arranges.
//! Never promises the same last bit at two levels: one fuses multiply and add, another does not.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod portable;

use half::f16;

/// Floats of a value.
pub(crate) const LANES: usize = 16;

/// The instructions of one level. A value of an implementing type is the proof that the machine has them, so the
/// methods are safe. Kernels that are generic over it must be `#[inline(always)]`: only inside a function with the
/// level's target features do these methods become single instructions.
pub(crate) trait Simd: Copy {
    /// Sixteen floats.
    type V: Copy;
    /// How many of these values a tile of products takes side by side without running out of registers.
    const WIDTH: usize;

    fn splat(self, x: f32) -> Self::V;
    fn load(self, from: &[f32; LANES]) -> Self::V;
    /// Ask for the line of the cache at an address, which need not be valid.
    fn prefetch(self, at: *const f16);
    fn store(self, v: Self::V, to: &mut [f32; LANES]);
    fn load_half(self, from: &[f16; LANES]) -> Self::V;
    /// Rounds to the nearest, ties to even.
    fn store_half(self, v: Self::V, to: &mut [f16; LANES]);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, in one rounding where the level can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger; `b` where either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; `b` where either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// `yes` where `a < b`, else `no`.
    fn less(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// The nearest whole number, for `|x| < 2^22`.
    fn round(self, v: Self::V) -> Self::V;
    /// `v * 2^n` for whole `n` in -160..=160, with the right rounding at both ends of the range.
    fn scale(self, v: Self::V, n: Self::V) -> Self::V;
    fn sum(self, v: Self::V) -> f32;
    /// The largest number of the sixteen; NaN only counts where it happens to.
    fn largest(self, v: Self::V) -> f32;
}

/// `e^x`: 0 for minus infinity and below -104, infinity above 88.73, NaN for NaN; error below 2 units in the last place.
/// The polynomial is a minimax fit of degree 6 on half an octave, relative error 3e-9.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    // The constant stands first, so that NaN passes.
    let x = s.min(s.splat(89.0), s.max(s.splat(-104.0), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    // The logarithm of 2 in two parts, the first of few bits, so that its product with `n` is exact.
    let r = s.fma(n, s.splat(-0.693_359_4), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let mut p = s.splat(0.001_381_459_9);
    for c in [0.008_368_717, 0.041_668_39, 0.166_665_2, 0.499_999_93, 1.0, 1.0] {
        p = s.fma(p, r, s.splat(c));
    }
    s.scale(p, n)
}

/// `tanh(x)` with a relative error below 3e-7. Near zero a polynomial in `x^2` (minimax fit, relative error 3e-10).
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let square = s.mul(x, x);
    let mut p = s.splat(0.002_130_308_5);
    for c in [-0.008_168_871, 0.021_700_243, -0.053_947_46, 0.133_332_2, -0.333_333_3] {
        p = s.fma(p, square, s.splat(c));
    }
    let near = s.fma(s.mul(square, x), p, x);
    let e = exp(s, s.add(x, x));
    let far = s.sub(s.splat(1.0), s.div(s.splat(2.0), s.add(e, s.splat(1.0))));
    s.less(square, s.splat(0.390_625), near, far)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let e = exp(s, s.sub(s.splat(0.0), x));
    s.div(s.splat(1.0), s.add(s.splat(1.0), e))
}

/// Define a function that runs a generic kernel at a level: `fn name(level, arguments) = kernel`, where
/// `kernel<S: Simd>(s: S, arguments)` is `#[inline(always)]`.
macro_rules! by_level {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $kernel:ident;)+) => {$(
        $(#[$meta])*
        #[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "the level says that the features are there"))]
        $vis fn $name(level: $crate::level::Level, $($arg: $type),*) $(-> $result)? {
            #[cfg(target_arch = "aarch64")]
            if level != $crate::level::Level::Scalar {
                return $kernel($crate::simd::neon::Neon, $($arg),*);
            }
            let _ = level;
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::level::Level;
                use $crate::simd::{avx2::Avx2, avx512::Avx512};

                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
                fn wide($($arg: $type),*) $(-> $result)? {
                    // SAFETY: whoever calls this function promises its features.
                    $kernel(unsafe { Avx512::assume() }, $($arg),*)
                }
                #[target_feature(enable = "avx2,fma,f16c")]
                fn middle($($arg: $type),*) $(-> $result)? {
                    // SAFETY: whoever calls this function promises its features.
                    $kernel(unsafe { Avx2::assume() }, $($arg),*)
                }
                match level.clamped() {
                    // SAFETY: a clamped level is one that the machine has.
                    Level::Avx512 => return unsafe { wide($($arg),*) },
                    // SAFETY: as above.
                    Level::Avx2 | Level::AvxVnni => return unsafe { middle($($arg),*) },
                    Level::Scalar => {}
                }
            }
            $kernel($crate::simd::portable::Portable, $($arg),*)
        }
    )+};
}
pub(crate) use by_level;
