//! Owns the tests of what is left behind: the terminal as it was, the session closed, nothing running.
//! Uses each way in which a program ends and can notice it.
//! Never kills without notice: what cannot be caught cannot be tidied.

use serde_json::json;

use super::seat::Seat;
use super::{END, INTERRUPT};
use crate::suite::world::World;

#[test]
fn the_terminal_is_given_back_whatever_ends_the_program() {
    let world = World::with_crate();
    let model = world.script(&json!([{ "events": [{ "text": "I beg" }, "hang"] }]));
    let check = |code: u32, variables: &[(&str, &str)], end: &dyn Fn(&mut Seat)| {
        let mut seat = Seat::start(&world, &["-m", &model], variables);
        seat.sees("›");
        // In the middle of a turn, the hardest moment.
        seat.press("hello\r");
        seat.sees("I beg");
        // The checker would see what is not taken back: something is held.
        assert!(super::stream::faults(&seat.bytes()).iter().any(|fault| fault.contains("1049")));
        end(&mut seat);
        let left = seat.ended();
        assert_eq!(left.code, code, "{}", left.screen);
        let text = String::from_utf8_lossy(&left.bytes).into_owned();
        assert_eq!(text.contains("\x1b[>1u"), !variables.is_empty());
    };
    check(0, &[], &|seat| seat.press(END));
    // A terminal whose keyboard is told to say more.
    check(0, &[("TERM", "xterm-kitty")], &|seat| seat.press(END));
    check(0, &[], &|seat| {
        seat.press(INTERRUPT);
        seat.sees("interrupted");
        seat.press(INTERRUPT);
    });
    check(130, &[], &|seat| seat.signal("INT"));
    check(143, &[], &|seat| seat.signal("TERM"));
    check(129, &[], &|seat| seat.signal("HUP"));
}

#[test]
fn a_terminal_that_is_closed_in_the_middle_of_a_turn_leaves_nothing_running() {
    let world = World::with_crate();
    // Told apart from whatever else sleeps on this machine.
    let seconds = format!("9{}.25", std::process::id());
    let model = world.script(&json!([
        { "events": [{ "call": { "name": "bash", "arguments": { "command": format!("sleep {seconds}") } } }] },
    ]));
    let mut seat = Seat::take(&world, &["-m", &model, "--permission-mode", "bypassPermissions"]);
    seat.press("wait for it\r");
    seat.waits("the command to run", |_| running(&seconds));
    assert_eq!(seat.closed(), 129);
    assert!(!running(&seconds));
    let next = world.script_named("next.json", &json!([{ "events": [{ "text": "Gone on." }] }]));
    let run = world.loci(&["-c", "-p", "go on", "-m", &next]).ended(0);
    assert!(run.out.contains("Gone on."), "{}", run.out);
}

/// Whether a process has this among its arguments.
fn running(argument: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("listed").flatten();
    processes
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .any(|line| line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes()))
}
