//! Owns products of activations with quantised matrices.
//! Uses activations that are quantised once for all matrices that read them.
//! Never copies or repacks a matrix as a whole: its bytes stay where the file is mapped.

mod activations;
#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    clippy::needless_range_loop,
    reason = "vector instructions; accumulators are arrays of a constant length that must stay in registers"
)]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    clippy::needless_range_loop,
    reason = "vector instructions; accumulators are arrays of a constant length that must stay in registers"
)]
mod avx512;
#[expect(unsafe_code, reason = "vector instructions")]
mod float;
#[cfg(target_arch = "aarch64")]
#[expect(
    unsafe_code,
    clippy::needless_range_loop,
    reason = "vector instructions; accumulators stay in registers"
)]
mod neon;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod scratch;
#[cfg(test)]
mod tests;

use crate::format::{Format, Layout, with_layout};
use crate::level::Level;
use crate::pool::Pool;
pub use activations::Activations;
use activations::Need;
use std::marker::PhantomData;
use std::ops::Range;

/// Why bytes are not a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{rows} rows of {columns} numbers in {format:?} do not take {bytes} bytes")]
pub struct ShapeError {
    format: Format,
    rows: usize,
    columns: usize,
    bytes: usize,
}

/// A matrix `[rows, columns]` in a file's own layout, row after row.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    format: Format,
    rows: usize,
    columns: usize,
    bytes: &'a [u8],
}

impl<'a> Matrix<'a> {
    /// A matrix over `bytes`, which must have exactly its size.
    ///
    /// # Errors
    /// When the sizes do not agree.
    pub fn new(format: Format, rows: usize, columns: usize, bytes: &'a [u8]) -> Result<Self, ShapeError> {
        let needed = format.row_bytes(columns).and_then(|row| row.checked_mul(rows));
        if needed != Some(bytes.len()) {
            return Err(ShapeError { format, rows, columns, bytes: bytes.len() });
        }
        Ok(Self { format, rows, columns, bytes })
    }

    /// How its numbers are stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Rows: the length of a product.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns: the length of an activation.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The matrix of some of the rows. Panics when there are no such rows.
    pub fn slice_rows(&self, rows: Range<usize>) -> Matrix<'a> {
        let bytes = &self.bytes[rows.start * self.row_bytes()..rows.end * self.row_bytes()];
        Self { rows: rows.len(), bytes, ..*self }
    }

    /// Write row `index` as floats, `[columns]`. Panics when there is no such row or `output` has another length.
    pub fn row(&self, index: usize, output: &mut [f32]) {
        assert_eq!(output.len(), self.columns, "a row of {} numbers", self.columns);
        self.format.dequantise(self.row_at(index), output);
    }

    /// The bytes of row `index`.
    fn row_at(&self, index: usize) -> &'a [u8] {
        assert!(index < self.rows, "row {index} of {}", self.rows);
        &self.bytes[index * self.row_bytes()..][..self.row_bytes()]
    }

    fn row_bytes(&self) -> usize {
        self.bytes.len() / self.rows.max(1)
    }
}

/// One product of a call: `output[i, r] = sum over c of activations[i, c] * matrix[r, c]`, `[n, matrix.rows]`.
#[derive(Debug)]
pub struct Product<'a, 'b> {
    /// The matrix.
    pub matrix: Matrix<'a>,
    /// Where the product goes.
    pub output: &'b mut [f32],
}

/// Multiply the same activations with several matrices in one go.
///
/// Activations are quantised to 8 bits, per 256 numbers for the K-formats and per 32 for the others, and not at all for
/// F32, F16 and BF16. An activation that is not finite makes all products of its row NaN. Panics when the columns of a
/// matrix are not those of the activations or an output has not `n * rows` numbers.
pub fn multiply(pool: &Pool, activations: &mut Activations, products: &mut [Product<'_, '_>]) {
    multiply_at(Level::best(), pool, activations, products);
}

