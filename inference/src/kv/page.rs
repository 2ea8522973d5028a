//! Owns the memory of a page and the budget that pages are counted against.
//! Uses one allocation for each page, or a part of a mapped file.
//! Never gives out memory beyond the budget, and gives back what a page took when its last reader is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use half::f16;
use loci_kernels::mapping::{Mapping, Torn, as_halves};

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

    /// Bytes that pages may take in all.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes of all pages in memory. Those that lie in files are not counted: the system takes their memory back
    /// when it wants it.
    #[cfg(test)]
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
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
    storage: Storage,
}

#[derive(Debug)]
enum Storage {
    Memory(Counted),
    File(MappedPage),
}

/// Memory that a budget knows of.
#[derive(Debug)]
struct Counted {
    numbers: Vec<f16>,
    budget: Arc<Budget>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.budget.give_back((self.numbers.len() * size_of::<f16>()) as u64);
    }
}

/// A page in a mapped file.
#[derive(Debug)]
pub(crate) struct MappedPage {
    mapping: Arc<Mapping>,
    start: usize,
}

impl MappedPage {
    /// The last `length` numbers of the file, which begin at byte `start`; `None` when they do not, or cannot be read
    /// in place.
    pub(super) fn new(mapping: Arc<Mapping>, start: usize, length: usize) -> Option<Self> {
        let page = Self { mapping, start };
        (page.numbers().len() == length).then_some(page)
    }

    fn numbers(&self) -> &[f16] {
        self.mapping.bytes().get(self.start..).and_then(as_halves).unwrap_or_default()
    }
}

impl Page {
    /// A page of zeros: kernels read whole pages, so nothing in them may be anything but a number.
    pub(super) fn zeroed(length: usize, budget: &Arc<Budget>) -> Result<Self, OutOfMemory> {
        let bytes = (length * size_of::<f16>()) as u64;
        let mut numbers = Vec::new();
        numbers.try_reserve_exact(length).map_err(|_| OutOfMemory)?;
        budget.take(bytes)?;
        numbers.resize(length, f16::ZERO);
        Ok(Self { storage: Storage::Memory(Counted { numbers, budget: Arc::clone(budget) }) })
    }

    /// A page in a file.
    pub(super) fn mapped(page: MappedPage) -> Self {
        Self { storage: Storage::File(page) }
    }

    /// All of it, layer after layer.
    pub(crate) fn numbers(&self) -> &[f16] {
        match &self.storage {
            Storage::Memory(counted) => &counted.numbers,
            Storage::File(page) => page.numbers(),
        }
    }

    /// The same to be written; `None` where it lies in a file.
    pub(super) fn numbers_mut(&mut self) -> Option<&mut [f16]> {
        match &mut self.storage {
            Storage::Memory(counted) => Some(&mut counted.numbers),
            Storage::File(_) => None,
        }
    }

    /// Whether what was read of it was what it held.
    ///
    /// # Errors
    /// When it lies in a file that was cut short.
    pub(crate) fn check(&self) -> Result<(), Torn> {
        match &self.storage {
            Storage::Memory(_) => Ok(()),
            Storage::File(page) => page.mapping.check(),
        }
    }
}
