//! Owns activations as signed bytes with a scale per block.
//! Uses the roundings of ggml (Q8_K and Q8_0), but keeps every scale in single precision.
//! Never gives a level of -128, so that a product of two levels with an unsigned byte stays in its bounds.

use crate::level::Level;
use crate::pool::Pool;

/// Most rows of a tile: what the registers of a 512-bit machine hold accumulators for.
pub(crate) const MOST_ROWS: usize = 8;

/// Up to this many rows are tiles of their own: so few are multiplied with rows of a matrix as they lie in the file.
/// Measured against tiles on one core with Q4_K, Q6_K and Q8_0: 6 rows took 0.6 to 0.9 of the time, 8 rows 0.75 to 1.1.
pub(crate) const FEW_ROWS: usize = 6;

/// As [`MOST_ROWS`] for sixteen registers of 256 bits, of which a tile of a matrix takes two for each row.
pub(crate) const MOST_ROWS_256: usize = 4;

/// As [`FEW_ROWS`] without AVX-512: one group of the lines that go along rows there. Not measured finely.
pub(crate) const FEW_ROWS_256: usize = 4;

/// A cache line, so that tiles start on one.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
#[expect(dead_code, reason = "read as words")]
struct Line([u32; 16]);

/// Rows as signed bytes, in tiles.
#[derive(Debug, Default)]
pub(crate) struct Quantised {
    lines: Vec<Line>,
    shape: Shape,
    rows: usize,
    tiles: usize,
    /// For which level it was made of the present activations, if it was.
    pub(super) ready: Option<Level>,
}

/// What a tile consists of, in words for every row of it. Each part is `[index][row]`:
/// - levels: four signed bytes a word;
/// - scales: f32, one per block;
/// - negative sums: i32, minus the sum of the levels of a group, 16 levels where blocks have 256, or else a block;
/// - pairs: two i16, the sums of two groups of 16 (`narrow`) and of two groups of 32 (`wide`), where blocks have 256;
/// - products: f32, scale times sum of a block, where blocks have 32.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Shape {
    columns: usize,
    block: usize,
}

impl Shape {
    fn levels(self) -> usize {
        self.columns / 4
    }

    fn blocks(self) -> usize {
        self.columns / self.block.max(1)
    }

    fn group(self) -> usize {
        if self.block == 256 { 16 } else { 32 }
    }

    fn scales_at(self) -> usize {
        self.levels()
    }

    fn sums_at(self) -> usize {
        self.scales_at() + self.blocks()
    }

    /// Narrow pairs, or products.
    fn rest_at(self) -> usize {
        self.sums_at() + self.columns / self.group()
    }

    fn wide_at(self) -> usize {
        self.rest_at() + self.columns / 32
    }

    fn words(self) -> usize {
        self.wide_at() + if self.block == 256 { self.columns / 64 } else { 0 }
    }
}

/// Up to [`MOST_ROWS`] rows, and where their parts are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tile<'a> {
    /// The first of the rows.
    pub(crate) start: usize,
    /// How many they are.
    pub(crate) rows: usize,
    words: &'a [u32],
    shape: Shape,
}

impl<'a> Tile<'a> {
    fn part(&self, from: usize, to: usize) -> &'a [u32] {
        &self.words[from * self.rows..to * self.rows]
    }

    /// `[columns / 4][row]` times four signed bytes.
    pub(crate) fn levels(&self) -> &'a [u32] {
        self.part(0, self.shape.scales_at())
    }

    /// [`Tile::levels`] and what follows them, for readers of four words at a time.
    #[cfg(target_arch = "aarch64")]
    pub(crate) fn words_from_levels(&self) -> &'a [u32] {
        self.words
    }

    /// [`Tile::scales`] and what follows them.
    #[cfg(target_arch = "aarch64")]
    pub(crate) fn words_from_scales(&self) -> &'a [u32] {
        &self.words[self.shape.scales_at() * self.rows..]
    }

    /// `[block][row]` f32.
    pub(crate) fn scales(&self) -> &'a [u32] {
        self.part(self.shape.scales_at(), self.shape.sums_at())
    }

    /// `[group][row]` i32.
    pub(crate) fn negative_sums(&self) -> &'a [u32] {
        self.part(self.shape.sums_at(), self.shape.rest_at())
    }

    /// `[columns / 32][row]`, two i16 each, where blocks have 256 numbers.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn narrow_pairs(&self) -> &'a [u32] {
        self.part(self.shape.rest_at(), self.shape.wide_at())
    }

    /// `[columns / 64][row]`, two i16 each, where blocks have 256 numbers.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn wide_pairs(&self) -> &'a [u32] {
        self.part(self.shape.wide_at(), self.shape.words())
    }

    /// `[block][row]` f32, where blocks have 32 numbers.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn products(&self) -> &'a [u32] {
        self.part(self.shape.rest_at(), self.shape.wide_at())
    }
}

