//! Owns the view of the model's window: what fills it, what recall put in, what left it, when room was made.
//! Uses the report that the session makes.
//! Never counts anything itself.

use crossterm::event::{KeyCode, KeyModifiers};
use loci_protocol::{ContextPart, ContextReport, Event, Op};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::field::{Field, Typed};
use super::list::List;
use super::page::Page;
use super::printed::Printed;
use crate::component::{Component, Context, Look, Taken};
use crate::context::{number, share};
use crate::input::Input;
use crate::style::{Line, Style};
use crate::text::{clip, columns, one_line};

/// What fills the window.
pub(crate) struct Window {
    report: Option<Box<ContextReport>>,
    /// The report is asked for and not here yet.
    waits: bool,
    list: List,
    entries: Vec<Entry>,
    /// What a compaction shall keep, while it is typed.
    focus: Option<Field>,
}

/// A row of the lists below the table.
#[derive(Debug, Clone, PartialEq)]
enum Entry {
    /// A title, or a note; it does nothing.
    Title(String),
    /// A passage or an entry: its handle, its title, its facts, and why it is there.
    Passage { handle: String, title: String, facts: String, why: String },
    /// A compaction.
    Compaction(String),
}

/// Styles of the sources in the bar, in turn; letters tell them apart where colours do not.
const STYLES: [Style; 5] = [Style::Tip, Style::Added, Style::Warning, Style::Bold, Style::Removed];

impl Window {
    pub(crate) fn new(context: &mut Context<'_>) -> Self {
        context.op(Op::Context);
        Self { report: None, waits: true, list: List::default(), entries: Vec::new(), focus: None }
    }

    fn ask(&mut self, context: &mut Context<'_>) {
        if !self.waits {
            self.waits = true;
            context.op(Op::Context);
        }
    }

    fn take_report(&mut self, report: &ContextReport) {
        self.waits = false;
        self.entries = entries(report);
        let text = |entry: &Entry| match entry {
            Entry::Title(text) | Entry::Compaction(text) => text.clone(),
            Entry::Passage { handle, title, .. } => format!("{handle} {title}"),
        };
        self.list.set(self.entries.iter().map(text));
        self.report = Some(Box::new(report.clone()));
    }

    fn enter(&self, context: &mut Context<'_>) {
        let Some(Entry::Passage { handle, .. }) = self.list.chosen().and_then(|at| self.entries.get(at))
        else {
            return;
        };
        // Lines are left out: the whole entry is to be seen.
        let handle = handle.split(':').next().unwrap_or(handle).to_owned();
        let session = context.state.session_id.clone();
        let title = format!("Entry {handle}");
        let view = Printed::of(&title, &["recall", "--session", &session, "--", &handle], context);
        context.open(view);
    }
}

impl Component for Window {
    fn take(&mut self, input: &Input, context: &mut Context<'_>) -> Taken {
        match input {
            Input::Event(event) => match event.as_ref() {
                Event::ContextShown(report) => self.take_report(report),
                // Whatever is in the window may be other than it was.
                Event::StepFinished(_)
                | Event::TurnFinished(_)
                | Event::Compacted { .. }
                | Event::Rewound { .. }
                | Event::ModelChanged { .. } => self.ask(context),
                Event::SessionStarted { .. } => {
                    self.waits = false;
                    self.ask(context);
                }
                _ => {}
            },
            Input::Key(_) | Input::Paste(_) if self.focus.is_some() => {
                if let Some(mut field) = self.focus.take() {
                    match field.take(input) {
                        Typed::Done(focus) => context.op(Op::Compact { focus }),
                        Typed::Left => {}
                        Typed::More | Typed::No => self.focus = Some(field),
                    }
                }
                return Taken::Yes;
            }
            _ => {}
        }
        if self.list.take(input) == Taken::Yes {
            return Taken::Yes;
        }
        if let Input::Key(key) = input
            && key.modifiers == KeyModifiers::NONE
        {
            match key.code {
                KeyCode::Enter => {
                    self.enter(context);
                    return Taken::Yes;
                }
                KeyCode::Char('c') => {
                    if context.state.is_idle() {
                        self.focus = Some(Field::new("Make room; keep above all (may be empty): ", ""));
                    }
                    return Taken::Yes;
                }
                KeyCode::Char('r') => {
                    self.ask(context);
                    return Taken::Yes;
                }
                _ => {}
            }
        }
        super::rest(input)
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let facts = self.report.as_ref().map_or_else(|| "…".to_owned(), |report| facts(report));
        let compact: (&str, &str) =
            if look.state.is_idle() { ("c", "makes room") } else { ("c", "makes room, between turns") };
        let keys = [("Enter", "shows the entry"), compact, ("/", "filters"), ("r", "again")];
        let field = self.focus.as_ref().or(self.list.field());
        let page = Page { title: "Context", facts, keys: &keys, field };
        let inner = page.draw(area, buffer, look);
        let Some(report) = &self.report else { return };
        let width = usize::from(inner.width);
        let rows = usize::from(inner.height);
        let mut head = table(report, width, look.state.options.plain);
        // The lists get a third of the height at least; what does not fit of the table is its end.
        head.truncate(rows.saturating_sub(rows / 3).max(1));
        let used = u16::try_from(head.len()).unwrap_or(inner.height).min(inner.height);
        super::lines(&head, Rect { height: used, ..inner }, buffer, look);
        let below = Rect { y: inner.y + used, height: inner.height - used, ..inner };
        self.list.draw(below, buffer, look, |place, width| {
            self.entries.get(place).map_or_else(Line::default, |entry| row(entry, width))
        });
    }
}

