//! Owns the tests of the composer as a whole: on a screen, with keys.
//! Uses a stage.
//! Never waits.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use insta::assert_snapshot;
use loci_protocol::{Event, Op, PermissionMode};
use proptest::prelude::*;

use super::keys::pressed;
use ratatui::buffer::Buffer as Cells;
use ratatui::layout::{Position, Rect};

use super::Composer;
use crate::component::{Component, Context, Look};
use crate::host::{Completion, Effect, Reply, Request};
use crate::input::Input;
use crate::state::{Running, State};
use crate::testing::{SIZES, Stage, finished};
use crate::theme::Theme;

/// Keys as [`pressed`] writes them.
fn type_in(stage: &mut Stage, keys: &str) {
    for key in pressed(keys) {
        stage.take(Input::Key(key));
    }
}

/// The composer without what stands around it, so that its pictures change only when it does.
#[derive(Default)]
struct Alone {
    composer: Composer,
    state: State,
    effects: Vec<Effect>,
}

impl Alone {
    fn take(&mut self, input: &Input) -> &mut Self {
        let (state, effects) = (&mut self.state, &mut self.effects);
        let mut context = Context { state, effects, opened: &mut Vec::new(), now: Instant::now() };
        let _ = self.composer.take(input, &mut context);
        self
    }

    fn keys(&mut self, keys: &str) -> &mut Self {
        for key in pressed(keys) {
            self.take(&Input::Key(key));
        }
        self
    }

    fn reply(&mut self, reply: Reply) -> &mut Self {
        self.take(&Input::Reply(Box::new(reply)))
    }

    fn screens(&mut self) -> String {
        let theme = Theme::named("ansi", false);
        let look = Look { theme: &theme, state: &self.state, now: Instant::now() };
        let mut all = String::new();
        for (columns, rows) in SIZES {
            let screen = Rect::new(0, 0, columns, rows);
            let mut cells = Cells::empty(screen);
            let height = self.composer.height(columns, rows / 2, &look);
            let area = Rect { y: rows - height, height, ..screen };
            self.composer.draw(area, &mut cells, &look);
            self.composer.draw_above(Rect { height: rows - height, ..screen }, &mut cells, &look);
            let cursor = self.composer.cursor();
            all.push_str(&format!("== {columns} x {rows}\n"));
            for y in 0..rows {
                let mut row = String::new();
                let mut skip = 0;
                for x in 0..columns {
                    let symbol = cells[(x, y)].symbol();
                    if skip > 0 {
                        skip -= 1;
                        continue;
                    }
                    skip = crate::text::columns(symbol).saturating_sub(1);
                    let here = cursor == Some(Position::new(x, y));
                    row.push_str(if here && symbol == " " { "▏" } else { symbol });
                }
                if !row.trim_end().is_empty() {
                    all.push_str(row.trim_end());
                    all.push('\n');
                }
            }
        }
        all
    }
}

fn alone(keys: &str) -> Alone {
    let mut alone = Alone::default();
    alone.state.session_id = "01980000".into();
    alone.keys(keys);
    alone
}

fn stage(keys: &str) -> Stage {
    let mut stage = Stage::open();
    type_in(&mut stage, keys);
    stage
}

fn running() -> Stage {
    let mut stage = stage("first\n");
    stage.event(Event::TurnStarted { turn: 1, prompt: "first".into() });
    stage
}

/// The prompts that were sent since this was asked last.
fn prompts(stage: &mut Stage) -> Vec<String> {
    let sent = |effect| match effect {
        Effect::Op(Op::Prompt { text }) => Some(text),
        _ => None,
    };
    stage.effects().into_iter().filter_map(sent).collect()
}

/// The newest question for what stands behind `@`.
fn asked(stage: &mut Stage) -> Option<(u64, String)> {
    let asked = |effect| match effect {
        Effect::Ask(Request::Complete { number, query }) => Some((number, query)),
        _ => None,
    };
    stage.effects().into_iter().filter_map(asked).next_back()
}