/// Up to how many rows are tiles of their own, and most rows of a tile where they are more.
fn tile_limits(level: Level) -> (usize, usize) {
    match level {
        Level::Avx512 => (FEW_ROWS, MOST_ROWS),
        Level::Avx2 | Level::AvxVnni => (FEW_ROWS_256, MOST_ROWS_256),
        // Plain code and ARM go along rows.
        _ => (usize::MAX, 1),
    }
}

/// Where the tiles of `rows` rows begin: as few tiles as possible, which differ by at most one row.
fn tile_rows(rows: usize, tiles: usize, index: usize) -> (usize, usize) {
    let (each, more) = (rows / tiles, rows % tiles);
    (index * each + index.min(more), each + usize::from(index < more))
}

impl Quantised {
    /// Quantise `values`, `[n, columns]`, with a scale for each `block` of them, unless that is done.
    pub(super) fn make(&mut self, level: Level, pool: &Pool, block: usize, values: &[f32], columns: usize) {
        if self.ready == Some(level) || values.is_empty() {
            return;
        }
        self.ready = Some(level);
        self.shape = Shape { columns, block };
        self.rows = values.len() / columns;
        let (few, most) = tile_limits(level);
        self.tiles = if self.rows <= few { self.rows } else { self.rows.div_ceil(most) };
        let (shape, rows, tiles, lines) = (self.shape, self.rows, self.tiles, self.tile_lines());
        self.lines.resize(lines * tiles, Line([0; 16]));
        if self.rows == tiles {
            // Many tiles of one row: several go into one task.
            let each = tiles.div_ceil(4 * pool.threads()).max(1);
            pool.run_parts(&mut self.lines[..lines * tiles], lines * each, &|task, part| {
                for (index, lines) in part.chunks_exact_mut(lines).enumerate() {
                    let start = (task * each + index) * columns;
                    fill(
                        level,
                        shape,
                        &values[start..start + columns],
                        &mut words_mut(lines)[..shape.words()],
                    );
                }
            });
            return;
        }
        pool.run_parts(&mut self.lines[..lines * tiles], lines, &|index, lines| {
            let (start, rows) = tile_rows(rows, tiles, index);
            let values = &values[start * columns..(start + rows) * columns];
            let words = &mut words_mut(lines)[..shape.words() * rows];
            fill(level, shape, values, words);
        });
    }

    /// Lines from one tile to the next.
    fn tile_lines(&self) -> usize {
        (self.shape.words() * self.rows.div_ceil(self.tiles)).div_ceil(16)
    }

    /// How many rows there are.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// How many tiles there are.
    pub(crate) fn tiles(&self) -> usize {
        self.tiles
    }

    /// One of them.
    pub(crate) fn tile(&self, index: usize) -> Tile<'_> {
        let (start, rows) = tile_rows(self.rows, self.tiles, index);
        let lines = self.tile_lines();
        let words = words(&self.lines[index * lines..(index + 1) * lines]);
        Tile { start, rows, words, shape: self.shape }
    }
}

#[expect(unsafe_code, reason = "lines exist for their alignment only")]
fn words(lines: &[Line]) -> &[u32] {
    // SAFETY: a `Line` is exactly sixteen `u32` without padding, 64 bytes at an alignment of 64.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * 16) }
}

#[expect(unsafe_code, reason = "lines exist for their alignment only")]
fn words_mut(lines: &mut [Line]) -> &mut [u32] {
    // SAFETY: as above, and the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * 16) }
}

/// Adding this to a number below 2^22 leaves its nearest integer, ties to even, in the lowest bits.
const ROUNDER: f32 = 12_582_912.0;

