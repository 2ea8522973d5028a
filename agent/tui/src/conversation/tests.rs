//! Owns what is expected of keys and of what waits.
//! Uses the stage: inputs in, effects and screens out.
//! Never sleeps.

use loci_protocol::TurnReport;

use super::*;
use crate::host::{Notification, Opening};
use crate::options::Options;
use crate::testing::{Stage, finished};

const CONTROL: KeyModifiers = KeyModifiers::CONTROL;
const NONE: KeyModifiers = KeyModifiers::NONE;

fn ops(stage: &mut Stage) -> Vec<Op> {
    let op = |effect| if let Effect::Op(op) = effect { Some(op) } else { None };
    stage.effects().into_iter().filter_map(op).collect()
}

fn prompt(text: &str) -> Op {
    Op::Prompt { text: text.into() }
}

fn running() -> Stage {
    let mut stage = Stage::open();
    stage.keys("go\n").event(Event::TurnStarted { turn: 1, prompt: "go".into() });
    stage.effects();
    stage
}

fn interrupted() -> Event {
    let Event::TurnFinished(report) = finished(1, "") else { unreachable!("it is one") };
    Event::TurnFinished(TurnReport { status: loci_protocol::TurnStatus::Interrupted, ..report })
}

#[test]
fn what_is_typed_ahead_waits_for_the_end_of_the_turn() {
    let mut stage = running();
    stage.keys("second\nthird\n");
    assert_eq!(ops(&mut stage), vec![]);
    assert!(stage.screen(80, 24).contains("2 prompts waiting"));
    stage.event(finished(1, ""));
    assert_eq!(ops(&mut stage), vec![prompt("second")]);
    stage.event(finished(2, ""));
    assert_eq!(ops(&mut stage), vec![prompt("third")]);
    stage.event(finished(3, ""));
    assert_eq!(ops(&mut stage), vec![]);
}

#[test]
fn what_is_typed_before_there_is_a_session_waits_for_it() {
    let mut stage = Stage::new(Options::default());
    assert!(stage.screen(80, 24).contains("opening"));
    stage.keys("early\n");
    stage.key(KeyCode::BackTab, KeyModifiers::SHIFT);
    assert_eq!(ops(&mut stage), vec![]);
    stage.event(opened());
    let edits = Op::SetMode { mode: PermissionMode::AcceptEdits };
    assert_eq!(ops(&mut stage), vec![edits, prompt("early")]);
}

fn opened() -> Event {
    Event::SessionStarted {
        session_id: "s".into(),
        cwd: "/srv".into(),
        model: loci_protocol::ModelBadge {
            name: "m".into(),
            provider: "local".into(),
            local: true,
            endpoint: None,
            context_length: 4_096,
            images: false,
        },
        mode: PermissionMode::Default,
        resumed: false,
        sandbox: loci_protocol::SandboxBadge { level: "full".into(), why: String::new() },
        offline: false,
    }
}

#[test]
fn an_interrupt_is_immediate_and_loses_nothing() {
    let mut stage = running();
    stage.keys("one\ntwo\nhalf").key(KeyCode::Esc, NONE);
    assert_eq!(ops(&mut stage), vec![Op::Interrupt]);
    let screen = stage.screen(80, 24);
    assert!(screen.contains("stopping …") && screen.contains("one") && screen.contains("half"), "{screen}");
    stage.event(interrupted());
    // Nothing is sent by itself: it stands in the composer.
    assert_eq!(ops(&mut stage), vec![]);
    stage.keys("\n");
    assert_eq!(ops(&mut stage), vec![prompt("one\n\ntwo\n\nhalf")]);
}

#[test]
fn two_presses_are_one_gesture() {
    let mut stage = Stage::open();
    stage.key(KeyCode::Esc, NONE).key(KeyCode::Esc, NONE);
    assert_eq!(ops(&mut stage), vec![Op::Timeline]);
    // Slowly they are not.
    stage.key(KeyCode::Esc, NONE).pass(TWICE).key(KeyCode::Esc, NONE);
    assert_eq!(ops(&mut stage), vec![]);
    // The one that stops a turn is not the first of two.
    let mut stage = running();
    stage.key(KeyCode::Esc, NONE).event(interrupted());
    stage.effects();
    stage.key(KeyCode::Esc, NONE);
    assert_eq!(ops(&mut stage), vec![]);

    let leaves = |stage: &mut Stage| stage.effects().contains(&Effect::Leave);
    let mut stage = running();
    stage.key(KeyCode::Char('c'), CONTROL);
    assert_eq!(ops(&mut stage), vec![Op::Interrupt]);
    stage.key(KeyCode::Char('c'), CONTROL);
    assert!(leaves(&mut stage));
    let mut stage = Stage::open();
    stage.keys("draft").key(KeyCode::Char('d'), CONTROL).key(KeyCode::Char('c'), CONTROL);
    assert!(!leaves(&mut stage) && !stage.screen(80, 24).contains("draft"));
    stage.pass(TWICE).key(KeyCode::Char('c'), CONTROL);
    assert!(!leaves(&mut stage));
    stage.key(KeyCode::Char('d'), CONTROL);
    assert!(leaves(&mut stage));
}

