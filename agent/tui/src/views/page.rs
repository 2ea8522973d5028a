//! Owns what all views look like: a row with the title, the content, a row with the keys.
//! Uses the look of the screen.
//! Never takes a key.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::Widget;

use super::field::Field;
use crate::component::Look;
use crate::style::{Line, Style};
use crate::text::{clip, columns, one_line};

/// What stands around a view's content.
#[derive(Default)]
pub(crate) struct Page<'a> {
    /// What it is.
    pub(crate) title: &'a str,
    /// What is to be known of all of it; left out where there is no room.
    pub(crate) facts: String,
    /// Keys and what they do; the most important ones first. How to move and to leave is added.
    pub(crate) keys: &'a [(&'a str, &'a str)],
    /// What is typed just now, in the place of the keys.
    pub(crate) field: Option<&'a Field>,
}

impl Page<'_> {
    /// Draw it and say where the content goes.
    pub(crate) fn draw(&self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) -> Rect {
        let width = usize::from(area.width);
        let below = match self.field {
            Some(field) => vec![field.line(width)],
            None => keys(self.keys, width),
        };
        let rows = u16::try_from(below.len()).unwrap_or(1);
        let [head, inner, foot] =
            Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(rows)])
                .areas(area);
        let title = clip(self.title, width);
        let room = width.saturating_sub(columns(&title) + 2);
        let mut line = Line::new(title, Style::Bold);
        if look.state.approval.is_some() || look.state.question.is_some() {
            line = line.with("  ", Style::Plain).with(clip("a decision waits: Esc", room), Style::Warning);
        } else if room > 4 {
            line = line.with("  ", Style::Plain).with(one_line(&self.facts, room), Style::Dim);
        }
        look.theme.line(&line).render(head, buffer);
        for (line, row) in below.iter().zip(foot.rows()) {
            look.theme.line(line).render(row, buffer);
        }
        inner
    }
}

/// The keys in at most two rows, how to leave always; those for which there is no room are in the help.
fn keys(keys: &[(&str, &str)], width: usize) -> Vec<Line> {
    let close = ("Esc", "closes");
    let wide = |(key, does): (&str, &str)| columns(key) + 1 + columns(does);
    let mut rows: Vec<Vec<(&str, &str)>> = vec![Vec::new()];
    let mut used = 0;
    for (at, key) in keys.iter().copied().chain([close]).enumerate() {
        let last = at == keys.len();
        // In the second row there must be room for the way out.
        let kept = if rows.len() == 2 && !last { 3 + wide(close) } else { 0 };
        let gap = if used > 0 { 3 } else { 0 };
        if used > 0 && used + gap + wide(key) + kept > width {
            if rows.len() == 2 {
                if last {
                    rows[1] = vec![close];
                }
                continue;
            }
            rows.push(Vec::new());
            used = 0;
        }
        used += if used > 0 { 3 } else { 0 } + wide(key);
        if let Some(row) = rows.last_mut() {
            row.push(key);
        }
    }
    let line = |row: Vec<(&str, &str)>| {
        row.into_iter().fold(Line::default(), |line, (key, does)| {
            let line = if line.spans.is_empty() { line } else { line.with(" · ", Style::Dim) };
            line.with(key, Style::Tip).with(format!(" {does}"), Style::Dim)
        })
    };
    rows.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_take_two_rows_at_most() {
        let all = [("Enter", "goes on"), ("f", "forks"), ("n", "names"), ("e", "exports"), ("d", "removes")];
        let check = |width: usize, expect: &[&str]| {
            let rows: Vec<String> = keys(&all, width).iter().map(Line::plain).collect();
            assert_eq!(rows, expect, "{width}");
        };
        check(80, &["Enter goes on · f forks · n names · e exports · d removes · Esc closes"]);
        check(40, &["Enter goes on · f forks · n names", "e exports · d removes · Esc closes"]);
        check(14, &["Enter goes on", "Esc closes"]);
        check(24, &["Enter goes on · f forks", "n names · Esc closes"]);
    }
}
