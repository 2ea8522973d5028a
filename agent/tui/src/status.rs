//! Owns the status line: model, mode, sandbox, window, speed, time, cost, branch, what runs in the background.
//! Uses the state.
//! Never takes a key, and never hides what warns before what does not.

use std::time::{Duration, Instant};

use loci_protocol::PermissionMode;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use crate::component::Look;
use crate::context::number;
use crate::state::{State, Work};
use crate::style::{Line, Style};
use crate::text::{clip, columns, one_line};

/// Cells of a bar.
const BAR: u64 = 8;
/// A window that is fuller than this many percent is about to be made room in.
const FULL: usize = 80;
/// From this importance on a part is wanted wherever there is any room.
const ALWAYS: u8 = 18;
/// Columns that a name may take: of a model, of a branch.
const NAME: usize = 28;

/// The word for a mode that the screen uses.
pub(crate) fn mode_word(mode: PermissionMode) -> &'static str {
    match mode {
        PermissionMode::Plan => "plan",
        PermissionMode::Default => "ask",
        PermissionMode::AcceptEdits => "edit",
        PermissionMode::BypassPermissions => "bypass",
        PermissionMode::DontAsk => "dontAsk",
    }
}

/// What a mode means, for its colour: the one in which nothing asks warns.
pub(crate) fn mode_style(mode: PermissionMode) -> Style {
    match mode {
        PermissionMode::Plan => Style::Tip,
        PermissionMode::Default | PermissionMode::DontAsk => Style::Plain,
        PermissionMode::AcceptEdits => Style::Added,
        PermissionMode::BypassPermissions => Style::Warning,
    }
}

/// A part of the line. What matters least goes first when there is no room: it is said shorter, then not at all.
#[derive(Debug, Clone, Default)]
struct Part {
    importance: u8,
    long: Line,
    short: Option<Line>,
}

/// The status line.
#[derive(Default)]
pub(crate) struct Bar;

impl Bar {
    /// The rows that it takes.
    pub(crate) fn height(&self, _width: u16, look: &Look<'_>) -> u16 {
        1 + u16::from(!look.state.status_line.is_empty())
    }

    pub(crate) fn draw(&self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let mut rows = area.rows();
        if let Some(row) = rows.next() {
            let line = fitted(parts(look.state, look.now), area.width.into());
            look.theme.line(&line).render(row, buffer);
        }
        if let Some(row) = rows.next() {
            look.theme.line(&joined(look.state.status_line.iter())).render(row, buffer);
        }
    }
}

/// Every part, from left to right.
fn parts(state: &State, now: Instant) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut add = |importance: u8, long: Line, short: Option<Line>| {
        parts.push(Part { importance, long, short });
    };
    let dim = |text: String| Line::new(text, Style::Dim);
    let plain = state.options.plain;
    if let Some(turn) = &state.turn {
        let time = clock(now.saturating_duration_since(turn.since));
        if turn.interrupted {
            add(20, Line::new("stopping …", Style::Warning), None);
        } else if state.approval.is_some() || state.question.is_some() {
            add(20, Line::new("waiting for you", Style::Warning), None);
        } else {
            let long = Line::new(format!("working {time}"), Style::Bold);
            add(20, long, Some(Line::new(time, Style::Bold)));
            add(3, dim("Esc stops".into()), None);
        }
    } else if state.failed {
        add(20, Line::new("no session", Style::Removed), None);
    } else if state.ended {
        add(20, Line::new("the session has ended", Style::Removed), None);
    } else if state.session_id.is_empty() {
        add(20, Line::new("opening …", Style::Bold), None);
    }
    for work in &state.work {
        add(14, Line::new(work_text(work, plain), Style::Tip), Some(Line::new(work_short(work), Style::Tip)));
    }
    if let Some(model) = &state.model {
        let (word, style) = if model.local { ("local", Style::Added) } else { ("remote", Style::Warning) };
        let name = one_line(&model.name, NAME);
        let short = Line::new(clip(&name, 12), Style::Bold).with(format!(" {word}"), style);
        add(18, Line::new(name, Style::Bold).with(format!(" {word}"), style), Some(short));
    }
    if state.is_open() {
        let mode = state.mode;
        add(19, Line::new(mode_word(mode), mode_style(mode)), None);
    } else if let Some(mode) = state.wanted_mode {
        add(19, Line::new(mode_word(mode), mode_style(mode)), None);
    }
    if let Some(step) = &state.step {
        let window = step.window.max(1);
        let percent = step.used.saturating_mul(100) / window;
        let style = if percent >= FULL { Style::Warning } else { Style::Dim };
        let long = format!("{}/{} {percent} %", short_number(step.used), window_number(window));
        add(13, Line::new(long, style), Some(Line::new(format!("{percent} %"), style)));
    }
    let live = state.turn.is_some().then(|| state.streaming_speed(now)).flatten();
    match (live, state.measured_speed()) {
        (Some(speed), _) => add(6, dim(format!("~{} tok/s", speed_text(speed))), None),
        (None, Some(speed)) => add(6, dim(format!("{} tok/s", speed_text(speed))), None),
        (None, None) => {}
    }
    if state.is_open() {
        let level = if state.sandbox.level.is_empty() { "none" } else { state.sandbox.level.as_str() };
        let text = format!("sandbox {}", one_line(level, NAME));
        // Less than full is never silent.
        if level == "full" { add(4, dim(text), None) } else { add(17, Line::new(text, Style::Warning), None) }
    }
    if state.offline {
        add(15, Line::new("offline", Style::Tip), None);
    }
    if let Some(cost) = cost(state) {
        add(if cost == "free" { 2 } else { 11 }, dim(cost), None);
    }
    if let Some(branch) = state.branch.as_deref().filter(|branch| !branch.is_empty()) {
        let branch = one_line(branch, NAME);
        let short = dim(clip(&branch, 12));
        add(8, dim(branch), Some(short));
    }
    let open = state.tasks.iter().filter(|task| !task.done).count();
    if open > 0 {
        add(
            7,
            dim(format!("{} of {} tasks open", open, state.tasks.len())),
            Some(dim(counted(open, "task"))),
        );
    }
    if state.running_jobs() > 0 {
        let jobs = state.running_jobs();
        let text = format!("{} in the background", number(jobs));
        add(9, Line::new(text, Style::Tip), Some(Line::new(counted(jobs, "job"), Style::Tip)));
    }
    if !state.queue.is_empty() {
        add(16, Line::new(format!("{} waiting", counted(state.queue.len(), "prompt")), Style::Tip), None);
    }
    parts
}

