//! Owns the test that a prompt is paid once: each request begins with the one before it.
//! Uses sessions of fifty turns in four shapes, in three windows.
//! Never counts in tokens of a model: bytes that are the same are the same tokens.

use serde_json::json;

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Questions and answers of a few lines.
    Talk,
    /// Reads and greps of some kilobytes.
    Looks,
    /// An edit and a test run a turn.
    Edits,
    /// Calls that fail, so that passages are recalled in the middle of turns.
    Errors,
}

fn played(shape: Shape, window: usize, turns: usize) -> Play {
    let mut play = Play::new(window);
    for turn in 0..turns {
        let path = format!("src/part_{}.rs", turn % 9);
        play.prompt(format!("What about shelf_{turn} in {path}? Its count is off by {turn}."));
        match shape {
            Shape::Talk => {}
            Shape::Looks => {
                for step in 0..3 {
                    let pattern = format!("held({turn}");
                    play.step(
                        "Looking.",
                        &[
                            ("read", json!({"path": path}), true, code(turn * 3 + step, 50)),
                            ("grep", json!({"pattern": pattern}), true, matches(turn * 3 + step, 30)),
                        ],
                    );
                }
            }
            Shape::Edits => {
                play.step("First a look.", &[("read", json!({"path": path}), true, code(turn, 40))]);
                let edit = json!({"path": path, "old": format!("held({turn})"), "new": "held(0)"});
                play.step("Then the change.", &[("edit", edit, true, format!("changed {path}"))]);
                let shell = json!({"command": "cargo test"});
                play.step("And the tests.", &[("shell", shell, true, test_run(60, None))]);
            }
            Shape::Errors => {
                play.step("First a look.", &[("read", json!({"path": path}), true, code(turn, 40))]);
                let name = format!("shelves::shelf_{turn}");
                let message = format!("assertion failed: held({turn}) == {turn}");
                for command in ["cargo test", "cargo test --release"] {
                    let output = test_run(30, Some((&name, &message)));
                    play.step("The tests.", &[("shell", json!({ "command": command }), false, output)]);
                }
            }
        }
        play.answer(&format!("The count of shelf_{turn} is off since deliveries are counted twice there."));
    }
    play
}

/// Of the bytes of each request, those that the next one repeats, and of the bytes sent those that were sent before.
fn reuse(play: &Play) -> (f64, f64) {
    let (mut again, mut before, mut all) = (0, 0, 0);
    for pair in play.sent.windows(2) {
        let (one, two) = (&pair[0], &pair[1]);
        let same = common(&one.text, &two.text);
        if !two.compacted {
            assert_eq!(same, one.text.len(), "it goes on at {:?}", &one.text[same.saturating_sub(80)..]);
        }
        again += same;
        before += one.text.len();
        all += two.text.len();
    }
    (again as f64 / before as f64, again as f64 / all as f64)
}

#[test]
fn a_session_of_fifty_turns_repeats_its_prefix() {
    // Measured: at 8k 1, .55, .69, .56 for talk, looks, edits, errors; at 32k 1, .84, .98, .95; at 128k .98 for looks.
    // Looks put 1,200 tokens into a step: the 13,000 that a window of 32k has between two compactions are full after
    // eleven steps, and no layout repeats more than nine tenths then. A few compactions more fall through.
    let floors = [
        (8_192, [0.99, 0.50, 0.64, 0.52]),
        (32_768, [0.95, 0.80, 0.95, 0.95]),
        (131_072, [0.95, 0.95, 0.95, 0.95]),
    ];
    let mut told = String::new();
    let mut low = Vec::new();
    for (window, floors) in floors {
        for (shape, floor) in [Shape::Talk, Shape::Looks, Shape::Edits, Shape::Errors].into_iter().zip(floors)
        {
            if window == 131_072 && matches!(shape, Shape::Talk | Shape::Edits) {
                // Nothing leaves it in so short a session; one shape without a compaction is enough.
                continue;
            }
            let play = played(shape, window, 50);
            let (again, of_all) = reuse(&play);
            let recalls = play.context.recalled().len();
            let line = format!(
                "{window} {shape:?}: {:.2} % repeated, {:.2} % of all that was sent, {} requests, {} compactions, {recalls} recalls",
                again * 100.0,
                of_all * 100.0,
                play.sent.len(),
                play.compactions()
            );
            if again < floor {
                low.push(line.clone());
            }
            told.push_str(&line);
            told.push('\n');
            if shape == Shape::Errors && window == 8_192 {
                // What is recalled in the middle of a turn belongs to what is repeated.
                let after_results = play.sent.iter().filter(|sent| {
                    matches!(sent.request.messages.last(), Some(Message::Tool { text, .. }) if text.contains("[Recalled from"))
                });
                assert!(after_results.count() > 5, "{told}");
            }
            play.assert_compactions_in_place();
            let head = |sent: &Sent| (sent.request.messages[0].clone(), sent.request.tools.clone());
            assert!(play.sent.iter().all(|sent| head(sent) == head(&play.sent[0])));
            if window == 8_192 && shape != Shape::Talk {
                assert!(play.compactions() >= 3, "{told}");
            }
        }
    }
    assert!(low.is_empty(), "below their floors: {low:#?}\n{told}");
}

#[test]
fn the_same_records_lay_out_the_same_bytes_in_every_session() {
    let (one, two) = (played(Shape::Errors, 8_192, 16), played(Shape::Errors, 8_192, 16));
    assert_eq!(one.sent.len(), two.sent.len());
    for (at, (one, two)) in one.sent.iter().zip(&two.sent).enumerate() {
        assert_eq!(one.text, two.text, "request {at}");
    }
}
