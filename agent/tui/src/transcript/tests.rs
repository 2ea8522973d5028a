mod flood;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use loci_protocol::{Event, Level, ModelBadge, PermissionMode, SandboxBadge, Task, ToolReport};

use crate::host::{Effect, Reply, Request};
use crate::input::Input;
use crate::options::Options;
use crate::style::{Line, Style};
use crate::testing::{Stage, called, finished};

const NONE: KeyModifiers = KeyModifiers::NONE;

fn started(id: &str, tool: &str, summary: &str) -> Event {
    Event::ToolStarted {
        call_id: id.into(),
        tool: tool.into(),
        input: serde_json::json!({}),
        summary: summary.into(),
    }
}

fn prompt(turn: u32, text: &str) -> Event {
    Event::TurnStarted { turn, prompt: text.into() }
}

fn says(text: &str) -> Event {
    Event::TextDelta { text: text.into() }
}

fn failed(id: &str, tool: &str, summary: &str, output: &str) -> Event {
    let Event::ToolFinished(report) = called(id, tool, summary, output) else { unreachable!() };
    Event::ToolFinished(ToolReport { ok: false, ..report })
}

fn edited(id: &str, path: &str, diff: &str) -> Event {
    let Event::ToolFinished(report) = called(id, "edit", &format!("edited {path}"), "") else {
        unreachable!()
    };
    Event::ToolFinished(ToolReport { diff: Some(diff.into()), changed: vec![path.into()], ..report })
}

/// A stage whose screen begins with the header of its session; tests look at what follows.
fn stage() -> Stage {
    Stage::open()
}

fn many(stage: &mut Stage, answers: usize) {
    for number in 1..=answers {
        let turn = u32::try_from(number).unwrap();
        stage.event(prompt(turn, &format!("question {number}")));
        stage.event(says(&format!("answer {number}"))).event(finished(turn, &format!("answer {number}")));
    }
}

fn a_turn(stage: &mut Stage) {
    stage.event(prompt(1, "Why is the price rounded twice?\nSee billing.rs."));
    stage.event(Event::ReasoningDelta {
        text: "The user asks about rounding. I should look at billing.rs.".into(),
    });
    stage.pass(Duration::from_secs(12));
    for (id, tool, summary, outcome) in [
        ("c1", "grep", "grep round", "7 matches in 3 files: billing.rs:12"),
        ("c2", "read", "read src/billing.rs:1-40", "lines 1-40 of 120 in src/billing.rs"),
        ("c3", "read", "read src/price.rs", "lines 1-80 of 80 in src/price.rs"),
    ] {
        stage.event(started(id, tool, summary)).event(called(id, tool, outcome, "one\ntwo\nthree"));
    }
    stage.event(says("The price is rounded in `total` and again in `print`:\n\n- once is enough\n"));
    stage.event(started("c4", "edit", "edit src/billing.rs"));
    stage.event(edited(
        "c4",
        "src/billing.rs",
        "--- a/src/billing.rs\n+++ b/src/billing.rs\n@@ -1,3 +1,3 @@\n fn total() {\n-    round(round(sum))\n+    round(sum)\n }\n",
    ));
    stage.event(started("c5", "bash", "bash cargo test"));
    stage.event(failed(
        "c5",
        "bash",
        "exit 101: 1 failed",
        "running 2 tests\ntest a ... ok\ntest b ... FAILED",
    ));
    stage.event(Event::Notice {
        level: Level::Warning,
        message: "the window is 80 % full".into(),
        hint: Some("/compact makes room".into()),
    });
    stage.event(says("One test fails still.")).event(finished(1, "One test fails still."));
}

/// What stands above the line over the prompt.
fn upper(screen: &str) -> String {
    let lines: Vec<&str> = screen.lines().collect();
    let prompt = lines.iter().rposition(|line| line.starts_with('›')).unwrap_or(lines.len());
    lines[..prompt.saturating_sub(1)].join("\n").trim_end().to_owned()
}

