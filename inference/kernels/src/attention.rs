//! Owns attention of query rows over a cache of keys and values in f16 pages, and the layout of those pages.
//! Uses online softmax over tiles of one page, for long prompts and single tokens alike.
//! Never holds a matrix of scores or a copy of the cache.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

use half::f16;

use crate::level::Level;
use crate::pool::Pool;
use crate::vector::to_f16;
use tile::{Block, Scratch};

mod tile;

/// Tokens of a page. A tile of scores is one page wide: four vectors of 16 numbers.
pub const PAGE: usize = 64;

/// What attention of a layer looks like.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Heads of the queries, a multiple of `kv_heads`.
    pub heads: usize,
    /// Heads of keys and values; `heads / kv_heads` query heads in a row share one.
    pub kv_heads: usize,
    /// Numbers of a query and of a key.
    pub head_dim: usize,
    /// Numbers of a value.
    pub value_dim: usize,
    /// Factor of every score, usually `1 / sqrt(head_dim)`.
    pub scale: f32,
    /// Scores become `cap * tanh(score / cap)` (Gemma 2).
    pub softcap: Option<f32>,
    /// A row sees this many positions at most, its own included.
    pub window: Option<usize>,
    /// `[heads]`: a score that belongs to no position and takes its share of the softmax (gpt-oss).
    pub sinks: Option<&'a [f32]>,
}

impl Options<'_> {
    /// Numbers of a layer's keys in a page, `[kv_heads, head_dim, PAGE]`.
    pub fn keys_len(&self) -> usize {
        self.kv_heads * self.head_dim * PAGE
    }

    /// Numbers of a layer's values in a page, `[kv_heads, PAGE, value_dim]`.
    pub fn values_len(&self) -> usize {
        self.kv_heads * PAGE * self.value_dim
    }

    fn check(&self) {
        assert!(
            self.heads > 0 && self.kv_heads > 0 && self.heads.is_multiple_of(self.kv_heads),
            "heads in groups"
        );
        assert!(self.head_dim > 0 && self.value_dim > 0, "heads hold numbers");
        assert!(self.sinks.is_none_or(|sinks| sinks.len() == self.heads), "one sink for each head");
    }
}

/// Consecutive rows of one sequence.
#[derive(Debug)]
pub struct Run<'a> {
    /// `[rows, heads, head_dim]`.
    pub queries: &'a [f32],
    /// Pages of this layer from position 0 on, `[kv_heads, head_dim, PAGE]` each: keys are transposed.
    pub keys: &'a [&'a [f16]],
    /// Pages of this layer from position 0 on, `[kv_heads, PAGE, value_dim]` each.
    pub values: &'a [&'a [f16]],
    /// Position of the first row. Row `i` sees positions `(start + i + 1) - window ..= start + i`, whose keys and
    /// values are stored already.
    pub start: usize,
    /// `[rows, heads, value_dim]`.
    pub output: &'a mut [f32],
}

/// Rows of queries that share a page while it is in the cache: 48 queries of 128 numbers are 24 KiB.
const BLOCK_ROWS: usize = 48;

/// Pages of a task at least when the pages of one block are split among threads.
const SPLIT_PAGES: usize = 4;

/// Parts that each thread should find, so that none waits long for the last one.
const PARTS_PER_THREAD: usize = 3;

/// Bytes of keys and values below which one thread is done before another has come.
const PARALLEL: usize = 64 << 10;

/// Some query rows of one head of keys, against all the pages they see.
#[derive(Debug, Clone, Copy)]
struct Unit {
    run: usize,
    kv_head: usize,
    /// First row of the run, and how many.
    row: usize,
    rows: usize,
    from: usize,
    to: usize,
}

/// A unit, or a part of its pages.
#[derive(Debug, Clone, Copy)]
struct Task {
    unit: Unit,
    parts: usize,
    part: usize,
    /// Where in `partials` its first part lies, and which counter is its own.
    partials: usize,
    counter: usize,
}

