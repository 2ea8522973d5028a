//! Owns rows of activations and their quantised forms.
//! Uses tiles of up to eight rows, four numbers of each in turn, as the kernels read them.
//! Never quantises twice, and keeps its buffers from one call to the next.

mod quantised;

use crate::level::Level;
use crate::pool::Pool;
#[cfg(target_arch = "x86_64")]
pub(super) use quantised::FEW_ROWS;
pub(super) use quantised::{Quantised, Tile};

/// Rows of activations, `[rows, columns]`, and their quantised forms, made when the first matrix needs one.
#[derive(Debug, Default)]
pub struct Activations {
    values: Vec<f32>,
    columns: usize,
    per_256: Quantised,
    per_32: Quantised,
}

/// A form of the activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Floats,
    Per256,
    Per32,
}

impl Activations {
    /// Take `values`, `[n, columns]`. Buffers are kept from one call to the next. Panics when they are not whole rows.
    pub fn set(&mut self, columns: usize, values: &[f32]) {
        assert!(values.is_empty() || columns > 0 && values.len().is_multiple_of(columns), "whole rows");
        self.values.clear();
        self.values.extend_from_slice(values);
        self.columns = columns;
        self.per_256.ready = None;
        self.per_32.ready = None;
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns.max(1)
    }

    /// Numbers in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The rows as floats.
    pub(super) fn lines(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.columns.max(1))
    }

    /// One of them.
    pub(super) fn line(&self, index: usize) -> &[f32] {
        &self.values[index * self.columns..(index + 1) * self.columns]
    }

    /// Make the form that is needed, unless it is there.
    pub(super) fn prepare(&mut self, level: Level, pool: &Pool, need: Need) {
        match need {
            Need::Floats => {}
            Need::Per256 => self.per_256.make(level, pool, 256, &self.values, self.columns),
            Need::Per32 => self.per_32.make(level, pool, 32, &self.values, self.columns),
        }
    }

    /// The form with a scale per `block` numbers, which [`Activations::prepare`] has made.
    pub(super) fn quantised(&self, block: usize) -> &Quantised {
        let form = if block == 256 { &self.per_256 } else { &self.per_32 };
        debug_assert!(form.ready.is_some());
        form
    }
}