fn found(path: &str, matched: &[u32]) -> Completion {
    Completion { insert: path.into(), label: path.into(), detail: String::new(), matched: matched.to_vec() }
}

#[test]
fn an_empty_composer_says_what_may_be_done() {
    assert_snapshot!(alone("").screens());
    let mut waits = running();
    assert!(waits.screen(80, 24).contains("type ahead: it is sent when the turn is over"));
}

#[test]
fn a_prompt_of_several_lines_grows() {
    let keys = "Write a function that adds two prices, and one that takes a discount off.<s-enter>- whole cents\
                <a-enter>- 漢字 in names<c-j>- no floats\\\nlast line";
    assert_snapshot!(alone(keys).screens());
    let mut stage = stage(keys);
    type_in(&mut stage, "\n");
    let sent = prompts(&mut stage);
    assert_eq!(sent.len(), 1);
    assert!(sent[0].ends_with("\n- whole cents\n- 漢字 in names\n- no floats\nlast line"), "{sent:?}");
}

#[test]
fn a_long_prompt_scrolls_and_the_cursor_stays_in_sight() {
    let mut stage = Stage::open();
    for line in 0..40 {
        type_in(&mut stage, &format!("line {line}<c-j>"));
    }
    let screen = stage.screen(40, 12);
    assert!(screen.contains("line 39") && !screen.contains("line 30"), "{screen}");
    type_in(&mut stage, "<a-lt>");
    let screen = stage.screen(40, 12);
    assert!(screen.contains("› line 0") && !screen.contains("line 39"), "{screen}");
}

#[test]
fn a_long_paste_stands_behind_a_label() {
    let mut stage = stage("explain ");
    let text = "fn main() {}\r\n".repeat(120);
    stage.take(Input::Paste(text));
    type_in(&mut stage, " and ");
    stage.take(Input::Paste("x".repeat(1_001)));
    let mut alone = alone("explain ");
    alone
        .take(&Input::Paste("fn main() {}\n".repeat(120)))
        .keys(" and ")
        .take(&Input::Paste("x".repeat(1_001)));
    assert_snapshot!(alone.screens());
    // One step for the cursor, and gone as a whole.
    type_in(&mut stage, "<bs><bs><bs><bs><bs><bs>, please\n");
    assert_eq!(prompts(&mut stage), [format!("explain {}, please", "fn main() {}\n".repeat(120))]);
}

#[test]
fn a_paste_of_ten_megabytes_is_taken_and_said() {
    let mut stage = stage("look: ");
    let line = format!("{}\x1b[2J\n", "x".repeat(95));
    stage.take(Input::Paste(line.repeat(100_000)));
    let screen = stage.screen(120, 40);
    assert!(screen.contains("[pasted 100000 lines]") && screen.contains("the model holds 32768"), "{screen}");
    type_in(&mut stage, "\n");
    let sent = prompts(&mut stage).remove(0);
    assert_eq!(sent.lines().count(), 100_000);
    assert!(!sent.contains('\x1b') && sent.contains('␛'));
    stage.take(Input::Paste("x".repeat(super::chips::LARGEST + 1)));
    assert!(stage.screen(120, 40).contains("a paste of 40 MB is left out"));
}

#[test]
fn a_megabyte_on_one_line_is_one_label() {
    let mut stage = stage("");
    stage.take(Input::Paste("漢".repeat(350_000)));
    assert!(stage.screen(40, 24).contains("› [pasted 350000 characters]"));
}

#[test]
fn commands_are_offered() {
    assert_snapshot!("palette", alone("/").screens());
    assert_snapshot!("palette_searched", alone("/mod").screens());
    let mut stage = stage("/mod");
    // Tab writes it out; what may follow is offered.
    type_in(&mut stage, "<tab>");
    assert!(stage.screen(80, 24).contains("acceptEdits"));
    type_in(&mut stage, "<esc>");
    assert!(!stage.screen(80, 24).contains("acceptEdits"));
    type_in(&mut stage, "<c-u>/cont\n");
    assert!(stage.effects().contains(&Effect::Op(Op::Context)));
}

