//! Owns the models that tests/reference/families.json describes, as files.
//! Uses the generator of families.py: every weight follows from its tensor's name.
//! Never reads what llama.cpp computed with them.

use half::{bf16, f16};
use serde_json::Value;

use super::{Raw, RawTensor, random_bits, vocabulary, weights};

/// Name, number in the file, elements and bytes of a block, and the bytes of a block that are not
/// random: the high halves of scales.
type Kind = (&'static str, u32, usize, usize, &'static [(usize, u8)]);

const KINDS: [Kind; 16] = [
    ("f32", 0, 1, 4, &[]),
    ("f16", 1, 1, 2, &[]),
    ("q4_0", 2, 32, 18, &[(1, 0x24)]),
    ("q4_1", 3, 32, 20, &[(1, 0x24), (3, 0xaf)]),
    ("q5_0", 6, 32, 22, &[(1, 0x20)]),
    ("q5_1", 7, 32, 24, &[(1, 0x20), (3, 0xaf)]),
    ("q8_0", 8, 32, 34, &[(1, 0x14)]),
    ("q2_k", 10, 256, 84, &[(81, 0x1d), (83, 0x20)]),
    ("q3_k", 11, 256, 110, &[(109, 0x16)]),
    ("q4_k", 12, 256, 144, &[(1, 0x0c), (3, 0x17)]),
    ("q5_k", 13, 256, 176, &[(1, 0x08), (3, 0x17)]),
    ("q6_k", 14, 256, 210, &[(209, 0x04)]),
    ("iq4_nl", 20, 32, 18, &[(1, 0x14)]),
    ("iq4_xs", 23, 256, 136, &[(1, 0x04)]),
    ("bf16", 30, 1, 2, &[]),
    ("mxfp4", 39, 32, 17, &[]),
];

/// The file of one case, with a byte-level vocabulary of `vocab` tokens.
pub(crate) fn described(case: &Value, vocab: usize) -> Raw {
    let architecture = case["architecture"].as_str().expect("a name");
    let mut raw = Raw::new();
    raw.set_text("general.architecture", architecture);
    for (key, value) in case["metadata"].as_object().expect("metadata") {
        let key = format!("{architecture}.{key}");
        match value {
            Value::Bool(value) => raw.set_bool(&key, *value),
            Value::String(value) => raw.set_text(&key, value),
            Value::Array(values) => {
                let values: Vec<i32> =
                    values.iter().map(|value| value.as_i64().expect("an integer") as i32).collect();
                raw.set_integers(&key, &values);
            }
            value => match value.as_u64() {
                Some(value) => raw.set_u32(&key, value as u32),
                None => raw.set_f32(&key, value.as_f64().expect("a number") as f32),
            },
        }
    }
    vocabulary(&mut raw, vocab);
    for tensor in case["tensors"].as_array().expect("tensors") {
        let mut parts = tensor.as_str().expect("text").split(' ');
        let mut part = || parts.next().expect("name, shape and type");
        let (name, shape, kind) = (part(), part(), part());
        let shape: Vec<usize> = shape.split('x').map(|size| size.parse().expect("a size")).collect();
        let kind = KINDS.iter().find(|(known, ..)| *known == kind).expect("a type that is known");
        raw.tensors.push(RawTensor {
            name: name.as_bytes().to_vec(),
            rank: None,
            dimensions: shape.iter().rev().map(|&size| size as u64).collect(),
            code: kind.1,
            offset: None,
            data: data(name, &shape, kind),
        });
    }
    raw
}

fn data(name: &str, shape: &[usize], &(kind, _, elements, bytes, fixed): &Kind) -> Vec<u8> {
    let values = || weights(name, shape).into_iter();
    match kind {
        "f32" => values().flat_map(f32::to_le_bytes).collect(),
        "f16" => values().flat_map(|value| f16::from_f32(value).to_le_bytes()).collect(),
        "bf16" => values().flat_map(|value| bf16::from_f32(value).to_le_bytes()).collect(),
        _ => {
            let count = shape.iter().product::<usize>() / elements * bytes;
            let mut data: Vec<u8> = random_bits(name).take(count).map(|bits| (bits >> 56) as u8).collect();
            for block in data.chunks_exact_mut(bytes) {
                for &(offset, value) in fixed {
                    block[offset] = value;
                }
                // The scale is a power of two of its own kind.
                if kind == "mxfp4" {
                    block[0] = 121 + (block[0] & 1);
                }
            }
            data
        }
    }
}
