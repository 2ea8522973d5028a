//! Owns the picker of sessions: what each was about, to go on with it, copy, name, export or remove it.
//! Uses the list; the host knows the sessions.
//! Never removes one without asking.

use crossterm::event::{KeyCode, KeyModifiers};
use loci_protocol::Op;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::field::{Field, Typed};
use super::list::List;
use super::page::Page;
use crate::component::{Component, Context, Look, Taken};
use crate::host::{Effect, Opening, Reply, Request, SessionRow};
use crate::input::Input;
use crate::lines::count;
use crate::style::{Line, Style};
use crate::text::{columns, one_line};
use crate::wrap::wrap;

/// The picker of sessions.
pub(crate) struct Sessions {
    rows: Option<Vec<SessionRow>>,
    list: List,
    asked: Option<Asked>,
    said: Vec<Line>,
}

/// What is typed about the chosen one.
enum Asked {
    /// Its title.
    Title(String, Field),
    /// Whether it shall go.
    Remove(String, Field),
}

impl Sessions {
    pub(crate) fn new(context: &mut Context<'_>) -> Self {
        context.ask(Request::Sessions);
        Self { rows: None, list: List::default(), asked: None, said: Vec::new() }
    }

    fn chosen(&self) -> Option<&SessionRow> {
        self.rows.as_ref()?.get(self.list.chosen()?)
    }

    fn key(&mut self, code: KeyCode, context: &mut Context<'_>) -> Option<Taken> {
        let row = self.chosen().cloned();
        let row = match (code, row) {
            (KeyCode::Enter, None) => return Some(Taken::Yes),
            (_, Some(row)) => row,
            _ => return None,
        };
        self.said.clear();
        match code {
            KeyCode::Enter | KeyCode::Char('f')
                if !context.state.is_idle() && context.state.turn.is_some() =>
            {
                self.said = vec![Line::new("a turn runs; Esc, and Esc again, interrupts it", Style::Warning)];
            }
            KeyCode::Enter => {
                if row.id != context.state.session_id {
                    context.effects.push(Effect::Open(Opening::Resume(row.id)));
                }
                return Some(Taken::Close);
            }
            KeyCode::Char('f') => {
                context.effects.push(Effect::Open(Opening::Fork(row.id, None)));
                return Some(Taken::Close);
            }
            KeyCode::Char('n') => {
                self.asked = Some(Asked::Title(row.id, Field::new("Title: ", &row.title)));
            }
            KeyCode::Char('e') => context.ask(Request::ExportSession(row.id)),
            KeyCode::Char('d') if row.id == context.state.session_id => {
                self.said = vec![Line::new("this session is open", Style::Warning)];
            }
            KeyCode::Char('d') => {
                let label = format!("Move “{}” to the trash? y or n: ", one_line(&row.title, 24));
                self.asked = Some(Asked::Remove(row.id, Field::new(label, "")));
            }
            _ => return None,
        }
        Some(Taken::Yes)
    }

    fn typed(&mut self, input: &Input, context: &mut Context<'_>) -> Option<Taken> {
        let asked = self.asked.take()?;
        match asked {
            Asked::Title(id, mut field) => match field.take(input) {
                Typed::More | Typed::No => self.asked = Some(Asked::Title(id, field)),
                Typed::Left => {}
                Typed::Done(title) if title.is_empty() => {}
                Typed::Done(title) => {
                    if id == context.state.session_id {
                        context.op(Op::Rename { title: title.clone() });
                    } else {
                        context.ask(Request::RenameSession { id: id.clone(), title: title.clone() });
                    }
                    // What is shown need not wait for the disk.
                    let rows = self.rows.iter_mut().flatten();
                    for row in rows.filter(|row| row.id == id) {
                        row.title.clone_from(&title);
                    }
                    self.fill();
                }
            },
            Asked::Remove(id, mut field) => match field.take(input) {
                Typed::More if field.text() == "y" => context.ask(Request::RemoveSession(id)),
                Typed::More if field.text().is_empty() => self.asked = Some(Asked::Remove(id, field)),
                Typed::No => self.asked = Some(Asked::Remove(id, field)),
                Typed::More | Typed::Left | Typed::Done(_) => {}
            },
        }
        Some(Taken::Yes)
    }

    fn fill(&mut self) {
        let rows = self.rows.iter().flatten();
        let text = |row: &SessionRow| {
            format!("{} {} {} {}", row.title, row.branch.as_deref().unwrap_or_default(), row.model, row.id)
        };
        self.list.set(rows.map(text));
    }
}

