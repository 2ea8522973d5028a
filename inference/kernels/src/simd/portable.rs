//! Owns sixteen floats as an array: the reference, and the way of machines without wide registers.
//! Uses loops that a compiler turns into whatever registers its target has.
//! Never calls into the library for rounding or halves: one call per number would be most of the time.

use half::f16;

use super::{LANES, Simd};

/// Any machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

type V = [f32; LANES];

/// Adding and subtracting it rounds to whole numbers: 1.5 * 2^23.
const MAGIC: f32 = 12_582_912.0;

#[inline(always)]
fn each(a: V, b: V, f: impl Fn(f32, f32) -> f32) -> V {
    let mut out = a;
    for i in 0..LANES {
        out[i] = f(a[i], b[i]);
    }
    out
}

/// `2^n` for whole `n` in -126..=127.
#[inline(always)]
fn power(n: i32) -> f32 {
    f32::from_bits(((n + 127) as u32) << 23)
}

impl Simd for Portable {
    type V = V;
    const WIDTH: usize = 1;

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        [x; LANES]
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> V {
        *from
    }

    #[inline(always)]
    fn prefetch(self, _at: *const f16) {}

    #[inline(always)]
    fn store(self, v: V, to: &mut [f32; LANES]) {
        *to = v;
    }

    #[inline(always)]
    fn load_half(self, from: &[f16; LANES]) -> V {
        let mut out = [0.0; LANES];
        for i in 0..LANES {
            let bits = u32::from(from[i].to_bits());
            // Exponent and fraction at their places, then 2^112 for the difference of the biases, which also makes
            // numbers of what were denormals.
            let value = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
            let special = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
            out[i] = f32::from_bits(value.to_bits() | special | (bits & 0x8000) << 16);
        }
        out
    }

    #[inline(always)]
    fn store_half(self, v: V, to: &mut [f16; LANES]) {
        for i in 0..LANES {
            to[i] = f16::from_f32_const(v[i]);
        }
    }

    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        each(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        each(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        each(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, a: V, b: V) -> V {
        each(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        self.add(self.mul(a, b), c)
    }

    #[inline(always)]
    fn max(self, a: V, b: V) -> V {
        each(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, a: V, b: V) -> V {
        each(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn less(self, a: V, b: V, yes: V, no: V) -> V {
        let mut out = no;
        for i in 0..LANES {
            out[i] = if a[i] < b[i] { yes[i] } else { no[i] };
        }
        out
    }

    #[inline(always)]
    fn round(self, v: V) -> V {
        each(v, v, |x, _| (x + MAGIC) - MAGIC)
    }

    #[inline(always)]
    fn scale(self, v: V, n: V) -> V {
        each(v, n, |x, n| {
            // In two steps, because neither 2^128 nor 2^-149 can be a factor. Integers by way of the bits.
            let n = ((n + MAGIC).to_bits() as i32).wrapping_sub(MAGIC.to_bits() as i32).clamp(-160, 160);
            let half = n >> 1;
            x * power(half) * power(n - half)
        })
    }

    #[inline(always)]
    fn sum(self, v: V) -> f32 {
        let mut v = v;
        for width in [8, 4, 2, 1] {
            for i in 0..width {
                v[i] += v[i + width];
            }
        }
        v[0]
    }

    #[inline(always)]
    fn largest(self, v: V) -> f32 {
        let mut v = v;
        for width in [8, 4, 2, 1] {
            for i in 0..width {
                v[i] = if v[i] > v[i + width] { v[i] } else { v[i + width] };
            }
        }
        v[0]
    }
}
