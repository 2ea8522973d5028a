//! Owns compound commands: conditions, loops, `case`, functions, `[[`.
//! Uses the reader for the lists inside them.
//! Never decides which branch runs: all of them are listed.

use super::names::{is_integer, is_name_character};
use super::reader::{Reader, Step};
use super::{Event, Scope, Simple, Word};

impl Reader<'_> {
    /// `((…))`; false, with nothing taken, when this is two subshells.
    pub(super) fn arithmetic_command(&mut self) -> Step<bool> {
        let Some(length) = self.arithmetic_length(2) else { return Ok(false) };
        let inside = &self.text[self.at + 2..self.at + 2 + length];
        self.at += length + 4;
        self.arithmetic(inside)?;
        self.reading.computes = true;
        Ok(true)
    }

    pub(super) fn if_command(&mut self) -> Step<()> {
        self.list(&["then"])?;
        self.expect_keyword("then")?;
        loop {
            self.within(Scope::Maybe, |reader| reader.list(&["elif", "else", "fi"]))?;
            if self.keyword("elif") {
                self.within(Scope::Maybe, |reader| reader.list(&["then"]))?;
                self.expect_keyword("then")?;
            } else if self.keyword("else") {
                return self.block(Scope::Maybe, "fi");
            } else {
                return self.expect_keyword("fi");
            }
        }
    }

    pub(super) fn loop_command(&mut self) -> Step<()> {
        self.within(Scope::Maybe, |reader| {
            reader.list(&["do"])?;
            reader.expect_keyword("do")?;
            reader.list(&["done"])
        })?;
        self.expect_keyword("done")
    }

    pub(super) fn for_command(&mut self) -> Step<()> {
        self.blanks();
        if self.looking_at("((") {
            if !self.arithmetic_command()? {
                return self.stop("a `for ((` does not close");
            }
            self.blanks();
            self.take(";");
        } else {
            let name = self.name()?;
            self.lines()?;
            let mut numeric = false;
            if self.keyword("in") {
                numeric = true;
                loop {
                    self.blanks();
                    match self.byte() {
                        None | Some(b';' | b'\n' | b'&' | b'|' | b')' | b'(') => break,
                        _ => {
                            let words = self.words()?;
                            numeric &= words.iter().all(is_integer);
                        }
                    }
                }
            }
            let value = Word { text: "0".into(), dynamic: !numeric, ..Word::default() };
            self.assigned(&name, &value, false);
            self.blanks();
            self.take(";");
        }
        self.lines()?;
        if self.keyword("{") {
            return self.block(Scope::Maybe, "}");
        }
        self.expect_keyword("do")?;
        self.block(Scope::Maybe, "done")
    }

    pub(super) fn case_command(&mut self) -> Step<()> {
        self.blanks();
        self.word()?;
        self.expect_keyword("in")?;
        loop {
            self.lines()?;
            if self.keyword("esac") {
                return Ok(());
            }
            self.take("(");
            loop {
                self.blanks();
                self.word()?;
                self.blanks();
                if !self.take("|") {
                    break;
                }
            }
            self.blanks();
            self.close_parenthesis()?;
            self.within(Scope::Maybe, |reader| reader.list(&["esac"]))?;
            if !(self.take(";;&") || self.take(";;") || self.take(";&")) {
                self.lines()?;
                return self.expect_keyword("esac");
            }
        }
    }

    pub(super) fn name(&mut self) -> Step<String> {
        let rest = self.rest();
        let length =
            rest.find(|c: char| !is_name_character(c) && !"-.:+/@%".contains(c)).unwrap_or(rest.len());
        if length == 0 {
            return self.stop("a name is missing");
        }
        self.at += length;
        Ok(rest[..length].to_owned())
    }

    pub(super) fn function_body(&mut self) -> Step<()> {
        // Its body runs wherever its name stands, also under the name of a harmless program.
        self.reading.doubt("it defines a function");
        self.lines()?;
        self.within(Scope::Subshell, |reader| reader.command(false))
    }

    /// `[[ … ]]`, kept as one command whose words are its operators and operands.
    pub(super) fn test_command(&mut self, begin: usize) -> Step<()> {
        let operator = |text: &str| Word { text: text.into(), ..Word::default() };
        // Told apart from a program of that name by what is written.
        let mut words = vec![Word { written: Some("[[".into()), ..operator("[[") }];
        loop {
            self.lines()?;
            if self.keyword("]]") {
                break;
            }
            if words.last().is_some_and(|word| word.text == "=~" && !word.quoted) {
                words.push(self.regular_expression()?);
                continue;
            }
            let symbols = ["&&", "||", "(", ")", "<", ">"];
            if let Some(symbol) = symbols.into_iter().find(|symbol| self.take(symbol)) {
                words.push(operator(symbol));
                continue;
            }
            if matches!(self.byte(), None | Some(b';' | b'&' | b'|')) {
                return self.stop("a `[[` does not close");
            }
            words.push(self.word()?.word());
        }
        // What these compare they evaluate, as arithmetic does.
        let evaluates = |text: &str| matches!(text, "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge");
        let number = |word: &Word| is_integer(word) || matches!(word.text.as_str(), "$#" | "$?");
        self.reading.computes |= words
            .windows(3)
            .any(|three| evaluates(&three[1].text) && !(number(&three[0]) && number(&three[2])));
        let raw = self.text[begin..self.at].to_owned();
        let mut simple = Simple { words, raw, ..Simple::default() };
        loop {
            self.blanks();
            if !self.redirect(&mut simple)? {
                break;
            }
        }
        self.reading.events.push(Event::Command(Box::new(simple)));
        Ok(())
    }

    /// The right side of `=~`, in which parentheses and bars need no quotes.
    pub(super) fn regular_expression(&mut self) -> Step<Word> {
        let mut whole = Word::default();
        let begin = self.at;
        let mut open = 0usize;
        loop {
            match self.byte() {
                Some(b'(') => open += 1,
                Some(b')') if open > 0 => open -= 1,
                Some(b'|') => {}
                None | Some(b' ' | b'\t' | b'\n') if open == 0 => break,
                Some(b' ') => {}
                None | Some(b'\n' | b';' | b'&' | b'<' | b'>' | b')') => {
                    return self.stop("a regular expression that cannot be read");
                }
                Some(_) => {
                    let piece = self.word()?.word();
                    whole.text.push_str(&piece.text);
                    whole.dynamic |= piece.dynamic;
                    continue;
                }
            }
            let symbol = &self.rest()[..1];
            whole.text.push_str(symbol);
            self.at += 1;
        }
        whole.written = Some(self.text[begin..self.at].to_owned());
        Ok(whole)
    }
}
