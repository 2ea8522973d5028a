//! Owns the keys and values of the tokens a model has seen, page by page.
//! Uses memory as the sequence grows; nothing is ever copied to grow or to shrink.
//! Never repeats a head: grouped queries read the same rows.

use super::OutOfMemory;

/// Tokens of one page. Large enough that a page's rows are read in one sweep, small enough that a
/// short prompt of a large model wastes little.
const PAGE: usize = 256;

/// The state of one sequence.
pub(crate) struct Cache {
    layers: Vec<Layer>,
    heads: usize,
    head_dim: usize,
    /// The ids behind the state, one for each position.
    tokens: Vec<u32>,
}

#[derive(Default)]
struct Layer {
    keys: Vec<Page>,
    values: Vec<Page>,
}

/// `[heads, PAGE, head_dim]`
type Page = Box<[f32]>;

impl Cache {
    pub(crate) fn new(layers: usize, heads: usize, head_dim: usize) -> Self {
        let layers = (0..layers).map(|_| Layer::default()).collect();
        Self { layers, heads, head_dim, tokens: Vec::new() }
    }

    /// Tokens in the cache.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The ids behind the state, one for each position.
    pub(crate) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Forget everything from position `length` on. The memory stays.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.tokens.truncate(length);
    }

    /// Make room for `length` tokens in all.
    pub(crate) fn reserve(&mut self, length: usize) -> Result<(), OutOfMemory> {
        let pages = length.div_ceil(PAGE);
        let size = self.heads * PAGE * self.head_dim;
        for layer in &mut self.layers {
            for side in [&mut layer.keys, &mut layer.values] {
                while side.len() < pages {
                    let mut page = Vec::new();
                    page.try_reserve_exact(size).map_err(|_| OutOfMemory)?;
                    page.resize(size, 0.0);
                    side.push(page.into_boxed_slice());
                }
            }
        }
        Ok(())
    }

    /// Write one token's rows of one layer, `[heads, head_dim]` each, at a reserved position.
    pub(crate) fn write(&mut self, layer: usize, position: usize, keys: &[f32], values: &[f32]) {
        let (page, row) = (position / PAGE, position % PAGE);
        let layer = &mut self.layers[layer];
        let dim = self.head_dim;
        for (side, rows) in [(&mut layer.keys, keys), (&mut layer.values, values)] {
            for (head, values) in rows.chunks_exact(dim).enumerate() {
                let start = (head * PAGE + row) * dim;
                side[page][start..start + dim].copy_from_slice(values);
            }
        }
    }

    /// Note that the state of `tokens` has been written behind the others in every layer.
    pub(crate) fn commit(&mut self, tokens: &[u32]) {
        self.tokens.extend_from_slice(tokens);
    }

    /// The keys of one head in one layer, page by page: `[at most PAGE, head_dim]`, `length` rows in all.
    pub(crate) fn keys(&self, layer: usize, head: usize, length: usize) -> impl Iterator<Item = &[f32]> {
        rows(&self.layers[layer].keys, head, self.head_dim, length)
    }

    /// The values of one head in one layer, like [`Cache::keys`].
    pub(crate) fn values(&self, layer: usize, head: usize, length: usize) -> impl Iterator<Item = &[f32]> {
        rows(&self.layers[layer].values, head, self.head_dim, length)
    }
}

fn rows(pages: &[Page], head: usize, dim: usize, length: usize) -> impl Iterator<Item = &[f32]> {
    pages.iter().take(length.div_ceil(PAGE)).enumerate().map(move |(index, page)| {
        let rows = (length - index * PAGE).min(PAGE);
        &page[head * PAGE * dim..(head * PAGE + rows) * dim]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_across_pages_and_heads() {
        let mut cache = Cache::new(2, 3, 2);
        let length = PAGE + 7;
        cache.reserve(length).expect("memory");
        for position in 0..length {
            let rows: Vec<f32> = (0..6).map(|part| (position * 10 + part) as f32).collect();
            cache.write(1, position, &rows, &rows.iter().map(|value| -value).collect::<Vec<_>>());
        }
        for head in 0..3 {
            let keys: Vec<f32> = cache.keys(1, head, length).flatten().copied().collect();
            let values: Vec<f32> = cache.values(1, head, length).flatten().copied().collect();
            assert_eq!(keys.len(), length * 2);
            for position in 0..length {
                let expect = (position * 10 + head * 2) as f32;
                assert_eq!(keys[position * 2], expect);
                assert_eq!(values[position * 2 + 1], -(expect + 1.0));
            }
        }
        assert!(cache.keys(0, 0, length).flatten().all(|&value| value == 0.0));
    }

    #[test]
    fn truncating_forgets_tokens_and_keeps_memory() {
        let mut cache = Cache::new(1, 1, 2);
        cache.reserve(PAGE + 1).expect("memory");
        cache.commit(&[1, 2, 3, 4]);
        cache.truncate(2);
        cache.commit(&[9]);
        assert_eq!((cache.len(), cache.tokens()), (3, &[1, 2, 9][..]));
        cache.truncate(50);
        assert_eq!(cache.len(), 3);
        assert_eq!(cache.keys(0, 0, PAGE + 1).count(), 2);
    }
}