#[test]
fn a_turn_reads_in_every_size() {
    let mut stage = stage();
    a_turn(&mut stage);
    let sizes = crate::testing::SIZES
        .map(|(columns, rows)| format!("== {columns} x {rows}\n{}\n", upper(&stage.screen(columns, rows))));
    insta::assert_snapshot!(sizes.concat());
    // Where nothing may be said by signs.
    let mut plain = Stage::new(Options { plain: true, colourless: true, ..Options::default() });
    a_turn(&mut plain);
    insta::assert_snapshot!(upper(&plain.screen(80, 40)));
}

#[test]
fn ctrl_o_opens_and_folds() {
    let mut stage = stage();
    let output: String = (1..=100).map(|number| format!("row {number}\n")).collect();
    stage.event(started("c1", "bash", "bash make")).event(called("c1", "bash", "exit 0", &output));
    assert!(!stage.screen(80, 80).contains("row 1"));
    stage.key(KeyCode::Char('o'), KeyModifiers::CONTROL);
    let screen = stage.screen(80, 80);
    assert!(screen.contains("row 48") && !screen.contains("row 49"), "{screen}");
    assert!(screen.contains("… 52 more lines"));
    stage.key(KeyCode::Char('o'), KeyModifiers::CONTROL);
    assert!(stage.screen(80, 120).contains("row 100"));
    stage.key(KeyCode::Char('o'), KeyModifiers::CONTROL);
    assert!(!stage.screen(80, 80).contains("row 1"));
    // All of them.
    stage.event(started("c2", "bash", "bash ls")).event(called("c2", "bash", "exit 0", "the files"));
    stage.key(KeyCode::Char('o'), KeyModifiers::ALT);
    let screen = stage.screen(80, 130);
    assert!(screen.contains("row 100") && screen.contains("the files"), "{screen}");
    stage.key(KeyCode::Char('o'), KeyModifiers::ALT);
    assert!(!stage.screen(80, 130).contains("the files"));
}

#[test]
fn calls_that_look_are_one_line() {
    let mut stage = stage();
    for number in 0..4 {
        let id = format!("c{number}");
        stage.event(started(&id, "read", &format!("read src/{number}.rs")));
        if number < 3 {
            stage.event(called(&id, "read", "40 lines", "text"));
        }
    }
    stage.pass(Duration::from_secs(3));
    let screen = stage.screen(80, 24);
    assert!(screen.contains("• 4 reads · read src/3.rs · 3 s …"), "{screen}");
    stage.event(called("c3", "read", "40 lines", "text"));
    let screen = stage.screen(80, 24);
    assert!(screen.contains("• 4 reads · 48 ms") && !screen.contains("src/3.rs"), "{screen}");
    stage.key(KeyCode::Char('o'), KeyModifiers::CONTROL);
    let screen = stage.screen(80, 24);
    assert!(screen.contains("• read src/0.rs · 40 lines, 12 ms\n• read src/1.rs"), "{screen}");
}

#[test]
fn calls_side_by_side_end_in_any_order() {
    let mut stage = stage();
    stage.event(prompt(1, "go"));
    stage.event(started("a", "bash", "bash one")).event(started("b", "bash", "bash two"));
    stage.pass(Duration::from_secs(2)).event(called("b", "bash", "exit 0", ""));
    let screen = stage.screen(80, 24);
    assert!(screen.contains("• bash one · 2 s …\n• bash two · exit 0, 12 ms"), "{screen}");
    // The turn ends, and nothing will be heard of the other one.
    stage.event(finished(1, ""));
    assert!(stage.screen(80, 24).contains("✗ bash one · cut off, what it did is unknown"));
    // An outcome of a call that was never begun.
    stage.event(failed("c", "fly", "there is no such tool", "there is no such tool"));
    assert!(stage.screen(80, 24).contains("✗ fly · there is no such tool, 12 ms"));
}

#[test]
fn a_command_of_the_users_own_shows_what_it_printed() {
    let mut stage = stage();
    stage.event(prompt(1, "!ls")).event(started("s1", "bash", "! ls"));
    stage.event(called("s1", "bash", "exit code 0", "a file\nanother")).event(finished(1, ""));
    let screen = stage.screen(80, 24);
    assert!(screen.contains("› !ls\n\n• exit code 0, 12 ms\n    a file\n    another\n\n"), "{screen}");
    assert!(!screen.contains("tokens in"));
}

