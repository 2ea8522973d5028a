//! Owns the grammar: lists, pipelines, compound commands, here-documents.
//! Uses `word` for everything inside a word.
//! Never backtracks over more than one construct, and never recurses deeper than [`DEPTH`].

use super::redirects::{Held, Pending};
use super::{DEPTH, Event, Reading, Scope, Simple};

/// Why reading stopped. What was found up to there is kept.
pub(super) struct Stop;

pub(super) type Step<T> = Result<T, Stop>;

/// The reader over one text. Text that a command carries (`sh -c '…'`, back-quotes) gets a reader of its own.
pub(super) struct Reader<'text> {
    pub(super) text: &'text str,
    pub(super) at: usize,
    pub(super) depth: usize,
    pub(super) reading: &'text mut Reading,
    pub(super) pending: Vec<Pending>,
}

/// Take a command line apart.
pub(crate) fn read(text: &str, depth: usize) -> Reading {
    let mut reading = Reading::default();
    read_into(text, depth, &mut reading);
    if reading.assigns && reading.computes {
        reading.doubt("arithmetic with a variable that the command sets");
    }
    reading
}

/// Take a text apart that runs in the same place as what is being read.
pub(super) fn read_into(text: &str, depth: usize, reading: &mut Reading) {
    let mut reader = Reader { text, at: 0, depth, reading, pending: Vec::new() };
    let open = reader.open_scopes();
    let stopped = reader.program().is_err();
    if stopped {
        // Scopes stay balanced even when the text was not.
        while reader.open_scopes() > open {
            reader.reading.events.push(Event::Leave);
            reader.scopes_closed();
        }
    }
}

impl<'text> Reader<'text> {
    pub(super) fn stop<T>(&mut self, why: &str) -> Step<T> {
        self.reading.doubt(why);
        Err(Stop)
    }

    /// # Errors
    /// When constructs nest too deep.
    pub(super) fn deeper(&mut self) -> Step<()> {
        self.depth += 1;
        if self.depth > DEPTH { self.stop("it nests too deep") } else { Ok(()) }
    }

