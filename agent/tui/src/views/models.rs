//! Owns the picker of models: where each runs, whether it fits and is here, how fast it was.
//! Uses what the host knows of the catalogue and the machine.
//! Never fetches a model: it says the command that does.

use crossterm::event::{KeyCode, KeyModifiers};
use loci_protocol::{Event, Op};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::list::List;
use super::page::Page;
use super::printed::Printed;
use crate::component::{Component, Context, Look, Taken};
use crate::context::number;
use crate::host::{Effect, ModelRow, Opening, Reply, Request};
use crate::input::Input;
use crate::lines::count;
use crate::style::{Line, Style};
use crate::text::{clip, columns, one_line};

/// The picker of models.
pub(crate) struct Models {
    rows: Option<Vec<ModelRow>>,
    list: List,
    said: Option<Line>,
}

impl Models {
    pub(crate) fn new(context: &mut Context<'_>) -> Self {
        context.ask(Request::Models);
        Self { rows: None, list: List::default(), said: None }
    }

    fn chosen(&self) -> Option<&ModelRow> {
        self.rows.as_ref()?.get(self.list.chosen()?)
    }

    fn key(&mut self, code: KeyCode, context: &mut Context<'_>) -> Option<Taken> {
        let row = self.chosen().cloned();
        match (code, row) {
            (KeyCode::Enter, Some(row)) => {
                if !row.ready {
                    self.said = Some(how(&row));
                } else if context.state.is_idle() && !context.state.is_open() {
                    context.effects.push(Effect::Open(Opening::With(row.name)));
                    return Some(Taken::Close);
                } else if context.state.is_idle() {
                    context.op(Op::SetModel { name: row.name });
                    return Some(Taken::Close);
                } else {
                    self.said =
                        Some(Line::new("wait for the end of the turn, or interrupt it", Style::Warning));
                }
            }
            (KeyCode::Char('p'), Some(row)) => self.said = Some(how(&row)),
            (KeyCode::Char('t'), _) => {
                context.op(Op::Why { task: String::new() });
                context.open(Printed::route());
            }
            (KeyCode::Char('r'), _) => context.ask(Request::Models),
            (KeyCode::Enter | KeyCode::Char('p'), None) => {}
            _ => return None,
        }
        Some(Taken::Yes)
    }
}

impl Component for Models {
    fn take(&mut self, input: &Input, context: &mut Context<'_>) -> Taken {
        match input {
            Input::Reply(reply) => {
                if let Reply::Models(rows) = reply.as_ref() {
                    let text = |row: &ModelRow| format!("{} {} {}", row.name, row.place, row.verdict);
                    self.list.set(rows.iter().map(text));
                    let own = context.state.model.as_ref().map(|model| model.name.clone());
                    if self.rows.is_none()
                        && let Some(place) = rows.iter().position(|row| Some(&row.name) == own.as_ref())
                    {
                        self.list.choose(place);
                    }
                    self.rows = Some(rows.clone());
                }
            }
            Input::Event(event) if matches!(event.as_ref(), Event::ModelChanged { .. }) => self.said = None,
            _ => {}
        }
        if self.list.take(input) == Taken::Yes {
            self.said = None;
            return Taken::Yes;
        }
        if let Input::Key(key) = input
            && key.modifiers == KeyModifiers::NONE
            && let Some(taken) = self.key(key.code, context)
        {
            return taken;
        }
        super::rest(input)
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let own = look.state.model.as_ref().map_or("", |model| model.name.as_str());
        let facts = match &self.rows {
            None => "…".to_owned(),
            Some(rows) => format!("{} · {} goes on", count(rows.len() as u64, "model"), one_line(own, 40)),
        };
        let enter = if look.state.is_idle() { "goes on with it" } else { "between turns: goes on with it" };
        let keys =
            [("Enter", enter), ("p", "how to get it"), ("t", "tells why"), ("/", "filters"), ("r", "again")];
        let page = Page { title: "Models", facts, keys: &keys, field: self.list.field() };
        let mut inner = page.draw(area, buffer, look);
        let Some(rows) = &self.rows else { return };
        let width = usize::from(inner.width);
        let mut below = self.chosen().map_or_else(Vec::new, |row| about(row, width));
        below.extend(self.said.iter().map(|line| Line::new(clip(&line.plain(), width), Style::Warning)));
        let wanted = u16::try_from(below.len()).unwrap_or(u16::MAX);
        if inner.height > wanted.saturating_add(4) {
            let foot = Rect { y: inner.bottom() - wanted, height: wanted, ..inner };
            inner.height -= wanted + 1;
            super::lines(&below, foot, buffer, look);
        }
        self.list.draw(inner, buffer, look, |place, width| {
            rows.get(place).map_or_else(Line::default, |row| entry(row, row.name == own, width))
        });
    }
}

/// How a model that is not here is got.
fn how(row: &ModelRow) -> Line {
    match &row.command {
        Some(command) => Line::new(
            format!("to use {}: {}", one_line(&row.name, 60), one_line(command, 200)),
            Style::Warning,
        ),
        None if row.ready => {
            Line::new(format!("{} can be used as it is", one_line(&row.name, 60)), Style::Plain)
        }
        None => Line::new(
            format!("{} cannot be used: {}", one_line(&row.name, 60), one_line(&row.verdict, 200)),
            Style::Warning,
        ),
    }
}

/// `4.9 GB`, as model pages write it.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000),
    }
}

fn speed(row: &ModelRow) -> Option<String> {
    row.speed.map(|(prompt, answer)| format!("{prompt:.0}/{answer:.1} tok/s"))
}

