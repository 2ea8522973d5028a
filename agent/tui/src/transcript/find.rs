//! Owns a search in the transcript: what is looked for, where it is, and which of these is looked at.
//! Uses the texts of blocks to find, and their rows to show.
//! Never misses what is folded: texts are searched, not what is shown of them.

use super::list::{Cells, Place};
use super::rows::Row;
use crate::style::{Line, Style};
use crate::text::{columns, visible};

/// A search.
#[derive(Debug, Default)]
pub(super) struct Search {
    query: String,
    /// What was shown when it began: each letter looks from there.
    pub(super) origin: (Option<Place>, Vec<Place>),
    /// Whether it is still being typed.
    pub(super) typing: bool,
    /// Blocks in which it is found, and how often.
    found: Vec<(usize, usize)>,
    /// Which of these is looked at, and which time in it.
    at: Option<(usize, usize)>,
}

impl Search {
    pub(super) fn begun(origin: (Option<Place>, Vec<Place>)) -> Self {
        Self { typing: true, origin, ..Self::default() }
    }

    pub(super) fn query(&self) -> &str {
        &self.query
    }

    pub(super) fn push(&mut self, character: char) {
        if !character.is_control() {
            self.query.push(character);
        }
    }

    pub(super) fn pop(&mut self) {
        self.query.pop();
    }

    /// Look at every block.
    pub(super) fn find(&mut self, cells: &Cells) {
        self.found.clear();
        self.at = None;
        if self.query.is_empty() {
            return;
        }
        for (at, cell) in cells.iter() {
            let mut count = 0;
            cell.texts(&mut |text| count += occurrences(text, &self.query));
            if count > 0 {
                self.found.push((at, count));
            }
        }
    }

    /// The one nearest above the block, or else the first one below; it is looked at.
    pub(super) fn nearest(&mut self, cell: usize) -> Option<(usize, usize)> {
        let after = self.found.partition_point(|(at, _)| *at <= cell);
        let found = after.saturating_sub(1);
        let (_, count) = self.found.get(found)?;
        let nth = if after > 0 { count - 1 } else { 0 };
        self.at = Some((found, nth));
        self.current()
    }

    /// The block that is looked at, and which time in it.
    pub(super) fn current(&self) -> Option<(usize, usize)> {
        let (found, nth) = self.at?;
        Some((self.found.get(found)?.0, nth))
    }

    /// The next one, or the one before; around the ends.
    pub(super) fn step(&mut self, forward: bool) -> Option<(usize, usize)> {
        let (found, nth) = self.at?;
        let all = self.found.len();
        let count = |found: usize| self.found.get(found).map_or(0, |(_, count)| *count);
        self.at = Some(match forward {
            true if nth + 1 < count(found) => (found, nth + 1),
            true => ((found + 1) % all, 0),
            false if nth > 0 => (found, nth - 1),
            false => {
                let before = (found + all - 1) % all;
                (before, count(before).saturating_sub(1))
            }
        });
        self.current()
    }

    /// It is shown so many times in the rows of the block that is looked at: what is between signs of markdown may be
    /// more or less than what is shown.
    pub(super) fn shown(&mut self, times: usize) {
        if let Some((found, nth)) = &mut self.at
            && let Some((_, count)) = self.found.get_mut(*found)
            && times > 0
        {
            *count = times;
            *nth = (*nth).min(times - 1);
        }
    }

    /// `/words  3/17`.
    pub(super) fn line(&self) -> Line {
        let cursor = if self.typing { "▏" } else { "" };
        let line = Line::new(format!("/{}{cursor}", visible(&self.query)), Style::Bold);
        let all: usize = self.found.iter().map(|(_, count)| count).sum();
        match self.at {
            Some((found, nth)) => {
                let before: usize = self.found[..found].iter().map(|(_, count)| count).sum();
                line.with(format!("  {}/{all}", before + nth + 1), Style::Tip)
            }
            None if self.query.is_empty() => line,
            None => line.with("  not found", Style::Warning),
        }
    }
}

