//! Owns the comparison of every family and every type of weights with llama.cpp.
//! Uses families.json, which tests/reference/families.py writes by way of libllama.
//! Never needs llama.cpp itself: both sides draw the same weights.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Config, Header, Runner, Source};
use crate::catalog::SUPPORTED_ARCHITECTURES;
use crate::gguf::GgufError;
use crate::gguf::testing::Raw;
use crate::gguf::testing::families::described;

#[derive(Deserialize)]
pub(super) struct Reference {
    pub(super) vocab: usize,
    pub(super) tokens: Vec<u32>,
    /// The tokens whose logits every row has.
    sample: Vec<usize>,
    pub(super) cases: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Logits {
    sample: Vec<f32>,
    top: Vec<usize>,
    top_logits: Vec<f32>,
    norm: f64,
}

pub(super) fn reference() -> Reference {
    serde_json::from_str(include_str!("../../../tests/reference/families.json")).unwrap()
}

/// How far the logits are from those of llama.cpp in float arithmetic, as root of the mean square
/// over the tokens that the reference has.
fn distance(found: &[f32], expect: &Logits, sample: &[usize]) -> f64 {
    let sampled = sample.iter().zip(&expect.sample);
    let pairs = sampled.chain(expect.top.iter().zip(&expect.top_logits));
    let squares: Vec<f64> = pairs.map(|(&token, &expect)| f64::from(found[token] - expect).powi(2)).collect();
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
}

/// Whether this program claims to run the family. One that it does not claim, it must refuse in words.
#[expect(clippy::print_stderr, reason = "a comparison that is skipped says so")]
pub(super) fn is_supported(name: &str, case: &Value, raw: &Raw) -> bool {
    if SUPPORTED_ARCHITECTURES.iter().any(|known| case["architecture"] == *known) {
        return true;
    }
    let header = Header::read(&Source::owned(raw.bytes())).unwrap();
    match Config::read(&header) {
        Err(GgufError::Unsupported { field, reason }) => eprintln!("SKIPPED: {name}: {field}: {reason}"),
        other => panic!("{name}: {other:?}"),
    }
    false
}

fn check(name: &str, case: &Value, reference: &Reference) -> Result<(), String> {
    let number = |key: &str| case[key].as_f64().unwrap();
    let (deviation, theirs) = (number("deviation"), number("distance"));
    let raw = described(case, reference.vocab);
    if !is_supported(name, case, &raw) {
        return Ok(());
    }
    let mut runner = Runner::new(&raw);
    let mut squares = Vec::new();
    for (position, expect) in case["logits"].as_object().unwrap() {
        let position: usize = position.parse().unwrap();
        let expect: Logits = serde_json::from_value(expect.clone()).unwrap();
        runner.restart();
        let found = runner.run(&reference.tokens[..=position], usize::MAX);
        assert_eq!(found.len(), reference.vocab, "{name}");
        let norm = found.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        // A wrong family changes half of the norm's square.
        assert!((norm / expect.norm - 1.0).abs() < 0.3, "{name} at {position}: norm {norm}");
        squares.push(distance(&found, &expect, &reference.sample).powi(2));
    }
    let ours = (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
    // Some 140 logits stand for all of them. Where experts are chosen, one choice that rounding turns
    // moves a whole row.
    let mixture = case["metadata"].get("expert_count").is_some() && name.contains(':');
    let limit = if mixture { (3.0 * theirs).max(0.15 * deviation) } else { 1.5 * theirs };
    let limit = limit.max(if name.contains(':') { 0.01 } else { 5e-4 } * deviation);
    let verdict = format!("{name}: {ours:.6} from the exact logits, llama.cpp is {theirs:.6} from them");
    if ours <= limit { Ok(()) } else { Err(verdict) }
}

fn check_all(chosen: impl Fn(&str) -> bool) {
    let reference = reference();
    let cases: Vec<_> = reference.cases.iter().filter(|(name, _)| chosen(name)).collect();
    assert!(!cases.is_empty(), "no case was chosen");
    let wrong: Vec<_> = cases.iter().filter_map(|(name, case)| check(name, case, &reference).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_family_computes_what_llama_cpp_computes() {
    check_all(|name| !name.contains(':'));
}

#[test]
fn every_family_with_mixed_types_is_as_close_as_llama_cpp() {
    check_all(|name| name.ends_with(":mix"));
}

#[test]
fn every_type_of_weights_is_as_close_as_llama_cpp() {
    check_all(|name| name.contains(':') && !name.ends_with(":mix"));
}
