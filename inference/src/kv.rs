//! Owns the keys and values of the tokens that models have seen, in pages that sequences share.
//! Uses one allocation for each page, counted against a budget; a fork copies a page when it first writes to it.
//! Never writes a page that another sequence reads, and never copies anything to grow or to shrink.

mod page;
mod snapshot;
mod store;

use std::ops::Range;
use std::sync::Arc;

use half::f16;
use loci_kernels::mapping::Torn;

/// Tokens of one page: what the attention kernels read in one sweep.
pub(crate) use loci_kernels::attention::PAGE;
use loci_kernels::attention::{self, Options};
pub(crate) use page::{Budget, Page};
pub(crate) use store::{Report, Store};
pub use store::{SnapshotOptions, SnapshotStats};

/// There is no memory for another page: the machine has none left, or the budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no memory for the state of more tokens")]
pub(crate) struct OutOfMemory;

/// What one layer keeps of each token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LayerShape {
    /// Heads of keys and values; several heads of queries may read one of them.
    pub(crate) kv_heads: usize,
    /// Numbers in a key.
    pub(crate) key_dim: usize,
    /// Numbers in a value.
    pub(crate) value_dim: usize,
}

/// What a model keeps of each token, and where it lies in a page.
///
/// A page holds [`PAGE`] tokens of all layers, layer after layer: the keys, `[kv_heads, key_dim, PAGE]`, then the
/// values, `[kv_heads, PAGE, value_dim]`. Keys are transposed so that scores are computed for many keys at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    layers: Vec<LayerShape>,
    /// Where each layer's keys and values begin; one more than there are layers.
    starts: Vec<usize>,
}

impl Geometry {
    pub(crate) fn new(layers: Vec<LayerShape>) -> Self {
        let mut starts = vec![0];
        for shape in &layers {
            let numbers = shape.kv_heads * (shape.key_dim + shape.value_dim) * PAGE;
            starts.push(starts[starts.len() - 1] + numbers);
        }
        Self { layers, starts }
    }

    /// The shapes, layer by layer.
    pub(crate) fn layers(&self) -> &[LayerShape] {
        &self.layers
    }

    /// Numbers in a page.
    pub(crate) fn page_len(&self) -> usize {
        self.starts[self.layers.len()]
    }

    /// Bytes of a page.
    pub(crate) fn page_bytes(&self) -> u64 {
        (self.page_len() * size_of::<f16>()) as u64
    }

    fn keys(&self, layer: usize) -> Range<usize> {
        let shape = self.layers[layer];
        self.starts[layer]..self.starts[layer] + shape.kv_heads * shape.key_dim * PAGE
    }

    fn values(&self, layer: usize) -> Range<usize> {
        self.keys(layer).end..self.starts[layer + 1]
    }
}

/// The state of one sequence: token ids and the pages behind them.
#[derive(Debug)]
pub(crate) struct Sequence {
    geometry: Arc<Geometry>,
    budget: Arc<Budget>,
    /// The ids behind the state, one for each position.
    tokens: Vec<u32>,
    /// At least enough for the tokens; those behind are room that [`Sequence::reserve`] made.
    pages: Vec<Arc<Page>>,
}

/// One page of one layer, to be written.
#[derive(Debug)]
pub(crate) struct LayerPage<'a> {
    /// The position of the page's first token.
    pub(crate) first: usize,
    /// `[kv_heads, key_dim, PAGE]`
    pub(crate) keys: &'a mut [f16],
    /// `[kv_heads, PAGE, value_dim]`
    pub(crate) values: &'a mut [f16],
}

impl Sequence {
    /// An empty sequence whose pages are not limited.
    #[cfg(test)]
    pub(crate) fn new(geometry: &Arc<Geometry>) -> Self {
        Self::within(geometry, &Arc::new(Budget::new(u64::MAX)))
    }

    /// An empty sequence that takes its pages from a budget.
    pub(crate) fn within(geometry: &Arc<Geometry>, budget: &Arc<Budget>) -> Self {
        let (geometry, budget) = (Arc::clone(geometry), Arc::clone(budget));
        Self { geometry, budget, tokens: Vec::new(), pages: Vec::new() }
    }

    /// Tokens whose state is there.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The ids behind the state, one for each position.
    pub(crate) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    #[cfg(test)]
    pub(crate) fn geometry(&self) -> &Arc<Geometry> {
        &self.geometry
    }

    /// The pages that hold the state; the last one may be filled in part.
    pub(crate) fn pages(&self) -> &[Arc<Page>] {
        &self.pages[..self.len().div_ceil(PAGE)]
    }