#[test]
fn what_is_opened_is_seen() {
    let mut stage = stage();
    many(&mut stage, 12);
    let output: String = (1..=12).map(|number| format!("row {number}\n")).collect();
    stage.event(started("c1", "bash", "$ make")).event(called("c1", "bash", "make: exit code 0", &output));
    let screen = stage.screen(80, 24);
    assert!(screen.contains("• $ make · exit code 0, 12 ms") && !screen.contains("row 1"), "{screen}");
    stage.key(KeyCode::Char('o'), KeyModifiers::CONTROL);
    let screen = stage.screen(80, 24);
    assert!(screen.contains("$ make") && screen.contains("row 12"), "{screen}");
    // Of what is longer than the screen, the beginning.
    let screen = stage.screen(80, 14);
    stage.key(KeyCode::Char('o'), KeyModifiers::CONTROL).key(KeyCode::Char('o'), KeyModifiers::CONTROL);
    assert!(!screen.contains("$ make") && stage.screen(80, 14).contains("$ make"), "{screen}");
}

#[test]
fn what_is_thought_is_folded() {
    let mut stage = stage();
    stage.event(prompt(1, "go"));
    stage.event(Event::ReasoningDelta { text: "First this.\nThen".into() }).pass(Duration::from_secs(3));
    assert!(stage.screen(80, 24).contains("• thinking 3 s … · First this."));
    stage.event(Event::ReasoningDelta { text: " that.".into() }).event(says("Done."));
    stage.pass(Duration::from_secs(9));
    let screen = stage.screen(80, 24);
    assert!(screen.contains("• thought for 3 s · First this.") && !screen.contains("Then that."), "{screen}");
    stage.key(KeyCode::Char('o'), KeyModifiers::CONTROL);
    assert!(stage.screen(80, 24).contains("• thought for 3 s\n  First this.\n  Then that.\n"));
}

#[test]
fn a_task_list_changes_in_place() {
    let mut stage = stage();
    let task = |text: &str, done: bool| Task { text: text.into(), done };
    stage.event(prompt(1, "go"));
    stage.event(Event::TasksChanged { tasks: vec![task("read", false), task("write", false)] });
    stage.event(says("Now."));
    stage.event(Event::TasksChanged { tasks: vec![task("read", true), task("write", false)] });
    let screen = stage.screen(80, 24);
    assert!(screen.contains("• tasks · 1 of 2 done\n  ✓ read\n  ▸ write\n\nNow."), "{screen}");
    assert_eq!(screen.matches("tasks ·").count(), 1);
}

#[test]
fn the_end_is_followed_only_while_it_is_shown() {
    let mut stage = stage();
    many(&mut stage, 30);
    assert!(stage.screen(80, 24).contains("answer 30"));
    stage.key(KeyCode::PageUp, NONE);
    let before = stage.screen(80, 24);
    assert!(!before.contains("answer 30") && before.contains("/ finds"), "{before}");
    let first = before.lines().next().unwrap().to_owned();
    stage.event(prompt(31, "question 31")).event(says("new\n\nnewer"));
    let screen = stage.screen(120, 24);
    assert_eq!(screen.lines().next(), Some(first.as_str()));
    assert!(screen.contains("↓ 6 new lines"), "{screen}");
    // Keys that are none of ours go to the prompt, and nothing of them is lost.
    stage.keys("hello");
    let screen = stage.screen(80, 24);
    assert!(screen.contains("newer") && screen.contains("› hello"), "{screen}");
    // The wheel makes no letter a key.
    stage.take(mouse(MouseEventKind::ScrollUp, 3, 3));
    stage.keys(" g/n");
    assert!(stage.screen(80, 24).contains("› hello g/n"));
    assert!(!stage.screen(80, 24).contains("newer"));
    stage.key(KeyCode::End, KeyModifiers::CONTROL);
    assert!(stage.screen(80, 24).contains("newer"));
}

