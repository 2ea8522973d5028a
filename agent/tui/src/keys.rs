//! Owns the table of keys: where each holds and what it does. Help and the documents read it.
//! Uses plain data.
//! Never takes a key: components do, and tests compare them with the table.

/// Where a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Wherever nothing else takes it.
    Everywhere,
    /// While a prompt is written.
    Composer,
    /// While one has scrolled up.
    Scrolled,
    /// While a decision is waited for.
    Approval,
    /// In views that cover the screen.
    View,
}

impl Place {
    /// Every place, in the order in which help lists them.
    pub const ALL: [Self; 5] = [Self::Everywhere, Self::Composer, Self::Scrolled, Self::Approval, Self::View];

    /// What stands above its keys.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Everywhere => "Everywhere",
            Self::Composer => "Writing a prompt",
            Self::Scrolled => "Scrolled up",
            Self::Approval => "When a decision is asked for",
            Self::View => "In views",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// As it is written for people; several are parted by `, `.
    pub keys: &'static str,
    /// Where it holds.
    pub place: Place,
    /// One sentence without an end.
    pub help: &'static str,
}

const fn key(place: Place, keys: &'static str, help: &'static str) -> Key {
    Key { keys, place, help }
}

/// Every key, in the order in which help lists them.
pub const TABLE: &[Key] = &[
    key(Place::Everywhere, "Esc", "interrupt the turn at once"),
    key(Place::Everywhere, "Esc Esc", "between turns: the prompts, to go back to one of them"),
    key(Place::Everywhere, "Ctrl-C", "interrupt the turn, or empty the prompt; twice leaves"),
    key(Place::Everywhere, "Ctrl-D", "leave, when nothing is written"),
    key(Place::Everywhere, "Shift-Tab", "the next mode: how calls are approved"),
    key(Place::Everywhere, "Ctrl-O", "show the newest call or thought whole, or folded"),
    key(Place::Everywhere, "Alt-O", "show everything whole, or folded"),
    key(
        Place::Everywhere,
        "PgUp, PgDn, Shift-Up, Shift-Down",
        "scroll; after the first, letters are the keys below",
    ),
    key(Place::Everywhere, "wheel", "scroll; letters still go to the prompt"),
    key(Place::Everywhere, "Ctrl-Home, Ctrl-End", "to the beginning and to the end"),
    key(Place::Everywhere, "Ctrl-L", "draw the screen anew"),
    key(Place::Everywhere, "Ctrl-Z", "back to the shell; `fg` brings the screen back"),
    key(Place::Composer, "Enter", "send; while a turn runs, the prompt waits for its end"),
    key(Place::Composer, "Shift-Enter, Alt-Enter, Ctrl-J, \\ Enter", "a new line"),
    key(Place::Composer, "/", "at the beginning: commands"),
    key(Place::Composer, "@", "files and symbols of the project"),
    key(Place::Composer, "!", "at the beginning: a command for the shell"),
    key(Place::Composer, "Up, Down", "earlier prompts, from the first and the last line"),
    key(Place::Composer, "Tab", "take what is offered"),
    key(Place::Composer, "Ctrl-A, Ctrl-E", "to the beginning and to the end of the line"),
    key(Place::Composer, "Alt-B, Alt-F", "a word back, a word on"),
    key(
        Place::Composer,
        "Ctrl-W, Ctrl-U, Ctrl-K",
        "cut a word, the line before the cursor, the line behind it",
    ),
    key(Place::Composer, "Ctrl-Y", "put in again what was cut"),
    key(Place::Composer, "Ctrl-_, Alt-_", "undo, and redo"),
    key(Place::Composer, "Ctrl-R", "search the prompts of all sessions"),
    key(Place::Composer, "Ctrl-G", "write in your editor"),
    key(Place::Composer, "Ctrl-V", "the picture on the clipboard, where the model takes pictures"),
    key(Place::Scrolled, "/", "search; n and N go on"),
    key(Place::Scrolled, "j, k, Up, Down", "a line down, a line up"),
    key(Place::Scrolled, "g, G", "to the beginning and to the end"),
    key(Place::Scrolled, "[, ]", "to the prompt before, to the one after"),
    key(Place::Scrolled, "K, J", "choose the block above, the one below"),
    key(Place::Scrolled, "Enter", "show the block that was chosen whole, or folded"),
    key(Place::Scrolled, "y", "copy the block that was chosen, or the newest answer"),
    key(Place::Scrolled, "Esc, q", "back to the end; so does any other letter, which goes to the prompt"),
    key(Place::Approval, "y", "yes, this once"),
    key(Place::Approval, "s", "yes, and the same call for the rest of the session"),
    key(Place::Approval, "r", "yes, and save the rules that are shown"),
    key(Place::Approval, "n", "no, with a reason for the model"),
    key(Place::Approval, "Tab", "answer, while something is written below"),
    key(Place::Approval, "Space, PgUp, PgDn", "see the rest of the command or of the change"),
    key(Place::Approval, "Esc", "stop the turn"),
    key(Place::View, "Up, Down, j, k, PgUp, PgDn, Home, End", "move"),
    key(Place::View, "Enter", "do what the view is for"),
    key(Place::View, "/", "filter a list, search a text"),
    key(Place::View, "Esc, q", "close"),
];