/// Capitals in what is looked for are meant.
fn same(one: char, other: char, exact: bool) -> bool {
    one == other || (!exact && one.to_lowercase().eq(other.to_lowercase()))
}

fn is_exact(query: &str) -> bool {
    query.chars().any(char::is_uppercase)
}

/// Where it begins and ends in a text, in bytes.
fn places(text: &str, query: &str) -> Vec<(usize, usize)> {
    let exact = is_exact(query);
    let Some(first) = query.chars().next() else { return Vec::new() };
    let mut places = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].char_indices().find(|(_, one)| same(*one, first, exact)) {
        let start = from + start.0;
        let mut end = start;
        let mut rest = text[start..].chars();
        let all = query.chars().all(|wanted| {
            rest.next().is_some_and(|one| {
                end += one.len_utf8();
                same(one, wanted, exact)
            })
        });
        if all {
            places.push((start, end));
            from = end;
        } else {
            from = start + text[start..].chars().next().map_or(1, char::len_utf8);
        }
    }
    places
}

/// How often it is in a text.
fn occurrences(text: &str, query: &str) -> usize {
    if !(text.is_ascii() && query.is_ascii()) {
        return places(text, query).len();
    }
    // Most of what is searched: a byte is a character.
    let (text, query, exact) = (text.as_bytes(), query.as_bytes(), is_exact(query));
    let Some(first) = query.first() else { return 0 };
    let (lower, upper) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    let mut at = 0;
    let mut count = 0;
    while at + query.len() <= text.len() {
        let here = &text[at..at + query.len()];
        let found = if exact {
            here == query
        } else {
            (here[0] == lower || here[0] == upper) && here.eq_ignore_ascii_case(query)
        };
        count += usize::from(found);
        at += if found { query.len() } else { 1 };
    }
    count
}

/// The line of text in which a row stands: the row that it begins in, and each row's part of it as bytes.
fn around(rows: &[Row], row: usize) -> (usize, String, Vec<usize>) {
    let mut first = row;
    while first > 0 && rows[first].joined.is_some() {
        first -= 1;
    }
    let mut text = String::new();
    let mut starts = Vec::new();
    for (at, one) in rows.iter().enumerate().skip(first) {
        if at > first {
            let Some(gap) = one.joined else { break };
            text.push_str(&" ".repeat(gap));
        }
        starts.push(text.len());
        text.push_str(&one.text());
    }
    (first, text, starts)
}

/// The columns of a row in which it stands, where lines are broken inside of it too.
pub(super) fn columns_of(rows: &[Row], row: usize, query: &str) -> Vec<(usize, usize)> {
    let Some(shown) = rows.get(row) else { return Vec::new() };
    let (first, text, starts) = around(rows, row);
    let at = row - first;
    let begin = starts[at];
    let end = begin + shown.text().len();
    let column = |byte: usize| shown.lead + columns(&text[begin..byte.clamp(begin, end)]);
    places(&text, query)
        .into_iter()
        .filter(|(from, to)| *from < end && *to > begin)
        .map(|(from, to)| (column(from), column(to)))
        .collect()
}

/// The rows in which it begins, in order.
pub(super) fn rows_of(rows: &[Row], query: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < rows.len() {
        let (first, text, starts) = around(rows, at);
        for (from, _) in places(&text, query) {
            found.push(first + starts.partition_point(|start| *start <= from) - 1);
        }
        at = first + starts.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_are_meant_where_they_are_typed() {
        let check = |text: &str, query: &str, expect: usize| {
            assert_eq!(occurrences(text, query), expect, "{query} in {text}");
            assert_eq!(places(text, query).len(), expect, "{query} in {text}");
        };
        check("Config and config", "config", 2);
        check("Config and config", "Config", 1);
        check("aaaa", "aa", 2);
        check("aab", "ab", 1);
        check("Straße, STRASSE, straße", "straße", 2);
        check("ÄÖÜ äöü", "äöü", 2);
        check("nothing", "x", 0);
        check("", "x", 0);
        check("x", "", 0);
    }
}
