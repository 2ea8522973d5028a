//! Owns the tests of a transcript that is long, and of whatever may come into it.
//! Uses the helpers of its parent.
//! Never asserts a time: what is laid out is counted.

use std::time::Instant;

use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::super::Pane;
use super::*;
use crate::component::{Component as _, Context, Look};
use crate::state::State;
use crate::theme::Theme;

/// A transcript alone, and how much of it was laid out for a frame.
struct Sight {
    pane: Pane,
    state: State,
}

impl Sight {
    fn take(&mut self, input: &Input) {
        let (mut effects, mut opened) = (Vec::new(), Vec::new());
        let (effects, opened) = (&mut effects, &mut opened);
        let mut context = Context { state: &mut self.state, effects, opened, now: Instant::now() };
        let _ = self.pane.take(input, &mut context);
    }

    fn draw(&mut self, columns: u16, rows: u16) -> usize {
        let area = Rect::new(0, 0, columns, rows);
        let mut buffer = Buffer::empty(area);
        let look = Look { theme: &Theme::named("ansi", false), state: &self.state, now: Instant::now() };
        self.pane.told.cells.forget();
        self.pane.draw(area, &mut buffer, &look);
        self.pane.told.cells.laid_out()
    }
}

#[test]
fn a_frame_lays_out_what_is_seen_and_no_more() {
    let mut sight = Sight { pane: Pane::default(), state: State::default() };
    for turn in 1..=2_500 {
        for event in [
            prompt(turn, "question"),
            started(&format!("c{turn}"), "bash", "bash ls"),
            called(&format!("c{turn}"), "bash", "exit 0", &"row\n".repeat(20)),
            says(&"a line of the answer\n\n".repeat(18)),
            finished(turn, ""),
        ] {
            sight.take(&Input::Event(Box::new(event)));
        }
    }
    let key = |code, modifiers| Input::Key(crossterm::event::KeyEvent::new(code, modifiers));
    // At the end, scrolled far, after a change of the width, at the beginning.
    assert!(sight.draw(120, 40) <= 12);
    for _ in 0..500 {
        sight.take(&key(KeyCode::PageUp, NONE));
    }
    assert!((1..=12).contains(&sight.draw(120, 40)));
    assert!((1..=12).contains(&sight.draw(71, 33)));
    sight.take(&key(KeyCode::Home, KeyModifiers::CONTROL));
    assert!((1..=12).contains(&sight.draw(120, 40)));
    // What is far away is forgotten while it is scrolled by.
    for _ in 0..2_000 {
        sight.take(&key(KeyCode::PageDown, NONE));
        let area = Rect::new(0, 0, 120, 40);
        let look = Look { theme: &Theme::named("ansi", false), state: &sight.state, now: Instant::now() };
        sight.pane.draw(area, &mut Buffer::empty(area), &look);
        assert!(sight.pane.told.cells.laid_out() <= 300);
    }
}

/// Anything that may come in.
fn anything() -> impl Strategy<Value = Vec<Event>> {
    let text = prop_oneof![
        "[ -~]{0,40}",
        "\\PC{0,20}",
        "(\u{1b}\\[[0-9;]{0,5}[A-Za-z]|\u{1b}\\]0;x\u{7}|\r|\u{9b}31m|\t|\n|\u{202e}|漢|👩‍👩‍👧|e\u{301}|\u{0}){0,30}",
        "(# |- |> |```\n|\\| a \\| b \\|\n|\\|-\\|-\\|\n|1\\. |\\*\\*|`|\\[x\\]\\(y\\)|\n\n|word ){0,20}",
        Just("x".repeat(5_000)),
    ];
    let event = (0..12_u8, text.clone(), text, 0..4_u32).prop_map(|(kind, one, two, number)| match kind {
        0 => prompt(number, &one),
        1..=3 => says(&one),
        4 => Event::ReasoningDelta { text: one },
        5 => started(&number.to_string(), if number > 1 { "read" } else { "bash" }, &one),
        6 => called(&number.to_string(), "read", &one, &two),
        7 => failed(&number.to_string(), "bash", &one, &two),
        8 => edited(&number.to_string(), &one, &format!("--- a\n+++ b\n@@ -1 +1 @@\n-{one}\n+{two}\n")),
        9 => Event::Notice { level: Level::Error, message: one, hint: Some(two) },
        10 => Event::TasksChanged { tasks: vec![Task { text: one, done: number == 1 }] },
        _ if number == 0 => Event::Rewound { paths: vec![one], turn: Some(1), prompt: None, message: two },
        _ => finished(number, &one),
    });
    prop::collection::vec(event, 0..30)
}

