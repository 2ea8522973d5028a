//! Owns the timeline: the prompts of the session with what each changed, to go back to before one of them.
//! Uses what the session says of its prompts.
//! Never goes back without saying first what will happen.

use std::collections::BTreeSet;

use crossterm::event::{KeyCode, KeyModifiers};
use loci_protocol::{Event, Op, PastTurn, Undo};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::field::{Field, Typed};
use super::list::List;
use super::page::Page;
use crate::component::{Component, Context, Look, Taken};
use crate::input::Input;
use crate::lines::count;
use crate::style::{Line, Style};
use crate::text::{clip, columns, one_line};
use crate::wrap::wrap;

/// Paths that are named in a question; the others are counted.
const NAMED: usize = 3;

/// Characters of a prompt that are kept: as many as the widest terminals have columns.
const SHOWN: usize = 1_000;

/// The prompts that can be gone back to.
pub(crate) struct Timeline {
    turns: Option<Vec<PastTurn>>,
    list: List,
    way: Way,
    asked: Option<(Op, Line, Field)>,
}

/// What goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Both,
    Files,
    Conversation,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Both => "files and conversation",
            Self::Files => "files only",
            Self::Conversation => "conversation only",
        }
    }
}

impl Timeline {
    pub(crate) fn new(context: &mut Context<'_>) -> Self {
        context.op(Op::Timeline);
        Self { turns: None, list: List::default(), way: Way::Both, asked: None }
    }

    /// What will happen, and how it is asked for; nothing where nothing is chosen.
    fn question(&self) -> Option<(Op, Line)> {
        let turns = self.turns.as_ref()?;
        let at = self.list.chosen()?;
        let turn = turns.get(at)?.turn;
        let (files, conversation) = match self.way {
            Way::Both => (true, true),
            Way::Files => (true, false),
            Way::Conversation => (false, true),
        };
        let mut parts = Vec::new();
        if conversation {
            let forgotten = count((turns.len() - at) as u64, "prompt");
            parts.push(format!("{forgotten} and what was said to them are forgotten; the words of prompt {turn} can be edited"));
        }
        let paths = changed(&turns[at..]);
        parts.push(match (files, paths.is_empty()) {
            (true, true) => "no file was changed since".into(),
            (true, false) => {
                format!("changes in {} are taken back: {}", count(paths.len() as u64, "file"), named(&paths))
            }
            (false, true) => "no file was changed since".into(),
            (false, false) => format!("files stay as they are: {}", named(&paths)),
        });
        let line = Line::new(format!("Back to before prompt {turn}: "), Style::Bold)
            .with(parts.join("; ") + ".", Style::Plain);
        Some((Op::Rewind { turn, files, conversation }, line))
    }

    /// The same for the changes of one turn alone.
    fn question_of_one(&self) -> Option<(Op, Line)> {
        let turn = self.turns.as_ref()?.get(self.list.chosen()?)?;
        let paths = changed(std::slice::from_ref(turn));
        if paths.is_empty() {
            return None;
        }
        let line =
            Line::new(format!("The changes of prompt {} alone are taken back: ", turn.turn), Style::Bold)
                .with(named(&paths) + ".", Style::Plain);
        Some((Op::Undo { which: Undo::Turn(turn.turn) }, line))
    }

    fn key(&mut self, code: KeyCode) -> bool {
        match code {
            KeyCode::Char('b') => self.way = Way::Both,
            KeyCode::Char('f') => self.way = Way::Files,
            KeyCode::Char('c') => self.way = Way::Conversation,
            KeyCode::Tab => {
                self.way = match self.way {
                    Way::Both => Way::Files,
                    Way::Files => Way::Conversation,
                    Way::Conversation => Way::Both,
                }
            }
            KeyCode::Enter | KeyCode::Char('u') => {
                let asked = if code == KeyCode::Enter { self.question() } else { self.question_of_one() };
                self.asked = asked.map(|(op, line)| (op, line, Field::new("y or n: ", "")));
            }
            _ => return false,
        }
        true
    }
}

