use super::{Format, quantise};

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hexadecimal.chars().map(|digit| digit.to_digit(16).expect("a digit") as u8).collect();
    digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect()
}

#[test]
fn blocks_read_as_the_reference_reads_them() {
    let mut seen = Vec::new();
    for line in include_str!("../../tests/reference/dequantise.txt").lines() {
        let [id, block, expect] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let format = Format::from_ggml(id.parse().expect("a number")).expect("one of ours");
        seen.push(format);
        let block = bytes(block);
        let expect: Vec<f32> = bytes(expect).as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        assert_eq!((format.block_bytes(), format.block_len()), (block.len(), expect.len()), "{format:?}");
        let mut output = vec![0.0; expect.len()];
        format.dequantise(&block, &mut output);
        let most = expect.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        for (index, (value, expect)) in output.iter().zip(&expect).enumerate() {
            let close = (value - expect).abs() <= most * 1e-6;
            assert!(close, "{format:?}, number {index}: {value}, not {expect}");
        }
    }
    for format in Format::ALL {
        assert!(seen.contains(&format) || format.block_len() == 1, "{format:?} has no reference");
    }
}

#[test]
fn what_is_written_reads_back_within_a_step() {
    let values: Vec<f32> = (0..256).map(|i| ((i * 37 % 101) as f32 - 50.0) / 17.0).collect();
    let most = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let written = [
        (Format::F32, 0.0),
        (Format::F16, most / 2048.0),
        (Format::BF16, most / 256.0),
        (Format::Q8_0, most / 220.0),
        (Format::Q5_0, most / 15.0),
        (Format::Q4_0, most / 7.0),
    ];
    for (format, step) in written {
        let bytes = quantise(format, &values).expect("a format that is written");
        let mut output = vec![0.0; values.len()];
        format.dequantise(&bytes, &mut output);
        for (value, expect) in output.iter().zip(&values) {
            assert!((value - expect).abs() <= step, "{format:?}: {value}, not {expect}");
        }
    }
    assert_eq!(quantise(Format::Q4K, &values), None);
    assert_eq!(quantise(Format::Q8_0, &values[..33]), None);
}

#[test]
fn sizes_are_checked() {
    assert_eq!(Format::Q4K.row_bytes(512), Some(288));
    assert_eq!(Format::Q4K.row_bytes(500), None);
    assert_eq!(Format::Q8_0.row_bytes(0), Some(0));
    assert_eq!(Format::F32.row_bytes(usize::MAX / 2), None);
    for format in Format::ALL {
        assert_eq!(Format::from_ggml(format.ggml()), Some(format));
    }
    assert_eq!(Format::from_ggml(99), None);
}

#[test]
fn every_number_of_half_precision_is_read_exactly() {
    for bits in 0..=u16::MAX {
        let (value, expect) = (super::layout::single(bits), half::f16::from_bits(bits).to_f32());
        let same = value.to_bits() == expect.to_bits() || value.is_nan() && expect.is_nan();
        assert!(same, "{bits:#x}: {value}, not {expect}");
    }
}