#[test]
fn a_command_that_must_wait_says_so() {
    let mut alone = alone("");
    alone.state.turn = Some(Running { since: Instant::now(), interrupted: false, calls: 0 });
    assert_snapshot!(alone.keys("/und").screens());
    let mut stage = running();
    type_in(&mut stage, "/und");
    type_in(&mut stage, "\n");
    assert!(stage.screen(80, 24).contains("when the turn is over"));
    assert!(!stage.effects().iter().any(|effect| matches!(effect, Effect::Op(Op::Undo { .. }))));
    stage.event(finished(1, "done"));
    type_in(&mut stage, "\n\n");
    assert!(stage.effects().iter().any(|effect| matches!(effect, Effect::Op(Op::Undo { .. }))));
}

#[test]
fn files_are_offered_and_older_answers_are_dropped() {
    let mut stage = stage("look at @pri");
    let (number, query) = asked(&mut stage).expect("asked");
    assert_eq!(query, "pri");
    let reply = |number, path| Reply::Completions { number, found: vec![found(path, &[4, 5, 6])] };
    stage.reply(reply(number - 1, "old.rs"));
    assert!(!stage.screen(80, 24).contains("old.rs"));
    let mut both = vec![found("src/price.rs", &[4, 5, 6]), found("src/two words/price list.rs", &[])];
    both[1].detail = "fn price_of".into();
    assert_snapshot!(
        alone("look at @pri").reply(Reply::Completions { number: 4, found: both.clone() }).screens()
    );
    stage.reply(Reply::Completions { number, found: both });
    type_in(&mut stage, "<down><tab>please\n");
    assert_eq!(prompts(&mut stage), ["look at @\"src/two words/price list.rs\" please"]);
    // Closed, it stays closed for this word.
    type_in(&mut stage, "@x");
    let (number, _) = asked(&mut stage).expect("asked");
    stage.reply(reply(number, "x.rs"));
    type_in(&mut stage, "<esc>y");
    assert_eq!(asked(&mut stage), None);
    assert!(!stage.screen(80, 24).contains("x.rs"));
}

#[test]
fn earlier_prompts_come_back() {
    let mut stage = Stage::open();
    stage.reply(Reply::History(vec!["one".into(), "two\nlines".into()]));
    type_in(&mut stage, "draft<up>");
    assert!(stage.screen(80, 24).contains("› two\n  lines"));
    type_in(&mut stage, "<up><up>");
    assert!(stage.screen(80, 24).contains("› one"));
    type_in(&mut stage, "<down><down><down>");
    assert!(stage.screen(80, 24).contains("› draft"));
    type_in(&mut stage, "<up><up><up>!<up>\n");
    assert_eq!(prompts(&mut stage), ["two\nlines"], "a changed entry is written anew");
}

#[test]
fn earlier_prompts_are_searched() {
    let history =
        || Reply::History(vec!["fix the parser".into(), "fix\nthe lexer".into(), "add a test".into()]);
    assert_snapshot!(alone("").reply(history()).keys("draft<c-r>fix").screens());
    let mut stage = Stage::open();
    stage.reply(history());
    type_in(&mut stage, "draft<c-r>fix");
    type_in(&mut stage, "<c-r>");
    assert!(stage.screen(80, 24).contains("› fix the parser"));
    type_in(&mut stage, "<c-g>");
    assert!(stage.screen(80, 24).contains("› draft"));
    type_in(&mut stage, "<c-r>zzz");
    assert!(stage.screen(80, 24).contains("history: zzz (none)"));
    type_in(&mut stage, "<bs><bs><bs>lex<tab>er\n");
    assert_eq!(prompts(&mut stage), ["fix\nthe lexerer"]);
}

