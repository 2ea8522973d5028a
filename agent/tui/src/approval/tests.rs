//! Owns what is expected of questions in the middle of a turn.
//! Uses the stage: keys in, screens and effects out.
//! Never lets a key approve what was not seen.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers, MouseEvent, MouseEventKind};
use loci_protocol::{Approval, Event, Op, PermissionMode, Question};

use super::*;
use crate::host::Effect;
use crate::testing::{Stage, called, finished};

const NONE: KeyModifiers = KeyModifiers::NONE;

fn request(id: &str, summary: &str, details: &[&str], diff: Option<String>, rules: &[&str]) -> Event {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Event::ApprovalRequested {
        id: id.into(),
        call_id: format!("call-{id}"),
        tool: if diff.is_some() { "edit" } else { "bash" }.into(),
        summary: summary.into(),
        details: owned(details),
        diff,
        rule: None,
        origin: None,
        rules: owned(rules),
        network: Vec::new(),
        why: "it changes something".into(),
    }
}

fn commit(id: &str) -> Event {
    let rules = ["Bash(git add -A)", "Bash(git commit -m x)"];
    request(id, "$ git add -A && git commit -m x", &["git add -A", "git commit -m x"], None, &rules)
}

/// A turn runs and this is asked, and somebody looked at it.
fn asked(event: Event) -> Stage {
    let mut stage = Stage::open();
    stage.keys("go\n").event(Event::TurnStarted { turn: 1, prompt: "go".into() }).event(event);
    stage.pass(QUIET);
    stage.screen(80, 24);
    stage.pass(QUIET);
    stage.effects();
    stage
}

/// What is asked, in every size: from its title to its keys.
fn panels(stage: &mut Stage) -> String {
    let panel = |(columns, rows): (u16, u16)| {
        let screen = stage.screen(columns, rows);
        let rows: Vec<&str> = screen.lines().collect();
        let first = rows.iter().position(|row| row.starts_with("── ")).expect("a title");
        let last = rows.iter().rposition(|row| row.contains("Enter")).expect("the keys");
        let left = if first > 0 { "" } else { ", nothing above" };
        format!("== {columns} columns{left}\n{}\n", rows[first..=last].join("\n"))
    };
    crate::testing::SIZES.map(panel).concat()
}

fn ops(stage: &mut Stage) -> Vec<Op> {
    let op = |effect| if let Effect::Op(op) = effect { Some(op) } else { None };
    stage.effects().into_iter().filter_map(op).collect()
}

fn approve(id: &str, approval: Approval) -> Vec<Op> {
    vec![Op::Approve { id: id.into(), approval }]
}

fn diff_of(rows: usize) -> String {
    let mut diff = format!("--- src/lib.rs\n+++ src/lib.rs\n@@ -1,{rows} +1,{rows} @@\n");
    for row in 0..rows / 2 {
        diff.push_str(&format!("-    let value_{row} = old({row});\n+    let value_{row} = new({row});\n"));
    }
    diff
}

#[test]
fn an_approval_stands_in_place() {
    let mut stage = asked(Event::ApprovalRequested {
        id: "a1".into(),
        call_id: "c1".into(),
        tool: "bash".into(),
        summary: "$ cargo add serde && cargo build".into(),
        details: vec![
            "cargo add serde".into(),
            "cargo build".into(),
            "writes /home/ada/price/Cargo.toml".into(),
        ],
        diff: None,
        rule: Some("Bash(cargo add:*)".into()),
        origin: Some("/home/ada/price/.loci/config.toml:3".into()),
        rules: vec!["Bash(cargo add serde)".into(), "Bash(cargo build)".into()],
        network: vec!["crates.io".into(), "static.crates.io".into()],
        why: "a rule asks".into(),
    });
    insta::assert_snapshot!(panels(&mut stage));
}