#[test]
fn keys_scroll_to_the_ends_and_to_prompts() {
    let mut stage = stage();
    many(&mut stage, 30);
    stage.screen(80, 24);
    stage.key(KeyCode::Home, KeyModifiers::CONTROL);
    assert!(stage.screen(80, 24).contains("› question 1\n"));
    stage.keys("]]]");
    assert!(stage.screen(80, 24).starts_with("› question 3\n"), "{}", stage.screen(80, 24));
    stage.keys("[");
    assert!(stage.screen(80, 24).starts_with("› question 2\n"));
    stage.keys("G");
    assert!(stage.screen(80, 24).contains("answer 30"));
    for _ in 0..200 {
        stage.key(KeyCode::Up, KeyModifiers::SHIFT);
    }
    stage.screen(80, 24);
    for _ in 0..200 {
        stage.key(KeyCode::PageDown, NONE);
    }
    assert!(stage.screen(80, 24).contains("answer 30"));
}

#[test]
fn a_search_opens_what_it_finds() {
    let mut stage = stage();
    stage.event(prompt(1, "go"));
    stage.event(started("c1", "bash", "bash make")).event(called(
        "c1",
        "bash",
        "exit 0",
        "one\nthe Needle\nthree",
    ));
    stage.event(says("a needle too")).event(finished(1, ""));
    many(&mut stage, 30);
    stage.screen(80, 24);
    stage.key(KeyCode::PageUp, NONE).keys("/needle");
    let screen = stage.screen(80, 24);
    assert!(screen.contains("/needle▏  2/2") && screen.contains("a needle too"), "{screen}");
    stage.key(KeyCode::Enter, NONE);
    stage.keys("n");
    let screen = stage.screen(80, 24);
    assert!(screen.contains("the Needle") && screen.contains("/needle  1/2"), "{screen}");
    stage.keys("N");
    assert!(stage.screen(80, 24).contains("/needle  2/2"));
    // Capitals are meant.
    stage.keys("/Needle");
    assert!(stage.screen(80, 24).contains("/Needle▏  1/1"));
    stage.keys("x");
    assert!(stage.screen(80, 24).contains("/Needlex▏  not found"));
    // Back to the end, step by step.
    stage.key(KeyCode::Esc, NONE).key(KeyCode::Esc, NONE);
    assert!(stage.screen(80, 24).contains("answer 30"));
}

fn mouse(kind: MouseEventKind, column: u16, row: u16) -> Input {
    Input::Mouse(MouseEvent { kind, column, row, modifiers: NONE })
}

fn copied(stage: &mut Stage) -> Vec<String> {
    stage
        .effects()
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Copy(text) => Some(text),
            _ => None,
        })
        .collect()
}

fn drag(stage: &mut Stage, from: (u16, u16), to: (u16, u16)) -> Vec<String> {
    stage.take(mouse(MouseEventKind::Down(MouseButton::Left), from.0, from.1));
    stage.take(mouse(MouseEventKind::Drag(MouseButton::Left), to.0, to.1));
    stage.take(mouse(MouseEventKind::Up(MouseButton::Left), to.0, to.1));
    copied(stage)
}

#[test]
fn a_drag_copies_what_was_written() {
    let mut stage = stage();
    stage.event(prompt(1, "the quick brown fox jumps over the lazy dog\nand 漢字 more"));
    let screen = stage.screen(20, 24);
    let row =
        |text: &str| u16::try_from(screen.lines().position(|line| line.contains(text)).expect(text)).unwrap();
    // Across wraps, without signs.
    assert_eq!(
        drag(&mut stage, (0, row("the quick")), (19, row("lazy"))),
        ["the quick brown fox jumps over the lazy dog"]
    );
    assert!(stage.screen(20, 24).contains("copied"), "{}", stage.screen(20, 24));
    // Backwards.
    assert_eq!(drag(&mut stage, (10, row("the quick")), (6, row("the quick"))), ["quick"]);
    // A wide character as a whole, by either of its columns.
    let wide = row("漢字");
    assert_eq!(drag(&mut stage, (7, wide), (8, wide)), ["漢字"]);
    // Two lines.
    assert_eq!(drag(&mut stage, (2, row("lazy")), (4, wide)), ["lazy dog\nand"]);
    // A click is none.
    assert_eq!(drag(&mut stage, (5, wide), (5, wide)), Vec::<String>::new());
    // A second one takes the word, a third one the line.
    assert_eq!(drag(&mut stage, (5, wide), (5, wide)), Vec::<String>::new());
    assert_eq!(drag(&mut stage, (2, wide), (2, wide)), Vec::<String>::new());
    assert_eq!(drag(&mut stage, (2, wide), (2, wide)), ["and"]);
    assert_eq!(drag(&mut stage, (2, wide), (2, wide)), ["and 漢字 more"]);
}