#[test]
fn what_waits_is_shown_and_taken_back() {
    let third = "third, which is longer than forty columns are wide";
    let mut alone = alone("");
    alone.state.queue.extend(["second".into(), third.into()]);
    assert_snapshot!(alone.screens());
    let mut stage = running();
    type_in(&mut stage, &format!("second\n{third}\n"));
    type_in(&mut stage, "fourth\nfifth\n");
    assert!(stage.screen(80, 24).contains("1 more wait"));
    type_in(&mut stage, "<up>");
    assert!(stage.screen(80, 24).contains("› fifth"));
    type_in(&mut stage, "<c-u><up><c-u>");
    stage.effects();
    stage.event(finished(1, "one"));
    assert_eq!(prompts(&mut stage), ["second"]);
}

#[test]
fn the_rule_names_modes() {
    assert_snapshot!(alone("!ls -la").screens());
    let mut stage = stage("!ls -la");
    stage.event(Event::ModeChanged { mode: PermissionMode::Plan });
    assert!(stage.screen(80, 24).contains("── plan · shell ──"));
    type_in(&mut stage, "\n");
    let expect = Effect::Op(Op::Shell { command: "ls -la".into() });
    assert!(stage.effects().contains(&expect));
}

#[test]
fn keys_of_vi_have_modes_that_are_shown() {
    let mut alone = alone("");
    alone.state.options.vim = true;
    assert_snapshot!(alone.keys("one two<esc>").screens());
    let mut stage = Stage::new(crate::options::Options { vim: true, ..Default::default() });
    stage.event(Stage::open_event());
    type_in(&mut stage, "one two<esc>viw");
    assert!(stage.screen(80, 24).contains("── visual ──"));
    type_in(&mut stage, "cthree\n");
    assert_eq!(prompts(&mut stage), ["one three"]);
    // The next one is typed, and Esc in normal mode interrupts.
    stage.event(Event::TurnStarted { turn: 1, prompt: "one three".into() });
    type_in(&mut stage, "x<esc>");
    assert!(!stage.effects().contains(&Effect::Op(Op::Interrupt)));
    type_in(&mut stage, "<esc>");
    assert!(stage.effects().contains(&Effect::Op(Op::Interrupt)));
}

#[test]
fn a_draft_is_kept_and_comes_back() {
    let kept = |stage: &mut Stage| {
        let kept = |effect| match effect {
            Effect::Ask(Request::KeepDraft(text)) => Some(text),
            _ => None,
        };
        stage.effects().into_iter().filter_map(kept).collect::<Vec<_>>()
    };
    let mut stage = stage("half a thou");
    assert!(kept(&mut stage).is_empty());
    stage.pass(Duration::from_millis(600));
    assert_eq!(kept(&mut stage), ["half a thou"]);
    assert!(!stage.app.moves());
    type_in(&mut stage, "ght\n");
    assert_eq!(kept(&mut stage), [""]);

    let mut later = Stage::open();
    assert!(later.effects().contains(&Effect::Ask(Request::Draft)));
    later.reply(Reply::Draft("half a thou".into()));
    assert!(later.screen(80, 24).contains("› half a thou"));
    type_in(&mut later, "<c-c>");
    later.pass(Duration::from_millis(600));
    assert_eq!(kept(&mut later), [""]);
    // What is being written is not overwritten.
    type_in(&mut later, "new");
    later.reply(Reply::Draft("old".into()));
    assert!(later.screen(80, 24).contains("› new"));
}

#[test]
fn an_editor_gets_the_whole_text() {
    let mut stage = stage("a ");
    stage.take(Input::Paste("1\n2\n3\n4\n5\n6".into()));
    type_in(&mut stage, "<c-g>");
    assert!(stage.effects().contains(&Effect::Edit("a 1\n2\n3\n4\n5\n6".into())));
    stage.reply(Reply::Edited(Ok("b\n".into())));
    assert!(stage.screen(80, 24).contains("› b"));
    stage.reply(Reply::Edited(Err("vi: not found".into())));
    assert!(stage.screen(80, 24).contains("vi: not found"));
}

