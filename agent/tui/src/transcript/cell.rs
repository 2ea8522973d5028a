//! Owns the blocks of the transcript: what was said, thought, called, and what happened besides.
//! Uses `markdown` for answers, `call` for calls.
//! Never lays out a block that is finished twice for the same width while it is in sight.

use std::time::{Duration, Instant};

use loci_protocol::Task;

use super::call::{Calls, Fold, elapsed, more};
use super::kept::Kept;
use super::rows::{Break, Row, Rows, Sheet, indentation};
use crate::markdown::{self, Document};
use crate::style::{Line, Span, Style};
use crate::text::{columns, one_line, visible};

/// Lines of a prompt that are shown unopened: half a screen of the usual height. What was pasted may be longer.
const PROMPT: usize = 12;
/// A part of an answer ends at the first empty line after this many bytes, so that what is laid out again while words
/// arrive stays short: fifty lines.
const PART: usize = 4 << 10;
/// A part ends at any line break after this many bytes: a listing without empty lines.
const LONG_PART: usize = 12 << 10;
/// A part ends anywhere after this many bytes: a line without an end.
const ENDLESS_PART: usize = 16 << 10;

/// Of what lines tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something that happened.
    Event,
    /// What the host says: it goes on with what it said before.
    Host,
    /// The mode is another one: the newest is the one that counts.
    Mode,
}

/// A block.
#[derive(Debug)]
pub(super) enum Cell {
    /// What the user said.
    Prompt {
        /// The turn that it began.
        turn: u32,
        text: Kept,
        opened: bool,
    },
    /// What the model said, or a part of it.
    Answer(Answer),
    /// What the model thought.
    Thinking {
        text: String,
        since: Instant,
        /// How long; nothing while it goes on, or where it is not known.
        took: Option<Duration>,
        live: bool,
        opened: bool,
    },
    /// What was called.
    Calls(Calls),
    /// The task list.
    Tasks(Vec<Task>),
    /// What happened besides.
    Lines { lines: Vec<Line>, kind: Kind },
    /// A line across, with words: what is above it is from before.
    Rule(String),
}

impl Cell {
    /// Whether it looks different as time goes by.
    pub(super) fn is_live(&self) -> bool {
        match self {
            Self::Thinking { live, .. } => *live,
            Self::Calls(calls) => calls.runs(),
            _ => false,
        }
    }

    /// Whether its rows lack colours that are still being found.
    pub(super) fn waits_for_colours(&self) -> bool {
        matches!(self, Self::Answer(answer) if answer.uncoloured)
    }

    /// Empty rows between what stands above and this.
    pub(super) fn gap(&self, above: &Self) -> usize {
        match (above, self) {
            (Self::Calls(above), Self::Calls(_)) if !above.is_tall() => 0,
            (Self::Thinking { .. }, Self::Calls(_)) | (Self::Calls(_), Self::Thinking { .. }) => {
                usize::from(above.is_tall())
            }
            (Self::Thinking { opened: false, .. }, Self::Thinking { opened: false, .. }) => 0,
            (_, Self::Answer(answer)) if answer.glued => 0,
            (Self::Lines { kind: Kind::Host, .. }, Self::Lines { kind: Kind::Host, .. }) => 0,
            _ => 1,
        }
    }

    fn is_tall(&self) -> bool {
        match self {
            Self::Calls(calls) => calls.is_tall(),
            Self::Thinking { opened, .. } => *opened,
            _ => true,
        }
    }

    /// Whether there is more to be seen of it.
    pub(super) fn is_folded(&self) -> bool {
        match self {
            Self::Prompt { text, opened, .. } => !opened && text.lines() > PROMPT,
            Self::Thinking { opened, text, .. } => !opened && !text.trim().is_empty(),
            Self::Calls(calls) => calls.is_folded(),
            _ => false,
        }
    }

    /// Whether it can be folded and opened.
    pub(super) fn folds(&self) -> bool {
        match self {
            Self::Prompt { text, .. } => text.lines() > PROMPT,
            Self::Thinking { text, .. } => !text.trim().is_empty(),
            Self::Calls(calls) => {
                calls.calls.len() > 1 || calls.calls.iter().any(super::call::Call::has_more)
            }
            _ => false,
        }
    }

    /// Show more of it, or what is always shown; of one of its parts, where one is meant.
    pub(super) fn turn_over(&mut self, part: Option<usize>) {
        match self {
            Self::Prompt { opened, .. } | Self::Thinking { opened, .. } => *opened = !*opened,
            Self::Calls(calls) => calls.turn_over(part),
            _ => {}
        }
    }

    /// Show all of it, or what is always shown.
    pub(super) fn fold(&mut self, fold: Fold) {
        match self {
            Self::Prompt { opened, .. } | Self::Thinking { opened, .. } => *opened = fold != Fold::Shut,
            Self::Calls(calls) => calls.fold(fold),
            _ => {}
        }
    }

