//! Owns the text of a prompt: its cursor, what is selected, what was cut, and how changes are taken back.
//! Uses graphemes as the steps of the cursor.
//! Never lets the cursor stand inside of a grapheme, and never keeps more of the past than its bounds say.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// Changes that can be taken back, at most.
const STEPS: usize = 200;
/// Bytes of the texts that they keep, all together; a prompt that is written by hand has some hundreds.
const STEP_BYTES: usize = 4 << 20;

/// What a change is part of: changes of one kind in a row are taken back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Change {
    /// It stands alone.
    #[default]
    Alone,
    /// Characters are typed.
    Typing,
    /// Characters are erased.
    Erasing,
    /// Text is cut; cuts in a row are put back together.
    Cutting,
}

/// A text with a cursor.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    text: String,
    /// In bytes; at the beginning of a grapheme or at the end of the text.
    cursor: usize,
    /// Where the selection begins, when there is one; it reaches to the cursor.
    anchor: Option<usize>,
    undo: Vec<(String, usize)>,
    redo: Vec<(String, usize)>,
    last: Change,
    /// What was cut, or copied.
    pub(super) cut: String,
    /// The column that the cursor goes for while it moves up and down.
    pub(super) goal: Option<usize>,
}

impl Buffer {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn cursor(&self) -> usize {
        self.cursor
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The selection, in bytes.
    pub(super) fn selected(&self) -> Option<Range<usize>> {
        let anchor = self.anchor?;
        let range = anchor.min(self.cursor)..anchor.max(self.cursor);
        (!range.is_empty()).then_some(range)
    }

    /// Begin a selection at the cursor where there is none, or forget it.
    pub(super) fn select(&mut self, on: bool) {
        self.anchor = if on { self.anchor.or(Some(self.cursor)) } else { None };
    }

    /// What comes next is a change of its own.
    pub(super) fn settle(&mut self) {
        self.last = Change::Alone;
    }

    /// Put the cursor there, or at the nearest place before it where it may stand.
    pub(super) fn go(&mut self, at: usize) {
        self.cursor = floor(&self.text, at);
        self.goal = None;
        self.last = Change::Alone;
    }

    /// The nearest place at or before `at` where a cursor may stand.
    pub(super) fn nearest(&self, at: usize) -> usize {
        floor(&self.text, at)
    }

    fn keep(&mut self, change: Change) {
        if change == Change::Alone || change != self.last {
            self.undo.push((self.text.clone(), self.cursor));
            let mut bytes: usize = self.undo.iter().map(|(text, _)| text.len()).sum();
            while self.undo.len() > STEPS || (bytes > STEP_BYTES && self.undo.len() > 1) {
                bytes -= self.undo.remove(0).0.len();
            }
        }
        self.redo.clear();
        self.last = change;
        self.goal = None;
        self.anchor = None;
    }

    /// Put a text in the place of a range; the cursor stands behind it.
    pub(super) fn replace(&mut self, range: Range<usize>, with: &str, change: Change) {
        let range = floor(&self.text, range.start)..ceil(&self.text, range.end);
        if range.is_empty() && with.is_empty() {
            return;
        }
        self.keep(change);
        self.text.replace_range(range.clone(), with);
        // What was put in may have joined with what stands behind it.
        self.cursor = ceil(&self.text, range.start + with.len());
    }

    /// Put a text at the cursor, in the place of what is selected.
    pub(super) fn insert(&mut self, text: &str, change: Change) {
        let range = self.selected().unwrap_or(self.cursor..self.cursor);
        self.replace(range, text, change);
    }

    /// Take a range away.
    pub(super) fn erase(&mut self, range: Range<usize>, change: Change) {
        self.replace(range, "", change);
    }

    /// Take a range away and keep it for [`Buffer::cut`]; with what was cut just before, if anything was.
    pub(super) fn cut_out(&mut self, range: Range<usize>) {
        let Some(text) = self.text.get(range.clone()).map(ToOwned::to_owned) else { return };
        if text.is_empty() {
            return;
        }
        if self.last != Change::Cutting {
            self.cut = text;
        } else if range.start < self.cursor {
            self.cut.insert_str(0, &text);
        } else {
            self.cut.push_str(&text);
        }
        self.erase(range, Change::Cutting);
    }

    /// The whole text is another one; the cursor stands at its end. It can be taken back.
    pub(super) fn set(&mut self, text: &str) {
        if self.text != text {
            self.keep(Change::Alone);
            text.clone_into(&mut self.text);
        }
        self.anchor = None;
        self.go(self.text.len());
    }

    /// The same, and the past is forgotten: what was sent is sent.
    pub(super) fn reset(&mut self) {
        let cut = std::mem::take(&mut self.cut);
        *self = Self { cut, ..Self::default() };
    }

    /// Take the newest change back. False where there is none.
    pub(super) fn undo(&mut self) -> bool {
        let Some((text, cursor)) = self.undo.pop() else { return false };
        let now = (std::mem::replace(&mut self.text, text), self.cursor);
        self.redo.push(now);
        self.anchor = None;
        self.go(cursor);
        true
    }

    /// Bring back what was taken back last.
    pub(super) fn redo(&mut self) -> bool {
        let Some((text, cursor)) = self.redo.pop() else { return false };
        let now = (std::mem::replace(&mut self.text, text), self.cursor);
        self.undo.push(now);
        self.anchor = None;
        self.go(cursor);
        true
    }

    /// Where the grapheme behind `at` ends.
    pub(super) fn next(&self, at: usize) -> usize {
        self.text[at..].graphemes(true).next().map_or(at, |grapheme| at + grapheme.len())
    }