    pub(super) fn rest(&self) -> &'text str {
        &self.text[self.at..]
    }

    pub(super) fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn looking_at(&self, prefix: &str) -> bool {
        self.text.as_bytes()[self.at..].starts_with(prefix.as_bytes())
    }

    pub(super) fn take(&mut self, prefix: &str) -> bool {
        let found = self.looking_at(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    fn program(&mut self) -> Step<()> {
        self.list(&[])?;
        if self.at < self.text.len() {
            return self.stop("it is not complete shell syntax");
        }
        if !self.pending.is_empty() {
            return self.stop("a here-document does not end");
        }
        Ok(())
    }

    /// Blanks, line continuations and comments.
    pub(super) fn blanks(&mut self) {
        loop {
            match self.byte() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\\') if self.looking_at("\\\n") => self.at += 2,
                Some(b'#') => {
                    let rest = self.rest();
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    /// Blanks and newlines; the bodies of here-documents begin after a newline.
    pub(super) fn lines(&mut self) -> Step<()> {
        loop {
            self.blanks();
            if !self.take("\n") {
                return Ok(());
            }
            self.here_documents()?;
        }
    }

    /// Commands up to one of the closing words, or to `)`, or to the end of the text.
    pub(super) fn list(&mut self, closers: &[&str]) -> Step<()> {
        loop {
            self.lines()?;
            if self.closes(closers) {
                return Ok(());
            }
            let first = self.reading.events.len();
            self.and_or()?;
            self.blanks();
            if self.byte() == Some(b'&') {
                // In the background it runs in a shell of its own.
                self.reading.events.insert(first, Event::Enter(Scope::Subshell));
                self.reading.events.push(Event::Leave);
            }
            match self.byte() {
                Some(b';') if self.looking_at(";;") || self.looking_at(";&") => return Ok(()),
                Some(b';' | b'&') => self.at += 1,
                Some(b'\n') => {}
                _ if self.closes(closers) => return Ok(()),
                _ => return self.stop("it is not complete shell syntax"),
            }
        }
    }

    fn closes(&self, closers: &[&str]) -> bool {
        match self.byte() {
            None | Some(b')') => true,
            Some(b';') => self.looking_at(";;") || self.looking_at(";&"),
            Some(_) => closers.iter().any(|closer| self.looking_at_keyword(closer)),
        }
    }

    pub(super) fn looking_at_keyword(&self, keyword: &str) -> bool {
        self.looking_at(keyword)
            && self
                .text
                .as_bytes()
                .get(self.at + keyword.len())
                .is_none_or(|byte| b" \t\n;&|()<>".contains(byte))
    }

    pub(super) fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.looking_at_keyword(keyword);
        if found {
            self.at += keyword.len();
        }
        found
    }

    pub(super) fn expect_keyword(&mut self, keyword: &str) -> Step<()> {
        self.lines()?;
        if self.keyword(keyword) { Ok(()) } else { self.stop("it is not complete shell syntax") }
    }

    /// At least one command up to a closing word, which is taken.
    pub(super) fn block(&mut self, scope: Scope, closer: &str) -> Step<()> {
        self.within(scope, |reader| reader.list(&[closer]))?;
        self.expect_keyword(closer)
    }

    pub(super) fn within(&mut self, scope: Scope, inner: impl FnOnce(&mut Self) -> Step<()>) -> Step<()> {
        self.reading.events.push(Event::Enter(scope));
        self.reading.scopes += 1;
        inner(self)?;
        self.reading.events.push(Event::Leave);
        self.reading.scopes -= 1;
        Ok(())
    }

    fn open_scopes(&self) -> usize {
        self.reading.scopes
    }

    fn scopes_closed(&mut self) {
        self.reading.scopes -= 1;
    }

    fn and_or(&mut self) -> Step<()> {
        self.pipeline()?;
        loop {
            self.blanks();
            let and = self.looking_at("&&");
            if !and && !self.looking_at("||") {
                return Ok(());
            }
            self.at += 2;
            if and {
                self.reading.events.push(Event::And);
            }
            self.lines()?;
            self.within(Scope::Maybe, Self::pipeline)?;
        }
    }

    /// `!` and `time`. Bash takes them only before a whole pipeline; before a later part they change nothing here.
    fn prefixes(&mut self) {
        loop {
            if self.keyword("!") {
                self.blanks();
            } else if self.keyword("time") {
                self.blanks();
                if self.keyword("-p") {
                    self.blanks();
                }
            } else {
                break;
            }
        }
    }

    fn pipeline(&mut self) -> Step<()> {
        let first = self.reading.events.len();
        let mut fed = false;
        loop {
            self.prefixes();
            // Each part of a pipeline runs in a shell of its own; whether this is one shows only later.
            let scope = if fed { Scope::Subshell } else { Scope::Plain };
            self.within(scope, |reader| reader.command(fed))?;
            self.blanks();
            if self.looking_at("||") || !self.looking_at("|") {
                return Ok(());
            }
            self.at += if self.looking_at("|&") { 2 } else { 1 };
            self.reading.events[first] = Event::Enter(Scope::Subshell);
            fed = true;
            self.lines()?;
        }
    }

    pub(super) fn command(&mut self, fed: bool) -> Step<()> {
        self.deeper()?;
        let result = self.command_here(fed);
        self.depth -= 1;
        result
    }

    fn command_here(&mut self, fed: bool) -> Step<()> {
        let begin = self.at;
        match self.byte() {
            Some(b'(') if self.looking_at("((") && self.arithmetic_command()? => {}
            Some(b'(') => {
                self.looks_like_arithmetic();
                self.at += 1;
                self.within(Scope::Subshell, |reader| reader.list(&[]))?;
                self.close_parenthesis()?;
            }
            Some(b'{') if self.keyword("{") => self.block(Scope::Plain, "}")?,
            Some(b'i') if self.keyword("if") => self.if_command()?,
            Some(b'w') if self.keyword("while") => self.loop_command()?,
            Some(b'u') if self.keyword("until") => self.loop_command()?,
            Some(b'f') if self.keyword("for") => self.for_command()?,
            Some(b'c') if self.keyword("case") => self.case_command()?,
            Some(b'[') if self.keyword("[[") => return self.test_command(begin),
            Some(b's') if self.keyword("select") => {
                self.reading.doubt("`select` waits for a key");
                self.for_command()?;
            }
            Some(b'f') if self.keyword("function") => {
                self.blanks();
                self.name()?;
                self.blanks();
                if self.take("(") {
                    self.blanks();
                    self.close_parenthesis()?;
                }
                return self.function_body();
            }
            Some(b'c') if self.keyword("coproc") => {
                self.reading.doubt("`coproc` runs beside the shell");
                self.blanks();
                return self.command(fed);
            }
            _ => return self.simple(fed),
        }
        // Redirects of a compound command stand by themselves: they apply to every part of it.
        let mut simple = Simple { fed, ..Simple::default() };
        loop {
            self.blanks();
            if !self.redirect(&mut simple)? {
                break;
            }
        }
        if !simple.redirects.is_empty() {
            simple.raw = self.text[begin..self.at].trim().to_owned();
            self.reading.events.push(Event::Command(Box::new(simple)));
        }
        Ok(())
    }

    /// A reader over text that stands at this place but was cut out of it.
    pub(super) fn over<'inner>(&'inner mut self, text: &'inner str) -> Reader<'inner> {
        Reader { text, at: 0, depth: self.depth, reading: self.reading, pending: Vec::new() }
    }

    /// A here-document that began outside a substitution has its body after it, not in it.
    pub(super) fn hold_pending(&mut self) -> Held {
        Held::new(std::mem::take(&mut self.pending))
    }

    pub(super) fn release_pending(&mut self, held: Held) {
        self.pending.splice(..0, held.into_inner());
    }

    pub(super) fn close_parenthesis(&mut self) -> Step<()> {
        if !self.pending.is_empty() && self.byte() == Some(b')') {
            return self.stop("a here-document does not end");
        }
        if self.take(")") { Ok(()) } else { self.stop("a parenthesis does not close") }
    }
}
