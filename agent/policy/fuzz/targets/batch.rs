//! Any text as a line of a batch: there is one line of JSON with a decision.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let answer = loci_policy::batch::answer(&String::from_utf8_lossy(data));
    assert!(!answer.contains('\n'));
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("an answer is JSON");
    assert!(matches!(answer["decision"].as_str(), Some("allow" | "ask" | "deny")), "{answer}");
});
