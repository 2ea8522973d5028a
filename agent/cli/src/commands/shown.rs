//! Owns how places in code look in every answer: path, line, text, a remark.
//! Uses the styles of `tui`.
//! Never prints anything by itself.

use loci_index::{Definition, Index};
use loci_tui::{Line, Style, visible};

use crate::printer::Printer;

/// `path:line  text  (remark)`.
#[must_use]
pub(super) fn place(path: &str, line: u32, text: &str, remark: &str) -> Line {
    let shown = Line::new(visible(path), Style::Bold)
        .with(format!(":{line}"), Style::Tip)
        .with(format!("  {}", visible(text)), Style::Plain);
    if remark.is_empty() { shown } else { shown.with(format!("  ({})", visible(remark)), Style::Dim) }
}

/// The parts of a remark that are there, with commas.
#[must_use]
pub(super) fn remark<const N: usize>(parts: [Option<String>; N]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The limit to ask for.
#[must_use]
pub(super) fn limit(limit: u32, all: bool) -> usize {
    if all { usize::MAX / 8 } else { limit as usize }
}

/// Say how many were left out, if any were.
///
/// # Errors
/// When standard output cannot be written.
pub(super) fn more(printer: &Printer, left_out: usize) -> std::io::Result<()> {
    if left_out > 0 {
        printer.line(&Line::new(format!("… and {left_out} more (--all)"), Style::Dim))?;
    }
    Ok(())
}

/// A number with its noun.
#[must_use]
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Definitions whose name is like one that nobody defines.
///
/// # Errors
/// When the index cannot be read.
pub(super) fn similar(index: &Index, symbol: &str) -> anyhow::Result<Vec<Definition>> {
    let mut found = Vec::new();
    for name in index.similar(symbol, 5)? {
        found.extend(index.definitions(&name)?.into_iter().next());
    }
    Ok(found)
}

/// Say that a symbol is not defined, and what else may have been meant.
///
/// # Errors
/// When the index cannot be read.
pub(super) fn undefined(printer: &Printer, index: &Index, symbol: &str) -> anyhow::Result<()> {
    let near = similar(index, symbol)?;
    let near: Vec<String> =
        near.iter().map(|one| format!("{} ({}:{})", one.name, one.path, one.line)).collect();
    let hint = match near.as_slice() {
        [] => format!("`loci search \"{symbol}\"` looks for the words"),
        near => format!("did you mean {}?", near.join(", ")),
    };
    printer.note(&format!("nothing named `{symbol}` is defined; {hint}"));
    Ok(())
}
