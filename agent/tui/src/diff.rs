//! Owns how a unified diff looks: paths and counts, numbers of lines, signs, the words that changed.
//! Uses `unified` to read it, `similar` for words, `wrap` for rows.
//! Never says by colour alone what is new and what is gone.

mod unified;

use similar::{ChangeTag, DiffOp, TextDiff};

use crate::style::{Line, Span, Style};
use crate::text::visible;
use crate::wrap::{cut, wrap};
use unified::Entry;

/// Below this many columns there are no numbers of lines: they would take a tenth of the room.
const NUMBERED: usize = 60;

/// Lines that did not change are shown this far from one that did; diffs are written so, but not all of them.
const AROUND: usize = 3;

/// Lines and bytes of a change that are compared word by word. What is larger was written anew, and its words say little.
const WORDS: (usize, usize) = (60, 8 * 1024);

/// The diff in rows of at most `width` columns, at most `most` of them; the last one says how many lines are left out.
///
/// Carriage returns are shown where some lines have them and some do not, since then they may be what changed.
#[must_use]
pub fn rows(diff: &str, width: usize, most: usize) -> Vec<Line> {
    let mut out = Out { width: width.max(1), most, rows: Vec::new(), begins: Vec::new(), left: 0 };
    let entries: Vec<Entry<'_>> = unified::read(diff).collect();
    let returns = mixed_returns(&entries);
    let numbers = if width >= NUMBERED { digits(&entries) } else { 0 };
    let mut at = 0;
    let (mut old, mut new) = (0, 0);
    let mut first_hunk = true;
    while at < entries.len() {
        match entries[at] {
            Entry::File { old, new } => {
                first_hunk = true;
                let end = entries[at + 1..].iter().position(|entry| matches!(entry, Entry::File { .. }));
                let own = &entries[at..end.map_or(entries.len(), |end| at + 1 + end)];
                out.put(wrap(&header(old, new, own), width, 2));
                at += 1;
            }
            Entry::Hunk { old: from_old, new: from_new, heading } => {
                (old, new) = (from_old, from_new);
                if !first_hunk || !heading.is_empty() {
                    let blank = if heading.is_empty() { "" } else { " " };
                    let row =
                        Line::new(format!("⋯{blank}{}", visible(heading).replace('\t', " ")), Style::Dim);
                    out.put(cut(&row, width, 2));
                }
                first_hunk = false;
                at += 1;
            }
            Entry::Said(text) => {
                out.put(wrap(&Line::new(visible(text), Style::Dim), width, 2));
                at += 1;
            }
            Entry::Same(_) => {
                let same = entries[at..].iter().take_while(|entry| matches!(entry, Entry::Same(_))).count();
                let changed =
                    |entry: Option<&Entry<'_>>| matches!(entry, Some(Entry::Added(_) | Entry::Removed(_)));
                let before = if at > 0 && changed(entries.get(at - 1)) { AROUND } else { 0 };
                let behind = if changed(entries.get(at + same)) { AROUND } else { 0 };
                // Folding one line gains nothing.
                let folded = if same > before + behind + 1 { before..same - behind } else { same..same };
                for (index, entry) in entries[at..at + same].iter().enumerate() {
                    if index == folded.start && !folded.is_empty() {
                        let text = format!("⋯ {} lines as they were", folded.len());
                        out.put(vec![Line::new(crate::text::clip(&text, width), Style::Dim)]);
                    }
                    if let Entry::Same(text) = entry
                        && !folded.contains(&index)
                    {
                        let line = Line::new(shown(text, returns), Style::Plain);
                        out.line(&line, ' ', Style::Plain, new.saturating_add(index), numbers);
                    }
                }
                (old, new) = (old.saturating_add(same), new.saturating_add(same));
                at += same;
            }
            Entry::Removed(_) | Entry::Added(_) => {
                let length = |entries: &[Entry<'_>]| {
                    entries
                        .iter()
                        .take_while(|entry| {
                            matches!(entry, Entry::Removed(_) | Entry::Added(_) | Entry::Said(_))
                        })
                        .count()
                };
                let block = &entries[at..at + length(&entries[at..])];
                let lines = changed(block, returns);
                for (kind, line) in &lines {
                    match kind {
                        Kind::Removed => {
                            out.line(line, '-', Style::Removed, old, numbers);
                            old = old.saturating_add(1);
                        }
                        Kind::Added => {
                            out.line(line, '+', Style::Added, new, numbers);
                            new = new.saturating_add(1);
                        }
                        Kind::Said => out.put(wrap(line, width, 2)),
                    }
                }
                at += block.len();
            }
        }
    }
    out.finish()
}

