//! Owns the memory of a thread in which tiles of a matrix are unpacked.
//! Uses one block of memory per thread, which grows and stays.
//! Never is shared: a thread unpacks what it multiplies.

use std::cell::RefCell;
use std::ops::Range;

/// Rows of a tile: the 32-bit lanes of a 512-bit register, or of two of 256 bits.
pub(super) const TILE: usize = 16;

/// Most columns that are unpacked at once: 24 KiB of levels, which with the activations of a tile stay in a
/// first-level cache of 48 KiB.
pub(super) const CHUNK: usize = 1536;

/// The ranges in which `columns` are unpacked: as few as possible, of whole blocks of 256 and about equal length.
pub(super) fn chunks(columns: usize) -> impl Iterator<Item = Range<usize>> {
    let step = columns.div_ceil(columns.div_ceil(CHUNK).max(1)).next_multiple_of(256);
    (0..columns).step_by(step.max(1)).map(move |start| start..columns.min(start + step))
}

/// One 32-bit number for each row of a tile.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub(super) struct Lanes<T>(pub(super) [T; TILE]);

/// A tile of 16 rows and up to [`CHUNK`] columns, unpacked, and the products of its rows so far.
#[derive(Debug)]
pub(super) struct Scratch {
    /// `[column / 4]`, four levels a lane.
    pub(super) levels: [Lanes<u32>; CHUNK / 4],
    /// `[group]`: the scale of the group with that of the block in it.
    pub(super) scales: [Lanes<f32>; CHUNK / 16],
    /// `[pair of groups]`, two i16 a lane: minima of the groups of 256 numbers.
    pub(super) minima: [Lanes<u32>; CHUNK / 32],
    /// `[block]`: the factor of the minima.
    pub(super) minimum: [Lanes<f32>; CHUNK / 32],
    /// Levels, scales and minima as they are read, row by row.
    pub(super) rows: [Row; TILE],
    /// `[line of activations]`.
    pub(super) sums: Vec<Lanes<f32>>,
}

/// What is read from a row before it becomes a lane.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Row {
    /// `[column]`.
    pub(super) levels: [u8; CHUNK],
    /// `[group]`.
    pub(super) scales: [f32; CHUNK / 16],
    /// `[pair of groups]`.
    pub(super) minima: [u32; CHUNK / 32],
    /// `[block]`.
    pub(super) minimum: [f32; CHUNK / 32],
}

thread_local! {
    static SCRATCH: RefCell<Box<Scratch>> = RefCell::new(Box::new(Scratch {
        levels: [Lanes([0; TILE]); CHUNK / 4],
        scales: [Lanes([0.0; TILE]); CHUNK / 16],
        minima: [Lanes([0; TILE]); CHUNK / 32],
        minimum: [Lanes([0.0; TILE]); CHUNK / 32],
        rows: [Row {
            levels: [0; CHUNK],
            scales: [0.0; CHUNK / 16],
            minima: [0; CHUNK / 32],
            minimum: [0.0; CHUNK / 32],
        }; TILE],
        sums: Vec::new(),
    }));
}

/// Lend this thread's scratch.
pub(super) fn with_scratch<R>(work: impl FnOnce(&mut Scratch) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| work(scratch))
}
