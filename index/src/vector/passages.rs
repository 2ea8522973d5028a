//! Owns what of a file is embedded: its definitions, each with its name and its place.
//! Uses the tags of `parse`.
//! Never embeds.

use crate::parse::{LineIndex, Tag};

use super::Place;

/// Changes when other texts are made of the same file: vectors of before are then not used any more.
pub(crate) const LAYOUT: u8 = 1;

/// Of a function as much as was trained on, about 400 words of code; of a type its head, since what is in it stands for itself.
const FUNCTION_BYTES: usize = 6_000;
const TYPE_LINES: u32 = 30;
/// More definitions than this in one file are generated.
const MOST: usize = 5_000;

/// A text to embed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    pub(crate) place: Place,
    pub(crate) text: String,
}

/// What is embedded of a file, by line.
pub(crate) fn passages(path: &str, text: &str, lines: &LineIndex, definitions: &[Tag]) -> Vec<Passage> {
    let named = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    let mut found: Vec<Passage> = definitions
        .iter()
        .filter_map(|tag| {
            let last = match tag.kind {
                "function" | "method" | "constructor" | "macro" | "test" => tag.end_line,
                "struct" | "class" | "union" | "enum" | "interface" | "trait" | "type" | "object"
                | "table" | "view"
                    if tag.end_line > tag.line =>
                {
                    tag.end_line.min(tag.line.saturating_add(TYPE_LINES))
                }
                _ => return None,
            };
            let code = lines.range(text, tag.start_line, last);
            let code = &code[..code.floor_char_boundary(FUNCTION_BYTES)];
            let parent = tag.parent.as_deref().unwrap_or_default();
            Some(Passage {
                place: Place { line: tag.line, start: tag.start_line, end: tag.end_line },
                text: format!("{}\n{named} {parent}\n{code}", tag.name),
            })
        })
        .take(MOST)
        .collect();
    found.sort_by_key(|passage| passage.place.line);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{languages, tags};

    #[test]
    fn functions_and_heads_of_types_are_passages() {
        let text = "/// Says hello.\npub fn greet(name: &str) {\n    say(name);\n}\n\npub struct Config {\n    path: String,\n}\n\nconst LIMIT: u32 = 1;\n\nimpl Config {\n    fn load() {}\n}\n";
        let tags = tags(text, languages::of("src/a.rs", text), false).definitions;
        let seen: Vec<_> = passages("src/a.rs", text, &LineIndex::new(text), &tags)
            .into_iter()
            .map(|passage| (passage.place.line, passage.text))
            .collect();
        let expect = [
            (2, "greet\nsrc/a \n/// Says hello.\npub fn greet(name: &str) {\n    say(name);\n}\n"),
            (6, "Config\nsrc/a \npub struct Config {\n    path: String,\n}\n"),
            (13, "load\nsrc/a impl Config\n    fn load() {}\n"),
        ];
        assert_eq!(seen, expect.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn long_functions_are_cut_between_characters() {
        let text = format!("fn long() {{\n{}}}\n", "    // ééé\n".repeat(FUNCTION_BYTES));
        let tags = tags(&text, languages::of("a.rs", &text), false).definitions;
        let made = passages("a.rs", &text, &LineIndex::new(&text), &tags);
        assert!(made[0].text.len() <= FUNCTION_BYTES + 20, "{}", made[0].text.len());
    }
}
