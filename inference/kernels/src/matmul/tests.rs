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

/// Factors of every block are `factor`, whatever else is in it.
fn with_factors(format: Format, bytes: &mut [u8], factor: [u8; 2]) {
    for block in bytes.chunks_exact_mut(format.block_bytes()) {
        let at: &[usize] = match format {
            Format::Q2K => &[80, 82],
            Format::Q3K => &[108],
            Format::Q6K => &[208],
            Format::Q4_1 | Format::Q5_1 | Format::Q4K | Format::Q5K => &[0, 2],
            Format::F32 | Format::MXFP4 => &[],
            _ => &[0],
        };
        at.iter().for_each(|at| block[*at..at + 2].copy_from_slice(&factor));
    }
}

#[test]
fn extreme_factors_and_activations_give_the_plain_result() {
    let mut random = Random(11);
    let factors = [0_u16, 1, 0x03ff, 0x8001, 0x7bff, 0xfbff].map(u16::to_le_bytes);
    let (rows, columns) = (19, 512);
    for format in Format::ALL {
        let mut bytes = matrix_bytes(format, rows, columns, &mut random);
        for factor in factors {
            with_factors(format, &mut bytes, factor);
            let matrix = Matrix::new(format, rows, columns, &bytes).expect("the size");
            for lines in [1, 7, 9] {
                let zero = vec![0.0; lines * columns];
                let mut outlier = zero.clone();
                outlier[columns / 3] = -1e6;
                let tiny = vec![1e-38; lines * columns];
                for values in [&outlier, &zero, &tiny] {
                    for level in Level::supported() {
                        let expect = product(Level::Scalar, matrix, values);
                        let most = expect.iter().fold(1e-30_f32, |most, value| most.max(value.abs()));
                        for (a, b) in expect.iter().zip(product(level, matrix, values)) {
                            let same =
                                *a == b || !a.is_finite() && !b.is_finite() || (a - b).abs() <= most * 1e-5;
                            assert!(same, "{level:?} {format:?} {factor:?} {lines}: {b}, not {a}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_largest_levels_and_activations_stay_in_their_integers() {
    let (rows, columns) = (17, 1792);
    for format in Format::ALL.into_iter().filter(|format| format.block_len() > 1) {
        for byte in [0x00, 0x7f, 0x80, 0xff] {
            let mut bytes = vec![byte; format.row_bytes(columns).expect("whole blocks") * rows];
            with_factors(format, &mut bytes, half::f16::ONE.to_le_bytes());
            if format == Format::MXFP4 {
                bytes.chunks_exact_mut(format.block_bytes()).for_each(|block| block[0] = 127);
            }
            let matrix = Matrix::new(format, rows, columns, &bytes).expect("the size");
            for (lines, value) in [(1, 1.0), (9, 1.0), (9, -1.0), (13, -1.0)] {
                let values = vec![value; lines * columns];
                for level in Level::supported() {
                    let difference = difference(level, matrix, &values);
                    // Where levels cancel out there is no size to compare with.
                    let equal = || product(level, matrix, &values) == product(Level::Scalar, matrix, &values);
                    let same = difference < 1e-5 || equal();
                    assert!(same, "{level:?} {format:?} {byte:#x} {lines} lines of {value}: {difference}");
                }
            }
        }
    }
}

#[test]
fn what_is_not_finite_stays_in_its_line() {
    let mut random = Random(13);
    let (rows, columns) = (17, 256);
    for format in Format::ALL {
        let bytes = matrix_bytes(format, rows, columns, &mut random);
        let matrix = Matrix::new(format, rows, columns, &bytes).expect("the size");
        for level in Level::supported() {
            for lines in [2, 8] {
                for strange in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let mut values: Vec<f32> = (0..lines * columns).map(|_| random.normal()).collect();
                    values[columns + 5] = strange;
                    let output = product(level, matrix, &values);
                    for (line, output) in output.chunks_exact(rows).enumerate() {
                        if line == 1 {
                            let finite = output.iter().any(|value| value.is_finite());
                            assert!(!finite || format.block_len() == 1, "{level:?} {format:?}");
                        } else {
                            assert!(output.iter().all(|value| value.is_finite()), "{level:?} {format:?}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_line_does_not_depend_on_the_others_beyond_rounding() {
    let mut random = Random(17);
    let (rows, columns, lines) = (48, 1536, 8);
    for format in Format::ALL {
        let bytes = matrix_bytes(format, rows, columns, &mut random);
        let matrix = Matrix::new(format, rows, columns, &bytes).expect("the size");
        let values: Vec<f32> = (0..lines * columns).map(|_| random.normal()).collect();
        for level in Level::supported() {
            let together = product(level, matrix, &values);
            let size =
                (together.iter().map(|value| value * value).sum::<f32>() / together.len() as f32).sqrt();
            for (values, together) in values.chunks_exact(columns).zip(together.chunks_exact(rows)) {
                for (a, b) in product(level, matrix, values).iter().zip(together) {
                    assert!((a - b).abs() <= size * 1e-5, "{level:?} {format:?}: {a}, {b}");
                }
            }
        }
    }
}

#[test]
fn several_products_and_parts_of_a_matrix_share_activations() {
    let mut random = Random(19);
    let columns = 512;
    let shapes =
        [(Format::Q4K, 40), (Format::Q6K, 7), (Format::F16, 33), (Format::Q8_0, 129), (Format::Q4K, 0)];
    let bytes = shapes.map(|(format, rows)| matrix_bytes(format, rows, columns, &mut random));
    for lines in [0, 1, 5, 12] {
        let values: Vec<f32> = (0..lines * columns).map(|_| random.normal()).collect();
        let matrices: Vec<Matrix<'_>> = (shapes.iter().zip(&bytes))
            .map(|((format, rows), bytes)| Matrix::new(*format, *rows, columns, bytes).expect("the size"))
            .collect();
        let mut outputs: Vec<Vec<f32>> =
            shapes.iter().map(|(_, rows)| vec![f32::NAN; lines * rows]).collect();
        let mut products: Vec<Product<'_, '_>> = (matrices.iter().zip(&mut outputs))
            .map(|(matrix, output)| Product { matrix: *matrix, output })
            .collect();
        let mut activations = Activations::default();
        activations.set(columns, &values);
        multiply_at(Level::best(), &Pool::new(3), &mut activations, &mut products);
        for (matrix, output) in matrices.iter().zip(&outputs) {
            assert_eq!(*output, product(Level::best(), *matrix, &values));
            if matrix.rows() > 20 && lines > 0 {
                let part = product(Level::best(), matrix.slice_rows(3..20), &values);
                for (part, whole) in part.chunks_exact(17).zip(output.chunks_exact(matrix.rows())) {
                    assert_eq!(part, &whole[3..20]);
                }
            }
        }
    }
}

#[test]
fn sizes_are_checked() {
    assert!(Matrix::new(Format::Q4K, 2, 256, &[0; 288]).is_ok());
    for (rows, columns, bytes) in [(2, 256, 287), (2, 255, 288), (usize::MAX, 256, 144), (0, 256, 144)] {
        assert!(
            Matrix::new(Format::Q4K, rows, columns, &vec![0; bytes]).is_err(),
            "{rows} {columns} {bytes}"
        );
    }
    let matrix = Matrix::new(Format::F32, 0, 4, &[]).expect("no rows");
    assert_eq!(matrix.slice_rows(0..0).rows(), 0);
    assert!(std::panic::catch_unwind(|| matrix.row(0, &mut [0.0; 4])).is_err());
}