/// As [`multiply`], with no more than the vector instructions of `level`.
pub fn multiply_at(
    level: Level,
    pool: &Pool,
    activations: &mut Activations,
    products: &mut [Product<'_, '_>],
) {
    let level = level.clamped();
    for product in products.iter() {
        let (matrix, rows) = (&product.matrix, activations.rows());
        assert_eq!(matrix.columns, activations.columns(), "columns of a matrix and of its activations");
        assert_eq!(Some(product.output.len()), rows.checked_mul(matrix.rows), "numbers in a product");
        activations.prepare(level, pool, need(matrix.format));
    }
    if activations.rows() == 0 {
        return;
    }
    let plans: Vec<Plan<'_, '_>> = products.iter_mut().map(|p| Plan::new(p, activations.rows())).collect();
    let tasks = plans.iter().map(|plan| plan.tasks).sum();
    let activations = &*activations;
    pool.run(tasks, &|mut task, _worker| {
        for plan in &plans {
            if task < plan.tasks {
                return plan.run(level, activations, task);
            }
            task -= plan.tasks;
        }
    });
}

/// Which form of the activations a format multiplies with.
fn need(format: Format) -> Need {
    with_layout!(format, L => if L::LEN == 256 { Need::Per256 } else { Need::Per32 }, float => Need::Floats)
}

/// Bytes of a matrix that one task reads: some ten microseconds of a core, so that taking a task costs nothing and a
/// busy core leaves little to wait for.
const TASK_BYTES: usize = 96 * 1024;

/// Rows that a task has a multiple of.
const TILE: usize = 16;

/// How one product is cut into tasks: ranges of rows.
struct Plan<'a, 'b> {
    matrix: Matrix<'a>,
    output: Output<'b>,
    rows_per_task: usize,
    tasks: usize,
}

impl<'a, 'b> Plan<'a, 'b> {
    fn new(product: &'b mut Product<'a, '_>, rows: usize) -> Self {
        let matrix = product.matrix;
        // The work grows with the activations, so the tasks shrink.
        let bytes = (TASK_BYTES / rows.div_ceil(8)).max(1);
        let rows_per_task = (bytes / matrix.row_bytes().max(1)).next_multiple_of(TILE).max(TILE);
        let tasks = matrix.rows.div_ceil(rows_per_task);
        Self { matrix, output: Output::new(product.output), rows_per_task, tasks }
    }

    fn run(&self, level: Level, activations: &Activations, task: usize) {
        let start = task * self.rows_per_task;
        let rows = start..self.matrix.rows.min(start + self.rows_per_task);
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "the one place that knows what the machine has")]
        // SAFETY: the level is at most that of the machine, and each task has rows of its own.
        unsafe {
            match level {
                Level::Avx512 => return avx512::multiply(&self.matrix, rows, activations, &self.output),
                Level::Avx2 | Level::AvxVnni => {
                    return avx2::multiply(level, &self.matrix, rows, activations, &self.output);
                }
                Level::Scalar => {}
            }
        }
        #[cfg(target_arch = "aarch64")]
        if level == Level::NeonDot {
            // SAFETY: the level is at most that of the machine, and each task has rows of its own.
            #[expect(unsafe_code, reason = "the one place that knows what the machine has")]
            return unsafe { neon::multiply(&self.matrix, rows, activations, &self.output) };
        }
        let _ = level;
        scalar::multiply(&self.matrix, rows, activations, &self.output);
    }
}

/// The output of a product, shared between tasks that write different rows of the matrix.
struct Output<'b> {
    start: *mut f32,
    len: usize,
    borrowed: PhantomData<&'b mut [f32]>,
}

#[expect(unsafe_code, reason = "tasks write disjoint parts of one buffer that interleave")]
// SAFETY: floats may be written from any thread; that no two threads write the same one is the contract of `set`.
unsafe impl Sync for Output<'_> {}

impl<'b> Output<'b> {
    fn new(output: &'b mut [f32]) -> Self {
        Self { start: output.as_mut_ptr(), len: output.len(), borrowed: PhantomData }
    }

    /// Write numbers from `index` on.
    ///
    /// # Safety
    /// No other thread reads or writes the same numbers while the tasks run.
    #[inline(always)]
    #[expect(unsafe_code, reason = "tasks write disjoint parts of one buffer that interleave")]
    unsafe fn set(&self, index: usize, values: &[f32]) {
        assert!(index <= self.len && values.len() <= self.len - index);
        // SAFETY: the range was just checked; nobody else uses it, says the contract.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.start.add(index), values.len()) };
    }
}
