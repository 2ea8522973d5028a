//! Owns weight matrices in the element types of their file, and their products on the CPU.
//! Uses candle's block types and dot products, and its packed kernels for large matrices.
//! Never converts a whole matrix to floats.
#![expect(unsafe_code, reason = "blocks of weights are filled from bytes without a second copy")]

use candle_core::quantized::k_quants::{
    BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K, BlockQ6K, BlockQ8_0,
};
use candle_core::quantized::{GgmlDType, GgmlType, QStorage, QTensor, QuantizedType};
use candle_core::{CpuStorage, Device, Storage, Tensor};

use crate::gguf::{GgufError, Source, TensorInfo};

/// Products below this many multiplications run on the calling thread: waking another one costs
/// tens of microseconds, and milliseconds when all cores are busy. 2^21 take about 100 us.
const INLINE_WORK: usize = 1 << 21;
/// Matrices from this size on go through candle's packed kernels, which keep a second, repacked
/// copy of the weights and pay for it with speed.
const PACKED_ELEMENTS: usize = 1 << 20;
/// Bytes read between two reports of progress.
const STEP: usize = 8 << 20;

/// A matrix of weights, `[rows, columns]`.
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    weights: Weights,
}

enum Weights {
    /// Blocks of one type.
    Plain(Box<dyn Blocks>),
    /// The same behind candle's packed kernels.
    Packed(QTensor),
}

/// Why a matrix could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MatrixError {
    #[error(transparent)]
    File(#[from] GgufError),
    #[error("there is no memory for {0}")]
    Memory(String),
    #[error("cancelled")]
    Cancelled,
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Called with the bytes read since the last call; false stops the loading.
pub(crate) type Progress<'a> = dyn FnMut(u64) -> bool + 'a;

impl Matrix {
    /// Read a matrix. The header's validation guarantees shape and size.
    pub(crate) fn load(
        source: &mut Source,
        name: &str,
        info: &TensorInfo,
        progress: &mut Progress<'_>,
    ) -> Result<Self, MatrixError> {
        let &[rows, columns] = &info.shape[..] else {
            return Err(GgufError::invalid(format!("tensor `{name}` shape"), "is not a matrix").into());
        };
        let packed = is_packed(info);
        let mut load = Load { source, name, info, progress, packed };
        let weights = match info.dtype {
            GgmlDType::F32 => load.weights::<f32>(),
            GgmlDType::F16 => load.weights::<half::f16>(),
            GgmlDType::BF16 => load.weights::<half::bf16>(),
            GgmlDType::Q4_0 => load.weights::<BlockQ4_0>(),
            GgmlDType::Q4_1 => load.weights::<BlockQ4_1>(),
            GgmlDType::Q5_0 => load.weights::<BlockQ5_0>(),
            GgmlDType::Q5_1 => load.weights::<BlockQ5_1>(),
            GgmlDType::Q8_0 => load.weights::<BlockQ8_0>(),
            GgmlDType::Q2K => load.weights::<BlockQ2K>(),
            GgmlDType::Q3K => load.weights::<BlockQ3K>(),
            GgmlDType::Q4K => load.weights::<BlockQ4K>(),
            GgmlDType::Q5K => load.weights::<BlockQ5K>(),
            GgmlDType::Q6K => load.weights::<BlockQ6K>(),
            other @ (GgmlDType::Q8_1 | GgmlDType::Q8K) => {
                let field = format!("tensor `{name}` type");
                return Err(GgufError::unsupported(field, format!("{other:?} holds no weights")).into());
            }
        }?;
        Ok(Self { rows, columns, weights })
    }

    /// `output[i] = self * input[i]` for each of the `count` rows of `input`.
    /// Shapes: input `[count, columns]`, output `[count, rows]`.
    pub(crate) fn multiply(
        &self,
        count: usize,
        input: &[f32],
        output: &mut [f32],
    ) -> Result<(), MatrixError> {
        let shape = (count, self.columns, self.rows);
        match &self.weights {
            Weights::Plain(blocks) if count * self.rows * self.columns <= INLINE_WORK => {
                blocks.multiply_inline(shape, input, output);
                Ok(())
            }
            Weights::Plain(blocks) => Ok(blocks.multiply_pooled(shape, input, output)?),
            Weights::Packed(tensor) => {
                let input = Tensor::from_slice(input, (count, self.columns), &Device::Cpu)?;
                let product = input.apply_op1_no_bwd(tensor)?;
                let (storage, layout) = product.storage_and_layout();
                if let Storage::Cpu(CpuStorage::F32(values)) = &*storage {
                    let start = layout.start_offset();
                    output.copy_from_slice(&values[start..start + count * self.rows]);
                }
                Ok(())
            }
        }
    }

    /// The floats of one row, appended to `output`.
    pub(crate) fn push_row(&self, row: usize, output: &mut Vec<f32>) -> Result<(), MatrixError> {
        match &self.weights {
            Weights::Plain(blocks) => blocks.push_row(row, self.columns, output),
            Weights::Packed(tensor) => {
                // An id is below the number of rows, which is below 2^20.
                let id = u32::try_from(row).unwrap_or(u32::MAX);
                let ids = Tensor::from_slice(&[id], 1, &Device::Cpu)?;
                output.extend(tensor.embedding(&ids)?.flatten_all()?.to_vec1::<f32>()?);
            }
        }
        Ok(())
    }
}

/// Whether candle has packed kernels for this matrix and it is large enough to deserve them.
fn is_packed(info: &TensorInfo) -> bool {
    matches!(info.dtype, GgmlDType::Q4K | GgmlDType::Q6K | GgmlDType::Q8_0)
        && info.elements() >= PACKED_ELEMENTS
        && matches!(info.shape[..], [rows, columns] if rows.is_multiple_of(16) && columns.is_multiple_of(256))
}

/// Bytes in memory once the tensor has been used: packed kernels keep 6, 10 and 9 bits a weight
/// beside the file's own.
pub(crate) fn resident_bytes(info: &TensorInfo) -> u64 {
    let packed_bits = match info.dtype {
        GgmlDType::Q4K => 6,
        GgmlDType::Q6K => 10,
        _ => 9,
    };
    let packed = if is_packed(info) { info.elements() as u64 * packed_bits / 8 } else { 0 };
    info.bytes.saturating_add(packed)
}

/// Read a tensor of any supported type as floats; for norms and biases, which are short.
pub(crate) fn load_floats(
    source: &mut Source,
    name: &str,
    info: &TensorInfo,
    progress: &mut Progress<'_>,
) -> Result<Vec<f32>, MatrixError> {
    let rows = TensorInfo { shape: vec![1, info.elements()], ..info.clone() };
    let matrix = Matrix::load(source, name, &rows, progress)?;
    let mut floats = Vec::with_capacity(info.elements());
    matrix.push_row(0, &mut floats)?;
    Ok(floats)
}

struct Load<'a, 'b> {
    source: &'a mut Source,
    name: &'a str,
    info: &'a TensorInfo,
    progress: &'a mut Progress<'b>,
    packed: bool,
}

impl Load<'_, '_> {
    fn weights<T: GgmlType + 'static>(&mut self) -> Result<Weights, MatrixError> {
        let blocks = self.blocks::<T>()?;
        if self.packed {
            let storage = QStorage::Cpu(Box::new(blocks));
            return Ok(Weights::Packed(QTensor::new(storage, self.info.shape.clone())?));
        }
        Ok(Weights::Plain(Box::new(blocks)))
    }

    fn blocks<T: GgmlType>(&mut self) -> Result<Vec<T>, MatrixError> {
        let count = self.info.elements() / T::BLCK_SIZE;
        let mut blocks: Vec<T> = Vec::new();
        blocks
            .try_reserve_exact(count)
            .map_err(|_| MatrixError::Memory(format!("tensor `{}`", self.name)))?;
        blocks.resize(count, T::zeros());
        // SAFETY: `T` is a float or one of candle's `repr(C)` blocks of floats and bytes: it has no
        // padding and no invalid bit pattern, so its memory may be written as bytes. The slice
        // covers exactly the initialised elements and lives only as long as the exclusive borrow.
        let bytes = unsafe {
            std::slice::from_raw_parts_mut(blocks.as_mut_ptr().cast::<u8>(), size_of_val(blocks.as_slice()))
        };
        let field = format!("tensor `{}` data", self.name);
        let mut position = self.info.position;
        for part in bytes.chunks_mut(STEP) {
            self.source.read_at(position, part, &field)?;
            position += part.len() as u64;
            if !(self.progress)(part.len() as u64) {
                return Err(MatrixError::Cancelled);
            }
        }
        Ok(blocks)
    }
}

