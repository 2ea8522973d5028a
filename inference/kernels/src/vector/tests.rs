//! Owns the comparison of the elementwise work with plain arithmetic in f64, at every level and odd lengths.
//! Uses the kernels by level, and the public functions for what is split among threads.
//! Never compares a function with itself.

use half::f16;
use proptest::prelude::*;

use super::kernels::{self, Binary, Unary};
use super::*;

/// Numbers of different sizes, the same in every run.
fn numbers(seed: u64, len: usize, size: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 40) as f32 / (1 << 23) as f32 - 1.0) * size
        })
        .collect()
}

#[track_caller]
fn close(got: &[f32], expect: impl IntoIterator<Item = f64>, tolerance: f64) {
    let mut count = 0;
    for (index, (got, expect)) in got.iter().zip(expect).enumerate() {
        let error = (f64::from(*got) - expect).abs();
        assert!(error <= tolerance * expect.abs().max(1e-30), "at {index}: {got} for {expect}");
        count += 1;
    }
    assert_eq!(got.len(), count);
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

const LENGTHS: [usize; 9] = [0, 1, 3, 15, 16, 17, 64, 100, 1543];

#[test]
fn elementwise_functions_at_every_level() {
    type Reference = fn(f64, f64) -> f64;
    let rows: &[(Binary, Reference, f64)] = &[
        (Binary::Mul, |a, b| a * b, 1e-7),
        (Binary::Silu, |a, b| a * sigmoid(a) * b, 1e-6),
        (
            Binary::GeluTanh,
            |a, b| {
                let z = (2.0 / std::f64::consts::PI).sqrt() * (a + 0.044_715 * a * a * a);
                a * sigmoid(2.0 * z) * b
            },
            // The argument of the exponential is up to 90 here, and its rounding counts.
            2e-5,
        ),
        (
            Binary::SwigluOai,
            |a, b| {
                let a = a.min(7.0);
                a * sigmoid(1.702 * a) * (b.clamp(-7.0, 7.0) + 1.0)
            },
            2e-5,
        ),
    ];
    for level in Level::supported() {
        for len in LENGTHS {
            let (a, b) = (numbers(1, len, 9.0), numbers(2, len, 9.0));
            for (op, reference, tolerance) in rows {
                let mut target = a.clone();
                kernels::binary(level, *op, &mut target, &b);
                let expect = || a.iter().zip(&b).map(|(a, b)| reference(f64::from(*a), f64::from(*b)));
                close(&target, expect(), *tolerance);
                let mut output = vec![0.0; len];
                kernels::gated_row(level, *op, &a, &b, &mut output);
                close(&output, expect(), *tolerance);
            }
            let mut target = a.clone();
            kernels::binary(level, Binary::Add, &mut target, &b);
            assert!(target.iter().zip(a.iter().zip(&b)).all(|(sum, (a, b))| *sum == a + b));
            kernels::binary(level, Binary::AddScaled(0.25), &mut target, &b);
            for (got, (a, b)) in target.iter().zip(a.iter().zip(&b)) {
                assert!((got - (a + b + 0.25 * b)).abs() < 2e-6);
            }
            let mut target = a.clone();
            kernels::unary(level, Unary::Scale(0.3), &mut target);
            close(&target, a.iter().map(|a| f64::from(*a) * f64::from(0.3_f32)), 1e-7);
            for cap in [0.5, 3.0, 30.0, 1e4] {
                let mut target = a.clone();
                kernels::unary(level, Unary::Softcap(cap), &mut target);
                close(
                    &target,
                    a.iter().map(|a| f64::from(cap) * (f64::from(*a) / f64::from(cap)).tanh()),
                    4e-7,
                );
            }
        }
    }
}

#[test]
fn the_exponential_over_its_whole_range() {
    for level in Level::supported() {
        // A softmax of two numbers whose larger is 0 shows e^x / (1 + e^x).
        for step in 0..4000 {
            let x = -0.025 * step as f32;
            let mut row = [0.0, x];
            kernels::softmax(level, &mut row);
            let e = f64::from(x).exp();
            if e > 1e-37 {
                close(&row, [1.0 / (1.0 + e), e / (1.0 + e)], 5e-7);
            } else {
                assert!(row[0] == 1.0 && f64::from(row[1]) < 2e-37, "{x}: {row:?}");
            }
        }
        let mut row = [0.0, f32::NEG_INFINITY, -1e30, f32::MIN];
        kernels::softmax(level, &mut row);
        assert_eq!(row, [1.0, 0.0, 0.0, 0.0]);
        let mut row = [f32::NEG_INFINITY; 5];
        kernels::softmax(level, &mut row);
        assert_eq!(row, [0.2; 5]);
        // The logistic function at its ends: no NaN from infinity over infinity.
        let mut gate = [-1e4, 1e4, -100.0, 100.0, f32::NAN];
        kernels::binary(level, Binary::Silu, &mut gate, &[1.0; 5]);
        assert_eq!(gate[..4], [-0.0, 1e4, -0.0, 100.0].map(|x: f32| x));
        assert!(gate[4].is_nan());
    }
}

#[test]
fn norms_at_every_level() {
    for level in Level::supported() {
        for width in LENGTHS.into_iter().skip(1) {
            let input = numbers(3, 3 * width, 2.0);
            let (weight, bias) = (numbers(4, width, 1.0), numbers(5, width, 1.0));
            let expect = |shift: bool| -> Vec<f64> {
                input
                    .chunks(width)
                    .flat_map(|row| {
                        let row: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
                        let mean = if shift { row.iter().sum::<f64>() / width as f64 } else { 0.0 };
                        let square = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / width as f64;
                        let factor = 1.0 / (square + f64::from(1e-3_f32)).sqrt();
                        let weight = &weight;
                        (0..width)
                            .map(move |i| (row[i] - mean) * factor * f64::from(weight[i]))
                            .collect::<Vec<_>>()
                    })
                    .collect()
            };
            let mut output = vec![0.0; input.len()];
            kernels::rms_norm(level, &input, &weight, 1e-3, &mut output);
            close(&output, expect(false), 1e-6);
            let mut values = input.clone();
            kernels::rms_norm_in_place(level, &mut values, &weight, 1e-3);
            close(&values, expect(false), 1e-6);
            for bias in [None, Some(&bias[..])] {
                kernels::layer_norm(level, &input, &weight, bias, 1e-3, &mut output);
                for (index, (got, expect)) in output.iter().zip(expect(true)).enumerate() {
                    let expect = expect + f64::from(bias.map_or(0.0, |bias| bias[index % width]));
                    assert!((f64::from(*got) - expect).abs() < 2e-6, "{got} for {expect}");
                }
            }
        }
    }
}

#[test]
fn reductions_at_every_level() {
    for level in Level::supported() {
        for len in LENGTHS {
            let (a, b) = (numbers(6, len, 1.0), numbers(7, len, 1.0));
            let exact: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!(
                (f64::from(kernels::dot(level, &a, &b)) - exact).abs() < 1e-6 * (len as f64).sqrt().max(1.0)
            );
            assert_eq!(kernels::largest(level, &a), a.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let mut row = a.clone();
            kernels::softmax(level, &mut row);
            let total: f64 = a.iter().map(|a| f64::from(*a).exp()).sum();
            close(&row, a.iter().map(|a| f64::from(*a).exp() / total), 1e-6);
        }
    }
    assert_eq!(argmax(&[]), 0);
    assert_eq!(argmax(&[f32::NAN, -1.0, f32::NAN, 3.0, 3.0]), 3);
    assert_eq!(argmax(&[f32::NAN; 20]), 0);
    assert_eq!(argmax(&[f32::NEG_INFINITY; 20]), 0);
    let mut best = Vec::new();
    for (k, expect) in [(0, &[][..]), (1, &[4]), (3, &[4, 1, 3]), (9, &[4, 1, 3, 0, 5])] {
        top_k(&[1.0, 5.0, f32::NAN, 5.0, 7.0, -2.0], k, &mut best);
        assert_eq!(best.iter().map(|(index, _)| *index).collect::<Vec<_>>(), expect);
    }
}

#[test]
fn rotary_positions_in_both_conventions() {
    for level in Level::supported() {
        for (heads, head_dim, half) in [(1, 2, 1), (3, 64, 32), (2, 80, 40), (2, 96, 16), (5, 10, 3)] {
            let values = numbers(8, heads * head_dim, 1.0);
            let angles: Vec<f64> = (0..half).map(|i| 0.3 * f64::from(i as u8) + 0.1).collect();
            let cos: Vec<f32> = angles.iter().map(|angle| angle.cos() as f32).collect();
            let sin: Vec<f32> = angles.iter().map(|angle| angle.sin() as f32).collect();
            for pairs in [Pairs::Interleaved, Pairs::Halves] {
                let mut turned = values.clone();
                kernels::rope(level, pairs, head_dim, &mut turned, &cos, &sin);
                for (head, before) in turned.chunks(head_dim).zip(values.chunks(head_dim)) {
                    for (i, angle) in angles.iter().enumerate() {
                        let (x, y) = match pairs {
                            Pairs::Interleaved => (2 * i, 2 * i + 1),
                            Pairs::Halves => (i, i + half),
                        };
                        let (a, b) = (f64::from(before[x]), f64::from(before[y]));
                        assert!((f64::from(head[x]) - (a * angle.cos() - b * angle.sin())).abs() < 3e-7);
                        assert!((f64::from(head[y]) - (a * angle.sin() + b * angle.cos())).abs() < 3e-7);
                    }
                    assert_eq!(head[2 * half..], before[2 * half..]);
                }
            }
        }
    }
}

#[test]
fn halves_are_converted_exactly_and_rounded_to_even() {
    let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
    for level in Level::supported() {
        let mut values = vec![0.0; all.len()];
        kernels::to_f32(level, &all, &mut values);
        for (half, value) in all.iter().zip(&values) {
            assert!(value.to_bits() == half.to_f32_const().to_bits() || value.is_nan() && half.is_nan());
        }
        // Every number, the middle to its neighbour, and both sides of the middle.
        let mut inputs = Vec::new();
        for pair in values.windows(2).filter(|pair| pair.iter().all(|x| x.is_finite())) {
            let middle = f32::midpoint(pair[0], pair[1]);
            inputs.extend([pair[0], middle, middle.next_up(), middle.next_down()]);
        }
        inputs.extend([65_519.9, 65_520.0, 1e9, f32::INFINITY, f32::NEG_INFINITY, 1e-30, -0.0]);
        let mut halves = vec![f16::ZERO; inputs.len()];
        kernels::to_f16(level, &inputs, &mut halves);
        for (half, value) in halves.iter().zip(&inputs) {
            assert_eq!(half.to_bits(), f16::from_f32_const(*value).to_bits(), "{level:?} {value}");
        }
    }
}

proptest! {
    #[test]
    fn threads_change_nothing(threads in 1..4_usize, rows in 1..40_usize, width in 1..1500_usize) {
        let (one, many) = (Pool::new(1), Pool::new(threads));
        let input = numbers(9, rows * width, 3.0);
        let weight = numbers(10, width, 1.0);
        let half = width / 4;
        let (cos, sin) = (numbers(11, rows * half, 1.0), numbers(12, rows * half, 1.0));
        let run = |pool: &Pool| {
            let mut output = vec![0.0; input.len()];
            rms_norm(pool, &input, &weight, 1e-5, &mut output);
            let mut all = output.clone();
            layer_norm(pool, &input, &weight, Some(&weight), 1e-5, &mut output);
            all.extend_from_slice(&output);
            rms_norm_in_place(pool, &mut output, &weight, 1e-5);
            add_row(pool, &mut output, &weight);
            add(pool, &mut output, &input);
            add_scaled(pool, &mut output, &input, 0.5);
            mul(pool, &mut output, &input);
            scale(pool, &mut output, 0.5);
            softcap(pool, &mut output, 5.0);
            gated(pool, Gate::GeluTanh, &mut output, &input);
            rope(pool, Pairs::Halves, 1, width, &mut output, &cos, &sin);
            rope(pool, Pairs::Interleaved, 1, width, &mut output, &cos, &sin);
            all.extend_from_slice(&output);
            let doubled = [&output[..], &input[..]].concat();
            gated_rows(pool, Gate::Silu, width, &doubled, &mut output);
            all.extend_from_slice(&output);
            all
        };
        prop_assert_eq!(run(&one), run(&many));
    }
}