impl Component for Sessions {
    fn take(&mut self, input: &Input, context: &mut Context<'_>) -> Taken {
        if let Input::Reply(reply) = input {
            match reply.as_ref() {
                Reply::Sessions(rows) => {
                    let kept = self.chosen().map(|row| row.id.clone());
                    self.rows = Some(rows.clone());
                    self.fill();
                    if let Some(place) = kept.and_then(|id| rows.iter().position(|row| row.id == id)) {
                        self.list.choose(place);
                    }
                }
                Reply::Said(lines) => self.said.clone_from(lines),
                _ => {}
            }
            return Taken::No;
        }
        if matches!(input, Input::Key(_) | Input::Paste(_))
            && let Some(taken) = self.typed(input, context)
        {
            return taken;
        }
        if self.list.take(input) == Taken::Yes {
            return Taken::Yes;
        }
        if let Input::Key(key) = input
            && matches!(key.modifiers, KeyModifiers::NONE)
            && let Some(taken) = self.key(key.code, context)
        {
            return taken;
        }
        let taken = super::rest(input);
        if taken == Taken::Close && context.state.session_id.is_empty() {
            // Whoever chooses none begins a new one.
            context.effects.push(Effect::Open(Opening::New));
        }
        taken
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let facts = match (&self.rows, self.list.filter()) {
            (None, _) => "…".to_owned(),
            (Some(rows), "") => count(rows.len() as u64, "session"),
            (Some(rows), words) => format!("{} of {} with “{words}”", self.list.len(), rows.len()),
        };
        let field = match &self.asked {
            Some(Asked::Title(_, field) | Asked::Remove(_, field)) => Some(field),
            None => self.list.field(),
        };
        let keys = [
            ("Enter", "goes on"),
            ("f", "copies"),
            ("n", "names"),
            ("e", "exports"),
            ("d", "removes"),
            ("/", "filters"),
        ];
        let page = Page { title: "Sessions", facts, keys: &keys, field };
        let mut inner = page.draw(area, buffer, look);
        let Some(rows) = &self.rows else { return };
        // The chosen one once more, with all that is known of it, where there is room.
        let mut below: Vec<Line> = Vec::new();
        if let Some(row) = self.list.chosen().and_then(|place| rows.get(place)) {
            below = about(row, usize::from(area.width));
        }
        below.extend(self.said.iter().flat_map(|line| wrap(line, usize::from(area.width), 2)));
        let wanted = u16::try_from(below.len()).unwrap_or(u16::MAX);
        if inner.height > wanted + 4 {
            let foot = Rect { y: inner.bottom() - wanted, height: wanted, ..inner };
            inner.height -= wanted + 1;
            super::lines(&below, foot, buffer, look);
        }
        if rows.is_empty() {
            let none = [Line::new("  no sessions in this project yet", Style::Dim)];
            super::lines(&none, inner, buffer, look);
        }
        let own = &look.state.session_id;
        self.list.draw(inner, buffer, look, |place, width| match rows.get(place) {
            Some(row) => entry(row, row.id == *own, width),
            None => Line::default(),
        });
    }
}

/// One row: age, title, and what there is room for at its end.
fn entry(row: &SessionRow, own: bool, width: usize) -> Line {
    let age = format!("{:>8}  ", if own { "open" } else { row.age.as_str() });
    let turns = format!("{:>8}", count(row.turns.into(), "turn"));
    let mut facts = Vec::new();
    if width >= 60 {
        if let Some(branch) = &row.branch {
            facts.push(one_line(branch, 20));
        }
        facts.push(turns);
    }
    if width >= 100 {
        facts.push(one_line(&row.model, 24));
    }
    let facts = facts.join(" · ");
    let remark = row.remark.as_ref().map_or_else(String::new, |remark| format!("  {}", one_line(remark, 24)));
    let taken = columns(&age) + columns(&facts) + columns(&remark) + 2;
    let room = width.saturating_sub(taken).max(8);
    let title = if row.title.trim().is_empty() { "(nothing was said)" } else { row.title.as_str() };
    let title = one_line(title, room);
    let pad = width.saturating_sub(taken + columns(&title)) + 2;
    Line::new(age, Style::Dim)
        .with(title, Style::Plain)
        .with(remark, Style::Warning)
        .with(" ".repeat(pad), Style::Plain)
        .with(facts, Style::Dim)
}