/// Rows of blocks of one type.
trait Blocks: Send + Sync {
    fn multiply_inline(&self, shape: (usize, usize, usize), input: &[f32], output: &mut [f32]);
    fn multiply_pooled(
        &self,
        shape: (usize, usize, usize),
        input: &[f32],
        output: &mut [f32],
    ) -> candle_core::Result<()>;
    fn push_row(&self, row: usize, columns: usize, output: &mut Vec<f32>);
}

impl<T: GgmlType + 'static> Blocks for Vec<T> {
    fn multiply_inline(
        &self,
        (count, columns, rows): (usize, usize, usize),
        input: &[f32],
        output: &mut [f32],
    ) {
        let per_row = columns / T::BLCK_SIZE;
        let mut quantised = vec![T::VecDotType::zeros(); columns / T::VecDotType::BLCK_SIZE];
        for (input, output) in input.chunks_exact(columns).zip(output.chunks_exact_mut(rows)).take(count) {
            if T::DIRECT_COPY {
                T::VecDotType::direct_copy(input, &mut quantised);
            } else {
                T::VecDotType::from_float(input, &mut quantised);
            }
            let mut weights = self.chunks_exact(per_row);
            let mut quads = output.chunks_exact_mut(4);
            for quad in &mut quads {
                if let (Some(a), Some(b), Some(c), Some(d)) =
                    (weights.next(), weights.next(), weights.next(), weights.next())
                {
                    let (a, b, c, d) = T::vec_dot_4(columns, a, b, c, d, &quantised);
                    quad.copy_from_slice(&[a, b, c, d]);
                }
            }
            for (value, weights) in quads.into_remainder().iter_mut().zip(weights) {
                *value = T::vec_dot(columns, weights, &quantised);
            }
        }
    }

    fn multiply_pooled(
        &self,
        shape: (usize, usize, usize),
        input: &[f32],
        output: &mut [f32],
    ) -> candle_core::Result<()> {
        self.matmul_t(shape, input, output)
    }

    fn push_row(&self, row: usize, columns: usize, output: &mut Vec<f32>) {
        let per_row = columns / T::BLCK_SIZE;
        let start = output.len();
        output.resize(start + columns, 0.0);
        T::to_float(&self[row * per_row..(row + 1) * per_row], &mut output[start..]);
    }
}