/// Below this a block counts as zero: the inverse of its scale would overflow.
const SMALLEST: f32 = 1e-35;

#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "one body, compiled for the vector units of each level")
)]
fn fill(level: Level, shape: Shape, values: &[f32], words: &mut [u32]) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn avx2(shape: Shape, values: &[f32], words: &mut [u32]) {
            body(shape, values, words);
        }

        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
        fn avx512(shape: Shape, values: &[f32], words: &mut [u32]) {
            body(shape, values, words);
        }

        match level {
            // SAFETY: a level is at most that of the machine.
            Level::Avx512 => return unsafe { avx512(shape, values, words) },
            // SAFETY: as above.
            Level::Avx2 | Level::AvxVnni => return unsafe { avx2(shape, values, words) },
            Level::Scalar => {}
        }
    }
    let _ = level;
    body(shape, values, words);
}

/// Fill a tile from its rows.
#[inline(always)]
fn body(shape: Shape, values: &[f32], words: &mut [u32]) {
    if shape.block == 256 {
        fill_blocks::<256, 16>(shape, values, words);
    } else {
        fill_blocks::<32, 32>(shape, values, words);
    }
}

#[inline(always)]
fn fill_blocks<const BLOCK: usize, const GROUP: usize>(shape: Shape, values: &[f32], words: &mut [u32]) {
    let rows = values.len() / shape.columns;
    let (levels, words) = words.split_at_mut(shape.levels() * rows);
    let (scales, words) = words.split_at_mut(shape.blocks() * rows);
    let (sums, words) = words.split_at_mut(shape.columns / GROUP * rows);
    let (rest, wide) = words.split_at_mut(shape.columns / 32 * rows);
    for (row, values) in values.chunks_exact(shape.columns).enumerate() {
        for (index, block) in values.as_chunks::<BLOCK>().0.iter().enumerate() {
            let mut bytes = [0_i8; BLOCK];
            let scale = quantise(block, &mut bytes);
            scales[index * rows + row] = scale.to_bits();
            let targets = levels[index * (BLOCK / 4) * rows + row..].iter_mut().step_by(rows);
            for (target, bytes) in targets.zip(bytes.as_chunks::<4>().0) {
                *target = u32::from_le_bytes(bytes.map(i8::cast_unsigned));
            }
            let mut totals = [0_i32; 16];
            for (total, group) in totals.iter_mut().zip(bytes.as_chunks::<GROUP>().0) {
                *total = group.iter().map(|level| i32::from(*level)).sum();
            }
            let totals = &totals[..BLOCK / GROUP];
            let targets = sums[index * totals.len() * rows + row..].iter_mut().step_by(rows);
            for (target, total) in targets.zip(totals) {
                *target = (-total).cast_unsigned();
            }
            if BLOCK == 32 {
                rest[index * rows + row] = (scale * totals[0] as f32).to_bits();
                continue;
            }
            // A sum of 32 levels is at most 32 * 127, so it fits.
            let pair = |first: i32, second: i32| (first & 0xffff | second << 16).cast_unsigned();
            let targets = rest[index * 8 * rows + row..].iter_mut().step_by(rows);
            for (target, totals) in targets.zip(totals.as_chunks::<2>().0) {
                *target = pair(totals[0], totals[1]);
            }
            let targets = wide[index * 4 * rows + row..].iter_mut().step_by(rows);
            for (target, totals) in targets.zip(totals.as_chunks::<4>().0) {
                *target = pair(totals[0] + totals[1], totals[2] + totals[3]);
            }
        }
    }
}

/// Write the levels of a block and give its scale: NaN where a number is not finite.
#[inline(always)]
fn quantise<const BLOCK: usize>(values: &[f32; BLOCK], levels: &mut [i8; BLOCK]) -> f32 {
    // As integers, magnitudes order infinity after all numbers and NaN after infinity.
    let most = values.iter().fold(0, |most, value| most.max(value.to_bits() & 0x7fff_ffff));
    let most = f32::from_bits(most);
    if !most.is_finite() {
        return f32::NAN;
    }
    if most < SMALLEST {
        return 0.0;
    }
    let inverse = 127.0 / most;
    for (level, value) in levels.iter_mut().zip(values) {
        *level = (value * inverse + ROUNDER).to_bits() as i8;
    }
    most / 127.0
}
