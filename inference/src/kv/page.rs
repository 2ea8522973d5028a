//! Owns the memory of a page and the budget that pages are counted against.
//! Uses one allocation for each page.
//! Never gives out memory beyond the budget, and gives back what a page took when its last reader is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use half::f16;

use super::OutOfMemory;

/// How many bytes the pages of a model may take together.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    used: AtomicU64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0) }
    }

    /// Bytes of all pages that are in memory.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that may still be taken.
    pub(crate) fn free(&self) -> u64 {
        self.limit.saturating_sub(self.used())
    }

    fn take(&self, bytes: u64) -> Result<(), OutOfMemory> {
        let take = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= self.limit);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map(|_| ()).map_err(|_| OutOfMemory)
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The state of a page of tokens in all layers.
#[derive(Debug)]
pub(crate) struct Page {
    numbers: Vec<f16>,
    budget: Arc<Budget>,
}

impl Page {
    /// A page of zeros: kernels read whole pages, so nothing in them may be anything but a number.
    pub(super) fn zeroed(length: usize, budget: &Arc<Budget>) -> Result<Self, OutOfMemory> {
        let bytes = (length * size_of::<f16>()) as u64;
        budget.take(bytes)?;
        let mut numbers = Vec::new();
        if numbers.try_reserve_exact(length).is_err() {
            budget.give_back(bytes);
            return Err(OutOfMemory);
        }
        numbers.resize(length, f16::ZERO);
        Ok(Self { numbers, budget: Arc::clone(budget) })
    }

    /// All of it, layer after layer.
    pub(crate) fn numbers(&self) -> &[f16] {
        &self.numbers
    }

    /// The same to be written; `None` where it lies in a file.
    pub(super) fn numbers_mut(&mut self) -> Option<&mut [f16]> {
        Some(&mut self.numbers)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.budget.give_back((self.numbers.len() * size_of::<f16>()) as u64);
    }
}
