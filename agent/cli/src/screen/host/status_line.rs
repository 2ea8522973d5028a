//! Owns the user's script for the status line: what it is given, and what is taken of what it says.
//! Uses core, which runs it.
//! Never obeys what it prints but for colours.

use loci_core::status_script;
use loci_tui::{Line, Reply, Style, visible};

use crate::project::Project;

/// Lines that are shown.
const LINES: usize = 2;
/// Characters of a line; no terminal is wider.
const WIDTH: usize = 400;

/// Run the script with these facts, to which the version is added. What it cannot say is not said.
pub(super) fn said(project: &Project, command: &str, mut facts: serde_json::Value) -> Reply {
    if let Some(fields) = facts.as_object_mut() {
        fields.insert("version".into(), env!("CARGO_PKG_VERSION").into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let said = runtime.map(|runtime| runtime.block_on(status_script::run(command, &facts, &project.root)));
    let lines = match said {
        Ok(Ok(text)) => text.lines().take(LINES).map(coloured).collect(),
        Ok(Err(why)) => vec![failed(&why.to_string())],
        Err(why) => vec![failed(&why.to_string())],
    };
    Reply::StatusLine(lines)
}

fn failed(why: &str) -> Line {
    Line::new(format!("screen.status_line: {}", loci_tui::one_line(why, 100)), Style::Warning)
}

/// A line in which SGR sequences mean what they mean; anything else of the kind is shown.
fn coloured(text: &str) -> Line {
    let mut line = Line::default();
    let mut style = Style::Plain;
    let mut rest: &str = &text.chars().take(WIDTH).collect::<String>();
    while let Some(at) = rest.find("\x1b[") {
        let (before, sequence) = rest.split_at(at);
        let body = &sequence[2..];
        let end = body.find(|character: char| !character.is_ascii_digit() && character != ';');
        let Some(end) = end.filter(|end| body[*end..].starts_with('m')) else {
            line = line.with(visible(&rest[..at + 2]), style);
            rest = body;
            continue;
        };
        if !before.is_empty() {
            line = line.with(visible(before), style);
        }
        style = after(style, &body[..end]);
        rest = &body[end + 1..];
    }
    if !rest.is_empty() {
        line = line.with(visible(rest), style);
    }
    line
}

/// The style after these parameters. The theme has fewer than a terminal: what is nearest is taken, and backgrounds are not.
fn after(before: Style, parameters: &str) -> Style {
    let mut style = before;
    let mut numbers = parameters.split(';').map(|number| number.parse::<u16>().unwrap_or(0));
    while let Some(number) = numbers.next() {
        style = match number {
            0 | 39 => Style::Plain,
            1 => Style::Bold,
            2 | 90 | 37 => Style::Dim,
            31 | 91 => Style::Removed,
            32 | 92 => Style::Added,
            33 | 93 => Style::Warning,
            34..=36 | 94..=96 => Style::Tip,
            // A colour of a larger palette: its parameters mean nothing by themselves.
            38 | 48 => {
                let skip = if numbers.next() == Some(2) { 3 } else { 1 };
                for _ in 0..skip {
                    numbers.next();
                }
                style
            }
            _ => style,
        };
    }
    style
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_styles_and_everything_else_is_shown() {
        let check = |text: &str, expect: Line| assert_eq!(coloured(text), expect, "{text:?}");
        check("plain", Line::new("plain", Style::Plain));
        check("\x1b[32mok\x1b[0m now", Line::new("ok", Style::Added).with(" now", Style::Plain));
        check("\x1b[1;33mwarm\x1b[m.", Line::new("warm", Style::Warning).with(".", Style::Plain));
        check("\x1b[38;5;196mred\x1b[48;2;1;2;31mx", Line::new("red", Style::Plain).with("x", Style::Plain));
        check("a\x1b[2Jb", Line::new("a␛[", Style::Plain).with("2Jb", Style::Plain));
        check("\x1b]0;title\x07", Line::new("␛]0;title␇", Style::Plain));
        check("\x1b[", Line::new("␛[", Style::Plain));
        check("\u{202e}x", Line::new("\\u{202e}x", Style::Plain));
        assert!(coloured(&"x".repeat(1 << 20)).plain().len() <= WIDTH);
    }
}
