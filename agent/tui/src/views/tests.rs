//! Owns the tests of what commands do on the screen, from the table to what is asked.
//! Uses a stage.
//! Never looks at how a view is drawn; each view's own tests do.

use crossterm::event::{KeyCode, KeyModifiers};
use loci_protocol::{Event, Op, PermissionMode, Undo};

use crate::commands::{TABLE, When};
use crate::host::{Effect, Opening, Request};
use crate::options::Options;
use crate::testing::{Stage, finished};

const ID: &str = "01980000-0000-7000-8000-000000000001";

#[test]
fn commands_ask_for_what_they_say() {
    let check = |typed: &str, expect: Effect| {
        let mut stage = Stage::open();
        let effects = stage.keys(&format!("{typed}\n")).effects();
        assert!(effects.contains(&expect), "{typed}: {effects:?}");
    };
    let run = |words: &[&str]| Effect::Ask(Request::Run(words.iter().map(|word| (*word).into()).collect()));
    check("/undo", Effect::Op(Op::Undo { which: Undo::Newest }));
    check("/undo turn 3", Effect::Op(Op::Undo { which: Undo::Turn(3) }));
    check("/redo", Effect::Op(Op::Redo));
    check("/rewind 3 files", Effect::Op(Op::Rewind { turn: 3, files: true, conversation: false }));
    check("/rewind", Effect::Op(Op::Timeline));
    check("/compact the parser", Effect::Op(Op::Compact { focus: "the parser".into() }));
    check("/mode plan", Effect::Op(Op::SetMode { mode: PermissionMode::Plan }));
    check("/model qwen3:4b", Effect::Op(Op::SetModel { name: "qwen3:4b".into() }));
    check("/why fix it", Effect::Op(Op::Why { task: "fix it".into() }));
    check("/rename A title", Effect::Op(Op::Rename { title: "A title".into() }));
    check("/new", Effect::Open(Opening::New));
    check("/resume 0198", Effect::Open(Opening::Resume("0198".into())));
    check("/fork 2", Effect::Open(Opening::Fork(ID.into(), Some(2))));
    check("/export", Effect::Ask(Request::ExportSession(ID.into())));
    check("/recall flaky test", run(&["recall", "--", "flaky", "test"]));
    check("/recall r41:10-22", run(&["recall", "--session", ID, "--", "r41:10-22"]));
    check("/mcp", run(&["mcp"]));
    check("/doctor", run(&["doctor"]));
    check("/egress", run(&["egress", "show"]));
    check("/vim", Effect::Ask(Request::Keep { key: "screen.vim".into(), value: "true".into() }));
    check("/quit", Effect::Leave);
}

#[test]
fn what_is_said_wrong_is_answered_in_words() {
    let check = |typed: &str, expect: &str| {
        let mut stage = Stage::open();
        let screen = stage.keys(&format!("{typed}\n")).screen(100, 30);
        assert!(screen.contains(expect), "{typed}:\n{screen}");
    };
    check("/rewind x", "say it as /rewind TURN");
    check("/mode nonsense", "there is no mode nonsense");
    check("/mode", "the modes are");
    check("/fork x", "say it as /fork");
    // What wants words is completed by the first Enter.
    check("/rename\n", "say it as /rename TITLE");
    check("/recall\n", "give words to look for");
    check("/copy", "there is no answer to copy yet");
}

#[test]
fn the_last_answer_is_copied() {
    let mut stage = Stage::open();
    stage.event(finished(1, "one\ntwo")).keys("/copy\n");
    assert!(stage.effects().contains(&Effect::Copy("one\ntwo".into())));
    assert!(stage.screen(80, 24).contains("2 lines"));
}

#[test]
fn between_turns_is_between_turns() {
    for command in TABLE.iter().filter(|command| command.when == When::Idle) {
        let mut stage = Stage::open();
        stage.event(Event::TurnStarted { turn: 1, prompt: "x".into() }).effects();
        stage.keys(command.name).keys(" ").keys("\n");
        assert!(stage.screen(80, 24).contains("wait for the end of the turn"), "{}", command.name);
    }
    let mut stage = Stage::new(Options::default());
    assert!(stage.keys("/undo \n").screen(80, 24).contains("no session is open yet"));
}

#[test]
fn a_view_says_that_a_decision_waits() {
    let mut stage = Stage::open();
    stage.keys("/help\n").event(Event::QuestionAsked(loci_protocol::Question {
        id: "q".into(),
        question: "Which?".into(),
        options: Vec::new(),
    }));
    assert!(stage.screen(80, 24).contains("a decision waits: Esc"));
    stage.key(KeyCode::Esc, KeyModifiers::NONE);
    assert!(stage.screen(80, 24).contains("Which?"));
}