/// The parts that fit, joined.
fn fitted(mut parts: Vec<Part>, width: usize) -> Line {
    let long = |parts: &[Part]| {
        let text: usize = parts.iter().map(|part| columns(&part.long.plain())).sum();
        text + 3 * parts.len().saturating_sub(1)
    };
    let mut shortened = false;
    while long(&parts) > width {
        let Some(at) = (0..parts.len()).min_by_key(|at| parts[*at].importance) else { break };
        if parts[at].importance >= ALWAYS && !shortened {
            // What is always wanted is said shorter, all of it, before any of it goes.
            shortened = true;
            for part in &mut parts {
                part.long = part.short.take().unwrap_or(std::mem::take(&mut part.long));
            }
        } else if let Some(short) = parts[at].short.take() {
            parts[at].long = short;
        } else if parts.len() > 1 {
            parts.remove(at);
        } else {
            break;
        }
    }
    joined(parts.iter().map(|part| &part.long))
}

fn joined<'a>(lines: impl Iterator<Item = &'a Line>) -> Line {
    let mut all = Line::default();
    for line in lines {
        if !all.spans.is_empty() {
            all = all.with(" · ", Style::Dim);
        }
        all.spans.extend(line.spans.iter().cloned());
    }
    all
}

/// What the session cost: nothing to say before anything was answered, `free` where all of it ran here.
fn cost(state: &State) -> Option<String> {
    let elsewhere = state.spent.iter().any(|usage| !usage.local);
    let known = state.spent.iter().any(|usage| usage.cost_usd.is_some());
    let usd = state.cost();
    match (elsewhere, known) {
        (false, _) if usd <= 0.0 => {
            state.model.as_ref().is_some_and(|model| model.local).then(|| "free".into())
        }
        (true, false) => Some("price unknown".into()),
        // Below a cent the digits behind it are what moves.
        _ if usd < 0.01 => Some(format!("${usd:.4}")),
        _ => Some(format!("${usd:.2}")),
    }
}

/// `indexing ━━━╸──── 3,200/5,000 files`; in words where nothing is drawn.
fn work_text(work: &Work, plain: bool) -> String {
    let task = one_line(&work.task, NAME);
    let Some(total) = work.total.filter(|total| *total > 0) else {
        return format!("{task}, {} {}", number(figure(work.done)), one_line(&work.unit, 12));
    };
    let done = work.done.min(total);
    let figures = if work.unit == "files" {
        format!("{}/{} files", number(figure(done)), number(figure(total)))
    } else if plain {
        format!("{} percent", percent(done, total))
    } else {
        format!("{} %", percent(done, total))
    };
    if plain {
        return format!("{task}, {figures}");
    }
    let half = u128::from(done) * u128::from(BAR) * 2 / u128::from(total);
    let bar: String = (0..u128::from(BAR))
        .map(|cell| match half.saturating_sub(cell * 2) {
            0 => '─',
            1 => '╸',
            _ => '━',
        })
        .collect();
    format!("{task} {bar} {figures}")
}

fn work_short(work: &Work) -> String {
    let task = one_line(&work.task, 12);
    match work.total.filter(|total| *total > 0) {
        Some(total) => format!("{task} {} %", percent(work.done.min(total), total)),
        None => task,
    }
}

/// The share of work that is done, where that is known.
pub(crate) fn share(work: &Work) -> Option<u8> {
    let total = work.total.filter(|total| *total > 0)?;
    u8::try_from(percent(work.done.min(total), total)).ok()
}

fn percent(done: u64, total: u64) -> u64 {
    u64::try_from(u128::from(done) * 100 / u128::from(total.max(1))).unwrap_or(100)
}

fn figure(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// `950`, `12.3k`, `131k`, `1.0M`.
fn short_number(value: usize) -> String {
    match value {
        0..1_000 => value.to_string(),
        1_000..100_000 if !value.is_multiple_of(1_000) => {
            format!("{}.{}k", value / 1_000, value % 1_000 / 100)
        }
        1_000..1_000_000 => format!("{}k", value / 1_000),
        _ => format!("{}.{}M", value / 1_000_000, value % 1_000_000 / 100_000),
    }
}

/// Windows are made of powers of two, and are called so: `32k` are 32,768.
fn window_number(value: usize) -> String {
    if value >= 1_024 && value.is_multiple_of(1_024) && value < 1 << 20 {
        format!("{}k", value / 1_024)
    } else if value >= 1 << 20 && value.is_multiple_of(1 << 20) {
        format!("{}M", value >> 20)
    } else {
        short_number(value)
    }
}

fn speed_text(speed: f64) -> String {
    if speed < 10.0 { format!("{speed:.1}") } else { format!("{speed:.0}") }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", number(count), if count == 1 { "" } else { "s" })
}

/// `7 s`, `2 min 5 s`, `1 h 2 min`.
pub(crate) fn clock(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests;
