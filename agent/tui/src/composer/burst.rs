//! Owns pastes of terminals that do not say that something is pasted: they come as keys, faster than anybody types.
//! Uses which keys were read at once, and when.
//! Never takes a key of a person for part of a paste: it would not be sent.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::input::Input;

/// So many keys at once, with Enter among them, are a paste. Over a slow line some ten keys of a person arrive together.
const KEYS: usize = 16;
/// And so many are one whatever they are: what one read of a terminal gives is 1,024 bytes.
const MANY: usize = 400;
/// Within this time of a paste, what comes is the rest of it.
const PAUSE: Duration = Duration::from_millis(50);

/// Tells pastes from keys.
#[derive(Debug, Default)]
pub struct Bursts {
    pasted: Option<Instant>,
}

impl Bursts {
    /// Inputs that were read at once, without waiting in between: what is a paste among them becomes one.
    #[must_use]
    pub fn gather(&mut self, read: Vec<Input>, now: Instant) -> Vec<Input> {
        let mut out = Vec::with_capacity(read.len());
        let mut run: Vec<Input> = Vec::new();
        for input in read {
            if typed(&input).is_some() {
                run.push(input);
            } else {
                self.close(&mut run, &mut out, now);
                out.push(input);
            }
        }
        self.close(&mut run, &mut out, now);
        out
    }

    fn close(&mut self, run: &mut Vec<Input>, out: &mut Vec<Input>, now: Instant) {
        let text: String = run.iter().filter_map(typed).collect();
        let continues = self.pasted.is_some_and(|before| now.saturating_duration_since(before) < PAUSE)
            && text.contains('\n');
        let broken = text.trim_end_matches('\n').contains('\n');
        if continues || (run.len() >= KEYS && broken) || run.len() >= MANY {
            self.pasted = Some(now);
            run.clear();
            out.push(Input::Paste(text));
        } else {
            out.append(run);
        }
    }
}

/// The character that a key types; nothing for keys that type none.
fn typed(input: &Input) -> Option<char> {
    let Input::Key(KeyEvent { code, modifiers, .. }) = input else { return None };
    match (*code, *modifiers) {
        (KeyCode::Char(character), KeyModifiers::NONE | KeyModifiers::SHIFT) => Some(character),
        (KeyCode::Enter, KeyModifiers::NONE) | (KeyCode::Char('j'), KeyModifiers::CONTROL) => Some('\n'),
        (KeyCode::Tab, KeyModifiers::NONE) => Some('\t'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::composer::keys::pressed;

    fn told(inputs: &[Input]) -> String {
        let one = |input: &Input| match input {
            Input::Paste(text) => format!("[{text}]"),
            Input::Key(KeyEvent { code: KeyCode::Enter, .. }) => "⏎".into(),
            Input::Key(KeyEvent { code: KeyCode::Char(character), .. }) => character.to_string(),
            other => format!("{other:?}"),
        };
        inputs.iter().map(one).collect()
    }

    #[test]
    fn fast_keys_with_breaks_in_between_are_a_paste() {
        let check = |keys: &str, expect: &str| {
            let read = pressed(keys).into_iter().map(Input::Key).collect();
            assert_eq!(told(&Bursts::default().gather(read, Instant::now())), expect);
        };
        check("hello\n", "hello⏎");
        check("a sentence of many words\n", "a sentence of many words⏎");
        check("y\nhello", "y⏎hello");
        check("fn main() {\n    run();\n}\n", "[fn main() {\n    run();\n}\n]");
        check("first line<c-j>second line", "[first line\nsecond line]");
        let many = "x".repeat(MANY);
        check(&format!("{many}\n"), &format!("[{many}\n]"));
    }

    #[test]
    fn the_rest_of_a_paste_is_not_sent() {
        let mut bursts = Bursts::default();
        let now = Instant::now();
        let read = |keys: &str| pressed(keys).into_iter().map(Input::Key).collect::<Vec<_>>();
        let _ = bursts.gather(read("one long line\nanother long line\nthe beg"), now);
        assert_eq!(told(&bursts.gather(read("inning\n"), now + PAUSE / 2)), "[inning\n]");
        assert_eq!(told(&bursts.gather(read("typed\n"), now + PAUSE * 3)), "typed⏎");
    }
}