impl Component for Timeline {
    fn take(&mut self, input: &Input, context: &mut Context<'_>) -> Taken {
        match input {
            Input::Event(event) => match event.as_ref() {
                Event::TimelineShown { turns } => {
                    let first = self.turns.is_none();
                    self.list.set(turns.iter().map(|turn| turn.prompt.clone()));
                    if first {
                        self.list.choose(turns.len().saturating_sub(1));
                    }
                    self.turns = Some(turns.iter().map(short).collect());
                }
                // What it shows is no longer so.
                Event::Rewound { .. } | Event::TurnFinished(_) | Event::SessionStarted { .. } => {
                    context.op(Op::Timeline);
                }
                _ => {}
            },
            Input::Key(_) | Input::Paste(_) => {
                if let Some((op, line, mut field)) = self.asked.take() {
                    match field.take(input) {
                        Typed::More if field.text() == "y" => {
                            let leaves = matches!(op, Op::Rewind { conversation: true, .. });
                            context.op(op);
                            // The prompt is in the composer, to be edited.
                            return if leaves { Taken::Close } else { Taken::Yes };
                        }
                        Typed::More if field.text().is_empty() => self.asked = Some((op, line, field)),
                        Typed::No => self.asked = Some((op, line, field)),
                        Typed::More | Typed::Left | Typed::Done(_) => {}
                    }
                    return Taken::Yes;
                }
            }
            _ => {}
        }
        if self.list.take(input) == Taken::Yes {
            return Taken::Yes;
        }
        if let Input::Key(key) = input
            && key.modifiers == KeyModifiers::NONE
        {
            if !context.state.is_idle() && matches!(key.code, KeyCode::Enter | KeyCode::Char('u')) {
                return Taken::Yes;
            }
            if self.key(key.code) {
                return Taken::Yes;
            }
        }
        super::rest(input)
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let facts = match &self.turns {
            None => "…".to_owned(),
            Some(turns) => {
                format!("{} · goes back: {}", count(turns.len() as u64, "prompt"), self.way.name())
            }
        };
        let enter = if look.state.is_idle() { "goes back" } else { "goes back, between turns" };
        let keys = [
            ("Enter", enter),
            ("f", "files"),
            ("c", "conversation"),
            ("b", "both"),
            ("u", "this one's changes"),
            ("/", "filters"),
        ];
        let field = self.asked.as_ref().map(|(_, _, field)| field).or(self.list.field());
        let mut inner = Page { title: "Timeline", facts, keys: &keys, field }.draw(area, buffer, look);
        let Some(turns) = &self.turns else { return };
        let width = usize::from(inner.width);
        let below: Vec<Line> = match &self.asked {
            Some((_, line, _)) => wrap(line, width, 2),
            None => self
                .list
                .chosen()
                .and_then(|at| turns.get(at))
                .map_or_else(Vec::new, |turn| about(turn, width)),
        };
        let wanted = u16::try_from(below.len()).unwrap_or(u16::MAX);
        if inner.height > wanted.saturating_add(2) {
            let foot = Rect { y: inner.bottom() - wanted, height: wanted, ..inner };
            inner.height -= wanted + 1;
            super::lines(&below, foot, buffer, look);
        } else if self.asked.is_some() {
            super::lines(&below, inner, buffer, look);
            return;
        }
        if turns.is_empty() {
            super::lines(&[Line::new("  nothing was said yet", Style::Dim)], inner, buffer, look);
        }
        self.list.draw(inner, buffer, look, |place, width| {
            turns.get(place).map_or_else(Line::default, |turn| row(turn, width))
        });
    }
}

/// A turn with the beginning of its prompt: a row is made anew for each frame, and a prompt may be a file that was pasted.
fn short(turn: &PastTurn) -> PastTurn {
    let prompt = turn.prompt.chars().take(SHOWN).collect();
    PastTurn { turn: turn.turn, at: turn.at.clone(), prompt, changes: turn.changes.clone() }
}

