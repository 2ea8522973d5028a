//! Owns the help: every command and every key.
//! Uses the two tables.
//! Never says anything that is not in them.

use crate::style::{Line, Style};
use crate::wrap::wrap;
use crate::{commands, keys};

/// Columns of a command with its arguments, or of a key.
const FIRST: usize = 20;

/// Below so many columns what something does stands under its name.
const NARROW: usize = 72;

/// The commands and the keys, in lines for so many columns.
#[must_use]
pub fn help_lines(width: usize) -> Vec<Line> {
    let mut lines = vec![Line::new("Commands", Style::Bold)];
    for command in commands::TABLE {
        let arguments = if command.arguments.is_empty() { "" } else { " " };
        let name = format!("{}{arguments}{}", command.name, command.arguments);
        lines.extend(rows(&name, command.help, width));
    }
    for place in keys::Place::ALL {
        lines.push(Line::default());
        lines.push(Line::new(place.title(), Style::Bold));
        for key in keys::TABLE.iter().filter(|key| key.place == place) {
            lines.extend(rows(key.keys, key.help, width));
        }
    }
    lines
}

fn rows(name: &str, help: &str, width: usize) -> Vec<Line> {
    let named = Line::new(format!("  {name}"), Style::Tip);
    if width < NARROW {
        return vec![named, Line::new(format!("      {help}"), Style::Plain)];
    }
    let pad = FIRST.saturating_sub(crate::text::columns(name));
    if pad == 0 {
        let below = Line::new(" ".repeat(2 + FIRST) + help, Style::Plain);
        return std::iter::once(named).chain(wrap(&below, width, 2 + FIRST)).collect();
    }
    let line = named.with(" ".repeat(pad), Style::Plain).with(help, Style::Plain);
    wrap(&line, width, 2 + FIRST)
}

#[cfg(test)]
mod tests {
    use crate::testing::Stage;

    #[test]
    fn help_lists_commands_and_keys() {
        let mut stage = Stage::open();
        stage.keys("/help\n");
        insta::assert_snapshot!(stage.screens());
        stage.keys("G");
        let end = stage.screen(80, 24);
        assert!(end.contains("In views") && end.contains("100 %"), "{end}");
        stage.keys("/shift-tab\n");
        assert!(stage.screen(80, 24).contains("the next mode"));
        stage.keys("q");
        assert!(!stage.screen(80, 24).contains("Help"));
    }
}