/// What is to be done in one call. Kept from call to call.
#[derive(Debug, Default)]
struct Plan {
    units: Vec<Unit>,
    tasks: Vec<Task>,
    /// Of each part of a split unit: `[rows, stride]` weighed values, `[rows]` largest scores, `[rows]` sums.
    partials: Vec<f32>,
    /// Of each split unit: parts that are done.
    counters: Vec<AtomicUsize>,
}

thread_local! {
    static PLAN: RefCell<Plan> = RefCell::default();
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Attention of all rows of all runs: `softmax(scale * Q K^T) V` by head, causal. Panics when lengths disagree.
pub fn attend(pool: &Pool, options: &Options<'_>, runs: &mut [Run<'_>]) {
    attend_at(Level::best(), pool, options, runs);
}

/// As [`attend`], with no more than the vector instructions of `level`.
pub fn attend_at(level: Level, pool: &Pool, options: &Options<'_>, runs: &mut [Run<'_>]) {
    options.check();
    let mut plan = PLAN.take();
    plan.make(pool.threads(), options, runs);
    let shared: Vec<Shared<'_>> = runs
        .iter_mut()
        .map(|run| Shared {
            queries: run.queries,
            keys: run.keys,
            values: run.values,
            start: run.start,
            output: Cells::of(run.output),
        })
        .collect();
    let Plan { units, tasks, partials, counters } = &mut plan;
    let partials = Cells::of(partials);
    let work = |task: usize, _: usize| {
        let task = &tasks[task];
        SCRATCH
            .with_borrow_mut(|scratch| run_task(level, options, &shared, task, &partials, counters, scratch));
    };
    let bytes: usize = units.iter().map(|unit| unit.to - unit.from).sum::<usize>()
        * PAGE
        * (options.head_dim + options.value_dim)
        * size_of::<f16>();
    if bytes < PARALLEL {
        (0..tasks.len()).for_each(|task| work(task, 0));
    } else {
        pool.run(tasks.len(), &work);
    }
    PLAN.set(plan);
}

impl Plan {
    fn make(&mut self, threads: usize, options: &Options<'_>, runs: &[Run<'_>]) {
        let Options { heads, kv_heads, head_dim, value_dim, .. } = *options;
        let group = heads / kv_heads;
        let positions = (BLOCK_ROWS / group).max(1);
        self.units.clear();
        let mut work = 0;
        for (index, run) in runs.iter().enumerate() {
            let rows = run.queries.len() / (heads * head_dim);
            assert_eq!(run.queries.len(), rows * heads * head_dim, "queries are [rows, heads, head_dim]");
            assert_eq!(run.output.len(), rows * heads * value_dim, "output is [rows, heads, value_dim]");
            let pages = (run.start + rows).div_ceil(PAGE);
            assert!(run.keys.len() >= pages && run.values.len() >= pages, "every position has its page");
            // The last rows see the most: they come first, so that what is left at the end is short.
            for row in (0..rows).step_by(positions).rev() {
                let count = positions.min(rows - row);
                let first = run.start + row + 1;
                let from = options.window.map_or(0, |window| first.saturating_sub(window)) / PAGE;
                let to = (run.start + row + count).div_ceil(PAGE);
                work += kv_heads * (to - from) * count;
                for kv_head in 0..kv_heads {
                    self.units.push(Unit { run: index, kv_head, row, rows: count, from, to });
                }
            }
        }
        let share = work.div_ceil(PARTS_PER_THREAD * threads).max(1);
        self.tasks.clear();
        let (mut partials, mut counter) = (0, 0);
        for unit in &self.units {
            let pages = unit.to - unit.from;
            let parts = match threads {
                1 => 1,
                _ => (pages * unit.rows).div_ceil(share).min(pages / SPLIT_PAGES).max(1),
            };
            self.tasks.extend((0..parts).map(|part| Task { unit: *unit, parts, part, partials, counter }));
            if parts > 1 {
                partials += parts * partial_len(options, unit.rows * group);
                counter += 1;
            }
        }
        // What is in there is written before it is read.
        self.partials.resize(partials.max(self.partials.len()), 0.0);
        self.counters.clear();
        self.counters.resize_with(counter, AtomicUsize::default);
    }
}

