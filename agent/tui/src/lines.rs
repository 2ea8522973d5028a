//! Owns the line-based transcript: each event becomes pieces of text.
//! Uses `style` and `text`.
//! Never prints, and never decides which stream a channel is.

pub(crate) mod approval;
mod words;

use loci_protocol::{Event, Level, Question, ToolReport, TurnReport, TurnStatus};

use crate::context::{context_lines, number};
use crate::style::{Line, Style};
use crate::text::{clip, one_line, visible};
use crate::views::changes::changes_lines;
use crate::views::timeline::timeline_lines;
use approval::Details;

/// At most this many lines of a diff are shown once it is applied; the rest is counted. A screenful: who wants all of it
/// has `git diff`.
const DIFF_LINES: usize = 40;

/// At most this many entries of each list are shown of what is in the window; `loci context show --all` shows the rest.
const LISTED: usize = 12;

/// What a piece is, so that a pipe can be given the answer alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The model's words.
    Answer,
    /// Everything around them.
    Aside,
}

/// Something to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text that goes on where the last one ended.
    Text {
        /// Whose words.
        channel: Channel,
        /// Already safe for a terminal.
        text: String,
    },
    /// A line of its own.
    Line {
        /// Whose words.
        channel: Channel,
        /// Without a line break.
        line: Line,
    },
}

/// Renders the events of one session, in order. It knows whether the last text ended with a line break.
#[derive(Debug, Clone)]
pub struct Transcript {
    width: usize,
    in_line: Option<Channel>,
    reasoning: bool,
    /// What is being said, where it is heard and not seen.
    words: Option<words::Unsaid>,
}