/// The title row's facts.
fn facts(report: &ContextReport) -> String {
    let about = if report.exact { "" } else { "about " };
    format!(
        "{about}{} of {} tokens, {} · {}",
        number(report.used),
        number(report.window),
        share(report.used, report.window),
        one_line(&report.model, 40)
    )
}

/// The bar, what each part of it is, and what is free.
fn table(report: &ContextReport, width: usize, plain: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    let parts: Vec<&ContextPart> = report.parts.iter().filter(|part| part.tokens > 0).collect();
    if !plain {
        lines.extend(bar(report, &parts, width));
        lines.push(Line::default());
    }
    let letters = letters(parts.iter().map(|part| part.source.as_str()));
    for (at, part) in parts.iter().enumerate() {
        let items = if part.items > 1 { format!(" × {}", number(part.items)) } else { String::new() };
        let name = format!("{}{items}", one_line(&part.source, width / 2));
        lines.push(part_row(
            &letters[at].to_string(),
            STYLES[at % STYLES.len()],
            &name,
            part.tokens,
            report,
            width,
        ));
    }
    let free = report.window.saturating_sub(report.used + report.reserve);
    lines.push(part_row("_", Style::Dim, "kept for the answer", report.reserve, report, width));
    lines.push(part_row("·", Style::Dim, "free", free, report, width));
    lines.push(Line::new(one_line(&room(report), width), Style::Dim));
    lines
}

/// When room is made.
fn room(report: &ContextReport) -> String {
    let (high, low) = report.marks;
    if high == 0 {
        return "room is made when it is needed".into();
    }
    if report.used >= high {
        return format!("room is made before the next request, down to {} tokens", number(low));
    }
    format!(
        "room is made at {} tokens, in {} from now, down to {}",
        number(high),
        number(high - report.used),
        number(low)
    )
}

/// Two rows that stand for the whole window: each source has its letter and its colour.
fn bar(report: &ContextReport, parts: &[&ContextPart], width: usize) -> Vec<Line> {
    let cells = width.saturating_sub(1).clamp(1, 200);
    let letters = letters(parts.iter().map(|part| part.source.as_str()));
    let mut row = Line::default();
    let (mut taken, mut tokens) = (0, 0);
    // Rounded by the sum so far, so that the whole is never longer than the window.
    let mut until = |amount: usize| {
        tokens += amount;
        let end = (tokens * cells).div_ceil(report.window.max(1)).min(cells);
        let own = end.saturating_sub(taken);
        taken = taken.max(end);
        own
    };
    for (at, part) in parts.iter().enumerate() {
        row = row.with(letters[at].to_string().repeat(until(part.tokens)), STYLES[at % STYLES.len()]);
    }
    let free = until(report.window.saturating_sub(report.used + report.reserve));
    row = row.with("·".repeat(free), Style::Dim);
    row = row.with("_".repeat(cells.saturating_sub(taken)), Style::Dim);
    let (high, _) = report.marks;
    let mark = (high * cells / report.window.max(1)).min(cells.saturating_sub(1));
    if high == 0 {
        return vec![row];
    }
    let words = "room is made here";
    let text = if mark > columns(words) { format!("{words} ^") } else { "^".into() };
    let below = format!("{}{text}", " ".repeat((mark + 1).saturating_sub(columns(&text))));
    vec![row, Line::new(clip(&below, width), Style::Dim)]
}

