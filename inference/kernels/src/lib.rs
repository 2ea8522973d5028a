//! Owns the hot paths of the runtime on a CPU: quantised products, attention, elementwise work, threads, mapped files.
//! Uses the vector units that the machine turns out to have, behind safe functions that check every length.
//! Never knows models, tokens or files' formats beyond the layout of a quantised row.

pub mod attention;
pub mod format;
pub mod level;
pub mod mapping;
pub mod matmul;
pub mod pool;
mod simd;
pub mod vector;
