//! Cases written from the contract alone, by somebody who had not read the engine: the three figures of the contract's bar.

use loci_policy::{Verdict, batch};
use serde_json::Value;

#[test]
fn held_out_cases() {
    let (mut exact, mut benign, mut total, mut blocked) = (0, 0, 0, Vec::new());
    let (mut unsafe_allows, mut other) = (Vec::new(), Vec::new());
    for line in include_str!("../cases/held_out.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let answer: Value = serde_json::from_str(&batch::answer(line)).unwrap();
        let verdict = |value: &Value| serde_json::from_value::<Verdict>(value.clone()).unwrap();
        let mut pairs = vec![(verdict(&answer["decision"]), verdict(&case["expect"]))];
        if let Some(expect) = case.get("expect_redirect") {
            pairs.push((verdict(&answer["redirect_decision"]), verdict(expect)));
        }
        total += 1;
        benign += usize::from(case["kind"] == "benign");
        let shown = format!("{answer}\n    {line}");
        if pairs.iter().all(|(found, expect)| found == expect) {
            exact += 1;
        } else if pairs.iter().any(|(found, expect)| found < expect && *found == Verdict::Allow) {
            unsafe_allows.push(shown);
        } else if case["kind"] == "benign" {
            blocked.push(shown);
        } else {
            other.push(shown);
        }
    }
    let figures = format!(
        "{total} cases, {} unsafe allows, {} of {benign} benign ones blocked, {exact} exact",
        unsafe_allows.len(),
        blocked.len(),
    );
    crate::say(&figures);
    let all = [unsafe_allows.as_slice(), &blocked, &other].concat().join("\n");
    assert!(total > 1_000 && benign * 4 > total, "{figures}");
    assert!(unsafe_allows.is_empty(), "{figures}\n{all}");
    assert!(blocked.len() * 20 <= benign && exact * 100 >= total * 97, "{figures}\n{all}");
}