    /// Forget everything from position `length` on. One page more than needed stays, so that a sequence that is cut
    /// back again and again at a page's edge does not ask for memory each time.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.tokens.truncate(length);
        self.pages.truncate(self.len().div_ceil(PAGE) + 1);
    }

    /// Whether what was read of the state was what it held.
    ///
    /// # Errors
    /// When a part of it lies in a file that was cut short.
    pub(crate) fn check(&self) -> Result<(), Torn> {
        self.pages.iter().try_for_each(|page| page.check())
    }

    /// Another sequence with the first `length` tokens of this one. Pages are shared until one of the two writes.
    pub(crate) fn fork(&self, length: usize) -> Self {
        let length = length.min(self.len());
        Self {
            geometry: Arc::clone(&self.geometry),
            budget: Arc::clone(&self.budget),
            tokens: self.tokens[..length].to_vec(),
            pages: self.pages[..length.div_ceil(PAGE)].to_vec(),
        }
    }

    /// Put full pages with their tokens, `PAGE` for each, behind what is there, which must end at a page's edge.
    ///
    /// # Panics
    /// When the lengths do not agree.
    pub(crate) fn append(&mut self, tokens: &[u32], pages: impl IntoIterator<Item = Arc<Page>>) {
        assert!(self.len().is_multiple_of(PAGE), "whole pages follow whole pages");
        self.pages.truncate(self.len() / PAGE);
        self.pages.extend(pages);
        self.tokens.extend_from_slice(tokens);
        assert_eq!(self.pages.len() * PAGE, self.len(), "every page is full");
        assert!(self.pages.iter().all(|page| page.numbers().len() == self.geometry.page_len()), "pages fit");
    }

    /// Make room for `length` tokens in all, all of it writable: a page that others read, or that lies in a file, is
    /// copied if it holds the last token and replaced otherwise. After an error the sequence is as it was.
    pub(crate) fn reserve(&mut self, length: usize) -> Result<(), OutOfMemory> {
        for index in self.len() / PAGE..length.div_ceil(PAGE) {
            let used = self.len() > index * PAGE;
            let page = self.pages.get_mut(index);
            if let Some(page) = page
                && Arc::get_mut(page).is_some_and(|page| page.numbers_mut().is_some())
            {
                continue;
            }
            let mut fresh = Page::zeroed(self.geometry.page_len(), &self.budget)?;
            if let (true, Some(numbers)) = (used, fresh.numbers_mut()) {
                numbers.copy_from_slice(self.pages[index].numbers());
            }
            match self.pages.get_mut(index) {
                Some(page) => *page = Arc::new(fresh),
                None => self.pages.push(Arc::new(fresh)),
            }
        }
        Ok(())
    }

    /// Note that the state of `tokens` has been written behind the others in every layer.
    ///
    /// # Panics
    /// When there was no room for them.
    pub(crate) fn commit(&mut self, tokens: &[u32]) {
        self.tokens.extend_from_slice(tokens);
        assert!(self.len() <= self.pages.len() * PAGE, "what is committed was reserved");
    }

    /// The keys of one layer, page by page, `[kv_heads, key_dim, PAGE]` each, enough for `length` tokens: those that
    /// are committed and those that were written behind them.
    pub(crate) fn keys(&self, layer: usize, length: usize) -> impl Iterator<Item = &[f16]> {
        let range = self.geometry.keys(layer);
        self.pages[..length.div_ceil(PAGE)].iter().map(move |page| &page.numbers()[range.clone()])
    }

    /// The values of one layer, page by page, `[kv_heads, PAGE, value_dim]` each, like [`Sequence::keys`].
    pub(crate) fn values(&self, layer: usize, length: usize) -> impl Iterator<Item = &[f16]> {
        let range = self.geometry.values(layer);
        self.pages[..length.div_ceil(PAGE)].iter().map(move |page| &page.numbers()[range.clone()])
    }

    /// The reserved pages of one layer from the one on that holds the next token. Positions from [`Sequence::len`] on
    /// may be written.
    pub(crate) fn room(&mut self, layer: usize) -> impl Iterator<Item = LayerPage<'_>> {
        let (keys, values) = (self.geometry.keys(layer), self.geometry.values(layer));
        let from = self.tokens.len() / PAGE;
        // A page that cannot be written was not reserved: room ends there.
        let pages = self.pages.iter_mut().enumerate().skip(from);
        pages.map_while(move |(index, page)| {
            let numbers = Arc::get_mut(page)?.numbers_mut()?;
            let (_, rest) = numbers.split_at_mut(keys.start);
            let (key_part, rest) = rest.split_at_mut(keys.len());
            Some(LayerPage { first: index * PAGE, keys: key_part, values: &mut rest[..values.len()] })
        })
    }

    /// Write one layer's rows of the tokens from position `start` on: `keys` is `[count, kv_heads * key_dim]`,
    /// `values` `[count, kv_heads * value_dim]`.
    ///
    /// # Panics
    /// When `start` is before [`Sequence::len`], or a row has no room.
    pub(crate) fn write(&mut self, layer: usize, start: usize, keys: &[f32], values: &[f32]) {
        let LayerShape { kv_heads, key_dim, value_dim } = self.geometry.layers[layer];
        assert!(start >= self.len(), "what is committed stays as it is");
        let (key_width, value_width) = (kv_heads * key_dim, kv_heads * value_dim);
        let count = keys.len() / key_width;
        assert_eq!((count * key_width, count * value_width), (keys.len(), values.len()), "rows are whole");
        let options = Options {
            heads: kv_heads,
            kv_heads,
            head_dim: key_dim,
            value_dim,
            scale: 1.0,
            softcap: None,
            window: None,
            sinks: None,
        };
        let mut written = 0;
        for page in self.room(layer) {
            let (from, end) = (start.max(page.first), (start + count).min(page.first + PAGE));
            if from < end {
                let rows = from - start..end - start;
                let keys = &keys[rows.start * key_width..rows.end * key_width];
                let values = &values[rows.start * value_width..rows.end * value_width];
                attention::store(&options, page.keys, page.values, from - page.first, keys, values);
                written += rows.len();
            }
        }
        assert_eq!(written, count, "every row has its room");
    }
}

#[cfg(test)]
mod tests;