fn partial_len(options: &Options<'_>, rows: usize) -> usize {
    rows * (tile::stride(options) + 2)
}

/// A [`Run`] as the threads see it.
struct Shared<'a> {
    queries: &'a [f32],
    keys: &'a [&'a [f16]],
    values: &'a [&'a [f16]],
    start: usize,
    output: Cells<'a>,
}

fn run_task(
    level: Level,
    options: &Options<'_>,
    runs: &[Shared<'_>],
    task: &Task,
    partials: &Cells<'_>,
    counters: &[AtomicUsize],
    scratch: &mut Scratch,
) {
    let Options { heads, kv_heads, head_dim, .. } = *options;
    let group = heads / kv_heads;
    let Task { unit, parts, part, .. } = *task;
    let run = &runs[unit.run];
    let rows = unit.rows * group;
    scratch.reset(options, rows);
    for row in unit.row..unit.row + unit.rows {
        let queries = &run.queries[(row * heads + unit.kv_head * group) * head_dim..][..group * head_dim];
        scratch.queries.extend(queries.iter().map(|query| query * options.scale));
    }
    let pages = unit.to - unit.from;
    let block = Block {
        keys: run.keys,
        values: run.values,
        kv_head: unit.kv_head,
        start: run.start + unit.row,
        positions: unit.rows,
        from: unit.from + pages * part / parts,
        to: unit.from + pages * (part + 1) / parts,
    };
    tile::take_pages(level, options, &block, scratch);
    if parts > 1 {
        let len = partial_len(options, rows);
        let stored = rows * tile::stride(options);
        let mut at = task.partials + part * len;
        for values in [&scratch.output[..stored], &scratch.top, &scratch.sum] {
            partials.range(at, values.len()).copy_from_slice(values);
            at += values.len();
        }
        // Whoever ends last reads what the others wrote before they counted.
        if counters[task.counter].fetch_add(1, Ordering::AcqRel) + 1 < parts {
            return;
        }
        merge(options, scratch, partials.range(task.partials, parts * len), rows);
    }
    finish(options, unit, &run.output, scratch);
}

/// Take the parts of a unit together in `scratch`.
fn merge(options: &Options<'_>, scratch: &mut Scratch, parts: &[f32], rows: usize) {
    let stride = tile::stride(options);
    scratch.reset(options, rows);
    for row in 0..rows {
        let parts = || {
            parts.chunks_exact(partial_len(options, rows)).map(|part| {
                let (output, state) = part.split_at(rows * stride);
                (&output[row * stride..][..stride], state[row], state[rows + row])
            })
        };
        let top = parts().fold(f32::NEG_INFINITY, |top, (_, other, _)| top.max(other));
        scratch.top[row] = top;
        for (values, other, sum) in parts().filter(|(_, other, _)| *other > f32::NEG_INFINITY) {
            let factor = (other - top).exp();
            scratch.sum[row] += sum * factor;
            for (output, value) in scratch.output[row * stride..][..stride].iter_mut().zip(values) {
                *output += value * factor;
            }
        }
    }
}

/// Divide by the sums, sinks included, and write the rows where they belong.
fn finish(options: &Options<'_>, unit: Unit, output: &Cells<'_>, scratch: &Scratch) {
    let Options { heads, kv_heads, value_dim, .. } = *options;
    let group = heads / kv_heads;
    for (row, values) in scratch.output.chunks_exact(tile::stride(options)).enumerate() {
        let head = unit.kv_head * group + row % group;
        let (mut sum, mut factor) = (scratch.sum[row], 1.0);
        if let Some(sinks) = options.sinks {
            let top = scratch.top[row].max(sinks[head]);
            factor = (scratch.top[row] - top).exp();
            sum = sum * factor + (sinks[head] - top).exp();
        }
        // A row that sees nothing has no weights to divide.
        let factor = if sum > 0.0 { factor / sum } else { 0.0 };
        let place = ((unit.row + row / group) * heads + head) * value_dim;
        for (output, value) in output.range(place, value_dim).iter_mut().zip(values) {
            *output = value * factor;
        }
    }
}

/// Floats of which every thread writes others.
struct Cells<'a> {
    start: *mut f32,
    len: usize,
    values: PhantomData<&'a mut [f32]>,
}