#[test]
fn an_edit_shows_its_diff() {
    let diff = "--- src/price.rs\n+++ src/price.rs\n@@ -1,3 +1,3 @@\n fn net(gross: u32) -> u32 {\n-    gross / 119 * 100\n+    gross * 100 / 119\n }\n";
    let mut stage =
        asked(request("a1", "edit src/price.rs", &["/home/ada/price/src/price.rs"], Some(diff.into()), &[]));
    insta::assert_snapshot!(panels(&mut stage));
}

#[test]
fn a_long_diff_is_scrolled_through_before_a_yes() {
    let mut stage = asked(request("a1", "edit src/lib.rs", &[], Some(diff_of(300)), &[]));
    insta::assert_snapshot!(panels(&mut stage));
    // Each yes is the next page instead, until the end was in sight.
    let mut pages = 0;
    let answer = loop {
        stage.screen(80, 24);
        stage.pass(QUIET);
        stage.keys("y");
        let ops = ops(&mut stage);
        if !ops.is_empty() {
            break ops;
        }
        pages += 1;
        assert!(pages < 100, "no end");
    };
    assert_eq!(answer, approve("a1", Approval::Once));
    assert!(pages >= 300 / 24, "{pages} pages were seen");
    // A key that is held down goes to the end, and no further.
    let mut stage = asked(request("a1", "edit src/lib.rs", &[], Some(diff_of(300)), &[]));
    for _ in 0..100 {
        stage.screen(80, 24);
        stage.pass(Duration::from_millis(30)).keys("y");
    }
    assert_eq!(ops(&mut stage), vec![]);
    assert!(stage.screen(80, 24).contains("the end;"));
    // A no needs nothing to be seen, and whoever goes to the end by its key may say yes.
    let mut stage = asked(request("a2", "edit src/lib.rs", &[], Some(diff_of(300)), &[]));
    stage.keys("n\n");
    assert_eq!(ops(&mut stage), approve("a2", Approval::Deny { reason: String::new() }));
    let mut stage = asked(request("a3", "edit src/lib.rs", &[], Some(diff_of(300)), &[]));
    stage.key(KeyCode::End, NONE).screen(80, 24);
    assert!(stage.screen(80, 24).contains("value_149 = new(149)"));
    stage.keys("y");
    assert_eq!(ops(&mut stage), approve("a3", Approval::Once));
}

#[test]
fn every_line_of_a_diff_can_be_reached() {
    let mut stage = asked(request("a1", "edit src/lib.rs", &[], Some(diff_of(300)), &[]));
    let mut seen = String::new();
    for _ in 0..300 {
        seen.push_str(&stage.screen(40, 24));
        stage.key(KeyCode::PageDown, NONE);
    }
    for row in 0..150 {
        assert!(seen.contains(&format!("old({row})")) && seen.contains(&format!("new({row})")), "{row}");
    }
}

#[test]
fn keys_answer() {
    let check = |keys: &str, expect: Vec<Op>| {
        let mut stage = asked(commit("a1"));
        stage.keys(keys);
        assert_eq!(ops(&mut stage), expect, "{keys:?}");
    };
    let deny = |reason: &str| approve("a1", Approval::Deny { reason: reason.into() });
    check("y", approve("a1", Approval::Once));
    check("\n", approve("a1", Approval::Once));
    // What lasts is chosen by its letter, and done by Enter.
    check("s", vec![]);
    check("s\n", approve("a1", Approval::Session));
    check("r\n", approve("a1", Approval::Rule));
    check("n", vec![]);
    check("n\n", deny(""));
    check("nuse make instead\n", deny("use make instead"));
    let mut stage = asked(commit("a1"));
    stage.key(KeyCode::Down, NONE).key(KeyCode::Down, NONE).key(KeyCode::Enter, NONE);
    assert_eq!(ops(&mut stage), approve("a1", Approval::Rule));
    // Without a rule that could be saved, r is a letter like any other.
    let mut stage = asked(request("a1", "$ make", &[], None, &[]));
    stage.keys("r\n");
    assert_eq!(ops(&mut stage), vec![]);
    assert_eq!(stage.app.state().queue, ["r"]);
}

