//! Owns what makes foreign text safe and short enough for a terminal.
//! Uses graphemes, what a person takes for one character, and `unicode-width` for their columns.
//! Never lets a control sequence of a model, a file or a command reach the terminal.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Marks that one character may carry. Vietnamese takes two, Hebrew with all its signs four; more of them pile up over
/// other rows, and a megabyte of them would be one cell.
const MARKS: usize = 8;

/// The text with all that a terminal would obey, or hide, made visible: control characters become their pictures, what
/// turns the direction of writing or has no shape of its own becomes `\u{…}`. Line breaks and tabs stay.
///
/// Joiners stay where they join: in emoji and between letters of scripts that write with them. Text that runs from right to
/// left stays in its logical order: terminals differ in whether they turn it, and turned twice it would be wrong. So that
/// a row's meaning cannot turn with it, our own signs stand before such text, never behind it alone.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = '\0';
    let mut marks = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        marks = if is_mark(character) { marks + 1 } else { 0 };
        match character {
            ' '..='\x7e' | '\n' | '\t' => out.push(character),
            // A carriage return could overwrite the line that is shown; before a line break it says nothing.
            '\r' => {}
            // Every C0 control has a picture at U+2400.
            '\0'..='\x1f' => out.push(char::from_u32(0x2400 + character as u32).unwrap_or('\u{fffd}')),
            '\x7f' => out.push('\u{2421}'),
            '\u{80}'..='\u{9f}' => out.push('\u{fffd}'),
            '\u{200c}' | '\u{200d}' if joins(before, characters.peek().copied()) => out.push(character),
            // Whether a sign is a picture or a letter; after anything else it would hide something.
            '\u{fe0e}' | '\u{fe0f}' if is_pictorial(before) => out.push(character),
            _ if is_hidden(character) || marks > MARKS => {
                out.push_str(&format!("\\u{{{:x}}}", character as u32));
            }
            _ => out.push(character),
        }
        before = character;
    }
    out
}

/// Bytes as terminals take them within a sequence. (RFC 4648, section 4)
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// What has no shape, or only changes how others are shown: Unicode's default ignorable code points, the signs for
/// directions, line and paragraph separators, tags and selectors (which can carry a hidden message).
fn is_hidden(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// What stands over or under the character before it.
fn is_mark(character: char) -> bool {
    !character.is_ascii() && character.width() == Some(0)
}

/// Signs that have a form as a picture.
fn is_pictorial(character: char) -> bool {
    matches!(character, '#' | '*' | '0'..='9' | '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2100}'..='\u{2bff}'
        | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

/// Whether a joiner between these two has a purpose.
fn joins(before: char, behind: Option<char>) -> bool {
    let pictures =
        |character: char| is_pictorial(character) && !character.is_ascii() || character == '\u{fe0f}';
    let letters = |character: char| {
        matches!(character, '\u{620}'..='\u{6ff}' | '\u{710}'..='\u{8ff}' | '\u{900}'..='\u{109f}' | '\u{1780}'..='\u{17b3}'
            | '\u{17b6}'..='\u{18aa}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}')
    };
    behind.is_some_and(|behind| pictures(before) && pictures(behind) || letters(before) && letters(behind))
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
    fn what_hides_is_shown_and_what_joins_stays() {
        let check = |input: &str, expect: &str| assert_eq!(visible(input), expect, "{input:?}");
        let same = |input: &str| check(input, input);
        for plain in [
            "漢字",
            "e\u{301}",
            "שלום",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "ไทย",
            "👩\u{200d}👩\u{200d}👧",
            "❤\u{fe0f}\u{200d}🔥",
        ] {
            same(plain);
        }
        same("1\u{fe0f}\u{20e3}");
        same("👍🏽");
        check("a\u{200d}b", "a\\u{200d}b");
        check("pay\u{200c}pal", "pay\\u{200c}pal");
        check("a\u{fe0f}", "a\\u{fe0f}");
        check("a\u{ad}b", "a\\u{ad}b");
        check("a\u{2028}b", "a\\u{2028}b");
        check("\u{e0041}", "\\u{e0041}");
        check("a\u{3164}b", "a\\u{3164}b");
        let piled = format!("e{}", "\u{301}".repeat(MARKS + 1));
        check(&piled, &format!("e{}\\u{{301}}", "\u{301}".repeat(MARKS)));
        let twice = visible("\x1b\u{202e}\u{301}a\u{200d}");
        assert_eq!(visible(&twice), twice);
    }

    #[test]
    fn columns_are_those_of_graphemes() {
        let check = |text: &str, expect: usize| assert_eq!(columns(text), expect, "{text:?}");
        check("", 0);
        check("abc", 3);
        check("漢字", 4);
        check("e\u{301}a\u{308}", 2);
        check("👩\u{200d}👩\u{200d}👧", 2);
        check("👍🏽", 2);
        check("🇩🇪", 2);
        check("❤\u{fe0f}", 2);
        check("1\u{fe0f}\u{20e3}", 2);
        check("한글", 4);
        check("שלום", 4);
        check("لا", 2);
        check("ไทย", 3);
        check("ｱ", 1);
        check("\x07", 0);
    }

    #[test]
    fn columns_are_what_the_screen_takes() {
        use ratatui::buffer::Buffer;
        use ratatui::layout::Rect;
        let all = "abc 漢字 e\u{301} 👩\u{200d}👩\u{200d}👧 👍🏽 🇩🇪 ❤\u{fe0f} 1\u{fe0f}\u{20e3} 한글 שלום لا ไทย ｱ क्\u{200d}ष می\u{200c}خواهم";
        for text in all.split(' ').chain([all]) {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 200, 1));
            let (end, _) = buffer.set_stringn(0, 0, text, 200, ratatui::style::Style::new());
            assert_eq!(usize::from(end), columns(text), "{text:?}");
        }
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
