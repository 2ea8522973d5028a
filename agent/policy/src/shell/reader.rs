//! Owns the grammar: lists, pipelines, compound commands, here-documents.
//! Uses `word` for everything inside a word.
//! Never backtracks over more than one construct, and never recurses deeper than [`DEPTH`].

use super::word::Lexed;
use super::{Assignment, DEPTH, Direction, Event, Reading, Redirect, Scope, Simple, Word};

/// Why reading stopped. What was found up to there is kept.
pub(super) struct Stop;

pub(super) type Step<T> = Result<T, Stop>;

/// A here-document whose body has not begun yet.
pub(super) struct Pending {
    delimiter: String,
    /// The delimiter was quoted: the body is text.
    literal: bool,
    /// `<<-`
    tabs: bool,
}

/// Here-documents that wait for the end of a substitution.
pub(super) struct Held(Vec<Pending>);

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The reader over one text. Text that a command carries (`sh -c '…'`, back-quotes) gets a reader of its own.
pub(super) struct Reader<'text> {
    pub(super) text: &'text str,
    pub(super) at: usize,
    pub(super) depth: usize,
    pub(super) reading: &'text mut Reading,
    pending: Vec<Pending>,
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

    fn take(&mut self, prefix: &str) -> bool {
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
    fn lines(&mut self) -> Step<()> {
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
            self.and_or()?;
            self.blanks();
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

    fn looking_at_keyword(&self, keyword: &str) -> bool {
        self.looking_at(keyword)
            && self
                .text
                .as_bytes()
                .get(self.at + keyword.len())
                .is_none_or(|byte| b" \t\n;&|()<>".contains(byte))
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.looking_at_keyword(keyword);
        if found {
            self.at += keyword.len();
        }
        found
    }

    fn expect_keyword(&mut self, keyword: &str) -> Step<()> {
        self.lines()?;
        if self.keyword(keyword) { Ok(()) } else { self.stop("it is not complete shell syntax") }
    }

    /// At least one command up to a closing word, which is taken.
    fn block(&mut self, scope: Scope, closer: &str) -> Step<()> {
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

    fn command(&mut self, fed: bool) -> Step<()> {
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
        Held(std::mem::take(&mut self.pending))
    }

    pub(super) fn release_pending(&mut self, mut held: Held) {
        held.0.append(&mut self.pending);
        self.pending = held.0;
    }

    pub(super) fn close_parenthesis(&mut self) -> Step<()> {
        if !self.pending.is_empty() && self.byte() == Some(b')') {
            return self.stop("a here-document does not end");
        }
        if self.take(")") { Ok(()) } else { self.stop("a parenthesis does not close") }
    }

    /// `((…))`; false, with nothing taken, when this is two subshells.
    fn arithmetic_command(&mut self) -> Step<bool> {
        let Some(length) = self.arithmetic_length(2) else { return Ok(false) };
        let inside = &self.text[self.at + 2..self.at + 2 + length];
        self.at += length + 4;
        self.arithmetic(inside)?;
        self.reading.computes = true;
        Ok(true)
    }

    fn if_command(&mut self) -> Step<()> {
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

    fn loop_command(&mut self) -> Step<()> {
        self.within(Scope::Maybe, |reader| {
            reader.list(&["do"])?;
            reader.expect_keyword("do")?;
            reader.list(&["done"])
        })?;
        self.expect_keyword("done")
    }

    fn for_command(&mut self) -> Step<()> {
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

    fn case_command(&mut self) -> Step<()> {
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

    fn name(&mut self) -> Step<String> {
        let rest = self.rest();
        let length =
            rest.find(|c: char| !is_name_character(c) && !"-.:+/@%".contains(c)).unwrap_or(rest.len());
        if length == 0 {
            return self.stop("a name is missing");
        }
        self.at += length;
        Ok(rest[..length].to_owned())
    }

    fn function_body(&mut self) -> Step<()> {
        // Its body runs wherever its name stands, also under the name of a harmless program.
        self.reading.doubt("it defines a function");
        self.lines()?;
        self.within(Scope::Subshell, |reader| reader.command(false))
    }

    fn simple(&mut self, fed: bool) -> Step<()> {
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
        }
        simple.raw = self.text[begin..self.at].trim().to_owned();
        self.reading.events.push(Event::Command(Box::new(simple)));
        Ok(())
    }

    /// Remember that a variable gets a value that arithmetic could run.
    fn assigned(&mut self, name: &str, value: &Word, array: bool) {
        if array || !is_integer(value) {
            self.reading.assigns = true;
        }
        let harmless =
            is_private_name(name) || (is_harmless_setting(name) && !array && is_plain_value(value));
        if !harmless {
            self.reading.doubt("it sets a variable that may change what programs do");
        }
    }

    /// The elements of `name=(…)`.
    fn array(&mut self) -> Step<()> {
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
    fn words(&mut self) -> Step<Vec<Word>> {
        let lexed = self.word()?;
        let mut words = Vec::new();
        self.push_words(lexed, &mut words)?;
        Ok(words)
    }

    fn push_words(&mut self, lexed: Lexed, words: &mut Vec<Word>) -> Step<()> {
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

    /// Take a redirect if one begins here.
    fn redirect(&mut self, simple: &mut Simple) -> Step<bool> {
        let bytes = &self.text.as_bytes()[self.at..];
        let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let operator = &bytes[digits..];
        let ampersand = digits == 0 && operator.starts_with(b"&>");
        if !ampersand && !matches!(operator.first(), Some(b'<' | b'>')) {
            return Ok(false);
        }
        // `<(…)` is a word.
        if matches!(operator.get(1), Some(b'(')) {
            return if digits == 0 { Ok(false) } else { self.stop("a redirect without a target") };
        }
        self.at += digits;
        let operators = ["&>>", "&>", "<<<", "<<-", "<<", "<&", "<>", "<", ">>", ">&", ">|", ">"];
        let Some(operator) = operators.into_iter().find(|operator| self.take(operator)) else {
            return self.stop("an unknown redirect");
        };
        if matches!(operator, "<<" | "<<-") {
            self.begin_here_document(operator == "<<-")?;
            simple.fed = true;
            return Ok(true);
        }
        self.blanks();
        if matches!(self.byte(), None | Some(b'\n' | b';' | b'&' | b'|' | b'(' | b')')) {
            return self.stop("a redirect without a target");
        }
        let lexed = self.word()?;
        let braces = !matches!(lexed.expand_braces(), Ok(None));
        let mut target = lexed.word();
        target.dynamic |= braces;
        let copies = target.known().is_some_and(|text| {
            let number = text.strip_suffix('-').unwrap_or(text);
            number.bytes().all(|byte| byte.is_ascii_digit())
        });
        let direction = match operator {
            "<<<" => {
                simple.fed = true;
                return Ok(true);
            }
            "<&" | ">&" if copies => {
                // Copying a descriptor onto standard input feeds the command from somewhere.
                simple.fed |= operator == "<&";
                return Ok(true);
            }
            "<" | "<&" => Direction::Read,
            "<>" => Direction::Both,
            _ => Direction::Write,
        };
        simple.fed |= direction != Direction::Write;
        simple.redirects.push(Redirect { direction, target });
        Ok(true)
    }

    fn begin_here_document(&mut self, tabs: bool) -> Step<()> {
        self.blanks();
        if matches!(self.byte(), None | Some(b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>')) {
            return self.stop("a here-document without a delimiter");
        }
        let word = self.word()?.word();
        if word.dynamic {
            return self.stop("a here-document whose end is not known");
        }
        self.pending.push(Pending { delimiter: word.text, literal: word.quoted, tabs });
        Ok(())
    }

    /// The bodies that begin on this line.
    fn here_documents(&mut self) -> Step<()> {
        for pending in std::mem::take(&mut self.pending) {
            let begin = self.at;
            let mut end = None;
            while self.at < self.text.len() {
                let rest = self.rest();
                let length = rest.find('\n').unwrap_or(rest.len());
                let line = &rest[..length];
                let line = if pending.tabs { line.trim_start_matches('\t') } else { line };
                let line_begin = self.at;
                self.at = (self.at + length + 1).min(self.text.len());
                if line == pending.delimiter {
                    end = Some(line_begin);
                    break;
                }
            }
            let Some(end) = end else { return self.stop("a here-document does not end") };
            if !pending.literal {
                let body = &self.text[begin..end];
                self.expandable(body)?;
            }
        }
        Ok(())
    }

    /// `[[ … ]]`, kept as one command whose words are its operators and operands.
    fn test_command(&mut self, begin: usize) -> Step<()> {
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
    fn regular_expression(&mut self) -> Step<Word> {
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

pub(super) fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

pub(super) fn is_integer(word: &Word) -> bool {
    !word.dynamic
        && !word.text.is_empty()
        && word.text.len() < 19
        && word.text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Names that no program and no shell looks at: in small letters, as scripts name their own.
fn is_private_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && name.bytes().any(|byte| byte.is_ascii_lowercase())
        && !matches!(name, "histchars" | "auto_resume")
        && !name.ends_with("_proxy")
}

/// Settings that change how a program speaks, never what it does.
fn is_harmless_setting(name: &str) -> bool {
    matches!(
        name,
        "LANG"
            | "LANGUAGE"
            | "LC_ALL"
            | "LC_CTYPE"
            | "LC_COLLATE"
            | "LC_MESSAGES"
            | "LC_NUMERIC"
            | "LC_TIME"
            | "TZ"
            | "NO_COLOR"
            | "FORCE_COLOR"
            | "CLICOLOR"
            | "CLICOLOR_FORCE"
            | "COLUMNS"
            | "LINES"
            | "CI"
            | "RUST_BACKTRACE"
            | "RUST_LOG"
            | "CARGO_TERM_COLOR"
            | "NODE_ENV"
            | "PYTHONUNBUFFERED"
            | "PYTHONDONTWRITEBYTECODE"
            | "DEBUG"
            | "VERBOSE"
    )
}

fn is_plain_value(value: &Word) -> bool {
    !value.dynamic
        && value.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.,:=@*".contains(&byte))
}

/// Words that are no programs: where one stands as a program, the reading has gone wrong.
const RESERVED: &[&str] = &[
    "!", "{", "}", "[[", "]]", "if", "then", "elif", "else", "fi", "for", "in", "while", "until", "do",
    "done", "case", "esac", "select", "function", "coproc", "time",
];

fn declares(first: &Word) -> bool {
    matches!(first.text.as_str(), "declare" | "typeset" | "export" | "readonly" | "local") && !first.dynamic
}

fn sets_variables(program: &str) -> bool {
    matches!(
        program,
        "declare"
            | "typeset"
            | "export"
            | "readonly"
            | "local"
            | "let"
            | "read"
            | "mapfile"
            | "readarray"
            | "getopts"
            | "printf"
            | "set"
            | "eval"
            | "source"
            | "."
    )
}