    /// Its texts, as far as they do not depend on a width.
    pub(super) fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a str)) {
        match self {
            Self::Prompt { text, .. } => each(&text.text),
            Self::Answer(answer) => each(&answer.source),
            Self::Thinking { text, .. } => each(text),
            Self::Calls(calls) => calls.calls.iter().for_each(|call| call.texts(each)),
            Self::Tasks(tasks) => tasks.iter().for_each(|task| each(&task.text)),
            Self::Lines { lines, .. } => {
                lines.iter().flat_map(|line| &line.spans).for_each(|span| each(&span.text));
            }
            Self::Rule(text) => each(text),
        }
    }

    /// Lay it out.
    pub(super) fn rows(&mut self, sheet: &Sheet) -> Vec<Row> {
        let mut rows = Rows::new(sheet.width);
        match self {
            Self::Prompt { text, opened, .. } => prompt(text, *opened, &mut rows),
            Self::Answer(answer) => return answer.rows(sheet.width),
            Self::Thinking { text, since, took, live, opened } => {
                let time = match took {
                    _ if *live => format!("thinking {}", elapsed(*since, sheet.now)),
                    Some(took) if took.as_secs() > 0 => format!("thought for {} s", took.as_secs()),
                    _ => "thought".into(),
                };
                thinking(text, &time, *opened, &mut rows);
            }
            Self::Calls(calls) => calls.rows(sheet, &mut rows),
            Self::Tasks(tasks) => task_list(tasks, sheet, &mut rows),
            Self::Lines { lines, .. } => {
                for line in lines {
                    rows.put(indentation(0), line, Break::Words);
                }
            }
            Self::Rule(text) => {
                let words = one_line(text, rows.width.saturating_sub(6).max(1));
                let line = if sheet.plain || rows.width < 12 {
                    Line::new(words, Style::Dim)
                } else {
                    let rest = rows.width.saturating_sub(columns(&words) + 5);
                    Line::new(format!("── {words} {}", "─".repeat(rest)), Style::Dim)
                };
                rows.put(indentation(0), &line, Break::Never);
            }
        }
        rows.rows
    }
}

fn prompt(text: &Kept, opened: bool, rows: &mut Rows) {
    let mut shown = 0;
    let limit = if opened { usize::MAX } else { PROMPT };
    let mut sign = Span { text: "› ".into(), style: Style::User };
    for (at, line) in text.text.split('\n').enumerate().take(limit) {
        if let Some((out, _)) = text.left_out.filter(|(_, after)| *after == at) {
            more(out, false, rows);
        }
        rows.put(sign, &Line::new(visible(line), Style::User), Break::Words);
        sign = indentation(2);
        shown = at + 1;
    }
    let left = text.beyond(shown);
    if left > 0 {
        more(left, true, rows);
    }
}

fn thinking(text: &str, time: &str, opened: bool, rows: &mut Rows) {
    let first = one_line(text.trim_start().lines().next().unwrap_or_default(), rows.width);
    let head = if opened || first.is_empty() { time.to_owned() } else { format!("{time} · {first}") };
    let sign = Span { text: "• ".into(), style: Style::Dim };
    rows.put(sign, &Line::new(head, Style::Thinking), Break::Never);
    rows.opens();
    if opened {
        for line in visible(text.trim()).split('\n') {
            rows.put(indentation(2), &Line::new(line, Style::Thinking), Break::Words);
        }
    }
}

fn task_list(tasks: &[Task], sheet: &Sheet, rows: &mut Rows) {
    let done = tasks.iter().filter(|task| task.done).count();
    let head = format!("tasks · {done} of {} done", tasks.len());
    rows.put(Span { text: "• ".into(), style: Style::Dim }, &Line::new(head, Style::Dim), Break::Never);
    let next = tasks.iter().position(|task| !task.done);
    for (at, task) in tasks.iter().enumerate() {
        let (sign, style) = match (task.done, sheet.plain) {
            (true, false) => ("✓ ", Style::Dim),
            (true, true) => ("done: ", Style::Dim),
            (false, false) if next == Some(at) => ("▸ ", Style::Bold),
            (false, false) => ("· ", Style::Plain),
            (false, true) => ("to do: ", Style::Plain),
        };
        let text = one_line(&task.text, 500);
        let sign = Span { text: format!("  {sign}"), style: if task.done { Style::Added } else { style } };
        rows.put(sign, &Line::new(text, style), Break::Words);
    }
}

/// A part of what the model said.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) source: String,
    /// While more of it may come.
    live: Option<Document>,
    /// It goes on within a paragraph or a listing of the part before.
    pub(super) glued: bool,
    /// Bytes at the beginning that were put there to open a listing again.
    opened: usize,
    /// The rows lack colours of code that are still being found.
    uncoloured: bool,
    fence: Fence,
}