/// Paths that were changed and not taken back, in their order.
fn changed(turns: &[PastTurn]) -> Vec<&str> {
    let mut known = BTreeSet::new();
    turns
        .iter()
        .flat_map(|turn| &turn.changes)
        .filter(|change| !change.undone)
        .flat_map(|change| &change.paths)
        .map(String::as_str)
        .filter(|path| known.insert(*path))
        .collect()
}

fn named(paths: &[&str]) -> String {
    let mut text: Vec<String> = paths.iter().take(NAMED).map(|path| one_line(path, 60)).collect();
    if paths.len() > NAMED {
        text.push(format!("{} more", paths.len() - NAMED));
    }
    text.join(", ")
}

/// What became of a turn's changes, in a few words; nothing where it made none.
fn fate(turn: &PastTurn) -> String {
    let stands = changed(std::slice::from_ref(turn)).len() as u64;
    let undone = turn.changes.iter().any(|change| change.undone);
    match (stands, undone) {
        (0, false) => String::new(),
        (0, true) => "taken back".into(),
        (stands, false) => count(stands, "file"),
        (stands, true) => format!("{}, some taken back", count(stands, "file")),
    }
}

fn row(turn: &PastTurn, width: usize) -> Line {
    let number = format!("{:>4}  ", turn.turn);
    let fate = fate(turn);
    let facts = if fate.is_empty() { fate } else { clip(&format!("  {fate}"), width / 2) };
    let room = width.saturating_sub(columns(&number) + columns(&facts)).max(8);
    let prompt = one_line(&turn.prompt, room);
    let pad = " ".repeat(room.saturating_sub(columns(&prompt)));
    Line::new(number, Style::Bold).with(format!("{prompt}{pad}"), Style::Plain).with(facts, Style::Dim)
}

/// What is known of the chosen one: when it was, and each of its changes.
fn about(turn: &PastTurn, width: usize) -> Vec<Line> {
    let at = one_line(turn.at.get(..16).unwrap_or_default(), width).replace('T', " ");
    let when = if at.is_empty() { String::new() } else { format!("{at} UTC") };
    let mut lines = vec![Line::new(clip(&when, width), Style::Dim)];
    for change in turn.changes.iter().take(NAMED) {
        let paths: Vec<&str> = change.paths.iter().map(String::as_str).collect();
        let (mark, style) =
            if change.undone { ("taken back  ", Style::Warning) } else { ("changed  ", Style::Dim) };
        let room = width.saturating_sub(columns(mark));
        lines.push(Line::new(mark, style).with(clip(&named(&paths), room), Style::Plain));
    }
    if turn.changes.len() > NAMED {
        lines.push(Line::new(format!("… {} more", turn.changes.len() - NAMED), Style::Dim));
    }
    lines
}

/// The prompts in lines for a terminal that is not drawn on.
#[must_use]
pub(crate) fn timeline_lines(turns: &[PastTurn], width: usize) -> Vec<Line> {
    if turns.is_empty() {
        return vec![Line::new("nothing was said yet", Style::Dim)];
    }
    let width = width.max(40);
    let line = |turn: &PastTurn| {
        let number = format!("{:>4}  ", turn.turn);
        let fate = fate(turn);
        let facts = if fate.is_empty() { fate } else { format!("  ({fate})") };
        let room = width.saturating_sub(columns(&number) + columns(&facts));
        Line::new(number, Style::Bold)
            .with(one_line(&turn.prompt, room), Style::Plain)
            .with(facts, Style::Dim)
    };
    let mut lines: Vec<Line> = turns.iter().map(line).collect();
    let tip = "/rewind TURN [files|conversation|both] goes back to before one of them";
    lines.push(Line::new(tip, Style::Tip));
    lines
}

#[cfg(test)]
mod tests {
    use loci_protocol::PastChange;