impl Transcript {
    /// A transcript for a terminal of that many columns.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self { width: width.max(20), in_line: None, reasoning: false, words: None }
    }

    /// A transcript in words, a whole line for each event: for screen readers.
    #[must_use]
    pub fn spoken() -> Self {
        // What is heard has no width: nothing is cut and nothing wrapped.
        Self { words: Some(words::Unsaid::default()), ..Self::new(usize::from(u16::MAX)) }
    }

    /// What stands before the words of the user.
    #[must_use]
    pub fn prompt(&self) -> &'static str {
        if self.words.is_some() { "prompt: " } else { "› " }
    }

    /// What stands before a decision or an answer of the user.
    #[must_use]
    pub fn answer(&self) -> &'static str {
        if self.words.is_some() { "answer: " } else { "? " }
    }

    /// What to print for this event.
    pub fn render(&mut self, event: &Event) -> Vec<Piece> {
        let mut out = Vec::new();
        match event {
            Event::TextDelta { text } => {
                if std::mem::take(&mut self.reasoning) {
                    self.end_line(&mut out);
                }
                self.text(&mut out, Channel::Answer, text);
            }
            Event::ReasoningDelta { text } => {
                self.reasoning = true;
                self.text(&mut out, Channel::Aside, text);
            }
            Event::Progress { .. } | Event::SessionEnded { .. } | Event::TurnStarted { .. } => {}
            _ => {
                let lines = self.lines(event);
                let lines = if self.words.is_some() { words::spoken(event, lines) } else { lines };
                if !lines.is_empty() {
                    self.reasoning = false;
                    self.end_line(&mut out);
                    out.extend(lines.into_iter().map(|line| Piece::Line { channel: Channel::Aside, line }));
                }
            }
        }
        // The turn is over: the next thing printed is a prompt or the shell's.
        if matches!(event, Event::TurnFinished(_) | Event::SessionEnded { .. }) {
            self.end_line(&mut out);
        }
        out
    }

    fn text(&mut self, out: &mut Vec<Piece>, channel: Channel, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(unsaid) = &mut self.words {
            return unsaid.text(out, channel, &visible(text));
        }
        if self.in_line.is_some_and(|before| before != channel) {
            self.end_line(out);
        }
        self.in_line = (!text.ends_with('\n')).then_some(channel);
        out.push(Piece::Text { channel, text: visible(text) });
    }

    fn end_line(&mut self, out: &mut Vec<Piece>) {
        if let Some(unsaid) = &mut self.words {
            unsaid.end(out);
        }
        if let Some(channel) = self.in_line.take() {
            out.push(Piece::Text { channel, text: "\n".into() });
        }
    }

    fn lines(&self, event: &Event) -> Vec<Line> {
        match event {
            Event::SessionStarted { session_id, model, mode, resumed, sandbox, offline, .. } => {
                let place = match (model.local, &model.endpoint) {
                    (true, _) => "on this machine".to_owned(),
                    (false, Some(endpoint)) => format!("remote, {}", visible(endpoint)),
                    (false, None) => "remote".to_owned(),
                };
                let verb = if *resumed { "resumed" } else { "session" };
                let level = if sandbox.level.is_empty() { "none" } else { &sandbox.level };
                let network = if *offline { "offline · " } else { "" };
                let text = format!(
                    "{} ({place}) · {network}{} mode · sandbox {level} · {verb} {session_id}",
                    model.name,
                    mode.name()
                );
                let mut lines = vec![self.dim(&text)];
                // Less than full is never silent.
                if level != "full" && !sandbox.why.is_empty() {
                    let word = format!("sandbox {level}");
                    lines.extend(self.said(
                        &word,
                        Style::Warning,
                        &sandbox.why,
                        Some("`loci doctor` says more"),
                    ));
                }
                lines
            }
            Event::ToolStarted { summary, tool, .. } => {
                let text = if summary.is_empty() { tool } else { summary };
                vec![self.dim(&format!("• {}", one_line(text, self.width.saturating_sub(2))))]
            }
            Event::ToolFinished(report) => self.tool_finished(report),
            Event::ApprovalRequested {
                summary, details, diff, rule, origin, rules, network, why, ..
            } => self.approval(&Details {
                summary,
                details,
                diff: diff.as_deref(),
                rule: rule.as_deref(),
                origin: origin.as_deref(),
                rules,
                network,
                why,
            }),
            Event::QuestionAsked(question) => self.question(question),
            Event::Notice { level, message, hint } => {
                let (word, style) = match level {
                    Level::Info => ("note", Style::Dim),
                    Level::Warning => ("warning", Style::Warning),
                    Level::Error => ("error", Style::Removed),
                };
                self.said(word, style, message, hint.as_deref())
            }
            Event::TurnFinished(report) => self.turn_finished(report),
            Event::ModeChanged { mode } => {
                let message = format!("the permission mode is now {}", mode.name());
                self.said("note", Style::Dim, &message, None)
            }
            Event::Compacted { before, after, message } => {
                let figures = format!("{} → {} tokens", number(*before), number(*after));
                let room = self.width.saturating_sub(figures.chars().count() + 9);
                vec![self.dim(&format!("• room: {figures}, {}", one_line(message, room)))]
            }
            Event::Rewound { prompt, message, .. } => self.rewound(message, prompt.as_deref()),
            Event::Renamed { title } => {
                vec![self.dim(&format!("• this session is called {}", one_line(title, self.width)))]
            }
            Event::ChangesShown { files } => changes_lines(files, self.width),
            Event::TimelineShown { turns } => timeline_lines(turns, self.width),
            Event::ContextShown(report) => context_lines(report, self.width, LISTED),
            Event::RouteShown(report) => crate::route::route_lines(report),
            Event::ModelChanged { model, why } => {
                let place = match (model.local, &model.endpoint) {
                    (true, _) => "on this machine".to_owned(),
                    (false, Some(endpoint)) => format!("remote, {}", visible(endpoint)),
                    (false, None) => "remote".to_owned(),
                };
                vec![
                    Line::new(format!("• {}", visible(&model.name)), Style::Bold)
                        .with(format!(" ({place}) answers from here on: {}", visible(why)), Style::Plain),
                ]
            }
            _ => Vec::new(),
        }
    }

    /// What was gone back to, and the words of the prompt that is open again, to be taken and changed.
    fn rewound(&self, message: &str, prompt: Option<&str>) -> Vec<Line> {
        let mut lines =
            vec![Line::new(format!("• {}", one_line(message, self.width.saturating_sub(2))), Style::Plain)];
        for row in visible(prompt.unwrap_or_default()).lines() {
            lines.push(Line::new(format!("  {row}"), Style::Tip));
        }
        lines
    }

    fn dim(&self, text: &str) -> Line {
        Line::new(clip(text, self.width), Style::Dim)
    }

    /// `word: message` and `hint: …`, whole: what went wrong is never cut.
    fn said(&self, word: &str, style: Style, message: &str, hint: Option<&str>) -> Vec<Line> {
        let safe = visible(message);
        let mut rows = safe.lines();
        let first = rows.next().unwrap_or_default();
        let mut lines = vec![Line::new(format!("{word}:"), style).with(format!(" {first}"), Style::Plain)];
        lines.extend(rows.map(|row| Line::new(format!("  {row}"), Style::Plain)));
        if let Some(hint) = hint {
            lines.push(Line::new("hint:", Style::Tip).with(format!(" {}", visible(hint)), Style::Plain));
        }
        lines
    }

    fn tool_finished(&self, report: &ToolReport) -> Vec<Line> {
        let room = self.width.saturating_sub(4);
        let summary = one_line(&report.summary, room.saturating_sub(10));
        let time = duration(report.duration_ms);
        let mut lines = if report.ok {
            vec![self.dim(&format!("  ↳ {summary} ({time})"))]
        } else {
            let tool = visible(&report.tool);
            vec![
                Line::new("  ✗ ", Style::Removed).with(clip(&format!("{tool}: {summary}"), room), Style::Dim),
            ]
        };
        if let Some(diff) = &report.diff {
            lines.extend(self.diff(diff, DIFF_LINES));
        }
        lines
    }

    fn question(&self, question: &Question) -> Vec<Line> {
        let safe = visible(&question.question);
        let mut rows = safe.lines();
        let first = rows.next().unwrap_or_default();
        let mut lines = vec![Line::new("? ", Style::Warning).with(first, Style::Bold)];
        lines.extend(rows.map(|row| Line::new(format!("  {row}"), Style::Plain)));
        for (number, option) in (1..).zip(&question.options) {
            lines.push(
                Line::new(format!("  {number}"), Style::Tip)
                    .with(format!(" {}", visible(option)), Style::Plain),
            );
        }
        lines
    }

    fn turn_finished(&self, report: &TurnReport) -> Vec<Line> {
        let mut lines = Vec::new();
        match report.status {
            TurnStatus::Completed | TurnStatus::Declined => {}
            TurnStatus::Interrupted => lines.push(Line::new("interrupted", Style::Warning)),
            TurnStatus::MaxTurns if report.failure.is_none() => lines.extend(self.said(
                "warning",
                Style::Warning,
                "stopped at the limit on steps before the model was done",
                Some("raise it with --max-turns, or ask for the rest"),
            )),
            TurnStatus::Looping if report.failure.is_none() => lines.extend(self.said(
                "warning",
                Style::Warning,
                "stopped: the model made the same call again and again",
                Some("say it in other words, or choose a larger model with -m"),
            )),
            TurnStatus::Failed if report.failure.is_none() => {
                lines.extend(self.said("error", Style::Removed, "the turn failed", None));
            }
            TurnStatus::Failed | TurnStatus::MaxTurns | TurnStatus::Looping => {}
        }
        if let Some(failure) = &report.failure {
            lines.extend(self.said("error", Style::Removed, &failure.message, failure.hint.as_deref()));
        }
        let mut parts = Vec::new();
        if report.tool_calls > 0 {
            parts.push(count(u64::from(report.tool_calls), "call"));
        }
        match report.changed.as_slice() {
            [] => {}
            [path] => parts.push(format!("changed {}", visible(path))),
            paths => parts.push(format!("{} changed", count(paths.len() as u64, "file"))),
        }
        let usage = &report.usage;
        if usage.prompt_tokens + usage.completion_tokens > 0 {
            parts.push(format!(
                "{} tokens in ({} re-used), {} out",
                usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens
            ));
        }
        parts.push(duration(report.duration_ms));
        lines.push(self.dim(&parts.join(" · ")));
        lines
    }

    fn diff(&self, diff: &str, limit: usize) -> Vec<Line> {
        let safe = visible(diff);
        let rows: Vec<&str> = safe.lines().collect();
        let mut lines: Vec<Line> = rows
            .iter()
            .take(limit)
            .map(|row| {
                let style = match row.as_bytes() {
                    [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => Style::Bold,
                    [b'+', ..] => Style::Added,
                    [b'-', ..] => Style::Removed,
                    [b'@', ..] => Style::Tip,
                    _ => Style::Plain,
                };
                Line::new(format!("    {}", row.replace('\t', "    ")), style)
            })
            .collect();
        if rows.len() > limit {
            lines.push(self.dim(&format!("    … {} more lines", rows.len() - limit)));
        }
        lines
    }
}

/// `1 file`, `2 files`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `12 ms`, `1.2 s`, `2 min 5 s`.
pub(crate) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..60_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1000),
    }
}

#[cfg(test)]
mod tests;