#[test]
fn what_is_typed_ahead_answers_nothing() {
    // In the middle of a sentence: it goes on in the composer, and the question waits.
    let mut stage = Stage::open();
    stage.keys("go\n").event(Event::TurnStarted { turn: 1, prompt: "go".into() });
    stage.keys("say").event(commit("a1"));
    stage.screen(80, 24);
    stage.effects();
    stage.keys(" yes, y n\n");
    assert_eq!(ops(&mut stage), vec![]);
    assert_eq!(stage.app.state().queue, ["say yes, y n"]);
    // Nothing is written any more, and after a pause the keys are the question's.
    stage.pass(QUIET).keys("y");
    assert_eq!(ops(&mut stage), approve("a1", Approval::Once));

    // A key that comes as soon as the question does was meant for something else.
    let mut stage = Stage::open();
    stage.keys("go\n").event(Event::TurnStarted { turn: 1, prompt: "go".into() });
    stage.pass(Duration::from_secs(60)).event(commit("a1"));
    stage.screen(80, 24);
    stage.pass(Duration::from_millis(100)).keys("y");
    assert_eq!(ops(&mut stage).len(), 1, "the prompt alone");
    assert!(stage.screen(80, 24).contains("Tab answers"));
    // Tab hands the keys over, however much is written.
    stage.key(KeyCode::Tab, NONE).keys("y");
    assert_eq!(ops(&mut stage), approve("a1", Approval::Once));

    // What nobody has seen cannot be answered: nothing was drawn.
    let mut stage = Stage::open();
    stage.keys("go\n").event(Event::TurnStarted { turn: 1, prompt: "go".into() }).event(commit("a1"));
    stage.pass(Duration::from_secs(60)).effects();
    stage.keys("y");
    assert_eq!(ops(&mut stage), vec![]);
    // A screen that is too small shows nothing either; what is larger does.
    let mut stage = Stage::open();
    stage.keys("go\n").event(commit("a1"));
    for (columns, rows) in [(1, 1), (5, 40), (80, 2)] {
        stage.screen(columns, rows);
    }
    stage.pass(Duration::from_secs(60)).effects();
    stage.keys("y");
    assert_eq!(ops(&mut stage), vec![]);
}

#[test]
fn a_word_that_begins_with_a_letter_of_the_menu_approves_nothing_that_lasts() {
    for word in ["stop, that is wrong\n", "run the tests first\n", "please wait\n"] {
        let mut stage = asked(commit("a1"));
        stage.keys(word);
        assert_eq!(ops(&mut stage), vec![], "{word}");
    }
    let mut stage = asked(commit("a1"));
    stage.keys("no, leave it\n");
    assert_eq!(ops(&mut stage), approve("a1", Approval::Deny { reason: "o, leave it".into() }));
}

#[test]
fn several_wait_in_a_row() {
    let mut stage = asked(commit("a1"));
    stage.event(commit("a2"));
    assert!(stage.screen(80, 24).contains("1 of 2"));
    stage.keys("yy");
    // A key that is held down answers one of them.
    assert_eq!(ops(&mut stage), approve("a1", Approval::Once));
    assert_eq!(stage.app.state().approval.as_deref(), Some("a2"));
    // The held key went into the composer.
    stage.key(KeyCode::Backspace, NONE).screen(80, 24);
    stage.pass(QUIET).keys("y");
    assert_eq!(ops(&mut stage), approve("a2", Approval::Once));
    assert_eq!(stage.app.state().approval, None);
    // One whose call ended asks no longer, and neither does one whose turn is over.
    stage.event(commit("a3")).event(commit("a4")).event(called("call-a3", "bash", "cut off", ""));
    assert_eq!(stage.app.state().approval.as_deref(), Some("a4"));
    stage.event(finished(1, ""));
    assert_eq!(stage.app.state().approval, None);
    assert!(!stage.screen(80, 24).contains("approval"));
}

