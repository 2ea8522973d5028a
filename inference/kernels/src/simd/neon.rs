//! Owns sixteen floats in four registers of NEON.
//! Uses the compiler's intrinsics, and two instructions by name where the intrinsics are not stable.
//! Never ran on a real ARM machine yet: its tests pass under `qemu-aarch64`, and no figure was measured.
#![expect(unsafe_code, reason = "intrinsics, and loads through pointers to arrays")]

use std::arch::aarch64::*;
use std::arch::asm;

use half::f16;

use super::{LANES, Simd};

/// A machine with NEON: every one of this target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neon;

type V = [float32x4_t; 4];

#[inline(always)]
fn each(a: V, b: V, f: impl Fn(float32x4_t, float32x4_t) -> float32x4_t) -> V {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

// SAFETY, for every block below: the target has NEON, and loads and stores go through references to arrays of the
// right size.
impl Simd for Neon {
    type V = V;
    const WIDTH: usize = 1;

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        unsafe { [vdupq_n_f32(x); 4] }
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> V {
        let from = from.as_ptr();
        unsafe { [vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))] }
    }

    #[inline(always)]
    fn prefetch(self, at: *const f16) {
        // A prefetch of an address that is not valid does nothing.
        unsafe { asm!("prfm pldl1keep, [{0}]", in(reg) at, options(readonly, nostack, preserves_flags)) }
    }

    #[inline(always)]
    fn store(self, v: V, to: &mut [f32; LANES]) {
        for (v, to) in v.into_iter().zip(to.as_chunks_mut::<4>().0) {
            unsafe { vst1q_f32(to.as_mut_ptr(), v) }
        }
    }

    #[inline(always)]
    fn load_half(self, from: &[f16; LANES]) -> V {
        let mut out = self.splat(0.0);
        for (out, from) in out.iter_mut().zip(from.as_chunks::<4>().0) {
            unsafe {
                let half = vld1_u16(from.as_ptr().cast());
                asm!("fcvtl {0:v}.4s, {1:v}.4h", out(vreg) *out, in(vreg) half,
                    options(pure, nomem, nostack, preserves_flags));
            }
        }
        out
    }

    #[inline(always)]
    fn store_half(self, v: V, to: &mut [f16; LANES]) {
        for (v, to) in v.into_iter().zip(to.as_chunks_mut::<4>().0) {
            unsafe {
                let half: uint16x4_t;
                asm!("fcvtn {0:v}.4h, {1:v}.4s", out(vreg) half, in(vreg) v,
                    options(pure, nomem, nostack, preserves_flags));
                vst1_u16(to.as_mut_ptr().cast(), half);
            }
        }
    }

    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        each(a, b, |a, b| unsafe { vaddq_f32(a, b) })
    }

    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        each(a, b, |a, b| unsafe { vsubq_f32(a, b) })
    }

    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        each(a, b, |a, b| unsafe { vmulq_f32(a, b) })
    }

    #[inline(always)]
    fn div(self, a: V, b: V) -> V {
        each(a, b, |a, b| unsafe { vdivq_f32(a, b) })
    }

    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        unsafe {
            [
                vfmaq_f32(c[0], a[0], b[0]),
                vfmaq_f32(c[1], a[1], b[1]),
                vfmaq_f32(c[2], a[2], b[2]),
                vfmaq_f32(c[3], a[3], b[3]),
            ]
        }
    }

    #[inline(always)]
    fn max(self, a: V, b: V) -> V {
        // Not the maximum instruction, which gives NaN where one operand is.
        each(a, b, |a, b| unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) })
    }

    #[inline(always)]
    fn min(self, a: V, b: V) -> V {
        each(a, b, |a, b| unsafe { vbslq_f32(vcltq_f32(a, b), a, b) })
    }

    #[inline(always)]
    fn less(self, a: V, b: V, yes: V, no: V) -> V {
        unsafe {
            [
                vbslq_f32(vcltq_f32(a[0], b[0]), yes[0], no[0]),
                vbslq_f32(vcltq_f32(a[1], b[1]), yes[1], no[1]),
                vbslq_f32(vcltq_f32(a[2], b[2]), yes[2], no[2]),
                vbslq_f32(vcltq_f32(a[3], b[3]), yes[3], no[3]),
            ]
        }
    }

    #[inline(always)]
    fn round(self, v: V) -> V {
        each(v, v, |v, _| unsafe { vrndnq_f32(v) })
    }

    #[inline(always)]
    fn scale(self, v: V, n: V) -> V {
        // In two steps, because neither 2^128 nor 2^-149 can be a factor.
        each(v, n, |v, n| unsafe {
            let whole = vcvtq_s32_f32(n);
            let half = vshrq_n_s32::<1>(whole);
            let power = |n| vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(n, vdupq_n_s32(127))));
            vmulq_f32(vmulq_f32(v, power(half)), power(vsubq_s32(whole, half)))
        })
    }

    #[inline(always)]
    fn sum(self, v: V) -> f32 {
        unsafe { vaddvq_f32(vaddq_f32(vaddq_f32(v[0], v[1]), vaddq_f32(v[2], v[3]))) }
    }

    #[inline(always)]
    fn largest(self, v: V) -> f32 {
        unsafe { vmaxvq_f32(vmaxq_f32(vmaxq_f32(v[0], v[1]), vmaxq_f32(v[2], v[3]))) }
    }
}