/// A letter for each source: the first of its name that is free, in lower and then in upper case.
fn letters<'a>(sources: impl Iterator<Item = &'a str>) -> Vec<char> {
    let mut letters: Vec<char> = Vec::new();
    for source in sources {
        // What follows `results of` tells them apart.
        let name = source.strip_prefix("results of ").unwrap_or(source);
        let upper = name.to_uppercase();
        let own = name.chars().chain(upper.chars()).chain('a'..='z').chain('A'..='Z');
        let letter = own.filter(char::is_ascii_alphabetic).find(|letter| !letters.contains(letter));
        letters.push(letter.unwrap_or('?'));
    }
    letters
}

fn part_row(
    letter: &str,
    style: Style,
    name: &str,
    tokens: usize,
    report: &ContextReport,
    width: usize,
) -> Line {
    let figures = format!(" {:>8} {:>5}", number(tokens), share(tokens, report.window));
    let room = width.saturating_sub(columns(&figures) + 4).clamp(4, 40);
    let name = clip(name, room);
    let pad = " ".repeat(room.saturating_sub(columns(&name)));
    Line::new(format!("{letter}  "), style)
        .with(format!("{name}{pad}"), Style::Plain)
        .with(figures, Style::Plain)
}

/// The three lists, one after the other.
fn entries(report: &ContextReport) -> Vec<Entry> {
    let mut entries = Vec::new();
    if report.recalled.is_empty() {
        entries.push(Entry::Title("Recalled: nothing so far".into()));
    } else {
        entries.push(Entry::Title(format!("Recalled: {}", report.recalled.len())));
        entries.extend(report.recalled.iter().rev().map(|passage| {
            let why = passage.why.iter().map(|(name, value)| format!("{} {value:.2}", one_line(name, 24)));
            Entry::Passage {
                handle: one_line(&passage.handle, 24),
                title: one_line(&passage.title, 400),
                facts: format!("{} tokens, turn {}", number(passage.tokens), passage.turn),
                why: why.collect::<Vec<_>>().join(", "),
            }
        }));
    }
    if report.left.is_empty() {
        entries.push(Entry::Title("Left the window: nothing so far".into()));
    } else {
        let tokens: usize = report.left.iter().map(|left| left.tokens).sum();
        let count = report.left.len();
        entries.push(Entry::Title(format!(
            "Left the window: {count}, {} tokens; recall finds them",
            number(tokens)
        )));
        entries.extend(report.left.iter().rev().map(|left| Entry::Passage {
            handle: one_line(&left.handle, 24),
            title: one_line(&left.title, 400),
            facts: format!("{} tokens, turn {}", number(left.tokens), left.turn),
            why: if left.folded { "its ends are still shown".into() } else { String::new() },
        }));
    }
    if report.compactions.is_empty() {
        entries.push(Entry::Title("Room was made: not so far".into()));
    } else {
        entries.push(Entry::Title(format!("Room was made: {} times", report.compactions.len())));
        entries.extend(report.compactions.iter().rev().map(|compaction| {
            Entry::Compaction(format!(
                "turn {}: {} → {} tokens, {}",
                compaction.turn,
                number(compaction.before),
                number(compaction.after),
                one_line(&compaction.cause, 200)
            ))
        }));
    }
    entries
}

fn row(entry: &Entry, width: usize) -> Line {
    match entry {
        Entry::Title(text) => Line::new(clip(text, width), Style::Bold),
        Entry::Compaction(text) => Line::new(clip(&format!("  {text}"), width), Style::Plain),
        Entry::Passage { handle, title, facts, why } => {
            let handle = format!("  {handle:<10} ");
            let mut facts = if width >= 60 { format!("  {facts}") } else { String::new() };
            if width >= 90 && !why.is_empty() {
                facts.push_str(&format!(" · {}", clip(why, width / 3)));
            }
            let room = width.saturating_sub(columns(&handle) + columns(&facts)).max(8);
            let title = clip(title, room);
            let pad = " ".repeat(room.saturating_sub(columns(&title)));
            Line::new(handle, Style::Tip).with(format!("{title}{pad}"), Style::Plain).with(facts, Style::Dim)
        }
    }
}

#[cfg(test)]
mod tests {
    use loci_protocol::{ContextCompaction, ContextLeft, ContextRecalled, StepReport};

    use super::*;
    use crate::host::{Effect, Request};
    use crate::options::Options;
    use crate::testing::{Stage, finished};

