//! Owns a list that is moved through and filtered: which entries are shown, which is chosen, which is on top.
//! Uses the texts that a filter looks at; whoever has the entries draws them.
//! Never keeps an entry: it answers with places in the owner's own list.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use super::field::Field;
use crate::component::{Look, Taken};
use crate::input::Input;
use crate::style::{Line, Style};

/// A list that is moved through.
#[derive(Debug, Default)]
pub(crate) struct List {
    /// What the filter looks at, entry by entry, in lower case.
    texts: Vec<String>,
    /// Places of the entries that the filter lets through.
    shown: Vec<usize>,
    /// Which of the shown ones is chosen.
    at: usize,
    /// Which of the shown ones is drawn first.
    top: usize,
    /// Rows of the newest drawing.
    rows: usize,
    filter: String,
    field: Option<Field>,
}

/// Characters of an entry that a filter looks at; nobody looks for what stands behind them.
const LOOKED_AT: usize = 500;

impl List {
    /// Have these entries from now on. The chosen place and the filter stay.
    pub(crate) fn set(&mut self, texts: impl IntoIterator<Item = String>) {
        let short = |text: String| text.chars().take(LOOKED_AT).collect::<String>().to_lowercase();
        self.texts = texts.into_iter().map(short).collect();
        self.sift();
    }

    /// The chosen entry's place in the owner's list.
    pub(crate) fn chosen(&self) -> Option<usize> {
        self.shown.get(self.at).copied()
    }

    /// Choose an entry by its place in the owner's list.
    pub(crate) fn choose(&mut self, place: usize) {
        if let Some(at) = self.shown.iter().position(|one| *one == place) {
            self.at = at;
        }
    }

    /// How many entries are shown.
    pub(crate) fn len(&self) -> usize {
        self.shown.len()
    }

    /// Whether letters go into the filter just now.
    pub(crate) fn is_filtering(&self) -> bool {
        self.field.is_some()
    }

    /// What is looked for, for the title row; empty without a filter.
    pub(crate) fn filter(&self) -> &str {
        &self.filter
    }

    /// The filter as it is typed, for the row of keys.
    pub(crate) fn field(&self) -> Option<&Field> {
        self.field.as_ref()
    }

    fn sift(&mut self) {
        let before = self.chosen();
        let words: Vec<String> = self.filter.to_lowercase().split_whitespace().map(str::to_owned).collect();
        let fits = |text: &str| words.iter().all(|word| text.contains(word.as_str()));
        self.shown = (0..self.texts.len()).filter(|place| fits(&self.texts[*place])).collect();
        let kept = before.and_then(|before| self.shown.iter().position(|place| *place == before));
        self.at = kept.unwrap_or(self.at).min(self.shown.len().saturating_sub(1));
    }

    fn go(&mut self, by: isize) -> Taken {
        self.at = self.at.saturating_add_signed(by).min(self.shown.len().saturating_sub(1));
        Taken::Yes
    }

    /// Take keys that move, and those of the filter. Esc forgets the filter first.
    pub(crate) fn take(&mut self, input: &Input) -> Taken {
        if let Some(field) = &mut self.field {
            match field.take(input) {
                super::field::Typed::More => {
                    self.filter = field.text().to_owned();
                    self.sift();
                    return Taken::Yes;
                }
                super::field::Typed::Done(_) => {
                    self.field = None;
                    return Taken::Yes;
                }
                super::field::Typed::Left => {
                    self.field = None;
                    self.filter.clear();
                    self.sift();
                    return Taken::Yes;
                }
                // Up and down choose while one types.
                super::field::Typed::No => {}
            }
        }
        match input {
            Input::Key(key) => self.key(*key),
            Input::Mouse(mouse) => match mouse.kind {
                crossterm::event::MouseEventKind::ScrollUp => self.go(-3),
                crossterm::event::MouseEventKind::ScrollDown => self.go(3),
                _ => Taken::No,
            },
            _ => Taken::No,
        }
    }

