//! Owns what stands for something larger in a prompt: a long paste, a picture.
//! Uses characters of the private use plane 16 in the text, one for each; a cursor takes one for a single character.
//! Never lets such a character come in from outside.

use std::path::PathBuf;

/// The first of the characters that stand for something. Plane 15 is used by fonts with icons; this one is not.
const FIRST: u32 = 0x0010_0000;
/// As many as the plane has.
const MOST: usize = 0xfffe;
/// A paste of more lines than this is not shown whole.
const LINES: usize = 5;
/// The same for characters: about a dozen rows.
const CHARACTERS: usize = 1_000;
/// A paste of more bytes than this is left out. It would be ten times what the largest windows take: a million tokens of
/// some four bytes.
pub(super) const LARGEST: usize = 40 << 20;

/// What stands for something larger.
#[derive(Debug)]
struct Chip {
    label: String,
    text: String,
}

/// What stands for something larger, in one composer.
#[derive(Debug, Default)]
pub(super) struct Chips {
    chips: Vec<Chip>,
    pastes: usize,
    /// Pictures of this conversation. They stay: a prompt that waits, or one that comes back, names them by their number.
    pictures: Vec<PathBuf>,
}

fn number(character: char) -> Option<usize> {
    let number = u32::from(character).checked_sub(FIRST)?;
    usize::try_from(number).ok()
}

impl Chips {
    fn get(&self, grapheme: &str) -> Option<&Chip> {
        self.chips.get(number(grapheme.chars().next()?)?)
    }

    /// What is shown for a grapheme that stands for something.
    pub(super) fn label(&self, grapheme: &str) -> Option<&str> {
        self.get(grapheme).map(|chip| chip.label.as_str())
    }

    /// The character of a text that was pasted before: one that comes and goes is kept once.
    fn again(&self, text: &str) -> Option<char> {
        let at = self.chips.iter().position(|chip| chip.text == text)?;
        char::from_u32(FIRST + u32::try_from(at).ok()?)
    }

    fn add(&mut self, label: String, text: String) -> Option<char> {
        if self.chips.len() >= MOST {
            return None;
        }
        let character = char::from_u32(FIRST + u32::try_from(self.chips.len()).ok()?)?;
        self.chips.push(Chip { label, text });
        Some(character)
    }

    /// The text as it goes into the composer: what is long stands behind a label.
    pub(super) fn paste(&mut self, text: String) -> String {
        let lines = text.split('\n').count();
        if lines <= LINES && text.chars().nth(CHARACTERS).is_none() {
            return text;
        }
        if let Some(character) = self.again(&text) {
            return character.into();
        }
        let what = if lines > LINES {
            format!("{} lines", text.lines().count())
        } else {
            format!("{} characters", text.chars().count())
        };
        self.pastes += 1;
        let label = if self.pastes == 1 {
            format!("[pasted {what}]")
        } else {
            format!("[pasted #{} {what}]", self.pastes)
        };
        match self.add(label, text) {
            Some(character) => character.into(),
            None => String::new(),
        }
    }

    /// A picture: what goes into the composer for it.
    pub(super) fn picture(&mut self, path: PathBuf) -> String {
        self.pictures.push(path);
        let name = format!("[Image #{}]", self.pictures.len());
        self.add(name.clone(), name).map_or_else(String::new, String::from)
    }

    /// The pictures that a prompt names.
    pub(super) fn pictures_of(&self, prompt: &str) -> Vec<PathBuf> {
        let named = |(number, _): &(usize, &PathBuf)| prompt.contains(&format!("[Image #{}]", number + 1));
        self.pictures.iter().enumerate().filter(named).map(|(_, path)| path.clone()).collect()
    }

    /// The text with everything in the place of what stands for it.
    pub(super) fn whole(&self, text: &str) -> String {
        let mut whole = String::with_capacity(text.len());
        for character in text.chars() {
            match number(character).and_then(|number| self.chips.get(number)) {
                Some(chip) => whole.push_str(&chip.text),
                None => whole.push(character),
            }
        }
        whole
    }

    /// Nothing is written any more: pastes are counted anew.
    pub(super) fn forget(&mut self) {
        self.chips.clear();
        self.pastes = 0;
    }
}

/// Text from outside, as it may stand in a prompt: one kind of line break, control characters made visible, and none of
/// the characters that stand for something here.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\r' => {
                if characters.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            '\n' | '\t' => out.push(character),
            // Every C0 control has a picture at U+2400.
            '\0'..='\x1f' => out.push(char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}')),
            '\x7f' => out.push('\u{2421}'),
            '\u{80}'..='\u{9f}' => out.push('\u{fffd}'),
            // These reorder what is read or hide. Joiners stay: letters of some languages and emoji are made with them.
            '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
                out.push_str(&format!("\\u{{{:x}}}", u32::from(character)));
            }
            _ if number(character).is_some() => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_made_plain() {
        let check = |input: &str, expect: &str| assert_eq!(clean(input), expect, "{input:?}");
        check("a\r\nb\rc\nd\te", "a\nb\nc\nd\te");
        check("\x1b[2J\x07\x7f\u{9b}", "␛[2J␇␡\u{fffd}");
        check("\u{202e}x", "\\u{202e}x");
        check("👩\u{200d}👧", "👩\u{200d}👧");
        check("\u{100000}\u{f0001}", "\u{fffd}\u{f0001}");
    }

    #[test]
    fn long_pastes_stand_behind_a_label() {
        let mut chips = Chips::default();
        let mut check = |text: String, label: Option<&str>| {
            let short = chips.paste(text.clone());
            assert_eq!(chips.label(&short), label, "{text:.20}");
            assert_eq!(chips.whole(&format!("a{short}b")), format!("a{text}b"));
        };
        check("one\ntwo".into(), None);
        check("1\n2\n3\n4\n5".into(), None);
        check("1\n2\n3\n4\n5\n6".into(), Some("[pasted 6 lines]"));
        check("line\n".repeat(120), Some("[pasted #2 120 lines]"));
        check("漢".repeat(1_000), None);
        check("漢".repeat(1_001), Some("[pasted #3 1001 characters]"));
        chips.forget();
        let again = chips.paste("\n".repeat(9));
        assert_eq!(chips.label(&again), Some("[pasted 9 lines]"));
    }

    #[test]
    fn pictures_are_found_by_their_numbers() {
        let mut chips = Chips::default();
        let (one, two) = (chips.picture("/a.png".into()), chips.picture("/b.png".into()));
        assert_eq!(chips.label(&one), Some("[Image #1]"));
        let prompt = chips.whole(&format!("what is {two}?"));
        assert_eq!(prompt, "what is [Image #2]?");
        chips.forget();
        assert_eq!(chips.pictures_of(&prompt), [PathBuf::from("/b.png")]);
        assert!(chips.pictures_of("none").is_empty());
    }
}