/// Whether a listing is open at the end of a text.
#[derive(Debug, Default, Clone)]
struct Fence {
    /// The line that opened it, where one is open.
    open: Option<String>,
    /// What is known of the last line, which has no end yet.
    line: String,
}

impl Fence {
    fn push(&mut self, text: &str) {
        for piece in text.split_inclusive('\n') {
            // What tells a fence stands at the beginning of a line.
            if self.line.len() < 128 {
                let mut end = piece.len().min(128);
                while !piece.is_char_boundary(end) {
                    end -= 1;
                }
                self.line.push_str(&piece[..end]);
            }
            if piece.ends_with('\n') {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let words = line.trim();
        let marks = |line: &str| {
            let first = line.chars().next().filter(|first| matches!(first, '`' | '~'))?;
            let count = line.chars().take_while(|character| *character == first).count();
            (count >= 3).then_some((first, count))
        };
        match (&self.open, marks(words)) {
            (None, Some(('`', count))) if words[count..].contains('`') => {}
            (None, Some(_)) => self.open = Some(words.to_owned()),
            (Some(open), Some((mark, count)))
                if words.chars().all(|character| character == mark)
                    && marks(open).is_some_and(|(other, least)| mark == other && count >= least) =>
            {
                self.open = None;
            }
            _ => {}
        }
    }
}

impl Answer {
    pub(super) fn begun() -> Self {
        Self { live: Some(Document::default()), ..Self::default() }
    }

    /// More of it. What is returned begins the next part.
    pub(super) fn push(&mut self, text: &str) -> Option<(Self, String)> {
        let mut rest = text;
        while let Some(at) = rest.find('\n') {
            let (line, after) = rest.split_at(at + 1);
            self.take(line);
            rest = after;
            let empty = self.source.ends_with("\n\n");
            // A line that is indented may belong to a list that goes on.
            let apart = rest.is_empty() || !rest.starts_with([' ', '\t', '\n', '-', '*', '+']);
            let ends = if self.fence.open.is_some() { false } else { empty && apart };
            if (ends && self.source.len() >= PART) || self.source.len() >= LONG_PART {
                return Some((self.part(!ends), rest.to_owned()));
            }
        }
        self.take(rest);
        (self.source.len() >= ENDLESS_PART).then(|| (self.part(true), String::new()))
    }

    fn take(&mut self, text: &str) {
        self.source.push_str(text);
        self.fence.push(text);
        if let Some(live) = &mut self.live {
            live.push(text);
        }
    }

    /// The next part; this one is done.
    fn part(&mut self, glued: bool) -> Self {
        self.end();
        let mut next = Self { glued, ..Self::begun() };
        if let Some(open) = self.fence.open.clone() {
            next.take(&open);
            next.take("\n");
            next.opened = next.source.len();
        }
        next
    }

    /// Its source without the line that opens a listing which the part before began.
    pub(super) fn words(&self) -> &str {
        &self.source[self.opened..]
    }

    /// Nothing more will come.
    pub(super) fn end(&mut self) {
        self.live = None;
    }

    fn rows(&mut self, width: usize) -> Vec<Row> {
        match &mut self.live {
            Some(live) => {
                let rows = joined(live.rows(width), width);
                self.uncoloured = !live.is_coloured();
                rows
            }
            None => {
                let (lines, coloured) = markdown::rows(&self.source, width);
                self.uncoloured = !coloured;
                joined(&lines, width)
            }
        }
    }
}

/// The rows of an answer, with what goes on from one to the next: rows are filled as far as words fit, so where the first
/// word of a row would have fitted into the one above, that one was ended by the text.
fn joined(lines: &[Line], width: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::with_capacity(lines.len());
    let mut above: Option<(usize, bool)> = None;
    for line in lines {
        let lead = lead(line);
        let plain = line.plain();
        let text = plain.trim_start();
        let prose = !line.spans.is_empty()
            && !line
                .spans
                .iter()
                .any(|span| matches!(span.style, Style::Heading | Style::Border | Style::Marker));
        let word = columns(text.split(' ').next().unwrap_or_default());
        let goes_on = prose && above.is_some_and(|(used, prose)| prose && used + 1 + word > width);
        rows.push(Row { line: line.clone(), lead, joined: goes_on.then_some(1), part: 0, opens: false });
        let wraps = prose || line.spans.first().is_some_and(|span| span.style == Style::Marker);
        above = Some((columns(&plain), wraps && !plain.trim().is_empty()));
    }
    rows
}

/// The columns of signs and bars that begin a row: they are drawn, not said.
fn lead(line: &Line) -> usize {
    line.spans.iter().take_while(|span| span.style == Style::Border).map(|span| columns(&span.text)).sum()
}
