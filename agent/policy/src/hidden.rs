//! Owns what counts as hidden text (S16) and how it is shown.
//! Uses nothing.
//! Never changes a character that a reader can see.

/// True for text that a reader cannot see, or that changes how the rest is seen.
fn is_hidden(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        _ if character.is_control() => true,
        // Blanks that are no blank to the shell.
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => true,
        // Zero width, joiners, directions, separators, fillers, invisible operators, tags.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => true,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' => true,
        // Variation selectors; the one that asks for an emoji is common and harmless.
        '\u{fe00}'..='\u{fe0e}' => true,
        '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

/// Whether some of the text is hidden.
pub(crate) fn contains_hidden(text: &str) -> bool {
    // Almost every command is ASCII, where a byte says it all.
    if text.is_ascii() {
        return text.bytes().any(|byte| byte == 127 || (byte < 32 && byte != b'\n' && byte != b'\t'));
    }
    text.chars().any(is_hidden)
}

/// The text with hidden characters written out: `\x1b`, `\u{200b}`.
pub(crate) fn escape(text: &str) -> String {
    if !contains_hidden(text) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\r' => shown.push_str("\\r"),
            _ if !is_hidden(character) => shown.push(character),
            _ if character.is_ascii() => shown.push_str(&format!("\\x{:02x}", u32::from(character))),
            _ => shown.push_str(&format!("\\u{{{:x}}}", u32::from(character))),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_text_is_written_out() {
        let check = |text: &str, hidden: bool, shown: &str| {
            assert_eq!(contains_hidden(text), hidden, "{shown}");
            assert_eq!(escape(text), shown);
        };
        check("ls -la\n\tx", false, "ls -la\n\tx");
        check("grüße ✔️ 文", false, "grüße ✔️ 文");
        check("ls\r", true, "ls\\r");
        check("\u{1b}[2Kls", true, "\\x1b[2Kls");
        check("a\0b\u{7f}", true, "a\\x00b\\x7f");
        check("a\u{202e}b\u{200b}c\u{feff}", true, "a\\u{202e}b\\u{200b}c\\u{feff}");
        check("rm\u{a0}x\u{85}", true, "rm\\u{a0}x\\u{85}");
    }
}