#[expect(unsafe_code, reason = "threads write different parts of one slice")]
// SAFETY: the only access is `range`, whose callers take ranges that no other thread has at that time.
unsafe impl Sync for Cells<'_> {}

impl<'a> Cells<'a> {
    fn of(values: &'a mut [f32]) -> Self {
        Self { start: values.as_mut_ptr(), len: values.len(), values: PhantomData }
    }

    /// For this module only: an output row belongs to one unit and one head, and a partial result to its part until
    /// all are counted, then to the thread that counted the last one.
    #[expect(unsafe_code, clippy::mut_from_ref, reason = "threads write different parts of one slice")]
    fn range(&self, at: usize, len: usize) -> &mut [f32] {
        assert!(at + len <= self.len);
        // SAFETY: inside the slice that is borrowed mutably for the lifetime of this value, and, as said above, no
        // two threads ask for the same place.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }
}

/// Write consecutive tokens into a page from its row `at` on: `keys` `[n, kv_heads, head_dim]`, `values`
/// `[n, kv_heads, value_dim]`, rounded to the nearest. `keys_page` and `values_page` are the page's slices of one
/// layer. Panics when lengths disagree or the page has no room for `n` tokens.
pub fn store(
    options: &Options<'_>,
    keys_page: &mut [f16],
    values_page: &mut [f16],
    at: usize,
    keys: &[f32],
    values: &[f32],
) {
    let Options { kv_heads, head_dim, value_dim, .. } = *options;
    let tokens = keys.len() / (kv_heads * head_dim);
    assert_eq!(keys_page.len(), options.keys_len());
    assert_eq!(values_page.len(), options.values_len());
    assert_eq!(keys.len(), tokens * kv_heads * head_dim);
    assert_eq!(values.len(), tokens * kv_heads * value_dim);
    assert!(at + tokens <= PAGE, "{tokens} tokens do not fit behind {at}");
    if tokens == 0 {
        return;
    }
    for (token, values) in values.chunks_exact(kv_heads * value_dim).enumerate() {
        for (head, values) in values.chunks_exact(value_dim).enumerate() {
            to_f16(values, &mut values_page[(head * PAGE + at + token) * value_dim..][..value_dim]);
        }
    }
    // Keys are transposed by the piece: so many numbers of so many tokens, as halves, fit into the first cache.
    const PIECE: usize = 64;
    let mut halves = [[f16::ZERO; PIECE]; PAGE];
    for head in 0..kv_heads {
        for d in (0..head_dim).step_by(PIECE) {
            let count = PIECE.min(head_dim - d);
            for (token, halves) in halves[..tokens].iter_mut().enumerate() {
                let place = (token * kv_heads + head) * head_dim + d;
                to_f16(&keys[place..][..count], &mut halves[..count]);
            }
            let lines = keys_page[(head * head_dim + d) * PAGE..].chunks_exact_mut(PAGE).take(count);
            for (index, line) in lines.enumerate() {
                for (place, halves) in line[at..at + tokens].iter_mut().zip(&halves) {
                    *place = halves[index];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
