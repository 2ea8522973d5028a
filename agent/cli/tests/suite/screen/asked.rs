//! Owns the tests of what a user is asked and told beside the conversation, in a terminal: the first start, trust, tasks.
//! Uses the seat, scripted models and the built-in one.
//! Never asserts a time.

use serde_json::json;

use super::seat::Seat;
use super::{END, ESCAPE, World};

#[test]
fn the_first_start_is_told_once() {
    let world = World::with_crate();
    let mut seat = Seat::first(&world, &["-m", "builtin"], &[("ANTHROPIC_API_KEY", "sk-secret-value")]);
    seat.sees("Welcome to Loci");
    seat.sees("cores");
    seat.sees("ANTHROPIC_API_KEY");
    let screen = seat.screen();
    assert!(!screen.contains("sk-secret"), "{screen}");
    // Nothing has to be answered.
    seat.press("where is Basket defined?\r");
    seat.sees("src/lib.rs");
    seat.press(END);
    assert_eq!(seat.ended().code, 0);
    let mut seat = Seat::first(&world, &["-m", "builtin"], &[]);
    seat.sees("builtin local");
    seat.press("where is Basket defined?\r");
    seat.sees("src/lib.rs");
    let screen = seat.screen();
    assert!(!screen.contains("Welcome"), "{screen}");
    seat.press(END);
    assert_eq!(seat.ended().code, 0);
}

#[test]
fn trust_is_asked_about_before_the_session_opens() {
    let world = World::with_crate();
    world.write(".loci/config.toml", "allow = [\"Bash(make:*)\"]\n");
    let model = world.script(&json!([{ "events": [{ "text": "The answer." }] }]));
    let mut seat = Seat::take(&world, &["-m", &model]);
    seat.sees("is this project trusted?");
    seat.sees("Bash(make:*)");
    seat.presses_until("n", |screen| screen.contains("sandbox"));
    seat.press("\x15go\r");
    seat.sees("The answer.");
    seat.press(END);
    assert_eq!(seat.ended().code, 0);
    // Who said no is not asked again.
    let mut seat = Seat::take(&world, &["-m", &model]);
    seat.sees("sandbox");
    seat.press("go\r");
    seat.sees("The answer.");
    let screen = seat.screen();
    assert!(!screen.contains("is this project trusted?"), "{screen}");
    seat.press(END);
    assert_eq!(seat.ended().code, 0);
}

#[test]
fn a_session_that_cannot_be_opened_leaves_the_screen_and_a_way_on() {
    let world = World::with_crate();
    let mut seat = Seat::take(&world, &["-m", "no-such-model"]);
    seat.sees("no session");
    seat.press("where is Basket defined?\r");
    seat.sees("1 prompt waiting");
    seat.press("/model builtin\r");
    // What waited is answered.
    seat.sees("src/lib.rs");
    seat.press(END);
    assert_eq!(seat.ended().code, 0);
}

#[test]
fn a_command_in_the_background_is_looked_at_and_ended() {
    let world = World::with_crate();
    let model = world.script(&json!([
        { "events": [{ "call": { "name": "bash", "arguments": {
            "command": "while true; do echo still here; sleep 0.1; done", "run_in_background": true } } }] },
        { "events": [{ "text": "It runs." }] },
    ]));
    let mut seat = Seat::take(&world, &["-m", &model, "--permission-mode", "bypassPermissions"]);
    seat.press("start it\r");
    seat.sees("1 in the background");
    seat.press("/tasks\r");
    seat.sees("b1  runs");
    seat.press("\r");
    seat.sees("still here");
    seat.press("x");
    seat.sees("killed");
    seat.press(ESCAPE);
    seat.sees("In the background");
    seat.press(ESCAPE);
    seat.sees("It runs.");
    seat.press(END);
    assert_eq!(seat.ended().code, 0);
}