/// Keys and the mouse.
fn hand(kind: u8, place: (u16, u16)) -> Input {
    let (column, row) = place;
    let key = |code| Input::Key(crossterm::event::KeyEvent::new(code, NONE));
    match kind % 16 {
        0 => key(KeyCode::PageUp),
        1 => key(KeyCode::PageDown),
        2 => mouse(MouseEventKind::ScrollUp, column, row),
        3 => mouse(MouseEventKind::ScrollDown, column, row),
        4 => Input::Key(crossterm::event::KeyEvent::new(KeyCode::Char('o'), KeyModifiers::CONTROL)),
        5 => Input::Key(crossterm::event::KeyEvent::new(KeyCode::Char('o'), KeyModifiers::ALT)),
        6 => key(KeyCode::Char('/')),
        7 => key(KeyCode::Char('x')),
        8 => key(KeyCode::Char('n')),
        9 => key(KeyCode::Char('J')),
        10 => key(KeyCode::Char('[')),
        11 => mouse(MouseEventKind::Down(MouseButton::Left), column, row),
        12 => mouse(MouseEventKind::Drag(MouseButton::Left), column, row),
        13 => mouse(MouseEventKind::Up(MouseButton::Left), column, row),
        14 => key(KeyCode::Esc),
        _ => Input::Tick,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_comes_can_be_drawn(
        events in anything(),
        hands in prop::collection::vec((any::<u8>(), (0..130_u16, 0..45_u16)), 30),
        sizes in prop::collection::vec((1..130_u16, 1..45_u16), 30),
    ) {
        let mut stage = stage();
        for (at, event) in events.into_iter().enumerate() {
            stage.event(event);
            let (kind, place) = hands[at];
            stage.take(hand(kind, place));
            let (columns, rows) = sizes[at];
            let screen = stage.screen(columns, rows);
            prop_assert!(!screen.chars().any(|one| one.is_control() && one != '\n'), "{screen:?}");
        }
        stage.screen(1, 1);
    }
}

#[test]
fn a_flood_ends() {
    let mut stage = stage();
    stage.event(prompt(1, &"p".repeat(1 << 20)));
    for _ in 0..100_000 {
        stage.event(says("x"));
    }
    stage.event(says(&"y".repeat(1 << 20)));
    stage.event(Event::ReasoningDelta { text: "z".repeat(1 << 20) });
    stage.event(started("c", "bash", "bash cat")).event(called("c", "bash", "exit 0", &"w".repeat(1 << 20)));
    stage.event(called("d", "bash", "exit 0", &"line\n".repeat(1 << 18)));
    stage.screen(80, 24);
    stage.key(KeyCode::Char('o'), KeyModifiers::ALT);
    let screen = stage.screen(80, 4_500).replace([' ', '\n'], "");
    for words in ["www…1,046,528morecharacters", "…258,868morelines", "zzz"] {
        assert!(screen.contains(words), "{words}");
    }
    stage.key(KeyCode::Home, KeyModifiers::CONTROL);
    for width in [1, 3, 20] {
        stage.screen(width, 24);
    }
    assert!(stage.screen(200, 24).contains("ppp… 1,046,528 more characters"));
}
