//! Owns how calls look: one line each while they run and when they are done, what they returned below it.
//! Uses the reports of calls, and diffs.
//! Never keeps an output of megabytes: its ends are shown, the session's log has all of it.

use std::time::{Duration, Instant};

use loci_protocol::ToolReport;

use super::kept::Kept;
use super::rows::{Break, Rows, Sheet, indentation};
use crate::context::number;
use crate::diff;
use crate::lines::{count, duration};
use crate::style::{Line, Span, Style};
use crate::text::{columns, one_line};

/// Tools that only look: several of them in a row are told in one line.
const READS: [&str; 3] = ["read", "outline", "recall"];
const SEARCHES: [&str; 6] = ["grep", "glob", "search", "where", "callers", "list"];
/// More of these than this in a row become one line.
const APART: usize = 2;
/// Lines of an output that is opened; a second look shows all that is kept. Two screens of the usual height.
const OPENED: usize = 48;
/// Lines of an output of a call that failed, unopened: the message and where it came from.
const FAILED: usize = 5;
/// Rows of a diff, unopened: a screenful.
const DIFF: usize = 24;
/// Lines of what a command of the user's own printed, unopened: that is what it was run for.
const SHELL: usize = 24;
/// What an output is indented by.
const INDENT: usize = 4;

/// How much of something is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Fold {
    /// What is always shown.
    #[default]
    Shut,
    /// What it is about, up to a limit.
    Open,
    /// Everything that is kept.
    All,
}

/// What became of a call.
#[derive(Debug, Clone)]
pub(super) struct Done {
    ok: bool,
    summary: String,
    output: Kept,
    diff: Option<Kept>,
    took: u64,
}

/// One call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: String,
    tool: String,
    summary: String,
    began: Instant,
    done: Option<Done>,
    pub(super) fold: Fold,
}

impl Call {
    pub(super) fn begun(id: &str, tool: &str, summary: &str, now: Instant) -> Self {
        let summary = if summary.is_empty() { tool } else { summary };
        Self {
            id: id.to_owned(),
            tool: tool.to_owned(),
            summary: one_line(summary, 2_000),
            began: now,
            done: None,
            fold: Fold::Shut,
        }
    }

    /// It ended.
    pub(super) fn end(&mut self, report: &ToolReport) {
        let diff = report.diff.as_deref().filter(|diff| !diff.trim().is_empty());
        self.done = Some(Done {
            ok: report.ok,
            summary: one_line(&report.summary, 2_000),
            output: Kept::of(&report.output),
            diff: diff.map(Kept::mostly),
            took: report.duration_ms,
        });
    }

    /// Nothing will be heard of it any more.
    pub(super) fn cut_off(&mut self) {
        if self.done.is_none() {
            let summary = "cut off, what it did is unknown".to_owned();
            self.done = Some(Done { ok: false, summary, output: Kept::default(), diff: None, took: 0 });
        }
    }

    pub(super) fn runs(&self) -> bool {
        self.done.is_none()
    }

    /// Whether it only looks.
    pub(super) fn explores(&self) -> bool {
        READS.contains(&self.tool.as_str()) || SEARCHES.contains(&self.tool.as_str())
    }

    /// Bytes that are kept of what it returned.
    pub(super) fn bytes(&self) -> usize {
        self.done
            .as_ref()
            .map_or(0, |done| done.output.text.len() + done.diff.as_ref().map_or(0, |diff| diff.text.len()))
    }

    /// Keep no more than so many bytes of what it returned.
    pub(super) fn shrink(&mut self, limit: usize) {
        if let Some(done) = &mut self.done {
            done.output.shrink(limit);
            if let Some(diff) = &mut done.diff {
                diff.shrink(limit);
            }
        }
    }

    /// Whether there is more of it than its line.
    pub(super) fn has_more(&self) -> bool {
        self.done.as_ref().is_some_and(|done| !done.output.text.is_empty() || done.diff.is_some())
    }

    /// Whether anything stands below its line.
    pub(super) fn is_tall(&self) -> bool {
        self.has_more()
            && (self.fold != Fold::Shut
                || self.is_shell()
                || self.done.as_ref().is_some_and(|done| !done.ok || done.diff.is_some()))
    }