    fn key(&mut self, key: KeyEvent) -> Taken {
        let page = isize::try_from(self.rows.max(1)).unwrap_or(isize::MAX);
        if !matches!(key.modifiers, KeyModifiers::NONE | KeyModifiers::SHIFT) {
            return Taken::No;
        }
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => self.go(-1),
            KeyCode::Down | KeyCode::Char('j') => self.go(1),
            KeyCode::PageUp => self.go(-page),
            KeyCode::PageDown => self.go(page),
            KeyCode::Home => self.go(isize::MIN),
            KeyCode::End => self.go(isize::MAX),
            KeyCode::Char('/') if !self.is_filtering() => {
                self.field = Some(Field::new("/", ""));
                self.filter.clear();
                self.sift();
                Taken::Yes
            }
            KeyCode::Esc if !self.filter.is_empty() => {
                self.filter.clear();
                self.sift();
                Taken::Yes
            }
            _ => Taken::No,
        }
    }

    /// Draw the entries, one row each; `entry` makes the row of a place in that many columns.
    pub(crate) fn draw(
        &mut self,
        area: Rect,
        buffer: &mut Buffer,
        look: &Look<'_>,
        entry: impl Fn(usize, usize) -> Line,
    ) {
        self.rows = usize::from(area.height);
        if self.rows == 0 {
            return;
        }
        self.top = self.top.min(self.at).max((self.at + 1).saturating_sub(self.rows));
        // A list that became shorter leaves no empty rows at its end.
        self.top = self.top.min(self.shown.len().saturating_sub(self.rows));
        let width = usize::from(area.width).saturating_sub(2);
        for (at, row) in (self.top..self.shown.len()).zip(area.rows()) {
            let chosen = at == self.at;
            let mark = Line::new(if chosen { "› " } else { "  " }, Style::Tip);
            look.theme.line(&mark).render(row, buffer);
            let inner = Rect { x: row.x.saturating_add(2), width: row.width.saturating_sub(2), ..row };
            look.theme.line(&entry(self.shown[at], width)).render(inner, buffer);
            if chosen {
                buffer.set_style(inner, look.theme.chosen());
            }
        }
        if self.shown.is_empty() && !self.filter.is_empty() {
            let none = Line::new("  nothing here has these words", Style::Dim);
            look.theme.line(&none).render(area, buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> List {
        let mut list = List { rows: 2, ..List::default() };
        list.set(entries.iter().map(|entry| (*entry).to_owned()));
        list
    }

    fn press(list: &mut List, code: KeyCode) -> Taken {
        list.take(&Input::Key(KeyEvent::new(code, KeyModifiers::NONE)))
    }

    fn write(list: &mut List, text: &str) {
        for character in text.chars() {
            press(list, KeyCode::Char(character));
        }
    }

    #[test]
    fn keys_move_and_stay_within() {
        let mut list = list(&["a", "b", "c", "d", "e"]);
        let mut check = |code: KeyCode, expect: usize| {
            press(&mut list, code);
            assert_eq!(list.chosen(), Some(expect), "{code:?}");
        };
        check(KeyCode::Up, 0);
        check(KeyCode::Char('j'), 1);
        check(KeyCode::Down, 2);
        check(KeyCode::PageDown, 4);
        check(KeyCode::Down, 4);
        check(KeyCode::PageUp, 2);
        check(KeyCode::Char('k'), 1);
        check(KeyCode::End, 4);
        check(KeyCode::Home, 0);
    }

    #[test]
    fn a_filter_leaves_what_has_all_words() {
        let mut list = list(&["Fix the parser", "the lexer", "Parser and lexer"]);
        write(&mut list, "/par");
        assert_eq!((list.len(), list.chosen()), (2, Some(0)));
        press(&mut list, KeyCode::Down);
        assert_eq!(list.chosen(), Some(2));
        write(&mut list, " LEX");
        assert_eq!((list.len(), list.chosen()), (1, Some(2)));
        press(&mut list, KeyCode::Enter);
        assert!(!list.is_filtering());
        // Letters are keys again, and the chosen one stays chosen when the filter goes.
        assert_eq!(press(&mut list, KeyCode::Char('x')), Taken::No);
        assert_eq!(press(&mut list, KeyCode::Esc), Taken::Yes);
        assert_eq!((list.len(), list.chosen()), (3, Some(2)));
        assert_eq!(press(&mut list, KeyCode::Esc), Taken::No);
        write(&mut list, "/nothing");
        assert_eq!((list.len(), list.chosen()), (0, None));
    }

    #[test]
    fn entries_come_and_go_under_the_cursor() {
        let mut list = list(&["a", "b", "c"]);
        press(&mut list, KeyCode::End);
        list.set(["a".to_owned()]);
        assert_eq!(list.chosen(), Some(0));
        list.set([]);
        assert_eq!(list.chosen(), None);
        assert_eq!(press(&mut list, KeyCode::Down), Taken::Yes);
    }
}
