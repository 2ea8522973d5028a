//! Owns simple commands: assignments, words, arrays.
//! Uses `word` for each word and `redirects` for what stands between.
//! Never keeps a reading in which a word of the grammar stands as a program.

use super::names::{
    RESERVED, declares, is_harmless_setting, is_integer, is_plain_value, is_private_name, sets_variables,
};
use super::reader::{Reader, Step};
use super::word::Lexed;
use super::{Assignment, Event, Simple, Word};

impl Reader<'_> {
    pub(super) fn simple(&mut self, fed: bool) -> Step<()> {
        let begin = self.at;
        let mut simple = Simple { fed, ..Simple::default() };
        loop {
            self.blanks();
            match self.byte() {
                None | Some(b'\n' | b';' | b'|' | b')') => break,
                Some(b'&') if !self.looking_at("&>") => break,
                Some(b'(') => {
                    let named = simple.words.len() == 1 && simple.assignments.is_empty();
                    self.at += 1;
                    self.blanks();
                    if !named || !self.take(")") {
                        return self.stop("a parenthesis where none may stand");
                    }
                    return self.function_body();
                }
                Some(_) => {}
            }
            if self.redirect(&mut simple)? {
                continue;
            }
            if let Some(word) = self.plain_word() {
                simple.words.push(word);
                continue;
            }
            let lexed = self.word()?;
            match lexed.assignment() {
                Some((name, array)) if simple.words.is_empty() || declares(&simple.words[0]) => {
                    let mut array = array;
                    if self.byte() == Some(b'(') && lexed.ends_with_equals() {
                        self.array()?;
                        array = true;
                    }
                    let value = lexed.value();
                    self.assigned(&name, &value, array);
                    if simple.words.is_empty() {
                        simple.assignments.push(Assignment { name, array, value });
                    } else {
                        simple.words.push(lexed.word());
                    }
                }
                _ => self.push_words(lexed, &mut simple.words)?,
            }
        }
        if self.at == begin {
            return self.stop("a command is missing");
        }
        if let Some(first) = simple.words.first()
            && RESERVED.contains(&first.raw())
        {
            return self.stop("it is not complete shell syntax");
        }
        if let Some(first) = simple.words.first()
            && sets_variables(&first.text)
        {
            self.reading.assigns = true;
            self.names_are_plain(&simple.words);
        }
        // A program may read any variable: `npm` does so with `npm_config_script_shell`, and `make` with all of them.
        if !simple.words.is_empty()
            && simple
                .assignments
                .iter()
                .any(|one| !is_harmless_setting(&one.name) || !is_plain_value(&one.value))
        {
            self.reading.doubt("it sets a variable that may change what programs do");
        }
        simple.raw = self.text[begin..self.at].trim().to_owned();
        self.reading.events.push(Event::Command(Box::new(simple)));
        Ok(())
    }

    /// Programs of the shell that are given the name of a variable evaluate a subscript in it.
    fn names_are_plain(&mut self, words: &[Word]) {
        let Some((first, arguments)) = words.split_first() else { return };
        if first.text == "printf" && !arguments.first().is_some_and(|word| word.text.starts_with("-v")) {
            return;
        }
        if arguments.iter().any(|word| word.text.contains('[') && word.text.contains(['$', '`'])) {
            self.reading.doubt("a subscript that is computed");
        }
        let integer = |word: &Word| word.text.starts_with('-') && word.text.contains('i');
        self.reading.computes |= first.text == "let"
            || arguments.iter().any(|word| (word.dynamic && word.text.starts_with('$')) || integer(word));
    }

    /// Remember that a variable gets a value that arithmetic could run.
    pub(super) fn assigned(&mut self, name: &str, value: &Word, array: bool) {
        // What is computed is a number, whatever it is computed from.
        let computed = value.text.strip_prefix("$((").and_then(|text| text.strip_suffix("))"));
        let computed = computed.is_some_and(|text| !text.contains(['$', '`', '(', ')']));
        if array || !(is_integer(value) || computed) {
            self.reading.assigns = true;
        }
        let harmless =
            is_private_name(name) || (is_harmless_setting(name) && !array && is_plain_value(value));
        if !harmless {
            self.reading.doubt("it sets a variable that may change what programs do");
        }
    }

    /// The elements of `name=(…)`.
    pub(super) fn array(&mut self) -> Step<()> {
        self.at += 1;
        loop {
            self.lines()?;
            match self.byte() {
                Some(b')') => {
                    self.at += 1;
                    // What follows at once would belong to the same word.
                    let ends =
                        matches!(self.byte(), None | Some(b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b')'));
                    return if ends { Ok(()) } else { self.stop("text behind an array") };
                }
                None | Some(b';' | b'&' | b'|' | b'(') => return self.stop("an array does not close"),
                Some(_) => {
                    self.word()?;
                }
            }
        }
    }

    /// Words up to the end of a `for` list, one expansion at a time.
    pub(super) fn words(&mut self) -> Step<Vec<Word>> {
        let lexed = self.word()?;
        let mut words = Vec::new();
        self.push_words(lexed, &mut words)?;
        Ok(words)
    }

    pub(super) fn push_words(&mut self, lexed: Lexed, words: &mut Vec<Word>) -> Step<()> {
        match lexed.expand_braces() {
            Ok(Some(expanded)) => {
                // `{,rm}` is one word: nothing at all is no word.
                words.extend(expanded.into_iter().filter(|one| !one.pieces.is_empty()).map(Lexed::word));
                Ok(())
            }
            Ok(None) => {
                words.push(lexed.word());
                Ok(())
            }
            Err(()) => self.stop("a brace expansion is too large"),
        }
    }
}