#[test]
fn a_click_opens_a_call() {
    let mut stage = stage();
    stage.event(started("c1", "bash", "bash ls")).event(called("c1", "bash", "exit 0", "the files"));
    let screen = stage.screen(80, 24);
    let row = u16::try_from(screen.lines().position(|line| line.contains("bash ls")).unwrap()).unwrap();
    drag(&mut stage, (4, row), (4, row));
    assert!(stage.screen(80, 24).contains("\n    the files\n"), "{}", stage.screen(80, 24));
    // With Shift it is the terminal's.
    let press = MouseEvent {
        kind: MouseEventKind::Down(MouseButton::Left),
        column: 4,
        row,
        modifiers: KeyModifiers::SHIFT,
    };
    stage.take(Input::Mouse(press));
    assert!(stage.screen(80, 24).contains("the files"));
}

#[test]
fn y_copies_the_answer_or_what_was_chosen() {
    let mut stage = stage();
    many(&mut stage, 12);
    stage.screen(80, 12);
    stage.key(KeyCode::PageUp, NONE).keys("y");
    assert_eq!(copied(&mut stage), ["answer 12"]);
    stage.screen(80, 12);
    stage.keys("[Jy");
    let text = copied(&mut stage);
    assert!(text.iter().all(|text| text.starts_with("question")) && text.len() == 1, "{text:?}");
}

#[test]
fn what_was_gone_back_from_is_gone() {
    let mut stage = stage();
    many(&mut stage, 3);
    stage.event(Event::Rewound {
        paths: Vec::new(),
        turn: Some(2),
        prompt: Some("question 2".into()),
        message: "went back to before prompt 2".into(),
    });
    let screen = stage.screen(80, 24);
    assert!(screen.contains("answer 1") && screen.contains("• went back to before prompt 2"), "{screen}");
    assert!(!screen.contains("answer 2") && !screen.contains("answer 3"), "{screen}");
    // Its words are open again.
    assert!(screen.contains("\n› question 2"), "{screen}");
}

fn opened(id: &str, resumed: bool) -> Event {
    Event::SessionStarted {
        session_id: id.into(),
        cwd: "/home/ada/price".into(),
        model: ModelBadge {
            name: "qwen3:8b".into(),
            provider: "local".into(),
            local: true,
            endpoint: None,
            context_length: 32_768,
            images: false,
        },
        mode: PermissionMode::Default,
        resumed,
        sandbox: SandboxBadge { level: "full".into(), why: String::new() },
        offline: false,
    }
}