/// Lines that are new and lines that are gone.
#[must_use]
pub fn counts(diff: &str) -> (usize, usize) {
    count(unified::read(diff))
}

fn count<'a>(entries: impl Iterator<Item = Entry<'a>>) -> (usize, usize) {
    entries.fold((0, 0), |(added, removed), entry| match entry {
        Entry::Added(_) => (added + 1, removed),
        Entry::Removed(_) => (added, removed + 1),
        _ => (added, removed),
    })
}

/// The path, what happened to the file as a whole, and the counts.
fn header(old: Option<&str>, new: Option<&str>, entries: &[Entry<'_>]) -> Line {
    let name = |name: &str| visible(name).replace('\t', " ");
    let (path, word) = match (old, new) {
        (None, Some(new)) => (name(new), " new file"),
        (Some(old), None) => (name(old), " removed"),
        (Some(old), Some(new)) if old != new => (format!("{} → {}", name(old), name(new)), ""),
        (_, new) => (name(new.unwrap_or_default()), ""),
    };
    let (added, removed) = count(entries.iter().copied());
    Line::new(path, Style::Bold)
        .with(word, Style::Dim)
        .with(format!(" +{added}"), Style::Added)
        .with(format!(" -{removed}"), Style::Removed)
}

/// Whether some lines end with a carriage return and some do not.
fn mixed_returns(entries: &[Entry<'_>]) -> bool {
    let mut seen = (false, false);
    for entry in entries {
        if let Entry::Same(text) | Entry::Added(text) | Entry::Removed(text) = entry {
            if text.ends_with('\r') { seen.0 = true } else { seen.1 = true }
        }
    }
    seen == (true, true)
}

fn shown(text: &str, returns: bool) -> String {
    match text.strip_suffix('\r') {
        Some(rest) if returns => visible(rest) + "␍",
        Some(rest) => visible(rest),
        None => visible(text),
    }
}

/// Digits of the largest number of a line.
fn digits(entries: &[Entry<'_>]) -> usize {
    let mut largest = 0;
    let mut at = (0_usize, 0_usize);
    for entry in entries {
        match entry {
            Entry::Hunk { old, new, .. } => at = (*old, *new),
            Entry::Same(_) => at = (at.0.saturating_add(1), at.1.saturating_add(1)),
            Entry::Removed(_) => at.0 = at.0.saturating_add(1),
            Entry::Added(_) => at.1 = at.1.saturating_add(1),
            Entry::File { .. } | Entry::Said(_) => {}
        }
        largest = largest.max(at.0).max(at.1);
    }
    largest.saturating_sub(1).max(1).ilog10() as usize + 1
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Removed,
    Added,
    Said,
}

/// Lines that follow each other and changed, with the words that did.
fn changed(block: &[Entry<'_>], returns: bool) -> Vec<(Kind, Line)> {
    let (mut removed, mut added) = (String::new(), String::new());
    let mut plain = Vec::with_capacity(block.len());
    for entry in block {
        let (kind, text, style) = match entry {
            Entry::Removed(text) => (Kind::Removed, shown(text, returns), Style::Removed),
            Entry::Added(text) => (Kind::Added, shown(text, returns), Style::Added),
            Entry::Said(text) => (Kind::Said, visible(text), Style::Dim),
            _ => continue,
        };
        match kind {
            Kind::Removed => removed = removed + &text + "\n",
            Kind::Added => added = added + &text + "\n",
            Kind::Said => {}
        }
        plain.push((kind, Line::new(text, style)));
    }
    let (lines, bytes) = WORDS;
    let few = block.len() <= lines && removed.len() + added.len() <= bytes;
    if removed.is_empty() || added.is_empty() || !few {
        return plain;
    }
    let (mut old, mut new) = (Vec::new(), Vec::new());
    let diff = TextDiff::from_lines(removed.as_str(), added.as_str());
    let whole =
        DiffOp::Replace { old_index: 0, old_len: diff.old_len(), new_index: 0, new_len: diff.new_len() };
    // Without a deadline: what is compared is small, and the same diff always looks the same.
    for change in diff.iter_inline_changes_deadline(&whole, None) {
        let (side, style, word) = match change.tag() {
            ChangeTag::Delete => (&mut old, Style::Removed, Style::RemovedWord),
            ChangeTag::Insert => (&mut new, Style::Added, Style::AddedWord),
            ChangeTag::Equal => continue,
        };
        let mut line = Line::default();
        for (stressed, text) in change.values() {
            let text = text.trim_end_matches('\n');
            if !text.is_empty() {
                line.spans.push(Span { text: text.to_owned(), style: if *stressed { word } else { style } });
            }
        }
        side.push(line);
    }
    let (mut old, mut new) = (old.into_iter(), new.into_iter());
    for (kind, line) in &mut plain {
        let worded = match kind {
            Kind::Removed => old.next(),
            Kind::Added => new.next(),
            Kind::Said => None,
        };
        // A line that is new as a whole needs no stress on each of its words.
        if let Some(worded) = worded.filter(|worded| worded.plain() == line.plain()) {
            let common = worded.spans.iter().any(|span| {
                matches!(span.style, Style::Added | Style::Removed) && !span.text.trim().is_empty()
            });
            if common {
                *line = worded;
            }
        }
    }
    plain
}

/// The rows so far, and what no longer had a place.
struct Out {
    width: usize,
    most: usize,
    rows: Vec<Line>,
    /// Whether the row is the first of a line.
    begins: Vec<bool>,
    left: usize,
}

impl Out {
    /// The rows of one line of the diff.
    fn put(&mut self, rows: Vec<Line>) {
        if self.rows.len() > self.most {
            self.left += 1;
            return;
        }
        for (index, row) in rows.into_iter().enumerate() {
            self.begins.push(index == 0);
            self.rows.push(row);
        }
    }

    /// A line of the file, its number and sign before each of its rows.
    fn line(&mut self, line: &Line, sign: char, style: Style, number: usize, digits: usize) {
        if self.rows.len() > self.most {
            self.left += 1;
            return;
        }
        let gutter = if digits > 0 { digits + 3 } else { 2 };
        let gutter = if gutter + 1 < self.width { gutter } else { 1 };
        let mut rows = cut(line, self.width.saturating_sub(gutter).max(1), 0);
        for (index, row) in rows.iter_mut().enumerate() {
            // What goes on from the row above has no number, and another sign beside its own.
            let mark = if index == 0 { ' ' } else { '↪' };
            let mut before = Vec::new();
            if digits > 0 && gutter > 2 {
                let number = if index == 0 { number.to_string() } else { String::new() };
                before.push(Span { text: format!("{number:>digits$} "), style: Style::Marker });
            }
            let signs = if gutter > 1 { format!("{sign}{mark}") } else { sign.to_string() };
            before.push(Span { text: signs, style });
            row.spans.splice(0..0, before);
        }
        self.put(rows);
    }

    fn finish(mut self) -> Vec<Line> {
        if self.rows.len() > self.most {
            let keep = self.most.saturating_sub(1);
            self.left += self.begins[keep..].iter().filter(|begins| **begins).count();
            self.rows.truncate(keep);
            if self.most > 0 {
                let text = format!("… {} more lines", self.left.max(1));
                self.rows.push(Line::new(crate::text::clip(&text, self.width), Style::Dim));
            }
        }
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::columns;

    const SAMPLE: &str = "\
--- a/src/price.rs
+++ b/src/price.rs
@@ -8,6 +8,7 @@ impl Cart
 fn one() {}
 fn two() {}
 
-    let total = items.iter().map(|item| item.price).sum();
-    old line;
+    let total = items.iter().map(|item| item.price * item.count).sum::<u64>();
+    // A line that is long enough to be wrapped in all but the very widest of terminals, and \t with a tab.
+    entirely other words;
 }
@@ -98 +99 @@
-a\x1b[31m
+a
\\ No newline at end of file
--- /dev/null
+++ b/漢字.txt
@@ -0,0 +1,1 @@
+漢字
--- a/gone.txt
+++ /dev/null
@@ -1,1 +0,0 @@
-bye
";

    fn plain(rows: &[Line]) -> String {
        rows.iter().map(Line::plain).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_diff_looks_right_in_every_width() {
        let all: String = [100, 60, 40, 12]
            .iter()
            .map(|width| format!("== {width}\n{}\n", plain(&rows(SAMPLE, *width, usize::MAX))))
            .collect();
        insta::assert_snapshot!(all);
    }

    #[test]
    fn words_that_changed_are_stressed() {
        let check = |old: &str, new: &str, expect: &[(&str, Style)]| {
            let rows = rows(&format!("@@ -1 +1 @@\n-{old}\n+{new}\n"), 40, 99);
            let spans: Vec<(&str, Style)> = rows
                .iter()
                .flat_map(|row| &row.spans)
                .filter(|span| matches!(span.style, Style::AddedWord | Style::RemovedWord))
                .map(|span| (span.text.as_str(), span.style))
                .collect();
            assert_eq!(spans, expect, "{old:?} {new:?}");
        };
        check("let a = 1;", "let b = 1;", &[("a", Style::RemovedWord), ("b", Style::AddedWord)]);
        check("fn f() {", "pub fn f() {", &[("pub ", Style::AddedWord)]);
        // Nothing is left of it.
        check("one two three", "four five six", &[]);
        check("let x = 1;", "let x = 1; ", &[(" ", Style::AddedWord)]);
    }

    #[test]
    fn what_has_no_place_is_counted() {
        let diff: String = "--- a/x\n+++ b/x\n@@ -0,0 +1,50 @@\n".to_owned() + &"+line\n".repeat(50);
        let check = |most: usize, expect: &str| {
            let shown = rows(&diff, 60, most);
            assert_eq!(shown.len(), most.min(51));
            assert_eq!(shown.last().map(Line::plain).unwrap_or_default(), expect);
        };
        check(51, "50 + line");
        check(50, "… 2 more lines");
        check(2, "… 50 more lines");
        check(1, "… 51 more lines");
        check(0, "");
        assert_eq!(counts(&diff), (50, 0));
        assert_eq!(counts(SAMPLE), (5, 4));
    }

    #[test]
    fn lines_that_did_not_change_are_folded() {
        let diff = format!("@@ -1,21 +1,20 @@\n{}-x\n{}", " a\n".repeat(10), " b\n".repeat(10));
        let expect = "⋯ 7 lines as they were\n  a\n  a\n  a\n- x\n  b\n  b\n  b\n⋯ 7 lines as they were";
        assert_eq!(plain(&rows(&diff, 40, 99)), expect);
    }

    #[test]
    fn line_ends_are_shown_where_they_changed() {
        let check = |diff: &str, expect: &str| assert_eq!(plain(&rows(diff, 40, 99)), expect);
        check("@@ -1 +1 @@\n-a\r\n+a\n", "- a␍\n+ a");
        check("@@ -1 +1 @@\n-a\r\n+b\r\n", "- a\n+ b");
    }

    #[test]
    fn hostile_diffs_are_bounded() {
        let long = format!("@@ -1 +1 @@\n-{}\n+{}\n", "x ".repeat(1 << 19), "y ".repeat(1 << 19));
        let many = format!("@@ -1,99999 +1,99999 @@\n{}", "-a\n+b\n".repeat(50_000));
        let odd = "@@ -18446744073709551615,1 +18446744073709551615,1 @@\n a\n-b\n+c\n";
        for diff in [long.as_str(), many.as_str(), odd, "\x1b[2J", "--- a\n+++ b\n+++ c"] {
            for width in [1, 3, 80] {
                for row in rows(diff, width, 100) {
                    let text = row.plain();
                    assert!(columns(&text) <= width.max(2), "{text:?} in {width}");
                    assert!(!text.contains(char::is_control));
                }
            }
        }
    }
}