    use super::*;
    use crate::host::Effect;
    use crate::testing::Stage;

    fn turns() -> Vec<PastTurn> {
        let change = |paths: &[&str], undone| PastChange {
            call_id: "c".into(),
            paths: paths.iter().map(|path| (*path).into()).collect(),
            undone,
        };
        let turn = |turn, prompt: &str, changes| PastTurn {
            turn,
            at: "2026-01-31T12:34:56.789Z".into(),
            prompt: prompt.into(),
            changes,
        };
        vec![
            turn(1, "Why does the parser drop the last token?", vec![]),
            turn(2, "Fix it", vec![change(&["src/parser.rs"], false), change(&["src/lexer.rs"], true)]),
            turn(
                4,
                "価格の計算を直す、それから全部のテストを走らせて結果を教えて、最後にまとめて",
                vec![change(&["a", "b", "c", "d"], false)],
            ),
            turn(5, &format!("evil\u{1b}[2J\u{202e}\n{}", "x".repeat(1_000_000)), vec![change(&["e"], true)]),
        ]
    }

    fn stage() -> Stage {
        let mut stage = Stage::open();
        stage.keys("/rewind\n");
        assert!(stage.effects().contains(&Effect::Op(Op::Timeline)));
        stage.event(Event::TimelineShown { turns: turns() });
        stage
    }

    #[test]
    fn prompts_are_a_timeline() {
        let mut stage = stage();
        stage.keys("kk");
        insta::assert_snapshot!(stage.screens());
        stage.keys("\n");
        insta::assert_snapshot!(stage.screens());
        for (columns, rows) in [(1, 1), (2, 3), (30, 5)] {
            stage.screen(columns, rows);
        }
    }

    #[test]
    fn the_way_back_is_asked_about() {
        let rewind = |turn, files, conversation| Effect::Op(Op::Rewind { turn, files, conversation });
        let check = |keys: &str, expect: &[Effect]| {
            assert_eq!(stage().keys(keys).effects(), expect, "{keys}");
        };
        check("\ny", &[rewind(5, true, true)]);
        check("\nn", &[]);
        check("\n\n", &[]);
        check("kf\ny", &[rewind(4, true, false)]);
        check("kkc\ny", &[rewind(2, false, true)]);
        check("kkcb\ny", &[rewind(2, true, true)]);
        check("kkuy", &[Effect::Op(Op::Undo { which: Undo::Turn(2) })]);
        // Its changes were taken back already.
        check("uy", &[]);
        check("/parser\n\ny", &[rewind(1, true, true)]);
    }

    #[test]
    fn a_prompt_of_ten_megabytes_is_a_short_row() {
        let turn = PastTurn { prompt: "漢".repeat(10 << 20), ..turns()[0].clone() };
        assert_eq!(short(&turn).prompt.chars().count(), SHOWN);
        assert_eq!(short(&turns()[0]), turns()[0]);
    }

    #[test]
    fn escape_twice_opens_it_between_turns() {
        let mut stage = Stage::open();
        stage.effects();
        stage.key(KeyCode::Esc, KeyModifiers::NONE).key(KeyCode::Esc, KeyModifiers::NONE);
        assert_eq!(stage.effects(), [Effect::Op(Op::Timeline)]);
        stage.event(Event::TimelineShown { turns: vec![] });
        assert!(stage.screen(80, 24).contains("nothing was said yet"));
        stage.keys("\nu");
        assert_eq!(stage.effects(), []);
    }

    #[test]
    fn prompts_are_lines_too() {
        let lines: Vec<String> = timeline_lines(&turns(), 60).iter().map(Line::plain).collect();
        assert_eq!(lines.len(), 5);
        assert!(
            lines.iter().take(4).all(|line| columns(line) <= 60 && !line.contains('\u{1b}')),
            "{lines:?}"
        );
        assert_eq!(timeline_lines(&[], 60).len(), 1);
    }
}
