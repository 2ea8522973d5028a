//! Owns lines of an output: where they stand, without terminal escapes, and no more of them than can be looked at.
//! Uses nothing.
//! Never copies a line that has no escapes in it.

use std::borrow::Cow;

/// Of a longer output only so much of the head and of the tail is looked at: what failed first and how it ended.
const HEAD: usize = 1 << 20;
const TAIL: usize = 4 << 20;
/// Bytes of one line that are looked at; longer ones are data, not reports.
const LINE: usize = 2_000;

/// One line of an output.
#[derive(Debug, Clone)]
pub(super) struct Line<'a> {
    /// Without escapes, line break and blanks at the end.
    pub(super) text: Cow<'a, str>,
    /// Where it begins in the output.
    pub(super) start: usize,
    /// Where it ends, without its line break.
    pub(super) end: usize,
}

impl Line<'_> {
    /// Bytes of blanks before the first character.
    pub(super) fn indent(&self) -> usize {
        self.text.len() - self.text.trim_start().len()
    }

    pub(super) fn trimmed(&self) -> &str {
        self.text.trim_start()
    }

    pub(super) fn is_blank(&self) -> bool {
        self.text.is_empty()
    }
}

/// The lines of an output; of a huge one those of its head and its tail.
pub(super) fn of(output: &str) -> Vec<Line<'_>> {
    if output.len() <= HEAD + TAIL {
        return between(output, 0, output.len());
    }
    let head = output.floor_char_boundary(HEAD);
    let head = output[..head].rfind('\n').map_or(head, |at| at + 1);
    let tail = output.ceil_char_boundary(output.len() - TAIL);
    let tail = output[tail..].find('\n').map_or(tail, |at| tail + at + 1);
    let mut lines = between(output, 0, head);
    lines.extend(between(output, tail, output.len()));
    lines
}

fn between(output: &str, from: usize, to: usize) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut start = from;
    for piece in output[from..to].split_inclusive('\n') {
        let raw = piece.trim_end_matches(['\n', '\r']);
        let cut = &raw[..raw.floor_char_boundary(LINE)];
        lines.push(Line { text: plain(cut), start, end: start + raw.len() });
        start += piece.len();
    }
    lines
}

/// A line as a terminal would show it, without colours and without what a carriage return overwrote.
fn plain(line: &str) -> Cow<'_, str> {
    let shown = line.rfind('\r').map_or(line, |at| &line[at + 1..]);
    if !shown.contains('\u{1b}') {
        return Cow::Borrowed(shown.trim_end());
    }
    let mut text = String::with_capacity(shown.len());
    let mut characters = shown.chars();
    while let Some(character) = characters.next() {
        if character != '\u{1b}' {
            text.push(character);
            continue;
        }
        match characters.next() {
            // Colours and the like: up to a byte from `@` to `~`.
            Some('[') => {
                let _ = characters.find(|character| ('@'..='~').contains(character));
            }
            // Titles and links: up to a bell or a backslash.
            Some(']') => {
                let _ = characters.find(|character| matches!(character, '\u{7}' | '\\'));
            }
            _ => {}
        }
    }
    text.truncate(text.trim_end().len());
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_know_their_places() {
        let output = "one\r\n\u{1b}[1mtwo \u{1b}[0m\n\n  50 %\r 100 %\nlast";
        let lines = of(output);
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_ref()).collect();
        assert_eq!(texts, ["one", "two", "", " 100 %", "last"]);
        let raw: Vec<&str> = lines.iter().map(|line| &output[line.start..line.end]).collect();
        assert_eq!(raw, ["one", "\u{1b}[1mtwo \u{1b}[0m", "", "  50 %\r 100 %", "last"]);
        assert_eq!(lines[3].indent(), 1);
    }

    #[test]
    fn escapes_of_any_kind_go() {
        let check = |line: &str, expect: &str| assert_eq!(plain(line), expect, "{line:?}");
        check("\u{1b}]8;;http://x\u{1b}\\name\u{1b}]8;;\u{1b}\\", "name");
        check("\u{1b}]0;title\u{7}name", "name");
        check("\u{1b}[38;5;12mname\u{1b}[m", "name");
        check("cut\u{1b}[38", "cut");
        check("cut\u{1b}", "cut");
    }

    #[test]
    fn of_a_huge_output_head_and_tail_are_seen() {
        let mut output = "first ä\n".to_owned();
        output.push_str(&"middle of it, ö\n".repeat(600_000));
        output.push_str("last\n");
        let lines = of(&output);
        assert!(lines.len() < 400_000, "{}", lines.len());
        assert_eq!((lines[0].text.as_ref(), lines[lines.len() - 1].text.as_ref()), ("first ä", "last"));
        assert!(lines.iter().all(|line| output[line.start..line.end] == *line.text));
        let one = "x".repeat(9 << 20);
        assert!(of(&one).iter().all(|line| line.text.len() <= LINE));
    }
}