#[test]
fn a_resumed_session_shows_its_past() {
    let mut stage = Stage::new(Options::default());
    stage.event(opened("s1", true));
    assert!(stage.effects().contains(&Effect::Ask(Request::Past("s1".into()))));
    let past = vec![
        prompt(1, "what was asked"),
        started("c1", "bash", "bash ls"),
        called("c1", "bash", "exit 0", "the files"),
        says("what was answered"),
        finished(1, "what was answered"),
    ];
    // That of another one comes too late.
    stage.reply(Reply::Past { session_id: "s0".into(), events: vec![prompt(1, "of another session")] });
    assert!(!stage.screen(80, 24).contains("of another session"));
    stage.reply(Reply::Past { session_id: "s1".into(), events: past });
    let screen = stage.screen(80, 24);
    for words in
        ["› what was asked", "• bash ls · exit 0", "what was answered", "── 1 turn before · resumed ─"]
    {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    assert!(screen.find("what was answered") < screen.find("qwen3:8b"), "{screen}");
    // Who leaves at once finds the answer on the normal screen.
    assert_eq!(stage.app.farewell(60)[0].plain(), "what was answered");
    // It sets off nothing.
    assert!(stage.app.state().is_idle() && stage.app.state().last_answer.is_empty());
    assert_eq!(stage.effects(), Vec::new());
    // Another session begins with an empty transcript.
    stage.event(opened("s2", false));
    assert!(!stage.screen(80, 24).contains("what was answered"));
    assert!(!stage.effects().iter().any(|effect| matches!(effect, Effect::Ask(Request::Past(_)))));
}

#[test]
fn the_same_text_stays_in_sight_when_the_width_changes() {
    let mut stage = stage();
    let words: String = (0..2_000).map(|number| format!("word{number} ")).collect();
    stage.event(prompt(1, "go")).event(says(&words));
    stage.screen(80, 24);
    for _ in 0..10 {
        stage.key(KeyCode::Up, KeyModifiers::SHIFT);
    }
    let first = |screen: &str| screen.split_whitespace().next().unwrap().to_owned();
    let before = first(&stage.screen(80, 24));
    for width in [40, 133, 61, 17, 80] {
        let after = stage.screen(width, 24);
        assert!(
            after.split_whitespace().take(20).any(|word| *word == *before),
            "{before} at {width}: {after}"
        );
    }
    // Back at the first width it is the first word again.
    assert_eq!(first(&stage.screen(80, 24)), before);
}

#[test]
fn the_last_answer_is_left_behind() {
    let mut stage = stage();
    let farewell =
        |stage: &Stage| stage.app.farewell(60).iter().map(Line::plain).collect::<Vec<_>>().join("\n");
    assert_eq!(farewell(&stage), "Go on later with: loci --resume 01980000-0000-7000-8000-000000000001");
    stage.screen(80, 24);
    stage.event(finished(1, "All of it is done.\u{1b}[2J"));
    assert!(farewell(&stage).starts_with("All of it is done.␛[2J\n\nGo on later"), "{}", farewell(&stage));
    let long: Vec<String> = (1..=100).map(|number| format!("- point {number}")).collect();
    stage.event(finished(2, &long.join("\n")));
    let text = farewell(&stage);
    assert!(
        text.contains("point 20") && !text.contains("point 50") && text.contains(" more lines"),
        "{text}"
    );
}

#[test]
fn of_modes_that_were_tried_the_last_one_is_told() {
    let mut stage = stage();
    for mode in [PermissionMode::Plan, PermissionMode::AcceptEdits] {
        stage.event(Event::ModeChanged { mode });
    }
    let screen = stage.screen(80, 24);
    assert!(screen.contains("mode is now acceptEdits") && !screen.contains("mode is now plan"), "{screen}");
    stage.event(prompt(1, "go")).event(Event::ModeChanged { mode: PermissionMode::Plan });
    let screen = stage.screen(80, 24);
    assert!(screen.contains("mode is now acceptEdits") && screen.contains("mode is now plan"), "{screen}");
}

#[test]
fn lines_of_the_host_stand_together() {
    let mut stage = stage();
    for text in ["first", "second"] {
        stage.reply(Reply::Said(vec![Line::new(text, Style::Plain)]));
    }
    assert!(stage.screen(80, 24).contains("\n\nfirst\nsecond\n"), "{}", stage.screen(80, 24));
}

#[test]
fn a_long_answer_is_laid_out_in_parts() {
    let mut stage = stage();
    stage.event(prompt(1, "go"));
    let mut source = String::from("# Title\n\n");
    for number in 0..3_000 {
        source.push_str(&format!("Paragraph {number} with some words.\n\n"));
    }
    source.push_str("```rust\n");
    for number in 0..3_000 {
        source.push_str(&format!("let x{number} = 1;\n"));
    }
    source.push_str("```\n\nThe end of it.\n");
    for piece in source.as_bytes().chunks(7) {
        stage.event(says(std::str::from_utf8(piece).unwrap()));
    }
    stage.event(finished(1, ""));
    let screen = stage.screen(80, 40);
    assert!(screen.contains("The end of it.") && screen.contains("let x2999 = 1;"), "{screen}");
    stage.key(KeyCode::PageUp, NONE).keys("y");
    assert_eq!(copied(&mut stage), [source.trim_end()]);
}