/// The table as rows of Markdown, for the documents.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::new();
    for place in Place::ALL {
        text.push_str(&format!("| {} | |\n|---|---|\n", place.title().to_lowercase()));
        for row in TABLE.iter().filter(|row| row.place == place) {
            let keys: Vec<String> = row.keys.split(", ").map(|key| format!("`{key}`")).collect();
            text.push_str(&format!("| {} | {} |\n", keys.join(", "), row.help));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crossterm::event::{KeyCode, KeyModifiers};
    use loci_protocol::{Event, Op};

    use super::*;
    use crate::host::Effect;
    use crate::testing::Stage;

    #[test]
    fn a_key_means_one_thing_in_one_place() {
        let mut known = HashSet::new();
        for row in TABLE {
            for key in row.keys.split(", ") {
                assert!(known.insert((row.place, key)), "{key} is said twice");
            }
        }
        for place in Place::ALL {
            assert!(TABLE.iter().any(|row| row.place == place), "{place:?} has no key");
        }
    }

    /// A key as it is written in the table; the first of several presses.
    fn pressed(name: &str) -> (KeyCode, KeyModifiers) {
        let (modifiers, key) = match name.split_once('-') {
            Some(("Ctrl", key)) => (KeyModifiers::CONTROL, key),
            Some(("Alt", key)) => (KeyModifiers::ALT, key),
            Some(("Shift", "Tab")) => return (KeyCode::BackTab, KeyModifiers::SHIFT),
            Some(("Shift", key)) => (KeyModifiers::SHIFT, key),
            _ => (KeyModifiers::NONE, name),
        };
        let code = match key {
            "Esc" => KeyCode::Esc,
            "Enter" => KeyCode::Enter,
            "Up" => KeyCode::Up,
            other => KeyCode::Char(other.to_lowercase().chars().next().unwrap_or_default()),
        };
        (code, modifiers)
    }

    #[test]
    fn keys_do_what_the_table_says() {
        let check = |place: Place, keys: &str, running: bool, expect: &[Effect]| {
            let named = |row: &&Key| row.place == place && row.keys.split(", ").any(|one| one == keys);
            assert!(TABLE.iter().any(|row| named(&row)), "{keys} is not in the table");
            let mut stage = Stage::open();
            if running {
                stage.event(Event::TurnStarted { turn: 1, prompt: "x".into() });
            }
            stage.screen(80, 24);
            stage.effects();
            for key in keys.split(' ') {
                let (code, modifiers) = pressed(key);
                stage.key(code, modifiers);
            }
            let effects = stage.effects();
            for effect in expect {
                assert!(effects.contains(effect), "{keys}: {effects:?}");
            }
        };
        let op = Effect::Op;
        check(Place::Everywhere, "Esc", true, &[op(Op::Interrupt)]);
        check(Place::Everywhere, "Esc Esc", false, &[op(Op::Timeline)]);
        check(Place::Everywhere, "Ctrl-C", true, &[op(Op::Interrupt)]);
        check(Place::Everywhere, "Ctrl-D", false, &[Effect::Leave]);
        check(Place::Everywhere, "Ctrl-L", false, &[Effect::Redraw]);
        check(Place::Everywhere, "Ctrl-Z", false, &[Effect::Suspend]);
        let edits = Op::SetMode { mode: loci_protocol::PermissionMode::AcceptEdits };
        check(Place::Everywhere, "Shift-Tab", false, &[op(edits)]);
        check(Place::Composer, "Ctrl-G", false, &[Effect::Edit(String::new())]);
    }
}
