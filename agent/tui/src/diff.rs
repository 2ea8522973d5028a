//! Owns how a unified diff looks.
//! Uses `wrap` for rows and `text` for what is safe.
//! Never says by colour alone which line is new and which is gone.

use crate::style::{Line, Style};
use crate::text::visible;
use crate::wrap::cut;

/// The diff in rows of at most `width` columns, at most `most` of them; the last one counts what is left out.
#[must_use]
pub fn rows(diff: &str, width: usize, most: usize) -> Vec<Line> {
    let mut rows = Vec::new();
    let mut left = 0;
    for line in diff.lines() {
        if rows.len() >= most {
            left += 1;
            continue;
        }
        let style = match line.as_bytes() {
            [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => Style::Bold,
            [b'@', b'@', ..] => Style::Dim,
            [b'+', ..] => Style::Added,
            [b'-', ..] => Style::Removed,
            _ => Style::Plain,
        };
        rows.extend(cut(&Line::new(visible(line), style), width, 2));
    }
    if left > 0 {
        rows.push(Line::new(format!("… {left} more lines"), Style::Dim));
    }
    rows
}

/// Lines that are new and lines that are gone.
#[must_use]
pub fn counts(diff: &str) -> (usize, usize) {
    let count = |sign: &str, header: &str| {
        diff.lines().filter(|line| line.starts_with(sign) && !line.starts_with(header)).count()
    };
    (count("+", "+++ "), count("-", "--- "))
}