#[test]
fn escape_stops_the_turn_that_waits() {
    let mut stage = asked(commit("a1"));
    stage.key(KeyCode::Esc, NONE);
    assert_eq!(ops(&mut stage), vec![Op::Interrupt]);
    assert!(stage.screen(80, 24).contains("stopping"));
    // In the reason it goes back to the menu first.
    let mut stage = asked(commit("a1"));
    stage.keys("nnot th").key(KeyCode::Esc, NONE);
    assert_eq!(ops(&mut stage), vec![]);
    stage.key(KeyCode::Esc, NONE);
    assert_eq!(ops(&mut stage), vec![Op::Interrupt]);
}

#[test]
fn a_hostile_command_is_shown_as_it_is() {
    let command = format!(
        "$ echo \x1b[2J\x1b]52;c;ZXZpbA==\x07ok\r{}; rm -rf src\u{202e}gnp.\u{200b}\u{a0}\u{3164}{}",
        " ".repeat(400),
        "漢".repeat(60)
    );
    let details = ["echo ok", "rm -rf src"];
    let mut stage = asked(request("a1", &command, &details, None, &["Bash(rm -rf src)"]));
    let screens = panels(&mut stage);
    assert!(!screens.contains('\x1b') && !screens.contains('\u{202e}') && !screens.contains('\u{200b}'));
    insta::assert_snapshot!(screens);
}

#[test]
fn a_diff_hides_nothing() {
    let diff = "--- a\n+++ a\n@@ -1 +1 @@\n-x\n+x\u{200b}\x1b[8mhidden\u{2062}\u{e0041}\n".to_owned();
    let mut stage = asked(request("a1", "edit a", &[], Some(diff), &[]));
    let screen = stage.screen(80, 24);
    assert!(screen.contains("+ x\\u{200b}␛[8mhidden\\u{2062}\\u{e0041}"), "{screen}");
}

#[test]
fn a_megabyte_on_one_line_is_shown_in_bounded_time() {
    let mut stage = asked(request("a1", &format!("$ echo {}END", "x".repeat(1 << 20)), &[], None, &[]));
    assert!(stage.screen(80, 24).contains("rows below: PgDn or End, then yes"));
    stage.key(KeyCode::End, NONE);
    assert!(stage.screen(80, 24).contains("END"));
    for (columns, rows) in [(1, 1), (2, 3), (5, 2), (12, 6)] {
        assert!(stage.screen(columns, rows).lines().count() <= usize::from(rows));
    }
}

#[test]
fn the_wheel_scrolls_what_it_turns_over() {
    let mut stage = asked(request("a1", "edit src/lib.rs", &[], Some(diff_of(300)), &[]));
    assert!(stage.screen(80, 24).contains("? edit src/lib.rs"));
    let turn = |row| MouseEvent { kind: MouseEventKind::ScrollDown, column: 5, row, modifiers: NONE };
    stage.take(Input::Mouse(turn(10)));
    assert!(!stage.screen(80, 24).contains("? edit src/lib.rs"));
}

fn question(options: &[&str]) -> Event {
    let options = options.iter().map(|option| (*option).to_owned()).collect();
    Event::QuestionAsked(Question { id: "q1".into(), question: "Which database?\x1b[2J".into(), options })
}

fn answer(text: &str) -> Vec<Op> {
    vec![Op::Answer { id: "q1".into(), text: text.into() }]
}

#[test]
fn questions_are_answered() {
    let mut stage =
        asked(question(&["SQLite", "PostgreSQL, as the other services of the company have it", "none"]));
    insta::assert_snapshot!(panels(&mut stage));
    let check = |keys: &str, expect: Vec<Op>| {
        let mut stage = asked(question(&["SQLite", "PostgreSQL"]));
        stage.keys(keys);
        assert_eq!(ops(&mut stage), expect, "{keys:?}");
    };
    check("2", answer("PostgreSQL"));
    check("\n", answer("SQLite"));
    check("o\n", vec![]);
    check("oneither\n", answer("neither"));
    check("3", vec![]);
    let mut stage = asked(question(&["SQLite", "PostgreSQL"]));
    stage.key(KeyCode::Down, NONE).key(KeyCode::Enter, NONE);
    assert_eq!(ops(&mut stage), answer("PostgreSQL"));
}

