//! Owns the tests of the log as evidence: every way of changing it is seen, and what is told of it is complete.
//! Uses logs that the session log itself wrote.
//! Never asserts a time.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use loci_inference::provider::ToolCall;

use super::*;
use crate::config::Environment;
use crate::secrets::Redactor;
use crate::session::log::{ChangedFile, FORMAT, Log, LoggedDecision, LoggedOutcome, Record, UsedModel};

/// A log of a short session.
fn log() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s1.jsonl");
    let header = Record::Header {
        format: FORMAT,
        program: "loci test".into(),
        session_id: "s1".into(),
        cwd: "/srv/repo".into(),
        model: "m".into(),
        forked_from: None,
        branch: None,
    };
    let mut log = Log::create(&path, &header).unwrap();
    let token = format!("ghp_{}", "Zk3vQ8mR1xT7bN5cW2yH9pL4sD6fG0jKqUaE");
    let input =
        serde_json::json!({ "command": format!("curl  -H 'Authorization: token {token}'\n https://x") });
    let call =
        ToolCall { id: "c1".into(), name: "bash".into(), arguments: input.as_object().unwrap().clone() };
    let decision = LoggedDecision {
        call_id: "c1".into(),
        tool: "bash".into(),
        verdict: "ask".into(),
        answer: Some("once".into()),
        rule: Some("Bash(curl:*)".into()),
        origin: Some("/etc/loci/policy.d/a.toml".into()),
        why: "a rule asks".into(),
        mode: "default".into(),
        policy: "p".repeat(64),
        sandbox: "full".into(),
        network: vec!["x".into()],
    };
    let outcome = LoggedOutcome {
        call_id: "c1".into(),
        tool: "bash".into(),
        ok: false,
        text: "12345".into(),
        summary: "curl: exit 7".into(),
        changed: vec!["out.txt".into()],
        files: vec![ChangedFile { path: "out.txt".into(), before: None, after: Some("a".repeat(64)) }],
        duration_ms: 12,
        ..LoggedOutcome::default()
    };
    let used =
        UsedModel { name: "m".into(), provider: "local".into(), local: true, hash: Some("h".repeat(64)) };
    for record in [
        Record::Model(Box::new(used)),
        Record::Prompt { turn: 1, text: "fetch it".into() },
        Record::Assistant { turn: 1, text: String::new(), reasoning: None, calls: vec![call] },
        Record::Decision(Box::new(decision)),
        Record::Intent { call_id: "c1".into(), tool: "bash".into(), input, why: "approved".into() },
        Record::Outcome(Box::new(outcome)),
        Record::Undone { paths: vec!["out.txt".into()] },
    ] {
        log.append(&record).unwrap();
    }
    log.commit().unwrap();
    std::fs::read(&path).unwrap()
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn a_log_that_nobody_touched_is_whole() {
    let whole = log();
    let chain = verify(&whole);
    assert_eq!((chain.records, chain.broken.as_ref(), chain.session.as_deref()), (8, None, Some("s1")));
    assert_eq!(chain.bytes, whole.len() as u64);
    let checkpoint = checkpoint(&chain).unwrap();
    assert_eq!(checkpoint.records, 8);
}

#[test]
fn every_flipped_bit_of_every_record_is_seen() {
    let whole = log();
    let mut start = 0;
    for (number, line) in (1..).zip(lines(&whole)) {
        for place in 0..line.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[start + place] ^= 1 << bit;
                let broken = verify(&damaged)
                    .broken
                    .unwrap_or_else(|| panic!("record {number}, byte {place}, bit {bit}"));
                // A newline that is none any more joins two records: the first of them is named.
                assert_eq!(broken.record, number, "byte {place}, bit {bit}: {}", broken.why);
                assert_eq!(broken.byte, start as u64);
            }
        }
        start += line.len();
    }
}

#[test]
fn records_taken_out_put_in_and_moved_are_seen() {
    let lines = lines(&log());
    let check = |lines: &[Vec<u8>], record: usize| {
        let broken = verify(&lines.concat()).broken;
        assert_eq!(broken.map(|broken| broken.record), Some(record as u64));
    };
    for number in 0..lines.len() {
        if number + 1 < lines.len() {
            let mut less = lines.clone();
            less.remove(number);
            check(&less, number + 1);
            let mut moved = lines.clone();
            moved.swap(number, number + 1);
            check(&moved, number + 1);
        }
        let mut more = lines.clone();
        more.insert(number + 1, lines[number].clone());
        check(&more, number + 2);
    }
    // A record of another session, whole in itself.
    let other = self::lines(&log());
    for number in 1..lines.len() {
        let mut foreign = lines.clone();
        foreign[number] = other[number].clone();
        check(&foreign, number + 1);
    }
}

#[test]
fn a_missing_end_is_seen_against_a_checkpoint_and_not_without() {
    let whole = log();
    let all = lines(&whole);
    let seen = checkpoint(&verify(&whole)).unwrap();
    for kept in 1..all.len() {
        let cut = all[..kept].concat();
        // The honest limit of a chain alone.
        assert_eq!(verify(&cut).broken, None);
        assert!(verify_against(&cut, &seen).broken.unwrap().why.contains("the end is missing"), "{kept}");
    }
    // In the middle of a record, it is seen either way.
    for cut in 1..all[0].len() {
        assert!(verify(&whole[..cut]).broken.is_some());
    }
    assert_eq!(verify_against(&whole, &seen).broken, None);
    // A log that grew still holds what the checkpoint saw.
    let early = checkpoint(&verify(&all[..3].concat())).unwrap();
    assert_eq!(verify_against(&whole, &early).broken, None);
    // Written anew by its owner, every hash in order.
    let anew = log();
    assert_eq!(verify(&anew).broken, None);
    assert!(verify_against(&anew, &seen).broken.unwrap().why.contains("written anew"));
    assert!(verify(b"").broken.is_some());
}

#[test]
fn decisions_and_effects_are_told_without_secrets() {
    let redactor = Redactor::new(&Environment::default());
    let mut entries = Vec::new();
    let chain = export::entries(&log(), &redactor, |entry| entries.push(entry));
    assert_eq!(chain.broken, None);
    let events: Vec<&str> = entries.iter().map(|entry| entry.event.as_str()).collect();
    assert_eq!(events, ["session", "model", "decision", "effect", "undone"]);
    let decision = &entries[2];
    assert_eq!(
        decision.command.as_deref(),
        Some("curl -H 'Authorization: token [redacted: github token #1]' https://x")
    );
    assert_eq!((decision.verdict.as_deref(), decision.answer.as_deref()), (Some("ask"), Some("once")));
    assert_eq!(decision.model_hash.as_deref(), Some("h".repeat(64).as_str()));
    assert_eq!((decision.seq, decision.sandbox.as_deref()), (5, Some("full")));
    let effect = &entries[3];
    assert_eq!((effect.exit, effect.bytes, effect.ok), (Some(7), Some(5), Some(false)));
    assert_eq!(effect.paths, ["out.txt"]);
    assert_eq!(effect.files[0]["after"], "a".repeat(64));
    for entry in &entries {
        let text = serde_json::to_string(entry).unwrap() + &entry.csv();
        assert!(!text.contains("Zk3vQ8mR1x"), "{text}");
    }
    let row = entries[2].csv();
    assert!(
        row.starts_with("5,")
            && row.contains(",ask,once,Bash(curl:*),/etc/loci/policy.d/a.toml,a rule asks,"),
        "{row}"
    );
}
