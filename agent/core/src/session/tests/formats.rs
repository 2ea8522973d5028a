//! Owns the tests of logs as each released version wrote them: they load, are listed, told, forked, searched, and go on.
//! Uses the logs in `log/fixtures`, which the programs of their time have written.
//! Never changes a fixture: one that no longer loads is a broken promise.

use super::*;
use crate::archive::{Archive, Ask};
use crate::context::report;
use crate::session::log::Record;
use crate::session::story::Story;

const FIXTURES: [(u32, &str); 3] = [
    (1, include_str!("../log/fixtures/format-1.jsonl")),
    (2, include_str!("../log/fixtures/format-2.jsonl")),
    (3, include_str!("../log/fixtures/format-3.jsonl")),
];

/// A stage with a fixture among its sessions, and the fixture's id.
fn stage_with(text: &str) -> (Stage, String) {
    let stage = Stage::new();
    let header: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let id = header["session_id"].as_str().unwrap().to_owned();
    let folder = stage.places().sessions(&stage.root());
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{id}.jsonl")), text).unwrap();
    (stage, id)
}

#[tokio::test]
async fn logs_of_every_released_version_are_read_told_and_gone_on_with() {
    assert_eq!(FIXTURES.len(), FORMAT as usize, "each format has its fixture");
    for (format, text) in FIXTURES {
        let (mut stage, id) = stage_with(text);
        let path = stage.log_path();
        let loaded = log::read(&path).unwrap();
        assert!(loaded.damage.is_none(), "{format}: {:?}", loaded.damage);
        assert_eq!(loaded.records.len(), text.lines().count(), "{format}");
        assert!(matches!(&loaded.records[0], Record::Header { format: one, .. } if *one == format));
        assert!(loaded.times.iter().all(|at| at.parse::<jiff::Timestamp>().is_ok()), "{format}");

        let listed = resume::list(path.parent().unwrap()).unwrap();
        let summary = listed[0].summary.as_ref().unwrap();
        assert_eq!((summary.first_prompt.as_str(), summary.turns), ("where is discount_for?", 11));
        assert!(summary.cut_off && summary.unknown == 1 && !summary.damaged, "{format}: {summary:?}");

        let story = Story::of(&loaded);
        assert_eq!(story.turns[1].changed, ["src/price.rs"]);
        assert_eq!(story.turns[1].calls.iter().filter(|call| call.ok == Some(false)).count(), 1);
        assert_eq!(story.turns[0].answer, "At src/price.rs:4, as the café says.");
        let last = story.turns.last().unwrap();
        assert!(last.status.is_none() && last.calls[0].ok.is_none(), "{format}: {last:?}");

        for step in 1..=report::steps(&loaded.records) {
            assert!(!report::at(&loaded.records, Some(step)).unwrap().messages().is_empty());
        }
        let archive = Archive::open(&stage.places(), &stage.root(), None).unwrap();
        assert!(!archive.search(&Ask { words: "basket weaving", ..Ask::default() }).unwrap().is_empty());

        let fork = shelf::fork(path.parent().unwrap(), &id, Some(2)).unwrap();
        let forked = log::read(&path.with_file_name(format!("{}.jsonl", fork.session_id))).unwrap();
        assert_eq!(resume::prompts(&forked.records).len(), 2);

        stage.resume = Some(Resume::Id(id));
        let script = json!([{
            "expect": {"contains": ["The notes h are about weaving.", "It was not run again"]},
            "events": [{"text": "I go on."}],
        }]);
        let run = stage.run(script, &["go on"]).await;
        assert_eq!(run.report().status, TurnStatus::Completed, "{format}: {:?}", run.report());
        assert!(run.notices().contains("result unknown, not run again: bash"), "{}", run.notices());
        let now = std::fs::read_to_string(&path).unwrap();
        assert!(now.starts_with(text) && now.len() > text.len(), "nothing of it is rewritten");
        assert!(log::read(&path).unwrap().damage.is_none());
    }
}

#[test]
fn logs_of_every_released_version_survive_damage() {
    for (format, text) in FIXTURES {
        let bytes = text.as_bytes();
        let whole = log::read_records(bytes).records;
        // A prime, so that cuts fall on every part of a line.
        for at in (0..bytes.len()).step_by(211) {
            let ends = bytes[..at].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(log::read_records(&bytes[..at]).records, whole[..ends], "{format} cut at {at}");
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 0x04;
            assert_eq!(log::read_records(&flipped).records, whole[..ends], "{format} flipped at {at}");
        }
    }
}
