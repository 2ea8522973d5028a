//! Owns how tests of the composer write keys and cursors down.
//! Uses crossterm's names of keys.
//! Never used outside of tests.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Keys as they are written: characters, and `<esc>`, `<c-a>`, `<a-bs>`, `<s-left>`, `<lt>`, `<gt>` for the others.
pub(super) fn pressed(keys: &str) -> Vec<KeyEvent> {
    let mut out = Vec::new();
    let mut rest = keys;
    while let Some(character) = rest.chars().next() {
        if let Some((name, behind)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
            out.push(named(name));
            rest = behind;
        } else {
            let code = if character == '\n' { KeyCode::Enter } else { KeyCode::Char(character) };
            out.push(KeyEvent::new(code, KeyModifiers::NONE));
            rest = &rest[character.len_utf8()..];
        }
    }
    out
}

fn named(name: &str) -> KeyEvent {
    let (mut modifiers, mut name) = (KeyModifiers::NONE, name);
    while let Some((prefix, rest)) = name.split_once('-').filter(|(prefix, _)| prefix.len() == 1) {
        modifiers |= match prefix {
            "c" => KeyModifiers::CONTROL,
            "a" => KeyModifiers::ALT,
            "s" => KeyModifiers::SHIFT,
            _ => panic!("no modifier is called {prefix}"),
        };
        name = rest;
    }
    let code = match name {
        "esc" => KeyCode::Esc,
        "enter" => KeyCode::Enter,
        "tab" => KeyCode::Tab,
        "bs" => KeyCode::Backspace,
        "del" => KeyCode::Delete,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "lt" => KeyCode::Char('<'),
        "gt" => KeyCode::Char('>'),
        _ => {
            let mut characters = name.chars();
            match (characters.next(), characters.next()) {
                (Some(character), None) => KeyCode::Char(character),
                _ => panic!("no key is called {name}"),
            }
        }
    };
    KeyEvent::new(code, modifiers)
}

/// A text with its cursor as `|`.
pub(super) fn marked(text: &str, cursor: usize) -> String {
    format!("{}|{}", &text[..cursor], &text[cursor..])
}

/// A text whose cursor is written as `|`.
pub(super) fn unmarked(text: &str) -> (String, usize) {
    let cursor = text.find('|').expect("a cursor");
    (text.replacen('|', "", 1), cursor)
}
