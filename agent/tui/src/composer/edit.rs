//! Owns the keys that change a prompt, as most shells have them.
//! Uses the buffer, and the rows for what moves up and down.
//! Never takes a key that means something to the conversation: Ctrl-C, Ctrl-L, Ctrl-O, Ctrl-Z, Esc, Shift-Tab.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::buffer::{Buffer, Change};
use super::chips::Chips;
use super::rows::Rows;

/// Where a prompt is written, in which width.
pub(super) struct Page<'a> {
    pub(super) buffer: &'a mut Buffer,
    pub(super) chips: &'a Chips,
    pub(super) width: usize,
}

impl Page<'_> {
    /// Move that many rows up or down. False at the edge.
    pub(super) fn rows(&mut self, by: isize) -> bool {
        let rows = Rows::of(self.buffer.text(), self.chips, self.width);
        let (row, column) = rows.place(self.buffer.text(), self.chips, self.buffer.cursor());
        let Some(to) = row.checked_add_signed(by).filter(|to| *to < rows.len()) else { return false };
        let goal = self.buffer.goal.unwrap_or(column);
        let at = rows.at(self.buffer.text(), self.chips, to, goal);
        self.buffer.go(at);
        self.buffer.goal = Some(goal);
        true
    }

    /// Do what a key says. False where it says nothing here.
    pub(super) fn take(&mut self, key: KeyEvent) -> bool {
        let buffer = &mut *self.buffer;
        let at = buffer.cursor();
        let shift = key.modifiers.contains(KeyModifiers::SHIFT);
        let modifiers = key.modifiers - KeyModifiers::SHIFT;
        let (control, alt) = (modifiers == KeyModifiers::CONTROL, modifiers == KeyModifiers::ALT);
        let bare = modifiers.is_empty();
        let moves = matches!(
            key.code,
            KeyCode::Left | KeyCode::Right | KeyCode::Up | KeyCode::Down | KeyCode::Home | KeyCode::End
        );
        if moves {
            buffer.select(shift);
        }
        match key.code {
            KeyCode::Char(character) if bare => insert(buffer, character),
            // A third level of the keyboard: `@` or `{` is written with it on many.
            KeyCode::Char(character)
                if modifiers == KeyModifiers::CONTROL | KeyModifiers::ALT
                    && !character.is_ascii_alphanumeric() =>
            {
                insert(buffer, character);
            }
            KeyCode::Backspace if bare => match buffer.selected() {
                Some(range) => buffer.erase(range, Change::Alone),
                None => buffer.erase(buffer.previous(at)..at, Change::Erasing),
            },
            KeyCode::Char('h') if control => buffer.erase(buffer.previous(at)..at, Change::Erasing),
            KeyCode::Backspace if alt => buffer.cut_out(buffer.word_start(at)..at),
            KeyCode::Backspace if control => buffer.cut_out(buffer.word_start(at)..at),
            KeyCode::Delete if bare => match buffer.selected() {
                Some(range) => buffer.erase(range, Change::Alone),
                None => buffer.erase(at..buffer.next(at), Change::Erasing),
            },
            KeyCode::Char('d') if control && !buffer.is_empty() => {
                buffer.erase(at..buffer.next(at), Change::Erasing);
            }
            KeyCode::Char('d') if alt => buffer.cut_out(at..buffer.word_end(at)),
            KeyCode::Delete if alt || control => buffer.cut_out(at..buffer.word_end(at)),
            KeyCode::Left if bare => buffer.go(buffer.previous(at)),
            KeyCode::Char('b') if control => buffer.go(buffer.previous(at)),
            KeyCode::Right if bare => buffer.go(buffer.next(at)),
            KeyCode::Char('f') if control => buffer.go(buffer.next(at)),
            KeyCode::Left | KeyCode::Char('b') if alt => buffer.go(buffer.word_start(at)),
            KeyCode::Left if control => buffer.go(buffer.word_start(at)),
            KeyCode::Right | KeyCode::Char('f') if alt => buffer.go(buffer.word_end(at)),
            KeyCode::Right if control => buffer.go(buffer.word_end(at)),
            KeyCode::Home if bare => buffer.go(buffer.line_start(at)),
            KeyCode::Char('a') if control => buffer.go(buffer.line_start(at)),
            KeyCode::End if bare => buffer.go(buffer.line_end(at)),
            KeyCode::Char('e') if control => buffer.go(buffer.line_end(at)),
            KeyCode::Char('<') if alt => buffer.go(0),
            KeyCode::Char('>') if alt => buffer.go(buffer.text().len()),
            KeyCode::Char('k') if control => {
                let end = buffer.line_end(at);
                // At the end of a line its break goes.
                buffer.cut_out(at..if end == at { buffer.next(at) } else { end });
            }
            KeyCode::Char('u') if control => {
                let start = buffer.line_start(at);
                buffer.cut_out(if start == at { buffer.previous(at) } else { start }..at);
            }
            KeyCode::Char('w') if control => {
                buffer.cut_out(buffer.selected().unwrap_or(buffer.blank_start(at)..at));
            }
            KeyCode::Char('y') if control => {
                let cut = buffer.cut.clone();
                buffer.insert(&cut, Change::Alone);
            }
            // Terminals send Ctrl-_ and Ctrl-/ as the byte 31, which crossterm calls Ctrl-7.
            KeyCode::Char('_' | '/' | '7') if control && !(shift && key.code == KeyCode::Char('_')) => {
                buffer.undo();
            }
            KeyCode::Char('_') if control || alt => {
                buffer.redo();
            }
            KeyCode::Up if bare => return self.rows(-1),
            KeyCode::Down if bare => return self.rows(1),
            _ => return false,
        }
        true
    }
}