    fn report() -> ContextReport {
        let part = |source: &str, tokens, items| ContextPart { source: source.into(), tokens, items };
        ContextReport {
            model: "qwen3:8b".into(),
            window: 32_768,
            reserve: 4_096,
            used: 18_400,
            exact: true,
            marks: (22_000, 11_000),
            parts: vec![
                part("system", 412, 1),
                part("map", 1_900, 1),
                part("tools", 1_034, 19),
                part("ledger", 706, 1),
                part("prompts", 320, 3),
                part("answers", 1_120, 3),
                part("results of read", 9_908, 14),
                part("results of bash", 2_440, 4),
                part("recalled", 560, 2),
            ],
            recalled: vec![ContextRecalled {
                handle: "r41:10-22".into(),
                title: "read src/a_rather_long_name/of_a_file/that_does_not_fit.rs:10-80".into(),
                why: vec![("body".into(), 2.1), ("path".into(), 0.4)],
                tokens: 100,
                turn: 7,
            }],
            left: (0..30)
                .map(|at| ContextLeft {
                    handle: format!("r{at}"),
                    title: "bash cargo test\u{1b}[2J\nsecond line".into(),
                    tokens: 1_200 + at,
                    turn: 1,
                    folded: at % 2 == 1,
                })
                .collect(),
            compactions: vec![ContextCompaction {
                turn: 4,
                cause: "the prompt passed the high mark".into(),
                before: 22_100,
                after: 10_400,
            }],
        }
    }

    fn shown(report: ContextReport) -> Event {
        Event::ContextShown(Box::new(report))
    }

    fn stage() -> Stage {
        let mut stage = Stage::open();
        stage.keys("/context\n");
        assert!(stage.effects().contains(&Effect::Op(Op::Context)));
        stage.event(shown(report()));
        stage
    }

    #[test]
    fn the_window_is_a_bar_a_table_and_three_lists() {
        let mut stage = stage();
        stage.keys("j");
        insta::assert_snapshot!(stage.screens());
        for (columns, rows) in [(1, 1), (3, 2), (20, 8), (300, 5)] {
            stage.screen(columns, rows);
        }
    }

    #[test]
    fn an_empty_window_is_shown_too() {
        let mut stage = Stage::new(Options { plain: true, ..Options::default() });
        stage
            .keys("/context\n")
            .event(shown(ContextReport { model: "m".into(), ..ContextReport::default() }));
        insta::assert_snapshot!(stage.screens());
    }

    #[test]
    fn entries_are_entered_and_room_is_made() {
        let id = "01980000-0000-7000-8000-000000000001";
        let run =
            |words: &[&str]| Effect::Ask(Request::Run(words.iter().map(|word| (*word).into()).collect()));
        let check = |keys: &str, expect: &[Effect]| {
            let mut stage = stage();
            stage.keys(keys);
            assert_eq!(stage.effects(), expect, "{keys}");
        };
        check("\n", &[]);
        check("j\n", &[run(&["recall", "--session", id, "--", "r41"])]);
        check("jjj\n", &[run(&["recall", "--session", id, "--", "r29"])]);
        check("/r7\n\n", &[run(&["recall", "--session", id, "--", "r7"])]);
        check("cthe parser\n", &[Effect::Op(Op::Compact { focus: "the parser".into() })]);
        check("r", &[Effect::Op(Op::Context)]);
    }

    #[test]
    fn it_follows_the_turn() {
        let mut stage = stage();
        stage.keys("c");
        stage.key(KeyCode::Esc, KeyModifiers::NONE).effects();
        stage.event(Event::StepFinished(StepReport::default()));
        // Until the answer is here it is not asked again.
        stage.event(Event::StepFinished(StepReport::default()));
        assert_eq!(stage.effects(), [Effect::Op(Op::Context)]);
        stage.event(shown(ContextReport { used: 30_000, ..report() }));
        assert!(stage.screen(80, 24).contains("30,000 of 32,768"));
        assert!(stage.screen(80, 24).contains("room is made before the next request"));
        stage.event(finished(1, "done"));
        assert_eq!(stage.effects(), [Effect::Op(Op::Context)]);
        // One that is closed asks nothing any more.
        stage.event(shown(report())).keys("q").event(finished(2, "done"));
        assert_eq!(stage.effects(), []);
    }

    #[test]
    fn sources_have_letters_of_their_own() {
        let check = |sources: &[&str], expect: &str| {
            assert_eq!(letters(sources.iter().copied()).into_iter().collect::<String>(), expect);
        };
        check(&["system", "map", "tools", "results of read", "recalled", "répéter"], "smtrep");
        check(&["", "", "日本"], "abc");
        check(&["results of bash", "results of bash"], "ba");
    }
}
