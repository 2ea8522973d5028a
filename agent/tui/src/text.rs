//! Owns what makes foreign text safe and short enough for a terminal.
//! Uses graphemes, what a person takes for one character, and `unicode-width` for their columns.
//! Never lets a control sequence of a model, a file or a command reach the terminal.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The text with control characters and bidirectional overrides made visible. Line breaks and tabs stay.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => out.push(character),
            // A carriage return could overwrite the line that is shown; before a line break it says nothing.
            '\r' => {}
            // Every C0 control has a picture at U+2400.
            '\0'..='\x1f' => out.push(char::from_u32(0x2400 + character as u32).unwrap_or('\u{fffd}')),
            '\x7f' => out.push('\u{2421}'),
            '\u{80}'..='\u{9f}' => out.push('\u{fffd}'),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
                out.push_str(&format!("\\u{{{:x}}}", character as u32));
            }
            _ => out.push(character),
        }
    }
    out
}

/// Bytes as terminals take them within a sequence. (RFC 4648, section 4)
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// One line of at most `width` columns: breaks become spaces, what does not fit becomes `…`.
#[must_use]
pub fn one_line(text: &str, width: usize) -> String {
    let flat = visible(text).split(['\n', '\t']).map(str::trim).filter(|part| !part.is_empty()).fold(
        String::new(),
        |mut line, part| {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(part);
            line
        },
    );
    clip(&flat, width)
}

/// The columns that a text takes in a terminal: those of its graphemes, as the screen lays them out.
#[must_use]
pub(crate) fn columns(text: &str) -> usize {
    if text.is_ascii() {
        return text.bytes().filter(|byte| !byte.is_ascii_control()).count();
    }
    text.graphemes(true).map(grapheme_columns).sum()
}

/// The columns of one grapheme. A control character has none: the screen leaves it out.
#[must_use]
pub(crate) fn grapheme_columns(grapheme: &str) -> usize {
    match grapheme.as_bytes() {
        [byte] => usize::from(!byte.is_ascii_control()),
        _ if grapheme.contains(char::is_control) => 0,
        _ => grapheme.width(),
    }
}

/// The text cut to `width` columns, with `…` in the place of what was cut.
#[must_use]
pub fn clip(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1; // the ellipsis
    for grapheme in text.graphemes(true) {
        used += grapheme_columns(grapheme);
        if used > width {
            break;
        }
        out.push_str(grapheme);
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_become_visible() {
        let check = |input: &str, expect: &str| assert_eq!(visible(input), expect);
        check("plain\n\ttext", "plain\n\ttext");
        check("\x1b[2Jgone\x07", "␛[2Jgone␇");
        check("a\r\nb", "a\nb");
        check("\u{202e}evil", "\\u{202e}evil");
        check("\u{9b}31m", "\u{fffd}31m");
    }

    #[test]
    fn lines_are_cut_at_columns() {
        let check = |input: &str, width: usize, expect: &str| assert_eq!(one_line(input, width), expect);
        check("short", 10, "short");
        check("exactly te", 10, "exactly te");
        check("exactly ten", 10, "exactly t…");
        check("two\n  lines", 20, "two lines");
        // Two columns each.
        check("漢字漢字", 5, "漢字…");
        check("", 5, "");
    }
}