    /// What an outcome says beside the command that it is of.
    fn without_itself<'a>(&self, outcome: &'a str) -> &'a str {
        let command = self.summary.split_once(' ').map_or("", |(_, command)| command);
        match outcome.strip_prefix(command) {
            Some(rest) if !command.is_empty() && rest.starts_with([':', ',']) => rest[1..].trim_start(),
            _ => outcome,
        }
    }

    /// Whether it is a command of the user's own: what was typed stands above it.
    pub(super) fn is_shell(&self) -> bool {
        self.summary.starts_with("! ")
    }

    /// Show more of it, or what is always shown.
    pub(super) fn turn_over(&mut self) {
        let cut = self.done.as_ref().is_some_and(|done| match &done.diff {
            Some(_) => false,
            None => done.output.text.split('\n').count() > OPENED,
        });
        self.fold = match self.fold {
            Fold::Shut => Fold::Open,
            Fold::Open if cut => Fold::All,
            Fold::Open | Fold::All => Fold::Shut,
        };
    }

    /// Everything that could be searched.
    pub(super) fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a str)) {
        each(&self.summary);
        if let Some(done) = &self.done {
            each(&done.summary);
            match &done.diff {
                Some(diff) => each(&diff.text),
                None => each(&done.output.text),
            }
        }
    }

    /// Lay it out.
    pub(super) fn rows(&self, sheet: &Sheet, rows: &mut Rows) {
        self.head(sheet, rows);
        let Some(done) = &self.done else { return };
        let limit = match (self.fold, done.ok) {
            (Fold::All, _) => usize::MAX,
            (Fold::Open, _) => OPENED,
            (Fold::Shut, _) if self.is_shell() => SHELL,
            (Fold::Shut, false) => FAILED,
            (Fold::Shut, true) => 0,
        };
        match &done.diff {
            Some(diff) => {
                let most = if self.fold == Fold::Shut { DIFF } else { usize::MAX };
                self.diff(diff, most, rows);
                if !done.ok {
                    self.output(done, limit, rows);
                }
            }
            None => self.output(done, limit, rows),
        }
    }

    fn diff(&self, diff: &Kept, most: usize, rows: &mut Rows) {
        let lead = if rows.width > INDENT * 2 { INDENT } else { 0 };
        let below = diff::rows(&diff.text, rows.width - lead, most);
        for line in below {
            let mut whole = Line::default();
            if lead > 0 {
                whole.spans.push(indentation(lead));
            }
            whole.spans.extend(line.spans);
            let row = super::rows::Row { line: whole, lead, joined: None, part: rows.part, opens: false };
            rows.rows.push(row);
        }
        rows.opens();
        if let Some((out, _)) = diff.left_out {
            more(out, false, rows);
        }
    }

    fn output(&self, done: &Done, limit: usize, rows: &mut Rows) {
        let kept = &done.output;
        // What its line says already is not said again.
        if limit == 0 || kept.text.is_empty() || (self.fold == Fold::Shut && kept.text == done.summary) {
            return;
        }
        let mut shown = 0;
        let gap = |at: usize| kept.left_out.filter(|(_, after)| *after == at).map(|(out, _)| out);
        for (at, line) in kept.text.split('\n').enumerate().take(limit) {
            if let Some(out) = gap(at) {
                more(out, false, rows);
            }
            rows.text(INDENT, line, Style::Dim, Break::Columns);
            shown = at + 1;
        }
        let left = kept.beyond(shown);
        if left > 0 {
            more(left, true, rows);
        }
    }

    /// Its line: a sign, what it is, how it ended, how long it took.
    fn head(&self, sheet: &Sheet, rows: &mut Rows) {
        let (sign, style) = match &self.done {
            Some(done) if !done.ok => (if sheet.plain { "failed: " } else { "✗ " }, Style::Removed),
            _ => ("• ", Style::Dim),
        };
        let room = rows.width.saturating_sub(columns(sign)).max(1);
        let end = match &self.done {
            None => elapsed(self.began, sheet.now),
            Some(done) if done.took == 0 && done.summary.is_empty() => String::new(),
            Some(done) => {
                let time = duration(done.took);
                let summary = if self.is_shell() { 0 } else { columns(&self.summary) + 3 };
                let half = (room / 2).max(room.saturating_sub(summary));
                let most = half.saturating_sub(columns(&time) + 2);
                // A diff says better than words what was changed.
                let outcome = match done.diff.as_ref().filter(|_| done.ok) {
                    Some(diff) => diff_counts(&diff.text),
                    None => one_line(self.without_itself(&done.summary), most),
                };
                match outcome.as_str() {
                    "" | "…" => time,
                    outcome => format!("{outcome}, {time}"),
                }
            }
        };
        let (summary, end) = match (self.is_shell(), end.is_empty()) {
            (true, _) => (String::new(), end),
            (false, true) => (crate::text::clip(&self.summary, room), end),
            (false, false) => {
                let end = format!(" · {end}");
                (crate::text::clip(&self.summary, room.saturating_sub(columns(&end)).max(1)), end)
            }
        };
        let line =
            Line::new(summary, if self.runs() { Style::Plain } else { Style::Dim }).with(end, Style::Dim);
        rows.put(Span { text: sign.into(), style }, &line, Break::Never);
        rows.opens();
    }
}

