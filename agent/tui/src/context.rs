//! Owns how a report on the window looks: a table of sources, what recall put in, what left.
//! Uses `style` and `text`.
//! Never measures anything: the figures are the core's.

use loci_protocol::{ContextCompaction, ContextLeft, ContextRecalled, ContextReport};

use crate::style::{Line, Style};
use crate::text::{clip, columns, one_line};

/// Columns of the longest bar: that of a part which fills the window.
const BAR: usize = 32;
/// No table is narrower: a source, its figures and a bar.
const NARROWEST: usize = 74;
/// Columns of a source's name.
const SOURCE: usize = 20;

/// A report in lines of at most `width` columns. Of long lists the newest `most` are shown, and the rest is counted.
#[must_use]
pub fn context_lines(report: &ContextReport, width: usize, most: usize) -> Vec<Line> {
    let width = width.max(NARROWEST);
    let about = if report.exact { "" } else { "about " };
    let model = one_line(&report.model, width / 2);
    let mut lines = vec![Line::new(format!("{model}: "), Style::Bold).with(
        format!(
            "{about}{} of {} tokens ({})",
            number(report.used),
            number(report.window),
            share(report.used, report.window)
        ),
        Style::Plain,
    )];
    let mut limits = vec![format!("{} kept for the answer", number(report.reserve))];
    if report.marks.0 > 0 {
        limits.push(format!("makes room at {}, down to {}", number(report.marks.0), number(report.marks.1)));
    }
    lines.push(Line::new(clip(&limits.join(" · "), width), Style::Dim));
    lines.push(Line::default());
    for part in &report.parts {
        let items = if part.items > 1 { format!(" × {}", number(part.items)) } else { String::new() };
        lines.push(row(
            &format!("{}{items}", one_line(&part.source, SOURCE)),
            part.tokens,
            report.window,
            Style::Tip,
        ));
    }
    let taken = report.used + report.reserve;
    if taken < report.window {
        lines.push(row("free", report.window - taken, report.window, Style::Dim));
    }
    section(&mut lines, "Recalled", report.recalled.len(), most, |at| recalled(&report.recalled[at], width));
    if !report.left.is_empty() {
        let tokens: usize = report.left.iter().map(|left| left.tokens).sum();
        let title = format!("Left the window: {} tokens, to be seen again with recall", number(tokens));
        section(&mut lines, &title, report.left.len(), most, |at| vec![left(&report.left[at], width)]);
    }
    section(&mut lines, "Compactions", report.compactions.len(), most, |at| {
        vec![compaction(&report.compactions[at], width)]
    });
    lines
}

/// A title and the newest entries of a list; nothing where the list is empty.
fn section(
    lines: &mut Vec<Line>,
    title: &str,
    length: usize,
    most: usize,
    entry: impl Fn(usize) -> Vec<Line>,
) {
    if length == 0 {
        return;
    }
    lines.push(Line::default());
    lines.push(Line::new(title, Style::Bold));
    let first = length.saturating_sub(most);
    if first > 0 {
        lines.push(Line::new(format!("  … {} earlier", number(first)), Style::Dim));
    }
    for at in first..length {
        lines.extend(entry(at));
    }
}

fn row(source: &str, tokens: usize, window: usize, style: Style) -> Line {
    let source = clip(source, SOURCE);
    let pad = SOURCE.saturating_sub(columns(&source));
    let filled = (tokens * BAR).div_ceil(window.max(1)).min(BAR);
    Line::new(format!("  {source}{}", " ".repeat(pad)), Style::Plain)
        .with(format!(" {:>9} {:>6}  ", number(tokens), share(tokens, window)), Style::Plain)
        .with("█".repeat(filled), style)
}

fn recalled(passage: &ContextRecalled, width: usize) -> Vec<Line> {
    let why: Vec<String> =
        passage.why.iter().map(|(name, value)| format!("{} {value:.2}", one_line(name, 24))).collect();
    let facts = format!("{} tokens, turn {}", number(passage.tokens), passage.turn);
    let mut lines = vec![entry(&passage.handle, &passage.title, &facts, width)];
    if !why.is_empty() {
        lines.push(Line::new(clip(&format!("             found by {}", why.join(", ")), width), Style::Dim));
    }
    lines
}

fn left(left: &ContextLeft, width: usize) -> Line {
    let folded = if left.folded { ", folded" } else { "" };
    let facts = format!("{} tokens, turn {}{folded}", number(left.tokens), left.turn);
    entry(&left.handle, &left.title, &facts, width)
}

fn entry(handle: &str, title: &str, facts: &str, width: usize) -> Line {
    let handle = format!("  {:<10} ", one_line(handle, 48));
    let room = width.saturating_sub(columns(&handle) + columns(facts) + 2).max(12);
    Line::new(handle, Style::Tip)
        .with(one_line(title, room), Style::Plain)
        .with(format!("  {facts}"), Style::Dim)
}

fn compaction(compaction: &ContextCompaction, width: usize) -> Line {
    let text = format!(
        "  turn {}: {} → {} tokens, {}",
        compaction.turn,
        number(compaction.before),
        number(compaction.after),
        one_line(&compaction.cause, 80)
    );
    Line::new(clip(&text, width), Style::Plain)
}

pub(crate) fn share(part: usize, whole: usize) -> String {
    format!("{} %", (part * 100 + whole / 2) / whole.max(1))
}

/// `12,345`.
pub(crate) fn number(value: usize) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use loci_protocol::ContextPart;

    use super::*;

    fn report() -> ContextReport {
        let part = |source: &str, tokens, items| ContextPart { source: source.into(), tokens, items };
        ContextReport {
            model: "qwen3:8b".into(),
            window: 8_192,
            reserve: 1_365,
            used: 5_012,
            exact: true,
            marks: (4_915, 2_457),
            parts: vec![
                part("system", 412, 1),
                part("tools", 1_034, 19),
                part("ledger", 706, 1),
                part("prompts", 320, 3),
                part("results of read", 2_440, 4),
                part("recalled", 100, 2),
            ],
            recalled: vec![ContextRecalled {
                handle: "r41:10-22".into(),
                title: "read src/a_rather_long_name/of_a_file/that_does_not_fit_into_its_column.rs:10-80"
                    .into(),
                why: vec![("body".into(), 2.1), ("path".into(), 0.4)],
                tokens: 100,
                turn: 7,
            }],
            left: (0..5)
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
                before: 5_100,
                after: 2_400,
            }],
        }
    }

    fn shown(report: &ContextReport, width: usize, most: usize) -> String {
        let lines: Vec<String> = context_lines(report, width, most).iter().map(Line::plain).collect();
        for line in &lines {
            assert!(columns(line) <= width.max(NARROWEST), "{line}");
            assert!(!line.contains(['\n', '\u{1b}']), "{line:?}");
        }
        lines.join("\n")
    }

    #[test]
    fn a_report_is_a_table() {
        insta::assert_snapshot!(shown(&report(), 80, 3));
    }

    #[test]
    fn an_empty_window_is_shown_too() {
        insta::assert_snapshot!(shown(
            &ContextReport { model: "m".into(), ..ContextReport::default() },
            80,
            3
        ));
    }

    #[test]
    fn every_width_is_kept_to() {
        for width in 0..200 {
            assert!(shown(&report(), width, 1).contains("… 4 earlier"));
        }
    }

    #[test]
    fn numbers_have_commas() {
        let check = |value, expect: &str| assert_eq!(number(value), expect);
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(1_234_567, "1,234,567");
    }
}