#[test]
fn an_open_question_has_a_field() {
    let mut stage = asked(question(&[]));
    stage.keys("the second").take(Input::Paste(" one\nof both".into()));
    insta::assert_snapshot!(panels(&mut stage));
    stage.key(KeyCode::Enter, NONE);
    assert_eq!(ops(&mut stage), answer("the second one of both"));
    // An empty answer is none; Esc stops the turn.
    let mut stage = asked(question(&[]));
    stage.keys("\n").key(KeyCode::Esc, NONE);
    assert_eq!(ops(&mut stage), vec![Op::Interrupt]);
}

#[test]
fn a_hundred_options_leave_room_for_the_question() {
    let options: Vec<String> = (0..100).map(|number| format!("option {number}")).collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let mut stage = asked(question(&options));
    for _ in 0..60 {
        stage.key(KeyCode::Down, NONE);
    }
    let screen = stage.screen(80, 24);
    assert!(screen.contains("Which database?") && screen.contains("option 60"), "{screen}");
}

#[test]
fn modes_follow_each_other() {
    use PermissionMode::{AcceptEdits, BypassPermissions, Default, DontAsk, Plan};
    let check = |from, without, expect| assert_eq!(mode_after(from, without), expect);
    check(Plan, false, Default);
    check(Default, false, AcceptEdits);
    check(AcceptEdits, false, BypassPermissions);
    check(AcceptEdits, true, Plan);
    check(BypassPermissions, false, Plan);
    check(DontAsk, false, Default);
}

#[test]
fn trust_is_asked_about_with_everything_that_takes_effect() {
    let offered = |count: usize| {
        let mut lines =
            vec![Line::new("  .loci/config.toml: allow = [\"Bash(make:*)\"]\u{241b}[2J", Style::Plain)];
        lines.extend((0..count).map(|number| Line::new(format!("  setting {number}"), Style::Added)));
        let mut stage = Stage::new(crate::options::Options::default());
        stage.reply(crate::host::Reply::TrustWanted { root: "/srv/app\u{202e}".into(), lines });
        stage.screen(80, 24);
        stage.pass(QUIET);
        stage.effects();
        stage
    };
    let answers = |stage: &mut Stage| -> Vec<bool> {
        let answer = |effect| if let Effect::Ask(Request::Trust(yes)) = effect { Some(yes) } else { None };
        stage.effects().into_iter().filter_map(answer).collect()
    };
    let mut stage = offered(3);
    insta::assert_snapshot!(panels(&mut stage));
    // A yes lasts, so its letter alone is none.
    stage.keys("y");
    assert!(answers(&mut stage).is_empty());
    stage.keys("\n");
    assert_eq!(answers(&mut stage), [true]);
    let mut stage = offered(3);
    stage.keys("n");
    assert_eq!(answers(&mut stage), [false]);
    // Enter alone is a no.
    let mut stage = offered(3);
    stage.keys("\n");
    assert_eq!(answers(&mut stage), [false]);
    // Not before all of it was seen.
    let mut stage = offered(100);
    stage.keys("y\n");
    assert!(answers(&mut stage).is_empty());
    stage.key(KeyCode::End, NONE).screen(80, 24);
    stage.pass(QUIET).keys("\n");
    assert_eq!(answers(&mut stage), [true]);
    // Who types ahead says nothing about trust.
    let mut stage = Stage::new(crate::options::Options::default());
    let lines = vec![Line::new("  x", Style::Plain)];
    stage.keys("wh").reply(crate::host::Reply::TrustWanted { root: "/srv".into(), lines });
    stage.screen(80, 24);
    stage.pass(QUIET).keys("y not\n");
    assert!(answers(&mut stage).is_empty());
    assert_eq!(stage.app.state().queue, ["why not"]);
}
