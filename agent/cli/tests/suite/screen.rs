//! Owns the tests of the full screen: the built binary in a terminal, from its first frame to what it leaves behind.
//! Uses a pseudo-terminal, scripted models and the built-in one.
//! Never looks at places on the screen: it waits for words.

mod asked;
mod hostile;
mod leaving;
mod seat;
mod stream;

use serde_json::json;

use super::world::{PRICE, World};
use seat::Seat;

const ESCAPE: &str = "\x1b";
const INTERRUPT: &str = "\x03";
const END: &str = "\x04";

#[test]
fn a_whole_task_with_the_built_in_model() {
    let world = World::with_crate();
    let mut seat = Seat::take(&world, &["-m", "builtin"]);
    seat.press("rename discount_for to rebate_for in src/price.rs\r");
    // What would be changed is seen before it is.
    seat.sees("pub fn rebate_for");
    assert_eq!(world.read("src/price.rs"), PRICE);
    // Keys that were typed ahead answer nothing, and what was not seen whole is not approved: each key shows more of it.
    seat.presses_until("y", |screen| !screen.contains("waiting for you"));
    seat.sees("1 call");
    assert_eq!(world.read("src/price.rs"), PRICE.replace("discount_for", "rebate_for"));
    seat.press("/undo\r");
    seat.waits("the file to be as it was", |_| world.read("src/price.rs") == PRICE);
    seat.press(END);
    let left = seat.ended();
    assert_eq!(left.code, 0, "{}", left.screen);
    // It can be gone on with, and what was said is there.
    let command = left.screen.split("loci --resume ").nth(1).expect("how to go on");
    let id: String = command.chars().filter(|character| !character.is_whitespace()).take(36).collect();
    let mut seat = Seat::take(&world, &["-m", "builtin", "--resume", &id]);
    seat.sees("resumed");
    seat.sees("pub fn rebate_for");
    seat.press("where is Basket defined?\r");
    seat.sees("src/lib.rs");
    seat.press(END);
    assert_eq!(seat.ended().code, 0);
}

#[test]
fn what_is_typed_ahead_is_sent_and_escape_interrupts() {
    let world = World::with_crate();
    let model = world.script(&json!([
        { "events": [{ "text": "The first answer." }, { "delay_ms": 300 }] },
        { "expect": { "last_contains": ["second"] }, "events": [{ "text": "The other answer." }] },
        { "expect": { "last_contains": ["third"] }, "events": [{ "text": "I beg" }, "hang"] },
        { "expect": { "last_contains": ["fourth"] }, "events": [{ "text": "Still here." }] },
    ]));
    let mut seat = Seat::take(&world, &["-m", &model]);
    // In one go, before the session is open.
    seat.press("first\r");
    seat.press("second\r");
    seat.sees("The first answer.");
    seat.sees("The other answer.");
    seat.press("third\r");
    seat.sees("I beg");
    seat.press("fourth");
    seat.sees("fourth");
    seat.press(ESCAPE);
    seat.sees("interrupted");
    // What was being written is still there.
    seat.press("\r");
    seat.sees("Still here.");
    // Once says how to leave, twice leaves.
    std::thread::sleep(std::time::Duration::from_millis(1000));
    seat.press(INTERRUPT);
    seat.sees("Ctrl-C again");
    seat.press(INTERRUPT);
    let left = seat.ended();
    assert!(left.screen.contains("Still here.") && left.screen.contains("loci --resume"), "{}", left.screen);
}

#[test]
fn a_burst_of_keys_is_taken_whole() {
    let world = World::with_crate();
    let counted: Vec<String> = (0..3000).map(|number| format!("word {number}")).collect();
    let model = world.script(&json!([
        { "events": [{ "text": "words and " }, { "text": counted.join(" ") }, "hang"] }
    ]));
    let mut seat = Seat::take(&world, &["-m", &model]);
    seat.press("go\r");
    seat.sees("word 2999");
    // One after the other while words come in.
    let typed: String = (0..60).map(|number| char::from(b'a' + number % 26)).collect();
    for key in typed.chars() {
        seat.press(&key.to_string());
    }
    seat.sees(&typed);
    seat.press(ESCAPE);
    seat.sees("interrupted");
    assert!(seat.screen().contains(&typed));
    seat.press(INTERRUPT);
    seat.loses(&typed);
    seat.press(END);
    assert_eq!(seat.ended().code, 0);
}

#[test]
fn a_model_that_does_not_exist_leaves_the_program_running() {
    let world = World::with_crate();
    let mut seat = Seat::take(&world, &["-m", "wrong"]);
    seat.sees("unknown model");
    seat.sees("hint");
    seat.press("/help\r");
    seat.sees("Esc closes");
    seat.press(ESCAPE);
    seat.loses("Esc closes");
    seat.press(END);
    let left = seat.ended();
    assert_eq!(left.code, 2);
    assert!(left.screen.contains("error: unknown model"), "{}", left.screen);
}

#[test]
fn where_nothing_can_be_drawn_it_is_line_by_line() {
    let world = World::with_crate();
    let model = world.script(&json!([{ "events": [{ "text": "Line by line." }] }]));
    let check = |arguments: &[&str], variables: &[(&str, &str)], config: &str| {
        std::fs::create_dir_all(world.home().join(".config/loci")).expect("created");
        std::fs::write(world.home().join(".config/loci/config.toml"), config).expect("written");
        let arguments: Vec<&str> = ["-m", &model].into_iter().chain(arguments.iter().copied()).collect();
        let mut seat = Seat::start(&world, &arguments, variables);
        seat.sees("/help lists the commands");
        seat.press("hello\r");
        seat.sees("Line by line.");
        seat.press(END);
        let left = seat.ended();
        assert!(!String::from_utf8_lossy(&left.bytes).contains("\x1b[?1049h"));
        String::from_utf8_lossy(&left.bytes).into_owned()
    };
    let plain = |seen: &str| !seen.contains('\x1b');
    assert!(plain(&check(&[], &[("TERM", "dumb")], "")));
    // In words, for those who hear it.
    for (flags, config) in [(&["--plain"][..], ""), (&[], "[screen]\nplain = true\n")] {
        let seen = check(flags, &[], config);
        assert!(plain(&seen) && seen.is_ascii() && seen.contains("prompt: "), "{seen}");
    }
    assert!(!plain(&check(&[], &[], "[screen]\nfull = false\n")));
    // Without colours the screen is still drawn.
    std::fs::write(world.home().join(".config/loci/config.toml"), "").expect("written");
    let mut seat = Seat::start(&world, &["-m", &model], &[("NO_COLOR", "1")]);
    seat.sees("›");
    seat.press("hello\r");
    seat.sees("Line by line.");
    seat.press(END);
    let bytes = seat.ended().bytes;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.contains("\x1b[?1049h"));
    assert!(!text.contains("\x1b[38;5;") && !text.contains("\x1b[3m"), "{text}");
}
