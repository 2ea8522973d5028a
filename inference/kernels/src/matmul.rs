//! Owns products of activations with quantised matrices.
//! Uses activations that are quantised once for all matrices that read them.
//! Never copies or repacks a matrix as a whole: its bytes stay where the file is mapped.

use crate::format::Format;
use crate::pool::Pool;

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

    /// Rows: the length of a product.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns: the length of an activation.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Write row `index` as floats, `[columns]`. Panics when there is no such row or `output` has another length.
    pub fn row(&self, index: usize, output: &mut [f32]) {
        let bytes = self.bytes.len() / self.rows;
        let row = &self.bytes[index * bytes..(index + 1) * bytes];
        assert_eq!(output.len(), self.columns);
        match self.format {
            Format::F32 => {
                for (value, bytes) in output.iter_mut().zip(row.as_chunks::<4>().0) {
                    *value = f32::from_le_bytes(*bytes);
                }
            }
            _ => output.fill(0.0),
        }
    }
}

/// Rows of activations, `[rows, columns]`, and their quantised forms, made when the first matrix needs one.
#[derive(Debug, Default)]
pub struct Activations {
    values: Vec<f32>,
    columns: usize,
}

impl Activations {
    /// Take `values`, `[n, columns]`. Buffers are kept from one call to the next.
    pub fn set(&mut self, columns: usize, values: &[f32]) {
        self.values.clear();
        self.values.extend_from_slice(values);
        self.columns = columns;
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns.max(1)
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
pub fn multiply(_pool: &Pool, activations: &mut Activations, products: &mut [Product<'_, '_>]) {
    for product in products {
        let matrix = product.matrix;
        let mut row = vec![0.0; matrix.columns];
        for index in 0..matrix.rows {
            matrix.row(index, &mut row);
            for (line, values) in activations.values.chunks_exact(matrix.columns).enumerate() {
                product.output[line * matrix.rows + index] = row.iter().zip(values).map(|(a, b)| a * b).sum();
            }
        }
    }
}
