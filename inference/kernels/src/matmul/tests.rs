use super::{Activations, Matrix, Product, multiply_at};
use crate::format::Format;
use crate::level::Level;
use crate::pool::Pool;

/// Numbers that look random, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Roughly normal, mean 0 and deviation 1.
    fn normal(&mut self) -> f32 {
        (0..6).map(|_| self.next() as f32 / (1_u64 << 31) as f32 - 0.5).sum::<f32>() * 2.0_f32.sqrt()
    }
}

/// Random bytes whose factors are ordinary half-precision numbers.
fn matrix_bytes(format: Format, rows: usize, columns: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        (0..format.row_bytes(columns).expect("whole blocks") * rows).map(|_| random.next() as u8).collect();
    for block in bytes.chunks_exact_mut(format.block_bytes()) {
        let mut factor = |at: usize| {
            let factor = half::f16::from_f32(random.normal() / 50.0);
            block[at..at + 2].copy_from_slice(&factor.to_le_bytes());
        };
        match format {
            Format::F32 => block.copy_from_slice(&random.normal().to_le_bytes()),
            Format::F16 => factor(0),
            Format::BF16 => block.copy_from_slice(&half::bf16::from_f32(random.normal()).to_le_bytes()),
            Format::Q4_0 | Format::Q5_0 | Format::Q8_0 | Format::IQ4NL | Format::IQ4XS => factor(0),
            Format::Q4_1 | Format::Q5_1 | Format::Q4K | Format::Q5K => [0, 2].into_iter().for_each(factor),
            Format::Q2K => [80, 82].into_iter().for_each(factor),
            Format::Q3K => factor(108),
            Format::Q6K => factor(208),
            Format::MXFP4 => block[0] = 120 + block[0] % 8,
        }
    }
    bytes
}

/// Multiply and compare with the product of dequantised rows and the activations as they are.
fn check_accuracy(level: Level, format: Format, rows: usize, columns: usize, lines: usize) {
    let mut random = Random(rows as u64 * 31 + columns as u64 + lines as u64);
    let bytes = matrix_bytes(format, rows, columns, &mut random);
    let matrix = Matrix::new(format, rows, columns, &bytes).expect("the size");
    let values: Vec<f32> = (0..lines * columns).map(|_| random.normal()).collect();
    let mut activations = Activations::default();
    activations.set(columns, &values);
    let mut output = vec![f32::NAN; lines * rows];
    let pool = Pool::new(2);
    multiply_at(level, &pool, &mut activations, &mut [Product { matrix, output: &mut output }]);
    let mut row = vec![0.0; columns];
    let (mut error, mut total) = (0.0, 0.0);
    for index in 0..rows {
        matrix.row(index, &mut row);
        for (line, values) in values.chunks_exact(columns).enumerate() {
            let expect: f64 = row.iter().zip(values).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            error += (f64::from(output[line * rows + index]) - expect).powi(2);
            total += expect.powi(2);
        }
    }
    // Eight bits for an activation: half a step of 1/127 of the largest, here about 3 deviations.
    let limit = if format.block_len() == 1 { 1e-5 } else { 0.03 };
    let error = (error / total).sqrt();
    assert!(error < limit, "{level:?} {format:?} {rows}x{columns}, {lines} lines: relative error {error}");
}

#[test]
fn products_are_as_accurate_as_eight_bits_allow() {
    for level in Level::supported() {
        for format in Format::ALL {
            for (rows, columns, lines) in [(33, 512, 1), (17, 256, 3), (5, 1024, 9)] {
                check_accuracy(level, format, rows, columns, lines);
            }
        }
    }
}

fn product(level: Level, matrix: Matrix<'_>, values: &[f32]) -> Vec<f32> {
    let mut activations = Activations::default();
    activations.set(matrix.columns(), values);
    let mut output = vec![f32::NAN; activations.rows() * matrix.rows()];
    let products = &mut [Product { matrix, output: &mut output }];
    multiply_at(level, &Pool::new(2), &mut activations, products);
    output
}

/// Compare a level with the plain code: the largest difference, as a part of the root mean square of the product.
fn difference(level: Level, matrix: Matrix<'_>, values: &[f32]) -> f32 {
    let (expect, output) = (product(Level::Scalar, matrix, values), product(level, matrix, values));
    let square: f32 = expect.iter().map(|value| value * value).sum();
    let size = (square / expect.len() as f32).sqrt();
    expect.iter().zip(&output).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / size
}

#[test]
fn every_level_gives_the_same_product() {
    let mut random = Random(7);
    for format in Format::ALL {
        let block = format.block_len().max(16);
        for (rows, blocks) in [(1, 1), (16, 2), (17, 5), (31, 3), (48, 1), (5, 4 * 256 / block + 1)] {
            let columns = blocks * block;
            // An address that is aligned to nothing.
            let bytes = [vec![0], matrix_bytes(format, rows, columns, &mut random)].concat();
            let matrix = Matrix::new(format, rows, columns, &bytes[1..]).expect("the size");
            for lines in (1..=19).chain([64]) {
                let values: Vec<f32> = (0..lines * columns).map(|_| random.normal()).collect();
                for level in Level::supported() {
                    let difference = difference(level, matrix, &values);
                    assert!(
                        difference < 2e-5,
                        "{level:?} {format:?} {rows}x{columns}, {lines} lines: {difference}"
                    );
                }
            }
        }
    }
}