#[test]
fn shift_tab_goes_through_the_modes() {
    let mut stage = Stage::open();
    let next = |stage: &mut Stage| {
        stage.key(KeyCode::BackTab, KeyModifiers::SHIFT);
        let asked = ops(stage);
        for op in &asked {
            if let Op::SetMode { mode } = op {
                stage.event(Event::ModeChanged { mode: *mode });
            }
        }
        asked
    };
    let set = |mode| vec![Op::SetMode { mode }];
    assert_eq!(next(&mut stage), set(PermissionMode::AcceptEdits));
    assert!(stage.screen(80, 24).contains("edit"));
    // The one in which nothing asks is asked about first.
    assert_eq!(next(&mut stage), vec![]);
    assert!(stage.screen(40, 24).contains("n  no, go on to plan"));
    // Who goes on goes past it.
    assert_eq!(next(&mut stage), set(PermissionMode::Plan));
    assert_eq!(next(&mut stage), set(PermissionMode::Default));
    next(&mut stage);
    next(&mut stage);
    stage.screen(80, 24);
    stage.pass(TWICE).keys("y");
    assert_eq!(ops(&mut stage), vec![], "its letter alone does not do it");
    stage.keys("\n");
    let bypass = PermissionMode::BypassPermissions;
    assert_eq!(ops(&mut stage), set(bypass));
    stage.event(Event::ModeChanged { mode: bypass });
    assert!(stage.screen(80, 24).contains("bypass"));
    assert_eq!(next(&mut stage), set(PermissionMode::Plan));
    next(&mut stage);
    next(&mut stage);
    // Once agreed to, it is not asked about again.
    assert_eq!(next(&mut stage), set(bypass));
}

#[test]
fn a_machine_without_bypass_leaves_it_out() {
    let mut stage = Stage::open();
    stage.event(Event::ModeChanged { mode: PermissionMode::AcceptEdits });
    stage.key(KeyCode::BackTab, KeyModifiers::SHIFT).screen(80, 24);
    stage.pass(TWICE).keys("y\n");
    assert_eq!(ops(&mut stage), vec![Op::SetMode { mode: PermissionMode::BypassPermissions }]);
    // The session says which mode holds: the one before.
    stage.event(Event::ModeChanged { mode: PermissionMode::AcceptEdits });
    stage.key(KeyCode::BackTab, KeyModifiers::SHIFT);
    assert_eq!(ops(&mut stage), vec![Op::SetMode { mode: PermissionMode::Plan }]);
}

#[test]
fn a_session_that_cannot_be_opened_says_why() {
    let mut stage = Stage::new(Options::default());
    stage.keys("early\n").reply(Reply::Failed {
        message: "there is no model \x1b[2Jnonsense".into(),
        hint: Some("loci models lists them".into()),
    });
    let screen = stage.screen(80, 24);
    for part in ["there is no model ␛[2Jnonsense", "loci models lists them", "no session"] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    assert_eq!(ops(&mut stage), vec![]);
    stage.keys("/new\n");
    assert!(stage.effects().contains(&Effect::Open(Opening::New)));
    stage.event(opened());
    assert_eq!(ops(&mut stage), vec![prompt("early")]);
}

#[test]
fn a_session_that_ends_by_itself_is_told_of() {
    let mut stage = running();
    stage.event(Event::SessionEnded { session_id: "s".into(), models: Vec::new() });
    assert!(stage.screen(80, 24).contains("the session has ended"));
    stage.reply(Reply::Failed { message: "it ended by itself".into(), hint: None });
    let screen = stage.screen(80, 24);
    assert!(
        screen.contains("error: it ended by itself") && screen.contains("hint: /model tries"),
        "{screen}"
    );
    stage.keys("more\n");
    assert_eq!(ops(&mut stage), vec![]);
    assert!(stage.screen(80, 24).contains("it waits until there is a session"));
}

#[test]
fn who_looks_elsewhere_is_told() {
    let told = |stage: &mut Stage| -> Vec<Notification> {
        let told = |effect| if let Effect::Notify(told) = effect { Some(told) } else { None };
        stage.effects().into_iter().filter_map(told).collect()
    };
    let long = |turn| {
        let Event::TurnFinished(report) = finished(turn, "\nAll tests\x1b]0;x\x07 pass.\nMore.") else {
            unreachable!("it is one")
        };
        Event::TurnFinished(TurnReport { duration_ms: 12_000, ..report })
    };
    let question = || {
        Event::QuestionAsked(loci_protocol::Question {
            id: "q".into(),
            question: "Which?".into(),
            options: vec![],
        })
    };
    let mut stage = Stage::open();
    stage.effects();
    stage.keys("go\n").event(Event::TurnStarted { turn: 1, prompt: "go".into() });
    assert_eq!(told(&mut stage), vec![Notification::Progress(None)]);
    stage.event(Event::Progress {
        task: "reading the prompt".into(),
        done: 3,
        total: Some(10),
        unit: "tokens".into(),
    });
    assert_eq!(told(&mut stage), vec![Notification::Progress(Some(30))]);
    stage.event(question());
    assert_eq!(told(&mut stage), vec![Notification::Waiting("Which?".into())]);
    stage.event(long(1));
    let done = Notification::Finished("done: All tests␛]0;x␇ pass.".into());
    assert_eq!(told(&mut stage), vec![done, Notification::Idle]);
    // A short turn was waited for.
    stage.keys("go\n").event(Event::TurnStarted { turn: 2, prompt: "go".into() }).event(finished(2, "ok"));
    assert_eq!(told(&mut stage), vec![Notification::Progress(None), Notification::Idle]);
    // Who looks here is not told.
    stage.take(Input::Focus(true)).keys("go\n").event(Event::TurnStarted { turn: 3, prompt: "go".into() });
    stage.event(question()).event(long(3));
    assert_eq!(told(&mut stage), vec![Notification::Progress(None), Notification::Idle]);
    let mut stage = Stage::new(Options { notify: crate::options::Notify::Off, ..Options::default() });
    stage.event(opened()).event(question()).event(long(1));
    assert_eq!(told(&mut stage), vec![]);
}
