//! Owns one line that is typed inside a view: a filter, a title, a yes or no.
//! Uses keys and pasted text.
//! Never holds a line break or a control character.

use crossterm::event::{KeyCode, KeyModifiers};

use crate::input::Input;
use crate::style::{Line, Style};
use crate::text::{columns, visible};

/// Characters that a field holds; a title or a filter is never as long.
const LONGEST: usize = 500;

/// One line that is typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Field {
    label: String,
    text: String,
}

/// What became of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Typed {
    /// The text may be another one.
    More,
    /// Enter: this is it.
    Done(String),
    /// Esc: never mind.
    Left,
    /// It was not for a field.
    No,
}

impl Field {
    /// A field with a label before it.
    pub(crate) fn new(label: impl Into<String>, text: &str) -> Self {
        let mut field = Self { label: label.into(), text: String::new() };
        field.add(text);
        field
    }

    /// What is typed so far.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn add(&mut self, text: &str) {
        let room = LONGEST.saturating_sub(self.text.chars().count());
        let flat = text.chars().map(|character| if character.is_control() { ' ' } else { character });
        self.text.extend(flat.take(room));
    }

    /// Take a key or what is pasted.
    pub(crate) fn take(&mut self, input: &Input) -> Typed {
        match input {
            Input::Paste(text) => self.add(text),
            Input::Key(key) => match (key.code, key.modifiers) {
                (KeyCode::Enter, _) => return Typed::Done(self.text.trim().to_owned()),
                (KeyCode::Esc, _) | (KeyCode::Char('c'), KeyModifiers::CONTROL) => return Typed::Left,
                (KeyCode::Backspace, _) => {
                    if self.text.pop().is_none() {
                        return Typed::Left;
                    }
                }
                (KeyCode::Char('u'), KeyModifiers::CONTROL) => self.text.clear(),
                (KeyCode::Char('w'), KeyModifiers::CONTROL) => {
                    let kept = self.text.trim_end();
                    let end = kept.rfind(char::is_whitespace).map_or(0, |at| at + 1);
                    self.text.truncate(end);
                }
                (KeyCode::Char(character), KeyModifiers::NONE | KeyModifiers::SHIFT) => {
                    self.add(character.encode_utf8(&mut [0; 4]));
                }
                _ => return Typed::No,
            },
            _ => return Typed::No,
        }
        Typed::More
    }

    /// The field in that many columns: its end, where it is longer. The cursor is drawn as a block.
    pub(crate) fn line(&self, width: usize) -> Line {
        let text = visible(&self.text);
        let label = crate::text::clip(&self.label, width.saturating_sub(2));
        let room = width.saturating_sub(columns(&label) + 1);
        let mut from = 0;
        let mut length = columns(&text);
        for (at, character) in text.char_indices() {
            if length <= room {
                break;
            }
            from = at + character.len_utf8();
            length -= columns(character.encode_utf8(&mut [0; 4]));
        }
        Line::new(label, Style::Tip).with(&text[from..], Style::Plain).with("▏", Style::Tip)
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyEvent;

    use super::*;

    #[test]
    fn a_line_is_typed() {
        let mut field = Field::new("Title: ", "old");
        let mut check = |code: KeyCode, modifiers: KeyModifiers, expect: Typed, text: &str| {
            assert_eq!(field.take(&Input::Key(KeyEvent::new(code, modifiers))), expect);
            assert_eq!(field.text(), text);
        };
        check(KeyCode::Char(' '), KeyModifiers::NONE, Typed::More, "old ");
        check(KeyCode::Char('B'), KeyModifiers::SHIFT, Typed::More, "old B");
        check(KeyCode::Backspace, KeyModifiers::NONE, Typed::More, "old ");
        check(KeyCode::Up, KeyModifiers::NONE, Typed::No, "old ");
        check(KeyCode::Enter, KeyModifiers::NONE, Typed::Done("old".into()), "old ");
        check(KeyCode::Char('w'), KeyModifiers::CONTROL, Typed::More, "");
        check(KeyCode::Backspace, KeyModifiers::NONE, Typed::Left, "");
        check(KeyCode::Esc, KeyModifiers::NONE, Typed::Left, "");
    }

    #[test]
    fn what_is_pasted_is_one_line_and_short() {
        let mut field = Field::new("/", "");
        field.take(&Input::Paste(format!("a\nb\u{1b}[2J{}", "x".repeat(1_000_000))));
        assert_eq!(field.text().chars().count(), LONGEST);
        assert!(field.text().starts_with("a b [2Jx"));
        for width in 0..20 {
            assert!(columns(&field.line(width).plain()) <= width.max(3), "{width}");
        }
    }
}