    /// Where the grapheme before `at` begins.
    pub(super) fn previous(&self, at: usize) -> usize {
        self.text[..at].graphemes(true).next_back().map_or(at, |grapheme| at - grapheme.len())
    }

    /// Where the line of `at` begins.
    pub(super) fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |before| before + 1)
    }

    /// Where the line of `at` ends, before its break.
    pub(super) fn line_end(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |after| at + after)
    }

    /// Where the word behind `at` ends: letters and digits.
    pub(super) fn word_end(&self, at: usize) -> usize {
        let rest = &self.text[at..];
        let Some(begins) = rest.find(char::is_alphanumeric) else { return self.text.len() };
        let word = &rest[begins..];
        at + begins + word.find(|character: char| !character.is_alphanumeric()).unwrap_or(word.len())
    }

    /// Where the word before `at` begins.
    pub(super) fn word_start(&self, at: usize) -> usize {
        let before = self.text[..at].trim_end_matches(|character: char| !character.is_alphanumeric());
        before.trim_end_matches(char::is_alphanumeric).len()
    }

    /// Where what stands between blanks before `at` begins.
    pub(super) fn blank_start(&self, at: usize) -> usize {
        self.text[..at].trim_end().trim_end_matches(|character: char| !character.is_whitespace()).len()
    }
}

/// The nearest place at or before `at` where a cursor may stand.
fn floor(text: &str, at: usize) -> usize {
    if at >= text.len() {
        return text.len();
    }
    let line = text.as_bytes()[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
    text[line..]
        .grapheme_indices(true)
        .map(|(start, _)| line + start)
        .take_while(|start| *start <= at)
        .last()
        .unwrap_or(line)
}

/// The nearest place at or behind `at` where a cursor may stand.
fn ceil(text: &str, at: usize) -> usize {
    let start = floor(text, at);
    if start >= at {
        start
    } else {
        text[start..].graphemes(true).next().map_or(text.len(), |one| start + one.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Buffer {
        let mut buffer = Buffer::default();
        buffer.set(text);
        buffer
    }

    #[test]
    fn a_grapheme_is_one_step() {
        // A letter with a mark of its own, a family, a flag, a wide letter.
        let text = "e\u{301}👩\u{200d}👧🇩🇪漢";
        let mut buffer = with(text);
        for left in ["e\u{301}👩\u{200d}👧🇩🇪", "e\u{301}👩\u{200d}👧", "e\u{301}", ""] {
            let at = buffer.previous(buffer.cursor());
            buffer.erase(at..buffer.cursor(), Change::Erasing);
            assert_eq!(buffer.text(), left);
        }
        assert!(buffer.undo());
        assert_eq!(buffer.text(), text, "erasing in a row is one change");
    }

    #[test]
    fn the_cursor_never_stands_inside_of_a_grapheme() {
        let mut buffer = with("ae\u{301}b\n👩\u{200d}👧");
        for at in 0..=buffer.text().len() + 3 {
            buffer.go(at);
            let cursor = buffer.cursor();
            let starts: Vec<usize> = buffer
                .text()
                .grapheme_indices(true)
                .map(|(start, _)| start)
                .chain([buffer.text().len()])
                .collect();
            assert!(starts.contains(&cursor), "{at} -> {cursor}");
            assert!(cursor <= at);
        }
        // What is put in joins with what stands there.
        let mut buffer = with("eb");
        buffer.go(1);
        buffer.insert("\u{301}", Change::Typing);
        assert_eq!((buffer.text(), buffer.cursor()), ("e\u{301}b", 3));
    }

    #[test]
    fn changes_are_taken_back_and_brought_back() {
        let mut buffer = Buffer::default();
        for character in ["a", "b", " "] {
            buffer.insert(character, Change::Typing);
        }
        buffer.settle();
        buffer.insert("c", Change::Typing);
        buffer.go(0);
        buffer.cut_out(0..2);
        assert_eq!(buffer.text(), " c");
        let mut check = |redo: bool, expect: &str| {
            let _ = if redo { buffer.redo() } else { buffer.undo() };
            assert_eq!(buffer.text(), expect);
        };
        check(false, "ab c");
        check(false, "ab ");
        check(false, "");
        check(false, "");
        check(true, "ab ");
        check(true, "ab c");
        check(true, " c");
        check(true, " c");
    }

    #[test]
    fn cuts_in_a_row_are_put_back_together() {
        let mut buffer = with("one two three");
        buffer.go(7);
        buffer.cut_out(4..7);
        buffer.cut_out(4..10);
        assert_eq!(buffer.cut, "two three");
        buffer.cut_out(0..4);
        assert_eq!((buffer.text(), buffer.cut.as_str()), ("", "one two three"));
    }

    #[test]
    fn the_past_is_bounded() {
        let mut buffer = Buffer::default();
        let large = "x".repeat(STEP_BYTES / 3);
        for _ in 0..20 {
            buffer.insert(&large, Change::Alone);
            buffer.set("");
        }
        assert!(buffer.undo.iter().map(|(text, _)| text.len()).sum::<usize>() <= STEP_BYTES);
        for _ in 0..3 * STEPS {
            buffer.insert("x", Change::Alone);
        }
        assert!(buffer.undo.len() <= STEPS);
    }

    #[test]
    fn words_have_ends() {
        let buffer = with("one, two_three\n ünder");
        let check = |found: usize, expect: usize| assert_eq!(found, expect);
        check(buffer.word_end(0), 3);
        check(buffer.word_end(3), 8);
        check(buffer.word_start(8), 5);
        check(buffer.word_start(5), 0);
        check(buffer.blank_start(14), 5);
        check(buffer.word_end(16), 22);
        check(buffer.line_start(16), 15);
        check(buffer.line_end(3), 14);
    }
}