/// A typed character; what stands before a blank is a change of its own, so that words are taken back one by one.
fn insert(buffer: &mut Buffer, character: char) {
    let mut bytes = [0; 4];
    let typed = super::chips::clean(character.encode_utf8(&mut bytes));
    if character == ' ' {
        buffer.settle();
    }
    buffer.insert(&typed, Change::Typing);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::composer::keys::{marked, pressed, unmarked};

    /// Press keys on a text whose cursor is at `|`.
    fn check(before: &str, keys: &str, after: &str) {
        let mut buffer = Buffer::default();
        let (text, cursor) = unmarked(before);
        buffer.set(&text);
        buffer.go(cursor);
        let chips = Chips::default();
        for key in pressed(keys) {
            Page { buffer: &mut buffer, chips: &chips, width: 10 }.take(key);
        }
        assert_eq!(marked(buffer.text(), buffer.cursor()), after, "{before:?} {keys}");
    }

    #[test]
    fn keys_change_the_text() {
        check("|", "a ü 漢", "a ü 漢|");
        check("ab|c", "<left><bs>", "|bc");
        check("a|bc", "<del><c-d>", "a|");
        check("|", "<c-d><bs><del>", "|");
        check("one two|", "<c-w>", "one |");
        check("one two-three|", "<a-bs>", "one two-|");
        check("one two|", "<a-b><a-d>", "one |");
        check("one |two", "<c-k>", "one |");
        check("one|\ntwo", "<c-k>", "one|two");
        check("one\ntw|o", "<c-u>", "one\n|o");
        check("one two|", "<c-w><c-a><c-y>", "two|one ");
        check("one two|", "<c-w><c-w><c-y>", "one two|");
        check("one\ntwo|", "<c-a>x<c-e>y", "one\nxtwoy|");
        check("one\ntwo|", "<home>x<end>y", "one\nxtwoy|");
        check("one two three|", "<c-left><a-left><c-right>", "one two| three");
        check("漢字|", "<left><bs>", "|字");
        check("a|b", "<a-gt>c<a-lt>d", "d|abc");
    }

    #[test]
    fn rows_are_moved_in_and_the_column_is_kept() {
        check("abc\nd\nefg|", "<up>", "abc\nd|\nefg");
        check("abc\nd\nefg|", "<up><up>", "abc|\nd\nefg");
        check("abc\nd\nefg|", "<up><up><down><down>", "abc\nd\nefg|");
        check("a|bc\nd", "<up>", "a|bc\nd");
        // In rows as they are shown, ten columns each.
        check("one two three|", "<up>", "one t|wo three");
        check("漢字\na|", "<up>", "|漢字\na");
    }

    #[test]
    fn changes_are_taken_back() {
        check("|", "one two<c-7>", "one|");
        check("|", "one two<c-7><c-7>", "|");
        check("|", "one two<c-7><c-7><a-_>", "one|");
        check("one two|", "<c-u><c-7>", "one two|");
    }

    #[test]
    fn what_is_selected_is_replaced() {
        check("one two|", "<s-left><s-left><s-left>x", "one x|");
        check("one two|", "<s-home><bs>", "|");
        check("|one two", "<s-right><left>x", "x|one two");
        check("one two|", "<s-left><s-left><c-w><home><c-y>", "wo|one t");
    }
}