fn entry(row: &ModelRow, own: bool, width: usize) -> Line {
    let mark = match (own, row.ready) {
        (true, _) => "* ",
        (false, true) => "+ ",
        (false, false) => "  ",
    };
    let badge = if row.local { "local " } else { "remote" };
    let mut facts = Vec::new();
    if width >= 90 {
        facts.push(format!("{:>8}", row.bytes.map(size).unwrap_or_default()));
        facts.push(format!("{:>9}", if row.context > 0 { number(row.context) } else { String::new() }));
        facts.push(format!("{:>16}", speed(row).unwrap_or_default()));
    }
    let facts = facts.join(" ");
    let wide = if width >= 60 { 24 } else { width / 3 };
    let verdict = one_line(&row.verdict, wide);
    let pad = " ".repeat(wide.saturating_sub(columns(&verdict)));
    let taken = columns(mark) + columns(badge) + 2 + columns(&verdict) + pad.len() + columns(&facts) + 2;
    let room = width.saturating_sub(taken).clamp(8, 48);
    let name = one_line(&row.name, room);
    let space = " ".repeat(room.saturating_sub(columns(&name)));
    let style = if row.ready { Style::Plain } else { Style::Dim };
    Line::new(mark, Style::Tip)
        .with(format!("{name}{space} "), style)
        .with(badge, if row.local { Style::Added } else { Style::Warning })
        .with(format!(" {verdict}{pad} "), style)
        .with(facts, Style::Dim)
}

/// Everything that is known of the chosen one.
fn about(row: &ModelRow, width: usize) -> Vec<Line> {
    let mut facts = vec![if row.local {
        "on this machine".to_owned()
    } else {
        "elsewhere: what it reads leaves this machine".into()
    }];
    if !row.place.is_empty() {
        facts.push(row.place.clone());
    }
    facts.push(row.verdict.clone());
    facts.extend(row.bytes.map(size));
    if row.context > 0 {
        facts.push(format!("window {}", number(row.context)));
    }
    if let Some((prompt, answer)) = row.speed {
        facts.push(format!("measured here: {prompt:.0} tokens a second read, {answer:.1} written"));
    }
    facts.retain(|fact| !fact.is_empty());
    let mut lines = vec![Line::new(one_line(&facts.join(" · "), width), Style::Dim)];
    if let Some(command) = row.command.as_ref().filter(|_| !row.ready) {
        lines.push(Line::new(one_line(command, width), Style::Tip));
    }
    lines
}

#[cfg(test)]
mod tests {
    use loci_protocol::RouteReport;

    use super::*;
    use crate::host::Effect;
    use crate::testing::{Stage, finished};

    fn rows() -> Vec<ModelRow> {
        let row = |name: &str, local, ready, verdict: &str| ModelRow {
            name: name.into(),
            local,
            ready,
            verdict: verdict.into(),
            bytes: local.then_some(4_900_000_000),
            context: 32_768,
            ..ModelRow::default()
        };
        vec![
            ModelRow { speed: Some((812.4, 31.26)), ..row("qwen3:8b", true, true, "runs well") },
            ModelRow { bytes: None, context: 0, ..row("builtin", true, true, "built in") },
            ModelRow {
                command: Some("loci models pull qwen3:32b".into()),
                bytes: Some(19_800_000_000),
                ..row("qwen3:32b", true, false, "does not fit")
            },
            ModelRow {
                place: "https://api.example.com".into(),
                command: Some("set EXAMPLE_API_KEY".into()),
                ..row("example/large", false, false, "no key")
            },
            ModelRow {
                place: "https://api.example.com".into(),
                ..row(&format!("evil\u{1b}[2J\u{202e}{}", "漢".repeat(100_000)), false, true, "key found")
            },
        ]
    }

    fn stage() -> Stage {
        let mut stage = Stage::open();
        stage.keys("/model\n");
        assert!(stage.effects().contains(&Effect::Ask(Request::Models)));
        stage.reply(Reply::Models(rows()));
        stage
    }

    #[test]
    fn models_are_a_list() {
        let mut stage = stage();
        stage.keys("jj\n");
        insta::assert_snapshot!(stage.screens());
        for (columns, rows) in [(1, 1), (3, 9), (20, 8)] {
            stage.screen(columns, rows);
        }
    }

    #[test]
    fn a_model_that_is_here_is_gone_on_with() {
        let set = |name: &str| Effect::Op(Op::SetModel { name: name.into() });
        let check = |keys: &str, expect: &[Effect]| {
            assert_eq!(stage().keys(keys).effects(), expect, "{keys}");
        };
        check("\n", &[set("qwen3:8b")]);
        check("j\n", &[set("builtin")]);
        // It is not here: nothing happens but words.
        check("jj\n", &[]);
        check("/example\n\n", &[]);
        assert!(stage().keys("jjjp").screen(80, 24).contains("set EXAMPLE_API_KEY"));
        check("t", &[Effect::Op(Op::Why { task: String::new() })]);
        let mut stage = stage();
        stage.event(Event::TurnStarted { turn: 1, prompt: "x".into() }).keys("\n");
        assert!(!stage.effects().contains(&set("qwen3:8b")));
        stage.event(finished(1, "x")).keys("\n");
        assert!(stage.effects().contains(&set("qwen3:8b")));
    }

    #[test]
    fn it_tells_why_a_model_answers() {
        let mut stage = stage();
        stage.keys("t").event(Event::RouteShown(RouteReport {
            role: "code".into(),
            chosen: Some("qwen3:8b".into()),
            local: true,
            why: "it is the only one that is here".into(),
            ..RouteReport::default()
        }));
        assert!(stage.screen(80, 24).contains("it is the only one that is here"));
        assert!(stage.keys("q").screen(80, 24).starts_with("Models"));
    }
}
