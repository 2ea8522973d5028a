//! Owns the tests that records tell everything: a session that is taken up sends what the live one would have sent.
//! Uses random sessions, the same in every run.
//! Never compares anything but bytes.

use serde_json::json;

use super::*;
use crate::session::resume::restore;

/// A random turn.
fn turn(play: &mut Play, dice: &mut Dice) {
    let number = dice.roll(1_000);
    play.prompt(match dice.roll(4) {
        0 => format!("Never touch src/part_{}.rs, it is generated.", number % 9),
        1 => format!("Not {number} but {} shelves, please.", number + 1),
        2 => format!("Fix this:\n{}", test_run(20, Some((&format!("shelves::shelf_{number}"), "left: 1")))),
        _ => format!("What does `shelf_{number}` hold?"),
    });
    for _ in 0..dice.roll(4) {
        let calls: Vec<(&str, Value, bool, String)> = (0..=dice.roll(2))
            .map(|_| {
                let (number, lines) = (dice.roll(1_000), 5 + dice.roll(150));
                let path = format!("src/part_{}.rs", number % 9);
                match dice.roll(5) {
                    0 => ("grep", json!({"pattern": format!("held({number}")}), true, matches(number, lines)),
                    1 => (
                        "edit",
                        json!({"path": path, "old": "a", "new": "b"}),
                        true,
                        format!("changed {path}"),
                    ),
                    2 => {
                        let name = format!("shelves::shelf_{number}");
                        let output = test_run(lines, Some((&name, "left: 1, right: 2")));
                        ("shell", json!({"command": "cargo test"}), false, output)
                    }
                    3 => {
                        ("write", json!({"path": path, "text": code(number, lines)}), true, "wrote it".into())
                    }
                    _ => ("read", json!({ "path": path }), true, code(number, lines)),
                }
            })
            .collect();
        play.step("I look at `Stock::held` next.", &calls);
    }
    play.answer(&format!("I decided to count deliveries in `Stock::held`, which fixes shelf_{number}."));
}

#[test]
fn every_request_of_random_sessions_comes_again_from_its_records() {
    for seed in 0..4 {
        let mut dice = Dice(seed);
        let mut play = Play::new([4_096, 8_192, 12_000][dice.roll(3)]);
        for _ in 0..14 {
            turn(&mut play, &mut dice);
        }
        play.assert_compactions_in_place();
        assert!(play.compactions() > 1, "seed {seed}");
        let frame = Frame {
            system: Some(&play.system),
            tools: &play.tools,
            sampling: &play.sampling,
            max_tokens: None,
        };
        // One context takes in the records with their decisions, and shows each request as it was.
        let mut told = Context::past(false);
        let mut taken = 0;
        for (at, sent) in play.sent.iter().enumerate() {
            let decided = |record: &Record| matches!(record, Record::Compacted(_) | Record::Recalled(_));
            let decisions = play.records[sent.before..].iter().take_while(|record| decided(record)).count();
            for record in &play.records[taken..sent.before + decisions] {
                told.absorb(record);
            }
            taken = sent.before + decisions;
            let request = told.conversation().request(&frame, true);
            assert_eq!(rendered(&request), sent.text, "seed {seed}, request {at}");
            // Another one takes in what was there before, and decides anew.
            if at % 4 == usize::try_from(seed).unwrap() {
                let mut anew = Context::new(false, None, None);
                play.records[..sent.before].iter().for_each(|record| anew.absorb(record));
                let laid_out = anew.lay_out(&frame, &play.meter, play.budget).unwrap();
                assert_eq!(laid_out.decisions, play.records[sent.before..sent.before + decisions]);
                assert_eq!(rendered(&laid_out.request), sent.text, "seed {seed}, request {at} decided anew");
                assert_eq!(laid_out.tokens, sent.tokens);
            }
        }
    }
}

#[test]
fn a_session_that_is_taken_up_at_any_record_goes_on() {
    let mut dice = Dice(77);
    let mut play = Play::new(6_000);
    for _ in 0..8 {
        turn(&mut play, &mut dice);
    }
    let records = std::mem::take(&mut play.records);
    assert!(play.compactions() > 1);
    for length in (1..=records.len()).step_by(3) {
        let restored = restore(&records[..length], Context::new(false, None, None));
        let mut again = Play::of(restored.context, counting(), 6_000);
        let entries = again.context.conversation().entries().len();
        again.prompt("Where were we?");
        let sent = again.ask().unwrap();
        assert!(sent.text.contains("Where were we?"), "cut at {length}");
        assert_eq!(
            again.recalled(entries),
            "Where were we?",
            "entries and texts count alike, cut at {length}"
        );
        again.answer("Here.");
    }
}

#[test]
fn a_project_that_moved_is_said_and_not_failed_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut play = Play::new(8_192);
    for number in 0..16 {
        play.prompt(format!("Look at shelf_{number}_1 in src/part_{number}.rs."));
        let path = format!("src/part_{number}.rs");
        play.step("Looking.", &[("read", json!({ "path": path }), true, code(number, 60))]);
        play.answer("It is right.");
    }
    assert!(play.compactions() > 0);
    let records = std::mem::take(&mut play.records);
    // The files are in another folder now, or gone.
    let mut texts = Vec::new();
    for root in [Some(folder.path().to_owned()), Some(folder.path().join("nowhere")), None] {
        let restored = restore(&records, Context::new(false, root.clone(), None));
        let mut again = Play::of(restored.context, counting(), 8_192);
        again.prompt("Change shelf_2_1 in src/part_2.rs: `shelf_2_1` must take an Order.");
        let text = again.ask().unwrap().text.clone();
        assert!(text.contains("pub fn shelf_2_1"), "{root:?}: it is recalled");
        assert_eq!(text.contains("the file is gone since"), root.is_some(), "{root:?}");
        assert_eq!(again.recalled(10), code(2, 60));
        texts.push(text);
    }
    assert_eq!(texts[0], texts[1]);
}
