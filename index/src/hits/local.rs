//! Owns finding where a name is declared that is no definition of the index: a variable inside of a function.
//! Uses the text of a file.
//! Never reads files, and never judges what is better.

use crate::tokenize::is_word_character;

/// Words that declare the name that follows.
const DECLARES: &[&str] = &["const", "let", "var", "val", "mut", "static", "local", "auto", "my", "final"];

/// Where a text declares a name as a local one, in bytes.
pub(super) fn declares(text: &str, name: &str) -> Option<usize> {
    text.match_indices(name).map(|(at, _)| at).find(|&at| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        let apart = |character: Option<char>| !character.is_some_and(is_word_character);
        if !apart(before.chars().next_back()) || !apart(after.chars().next()) {
            return false;
        }
        let before = before.trim_end_matches([' ', '\t']);
        let word = before.rsplit(|character: char| !is_word_character(character)).next().unwrap_or_default();
        // `const { name } = …`, with nothing but names between.
        let line = before[before.rfind('\n').map_or(0, |end| end + 1)..].trim_start();
        let first = line.split(|character: char| !is_word_character(character)).next().unwrap_or_default();
        let unpacks = DECLARES.contains(&first) && line.contains(['{', '[', '(']) && !line.contains('=');
        DECLARES.contains(&word) || unpacks || after.trim_start_matches([' ', '\t']).starts_with(":=")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locals_are_found() {
        for (text, name, expect) in [
            ("f(newVal);\n  const newVal = 1", "newVal", Some(19)),
            ("let mut count = 0", "count", Some(8)),
            ("  const { a, newVal } = b", "newVal", Some(13)),
            ("const b = newVal", "newVal", None),
            ("total := 0", "total", Some(0)),
            ("x.newVal = 2", "newVal", None),
            ("const newValue = 1", "newVal", None),
            ("return newVal", "newVal", None),
        ] {
            assert_eq!(declares(text, name), expect, "{text}");
        }
    }
}
