//! Owns how a file is cut into spans: at definitions and headings, at blank lines, at a most.
//! Uses the places that `parse` found.
//! Never cuts inside a line, and leaves no line out.

use crate::parse::{LineIndex, Tag};

/// Up to here neighbours are joined. 25 to 100 lines were measured equal for finding files; small ones name symbols better.
const JOIN: u32 = 30;
/// Longer spans are cut.
const MOST: u32 = 60;
/// Definitions nested deeper than this are cut by lines only, which bounds the recursion.
const DEEPEST: u32 = 24;

/// A span of a file. Lines are from 1, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The definition the span belongs to, by its place among the tags: the first one in it, else the one around it.
    pub(crate) symbol: Option<usize>,
}

/// Cut a text. Every line is in exactly one chunk; an empty text has none.
pub(crate) fn chunks(text: &str, lines: &LineIndex, tags: &[Tag]) -> Vec<Chunk> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    let mut cutter = Cutter { text, lines, tags, out: Vec::new() };
    cutter.split(1, lines.count(), 0, tags.len(), None, 0);
    join(cutter.out)
}

struct Cutter<'a> {
    text: &'a str,
    lines: &'a LineIndex,
    tags: &'a [Tag],
    /// Spans with the definition they stand in, which only siblings share.
    out: Vec<(Chunk, Option<usize>)>,
}

impl Cutter<'_> {
    /// Cut the lines `first..=last`, which hold the tags `from..to`, inside the definition `owner`.
    fn split(&mut self, first: u32, last: u32, from: usize, to: usize, owner: Option<usize>, depth: u32) {
        let mut line = first;
        let mut at = from;
        while at < to {
            let tag = &self.tags[at];
            let inner = (at + 1..to).find(|&next| self.tags[next].start_line > tag.end_line).unwrap_or(to);
            let (start, end) = (tag.start_line.max(line), tag.end_line.min(last));
            if start > end || start > last {
                at += 1;
                continue;
            }
            if start > line {
                self.by_lines(line, start - 1, owner, owner);
            }
            if end - start < MOST {
                self.push(start, end, Some(at), owner);
            } else if depth < DEEPEST && inner > at + 1 {
                self.split(start, end, at + 1, inner, Some(at), depth + 1);
            } else {
                self.by_lines(start, end, Some(at), Some(at));
            }
            line = end + 1;
            at = inner;
        }
        if line <= last {
            self.by_lines(line, last, owner, owner);
        }
    }

    /// Windows of at most `MOST` lines, cut at the last blank line of the second half.
    fn by_lines(&mut self, first: u32, last: u32, symbol: Option<usize>, owner: Option<usize>) {
        let mut start = first;
        while last - start >= MOST {
            let cut = (start + MOST / 2..start + MOST)
                .rev()
                .find(|&line| self.lines.text(self.text, line).trim().is_empty())
                .unwrap_or(start + MOST - 1);
            self.push(start, cut, symbol, owner);
            start = cut + 1;
        }
        self.push(start, last, symbol, owner);
    }

    fn push(&mut self, start: u32, end: u32, symbol: Option<usize>, owner: Option<usize>) {
        if start > end {
            return;
        }
        // Blank lines between two definitions belong to the one before.
        let blank = (start..=end).all(|line| self.lines.text(self.text, line).trim().is_empty());
        if let Some((before, _)) = self.out.last_mut().filter(|_| blank) {
            before.end = end;
        } else {
            self.out.push((Chunk { start, end, symbol }, owner));
        }
    }
}

/// Join small neighbours of one owner. The first definition gives the joined span its name.
fn join(spans: Vec<(Chunk, Option<usize>)>) -> Vec<Chunk> {
    let mut joined: Vec<(Chunk, Option<usize>)> = Vec::with_capacity(spans.len());
    for (chunk, owner) in spans {
        if let Some((before, before_owner)) = joined.last_mut()
            && *before_owner == owner
            && chunk.end - before.start < JOIN
        {
            before.end = chunk.end;
            if before.symbol == owner {
                before.symbol = chunk.symbol;
            }
            continue;
        }
        joined.push((chunk, owner));
    }
    joined.into_iter().map(|(chunk, _)| chunk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{languages, tags};

    fn check(path: &str, text: &str, expect: &[(u32, u32, Option<&str>)]) {
        let tags = tags(text, languages::of(path, text), false).definitions;
        let chunks = chunks(text, &LineIndex::new(text), &tags);
        let seen: Vec<_> = chunks
            .iter()
            .map(|chunk| (chunk.start, chunk.end, chunk.symbol.map(|symbol| tags[symbol].name.as_str())))
            .collect();
        assert_eq!(seen, expect, "{path}");
    }

    #[test]
    fn small_neighbours_are_joined() {
        check("a.rs", "use x;\n\nfn a() {}\n\nfn b() {}\n", &[(1, 5, Some("a"))]);
        check("a.txt", "one\ntwo\n", &[(1, 2, None)]);
        check("a.rs", "", &[]);
        check("a.rs", "\n\n", &[]);
    }

    #[test]
    fn long_functions_stand_alone() {
        let body = "    work();\n".repeat(28);
        let text = format!("/// First.\nfn first() {{\n{body}}}\n\nfn second() {{\n{body}}}\n");
        check("a.rs", &text, &[(1, 32, Some("first")), (33, 62, Some("second"))]);
    }

    #[test]
    fn long_types_are_cut_at_their_methods() {
        let body = "        work();\n".repeat(27);
        let text = format!(
            "impl Foo {{\n    fn a() {{\n{body}    }}\n    fn b() {{\n{body}    }}\n    fn c() {{\n{body}    }}\n}}\n"
        );
        check("a.rs", &text, &[(1, 30, Some("a")), (31, 59, Some("b")), (60, 89, Some("c"))]);
    }

    #[test]
    fn documents_are_cut_at_headings() {
        let prose = "words\n".repeat(35);
        let text = format!("# One\n{prose}## Two\n{prose}# Three\n{prose}");
        check("a.md", &text, &[(1, 36, Some("One")), (37, 72, Some("Two")), (73, 108, Some("Three"))]);
    }

    proptest::proptest! {
        #[test]
        fn every_line_is_in_one_chunk(lines in proptest::collection::vec("(fn [a-d]\\(\\) \\{|\\}|impl A \\{|# x|mod m \\{|word)?", 1..300)) {
            let text = lines.join("\n") + "\nend";
            for path in ["a.rs", "a.md", "a.txt", "a.py"] {
                let tags = tags(&text, languages::of(path, &text), false).definitions;
                let index = LineIndex::new(&text);
                let mut next = 1;
                for chunk in chunks(&text, &index, &tags) {
                    proptest::prop_assert_eq!(chunk.start, next);
                    proptest::prop_assert!(chunk.end >= chunk.start);
                    next = chunk.end + 1;
                }
                proptest::prop_assert_eq!(next, index.count() + 1);
            }
        }
    }
}
