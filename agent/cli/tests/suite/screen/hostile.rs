//! Owns the tests of what a screen may be fed: escape sequences, endless lines, bytes that are no text, sizes, pastes.
//! Uses the checker of everything that is written to the terminal.
//! Never takes a program that lives on for one that is right: it still answers.

use serde_json::json;

use super::seat::Seat;
use super::{END, ESCAPE};
use crate::suite::world::World;

/// What a terminal would obey: its title, a clear, a colour, an answer that is typed, a link, an 8-bit sequence.
const EVIL: &str =
    "\u{1b}]0;evil\u{7}\u{1b}[2J\u{1b}[31mred\u{1b}[6n\u{1b}]8;;http://evil\u{1b}\\x\u{9b}2J\u{1b}c\u{85}";

#[test]
fn nothing_that_is_shown_is_obeyed() {
    let world = World::with_crate();
    world.write("\u{1b}[31mname\u{7}.txt", "an odd name\n");
    world.write("bytes.txt", b"\xff\xfe\x1b]0;evil\x07\x80\x9b2J\n");
    world.write("long.txt", "x".repeat(1 << 20));
    let command = "ls; cat bytes.txt long.txt; printf '\\033]52;c;ZXZpbA==\\007\\033[?1000h'";
    let calls = [
        json!({ "call": { "name": "bash", "arguments": { "command": command } } }),
        json!({ "call": { "name": "read", "arguments": { "path": "bytes.txt" } } }),
        json!({ "call": { "name": "read", "arguments": { "path": "long.txt" } } }),
        json!({ "call": { "name": "read", "arguments": { "path": format!("no{EVIL}file") } } }),
    ];
    // Not the same again and again: a model that does that is stopped.
    let megabyte: String = (0..200_000).map(|number| format!("{number}")).collect();
    let model = world.script(&json!([
        { "events": [{ "reasoning": EVIL }, { "text": EVIL }] },
        { "events": calls },
        { "events": [{ "text": format!("# {EVIL}\n\n```{EVIL}\n{EVIL}\n```\n[{EVIL}]({EVIL})\n|a{EVIL}|b|\n|-|-|\n|{EVIL}|c|\n") }] },
        { "events": [{ "text": megabyte }, { "text": "\n\nThe end." }] },
    ]));
    let mut seat = Seat::take(&world, &["-m", &model, "--permission-mode", "bypassPermissions"]);
    seat.press("one\r");
    seat.sees("red");
    seat.press("two\r");
    // A path with hidden characters is asked about, and shown with them.
    seat.sees("hidden characters");
    seat.redraws();
    seat.presses_until("y", |screen| !screen.contains("hidden characters"));
    // Expanded, too.
    seat.press("\x0f");
    seat.loses("waiting for you");
    seat.redraws();
    seat.press("three\r");
    seat.sees("The end.");
    seat.press("\x0f");
    for (columns, rows) in [(1, 1), (2, 50), (200, 2), (40, 24), (1, 1), (80, 24)] {
        seat.resize(columns, rows);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // To the end: what was expanded has moved it.
    seat.press("\x1b[1;5F");
    seat.sees("The end.");
    seat.redraws();
    seat.press(END);
    // All that was written is looked at there.
    let left = seat.ended();
    assert_eq!(left.code, 0, "{}", left.screen);
}

#[test]
fn no_key_is_lost_beside_a_resize() {
    let world = World::with_crate();
    let model = world.script(&json!([]));
    let mut seat = Seat::take(&world, &["-m", &model]);
    seat.sees("Ask, or /");
    let mut typed = String::new();
    for (round, letter) in ('a'..='z').cycle().take(60).enumerate() {
        seat.resize(80, if round % 2 == 0 { 25 } else { 24 });
        seat.press(&letter.to_string());
        typed.push(letter);
        // Without another key behind it.
        seat.sees(&typed);
    }
    seat.press("\x03");
    seat.loses(&typed);
    seat.press(END);
    assert_eq!(seat.ended().code, 0);
}

#[test]
fn ten_megabytes_are_pasted() {
    let world = World::with_crate();
    let model = world.script(&json!([{ "events": [{ "text": "Good day." }] }]));
    let mut seat = Seat::take(&world, &["-m", &model]);
    let line = "All work and no play makes Jack a dull boy, \u{1b}[2Jsaid the paste.\n";
    let paste = line.repeat((10 << 20) / line.len());
    seat.press(&format!("\x1b[200~{paste}\x1b[201~"));
    seat.sees("pasted");
    // It is taken away again, and the program answers.
    seat.press("\x03");
    seat.loses("pasted");
    seat.press("hello\r");
    seat.sees("Good day.");
    seat.press(ESCAPE);
    std::thread::sleep(std::time::Duration::from_millis(100));
    seat.press(END);
    assert_eq!(seat.ended().code, 0);
}