#[test]
fn pictures_go_with_the_prompt_that_names_them() {
    let mut refused = stage("<c-v>");
    assert!(refused.screen(80, 24).contains("qwen3:8b takes no pictures"));
    assert!(!refused.effects().contains(&Effect::Ask(Request::Picture)));

    let mut stage = Stage::new(crate::options::Options::default());
    let mut opened = Stage::open_event();
    if let Event::SessionStarted { model, .. } = &mut opened {
        model.images = true;
    }
    stage.event(opened);
    type_in(&mut stage, "what is <c-v>");
    assert!(stage.effects().contains(&Effect::Ask(Request::Picture)));
    stage.reply(Reply::Picture(Ok("/tmp/a.png".into())));
    stage.take(Input::Paste(" file:///home/ada/my%20shot.PNG ".into()));
    type_in(&mut stage, " beside @img/b.jpg");
    assert!(stage.screen(80, 24).contains("› what is [Image #1][Image #2] beside @img/b.jpg"));
    type_in(&mut stage, "\n");
    let ops: Vec<Op> = stage
        .effects()
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Op(op) => Some(op),
            _ => None,
        })
        .collect();
    let attach = |path: &str| Op::Attach { path: path.into() };
    let text = "what is [Image #1][Image #2] beside @img/b.jpg".into();
    let expect =
        [attach("/tmp/a.png"), attach("/home/ada/my shot.PNG"), attach("img/b.jpg"), Op::Prompt { text }];
    assert_eq!(ops, expect);
}

#[test]
fn a_picture_is_told_by_its_path() {
    let check = |text: &str, expect: Option<&str>| {
        assert_eq!(super::pasted_picture(text), expect.map(Into::into), "{text}");
    };
    check("/tmp/a.png", Some("/tmp/a.png"));
    check("'/tmp/a b.jpg'\n", Some("/tmp/a b.jpg"));
    check("/tmp/a\\ b.webp", Some("/tmp/a b.webp"));
    check("file:///tmp/%C3%BC.gif", Some("/tmp/ü.gif"));
    check("file:///tmp/%zz.gif", None);
    check("see /tmp/a.png\nand more", None);
    check("a.png", None);
    check("/tmp/a.rs", None);
}

/// Keys of all kinds, the usual ones more often.
fn any_key() -> impl Strategy<Value = KeyEvent> {
    let code = prop_oneof![
        6 => prop::sample::select("ab /@!\\\"漢\u{301}\u{200d}👩🇩\t(){}w$0^%jkpxdciVv\u{100000}".chars().collect::<Vec<_>>())
            .prop_map(KeyCode::Char),
        1 => any::<char>().prop_map(KeyCode::Char),
        6 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::Backspace, KeyCode::Delete, KeyCode::Left,
            KeyCode::Right, KeyCode::Up, KeyCode::Down, KeyCode::Home, KeyCode::End,
        ]),
    ];
    let modifiers = prop_oneof![
        6 => Just(KeyModifiers::NONE),
        1 => Just(KeyModifiers::SHIFT),
        2 => Just(KeyModifiers::CONTROL),
        2 => Just(KeyModifiers::ALT),
    ];
    (code, modifiers).prop_map(|(code, modifiers)| KeyEvent::new(code, modifiers))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_keys_leave_a_valid_cursor(
        keys in prop::collection::vec(any_key(), 0..120),
        vim in any::<bool>(),
        paste in ".{0,40}",
        columns in 1u16..50,
        rows in 1u16..20,
    ) {
        let mut stage = Stage::new(crate::options::Options { vim, ..Default::default() });
        stage.event(Stage::open_event());
        stage.reply(Reply::History(vec!["one".into(), "two\nlines".into(), paste.clone()]));
        for (number, key) in keys.iter().enumerate() {
            stage.take(Input::Key(*key));
            if number % 16 == 0 {
                stage.take(Input::Paste(paste.clone()));
                let _ = stage.screen(columns, rows);
            }
            if number % 7 == 0 && let Some((number, _)) = asked(&mut stage) {
                stage.reply(Reply::Completions { number, found: vec![found("src/a b.rs", &[0]), found("c/", &[])] });
            }
        }
        let _ = stage.screen(columns, rows);
    }
}
