//! Owns the reading of a shell command: [`read`] lists every simple command that a line could run, wherever it hides.
//! Uses a reader of our own, since no grammar at hand is linear and reads words as bash does (docs/design/002).
//! Never guesses: what it does not understand is named in [`Reading::opaque`].

mod arithmetic;
mod braces;
mod compound;
mod names;
mod reader;
mod redirects;
mod simple;
mod word;

use std::borrow::Cow;

pub(crate) use reader::read;

/// How deep constructs may nest before the reader gives up.
pub(crate) const DEPTH: usize = 48;

/// One word after quote removal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Word {
    /// Without quotes; expansions stand as they were written.
    pub(crate) text: String,
    /// As it was written, where that differs.
    pub(crate) written: Option<String>,
    /// It has an expansion, so that its value is not known.
    pub(crate) dynamic: bool,
    /// It has an expansion outside quotes, so that it may become no word or several.
    pub(crate) splits: bool,
    /// It has an unquoted `*`, `?` or `[`.
    pub(crate) glob: bool,
    /// It begins with an unquoted `~`.
    pub(crate) tilde: bool,
    /// Some of it is quoted.
    pub(crate) quoted: bool,
    /// It is one `<(…)` or `>(…)`: a pipe to a command that is listed on its own.
    pub(crate) pipe: bool,
}

impl Word {
    /// The text, if it is known and stands for itself.
    pub(crate) fn known(&self) -> Option<&str> {
        (!self.dynamic && !self.glob).then_some(self.text.as_str())
    }

    /// As it was written.
    pub(crate) fn raw(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.text)
    }

    /// The word with quotes only where they matter: two words that mean different things never look the same.
    fn bare(&self) -> Cow<'_, str> {
        if self.dynamic || self.glob || self.tilde {
            return Cow::Borrowed(self.raw());
        }
        let hard = [' ', '\t', '\n', ';', '|', '&', '(', ')', '<', '>', '\'', '"'];
        let soft = ['$', '`', '*', '?', '[', '~', '#', '{', '!', '\\'];
        let rewritten = self.quoted || self.written.as_ref().is_some_and(|written| *written != self.text);
        let quotes =
            rewritten && (self.text.is_empty() || self.text.contains(hard) || self.text.contains(soft));
        if !quotes {
            return Cow::Borrowed(&self.text);
        }
        Cow::Owned(format!("'{}'", self.text.replace('\'', r"'\''")))
    }
}

/// Words as one line, with quotes only where they matter.
pub(crate) fn line(words: &[Word]) -> String {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word.bare());
    }
    line
}

/// The same with another name for the program.
pub(crate) fn line_as(name: &str, words: &[Word]) -> String {
    let arguments = words.get(1..).unwrap_or_default();
    if arguments.is_empty() { name.to_owned() } else { format!("{name} {}", line(arguments)) }
}

/// A variable that is set before a command, or by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// The name, without a subscript.
    pub(crate) name: String,
    /// It has a subscript or an array value.
    pub(crate) array: bool,
    pub(crate) value: Word,
}

/// What a redirect does with its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
    /// `<>`
    Both,
}

/// A redirect to or from a file. Descriptors that are copied or closed are left out: they touch nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub(crate) direction: Direction,
    pub(crate) target: Word,
}

/// A command without any other in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Simple {
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) words: Vec<Word>,
    pub(crate) redirects: Vec<Redirect>,
    /// As it was written.
    pub(crate) raw: String,
    /// Its standard input is a pipe, a here-document or a here-string.
    pub(crate) fed: bool,
}

/// Why the working directory after a group may differ from the one in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Runs in this shell, for certain.
    Plain,
    /// Runs in this shell, or not at all, or often.
    Maybe,
    /// Runs in a shell of its own.
    Subshell,
}

/// What the reader came across, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Enter(Scope),
    Leave,
    Command(Box<Simple>),
    /// What follows runs only if what came before succeeded.
    And,
}

/// A command line, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) events: Vec<Event>,
    /// Why this cannot be allowed without asking, whatever the rules say. Empty when it was understood.
    pub(crate) opaque: Vec<String>,
    /// It sets variables to something that is not a plain number.
    assigns: bool,
    /// It computes with variables by name.
    computes: bool,
    /// Scopes that have been entered and not left.
    scopes: usize,
}

impl Reading {
    /// The simple commands, in order.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &Simple> {
        self.events.iter().filter_map(|event| match event {
            Event::Command(simple) => Some(&**simple),
            _ => None,
        })
    }

    fn doubt(&mut self, why: &str) {
        if self.opaque.len() < 8 && !self.opaque.iter().any(|known| known == why) {
            self.opaque.push(why.to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