/// What is known of the chosen one, in rows.
fn about(row: &SessionRow, width: usize) -> Vec<Line> {
    let mut facts = vec![row.id.clone(), count(row.turns.into(), "turn"), row.model.clone()];
    facts.extend(row.branch.clone());
    facts.extend(row.remark.clone());
    let mut lines = vec![Line::new(one_line(&facts.join(" · "), width), Style::Dim)];
    for (mark, text) in [("first  ", &row.first), ("last   ", &row.last)] {
        if !text.trim().is_empty() {
            let room = width.saturating_sub(columns(mark));
            lines.push(Line::new(mark, Style::Dim).with(one_line(text, room), Style::Plain));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Stage;

    fn row(id: &str, title: &str) -> SessionRow {
        SessionRow {
            id: id.into(),
            title: title.into(),
            age: "3 h".into(),
            branch: Some("main".into()),
            turns: 4,
            model: "qwen3:8b".into(),
            remark: None,
            first: "Why does the parser drop the last token?".into(),
            last: "And now the tests".into(),
        }
    }

    fn stage() -> Stage {
        let mut stage = Stage::open();
        stage.keys("/sessions\n");
        assert!(stage.effects().contains(&Effect::Ask(Request::Sessions)));
        stage.reply(Reply::Sessions(vec![
            row("01980000-0000-7000-8000-000000000001", "The session that is open"),
            SessionRow { remark: Some("cut off".into()), ..row("b", "Fix the parser") },
            SessionRow {
                branch: None,
                ..row("c", "価格の計算を直す、それから全部のテストを走らせて結果を教えて")
            },
            row("d", &format!("evil\u{1b}[2J\u{202e}{}", "x".repeat(1_000_000))),
            row("e", ""),
        ]));
        stage
    }

    #[test]
    fn sessions_are_a_list() {
        let mut stage = stage();
        stage.keys("j");
        insta::assert_snapshot!(stage.screens());
        stage.screen(1, 1);
    }

    #[test]
    fn keys_go_to_the_session_that_is_chosen() {
        let check = |keys: &str, expect: &[Effect]| {
            let mut stage = stage();
            stage.keys(keys);
            assert_eq!(stage.effects(), expect, "{keys}");
        };
        let ask = Effect::Ask;
        check("j\n", &[Effect::Open(Opening::Resume("b".into()))]);
        check("jjf", &[Effect::Open(Opening::Fork("c".into(), None))]);
        check("je", &[ask(Request::ExportSession("b".into()))]);
        check("jdn", &[]);
        check("jdy", &[ask(Request::RemoveSession("b".into()))]);
        // The one that is open is not opened again, and not removed.
        check("\n", &[]);
        check("dy", &[]);
        let title = |id: &str| Request::RenameSession { id: id.into(), title: "Fix the parser!".into() };
        check("jn!\n", &[ask(title("b"))]);
        check("n!\n", &[Effect::Op(Op::Rename { title: "The session that is open!".into() })]);
        check("/parser\n\n", &[Effect::Open(Opening::Resume("b".into()))]);
    }

    #[test]
    fn the_picker_can_come_before_any_session() {
        let start = || {
            let mut stage = Stage::new(crate::options::Options::default());
            assert_eq!(stage.app.pick_session(stage.now), [Effect::Ask(Request::Sessions)]);
            stage.reply(Reply::Sessions(vec![row("b", "Fix the parser")]));
            stage
        };
        let check = |keys: &str, expect: Opening| {
            let effects = start().keys(keys).effects();
            let opened: Vec<&Effect> =
                effects.iter().filter(|effect| matches!(effect, Effect::Open(_))).collect();
            assert_eq!(opened, [&Effect::Open(expect)], "{keys}");
        };
        check("\n", Opening::Resume("b".into()));
        check("q", Opening::New);
        // One that is open is not left by closing the picker.
        assert_eq!(stage().keys("q").effects(), []);
    }

    #[test]
    fn what_the_host_says_is_shown() {
        let mut stage = stage();
        stage.reply(Reply::Said(vec![Line::new("written to session-b.md", Style::Plain)]));
        assert!(stage.screen(80, 24).contains("written to session-b.md"));
        stage.reply(Reply::Sessions(Vec::new()));
        assert!(stage.screen(80, 24).contains("no sessions in this project yet"));
        stage.key(KeyCode::Esc, KeyModifiers::NONE);
        assert!(!stage.screen(80, 24).contains("Sessions"));
    }
}