/// `+3 -1`.
fn diff_counts(diff: &str) -> String {
    let (added, removed) = diff::counts(diff);
    format!("+{added} -{removed}")
}

/// `… 1,200 more lines`.
pub(super) fn more(lines: usize, opens: bool, rows: &mut Rows) {
    let noun = if lines == 1 { "line" } else { "lines" };
    let text = format!("… {} more {noun}", number(lines));
    rows.put(indentation(INDENT), &Line::new(text, Style::Tip), Break::Never);
    if opens {
        rows.opens();
    }
}

/// Nothing for the first second, then whole seconds.
pub(super) fn elapsed(since: Instant, now: Instant) -> String {
    let time = now.saturating_duration_since(since);
    if time < Duration::from_secs(1) { "…".into() } else { format!("{} s …", time.as_secs()) }
}

/// Calls that stand together.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls {
    pub(super) calls: Vec<Call>,
    /// Whether each has a line of its own, where they are told in one.
    opened: bool,
}

impl Calls {
    pub(super) fn new(call: Call) -> Self {
        Self { calls: vec![call], opened: false }
    }

    /// Whether another one belongs to them.
    pub(super) fn takes(&self, call: &Call) -> bool {
        call.explores() && self.calls.iter().all(Call::explores)
    }

    pub(super) fn runs(&self) -> bool {
        self.calls.iter().any(Call::runs)
    }

    fn is_one_line(&self) -> bool {
        !self.opened && self.calls.len() > APART
    }

    /// Whether anything stands below their lines.
    pub(super) fn is_tall(&self) -> bool {
        !self.is_one_line() && self.calls.iter().any(Call::is_tall)
    }

    /// Show more of one of them, or of all.
    pub(super) fn turn_over(&mut self, part: Option<usize>) {
        if self.is_one_line() {
            self.opened = true;
        } else if let [only] = self.calls.as_mut_slice() {
            only.turn_over();
        } else if let Some(call) = part.and_then(|part| self.calls.get_mut(part)) {
            call.turn_over();
        } else if self.calls.iter().all(|call| call.fold == Fold::Shut || !call.has_more())
            && self.calls.iter().any(Call::has_more)
        {
            self.fold(Fold::Open);
        } else {
            self.fold(Fold::Shut);
        }
    }

    pub(super) fn fold(&mut self, fold: Fold) {
        self.opened = fold != Fold::Shut;
        for call in &mut self.calls {
            call.fold = fold;
        }
    }

    pub(super) fn is_folded(&self) -> bool {
        self.is_one_line() || self.calls.iter().any(|call| call.has_more() && call.fold == Fold::Shut)
    }

    pub(super) fn rows(&self, sheet: &Sheet, rows: &mut Rows) {
        if self.is_one_line() {
            return self.one_line(sheet, rows);
        }
        for (part, call) in self.calls.iter().enumerate() {
            rows.part = part;
            call.rows(sheet, rows);
        }
    }

    fn one_line(&self, sheet: &Sheet, rows: &mut Rows) {
        let reads = self.calls.iter().filter(|call| READS.contains(&call.tool.as_str())).count();
        let searches = self.calls.len() - reads;
        let mut parts = Vec::new();
        if reads > 0 {
            parts.push(count(reads as u64, "read"));
        }
        match searches {
            0 => {}
            1 => parts.push("1 search".into()),
            _ => parts.push(format!("{searches} searches")),
        }
        let mut text = parts.join(", ");
        let failed = self.calls.iter().filter(|call| call.done.as_ref().is_some_and(|done| !done.ok)).count();
        if failed > 0 {
            text.push_str(&format!(" · {failed} failed"));
        }
        if let Some(call) = self.calls.iter().rev().find(|call| call.runs()) {
            text.push_str(&format!(" · {} · {}", call.summary, elapsed(call.began, sheet.now)));
        } else {
            let took = self.calls.iter().filter_map(|call| call.done.as_ref()).map(|done| done.took).sum();
            text.push_str(&format!(" · {}", duration(took)));
        }
        let style = if self.runs() { Style::Plain } else { Style::Dim };
        rows.put(Span { text: "• ".into(), style: Style::Dim }, &Line::new(text, style), Break::Never);
        rows.opens();
    }
}
